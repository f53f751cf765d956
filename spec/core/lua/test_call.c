/* Callbacks: what they get, what they may return, what happens when they fail. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/json_tape.h"
#include "lua/runtime.h"

struct fixture {
    struct lua_runtime *runtime;
    struct arena *arena;
    struct fields *fields;
    struct event_parser *parser;
    struct event *event;
    struct buf json;
    struct lua_call call;
    struct lua_result result;
};

static const char record[] =
    "{\"event.action\":\"Login\",\"user\":{\"name\":\"ana\",\"id\":9007199254740993},\"source.ip\":\"10.1.2."
    "3\","
    "\"tags\":[\"a\",null,\"b\",3],\"score\":1.5,\"ok\":true,\"nothing\":null,\"count\":12,"
    "\"huge\":18446744073709551615,\"unseen\":{\"deep\":[\"x\",\"y\"],\"one\":7}}";

static bool list_has(void *context, struct str name, struct str value, bool *known)
{
    (void)context;
    *known = str_is(name, "admins");
    return str_is(value, "root") || str_is(value, "ana") || str_is(value, "3");
}

static struct event *parse(struct fixture *f, const char *text)
{
    struct event *event;
    struct err err = {0};
    size_t len = strlen(text);

    buf_clear(&f->json);
    memset(buf_reserve(&f->json, len + JSON_TAPE_PADDING), 0, len + JSON_TAPE_PADDING);
    buf_add(&f->json, text, len);
    if (event_parse(f->parser, f->fields, buf_str(&f->json), f->arena, &event, &err) != 0)
        fail_msg("%s", err_text(&err));
    return event;
}

static int start(void **state)
{
    static const char *const paths[] = {"event.action", "user.name", "user.id", "source.ip", "tags",  "score",
                                        "ok",           "nothing",   "count",   "huge",      "absent"};
    static const struct lua_host host = {.clock = &clock_real, .list_has = list_has};
    struct lua_options options = {.host = &host};
    struct fixture *f = mem_zalloc(1, sizeof *f);

    f->runtime = lua_runtime_new(&options, NULL);
    f->arena = arena_new(0);
    f->fields = fields_new();
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++)
        fields_intern(f->fields, str_from(paths[i]), NULL);
    fields_freeze(f->fields);
    f->parser = event_parser_new(&event_limits_default);
    f->event = parse(f, record);
    f->call = (struct lua_call){
        .event = f->event, .arena = f->arena, .parser = f->parser, .budget_ns = 50 * NS_PER_MS};
    *state = f;
    return f->runtime ? 0 : -1;
}

static int stop(void **state)
{
    struct fixture *f = *state;

    lua_runtime_free(f->runtime);
    event_parser_free(f->parser);
    fields_free(f->fields);
    arena_free(f->arena);
    buf_free(&f->json);
    free(f);
    return 0;
}

static int load(struct fixture *f, const char *body)
{
    struct buf text = BUF_EMPTY;
    struct lua_source source = {STR("rules/x.lua"), {0}};
    struct err err = {0};
    int file;

    buf_printf(&text, "return { run = function(event, group) %s\nend }", body);
    source.text = buf_str(&text);
    file = lua_load_file(f->runtime, &source, NULL, NULL, &err);
    if (file < 0)
        fail_msg("%s: %s", body, err_text(&err));
    buf_free(&text);
    return lua_find(f->runtime, file, "run");
}

static enum lua_status run(struct fixture *f, enum lua_returns returns, const char *body)
{
    f->call.function = load(f, body);
    f->call.returns = returns;
    lua_run(f->runtime, &f->call, &f->result);
    return f->result.status;
}

/* The body's asserts hold. */
static void holds(struct fixture *f, const char *body)
{
    if (run(f, LUA_RETURNS_NOTHING, body) != LUA_DONE)
        fail_msg("%s: %s %s", body, lua_status_name(f->result.status), f->result.error);
}

static void fails(struct fixture *f, const char *body, const char *message)
{
    if (run(f, LUA_RETURNS_NOTHING, body) != LUA_FAILED || !strstr(f->result.error, message))
        fail_msg("%s: %s %s", body, lua_status_name(f->result.status), f->result.error);
}

static void fields_come_as_the_values_of_lua(void **state)
{
    struct fixture *f = *state;

    holds(f, "assert(event['event.action'] == 'Login' and event['user.name'] == 'ana')");
    holds(f, "assert(event['user.id'] == 9007199254740993 and math.type(event['user.id']) == 'integer')");
    holds(f, "assert(event.score == 1.5 and event.ok == true and event.count == 12)");
    holds(f, "assert(event.nothing == nil and event.absent == nil and event['no.such'] == nil)");
    holds(f, "assert(event.huge == 2^64)");
}

static void a_list_is_a_plain_copy_without_its_nulls(void **state)
{
    holds(*state, "local t = event.tags\n"
                  "assert(#t == 3 and t[1] == 'a' and t[2] == 'b' and t[3] == 3)\n"
                  "t[1] = 'changed'\n"
                  "assert(event.tags[1] == 'a' and table.concat(event.tags, ',') == 'a,b,3')");
}

static void paths_that_no_rule_names_are_found_in_the_text(void **state)
{
    struct fixture *f = *state;

    holds(f, "local path = 'unseen.deep'\n"
             "assert(event[path][1] == 'x' and event[path][2] == 'y' and event['unseen.one'] == 7)");
    f->call.parser = NULL;
    holds(f, "assert(event['unseen.one'] == nil and event['user.name'] == 'ana')");
}

static void is_compares_as_match_does(void **state)
{
    struct fixture *f = *state;

    holds(f, "assert(event:is('event.action', 'login') and not event:is('event.action|cased', 'login'))");
    holds(
        f,
        "assert(event:is('source.ip|cidr', '10.0.0.0/8') and not event:is('source.ip|cidr', '11.0.0.0/8'))");
    holds(f, "assert(event:is('user.name', { 'bob', 'ana' }) and event:is('count', 12) and "
             "event:is('count|gt', 11))");
    holds(f, "assert(event:is('user.name|exists', true) and event:is('user.name|exists') and event:is('ok', "
             "true))");
    holds(f, "assert(event:is('nothing', json.null) and not event:is('user.name', json.null))");
    holds(f, "assert(event:is('event.action|startswith', 'LOG') and event:is('unseen.one', 7))");
    holds(f, "assert(event:is('user.name', list 'admins') and event:is('tags', list 'admins'))");
    fails(f, "return event:is('user.name|nonsense', 'x')", "event:is: ");
    fails(f, "return event:is('user.name', {})", "1 to 1000 values");
    fails(f, "return event:is('user.name', print)", "not a function");
    fails(f, "return event.is('user.name', 'x')", "an event is expected");
    fails(f, "return event:is('source.ip|cidr', list 'admins')", "no modifiers");
}

static void many_predicates_do_not_grow_the_state(void **state)
{
    struct fixture *f = *state;

    f->call.budget_ns = 10 * NS_PER_S;
    holds(f, "for i = 1, 5000 do assert(not event:is('user.name', 'user' .. i)) end\n"
             "assert(event:is('user.name', 'ana'))");
    fails(f, "return event:is('user.name', ('x'):rep(20000))", "16 KiB");
}

static void events_are_read_only_but_for_fix(void **state)
{
    struct fixture *f = *state;

    fails(f, "event['user.name'] = 'x'", "events are read-only");
    f->call.writable = true;
    holds(f, "event['user.name'] = 'root'\n"
             "event.count = 5 event.score = 2.5 event.ok = false event['source.ip'] = nil\n"
             "event.tags = { 'p', 7 }\n"
             "event['nobody.reads.this'] = 'x'\n"
             "assert(event['user.name'] == 'root' and event.count == 5 and event.score == 2.5)\n"
             "assert(event.ok == false and event['source.ip'] == nil and event.tags[2] == 7)\n"
             "assert(event:is('user.name', 'ROOT'))");
    assert_true(str_is(event_text(f->event, fields_find(f->fields, STR("user.name"))), "root"));
    assert_null(event_first(f->event, fields_find(f->fields, STR("source.ip"))));
    fails(f, "event['user.name'] = {{}}", "not a table");
    fails(f, "event['user.name'] = print", "not a function");
    fails(f, "event['user.name'] = ('x'):rep(70000)", "64 KiB");
    fails(f,
          "for i = 1, 10000 do event.tags = { table.unpack({}, 1, 0) } local t = {} for k = 1, 3000 do t[k] "
          "= k end "
          "event.tags = t end",
          "at most 2048 values");
}

static void an_event_kept_after_its_call_says_so(void **state)
{
    struct fixture *f = *state;
    struct lua_source source = {STR("rules/x.lua"),
                                STR("local kept\n"
                                    "return { keep = function(event) kept = event end,\n"
                                    "use = function(event) return kept['user.name'] end }")};
    int file = lua_load_file(f->runtime, &source, NULL, NULL, NULL);

    f->call.returns = LUA_RETURNS_NOTHING;
    f->call.function = lua_find(f->runtime, file, "keep");
    lua_run(f->runtime, &f->call, &f->result);
    assert_int_equal(f->result.status, LUA_DONE);
    f->call.function = lua_find(f->runtime, file, "use");
    lua_run(f->runtime, &f->call, &f->result);
    assert_int_equal(f->result.status, LUA_FAILED);
    assert_non_null(strstr(f->result.error, "belongs to a call that has ended"));
}

static void the_group_is_a_table(void **state)
{
    struct fixture *f = *state;
    const struct str values[] = {STR("a"), STR("b")};
    const struct lua_group group = {STR("ana, 10.1.2.3"), 5, 1500 * NS_PER_MS, 3 * NS_PER_S, values, 2};

    holds(f, "assert(group == nil)");
    f->call.group = &group;
    holds(f, "assert(group.key == 'ana, 10.1.2.3' and group.count == 5 and group.first == 1.5 and group.last "
             "== 3)\n"
             "assert(#group.values == 2 and group.values[2] == 'b')");
    f->call.event = NULL;
    holds(f, "assert(event == nil and group.count == 5)");
}

static void what_is_returned_is_checked(void **state)
{
    static const struct {
        enum lua_returns returns;
        const char *body;
        enum lua_status status;
        const char *text; /* or part of the error */
    } cases[] = {
        {LUA_RETURNS_BOOL, "return true", LUA_DONE, NULL},
        {LUA_RETURNS_BOOL, "return false", LUA_DONE, NULL},
        {LUA_RETURNS_BOOL, "return nil", LUA_WRONG_TYPE, "returned a nil instead of true or false"},
        {LUA_RETURNS_BOOL, "return 1", LUA_WRONG_TYPE, "returned a number"},
        {LUA_RETURNS_STRING, "return 'text'", LUA_DONE, "text"},
        {LUA_RETURNS_STRING, "return ''", LUA_DONE, ""},
        {LUA_RETURNS_STRING, "return nil", LUA_WRONG_TYPE, "instead of a string"},
        {LUA_RETURNS_STRING, "return 5", LUA_WRONG_TYPE, "returned a number"},
        {LUA_RETURNS_STRING, "return setmetatable({}, { __tostring = function() return 'x' end })",
         LUA_WRONG_TYPE, "returned a table"},
        {LUA_RETURNS_STRING, "return ('x'):rep(65537)", LUA_WRONG_TYPE, "65537 bytes"},
        {LUA_RETURNS_OPTIONAL_STRING, "return nil", LUA_DONE, NULL},
        {LUA_RETURNS_OPTIONAL_STRING, "return 'high'", LUA_DONE, "high"},
        {LUA_RETURNS_OPTIONAL_STRING, "return {}", LUA_WRONG_TYPE, "string or nil"},
        {LUA_RETURNS_FLAT, "return { b = 1, a = 'x', c = { 1, 'y', true }, d = 1.5, e = false }", LUA_DONE,
         "{\"a\":\"x\",\"b\":1,\"c\":[1,\"y\",true],\"d\":1.5,\"e\":false}"},
        {LUA_RETURNS_FLAT, "return {}", LUA_DONE, "{}"},
        {LUA_RETURNS_FLAT, "return { ['q\"'] = 'a\\nb\\xff' }", LUA_DONE,
         "{\"q\\\"\":\"a\\nb\xef\xbf\xbd\"}"},
        {LUA_RETURNS_FLAT, "return { tags = event.tags }", LUA_DONE, "{\"tags\":[\"a\",\"b\",3]}"},
        {LUA_RETURNS_FLAT, "return 'x'", LUA_WRONG_TYPE, "instead of a table"},
        {LUA_RETURNS_FLAT, "return { 'x' }", LUA_WRONG_TYPE, "keys are field names"},
        {LUA_RETURNS_FLAT, "return { a = { b = 1 } }", LUA_WRONG_TYPE, "a: a context holds"},
        {LUA_RETURNS_FLAT, "return { a = { { 1 } } }", LUA_WRONG_TYPE, "a: a context holds"},
        {LUA_RETURNS_FLAT, "return { a = print }", LUA_WRONG_TYPE, "a: a context holds"},
        {LUA_RETURNS_FLAT, "return { a = 1/0 }", LUA_WRONG_TYPE, "a: a context holds"},
        {LUA_RETURNS_FLAT, "return { a = ('x'):rep(70000) }", LUA_WRONG_TYPE, "more than 65536"},
        {LUA_RETURNS_FLAT, "return setmetatable({}, { __pairs = function() while true do end end })",
         LUA_DONE, "{}"},
        {LUA_RETURNS_NOTHING, "return 1, 2, 3", LUA_DONE, NULL},
    };
    struct fixture *f = *state;

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        enum lua_status status = run(f, cases[i].returns, cases[i].body);
        if (status != cases[i].status)
            fail_msg("%s: %s %s", cases[i].body, lua_status_name(status), f->result.error);
        if (status == LUA_DONE && cases[i].text && !str_is(f->result.text, cases[i].text))
            fail_msg("%s: %.*s", cases[i].body, STR_ARG(f->result.text));
        if (status != LUA_DONE && !strstr(f->result.error, cases[i].text))
            fail_msg("%s: %s", cases[i].body, f->result.error);
    }
    run(f, LUA_RETURNS_BOOL, "return true");
    assert_true(f->result.truth);
    run(f, LUA_RETURNS_BOOL, "return false");
    assert_false(f->result.truth);
    run(f, LUA_RETURNS_OPTIONAL_STRING, "return nil");
    assert_true(f->result.is_nil);
    run(f, LUA_RETURNS_OPTIONAL_STRING, "return ''");
    assert_false(f->result.is_nil);
}

static void a_failure_names_the_place_in_one_line(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(run(f, LUA_RETURNS_BOOL, "\nlocal x = event['no'].field"), LUA_FAILED);
    assert_memory_equal(f->result.error, "rules/x.lua:2: ", 15);
    fails(f, "error('two\\nlines\\1')", "two lines ");
    assert_null(strchr(f->result.error, '\n'));
}

static void by_count_the_end_of_a_budget_is_always_the_same(void **state)
{
    struct fixture *f = *state;
    int64_t first;

    f->call.budget_ns = 2 * NS_PER_MS;
    assert_int_equal(run(f, LUA_RETURNS_BOOL, "while true do end"), LUA_OVERRAN);
    assert_string_equal(f->result.error, "used more than 2 ms of CPU time");
    first = f->result.cpu_ns;
    for (int i = 0; i < 5; i++) {
        lua_run(f->runtime, &f->call, &f->result);
        assert_int_equal(f->result.status, LUA_OVERRAN);
        assert_int_equal(f->result.cpu_ns, first);
    }
    f->call.budget_ns = 0;
    lua_run(f->runtime, &f->call, &f->result);
    assert_int_equal(f->result.status, LUA_OVERRAN);
}

/* A thousand instructions, each of which compares a million bytes: counted they are nothing. */
static void slow_instructions_end_by_their_time(void **state)
{
    struct fixture *f = *state;
    int64_t began = clock_thread_cpu();

    f->call.budget_ns = 100 * NS_PER_MS;
    assert_int_equal(
        run(f, LUA_RETURNS_BOOL, "local a, b = ('\\0'):rep(1000000), ('\\0'):rep(999999) while a > b do end"),
        LUA_OVERRAN);
    assert_true(clock_thread_cpu() - began < 60 * NS_PER_S); /* by count alone it is minutes */
}

static void coroutines_are_used_again_and_memory_does_not_grow(void **state)
{
    struct fixture *f = *state;
    int good, bad;
    size_t before = 0;

    good = load(f, "return event['user.name'] .. #event.tags");
    bad = load(f, "error(event['user.name'] .. 'failed')");
    f->call.returns = LUA_RETURNS_STRING;
    for (int i = 0; i < 20000; i++) {
        f->call.function = i % 10 == 9 ? bad : good;
        lua_run(f->runtime, &f->call, &f->result);
        assert_int_equal(f->result.status, i % 10 == 9 ? LUA_FAILED : LUA_DONE);
        if (i % 100 == 0)
            arena_reset(f->arena), f->event = f->call.event = parse(f, record);
        if (i % 1000 == 0)
            for (int k = 0; k < 50; k++)
                lua_runtime_idle(f->runtime);
        if (i == 5000)
            before = lua_runtime_bytes(f->runtime);
    }
    assert_in_range(lua_runtime_bytes(f->runtime), 0, before * 2);
}

static void memory_of_a_call_is_its_own(void **state)
{
    struct fixture *f = *state;

    f->call.budget_ns = NS_PER_S;
    /* The first call leaves 6 MiB in the state; the second may still use its 8. */
    holds(f, "local t = {} for i = 1, 60 do t[i] = ('x'):rep(100000) .. i end");
    holds(f, "local t = {} for i = 1, 60 do t[i] = ('y'):rep(100000) .. i end");
    assert_int_equal(
        run(f, LUA_RETURNS_NOTHING, "local t = {} for i = 1, 300 do t[i] = ('z'):rep(100000) .. i end"),
        LUA_NO_MEMORY);
    holds(f, "local t = {} for i = 1, 60 do t[i] = ('y'):rep(100000) .. i end");
}

static void os_time_is_the_hosts_clock(void **state)
{
    struct clock_virtual clock;
    struct lua_host host = {.clock = &clock.clock};
    struct lua_options options = {.host = &host};
    struct fixture *f = *state;
    struct lua_runtime *other;

    clock_virtual_init(&clock, INT64_C(1767323045) * NS_PER_S + 250 * NS_PER_MS);
    other = lua_runtime_new(&options, NULL);
    lua_runtime_free(f->runtime);
    f->runtime = other;
    holds(f, "assert(os.time() == 1767323045 and time.now() == 1767323045.25)\n"
             "assert(os.date('%Y-%m-%dT%H:%M:%S') == '2026-01-02T03:04:05')\n"
             "assert(os.date('*t').hour == 3 and time.format(time.now()) == '2026-01-02T03:04:05.250Z')");
    lua_runtime_free(f->runtime);
    f->runtime = NULL;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(fields_come_as_the_values_of_lua, start, stop),
        cmocka_unit_test_setup_teardown(a_list_is_a_plain_copy_without_its_nulls, start, stop),
        cmocka_unit_test_setup_teardown(paths_that_no_rule_names_are_found_in_the_text, start, stop),
        cmocka_unit_test_setup_teardown(is_compares_as_match_does, start, stop),
        cmocka_unit_test_setup_teardown(many_predicates_do_not_grow_the_state, start, stop),
        cmocka_unit_test_setup_teardown(events_are_read_only_but_for_fix, start, stop),
        cmocka_unit_test_setup_teardown(an_event_kept_after_its_call_says_so, start, stop),
        cmocka_unit_test_setup_teardown(the_group_is_a_table, start, stop),
        cmocka_unit_test_setup_teardown(what_is_returned_is_checked, start, stop),
        cmocka_unit_test_setup_teardown(a_failure_names_the_place_in_one_line, start, stop),
        cmocka_unit_test_setup_teardown(by_count_the_end_of_a_budget_is_always_the_same, start, stop),
        cmocka_unit_test_setup_teardown(slow_instructions_end_by_their_time, start, stop),
        cmocka_unit_test_setup_teardown(coroutines_are_used_again_and_memory_does_not_grow, start, stop),
        cmocka_unit_test_setup_teardown(memory_of_a_call_is_its_own, start, stop),
        cmocka_unit_test_setup_teardown(os_time_is_the_hosts_clock, start, stop),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
