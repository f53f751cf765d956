#include "match/text_set.h"

#include <stdlib.h>

#include "base/hash.h"

#define LINEAR_MAX 6 /* up to here comparing all is faster than a hash */

struct text_set {
    enum text_side side;
    struct str *items;
    uint32_t count;
    uint32_t mask;     /* of slots */
    uint32_t *slots;   /* index + 1 of the item; 0: empty */
    uint32_t *lengths; /* distinct ones, ascending */
    uint32_t length_count;
};

static uint32_t hash_of(struct str s)
{
    return (uint32_t)hash_fast(s, 0);
}

static bool find(const struct text_set *set, struct str text)
{
    for (uint32_t at = hash_of(text) & set->mask;; at = (at + 1) & set->mask) {
        uint32_t index = set->slots[at];
        if (index == 0)
            return false;
        if (str_equal(set->items[index - 1], text))
            return true;
    }
}

static int compare_lengths(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

static void list_lengths(struct text_set *set, struct arena *arena)
{
    set->lengths = arena_alloc(arena, set->count * sizeof(uint32_t));
    for (uint32_t i = 0; i < set->count; i++)
        set->lengths[i] = (uint32_t)set->items[i].len;
    qsort(set->lengths, set->count, sizeof(uint32_t), compare_lengths);
    for (uint32_t i = 0; i < set->count; i++)
        if (i == 0 || set->lengths[i] != set->lengths[i - 1])
            set->lengths[set->length_count++] = set->lengths[i];
}

static void fill(struct text_set *set, struct arena *arena)
{
    uint32_t size = 16;
    while (size < set->count * 2)
        size *= 2;
    set->mask = size - 1;
    set->slots = arena_zalloc(arena, size * sizeof(uint32_t));
    for (uint32_t i = 0; i < set->count; i++) {
        uint32_t at = hash_of(set->items[i]) & set->mask;
        while (set->slots[at])
            at = (at + 1) & set->mask;
        set->slots[at] = i + 1;
    }
}

struct text_set *text_set_new(struct arena *arena, enum text_side side, const struct str *items, size_t count)
{
    struct text_set *set = arena_zalloc(arena, sizeof(*set));
    set->side = side;
    set->items = arena_alloc(arena, count * sizeof(*items));
    memcpy(set->items, items, count * sizeof(*items));
    set->count = (uint32_t)count;
    if (count <= LINEAR_MAX)
        return set;
    fill(set, arena);
    list_lengths(set, arena);
    return set;
}

static bool item_holds(const struct text_set *set, struct str item, struct str text)
{
    switch (set->side) {
    case TEXT_WHOLE:
        return str_equal(text, item);
    case TEXT_HEAD:
        return str_starts(text, item);
    case TEXT_TAIL:
        return str_ends(text, item);
    }
    return false;
}

static bool part_holds(const struct text_set *set, struct str text)
{
    for (uint32_t i = 0; i < set->length_count && set->lengths[i] <= text.len; i++) {
        size_t len = set->lengths[i];
        if (find(set, (struct str){set->side == TEXT_HEAD ? text.ptr : text.ptr + text.len - len, len}))
            return true;
    }
    return false;
}

bool text_set_holds(const struct text_set *set, struct str text)
{
    if (set->slots)
        return set->side == TEXT_WHOLE ? text.len <= set->lengths[set->length_count - 1] && find(set, text)
                                       : part_holds(set, text);
    for (uint32_t i = 0; i < set->count; i++)
        if (item_holds(set, set->items[i], text))
            return true;
    return false;
}

size_t text_set_count(const struct text_set *set)
{
    return set->count;
}

struct str text_set_item(const struct text_set *set, size_t index)
{
    return set->items[index];
}
