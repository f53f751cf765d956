#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Days since 1970-01-01 in the proleptic Gregorian calendar; March is the first month of its year here, so
 * that the leap day is the last day. */
static int64_t days_of(int64_t year, unsigned month, unsigned day)
{
    year -= month <= 2;
    int64_t era = (year >= 0 ? year : year - 399) / 400;
    unsigned of_era = (unsigned)(year - era * 400);
    unsigned of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
    unsigned days = of_era * 365 + of_era / 4 - of_era / 100 + of_year;
    return era * 146097 + (int64_t)days - 719468;
}

static void date_of(int64_t days, int64_t *year, unsigned *month, unsigned *day)
{
    days += 719468;
    int64_t era = (days >= 0 ? days : days - 146096) / 146097;
    unsigned of_era = (unsigned)(days - era * 146097);
    unsigned years = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    unsigned of_year = of_era - (365 * years + years / 4 - years / 100);
    unsigned shifted = (5 * of_year + 2) / 153;
    *day = of_year - (153 * shifted + 2) / 5 + 1;
    *month = shifted < 10 ? shifted + 3 : shifted - 9;
    *year = (int64_t)years + era * 400 + (*month <= 2);
}

static unsigned days_in(int64_t year, unsigned month)
{
    static const unsigned char days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    return month == 2 && leap ? 29 : days[month - 1];
}

/* Exactly `digits` digits at *at. */
static bool take_number(struct str text, size_t *at, unsigned digits, unsigned *value)
{
    if (text.len - *at < digits)
        return false;
    unsigned sum = 0;
    for (unsigned i = 0; i < digits; i++) {
        char c = text.ptr[*at + i];
        if (!is_digit(c))
            return false;
        sum = sum * 10 + (unsigned)(c - '0');
    }
    *at += digits;
    *value = sum;
    return true;
}

static bool take_char(struct str text, size_t *at, char c)
{
    if (*at >= text.len || text.ptr[*at] != c)
        return false;
    ++*at;
    return true;
}

static bool take_date(struct str text, size_t *at, int64_t *days)
{
    unsigned year, month, day;
    if (!take_number(text, at, 4, &year) || !take_char(text, at, '-') || !take_number(text, at, 2, &month) ||
        !take_char(text, at, '-') || !take_number(text, at, 2, &day))
        return false;
    if (year < 1678 || year > 2261 || month < 1 || month > 12 || day < 1 || day > days_in(year, month))
        return false;
    *days = days_of(year, month, day);
    return true;
}

static bool take_clock(struct str text, size_t *at, int64_t *seconds)
{
    unsigned hour, minute, second;
    if (!take_number(text, at, 2, &hour) || !take_char(text, at, ':') || !take_number(text, at, 2, &minute) ||
        !take_char(text, at, ':') || !take_number(text, at, 2, &second))
        return false;
    if (hour > 23 || minute > 59 || second > 60) /* 60: a leap second, which is the next minute's first */
        return false;
    *seconds = hour * 3600 + minute * 60 + second;
    return true;
}

/* ".123456789": ns; digits behind the ninth are dropped. A comma is ISO 8601's other separator. */
static bool take_fraction(struct str text, size_t *at, int64_t *ns)
{
    *ns = 0;
    if (!take_char(text, at, '.') && !take_char(text, at, ','))
        return true;
    size_t begin = *at;
    int64_t scale = NS_PER_S / 10;
    for (; *at < text.len && is_digit(text.ptr[*at]); ++*at, scale /= 10)
        *ns += (text.ptr[*at] - '0') * scale;
    return *at > begin;
}

/* Z, ±hh:mm, ±hhmm, or nothing: UTC. */
static bool take_zone(struct str text, size_t *at, int64_t *seconds)
{
    *seconds = 0;
    if (*at == text.len || take_char(text, at, 'Z') || take_char(text, at, 'z'))
        return true;
    bool west = take_char(text, at, '-');
    if (!west && !take_char(text, at, '+'))
        return false;
    unsigned hours, minutes;
    if (!take_number(text, at, 2, &hours))
        return false;
    take_char(text, at, ':');
    if (!take_number(text, at, 2, &minutes) || hours > 23 || minutes > 59)
        return false;
    *seconds = (int64_t)(hours * 3600 + minutes * 60) * (west ? -1 : 1);
    return true;
}

static bool parse_rfc3339(struct str text, int64_t *ns)
{
    size_t at = 0;
    int64_t days, seconds, fraction, zone;
    if (!take_date(text, &at, &days))
        return false;
    if (!take_char(text, &at, 'T') && !take_char(text, &at, 't') && !take_char(text, &at, ' '))
        return false;
    if (!take_clock(text, &at, &seconds) || !take_fraction(text, &at, &fraction) ||
        !take_zone(text, &at, &zone) || at != text.len)
        return false;
    *ns = (days * 86400 + seconds - zone) * NS_PER_S + fraction;
    return true;
}

/* 1.7e9 and its like: rare, so that a double's rounding is good enough. */
static bool parse_scientific(struct str text, double scale, int64_t *ns)
{
    char copy[64];
    if (text.len >= sizeof(copy))
        return false;
    memcpy(copy, text.ptr, text.len);
    copy[text.len] = 0;
    if (strspn(copy, "0123456789+-.eE") != text.len)
        return false;
    char *end;
    double value = strtod(copy, &end) * scale;
    if (*end || end == copy || !(fabs(value) < 9.2e18))
        return false;
    *ns = (int64_t)value;
    return true;
}

/* "1700000000.25" in units of `scale` ns, without going through a double. */
static bool parse_unix(struct str text, int64_t scale, int64_t *ns)
{
    size_t at = 0;
    bool negative = take_char(text, &at, '-');
    size_t begin = at;
    int64_t whole = 0;
    for (; at < text.len && is_digit(text.ptr[at]); at++) {
        if (whole > INT64_MAX / 10 - 1)
            return false;
        whole = whole * 10 + (text.ptr[at] - '0');
    }
    if (at == begin)
        return false;
    int64_t fraction = 0;
    if (take_char(text, &at, '.'))
        for (int64_t unit = scale / 10; at < text.len && is_digit(text.ptr[at]); at++, unit /= 10)
            fraction += (text.ptr[at] - '0') * unit;
    if (at != text.len)
        return parse_scientific(text, (double)scale, ns);
    if (whole > (INT64_MAX - scale) / scale)
        return false;
    *ns = whole * scale + fraction;
    if (negative)
        *ns = -*ns;
    return true;
}

/* By the number of digits before the point: seconds until the year 5138, and so on upwards. */
static int64_t scale_of(struct str text)
{
    size_t digits = 0;
    for (size_t i = 0; i < text.len && (is_digit(text.ptr[i]) || (i == 0 && text.ptr[i] == '-')); i++)
        digits += text.ptr[i] != '-';
    if (digits <= 11)
        return NS_PER_S;
    if (digits <= 14)
        return NS_PER_MS;
    return digits <= 17 ? NS_PER_MS / 1000 : 1;
}

bool time_parse(struct str text, enum time_format format, int64_t *ns)
{
    switch (format) {
    case TIME_RFC3339:
        return parse_rfc3339(text, ns);
    case TIME_UNIX_S:
        return parse_unix(text, NS_PER_S, ns);
    case TIME_UNIX_MS:
        return parse_unix(text, NS_PER_MS, ns);
    case TIME_UNIX_US:
        return parse_unix(text, NS_PER_MS / 1000, ns);
    case TIME_UNIX_NS:
        return parse_unix(text, 1, ns);
    case TIME_ANY:
        return parse_rfc3339(text, ns) || parse_unix(text, scale_of(text), ns);
    }
    return false;
}

bool time_format_named(struct str name, enum time_format *format)
{
    static const struct {
        const char *name;
        enum time_format format;
    } formats[] = {{"rfc3339", TIME_RFC3339}, {"unix", TIME_UNIX_S},     {"unix_ms", TIME_UNIX_MS},
                   {"unix_us", TIME_UNIX_US}, {"unix_ns", TIME_UNIX_NS}, {"any", TIME_ANY}};
    for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++) {
        if (!str_is(name, formats[i].name))
            continue;
        *format = formats[i].format;
        return true;
    }
    return false;
}

static void put_digits(char *out, unsigned value, int digits)
{
    for (int i = digits - 1; i >= 0; i--, value /= 10)
        out[i] = (char)('0' + value % 10);
}

size_t time_print(int64_t ns, char *out)
{
    int64_t ms = ns / NS_PER_MS - (ns % NS_PER_MS < 0);
    int64_t days = ms / 86400000 - (ms % 86400000 < 0);
    unsigned of_day = (unsigned)(ms - days * 86400000);
    int64_t year;
    unsigned month, day;
    date_of(days, &year, &month, &day);
    memcpy(out, "0000-00-00T00:00:00.000Z", 25);
    put_digits(out, (unsigned)year, 4);
    put_digits(out + 5, month, 2);
    put_digits(out + 8, day, 2);
    put_digits(out + 11, of_day / 3600000, 2);
    put_digits(out + 14, of_day / 60000 % 60, 2);
    put_digits(out + 17, of_day / 1000 % 60, 2);
    put_digits(out + 20, of_day % 1000, 3);
    return 24;
}
