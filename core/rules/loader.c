#include "rules/loader.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/hash.h"
#include "rules/load.h"

#define RULES_MAX 10000

uint32_t load_keep_file(struct load *load, const struct load_file *file)
{
    struct ruleset *set = load->set;
    struct lua_source *kept = &set->files[set->file_count];
    kept->path = arena_dup(load->arena, file->from->path);
    kept->text = load->texts[file->from - load->tree->files.items];
    return (uint32_t)set->file_count++;
}

static int source_order(const void *a, const void *b)
{
    return str_compare(((const struct source *)a)->id, ((const struct source *)b)->id);
}

static void load_sources(struct load *load)
{
    struct ruleset *set = load->set;
    struct source *sources = arena_alloc(load->arena, (load->sources.count + 1) * sizeof(*sources));
    for (size_t i = 0; i < load->sources.count; i++) {
        struct load_file *file = &load->sources.items[i];
        struct unit unit = {.load = load, .file = file};
        /* Counted even when it has errors: its map and predicates are freed with the set. */
        load_source(&unit, &sources[set->source_count]);
        struct source *source = &sources[set->source_count++];
        source->file = load_keep_file(load, file);
        source->path = set->files[source->file].path;
    }
    if (set->source_count)
        qsort(sources, set->source_count, sizeof(*sources), source_order);
    set->sources = sources;
}

/* Every name that a source speaks of: what it makes, and what the vendor calls it. */
static void know_fields(struct load *load)
{
    for (size_t i = FIELD_BASE_COUNT; i < fields_count(load->set->fields); i++)
        known_fields_add(load->known, fields_path(load->set->fields, (uint32_t)i));
}

static int rule_order(const void *a, const void *b)
{
    const struct rule *x = a, *y = b;
    if ((x->mode == RULE_OFF) != (y->mode == RULE_OFF))
        return x->mode == RULE_OFF ? 1 : -1;
    return str_compare(x->id, y->id);
}

static void load_rules(struct load *load)
{
    struct ruleset *set = load->set;
    if (load->rules.count > RULES_MAX) {
        report_add(load->report, PROBLEM_ERROR, "", "%zu rules, but at most %d can be loaded",
                   load->rules.count, RULES_MAX);
        return;
    }
    struct rule *rules = arena_alloc(load->arena, (load->rules.count + 1) * sizeof(*rules));
    for (size_t i = 0; i < load->rules.count; i++) {
        struct load_file *file = &load->rules.items[i];
        struct unit unit = {.load = load, .file = file};
        struct rule *rule = &rules[set->rule_count];
        if (!load_rule(&unit, rule))
            continue;
        rule->file = load_keep_file(load, file);
        rule->path = set->files[rule->file].path;
        rule->text = set->files[rule->file].text;
        set->rule_count++;
    }
    if (set->rule_count)
        qsort(rules, set->rule_count, sizeof(*rules), rule_order);
    set->rules = rules;
    for (size_t i = 0; i < set->rule_count; i++)
        map_put(set->rules_by_id, rules[i].id, &rules[i]);
}

static int action_order(const void *a, const void *b)
{
    return str_compare(((const struct action *)a)->id, ((const struct action *)b)->id);
}

static void load_triage(struct load *load)
{
    struct ruleset *set = load->set;
    struct action *actions = arena_alloc(load->arena, (load->actions.count + 1) * sizeof(*actions));
    for (size_t i = 0; i < load->policies.count; i++)
        load_policy(&(struct unit){.load = load, .file = &load->policies.items[i]});
    for (size_t i = 0; i < load->agents.count; i++)
        load_agent(&(struct unit){.load = load, .file = &load->agents.items[i]});
    for (size_t i = 0; i < load->actions.count; i++) {
        struct unit unit = {.load = load, .file = &load->actions.items[i]};
        set->action_count += load_action(&unit, &actions[set->action_count]);
    }
    if (set->action_count)
        qsort(actions, set->action_count, sizeof(*actions), action_order);
    set->actions = actions;
}

static void check_shadows(struct load *load)
{
    const struct ruleset *set = load->set;
    const char **names = arena_alloc(load->arena, (set->rule_count + 1) * sizeof(*names));
    for (size_t i = 0; i < set->rule_count; i++)
        names[i] = arena_dup(load->arena, set->rules[i].id).ptr;
    for (size_t i = 0; i < set->rule_count; i++) {
        const struct rule *rule = &set->rules[i];
        if (rule->shadow_of.len == 0)
            continue;
        if (str_equal(rule->shadow_of, rule->id))
            report_add(load->report, PROBLEM_ERROR, rule->path.ptr, "shadow_of: the rule names itself");
        else if (ruleset_find(set, rule->shadow_of) == NULL)
            report_add(load->report, PROBLEM_ERROR, rule->path.ptr, "shadow_of: no such rule \"%.*s\"%s",
                       STR_ARG(rule->shadow_of),
                       did_you_mean(load->arena, rule->shadow_of, names, set->rule_count));
    }
}

static void compile(struct load *load)
{
    struct ruleset *set = load->set;
    size_t live = 0;
    for (bool more = true; more;) {
        more = false;
        for (size_t i = 0; i < set->source_count; i++)
            more |= source_map_settle(set->sources[i].map);
    }
    fields_freeze(set->fields);
    struct match_rule *rules = arena_alloc(load->arena, (set->rule_count + 1) * sizeof(*rules));
    struct match_route *routes = arena_alloc(load->arena, (set->source_count + 1) * sizeof(*routes));
    for (; live < set->rule_count && set->rules[live].mode != RULE_OFF; live++)
        rules[live] = (struct match_rule){set->rules[live].id, set->rules[live].match,
                                          set->rules[live].route};
    for (size_t i = 0; i < set->source_count; i++)
        routes[i] = set->sources[i].route;
    struct err err = {0};
    set->matcher = matcher_new(rules, live, routes, set->source_count, set->fields, &err);
    if (set->matcher == NULL)
        report_add(load->report, PROBLEM_ERROR, err.where, "%s", err.message);
    for (size_t i = 0; set->matcher && i < live; i++)
        if (match_is_always(set->matcher, (uint32_t)i) && !set->rules[i].everything)
            report_add(load->report, PROBLEM_NOTE, set->rules[i].path.ptr,
                       "no part of match is rare enough to look for, so each event of the rule's route is "
                       "tested");
}

static void put_overlay(struct buf *out, const struct list_overlay *overlay)
{
    buf_put_lstr(out, overlay->name);
    buf_put_u64(out, overlay->added_count);
    for (size_t i = 0; i < overlay->added_count; i++) {
        buf_put_lstr(out, overlay->added[i].value);
        buf_put_lstr(out, overlay->added[i].attributes);
    }
    buf_put_u64(out, overlay->removed_count);
    for (size_t i = 0; i < overlay->removed_count; i++)
        buf_put_lstr(out, overlay->removed[i]);
}

void ruleset_hash(const struct tree *tree, const struct list_overlay *overlays, size_t overlay_count,
                  char out[65])
{
    struct buf all = BUF_EMPTY;
    memcpy(out, tree_hash(tree), 65);
    if (overlay_count == 0)
        return;
    buf_puts(&all, tree_hash(tree));
    for (size_t i = 0; i < overlay_count; i++)
        put_overlay(&all, &overlays[i]);
    hash_sha256_hex(buf_str(&all), out);
    buf_free(&all);
}

static struct ruleset *new_set(const struct tree *tree)
{
    struct ruleset *set = mem_zalloc(1, sizeof(*set));
    atomic_init(&set->refs, 1);
    set->arena = arena_new(256 << 10);
    set->fields = fields_new();
    for (size_t i = 0; i < ENTITY_FIELDS; i++)
        fields_intern(set->fields, str_from(entity_fields[i]), NULL);
    set->rules_by_id = map_new();
    set->lists_by_name = map_new();
    set->files = arena_alloc(set->arena, (tree->files.count + 1) * sizeof(*set->files));
    return set;
}

static void take_notes(const struct tree *tree, struct report *report)
{
    for (size_t i = 0; i < tree->notes.problems.count; i++) {
        const struct problem *note = &tree->notes.problems.items[i];
        report_add(report, note->level, note->where, "%s", note->message);
    }
}

static void drop_shelves(struct load *load)
{
    map_free(load->rules.by_id, NULL);
    map_free(load->sources.by_id, NULL);
    map_free(load->policies.by_id, NULL);
    map_free(load->agents.by_id, NULL);
    map_free(load->actions.by_id, NULL);
}

struct ruleset *ruleset_load(const struct tree *tree, const struct list_overlay *overlays,
                             size_t overlay_count, struct report *report)
{
    struct ruleset *set = new_set(tree);
    struct load load = {
        .tree = tree, .report = report, .set = set, .arena = set->arena, .known = known_fields_new()};
    size_t before = report->errors;
    ruleset_hash(tree, overlays, overlay_count, set->hash);
    load.scratch = arena_new(64 << 10);
    load.once = arena_new(64 << 10);
    take_notes(tree, report);
    load_files(&load);
    load_finish_lists(&load, overlays, overlay_count);
    load_techniques(&load);
    load_sources(&load);
    know_fields(&load);
    load_rules(&load);
    load_triage(&load);
    check_shadows(&load);
    if (report->errors == before)
        compile(&load);
    drop_shelves(&load);
    known_fields_free(load.known);
    arena_free(load.scratch);
    arena_free(load.once);
    if (report->errors == before)
        return set;
    ruleset_unref(set);
    return NULL;
}
