/* Reload as a transaction: read the tree, compile it aside, run its tests, publish; whatever fails, the
 * running set stays and the reason is kept for whoever asks. The result depends on the tree and on the
 * overlays of lists that the store holds, read anew for each load; at the start they are read before the
 * pipeline opens the store, so that nothing is ever judged without them. The last good tree is kept below the
 * data folder. All on the control thread, but reload_status_json. */
#ifndef LUNETTE_PIPELINE_RELOAD_H
#define LUNETTE_PIPELINE_RELOAD_H

#include "pipeline/pipeline.h"
#include "rules/loader.h"

struct reload;

struct reload_options {
    const char *rules, *plugins; /* ':'-lists of roots */
    const char *keep_dir;        /* the data folder: of the last good tree and of the store; NULL: none */
    int64_t test_limit_ns;       /* wall time for all tests of a tree */
};
struct reload *reload_new(const struct reload_options *options);
void reload_free(struct reload *reload);

/* At the start: the tree, or the last good one where that fails (then reload_degraded). NULL: neither can
 * run; the report says why. A new reference. */
struct ruleset *reload_first(struct reload *reload, struct report *report);
/* 0: the tree is published, or is the one that runs. -1: it is not; the running set stays. */
int reload_now(struct reload *reload, struct pipeline *pipeline, struct err *err);

/* A new overlay of a list: tried with the tree as it is now, then stored and audited, then published; all of
 * it or nothing. */
struct overlay_change {
    struct store_overlay overlay; /* its version is the one that was read */
    bool any_version;
    bool takes_back;   /* empty; ERR_NOT_FOUND where there is nothing to be taken back */
    struct str detail; /* of the audit record */
    uint32_t version;  /* result */
};
/* ERR_CONFLICT: it is at another version. ERR_INVALID: the rules do not load with it; the report says why.
 * ERR_LIMIT, ERR_BUSY, and what the store says. */
int reload_overlay(struct reload *reload, struct pipeline *pipeline, struct overlay_change *change,
                   struct report *report, struct err *err);

bool reload_degraded(const struct reload *reload); /* any thread: what runs is not what the roots say */
/* Any thread: generation, hash, when, rules, sources, state, overlays[] and problems[] of the last try. */
void reload_status_json(struct reload *reload, struct buf *out);

#endif
