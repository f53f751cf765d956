/* The rule table: one file, one rule. */
#include "rules/load.h"

static const char *const rule_keys[] = {
    "id",         "title",           "version", "severity", "type",   "mitre",    "source",      "match",
    "group",      "dedup",           "context", "filter",   "detect", "title_of", "severity_of", "dedup_of",
    "context_of", "false_positives", "runbook", "tests",    "mode",   "shadow_of"};

static bool lower_word(struct str s)
{
    for (size_t i = 0; i < s.len; i++)
        if (!(s.ptr[i] >= 'a' && s.ptr[i] <= 'z') && !(s.ptr[i] >= '0' && s.ptr[i] <= '9') && s.ptr[i] != '_')
            return false;
    return s.len > 0 && s.len <= 64;
}

static void missing(struct unit *unit, const struct lval *table, const char *key, const char *write)
{
    if (lval_get(table, key) == NULL)
        unit_error(unit, table->line, "rule: \"%s\" is missing; write %s", key, write);
}

static void load_severity(struct unit *unit, const struct lval *table, struct rule *rule)
{
    static const char *const names[] = {"informational", "low", "medium", "high", "critical"};
    struct str name;
    missing(unit, table, "severity", "severity = \"medium\"");
    if (key_string(unit, table, "severity", &name) && !severity_named(name, &rule->severity))
        unit_error(unit, key_line(table, "severity"),
                   "severity: \"%.*s\" is none of informational, low, medium, high, critical%s",
                   STR_ARG(name), did_you_mean(unit->load->arena, name, names, 5));
}

static void load_mode(struct unit *unit, const struct lval *table, struct rule *rule)
{
    static const char *const names[] = {"on", "shadow", "off"};
    struct str name = STR("on");
    rule->mode = RULE_ON;
    if (key_string(unit, table, "mode", &name)) {
        for (unsigned i = 0; i < 3; i++)
            if (str_is(name, names[i]))
                rule->mode = (enum rule_mode)i;
        if (!str_is(name, names[rule->mode]))
            unit_error(unit, key_line(table, "mode"), "mode: \"%.*s\" is none of on, shadow, off",
                       STR_ARG(name));
    }
    if (!key_string(unit, table, "shadow_of", &rule->shadow_of))
        return;
    if (lval_get(table, "mode") && rule->mode != RULE_SHADOW)
        unit_error(unit, key_line(table, "shadow_of"),
                   "shadow_of: the rule is a candidate beside another; write mode = \"shadow\", or no mode");
    rule->mode = RULE_SHADOW;
}

static void load_mitre(struct unit *unit, const struct lval *table, struct rule *rule)
{
    if (key_strings(unit, table, "mitre", &rule->mitre, &rule->mitre_count))
        check_techniques(unit, key_line(table, "mitre"), rule->mitre, rule->mitre_count);
}

static void load_head(struct unit *unit, const struct lval *table, struct rule *rule)
{
    int64_t version = 1;
    missing(unit, table, "id", "id = \"area.what_it_finds\"");
    if (key_string(unit, table, "id", &rule->id))
        check_id(unit, key_line(table, "id"), "id", rule->id);
    missing(unit, table, "title", "title = \"what the analyst reads\"");
    key_string(unit, table, "title", &rule->title);
    key_integer(unit, table, "version", (const int64_t[2]){1, 1000000000}, &version);
    rule->version = (unsigned)version;
    load_severity(unit, table, rule);
    rule->type = STR("other");
    if (key_string(unit, table, "type", &rule->type) && !lower_word(rule->type))
        unit_error(unit, key_line(table, "type"),
                   "type: \"%.*s\": write lower-case letters, digits and _ , like \"anomaly_detection\"",
                   STR_ARG(rule->type));
    load_mitre(unit, table, rule);
    key_strings(unit, table, "false_positives", &rule->false_positives, &rule->false_positive_count);
    key_string(unit, table, "runbook", &rule->runbook);
    load_mode(unit, table, rule);
}

static void load_callbacks(struct unit *unit, const struct lval *table, struct rule *rule)
{
    for (unsigned i = 0; i < CALLBACK_COUNT; i++)
        if (key_of_type(unit, table, callback_names[i], LVAL_FUNCTION))
            rule->callbacks |= 1u << i;
}

static void load_match(struct unit *unit, const struct lval *table, struct rule *rule)
{
    const struct lval *match = lval_get(table, "match");
    if (match == NULL) {
        unit_error(unit, table->line,
                   "rule: \"match\" is missing; write match = { [\"field\"] = value }, or "
                   "match = everything");
        return;
    }
    struct match_build build = {.unit = unit, .set = unit->load->set, .arena = unit->load->arena};
    rule->match = build_match(&build, match);
    rule->everything = match->kind == LVAL_EVERYTHING;
    rule->uses_lists = build.uses_lists;
}

/* A test sees only the lists it names, so a rule with lists is another program in each. */
static void bind_tests(struct unit *unit, const struct lval *match, struct rule *rule)
{
    for (size_t i = 0; rule->uses_lists && i < rule->test_count; i++) {
        struct rule_test *test = (struct rule_test *)&rule->tests[i];
        struct err err = {0};
        struct match_build build = {
            .set = unit->load->set, .test = test, .arena = unit->load->arena, .err = &err};
        test->match = build_match(&build, match);
        if (test->match == NULL)
            unit_error(unit, test->line, "test \"%.*s\": with its lists, %s", STR_ARG(test->name),
                       err.message);
    }
}

bool load_route(struct unit *unit, const struct lval *table, const char *key, struct match_route *out)
{
    static const char *const names[] = {"category", "product", "service"};
    const struct lval *route = key_of_type(unit, table, key, LVAL_TABLE);
    out->category = out->product = out->service = STR("");
    if (route == NULL)
        return false;
    check_keys(unit, route, &(struct keys){key, names, 3, NULL});
    key_string(unit, route, "category", &out->category);
    key_string(unit, route, "product", &out->product);
    key_string(unit, route, "service", &out->service);
    return true;
}

/* The other callbacks only describe a threat; these two decide which there are, and must not depend on how
 * much of a group has arrived. */
static void warn_of_group_reads(struct unit *unit, const char *callback, const struct load_reads *reads)
{
    for (size_t i = 0; i < reads->count; i++)
        if (!str_is(reads->items[i].name, "key"))
            unit_warn(unit, reads->items[i].line,
                      "%s: group.%.*s depends on how much of the group has arrived, so two runs may give "
                      "different threats; read nothing of group but group.key here",
                      callback, STR_ARG(reads->items[i].name));
}

bool load_rule(struct unit *unit, struct rule *rule)
{
    const struct lval *table = unit->file->value;
    *rule = (struct rule){.path = unit->file->from->path};
    check_keys(unit, table,
               &(struct keys){"rule", rule_keys, sizeof(rule_keys) / sizeof(rule_keys[0]), NULL});
    load_head(unit, table, rule);
    load_route(unit, table, "source", &rule->route);
    load_callbacks(unit, table, rule);
    load_match(unit, table, rule);
    load_group(unit, table, rule);
    if (rule->grouped) {
        warn_of_group_reads(unit, "detect", &unit->file->detect_reads);
        warn_of_group_reads(unit, "dedup_of", &unit->file->dedup_reads);
    }
    load_tests(unit, table, rule);
    if (unit->errors == 0)
        bind_tests(unit, lval_get(table, "match"), rule);
    load_callback_fields(unit, rule);
    return unit->errors == 0;
}
