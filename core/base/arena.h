/* Memory that dies together: what belongs to one batch, one event, one ruleset or one request. Chunks grow,
 * nothing is freed alone. Not thread-safe; the owner of the arena is the owner of all it holds. */
#ifndef LUNETTE_BASE_ARENA_H
#define LUNETTE_BASE_ARENA_H

#include "base/str.h"

struct arena;

/* `chunk`: bytes of the first chunk (0: 4 KiB). */
struct arena *arena_new(size_t chunk);
void arena_free(struct arena *arena); /* NULL is fine */
/* Forgets everything and keeps the largest chunk for reuse. */
void arena_reset(struct arena *arena);
/* 8-byte aligned, not cleared; never NULL. */
void *arena_alloc(struct arena *arena, size_t size);
void *arena_zalloc(struct arena *arena, size_t size);
/* Copies and adds a NUL. */
struct str arena_dup(struct arena *arena, struct str s);
char *arena_printf(struct arena *arena, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Bytes held, chunks included. */
size_t arena_size(const struct arena *arena);

#endif
