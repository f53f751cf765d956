#include "pipeline/tally.h"

#include <pthread.h>
#include <stdio.h>

#include "base/metrics.h"

struct record {
    size_t parts, seen;
    struct ledger_delta delta;
    struct ruleset *set; /* referenced once the first part came */
};

struct tally {
    pthread_mutex_t lock; /* of the ledger: whoever asks reads it */
    struct ledger ledger; /* of all batches up to `judged` */
    _Atomic uint64_t judged;
    _Atomic int64_t pending;
    VEC(struct record) records; /* batches judged+1 … */
    bool unsaved;
    struct metric *pairs;
};

struct tally *tally_new(void)
{
    struct tally *t = mem_zalloc(1, sizeof(*t));
    pthread_mutex_init(&t->lock, NULL);
    ledger_init(&t->ledger);
    t->pairs = metric_new(METRIC_COUNTER, "lunette_rule_pairs_total", "rule,term",
                          "(event, rule) pairs by what became of them");
    return t;
}

void tally_free(struct tally *t)
{
    for (size_t i = 0; i < t->records.count; i++) {
        ledger_delta_free(&t->records.items[i].delta);
        ruleset_unref(t->records.items[i].set);
    }
    vec_free(&t->records);
    ledger_free(&t->ledger);
    pthread_mutex_destroy(&t->lock);
    free(t);
}

static struct record *record_of(struct tally *t, uint64_t number)
{
    uint64_t base = tally_judged(t) + 1;
    if (number < base)
        return NULL;
    size_t index = (size_t)(number - base);
    while (t->records.count <= index) {
        struct record empty = {0};
        vec_push(&t->records, empty);
    }
    return &t->records.items[index];
}

void tally_part(struct tally *t, const struct part *part)
{
    const struct batch *batch = part->batch;
    if (batch->number == 0) { /* rejected as a whole: nothing to wait for */
        pthread_mutex_lock(&t->lock);
        ledger_add(&t->ledger, &part->verdict.delta, batch->set, false);
        pthread_mutex_unlock(&t->lock);
        t->unsaved |= part->verdict.delta.received > 0;
        return;
    }
    struct record *record = batch->counted ? record_of(t, batch->number) : NULL;
    if (record == NULL)
        return;
    if (record->set == NULL)
        record->set = ruleset_ref(batch->set);
    record->parts = part->parts;
    record->seen++;
    ledger_delta_merge(&record->delta, &part->verdict.delta);
}

static void count_metrics(struct tally *t, const struct record *record)
{
    for (size_t i = 0; i < record->delta.rules.count; i++) {
        const struct ledger_delta_rule *line = &record->delta.rules.items[i];
        char id[129];
        snprintf(id, sizeof(id), "%.*s", STR_ARG(record->set->rules[line->rule].id));
        for (unsigned term = 0; term < LEDGER_TERMS; term++)
            if (line->counts.terms[term])
                metric_add(metric_with(t->pairs, (const char *const[]){id, ledger_term_names[term]}),
                           (double)line->counts.terms[term]);
    }
}

static bool is_complete(const struct record *record)
{
    return record->parts && record->seen == record->parts;
}

static size_t add_complete(struct tally *t)
{
    size_t done = 0;
    pthread_mutex_lock(&t->lock);
    for (; done < t->records.count && is_complete(&t->records.items[done]); done++) {
        const struct record *record = &t->records.items[done];
        ledger_add(&t->ledger, &record->delta, record->set, true);
        tally_pending(t, -record->delta.accepted);
    }
    pthread_mutex_unlock(&t->lock);
    return done;
}

/* The metrics come after the lock: a scrape holds theirs when it asks for ours. */
void tally_advance(struct tally *t)
{
    size_t done = add_complete(t);
    for (size_t i = 0; i < done; i++) {
        struct record *record = &t->records.items[i];
        count_metrics(t, record);
        ledger_delta_free(&record->delta);
        ruleset_unref(record->set);
    }
    if (done == 0)
        return;
    t->records.count -= done;
    memmove(t->records.items, t->records.items + done, t->records.count * sizeof(*t->records.items));
    atomic_fetch_add_explicit(&t->judged, done, memory_order_release);
}

bool tally_unsaved(const struct tally *t)
{
    return t->unsaved;
}

void tally_pack(struct tally *t, struct buf *out)
{
    buf_put_u64(out, tally_judged(t));
    pthread_mutex_lock(&t->lock);
    ledger_pack(&t->ledger, out);
    pthread_mutex_unlock(&t->lock);
}

void tally_saved(struct tally *t)
{
    t->unsaved = false;
}

int tally_unpack(struct tally *t, struct str packed, struct err *err)
{
    uint64_t judged;
    if (!str_get_u64(&packed, &judged))
        return err_set(err, ERR_CORRUPT, "the stored ledger is empty");
    atomic_store(&t->judged, judged);
    return ledger_unpack(&t->ledger, packed, err);
}

uint64_t tally_judged(const struct tally *t)
{
    return atomic_load_explicit(&t->judged, memory_order_acquire);
}

void tally_pending(struct tally *t, int64_t events)
{
    atomic_fetch_add_explicit(&t->pending, events, memory_order_relaxed);
}

int64_t tally_pending_events(const struct tally *t)
{
    return atomic_load_explicit(&t->pending, memory_order_relaxed);
}

void tally_json(struct tally *t, struct buf *out)
{
    pthread_mutex_lock(&t->lock);
    ledger_json(&t->ledger, tally_pending_events(t), out);
    pthread_mutex_unlock(&t->lock);
}

struct ledger_counts tally_rule(struct tally *t, const struct rule *rule)
{
    pthread_mutex_lock(&t->lock);
    struct ledger_counts counts = ledger_rule(&t->ledger, rule);
    pthread_mutex_unlock(&t->lock);
    return counts;
}

bool tally_balanced(struct tally *t)
{
    pthread_mutex_lock(&t->lock);
    bool balanced = ledger_balanced(&t->ledger);
    pthread_mutex_unlock(&t->lock);
    return balanced;
}

int64_t tally_events(struct tally *t, enum tally_events which)
{
    pthread_mutex_lock(&t->lock);
    int64_t rejected = 0, accepted = t->ledger.accepted + tally_pending_events(t);
    for (unsigned i = 0; i < REJECT_REASONS; i++)
        rejected += t->ledger.rejected[i];
    pthread_mutex_unlock(&t->lock);
    return which == TALLY_ACCEPTED ? accepted : which == TALLY_REJECTED ? rejected : accepted + rejected;
}

int64_t tally_rejected(struct tally *t, enum ledger_reject reason)
{
    pthread_mutex_lock(&t->lock);
    int64_t rejected = t->ledger.rejected[reason];
    pthread_mutex_unlock(&t->lock);
    return rejected;
}
