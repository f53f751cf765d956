#include "pipeline/meters.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/metrics.h"

#define NO_SOURCE "(none)" /* no id of a source looks so */

static struct metric *quality_family(void)
{
    return metric_new(METRIC_COUNTER, "lunette_event_quality_total", "mark",
                      "events with this mark in event.quality");
}

static struct metric *source_family(void)
{
    return metric_new(METRIC_COUNTER, "lunette_source_events_total", "source",
                      "accepted events by the source they were taken for");
}

static struct metric *fix_family(void)
{
    return metric_new(METRIC_COUNTER, "lunette_source_fixed_total", "source",
                      "events on which the source's fix ran, as its when held");
}

static struct metric_series *suspended_series(void)
{
    return metric_with(metric_new(METRIC_GAUGE, "lunette_suspended_callbacks", "",
                                  "callbacks of rules that failed too often and are suspended"),
                       NULL);
}

static struct metric *state_family(void)
{
    return metric_new(METRIC_GAUGE, "lunette_group_state_bytes", "worker",
                      "memory of the windows of a worker's groups");
}

void meters_start(void)
{
    for (unsigned bit = 0; bit < QUALITY_COUNT; bit++)
        metric_with(quality_family(), (const char *const[]){event_quality_name(bit)});
    source_family();
    fix_family();
    state_family();
    suspended_series();
}

static void add(struct metric *family, const char *label, uint32_t count)
{
    if (count)
        metric_add(metric_with(family, (const char *const[]){label}), count);
}

/* ---- a batch ---- */

struct source_counts {
    uint32_t events, fixed;
};

static void add_source(const struct ruleset *set, size_t source, struct source_counts counts)
{
    char id[129];
    if (source < set->source_count)
        snprintf(id, sizeof(id), "%.*s", STR_ARG(set->sources[source].id));
    else
        snprintf(id, sizeof(id), NO_SOURCE);
    add(source_family(), id, counts.events);
    add(fix_family(), id, counts.fixed);
}

/* Families are looked up once a batch, and only for what it holds. */
void meters_batch(const struct batch *batch)
{
    size_t sources = batch->set->source_count;
    uint32_t marks[QUALITY_COUNT] = {0};
    if (batch->replay)
        return;
    struct source_counts *counts = mem_zalloc(sources + 1, sizeof(*counts));
    for (uint32_t i = 0; i < batch->event_count; i++) {
        const struct event *event = batch->events[i];
        struct source_counts *at = &counts[event->source < sources ? event->source : sources];
        at->events++;
        at->fixed += event->fixed;
        for (uint32_t left = event->quality; left; left &= left - 1)
            marks[__builtin_ctz(left)]++;
    }
    for (unsigned bit = 0; bit < QUALITY_COUNT; bit++)
        add(quality_family(), event_quality_name(bit), marks[bit]);
    for (size_t i = 0; i <= sources; i++)
        if (counts[i].events)
            add_source(batch->set, i, counts[i]);
    free(counts);
}

void meters_state(unsigned worker, size_t bytes)
{
    char index[16];
    snprintf(index, sizeof(index), "%u", worker);
    metric_set(metric_with(state_family(), (const char *const[]){index}), (double)bytes);
}

void meters_suspended(const struct pack_health *health, const struct ruleset *set, int64_t now_ns)
{
    uint32_t count = 0;
    for (uint32_t rule = 0; rule < set->rule_count; rule++)
        for (unsigned callback = 0; callback < CALLBACK_COUNT; callback++)
            count += pack_suspended(health, rule, (enum callback)callback, now_ns);
    metric_set(suspended_series(), count);
}
