/* The actions of a threat's response plan: found, decided by a person, and what a dry run said of them. They
 * live in threat->extra, member response_plan. Writer thread, within a task. */
#ifndef LUNETTE_PIPELINE_PLAN_H
#define LUNETTE_PIPELINE_PLAN_H

#include "data/threat.h"

struct plan_action {
    struct str id, type, target, status; /* "planned", "approved", "rejected" */
    struct str json;                     /* all of it */
};

struct plan_decision {
    bool approve;
    struct str by, reason; /* reason: "" none */
    int64_t at_ns;
};

/* Decides a planned action: its type, target and parameters stay as they are from here on. *action borrows
 * from the threat. ERR_NOT_FOUND: no such action; ERR_CONFLICT: it was decided already. */
int plan_decide(struct threat *threat, struct str action_id, const struct plan_decision *decision,
                struct plan_action *action, struct err *err);
/* Visits the approved actions of which no dry run has said anything yet; what it is given borrows from the
 * threat. */
void plan_each_untried(struct threat *threat, void (*visit)(const struct plan_action *action, void *arg),
                       void *arg);
/* Notes what the dry run of an approved action said: `outcome` a JSON object, or "" and why it failed. -1: it
 * is no longer there. */
int plan_note_outcome(struct threat *threat, struct str action_id, struct str outcome, const char *reason);

#endif
