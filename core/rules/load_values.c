#include <inttypes.h>
#include <math.h>

#include "base/buf.h"
#include "base/json_tape.h"
#include "rules/load.h"

#define JSON_DEPTH 32

bool literal_of(const struct lval *value, struct literal *out)
{
    *out = (struct literal){.type = LITERAL_NULL};
    switch (value->type) {
    case LVAL_STRING:
        out->type = LITERAL_STRING;
        out->text = value->s;
        return true;
    case LVAL_INT:
        out->type = LITERAL_NUMBER;
        out->is_integer = true;
        out->i = value->i;
        return true;
    case LVAL_NUMBER:
        out->type = LITERAL_NUMBER;
        out->d = value->d;
        return isfinite(value->d);
    case LVAL_BOOL:
        out->type = LITERAL_BOOL;
        out->b = value->b;
        return true;
    case LVAL_NIL:
        return value->kind == LVAL_NULL;
    default:
        return false;
    }
}

static void copy_into(struct arena *arena, const struct lval *from, struct lval *to)
{
    *to = *from;
    if (from->type == LVAL_STRING)
        to->s = arena_dup(arena, from->s);
    if (from->item_count)
        to->items = arena_alloc(arena, from->item_count * sizeof(*to->items));
    if (from->field_count)
        to->fields = arena_alloc(arena, from->field_count * sizeof(*to->fields));
    for (size_t i = 0; i < from->item_count; i++)
        copy_into(arena, &from->items[i], &to->items[i]);
    for (size_t i = 0; i < from->field_count; i++) {
        to->fields[i].key = arena_dup(arena, from->fields[i].key);
        to->fields[i].line = from->fields[i].line;
        copy_into(arena, &from->fields[i].value, &to->fields[i].value);
    }
}

struct lval *lval_copy(struct arena *arena, const struct lval *value)
{
    struct lval *copy = arena_alloc(arena, sizeof(*copy));
    copy_into(arena, value, copy);
    return copy;
}

const char *value_name(const struct lval *value)
{
    static const char *const types[] = {"nil",      "a boolean",  "a number", "a number",
                                        "a string", "a function", "a table"};
    static const char *const kinds[] = {
        [LVAL_RULE] = "a rule",
        [LVAL_SOURCE] = "a source",
        [LVAL_POLICY] = "a policy",
        [LVAL_AGENT] = "an agent",
        [LVAL_EXCEPTION] = "an exception",
        [LVAL_LIST] = "a list",
        [LVAL_ALL] = "all { … }",
        [LVAL_ANY] = "any { … }",
        [LVAL_NONE] = "none { … }",
        [LVAL_KEYWORDS] = "keywords { … }",
        [LVAL_EVERYTHING] = "everything",
        [LVAL_NULL] = "null",
        [LVAL_LIST_NAME] = "a list",
        [LVAL_SAMPLE] = "a sample",
        [LVAL_AT] = "at(…)",
    };
    return value->kind == LVAL_PLAIN ? types[value->type] : kinds[value->kind];
}

bool has_control(struct str s)
{
    for (size_t i = 0; i < s.len; i++)
        if ((unsigned char)s.ptr[i] < 0x20 || s.ptr[i] == 0x7f)
            return true;
    return false;
}

const char *spelled(struct arena *arena, struct str s)
{
    static const char letters[] = "abtnvfr"; /* 7 to 13 */
    struct buf out = BUF_EMPTY;
    for (size_t i = 0; i < s.len && out.len < 160; i++) {
        unsigned char c = (unsigned char)s.ptr[i];
        if (c >= 7 && c <= 13)
            buf_printf(&out, "\\%c", letters[c - 7]);
        else if (c < 0x20 || c == 0x7f)
            buf_printf(&out, "\\%u", c);
        else
            buf_putc(&out, (char)c);
    }
    const char *text = arena_dup(arena, out.ptr ? buf_str(&out) : STR("")).ptr;
    buf_free(&out);
    return text;
}

static const char *put_json(struct buf *out, const struct lval *value, unsigned depth);

static const char *put_table(struct buf *out, const struct lval *table, unsigned depth)
{
    const char *why = NULL;
    if (table->kind != LVAL_PLAIN && table->kind != LVAL_SAMPLE)
        return "only strings, numbers, booleans, null, lists and tables can stand here";
    if (table->item_count && table->field_count)
        return "a table cannot have both keys and positions";
    bool list = table->item_count > 0;
    buf_putc(out, list ? '[' : '{');
    for (size_t i = 0; why == NULL && i < table->item_count; i++) {
        buf_puts(out, i ? "," : "");
        why = put_json(out, &table->items[i], depth + 1);
    }
    for (size_t i = 0; why == NULL && i < table->field_count; i++) {
        buf_puts(out, i ? "," : "");
        buf_json_string(out, table->fields[i].key);
        buf_putc(out, ':');
        why = put_json(out, &table->fields[i].value, depth + 1);
    }
    buf_putc(out, list ? ']' : '}');
    return why;
}

/* NULL, or why it cannot be written. */
static const char *put_json(struct buf *out, const struct lval *value, unsigned depth)
{
    if (depth > JSON_DEPTH)
        return "tables are nested more than 32 deep";
    switch (value->type) {
    case LVAL_STRING:
        buf_json_string(out, value->s);
        return NULL;
    case LVAL_INT:
        buf_printf(out, "%" PRId64, value->i);
        return NULL;
    case LVAL_NUMBER:
        buf_json_double(out, value->d);
        return isfinite(value->d) ? NULL : "a number is not finite";
    case LVAL_BOOL:
        buf_puts(out, value->b ? "true" : "false");
        return NULL;
    case LVAL_NIL:
        buf_puts(out, "null");
        return value->kind == LVAL_NULL ? NULL : "nil cannot stand here; write null";
    case LVAL_TABLE:
        return put_table(out, value, depth);
    default:
        return "a function cannot stand here";
    }
}

bool json_of(struct arena *arena, const struct lval *value, struct str *out, const char **why)
{
    struct buf text = BUF_EMPTY;
    *why = put_json(&text, value, 0);
    if (*why == NULL) {
        char *copy = arena_zalloc(arena, text.len + JSON_TAPE_PADDING);
        memcpy(copy, text.ptr, text.len);
        *out = (struct str){copy, text.len};
    }
    buf_free(&text);
    return *why == NULL;
}
