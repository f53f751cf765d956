/* `group`, `dedup` and `context`, and what a window entry keeps. */
#include <stdio.h>

#include "rules/load.h"

#define GROUPS_PER_RULE  100000
#define DEDUP_DEFAULT_NS (3600 * NS_PER_S)
#define LATE_DEFAULT_NS  (30 * NS_PER_S)
#define SLOTS_MAX        256

static bool load_slots(struct unit *unit, const struct lval *table, const char *key, const char *what,
                       struct slots *out)
{
    const struct str *paths;
    size_t count;
    if (!key_strings(unit, table, key, &paths, &count))
        return false;
    if (count > SLOTS_MAX) {
        unit_error(unit, key_line(table, key), "%s: more than %d fields", what, SLOTS_MAX);
        return false;
    }
    uint32_t *items = arena_alloc(unit->load->arena, count * sizeof(*items));
    size_t errors = unit->errors;
    for (size_t i = 0; i < count; i++)
        items[i] = intern_field(unit, key_line(table, key), what, paths[i]);
    *out = (struct slots){items, count};
    return unit->errors == errors;
}

static void load_function(struct unit *unit, const struct lval *group, struct rule *rule)
{
    struct str distinct;
    int64_t count = 0;
    rule->distinct = FIELD_NONE;
    if (key_string(unit, group, "distinct", &distinct)) {
        rule->distinct = intern_field(unit, key_line(group, "distinct"), "group.distinct", distinct);
        rule->group.distinct = true;
    }
    if (key_integer(unit, group, "count", (const int64_t[2]){1, GROUP_TIMES_MAX}, &count))
        rule->group.count = (uint32_t)count;
    else if (lval_get(group, "count") == NULL)
        unit_error(unit, group->line,
                   "group: \"count\" is missing; write how many %s make it fire, count = 5",
                   rule->group.distinct ? "different values" : "events");
}

/* Names the rule's windows in memory and on disk: whatever changes it starts the rule empty. */
static uint64_t state_name(struct unit *unit, const struct rule *rule)
{
    const struct fields *fields = unit->load->set->fields;
    struct buf by = BUF_EMPTY;
    for (size_t i = 0; i < rule->group_by.count; i++)
        buf_put_lstr(&by, fields_path(fields, rule->group_by.items[i]));
    char window[32];
    snprintf(window, sizeof(window), "%lld", (long long)rule->group.window_ns);
    struct str parts[] = {rule->id, by.ptr ? buf_str(&by) : STR(""), str_from(window),
                          rule->group.distinct ? STR("distinct") : STR("count"),
                          rule->distinct == FIELD_NONE ? STR("") : fields_path(fields, rule->distinct)};
    struct id128 id = hash_id(parts, sizeof(parts) / sizeof(parts[0]));
    buf_free(&by);
    uint64_t state;
    memcpy(&state, id.bytes, sizeof(state));
    return state;
}

static void load_windows(struct unit *unit, const struct lval *group, struct rule *rule)
{
    if (!key_duration(unit, group, "window", &rule->group.window_ns)) {
        if (lval_get(group, "window") == NULL)
            unit_error(unit, group->line, "group: \"window\" is missing; write window = \"10m\"");
    } else if (rule->group.window_ns <= 0) {
        unit_error(unit, key_line(group, "window"), "group: the window has no length");
    }
    rule->group.late_ns = LATE_DEFAULT_NS;
    key_duration(unit, group, "late", &rule->group.late_ns);
}

static void load_grouping(struct unit *unit, const struct lval *group, struct rule *rule)
{
    static const char *const names[] = {"by", "window", "late", "count", "distinct"};
    static const char *const later[] = {"sum", "avg", "percentile", "sequence", "all_of", NULL};
    size_t errors = unit->errors;
    check_keys(unit, group, &(struct keys){"group", names, 5, later});
    rule->grouped = true;
    if (!load_slots(unit, group, "by", "group.by", &rule->group_by) && lval_get(group, "by") == NULL)
        unit_error(
            unit, group->line,
            "group: \"by\" is missing; write the fields that tell groups apart, by = { \"user.name\" }");
    load_windows(unit, group, rule);
    bool later_function = false;
    for (size_t i = 0; later[i]; i++)
        later_function = later_function || lval_get(group, later[i]);
    if (!later_function)
        load_function(unit, group, rule);
    rule->group.groups = GROUPS_PER_RULE / GROUP_SHARDS;
    rule->group.times = GROUP_TIMES_MAX;
    if (unit->errors == errors)
        rule->group.state = state_name(unit, rule);
}

static void load_dedup(struct unit *unit, const struct lval *dedup, struct rule *rule)
{
    static const char *const names[] = {"by", "window"};
    check_keys(unit, dedup, &(struct keys){"dedup", names, 2, NULL});
    load_slots(unit, dedup, "by", "dedup.by", &rule->dedup_by);
    if (key_duration(unit, dedup, "window", &rule->dedup_window_ns) && rule->dedup_window_ns <= 0)
        unit_error(unit, key_line(dedup, "window"), "dedup: the window has no length");
}

void load_group(struct unit *unit, const struct lval *table, struct rule *rule)
{
    rule->distinct = FIELD_NONE;
    rule->dedup_window_ns = DEDUP_DEFAULT_NS;
    const struct lval *group = key_of_type(unit, table, "group", LVAL_TABLE);
    const struct lval *dedup = key_of_type(unit, table, "dedup", LVAL_TABLE);
    size_t errors = unit->errors;
    if (group)
        load_grouping(unit, group, rule);
    if (dedup)
        load_dedup(unit, dedup, rule);
    load_slots(unit, table, "context", "context", &rule->context);
    if (group && unit->errors == errors && rule->group.late_ns >= rule->dedup_window_ns)
        unit_error(
            unit, key_line(group, "late"),
            "group: late must be shorter than dedup.window, or a late event could start a second threat");
}

static void keep(struct rule *rule, uint32_t *items, uint32_t slot)
{
    for (size_t i = 0; i < rule->stored.count; i++)
        if (items[i] == slot) /* NOLINT(clang-analyzer-core.UndefinedBinaryOperatorResult): `count` are set */
            return;
    if (slot != FIELD_NONE && rule->stored.count < SLOTS_MAX)
        items[rule->stored.count++] = slot;
}

static void keep_all(struct rule *rule, uint32_t *items, const struct slots *slots)
{
    for (size_t i = 0; i < slots->count; i++)
        keep(rule, items, slots->items[i]);
}

void load_callback_fields(struct unit *unit, struct rule *rule)
{
    const struct load_file *file = unit->file;
    struct fields *fields = unit->load->set->fields;
    uint32_t items[SLOTS_MAX];
    keep_all(rule, items, &rule->group_by);
    keep(rule, items, rule->distinct);
    keep_all(rule, items, &rule->dedup_by);
    keep_all(rule, items, &rule->context);
    /* The scan finds more than fields (any t["x"]), so what is no path is left out silently. */
    for (size_t i = 0; rule->callbacks && i < file->path_after_filter_count; i++)
        keep(rule, items, fields_intern(fields, file->paths_after_filter[i], NULL));
    for (size_t i = 0; rule->callbacks && i < file->path_count; i++)
        fields_intern(fields, file->paths[i], NULL);
    rule->stored.items = arena_alloc(unit->load->arena, (rule->stored.count + 1) * sizeof(*items));
    memcpy(rule->stored.items, items, rule->stored.count * sizeof(*items));
}
