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

/* `depth`: deepest nesting accepted (an empty array or object does not count); `size`: longest text in bytes.
 * Memory grows with the longest text seen, so that in steady state a parse allocates nothing. */
struct json_tape *json_tape_new(size_t size, unsigned depth);
void json_tape_free(struct json_tape *tape);

/* RFC 8259, nothing more (a byte order mark before it is passed over). Odd numbers, surrogates, and bad bytes
 * inside strings are repaired (see above) and parsed again; anything else that is not JSON is ERR_INVALID
 * with the offset; too deep or too long is ERR_LIMIT. `text` must be followed by JSON_TAPE_PADDING readable
 * bytes. The tape stays valid until the next parse, whether that succeeds or not; it does not point into
 * `text`. */
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

/* A word of the tape: a letter for the kind in its top byte, below it an index, a length or nothing. Integers
 * and doubles take a second word. */
#define JSON_WORD_PAYLOAD UINT64_C(0x00ffffffffffffff)

static inline size_t json_tape_root(void)
{
    return 1;
}

static inline enum json_type json_at(struct json_cursor c, size_t at)
{
    switch (c.words[at] >> 56) {
    case 't':
        return JSON_TRUE;
    case 'f':
        return JSON_FALSE;
    case 'l':
        return JSON_INT;
    case 'u':
        return JSON_UINT;
    case 'd':
        return JSON_DOUBLE;
    case '"':
        return JSON_STRING;
    case '[':
        return JSON_ARRAY;
    case '{':
        return JSON_OBJECT;
    default:
        return JSON_NULL;
    }
}

/* Index behind this value. */
static inline size_t json_skip(struct json_cursor c, size_t at)
{
    switch (c.words[at] >> 56) {
    case '[':
    case '{':
        return (uint32_t)c.words[at];
    case 'l':
    case 'u':
    case 'd':
        return at + 2;
    default:
        return at + 1;
    }
}

/* First element or key of an array or object. */
static inline size_t json_enter(struct json_cursor c, size_t at)
{
    (void)c;
    return at + 1;
}

/* Index of the closing word of an array or object: stop there. */
static inline size_t json_end(struct json_cursor c, size_t at)
{
    return (uint32_t)c.words[at] - 1;
}

/* Unescaped UTF-8, which may hold NUL characters; borrows from the parser. */
static inline struct str json_string(struct json_cursor c, size_t at)
{
    const uint8_t *place = c.strings + (c.words[at] & JSON_WORD_PAYLOAD);
    uint32_t len;
    memcpy(&len, place, sizeof(len));
    return (struct str){(const char *)place + sizeof(len), len};
}

static inline int64_t json_int(struct json_cursor c, size_t at)
{
    return (int64_t)c.words[at + 1];
}

/* Only above INT64_MAX. */
static inline uint64_t json_uint(struct json_cursor c, size_t at)
{
    return c.words[at + 1];
}

static inline double json_double(struct json_cursor c, size_t at)
{
    double value;
    memcpy(&value, &c.words[at + 1], sizeof(value));
    return value;
}

/* Splits the text of an array into the texts of its items without parsing them, and NDJSON into its non-blank
 * lines. `next` moves *at; returns 1 and *item, 0 at the end, -1 where the separators are broken. An item is
 * not validated. Start with *at = 0. `text` needs no padding; an item is followed by the rest of it. */
int json_array_next(struct str text, size_t *at, struct str *item, struct err *err);
int json_lines_next(struct str text, size_t *at, struct str *item);

#endif
