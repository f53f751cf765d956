/* The witness index: from the values of an event to the rules they may wake. Built once by the compiler;
 * lives in the matcher's arena. A witness is a predicate that must hold for its rule to hold; the rules of a
 * predicate are its postings. */
#ifndef LUNETTE_MATCH_INDEX_H
#define LUNETTE_MATCH_INDEX_H

#include "match/predicate.h"

/* How a predicate wakes its rules. */
enum wake {
    WAKE_NEVER,    /* it cannot be a witness: it may hold where its field is absent */
    WAKE_LITERALS, /* by its literals, in the tables */
    WAKE_DIRECT,   /* it is evaluated on every event that has the field */
    WAKE_PRESENT,  /* by the field being there; evaluating it would cost too much */
};
enum wake predicate_wake(const struct predicate *predicate);
/* Share of the events, guessed, that it wakes its rules for. */
double predicate_share(const struct prior *prior, const struct predicate *predicate);

/* Heads and tails are looked up by their first or last so many bytes: the widest that fits the literal. */
#define INDEX_WIDTHS 10
extern const uint16_t index_widths[INDEX_WIDTHS];

struct key_literal {
    const char *ptr;
    uint32_t len;
    uint32_t target; /* predicate << 1 | proves */
};
struct key_bucket {
    uint64_t hash;
    uint32_t first, count; /* of key_literals; count 0: free */
};

struct slot_index {
    uint64_t classes;                /* which classes have a rule with a witness here; 0: never looked at */
    uint32_t exact_max;              /* longest exact literal + 1; 0: none */
    uint16_t heads, tails;           /* bits: which widths occur */
    struct grams *grams;             /* NULL: none */
    uint32_t visits;                 /* where its buckets begin in the scratch */
    uint32_t direct, direct_count;   /* predicates in index.lists */
    uint32_t present, present_count; /* the same */
    uint32_t prefixes, prefix_count; /* network widths in index.lists: bits, + 256 for IPv4 */
};

struct index {
    struct slot_index *slots;
    uint64_t *used; /* a bit per slot: some predicate reads it */
    uint64_t *bloom;
    unsigned bloom_shift, key_shift;
    uint32_t key_mask;
    struct key_bucket *keys;
    struct key_literal *literals;
    uint32_t *lists;
    uint32_t *posting_start; /* per predicate, and one more */
    uint32_t *postings;
    size_t visit_count;
    size_t bytes;
};

enum key_kind { KEY_EXACT, KEY_HEAD, KEY_TAIL, KEY_NETWORK };
/* `detail`: index of the width, or network width. */
static inline uint64_t key_seed(enum key_kind kind, uint32_t slot, unsigned detail)
{
    return (uint64_t)slot << 16 | (uint64_t)detail << 4 | (uint64_t)kind;
}
static inline uint64_t bloom_bits(uint64_t hash)
{
    return UINT64_C(1) << (hash & 63) | UINT64_C(1) << (hash >> 6 & 63);
}

/* Which rules each predicate is a witness of: the compiler's choice. */
struct witness_list {
    uint32_t *rules;
    size_t count, cap;
};

struct matcher;
/* Fills matcher->index from the choice (one list per predicate). */
void index_build(struct matcher *matcher, const struct prior *prior, const struct witness_list *witnesses);

struct match_scratch;
/* Wakes every routed rule of which a witness may hold for the scratch's event. */
void index_probe(const struct matcher *matcher, struct match_scratch *scratch);

#endif
