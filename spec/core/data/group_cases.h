/* The oracle of group tests: seeded cases and the answer of a batch that sees every event at once, ported
 * from the reference model behind docs/rules.md, "group". Slow and obvious on purpose; it shares no code with
 * the engine. Included by the tests of data/group and pipeline/book. */
#ifndef LUNETTE_SPEC_GROUP_CASES_H
#define LUNETTE_SPEC_GROUP_CASES_H

#include <stdint.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/hash.h"

#define CASE_EVENTS 64
#define CASE_KEYS   3
#define CASE_WINDOW (600 * NS_PER_S)
#define CASE_DEDUP  (3600 * NS_PER_S)
#define CASE_LATE   (30 * NS_PER_S)

struct case_event {
    int64_t time_ns, arrives_ns;
    struct id128 id;
    unsigned key;      /* its group: 0 .. keys - 1 */
    unsigned value;    /* of the distinct field; 0: none */
    bool excepted;     /* by an exception */
    bool fires;        /* the batch's answer: its condition holds, */
    uint32_t number;   /* events or values in its window, */
    bool all_excepted; /* every event of its window is marked */
};

struct group_case {
    struct case_event events[CASE_EVENTS]; /* in (time, id) order */
    size_t count;
    unsigned order[CASE_EVENTS]; /* indices in order of arrival, disorder below CASE_LATE */
    uint32_t threshold;
    bool distinct;
    unsigned keys;
};

struct case_threat {
    unsigned anchor; /* indices into events */
    unsigned members[CASE_EVENTS];
    size_t count;
};

static uint64_t case_random(uint64_t *state)
{
    uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

static uint64_t case_below(uint64_t *state, uint64_t limit)
{
    return case_random(state) % limit;
}

static int case_compare(const void *a, const void *b)
{
    const struct case_event *left = a, *right = b;
    if (left->time_ns != right->time_ns)
        return left->time_ns < right->time_ns ? -1 : 1;
    return id128_compare(&left->id, &right->id);
}

/* Fisher and Yates over 0 .. n - 1. */
static void case_shuffle(uint64_t *state, unsigned *items, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        items[i] = i;
    for (unsigned i = n; i > 1; i--) {
        unsigned k = (unsigned)case_below(state, i), kept = items[i - 1];
        items[i - 1] = items[k];
        items[k] = kept;
    }
}

static void case_arrivals(struct group_case *c, uint64_t *state)
{
    for (unsigned i = 0; i < c->count; i++) {
        c->events[i].arrives_ns = c->events[i].time_ns + (int64_t)case_below(state, CASE_LATE);
        unsigned at = i;
        for (; at > 0 && c->events[c->order[at - 1]].arrives_ns > c->events[i].arrives_ns; at--)
            c->order[at] = c->order[at - 1];
        c->order[at] = i;
    }
}

/* What the definition says of event i: over all events of its group up to it, by (time, id). */
static void case_judge(struct group_case *c, unsigned i)
{
    struct case_event *e = &c->events[i];
    uint32_t events = 0, values = 0, excepted = 0;
    uint64_t met = 0;
    for (unsigned k = 0; k <= i; k++) {
        const struct case_event *x = &c->events[k];
        if (x->key != e->key || x->time_ns <= e->time_ns - CASE_WINDOW)
            continue;
        events++;
        excepted += x->excepted;
        if (x->value && !(met >> x->value & 1))
            values++;
        if (x->value)
            met |= UINT64_C(1) << x->value;
    }
    e->number = c->distinct ? values : events;
    e->fires = e->number >= c->threshold;
    e->all_excepted = excepted == events;
}

/* Sparse and dense, exact times and whole seconds (as real logs have), ids in no order of time. */
__attribute__((unused)) static void case_make(struct group_case *c, uint64_t *state)
{
    static const int64_t spans[] = {700, 3000, 9000, 20000};
    int64_t span = spans[case_below(state, 4)];
    bool whole = case_below(state, 2);
    unsigned ids[1000];
    case_shuffle(state, ids, 1000);
    *c = (struct group_case){
        .count = 5 + case_below(state, 56),
        .threshold = 1 + (uint32_t)case_below(state, 6),
        .distinct = case_below(state, 2),
        .keys = 1 + (unsigned)case_below(state, CASE_KEYS),
    };
    for (size_t i = 0; i < c->count; i++) {
        struct case_event *e = &c->events[i];
        e->time_ns = (int64_t)case_below(state, (uint64_t)(span * NS_PER_S));
        if (whole)
            e->time_ns -= e->time_ns % NS_PER_S;
        e->id.bytes[0] = (uint8_t)(ids[i] >> 8);
        e->id.bytes[1] = (uint8_t)ids[i];
        e->key = (unsigned)case_below(state, c->keys);
        e->value = (unsigned)case_below(state, 8);
        e->excepted = case_below(state, 3) != 0;
    }
    qsort(c->events, c->count, sizeof(c->events[0]), case_compare);
    case_arrivals(c, state);
    for (unsigned i = 0; i < c->count; i++)
        case_judge(c, i);
}

/* The definition of threats: firings within CASE_DEDUP of an anchor fold into it. All groups of a case share
 * one dedup key. Returns how many; `threats` holds CASE_EVENTS. */
__attribute__((unused)) static size_t case_threats(const struct group_case *c, struct case_threat *threats)
{
    size_t n = 0;
    for (unsigned i = 0; i < c->count; i++) {
        if (!c->events[i].fires)
            continue;
        struct case_threat *last = n ? &threats[n - 1] : NULL;
        if (!last || c->events[i].time_ns >= c->events[last->anchor].time_ns + CASE_DEDUP) {
            last = &threats[n++];
            last->anchor = i;
            last->count = 0;
        }
        last->members[last->count++] = i;
    }
    return n;
}

#endif
