/* The source table: one vendor's records as a native map. */
#include "rules/load.h"

#define FROM_MAX  16
#define PAIRS_MAX 4096

static const char *const source_keys[] = {"id",    "accepts", "route", "time", "fields", "values",
                                          "const", "dissect", "when",  "fix",  "tests"};

/* A path or paths that a field is made from; reported when it is nothing of the kind. */
static size_t from_paths(struct unit *unit, const struct lval_field *field, const struct lval *value,
                         struct str out[FROM_MAX])
{
    bool single = value && value->type == LVAL_STRING;
    const struct lval *items = single ? value : value && value->type == LVAL_TABLE ? value->items : NULL;
    size_t count = single ? 1 : items ? value->item_count : 0;
    for (size_t i = 0; i < count && i < FROM_MAX; i++) {
        if (items[i].type != LVAL_STRING || items[i].s.len == 0)
            count = 0;
        else
            out[i] = items[i].s;
    }
    if (count == 0 || count > FROM_MAX) {
        unit_error(
            unit, field->line,
            "fields[\"%.*s\"]: expected the vendor's path, \"a.b\" or { \"a\", \"b\", as = \"ip\" }, at "
            "most %d paths",
            STR_ARG(field->key), FROM_MAX);
        return 0;
    }
    return count;
}

static bool load_as(struct unit *unit, const struct lval_field *field, enum source_as *as)
{
    static const char *const names[] = {"ip", "integer", "number", "boolean", "string", "lower", "timestamp"};
    const struct lval *value = field->value.type == LVAL_TABLE ? lval_get(&field->value, "as") : NULL;
    *as = AS_RAW;
    if (value == NULL)
        return true;
    struct str name = value->type == LVAL_STRING ? value->s : STR("");
    if (source_as_named(name, as))
        return true;
    unit_error(unit, field->line,
               "fields[\"%.*s\"]: as = \"%.*s\" is none of ip, integer, number, boolean, string, lower, "
               "timestamp%s",
               STR_ARG(field->key), STR_ARG(name), did_you_mean(unit->load->arena, name, names, 7));
    return false;
}

static void load_field(struct unit *unit, struct source_map *map, const struct lval_field *field)
{
    static const char *const names[] = {"as", "join"};
    struct str from[FROM_MAX];
    struct err err = {0};
    const struct lval *value = &field->value, *join = NULL;
    if (value->type == LVAL_TABLE) {
        struct lval keyed = *value;
        keyed.item_count = 0;
        check_keys(unit, &keyed, &(struct keys){"a field", names, 2, NULL});
        join = lval_get(value, "join");
    }
    struct source_field mapped = {.path = field->key, .from = from, .join = join != NULL};
    mapped.from_count = from_paths(unit, field, join ? join : value, from);
    if (!load_as(unit, field, &mapped.as) || mapped.from_count == 0)
        return;
    if (source_map_field(map, &mapped, &err) != 0)
        unit_error(unit, field->line, "fields[\"%.*s\"]: %s", STR_ARG(field->key), err.message);
}

static void load_values(struct unit *unit, struct source_map *map, const struct lval_field *field)
{
    const struct lval *value = &field->value, *from = NULL;
    struct err err = {0};
    if (value->type == LVAL_TABLE)
        from = lval_get(value, "from");
    if (from == NULL || from->type != LVAL_STRING || value->item_count || value->field_count > PAIRS_MAX) {
        unit_error(unit, field->line,
                   "values[\"%.*s\"]: expected { from = \"vendor.path\", RAW = \"value\", … }",
                   STR_ARG(field->key));
        return;
    }
    struct str(*pairs)[2] = arena_alloc(unit->load->arena, value->field_count * sizeof(*pairs));
    size_t count = 0;
    for (size_t i = 0; i < value->field_count; i++) {
        const struct lval_field *pair = &value->fields[i];
        if (str_is(pair->key, "from"))
            continue;
        if (pair->value.type != LVAL_STRING) {
            unit_error(unit, pair->line ? pair->line : field->line,
                       "values[\"%.*s\"].%.*s: expected a string, got %s", STR_ARG(field->key),
                       STR_ARG(pair->key), value_name(&pair->value));
            return;
        }
        pairs[count][0] = pair->key;
        pairs[count++][1] = pair->value.s;
    }
    if (source_map_values(map, field->key, from->s, (const struct str(*)[2])pairs, count, &err) != 0)
        unit_error(unit, field->line, "values[\"%.*s\"]: %s", STR_ARG(field->key), err.message);
}

static void load_const(struct unit *unit, struct source_map *map, const struct lval_field *field)
{
    struct err err = {0};
    struct value value = value_null();
    switch (field->value.type) {
    case LVAL_STRING:
        value = value_string(field->value.s);
        break;
    case LVAL_INT:
        value = value_int(unit->load->arena, field->value.i);
        break;
    case LVAL_NUMBER:
        value = value_double(unit->load->arena, field->value.d);
        break;
    case LVAL_BOOL:
        value = value_bool(field->value.b);
        break;
    default:
        unit_error(unit, field->line, "const[\"%.*s\"]: expected a string, a number, true or false, got %s",
                   STR_ARG(field->key), value_name(&field->value));
        return;
    }
    if (source_map_const(map, field->key, &value, &err) != 0)
        unit_error(unit, field->line, "const[\"%.*s\"]: %s", STR_ARG(field->key), err.message);
}

static void load_dissect(struct unit *unit, struct source_map *map, const struct lval_field *field)
{
    struct err err = {0};
    if (field->value.type != LVAL_STRING)
        unit_error(unit, field->line,
                   "dissect[\"%.*s\"]: expected a pattern like \"%%{event.reason} by %%{user.name}\"",
                   STR_ARG(field->key));
    else if (source_map_dissect(map, field->key, field->value.s, &err) != 0)
        unit_error(unit, field->line, "dissect[\"%.*s\"]: %s", STR_ARG(field->key), err.message);
}

static void load_each(struct unit *unit, const char *key, struct source_map *map,
                      void (*load)(struct unit *, struct source_map *, const struct lval_field *))
{
    const struct lval *table = key_of_type(unit, unit->file->value, key, LVAL_TABLE);
    if (table == NULL)
        return;
    if (table->item_count)
        unit_error(unit, key_line(unit->file->value, key), "%s: %s stands without a key", key,
                   value_name(&table->items[0]));
    for (size_t i = 0; i < table->field_count; i++)
        load(unit, map, &table->fields[i]);
}

/* time = "accept", or { "published", format = "rfc3339" }. */
static void load_time(struct unit *unit, struct source_map *map)
{
    static const char *const names[] = {"format"};
    const struct lval *time = lval_get(unit->file->value, "time");
    unsigned line = key_line(unit->file->value, "time");
    struct str from[FROM_MAX], name;
    enum time_format format = TIME_ANY;
    struct err err = {0};
    if (time == NULL)
        return;
    if (time->type == LVAL_STRING && str_is(time->s, "accept")) {
        if (source_map_time(map, NULL, 0, TIME_ANY, true, &err) != 0)
            unit_error(unit, line, "time: %s", err.message);
        return;
    }
    bool good = time->type == LVAL_TABLE && time->item_count > 0 && time->item_count <= FROM_MAX;
    for (size_t i = 0; good && i < time->item_count; i++) {
        good = time->items[i].type == LVAL_STRING;
        from[i] = time->items[i].s;
    }
    if (!good) {
        unit_error(unit, line, "time: expected { \"path\", format = \"rfc3339\" } or \"accept\"");
        return;
    }
    struct lval keyed = *time;
    keyed.item_count = 0;
    check_keys(unit, &keyed, &(struct keys){"time", names, 1, NULL});
    if (key_string(unit, time, "format", &name) && !time_format_named(name, &format))
        unit_error(unit, line,
                   "time: format \"%.*s\" is none of rfc3339, unix, unix_ms, unix_us, unix_ns, any",
                   STR_ARG(name));
    else if (source_map_time(map, from, time->item_count, format, false, &err) != 0)
        unit_error(unit, line, "time: %s", err.message);
}

/* One condition of `accepts` or `when`: a field with its values, as in `match`. */
static struct match_predicate *load_condition(struct unit *unit, const char *what,
                                              const struct lval_field *field)
{
    const struct lval *value = &field->value;
    bool list = value->type == LVAL_TABLE && value->kind == LVAL_PLAIN && !value->field_count;
    size_t count = list ? value->item_count : 1;
    struct literal *literals = arena_alloc(unit->load->arena, (count + 1) * sizeof(*literals));
    for (size_t i = 0; i < count; i++) {
        if (literal_of(list ? &value->items[i] : value, &literals[i]))
            continue;
        unit_error(unit, field->line, "%s[\"%.*s\"]: expected a value or a list of values", what,
                   STR_ARG(field->key));
        return NULL;
    }
    const char *bar = memchr(field->key.ptr, '|', field->key.len);
    struct str path = {field->key.ptr, bar ? (size_t)(bar - field->key.ptr) : field->key.len};
    struct err err = {0};
    struct match_predicate *predicate = NULL;
    if (fields_intern(unit->load->set->fields, path, &err) != FIELD_NONE)
        predicate = match_predicate_new(unit->load->set->fields, field->key, literals, count, &err);
    if (predicate == NULL)
        unit_error(unit, field->line, "%s[\"%.*s\"]: %s", what, STR_ARG(field->key), err.message);
    return predicate;
}

static struct match_predicate **load_conditions(struct unit *unit, const char *what, size_t *count)
{
    const struct lval *table = key_of_type(unit, unit->file->value, what, LVAL_TABLE);
    *count = 0;
    if (table == NULL)
        return NULL;
    if (table->item_count)
        unit_error(unit, key_line(unit->file->value, what),
                   "%s: write [\"field\"] = value; all of them must hold", what);
    struct match_predicate **out = arena_alloc(unit->load->arena,
                                               (table->field_count + 1) * sizeof(struct match_predicate *));
    for (size_t i = 0; i < table->field_count; i++) {
        struct match_predicate *predicate = load_condition(unit, what, &table->fields[i]);
        if (predicate)
            out[(*count)++] = predicate;
    }
    return out;
}

static void load_source_test(struct unit *unit, const struct lval *table, struct source_test *test)
{
    static const char *const names[] = {"raw", "expect"};
    const char *why = NULL;
    *test = (struct source_test){.name = STR("?"), .line = table->line};
    if (table->type != LVAL_TABLE || table->item_count != 1 || table->items[0].type != LVAL_STRING) {
        unit_error(unit, table->line, "test: expected { \"what it shows\", raw = { … }, expect = { … } }");
        return;
    }
    test->name = arena_dup(unit->load->arena, table->items[0].s);
    struct lval keyed = *table;
    keyed.item_count = 0;
    check_keys(unit, &keyed, &(struct keys){"test", names, 2, NULL});
    const struct lval *raw = lval_get(table, "raw");
    if (raw == NULL || raw->type != LVAL_TABLE || !json_of(unit->load->arena, raw, &test->raw, &why))
        unit_error(unit, table->line, "test \"%.*s\": raw: %s", STR_ARG(test->name),
                   why ? why : "expected the record as a table");
    const struct lval *expect = key_of_type(unit, table, "expect", LVAL_TABLE);
    test->expect = expect ? lval_copy(unit->load->arena, expect) : NULL;
    if (expect == NULL || expect->field_count == 0)
        unit_error(unit, table->line,
                   "test \"%.*s\": \"expect\" is missing; write expect = { [\"user.name\"] = \"ana\" }",
                   STR_ARG(test->name));
}

static void load_source_tests(struct unit *unit, struct source *source)
{
    const struct lval *tests = key_of_type(unit, unit->file->value, "tests", LVAL_TABLE);
    if (tests == NULL || tests->item_count == 0 || tests->field_count) {
        unit_error(
            unit, key_line(unit->file->value, "tests"),
            "source: \"tests\" needs at least one, { \"what it shows\", raw = { … }, expect = { … } }");
        return;
    }
    struct source_test *out = arena_alloc(unit->load->arena, tests->item_count * sizeof(*out));
    for (size_t i = 0; i < tests->item_count; i++)
        load_source_test(unit, &tests->items[i], &out[i]);
    source->tests = out;
    source->test_count = tests->item_count;
}

/* What `fix` reads by a literal name is then found without walking the record's text. */
static void intern_fix_paths(struct unit *unit, const struct source *source)
{
    for (size_t i = 0; source->has_fix && i < unit->file->path_count; i++)
        fields_intern(unit->load->set->fields, unit->file->paths[i], NULL);
}

bool load_source(struct unit *unit, struct source *source)
{
    const struct lval *table = unit->file->value;
    *source = (struct source){.path = unit->file->from->path};
    check_keys(unit, table,
               &(struct keys){"source", source_keys, sizeof(source_keys) / sizeof(source_keys[0]), NULL});
    if (key_string(unit, table, "id", &source->id))
        check_id(unit, key_line(table, "id"), "id", source->id);
    else if (lval_get(table, "id") == NULL)
        unit_error(unit, table->line, "source: \"id\" is missing; write id = \"vendor_product\"");
    load_route(unit, table, "route", &source->route);
    source->map = source_map_new(unit->load->set->fields);
    load_each(unit, "fields", source->map, load_field);
    load_each(unit, "values", source->map, load_values);
    load_each(unit, "const", source->map, load_const);
    load_each(unit, "dissect", source->map, load_dissect);
    load_time(unit, source->map);
    source->accepts = load_conditions(unit, "accepts", &source->accepts_count);
    source->when = load_conditions(unit, "when", &source->when_count);
    source->has_fix = key_of_type(unit, table, "fix", LVAL_FUNCTION) != NULL;
    if (source->has_fix && source->when_count == 0)
        unit_error(unit, key_line(table, "fix"),
                   "fix: \"when\" is missing; write which events need it, or fix would run in Lua for all");
    intern_fix_paths(unit, source);
    load_source_tests(unit, source);
    return unit->errors == 0;
}
