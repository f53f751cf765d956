/* Response plans: what one may name, and decisions about its actions: made once, by a person, of what stood
 * there. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>

#include "pipeline/plan.h"
#include "pipeline/triage_check.h"
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

static struct json *json_of(const char *text)
{
    struct json *json = view_parse(str_from(text));
    if (json == NULL)
        fail_msg("%s", text);
    return json;
}

/* ---- what a policy plans ---- */

static struct threat *a_threat(void)
{
    struct threat *threat = threat_new();
    struct evidence evidence = {.number = 1};
    threat->created_ns = INT64_C(1700000000) * NS_PER_S;
    vec_push(&threat->entities, threat_keep(threat, STR("user.name:ana")));
    evidence.context = threat_keep(
        threat, STR("{\"source.ip\":\"198.51.100.7\",\"host.ip\":[\"10.0.0.1\",\"10.0.0.2\"],\"url.full\":"
                    "\"http://x.test:8080/a:b\",\"odd\":\"a\\u0000b\"}"));
    vec_push(&threat->evidence, evidence);
    return threat;
}

#define PLAN(actions) "{\"urgency\":\"soon\",\"sla_minutes\":30,\"actions\":" actions "}"
#define PLANNED(type, target)                                                                                \
    "{\"type\":\"" type "\",\"target\":\"" target "\",\"reason\":\"r\",\"parameters\":{\"minutes\":60}}"

static struct json *plan_of(struct threat *threat, const char *answer, const char *before, unsigned *dropped)
{
    struct plan_subject subject = {.threat = threat, .before = str_from(before)};
    struct json *json = json_of(answer);
    struct buf out = BUF_EMPTY;
    struct err err = {0};
    if (check_plan(json, &subject, &out, &err) != 0)
        fail_msg("%s", err_text(&err));
    if (dropped)
        *dropped = subject.dropped;
    struct json *plan = json_of(out.ptr);
    json_free(json);
    buf_free(&out);
    return plan;
}

static void check_member(const struct json *object, const char *key, const char *expected)
{
    struct str text = STR("(none)");
    json_get_str(object, key, &text);
    if (!str_is(text, expected))
        fail_msg("%s is %.*s, not %s", key, STR_ARG(text), expected);
}

static void only_what_was_seen_is_acted_on(void **state)
{
    struct threat *threat = a_threat();
    unsigned dropped;
    (void)state;
    struct json *plan = plan_of(
        threat,
        PLAN("[" PLANNED("block_ip", "source.ip:198.51.100.8") "," PLANNED(
            "disable_user",
            "user.name:"
            "ana") "," PLANNED("block_ip",
                               "host.ip:10.0.0.2") "," PLANNED("block_url",
                                                               "url.full:http://x.test:8080/"
                                                               "a:b") "," PLANNED("block_ip",
                                                                                  "10.0.0.2") "," PLANNED("di"
                                                                                                          "sa"
                                                                                                          "bl"
                                                                                                          "e_"
                                                                                                          "us"
                                                                                                          "e"
                                                                                                          "r",
                                                                                                          "us"
                                                                                                          "er"
                                                                                                          ".n"
                                                                                                          "am"
                                                                                                          "e:"
                                                                                                          "b"
                                                                                                          "o") ","
                                                                                                               "{"
                                                                                                               "\"typ"
                                                                                                               "e\":"
                                                                                                               "\"not"
                                                                                                               "ify\""
                                                                                                               "}"
                                                                                                               "]"),
        "", &dropped);
    assert_int_equal(dropped, 3);
    check_member(json_get(plan, "primary_action"), "target", "user.name:ana");
    const struct json *rest = json_get(plan, "secondary_actions");
    assert_int_equal(json_count(rest), 3);
    check_member(json_item(rest, 0), "target", "host.ip:10.0.0.2");
    check_member(json_item(rest, 1), "target", "url.full:http://x.test:8080/a:b");
    check_member(json_item(rest, 2), "type", "notify");
    check_member(json_item(rest, 2), "target", "");
    json_free(plan);
    threat_free(threat);
}

static void expect_refused(struct threat *threat, const char *answer, const char *why)
{
    struct plan_subject subject = {.threat = threat, .before = STR("")};
    struct json *json = json_of(answer);
    struct buf out = BUF_EMPTY;
    struct err err = {0};
    buf_puts(&out, "before");
    assert_int_equal(check_plan(json, &subject, &out, &err), -1);
    assert_true(str_is(buf_str(&out), "before"));
    if (!strstr(err.message, why))
        fail_msg("\"%s\" does not say \"%s\"", err.message, why);
    json_free(json);
    buf_free(&out);
}

static void plans_that_are_none_are_refused(void **state)
{
    static const struct {
        const char *answer, *why;
    } refused[] = {
        {"{\"sla_minutes\":30,\"actions\":{}}", "\"urgency\""},
        {"{\"urgency\":7,\"sla_minutes\":30,\"actions\":{}}", "\"urgency\""},
        {"{\"urgency\":\"u\",\"actions\":{}}", "\"sla_minutes\""},
        {"{\"urgency\":\"u\",\"sla_minutes\":0,\"actions\":{}}", "\"sla_minutes\""},
        {"{\"urgency\":\"u\",\"sla_minutes\":30.5,\"actions\":{}}", "\"sla_minutes\""},
        {"{\"urgency\":\"u\",\"sla_minutes\":1e300,\"actions\":{}}", "\"sla_minutes\""},
        {"{\"urgency\":\"u\",\"sla_minutes\":\"30\",\"actions\":{}}", "\"sla_minutes\""},
        {"{\"urgency\":\"u\",\"sla_minutes\":10081,\"actions\":{}}", "\"sla_minutes\""},
        {PLAN("\"block\""), "\"actions\" must be a list"},
        {PLAN("{\"type\":\"block_ip\"}"), "\"actions\" must be a list"},
        {PLAN("[{}]"), "\"type\""},
        {PLAN("[\"block_ip\"]"), "\"type\""},
    };
    struct threat *threat = a_threat();
    struct buf many = BUF_EMPTY;
    (void)state;
    for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++)
        expect_refused(threat, refused[i].answer, refused[i].why);
    buf_puts(&many, "{\"urgency\":\"u\",\"sla_minutes\":1,\"actions\":[{\"type\":\"a\"}");
    for (int i = 0; i < 999; i++)
        buf_puts(&many, ",{\"type\":\"a\"}");
    buf_puts(&many, "]}");
    expect_refused(threat, many.ptr, "at most 10");
    buf_free(&many);
    threat_free(threat);
}

static void a_plan_says_when_it_is_due(void **state)
{
    struct threat *threat = a_threat();
    int64_t number = 0;
    (void)state;
    struct json *plan = plan_of(threat, "{\"urgency\":\"u\",\"sla_minutes\":15.0,\"actions\":{}}", "", NULL);
    check_member(plan, "due_at", "2023-11-14T22:28:20.000Z");
    assert_true(json_get_int(plan, "auto_escalate_after_minutes", &number));
    assert_int_equal(number, 7);
    assert_int_equal(json_kind(json_get(plan, "primary_action")), JSON_KIND_NULL);
    assert_int_equal(json_kind(json_get(plan, "secondary_actions")), JSON_KIND_ARRAY);
    json_free(plan);
    plan = plan_of(threat, "{\"urgency\":\"u\",\"sla_minutes\":1,\"actions\":{}}", "", NULL);
    assert_true(json_get_int(plan, "auto_escalate_after_minutes", &number));
    assert_int_equal(number, 1);
    json_free(plan);
    threat_free(threat);
}

/* What is large is not kept: the plan goes with the threat to everybody. */
static void parameters_are_plain_and_small(void **state)
{
    struct threat *threat = a_threat();
    struct buf text = BUF_EMPTY;
    (void)state;
    buf_puts(&text, "{\"urgency\":\"u\",\"sla_minutes\":5,\"actions\":[{\"type\":\"a\",\"parameters\":{"
                    "\"ok\":1,\"deep\":{\"x\":1},\"list\":[1],\"long\":\"");
    for (int i = 0; i < 600; i++)
        buf_putc(&text, 'x');
    buf_puts(&text, "\"");
    for (int i = 0; i < 20; i++)
        buf_printf(&text, ",\"p%02d\":%d", i, i);
    buf_puts(&text, "}}]}");
    struct json *plan = plan_of(threat, text.ptr, "", NULL);
    const struct json *parameters = json_get(json_get(plan, "primary_action"), "parameters");
    assert_int_equal(json_count(parameters), 8);
    assert_non_null(json_get(parameters, "ok"));
    assert_null(json_get(parameters, "deep"));
    assert_null(json_get(parameters, "list"));
    assert_null(json_get(parameters, "long"));
    json_free(plan);
    buf_free(&text);
    threat_free(threat);
}

static char *text_of(const struct json *value)
{
    struct buf out = BUF_EMPTY;
    json_print(value, &out);
    return out.ptr;
}

static void what_was_decided_stays(void **state)
{
    struct threat *threat = a_threat();
    (void)state;
    struct json *first = plan_of(threat, PLAN("[" PLANNED("disable_user", "user.name:ana") "]"), "", NULL);
    struct str id;
    assert_true(json_get_str(json_get(first, "primary_action"), "id", &id));
    struct buf before = BUF_EMPTY, decided = BUF_EMPTY;
    buf_puts(&decided, "{");
    buf_json_kstr(&decided, "id", id);
    buf_puts(&decided, ",\"type\":\"disable_user\",\"target\":\"user.name:ana\",\"parameters\":{\"minutes\":"
                       "60},\"status\":\"approved\",\"decided_by\":\"bo\"}");
    buf_printf(&before, "{\"primary_action\":%s,\"secondary_actions\":[]}", decided.ptr);

    /* The same again: what was approved is what stands. */
    struct json *again = plan_of(threat,
                                 PLAN("[{\"type\":\"notify\"}," PLANNED("disable_user", "user.name:ana") "]"),
                                 before.ptr, NULL);
    char *kept = text_of(json_item(json_get(again, "secondary_actions"), 0));
    assert_string_equal(kept, decided.ptr);
    assert_int_equal(json_count(json_get(again, "secondary_actions")), 1);
    free(kept);
    json_free(again);

    /* With other parameters it is another action, which nobody has decided; what was approved stays. */
    again = plan_of(threat,
                    PLAN("[{\"type\":\"disable_user\",\"target\":\"user.name:ana\",\"parameters\":"
                         "{\"minutes\":999}}]"),
                    before.ptr, NULL);
    check_member(json_get(again, "primary_action"), "status", "planned");
    kept = text_of(json_item(json_get(again, "secondary_actions"), 0));
    assert_string_equal(kept, decided.ptr);
    free(kept);
    json_free(again);

    /* The plan moved on: it is on record all the same; the default keeps it, too. */
    again = plan_of(threat, PLAN("[{\"type\":\"notify\"}]"), before.ptr, NULL);
    kept = text_of(json_item(json_get(again, "secondary_actions"), 0));
    assert_string_equal(kept, decided.ptr);
    free(kept);
    json_free(again);
    struct plan_subject subject = {.threat = threat, .before = buf_str(&before)};
    struct buf out = BUF_EMPTY;
    default_plan(&subject, &out);
    assert_non_null(strstr(out.ptr, decided.ptr));
    assert_non_null(strstr(out.ptr, "\"type\":\"monitor\""));
    assert_int_equal(subject.sla_minutes, 240);

    /* A planned one that the policy no longer names goes. */
    char *planned = text_of(first);
    again = plan_of(threat, PLAN("{}"), planned, NULL);
    assert_int_equal(json_kind(json_get(again, "primary_action")), JSON_KIND_NULL);
    free(planned);
    json_free(again);
    json_free(first);
    buf_free(&before);
    buf_free(&decided);
    buf_free(&out);
    threat_free(threat);
}

static void an_action_stands_once_with_the_same_id_in_every_run(void **state)
{
    struct threat *threat = a_threat();
    struct str one, two;
    (void)state;
    struct json *a = plan_of(
        threat, PLAN("[" PLANNED("a", "user.name:ana") "," PLANNED("a", "user.name:ana") "]"), "", NULL);
    struct json *b = plan_of(threat, PLAN("[{\"type\":\"b\"}," PLANNED("a", "user.name:ana") "]"), "", NULL);
    assert_int_equal(json_count(json_get(a, "secondary_actions")), 0);
    assert_true(json_get_str(json_get(a, "primary_action"), "id", &one));
    assert_true(json_get_str(json_item(json_get(b, "secondary_actions"), 0), "id", &two));
    assert_true(str_equal(one, two));
    json_free(a);
    json_free(b);
    threat_free(threat);
}

/* Of the only action of a plan, whose parameters these are. */
static void id_with(struct threat *threat, const char *parameters, char id[13])
{
    struct buf answer = BUF_EMPTY;
    struct str text = STR("");
    buf_printf(&answer, PLAN("[{\"type\":\"block_ip\",\"target\":\"user.name:ana\"%s}]"), parameters);
    struct json *plan = plan_of(threat, answer.ptr, "", NULL);
    assert_true(json_get_str(json_get(plan, "primary_action"), "id", &text));
    assert_int_equal(text.len, 12);
    memcpy(id, text.ptr, 12);
    id[12] = '\0';
    json_free(plan);
    buf_free(&answer);
}

static void the_id_is_of_the_parameters_too(void **state)
{
    static const char *const none[] = {"", ",\"parameters\":{}", ",\"parameters\":[]",
                                       ",\"parameters\":{\"deep\":[1]}", ",\"reason\":\"another\""};
    static const char *const same[] = {
        ",\"parameters\":{\"minutes\":60,\"why\":\"x\"}", ",\"parameters\":{\"why\":\"x\",\"minutes\":60.0}",
        ",\"parameters\":{\"deep\":{},\"minutes\":6e1,\"why\":\"x\"},\"reason\":\"r\""};
    static const char *const others[] = {
        ",\"parameters\":{\"minutes\":60}", ",\"parameters\":{\"minutes\":10080,\"why\":\"x\"}",
        ",\"parameters\":{\"minutes\":\"60\",\"why\":\"x\"}",
        ",\"parameters\":{\"minutes\":60.5,\"why\":\"x\"}", ",\"parameters\":{\"minute\":60,\"why\":\"x\"}"};
    struct threat *threat = a_threat();
    char plain[13], with[13], other[13];
    (void)state;
    struct id128 hash = hash_id((struct str[]){STR("block_ip"), STR("user.name:ana")}, 2);
    id_hex(hash.bytes, 6, plain);
    for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++) {
        id_with(threat, none[i], other);
        assert_string_equal(other, plain);
    }
    id_with(threat, same[0], with);
    assert_string_not_equal(with, plain);
    for (size_t i = 0; i < sizeof(same) / sizeof(same[0]); i++) {
        id_with(threat, same[i], other);
        assert_string_equal(other, with);
    }
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        id_with(threat, others[i], other);
        assert_string_not_equal(other, with);
        assert_string_not_equal(other, plain);
    }
    threat_free(threat);
}

static void the_escalation_path_is_texts(void **state)
{
    struct threat *threat = a_threat();
    (void)state;
    struct json *plan = plan_of(threat,
                                "{\"urgency\":\"u\",\"sla_minutes\":5,\"actions\":{},\"escalation_path\":"
                                "[\"a\",1,\"b\",\"c\",\"d\",\"e\",\"f\",\"g\",\"h\",\"i\",\"j\",\"k\"]}",
                                "", NULL);
    assert_int_equal(json_count(json_get(plan, "escalation_path")), 10);
    json_free(plan);
    plan = plan_of(threat, "{\"urgency\":\"u\",\"sla_minutes\":5,\"actions\":{},\"escalation_path\":\"x\"}",
                   "", NULL);
    assert_int_equal(json_count(json_get(plan, "escalation_path")), 0);
    json_free(plan);
    threat_free(threat);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_decision_is_made_once),
        cmocka_unit_test(plans_without_the_action_stay_as_they_are),
        cmocka_unit_test(only_what_was_seen_is_acted_on),
        cmocka_unit_test(plans_that_are_none_are_refused),
        cmocka_unit_test(a_plan_says_when_it_is_due),
        cmocka_unit_test(parameters_are_plain_and_small),
        cmocka_unit_test(what_was_decided_stays),
        cmocka_unit_test(an_action_stands_once_with_the_same_id_in_every_run),
        cmocka_unit_test(the_id_is_of_the_parameters_too),
        cmocka_unit_test(the_escalation_path_is_texts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
