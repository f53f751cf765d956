#include "data/state_log.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/hash.h"
#include "base/log.h"
#include "base/vec.h"

#define FILE_HEADER   16                   /* magic, version, number */
#define RECORD_HEADER 24                   /* magic, CRC-32C of all behind it, length, shard, batch */
#define FILE_MAGIC    UINT32_C(0x74736e6c) /* "lnst" */
#define FILE_VERSION  1
#define RECORD_MAGIC  UINT32_C(0x72736e6c) /* "lnsr" */

struct state_file {
    int fd; /* -1: none */
    uint64_t number, end;
    bool torn;   /* something of a failed append may lie behind `end` */
    bool failed; /* a sync failed */
};

struct state_log {
    char *dir;
    int dir_fd;
    struct state_file log, next; /* next: the rewrite under way */
    struct buf scratch;
};

/* ---- names ---- */

static void file_name(char name[64], uint64_t number, const char *suffix)
{
    snprintf(name, 64, "state-%llu.%s", (unsigned long long)number, suffix);
}

/* The number in `state-<n>.<suffix>`; false for any other name. */
static bool number_of(const char *name, const char *suffix, uint64_t *number)
{
    char again[64], *end;
    if (strncmp(name, "state-", 6) != 0)
        return false;
    *number = strtoull(name + 6, &end, 10);
    file_name(again, *number, suffix);
    return strcmp(again, name) == 0;
}

/* ---- reading and writing ---- */

static int read_exactly(int fd, uint64_t offset, char *into, size_t len, struct err *err)
{
    while (len) {
        ssize_t n = pread(fd, into, len, (off_t)offset);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return err_errno(err, ERR_IO, errno, "state log: read");
        if (n == 0)
            return err_set(err, ERR_CORRUPT, "state log: ends before byte %llu",
                           (unsigned long long)(offset + len));
        into += n;
        offset += (uint64_t)n;
        len -= (size_t)n;
    }
    return 0;
}

static int write_exactly(int fd, uint64_t offset, struct iovec *parts, struct err *err)
{
    for (int part = 0; part < 2;) {
        ssize_t n = pwritev(fd, parts + part, 2 - part, (off_t)offset);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return err_errno(err, ERR_IO, n ? errno : ENOSPC, "state log: write");
        offset += (uint64_t)n;
        while (part < 2 && (size_t)n >= parts[part].iov_len)
            n -= (ssize_t)parts[part++].iov_len;
        if (part < 2) {
            parts[part].iov_base = (char *)parts[part].iov_base + n;
            parts[part].iov_len -= (size_t)n;
        }
    }
    return 0;
}

static void close_file(struct state_file *file)
{
    if (file->fd >= 0)
        close(file->fd);
    *file = (struct state_file){.fd = -1};
}

/* ---- records ---- */

struct record_head {
    uint32_t crc, len, shard;
    uint64_t batch;
};

static void encode_head(const struct record_head *head, struct buf *out)
{
    buf_clear(out);
    buf_put_u32(out, RECORD_MAGIC);
    buf_put_u32(out, head->crc);
    buf_put_u32(out, head->len);
    buf_put_u32(out, head->shard);
    buf_put_u64(out, head->batch);
}

static bool decode_head(struct str bytes, struct record_head *head)
{
    uint32_t magic;
    return str_get_u32(&bytes, &magic) && magic == RECORD_MAGIC && str_get_u32(&bytes, &head->crc) &&
           str_get_u32(&bytes, &head->len) && str_get_u32(&bytes, &head->shard) &&
           str_get_u64(&bytes, &head->batch) && head->len <= STATE_PAYLOAD_MAX &&
           head->shard < STATE_SHARDS_MAX;
}

static uint32_t checksum(struct str head, struct str payload)
{
    const size_t behind_crc = 8;
    uint32_t crc = hash_crc32c((struct str){head.ptr + behind_crc, RECORD_HEADER - behind_crc}, 0);
    return hash_crc32c(payload, crc);
}

/* Reads the record at `offset` into `into`, head and payload. 1, 0 where there is no whole record, -1 when
 * the disk fails. */
static int read_record(int fd, uint64_t offset, uint64_t end, struct buf *into, struct record_head *head,
                       struct err *err)
{
    buf_clear(into);
    if (end - offset < RECORD_HEADER)
        return 0;
    if (read_exactly(fd, offset, buf_reserve(into, RECORD_HEADER), RECORD_HEADER, err) != 0)
        return -1;
    buf_grew(into, RECORD_HEADER);
    if (!decode_head(buf_str(into), head) || head->len > end - offset - RECORD_HEADER)
        return 0;
    if (read_exactly(fd, offset + RECORD_HEADER, buf_reserve(into, head->len), head->len, err) != 0)
        return -1;
    buf_grew(into, head->len);
    struct str payload = {into->ptr + RECORD_HEADER, head->len};
    return checksum(buf_str(into), payload) == head->crc;
}

/* ---- files ---- */

/* Makes `state-<n>.tmp` with its header. */
static int create_file(struct state_log *log, uint64_t number, struct state_file *file, struct err *err)
{
    char name[64];
    file_name(name, number, "tmp");
    int fd = openat(log->dir_fd, name, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return err_errno(err, ERR_IO, errno, "%s/%s: create", log->dir, name);
    buf_clear(&log->scratch);
    buf_put_u32(&log->scratch, FILE_MAGIC);
    buf_put_u32(&log->scratch, FILE_VERSION);
    buf_put_u64(&log->scratch, number);
    struct iovec parts[2] = {{log->scratch.ptr, FILE_HEADER}, {NULL, 0}};
    if (write_exactly(fd, 0, parts, err) != 0) {
        close(fd);
        unlinkat(log->dir_fd, name, 0);
        return -1;
    }
    *file = (struct state_file){.fd = fd, .number = number, .end = FILE_HEADER};
    return 0;
}

/* Makes the new file durable under its final name. */
static int publish_file(struct state_log *log, struct state_file *file, struct err *err)
{
    char from[64], to[64];
    file_name(from, file->number, "tmp");
    file_name(to, file->number, "log");
    if (fdatasync(file->fd) != 0)
        return err_errno(err, ERR_IO, errno, "%s/%s: sync", log->dir, from);
    if (renameat(log->dir_fd, from, log->dir_fd, to) != 0)
        return err_errno(err, ERR_IO, errno, "%s/%s: rename", log->dir, to);
    if (fsync(log->dir_fd) != 0)
        return err_errno(err, ERR_IO, errno, "%s: sync", log->dir);
    return 0;
}

/* Under either name: a commit may have failed behind its rename. */
static void give_up_rewrite(struct state_log *log)
{
    if (log->next.fd < 0)
        return;
    char name[64];
    file_name(name, log->next.number, "tmp");
    unlinkat(log->dir_fd, name, 0);
    file_name(name, log->next.number, "log");
    unlinkat(log->dir_fd, name, 0);
    close_file(&log->next);
}

static int cut(struct state_log *log, struct state_file *file, uint64_t size, struct err *err)
{
    LOG(LOG_WARN, "state.cut", log_text("dir", log->dir), log_int("kept_bytes", file->end),
        log_int("cut_bytes", size - file->end));
    if (ftruncate(file->fd, (off_t)file->end) != 0 || fdatasync(file->fd) != 0)
        return err_errno(err, ERR_IO, errno, "%s: cutting the torn end of the state log", log->dir);
    return 0;
}

/* Finds the end of the last whole record and cuts what is behind it. */
static int recover(struct state_log *log, struct state_file *file, struct err *err)
{
    struct stat status;
    if (fstat(file->fd, &status) != 0)
        return err_errno(err, ERR_IO, errno, "%s: state log", log->dir);
    uint64_t size = (uint64_t)status.st_size;
    struct record_head head;
    int found;
    while ((found = read_record(file->fd, file->end, size, &log->scratch, &head, err)) == 1)
        file->end += RECORD_HEADER + head.len;
    if (found < 0)
        return -1;
    return file->end < size ? cut(log, file, size, err) : 0;
}

static bool has_header(int fd, uint64_t number)
{
    char bytes[FILE_HEADER];
    struct str at = {bytes, sizeof(bytes)};
    uint32_t magic, version;
    uint64_t n;
    return read_exactly(fd, 0, bytes, sizeof(bytes), NULL) == 0 && str_get_u32(&at, &magic) &&
           str_get_u32(&at, &version) && str_get_u64(&at, &n) && magic == FILE_MAGIC &&
           version == FILE_VERSION && n == number;
}

/* Opens `state-<n>.log`. 1, 0 where its header is not ours (it is put aside), -1. */
static int open_file(struct state_log *log, uint64_t number, struct err *err)
{
    char name[64], bad[64];
    file_name(name, number, "log");
    int fd = openat(log->dir_fd, name, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return err_errno(err, ERR_IO, errno, "%s/%s: open", log->dir, name);
    if (!has_header(fd, number)) {
        close(fd);
        file_name(bad, number, "bad");
        LOG(LOG_WARN, "state.put_aside", log_text("dir", log->dir), log_text("file", bad));
        if (renameat(log->dir_fd, name, log->dir_fd, bad) != 0)
            return err_errno(err, ERR_IO, errno, "%s/%s: rename", log->dir, bad);
        return 0;
    }
    log->log = (struct state_file){.fd = fd, .number = number, .end = FILE_HEADER};
    return recover(log, &log->log, err) == 0 ? 1 : -1;
}

/* ---- the folder ---- */

struct numbers {
    VEC(uint64_t) logs; /* newest first */
    uint64_t highest;   /* of any file: numbers are not used twice */
};

static int descending(const void *a, const void *b)
{
    uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;
    return (left < right) - (left > right);
}

/* Lists the logs; what a crash left of a rewrite is removed. */
static int list(struct state_log *log, struct numbers *found, struct err *err)
{
    DIR *dir = opendir(log->dir);
    if (!dir)
        return err_errno(err, ERR_IO, errno, "%s: list", log->dir);
    for (struct dirent *entry; (entry = readdir(dir));) {
        uint64_t number;
        bool is_log = number_of(entry->d_name, "log", &number);
        bool is_tmp = !is_log && number_of(entry->d_name, "tmp", &number);
        if (is_log)
            vec_push(&found->logs, number);
        else if (is_tmp)
            unlinkat(log->dir_fd, entry->d_name, 0);
        else if (!number_of(entry->d_name, "bad", &number))
            continue;
        if (number > found->highest)
            found->highest = number;
    }
    closedir(dir);
    if (found->logs.count)
        qsort(found->logs.items, found->logs.count, sizeof(found->logs.items[0]), descending);
    return 0;
}

static void remove_log(struct state_log *log, uint64_t number)
{
    char name[64];
    file_name(name, number, "log");
    if (unlinkat(log->dir_fd, name, 0) != 0)
        LOG(LOG_WARN, "state.remove", log_text("dir", log->dir), log_text("file", name));
}

/* Takes the newest log, or begins the first; older ones are what a crash left behind a commit. */
static int choose(struct state_log *log, struct err *err)
{
    struct numbers found = {0};
    int rc = list(log, &found, err), opened = 0;
    for (size_t i = 0; rc == 0 && i < found.logs.count; i++) {
        if (opened) {
            remove_log(log, found.logs.items[i]);
            continue;
        }
        opened = open_file(log, found.logs.items[i], err);
        rc = opened < 0 ? -1 : 0;
    }
    vec_free(&found.logs);
    if (rc != 0 || opened)
        return rc;
    if (create_file(log, found.highest + 1, &log->log, err) != 0)
        return -1;
    return publish_file(log, &log->log, err);
}

static int make_folder(const char *dir, struct err *err)
{
    char path[PATH_MAX];
    size_t len = strlen(dir);
    if (len == 0 || len >= sizeof(path))
        return err_set(err, ERR_INVALID, "state folder: its name has 1 to %d bytes, this has %zu",
                       PATH_MAX - 1, len);
    memcpy(path, dir, len + 1);
    for (size_t i = 1; i <= len; i++) {
        if (path[i] != '/' && path[i] != '\0')
            continue;
        path[i] = '\0';
        if (mkdir(path, 0700) != 0 && errno != EEXIST)
            return err_errno(err, ERR_IO, errno, "%s: create", path);
        path[i] = dir[i];
    }
    return 0;
}

struct state_log *state_log_open(const char *dir, struct err *err)
{
    if (make_folder(dir, err) != 0)
        return NULL;
    struct state_log *log = mem_zalloc(1, sizeof(*log));
    log->dir = mem_dup(dir, strlen(dir));
    log->log.fd = log->next.fd = -1;
    log->dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (log->dir_fd < 0)
        err_errno(err, ERR_IO, errno, "%s: open", dir);
    if (log->dir_fd < 0 || choose(log, err) != 0) {
        state_log_close(log);
        return NULL;
    }
    return log;
}

void state_log_close(struct state_log *log)
{
    if (!log)
        return;
    close_file(&log->log);
    close_file(&log->next);
    if (log->dir_fd >= 0)
        close(log->dir_fd);
    buf_free(&log->scratch);
    free(log->dir);
    free(log);
}

/* ---- the log ---- */

int state_log_replay(struct state_log *log,
                     int (*record)(unsigned shard, uint64_t batch, struct str payload, void *arg), void *arg,
                     struct err *err)
{
    struct buf bytes = BUF_EMPTY;
    int rc = 0;
    for (uint64_t at = FILE_HEADER; rc == 0 && at < log->log.end;) {
        struct record_head head;
        int found = read_record(log->log.fd, at, log->log.end, &bytes, &head, err);
        if (found == 0)
            err_set(err, ERR_CORRUPT, "%s: the state log changed at byte %llu since it was opened", log->dir,
                    (unsigned long long)at);
        if (found != 1) {
            rc = -1;
            break;
        }
        rc = record(head.shard, head.batch, (struct str){bytes.ptr + RECORD_HEADER, head.len}, arg);
        at += RECORD_HEADER + head.len;
    }
    buf_free(&bytes);
    return rc;
}

static struct state_file *target(struct state_log *log)
{
    return log->next.fd >= 0 ? &log->next : &log->log;
}

/* Takes back what a failed append may have left, so that a new record never stands before half an old one. */
static int take_back(struct state_file *file, struct err *err)
{
    if (!file->torn)
        return 0;
    if (ftruncate(file->fd, (off_t)file->end) != 0)
        return err_errno(err, ERR_IO, errno, "state log: cutting a failed append");
    file->torn = false;
    return 0;
}

static int check_usable(const struct state_file *file, struct err *err)
{
    return file->failed ? err_set(err, ERR_IO, "state log: a sync failed; it has to be rewritten") : 0;
}

int state_log_append(struct state_log *log, unsigned shard, uint64_t batch, struct str payload,
                     struct err *err)
{
    struct state_file *file = target(log);
    if (shard >= STATE_SHARDS_MAX || payload.len > STATE_PAYLOAD_MAX)
        return err_set(err, ERR_LIMIT, "state log: shard %u, %zu bytes; at most %d and %d", shard,
                       payload.len, STATE_SHARDS_MAX - 1, STATE_PAYLOAD_MAX);
    if (check_usable(file, err) != 0 || take_back(file, err) != 0)
        return -1;
    struct record_head head = {.len = (uint32_t)payload.len, .shard = shard, .batch = batch};
    encode_head(&head, &log->scratch);
    head.crc = checksum(buf_str(&log->scratch), payload);
    encode_head(&head, &log->scratch);
    struct iovec parts[2] = {{log->scratch.ptr, RECORD_HEADER}, {(char *)payload.ptr, payload.len}};
    if (write_exactly(file->fd, file->end, parts, err) != 0) {
        file->torn = true;
        take_back(file, NULL); /* tried again before the next append */
        return -1;
    }
    file->end += RECORD_HEADER + payload.len;
    return 0;
}

int state_log_sync(struct state_log *log, struct err *err)
{
    struct state_file *file = target(log);
    if (check_usable(file, err) != 0)
        return -1;
    if (fdatasync(file->fd) == 0)
        return 0;
    file->failed = true;
    return err_errno(err, ERR_IO, errno, "%s: sync of the state log", log->dir);
}

uint64_t state_log_bytes(const struct state_log *log)
{
    return log->next.fd >= 0 ? log->next.end : log->log.end;
}

int state_log_rewrite(struct state_log *log, struct err *err)
{
    uint64_t number = (log->next.fd >= 0 ? log->next.number : log->log.number) + 1;
    give_up_rewrite(log);
    return create_file(log, number, &log->next, err);
}

int state_log_commit(struct state_log *log, struct err *err)
{
    if (log->next.fd < 0)
        return err_set(err, ERR_INTERNAL, "state log: no rewrite is under way");
    if (check_usable(&log->next, err) != 0 || take_back(&log->next, err) != 0 ||
        publish_file(log, &log->next, err) != 0) {
        give_up_rewrite(log);
        return -1;
    }
    struct state_file old = log->log;
    log->log = log->next;
    log->next = (struct state_file){.fd = -1};
    remove_log(log, old.number);
    close_file(&old);
    return 0;
}
