/* A borrowed run of bytes: the string type that crosses every floor. It owns nothing and need not end in NUL;
 * who owns the bytes is said where a str is stored. Any thread. */
#ifndef LUNETTE_BASE_STR_H
#define LUNETTE_BASE_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

struct str {
    const char *ptr; /* may be NULL only when len is 0 */
    size_t len;      /* bytes */
};

#define STR(literal) ((struct str){(literal), sizeof(literal) - 1})
/* For printf("%.*s", STR_ARG(s)). */
#define STR_ARG(s) (int)(s).len, (s).ptr ? (s).ptr : ""

static inline struct str str_from(const char *text)
{
    return (struct str){text, text ? strlen(text) : 0};
}

static inline bool str_equal(struct str a, struct str b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

static inline bool str_is(struct str a, const char *text)
{
    return str_equal(a, str_from(text));
}

/* Bytewise order, shorter first among equals: < 0, 0, > 0. */
static inline int str_compare(struct str a, struct str b)
{
    size_t n = a.len < b.len ? a.len : b.len;
    int order = n ? memcmp(a.ptr, b.ptr, n) : 0;
    return order ? order : (a.len > b.len) - (a.len < b.len);
}

/* The next item of a list like "a,b", cut off its front; false when the list is empty. A comma that nothing
 * follows ends the list. */
static inline bool str_next(struct str *list, char separator, struct str *item)
{
    if (list->len == 0)
        return false;
    const char *end = (const char *)memchr(list->ptr, separator, list->len);
    size_t used = end ? (size_t)(end - list->ptr) + 1 : list->len;
    *item = (struct str){list->ptr, used - (end != NULL)};
    *list = (struct str){list->ptr + used, list->len - used};
    return true;
}

static inline bool str_starts(struct str s, struct str prefix)
{
    return s.len >= prefix.len && (prefix.len == 0 || memcmp(s.ptr, prefix.ptr, prefix.len) == 0);
}

static inline bool str_ends(struct str s, struct str suffix)
{
    return s.len >= suffix.len &&
           (suffix.len == 0 || memcmp(s.ptr + s.len - suffix.len, suffix.ptr, suffix.len) == 0);
}

#endif
