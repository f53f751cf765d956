/* Hostile rules in a pipeline of two workers: one worker gets nothing but events whose `filter` never ends by
 * itself, each as soon as the last one is judged, while the other one gets an ordinary event every few
 * milliseconds. Measured: how long a hostile event takes beyond the budget of its callback, and whether the
 * ordinary ones are in time, with and without the hostile ones beside them. */
#include <math.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "pipeline/pipeline.h"
#include "rules/loader.h"

#define BUDGET_NS (5 * NS_PER_MS) /* of one callback: docs/rules.md */
#define STRIKES   3               /* after so many failures a callback is suspended */
#define COPIES    20              /* rules of each kind */
#define STEP_NS   (4 * NS_PER_MS) /* between two ordinary events */
#define QUIET     500             /* ordinary events before the hostile ones */
#define CALM_MOST 4096

static const struct {
    const char *name, *body;
} kinds[] = {
    {"loop", "while true do end"},
    {"loop", "while true do pcall(function() while true do end end) end"},
    {"loop", "local function f(n) return 1 + f(n + 1) end return f(1)"},
    {"loop", "while true do pcall(table.sort, { 3, 2, 1 }, function() while true do end end) end"},
    {"memory grab",
     "local held = {} while true do pcall(function() for i = 1, 1e9 do held[#held + 1] = { i } end"
     " end) end"},
    {"memory grab", "local s = 'x' while true do pcall(function() s = s .. s end) end"},
    {"memory grab", "while true do local t = {} for i = 1, 100 do t[i] = { i } end end"},
    {"pattern", "local text = ('a'):rep(300) return text:find(('.-'):rep(6) .. 'b') ~= nil"},
    {"pattern", "return (('a'):rep(40)):find(('a*'):rep(20) .. 'b') ~= nil"},
    {"pattern", "while true do pcall(re.test, ('a'):rep(60) .. '!', '^(a+)+$') end"},
    {"string.rep", "while true do pcall(string.rep, 'x', 1 << 40) end"},
    {"string.rep", "while true do local s = ('x'):rep(1 << 20) end"},
    {"string.rep", "local held = {} for i = 1, 1e9 do held[i] = ('x'):rep(100000) .. i end return true"},
};
#define KINDS (sizeof(kinds) / sizeof(kinds[0]))

static struct {
    size_t next;                                  /* hostile event, worker 0 */
    double hostile[KINDS * COPIES * STRIKES];     /* ms of its worker for it, by the clock */
    double hostile_cpu[KINDS * COPIES * STRIKES]; /* … and of CPU time, in which budgets count */
    _Atomic bool over;                            /* all of them were */
    double calm[CALM_MOST], beside[CALM_MOST];    /* of the ordinary events, ms; worker 1 */
    _Atomic size_t calm_done, beside_done;
} bench;

/* ---- rules ---- */

static void put_rule(struct buf *out, const char *id, const char *filter)
{
    buf_printf(out,
               "return rule { id = \"bench.%s\", title = \"%s\", version = 1, severity = \"low\",\n"
               "  type = \"anomaly_detection\", match = { [\"event.action\"] = \"%s\" },\n"
               "  dedup = { by = { \"user.name\" }, window = \"1h\" },\n%s"
               "  tests = { { \"fires\", events = at({ 0 }, sample { [\"event.action\"] = \"%s\",\n"
               "    [\"user.name\"] = \"ana\" }), expect = { threats = 1 } },\n"
               "    { \"quiet\", events = at({ 0 }, sample { [\"event.action\"] = \"other\" }),\n"
               "      expect = { threats = 0 } } } }\n",
               id, id, id, filter, id);
}

static void add_rule(struct buf *text, struct lua_source *file, const char *id, const char *filter)
{
    char path[64];
    int len = snprintf(path, sizeof(path), "rules/%s.lua", id);
    put_rule(text, id, filter);
    *file = (struct lua_source){{mem_dup(path, (size_t)len), (size_t)len}, buf_str(text)};
    *text = BUF_EMPTY; /* the file has it now */
}

/* The rules' own tests do not run: they would find what is wrong with these. */
static struct ruleset *load_rules(void)
{
    struct lua_source files[KINDS * COPIES + 1];
    size_t count = 0;
    struct buf text = BUF_EMPTY;
    for (size_t i = 0; i < KINDS * COPIES; i++) {
        char id[32], filter[400];
        snprintf(id, sizeof(id), "hostile_%zu", i);
        snprintf(filter, sizeof(filter), "  filter = function(event) %s end,\n", kinds[i % KINDS].body);
        add_rule(&text, &files[count++], id, filter);
    }
    add_rule(&text, &files[count++], "ordinary", "");
    struct tree *tree = tree_of(files, count);
    struct report report = {0};
    struct ruleset *set = ruleset_load(tree, NULL, 0, &report);
    if (!set)
        die("%s: %s", report.problems.items[0].where, report.problems.items[0].message);
    report_free(&report);
    tree_free(tree);
    for (size_t i = 0; i < count; i++) {
        free((char *)files[i].path.ptr);
        free((char *)files[i].text.ptr);
    }
    return set;
}

/* ---- events ---- */

static void hand_in(struct worker *worker, const char *action,
                    void (*done)(const struct submission_result *result, void *arg), void *arg)
{
    struct submission s = {
        .source = STR(""), .customer = STR(""), .format = JOURNAL_OBJECT, .done = done, .arg = arg};
    struct err err = {0};
    id_random(s.id_base.bytes, sizeof(s.id_base.bytes));
    buf_printf(&s.body, "{\"event.action\":\"%s\",\"user.name\":\"ana\"}", action);
    if (worker_submit(worker, &s, &err) != 0)
        die("an event was refused: %s", err_text(&err));
}

static double ms_since(int64_t begin)
{
    return (double)(clock_monotonic() - begin) / (double)NS_PER_MS;
}

static void hostile_next(struct worker *worker, void *arg);

static void hostile_judged(const struct submission_result *result, void *arg)
{
    if (result->err || result->batch->event_count != 1)
        die("a hostile event was not accepted");
    if (++bench.next < KINDS * COPIES * STRIKES)
        hostile_next(arg, NULL);
    else
        atomic_store(&bench.over, true);
}

/* On worker 0. The filter runs as the event is handed in. */
static void hostile_next(struct worker *worker, void *arg)
{
    char action[32];
    size_t n = bench.next;
    int64_t began = clock_monotonic(), cpu = clock_thread_cpu();
    (void)arg;
    snprintf(action, sizeof(action), "hostile_%zu", n / STRIKES);
    hand_in(worker, action, hostile_judged, worker);
    bench.hostile_cpu[n] = (double)(clock_thread_cpu() - cpu) / (double)NS_PER_MS;
    bench.hostile[n] = ms_since(began);
}

struct ordinary {
    int64_t due;
    bool beside;
};

static void ordinary_judged(const struct submission_result *result, void *arg)
{
    struct ordinary *ordinary = arg;
    _Atomic size_t *done = ordinary->beside ? &bench.beside_done : &bench.calm_done;
    double *into = ordinary->beside ? bench.beside : bench.calm;
    size_t n = atomic_load(done);
    if (result->err)
        die("an ordinary event was not accepted: %s", err_text(result->err));
    if (n < CALM_MOST) {
        into[n] = ms_since(ordinary->due);
        atomic_store(done, n + 1);
    }
    free(ordinary);
}

/* On worker 1. */
static void ordinary_next(struct worker *worker, void *arg)
{
    hand_in(worker, "ordinary", ordinary_judged, arg);
}

static void ordinary_at(struct pipeline *pipeline, int64_t due, bool beside)
{
    struct timespec until = {due / NS_PER_S, due % NS_PER_S};
    struct ordinary *ordinary = mem_zalloc(1, sizeof(*ordinary));
    *ordinary = (struct ordinary){due, beside};
    clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL);
    pipeline_on_worker(pipeline, 1, ordinary_next, ordinary);
}

/* ---- figures ---- */

static void figure(const char *name, double value, const char *unit, const char *bar)
{
    printf("{\"name\":\"%s\",\"value\":%.4g,\"unit\":\"%s\",\"bar\":\"%s\"}\n", name, value, unit, bar);
}

static int by_value(const void *a, const void *b)
{
    double left = *(const double *)a, right = *(const double *)b;
    return (left > right) - (left < right);
}

static double p99(double *values, size_t count)
{
    qsort(values, count, sizeof(*values), by_value);
    return count ? values[count * 99 / 100] : NAN;
}

/* The longest that one event of this kind took, beyond the budget of its callback. */
static double worst_of(const char *kind, const double *took)
{
    double worst = 0;
    for (size_t i = 0; i < KINDS * COPIES * STRIKES; i++)
        if (strcmp(kinds[i / STRIKES % KINDS].name, kind) == 0)
            worst = fmax(worst, took[i] - (double)BUDGET_NS / (double)NS_PER_MS);
    return worst;
}

static void report_kind(const char *kind)
{
    char name[120];
    snprintf(name, sizeof(name), "hostile rule, %s: stopped after its budget, CPU time, worst", kind);
    figure(name, worst_of(kind, bench.hostile_cpu), "ms", "<= 25");
    snprintf(name, sizeof(name), "hostile rule, %s: stopped after its budget, by the clock, worst", kind);
    figure(name, worst_of(kind, bench.hostile), "ms", "");
}

static void report(void)
{
    for (size_t i = 0; i < KINDS; i++)
        if (i == 0 || strcmp(kinds[i].name, kinds[i - 1].name) != 0)
            report_kind(kinds[i].name);
    figure("events on the other worker, nothing hostile, p99", p99(bench.calm, bench.calm_done), "ms", "");
    figure("events on the other worker beside hostile ones, p99", p99(bench.beside, bench.beside_done), "ms",
           "<= 20");
}

/* ---- */

int main(int argc, char **argv)
{
    struct err err = {0};
    if (argc != 2)
        die("bench_hostile FOLDER");
    loop_init();
    log_level_set(LOG_ERROR);
    struct ruleset *set = load_rules();
    struct pipeline_options options = {.data = argv[1],
                                       .workers = 2,
                                       .state_max = (size_t)256 << 20,
                                       .pending_max = (size_t)256 << 20,
                                       .journal_bytes = UINT64_C(1) << 30,
                                       .journal_ns = 86400 * NS_PER_S,
                                       .retain_threats_ns = 86400 * NS_PER_S,
                                       .clock = &clock_real,
                                       .set = set};
    struct pipeline *pipeline = pipeline_start(&options, &err);
    if (!pipeline)
        die("%s", err_text(&err));
    while (!pipeline_recovered(pipeline))
        usleep(200); /* until it is */
    int64_t due = clock_monotonic();
    for (size_t i = 0; i < QUIET; i++, due += STEP_NS)
        ordinary_at(pipeline, due, false);
    pipeline_on_worker(pipeline, 0, hostile_next, NULL);
    for (due = clock_monotonic(); !atomic_load(&bench.over); due += STEP_NS)
        ordinary_at(pipeline, due, true);
    pipeline_stop(pipeline, 10 * NS_PER_S);
    ruleset_unref(set);
    report();
    return 0;
}
