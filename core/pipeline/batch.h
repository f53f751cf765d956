/* A batch: what one request brought, from its bytes to its reply. The worker that took it in (the origin)
 * fills it; from batch_freeze on its arena, events and observations are read-only and shared by reference,
 * and only the fields marked (origin) change, on the origin's thread. */
#ifndef LUNETTE_PIPELINE_BATCH_H
#define LUNETTE_PIPELINE_BATCH_H

#include <stdatomic.h>

#include "data/journal.h"
#include "pipeline/ledger.h"

#define BATCH_EVENTS_MAX 10000
#define SHARD_NONE       UINT32_MAX

/* One item that was not accepted. */
struct batch_reject {
    uint32_t index;
    enum ledger_reject reason;
    struct str error; /* in the arena */
};

/* One (event, rule, group): what an owner has to judge. */
struct observation {
    uint32_t event, rule; /* indexes into batch->events, set->rules */
    uint32_t shard;       /* SHARD_NONE: the rule has no group; judged by the origin */
    struct str key;       /* customer and by-values, packed */
    struct str review;    /* why review is needed already ("" : it is not) */
    bool excepted;
};

struct batch {
    atomic_uint refs;
    struct arena *arena;
    struct buf body; /* followed by JSON_TAPE_PADDING readable bytes */
    uint64_t number; /* of the journal; 0 until it is there */
    int64_t accepted_ns;
    struct str source_name, customer; /* as named by the sender / bound by the token; "" none */
    enum journal_format format;
    struct id128 id_base;
    bool replay;           /* from the journal after a start */
    bool counted;          /* its ledger delta is still to be added */
    struct ruleset *set;   /* referenced */
    struct event **events; /* accepted ones */
    uint32_t *indexes;     /* of events in the request */
    uint32_t event_count, item_count;
    VEC(struct batch_reject) rejects;
    VEC(struct observation) observations;
    struct ledger_delta delta; /* of ingest and routing; owners have deltas of their own */
    char trace_id[33];
};

struct batch *batch_new(struct ruleset *set); /* references set; refs = 1 */
struct batch *batch_ref(struct batch *batch);
void batch_unref(struct batch *batch); /* any thread */

#endif
