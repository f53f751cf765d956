#include "data/group_heap.h"

void group_heap_free(struct group_heap *heap)
{
    vec_free(&heap->items);
}

static bool goes_before(const struct group_rank *a, const struct group_rank *b)
{
    return a->far != b->far ? a->far > b->far : a->touch < b->touch;
}

static void put(struct group_heap *heap, size_t at, struct group_heap_item item)
{
    heap->items.items[at] = item;
    *item.place = (uint32_t)at;
}

/* Finds the place of `item`, beginning at the free index `at`. */
static void settle(struct group_heap *heap, size_t at, struct group_heap_item item)
{
    struct group_heap_item *items = heap->items.items;
    while (at > 0 && goes_before(&item.rank, &items[(at - 1) / 2].rank)) {
        put(heap, at, items[(at - 1) / 2]);
        at = (at - 1) / 2;
    }
    for (size_t child; (child = 2 * at + 1) < heap->items.count; at = child) {
        if (child + 1 < heap->items.count && goes_before(&items[child + 1].rank, &items[child].rank))
            child++;
        if (!goes_before(&items[child].rank, &item.rank))
            break;
        put(heap, at, items[child]);
    }
    put(heap, at, item);
}

void group_heap_add(struct group_heap *heap, struct group_rank rank, void *node, uint32_t *place)
{
    struct group_heap_item item = {rank, node, place};
    vec_push(&heap->items, item);
    settle(heap, heap->items.count - 1, item);
}

void group_heap_move(struct group_heap *heap, uint32_t place, struct group_rank rank)
{
    struct group_heap_item item = heap->items.items[place];
    item.rank = rank;
    settle(heap, place, item);
}

void group_heap_remove(struct group_heap *heap, uint32_t place)
{
    struct group_heap_item last = heap->items.items[--heap->items.count];
    if (place < heap->items.count)
        settle(heap, place, last);
}
