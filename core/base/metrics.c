#include "base/metrics.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/err.h"
#include "base/map.h"
#include "base/vec.h"

#define SHARDS      8
#define SERIES_MOST 20000
#define LABELS_MOST 8

static const double bounds[] = {0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025,
                                0.05,   0.1,     0.25,   0.5,   1,      2.5,   5,    10};
#define BOUNDS (sizeof(bounds) / sizeof(bounds[0]))

/* A cache line of its own, made when the first thread of the shard adds. Counters use `sum` only; doubles are
 * kept as bits because a relaxed addition must be one atomic step where two threads share a shard. */
struct cell {
    _Atomic uint64_t sum;
    _Atomic uint64_t buckets[]; /* histograms: BOUNDS and +Inf, not cumulative */
};

struct metric_series {
    struct metric *metric;
    char *labels;                         /* rendered: {a="x"} or "" */
    _Atomic(struct cell *) cells[SHARDS]; /* gauges: the first only, since a set must be one store */
};

struct callback {
    char *labels;
    double (*read)(void *arg);
    void *arg;
};

struct metric {
    enum metric_type type;
    char *name, *help;
    char *label_names[LABELS_MOST];
    size_t label_count;
    struct map *by_labels;
    VEC(struct metric_series *) series;
    VEC(struct callback) callbacks;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static VEC(struct metric *) families; /* sorted by name */

static unsigned shard_of_thread(void)
{
    static atomic_uint next;
    static _Thread_local unsigned mine; /* 0: not chosen yet */
    if (!mine)
        mine = 1 + atomic_fetch_add_explicit(&next, 1, memory_order_relaxed) % SHARDS;
    return mine - 1;
}

static double as_double(uint64_t bits)
{
    double value;
    memcpy(&value, &bits, sizeof(value));
    return value;
}

static uint64_t as_bits(double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof(bits));
    return bits;
}

static struct cell *cell_make(struct metric_series *series, unsigned shard)
{
    size_t size = sizeof(struct cell);
    if (series->metric->type == METRIC_HISTOGRAM)
        size += (BOUNDS + 1) * sizeof(uint64_t);
    size = (size + 63) & ~(size_t)63;
    struct cell *made = aligned_alloc(64, size);
    if (!made)
        die("out of memory (%zu bytes)", size);
    memset(made, 0, size);
    struct cell *there = NULL;
    if (atomic_compare_exchange_strong_explicit(&series->cells[shard], &there, made, memory_order_acq_rel,
                                                memory_order_acquire))
        return made;
    free(made);
    return there;
}

static struct cell *cell_of(struct metric_series *series)
{
    unsigned shard = series->metric->type == METRIC_GAUGE ? 0 : shard_of_thread();
    struct cell *cell = atomic_load_explicit(&series->cells[shard], memory_order_acquire);
    return cell ? cell : cell_make(series, shard);
}

static void add_to(_Atomic uint64_t *bits, double delta)
{
    uint64_t old = atomic_load_explicit(bits, memory_order_relaxed);
    while (!atomic_compare_exchange_weak_explicit(bits, &old, as_bits(as_double(old) + delta),
                                                  memory_order_relaxed, memory_order_relaxed))
        ;
}

void metric_add(struct metric_series *series, double delta)
{
    add_to(&cell_of(series)->sum, delta);
}

void metric_set(struct metric_series *series, double value)
{
    INVARIANT(series->metric->type == METRIC_GAUGE);
    atomic_store_explicit(&cell_of(series)->sum, as_bits(value), memory_order_relaxed);
}

void metric_observe(struct metric_series *series, double seconds)
{
    INVARIANT(series->metric->type == METRIC_HISTOGRAM);
    struct cell *cell = cell_of(series);
    size_t bucket = 0;
    while (bucket < BOUNDS && seconds > bounds[bucket])
        bucket++;
    atomic_fetch_add_explicit(&cell->buckets[bucket], 1, memory_order_relaxed);
    add_to(&cell->sum, seconds);
}

double metric_value(const struct metric_series *series)
{
    double sum = 0;
    for (size_t i = 0; i < SHARDS; i++) {
        struct cell *cell = atomic_load_explicit(&series->cells[i], memory_order_acquire);
        if (cell)
            sum += as_double(atomic_load_explicit(&cell->sum, memory_order_relaxed));
    }
    return sum;
}

static void split_labels(struct metric *metric, const char *labels)
{
    while (*labels) {
        size_t len = strcspn(labels, ",");
        INVARIANT(metric->label_count < LABELS_MOST && len);
        metric->label_names[metric->label_count++] = mem_dup(labels, len);
        labels += len + (labels[len] == ',');
    }
}

/* Where the name stands in `families`, or would stand. */
static size_t family_place(const char *name)
{
    size_t low = 0, high = families.count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (strcmp(families.items[middle]->name, name) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

struct metric *metric_new(enum metric_type type, const char *name, const char *labels, const char *help)
{
    pthread_mutex_lock(&lock);
    size_t place = family_place(name);
    struct metric *metric = NULL;
    if (place < families.count && strcmp(families.items[place]->name, name) == 0) {
        metric = families.items[place];
        INVARIANT(metric->type == type);
    } else {
        metric = mem_zalloc(1, sizeof(*metric));
        metric->type = type;
        metric->name = mem_dup(name, strlen(name));
        metric->help = mem_dup(help, strlen(help));
        metric->by_labels = map_new();
        split_labels(metric, labels);
        vec_push(&families, metric);
        memmove(families.items + place + 1, families.items + place,
                (families.count - 1 - place) * sizeof(struct metric *));
        families.items[place] = metric;
    }
    pthread_mutex_unlock(&lock);
    return metric;
}

static void put_label_value(struct buf *out, const char *value)
{
    for (; *value; value++) {
        if (*value == '\n') {
            buf_puts(out, "\\n");
            continue;
        }
        if (*value == '"' || *value == '\\')
            buf_putc(out, '\\');
        buf_putc(out, *value);
    }
}

static char *labels_text(const struct metric *metric, const char *const *values)
{
    struct buf out = BUF_EMPTY;
    buf_puts(&out, metric->label_count ? "{" : "");
    for (size_t i = 0; i < metric->label_count; i++) {
        buf_printf(&out, "%s%s=\"", i ? "," : "", metric->label_names[i]);
        put_label_value(&out, values ? values[i] : "other");
        buf_putc(&out, '"');
    }
    buf_puts(&out, metric->label_count ? "}" : "");
    return out.ptr;
}

static struct metric_series *series_find(struct metric *metric, const char *const *values)
{
    char *labels = labels_text(metric, values);
    struct metric_series *series = map_get(metric->by_labels, str_from(labels));
    if (series || (values && metric->label_count && metric->series.count >= SERIES_MOST - 1)) {
        free(labels);
        return series;
    }
    series = mem_zalloc(1, sizeof(*series));
    series->metric = metric;
    series->labels = labels;
    map_put(metric->by_labels, str_from(labels), series);
    vec_push(&metric->series, series);
    return series;
}

struct metric_series *metric_with(struct metric *metric, const char *const *values)
{
    static const char *const none[1];
    pthread_mutex_lock(&lock);
    struct metric_series *series = series_find(metric, values ? values : none);
    if (!series)
        series = series_find(metric, NULL); /* the family is full: "other" */
    pthread_mutex_unlock(&lock);
    return series;
}

void metric_callback(struct metric *metric, const char *const *values, double (*read)(void *arg), void *arg)
{
    pthread_mutex_lock(&lock);
    vec_push(&metric->callbacks, ((struct callback){labels_text(metric, values), read, arg}));
    pthread_mutex_unlock(&lock);
}

static void forget_in(struct metric *metric, const void *arg)
{
    size_t kept = 0;
    for (size_t i = 0; i < metric->callbacks.count; i++) {
        struct callback *callback = &metric->callbacks.items[i];
        if (callback->arg == arg)
            free(callback->labels);
        else
            metric->callbacks.items[kept++] = *callback;
    }
    metric->callbacks.count = kept;
}

void metric_forget(void *arg)
{
    pthread_mutex_lock(&lock);
    for (size_t i = 0; i < families.count; i++)
        forget_in(families.items[i], arg);
    pthread_mutex_unlock(&lock);
}

static void put_value(struct buf *out, const char *name, const char *suffix, const char *labels, double value)
{
    buf_printf(out, "%s%s%s ", name, suffix, labels);
    if (value == (double)(int64_t)value && value < 1e15 && value > -1e15)
        buf_printf(out, "%lld\n", (long long)value);
    else
        buf_printf(out, "%.17g\n", value);
}

static void put_bucket(struct buf *out, const struct metric_series *series, const char *bound, uint64_t count)
{
    size_t len = strlen(series->labels);
    buf_printf(out, "%s_bucket{%.*s%sle=\"%s\"} %llu\n", series->metric->name, len ? (int)len - 2 : 0,
               len ? series->labels + 1 : "", len ? "," : "", bound, (unsigned long long)count);
}

static void put_histogram(struct buf *out, const struct metric_series *series)
{
    uint64_t counts[BOUNDS + 1] = {0}, total = 0;
    for (size_t i = 0; i < SHARDS; i++) {
        struct cell *cell = atomic_load_explicit(&series->cells[i], memory_order_acquire);
        for (size_t b = 0; cell && b <= BOUNDS; b++)
            counts[b] += atomic_load_explicit(&cell->buckets[b], memory_order_relaxed);
    }
    for (size_t b = 0; b <= BOUNDS; b++) {
        char bound[32] = "+Inf";
        if (b < BOUNDS)
            snprintf(bound, sizeof(bound), "%g", bounds[b]);
        total += counts[b];
        put_bucket(out, series, bound, total);
    }
    put_value(out, series->metric->name, "_sum", series->labels, metric_value(series));
    put_value(out, series->metric->name, "_count", series->labels, (double)total);
}

static void put_family(struct buf *out, const struct metric *metric)
{
    static const char *const types[] = {"counter", "gauge", "histogram"};
    buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", metric->name, metric->help, metric->name,
               types[metric->type]);
    for (size_t i = 0; i < metric->series.count; i++) {
        const struct metric_series *series = metric->series.items[i];
        if (metric->type == METRIC_HISTOGRAM)
            put_histogram(out, series);
        else
            put_value(out, metric->name, "", series->labels, metric_value(series));
    }
    for (size_t i = 0; i < metric->callbacks.count; i++) {
        const struct callback *callback = &metric->callbacks.items[i];
        put_value(out, metric->name, "", callback->labels, callback->read(callback->arg));
    }
}

void metrics_render(struct buf *out)
{
    pthread_mutex_lock(&lock);
    for (size_t i = 0; i < families.count; i++)
        put_family(out, families.items[i]);
    pthread_mutex_unlock(&lock);
}
