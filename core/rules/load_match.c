/* The `match` table as a tree of nodes. */
#include <stdarg.h>
#include <stdio.h>

#include "rules/load.h"

#define NESTING_MAX 16

static void problem(struct match_build *build, unsigned line, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static void problem(struct match_build *build, unsigned line, const char *format, ...)
{
    char message[512];
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof(message), format, args);
    va_end(args);
    build->failed = true;
    if (build->unit)
        unit_error(build->unit, line, "%s", message);
    else
        err_set(build->err, ERR_INVALID, "%s", message);
}

/* Entries of a list: of the test (where one is run, it sees only its own), else of the file. False: no such.
 */
static bool find_list(struct match_build *build, struct str name, const struct literal **entries,
                      size_t *count)
{
    const struct list *list = map_get(build->set->lists_by_name, name);
    if (list == NULL)
        return false;
    *entries = list->entries.items;
    *count = list->entries.count;
    if (build->test == NULL)
        return true;
    *count = 0;
    for (size_t i = 0; i < build->test->list_count; i++) {
        if (!str_equal(build->test->lists[i].name, name))
            continue;
        *entries = build->test->lists[i].entries;
        *count = build->test->lists[i].count;
    }
    return true;
}

static void no_such_list(struct match_build *build, unsigned line, struct str name)
{
    size_t count = build->set->list_count;
    const char **names = arena_alloc(build->arena, (count + 1) * sizeof(*names));
    for (size_t i = 0; i < count; i++)
        names[i] = arena_dup(build->arena, build->set->lists[i]->name).ptr;
    problem(build, line, "no such list \"%.*s\"%s", STR_ARG(name),
            did_you_mean(build->arena, name, names, count));
}

struct literals {
    VEC(struct literal) all;
    bool from_list; /* names a list: may be empty, and that matches nothing */
};

static struct str list_name(const struct lval *value)
{
    const struct lval *name = lval_get(value, "name");
    if (name == NULL && value->field_count)
        name = &value->fields[0].value;
    return name && name->type == LVAL_STRING ? name->s : STR("");
}

static void add_list(struct match_build *build, unsigned line, struct str name, struct literals *out)
{
    const struct literal *entries;
    size_t count;
    build->uses_lists = true;
    out->from_list = true;
    if (!find_list(build, name, &entries, &count)) {
        no_such_list(build, line, name);
        return;
    }
    vec_reserve(&out->all, count);
    if (count)
        memcpy(out->all.items + out->all.count, entries, count * sizeof(*entries));
    out->all.count += count;
}

/* One value of a field. */
static void add_value(struct match_build *build, const struct lval_field *field, const struct lval *value,
                      struct literals *out)
{
    struct literal literal;
    unsigned line = value->line ? value->line : field->line;
    if (value->type == LVAL_TABLE && value->kind == LVAL_LIST_NAME) {
        add_list(build, line, list_name(value), out);
    } else if (!literal_of(value, &literal)) {
        problem(build, line, "match[\"%.*s\"]: expected a string, a number, true or false, got %s",
                STR_ARG(field->key), value_name(value));
    } else if (literal.type == LITERAL_STRING && has_control(literal.text)) {
        const char *text = spelled(build->arena, literal.text);
        problem(build, line, "match[\"%.*s\"]: \"%s\" holds a control character; write [[%s]]",
                STR_ARG(field->key), text, text);
    } else {
        vec_push(&out->all, literal);
    }
}

static void add_values(struct match_build *build, const struct lval_field *field, struct literals *out)
{
    const struct lval *value = &field->value;
    struct str key = field->key;
    if (value->type != LVAL_TABLE || value->kind != LVAL_PLAIN) {
        add_value(build, field, value, out);
        return;
    }
    if (value->field_count) {
        problem(build, field->line, "match[\"%.*s\"]: a table is no value; write [\"%.*s.%.*s\"] = …",
                STR_ARG(key), STR_ARG(key), STR_ARG(value->fields[0].key));
        return;
    }
    if (value->item_count == 0)
        problem(build, field->line,
                "match[\"%.*s\"]: an empty list matches nothing; write a value, or leave the key out",
                STR_ARG(key));
    for (size_t i = 0; i < value->item_count; i++) {
        const struct lval *item = &value->items[i];
        if (item->kind == LVAL_NULL)
            problem(build, field->line,
                    "match[\"%.*s\"]: null inside a list; write any { { [\"%.*s\"] = null }, { [\"%.*s\"] = "
                    "… } }",
                    STR_ARG(key), STR_ARG(key), STR_ARG(key));
        else
            add_value(build, field, item, out);
    }
}

static struct str path_of(struct str key)
{
    const char *bar = key.len ? memchr(key.ptr, '|', key.len) : NULL;
    return (struct str){key.ptr, bar ? (size_t)(bar - key.ptr) : key.len};
}

/* An empty list holds nothing, so nothing equals an entry of it. */
static struct match_node *never(struct arena *arena)
{
    struct match_node *none = match_node_new(arena, MATCH_NONE);
    match_node_add(none, match_node_new(arena, MATCH_EVERYTHING));
    return none;
}

static struct match_node *build_field(struct match_build *build, const struct lval_field *field)
{
    struct literals literals = {0};
    struct match_node *node = NULL;
    struct err err = {0};
    bool failed = build->failed;
    build->failed = false;
    add_values(build, field, &literals);
    if (!build->failed && literals.all.count == 0 && literals.from_list) {
        node = never(build->arena);
    } else if (!build->failed) {
        node = match_field(build->arena, build->set->fields, field->key, literals.all.items,
                           literals.all.count, &err);
        if (node == NULL)
            problem(build, field->line, "match[\"%.*s\"]: %s", STR_ARG(field->key), err.message);
        else if (build->unit)
            warn_unknown_field(build->unit, field->line, "match", path_of(field->key));
    }
    build->failed = build->failed || failed;
    vec_free(&literals.all);
    return node;
}

static struct match_node *build_keywords(struct match_build *build, const struct lval *value)
{
    struct literals literals = {0};
    struct lval_field field = {.key = STR("keywords"), .line = value->line, .value = *value};
    struct err err = {0};
    bool failed = build->failed;
    build->failed = false;
    for (size_t i = 0; i < value->item_count; i++)
        add_value(build, &field, &value->items[i], &literals);
    struct match_node *node = NULL;
    if (value->item_count == 0 || value->field_count)
        problem(build, value->line, "keywords: write the words to search for, keywords { \"mimikatz\" }");
    else if (!build->failed)
        node = match_keywords(build->arena, literals.all.items, literals.all.count, &err);
    if (err.code)
        problem(build, value->line, "%s", err.message);
    build->failed = build->failed || failed;
    vec_free(&literals.all);
    return node;
}

static bool is_node(const struct lval *value)
{
    if (value->type != LVAL_TABLE)
        return false;
    switch (value->kind) {
    case LVAL_PLAIN:
    case LVAL_ALL:
    case LVAL_ANY:
    case LVAL_NONE:
    case LVAL_KEYWORDS:
    case LVAL_EVERYTHING:
        return true;
    default:
        return false;
    }
}

static void stands_alone(struct match_build *build, const struct lval *table, const struct lval *item)
{
    unsigned line = item->line ? item->line : table->line;
    if (item->type == LVAL_STRING)
        problem(
            build, line,
            "match: the string \"%s\" stands alone; write [\"field\"] = \"%s\", or keywords { \"%s\" } to "
            "search every string",
            spelled(build->arena, item->s), spelled(build->arena, item->s), spelled(build->arena, item->s));
    else if (item->type == LVAL_FUNCTION)
        problem(build, line, "match: a function cannot stand here; write filter = function(event) … end");
    else
        problem(build, line, "match: %s stands alone; write [\"field\"] = value", value_name(item));
}

static struct match_node *build_node(struct match_build *build, const struct lval *table, unsigned depth)
{
    static const enum match_kind kinds[] = {
        [LVAL_PLAIN] = MATCH_ALL, [LVAL_ALL] = MATCH_ALL, [LVAL_ANY] = MATCH_ANY, [LVAL_NONE] = MATCH_NONE};
    if (table->kind == LVAL_EVERYTHING)
        return match_node_new(build->arena, MATCH_EVERYTHING);
    if (table->kind == LVAL_KEYWORDS)
        return build_keywords(build, table);
    if (depth > NESTING_MAX) {
        problem(build, table->line, "match: tables are nested more than %d deep", NESTING_MAX);
        return NULL;
    }
    if (table->item_count + table->field_count == 0)
        problem(build, table->line, "match: an empty table; write what must hold, or match = everything");
    struct match_node *node = match_node_new(build->arena, kinds[table->kind]);
    for (size_t i = 0; i < table->field_count; i++) {
        struct match_node *child = build_field(build, &table->fields[i]);
        if (child)
            match_node_add(node, child);
    }
    for (size_t i = 0; i < table->item_count; i++) {
        const struct lval *item = &table->items[i];
        struct match_node *child = is_node(item) ? build_node(build, item, depth + 1) : NULL;
        if (child)
            match_node_add(node, child);
        else if (!is_node(item))
            stands_alone(build, table, item);
    }
    return node;
}

const struct match_node *build_match(struct match_build *build, const struct lval *value)
{
    if (!is_node(value)) {
        problem(build, value->line, "match: expected a table, got %s; write match = { [\"field\"] = value }",
                value_name(value));
        return NULL;
    }
    const struct match_node *node = build_node(build, value, 0);
    return build->failed ? NULL : node;
}
