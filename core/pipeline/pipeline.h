/* The pipeline: all threads between a batch's bytes and its threats, put together. Started and stopped by the
 * control thread, which also publishes new rulesets. Start order: store, state, journal, writer, readers,
 * workers, recovery; stop order: the reverse, each only when nothing can reach it any more. */
#ifndef LUNETTE_PIPELINE_PIPELINE_H
#define LUNETTE_PIPELINE_PIPELINE_H

#include "pipeline/readers.h"
#include "pipeline/worker.h"
#include "pipeline/writer.h"

struct pipeline;

/* Makes the data folder where it is missing (not its parents); NULL: there is none. */
int pipeline_data_folder(const char *data, struct err *err);

struct pipeline_options {
    const char *data;       /* the data folder, made when missing; NULL: nothing survives */
    unsigned workers;       /* 1 .. 64 */
    size_t state_max;       /* bytes of group state */
    size_t pending_max;     /* bytes of batches in work */
    uint64_t journal_bytes; /* retention of events */
    int64_t journal_ns;
    int64_t retain_threats_ns;
    const struct clock *clock;
    struct ruleset *set;          /* the first generation; referenced */
    const struct ai_settings *ai; /* borrowed; NULL: no model */
    void *context;
    /* On each worker's thread, once it can take requests / before its loop ends. */
    void (*worker_ready)(struct worker *worker, void *context);
    void (*worker_ending)(struct worker *worker, void *context);
    void (*published)(const struct change *change, void *context); /* writer thread, in order */
};

/* Returns when every worker runs and recovery has begun. */
struct pipeline *pipeline_start(const struct pipeline_options *options, struct err *err);
/* No more batches come in (the servers have drained): finishes what is in work within limit_ns, saves, joins.
 */
void pipeline_stop(struct pipeline *pipeline, int64_t limit_ns);

bool pipeline_recovered(
    const struct pipeline *pipeline); /* any thread: the journal has been observed again */
uint64_t pipeline_replayed(const struct pipeline *pipeline); /* batches observed again at the start */

/* Control thread: every worker builds its states for the set, then all switch. On failure nothing changed.
 * The set gets its generation number here. */
int pipeline_publish(struct pipeline *pipeline, struct ruleset *set, struct err *err);
struct ruleset *pipeline_ruleset(struct pipeline *pipeline); /* any thread; a new reference */

struct writer *pipeline_writer(struct pipeline *pipeline);
struct readers *pipeline_readers(struct pipeline *pipeline);
struct worker *pipeline_worker(struct pipeline *pipeline, unsigned index);
unsigned pipeline_workers(const struct pipeline *pipeline);
/* Runs `call(worker, arg)` on the worker's thread and waits for it. Control thread only. */
void pipeline_on_worker(struct pipeline *pipeline, unsigned index,
                        void (*call)(struct worker *worker, void *arg), void *arg);

struct pipeline_health {
    bool durable; /* there is a data folder */
    bool recovered, journal_full, journal_short, store_failing, balanced;
    int64_t pending_events;
    uint64_t judged, journal_last;
    size_t pending_bytes;
};
void pipeline_health(struct pipeline *pipeline, struct pipeline_health *health);
/* A copy of the store (lunette backup). */
const char *pipeline_epoch(const struct pipeline *pipeline); /* 16 hex: of this store's change numbers */

#endif
