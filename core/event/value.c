#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "event/event.h"

struct value value_string(struct str text)
{
    return (struct value){.type = VALUE_STRING, .text = text};
}

struct value value_bool(bool b)
{
    return (struct value){.type = VALUE_BOOL, .text = b ? STR("true") : STR("false"), .as.b = b};
}

struct value value_null(void)
{
    return (struct value){.type = VALUE_NULL, .text = STR("")};
}

/* Writes backwards from `end`; returns the first digit. */
static char *put_digits(char *end, uint64_t number)
{
    do {
        *--end = (char)('0' + number % 10);
        number /= 10;
    } while (number);
    return end;
}

static struct str keep_text(struct arena *arena, const char *begin, const char *end)
{
    size_t len = (size_t)(end - begin);
    char *text = arena_alloc(arena, len);
    memcpy(text, begin, len);
    return (struct str){text, len};
}

struct value value_int(struct arena *arena, int64_t i)
{
    char digits[24], *end = digits + sizeof(digits);
    char *begin = put_digits(end, i < 0 ? -(uint64_t)i : (uint64_t)i);
    if (i < 0)
        *--begin = '-';
    return (struct value){.type = VALUE_INT, .text = keep_text(arena, begin, end), .as.i = i};
}

struct value value_uint(struct arena *arena, uint64_t u)
{
    if (u <= INT64_MAX)
        return value_int(arena, (int64_t)u);
    char digits[24], *end = digits + sizeof(digits);
    char *begin = put_digits(end, u);
    return (struct value){.type = VALUE_UINT, .text = keep_text(arena, begin, end), .as.u = u};
}

#define EXACT_MOST 9007199254740992.0 /* 2^53 */

/* The fewest decimals that read back as the same number. Both operands of the division are exact, so that its
 * result is the double nearest to the decimal: equal means that the text spells this double. */
static bool shortest_fixed(double d, char *out, size_t size, size_t *len)
{
    static const double powers[] = {1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12};
    double magnitude = fabs(d);
    if (magnitude >= EXACT_MOST || (magnitude < 1e-6 && magnitude != 0))
        return false;
    for (size_t decimals = 0; decimals < sizeof(powers) / sizeof(powers[0]); decimals++) {
        double scaled = nearbyint(magnitude * powers[decimals]);
        if (scaled >= EXACT_MOST)
            return false;
        if (scaled / powers[decimals] != magnitude)
            continue;
        char *end = out + size, *begin = put_digits(end, (uint64_t)scaled);
        while ((size_t)(end - begin) <= decimals)
            *--begin = '0';
        if (decimals) {
            memmove(begin - 1, begin, (size_t)(end - begin) - decimals);
            begin--;
            end[-(ptrdiff_t)decimals - 1] = '.';
        }
        if (d < 0)
            *--begin = '-';
        *len = (size_t)(end - begin);
        memmove(out, begin, *len);
        return true;
    }
    return false;
}

struct value value_double(struct arena *arena, double d)
{
    char text[48];
    size_t len = 0;
    if (!shortest_fixed(d, text, sizeof(text), &len)) {
        for (int digits = 15; digits <= 17; digits++) {
            len = (size_t)snprintf(text, sizeof(text), "%.*g", digits, d);
            if (strtod(text, NULL) == d)
                break;
        }
    }
    return (struct value){.type = VALUE_DOUBLE, .text = keep_text(arena, text, text + len), .as.d = d};
}

static size_t digits_at(struct str text, size_t at)
{
    size_t end = at;
    while (end < text.len && text.ptr[end] >= '0' && text.ptr[end] <= '9')
        end++;
    return end - at;
}

/* sign? (digits (. digits?)? | . digits) (e sign? digits)? ; *whole: neither fraction nor exponent. */
static bool is_number(struct str text, bool *whole)
{
    size_t at = text.len && (text.ptr[0] == '-' || text.ptr[0] == '+');
    size_t before = digits_at(text, at), behind = 0;
    at += before;
    *whole = true;
    if (at < text.len && text.ptr[at] == '.') {
        behind = digits_at(text, at + 1);
        at += 1 + behind;
        *whole = false;
    }
    if (before + behind == 0)
        return false;
    if (at < text.len && (text.ptr[at] | 0x20) == 'e') {
        at++;
        at += at < text.len && (text.ptr[at] == '-' || text.ptr[at] == '+');
        size_t exponent = digits_at(text, at);
        at += exponent;
        *whole = false;
        if (!exponent)
            return false;
    }
    return at == text.len;
}

static bool whole_number(struct str text, int64_t *i)
{
    bool negative = text.ptr[0] == '-';
    size_t at = negative || text.ptr[0] == '+';
    uint64_t sum = 0, most = (uint64_t)INT64_MAX + negative;
    for (; at < text.len; at++) {
        uint64_t digit = (uint64_t)(text.ptr[at] - '0');
        if (sum > (most - digit) / 10)
            return false;
        sum = sum * 10 + digit;
    }
    *i = (int64_t)(negative ? -sum : sum);
    return true;
}

static void number_of_double(double number, double *d, int64_t *i, bool *exact)
{
    *d = number;
    const double beyond = 9223372036854775808.0; /* 2^63 */
    *exact = number >= -beyond && number < beyond && number == (double)(int64_t)number;
    if (*exact)
        *i = (int64_t)number;
}

#define NUMBER_TEXT_MOST 400 /* characters: the longest decimal of a double is shorter */

static bool number_of_text(struct str text, double *d, int64_t *i, bool *exact)
{
    bool whole;
    if (text.len == 0 || text.len > NUMBER_TEXT_MOST || !is_number(text, &whole))
        return false;
    if (whole && whole_number(text, i)) {
        *d = (double)*i;
        *exact = true;
        return true;
    }
    char copy[NUMBER_TEXT_MOST + 1];
    memcpy(copy, text.ptr, text.len);
    copy[text.len] = 0;
    number_of_double(strtod(copy, NULL), d, i, exact);
    *exact = *exact && !whole; /* a whole number beyond 64 bits is only near its double */
    return true;
}

bool value_number(const struct value *value, double *d, int64_t *i, bool *exact)
{
    switch (value->type) {
    case VALUE_INT:
        *i = value->as.i;
        *d = (double)value->as.i;
        *exact = true;
        return true;
    case VALUE_UINT:
        *d = (double)value->as.u;
        *exact = false;
        return true;
    case VALUE_DOUBLE:
        number_of_double(value->as.d, d, i, exact);
        return true;
    case VALUE_STRING:
        return number_of_text(value->text, d, i, exact);
    default:
        return false;
    }
}
