/* What group state costs: time per observed event and memory per group and entry.
 *   bench_group            all cases, a line each: name, ns per event (median of five), note */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "data/group.h"

#define RUNS 5

static const char fields[] = "user.name=ana;source.ip=203.0.113.9;source.geo.country_iso_code=NL";

static struct id128 make_id(uint64_t n)
{
    struct id128 id = {{0}};
    n *= UINT64_C(0x9e3779b97f4a7c15);
    memcpy(id.bytes, &n, sizeof(n));
    memcpy(id.bytes + 8, &n, sizeof(n));
    return id;
}

struct shape {
    const char *name;
    uint64_t groups; /* events go round them */
    uint64_t events;
    int64_t step_ns;  /* between events of one group */
    int64_t swing_ns; /* each second event is this much late */
    uint32_t count;   /* threshold */
    unsigned values;  /* different distinct values; 0: a count rule */
    uint64_t warm;    /* events before the clock starts */
    bool accept;      /* detect says yes */
};

struct measured {
    double ns;
    size_t bytes, groups;
    uint64_t fired;
};

static void observe(struct group_shard *shard, const struct shape *s, uint64_t n, struct measured *m)
{
    struct group_spec spec = {
        .state = 1,
        .window_ns = 600 * NS_PER_S,
        .late_ns = 30 * NS_PER_S,
        .count = s->count,
        .distinct = s->values,
        .groups = 200000,
        .times = GROUP_TIMES_MAX,
    };
    char key[32], value[32] = "";
    int key_len = snprintf(key, sizeof(key), "acme\x1fuser%" PRIu64, n % s->groups);
    int value_len = s->values ? snprintf(value, sizeof(value), "host%" PRIu64, n % s->values) : 0;
    struct group_entry entry = {
        .time_ns = (int64_t)(n / s->groups) * s->step_ns - (n % 2 ? s->swing_ns : 0),
        .id = make_id(n),
        .distinct = {value, (size_t)value_len},
        .fields = {fields, sizeof(fields) - 1},
    };
    struct group_result result = group_observe(shard, &spec, (struct str){key, (size_t)key_len}, &entry,
                                               (int64_t)n);
    for (size_t i = 0; s->accept && i < result.count; i++)
        group_accept(shard, result.candidates[i].index);
    m->fired += result.count;
}

static struct measured measure(const struct shape *s)
{
    struct measured m = {0};
    struct group_shard *shard = group_shard_new((size_t)1 << 30);
    uint64_t n = 0;
    for (; n < s->warm; n++)
        observe(shard, s, n, &m);
    m.fired = 0;
    int64_t began = clock_thread_cpu();
    for (; n < s->warm + s->events; n++)
        observe(shard, s, n, &m);
    m.ns = (double)(clock_thread_cpu() - began) / (double)s->events;
    m.bytes = group_bytes(shard);
    m.groups = group_count(shard);
    group_shard_free(shard);
    return m;
}

static int by_ns(const void *a, const void *b)
{
    double left = ((const struct measured *)a)->ns, right = ((const struct measured *)b)->ns;
    return (left > right) - (left < right);
}

int main(void)
{
    static const struct shape shapes[] = {
        {"in order, 1,000 groups, count 5", 1000, 1000000, 150 * NS_PER_S, 0, 5, 0, 100000, true},
        {"in order, 100,000 groups, count 5", 100000, 1000000, 150 * NS_PER_S, 0, 5, 0, 500000, true},
        {"in order, 100,000 groups, distinct 5", 100000, 1000000, 150 * NS_PER_S, 0, 5, 7, 500000, true},
        {"hot group of 10,000, in order, count 5", 1, 500000, 50 * NS_PER_MS, 0, 5, 0, 30000, true},
        {"hot group of 10,000, in order, distinct 50", 1, 500000, 50 * NS_PER_MS, 0, 50, 500, 30000, true},
        {"hot group of 10,000, 50 ms of disorder", 1, 500000, 50 * NS_PER_MS, 120 * NS_PER_MS, 5, 0, 30000,
         true},
        {"hot group of 10,000, 50 ms, distinct 50", 1, 500000, 50 * NS_PER_MS, 120 * NS_PER_MS, 50, 500,
         30000, true},
        {"hot group of 10,000, every other 29 s late", 1, 50000, 50 * NS_PER_MS, 29 * NS_PER_S, 5, 0, 30000,
         true},
        {"one event in each of 100,000 groups", 100000, 100000, NS_PER_S, 0, 5, 0, 0, true},
    };
    printf("%-46s %10s %12s %10s %s\n", "case", "ns/event", "bytes/group", "groups", "candidates/event");
    for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++) {
        struct measured runs[RUNS];
        for (int r = 0; r < RUNS; r++)
            runs[r] = measure(&shapes[i]);
        qsort(runs, RUNS, sizeof(runs[0]), by_ns);
        const struct measured *m = &runs[RUNS / 2];
        printf("%-46s %10.0f %12.0f %10zu %.3f\n", shapes[i].name, m->ns,
               (double)m->bytes / (double)m->groups, m->groups, (double)m->fired / (double)shapes[i].events);
    }
    return 0;
}
