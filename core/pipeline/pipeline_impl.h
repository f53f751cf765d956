/* The inside of a pipeline, shared by pipeline.c (start, stop, health), worker_thread.c (a worker's life) and
 * publish.c (generations of rules). Owner: the control thread; other threads only touch what is atomic or
 * under `set_lock`. */
#ifndef LUNETTE_PIPELINE_PIPELINE_IMPL_H
#define LUNETTE_PIPELINE_PIPELINE_IMPL_H

#include <pthread.h>

#include "pipeline/pipeline.h"
#include "pipeline/recovery.h"

#define GENERATIONS 8

struct pipeline {
    struct pipeline_options options;
    struct store *store;
    struct state_log *state_log;
    struct writer *writer;
    struct journaler *journaler;
    struct checkpoint *checkpoint;
    struct readers *readers;
    struct verdicts *verdicts; /* as the store had them at the start: the workers copy it */
    struct watchdog *watchdog;
    struct worker *workers[GROUP_SHARDS];
    unsigned worker_count;
    struct recovery *_Atomic recovery;
    uint64_t journal_last; /* as the process found it */
    _Atomic size_t pending_bytes;
    char epoch[17];
    uint8_t shard_key[16];
    uint64_t stands_at[GROUP_SHARDS];
    bool unreadable[GROUP_SHARDS];            /* of the state log; filled from the journal alone */
    struct group_shard *shards[GROUP_SHARDS]; /* until the workers take them */

    pthread_mutex_t set_lock;
    struct ruleset *set;                        /* current; referenced */
    struct generation generations[GENERATIONS]; /* those that may still be in service */
    uint64_t generation;
};

/* ---- worker_thread.c ---- */
/* Takes the shards that are its own. */
struct worker *worker_make(struct pipeline *pipeline, unsigned index);
/* Returns when it can take requests, or has failed and ended. */
int worker_start(struct pipeline *pipeline, unsigned index, struct err *err);
void worker_free(struct worker *worker); /* its thread has ended */

/* ---- publish.c ---- */
/* Drops the references to all generations; no worker runs. */
void generations_free(struct pipeline *pipeline);

#endif
