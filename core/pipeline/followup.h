/* What follows a commit: triage again of threats that changed, analyses, escalations, and dry runs of
 * approved actions. A part of the writer, on its thread: what must not be lost is stored in the transaction
 * of the change it follows from; workers do the work (errand.h), and what they bring back is applied in a
 * transaction of its own.
 *
 * Escalated is a threat, new or in progress, that nobody has judged when half of its plan's time has passed:
 * a verdict stops the timer or the threat is resolved, an assignee does not. */
#ifndef LUNETTE_PIPELINE_FOLLOWUP_H
#define LUNETTE_PIPELINE_FOLLOWUP_H

#include "pipeline/analyse.h"
#include "pipeline/plan.h"
#include "pipeline/writer.h"

struct followup;
struct worker;

/* Takes up what an earlier process left: its jobs, and what changed last and may not have been looked at.
 * `settings` NULL: no model. */
struct followup *followup_new(struct writer *writer, const struct ai_settings *settings, struct err *err);
void followup_free(struct followup *followup); /* NULL is fine */

/* ---- for the writer ---- */

/* In the transaction that stores the threat. -1: the store failed. */
int followup_store(struct followup *followup, const struct threat *threat, bool is_new, struct err *err);
/* Whether there is something to be done in a transaction now. */
bool followup_due(struct followup *followup, int64_t now_ns);
/* In a transaction: claims the jobs that can be handed out, takes the timers that are due. */
int followup_work(struct followup *followup, struct err *err);
/* After the transaction: hands out, or takes back. */
void followup_committed(struct followup *followup);
void followup_rolled_back(struct followup *followup);
/* No more errands: the workers end. */
void followup_close(struct followup *followup);

/* ---- for tasks, within run ---- */

/* An analyst's verdict went from `was` to what the threat says now. */
int followup_verdict(struct followup *followup, const struct threat *threat, enum threat_verdict was,
                     struct err *err);
/* The threat is to escalate, by its plan, reckoned from its beginning: also where that has passed already. */
int followup_set_timer(struct followup *followup, const struct threat *threat, struct err *err);
/* Analyse the threat anew. */
int followup_analyse(struct followup *followup, const struct threat *threat, struct err *err);
/* An action was approved: once that is stored, see what it would do. */
void followup_dry_run(struct followup *followup, const struct threat *threat);

/* ---- for the control thread ---- */

/* The workers are there: errands can be handed out from now on. */
void followup_open(struct followup *followup, struct worker **workers, unsigned count);

/* ---- any thread ---- */

struct followup_state {
    uint64_t queued_findings, queued_model; /* jobs that wait */
    uint64_t in_work, in_work_model;
    uint64_t looks; /* threats to be triaged again, or just being */
    int64_t eta_ns; /* until what waits for a model is done; -1 unknown */
    bool has_model;
    const char *breaker;    /* "closed", "open", "half_open" */
    const char *last_error; /* why the last analysis by a model failed; NULL when it did not */
    bool over_budget;
    uint64_t done, failed, cached, retried, escalated;
};
void followup_state(const struct followup *followup, struct followup_state *state);

#endif
