/* The engine on one thread: the same detector, windows and book as the server's, put together without
 * threads, disk or sockets. Tests on the virtual clock, `lunette replay`, `lunette bench` and the busted
 * module run on it. */
#ifndef LUNETTE_PIPELINE_ENGINE_H
#define LUNETTE_PIPELINE_ENGINE_H

#include "pipeline/judge.h"

struct engine;

struct engine_options {
    struct ruleset *set; /* referenced */
    const struct clock *clock;
    const struct rule_test *test; /* lists are those of the test; NULL: those of the files */
    size_t state_max;             /* bytes of group state */
};
struct engine *engine_new(const struct engine_options *options, struct err *err);
void engine_free(struct engine *engine);

/* Forgets windows, threats and ledger; keeps the Lua state (so that what a rule keeps there is found out). */
void engine_reset(struct engine *engine);
struct detector *engine_detector(struct engine *engine);
struct book *engine_book(struct engine *engine);
const struct ledger *engine_ledger(const struct engine *engine);

/* Judges a batch from its bytes to its threats. Needs body, format, accepted_ns, id_base. -1: ingest_parse
 * refused. */
int engine_feed(struct engine *engine, struct batch *batch, struct err *err);
/* The second half alone: for events that are mapped already and observations that are matched. */
void engine_judge(struct engine *engine, struct batch *batch);

#endif
