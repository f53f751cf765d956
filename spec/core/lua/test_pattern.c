/* Our patterns against the stock ones: the same scripts run in a stock Lua state and in a rules' state. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <lua5.4/lauxlib.h>
#include <lua5.4/lua.h>
#include <lua5.4/lualib.h>

#include "base/buf.h"
#include "lua/pattern.h"
#include "lua/runtime.h"

/* Calls each function on (text, pattern) and writes down all it gives, or that it raised. `quote` keeps the
 * two states' results comparable as one string. */
static const char script[] =
    "local function show(ok, ...)\n"
    "  local out = { ok and 'ok' or 'error' }\n"
    "  if not ok then\n"
    "    out[2] = (tostring((...)):gsub('^[^:]*:%d+: ', ''))\n"
    "    return table.concat(out, ',')\n"
    "  end\n"
    "  for i = 1, select('#', ...) do out[i + 1] = tostring((select(i, ...))) end\n"
    "  return table.concat(out, ',')\n"
    "end\n"
    "local function all(text, pattern, init, replacement)\n"
    "  local out = {}\n"
    "  out[#out + 1] = show(pcall(string.find, text, pattern, init))\n"
    "  out[#out + 1] = show(pcall(string.match, text, pattern, init))\n"
    "  out[#out + 1] = show(pcall(string.gsub, text, pattern, replacement))\n"
    "  out[#out + 1] = show(pcall(string.gsub, text, pattern, '<%0>', 2))\n"
    "  out[#out + 1] = show(pcall(string.gsub, text, pattern, function(a, b) return b and a .. b end))\n"
    "  out[#out + 1] = show(pcall(function()\n"
    "    local found = {}\n"
    "    for a, b in string.gmatch(text, pattern) do found[#found + 1] = tostring(a) .. '/' .. tostring(b) "
    "end\n"
    "    return table.concat(found, ';')\n"
    "  end))\n"
    "  return table.concat(out, '\\n')\n"
    "end\n";

static void add_quoted(struct buf *out, struct str text)
{
    buf_putc(out, '"');
    for (size_t i = 0; i < text.len; i++)
        buf_printf(out, "\\%03d", (unsigned char)text.ptr[i]);
    buf_putc(out, '"');
}

struct states {
    lua_State *stock;
    struct lua_runtime *ours;
    struct arena *arena;
};

static int start(void **state)
{
    struct states *s = mem_zalloc(1, sizeof *s);
    struct lua_options options = {.role = LUA_DETECTION};

    s->stock = luaL_newstate();
    luaL_openlibs(s->stock);
    s->ours = lua_runtime_new(&options, NULL);
    s->arena = arena_new(0);
    *state = s;
    return s->ours ? 0 : -1;
}

static int stop(void **state)
{
    struct states *s = *state;

    lua_close(s->stock);
    lua_runtime_free(s->ours);
    arena_free(s->arena);
    free(s);
    return 0;
}

/* What `expression` (which may call all()) gives in the two states. */
static void run_both(struct states *s, struct str expression, struct str *stock, struct str *ours)
{
    struct buf text = BUF_EMPTY;
    struct lua_source source = {STR("pattern.lua"), {0}};
    struct lua_call call = {.returns = LUA_RETURNS_STRING, .arena = s->arena, .budget_ns = 200 * NS_PER_MS};
    struct lua_result result;
    struct err err = {0};
    int file;

    buf_printf(&text, "%s return { run = function() return %.*s end }", script, STR_ARG(expression));
    source.text = buf_str(&text);
    file = lua_load_file(s->ours, &source, s->arena, NULL, &err);
    if (file < 0)
        fail_msg("%s", err_text(&err));
    call.function = lua_find(s->ours, file, "run");
    lua_run(s->ours, &call, &result);
    if (result.status != LUA_DONE)
        fail_msg("%.*s: %s", STR_ARG(expression), result.error);
    *ours = result.text;

    buf_clear(&text);
    buf_printf(&text, "%s return %.*s", script, STR_ARG(expression));
    if (luaL_dostring(s->stock, text.ptr) != LUA_OK)
        fail_msg("stock: %s", lua_tostring(s->stock, -1));
    stock->ptr = lua_tolstring(s->stock, -1, &stock->len);
    *stock = arena_dup(s->arena, *stock);
    lua_settop(s->stock, 0);
    buf_free(&text);
}

static void compare(struct states *s, struct str text, struct str pattern, int init, const char *replacement)
{
    struct buf expression = BUF_EMPTY;
    struct str stock, ours;

    buf_puts(&expression, "all(");
    add_quoted(&expression, text);
    buf_puts(&expression, ",");
    add_quoted(&expression, pattern);
    buf_printf(&expression, ",%d,", init);
    add_quoted(&expression, str_from(replacement));
    buf_puts(&expression, ")");
    run_both(s, buf_str(&expression), &stock, &ours);
    if (!str_equal(stock, ours))
        fail_msg("text <%.*s> pattern <%.*s> init %d\nstock:\n%.*s\nours:\n%.*s", STR_ARG(text),
                 STR_ARG(pattern), init, STR_ARG(stock), STR_ARG(ours));
    buf_free(&expression);
    arena_reset(s->arena);
}

/* Text, pattern, replacement. */
static const char *const pattern_cases[][3] = {
    {"hello world", "o w", "x"},
    {"hello", "l+", "%0%0"},
    {"key = value", "^(%w+)%s*=%s*(%w+)$", "%2=%1"},
    {"(a(b)c)(d)", "%b()", "-"},
    {"THE (quick) fox", "%f[%a]%a+%f[%A]", "<%0>"},
    {"abab", "(a)(b)%1%2", "%1"},
    {"abc", "()", "%1"},
    {"abc", "b()", "%1"},
    {"a.b", "%.", "%%"},
    {"x[y]z", "[]]", "!"},
    {"x^y", "[%^x]", "!"},
    {"a-z", "[a%-z]", "!"},
    {"a-z", "[a-]", "!"},
    {"", "", "x"},
    {"abc", "", "-"},
    {"abc", "^", "-"},
    {"abc", "$", "-"},
    {"a$c", "$c", "-"},
    {"aaa", "a-", "x"},
    {"aaab", "a-b", "x"},
    {"aaa", "a?", "x"},
    {"x\0y", "%z", "x"},
    {"abc", "[a", "x"},
    {"abc", "%", "x"},
    {"abc", "(a", "x"},
    {"abc", "a)", "x"},
    {"abc", "%b", "x"},
    {"abc", "%bx", "x"},
    {"abc", "%f", "x"},
    {"abc", "%fa", "x"},
    {"abc", "%1", "x"},
    {"abc", "(a)%2", "x"},
    {"abc", "(a%1)", "x"},
    {"abc", "%0", "x"},
    {"abc", "a", "%"},
    {"abc", "a", "%2"},
    {"abc", "(a)", "%2"},
    {"abc", "a", "%x"},
    {"abc", "x[", "x"},
    {"abc", "[^", "x"},
    {"abc", "[]", "x"},
    {"abc", "[%a-c]+", "x"},
    {"a\nb", ".", "%0"},
    {"AbC1_ ", "%u%l%u%d%p%s", "x"},
    {"AbC1_ ", "%U%L%U%D%P%S", "x"},
    {"ff\x80\xff", "[\x80-\xff]+", "hi"},
    {"\x01\x7f", "%c+", "x"},
    {"a b", "%g", "x"},
    {"cafe", "%x+", "x"},
    {"zz", "%X+", "x"},
    {"   trim   ", "^%s*(.-)%s*$", "%1"},
    {"2026-01-02", "(%d+)-(%d+)-(%d+)", "%3/%2/%1"},
    {"abc", "((((((((((((((((((((((((((((((((a))))))))))))))))))))))))))))))))", "x"},
    {"abc", "(((((((((((((((((((((((((((((((((a)))))))))))))))))))))))))))))))))", "x"},
};

static void known_patterns_give_what_the_stock_matcher_gives(void **state)
{
    for (size_t i = 0; i < sizeof pattern_cases / sizeof pattern_cases[0]; i++)
        for (int init = -4; init <= 5; init++)
            compare(*state, str_from(pattern_cases[i][0]), str_from(pattern_cases[i][1]), init,
                    pattern_cases[i][2]);
}

static uint64_t seed = 20260101;
static unsigned pick(unsigned below)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)(seed >> 33) % below;
}

static void random_patterns_give_what_the_stock_matcher_gives(void **state)
{
    static const char *const pieces[] = {
        "a",  "b",    "c",  ".",  "%a", "%d",   "%w", "%s",  "[ab]", "[^a]", "(",      ")",    "()",  "*",
        "+",  "-",    "?",  "^",  "$",  "%b()", "%1", "%f[", "]",    "[",    "%f[%w]", "%bab", "%",   "1",
        "%2", "[%a-", "%z", "%Z", "%%", "%(",   "a*", "b-",  "(a)",  "(b*)", "[a-c]",  "%S+",  "\\0", "%u"};
    static const char letters[] = "abcab(1) A.%";

    for (int i = 0; i < 3000; i++) {
        char text[24], pattern[64] = "";
        size_t text_len = pick(20), pattern_pieces = 1 + pick(6);

        for (size_t k = 0; k < text_len; k++)
            text[k] = letters[pick(sizeof letters)]; /* the NUL too */
        for (size_t k = 0; k < pattern_pieces; k++)
            strncat(pattern, pieces[pick(sizeof pieces / sizeof pieces[0])], 8);
        compare(*state, (struct str){text, text_len}, str_from(pattern), (int)pick(8) - 3, "[%0]");
    }
}

static const char *const other_expressions[] = {
    "string.format('%d %5d %-5d| %05d %+d %x %X %o %i', 1, 2, 3, 4, 5, 255, 255, 8, -7)",
    "string.format('%c%c %s %10s|%-10s|%.2s', 72, 105, 'text', 'right', 'left', 'cut')",
    "string.format('%f %.3f %10.2f %e %g %G %a %A', 1.5, 2.25, 3.125, 1e10, 1e-10, 1e20, 1.0, 0.5)",
    "string.format('%q %q %q %q %q', 'a\\n\"\\0' .. '1\\\\\\r\\127', 1 << 63, 42, 0.1, true)",
    "string.format('%q %q %q %q', 1/0, -1/0, 1e100, nil)",
    "string.format('%s %s %s %%', true, nil, 12.0)",
    "string.format('%s', setmetatable({}, { __tostring = function() return 'mine' end }))",
    "show(pcall(string.format, '%d', 1.5))",
    "show(pcall(string.format, '%d', '10'))",
    "show(pcall(string.format, '%y', 1))",
    "show((pcall(string.format, '%', 1)))",
    "show((pcall(string.format, '%123d', 1)))",
    "show(pcall(string.format, '%d'))",
    "show(pcall(string.format, '%5q', 'x'))",
    "show(pcall(string.format, '%10s', 'a\\0b'))",
    "show(pcall(string.format, '%q', {}))",
    "string.format('%s', ('x'):rep(300)) .. string.format('%5.1s|', 'xyz')",
    "('ab'):rep(3, ',') .. ('x'):rep(0) .. ('x'):rep(-1) .. (''):rep(100)",
    "show(pcall(string.rep))",
    "show(string.find('a.b.c', '.', 3, true)) .. show(string.find('abc', '', 10)) .. "
    "show(string.find('abc', '', 4))",
    "show(string.find('a\\0b', '\\0', 1, true)) .. show(string.find('abc', 'c', -1))",
    "show(string.gsub('hello world', '%w+', { hello = 'bye', world = false }))",
    "show(string.gsub('hello', 'l', 5)) .. show(pcall(string.gsub, 'x', 'x', true))",
    "show(pcall(string.gsub, 'x', 'x', function() return {} end))",
    "show(pcall(string.gsub, 'abc', '%w', '%9'))",
    "show(string.gsub('abc', '%w', '%0%0', 0)) .. show(string.gsub('abc', '%w', '%0%0', -1))",
    "show(string.gmatch('abc', '%w', 2)()) .. show(string.gmatch('abc', '%w', -1)()) .. "
    "show(string.gmatch('abc', '', 9)())",
    "table.concat({ 1, 2.5, 'x' }, ', ') .. table.concat({}, 'x') .. table.concat({ 1, 2, 3 }, '-', 2, "
    "3)",
    "show(pcall(table.concat, { 1, {}, 3 }))",
    "show(table.unpack({ 1, 2, nil, 4 }, 1, 4)) .. show(table.unpack({ 1, 2 }, 2)) .. "
    "show(table.unpack({}, 1, 0))",
    "table.concat(table.move({ 1, 2, 3 }, 1, 3, 2)) .. table.concat(table.move({ 1, 2, 3 }, 2, 3, 1))",
    "table.concat(table.move({ 1, 2, 3 }, 1, 3, 3, { 9, 9 }))",
    "(function() local t = { 5, 2, 8, 1 } table.sort(t) return table.concat(t, ',') end)()",
    "(function() local t = { 'b', 'a', 'c' } table.sort(t, function(a, b) return a > b end) return "
    "table.concat(t) end)()",
    "(function() local t = { 1, 2, 3 } table.insert(t, 4) table.insert(t, 1, 0) return table.concat(t) "
    ".. table.remove(t) .. table.remove(t, 1) .. table.concat(t) end)()",
    "show(pcall(table.insert, { 1 }, 5, 1)) .. show(pcall(table.insert, { 1 }, 1, 2, 3)) .. "
    "show((pcall(table.remove, { 1 }, 7)))",
    "show(table.remove({})) .. show(table.remove({}, 0)) .. show(table.remove({ 1, 2 }, 3))",
    "show((pcall(table.sort, { 1, 'x' })))",
    "show(xpcall(error, function(m) return 'handled ' .. m end, 'it', 0)) .. show(xpcall(function(...) "
    "return ... end, print, 1, 2))",
    "show(math.type(1)) .. show(#utf8.char(228, 8364)) .. show(select('#', 1, nil)) .. "
    "show(tostring(1e15))",
    "show(pcall(tostring)) .. show(pcall(error)) .. show(pcall(error, nil))",
    "show(os.time({ year = 2026, month = 1, day = 2, hour = 3 }) - os.time({ year = 2026, month = 1, day "
    "= 2, hour = 2 }))",
    "os.date('!%Y-%m-%dT%H:%M:%S %j %a %b', 1767323045) .. os.date('!*t', 0).year",
    "show(pcall(os.date, '%Q', 0))",
};

static void the_other_functions_of_string_give_what_the_stock_ones_give(void **state)
{
    struct states *s = *state;

    for (size_t i = 0; i < sizeof other_expressions / sizeof other_expressions[0]; i++) {
        struct str stock, ours;
        run_both(s, str_from(other_expressions[i]), &stock, &ours);
        if (!str_equal(stock, ours))
            fail_msg("%s\nstock: %.*s\nours:  %.*s", other_expressions[i], STR_ARG(stock), STR_ARG(ours));
        arena_reset(s->arena);
    }
}

static unsigned no_more(void *context)
{
    (void)context;
    return 0;
}

static void a_match_ends_when_its_steps_are_used_up(void **state)
{
    char text[4096];
    struct lua_pattern match = {
        .text = {text, sizeof text - 1}, .pattern = STR(".-.-.-.-.-b"), .steps = 100000, .more = no_more};

    (void)state;
    memset(text, 'a', sizeof text);
    text[sizeof text - 1] = '\0';
    assert_null(lua_pattern_at(&match, 0, 0));
    assert_true(match.stopped);
    assert_string_equal(match.error, "");

    match.steps = 100000;
    match.pattern = STR("a+");
    assert_ptr_equal(lua_pattern_at(&match, 0, 0), text + sizeof text - 1);
    assert_false(match.stopped);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(known_patterns_give_what_the_stock_matcher_gives, start, stop),
        cmocka_unit_test_setup_teardown(random_patterns_give_what_the_stock_matcher_gives, start, stop),
        cmocka_unit_test_setup_teardown(the_other_functions_of_string_give_what_the_stock_ones_give, start,
                                        stop),
        cmocka_unit_test(a_match_ends_when_its_steps_are_used_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
