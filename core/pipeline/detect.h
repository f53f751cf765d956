/* Detect, first half, on the worker that took the batch in: which rules match, which events `filter` leaves
 * out, and to which group each pair belongs. */
#ifndef LUNETTE_PIPELINE_DETECT_H
#define LUNETTE_PIPELINE_DETECT_H

#include "pipeline/ingest.h"

#define GROUPS_PER_PAIR_MAX 16 /* a list in a `by` field: one group per element */

/* Matches every event; fills batch->observations with (event, rule) pairs not yet routed. */
void detect_match(struct detector *detector, struct batch *batch);
/* Calls `filter`, builds keys and shards: the observations are complete, in event order; left-out pairs are
 * counted in batch->delta. The batch is frozen after this. */
void detect_route(struct detector *detector, struct batch *batch);
/* The by-values of a packed key, as people read them: joined by ", ". */
struct str detect_key_text(struct arena *arena, struct str key);

#endif
