/* What one "path|modifier|…" with its literals says, checked but not compiled: what the loader's tree holds,
 * what the compiler reads, and what the slow evaluator (brute.c) judges by. Lives in the arena given. */
#ifndef LUNETTE_MATCH_SPEC_H
#define LUNETTE_MATCH_SPEC_H

#include "match/match.h"

enum spec_op {
    SPEC_EQUALS,
    SPEC_CONTAINS,
    SPEC_STARTSWITH,
    SPEC_ENDSWITH,
    SPEC_REGEX,
    SPEC_CIDR,
    SPEC_LT,
    SPEC_LTE,
    SPEC_GT,
    SPEC_GTE,
    SPEC_EXISTS,
};

struct spec_value {
    const char *ptr; /* a number's canonical text; "true", "false"; "" for null */
    uint32_t len;
    uint8_t type; /* enum literal_type */
    bool plain;   /* no wildcards: |literal, entries of lists, numbers, booleans */
};

static inline struct str spec_text(const struct spec_value *value)
{
    return (struct str){value->ptr, value->len};
}

struct spec {
    struct str key; /* as written */
    struct str path;
    uint32_t slot; /* FIELD_NONE until the path is interned */
    enum spec_op op;
    bool cased, every;
    unsigned regex_flags;
    const struct spec_value *values; /* any of them; none of SPEC_EXISTS's is more than one */
    size_t count;
};

/* Parses and checks. With |all, several specs (each with one value) come back, and all must hold: *count says
 * how many. NULL and err when anything is wrong (see match_field). */
struct spec *spec_parse(struct arena *arena, struct str key, const struct literal *values, size_t count,
                        size_t *specs, struct err *err);

#define SPEC_TEXT_MAX 65536 /* bytes of one literal, and of the text that is compared */

struct match_node {
    enum match_kind kind;
    struct match_node *first, *last, *next; /* children; the next sibling */
    const struct spec *spec;                /* MATCH_FIELD */
};

/* The canonical text of a number: integers and integral doubles without point or exponent, else the shortest
 * that gives the same double. */
struct str number_text(struct arena *arena, bool is_integer, int64_t i, double d);

#endif
