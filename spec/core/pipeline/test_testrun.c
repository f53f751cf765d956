/* The tests that rules and sources carry: what passes, what fails and what is said then. */
#include "core/pipeline/plant.h"
#include "pipeline/testrun.h"

#define HEAD "return rule { id = \"t.rule\", title = \"T\", severity = \"low\", type = \"kind\",\n"
#define S    "sample { [\"user.name\"] = \"ana\" }"
#define QUIET                                                                                                \
    "{ \"quiet\", events = at({ 0 }, sample { [\"user.name\"] = \"bo\" }), expect = { threats = 0 } }"
#define FIRES            "{ \"fires\", events = at({ 0 }, " S "), expect = { threats = 1 } }"
#define MATCH            "match = { [\"user.name\"] = { \"ana\", \"eve\" } },\n"
#define RULE(body, test) HEAD MATCH body "tests = { " FIRES ", " QUIET ",\n" test " } }"

struct trial {
    const char *name, *text;
    const char *message; /* of the first failure; "" : all pass. A part of it is enough */
};

/* Runs the tests of one rule, beside a list and a source. */
static struct test_results run_text(const char *text, struct str only)
{
    const struct text_file files[] = {
        {"rules/x.lua", text},
        {"rules/lists/friends.txt", "zoe\n"},
        {"plugins/sources/door.lua",
         "return source { id = \"door\", fields = { [\"user.name\"] = \"door.who\" },\n"
         "  tests = { { \"x\", raw = { door = { who = \"ana\" } }, expect = { [\"user.name\"] = \"ana\" } } "
         "} }"},
    };
    struct ruleset *set = plant_rules(files, 3);
    struct test_results results = {0};
    testrun(set, only, 0, &results);
    for (size_t i = 0; i < results.results.count; i++) /* the names are the set's: gone with it */
        results.results.items[i].rule = results.results.items[i].test = results.results.items[i].path = STR(
            "");
    ruleset_unref(set);
    return results;
}

static const char *first_message(const struct test_results *results)
{
    for (size_t i = 0; i < results->results.count; i++)
        if (results->results.items[i].outcome == TEST_FAILED)
            return results->results.items[i].message;
    return "";
}

static void run_trials(const struct trial *trials, size_t count)
{
    size_t wrong = 0;
    for (size_t i = 0; i < count; i++) {
        struct test_results results = run_text(trials[i].text, STR(""));
        const char *message = first_message(&results);
        bool right = trials[i].message[0] ? strstr(message, trials[i].message) && results.failed == 1
                                          : results.failed == 0;
        right = right && results.passed + results.failed == results.results.count && !results.out_of_time;
        if (!right)
            printf("%s:\n  expected: %s\n  got %zu failed: %s\n", trials[i].name, trials[i].message,
                   results.failed, message);
        wrong += !right;
        test_results_free(&results);
    }
    assert_int_equal(wrong, 0);
}

#define EXPECT(expectation) "{ \"e\", events = at({ 0 }, " S "), expect = { threats = 1, " expectation " } }"

static void an_expectation_that_does_not_hold_says_what_came(void **state)
{
    (void)state;
    static const struct trial trials[] = {
        {"all hold",
         RULE("context = { \"user.name\" },\n",
              EXPECT("severity = \"low\", title = \"T\", type = \"kind\", count = 1, dedup = \"T\", "
                     "suppressed = 0, context = { [\"user.name\"] = \"ana\" }")),
         ""},
        {"threats", RULE("", "{ \"e\", events = at({ 0 }, " S "), expect = { threats = 2 } }"),
         "expected 2 threats, got 1 [LOW 1 \"T\" T]"},
        {"none came",
         RULE("", "{ \"e\", events = at({ 0 }, sample { [\"user.name\"] = \"x\" }), "
                  "expect = { threats = 1 } }"),
         "expected 1 threat, got 0"},
        {"severity", RULE("", EXPECT("severity = \"high\"")), "expected severity \"HIGH\", got \"LOW\""},
        {"title", RULE("", EXPECT("title = \"X\"")), "expected title \"X\", got \"T\""},
        {"type", RULE("", EXPECT("type = \"X\"")), "expected type \"X\", got \"kind\""},
        {"dedup", RULE("dedup = { by = { \"user.name\" } },\n", EXPECT("dedup = \"bo\"")),
         "expected dedup \"bo\", got \"ana\""},
        {"count", RULE("", EXPECT("count = 3")), "expected count 3, got 1"},
        {"suppressed", RULE("", EXPECT("suppressed = 1")), "expected 1 suppressed, got 0"},
        {"context", RULE("context = { \"user.name\" },\n", EXPECT("context = { [\"user.name\"] = \"bo\" }")),
         "context[\"user.name\"] is not what was expected; the context is {\"user.name\":\"ana\"}"},
        {"a callback that fails",
         RULE(
             "severity_of = function(event) if event[\"user.name\"] == \"eve\" then error(\"oh\") end end,\n",
             "{ \"e\", events = at({ 0 }, sample { [\"user.name\"] = \"eve\" }), expect = { threats = 1 } }"),
         "a callback failed: severity_of"},
        {"a record that goes through its source",
         RULE("",
              "{ \"e\", events = at({ 0 }, sample { source = \"door\", raw = { door = { who = \"ana\" } } "
              "}), expect = { threats = 1, title = \"T\" } }"),
         ""},
    };
    run_trials(trials, sizeof(trials) / sizeof(trials[0]));
}

static void a_rule_that_keeps_state_between_events_is_found_out(void **state)
{
    (void)state;
    static const struct trial trials[] = {
        {"a counter in an upvalue",
         "local seen = 0\n" RULE("title_of = function(event) seen = seen + 1 return \"n\" .. seen end,\n",
                                 EXPECT("severity = \"low\"")),
         "keeps state between events"},
        {"a memory of names",
         "local known = {}\n" RULE("filter = function(event) local n = event[\"user.name\"]\n"
                                   "  local new = not known[n] known[n] = true return new end,\n",
                                   "{ \"e\", events = at({ 0 }, sample { [\"user.name\"] = \"eve\" }), "
                                   "expect = { threats = 1 } }"),
         "keeps state between events"},
        {"a constant table is no state",
         "local names = { ana = \"high\" }\n" RULE(
             "severity_of = function(event) return names[event[\"user.name\"]] end,\n",
             EXPECT("severity = \"high\"")),
         ""},
    };
    for (size_t i = 0; i < sizeof(trials) / sizeof(trials[0]); i++) {
        struct test_results results = run_text(trials[i].text, STR(""));
        if (trials[i].message[0] == '\0') {
            assert_int_equal(results.failed, 0);
        } else {
            assert_true(results.failed > 0);
            bool said = false;
            for (size_t k = 0; k < results.results.count; k++)
                said |= strstr(results.results.items[k].message, trials[i].message) != NULL;
            if (!said)
                fail_msg("%s: %s", trials[i].name, first_message(&results));
        }
        test_results_free(&results);
    }
}

static void a_test_sees_the_lists_it_names_and_no_others(void **state)
{
    (void)state;
    static const struct trial trials[] = {
        {"in match",
         RULE("", "{ \"e\", lists = { friends = { \"eve\" } }, events = at({ 0 }, " S "), "
                  "expect = { threats = 1 } }"),
         ""},
        {"in a callback",
         RULE("severity_of = function(event) if list \"friends\":has(event[\"user.name\"]) then return "
              "\"high\" "
              "end end,\n",
              "{ \"e\", lists = { friends = { \"ana\" } }, events = at({ 0 }, " S
              "), expect = { threats = 1, "
              "severity = \"high\" } }"),
         ""},
        {"the file's entries are not there",
         HEAD
         "match = { [\"user.name\"] = list \"friends\" },\ntests = {\n"
         "{ \"e\", lists = { friends = { \"ana\" } }, events = at({ 0 }, " S
         "), expect = { threats = 1 } },\n"
         "{ \"f\", lists = { friends = { \"ana\" } }, events = at({ 0 }, sample { [\"user.name\"] = \"zoe\" "
         "}), expect = { threats = 0 } } } }",
         ""},
    };
    run_trials(trials, sizeof(trials) / sizeof(trials[0]));
}

#define GROUP "group = { by = { \"user.name\" }, window = \"1m\", count = 3 },\n"
#define GROUPED(test)                                                                                        \
    HEAD MATCH GROUP "tests = { " QUIET ", { \"fires\", events = at({ 0, 1, 2 }, " S                         \
                     "), expect = { threats = 1, count = 3 } },\n" test " } }"

static void time_is_the_tests_own(void **state)
{
    (void)state;
    static const struct trial trials[] = {
        {"too slow", GROUPED("{ \"e\", events = at({ 0, 30, 60 }, " S "), expect = { threats = 0 } }"), ""},
        {"just in time", GROUPED("{ \"e\", events = at({ 0, 30, 59.9 }, " S "), expect = { threats = 1 } }"),
         ""},
        {"in any order", GROUPED("{ \"e\", events = at({ 59, 30, 40 }, " S "), expect = { threats = 1 } }"),
         ""},
        {"arrivals out of order",
         GROUPED("{ \"e\", events = at({ 0, 10, 20 }, " S
                 ", { arrive = { 22, 21, 20 } }), expect = { threats "
                 "= 1, count = 3 } }"),
         ""},
        {"an arrival beyond late",
         GROUPED("{ \"e\", events = at({ 0, 100, 10, 20 }, " S
                 ", { arrive = { 0, 100, 101, 102 } }), expect = { "
                 "threats = 0 } }"),
         ""},
    };
    run_trials(trials, sizeof(trials) / sizeof(trials[0]));
}

static void sources_have_tests_too(void **state)
{
    (void)state;
    static const struct text_file files[] = {
        {"plugins/sources/good.lua",
         "return source { id = \"good\", fields = { [\"user.name\"] = \"w\", [\"http.response.status_code\"] "
         "= { "
         "\"n\", as = \"integer\" } },\n tests = { { \"all\", raw = { w = \"ana\", n = \"200\" }, expect = { "
         "[\"user.name\"] = \"ana\", [\"http.response.status_code\"] = 200, [\"host.name\"] = null } } } }"},
        {"plugins/sources/wrong.lua",
         "return source { id = \"wrong\", fields = { [\"user.name\"] = \"w\" },\n"
         " tests = { { \"mine\", raw = { w = \"ana\" }, expect = { [\"user.name\"] = \"bo\" } } } }"},
    };
    struct ruleset *set = plant_rules(files, 2);
    struct test_results results = {0};
    struct report report = {0};
    char text[2048];
    testrun(set, STR(""), 0, &results);
    assert_int_equal(results.passed, 1);
    assert_int_equal(results.failed, 1);
    testrun_report(&results, &report);
    report_text(&report, text, sizeof(text));
    assert_string_equal(text,
                        "error plugins/sources/wrong.lua:2: test \"mine\" of wrong: user.name is not what "
                        "was expected; it is \"ana\"\n");
    report_free(&report);
    test_results_free(&results);
    results = (struct test_results){0};
    testrun(set, STR("good"), 0, &results);
    assert_int_equal(results.passed, 1);
    assert_int_equal(results.failed, 0);
    test_results_free(&results);
    ruleset_unref(set);
}

static void only_one_rule_may_be_asked_for(void **state)
{
    (void)state;
    struct test_results results = run_text(RULE("", EXPECT("severity = \"low\"")), STR("t.rule"));
    assert_int_equal(results.passed, 3);
    test_results_free(&results);
    results = run_text(RULE("", EXPECT("severity = \"low\"")), STR("t.other"));
    assert_int_equal(results.results.count, 0);
    test_results_free(&results);
}

static void the_limit_ends_the_run_and_says_so(void **state)
{
    (void)state;
    const struct text_file files[] = {{"rules/x.lua", RULE("", EXPECT("severity = \"low\""))}};
    struct ruleset *set = plant_rules(files, 1);
    struct test_results results = {0};
    struct report report = {0};
    testrun(set, STR(""), 1, &results);
    assert_true(results.out_of_time);
    testrun_report(&results, &report);
    assert_int_equal(report.errors, 1);
    report_free(&report);
    test_results_free(&results);
    ruleset_unref(set);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_expectation_that_does_not_hold_says_what_came),
        cmocka_unit_test(a_rule_that_keeps_state_between_events_is_found_out),
        cmocka_unit_test(a_test_sees_the_lists_it_names_and_no_others),
        cmocka_unit_test(time_is_the_tests_own),
        cmocka_unit_test(sources_have_tests_too),
        cmocka_unit_test(only_one_rule_may_be_asked_for),
        cmocka_unit_test(the_limit_ends_the_run_and_says_so),
    };
    log_level_set(LOG_OFF);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
