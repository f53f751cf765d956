/* A worker: one thread with an event loop that takes batches in, matches them, and owns the shards i with i %
 * workers == its index. Everything here runs on the worker's own thread unless it says otherwise. */
#ifndef LUNETTE_PIPELINE_WORKER_H
#define LUNETTE_PIPELINE_WORKER_H

#include "loop/loop.h"
#include "pipeline/part.h"

struct worker;
struct pipeline;

/* What became of it. */
struct submission_result {
    const struct batch *batch; /* events with their ids, rejects */
    const struct err *err;     /* NULL: accepted. ERR_BUSY: the journal failed, nothing was kept */
    const struct raised *raised;
    size_t raised_count; /* new threats, by id */
};

/* One batch that somebody hands in. */
struct submission {
    struct str source;   /* named by the sender, or ""; copied */
    struct str customer; /* bound by the token, or ""; copied */
    enum journal_format format;
    struct id128 id_base;
    const char *trace_id; /* 32 hex, or NULL; copied */
    struct buf body;      /* taken, when worker_submit returns 0 */
    /* On the worker, exactly once, when the batch is durable and judged, or was refused after acceptance. The
     * result is borrowed during the call. NULL: nobody wants to know. */
    void (*done)(const struct submission_result *result, void *arg);
    void *arg;
};
/* -1 at once, body untouched: ERR_INVALID and ERR_LIMIT (no batch), ERR_NOT_FOUND (no such source), ERR_BUSY
 * (no room: 503). A batch without one acceptable event is done (0) with batch->event_count 0. */
int worker_submit(struct worker *worker, struct submission *submission, struct err *err);

struct loop *worker_loop(const struct worker *worker);
struct mailbox *worker_mailbox(struct worker *worker); /* any thread */
unsigned worker_index(const struct worker *worker);
struct pipeline *worker_pipeline(const struct worker *worker);
struct ruleset *worker_ruleset(const struct worker *worker); /* of new batches; borrowed */
uint64_t worker_generation(const struct worker *worker);     /* of new batches; any thread */
size_t worker_in_flight(const struct worker *worker);        /* batches not answered yet */

#endif
