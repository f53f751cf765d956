#include "loop/loop.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include <event2/event.h>
#include <event2/thread.h>

#include "base/clock.h"

struct loop {
    struct event_base *base;
    struct event *stop; /* never added: made active by hand, which also wakes the backend */
    atomic_bool stopping;
    _Atomic uint64_t turns;
};

struct timer {
    struct loop *loop;
    struct event *event;
    void (*fire)(void *arg);
    void *arg;
    int64_t due_ns; /* of one that does not repeat (clock_monotonic) */
};

struct watch_fd {
    struct event *event;
    void (*readable)(int fd, void *arg);
    void *arg;
};

struct signal_watch {
    struct event *event;
    void (*arrived)(int signum, void *arg);
    void *arg;
};

static void library_failed(int code)
{
    die("libevent failed: %d", code);
}

static void init_once(void)
{
    event_set_mem_functions(mem_alloc, mem_realloc, free);
    event_set_fatal_callback(library_failed);
    INVARIANT(evthread_use_pthreads() == 0);
}

void loop_init(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, init_once);
}

static void on_stop(evutil_socket_t fd, short what, void *arg)
{
    (void)fd, (void)what, (void)arg;
}

struct loop *loop_new(void)
{
    loop_init();
    struct loop *loop = mem_zalloc(1, sizeof *loop);
    loop->base = event_base_new();
    if (!loop->base)
        die("cannot make an event base: out of file descriptors?");
    loop->stop = event_new(loop->base, -1, 0, on_stop, NULL);
    return loop;
}

void loop_free(struct loop *loop)
{
    if (!loop)
        return;
    event_free(loop->stop);
    event_base_free(loop->base);
    free(loop);
}

int loop_run(struct loop *loop)
{
    while (!atomic_load(&loop->stopping)) {
        atomic_fetch_add_explicit(&loop->turns, 1, memory_order_relaxed);
        if (event_base_loop(loop->base, EVLOOP_ONCE | EVLOOP_NO_EXIT_ON_EMPTY) < 0)
            return -1;
    }
    return 0;
}

void loop_stop(struct loop *loop)
{
    atomic_store(&loop->stopping, true);
    /* event_base_loopbreak() is forgotten when the loop is just about to enter its next turn; an active event
     * is not. */
    event_active(loop->stop, EV_TIMEOUT, 0);
}

struct event_base *loop_base(struct loop *loop)
{
    return loop->base;
}

uint64_t loop_turns(const struct loop *loop)
{
    return atomic_load_explicit(&loop->turns, memory_order_relaxed);
}

static struct timeval timeval_of(int64_t ns)
{
    int64_t us = ns <= 0 ? 0 : (ns + 999) / 1000;
    return (struct timeval){.tv_sec = us / 1000000, .tv_usec = us % 1000000};
}

/* libevent counts from the time at which its turn began, by a coarse clock: too early by the length of the
 * turn and by some milliseconds. */
static void on_timer(evutil_socket_t fd, short what, void *arg)
{
    (void)fd, (void)what;
    struct timer *timer = arg;
    int64_t left_ns = timer->due_ns - clock_monotonic();
    if (left_ns > 0) {
        struct timeval delay = timeval_of(left_ns);
        event_add(timer->event, &delay);
        return;
    }
    timer->fire(timer->arg); /* may free the timer */
}

struct timer *timer_new(struct loop *loop, void (*fire)(void *arg), void *arg)
{
    struct timer *timer = mem_alloc(sizeof *timer);
    *timer = (struct timer){.loop = loop, .fire = fire, .arg = arg};
    timer->event = event_new(loop->base, -1, 0, on_timer, timer);
    return timer;
}

void timer_start(struct timer *timer, int64_t delay_ns, bool repeat)
{
    struct timeval delay = timeval_of(delay_ns);
    timer->due_ns = repeat ? 0 : clock_monotonic() + delay_ns;
    event_del(timer->event);
    event_assign(timer->event, timer->loop->base, -1, repeat ? EV_PERSIST : 0, on_timer, timer);
    event_add(timer->event, &delay);
}

void timer_stop(struct timer *timer)
{
    event_del(timer->event);
}

void timer_free(struct timer *timer)
{
    if (!timer)
        return;
    event_free(timer->event);
    free(timer);
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
    (void)what;
    struct watch_fd *watch = arg;
    watch->readable(fd, watch->arg);
}

struct watch_fd *loop_watch_fd(struct loop *loop, int fd, void (*readable)(int fd, void *arg), void *arg)
{
    struct watch_fd *watch = mem_alloc(sizeof *watch);
    *watch = (struct watch_fd){.readable = readable, .arg = arg};
    watch->event = event_new(loop->base, fd, EV_READ | EV_PERSIST, on_readable, watch);
    INVARIANT(event_add(watch->event, NULL) == 0);
    return watch;
}

void loop_unwatch_fd(struct watch_fd *watch)
{
    if (!watch)
        return;
    event_free(watch->event);
    free(watch);
}

static void on_signal(evutil_socket_t signum, short what, void *arg)
{
    (void)what;
    struct signal_watch *watch = arg;
    watch->arrived(signum, watch->arg);
}

struct signal_watch *loop_on_signal(struct loop *loop, int signum, void (*arrived)(int signum, void *arg),
                                    void *arg)
{
    struct signal_watch *watch = mem_alloc(sizeof *watch);
    *watch = (struct signal_watch){.arrived = arrived, .arg = arg};
    watch->event = evsignal_new(loop->base, signum, on_signal, watch);
    INVARIANT(event_add(watch->event, NULL) == 0);
    return watch;
}

void signal_watch_free(struct signal_watch *watch)
{
    if (!watch)
        return;
    event_free(watch->event);
    free(watch);
}
