/* Triage of what is large: policies are asked all the same, and nothing suspends them. */
#include "core/pipeline/triage_bench.h"

/* A stranger who sends long values must not keep policies from being asked, nor have them suspended. */
static void large_threats_are_judged_all_the_same(void **state)
{
    struct triage_result result;
    struct buf context = BUF_EMPTY, extra_text = BUF_EMPTY;
    (void)state;
    OPEN(b, SEVERITY("high"), PLAN_OF("30"), SHOW("#threat.evidence > 0"));
    buf_puts(&context, "{\"nul\":\"a\\u0000b\"");
    for (int i = 0; i < 5; i++) {
        buf_printf(&context, ",\"f%d\":\"", i);
        for (int k = 0; k < 4096; k++)
            buf_putc(&context, 'x');
        buf_putc(&context, '"');
    }
    buf_putc(&context, '}');
    struct threat *threat = a_threat(context.ptr);
    for (uint32_t i = 2; i <= 20; i++) {
        struct evidence evidence = threat->evidence.items[0];
        evidence.number = i;
        vec_push(&threat->evidence, evidence);
    }
    struct json *extra = run(&b, threat, &result);
    assert_int_equal(result.severity, SEVERITY_HIGH);
    assert_int_equal(result.sla_minutes, 30);
    see(extra, "true");
    expect_review(&result, NULL);
    json_free(extra);

    buf_puts(&extra_text, "{\"agent_analyses\":{\"historical\":{\"text\":\"");
    for (int k = 0; k < 300 << 10; k++)
        buf_putc(&extra_text, 'x');
    buf_puts(&extra_text, "\"}}}");
    threat->extra = threat_keep(threat, buf_str(&extra_text));
    extra = run(&b, threat, &result);
    assert_int_equal(result.severity, SEVERITY_HIGH);
    expect_review(&result, NULL);
    assert_non_null(at(extra, "agent_analyses.historical")); /* only the policies' view is without */
    json_free(extra);
    threat_free(threat);
    buf_free(&context);
    buf_free(&extra_text);
    close_bench(&b);
}

static void put_analysis(struct threat *threat, size_t padding)
{
    struct buf text = BUF_EMPTY;
    buf_puts(&text, "{\"analysis\":{\"verdict\":\"malicious\",\"confidence\":0.5,\"mitre\":[\"T1078\","
                    "{\"id\":\"T1110\",\"reason\":\"r\"}],\"summary\":\"");
    for (size_t i = 0; i < padding; i++)
        buf_putc(&text, 'x');
    buf_puts(&text, "\"}}");
    threat->extra = threat_keep(threat, buf_str(&text));
    buf_free(&text);
}

/* Policies are told a long analysis by what decides, and asked all the same, the next threat's too. */
static void a_long_analysis_switches_no_policy_off(void **state)
{
    static const struct {
        size_t padding;
        const char *seen;
    } cases[] = {
        {32 << 10, "malicious 0.5 T1078 T1110 0"},
        {300 << 10, "malicious 0.5 T1078 T1110 0"},
        {1000, "malicious 0.5 T1078 table 1000"},
    };
    struct triage_result result;
    (void)state;
    OPEN(
        b, SEVERITY("critical"), PLAN_OF("15"),
        POLICY(
            "timeline",
            "local a = context.analysis\nlocal id = a.mitre[2]\n"
            "return { titles = { created = a.verdict .. ' ' .. tostring(a.confidence) .. ' ' .. "
            "a.mitre[1] .. ' ' .. (type(id) == 'table' and 'table' or id) .. ' ' .. #(a.summary or '') } }"));
    struct threat *threat = a_threat("{}");
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        for (int look = 0; look < 4; look++) {
            put_analysis(threat, cases[i].padding);
            struct json *extra = run(&b, threat, &result);
            assert_int_equal(result.severity, SEVERITY_CRITICAL);
            assert_int_equal(result.sla_minutes, 15);
            expect_review(&result, NULL);
            see(extra, cases[i].seen);
            json_free(extra);
        }
    threat_free(threat);
    close_bench(&b);
}

/* A background that has no room is left out, and a person asked to look. */
static void a_background_without_room_is_left_out(void **state)
{
    static const struct {
        size_t size;
        const char *seen, *review;
    } cases[] = {{200 << 10, "true", NULL}, {260 << 10, "false", "too long"}};
    struct triage_result result;
    (void)state;
    OPEN(b, SEVERITY("high"), PLAN_OF("30"), SHOW("context.notes ~= nil"));
    struct threat *threat = a_threat("{}");
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        for (int look = 0; look < 4; look++) {
            struct buf notes = BUF_EMPTY;
            buf_puts(&notes, "\"notes\":[\"");
            while (notes.len < cases[i].size)
                buf_putc(&notes, 'x');
            buf_puts(&notes, "\"]");
            struct json *extra = run_with(&b, threat, notes.ptr, &result);
            assert_int_equal(result.severity, SEVERITY_HIGH);
            assert_int_equal(result.sla_minutes, 30);
            expect_review(&result, cases[i].review);
            see(extra, cases[i].seen);
            json_free(extra);
            buf_free(&notes);
        }
    threat_free(threat);
    close_bench(&b);
}

/* What is too large to be told is no failure of the policy. */
static void input_that_is_too_large_suspends_nobody(void **state)
{
    char reason[POLICY_REASON];
    struct str answer;
    struct buf context = BUF_EMPTY;
    (void)state;
    OPEN(b, SEVERITY("high"));
    buf_puts(&context, "{\"x\":\"");
    while (context.len < POLICY_INPUT_MAX - 2)
        buf_putc(&context, 'x');
    buf_puts(&context, "\"}");
    struct policy_call call = {.kind = POLICY_SEVERITY,
                               .threat = STR("{}"),
                               .context = buf_str(&context),
                               .look = 1,
                               .arena = b.arena};
    assert_int_equal(policies_decide(triage_policies(b.triage), &call, &answer, reason), 0);
    buf_putc(&context, ' ');
    call.context = buf_str(&context);
    for (int i = 0; i < 5; i++) {
        assert_int_equal(policies_decide(triage_policies(b.triage), &call, &answer, reason), -1);
        assert_non_null(strstr(reason, "larger than 262144 bytes"));
    }
    assert_false(policy_suspended(b.health, POLICY_SEVERITY, b.clock.now_ns));
    buf_free(&context);
    close_bench(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(large_threats_are_judged_all_the_same),
        cmocka_unit_test(a_long_analysis_switches_no_policy_off),
        cmocka_unit_test(a_background_without_room_is_left_out),
        cmocka_unit_test(input_that_is_too_large_suspends_nobody),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
