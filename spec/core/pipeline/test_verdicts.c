/* Analysts' verdicts as triage counts them: each change once, on every thread, and after a restart. */
#include "core/pipeline/desk.h"

#define KEY STR("acme"), STR("r1")

static unsigned count_of(const struct verdicts *verdicts, struct str entity, enum threat_verdict verdict)
{
    return verdicts_of(verdicts, KEY, entity).of[verdict];
}

static void counters_never_fall_below_zero(void **state)
{
    struct verdicts *v = verdicts_new(10);
    (void)state;
    verdicts_add(v, &(struct verdict_step){KEY, STR("user.name:ana"), VERDICT_TRUE_POSITIVE, 2});
    verdicts_add(v, &(struct verdict_step){KEY, STR("user.name:ana"), VERDICT_FALSE_POSITIVE, 1});
    assert_int_equal(count_of(v, STR("user.name:ana"), VERDICT_TRUE_POSITIVE), 2);
    assert_int_equal(count_of(v, STR("user.name:ana"), VERDICT_FALSE_POSITIVE), 1);
    assert_int_equal(count_of(v, STR("user.name:bo"), VERDICT_TRUE_POSITIVE), 0);
    assert_int_equal(count_of(v, STR(""), VERDICT_TRUE_POSITIVE), 0);
    verdicts_add(v, &(struct verdict_step){KEY, STR("user.name:ana"), VERDICT_TRUE_POSITIVE, -5});
    assert_int_equal(count_of(v, STR("user.name:ana"), VERDICT_TRUE_POSITIVE), 0);
    verdicts_add(v, &(struct verdict_step){KEY, STR("user.name:ana"), VERDICT_TRUE_POSITIVE, 1});
    assert_int_equal(count_of(v, STR("user.name:ana"), VERDICT_TRUE_POSITIVE), 1);
    verdicts_add(v, &(struct verdict_step){KEY, STR("never"), VERDICT_TRUE_POSITIVE, -1});
    assert_int_equal(count_of(v, STR("never"), VERDICT_TRUE_POSITIVE), 0);
    /* Neither part of the key can pass for another. */
    assert_int_equal(verdicts_of(v, STR("acm"), STR("er1"), STR("user.name:ana")).of[VERDICT_TRUE_POSITIVE],
                     0);
    assert_int_equal(verdicts_of(NULL, KEY, STR("user.name:ana")).of[VERDICT_TRUE_POSITIVE], 0);
    verdicts_free(v);
}

static void keys_have_a_most_and_copies_are_their_own(void **state)
{
    struct verdicts *v = verdicts_new(2);
    (void)state;
    verdicts_add(v, &(struct verdict_step){KEY, STR("a"), VERDICT_TRUE_POSITIVE, 1});
    verdicts_add(v, &(struct verdict_step){KEY, STR("b"), VERDICT_TRUE_POSITIVE, 1});
    verdicts_add(v, &(struct verdict_step){KEY, STR("c"), VERDICT_TRUE_POSITIVE, 1});
    verdicts_add(v, &(struct verdict_step){KEY, STR("a"), VERDICT_TRUE_POSITIVE, 1});
    struct verdicts *copy = verdicts_copy(v);
    verdicts_add(v, &(struct verdict_step){KEY, STR("a"), VERDICT_TRUE_POSITIVE, 1});
    assert_int_equal(count_of(v, STR("a"), VERDICT_TRUE_POSITIVE), 3);
    assert_int_equal(count_of(copy, STR("a"), VERDICT_TRUE_POSITIVE), 2);
    assert_int_equal(count_of(copy, STR("b"), VERDICT_TRUE_POSITIVE), 1);
    assert_int_equal(count_of(copy, STR("c"), VERDICT_TRUE_POSITIVE), 0);
    verdicts_free(v);
    verdicts_free(copy);
}

static void a_change_of_mind_takes_back_what_it_added(void **state)
{
    static const enum threat_verdict minds[] = {VERDICT_NONE, VERDICT_TRUE_POSITIVE, VERDICT_FALSE_POSITIVE,
                                                VERDICT_FALSE_POSITIVE, VERDICT_NONE};
    struct threat *threat = threat_new();
    struct verdicts *v = verdicts_new(100);
    struct verdict_step steps[VERDICT_STEPS_MAX];
    (void)state;
    threat->customer = STR("acme");
    threat->rule_id = STR("r1");
    for (int i = 0; i < 20; i++) {
        char entity[16];
        snprintf(entity, sizeof(entity), "e%d", i);
        vec_push(&threat->entities, threat_keep(threat, str_from(entity)));
    }
    for (size_t i = 1; i < sizeof(minds) / sizeof(minds[0]); i++) {
        size_t count = verdict_steps(threat, minds[i - 1], minds[i], steps);
        assert_true(count <= VERDICT_STEPS_MAX);
        for (size_t k = 0; k < count; k++)
            verdicts_add(v, &steps[k]);
        for (int kind = VERDICT_TRUE_POSITIVE; kind < VERDICT_COUNT; kind++) {
            unsigned expected = minds[i] == (enum threat_verdict)kind;
            assert_int_equal(count_of(v, STR(""), (enum threat_verdict)kind), expected);
            assert_int_equal(count_of(v, STR("e15"), (enum threat_verdict)kind), expected);
            assert_int_equal(count_of(v, STR("e16"), (enum threat_verdict)kind), 0);
        }
    }
    verdicts_free(v);
    threat_free(threat);
}

/* ---- through the pipeline ---- */

#define WORKERS 4

struct mind {
    const char *id;
    enum threat_verdict verdict;
};

static int judge(struct writer *writer, void *arg, struct err *err)
{
    struct mind *mind = arg;
    struct threat *threat = book_find(writer_book(writer), str_from(mind->id), err);
    enum threat_verdict was = threat->verdict;
    threat->verdict = mind->verdict;
    threat->version++;
    book_touch(writer_book(writer), threat);
    return followup_verdict(writer_followup(writer), threat, was, err);
}

/* What each worker's triage says of a new threat. */
static void expect_on_all(struct desk *d, const char *severity)
{
    static unsigned number;
    for (unsigned w = 0; w < WORKERS; w++) {
        struct buf line = BUF_EMPTY;
        buf_printf(&line, "{\"event.action\":\"one\",\"user.name\":\"u%u\"}\n", number++);
        struct reply reply = plant_ask(d->pipeline, w, line.ptr);
        assert_int_equal(reply.raised, 1);
        desk_expect(d, reply.first, "severity", severity);
        buf_free(&line);
    }
}

static void every_worker_knows_and_a_restart_too(void **state)
{
    static const struct text_file files[] = {
        DESK_RULE,
        {"rules/triage/severity.lua",
         "return policy { name = 'severity', tests = { { 't', threat = {}, expect = {} } },\n"
         "decide = function(threat, context) local v = context.verdicts.rule\n"
         "return { severity = v.true_positive == 1 and 'critical' or v.false_positive == 1 and 'high' or "
         "'low', parts = {} } end }"}};
    char id[UUID_TEXT];
    struct desk d;
    (void)state;
    desk_open(&d, files, 2, false);
    d.options.workers = WORKERS;
    desk_start(&d);
    desk_send(&d, "ana", "", id);
    expect_on_all(&d, "\"LOW\"");
    struct mind mind = {id, VERDICT_TRUE_POSITIVE};
    assert_int_equal(desk_on_writer(&d, judge, &mind), ERR_NONE);
    desk_settle(&d);
    expect_on_all(&d, "\"CRITICAL\"");
    mind.verdict = VERDICT_FALSE_POSITIVE;
    assert_int_equal(desk_on_writer(&d, judge, &mind), ERR_NONE);
    desk_settle(&d);
    expect_on_all(&d, "\"HIGH\"");
    desk_stop(&d);
    desk_start(&d);
    expect_on_all(&d, "\"HIGH\"");
    mind.verdict = VERDICT_NONE;
    assert_int_equal(desk_on_writer(&d, judge, &mind), ERR_NONE);
    desk_settle(&d);
    expect_on_all(&d, "\"LOW\"");
    desk_close(&d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counters_never_fall_below_zero),
        cmocka_unit_test(keys_have_a_most_and_copies_are_their_own),
        cmocka_unit_test(a_change_of_mind_takes_back_what_it_added),
        cmocka_unit_test(every_worker_knows_and_a_restart_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
