/* What leaves the store: old resolved threats, old audit, demo threats. */
#include "data/store_entities.h"

static struct threat *load_row(struct store *store, int64_t seq, struct err *err)
{
    sqlite3_stmt *body = sql_query(&store->sql, SQL_BODY_PACKED, err, "i", seq);
    int found = body ? sql_step(&store->sql, body, err) : -1;
    if (found == 0)
        err_set(err, ERR_CORRUPT, "threat %lld has no body", (long long)seq);
    if (found != 1)
        return NULL;
    struct threat *threat = threat_unpack(sql_blob(body, 0), err);
    sql_end(body);
    return threat;
}

static int delete_threat(struct store *store, int64_t seq, struct err *err)
{
    static const unsigned tables[] = {SQL_DEMO_AUDIT_DELETE, SQL_THREAT_DELETE, SQL_BODY_DELETE,
                                      SQL_MEMBERS_DELETE,    SQL_NOTES_DELETE,  SQL_JOBS_DELETE,
                                      SQL_TIMER_DELETE};
    int64_t cell;
    int result = -1;
    struct threat *threat = load_row(store, seq, err);
    if (!threat)
        return -1;
    if (counters_cell(store->counters, &store->sql, threat, &cell, err) ||
        entities_forget(store, threat, err))
        goto out;
    for (size_t i = 0; i < sizeof tables / sizeof *tables; i++)
        if (sql_run(&store->sql, tables[i], err, "i", seq))
            goto out;
    counters_add(store->counters, threat, cell, -1);
    result = 0;
out:
    threat_free(threat);
    return result;
}

struct numbers {
    VEC(int64_t) seqs;
};

/* What a query of one column lists. */
static int read_numbers(struct store *store, sqlite3_stmt *rows, struct numbers *numbers, struct err *err)
{
    int result = rows ? 1 : -1;
    while (result == 1 && (result = sql_step(&store->sql, rows, err)) == 1)
        vec_push(&numbers->seqs, sql_int(rows, 0));
    return result;
}

/* Deletes the threats that a query of one column lists. */
static int delete_listed(struct store *store, sqlite3_stmt *rows, size_t *deleted, struct err *err)
{
    struct numbers numbers = {0};
    int result = read_numbers(store, rows, &numbers, err);
    for (size_t i = 0; result == 0 && i < numbers.seqs.count; i++) {
        result = delete_threat(store, numbers.seqs.items[i], err);
        *deleted += result == 0;
    }
    vec_free(&numbers.seqs);
    return result;
}

/* Counters that nothing is counted by any more. Their deltas go first; cells are looked up anew afterwards.
 */
static int prune(struct store *store, struct err *err)
{
    if (counters_flush(store->counters, &store->sql, err) || sql_run(&store->sql, SQL_CELL_PRUNE, err, "") ||
        sql_run(&store->sql, SQL_SPAN_PRUNE, err, ""))
        return -1;
    counters_forget(store->counters);
    store->put_id[0] = '\0'; /* it may be gone */
    return 0;
}

/* A note of a time whose records are gone cannot be said to have none. */
static int trim_audit(struct store *store, int64_t before_ns, size_t max, size_t *deleted, struct err *err)
{
    if (sql_run(&store->sql, SQL_AUDIT_TRIM, err, "ii", before_ns, (int64_t)(max - *deleted)))
        return -1;
    size_t gone = (size_t)sqlite3_changes(store->sql.db);
    *deleted += gone;
    return gone ? sql_run(&store->sql, SQL_AUDIT_FROM_PUT, err, "i", before_ns) : 0;
}

static int trim_usage(struct store *store, int64_t before_ns, size_t max, size_t *deleted, struct err *err)
{
    char time[32];
    time_print(before_ns, time);
    struct str day = {time, strlen("2026-11-23")};
    if (sql_run(&store->sql, SQL_USAGE_TRIM, err, "ti", day, (int64_t)(max - *deleted)))
        return -1;
    *deleted += (size_t)sqlite3_changes(store->sql.db);
    return 0;
}

int store_retain(struct store *store, int64_t before_ns, int64_t audit_before_ns, size_t max, size_t *deleted,
                 struct err *err)
{
    *deleted = 0;
    if (store_must_write(store, err) ||
        delete_listed(store, sql_query(&store->sql, SQL_RESOLVED, err, "ii", before_ns, (int64_t)max),
                      deleted, err))
        return -1;
    if ((*deleted < max && trim_audit(store, audit_before_ns, max, deleted, err)) ||
        (*deleted < max && trim_usage(store, audit_before_ns, max, deleted, err)))
        return -1;
    return *deleted ? prune(store, err) : 0;
}

int store_load_demo(struct store *store, int (*visit)(const struct threat *threat, void *arg), void *arg,
                    struct err *err)
{
    struct numbers numbers = {0};
    int result = read_numbers(store, sql_query(&store->sql, SQL_DEMO, err, ""), &numbers, err);
    for (size_t i = 0; result == 0 && i < numbers.seqs.count; i++) {
        struct threat *threat = load_row(store, numbers.seqs.items[i], err);
        result = threat ? visit(threat, arg) : -1;
        threat_free(threat);
    }
    vec_free(&numbers.seqs);
    return result;
}

int store_forget_demo(struct store *store, size_t *count, struct err *err)
{
    *count = 0;
    if (store_must_write(store, err) ||
        delete_listed(store, sql_query(&store->sql, SQL_DEMO, err, ""), count, err))
        return -1;
    return *count ? prune(store, err) : 0;
}
