#include "rules/policies.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "rules/health.h"
#include "rules/rule_host.h"
#include "rules/rule_run.h"

#define NO_FUNCTION (-1)

_Static_assert(POLICY_INPUT_MAX == LUA_JSON_MAX, "what policies take is what a callback takes");

struct policy_health {
    struct health policies[POLICY_COUNT];
};

struct policies {
    struct policies_options options;
    struct ruleset *set;
    struct rule_host host;
    struct lua_host lua_host;
    struct lua_runtime *runtime;
    int decide[POLICY_COUNT];
    int *dry_run; /* per action */
};

struct policy_health *policy_health_new(void)
{
    return mem_zalloc(1, sizeof(struct policy_health));
}

void policy_health_free(struct policy_health *health)
{
    free(health);
}

bool policy_suspended(const struct policy_health *health, enum policy_kind kind, int64_t now_ns)
{
    return health && health_suspended(&health->policies[kind], now_ns);
}

/* ---- life ---- */

static int load_all(struct policies *policies, struct err *err)
{
    const struct ruleset *set = policies->set;
    const char *const decide = "decide", *const dry_run = "dry_run";
    for (int i = 0; i < POLICY_COUNT; i++) {
        policies->decide[i] = NO_FUNCTION;
        if (set->policies[i].present && rule_run_load(policies->runtime, &set->files[set->policies[i].file],
                                                      &decide, 1, &policies->decide[i], err) != 0)
            return -1;
    }
    for (size_t i = 0; i < set->action_count; i++)
        if (rule_run_load(policies->runtime, &set->files[set->actions[i].file], &dry_run, 1,
                          &policies->dry_run[i], err) != 0)
            return -1;
    return 0;
}

void policies_set_test(struct policies *policies, const struct policy_test *test)
{
    rule_run_set_test(&policies->host, test);
}

struct policies *policies_new(const struct policies_options *options, struct err *err)
{
    struct policies *policies = mem_zalloc(1, sizeof(*policies));
    policies->options = *options;
    policies->set = ruleset_ref(options->set);
    policies->dry_run = mem_zalloc(options->set->action_count + 1, sizeof(*policies->dry_run));
    policies->host = (struct rule_host){
        .set = policies->set, .log = options->log, .log_context = options->log_context};
    policies->lua_host = rule_host_lua(&policies->host, options->clock);
    policies_set_test(policies, options->test);
    struct lua_options lua = {.role = LUA_TRIAGE, .host = &policies->lua_host, .watchdog = options->watchdog};
    policies->runtime = lua_runtime_new(&lua, err);
    if (policies->runtime && load_all(policies, err) == 0)
        return policies;
    policies_free(policies);
    return NULL;
}

void policies_free(struct policies *policies)
{
    if (policies == NULL)
        return;
    lua_runtime_free(policies->runtime);
    free(policies->dry_run);
    ruleset_unref(policies->set);
    free(policies);
}

void policies_idle(struct policies *policies)
{
    lua_runtime_idle(policies->runtime);
}

/* ---- calls ---- */

static void count_failure(const struct policies *policies, enum policy_kind kind)
{
    struct policy_health *health = policies->options.health;
    if (health && health_failed(&health->policies[kind], clock_now(policies->options.clock)))
        LOG(LOG_WARN, "policy.suspended", log_text("policy", policy_names[kind]));
}

int policies_decide(struct policies *policies, const struct policy_call *call, struct str *json,
                    char reason[POLICY_REASON])
{
    if (policies->decide[call->kind] == NO_FUNCTION) {
        snprintf(reason, POLICY_REASON, "there is no such policy");
        return -1;
    }
    if (policy_suspended(policies->options.health, call->kind, clock_now(policies->options.clock))) {
        snprintf(reason, POLICY_REASON, "decide is suspended after repeated failures");
        return -1;
    }
    if (call->threat.len > POLICY_INPUT_MAX || call->context.len > POLICY_INPUT_MAX) {
        snprintf(reason, POLICY_REASON, "what it is to be told is larger than %zu bytes", POLICY_INPUT_MAX);
        return -1;
    }
    struct rule_run run = {.runtime = policies->runtime,
                           .function = policies->decide[call->kind],
                           .name = "decide",
                           .args = {call->threat, call->context},
                           .count = 2,
                           .shared = call->look,
                           .arena = call->arena};
    if (rule_run_json(&run, json, reason) == 0)
        return 0;
    count_failure(policies, call->kind);
    return -1;
}

int actions_dry_run(struct policies *policies, const struct action_call *call, struct str *json,
                    char reason[POLICY_REASON])
{
    const struct action *action = ruleset_action(policies->set, call->id);
    if (action == NULL) {
        snprintf(reason, POLICY_REASON, "there is no action \"%.100s\"", call->id.len ? call->id.ptr : "");
        return -1;
    }
    struct rule_run run = {.runtime = policies->runtime,
                           .function = policies->dry_run[action - policies->set->actions],
                           .name = "dry_run",
                           .args = {call->action, call->threat},
                           .count = 2,
                           .arena = call->arena};
    return rule_run_json(&run, json, reason);
}
