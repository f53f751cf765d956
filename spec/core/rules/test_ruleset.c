/* What a loaded rule is: numbers, slots, tests, order; roots that replace each other; limits. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/rules/ruleset.h"
#include "rules/tree.h"

#define TESTS                                                                                                \
    "tests = { { 'y', events = sample { a = 1 }, expect = { threats = 1 } },\n"                              \
    "          { 'n', events = sample { a = 1 }, expect = { threats = 0 } } }"
#define RULE(id, body)                                                                                       \
    "return rule { id = '" id "', title = 'Title', severity = 'low', match = { ['event.action'] = '" id      \
    "' },\n" body "\n" TESTS " }"

#define POLICY(value)                                                                                        \
    "return policy { name = 'severity', decide = function() return { a = " value " } end,\n"                 \
    "  tests = { { 't', threat = {}, expect = { a = " value " } } } }"

static struct ruleset *load_ok(const struct text_file *files, size_t count)
{
    struct report report = {0};
    char text[4096];
    struct ruleset *set = load_texts(files, count, &report);
    report_text(&report, text, sizeof(text));
    assert_string_equal(text, "");
    report_free(&report);
    return set;
}

static struct ruleset *load_one(const char *text)
{
    return load_ok(&(struct text_file){"rules/x.lua", text}, 1);
}

static void assert_str(struct str got, const char *expected)
{
    if (!str_is(got, expected))
        fail_msg("expected \"%s\", got \"%.*s\"", expected, STR_ARG(got));
}

static void assert_slots(const struct ruleset *set, const struct slots *slots, const char *expected)
{
    char text[1024] = "";
    for (size_t i = 0; i < slots->count; i++)
        snprintf(text + strlen(text), sizeof(text) - strlen(text), "%.*s ",
                 STR_ARG(fields_path(set->fields, slots->items[i])));
    assert_string_equal(text, expected);
}

static void everything_a_rule_says_is_there(void **state)
{
    (void)state;
    const struct text_file files[] = {
        {"rules/lists/attack.csv",
         "value,name\nT1621,Request Generation\nT1059.001,PowerShell\nTA0001,Access\n"},
        {"rules/x.lua",
         RULE("a.b",
              "version = 3, type = 'geo_anomaly', mitre = { 'T1621', 'T1059.001', 'TA0001' },\n"
              "source = { product = 'okta', category = 'authentication' },\n"
              "group = { by = { 'user.name', 'source.ip' }, window = '10m', late = '5s', count = 4,\n"
              "  distinct = 'host.name' },\n"
              "dedup = { by = { 'user.name' }, window = '2h' }, context = { 'user.name', 'url.path' },\n"
              "filter = function(e) return e['process.name'] end,\n"
              "title_of = function(e) return e['agent.id'] .. (e:is('user.email|contains', 'x') and 1 or 2) "
              "end,\n"
              "false_positives = { 'one', 'two' }, runbook = 'Run.', mode = 'shadow',")}};
    struct ruleset *set = load_ok(files, 2);
    const struct rule *rule = ruleset_find(set, STR("a.b"));
    assert_non_null(rule);
    assert_null(ruleset_find(set, STR("a.c")));
    assert_str(rule->title, "Title");
    assert_str(rule->type, "geo_anomaly");
    assert_str(rule->path, "rules/x.lua");
    assert_str(rule->runbook, "Run.");
    assert_true(str_starts(rule->text, STR("return rule {")));
    assert_int_equal(rule->version, 3);
    assert_int_equal(rule->severity, SEVERITY_LOW);
    assert_int_equal(rule->mode, RULE_SHADOW);
    assert_int_equal(rule->mitre_count, 3);
    assert_int_equal(rule->false_positive_count, 2);
    assert_str(rule->route.product, "okta");
    assert_str(rule->route.category, "authentication");
    assert_str(rule->route.service, "");
    assert_true(rule->grouped && rule->group.distinct);
    assert_int_equal(rule->group.window_ns, 600 * NS_PER_S);
    assert_int_equal(rule->group.late_ns, 5 * NS_PER_S);
    assert_int_equal(rule->group.count, 4);
    assert_int_equal(rule->group.groups, 1562);
    assert_int_equal(rule->group.times, GROUP_TIMES_MAX);
    assert_int_equal(rule->dedup_window_ns, 7200 * NS_PER_S);
    assert_slots(set, &rule->group_by, "user.name source.ip ");
    assert_slots(set, &rule->dedup_by, "user.name ");
    assert_slots(set, &rule->context, "user.name url.path ");
    assert_slots(set, &rule->stored, "user.name source.ip host.name url.path agent.id user.email ");
    assert_int_not_equal(fields_find(set->fields, STR("process.name")), FIELD_NONE);
    assert_int_equal(rule->callbacks, 1 << CALLBACK_FILTER | 1 << CALLBACK_TITLE);
    ruleset_unref(set);
}

static void what_a_rule_leaves_out_has_a_default(void **state)
{
    (void)state;
    struct ruleset *set = load_one(RULE("a.b", "group = { by = 'user.name', window = '1m', count = 2 },"));
    const struct rule *rule = &set->rules[0];
    assert_int_equal(rule->version, 1);
    assert_str(rule->type, "other");
    assert_int_equal(rule->mode, RULE_ON);
    assert_int_equal(rule->group.late_ns, 30 * NS_PER_S);
    assert_int_equal(rule->dedup_window_ns, 3600 * NS_PER_S);
    assert_int_equal(rule->distinct, FIELD_NONE);
    assert_int_equal(rule->callbacks, 0);
    ruleset_unref(set);
}

static uint64_t state_of(const char *text)
{
    struct ruleset *set = load_one(text);
    uint64_t name = set->rules[0].group.state;
    ruleset_unref(set);
    return name;
}

static void windows_are_kept_across_changes_that_do_not_change_them(void **state)
{
    (void)state;
#define GROUP(id, group) RULE(id, "group = { " group " },")
    uint64_t base = state_of(GROUP("a.b", "by = { 'user.name' }, window = '1m', count = 2"));
    assert_int_not_equal(base, 0);
    assert_int_equal(base,
                     state_of(GROUP("a.b", "by = { 'user.name' }, window = '60s', count = 7, late = '1s'")));
    static const char *const others[] = {
        GROUP("a.c", "by = { 'user.name' }, window = '1m', count = 2"),
        GROUP("a.b", "by = { 'source.ip' }, window = '1m', count = 2"),
        GROUP("a.b", "by = { 'user.name', 'source.ip' }, window = '1m', count = 2"),
        GROUP("a.b", "by = { 'user.name' }, window = '2m', count = 2"),
        GROUP("a.b", "by = { 'user.name' }, window = '1m', count = 2, distinct = 'host.name'"),
    };
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
        assert_int_not_equal(base, state_of(others[i]));
}

static void a_test_is_records_on_a_clock(void **state)
{
    (void)state;
    struct ruleset *set = load_one(
        "local s = sample { ['user.name'] = 'ana', n = 7, list = { 1, 'b', true, null }, user = { id = 1.5 } "
        "}\n"
        "return rule { id = 'a', title = 'T', severity = 'low', match = everything, tests = {\n"
        " { 'one', events = at({ 0, 60 }, s, { arrive = { 0, 90 } }), lists = { l = { 'x', 7 } },\n"
        "   expect = { threats = 1, count = 2, suppressed = 0, severity = 'HIGH', title = 't', dedup = 'd',\n"
        "              type = 'y', context = { a = 1 } } },\n"
        " { 'two', events = { s:with { ['user.name'] = 'bo' }, s }, expect = { threats = 0 } } } }");
    const struct rule *rule = &set->rules[0];
    assert_int_equal(rule->test_count, 2);
    const struct rule_test *one = &rule->tests[0], *two = &rule->tests[1];
    assert_str(one->name, "one");
    assert_int_equal(one->line, 3);
    assert_int_equal(one->event_count, 2);
    assert_str(one->events[1].json,
               "{\"user.name\":\"ana\",\"n\":7,\"list\":[1,\"b\",true,null],\"user\":{\"id\":1.5}}");
    assert_true(one->events[1].at == 60 && one->events[1].arrive == 90);
    assert_true(one->has_threats && one->has_count && one->has_suppressed && one->has_severity);
    assert_int_equal(one->severity, SEVERITY_HIGH);
    assert_str(one->title, "t");
    assert_str(one->dedup, "d");
    assert_str(one->type, "y");
    assert_int_equal(lval_get(one->context, "a")->i, 1);
    assert_int_equal(one->lists[0].count, 2);
    assert_true(two->has_threats && !two->has_count && two->title.ptr == NULL);
    assert_true(two->events[0].at == 0 && two->events[1].at == 1);
    assert_non_null(strstr(two->events[0].json.ptr, "\"bo\""));
    ruleset_unref(set);
}

static void a_raw_sample_is_the_vendors_record(void **state)
{
    (void)state;
    static const struct text_file files[] = {
        {"plugins/okta.lua",
         "return source { id = 'okta', fields = { ['user.name'] = 'actor.id' },\n"
         "tests = { { 'x', raw = { actor = { id = 'a' } }, expect = { ['user.name'] = 'a' } } } }"},
        {"rules/a.lua",
         "return rule { id = 'a', title = 'T', severity = 'low', match = everything, tests = {\n"
         " { 'y', events = sample { source = 'okta', raw = { actor = { id = 'ana' } } }, expect = { threats "
         "= 1 } },\n"
         " { 'n', events = sample { a = 1 }, expect = { threats = 0 } } } }"},
    };
    struct ruleset *set = load_ok(files, 2);
    const struct test_event *event = &set->rules[0].tests[0].events[0];
    assert_str(event->source, "okta");
    assert_str(event->json, "{\"actor\":{\"id\":\"ana\"}}");
    assert_int_equal(ruleset_source(set, STR("okta")), 0);
    assert_int_equal(ruleset_source(set, STR("otka")), UINT32_MAX);
    assert_str(set->sources[0].tests[0].raw, "{\"actor\":{\"id\":\"a\"}}");
    ruleset_unref(set);
}

static void rules_stand_by_id_and_those_that_are_off_last(void **state)
{
    (void)state;
    static const struct text_file files[] = {
        {"rules/1.lua", RULE("c", "")},
        {"rules/2.lua", RULE("a", "mode = 'off',")},
        {"rules/3.lua", RULE("b", "")},
    };
    struct ruleset *set = load_ok(files, 3);
    assert_str(set->rules[0].id, "b");
    assert_str(set->rules[1].id, "c");
    assert_str(set->rules[2].id, "a");
    assert_int_equal(set->rules[2].mode, RULE_OFF);
    struct match_stats stats;
    match_stats(set->matcher, NULL, &stats);
    assert_int_equal(stats.rules, 2);
    ruleset_unref(set);
}

/* ---- matching with lists ---- */

static bool matches(struct matcher *matcher, const struct ruleset *set, const char *path, const char *value)
{
    struct arena *arena = arena_new(0);
    struct event *event = event_make(arena, set->fields, 4);
    struct value text = value_string(str_from(value));
    event_put(event, arena, fields_find(set->fields, str_from(path)), &text);
    event->source = UINT32_MAX;
    event_freeze(event, arena);
    struct match_scratch *scratch = match_scratch_new(matcher);
    bool holds = match_run(matcher, scratch, event).count == 1;
    match_scratch_free(scratch);
    arena_free(arena);
    return holds;
}

static void a_test_matches_with_its_own_lists(void **state)
{
    (void)state;
    static const struct text_file files[] = {
        {"rules/lists/names.txt", "ana\n*.example\n"},
        {"rules/lists/empty.txt", "# nothing yet\n"},
        {"rules/a.lua",
         "return rule { id = 'a', title = 'T', severity = 'low', match = { ['user.name'] = list 'names',\n"
         "none { ['user.name'] = list 'empty' } }, tests = {\n"
         " { 'y', events = sample { a = 1 }, lists = { names = { 'bo' } }, expect = { threats = 1 } },\n"
         " { 'n', events = sample { a = 1 }, expect = { threats = 0 } } } }"},
    };
    struct ruleset *set = load_ok(files, 3);
    const struct rule *rule = &set->rules[0];
    assert_true(rule->uses_lists);
    assert_true(matches(set->matcher, set, "user.name", "ANA"));
    assert_true(matches(set->matcher, set, "user.name", "*.example"));
    assert_false(matches(set->matcher, set, "user.name", "www.example"));
    assert_false(matches(set->matcher, set, "user.name", "bo"));
    struct arena *arena = arena_new(0);
    struct err err = {0};
    struct matcher *with = ruleset_test_matcher(set, rule, &rule->tests[0], arena, &err);
    struct matcher *without = ruleset_test_matcher(set, rule, &rule->tests[1], arena, &err);
    struct matcher *files_own = ruleset_test_matcher(set, rule, NULL, arena, &err);
    assert_true(matches(with, set, "user.name", "bo"));
    assert_false(matches(with, set, "user.name", "ana"));
    assert_false(matches(without, set, "user.name", "ana"));
    assert_true(matches(files_own, set, "user.name", "ana"));
    matcher_free(with);
    matcher_free(without);
    matcher_free(files_own);
    arena_free(arena);
    bool known;
    assert_true(ruleset_list_has(set, STR("names"), STR("Ana"), &known) && known);
    assert_false(ruleset_list_has(set, STR("nmes"), STR("Ana"), &known) || known);
    ruleset_unref(set);
}

static void lists_come_from_lua_text_and_csv(void **state)
{
    (void)state;
    static const struct text_file files[] = {
        {"rules/lists/a.lua", "return list { 'x', 443 }"},
        {"rules/b.txt", "10.0.0.0/8"},
        {"rules/deep/er/c.csv", "y,1\n"},
    };
    struct ruleset *set = load_ok(files, 3);
    assert_int_equal(set->list_count, 3);
    bool known;
    assert_true(ruleset_list_has(set, STR("a"), STR("443"), &known));
    assert_true(ruleset_list_has(set, STR("b"), STR("10.1.1.1"), &known));
    assert_true(ruleset_list_has(set, STR("c"), STR("Y"), &known));
    ruleset_unref(set);
}

/* ---- roots ---- */

static void write_text(const char *dir, const char *name, const char *text)
{
    char path[256];
    mkdir(dir, 0700);
    snprintf(path, sizeof(path), "%s/%s", dir, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static void a_later_root_replaces_and_says_so(void **state)
{
    (void)state;
    char root[] = "/tmp/lunette-roots-XXXXXX", one[64], two[64], roots[160], text[4096];
    assert_non_null(mkdtemp(root));
    snprintf(one, sizeof(one), "%s/one", root);
    snprintf(two, sizeof(two), "%s/two", root);
    snprintf(roots, sizeof(roots), "%s:%s", one, two);
    write_text(one, "a.lua", RULE("same", "severity_of = function() end,"));
    write_text(one, "l.txt", "from one");
    write_text(two, "b.lua", RULE("same", "version = 2,"));
    write_text(two, "l.txt", "from two");
    write_text(one, "p.lua", POLICY("1"));
    write_text(two, "q.lua", POLICY("2"));
    struct err err = {0};
    struct report report = {0};
    struct tree *tree = tree_read(roots, "", &err);
    assert_non_null(tree);
    struct ruleset *set = ruleset_load(tree, NULL, 0, &report);
    report_text(&report, text, sizeof(text));
    assert_string_equal(text, "note two/b.lua: replaces the rule \"same\" of one/a.lua\n"
                              "note two/l.txt: replaces the list \"l\" of one/l.txt\n"
                              "note two/q.lua: replaces the policy \"severity\" of one/p.lua\n");
    assert_str(set->policies[POLICY_SEVERITY].path, "two/q.lua");
    assert_int_equal(set->rule_count, 1);
    assert_int_equal(set->rules[0].version, 2);
    bool known;
    assert_true(ruleset_list_has(set, STR("l"), STR("from two"), &known));
    assert_false(ruleset_list_has(set, STR("l"), STR("from one"), &known));
    assert_string_equal(set->hash, tree_hash(tree));
    ruleset_unref(set);
    report_free(&report);
    tree_free(tree);
    snprintf(text, sizeof(text), "rm -r %s", root);
    assert_int_equal(system(text), 0);
}

static void one_root_cannot_hold_an_id_twice(void **state)
{
    (void)state;
    static const struct text_file files[] = {
        {"rules/a.lua", RULE("same", "")},
        {"rules/b.lua", RULE("same", "")},
        {"rules/l.txt", ""},
        {"rules/lists/l.csv", ""},
    };
    struct report report = {0};
    char text[4096];
    assert_null(load_texts(files, 4, &report));
    report_text(&report, text, sizeof(text));
    assert_string_equal(
        text, "error rules/b.lua:1: the rule \"same\" is also in rules/a.lua; ids must differ\n"
              "error rules/lists/l.csv: the list \"l\" is also in rules/l.txt; names must differ\n");
    report_free(&report);
}

static void a_module_is_found_flat_and_deep(void **state)
{
    (void)state;
#define USES(id, module) "local m = require '" module "'\n" RULE(id, "title_of = m.title,")
    static const struct text_file files[] = {
        {"rules/identity/names.lua", "return { title = function() return 'x' end }"},
        {"rules/flat.names.lua", "return { title = function() return 'y' end }"},
        {"rules/a.lua", USES("a", "identity.names")},
        {"rules/b.lua", USES("b", "flat.names")},
    };
    struct ruleset *set = load_ok(files, 4);
    assert_int_equal(set->rules[0].callbacks, 1 << CALLBACK_TITLE);
    assert_int_equal(set->rules[1].callbacks, 1 << CALLBACK_TITLE);
    ruleset_unref(set);
}

/* Also through a module of the module, and round a circle that only a call would close. */
static void what_a_module_reads_is_kept_for_the_rule(void **state)
{
    (void)state;
    static const struct text_file files[] = {
        {"rules/who.lua", "local where = require 'where'\n"
                          "return { title = function(e) return e['user.email'] .. where.at(e) end }"},
        {"rules/where.lua", "return { at = function(e) return e['host.name'] end,\n"
                            "  back = function() return require 'who' end }"},
        {"rules/a.lua", "local who = require 'who'\n" RULE(
                            "a", "group = { by = { 'user.name' }, window = '1m', count = 2 },\n"
                                 "title_of = function(e) return who.title(e) .. e['agent.id'] end,")},
    };
    struct ruleset *set = load_ok(files, 3);
    assert_slots(set, &set->rules[0].stored, "user.name agent.id user.email host.name ");
    ruleset_unref(set);
}

static void what_was_wrong_with_a_file_is_in_the_report(void **state)
{
    (void)state;
    char *text = calloc(1, TREE_RULE_MAX + 2), out[1024];
    memset(text, '-', TREE_RULE_MAX + 1);
    const struct text_file files[] = {{"rules/big.lua", text}, {"rules/good.lua", RULE("a", "")}};
    struct report report = {0};
    assert_null(load_texts(files, 2, &report));
    report_text(&report, out, sizeof(out));
    assert_string_equal(
        out, "error rules/big.lua: the file has more than 256 KiB, the most a rule file may have\n");
    struct buf json = BUF_EMPTY;
    report_json(&report, &json);
    assert_string_equal(json.ptr,
                        "[{\"level\":\"error\",\"where\":\"rules/big.lua\",\"message\":\"the file has "
                        "more than 256 KiB, the most a rule file may have\"}]");
    buf_free(&json);
    report_free(&report);
    free(text);
}

static struct ruleset *load_many(size_t count, struct report *report)
{
    struct tree *tree = tree_new();
    struct tree_place place = {tree, TREE_RULES, 0, STR("rules")};
    struct err err = {0};
    for (size_t i = 0; i < count; i++) {
        char name[32], text[512];
        snprintf(name, sizeof(name), "r%zu.lua", i);
        snprintf(text, sizeof(text),
                 "return rule { id = 'r%zu', title = 'T', severity = 'low', match = { ['user.name'] = 'u%zu' "
                 "}, " TESTS " }",
                 i, i);
        assert_int_equal(tree_add(&place, str_from(name), str_from(text), &err), 0);
    }
    tree_finish(tree);
    struct ruleset *set = ruleset_load(tree, NULL, 0, report);
    tree_free(tree);
    return set;
}

static void ten_thousand_rules_can_be_loaded_and_no_more(void **state)
{
    (void)state;
    struct report report = {0};
    struct ruleset *set = load_many(10000, &report);
    assert_non_null(set);
    assert_int_equal(set->rule_count, 10000);
    ruleset_unref(set);
    assert_null(load_many(10001, &report));
    assert_int_equal(report.errors, 1);
    assert_string_equal(report.problems.items[0].message, "10001 rules, but at most 10000 can be loaded");
    report_free(&report);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(everything_a_rule_says_is_there),
        cmocka_unit_test(what_a_rule_leaves_out_has_a_default),
        cmocka_unit_test(windows_are_kept_across_changes_that_do_not_change_them),
        cmocka_unit_test(a_test_is_records_on_a_clock),
        cmocka_unit_test(a_raw_sample_is_the_vendors_record),
        cmocka_unit_test(rules_stand_by_id_and_those_that_are_off_last),
        cmocka_unit_test(a_test_matches_with_its_own_lists),
        cmocka_unit_test(lists_come_from_lua_text_and_csv),
        cmocka_unit_test(a_later_root_replaces_and_says_so),
        cmocka_unit_test(one_root_cannot_hold_an_id_twice),
        cmocka_unit_test(a_module_is_found_flat_and_deep),
        cmocka_unit_test(what_a_module_reads_is_kept_for_the_rule),
        cmocka_unit_test(what_was_wrong_with_a_file_is_in_the_report),
        cmocka_unit_test(ten_thousand_rules_can_be_loaded_and_no_more),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
