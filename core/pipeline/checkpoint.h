/* The checkpoint thread: takes what the workers saved of their shards and appends it to the state log, once
 * the store has committed everything that the saved state knows of, so that what a start finds in the log is
 * never ahead of the store. */
#ifndef LUNETTE_PIPELINE_CHECKPOINT_H
#define LUNETTE_PIPELINE_CHECKPOINT_H

#include "data/group.h"
#include "data/state_log.h"
#include "loop/mailbox.h"
#include "pipeline/writer.h"

struct checkpoint;

/* One worker's shards at one moment. */
struct saved_state {
    struct mail mail;
    uint64_t stands_at; /* every batch up to this one is in it */
    uint64_t knows_of;  /* no batch after this one is in it */
    bool all;           /* whole state, not only what changed */
    unsigned worker;    /* whose */
    size_t bytes;       /* of the worker's whole state */
    struct buf shards[GROUP_SHARDS];
};

/* `log` may be NULL: nothing is kept. Both are borrowed. `workers`: up to 64. `stands_at`: what the log holds
 * already, per shard. */
struct checkpoint *checkpoint_start(struct state_log *log, struct writer *writer, unsigned workers,
                                    const uint64_t *stands_at, struct err *err);
/* Appends what is still waiting (the writer must have committed), ends the thread. */
void checkpoint_stop(struct checkpoint *checkpoint);
/* Takes the state. Dropped when the box is full: the worker saves everything at its next round then. */
void checkpoint_take(struct checkpoint *checkpoint, struct saved_state *saved);
/* The worker should save everything at its next round: after a start, when the log is more than twice the
 * state, or when something of it was lost. Any thread. */
bool checkpoint_wants_all(const struct checkpoint *checkpoint, unsigned worker);
/* Batches from here on are needed by the next start. Any thread. */
uint64_t checkpoint_needs_from(const struct checkpoint *checkpoint);

#endif
