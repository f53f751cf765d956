#include <stdlib.h>

#include "net/ws_internal.h"

enum {
    SLOT_BYTES = 64,         /* what a message counts at least: bounds their number too */
    FRAME_BYTES = 16 * 1024, /* many messages in one frame are fifty times as fast as one each; beyond this
                                size there is nothing more to gain */
};

static size_t counted(size_t size)
{
    return size < SLOT_BYTES ? SLOT_BYTES : size;
}

void ws_ring_init(struct ws_ring *ring, size_t bytes)
{
    uint64_t slots = 16;
    while (slots < bytes / SLOT_BYTES + 1)
        slots *= 2;
    *ring = (struct ws_ring){.mask = slots - 1, .bytes_max = bytes};
    ring->slots = mem_zalloc(slots, sizeof *ring->slots);
}

static void drop_oldest(struct ws_ring *ring, const struct ws_hooks *hooks)
{
    struct ws_slot *slot = &ring->slots[ring->tail++ & ring->mask];
    ring->bytes -= counted(slot->size);
    if (hooks->drop)
        hooks->drop(slot->message, hooks->context);
}

/* The newest message is kept even where it is larger than the whole ring. */
void ws_ring_push(struct ws_ring *ring, void *message, size_t size, const struct ws_hooks *hooks)
{
    while (ring->tail < ring->head &&
           (ring->bytes + counted(size) > ring->bytes_max || ring->head - ring->tail > ring->mask))
        drop_oldest(ring, hooks);
    ring->slots[ring->head++ & ring->mask] = (struct ws_slot){message, size};
    ring->bytes += counted(size);
}

void ws_ring_free(struct ws_ring *ring, const struct ws_hooks *hooks)
{
    while (ring->tail < ring->head)
        drop_oldest(ring, hooks);
    free(ring->slots);
}

size_t ws_ring_copy(const struct ws_ring *ring, uint64_t from, uint64_t end, void **out, size_t max)
{
    size_t count = 0, bytes = 0;
    for (; from < end && count < max && bytes < FRAME_BYTES; from++) {
        const struct ws_slot *slot = &ring->slots[from & ring->mask];
        out[count++] = slot->message;
        bytes += slot->size;
    }
    return count;
}
