#include "core/data/journal_fixture.h"

#include "base/log.h"

/* ---- what goes in comes out ---- */

static void an_empty_journal_holds_nothing(void **state)
{
    (void)state;
    struct folder folder = folder_make();
    struct journal *journal = open_journal(&folder, &roomy, 1);
    assert_int_equal(journal_last(journal), 0);
    assert_int_equal(journal_first(journal), 0);
    assert_int_equal(journal_bytes(journal), 0);
    assert_int_equal(read_all(&folder, 0).count, 0);
    journal_close(journal);
    folder_remove(&folder);
}

static void batches_are_numbered_from_one_and_read_back_as_they_came(void **state)
{
    (void)state;
    struct folder folder = folder_make();
    struct journal *journal = open_journal(&folder, &roomy, 1);
    append_many(journal, 50);
    assert_int_equal(journal_last(journal), 50);
    assert_int_equal(journal_first(journal), 1);
    struct reading reading = read_all(&folder, 0);
    assert_int_equal(reading.count, 50);
    assert_int_equal(reading.skipped, 0);
    journal_close(journal);
    folder_remove(&folder);
}

static void a_reader_begins_at_the_batch_it_asks_for(void **state)
{
    (void)state;
    struct folder folder = folder_make();
    const struct journal_options small = {1024, 1 << 30, INT64_MAX};
    struct journal *journal = open_journal(&folder, &small, 1);
    append_many(journal, 40);
    for (uint64_t from = 1; from <= 40; from++) {
        struct reading reading = read_all(&folder, from);
        assert_int_equal(reading.first, from);
        assert_int_equal(reading.count, 41 - from);
        assert_int_equal(reading.skipped, 0);
    }
    assert_int_equal(read_all(&folder, 41).count, 0);
    assert_int_equal(read_all(&folder, 41).skipped, 0);
    journal_close(journal);
    folder_remove(&folder);
}

static void frames_of_one_call_get_successive_numbers(void **state)
{
    (void)state;
    struct folder folder = folder_make();
    struct journal *journal = open_journal(&folder, &roomy, 1);
    struct buf bodies[5] = {0};
    struct journal_frame frames[5], *list[5];
    struct err err = {0};
    for (uint64_t i = 0; i < 5; i++) {
        frames[i] = frame_of(i + 1, &bodies[i]);
        list[i] = &frames[i];
    }
    assert_int_equal(journal_append(journal, list, 5, &err), 0);
    for (uint64_t i = 0; i < 5; i++) {
        assert_int_equal(frames[i].batch, i + 1);
        buf_free(&bodies[i]);
    }
    assert_int_equal(journal_append(journal, list, 0, &err), 0);
    assert_int_equal(journal_last(journal), 5);
    assert_int_equal(read_all(&folder, 0).count, 5);
    journal_close(journal);
    folder_remove(&folder);
}

static void a_large_incompressible_body_survives(void **state)
{
    (void)state;
    struct folder folder = folder_make();
    struct journal *journal = open_journal(&folder, &roomy, 1);
    struct err err = {0};
    size_t size = 3 << 20;
    char *bytes = mem_alloc(size);
    uint64_t seed = 42;
    for (size_t i = 0; i < size; i++) {
        seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407;
        bytes[i] = (char)(seed >> 56);
    }
    struct journal_frame frame = {.bytes = {bytes, size}}, *frames[] = {&frame}, back;
    assert_int_equal(journal_append(journal, frames, 1, &err), 0);
    struct journal_reader *reader = journal_reader_open(folder.path, 0, &err);
    assert_int_equal(journal_reader_next(reader, &back, &err), 1);
    assert_true(str_equal(back.bytes, frame.bytes));
    assert_int_equal(journal_reader_next(reader, &back, &err), 0);
    journal_reader_close(reader);
    journal_close(journal);
    free(bytes);
    folder_remove(&folder);
}

static void a_body_at_the_limit_is_taken_and_one_byte_more_is_not(void **state)
{
    (void)state;
    struct folder folder = folder_make();
    struct journal *journal = open_journal(&folder, &roomy, 1);
    struct err err = {0};
    size_t limit = (size_t)96 << 20;
    char *bytes = mem_zalloc(limit + 1, 1);
    struct journal_frame frame = {.bytes = {bytes, limit + 1}}, *frames[] = {&frame}, back;
    assert_int_equal(journal_append(journal, frames, 1, &err), -1);
    assert_int_equal(err.code, ERR_LIMIT);
    assert_int_equal(journal_last(journal), 0);
    frame.bytes.len = limit;
    assert_int_equal(journal_append(journal, frames, 1, &err), 0);
    struct journal_reader *reader = journal_reader_open(folder.path, 0, &err);
    assert_int_equal(journal_reader_next(reader, &back, &err), 1);
    assert_int_equal(back.bytes.len, limit);
    journal_reader_close(reader);
    journal_close(journal);
    free(bytes);
    folder_remove(&folder);
}

static void names_have_a_limit_too(void **state)
{
    (void)state;
    struct folder folder = folder_make();
    struct journal *journal = open_journal(&folder, &roomy, 1);
    struct err err = {0};
    char *name = mem_zalloc(4097, 1);
    memset(name, 'x', 4097);
    struct journal_frame frame = {.customer = {name, 4097}}, *frames[] = {&frame};
    assert_int_equal(journal_append(journal, frames, 1, &err), -1);
    assert_int_equal(err.code, ERR_LIMIT);
    frame.customer.len = 4096;
    assert_int_equal(journal_append(journal, frames, 1, &err), 0);
    journal_close(journal);
    free(name);
    folder_remove(&folder);
}

/* ---- segments and numbering ---- */

static void a_segment_beyond_its_size_is_followed_by_another(void **state)
{
    (void)state;
    struct folder folder = folder_make();
    const struct journal_options small = {2000, 1 << 30, INT64_MAX};
    struct journal *journal = open_journal(&folder, &small, 1);
    append_many(journal, 100);
    assert_true(folder_count(&folder, ".seg") > 3);
    assert_int_equal(read_all(&folder, 0).count, 100);
    uint64_t bytes = journal_bytes(journal);
    journal_close(journal);
    journal = open_journal(&folder, &small, 1);
    assert_int_equal(journal_bytes(journal), bytes);
    assert_int_equal(journal_first(journal), 1);
    append_many(journal, 1);
    assert_int_equal(read_all(&folder, 0).last, 101);
    journal_close(journal);
    folder_remove(&folder);
}

static void reopening_goes_on_with_the_next_number(void **state)
{
    (void)state;
    struct folder folder = folder_make();
    for (uint64_t i = 1; i <= 20; i++) {
        struct journal *journal = open_journal(&folder, &roomy, 1);
        assert_int_equal(journal_last(journal), i - 1);
        append_many(journal, 1);
        journal_close(journal);
    }
    assert_int_equal(folder_count(&folder, ".seg"), 1);
    struct reading reading = read_all(&folder, 0);
    assert_int_equal(reading.count, 20);
    assert_int_equal(reading.skipped, 0);
    folder_remove(&folder);
}

static void a_number_the_store_has_seen_is_not_used_again(void **state)
{
    (void)state;
    struct folder folder = folder_make();
    struct journal *journal = open_journal(&folder, &roomy, 101);
    assert_int_equal(journal_last(journal), 100);
    assert_int_equal(journal_first(journal), 0);
    append_many(journal, 3);
    assert_int_equal(journal_first(journal), 101);
    journal_close(journal);
    journal = open_journal(&folder, &roomy, 200);
    append_many(journal, 2);
    journal_close(journal);
    struct reading reading = read_all(&folder, 0);
    assert_int_equal(reading.first, 101);
    assert_int_equal(reading.count, 5);
    assert_int_equal(reading.last, 201);
    assert_int_equal(reading.skipped, 96);
    folder_remove(&folder);
}

static void a_folder_is_open_once(void **state)
{
    (void)state;
    struct folder folder = folder_make();
    struct err err = {0};
    struct journal *journal = open_journal(&folder, &roomy, 1);
    assert_null(journal_open(folder.path, &roomy, 1, &err));
    assert_int_equal(err.code, ERR_BUSY);
    journal_close(journal);
    journal_close(open_journal(&folder, &roomy, 1));
    folder_remove(&folder);
}

static void a_folder_that_cannot_be_made_is_an_error(void **state)
{
    (void)state;
    struct err err = {0};
    assert_null(journal_open("/proc/no/journal", &roomy, 1, &err));
    assert_int_equal(err.code, ERR_IO);
    assert_null(journal_reader_open("/proc/no/journal", 1, &err));
}

/* ---- retention ---- */

/* Segments of about 1 KB; batch n was accepted at n seconds. */
static const struct journal_options tight = {1000, 4000, 1000 * NS_PER_S};

static void by_size_the_oldest_segments_go(void **state)
{
    (void)state;
    struct folder folder = folder_make();
    struct journal *journal = open_journal(&folder, &tight, 1);
    append_many(journal, 100);
    assert_true(journal_bytes(journal) > 4000);
    bool is_short = true;
    journal_retain(journal, UINT64_MAX, INT64_MAX, 100 * NS_PER_S, &is_short);
    assert_false(is_short);
    assert_true(journal_bytes(journal) <= 4000);
    assert_true(journal_bytes(journal) > 2000);
    uint64_t first = journal_first(journal);
    assert_true(first > 1);
    struct reading reading = read_all(&folder, 0);
    assert_int_equal(reading.first, first);
    assert_int_equal(reading.last, 100);
    assert_int_equal(reading.skipped, 0);
    journal_close(journal);
    folder_remove(&folder);
}

static void what_is_not_judged_stays_and_says_that_it_is_short(void **state)
{
    (void)state;
    struct folder folder = folder_make();
    struct journal *journal = open_journal(&folder, &tight, 1);
    append_many(journal, 100);
    bool is_short = false;
    journal_retain(journal, 40, INT64_MAX, 100 * NS_PER_S, &is_short);
    assert_true(is_short);
    assert_true(journal_first(journal) <= 40);
    assert_true(journal_first(journal) > 1);
    journal_retain(journal, 1, INT64_MAX, 100 * NS_PER_S, &is_short);
    assert_true(is_short);
    assert_int_equal(read_all(&folder, 40).skipped, 0);
    journal_close(journal);
    folder_remove(&folder);
}

static void what_a_window_may_still_need_stays(void **state)
{
    (void)state;
    struct folder folder = folder_make();
    struct journal *journal = open_journal(&folder, &tight, 1);
    append_many(journal, 100);
    bool is_short = false;
    journal_retain(journal, UINT64_MAX, 30 * NS_PER_S, 100 * NS_PER_S, &is_short);
    assert_true(is_short);
    struct reading reading = read_all(&folder, 31);
    assert_int_equal(reading.first, 31);
    assert_int_equal(reading.count, 70);
    assert_true(journal_first(journal) > 1);
    journal_close(journal);
    folder_remove(&folder);
}

static void by_age_segments_go_whole_and_only_when_their_newest_event_is_old(void **state)
{
    (void)state;
    struct folder folder = folder_make();
    const struct journal_options aged = {1000, 1 << 30, 50 * NS_PER_S};
    struct journal *journal = open_journal(&folder, &aged, 1);
    append_many(journal, 100);
    bool is_short = true;
    journal_retain(journal, UINT64_MAX, INT64_MAX, 51 * NS_PER_S, &is_short);
    assert_int_equal(journal_first(journal), 1);
    journal_retain(journal, UINT64_MAX, INT64_MAX, 100 * NS_PER_S, &is_short);
    assert_false(is_short);
    uint64_t first = journal_first(journal);
    assert_true(first > 1 && first <= 51); /* 50 is just not too old */
    /* The same rule holds for a journal that was closed: it knows the times of its segments. */
    journal_close(journal);
    journal = open_journal(&folder, &aged, 1);
    journal_retain(journal, UINT64_MAX, INT64_MAX, 100 * NS_PER_S, &is_short);
    assert_int_equal(journal_first(journal), first);
    journal_retain(journal, UINT64_MAX, INT64_MAX, 130 * NS_PER_S, &is_short);
    assert_true(journal_first(journal) > first && journal_first(journal) <= 81);
    journal_close(journal);
    folder_remove(&folder);
}

static void when_all_is_old_all_goes_and_numbers_go_on(void **state)
{
    (void)state;
    struct folder folder = folder_make();
    struct journal *journal = open_journal(&folder, &tight, 1);
    append_many(journal, 100);
    bool is_short;
    journal_retain(journal, UINT64_MAX, INT64_MAX, 5000 * NS_PER_S, &is_short);
    assert_false(is_short);
    assert_int_equal(journal_first(journal), 0);
    assert_int_equal(journal_bytes(journal), 0);
    assert_int_equal(folder_count(&folder, ".seg"), 0);
    append_many(journal, 1);
    assert_int_equal(journal_first(journal), 101);
    assert_int_equal(read_all(&folder, 0).first, 101);
    journal_close(journal);
    folder_remove(&folder);
}

int main(void)
{
    log_level_set(LOG_OFF);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_journal_holds_nothing),
        cmocka_unit_test(batches_are_numbered_from_one_and_read_back_as_they_came),
        cmocka_unit_test(a_reader_begins_at_the_batch_it_asks_for),
        cmocka_unit_test(frames_of_one_call_get_successive_numbers),
        cmocka_unit_test(a_large_incompressible_body_survives),
        cmocka_unit_test(a_body_at_the_limit_is_taken_and_one_byte_more_is_not),
        cmocka_unit_test(names_have_a_limit_too),
        cmocka_unit_test(a_segment_beyond_its_size_is_followed_by_another),
        cmocka_unit_test(reopening_goes_on_with_the_next_number),
        cmocka_unit_test(a_number_the_store_has_seen_is_not_used_again),
        cmocka_unit_test(a_folder_is_open_once),
        cmocka_unit_test(a_folder_that_cannot_be_made_is_an_error),
        cmocka_unit_test(by_size_the_oldest_segments_go),
        cmocka_unit_test(what_is_not_judged_stays_and_says_that_it_is_short),
        cmocka_unit_test(what_a_window_may_still_need_stays),
        cmocka_unit_test(by_age_segments_go_whole_and_only_when_their_newest_event_is_old),
        cmocka_unit_test(when_all_is_old_all_goes_and_numbers_go_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
