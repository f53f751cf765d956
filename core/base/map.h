/* A hash map from byte strings to pointers, open addressing. It copies keys, never values. Not thread-safe.
 */
#ifndef LUNETTE_BASE_MAP_H
#define LUNETTE_BASE_MAP_H

#include "base/str.h"

struct map;

struct map *map_new(void);
/* `drop` (may be NULL) is called on each value still held. */
void map_free(struct map *map, void (*drop)(void *value));
void *map_get(const struct map *map, struct str key); /* NULL when absent */
/* Returns the value it replaced, or NULL. */
void *map_put(struct map *map, struct str key, void *value);
void *map_take(struct map *map, struct str key); /* removes; returns the value or NULL */
size_t map_count(const struct map *map);
/* Visits all entries in no order: start with *at = 0; false at the end. The map must not change meanwhile. */
bool map_next(const struct map *map, size_t *at, struct str *key, void **value);

#endif
