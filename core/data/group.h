/* Group state: the windows of one shard. Decisions depend on the set of events, not on their order: the
 * contract is the reference model of docs/rules.md, "group" (an event fires when at least `count` entries of
 * its group lie in (t - window, t], ordered by (time, id); each arrival re-examines every event that it can
 * complete). One owner thread per shard; no I/O, no clock: time is the events' own. */
#ifndef LUNETTE_DATA_GROUP_H
#define LUNETTE_DATA_GROUP_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/hash.h"

#define GROUP_SHARDS     64
#define GROUP_TIMES_MAX  10000 /* entries of one group */
#define GROUP_FIELDS_MAX 1024  /* bytes of packed fields of one entry */
#define GROUP_FUTURE_NS                                                                                      \
    (120 * NS_PER_S) /* how far ahead of its acceptance ingest lets an event's time be                       \
                      */

/* What the engine must know of a rule. `state` names its windows: hash(rule id, customer-independent
 * definition of by, window, function, field); a reload that changes it starts the rule empty, any other
 * change keeps its windows. */
struct group_spec {
    uint64_t state;
    int64_t window_ns, late_ns;
    uint32_t count;  /* 1 .. GROUP_TIMES_MAX */
    bool distinct;   /* count different `distinct` values instead of events */
    uint32_t groups; /* most groups of this rule in this shard (100,000 / 64) */
    uint32_t times;  /* most entries per group (GROUP_TIMES_MAX) */
};

struct group_entry {
    int64_t time_ns;
    struct id128 id;
    bool excepted; /* an exception marked it */
    /* Value of the distinct field, folded. "" is no value: the entry is held and adds nothing to the number.
     * Above GROUP_FIELDS_MAX bytes its beginning and a digest stand for it. */
    struct str distinct;
    struct str fields; /* event_pack of the fields the rule names; <= GROUP_FIELDS_MAX */
};

enum group_outcome {
    GROUP_WAITING,  /* held; has not fired */
    GROUP_FIRED,    /* held, and its condition holds: among the candidates */
    GROUP_REPEATED, /* the window holds this id already: nothing changed */
    GROUP_LATE,     /* not after newest - window - late, or older than all of a full group: left out */
};

/* One event whose condition holds and which was not accepted before (or whose window grew since `detect`
 * refused it). */
struct group_candidate {
    struct group_entry entry; /* borrowed until the next call on this shard */
    uint32_t count;           /* events (or distinct values) in (t - window, t] */
    int64_t first_ns, last_ns;
    bool all_excepted; /* every entry of the window is marked */
    bool arrived;      /* it is the event just observed */
    bool seen;         /* was a candidate before (refused then): its ledger pair moves */
    uint32_t index;    /* for group_accept */
};

struct group_shard;
/* `budget`: bytes this shard may hold (state-max / shards). */
struct group_shard *group_shard_new(size_t budget);
void group_shard_free(struct group_shard *shard);

struct group_result {
    enum group_outcome outcome;
    const struct group_candidate
        *candidates; /* in (time, id) order; borrowed until the next call on this shard */
    size_t count;
    uint32_t evicted_groups,
        evicted_times; /* pressure caused by this call: farthest from its threshold goes first */
};
/* Observes one event in the group `key` (customer and by-values, joined by the caller). `now_ns`: touch time
 * for eviction order among equals, any monotonic number. The group that the event belongs to is the last to
 * suffer from its own arrival; the distance of the others is how much of `count` lies in the window of their
 * newest entry. The budget may be passed by what one event needs. */
struct group_result group_observe(struct group_shard *shard, const struct group_spec *spec, struct str key,
                                  const struct group_entry *entry, int64_t now_ns);
/* `detect` said yes: the candidate of the last result has fired for good ("true stays true"). Candidates that
 * are not accepted are offered again when their window grows. */
void group_accept(struct group_shard *shard, uint32_t candidate_index);
/* Up to `max` different values of the candidate's window in order of first occurrence, for group.values;
 * borrowed. None where the rule is not `distinct`. */
size_t group_values(struct group_shard *shard, uint32_t candidate_index, struct str *values, size_t max);

/* Forgets every group that was last touched when the newest event of its rule was older by more than
 * window + late + GROUP_FUTURE_NS than it is now: nothing that comes at most `late` out of order can need it,
 * a source that lags behind the others keeps its windows, and one event from the future takes none away.
 * Called at times, bounded work: at most `max` groups are looked at; returns how many were dropped. */
size_t group_sweep(struct group_shard *shard, size_t max);
/* Drops the rules whose `state` is not in the list (ascending): they left the ruleset. */
void group_retain(struct group_shard *shard, const uint64_t *states, size_t count);

size_t group_bytes(const struct group_shard *shard);
size_t group_count(const struct group_shard *shard);

/* Checkpoints. Appends what changed since the last call (entries of changed groups, tombstones of dropped
 * ones) or `all` there is, as records that group_load applies again in order. */
void group_save(struct group_shard *shard, bool all, struct buf *out);
/* ERR_CORRUPT for what group_save did not write; the records before it have been applied. */
int group_load(struct group_shard *shard, struct str records, struct err *err);
/* A canonical dump (sorted; not byte-compatible with save): for comparing two runs in tests. */
void group_dump(const struct group_shard *shard, struct buf *out);

#endif
