/* What errands bring back, applied to the threat as it stands now. */
#include "base/json.h"
#include "base/log.h"
#include "pipeline/followup_impl.h"
#include "pipeline/plan.h"

#include <stdio.h>

#define MODEL_ATTEMPTS 5 /* of a job whose model does not answer; then the threat says so */

static struct errand *errand_of(struct writer_task *task)
{
    return (struct errand *)((char *)task - offsetof(struct errand, task));
}

static struct followup *followup_of(const struct errand *errand)
{
    return writer_followup(errand->writer);
}

/* The threat, or NULL with err untouched where it went meanwhile. *failed: it could not be read. */
static struct threat *current(const struct errand *errand, bool *failed, struct err *err)
{
    struct err missing = {0};
    struct threat *threat = book_find(writer_book(errand->writer), str_from(errand->threat->id), &missing);
    *failed = threat == NULL && missing.code != ERR_NOT_FOUND;
    if (*failed)
        *err = missing;
    return threat;
}

static void ask_for_review(struct threat *threat, const char *reason)
{
    if (threat->review || reason[0] == '\0')
        return;
    threat->review = true;
    threat->review_reason = threat_keep(threat, str_from(reason));
}

/* ---- triage again ---- */

/* A plan's time runs from the threat's beginning, whatever it becomes. A timer that was taken is not set
 * again by a look that leaves the time as it was. */
static bool moves_timer(const struct threat *threat, struct str before)
{
    int64_t old = 0, now = 0;
    followup_number(before, "response_plan", "auto_escalate_after_minutes", &old);
    followup_number(threat->extra, "response_plan", "auto_escalate_after_minutes", &now);
    return old != now && threat->verdict == VERDICT_NONE &&
           (threat->status == STATUS_NEW || threat->status == STATUS_IN_PROGRESS);
}

static int triage_run_task(struct writer_task *task, struct writer *writer, struct err *err)
{
    struct errand *errand = errand_of(task);
    struct followup *f = followup_of(errand);
    bool failed;
    struct threat *threat = current(errand, &failed, err);
    if (threat == NULL)
        return failed ? -1 : 0;
    if (!str_equal(threat->extra, errand->threat->extra) || threat->version != errand->threat->version) {
        followup_again(f, threat->id); /* an analysis or a person was faster */
        return 0;
    }
    triage_apply(threat, &errand->triage);
    book_touch(writer_book(writer), threat);
    return moves_timer(threat, errand->threat->extra) ? followup_set_timer(f, threat, err) : 0;
}

/* ---- analysis ---- */

static bool used_a_model(const struct errand *errand, unsigned agent)
{
    return errand->usage[agent].calls || (errand->cached && agent == AGENT_COORDINATOR);
}

static int store_usage_of(struct followup *f, struct errand *errand, struct err *err)
{
    struct str model = str_from(f->settings.model);
    char day[32];
    time_print(clock_now(f->clock), day);
    for (unsigned i = 0; i < AGENT_COUNT; i++) {
        const struct errand_usage *use = &errand->usage[i];
        if (!used_a_model(errand, i))
            continue;
        int64_t price = budget_price(f->budget, model, (int64_t)use->prompt_tokens,
                                     (int64_t)use->completion_tokens);
        struct ai_usage row = {.day = {day, 10},
                               .customer = errand->threat->customer,
                               .rule = errand->threat->rule_id,
                               .agent = str_from(agent_names[i]),
                               .model = model,
                               .calls = use->calls,
                               .failures = use->failures,
                               .prompt_tokens = use->prompt_tokens,
                               .completion_tokens = use->completion_tokens,
                               .cost_micros = (uint64_t)price,
                               .cached = errand->cached};
        if (store_add_usage(f->store, &row, err) != 0)
            return -1;
    }
    return 0;
}

/* Of the budgets in memory: also what could not be stored was spent. */
static void spend(struct followup *f, const struct errand *errand)
{
    int64_t now = clock_now(f->clock), tokens = 0;
    for (unsigned i = 0; i < AGENT_COUNT; i++) {
        const struct errand_usage *use = &errand->usage[i];
        struct budget_key key = {errand->threat->rule_id, str_from(agent_names[i]),
                                 str_from(f->settings.model)};
        if (use->calls)
            budget_add(f->budget, now, &key, (int64_t)use->prompt_tokens, (int64_t)use->completion_tokens);
        tokens += (int64_t)(use->prompt_tokens + use->completion_tokens);
    }
    if (tokens)
        f->mean_tokens += (tokens - f->mean_tokens) / 8;
}

/* The model did not answer, and may yet: another try later. 1: the job was given back. */
static int try_again(struct followup *f, struct errand *errand, struct err *err)
{
    struct store_job job = {.stage = errand->stage,
                            .severity = errand->threat->severity,
                            .attempts = errand->attempts,
                            .created_ns = errand->threat->created_ns,
                            .event_count = errand->threat->event_count,
                            .since_evidence = errand->since_evidence};
    if (!errand->asked_model || !ai_status_is_outage(errand->model_status) ||
        errand->attempts >= MODEL_ATTEMPTS)
        return 0;
    int64_t mono = clock_monotonic(), wait = breaker_retry_at(&f->breaker, mono) - mono;
    int64_t shortest = NS_PER_S << (errand->attempts < 6 ? errand->attempts : 6);
    wait = wait > shortest ? wait : shortest;
    wait = wait > errand->retry_after_ns ? wait : errand->retry_after_ns;
    memcpy(job.threat_id, errand->threat->id, sizeof(job.threat_id));
    job.not_before_ns = clock_now(f->clock) + wait;
    if (store_delay_job(f->store, job.threat_id, job.stage, errand->claim, job.not_before_ns, err) != 0)
        return -1;
    vec_push(&f->put, job);
    atomic_fetch_add(&f->retried, 1);
    return 1;
}

static void note_raise(struct threat *threat, enum severity from, int64_t now_ns)
{
    struct buf json = BUF_EMPTY;
    buf_puts(&json, "{\"by\":\"model\"");
    buf_json_kstr(&json, "from", str_from(severity_label(from)));
    buf_json_kstr(&json, "to", str_from(severity_label(threat->severity)));
    buf_json_ktime(&json, "at", now_ns);
    buf_putc(&json, '}');
    threat_put_extra(threat, "severity_raised", buf_str(&json));
    buf_free(&json);
}

/* The answer may not be shown, or there is none: what the agents' own rules found stays. */
static void note_failure(struct threat *threat, const struct errand *errand)
{
    struct buf noted = BUF_EMPTY;
    struct str analysis = STR("{}");
    threat_extra_get(threat->extra, STR("analysis"), &analysis);
    buf_put(&noted, analysis);
    threat_extra_put_text(&noted, "model_status", str_from(ai_status_name(errand->model_status)));
    if (errand->model_error)
        threat_extra_put_text(&noted, "model_error", str_from(errand->model_error));
    threat_put_extra(threat, "analysis", buf_str(&noted));
    buf_free(&noted);
}

/* ---- whose findings stand ---- */

static bool is_by_model(struct str object)
{
    struct str provider;
    return threat_extra_get(object, STR("provider"), &provider) && str_is(provider, "\"model\"");
}

/* A finding by a model goes for one by a model only: what the agents' own rules say of a threat that has
 * grown is no reason to forget what a model found. */
static void put_agents(struct threat *threat, struct str agents)
{
    struct buf merged = BUF_EMPTY;
    struct str before, old, now;
    buf_put(&merged, agents);
    for (unsigned i = 0; i < AGENT_COORDINATOR; i++) {
        struct str name = str_from(agent_names[i]);
        bool replaces = threat_extra_get(agents, name, &now) && is_by_model(now);
        if (!replaces && threat_extra_get(threat->extra, STR("agent_analyses"), &before) &&
            threat_extra_get(before, name, &old) && is_by_model(old))
            threat_extra_put(&merged, agent_names[i], old);
    }
    threat_put_extra(threat, "agent_analyses", buf_str(&merged));
    buf_free(&merged);
}

/* The one that stands says what came after it and did not replace it. */
static void put_analysis(struct threat *threat, struct str analysis, bool replaces)
{
    struct buf noted = BUF_EMPTY;
    struct str before;
    if (!threat_extra_get(threat->extra, STR("analysis"), &before)) {
        threat_put_extra(threat, "analysis", analysis);
        return;
    }
    if (replaces && (is_by_model(analysis) || !is_by_model(before))) {
        threat_put_extra(threat, "analysis", analysis);
        return;
    }
    buf_put(&noted, before);
    threat_extra_put(&noted, "newer", analysis);
    threat_put_extra(threat, "analysis", buf_str(&noted));
    buf_free(&noted);
}

static struct ai_effect effect_of(const struct threat *threat, struct errand *errand)
{
    struct str raised;
    if (errand->failure)
        return (struct ai_effect){.severity = threat->severity, .review = true, .reason = errand->failure};
    struct ai_standing standing = {threat->severity, threat->floor,
                                   threat_extra_get(threat->extra, STR("severity_raised"), &raised)};
    if (!errand->asked_coordinator && !errand->cached) /* nobody judged: findings, nothing else */
        return (struct ai_effect){.severity = threat->severity,
                                  .add_findings = true,
                                  .review = errand->injection,
                                  .reason = "the model suspects that the evidence tries to steer it"};
    errand->answer.injection_suspected |= errand->injection;
    return ai_monotonic(&standing, errand->answered ? AI_ANSWERED : errand->model_status,
                        errand->answered ? &errand->answer : NULL);
}

/* Whoever of the six says so, and whatever became of the others' answers. */
static void flag_injection(struct threat *threat)
{
    struct buf flagged = BUF_EMPTY;
    struct str analysis = STR("{}");
    threat_extra_get(threat->extra, STR("analysis"), &analysis);
    buf_put(&flagged, analysis);
    threat_extra_put(&flagged, "injection_suspected", STR("true"));
    threat_put_extra(threat, "analysis", buf_str(&flagged));
    buf_free(&flagged);
}

static int apply(struct followup *f, struct errand *errand, struct threat *threat, struct err *err)
{
    int64_t now = clock_now(f->clock);
    enum severity before = threat->severity;
    struct ai_effect effect = effect_of(threat, errand);
    if (store_audit(f->store, now, str_from(errand->asked_model || errand->cached ? "model" : "rules"),
                    STR("threat.analysis"), str_from(threat->id), STR("{}"), err) != 0)
        return -1;
    if (effect.add_findings) {
        put_agents(threat, errand->agent_analyses);
        put_analysis(threat, errand->analysis, true);
    } else if (errand->failure) {
        put_analysis(threat, errand->analysis, false);
    } else {
        note_failure(threat, errand);
    }
    if (effect.injection || errand->injection)
        flag_injection(threat);
    if (effect.raised && effect.severity > before) {
        threat->severity = (enum severity)effect.severity;
        note_raise(threat, before, now);
    }
    if (effect.review)
        ask_for_review(threat, effect.reason);
    threat->version++;
    book_touch(writer_book(errand->writer), threat);
    return 0;
}

/* With a model configured its turn comes once the agents' own findings stand. */
static int put_model_job(struct followup *f, const struct errand *errand, struct err *err)
{
    struct store_job job = {.stage = JOB_MODEL,
                            .severity = errand->threat->severity,
                            .created_ns = errand->threat->created_ns,
                            .event_count = errand->threat->event_count,
                            .since_evidence = errand->since_evidence};
    if (errand->stage != JOB_FINDINGS || !f->has_model)
        return 0;
    memcpy(job.threat_id, errand->threat->id, sizeof(job.threat_id));
    return followup_put_job(f, &job, err);
}

/* The model's answer, or that there was none, is news of the model whether it could be stored or not. */
static void note_model(struct followup *f, const struct errand *errand, bool outage)
{
    spend(f, errand);
    if (errand->asked_model)
        atomic_store(&f->last_error, outage ? errand->model_error : NULL);
    if (!errand->asked_model)
        breaker_abandoned(&f->breaker);
    else if (outage)
        breaker_failure(&f->breaker, clock_monotonic());
    else
        breaker_success(&f->breaker);
    if (!outage)
        ai_queue_took(f->queues[JOB_MODEL], clock_monotonic() - errand->began_ns);
}

static void count(struct followup *f, const struct errand *errand, bool stored)
{
    bool outage = errand->asked_model && ai_status_is_outage(errand->model_status);
    if (errand->stage == JOB_MODEL)
        note_model(f, errand, outage);
    if (!stored) /* it comes again */
        return;
    atomic_fetch_add(outage ? &f->failed : &f->done, 1);
    if (errand->cached)
        atomic_fetch_add(&f->cached, 1);
}

/* The job ends with what it brought: the answer is kept, the threat changed, and the next stage put. */
static int take_result(struct followup *f, struct errand *errand, struct err *err)
{
    struct err stale = {0};
    bool failed;
    if (store_finish_job(f->store, errand->threat->id, errand->stage, errand->claim, &stale) != 0) {
        if (stale.code == ERR_CONFLICT) /* another claim is current, or the threat went */
            return 0;
        *err = stale;
        return -1;
    }
    struct threat *threat = current(errand, &failed, err);
    if (threat == NULL)
        return failed ? -1 : 0;
    if (errand->keep.len) {
        errand->cache_key.customer = errand->threat->customer;
        if (store_put_answer(f->store, &errand->cache_key, errand->keep, clock_now(f->clock), err) != 0)
            return -1;
    }
    return apply(f, errand, threat, err) || put_model_job(f, errand, err) ? -1 : 0;
}

static int analysis_run_task(struct writer_task *task, struct writer *writer, struct err *err)
{
    struct errand *errand = errand_of(task);
    struct followup *f = followup_of(errand);
    (void)writer;
    if (store_usage_of(f, errand, err) != 0)
        return -1;
    struct err stale = {0};
    int again = try_again(f, errand, &stale);
    if (again < 0 && stale.code != ERR_CONFLICT) {
        *err = stale;
        return -1;
    }
    return again != 0 ? 0 : take_result(f, errand, err);
}

/* ---- dry run ---- */

static int dry_run_task(struct writer_task *task, struct writer *writer, struct err *err)
{
    struct errand *errand = errand_of(task);
    bool failed;
    struct threat *threat = current(errand, &failed, err);
    if (threat == NULL)
        return failed ? -1 : 0;
    if (plan_note_outcome(threat, errand->action_id, errand->outcome, errand->reason) == 0) {
        threat->version++;
        book_touch(writer_book(writer), threat);
    }
    return store_audit(writer_store(writer), clock_now(writer_clock(writer)), STR("lunette"),
                       STR("action.dry_run"), str_from(threat->id), STR("{}"), err);
}

/* ---- the end of an errand ---- */

static void task_done(struct writer_task *task)
{
    struct errand *errand = errand_of(task);
    struct followup *f = followup_of(errand);
    if (errand->kind == ERRAND_ANALYSIS)
        count(f, errand, task->err.code == ERR_NONE);
    followup_free_place(f, errand);
    if (task->err.code != ERR_NONE) {
        LOG_ERR(LOG_WARN, "followup.failed", &task->err);
        if (errand->kind != ERRAND_ANALYSIS)
            followup_again(f, errand->threat->id);
        else
            followup_requeue(f, errand);
    }
    errand_free(errand);
}

void followup_expect(struct errand *errand)
{
    static int (*const runs[])(struct writer_task * task, struct writer * writer,
                               struct err * err) = {[ERRAND_TRIAGE] = triage_run_task,
                                                    [ERRAND_ANALYSIS] = analysis_run_task,
                                                    [ERRAND_DRY_RUN] = dry_run_task};
    errand->task.run = runs[errand->kind];
    errand->task.done = task_done;
}
