#include "lua/state.h"

/* How long is a unit: a VM instruction, a step of the matcher. */
#define NS_PER_UNIT    10
#define COUNT_INTERVAL 1000
/* Single instructions can be slow (comparing long texts): so much more CPU time than was counted ends it,
 * too. Far from what an honest call needs, also under sanitizers, so that counting decides all other cases.
 */
#define SLOW_TIMES 10
#define SLOW_NS    (2 * NS_PER_S)

/* Whose call this thread is in: what the signal handler looks at. */
static _Thread_local struct lua_runtime *volatile running;

int lua_budget_die(lua_State *L)
{
    /* A yield is no error: nothing can catch it. Below sort, gsub and the like it is not possible; there an
     * error goes up, and since the hook stays armed at every instruction, catching it gains nothing. */
    if (lua_isyieldable(L))
        return lua_yield(L, 0);
    return luaL_error(L, "the budget of this call is used up");
}

static void kill_hook(lua_State *L, lua_Debug *ar)
{
    (void)ar;
    lua_sethook(L, kill_hook, LUA_MASKCOUNT, 1);
    lua_budget_die(L);
}

void lua_budget_arm(struct lua_runtime *runtime, enum lua_kill kill)
{
    lua_State *co = runtime->budget.co;

    if (!co)
        return;
    if (runtime->budget.kill == LUA_KILL_NONE)
        runtime->budget.kill = kill;
    lua_sethook(co, kill_hook, LUA_MASKCOUNT, 1);
}

void lua_runtime_overdue(void *unused)
{
    struct lua_runtime *runtime = running;

    (void)unused;
    if (runtime)
        lua_budget_arm(runtime, LUA_KILL_TIME);
}

bool lua_budget_spend(struct lua_runtime *runtime, size_t units)
{
    struct lua_budget *budget = &runtime->budget;

    budget->spent += units;
    if (budget->counting && budget->kill == LUA_KILL_NONE && budget->spent > budget->limit)
        lua_budget_arm(runtime, LUA_KILL_TIME);
    return budget->kill == LUA_KILL_NONE;
}

void lua_budget_charge(lua_State *L, size_t units)
{
    if (!lua_budget_spend(lua_runtime_of(L), units))
        lua_budget_die(L);
}

static int64_t slowest(const struct lua_budget *budget)
{
    int64_t allowed = (int64_t)budget->limit * NS_PER_UNIT * SLOW_TIMES;
    return allowed > SLOW_NS ? allowed : SLOW_NS;
}

static void count_hook(lua_State *L, lua_Debug *ar)
{
    struct lua_budget *budget = &lua_runtime_of(L)->budget;
    bool is_slow = clock_thread_cpu() - budget->cpu_began > slowest(budget);

    (void)ar;
    lua_budget_charge(L, is_slow ? (size_t)budget->limit + 1 : COUNT_INTERVAL);
}

void lua_budget_enter(struct lua_runtime *runtime, lua_State *co, int64_t budget_ns)
{
    struct lua_budget *budget = &runtime->budget;
    struct watchdog_slot *watchdog = runtime->options.watchdog;

    INVARIANT(!budget->co);
    budget->kill = LUA_KILL_NONE;
    budget->spent = 0;
    budget->limit = (uint64_t)budget_ns / NS_PER_UNIT;
    budget->counting = watchdog == NULL;
    budget->co = co;
    if (watchdog) {
        running = runtime;
        watchdog_enter(watchdog, budget_ns);
    } else {
        budget->cpu_began = clock_thread_cpu();
        lua_sethook(co, count_hook, LUA_MASKCOUNT, COUNT_INTERVAL);
    }
}

int64_t lua_budget_leave(struct lua_runtime *runtime)
{
    struct lua_budget *budget = &runtime->budget;
    lua_State *co = budget->co;
    int64_t cpu_ns;

    if (runtime->options.watchdog) {
        cpu_ns = watchdog_leave(runtime->options.watchdog);
        running = NULL;
    } else {
        cpu_ns = (int64_t)budget->spent * NS_PER_UNIT;
    }
    budget->co = NULL;
    budget->counting = false;
    budget->kill = LUA_KILL_NONE;
    lua_sethook(co, NULL, 0, 0);
    return cpu_ns;
}
