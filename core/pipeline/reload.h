/* Reload as a transaction: read the tree, compile it aside, run its tests, publish; whatever fails, the
 * running set stays and the reason is kept for whoever asks. The result depends on the tree alone. The last
 * good tree is kept below the data folder. All on the control thread, but reload_status_json. */
#ifndef LUNETTE_PIPELINE_RELOAD_H
#define LUNETTE_PIPELINE_RELOAD_H

#include "pipeline/pipeline.h"
#include "rules/loader.h"

struct reload;

struct reload_options {
    const char *rules, *plugins; /* ':'-lists of roots */
    const char *keep_dir;        /* folder below which the last good tree is kept; NULL: nowhere */
    int64_t test_limit_ns;       /* wall time for all tests of a tree */
};
struct reload *reload_new(const struct reload_options *options);
void reload_free(struct reload *reload);

/* At the start: the tree, or the last good one where that fails (then reload_degraded). NULL: neither can
 * run; the report says why. A new reference. */
struct ruleset *reload_first(struct reload *reload, struct report *report);
/* 0: the tree is published, or is the one that runs. -1: it is not; the running set stays. */
int reload_now(struct reload *reload, struct pipeline *pipeline, struct err *err);

bool reload_degraded(const struct reload *reload); /* any thread: what runs is not what the roots say */
/* Any thread: generation, hash, when, rules, sources, state, problems[] of the last try. */
void reload_status_json(struct reload *reload, struct buf *out);

#endif
