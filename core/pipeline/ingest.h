/* Ingest: from bytes to frozen events. Splits the body, parses each item, chooses the source, maps it to ECS,
 * gives it customer and identity. What cannot be taken is reported per item; nothing else of the batch is
 * lost. */
#ifndef LUNETTE_PIPELINE_INGEST_H
#define LUNETTE_PIPELINE_INGEST_H

#include "pipeline/batch.h"
#include "pipeline/triage.h"
#include "rules/pack.h"

/* What one thread needs to work on one ruleset: its own states and scratch over the shared immutable set. */
struct detector {
    struct ruleset *set; /* referenced */
    struct pack *pack;
    struct event_parser *parser;
    struct match_scratch *scratch;
    struct pack_health *health; /* shared, borrowed */
    struct triage *triage;      /* NULL: threats begin without one */
    uint8_t shard_key[16];
    uint32_t *order; /* the sources that choose by `accepts`, best first */
    uint32_t order_count;
    VEC(struct str) items; /* of the batch that is being parsed */
};
struct detector_options {
    struct ruleset *set;
    struct pack_health *health;
    struct watchdog_slot *watchdog; /* NULL: instruction budgets */
    const struct clock *clock;
    const struct rule_test *test;        /* or NULL */
    const uint8_t *shard_key;            /* 16 bytes */
    const struct verdicts *verdicts;     /* not NULL: with triage, which looks here */
    struct policy_health *policy_health; /* of triage; or NULL */
};
struct detector *detector_new(const struct detector_options *options, struct err *err);
void detector_free(struct detector *detector);

/* Splits and parses batch->body into batch->events (unmapped) and batch->rejects. -1 where the body as a
 * whole is no batch: broken array, more than BATCH_EVENTS_MAX items (ERR_LIMIT), an unknown source
 * (ERR_NOT_FOUND). */
int ingest_parse(struct detector *detector, struct batch *batch, struct err *err);
/* Source, map, fix, customer, identity, freeze: for each event. Needs accepted_ns, customer, id_base. */
void ingest_map(struct detector *detector, struct batch *batch);

#endif
