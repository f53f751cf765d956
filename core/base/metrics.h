/* Prometheus metrics. The other global: a registry of families; each thread adds into its own shard (relaxed
 * atomics), a scrape sums the shards. Names and help are constants; labels are closed sets or ids, never
 * event values. */
#ifndef LUNETTE_BASE_METRICS_H
#define LUNETTE_BASE_METRICS_H

#include <stdint.h>

#include "base/buf.h"

enum metric_type { METRIC_COUNTER, METRIC_GAUGE, METRIC_HISTOGRAM };

struct metric;        /* one family */
struct metric_series; /* one combination of label values; valid until process end */

/* Registers (or finds) a family. `labels`: comma-separated label names, "" for none. Histograms are of
 * seconds with fixed buckets from 100 µs to 10 s. */
struct metric *metric_new(enum metric_type type, const char *name, const char *labels, const char *help);
/* Finds or makes the series; takes a lock, so keep the result. `values` in the order of the labels. At most
 * 20,000 series a family: beyond, one series with "other" values is returned. */
struct metric_series *metric_with(struct metric *metric, const char *const *values);
void metric_add(struct metric_series *series, double delta); /* counters and gauges */
void metric_set(struct metric_series *series, double value); /* gauges */
void metric_observe(struct metric_series *series, double seconds);
double metric_value(const struct metric_series *series);
/* A gauge read at scrape time. `read` may be called on any thread. */
void metric_callback(struct metric *metric, const char *const *values, double (*read)(void *arg), void *arg);
/* Removes callbacks with this arg (before the thing behind it dies). */
void metric_forget(void *arg);
/* The text exposition format 0.0.4 of all families, sorted by name. */
void metrics_render(struct buf *out);

#endif
