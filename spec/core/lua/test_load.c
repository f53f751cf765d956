#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "lua/runtime.h"
#include "lua/value.h"

struct fixture {
    struct lua_runtime *runtime;
    struct arena *arena;
    struct err err;
};

static bool module(void *context, struct str name, struct str *path, struct str *text)
{
    (void)context;
    if (!str_is(name, "shared.fields"))
        return false;
    *path = STR("rules/shared/fields.lua");
    *text = STR(
        "return { context = { \"user.name\", \"source.ip\" }, nets = any { [\"source.ip\"] = \"10.*\" } }");
    return true;
}

static int start(void **state)
{
    static const struct lua_host host = {.clock = &clock_real, .module = module};
    struct lua_options options = {.host = &host};
    struct fixture *f = mem_zalloc(1, sizeof *f);

    f->runtime = lua_runtime_new(&options, &f->err);
    f->arena = arena_new(0);
    *state = f;
    return f->runtime ? 0 : -1;
}

static int stop(void **state)
{
    struct fixture *f = *state;

    lua_runtime_free(f->runtime);
    arena_free(f->arena);
    free(f);
    return 0;
}

static struct lval *load_as(struct fixture *f, const char *path, struct str text)
{
    struct lua_source source = {str_from(path), text};
    struct lval *value = NULL;

    f->err = (struct err){0};
    return lua_load_file(f->runtime, &source, f->arena, &value, &f->err) < 0 ? NULL : value;
}

static struct lval *load(struct fixture *f, const char *text)
{
    struct lval *value = load_as(f, "rules/x.lua", str_from(text));

    if (!value)
        fail_msg("%s", err_text(&f->err));
    return value;
}

static void a_rule_comes_back_as_data_with_kinds_lines_and_order(void **state)
{
    const struct lval *rule = load(
        *state, "local denial = sample {\n"
                "  [\"user.name\"] = \"ana\", [\"event.outcome\"] = \"failure\",\n"
                "}\n"
                "return rule {\n"
                "  title = \"T\",\n"
                "  id = \"a.b\", version = 3, weight = 1.5, on = true,\n"
                "  match = { [\"event.outcome\"] = \"failure\",\n"
                "    none { [\"source.ip|cidr\"] = list \"nets\" },\n"
                "    [\"user.name\"] = null },\n"
                "  filter = function(event)\n"
                "    return true\n"
                "  end,\n"
                "  mitre = { \"T1621\", \"T1110\" },\n"
                "  tests = { { \"fires\",\n"
                "      events = at({ 0, 60 }, denial, { arrive = { 5, 6 } }) },\n"
                "    { \"not\", events = { denial:with { [\"user.name\"] = \"root\" } } } },\n"
                "}\n");
    static const char *const keys[] = {"title", "id",     "version", "weight", "on",
                                       "match", "filter", "mitre",   "tests"};
    const struct lval *match = lval_get(rule, "match"), *tests = lval_get(rule, "tests"), *at, *with;

    assert_int_equal(rule->kind, LVAL_RULE);
    assert_int_equal(rule->line, 4);
    assert_int_equal(rule->field_count, 9);
    for (size_t i = 0; i < 9; i++)
        assert_true(str_is(rule->fields[i].key, keys[i]));
    assert_int_equal(rule->fields[0].line, 5);
    assert_int_equal(lval_get(rule, "version")->type, LVAL_INT);
    assert_int_equal(lval_get(rule, "version")->i, 3);
    assert_int_equal(lval_get(rule, "version")->line, 6);
    assert_int_equal(lval_get(rule, "weight")->type, LVAL_NUMBER);
    assert_true(lval_get(rule, "on")->b);
    assert_int_equal(lval_get(rule, "filter")->type, LVAL_FUNCTION);
    assert_int_equal(lval_get(rule, "filter")->line, 10);
    assert_int_equal(lval_get(rule, "mitre")->item_count, 2);
    assert_true(str_is(lval_get(rule, "mitre")->items[1].s, "T1110"));

    assert_int_equal(match->kind, LVAL_PLAIN);
    assert_int_equal(match->line, 7);
    assert_int_equal(match->item_count, 1);
    assert_int_equal(match->items[0].kind, LVAL_NONE);
    assert_int_equal(match->items[0].line, 8);
    assert_int_equal(match->items[0].fields[0].value.kind, LVAL_LIST_NAME);
    assert_true(str_is(match->items[0].fields[0].value.fields[0].value.s, "nets"));
    assert_int_equal(lval_get(match, "user.name")->kind, LVAL_NULL);
    assert_int_equal(lval_get(match, "user.name")->line, 9);

    at = lval_get(&tests->items[0], "events");
    assert_int_equal(at->kind, LVAL_AT);
    assert_int_equal(lval_get(at, "times")->items[1].i, 60);
    assert_int_equal(lval_get(at, "arrive")->items[0].i, 5);
    assert_int_equal(lval_get(at, "sample")->kind, LVAL_SAMPLE);
    assert_int_equal(lval_get(at, "sample")->line, 1);
    assert_int_equal(tests->items[1].line, 16);
    with = &lval_get(&tests->items[1], "events")->items[0];
    assert_int_equal(with->kind, LVAL_SAMPLE);
    assert_int_equal(with->field_count, 2);
    assert_true(str_is(lval_get(with, "user.name")->s, "root"));
    assert_true(str_is(lval_get(with, "event.outcome")->s, "failure"));
}

static void each_kind_has_its_constructor(void **state)
{
    static const struct {
        const char *text;
        enum lval_kind kind;
        const char *name;
    } cases[] = {
        {"return rule {}", LVAL_RULE, "rule"},
        {"return source {}", LVAL_SOURCE, "source"},
        {"return policy {}", LVAL_POLICY, "policy"},
        {"return agent {}", LVAL_AGENT, "agent"},
        {"return action {}", LVAL_ACTION, "action"},
        {"return exception {}", LVAL_EXCEPTION, "exception"},
        {"return list { \"a\" }", LVAL_LIST, "list"},
        {"return all {}", LVAL_ALL, "all"},
        {"return any {}", LVAL_ANY, "any"},
        {"return none {}", LVAL_NONE, "none"},
        {"return keywords { \"x\" }", LVAL_KEYWORDS, "keywords"},
        {"return sample {}", LVAL_SAMPLE, "sample"},
        {"return at({ 0 }, sample {})", LVAL_AT, "at"},
        {"return {}", LVAL_PLAIN, "table"},
    };
    const struct lval *inner;

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const struct lval *value = load(*state, cases[i].text);
        assert_int_equal(value->kind, cases[i].kind);
        assert_string_equal(lval_name(value), cases[i].name);
    }
    inner = load(*state, "return { everything, null, json.null, list \"x\", 1, 1.0, \"s\", false, print }");
    assert_int_equal(inner->items[0].kind, LVAL_EVERYTHING);
    assert_int_equal(inner->items[1].kind, LVAL_NULL);
    assert_int_equal(inner->items[2].kind, LVAL_NULL);
    assert_string_equal(lval_name(&inner->items[3]), "list");
    assert_string_equal(lval_name(&inner->items[4]), "integer");
    assert_string_equal(lval_name(&inner->items[5]), "number");
    assert_string_equal(lval_name(&inner->items[6]), "string");
    assert_string_equal(lval_name(&inner->items[7]), "boolean");
    assert_string_equal(lval_name(&inner->items[8]), "function");
    assert_string_equal(lval_name(NULL), "nil");
    assert_null(lval_get(NULL, "x"));
}

static void what_is_wrong_is_said_with_its_place(void **state)
{
    static const char *const cases[][3] = {
        {"return rule {\n id = ", "rules/x.lua:2", "unexpected symbol near <eof>"},
        {"return rule {\n  match = failure,\n}", "rules/x.lua:2", "write \"failure\" for the text"},
        {"\n\nerror(\"mine\")", "rules/x.lua:3", "mine"},
        {"error({})", "rules/x.lua", "not a text but a table"},
        {"local x = 1", "rules/x.lua", "returns nothing"},
        {"return 5", "rules/x.lua", "returns number"},
        {"\nreturn rule \"x\"", "rules/x.lua:2", "rule expects a table"},
        {"return rule(setmetatable({}, {}))", "rules/x.lua:1", "plain table"},
        {"local t = {}\nreturn rule(all(t)), all(t)", "rules/x.lua:2", "plain table"},
        {"return { x = { {},\n nil, 3 } }", "rules/x.lua:1", "holes"},
        {"return {\n  x = { [0] = 1 } }", "rules/x.lua:2", "holes"},
        {"return {\n  x = { [1.5] = 1 } }", "rules/x.lua:2", "neither a name nor a position"},
        {"return {\n  x = { [true] = 1 } }", "rules/x.lua:2", "neither a name nor a position"},
        {"local t = {}\nt.x = { y = t }\nreturn t", "rules/x.lua:2", "contains itself"},
        {"local t = {} for i = 1, 40 do t = { t } end return t", "rules/x.lua", "deeper than 32"},
        {"local t = {} for i = 1, 100001 do t[i] = i end return t", "rules/x.lua", "more than 100000"},
        {"local t = { 1, 2, 3, 4 } for i = 1, 10 do t = { t, t, t, t } end return t", "rules/x.lua",
         "more than 100000"},
        {"return { setmetatable({}, { __index = {} }) }", "rules/x.lua:1", "metatable"},
        {"while true do end", "rules/x.lua", "used more than 500 ms of CPU time while loading"},
        {"local t = {} while true do t[#t + 1] = {} end", "rules/x.lua", "while loading"},
        {"return at(5, sample {})", "rules/x.lua:1", "list of seconds"},
        {"return at({}, sample {})", "rules/x.lua:1", "empty"},
        {"return at({ \"x\" }, sample {})", "rules/x.lua:1", "entry 1 is a string"},
        {"return at({ 0 }, {})", "rules/x.lua:1", "must be a sample"},
        {"return at({ 0 }, sample {}, { arrive = { 1, 2 } })", "rules/x.lua:1", "as many entries"},
        {"return at({ 0 }, sample {}, { arive = { 1 } })", "rules/x.lua:1", "arrive"},
        {"local s = sample {}\nreturn s.with({}, {})", "rules/x.lua:2", "with a colon"},
        {"x = 1", "rules/x.lua:1", "no globals"},
        {"return require \"missing\"", "rules/x.lua:1", "no module"},
    };
    struct fixture *f = *state;

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        if (load_as(f, "rules/x.lua", str_from(cases[i][0])))
            fail_msg("%s: loads", cases[i][0]);
        if (strcmp(f->err.where, cases[i][1]) != 0 || !strstr(f->err.message, cases[i][2]))
            fail_msg("%s\ngives %s\nnot %s: …%s…", cases[i][0], err_text(&f->err), cases[i][1], cases[i][2]);
    }
    load(f, "return rule {}"); /* and the state goes on working */
}

static void a_long_path_is_not_cut_in_errors(void **state)
{
    static const char path[] =
        "rules/detections/a/very/long/path/that/lua/would/cut/in/its/messages/here.lua";
    struct fixture *f = *state;

    assert_null(load_as(f, path, STR("\nerror(\"x\")")));
    assert_string_equal(f->err.message, "x");
    assert_memory_equal(f->err.where, path, strlen(path));
    assert_string_equal(f->err.where + strlen(path), ":2");
}

static void bytecode_and_large_files_are_refused(void **state)
{
    struct fixture *f = *state;
    struct buf large = BUF_EMPTY;

    assert_null(load_as(f, "rules/x.lua", STR("\033Lua\x54\x00\x19\x93")));
    assert_non_null(strstr(f->err.message, "binary chunk"));
    buf_puts(&large, "return {} --");
    while (large.len <= 256 << 10)
        buf_puts(&large, "xxxxxxxxxxxxxxxx");
    assert_null(load_as(f, "rules/x.lua", buf_str(&large)));
    assert_non_null(strstr(f->err.message, "256 KiB"));
    buf_free(&large);
}

static void modules_give_their_tables_to_rules(void **state)
{
    const struct lval *rule = load(*state, "local shared = require \"shared.fields\"\n"
                                           "return rule { context = shared.context, match = shared.nets }");

    assert_int_equal(lval_get(rule, "context")->item_count, 2);
    assert_true(str_is(lval_get(rule, "context")->items[1].s, "source.ip"));
    assert_int_equal(lval_get(rule, "match")->kind, LVAL_ANY);
}

static void functions_are_found_by_their_key(void **state)
{
    struct fixture *f = *state;
    struct lua_source source = {STR("rules/x.lua"),
                                STR("return rule { filter = function() return true end, title = \"x\" }")};
    int file = lua_load_file(f->runtime, &source, NULL, NULL, &f->err);

    assert_int_equal(file, 0);
    assert_int_equal(lua_find(f->runtime, file, "filter"), 0);
    assert_int_equal(lua_find(f->runtime, file, "title"), -1);
    assert_int_equal(lua_find(f->runtime, file, "detect"), -1);
}

static void files_do_not_see_each_other(void **state)
{
    struct fixture *f = *state;

    load(f, "local secret = 1 return { secret = secret }");
    assert_null(load_as(f, "rules/y.lua", STR("return { secret }")));
    assert_non_null(strstr(f->err.message, "no such name: secret"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_rule_comes_back_as_data_with_kinds_lines_and_order, start, stop),
        cmocka_unit_test_setup_teardown(each_kind_has_its_constructor, start, stop),
        cmocka_unit_test_setup_teardown(what_is_wrong_is_said_with_its_place, start, stop),
        cmocka_unit_test_setup_teardown(a_long_path_is_not_cut_in_errors, start, stop),
        cmocka_unit_test_setup_teardown(bytecode_and_large_files_are_refused, start, stop),
        cmocka_unit_test_setup_teardown(modules_give_their_tables_to_rules, start, stop),
        cmocka_unit_test_setup_teardown(functions_are_found_by_their_key, start, stop),
        cmocka_unit_test_setup_teardown(files_do_not_see_each_other, start, stop),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
