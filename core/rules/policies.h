/* Policies: the files of rules/triage and the dry runs of actions, in one thread's Lua state, for one
 * ruleset. What goes in and comes out is JSON; what an answer may say is triage's to check. A policy that
 * fails gives no answer and the reason; three failures of one policy in a minute suspend it on all threads
 * for ten minutes or until the next reload. Owner: the thread that made it. */
#ifndef LUNETTE_RULES_POLICIES_H
#define LUNETTE_RULES_POLICIES_H

#include "rules/ruleset.h"

#define POLICY_REASON    320                 /* bytes of a reason, its NUL among them */
#define POLICY_INPUT_MAX ((size_t)256 << 10) /* bytes of a threat, and of a context */

/* Shared by all threads of one ruleset: failures and suspensions (atomics inside). */
struct policy_health;
struct policy_health *policy_health_new(void);
void policy_health_free(struct policy_health *health); /* NULL is fine */
bool policy_suspended(const struct policy_health *health, enum policy_kind kind, int64_t now_ns);

struct policies;
struct policies_options {
    struct ruleset *set;            /* referenced */
    struct policy_health *health;   /* shared; borrowed; NULL: nothing is suspended */
    struct watchdog_slot *watchdog; /* NULL: instruction budgets (tests) */
    const struct clock *clock;
    const struct policy_test *test; /* not NULL: lists are those of the test */
    /* What policies print; NULL: dropped, as it may hold values of events. */
    void (*log)(void *context, const char *level, struct str message);
    void *log_context;
};
/* NULL and err when a file that loaded before does not load now. */
struct policies *policies_new(const struct policies_options *options, struct err *err);
void policies_free(struct policies *policies); /* NULL is fine */
/* For the test runner: another test's lists. */
void policies_set_test(struct policies *policies, const struct policy_test *test);
/* A bounded step of garbage collection, for idle moments. */
void policies_idle(struct policies *policies);

struct policy_call {
    enum policy_kind kind;
    struct str threat, context; /* JSON objects; read before the call ends */
    struct arena *arena;        /* for the answer */
    uint64_t look; /* not 0: calls in a row with the same number are about the same threat, and get
                    * the same table of it, made once */
};
/* decide(threat, context), within 20 ms of CPU time. 0: *json is what it returned, an object or an array
 * (empty: "{}"). -1: there is no such policy, it failed, it gave nil, or it is suspended: `reason` is one
 * line for a person. What is larger than POLICY_INPUT_MAX fails, too, and is no failure of the policy: it
 * is not counted. */
int policies_decide(struct policies *policies, const struct policy_call *call, struct str *json,
                    char reason[POLICY_REASON]);

struct action_call {
    struct str id;             /* of the action's file */
    struct str action, threat; /* JSON objects */
    struct arena *arena;
};
/* dry_run(action, threat): what the action would do. As policies_decide; failures are not counted. */
int actions_dry_run(struct policies *policies, const struct action_call *call, struct str *json,
                    char reason[POLICY_REASON]);

#endif
