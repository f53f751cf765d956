/* The tests that policies, agents and actions carry: what passes, what fails and what is said then. */
#include "core/pipeline/plant.h"
#include "pipeline/testrun_policy.h"

/* ---- comparing ---- */

static void an_expectation_is_a_part_of_the_answer(void **state)
{
    (void)state;
    static const struct {
        const char *expected, *got, *message; /* message "": a part of it */
    } cases[] = {
        {"{\"a\":1}", "{\"a\":1,\"b\":2}", ""},
        {"{\"a\":1}", "{\"a\":1.0}", ""},
        {"{\"a\":0.3}", "{\"a\":0.30000000000000004}", ""},
        {"{\"a\":0.3}", "{\"a\":0.300001}", "a: expected 0.3, got 0.300001"},
        {"{\"a\":0.3}", "{\"a\":0.299999998}", "a: expected 0.3, got 0.299999998"},
        {"{\"a\":9007199254740993}", "{\"a\":9007199254740992}",
         "a: expected 9007199254740993, got 9007199254740992"},
        {"{\"a\":\"x\"}", "{\"a\":\"X\"}", "a: expected \"x\", got \"X\""},
        {"{\"a\":\"1\"}", "{\"a\":1}", "a: expected \"1\", got 1"},
        {"{\"a\":1}", "{\"a\":\"1\"}", "a: expected 1, got \"1\""},
        {"{\"a\":true}", "{\"a\":false}", "a: expected true, got false"},
        {"{\"a\":true}", "{\"a\":1}", "a: expected true, got 1"},
        {"{\"a\":null}", "{}", ""},
        {"{\"a\":null}", "{\"a\":0}", "a: expected null, got 0"},
        {"{\"a\":1}", "{}", "a: expected 1, got nothing"},
        {"{\"a\":{\"b\":[1,{\"c\":2}]}}", "{\"a\":{\"b\":[1,{\"c\":2,\"d\":3}]}}", ""},
        {"{\"a\":{\"b\":[1,{\"c\":2}]}}", "{\"a\":{\"b\":[1,{\"c\":3}]}}", "a.b[2].c: expected 2, got 3"},
        {"[{\"id\":\"T1\"}]", "[{\"id\":\"T2\"}]", "[1].id: expected \"T1\", got \"T2\""},
        {"{\"a\":[1]}", "{\"a\":[1,2]}", "a: expected a list of 1, got one of 2"},
        {"{\"a\":[1,2]}", "{\"a\":[1]}", "a: expected a list of 2, got one of 1"},
        {"{\"a\":[1]}", "{\"a\":{\"b\":1}}", "a: expected [1], got {\"b\":1}"},
        {"{\"a\":{\"b\":1}}", "{\"a\":[1]}", "a: expected {\"b\":1}, got [1]"},
        {"{\"a\":{}}", "{\"a\":[]}", ""},
        {"{\"a\":{}}", "{\"a\":{}}", ""},
        {"{\"a\":{}}", "{\"a\":[1]}", "a: expected {}, got [1]"},
        {"{\"a\":{}}", "{\"a\":{\"b\":1}}", "a: expected {}, got {\"b\":1}"},
        {"{}", "[{\"id\":\"T2\"}]", "expected {}, got [{\"id\":\"T2\"}]"},
    };
    size_t wrong = 0;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct err err = {0};
        int rc = testrun_compare(str_from(cases[i].expected), str_from(cases[i].got), &err);
        bool right = (rc != 0) == (cases[i].message[0] != '\0') && strcmp(err.message, cases[i].message) == 0;
        if (!right)
            printf("%s in %s: %s\n", cases[i].expected, cases[i].got, err.message);
        wrong += !right;
    }
    assert_int_equal(wrong, 0);
}

/* ---- running ---- */

#define SCORE                                                                                                \
    "return policy { name = 'severity', decide = function(threat, context)\n"                                \
    "  if threat.fail then error('no luck') end\n"                                                           \
    "  local tier = list 'customers':get(threat.customer_name)\n"                                            \
    "  return { severity = threat.severity, parts = { { name = 'now', value = context.now }, },\n"           \
    "    tier = tier and tier.tier, at = os.time() } end,\n"
#define TEST(name, rest) "{ '" name "', threat = { severity = 'HIGH', customer_name = 'acme' }, " rest " }"

struct trial {
    const char *name, *text;
    const char *message; /* of the first failure; "": all pass. A part of it is enough */
};

static const struct trial trials[] = {
    {"all that is expected comes",
     SCORE "tests = {\n" TEST(
         "a",
         "context = { now = 5 }, expect = { severity = 'HIGH', parts = { { value = 5 } } "
         "}") ",\n" TEST("b", "lists = { customers = { acme = { tier = 'gold' } } }, "
                              "expect = { tier = 'gold' }") ",\n" TEST("only the lists of the test",
                                                                       "expect = { tier = null, at = "
                                                                       "1767323045 }") ",\n"
                                                                                       "{ 'it fails', threat "
                                                                                       "= { fail = true }, "
                                                                                       "expect = { "
                                                                                       "error = true } } } }",
     ""},
    {"another value",
     SCORE "tests = { " TEST("a", "context = { now = 5 }, expect = { parts = { { value = 6 } } }") " } }",
     "parts[1].value: expected 6, got 5"},
    {"it fails and should not", SCORE "tests = { { 'a', threat = { fail = true }, expect = { a = 1 } } } }",
     "no luck"},
    {"it should fail and does not", SCORE "tests = { " TEST("a", "expect = { error = true }") " } }",
     "expected a failure, got {"},
    {"it keeps state",
     "local n = 0\n"
     "return policy { name = 'mitre', decide = function() n = n + 1 return { { id = n } } end,\n"
     "tests = { { 'a', threat = {}, expect = { { id = 1 } } } } }",
     "keeps state between calls: first [{\"id\":1}], then [{\"id\":2}]"},
    {"an agent's finding",
     "return agent { name = 'config', offline = function(threat, gathered)\n"
     "  return { verdict = gathered.profile and 'benign_expected' or 'not_evaluable', id = threat.id } end,\n"
     "tests = { { 'a', threat = { id = '7' }, gathered = { profile = {} },\n"
     "  expect = { verdict = 'benign_expected', id = '7' } },\n"
     "  { 'b', threat = {}, expect = { verdict = 'not_evaluable' } } } }",
     ""},
    {"an agent's other finding",
     "return agent { name = 'config', offline = function(threat, gathered) return { verdict = 'x' } end,\n"
     "tests = { { 'a', threat = {}, expect = { verdict = 'benign' } } } }",
     "verdict: expected \"benign\", got \"x\""},
    {"a dry run",
     "return action { id = 'block', title = 'B', target = { 'source.ip' },\n"
     "dry_run = function(action, threat) return { summary = action.target .. threat.id } end,\n"
     "tests = { { 'a', action = { target = 'x' }, threat = { id = '7' }, expect = { summary = 'x7' } } } }",
     ""},
    {"another dry run",
     "return action { id = 'block', title = 'B', target = { 'source.ip' },\n"
     "dry_run = function(action) return { summary = action.target } end,\n"
     "tests = { { 'a', action = { target = 'x' }, expect = { summary = 'y' } } } }",
     "summary: expected \"y\", got \"x\""},
};

static struct test_results run_text(const char *text, const char *only)
{
    const struct text_file files[] = {
        {"rules/x.lua", text},
        {"rules/lists/customers.lua", "return list { ['acme'] = { tier = 'of the file' } }"}};
    struct ruleset *set = plant_rules(files, 2);
    struct test_results results = {0};
    testrun(set, str_from(only), 0, &results);
    for (size_t i = 0; i < results.results.count; i++) /* the names are the set's: gone with it */
        results.results.items[i].rule = results.results.items[i].test = results.results.items[i].path = STR(
            "");
    ruleset_unref(set);
    return results;
}

static void what_differs_is_named_with_both_values(void **state)
{
    (void)state;
    size_t wrong = 0;
    for (size_t i = 0; i < sizeof(trials) / sizeof(trials[0]); i++) {
        struct test_results results = run_text(trials[i].text, "");
        const char *message = "";
        for (size_t j = 0; j < results.results.count && message[0] == '\0'; j++)
            message = results.results.items[j].message;
        bool right = strstr(message, trials[i].message) && results.failed == (trials[i].message[0] != '\0') &&
                     results.passed + results.failed == results.results.count && results.results.count;
        if (!right)
            printf("%s: %zu failed: %s\n", trials[i].name, results.failed, message);
        wrong += !right;
        test_results_free(&results);
    }
    assert_int_equal(wrong, 0);
}

static void one_policy_can_be_tested_alone(void **state)
{
    (void)state;
    const char *text = SCORE "tests = { " TEST("a", "expect = { severity = 'HIGH' }") " } }";
    struct test_results results = run_text(text, "severity");
    assert_true(results.passed == 1 && results.failed == 0);
    test_results_free(&results);
    results = run_text(text, "mitre");
    assert_int_equal(results.results.count, 0);
    test_results_free(&results);
}

static void the_limit_ends_the_run(void **state)
{
    (void)state;
    struct text_file file = {"rules/x.lua",
                             SCORE "tests = { " TEST("a", "expect = { severity = 'HIGH' }") " } }"};
    struct ruleset *set = plant_rules(&file, 1);
    struct clock_virtual clock;
    struct test_results results = {0};
    clock_virtual_init(&clock, 0);
    struct testrun_scope scope = {set, STR(""), 1, &clock.clock};
    testrun_policies(&scope, &results);
    assert_true(results.out_of_time);
    assert_int_equal(results.results.count, 0);
    test_results_free(&results);
    ruleset_unref(set);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_expectation_is_a_part_of_the_answer),
        cmocka_unit_test(what_differs_is_named_with_both_values),
        cmocka_unit_test(one_policy_can_be_tested_alone),
        cmocka_unit_test(the_limit_ends_the_run),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
