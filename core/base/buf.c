#include "base/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/err.h"

void buf_free(struct buf *buf)
{
    free(buf->ptr);
    *buf = BUF_EMPTY;
}

void buf_clear(struct buf *buf)
{
    buf->len = 0;
    if (buf->ptr)
        buf->ptr[0] = 0;
}

char *buf_reserve(struct buf *buf, size_t extra)
{
    if (buf->cap - buf->len <= extra) { /* one more for the NUL */
        if (extra >= SIZE_MAX / 4 - buf->len)
            die("out of memory (%zu bytes)", extra);
        size_t cap = buf->cap ? buf->cap * 2 : 64;
        if (cap <= buf->len + extra)
            cap = buf->len + extra + 1;
        buf->ptr = mem_realloc(buf->ptr, cap);
        buf->cap = cap;
        buf->ptr[buf->len] = 0;
    }
    return buf->ptr + buf->len;
}

void buf_grew(struct buf *buf, size_t n)
{
    INVARIANT(buf->cap - buf->len > n);
    buf->len += n;
    buf->ptr[buf->len] = 0;
}

void buf_add(struct buf *buf, const void *bytes, size_t len)
{
    char *to = buf_reserve(buf, len);
    if (len)
        memcpy(to, bytes, len);
    buf->len += len;
    buf->ptr[buf->len] = 0;
}

void buf_puts(struct buf *buf, const char *text)
{
    buf_add(buf, text, strlen(text));
}

void buf_put(struct buf *buf, struct str s)
{
    buf_add(buf, s.ptr, s.len);
}

void buf_putc(struct buf *buf, char c)
{
    char *to = buf_reserve(buf, 1);
    to[0] = c;
    to[1] = 0;
    buf->len++;
}

void buf_printf(struct buf *buf, const char *format, ...)
{
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int len = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (len < 0)
        die("bad format: %s", format);
    vsnprintf(buf_reserve(buf, (size_t)len), (size_t)len + 1, format, again);
    va_end(again);
    buf->len += (size_t)len;
}

void buf_put_u8(struct buf *buf, uint8_t v)
{
    buf_add(buf, &v, 1);
}

static void put_little(struct buf *buf, uint64_t v, size_t bytes)
{
    unsigned char out[8];
    for (size_t i = 0; i < bytes; i++)
        out[i] = (unsigned char)(v >> (8 * i));
    buf_add(buf, out, bytes);
}

void buf_put_u32(struct buf *buf, uint32_t v)
{
    put_little(buf, v, 4);
}

void buf_put_u64(struct buf *buf, uint64_t v)
{
    put_little(buf, v, 8);
}

void buf_put_lstr(struct buf *buf, struct str s)
{
    INVARIANT(s.len <= UINT32_MAX);
    buf_put_u32(buf, (uint32_t)s.len);
    buf_put(buf, s);
}

static bool get_little(struct str *at, size_t bytes, uint64_t *v)
{
    if (at->len < bytes)
        return false;
    uint64_t sum = 0;
    for (size_t i = 0; i < bytes; i++)
        sum |= (uint64_t)(unsigned char)at->ptr[i] << (8 * i);
    *v = sum;
    at->ptr += bytes;
    at->len -= bytes;
    return true;
}

bool str_get_u8(struct str *at, uint8_t *v)
{
    uint64_t wide;
    if (!get_little(at, 1, &wide))
        return false;
    *v = (uint8_t)wide;
    return true;
}

bool str_get_u32(struct str *at, uint32_t *v)
{
    uint64_t wide;
    if (!get_little(at, 4, &wide))
        return false;
    *v = (uint32_t)wide;
    return true;
}

bool str_get_u64(struct str *at, uint64_t *v)
{
    return get_little(at, 8, v);
}

bool str_get_lstr(struct str *at, struct str *v)
{
    struct str rest = *at;
    uint32_t len;
    if (!str_get_u32(&rest, &len) || rest.len < len)
        return false;
    *v = (struct str){rest.ptr, len};
    *at = (struct str){rest.ptr + len, rest.len - len};
    return true;
}
