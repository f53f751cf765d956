#include <pthread.h>

#include "base/metrics.h"
#include "pipeline/pipeline_impl.h"

#define WORKER_CAPACITY 16384
#define WORKER_HINTS    100000
#define SAVE_NS         (5 * NS_PER_S)
#define STUCK_NS        (60 * NS_PER_S)

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
    mailbox_post_always(p->workers[index]->box, &call.mail);
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
    if (w->ending)
        return;
    worker_send_orphans(w);
    worker_retire(w);
    worker_alarms(w);
    lua_runtime_idle(pack_runtime(w->current->pack));
    triage_idle(w->current->triage);
    if (++w->ticks % (SAVE_NS / NS_PER_S) == 0)
        worker_save(w, checkpoint_wants_all(w->checkpoint, w->index));
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
    atomic_store(&w->generation, generation->set->generation);
    struct analyst_options analyst = {.settings = w->pipeline->options.ai,
                                      .loop = w->loop,
                                      .box = w->box,
                                      .readers = w->readers,
                                      .watchdog = w->slot,
                                      .clock = w->clock};
    w->analyst = analyst_new(&analyst, err);
    if (w->analyst == NULL)
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
    analyst_free(w->analyst);
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

struct worker *worker_make(struct pipeline *p, unsigned index)
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
    w->readers = p->readers;
    w->checkpoint = p->checkpoint;
    memcpy(w->shard_key, p->shard_key, sizeof(w->shard_key));
    memcpy(w->stood_at, p->stands_at, sizeof(w->stood_at));
    w->hints = hints_new(WORKER_HINTS);
    w->verdicts = verdicts_copy(p->verdicts);
    w->pending_bytes = &p->pending_bytes;
    w->pending_max = p->options.pending_max;
    w->evicted = metric_with(metric_new(METRIC_COUNTER, "lunette_group_evictions_total", "",
                                        "window entries and groups lost to limits"),
                             NULL);
    for (unsigned i = index; i < GROUP_SHARDS; i += w->count) {
        w->shards[i] = p->shards[i];
        p->shards[i] = NULL;
    }
    return w;
}

int worker_start(struct pipeline *p, unsigned index, struct err *err)
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

void worker_free(struct worker *w)
{
    for (unsigned i = 0; i < GROUP_SHARDS; i++)
        if (w->shards[i])
            group_shard_free(w->shards[i]);
    hints_free(w->hints);
    verdicts_free(w->verdicts);
    vec_free(&w->pressure);
    ledger_delta_free(&w->orphans);
    mailbox_free(w->box);
    loop_free(w->loop);
    free(w);
}
