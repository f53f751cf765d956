/* Runs every file of spec/sandbox: as the body of a callback, with the watchdog, by instruction count, and
 * with a full collection at each allocation. A file says in its comments how it must end:
 *     -- ends: timeout within 30 ms     (or: ok, memory, error "part of the message"; alternatives with |)
 *     -- budget: 500 ms                 (CPU time; else 5 ms for what must overrun, and time enough for the
 * rest)
 *     -- returns: json                  (what it returns is read as that; else it is ignored)
 * After each, the state must still work, and when it closes no byte may be left (lua_runtime_free
 * checks that). */
#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/vec.h"
#include "lua/runtime.h"

/* ThreadSanitizer holds signals back until the thread calls into it, which a loop in Lua never does. */
#if defined(__SANITIZE_THREAD__)
#define SIGNALS_ARRIVE 0
#else
#define SIGNALS_ARRIVE 1
#endif

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SLOWNESS 20
#else
#define SLOWNESS 4
#endif

enum mode { WATCHDOG, COUNT, COLLECT };
static const char *const mode_names[] = {"watchdog", "count", "collect"};

struct script {
    char *name;
    struct buf text;
    struct str ends;             /* alternatives */
    double within_ms, budget_ms; /* 0: default */
    enum lua_returns returns;
};
struct run {
    struct script *script;
    enum mode mode;
};

static VEC(struct script *) scripts;
static struct watchdog *dog;
static struct watchdog_slot *slot;

/* ---- the host ---- */

static unsigned log_lines;

static bool list_has(void *context, struct str name, struct str value, bool *known)
{
    (void)context;
    *known = str_is(name, "admins");
    return str_is(value, "root");
}

static bool list_get(void *context, struct str name, struct str value, struct str *json, bool *known)
{
    (void)context;
    *known = str_is(name, "admins");
    if (str_is(value, "root"))
        *json = STR("{\"criticality\":\"high\",\"tags\":[\"a\",\"b\"]}");
    return str_is(value, "root") || str_is(value, "bare");
}

static bool module(void *context, struct str name, struct str *path, struct str *text)
{
    static const char *const modules[][2] = {
        {"numbers", "return { 10, 20, 30, inner = { x = 7 }, sum = function(a, b) return a + b end }"},
        {"circle", "return require \"circle_back\""},
        {"circle_back", "return require \"circle\""},
        {"loops", "while true do end"},
        {"bytecode", "\033Lua"},
    };

    (void)context;
    for (size_t i = 0; i < sizeof modules / sizeof modules[0]; i++) {
        if (!str_is(name, modules[i][0]))
            continue;
        *path = str_from(modules[i][0]);
        *text = str_from(modules[i][1]);
        return true;
    }
    return false;
}

static void log_line(void *context, const char *level, struct str message)
{
    (void)context;
    (void)level;
    (void)message;
    log_lines++;
}

static const struct lua_host host = {
    .clock = &clock_real, .list_has = list_has, .list_get = list_get, .module = module, .log = log_line};

/* ---- running a file ---- */

static bool ends_as(struct str expected, const struct lua_result *result)
{
    static const char error[] = "error \"";

    if (str_starts(expected, STR(error))) {
        struct str part = {expected.ptr + sizeof error - 1, expected.len - sizeof error};
        char text[256];
        size_t len = 0;

        for (size_t i = 0; i < part.len && len < sizeof text - 1; i++)
            if (part.ptr[i] != '\\')
                text[len++] = part.ptr[i];
        text[len] = '\0';
        return result->status == LUA_FAILED && strstr(result->error, text);
    }
    if (str_is(expected, "ok"))
        return result->status == LUA_DONE;
    return str_is(expected, lua_status_name(result->status));
}

static bool ends_as_one(struct str alternatives, const struct lua_result *result)
{
    while (alternatives.len > 0) {
        const char *bar = memchr(alternatives.ptr, '|', alternatives.len);
        size_t len = bar ? (size_t)(bar - alternatives.ptr) : alternatives.len;

        if (ends_as((struct str){alternatives.ptr, len}, result))
            return true;
        alternatives.ptr += bar ? len + 1 : len;
        alternatives.len -= bar ? len + 1 : len;
    }
    return false;
}

static int load(struct lua_runtime *runtime, struct str name, struct str body)
{
    struct buf text = BUF_EMPTY;
    struct lua_source source = {name, {0}};
    struct err err = {0};
    int file;

    buf_printf(&text, "return { run = function(event, group) %.*s\nend }", STR_ARG(body));
    source.text = buf_str(&text);
    file = lua_load_file(runtime, &source, NULL, NULL, &err);
    if (file < 0)
        fail_msg("%s", err_text(&err));
    buf_free(&text);
    return lua_find(runtime, file, "run");
}

static void check_still_works(struct lua_runtime *runtime, struct arena *arena)
{
    struct lua_call call = {
        .returns = LUA_RETURNS_STRING, .arena = arena, .budget_ns = 100 * NS_PER_MS * SLOWNESS};
    struct lua_result result;

    call.function = load(runtime, STR("after.lua"),
                         STR("local t = {} for i = 1, 100 do t[#t + 1] = ('%d'):format(i) end\n"
                             "return string.upper('still ') .. #table.concat(t) .. tostring(pcall(error))"));
    lua_run(runtime, &call, &result);
    if (result.status != LUA_DONE || !str_is(result.text, "STILL 192false"))
        fail_msg("afterwards: %s %s <%.*s>", lua_status_name(result.status), result.error,
                 STR_ARG(result.text));
}

/* What must end by itself, however it does, has time enough on any machine. */
static int64_t budget_of(const struct script *script)
{
    bool overruns = str_starts(script->ends, STR("timeout"));

    if (script->budget_ms > 0)
        return (int64_t)(script->budget_ms * SLOWNESS * NS_PER_MS);
    return overruns ? 5 * NS_PER_MS : 50 * SLOWNESS * NS_PER_MS;
}

static void ends_as_it_says(void **state)
{
    const struct run *run = *state;
    if (run->mode == WATCHDOG && !SIGNALS_ARRIVE) {
        print_message("SKIPPED: TSan holds signals back\n");
        skip();
    }

    const struct script *script = run->script;
    struct lua_options options = {.role = LUA_DETECTION, .host = &host};
    struct lua_call call = {.returns = script->returns};
    struct lua_result result;
    struct lua_runtime *runtime;
    struct arena *arena = arena_new(0);

    options.watchdog = run->mode == WATCHDOG ? slot : NULL;
    options.gc_stress = run->mode == COLLECT ? 1 : 0;
    runtime = lua_runtime_new(&options, NULL);
    assert_non_null(runtime);
    call.arena = arena;
    call.function = load(runtime, str_from(script->name), buf_str(&script->text));
    call.budget_ns = budget_of(script);
    log_lines = 0;
    for (int again = 0; again < 2; again++) {
        lua_run(runtime, &call, &result);
        if (!ends_as_one(script->ends, &result))
            fail_msg("must end as %.*s, but: %s %s", STR_ARG(script->ends), lua_status_name(result.status),
                     result.error);
        if (run->mode == WATCHDOG && result.cpu_ns > (int64_t)(script->within_ms * SLOWNESS * NS_PER_MS))
            fail_msg("took %.1f ms of CPU time; %.0f were expected", (double)result.cpu_ns / NS_PER_MS,
                     script->within_ms);
    }
    assert_in_range(log_lines, 0, 40);
    check_still_works(runtime, arena);
    lua_runtime_free(runtime);
    arena_free(arena);
}

/* ---- reading the files ---- */

static int by_name(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

static int is_script(const struct dirent *entry)
{
    return str_ends(str_from(entry->d_name), STR(".lua"));
}

static void read_ends(struct script *script)
{
    char *ends = strstr(script->text.ptr, "\n-- ends: "), *newline, *within;
    const char *budget = strstr(script->text.ptr, "\n-- budget: ");

    if (!ends)
        die("%s: no line that begins with `-- ends: `", script->name);
    ends += strlen("\n-- ends: ");
    newline = strchr(ends, '\n');
    script->ends = (struct str){ends, (size_t)(newline - ends)};
    script->within_ms = 1000;
    script->returns = strstr(script->text.ptr, "\n-- returns: json\n") ? LUA_RETURNS_JSON
                                                                       : LUA_RETURNS_NOTHING;
    if (budget)
        script->budget_ms = strtod(budget + strlen("\n-- budget: "), NULL);
    within = memmem(ends, script->ends.len, " within ", 8);
    if (within) {
        script->within_ms = strtod(within + 8, NULL);
        script->ends.len = (size_t)(within - ends);
    }
}

static void read_script(const char *folder, const char *name)
{
    struct script *script = mem_zalloc(1, sizeof *script);
    char path[512];
    FILE *file;
    size_t got;

    snprintf(path, sizeof path, "%s/%s", folder, name);
    script->name = mem_dup(name, strlen(name));
    file = fopen(path, "rb");
    if (!file)
        die("%s: cannot be read", path);
    while ((got = fread(buf_reserve(&script->text, 4096), 1, 4096, file)) > 0)
        buf_grew(&script->text, got);
    fclose(file);
    buf_putc(&script->text, '\n');
    read_ends(script);
    vec_push(&scripts, script);
}

static void read_scripts(const char *folder)
{
    struct dirent **entries;
    int count = scandir(folder, &entries, is_script, by_name);

    if (count <= 0)
        die("%s: no files", folder);
    for (int i = 0; i < count; i++) {
        read_script(folder, entries[i]->d_name);
        free(entries[i]);
    }
    free(entries);
}

/* Collecting at each allocation makes a script that fills the memory take minutes. */
static bool fits(const struct script *script, enum mode mode)
{
    return mode != COLLECT || str_starts(script->ends, STR("ok")) || str_starts(script->ends, STR("error"));
}

static const char *test_name(const struct run *run)
{
    size_t size = strlen(run->script->name) + 16;
    char *name = mem_alloc(size);

    snprintf(name, size, "%s by %s", run->script->name, mode_names[run->mode]);
    return name;
}

int main(int argc, char **argv)
{
    VEC(struct CMUnitTest) tests = {0};
    VEC(struct run *) runs = {0};
    int failed;

    read_scripts(LUNETTE_SOURCE_DIR "/spec/sandbox");
    dog = watchdog_start(NULL);
    slot = watchdog_slot_new(dog, "test", NULL, 0, lua_runtime_overdue, NULL);
    for (size_t i = 0; i < scripts.count; i++)
        for (enum mode mode = WATCHDOG; mode <= COLLECT; mode++) {
            struct run *run;
            if (!fits(scripts.items[i], mode) || (argc > 1 && !strstr(scripts.items[i]->name, argv[1])))
                continue;
            run = mem_alloc(sizeof *run);
            *run = (struct run){scripts.items[i], mode};
            vec_push(&runs, run);
            vec_push(&tests, ((struct CMUnitTest){test_name(run), ends_as_it_says, NULL, NULL, run}));
        }
    failed = _cmocka_run_group_tests("sandbox", tests.items, tests.count, NULL, NULL);
    watchdog_slot_free(slot);
    watchdog_stop(dog);
    for (size_t i = 0; i < tests.count; i++) {
        free((void *)tests.items[i].name);
        free(runs.items[i]);
    }
    for (size_t i = 0; i < scripts.count; i++) {
        buf_free(&scripts.items[i]->text);
        free(scripts.items[i]->name);
        free(scripts.items[i]);
    }
    vec_free(&tests);
    vec_free(&runs);
    vec_free(&scripts);
    return failed;
}
