#include "pipeline/writer.h"

#include "base/log.h"
#include "base/metrics.h"
#include "loop/thread.h"
#include "pipeline/followup.h"

#define WRITER_CAPACITY        65536
#define WRITER_FAMILIES        100000
#define WRITER_TAKE            1024     /* mails per commit */
#define FLUSH_NS               NS_PER_S /* folds and ledger */
#define RETRY_NS               NS_PER_S /* after a failed commit */
#define RETAIN_EVERY_NS        (60 * NS_PER_S)
#define RETAIN_ROWS            500 /* deletes in slices */
#define OBSERVATIONS_RETAIN_NS (7 * INT64_C(86400) * NS_PER_S)
#define AUDIT_RETAIN_NS        (365 * INT64_C(86400) * NS_PER_S)

struct writer {
    struct writer_options options;
    struct mailbox *box;
    struct thread *thread;
    struct book *book;
    atomic_bool stop, failing, closed;
    _Atomic uint64_t durable;
    atomic_uint voided; /* how often the hints were */

    struct tally *tally;
    VEC(struct part *) waiting; /* parts whose answer waits for the commit */
    VEC(struct part *) stuck;   /* parts the book's source failed on */
    VEC(struct writer_task *) tasks;
    VEC(struct observed *) observed; /* to be kept with the next commit */
    struct map *replayed;            /* firings of batches observed again, while there are such; NULL */
    int64_t flushed_at, retained_at;
    struct followup *followup; /* or NULL */
    struct metric_series *commit_seconds;
};

/* ---- parts ---- */

static void note_raised(const struct judged *judged, const struct raise_result *result, void *arg)
{
    struct part *part = arg;
    struct raised raised = {.is_new = result->outcome == RAISE_NEW, .anchor_ns = result->threat->anchor_ns};
    (void)judged;
    memcpy(raised.threat_id, result->threat->id, sizeof(raised.threat_id));
    vec_push(&part->raised, raised);
    if (result->outcome == RAISE_NEW || result->outcome == RAISE_REANCHOR)
        part->urgent = true;
}

/* Kept before the mark passes their batch, and before anybody is told. */
static void take_observed(struct writer *w, struct part *part)
{
    if (part->observed == NULL)
        return;
    vec_push(&w->observed, part->observed);
    part->observed = NULL;
    part->urgent = true;
}

static void answer_part(struct part *part);

/* What an observation after a start raised is held already where its threat was stored before: the first such
 * firing of an event is the one that was counted, any other a repetition. */
static void set_replayed(struct writer *w, struct part *part)
{
    if (part->batch->replay && w->replayed == NULL)
        w->replayed = map_new();
    else if (!part->batch->replay && part->batch->number && w->replayed) {
        map_free(w->replayed, NULL);
        w->replayed = NULL;
    }
    part->verdict.replayed = w->replayed;
}

/* False when the book could not be read: the part stays and is tried again. */
static bool take_part(struct writer *w, struct part *part)
{
    struct err err = {0};
    /* All that came of a batch that is not counted again is in the store. */
    bool raises = part->batch->counted;
    set_replayed(w, part);
    if (raises && judge_raise(w->book, &part->verdict, &part->raised_at, note_raised, part, &err) != 0) {
        LOG_ERR(LOG_ERROR, "writer.book", &err);
        return false;
    }
    take_observed(w, part);
    tally_part(w->tally, part);
    if (part->urgent)
        vec_push(&w->waiting, part);
    else
        answer_part(part);
    return true;
}

void writer_deliver_part(struct mail *mail, void *receiver)
{
    struct writer *w = receiver;
    struct part *part = (struct part *)mail; /* mail is its first member */
    if (!take_part(w, part))
        vec_push(&w->stuck, part);
}

static void retry_stuck(struct writer *w)
{
    size_t kept = 0;
    for (size_t i = 0; i < w->stuck.count; i++)
        if (!take_part(w, w->stuck.items[i]))
            w->stuck.items[kept++] = w->stuck.items[i];
    w->stuck.count = kept;
}

void worker_deliver_verdict(struct mail *mail, void *receiver);
struct mailbox *worker_mailbox(struct worker *worker);

static void answer_part(struct part *part)
{
    part->mail.deliver = worker_deliver_verdict;
    mailbox_post_reserved(worker_mailbox(part->owner), &part->mail);
}

/* ---- commit ---- */

static int put_change(struct writer *w, const struct book_change *change, struct err *err)
{
    struct threat *threat = change->threat;
    threat->last_seq = store_next_seq(w->options.store);
    if (change->is_new)
        threat->seq = threat->last_seq;
    threat->updated_ns = clock_now(w->options.clock);
    if (store_put_threat(w->options.store, threat, change->is_new, err) != 0)
        return -1;
    if (w->followup && followup_store(w->followup, threat, change->is_new, err) != 0)
        return -1;
    if (change->member_count == 0)
        return 0;
    return store_add_members(w->options.store, threat->id, change->members, change->member_count, err);
}

static int put_observed(struct writer *w, struct err *err)
{
    for (size_t i = 0; i < w->observed.count; i++)
        if (observed_store(w->observed.items[i], w->options.store, err) != 0)
            return -1;
    return 0;
}

static void drop_observed(struct writer *w)
{
    for (size_t i = 0; i < w->observed.count; i++)
        observed_free(w->observed.items[i]);
    w->observed.count = 0;
}

static int put_facts(struct writer *w, struct err *err)
{
    struct buf packed = BUF_EMPTY;
    tally_pack(w->tally, &packed);
    int rc = store_put(w->options.store, "ledger", buf_str(&packed), err);
    buf_free(&packed);
    return rc;
}

/* A task that finds something wrong says so before it writes. One that the store failed on may have written
 * half: then the whole transaction goes. */
static int run_tasks(struct writer *w, struct err *err)
{
    for (size_t i = 0; i < w->tasks.count; i++) {
        struct writer_task *task = w->tasks.items[i];
        task->err = (struct err){0};
        if (task->run(task, w, &task->err) == 0)
            continue;
        enum err_code code = task->err.code;
        if (code == ERR_IO || code == ERR_CORRUPT || code == ERR_INTERNAL) {
            *err = task->err;
            return -1;
        }
    }
    return 0;
}

struct stored {
    VEC(struct threat *) threats;
    VEC(bool) news;
};

static int put_changes(struct writer *w, bool all, struct stored *stored, struct err *err)
{
    struct book_change change;
    size_t at = 0;
    while (book_next_change(w->book, &at, !all, &change)) {
        if (put_change(w, &change, err) != 0)
            return -1;
        vec_push(&stored->threats, change.threat);
        vec_push(&stored->news, change.is_new);
    }
    return 0;
}

/* By last_seq they are in the order in which they were put. */
static void publish(struct writer *w, const struct stored *stored)
{
    for (size_t i = 0; i < stored->threats.count; i++) {
        struct change change = {stored->threats.items[i]->last_seq, stored->news.items[i],
                                stored->threats.items[i]};
        if (w->options.published)
            w->options.published(&change, w->options.context);
        book_clean(w->book, stored->threats.items[i]); /* the threat may leave memory with this */
    }
}

static void answer_all(struct writer *w)
{
    for (size_t i = 0; i < w->waiting.count; i++)
        answer_part(w->waiting.items[i]);
    w->waiting.count = 0;
}

static void finish_tasks(struct writer *w, const struct err *failure)
{
    for (size_t i = 0; i < w->tasks.count; i++) {
        struct writer_task *task = w->tasks.items[i];
        if (failure && task->err.code == ERR_NONE)
            task->err = *failure;
        task->done(task);
    }
    w->tasks.count = 0;
}

static int transaction(struct writer *w, bool all, struct stored *stored, struct err *err)
{
    if (store_begin(w->options.store, err) != 0)
        return -1;
    book_watch(w->book);
    int rc = run_tasks(w, err) || (w->followup && followup_work(w->followup, err)) ||
             put_changes(w, all, stored, err) || put_observed(w, err) || (all && put_facts(w, err)) ||
             store_commit(w->options.store, err);
    if (rc)
        store_rollback(w->options.store);
    book_settle(w->book, rc != 0);
    return rc ? -1 : 0;
}

static void commit(struct writer *w, bool all)
{
    struct err err = {0};
    struct stored stored = {0};
    uint64_t judged = tally_judged(w->tally);
    int64_t began = clock_monotonic();
    int rc = transaction(w, all, &stored, &err);
    atomic_store(&w->failing, rc != 0);
    if (rc == 0) {
        publish(w, &stored);
        if (all) {
            atomic_store_explicit(&w->durable, judged, memory_order_release);
            tally_saved(w->tally);
            w->flushed_at = began;
        }
        drop_observed(w);
        answer_all(w);
        finish_tasks(w, NULL);
        if (w->followup)
            followup_committed(w->followup);
        metric_observe(w->commit_seconds, (double)(clock_monotonic() - began) / 1e9);
    } else {
        LOG_ERR(LOG_ERROR, "writer.commit", &err);
        if (w->followup)
            followup_rolled_back(w->followup);
        finish_tasks(w, &err);
    }
    vec_free(&stored.threats);
    vec_free(&stored.news);
}

/* A task that wants the book clean has a transaction of its own, behind everything else. */
static void clean_book(struct writer *w)
{
    VEC(struct writer_task *) wanting = {0};
    struct err dirty = {0};
    size_t others = 0;
    for (size_t i = 0; i < w->tasks.count; i++) {
        if (w->tasks.items[i]->clean_book)
            vec_push(&wanting, w->tasks.items[i]);
        else
            w->tasks.items[others++] = w->tasks.items[i];
    }
    w->tasks.count = others;
    if (wanting.count && (others || book_changes(w->book, false)))
        commit(w, true);
    for (size_t i = 0; i < wanting.count; i++)
        vec_push(&w->tasks, wanting.items[i]);
    if (wanting.count && book_changes(w->book, false)) { /* that commit failed */
        err_set(&dirty, ERR_BUSY, "the store cannot be written now; try again");
        for (size_t i = 0; i < wanting.count; i++)
            wanting.items[i]->err = (struct err){0};
        finish_tasks(w, &dirty);
    }
    vec_free(&wanting);
}

static bool anything_to_flush(struct writer *w)
{
    return tally_unsaved(w->tally) || book_changes(w->book, false) > 0 ||
           tally_judged(w->tally) != atomic_load(&w->durable);
}

static void retain(struct writer *w, int64_t now)
{
    struct err err = {0};
    size_t deleted = 0, observations = 0;
    int64_t wall = clock_now(w->options.clock);
    w->retained_at = now;
    if (store_begin(w->options.store, &err) == 0 &&
        store_retain(w->options.store, wall - w->options.retain_threats_ns, wall - AUDIT_RETAIN_NS,
                     RETAIN_ROWS, &deleted, &err) == 0 &&
        store_retain_observations(w->options.store, wall - OBSERVATIONS_RETAIN_NS, RETAIN_ROWS, &observations,
                                  &err) == 0 &&
        store_commit(w->options.store, &err) == 0) {
        if (deleted == RETAIN_ROWS || observations == RETAIN_ROWS)
            w->retained_at = now - RETAIN_EVERY_NS; /* the next slice follows at once */
        return;
    }
    store_rollback(w->options.store);
    LOG_ERR(LOG_WARN, "writer.retain", &err);
}

/* One round: take what there is, commit what waits. */
static void turn(struct writer *w, int64_t wait_ns)
{
    mailbox_receive(w->box, WRITER_TAKE, wait_ns);
    retry_stuck(w);
    tally_advance(w->tally);
    clean_book(w);
    int64_t now = clock_monotonic();
    bool all = now - w->flushed_at >= FLUSH_NS && anything_to_flush(w);
    bool due = w->followup && followup_due(w->followup, now);
    if (all || due || w->waiting.count || w->tasks.count || book_changes(w->book, true))
        commit(w, all);
    if (now - w->retained_at >= RETAIN_EVERY_NS && w->options.retain_threats_ns)
        retain(w, now);
}

/* The journal has their batches: the next start observes them again. */
static void lose(struct part *part)
{
    part->lost = true;
    answer_part(part);
}

static void lose_rest(struct writer *w)
{
    for (size_t i = 0; i < w->waiting.count; i++)
        lose(w->waiting.items[i]);
    for (size_t i = 0; i < w->stuck.count; i++)
        lose(w->stuck.items[i]);
    w->waiting.count = w->stuck.count = 0;
}

static void writer_main(void *arg)
{
    struct writer *w = arg;
    while (!atomic_load(&w->stop)) {
        bool failing = atomic_load(&w->failing);
        bool due = w->followup && followup_due(w->followup, clock_monotonic());
        turn(w, failing ? RETRY_NS : due ? 0 : FLUSH_NS / 4);
    }
    while (mailbox_depth(w->box))
        turn(w, 0);
    tally_advance(w->tally);
    for (int tries = 0; tries < 3 && (anything_to_flush(w) || w->waiting.count); tries++)
        commit(w, true);
    lose_rest(w);
}

/* ---- the rest ---- */

static int load_position(struct writer *w, struct err *err)
{
    struct buf packed = BUF_EMPTY;
    struct err missing = {0};
    int rc = 0;
    if (store_get(w->options.store, "ledger", &packed, &missing) == 0) {
        rc = tally_unpack(w->tally, buf_str(&packed), err);
        atomic_store(&w->durable, tally_judged(w->tally));
    } else if (missing.code != ERR_NOT_FOUND) {
        *err = missing;
        rc = -1;
    }
    buf_free(&packed);
    return rc;
}

/* long: a callback of book_source */
static int source_family(void *context, struct str rule_id, struct str customer, struct str dedup_key,
                         struct threat **threats, size_t max, size_t *count, struct err *err)
{
    return store_load_family(context, rule_id, customer, dedup_key, threats, max, count, err);
}

static int source_members(void *context, const char *threat_id, struct id128 *ids, size_t max, size_t *count,
                          struct err *err)
{
    return store_load_members(context, threat_id, ids, max, count, err);
}

static struct threat *source_threat(void *context, struct str id, struct err *err)
{
    return store_load_threat(context, id, err);
}

struct writer *writer_new(const struct writer_options *options, struct err *err)
{
    struct writer *w = mem_zalloc(1, sizeof(*w));
    struct book_source source = {options->store, source_family, source_members, source_threat};
    w->options = *options;
    w->box = mailbox_new(WRITER_CAPACITY, w);
    w->book = book_new(&source, WRITER_FAMILIES, options->clock);
    w->tally = tally_new();
    w->commit_seconds = metric_with(
        metric_new(METRIC_HISTOGRAM, "lunette_commit_seconds", "", "time of one commit of the store"), NULL);
    if (load_position(w, err) != 0)
        goto failed;
    if (options->follows_up && (w->followup = followup_new(w, options->ai, err)) == NULL)
        goto failed;
    return w;
failed:
    writer_free(w);
    return NULL;
}

int writer_start(struct writer *w, struct err *err)
{
    w->thread = thread_start("writer", writer_main, w, err);
    return w->thread ? 0 : -1;
}

void writer_close(struct writer *w)
{
    atomic_store(&w->closed, true);
    if (w->followup)
        followup_close(w->followup);
}

void writer_stop(struct writer *w)
{
    if (w->thread == NULL)
        return;
    atomic_store(&w->stop, true);
    mailbox_wake(w->box);
    thread_join(w->thread);
    w->thread = NULL;
}

void writer_free(struct writer *w)
{
    followup_free(w->followup);
    vec_free(&w->waiting);
    vec_free(&w->stuck);
    vec_free(&w->tasks);
    drop_observed(w);
    vec_free(&w->observed);
    map_free(w->replayed, NULL);
    book_free(w->book);
    mailbox_free(w->box);
    tally_free(w->tally);
    free(w);
}

struct mailbox *writer_mailbox(struct writer *w)
{
    return w->box;
}

struct tally *writer_tally(struct writer *w)
{
    return w->tally;
}

uint64_t writer_durable(const struct writer *w)
{
    return atomic_load_explicit(&w->durable, memory_order_acquire);
}

bool writer_failing(const struct writer *w)
{
    return atomic_load(&w->failing);
}

static void deliver_task(struct mail *mail, void *receiver)
{
    struct writer *w = receiver;
    vec_push(&w->tasks, (struct writer_task *)mail);
}

bool writer_ask(struct writer *w, struct writer_task *task)
{
    task->mail.deliver = deliver_task;
    return !atomic_load(&w->closed) && mailbox_post(w->box, &task->mail);
}

void writer_ask_reserved(struct writer *w, struct writer_task *task)
{
    task->mail.deliver = deliver_task;
    mailbox_post_reserved(w->box, &task->mail);
}

struct followup *writer_followup(struct writer *w)
{
    return w->followup;
}

struct store *writer_store(struct writer *w)
{
    return w->options.store;
}

struct book *writer_book(struct writer *w)
{
    return w->book;
}

const struct clock *writer_clock(const struct writer *w)
{
    return w->options.clock;
}

void writer_forget(struct writer *w)
{
    book_forget(w->book);
    writer_void_hints(w);
}

void writer_void_hints(struct writer *w)
{
    atomic_fetch_add(&w->voided, 1);
}

unsigned writer_hints_voided(const struct writer *w)
{
    return atomic_load(&w->voided);
}
