/* threats and observations: what agents ask the host for and wait for. The shape is that of sleep. */
#include <stdlib.h>

#include "base/buf.h"
#include "lua/sched.h"

struct ask_operation {
    struct lua_operation operation; /* first */
    struct lua_handle waiter;
    const struct lua_host *host;
    const char *what;
    void *asked;
    bool asking; /* ask has not returned yet */
};

struct answer {
    const char *what;
    struct str json;
    const struct err *err;
};

static int push_answer(lua_State *L, void *arg)
{
    const struct answer *answer = arg;

    if (answer->err)
        return luaL_error(L, "%s: %s", answer->what, answer->err->message);
    lua_push_json(L, answer->json);
    return 1;
}

static void answered(void *arg, struct str json, const struct err *err)
{
    struct ask_operation *ask = arg;
    struct lua_handle waiter = ask->waiter;
    struct answer answer = {ask->what, json, err};

    INVARIANT(!ask->asking);
    free(ask);
    lua_sched_resume_checked(waiter, push_answer, &answer);
}

static void cancel(struct lua_operation *operation)
{
    struct ask_operation *ask = (struct ask_operation *)operation;

    ask->host->ask_cancel(ask->host->context, ask->asked);
    lua_sched_drop(ask->waiter);
    free(ask);
}

/* Pushes what holds the text: the arguments as a JSON array. */
LUA_RAISES static struct buf *put_arguments(lua_State *L, const char *what, int count)
{
    struct buf *out = lua_scratch(L);
    struct err err = {0};

    buf_putc(out, '[');
    for (int i = 1; i <= count; i++) {
        if (i > 1)
            buf_putc(out, ',');
        if (!lua_put_json(L, i, out, &err))
            luaL_error(L, "%s: argument %d: %s", what, i, err.message);
    }
    buf_putc(out, ']');
    return out;
}

LUA_RAISES static int lua_ask(lua_State *L, const char *what)
{
    const struct lua_host *host = lua_runtime_of(L)->options.host;
    struct ask_operation *ask;
    const struct buf *args;

    lua_sched_may_wait(L, what);
    if (!host || !host->ask)
        return luaL_error(L, "%s: nobody answers here", what);
    args = put_arguments(L, what, lua_gettop(L));
    ask = mem_zalloc(1, sizeof *ask);
    ask->operation.cancel = cancel;
    ask->waiter = lua_sched_hold(lua_sched_current(L));
    ask->host = host;
    ask->what = what;
    ask->asking = true;
    ask->asked = host->ask(host->context, what, buf_str(args), answered, ask);
    ask->asking = false;
    if (!ask->asked) {
        lua_sched_drop(ask->waiter);
        free(ask);
        return luaL_error(L, "%s: cannot be asked now", what);
    }
    return lua_sched_wait(L, &ask->operation);
}

/* ---- the functions ---- */

/* The options at `arg`, a table or nothing; they are the last argument. */
LUA_RAISES static void check_options(lua_State *L, int arg)
{
    lua_settop(L, arg);
    if (lua_isnil(L, arg))
        lua_settop(L, arg - 1);
    else
        luaL_checktype(L, arg, LUA_TTABLE);
}

LUA_RAISES static int ask_of_threat(lua_State *L, const char *what)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    check_options(L, 2);
    return lua_ask(L, what);
}

static int threats_similar(lua_State *L)
{
    return ask_of_threat(L, "threats.similar");
}

static int threats_notes(lua_State *L)
{
    return ask_of_threat(L, "threats.notes");
}

static int observations_list(lua_State *L)
{
    check_options(L, 1);
    return lua_ask(L, "observations.list");
}

static const luaL_Reg threats[] = {{"similar", threats_similar}, {"notes", threats_notes}, {NULL, NULL}};
static const luaL_Reg observations[] = {{"list", observations_list}, {NULL, NULL}};
const struct lua_module lua_module_threats = {"threats", threats, NULL};
const struct lua_module lua_module_observations = {"observations", observations, NULL};
