#include <stdlib.h>

#include "lua/sched.h"

#define POOL_MAX 64 /* clean coroutines kept */

struct task_list {
    VEC(struct lua_sched_task *) tasks;
};

struct lua_scheduler {
    struct lua_runtime *runtime;
    struct task_list pool;      /* free, clean */
    struct task_list live;      /* running or waiting */
    struct task_list lingering; /* dropped, but a handle remains, which must find its generation gone */
    struct lua_sched_task *running;
    struct lua_sched_stats stats;
};

struct lua_scheduler *lua_sched_new(struct lua_runtime *runtime)
{
    struct lua_scheduler *scheduler = mem_zalloc(1, sizeof *scheduler);

    scheduler->runtime = runtime;
    return scheduler;
}

static void list_add(struct task_list *list, struct lua_sched_task *task)
{
    vec_push(&list->tasks, task);
}

static void list_remove(struct task_list *list, const struct lua_sched_task *task)
{
    for (size_t i = 0; i < list->tasks.count; i++)
        if (list->tasks.items[i] == task) {
            list->tasks.items[i] = list->tasks.items[--list->tasks.count];
            return;
        }
}

static struct lua_sched_task *list_take(struct task_list *list)
{
    return list->tasks.count > 0 ? list->tasks.items[--list->tasks.count] : NULL;
}

static void free_or_orphan(struct lua_sched_task *task)
{
    task->runtime = NULL;
    if (task->refs == 0)
        free(task);
}

static int new_coroutine(lua_State *L)
{
    struct lua_sched_task *task = lua_touserdata(L, 1);

    task->co = lua_newthread(L);
    task->ref = luaL_ref(L, LUA_REGISTRYINDEX);
    return 0;
}

struct lua_sched_task *lua_sched_acquire(struct lua_scheduler *scheduler)
{
    struct lua_sched_task *task;

    task = list_take(&scheduler->pool);
    if (task) {
        scheduler->stats.reused++;
    } else {
        task = mem_zalloc(1, sizeof *task);
        task->runtime = scheduler->runtime;
        if (lua_protected(scheduler->runtime, new_coroutine, task, NULL) != 0) {
            free(task);
            return NULL;
        }
        scheduler->stats.created++;
    }
    task->generation++;
    task->state = LUA_TASK_RUNNING;
    list_add(&scheduler->live, task);
    return task;
}

/* Only a coroutine that ended cleanly is used again. */
static void release(struct lua_sched_task *task, bool clean)
{
    struct lua_scheduler *scheduler = task->runtime->scheduler;

    list_remove(&scheduler->live, task);
    task->generation++;
    task->state = LUA_TASK_FREE;
    task->call = NULL;
    task->may_wait = false;
    task->ended = NULL;
    task->owner = NULL;
    if (clean && scheduler->pool.tasks.count < POOL_MAX) {
        list_add(&scheduler->pool, task);
        return;
    }
    luaL_unref(task->runtime->L, LUA_REGISTRYINDEX, task->ref);
    task->co = NULL;
    scheduler->stats.dropped++;
    if (task->refs > 0)
        list_add(&scheduler->lingering, task);
    else
        free(task);
}

static void undo(struct lua_sched_task *task)
{
    struct lua_operation *operation = task->operation;

    task->operation = NULL;
    if (operation)
        operation->cancel(operation);
}

void lua_sched_run(struct lua_sched_task *task, lua_CFunction body, void *arg, struct lua_outcome *outcome)
{
    struct lua_runtime *runtime = task->runtime;
    int64_t budget_ns = task->budget_ns < task->left_ns ? task->budget_ns : task->left_ns;
    int nargs = 0;

    task->state = LUA_TASK_RUNNING;
    runtime->runs++;
    runtime->scheduler->running = task;
    if (body) {
        lua_pushcfunction(task->co, body);
        lua_pushlightuserdata(task->co, arg);
        nargs = 1;
    }
    lua_enter(runtime, task->co, nargs, budget_ns, outcome);
    runtime->scheduler->running = NULL;
    task->left_ns -= outcome->cpu_ns;
    if (outcome->waiting) {
        INVARIANT(task->operation); /* nothing but an operation yields */
        task->state = LUA_TASK_WAITING;
        return;
    }
    undo(task);
    release(task, outcome->status == LUA_DONE);
}

static int close_waiting(lua_State *L)
{
    struct lua_sched_task *task = lua_touserdata(L, 1);

    lua_closethread(task->co, L);
    return 0;
}

void lua_sched_cancel(struct lua_sched_task *task)
{
    struct lua_runtime *runtime = task->runtime;

    void (*ended)(void *owner, const struct lua_outcome *outcome) = task->ended;
    void *owner = task->owner;

    INVARIANT(task->state == LUA_TASK_WAITING);
    undo(task);
    /* Entered like a call, so that the hook is there for __close handlers; armed, none gets anywhere. */
    runtime->memory.unlimited = true;
    lua_budget_enter(runtime, task->co, NS_PER_MS);
    lua_budget_arm(runtime, LUA_KILL_CLOSING);
    lua_protected(runtime, close_waiting, task, NULL);
    lua_budget_leave(runtime);
    runtime->memory.unlimited = false;
    release(task, false);
    if (ended)
        ended(owner, NULL);
}

struct lua_sched_task *lua_sched_find(struct lua_scheduler *scheduler, const void *task, uint32_t generation)
{
    for (size_t i = 0; i < scheduler->live.tasks.count; i++) {
        struct lua_sched_task *live = scheduler->live.tasks.items[i];
        if (live == task && live->generation == generation)
            return live;
    }
    return NULL;
}

struct lua_sched_task *lua_sched_current(lua_State *L)
{
    struct lua_sched_task *task = lua_runtime_of(L)->scheduler->running;

    return task && task->co == L ? task : NULL;
}

void lua_sched_may_wait(lua_State *L, const char *what)
{
    struct lua_sched_task *task = lua_sched_current(L);

    if (!task || !task->may_wait)
        luaL_error(L, "%s waits, and a callback cannot: only agents can", what);
    if (!lua_isyieldable(L))
        luaL_error(L, "%s waits, and cannot inside of sort, gsub or a metamethod of a library call", what);
}

struct lua_handle lua_sched_hold(struct lua_sched_task *task)
{
    task->refs++;
    return (struct lua_handle){task, task->generation, task->wait};
}

void lua_sched_drop(struct lua_handle handle)
{
    struct lua_sched_task *task = handle.task;

    if (--task->refs > 0 || task->co)
        return;
    if (task->runtime)
        list_remove(&task->runtime->scheduler->lingering, task);
    free(task);
}

static int resumed(lua_State *L, int status, lua_KContext context)
{
    struct lua_sched_task *task = lua_sched_current(L);

    (void)status;
    (void)context;
    return task && task->push ? task->push(L, task->push_arg) : 0;
}

int lua_sched_wait(lua_State *L, struct lua_operation *operation)
{
    lua_sched_current(L)->operation = operation;
    return lua_yieldk(L, 0, 0, resumed);
}

static bool still_waits(struct lua_handle handle)
{
    const struct lua_sched_task *task = handle.task;

    return task->runtime && task->state == LUA_TASK_WAITING && task->generation == handle.generation &&
           task->wait == handle.wait;
}

bool lua_sched_resume_checked(struct lua_handle handle, int (*push)(lua_State *L, void *arg), void *arg)
{
    struct lua_sched_task *task = handle.task;
    void (*ended)(void *owner, const struct lua_outcome *outcome) = task->ended;
    void *owner = task->owner;
    struct lua_outcome outcome;
    bool fits = still_waits(handle);

    if (!fits && task->runtime)
        task->runtime->scheduler->stats.stale++;
    lua_sched_drop(handle);
    if (!fits)
        return false;
    /* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): who waits has a coroutine, so the drop freed nothing */
    owner_check(&task->runtime->owner, "lua state");
    task->wait++;
    task->operation = NULL;
    task->push = push;
    task->push_arg = arg;
    lua_sched_run(task, NULL, NULL, &outcome);
    if (!outcome.waiting && ended)
        ended(owner, &outcome);
    return true;
}

void lua_sched_free(struct lua_scheduler *scheduler)
{
    struct lua_sched_task *task;

    if (!scheduler)
        return;
    while (scheduler->live.tasks.count > 0)
        /* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): cancelled is taken off the list */
        lua_sched_cancel(scheduler->live.tasks.items[0]);
    while ((task = list_take(&scheduler->pool))) {
        task->co = NULL;
        free_or_orphan(task);
    }
    while ((task = list_take(&scheduler->lingering)))
        free_or_orphan(task);
    vec_free(&scheduler->pool.tasks);
    vec_free(&scheduler->live.tasks);
    vec_free(&scheduler->lingering.tasks);
    free(scheduler);
}

struct lua_sched_stats lua_sched_stats(const struct lua_scheduler *scheduler)
{
    struct lua_sched_stats stats = scheduler->stats;

    stats.pooled = (unsigned)scheduler->pool.tasks.count;
    stats.lingering = (unsigned)scheduler->lingering.tasks.count;
    for (size_t i = 0; i < scheduler->live.tasks.count; i++)
        stats.waiting += scheduler->live.tasks.items[i]->state == LUA_TASK_WAITING;
    return stats;
}
