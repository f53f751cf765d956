/* Any bytes as a segment of the journal: what is read is whole and in order, opening cuts and continues, and
 * what is appended behind it is there. The first byte says what the rest is: 0 the file itself, else edits
 * (place, value: three bytes each) of a good segment, of which mode - 1 bytes are cut off first. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "data/journal_frame.h"

static char dir[64];
static struct buf good; /* a segment of four batches */
static const struct journal_options options = {1 << 20, 1 << 30, INT64_MAX};

static void remove_dir(void)
{
    struct buf path = BUF_EMPTY;
    static const char *const names[] = {"00000000000000000001.seg", "00000000000000000001.seg.bad", "lock"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        buf_clear(&path);
        buf_printf(&path, "%s/%s", dir, names[i]);
        unlink(path.ptr);
    }
    buf_free(&path);
}

static void leave(void)
{
    remove_dir();
    rmdir(dir);
    buf_free(&good);
}

static void setup(void)
{
    struct stat shm;
    log_level_set(LOG_OFF);
    snprintf(dir, sizeof dir, "%s/lunette-fuzz-XXXXXX", stat("/dev/shm", &shm) == 0 ? "/dev/shm" : "/tmp");
    INVARIANT(mkdtemp(dir));
    atexit(leave);
    journal_segment_header(42, 1, &good);
    static const char *const bodies[] = {"", "{\"a\":1}", "{\"a\":1}\n{\"a\":1}\n{\"a\":1}\n{\"a\":1}\n",
                                         "[]"};
    for (uint64_t i = 0; i < 4; i++) {
        struct journal_frame frame = {
            .source = STR("okta"), .customer = STR("acme"), .bytes = str_from(bodies[i])};
        INVARIANT(journal_encode(&frame, i + 1, 42, &good, NULL) == 0);
    }
}

static void make_segment(struct str input, struct buf *out)
{
    uint8_t mode = input.len ? (uint8_t)input.ptr[0] : 0;
    struct str rest = input.len ? (struct str){input.ptr + 1, input.len - 1} : input;
    if (mode == 0) {
        buf_put(out, rest);
        return;
    }
    size_t cut = (size_t)mode - 1 < good.len ? (size_t)mode - 1 : good.len;
    buf_add(out, good.ptr, good.len - cut);
    for (size_t i = 0; i + 3 <= rest.len && out->len; i += 3) {
        size_t at = (size_t)((uint8_t)rest.ptr[i] | (uint8_t)rest.ptr[i + 1] << 8);
        out->ptr[at % out->len] = rest.ptr[i + 2];
    }
}

static void write_segment(const struct buf *bytes)
{
    struct buf path = BUF_EMPTY;
    buf_printf(&path, "%s/00000000000000000001.seg", dir);
    int fd = open(path.ptr, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    INVARIANT(fd >= 0);
    if (bytes->len)
        INVARIANT(write(fd, bytes->ptr, bytes->len) == (ssize_t)bytes->len);
    close(fd);
    buf_free(&path);
}

/* Returns the last batch; *count how many there are. */
static uint64_t read_all(uint64_t *count)
{
    struct err err = {0};
    struct journal_frame frame;
    uint64_t last = 0;
    struct journal_reader *reader = journal_reader_open(dir, 0, &err);
    INVARIANT(reader);
    *count = 0;
    while (journal_reader_next(reader, &frame, &err) == 1) {
        INVARIANT(frame.batch > last && frame.format <= JOURNAL_NDJSON);
        INVARIANT(frame.bytes.ptr[frame.bytes.len + 63] == 0);
        last = frame.batch;
        ++*count;
    }
    journal_reader_close(reader);
    return last;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!dir[0])
        setup();
    struct buf segment = BUF_EMPTY;
    struct err err = {0};
    uint64_t before, after;
    make_segment((struct str){(const char *)data, size}, &segment);
    write_segment(&segment);
    uint64_t last = read_all(&before);
    struct journal *journal = journal_open(dir, &options, 1, &err);
    INVARIANT(journal && (before == 0 || journal_last(journal) == last));
    struct journal_frame frame = {.bytes = STR("{}")}, *frames[] = {&frame};
    INVARIANT(journal_append(journal, frames, 1, &err) == 0);
    journal_close(journal);
    uint64_t end = read_all(&after);
    INVARIANT(after == before + 1 && end == frame.batch && end > last);
    buf_free(&segment);
    remove_dir();
    return 0;
}
