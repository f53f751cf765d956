/* The trie behind fields.h: what the parser steps along, key by key. For core/event alone. Immutable once
 * frozen.
 */
#ifndef LUNETTE_EVENT_FIELDS_TRIE_H
#define LUNETTE_EVENT_FIELDS_TRIE_H

#include <stdbool.h>

#include "base/arena.h"
#include "base/vec.h"
#include "event/fields.h"

#define FIELDS_ROOT 0u

struct fields_node {
    uint32_t slot; /* FIELD_NONE: no path ends here */
    bool inner;    /* a longer path goes on from here */
};

struct fields_edge {
    struct str key; /* one segment */
    uint32_t parent, child;
};

/* One way to see the trie: every path, or only those that somebody reads (what the parser walks). */
struct fields_view {
    VEC(struct fields_node) nodes;
    uint32_t *tags; /* open addressing, at most 1/4 full: most keys of an event are unknown, and a miss should
                       end at the first look */
    uint32_t *edge_of;
    uint32_t mask;
};

struct fields {
    struct arena *arena; /* paths and keys, NUL behind each */
    VEC(struct str) paths;
    VEC(bool) wanted; /* by slot */
    VEC(struct fields_edge) edges;
    struct fields_view all, read; /* read: made when frozen */
    bool frozen;
};

static inline const struct fields_view *fields_seen(const struct fields *fields)
{
    return fields->frozen ? &fields->read : &fields->all;
}

static inline uint64_t fields_mix(uint64_t a, uint64_t b)
{
    __uint128_t product = (__uint128_t)a * b;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

/* Of the key's length and both ends only: whatever passes is compared exactly. */
static inline uint64_t fields_hash(uint32_t node, struct str key)
{
    uint64_t a = 0, b = 0;
    if (key.len >= 8) {
        memcpy(&a, key.ptr, 8);
        memcpy(&b, key.ptr + key.len - 8, 8);
    } else if (key.len >= 4) {
        memcpy(&a, key.ptr, 4);
        memcpy(&b, key.ptr + key.len - 4, 4);
    } else if (key.len) {
        a = (uint64_t)(unsigned char)key.ptr[0] << 8 | (unsigned char)key.ptr[key.len / 2];
        b = (unsigned char)key.ptr[key.len - 1];
    }
    uint64_t context = ((uint64_t)node << 32 | (uint32_t)key.len) * UINT64_C(0x9e3779b97f4a7c15);
    return fields_mix(a ^ context, b ^ UINT64_C(0xc2b2ae3d27d4eb4f));
}

/* The node behind one segment, or FIELD_NONE. */
static inline uint32_t fields_step(const struct fields *fields, const struct fields_view *view, uint32_t node,
                                   struct str key)
{
    uint64_t hash = fields_hash(node, key);
    uint32_t tag = (uint32_t)(hash >> 32) | 1;
    for (uint32_t i = (uint32_t)hash & view->mask; view->tags[i]; i = (i + 1) & view->mask) {
        if (view->tags[i] != tag)
            continue;
        const struct fields_edge *edge = &fields->edges.items[view->edge_of[i]];
        if (edge->parent == node && str_equal(edge->key, key))
            return edge->child;
    }
    return FIELD_NONE;
}

/* The same for a key that may be several segments: "a.b" in one. */
static inline uint32_t fields_descend(const struct fields *fields, const struct fields_view *view,
                                      uint32_t node, struct str key)
{
    uint32_t child = fields_step(fields, view, node, key);
    if (child != FIELD_NONE || !key.len)
        return child;
    for (const char *dot; (dot = memchr(key.ptr, '.', key.len));) {
        size_t len = (size_t)(dot - key.ptr);
        node = fields_step(fields, view, node, (struct str){key.ptr, len});
        if (node == FIELD_NONE)
            return FIELD_NONE;
        key = (struct str){dot + 1, key.len - len - 1};
        child = fields_step(fields, view, node, key);
        if (child != FIELD_NONE)
            return child;
    }
    return FIELD_NONE;
}

#endif
