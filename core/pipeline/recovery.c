#include "pipeline/recovery.h"

#include "base/log.h"

#define AHEAD 64 /* batches under way at once, and fed in one turn of the loop */

struct recovery {
    struct mail mail; /* asks for a turn of the loop */
    struct worker *worker;
    struct journal_reader *reader;
    struct journal_frame frame; /* the next one, where has_frame */
    uint64_t expected, last;    /* next number to feed, and the highest there is */
    uint64_t counted_from;      /* the store has counted all before */
    size_t under_way;
    bool has_frame, at_end;
    bool feeding; /* on the stack: an answer that comes at once must not feed again */
    bool asked;   /* the mail is in the box */
    int64_t began_ns;
    atomic_bool stop, done;
    _Atomic uint64_t batches;
};

/* ---- feeding ---- */

static void batch_done(const struct submission_result *result, void *arg);

static void feed(struct recovery *r, const struct journal_frame *frame)
{
    r->under_way++;
    r->expected = frame->batch + 1;
    worker_replay(r->worker, frame, frame->batch >= r->counted_from, batch_done, r);
}

/* False at the end of what can be read. */
static bool read_frame(struct recovery *r)
{
    struct err err = {0};
    while (!r->has_frame) {
        int more = r->reader ? journal_reader_next(r->reader, &r->frame, &err) : 0;
        if (more < 0)
            LOG_ERR(LOG_ERROR, "recovery.read", &err);
        if (more != 1 || r->frame.batch > r->last)
            return false;
        r->has_frame = r->frame.batch >= r->expected;
    }
    return true;
}

/* A number that the journal no longer has still has a place in the ledger: an empty one. */
static void feed_next(struct recovery *r)
{
    uint64_t next = read_frame(r) ? r->frame.batch : r->last + 1;
    if (r->expected < r->counted_from)
        r->expected = next < r->counted_from ? next : r->counted_from;
    if (r->expected < next) {
        struct journal_frame hole = {.batch = r->expected, .format = JOURNAL_NDJSON};
        feed(r, &hole);
    } else if (r->has_frame) {
        r->has_frame = false;
        feed(r, &r->frame);
    } else {
        r->at_end = true;
    }
}

static void finish(struct recovery *r)
{
    if (atomic_load(&r->stop) || atomic_load(&r->done))
        return;
    LOG(LOG_INFO, "recovery.done", log_int("batches", atomic_load(&r->batches)),
        log_int("milliseconds", (clock_monotonic() - r->began_ns) / NS_PER_MS),
        log_int("skipped", r->reader ? journal_reader_skipped(r->reader) : 0));
    atomic_store(&r->done, true);
}

/* One turn's worth: a long journal must not keep the loop from its other mail. */
static void feed_some(struct recovery *r)
{
    r->feeding = true;
    for (size_t n = 0; n < AHEAD && r->under_way < AHEAD && !r->at_end; n++) {
        r->at_end = atomic_load(&r->stop);
        if (!r->at_end)
            feed_next(r);
    }
    r->feeding = false;
}

/* A refusal is no matter as long as batches are under way: each asks again when it is done. */
static bool ask_for_turn(struct recovery *r)
{
    if (!r->asked)
        r->asked = mailbox_post(worker_mailbox(r->worker), &r->mail);
    return r->asked;
}

static void go_on(struct recovery *r)
{
    do
        feed_some(r);
    while (!r->at_end && r->under_way < AHEAD && !ask_for_turn(r) && r->under_way == 0);
    if (r->at_end && r->under_way == 0)
        finish(r);
}

static void batch_done(const struct submission_result *result, void *arg)
{
    struct recovery *r = arg;
    (void)result;
    r->under_way--;
    atomic_fetch_add(&r->batches, 1);
    if (r->feeding)
        return;
    if (r->at_end && r->under_way == 0)
        finish(r);
    else if (!r->at_end && !ask_for_turn(r) && r->under_way == 0)
        go_on(r);
}

static void deliver(struct mail *mail, void *receiver)
{
    struct recovery *r = (struct recovery *)mail; /* mail is its first member */
    (void)receiver;
    r->asked = false;
    go_on(r);
}

/* ---- life ---- */

static uint64_t lowest_needed(const struct recovery *r, const uint64_t *stands_at)
{
    uint64_t from = r->counted_from;
    for (unsigned i = 0; i < GROUP_SHARDS; i++)
        if (stands_at[i] + 1 < from)
            from = stands_at[i] + 1;
    return from;
}

struct recovery *recovery_start(const struct recovery_options *options, struct err *err)
{
    struct recovery *r = mem_zalloc(1, sizeof(*r));
    r->worker = options->worker;
    r->last = options->last;
    r->began_ns = clock_monotonic();
    r->counted_from = writer_durable(options->writer) + 1;
    r->expected = lowest_needed(r, options->stands_at);
    r->mail.deliver = deliver;
    if (options->dir && (r->reader = journal_reader_open(options->dir, r->expected, err)) == NULL) {
        free(r);
        return NULL;
    }
    r->asked = true;
    if (!mailbox_post(worker_mailbox(r->worker), &r->mail))
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
