#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "lua/scan.h"

static const char rule_text[] =
    "-- a rule, with [\"no.path\"] in a comment\n"                                       /* 1 */
    "local denial = sample {\n"                                                          /* 2 */
    "  [\"event.action\"] = \"push\", [\"user.name\"] = 'ana',\n"                        /* 3 */
    "}\n"                                                                                /* 4 */
    "local helper = function(e) return e[\"host.name\"] end\n"                           /* 5 */
    "return rule {\n"                                                                    /* 6 */
    "  id = \"x\", title = [[long\n"                                                     /* 7 */
    "text]],\n"                                                                          /* 8 */
    "  match = { [\"event.action\"] = \"push\",\n"                                       /* 9 */
    "    none { [\"source.ip|cidr\"] = list \"nets\" } },\n"                             /* 10 */
    "  filter = function(event)\n"                                                       /* 11 */
    "    local t = { id = 1 }\n"                                                         /* 12 */
    "    if event[\"user.type\"] then return false end\n"                                /* 13 */
    "    for _, g in ipairs { function() return event[\"in.filter\"] end } do g() end\n" /* 14 */
    "    return not event:is(\"user.kind|cased\", \"service\")\n"                        /* 15 */
    "  end,\n"                                                                           /* 16 */
    "  title_of = function(event) return event[\"user.name\"] .. event.message end,\n"   /* 17 */
    "  severity_of = function(e) if e:is \"source.geo.name|exists\" then return e [ 'user.type' ] end "
    "end,\n"                                                                         /* 18 */
    "  tests = {\n"                                                                  /* 19 */
    "    { \"fires\", events = at({ 0, 60 }, denial), expect = { threats = 1 } },\n" /* 20 */
    "    { \"not\",\n"                                                               /* 21 */
    "      events = { denial } },\n"                                                 /* 22 */
    "  },\n"                                                                         /* 23 */
    "}\n";                                                                           /* 24 */

static int start(void **state)
{
    *state = arena_new(0);
    return 0;
}

static int stop(void **state)
{
    arena_free(*state);
    return 0;
}

static struct lua_scan *scan(void **state, const char *text)
{
    struct err err = {0};
    struct lua_scan *result = lua_scan_new(*state, str_from(text), &err);

    if (!result)
        fail_msg("%s", err_text(&err));
    return result;
}

static void keys_have_the_lines_where_they_stand(void **state)
{
    struct lua_scan *s = scan(state, rule_text);

    assert_int_equal(lua_scan_key_line(s, STR("event.action"), 0), 3);
    assert_int_equal(lua_scan_key_line(s, STR("event.action"), 1), 9);
    assert_int_equal(lua_scan_key_line(s, STR("event.action"), 2), 0);
    assert_int_equal(lua_scan_key_line(s, STR("match"), 0), 9);
    assert_int_equal(lua_scan_key_line(s, STR("source.ip|cidr"), 0), 10);
    assert_int_equal(lua_scan_key_line(s, STR("tests"), 0), 19);
    assert_int_equal(lua_scan_key_line(s, STR("t"), 0), 0); /* an assignment is no key */
}

static void a_key_written_twice_is_found_with_both_lines(void **state)
{
    struct str key;
    unsigned first, second;

    assert_false(lua_scan_duplicate(scan(state, rule_text), &key, &first, &second));
    assert_true(lua_scan_duplicate(scan(state, "return rule {\n id = 1,\n x = { id = 2 },\n [\"id\"] = 3 }"),
                                   &key, &first, &second));
    assert_true(str_is(key, "id"));
    assert_int_equal(first, 2);
    assert_int_equal(second, 4);
    assert_false(
        lua_scan_duplicate(scan(state, "return { a = { x = 1 }, b = { x = 1 }, function() x = 1 x = 2 end }"),
                           &key, &first, &second));
    assert_true(
        lua_scan_duplicate(scan(state, "return { f = function() local a = 1 return { k = 1; k = 2 } end }"),
                           &key, &first, &second));
    assert_true(str_is(key, "k"));
    assert_false(lua_scan_duplicate(scan(state, "return { [k] = 1, [k] = 2, a == b, a == b, k, k }"), &key,
                                    &first, &second));
}

static void paths_read_in_functions_are_found(void **state)
{
    struct lua_scan *s = scan(state, rule_text);
    struct str paths[16];
    static const char *const all[] = {"host.name", "user.type", "in.filter",      "user.kind",
                                      "user.name", "message",   "source.geo.name"};
    static const char *const rest[] = {"host.name", "user.name", "message", "source.geo.name", "user.type"};

    assert_int_equal(lua_scan_paths(s, NULL, paths, 16), 7);
    for (size_t i = 0; i < 7; i++)
        assert_true(str_is(paths[i], all[i]));
    assert_int_equal(lua_scan_paths(s, "filter", paths, 16), 5);
    for (size_t i = 0; i < 5; i++)
        assert_true(str_is(paths[i], rest[i]));
    assert_int_equal(lua_scan_paths(s, NULL, paths, 2), 2);
}

static void modules_that_a_file_names_are_found(void **state)
{
    struct lua_scan *s = scan(state, "local a, b = require \"one.a\", require('two')\n"
                                     "return { f = function() return require [[three]] end, g = require,\n"
                                     "  h = require(name), 'require' } -- require 'no'");
    struct str names[8];

    assert_int_equal(lua_scan_requires(s, names, 8), 3);
    assert_true(str_is(names[0], "one.a") && str_is(names[1], "two") && str_is(names[2], "three"));
    assert_int_equal(lua_scan_requires(s, names, 2), 2);
}

/* "name:line name:line " */
static void assert_reads(void **state, const char *text, const char *field, const char *expected)
{
    struct lua_scan_read reads[8];
    size_t count = lua_scan_reads(scan(state, text), field, reads, 8);
    char got[256] = "";

    for (size_t i = 0; i < count; i++)
        snprintf(got + strlen(got), sizeof got - strlen(got), "%.*s:%u ", STR_ARG(reads[i].name),
                 reads[i].line);
    assert_string_equal(got, expected);
}

static void reads_of_a_second_parameter_are_found(void **state)
{
    static const char *const cases[][2] = {
        {"return rule { detect = function(event, group) return group.count > 1 end }", "count:1 "},
        {"return rule({ detect = function(e, g)\n return g['key'] ..\n g . last .. g.key .. e.count end })",
         "key:2 last:3 "},
        {"return { ['detect'] = function(_, g) each(function(e) return g.first == e end) end }", "first:1 "},
        {"return { detect = function(_, g) if g.key then return { a = g.count, g.last } end end }",
         "key:1 count:1 last:1 "},
        /* other names, other functions, other tables */
        {"return { detect = function(event) return group.count end }", ""},
        {"return { detect = function(event, ...) return event.count end }", ""},
        {"return { detect = function(e, g) return e.g.count, e:g [1], g:count(), g[1], g[k] end }", ""},
        {"return { detect = function(_, g) return f(function(g) return g.count end) end }", ""},
        {"return { detect = function(_, g) return f(function(_, g) return g.count end) end }", ""},
        {"return { title_of = function(_, g) return g.count end, x = { detect = function(_, g)\n"
         " return g.last end } }",
         ""},
        {"local other = { detect = function(_, g) return g.count end }\nreturn { detect = other.detect }",
         ""},
        /* by name */
        {"local function grown(event, group)\n return group.count end\nreturn rule { detect = grown }",
         "count:2 "},
        {"local grown = function(_, g) return g.values end\nreturn rule { id = 'x', detect = grown, }",
         "values:1 "},
        {"local function grown(_, g) return g.count end\nreturn rule { detect = pick(grown) }", ""},
        {"local function grown(_, g) return g.count end\nlocal function grown() end\n"
         "return rule { detect = grown }",
         ""},
        {"local function make() local function grown(_, g) return g.count end end\n"
         "return rule { detect = grown }",
         ""},
        {"local grown = require 'grown'\nreturn rule { detect = grown }", ""},
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        assert_reads(state, cases[i][0], "detect", cases[i][1]);
    assert_reads(state, rule_text, "detect", "");
    assert_int_equal(lua_scan_reads(scan(state, cases[3][0]), "detect", (struct lua_scan_read[2]){0}, 2), 2);
}

static void constructors_are_found_from_the_one_that_the_file_returns(void **state)
{
    struct lua_scan *s = scan(state, rule_text);
    uint32_t root = lua_scan_returned(s), match = lua_scan_child(s, root, STR("match"));
    uint32_t tests = lua_scan_child(s, root, STR("tests")), second = lua_scan_item(s, tests, 1);
    struct str sample_keys[] = {STR("user.name"), STR("event.action")};
    unsigned line, order;

    assert_int_equal(lua_scan_line(s, root), 6);
    assert_int_equal(lua_scan_line(s, match), 9);
    assert_int_equal(lua_scan_line(s, lua_scan_item(s, match, 0)), 10);
    assert_int_equal(lua_scan_line(s, second), 21);
    assert_true(lua_scan_key(s, second, STR("events"), &line, &order));
    assert_int_equal(line, 22);
    assert_int_equal(order, 1);
    assert_int_equal(lua_scan_child(s, lua_scan_item(s, tests, 0), STR("events")), LUA_SCAN_NONE); /* at(…) */
    assert_int_equal(lua_scan_child(s, lua_scan_item(s, tests, 2), STR("events")), LUA_SCAN_NONE);
    assert_int_equal(lua_scan_child(s, root, STR("nothing")), LUA_SCAN_NONE);
    assert_int_equal(lua_scan_line(s, lua_scan_like(s, sample_keys, 2)), 2);
    assert_int_equal(lua_scan_like(s, sample_keys, 1), LUA_SCAN_NONE);
    assert_int_equal(lua_scan_line(s, LUA_SCAN_NONE), 0);
}

static void strings_are_decoded_as_lua_does(void **state)
{
    struct lua_scan *s = scan(state,
                              "#!/usr/bin/lua\n"
                              "--[==[ a long\ncomment ]] ]==]\n"
                              "return { [\"a\\n\\65\\x42\\u{20AC}\\z\n   c\\\n\"] = 1, ['it\\'s'] = 2,\n"
                              "[ [==[\nx]]y]==] ] = 3, [ [[\r\nl\r\nm]] ] = 4, n = 0x1p-4 .. 1e+5 }");

    assert_int_equal(lua_scan_key_line(s,
                                       STR("a\nAB\xe2\x82\xac"
                                           "c\n"),
                                       0),
                     4);
    assert_int_equal(lua_scan_key_line(s, STR("it's"), 0), 6);
    assert_int_equal(lua_scan_key_line(s, STR("x]]y"), 0), 7);
    assert_int_equal(lua_scan_key_line(s, STR("l\nm"), 0), 8);
    assert_int_equal(lua_scan_key_line(s, STR("n"), 0), 10);
}

static void text_that_is_not_luas_is_refused_with_its_line(void **state)
{
    static const char *const bad[][2] = {
        {"x = \"open", "line 1"},  {"x = 1\ny = [[open", "line 2"}, {"\n\n--[[open", "line 3"},
        {"x = '\\q'", "line 1"},   {"x = '\\300'", "line 1"},       {"x = '\\xg0'", "line 1"},
        {"x = '\\u{}'", "line 1"}, {"x = 'a\nb'", "line 1"},        {"x = 1\n\n\x01", "line 3"}};

    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct err err = {0};
        assert_null(lua_scan_new(*state, str_from(bad[i][0]), &err));
        assert_string_equal(err.where, bad[i][1]);
    }
}

static void text_that_only_the_parser_refuses_does_no_harm(void **state)
{
    static const char *const odd[] = {"",
                                      "}",
                                      "end end",
                                      "{{{{",
                                      "return",
                                      "] ) } end",
                                      "{ [\"a\"]",
                                      "{ a = function",
                                      "f(]{)}",
                                      "x:is(",
                                      "return {,,,;}",
                                      "{ a = { b = { a = } }",
                                      "event.",
                                      "until until repeat",
                                      "local function",
                                      "= function",
                                      "function(function, (a",
                                      "{ a = function f(a, b",
                                      "return { a = b"};

    for (size_t i = 0; i < sizeof odd / sizeof odd[0]; i++)
        assert_non_null(scan(state, odd[i]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(keys_have_the_lines_where_they_stand, start, stop),
        cmocka_unit_test_setup_teardown(a_key_written_twice_is_found_with_both_lines, start, stop),
        cmocka_unit_test_setup_teardown(paths_read_in_functions_are_found, start, stop),
        cmocka_unit_test_setup_teardown(modules_that_a_file_names_are_found, start, stop),
        cmocka_unit_test_setup_teardown(reads_of_a_second_parameter_are_found, start, stop),
        cmocka_unit_test_setup_teardown(constructors_are_found_from_the_one_that_the_file_returns, start,
                                        stop),
        cmocka_unit_test_setup_teardown(strings_are_decoded_as_lua_does, start, stop),
        cmocka_unit_test_setup_teardown(text_that_is_not_luas_is_refused_with_its_line, start, stop),
        cmocka_unit_test_setup_teardown(text_that_only_the_parser_refuses_does_no_harm, start, stop),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
