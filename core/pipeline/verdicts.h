/* How analysts judged, counted by (customer, rule, entity); entity "" counts the rule as a whole. Triage
 * looks here instead of asking the store, so each thread has a copy of its own; the writer sends every change
 * to all of them. One owner thread. */
#ifndef LUNETTE_PIPELINE_VERDICTS_H
#define LUNETTE_PIPELINE_VERDICTS_H

#include "data/threat.h"

#define VERDICT_KEYS_MAX     100000
#define VERDICT_ENTITIES_MAX 16 /* of one threat that are counted */

struct verdict_counts {
    uint32_t of[VERDICT_COUNT]; /* by enum threat_verdict; VERDICT_NONE stays 0 */
};

struct verdicts;
/* `limit`: keys; what comes beyond is not counted here. */
struct verdicts *verdicts_new(size_t limit);
void verdicts_free(struct verdicts *verdicts); /* NULL is fine */
struct verdicts *verdicts_copy(const struct verdicts *verdicts);

struct verdict_step {
    struct str customer, rule_id, entity;
    enum threat_verdict verdict;
    int delta;
};
/* Adds to one counter; never below 0. */
void verdicts_add(struct verdicts *verdicts, const struct verdict_step *step);
/* All zero where nothing was counted. `verdicts` may be NULL. */
struct verdict_counts verdicts_of(const struct verdicts *verdicts, struct str customer, struct str rule_id,
                                  struct str entity);

/* An analyst changed their mind about a threat: the same steps for the store and for each copy. */
#define VERDICT_STEPS_MAX (2 * (1 + VERDICT_ENTITIES_MAX))
/* What `threat` going from `was` to `is` adds and takes; borrows from the threat. Returns how many. */
size_t verdict_steps(const struct threat *threat, enum threat_verdict was, enum threat_verdict is,
                     struct verdict_step steps[VERDICT_STEPS_MAX]);

#endif
