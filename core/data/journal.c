#include "data/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/id.h"
#include "base/log.h"
#include "data/journal_scan.h"

#define SCRATCH_KEPT (16u << 20) /* a larger buffer is given back after the append that needed it */

struct journal {
    char *dir;
    int lock_fd, fd; /* fd: the segment that takes appends; -1: the next append makes one */
    struct journal_options options;
    struct journal_segments segments;
    uint64_t marker; /* of the open segment */
    uint64_t next;   /* number of the next batch */
    bool cut_due;    /* a failed append could not be cut off yet: nothing may be written behind it */
    struct buf scratch, path;
};

static struct journal_segment *newest(struct journal *journal)
{
    size_t count = journal->segments.items.count;
    return count ? &journal->segments.items.items[count - 1] : NULL;
}

static const char *path_of(struct journal *journal, uint64_t first)
{
    return journal_segment_path(journal->dir, first, &journal->path);
}

static void seal(struct journal *journal)
{
    if (journal->fd >= 0)
        close(journal->fd);
    journal->fd = -1;
}

static int sync_folder(struct journal *journal, struct err *err)
{
    int fd = open(journal->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int failed = fd < 0 || fsync(fd) ? errno : 0;
    if (fd >= 0)
        close(fd);
    return failed ? err_errno(err, ERR_IO, failed, "the journal's folder %s cannot be synced", journal->dir)
                  : 0;
}

/* ---- recovery ---- */

/* Two processes that append would write over each other. */
static int lock_folder(struct journal *journal, struct err *err)
{
    struct buf path = BUF_EMPTY;
    buf_printf(&path, "%s/lock", journal->dir);
    journal->lock_fd = open(path.ptr, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    buf_free(&path);
    if (journal->lock_fd < 0)
        return err_errno(err, ERR_IO, errno, "the journal's folder %s cannot be used", journal->dir);
    if (flock(journal->lock_fd, LOCK_EX | LOCK_NB))
        return err_set(err, ERR_BUSY, "another process has the journal %s open", journal->dir);
    return 0;
}

/* What can be known of the newest accept time of a sealed segment without reading all of it: accept times
 * only grow, so it is not later than that of the next segment's first frame. Where the clock went back, the
 * later of both. */
static void learn_time(struct journal *journal, size_t at)
{
    struct journal_scan scan = {.fd = -1};
    struct journal_header header;
    struct str frame;
    struct journal_segment *segment = &journal->segments.items.items[at];
    if (journal_scan_open(&scan, path_of(journal, segment->first), NULL) == 0 &&
        journal_scan_next(&scan, &header, &frame, NULL) == 1) {
        segment->newest_ns = header.accepted_ns;
        if (at && header.accepted_ns > segment[-1].newest_ns)
            segment[-1].newest_ns = header.accepted_ns;
    }
    journal_scan_close(&scan);
}

/* Not a segment of ours, or nothing of it can be read: kept beside for a person to look at. */
static int set_aside(struct journal *journal, const struct journal_segment *segment, struct err *err)
{
    struct buf bad = BUF_EMPTY;
    const char *path = path_of(journal, segment->first);
    buf_printf(&bad, "%s.bad", path);
    bool empty = segment->bytes < JOURNAL_SEGMENT_HEADER;
    int failed = (empty ? unlink(path) : rename(path, bad.ptr)) ? errno : 0;
    buf_free(&bad);
    if (failed)
        return err_errno(err, ERR_IO, failed, "%s cannot be set aside", path);
    LOG(LOG_WARN, empty ? "journal.empty_segment" : "journal.unreadable_segment",
        log_int("segment", segment->first), log_int("bytes", segment->bytes));
    journal->segments.items.count--;
    return 0;
}

/* Reads the newest segment through: 1 and the number of its last batch (0: none), 0 where it is no segment.
 */
static int read_newest(struct journal *journal, struct journal_scan *scan, uint64_t *last, struct err *err)
{
    struct journal_segment *segment = newest(journal);
    struct journal_header header;
    struct str frame;
    int found;
    *last = 0;
    if (journal_scan_open(scan, path_of(journal, segment->first), err))
        return -1;
    while ((found = journal_scan_next(scan, &header, &frame, err)) == 1) {
        *last = header.batch > *last ? header.batch : *last;
        if (header.accepted_ns > segment->newest_ns)
            segment->newest_ns = header.accepted_ns;
    }
    return found < 0 ? -1 : scan->whole;
}

/* Opens the newest segment for appending and cuts off what a crash left behind its last whole frame. */
static int continue_newest(struct journal *journal, const struct journal_scan *scan, struct err *err)
{
    struct journal_segment *segment = newest(journal);
    const char *path = path_of(journal, segment->first);
    journal->fd = open(path, O_WRONLY | O_CLOEXEC);
    if (journal->fd < 0)
        return err_errno(err, ERR_IO, errno, "%s cannot be written", path);
    if (scan->damaged)
        LOG(LOG_WARN, "journal.damaged", log_int("segment", segment->first), log_int("bytes", scan->damaged));
    if (scan->size > scan->good_end) {
        LOG(LOG_WARN, "journal.torn_tail_cut", log_int("segment", segment->first),
            log_int("at", scan->good_end), log_int("bytes", scan->size - scan->good_end));
        if (ftruncate(journal->fd, (off_t)scan->good_end) || fdatasync(journal->fd))
            return err_errno(err, ERR_IO, errno, "the torn end of %s cannot be cut off", path);
    }
    segment->bytes = scan->good_end;
    journal->marker = scan->marker;
    return 0;
}

/* Where numbers jump, a segment begins, so that names show the hole; one that holds nothing yet goes. */
static int begin_at_hole(struct journal *journal, struct err *err)
{
    struct journal_segment *segment = newest(journal);
    if (journal->fd < 0)
        return 0;
    seal(journal);
    if (segment->bytes > JOURNAL_SEGMENT_HEADER)
        return 0;
    const char *path = path_of(journal, segment->first);
    journal->segments.items.count--;
    return unlink(path) ? err_errno(err, ERR_IO, errno, "%s cannot be removed", path) : 0;
}

/* Numbers go on behind the last batch found, the name of any segment that had to be set aside (a batch of
 * that number may have been acknowledged), and what the caller knows of. */
static int recover(struct journal *journal, uint64_t first, struct err *err)
{
    struct journal_scan scan = {.fd = -1};
    uint64_t last = 0;
    int result = 0;
    journal->next = first ? first : 1;
    while (result == 0 && newest(journal)) {
        uint64_t name = newest(journal)->first;
        int whole = read_newest(journal, &scan, &last, err);
        if (name > journal->next)
            journal->next = name;
        if (whole == 1) {
            result = continue_newest(journal, &scan, err);
            break;
        }
        result = whole < 0 ? -1 : set_aside(journal, newest(journal), err);
        journal_scan_close(&scan);
    }
    journal_scan_close(&scan);
    uint64_t stands_at = last ? last + 1 : newest(journal) ? newest(journal)->first : journal->next;
    if (result == 0 && journal->next > stands_at)
        result = begin_at_hole(journal, err);
    else if (stands_at > journal->next)
        journal->next = stands_at;
    return result;
}

struct journal *journal_open(const char *dir, const struct journal_options *options, uint64_t first,
                             struct err *err)
{
    struct journal *journal = mem_zalloc(1, sizeof *journal);
    journal->dir = mem_dup(dir, strlen(dir));
    journal->options = *options;
    journal->lock_fd = journal->fd = -1;
    if (mkdir(dir, 0700) && errno != EEXIST) {
        err_errno(err, ERR_IO, errno, "the journal's folder %s cannot be made", dir);
        goto bad;
    }
    if (lock_folder(journal, err) || journal_segments_list(dir, &journal->segments, err))
        goto bad;
    for (size_t i = 0; i < journal->segments.items.count; i++)
        learn_time(journal, i);
    if (recover(journal, first, err))
        goto bad;
    return journal;
bad:
    journal_close(journal);
    return NULL;
}

void journal_close(struct journal *journal)
{
    if (!journal)
        return;
    seal(journal);
    if (journal->lock_fd >= 0)
        close(journal->lock_fd);
    vec_free(&journal->segments.items);
    buf_free(&journal->scratch);
    buf_free(&journal->path);
    free(journal->dir);
    free(journal);
}

/* ---- append ---- */

static int write_all(int fd, struct str bytes, uint64_t at)
{
    while (bytes.len) {
        ssize_t n = pwrite(fd, bytes.ptr, bytes.len, (off_t)at);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n < 0 ? errno : ENOSPC;
        bytes = (struct str){bytes.ptr + n, bytes.len - (size_t)n};
        at += (uint64_t)n;
    }
    return 0;
}

static int write_header(struct journal *journal, struct err *err)
{
    struct buf header = BUF_EMPTY;
    journal_segment_header(journal->marker, journal->next, &header);
    int failed = write_all(journal->fd, buf_str(&header), 0);
    buf_free(&header);
    return failed ? err_errno(err, ERR_IO, failed, "a segment of the journal cannot be begun") : 0;
}

static int begin_segment(struct journal *journal, struct err *err)
{
    const char *path = path_of(journal, journal->next);
    seal(journal);
    journal->fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (journal->fd < 0)
        return err_errno(err, ERR_IO, errno, "%s cannot be made", path);
    id_random(&journal->marker, sizeof journal->marker);
    if (write_header(journal, err) || sync_folder(journal, err)) {
        unlink(path);
        seal(journal);
        return -1;
    }
    vec_push(&journal->segments.items,
             ((struct journal_segment){
                 .first = journal->next, .bytes = JOURNAL_SEGMENT_HEADER, .newest_ns = INT64_MIN}));
    return 0;
}

/* Takes back what a failed append left behind the last good byte. Synced: a crash must not bring it back. */
static void cut_back(struct journal *journal)
{
    journal->cut_due = ftruncate(journal->fd, (off_t)newest(journal)->bytes) || fdatasync(journal->fd);
    if (journal->cut_due)
        LOG(LOG_ERROR, "journal.cut_failed", log_int("errno", errno));
}

static int prepare(struct journal *journal, struct err *err)
{
    if (journal->cut_due)
        cut_back(journal);
    if (journal->cut_due)
        return err_set(err, ERR_IO, "the journal's end is damaged by a failed write and cannot be cut off");
    bool empty = journal->fd >= 0 && newest(journal)->bytes == JOURNAL_SEGMENT_HEADER;
    if (empty || (journal->fd >= 0 && newest(journal)->bytes < journal->options.segment_bytes))
        return 0;
    return begin_segment(journal, err);
}

static int encode_all(struct journal *journal, struct journal_frame *const *frames, size_t count,
                      struct err *err)
{
    buf_clear(&journal->scratch);
    for (size_t i = 0; i < count; i++)
        if (journal_encode(frames[i], journal->next + i, journal->marker, &journal->scratch, err))
            return -1;
    return 0;
}

static void number(struct journal *journal, struct journal_frame *const *frames, size_t count)
{
    struct journal_segment *segment = newest(journal);
    segment->bytes += journal->scratch.len;
    for (size_t i = 0; i < count; i++) {
        frames[i]->batch = journal->next++;
        if (frames[i]->accepted_ns > segment->newest_ns)
            segment->newest_ns = frames[i]->accepted_ns;
    }
}

int journal_append(struct journal *journal, struct journal_frame *const *frames, size_t count,
                   struct err *err)
{
    if (count == 0)
        return 0;
    if (prepare(journal, err) || encode_all(journal, frames, count, err))
        return -1;
    int failed = write_all(journal->fd, buf_str(&journal->scratch), newest(journal)->bytes);
    if (!failed && fdatasync(journal->fd))
        failed = errno;
    if (failed) {
        cut_back(journal);
        err_errno(err, ERR_IO, failed, "the journal cannot take %zu bytes", journal->scratch.len);
    } else {
        number(journal, frames, count);
    }
    if (journal->scratch.cap > SCRATCH_KEPT)
        buf_free(&journal->scratch);
    return failed ? -1 : 0;
}

/* ---- what it holds ---- */

uint64_t journal_last(const struct journal *journal)
{
    return journal->next - 1;
}

uint64_t journal_first(const struct journal *journal)
{
    const struct journal_segments *segments = &journal->segments;
    if (segments->items.count == 0 || segments->items.items[0].first >= journal->next)
        return 0;
    return segments->items.items[0].first;
}

uint64_t journal_bytes(const struct journal *journal)
{
    uint64_t bytes = 0;
    for (size_t i = 0; i < journal->segments.items.count; i++)
        bytes += journal->segments.items.items[i].bytes;
    return bytes;
}

/* ---- retention ---- */

static uint64_t last_batch(const struct journal *journal, size_t at)
{
    const struct journal_segments *segments = &journal->segments;
    return (at + 1 < segments->items.count ? segments->items.items[at + 1].first : journal->next) - 1;
}

/* False where the file stays; then so do all behind it. */
static bool remove_oldest(struct journal *journal)
{
    struct journal_segment *oldest = &journal->segments.items.items[0];
    const char *path = path_of(journal, oldest->first);
    if (journal->segments.items.count == 1)
        seal(journal);
    if (unlink(path) && errno != ENOENT) {
        LOG(LOG_ERROR, "journal.retain_failed", log_int("segment", oldest->first), log_int("errno", errno));
        return false;
    }
    LOG(LOG_INFO, "journal.segment_retired", log_int("segment", oldest->first),
        log_int("bytes", oldest->bytes));
    journal->segments.items.count--;
    memmove(oldest, oldest + 1, journal->segments.items.count * sizeof *oldest);
    return true;
}

void journal_retain(struct journal *journal, uint64_t keep_from, int64_t keep_after_ns, int64_t now_ns,
                    bool *is_short)
{
    *is_short = false;
    while (journal->segments.items.count && !journal->cut_due) {
        const struct journal_segment *oldest = &journal->segments.items.items[0];
        bool too_much = journal_bytes(journal) > journal->options.retain_bytes;
        bool too_old = oldest->newest_ns < now_ns - journal->options.retain_ns;
        bool free_to_go = last_batch(journal, 0) < keep_from && oldest->newest_ns <= keep_after_ns;
        if (!too_much && !too_old)
            return;
        if (!free_to_go) {
            *is_short = too_much;
            return;
        }
        if (oldest->bytes == JOURNAL_SEGMENT_HEADER && journal->segments.items.count == 1)
            return; /* the open one, and nothing in it yet */
        if (!remove_oldest(journal))
            return;
    }
}
