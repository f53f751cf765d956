/* The ledger: every event and every (event, rule) pair is in exactly one place. Events: received = accepted +
 * rejected; accepted = judged + pending. Pairs: matched = filtered + unkeyed + late + repeated + waiting +
 * refused + raised + folded + suppressed. A batch carries a delta; the writer adds deltas in batch order and
 * stores the sums together with the batch number they stand at, so that they hold after a crash. Owner:
 * whoever holds the struct. */
#ifndef LUNETTE_PIPELINE_LEDGER_H
#define LUNETTE_PIPELINE_LEDGER_H

#include "base/map.h"
#include "rules/ruleset.h"

enum ledger_term {
    LEDGER_MATCHED,
    LEDGER_FILTERED,   /* `filter` said no */
    LEDGER_UNKEYED,    /* a group field is missing */
    LEDGER_LATE,       /* not after newest - window - late */
    LEDGER_REPEATED,   /* this event id is held already */
    LEDGER_WAITING,    /* in a window that has not fired for it */
    LEDGER_REFUSED,    /* `detect` said no */
    LEDGER_RAISED,     /* it is the anchor of a new threat */
    LEDGER_FOLDED,     /* it joined a threat */
    LEDGER_SUPPRESSED, /* as raised or folded, under an exception */
    LEDGER_TERMS
};
extern const char *const ledger_term_names[LEDGER_TERMS];

enum ledger_reject { REJECT_JSON, REJECT_TOO_LARGE, REJECT_JOURNAL, REJECT_REASONS };
extern const char *const ledger_reject_names[REJECT_REASONS]; /* "invalid" "too_large" "journal" */

struct ledger_counts {
    int64_t terms[LEDGER_TERMS];
};

/* What one batch adds. Rules are indexes of its ruleset; few per batch. */
struct ledger_delta {
    int64_t received, accepted, rejected[REJECT_REASONS];
    VEC(struct ledger_delta_rule {
        uint32_t rule;
        struct ledger_counts counts;
    })
    rules;
};
void ledger_count(struct ledger_delta *delta, uint32_t rule, enum ledger_term term, int64_t n);
void ledger_delta_merge(struct ledger_delta *into, const struct ledger_delta *from);
void ledger_delta_free(struct ledger_delta *delta);

struct ledger_line {
    char id[129];
    bool shadow;
    struct ledger_counts counts;
};
struct ledger {
    int64_t received, accepted, judged, rejected[REJECT_REASONS];
    struct map *lines; /* rule id, or "shadow:" id -> struct ledger_line */
};
void ledger_init(struct ledger *ledger);
void ledger_free(struct ledger *ledger);
/* `judged`: whether the batch is judged now (false: rejects of a batch that was not accepted). */
void ledger_add(struct ledger *ledger, const struct ledger_delta *delta, const struct ruleset *set,
                bool judged);
void ledger_copy(struct ledger *into, const struct ledger *from);
/* {"events":{…},"pairs":{…sums…},"shadow":{…},"rules":[…],"balanced":true}; pending is counted by the caller.
 */
void ledger_json(const struct ledger *ledger, int64_t pending, struct buf *out);
bool ledger_balanced(const struct ledger *ledger);
/* A rule's line; zeros when it has none. */
struct ledger_counts ledger_rule(struct ledger *ledger, const struct rule *rule);
/* "matched":N, … for an object that is open. */
void ledger_counts_json(const struct ledger_counts *counts, struct buf *out);
void ledger_pack(const struct ledger *ledger, struct buf *out);
int ledger_unpack(struct ledger *ledger, struct str packed, struct err *err);

#endif
