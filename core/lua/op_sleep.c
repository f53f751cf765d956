/* sleep(seconds): the first operation of the scheduler, and the shape of those to come. */
#include <stdlib.h>

#include "loop/loop.h"
#include "lua/sched.h"

#define SLEEP_MAX_S 3600.0

struct sleep_operation {
    struct lua_operation operation; /* first */
    struct lua_handle waiter;
    const struct lua_timers *timers;
    void *timer;
};

static void woke(void *arg)
{
    struct sleep_operation *sleep = arg;
    struct lua_handle waiter = sleep->waiter;

    free(sleep);
    lua_sched_resume_checked(waiter, NULL, NULL);
}

static void cancel(struct lua_operation *operation)
{
    struct sleep_operation *sleep = (struct sleep_operation *)operation;

    sleep->timers->cancel(sleep->timers->context, sleep->timer);
    lua_sched_drop(sleep->waiter);
    free(sleep);
}

int lua_sleep(lua_State *L)
{
    double seconds = luaL_checknumber(L, 1);
    const struct lua_timers *timers = lua_runtime_of(L)->options.timers;
    struct sleep_operation *sleep;

    luaL_argcheck(L, seconds >= 0 && seconds <= SLEEP_MAX_S, 1, "0 to 3600 seconds");
    lua_sched_may_wait(L, "sleep");
    if (!timers)
        return luaL_error(L, "sleep: this state has no timers");
    sleep = mem_zalloc(1, sizeof *sleep);
    sleep->operation.cancel = cancel;
    sleep->waiter = lua_sched_hold(lua_sched_current(L));
    sleep->timers = timers;
    sleep->timer = timers->start(timers->context, (int64_t)(seconds * NS_PER_S), woke, sleep);
    return lua_sched_wait(L, &sleep->operation);
}

/* ---- the timers of a loop ---- */

struct loop_timer {
    struct timer *timer;
    void (*fire)(void *arg);
    void *arg;
};

static void loop_fired(void *arg)
{
    struct loop_timer loop_timer = *(struct loop_timer *)arg;

    timer_free(loop_timer.timer);
    free(arg);
    loop_timer.fire(loop_timer.arg);
}

static void *loop_start(void *context, int64_t delay_ns, void (*fire)(void *arg), void *arg)
{
    struct loop_timer *loop_timer = mem_alloc(sizeof *loop_timer);

    *loop_timer = (struct loop_timer){NULL, fire, arg};
    loop_timer->timer = timer_new(context, loop_fired, loop_timer);
    timer_start(loop_timer->timer, delay_ns, false);
    return loop_timer;
}

static void loop_cancel(void *context, void *timer)
{
    struct loop_timer *loop_timer = timer;

    (void)context;
    timer_free(loop_timer->timer);
    free(loop_timer);
}

struct lua_timers lua_timers_loop(struct loop *loop)
{
    return (struct lua_timers){loop, loop_start, loop_cancel};
}
