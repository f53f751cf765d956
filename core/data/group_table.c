#include "data/group_table.h"

#include <stdlib.h>

#include "base/err.h"

#define TABLE_FIRST 8

void group_table_free(struct group_table *table)
{
    free(table->slots);
    *table = (struct group_table){0};
}

void *group_table_find(const struct group_table *table, uint64_t hash,
                       bool (*same)(const void *item, const void *key), const void *key)
{
    if (!table->cap)
        return NULL;
    size_t mask = table->cap - 1;
    for (size_t i = hash & mask; table->slots[i].item; i = (i + 1) & mask) {
        if (table->slots[i].hash == hash && same(table->slots[i].item, key))
            return table->slots[i].item;
    }
    return NULL;
}

static void place(struct group_table *table, uint64_t hash, void *item)
{
    size_t mask = table->cap - 1, i = hash & mask;
    while (table->slots[i].item)
        i = (i + 1) & mask;
    table->slots[i] = (struct group_slot){hash, item};
}

static void resize(struct group_table *table, size_t cap)
{
    struct group_table old = *table;
    table->slots = mem_zalloc(cap, sizeof(*table->slots));
    table->cap = cap;
    for (size_t i = 0; i < old.cap; i++) {
        if (old.slots[i].item)
            place(table, old.slots[i].hash, old.slots[i].item);
    }
    free(old.slots);
}

void group_table_add(struct group_table *table, uint64_t hash, void *item)
{
    if ((table->count + 1) * 4 > table->cap * 3)
        resize(table, table->cap ? table->cap * 2 : TABLE_FIRST);
    place(table, hash, item);
    table->count++;
}

/* Items behind the hole that could not be found any more move into it: cheaper than tombstones, which would
 * make a table that lives for months ever slower. */
static void close_hole(struct group_table *table, size_t hole)
{
    size_t mask = table->cap - 1;
    for (size_t i = (hole + 1) & mask; table->slots[i].item; i = (i + 1) & mask) {
        size_t home = table->slots[i].hash & mask;
        if (((i - home) & mask) < ((i - hole) & mask))
            continue;
        table->slots[hole] = table->slots[i];
        hole = i;
    }
    table->slots[hole].item = NULL;
}

void group_table_remove(struct group_table *table, uint64_t hash, const void *item)
{
    size_t mask = table->cap - 1, i = hash & mask;
    while (table->slots[i].item != item) {
        INVARIANT(table->slots[i].item);
        i = (i + 1) & mask;
    }
    close_hole(table, i);
    table->count--;
    if (!table->count)
        group_table_free(table);
    else if (table->cap > TABLE_FIRST && table->count * 8 < table->cap)
        resize(table, table->cap / 2);
}

void *group_table_next(const struct group_table *table, size_t *at)
{
    while (*at < table->cap) {
        void *item = table->slots[(*at)++].item;
        if (item)
            return item;
    }
    return NULL;
}
