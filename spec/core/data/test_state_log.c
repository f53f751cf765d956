/* Checkpoints on disk: what a crash, a full disk or a damaged file leaves is a whole beginning of what was
 * written. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "base/vec.h"
#include "data/state_log.h"

static char dir[128];

/* ---- files ---- */

static void path_of(char path[256], const char *name)
{
    snprintf(path, 256, "%s/%s", dir, name);
}

static void remove_folder(void)
{
    DIR *d = opendir(dir);
    for (struct dirent *entry; d && (entry = readdir(d));) {
        if (entry->d_name[0] != '.')
            unlinkat(dirfd(d), entry->d_name, 0);
    }
    if (d)
        closedir(d);
    rmdir(dir);
}

static int make_folder(void **state)
{
    (void)state;
    const char *tmp = getenv("TMPDIR");
    snprintf(dir, sizeof(dir), "%s/state-log-XXXXXX", tmp ? tmp : "/tmp");
    return mkdtemp(dir) ? 0 : -1;
}

static int drop_folder(void **state)
{
    (void)state;
    remove_folder();
    return 0;
}

static struct buf read_file(const char *name)
{
    struct buf bytes = BUF_EMPTY;
    char path[256];
    path_of(path, name);
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    size_t n;
    while ((n = fread(buf_reserve(&bytes, 4096), 1, 4096, file)) > 0)
        buf_grew(&bytes, n);
    fclose(file);
    return bytes;
}

static void write_file(const char *name, const char *bytes, size_t len)
{
    char path[256];
    path_of(path, name);
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, len, file), len);
    assert_int_equal(fclose(file), 0);
}

static bool exists(const char *name)
{
    char path[256];
    path_of(path, name);
    return access(path, F_OK) == 0;
}

/* ---- the log ---- */

static struct state_log *open_log(void)
{
    struct err err = {0};
    struct state_log *log = state_log_open(dir, &err);
    if (!log)
        fail_msg("%s", err_text(&err));
    return log;
}

/* Record n: shard, batch and payload all follow from n; record 0 is empty. */
static void fill_payload(struct buf *payload, unsigned n)
{
    buf_clear(payload);
    for (unsigned i = 0; i < n * 7; i++)
        buf_putc(payload, (char)(n + i));
}

static int append(struct state_log *log, unsigned n, struct err *err)
{
    struct buf payload = BUF_EMPTY;
    fill_payload(&payload, n);
    int rc = state_log_append(log, n % 64, n * UINT64_C(1000000007), buf_str(&payload), err);
    buf_free(&payload);
    return rc;
}

static void append_many(struct state_log *log, unsigned from, unsigned to)
{
    struct err err = {0};
    for (unsigned n = from; n < to; n++)
        assert_int_equal(append(log, n, &err), 0);
    assert_int_equal(state_log_sync(log, &err), 0);
}

static int check_record(unsigned shard, uint64_t batch, struct str payload, void *arg)
{
    unsigned *next = arg;
    struct buf expected = BUF_EMPTY;
    fill_payload(&expected, *next);
    assert_int_equal(shard, *next % 64);
    assert_true(batch == *next * UINT64_C(1000000007));
    assert_true(str_equal(payload, buf_str(&expected)));
    buf_free(&expected);
    ++*next;
    return 0;
}

/* Replays records first, first + 1, …; returns how many. */
static unsigned replay_from(struct state_log *log, unsigned first)
{
    struct err err = {0};
    unsigned next = first;
    if (state_log_replay(log, check_record, &next, &err) != 0)
        fail_msg("%s", err_text(&err));
    return next - first;
}

static void what_was_appended_comes_back_in_order(void **state)
{
    (void)state;
    struct state_log *log = open_log();
    assert_int_equal(replay_from(log, 0), 0);
    append_many(log, 0, 50);
    assert_int_equal(replay_from(log, 0), 50);
    state_log_close(log);
    log = open_log();
    assert_int_equal(replay_from(log, 0), 50);
    append_many(log, 50, 60);
    uint64_t bytes = state_log_bytes(log);
    state_log_close(log);
    log = open_log();
    assert_int_equal(replay_from(log, 0), 60);
    assert_int_equal(state_log_bytes(log), bytes);
    state_log_close(log);
}

static int stop_at_three(unsigned shard, uint64_t batch, struct str payload, void *arg)
{
    (void)shard, (void)batch, (void)payload;
    return ++*(unsigned *)arg == 3 ? -1 : 0;
}

static void a_reader_may_stop(void **state)
{
    (void)state;
    struct state_log *log = open_log();
    append_many(log, 0, 10);
    unsigned seen = 0;
    assert_int_equal(state_log_replay(log, stop_at_three, &seen, NULL), -1);
    assert_int_equal(seen, 3);
    state_log_close(log);
}

static void folders_are_made_and_files_where_they_should_be_are_errors(void **state)
{
    (void)state;
    char path[256];
    path_of(path, "state-7.tmp"); /* in the way of a folder */
    write_file("state-7.tmp", "x", 1);
    struct err err = {0};
    assert_null(state_log_open(path, &err));
    assert_int_equal(err.code, ERR_IO);
    assert_null(state_log_open("", &err));
    assert_int_equal(err.code, ERR_INVALID);
}

static void limits_are_refused(void **state)
{
    (void)state;
    struct state_log *log = open_log();
    struct err err = {0};
    assert_int_equal(state_log_append(log, STATE_SHARDS_MAX, 1, STR("x"), &err), -1);
    assert_int_equal(err.code, ERR_LIMIT);
    assert_int_equal(state_log_append(log, STATE_SHARDS_MAX - 1, UINT64_MAX, STR("x"), &err), 0);
    assert_int_equal(state_log_commit(log, &err), -1); /* no rewrite under way */
    state_log_close(log);
}

/* ---- torn and damaged ---- */

static void a_log_torn_at_any_byte_keeps_its_whole_records(void **state)
{
    (void)state;
    struct state_log *log = open_log();
    uint64_t ends[7];
    for (unsigned n = 0; n < 6; n++) {
        ends[n] = state_log_bytes(log);
        append_many(log, n, n + 1);
    }
    ends[6] = state_log_bytes(log);
    state_log_close(log);
    struct buf whole = read_file("state-1.log");
    assert_int_equal(whole.len, ends[6]);
    for (size_t cut = ends[0]; cut <= whole.len; cut++) {
        unsigned expected = 0;
        while (expected < 6 && ends[expected + 1] <= cut)
            expected++;
        write_file("state-1.log", whole.ptr, cut);
        log = open_log();
        assert_int_equal(replay_from(log, 0), expected);
        assert_int_equal(state_log_bytes(log), ends[expected]);
        append_many(log, expected, expected + 2);
        state_log_close(log);
        log = open_log();
        assert_int_equal(replay_from(log, 0), expected + 2);
        state_log_close(log);
    }
    buf_free(&whole);
}

static void a_changed_byte_ends_the_log_before_its_record(void **state)
{
    (void)state;
    struct state_log *log = open_log();
    uint64_t begin = state_log_bytes(log);
    append_many(log, 0, 5);
    state_log_close(log);
    struct buf whole = read_file("state-1.log");
    uint64_t last = 24;
    for (size_t at = begin; at < whole.len; at++) {
        whole.ptr[at] ^= 0x41;
        write_file("state-1.log", whole.ptr, whole.len);
        whole.ptr[at] ^= 0x41;
        log = open_log();
        unsigned n = 0;
        for (uint64_t end = begin; end + last + 7 * n <= at; n++)
            end += last + 7 * n;
        assert_int_equal(replay_from(log, 0), n);
        state_log_close(log);
    }
    buf_free(&whole);
}

static void a_file_that_is_not_a_log_is_put_aside(void **state)
{
    (void)state;
    struct state_log *log = open_log();
    append_many(log, 0, 3);
    state_log_close(log);
    write_file("state-2.log", "not a state log at all", 22);
    write_file("state-3.log", "", 0);
    log = open_log();
    assert_int_equal(replay_from(log, 0), 3);
    assert_true(exists("state-2.bad") && exists("state-3.bad") && exists("state-1.log"));
    state_log_close(log);
    write_file("state-1.log", "short", 5);
    log = open_log();
    assert_int_equal(replay_from(log, 0), 0);
    assert_true(exists("state-4.log")); /* no number is used twice */
    state_log_close(log);
}

/* ---- compaction ---- */

static void a_rewrite_replaces_the_log(void **state)
{
    (void)state;
    struct err err = {0};
    struct state_log *log = open_log();
    append_many(log, 0, 40);
    assert_int_equal(state_log_rewrite(log, &err), 0);
    uint64_t empty = state_log_bytes(log);
    append_many(log, 100, 103);
    assert_true(state_log_bytes(log) > empty);
    assert_int_equal(replay_from(log, 0), 40); /* still the log */
    assert_int_equal(state_log_commit(log, &err), 0);
    assert_int_equal(replay_from(log, 100), 3);
    append_many(log, 103, 105);
    state_log_close(log);
    assert_false(exists("state-1.log"));
    log = open_log();
    assert_int_equal(replay_from(log, 100), 5);
    state_log_close(log);
}

static void a_crash_before_the_commit_finds_the_old_log(void **state)
{
    (void)state;
    struct err err = {0};
    struct state_log *log = open_log();
    append_many(log, 0, 10);
    assert_int_equal(state_log_rewrite(log, &err), 0);
    append_many(log, 100, 103);
    state_log_close(log); /* what is on disk now is what a crash would leave */
    assert_true(exists("state-2.tmp"));
    log = open_log();
    assert_int_equal(replay_from(log, 0), 10);
    assert_false(exists("state-2.tmp"));
    state_log_close(log);
}

static void a_crash_before_the_old_log_is_removed_finds_the_new_one(void **state)
{
    (void)state;
    struct err err = {0};
    struct state_log *log = open_log();
    append_many(log, 0, 10);
    struct buf old = read_file("state-1.log");
    assert_int_equal(state_log_rewrite(log, &err), 0);
    append_many(log, 100, 103);
    assert_int_equal(state_log_commit(log, &err), 0);
    state_log_close(log);
    write_file("state-1.log", old.ptr, old.len);
    log = open_log();
    assert_int_equal(replay_from(log, 100), 3);
    assert_false(exists("state-1.log"));
    state_log_close(log);
    buf_free(&old);
}

static void a_rewrite_may_begin_anew(void **state)
{
    (void)state;
    struct err err = {0};
    struct state_log *log = open_log();
    append_many(log, 0, 10);
    assert_int_equal(state_log_rewrite(log, &err), 0);
    append_many(log, 100, 103);
    assert_int_equal(state_log_rewrite(log, &err), 0);
    append_many(log, 200, 202);
    assert_int_equal(state_log_commit(log, &err), 0);
    assert_int_equal(replay_from(log, 200), 2);
    state_log_close(log);
    log = open_log();
    assert_int_equal(replay_from(log, 200), 2);
    state_log_close(log);
}

/* A folder in the place of the new log makes its rename fail. */
static void a_commit_that_fails_leaves_the_old_log_in_use(void **state)
{
    (void)state;
    struct err err = {0};
    char path[256];
    struct state_log *log = open_log();
    append_many(log, 0, 10);
    assert_int_equal(state_log_rewrite(log, &err), 0);
    append_many(log, 100, 103);
    path_of(path, "state-2.log");
    assert_int_equal(mkdir(path, 0700), 0);
    assert_int_equal(state_log_commit(log, &err), -1);
    assert_int_equal(err.code, ERR_IO);
    assert_false(exists("state-2.tmp"));
    append_many(log, 10, 12);
    assert_int_equal(replay_from(log, 0), 12);
    assert_int_equal(rmdir(path), 0);
    assert_int_equal(state_log_rewrite(log, &err), 0);
    append_many(log, 200, 202);
    assert_int_equal(state_log_commit(log, &err), 0);
    state_log_close(log);
    log = open_log();
    assert_int_equal(replay_from(log, 200), 2);
    state_log_close(log);
}

/* ---- a full disk ---- */

static struct rlimit unlimited;

static void limit_files(uint64_t bytes)
{
    struct rlimit limit = unlimited;
    if (bytes)
        limit.rlim_cur = bytes;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static void a_full_disk_leaves_nothing_half_and_the_log_usable(void **state)
{
    (void)state;
    struct err err = {0};
    for (uint64_t room = 1000; room < 1400; room += 13) {
        struct state_log *log = open_log();
        limit_files(room);
        unsigned n = 0;
        while (append(log, n, &err) == 0)
            n++;
        assert_int_equal(err.code, ERR_IO);
        assert_true(n > 5 && state_log_bytes(log) <= room);
        assert_int_equal(append(log, n, &err), -1);
        assert_int_equal(state_log_sync(log, &err), 0);
        limit_files(0);
        assert_int_equal(replay_from(log, 0), n);
        append_many(log, n, n + 3);
        state_log_close(log);
        log = open_log();
        assert_int_equal(replay_from(log, 0), n + 3);
        state_log_close(log);
        remove_folder();
        assert_int_equal(mkdir(dir, 0700), 0);
    }
}

static void a_full_disk_during_a_rewrite_leaves_the_log_as_it_was(void **state)
{
    (void)state;
    struct err err = {0};
    struct state_log *log = open_log();
    append_many(log, 0, 10);
    assert_int_equal(state_log_rewrite(log, &err), 0);
    limit_files(300);
    unsigned n = 100;
    while (append(log, n, &err) == 0)
        n++;
    limit_files(0);
    assert_int_equal(err.code, ERR_IO);
    assert_int_equal(replay_from(log, 0), 10);
    limit_files(4);
    assert_int_equal(state_log_rewrite(log, &err), -1); /* no room for a header: none begins */
    limit_files(0);
    append_many(log, 10, 12);
    state_log_close(log);
    log = open_log();
    assert_int_equal(replay_from(log, 0), 12);
    state_log_close(log);
}

#define in_a_folder(name) cmocka_unit_test_setup_teardown(name, make_folder, drop_folder)

int main(void)
{
    signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &unlimited);
    log_level_set(LOG_OFF);
    const struct CMUnitTest tests[] = {
        in_a_folder(what_was_appended_comes_back_in_order),
        in_a_folder(a_reader_may_stop),
        in_a_folder(folders_are_made_and_files_where_they_should_be_are_errors),
        in_a_folder(limits_are_refused),
        in_a_folder(a_log_torn_at_any_byte_keeps_its_whole_records),
        in_a_folder(a_changed_byte_ends_the_log_before_its_record),
        in_a_folder(a_file_that_is_not_a_log_is_put_aside),
        in_a_folder(a_rewrite_replaces_the_log),
        in_a_folder(a_crash_before_the_commit_finds_the_old_log),
        in_a_folder(a_crash_before_the_old_log_is_removed_finds_the_new_one),
        in_a_folder(a_rewrite_may_begin_anew),
        in_a_folder(a_commit_that_fails_leaves_the_old_log_in_use),
        in_a_folder(a_full_disk_leaves_nothing_half_and_the_log_usable),
        in_a_folder(a_full_disk_during_a_rewrite_leaves_the_log_as_it_was),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
