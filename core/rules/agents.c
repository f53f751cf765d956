#include "rules/agents.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/json.h"
#include "rules/rule_host.h"
#include "rules/rule_run.h"

#define GATHER_NS (2 * NS_PER_S) /* CPU time of all resumes of one gather */

enum function { WHEN, GATHER, PROMPT, OFFLINE, FUNCTIONS };
static const char *const function_names[FUNCTIONS] = {"when", "gather", "prompt", "offline"};

/* A gather that waits. */
struct gathering {
    struct agents *agents;
    struct agent_gather gather;
    struct lua_task task;
    bool starting, ended;
    struct gathering *next;
};

struct agents {
    struct agents_options options;
    struct ruleset *set;
    struct rule_host host;
    struct lua_host lua_host;
    struct lua_runtime *runtime;
    int functions[AGENT_COUNT][FUNCTIONS];
    struct gathering *gatherings;
};

/* ---- life ---- */

static void *host_ask(void *context, const char *what, struct str args_json,
                      void (*answer)(void *arg, struct str json, const struct err *err), void *arg)
{
    const struct agents *agents = ((struct rule_host *)context)->owner;
    return agents->options.ask(agents->options.host, what, args_json, answer, arg);
}

static void host_ask_cancel(void *context, void *asked)
{
    const struct agents *agents = ((struct rule_host *)context)->owner;
    agents->options.ask_cancel(agents->options.host, asked);
}

static int load_all(struct agents *agents, struct err *err)
{
    const struct ruleset *set = agents->set;
    for (int i = 0; i < AGENT_COUNT; i++)
        if (set->agents[i].present &&
            rule_run_load(agents->runtime, &set->files[set->agents[i].file], function_names, FUNCTIONS,
                          agents->functions[i], err) != 0)
            return -1;
    return 0;
}

void agents_set_test(struct agents *agents, const struct policy_test *test)
{
    rule_run_set_test(&agents->host, test);
}

struct agents *agents_new(const struct agents_options *options, struct err *err)
{
    struct agents *agents = mem_zalloc(1, sizeof(*agents));
    agents->options = *options;
    agents->set = ruleset_ref(options->set);
    agents->host = (struct rule_host){
        .set = agents->set, .log = options->log, .log_context = options->log_context, .owner = agents};
    agents->lua_host = rule_host_lua(&agents->host, options->clock);
    if (options->ask) {
        agents->lua_host.ask = host_ask;
        agents->lua_host.ask_cancel = host_ask_cancel;
    }
    agents_set_test(agents, options->test);
    struct lua_options lua = {.role = LUA_AGENTS,
                              .host = &agents->lua_host,
                              .watchdog = options->watchdog,
                              .timers = options->timers};
    agents->runtime = lua_runtime_new(&lua, err);
    if (agents->runtime && load_all(agents, err) == 0)
        return agents;
    agents_free(agents);
    return NULL;
}

void agents_free(struct agents *agents)
{
    if (agents == NULL)
        return;
    lua_runtime_free(agents->runtime);
    for (struct gathering *next, *g = agents->gatherings; g; g = next) {
        next = g->next;
        free(g);
    }
    ruleset_unref(agents->set);
    free(agents);
}

void agents_idle(struct agents *agents)
{
    lua_runtime_idle(agents->runtime);
}

/* ---- calls ---- */

static bool is_present(const struct agents *agents, enum agent_kind kind, char reason[POLICY_REASON])
{
    if (agents->set->agents[kind].present)
        return true;
    snprintf(reason, POLICY_REASON, "there is no such agent");
    return false;
}

static struct rule_run run_of(const struct agents *agents, const struct agent_call *call, enum function which)
{
    return (struct rule_run){.runtime = agents->runtime,
                             .function = agents->functions[call->kind][which],
                             .name = function_names[which],
                             .args = {call->threat, call->gathered},
                             .count = which == WHEN ? 1 : 2,
                             .arena = call->arena};
}

int agents_when(struct agents *agents, const struct agent_call *call, bool *wanted,
                char reason[POLICY_REASON])
{
    if (!is_present(agents, call->kind, reason))
        return -1;
    struct rule_run run = run_of(agents, call, WHEN);
    *wanted = true;
    return agents->set->agents[call->kind].has_when ? rule_run_bool(&run, wanted, reason) : 0;
}

static int call_object(struct agents *agents, const struct agent_call *call, enum function which,
                       struct str *json, char reason[POLICY_REASON])
{
    struct rule_run run = run_of(agents, call, which);
    if (rule_run_json(&run, json, reason) != 0)
        return -1;
    if (json->ptr[0] == '{')
        return 0;
    snprintf(reason, POLICY_REASON, "%s gave a list instead of a table of names", function_names[which]);
    return -1;
}

/* What is sent to a model must be there: an empty question would be answered as well. */
static bool is_prompt(struct str text)
{
    struct json *json = json_parse(text, NULL, NULL);
    struct str system = STR(""), user = STR("");
    bool both = json_get_str(json, "system", &system) && json_get_str(json, "user", &user) && system.len &&
                user.len;
    json_free(json);
    return both;
}

int agents_prompt(struct agents *agents, const struct agent_call *call, struct str *json,
                  char reason[POLICY_REASON])
{
    if (!is_present(agents, call->kind, reason))
        return -1;
    if (!agents->set->agents[call->kind].has_prompt) {
        snprintf(reason, POLICY_REASON, "the agent has no prompt");
        return -1;
    }
    if (call_object(agents, call, PROMPT, json, reason) != 0)
        return -1;
    if (is_prompt(*json))
        return 0;
    snprintf(reason, POLICY_REASON, "prompt gave no two texts { system = \"…\", user = \"…\" }");
    return -1;
}

int agents_offline(struct agents *agents, const struct agent_call *call, struct str *json,
                   char reason[POLICY_REASON])
{
    return is_present(agents, call->kind, reason) ? call_object(agents, call, OFFLINE, json, reason) : -1;
}

/* ---- gathering ---- */

static void forget(struct gathering *gathering)
{
    struct gathering **at = &gathering->agents->gatherings;
    while (*at != gathering)
        at = &(*at)->next;
    *at = gathering->next;
    free(gathering);
}

static void gathered(void *context, const struct lua_result *result)
{
    struct gathering *gathering = context;
    struct agent_gather gather = gathering->gather;
    char reason[POLICY_REASON] = "";
    struct str json = STR("{}");
    bool nothing = result->status == LUA_DONE && result->is_nil;
    if (!nothing && rule_run_is_table("gather", result, reason)) {
        if (result->text.ptr[0] == '{')
            json = result->text;
        else
            snprintf(reason, sizeof(reason), "gather gave a list instead of a table of names");
    }
    /* What `done` does may begin or cancel others, and free nothing of this one. */
    if (gathering->starting)
        gathering->ended = true;
    else
        forget(gathering);
    gather.done(gather.context, json, reason[0] ? reason : NULL);
}

static int start(struct gathering *gathering, struct err *err)
{
    struct agents *agents = gathering->agents;
    const struct agent_gather *gather = &gathering->gather;
    struct lua_task_options options = {.call = {.function = agents->functions[gather->kind][GATHER],
                                                .returns = LUA_RETURNS_JSON,
                                                .arena = gather->arena,
                                                .json = &gather->threat,
                                                .json_count = 1,
                                                .budget_ns = RULE_RUN_NS},
                                       .total_ns = GATHER_NS,
                                       .done = gathered,
                                       .context = gathering};
    gathering->starting = true;
    int rc = lua_task_start(agents->runtime, &options, &gathering->task, err);
    gathering->starting = false;
    return rc;
}

int agents_gather_start(struct agents *agents, const struct agent_gather *gather, struct lua_task *task,
                        struct err *err)
{
    *task = (struct lua_task){0};
    if (!agents->set->agents[gather->kind].present)
        return err_set(err, ERR_NOT_FOUND, "there is no agent %s", agent_names[gather->kind]);
    if (!agents->set->agents[gather->kind].has_gather) {
        gather->done(gather->context, STR("{}"), NULL);
        return 0;
    }
    struct gathering *gathering = mem_zalloc(1, sizeof(*gathering));
    gathering->agents = agents;
    gathering->gather = *gather;
    gathering->next = agents->gatherings;
    agents->gatherings = gathering;
    int rc = start(gathering, err);
    *task = gathering->task;
    if (rc != 0 || gathering->ended)
        forget(gathering);
    return rc;
}

bool agents_gather_cancel(struct agents *agents, struct lua_task task)
{
    for (struct gathering *g = agents->gatherings; g; g = g->next) {
        if (g->task.task != task.task || g->task.generation != task.generation)
            continue;
        bool cancelled = lua_task_cancel(agents->runtime, task);
        if (cancelled)
            forget(g);
        return cancelled;
    }
    return false;
}
