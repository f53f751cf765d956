/* A binary heap whose items know their place: which group goes first under pressure. On top stands the item
 * farthest from its threshold, among equals the one touched longest ago. One owner; not thread-safe. */
#ifndef LUNETTE_DATA_GROUP_HEAP_H
#define LUNETTE_DATA_GROUP_HEAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/vec.h"

struct group_rank {
    uint64_t far;   /* distance from the threshold, comparable between rules */
    uint64_t touch; /* when last touched: smaller is longer ago */
};

struct group_heap_item {
    struct group_rank rank;
    void *node;
    uint32_t *place; /* kept equal to the item's index */
};

/* All zero is an empty heap. */
struct group_heap {
    VEC(struct group_heap_item) items;
};

void group_heap_free(struct group_heap *heap);
void group_heap_add(struct group_heap *heap, struct group_rank rank, void *node, uint32_t *place);
void group_heap_move(struct group_heap *heap, uint32_t place, struct group_rank rank);
void group_heap_remove(struct group_heap *heap, uint32_t place);
/* NULL when empty; borrowed until the heap changes. */
static inline const struct group_heap_item *group_heap_top(const struct group_heap *heap)
{
    return heap->items.count ? &heap->items.items[0] : NULL;
}

#endif
