#include "base/json_repair.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "base/text.h"

#define REPLACEMENT "\xef\xbf\xbd"

static struct str rest_at(struct str text, size_t at)
{
    return (struct str){text.ptr + at, text.len - at};
}

/* `number` is followed by readable bytes that no number goes on with. */
static bool is_representable(struct str number)
{
    char copy[512];
    char *heap = NULL, *digits = copy;
    if (number.len >= sizeof(copy))
        digits = heap = mem_dup(number.ptr, number.len);
    else
        memcpy(copy, number.ptr, number.len);
    digits[number.len] = 0;
    bool fits;
    if (strpbrk(digits, ".eE")) {
        fits = isfinite(strtod(digits, NULL));
    } else {
        errno = 0;
        if (digits[0] == '-')
            (void)strtoll(digits, NULL, 10);
        else
            (void)strtoull(digits, NULL, 10);
        fits = errno != ERANGE;
    }
    free(heap);
    return fits;
}

static size_t repair_number(struct str text, size_t at, struct buf *out, unsigned *repairs)
{
    size_t end = at;
    while (end < text.len && text.ptr[end] && strchr("0123456789+-.eE", text.ptr[end]))
        end++;
    struct str number = {text.ptr + at, end - at};
    if (is_representable(number)) {
        buf_put(out, number);
        return end;
    }
    *repairs |= JSON_REPAIR_NUMBER;
    buf_json_string(out, number);
    return end;
}

/* The unit of "\uXXXX" at `at`, or -1 when something else stands there. */
static long unit_at(struct str text, size_t at)
{
    if (text.len - at < 6 || text.ptr[at] != '\\' || text.ptr[at + 1] != 'u')
        return -1;
    char hex[5] = {0};
    memcpy(hex, text.ptr + at + 2, 4);
    return strtol(hex, NULL, 16);
}

static size_t repair_escape(struct str text, size_t at, struct buf *out, unsigned *repairs)
{
    long unit = unit_at(text, at);
    if (unit < 0xd800 || unit > 0xdfff) {
        size_t len = unit < 0 ? 2 : 6;
        buf_add(out, text.ptr + at, len);
        return at + len;
    }
    long second = unit < 0xdc00 ? unit_at(text, at + 6) : -1;
    if (second >= 0xdc00 && second <= 0xdfff) {
        buf_add(out, text.ptr + at, 12);
        return at + 12;
    }
    *repairs |= JSON_REPAIR_SURROGATE;
    buf_puts(out, REPLACEMENT);
    return at + 6;
}

static size_t repair_byte(struct str text, size_t at, struct buf *out, unsigned *repairs)
{
    uint32_t point;
    int len = text_utf8_decode(rest_at(text, at), &point);
    if (len > 0) {
        buf_add(out, text.ptr + at, (size_t)len);
        return at + (size_t)len;
    }
    *repairs |= JSON_REPAIR_UTF8;
    buf_puts(out, REPLACEMENT);
    return at + (size_t)-len;
}

static size_t repair_string(struct str text, size_t at, struct buf *out, unsigned *repairs)
{
    buf_putc(out, '"');
    at++;
    while (text.ptr[at] != '"') {
        if (text.ptr[at] == '\\')
            at = repair_escape(text, at, out, repairs);
        else
            at = repair_byte(text, at, out, repairs);
    }
    buf_putc(out, '"');
    return at + 1;
}

void json_repair(struct str text, struct buf *out, unsigned *repairs)
{
    for (size_t at = 0; at < text.len;) {
        char c = text.ptr[at];
        if (c == '"') {
            at = repair_string(text, at, out, repairs);
        } else if (c == '-' || (c >= '0' && c <= '9')) {
            at = repair_number(text, at, out, repairs);
        } else {
            buf_putc(out, c);
            at++;
        }
    }
}
