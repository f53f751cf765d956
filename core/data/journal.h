/* The journal: accepted batches as frames in append-only segments under <data>/journal/, a segment named by
 * the first batch in it. A frame: magic, batch number, length, CRC-32C, accept time, source, customer,
 * format, id base, bytes (LZ4). One thread has the journal and appends; readers have their own files open and
 * may run on any thread, beside it too. Torn tails and bad CRCs are said and skipped, never guessed; no frame
 * is ever given another number. */
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
/* Opens the folder (made if missing, not its parents), recovers the tail of the last segment, continues the
 * numbering. `first` is the lowest batch that may be used next (position of the store + 1: numbers are never
 * reused even if segments were lost). A newest segment of which nothing can be read is renamed to *.bad and
 * its number is not used below. ERR_BUSY while another has the folder open (a lock that ends with its
 * process). */
struct journal *journal_open(const char *dir, const struct journal_options *options, uint64_t first,
                             struct err *err);
void journal_close(struct journal *journal);

/* Appends the frames and syncs once (fdatasync). All or nothing: on failure (disk full) what was written of
 * them is cut off again and none is numbered. ERR_LIMIT, before anything is written, for a body above 96 MiB
 * or a name above 4 KiB. Frames of one call go into one segment, which may then be larger than
 * segment_bytes. */
int journal_append(struct journal *journal, struct journal_frame *const *frames, size_t count,
                   struct err *err);
/* The last number used, or ruled out by `first`; 0: none. */
uint64_t journal_last(const struct journal *journal);
uint64_t journal_first(const struct journal *journal); /* oldest batch still held; 0: none */
uint64_t journal_bytes(const struct journal *journal);
/* Removes whole segments by age and size, oldest first, but none that holds a batch >= keep_from or an event
 * accepted after keep_after_ns. The segment that takes appends may go too: the next append begins another.
 * *is_short: the size limit wanted more than was allowed. */
void journal_retain(struct journal *journal, uint64_t keep_from, int64_t keep_after_ns, int64_t now_ns,
                    bool *is_short);

struct journal_reader;
/* Reads frames in order from batch `from` on (a folder; no journal needs to be open); 0: from the oldest
 * held. Holes and bad frames are skipped with a log line. Sees the segments that were there when it was
 * opened; a frame that is being appended meanwhile looks like a torn tail. */
struct journal_reader *journal_reader_open(const char *dir, uint64_t from, struct err *err);
/* 1 and *frame (borrowed until the next call; bytes are followed by 64 readable bytes), 0 at the end, -1 on
 * I/O errors. */
int journal_reader_next(struct journal_reader *reader, struct journal_frame *frame, struct err *err);
/* Batches that were missing or unreadable so far: each missing number counts one, and damage behind the last
 * frame of all counts one. */
uint64_t journal_reader_skipped(const struct journal_reader *reader);
void journal_reader_close(struct journal_reader *reader);

#endif
