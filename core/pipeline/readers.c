#include "pipeline/readers.h"

#include <stdatomic.h>

#include "base/clock.h"
#include "loop/thread.h"

#define READERS         2
#define READER_CAPACITY 1024

struct reader_thread {
    struct mailbox *box;
    struct thread *thread;
    struct store_reader *reader;
    atomic_bool stop;
};

struct readers {
    struct reader_thread threads[READERS];
    atomic_uint turn;
};

static void deliver_answer(struct mail *mail, void *receiver)
{
    struct query *query = (struct query *)mail; /* mail is its first member */
    (void)receiver;
    query->done(query);
}

static void deliver_query(struct mail *mail, void *receiver)
{
    struct reader_thread *thread = receiver;
    struct query *query = (struct query *)mail;
    query->run(query, thread->reader);
    if (query->reply_to == NULL) {
        query->done(query);
        return;
    }
    mail->deliver = deliver_answer;
    mailbox_post_reserved(query->reply_to, mail);
}

static void reader_main(void *arg)
{
    struct reader_thread *thread = arg;
    while (!atomic_load(&thread->stop))
        mailbox_receive(thread->box, 16, NS_PER_S);
    while (mailbox_receive(thread->box, 16, 0))
        ;
}

struct readers *readers_start(struct store *store, struct err *err)
{
    struct readers *readers = mem_zalloc(1, sizeof(*readers));
    for (unsigned i = 0; i < READERS; i++) {
        struct reader_thread *thread = &readers->threads[i];
        thread->box = mailbox_new(READER_CAPACITY, thread);
        thread->reader = store_reader_open(store, err);
        if (thread->reader)
            thread->thread = thread_start("reader", reader_main, thread, err);
        if (thread->thread == NULL) {
            readers_stop(readers);
            return NULL;
        }
    }
    return readers;
}

void readers_stop(struct readers *readers)
{
    if (readers == NULL)
        return;
    for (unsigned i = 0; i < READERS; i++) {
        struct reader_thread *thread = &readers->threads[i];
        atomic_store(&thread->stop, true);
        if (thread->thread) {
            mailbox_wake(thread->box);
            thread_join(thread->thread);
        }
        if (thread->reader)
            store_reader_close(thread->reader);
        if (thread->box)
            mailbox_free(thread->box);
    }
    free(readers);
}

bool readers_ask(struct readers *readers, struct query *query)
{
    unsigned turn = atomic_fetch_add_explicit(&readers->turn, 1, memory_order_relaxed);
    query->mail.deliver = deliver_query;
    if (query->reply_to && !mailbox_reserve(query->reply_to, 1))
        return false;
    for (unsigned i = 0; i < READERS; i++)
        if (mailbox_post(readers->threads[(turn + i) % READERS].box, &query->mail))
            return true;
    if (query->reply_to)
        mailbox_unreserve(query->reply_to, 1);
    return false;
}
