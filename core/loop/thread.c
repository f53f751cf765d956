#include "loop/thread.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

struct thread {
    pthread_t id;
    char name[16];
    void (*main)(void *arg);
    void *arg;
};

/* Not pthread_t: the system reuses that, and a reused mark would hide a violation. */
static uint64_t self(void)
{
    static _Atomic uint64_t last;
    static _Thread_local uint64_t mine;
    if (mine == 0)
        mine = atomic_fetch_add_explicit(&last, 1, memory_order_relaxed) + 1;
    return mine;
}

static void *thread_main(void *arg)
{
    struct thread *thread = arg;
    pthread_setname_np(pthread_self(), thread->name);
    thread->main(thread->arg);
    return NULL;
}

/* Faults stay unblocked: the kernel kills without a word where the signal of a fault is blocked. */
static void blocked_signals(sigset_t *set)
{
    static const int open[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGTRAP, SIGSYS, SIGPROF};
    sigfillset(set);
    for (size_t i = 0; i < sizeof open / sizeof *open; i++)
        sigdelset(set, open[i]);
    sigdelset(set, SIGRTMIN); /* the watchdog's */
}

struct thread *thread_start(const char *name, void (*main)(void *arg), void *arg, struct err *err)
{
    struct thread *thread = mem_zalloc(1, sizeof *thread);
    thread->main = main;
    thread->arg = arg;
    snprintf(thread->name, sizeof thread->name, "%s", name);

    sigset_t blocked, before;
    blocked_signals(&blocked);
    pthread_sigmask(SIG_SETMASK, &blocked, &before);
    int failed = pthread_create(&thread->id, NULL, thread_main, thread);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (failed) {
        err_errno(err, ERR_IO, failed, "cannot start the thread %s", thread->name);
        free(thread);
        return NULL;
    }
    return thread;
}

void thread_join(struct thread *thread)
{
    if (!thread)
        return;
    pthread_join(thread->id, NULL);
    free(thread);
}

void owner_bind(struct owner *owner)
{
    atomic_store(&owner->thread, self());
}

void owner_release(struct owner *owner)
{
    atomic_store(&owner->thread, 0);
}

void owner_check(struct owner *owner, const char *what)
{
    uint64_t nobody = 0;
    if (atomic_load_explicit(&owner->thread, memory_order_relaxed) == self())
        return;
    if (!atomic_compare_exchange_strong(&owner->thread, &nobody, self()))
        die("%s: used by a thread that does not own it", what);
}
