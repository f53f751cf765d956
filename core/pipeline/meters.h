/* What the pipeline counts for /metrics beside the ledger: marks of quality, how many events of a source
 * needed its Lua, memory of windows, callbacks that are suspended. Batches that a start observes again are
 * not counted twice. */
#ifndef LUNETTE_PIPELINE_METERS_H
#define LUNETTE_PIPELINE_METERS_H

#include "pipeline/batch.h"
#include "rules/pack.h"

/* Makes the families known, so that a scrape shows them before the first event. */
void meters_start(void);
/* A batch that was mapped and matched; on the worker that did it. */
void meters_batch(const struct batch *batch);
/* How many bytes of windows a worker's shards hold. */
void meters_state(unsigned worker, size_t bytes);
/* How many callbacks of the rules in service are suspended now. */
void meters_suspended(const struct pack_health *health, const struct ruleset *set, int64_t now_ns);

#endif
