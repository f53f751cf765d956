/* One event: a flat bag of (field, value) pairs over one JSON object. Nested objects and dotted keys give the
 * same path; a path that occurs twice is a list in document order. Only interned fields are taken over; the
 * rest is found again in the text when somebody asks (event_lookup). An event and all it points to live in
 * its batch, in the arena or in the record's own text; after event_freeze nobody writes and any thread may
 * read while it holds the batch.
 */
#ifndef LUNETTE_EVENT_EVENT_H
#define LUNETTE_EVENT_EVENT_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/hash.h"
#include "event/fields.h"

enum value_type { VALUE_NULL, VALUE_BOOL, VALUE_INT, VALUE_UINT, VALUE_DOUBLE, VALUE_STRING };

struct value {
    uint8_t type;    /* enum value_type */
    struct str text; /* the string; a number's shortest decimal text; "true", "false"; "" for null. UTF-8 */
    union {
        int64_t i;
        uint64_t u; /* VALUE_UINT: only above INT64_MAX */
        double d;
        bool b;
    } as;
};

/* What had to be done to take the event in; a bit set, also listed as words in event.quality. */
enum event_quality {
    QUALITY_NUMBER = 1 << 0,       /* "number_out_of_range": kept as text */
    QUALITY_SURROGATE = 1 << 1,    /* "lone_surrogate" */
    QUALITY_UTF8 = 1 << 2,         /* "invalid_utf8" */
    QUALITY_TIME_FUTURE = 1 << 3,  /* "time_in_future": later than acceptance + 2 min; accept time used */
    QUALITY_TIME_MISSING = 1 << 4, /* "time_missing": accept time used */
    QUALITY_TIME_INVALID = 1 << 5, /* "time_invalid": the text is no time; accept time used */
    QUALITY_CONVERT = 1 << 6,      /* "not_converted": an `as` that did not fit; raw value kept */
    QUALITY_VALUES = 1 << 7,       /* "value_unmapped": `values` had no entry; raw value kept */
    QUALITY_SHADOWED = 1 << 8,     /* "field_shadowed": the record brought a path that the source maps */
    QUALITY_TRUNCATED = 1 << 9,    /* "fields_truncated": beyond 1,024 fields */
    QUALITY_FIX_FAILED = 1 << 10,  /* "fix_failed": the source's Lua failed on it */
    QUALITY_MATCH_LIMIT = 1 << 11, /* "match_limit": verification was cut off by its budget */
    QUALITY_DISSECT = 1 << 12,     /* "not_dissected" */
    QUALITY_CUSTOMER = 1 << 13,    /* "customer_replaced": its name was too long or held control characters */
    QUALITY_COUNT = 14
};
const char *event_quality_name(unsigned bit_index); /* NULL beyond the last */

struct event_value {
    uint32_t slot; /* FIELD_NONE: removed; only until the event is frozen */
    uint32_t next; /* index + 1 of the next value of the same slot; 0: last. Chains are in document order */
    struct value value;
};

struct source_map;
struct event {
    struct id128 id;     /* identity, see rules.md; set by the pipeline */
    int64_t time_ns;     /* event time after mapping and clamping */
    int64_t accepted_ns; /* when this process took it in */
    struct str customer; /* never empty once frozen */
    uint32_t source;     /* index into the ruleset's sources; UINT32_MAX: none */
    uint32_t position;   /* in its batch */
    uint32_t quality;    /* enum event_quality bits */
    uint32_t count;      /* values */
    uint32_t cap;
    struct event_value *values;
    struct event_chain *chains; /* slot -> first and last value; only event_first looks in here */
    uint32_t chains_mask, chains_shift, chains_used;
    const struct fields *fields;
    const struct source_map *map; /* that was applied, or NULL */
    bool fixed;                   /* its source's fix ran on it */
    bool gaps;                    /* values were cleared since it was frozen */
    struct str
        json; /* the record's own text; borrowed from the batch; may be empty (tests, stored members) */
};

struct event_limits {
    size_t size;       /* bytes of one record, 256 KiB */
    unsigned depth;    /* 32 */
    unsigned fields;   /* 1,024 leaf values */
    int64_t future_ns; /* 2 min */
};
extern const struct event_limits event_limits_default;

/* The parser: tape and scratch, one a thread. */
struct event_parser;
struct event_parser *event_parser_new(const struct event_limits *limits);
void event_parser_free(struct event_parser *parser);

/* Parses one JSON object into a new event in `arena`. `json` must be followed by JSON_TAPE_PADDING readable
 * bytes, and stay as it is as long as the event: values borrow from it. Sets values and quality; time, id,
 * customer and source are left for source_map_apply and the pipeline. Not an object, not JSON: ERR_INVALID.
 * Too long or deep: ERR_LIMIT. More fields than the limit: the rest is not interned, QUALITY_TRUNCATED. No
 * malloc in steady state beyond the arena. */
int event_parse(struct event_parser *parser, const struct fields *fields, struct str json,
                struct arena *arena, struct event **event, struct err *err);

/* An empty event to be filled by hand (stored members, tests). */
struct event *event_make(struct arena *arena, const struct fields *fields, uint32_t cap);
/* Appends a value to the slot's list. Text is borrowed. */
void event_put(struct event *event, struct arena *arena, uint32_t slot, const struct value *value);
/* Removes all values of the slot. */
void event_clear(struct event *event, uint32_t slot);

/* First value of the slot, or NULL; then the next of the list, or NULL. */
const struct event_value *event_first(const struct event *event, uint32_t slot);
static inline const struct event_value *event_next(const struct event *event, const struct event_value *value)
{
    return value->next ? &event->values[value->next - 1] : NULL;
}
/* First value's text, or "" . */
struct str event_text(const struct event *event, uint32_t slot);

/* Any path: interned ones from the event, others by walking the text again (slow; `parser` is the calling
 * thread's). Writes up to `max` values, returns how many there are; text is copied into `arena`. */
size_t event_lookup(const struct event *event, struct event_parser *parser, struct str path,
                    struct arena *arena, struct value *out, size_t max);

/* Announces several lookups on this event: its text is then read once for all of them. Ends with NULL or the
 * next event_parse of this parser; until then the event's text and map stay as they are, and the arena that
 * the lookups are given is neither reset nor freed. */
void event_parser_hold(struct event_parser *parser, const struct event *event);

/* Turns the quality bits into the values of event.quality (what a record brought under that name is dropped)
 * and closes the gaps that event_clear left. May be called again when a bit was added before publishing. */
void event_freeze(struct event *event, struct arena *arena);

/* Constructors of values. Text of numbers is made in the arena. */
struct value value_string(struct str text);
struct value value_int(struct arena *arena, int64_t i);
struct value value_uint(struct arena *arena, uint64_t u); /* VALUE_INT where it fits */
struct value value_double(struct arena *arena, double d);
struct value value_bool(bool b);
struct value value_null(void);
/* The number a value holds or spells (decimal, optional sign, fraction, exponent). Exact integers are given
 * in *i with *exact true. False when it is no number. */
bool value_number(const struct value *value, double *d, int64_t *i, bool *exact);

/* A packed copy of some slots: what a window entry keeps of an event. At most `max` bytes are appended: a
 * field that does not fit is left out whole, unless it is one text, which gets what the others leave (at
 * least 32 bytes, else nothing). The path names are not stored; unpacking needs the same slots in the same
 * order (at most 65,535). */
void event_pack(const struct event *event, const uint32_t *slots, size_t count, size_t max, struct buf *out);
/* Rebuilds an event (id, time and customer are the caller's). Values borrow from `packed`. */
struct event *event_unpack(struct str packed, const struct fields *fields, const uint32_t *slots,
                           size_t count, struct arena *arena, struct err *err);
/* JSON object of the given slots ({"path":value or [..]}); absent ones are left out. */
void event_json(const struct event *event, const uint32_t *slots, size_t count, struct buf *out);

#endif
