#include "event/event.h"

#include "event/event_chain.h"

const struct event_limits event_limits_default = {256 << 10, 32, 1024, 120 * NS_PER_S};

#define VALUES_MOST (1u << 20)

static const char *const quality_names[QUALITY_COUNT] = {
    "number_out_of_range", "lone_surrogate", "invalid_utf8",   "time_in_future",    "time_missing",
    "time_invalid",        "not_converted",  "value_unmapped", "field_shadowed",    "fields_truncated",
    "fix_failed",          "match_limit",    "not_dissected",  "customer_replaced",
};

const char *event_quality_name(unsigned bit_index)
{
    return bit_index < QUALITY_COUNT ? quality_names[bit_index] : NULL;
}

/* At most half full, so that looking for an absent slot ends soon. */
static void chains_make(struct event *event, struct arena *arena, uint32_t slots)
{
    uint32_t bits = 4;
    while ((1u << bits) < slots * 2)
        bits++;
    event->chains = arena_zalloc(arena, sizeof(*event->chains) << bits);
    event->chains_mask = (1u << bits) - 1;
    event->chains_shift = 32 - bits;
    event->chains_used = 0;
}

struct event *event_chain_new(struct arena *arena, const struct fields *fields, uint32_t cap)
{
    struct event *event = arena_zalloc(arena, sizeof(*event));
    event->fields = fields;
    event->source = UINT32_MAX;
    event->cap = cap;
    event->values = arena_alloc(arena, cap * sizeof(*event->values));
    chains_make(event, arena, cap);
    return event;
}

struct event *event_make(struct arena *arena, const struct fields *fields, uint32_t cap)
{
    return event_chain_new(arena, fields, cap < 8 ? 8 : cap < VALUES_MOST ? cap : VALUES_MOST);
}

bool event_chain_room(struct event *event, struct arena *arena)
{
    if (event->cap >= VALUES_MOST)
        return false;
    struct event_value *old = event->values;
    event->cap = event->cap ? event->cap * 2 : 8;
    event->values = arena_alloc(arena, event->cap * sizeof(*old));
    memcpy(event->values, old, event->count * sizeof(*old));
    return true;
}

void event_chain_grow(struct event *event, struct arena *arena, uint32_t index)
{
    struct event_chain *old = event->chains;
    uint32_t old_mask = event->chains_mask;
    chains_make(event, arena, (old_mask + 1) & ~15u);
    for (uint32_t i = 0; i <= old_mask; i++) {
        if (!old[i].first)
            continue;
        *event_chain_at(event, event->values[old[i].first - 1].slot) = old[i];
        event->chains_used++;
    }
    *event_chain_at(event, event->values[index].slot) = (struct event_chain){index + 1, index + 1};
    event->chains_used++;
}

void event_put(struct event *event, struct arena *arena, uint32_t slot, const struct value *value)
{
    struct value copy = *value; /* *value may be one of the event's own, which move when they grow */
    struct event_value *added = event_chain_append(event, arena);
    if (!added)
        return;
    added->slot = slot;
    added->value = copy;
    event_chain_link(event, arena, event->count - 1);
}

/* A free place in the middle would hide what stands behind it: those entries move up. */
static void chain_close(struct event *event, uint32_t hole)
{
    for (uint32_t i = (hole + 1) & event->chains_mask; event->chains[i].first;
         i = (i + 1) & event->chains_mask) {
        uint32_t slot = event->values[event->chains[i].first - 1].slot;
        uint32_t home = slot * UINT32_C(0x9e3779b1) >> event->chains_shift;
        if (((i - home) & event->chains_mask) < ((i - hole) & event->chains_mask))
            continue;
        event->chains[hole] = event->chains[i];
        hole = i;
    }
    event->chains[hole] = (struct event_chain){0, 0};
}

void event_clear(struct event *event, uint32_t slot)
{
    struct event_chain *chain = event_chain_at(event, slot);
    uint32_t at = chain->first;
    if (!at)
        return;
    chain_close(event, (uint32_t)(chain - event->chains));
    event->chains_used--;
    while (at) {
        struct event_value *value = &event->values[at - 1];
        at = value->next;
        value->slot = FIELD_NONE;
    }
    event->gaps = true;
}

const struct event_value *event_first(const struct event *event, uint32_t slot)
{
    uint32_t first = event_chain_first(event, slot);
    return first ? &event->values[first - 1] : NULL;
}

struct str event_text(const struct event *event, uint32_t slot)
{
    const struct event_value *value = event_first(event, slot);
    return value ? value->value.text : STR("");
}

static void close_gaps(struct event *event, struct arena *arena)
{
    uint32_t kept = 0;
    if (!event->gaps)
        return;
    event->gaps = false;
    for (uint32_t i = 0; i < event->count; i++)
        if (event->values[i].slot != FIELD_NONE)
            event->values[kept++] = event->values[i];
    event->count = kept;
    event->chains_used = 0;
    memset(event->chains, 0, (event->chains_mask + 1) * sizeof(*event->chains));
    for (uint32_t i = 0; i < kept; i++)
        event_chain_link(event, arena, i);
}

void event_freeze(struct event *event, struct arena *arena)
{
    event_clear(event, FIELD_EVENT_QUALITY);
    for (uint32_t bits = event->quality & ((1u << QUALITY_COUNT) - 1); bits; bits &= bits - 1) {
        struct value word = value_string(str_from(quality_names[__builtin_ctz(bits)]));
        event_put(event, arena, FIELD_EVENT_QUALITY, &word);
    }
    close_gaps(event, arena);
}
