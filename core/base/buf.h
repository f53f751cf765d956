/* A growing run of bytes: bodies, rows, frames. The holder owns it and calls buf_free. Not thread-safe. */
#ifndef LUNETTE_BASE_BUF_H
#define LUNETTE_BASE_BUF_H

#include <stdint.h>

#include "base/str.h"

struct buf {
    char *ptr; /* NUL-terminated once anything was added */
    size_t len, cap;
};

#define BUF_EMPTY ((struct buf){0})

void buf_free(struct buf *buf); /* leaves it empty and usable */
void buf_clear(struct buf *buf);
/* Room for `extra` more bytes (and a NUL); returns where they go. buf_grew(n) then takes n of them. */
char *buf_reserve(struct buf *buf, size_t extra);
void buf_grew(struct buf *buf, size_t n);
void buf_add(struct buf *buf, const void *bytes, size_t len);
void buf_puts(struct buf *buf, const char *text);
void buf_put(struct buf *buf, struct str s);
void buf_putc(struct buf *buf, char c);
void buf_printf(struct buf *buf, const char *format, ...) __attribute__((format(printf, 2, 3)));
static inline struct str buf_str(const struct buf *buf)
{
    return (struct str){buf->ptr, buf->len};
}

/* JSON output. Strings are escaped; bytes that are not UTF-8 become U+FFFD. */
void buf_json_string(struct buf *buf, struct str s); /* with its quotes */
void buf_json_int(struct buf *buf, int64_t value);
void buf_json_double(struct buf *buf, double value); /* shortest exact form; not finite: null */
/* `"key":` , with a comma before it unless the last byte is `{`, `[`, `,` or `:`. */
void buf_json_key(struct buf *buf, const char *key);
void buf_json_kstr(struct buf *buf, const char *key, struct str value);
void buf_json_kint(struct buf *buf, const char *key, int64_t value);
void buf_json_kuint(struct buf *buf, const char *key, uint64_t value);
void buf_json_kdouble(struct buf *buf, const char *key, double value); /* not finite: null */
void buf_json_kbool(struct buf *buf, const char *key, bool value);
void buf_json_ktime(struct buf *buf, const char *key, int64_t ns); /* RFC 3339 UTC, ms */

/* Binary records: little endian. The readers move *at forward and return false where bytes are missing. */
void buf_put_u8(struct buf *buf, uint8_t v);
void buf_put_u32(struct buf *buf, uint32_t v);
void buf_put_u64(struct buf *buf, uint64_t v);
void buf_put_lstr(struct buf *buf, struct str s); /* u32 length, bytes */
bool str_get_u8(struct str *at, uint8_t *v);
bool str_get_u32(struct str *at, uint32_t *v);
bool str_get_u64(struct str *at, uint64_t *v);
bool str_get_lstr(struct str *at, struct str *v); /* borrows */

#endif
