/* The inside of the followup: followup.c (what is stored, queued and handed out), followup_claim.c (what is
 * taken up) and followup_apply.c (what comes back). Writer thread. */
#ifndef LUNETTE_PIPELINE_FOLLOWUP_IMPL_H
#define LUNETTE_PIPELINE_FOLLOWUP_IMPL_H

#include <stdatomic.h>

#include "ai/breaker.h"
#include "ai/budget.h"
#include "ai/queue.h"
#include "base/map.h"
#include "base/metrics.h"
#include "pipeline/followup.h"
#include "pipeline/verdicts.h"

#define STAGES 2 /* of enum job_stage */

/* A message that could not be posted yet. */
struct mail_to {
    struct worker *worker;
    struct mail *mail;
};

struct followup {
    struct writer *writer;
    struct store *store;
    const struct clock *clock;
    struct ai_settings settings;
    bool has_model;
    struct worker **workers;
    _Atomic unsigned worker_count; /* 0: nothing can be handed out */
    atomic_bool closed;
    unsigned turn; /* which worker is next */

    size_t capacity;
    int64_t every_ns; /* looks and timers: no more often */
    struct ai_queue *queues[STAGES];
    bool overflow[STAGES]; /* the store has jobs that found no room in the queue */
    unsigned in_work[STAGES];
    struct map *busy;               /* threat ids in work -> this */
    VEC(struct store_job) deferred; /* until the other stage of their threat is done */
    struct breaker breaker;
    struct budget *budget;
    int64_t mean_tokens;  /* of an analysis by a model */
    int64_t held_until;   /* model jobs wait for a budget; 0: they do not */
    int64_t closed_until; /* all of them do, as far as is known */

    VEC(struct store_job) put;    /* in this transaction */
    VEC(struct errand *) claimed; /* in this transaction, to be handed out */
    struct map *approved;         /* in this transaction: ids of threats with an action to be tried -> this */
    struct verdict_news *news;    /* of this transaction */
    VEC(struct errand *) outgoing; /* what they follow from is stored */
    VEC(struct mail_to) unsent;    /* for a box that was full, in the order of each worker */

    struct map *again;  /* ids of threats to be looked at again -> this */
    struct map *trying; /* "threat action" of dry runs under way -> this */
    unsigned looking;   /* triages under way */
    int64_t looked_at, timers_at;

    _Atomic uint64_t queued[STAGES], working[STAGES], looks, done, failed, cached, retried, escalated;
    _Atomic int64_t eta_ns;
    _Atomic int breaker_state;
    _Atomic(const char *) last_error; /* a constant; NULL: the last analysis by a model was answered */
    atomic_bool over_budget;
};

/* ---- followup.c ---- */
int followup_put_job(struct followup *f, const struct store_job *job, struct err *err);
void followup_queue(struct followup *f, const struct store_job *job);
void followup_again(struct followup *f, const char *threat_id);
bool followup_wants_refill(const struct followup *f, enum job_stage stage);
void followup_refill(struct followup *f, enum job_stage stage);
struct store_job followup_job(const struct followup *f, const struct threat *threat, enum job_stage stage);
/* An integer in a member of a threat's extra. */
bool followup_number(struct str extra, const char *member, const char *key, int64_t *out);
/* The errand is over: its place is free. */
void followup_free_place(struct followup *f, const struct errand *errand);
/* Its job goes back to the queue, as it was before it was claimed. */
void followup_requeue(struct followup *f, const struct errand *errand);

/* ---- followup_claim.c ---- */
bool followup_timers_due(struct followup *f, int64_t mono);
int followup_escalate(struct followup *f, int64_t now, struct err *err);
bool followup_claims_due(struct followup *f, int64_t now, int64_t mono);
int followup_claim(struct followup *f, int64_t now, struct err *err);
/* Holds of the budgets what the errand may cost, or gives it back. */
void followup_reserve(struct followup *f, const struct errand *errand, bool hold);

/* ---- followup_apply.c ---- */
/* Sets what becomes of the errand when it comes back. */
void followup_expect(struct errand *errand);

#endif
