#include "pipeline/recovery.h"

#include "base/log.h"

#define AHEAD 64 /* batches under way at once */

struct recovery {
    struct mail mail;
    struct worker *worker;
    struct writer *writer;
    struct journal_reader *reader;
    uint64_t from, expected, counted_from;
    size_t under_way;
    bool at_end;
    int64_t began_ns;
    atomic_bool stop, done;
    _Atomic uint64_t batches;
};

static void go_on(struct recovery *r);

static void batch_done(const struct submission_result *result, void *arg)
{
    struct recovery *r = arg;
    (void)result;
    r->under_way--;
    atomic_fetch_add(&r->batches, 1);
    if (!r->at_end && r->under_way == AHEAD - 1)
        mailbox_post(worker_mailbox(r->worker), &r->mail); /* not from inside the answer */
    else if (r->at_end && r->under_way == 0)
        go_on(r);
}

static void feed(struct recovery *r, const struct journal_frame *frame)
{
    r->under_way++;
    worker_replay(r->worker, frame, frame->batch >= r->counted_from, batch_done, r);
}

/* A number that the journal no longer has still has a place in the ledger: an empty one. */
static void feed_holes(struct recovery *r, uint64_t until)
{
    if (r->expected < r->counted_from)
        r->expected = r->counted_from;
    for (; r->expected < until; r->expected++) {
        struct journal_frame hole = {.batch = r->expected, .format = JOURNAL_NDJSON};
        feed(r, &hole);
    }
}

static void finished(struct recovery *r)
{
    LOG(LOG_INFO, "recovery.done", log_int("batches", atomic_load(&r->batches)),
        log_int("milliseconds", (clock_monotonic() - r->began_ns) / NS_PER_MS),
        log_int("skipped", r->reader ? journal_reader_skipped(r->reader) : 0));
    atomic_store(&r->done, true);
}

static void go_on(struct recovery *r)
{
    struct err err = {0};
    while (!r->at_end && r->under_way < AHEAD) {
        struct journal_frame frame;
        bool reads = r->reader && !atomic_load(&r->stop);
        int more = reads ? journal_reader_next(r->reader, &frame, &err) : 0;
        if (more != 1) {
            if (more < 0)
                LOG_ERR(LOG_ERROR, "recovery.read", &err);
            r->at_end = true;
            break;
        }
        feed_holes(r, frame.batch);
        r->expected = frame.batch + 1;
        feed(r, &frame);
    }
    if (r->at_end && r->under_way == 0 && !atomic_load(&r->done) && !atomic_load(&r->stop))
        finished(r);
}

static void deliver(struct mail *mail, void *receiver)
{
    (void)receiver;
    go_on((struct recovery *)mail); /* mail is its first member */
}

struct recovery *recovery_start(const char *dir, struct worker *worker, struct writer *writer,
                                const uint64_t *stands_at, struct err *err)
{
    struct recovery *r = mem_zalloc(1, sizeof(*r));
    r->worker = worker;
    r->writer = writer;
    r->began_ns = clock_monotonic();
    r->counted_from = writer_durable(writer) + 1;
    r->from = r->counted_from;
    for (unsigned i = 0; i < GROUP_SHARDS; i++)
        if (stands_at[i] + 1 < r->from)
            r->from = stands_at[i] + 1;
    r->expected = r->from;
    r->mail.deliver = deliver;
    if (dir && (r->reader = journal_reader_open(dir, r->from, err)) == NULL) {
        free(r);
        return NULL;
    }
    if (!mailbox_post(worker_mailbox(worker), &r->mail))
        die("a new worker's box is full");
    return r;
}

void recovery_stop(struct recovery *r)
{
    if (r)
        atomic_store(&r->stop, true);
}

void recovery_free(struct recovery *r)
{
    if (r == NULL)
        return;
    if (r->reader)
        journal_reader_close(r->reader);
    free(r);
}

bool recovery_done(const struct recovery *r)
{
    return r && atomic_load(&r->done);
}

uint64_t recovery_batches(const struct recovery *r)
{
    return r ? atomic_load(&r->batches) : 0;
}
