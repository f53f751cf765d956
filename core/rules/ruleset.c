#include "rules/ruleset.h"

#include <stdlib.h>

#include "rules/lists.h"
#include "rules/loader.h"

const char *const entity_fields[ENTITY_FIELDS] = {
    "user.name", "host.name", "source.ip", "destination.ip", "destination.domain", "process.executable"};

const char *const callback_names[CALLBACK_COUNT] = {"filter",      "detect",   "title_of",
                                                    "severity_of", "dedup_of", "context_of"};

const char *const policy_names[POLICY_COUNT] = {"severity", "false_positive", "response",
                                                "mitre",    "manipulation",   "timeline"};
const char *const agent_names[AGENT_COUNT] = {"historical", "config",   "devops",
                                              "context",    "priority", "coordinator"};

struct ruleset *ruleset_ref(struct ruleset *set)
{
    atomic_fetch_add_explicit(&set->refs, 1, memory_order_relaxed);
    return set;
}

static void free_predicates(struct match_predicate **predicates, size_t count)
{
    for (size_t i = 0; i < count; i++)
        match_predicate_free(predicates[i]);
}

void ruleset_unref(struct ruleset *set)
{
    if (set == NULL || atomic_fetch_sub_explicit(&set->refs, 1, memory_order_acq_rel) != 1)
        return;
    for (size_t i = 0; i < set->source_count; i++) {
        const struct source *source = &set->sources[i];
        source_map_free(source->map);
        free_predicates(source->accepts, source->accepts_count);
        free_predicates(source->when, source->when_count);
    }
    for (size_t i = 0; i < set->list_count; i++)
        list_free(set->lists[i]);
    free(set->lists);
    map_free(set->rules_by_id, NULL);
    map_free(set->lists_by_name, NULL);
    map_free(set->techniques, NULL);
    if (set->matcher)
        matcher_free(set->matcher);
    fields_free(set->fields);
    arena_free(set->arena);
    free(set);
}

const struct rule *ruleset_find(const struct ruleset *set, struct str id)
{
    return map_get(set->rules_by_id, id);
}

uint32_t ruleset_source(const struct ruleset *set, struct str id)
{
    for (size_t i = 0; i < set->source_count; i++)
        if (str_equal(set->sources[i].id, id))
            return (uint32_t)i;
    return UINT32_MAX;
}

bool ruleset_list_has(const struct ruleset *set, struct str name, struct str value, bool *known)
{
    const struct list *list = map_get(set->lists_by_name, name);
    if (known)
        *known = list != NULL;
    return list && list_has(list, value);
}

bool ruleset_list_get(const struct ruleset *set, struct str name, struct str value, struct str *json,
                      bool *known)
{
    const struct list *list = map_get(set->lists_by_name, name);
    if (known)
        *known = list != NULL;
    return list && list_get(list, value, json);
}

const struct list *ruleset_list(const struct ruleset *set, struct str name)
{
    return map_get(set->lists_by_name, name);
}

static int find_action(const void *id, const void *action)
{
    return str_compare(*(const struct str *)id, ((const struct action *)action)->id);
}

const struct action *ruleset_action(const struct ruleset *set, struct str id)
{
    return set->action_count
               ? bsearch(&id, set->actions, set->action_count, sizeof(*set->actions), find_action)
               : NULL;
}

bool ruleset_technique(const struct ruleset *set, struct str id, struct str *name, struct str *tactics_json)
{
    const struct technique *technique = set->techniques ? map_get(set->techniques, id) : NULL;
    if (technique == NULL)
        return false;
    *name = technique->name;
    *tactics_json = technique->tactics;
    return true;
}

struct matcher *ruleset_test_matcher(const struct ruleset *set, const struct rule *rule,
                                     const struct rule_test *test, struct arena *arena, struct err *err)
{
    const struct match_node *root = test && test->match ? test->match : rule->match;
    struct match_rule only = {rule->id, root, rule->route};
    struct match_route *routes = arena_alloc(arena, (set->source_count + 1) * sizeof(*routes));
    for (size_t i = 0; i < set->source_count; i++)
        routes[i] = set->sources[i].route;
    return matcher_new(&only, 1, routes, set->source_count, set->fields, err);
}
