/* The book of open threats and what lies behind it: changes to store, families that leave and return. */
#include "core/pipeline/book_shelf.h"

static void new_and_moved_threats_are_urgent_and_folds_wait(void **state)
{
    (void)state;
    struct shelf shelf = new_shelf();
    open_book(&shelf, 10);
    struct book_change change;
    size_t at = 0;
    raise_at(&shelf, 1000, 1);
    raise_at(&shelf, 1001, 2);
    assert_true(book_next_change(shelf.book, &at, true, &change));
    assert_true(change.is_new && change.urgent && change.member_count == 2);
    assert_false(book_next_change(shelf.book, &at, false, &change));
    assert_int_equal(commit(&shelf, true), 1);

    raise_at(&shelf, 1002, 3);
    raise_at(&shelf, 1003, 4);
    at = 0;
    assert_false(book_next_change(shelf.book, &at, true, &change));
    assert_true(book_next_change(shelf.book, &at, false, &change));
    assert_true(!change.is_new && !change.urgent && change.member_count == 2);
    assert_true(change.since_ns > 0 && change.since_ns <= clock_monotonic());
    assert_int_equal(change.members[0].bytes[3], 3);

    raise_at(&shelf, 999, 5); /* what was a fold becomes urgent, once */
    at = 0;
    assert_true(book_next_change(shelf.book, &at, false, &change));
    assert_true(change.urgent && change.member_count == 3);
    assert_false(book_next_change(shelf.book, &at, false, &change));
    assert_int_equal(book_changes(shelf.book, false), 1);
    commit(&shelf, false);
    assert_int_equal(shelf.rows.items[0].members.count, 5);
    close_shelf(&shelf);
}

static void a_change_that_was_not_stored_stays(void **state)
{
    (void)state;
    struct shelf shelf = new_shelf();
    open_book(&shelf, 10);
    raise_at(&shelf, 1000, 1);
    for (uint32_t tries = 2; tries < 5; tries++) {
        struct book_change change;
        size_t at = 0;
        assert_true(book_next_change(shelf.book, &at, true, &change)); /* … and the commit failed */
        assert_true(change.is_new && change.member_count == tries - 1);
        raise_at(&shelf, 1000 + tries, tries);
    }
    close_shelf(&shelf);
}

static void clean_families_leave_and_come_back_with_all_they_hold(void **state)
{
    (void)state;
    struct shelf shelf = new_shelf();
    open_book(&shelf, 4);
    char keys[20][8];
    for (uint32_t round = 0; round < 5; round++) {
        for (uint32_t k = 0; k < 20; k++) {
            struct firing firing = make_firing(1000 + round, round);
            snprintf(keys[k], sizeof(keys[k]), "k%u", k);
            firing.dedup_key = str_from(keys[k]);
            struct raise_result result = raise_it(&shelf, &firing);
            assert_int_equal(result.outcome, round ? RAISE_FOLD : RAISE_NEW);
            assert_int_equal(result.threat->event_count, round + 1);
            assert_int_equal(raise_it(&shelf, &firing).outcome, RAISE_HELD);
            if (round % 2) /* otherwise all are dirty at once and none may leave */
                commit(&shelf, false);
        }
        commit(&shelf, false);
    }
    assert_true(shelf.family_reads > 60 && shelf.family_reads <= 100);
    close_shelf(&shelf);
}

static void a_family_keeps_its_newest_threats(void **state)
{
    (void)state;
    struct shelf shelf = new_shelf();
    open_book(&shelf, 10);
    for (uint32_t i = 0; i < 200; i++) {
        assert_int_equal(raise_at(&shelf, 10000 * i, i).outcome, RAISE_NEW);
        if (i % 3 == 0)
            commit(&shelf, false);
    }
    commit(&shelf, false);
    size_t reads = shelf.family_reads;
    assert_int_equal(raise_at(&shelf, 10000 * 199 + 1, 500).outcome, RAISE_FOLD);
    assert_int_equal(raise_at(&shelf, 10000 * 150, 150).outcome, RAISE_HELD);
    assert_int_equal(shelf.family_reads, reads);
    struct str first = str_from(shelf.rows.items[0].id);
    struct err err = {0};
    struct threat *t = book_find(shelf.book, first, &err); /* older than those in memory */
    assert_non_null(t);
    t->status = STATUS_RESOLVED;
    book_touch(shelf.book, t);
    assert_int_equal(commit(&shelf, true), 1);
    close_shelf(&shelf);
}

static void a_threat_is_found_in_memory_or_in_the_store(void **state)
{
    (void)state;
    struct shelf shelf = new_shelf();
    open_book(&shelf, 10);
    struct err err = {0};
    char id[UUID_TEXT];
    memcpy(id, raise_at(&shelf, 1000, 1).threat->id, sizeof(id));
    assert_non_null(book_find(shelf.book, str_from(id), &err)); /* not stored yet */
    commit(&shelf, false);
    open_book(&shelf, 10);
    struct threat *t = book_find(shelf.book, str_from(id), &err);
    assert_ptr_equal(raise_at(&shelf, 1001, 2).threat, t); /* one object, however it was found */
    assert_null(book_find(shelf.book, STR("0197-none"), &err));
    assert_int_equal(err.code, ERR_NOT_FOUND);
    commit(&shelf, false);
    book_forget(shelf.book);
    assert_ptr_not_equal(book_find(shelf.book, str_from(id), &err), NULL);
    close_shelf(&shelf);

    struct shelf nowhere = new_shelf();
    nowhere.book = book_new(NULL, 10, &now.clock);
    assert_null(book_find(nowhere.book, STR("0197-none"), &err));
    assert_int_equal(raise_at(&nowhere, 1000, 1).outcome, RAISE_NEW);
    close_shelf(&nowhere);
}

static void a_source_that_fails_changes_nothing(void **state)
{
    (void)state;
    struct shelf shelf = new_shelf();
    open_book(&shelf, 10);
    raise_at(&shelf, 1000, 1);
    commit(&shelf, false);
    open_book(&shelf, 10);
    shelf.broken = true;
    struct firing firing = make_firing(1001, 2);
    struct raise_result result;
    struct err err = {0};
    assert_int_equal(book_raise(shelf.book, &firing, &result, &err), -1);
    assert_int_equal(err.code, ERR_IO);
    assert_null(book_find(shelf.book, str_from(shelf.rows.items[0].id), &err));
    assert_int_equal(book_changes(shelf.book, false), 0);
    shelf.broken = false;
    assert_int_equal(raise_it(&shelf, &firing).outcome, RAISE_FOLD);
    close_shelf(&shelf);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(new_and_moved_threats_are_urgent_and_folds_wait),
        cmocka_unit_test(a_change_that_was_not_stored_stays),
        cmocka_unit_test(clean_families_leave_and_come_back_with_all_they_hold),
        cmocka_unit_test(a_family_keeps_its_newest_threats),
        cmocka_unit_test(a_threat_is_found_in_memory_or_in_the_store),
        cmocka_unit_test(a_source_that_fails_changes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
