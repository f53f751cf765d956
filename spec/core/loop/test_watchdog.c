/* The watchdog: names an overdue call, leaves all others alone, and ends a process whose loop hangs. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "loop/loop.h"
#include "loop/thread.h"
#include "loop/watchdog.h"

static _Thread_local volatile sig_atomic_t killed;

static void kill_call(void *arg)
{
    atomic_fetch_add((atomic_int *)arg, 1);
    killed = 1;
}

static void spin(int64_t cpu_ns)
{
    int64_t end = clock_thread_cpu() + cpu_ns;
    while (!killed && clock_thread_cpu() < end)
        ;
}

struct caller {
    struct watchdog *dog;
    atomic_int kills;
    int64_t used;
};

static void overrun(void *arg)
{
    struct caller *caller = arg;
    struct watchdog_slot *slot = watchdog_slot_new(caller->dog, "caller", NULL, 0, kill_call, &caller->kills);
    watchdog_enter(slot, 5 * NS_PER_MS);
    spin(30 * NS_PER_S);
    caller->used = watchdog_leave(slot);
    watchdog_slot_free(slot);
}

static void overdue_call_is_interrupted(void **state)
{
    (void)state;
    struct caller callers[3] = {0};
    struct thread *threads[3];
    struct watchdog *dog = watchdog_start(NULL);
    for (int i = 0; i < 3; i++) {
        callers[i].dog = dog;
        threads[i] = thread_start("caller", overrun, &callers[i], NULL);
    }
    for (int i = 0; i < 3; i++) {
        thread_join(threads[i]);
        assert_true(callers[i].kills >= 1);
        assert_true(callers[i].used >= 5 * NS_PER_MS);
        assert_true(callers[i].used < 10 * NS_PER_S);
    }
    watchdog_stop(dog);
}

/* The budget is CPU time: a call that sleeps is not overdue, and time between calls is nobody's. */
static void only_time_on_the_processor_inside_a_call_counts(void **state)
{
    (void)state;
    struct caller caller = {0};
    killed = 0;
    struct watchdog *dog = watchdog_start(NULL);
    struct watchdog_slot *slot = watchdog_slot_new(dog, "caller", NULL, 0, kill_call, &caller.kills);
    for (int i = 0; i < 5; i++) {
        watchdog_enter(slot, 200 * NS_PER_MS);
        usleep(15000);
        assert_true(watchdog_leave(slot) < 200 * NS_PER_MS);
        spin(20 * NS_PER_MS);
    }
    watchdog_slot_free(slot);
    watchdog_stop(dog);
    assert_int_equal(caller.kills, 0);
}

/* Calls that follow one another closely share one look at the processor's clock; what each reports still
 * holds all that it used, and little of what others used or of the time it waited. */
static void a_call_reports_what_it_used(void **state)
{
    (void)state;
    struct caller caller = {0};
    killed = 0;
    struct watchdog *dog = watchdog_start(NULL);
    struct watchdog_slot *slot = watchdog_slot_new(dog, "caller", NULL, 0, kill_call, &caller.kills);
    static const int64_t lengths[] = {0, 20000, 300000, 3 * NS_PER_MS, 900000, 7 * NS_PER_MS};
    for (size_t i = 0; i < 30 * sizeof lengths / sizeof lengths[0]; i++) {
        int64_t around = clock_thread_cpu();
        watchdog_enter(slot, 10 * NS_PER_S);
        int64_t inside = clock_thread_cpu();
        spin(lengths[i % (sizeof lengths / sizeof lengths[0])]);
        inside = clock_thread_cpu() - inside;
        int64_t used = watchdog_leave(slot);
        around = clock_thread_cpu() - around;
        assert_true(used >= inside - inside / 1000); /* the two clocks need not run equally fast */
        assert_true(used <= around + 2 * NS_PER_MS);
    }
    for (int i = 0; i < 5; i++) {
        spin(2 * NS_PER_MS);
        watchdog_enter(slot, 20 * NS_PER_MS);
        usleep(100000);
        assert_true(watchdog_leave(slot) < 20 * NS_PER_MS);
    }
    watchdog_slot_free(slot);
    watchdog_stop(dog);
    assert_int_equal(caller.kills, 0);
}

#define KILLS_MAX 200
static atomic_int slow_kills;
static _Atomic int64_t slow_ns;

static void kill_slowly(void *arg)
{
    (void)arg;
    int64_t begin = clock_thread_cpu();
    if (atomic_fetch_add(&slow_kills, 1) < KILLS_MAX)
        spin(10 * NS_PER_MS);
    atomic_fetch_add(&slow_ns, clock_thread_cpu() - begin);
}

/* To arm a kill walks the whole stack of the script: with a deep one that can outlast a poll. */
static void a_slow_handler_leaves_the_call_time_to_end(void **state)
{
    (void)state;
    killed = 0;
    struct watchdog *dog = watchdog_start(NULL);
    struct watchdog_slot *slot = watchdog_slot_new(dog, "caller", NULL, 0, kill_slowly, NULL);
    watchdog_enter(slot, NS_PER_MS);
    int64_t begin = clock_thread_cpu();
    while (slow_kills < KILLS_MAX && clock_thread_cpu() - begin - slow_ns < 100 * NS_PER_MS)
        ;
    watchdog_leave(slot);
    watchdog_slot_free(slot);
    watchdog_stop(dog);
    assert_in_range(slow_kills, 2, 20);
}

static void signal_without_an_overdue_call_does_nothing(void **state)
{
    (void)state;
    struct caller caller = {0};
    struct watchdog *dog = watchdog_start(NULL);
    raise(SIGRTMIN);
    struct watchdog_slot *slot = watchdog_slot_new(dog, "caller", NULL, 0, kill_call, &caller.kills);
    raise(SIGRTMIN);
    watchdog_enter(slot, NS_PER_S);
    raise(SIGRTMIN);
    watchdog_leave(slot);
    raise(SIGRTMIN);
    watchdog_slot_free(slot);
    watchdog_stop(dog);
    assert_int_equal(caller.kills, 0);
}

/* Many calls on the edge of their budget: a late signal must find another number and leave that call alone.
 */
static void late_signal_never_hits_the_next_call(void **state)
{
    (void)state;
    struct caller caller = {0};
    struct watchdog *dog = watchdog_start(NULL);
    struct watchdog_slot *slot = watchdog_slot_new(dog, "caller", NULL, 0, kill_call, &caller.kills);
    for (int i = 0; i < 60; i++) {
        killed = 0;
        watchdog_enter(slot, NS_PER_MS);
        spin(2 * NS_PER_MS + (i % 5) * NS_PER_MS);
        watchdog_leave(slot);
        killed = 0;
        watchdog_enter(slot, 10 * NS_PER_S);
        spin(2 * NS_PER_MS);
        watchdog_leave(slot);
        assert_false(killed);
    }
    watchdog_slot_free(slot);
    watchdog_stop(dog);
}

static void hang(void *arg)
{
    atomic_bool *forever = arg;
    while (*forever)
        usleep(1000);
}

static void run_for_a_while(bool hangs, int64_t stuck_ns)
{
    static atomic_bool forever = true;
    struct loop *loop = loop_new();
    struct watchdog *dog = watchdog_start(NULL);
    struct watchdog_slot *slot = watchdog_slot_new(dog, "worker", loop, stuck_ns, kill_call, NULL);
    struct timer *timer = timer_new(loop, hangs ? hang : (void (*)(void *))loop_stop,
                                    hangs ? (void *)&forever : (void *)loop);
    timer_start(timer, 1200 * NS_PER_MS, false);
    loop_run(loop);
    timer_free(timer);
    watchdog_slot_free(slot);
    watchdog_stop(dog);
    loop_free(loop);
}

static void stuck_loop_ends_the_process(void **state)
{
    (void)state;
    pid_t child = fork();
    if (child == 0) {
        close(STDERR_FILENO);
        signal(SIGABRT, SIG_DFL);
        alarm(30);
        run_for_a_while(true, NS_PER_S / 2);
        _exit(0);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGABRT);
}

static void idle_loop_is_not_stuck(void **state)
{
    (void)state;
    run_for_a_while(false, NS_PER_S);
}

int main(void)
{
    loop_init();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(stuck_loop_ends_the_process),
        cmocka_unit_test(overdue_call_is_interrupted),
        cmocka_unit_test(only_time_on_the_processor_inside_a_call_counts),
        cmocka_unit_test(a_call_reports_what_it_used),
        cmocka_unit_test(a_slow_handler_leaves_the_call_time_to_end),
        cmocka_unit_test(signal_without_an_overdue_call_does_nothing),
        cmocka_unit_test(late_signal_never_hits_the_next_call),
        cmocka_unit_test(idle_loop_is_not_stuck),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
