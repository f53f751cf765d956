#include "pipeline/journaler.h"

#include <stdatomic.h>

#include "base/log.h"
#include "base/metrics.h"
#include "base/vec.h"
#include "loop/thread.h"

#define JOURNALER_CAPACITY 8192
#define JOURNALER_TAKE     512
#define RETAIN_EVERY_NS    (10 * NS_PER_S)

struct journaler {
    struct journaler_options options;
    struct mailbox *box;
    struct thread *thread;
    struct journal *journal; /* NULL: nothing is kept */
    atomic_bool stop, full, is_short;
    _Atomic uint64_t last;
    VEC(struct journal_mail *) taken;
    VEC(struct journal_frame *) frames;
    int64_t retained_at;
    struct metric_series *seconds, *bytes, *appends;
};

void journaler_deliver(struct mail *mail, void *receiver)
{
    struct journaler *j = receiver;
    struct journal_mail *m = (struct journal_mail *)mail; /* mail is its first member */
    vec_push(&j->taken, m);
    vec_push(&j->frames, &m->frame);
}

static int append(struct journaler *j, struct err *err)
{
    if (j->journal)
        return journal_append(j->journal, j->frames.items, j->frames.count, err);
    for (size_t i = 0; i < j->frames.count; i++)
        j->frames.items[i]->batch = atomic_load(&j->last) + 1 + i;
    return 0;
}

static void answer(struct journaler *j, const struct err *err)
{
    for (size_t i = 0; i < j->taken.count; i++) {
        struct journal_mail *m = j->taken.items[i];
        m->err = *err;
        m->mail.deliver = m->back;
        mailbox_post_reserved(m->reply_to, &m->mail);
    }
    j->taken.count = j->frames.count = 0;
}

static void append_taken(struct journaler *j)
{
    struct err err = {0};
    int64_t began = clock_monotonic();
    if (append(j, &err) == 0) {
        atomic_store(&j->last, j->frames.items[j->frames.count - 1]->batch);
        atomic_store(&j->full, false);
        metric_add(j->appends, (double)j->frames.count);
        metric_observe(j->seconds, (double)(clock_monotonic() - began) / 1e9);
    } else {
        atomic_store(&j->full, true);
        LOG_ERR(LOG_ERROR, "journal.append", &err);
    }
    answer(j, &err);
}

static void retain(struct journaler *j, int64_t now)
{
    bool is_short = false;
    j->retained_at = now;
    if (j->journal == NULL)
        return;
    uint64_t from_batch;
    int64_t after_ns;
    j->options.keep(j->options.context, &from_batch, &after_ns);
    journal_retain(j->journal, from_batch, after_ns, clock_now(j->options.clock), &is_short);
    if (is_short && !atomic_load(&j->is_short))
        LOG(LOG_WARN, "journal.short", log_int("bytes", journal_bytes(j->journal)));
    atomic_store(&j->is_short, is_short);
    metric_set(j->bytes, (double)journal_bytes(j->journal));
}

static void journaler_main(void *arg)
{
    struct journaler *j = arg;
    for (;;) {
        bool stopping = atomic_load(&j->stop);
        mailbox_receive(j->box, JOURNALER_TAKE, stopping ? 0 : NS_PER_S);
        if (j->taken.count)
            append_taken(j);
        else if (stopping)
            return;
        int64_t now = clock_monotonic();
        if (now - j->retained_at >= RETAIN_EVERY_NS)
            retain(j, now);
    }
}

struct journaler *journaler_new(const struct journaler_options *options, struct err *err)
{
    struct journaler *j = mem_zalloc(1, sizeof(*j));
    j->options = *options;
    j->box = mailbox_new(JOURNALER_CAPACITY, j);
    atomic_store(&j->last, options->first ? options->first - 1 : 0);
    j->seconds = metric_with(
        metric_new(METRIC_HISTOGRAM, "lunette_journal_seconds", "", "time of one append and sync"), NULL);
    j->bytes = metric_with(metric_new(METRIC_GAUGE, "lunette_journal_bytes", "", "size of the journal"),
                           NULL);
    j->appends = metric_with(
        metric_new(METRIC_COUNTER, "lunette_journal_frames_total", "", "batches appended"), NULL);
    if (options->dir) {
        j->journal = journal_open(options->dir, &options->journal, options->first, err);
        if (j->journal == NULL) {
            journaler_free(j);
            return NULL;
        }
        uint64_t last = journal_last(j->journal);
        if (last > atomic_load(&j->last))
            atomic_store(&j->last, last);
    }
    return j;
}

int journaler_start(struct journaler *j, struct err *err)
{
    j->thread = thread_start("journal", journaler_main, j, err);
    return j->thread ? 0 : -1;
}

void journaler_stop(struct journaler *j)
{
    if (j->thread == NULL)
        return;
    atomic_store(&j->stop, true);
    mailbox_wake(j->box);
    thread_join(j->thread);
    j->thread = NULL;
}

void journaler_free(struct journaler *j)
{
    if (j == NULL)
        return;
    if (j->journal)
        journal_close(j->journal);
    mailbox_free(j->box);
    vec_free(&j->taken);
    vec_free(&j->frames);
    free(j);
}

struct mailbox *journaler_mailbox(struct journaler *j)
{
    return j->box;
}

uint64_t journaler_last(const struct journaler *j)
{
    return atomic_load(&j->last);
}

bool journaler_full(const struct journaler *j)
{
    return atomic_load(&j->full);
}

bool journaler_short(const struct journaler *j)
{
    return atomic_load(&j->is_short);
}
