/* What the store's files share: the writer, its readers, and the rules between them. With a file, SQLite's
 * WAL keeps them apart. In memory there is no WAL: one lock, held by the writer from begin to commit and by a
 * reader for a call, stands in its place. */
#ifndef LUNETTE_DATA_STORE_SQLITE_H
#define LUNETTE_DATA_STORE_SQLITE_H

#include <pthread.h>

#include "base/map.h"
#include "data/store.h"
#include "data/store_counters.h"
#include "data/store_sql.h"
#include "data/threat_view.h"

#define STORE_FAMILY_MAX       64     /* threats of one dedup key given at once */
#define STORE_LOG_MAX          10000  /* changes kept for resume; totals are exact up to as many */
#define STORE_FACT_NAME        128    /* bytes */
#define STORE_ENTITIES_MAX     256    /* of one threat that can be searched for */
#define STORE_TAIL_MAX         2000   /* threats that wait for the index of entities */
#define STORE_SEARCH_MAX       4096   /* bytes of one threat's text that `q` looks into */
#define STORE_QUERY_MAX        1024   /* bytes of `q` */
#define STORE_RECORDS_MAX      200    /* newest notes, newest audited changes in a full view */
#define STORE_SCAN_MAX         100000 /* units of work of one list query; a row is one, a text four more */
#define STORE_VERDICTS_MAX     100000
#define STORE_VERDICT_NAME     512 /* bytes of each part of a key */
#define STORE_ANSWERS_MAX      10000
#define STORE_ANSWER_MAX       65536 /* bytes */
#define STORE_OBSERVATIONS_MAX 100000
#define STORE_OBSERVATION_BODY 4096 /* bytes */

struct checkpoint;

/* A table of which so many rows are kept. */
struct kept {
    size_t count, committed, max; /* tests set less */
};

struct store {
    struct sql sql;
    char *name; /* what readers open: the path, or the memory's URI */
    bool memory;
    pthread_rwlock_t lock; /* memory only */
    bool writing;
    uint64_t seq, committed_seq;
    uint64_t indexed, committed_indexed; /* newest threat of the index of entities */
    size_t tail, committed_tail;         /* threats behind it */
    size_t tail_max;                     /* STORE_TAIL_MAX; tests set less */
    struct kept verdicts, answers, observations;
    struct counters *counters;
    struct checkpoint *checkpoint; /* NULL in memory */
    struct buf packed, text;       /* scratch */
    char put_id[UUID_TEXT];        /* the threat stored last: its members follow mostly */
    int64_t put_seq;
};

struct cell {
    int64_t count, us;
    bool known;
    uint8_t severity, status, verdict, review, hidden;
    struct str customer, rule, type;
};

struct store_reader {
    struct sql sql;
    struct store *store;    /* for the lock of a store in memory */
    struct arena *arena;    /* names of the cells */
    VEC(struct cell) cells; /* by cell id; kept between calls, counts read anew by each */
    int64_t cells_known;    /* highest id seen */
    struct buf folded, search;
};

/* A call that reads: one transaction, so that what it finds belongs together. */
int reader_begin(struct store_reader *reader, struct err *err);
void reader_end(struct store_reader *reader);
/* Brings reader->cells up to date. Inside reader_begin. */
int reader_cells(struct store_reader *reader, struct err *err);
/* Appends the JSON of an unpacked threat; the full view with its notes and changes. */
int reader_put_threat(struct store_reader *reader, struct threat *threat, bool row, struct buf *out,
                      struct err *err);

/* The threat, unpacked, for a customer ("" any); ERR_NOT_FOUND, also where it is another's. */
struct threat *reader_load_threat(struct store_reader *reader, struct str id, struct str customer,
                                  struct err *err);

/* What threats of one (rule, customer, dedup key) are found by. */
int64_t store_family(struct str rule_id, struct str customer, struct str dedup_key);
/* The writer reads outside a transaction: in memory it still has to keep out of a reader's way. */
void store_read_enter(struct store *store);
void store_read_leave(struct store *store);
/* The row of the threat; ERR_NOT_FOUND. */
int store_threat_seq(struct store *store, const char *threat_id, int64_t *seq, struct err *err);
/* Takes note of a row more; `evict` deletes the oldest where there are too many now. */
int store_keep(struct store *store, struct kept *kept, unsigned evict, struct err *err);
/* The first bytes of a text, at most `max`, whole characters. */
struct str store_cut(struct str text, size_t max);
/* 0 inside begin … commit, else ERR_INTERNAL. */
int store_must_write(const struct store *store, struct err *err);

/* store_checkpoint.c: a thread that moves the WAL into the file, passively. */
struct checkpoint *store_checkpoint_start(const char *path, struct err *err);
void checkpoint_wake(struct checkpoint *checkpoint);
void store_checkpoint_stop(struct checkpoint *checkpoint); /* NULL is fine */

static inline int64_t hour_of(int64_t ns)
{
    int64_t hour = ns / (3600 * NS_PER_S);
    return ns < 0 && ns % (3600 * NS_PER_S) ? hour - 1 : hour;
}

#endif
