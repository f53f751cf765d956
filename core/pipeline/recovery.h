/* After a start: observes the journal again from where the checkpoints stand, in its order, on one worker, so
 * that the windows and threats are what they were. What the store has counted is not counted again, and what
 * it has raised is not raised again. */
#ifndef LUNETTE_PIPELINE_RECOVERY_H
#define LUNETTE_PIPELINE_RECOVERY_H

#include "pipeline/worker_impl.h"

struct recovery;
struct recovery_options {
    const char *dir;           /* of the journal; NULL: nothing to recover */
    uint64_t last;             /* number of the last batch; what is appended later is not its business */
    const uint64_t *stands_at; /* per shard; used during recovery_start only */
    struct worker *worker;     /* runs on its thread from here */
    struct writer *writer;
};
struct recovery *recovery_start(const struct recovery_options *options, struct err *err);
void recovery_stop(struct recovery *recovery);              /* any thread: reads no further; NULL is fine */
void recovery_free(struct recovery *recovery);              /* the worker has ended; NULL is fine */
bool recovery_done(const struct recovery *recovery);        /* any thread; NULL: no */
uint64_t recovery_batches(const struct recovery *recovery); /* any thread: batches observed again so far */

#endif
