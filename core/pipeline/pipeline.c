#include "pipeline/pipeline.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "base/metrics.h"
#include "pipeline/recovery.h"

#define WORKER_CAPACITY 16384
#define WORKER_HINTS    100000
#define SAVE_NS         (5 * NS_PER_S)
#define STUCK_NS        (60 * NS_PER_S)
#define GENERATIONS     8

struct pipeline {
    struct pipeline_options options;
    struct store *store;
    struct state_log *state_log;
    struct writer *writer;
    struct journaler *journaler;
    struct checkpoint *checkpoint;
    struct readers *readers;
    struct watchdog *watchdog;
    struct worker *workers[GROUP_SHARDS];
    unsigned worker_count;
    struct recovery *recovery;
    _Atomic size_t pending_bytes;
    char epoch[17];
    uint8_t shard_key[16];
    uint64_t stands_at[GROUP_SHARDS];
    bool unreadable[GROUP_SHARDS];            /* of the state log; filled from the journal alone */
    struct group_shard *shards[GROUP_SHARDS]; /* until the workers take them */

    pthread_mutex_t set_lock;
    struct ruleset *set;                        /* current; referenced */
    struct generation generations[GENERATIONS]; /* those that may still be in service */
    uint64_t generation;
};

/* ---- calls on a worker's thread ---- */

struct worker_call {
    struct mail mail;
    void (*call)(struct worker *worker, void *arg);
    void *arg;
    pthread_mutex_t lock;
    pthread_cond_t done;
    bool is_done;
};

static void deliver_call(struct mail *mail, void *receiver)
{
    struct worker_call *call = (struct worker_call *)mail; /* mail is its first member */
    call->call(receiver, call->arg);
    pthread_mutex_lock(&call->lock);
    call->is_done = true;
    pthread_cond_signal(&call->done);
    pthread_mutex_unlock(&call->lock);
}

void pipeline_on_worker(struct pipeline *p, unsigned index, void (*run)(struct worker *worker, void *arg),
                        void *arg)
{
    struct worker_call call = {.mail = {.deliver = deliver_call}, .call = run, .arg = arg};
    pthread_mutex_init(&call.lock, NULL);
    pthread_cond_init(&call.done, NULL);
    while (!mailbox_post(p->workers[index]->box, &call.mail))
        usleep(1000); /* its box is full: it drains without us */
    pthread_mutex_lock(&call.lock);
    while (!call.is_done)
        pthread_cond_wait(&call.done, &call.lock);
    pthread_mutex_unlock(&call.lock);
    pthread_cond_destroy(&call.done);
    pthread_mutex_destroy(&call.lock);
}

/* ---- a worker's thread ---- */

static void worker_tick(void *arg)
{
    struct worker *w = arg;
    worker_send_orphans(w);
    worker_retire(w);
    worker_alarms(w);
    lua_runtime_idle(pack_runtime(w->current->pack));
    if (++w->ticks % (SAVE_NS / NS_PER_S) == 0) {
        bool all = !w->saved_all || checkpoint_wants_all(w->checkpoint);
        worker_save(w, all);
        w->saved_all = true;
    }
}

static void worker_unpark(void *arg)
{
    worker_dispatch_parked(arg);
}

struct worker_begin {
    struct worker *worker;
    const struct generation *generation;
    const struct pipeline_options *options;
    struct err err;
    bool failed, ready;
    pthread_mutex_t lock;
    pthread_cond_t changed;
};

static void begin_done(struct worker_begin *begin, bool failed)
{
    pthread_mutex_lock(&begin->lock);
    begin->failed = failed;
    begin->ready = true;
    pthread_cond_signal(&begin->changed);
    pthread_mutex_unlock(&begin->lock);
}

static int worker_open(struct worker *w, const struct generation *generation, struct err *err)
{
    owner_bind(&w->owner);
    w->slot = watchdog_slot_new(w->watchdog, "worker", w->loop, STUCK_NS, lua_runtime_overdue, NULL);
    w->current = worker_prepare(w, generation, err);
    if (w->current == NULL)
        return -1;
    mailbox_attach(w->box, w->loop);
    w->tick = timer_new(w->loop, worker_tick, w);
    w->unpark = timer_new(w->loop, worker_unpark, w);
    timer_start(w->tick, NS_PER_S, true);
    return 0;
}

static void worker_close(struct worker *w)
{
    timer_free(w->tick);
    timer_free(w->unpark);
    mailbox_detach(w->box);
    for (unsigned i = 0; i < WORKER_DETECTORS; i++)
        detector_free(w->detectors[i]);
    if (w->slot)
        watchdog_slot_free(w->slot);
}

static void worker_main(void *arg)
{
    struct worker_begin *begin = arg;
    struct worker *w = begin->worker;
    const struct pipeline_options *options = begin->options;
    int rc = worker_open(w, begin->generation, &begin->err);
    if (rc == 0 && options->worker_ready)
        options->worker_ready(w, options->context);
    begin_done(begin, rc != 0); /* begin is gone after this */
    if (rc == 0)
        loop_run(w->loop);
    worker_close(w);
}

static struct worker *worker_make(struct pipeline *p, unsigned index)
{
    struct worker *w = mem_zalloc(1, sizeof(*w));
    w->pipeline = p;
    w->index = index;
    w->count = p->options.workers;
    w->loop = loop_new();
    w->box = mailbox_new(WORKER_CAPACITY, w);
    w->watchdog = p->watchdog;
    w->clock = p->options.clock;
    w->peers = p->workers;
    w->journaler = p->journaler;
    w->writer = p->writer;
    w->checkpoint = p->checkpoint;
    memcpy(w->shard_key, p->shard_key, sizeof(w->shard_key));
    w->hints = hints_new(WORKER_HINTS);
    w->pending_bytes = &p->pending_bytes;
    w->pending_max = p->options.pending_max;
    w->evicted = metric_with(metric_new(METRIC_COUNTER, "lunette_group_evictions_total", "",
                                        "window entries and groups lost to limits"),
                             NULL);
    for (unsigned i = index; i < GROUP_SHARDS; i += w->count)
        w->shards[i] = p->shards[i];
    return w;
}

static int worker_start(struct pipeline *p, unsigned index, struct err *err)
{
    struct worker_begin begin = {
        .worker = p->workers[index], .generation = &p->generations[0], .options = &p->options};
    pthread_mutex_init(&begin.lock, NULL);
    pthread_cond_init(&begin.changed, NULL);
    struct thread *thread = thread_start("worker", worker_main, &begin, err);
    if (thread) {
        pthread_mutex_lock(&begin.lock);
        while (!begin.ready)
            pthread_cond_wait(&begin.changed, &begin.lock);
        pthread_mutex_unlock(&begin.lock);
        p->workers[index]->thread = thread;
        if (begin.failed)
            *err = begin.err;
    }
    pthread_cond_destroy(&begin.changed);
    pthread_mutex_destroy(&begin.lock);
    return thread && !begin.failed ? 0 : -1;
}

static void worker_free(struct worker *w)
{
    for (unsigned i = 0; i < GROUP_SHARDS; i++)
        if (w->shards[i])
            group_shard_free(w->shards[i]);
    hints_free(w->hints);
    vec_free(&w->pressure);
    ledger_delta_free(&w->orphans);
    mailbox_free(w->box);
    loop_free(w->loop);
    free(w);
}

/* ---- start ---- */

/* The shard secret and the store's epoch: made once, kept with the data. */
static int identity(struct pipeline *p, struct err *err)
{
    struct buf value = BUF_EMPTY;
    struct err missing = {0};
    int rc = 0;
    if (store_get(p->store, "identity", &value, &missing) == 0 && value.len == 24) {
        memcpy(p->shard_key, value.ptr, 16);
    } else {
        buf_clear(&value);
        id_random(buf_reserve(&value, 24), 24);
        buf_grew(&value, 24);
        memcpy(p->shard_key, value.ptr, 16);
        rc = store_begin(p->store, err) || store_put(p->store, "identity", buf_str(&value), err) ||
                     store_commit(p->store, err)
                 ? -1
                 : 0;
    }
    id_hex(value.ptr + 16, 8, p->epoch);
    buf_free(&value);
    return rc;
}

static int load_record(unsigned shard, uint64_t batch, struct str payload, void *arg)
{
    struct pipeline *p = arg;
    struct err err = {0};
    if (shard >= GROUP_SHARDS || p->unreadable[shard])
        return 0; /* differences mean nothing without what they differ from */
    if (group_load(p->shards[shard], payload, &err) != 0) {
        LOG_ERR(LOG_ERROR, "state.load", &err); /* the shard starts empty; the journal fills it */
        group_shard_free(p->shards[shard]);
        p->shards[shard] = group_shard_new(p->options.state_max / GROUP_SHARDS);
        p->stands_at[shard] = 0;
        p->unreadable[shard] = true;
        return 0;
    }
    p->stands_at[shard] = batch;
    return 0;
}

static char *data_path(const struct pipeline *p, const char *name)
{
    struct buf path = BUF_EMPTY;
    if (p->options.data == NULL)
        return NULL;
    buf_printf(&path, "%s/%s", p->options.data, name);
    return path.ptr;
}

int pipeline_data_folder(const char *data, struct err *err)
{
    if (data == NULL || mkdir(data, 0700) == 0 || errno == EEXIST)
        return 0;
    return err_errno(err, ERR_IO, errno, "the data folder %s cannot be made", data);
}

static int open_data(struct pipeline *p, struct err *err)
{
    char *state = data_path(p, "state"), *store = data_path(p, "lunette.db");
    int rc = -1;
    if (pipeline_data_folder(p->options.data, err) != 0)
        goto out;
    for (unsigned i = 0; i < GROUP_SHARDS; i++)
        p->shards[i] = group_shard_new(p->options.state_max / GROUP_SHARDS);
    p->store = store_open(store, err);
    if (p->store == NULL || identity(p, err) != 0)
        goto out;
    if (state) {
        p->state_log = state_log_open(state, err);
        if (p->state_log == NULL || state_log_replay(p->state_log, load_record, p, err) != 0)
            goto out;
    }
    rc = 0;
out:
    free(state);
    free(store);
    return rc;
}

static void keep(void *context, uint64_t *from_batch, int64_t *after_ns)
{
    struct pipeline *p = context;
    uint64_t state = checkpoint_needs_from(p->checkpoint), durable = writer_durable(p->writer) + 1;
    *from_batch = state < durable ? state : durable;
    int64_t longest = 0;
    struct ruleset *set = pipeline_ruleset(p);
    for (size_t i = 0; i < set->rule_count; i++) {
        int64_t span = set->rules[i].group.window_ns + set->rules[i].group.late_ns;
        longest = set->rules[i].grouped && span > longest ? span : longest;
    }
    ruleset_unref(set);
    *after_ns = clock_now(p->options.clock) - longest;
}

static int open_threads(struct pipeline *p, struct err *err)
{
    struct writer_options writer = {.store = p->store,
                                    .clock = p->options.clock,
                                    .retain_threats_ns = p->options.retain_threats_ns,
                                    .published = p->options.published,
                                    .context = p->options.context};
    p->writer = writer_new(&writer, err);
    if (p->writer == NULL)
        return -1;
    char *journal = data_path(p, "journal");
    struct journaler_options options = {.dir = journal,
                                        .journal = {.segment_bytes = UINT64_C(64) << 20,
                                                    .retain_bytes = p->options.journal_bytes,
                                                    .retain_ns = p->options.journal_ns},
                                        .first = writer_durable(p->writer) + 1,
                                        .clock = p->options.clock,
                                        .keep = keep,
                                        .context = p};
    p->journaler = journaler_new(&options, err);
    free(journal);
    if (p->journaler == NULL)
        return -1;
    p->checkpoint = checkpoint_start(p->state_log, p->writer, p->stands_at, err);
    p->readers = p->checkpoint ? readers_start(p->store, err) : NULL;
    if (p->readers == NULL || writer_start(p->writer, err) != 0 || journaler_start(p->journaler, err) != 0)
        return -1;
    p->watchdog = watchdog_start(err);
    return p->watchdog ? 0 : -1;
}

static int open_workers(struct pipeline *p, struct err *err)
{
    for (unsigned i = 0; i < p->options.workers; i++) {
        p->workers[i] = worker_make(p, i);
        for (unsigned s = i; s < GROUP_SHARDS; s += p->options.workers)
            p->shards[s] = NULL;
    }
    for (unsigned i = 0; i < p->options.workers; i++) {
        if (worker_start(p, i, err) != 0)
            return -1;
        p->worker_count++;
    }
    return 0;
}

struct pipeline *pipeline_start(const struct pipeline_options *options, struct err *err)
{
    struct pipeline *p = mem_zalloc(1, sizeof(*p));
    p->options = *options;
    pthread_mutex_init(&p->set_lock, NULL);
    p->set = ruleset_ref(options->set);
    p->set->generation = p->generation = 1;
    p->generations[0] = (struct generation){ruleset_ref(p->set), pack_health_new(p->set->rule_count)};
    if (open_data(p, err) != 0 || open_threads(p, err) != 0 || open_workers(p, err) != 0) {
        pipeline_stop(p, 0);
        return NULL;
    }
    char *journal = data_path(p, "journal");
    p->recovery = recovery_start(journal, p->workers[0], p->writer, p->stands_at, err);
    free(journal);
    if (p->recovery == NULL) {
        pipeline_stop(p, 0);
        return NULL;
    }
    return p;
}

/* ---- stop ---- */

static void read_in_flight(struct worker *w, void *arg)
{
    *(size_t *)arg = w->in_flight;
}

static void finish_batches(struct pipeline *p, int64_t limit_ns)
{
    int64_t deadline = clock_monotonic() + limit_ns;
    for (unsigned i = 0; i < p->worker_count; i++) {
        size_t left = 1;
        while (left && clock_monotonic() < deadline) {
            pipeline_on_worker(p, i, read_in_flight, &left);
            if (left)
                usleep(1000);
        }
    }
}

static void save_all(struct worker *w, void *arg)
{
    (void)arg;
    worker_send_orphans(w);
    worker_save(w, false);
}

static void end_worker(struct worker *w, void *arg)
{
    struct pipeline *p = arg;
    if (p->options.worker_ending)
        p->options.worker_ending(w, p->options.context);
    loop_stop(w->loop);
}

/* The writer returns its last parts to the workers' boxes, so it ends before they do. */
static void stop_threads(struct pipeline *p)
{
    if (p->journaler)
        journaler_stop(p->journaler);
    if (p->writer)
        writer_stop(p->writer);
    for (unsigned i = 0; i < p->worker_count; i++)
        pipeline_on_worker(p, i, end_worker, p);
    for (unsigned i = 0; i < GROUP_SHARDS; i++) {
        if (p->workers[i] && p->workers[i]->thread)
            thread_join(p->workers[i]->thread);
        if (p->workers[i])
            worker_free(p->workers[i]);
    }
    checkpoint_stop(p->checkpoint);
    readers_stop(p->readers);
    if (p->watchdog)
        watchdog_stop(p->watchdog);
}

void pipeline_stop(struct pipeline *p, int64_t limit_ns)
{
    recovery_stop(p->recovery);
    finish_batches(p, limit_ns);
    for (unsigned i = 0; i < p->worker_count; i++)
        pipeline_on_worker(p, i, save_all, NULL);
    stop_threads(p);
    recovery_free(p->recovery);
    journaler_free(p->journaler);
    if (p->writer)
        writer_free(p->writer);
    if (p->state_log)
        state_log_close(p->state_log);
    if (p->store)
        store_close(p->store);
    for (unsigned i = 0; i < GROUP_SHARDS; i++)
        group_shard_free(p->shards[i]);
    for (unsigned i = 0; i < GENERATIONS; i++) {
        ruleset_unref(p->generations[i].set);
        if (p->generations[i].health)
            pack_health_free(p->generations[i].health);
    }
    ruleset_unref(p->set);
    pthread_mutex_destroy(&p->set_lock);
    free(p);
}

/* ---- publish ---- */

struct preparing {
    const struct generation *generation;
    struct err err;
    bool ok;
};

static void prepare(struct worker *w, void *arg)
{
    struct preparing *preparing = arg;
    preparing->ok = worker_prepare(w, preparing->generation, &preparing->err) != NULL;
}

static void drop_prepared(struct worker *w, void *arg)
{
    for (unsigned i = 0; i < WORKER_DETECTORS; i++)
        if (w->detectors[i] && w->detectors[i] != w->current && w->detectors[i]->set == arg) {
            detector_free(w->detectors[i]);
            w->detectors[i] = NULL;
        }
}

static void switch_to(struct worker *w, void *arg)
{
    worker_switch(w, arg);
}

/* A place for the new generation; one whose set nobody else holds any more is free. */
static struct generation *free_generation(struct pipeline *p)
{
    for (unsigned i = 0; i < GENERATIONS; i++) {
        struct generation *g = &p->generations[i];
        if (g->set == NULL)
            return g;
        if (g->set != p->set && atomic_load(&g->set->refs) == 1) {
            ruleset_unref(g->set);
            pack_health_free(g->health);
            *g = (struct generation){0};
            return g;
        }
    }
    return NULL;
}

int pipeline_publish(struct pipeline *p, struct ruleset *set, struct err *err)
{
    struct generation *generation = free_generation(p);
    if (generation == NULL)
        return err_set(err, ERR_BUSY, "earlier generations of rules are still at work");
    set->generation = p->generation + 1;
    *generation = (struct generation){ruleset_ref(set), pack_health_new(set->rule_count)};
    for (unsigned i = 0; i < p->worker_count; i++) {
        struct preparing preparing = {.generation = generation};
        pipeline_on_worker(p, i, prepare, &preparing);
        if (preparing.ok)
            continue;
        *err = preparing.err;
        for (unsigned k = 0; k < i; k++)
            pipeline_on_worker(p, k, drop_prepared, set);
        return -1;
    }
    for (unsigned i = 0; i < p->worker_count; i++)
        pipeline_on_worker(p, i, switch_to, set);
    p->generation = set->generation;
    pthread_mutex_lock(&p->set_lock);
    struct ruleset *old = p->set;
    p->set = ruleset_ref(set);
    pthread_mutex_unlock(&p->set_lock);
    ruleset_unref(old);
    return 0;
}

struct ruleset *pipeline_ruleset(struct pipeline *p)
{
    pthread_mutex_lock(&p->set_lock);
    struct ruleset *set = ruleset_ref(p->set);
    pthread_mutex_unlock(&p->set_lock);
    return set;
}

/* ---- the rest ---- */

bool pipeline_recovered(const struct pipeline *p)
{
    return recovery_done(p->recovery);
}

uint64_t pipeline_replayed(const struct pipeline *p)
{
    return recovery_batches(p->recovery);
}

struct writer *pipeline_writer(struct pipeline *p)
{
    return p->writer;
}

struct readers *pipeline_readers(struct pipeline *p)
{
    return p->readers;
}

struct worker *pipeline_worker(struct pipeline *p, unsigned index)
{
    return p->workers[index];
}

unsigned pipeline_workers(const struct pipeline *p)
{
    return p->worker_count;
}

const char *pipeline_epoch(const struct pipeline *p)
{
    return p->epoch;
}

void pipeline_health(struct pipeline *p, struct pipeline_health *health)
{
    *health = (struct pipeline_health){.durable = p->options.data != NULL,
                                       .recovered = pipeline_recovered(p),
                                       .journal_full = journaler_full(p->journaler),
                                       .journal_short = journaler_short(p->journaler),
                                       .store_failing = writer_failing(p->writer),
                                       .balanced = writer_balanced(p->writer),
                                       .pending_events = writer_pending_events(p->writer),
                                       .judged = writer_judged(p->writer),
                                       .journal_last = journaler_last(p->journaler),
                                       .pending_bytes = atomic_load(&p->pending_bytes)};
}
