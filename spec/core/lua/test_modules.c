/* The modules that rules may use, and that each of their functions is described in rules/types/lunette.lua.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <lua5.4/lua.h>
#include <lua5.4/lauxlib.h>
#include <lua5.4/lualib.h>

#include "base/map.h"
#include "lua/state.h"

struct fixture {
    struct lua_runtime *runtime;
    struct buf log;
};

static void log_line(void *context, const char *level, struct str message)
{
    buf_printf(&((struct fixture *)context)->log, "%s %.*s\n", level, STR_ARG(message));
}

static struct lua_host host = {.clock = &clock_real, .log = log_line};

static int start(void **state)
{
    struct fixture *f = mem_zalloc(1, sizeof *f);
    struct lua_options options = {.role = LUA_AGENTS, .host = &host}; /* agents have all names */

    host.context = f;
    f->runtime = lua_runtime_new(&options, NULL);
    *state = f;
    return f->runtime ? 0 : -1;
}

static int stop(void **state)
{
    struct fixture *f = *state;

    lua_runtime_free(f->runtime);
    buf_free(&f->log);
    free(f);
    return 0;
}

static void run(struct fixture *f, const char *body, struct lua_result *result)
{
    struct buf text = BUF_EMPTY;
    struct lua_source source = {STR("rules/x.lua"), {0}};
    struct lua_call call = {.returns = LUA_RETURNS_NOTHING, .budget_ns = NS_PER_S};
    struct err err = {0};
    int file;

    buf_printf(
        &text,
        "local function fails(f, part, ...)\n"
        "  local ok, e = pcall(f, ...)\n"
        "  assert(not ok and e:find(part, 1, true), e)\n"
        "end\n"
        "local function refused(value, why) assert(value == nil and type(why) == 'string', value) end\n"
        "return { run = function() %s\nend }",
        body);
    source.text = buf_str(&text);
    file = lua_load_file(f->runtime, &source, NULL, NULL, &err);
    if (file < 0)
        fail_msg("%s: %s", body, err_text(&err));
    buf_free(&text);
    call.function = lua_find(f->runtime, file, "run");
    lua_run(f->runtime, &call, result);
}

static void holds(void **state, const char *body)
{
    struct lua_result result;

    run(*state, body, &result);
    if (result.status != LUA_DONE)
        fail_msg("%s\n%s %s", body, lua_status_name(result.status), result.error);
}

static void ip_knows_addresses_and_networks(void **state)
{
    holds(state,
          "assert(ip.version('10.0.0.1') == 4 and ip.version('2001:db8::1') == 6)\n"
          "assert(ip.version('10.0.0') == nil and ip.version('') == nil and ip.version(nil) == nil)\n"
          "assert(ip.version('10.0.0.1\\0') == nil and ip.version('::ffff:10.0.0.1') == 4)\n"
          "assert(ip.parse('2001:DB8:0:0::1') == '2001:db8::1' and ip.parse('::ffff:1.2.3.4') == '1.2.3.4')\n"
          "refused(ip.parse('1.2.3.256'))");
    holds(state,
          "assert(ip.in_cidr('10.1.2.3', '10.0.0.0/8') and not ip.in_cidr('11.1.2.3', '10.0.0.0/8'))\n"
          "assert(ip.in_cidr('10.1.2.3', '10.1.2.3') and ip.in_cidr('1.2.3.4', '0.0.0.0/0'))\n"
          "assert(ip.in_cidr('10.1.2.255', '10.1.2.128/25') and not ip.in_cidr('10.1.2.127', "
          "'10.1.2.128/25'))\n"
          "assert(ip.in_cidr('2001:db8:1::5', '2001:db8::/32') and not ip.in_cidr('10.0.0.1', '::/0'))\n"
          "assert(ip.in_cidr('::ffff:10.0.0.1', '10.0.0.0/8') and ip.in_cidr('10.0.0.1', "
          "'::ffff:10.0.0.0/104'))\n"
          "assert(ip.in_cidr('10.0.0.1', { '192.168.0.0/16', '10.0.0.0/8' }))\n"
          "assert(not ip.in_cidr('nonsense', '10.0.0.0/8') and not ip.in_cidr(nil, '10.0.0.0/8'))\n"
          "for _, bad in ipairs { '10.0.0.0/33', '10.0.0.0/', '10.0.0.0/x', '10/8', '::1/129', '' } do\n"
          "  fails(ip.in_cidr, 'is no network', '10.0.0.1', bad)\n"
          "end\n"
          "fails(ip.in_cidr, 'a network is text', '10.0.0.1', { 5 })");
    holds(state, "for _, a in ipairs { '10.0.0.1', '172.31.0.1', '192.168.1.1', '127.0.0.1', '169.254.1.1',\n"
                 "  '100.64.0.1', '::1', 'fe80::1', 'fd00::1', '::ffff:10.0.0.1' } do "
                 "assert(ip.is_private(a), a) end\n"
                 "for _, a in ipairs { '8.8.8.8', '172.32.0.1', '2001:db8::1', 'x' } do assert(not "
                 "ip.is_private(a), a) end");
}

static void re_searches_with_a_step_budget(void **state)
{
    holds(state, "assert(re.test('PowerShell -Enc', 'powershell', 'i') and not re.test('abc', 'B'))\n"
                 "local user, host = re.match('ana@example.org', '^(\\\\w+)@([\\\\w.]+)$')\n"
                 "assert(user == 'ana' and host == 'example.org')\n"
                 "assert(re.match('abc', 'b') == 'b' and re.match('abc', 'x') == nil)\n"
                 "local a, b = re.match('ac', '(a)|(b)')\n"
                 "assert(a == 'a' and b == nil)\n"
                 "local from, to, group = re.find('xxabyy', '(a)b')\n"
                 "assert(from == 3 and to == 4 and group == 'a' and re.find('x', 'y') == nil)\n"
                 "assert(re.test('a\\nb', '^b$', 'm') and re.test('a\\nb', 'a.b', 's') and not "
                 "re.test('a\\nb', 'a.b'))\n"
                 "fails(re.test, 'unknown flag', 'x', 'x', 'q')\n"
                 "fails(re.test, 'texts of more than 256 KiB', ('x'):rep(300000), 'x')\n"
                 "for i = 1, 600 do assert(re.test('n' .. i, '^n' .. i .. '$')) end");
}

static void json_goes_both_ways(void **state)
{
    holds(state, "local v = json.decode('{\"a\":[1,2.5,\"x\",true,null],\"b\":{\"c\":9007199254740993}}')\n"
                 "assert(#v.a == 5 and v.a[2] == 2.5 and v.a[4] == true and v.a[5] == json.null)\n"
                 "assert(v.b.c == 9007199254740993 and math.type(v.b.c) == 'integer')\n"
                 "assert(json.decode('5') == 5 and json.decode('\"\\\\u00e9\"') == '\\u{e9}')\n"
                 "refused(json.decode('{')) refused(json.decode('')) refused(json.decode('{\"a\":1}x'))\n"
                 "refused(json.decode('\"' .. ('x'):rep(300000) .. '\"'))");
    holds(state, "assert(json.encode { b = 1, a = { 1, 'x', false, json.null }, c = {} }\n"
                 "  == '{\"a\":[1,\"x\",false,null],\"b\":1,\"c\":{}}')\n"
                 "assert(json.encode(nil) == 'null' and json.encode('\"\\n') == '\"\\\\\"\\\\n\"' and "
                 "json.encode(1.5) == '1.5')\n"
                 "assert(json.encode(json.decode('[1,[2,[3]]]')) == '[1,[2,[3]]]')\n"
                 "fails(json.encode, 'no JSON form', print)\n"
                 "fails(json.encode, 'no infinity', 1/0)\n"
                 "fails(json.encode, 'names or positions', { 1, x = 2 })\n"
                 "fails(json.encode, 'beyond 256 KiB', ('x'):rep(300000))");
}

static void base64_hash_and_url_turn_text_into_text(void **state)
{
    holds(state,
          "for _, c in ipairs { { '', '' }, { 'f', 'Zg==' }, { 'fo', 'Zm8=' }, { 'foo', 'Zm9v' }, { "
          "'foobar', 'Zm9vYmFy' },\n"
          "  { '\\0\\xff\\xfe', 'AP/+' } } do\n"
          "  assert(base64.encode(c[1]) == c[2] and base64.decode(c[2]) == c[1], c[2])\n"
          "end\n"
          "assert(base64.decode('AP_-') == '\\0\\xff\\xfe' and base64.decode('Zm 9v\\nYg') == 'foob')\n"
          "refused(base64.decode('Zm9v!')) refused(base64.decode('Z')) refused(base64.decode('\\0AAA'))");
    holds(state,
          "assert(hash.sha256('abc') == 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad')\n"
          "assert(hash.hmac_sha256('key', 'The quick brown fox jumps over the lazy dog')\n"
          "  == 'f7bc83f430538424b13298e6aa6fb143ef4d59a14946175997479dbc2d1a3cd8')");
    holds(
        state,
        "local u = url.parse('https://ana:pw@example.org:8443/a/b?q=1&r=%20#top')\n"
        "assert(u.scheme == 'https' and u.user == 'ana:pw' and u.host == 'example.org' and u.port == 8443)\n"
        "assert(u.path == '/a/b' and u.query == 'q=1&r=%20' and u.fragment == 'top')\n"
        "local v = url.parse('http://[2001:db8::1]:80')\n"
        "assert(v.host == '2001:db8::1' and v.port == 80 and v.path == '' and v.query == nil)\n"
        "assert(url.parse('http://[::1]/x').host == '::1' and url.parse('http://a?b').query == 'b')\n"
        "refused(url.parse('example.org/x')) refused(url.parse('http://a:port/')) refused(url.parse(''))\n"
        "assert(url.escape('a b&\\xff~') == 'a%20b%26%FF~' and url.unescape('a%20b%2') == 'a b%2')\n"
        "assert(url.unescape('%41%zz%4') == 'A%zz%4')");
}

static void time_is_in_seconds(void **state)
{
    holds(state,
          "assert(time.parse('2026-01-02T03:04:05.5Z') == 1767323045.5)\n"
          "assert(time.parse('1767323045', 'unix') == 1767323045)\n"
          "assert(time.format(1767323045.25) == '2026-01-02T03:04:05.250Z')\n"
          "assert(time.format(time.parse('1960-01-01T00:00:00Z')) == '1960-01-01T00:00:00.000Z')\n"
          "assert(time.duration('1h30m') == 5400 and time.duration('500ms') == 0.5 and time.now() > 1.7e9)\n"
          "refused(time.parse('yesterday')) refused(time.duration('soon'))\n"
          "fails(time.parse, 'no format', '1', 'roman')\n"
          "fails(time.format, 'between the years', 1e300)\n"
          "fails(time.format, 'between the years', 0/0)");
}

static void log_lines_reach_the_host(void **state)
{
    struct fixture *f = *state;

    holds(state, "log.debug('a') log.info(1) log.warn(nil) log.error({}) print('x', 2, nil)");
    buf_putc(&f->log, '\0');
    assert_string_equal(f->log.ptr, "debug a\ninfo 1\nwarn nil\nerror table\ninfo x\t2\tnil\n");
    buf_clear(&f->log);
    holds(state, "log.info(('x'):rep(5000)) print(('y'):rep(5000), 'z') for i = 1, 100 do log.info(i) end");
    assert_in_range(f->log.len, 2000, 2200);
}

/* ---- the descriptions ---- */

static char *read_types(void)
{
    FILE *file = fopen(LUNETTE_SOURCE_DIR "/rules/types/lunette.lua", "rb");
    struct buf text = BUF_EMPTY;
    size_t got;

    assert_non_null(file);
    while ((got = fread(buf_reserve(&text, 4096), 1, 4096, file)) > 0)
        buf_grew(&text, got);
    fclose(file);
    buf_putc(&text, '\0');
    return text.ptr;
}

/* "function ip.parse(…" and "json.null = nil" describe; "ip = {}" only opens. */
static struct map *described(void)
{
    char *text = read_types(), *save = NULL;
    struct map *names = map_new();

    for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
        char *end = strncmp(line, "function ", 9) == 0 ? strchr(line, '(') : strstr(line, " = nil");
        char *name = strncmp(line, "function ", 9) == 0 ? line + 9 : line;
        if (end && strncmp(line, "--", 2) != 0)
            map_put(names, (struct str){name, (size_t)(end - name)}, names);
    }
    free(text);
    return names;
}

struct listing {
    struct map *names;
    lua_State *stock;
};

static void list_members(lua_State *L, struct map *names, const char *module)
{
    lua_frozen_target(L, -1);
    for (lua_pushnil(L); lua_next(L, -2); lua_pop(L, 1)) {
        char name[64];
        snprintf(name, sizeof name, "%s.%s", module, lua_tostring(L, -2));
        map_put(names, str_from(name), names);
    }
}

/* All names that rules have and stock Lua has not, and those that mean something else. */
static int list_names(lua_State *L)
{
    struct listing *listing = lua_touserdata(L, 1);

    lua_sandbox_environment(L);
    lua_getmetatable(L, -1);
    lua_getfield(L, -1, "__index");
    for (lua_pushnil(L); lua_next(L, -2); lua_pop(L, 1)) {
        const char *name = lua_tostring(L, -2);
        bool own = lua_getglobal(listing->stock, name) == LUA_TNIL || strcmp(name, "print") == 0 ||
                   strcmp(name, "require") == 0;
        lua_pop(listing->stock, 1);
        if (own && lua_istable(L, -1))
            list_members(L, listing->names, name);
        else if (own)
            map_put(listing->names, str_from(name), listing->names);
    }
    return 0;
}

static struct map *existing(struct fixture *f)
{
    static const char *const methods[] = {"event:is", "list:has", "list:get", "sample:with"};
    struct listing listing = {map_new(), luaL_newstate()};

    luaL_openlibs(listing.stock);
    assert_int_equal(lua_protected(f->runtime, list_names, &listing, NULL), 0);
    lua_close(listing.stock);
    for (const char *const *word = lua_dsl_names; *word; word++)
        map_put(listing.names, str_from(*word), listing.names);
    for (size_t i = 0; i < sizeof methods / sizeof methods[0]; i++)
        map_put(listing.names, str_from(methods[i]), listing.names);
    return listing.names;
}

static size_t missing(const struct map *from, const struct map *in, const char *what)
{
    struct str name;
    void *value;
    size_t at = 0, count = 0;

    while (map_next(from, &at, &name, &value))
        if (!map_get(in, name)) {
            print_error("%.*s %s\n", STR_ARG(name), what);
            count++;
        }
    return count;
}

static void every_function_has_its_description_and_the_reverse(void **state)
{
    struct map *have = existing(*state), *told = described();

    assert_in_range(map_count(have), 30, 200);
    assert_int_equal(missing(have, told, "has no description in rules/types/lunette.lua"), 0);
    assert_int_equal(missing(told, have, "is described in rules/types/lunette.lua but does not exist"), 0);
    map_free(have, NULL);
    map_free(told, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(ip_knows_addresses_and_networks, start, stop),
        cmocka_unit_test_setup_teardown(re_searches_with_a_step_budget, start, stop),
        cmocka_unit_test_setup_teardown(json_goes_both_ways, start, stop),
        cmocka_unit_test_setup_teardown(base64_hash_and_url_turn_text_into_text, start, stop),
        cmocka_unit_test_setup_teardown(time_is_in_seconds, start, stop),
        cmocka_unit_test_setup_teardown(log_lines_reach_the_host, start, stop),
        cmocka_unit_test_setup_teardown(every_function_has_its_description_and_the_reverse, start, stop),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
