#include "rules/rule_host.h"

#include "base/log.h"
#include "rules/lists.h"

/* Texts of a test's lists live with the ruleset, so what is found outlives the list that is made here. */
static bool test_list_get(const struct test_list *list, struct str value, struct str *json)
{
    struct list *all = list_new(list->name, STR(""));
    for (size_t i = 0; i < list->count; i++)
        list_add_with(all, &list->entries[i], list->attributes ? list->attributes[i] : STR(""), NULL);
    list_finish(all);
    bool has = list_get(all, value, json);
    list_free(all);
    return has;
}

static bool host_list_get(void *context, struct str name, struct str value, struct str *json, bool *known)
{
    const struct rule_host *host = context;
    if (!host->testing)
        return ruleset_list_get(host->set, name, value, json, known);
    *known = ruleset_list(host->set, name) != NULL;
    for (size_t i = 0; i < host->list_count; i++) {
        if (!str_equal(host->lists[i].name, name))
            continue;
        *known = true;
        return test_list_get(&host->lists[i], value, json);
    }
    return false;
}

static bool host_list_has(void *context, struct str name, struct str value, bool *known)
{
    struct str json;
    return host_list_get(context, name, value, &json, known);
}

static bool host_module(void *context, struct str name, struct str *path, struct str *text)
{
    const struct ruleset *set = ((const struct rule_host *)context)->set;
    for (size_t i = 0; i < set->module_count; i++) {
        if (!str_equal(set->modules[i].path, name))
            continue;
        *path = set->modules[i].path;
        *text = set->modules[i].text;
        return true;
    }
    return false;
}

/* What a rule prints may hold an event's values, and those never reach the log: only that it printed. */
static void host_log(void *context, const char *level, struct str message)
{
    struct rule_host *host = context;
    if (host->log)
        host->log(host->log_context, level, message);
    else
        LOG(LOG_DEBUG, "rule.log", log_text("level", level), log_int("bytes", message.len));
}

struct lua_host rule_host_lua(struct rule_host *host, const struct clock *clock)
{
    return (struct lua_host){.context = host,
                             .clock = clock,
                             .list_has = host_list_has,
                             .list_get = host_list_get,
                             .module = host_module,
                             .log = host_log};
}
