#include "pipeline/errand.h"

#include <stdlib.h>

struct errand *errand_new(struct writer *writer, enum errand_kind kind, const struct threat *threat)
{
    struct buf packed = BUF_EMPTY;
    if (!mailbox_reserve(writer_mailbox(writer), 1))
        return NULL;
    struct errand *errand = mem_zalloc(1, sizeof(*errand));
    errand->kind = kind;
    errand->writer = writer;
    errand->arena = arena_new(0);
    errand->began_ns = clock_monotonic();
    threat_pack(threat, &packed);
    errand->threat = threat_unpack(buf_str(&packed), NULL);
    INVARIANT(errand->threat);
    buf_free(&packed);
    return errand;
}

void errand_free(struct errand *errand)
{
    threat_free(errand->threat);
    arena_free(errand->arena);
    free(errand);
}

void errand_return(struct errand *errand)
{
    writer_ask_reserved(errand->writer, &errand->task);
}

void errand_drop(struct errand *errand)
{
    mailbox_unreserve(writer_mailbox(errand->writer), 1);
    errand_free(errand);
}
