#include <stdlib.h>

#include "base/log.h"
#include "data/journal_scan.h"

struct journal_reader {
    char *dir;
    struct journal_segments segments;
    size_t at; /* the segment being read, or the next one */
    struct journal_scan scan;
    uint64_t from, expected; /* expected: the next number; 0 before the first segment was looked at */
    uint64_t skipped;
    struct buf path, body;
};

/* The last segment that can hold batch `from`. */
static size_t segment_of(const struct journal_segments *segments, uint64_t from)
{
    size_t at = 0;
    while (at + 1 < segments->items.count && segments->items.items[at + 1].first <= from)
        at++;
    return at;
}

struct journal_reader *journal_reader_open(const char *dir, uint64_t from, struct err *err)
{
    struct journal_reader *reader = mem_zalloc(1, sizeof *reader);
    reader->dir = mem_dup(dir, strlen(dir));
    reader->scan.fd = -1;
    reader->from = reader->expected = from;
    if (journal_segments_list(dir, &reader->segments, err)) {
        journal_reader_close(reader);
        return NULL;
    }
    reader->at = segment_of(&reader->segments, from);
    if (from == 0 && reader->segments.items.count)
        reader->expected = reader->segments.items.items[0].first;
    return reader;
}

void journal_reader_close(struct journal_reader *reader)
{
    if (!reader)
        return;
    journal_scan_close(&reader->scan);
    vec_free(&reader->segments.items);
    buf_free(&reader->path);
    buf_free(&reader->body);
    free(reader->dir);
    free(reader);
}

uint64_t journal_reader_skipped(const struct journal_reader *reader)
{
    return reader->skipped;
}

/* Opens the segment at reader->at: 1, 0 where it is gone (retired while we read), -1. */
static int open_segment(struct journal_reader *reader, struct err *err)
{
    uint64_t first = reader->segments.items.items[reader->at].first;
    struct err why = {0};
    if (journal_scan_open(&reader->scan, journal_segment_path(reader->dir, first, &reader->path), &why) ==
        0) {
        if (reader->scan.size == 0)
            LOG(LOG_WARN, "journal.empty_segment", log_int("segment", first));
        return 1;
    }
    if (why.code == ERR_NOT_FOUND) {
        LOG(LOG_WARN, "journal.segment_gone", log_int("segment", first));
        return 0;
    }
    if (err)
        *err = why;
    return -1;
}

/* Damage inside a segment shows in the numbers of what follows; behind the last frame of all nothing follows,
 * and at least one batch was there. */
static void end_segment(struct journal_reader *reader)
{
    const struct journal_scan *scan = &reader->scan;
    uint64_t tail = scan->size > scan->good_end ? scan->size - scan->good_end : 0;
    if (scan->damaged || tail)
        LOG(LOG_WARN, "journal.damaged", log_int("segment", reader->segments.items.items[reader->at].first),
            log_int("bytes", scan->damaged + tail), log_int("tail_at", scan->good_end));
    bool last = reader->at + 1 == reader->segments.items.count;
    reader->skipped += last && tail && scan->size > JOURNAL_SEGMENT_HEADER ? 1 : 0;
    journal_scan_close(&reader->scan);
    reader->at++;
}

/* 1 and the next whole frame of any segment, 0, -1. */
static int next_whole(struct journal_reader *reader, struct journal_header *header, struct str *bytes,
                      struct err *err)
{
    while (reader->at < reader->segments.items.count) {
        if (reader->scan.fd < 0) {
            int opened = open_segment(reader, err);
            if (opened < 0)
                return -1;
            if (opened == 0) {
                reader->at++;
                continue;
            }
        }
        int found = journal_scan_next(&reader->scan, header, bytes, err);
        if (found != 0)
            return found;
        end_segment(reader);
    }
    return 0;
}

static void note_hole(struct journal_reader *reader, uint64_t batch)
{
    if (reader->expected && batch > reader->expected) {
        LOG(LOG_WARN, "journal.hole", log_int("from", reader->expected), log_int("to", batch - 1));
        reader->skipped += batch - reader->expected;
    }
    reader->expected = batch + 1;
}

int journal_reader_next(struct journal_reader *reader, struct journal_frame *frame, struct err *err)
{
    struct journal_header header;
    struct str bytes;
    int found;
    while ((found = next_whole(reader, &header, &bytes, err)) == 1) {
        if (header.batch < reader->expected) {
            if (header.batch >= reader->from)
                LOG(LOG_WARN, "journal.out_of_order", log_int("batch", header.batch));
            continue;
        }
        note_hole(reader, header.batch);
        struct err why = {0};
        if (journal_decode(bytes, &header, &reader->body, frame, &why) == 0)
            return 1;
        LOG_ERR(LOG_WARN, "journal.bad_frame", &why);
        reader->skipped++;
    }
    return found;
}
