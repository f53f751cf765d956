#include <inttypes.h>
#include <stdio.h>

#include "base/text.h"
#include "rules/load.h"

static void unit_report(struct unit *unit, enum problem_level level, unsigned line, const char *message)
{
    char where[256];
    struct str path = unit->file->from->path;
    if (line)
        snprintf(where, sizeof(where), "%.*s:%u", STR_ARG(path), line);
    else
        snprintf(where, sizeof(where), "%.*s", STR_ARG(path));
    report_add(unit->load->report, level, where, "%s", message);
}

void unit_error(struct unit *unit, unsigned line, const char *format, ...)
{
    char message[512];
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof(message), format, args);
    va_end(args);
    unit->errors++;
    unit_report(unit, PROBLEM_ERROR, line, message);
}

void unit_warn(struct unit *unit, unsigned line, const char *format, ...)
{
    char message[512];
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof(message), format, args);
    va_end(args);
    unit_report(unit, PROBLEM_WARNING, line, message);
}

const char *did_you_mean(struct arena *arena, struct str name, const char *const *names, size_t count)
{
    const char *nearest = text_nearest(name, names, count);
    return nearest ? arena_printf(arena, "; did you mean \"%s\"?", nearest) : "";
}

static bool among(struct str name, const char *const *names, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (str_is(name, names[i]))
            return true;
    return false;
}

static bool among_later(struct str name, const char *const *later)
{
    for (; later && *later; later++)
        if (str_is(name, *later))
            return true;
    return false;
}

void check_keys(struct unit *unit, const struct lval *table, const struct keys *keys)
{
    for (size_t i = 0; i < table->field_count; i++) {
        const struct lval_field *field = &table->fields[i];
        if (among(field->key, keys->names, keys->count))
            continue;
        unsigned line = field->line ? field->line : table->line;
        if (among_later(field->key, keys->later))
            unit_error(unit, line, "%s: \"%.*s\" is not built yet", keys->what, STR_ARG(field->key));
        else
            unit_error(unit, line, "%s has no key \"%.*s\"%s", keys->what, STR_ARG(field->key),
                       did_you_mean(unit->load->arena, field->key, keys->names, keys->count));
    }
    if (table->item_count) {
        unsigned line = table->items[0].line ? table->items[0].line : table->line;
        unit_error(unit, line, "%s: %s stands without a key; write key = value", keys->what,
                   value_name(&table->items[0]));
    }
}

unsigned key_line(const struct lval *table, const char *key)
{
    for (size_t i = 0; i < table->field_count; i++)
        if (str_is(table->fields[i].key, key) && table->fields[i].line)
            return table->fields[i].line;
    return table->line;
}

static const char *type_name(enum lval_type type)
{
    static const char *const names[] = {"nil",      "true or false", "an integer", "a number",
                                        "a string", "a function",    "a table"};
    return names[type];
}

const struct lval *key_of_type(struct unit *unit, const struct lval *table, const char *key,
                               enum lval_type type)
{
    const struct lval *value = lval_get(table, key);
    if (value == NULL || value->type == type)
        return value;
    unit_error(unit, key_line(table, key), "%s: expected %s, got %s", key, type_name(type),
               value_name(value));
    return NULL;
}

bool key_string(struct unit *unit, const struct lval *table, const char *key, struct str *out)
{
    const struct lval *value = key_of_type(unit, table, key, LVAL_STRING);
    if (value == NULL)
        return false;
    if (value->s.len == 0 || !text_is_utf8(value->s)) {
        unit_error(unit, key_line(table, key), "%s: the text is %s", key,
                   value->s.len ? "not UTF-8" : "empty");
        return false;
    }
    *out = arena_dup(unit->load->arena, value->s);
    return true;
}

bool key_integer(struct unit *unit, const struct lval *table, const char *key, const int64_t range[2],
                 int64_t *out)
{
    const struct lval *value = key_of_type(unit, table, key, LVAL_INT);
    if (value == NULL)
        return false;
    if (value->i < range[0] || value->i > range[1]) {
        unit_error(unit, key_line(table, key), "%s: expected %" PRId64 " to %" PRId64 ", got %" PRId64, key,
                   range[0], range[1], value->i);
        return false;
    }
    *out = value->i;
    return true;
}

bool key_duration(struct unit *unit, const struct lval *table, const char *key, int64_t *out)
{
    const struct lval *value = lval_get(table, key);
    if (value == NULL)
        return false;
    unsigned line = key_line(table, key);
    if (value->type == LVAL_INT) {
        unit_error(unit, line, "%s: a duration needs its unit; write %s = \"%" PRId64 "s\"", key, key,
                   value->i);
        return false;
    }
    struct err err = {0};
    if (value->type != LVAL_STRING) {
        unit_error(unit, line, "%s: expected a duration like \"10m\", got %s", key, value_name(value));
        return false;
    }
    if (duration_parse(value->s, out, &err) != 0) {
        unit_error(unit, line, "%s: %s", key, err.message);
        return false;
    }
    return true;
}

bool key_strings(struct unit *unit, const struct lval *table, const char *key, const struct str **items,
                 size_t *count)
{
    const struct lval *value = lval_get(table, key);
    if (value == NULL)
        return false;
    bool single = value->type == LVAL_STRING;
    bool list = value->type == LVAL_TABLE && value->kind == LVAL_PLAIN && value->field_count == 0;
    const struct lval *from = single ? value : value->items;
    size_t n = single ? 1 : list ? value->item_count : 0;
    struct str *out = arena_alloc(unit->load->arena, (n + 1) * sizeof(*out));
    for (size_t i = 0; i < n; i++) {
        if (from[i].type != LVAL_STRING || from[i].s.len == 0 || !text_is_utf8(from[i].s))
            list = single = false;
        else
            out[i] = arena_dup(unit->load->arena, from[i].s);
    }
    if (n == 0 || (!single && !list)) {
        unit_error(unit, key_line(table, key), "%s: expected a list of texts, { \"…\" }", key);
        return false;
    }
    *items = out;
    *count = n;
    return true;
}

static bool id_char(char c, bool first)
{
    if (c >= 'a' && c <= 'z')
        return true;
    return !first && ((c >= '0' && c <= '9') || c == '_' || c == '.' || c == '-');
}

bool check_id(struct unit *unit, unsigned line, const char *what, struct str id)
{
    bool good = id.len > 0 && id.len <= 128 && id.ptr[id.len - 1] != '.';
    for (size_t i = 0; good && i < id.len; i++)
        good = id_char(id.ptr[i], i == 0) && !(i && id.ptr[i] == '.' && id.ptr[i - 1] == '.');
    if (!good)
        unit_error(unit, line,
                   "%s \"%s\": write lower-case letters, digits and _ . - , beginning with a letter, "
                   "like \"identity.mfa_fatigue\"",
                   what, text_printable(unit->load->arena, id, 80).ptr);
    return good;
}

void warn_unknown_field(struct unit *unit, unsigned line, const char *what, struct str path)
{
    const struct known_fields *known = unit->load->known;
    if (known_fields_has(known, path))
        return;
    const char *nearest = known_fields_nearest(known, path);
    if (nearest)
        unit_warn(unit, line, "%s[\"%.*s\"]: no such field; did you mean \"%s\"?", what, STR_ARG(path),
                  nearest);
    else
        unit_warn(unit, line, "%s[\"%.*s\"]: no such field in ECS or in any source", what, STR_ARG(path));
}

uint32_t intern_field(struct unit *unit, unsigned line, const char *what, struct str path)
{
    struct err err = {0};
    if (path.len && memchr(path.ptr, '|', path.len)) {
        unit_error(unit, line, "%s: \"%.*s\": a modifier cannot stand here", what, STR_ARG(path));
        return FIELD_NONE;
    }
    uint32_t slot = fields_intern(unit->load->set->fields, path, &err);
    if (slot == FIELD_NONE)
        unit_error(unit, line, "%s: %s", what, err.message);
    else
        warn_unknown_field(unit, line, what, path);
    return slot;
}
