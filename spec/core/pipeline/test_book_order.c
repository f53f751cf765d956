/* The group engine and the book together against the batch that sees every event at once: the same threats
 * (anchor, members, count) in any order of arrival, with repeated deliveries, sweeps and crashes. */
#include "core/pipeline/book_shelf.h"

#include "core/data/group_cases.h"
#include "data/group.h"

#define CASES 3000

enum { TWICE = 1, CRASH = 2, SWEEP = 4 };

struct run {
    const struct group_case *c;
    struct group_spec spec;
    unsigned how;
    uint64_t random;
    struct group_shard *shard;
    struct shelf shelf;
    struct buf saved; /* group state as of `stands_at` */
    size_t stands_at;
};

static void raise_candidate(struct run *run, const struct group_candidate *candidate)
{
    struct firing firing = make_firing(0, 0);
    firing.time_ns = candidate->entry.time_ns;
    firing.event = candidate->entry.id;
    firing.dedup_window_ns = CASE_DEDUP;
    firing.severity = (enum severity)(candidate->entry.id.bytes[1] % SEVERITY_COUNT);
    firing.context = candidate->entry.fields;
    raise_it(&run->shelf, &firing);
    group_accept(run->shard, candidate->index);
}

static void deliver(struct run *run, unsigned event)
{
    const struct case_event *e = &run->c->events[event];
    char key = (char)('a' + e->key), value = (char)('a' + e->value);
    struct group_entry entry = {
        .time_ns = e->time_ns,
        .id = e->id,
        .distinct = {&value, e->value ? 1 : 0},
        .fields = STR("{\"user.name\":\"ana\"}"),
    };
    struct group_result result = group_observe(run->shard, &run->spec, (struct str){&key, 1}, &entry, 1);
    for (size_t i = 0; i < result.count; i++)
        raise_candidate(run, &result.candidates[i]);
}

/* The saved position never passes a threat that is not stored. */
static void checkpoint(struct run *run, size_t next)
{
    commit(&run->shelf, false);
    group_save(run->shard, false, &run->saved);
    run->stands_at = next;
}

/* All that was not saved is gone; what came behind the saved position is delivered again. */
static void crash(struct run *run)
{
    struct err err = {0};
    group_shard_free(run->shard);
    run->shard = group_shard_new(1 << 24);
    if (group_load(run->shard, buf_str(&run->saved), &err) != 0)
        fail_msg("%s", err_text(&err));
    open_book(&run->shelf, 1);
}

/* Returns the arrival that comes next. */
static size_t disturb(struct run *run, size_t arrived)
{
    if (run->how & TWICE)
        deliver(run, run->c->order[case_below(&run->random, arrived)]);
    if (run->how & SWEEP)
        group_sweep(run->shard, 4);
    if (!(run->how & CRASH))
        return arrived;
    switch (case_below(&run->random, 12)) {
    case 0:
        checkpoint(run, arrived);
        return arrived;
    case 1:
    case 2: /* the writer commits more often than state is saved */
        commit(&run->shelf, case_below(&run->random, 2));
        return arrived;
    case 3:
        crash(run);
        return run->stands_at;
    default:
        return arrived;
    }
}

static unsigned event_of(const struct group_case *c, const struct id128 *id)
{
    unsigned i = 0;
    while (i < c->count && id128_compare(&c->events[i].id, id) != 0)
        i++;
    assert_true(i < c->count);
    return i;
}

static int by_number(const void *a, const void *b)
{
    unsigned left = *(const unsigned *)a, right = *(const unsigned *)b;
    return (left > right) - (left < right);
}

static void compare_threat(struct run *run, const struct case_threat *expected, const struct row *row)
{
    const struct group_case *c = run->c;
    struct threat *t = take_out(row);
    unsigned members[CASE_EVENTS];
    assert_int_equal(row->members.count, expected->count);
    assert_int_equal(t->event_count, expected->count);
    unsigned severity = 0;
    for (size_t i = 0; i < expected->count; i++) {
        members[i] = event_of(c, &row->members.items[i]);
        unsigned own = c->events[members[i]].id.bytes[1] % SEVERITY_COUNT;
        severity = own > severity ? own : severity;
    }
    qsort(members, expected->count, sizeof(members[0]), by_number);
    assert_memory_equal(members, expected->members, expected->count * sizeof(members[0]));
    assert_int_equal(event_of(c, &t->anchor_id), expected->anchor);
    assert_int_equal(t->anchor_ns, c->events[expected->anchor].time_ns);
    assert_int_equal(t->severity, severity);
    threat_free(t);
}

static void compare(struct run *run, uint64_t seed)
{
    struct case_threat expected[CASE_EVENTS];
    size_t n = case_threats(run->c, expected);
    if (run->shelf.rows.count != n)
        fail_msg("seed %llu: %zu threats, the batch says %zu", (unsigned long long)seed,
                 run->shelf.rows.count, n);
    for (size_t i = 0; i < n; i++) {
        bool found = false;
        for (size_t k = 0; k < n && !found; k++) {
            const struct row *row = &run->shelf.rows.items[k];
            for (size_t m = 0; m < row->members.count && !found; m++)
                found = event_of(run->c, &row->members.items[m]) == expected[i].anchor;
            if (found)
                compare_threat(run, &expected[i], row);
        }
        assert_true(found);
    }
}

static size_t check_case(uint64_t seed, unsigned how)
{
    struct group_case c;
    uint64_t random = seed;
    case_make(&c, &random);
    struct run run = {.c = &c, .how = how, .random = seed, .shard = group_shard_new(1 << 24)};
    run.spec = (struct group_spec){
        .state = 1,
        .window_ns = CASE_WINDOW,
        .late_ns = CASE_LATE,
        .count = c.threshold,
        .distinct = c.distinct,
        .groups = 100,
        .times = GROUP_TIMES_MAX,
    };
    run.shelf = new_shelf();
    open_book(&run.shelf, 10);
    checkpoint(&run, 0);
    for (size_t i = 0; i < c.count;) {
        deliver(&run, c.order[i]);
        i = disturb(&run, i + 1);
    }
    commit(&run.shelf, false);
    compare(&run, seed);
    size_t threats = run.shelf.rows.count;
    close_shelf(&run.shelf);
    group_shard_free(run.shard);
    buf_free(&run.saved);
    return threats;
}

static void against_the_batch(unsigned how)
{
    size_t threats = 0;
    for (uint64_t seed = 1; seed <= CASES; seed++)
        threats += check_case(seed, how);
    assert_true(threats > CASES); /* the cases say something */
}

static void any_order_of_arrival_gives_the_threats_of_the_batch(void **state)
{
    (void)state;
    against_the_batch(0);
}

static void repeated_deliveries_make_no_twins(void **state)
{
    (void)state;
    against_the_batch(TWICE);
    against_the_batch(TWICE | SWEEP);
}

static void a_crash_at_any_moment_changes_nothing(void **state)
{
    (void)state;
    against_the_batch(CRASH);
    against_the_batch(CRASH | TWICE | SWEEP);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_order_of_arrival_gives_the_threats_of_the_batch),
        cmocka_unit_test(repeated_deliveries_make_no_twins),
        cmocka_unit_test(a_crash_at_any_moment_changes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
