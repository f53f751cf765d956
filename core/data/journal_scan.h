/* Segments on disk: which there are, and a walk over the whole frames of one. Used by the journal when it
 * opens, and by its readers. */
#ifndef LUNETTE_DATA_JOURNAL_SCAN_H
#define LUNETTE_DATA_JOURNAL_SCAN_H

#include "base/vec.h"
#include "data/journal_frame.h"

struct journal_segment {
    uint64_t first; /* its name: the first batch that went into it */
    uint64_t bytes;
    int64_t newest_ns; /* no event in it was accepted later; kept by the journal */
};

struct journal_segments {
    VEC(struct journal_segment) items; /* by first */
};

/* The segments of a folder, oldest first. Other files are named in a log line and left alone. */
int journal_segments_list(const char *dir, struct journal_segments *segments, struct err *err);
/* The path of a segment, in `path` (cleared first). */
const char *journal_segment_path(const char *dir, uint64_t first, struct buf *path);

struct journal_scan {
    int fd; /* -1: closed */
    uint64_t size, offset;
    uint64_t good_end; /* behind the last whole frame (or the header) */
    uint64_t damaged;  /* bytes between whole frames that are none, so far */
    uint64_t marker;
    bool whole; /* its header, or its first frame where the header is damaged, is whole */
    struct buf window;
    uint64_t window_at;
};

int journal_scan_open(struct journal_scan *scan, const char *path, struct err *err);
void journal_scan_close(struct journal_scan *scan);
/* 1: the next whole frame, borrowed until the next call; 0: no more; -1: I/O error. Damaged bytes between are
 * passed over and counted. */
int journal_scan_next(struct journal_scan *scan, struct journal_header *header, struct str *frame,
                      struct err *err);

#endif
