/* What went wrong, for a person. Actions return 0 or -1 and fill one of these; the caller owns it, usually on
 * its stack. `where` is a place the reader can go to (file:line, route, field). Any thread. */
#ifndef LUNETTE_BASE_ERR_H
#define LUNETTE_BASE_ERR_H

#include <stdarg.h>
#include <stddef.h>

enum err_code {
    ERR_NONE = 0,
    ERR_INVALID,   /* the input is wrong: HTTP 400/422, exit 3 or 2 */
    ERR_LIMIT,     /* the input is larger than a limit */
    ERR_NOT_FOUND, /* no such thing */
    ERR_CONFLICT,  /* it changed meanwhile, or exists already */
    ERR_DENIED,    /* not allowed */
    ERR_BUSY,      /* no room now; try again */
    ERR_TIMEOUT,   /* took too long */
    ERR_IO,        /* disk, network or library failure */
    ERR_CORRUPT,   /* stored bytes are not what was written */
    ERR_INTERNAL,  /* our own mistake */
};

struct err {
    enum err_code code;
    char message[512]; /* what was expected, what came */
    char where[256];   /* "" when there is no place */
};

/* Fills *err (NULL is allowed and ignored) and always returns -1, so that `return err_set(...)` reads well.
 */
int err_set(struct err *err, enum err_code code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
int err_vset(struct err *err, enum err_code code, const char *format, va_list args);
/* Names the place of an error that is already set; an earlier, more exact place is kept. Returns -1. */
int err_at(struct err *err, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Appends ": strerror(errnum)". Returns -1. */
int err_errno(struct err *err, enum err_code code, int errnum, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
/* "where: message", or "message". Returns a pointer into a thread-local buffer. */
const char *err_text(const struct err *err);

#ifdef __clang_analyzer__ /* it looks at one file at a time, so it must be told what they return */
static inline int err_is_minus_one(int result)
{
    (void)result;
    return -1;
}
#define err_set(...)   err_is_minus_one((err_set)(__VA_ARGS__))
#define err_vset(...)  err_is_minus_one((err_vset)(__VA_ARGS__))
#define err_at(...)    err_is_minus_one((err_at)(__VA_ARGS__))
#define err_errno(...) err_is_minus_one((err_errno)(__VA_ARGS__))
#endif

/* The one place where running out of memory ends the process. Never return NULL; size 0 gives a valid
 * pointer. */
void *mem_alloc(size_t size) __attribute__((malloc));
void *mem_zalloc(size_t count, size_t size) __attribute__((malloc));
void *mem_realloc(void *ptr, size_t size);
char *mem_dup(const void *bytes, size_t len); /* adds a NUL */
/* Prints the reason to stderr and aborts: for broken invariants only. */
void die(const char *format, ...) __attribute__((noreturn, format(printf, 1, 2)));
#define INVARIANT(condition)                                                                                 \
    ((condition) ? (void)0 : die("%s:%d: broken: %s", __FILE__, __LINE__, #condition))

#endif
