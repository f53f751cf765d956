#include "loop/watchdog.h"

#include <errno.h>
#include <execinfo.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "loop/loop.h"
#include "loop/thread.h"

#define POLL_NS (4 * NS_PER_MS)
#define HEARTBEAT_NS                                                                                         \
    (200 * NS_PER_MS) /* an idle loop must turn, or it could not be told from a stuck one                    \
                       */
#define REPORT_NS    (1 * NS_PER_S)
#define REFERENCE_NS (1 * NS_PER_MS)

struct watchdog_slot {
    struct watchdog_slot *next;
    struct watchdog *dog;
    char name[16];
    pthread_t thread;
    clockid_t cpu;
    void (*overdue)(void *arg);
    void *arg;

    /* `call` is odd while a call runs; the two others belong to it. Only the worker writes them. */
    _Atomic uint64_t call;
    _Atomic int64_t started, budget; /* started: the thread's CPU time then, or up to REFERENCE_NS more */
    _Atomic uint64_t named;          /* the call that the watchdog found overdue */
    atomic_bool dump;
    /* The worker's own. */
    struct {
        int64_t cpu, wall;
    } reference; /* both clocks at one moment */
    int64_t entered;

    struct loop *loop;
    struct timer *heartbeat;
    int64_t stuck_ns;
    /* the watchdog's own */
    int64_t again; /* signal the named call again when it is over its budget by this */
    uint64_t turns;
    int64_t turned_at;
    bool reported;
};

struct watchdog {
    struct thread *thread;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    bool stopping;
    struct watchdog_slot *slots;
    int64_t polled_at;
};

static _Thread_local struct watchdog_slot *mine;

static void dump_stack(void)
{
    void *frames[64];
    int count = backtrace(frames, 64);
    backtrace_symbols_fd(frames, count, STDERR_FILENO);
}

/* On the worker, between any two instructions. */
static void on_signal(int signum)
{
    (void)signum;
    int saved = errno;
    struct watchdog_slot *slot = mine;
    if (slot && atomic_exchange(&slot->dump, false))
        dump_stack();
    uint64_t named = slot ? atomic_load(&slot->named) : 0;
    if ((named & 1) && named == atomic_load(&slot->call))
        slot->overdue(slot->arg);
    errno = saved;
}

/* Signals again as long as the call goes on: what the handler armed may have been lost with a coroutine that
 * ended meanwhile. Ever more rarely, by the thread's own clock: where the handler takes longer than a poll (a
 * deep stack, a busy machine), signals at each poll would leave the call no time to end. */
static void check_call(struct watchdog_slot *slot)
{
    uint64_t call = atomic_load_explicit(&slot->call, memory_order_acquire);
    int64_t started = atomic_load_explicit(&slot->started, memory_order_acquire);
    int64_t budget = atomic_load_explicit(&slot->budget, memory_order_acquire);
    if (!(call & 1) || atomic_load(&slot->call) != call)
        return;
    struct timespec cpu;
    if (clock_gettime(slot->cpu, &cpu) != 0)
        return;
    int64_t over = cpu.tv_sec * NS_PER_S + cpu.tv_nsec - started - budget;
    if (over <= 0 || (atomic_load(&slot->named) == call && over < slot->again))
        return;
    slot->again = over + (over > POLL_NS ? over : POLL_NS);
    atomic_store(&slot->named, call);
    pthread_kill(slot->thread, SIGRTMIN);
}

static void abort_stuck(struct watchdog_slot *slot, int64_t still_ns)
{
    atomic_store(&slot->dump, true);
    pthread_kill(slot->thread, SIGRTMIN);
    for (int i = 0; i < 50 && atomic_load(&slot->dump); i++) /* let it write its stack */
        nanosleep(&(struct timespec){.tv_nsec = 10 * NS_PER_MS}, NULL);
    die("the loop of %s made no turn for %lld ms", slot->name, (long long)(still_ns / NS_PER_MS));
}

static void check_loop(struct watchdog_slot *slot, int64_t now)
{
    uint64_t turns = loop_turns(slot->loop);
    int64_t still_ns = now - slot->turned_at;
    if (turns != slot->turns || turns == 0) {
        if (slot->reported)
            LOG(LOG_WARN, "watchdog.recovered", log_text("thread", slot->name),
                log_int("still_ms", still_ns / NS_PER_MS));
        slot->turns = turns;
        slot->turned_at = now;
        slot->reported = false;
        return;
    }
    if (still_ns >= REPORT_NS && !slot->reported) {
        slot->reported = true;
        LOG(LOG_ERROR, "watchdog.stuck", log_text("thread", slot->name),
            log_int("still_ms", still_ns / NS_PER_MS));
    }
    if (slot->stuck_ns > 0 && still_ns >= slot->stuck_ns)
        abort_stuck(slot, still_ns);
}

static void wait_for_poll(struct watchdog *dog)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += POLL_NS;
    until.tv_sec += until.tv_nsec / NS_PER_S;
    until.tv_nsec %= NS_PER_S;
    if (dog->slots)
        pthread_cond_timedwait(&dog->wake, &dog->lock, &until);
    else
        pthread_cond_wait(&dog->wake, &dog->lock);
}

/* Where the watchdog itself did not run (a suspended machine, a stopped process), nobody is to blame. */
static void forgive_own_delay(struct watchdog *dog, int64_t now)
{
    if (dog->polled_at && now - dog->polled_at > REPORT_NS / 2)
        for (struct watchdog_slot *slot = dog->slots; slot; slot = slot->next)
            slot->turned_at = now;
    dog->polled_at = dog->slots ? now : 0;
}

static void watchdog_main(void *arg)
{
    struct watchdog *dog = arg;
    pthread_mutex_lock(&dog->lock);
    while (!dog->stopping) {
        int64_t now = clock_monotonic();
        forgive_own_delay(dog, now);
        for (struct watchdog_slot *slot = dog->slots; slot; slot = slot->next) {
            check_call(slot);
            if (slot->loop)
                check_loop(slot, now);
        }
        wait_for_poll(dog);
    }
    pthread_mutex_unlock(&dog->lock);
}

static void install_handler(void)
{
    void *frame;
    backtrace(&frame, 1); /* loads what it needs now: it may not in a signal handler */
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART | SA_ONSTACK};
    sigfillset(&action.sa_mask);
    INVARIANT(sigaction(SIGRTMIN, &action, NULL) == 0);
}

struct watchdog *watchdog_start(struct err *err)
{
    struct watchdog *dog = mem_zalloc(1, sizeof *dog);
    pthread_mutex_init(&dog->lock, NULL);
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&dog->wake, &attributes);
    pthread_condattr_destroy(&attributes);
    install_handler();
    dog->thread = thread_start("watchdog", watchdog_main, dog, err);
    if (!dog->thread) {
        pthread_cond_destroy(&dog->wake);
        pthread_mutex_destroy(&dog->lock);
        free(dog);
        return NULL;
    }
    return dog;
}

void watchdog_stop(struct watchdog *dog)
{
    if (!dog)
        return;
    pthread_mutex_lock(&dog->lock);
    INVARIANT(!dog->slots);
    dog->stopping = true;
    pthread_cond_signal(&dog->wake);
    pthread_mutex_unlock(&dog->lock);
    thread_join(dog->thread);
    pthread_cond_destroy(&dog->wake);
    pthread_mutex_destroy(&dog->lock);
    free(dog);
}

static void beat(void *arg)
{
    (void)arg;
}

/* A thread's CPU time costs a system call, dearer than most calls watched here; the monotonic clock costs
 * none. So CPU time is asked at most once in REFERENCE_NS. Since then the thread used no more of it than time
 * went by: that bounds what it had used when a call began. */
static void take_reference(struct watchdog_slot *slot, int64_t wall)
{
    slot->reference.cpu = clock_thread_cpu();
    slot->reference.wall = wall;
}

struct watchdog_slot *watchdog_slot_new(struct watchdog *dog, const char *name, struct loop *loop,
                                        int64_t stuck_ns, void (*overdue)(void *arg), void *arg)
{
    INVARIANT(!mine);
    struct watchdog_slot *slot = mem_zalloc(1, sizeof *slot);
    snprintf(slot->name, sizeof slot->name, "%s", name);
    slot->dog = dog;
    slot->thread = pthread_self();
    INVARIANT(pthread_getcpuclockid(slot->thread, &slot->cpu) == 0);
    slot->overdue = overdue;
    slot->arg = arg;
    slot->stuck_ns = stuck_ns;
    slot->loop = loop;
    slot->turned_at = clock_monotonic();
    take_reference(slot, slot->turned_at);
    if (loop) {
        slot->turns = loop_turns(loop);
        slot->heartbeat = timer_new(loop, beat, NULL);
        timer_start(slot->heartbeat, HEARTBEAT_NS, true);
    }
    mine = slot;
    pthread_mutex_lock(&dog->lock);
    slot->next = dog->slots;
    dog->slots = slot;
    pthread_cond_signal(&dog->wake);
    pthread_mutex_unlock(&dog->lock);
    return slot;
}

void watchdog_slot_free(struct watchdog_slot *slot)
{
    if (!slot)
        return;
    INVARIANT(mine == slot);
    pthread_mutex_lock(&slot->dog->lock);
    struct watchdog_slot **at = &slot->dog->slots;
    while (*at != slot)
        at = &(*at)->next;
    *at = slot->next;
    pthread_mutex_unlock(&slot->dog->lock);
    mine = NULL; /* a signal that is still on its way finds nothing */
    atomic_signal_fence(memory_order_seq_cst);
    timer_free(slot->heartbeat);
    free(slot);
}

void watchdog_enter(struct watchdog_slot *slot, int64_t budget_ns)
{
    uint64_t call = atomic_load_explicit(&slot->call, memory_order_relaxed);
    INVARIANT(!(call & 1));
    int64_t now = clock_monotonic();
    if (now - slot->reference.wall >= REFERENCE_NS)
        take_reference(slot, now);
    slot->entered = now;
    atomic_store_explicit(&slot->budget, budget_ns, memory_order_release);
    atomic_store_explicit(&slot->started, slot->reference.cpu + (now - slot->reference.wall),
                          memory_order_release);
    atomic_store_explicit(&slot->call, call + 1, memory_order_release);
    atomic_signal_fence(memory_order_seq_cst); /* the handler sees a call begin before anything of it */
}

int64_t watchdog_leave(struct watchdog_slot *slot)
{
    uint64_t call = atomic_load_explicit(&slot->call, memory_order_relaxed);
    atomic_signal_fence(memory_order_seq_cst);
    atomic_store_explicit(&slot->call, call + 1, memory_order_release);
    atomic_signal_fence(memory_order_seq_cst);
    int64_t now = clock_monotonic(), wall = now - slot->entered;
    if (wall < REFERENCE_NS)
        return wall;
    int64_t before = slot->reference.cpu;
    take_reference(slot, now);
    int64_t used = slot->reference.cpu - before;
    return used < wall ? used : wall;
}
