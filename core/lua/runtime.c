#include <lualib.h>
#include <stdlib.h>

#include "base/json_tape.h"
#include "lua/sched.h"

#define MEMORY_STATE ((size_t)64 << 20)
#define MEMORY_CALL  ((size_t)8 << 20)

static int panic(lua_State *L)
{
    die("lua: an unprotected error: %s", lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1) : "?");
}

static int open_state(lua_State *L)
{
    lua_sandbox_open(L);
    return 0;
}

struct lua_runtime *lua_runtime_new(const struct lua_options *options, struct err *err)
{
    struct lua_runtime *runtime = mem_zalloc(1, sizeof *runtime);

    runtime->options = *options;
    if (runtime->options.memory_state == 0)
        runtime->options.memory_state = MEMORY_STATE;
    if (runtime->options.memory_call == 0)
        runtime->options.memory_call = MEMORY_CALL;
    runtime->phase = LUA_PHASE_RUN;
    runtime->memory.limit = runtime->options.memory_state;
    runtime->L = lua_newstate(lua_memory_resize, runtime);
    if (!runtime->L) {
        err_set(err, ERR_LIMIT, "no memory for a Lua state");
        pool_close(&runtime->memory.pool);
        free(runtime);
        return NULL;
    }
    lua_atpanic(runtime->L, panic);
    *(struct lua_runtime **)lua_getextraspace(runtime->L) = runtime;
    runtime->scheduler = lua_sched_new(runtime);
    if (lua_protected(runtime, open_state, NULL, err) != 0) {
        lua_runtime_free(runtime);
        return NULL;
    }
    if (options->role == LUA_TRIAGE) /* what a look makes is garbage after it */
        lua_gc(runtime->L, LUA_GCGEN, 20, 100);
    runtime->memory.stress = options->gc_stress;
    return runtime;
}

void lua_runtime_free(struct lua_runtime *runtime)
{
    if (!runtime)
        return;
    owner_check(&runtime->owner, "lua state");
    runtime->memory.unlimited = true;
    lua_sched_free(runtime->scheduler);
    lua_close(runtime->L);
    INVARIANT(runtime->memory.used == 0);
    pool_close(&runtime->memory.pool);
    lua_predicates_free(runtime->predicates);
    lua_regexes_free(runtime->regexes);
    json_tape_free(runtime->json);
    buf_free(&runtime->json_text);
    vec_free(&runtime->files);
    vec_free(&runtime->functions);
    free(runtime);
}

size_t lua_runtime_bytes(const struct lua_runtime *runtime)
{
    return runtime->memory.used;
}

void lua_runtime_idle(struct lua_runtime *runtime)
{
    owner_check(&runtime->owner, "lua state");
    lua_gc(runtime->L, LUA_GCSTEP, 100);
}

const char *lua_status_name(enum lua_status status)
{
    static const char *const names[] = {"done", "error", "timeout", "memory", "wrong_type"};

    return names[status];
}

/* ---- the host ---- */

int64_t lua_host_now(const struct lua_runtime *runtime)
{
    const struct lua_host *host = runtime->options.host;

    return clock_now(host && host->clock ? host->clock : &clock_real);
}

void lua_host_log(struct lua_runtime *runtime, const char *level, struct str message)
{
    const struct lua_host *host = runtime->options.host;

    if (!host || !host->log || runtime->log_lines == 0)
        return;
    runtime->log_lines--;
    host->log(host->context, level, message);
}
