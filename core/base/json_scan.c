#include "base/json_scan.h"

#include "base/json_simd.h"

#define DIGITS_SURE 19 /* so many always fit 64 bits without a sign */

_Static_assert(JSON_SIMD_SPILL <= JSON_TAPE_PADDING, "what json_scan_begin asks for holds the spill");

const char *json_scan_spaces(const char *begin, const char *end)
{
    while (*end == ' ' || *end == '\n' || *end == '\t' || *end == '\r')
        end--;
    return *end == '"' && end >= begin ? end : NULL;
}

struct str json_scan_escapes(struct json_scan *scan, struct str s)
{
    if (scan->escape < s.ptr) {
        scan->escape = memchr(s.ptr, '\\', (size_t)(scan->end - s.ptr));
        scan->escape = scan->escape ? scan->escape : scan->end;
    }
    if (scan->escape >= s.ptr + s.len)
        return s;
    const char *end = json_simd_unescape(scan->simd, s.ptr, scan->room);
    return end ? (struct str){scan->room, (size_t)(end - scan->room)} : (struct str){NULL, 0};
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static const char *skip_digits(const char *at)
{
    while (is_digit(*at))
        at++;
    return at;
}

/* A scalar and a string may stand side by side without a mark between them. */
static bool is_over(char c)
{
    return c == ',' || c == '}' || c == ']' || c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

static bool scan_word(const char *at, struct str word, enum json_type type, struct json_scalar *out)
{
    out->type = type;
    return memcmp(at, word.ptr, word.len) == 0 && is_over(at[word.len]);
}

/* The text behind a number's whole part; NULL when it goes on wrongly. */
static const char *fraction_end(const char *at)
{
    if (*at == '.') {
        if (!is_digit(*++at))
            return NULL;
        at = skip_digits(at);
    }
    if (*at == 'e' || *at == 'E') {
        at++;
        at += *at == '+' || *at == '-';
        if (!is_digit(*at))
            return NULL;
        at = skip_digits(at);
    }
    return at;
}

static bool scan_number(const char *begin, struct json_scalar *out)
{
    bool negative = *begin == '-';
    const char *digits = begin + negative, *at = digits;
    uint64_t sum = 0;
    for (; is_digit(*at); at++)
        sum = sum * 10 + (uint64_t)(*at - '0');
    if (at == digits || (*digits == '0' && at > digits + 1))
        return false;
    if (*at == '.' || *at == 'e' || *at == 'E') {
        at = fraction_end(at);
        out->type = JSON_DOUBLE;
        return at && is_over(*at) && json_simd_double(begin, (size_t)(at - begin), &out->d) == 0;
    }
    if (!is_over(*at) || at - digits > DIGITS_SURE ||
        (negative && (sum == 0 || sum > (uint64_t)INT64_MAX + 1)))
        return false;
    out->type = negative || sum <= INT64_MAX ? JSON_INT : JSON_UINT;
    out->u = negative ? 0 - sum : sum;
    out->text = (struct str){begin, (size_t)(at - begin)};
    return true;
}

bool json_scan_scalar(const struct json_scan *scan, const uint32_t *mark, struct json_scalar *out)
{
    const char *at = scan->text + *mark;
    switch (*at) {
    case 't':
        return scan_word(at, STR("true"), JSON_TRUE, out);
    case 'f':
        return scan_word(at, STR("false"), JSON_FALSE, out);
    case 'n':
        return scan_word(at, STR("null"), JSON_NULL, out);
    default:
        return scan_number(at, out);
    }
}
