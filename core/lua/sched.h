/* The coroutines of a state: pooled, each with a generation, so that a completion that comes late, twice or
 * after a cancel is recognised and counted, and does nothing. Callbacks run on them too. Whoever waits for
 * something outside holds a lua_handle; whatever is waited for registers how to undo it. One yield protocol:
 * a C function that waits makes an operation and returns lua_sched_wait; nothing else yields, but the kill
 * hook. On the state's thread. */
#ifndef LUNETTE_LUA_SCHED_H
#define LUNETTE_LUA_SCHED_H

#include "lua/state.h"

enum lua_task_state { LUA_TASK_FREE, LUA_TASK_RUNNING, LUA_TASK_WAITING };

/* Something a task waits for. `cancel` undoes and frees it: called when the task ends before it completed. */
struct lua_operation {
    void (*cancel)(struct lua_operation *operation);
};

struct lua_sched_task {
    lua_State *co;
    int ref; /* what anchors co */
    enum lua_task_state state;
    uint32_t generation;         /* of its life: changes at acquire and release */
    uint32_t wait;               /* of its wait: changes at each yield and resume */
    unsigned refs;               /* handles held */
    struct lua_runtime *runtime; /* NULL once the scheduler is gone */
    struct lua_operation *operation;
    /* What resume_checked passes to the waiting function. */
    int (*push)(lua_State *L, void *arg);
    void *push_arg;
    const struct lua_call *call; /* what it runs; borrowed; NULL for host work */
    bool may_wait;
    /* For a task that may wait: called when it ended after a wait; outcome NULL: it was cancelled. The task
     * is gone by then. */
    void (*ended)(void *owner, const struct lua_outcome *outcome);
    void *owner;
    int64_t budget_ns; /* of one resume */
    int64_t left_ns;   /* of all */
};

/* One wait of one task. */
struct lua_handle {
    struct lua_sched_task *task;
    uint32_t generation, wait;
};

struct lua_scheduler *lua_sched_new(struct lua_runtime *runtime);
void lua_sched_free(struct lua_scheduler *scheduler); /* cancels what waits; before the state closes */

/* A clean coroutine, from the pool or new; NULL when there is no memory for one. */
struct lua_sched_task *lua_sched_acquire(struct lua_scheduler *scheduler);
/* Runs `body` with `arg` (light userdata), or goes on after a wait (body NULL). When the coroutine ended,
 * however it did, the task is released; then it must not be touched. */
void lua_sched_run(struct lua_sched_task *task, lua_CFunction body, void *arg, struct lua_outcome *outcome);
/* Ends a waiting task: undoes its operation, closes its coroutine. */
void lua_sched_cancel(struct lua_sched_task *task);

/* The live task of that address and generation, or NULL. */
struct lua_sched_task *lua_sched_find(struct lua_scheduler *scheduler, const void *task, uint32_t generation);

/* The task that L is the coroutine of; it is running. */
struct lua_sched_task *lua_sched_current(lua_State *L);
/* For an operation about to wait: the handle its completion needs. Raises where waiting is not possible. */
LUA_RAISES void lua_sched_may_wait(lua_State *L, const char *what);
struct lua_handle lua_sched_hold(struct lua_sched_task *task);
void lua_sched_drop(struct lua_handle handle);
/* The last statement of a function that waits: `operation` belongs to the task from here. */
LUA_RAISES int lua_sched_wait(lua_State *L, struct lua_operation *operation);
/* Resumes the task if it still is in the wait that the handle was made in, and drops the handle; the
 * operation must have been freed, or be freed by the caller. `push` (may be NULL) runs protected and pushes
 * the results of the waiting function. False: stale, counted. */
bool lua_sched_resume_checked(struct lua_handle handle, int (*push)(lua_State *L, void *arg), void *arg);

struct lua_sched_stats {
    uint64_t created, reused, dropped, stale;
    unsigned waiting, pooled, lingering; /* lingering: ended, but somebody holds a handle */
};
struct lua_sched_stats lua_sched_stats(const struct lua_scheduler *scheduler);

#endif
