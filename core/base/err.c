#include "base/err.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int(err_vset)(struct err *err, enum err_code code, const char *format, va_list args)
{
    if (!err)
        return -1;
    err->code = code;
    err->where[0] = 0;
    /* Through a copy: an argument may point into err->message itself. */
    char text[sizeof(err->message)];
    vsnprintf(text, sizeof(text), format, args);
    memcpy(err->message, text, sizeof(text));
    return -1;
}

int(err_set)(struct err *err, enum err_code code, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    err_vset(err, code, format, args);
    va_end(args);
    return -1;
}

int(err_at)(struct err *err, const char *format, ...)
{
    if (!err || err->where[0])
        return -1;
    va_list args;
    va_start(args, format);
    vsnprintf(err->where, sizeof(err->where), format, args);
    va_end(args);
    return -1;
}

int(err_errno)(struct err *err, enum err_code code, int errnum, const char *format, ...)
{
    if (!err)
        return -1;
    va_list args;
    va_start(args, format);
    err_vset(err, code, format, args);
    va_end(args);
    char reason[128];
    size_t len = strlen(err->message);
    snprintf(err->message + len, sizeof(err->message) - len, ": %s",
             strerror_r(errnum, reason, sizeof(reason)));
    return -1;
}

const char *err_text(const struct err *err)
{
    static _Thread_local char text[sizeof(err->message) + sizeof(err->where) + 4];
    if (err->where[0])
        snprintf(text, sizeof(text), "%s: %s", err->where, err->message);
    else
        snprintf(text, sizeof(text), "%s", err->message);
    return text;
}

void die(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fputs("lunette: ", stderr);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
    abort();
}

void *mem_alloc(size_t size)
{
    void *ptr = malloc(size ? size : 1);
    if (!ptr)
        die("out of memory (%zu bytes)", size);
    return ptr;
}

void *mem_zalloc(size_t count, size_t size)
{
    void *ptr = calloc(count ? count : 1, size ? size : 1);
    if (!ptr)
        die("out of memory (%zu times %zu bytes)", count, size);
    return ptr;
}

void *mem_realloc(void *ptr, size_t size)
{
    void *grown = realloc(ptr, size ? size : 1);
    if (!grown)
        die("out of memory (%zu bytes)", size);
    return grown;
}

char *mem_dup(const void *bytes, size_t len)
{
    char *copy = mem_alloc(len + 1);
    if (len)
        memcpy(copy, bytes, len);
    copy[len] = 0;
    return copy;
}
