#include "pipeline/checkpoint.h"

#include "base/log.h"
#include "loop/thread.h"

#define CHECKPOINT_CAPACITY 256
#define LOG_SMALL           (1 << 20) /* below this size a log is not worth compacting */

struct checkpoint {
    struct mailbox *box;
    struct thread *thread;
    struct state_log *log;
    struct writer *writer;
    atomic_bool stop, wants_all;
    atomic_bool broken; /* a change was lost: only a whole round can stand in the log again */
    _Atomic uint64_t stands_at[GROUP_SHARDS];
    uint64_t stands_next[GROUP_SHARDS];
    VEC(struct saved_state *) queue; /* in order of arrival */
    unsigned rewriting;              /* workers of a whole round still to come; 0: not rewriting */
    size_t state_bytes;              /* of the round under way */
};

static void saved_free(struct saved_state *saved)
{
    for (unsigned i = 0; i < GROUP_SHARDS; i++)
        buf_free(&saved->shards[i]);
    free(saved);
}

static void lost(struct checkpoint *c)
{
    atomic_store(&c->broken, true);
    atomic_store(&c->wants_all, true);
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

/* What a whole round saves stands only once its file is the log: until then a crash finds the old one. */
static void stand(struct checkpoint *c, const struct saved_state *saved)
{
    for (unsigned i = 0; i < GROUP_SHARDS; i++)
        if (saved->shards[i].cap)
            c->stands_next[i] = saved->stands_at;
    for (unsigned i = 0; i < GROUP_SHARDS && c->rewriting == 0; i++)
        atomic_store(&c->stands_at[i], c->stands_next[i]);
}

/* A whole round goes into a new file, which becomes the log with its last worker. */
static int write_saved(struct checkpoint *c, struct saved_state *saved, struct err *err)
{
    if (saved->all && c->rewriting == 0) {
        if (state_log_rewrite(c->log, err) != 0)
            return -1;
        c->rewriting = saved->workers;
        c->state_bytes = 0;
    }
    if (append(c, saved, err) != 0)
        return -1;
    if (!saved->all || c->rewriting == 0)
        return 0;
    c->state_bytes += saved->bytes;
    if (--c->rewriting == 0) {
        if (state_log_commit(c->log, err) != 0)
            return -1;
        atomic_store(&c->wants_all, false);
        atomic_store(&c->broken, false);
    }
    return 0;
}

static void take(struct checkpoint *c, struct saved_state *saved)
{
    struct err err = {0};
    if (c->log == NULL) {
        stand(c, saved);
        return;
    }
    if (atomic_load(&c->broken) && !saved->all)
        return;
    if (write_saved(c, saved, &err) == 0) {
        stand(c, saved);
        uint64_t bytes = state_log_bytes(c->log);
        if (c->rewriting == 0 && bytes > LOG_SMALL && bytes > 2 * (uint64_t)c->state_bytes)
            atomic_store(&c->wants_all, true);
        return;
    }
    LOG_ERR(LOG_ERROR, "state.append", &err);
    c->rewriting = 0;
    lost(c);
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

struct checkpoint *checkpoint_start(struct state_log *log, struct writer *writer, const uint64_t *stands_at,
                                    struct err *err)
{
    struct checkpoint *c = mem_zalloc(1, sizeof(*c));
    c->box = mailbox_new(CHECKPOINT_CAPACITY, c);
    c->log = log;
    c->writer = writer;
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
    saved->mail.deliver = deliver;
    if (mailbox_post(c->box, &saved->mail))
        return;
    lost(c);
    saved_free(saved);
}

bool checkpoint_wants_all(const struct checkpoint *c)
{
    return atomic_load(&c->wants_all);
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
