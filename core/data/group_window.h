/* The entries of one group, ordered by (time, id), and a cursor over them: the window of one entry, with what
 * is counted in it. At rest the cursor stands at the newest entry, so that arrivals in order cost amortised
 * O(1); a late arrival moves it back and forth over what lies between. Inner header of group.c and
 * group_state.c. One owner; no I/O, no clock. */
#ifndef LUNETTE_DATA_GROUP_WINDOW_H
#define LUNETTE_DATA_GROUP_WINDOW_H

#include <stdint.h>

#include "data/group.h"
#include "data/group_table.h"

enum window_flag {
    WINDOW_EXCEPTED = 1, /* an exception marked the entry */
    WINDOW_ACCEPTED = 2, /* fired for good */
    WINDOW_OFFERED = 4,  /* was a candidate before */
    WINDOW_UNSAVED = 8,  /* new or changed since the last save */
};

/* A distinct value, shared by the entries that hold it. */
struct window_value {
    uint64_t hash;
    uint32_t held;   /* entries that refer to it */
    uint32_t inside; /* of them within the cursor's window */
    uint64_t mark;   /* last window_values that met it */
    size_t len;
    char bytes[];
};

struct window_body {
    struct id128 id;
    uint32_t fields_len;
    char fields[];
};

struct window_slot {
    int64_t time_ns;
    struct window_body *body;
    struct window_value *value; /* NULL: none */
    uint32_t flags;
    uint32_t tag; /* hash of the id */
};

/* All zero is an empty window. */
struct window {
    struct window_slot *slots; /* entry i is slots[head + i] */
    uint32_t head, count, cap;
    uint32_t lo, end; /* the cursor covers the entries [lo, end) */
    uint32_t distinct, excepted;
    struct group_table ids; /* only while there are many entries */
    struct group_table values;
    size_t body_bytes;
};

/* What the window must know to move: borrowed by each call. */
struct window_shape {
    int64_t window_ns;
    bool distinct;
    const uint8_t *secret; /* 16 bytes, for hashes of ids and values */
};

static inline struct window_slot *window_at(const struct window *w, size_t index)
{
    return &w->slots[w->head + index];
}
/* a - b and a + b, held at the ends of time instead of wrapping. */
int64_t window_before(int64_t time_ns, int64_t duration_ns);
int64_t window_after(int64_t time_ns, int64_t duration_ns);

/* Frees the entries; leaves it empty and usable. */
void window_free(struct window *w);
size_t window_bytes(const struct window *w);
uint32_t window_tag(const struct window_shape *shape, const struct id128 *id);
bool window_holds(const struct window *w, uint32_t tag, const struct id128 *id);
/* The index where (time, id) is, or would be inserted. */
uint32_t window_position(const struct window *w, int64_t time_ns, const struct id128 *id);
/* Copies the entry in; it must not be held. `position` from window_position. */
void window_insert(struct window *w, const struct window_shape *shape, uint32_t position,
                   const struct group_entry *entry, uint32_t flags);
/* Bytes that window_insert will roughly need. */
size_t window_need(const struct group_entry *entry);
/* Drops the `n` oldest entries. */
void window_drop(struct window *w, uint32_t n);
/* Moves the cursor to the window of entry `index`: (its time - window, it]. */
void window_seek(struct window *w, const struct window_shape *shape, uint32_t index);
/* Events or different values under the cursor. */
static inline uint32_t window_number(const struct window *w, const struct window_shape *shape)
{
    return shape->distinct ? w->distinct : w->end - w->lo;
}
/* Different values among the entries [from, to], in order of first occurrence, at most `max`; borrowed.
 * `mark` is new on every call. */
size_t window_values(struct window *w, uint32_t from, uint32_t to, uint64_t mark, struct str *values,
                     size_t max);
void window_entry(const struct window_slot *slot, struct group_entry *entry); /* a view; borrowed */

#endif
