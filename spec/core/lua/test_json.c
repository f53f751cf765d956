/* What policies and agents are called with and return: JSON texts, plain tables on their side. And the
 * attributes of lists. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "base/buf.h"
#include "loop/watchdog.h"
#include "lua/runtime.h"

struct fixture {
    struct lua_runtime *runtime;
    struct arena *arena;
    struct lua_call call;
    struct lua_result result;
    struct str args[LUA_JSON_ARGS];
};

static const char threat[] =
    "{\"id\":\"T1\",\"severity\":\"HIGH\",\"event_count\":42,\"score\":0.5,\"demo\":false,\"verdict\":null,"
    "\"rule\":{\"id\":\"identity.mfa\",\"version\":3},\"entities\":[\"user.name:ana\",null,\"host.name:dc1\"]"
    ","
    "\"notes\":[],\"big\":18446744073709551615,\"text\":\"caf\\u00e9 \\\"x\\\"\\n\\u0000end\"}";

static bool list_has(void *context, struct str name, struct str value, bool *known)
{
    (void)context;
    *known = str_is(name, "assets");
    return str_is(value, "dc1");
}

static bool list_get(void *context, struct str name, struct str value, struct str *json, bool *known)
{
    (void)context;
    *known = str_is(name, "assets");
    if (str_is(value, "bare"))
        return true;
    if (str_is(value, "broken"))
        *json = STR("{\"criticality\":");
    else if (str_is(value, "dc1") || str_is(value, "443"))
        *json = STR("{\"criticality\":\"high\",\"tags\":[\"pci\"],\"owner\":null}");
    return json->len > 0;
}

static struct lua_runtime *open_runtime(enum lua_role role, unsigned gc_stress)
{
    static const struct lua_host host = {.clock = &clock_real, .list_has = list_has, .list_get = list_get};
    struct lua_options options = {.role = role, .host = &host, .gc_stress = gc_stress};

    return lua_runtime_new(&options, NULL);
}

static int start(void **state)
{
    struct fixture *f = mem_zalloc(1, sizeof *f);

    f->runtime = open_runtime(LUA_TRIAGE, 0);
    f->arena = arena_new(0);
    f->call = (struct lua_call){
        .returns = LUA_RETURNS_JSON, .arena = f->arena, .json = f->args, .budget_ns = 200 * NS_PER_MS};
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

static int load(struct lua_runtime *runtime, const char *body)
{
    struct buf text = BUF_EMPTY;
    struct lua_source source = {STR("rules/triage/x.lua"), {0}};
    struct err err = {0};
    int file;

    buf_printf(&text, "return { run = function(a, b, c, d) %s\nend }", body);
    source.text = buf_str(&text);
    file = lua_load_file(runtime, &source, NULL, NULL, &err);
    if (file < 0)
        fail_msg("%s: %s", body, err_text(&err));
    buf_free(&text);
    return lua_find(runtime, file, "run");
}

static enum lua_status run(struct fixture *f, const char *body)
{
    f->call.function = load(f->runtime, body);
    lua_run(f->runtime, &f->call, &f->result);
    return f->result.status;
}

static void give(struct fixture *f, const char *first, const char *second)
{
    f->args[0] = str_from(first);
    f->args[1] = second ? str_from(second) : (struct str){0};
    f->call.json_count = second ? 2 : 1;
}

static void holds(struct fixture *f, const char *body)
{
    if (run(f, body) != LUA_DONE)
        fail_msg("%s: %s %s", body, lua_status_name(f->result.status), f->result.error);
}

static void returns(struct fixture *f, const char *body, const char *json)
{
    if (run(f, body) != LUA_DONE || f->result.is_nil || !str_is(f->result.text, json))
        fail_msg("%s: %s %s %.*s", body, lua_status_name(f->result.status), f->result.error,
                 STR_ARG(f->result.text));
}

static void ends(struct fixture *f, const char *body, enum lua_status status, const char *message)
{
    if (run(f, body) != status || !strstr(f->result.error, message))
        fail_msg("%s: %s <%s> instead of <%s>", body, lua_status_name(f->result.status), f->result.error,
                 message);
}

/* ---- arguments ---- */

static void arguments_come_as_plain_tables(void **state)
{
    struct fixture *f = *state;

    give(f, threat, "{\"now\":1.5}");
    holds(f, "assert(a.id == 'T1' and a.event_count == 42 and math.type(a.event_count) == 'integer')");
    holds(f, "assert(a.score == 0.5 and a.demo == false and a.rule.version == 3 and a.big == 2^64)");
    holds(f, "assert(a.text == 'caf\\u{e9} \"x\"\\n\\0end')");
    holds(f, "assert(b.now == 1.5 and c == nil and d == nil)");
    holds(f, "local n = 0 for _ in pairs(a) do n = n + 1 end assert(n == 10)");
    holds(f, "a.id = 'mine' a.entities[5] = 1 table.insert(a.notes, a) a.more = {}");
}

static void nulls_are_absent(void **state)
{
    struct fixture *f = *state;

    give(f, threat, "null");
    holds(f,
          "assert(a.verdict == nil and #a.entities == 2 and a.entities[2] == 'host.name:dc1' and b == nil)");
    give(f, "[null,[null],{\"x\":null}]", NULL);
    holds(f, "assert(#a == 2 and #a[1] == 0 and a[2].x == nil)");
}

static void an_argument_may_be_any_value_or_none(void **state)
{
    struct fixture *f = *state;

    give(f, "\"text\"", "");
    holds(f, "assert(a == 'text' and b == nil)");
    give(f, " 7 ", "true");
    holds(f, "assert(a == 7 and b == true)");
    give(f, "{\"k\":1,\"k\":2}", "-1e400");
    holds(f, "assert(a.k == 2 and b == '-1e400')");
    f->args[2] = STR("[3]");
    f->args[3] = STR("{\"four\":4}");
    f->call.json_count = 4;
    holds(f, "assert(c[1] == 3 and d.four == 4)");
}

static void without_arguments_the_call_is_that_of_a_rule(void **state)
{
    struct fixture *f = *state;
    struct lua_group group = {.key = STR("ana"), .count = 3};

    f->call.json_count = 0;
    f->call.group = &group;
    holds(f, "assert(a == nil and b.count == 3)");
}

static void what_is_not_json_fails_the_call(void **state)
{
    static const char *const texts[] = {"{", "nope", "{\"a\":}", "[1,]", "\"x", "1 2", "{a:1}"};
    struct fixture *f = *state;

    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        give(f, "{}", texts[i]);
        ends(f, "return 1", LUA_FAILED, "");
        assert_true(f->result.error[0] != '\0');
    }
    give(f, "{}", "{}");
    returns(f, "return 1", "1");
}

/* 256 KiB and 32 levels; one more of either is refused. */
static void arguments_have_limits(void **state)
{
    struct fixture *f = *state;
    struct buf text = BUF_EMPTY;

    buf_putc(&text, '"');
    memset(buf_reserve(&text, (256 << 10)), 'x', 256 << 10);
    buf_grew(&text, (256 << 10) - 2);
    buf_putc(&text, '"');
    f->args[0] = buf_str(&text);
    f->call.json_count = 1;
    holds(f, "assert(#a == 256 * 1024 - 2)");
    buf_putc(&text, ' ');
    f->args[0] = buf_str(&text);
    ends(f, "return 1", LUA_FAILED, "at most 262144");
    for (int depth = 32; depth <= 33; depth++) {
        buf_clear(&text);
        for (int i = 0; i < depth; i++)
            buf_putc(&text, '[');
        buf_putc(&text, '1');
        for (int i = 0; i < depth; i++)
            buf_putc(&text, ']');
        f->args[0] = buf_str(&text);
        assert_int_equal(run(f, "for i = 1, 32 do a = a[1] end assert(a == 1)"),
                         depth == 32 ? LUA_DONE : LUA_FAILED);
    }
    buf_free(&text);
}

/* Texts need not be followed by anything readable. */
static void an_argument_ends_where_it_ends(void **state)
{
    struct fixture *f = *state;
    char *exact = mem_alloc(4);

    memcpy(exact, "1234", 4);
    f->args[0] = (struct str){exact, 4};
    f->call.json_count = 1;
    returns(f, "return a", "1234");
    free(exact);
}

/* What policies in a row look at: the first argument once, the second one as it grows. */
static void shared_arguments_are_made_once(void **state)
{
    struct fixture *f = *state;

    f->call.shared = 7;
    give(f, "{\"a\":1}", "{}");
    holds(f, "assert(a.a == 1 and b.x == nil) a.mine = 1");
    give(f, "{\"a\":2}", "{\"x\":{\"y\":[1]}}");
    holds(f, "assert(a.a == 1 and a.mine == 1 and b.x.y[1] == 1)");
    give(f, "{\"a\":2}", "{\"x\":{\"y\":[1]},\"z\":null,\"w\":\"t\"}");
    holds(f, "assert(b.x.y[1] == 1 and b.w == 't' and b.z == nil)");
    holds(f, "assert(b.w == 't') b.w = nil");
    holds(f, "assert(b.w == nil)");
    f->call.shared = 8;
    holds(f, "assert(a.a == 2 and a.mine == nil and b.w == 't')");
    f->call.shared = 0;
    holds(f, "assert(a.a == 2) a.a = 3");
    holds(f, "assert(a.a == 2)");
}

static void shared_arguments_survive_what_goes_wrong(void **state)
{
    struct fixture *f = *state;

    f->call.shared = 7;
    give(f, "{}", "{\"x\":1}");
    holds(f, "assert(b.x == 1)");
    give(f, "{}", "{\"x\":1,\"y\":}");
    ends(f, "return 1", LUA_FAILED, "");
    give(f, "{}", "{\"x\":1,\"y\":2}");
    ends(f, "error('mine')", LUA_FAILED, "mine");
    holds(f, "assert(b.x == 1 and b.y == 2)");
    f->call.shared = 9;
    give(f, "nope", "{}");
    ends(f, "return 1", LUA_FAILED, "");
    give(f, "{\"a\":1}", "");
    holds(f, "assert(a.a == 1 and b == nil)");
    give(f, "{\"a\":1}", "{\"x\":1}");
    holds(f, "assert(b.x == 1)");
}

/* ---- results ---- */

static void tables_become_json_with_sorted_names(void **state)
{
    struct fixture *f = *state;

    give(f, threat, NULL);
    returns(f,
            "return { severity = 'HIGH', parts = { { name = 'x', value = 1 }, { value = -2.5 } }, b = true }",
            "{\"b\":true,\"parts\":[{\"name\":\"x\",\"value\":1},{\"value\":-2.5}],\"severity\":\"HIGH\"}");
    returns(f, "return {}", "{}");
    returns(f, "return { {}, { {} } }", "[{},[{}]]");
    returns(f, "return { json.null, 2 }", "[null,2]");
    returns(f, "return { ['a.b'] = json.null, [''] = 'q\"\\n\\0' }",
            "{\"\":\"q\\\"\\n\\u0000\",\"a.b\":null}");
    returns(f, "return a.rule", "{\"id\":\"identity.mfa\",\"version\":3}");
    returns(f, "return a.entities", "[\"user.name:ana\",\"host.name:dc1\"]");
    returns(f, "return math.mininteger", "-9223372036854775808");
    returns(f, "return 'text'", "\"text\"");
    returns(f, "return false", "false");
    returns(f, "return 0.1", "0.1");
    returns(f, "return 'bad \\xff'", "\"bad \xEF\xBF\xBD\"");
    returns(f, "return 1, 2", "1");
}

/* Few names and many take different ways. */
static void names_are_sorted_however_many_there_are(void **state)
{
    struct fixture *f = *state;
    struct buf expected = BUF_EMPTY;
    char body[256];

    for (int count = 1; count <= 60; count++) {
        buf_clear(&expected);
        buf_putc(&expected, '{');
        for (int i = 0; i < count; i++)
            buf_printf(&expected, "%s\"k%02d\":{\"a\":%d,\"b\":{}}", i > 0 ? "," : "", i, i);
        buf_putc(&expected, '}');
        snprintf(body, sizeof body,
                 "local t = {} for i = %d, 0, -1 do t[('k%%02d'):format(i)] = { b = {}, a = i } end return t",
                 count - 1);
        returns(f, body, expected.ptr);
    }
    buf_free(&expected);
}

static void nothing_is_nil(void **state)
{
    struct fixture *f = *state;

    holds(f, "return nil");
    assert_true(f->result.is_nil);
    assert_int_equal(f->result.text.len, 0);
    holds(f, "return");
    assert_true(f->result.is_nil);
    holds(f, "return json.null");
    assert_true(f->result.is_nil);
    holds(f, "return false");
    assert_false(f->result.is_nil);
}

static void what_json_lacks_is_a_wrong_type_with_its_place(void **state)
{
    static const struct {
        const char *body, *message;
    } cases[] = {
        {"return print", "returned a function has no JSON form"},
        {"return { claims = { {}, { evidence = print } } }", "claims[2].evidence: a function has no JSON"},
        {"return { x = list 'assets' }", "x: a userdata has no JSON form"},
        {"return { a = { 1, 1/0 } }", "a[2]: JSON has no infinity and no NaN"},
        {"return { a = { b = 0/0 } }", "a.b: JSON has no infinity and no NaN"},
        {"return { a = { 1, x = 2 } }", "a: a table with both names and positions"},
        {"return { [2] = 1 }", "numbered from something else than 1"},
        {"return { 1, nil, 3 }", "a list with holes"},
        {"return { [1.5] = 1 }", "numbered from something else than 1"},
        {"return { [0] = 1 }", "numbered from something else than 1"},
        {"return { [true] = 1 }", "a key that is a boolean"},
        {"return { [{}] = 1 }", "a key that is a table"},
        {"return { [json.null] = 1 }", "a key that is a userdata"},
        {"local t = {} t.t = t return t", "t.t.t.t.t.t.t.t.t.t.t.t.t.t.t.t: tables nested deeper than 16"},
        {"return { ['a\\nb'] = print }", "a b: a function"},
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        ends(*state, cases[i].body, LUA_WRONG_TYPE, cases[i].message);
}

static void results_have_limits(void **state)
{
    struct fixture *f = *state;

    returns(f, "local t = {} for i = 1, 15 do t = { t } end return t", "[[[[[[[[[[[[[[[{}]]]]]]]]]]]]]]]");
    ends(f, "local t = {} for i = 1, 16 do t = { t } end return t", LUA_WRONG_TYPE, "deeper than 16");
    holds(f, "return ('x'):rep(256 * 1024 - 2)");
    assert_int_equal(f->result.text.len, 256 << 10);
    ends(f, "return ('x'):rep(256 * 1024 - 1)", LUA_WRONG_TYPE, "more than 262144 bytes");
    ends(f, "return { a = ('x'):rep(300 * 1024) }", LUA_WRONG_TYPE, "a: a text of 307200 bytes");
    holds(f, "local t = {} for i = 1, 131071 do t[i] = 1 end return t");
    assert_int_equal(f->result.text.len, 2 * 131071 + 1);
    ends(f, "local t = {} for i = 1, 131073 do t[i] = 1 end return t", LUA_WRONG_TYPE, "too many entries");
    holds(f, "local t = {} for i = 1, 10000 do t['k' .. i] = 1 end return t");
    ends(f, "local t = {} for i = 1, 10001 do t['k' .. i] = 1 end return t", LUA_WRONG_TYPE,
         "too many entries");
}

static void hostile_metatables_are_not_asked(void **state)
{
    struct fixture *f = *state;

    returns(f,
            "local function never() while true do end end\n"
            "return setmetatable({ a = 1 }, { __index = never, __pairs = never, __len = never, __tostring = "
            "never, __name = 'x', __eq = never })",
            "{\"a\":1}");
    returns(f, "return setmetatable({}, { __index = { a = 1 } })", "{}");
}

/* ---- when it is ended in between ---- */

/* A threat of many values, with a budget that ends at each place of the conversion. */
static void a_call_may_be_ended_anywhere_in_the_conversion(void **state)
{
    struct fixture *f = *state;
    struct buf text = BUF_EMPTY;
    unsigned overran = 0, done = 0;

    buf_putc(&text, '{');
    for (int i = 0; i < 40; i++)
        buf_printf(&text, "%s\"k%d\":[{\"x\":\"value %d\"},%d]", i > 0 ? "," : "", i, i, i);
    buf_putc(&text, '}');
    f->args[0] = buf_str(&text);
    f->call.json_count = 1;
    f->call.function = load(f->runtime, "return { a, a.k1 }");
    for (int64_t budget = 10; budget < 100000; budget += 50) {
        f->call.budget_ns = budget;
        lua_run(f->runtime, &f->call, &f->result);
        overran += f->result.status == LUA_OVERRAN;
        done += f->result.status == LUA_DONE;
    }
    assert_int_equal(overran + done, 2000);
    assert_in_range(overran, 100, 1900);
    assert_in_range(done, 1, 1900);
    buf_free(&text);
}

static void a_conversion_that_needs_too_much_memory_is_ended(void **state)
{
    struct lua_options options = {.memory_call = 64 << 10};
    struct fixture *f = *state;
    struct buf text = BUF_EMPTY;

    lua_runtime_free(f->runtime);
    f->runtime = lua_runtime_new(&options, NULL);
    buf_puts(&text, "[0");
    for (int i = 0; i < 20000; i++)
        buf_puts(&text, ",[]");
    buf_putc(&text, ']');
    f->args[0] = buf_str(&text);
    f->call.json_count = 1;
    ends(f, "return #a", LUA_NO_MEMORY, "KiB of memory");
    give(f, "[1,2]", NULL);
    returns(f, "return #a", "2");
    buf_free(&text);
}

static void both_ways_survive_a_collection_at_each_allocation(void **state)
{
    struct fixture *f = *state;

    lua_runtime_free(f->runtime);
    f->runtime = open_runtime(LUA_TRIAGE, 1);
    give(f, threat, "[1,[2,[3]],{\"x\":{\"y\":\"z\"}}]");
    returns(f, "return b", "[1,[2,[3]],{\"x\":{\"y\":\"z\"}}]");
    returns(f, "return { a.rule, a.entities, list 'assets':get('dc1') }",
            "[{\"id\":\"identity.mfa\",\"version\":3},[\"user.name:ana\",\"host.name:dc1\"],"
            "{\"criticality\":\"high\",\"tags\":[\"pci\"]}]");
}

static void a_state_of_agents_runs_plain_calls_too(void **state)
{
    struct fixture *f = *state;

    lua_runtime_free(f->runtime);
    f->runtime = open_runtime(LUA_AGENTS, 0);
    give(f, threat, "{\"similar\":[]}");
    returns(f, "return { claims = { { text = a.id, n = #b.similar } }, confidence = 0.2 }",
            "{\"claims\":[{\"n\":0,\"text\":\"T1\"}],\"confidence\":0.2}");
    f->call.returns = LUA_RETURNS_BOOL;
    holds(f, "return a.severity == 'HIGH'");
    assert_true(f->result.truth);
    f->call.returns = LUA_RETURNS_JSON;
    ends(f, "return threats.similar(a)", LUA_FAILED, "threats.similar waits, and a callback cannot");
}

static void only_agents_know_threats_and_observations(void **state)
{
    give(*state, threat, NULL);
    ends(*state, "return threats.similar(a)", LUA_FAILED, "threats is not available to rules: only agents");
    ends(*state, "return observations.list {}", LUA_FAILED, "observations is not available to rules: only");
}

/* ---- lists ---- */

static void a_list_gives_what_it_says_of_an_entry(void **state)
{
    struct fixture *f = *state;

    returns(f, "return list 'assets':get('dc1')", "{\"criticality\":\"high\",\"tags\":[\"pci\"]}");
    returns(f, "return list 'assets':get('bare')", "{}");
    holds(f, "return list 'assets':get('other')");
    assert_true(f->result.is_nil);
    returns(f, "return list 'assets':get(443).criticality", "\"high\"");
    returns(f, "return list 'assets':get({ 'other', 'bare', 'dc1' })", "{}");
    returns(f,
            "return { list 'assets':get(nil) == nil, list 'assets':get(json.null) == nil, "
            "list 'assets':get({}) == nil, list 'assets':get(true) == nil }",
            "[true,true,true,true]");
    returns(f,
            "local x = list 'assets':get('dc1') x.criticality = 'low' x.tags[1] = 'changed'\n"
            "return list 'assets':get('dc1')",
            "{\"criticality\":\"high\",\"tags\":[\"pci\"]}");
}

static void a_list_that_is_not_there_raises(void **state)
{
    struct fixture *f = *state;

    ends(f, "return list 'nope':get('x')", LUA_FAILED, "list \"nope\": there is no such list");
    ends(f, "return list 'assets'.get('x')", LUA_FAILED, "get belongs to a list");
    ends(f, "return list 'assets':get('broken')", LUA_FAILED, "");
    assert_true(f->result.error[0] != '\0');
}

/* ---- how fast ---- */

static int64_t cpu_now(void)
{
    struct timespec now;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return now.tv_sec * NS_PER_S + now.tv_nsec;
}

/* Printed, not asserted tightly: a threat of 2 KiB is meant to take less than 20 us. */
static void a_threat_of_2_kib_is_quick(void **state)
{
    struct fixture *f = *state;
    struct buf text = BUF_EMPTY;
    int64_t began, ns;

    buf_puts(&text, "{\"id\":\"T1\",\"severity\":\"HIGH\",\"evidence\":[");
    for (int i = 0; text.len < 2000; i++)
        buf_printf(&text,
                   "%s{\"id\":\"E%d\",\"time\":\"2024-05-01T10:00:00Z\",\"context\":{\"user.name\":\"ana\","
                   "\"source.ip\":\"10.0.0.%d\",\"count\":%d}}",
                   i > 0 ? "," : "", i, i, i);
    buf_puts(&text, "]}");
    f->args[0] = buf_str(&text);
    f->call.json_count = 1;
    f->call.function = load(f->runtime, "return true");
    began = cpu_now();
    for (int i = 0; i < 2000; i++)
        lua_run(f->runtime, &f->call, &f->result);
    ns = (cpu_now() - began) / 2000;
    assert_int_equal(f->result.status, LUA_DONE);
    print_message("a call with %zu bytes of JSON: %.1f us\n", text.len, (double)ns / 1000);
    f->call.function = load(f->runtime, "return a");
    began = cpu_now();
    for (int i = 0; i < 2000; i++) {
        lua_run(f->runtime, &f->call, &f->result);
        arena_reset(f->arena);
    }
    print_message("one that returns it: %.1f us\n", (double)(cpu_now() - began) / 2000 / 1000);
    assert_true(ns < 2 * NS_PER_MS);
    buf_free(&text);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)
    const struct CMUnitTest tests[] = {
        TEST(arguments_come_as_plain_tables),
        TEST(nulls_are_absent),
        TEST(an_argument_may_be_any_value_or_none),
        TEST(without_arguments_the_call_is_that_of_a_rule),
        TEST(what_is_not_json_fails_the_call),
        TEST(arguments_have_limits),
        TEST(an_argument_ends_where_it_ends),
        TEST(shared_arguments_are_made_once),
        TEST(shared_arguments_survive_what_goes_wrong),
        TEST(tables_become_json_with_sorted_names),
        TEST(names_are_sorted_however_many_there_are),
        TEST(nothing_is_nil),
        TEST(what_json_lacks_is_a_wrong_type_with_its_place),
        TEST(results_have_limits),
        TEST(hostile_metatables_are_not_asked),
        TEST(a_call_may_be_ended_anywhere_in_the_conversion),
        TEST(a_conversion_that_needs_too_much_memory_is_ended),
        TEST(both_ways_survive_a_collection_at_each_allocation),
        TEST(a_state_of_agents_runs_plain_calls_too),
        TEST(only_agents_know_threats_and_observations),
        TEST(a_list_gives_what_it_says_of_an_entry),
        TEST(a_list_that_is_not_there_raises),
        TEST(a_threat_of_2_kib_is_quick),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
