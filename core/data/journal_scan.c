#include "data/journal_scan.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"

#define SUFFIX     ".seg"
#define NAME_LEN   20        /* digits of the largest batch number */
#define WINDOW_MIN (1 << 18) /* bytes read at once */

/* ---- the folder ---- */

static bool segment_name(const char *name, uint64_t *first)
{
    char *end;
    if (strlen(name) != NAME_LEN + strlen(SUFFIX) || strspn(name, "0123456789") != NAME_LEN ||
        strcmp(name + NAME_LEN, SUFFIX) != 0)
        return false;
    errno = 0;
    *first = strtoull(name, &end, 10);
    return errno == 0 && *first > 0;
}

static bool is_ours(const char *name)
{
    return strcmp(name, ".") == 0 || strcmp(name, "..") == 0 || strcmp(name, "lock") == 0 ||
           str_ends(str_from(name), STR(".bad"));
}

static int by_first(const void *a, const void *b)
{
    const struct journal_segment *x = a, *y = b;
    return (x->first > y->first) - (x->first < y->first);
}

int journal_segments_list(const char *dir, struct journal_segments *segments, struct err *err)
{
    DIR *folder = opendir(dir);
    if (!folder)
        return err_errno(err, ERR_IO, errno, "the journal's folder %s cannot be read", dir);
    struct dirent *entry;
    while ((entry = readdir(folder))) {
        uint64_t first;
        struct stat info;
        if (!segment_name(entry->d_name, &first)) {
            if (!is_ours(entry->d_name))
                LOG(LOG_WARN, "journal.unknown_file", log_text("file", entry->d_name));
            continue;
        }
        if (fstatat(dirfd(folder), entry->d_name, &info, 0) == 0 && S_ISREG(info.st_mode))
            vec_push(&segments->items,
                     ((struct journal_segment){.first = first,
                                               .bytes = (uint64_t)info.st_size,
                                               .newest_ns = info.st_mtim.tv_sec * INT64_C(1000000000)}));
    }
    closedir(folder);
    if (segments->items.count)
        qsort(segments->items.items, segments->items.count, sizeof *segments->items.items, by_first);
    return 0;
}

const char *journal_segment_path(const char *dir, uint64_t first, struct buf *path)
{
    buf_clear(path);
    buf_printf(path, "%s/%0*llu%s", dir, NAME_LEN, (unsigned long long)first, SUFFIX);
    return path->ptr;
}

/* ---- one segment ---- */

/* Makes [at, at + len) readable in the window. 1, 0 beyond the file's end, -1. */
static int window_need(struct journal_scan *scan, uint64_t at, size_t len, struct err *err)
{
    uint64_t end = scan->window_at + scan->window.len;
    if (at + len > scan->size)
        return 0;
    if (at >= scan->window_at && at + len <= end)
        return 1;
    size_t keep = at >= scan->window_at && at < end ? (size_t)(end - at) : 0;
    if (keep)
        memmove(scan->window.ptr, scan->window.ptr + scan->window.len - keep, keep);
    scan->window.len = keep;
    scan->window_at = at;
    size_t want = len > WINDOW_MIN ? len : WINDOW_MIN;
    while (scan->window.len < len) {
        char *to = buf_reserve(&scan->window, want - scan->window.len);
        ssize_t n = pread(scan->fd, to, want - scan->window.len, (off_t)(at + scan->window.len));
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return err_errno(err, ERR_IO, errno, "a segment of the journal cannot be read");
        if (n == 0) {
            scan->size = at + scan->window.len; /* cut meanwhile: a failed append went back */
            return 0;
        }
        buf_grew(&scan->window, (size_t)n);
    }
    return 1;
}

static struct str window_at(const struct journal_scan *scan, uint64_t at, size_t len)
{
    return (struct str){scan->window.ptr + (at - scan->window_at), len};
}

/* The whole frame at `at`: 1, 0 where there is none, -1. A scan without a marker takes any. */
static int frame_at(struct journal_scan *scan, uint64_t at, struct journal_header *header, struct str *frame,
                    struct err *err)
{
    int readable = window_need(scan, at, JOURNAL_FRAME_HEADER, err);
    if (readable != 1)
        return readable;
    if (!journal_header_read(window_at(scan, at, JOURNAL_FRAME_HEADER), header) ||
        (scan->whole && header->marker != scan->marker))
        return 0;
    size_t len = (size_t)JOURNAL_FRAME_HEADER + header->length;
    readable = window_need(scan, at, len, err);
    if (readable != 1)
        return readable;
    *frame = window_at(scan, at, len);
    return journal_frame_check(*frame, header);
}

/* Where the header is damaged the marker is known from the first frame: its place is fixed, no sender chose
 * what stands there. */
static int read_marker(struct journal_scan *scan, struct err *err)
{
    struct journal_header header;
    struct str frame;
    int readable = window_need(scan, 0, JOURNAL_SEGMENT_HEADER, err);
    if (readable != 1)
        return readable;
    if (journal_segment_check(window_at(scan, 0, JOURNAL_SEGMENT_HEADER), &scan->marker)) {
        scan->whole = true;
        scan->good_end = JOURNAL_SEGMENT_HEADER;
        return 0;
    }
    scan->damaged = JOURNAL_SEGMENT_HEADER;
    int found = frame_at(scan, JOURNAL_SEGMENT_HEADER, &header, &frame, err);
    if (found == 1) {
        scan->marker = header.marker;
        scan->whole = true;
    }
    return found < 0 ? -1 : 0;
}

int journal_scan_open(struct journal_scan *scan, const char *path, struct err *err)
{
    struct stat info;
    scan->fd = open(path, O_RDONLY | O_CLOEXEC);
    if (scan->fd < 0 || fstat(scan->fd, &info)) {
        err_errno(err, errno == ENOENT ? ERR_NOT_FOUND : ERR_IO, errno, "%s cannot be read", path);
        journal_scan_close(scan);
        return -1;
    }
    scan->size = (uint64_t)info.st_size;
    scan->offset = JOURNAL_SEGMENT_HEADER;
    scan->good_end = scan->damaged = scan->window_at = 0;
    scan->whole = false;
    buf_clear(&scan->window);
    if (read_marker(scan, err)) {
        journal_scan_close(scan);
        return -1;
    }
    return 0;
}

void journal_scan_close(struct journal_scan *scan)
{
    if (scan->fd >= 0)
        close(scan->fd);
    scan->fd = -1;
    buf_free(&scan->window);
}

/* The next place from `at` on where a frame could begin, or the end. */
static int next_magic(struct journal_scan *scan, uint64_t *at, struct err *err)
{
    while (*at + JOURNAL_FRAME_HEADER <= scan->size) {
        uint64_t rest = scan->size - *at;
        size_t len = rest < WINDOW_MIN ? (size_t)rest : WINDOW_MIN;
        int readable = window_need(scan, *at, len, err);
        if (readable < 0)
            return -1;
        if (readable == 0)
            continue; /* the file was cut: its new size counts */
        struct str bytes = window_at(scan, *at, len);
        const char *found = memmem(bytes.ptr, bytes.len, "LJF1", 4);
        if (found) {
            *at += (uint64_t)(found - bytes.ptr);
            return 0;
        }
        *at += len - 3;
    }
    *at = scan->size;
    return 0;
}

int journal_scan_next(struct journal_scan *scan, struct journal_header *header, struct str *frame,
                      struct err *err)
{
    uint64_t start = scan->offset;
    while (scan->whole && scan->offset < scan->size) {
        int found = frame_at(scan, scan->offset, header, frame, err);
        if (found < 0)
            return -1;
        if (found == 1) {
            scan->damaged += scan->offset - start;
            scan->offset += frame->len;
            scan->good_end = scan->offset;
            return 1;
        }
        scan->offset++;
        if (next_magic(scan, &scan->offset, err))
            return -1;
    }
    return 0;
}
