#include "pipeline/checkpoint.h"

#include "base/log.h"
#include "loop/thread.h"
#include "pipeline/meters.h"

#define CHECKPOINT_CAPACITY 256
#define LOG_SMALL           (1 << 20) /* below this size a log is not worth compacting */

/* Sets of workers are bits. */
struct checkpoint {
    struct mailbox *box;
    struct thread *thread;
    struct state_log *log;
    struct writer *writer;
    atomic_bool stop;
    _Atomic uint64_t wants; /* their next save should be whole */
    uint64_t workers;       /* all of them */
    uint64_t missing; /* their whole state is still to come into the new file; 0: no rewrite under way */
    uint64_t broken;  /* a change was lost: differences mean nothing until the whole state has come */
    bool due;         /* the next whole state begins a new file */
    _Atomic uint64_t stands_at[GROUP_SHARDS];
    uint64_t stands_next[GROUP_SHARDS];
    VEC(struct saved_state *) queue; /* in order of arrival */
    size_t state_bytes;              /* of all workers, at the last rewrite */
};

static void saved_free(struct saved_state *saved)
{
    for (unsigned i = 0; i < GROUP_SHARDS; i++)
        buf_free(&saved->shards[i]);
    free(saved);
}

/* Everything is written anew with what comes next. */
static void rewrite_soon(struct checkpoint *c)
{
    c->due = true;
    atomic_store(&c->wants, c->workers);
}

static void deliver(struct mail *mail, void *receiver)
{
    struct checkpoint *c = receiver;
    vec_push(&c->queue, (struct saved_state *)mail);
}

static int append(struct checkpoint *c, struct saved_state *saved, struct err *err)
{
    for (unsigned i = 0; i < GROUP_SHARDS; i++) {
        if (saved->shards[i].cap == 0)
            continue; /* another worker's */
        if (state_log_append(c->log, i, saved->stands_at, buf_str(&saved->shards[i]), err) != 0)
            return -1;
    }
    return state_log_sync(c->log, err);
}

/* What goes into a new file stands only once that file is the log: until then a crash finds the old one. */
static void stand(struct checkpoint *c, const struct saved_state *saved)
{
    for (unsigned i = 0; i < GROUP_SHARDS; i++)
        if (saved->shards[i].cap)
            c->stands_next[i] = saved->stands_at;
    for (unsigned i = 0; i < GROUP_SHARDS && c->missing == 0; i++)
        atomic_store(&c->stands_at[i], c->stands_next[i]);
}

static int begin_rewrite(struct checkpoint *c, struct err *err)
{
    if (state_log_rewrite(c->log, err) != 0)
        return -1;
    c->missing = c->workers;
    c->state_bytes = 0;
    c->due = false;
    return 0;
}

/* A new file becomes the log when every worker's whole state is in it. */
static int write_saved(struct checkpoint *c, struct saved_state *saved, struct err *err)
{
    uint64_t worker = UINT64_C(1) << saved->worker;
    if (saved->all && c->due && c->missing == 0 && begin_rewrite(c, err) != 0)
        return -1;
    if (append(c, saved, err) != 0)
        return -1;
    if (!saved->all)
        return 0;
    c->broken &= ~worker;
    if ((c->missing & worker) == 0)
        return 0;
    c->state_bytes += saved->bytes;
    c->missing &= ~worker;
    return c->missing == 0 ? state_log_commit(c->log, err) : 0;
}

static void take(struct checkpoint *c, struct saved_state *saved)
{
    struct err err = {0};
    if (!saved->all && c->broken >> saved->worker & 1)
        return;
    if (c->log && write_saved(c, saved, &err) != 0) {
        LOG_ERR(LOG_ERROR, "state.append", &err);
        c->missing = 0;
        c->broken = c->workers;
        rewrite_soon(c);
        return;
    }
    stand(c, saved);
    uint64_t bytes = c->log ? state_log_bytes(c->log) : 0;
    if (!c->due && c->missing == 0 && bytes > LOG_SMALL && bytes > 2 * (uint64_t)c->state_bytes)
        rewrite_soon(c);
}

static void drain(struct checkpoint *c)
{
    size_t done = 0;
    while (done < c->queue.count && c->queue.items[done]->knows_of <= writer_durable(c->writer)) {
        take(c, c->queue.items[done]);
        saved_free(c->queue.items[done++]);
    }
    c->queue.count -= done;
    if (done && c->queue.count)
        memmove(c->queue.items, c->queue.items + done, c->queue.count * sizeof(*c->queue.items));
}

static void checkpoint_main(void *arg)
{
    struct checkpoint *c = arg;
    while (!atomic_load(&c->stop)) {
        mailbox_receive(c->box, 64, c->queue.count ? 100 * NS_PER_MS : NS_PER_S);
        drain(c);
    }
    while (mailbox_receive(c->box, 64, 0))
        ;
    drain(c);
}

struct checkpoint *checkpoint_start(struct state_log *log, struct writer *writer, unsigned workers,
                                    const uint64_t *stands_at, struct err *err)
{
    struct checkpoint *c = mem_zalloc(1, sizeof(*c));
    c->box = mailbox_new(CHECKPOINT_CAPACITY, c);
    c->log = log;
    c->writer = writer;
    c->workers = workers < 64 ? (UINT64_C(1) << workers) - 1 : UINT64_MAX;
    rewrite_soon(c);
    for (unsigned i = 0; i < GROUP_SHARDS; i++)
        atomic_init(&c->stands_at[i], c->stands_next[i] = stands_at[i]);
    c->thread = thread_start("checkpoint", checkpoint_main, c, err);
    if (c->thread == NULL) {
        mailbox_free(c->box);
        free(c);
        return NULL;
    }
    return c;
}

void checkpoint_stop(struct checkpoint *c)
{
    if (c == NULL)
        return;
    atomic_store(&c->stop, true);
    mailbox_wake(c->box);
    thread_join(c->thread);
    for (size_t i = 0; i < c->queue.count; i++)
        saved_free(c->queue.items[i]);
    vec_free(&c->queue);
    mailbox_free(c->box);
    free(c);
}

void checkpoint_take(struct checkpoint *c, struct saved_state *saved)
{
    meters_state(saved->worker, saved->bytes);
    uint64_t worker = UINT64_C(1) << saved->worker;
    saved->mail.deliver = deliver;
    if (saved->all)
        atomic_fetch_and(&c->wants, ~worker);
    if (mailbox_post(c->box, &saved->mail))
        return;
    atomic_fetch_or(&c->wants, worker);
    saved_free(saved);
}

bool checkpoint_wants_all(const struct checkpoint *c, unsigned worker)
{
    return atomic_load(&c->wants) >> worker & 1;
}

uint64_t checkpoint_needs_from(const struct checkpoint *c)
{
    uint64_t from = UINT64_MAX;
    for (unsigned i = 0; i < GROUP_SHARDS; i++) {
        uint64_t at = atomic_load(&c->stands_at[i]);
        from = at < from ? at : from;
    }
    return from + 1;
}
