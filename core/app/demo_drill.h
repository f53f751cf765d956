/* Drills: an attack made of events like any other of the demo, a history of similar ones, and what analysts
 * wrote of them. In some drills the notes want the attack taken for nothing:
 *
 *   note_poisoning_baseline  honest notes of several people at their desks, over days. Nothing is to be
 * found. note_poisoning_catch     one account writes nearly the same text a dozen times within minutes of the
 * last night. To be found. note_poisoning_bypass    the same wish in other words each time, by several
 * accounts, over two weeks and at any hour. Even seeds: some notes were written past the API, without
 * signature and record: to be found by that. Odd seeds: all through stolen accounts, as the API would store
 * them: may be missed, and the answer says so.
 *
 * Each drill is of a customer of its own, so that it does not make the demo's other threats suspicious. The
 * holder owns it; any thread. */
#ifndef LUNETTE_APP_DEMO_DRILL_H
#define LUNETTE_APP_DEMO_DRILL_H

#include "app/demo_notes.h"
#include "base/vec.h"

enum drill_kind { DRILL_BASELINE, DRILL_CATCH, DRILL_BYPASS, DRILL_KINDS };
extern const char *const drill_names[DRILL_KINDS]; /* as above */
/* ERR_NOT_FOUND names the choices. */
int drill_named(struct str name, enum drill_kind *kind, struct err *err);

#define DRILL_PLACES 8

struct drill_note {
    unsigned place;
    int64_t time_ns; /* 0: when it is stored */
    bool past_api;
    struct text author;
    char text[400];
};

struct drill {
    enum drill_kind kind;
    uint64_t seed;
    char customer[129];
    unsigned places;              /* attacks; the last is the one in question, the others are history */
    int64_t times[DRILL_PLACES];  /* when each of them ended, oldest first */
    struct buf events;            /* NDJSON of all of them */
    VEC(struct drill_note) notes; /* by place */
    const char *expected;         /* "nothing", "found", "may_be_missed" */
};
/* `customer`: of the token; "": one of its own. The same arguments give the same drill. */
struct drill *drill_new(enum drill_kind kind, uint64_t seed, int64_t now_ns, struct str customer);
void drill_free(struct drill *drill); /* NULL is fine */
/* The attack whose end is nearest to this time: which one a threat comes from. */
unsigned drill_place(const struct drill *drill, int64_t last_seen_ns);

#endif
