/* What is wrong with a file, and what is said of it: every case is a file and the whole report. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>

#include "core/rules/ruleset.h"

#define TESTS                                                                                                \
    "tests = {\n"                                                                                            \
    "  { 'fires', events = at({ 0 }, sample { ['user.name'] = 'ana' }), expect = { threats = 1 } },\n"       \
    "  { 'does not', events = at({ 0 }, sample { ['user.name'] = 'bo' }), expect = { threats = 0 } },\n"     \
    "},\n"
/* A good rule up to line 1; what a case writes begins in line 2. */
#define HEAD        "return rule { id = 'a.b', title = 'T', severity = 'low',\n"
#define RULE(body)  HEAD body "\n" TESTS "}"
#define MATCH(body) RULE("match = { " body " },")
#define GOOD        "match = { ['user.name'] = 'ana' },\n"

static bool run_case(const struct load_case *c)
{
    static const struct text_file beside[] = {
        {"rules/lists/corporate_networks.txt", "10.0.0.0/8\n"},
        {"plugins/sources/okta.lua",
         "return source { id = 'okta', fields = { ['user.name'] = 'actor.alternateId' },\n"
         "  tests = { { 'x', raw = { actor = { alternateId = 'a' } }, expect = { ['user.name'] = 'a' } } } "
         "}"},
    };
    return load_case_holds(c, beside, 2);
}

static void run_cases(const struct load_case *cases, size_t count)
{
    size_t different = 0;
    for (size_t i = 0; i < count; i++)
        different += !run_case(&cases[i]);
    assert_int_equal(different, 0);
}

static const struct load_case match_cases[] = {
    {"a good rule", RULE(GOOD), ""},
    {"everything", RULE("match = everything,"), ""},
    {"nothing to look for", MATCH("['user.name|exists'] = false"),
     "note rules/x.lua: no part of match is rare enough to look for, so each event of the rule's route is "
     "tested\n"},
    {"no match", RULE(""),
     "error rules/x.lua:1: rule: \"match\" is missing; write match = { [\"field\"] = value }, or match = "
     "everything\n"},
    {"a positional string", MATCH("['user.name'] = 'ana', 'failure'"),
     "error rules/x.lua:2: match: the string \"failure\" stands alone; write [\"field\"] = \"failure\", or "
     "keywords { \"failure\" } to search every string\n"},
    {"a positional number", MATCH("7"),
     "error rules/x.lua:2: match: a number stands alone; write [\"field\"] = value\n"},
    {"a function in match", MATCH("function() end"),
     "error rules/x.lua:2: match: a function cannot stand here; write filter = function(event) … end\n"},
    {"a nested table as a value", MATCH("user = { name = 'ana' }"),
     "error rules/x.lua:2: match[\"user\"]: a table is no value; write [\"user.name\"] = …\n"},
    {"an empty table", MATCH(""),
     "error rules/x.lua:2: match: an empty table; write what must hold, or match = everything\n"},
    {"an empty nested table", MATCH("['user.name'] = 'ana', none { {} }"),
     "error rules/x.lua:2: match: an empty table; write what must hold, or match = everything\n"},
    {"an empty list", MATCH("['user.name'] = {}"),
     "error rules/x.lua:2: match[\"user.name\"]: an empty list matches nothing; write a value, or leave the "
     "key "
     "out\n"},
    {"null inside a list", MATCH("['user.name'] = { 'ana', null }"),
     "error rules/x.lua:2: match[\"user.name\"]: null inside a list; write any { { [\"user.name\"] = null }, "
     "{ "
     "[\"user.name\"] = … } }\n"},
    {"null alone is a value", MATCH("['user.name'] = 'ana', ['user.email'] = null"), ""},
    {"an unknown modifier", MATCH("['user.name|contain'] = 'ana'"),
     "error rules/x.lua:2: match[\"user.name|contain\"]: unknown modifier "
     "\"contain\"; did "
     "you mean \"contains\"?\n"},
    {"an unknown list", MATCH("['source.ip|cidr'] = list 'corporate_network'"),
     "error rules/x.lua:2: no such list \"corporate_network\"; did you mean \"corporate_networks\"?\n"},
    {"a control character", MATCH("['file.path'] = \"C:\\temp\\new\""),
     "error rules/x.lua:2: match[\"file.path\"]: \"C:\\temp\\new\" holds a control character; write "
     "[[C:\\temp\\new]]\n"},
    {"an unknown field is a warning", MATCH("['user.name'] = 'ana', ['event.actoin'] = 'x'"),
     "warning rules/x.lua:2: match[\"event.actoin\"]: no such field; did you mean \"event.action\"?\n"},
    {"a field that nothing is like", MATCH("['user.name'] = 'ana', ['zzzzqqqqwwww'] = 'x'"),
     "warning rules/x.lua:2: match[\"zzzzqqqqwwww\"]: no such field in ECS or in any source\n"},
    {"a field that a source names is known", MATCH("['actor.alternateId'] = 'ana'"), ""},
    {"labels are free", MATCH("['labels.team'] = 'red'"), ""},
    {"a sample as a value", MATCH("['user.name'] = sample { a = 1 }"),
     "error rules/x.lua:2: match[\"user.name\"]: expected a string, a number, true or false, got a sample\n"},
    {"match is a string", RULE("match = 'ana',"),
     "error rules/x.lua:2: match: expected a table, got a string; write match = { [\"field\"] = value }\n"},
    {"keywords", MATCH("['user.name'] = 'ana', keywords { 'mimikatz' }"),
     "error rules/x.lua:2: keywords { … } is not built yet\n"},
    {"a field without a name", MATCH("['|contains'] = 'ana'"),
     "error rules/x.lua:2: match[\"|contains\"]: there is no field name\n"},
};

static const struct load_case lua_cases[] = {
    {"a key written twice", RULE("match = { ['user.name'] = 'ana',\n['user.name'] = 'bo' },"),
     "error rules/x.lua:3: the key \"user.name\" is written twice in one table, first in line 2\n"},
    {"nothing returned", "local x = 1",
     "error rules/x.lua: the file returns nothing; it must end with `return rule { … }` or the like\n"},
    {"a bare table", "return {\n id = 'a.b', match = { a = 1 } }",
     "error rules/x.lua:1: the file returns a bare table; write return rule { … }\n"},
    {"a bare source", "return { id = 'a', fields = { a = 'b' } }",
     "error rules/x.lua:1: the file returns a bare table; write return source { … }\n"},
    {"a module", "return { help = function() return 1 end }", ""},
    {"a string", "return 'rule'",
     "error rules/x.lua: the file returns string; it must end with `return rule { … }` or the like\n"},
    {"a node", "return all { { a = 1 } }",
     "error rules/x.lua:1: the file returns all { … }; expected rule { … }, source { … }, list { … }, "
     "policy { … }, agent { … } or action { … }\n"},
    {"an exception", "return exception { id = 'x' }",
     "error rules/x.lua:1: exception { … } is not built yet\n"},
    {"an undefined name", MATCH("['event.outcome'] = failure"),
     "error rules/x.lua:2: no such name: failure; write \"failure\" for the text, or `local failure` before "
     "its use\n"},
    {"a typing error", "return rule {\n  id = 'a',\n  title == 'T' }",
     "error rules/x.lua:3: no such name: title; write \"title\" for the text, or `local title` before its "
     "use\n"},
    {"an error at load", "local x\nreturn x.y",
     "error rules/x.lua:2: attempt to index a nil value (local 'x')\n"},
    {"a list asked at load", "local a = list 'corporate_networks':has('x')\nreturn rule { }",
     "error rules/x.lua:1: list \"corporate_networks\": there is no such list\n"},
    {"a module that is not there", "local a = require 'helprs'\nreturn rule { }",
     "error rules/x.lua:1: no module \"helprs\" below the rule roots\n"},
    {"a loop", "while true do end", "error rules/x.lua: used more than 500 ms of CPU time while loading\n"},
    {"a way out of the sandbox", "os.execute('ls')", "error rules/x.lua:1: os has no \"execute\"\n"},
    {"an editor's file", "---@meta\nreturn nonsense(", ""},
};

static const struct load_case rule_cases[] = {
    {"an unknown key", RULE(GOOD "sevrity = 'low',"),
     "error rules/x.lua:3: rule has no key \"sevrity\"; did you mean \"severity\"?\n"},
    {"a value without a key", RULE(GOOD "'oops',"),
     "error rules/x.lua:1: rule: a string stands without a key; write key = value\n"},
    {"everything missing", "return rule {\n}",
     "error rules/x.lua:1: rule: \"id\" is missing; write id = \"area.what_it_finds\"\n"
     "error rules/x.lua:1: rule: \"title\" is missing; write title = \"what the analyst reads\"\n"
     "error rules/x.lua:1: rule: \"severity\" is missing; write severity = \"medium\"\n"
     "error rules/x.lua:1: rule: \"match\" is missing; write match = { [\"field\"] = value }, or match = "
     "everything\n"
     "error rules/x.lua:1: tests: a rule needs at least one test that fires, expect = { threats = 1 }\n"
     "error rules/x.lua:1: tests: a rule needs at least one test that does not fire, expect = { threats = 0 "
     "}\n"},
    {"a bad id", "return rule { id = 'A b', title = 'T', severity = 'low',\n" GOOD TESTS "}",
     "error rules/x.lua:1: id \"A b\": write lower-case letters, digits and _ . - , beginning with a letter, "
     "like "
     "\"identity.mfa_fatigue\"\n"},
    {"a bad severity", "return rule { id = 'a', title = 'T', severity = 'hihg',\n" GOOD TESTS "}",
     "error rules/x.lua:1: severity: \"hihg\" is none of informational, low, medium, high, critical; did you "
     "mean "
     "\"high\"?\n"},
    {"a severity of another type", "return rule { id = 'a', title = 'T', severity = 3,\n" GOOD TESTS "}",
     "error rules/x.lua:1: severity: expected a string, got a number\n"},
    {"an empty title", "return rule { id = 'a', title = '', severity = 'low',\n" GOOD TESTS "}",
     "error rules/x.lua:1: title: the text is empty\n"},
    {"a bad mode", RULE(GOOD "mode = 'of',"),
     "error rules/x.lua:3: mode: \"of\" is none of on, shadow, off\n"},
    {"a bad version", RULE(GOOD "version = 0,"),
     "error rules/x.lua:3: version: expected 1 to 1000000000, got 0\n"},
    {"a bad technique", RULE(GOOD "mitre = { 'T1621', 'T16' },"),
     "note rules/x.lua: there is no list \"attack\", so of ATT&CK ids only the form was checked\n"
     "error rules/x.lua:3: mitre: \"T16\" is no ATT&CK id; write it like \"T1621\" or \"T1059.001\"\n"},
    {"a bad type", RULE(GOOD "type = 'Bad Type',"),
     "error rules/x.lua:3: type: \"Bad Type\": write lower-case letters, digits and _ , like "
     "\"anomaly_detection\"\n"},
    {"a callback that is no function", RULE(GOOD "filter = true,"),
     "error rules/x.lua:3: filter: expected a function, got a boolean\n"},
    {"an unknown key of the route", RULE(GOOD "source = { prodcut = 'okta' },"),
     "error rules/x.lua:3: source has no key \"prodcut\"; did you mean \"product\"?\n"},
    {"a shadow of nothing", RULE(GOOD "shadow_of = 'a.c',"),
     "error rules/x.lua: shadow_of: no such rule \"a.c\"; did you mean \"a.b\"?\n"},
    {"a shadow of itself", RULE(GOOD "shadow_of = 'a.b',"),
     "error rules/x.lua: shadow_of: the rule names itself\n"},
    {"a shadow that is on", RULE(GOOD "mode = 'on', shadow_of = 'a.c',"),
     "error rules/x.lua:3: shadow_of: the rule is a candidate beside another; write mode = \"shadow\", or no "
     "mode\n"},
    {"context that is no list", RULE(GOOD "context = { a = 'user.name' },"),
     "error rules/x.lua:3: context: expected a list of texts, { \"…\" }\n"},
};

#define GROUP(body) RULE(GOOD "group = { " body " },")
#define BY          "by = { 'user.name' }, window = '10m', count = 5"

#define GROUPED(callback, value)                                                                             \
    RULE(GOOD "group = { " BY " },\n" callback " = function(event, group) return " value " end,")
#define UNSURE                                                                                               \
    " depends on how much of the group has arrived, so two runs may give different threats; read nothing "   \
    "of "                                                                                                    \
    "group but group.key here\n"

static const struct load_case group_cases[] = {
    {"a good group", GROUP(BY), ""},
    {"everything missing", GROUP(""),
     "error rules/x.lua:3: group: \"by\" is missing; write the fields that tell groups apart, by = { "
     "\"user.name\" "
     "}\n"
     "error rules/x.lua:3: group: \"window\" is missing; write window = \"10m\"\n"
     "error rules/x.lua:3: group: \"count\" is missing; write how many events make it fire, count = 5\n"},
    {"distinct without a count", GROUP("by = { 'source.ip' }, window = '1m', distinct = 'user.name'"),
     "error rules/x.lua:3: group: \"count\" is missing; write how many different values make it fire, count "
     "= 5\n"},
    {"an unknown key", GROUP(BY ", wndow = '1m'"),
     "error rules/x.lua:3: group has no key \"wndow\"; did you mean \"window\"?\n"},
    {"a later function", GROUP("by = { 'user.name' }, window = '10m', sum = 'source.bytes'"),
     "error rules/x.lua:3: group: \"sum\" is not built yet\n"},
    {"a sequence", GROUP("by = { 'user.name' }, window = '10m', sequence = {}"),
     "error rules/x.lua:3: group: \"sequence\" is not built yet\n"},
    {"a window without a unit", GROUP("by = { 'user.name' }, window = 600, count = 5"),
     "error rules/x.lua:3: window: a duration needs its unit; write window = \"600s\"\n"},
    {"a window of no length", GROUP("by = { 'user.name' }, window = '0s', count = 5"),
     "error rules/x.lua:3: group: the window has no length\n"},
    {"no event at all", GROUP("by = { 'user.name' }, window = '10m', count = 0"),
     "error rules/x.lua:3: count: expected 1 to 10000, got 0\n"},
    {"ten thousand events", GROUP("by = { 'user.name' }, window = '10m', count = 10000"), ""},
    {"and one", GROUP("by = { 'user.name' }, window = '10m', count = 10001"),
     "error rules/x.lua:3: count: expected 1 to 10000, got 10001\n"},
    {"an unknown field", GROUP("by = { 'user.nam' }, window = '10m', count = 5"),
     "warning rules/x.lua:3: group.by[\"user.nam\"]: no such field; did you mean \"user.name\"?\n"},
    {"a modifier", GROUP("by = { 'user.name|cased' }, window = '10m', count = 5"),
     "error rules/x.lua:3: group.by: \"user.name|cased\": a modifier cannot stand here\n"},
    {"late as long as dedup", RULE(GOOD "group = { " BY ", late = '30m' },\ndedup = { window = '30m' },"),
     "error rules/x.lua:3: group: late must be shorter than dedup.window, or a late event could start a "
     "second "
     "threat\n"},
    {"late shorter than dedup", RULE(GOOD "group = { " BY ", late = '29m' },\ndedup = { window = '30m' },"),
     ""},
    {"callbacks that may read the group", GROUPED("title_of", "group.count"), ""},
    {"detect reads its key", GROUPED("detect", "group.key == 'x'"), ""},
    {"detect reads more", GROUPED("detect", "group.key and group.count > 9"),
     "warning rules/x.lua:4: detect: group.count" UNSURE},
    {"dedup_of reads more", GROUPED("dedup_of", "group.key .. group[\"first\"] .. group.last .. group.first"),
     "warning rules/x.lua:4: dedup_of: group.first" UNSURE
     "warning rules/x.lua:4: dedup_of: group.last" UNSURE},
    {"detect is a local function that reads more",
     "local function grown(_, g)\n return g.count > 9\nend\n" RULE(GOOD "group = { " BY
                                                                        " }, detect = grown,"),
     "warning rules/x.lua:2: detect: group.count" UNSURE},
    {"detect of a rule without a group",
     RULE(GOOD "detect = function(_, group) return not group or group.count "
               "end,"),
     ""},
    {"an unknown key of dedup", RULE(GOOD "dedup = { windo = '1h' },"),
     "error rules/x.lua:3: dedup has no key \"windo\"; did you mean \"window\"?\n"},
};

#define RULE_TESTS(body) HEAD GOOD "tests = { " body " } }"
#define YES              "{ 'y', events = at({ 0 }, sample { a = 1 }), expect = { threats = 1 } }, "
#define NO               "{ 'n', events = at({ 0 }, sample { a = 1 }), expect = { threats = 0 } }, "

static const struct load_case test_cases[] = {
    {"both kinds", RULE_TESTS(YES NO), ""},
    {"none that fires", RULE_TESTS(NO),
     "error rules/x.lua:3: tests: a rule needs at least one test that fires, expect = { threats = 1 }\n"},
    {"none that does not", RULE_TESTS(YES),
     "error rules/x.lua:3: tests: a rule needs at least one test that does not fire, expect = { threats = 0 "
     "}\n"},
    {"no name", RULE_TESTS(YES NO "{ events = at({ 0 }, sample { a = 1 }), expect = { threats = 1 } }"),
     "error rules/x.lua:3: test: expected { \"what it shows\", events = …, expect = { threats = 1 } }\n"},
    {"no events", RULE_TESTS(YES NO "{ 'x', expect = { threats = 1 } }"),
     "error rules/x.lua:3: test \"x\": \"events\" is missing; write events = at({ 0, 60 }, sample { … })\n"},
    {"no expectation", RULE_TESTS(YES NO "{ 'x', events = sample { a = 1 }, expect = {} }"),
     "error rules/x.lua:3: test \"x\": \"expect\" is missing; write expect = { threats = 1 }\n"},
    {"an unknown expectation",
     RULE_TESTS(YES NO "{ 'x', events = sample { a = 1 }, expect = { threat = 1 } }"),
     "error rules/x.lua:3: expect has no key \"threat\"; did you mean \"threats\"?\n"},
    {"a later expectation", RULE_TESTS(YES NO "{ 'x', events = sample { a = 1 }, expect = { plan = 'x' } }"),
     "error rules/x.lua:3: expect: \"plan\" is not built yet\n"},
    {"a bare table for an event",
     RULE_TESTS(YES NO "{ 'x', events = { { a = 1 } }, expect = { threats = 1 } }"),
     "error rules/x.lua:3: test \"x\": expected a sample; write events = at({ 0, 60 }, sample { … })\n"},
    {"an unknown source",
     RULE_TESTS(YES NO
                "{ 'x', events = sample { source = 'otka', raw = { a = 1 } }, expect = { threats = 1 } }"),
     "error rules/x.lua:3: test \"x\": no such source \"otka\"; did you mean \"okta\"?\n"},
    {"a list of samples",
     RULE_TESTS(YES NO "{ 'x', events = { sample { a = 1 }, sample { a = 2 } }, expect = { "
                       "count = 2 } }"),
     ""},
    {"a list that is none",
     RULE_TESTS(YES NO
                "{ 'x', lists = { admins = 'root' }, events = sample { a = 1 }, expect = { threats = 1 } }"),
     "error rules/x.lua:3: test \"x\": lists.admins: expected { \"…\" }, or { [\"…\"] = { "
     "name = value } }\n"},
};

static const struct load_case source_cases[] = {
    {"a good source",
     "return source { id = 's', tests = { { 'x', raw = { a = 1 }, expect = { b = 1 } } },\n"
     "fields = { b = 'a', ['source.ip'] = { 'c', 'd', as = 'ip' }, e = { join = { 'f', 'g' } } },\n"
     "values = { ['event.outcome'] = { from = 'h', YES = 'success' } }, const = { ['event.kind'] = 'event' "
     "},\n"
     "dissect = { message = '%{event.reason} by %{user.full_name}' }, time = { 't', format = 'unix_ms' },\n"
     "accepts = { ['a|exists'] = true }, route = { product = 'p' }, when = { a = { 1, 2 } }, fix = "
     "function() end }",
     ""},
    {"everything wrong",
     "return source {\nfield = {},\nfields = { ['a'] = 7,\n['b'] = { 'c', as = 'intger' },\n['d'] = {} },\n"
     "values = { e = { YES = 'no' } },\nconst = { f = {} },\ndissect = { g = 5 },\ntime = 'never',\n"
     "accepts = { ['h|contain'] = 'x' },\nfix = function() end }",
     "error rules/x.lua:2: source has no key \"field\"; did you mean \"fields\"?\n"
     "error rules/x.lua:1: source: \"id\" is missing; write id = \"vendor_product\"\n"
     "error rules/x.lua:3: fields[\"a\"]: expected the vendor's path, \"a.b\" or { \"a\", \"b\", as = \"ip\" "
     "}, at "
     "most 16 paths\n"
     "error rules/x.lua:4: fields[\"b\"]: as = \"intger\" is none of ip, integer, number, boolean, string, "
     "lower, "
     "timestamp; did you mean \"integer\"?\n"
     "error rules/x.lua:5: fields[\"d\"]: expected the vendor's path, \"a.b\" or { \"a\", \"b\", as = \"ip\" "
     "}, at "
     "most 16 paths\n"
     "error rules/x.lua:6: values[\"e\"]: expected { from = \"vendor.path\", RAW = \"value\", … }\n"
     "error rules/x.lua:7: const[\"f\"]: expected a string, a number, true or false, got a table\n"
     "error rules/x.lua:8: dissect[\"g\"]: expected a pattern like \"%{event.reason} by %{user.name}\"\n"
     "error rules/x.lua:9: time: expected { \"path\", format = \"rfc3339\" } or \"accept\"\n"
     "error rules/x.lua:10: accepts[\"h|contain\"]: unknown modifier \"contain\"; did you "
     "mean "
     "\"contains\"?\n"
     "error rules/x.lua:11: fix: \"when\" is missing; write which events need it, or fix would run in Lua "
     "for all\n"
     "error rules/x.lua:1: source: \"tests\" needs at least one, { \"what it shows\", raw = { … }, expect = "
     "{ … } "
     "}\n"},
    {"a bad time format",
     "return source { id = 's', tests = { { 'x', raw = { a = 1 }, expect = { b = 1 } } },\n"
     "time = { 't', format = 'rfc' } }",
     "error rules/x.lua:2: time: format \"rfc\" is none of rfc3339, unix, unix_ms, unix_us, unix_ns, any\n"},
    {"a list with a key", "return list { 'a',\nname = 'b' }",
     "error rules/x.lua:2: list: [\"name\"]: expected a table of attributes, got a string; write "
     "[\"name\"] = { name = value }, or the entry alone\n"},
    {"a list with a table", "return list { 'a',\n{} }",
     "error rules/x.lua:2: list: expected a string or a number, got a table\n"},
};

#define CASES(name, table)                                                                                   \
    static void name(void **state)                                                                           \
    {                                                                                                        \
        (void)state;                                                                                         \
        run_cases(table, sizeof(table) / sizeof(table[0]));                                                  \
    }
CASES(what_is_wrong_with_match_is_said, match_cases)
CASES(what_a_file_returns_decides_what_it_is, lua_cases)
CASES(what_is_wrong_with_a_rule_is_said, rule_cases)
CASES(what_is_wrong_with_a_group_is_said, group_cases)
CASES(what_is_wrong_with_tests_is_said, test_cases)
CASES(what_is_wrong_with_sources_and_lists_is_said, source_cases)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_wrong_with_match_is_said),
        cmocka_unit_test(what_a_file_returns_decides_what_it_is),
        cmocka_unit_test(what_is_wrong_with_a_rule_is_said),
        cmocka_unit_test(what_is_wrong_with_a_group_is_said),
        cmocka_unit_test(what_is_wrong_with_tests_is_said),
        cmocka_unit_test(what_is_wrong_with_sources_and_lists_is_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
