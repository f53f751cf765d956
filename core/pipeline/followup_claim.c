/* What the followup takes up within a transaction: jobs that can be handed out, timers that are due. */
#include "pipeline/followup_impl.h"

#define FINDINGS_AT_ONCE 64 /* analyses without a model, over all workers */
#define TIMERS_AT_ONCE   100
#define CLAIMS_AT_ONCE   128 /* a transaction */

/* ---- claims ---- */

/* The threat, or NULL: then 0 where it went, and its jobs with it. */
static struct threat *find(struct followup *f, const struct store_job *job, int *rc, struct err *err)
{
    struct err missing = {0};
    struct threat *threat = book_find(writer_book(f->writer), str_from(job->threat_id), &missing);
    *rc = threat || missing.code == ERR_NOT_FOUND ? 0 : -1;
    if (*rc)
        *err = missing;
    return threat;
}

/* 1: our own box has no room for what comes back; the job is in the queue again. */
static int claim(struct followup *f, const struct store_job *job, struct threat *threat, unsigned without,
                 struct err *err)
{
    struct err missing = {0};
    uint32_t number;
    struct errand *errand = errand_new(f->writer, ERRAND_ANALYSIS, threat);
    if (errand == NULL) {
        followup_queue(f, job);
        return 1;
    }
    if (store_claim_job(f->store, job->threat_id, job->stage, &number, &missing) != 0) {
        errand_drop(errand);
        if (missing.code == ERR_NOT_FOUND)
            return 0;
        *err = missing;
        return -1;
    }
    errand->stage = job->stage;
    errand->claim = number;
    errand->attempts = job->attempts + 1;
    errand->since_evidence = job->since_evidence;
    errand->agents_without_model = without;
    followup_expect(errand);
    vec_push(&f->claimed, errand);
    map_put(f->busy, str_from(job->threat_id), f);
    f->in_work[job->stage]++;
    if (job->stage == JOB_MODEL) {
        errand->tokens_held = f->mean_tokens / AGENT_COUNT;
        followup_reserve(f, errand, true);
    }
    return 0;
}

/* Its other stage is still at work: after that. */
static bool waits_for_other(struct followup *f, const struct store_job *job)
{
    if (!map_get(f->busy, str_from(job->threat_id)))
        return false;
    vec_push(&f->deferred, *job);
    return true;
}

static int claim_findings(struct followup *f, int64_t now, struct err *err)
{
    struct queue_job entry;
    int rc = 0;
    followup_refill(f, JOB_FINDINGS);
    while (rc == 0 && f->in_work[JOB_FINDINGS] < FINDINGS_AT_ONCE && f->claimed.count < CLAIMS_AT_ONCE &&
           ai_queue_take(f->queues[JOB_FINDINGS], now, &entry)) {
        struct store_job job = *(struct store_job *)entry.data;
        free(entry.data);
        if (waits_for_other(f, &job))
            continue;
        struct threat *threat = find(f, &job, &rc, err);
        if (threat)
            rc = claim(f, &job, threat, 0, err);
        if (rc < 0)
            followup_queue(f, &job);
    }
    return rc < 0 ? -1 : 0;
}

void followup_reserve(struct followup *f, const struct errand *errand, bool hold)
{
    int64_t now = clock_now(f->clock);
    for (unsigned i = 0; i < AGENT_COUNT; i++) {
        struct budget_key key = {errand->threat->rule_id, str_from(agent_names[i]),
                                 str_from(f->settings.model)};
        if (errand->agents_without_model & 1u << i)
            continue;
        if (hold)
            budget_reserve(f->budget, now, &key, errand->tokens_held);
        else
            budget_release(f->budget, now, &key, errand->tokens_held);
    }
    if (!hold)
        f->closed_until = 0; /* there may be room now */
}

/* Which agents must do without the model today. False: all must, by *limit; the job waits for the next day.
 * The whole is held against the limits of the rule and of all, a sixth of it against an agent's. */
static bool within_budget(struct followup *f, struct str rule, int64_t now, unsigned *without,
                          enum budget_kind *limit)
{
    struct budget_key whole = {rule, STR(""), str_from(f->settings.model)};
    *without = 0;
    if (!budget_admits(f->budget, now, &whole, f->mean_tokens, limit) && *limit != BUDGET_AGENT)
        return false;
    for (unsigned i = 0; i < AGENT_COUNT; i++) {
        struct budget_key key = {rule, str_from(agent_names[i]), str_from(f->settings.model)};
        if (budget_admits(f->budget, now, &key, f->mean_tokens / AGENT_COUNT, limit))
            continue;
        if (*limit != BUDGET_AGENT)
            return false;
        *without |= 1u << i;
    }
    return true;
}

static int claim_model(struct followup *f, struct store_job *job, int64_t now, struct err *err)
{
    enum budget_kind limit;
    unsigned without;
    int rc = 0;
    if (waits_for_other(f, job))
        return 0;
    struct threat *threat = find(f, job, &rc, err);
    if (threat == NULL)
        return rc;
    if (within_budget(f, threat->rule_id, now, &without, &limit))
        return claim(f, job, threat, without, err);
    f->held_until = budget_next_reset(now);
    if (limit == BUDGET_RULE) /* of the queue only: a start asks the budgets again */
        job->not_before_ns = f->held_until;
    else /* the same for every job: none of them is asked */
        f->closed_until = f->held_until;
    followup_queue(f, job);
    return 0;
}

static unsigned models_at_once(const struct followup *f)
{
    return f->settings.concurrency ? f->settings.concurrency : 1;
}

static bool may_ask(const struct followup *f, int64_t now)
{
    return f->has_model && f->in_work[JOB_MODEL] < models_at_once(f) && now >= f->closed_until;
}

static int claim_models(struct followup *f, int64_t now, struct err *err)
{
    struct queue_job entry;
    int rc = 0;
    if (f->held_until && now >= f->held_until)
        f->held_until = 0;
    followup_refill(f, JOB_MODEL);
    for (size_t taken = 0;
         rc == 0 && taken < CLAIMS_AT_ONCE && may_ask(f, now) &&
         ai_queue_next_at(f->queues[JOB_MODEL], now) <= now && breaker_admits(&f->breaker, clock_monotonic());
         taken++) {
        unsigned before = f->in_work[JOB_MODEL];
        if (!ai_queue_take(f->queues[JOB_MODEL], now, &entry)) {
            breaker_abandoned(&f->breaker);
            break;
        }
        struct store_job job = *(struct store_job *)entry.data;
        free(entry.data);
        rc = claim_model(f, &job, now, err);
        if (f->in_work[JOB_MODEL] == before)
            breaker_abandoned(&f->breaker);
        if (rc < 0)
            followup_queue(f, &job);
    }
    return rc < 0 ? -1 : 0;
}

static bool has_due(const struct followup *f, enum job_stage stage, int64_t now)
{
    return ai_queue_next_at(f->queues[stage], now) <= now || followup_wants_refill(f, stage);
}

bool followup_claims_due(struct followup *f, int64_t now, int64_t mono)
{
    return (f->in_work[JOB_FINDINGS] < FINDINGS_AT_ONCE && has_due(f, JOB_FINDINGS, now)) ||
           (may_ask(f, now) && has_due(f, JOB_MODEL, now) && breaker_retry_at(&f->breaker, mono) <= mono);
}

int followup_claim(struct followup *f, int64_t now, struct err *err)
{
    return claim_findings(f, now, err) || claim_models(f, now, err) ? -1 : 0;
}

/* ---- timers ---- */

struct due {
    VEC(struct store_job) timers; /* threat_id and created_ns, the time that was set */
};

static int note_due(const char *threat_id, int64_t at_ns, void *arg)
{
    struct due *due = arg;
    struct store_job timer = {.created_ns = at_ns};
    memcpy(timer.threat_id, threat_id, sizeof(timer.threat_id));
    vec_push(&due->timers, timer);
    return 0;
}

static int escalate(struct followup *f, const char *threat_id, int64_t at_ns, struct err *err)
{
    struct err missing = {0};
    bool taken;
    if (store_take_timer(f->store, threat_id, at_ns, &taken, err) != 0)
        return -1;
    struct threat *threat = taken ? book_find(writer_book(f->writer), str_from(threat_id), &missing) : NULL;
    if (taken && !threat && missing.code != ERR_NOT_FOUND) {
        *err = missing;
        return -1;
    }
    /* Whoever has it: what is assigned and forgotten would else be the one that never escalates. */
    if (threat == NULL || threat->status == STATUS_RESOLVED || threat->status == STATUS_ESCALATED ||
        threat->verdict != VERDICT_NONE)
        return 0;
    if (store_audit(f->store, clock_now(f->clock), STR("lunette"), STR("threat.escalate"),
                    str_from(threat_id), STR("{\"reason\":\"half of the SLA has passed\"}"), err) != 0)
        return -1;
    threat->status = STATUS_ESCALATED;
    threat->version++;
    book_touch(writer_book(f->writer), threat);
    atomic_fetch_add(&f->escalated, 1);
    return 0;
}

int followup_escalate(struct followup *f, int64_t now, struct err *err)
{
    struct due due = {0};
    if (clock_monotonic() < f->timers_at)
        return 0;
    int rc = store_due_timers(f->store, now, TIMERS_AT_ONCE, note_due, &due, err);
    for (size_t i = 0; i < due.timers.count && rc == 0; i++)
        rc = escalate(f, due.timers.items[i].threat_id, due.timers.items[i].created_ns, err);
    if (due.timers.count < TIMERS_AT_ONCE)
        f->timers_at = clock_monotonic() + f->every_ns;
    vec_free(&due.timers);
    return rc;
}

bool followup_timers_due(struct followup *f, int64_t mono)
{
    struct due due = {0};
    if (mono < f->timers_at)
        return false;
    store_due_timers(f->store, clock_now(f->clock), 1, note_due, &due, NULL);
    bool any = due.timers.count > 0;
    vec_free(&due.timers);
    if (!any)
        f->timers_at = mono + f->every_ns;
    return any;
}
