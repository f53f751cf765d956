/* What a change asks for is done although the process ends before it comes to it; what a transaction did not
 * keep is done by nobody. */
#include "core/pipeline/desk.h"

#define FILES(...)                                                                                           \
    (const struct text_file[]){__VA_ARGS__},                                                                 \
        sizeof((const struct text_file[]){__VA_ARGS__}) / sizeof(struct text_file)
#define COUNTS_NOTES                                                                                         \
    {                                                                                                        \
        "rules/triage/manipulation.lua",                                                                     \
            "return policy { name = 'manipulation', tests = { { 't', threat = {}, expect = {} } },\n"        \
            "decide = function(threat, context) local found = {}\n"                                          \
            "for i, note in ipairs(context.notes or {}) do found[i] = { name = 'note', reason = note.text "  \
            "} end return { findings = found } end }"                                                        \
    }

/* A process that never looks again, with a threat in it. */
static void open_that_never_looks(struct desk *d, char id[UUID_TEXT])
{
    desk_open(d, FILES(DESK_RULE, DESK_PLAN, COUNTS_NOTES, DESK_AGENTS("")), false);
    d->settings.every_ns = 3600 * NS_PER_S;
    desk_start(d);
    desk_send(d, "ana", "acme", id);
    desk_wait_says(d, id, "analysis.status", "\"complete\"");
}

static void next_process(struct desk *d)
{
    pipeline_stop(d->pipeline, 0);
    d->settings.every_ns = NS_PER_MS;
    desk_start(d);
    desk_settle(d);
}

static int add_note(struct writer *writer, void *arg, struct err *err)
{
    struct threat *threat = book_find(writer_book(writer), str_from(arg), err);
    threat->version++;
    book_touch(writer_book(writer), threat);
    return store_add_note(writer_store(writer), arg, clock_now(writer_clock(writer)), STR("bo"),
                          STR("nothing"), STR(""), NULL, err);
}

static void a_change_before_the_end_is_looked_at_by_the_next_process(void **state)
{
    char id[UUID_TEXT];
    struct desk d;
    (void)state;
    open_that_never_looks(&d, id);
    assert_int_equal(desk_on_writer(&d, add_note, id), ERR_NONE);
    desk_expect(&d, id, "manipulation.suspected", "false");
    next_process(&d);
    desk_expect(&d, id, "manipulation.findings.0.reason", "\"nothing\"");
    desk_close(&d);
}

/* As the API does, but for what comes after. */
static int approve(struct writer *writer, void *arg, struct err *err)
{
    struct threat *threat = book_find(writer_book(writer), str_from(arg), err);
    struct plan_decision decision = {.approve = true, .by = STR("bo"), .reason = STR("")};
    struct plan_action action;
    struct str text, plan, primary;
    assert_true(threat_extra_get(threat->extra, STR("response_plan"), &plan) &&
                threat_extra_get(plan, STR("primary_action"), &primary) &&
                threat_extra_get(primary, STR("id"), &text));
    struct str id = {text.ptr + 1, text.len - 2}; /* without its quotes */
    if (plan_decide(threat, id, &decision, &action, err) != 0)
        return -1;
    threat->version++;
    book_touch(writer_book(writer), threat);
    return 0;
}

static void an_approved_action_is_tried_by_the_next_process(void **state)
{
    char id[UUID_TEXT];
    struct desk d;
    (void)state;
    open_that_never_looks(&d, id);
    assert_int_equal(desk_on_writer(&d, approve, id), ERR_NONE);
    next_process(&d);
    desk_expect(&d, id, "response_plan.primary_action.status", "\"approved\"");
    desk_expect(&d, id, "response_plan.primary_action.dry_run.error",
                "\"there is no action \\\"notify\\\"\"");
    assert_int_equal(desk_audited(&d, id, "action.dry_run", ""), 1);
    next_process(&d);
    assert_int_equal(desk_audited(&d, id, "action.dry_run", ""), 1);
    desk_close(&d);
}

static int approve_and_fail(struct writer *writer, void *arg, struct err *err)
{
    struct err none = {0};
    if (approve(writer, arg, err) != 0)
        return -1;
    followup_dry_run(writer_followup(writer), book_find(writer_book(writer), str_from(arg), &none));
    return err_set(err, ERR_IO, "no space left on device");
}

static void what_a_transaction_did_not_keep_is_forgotten(void **state)
{
    char id[UUID_TEXT];
    struct desk d;
    (void)state;
    open_that_never_looks(&d, id);
    assert_int_equal(desk_on_writer(&d, approve_and_fail, id), ERR_IO);
    next_process(&d);
    desk_expect(&d, id, "response_plan.primary_action.status", "\"planned\"");
    assert_int_equal(desk_on_writer(&d, approve_and_fail, id), ERR_IO);
    assert_int_equal(desk_on_writer(&d, approve_and_fail, id), ERR_IO); /* not approved already */
    assert_int_equal(desk_on_writer(&d, add_note, id), ERR_NONE);       /* stores what is in memory */
    desk_settle(&d);
    desk_expect(&d, id, "response_plan.primary_action.status", "\"planned\"");
    desk_expect(&d, id, "version", "3");
    assert_int_equal(desk_audited(&d, id, "action.dry_run", ""), 0);
    assert_int_equal(desk_on_writer(&d, approve, id), ERR_NONE);
    desk_settle(&d);
    desk_expect(&d, id, "response_plan.primary_action.status", "\"approved\"");
    desk_close(&d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_change_before_the_end_is_looked_at_by_the_next_process),
        cmocka_unit_test(an_approved_action_is_tried_by_the_next_process),
        cmocka_unit_test(what_a_transaction_did_not_keep_is_forgotten),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
