/* After a start: observes the journal again from where the checkpoints stand, in its order, on one worker, so
 * that the windows and threats are what they were. What the store has counted is not counted again. */
#ifndef LUNETTE_PIPELINE_RECOVERY_H
#define LUNETTE_PIPELINE_RECOVERY_H

#include "pipeline/worker_impl.h"

struct recovery;
/* `dir`: of the journal; NULL: nothing to recover. Runs on the worker's thread from here. */
struct recovery *recovery_start(const char *dir, struct worker *worker, struct writer *writer,
                                const uint64_t *stands_at, struct err *err);
void recovery_stop(struct recovery *recovery);              /* any thread: reads no further; NULL is fine */
void recovery_free(struct recovery *recovery);              /* the worker has ended; NULL is fine */
bool recovery_done(const struct recovery *recovery);        /* any thread */
uint64_t recovery_batches(const struct recovery *recovery); /* any thread: batches observed again so far */

#endif
