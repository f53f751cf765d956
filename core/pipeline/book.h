/* The book of open threats: decides what a firing is. One owner: the writer thread, or the test runner (no
 * source, no disk). It remembers which events each threat holds, so that a repeated event adds nothing.
 * Semantics: docs/rules.md, "group": firings of one (rule, customer, dedup key) form a threat from the first
 * of them, the anchor, for the dedup window; an earlier firing found later moves the anchor back, never
 * forward. No I/O of its own. */
#ifndef LUNETTE_PIPELINE_BOOK_H
#define LUNETTE_PIPELINE_BOOK_H

#include "data/threat.h"

struct triage_result; /* triage.h */

/* One firing of one rule, as an owner worker hands it over. Everything is borrowed during book_raise. */
struct firing {
    struct str rule_id, rule_title, type, runbook, customer, dedup_key, title;
    unsigned rule_version;
    int64_t dedup_window_ns;
    int64_t time_ns, accepted_ns;
    struct id128 event;
    uint32_t base_count; /* event_count of a threat that begins here: a group's `count`, else 1 */
    enum severity severity;
    struct str context; /* JSON object */
    const struct str *mitre;
    size_t mitre_count;
    const struct str *entities; /* "user.name:ana" */
    size_t entity_count;
    struct str review_reason;           /* "" : no review asked for */
    const char *trace_id;               /* 32 hex, or NULL */
    const struct triage_result *triage; /* for a threat that begins here; NULL: there was none */
    bool shadow, suppressed, demo;
};

enum raise_outcome {
    RAISE_NEW,      /* a new threat (with `continues` when its home is resolved) */
    RAISE_FOLD,     /* joined an open threat */
    RAISE_REANCHOR, /* joined one and became its anchor */
    RAISE_HELD      /* a threat of this family holds the event already: nothing changed */
};

/* Where families come from that are not in memory; NULL callbacks: nowhere. */
struct book_source {
    void *context;
    int (*family)(void *context, struct str rule_id, struct str customer, struct str dedup_key,
                  struct threat **threats, size_t max, size_t *count, struct err *err);
    int (*members)(void *context, const char *threat_id, struct id128 *ids, size_t max, size_t *count,
                   struct err *err);
    struct threat *(*threat)(void *context, struct str id, struct err *err);
};

struct book;
/* `families`: how many are kept in memory (clean ones leave first come, least recently used first). */
struct book *book_new(const struct book_source *source, size_t families, const struct clock *clock);
void book_free(struct book *book);

struct raise_result {
    enum raise_outcome outcome;
    struct threat *threat; /* borrowed until the next book_raise; for HELD the one that holds it */
    bool is_anchor;        /* the event is the threat's anchor now */
    bool visible_again;    /* it was suppressed and is not any more */
};
/* The firing's home is the open threat whose anchor is at or before it, by (time, id), and less than a dedup
 * window away: it joins that one. Else the nearest later open threat less than a window away is re-anchored
 * to it. Else a new one begins. Shadow, demo and real firings never share a threat. The severity is the
 * highest that a firing brought; the title is the anchor's; the evidence is that of the first ten and the
 * last ten members by (time, id). A threat is suppressed as long as all its firings are. Beyond
 * THREAT_MEMBERS_MAX ids firings are counted, not remembered. -1 only when the source failed; nothing changed
 * then. */
int book_raise(struct book *book, const struct firing *firing, struct raise_result *result, struct err *err);

/* The threat with this id, from memory or the source; NULL and ERR_NOT_FOUND. Borrowed until the next
 * book_raise, book_find or book_clean. */
struct threat *book_find(struct book *book, struct str id, struct err *err);
/* The caller changed it (status, notes, …; `version` is the caller's to count): it is dirty and urgent. */
void book_touch(struct book *book, struct threat *threat);

/* From now on each threat that book_find gives is remembered as it is, until book_settle; `undo`: those are
 * as they were again, other objects with nothing of what was done to them since. For a transaction that may
 * fail: nobody may see, and no later one store, what it did not keep. */
void book_watch(struct book *book);
void book_settle(struct book *book, bool undo);

/* What must be stored. A change is urgent (new, re-anchored, touched) or a fold, which may wait. */
struct book_change {
    struct threat *threat;
    bool is_new, urgent;
    int64_t since_ns;            /* clock_monotonic() of the first change not stored */
    const struct id128 *members; /* ids added since the last clean */
    size_t member_count;
};
/* Visits changes, urgent ones first, else in the order in which they came: start with *at = 0; false at the
 * end. urgent_only leaves folds out. Nothing may be raised, touched or cleaned meanwhile. */
bool book_next_change(struct book *book, size_t *at, bool urgent_only, struct book_change *change);
/* The change was stored (after commit). What is not cleaned is visited again: a rollback needs no call. */
void book_clean(struct book *book, struct threat *threat);
size_t book_changes(const struct book *book, bool urgent_only);
/* Forgets all families (after demo reset); nothing may be dirty. */
void book_forget(struct book *book);

#endif
