/* Loading a file: compile, run in the load phase, keep what it returned. And require. */
#include <stdio.h>

#include "lua/sched.h"
#include "lua/scan.h"
#include "lua/value.h"

#define LOAD_BUDGET_NS (500 * NS_PER_MS)
#define SOURCE_MAX     ((size_t)256 << 10)

static const char
    modules_key; /* registry: name -> what it returned, or the number of the run that loads it */

struct load {
    const struct lua_source *source;
    struct arena *arena;
    const struct lua_scan *scan;
    struct lval **value;
    struct err *err;
    bool failed; /* err is filled, not by an error of Lua */
    int reference;
};

/* Compiles the text as a chunk of the rules' environment. `path` becomes its name in messages. */
LUA_RAISES static void compile(lua_State *L, struct str path, struct str text)
{
    const char *name = lua_pushfstring(L, "@%s", lua_pushlstring(L, path.ptr, path.len));

    if (text.len > SOURCE_MAX)
        luaL_error(L, "%s:1: the file is larger than %d KiB", name + 1, (int)(SOURCE_MAX >> 10));
    if (luaL_loadbufferx(L, text.ptr, text.len, name, "t") != LUA_OK)
        lua_error(L);
    lua_sandbox_environment(L);
    lua_setupvalue(L, -2, 1);
    lua_replace(L, -3);
    lua_pop(L, 1);
}

/* The file's first result is at 2. */
static int file_returned(lua_State *L, int status, lua_KContext context)
{
    struct load *load = (struct load *)context;

    (void)status;
    lua_settop(L, 2);
    if (!lua_istable(L, 2)) {
        err_set(load->err, ERR_INVALID,
                "the file returns %s; it must end with `return rule { … }` or the like",
                lua_isnil(L, 2) ? "nothing" : luaL_typename(L, 2));
        load->failed = true;
        return 0;
    }
    if (load->value) {
        *load->value = lua_convert(L, load->arena, load->scan, load->source->path, load->err);
        load->failed = *load->value == NULL;
    }
    if (!load->failed)
        load->reference = luaL_ref(L, LUA_REGISTRYINDEX);
    return 0;
}

static int load_file(lua_State *L)
{
    struct load *load = lua_touserdata(L, 1);

    compile(L, load->source->path, load->source->text);
    lua_callk(L, 0, 1, (lua_KContext)load, file_returned);
    return file_returned(L, LUA_OK, (lua_KContext)load);
}

/* Lua puts "path:line: " in front of messages, the path cut to 59 bytes. Moves it to err.where, whole. */
static int take_place(struct str path, const char *message, struct err *err)
{
    const char *colon = strstr(message, ": ");
    struct str shown = path;
    bool cut = str_starts(str_from(message), STR("..."));
    unsigned line;
    char end;

    if (cut && path.len > 56)
        shown = (struct str){path.ptr + path.len - 56, 56};
    if (cut)
        message += 3;
    if (!colon || !str_starts(str_from(message), shown) ||
        /* NOLINTNEXTLINE(cert-err34-c): Lua counts lines with an int */
        sscanf(message + shown.len, ":%u%c", &line, &end) != 2 || end != ':')
        return err_set(err, ERR_INVALID, "%s", cut ? message - 3 : message);
    err_set(err, ERR_INVALID, "%s", colon + 2);
    return err_at(err, "%.*s:%u", STR_ARG(path), line);
}

static int report(const struct load *load, const struct lua_outcome *outcome, struct err *err)
{
    if (load->failed)
        return err_at(err, "%.*s", STR_ARG(load->source->path));
    if (outcome->status == LUA_FAILED)
        take_place(load->source->path, outcome->error, err);
    else
        err_set(err, ERR_LIMIT, "%s while loading", outcome->error);
    return err_at(err, "%.*s", STR_ARG(load->source->path));
}

static int run_load(struct lua_runtime *runtime, struct load *load, struct err *err)
{
    struct lua_sched_task *task = lua_sched_acquire(runtime->scheduler);
    struct lua_outcome outcome;

    if (!task)
        return err_set(err, ERR_LIMIT, "the state has no memory left");
    task->budget_ns = task->left_ns = LOAD_BUDGET_NS;
    runtime->phase = LUA_PHASE_LOAD;
    runtime->log_lines = 100;
    lua_sched_run(task, load_file, load, &outcome);
    runtime->phase = LUA_PHASE_RUN;
    if (outcome.status != LUA_DONE || load->failed)
        return report(load, &outcome, err);
    return 0;
}

int lua_load_file(struct lua_runtime *runtime, const struct lua_source *source, struct arena *arena,
                  struct lval **value, struct err *err)
{
    struct err own = {0};
    struct load load = {
        .source = source, .arena = arena, .value = value, .err = &own, .reference = LUA_NOREF};

    owner_check(&runtime->owner, "lua state");
    if (value)
        load.scan = lua_scan_new(arena, source->text, NULL); /* NULL: then Lua will say what is wrong */
    if (run_load(runtime, &load, &own) != 0) {
        if (err)
            *err = own;
        return -1;
    }
    vec_push(&runtime->files, load.reference);
    return (int)runtime->files.count - 1;
}

/* ---- lua_find ---- */

struct find {
    int value, reference;
    const char *key;
};

static int find_function(lua_State *L)
{
    struct find *find = lua_touserdata(L, 1);

    lua_rawgeti(L, LUA_REGISTRYINDEX, find->value);
    lua_pushstring(L, find->key);
    if (lua_rawget(L, -2) == LUA_TFUNCTION)
        find->reference = luaL_ref(L, LUA_REGISTRYINDEX);
    return 0;
}

int lua_find(struct lua_runtime *runtime, int file, const char *key)
{
    struct find find = {.reference = LUA_NOREF, .key = key};

    owner_check(&runtime->owner, "lua state");
    INVARIANT(file >= 0 && (size_t)file < runtime->files.count);
    find.value = runtime->files.items[file];
    if (lua_protected(runtime, find_function, &find, NULL) != 0 || find.reference == LUA_NOREF)
        return -1;
    vec_push(&runtime->functions, find.reference);
    return (int)runtime->functions.count - 1;
}

void lua_forget_file(struct lua_runtime *runtime, int file)
{
    owner_check(&runtime->owner, "lua state");
    INVARIANT(file >= 0 && (size_t)file < runtime->files.count);
    luaL_unref(runtime->L, LUA_REGISTRYINDEX, runtime->files.items[file]);
    runtime->files.items[file] = LUA_NOREF;
}

/* ---- require ---- */

LUA_RAISES static void push_modules(lua_State *L)
{
    if (lua_rawgetp(L, LUA_REGISTRYINDEX, &modules_key) == LUA_TTABLE)
        return;
    lua_pop(L, 1);
    lua_newtable(L);
    lua_pushvalue(L, -1);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &modules_key);
}

/* name at 1, modules at 2, the module's result at 3. */
static int module_returned(lua_State *L, int status, lua_KContext context)
{
    (void)status;
    (void)context;
    if (!lua_istable(L, 3) && !lua_isfunction(L, 3))
        return luaL_error(L, "module \"%s\" must return a table or a function", lua_tostring(L, 1));
    lua_freeze_deep(L, lua_tostring(L, 1));
    lua_pushvalue(L, 1);
    lua_pushvalue(L, 3);
    lua_rawset(L, 2);
    return 1;
}

int lua_require(lua_State *L)
{
    struct lua_runtime *runtime = lua_runtime_of(L);
    const struct lua_host *host = runtime->options.host;
    struct str name = lua_arg_str(L, 1), path, text;

    lua_settop(L, 1);
    push_modules(L);
    lua_pushvalue(L, 1);
    lua_rawget(L, 2);
    if (lua_type(L, -1) == LUA_TNUMBER && lua_tointeger(L, -1) == (lua_Integer)runtime->runs)
        return luaL_error(
            L, "module \"%s\" requires itself, directly or through others, or failed just before", name.ptr);
    if (lua_type(L, -1) != LUA_TNUMBER && !lua_isnil(L, -1))
        return 1;
    lua_settop(L, 2);
    if (!host || !host->module || !host->module(host->context, name, &path, &text))
        return luaL_error(L, "no module \"%s\" below the rule roots", name.ptr);
    lua_pushvalue(L, 1);
    lua_pushinteger(L, (lua_Integer)runtime->runs);
    lua_rawset(L, 2);
    compile(L, path, text);
    lua_callk(L, 0, 1, 0, module_returned);
    return module_returned(L, LUA_OK, 0);
}
