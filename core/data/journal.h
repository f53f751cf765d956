/* The journal: accepted batches as frames in append-only segments under <data>/journal/. A frame: magic,
 * batch number, length, CRC-32C, accept time, source, customer, format, id base, bytes (LZ4). One thread
 * appends; recovery and backtests read. Torn tails and bad CRCs are said and skipped, never guessed. */
#ifndef LUNETTE_DATA_JOURNAL_H
#define LUNETTE_DATA_JOURNAL_H

#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/hash.h"

enum journal_format { JOURNAL_OBJECT, JOURNAL_ARRAY, JOURNAL_NDJSON };

struct journal_frame {
    uint64_t batch; /* set by journal_append: 1, 2, 3, … without holes */
    int64_t accepted_ns;
    struct str source;   /* as named by the sender; "" none */
    struct str customer; /* bound by the token; "" none */
    enum journal_format format;
    struct id128 id_base;
    struct str bytes; /* the body as it came */
};

struct journal_options {
    uint64_t segment_bytes; /* 64 MiB: a new segment beyond */
    uint64_t retain_bytes;  /* 2 GiB */
    int64_t retain_ns;      /* 7 days */
};

struct journal;
/* Opens the folder (made if missing), recovers the tail of the last segment, continues the numbering. `first`
 * is the lowest batch that may be used next (position of the store + 1: numbers are never reused even if
 * segments were lost). */
struct journal *journal_open(const char *dir, const struct journal_options *options, uint64_t first,
                             struct err *err);
void journal_close(struct journal *journal);

/* Appends the frames and syncs once (fdatasync). All or nothing: on failure (disk full) what was written of
 * them is cut off again and none is numbered. */
int journal_append(struct journal *journal, struct journal_frame *const *frames, size_t count,
                   struct err *err);
uint64_t journal_last(const struct journal *journal);  /* last batch appended; 0: none */
uint64_t journal_first(const struct journal *journal); /* oldest batch still held; 0: none */
uint64_t journal_bytes(const struct journal *journal);
/* Removes whole segments by age and size, but none that holds a batch >= keep_from or an event accepted after
 * keep_after_ns. *is_short: the size limit wanted more than was allowed. */
void journal_retain(struct journal *journal, uint64_t keep_from, int64_t keep_after_ns, int64_t now_ns,
                    bool *is_short);

struct journal_reader;
/* Reads frames in order from batch `from` on (a folder; no journal needs to be open). Holes and bad frames
 * are counted and skipped with a log line. */
struct journal_reader *journal_reader_open(const char *dir, uint64_t from, struct err *err);
/* 1 and *frame (borrowed until the next call; bytes are followed by 64 readable bytes), 0 at the end, -1 on
 * I/O errors. */
int journal_reader_next(struct journal_reader *reader, struct journal_frame *frame, struct err *err);
uint64_t journal_reader_skipped(const struct journal_reader *reader);
void journal_reader_close(struct journal_reader *reader);

#endif
