/* Jobs of analysis and timers of threats: both hang on a threat's row and go with it. */
#include "data/store_sqlite.h"

/* ---- jobs ---- */

int store_put_job(struct store *store, const struct store_job *job, struct err *err)
{
    int64_t seq;
    if (store_must_write(store, err) || store_threat_seq(store, job->threat_id, &seq, err))
        return -1;
    return sql_run(&store->sql, SQL_JOB_PUT, err, "iiiiiiii", seq, (int64_t)job->stage,
                   (int64_t)job->severity, (int64_t)job->attempts, job->created_ns, job->not_before_ns,
                   (int64_t)job->event_count, (int64_t)job->since_evidence);
}

/* One row of numbers for all jobs: were they counted by the job, a job that was put anew would meet the late
 * result of the one before under the same number. */
static int next_claim(struct store *store, int64_t *claim, struct err *err)
{
    if (sql_run(&store->sql, SQL_CLAIM_NEXT, err, ""))
        return -1;
    sqlite3_stmt *get = sql_query(&store->sql, SQL_CLAIM_GET, err, "");
    if (!get || sql_step(&store->sql, get, err) != 1)
        return -1;
    *claim = sql_int(get, 0);
    sql_end(get);
    return 0;
}

static bool nothing_changed(const struct store *store)
{
    return sqlite3_changes(store->sql.db) == 0;
}

int store_claim_job(struct store *store, const char *threat_id, enum job_stage stage, uint32_t *claim,
                    struct err *err)
{
    int64_t next;
    if (store_must_write(store, err) || next_claim(store, &next, err) ||
        sql_run(&store->sql, SQL_JOB_CLAIM, err, "tii", str_from(threat_id), (int64_t)stage, next))
        return -1;
    if (nothing_changed(store))
        return err_set(err, ERR_NOT_FOUND, "the store holds no such job");
    *claim = (uint32_t)next;
    return 0;
}

static int no_claim(struct err *err)
{
    return err_set(err, ERR_CONFLICT, "the claim is not the job's current one, or the job is gone");
}

int store_finish_job(struct store *store, const char *threat_id, enum job_stage stage, uint32_t claim,
                     struct err *err)
{
    if (store_must_write(store, err) ||
        sql_run(&store->sql, SQL_JOB_FINISH, err, "tii", str_from(threat_id), (int64_t)stage, (int64_t)claim))
        return -1;
    return nothing_changed(store) ? no_claim(err) : 0;
}

int store_delay_job(struct store *store, const char *threat_id, enum job_stage stage, uint32_t claim,
                    int64_t not_before_ns, struct err *err)
{
    if (store_must_write(store, err) || sql_run(&store->sql, SQL_JOB_DELAY, err, "tiii", str_from(threat_id),
                                                (int64_t)stage, (int64_t)claim, not_before_ns))
        return -1;
    return nothing_changed(store) ? no_claim(err) : 0;
}

int store_drop_job(struct store *store, const char *threat_id, enum job_stage stage, struct err *err)
{
    if (store_must_write(store, err))
        return -1;
    return sql_run(&store->sql, SQL_JOB_DROP, err, "ti", str_from(threat_id), (int64_t)stage);
}

static void copy_id(char out[UUID_TEXT], struct str id)
{
    size_t len = id.len < UUID_TEXT ? id.len : UUID_TEXT - 1;
    if (len)
        memcpy(out, id.ptr, len);
    out[len] = '\0';
}

static void job_of(sqlite3_stmt *row, struct store_job *job)
{
    *job = (struct store_job){.stage = (enum job_stage)sql_int(row, 1),
                              .severity = (enum severity)sql_int(row, 2),
                              .claim = (uint32_t)sql_int(row, 3),
                              .attempts = (uint32_t)sql_int(row, 4),
                              .created_ns = sql_int(row, 5),
                              .not_before_ns = sql_int(row, 6),
                              .event_count = (uint64_t)sql_int(row, 7),
                              .since_evidence = (uint32_t)sql_int(row, 8)};
    copy_id(job->threat_id, sql_text(row, 0));
}

int store_load_jobs(struct store *store, int (*visit)(const struct store_job *job, void *arg), void *arg,
                    struct err *err)
{
    store_read_enter(store);
    sqlite3_stmt *rows = sql_query(&store->sql, SQL_JOBS, err, "");
    int more = rows ? 1 : -1;
    while (more == 1 && (more = sql_step(&store->sql, rows, err)) == 1) {
        struct store_job job;
        job_of(rows, &job);
        more = visit(&job, arg) == 0;
    }
    if (rows)
        sql_end(rows);
    store_read_leave(store);
    return more;
}

/* ---- timers ---- */

int store_set_timer(struct store *store, const char *threat_id, int64_t at_ns, struct err *err)
{
    int64_t seq;
    if (store_must_write(store, err) || store_threat_seq(store, threat_id, &seq, err))
        return -1;
    return at_ns ? sql_run(&store->sql, SQL_TIMER_PUT, err, "ii", seq, at_ns)
                 : sql_run(&store->sql, SQL_TIMER_DELETE, err, "i", seq);
}

int store_due_timers(struct store *store, int64_t now_ns, size_t max,
                     int (*visit)(const char *threat_id, int64_t at_ns, void *arg), void *arg,
                     struct err *err)
{
    char id[UUID_TEXT];
    store_read_enter(store);
    sqlite3_stmt *rows = sql_query(&store->sql, SQL_TIMERS_DUE, err, "ii", now_ns, (int64_t)max);
    int more = rows ? 1 : -1;
    while (more == 1 && (more = sql_step(&store->sql, rows, err)) == 1) {
        copy_id(id, sql_text(rows, 0));
        more = visit(id, sql_int(rows, 1), arg) == 0;
    }
    if (rows)
        sql_end(rows);
    store_read_leave(store);
    return more;
}

int store_take_timer(struct store *store, const char *threat_id, int64_t at_ns, bool *taken, struct err *err)
{
    *taken = false;
    if (store_must_write(store, err) ||
        sql_run(&store->sql, SQL_TIMER_TAKE, err, "ti", str_from(threat_id), at_ns))
        return -1;
    *taken = !nothing_changed(store);
    return 0;
}
