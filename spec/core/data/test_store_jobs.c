/* Jobs of analysis and timers: what survives, whose result counts, who takes a timer. */
#include "core/data/store_fixture.h"

#include "base/log.h"

static struct threat *put_threat(struct shop *shop, uint64_t n)
{
    struct threat *threat = threat_number(n);
    shop_put(shop, threat);
    return threat;
}

static void put_job(struct shop *shop, const char *id, enum job_stage stage, int64_t created_ns)
{
    struct store_job job = {.stage = stage,
                            .severity = SEVERITY_HIGH,
                            .claim = 77,
                            .created_ns = created_ns,
                            .not_before_ns = created_ns + 5,
                            .event_count = 9,
                            .since_evidence = 3};
    snprintf(job.threat_id, sizeof job.threat_id, "%s", id);
    ok(store_put_job(shop->store, &job, &shop->err), &shop->err);
}

struct jobs {
    VEC(struct store_job) list;
    size_t stop_at;
};

static int keep_job(const struct store_job *job, void *arg)
{
    struct jobs *jobs = arg;
    vec_push(&jobs->list, *job);
    return jobs->list.count == jobs->stop_at;
}

static struct jobs load_jobs(struct shop *shop)
{
    struct jobs jobs = {0};
    ok(store_load_jobs(shop->store, keep_job, &jobs, &shop->err), &shop->err);
    return jobs;
}

static size_t count_jobs(struct shop *shop)
{
    struct jobs jobs = load_jobs(shop);
    size_t count = jobs.list.count;
    vec_free(&jobs.list);
    return count;
}

static uint32_t claim_job(struct shop *shop, const char *id, enum job_stage stage)
{
    uint32_t claim = 0;
    ok(store_claim_job(shop->store, id, stage, &claim, &shop->err), &shop->err);
    assert_true(claim > 0);
    return claim;
}

static void finish_is(struct shop *shop, const char *id, uint32_t claim, int result)
{
    assert_int_equal(store_finish_job(shop->store, id, JOB_FINDINGS, claim, &shop->err), result);
    if (result)
        assert_int_equal(shop->err.code, ERR_CONFLICT);
}

/* ---- jobs ---- */

static void jobs_are_there_after_a_restart_oldest_first(void **state)
{
    struct shop shop = shop_new(state);
    shop_begin(&shop);
    struct threat *one = put_threat(&shop, 1), *two = put_threat(&shop, 2);
    put_job(&shop, one->id, JOB_MODEL, T0 + 2);
    put_job(&shop, one->id, JOB_FINDINGS, T0 + 3);
    put_job(&shop, two->id, JOB_FINDINGS, T0 + 1);
    uint32_t claim = claim_job(&shop, one->id, JOB_MODEL);
    shop_commit(&shop);
    if (shop.disk) {
        shop_close(&shop);
        shop_open(&shop);
    }
    struct jobs jobs = load_jobs(&shop);
    assert_int_equal(jobs.list.count, 3);
    assert_string_equal(jobs.list.items[0].threat_id, two->id);
    const struct store_job *job = &jobs.list.items[1];
    assert_string_equal(job->threat_id, one->id);
    assert_int_equal(job->stage, JOB_MODEL);
    assert_int_equal(job->severity, SEVERITY_HIGH);
    assert_int_equal(job->claim, claim);
    assert_int_equal(job->attempts, 1);
    assert_int_equal(job->created_ns, T0 + 2);
    assert_int_equal(job->not_before_ns, T0 + 7);
    assert_int_equal(job->event_count, 9);
    assert_int_equal(job->since_evidence, 3);
    assert_int_equal(jobs.list.items[2].claim, 0); /* what the caller wrote there is not looked at */
    jobs.list.count = 0;
    jobs.stop_at = 2;
    ok(store_load_jobs(shop.store, keep_job, &jobs, &shop.err), &shop.err);
    assert_int_equal(jobs.list.count, 2);
    vec_free(&jobs.list);
    shop_begin(&shop); /* numbers go on behind the restart */
    assert_true(claim_job(&shop, one->id, JOB_MODEL) > claim);
    store_rollback(shop.store);
    threat_free(one);
    threat_free(two);
    shop_free(&shop);
}

static void only_the_current_claim_can_finish_a_job(void **state)
{
    struct shop shop = shop_new(state);
    shop_begin(&shop);
    struct threat *threat = put_threat(&shop, 1);
    put_job(&shop, threat->id, JOB_FINDINGS, T0);
    shop_commit(&shop);
    shop_begin(&shop);
    finish_is(&shop, threat->id, 0, -1); /* nobody has claimed it */
    uint32_t first = claim_job(&shop, threat->id, JOB_FINDINGS);
    uint32_t second = claim_job(&shop, threat->id, JOB_FINDINGS);
    assert_true(second > first);
    finish_is(&shop, threat->id, first, -1);
    finish_is(&shop, "nobody", second, -1);
    assert_int_equal(store_finish_job(shop.store, threat->id, JOB_MODEL, second, &shop.err), -1);
    finish_is(&shop, threat->id, second, 0);
    finish_is(&shop, threat->id, second, -1); /* it is gone */
    uint32_t claim;
    assert_int_equal(store_claim_job(shop.store, threat->id, JOB_FINDINGS, &claim, &shop.err), -1);
    assert_int_equal(shop.err.code, ERR_NOT_FOUND);
    shop_commit(&shop); /* a conflict does not spoil the transaction */
    assert_int_equal(count_jobs(&shop), 0);
    threat_free(threat);
    shop_free(&shop);
}

static void a_late_result_does_not_count_for_the_job_that_came_instead(void **state)
{
    struct shop shop = shop_new(state);
    shop_begin(&shop);
    struct threat *threat = put_threat(&shop, 1);
    put_job(&shop, threat->id, JOB_FINDINGS, T0);
    uint32_t late = claim_job(&shop, threat->id, JOB_FINDINGS);
    put_job(&shop, threat->id, JOB_FINDINGS, T0 + 1); /* replaced */
    finish_is(&shop, threat->id, late, -1);
    uint32_t now = claim_job(&shop, threat->id, JOB_FINDINGS);
    finish_is(&shop, threat->id, late, -1);
    finish_is(&shop, threat->id, now, 0);
    put_job(&shop, threat->id, JOB_FINDINGS, T0 + 2); /* after the end of the one before */
    claim_job(&shop, threat->id, JOB_FINDINGS);
    finish_is(&shop, threat->id, late, -1);
    finish_is(&shop, threat->id, now, -1);
    shop_commit(&shop);
    assert_int_equal(count_jobs(&shop), 1);
    threat_free(threat);
    shop_free(&shop);
}

static void a_job_that_is_given_back_waits_and_its_claim_is_over(void **state)
{
    struct shop shop = shop_new(state);
    shop_begin(&shop);
    struct threat *threat = put_threat(&shop, 1);
    put_job(&shop, threat->id, JOB_FINDINGS, T0);
    ok(store_delay_job(shop.store, threat->id, JOB_FINDINGS, 0, T0 + 10, &shop.err), &shop.err);
    uint32_t claim = claim_job(&shop, threat->id, JOB_FINDINGS);
    assert_int_equal(store_delay_job(shop.store, threat->id, JOB_FINDINGS, 0, T0 + 20, &shop.err), -1);
    assert_int_equal(shop.err.code, ERR_CONFLICT);
    ok(store_delay_job(shop.store, threat->id, JOB_FINDINGS, claim, T0 + HOUR, &shop.err), &shop.err);
    finish_is(&shop, threat->id, claim, -1);
    assert_int_equal(store_delay_job(shop.store, "nobody", JOB_FINDINGS, 0, T0, &shop.err), -1);
    shop_commit(&shop);
    struct jobs jobs = load_jobs(&shop);
    assert_int_equal(jobs.list.count, 1);
    assert_int_equal(jobs.list.items[0].not_before_ns, T0 + HOUR);
    assert_int_equal(jobs.list.items[0].attempts, 1);
    assert_int_equal(jobs.list.items[0].claim, 0);
    shop_begin(&shop);
    ok(store_drop_job(shop.store, threat->id, JOB_FINDINGS, &shop.err), &shop.err);
    ok(store_drop_job(shop.store, threat->id, JOB_FINDINGS, &shop.err), &shop.err);
    shop_commit(&shop);
    assert_int_equal(count_jobs(&shop), 0);
    vec_free(&jobs.list);
    threat_free(threat);
    shop_free(&shop);
}

static void a_rollback_takes_back_jobs_claims_and_timers(void **state)
{
    struct shop shop = shop_new(state);
    bool taken;
    shop_begin(&shop);
    struct threat *threat = put_threat(&shop, 1);
    put_job(&shop, threat->id, JOB_FINDINGS, T0);
    ok(store_set_timer(shop.store, threat->id, T0, &shop.err), &shop.err);
    uint32_t claim = claim_job(&shop, threat->id, JOB_FINDINGS);
    shop_commit(&shop);
    shop_begin(&shop);
    put_job(&shop, threat->id, JOB_MODEL, T0);
    finish_is(&shop, threat->id, claim, 0);
    ok(store_take_timer(shop.store, threat->id, T0, &taken, &shop.err), &shop.err);
    assert_true(taken);
    store_rollback(shop.store);
    assert_int_equal(count_jobs(&shop), 1);
    shop_begin(&shop);
    finish_is(&shop, threat->id, claim, 0);
    ok(store_take_timer(shop.store, threat->id, T0, &taken, &shop.err), &shop.err);
    assert_true(taken);
    shop_commit(&shop);
    threat_free(threat);
    shop_free(&shop);
}

static void a_job_and_a_timer_need_their_threat_and_a_transaction(void **state)
{
    struct shop shop = shop_new(state);
    struct store_job job = {.threat_id = "nobody"};
    bool taken;
    uint32_t claim;
    shop_begin(&shop);
    assert_int_equal(store_put_job(shop.store, &job, &shop.err), -1);
    assert_int_equal(shop.err.code, ERR_NOT_FOUND);
    assert_int_equal(store_set_timer(shop.store, "nobody", T0, &shop.err), -1);
    assert_int_equal(shop.err.code, ERR_NOT_FOUND);
    store_rollback(shop.store);
    const int results[] = {
        store_put_job(shop.store, &job, &shop.err),
        store_claim_job(shop.store, "x", JOB_MODEL, &claim, &shop.err),
        store_finish_job(shop.store, "x", JOB_MODEL, 1, &shop.err),
        store_delay_job(shop.store, "x", JOB_MODEL, 1, 0, &shop.err),
        store_drop_job(shop.store, "x", JOB_MODEL, &shop.err),
        store_set_timer(shop.store, "x", 1, &shop.err),
        store_take_timer(shop.store, "x", 1, &taken, &shop.err),
    };
    for (size_t i = 0; i < sizeof results / sizeof *results; i++)
        assert_int_equal(results[i], -1);
    assert_int_equal(shop.err.code, ERR_INTERNAL);
    shop_free(&shop);
}

/* ---- timers ---- */

struct timers {
    struct buf seen;
    size_t count, stop_at;
};

static int keep_timer(const char *threat_id, int64_t at_ns, void *arg)
{
    struct timers *timers = arg;
    buf_printf(&timers->seen, "%c+%lld ", threat_id[strlen(threat_id) - 1], (long long)(at_ns - T0));
    return ++timers->count == timers->stop_at;
}

static void due_are(struct shop *shop, int64_t now_ns, size_t max, const char *expected)
{
    struct timers timers = {0};
    ok(store_due_timers(shop->store, now_ns, max, keep_timer, &timers, &shop->err), &shop->err);
    buf_puts(&timers.seen, "");
    assert_string_equal(timers.seen.ptr ? timers.seen.ptr : "", expected);
    buf_free(&timers.seen);
}

static void timers_are_due_in_their_order_and_not_a_moment_early(void **state)
{
    struct shop shop = shop_new(state);
    struct threat *threats[4];
    shop_begin(&shop);
    for (uint64_t n = 0; n < 4; n++) {
        threats[n] = put_threat(&shop, n + 1);
        ok(store_set_timer(shop.store, threats[n]->id, T0 + 40 - 10 * (int64_t)n, &shop.err), &shop.err);
    }
    shop_commit(&shop);
    due_are(&shop, T0 + 9, 10, "");
    due_are(&shop, T0 + 10, 10, "4+10 ");
    due_are(&shop, T0 + 39, 10, "4+10 3+20 2+30 ");
    due_are(&shop, T0 + HOUR, 2, "4+10 3+20 ");
    shop_begin(&shop);
    ok(store_set_timer(shop.store, threats[3]->id, T0 + 50, &shop.err),
       &shop.err); /* one per threat: moved */
    ok(store_set_timer(shop.store, threats[2]->id, 0, &shop.err), &shop.err);
    shop_commit(&shop);
    due_are(&shop, T0 + HOUR, 10, "2+30 1+40 4+50 ");
    struct timers timers = {.stop_at = 1};
    ok(store_due_timers(shop.store, T0 + HOUR, 10, keep_timer, &timers, &shop.err), &shop.err);
    assert_int_equal(timers.count, 1);
    buf_free(&timers.seen);
    for (size_t i = 0; i < 4; i++)
        threat_free(threats[i]);
    shop_free(&shop);
}

static void take_is(struct shop *shop, const char *id, int64_t at_ns, bool expected)
{
    bool taken = !expected;
    shop_begin(shop);
    ok(store_take_timer(shop->store, id, at_ns, &taken, &shop->err), &shop->err);
    shop_commit(shop);
    assert_int_equal(taken, expected);
}

static void a_timer_is_taken_once_and_only_as_it_stands(void **state)
{
    struct shop shop = shop_new(state);
    shop_begin(&shop);
    struct threat *threat = put_threat(&shop, 1);
    ok(store_set_timer(shop.store, threat->id, T0 + 5, &shop.err), &shop.err);
    shop_commit(&shop);
    take_is(&shop, threat->id, T0 + 4, false);
    take_is(&shop, "nobody", T0 + 5, false);
    take_is(&shop, threat->id, T0 + 5, true);
    take_is(&shop, threat->id, T0 + 5, false);
    threat_free(threat);
    shop_free(&shop);
}

/* ---- with the threat ---- */

static void jobs_and_timers_go_with_their_threat(void **state)
{
    struct shop shop = shop_new(state);
    size_t count;
    shop_begin(&shop);
    struct threat *demo = threat_number(1), *old = threat_number(2);
    demo->demo = true;
    old->status = STATUS_RESOLVED;
    shop_put(&shop, demo);
    shop_put(&shop, old);
    struct threat *stays = put_threat(&shop, 3);
    struct threat *threats[] = {demo, old, stays};
    for (size_t i = 0; i < 3; i++) {
        put_job(&shop, threats[i]->id, JOB_FINDINGS, T0);
        put_job(&shop, threats[i]->id, JOB_MODEL, T0);
        ok(store_set_timer(shop.store, threats[i]->id, T0 + 1, &shop.err), &shop.err);
    }
    uint32_t claim = claim_job(&shop, demo->id, JOB_FINDINGS);
    shop_commit(&shop);
    shop_begin(&shop);
    ok(store_forget_demo(shop.store, &count, &shop.err), &shop.err);
    finish_is(&shop, demo->id, claim, -1);
    shop_commit(&shop);
    assert_int_equal(count_jobs(&shop), 4);
    due_are(&shop, T0 + 1, 10, "2+1 3+1 ");
    shop_begin(&shop);
    ok(store_retain(shop.store, T0 + HOUR, 0, 10, &count, &shop.err), &shop.err);
    shop_commit(&shop);
    assert_int_equal(count_jobs(&shop), 2);
    due_are(&shop, T0 + 1, 10, "3+1 ");
    for (size_t i = 0; i < 3; i++)
        threat_free(threats[i]);
    shop_free(&shop);
}

int main(void)
{
    log_level_set(LOG_OFF);
    const struct CMUnitTest tests[] = {
        on_both(jobs_are_there_after_a_restart_oldest_first),
        on_both(only_the_current_claim_can_finish_a_job),
        on_both(a_late_result_does_not_count_for_the_job_that_came_instead),
        on_both(a_job_that_is_given_back_waits_and_its_claim_is_over),
        on_both(a_rollback_takes_back_jobs_claims_and_timers),
        on_both(a_job_and_a_timer_need_their_threat_and_a_transaction),
        on_both(timers_are_due_in_their_order_and_not_a_moment_early),
        on_both(a_timer_is_taken_once_and_only_as_it_stands),
        on_both(jobs_and_timers_go_with_their_threat),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
