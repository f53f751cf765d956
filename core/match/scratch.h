/* What one thread needs to run a matcher: the event's values by field, what is known of its predicates, and
 * the rules woken. Everything is stamped with the epoch of its event, so that nothing is cleared between
 * events. */
#ifndef LUNETTE_MATCH_SCRATCH_H
#define LUNETTE_MATCH_SCRATCH_H

#include "match/matcher.h"

struct match_scratch {
    const struct matcher *matcher;
    uint32_t epoch;
    size_t class;
    struct judge judge;

    struct subject *subjects; /* one per value of a field that some rule reads */
    size_t subject_cap;
    struct slot_state {
        uint32_t epoch;
        struct subject *first, *last;
    } * slots;
    uint32_t *touched; /* slots of this event, in document order */
    size_t touched_count;

    uint32_t *memo;       /* per predicate: epoch << 2 | verdict */
    uint32_t *woken;      /* per predicate: epoch in which it woke its rules */
    uint32_t *visits;     /* see gram_scan */
    uint32_t *rule_epoch; /* per rule: woken in that epoch */
    uint32_t *candidates;
    size_t candidate_count;
    uint64_t *matched; /* a bit per rule */
    uint32_t *result;
    uint64_t events, candidates_seen;
    uint64_t budget, regex_budget; /* for each event */
};

static inline struct subject *scratch_first(const struct match_scratch *scratch, uint32_t slot)
{
    const struct slot_state *state = &scratch->slots[slot];
    return state->epoch == scratch->epoch ? state->first : NULL;
}

/* Takes the event's values in and forgets the last event. */
void scratch_begin(struct match_scratch *scratch, const struct event *event);
/* Judged once per event. */
enum verdict scratch_judge(struct match_scratch *scratch, uint32_t predicate);
void scratch_wake(struct match_scratch *scratch, uint32_t rule);

#endif
