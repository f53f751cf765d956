/* The only file that enters Lua: one protected call for the host's own work, one resume for what rules do. */
#include <stdio.h>

#include "lua/state.h"

/* An error object is whatever the script raised. Only strings are read; asking another for its text would run
 * the script again, outside of any protection. */
static void copy_error(lua_State *L, char *out, size_t size)
{
    size_t len = 0;
    const char *text;

    if (lua_gettop(L) == 0) {
        snprintf(out, size, "an error without a message");
        return;
    }
    if (lua_type(L, -1) != LUA_TSTRING) {
        snprintf(out, size, "an error that is not a text but a %s", lua_typename(L, lua_type(L, -1)));
        return;
    }
    text = lua_tolstring(L, -1, &len);
    if (len >= size)
        len = size - 1;
    for (size_t i = 0; i < len; i++)
        out[i] = (unsigned char)text[i] < 0x20 ? ' ' : text[i];
    out[len] = '\0';
}

int lua_protected(struct lua_runtime *runtime, lua_CFunction fn, void *arg, struct err *err)
{
    lua_State *L = runtime->L;
    int status;
    char message[512];

    lua_pushcfunction(L, fn);
    lua_pushlightuserdata(L, arg);
    status = lua_pcall(L, 1, 0, 0);
    if (status == LUA_OK)
        return 0;
    copy_error(L, message, sizeof message);
    lua_pop(L, 1);
    return err_set(err, status == LUA_ERRMEM ? ERR_LIMIT : ERR_INVALID, "%s", message);
}

struct closing {
    lua_State *co;
    bool collect;
};

/* Protected, because closing can raise for memory; in 5.4.4 such an error goes to the main thread. */
static int close_coroutine(lua_State *L)
{
    struct closing *closing = lua_touserdata(L, 1);

    lua_closethread(closing->co, L);
    if (closing->collect)
        lua_gc(L, LUA_GCCOLLECT);
    return 0;
}

/* The script's pending __close handlers run here; armed at one instruction, none gets anywhere. A call that
 * used up its memory leaves its garbage behind, which the next call must not pay for: hence the collection.
 */
static void close_failed(struct lua_runtime *runtime, lua_State *co, bool collect)
{
    struct closing closing = {co, collect};

    runtime->memory.unlimited = true;
    lua_budget_arm(runtime, LUA_KILL_CLOSING);
    lua_protected(runtime, close_coroutine, &closing, NULL);
    runtime->memory.unlimited = false;
}

static enum lua_status failure(const struct lua_runtime *runtime, int status)
{
    if (runtime->budget.kill == LUA_KILL_TIME)
        return LUA_OVERRAN;
    if (runtime->budget.kill == LUA_KILL_MEMORY || status == LUA_ERRMEM)
        return LUA_NO_MEMORY;
    return LUA_FAILED;
}

static void describe(struct lua_runtime *runtime, lua_State *co, int status, int64_t budget_ns,
                     struct lua_outcome *outcome)
{
    if (outcome->status == LUA_OVERRAN)
        snprintf(outcome->error, sizeof outcome->error, "used more than %g ms of CPU time",
                 (double)budget_ns / NS_PER_MS);
    else if (outcome->status == LUA_NO_MEMORY)
        snprintf(outcome->error, sizeof outcome->error, "used more than %zu KiB of memory",
                 runtime->options.memory_call / 1024);
    else if (status == LUA_YIELD)
        snprintf(outcome->error, sizeof outcome->error, "cannot wait here");
    else
        copy_error(co, outcome->error, sizeof outcome->error);
}

static size_t call_limit(const struct lua_runtime *runtime)
{
    size_t limit = runtime->memory.used + runtime->options.memory_call;

    /* While files load, the state fills up: only its own cap counts. */
    if (runtime->phase == LUA_PHASE_LOAD || limit > runtime->options.memory_state)
        return runtime->options.memory_state;
    return limit;
}

void lua_enter(struct lua_runtime *runtime, lua_State *co, int nargs, int64_t budget_ns,
               struct lua_outcome *outcome)
{
    int status, results = 0;

    *outcome = (struct lua_outcome){0};
    runtime->memory.limit = call_limit(runtime);
    runtime->memory.refused = false;
    lua_budget_enter(runtime, co, budget_ns);
    status = lua_resume(co, runtime->L, nargs, &results);
    if (status == LUA_OK) {
        lua_settop(co, 0);
    } else if (status == LUA_YIELD && runtime->budget.kill == LUA_KILL_NONE) {
        lua_pop(co, results);
        outcome->waiting = true;
    } else {
        outcome->status = failure(runtime, status);
        describe(runtime, co, status, budget_ns, outcome);
        close_failed(runtime, co, outcome->status == LUA_NO_MEMORY);
    }
    outcome->cpu_ns = lua_budget_leave(runtime);
    runtime->memory.limit = runtime->options.memory_state;
}
