#include <stdlib.h>

#include "base/log.h"
#include "data/store_entities.h"

#define CHECKPOINT_PAGES 1000  /* wake the checkpoint thread */
#define WAL_PAGES_MAX    16384 /* 64 MiB: the writer helps, or the WAL would never start over */

static const char pragmas[] = "PRAGMA secure_delete = FAST; PRAGMA temp_store = MEMORY;"
                              "PRAGMA cache_size = -16384;";
static const char file_pragmas[] = "PRAGMA synchronous = FULL; PRAGMA journal_size_limit = 67108864;";
static const char memory_pragmas[] = "PRAGMA journal_mode = MEMORY; PRAGMA synchronous = OFF;";

/* ---- open and close ---- */

/* SQLite's own memory file: visible to every connection of the process that knows the name. */
static char *memory_name(void)
{
    uint8_t random[8];
    char hex[2 * sizeof random + 1];
    id_random(random, sizeof random);
    id_hex(random, sizeof random, hex);
    struct buf name = BUF_EMPTY;
    buf_printf(&name, "file:/lunette-%s?vfs=memdb", hex);
    return name.ptr;
}

/* Instead of SQLite's automatic checkpoint, which would run inside a commit. */
static int wal_grew(void *arg, sqlite3 *db, const char *schema, int pages)
{
    struct store *store = arg;
    if (store->checkpoint && pages >= CHECKPOINT_PAGES)
        checkpoint_wake(store->checkpoint);
    if (pages >= WAL_PAGES_MAX)
        sqlite3_wal_checkpoint_v2(db, schema, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
    return SQLITE_OK;
}

static int enter_wal(struct store *store, struct err *err)
{
    sqlite3_stmt *statement = NULL;
    bool wal = sqlite3_prepare_v2(store->sql.db, "PRAGMA journal_mode = WAL", -1, &statement, NULL) ==
                   SQLITE_OK &&
               sqlite3_step(statement) == SQLITE_ROW && str_is(sql_text(statement, 0), "wal");
    sqlite3_finalize(statement);
    if (!wal) {
        enum err_code code = sqlite3_errcode(store->sql.db) == SQLITE_NOTADB ? ERR_CORRUPT : ERR_IO;
        err_set(err, code, "the store cannot use a write-ahead log here: %s", sqlite3_errmsg(store->sql.db));
        return err_at(err, "%s", store->name);
    }
    return sql_exec(&store->sql, file_pragmas, err);
}

static int count_kept(struct store *store, struct kept *kept, const char *text, struct err *err)
{
    int64_t count;
    if (sql_number(&store->sql, text, &count, err))
        return -1;
    kept->count = kept->committed = (size_t)count;
    return 0;
}

static int set_up(struct store *store, struct err *err)
{
    int64_t seq, indexed, tail;
    if (sql_exec(&store->sql, pragmas, err))
        return -1;
    if (store->memory ? sql_exec(&store->sql, memory_pragmas, err) : enter_wal(store, err))
        return -1;
    if (store_migrate(&store->sql, err) || sql_number(&store->sql, "SELECT last_seq FROM meta", &seq, err))
        return err_at(err, "%s", store->name);
    if (sql_number(&store->sql, "SELECT indexed FROM meta", &indexed, err) ||
        sql_number(&store->sql, "SELECT count(*) FROM tail", &tail, err) ||
        count_kept(store, &store->verdicts, "SELECT count(*) FROM verdicts", err) ||
        count_kept(store, &store->answers, "SELECT count(*) FROM answers", err) ||
        count_kept(store, &store->observations, "SELECT count(*) FROM observations", err))
        return err_at(err, "%s", store->name);
    store->seq = store->committed_seq = (uint64_t)seq;
    store->indexed = store->committed_indexed = (uint64_t)indexed;
    store->tail = store->committed_tail = (size_t)tail;
    if (store->memory)
        return 0;
    store->checkpoint = store_checkpoint_start(store->name, err);
    sqlite3_wal_hook(store->sql.db, wal_grew, store);
    return store->checkpoint ? 0 : -1;
}

struct store *store_open(const char *path, struct err *err)
{
    struct store *store = mem_zalloc(1, sizeof *store);
    store->memory = !path;
    store->tail_max = STORE_TAIL_MAX;
    store->verdicts.max = STORE_VERDICTS_MAX;
    store->answers.max = STORE_ANSWERS_MAX;
    store->observations.max = STORE_OBSERVATIONS_MAX;
    store->name = path ? mem_dup(path, strlen(path)) : memory_name();
    store->counters = counters_new();
    pthread_rwlockattr_t attributes;
    pthread_rwlockattr_init(&attributes);
    /* Readers that follow each other closely would keep the writer out for ever. */
    pthread_rwlockattr_setkind_np(&attributes, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
    pthread_rwlock_init(&store->lock, &attributes);
    pthread_rwlockattr_destroy(&attributes);
    if (sql_open(&store->sql, store->name, store_sql_texts, SQL_COUNT, err) || set_up(store, err)) {
        store_close(store);
        return NULL;
    }
    return store;
}

void store_close(struct store *store)
{
    if (!store)
        return;
    if (store->writing)
        store_rollback(store);
    store_checkpoint_stop(store->checkpoint);
    sql_close(&store->sql);
    counters_free(store->counters);
    pthread_rwlock_destroy(&store->lock);
    buf_free(&store->packed);
    buf_free(&store->text);
    free(store->name);
    free(store);
}

/* ---- transactions ---- */

int store_begin(struct store *store, struct err *err)
{
    if (store->writing)
        return err_set(err, ERR_INTERNAL, "a transaction of the store is open already");
    if (store->memory)
        pthread_rwlock_wrlock(&store->lock);
    if (sql_run(&store->sql, SQL_BEGIN_WRITE, err, "")) {
        if (store->memory)
            pthread_rwlock_unlock(&store->lock);
        return -1;
    }
    store->writing = true;
    return 0;
}

static void finish(struct store *store)
{
    store->writing = false;
    store->put_id[0] = '\0';
    if (store->memory)
        pthread_rwlock_unlock(&store->lock);
}

int store_commit(struct store *store, struct err *err)
{
    if (store_must_write(store, err) || counters_flush(store->counters, &store->sql, err) ||
        entities_flush(store, err))
        return -1;
    if (store->seq != store->committed_seq) {
        int64_t trim = (int64_t)store->seq - STORE_LOG_MAX;
        if (sql_run(&store->sql, SQL_SEQ_PUT, err, "i", (int64_t)store->seq) ||
            (trim > 0 && sql_run(&store->sql, SQL_CHANGE_TRIM, err, "i", trim)))
            return -1;
    }
    if (sql_run(&store->sql, SQL_COMMIT, err, ""))
        return -1;
    store->committed_seq = store->seq;
    store->committed_indexed = store->indexed;
    store->committed_tail = store->tail;
    store->verdicts.committed = store->verdicts.count;
    store->answers.committed = store->answers.count;
    store->observations.committed = store->observations.count;
    finish(store);
    return 0;
}

void store_rollback(struct store *store)
{
    if (!store->writing)
        return;
    struct err err = {0};
    /* A full disk makes SQLite roll back by itself; a second one would be an error. */
    if (!sqlite3_get_autocommit(store->sql.db) && sql_run(&store->sql, SQL_ROLLBACK, &err, ""))
        LOG_ERR(LOG_ERROR, "store.rollback_failed", &err);
    store->seq = store->committed_seq;
    store->indexed = store->committed_indexed;
    store->tail = store->committed_tail;
    store->verdicts.count = store->verdicts.committed;
    store->answers.count = store->answers.committed;
    store->observations.count = store->observations.committed;
    counters_forget(store->counters);
    finish(store);
}

int store_must_write(const struct store *store, struct err *err)
{
    return store->writing ? 0 : err_set(err, ERR_INTERNAL, "the store is written to outside a transaction");
}

int store_keep(struct store *store, struct kept *kept, unsigned evict, struct err *err)
{
    for (kept->count++; kept->count > kept->max; kept->count--)
        if (sql_run(&store->sql, evict, err, ""))
            return -1;
    return 0;
}

uint64_t store_next_seq(struct store *store)
{
    return ++store->seq;
}

/* ---- facts ---- */

static int check_name(const char *name, struct err *err)
{
    size_t len = strlen(name);
    return len && len <= STORE_FACT_NAME
               ? 0
               : err_set(err, ERR_LIMIT, "expected a fact's name of 1 to %d bytes, got %zu", STORE_FACT_NAME,
                         len);
}

int store_put(struct store *store, const char *name, struct str value, struct err *err)
{
    if (store_must_write(store, err) || check_name(name, err))
        return -1;
    return sql_run(&store->sql, SQL_FACT_PUT, err, "tb", str_from(name), value);
}

void store_read_enter(struct store *store)
{
    if (store->memory && !store->writing)
        pthread_rwlock_rdlock(&store->lock);
}

void store_read_leave(struct store *store)
{
    if (store->memory && !store->writing)
        pthread_rwlock_unlock(&store->lock);
}

static int fact_get(struct store *store, const char *name, struct buf *value, struct err *err)
{
    sqlite3_stmt *get = sql_query(&store->sql, SQL_FACT_GET, err, "t", str_from(name));
    int found = get ? sql_step(&store->sql, get, err) : -1;
    if (found == 0)
        return err_set(err, ERR_NOT_FOUND, "the store holds no fact named %s", name);
    if (found < 0)
        return -1;
    buf_put(value, sql_blob(get, 0));
    sql_end(get);
    return 0;
}

int store_get(struct store *store, const char *name, struct buf *value, struct err *err)
{
    if (check_name(name, err))
        return -1;
    store_read_enter(store);
    int result = fact_get(store, name, value, err);
    store_read_leave(store);
    return result;
}
