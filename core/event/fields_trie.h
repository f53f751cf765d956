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

/* The first and last eight bytes of a key, or all of it and zeros: up to 16 bytes that is all of it. */
#define FIELDS_ENDS_ALL 16
struct fields_ends {
    uint64_t first, last;
};

struct fields_edge {
    struct str key; /* one segment */
    struct fields_ends ends;
    uint32_t parent, child;
};

/* One way to see the trie: every path, or only those that somebody reads (what the parser walks). */
struct fields_view {
    VEC(struct fields_node) nodes;
    uint64_t *places; /* tag in the upper half, edge in the lower; 0: free. Open addressing, at most 1/4 full:
                         most keys of an event are unknown, and a miss should end at the first look */
    uint32_t mask;
};

struct fields {
    struct arena *arena; /* paths and keys, NUL behind each */
    VEC(struct str) paths;
    VEC(bool) wanted; /* by slot */
    VEC(struct fields_edge) edges;
    struct fields_view all, read; /* read: made when frozen */
    uint32_t *by_path;            /* made when frozen: slot + 1 by the hash of its path, at most half full */
    uint32_t by_path_mask;
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

/* Of a key of one byte to FIELDS_ENDS_ALL that eight readable bytes follow: no branch depends on its length.
 */
static inline struct fields_ends fields_ends_padded(struct str key)
{
    struct fields_ends ends;
    size_t few = key.len < 8 ? key.len : 8;
    uint64_t kept = UINT64_MAX >> (64 - 8 * few);
    memcpy(&ends.first, key.ptr, 8);
    memcpy(&ends.last, key.ptr + key.len - few, 8);
    ends.first &= kept;
    ends.last &= kept;
    return ends;
}

/* Of the key's length and both ends only: whatever passes is compared exactly. */
static inline uint64_t fields_hash(uint32_t node, size_t len, struct fields_ends ends)
{
    uint64_t context = (node + UINT64_C(1)) * UINT64_C(0x9e3779b97f4a7c15) + len;
    return fields_mix(ends.first ^ context, ends.last ^ UINT64_C(0xc2b2ae3d27d4eb4f));
}

static inline bool fields_edge_is(const struct fields_edge *edge, uint32_t node, size_t len,
                                  struct fields_ends ends)
{
    return edge->parent == node && edge->key.len == len && edge->ends.first == ends.first &&
           edge->ends.last == ends.last;
}

static inline bool fields_word_has_dot(uint64_t word)
{
    const uint64_t ones = UINT64_C(0x0101010101010101);
    word ^= ones * '.';
    return (word - ones) & ~word & (ones << 7);
}

/* The node behind a key of one segment or several ("a.b" in one), or FIELD_NONE. */
uint32_t fields_descend(const struct fields *fields, const struct fields_view *view, uint32_t node,
                        struct str key);

/* The same, of a key that eight readable bytes follow. Most keys of an event are short, one segment and
 * unknown. */
static inline uint32_t fields_descend_padded(const struct fields *fields, const struct fields_view *view,
                                             uint32_t node, struct str key)
{
    if (key.len - 1 >= FIELDS_ENDS_ALL)
        return fields_descend(fields, view, node, key);
    struct fields_ends ends = fields_ends_padded(key);
    uint64_t hash = fields_hash(node, key.len, ends), place;
    for (uint32_t i = (uint32_t)hash & view->mask; (place = view->places[i]); i = (i + 1) & view->mask) {
        const struct fields_edge *edge = &fields->edges.items[(uint32_t)place];
        if (place >> 32 == (hash >> 32 | 1) && fields_edge_is(edge, node, key.len, ends))
            return edge->child;
    }
    if (fields_word_has_dot(ends.first) || fields_word_has_dot(ends.last))
        return fields_descend(fields, view, node, key);
    return FIELD_NONE;
}

#endif
