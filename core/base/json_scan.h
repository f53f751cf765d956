/* JSON read in one pass, without a tape: keys and values in the order of the text, each checked as it is
 * passed. It takes plain records only. Where it says no, the text may still be JSON, or odd JSON that
 * json_tape_parse repairs: ask that, which also has the words for what is wrong. What it does take,
 * json_tape_parse takes without a repair, with the same values. One thread; the parser behind it is not used
 * for anything else meanwhile. */
#ifndef LUNETTE_BASE_JSON_SCAN_H
#define LUNETTE_BASE_JSON_SCAN_H

#include "base/json_tape.h"

struct json_simd;

struct json_scan {
    const char *text, *end;
    const uint32_t *first,
        *last;          /* marks: where brackets, commas, colons and the first bytes of values stand */
    const char *escape; /* a backslash, and none is between the last string read and it; or `end` */
    char *room;         /* where a string with escapes goes; who keeps it moves this behind it */
    unsigned depth;     /* how many objects and arrays may still open: the caller counts */
    const struct json_simd *simd;
};

/* The text is an object, as far as a glance tells: the first mark is at a `{`, the last one at a `}`, and
 * behind that one stands a `{` once more, which fits nowhere, so that whoever checks the byte at each mark
 * goes no further. The text must be followed by JSON_TAPE_PADDING readable bytes; what is read borrows from
 * it. `room`: as many bytes as the text has, and JSON_TAPE_PADDING more. */
bool json_scan_begin(struct json_scan *scan, struct json_tape *tape, struct str text, char *room);

/* The byte at a mark. */
static inline char json_scan_byte(const struct json_scan *scan, const uint32_t *mark)
{
    return scan->text[*mark];
}

/* The rest of json_scan_string: spaces before the next mark, and a string that may hold a backslash. */
const char *json_scan_spaces(const char *begin, const char *end);
struct str json_scan_escapes(struct json_scan *scan, struct str s);

/* The string or key at a mark where a quote stands; ptr NULL: no. Its other quote is the last byte before the
 * next mark that is not a space. */
static inline struct str json_scan_string(struct json_scan *scan, const uint32_t *mark)
{
    const char *begin = scan->text + mark[0] + 1, *end = scan->text + mark[1] - 1;
    if (__builtin_expect(*end != '"' || end < begin, 0)) {
        end = json_scan_spaces(begin, end);
        if (!end)
            return (struct str){NULL, 0};
    }
    struct str s = {begin, (size_t)(end - begin)};
    return __builtin_expect(scan->escape >= end, 1) ? s : json_scan_escapes(scan, s);
}

struct json_scalar {
    enum json_type type; /* no string, array or object */
    struct str text;     /* INT, UINT: its digits, as the shortest text has them */
    uint64_t u;          /* INT: as two's complement */
    double d;
};
/* The value at a mark where neither a quote nor a bracket stands. */
bool json_scan_scalar(const struct json_scan *scan, const uint32_t *mark, struct json_scalar *out);

#endif
