/* The compiled form: shared predicates, one program per rule, routes, and the index. Immutable once made; any
 * thread reads it. All of it lives in one arena, but for what predicates hold themselves. */
#ifndef LUNETTE_MATCH_MATCHER_H
#define LUNETTE_MATCH_MATCHER_H

#include "match/index.h"
#include "match/match.h"
#include "match/predicate.h"

#define MATCH_RULES_MAX 10000
#define MATCH_DEPTH_MAX 64 /* of a rule's tree */

/* A rule as it was written, for the slow evaluator and for explaining. */
struct tree {
    enum match_kind kind;
    uint32_t predicate;        /* MATCH_FIELD */
    struct tree *first, *next; /* children; the next sibling */
};

/* A program is prefix code, one word an operation: two bits of kind; a predicate's index, or for the others
 * where the children end, as an offset from the word itself. */
enum code_kind { CODE_PREDICATE, CODE_ALL, CODE_ANY, CODE_NONE };
static inline enum code_kind code_kind(uint32_t word)
{
    return (enum code_kind)(word & 3);
}

struct matcher {
    struct arena *arena;
    const struct fields *fields;
    size_t rule_count, predicate_count, slot_count;
    struct predicate *predicates;
    struct tree **trees;  /* per rule */
    uint32_t *code;       /* of all rules */
    uint32_t *code_start; /* per rule */
    struct str *ids;      /* per rule */

    /* Sources with one route share a class; the last class is for events of no source: any rule. */
    uint32_t *source_class;
    size_t source_count, class_count;
    uint64_t *class_rules; /* class_count rows of rule_words words, a bit per rule */
    size_t rule_words;
    uint32_t **class_always; /* per class: rules that every event wakes */
    uint32_t *class_always_count;
    bool *always; /* per rule: no witness, or none but a field that must be there */

    struct index index;
};

static inline size_t matcher_class(const struct matcher *matcher, uint32_t source)
{
    return source < matcher->source_count ? matcher->source_class[source] : matcher->class_count - 1;
}

static inline bool matcher_routes(const struct matcher *matcher, size_t class, uint32_t rule)
{
    return matcher->class_rules[class * matcher->rule_words + rule / 64] >> (rule % 64) & 1;
}

/* Bits of the slot masks: classes beyond 63 share the last. */
static inline uint64_t class_bit(size_t class)
{
    return UINT64_C(1) << (class < 63 ? class : 63);
}

#endif
