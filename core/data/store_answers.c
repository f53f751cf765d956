/* Answers of models, by a hash of the evidence they were given: of one customer, never of all. */
#include "data/store_sqlite.h"

static struct str hash_of(const struct answer_key *key)
{
    return (struct str){(const char *)key->hash, sizeof key->hash};
}

int store_put_answer(struct store *store, const struct answer_key *key, struct str json, int64_t now_ns,
                     struct err *err)
{
    if (json.len > STORE_ANSWER_MAX)
        return err_set(err, ERR_LIMIT, "expected an answer of at most %d bytes, got %zu", STORE_ANSWER_MAX,
                       json.len);
    if (store_must_write(store, err) ||
        sql_run(&store->sql, SQL_ANSWER_DELETE, err, "bt", hash_of(key), key->customer))
        return -1;
    store->answers.count -= (size_t)sqlite3_changes(store->sql.db);
    if (sql_run(&store->sql, SQL_ANSWER_PUT, err, "btit", hash_of(key), key->customer, now_ns, json))
        return -1;
    return store_keep(store, &store->answers, SQL_ANSWER_EVICT, err);
}

static int get_answer(struct sql *sql, const struct answer_key *key, struct buf *json, int64_t *at_ns,
                      struct err *err)
{
    sqlite3_stmt *row = sql_query(sql, SQL_ANSWER_GET, err, "bt", hash_of(key), key->customer);
    int found = row ? sql_step(sql, row, err) : -1;
    if (found == 0)
        return err_set(err, ERR_NOT_FOUND, "the store holds no such answer");
    if (found < 0)
        return -1;
    buf_put(json, sql_text(row, 0));
    if (at_ns)
        *at_ns = sql_int(row, 1);
    sql_end(row);
    return 0;
}

int store_get_answer(struct store *store, const struct answer_key *key, struct buf *json, int64_t *at_ns,
                     struct err *err)
{
    store_read_enter(store);
    int result = get_answer(&store->sql, key, json, at_ns, err);
    store_read_leave(store);
    return result;
}

int store_read_answer(struct store_reader *reader, const struct answer_key *key, struct buf *json,
                      int64_t *at_ns, struct err *err)
{
    if (reader_begin(reader, err))
        return -1;
    int result = get_answer(&reader->sql, key, json, at_ns, err);
    reader_end(reader);
    return result;
}
