/* The kill hook armed at any moment: a timer's signal calls lua_runtime_overdue every few hundred
 * microseconds, while scripts allocate, sort, raise, match and close. However a call ends, the state must be
 * whole. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>

#include <cmocka.h>

#include "base/buf.h"
#include "lua/runtime.h"

#define ROUNDS 4000

static const char *const scripts[] = {
    "while true do end",
    "local t = {} for i = 1, 2000 do t[i] = { i, tostring(i) } end return #t",
    "local s = '' for i = 1, 300 do s = s .. i end return s:upper():gsub('%d', function(d) return d + 1 end)",
    "local t = {} for i = 1, 300 do t[i] = i * 7 % 301 end table.sort(t, function(a, b) return a < b end)",
    "for i = 1, 200 do pcall(error, { i }) pcall(string.rep) end",
    "for i = 1, 200 do xpcall(function() error('x' .. i) end, function(m) return m end) end",
    "for i = 1, 300 do local x <close> = setmetatable({}, { __close = function() return i end }) end",
    "local function f(n) local x <close> = setmetatable({}, { __close = print }) return n > 0 and f(n - 1) "
    "end f(100)",
    "local o = setmetatable({}, { __index = function(_, k) return k .. k end }) for i = 1, 500 do local _ = "
    "o['k' .. i] end",
    "for i = 1, 30 do json.decode(json.encode { a = { 1, 2, { b = 'x' .. i } }, c = i }) end",
    "for i = 1, 50 do re.match('user' .. i .. '@example.org', '(\\\\w+)@(\\\\w+)') end",
    "local t = {} for i = 1, 400 do t['key' .. i] = i end for k, v in pairs(t) do t[k] = v + 1 end",
    "return (('a'):rep(2000)):find('.-.-b')",
    "local function f(n) if n == 0 then return 0 end return 1 + f(n - 1) end for _ = 1, 20 do f(150) end",
    "table.sort({ 3, 1, 2 }, function(a, b) pcall(error) return (('x'):gsub('x', function() return a end)) < "
    "'z' end)",
};
#define SCRIPTS (sizeof scripts / sizeof scripts[0])

static volatile sig_atomic_t signals;

static void on_signal(int number)
{
    (void)number;
    signals++;
    lua_runtime_overdue(NULL);
}

static void interrupts(int microseconds)
{
    struct itimerval every = {{0, microseconds}, {0, microseconds}};

    setitimer(ITIMER_REAL, &every, NULL);
}

static int load(struct lua_runtime *runtime, const char *body)
{
    struct buf text = BUF_EMPTY;
    struct lua_source source = {STR("x.lua"), {0}};
    struct err err = {0};
    int file;

    buf_printf(&text, "return { run = function() %s\nend }", body);
    source.text = buf_str(&text);
    file = lua_load_file(runtime, &source, NULL, NULL, &err);
    if (file < 0)
        fail_msg("%s", err_text(&err));
    buf_free(&text);
    return lua_find(runtime, file, "run");
}

/* One script in a row of its own pace, so that the signals fall on all of its moments. */
static void run_rounds(struct lua_runtime *runtime, const int *functions, unsigned ended[])
{
    struct arena *arena = arena_new(0);
    struct lua_call call = {.returns = LUA_RETURNS_NOTHING, .arena = arena, .budget_ns = 10 * NS_PER_S};
    struct lua_result result;

    for (int round = 0; round < ROUNDS; round++) {
        call.function = functions[(size_t)round % SCRIPTS];
        lua_run(runtime, &call, &result);
        if (result.status != LUA_DONE && result.status != LUA_OVERRAN)
            fail_msg("%s: %s %s", scripts[(size_t)round % SCRIPTS], lua_status_name(result.status),
                     result.error);
        ended[result.status]++;
    }
    arena_free(arena);
}

static void a_call_may_be_ended_at_any_moment(void **state)
{
    struct watchdog *dog;
    struct watchdog_slot *slot;
    struct lua_options options = {0};
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
    struct lua_runtime *runtime;
    int functions[SCRIPTS];
    unsigned ended[5] = {0};
    static const int paces[] = {137, 61, 1009, 29, 9001};

    (void)state;
#if defined(__SANITIZE_THREAD__)
    print_message("SKIPPED: TSan holds signals back\n");
    skip();
#endif
    dog = watchdog_start(NULL);
    slot = watchdog_slot_new(dog, "test", NULL, 0, lua_runtime_overdue, NULL);
    options.watchdog = slot;
    runtime = lua_runtime_new(&options, NULL);
    for (size_t i = 0; i < SCRIPTS; i++)
        functions[i] = load(runtime, scripts[i]);
    sigaction(SIGALRM, &action, NULL);
    /* Until both ends came: a fast machine wants a quick pace, a slow build a lazy one. */
    for (size_t i = 0; ended[LUA_OVERRAN] <= 100 || ended[LUA_DONE] == 0; i++) {
        interrupts(paces[i % (sizeof paces / sizeof paces[0])]);
        run_rounds(runtime, functions, ended);
        interrupts(0);
    }
    assert_true(signals > 0);
    for (int i = 0; i < 1000; i++)
        lua_runtime_idle(runtime);
    assert_in_range(lua_runtime_bytes(runtime), 0, 4 << 20);
    lua_runtime_free(runtime); /* checks that nothing is left */
    watchdog_slot_free(slot);
    watchdog_stop(dog);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_call_may_be_ended_at_any_moment)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
