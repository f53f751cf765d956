/* Finds which of many literals a text contains, in one pass whose time does not follow their number: a filter
 * of 4-byte grams, one gram a literal (the one that fewest others share), then the literal itself. Literals
 * of two and three bytes go by pairs. Immutable; lives in the arena; borrows the literals. Text and literals
 * are folded by the caller. */
#ifndef LUNETTE_MATCH_GRAMS_H
#define LUNETTE_MATCH_GRAMS_H

#include <stdint.h>

#include "base/arena.h"

#define GRAM_LITERAL_MIN 2 /* bytes */

struct gram_literal {
    struct str text;
    uint32_t target; /* the caller's */
    uint32_t offset; /* of its gram; set by grams_new */
};

struct grams;
struct prior;
/* `prior`: which grams texts often hold; NULL: unknown. */
struct grams *grams_new(struct arena *arena, const struct prior *prior, const struct gram_literal *literals,
                        size_t count);
/* Buckets of literals that share a gram: the size of gram_scan.visits. */
size_t grams_buckets(const struct grams *grams);
size_t grams_bytes(const struct grams *grams);

struct gram_scan {
    /* `proven`: the literal is there; else only its gram was seen too often to look each time. True: stop. */
    bool (*hit)(void *context, uint32_t target, bool proven);
    void *context;
    /* Per bucket, or NULL: what this epoch has seen of it, so that a text that repeats a gram costs no more
     * than VISITS looks at its bucket. Values of older epochs are overwritten. */
    uint32_t *visits;
    uint32_t epoch; /* below GRAM_EPOCH_MAX */
    uint64_t looks; /* counted: literals compared */
};
#define GRAM_EPOCH_MAX (UINT32_C(1) << 26)

/* True when a hit said stop. */
bool grams_scan(const struct grams *grams, struct gram_scan *scan, struct str text);

#endif
