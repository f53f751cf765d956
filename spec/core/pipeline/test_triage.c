/* A threat's triage: what its policies are told, what becomes of their answers, and of those that give none.
 */
#include "core/pipeline/triage_bench.h"

/* ---- severity ---- */

static void severity_never_falls_below_its_floor(void **state)
{
    struct triage_result result;
    (void)state;
    OPEN(b, SEVERITY("informational"));
    struct threat *threat = a_threat("{}");
    threat->severity = SEVERITY_CRITICAL; /* an earlier look said so; nothing holds it there */
    json_free(run(&b, threat, &result));
    assert_int_equal(result.severity, SEVERITY_MEDIUM);
    triage_apply(threat, &result);
    assert_int_equal(threat->severity, SEVERITY_MEDIUM);

    /* An analysis raised it: that stays. */
    threat->extra = threat_keep(
        threat, STR("{\"severity_raised\":{\"by\":\"model\",\"from\":\"MEDIUM\",\"to\":\"HIGH\"}}"));
    json_free(run(&b, threat, &result));
    assert_int_equal(result.severity, SEVERITY_HIGH);

    /* A floor above it wins. */
    threat->floor = SEVERITY_CRITICAL;
    json_free(run(&b, threat, &result));
    assert_int_equal(result.severity, SEVERITY_CRITICAL);
    threat_free(threat);
    close_bench(&b);
}

static void severity_may_rise(void **state)
{
    struct triage_result result;
    (void)state;
    OPEN(b, SEVERITY("critical"));
    struct threat *threat = a_threat("{}");
    struct json *extra = run(&b, threat, &result);
    assert_int_equal(result.severity, SEVERITY_CRITICAL);
    expect(extra, "score", "{\"parts\":[{\"name\":\"a\",\"value\":40,\"reason\":\"r\"}],\"value\":40}");
    expect_review(&result, NULL);
    json_free(extra);
    threat_free(threat);
    close_bench(&b);
}

/* ---- defaults ---- */

static void expect_defaults(const struct json *extra, const struct triage_result *result)
{
    assert_int_equal(result->severity, SEVERITY_MEDIUM);
    assert_int_equal(result->sla_minutes, 240);
    expect(extra, "score.parts.0.name", "\"rule_severity\"");
    expect(extra, "false_positive_score.score", "0.5");
    expect(extra, "false_positive_score.recommendation", "\"needs_review\"");
    expect(extra, "response_plan.primary_action.type", "\"monitor\"");
    expect(extra, "manipulation", "{\"findings\":[],\"suspected\":false}");
    expect(extra, "mitre.0.id", "\"T1110\"");
    assert_int_equal(result->technique_count, 1);
}

#define ATTACK                                                                                               \
    {                                                                                                        \
        "rules/lists/attack.csv", "value,name,tactics\nT1110,Brute Force,credential-access\n"                \
    }
#define EACH(body)                                                                                           \
    POLICY("severity", body), POLICY("false_positive", body), POLICY("manipulation", body),                  \
        POLICY("mitre", body), POLICY("response", body), POLICY("timeline", body), ATTACK

static void check_defaults(struct bench *b, const char *review)
{
    struct triage_result result;
    struct threat *threat = a_threat("{}");
    vec_push(&threat->mitre, threat_keep(threat, STR("T1110")));
    vec_push(&threat->mitre, threat_keep(threat, STR("T0000")));
    struct json *extra = run(b, threat, &result);
    expect_defaults(extra, &result);
    expect_review(&result, review);
    json_free(extra);
    threat_free(threat);
    close_bench(b);
}

static void absent_policies_have_defaults(void **state)
{
    (void)state;
    OPEN(b, ATTACK);
    check_defaults(&b, NULL);
}

static void failing_policies_have_defaults(void **state)
{
    (void)state;
    OPEN(b, EACH("error('no luck')"));
    check_defaults(&b, "no luck");
}

static void overrunning_policies_have_defaults(void **state)
{
    (void)state;
    OPEN(b, EACH("while true do end"));
    check_defaults(&b, "took too long");
}

static void memory_grabbing_policies_have_defaults(void **state)
{
    (void)state;
    OPEN(b, EACH("local t = {} for i = 1, 1e9 do t[i] = string.rep('x', 100000) .. i end return t"));
    check_defaults(&b, "policy manipulation");
}

static void policies_that_answer_nonsense_have_defaults(void **state)
{
    (void)state;
    OPEN(b, EACH("return 7"));
    check_defaults(&b, "instead of a table");
}

static void policies_that_answer_other_tables_have_defaults(void **state)
{
    (void)state;
    OPEN(b, EACH("return { findings = 'x', titles = 'x', answer = 'x' }"));
    check_defaults(&b, "policy manipulation answered what cannot be used");
}

static void numbers_that_are_none_are_refused(void **state)
{
    struct triage_result result;
    (void)state;
    OPEN(b,
         POLICY("severity", "return { severity = 'high', parts = { { name = 'a', value = 0/0, reason = 'r' "
                            "} } }"),
         POLICY("false_positive", "return { score = math.huge, confidence = 1, base = 0, recommendation = "
                                  "'needs_review', explanation = 'e' }"));
    struct threat *threat = a_threat("{}");
    struct json *extra = run(&b, threat, &result);
    assert_int_equal(result.severity, SEVERITY_MEDIUM);
    expect(extra, "false_positive_score.score", "0.5");
    expect_review(&result, "policy false_positive");
    json_free(extra);
    threat_free(threat);
    close_bench(&b);
}

/* Each look keeps what was decided of the plan, also when the policy fails. */
static void decisions_survive_a_look(void **state)
{
    struct triage_result result;
    (void)state;
    OPEN(b, POLICY("response", "if context.now > 1700000000 then error('late') end\n"
                               "return { urgency = 'soon', sla_minutes = 30, actions = { { type = 'block', "
                               "target = 'user.name:ana', parameters = { minutes = 60 } } } }"));
    struct threat *threat = a_threat("{}");
    struct json *extra = run(&b, threat, &result);
    struct buf decided = BUF_EMPTY, plan = BUF_EMPTY;
    json_print(at(extra, "response_plan"), &plan);
    char *planned = strstr(plan.ptr, "\"planned\"");
    assert_non_null(planned);
    buf_add(&decided, plan.ptr, (size_t)(planned - plan.ptr));
    buf_puts(&decided, "\"approved\"");
    buf_puts(&decided, planned + strlen("\"planned\""));
    json_free(extra);
    buf_clear(&plan);
    buf_printf(&plan, "{\"response_plan\":%s}", decided.ptr);
    threat->extra = threat_keep(threat, buf_str(&plan));
    b.clock.now_ns += HOUR;
    extra = run(&b, threat, &result);
    expect(extra, "response_plan.primary_action.type", "\"monitor\"");
    expect(extra, "response_plan.secondary_actions.0.status", "\"approved\"");
    expect(extra, "response_plan.secondary_actions.0.parameters", "{\"minutes\":60}");
    json_free(extra);
    buf_free(&decided);
    buf_free(&plan);
    threat_free(threat);
    close_bench(&b);
}

/* ---- what policies see ---- */

static void policies_see_verdicts_assets_and_the_profile(void **state)
{
    struct triage_result result;
    (void)state;
    OPEN(b, SHOW("{ context.verdicts, context.assets, context.profile }"),
         {"rules/lists/assets.csv", "value,criticality\nuser.name:ana,high\ndc01,critical\n"},
         {"rules/lists/customers.lua", "return list { ['acme'] = { tier = 'gold' } }"});
    struct threat *threat = a_threat("{}");
    verdicts_add(b.verdicts,
                 &(struct verdict_step){STR("acme"), STR("r1"), STR(""), VERDICT_FALSE_POSITIVE, 3});
    verdicts_add(b.verdicts, &(struct verdict_step){STR("acme"), STR("r1"), STR("user.name:ana"),
                                                    VERDICT_TRUE_POSITIVE, 2});
    verdicts_add(b.verdicts,
                 &(struct verdict_step){STR("other"), STR("r1"), STR(""), VERDICT_TRUE_POSITIVE, 9});
    struct json *extra = run(&b, threat, &result);
    see(extra, "{1={entities={user.name:ana={true_positive=2}},rule={false_positive=3}},2={host.name:DC01={"
               "criticality=critical},user.name:ana={criticality=high}},3={tier=gold}}");
    json_free(extra);
    threat_free(threat);
    close_bench(&b);
}

static void each_policy_sees_those_before_it(void **state)
{
    struct triage_result result;
    (void)state;
    OPEN(b, SEVERITY("high"), PLAN_OF("30"),
         POLICY("manipulation",
                "return { findings = { { name = 'odd', reason = 'r', evidence = { 'E1' } } } }"),
         POLICY("false_positive",
                "assert(context.manipulation.suspected)\nreturn { score = 0.1, base = 0.1, "
                "confidence = 1, recommendation = 'likely_real_threat', explanation = 'e' }"),
         POLICY("mitre",
                "assert(context.severity.severity == 'HIGH' and context.severity.score.value == 40)\n"
                "return { { id = 'T1110', source = 'event', confidence = 0.5 } }"),
         SHOW("{ context.false_positive.score, context.mitre[1].id, context.analysis.verdict, "
              "context.notes[1].text, context.now }"),
         ATTACK);
    struct threat *threat = a_threat("{}");
    threat->extra = threat_keep(threat, STR("{\"analysis\":{\"verdict\":\"benign_expected\"}}"));
    struct json *extra = run_with(&b, threat, "\"notes\":[{\"text\":\"hm\"}],\"egress\":[]", &result);
    see(extra, "{1=0.1,2=T1110,3=benign_expected,4=hm,5=1700000000}");
    expect_review(&result, "manipulation");
    assert_int_equal(result.technique_count, 1);
    assert_int_equal(result.sla_minutes, 30);
    json_free(extra);
    threat_free(threat);
    close_bench(&b);
}

/* ---- more than one look ---- */

#define MANIPULATION                                                                                         \
    POLICY("manipulation", "local found = {}\nif context.notes and #context.notes > 1 then\n"                \
                           "found[1] = { name = 'burst', reason = 'same words' } end\n"                      \
                           "return { findings = found }")

static void what_a_background_showed_stays_until_the_next(void **state)
{
    struct triage_result result;
    (void)state;
    OPEN(b, MANIPULATION, SHOW("context.manipulation.suspected"));
    struct threat *threat = a_threat("{}");
    struct json *extra = run(&b, threat, &result);
    expect(extra, "manipulation.suspected", "false");
    json_free(extra);
    triage_apply(threat, &result);

    extra = run_with(&b, threat, "\"notes\":[{\"text\":\"a\"},{\"text\":\"a\"}],\"egress\":[]", &result);
    expect(extra, "manipulation.findings.0.name", "\"burst\"");
    expect_review(&result, "manipulation is suspected");
    json_free(extra);
    triage_apply(threat, &result);
    assert_true(threat->review);

    extra = run(&b, threat, &result); /* growth alone */
    expect(extra, "manipulation.findings.0.name", "\"burst\"");
    see(extra, "true");
    json_free(extra);
    triage_apply(threat, &result);
    extra = run(&b, threat, &result);
    expect(extra, "manipulation.findings.0.name", "\"burst\"");
    json_free(extra);

    extra = run_with(&b, threat, "\"notes\":[],\"egress\":[]", &result);
    expect(extra, "manipulation.suspected", "false");
    see(extra, "false");
    json_free(extra);
    threat_free(threat);
    close_bench(&b);
}

static void the_same_threat_gives_the_same_bytes(void **state)
{
    struct triage_result first, second, third;
    (void)state;
    OPEN(b, SEVERITY("high"), PLAN_OF("30"), MANIPULATION, ATTACK,
         POLICY("mitre", "return { { id = 'T1110', source = 'event', confidence = 0.5 } }"),
         SHOW("{ threat, context }"), {"rules/lists/intel_ips.csv", "value,feed\n10.0.0.0/8,x\n"});
    struct threat *threat = a_threat("{\"source.ip\":\"10.1.2.3\",\"b\":1,\"a\":[\"x\",\"y\"]}");
    json_free(run(&b, threat, &first));
    json_free(run(&b, threat, &second));
    assert_true(str_equal(first.extra, second.extra));
    struct triage_options options = {.set = b.set, .clock = &b.clock.clock, .verdicts = b.verdicts};
    struct triage *other = triage_new(&options, NULL);
    triage_run(other, threat, STR(""), b.arena, &third);
    assert_true(str_equal(first.extra, third.extra));
    triage_free(other);
    threat_free(threat);
    close_bench(&b);
}

static void a_plan_is_due_from_the_threats_beginning(void **state)
{
    struct triage_result result;
    (void)state;
    OPEN(b, PLAN_OF("30"));
    struct threat *threat = a_threat("{}");
    json_free(run(&b, threat, &result));
    threat->created_ns += 5 * 60 * NS_PER_S; /* stored later than it was judged */
    triage_apply(threat, &result);
    struct json *extra = view_parse(threat->extra);
    expect(extra, "response_plan.due_at", "\"2023-11-14T22:48:20.000Z\"");
    expect(extra, "response_plan.sla_minutes", "30");
    json_free(extra);
    threat_free(threat);
    close_bench(&b);
}

static void techniques_are_added_once(void **state)
{
    struct triage_result result;
    (void)state;
    OPEN(b, ATTACK, POLICY("mitre", "return { { id = 'T1110', source = 'event', confidence = 0.5 } }"));
    struct threat *threat = a_threat("{}");
    vec_push(&threat->mitre, threat_keep(threat, STR("T1059")));
    json_free(run(&b, threat, &result));
    triage_apply(threat, &result);
    triage_apply(threat, &result);
    assert_int_equal(threat->mitre.count, 2);
    assert_true(str_is(threat->mitre.items[1], "T1110"));
    threat_free(threat);
    close_bench(&b);
}

/* A policy that fails three times in a minute is asked no more, on no thread. */
static void a_policy_that_keeps_failing_is_suspended(void **state)
{
    struct triage_result result;
    (void)state;
    OPEN(b, POLICY("severity", "error('no luck')"));
    struct threat *threat = a_threat("{}");
    for (int i = 0; i < 3; i++)
        json_free(run(&b, threat, &result));
    expect_review(&result, "no luck");
    json_free(run(&b, threat, &result));
    expect_review(&result, "suspended");
    b.clock.now_ns += HOUR;
    json_free(run(&b, threat, &result));
    expect_review(&result, "no luck");
    threat_free(threat);
    close_bench(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(severity_never_falls_below_its_floor),
        cmocka_unit_test(severity_may_rise),
        cmocka_unit_test(absent_policies_have_defaults),
        cmocka_unit_test(failing_policies_have_defaults),
        cmocka_unit_test(overrunning_policies_have_defaults),
        cmocka_unit_test(memory_grabbing_policies_have_defaults),
        cmocka_unit_test(policies_that_answer_nonsense_have_defaults),
        cmocka_unit_test(policies_that_answer_other_tables_have_defaults),
        cmocka_unit_test(numbers_that_are_none_are_refused),
        cmocka_unit_test(decisions_survive_a_look),
        cmocka_unit_test(policies_see_verdicts_assets_and_the_profile),
        cmocka_unit_test(each_policy_sees_those_before_it),
        cmocka_unit_test(what_a_background_showed_stays_until_the_next),
        cmocka_unit_test(the_same_threat_gives_the_same_bytes),
        cmocka_unit_test(a_plan_is_due_from_the_threats_beginning),
        cmocka_unit_test(techniques_are_added_once),
        cmocka_unit_test(a_policy_that_keeps_failing_is_suspended),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
