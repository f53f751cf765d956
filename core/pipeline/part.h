/* A part: one owner's share of one batch, and the message that carries it. It goes origin -> owner
 * (observations to judge), owner -> writer (a verdict to raise and count), writer -> owner (what became of
 * it), and a notice goes owner -> origin. All slots it needs are reserved when the origin dispatches the
 * batch, so no leg can find a full box. */
#ifndef LUNETTE_PIPELINE_PART_H
#define LUNETTE_PIPELINE_PART_H

#include "loop/mailbox.h"
#include "pipeline/judge.h"
#include "pipeline/observe.h"

struct worker;
struct flight;

/* What the book made of one firing, as far as owner and origin want to know. */
struct raised {
    char threat_id[UUID_TEXT];
    bool is_new;
    int64_t anchor_ns;
};

struct part {
    struct mail mail;    /* first leg, verdict, and back */
    struct mail notice;  /* to the origin; may travel while `mail` is at the writer */
    atomic_uint holders; /* legs under way; the last one frees */
    struct batch *batch; /* referenced */
    struct worker *origin, *owner;
    struct flight *flight;  /* the origin's; touched on its thread only */
    uint32_t *observations; /* indexes into the batch's */
    size_t count, parts;    /* parts: how many the batch has in all */
    struct verdict verdict;
    struct observed *observed; /* of the whole batch, on the origin's own part; NULL; the writer takes it */
    bool waits;                /* the reply waits for the commit */
    bool lost;                 /* (writer) it ended before this was committed */
    bool urgent;               /* (writer) something of it must be committed before it goes back */
    size_t raised_at;          /* (writer) how far judge_raise has come */
    VEC(struct raised) raised; /* one per firing, in order; (writer) until it goes back */
};

struct part *part_new(struct batch *batch);
void part_release(struct part *part); /* one holder less */

#endif
