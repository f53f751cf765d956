/* A folder for one test, and frames whose content follows from their number. */
#ifndef LUNETTE_SPEC_JOURNAL_FIXTURE_H
#define LUNETTE_SPEC_JOURNAL_FIXTURE_H

#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "data/journal.h"

struct folder {
    char path[64];
};

static inline struct folder folder_make(void)
{
    struct folder folder = {"/tmp/lunette-test-XXXXXX"};
    assert_non_null(mkdtemp(folder.path));
    return folder;
}

/* In memory where there is such a place: for tests that sync thousands of times and ask nothing of the disk.
 */
static inline struct folder folder_make_fast(void)
{
    struct folder folder = {"/dev/shm/lunette-test-XXXXXX"};
    return mkdtemp(folder.path) ? folder : folder_make();
}

static inline const char *folder_file(const struct folder *folder, const char *name, struct buf *path)
{
    buf_clear(path);
    buf_printf(path, "%s/%s", folder->path, name);
    return path->ptr;
}

/* Visits the names in no order; returns how many end like this. */
static inline size_t folder_count(const struct folder *folder, const char *suffix)
{
    size_t count = 0;
    DIR *dir = opendir(folder->path);
    struct dirent *entry;
    while (dir && (entry = readdir(dir)))
        count += str_ends(str_from(entry->d_name), str_from(suffix));
    if (dir)
        closedir(dir);
    return count;
}

static inline void folder_remove(const struct folder *folder)
{
    struct buf path = BUF_EMPTY;
    DIR *dir = opendir(folder->path);
    struct dirent *entry;
    while (dir && (entry = readdir(dir)))
        unlink(folder_file(folder, entry->d_name, &path));
    if (dir)
        closedir(dir);
    rmdir(folder->path);
    buf_free(&path);
}

static inline void file_read(const char *path, struct buf *out)
{
    char chunk[65536];
    ssize_t n;
    int fd = open(path, O_RDONLY);
    assert_true(fd >= 0);
    buf_clear(out);
    while ((n = read(fd, chunk, sizeof chunk)) > 0)
        buf_add(out, chunk, (size_t)n);
    close(fd);
}

static inline void file_write(const char *path, struct str bytes)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, bytes.ptr, bytes.len), bytes.len);
    close(fd);
}

static const struct journal_options roomy = {64 << 20, UINT64_C(2) << 30, 7 * 24 * 3600 * NS_PER_S};

/* The body of a batch: repeating text, so that some compress and some (short ones) do not. */
static inline void body_of(uint64_t n, struct buf *out)
{
    buf_clear(out);
    for (uint64_t i = 0; i < n % 7 * 9; i++)
        buf_printf(out, "{\"batch\":%llu,\"line\":%llu}\n", (unsigned long long)n, (unsigned long long)i);
}

static inline struct journal_frame frame_of(uint64_t n, struct buf *body)
{
    body_of(n, body);
    struct journal_frame frame = {.accepted_ns = (int64_t)n * NS_PER_S,
                                  .source = n % 2 ? STR("okta") : STR(""),
                                  .customer = n % 3 ? STR("acme") : STR(""),
                                  .format = (enum journal_format)(n % 3),
                                  .bytes = buf_str(body)};
    memset(frame.id_base.bytes, (int)n, sizeof frame.id_base.bytes);
    return frame;
}

static inline void frame_is(const struct journal_frame *frame, uint64_t n)
{
    struct buf body = BUF_EMPTY;
    struct journal_frame wanted = frame_of(n, &body);
    assert_int_equal(frame->batch, n);
    assert_int_equal(frame->accepted_ns, wanted.accepted_ns);
    assert_true(str_equal(frame->source, wanted.source));
    assert_true(str_equal(frame->customer, wanted.customer));
    assert_int_equal(frame->format, wanted.format);
    assert_memory_equal(frame->id_base.bytes, wanted.id_base.bytes, sizeof wanted.id_base.bytes);
    assert_true(str_equal(frame->bytes, wanted.bytes));
    for (int i = 0; i < 64; i++)
        assert_int_equal(frame->bytes.ptr[frame->bytes.len + (size_t)i], 0);
    buf_free(&body);
}

static inline struct journal *open_journal(const struct folder *folder, const struct journal_options *options,
                                           uint64_t first)
{
    struct err err = {0};
    struct journal *journal = journal_open(folder->path, options, first, &err);
    if (!journal)
        print_error("%s\n", err_text(&err));
    assert_non_null(journal);
    return journal;
}

/* Appends the next batch: its content is that of the number it must get. */
static inline void append_next(struct journal *journal)
{
    struct err err = {0};
    struct buf body = BUF_EMPTY;
    uint64_t n = journal_last(journal) + 1;
    struct journal_frame frame = frame_of(n, &body);
    struct journal_frame *frames[] = {&frame};
    if (journal_append(journal, frames, 1, &err))
        fail_msg("%s", err_text(&err));
    assert_int_equal(frame.batch, n);
    buf_free(&body);
}

static inline void append_many(struct journal *journal, size_t count)
{
    for (size_t i = 0; i < count; i++)
        append_next(journal);
}

struct reading {
    uint64_t count, first, last, skipped;
};

/* Reads all from batch `from` on and holds each frame against its number. */
static inline struct reading read_all(const struct folder *folder, uint64_t from)
{
    struct err err = {0};
    struct journal_frame frame;
    struct reading reading = {0};
    struct journal_reader *reader = journal_reader_open(folder->path, from, &err);
    assert_non_null(reader);
    int more;
    while ((more = journal_reader_next(reader, &frame, &err)) == 1) {
        assert_true(frame.batch > reading.last);
        frame_is(&frame, frame.batch);
        reading.first = reading.count++ ? reading.first : frame.batch;
        reading.last = frame.batch;
    }
    assert_int_equal(more, 0);
    reading.skipped = journal_reader_skipped(reader);
    journal_reader_close(reader);
    return reading;
}

#endif
