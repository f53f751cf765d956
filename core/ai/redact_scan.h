/* The scanners behind redact.c: each looks at one place of a text and says what stands there. All are pure,
 * look at a bounded number of bytes from that place, and never read outside the text. */
#ifndef LUNETTE_AI_REDACT_SCAN_H
#define LUNETTE_AI_REDACT_SCAN_H

#include "ai/redact.h"

struct hit {
    size_t from, to; /* what goes */
    enum redact_kind kind;
    const char *label; /* of a secret: [SECRET:label] */
};

struct scan {
    struct str text;
    size_t begin;    /* nothing before it may be part of a hit: it was replaced already */
    size_t cookie;   /* where a list of cookies goes on; 0: nowhere */
    unsigned tool;   /* redact_command.c: whose options follow, 0 nobody's */
    unsigned words;  /* since the tool */
    bool value_next; /* the next word is a secret of the tool */
    unsigned net;    /* net user, net use: how far */
};

/* redact_secret.c: by shape */
bool scan_private_key(const struct scan *scan, size_t at, struct hit *hit);
bool scan_token(const struct scan *scan, size_t at, struct hit *hit);
bool scan_jwt(const struct scan *scan, size_t at, struct hit *hit);
bool scan_url_password(const struct scan *scan, size_t at, struct hit *hit); /* at the ':' of "://" */
bool scan_webhook(const struct scan *scan, size_t at, struct hit *hit);

/* redact_named.c: by name */
bool scan_named(const struct scan *scan, size_t at, struct hit *hit);
bool scan_scheme(const struct scan *scan, size_t at, struct hit *hit); /* Bearer …, Basic … */
bool redact_name_is_secret(struct str name, const char **label);

/* redact_command.c: by command */
bool scan_command(struct scan *scan, size_t at, struct hit *hit);

/* redact_personal.c */
bool scan_card(const struct scan *scan, size_t at, struct hit *hit);
bool scan_iban(const struct scan *scan, size_t at, struct hit *hit);
bool scan_email(const struct scan *scan, size_t at, struct hit *hit); /* at the '@' */
bool scan_phone(const struct scan *scan, size_t at, struct hit *hit);
bool scan_ssn(const struct scan *scan, size_t at, struct hit *hit);
bool scan_full_name(const struct scan *scan, size_t at, struct hit *hit);

/* ---- characters ---- */

static inline bool scan_is_digit(char c)
{
    return c >= '0' && c <= '9';
}
static inline bool scan_is_upper(char c)
{
    return c >= 'A' && c <= 'Z';
}
static inline bool scan_is_lower(char c)
{
    return c >= 'a' && c <= 'z';
}
static inline bool scan_is_alnum(char c)
{
    return scan_is_digit(c) || scan_is_upper(c) || scan_is_lower(c);
}
static inline bool scan_is_hex(char c)
{
    return scan_is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}
static inline bool scan_is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}
static inline bool scan_is_name(char c) /* of an identifier, an option, a dotted path */
{
    return scan_is_alnum(c) || c == '_' || c == '-' || c == '.';
}
static inline char scan_lower(char c)
{
    return scan_is_upper(c) ? (char)(c + 32) : c;
}
/* The byte there; NUL outside. */
static inline char scan_at(const struct scan *scan, size_t at)
{
    return at < scan->text.len ? scan->text.ptr[at] : '\0';
}
static inline char scan_before(const struct scan *scan, size_t at)
{
    return at > scan->begin ? scan->text.ptr[at - 1] : '\0';
}
static inline struct str scan_slice(const struct scan *scan, size_t from, size_t to)
{
    return (struct str){scan->text.ptr + from, to - from};
}
static inline bool scan_equal_lower(struct str text, const char *lower)
{
    size_t len = strlen(lower);
    if (text.len != len)
        return false;
    for (size_t i = 0; i < len; i++)
        if (scan_lower(text.ptr[i]) != lower[i])
            return false;
    return true;
}

#endif
