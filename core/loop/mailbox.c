#include "loop/mailbox.h"

#include <errno.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "loop/loop.h"

enum { MAILS_PER_TURN = 256 };

/* Senders push onto a stack; the receiver takes the whole stack at once and turns it round. So a push is one
 * compare-and-swap, the order of all pushes is kept, and nobody ever pops a single node (no ABA). */
struct mailbox {
    _Atomic(struct mail *) stack;
    _Atomic size_t used;    /* messages and reservations */
    _Atomic size_t waiting; /* messages */
    size_t capacity;
    atomic_bool signalled; /* the eventfd holds a wake-up that the receiver has not seen */
    int fd;
    struct mail *pending; /* receiver only: taken, in order, not yet delivered */
    void *receiver;
    struct watch_fd *watch;
};

struct mailbox *mailbox_new(size_t capacity, void *receiver)
{
    struct mailbox *box = mem_zalloc(1, sizeof *box);
    box->capacity = capacity;
    box->receiver = receiver;
    box->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (box->fd < 0)
        die("cannot make an eventfd for a mailbox: out of file descriptors?");
    return box;
}

void mailbox_free(struct mailbox *box)
{
    if (!box)
        return;
    INVARIANT(!box->pending && !atomic_load(&box->stack));
    mailbox_detach(box);
    close(box->fd);
    free(box);
}

void mailbox_wake(struct mailbox *box)
{
    if (atomic_exchange(&box->signalled, true))
        return;
    uint64_t one = 1;
    while (write(box->fd, &one, sizeof one) < 0 && errno == EINTR)
        ;
}

bool mailbox_reserve(struct mailbox *box, size_t count)
{
    size_t used = atomic_load_explicit(&box->used, memory_order_relaxed);
    do {
        if (used > box->capacity || count > box->capacity - used)
            return false;
    } while (!atomic_compare_exchange_weak(&box->used, &used, used + count));
    return true;
}

void mailbox_unreserve(struct mailbox *box, size_t count)
{
    size_t before = atomic_fetch_sub(&box->used, count);
    INVARIANT(before >= count);
}

void mailbox_post_reserved(struct mailbox *box, struct mail *mail)
{
    atomic_fetch_add_explicit(&box->waiting, 1, memory_order_relaxed);
    struct mail *top = atomic_load_explicit(&box->stack, memory_order_relaxed);
    do
        mail->next = top;
    while (!atomic_compare_exchange_weak(&box->stack, &top, mail));
    mailbox_wake(box);
}

bool mailbox_post(struct mailbox *box, struct mail *mail)
{
    if (!mailbox_reserve(box, 1))
        return false;
    mailbox_post_reserved(box, mail);
    return true;
}

void mailbox_post_always(struct mailbox *box, struct mail *mail)
{
    atomic_fetch_add(&box->used, 1);
    mailbox_post_reserved(box, mail);
}

size_t mailbox_depth(const struct mailbox *box)
{
    return atomic_load_explicit(&box->waiting, memory_order_relaxed);
}

static struct mail *reversed(struct mail *mail)
{
    struct mail *first = NULL;
    while (mail) {
        struct mail *next = mail->next;
        mail->next = first;
        first = mail;
        mail = next;
    }
    return first;
}

/* The flag is cleared before the stack is taken: a post that comes in between signals once too often, never
 * once too little. */
static bool clear_wake(struct mailbox *box)
{
    uint64_t count;
    bool woken = read(box->fd, &count, sizeof count) == sizeof count;
    atomic_store(&box->signalled, false);
    return woken;
}

static struct mail *take(struct mailbox *box)
{
    if (!box->pending)
        box->pending = reversed(atomic_exchange(&box->stack, NULL));
    struct mail *mail = box->pending;
    if (mail) {
        box->pending = mail->next;
        mail->next = NULL;
    }
    return mail;
}

static size_t deliver(struct mailbox *box, size_t max)
{
    size_t count = 0;
    struct mail *mail;
    while (count < max && (mail = take(box))) {
        atomic_fetch_sub_explicit(&box->waiting, 1, memory_order_relaxed);
        mailbox_unreserve(box, 1);
        mail->deliver(mail, box->receiver);
        count++;
    }
    return count;
}

static void on_mail(int fd, void *arg)
{
    (void)fd;
    struct mailbox *box = arg;
    clear_wake(box);
    if (deliver(box, MAILS_PER_TURN) == MAILS_PER_TURN)
        mailbox_wake(box); /* the rest in the next turn: sockets and timers get theirs between */
}

void mailbox_attach(struct mailbox *box, struct loop *loop)
{
    INVARIANT(!box->watch);
    box->watch = loop_watch_fd(loop, box->fd, on_mail, box);
}

void mailbox_detach(struct mailbox *box)
{
    loop_unwatch_fd(box->watch);
    box->watch = NULL;
}

static void wait_for_wake(struct mailbox *box, int64_t timeout_ns)
{
    struct timespec limit = {.tv_sec = timeout_ns / NS_PER_S, .tv_nsec = timeout_ns % NS_PER_S};
    struct pollfd fd = {.fd = box->fd, .events = POLLIN};
    int64_t end = timeout_ns > 0 ? clock_monotonic() + timeout_ns : 0;
    while (ppoll(&fd, 1, timeout_ns < 0 ? NULL : &limit, NULL) < 0 && errno == EINTR) {
        int64_t left = timeout_ns > 0 ? end - clock_monotonic() : 0;
        left = left > 0 ? left : 0;
        limit = (struct timespec){.tv_sec = left / NS_PER_S, .tv_nsec = left % NS_PER_S};
    }
}

size_t mailbox_receive(struct mailbox *box, size_t max, int64_t timeout_ns)
{
    if (!box->pending && !atomic_load(&box->stack) && timeout_ns != 0)
        wait_for_wake(box, timeout_ns);
    clear_wake(box);
    return deliver(box, max);
}
