#include "base/metrics.h"
#include "pipeline/meters.h"
#include "pipeline/worker_impl.h"

struct detector *worker_detector(struct worker *w, const struct ruleset *set)
{
    for (unsigned i = 0; i < WORKER_DETECTORS; i++)
        if (w->detectors[i] && w->detectors[i]->set == set)
            return w->detectors[i];
    return NULL;
}

struct detector *worker_prepare(struct worker *w, const struct generation *generation, struct err *err)
{
    struct detector_options options = {.set = generation->set,
                                       .health = generation->health,
                                       .watchdog = w->slot,
                                       .clock = w->clock,
                                       .shard_key = w->shard_key,
                                       .verdicts = w->verdicts,
                                       .policy_health = generation->policy_health};
    worker_retire(w);
    for (unsigned i = 0; i < WORKER_DETECTORS; i++)
        if (w->detectors[i] == NULL)
            return w->detectors[i] = detector_new(&options, err);
    err_set(err, ERR_BUSY, "two earlier generations of rules are still at work");
    return NULL;
}

static void collect_states(const struct ruleset *set, uint64_t *states, size_t *count)
{
    for (size_t i = 0; i < set->rule_count; i++)
        if (set->rules[i].grouped)
            states[(*count)++] = set->rules[i].group.state;
}

static int state_order(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

/* Windows of rules that left go, once no detector that knows them is in service. */
static void forget_windows(struct worker *w)
{
    size_t most = 1, count = 0;
    for (unsigned i = 0; i < WORKER_DETECTORS; i++)
        most += w->detectors[i] ? w->detectors[i]->set->rule_count : 0;
    uint64_t *states = mem_alloc(most * sizeof(*states));
    for (unsigned i = 0; i < WORKER_DETECTORS; i++)
        if (w->detectors[i])
            collect_states(w->detectors[i]->set, states, &count);
    qsort(states, count, sizeof(*states), state_order);
    for (unsigned i = 0; i < GROUP_SHARDS; i++)
        if (w->shards[i])
            group_retain(w->shards[i], states, count);
    free(states);
}

void worker_switch(struct worker *w, const struct ruleset *set)
{
    w->current = worker_detector(w, set);
    INVARIANT(w->current != NULL);
    atomic_store(&w->generation, set->generation);
}

void worker_retire(struct worker *w)
{
    bool retired = false;
    if (w->analyst && w->current)
        analyst_retire(w->analyst, w->current->set);
    for (unsigned i = 0; i < WORKER_DETECTORS; i++) {
        struct detector *detector = w->detectors[i];
        if (detector == NULL || detector == w->current || w->current == NULL)
            continue;
        /* A set that is only prepared has no batches either: its rules are newer than ours. */
        if (detector->set->generation > w->current->set->generation ||
            atomic_load_explicit(&detector->set->batches, memory_order_acquire) > 0)
            continue;
        detector_free(detector);
        w->detectors[i] = NULL;
        retired = true;
    }
    if (retired)
        forget_windows(w);
}

void worker_save(struct worker *w, bool all)
{
    struct saved_state *saved = mem_zalloc(1, sizeof(*saved));
    saved->stands_at = tally_judged(writer_tally(w->writer));
    saved->knows_of = w->knows_of;
    saved->all = all;
    saved->worker = w->index;
    for (unsigned i = 0; i < GROUP_SHARDS; i++) {
        if (w->shards[i] == NULL)
            continue;
        group_sweep(w->shards[i], 1000);
        buf_reserve(&saved->shards[i], 1); /* even an empty record says where the shard stands */
        group_save(w->shards[i], all, &saved->shards[i]);
        saved->bytes += group_bytes(w->shards[i]);
    }
    checkpoint_take(w->checkpoint, saved);
}

/* A part that belongs to no batch of the journal, on its way to the writer; NULL when a box is full. */
static struct part *loose_part(struct worker *w)
{
    if (w->current == NULL || !mailbox_reserve(writer_mailbox(w->writer), 1))
        return NULL;
    if (!mailbox_reserve(w->box, 1)) {
        mailbox_unreserve(writer_mailbox(w->writer), 1);
        return NULL;
    }
    struct batch *batch = batch_new(w->current->set);
    struct part *part = part_new(batch);
    batch_unref(batch);
    part->origin = part->owner = w;
    part->parts = 1;
    part->mail.deliver = writer_deliver_part;
    return part;
}

static void send_part(struct worker *w, struct part *part)
{
    mailbox_post_reserved(writer_mailbox(w->writer), &part->mail);
}

/* Rejects of batches that never got a number. */
void worker_send_orphans(struct worker *w)
{
    struct part *part = w->orphans.received ? loose_part(w) : NULL;
    if (part == NULL)
        return;
    part->verdict.delta = w->orphans;
    w->orphans = (struct ledger_delta){0};
    send_part(w, part);
}

static void raise_alarm(struct worker *w, const char *id, const char *title, const struct rule *about,
                        int64_t once)
{
    struct part *part = loose_part(w);
    if (part == NULL)
        return;
    struct arena *arena = part->verdict.arena = arena_new(0);
    int64_t now = clock_now(w->clock);
    struct judged alarm = {.rule = RULE_INTERNAL};
    alarm.firing = (struct firing){.rule_id = str_from(id),
                                   .rule_title = str_from(title),
                                   .type = STR("platform"),
                                   .rule_version = 1,
                                   .customer = STR("default"),
                                   .dedup_key = about->id,
                                   .dedup_window_ns = 3600 * NS_PER_S,
                                   .time_ns = now,
                                   .accepted_ns = now,
                                   .severity = SEVERITY_MEDIUM,
                                   .context = STR("{}"),
                                   .base_count = 1};
    alarm.firing.title = str_from(arena_printf(arena, "%s: %.*s", title, STR_ARG(about->id)));
    alarm.firing.event = hash_id((struct str[]){str_from(id), about->id, {(const char *)&once, sizeof(once)}},
                                 3);
    vec_push(&part->verdict.judged, alarm);
    send_part(w, part);
}

static void alarm_pressure(struct worker *w)
{
    const struct ruleset *set = w->current->set;
    int64_t hour = clock_now(w->clock) / (3600 * NS_PER_S);
    for (size_t i = 0; i < w->pressure.count; i++)
        for (size_t r = 0; r < set->rule_count; r++)
            if (set->rules[r].grouped && set->rules[r].group.state == w->pressure.items[i])
                raise_alarm(w, "lunette.state_pressure", "A rule holds more groups than its limit",
                            &set->rules[r], hour);
    w->pressure.count = 0;
}

void worker_alarms(struct worker *w)
{
    const struct ruleset *set = w->current->set;
    if (w->pressure.count)
        alarm_pressure(w);
    if (w->index != 0)
        return;
    meters_suspended(w->current->health, set, clock_now(w->clock));
    for (uint32_t r = 0; r < set->rule_count; r++)
        if (pack_take_degraded(w->current->health, r))
            raise_alarm(w, "lunette.rule_degraded", "A callback of a rule is suspended", &set->rules[r],
                        (int64_t)set->generation);
}
