/* A JSON document of moderate size as a tree: API bodies, settings, test data, answers of models. Not the
 * event path (json_tape.h). The root owns everything; values and strings are borrowed from it. Read only once
 * parsed; a document belongs to one thread at a time. */
#ifndef LUNETTE_BASE_JSON_H
#define LUNETTE_BASE_JSON_H

#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

struct json; /* any value; the root is what json_parse returned */

enum json_kind {
    JSON_KIND_NULL,
    JSON_KIND_BOOL,
    JSON_KIND_INT,    /* an integer of 64 bits */
    JSON_KIND_DOUBLE, /* written with a fraction or an exponent */
    JSON_KIND_STRING,
    JSON_KIND_ARRAY,
    JSON_KIND_OBJECT,
};

struct json_limits {
    size_t size;     /* bytes of text */
    unsigned depth;  /* nested arrays and objects */
    bool duplicates; /* accept a key that occurs twice: the last wins */
};
extern const struct json_limits json_limits_api; /* 1 MiB, 32 deep, no duplicate keys */

/* RFC 8259, any value at the top. NULL and *err: ERR_LIMIT above a limit, else ERR_INVALID with line and
 * column. NUL characters in strings and keys are refused. `limits` NULL: json_limits_api. */
struct json *json_parse(struct str text, const struct json_limits *limits, struct err *err);
/* The same for texts of our own, of which nobody needs to know what is wrong: several times faster. Of
 * members with one name the last counts, NUL characters become U+FFFD, integers above INT64_MAX doubles.
 * NULL: it is not JSON, or deeper or larger than the reader takes. One reader a thread. */
struct json_reader;
struct json_reader *json_reader_new(size_t size, unsigned depth);
void json_reader_free(struct json_reader *reader); /* NULL is fine */
struct json *json_read(struct json_reader *reader, struct str text);
void json_free(struct json *root); /* NULL is fine; only for what these returned */

/* NULL counts as null. */
enum json_kind json_kind(const struct json *value);
const char *json_kind_name(enum json_kind kind); /* "a string", for messages */

/* An object's member, NULL when there is none or it is not an object. */
const struct json *json_get(const struct json *object, const char *key);
/* Elements of an array, members of an object; else 0. */
size_t json_count(const struct json *value);
/* NULL when out of range or not an array. */
const struct json *json_item(const struct json *array, size_t index);
/* Visits the members in document order: start with *at = NULL; false at the end or when not an object. */
bool json_next(const struct json *object, void **at, struct str *key, const struct json **value);

/* False, and *out untouched, when the value is of another kind. json_as_double takes integers too. */
bool json_as_str(const struct json *value, struct str *out);
bool json_as_int(const struct json *value, int64_t *out);
bool json_as_double(const struct json *value, double *out);
bool json_as_bool(const struct json *value, bool *out);
/* The same of a member; false also when it is absent. */
bool json_get_str(const struct json *object, const char *key, struct str *out);
bool json_get_int(const struct json *object, const char *key, int64_t *out);
bool json_get_double(const struct json *object, const char *key, double *out);
bool json_get_bool(const struct json *object, const char *key, bool *out);

/* Appends compact JSON, members in document order. */
void json_print(const struct json *value, struct buf *out);

#endif
