/* How an event finds the values of a slot: a small hash table of chains (first and last value). For
 * core/event alone; the holder of the event is the only writer until it is frozen. */
#ifndef LUNETTE_EVENT_EVENT_CHAIN_H
#define LUNETTE_EVENT_EVENT_CHAIN_H

#include "event/event.h"

struct event_chain {
    uint32_t first, last; /* index + 1 of a value; 0: free */
};

/* The chain of the slot, or the free place where it would go. */
static inline struct event_chain *event_chain_at(const struct event *event, uint32_t slot)
{
    uint32_t i = slot * UINT32_C(0x9e3779b1) >> event->chains_shift;
    for (;; i = (i + 1) & event->chains_mask) {
        struct event_chain *chain = &event->chains[i];
        if (!chain->first || event->values[chain->first - 1].slot == slot)
            return chain;
    }
}

/* Index + 1 of the slot's first value, or 0. */
static inline uint32_t event_chain_first(const struct event *event, uint32_t slot)
{
    return event_chain_at(event, slot)->first;
}

/* An event with room for `cap` values and an index for as many slots. */
struct event *event_chain_new(struct arena *arena, const struct fields *fields, uint32_t cap);
/* Room for as many values again. False beyond a million. */
bool event_chain_room(struct event *event, struct arena *arena);
/* Room for one more value; returns it, counted but in no chain. NULL beyond a million values. */
static inline struct event_value *event_chain_append(struct event *event, struct arena *arena)
{
    if (event->count == event->cap && !event_chain_room(event, arena))
        return NULL;
    return &event->values[event->count++];
}
/* Makes the table larger for the value `index`, whose slot has no chain yet, and puts it there. */
void event_chain_grow(struct event *event, struct arena *arena, uint32_t index);
/* Puts the value `index` at the end of its slot's chain. */
static inline void event_chain_link(struct event *event, struct arena *arena, uint32_t index)
{
    struct event_value *value = &event->values[index];
    value->next = 0;
    struct event_chain *chain = event_chain_at(event, value->slot);
    if (chain->first) {
        event->values[chain->last - 1].next = index + 1;
        chain->last = index + 1;
    } else if (event->chains_used * 2 <= event->chains_mask) {
        *chain = (struct event_chain){index + 1, index + 1};
        event->chains_used++;
    } else {
        event_chain_grow(event, arena, index);
    }
}

#endif
