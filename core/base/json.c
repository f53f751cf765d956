#include <jansson.h>

#include "base/json_build.h"

const struct json_limits json_limits_api = {1 << 20, 32, false};

static json_t *inner(const struct json *value)
{
    return (json_t *)value;
}

static const struct json *outer(const json_t *value)
{
    return (const struct json *)value;
}

/* The library recurses 2,048 deep; our limit is held before it starts. */
static bool is_deeper(struct str text, unsigned depth)
{
    unsigned now = 0;
    bool quoted = false;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        if (quoted && c == '\\')
            i++;
        else if (c == '"')
            quoted = !quoted;
        else if (!quoted && (c == '[' || c == '{') && ++now > depth)
            return true;
        else if (!quoted && (c == ']' || c == '}') && now)
            now--;
    }
    return false;
}

struct json *json_parse(struct str text, const struct json_limits *limits, struct err *err)
{
    if (!limits)
        limits = &json_limits_api;
    if (text.len > limits->size) {
        err_set(err, ERR_LIMIT, "the JSON text has %zu bytes; at most %zu are taken", text.len, limits->size);
        return NULL;
    }
    if (is_deeper(text, limits->depth)) {
        err_set(err, ERR_LIMIT, "the JSON text is nested deeper than %u", limits->depth);
        return NULL;
    }
    json_error_t why;
    size_t flags = JSON_DECODE_ANY | (limits->duplicates ? 0 : JSON_REJECT_DUPLICATES);
    json_t *root = json_loadb(text.len ? text.ptr : "", text.len, flags, &why);
    if (!root)
        err_set(err, ERR_INVALID, "not JSON: line %d, column %d: %s", why.line, why.column, why.text);
    return (struct json *)root;
}

/* ---- building (json_build.h) ---- */

struct json *json_build_null(void)
{
    return (struct json *)json_null();
}

struct json *json_build_bool(bool value)
{
    return (struct json *)json_boolean(value);
}

struct json *json_build_int(int64_t value)
{
    return (struct json *)json_integer(value);
}

struct json *json_build_double(double value)
{
    return (struct json *)json_real(value);
}

struct json *json_build_string(struct str text)
{
    return (struct json *)json_stringn_nocheck(text.ptr, text.len);
}

struct json *json_build_array(void)
{
    return (struct json *)json_array();
}

struct json *json_build_object(void)
{
    return (struct json *)json_object();
}

void json_build_item(struct json *array, struct json *value)
{
    json_array_append_new((json_t *)array, (json_t *)value);
}

void json_build_member(struct json *object, struct str key, struct json *value)
{
    json_object_setn_new_nocheck((json_t *)object, key.ptr, key.len, (json_t *)value);
}

/* ---- reading ---- */

void json_free(struct json *root)
{
    json_decref((json_t *)root);
}

enum json_kind json_kind(const struct json *value)
{
    if (!value)
        return JSON_KIND_NULL;
    switch (json_typeof(inner(value))) {
    case JSON_OBJECT:
        return JSON_KIND_OBJECT;
    case JSON_ARRAY:
        return JSON_KIND_ARRAY;
    case JSON_STRING:
        return JSON_KIND_STRING;
    case JSON_INTEGER:
        return JSON_KIND_INT;
    case JSON_REAL:
        return JSON_KIND_DOUBLE;
    case JSON_TRUE:
    case JSON_FALSE:
        return JSON_KIND_BOOL;
    case JSON_NULL:
        break;
    }
    return JSON_KIND_NULL;
}

const char *json_kind_name(enum json_kind kind)
{
    static const char *const names[] = {"null",     "a boolean", "an integer", "a number",
                                        "a string", "an array",  "an object"};
    return names[kind];
}

const struct json *json_get(const struct json *object, const char *key)
{
    return outer(json_object_get(inner(object), key));
}

size_t json_count(const struct json *value)
{
    return json_kind(value) == JSON_KIND_OBJECT ? json_object_size(inner(value))
                                                : json_array_size(inner(value));
}

const struct json *json_item(const struct json *array, size_t index)
{
    return outer(json_array_get(inner(array), index));
}

bool json_next(const struct json *object, void **at, struct str *key, const struct json **value)
{
    *at = *at ? json_object_iter_next(inner(object), *at) : json_object_iter(inner(object));
    if (!*at)
        return false;
    if (key)
        *key = str_from(json_object_iter_key(*at));
    if (value)
        *value = outer(json_object_iter_value(*at));
    return true;
}

bool json_as_str(const struct json *value, struct str *out)
{
    if (json_kind(value) != JSON_KIND_STRING)
        return false;
    *out = (struct str){json_string_value(inner(value)), json_string_length(inner(value))};
    return true;
}

bool json_as_int(const struct json *value, int64_t *out)
{
    if (json_kind(value) != JSON_KIND_INT)
        return false;
    *out = json_integer_value(inner(value));
    return true;
}

bool json_as_double(const struct json *value, double *out)
{
    if (json_kind(value) != JSON_KIND_INT && json_kind(value) != JSON_KIND_DOUBLE)
        return false;
    *out = json_number_value(inner(value));
    return true;
}

bool json_as_bool(const struct json *value, bool *out)
{
    if (json_kind(value) != JSON_KIND_BOOL)
        return false;
    *out = json_is_true(inner(value));
    return true;
}

bool json_get_str(const struct json *object, const char *key, struct str *out)
{
    return json_as_str(json_get(object, key), out);
}

bool json_get_int(const struct json *object, const char *key, int64_t *out)
{
    return json_as_int(json_get(object, key), out);
}

bool json_get_double(const struct json *object, const char *key, double *out)
{
    return json_as_double(json_get(object, key), out);
}

bool json_get_bool(const struct json *object, const char *key, bool *out)
{
    return json_as_bool(json_get(object, key), out);
}

static int add_bytes(const char *bytes, size_t len, void *out)
{
    buf_add(out, bytes, len);
    return 0;
}

void json_print(const struct json *value, struct buf *out)
{
    if (!value)
        buf_puts(out, "null");
    else
        json_dump_callback(inner(value), add_bytes, out, JSON_COMPACT | JSON_ENCODE_ANY);
}
