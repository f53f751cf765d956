#include "rules/rule_run.h"

#include <stdio.h>

int rule_run_load(struct lua_runtime *runtime, const struct lua_source *file, const char *const *names,
                  size_t count, int *functions, struct err *err)
{
    struct arena *arena = arena_new(0);
    int handle = lua_load_file(runtime, file, arena, NULL, err);
    for (size_t i = 0; handle >= 0 && i < count; i++)
        functions[i] = lua_find(runtime, handle, names[i]);
    if (handle >= 0)
        lua_forget_file(runtime, handle);
    arena_free(arena);
    return handle >= 0 ? 0 : -1;
}

void rule_run_set_test(struct rule_host *host, const struct policy_test *test)
{
    host->testing = test != NULL;
    host->lists = test ? test->lists : NULL;
    host->list_count = test ? test->list_count : 0;
}

bool rule_run_is_table(const char *name, const struct lua_result *result, char reason[POLICY_REASON])
{
    if (result->status != LUA_DONE)
        snprintf(reason, POLICY_REASON, "%s %s: %s", name,
                 result->status == LUA_OVERRAN ? "took too long" : "failed", result->error);
    else if (result->is_nil)
        snprintf(reason, POLICY_REASON, "%s gave nil instead of a table", name);
    else if (result->text.ptr[0] != '{' && result->text.ptr[0] != '[')
        snprintf(reason, POLICY_REASON, "%s gave %.*s instead of a table", name,
                 (int)(result->text.len < 40 ? result->text.len : 40), result->text.ptr);
    else
        return true;
    return false;
}

static struct lua_call call_of(const struct rule_run *run, enum lua_returns returns)
{
    return (struct lua_call){.function = run->function,
                             .returns = returns,
                             .arena = run->arena,
                             .json = run->args,
                             .json_count = run->count,
                             .shared = run->shared,
                             .budget_ns = RULE_RUN_NS};
}

int rule_run_json(const struct rule_run *run, struct str *json, char reason[POLICY_REASON])
{
    struct lua_call call = call_of(run, LUA_RETURNS_JSON);
    struct lua_result result = {0};
    lua_run(run->runtime, &call, &result);
    if (!rule_run_is_table(run->name, &result, reason))
        return -1;
    *json = result.text;
    return 0;
}

int rule_run_bool(const struct rule_run *run, bool *truth, char reason[POLICY_REASON])
{
    struct lua_call call = call_of(run, LUA_RETURNS_BOOL);
    struct lua_result result = {0};
    lua_run(run->runtime, &call, &result);
    *truth = result.truth;
    if (result.status == LUA_DONE)
        return 0;
    result.is_nil = false;
    rule_run_is_table(run->name, &result, reason);
    return -1;
}
