/* The book of open threats: what a firing becomes. */
#include "core/pipeline/book_shelf.h"

#include "core/data/group_cases.h"

static void a_firing_begins_a_threat_and_the_next_ones_fold(void **state)
{
    (void)state;
    struct shelf shelf = new_shelf();
    open_book(&shelf, 10);
    const struct str entities[] = {STR("user.name:ana"), STR("source.ip:203.0.113.9")},
                     mitre[] = {STR("T1621")};
    struct firing firing = make_firing(100, 1);
    firing.accepted_ns = now.now_ns - 5 * NS_PER_MS;
    firing.entities = entities;
    firing.entity_count = 1;
    firing.mitre = mitre;
    firing.mitre_count = 1;
    firing.trace_id = "0123456789abcdef0123456789abcdef";
    struct raise_result result = raise_it(&shelf, &firing);
    const struct threat *t = result.threat;
    assert_int_equal(result.outcome, RAISE_NEW);
    assert_true(result.is_anchor && id_is_uuid(str_from(t->id)));
    assert_true(str_is(t->title, "MFA fatigue: ana") && str_is(t->runbook, "Call the user."));
    assert_true(t->severity == SEVERITY_MEDIUM && t->status == STATUS_NEW && t->rule_version == 3);
    assert_int_equal(t->created_ns, now.now_ns);
    assert_true(t->processing_ms > 4.99 && t->processing_ms < 5.01);
    assert_string_equal(t->trace_id, firing.trace_id);

    firing = make_firing(3699, 2);
    firing.entities = entities;
    firing.entity_count = 2;
    firing.severity = SEVERITY_HIGH;
    result = raise_it(&shelf, &firing);
    t = result.threat;
    assert_int_equal(result.outcome, RAISE_FOLD);
    assert_false(result.is_anchor);
    assert_true(t->event_count == 2 && t->entities.count == 2 && t->mitre.count == 1);
    assert_true(t->severity == SEVERITY_HIGH && t->floor == SEVERITY_HIGH);
    assert_true(t->first_seen_ns == 100 * NS_PER_S && t->last_seen_ns == 3699 * NS_PER_S);
    assert_int_equal(t->evidence.count, 2);
    assert_true(str_is(t->evidence.items[1].context, "{\"n\":2}") && t->evidence.items[1].number == 2);
    assert_int_equal(raise_at(&shelf, 3700, 3).outcome, RAISE_NEW); /* a window behind the anchor */
    close_shelf(&shelf);
}

static void an_event_that_a_threat_holds_changes_nothing(void **state)
{
    (void)state;
    struct shelf shelf = new_shelf();
    open_book(&shelf, 10);
    for (uint32_t i = 0; i < 100; i++)
        raise_at(&shelf, 100 + i, i);
    commit(&shelf, false);
    for (uint32_t i = 0; i < 100; i++) {
        struct raise_result result = raise_at(&shelf, 100 + i + (i % 2) * 90000, i);
        assert_int_equal(result.outcome, RAISE_HELD);
        assert_int_equal(result.is_anchor, i == 0);
        assert_int_equal(result.threat->event_count, 100);
    }
    assert_int_equal(book_changes(shelf.book, false), 0);
    close_shelf(&shelf);
}

static void an_earlier_firing_moves_the_anchor_back_and_never_forward(void **state)
{
    (void)state;
    struct shelf shelf = new_shelf();
    open_book(&shelf, 10);
    raise_at(&shelf, 5000, 9);
    struct firing firing = make_firing(5000, 3); /* same time, smaller id */
    firing.title = STR("the earlier one");
    struct raise_result result = raise_it(&shelf, &firing);
    assert_int_equal(result.outcome, RAISE_REANCHOR);
    assert_true(result.is_anchor && str_is(result.threat->title, "the earlier one"));
    assert_int_equal(raise_at(&shelf, 5000, 5).outcome, RAISE_FOLD);
    assert_int_equal(raise_at(&shelf, 4990, 6).outcome, RAISE_REANCHOR);
    result = raise_at(&shelf, 6000, 7);
    assert_int_equal(result.threat->anchor_ns, 4990 * NS_PER_S);
    assert_int_equal(result.threat->event_count, 5);
    assert_int_equal(result.threat->first_seen_ns, 4990 * NS_PER_S);
    assert_int_equal(raise_at(&shelf, 4990 - 3600, 8).outcome,
                     RAISE_NEW); /* too far away to be its beginning */
    close_shelf(&shelf);
}

static void the_nearest_later_threat_is_the_one_that_moves(void **state)
{
    (void)state;
    struct shelf shelf = new_shelf();
    open_book(&shelf, 10);
    raise_at(&shelf, 20000, 2);
    raise_at(&shelf, 10000, 1);
    struct raise_result result = raise_at(&shelf, 9990, 3);
    assert_int_equal(result.outcome, RAISE_REANCHOR);
    assert_int_equal(result.threat->last_seen_ns, 10000 * NS_PER_S);
    assert_int_equal(raise_at(&shelf, 19990, 4).threat->last_seen_ns, 20000 * NS_PER_S);
    close_shelf(&shelf);
}

static void a_group_counts_its_first_window(void **state)
{
    (void)state;
    struct shelf shelf = new_shelf();
    open_book(&shelf, 10);
    uint64_t counts[2];
    for (int backwards = 0; backwards < 2; backwards++) {
        struct firing firings[] = {make_firing(5000, 1), make_firing(5001, 2), make_firing(5002, 3)};
        for (int i = 0; i < 3; i++) {
            struct firing *firing = &firings[backwards ? 2 - i : i];
            firing->base_count = 5;
            firing->customer = backwards ? STR("b") : STR("a");
            counts[backwards] = raise_it(&shelf, firing).threat->event_count;
        }
    }
    assert_int_equal(counts[0], 7);
    assert_int_equal(counts[1], 7);
    close_shelf(&shelf);
}

static void a_firing_whose_threat_is_resolved_raises_a_new_one_that_continues_it(void **state)
{
    (void)state;
    struct shelf shelf = new_shelf();
    open_book(&shelf, 10);
    struct threat *t = raise_at(&shelf, 1000, 1).threat;
    char first[UUID_TEXT];
    memcpy(first, t->id, sizeof(first));
    raise_at(&shelf, 1001, 2);
    t->status = STATUS_RESOLVED;
    book_touch(shelf.book, t);
    commit(&shelf, false);
    open_book(&shelf, 10);
    assert_int_equal(raise_at(&shelf, 1001, 2).outcome, RAISE_HELD);
    struct raise_result result = raise_at(&shelf, 1500, 3);
    assert_int_equal(result.outcome, RAISE_NEW);
    assert_string_equal(result.threat->continues, first);
    assert_int_equal(raise_at(&shelf, 1000, 1).outcome, RAISE_HELD);
    assert_int_equal(raise_at(&shelf, 1600, 4).outcome, RAISE_FOLD);
    assert_int_equal(raise_at(&shelf, 1400, 5).outcome, RAISE_REANCHOR); /* it continues the same one */
    result = raise_at(&shelf, 6000, 6);
    assert_int_equal(result.outcome, RAISE_NEW);
    assert_string_equal(result.threat->continues, "");
    close_shelf(&shelf);
}

static void a_late_firing_of_a_resolved_threat_moves_no_neighbour(void **state)
{
    (void)state;
    struct shelf shelf = new_shelf();
    open_book(&shelf, 10);
    struct threat *t = raise_at(&shelf, 1000, 1).threat;
    t->status = STATUS_RESOLVED;
    char first[UUID_TEXT];
    memcpy(first, t->id, sizeof(first));
    raise_at(&shelf, 5000, 2);
    struct raise_result result = raise_at(&shelf, 4000, 3);
    assert_int_equal(result.outcome, RAISE_NEW);
    assert_string_equal(result.threat->continues, first);
    close_shelf(&shelf);
}

static void a_threat_continues_the_last_of_a_chain(void **state)
{
    (void)state;
    struct shelf shelf = new_shelf();
    open_book(&shelf, 10);
    char before[UUID_TEXT] = "";
    for (uint32_t i = 0; i < 4; i++) {
        struct threat *t = raise_at(&shelf, 1000 + i, i).threat;
        assert_string_equal(t->continues, before);
        t->status = STATUS_RESOLVED;
        memcpy(before, t->id, sizeof(before));
    }
    close_shelf(&shelf);
}

static void a_reopened_threat_takes_firings_again(void **state)
{
    (void)state;
    struct shelf shelf = new_shelf();
    open_book(&shelf, 10);
    char id[UUID_TEXT];
    struct threat *t = raise_at(&shelf, 1000, 1).threat;
    memcpy(id, t->id, sizeof(id));
    t->status = STATUS_RESOLVED;
    assert_int_equal(raise_at(&shelf, 1500, 2).outcome, RAISE_NEW);
    book_find(shelf.book, str_from(id), NULL)->status = STATUS_IN_PROGRESS;
    struct raise_result result = raise_at(&shelf, 1501, 3);
    assert_int_equal(result.outcome, RAISE_FOLD);
    assert_string_equal(result.threat->id, id);
    result = raise_at(&shelf, 900, 4); /* both would have begun with it: the nearest moves */
    assert_int_equal(result.outcome, RAISE_REANCHOR);
    assert_string_equal(result.threat->id, id);
    close_shelf(&shelf);
}

static void a_suppressed_threat_becomes_visible_with_the_first_firing_that_is_not(void **state)
{
    (void)state;
    struct shelf shelf = new_shelf();
    open_book(&shelf, 10);
    static const struct {
        bool suppressed, stays, again;
    } steps[] = {{true, true, false}, {true, true, false}, {false, false, true}, {true, false, false}};
    for (uint32_t i = 0; i < 4; i++) {
        struct firing firing = make_firing(1000 + i, i);
        firing.suppressed = steps[i].suppressed;
        struct raise_result result = raise_it(&shelf, &firing);
        assert_int_equal(result.threat->suppressed, steps[i].stays);
        assert_int_equal(result.visible_again, steps[i].again);
        assert_int_equal(book_changes(shelf.book, true), i == 0 || i == 2);
        commit(&shelf, false);
    }
    close_shelf(&shelf);
}

static void families_do_not_mix(void **state)
{
    (void)state;
    struct shelf shelf = new_shelf();
    open_book(&shelf, 10);
    for (uint32_t i = 0; i < 6; i++) {
        struct firing firing = make_firing(1000 + i, i);
        firing.rule_id = i == 1 ? STR("identity.mfa") : firing.rule_id;
        firing.customer = i == 2 ? STR("acme2") : firing.customer;
        firing.dedup_key = i == 3 ? STR("") : firing.dedup_key;
        firing.shadow = i == 4;
        firing.demo = i == 5;
        assert_int_equal(raise_it(&shelf, &firing).outcome, RAISE_NEW);
    }
    commit(&shelf, false);
    open_book(&shelf, 10);
    struct firing firing = make_firing(1010, 10);
    firing.shadow = true;
    assert_true(raise_it(&shelf, &firing).threat->shadow);
    firing = make_firing(1011, 11);
    assert_false(raise_it(&shelf, &firing).threat->shadow);
    assert_int_equal(commit(&shelf, false), 2);
    close_shelf(&shelf);
}

static void review_is_asked_for_once_and_kept(void **state)
{
    (void)state;
    struct shelf shelf = new_shelf();
    open_book(&shelf, 10);
    raise_at(&shelf, 1000, 1);
    struct firing firing = make_firing(1001, 2);
    firing.review_reason = STR("detect failed");
    assert_true(raise_it(&shelf, &firing).threat->review);
    firing = make_firing(1002, 3);
    firing.review_reason = STR("another");
    assert_true(str_is(raise_it(&shelf, &firing).threat->review_reason, "detect failed"));
    close_shelf(&shelf);
}

static void members_beyond_the_limit_are_counted(void **state)
{
    (void)state;
    struct shelf shelf = new_shelf();
    open_book(&shelf, 10);
    for (uint32_t i = 0; i < THREAT_MEMBERS_MAX; i++)
        assert_false(raise_at(&shelf, 1000 + i / 10, i).threat->members_truncated);
    commit(&shelf, false);
    for (uint32_t i = 0; i < 500; i++)
        raise_at(&shelf, 2100, THREAT_MEMBERS_MAX + i);
    commit(&shelf, false);
    assert_int_equal(shelf.rows.items[0].members.count, THREAT_MEMBERS_MAX);
    for (int restarted = 0; restarted < 2; restarted++) {
        struct raise_result result = raise_at(&shelf, 1000, 5);
        assert_int_equal(result.outcome, RAISE_HELD);
        assert_true(result.threat->members_truncated);
        assert_int_equal(result.threat->event_count, THREAT_MEMBERS_MAX + 500);
        /* what is shown is recognised even so */
        assert_int_equal(raise_at(&shelf, 2100, THREAT_MEMBERS_MAX + 499).outcome, RAISE_HELD);
        open_book(&shelf, 10);
    }
    close_shelf(&shelf);
}

static void evidence_is_that_of_the_first_ten_and_the_last_ten(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 60; seed++) {
        struct shelf shelf = new_shelf();
        open_book(&shelf, 10);
        uint64_t random = seed;
        unsigned order[70];
        unsigned n = 1 + (unsigned)case_below(&random, 70);
        case_shuffle(&random, order, n);
        struct threat *t = NULL;
        for (unsigned i = 0; i < n; i++) {
            t = raise_at(&shelf, 1000 + order[i] / 3, order[i]).threat; /* ties in time */
            assert_int_equal(t->evidence_next > t->evidence.count, true);
        }
        bool shown[70] = {0};
        for (size_t i = 0; i < t->evidence.count; i++) {
            const struct evidence *e = &t->evidence.items[i];
            char context[64];
            unsigned member = (unsigned)e->event.bytes[2] << 8 | e->event.bytes[3];
            snprintf(context, sizeof(context), "{\"n\":%u}", member);
            assert_true(str_is(e->context, context));
            assert_true(i == 0 || e->number > t->evidence.items[i - 1].number);
            shown[member] = true;
        }
        for (unsigned i = 0; i < n; i++)
            assert_int_equal(shown[i], i < THREAT_EVIDENCE_EDGE || i + THREAT_EVIDENCE_EDGE >= n);
        close_shelf(&shelf);
    }
}

static void a_threat_that_grows_for_hours_keeps_its_size(void **state)
{
    (void)state;
    struct shelf shelf = new_shelf();
    open_book(&shelf, 10);
    char context[2000];
    memset(context, 'x', sizeof(context));
    memcpy(context, "{\"v\":\"", 6);
    memcpy(context + sizeof(context) - 2, "\"}", 2);
    size_t largest = 0;
    for (uint32_t i = 0; i < 20000; i++) {
        struct firing firing = make_firing(1000 + i / 10, i);
        firing.context = (struct str){context, sizeof(context)};
        const struct threat *t = raise_it(&shelf, &firing).threat;
        size_t size = arena_size(t->arena);
        largest = size > largest ? size : largest;
        assert_int_equal(t->event_count, i + 1);
    }
    assert_true(largest < 512 << 10);
    close_shelf(&shelf);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_firing_begins_a_threat_and_the_next_ones_fold),
        cmocka_unit_test(an_event_that_a_threat_holds_changes_nothing),
        cmocka_unit_test(an_earlier_firing_moves_the_anchor_back_and_never_forward),
        cmocka_unit_test(the_nearest_later_threat_is_the_one_that_moves),
        cmocka_unit_test(a_group_counts_its_first_window),
        cmocka_unit_test(a_firing_whose_threat_is_resolved_raises_a_new_one_that_continues_it),
        cmocka_unit_test(a_late_firing_of_a_resolved_threat_moves_no_neighbour),
        cmocka_unit_test(a_threat_continues_the_last_of_a_chain),
        cmocka_unit_test(a_reopened_threat_takes_firings_again),
        cmocka_unit_test(a_suppressed_threat_becomes_visible_with_the_first_firing_that_is_not),
        cmocka_unit_test(families_do_not_mix),
        cmocka_unit_test(review_is_asked_for_once_and_kept),
        cmocka_unit_test(members_beyond_the_limit_are_counted),
        cmocka_unit_test(evidence_is_that_of_the_first_ten_and_the_last_ten),
        cmocka_unit_test(a_threat_that_grows_for_hours_keeps_its_size),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
