/* The store of threats, notes, audit, ledger, counters, and of what triage and analysis keep (jobs, timers,
 * verdict counters, overlays, usage, answers, observations): an interface, with SQLite behind it (in memory
 * for tests and for an empty LUNETTE_DATA). One writer thread holds the store; each reader thread opens a
 * reader of its own, on the thread that uses it or before that starts. A reader's answer is of one moment: a
 * commit is in all of it or in none. On disk nobody waits for anybody; in memory a reader waits for the
 * transaction under way and the writer for the reads under way. */
#ifndef LUNETTE_DATA_STORE_H
#define LUNETTE_DATA_STORE_H

#include "base/buf.h"
#include "data/threat.h"

#define STORE_NOTE_MAX 8192 /* bytes of a note */

struct store;
struct store_reader;

/* Opens, migrates. `path` is a file (its folder exists), or NULL: in memory, shared with its readers.
 * ERR_CORRUPT: no database; ERR_INVALID: another program's, or of a newer version. Starts a thread of its own
 * that moves the write-ahead log into the file. */
struct store *store_open(const char *path, struct err *err);
/* After its readers; rolls back what is open. */
void store_close(struct store *store);

/* ---- writing: all between begin and commit; a failure leaves the transaction to store_rollback ---- */
int store_begin(struct store *store, struct err *err);
int store_commit(struct store *store, struct err *err); /* durable when it returns 0 */
void store_rollback(struct store *store);

/* Next change number (1, 2, 3, … without holes, rolled back with the transaction). */
uint64_t store_next_seq(struct store *store);
/* Inserts (is_new; else ERR_CONFLICT where the id is taken) or replaces (else ERR_NOT_FOUND) the threat with
 * all its columns, and logs the change (seq = threat->last_seq) for resume; the change log keeps the newest
 * 10,000. Counters of analytics are kept in the same transaction. seq and last_seq come from store_next_seq;
 * a threat keeps its seq. Its first 256 entities can be searched for. */
int store_put_threat(struct store *store, const struct threat *threat, bool is_new, struct err *err);
/* Adds member ids of a threat (idempotent). */
int store_add_members(struct store *store, const char *threat_id, const struct id128 *ids, size_t count,
                      struct err *err);
/* ERR_LIMIT above 8 KiB of text. note_id may be NULL. */
int store_add_note(struct store *store, const char *threat_id, int64_t now_ns, struct str author,
                   struct str text, struct str signature, int64_t *note_id, struct err *err);
/* `target`: for a change of a threat its id; the record then stands in the threat's timeline. detail_json is
 * a JSON object or "". */
int store_audit(struct store *store, int64_t now_ns, struct str who, struct str action, struct str target,
                struct str detail_json, struct err *err);
/* Key/value facts that must be committed with the rest: ledger totals, judged position, epoch. Names of 1 to
 * 128 bytes. store_get appends, and may be called outside a transaction, as all of the next group. */
int store_put(struct store *store, const char *name, struct str value, struct err *err);
int store_get(struct store *store, const char *name, struct buf *value, struct err *err); /* ERR_NOT_FOUND */

/* Reading on the writer's own connection, for the book of open threats. */
/* All threats of (rule, customer, dedup key), newest anchor first, at most 64; the caller frees each. */
int store_load_family(struct store *store, struct str rule_id, struct str customer, struct str dedup_key,
                      struct threat **threats, size_t max, size_t *count, struct err *err);
struct threat *store_load_threat(struct store *store, struct str id, struct err *err);
int store_load_members(struct store *store, const char *threat_id, struct id128 *ids, size_t max,
                       size_t *count, struct err *err);
/* Deletes resolved threats last changed before `before_ns`, and audit and AI usage older than
 * `audit_before_ns`, at most `max` rows. With a threat go its members, notes, jobs and timer. */
int store_retain(struct store *store, int64_t before_ns, int64_t audit_before_ns, size_t max, size_t *deleted,
                 struct err *err);
/* Visits the ids of the threats that the last `max` changes were of; otherwise like store_load_jobs. */
int store_load_changed(struct store *store, size_t max, int (*visit)(struct str id, void *arg), void *arg,
                       struct err *err);
/* Visits the threats marked demo, oldest first; otherwise like store_load_jobs. */
int store_load_demo(struct store *store, int (*visit)(const struct threat *threat, void *arg), void *arg,
                    struct err *err);
/* Removes threats marked demo with all that hangs on them, and those audit records of them whose detail says
 * "demo":true, which are made up as well; what people did to them stays recorded. *count how many threats. */
int store_forget_demo(struct store *store, size_t *count, struct err *err);

/* ---- jobs of analysis: durable, at most one per (threat, stage) ---- */

enum job_stage { JOB_FINDINGS, JOB_MODEL };
struct store_job {
    char threat_id[UUID_TEXT];
    enum job_stage stage;
    enum severity severity;
    uint32_t claim;    /* the current one; 0: nobody works on it */
    uint32_t attempts; /* how often it was claimed */
    int64_t created_ns, not_before_ns;
    uint64_t event_count;    /* of the threat when the job was made */
    uint32_t since_evidence; /* first evidence number of a delta; 0: all */
};
/* Inserts or replaces the job of (threat, stage), in the transaction of its threat. ERR_NOT_FOUND: no such
 * threat. job->claim is not looked at: the stored job is unclaimed, so a result still under way for the one
 * it replaces counts no more. */
int store_put_job(struct store *store, const struct store_job *job, struct err *err);
/* Takes the job: *claim is a number this store never gave before (above 0), attempts + 1. An older claim of
 * the job ends. Hand the work out after the commit only. ERR_NOT_FOUND: there is no such job (any more). */
int store_claim_job(struct store *store, const char *threat_id, enum job_stage stage, uint32_t *claim,
                    struct err *err);
/* Ends the job, in the transaction that stores its result. ERR_CONFLICT, and nothing is changed (the
 * transaction may go on), where `claim` is 0 or not the current one, or the job or its threat is gone. */
int store_finish_job(struct store *store, const char *threat_id, enum job_stage stage, uint32_t claim,
                     struct err *err);
/* Gives the job back, to be claimed anew: the claim ends, attempts stay. ERR_CONFLICT as above, but claim 0
 * is for a job that nobody has claimed. not_before_ns is kept for the reader; the store never looks at it. */
int store_delay_job(struct store *store, const char *threat_id, enum job_stage stage, uint32_t claim,
                    int64_t not_before_ns, struct err *err);
/* Removes the job, whoever has it; fine where there is none. */
int store_drop_job(struct store *store, const char *threat_id, enum job_stage stage, struct err *err);
/* Visits all jobs, oldest first (created_ns): after a start none of their claims is worth waiting for. Like
 * all load functions here it may be called outside a transaction, a visitor that does not return 0 ends it,
 * and the visitor must not call the store. */
int store_load_jobs(struct store *store, int (*visit)(const struct store_job *job, void *arg), void *arg,
                    struct err *err);

/* ---- timers: one per threat ---- */

/* Sets or moves the threat's timer; at_ns 0 removes it. ERR_NOT_FOUND: no such threat. */
int store_set_timer(struct store *store, const char *threat_id, int64_t at_ns, struct err *err);
/* Visits timers with at_ns <= now_ns, at most `max`, earliest first. */
int store_due_timers(struct store *store, int64_t now_ns, size_t max,
                     int (*visit)(const char *threat_id, int64_t at_ns, void *arg), void *arg,
                     struct err *err);
/* Deletes exactly the timer (threat, at_ns), in the transaction of what it is for: *taken is true once per
 * system. False: someone else has it, it was moved, or the threat is gone. */
int store_take_timer(struct store *store, const char *threat_id, int64_t at_ns, bool *taken, struct err *err);

/* ---- analysts' verdicts ---- */

struct verdict_key {
    struct str customer, rule;
    struct str entity; /* "user.name:ana", byte for byte; "": the rule itself */
};
/* Adds `delta` to the counter of (key, verdict), which never falls below 0. VERDICT_NONE is not counted, nor
 * a key with a part of more than 512 bytes: both return 0. The store keeps 100,000 keys; beyond, the one that
 * was changed longest ago goes. */
int store_add_verdict(struct store *store, const struct verdict_key *key, enum threat_verdict verdict,
                      int delta, struct err *err);
/* counts is indexed by enum threat_verdict ([VERDICT_NONE] is 0). Keys whose counts are all 0 are not there.
 */
int store_load_verdicts(struct store *store,
                        int (*visit)(const struct verdict_key *key, const uint32_t counts[VERDICT_COUNT],
                                     void *arg),
                        void *arg, struct err *err);
/* The rule's scorecard, key->entity is not looked at: verdict counters that outlive the threats, and how long
 * the verdict took. `minutes` from the threat's creation to its verdict, in a histogram of a quarter of a
 * doubling per step; negative: leaves the histogram alone. A verdict that replaces another is delta -1 (with
 * the same minutes as were added, or negative) and delta 1. VERDICT_NONE counts nothing. */
int store_add_scorecard(struct store *store, const struct verdict_key *key, enum threat_verdict verdict,
                        int delta, double minutes, struct err *err);

/* ---- overlays of lists ---- */

struct store_overlay {
    struct str name;   /* 1 to 128 bytes */
    uint32_t version;  /* 1, 2, 3, … */
    struct str author; /* of this version */
    int64_t updated_ns;
    struct str added;   /* JSON array or object (value -> attributes) */
    struct str removed; /* JSON array */
};
/* Stores the overlay as the next version, *version (may be NULL). overlay->version is the version that it was
 * made from (0: there was none): ERR_CONFLICT where the stored one is another. ERR_LIMIT above 100,000
 * entries or 8 MiB in added and removed together, or above 1,000 overlays; ERR_INVALID: not the JSON named
 * above. "" is
 * []. To undo an overlay, store it empty: versions go on. */
int store_put_overlay(struct store *store, const struct store_overlay *overlay, uint32_t *version,
                      struct err *err);
/* ERR_NOT_FOUND; strings in `arena`. */
int store_get_overlay(struct store *store, struct str name, struct arena *arena,
                      struct store_overlay *overlay, struct err *err);
/* By name. The strings are borrowed for the call. */
int store_load_overlays(struct store *store, int (*visit)(const struct store_overlay *overlay, void *arg),
                        void *arg, struct err *err);

/* ---- what models cost ---- */

struct ai_usage {
    struct str day; /* "2026-11-23", UTC */
    struct str customer, rule, agent, model;
    uint64_t calls, failures; /* failures are among calls */
    uint64_t prompt_tokens, completion_tokens;
    uint64_t cost_micros; /* millionths of the currency */
    uint64_t cached;      /* answers that came from the cache: no calls */
};
/* Adds the numbers to the row of (day, customer, rule, agent, model). ERR_INVALID: no day. */
int store_add_usage(struct store *store, const struct ai_usage *usage, struct err *err);
/* Visits the rows of a day, for the budgets at start. */
int store_usage_today(struct store *store, struct str day,
                      int (*visit)(const struct ai_usage *usage, void *arg), void *arg, struct err *err);

/* ---- answers of models, for identical evidence ---- */

struct answer_key {
    struct str customer;
    uint8_t hash[32];
};
/* Inserts or replaces. ERR_LIMIT above 64 KiB. 10,000 are kept, over all customers; beyond, the one that was
 * put longest ago goes. The text is given back as it is, so check it like any other that comes from outside.
 */
int store_put_answer(struct store *store, const struct answer_key *key, struct str json, int64_t now_ns,
                     struct err *err);
/* Appends the text; *at_ns (may be NULL) when it was put. ERR_NOT_FOUND. */
int store_get_answer(struct store *store, const struct answer_key *key, struct buf *json, int64_t *at_ns,
                     struct err *err);

/* ---- observations: what agents look back at ---- */

struct store_observation {
    struct str kind; /* "change", "news", "egress": 1 to 64 bytes */
    struct str customer;
    struct str entity; /* what it is about, "host.name:dc01", found in any case; "" nothing in particular */
    int64_t time_ns;
    struct id128 event;
    struct str body; /* JSON object of at most 4 KiB */
};
/* Keeps it; does nothing where an observation of this event is there already. ERR_LIMIT, ERR_INVALID: the
 * body is larger, or not an object; an entity above 1,024 bytes. 100,000 are kept; beyond, the one that was
 * added first goes. */
int store_add_observation(struct store *store, const struct store_observation *observation, struct err *err);
/* Deletes observations with a time before `before_ns` (now - 7 days), at most `max`: with each store_retain.
 */
int store_retain_observations(struct store *store, int64_t before_ns, size_t max, size_t *deleted,
                              struct err *err);

/* ---- reading: any number of reader threads ---- */
struct store_reader *store_reader_open(struct store *store, struct err *err);
void store_reader_close(struct store_reader *reader);

struct threat_query {
    struct str customer; /* "" all; a token bound to one is put here by the route */
    unsigned severities; /* bit set of enum severity; 0 all */
    unsigned statuses, verdicts;
    struct str type, rule, assignee, entity, q;
    int64_t since_ns, until_ns; /* created_at, [since, until); 0 open */
    int review;                 /* -1 all, 0, 1 */
    bool with_shadow, with_suppressed;
    uint64_t as_of;       /* hide seq > as_of; 0 off */
    uint64_t before_seq;  /* keyset cursor: seq < before_seq (oldest_first: seq > before_seq); 0 off */
    size_t limit, offset; /* limit: at most 1,000; 0: only the total */
    bool row;             /* view=row */
    bool oldest_first;
};
struct threat_page {
    size_t count;         /* items in the array */
    uint64_t total;       /* exact to 10,000 */
    bool total_is_bound;  /* there are at least `total` */
    uint64_t next_before; /* cursor of the next page; 0: no more */
};
/* Writes a JSON array of threats, newest first by seq. `entity` is a whole entity in any case
 * ("user.name:ana"), `q` a part in any case of title, summary, rule or entities (ERR_LIMIT above 1,024
 * bytes). Work is bounded: a page that ran out of it is short, has a next_before all the same, and its total
 * is a bound. */
int store_query(struct store_reader *reader, const struct threat_query *query, struct threat_page *page,
                struct buf *out, struct err *err);
/* One threat's JSON with its notes; *version for the ETag. customer "" or the only one allowed (else
 * ERR_NOT_FOUND). */
int store_get_threat(struct store_reader *reader, struct str id, struct str customer, uint32_t *version,
                     struct buf *out, struct err *err);
/* Visits the changes after `seq`, at most `max`, in order; `json` is the threat as it is now (not as the
 * change left it). Changes of threats that are gone are left out. A visitor that does not return 0 ends it.
 * *trimmed: `seq` is older than the log, or was never given by this store; then nothing is visited. */
int store_changes(struct store_reader *reader, uint64_t seq, size_t max, bool row,
                  int (*visit)(uint64_t seq, bool is_new, struct str customer, struct str json, void *arg),
                  void *arg, bool *trimmed, struct err *err);
uint64_t store_last_seq(struct store_reader *reader); /* the newest committed; 0: none */
/* The analytics object of docs/http-api.md from counters; `since_ns` 0: all; bucket_ns: series step. Both are
 * rounded to whole hours (down, up). Of threats that the store holds; shadow and suppressed ones only in
 * numbers of their own. The series has the buckets that hold something, at most the newest 1,000. With
 * `since` the top entities are those of the newest 5,000 threats. */
int store_analytics(struct store_reader *reader, struct str customer, int64_t since_ns, int64_t bucket_ns,
                    struct buf *out, struct err *err);
/* A JSON array, newest first; before: the id of the last one seen, 0: from the newest. */
int store_audit_list(struct store_reader *reader, size_t limit, uint64_t before, struct buf *out,
                     struct err *err);
/* Threats of the same customer (never another's, never itself, none of shadow rules or suppressed) that are
 * like this one, most similar first, at most `limit` (20): a JSON array of {id, title, rule_id, threat_type,
 * severity, status, verdict, verdict_reason, created_at, similarity, shared_entities[], notes[{author, time,
 * text}]}. similarity (0 to 1) = 0.4 same rule + 0.1 same type + 0.5 Jaccard index of the entities in any
 * case (shared / all). Candidates are the newest of each of its first 32 entities and of its rule, and of
 * those at most 512, the ones with the most entities in common first. notes: the newest three, newest first,
 * each at most 512 bytes. customer as in store_get_threat. */
int store_similar(struct store_reader *reader, struct str threat_id, struct str customer, size_t limit,
                  struct buf *out, struct err *err);
struct note_query {
    struct str customer; /* "" all */
    int64_t since_ns;
    size_t limit;    /* at most 200 */
    size_t text_max; /* bytes of each text that are shown, in whole characters; 0: all */
};
/* A JSON array, newest first, of {id, threat_id, author, text, time, signed, audited}.
 * signed: it carries a signature (not: it is right). audited: whether an audit record threat.note of the same
 * author for the same threat stands within a minute of it and speaks of this note (detail.note_id its id;
 * else detail.text its text); null where the note is older than the audit that retention left. */
int store_notes_recent(struct store_reader *reader, const struct note_query *query, struct buf *out,
                       struct err *err);
/* The same of one threat, at most `limit` (200). ERR_NOT_FOUND; customer as in store_get_threat. */
int store_notes(struct store_reader *reader, struct str threat_id, struct str customer, size_t limit,
                struct buf *out, struct err *err);
struct observation_query {
    struct str kind;            /* needed */
    struct str customer;        /* "" all */
    struct str entity;          /* in any case; "" all */
    int64_t since_ns, until_ns; /* [since, until); 0 open */
    size_t limit;               /* at most 100 */
};
/* A JSON array, newest first, of {kind, customer_name, entity, time, event_id, body}. */
int store_observations(struct store_reader *reader, const struct observation_query *query, struct buf *out,
                       struct err *err);
/* A JSON array, by rule_id: {rule_id, threats (that the store holds, without shadow and suppressed ones),
 * verdicts{true_positive, benign_true_positive, false_positive, inconclusive}, precision ((true + benign
 * true) / (true + benign true + false positives); null before the first of them), median_minutes_to_verdict
 * (within a tenth and 0.1; null without any)}. Rules with neither threats nor verdicts are not there.
 * customer "" all. */
int store_scorecard(struct store_reader *reader, struct str customer, struct buf *out, struct err *err);
/* Days from since_day to until_day, both included, "" open; customer "" all. A JSON object: totals{…}, and
 * by_day, by_agent, by_model, by_rule, arrays of {day|agent|model|rule_id, …}, and rows, an array of {day,
 * customer_name, rule_id, agent, model, …}, newest day first, at most 1,000 (rows_truncated says so; the sums
 * are of all); … = calls, failures, prompt_tokens, completion_tokens, cost_micros, cached. */
int store_usage(struct store_reader *reader, struct str customer, struct str since_day, struct str until_day,
                struct buf *out, struct err *err);
/* As store_get_overlay, store_load_overlays and store_get_answer, on a reader. */
int store_read_overlay(struct store_reader *reader, struct str name, struct arena *arena,
                       struct store_overlay *overlay, struct err *err);
int store_read_overlays(struct store_reader *reader,
                        int (*visit)(const struct store_overlay *overlay, void *arg), void *arg,
                        struct err *err);
int store_read_answer(struct store_reader *reader, const struct answer_key *key, struct buf *json,
                      int64_t *at_ns, struct err *err);
/* An online copy to a file (lunette backup), of one moment, complete or not there at all. Any thread, but not
 * inside a transaction of the same thread. */
int store_backup(struct store *store, const char *path, struct err *err);

#endif
