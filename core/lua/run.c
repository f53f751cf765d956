/* Callbacks and tasks: a C function on a pooled coroutine pushes the arguments, calls the rule's function and
 * reads what it returned, so that all of it is protected and budgeted. */
#include <stdio.h>
#include <stdlib.h>

#include "lua/sched.h"

#define LOG_LINES 20 /* of one call */

struct frame {
    struct lua_sched_task *task;
    const struct lua_call *call;
    struct lua_result *result;
    int reference;
};

static void set_number(lua_State *L, const char *name, double value)
{
    lua_pushnumber(L, value);
    lua_setfield(L, -2, name);
}

LUA_RAISES static void push_group(lua_State *L, const struct lua_group *group)
{
    if (!group) {
        lua_pushnil(L);
        return;
    }
    lua_createtable(L, 0, 5);
    lua_pushlstring(L, group->key.ptr, group->key.len);
    lua_setfield(L, -2, "key");
    lua_pushinteger(L, group->count);
    lua_setfield(L, -2, "count");
    set_number(L, "first", (double)group->first_ns / NS_PER_S);
    set_number(L, "last", (double)group->last_ns / NS_PER_S);
    lua_createtable(L, (int)group->value_count, 0);
    for (size_t i = 0; i < group->value_count; i++) {
        lua_pushlstring(L, group->values[i].ptr, group->values[i].len);
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
    lua_setfield(L, -2, "values");
}

static const char shared_keys[2]; /* registry: the tables of runtime->shared */

/* Pushes the table that is kept for the call, or makes it. False: it has just been made. */
LUA_RAISES static bool push_kept(lua_State *L, const struct lua_call *call, size_t which)
{
    struct lua_runtime *runtime = lua_runtime_of(L);

    if (runtime->shared[which] == call->shared) {
        lua_rawgetp(L, LUA_REGISTRYINDEX, &shared_keys[which]);
        return true;
    }
    runtime->shared[which] = 0; /* until it is there */
    lua_push_json(L, call->json[which]);
    lua_pushvalue(L, -1);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &shared_keys[which]);
    runtime->shared[which] = call->shared;
    return false;
}

/* What several calls look at is made once. */
LUA_RAISES static void push_shared(lua_State *L, const struct lua_call *call, size_t which)
{
    struct lua_runtime *runtime = lua_runtime_of(L);
    struct str text = call->json[which];

    if (push_kept(L, call, which) && which == 1)
        lua_add_json(L, text, runtime->shared_len);
    if (which == 0)
        return;
    if (text.len == 0)
        runtime->shared[1] = 0; /* nil, to which nothing can be added */
    runtime->shared_len = text.len - (text.len > 0);
}

/* Pushes the arguments of the call; how many. */
LUA_RAISES static int push_arguments(lua_State *L, const struct frame *frame)
{
    const struct lua_call *call = frame->call;

    for (size_t i = 0; i < call->json_count; i++) {
        if (i < 2 && call->shared)
            push_shared(L, call, i);
        else
            lua_push_json(L, call->json[i]);
    }
    if (call->json_count > 0)
        return (int)call->json_count;
    if (call->event)
        lua_proxy_push(L, frame->task);
    else
        lua_pushnil(L);
    push_group(L, call->group);
    return 2;
}

static int returned(lua_State *L, int status, lua_KContext context)
{
    struct frame *frame = (struct frame *)context;

    (void)status;
    lua_read_result(L, frame->call, frame->result);
    return 0;
}

static int call_function(lua_State *L)
{
    struct frame *frame = lua_touserdata(L, 1);
    int count;

    lua_rawgeti(L, LUA_REGISTRYINDEX, frame->reference);
    count = push_arguments(L, frame);
    lua_callk(L, count, 1, (lua_KContext)frame, returned);
    return returned(L, LUA_OK, (lua_KContext)frame);
}

static void finish(struct lua_result *result, const struct lua_outcome *outcome)
{
    result->cpu_ns += outcome->cpu_ns;
    if (outcome->status == LUA_DONE)
        return; /* lua_read_result decided */
    result->status = outcome->status;
    snprintf(result->error, sizeof result->error, "%.255s", outcome->error);
}

static int refuse(struct lua_result *result, enum lua_status status, const char *error)
{
    *result = (struct lua_result){.status = status};
    snprintf(result->error, sizeof result->error, "%s", error);
    return -1;
}

/* The task of a call, ready to run, or NULL and *result. */
static struct lua_sched_task *prepare(struct lua_runtime *runtime, const struct lua_call *call,
                                      struct frame *frame, struct lua_result *result)
{
    struct lua_sched_task *task;

    owner_check(&runtime->owner, "lua state");
    INVARIANT(call->function >= 0 && (size_t)call->function < runtime->functions.count);
    INVARIANT(call->json_count <= LUA_JSON_ARGS);
    *result = (struct lua_result){.status = LUA_DONE, .is_nil = true};
    if (call->budget_ns <= 0) {
        refuse(result, LUA_OVERRAN, "no CPU time is left for this event");
        return NULL;
    }
    task = lua_sched_acquire(runtime->scheduler);
    if (!task) {
        refuse(result, LUA_NO_MEMORY, "the state has no memory left");
        return NULL;
    }
    *frame = (struct frame){task, call, result, runtime->functions.items[call->function]};
    task->call = call;
    task->budget_ns = task->left_ns = call->budget_ns;
    runtime->log_lines = LOG_LINES;
    return task;
}

void lua_run(struct lua_runtime *runtime, const struct lua_call *call, struct lua_result *result)
{
    struct frame frame;
    struct lua_outcome outcome;
    struct lua_sched_task *task = prepare(runtime, call, &frame, result);

    if (!task)
        return;
    lua_sched_run(task, call_function, &frame, &outcome);
    finish(result, &outcome);
}

/* ---- tasks ---- */

struct waiting_call {
    struct frame frame;
    struct lua_task_options options;
    struct lua_result result;
};

static void task_done(void *owner, const struct lua_outcome *outcome)
{
    struct waiting_call *waiting = owner;

    if (outcome) {
        finish(&waiting->result, outcome);
        waiting->options.done(waiting->options.context, &waiting->result);
    }
    free(waiting);
}

int lua_task_start(struct lua_runtime *runtime, const struct lua_task_options *options,
                   struct lua_task *handle, struct err *err)
{
    struct waiting_call *waiting = mem_zalloc(1, sizeof *waiting);
    struct lua_outcome outcome;
    struct lua_sched_task *task;

    INVARIANT(runtime->options.role == LUA_AGENTS);
    waiting->options = *options;
    task = prepare(runtime, &waiting->options.call, &waiting->frame, &waiting->result);
    if (!task) {
        err_set(err, ERR_LIMIT, "%s", waiting->result.error);
        free(waiting);
        return -1;
    }
    task->may_wait = true;
    task->left_ns = options->total_ns;
    task->ended = task_done;
    task->owner = waiting;
    *handle = (struct lua_task){task, task->generation};
    lua_sched_run(task, call_function, &waiting->frame, &outcome);
    if (!outcome.waiting)
        task_done(waiting, &outcome);
    return 0;
}

bool lua_task_cancel(struct lua_runtime *runtime, struct lua_task handle)
{
    struct lua_sched_task *task;

    owner_check(&runtime->owner, "lua state");
    task = lua_sched_find(runtime->scheduler, handle.task, handle.generation);
    if (!task || task->state != LUA_TASK_WAITING)
        return false;
    lua_sched_cancel(task);
    return true;
}
