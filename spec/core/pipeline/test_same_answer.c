/* The same answer, any way round: the threats of the pipeline are those of the definition, whatever the
 * number of workers and the order in which batches overtake each other, and through reloads. */
#include "core/pipeline/same_world.h"

#if SANITIZED
#define CASES 60
#else
#define CASES 1200
#endif

static void check_sums(struct pipeline *pipeline, const struct world *w)
{
    struct pipeline_health health;
    pipeline_health(pipeline, &health);
    assert_true(health.balanced);
    assert_int_equal(health.pending_events, 0);
    assert_int_equal(plant_ledger(pipeline, "events", "accepted"), w->events);
    assert_int_equal(plant_ledger(pipeline, "events", "judged"), w->events);
    assert_int_equal(plant_ledger(pipeline, "pairs", "repeated"), 0);
    assert_int_equal(plant_ledger(pipeline, "pairs", "late"), 0);
    assert_int_equal(plant_ledger(pipeline, "pairs", "raised"), w->expected.items.count);
    assert_int_equal(plant_ledger(pipeline, "pairs", "raised") + plant_ledger(pipeline, "pairs", "folded"),
                     w->fired);
}

static void check_answer(struct pipeline *pipeline, const struct world *w)
{
    struct lines got = {0};
    plant_threats(pipeline, &got);
    assert_int_equal(lines_differ(&w->expected, &got), 0);
    lines_free(&got);
}

static void run(unsigned workers, uint64_t seed, unsigned cases)
{
    struct world w;
    uint64_t state = world_seed(seed);
    struct ruleset *set = world_rules(0);
    world_make(&w, state, cases);
    struct pipeline_options options = plant_options(set, workers, NULL);
    struct pipeline *pipeline = plant_start(&options);
    drive(&w, pipeline, &state, NULL, NULL);
    check_answer(pipeline, &w);
    check_sums(pipeline, &w);
    pipeline_stop(pipeline, NS_PER_S);
    ruleset_unref(set);
    world_free(&w);
}

static void one_worker_gives_the_definition(void **state)
{
    (void)state;
    run(1, 1, CASES);
}

static void two_workers_give_the_definition(void **state)
{
    (void)state;
    run(2, 2, CASES);
}

static void three_workers_give_the_definition(void **state)
{
    (void)state;
    run(3, 3, CASES);
}

static void eight_workers_give_the_definition(void **state)
{
    (void)state;
    run(8, 4, CASES);
}

/* ---- through reloads ---- */

struct editions {
    size_t every;
    unsigned next;
};

static void publish_now_and_then(struct pipeline *pipeline, size_t batch, void *arg)
{
    struct editions *editions = arg;
    struct err err = {0};
    if (batch % editions->every != editions->every - 1)
        return;
    struct ruleset *set = world_rules(editions->next);
    /* Two retired generations may still be at work: then it is tried again at the next batch. */
    if (pipeline_publish(pipeline, set, &err) == 0)
        editions->next++;
    else
        assert_int_equal(err.code, ERR_BUSY);
    ruleset_unref(set);
}

static void reloads_that_keep_the_windows_change_nothing(void **unused)
{
    (void)unused;
    struct world w;
    uint64_t state = world_seed(5);
    struct ruleset *set = world_rules(0);
    world_make(&w, state, CASES);
    struct pipeline_options options = plant_options(set, 3, NULL);
    struct pipeline *pipeline = plant_start(&options);
    struct editions editions = {w.batches.count / 20, 1};
    drive(&w, pipeline, &state, publish_now_and_then, &editions);
    assert_true(editions.next > 10);
    check_answer(pipeline, &w);
    check_sums(pipeline, &w);
    pipeline_stop(pipeline, NS_PER_S);
    ruleset_unref(set);
    world_free(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_worker_gives_the_definition),
        cmocka_unit_test(two_workers_give_the_definition),
        cmocka_unit_test(three_workers_give_the_definition),
        cmocka_unit_test(eight_workers_give_the_definition),
        cmocka_unit_test(reloads_that_keep_the_windows_change_nothing),
    };
    loop_init();
    log_level_set(LOG_WARN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
