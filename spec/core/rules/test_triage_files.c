/* Policy, agent and action files: what they say, and what is wrong with them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>

#include "base/clock.h"
#include "ruleset.h"

#define T            "tests = { { 't', threat = {}, expect = { a = 1 } } }"
#define DECIDE       "decide = function(threat, context) return { a = 1 } end,\n"
#define POLICY(rest) "return policy { name = 'severity', " DECIDE rest " }"
#define OFFLINE      "offline = function(threat, gathered) return { a = 1 } end,\n"
#define AGENT(rest)  "return agent { name = 'config', " OFFLINE rest " }"
#define ACTION(rest)                                                                                         \
    "return action { id = 'block_ip', title = 'Block', target = { 'source.ip' },\n"                          \
    "dry_run = function(action, threat) return { summary = 's' } end,\n" rest " }"
#define AT "tests = { { 't', action = {}, expect = { summary = 's' } } }"

static const struct load_case cases[] = {
    {"a good policy", POLICY(T), ""},
    {"a bare policy", "return { name = 'severity', decide = function() end }",
     "error rules/x.lua:1: the file returns a bare table; write return policy { … }\n"},
    {"a bare agent", "return { name = 'config', offline = function() end }",
     "error rules/x.lua:1: the file returns a bare table; write return agent { … }\n"},
    {"a bare action", "return { id = 'x', dry_run = function() end }",
     "error rules/x.lua:1: the file returns a bare table; write return action { … }\n"},
    {"no name", "return policy {\n" DECIDE T "}",
     "error rules/x.lua:1: policy: \"name\" is missing; write name = \"severity\"\n"},
    {"an unknown policy", "return policy {\nname = 'sevrity',\n" DECIDE T "}",
     "error rules/x.lua:2: policy: name \"sevrity\" is none of severity, false_positive, response, mitre, "
     "manipulation, timeline; did you mean \"severity\"?\n"},
    {"an unknown key", POLICY("decied = 1,\n" T),
     "error rules/x.lua:2: policy has no key \"decied\"; did you mean \"decide\"?\n"},
    {"no decide", "return policy { name = 'severity',\n" T "}",
     "error rules/x.lua:1: policy: \"decide\" is missing; write decide = function(threat, context) return { "
     "… } "
     "end\n"},
    {"a decide that is none", "return policy { name = 'severity',\ndecide = 'high', " T "}",
     "error rules/x.lua:2: decide: expected a function, got a string\n"},
    {"no tests", POLICY(""),
     "error rules/x.lua:1: policy: \"tests\" needs 1 to 1000, { \"what it shows\", threat = { severity = "
     "\"HIGH\" }, expect = { … } }\n"},
    {"no test", POLICY("tests = {}"),
     "error rules/x.lua:2: policy: \"tests\" needs 1 to 1000, { \"what it shows\", threat = { severity = "
     "\"HIGH\" }, expect = { … } }\n"},
    {"a test without a name", POLICY("tests = {\n{ threat = {}, expect = { a = 1 } } }"),
     "error rules/x.lua:3: test: expected { \"what it shows\", threat = { severity = \"HIGH\" }, expect = { "
     "… } "
     "}\n"},
    {"a test without a threat", POLICY("tests = { { 't', expect = { a = 1 } } }"),
     "error rules/x.lua:2: test \"t\": \"threat\" is missing; write threat = { severity = \"HIGH\" }\n"},
    {"a threat that is none", POLICY("tests = { { 't',\nthreat = { 'HIGH' }, expect = { a = 1 } } }"),
     "error rules/x.lua:3: test \"t\": threat: expected a table of names, { name = value }\n"},
    {"a function in a threat", POLICY("tests = { { 't',\nthreat = { f = print }, expect = { a = 1 } } }"),
     "error rules/x.lua:3: test \"t\": threat: a function cannot stand here\n"},
    {"gathered in a policy's test", POLICY("tests = { { 't', threat = {}, gathered = {}, expect = {} } }"),
     "error rules/x.lua:2: test has no key \"gathered\"\n"},
    {"no expectation", POLICY("tests = { { 't', threat = {} } }"),
     "error rules/x.lua:2: test \"t\": \"expect\" is missing; write expect = { … } with a part of the "
     "answer, "
     "or expect = { error = true }\n"},
    {"a failure and an answer", POLICY("tests = { { 't', threat = {}, expect = { error = true, a = 1 } } }"),
     "error rules/x.lua:2: test \"t\": expect: where error = true is expected there is no answer to "
     "compare\n"},
    {"a list that is none", POLICY("tests = { { 't', threat = {}, lists = { a = 1 }, expect = {} } }"),
     "error rules/x.lua:2: test \"t\": lists.a: expected { \"…\" }, or { [\"…\"] = { name = value } }\n"},
    {"a good agent",
     AGENT("when = function() return true end, gather = function() return {} end, timeout = '1s',\n"
           "prompt = function() return {} end, schema = { type = 'object' }, max_tokens = 32000, " T),
     ""},
    {"an agent for nothing", "return agent { name = 'weather', " OFFLINE T "}",
     "error rules/x.lua:1: agent: name \"weather\" is none of historical, config, devops, context, priority, "
     "coordinator\n"},
    {"no offline", "return agent { name = 'config', " T "}",
     "error rules/x.lua:1: agent: \"offline\" is missing; write offline = function(threat, gathered) return "
     "{ "
     "… } end\n"},
    {"a prompt without a schema", AGENT("prompt = function() return {} end, " T),
     "error rules/x.lua:2: agent: prompt: \"schema\" is missing, which the model's answer must meet; write "
     "schema = { type = \"object\", … }\n"},
    {"a schema that is a list", AGENT("schema = { 'object' }, " T),
     "error rules/x.lua:2: schema: expected a JSON Schema as a table, { type = \"object\", … }\n"},
    {"a schema with a function", AGENT("schema = { type = print }, " T),
     "error rules/x.lua:2: schema: a function cannot stand here\n"},
    {"too long a timeout", AGENT("timeout = '121s', " T),
     "error rules/x.lua:2: timeout: expected 1s to 120s; write timeout = \"20s\"\n"},
    {"too short a timeout", AGENT("timeout = '999ms', " T),
     "error rules/x.lua:2: timeout: expected 1s to 120s; write timeout = \"20s\"\n"},
    {"a timeout without a unit", AGENT("timeout = 20, " T),
     "error rules/x.lua:2: timeout: a duration needs its unit; write timeout = \"20s\"\n"},
    {"no tokens", AGENT("max_tokens = 0, " T),
     "error rules/x.lua:2: max_tokens: expected 1 to 32000, got 0\n"},
    {"too many tokens", AGENT("max_tokens = 32001, " T),
     "error rules/x.lua:2: max_tokens: expected 1 to 32000, got 32001\n"},
    {"context in an agent's test", AGENT("tests = { { 't', threat = {}, context = {}, expect = {} } }"),
     "error rules/x.lua:2: test has no key \"context\"\n"},
    {"a good action", ACTION(AT), ""},
    {"an empty action", "return action {}",
     "error rules/x.lua:1: action: \"id\" is missing; write id = \"block_ip\"\n"
     "error rules/x.lua:1: action: \"title\" is missing; write title = \"what the analyst reads\"\n"
     "error rules/x.lua:1: action: \"target\" is missing; write target = { \"source.ip\" }, the fields it "
     "can "
     "be about\n"
     "error rules/x.lua:1: action: \"dry_run\" is missing; write dry_run = function(action, threat) return { "
     "summary = \"…\" } end\n"
     "error rules/x.lua:1: action: \"tests\" needs 1 to 1000, { \"what it shows\", action = { target = "
     "\"203.0.113.9\" }, expect = { … } }\n"},
    {"a bad id",
     "return action { id = 'Block IP', title = 'B', target = 'source.ip', dry_run = print, " AT "}",
     "error rules/x.lua:1: id \"Block IP\": write lower-case letters, digits and _ . - , beginning with a "
     "letter, like \"identity.mfa_fatigue\"\n"},
    {"an unknown target",
     "return action { id = 'b', title = 'B', target = { 'source.ipp' }, dry_run = print, " AT "}",
     "warning rules/x.lua:1: target[\"source.ipp\"]: no such field; did you mean \"source.ip\"?\n"},
    {"a target with a modifier",
     "return action { id = 'b', title = 'B', target = { 'source.ip|cidr' }, dry_run = print, " AT "}",
     "error rules/x.lua:1: target: \"source.ip|cidr\" is no field; write it like \"source.ip\"\n"},
    {"no action in an action's test", ACTION("tests = { { 't', threat = {}, expect = {} } }"),
     "error rules/x.lua:3: test \"t\": \"action\" is missing; write action = { target = \"203.0.113.9\" }\n"},
};

static void what_is_wrong_with_a_file_is_said(void **state)
{
    (void)state;
    size_t different = 0;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        different += !load_case_holds(&cases[i], NULL, 0);
    assert_int_equal(different, 0);
}

static struct ruleset *load_quiet(const struct text_file *files, size_t count)
{
    struct report report = {0};
    char text[4096];
    struct ruleset *set = load_texts(files, count, &report);
    report_text(&report, text, sizeof(text));
    assert_string_equal(text, "");
    report_free(&report);
    return set;
}

static void assert_str(struct str got, const char *expected)
{
    if (!str_is(got, expected))
        fail_msg("expected \"%s\", got \"%.*s\"", expected, STR_ARG(got));
}

static void everything_that_the_files_say_is_there(void **state)
{
    (void)state;
    static const struct text_file files[] = {
        {"rules/triage/severity.lua",
         POLICY("tests = { { 't', threat = { severity = 'LOW', n = { 1, 2.5 } },\n"
                "context = { now = 5 }, lists = { vips = { ['ana'] = { tier = "
                "'gold' }, 'bo' } }, expect = { a = 1 } },\n"
                "{ 'f', threat = {}, expect = { error = true } } }")},
        {"rules/agents/schemas.lua", "return { finding = { type = 'object', required = { 'verdict' } } }"},
        {"rules/agents/config.lua",
         AGENT("prompt = function() end, schema = require 'agents.schemas'.finding,\n"
               "timeout = '1m', max_tokens = 400, tests = { { 't', threat = {}, "
               "gathered = { x = true }, expect = {} } }")},
        {"rules/agents/devops.lua", "return agent { name = 'devops', " OFFLINE T " }"},
        {"plugins/actions/block.lua", ACTION(AT)},
        {"plugins/actions/a.lua",
         "return action { id = 'aa', title = 'A', target = { 'user.name', 'host.name' },\n"
         "dry_run = print, tests = { { 't', action = { target = 'x' }, threat = { id = '1' }, expect = {} } "
         "} }"},
    };
    struct ruleset *set = load_quiet(files, 6);
    const struct policy *severity = &set->policies[POLICY_SEVERITY];
    assert_true(severity->present && !set->policies[POLICY_MITRE].present);
    assert_str(severity->path, "rules/triage/severity.lua");
    assert_str(set->files[severity->file].path, "rules/triage/severity.lua");
    assert_int_equal(severity->test_count, 2);
    assert_str(severity->tests[0].threat, "{\"severity\":\"LOW\",\"n\":[1,2.5]}");
    assert_str(severity->tests[0].context, "{\"now\":5}");
    assert_str(severity->tests[0].lists[0].attributes[1], "{\"tier\":\"gold\"}");
    assert_str(severity->tests[0].expect, "{\"a\":1}");
    assert_true(severity->tests[1].fails && severity->tests[1].expect.len == 0);
    const struct agent *config = &set->agents[AGENT_CONFIG], *devops = &set->agents[AGENT_DEVOPS];
    assert_true(config->present && config->has_prompt && !config->has_when && !config->has_gather);
    assert_str(config->schema, "{\"required\":[\"verdict\"],\"type\":\"object\"}");
    assert_true(config->timeout_ns == 60 * NS_PER_S && config->max_tokens == 400);
    assert_str(config->tests[0].gathered, "{\"x\":true}");
    assert_true(devops->timeout_ns == 20 * NS_PER_S && devops->max_tokens == 800);
    assert_str(devops->schema, "");
    assert_int_equal(set->action_count, 2);
    assert_str(set->actions[0].id, "aa");
    assert_int_equal(set->actions[0].target_count, 2);
    assert_str(set->actions[0].tests[0].action, "{\"target\":\"x\"}");
    assert_ptr_equal(ruleset_action(set, STR("block_ip")), &set->actions[1]);
    assert_null(ruleset_action(set, STR("block")));
    ruleset_unref(set);
}

static void one_root_holds_a_policy_once(void **state)
{
    (void)state;
    static const struct text_file files[] = {{"rules/a.lua", POLICY(T)}, {"rules/b.lua", POLICY(T)}};
    struct report report = {0};
    char text[1024];
    assert_null(load_texts(files, 2, &report));
    report_text(&report, text, sizeof(text));
    assert_string_equal(text, "error rules/b.lua:1: the policy \"severity\" is also in rules/a.lua; names "
                              "must differ\n");
    report_free(&report);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_wrong_with_a_file_is_said),
        cmocka_unit_test(everything_that_the_files_say_is_there),
        cmocka_unit_test(one_root_holds_a_policy_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
