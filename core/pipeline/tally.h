/* The ledger in the order of batches: a batch counts once all its parts have come and every batch before it
 * counts, so that the sums always stand at one batch number. The writer thread adds; anybody reads. */
#ifndef LUNETTE_PIPELINE_TALLY_H
#define LUNETTE_PIPELINE_TALLY_H

#include "pipeline/part.h"

struct tally;
struct tally *tally_new(void);
void tally_free(struct tally *tally);

/* Writer thread. */
void tally_part(struct tally *tally, const struct part *part);
void tally_advance(struct tally *tally); /* moves the mark over all batches that are complete */
/* There are sums that were not saved yet, besides batches: rejects that no batch carries. */
bool tally_unsaved(const struct tally *tally);
/* The sums and the batch they stand at, for the store, and back. */
void tally_pack(struct tally *tally, struct buf *out);
void tally_saved(struct tally *tally); /* what was packed last is committed */
int tally_unpack(struct tally *tally, struct str packed, struct err *err);

/* Any thread. */
uint64_t tally_judged(const struct tally *tally);        /* the mark */
void tally_pending(struct tally *tally, int64_t events); /* accepted, not judged yet: more of them */
int64_t tally_pending_events(const struct tally *tally);
void tally_json(struct tally *tally, struct buf *out);
bool tally_balanced(struct tally *tally);
/* What became of one rule's pairs so far. */
struct ledger_counts tally_rule(struct tally *tally, const struct rule *rule);
enum tally_events { TALLY_RECEIVED, TALLY_ACCEPTED, TALLY_REJECTED };
int64_t tally_events(struct tally *tally, enum tally_events which); /* pending ones included */
int64_t tally_rejected(struct tally *tally, enum ledger_reject reason);

#endif
