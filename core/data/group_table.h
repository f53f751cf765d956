/* A set of pointers found by hash: open addressing, linear probing, no tombstones. Whoever fills it hashes
 * with a secret (hash_keyed) where the input comes from outside. It owns its slots, never the items. One
 * owner; not thread-safe. */
#ifndef LUNETTE_DATA_GROUP_TABLE_H
#define LUNETTE_DATA_GROUP_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct group_slot {
    uint64_t hash;
    void *item; /* NULL: free */
};

/* All zero is an empty table. */
struct group_table {
    struct group_slot *slots;
    size_t cap; /* 0 or a power of two, at most 3/4 full */
    size_t count;
};

void group_table_free(struct group_table *table); /* leaves it empty and usable */
/* The item with this hash for which `same(item, key)` holds, or NULL. */
void *group_table_find(const struct group_table *table, uint64_t hash,
                       bool (*same)(const void *item, const void *key), const void *key);
/* The item is not in the table yet. */
void group_table_add(struct group_table *table, uint64_t hash, void *item);
/* The item is in the table. */
void group_table_remove(struct group_table *table, uint64_t hash, const void *item);
/* Visits all items in no order: start with *at = 0; NULL at the end. The table must not change meanwhile. */
void *group_table_next(const struct group_table *table, size_t *at);
static inline size_t group_table_bytes(const struct group_table *table)
{
    return table->cap * sizeof(*table->slots);
}

#endif
