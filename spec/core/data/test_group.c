/* Group state: what fires, whatever the order of arrival. The oracle is core/data/group_cases.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>

#include "core/data/group_cases.h"
#include "data/group.h"

#define CASES 4000

static const struct group_spec five_in_ten = {
    .state = 42,
    .window_ns = CASE_WINDOW,
    .late_ns = CASE_LATE,
    .count = 5,
    .groups = 1000,
    .times = GROUP_TIMES_MAX,
};

static struct id128 make_id(uint32_t n)
{
    struct id128 id = {{0}};
    for (int i = 0; i < 4; i++)
        id.bytes[i] = (uint8_t)(n >> (24 - 8 * i));
    return id;
}

static struct group_entry make_entry(int64_t seconds, uint32_t id)
{
    return (struct group_entry){.time_ns = seconds * NS_PER_S, .id = make_id(id), .fields = STR("user=ana")};
}

/* Observes and accepts every candidate. */
static struct group_result observe(struct group_shard *shard, const struct group_spec *spec, int64_t seconds,
                                   uint32_t id)
{
    struct group_entry entry = make_entry(seconds, id);
    struct group_result result = group_observe(shard, spec, STR("k"), &entry, seconds);
    for (size_t i = 0; i < result.count; i++)
        group_accept(shard, result.candidates[i].index);
    return result;
}

static void the_fifth_event_fires_and_a_firing_does_not_empty_the_window(void **state)
{
    (void)state;
    struct group_shard *shard = group_shard_new(1 << 20);
    for (uint32_t i = 0; i < 4; i++)
        assert_int_equal(observe(shard, &five_in_ten, 60 * i, i).outcome, GROUP_WAITING);
    struct group_result result = observe(shard, &five_in_ten, 240, 4);
    assert_int_equal(result.outcome, GROUP_FIRED);
    assert_int_equal(result.count, 1);
    assert_int_equal(result.candidates[0].count, 5);
    assert_int_equal(result.candidates[0].first_ns, 0);
    assert_int_equal(result.candidates[0].last_ns, 240 * NS_PER_S);
    assert_true(result.candidates[0].arrived);
    assert_false(result.candidates[0].seen);
    assert_false(result.candidates[0].all_excepted);
    assert_true(str_is(result.candidates[0].entry.fields, "user=ana"));
    result = observe(shard, &five_in_ten, 300, 5);
    assert_int_equal(result.outcome, GROUP_FIRED);
    assert_int_equal(result.candidates[0].count, 6);
    group_shard_free(shard);
}

static void a_window_is_open_at_its_beginning(void **state)
{
    (void)state;
    static const struct {
        int64_t last;
        enum group_outcome outcome;
    } cases[] = {{599, GROUP_FIRED}, {600, GROUP_WAITING}};
    for (size_t c = 0; c < 2; c++) {
        struct group_shard *shard = group_shard_new(1 << 20);
        for (uint32_t i = 0; i < 4; i++)
            observe(shard, &five_in_ten, 0, i);
        assert_int_equal(observe(shard, &five_in_ten, cases[c].last, 9).outcome, cases[c].outcome);
        group_shard_free(shard);
    }
}

static void events_of_one_time_are_ordered_by_id(void **state)
{
    (void)state;
    struct group_shard *shard = group_shard_new(1 << 20);
    for (uint32_t i = 9; i > 5; i--)
        observe(shard, &five_in_ten, 100, i);
    struct group_result result = observe(shard, &five_in_ten, 100, 1);
    assert_int_equal(result.outcome, GROUP_WAITING);
    assert_int_equal(result.count, 1);
    struct id128 last = make_id(9);
    assert_int_equal(id128_compare(&result.candidates[0].entry.id, &last), 0);
    assert_false(result.candidates[0].arrived);
    group_shard_free(shard);
}

static void a_late_event_completes_every_window_it_lies_in(void **state)
{
    (void)state;
    struct group_shard *shard = group_shard_new(1 << 20);
    for (uint32_t i = 0; i < 4; i++)
        observe(shard, &five_in_ten, 100 * i, i);
    observe(shard, &five_in_ten, 620, 7);
    struct group_result result = observe(shard, &five_in_ten, 50, 8);
    assert_int_equal(result.outcome, GROUP_WAITING);
    assert_int_equal(result.count, 2);
    assert_int_equal(result.candidates[0].last_ns, 300 * NS_PER_S);
    assert_int_equal(result.candidates[0].count, 5);
    assert_int_equal(result.candidates[1].last_ns, 620 * NS_PER_S);
    assert_int_equal(result.candidates[1].first_ns, 50 * NS_PER_S);
    group_shard_free(shard);
}

static void an_event_behind_window_and_late_is_left_out(void **state)
{
    (void)state;
    struct group_shard *shard = group_shard_new(1 << 20);
    observe(shard, &five_in_ten, 10000, 1);
    assert_int_equal(observe(shard, &five_in_ten, 10000 - 630, 2).outcome, GROUP_LATE);
    assert_int_equal(observe(shard, &five_in_ten, 10000 - 629, 3).outcome, GROUP_WAITING);
    group_shard_free(shard);
}

static void an_id_is_held_once_even_when_it_comes_with_another_time(void **state)
{
    (void)state;
    struct group_shard *shard = group_shard_new(1 << 20);
    for (uint32_t i = 0; i < 40; i++) {
        observe(shard, &five_in_ten, i, i);
        assert_int_equal(observe(shard, &five_in_ten, i, i).outcome, GROUP_REPEATED);
        assert_int_equal(observe(shard, &five_in_ten, i + 5, i).outcome, GROUP_REPEATED);
        assert_int_equal(observe(shard, &five_in_ten, 0, i).outcome, GROUP_REPEATED);
    }
    group_shard_free(shard);
}

static void what_detect_refused_is_offered_again_when_its_window_grows(void **state)
{
    (void)state;
    struct group_shard *shard = group_shard_new(1 << 20);
    struct group_entry entry;
    for (uint32_t i = 0; i < 5; i++) {
        entry = make_entry(100 + i, i);
        group_observe(shard, &five_in_ten, STR("k"), &entry, 0);
    }
    entry = make_entry(90, 50);
    struct group_result result = group_observe(shard, &five_in_ten, STR("k"), &entry, 0);
    assert_int_equal(result.count, 2); /* 103 is complete now; 104 has grown */
    assert_false(result.candidates[0].seen);
    assert_true(result.candidates[1].seen);
    assert_int_equal(result.candidates[1].count, 6);
    group_accept(shard, result.candidates[1].index);
    entry = make_entry(91, 51);
    result = group_observe(shard, &five_in_ten, STR("k"), &entry, 0);
    assert_int_equal(result.count, 2); /* 102 is complete, 103 has grown, 104 has fired for good */
    assert_int_equal(result.candidates[1].last_ns, 103 * NS_PER_S);
    assert_true(result.candidates[1].seen);
    group_shard_free(shard);
}

static void distinct_counts_values_and_skips_entries_without_one(void **state)
{
    (void)state;
    struct group_spec spec = five_in_ten;
    spec.distinct = true;
    spec.count = 3;
    static const struct {
        const char *value;
        enum group_outcome outcome;
        uint32_t count;
    } events[] = {{"a", GROUP_WAITING, 0}, {"a", GROUP_WAITING, 0}, {"b", GROUP_WAITING, 0},
                  {"", GROUP_WAITING, 0},  {"c", GROUP_FIRED, 3},   {"a", GROUP_FIRED, 3},
                  {"", GROUP_FIRED, 3},    {"d", GROUP_FIRED, 4}};
    struct group_shard *shard = group_shard_new(1 << 20);
    for (uint32_t i = 0; i < sizeof(events) / sizeof(events[0]); i++) {
        struct group_entry entry = make_entry(i, i);
        entry.distinct = str_from(events[i].value);
        struct group_result result = group_observe(shard, &spec, STR("k"), &entry, 0);
        assert_int_equal(result.outcome, events[i].outcome);
        if (result.count)
            assert_int_equal(result.candidates[result.count - 1].count, events[i].count);
    }
    struct str values[8];
    assert_int_equal(group_values(shard, 0, values, 8), 4);
    for (size_t i = 0; i < 4; i++)
        assert_true(values[i].len == 1 && values[i].ptr[0] == (char)('a' + i));
    assert_int_equal(group_values(shard, 0, values, 2), 2);
    group_shard_free(shard);
}

static void long_distinct_values_differ_beyond_what_is_kept(void **state)
{
    (void)state;
    struct group_spec spec = five_in_ten;
    spec.distinct = true;
    spec.count = 3;
    char text[5000];
    memset(text, 'x', sizeof(text));
    struct group_shard *shard = group_shard_new(1 << 20);
    for (uint32_t i = 0; i < 3; i++) {
        struct group_entry entry = make_entry(i, i);
        text[sizeof(text) - 1] = (char)('0' + i);
        entry.distinct = (struct str){text, sizeof(text)};
        struct group_result result = group_observe(shard, &spec, STR("k"), &entry, 0);
        assert_int_equal(result.outcome, i == 2 ? GROUP_FIRED : GROUP_WAITING);
    }
    assert_true(group_bytes(shard) < 6000);
    group_shard_free(shard);
}

static void times_at_the_ends_of_int64_do_not_wrap(void **state)
{
    (void)state;
    struct group_spec spec = five_in_ten;
    spec.count = 2;
    static const int64_t times[] = {INT64_MIN, INT64_MIN + 1, 0, INT64_MAX - 1, INT64_MAX};
    struct group_shard *shard = group_shard_new(1 << 20);
    for (int pass = 0; pass < 2; pass++) {
        for (uint32_t i = 0; i < 5; i++) {
            struct group_entry entry = {.time_ns = times[pass ? 4 - i : i], .id = make_id(i)};
            group_observe(shard, &spec, pass ? STR("down") : STR("up"), &entry, INT64_MAX);
        }
    }
    assert_int_equal(group_count(shard), 2);
    group_shard_free(shard);
}

static void a_full_group_loses_its_oldest_times(void **state)
{
    (void)state;
    struct group_spec spec = five_in_ten;
    spec.times = 10;
    struct group_shard *shard = group_shard_new(1 << 20);
    for (uint32_t i = 0; i < 10; i++)
        assert_int_equal(observe(shard, &spec, 10 + i, i).evicted_times, 0);
    assert_int_equal(observe(shard, &spec, 30, 10).evicted_times, 1);
    assert_int_equal(observe(shard, &spec, 31, 0).outcome, GROUP_FIRED); /* its id went with its time */
    struct group_result result = observe(shard, &spec, 5, 77);
    assert_int_equal(result.outcome, GROUP_LATE);
    assert_int_equal(result.evicted_times, 1);
    group_shard_free(shard);
}

/* ---- against the batch ---- */

enum { TWICE = 1, REFUSE = 2, RESTART = 4, SWEEP = 8, SORTED = 16 };

static size_t swept; /* groups that sweeps have dropped so far */

struct run {
    const struct group_case *c;
    struct group_spec spec;
    unsigned how;
    uint64_t random;
    struct group_shard *shard;
    struct buf saved; /* of all saves so far */
    bool fired[CASE_EVENTS], all_excepted[CASE_EVENTS];
    uint32_t number[CASE_EVENTS];
};

static unsigned event_of(const struct group_case *c, const struct group_entry *entry)
{
    for (unsigned i = 0; i < c->count; i++) {
        if (id128_compare(&c->events[i].id, &entry->id) == 0)
            return i;
    }
    fail_msg("a candidate that never arrived");
    return 0;
}

static void note(struct run *run, const struct group_candidate *candidate)
{
    unsigned i = event_of(run->c, &candidate->entry);
    assert_int_equal(candidate->seen, run->fired[i]);
    run->fired[i] = true;
    run->number[i] = candidate->count;
    run->all_excepted[i] = candidate->all_excepted;
    if (run->how & REFUSE)
        return;
    assert_false(candidate->seen); /* true stays true: it is offered once */
    group_accept(run->shard, candidate->index);
}

static enum group_outcome deliver(struct run *run, unsigned event)
{
    const struct case_event *e = &run->c->events[event];
    char key = (char)('a' + e->key), value = (char)('a' + e->value);
    struct group_entry entry = {
        .time_ns = e->time_ns,
        .id = e->id,
        .excepted = e->excepted,
        .distinct = {&value, e->value ? 1 : 0},
        .fields = {(const char *)e->id.bytes, e->id.bytes[1] % 16},
    };
    struct group_result result = group_observe(run->shard, &run->spec, (struct str){&key, 1}, &entry, 1);
    bool arrived = false;
    for (size_t i = 0; i < result.count; i++) {
        note(run, &result.candidates[i]);
        arrived |= result.candidates[i].arrived;
    }
    assert_int_equal(arrived, result.outcome == GROUP_FIRED);
    return result.outcome;
}

static void restart(struct run *run)
{
    struct err err = {0};
    group_save(run->shard, case_below(&run->random, 8) == 0, &run->saved);
    group_shard_free(run->shard);
    run->shard = group_shard_new(1 << 24);
    if (group_load(run->shard, buf_str(&run->saved), &err) != 0)
        fail_msg("%s", err_text(&err));
}

static void run_case(struct run *run, struct buf *dump)
{
    run->shard = group_shard_new(1 << 24);
    for (size_t i = 0; i < run->c->count; i++) {
        unsigned event = run->how & SORTED ? (unsigned)i : run->c->order[i];
        enum group_outcome outcome = deliver(run, event);
        assert_true(outcome == GROUP_WAITING || outcome == GROUP_FIRED);
        if (run->how & TWICE) {
            size_t again = case_below(&run->random, i + 1);
            outcome = deliver(run, run->how & SORTED ? (unsigned)again : run->c->order[again]);
            assert_true(outcome == GROUP_REPEATED || outcome == GROUP_LATE);
        }
        if (run->how & SWEEP)
            swept += group_sweep(run->shard, 1 + case_below(&run->random, 4));
        if (run->how & RESTART && case_below(&run->random, 6) == 0)
            restart(run);
    }
    if (dump)
        group_dump(run->shard, dump);
    group_shard_free(run->shard);
    buf_free(&run->saved);
}

static void check_case(const struct group_case *c, unsigned how, uint64_t seed, struct buf *dump)
{
    struct run run = {.c = c, .how = how, .random = seed, .spec = five_in_ten};
    run.spec.count = c->threshold;
    run.spec.distinct = c->distinct;
    run_case(&run, dump);
    for (unsigned i = 0; i < c->count; i++) {
        const struct case_event *e = &c->events[i];
        if (run.fired[i] != e->fires)
            fail_msg("seed %llu, how %u: event %u fired %d, the batch says %d", (unsigned long long)seed, how,
                     i, run.fired[i], e->fires);
        if (!e->fires || !(how & REFUSE))
            continue;
        assert_int_equal(run.number[i], e->number);
        assert_int_equal(run.all_excepted[i], e->all_excepted);
    }
}

static void against_the_batch(unsigned how)
{
    size_t firings = 0;
    for (uint64_t seed = 1; seed <= CASES; seed++) {
        struct group_case c;
        uint64_t random = seed;
        case_make(&c, &random);
        check_case(&c, how, seed, NULL);
        for (size_t i = 0; i < c.count; i++)
            firings += c.events[i].fires;
    }
    assert_true(firings > CASES); /* the cases say something */
}

static void any_order_of_arrival_fires_what_the_batch_fires(void **state)
{
    (void)state;
    against_the_batch(0);
}

static void repeated_deliveries_change_nothing(void **state)
{
    (void)state;
    against_the_batch(TWICE);
}

static void the_last_offer_of_a_refused_event_shows_its_whole_window(void **state)
{
    (void)state;
    against_the_batch(REFUSE | TWICE);
}

static void a_restart_from_saves_changes_nothing(void **state)
{
    (void)state;
    against_the_batch(RESTART | TWICE);
    against_the_batch(RESTART | REFUSE);
}

static void a_sweep_changes_nothing(void **state)
{
    (void)state;
    against_the_batch(SWEEP);
    against_the_batch(SWEEP | RESTART | REFUSE);
    assert_true(swept > CASES); /* they did something */
}

static void all_orders_leave_the_same_state(void **state)
{
    (void)state;
    static const unsigned hows[] = {0, TWICE, RESTART, SORTED | TWICE};
    for (uint64_t seed = 1; seed <= CASES / 4; seed++) {
        struct group_case c;
        uint64_t random = seed;
        case_make(&c, &random);
        struct buf sorted = BUF_EMPTY, other = BUF_EMPTY;
        check_case(&c, SORTED, seed, &sorted);
        assert_true(sorted.len > 0);
        for (size_t i = 0; i < sizeof(hows) / sizeof(hows[0]); i++) {
            buf_clear(&other);
            check_case(&c, hows[i], seed, &other);
            assert_string_equal(other.ptr, sorted.ptr);
        }
        buf_free(&sorted);
        buf_free(&other);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_fifth_event_fires_and_a_firing_does_not_empty_the_window),
        cmocka_unit_test(a_window_is_open_at_its_beginning),
        cmocka_unit_test(events_of_one_time_are_ordered_by_id),
        cmocka_unit_test(a_late_event_completes_every_window_it_lies_in),
        cmocka_unit_test(an_event_behind_window_and_late_is_left_out),
        cmocka_unit_test(an_id_is_held_once_even_when_it_comes_with_another_time),
        cmocka_unit_test(what_detect_refused_is_offered_again_when_its_window_grows),
        cmocka_unit_test(distinct_counts_values_and_skips_entries_without_one),
        cmocka_unit_test(long_distinct_values_differ_beyond_what_is_kept),
        cmocka_unit_test(times_at_the_ends_of_int64_do_not_wrap),
        cmocka_unit_test(a_full_group_loses_its_oldest_times),
        cmocka_unit_test(any_order_of_arrival_fires_what_the_batch_fires),
        cmocka_unit_test(repeated_deliveries_change_nothing),
        cmocka_unit_test(the_last_offer_of_a_refused_event_shows_its_whole_window),
        cmocka_unit_test(a_restart_from_saves_changes_nothing),
        cmocka_unit_test(a_sweep_changes_nothing),
        cmocka_unit_test(all_orders_leave_the_same_state),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
