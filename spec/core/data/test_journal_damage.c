/* What a crash, a full disk or a bad sector leaves, and what the journal makes of it. */
#include "core/data/journal_fixture.h"

#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/resource.h>

#include "base/log.h"
#include "data/journal_scan.h"

/* The files after each append, so that a kill can be played at every byte. */
static size_t file_size(const char *path)
{
    struct stat info;
    return stat(path, &info) == 0 ? (size_t)info.st_size : 0;
}

static const char *only_segment(const struct folder *folder, struct buf *path)
{
    return folder_file(folder, "00000000000000000001.seg", path);
}

/* ---- torn tails ---- */

static void cut_at_any_byte_the_whole_frames_before_it_are_there(void **state)
{
    (void)state;
    enum { BATCHES = 9 };
    struct folder folder = folder_make_fast();
    struct buf path = BUF_EMPTY, whole = BUF_EMPTY;
    size_t ends[BATCHES + 1];
    only_segment(&folder, &path);
    struct journal *journal = open_journal(&folder, &roomy, 1);
    for (size_t i = 1; i <= BATCHES; i++) {
        append_next(journal);
        ends[i] = file_size(path.ptr);
    }
    journal_close(journal);
    file_read(path.ptr, &whole);
    ends[0] = JOURNAL_SEGMENT_HEADER;
    for (size_t cut = 0; cut < whole.len; cut++) {
        size_t held = 0;
        while (held < BATCHES && ends[held + 1] <= cut)
            held++;
        file_write(path.ptr, (struct str){whole.ptr, cut});
        struct reading torn = read_all(&folder, 0);
        assert_int_equal(torn.count, held);
        assert_int_equal(torn.skipped, cut > ends[held] ? 1 : 0);
        journal = open_journal(&folder, &roomy, 1);
        assert_int_equal(journal_last(journal), held);
        append_many(journal, 2);
        journal_close(journal);
        struct reading after = read_all(&folder, 0);
        assert_int_equal(after.count, held + 2);
        assert_int_equal(after.skipped, 0);
    }
    buf_free(&path);
    buf_free(&whole);
    folder_remove(&folder);
}

static uint64_t random_next(uint64_t *seed)
{
    *seed = *seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return *seed >> 33;
}

/* A journal that lives through random appends and kills. A kill leaves any prefix of what was written since
 * the last sync; what was synced is there for ever. */
static void random_appends_and_kills_lose_nothing_that_was_acknowledged(void **state)
{
    (void)state;
    for (uint64_t round = 1; round <= 150; round++) {
        uint64_t seed = round * 7919, acknowledged = 0;
        struct folder folder = folder_make_fast();
        const struct journal_options options = {300 + random_next(&seed) % 4000, 1 << 30, INT64_MAX};
        struct buf path = BUF_EMPTY, bytes = BUF_EMPTY;
        for (int life = 0; life < 6; life++) {
            struct journal *journal = open_journal(&folder, &options, 1);
            assert_int_equal(journal_last(journal), acknowledged);
            append_many(journal, random_next(&seed) % 8);
            acknowledged = journal_last(journal);
            size_t before = folder_count(&folder, ".seg");
            append_next(journal); /* this one is not acknowledged: the process dies in it */
            bool own_segment = folder_count(&folder, ".seg") > before;
            journal_close(journal);

            struct journal_segments segments = {0};
            assert_int_equal(journal_segments_list(folder.path, &segments, NULL), 0);
            const struct journal_segment *last = &segments.items.items[segments.items.count - 1];
            journal_segment_path(folder.path, last->first, &path);
            vec_free(&segments.items);
            file_read(path.ptr, &bytes);
            struct buf body = BUF_EMPTY, encoded = BUF_EMPTY;
            struct journal_frame frame = frame_of(acknowledged + 1, &body);
            assert_int_equal(journal_encode(&frame, acknowledged + 1, 1, &encoded, NULL), 0);
            size_t loose = own_segment ? bytes.len : encoded.len;
            size_t lost = 1 + random_next(&seed) % loose;
            file_write(path.ptr, (struct str){bytes.ptr, bytes.len - lost});
            if (own_segment && random_next(&seed) % 2)
                unlink(path.ptr);
            buf_free(&body);
            buf_free(&encoded);
        }
        struct journal *journal = open_journal(&folder, &options, 1);
        journal_close(journal);
        struct reading reading = read_all(&folder, 0);
        assert_int_equal(reading.count, acknowledged);
        assert_int_equal(reading.skipped, 0);
        buf_free(&path);
        buf_free(&bytes);
        folder_remove(&folder);
    }
}

/* ---- damage in the middle ---- */

static void any_flipped_byte_costs_one_batch_and_no_other(void **state)
{
    (void)state;
    struct folder folder = folder_make_fast();
    struct buf path = BUF_EMPTY, whole = BUF_EMPTY;
    struct journal *journal = open_journal(&folder, &roomy, 1);
    append_many(journal, 6);
    journal_close(journal);
    file_read(only_segment(&folder, &path), &whole);
    for (size_t at = JOURNAL_SEGMENT_HEADER; at < whole.len; at++) {
        whole.ptr[at] ^= 0x20;
        file_write(path.ptr, buf_str(&whole));
        struct reading reading = read_all(&folder, 0);
        assert_int_equal(reading.count, 5);
        assert_int_equal(reading.skipped, 1);
        whole.ptr[at] ^= 0x20;
    }
    buf_free(&path);
    buf_free(&whole);
    folder_remove(&folder);
}

static void a_damaged_segment_header_costs_nothing(void **state)
{
    (void)state;
    struct folder folder = folder_make_fast();
    struct buf path = BUF_EMPTY, whole = BUF_EMPTY;
    struct journal *journal = open_journal(&folder, &roomy, 1);
    append_many(journal, 4);
    journal_close(journal);
    file_read(only_segment(&folder, &path), &whole);
    for (size_t at = 0; at < JOURNAL_SEGMENT_HEADER; at++) {
        whole.ptr[at] ^= 1;
        file_write(path.ptr, buf_str(&whole));
        assert_int_equal(read_all(&folder, 0).count, 4);
        whole.ptr[at] ^= 1;
    }
    whole.ptr[3] ^= 1;
    file_write(path.ptr, buf_str(&whole));
    journal = open_journal(&folder, &roomy, 1);
    append_many(journal, 2);
    journal_close(journal);
    struct reading reading = read_all(&folder, 0);
    assert_int_equal(reading.count, 6);
    assert_int_equal(reading.skipped, 0);
    buf_free(&path);
    buf_free(&whole);
    folder_remove(&folder);
}

static void damage_in_the_middle_is_skipped_and_never_renumbered(void **state)
{
    (void)state;
    struct folder folder = folder_make_fast();
    struct buf path = BUF_EMPTY, whole = BUF_EMPTY;
    struct journal *journal = open_journal(&folder, &roomy, 1);
    append_next(journal);
    size_t end = file_size(only_segment(&folder, &path));
    append_many(journal, 4);
    journal_close(journal);
    file_read(path.ptr, &whole);
    memset(whole.ptr + end + 20, 0xee, 30); /* batch 2 */
    file_write(path.ptr, buf_str(&whole));
    journal = open_journal(&folder, &roomy, 1);
    assert_int_equal(journal_last(journal), 5);
    append_many(journal, 1);
    journal_close(journal);
    struct reading reading = read_all(&folder, 0);
    assert_int_equal(reading.count, 5);
    assert_int_equal(reading.last, 6);
    assert_int_equal(reading.skipped, 1);
    buf_free(&path);
    buf_free(&whole);
    folder_remove(&folder);
}

/* A sender writes a perfect frame into its body. When the frame around it is damaged, a search for the next
 * one passes over it: the body cannot hold the marker of the segment. */
static void a_frame_inside_a_body_is_not_taken_for_one(void **state)
{
    (void)state;
    struct folder folder = folder_make_fast();
    struct buf forged = BUF_EMPTY, path = BUF_EMPTY, whole = BUF_EMPTY, body = BUF_EMPTY;
    struct err err = {0};
    uint64_t marker = 0x1234567890abcdef;
    for (uint64_t batch = 2; batch < 6; batch++) {
        struct journal_frame inner = frame_of(batch * 7, &body); /* empty bodies: stored plain */
        assert_int_equal(journal_encode(&inner, batch, marker, &forged, &err), 0);
    }
    struct journal *journal = open_journal(&folder, &roomy, 1);
    struct journal_frame outer = {.bytes = buf_str(&forged)}, *frames[] = {&outer};
    assert_int_equal(journal_append(journal, frames, 1, &err), 0);
    append_many(journal, 2);
    journal_close(journal);
    file_read(only_segment(&folder, &path), &whole);
    whole.ptr[JOURNAL_SEGMENT_HEADER + 30] ^= 1;
    file_write(path.ptr, buf_str(&whole));
    struct reading reading = read_all(&folder, 0);
    assert_int_equal(reading.first, 2);
    assert_int_equal(reading.count, 2);
    assert_int_equal(reading.skipped, 1);
    buf_free(&forged);
    buf_free(&path);
    buf_free(&whole);
    buf_free(&body);
    folder_remove(&folder);
}

/* ---- whole files ---- */

static const struct journal_options small = {1000, 1 << 30, INT64_MAX};

static void a_missing_segment_is_counted_and_the_rest_is_read(void **state)
{
    (void)state;
    struct folder folder = folder_make_fast();
    struct journal_segments segments = {0};
    struct buf path = BUF_EMPTY;
    struct journal *journal = open_journal(&folder, &small, 1);
    append_many(journal, 60);
    journal_close(journal);
    assert_int_equal(journal_segments_list(folder.path, &segments, NULL), 0);
    assert_true(segments.items.count > 3);
    uint64_t lost = segments.items.items[2].first - segments.items.items[1].first;
    assert_int_equal(unlink(journal_segment_path(folder.path, segments.items.items[1].first, &path)), 0);
    journal = open_journal(&folder, &small, 1);
    assert_int_equal(journal_last(journal), 60);
    journal_close(journal);
    struct reading reading = read_all(&folder, 0);
    assert_int_equal(reading.count, 60 - lost);
    assert_int_equal(reading.skipped, lost);
    assert_int_equal(reading.last, 60);
    vec_free(&segments.items);
    buf_free(&path);
    folder_remove(&folder);
}

static void garbage_in_place_of_a_segment_is_set_aside_and_its_number_goes_on(void **state)
{
    (void)state;
    struct folder folder = folder_make_fast();
    struct buf path = BUF_EMPTY, garbage = BUF_EMPTY;
    struct journal *journal = open_journal(&folder, &roomy, 1);
    append_many(journal, 3);
    journal_close(journal);
    for (int i = 0; i < 1000; i++)
        buf_puts(&garbage, "not a journal LJF1 ");
    file_write(folder_file(&folder, "00000000000000000007.seg", &path), buf_str(&garbage));
    struct reading reading = read_all(&folder, 0);
    assert_int_equal(reading.count, 3);
    assert_int_equal(reading.skipped, 1);
    journal = open_journal(&folder, &roomy, 1);
    assert_int_equal(journal_last(journal), 6);
    assert_int_equal(folder_count(&folder, ".bad"), 1);
    append_many(journal, 1);
    journal_close(journal);
    reading = read_all(&folder, 0);
    assert_int_equal(reading.count, 4);
    assert_int_equal(reading.last, 7);
    assert_int_equal(reading.skipped, 3);
    buf_free(&path);
    buf_free(&garbage);
    folder_remove(&folder);
}

static void an_empty_segment_is_no_batch(void **state)
{
    (void)state;
    struct folder folder = folder_make_fast();
    struct buf path = BUF_EMPTY;
    struct journal *journal = open_journal(&folder, &roomy, 1);
    append_many(journal, 3);
    journal_close(journal);
    file_write(folder_file(&folder, "00000000000000000004.seg", &path), STR(""));
    struct reading reading = read_all(&folder, 0);
    assert_int_equal(reading.count, 3);
    assert_int_equal(reading.skipped, 0);
    journal = open_journal(&folder, &roomy, 1);
    assert_int_equal(journal_last(journal), 3);
    append_many(journal, 1);
    journal_close(journal);
    reading = read_all(&folder, 0);
    assert_int_equal(reading.count, 4);
    assert_int_equal(reading.skipped, 0);
    buf_free(&path);
    folder_remove(&folder);
}

static void files_of_others_are_left_alone(void **state)
{
    (void)state;
    struct folder folder = folder_make_fast();
    struct buf path = BUF_EMPTY, back = BUF_EMPTY;
    file_write(folder_file(&folder, "README.txt", &path), STR("mine"));
    file_write(folder_file(&folder, "1.seg", &path), STR("mine"));
    file_write(folder_file(&folder, "00000000000000000000.seg", &path), STR("mine"));
    struct journal *journal = open_journal(&folder, &roomy, 1);
    append_many(journal, 2);
    bool is_short;
    journal_retain(journal, UINT64_MAX, INT64_MAX, INT64_MAX / 2, &is_short);
    journal_close(journal);
    file_read(path.ptr, &back);
    assert_true(str_is(buf_str(&back), "mine"));
    assert_int_equal(folder_count(&folder, ".seg"), 2);
    assert_int_equal(folder_count(&folder, ".txt"), 1);
    buf_free(&path);
    buf_free(&back);
    folder_remove(&folder);
}

/* ---- a disk that takes no more ---- */

/* Appends until it fails; returns how many were taken. `failure` gets the error. */
static uint64_t append_until_full(struct journal *journal, struct err *failure)
{
    struct buf body = BUF_EMPTY;
    for (int i = 0; i < 20000; i++) {
        struct journal_frame frame = frame_of(journal_last(journal) + 1, &body), *frames[] = {&frame};
        uint64_t before = journal_bytes(journal);
        if (journal_append(journal, frames, 1, failure)) {
            assert_int_equal(frame.batch, 0);
            assert_int_equal(journal_bytes(journal), before);
            buf_free(&body);
            return journal_last(journal);
        }
    }
    fail_msg("the disk never filled up");
    return 0;
}

static void a_short_write_leaves_no_trace_of_the_batch(void **state)
{
    (void)state;
    struct folder folder = folder_make_fast();
    struct buf path = BUF_EMPTY;
    struct err err = {0};
    struct rlimit before, limit;
    void (*handler)(int) = signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    for (rlim_t size = 4000; size < 4200; size += 7) {
        struct journal *journal = open_journal(&folder, &roomy, 1);
        limit = (struct rlimit){size, before.rlim_max};
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
        uint64_t taken = append_until_full(journal, &err);
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
        assert_int_equal(err.code, ERR_IO);
        assert_int_equal(file_size(only_segment(&folder, &path)), journal_bytes(journal));
        assert_int_equal(read_all(&folder, 0).count, taken);
        assert_int_equal(read_all(&folder, 0).skipped, 0);
        append_many(journal, 3); /* there is room again: the same numbers are used */
        assert_int_equal(journal_last(journal), taken + 3);
        assert_int_equal(read_all(&folder, 0).count, taken + 3);
        journal_close(journal);
        unlink(path.ptr);
    }
    signal(SIGXFSZ, handler);
    buf_free(&path);
    folder_remove(&folder);
}

static void many_frames_are_taken_together_or_not_at_all(void **state)
{
    (void)state;
    struct folder folder = folder_make_fast();
    struct buf bodies[8] = {0};
    struct journal_frame frames[8], *list[8];
    struct err err = {0};
    struct rlimit before, limit;
    void (*handler)(int) = signal(SIGXFSZ, SIG_IGN);
    struct journal *journal = open_journal(&folder, &roomy, 1);
    append_many(journal, 5);
    for (uint64_t i = 0; i < 8; i++) {
        frames[i] = frame_of(6 + i, &bodies[i]);
        list[i] = &frames[i];
    }
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    limit = (struct rlimit){journal_bytes(journal) + 600, before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
    assert_int_equal(journal_append(journal, list, 8, &err), -1);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    for (size_t i = 0; i < 8; i++)
        assert_int_equal(frames[i].batch, 0);
    assert_int_equal(read_all(&folder, 0).count, 5);
    assert_int_equal(journal_append(journal, list, 8, &err), 0);
    for (uint64_t i = 0; i < 8; i++) {
        assert_int_equal(frames[i].batch, 6 + i);
        buf_free(&bodies[i]);
    }
    assert_int_equal(read_all(&folder, 0).count, 13);
    journal_close(journal);
    signal(SIGXFSZ, handler);
    folder_remove(&folder);
}

static void a_segment_that_cannot_be_begun_is_not_left_behind(void **state)
{
    (void)state;
    struct folder folder = folder_make_fast();
    struct err err = {0};
    struct rlimit before, limit;
    void (*handler)(int) = signal(SIGXFSZ, SIG_IGN);
    struct journal *journal = open_journal(&folder, &roomy, 1);
    struct buf body = BUF_EMPTY;
    struct journal_frame frame = frame_of(1, &body), *frames[] = {&frame};
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    limit = (struct rlimit){10, before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
    assert_int_equal(journal_append(journal, frames, 1, &err), -1);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    assert_int_equal(folder_count(&folder, ".seg"), 0);
    append_many(journal, 1);
    assert_int_equal(read_all(&folder, 0).count, 1);
    journal_close(journal);
    signal(SIGXFSZ, handler);
    buf_free(&body);
    folder_remove(&folder);
}

static void on_a_full_disk_what_was_acknowledged_stays(void **state)
{
    (void)state;
    struct folder folder = folder_make_fast();
    /* In a mount namespace of our own: nothing stays behind, whatever happens. */
    if (unshare(CLONE_NEWNS) || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
        mount("tmpfs", folder.path, "tmpfs", 0, "size=256k")) {
        rmdir(folder.path);
        print_message("skipped: a small tmpfs cannot be mounted here\n");
        skip();
    }
    struct err err = {0};
    const struct journal_options options = {16 << 10, 1 << 30, 1000 * NS_PER_S};
    struct journal *journal = open_journal(&folder, &options, 1);
    uint64_t taken = append_until_full(journal, &err);
    assert_int_equal(err.code, ERR_IO);
    assert_true(taken > 100);
    assert_int_equal(read_all(&folder, 0).count, taken);
    bool is_short = true;
    journal_retain(journal, taken / 2, INT64_MAX, INT64_MAX / 2, &is_short); /* age makes room */
    append_many(journal, 5);
    assert_int_equal(journal_last(journal), taken + 5);
    struct reading reading = read_all(&folder, taken / 2);
    assert_int_equal(reading.last, taken + 5);
    assert_int_equal(reading.skipped, 0);
    journal_close(journal);
    assert_int_equal(umount(folder.path), 0);
    rmdir(folder.path);
}

int main(void)
{
    log_level_set(LOG_OFF);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cut_at_any_byte_the_whole_frames_before_it_are_there),
        cmocka_unit_test(random_appends_and_kills_lose_nothing_that_was_acknowledged),
        cmocka_unit_test(any_flipped_byte_costs_one_batch_and_no_other),
        cmocka_unit_test(a_damaged_segment_header_costs_nothing),
        cmocka_unit_test(damage_in_the_middle_is_skipped_and_never_renumbered),
        cmocka_unit_test(a_frame_inside_a_body_is_not_taken_for_one),
        cmocka_unit_test(a_missing_segment_is_counted_and_the_rest_is_read),
        cmocka_unit_test(garbage_in_place_of_a_segment_is_set_aside_and_its_number_goes_on),
        cmocka_unit_test(an_empty_segment_is_no_batch),
        cmocka_unit_test(files_of_others_are_left_alone),
        cmocka_unit_test(a_short_write_leaves_no_trace_of_the_batch),
        cmocka_unit_test(many_frames_are_taken_together_or_not_at_all),
        cmocka_unit_test(a_segment_that_cannot_be_begun_is_not_left_behind),
        cmocka_unit_test(on_a_full_disk_what_was_acknowledged_stays),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
