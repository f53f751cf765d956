#include "pipeline/followup_impl.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/json.h"
#include "base/log.h"
#include "pipeline/worker_errand.h"

#define LOOKS_AT_ONCE 256   /* triages again */
#define LOOKS_A_TURN  512   /* threats that are asked whether they need one: each may have to be read */
#define LEFT_MOST     10000 /* changes of an earlier process that may not have been looked at */
#define GROWN_TIMES   4     /* a threat so many times as large is analysed again */
#define TOKENS_GUESS  12000 /* of an analysis, before one was seen */

/* ---- life ---- */

static int restore_use(const struct ai_usage *usage, void *arg)
{
    struct followup *f = arg;
    int64_t now = clock_now(f->clock);
    struct budget_use use = {.requests = (int64_t)usage->calls,
                             .prompt_tokens = (int64_t)usage->prompt_tokens,
                             .completion_tokens = (int64_t)usage->completion_tokens,
                             .micros = (int64_t)usage->cost_micros};
    struct str names[BUDGET_KINDS] = {[BUDGET_ALL] = STR(""),
                                      [BUDGET_RULE] = usage->rule,
                                      [BUDGET_AGENT] = usage->agent,
                                      [BUDGET_MODEL] = usage->model};
    for (unsigned kind = 0; kind < BUDGET_KINDS; kind++)
        budget_restore(f->budget, now, &(struct budget_row){now, (enum budget_kind)kind, names[kind], use});
    return 0;
}

static int open_budget(struct followup *f, struct err *err)
{
    const struct ai_settings *s = &f->settings;
    char day[32];
    f->budget = budget_new();
    f->mean_tokens = TOKENS_GUESS;
    budget_set_limit(f->budget, BUDGET_ALL, STR(""), (struct budget_limit){s->tokens_day, s->micros_day});
    budget_set_limit(f->budget, BUDGET_RULE, STR(""), (struct budget_limit){s->rule_tokens_day, 0});
    budget_set_limit(f->budget, BUDGET_AGENT, STR(""), (struct budget_limit){s->agent_tokens_day, 0});
    budget_set_price(f->budget, STR(""), s->prompt_price, s->completion_price);
    time_print(clock_now(f->clock), day);
    return store_usage_today(f->store, (struct str){day, 10}, restore_use, f, err);
}

static int queue_stored(const struct store_job *job, void *arg)
{
    struct followup *f = arg;
    if (job->stage == JOB_MODEL && !f->has_model)
        return 0;
    if (!map_get(f->busy, str_from(job->threat_id)))
        followup_queue(f, job);
    else if (job->claim == 0) /* not the one that is in work */
        vec_push(&f->deferred, *job);
    return 0;
}

static int look_at_left(struct str id, void *arg)
{
    struct followup *f = arg;
    map_put(f->again, id, f);
    return 0;
}

struct followup *followup_new(struct writer *writer, const struct ai_settings *settings, struct err *err)
{
    struct followup *f = mem_zalloc(1, sizeof(*f));
    f->writer = writer;
    f->store = writer_store(writer);
    f->clock = writer_clock(writer);
    if (settings)
        f->settings = *settings;
    f->has_model = ai_has_model(settings);
    f->every_ns = f->settings.every_ns ? f->settings.every_ns : NS_PER_S;
    f->capacity = f->settings.queue_capacity ? f->settings.queue_capacity : AI_QUEUE_CAPACITY;
    f->busy = map_new();
    f->again = map_new();
    f->approved = map_new();
    f->trying = map_new();
    for (unsigned i = 0; i < STAGES; i++)
        f->queues[i] = ai_queue_new(f->capacity);
    breaker_init(&f->breaker, 0, f->settings.breaker_open_ns, 0);
    if (open_budget(f, err) == 0 && store_load_jobs(f->store, queue_stored, f, err) == 0 &&
        store_load_changed(f->store, LEFT_MOST, look_at_left, f, err) == 0)
        return f;
    followup_free(f);
    return NULL;
}

static void drop_errands(struct errand **errands, size_t count)
{
    for (size_t i = 0; i < count; i++)
        errand_drop(errands[i]);
}

void followup_free(struct followup *f)
{
    if (f == NULL)
        return;
    for (unsigned i = 0; i < STAGES; i++)
        ai_queue_free(f->queues[i], free);
    drop_errands(f->claimed.items, f->claimed.count);
    drop_errands(f->outgoing.items, f->outgoing.count);
    for (size_t i = 0; i < f->unsent.count; i++)
        worker_drop_news(f->unsent.items[i].mail);
    vec_free(&f->put);
    vec_free(&f->deferred);
    vec_free(&f->claimed);
    vec_free(&f->outgoing);
    vec_free(&f->unsent);
    verdict_news_free(f->news);
    map_free(f->busy, NULL);
    map_free(f->again, NULL);
    map_free(f->approved, NULL);
    map_free(f->trying, NULL);
    budget_free(f->budget);
    free(f);
}

void followup_open(struct followup *f, struct worker **workers, unsigned count)
{
    f->workers = workers;
    atomic_store(&f->worker_count, count);
}

void followup_close(struct followup *f)
{
    atomic_store(&f->closed, true);
}

static bool is_open(const struct followup *f)
{
    return atomic_load(&f->worker_count) > 0 && !atomic_load(&f->closed);
}

/* ---- queues ---- */

/* What the queue has no room for stays in the store and is looked for when there is room again. A job that is
 * there already is replaced, as it was in the store. */
void followup_queue(struct followup *f, const struct store_job *job)
{
    struct queue_job displaced = {0}, replaced;
    struct queue_job entry = {.id = str_from(job->threat_id),
                              .severity = job->severity,
                              .queued_ns = job->created_ns,
                              .not_before_ns = job->not_before_ns,
                              .data = mem_dup(job, sizeof(*job))};
    if (ai_queue_remove(f->queues[job->stage], entry.id, &replaced))
        free(replaced.data);
    if (ai_queue_push(f->queues[job->stage], &entry, &displaced) == QUEUE_ADDED)
        return;
    free(displaced.data);
    f->overflow[job->stage] = true;
}

bool followup_wants_refill(const struct followup *f, enum job_stage stage)
{
    return f->overflow[stage] && ai_queue_depth(f->queues[stage]) <= f->capacity / 2;
}

void followup_refill(struct followup *f, enum job_stage stage)
{
    struct err err = {0};
    if (!followup_wants_refill(f, stage))
        return;
    f->overflow[stage] = false;
    if (store_load_jobs(f->store, queue_stored, f, &err) == 0)
        return;
    f->overflow[stage] = true;
    LOG_ERR(LOG_WARN, "analysis.refill", &err);
}

int followup_put_job(struct followup *f, const struct store_job *job, struct err *err)
{
    if (store_put_job(f->store, job, err) != 0)
        return -1;
    vec_push(&f->put, *job);
    return 0;
}

struct store_job followup_job(const struct followup *f, const struct threat *threat, enum job_stage stage)
{
    struct store_job job = {.stage = stage,
                            .severity = threat->severity,
                            .created_ns = clock_now(f->clock),
                            .event_count = threat->event_count};
    memcpy(job.threat_id, threat->id, sizeof(job.threat_id));
    return job;
}

int followup_analyse(struct followup *f, const struct threat *threat, struct err *err)
{
    struct store_job job = followup_job(f, threat, JOB_FINDINGS);
    return followup_put_job(f, &job, err);
}

/* ---- what a stored threat asks for ---- */

/* Of what is our own; not parsed as a whole, as threats are stored often. */
bool followup_number(struct str extra, const char *member, const char *key, int64_t *out)
{
    struct str json, text;
    char digits[24];
    if (!threat_extra_get(extra, str_from(member), &json) || !threat_extra_get(json, str_from(key), &text) ||
        text.len == 0 || text.len >= sizeof(digits))
        return false;
    memcpy(digits, text.ptr, text.len);
    digits[text.len] = '\0';
    char *end;
    *out = strtoll(digits, &end, 10);
    return *end == '\0';
}

/* Of the platform itself, of a candidate rule, or hidden by an exception: nobody has to look into it. */
static bool is_watched(const struct threat *threat)
{
    return !threat->shadow && !threat->suppressed && !str_is(threat->type, "platform");
}

static bool has_job(const struct followup *f, const struct threat *threat)
{
    struct str id = str_from(threat->id);
    return map_get(f->busy, id) || ai_queue_has(f->queues[JOB_FINDINGS], id) ||
           ai_queue_has(f->queues[JOB_MODEL], id);
}

/* How large it was when it was analysed last, also where older findings stand (followup_apply.c). */
static bool analysed_events(const struct threat *threat, int64_t *events)
{
    struct str analysis;
    return threat_extra_get(threat->extra, STR("analysis"), &analysis) &&
           (followup_number(analysis, "newer", "event_count", events) ||
            followup_number(threat->extra, "analysis", "event_count", events));
}

/* One analysis per threat; one that has grown a lot since gets another, of what is new. */
static int store_job(struct followup *f, const struct threat *threat, struct err *err)
{
    int64_t analysed = 0, until = 0;
    struct store_job job = followup_job(f, threat, JOB_FINDINGS);
    if (has_job(f, threat))
        return 0;
    if (analysed_events(threat, &analysed)) {
        if (threat->status == STATUS_RESOLVED || threat->event_count < (uint64_t)analysed * GROWN_TIMES)
            return 0;
        if (followup_number(threat->extra, "analysis", "evidence_until", &until) && until > 0)
            job.since_evidence = (uint32_t)until;
    }
    return followup_put_job(f, &job, err);
}

int followup_set_timer(struct followup *f, const struct threat *threat, struct err *err)
{
    int64_t minutes;
    if (!followup_number(threat->extra, "response_plan", "auto_escalate_after_minutes", &minutes))
        return 0;
    return store_set_timer(f->store, threat->id, threat->created_ns + minutes * 60 * NS_PER_S, err);
}

/* Triage noted how the threat stood when it looked. */
static bool is_triaged(const struct threat *threat)
{
    int64_t events, version;
    return followup_number(threat->extra, "triaged", "event_count", &events) &&
           followup_number(threat->extra, "triaged", "version", &version) &&
           (uint64_t)events == threat->event_count && (uint64_t)version == threat->version;
}

void followup_again(struct followup *f, const char *threat_id)
{
    map_put(f->again, str_from(threat_id), f);
}

int followup_store(struct followup *f, const struct threat *threat, bool is_new, struct err *err)
{
    if (!is_watched(threat))
        return 0;
    if (!is_triaged(threat))
        followup_again(f, threat->id);
    if (is_new && followup_set_timer(f, threat, err) != 0)
        return -1;
    return store_job(f, threat, err);
}

/* ---- verdicts ---- */

int followup_verdict(struct followup *f, const struct threat *threat, enum threat_verdict was,
                     struct err *err)
{
    struct verdict_step steps[VERDICT_STEPS_MAX];
    size_t count = verdict_steps(threat, was, threat->verdict, steps);
    double minutes = (double)(clock_now(f->clock) - threat->created_ns) / (60.0 * (double)NS_PER_S);
    struct verdict_key rule = {threat->customer, threat->rule_id, STR("")};
    for (size_t i = 0; i < count; i++) {
        struct verdict_key key = {steps[i].customer, steps[i].rule_id, steps[i].entity};
        if (store_add_verdict(f->store, &key, steps[i].verdict, steps[i].delta, err) != 0)
            return -1;
    }
    if (was != threat->verdict && (store_add_scorecard(f->store, &rule, was, -1, -1, err) != 0 ||
                                   store_add_scorecard(f->store, &rule, threat->verdict, 1,
                                                       was == VERDICT_NONE ? minutes : -1, err) != 0))
        return -1;
    if (f->news == NULL)
        f->news = verdict_news_new();
    verdict_news_add(f->news, steps, count);
    return 0;
}

/* ---- dry runs ---- */

struct trial {
    struct followup *f;
    const struct threat *threat;
    bool is_full;
};

static struct str trial_name(const char *threat_id, struct str action_id, struct buf *out)
{
    buf_clear(out);
    buf_printf(out, "%s ", threat_id);
    buf_put(out, action_id);
    return buf_str(out);
}

static void try_action(const struct plan_action *action, void *arg)
{
    struct trial *trial = arg;
    struct followup *f = trial->f;
    struct buf name = BUF_EMPTY;
    bool busy = map_get(f->trying, trial_name(trial->threat->id, action->id, &name)) != NULL;
    struct errand *errand = busy ? NULL : errand_new(f->writer, ERRAND_DRY_RUN, trial->threat);
    trial->is_full |= !busy && errand == NULL;
    if (errand) {
        errand->action_type = arena_dup(errand->arena, action->type);
        errand->action_id = arena_dup(errand->arena, action->id);
        errand->action = arena_dup(errand->arena, action->json);
        followup_expect(errand);
        vec_push(&f->outgoing, errand);
        map_put(f->trying, buf_str(&name), f);
    }
    buf_free(&name);
}

/* False: there is no room for all of them now. */
static bool try_actions(struct followup *f, struct threat *threat)
{
    struct trial trial = {.f = f, .threat = threat};
    plan_each_untried(threat, try_action, &trial);
    return !trial.is_full;
}

void followup_dry_run(struct followup *f, const struct threat *threat)
{
    map_put(f->approved, str_from(threat->id), f);
}

static void try_approved(struct followup *f)
{
    struct str id;
    void *unused;
    size_t at = 0;
    while (map_next(f->approved, &at, &id, &unused)) {
        struct err err = {0};
        struct threat *threat = book_find(writer_book(f->writer), id, &err);
        if (threat ? !try_actions(f, threat) : err.code != ERR_NOT_FOUND)
            map_put(f->again, id, f);
    }
    map_free(f->approved, NULL);
    f->approved = map_new();
}

/* ---- triage again ---- */

static bool triage_again(struct followup *f, const struct threat *threat)
{
    struct errand *errand = f->looking < LOOKS_AT_ONCE ? errand_new(f->writer, ERRAND_TRIAGE, threat) : NULL;
    if (errand == NULL)
        return false;
    f->looking++;
    followup_expect(errand);
    vec_push(&f->outgoing, errand);
    return true;
}

/* Whether the threat has all that it needs now. */
static bool look(struct followup *f, struct str id)
{
    struct err err = {0};
    struct threat *threat = book_find(writer_book(f->writer), id, &err);
    if (threat == NULL)
        return err.code == ERR_NOT_FOUND;
    bool tried = try_actions(f, threat);
    return (!is_watched(threat) || is_triaged(threat) || triage_again(f, threat)) && tried;
}

static void look_again(struct followup *f, int64_t mono)
{
    struct str id;
    void *unused;
    size_t at = 0, asked = 0;
    if (mono - f->looked_at < f->every_ns)
        return;
    f->looked_at = mono;
    struct map *again = f->again;
    f->again = map_new();
    while (map_next(again, &at, &id, &unused))
        if (f->looking >= LOOKS_AT_ONCE || asked++ >= LOOKS_A_TURN || !look(f, id))
            map_put(f->again, id, f);
    map_free(again, NULL);
}

static void show_state(struct followup *f)
{
    size_t waiting[STAGES] = {0};
    for (size_t i = 0; i < f->deferred.count; i++)
        waiting[f->deferred.items[i].stage]++;
    unsigned most = f->settings.concurrency ? f->settings.concurrency : 1;
    for (unsigned i = 0; i < STAGES; i++) {
        atomic_store(&f->queued[i], ai_queue_depth(f->queues[i]) + waiting[i] + f->overflow[i]);
        atomic_store(&f->working[i], f->in_work[i]);
    }
    atomic_store(&f->looks, map_count(f->again) + f->looking);
    atomic_store(&f->eta_ns, ai_queue_eta(f->queues[JOB_MODEL], ai_queue_depth(f->queues[JOB_MODEL]), most));
    atomic_store(&f->breaker_state, breaker_state(&f->breaker, clock_monotonic()));
    atomic_store(&f->over_budget, f->held_until != 0);
}

/* ---- handing out ---- */

/* Whether one of the first `count` is for the worker: what comes later must not overtake it. */
static bool is_waiting(const struct followup *f, const struct worker *worker, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (f->unsent.items[i].worker == worker)
            return true;
    return false;
}

static void send(struct followup *f, struct mail *mail, struct worker *worker)
{
    if (is_waiting(f, worker, f->unsent.count) || !worker_post(worker, mail))
        vec_push(&f->unsent, ((struct mail_to){worker, mail}));
}

static void send_errand(struct followup *f, struct errand *errand)
{
    unsigned count = atomic_load(&f->worker_count);
    errand->mail.deliver = worker_deliver_errand;
    send(f, &errand->mail, f->workers[f->turn++ % count]);
}

static void send_unsent(struct followup *f)
{
    size_t kept = 0;
    for (size_t i = 0; i < f->unsent.count; i++) {
        struct mail_to one = f->unsent.items[i];
        if (is_waiting(f, one.worker, kept) || !worker_post(one.worker, one.mail))
            f->unsent.items[kept++] = one;
    }
    f->unsent.count = kept;
}

static void send_all(struct followup *f)
{
    if (!is_open(f))
        return;
    send_unsent(f);
    for (size_t i = 0; i < f->outgoing.count; i++)
        send_errand(f, f->outgoing.items[i]);
    f->outgoing.count = 0;
}

bool followup_due(struct followup *f, int64_t mono)
{
    int64_t now = clock_now(f->clock);
    if (is_open(f))
        look_again(f, mono);
    send_all(f);
    show_state(f);
    return is_open(f) && (followup_timers_due(f, mono) || followup_claims_due(f, now, mono));
}

int followup_work(struct followup *f, struct err *err)
{
    int64_t now = clock_now(f->clock);
    if (!is_open(f))
        return 0;
    return followup_escalate(f, now, err) || followup_claim(f, now, err) ? -1 : 0;
}

void followup_committed(struct followup *f)
{
    for (size_t i = 0; i < f->put.count; i++)
        followup_queue(f, &f->put.items[i]);
    f->put.count = 0;
    for (size_t i = 0; i < f->claimed.count; i++)
        vec_push(&f->outgoing, f->claimed.items[i]);
    f->claimed.count = 0;
    if (f->news && atomic_load(&f->worker_count)) {
        for (unsigned i = 0; i < atomic_load(&f->worker_count); i++)
            send(f, verdict_news_mail(f->news), f->workers[i]);
    }
    verdict_news_free(f->news);
    f->news = NULL;
    try_approved(f);
    send_all(f);
    show_state(f);
}

static void queue_deferred(struct followup *f, const char *threat_id)
{
    size_t kept = 0;
    for (size_t i = 0; i < f->deferred.count; i++) {
        struct store_job job = f->deferred.items[i];
        if (strcmp(job.threat_id, threat_id) == 0)
            followup_queue(f, &job);
        else
            f->deferred.items[kept++] = job;
    }
    f->deferred.count = kept;
}

void followup_free_place(struct followup *f, const struct errand *errand)
{
    struct buf name = BUF_EMPTY;
    if (errand->kind == ERRAND_TRIAGE)
        f->looking--;
    if (errand->kind == ERRAND_DRY_RUN)
        map_take(f->trying, trial_name(errand->threat->id, errand->action_id, &name));
    buf_free(&name);
    if (errand->kind != ERRAND_ANALYSIS)
        return;
    f->in_work[errand->stage]--;
    map_take(f->busy, str_from(errand->threat->id));
    queue_deferred(f, errand->threat->id);
    if (errand->stage == JOB_MODEL)
        followup_reserve(f, errand, false);
}

void followup_requeue(struct followup *f, const struct errand *errand)
{
    struct store_job job = followup_job(f, errand->threat, errand->stage);
    job.attempts = errand->attempts - 1;
    job.since_evidence = errand->since_evidence;
    followup_queue(f, &job);
}

/* The claims were never made: the jobs go back to where they were. */
void followup_rolled_back(struct followup *f)
{
    for (size_t i = 0; i < f->claimed.count; i++) {
        struct errand *errand = f->claimed.items[i];
        if (errand->stage == JOB_MODEL)
            breaker_abandoned(&f->breaker);
        followup_free_place(f, errand);
        followup_requeue(f, errand);
        errand_drop(errand);
    }
    f->claimed.count = f->put.count = 0;
    verdict_news_free(f->news);
    f->news = NULL;
    map_free(f->approved, NULL);
    f->approved = map_new();
}

/* ---- any thread ---- */

void followup_state(const struct followup *f, struct followup_state *state)
{
    *state = (struct followup_state){
        .queued_findings = atomic_load(&f->queued[JOB_FINDINGS]),
        .queued_model = atomic_load(&f->queued[JOB_MODEL]),
        .in_work = atomic_load(&f->working[JOB_FINDINGS]),
        .in_work_model = atomic_load(&f->working[JOB_MODEL]),
        .looks = atomic_load(&f->looks),
        .eta_ns = atomic_load(&f->eta_ns),
        .has_model = f->has_model,
        .breaker = breaker_state_name((enum breaker_state)atomic_load(&f->breaker_state)),
        .last_error = atomic_load(&f->last_error),
        .over_budget = atomic_load(&f->over_budget),
        .done = atomic_load(&f->done),
        .failed = atomic_load(&f->failed),
        .cached = atomic_load(&f->cached),
        .retried = atomic_load(&f->retried),
        .escalated = atomic_load(&f->escalated)};
}
