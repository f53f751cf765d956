#include "base/json_tape.h"

#include <stdlib.h>

#include "base/json_repair.h"
#include "base/json_scan.h"
#include "base/json_simd.h"

struct json_tape {
    struct json_simd *simd;
    size_t size;
    unsigned depth;
    struct buf repaired; /* kept for the next odd text */
};

/* Each byte of a number or of bad UTF-8 may become three: quotes and all. */
#define REPAIR_GROWTH 3

struct json_tape *json_tape_new(size_t size, unsigned depth)
{
    struct json_tape *tape = mem_zalloc(1, sizeof(*tape));
    tape->size = size;
    tape->depth = depth;
    tape->simd = json_simd_new(size * REPAIR_GROWTH, depth);
    if (!tape->simd)
        die("out of memory (a JSON parser)");
    return tape;
}

void json_tape_free(struct json_tape *tape)
{
    if (!tape)
        return;
    json_simd_free(tape->simd);
    buf_free(&tape->repaired);
    free(tape);
}

static int too_deep(const struct json_tape *tape, struct err *err)
{
    return err_set(err, ERR_LIMIT, "not taken: JSON nested deeper than %u", tape->depth);
}

static int parse_repaired(struct json_tape *tape, struct str text, unsigned *repairs, struct err *err)
{
    if (str_starts(text, STR("\xef\xbb\xbf")))
        text = (struct str){text.ptr + 3, text.len - 3};
    if (json_check(text, tape->depth, err) != 0)
        return -1;
    buf_clear(&tape->repaired);
    json_repair(text, &tape->repaired, repairs);
    memset(buf_reserve(&tape->repaired, JSON_TAPE_PADDING), ' ', JSON_TAPE_PADDING);
    switch (json_simd_parse(tape->simd, tape->repaired.ptr, tape->repaired.len)) {
    case JSON_SIMD_OK:
        return 0;
    case JSON_SIMD_DEEP:
        return too_deep(tape, err);
    case JSON_SIMD_REFUSED:
        break;
    }
    return err_set(err, ERR_INVALID, "not JSON");
}

int json_tape_parse(struct json_tape *tape, struct str text, unsigned *repairs, struct err *err)
{
    unsigned made = 0;
    int result = 0;
    if (text.len > tape->size)
        return err_set(err, ERR_LIMIT, "not taken: %zu bytes of JSON; at most %zu are", text.len, tape->size);
    if (text.len == 0)
        return json_check(text, tape->depth, err);
    switch (json_simd_parse(tape->simd, text.ptr, text.len)) {
    case JSON_SIMD_OK:
        break;
    case JSON_SIMD_DEEP:
        return too_deep(tape, err);
    case JSON_SIMD_REFUSED:
        result = parse_repaired(tape, text, &made, err);
        break;
    }
    if (repairs)
        *repairs = made;
    return result;
}

struct json_cursor json_tape_cursor(const struct json_tape *tape)
{
    return (struct json_cursor){json_simd_words(tape->simd), json_simd_strings(tape->simd)};
}

bool json_scan_begin(struct json_scan *scan, struct json_tape *tape, struct str text, char *room)
{
    size_t count = 0;
    const uint32_t *marks = NULL;
    if (text.len <= tape->size)
        marks = json_simd_marks(tape->simd, text.ptr, text.len, &count);
    if (!marks || text.ptr[marks[0]] != '{' || text.ptr[marks[count - 1]] != '}')
        return false;
    *scan = (struct json_scan){.text = text.ptr,
                               .end = text.ptr + text.len,
                               .escape = text.ptr,
                               .first = marks,
                               .last = marks + count,
                               .room = room,
                               .depth = tape->depth,
                               .simd = tape->simd};
    return true;
}
