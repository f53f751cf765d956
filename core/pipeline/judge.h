/* Detect, second half, on the owner of the group's shard (or the origin, for rules without a group): the
 * window, then `detect`, `dedup_of`, `severity_of`, `title_of`, `context_of`. What fires becomes a firing for
 * the book. */
#ifndef LUNETTE_PIPELINE_JUDGE_H
#define LUNETTE_PIPELINE_JUDGE_H

#include "data/group.h"
#include "pipeline/book.h"
#include "pipeline/detect.h"
#include "pipeline/hints.h"

/* Where a fired pair was counted before, so that it can move. */
enum judged_from { FROM_NOWHERE, FROM_WAITING, FROM_REFUSED };

/* Not a pair of the ledger: the platform's own. */
#define RULE_INTERNAL UINT32_MAX

struct judged {
    struct firing firing; /* strings in the verdict's arena or the ruleset's */
    uint32_t rule;
    enum judged_from from;
};

/* What one owner says of one batch: deltas it could decide itself, and firings, which the book decides. */
struct verdict {
    struct arena *arena;
    struct batch *batch; /* referenced */
    struct ledger_delta delta;
    VEC(struct judged) judged;
    uint64_t evicted;          /* window entries and groups lost to limits */
    VEC(uint64_t) pressure;    /* states of the groups' rules that lost them */
    const struct hints *hints; /* the owner's, or NULL: titles of folds are not asked for */
    struct map *replayed;      /* (writer) firings met since the start that observed their batches again */
};
void verdict_init(struct verdict *verdict, struct batch *batch);
void verdict_release(struct verdict *verdict);

/* Judges one observation of the batch. `shard` is the shard's state (NULL where observation->shard is
 * SHARD_NONE). */
void judge_observation(struct detector *detector, struct group_shard *shard,
                       const struct observation *observation, struct verdict *verdict);

/* Raises what fired in the book and counts the outcomes in the verdict's delta. `each` (may be NULL) sees
 * every result. -1 when the book's source failed: nothing of the failed firing was counted; call again with
 * *from to go on. */
int judge_raise(struct book *book, struct verdict *verdict, size_t *from,
                void (*each)(const struct judged *judged, const struct raise_result *result, void *arg),
                void *arg, struct err *err);

#endif
