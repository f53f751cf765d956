/* Decisions about planned actions: made once, by a person, of what stood there. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "pipeline/plan.h"
#include "pipeline/view.h"

#define ACTION(id, status)                                                                                   \
    "{\"id\":\"" id                                                                                          \
    "\",\"type\":\"block_ip\",\"target\":\"source.ip:10.0.0.1\",\"parameters\":{\"minutes\":"                \
    "60},\"status\":\"" status "\"}"

static struct threat *with_plan(const char *plan)
{
    struct threat *threat = threat_new();
    struct buf extra = BUF_EMPTY;
    buf_printf(&extra, "{\"score\":{\"value\":5},\"response_plan\":%s,\"last\":1}", plan);
    threat->extra = threat_keep(threat, buf_str(&extra));
    buf_free(&extra);
    return threat;
}

static void expect_plan(const struct threat *threat, const char *expected)
{
    struct str plan = STR("(none)");
    threat_extra_get(threat->extra, STR("response_plan"), &plan);
    if (!str_is(plan, expected))
        fail_msg("%.*s", STR_ARG(plan));
}

static void a_decision_is_made_once(void **state)
{
    struct threat *threat = with_plan(
        "{\"primary_action\":" ACTION("a1", "planned") ",\"secondary_actions\":[" ACTION(
            "b2", "planned") "," ACTION("c3", "planned") "],"
                                                         "\"urge"
                                                         "ncy\":"
                                                         "\"u\"}");
    struct plan_decision decision = {.approve = true, .by = STR("bo"), .reason = STR("\"why\""), .at_ns = 0};
    struct plan_action action;
    struct err err = {0};
    (void)state;
    assert_int_equal(plan_decide(threat, STR("b2"), &decision, &action, &err), 0);
    assert_true(str_is(action.id, "b2") && str_is(action.type, "block_ip") &&
                str_is(action.status, "approved"));
    assert_true(str_is(action.target, "source.ip:10.0.0.1"));
    expect_plan(threat, "{\"primary_action\":" ACTION(
                            "a1", "planned") ",\"secondary_actions\":[{\"id\":\"b2\",\"type\":"
                                             "\"block_ip\",\"target\":\"source.ip:10.0.0.1\",\"parameters\":{"
                                             "\"minutes\":60},\"status\":"
                                             "\"approved\",\"decided_by\":\"bo\",\"decided_at\":\"1970-01-"
                                             "01T00:00:00.000Z\",\"decision_"
                                             "reason\":\"\\\"why\\\"\"}," ACTION(
                                                 "c3", "planned") "],\"urgency\":\"u\"}");
    decision.approve = false;
    assert_int_equal(plan_decide(threat, STR("b2"), &decision, &action, &err), -1);
    assert_int_equal(err.code, ERR_CONFLICT);
    assert_int_equal(plan_decide(threat, STR("a1"), &decision, &action, &err), 0);
    assert_true(str_is(action.status, "rejected"));
    assert_int_equal(plan_decide(threat, STR("zz"), &decision, &action, &err), -1);
    assert_int_equal(err.code, ERR_NOT_FOUND);

    assert_int_equal(plan_note_outcome(threat, STR("b2"), STR("{\"summary\":\"s\"}"), ""), 0);
    assert_int_equal(plan_note_outcome(threat, STR("c3"), STR(""), "no such \"action\""), 0);
    assert_int_equal(plan_note_outcome(threat, STR("zz"), STR("{}"), ""), -1);
    struct json *extra = view_parse(threat->extra);
    const struct json *rest = json_get(json_get(extra, "response_plan"), "secondary_actions");
    struct str text;
    assert_true(json_get_str(json_get(json_item(rest, 0), "dry_run"), "summary", &text));
    assert_true(str_is(text, "s"));
    assert_true(json_get_str(json_get(json_item(rest, 1), "dry_run"), "error", &text));
    assert_true(str_is(text, "no such \"action\""));
    assert_non_null(json_get(extra, "last"));
    json_free(extra);
    threat_free(threat);
}

static void plans_without_the_action_stay_as_they_are(void **state)
{
    static const char *const plans[] = {"{\"primary_action\":null,\"secondary_actions\":[]}", "{}", "[]", "7",
                                        "{\"primary_action\":{},\"secondary_actions\":[{}]}"};
    struct plan_decision decision = {.approve = true, .by = STR("bo"), .reason = STR("")};
    struct plan_action action;
    (void)state;
    for (size_t i = 0; i < sizeof(plans) / sizeof(plans[0]); i++) {
        struct threat *threat = with_plan(plans[i]);
        struct err err = {0};
        assert_int_equal(plan_decide(threat, STR("a1"), &decision, &action, &err), -1);
        assert_int_equal(err.code, ERR_NOT_FOUND);
        assert_int_equal(plan_note_outcome(threat, STR("a1"), STR("{}"), ""), -1);
        expect_plan(threat, plans[i]);
        threat_free(threat);
    }
    struct threat *threat = threat_new();
    struct err err = {0};
    assert_int_equal(plan_decide(threat, STR("a1"), &decision, &action, &err), -1);
    assert_int_equal(err.code, ERR_NOT_FOUND);
    threat_free(threat);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_decision_is_made_once),
        cmocka_unit_test(plans_without_the_action_stay_as_they_are),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
