#include "base/arena.h"

#include <stdalign.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/err.h"

#define ARENA_CHUNK_FIRST 4096
#define ARENA_CHUNK_MOST  ((size_t)1 << 20) /* chunks double up to here; a larger piece gets its own size */

struct chunk {
    struct chunk *older;
    size_t size; /* bytes of data */
    alignas(8) char data[];
};

struct arena {
    struct chunk *newest;
    char *at, *end; /* free room in the newest chunk */
    size_t held;
    size_t next_size;
};

static void chunk_add(struct arena *arena, size_t least)
{
    size_t size = arena->next_size > least ? arena->next_size : least;
    if (size > SIZE_MAX - sizeof(struct chunk))
        die("out of memory (%zu bytes)", size);
    struct chunk *chunk = mem_alloc(sizeof(*chunk) + size);
    chunk->older = arena->newest;
    chunk->size = size;
    arena->newest = chunk;
    arena->at = chunk->data;
    arena->end = chunk->data + size;
    arena->held += sizeof(*chunk) + size;
    if (arena->next_size < ARENA_CHUNK_MOST)
        arena->next_size *= 2;
}

struct arena *arena_new(size_t chunk)
{
    struct arena *arena = mem_zalloc(1, sizeof(*arena));
    arena->next_size = chunk ? (chunk + 7) & ~(size_t)7 : ARENA_CHUNK_FIRST;
    return arena;
}

void arena_free(struct arena *arena)
{
    if (!arena)
        return;
    for (struct chunk *chunk = arena->newest, *older; chunk; chunk = older) {
        older = chunk->older;
        free(chunk);
    }
    free(arena);
}

void arena_reset(struct arena *arena)
{
    if (!arena->newest)
        return;
    struct chunk *largest = arena->newest;
    for (struct chunk *chunk = arena->newest; chunk; chunk = chunk->older)
        if (chunk->size > largest->size)
            largest = chunk;
    for (struct chunk *chunk = arena->newest, *older; chunk; chunk = older) {
        older = chunk->older;
        if (chunk != largest)
            free(chunk);
    }
    largest->older = NULL;
    arena->newest = largest;
    arena->at = largest->data;
    arena->end = largest->data + largest->size;
    arena->held = sizeof(*largest) + largest->size;
}

void *arena_alloc(struct arena *arena, size_t size)
{
    if (size > SIZE_MAX - 8)
        die("out of memory (%zu bytes)", size);
    size = (size + 7) & ~(size_t)7;
    if ((size_t)(arena->end - arena->at) < size || !arena->at)
        chunk_add(arena, size);
    void *piece = arena->at;
    arena->at += size;
    return piece;
}

void *arena_zalloc(struct arena *arena, size_t size)
{
    return memset(arena_alloc(arena, size), 0, size);
}

struct str arena_dup(struct arena *arena, struct str s)
{
    char *copy = arena_alloc(arena, s.len + 1);
    if (s.len)
        memcpy(copy, s.ptr, s.len);
    copy[s.len] = 0;
    return (struct str){copy, s.len};
}

char *arena_printf(struct arena *arena, const char *format, ...)
{
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int len = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (len < 0)
        die("bad format: %s", format);
    char *text = arena_alloc(arena, (size_t)len + 1);
    vsnprintf(text, (size_t)len + 1, format, again);
    va_end(again);
    return text;
}

size_t arena_size(const struct arena *arena)
{
    return sizeof(*arena) + arena->held;
}
