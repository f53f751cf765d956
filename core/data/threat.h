/* A threat: a triaged match with a life of its own. Plain data that the writer owns and changes; snapshots
 * for readers are JSON texts made here, in two views. All strings live in the threat's own arena. */
#ifndef LUNETTE_DATA_THREAT_H
#define LUNETTE_DATA_THREAT_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/id.h"
#include "base/vec.h"

enum severity {
    SEVERITY_INFO,
    SEVERITY_LOW,
    SEVERITY_MEDIUM,
    SEVERITY_HIGH,
    SEVERITY_CRITICAL,
    SEVERITY_COUNT
};
/* "informational"/"info", "low", …, any case. */
bool severity_named(struct str name, enum severity *severity);
const char *severity_label(enum severity severity); /* "INFO" "LOW" "MEDIUM" "HIGH" "CRITICAL" */

enum threat_status { STATUS_NEW, STATUS_IN_PROGRESS, STATUS_ESCALATED, STATUS_RESOLVED };
bool threat_status_named(struct str name, enum threat_status *status);
const char *threat_status_label(enum threat_status status); /* "new" "in_progress" "escalated" "resolved" */

enum threat_verdict {
    VERDICT_NONE,
    VERDICT_TRUE_POSITIVE,
    VERDICT_BENIGN_TRUE_POSITIVE,
    VERDICT_FALSE_POSITIVE,
    VERDICT_INCONCLUSIVE,
    VERDICT_COUNT
};
bool threat_verdict_named(struct str name, enum threat_verdict *verdict);
const char *threat_verdict_label(enum threat_verdict verdict); /* NULL for none */

#define THREAT_MEMBERS_MAX   10000
#define THREAT_EVIDENCE_EDGE 10 /* first ten and last ten members */
#define EVIDENCE_VALUE_MAX   4096

struct evidence {
    uint32_t number; /* E<number>, append-only */
    int64_t time_ns;
    struct id128 event;
    struct str context; /* JSON object: path -> value or list; values <= EVIDENCE_VALUE_MAX */
};

struct threat {
    struct arena *arena;
    char id[UUID_TEXT];
    uint64_t seq, last_seq; /* creation; latest change */
    int64_t created_ns, updated_ns;
    uint32_t version; /* changes by a person or an analysis: the ETag; starts at 1 */
    struct str rule_id, rule_title, customer, type, title, dedup_key;
    uint32_t rule_version;
    enum severity severity, floor; /* floor: highest a rule call returned */
    enum threat_status status;
    enum threat_verdict verdict;
    struct str verdict_reason, assignee, summary, runbook;
    bool shadow, suppressed, demo;
    uint64_t event_count;                /* members, and folds beyond THREAT_MEMBERS_MAX */
    int64_t first_seen_ns, last_seen_ns; /* event time */
    int64_t anchor_ns;                   /* the first firing event */
    struct id128 anchor_id;
    bool members_truncated;
    VEC(struct str) mitre;         /* technique ids */
    VEC(struct evidence) evidence; /* at most 2 * THREAT_EVIDENCE_EDGE, by number */
    uint32_t evidence_next;
    VEC(struct str) entities; /* "user.name:ana" */
    bool review;
    struct str review_reason;
    double processing_ms;                              /* acceptance to decision */
    char continues[UUID_TEXT], merged_into[UUID_TEXT]; /* "" none */
    char trace_id[33];
    /* JSON object of later stages (triage, analysis), merged into the full view; "" none. Its member
     * timeline_titles, {"created":"…","first_seen":…,"last_seen":…,"note":…,"change":…,"E1":…}, is not shown
     * itself: it names the moments of the timeline. */
    struct str extra;
};

struct threat *threat_new(void);
void threat_free(struct threat *threat);
struct str threat_keep(struct threat *threat, struct str s); /* copies into its arena */

/* For qsort over struct threat *: by anchor time, then event id, so that two runs list the same threats
 * alike. */
int threat_by_anchor(const void *a, const void *b);

/* A single JSON object. full: docs/http-api.md, "A threat". row: <= 1 kB, for lists and the stream. */
void threat_json(const struct threat *threat, bool row, struct buf *out);
/* Appends a copy of the JSON object `extra` ("" or no object: {}) in which `key` has the value `value_json`,
 * at its place or at the end; "" takes the member away. The key is one that needs no escapes, the value is
 * JSON: neither is checked. `out` is not where `extra` lies. */
void threat_extra_set(struct buf *out, struct str extra, struct str key, struct str value_json);
/* The same in place, for an object that is being made; and of a text, as a JSON string. */
void threat_extra_put(struct buf *object, const char *key, struct str value_json);
void threat_extra_put_text(struct buf *object, const char *key, struct str text);
/* The same of a threat's own. */
void threat_put_extra(struct threat *threat, const char *key, struct str value_json);
/* The JSON text of a member of `extra`, borrowed; false, and *value untouched, where there is none. */
bool threat_extra_get(struct str extra, struct str key, struct str *value);
/* Compact binary form for the store, and back. */
void threat_pack(const struct threat *threat, struct buf *out);
struct threat *threat_unpack(struct str packed, struct err *err);

#endif
