/* Triage: what the policies of rules/triage say of a threat, checked and put together. It asks nobody and
 * reads nothing but the threat, the lists and this thread's verdict counters. One per thread and ruleset; its
 * owner is the thread that made it.
 *
 * A second look may bring a background along: what others of the customer wrote and what left its machines.
 * What the manipulation policy finds with one stands until the next look with one. */
#ifndef LUNETTE_PIPELINE_TRIAGE_H
#define LUNETTE_PIPELINE_TRIAGE_H

#include "pipeline/verdicts.h"
#include "rules/policies.h"

struct triage;
struct triage_options {
    struct ruleset *set;            /* referenced */
    struct policy_health *health;   /* shared by the threads of this ruleset; borrowed; NULL: no suspension */
    struct watchdog_slot *watchdog; /* NULL: instruction budgets */
    const struct clock *clock;
    const struct verdicts *verdicts; /* this thread's; borrowed; NULL: none were given */
};
struct triage *triage_new(const struct triage_options *options, struct err *err);
void triage_free(struct triage *triage); /* NULL is fine */
void triage_idle(struct triage *triage);
struct policies *triage_policies(struct triage *triage); /* for dry runs of actions */

struct triage_result {
    enum severity severity; /* never below the threat's floor, nor below what an analysis raised it to */
    struct str extra;       /* for threat->extra: what was there, with triage's members replaced */
    int64_t sla_minutes;
    int64_t created_ns;           /* of the threat that was judged: its plan is due from there */
    struct str review;            /* why a person should look; "" : nothing here says so */
    const struct str *techniques; /* ids for threat->mitre */
    size_t technique_count;
};
/* Judges the threat as it stands: manipulation, false_positive, severity, mitre, response, timeline, in this
 * order; each sees what those before it said. `background`: members of a JSON object ("notes":…,"egress":…)
 * for the policies' context, or "". Never fails: a policy that does gives its default and a reason
 * for review. Everything in the result lives in `arena`. */
void triage_run(struct triage *triage, const struct threat *threat, struct str background,
                struct arena *arena, struct triage_result *result);
/* Takes the result over into the threat. */
void triage_apply(struct threat *threat, const struct triage_result *result);

#endif
