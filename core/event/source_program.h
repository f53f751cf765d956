/* The compiled form of a source map: a list of steps. For the source_*.c files of core/event alone. Immutable
 * once built. */
#ifndef LUNETTE_EVENT_SOURCE_PROGRAM_H
#define LUNETTE_EVENT_SOURCE_PROGRAM_H

#include "base/map.h"
#include "base/vec.h"
#include "event/event_chain.h"
#include "event/source_map.h"

#define SOURCE_FROM_MOST    16
#define SOURCE_DISSECT_MOST 32

enum source_step_kind { STEP_FIRST, STEP_JOIN, STEP_VALUES, STEP_CONST, STEP_DISSECT };

struct source_dissect_part {
    struct str before; /* the literal in front of the field */
    uint32_t slot;     /* FIELD_NONE: skipped */
};

struct source_step {
    uint8_t kind; /* enum source_step_kind */
    uint8_t as;   /* enum source_as */
    bool unread;  /* nobody wants what it makes */
    bool itself;  /* the path it maps is among those it reads: that is no shadowing */
    uint8_t from_count, part_count;
    uint32_t slot;
    uint32_t *from;                    /* slots */
    struct map *table;                 /* VALUES: text -> struct str * */
    struct value value;                /* CONST */
    struct source_dissect_part *parts; /* DISSECT */
    struct str tail;                   /* DISSECT: the literal behind the last field */
};

/* Which steps a record can need: those that read a slot it has. A record has values for few of the paths that
 * a source knows, so asking each step would mostly find nothing. Made when the map is settled. */
struct source_index {
    uint16_t *set_of; /* by slot: the set of steps that read it; 0: none */
    uint32_t slot_count;
    uint64_t *sets; /* `words` words each; set 0 holds the steps that read nothing */
    uint32_t words; /* 0: no index, each step is tried */
};

struct source_map {
    struct fields *fields;
    struct arena *arena;
    VEC(struct source_step) steps;
    VEC(uint32_t) mapped; /* slots */
    uint32_t *time_from;
    size_t time_from_count;
    enum time_format time_format;
    bool time_set, time_accept;
    struct source_index index;
};

#define SOURCE_INDEX_WORDS 32 /* most words of a set: 2,048 steps */

/* One value under an `as`. False, and *value untouched, when it does not fit. */
bool source_convert(enum source_as as, struct arena *arena, struct value *value);

#endif
