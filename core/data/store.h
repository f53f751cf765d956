/* The store of threats, notes, audit, ledger and counters: an interface, with SQLite behind it (in memory for
 * tests and for an empty LUNETTE_DATA). One writer thread holds the store; each reader thread opens a reader
 * of its own, on the thread that uses it or before that starts. A reader's answer is of one moment: a commit
 * is in all of it or in none. On disk nobody waits for anybody; in memory a reader waits for the transaction
 * under way and the writer for the reads under way. */
#ifndef LUNETTE_DATA_STORE_H
#define LUNETTE_DATA_STORE_H

#include "base/buf.h"
#include "data/threat.h"

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
/* Deletes resolved threats last changed before `before_ns` and audit older than `audit_before_ns`, at most
 * `max` rows. */
int store_retain(struct store *store, int64_t before_ns, int64_t audit_before_ns, size_t max, size_t *deleted,
                 struct err *err);
/* Removes threats marked demo with all that hangs on them; *count how many. */
int store_forget_demo(struct store *store, size_t *count, struct err *err);

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
/* An online copy to a file (lunette backup), of one moment, complete or not there at all. Any thread, but not
 * inside a transaction of the same thread. */
int store_backup(struct store *store, const char *path, struct err *err);

#endif
