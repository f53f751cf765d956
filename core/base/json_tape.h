/* JSON on the event path: one strict parse, then a walk over a flat tape. The only wrapper of simdjson, and
 * the only C++ in the project. One parser a thread; the tape is valid until the next parse of the same
 * parser. */
#ifndef LUNETTE_BASE_JSON_TAPE_H
#define LUNETTE_BASE_JSON_TAPE_H

#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"

#define JSON_TAPE_PADDING 64 /* readable bytes that must follow the text */

/* What had to be repaired to accept the text; a bit set of one parse. */
enum json_repair {
    JSON_REPAIR_NUMBER = 1,    /* out of 64-bit/double range: now a string of its digits */
    JSON_REPAIR_SURROGATE = 2, /* lone surrogate: U+FFFD */
    JSON_REPAIR_UTF8 = 4,      /* bad bytes: U+FFFD */
};

struct json_tape;

/* `depth`: deepest nesting accepted; `size`: longest text in bytes. */
struct json_tape *json_tape_new(size_t size, unsigned depth);
void json_tape_free(struct json_tape *tape);

/* RFC 8259, nothing more. Odd numbers, surrogates and bytes are repaired (see above) and parsed again;
 * anything else that is not JSON is ERR_INVALID with the offset; too deep or too long is ERR_LIMIT. `text`
 * must be followed by JSON_TAPE_PADDING readable bytes. */
int json_tape_parse(struct json_tape *tape, struct str text, unsigned *repairs, struct err *err);

/* The tape. Each value has an index; object members are key, value, key, value. */
enum json_type {
    JSON_NULL,
    JSON_TRUE,
    JSON_FALSE,
    JSON_INT,
    JSON_UINT,
    JSON_DOUBLE,
    JSON_STRING,
    JSON_ARRAY,
    JSON_OBJECT
};

struct json_cursor {
    const uint64_t *words;
    const uint8_t *strings;
};
struct json_cursor json_tape_cursor(const struct json_tape *tape);
size_t json_tape_root(void);
enum json_type json_at(struct json_cursor c, size_t at);
size_t json_skip(struct json_cursor c, size_t at);       /* index behind this value */
size_t json_enter(struct json_cursor c, size_t at);      /* first element or key of an array or object */
size_t json_end(struct json_cursor c, size_t at);        /* index of its closing word: stop there */
struct str json_string(struct json_cursor c, size_t at); /* unescaped UTF-8; borrows from the parser */
int64_t json_int(struct json_cursor c, size_t at);
uint64_t json_uint(struct json_cursor c, size_t at); /* only above INT64_MAX */
double json_double(struct json_cursor c, size_t at);

/* Splits the text of an array into the texts of its items without parsing them, and NDJSON into its non-blank
 * lines. `next` moves *at; returns 1 and *item, 0 at the end, -1 where the separators are broken. An item is
 * not validated. */
int json_array_next(struct str text, size_t *at, struct str *item, struct err *err);
int json_lines_next(struct str text, size_t *at, struct str *item);

#endif
