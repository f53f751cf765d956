#include "base/json_tape.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static size_t skip_space(struct str text, size_t at)
{
    while (at < text.len && is_space(text.ptr[at]))
        at++;
    return at;
}

/* From the byte behind an opening quote to its closing quote, or the end of the text. Most of an event is
 * inside strings, so this is what the speed of splitting hangs on. */
static size_t string_end(struct str text, size_t at)
{
    for (;;) {
#ifdef __SSE2__
        const __m128i quote = _mm_set1_epi8('"'), escape = _mm_set1_epi8('\\');
        for (; text.len - at >= 16; at += 16) {
            __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)(text.ptr + at));
            int hits = _mm_movemask_epi8(
                _mm_or_si128(_mm_cmpeq_epi8(bytes, quote), _mm_cmpeq_epi8(bytes, escape)));
            if (!hits)
                continue;
            at += (size_t)__builtin_ctz((unsigned)hits);
            break;
        }
#endif
        while (at < text.len && text.ptr[at] != '"' && text.ptr[at] != '\\')
            at++;
        if (at >= text.len || text.ptr[at] == '"')
            return at < text.len ? at : text.len;
        at += 2;
        if (at > text.len)
            return text.len;
    }
}

/* From the first byte of an item to the comma or bracket behind it, or the end of the text. */
static size_t item_end(struct str text, size_t at)
{
    size_t depth = 0;
    for (; at < text.len; at++) {
        switch (text.ptr[at]) {
        case '"':
            at = string_end(text, at + 1);
            break;
        case '[':
        case '{':
            depth++;
            break;
        case ']':
        case '}':
            if (depth == 0)
                return at;
            depth--;
            break;
        case ',':
            if (depth == 0)
                return at;
            break;
        default:
            break;
        }
    }
    return text.len;
}

static int array_ended(struct str text, size_t *at, struct err *err)
{
    size_t rest = skip_space(text, *at + 1);
    if (rest != text.len)
        return err_set(err, ERR_INVALID, "not JSON: expected nothing after the array, at offset %zu", rest);
    *at = text.len;
    return 0;
}

int json_array_next(struct str text, size_t *at, struct str *item, struct err *err)
{
    size_t begin = *at;
    bool first = begin == 0;
    if (first) {
        begin = skip_space(text, 0);
        if (begin == text.len || text.ptr[begin] != '[')
            return err_set(err, ERR_INVALID, "expected a JSON array");
    } else if (begin >= text.len) {
        return 0;
    } else if (text.ptr[begin] == ']') {
        return array_ended(text, at, err);
    }
    begin = skip_space(text, begin + 1);
    if (first && begin < text.len && text.ptr[begin] == ']') {
        *at = begin;
        return array_ended(text, at, err);
    }
    size_t end = item_end(text, begin);
    if (end == text.len || text.ptr[end] == '}' || end == begin)
        return err_set(err, ERR_INVALID, "not JSON: expected %s at offset %zu",
                       end == begin ? "a value" : "',' or ']'", end);
    *at = end;
    while (is_space(text.ptr[end - 1]))
        end--;
    *item = (struct str){text.ptr + begin, end - begin};
    return 1;
}

int json_lines_next(struct str text, size_t *at, struct str *item)
{
    while (*at < text.len) {
        size_t begin = *at;
        const char *newline = memchr(text.ptr + begin, '\n', text.len - begin);
        size_t end = newline ? (size_t)(newline - text.ptr) : text.len;
        *at = newline ? end + 1 : end;
        begin = skip_space((struct str){text.ptr, end}, begin);
        while (end > begin && is_space(text.ptr[end - 1]))
            end--;
        *item = (struct str){text.ptr + begin, end - begin};
        if (end > begin)
            return 1;
    }
    return 0;
}
