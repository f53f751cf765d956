/* What follows a commit: jobs that outlive the process, looks again, escalations, and none of it twice. */
#include <signal.h>
#include <sys/resource.h>

#include "core/pipeline/desk.h"

#define AGENTS DESK_RULE, DESK_PLAN, DESK_AGENTS("")
/* Agents that wait for ever. */
#define STUCK DESK_RULE, DESK_PLAN, DESK_AGENTS("gather = function(t) threats.similar(t) sleep(3600) end,")
#define FILES(...)                                                                                           \
    (const struct text_file[]){__VA_ARGS__},                                                                 \
        sizeof((const struct text_file[]){__VA_ARGS__}) / sizeof(struct text_file)

static void until_in_work(struct desk *d, unsigned count)
{
    while (desk_state(d).in_work < count)
        usleep(500);
}

static void until_model_asked(struct desk *d, unsigned count)
{
    while (desk_asked(&d->model) < count)
        usleep(500);
}

/* ---- jobs outlive the process ---- */

#define MANY 40

static void jobs_are_stored_with_their_threats_and_survive(void **state)
{
    char id[MANY][UUID_TEXT], user[16];
    struct desk d;
    (void)state;
    desk_open(&d, FILES(STUCK), false);
    desk_start(&d);
    for (int i = 0; i < MANY; i++) {
        snprintf(user, sizeof(user), "u%d", i);
        desk_send(&d, user, "", id[i]);
    }
    until_in_work(&d, MANY);
    struct desk_jobs jobs = desk_jobs(&d);
    assert_int_equal(jobs.by_stage[JOB_FINDINGS], MANY);
    assert_int_equal(jobs.claimed, MANY);
    pipeline_stop(d.pipeline, 0);
    ruleset_unref(d.set);

    d.set = plant_rules(FILES(AGENTS));
    d.options.set = d.set;
    desk_start(&d);
    desk_settle(&d);
    for (int i = 0; i < MANY; i++) {
        desk_expect(&d, id[i], "analysis.status", "\"complete\"");
        assert_int_equal(desk_audited(&d, id[i], "threat.analysis", ""), 1);
    }
    assert_int_equal(desk_jobs(&d).count, 0);
    desk_stop(&d);

    desk_start(&d); /* nothing is left to be done */
    desk_settle(&d);
    assert_int_equal(desk_state(&d).done, 0);
    desk_close(&d);
}

/* Some are done, some with the model, some wait for it: each comes to its end once. */
static void a_stop_in_the_middle_repeats_nothing_that_ended(void **state)
{
    char id[MANY][UUID_TEXT], user[16];
    struct desk d;
    (void)state;
    desk_open(&d, FILES(AGENTS), true);
    d.model.spread_ms = 5;
    desk_start(&d);
    for (int i = 0; i < MANY; i++) {
        snprintf(user, sizeof(user), "u%d", i);
        desk_send(&d, user, "", id[i]);
    }
    for (int round = 1; round <= 4; round++) {
        until_model_asked(&d, 40 * (unsigned)round);
        pipeline_stop(d.pipeline, 0);
        desk_start(&d);
    }
    desk_settle(&d);
    for (int i = 0; i < MANY; i++) {
        desk_expect(&d, id[i], "analysis.provider", "\"model\"");
        assert_int_equal(desk_audited(&d, id[i], "threat.analysis", "rules"), 1);
        assert_int_equal(desk_audited(&d, id[i], "threat.analysis", "model"), 1);
    }
    assert_int_equal(desk_jobs(&d).count, 0);
    desk_close(&d);
}

/* ---- a store that fails ---- */

static void limit_files(rlim_t bytes)
{
    struct rlimit limit;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = bytes ? bytes : limit.rlim_max;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static void results_that_cannot_be_stored_come_again(void **state)
{
    char id[MANY][UUID_TEXT], user[16];
    struct pipeline_health health;
    struct desk d;
    (void)state;
    desk_open(&d, FILES(AGENTS), true);
    desk_hold(&d.model, true);
    desk_start(&d);
    for (int i = 0; i < MANY; i++) {
        snprintf(user, sizeof(user), "u%d", i);
        desk_send(&d, user, "", id[i]);
    }
    until_model_asked(&d, 4 * 5);
    limit_files(64 << 10);
    desk_hold(&d.model, false);
    do {
        usleep(1000);
        pipeline_health(d.pipeline, &health);
    } while (!health.store_failing);
    usleep(1000);
    limit_files(0);
    desk_settle(&d);
    for (int i = 0; i < MANY; i++) {
        desk_expect(&d, id[i], "analysis.provider", "\"model\"");
        desk_expect(&d, id[i], "severity", "\"MEDIUM\"");
    }
    assert_int_equal(desk_jobs(&d).count, 0);
    struct followup_state s = desk_state(&d);
    assert_int_equal(s.in_work + s.in_work_model, 0);
    assert_int_equal(s.done, 2 * MANY); /* what came again was not done before */
    desk_close(&d);
}

/* ---- claims ---- */

static int put_model_job(struct writer *writer, void *arg, struct err *err)
{
    struct store_job job = {.stage = JOB_MODEL, .event_count = 1};
    snprintf(job.threat_id, sizeof(job.threat_id), "%s", (const char *)arg);
    return store_put_job(writer_store(writer), &job, err);
}

static void the_result_of_an_old_claim_is_ignored(void **state)
{
    char id[UUID_TEXT];
    struct desk d;
    (void)state;
    desk_open(&d, FILES(AGENTS), true);
    desk_hold(&d.model, true);
    desk_start(&d);
    desk_send(&d, "ana", "", id);
    until_model_asked(&d, 5);
    assert_int_equal(desk_on_writer(&d, put_model_job, id), ERR_NONE); /* replaces the one in work */
    desk_hold(&d.model, false);
    desk_settle(&d);
    desk_expect(&d, id, "analysis.provider", "\"rules\"");
    desk_expect(&d, id, "severity", "\"LOW\"");
    assert_int_equal(desk_jobs(&d).count, 1);
    desk_stop(&d);
    desk_start(&d);
    desk_settle(&d);
    desk_expect(&d, id, "analysis.provider", "\"model\"");
    assert_int_equal(desk_audited(&d, id, "threat.analysis", "model"), 1);
    desk_close(&d);
}

static int analyse_again(struct writer *writer, void *arg, struct err *err)
{
    struct threat *threat = book_find(writer_book(writer), str_from(arg), err);
    assert_non_null(threat);
    return followup_analyse(writer_followup(writer), threat, err);
}

static void an_analysis_asked_for_comes_after_the_one_in_work(void **state)
{
    char id[UUID_TEXT];
    struct desk d;
    (void)state;
    desk_open(&d, FILES(AGENTS), true);
    desk_hold(&d.model, true);
    desk_start(&d);
    desk_send(&d, "ana", "", id);
    until_model_asked(&d, 5);
    for (int i = 0; i < 3; i++)
        assert_int_equal(desk_on_writer(&d, analyse_again, id), ERR_NONE);
    assert_int_equal(desk_state(&d).in_work, 0);
    desk_hold(&d.model, false);
    desk_settle(&d);
    assert_int_equal(desk_audited(&d, id, "threat.analysis", "rules"), 2);
    assert_int_equal(desk_audited(&d, id, "threat.analysis", "model"), 2);
    assert_int_equal(desk_jobs(&d).count, 0);
    desk_close(&d);
}

static void what_the_queue_cannot_hold_comes_from_the_store(void **state)
{
    struct buf lines = BUF_EMPTY;
    struct reply reply = {0};
    struct desk d;
    (void)state;
    desk_open(&d, FILES(AGENTS), true);
    d.settings.queue_capacity = 8;
    d.settings.concurrency = 2;
    desk_start(&d);
    for (int i = 0; i < 300; i++)
        buf_printf(&lines, "{\"event.action\":\"one\",\"user.name\":\"u%d\",\"message\":\"x\"}\n", i);
    reply = plant_ask(d.pipeline, 0, lines.ptr);
    assert_int_equal(reply.raised, 300);
    desk_settle(&d);
    assert_int_equal(desk_jobs(&d).count, 0);
    assert_int_equal(desk_asked(&d.model), 300 * 6);
    assert_int_equal(desk_state(&d).done, 600);
    buf_free(&lines);
    desk_close(&d);
}

/* ---- escalation ---- */

#define MINUTE (60 * NS_PER_S)

static int resolve(struct writer *writer, void *arg, struct err *err)
{
    struct threat *threat = book_find(writer_book(writer), str_from(arg), err);
    threat->status = STATUS_RESOLVED;
    threat->version++;
    book_touch(writer_book(writer), threat);
    return 0;
}

static int judge(struct writer *writer, void *arg, struct err *err)
{
    struct threat *threat = book_find(writer_book(writer), str_from(arg), err);
    threat->verdict = VERDICT_TRUE_POSITIVE;
    threat->version++;
    book_touch(writer_book(writer), threat);
    return followup_verdict(writer_followup(writer), threat, VERDICT_NONE, err);
}

static int take_up(struct writer *writer, void *arg, struct err *err)
{
    struct threat *threat = book_find(writer_book(writer), str_from(arg), err);
    threat->status = STATUS_IN_PROGRESS;
    threat->assignee = threat_keep(threat, STR("cleo"));
    threat->version++;
    book_touch(writer_book(writer), threat);
    return 0;
}

/* The timer asks for a verdict, not for somebody's name. */
static void what_has_an_assignee_and_no_verdict_is_escalated(void **state)
{
    char taken[UUID_TEXT], judged[UUID_TEXT];
    struct desk d;
    (void)state;
    desk_open(&d, FILES(AGENTS), false);
    desk_start(&d);
    desk_send(&d, "ana", "", taken);
    desk_send(&d, "bo", "", judged);
    desk_settle(&d);
    assert_int_equal(desk_on_writer(&d, take_up, taken), ERR_NONE);
    assert_int_equal(desk_on_writer(&d, take_up, judged), ERR_NONE);
    assert_int_equal(desk_on_writer(&d, judge, judged), ERR_NONE);
    atomic_fetch_add(&d.clock.now_ns, 16 * MINUTE);
    desk_wait_says(&d, taken, "status", "\"escalated\"");
    desk_settle(&d);
    desk_expect(&d, taken, "assignee", "\"cleo\"");
    desk_expect(&d, judged, "status", "\"in_progress\"");
    assert_int_equal(desk_state(&d).escalated, 1);
    desk_close(&d);
}

static void nobody_judged_it(void **state)
{
    char id[UUID_TEXT], resolved[UUID_TEXT], judged[UUID_TEXT];
    struct desk d;
    (void)state;
    desk_open(&d, FILES(AGENTS), false);
    desk_start(&d);
    desk_send(&d, "ana", "", id);
    desk_send(&d, "bo", "", resolved);
    desk_send(&d, "cy", "", judged);
    desk_settle(&d);
    desk_expect(&d, id, "response_plan.auto_escalate_after_minutes", "15");
    assert_int_equal(desk_on_writer(&d, resolve, resolved), ERR_NONE);
    assert_int_equal(desk_on_writer(&d, judge, judged), ERR_NONE);
    atomic_fetch_add(&d.clock.now_ns, 14 * MINUTE);
    desk_settle(&d);
    desk_expect(&d, id, "status", "\"new\"");
    atomic_fetch_add(&d.clock.now_ns, 2 * MINUTE);
    desk_wait_says(&d, id, "status", "\"escalated\"");
    desk_settle(&d);
    desk_expect(&d, resolved, "status", "\"resolved\"");
    desk_expect(&d, judged, "status", "\"new\"");
    assert_int_equal(desk_state(&d).escalated, 1);
    assert_int_equal(desk_audited(&d, id, "threat.escalate", "lunette"), 1);

    /* Who takes it back has it; no look and no restart escalates it again. */
    assert_int_equal(desk_on_writer(&d, take_up, id), ERR_NONE);
    atomic_fetch_add(&d.clock.now_ns, 20 * MINUTE);
    desk_settle(&d);
    desk_send(&d, "ana", "", NULL);
    desk_settle(&d);
    desk_stop(&d);
    desk_start(&d);
    atomic_fetch_add(&d.clock.now_ns, 20 * MINUTE);
    desk_send(&d, "dan", "", NULL);
    desk_settle(&d);
    desk_expect(&d, id, "status", "\"in_progress\"");
    assert_int_equal(desk_audited(&d, id, "threat.escalate", ""), 1);
    desk_close(&d);
}

/* A plan that gives less time as the threat grows moves the timer with it. */
static void the_timer_goes_with_the_plan(void **state)
{
    char id[UUID_TEXT];
    struct desk d;
    (void)state;
    desk_open(
        &d,
        FILES(DESK_RULE,
              {"rules/triage/response.lua",
               "return policy { name = 'response', tests = { { 't', threat = {}, expect = {} } },\n"
               "decide = function(threat) return { urgency = 'soon', sla_minutes = threat.event_count > "
               "1 and 20 or 480, actions = {} } end }"}),
        false);
    desk_start(&d);
    desk_send(&d, "ana", "", id);
    desk_settle(&d);
    desk_send(&d, "ana", "", NULL);
    desk_wait_says(&d, id, "response_plan.sla_minutes", "20");
    desk_settle(&d);
    atomic_fetch_add(&d.clock.now_ns, 9 * MINUTE);
    desk_settle(&d);
    desk_expect(&d, id, "status", "\"new\"");
    atomic_fetch_add(&d.clock.now_ns, 2 * MINUTE);
    desk_wait_says(&d, id, "status", "\"escalated\"");
    desk_close(&d);
}

/* ---- growth ---- */

static void a_grown_threat_is_analysed_again_by_what_is_new(void **state)
{
    char id[UUID_TEXT];
    struct desk d;
    (void)state;
    desk_open(&d, FILES(AGENTS), true);
    d.model.keep_prompts = true;
    desk_start(&d);
    desk_send(&d, "ana", "", id);
    desk_settle(&d);
    desk_expect(&d, id, "analysis.event_count", "1");
    desk_expect(&d, id, "analysis.evidence_until", "1");
    for (int i = 0; i < 2; i++)
        desk_send(&d, "ana", "", NULL);
    desk_settle(&d);
    desk_expect(&d, id, "event_count", "3");
    desk_expect(&d, id, "triaged.event_count", "3");
    assert_int_equal(desk_asked(&d.model), 6);
    desk_expect(&d, id, "analysis.event_count", "1");

    pthread_mutex_lock(&d.model.lock);
    buf_clear(&d.model.prompts);
    d.model.coordinator = "{\"claims\":[],\"verdict\":\"suspicious\",\"confidence\":1}";
    pthread_mutex_unlock(&d.model.lock);
    desk_send(&d, "ana", "", NULL);
    desk_settle(&d);
    desk_expect(&d, id, "analysis.event_count", "4");
    desk_expect(&d, id, "analysis.evidence_until", "4");
    pthread_mutex_lock(&d.model.lock);
    assert_non_null(strstr(d.model.prompts.ptr, "\nE2 "));
    assert_non_null(strstr(d.model.prompts.ptr, "\nE4 "));
    assert_null(strstr(d.model.prompts.ptr, "\nE1 "));
    pthread_mutex_unlock(&d.model.lock);
    assert_int_equal(desk_audited(&d, id, "threat.analysis", "rules"), 2);
    assert_int_equal(desk_jobs(&d).count, 0);
    desk_close(&d);
}

/* ---- who is not looked into ---- */

struct unwatched {
    const char *id;
    int which;
};

static int store_unwatched(struct writer *writer, void *arg, struct err *err)
{
    struct unwatched *u = arg;
    struct threat threat = *book_find(writer_book(writer), str_from(u->id), err); /* as if it were */
    threat.shadow = u->which == 0;
    threat.suppressed = u->which == 1;
    if (u->which == 2)
        threat.type = STR("platform");
    threat.extra = STR("{}");
    return followup_store(writer_followup(writer), &threat, true, err);
}

static void shadow_suppressed_and_platform_threats_have_no_jobs(void **state)
{
    char id[UUID_TEXT], shadow[UUID_TEXT];
    struct desk d;
    (void)state;
    desk_open(
        &d, FILES(AGENTS, {"rules/two.lua", PLANT_RULE("two", "mode = \"shadow\",") PLANT_FIRES("two", "0")}),
        false);
    desk_start(&d);
    desk_send(&d, "ana", "", id);
    struct reply reply = plant_ask(d.pipeline, 0, "{\"event.action\":\"two\",\"user.name\":\"bo\"}\n");
    assert_int_equal(reply.raised, 1);
    memcpy(shadow, reply.first, UUID_TEXT);
    desk_settle(&d);
    desk_expect(&d, id, "analysis.status", "\"complete\"");
    desk_expect(&d, shadow, "analysis", "null");
    assert_int_equal(desk_state(&d).done, 1);
    for (int which = 0; which < 4; which++) {
        struct unwatched u = {id, which};
        assert_int_equal(desk_on_writer(&d, store_unwatched, &u), ERR_NONE);
        desk_settle(&d);
        assert_int_equal(desk_state(&d).done, which < 3 ? 1 : 2);
    }
    desk_close(&d);
}

/* ---- threats that go ---- */

static int forget_demo(struct writer *writer, void *arg, struct err *err)
{
    struct threat *threat = book_find(writer_book(writer), str_from(arg), err);
    size_t count;
    if (threat && !threat->demo) {
        threat->demo = true;
        book_touch(writer_book(writer), threat);
        return 0;
    }
    int rc = store_forget_demo(writer_store(writer), &count, err);
    assert_int_equal(count, 1);
    writer_forget(writer);
    return rc;
}

static void a_threat_that_goes_takes_its_jobs_along(void **state)
{
    char id[UUID_TEXT], other[UUID_TEXT];
    struct desk d;
    (void)state;
    desk_open(&d, FILES(AGENTS), true);
    d.settings.concurrency = 1;
    desk_hold(&d.model, true);
    desk_start(&d);
    desk_send(&d, "ana", "", id);
    until_model_asked(&d, 5);
    desk_send(&d, "bo", "", other);
    while (desk_state(&d).queued_model == 0)
        usleep(500);
    assert_int_equal(desk_jobs(&d).count, 2);
    for (int i = 0; i < 2; i++)
        assert_int_equal(desk_on_writer(&d, forget_demo, id), ERR_NONE);
    assert_int_equal(desk_jobs(&d).count, 1);
    for (int i = 0; i < 2; i++)
        assert_int_equal(desk_on_writer(&d, forget_demo, other), ERR_NONE);
    assert_int_equal(desk_jobs(&d).count, 0);
    desk_hold(&d.model, false);
    atomic_fetch_add(&d.clock.now_ns, 3600 * NS_PER_S); /* their timers, too */
    desk_settle(&d);
    assert_int_equal(plant_count(d.pipeline), 0);
    assert_int_equal(desk_state(&d).escalated, 0);
    desk_send(&d, "ana", "", id);
    desk_settle(&d);
    desk_expect(&d, id, "analysis.provider", "\"model\"");
    desk_close(&d);
}

/* ---- stops and reloads in the middle ---- */

static void a_stop_leaves_nothing_behind(void **state)
{
    char id[UUID_TEXT], user[16];
    struct desk d;
    (void)state;
    desk_open(&d, FILES(STUCK), true);
    d.settings.gather_limit_ns = 2 * NS_PER_MS;
    d.model.spread_ms = 3;
    for (unsigned round = 0; round < 12; round++) {
        desk_start(&d);
        for (int i = 0; i < 10; i++) {
            snprintf(user, sizeof(user), "u%u-%d", round, i);
            desk_send(&d, user, "", id);
            assert_int_equal(desk_on_writer(&d, take_up, id), ERR_NONE); /* a look with a background */
        }
        usleep(round * 1000); /* at whatever moment: there is no right one */
        pipeline_stop(d.pipeline, 0);
    }
    desk_start(&d);
    desk_settle(&d);
    assert_int_equal(plant_count(d.pipeline), 120);
    assert_int_equal(desk_jobs(&d).count, 0);
    desk_close(&d);
}

static void a_reload_in_the_middle_of_analyses(void **state)
{
    char id[MANY][UUID_TEXT], user[16];
    struct err err = {0};
    struct desk d;
    (void)state;
    desk_open(&d, FILES(AGENTS), true);
    desk_hold(&d.model, true);
    desk_start(&d);
    for (int i = 0; i < MANY; i++) {
        snprintf(user, sizeof(user), "u%d", i);
        desk_send(&d, user, "", id[i]);
    }
    until_model_asked(&d, 20);
    for (int i = 0; i < 3; i++) {
        struct ruleset *next = plant_rules(FILES(AGENTS));
        if (pipeline_publish(d.pipeline, next, &err) != 0)
            fail_msg("%s", err_text(&err));
        ruleset_unref(next);
        usleep(1000);
    }
    desk_hold(&d.model, false);
    desk_settle(&d);
    for (int i = 0; i < MANY; i++) {
        desk_expect(&d, id[i], "analysis.provider", "\"model\"");
        assert_int_equal(desk_audited(&d, id[i], "threat.analysis", "model"), 1);
    }
    desk_close(&d);
}

/* ---- looks ---- */

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(jobs_are_stored_with_their_threats_and_survive),
        cmocka_unit_test(a_stop_in_the_middle_repeats_nothing_that_ended),
        cmocka_unit_test(results_that_cannot_be_stored_come_again),
        cmocka_unit_test(the_result_of_an_old_claim_is_ignored),
        cmocka_unit_test(an_analysis_asked_for_comes_after_the_one_in_work),
        cmocka_unit_test(what_the_queue_cannot_hold_comes_from_the_store),
        cmocka_unit_test(nobody_judged_it),
        cmocka_unit_test(what_has_an_assignee_and_no_verdict_is_escalated),
        cmocka_unit_test(the_timer_goes_with_the_plan),
        cmocka_unit_test(a_grown_threat_is_analysed_again_by_what_is_new),
        cmocka_unit_test(shadow_suppressed_and_platform_threats_have_no_jobs),
        cmocka_unit_test(a_threat_that_goes_takes_its_jobs_along),
        cmocka_unit_test(a_stop_leaves_nothing_behind),
        cmocka_unit_test(a_reload_in_the_middle_of_analyses),
    };
    signal(SIGXFSZ, SIG_IGN); /* a write beyond the limit fails instead */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
