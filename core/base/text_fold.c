#include "base/text.h"
#include "base/text_fold_table.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

static uint32_t fold_point(uint32_t point)
{
    if (point > text_fold_last)
        return point;
    return (uint32_t)((int32_t)point + text_fold_page[text_fold_index[point >> 6]][point & 63]);
}

static char fold_ascii(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
}

/* Folds ASCII up to the first byte that is not; returns how many. */
static size_t fold_ascii_run(struct str s, char *out)
{
    size_t at = 0;
#ifdef __SSE2__
    const __m128i below = _mm_set1_epi8('A' - 1), above = _mm_set1_epi8('Z' + 1), bit = _mm_set1_epi8(0x20);
    for (; s.len - at >= 16; at += 16) {
        __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)(s.ptr + at));
        if (_mm_movemask_epi8(bytes))
            break;
        __m128i upper = _mm_and_si128(_mm_cmpgt_epi8(bytes, below), _mm_cmplt_epi8(bytes, above));
        bytes = _mm_or_si128(bytes, _mm_and_si128(upper, bit));
        _mm_storeu_si128((__m128i *)(void *)(out + at), bytes);
    }
#endif
    for (; at < s.len && !(s.ptr[at] & 0x80); at++)
        out[at] = fold_ascii(s.ptr[at]);
    return at;
}

/* Two bytes can become three (U+023A), never more. */
size_t text_fold_max(size_t len)
{
    return len + len / 2 + 1;
}

/* One character at *at into out; bytes that are not UTF-8 stay as they are. */
static size_t fold_next(struct str s, size_t *at, char *out)
{
    uint32_t point;
    int len = text_utf8_decode((struct str){s.ptr + *at, s.len - *at}, &point);
    if (len < 0) {
        out[0] = s.ptr[*at];
        ++*at;
        return 1;
    }
    *at += (size_t)len;
    return text_utf8_encode(fold_point(point), out);
}

size_t text_fold(struct str s, char *out)
{
    size_t at = 0, made = 0;
    while (at < s.len) {
        size_t run = fold_ascii_run((struct str){s.ptr + at, s.len - at}, out + made);
        at += run;
        made += run;
        while (at < s.len && (s.ptr[at] & 0x80)) {
            char folded[4];
            size_t n = fold_next(s, &at, folded);
            memcpy(out + made, folded, n);
            made += n;
        }
    }
    return made;
}

struct str text_fold_dup(struct arena *arena, struct str s)
{
    char *out = arena_alloc(arena, text_fold_max(s.len) + 1);
    size_t len = text_fold(s, out);
    out[len] = 0;
    return (struct str){out, len};
}

bool text_equal_fold(struct str a, struct str b)
{
    size_t i = 0, j = 0;
    while (i < a.len && j < b.len) {
        if (!((a.ptr[i] | b.ptr[j]) & 0x80)) {
            if (fold_ascii(a.ptr[i++]) != fold_ascii(b.ptr[j++]))
                return false;
            continue;
        }
        char x[4], y[4];
        size_t m = fold_next(a, &i, x), n = fold_next(b, &j, y);
        if (m != n || memcmp(x, y, n) != 0)
            return false;
    }
    return i == a.len && j == b.len;
}
