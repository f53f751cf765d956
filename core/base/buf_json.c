#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/text.h"

static bool is_plain(unsigned char c)
{
    return c >= 0x20 && c < 0x80 && c != '"' && c != '\\';
}

static void put_escape(struct buf *buf, unsigned char c)
{
    static const char short_forms[] = "\bb\ff\nn\rr\tt\"\"\\\\";
    for (const char *at = short_forms; *at; at += 2) {
        if ((unsigned char)*at != c)
            continue;
        buf_putc(buf, '\\');
        buf_putc(buf, at[1]);
        return;
    }
    buf_printf(buf, "\\u%04x", c);
}

void buf_json_string(struct buf *buf, struct str s)
{
    buf_putc(buf, '"');
    for (size_t at = 0; at < s.len;) {
        size_t run = at;
        while (run < s.len && is_plain((unsigned char)s.ptr[run]))
            run++;
        buf_add(buf, s.ptr + at, run - at);
        at = run;
        if (at == s.len)
            break;
        uint32_t point;
        int len = text_utf8_decode((struct str){s.ptr + at, s.len - at}, &point);
        if (len < 0)
            buf_puts(buf, "\xef\xbf\xbd");
        else if (len == 1)
            put_escape(buf, (unsigned char)s.ptr[at]);
        else
            buf_add(buf, s.ptr + at, (size_t)len);
        at += (size_t)abs(len);
    }
    buf_putc(buf, '"');
}

void buf_json_key(struct buf *buf, const char *key)
{
    if (buf->len && !strchr("{[,:", buf->ptr[buf->len - 1]))
        buf_putc(buf, ',');
    buf_json_string(buf, str_from(key));
    buf_putc(buf, ':');
}

void buf_json_kstr(struct buf *buf, const char *key, struct str value)
{
    buf_json_key(buf, key);
    buf_json_string(buf, value);
}

static void put_uint(struct buf *buf, uint64_t value)
{
    char digits[20];
    size_t at = sizeof(digits);
    do
        digits[--at] = (char)('0' + value % 10);
    while ((value /= 10) > 0);
    buf_add(buf, digits + at, sizeof(digits) - at);
}

void buf_json_int(struct buf *buf, int64_t value)
{
    if (value < 0)
        buf_putc(buf, '-');
    put_uint(buf, value < 0 ? -(uint64_t)value : (uint64_t)value);
}

void buf_json_kint(struct buf *buf, const char *key, int64_t value)
{
    buf_json_key(buf, key);
    buf_json_int(buf, value);
}

void buf_json_kuint(struct buf *buf, const char *key, uint64_t value)
{
    buf_json_key(buf, key);
    put_uint(buf, value);
}

/* Most numbers have a few digits behind the point, and need none of what follows. False: this one does. */
static bool put_short(struct buf *buf, double value)
{
    double scaled = nearbyint(value * 10000);
    if (fabs(value) >= 1e6 || scaled / 10000 != value || (value == 0 && signbit(value)))
        return false;
    uint64_t whole = (uint64_t)fabs(scaled), part = whole % 10000;
    if (value < 0)
        buf_putc(buf, '-');
    put_uint(buf, whole / 10000);
    if (part == 0)
        return true;
    char digits[] = {'.', (char)('0' + part / 1000), (char)('0' + part / 100 % 10),
                     (char)('0' + part / 10 % 10), (char)('0' + part % 10)};
    size_t len = sizeof(digits);
    while (digits[len - 1] == '0')
        len--;
    buf_add(buf, digits, len);
    return true;
}

/* The shortest that reads back as the same number. */
void buf_json_double(struct buf *buf, double value)
{
    if (!isfinite(value)) {
        buf_puts(buf, "null");
        return;
    }
    if (put_short(buf, value))
        return;
    char text[40];
    for (int digits = 15; digits <= 17; digits++) {
        snprintf(text, sizeof(text), "%.*g", digits, value);
        if (strtod(text, NULL) == value)
            break;
    }
    buf_puts(buf, text);
}

void buf_json_kdouble(struct buf *buf, const char *key, double value)
{
    buf_json_key(buf, key);
    buf_json_double(buf, value);
}

void buf_json_kbool(struct buf *buf, const char *key, bool value)
{
    buf_json_key(buf, key);
    buf_puts(buf, value ? "true" : "false");
}

void buf_json_ktime(struct buf *buf, const char *key, int64_t ns)
{
    char text[32];
    buf_json_key(buf, key);
    buf_json_string(buf, (struct str){text, time_print(ns, text)});
}
