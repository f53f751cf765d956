/* Policies and dry runs in a state: what they are given, what counts as an answer, who is suspended. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>

#include "core/rules/ruleset.h"
#include "rules/policies.h"

#define T         "tests = { { 't', threat = {}, expect = {} } }"
#define POLICY(n) "return policy { name = '" n "', " T ",\ndecide = function(threat, context) "
#define ACTION(n)                                                                                            \
    "return action { id = '" n "', title = 'A', target = { 'source.ip' },\n"                                 \
    "tests = { { 't', action = {}, expect = {} } }, dry_run = function(action, threat) "

static const struct text_file files[] = {
    {"rules/severity.lua", POLICY("severity") "local vip = list 'customers':get(threat.customer_name) or {}\n"
                                              "return { severity = threat.severity, tier = vip.tier, now = "
                                              "context.now, null = threat.null == nil, held = "
                                              "list 'customers':has('bo') } end }"},
    {"rules/false_positive.lua", POLICY("false_positive") "if context.fail then error('no luck') end\n"
                                                          "return {} end }"},
    {"rules/response.lua", POLICY("response") "while true do end end }"},
    {"rules/mitre.lua", POLICY("mitre") "return { { id = 'T1621' } } end }"},
    {"rules/manipulation.lua", POLICY("manipulation") "return threat.answer end }"},
    {"rules/lists/customers.lua", "return list { 'bo', ['acme'] = { tier = 'gold', hours = { 8, 18 } } }"},
    {"plugins/block.lua",
     ACTION("block_ip") "return { summary = 'blocks ' .. action.target, threat = threat.id } end }"},
    {"plugins/bad.lua", ACTION("bad") "error('not today') end }"},
};

struct bench {
    struct ruleset *set;
    struct policies *policies;
    struct policy_health *health;
    struct clock_virtual clock;
    struct arena *arena;
    char reason[POLICY_REASON];
};

static struct policies *new_policies(struct bench *b)
{
    struct err err = {0};
    struct policies_options options = {.set = b->set, .health = b->health, .clock = &b->clock.clock};
    struct policies *policies = policies_new(&options, &err);
    if (policies == NULL)
        fail_msg("%s", err_text(&err));
    return policies;
}

static int setup(void **state)
{
    struct bench *b = calloc(1, sizeof(*b));
    struct report report = {0};
    char text[2048];
    b->set = load_texts(files, sizeof(files) / sizeof(files[0]), &report);
    report_text(&report, text, sizeof(text));
    assert_string_equal(text, "");
    report_free(&report);
    b->health = policy_health_new();
    clock_virtual_init(&b->clock, 1000 * NS_PER_S);
    b->arena = arena_new(0);
    b->policies = new_policies(b);
    *state = b;
    return 0;
}

static int teardown(void **state)
{
    struct bench *b = *state;
    policies_free(b->policies);
    policy_health_free(b->health);
    ruleset_unref(b->set);
    arena_free(b->arena);
    free(b);
    return 0;
}

/* The answer, or "!" and the reason. */
static const char *decide(struct bench *b, enum policy_kind kind, const char *threat, const char *context)
{
    struct policy_call call = {
        .kind = kind, .threat = str_from(threat), .context = str_from(context), .arena = b->arena};
    struct str json;
    if (policies_decide(b->policies, &call, &json, b->reason) != 0)
        return arena_printf(b->arena, "!%s", b->reason);
    return arena_dup(b->arena, json).ptr;
}

static void a_policy_sees_threat_context_and_lists(void **state)
{
    struct bench *b = *state;
    assert_string_equal(decide(b, POLICY_SEVERITY,
                               "{\"severity\":\"HIGH\",\"customer_name\":\"ACME\",\"null\":null}",
                               "{\"now\":12.5}"),
                        "{\"held\":true,\"now\":12.5,\"null\":true,\"severity\":\"HIGH\",\"tier\":\"gold\"}");
    assert_string_equal(decide(b, POLICY_MITRE, "{}", "{}"), "[{\"id\":\"T1621\"}]");
    assert_string_equal(decide(b, POLICY_FALSE_POSITIVE, "{}", "{}"), "{}");
    policies_idle(b->policies);
}

static void a_test_brings_its_own_lists(void **state)
{
    struct bench *b = *state;
    struct literal entry = {.type = LITERAL_STRING, .text = STR("acme"), .from_list = true};
    struct str attributes = STR("{\"tier\":\"tin\"}");
    struct test_list list = {STR("customers"), &entry, 1, &attributes};
    struct policy_test test = {.lists = &list, .list_count = 1}, none = {0};
    policies_set_test(b->policies, &test);
    assert_string_equal(decide(b, POLICY_SEVERITY, "{\"customer_name\":\"acme\"}", "{}"),
                        "{\"held\":false,\"null\":true,\"tier\":\"tin\"}");
    policies_set_test(b->policies, &none);
    assert_string_equal(decide(b, POLICY_SEVERITY, "{\"customer_name\":\"acme\"}", "{}"),
                        "{\"held\":false,\"null\":true}");
    policies_set_test(b->policies, NULL);
    assert_string_equal(decide(b, POLICY_SEVERITY, "{\"customer_name\":\"acme\"}", "{}"),
                        "{\"held\":true,\"null\":true,\"tier\":\"gold\"}");
}

static void what_is_no_answer_is_a_reason(void **state)
{
    struct bench *b = *state;
    assert_string_equal(decide(b, POLICY_TIMELINE, "{}", "{}"), "!there is no such policy");
    assert_string_equal(decide(b, POLICY_MANIPULATION, "{}", "{}"), "!decide gave nil instead of a table");
    assert_string_equal(decide(b, POLICY_MANIPULATION, "{\"answer\":\"x\"}", "{}"),
                        "!decide gave \"x\" instead of a table");
    assert_non_null(strstr(decide(b, POLICY_FALSE_POSITIVE, "{}", "{\"fail\":true}"), "!decide failed: "));
    assert_non_null(strstr(b->reason, "no luck"));
    assert_non_null(strstr(decide(b, POLICY_RESPONSE, "{}", "{}"), "!decide took too long"));
    assert_true(decide(b, POLICY_SEVERITY, "{", "{}")[0] == '!');
}

static void three_failures_in_a_minute_suspend_a_policy_on_all_threads(void **state)
{
    struct bench *b = *state;
    struct policies *other = new_policies(b), *mine = b->policies;
    decide(b, POLICY_MANIPULATION, "{}", "{}");
    b->policies = other;
    decide(b, POLICY_MANIPULATION, "{}", "{}");
    b->policies = mine;
    b->clock.now_ns += 59 * NS_PER_S;
    assert_false(policy_suspended(b->health, POLICY_MANIPULATION, b->clock.now_ns));
    decide(b, POLICY_MANIPULATION, "{}", "{}");
    assert_true(policy_suspended(b->health, POLICY_MANIPULATION, b->clock.now_ns));
    b->policies = other;
    assert_string_equal(decide(b, POLICY_MANIPULATION, "{\"answer\":{}}", "{}"),
                        "!decide is suspended after repeated failures");
    assert_string_equal(decide(b, POLICY_MITRE, "{}", "{}"), "[{\"id\":\"T1621\"}]");
    b->clock.now_ns += 600 * NS_PER_S;
    assert_string_equal(decide(b, POLICY_MANIPULATION, "{\"answer\":{}}", "{}"), "{}");
    b->policies = mine;
    policies_free(other);
}

static void failures_that_lie_apart_suspend_nothing(void **state)
{
    struct bench *b = *state;
    for (int i = 0; i < 6; i++, b->clock.now_ns += 31 * NS_PER_S)
        decide(b, POLICY_MANIPULATION, "{}", "{}");
    assert_string_equal(decide(b, POLICY_MANIPULATION, "{\"answer\":{}}", "{}"), "{}");
}

static void a_dry_run_says_what_would_be_done(void **state)
{
    struct bench *b = *state;
    struct action_call call = {STR("block_ip"), STR("{\"target\":\"203.0.113.9\"}"), STR("{\"id\":\"7\"}"),
                               b->arena};
    struct str json;
    assert_int_equal(actions_dry_run(b->policies, &call, &json, b->reason), 0);
    assert_true(str_is(json, "{\"summary\":\"blocks 203.0.113.9\",\"threat\":\"7\"}"));
    call.id = STR("block_host");
    assert_int_equal(actions_dry_run(b->policies, &call, &json, b->reason), -1);
    assert_string_equal(b->reason, "there is no action \"block_host\"");
    call.id = STR("bad");
    for (int i = 0; i < 5; i++) {
        assert_int_equal(actions_dry_run(b->policies, &call, &json, b->reason), -1);
        assert_non_null(strstr(b->reason, "not today"));
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_policy_sees_threat_context_and_lists),
        TEST(a_test_brings_its_own_lists),
        TEST(what_is_no_answer_is_a_reason),
        TEST(three_failures_in_a_minute_suspend_a_policy_on_all_threads),
        TEST(failures_that_lie_apart_suspend_nothing),
        TEST(a_dry_run_says_what_would_be_done),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
