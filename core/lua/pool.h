/* Small blocks of one Lua state: it asks for and gives back thousands in a millisecond, most of a few sizes,
 * and always says how large they were. Slabs of POOL_SLAB bytes are cut into blocks of one size each, sizes
 * are multiples of 16. A slab without blocks in use goes back to the heap, but for POOL_SPARE of them and the
 * last one of each size: this is what a pool keeps after a peak. Blocks are aligned to 16 bytes and not
 * cleared.
 *
 * A zeroed struct is an empty pool. Not thread-safe; its owner is the owner of the state. No pointer into it
 * is kept elsewhere, but it may not move. */
#ifndef LUNETTE_LUA_POOL_H
#define LUNETTE_LUA_POOL_H

#include <stddef.h>

#define POOL_BLOCK_MAX ((size_t)256)
#define POOL_SLAB      ((size_t)16 << 10)
#define POOL_SPARE     16

struct pool_slab;

struct pool {
    struct pool_slab *open[POOL_BLOCK_MAX / 16]; /* by size: those with room, the first one is being filled */
    struct pool_slab *spare;
    unsigned spares;
    size_t held; /* bytes of all slabs, in use or not */
};

/* A block of 1 to POOL_BLOCK_MAX bytes; never NULL. */
void *pool_take(struct pool *pool, size_t size) __attribute__((malloc));
void pool_give(struct pool *pool, void *block);
/* Do both sizes, of 1 byte and more, need the same kind of block? */
static inline int pool_same(size_t a, size_t b)
{
    return (a - 1) / 16 == (b - 1) / 16;
}
/* Frees the slabs. All blocks must have been given back. */
void pool_close(struct pool *pool);

#endif
