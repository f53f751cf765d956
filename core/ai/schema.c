#include "ai/schema.h"

#include <math.h>

#include "base/text.h"

/* ---- where we are, for messages ---- */

struct place {
    const struct place *outer;
    struct str name; /* a member */
    size_t index;    /* an element, where name.ptr is NULL */
};

static void print_place(const struct place *place, struct buf *out)
{
    if (!place)
        return;
    print_place(place->outer, out);
    if (!place->name.ptr)
        buf_printf(out, "[%zu]", place->index);
    else
        buf_printf(out, "%s%.*s", out->len ? "." : "", (int)(place->name.len > 64 ? 64 : place->name.len),
                   place->name.ptr);
}

static int wrong(const struct place *place, struct err *err, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
static int wrong(const struct place *place, struct err *err, const char *format, ...)
{
    va_list args;
    struct buf where = BUF_EMPTY;
    va_start(args, format);
    err_vset(err, ERR_INVALID, format, args);
    va_end(args);
    print_place(place, &where);
    if (where.len)
        err_at(err, "%s", where.ptr);
    buf_free(&where);
    return -1;
}

/* ---- types ---- */

static const char *const type_names[] = {"null", "boolean", "integer", "number", "string", "array", "object"};

static bool type_is_known(struct str name)
{
    for (size_t i = 0; i < sizeof type_names / sizeof type_names[0]; i++)
        if (str_is(name, type_names[i]))
            return true;
    return false;
}

static bool kind_is(const struct json *value, struct str type)
{
    double number;
    switch (json_kind(value)) {
    case JSON_KIND_NULL:
        return str_is(type, "null");
    case JSON_KIND_BOOL:
        return str_is(type, "boolean");
    case JSON_KIND_INT:
        return str_is(type, "integer") || str_is(type, "number");
    case JSON_KIND_DOUBLE:
        /* 1.0 is an integer to JSON Schema. */
        return str_is(type, "number") ||
               (str_is(type, "integer") && json_as_double(value, &number) && number == floor(number));
    case JSON_KIND_STRING:
        return str_is(type, "string");
    case JSON_KIND_ARRAY:
        return str_is(type, "array");
    case JSON_KIND_OBJECT:
        return str_is(type, "object");
    }
    return false;
}

/* ---- the schema itself ---- */

static int check_at(const struct json *schema, const struct place *place, unsigned depth, struct err *err);

static int check_type(const struct json *value, const struct place *place, struct err *err)
{
    struct str name;
    if (json_as_str(value, &name))
        return type_is_known(name) ? 0 : wrong(place, err, "\"type\" names no type of JSON Schema");
    if (json_kind(value) != JSON_KIND_ARRAY || json_count(value) == 0)
        return wrong(place, err, "\"type\" is neither a name nor a list of names");
    for (size_t i = 0; i < json_count(value); i++)
        if (!json_as_str(json_item(value, i), &name) || !type_is_known(name))
            return wrong(place, err, "\"type\" names no type of JSON Schema");
    return 0;
}

static int check_required(const struct json *value, const struct place *place, struct err *err)
{
    struct str name;
    if (json_kind(value) != JSON_KIND_ARRAY)
        return wrong(place, err, "\"required\" is no list");
    for (size_t i = 0; i < json_count(value); i++)
        if (!json_as_str(json_item(value, i), &name))
            return wrong(place, err, "\"required\" holds something that is no name");
    return 0;
}

static int check_properties(const struct json *value, const struct place *place, unsigned depth,
                            struct err *err)
{
    struct str key;
    const struct json *inner;
    if (json_kind(value) != JSON_KIND_OBJECT)
        return wrong(place, err, "\"properties\" is no object");
    struct place properties = {.outer = place, .name = STR("properties")};
    for (void *at = NULL; json_next(value, &at, &key, &inner);) {
        struct place property = {.outer = &properties, .name = key};
        if (check_at(inner, &property, depth + 1, err) != 0)
            return -1;
    }
    return 0;
}

static int check_number(const struct json *value, struct str key, const struct place *place, struct err *err)
{
    double number;
    if (!json_as_double(value, &number))
        return wrong(place, err, "\"%.*s\" is no number", STR_ARG(key));
    if (!str_is(key, "minimum") && !str_is(key, "maximum") && (number < 0 || number != floor(number)))
        return wrong(place, err, "\"%.*s\" is no count", STR_ARG(key));
    return 0;
}

static bool is_number_keyword(struct str key)
{
    static const char *const names[] = {"minimum",   "maximum",  "minLength",
                                        "maxLength", "minItems", "maxItems"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (str_is(key, names[i]))
            return true;
    return false;
}

static int check_keyword(struct str key, const struct json *value, const struct place *place, unsigned depth,
                         struct err *err)
{
    if (str_is(key, "type"))
        return check_type(value, place, err);
    if (str_is(key, "required"))
        return check_required(value, place, err);
    if (str_is(key, "properties"))
        return check_properties(value, place, depth, err);
    if (str_is(key, "items")) {
        struct place items = {.outer = place, .name = STR("items")};
        return check_at(value, &items, depth + 1, err);
    }
    if (is_number_keyword(key))
        return check_number(value, key, place, err);
    if (str_is(key, "additionalProperties"))
        return json_kind(value) == JSON_KIND_BOOL
                   ? 0
                   : wrong(place, err, "\"additionalProperties\" is no boolean");
    if (str_is(key, "enum"))
        return json_kind(value) == JSON_KIND_ARRAY && json_count(value)
                   ? 0
                   : wrong(place, err, "\"enum\" is no list of values");
    if (str_is(key, "title") || str_is(key, "description"))
        return json_kind(value) == JSON_KIND_STRING ? 0
                                                    : wrong(place, err, "\"%.*s\" is no text", STR_ARG(key));
    return wrong(place, err, "unknown keyword \"%.*s\"", (int)(key.len > 64 ? 64 : key.len), key.ptr);
}

static int check_at(const struct json *schema, const struct place *place, unsigned depth, struct err *err)
{
    struct str key;
    const struct json *value;
    if (depth > SCHEMA_DEPTH_MAX)
        return wrong(place, err, "the schema is more than %d deep", SCHEMA_DEPTH_MAX);
    if (json_kind(schema) != JSON_KIND_OBJECT)
        return wrong(place, err, "expected a schema, an object; got %s", json_kind_name(json_kind(schema)));
    for (void *at = NULL; json_next(schema, &at, &key, &value);)
        if (check_keyword(key, value, place, depth, err) != 0)
            return -1;
    return 0;
}

int schema_check(const struct json *schema, struct err *err)
{
    return check_at(schema, NULL, 0, err);
}

/* ---- a value ---- */

static bool type_allows(const struct json *type, const struct json *value)
{
    struct str name;
    if (json_as_str(type, &name))
        return kind_is(value, name);
    for (size_t i = 0; i < json_count(type); i++)
        if (json_as_str(json_item(type, i), &name) && kind_is(value, name))
            return true;
    return false;
}

static bool values_equal(const struct json *a, const struct json *b)
{
    double x, y;
    if (json_as_double(a, &x) && json_as_double(b, &y))
        return x == y;
    if (json_kind(a) != json_kind(b))
        return false;
    struct buf left = BUF_EMPTY, right = BUF_EMPTY;
    json_print(a, &left);
    json_print(b, &right);
    bool equal = str_equal(buf_str(&left), buf_str(&right));
    buf_free(&left);
    buf_free(&right);
    return equal;
}

static bool enum_holds(const struct json *list, const struct json *value)
{
    for (size_t i = 0; i < json_count(list); i++)
        if (values_equal(json_item(list, i), value))
            return true;
    return false;
}

static double characters(struct str text)
{
    size_t count = 0;
    for (size_t i = 0; i < text.len; i++)
        count += ((unsigned char)text.ptr[i] & 0xc0) != 0x80;
    return (double)count;
}

struct bounds {
    const char *least, *most, *unit;
};

static int validate_bounds(const struct json *schema, const struct bounds *bounds, double amount,
                           const struct place *place, struct err *err)
{
    double limit;
    if (json_get_double(schema, bounds->least, &limit) && amount < limit)
        return wrong(place, err, "expected at least %g%s", limit, bounds->unit);
    if (json_get_double(schema, bounds->most, &limit) && amount > limit)
        return wrong(place, err, "expected at most %g%s", limit, bounds->unit);
    return 0;
}

static int validate_at(const struct json *schema, const struct json *value, const struct place *place,
                       struct err *err);

static int validate_array(const struct json *schema, const struct json *value, const struct place *place,
                          struct err *err)
{
    static const struct bounds bounds = {"minItems", "maxItems", " elements"};
    const struct json *items = json_get(schema, "items");
    if (validate_bounds(schema, &bounds, (double)json_count(value), place, err) != 0)
        return -1;
    for (size_t i = 0; items && i < json_count(value); i++) {
        struct place element = {.outer = place, .index = i};
        if (validate_at(items, json_item(value, i), &element, err) != 0)
            return -1;
    }
    return 0;
}

static const struct json *member(const struct json *object, struct str name)
{
    struct str key;
    const struct json *value;
    for (void *at = NULL; json_next(object, &at, &key, &value);)
        if (str_equal(key, name))
            return value;
    return NULL;
}

static int validate_required(const struct json *schema, const struct json *value, const struct place *place,
                             struct err *err)
{
    const struct json *required = json_get(schema, "required");
    struct str name;
    for (size_t i = 0; i < json_count(required); i++)
        if (json_as_str(json_item(required, i), &name) && !member(value, name))
            return wrong(place, err, "\"%.*s\" is missing", STR_ARG(name));
    return 0;
}

static int validate_object(const struct json *schema, const struct json *value, const struct place *place,
                           struct err *err)
{
    const struct json *properties = json_get(schema, "properties"), *inner;
    bool open = true;
    struct str key;
    json_get_bool(schema, "additionalProperties", &open);
    if (validate_required(schema, value, place, err) != 0)
        return -1;
    for (void *at = NULL; json_next(value, &at, &key, &inner);) {
        const struct json *expected = member(properties, key);
        struct place property = {.outer = place, .name = key};
        if (!expected && !open)
            return wrong(place, err, "a member that the schema does not name"); /* the name is the model's */
        if (expected && validate_at(expected, inner, &property, err) != 0)
            return -1;
    }
    return 0;
}

static int validate_at(const struct json *schema, const struct json *value, const struct place *place,
                       struct err *err)
{
    static const struct bounds size = {"minimum", "maximum", ""},
                               length = {"minLength", "maxLength", " characters"};
    const struct json *type = json_get(schema, "type"), *choices = json_get(schema, "enum");
    struct str text;
    double number;
    if (type && !type_allows(type, value))
        return wrong(place, err, "%s is not what the schema wants here", json_kind_name(json_kind(value)));
    if (choices && !enum_holds(choices, value))
        return wrong(place, err, "%s that is none of the values that the schema lists",
                     json_kind_name(json_kind(value)));
    if (json_as_str(value, &text))
        return validate_bounds(schema, &length, characters(text), place, err);
    if (json_as_double(value, &number))
        return validate_bounds(schema, &size, number, place, err);
    if (json_kind(value) == JSON_KIND_ARRAY)
        return validate_array(schema, value, place, err);
    if (json_kind(value) == JSON_KIND_OBJECT)
        return validate_object(schema, value, place, err);
    return 0;
}

int schema_validate(const struct json *schema, const struct json *value, struct err *err)
{
    return validate_at(schema, value, NULL, err);
}
