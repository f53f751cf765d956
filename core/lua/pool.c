#include "lua/pool.h"

#include <stdalign.h>
#include <stdint.h>
#include <stdlib.h>

#include "base/err.h"

/* The head of a slab. The slab is aligned to its size, so a block finds it by its own address. */
struct pool_slab {
    alignas(16) struct pool_slab *next; /* of those with room */
    struct pool_slab **link;            /* what points here */
    struct pool_slab **open;            /* the list of its size */
    void *free;                         /* blocks that came back, each points to the next */
    char *fresh;                        /* the blocks from here on have never been taken */
    uint32_t size;                      /* of a block */
    uint32_t used, most;                /* blocks */
};

static void slab_link(struct pool_slab **at, struct pool_slab *slab)
{
    slab->next = *at;
    slab->link = at;
    if (slab->next)
        slab->next->link = &slab->next;
    *at = slab;
}

static void slab_unlink(struct pool_slab *slab)
{
    *slab->link = slab->next;
    if (slab->next)
        slab->next->link = slab->link;
}

/* The heap puts 16 bytes before what it gives. With that much left out, one slab fits right behind another;
 * a round size would leave a hole of a slab between two of them. */
static struct pool_slab *slab_new(struct pool *pool)
{
    void *slab = pool->spare;

    if (slab) {
        pool->spare = pool->spare->next;
        pool->spares--;
        return slab;
    }
    if (posix_memalign(&slab, POOL_SLAB, POOL_SLAB - 16) != 0)
        die("out of memory (%zu bytes)", POOL_SLAB);
    pool->held += POOL_SLAB;
    return slab;
}

static void slab_free(struct pool *pool, struct pool_slab *slab)
{
    pool->held -= POOL_SLAB;
    free(slab);
}

static struct pool_slab *slab_open(struct pool *pool, struct pool_slab **open)
{
    struct pool_slab *slab = slab_new(pool);

    slab->open = open;
    slab->free = NULL;
    slab->fresh = (char *)(slab + 1);
    slab->size = (uint32_t)(open - pool->open + 1) * 16;
    slab->used = 0;
    slab->most = (uint32_t)(POOL_SLAB - 16 - sizeof *slab) / slab->size;
    slab_link(open, slab);
    return slab;
}

static void slab_retire(struct pool *pool, struct pool_slab *slab)
{
    slab_unlink(slab);
    if (pool->spares == POOL_SPARE) {
        slab_free(pool, slab);
        return;
    }
    slab->next = pool->spare;
    pool->spare = slab;
    pool->spares++;
}

void *pool_take(struct pool *pool, size_t size)
{
    struct pool_slab **open = &pool->open[(size - 1) / 16];
    struct pool_slab *slab = *open ? *open : slab_open(pool, open);
    void *block = slab->free;

    if (block) {
        slab->free = *(void **)block;
    } else {
        block = slab->fresh;
        slab->fresh += slab->size;
    }
    if (++slab->used == slab->most)
        slab_unlink(slab);
    return block;
}

void pool_give(struct pool *pool, void *block)
{
    struct pool_slab *slab = (struct pool_slab *)((uintptr_t)block & ~(POOL_SLAB - 1));

    *(void **)block = slab->free;
    slab->free = block;
    /* Behind the first one: else a slab with a single free block would come and go with that block. */
    if (slab->used-- == slab->most)
        slab_link(*slab->open ? &(*slab->open)->next : slab->open, slab);
    if (slab->used == 0 && (slab->next || slab->link != slab->open))
        slab_retire(pool, slab);
}

void pool_close(struct pool *pool)
{
    for (size_t i = 0; i < POOL_BLOCK_MAX / 16; i++) {
        if (!pool->open[i])
            continue;
        INVARIANT(pool->open[i]->used == 0);
        slab_retire(pool, pool->open[i]);
    }
    for (struct pool_slab *slab = pool->spare, *next; slab; slab = next) {
        next = slab->next;
        slab_free(pool, slab);
    }
    INVARIANT(pool->held == 0);
    *pool = (struct pool){0};
}
