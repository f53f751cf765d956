#include "pipeline/part.h"

struct part *part_new(struct batch *batch)
{
    struct part *part = mem_zalloc(1, sizeof(*part));
    atomic_init(&part->holders, 1);
    part->batch = batch_ref(batch);
    verdict_init(&part->verdict, batch);
    return part;
}

void part_release(struct part *part)
{
    if (atomic_fetch_sub_explicit(&part->holders, 1, memory_order_acq_rel) != 1)
        return;
    verdict_release(&part->verdict);
    observed_free(part->observed);
    vec_free(&part->raised);
    free(part->observations);
    batch_unref(part->batch);
    free(part);
}
