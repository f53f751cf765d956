#include "base/text.h"

#include <stdlib.h>

#include "base/buf.h"
#include "base/err.h"

/* Second byte ranges of RFC 3629: what keeps overlong forms, surrogates and points above U+10FFFF out. */
static bool second_ok(unsigned char lead, unsigned char second)
{
    switch (lead) {
    case 0xe0:
        return second >= 0xa0 && second <= 0xbf;
    case 0xed:
        return second >= 0x80 && second <= 0x9f;
    case 0xf0:
        return second >= 0x90 && second <= 0xbf;
    case 0xf4:
        return second >= 0x80 && second <= 0x8f;
    default:
        return (second & 0xc0) == 0x80;
    }
}

int text_utf8_decode(struct str s, uint32_t *point)
{
    const unsigned char *at = (const unsigned char *)s.ptr;
    if (at[0] < 0x80) {
        *point = at[0];
        return 1;
    }
    int need = at[0] >= 0xf0 ? 4 : at[0] >= 0xe0 ? 3 : 2;
    if (at[0] < 0xc2 || at[0] > 0xf4)
        return -1;
    if (s.len < 2 || !second_ok(at[0], at[1]))
        return -1;
    uint32_t value = (uint32_t)(at[0] & (0x7f >> need)) << 6 | (at[1] & 0x3f);
    for (int i = 2; i < need; i++) {
        if ((size_t)i >= s.len || (at[i] & 0xc0) != 0x80)
            return -i;
        value = value << 6 | (at[i] & 0x3f);
    }
    *point = value;
    return need;
}

size_t text_utf8_encode(uint32_t point, char out[4])
{
    if (point < 0x80) {
        out[0] = (char)point;
        return 1;
    }
    if (point < 0x800) {
        out[0] = (char)(0xc0 | point >> 6);
        out[1] = (char)(0x80 | (point & 0x3f));
        return 2;
    }
    if (point < 0x10000) {
        out[0] = (char)(0xe0 | point >> 12);
        out[1] = (char)(0x80 | (point >> 6 & 0x3f));
        out[2] = (char)(0x80 | (point & 0x3f));
        return 3;
    }
    out[0] = (char)(0xf0 | point >> 18);
    out[1] = (char)(0x80 | (point >> 12 & 0x3f));
    out[2] = (char)(0x80 | (point >> 6 & 0x3f));
    out[3] = (char)(0x80 | (point & 0x3f));
    return 4;
}

size_t text_ascii_prefix(struct str s)
{
    size_t at = 0;
    for (uint64_t word; s.len - at >= 8; at += 8) {
        memcpy(&word, s.ptr + at, 8);
        if (word & UINT64_C(0x8080808080808080))
            break;
    }
    while (at < s.len && (unsigned char)s.ptr[at] < 0x80)
        at++;
    return at;
}

/* Index of the first bad sequence, or the length; *bad is its length. */
static size_t first_bad(struct str s, size_t at, size_t *bad)
{
    while (at < s.len) {
        at += text_ascii_prefix((struct str){s.ptr + at, s.len - at});
        if (at == s.len)
            break;
        uint32_t point;
        int n = text_utf8_decode((struct str){s.ptr + at, s.len - at}, &point);
        if (n < 0) {
            *bad = (size_t)-n;
            return at;
        }
        at += (size_t)n;
    }
    return s.len;
}

bool text_is_utf8(struct str s)
{
    size_t bad;
    return first_bad(s, 0, &bad) == s.len;
}

struct str text_repair_utf8(struct arena *arena, struct str s, bool *repaired)
{
    size_t bad = 0;
    size_t at = first_bad(s, 0, &bad);
    if (repaired)
        *repaired = at != s.len;
    if (at == s.len)
        return s;
    struct buf out = BUF_EMPTY;
    for (size_t begin = 0;;) {
        buf_add(&out, s.ptr + begin, at - begin);
        if (at == s.len)
            break;
        buf_puts(&out, "\xef\xbf\xbd");
        begin = at + bad;
        at = first_bad(s, begin, &bad);
    }
    struct str kept = arena_dup(arena, buf_str(&out));
    buf_free(&out);
    return kept;
}

static unsigned least(unsigned a, unsigned b)
{
    return a < b ? a : b;
}

#define DISTANCE_MOST 128 /* bytes compared; longer names are never "nearly" another */

unsigned text_distance(struct str a, struct str b, unsigned limit)
{
    size_t gap = a.len > b.len ? a.len - b.len : b.len - a.len;
    if (gap > limit || a.len > DISTANCE_MOST || b.len > DISTANCE_MOST)
        return limit + 1;
    unsigned rows[3][DISTANCE_MOST + 1]; /* the last three rows of the table: a swap looks two back */
    for (unsigned j = 0; j <= b.len; j++)
        rows[0][j] = j;
    for (unsigned i = 1; i <= a.len; i++) {
        unsigned *row = rows[i % 3], *above = rows[(i + 2) % 3], *two_above = rows[(i + 1) % 3];
        row[0] = i;
        for (unsigned j = 1; j <= b.len; j++) {
            unsigned cost = a.ptr[i - 1] != b.ptr[j - 1];
            row[j] = least(least(above[j], row[j - 1]) + 1, above[j - 1] + cost);
            if (i > 1 && j > 1 && a.ptr[i - 1] == b.ptr[j - 2] && a.ptr[i - 2] == b.ptr[j - 1])
                row[j] = least(row[j], two_above[j - 2] + 1);
        }
    }
    return least(rows[a.len % 3][b.len], limit + 1);
}

const char *text_nearest(struct str name, const char *const *names, size_t count)
{
    const char *nearest = NULL;
    unsigned best = (unsigned)(name.len / 3);
    if (best == 0 && name.len)
        best = 1;
    for (size_t i = 0; i < count; i++) {
        unsigned distance = text_distance(name, str_from(names[i]), best);
        if (distance > best || (nearest && distance == best))
            continue;
        best = distance;
        nearest = names[i];
    }
    return nearest;
}

static void put_printable(struct buf *out, struct str s, int len)
{
    unsigned char c = (unsigned char)s.ptr[0];
    if (len < 0)
        buf_puts(out, "\xef\xbf\xbd");
    else if (c == '\n')
        buf_puts(out, "\\n");
    else if (c == '\r')
        buf_puts(out, "\\r");
    else if (c == '\t')
        buf_puts(out, "\\t");
    else if (c < 0x20 || c == 0x7f)
        buf_printf(out, "\\u%04x", c);
    else if (c == 0xc2 && (unsigned char)s.ptr[1] < 0xa0) /* C1 controls */
        buf_printf(out, "\\u%04x", (unsigned char)s.ptr[1]);
    else
        buf_add(out, s.ptr, (size_t)len);
}

struct str text_printable(struct arena *arena, struct str s, size_t max)
{
    struct buf out = BUF_EMPTY;
    for (size_t at = 0; at < s.len;) {
        struct str rest = {s.ptr + at, s.len - at};
        uint32_t point;
        int len = text_utf8_decode(rest, &point);
        size_t before = out.len;
        put_printable(&out, rest, len);
        if (out.len > max) {
            out.len = before;
            buf_puts(&out, "\xe2\x80\xa6");
            break;
        }
        at += (size_t)abs(len);
    }
    struct str kept = arena_dup(arena, buf_str(&out));
    buf_free(&out);
    return kept;
}
