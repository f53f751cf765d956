/* The event loop: timers, descriptors, signals, and stopping it from anywhere. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "loop/loop.h"
#include "loop/thread.h"

struct trial {
    struct loop *loop;
    struct timer *timer;
    int fired, wanted;
};

static void stop_when_done(void *arg)
{
    struct trial *t = arg;
    if (++t->fired >= t->wanted)
        loop_stop(t->loop);
}

static void timer_fires_once_unless_it_repeats(void **state)
{
    (void)state;
    struct trial once = {.loop = loop_new(), .wanted = 99}, again = {.loop = once.loop, .wanted = 5};
    struct timer *a = timer_new(once.loop, stop_when_done, &once);
    struct timer *b = timer_new(once.loop, stop_when_done, &again);
    timer_start(a, NS_PER_MS, false);
    timer_start(b, 2 * NS_PER_MS, true);
    assert_int_equal(loop_run(once.loop), 0);
    assert_int_equal(once.fired, 1);
    assert_int_equal(again.fired, 5);
    assert_true(loop_turns(once.loop) >= 5);
    timer_free(a);
    timer_free(b);
    timer_free(NULL);
    loop_free(once.loop);
}

struct wait {
    struct loop *loop;
    struct timer *timer;
    int64_t begin_ns, took_ns;
};

static void note_the_wait(void *arg)
{
    struct wait *wait = arg;
    wait->took_ns = clock_monotonic() - wait->begin_ns;
    loop_stop(wait->loop);
}

static void begin_late_in_a_turn(void *arg)
{
    struct wait *wait = arg;
    int64_t end_ns = clock_monotonic() + 30 * NS_PER_MS;
    while (clock_monotonic() < end_ns)
        continue; /* the turn's own idea of the time grows old */
    wait->begin_ns = clock_monotonic();
    timer_start(wait->timer, 10 * NS_PER_MS, false);
}

static void timer_never_fires_early(void **state)
{
    (void)state;
    struct wait wait = {.loop = loop_new()};
    wait.timer = timer_new(wait.loop, note_the_wait, &wait);
    struct timer *first = timer_new(wait.loop, begin_late_in_a_turn, &wait);
    timer_start(first, 0, false);
    assert_int_equal(loop_run(wait.loop), 0);
    assert_true(wait.took_ns >= 10 * NS_PER_MS);
    timer_free(first);
    timer_free(wait.timer);
    loop_free(wait.loop);
}

static void free_itself(void *arg)
{
    struct trial *t = arg;
    timer_free(t->timer);
    t->timer = NULL;
    loop_stop(t->loop);
}

static void timer_may_be_freed_by_its_own_call(void **state)
{
    (void)state;
    struct trial t = {.loop = loop_new()};
    t.timer = timer_new(t.loop, free_itself, &t);
    timer_start(t.timer, 0, true);
    loop_run(t.loop);
    assert_null(t.timer);
    loop_free(t.loop);
}

static void stopped_timer_never_fires(void **state)
{
    (void)state;
    struct trial stopped = {.loop = loop_new(), .wanted = 99}, end = {.loop = stopped.loop, .wanted = 1};
    struct timer *a = timer_new(stopped.loop, stop_when_done, &stopped);
    struct timer *b = timer_new(stopped.loop, stop_when_done, &end);
    timer_start(a, NS_PER_MS, false);
    timer_start(b, 20 * NS_PER_MS, false);
    timer_stop(a);
    loop_run(stopped.loop);
    assert_int_equal(stopped.fired, 0);
    timer_free(a);
    timer_free(b);
    loop_free(stopped.loop);
}

static void take_byte(int fd, void *arg)
{
    char byte;
    assert_int_equal(read(fd, &byte, 1), 1);
    assert_int_equal(byte, 'x');
    stop_when_done(arg);
}

static void descriptor_calls_back_while_it_can_be_read(void **state)
{
    (void)state;
    struct trial t = {.loop = loop_new(), .wanted = 3};
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    struct watch_fd *watch = loop_watch_fd(t.loop, ends[0], take_byte, &t);
    assert_int_equal(write(ends[1], "xxx", 3), 3);
    loop_run(t.loop);
    assert_int_equal(t.fired, 3);
    loop_unwatch_fd(watch);
    close(ends[0]);
    close(ends[1]);
    loop_free(t.loop);
}

static void note_signal(int signum, void *arg)
{
    struct trial *t = arg;
    assert_int_equal(signum, SIGHUP);
    stop_when_done(t);
}

static void signal_arrives_on_the_loop(void **state)
{
    (void)state;
    struct trial t = {.loop = loop_new(), .wanted = 1};
    struct signal_watch *watch = loop_on_signal(t.loop, SIGHUP, note_signal, &t);
    raise(SIGHUP);
    loop_run(t.loop);
    assert_int_equal(t.fired, 1);
    signal_watch_free(watch);
    loop_free(t.loop);
}

static void run_loop(void *arg)
{
    loop_run(arg);
}

/* The stop may come before the loop runs, while it enters its wait, or while it sleeps. */
static void stop_from_another_thread_is_never_missed(void **state)
{
    (void)state;
    for (int i = 0; i < 300; i++) {
        struct loop *loop = loop_new();
        struct thread *thread = thread_start("loop", run_loop, loop, NULL);
        if (i % 3 == 0)
            usleep((useconds_t)i);
        loop_stop(loop);
        thread_join(thread);
        loop_free(loop);
    }
}

int main(void)
{
    loop_init();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(timer_fires_once_unless_it_repeats),
        cmocka_unit_test(timer_never_fires_early),
        cmocka_unit_test(timer_may_be_freed_by_its_own_call),
        cmocka_unit_test(stopped_timer_never_fires),
        cmocka_unit_test(descriptor_calls_back_while_it_can_be_read),
        cmocka_unit_test(signal_arrives_on_the_loop),
        cmocka_unit_test(stop_from_another_thread_is_never_missed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
