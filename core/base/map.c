#include "base/map.h"

#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>

#include "base/err.h"
#include "base/hash.h"
#include "base/id.h"

#define MAP_FIRST 16 /* slots; always a power of two, at most 3/4 full */

struct slot {
    char *key; /* NULL: free */
    size_t len;
    uint64_t hash;
    void *value;
};

struct map {
    struct slot *slots;
    size_t mask, count;
};

/* Keys may come from outside, so that nobody may choose which ones collide. */
static uint8_t seed[16];
static pthread_once_t seed_once = PTHREAD_ONCE_INIT;

static void seed_make(void)
{
    id_random(seed, sizeof(seed));
}

struct map *map_new(void)
{
    pthread_once(&seed_once, seed_make);
    struct map *map = mem_zalloc(1, sizeof(*map));
    map->slots = mem_zalloc(MAP_FIRST, sizeof(*map->slots));
    map->mask = MAP_FIRST - 1;
    return map;
}

void map_free(struct map *map, void (*drop)(void *value))
{
    if (!map)
        return;
    for (size_t i = 0; i <= map->mask; i++) {
        if (!map->slots[i].key)
            continue;
        if (drop)
            drop(map->slots[i].value);
        free(map->slots[i].key);
    }
    free(map->slots);
    free(map);
}

/* The slot that holds the key, or the free one where it would go. */
static struct slot *find(const struct map *map, struct str key, uint64_t hash)
{
    size_t i = hash & map->mask;
    for (;; i = (i + 1) & map->mask) {
        struct slot *slot = &map->slots[i];
        if (!slot->key)
            return slot;
        if (slot->hash == hash && str_equal((struct str){slot->key, slot->len}, key))
            return slot;
    }
}

static void grow(struct map *map)
{
    struct slot *old = map->slots;
    size_t old_mask = map->mask;
    map->mask = old_mask * 2 + 1;
    map->slots = mem_zalloc(map->mask + 1, sizeof(*map->slots));
    for (size_t i = 0; i <= old_mask; i++) {
        if (!old[i].key)
            continue;
        size_t at = old[i].hash & map->mask;
        while (map->slots[at].key)
            at = (at + 1) & map->mask;
        map->slots[at] = old[i];
    }
    free(old);
}

void *map_get(const struct map *map, struct str key)
{
    const struct slot *slot = find(map, key, hash_keyed(key, seed));
    return slot->key ? slot->value : NULL;
}

void *map_put(struct map *map, struct str key, void *value)
{
    uint64_t hash = hash_keyed(key, seed);
    struct slot *slot = find(map, key, hash);
    if (slot->key) {
        void *replaced = slot->value;
        slot->value = value;
        return replaced;
    }
    if ((map->count + 1) * 4 > (map->mask + 1) * 3) {
        grow(map);
        slot = find(map, key, hash);
    }
    *slot = (struct slot){mem_dup(key.ptr, key.len), key.len, hash, value};
    map->count++;
    return NULL;
}

/* Linear probing without tombstones: what stood behind the hole and would not be found over it moves up. */
static void close_hole(struct map *map, size_t hole)
{
    for (size_t i = (hole + 1) & map->mask; map->slots[i].key; i = (i + 1) & map->mask) {
        size_t home = map->slots[i].hash & map->mask;
        if (((i - home) & map->mask) < ((i - hole) & map->mask))
            continue;
        map->slots[hole] = map->slots[i];
        hole = i;
    }
    map->slots[hole] = (struct slot){0};
}

void *map_take(struct map *map, struct str key)
{
    struct slot *slot = find(map, key, hash_keyed(key, seed));
    if (!slot->key)
        return NULL;
    void *value = slot->value;
    free(slot->key);
    map->count--;
    close_hole(map, (size_t)(slot - map->slots));
    return value;
}

size_t map_count(const struct map *map)
{
    return map->count;
}

bool map_next(const struct map *map, size_t *at, struct str *key, void **value)
{
    for (; *at <= map->mask; ++*at) {
        const struct slot *slot = &map->slots[*at];
        if (!slot->key)
            continue;
        if (key)
            *key = (struct str){slot->key, slot->len};
        if (value)
            *value = slot->value;
        ++*at;
        return true;
    }
    return false;
}
