/* Agents: the files of rules/agents in one thread's Lua state, for one ruleset. What goes in and comes out is
 * JSON; what a finding may say is the analysis' to check. `gather` is a task that may wait; the rest are
 * calls of 20 ms of CPU time each. Owner: the thread that made it, which runs the loop of its timers and
 * answers. */
#ifndef LUNETTE_RULES_AGENTS_H
#define LUNETTE_RULES_AGENTS_H

#include "rules/policies.h"

struct agents;
struct agents_options {
    struct ruleset *set;            /* referenced */
    struct watchdog_slot *watchdog; /* NULL: instruction budgets (tests) */
    const struct clock *clock;
    const struct lua_timers *timers; /* for sleep; borrowed; NULL: sleep raises */
    const struct policy_test *test;  /* not NULL: lists are those of the test */
    /* What agents ask and wait for: as in struct lua_host, called with `host`. NULL: asking raises. */
    void *host;
    void *(*ask)(void *host, const char *what, struct str args_json,
                 void (*answer)(void *arg, struct str json, const struct err *err), void *arg);
    void (*ask_cancel)(void *host, void *asked);
    /* What agents print; NULL: dropped, as it may hold values of events. */
    void (*log)(void *context, const char *level, struct str message);
    void *log_context;
};
struct agents *agents_new(const struct agents_options *options, struct err *err);
/* NULL is fine. Cancels what still gathers; no `done` is called. */
void agents_free(struct agents *agents);
void agents_set_test(struct agents *agents, const struct policy_test *test);
void agents_idle(struct agents *agents);

struct agent_call {
    enum agent_kind kind;
    struct str threat, gathered; /* JSON objects; agents_when needs no `gathered` */
    struct arena *arena;         /* for the answer */
};
/* All of these: 0, or -1 and `reason` (one line for a person) when the agent is absent or its function failed
 * or gave what it may not. */

/* when(threat): *wanted; true for an agent without `when`. */
int agents_when(struct agents *agents, const struct agent_call *call, bool *wanted,
                char reason[POLICY_REASON]);
/* prompt(threat, gathered): a JSON object {system, user} of two texts. An agent without `prompt`: -1. */
int agents_prompt(struct agents *agents, const struct agent_call *call, struct str *json,
                  char reason[POLICY_REASON]);
/* offline(threat, gathered): the finding, a JSON object. */
int agents_offline(struct agents *agents, const struct agent_call *call, struct str *json,
                   char reason[POLICY_REASON]);

struct agent_gather {
    enum agent_kind kind;
    struct str threat;   /* a JSON object; read before agents_gather_start returns */
    struct arena *arena; /* for the result; must live until `done` or the cancel */
    /* Once, maybe before agents_gather_start returns. `reason` NULL: `json` is the object that gather gave
     * ("{}" for nil, and for an agent without `gather`). Else gather failed, json is "{}", and the reason is
     * borrowed during the call. */
    void (*done)(void *context, struct str json, const char *reason);
    void *context;
};
/* gather(threat), 20 ms of CPU time a resume and 2 s together; how long it may wait is the caller's to limit
 * (agents_gather_cancel). 0, also when it failed at once. -1: no such agent, or no memory; no `done` then. */
int agents_gather_start(struct agents *agents, const struct agent_gather *gather, struct lua_task *task,
                        struct err *err);
/* False for one that is done; `done` is not called. */
bool agents_gather_cancel(struct agents *agents, struct lua_task task);

#endif
