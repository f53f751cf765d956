/* The inside of a worker, shared by worker.c (taking in, judging), worker_control.c (generations,
 * checkpoints) and pipeline.c (which makes and joins them). */
#ifndef LUNETTE_PIPELINE_WORKER_IMPL_H
#define LUNETTE_PIPELINE_WORKER_IMPL_H

#include "loop/thread.h"
#include "pipeline/checkpoint.h"
#include "pipeline/analyse.h"
#include "pipeline/hints.h"
#include "pipeline/journaler.h"
#include "pipeline/worker.h"
#include "pipeline/writer.h"

#define WORKER_DETECTORS 4 /* current, next and two retired */

/* One ruleset in service, and what its workers share. */
struct generation {
    struct ruleset *set;
    struct pack_health *health;
    struct policy_health *policy_health;
};

/* A batch on its way, on its origin. */
struct flight {
    struct journal_mail journal; /* first: its mail is the flight's */
    struct worker *worker;
    struct batch *batch;
    void (*done)(const struct submission_result *result, void *arg);
    void *arg;
    size_t parts_left;
    bool lost; /* the store could not take all of it before the end */
    VEC(struct raised) raised;
    struct flight *next; /* parked */
};

struct worker {
    struct owner owner;
    struct pipeline *pipeline;
    unsigned index, count;
    struct loop *loop;
    struct thread *thread;
    struct mailbox *box;
    struct watchdog *watchdog;
    struct watchdog_slot *slot;
    const struct clock *clock;
    struct worker **peers; /* count of them, this one included */
    struct journaler *journaler;
    struct writer *writer;
    struct readers *readers;
    struct analyst *analyst;
    struct checkpoint *checkpoint;
    uint8_t shard_key[16];
    struct group_shard *shards[GROUP_SHARDS]; /* only its own are set */
    struct detector *detectors[WORKER_DETECTORS];
    struct detector *current;
    _Atomic uint64_t generation; /* of current: for other threads */
    struct verdicts *verdicts;   /* its copy of the counters */
    struct hints *hints;
    unsigned hints_voided; /* writer_hints_voided() that they are of */
    struct timer *tick, *unpark;
    struct flight *parked_first, *parked_last;
    size_t parked, in_flight;
    _Atomic size_t *pending_bytes; /* of the process */
    size_t pending_max;
    uint64_t knows_of;               /* newest batch that touched its shards */
    uint64_t stood_at[GROUP_SHARDS]; /* what the shards held already at the start */
    uint64_t ticks;                  /* seconds */
    bool ending;                     /* nothing is taken in, dispatched or begun any more */
    VEC(uint64_t) pressure;          /* group states that lost entries since the last tick */
    struct ledger_delta orphans;     /* rejects of batches that were not accepted */
    struct metric_series *evicted;
};

/* worker_control.c: messages from the control thread and the tick. */
struct detector *worker_detector(struct worker *worker, const struct ruleset *set);
struct detector *worker_prepare(struct worker *worker, const struct generation *generation, struct err *err);
void worker_switch(struct worker *worker, const struct ruleset *set);
void worker_retire(struct worker *worker);
void worker_save(struct worker *worker, bool all);
void worker_dispatch_parked(struct worker *worker);
/* The process stops: answers what is still parked; the journal has it. */
void worker_end(struct worker *worker);
void worker_send_orphans(struct worker *worker);
/* The platform's own threats: a rule whose callback is suspended, a rule that lost window entries to limits.
 */
void worker_alarms(struct worker *worker);

void worker_deliver_verdict(struct mail *mail, void *receiver);
/* Feeds one journal frame as a replay; `arg` gets to know when it is judged. */
int worker_replay(struct worker *worker, const struct journal_frame *frame, bool counted,
                  void (*done)(const struct submission_result *, void *), void *arg);

#endif
