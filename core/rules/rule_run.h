/* Calls of JSON in and JSON out: what policies, actions and agents share. Private to core/rules. */
#ifndef LUNETTE_RULES_RULE_RUN_H
#define LUNETTE_RULES_RULE_RUN_H

#include "rules/policies.h"
#include "rules/rule_host.h"

#define RULE_RUN_NS (20 * NS_PER_MS) /* CPU time of one call, and of one resume */

/* Loads a file and finds its functions by name; one that it has not is -1. */
int rule_run_load(struct lua_runtime *runtime, const struct lua_source *file, const char *const *names,
                  size_t count, int *functions, struct err *err);
/* NULL: the lists of the files again. */
void rule_run_set_test(struct rule_host *host, const struct policy_test *test);

struct rule_run {
    struct lua_runtime *runtime;
    int function;
    const char *name; /* for reasons: "decide" */
    struct str args[2];
    size_t count;
    uint64_t shared; /* as in struct lua_call */
    struct arena *arena;
};
/* 0: a table as JSON, "{…}" or "[…]". -1 and the reason: it failed, or gave nil or something else. */
int rule_run_json(const struct rule_run *run, struct str *json, char reason[POLICY_REASON]);
int rule_run_bool(const struct rule_run *run, bool *truth, char reason[POLICY_REASON]);
/* Whether a result is a table; else the reason. */
bool rule_run_is_table(const char *name, const struct lua_result *result, char reason[POLICY_REASON]);

#endif
