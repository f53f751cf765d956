/* What the writer reads back for the book of open threats. */
#include "data/store_sqlite.h"

static bool of_family(const struct threat *threat, struct str rule_id, struct str customer,
                      struct str dedup_key)
{
    return str_equal(threat->rule_id, rule_id) && str_equal(threat->customer, customer) &&
           str_equal(threat->dedup_key, dedup_key);
}

int64_t store_family(struct str rule_id, struct str customer, struct str dedup_key)
{
    struct str parts[] = {rule_id, customer, dedup_key};
    struct id128 id = hash_id(parts, 3);
    int64_t family;
    memcpy(&family, id.bytes, sizeof family);
    return family;
}

/* The index holds a hash, so each row is held against the names themselves. */
/* long: a family has three names, and a list that is filled is three values */
int store_load_family(struct store *store, struct str rule_id, struct str customer, struct str dedup_key,
                      struct threat **threats, size_t max, size_t *count, struct err *err)
{
    *count = 0;
    max = max < STORE_FAMILY_MAX ? max : STORE_FAMILY_MAX;
    store_read_enter(store);
    int64_t family = store_family(rule_id, customer, dedup_key);
    sqlite3_stmt *rows = sql_query(&store->sql, SQL_FAMILY, err, "i", family);
    int more = rows ? 0 : -1;
    while (more >= 0 && *count < max && (more = sql_step(&store->sql, rows, err)) == 1) {
        struct threat *threat = threat_unpack(sql_blob(rows, 0), err);
        if (!threat)
            more = -1;
        else if (of_family(threat, rule_id, customer, dedup_key))
            threats[(*count)++] = threat;
        else
            threat_free(threat);
    }
    if (rows)
        sql_end(rows);
    store_read_leave(store);
    if (more >= 0)
        return 0;
    while (*count)
        threat_free(threats[--*count]);
    return -1;
}

struct threat *store_load_threat(struct store *store, struct str id, struct err *err)
{
    struct threat *threat = NULL;
    store_read_enter(store);
    sqlite3_stmt *old = sql_query(&store->sql, SQL_THREAT_OLD, err, "t", id);
    int found = old ? sql_step(&store->sql, old, err) : -1;
    if (found == 0)
        err_set(err, ERR_NOT_FOUND, "the store holds no such threat");
    if (found == 1) {
        threat = threat_unpack(sql_blob(old, 0), err);
        sql_end(old);
    }
    store_read_leave(store);
    return threat;
}

int store_threat_seq(struct store *store, const char *threat_id, int64_t *seq, struct err *err)
{
    if (store->writing && store->put_id[0] && strcmp(store->put_id, threat_id) == 0) {
        *seq = store->put_seq;
        return 0;
    }
    sqlite3_stmt *find = sql_query(&store->sql, SQL_THREAT_SEQ, err, "t", str_from(threat_id));
    int found = find ? sql_step(&store->sql, find, err) : -1;
    if (found == 0)
        return err_set(err, ERR_NOT_FOUND, "the store holds no such threat");
    if (found < 0)
        return -1;
    *seq = sql_int(find, 0);
    sql_end(find);
    return 0;
}

int store_load_members(struct store *store, const char *threat_id, struct id128 *ids, size_t max,
                       size_t *count, struct err *err)
{
    int64_t seq;
    int more = -1;
    *count = 0;
    store_read_enter(store);
    if (store_threat_seq(store, threat_id, &seq, err))
        goto out;
    sqlite3_stmt *rows = sql_query(&store->sql, SQL_MEMBERS, err, "ii", seq, (int64_t)max);
    while (rows && (more = sql_step(&store->sql, rows, err)) == 1) {
        struct str id = sql_blob(rows, 0);
        if (id.len == sizeof ids->bytes)
            memcpy(ids[(*count)++].bytes, id.ptr, id.len);
    }
out:
    store_read_leave(store);
    return more;
}

int store_load_changed(struct store *store, size_t max, int (*visit)(struct str id, void *arg), void *arg,
                       struct err *err)
{
    store_read_enter(store);
    sqlite3_stmt *rows = sql_query(&store->sql, SQL_CHANGED, err, "i", (int64_t)max);
    int more = rows ? 1 : -1;
    while (more == 1 && (more = sql_step(&store->sql, rows, err)) == 1)
        more = visit(sql_text(rows, 0), arg) == 0;
    if (rows)
        sql_end(rows);
    store_read_leave(store);
    return more;
}
