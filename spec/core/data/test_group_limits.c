/* Group state under pressure and on disk: who is forgotten, what a save holds, what a broken save does. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>

#include "core/data/group_cases.h"
#include "data/group.h"
#include "data/group_heap.h"
#include "data/group_table.h"

static const struct group_spec spec_of_five = {
    .state = 7,
    .window_ns = 600 * NS_PER_S,
    .late_ns = 30 * NS_PER_S,
    .count = 5,
    .groups = 4,
    .times = 100,
};

static uint32_t next_id = 1;

static struct group_result observe(struct group_shard *shard, const struct group_spec *spec, const char *key,
                                   int64_t seconds)
{
    struct group_entry entry = {.time_ns = seconds * NS_PER_S, .fields = STR("user=ana")};
    uint32_t id = next_id++;
    memcpy(entry.id.bytes, &id, sizeof(id));
    return group_observe(shard, spec, str_from(key), &entry, seconds);
}

static bool holds(const struct group_shard *shard, const char *key)
{
    struct buf dump = BUF_EMPTY, line = BUF_EMPTY;
    group_dump(shard, &dump);
    buf_printf(&line, " group \"%s\"\n", key);
    bool found = dump.len && strstr(dump.ptr, line.ptr);
    buf_free(&dump);
    buf_free(&line);
    return found;
}

static void the_group_farthest_from_its_threshold_goes_first(void **state)
{
    (void)state;
    struct group_shard *shard = group_shard_new(1 << 20);
    for (int i = 0; i < 3; i++)
        observe(shard, &spec_of_five, "three", i);
    for (int i = 0; i < 2; i++)
        observe(shard, &spec_of_five, "two", i);
    observe(shard, &spec_of_five, "one", 3);
    observe(shard, &spec_of_five, "another", 4);
    assert_int_equal(observe(shard, &spec_of_five, "fifth", 5).evicted_groups, 1);
    assert_false(holds(shard, "one")); /* "another" is as far and was touched later */
    assert_int_equal(observe(shard, &spec_of_five, "sixth", 6).evicted_groups, 1);
    assert_false(holds(shard, "another"));
    observe(shard, &spec_of_five, "fifth", 7);
    observe(shard, &spec_of_five, "sixth", 8);
    observe(shard, &spec_of_five, "seventh", 9);
    assert_false(holds(shard, "two")); /* longest ago among those that hold two */
    assert_true(holds(shard, "three") && holds(shard, "fifth") && holds(shard, "sixth"));
    assert_int_equal(group_count(shard), 4);
    group_shard_free(shard);
}

/* The same policy, by looking at every group: the distance is what lies in the window of the newest. */
struct model {
    int64_t times[64][16];
    size_t n[64];
    unsigned touched[64];
};

static unsigned model_number(const struct model *m, unsigned g)
{
    int64_t newest = 0;
    unsigned number = 0;
    for (size_t i = 0; i < m->n[g]; i++)
        newest = m->times[g][i] > newest ? m->times[g][i] : newest;
    for (size_t i = 0; i < m->n[g]; i++)
        number += m->times[g][i] > newest - 600;
    return number < 5 ? number : 5;
}

static unsigned model_victim(const struct model *m)
{
    unsigned victim = 64;
    for (unsigned g = 0; g < 64; g++) {
        if (!m->n[g])
            continue;
        if (victim == 64 || model_number(m, g) < model_number(m, victim) ||
            (model_number(m, g) == model_number(m, victim) && m->touched[g] < m->touched[victim]))
            victim = g;
    }
    return victim;
}

static void eviction_agrees_with_a_look_at_every_group(void **state)
{
    (void)state;
    struct group_spec spec = spec_of_five;
    spec.groups = 16;
    size_t evictions = 0;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        uint64_t random = seed;
        struct model m = {0};
        struct group_shard *shard = group_shard_new(1 << 24);
        for (unsigned step = 1; step <= 300; step++) {
            unsigned g = (unsigned)(case_below(&random, 8) * case_below(&random, 9));
            char key[8];
            snprintf(key, sizeof(key), "g%u", g);
            int64_t seconds = 1000 + (int64_t)case_below(&random, 620);
            if (m.n[g] == 16)
                continue;
            unsigned victim = m.n[g] ? 64 : model_victim(&m);
            struct group_result result = observe(shard, &spec, key, seconds);
            assert_true(result.outcome != GROUP_LATE);
            if (result.evicted_groups) {
                snprintf(key, sizeof(key), "g%u", victim);
                assert_false(holds(shard, key));
                m.n[victim] = 0;
                evictions++;
            }
            m.times[g][m.n[g]++] = seconds;
            m.touched[g] = step;
            size_t groups = 0;
            for (unsigned i = 0; i < 64; i++)
                groups += m.n[i] > 0;
            assert_int_equal(group_count(shard), groups);
        }
        group_shard_free(shard);
    }
    assert_true(evictions > 100);
}

static void the_budget_is_kept_and_spares_groups_near_their_threshold(void **state)
{
    (void)state;
    struct group_spec spec = spec_of_five;
    spec.groups = 100000;
    const size_t budget = 200000;
    struct group_shard *shard = group_shard_new(budget);
    for (int i = 0; i < 4; i++)
        observe(shard, &spec, "near", 1000 + i);
    size_t evicted = 0;
    for (int i = 0; i < 5000; i++) {
        char key[32];
        snprintf(key, sizeof(key), "flood %d", i);
        evicted += observe(shard, &spec, key, 1010).evicted_groups;
        assert_true(group_bytes(shard) <= budget + 1000);
    }
    assert_true(group_count(shard) > 200);
    assert_int_equal(evicted + group_count(shard), 5001);
    assert_int_equal(observe(shard, &spec, "near", 1020).outcome, GROUP_FIRED);
    group_shard_free(shard);
}

static void distances_of_different_rules_are_compared_as_shares(void **state)
{
    (void)state;
    struct group_spec small = spec_of_five, large = spec_of_five;
    large.state = 8;
    large.count = 100;
    struct group_shard *probe = group_shard_new(1 << 20);
    for (int i = 0; i < 50; i++)
        observe(probe, &large, "half of a hundred", i);
    observe(probe, &small, "a fifth", 50);
    size_t full = group_bytes(probe);
    group_shard_free(probe);

    struct group_shard *shard = group_shard_new(full + 100);
    for (int i = 0; i < 50; i++)
        observe(shard, &large, "half of a hundred", i);
    observe(shard, &small, "a fifth", 50);
    assert_int_equal(observe(shard, &small, "new", 51).evicted_groups, 1);
    assert_true(holds(shard, "half of a hundred"));
    assert_false(holds(shard, "a fifth"));
    group_shard_free(shard);
}

static void a_group_alone_in_a_small_budget_loses_its_oldest_times(void **state)
{
    (void)state;
    struct group_spec spec = spec_of_five;
    spec.times = GROUP_TIMES_MAX;
    const size_t budget = 20000;
    struct group_shard *shard = group_shard_new(budget);
    size_t evicted = 0;
    for (int i = 0; i < 3000; i++) {
        struct group_result result = observe(shard, &spec, "only", 1000 + i / 100);
        assert_int_equal(result.outcome, i < 4 ? GROUP_WAITING : GROUP_FIRED);
        evicted += result.evicted_times;
        assert_true(group_bytes(shard) <= budget + 10000); /* a doubling of its slots may pass it */
    }
    assert_true(evicted > 2000);
    group_shard_free(shard);
}

static void memory_returns_to_nothing(void **state)
{
    (void)state;
    struct group_shard *shard = group_shard_new(1 << 24);
    struct group_spec spec = spec_of_five;
    spec.groups = 10000;
    spec.distinct = true;
    uint64_t random = 3;
    for (int i = 0; i < 20000; i++) {
        char key[16], value[16];
        snprintf(key, sizeof(key), "k%llu", (unsigned long long)case_below(&random, 500));
        snprintf(value, sizeof(value), "v%llu", (unsigned long long)case_below(&random, 50));
        struct group_entry entry = {.time_ns = (int64_t)i * NS_PER_S / 10, .distinct = str_from(value)};
        memcpy(entry.id.bytes, &i, sizeof(i));
        group_observe(shard, &spec, str_from(key), &entry, i);
    }
    assert_true(group_bytes(shard) > 500 * 100);
    group_retain(shard, NULL, 0);
    assert_int_equal(group_count(shard), 0);
    assert_int_equal(group_bytes(shard), 0);
    group_shard_free(shard);
}

static void a_sweep_takes_what_no_event_in_time_can_need(void **state)
{
    (void)state;
    const int64_t horizon = 600 + 30 + GROUP_FUTURE_NS / NS_PER_S;
    struct group_shard *shard = group_shard_new(1 << 20);
    observe(shard, &spec_of_five, "old", 1000);
    observe(shard, &spec_of_five, "new", 1000 + horizon);
    assert_int_equal(group_sweep(shard, 100), 0);
    observe(shard, &spec_of_five, "new", 1001 + horizon);
    assert_int_equal(group_sweep(shard, 100), 1);
    assert_false(holds(shard, "old"));
    group_shard_free(shard);
}

static void a_source_that_lags_keeps_its_windows(void **state)
{
    (void)state;
    struct group_shard *shard = group_shard_new(1 << 20);
    enum group_outcome outcome = GROUP_WAITING;
    for (int i = 0; i < 5; i++) {
        observe(shard, &spec_of_five, "live", 100000 + 60 * i);
        outcome = observe(shard, &spec_of_five, "an hour behind", 96400 + 60 * i).outcome;
        assert_int_equal(group_sweep(shard, 100), 0);
    }
    assert_int_equal(outcome, GROUP_FIRED);
    group_shard_free(shard);
}

static void a_full_rule_forgets_expired_groups_before_it_counts_pressure(void **state)
{
    (void)state;
    struct group_shard *shard = group_shard_new(1 << 20);
    for (int i = 0; i < 5; i++)
        observe(shard, &spec_of_five, "fired long ago", i);
    observe(shard, &spec_of_five, "a", 90000);
    observe(shard, &spec_of_five, "b", 90000);
    observe(shard, &spec_of_five, "c", 90000);
    assert_int_equal(observe(shard, &spec_of_five, "d", 90000).evicted_groups, 0);
    assert_false(holds(shard, "fired long ago"));
    assert_true(holds(shard, "a"));
    group_shard_free(shard);
}

static void rules_that_left_are_forgotten(void **state)
{
    (void)state;
    struct group_shard *shard = group_shard_new(1 << 20);
    struct group_spec spec = spec_of_five;
    for (uint64_t i = 1; i <= 9; i++) {
        spec.state = i * 1000;
        observe(shard, &spec, "k", 1);
    }
    const uint64_t kept[] = {2000, 4500, 9000, 90000};
    group_retain(shard, kept, 4);
    assert_int_equal(group_count(shard), 2);
    spec.state = 2000;
    for (int i = 0; i < 4; i++)
        observe(shard, &spec, "k", 2 + i);
    assert_true(holds(shard, "k"));
    struct buf dump = BUF_EMPTY;
    group_dump(shard, &dump);
    assert_non_null(strstr(dump.ptr, "rule 00000000000007d0"));
    assert_non_null(strstr(dump.ptr, "rule 0000000000002328"));
    assert_null(strstr(dump.ptr, "rule 00000000000003e8"));
    buf_free(&dump);
    group_shard_free(shard);
}

/* ---- saves ---- */

/* A long random life of a shard: everything that a save must carry. */
static void live_a_step(struct group_shard *shard, uint64_t *random, int64_t step)
{
    static const uint64_t states[] = {10, 20, 30};
    struct group_spec spec = spec_of_five;
    spec.groups = 6;
    spec.times = 12;
    spec.state = states[case_below(random, 3)];
    spec.distinct = spec.state == 20;
    char key[8], value[8], fields[40];
    snprintf(key, sizeof(key), "k%llu", (unsigned long long)case_below(random, 10));
    snprintf(value, sizeof(value), "v%llu", (unsigned long long)case_below(random, 4));
    memset(fields, 'f', sizeof(fields));
    struct group_entry entry = {
        .time_ns = (step * 20 + (int64_t)case_below(random, 60)) * NS_PER_S,
        .excepted = case_below(random, 2),
        .distinct = str_from(value),
        .fields = {fields, case_below(random, sizeof(fields))},
    };
    uint32_t id = next_id++;
    memcpy(entry.id.bytes, &id, sizeof(id));
    struct group_result result = group_observe(shard, &spec, str_from(key), &entry, step);
    for (size_t i = 0; i < result.count; i++) {
        if (case_below(random, 2))
            group_accept(shard, result.candidates[i].index);
    }
    if (case_below(random, 20) == 0)
        group_sweep(shard, 3);
    if (case_below(random, 60) == 0)
        group_retain(shard, states + case_below(random, 2), 2);
}

static void saves_in_order_give_the_same_state(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 30; seed++) {
        uint64_t random = seed;
        struct group_shard *shard = group_shard_new(1 << 20), *copy = group_shard_new(1 << 20);
        struct buf saved = BUF_EMPTY, left = BUF_EMPTY, right = BUF_EMPTY;
        for (int64_t step = 0; step < 400; step++) {
            live_a_step(shard, &random, step);
            if (case_below(&random, 10))
                continue;
            struct err err = {0};
            buf_clear(&saved);
            group_save(shard, case_below(&random, 6) == 0, &saved);
            assert_int_equal(group_load(copy, buf_str(&saved), &err), 0);
            buf_clear(&left);
            buf_clear(&right);
            group_dump(shard, &left);
            group_dump(copy, &right);
            assert_int_equal(left.len, right.len);
            if (left.len)
                assert_string_equal(left.ptr, right.ptr);
        }
        buf_free(&saved);
        buf_free(&left);
        buf_free(&right);
        group_shard_free(shard);
        group_shard_free(copy);
    }
}

static void a_save_holds_only_what_changed(void **state)
{
    (void)state;
    struct group_shard *shard = group_shard_new(1 << 24);
    struct group_spec spec = spec_of_five;
    spec.times = GROUP_TIMES_MAX;
    for (int i = 0; i < 5000; i++)
        observe(shard, &spec, "hot", i / 100);
    struct buf first = BUF_EMPTY, second = BUF_EMPTY, third = BUF_EMPTY;
    group_save(shard, false, &first);
    observe(shard, &spec, "hot", 51);
    group_save(shard, false, &second);
    group_save(shard, false, &third);
    assert_true(first.len > 5000 * 24);
    assert_true(second.len > 0 && second.len < 200);
    assert_int_equal(third.len, 0);
    buf_free(&first);
    buf_free(&second);
    buf_free(&third);
    group_shard_free(shard);
}

static struct buf make_save(void)
{
    uint64_t random = 11;
    struct group_shard *shard = group_shard_new(1 << 20);
    struct buf saved = BUF_EMPTY;
    for (int64_t step = 0; step < 60; step++) {
        live_a_step(shard, &random, step);
        if (step == 30)
            group_save(shard, false, &saved);
    }
    group_save(shard, false, &saved);
    group_shard_free(shard);
    return saved;
}

static void a_save_cut_anywhere_is_refused_or_ends_between_records(void **state)
{
    (void)state;
    struct buf saved = make_save();
    size_t whole = 0;
    for (size_t cut = 0; cut < saved.len; cut++) {
        struct group_shard *shard = group_shard_new(1 << 20);
        struct err err = {0};
        char *copy = mem_dup(saved.ptr, cut); /* its own block: a read beyond the end is seen */
        int result = group_load(shard, (struct str){copy, cut}, &err);
        assert_true(result == 0 || err.code == ERR_CORRUPT);
        whole += result == 0;
        free(copy);
        group_shard_free(shard);
    }
    assert_true(whole > 3 && whole < 60);
    buf_free(&saved);
}

static void damaged_saves_are_survived(void **state)
{
    (void)state;
    struct buf saved = make_save();
    uint64_t random = 5;
    for (int round = 0; round < 3000; round++) {
        struct group_shard *shard = group_shard_new(1 << 20);
        char *copy = mem_dup(saved.ptr, saved.len);
        for (uint64_t i = 0; i <= case_below(&random, 4); i++)
            copy[case_below(&random, saved.len)] = (char)case_below(&random, 256);
        group_load(shard, (struct str){copy, saved.len}, NULL);
        for (int i = 0; i < 5; i++)
            observe(shard, &spec_of_five, "after", 1000 + i);
        group_sweep(shard, 10);
        free(copy);
        group_shard_free(shard);
    }
    buf_free(&saved);
}

/* ---- the parts ---- */

static bool same_number(const void *item, const void *key)
{
    return *(const unsigned *)item == *(const unsigned *)key;
}

static void a_table_finds_what_it_holds_whatever_the_hashes(void **state)
{
    (void)state;
    static unsigned numbers[500];
    bool in[500] = {0};
    struct group_table table = {0};
    uint64_t random = 9;
    for (unsigned i = 0; i < 500; i++)
        numbers[i] = i;
    for (int step = 0; step < 20000; step++) {
        unsigned n = (unsigned)case_below(&random, 500);
        uint64_t hash = n % 7 * 3; /* few different ones, close together */
        if (in[n])
            group_table_remove(&table, hash, &numbers[n]);
        else
            group_table_add(&table, hash, &numbers[n]);
        in[n] = !in[n];
        unsigned other = (unsigned)case_below(&random, 500);
        void *found = group_table_find(&table, other % 7 * 3, same_number, &other);
        assert_ptr_equal(found, in[other] ? &numbers[other] : NULL);
    }
    group_table_free(&table);
}

static void a_heap_gives_the_farthest_and_longest_untouched_first(void **state)
{
    (void)state;
    struct group_heap heap = {0};
    uint32_t places[200];
    struct group_rank ranks[200];
    bool in[200] = {0};
    uint64_t random = 4;
    for (uint64_t step = 0; step < 20000; step++) {
        size_t n = case_below(&random, 200);
        ranks[n] = in[n] && case_below(&random, 3) == 0
                       ? ranks[n]
                       : (struct group_rank){case_below(&random, 5), case_below(&random, 1000)};
        if (!in[n])
            group_heap_add(&heap, ranks[n], &ranks[n], &places[n]);
        else if (case_below(&random, 2))
            group_heap_move(&heap, places[n], ranks[n]);
        else
            group_heap_remove(&heap, places[n]), in[n] = false, n = 200;
        if (n < 200)
            in[n] = true;
        const struct group_heap_item *top = group_heap_top(&heap);
        for (size_t i = 0; i < 200; i++) {
            if (!in[i])
                continue;
            assert_ptr_equal(heap.items.items[places[i]].node, &ranks[i]);
            assert_true(top->rank.far > ranks[i].far ||
                        (top->rank.far == ranks[i].far && top->rank.touch <= ranks[i].touch));
        }
    }
    group_heap_free(&heap);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_group_farthest_from_its_threshold_goes_first),
        cmocka_unit_test(eviction_agrees_with_a_look_at_every_group),
        cmocka_unit_test(the_budget_is_kept_and_spares_groups_near_their_threshold),
        cmocka_unit_test(distances_of_different_rules_are_compared_as_shares),
        cmocka_unit_test(a_group_alone_in_a_small_budget_loses_its_oldest_times),
        cmocka_unit_test(memory_returns_to_nothing),
        cmocka_unit_test(a_sweep_takes_what_no_event_in_time_can_need),
        cmocka_unit_test(a_source_that_lags_keeps_its_windows),
        cmocka_unit_test(a_full_rule_forgets_expired_groups_before_it_counts_pressure),
        cmocka_unit_test(rules_that_left_are_forgotten),
        cmocka_unit_test(saves_in_order_give_the_same_state),
        cmocka_unit_test(a_save_holds_only_what_changed),
        cmocka_unit_test(a_save_cut_anywhere_is_refused_or_ends_between_records),
        cmocka_unit_test(damaged_saves_are_survived),
        cmocka_unit_test(a_table_finds_what_it_holds_whatever_the_hashes),
        cmocka_unit_test(a_heap_gives_the_farthest_and_longest_untouched_first),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
