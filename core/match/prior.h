/* What the compiler guesses about events before it has seen one: which texts are common. A wrong guess costs
 * time, never an answer; the guess depends on the rules alone, so that one tree always gives one program. */
#ifndef LUNETTE_MATCH_PRIOR_H
#define LUNETTE_MATCH_PRIOR_H

#include "base/str.h"

struct prior; /* immutable */
struct prior *prior_new(void);
void prior_free(struct prior *prior);

/* 0 for a gram (2 or 4 folded bytes) of no known common text, else more. */
unsigned prior_gram(const struct prior *prior, const char *gram, size_t width);

enum prior_shape { PRIOR_EXACT, PRIOR_HEAD, PRIOR_TAIL, PRIOR_CONTAINS };
/* Share of a field's values, 0 to 1, that hold the folded literal in that way. */
double prior_share(const struct prior *prior, enum prior_shape shape, struct str literal);

#endif
