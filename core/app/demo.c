#include "app/demo.h"

#include "app/demo_maker.h"
#include "base/id.h"
#include "base/log.h"

#define TICK_NS       NS_PER_S
#define QUIET_MIN     12 /* seconds between two things that a rule finds */
#define QUIET_SPREAD  16
#define IN_FLIGHT_MAX 32 /* beyond, the worker has better things to do */

struct demo {
    struct pipeline *pipeline;
    struct timer *timer;
    unsigned until_bad; /* seconds */
};

/* On the worker: what it does not take is left out. */
static void send_batch(struct worker *worker, void *arg)
{
    struct buf *events = arg;
    struct err err = {0};
    if (worker_in_flight(worker) >= IN_FLIGHT_MAX)
        return;
    struct submission s = {.source = STR("demo"), .format = JOURNAL_NDJSON, .body = *events};
    id_random(s.id_base.bytes, sizeof(s.id_base.bytes));
    if (worker_submit(worker, &s, &err) != 0)
        LOG_ERR(LOG_DEBUG, "demo.left_out", &err);
    *events = s.body;
}

static void send_events(struct demo *demo, struct buf *events)
{
    pipeline_on_worker(demo->pipeline, 0, send_batch, events);
    buf_free(events);
}

static void something_bad(uint64_t seed, struct buf *events)
{
    struct err err = {0};
    struct maker m = maker_of("choice", seed, 0, events);
    bool is_scenario = maker_below(&m, 3) == 0;
    size_t count = 0;
    while (demo_name(is_scenario, count))
        count++;
    const char *name = demo_name(is_scenario, maker_below(&m, count));
    if (demo_events(str_from(name), is_scenario, seed, clock_now(&clock_real), events, &err) != 0)
        die("no demo events for %s: %s", name, err_text(&err));
}

static void tick(void *arg)
{
    struct demo *demo = arg;
    struct buf events = BUF_EMPTY;
    uint64_t seed;
    if (!pipeline_recovered(demo->pipeline))
        return;
    id_random(&seed, sizeof(seed));
    demo_ordinary(seed, clock_now(&clock_real), 2 + (unsigned)(seed % 5), &events);
    send_events(demo, &events);
    if (--demo->until_bad)
        return;
    demo->until_bad = QUIET_MIN + (unsigned)(seed >> 32) % QUIET_SPREAD;
    something_bad(seed, &events);
    send_events(demo, &events);
}

struct demo *demo_start(struct pipeline *pipeline, struct loop *loop)
{
    struct demo *demo = mem_zalloc(1, sizeof(*demo));
    demo->pipeline = pipeline;
    demo->until_bad = 2; /* nobody wants to look at an empty list for long */
    demo->timer = timer_new(loop, tick, demo);
    timer_start(demo->timer, TICK_NS, true);
    return demo;
}

void demo_stop(struct demo *demo)
{
    if (demo == NULL)
        return;
    timer_free(demo->timer);
    free(demo);
}
