/* The compiler's shared state, from rules to a matcher. For compile.c and program.c alone. */
#ifndef LUNETTE_MATCH_COMPILE_H
#define LUNETTE_MATCH_COMPILE_H

#include "base/map.h"
#include "base/vec.h"
#include "match/matcher.h"
#include "match/prior.h"

struct compiler {
    struct matcher *matcher;
    struct prior *prior;
    struct map *known; /* digest of a spec -> index + 1 of its predicate */
    VEC(struct predicate) predicates;
    VEC(uint32_t) code;
    struct buf digest;              /* scratch of intern */
    uint32_t *uses;                 /* per predicate: rules that ask for it */
    uint32_t *used_by;              /* per predicate: the last rule counted, + 1 */
    struct witness_list *witnesses; /* per predicate */
    struct err *err;
};

/* The tree of one rule, its predicates interned. NULL: too deep, err is set. */
struct tree *compile_tree(struct compiler *c, const struct match_node *node, unsigned depth);
/* Appends the rule's program to c->code. */
void compile_program(struct compiler *c, const struct tree *tree);
/* Puts the rule into the lists of its witnesses. False: it has none. *weak: one of them is no more than "the
 * field is there". */
bool compile_witness(struct compiler *c, const struct tree *tree, uint32_t rule, bool *weak);

#endif
