#include "pipeline/batch.h"

#define BATCH_ARENA (16 * 1024)

struct batch *batch_new(struct ruleset *set)
{
    struct batch *batch = mem_zalloc(1, sizeof(*batch));
    atomic_init(&batch->refs, 1);
    batch->arena = arena_new(BATCH_ARENA);
    batch->set = ruleset_ref(set);
    atomic_fetch_add_explicit(&set->batches, 1, memory_order_relaxed);
    batch->counted = true;
    return batch;
}

struct batch *batch_ref(struct batch *batch)
{
    atomic_fetch_add_explicit(&batch->refs, 1, memory_order_relaxed);
    return batch;
}

void batch_unref(struct batch *batch)
{
    if (batch == NULL || atomic_fetch_sub_explicit(&batch->refs, 1, memory_order_acq_rel) != 1)
        return;
    vec_free(&batch->rejects);
    vec_free(&batch->observations);
    ledger_delta_free(&batch->delta);
    buf_free(&batch->body);
    arena_free(batch->arena);
    atomic_fetch_sub_explicit(&batch->set->batches, 1, memory_order_release);
    ruleset_unref(batch->set);
    free(batch);
}
