/* kill -9 at any moment: a child runs the pipeline on a data folder and is killed; the next one finds every
 * acknowledged event again, in threats and in half-full windows, and the ledger adds up. What was not
 * acknowledged is sent again, as a sender would. */
#include <signal.h>
#include <sys/wait.h>

#include "core/pipeline/same_world.h"
#include "pipeline/worker_impl.h"

#if SANITIZED
#define SEEDS 3
#define CASES 25
#else
#define SEEDS 12
#define CASES 60
#endif
#define LIVES 4 /* the last one is not killed */

/* ---- one life ---- */

struct life {
    uint64_t chance;
    int acks; /* written to: the number of each answered batch */
    bool saves;
};

static void tell_ack(struct reply *reply)
{
    const uint32_t *mail = reply->told_arg;
    if (reply->code == ERR_NONE)
        assert_int_equal(write((int)mail[0], &mail[1], sizeof(mail[1])), sizeof(mail[1]));
}

static void save_worker(struct worker *worker, void *arg)
{
    worker_save(worker, *(bool *)arg);
}

/* What the clocks would do every second or five: folds and ledger are committed, windows saved. */
static void flush_or_save(struct pipeline *pipeline, size_t batch, void *arg)
{
    struct life *life = arg;
    (void)batch;
    if (life->saves && case_below(&life->chance, 40) == 0)
        plant_flush(pipeline);
    if (life->saves && case_below(&life->chance, 30) == 0) {
        bool all = case_below(&life->chance, 3) == 0;
        for (unsigned i = 0; i < pipeline_workers(pipeline); i++)
            if (case_below(&life->chance, 8))
                pipeline_on_worker(pipeline, i, save_worker, &all);
    }
}

static struct pipeline *begin_life(const char *data, unsigned workers, struct ruleset *set)
{
    struct pipeline_options options = plant_options(set, workers, data);
    return plant_start(&options);
}

static _Noreturn void live_until_killed(struct world *w, const char *data, unsigned workers,
                                        struct life *life)
{
    struct ruleset *set = world_rules(0);
    uint32_t(*mails)[2] = mem_zalloc(w->batches.count, sizeof(*mails));
    for (uint32_t i = 0; i < w->batches.count; i++) {
        mails[i][0] = (uint32_t)life->acks;
        mails[i][1] = i;
        w->batches.items[i].reply = (struct reply){.told = tell_ack, .told_arg = mails[i]};
    }
    struct pipeline *pipeline = begin_life(data, workers, set);
    drive(w, pipeline, &life->chance, flush_or_save, life);
    for (;;)
        pause(); /* everything is answered: the end still comes by the signal */
}

/* Reads acknowledgements; kills after so many of them, or when all have come. */
static void kill_after(struct world *w, pid_t child, int acks, size_t left)
{
    uint32_t batch;
    ssize_t n;
    while ((n = read(acks, &batch, sizeof(batch))) == (ssize_t)sizeof(batch)) {
        w->batches.items[batch].answered = true;
        if (left && --left == 0)
            kill(child, SIGKILL);
    }
    assert_int_equal(n, 0);
}

static size_t unanswered(const struct world *w)
{
    size_t count = 0;
    for (size_t i = 0; i < w->batches.count; i++)
        count += !w->batches.items[i].answered;
    return count;
}

static void one_killed_life(struct world *w, const char *data, unsigned workers, uint64_t *state)
{
    int acks[2], status;
    size_t left = unanswered(w);
    struct life life = {.chance = case_random(state), .saves = case_below(state, 4) != 0};
    size_t after = left ? 1 + case_below(state, left) : 0;
    if (left == 0)
        return;
    assert_int_equal(pipe(acks), 0);
    fflush(stdout);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        close(acks[0]);
        life.acks = acks[1];
        live_until_killed(w, data, workers, &life);
    }
    close(acks[1]);
    kill_after(w, child, acks[0], after);
    close(acks[0]);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

/* ---- after the last ---- */

/* Exact for groups, whose windows know each event. Without a group only the threats do: an event that was
 * sent twice around a crash is held by its threat either way, and its second pair may count as a fold instead
 * of a repetition. */
static void check_fired(struct pipeline *pipeline, const struct world *w, uint64_t seed)
{
    int64_t fired = plant_ledger(pipeline, "pairs", "raised") + plant_ledger(pipeline, "pairs", "folded");
    int64_t singles = plant_ledger(pipeline, "same.single7", "raised") +
                      plant_ledger(pipeline, "same.single7", "folded");
    int64_t twice = plant_ledger(pipeline, "same.single7", "matched") - w->singles;
    if (fired - singles == w->fired - w->singles && singles >= w->singles && singles <= w->singles + twice)
        return;
    fail_msg(
        "seed %llu: %lld pairs of groups fired, %lld were to; %lld others, %lld were to, %lld came twice",
        (unsigned long long)seed, (long long)(fired - singles), (long long)(w->fired - w->singles),
        (long long)singles, (long long)w->singles, (long long)twice);
}

static void check_sums(struct pipeline *pipeline, const struct world *w, uint64_t seed)
{
    struct pipeline_health health;
    pipeline_health(pipeline, &health);
    assert_true(health.balanced);
    assert_int_equal(health.pending_events, 0);
    assert_int_equal(health.judged, health.journal_last);
    int64_t judged = plant_ledger(pipeline, "events", "judged");
    assert_int_equal(plant_ledger(pipeline, "events", "accepted"), judged);
    assert_int_equal(plant_ledger(pipeline, "events", "received"), judged);
    assert_true(judged >= w->events);
    check_fired(pipeline, w, seed);
}

static void last_life(struct world *w, const char *data, unsigned workers, uint64_t seed, uint64_t *state)
{
    struct ruleset *set = world_rules(0);
    struct life life = {.chance = case_random(state), .saves = true};
    struct lines got = {0};
    struct pipeline *pipeline = begin_life(data, workers, set);
    drive(w, pipeline, state, flush_or_save, &life);
    plant_threats(pipeline, &got);
    if (lines_differ(&w->expected, &got))
        fail_msg("seed %llu, %u workers: not the same", (unsigned long long)seed, workers);
    check_sums(pipeline, w, seed);
    lines_free(&got);
    pipeline_stop(pipeline, 5 * NS_PER_S);
    ruleset_unref(set);
}

static void survives(uint64_t seed)
{
    static const unsigned counts[] = {1, 2, 3, 8};
    struct world w;
    char data[64];
    uint64_t state = seed;
    plant_folder(data);
    world_make(&w, seed, CASES);
    for (unsigned life = 0; life + 1 < LIVES; life++)
        one_killed_life(&w, data, counts[case_below(&state, 4)], &state);
    last_life(&w, data, counts[case_below(&state, 4)], seed, &state);
    plant_remove(data);
    world_free(&w);
}

static void nothing_acknowledged_is_lost(void **state)
{
    (void)state;
    for (uint64_t seed = 100; seed < 100 + SEEDS; seed++)
        survives(world_seed(seed));
}

/* ---- after a clean stop ---- */

static void a_clean_stop_leaves_nothing_to_observe_again(void **unused)
{
    (void)unused;
    struct world w;
    char data[64];
    uint64_t state = 9;
    struct ruleset *set = world_rules(0);
    plant_folder(data);
    world_make(&w, 9, CASES / 2);
    struct world half = w;
    half.batches.count = w.batches.count / 2;
    struct pipeline *pipeline = begin_life(data, 3, set);
    drive(&half, pipeline, &state, NULL, NULL);
    pipeline_stop(pipeline, 10 * NS_PER_S);

    struct lines got = {0};
    pipeline = begin_life(data, 2, set);
    assert_int_equal(pipeline_replayed(pipeline), 0);
    drive(&w, pipeline, &state, NULL, NULL);
    plant_threats(pipeline, &got);
    assert_int_equal(lines_differ(&w.expected, &got), 0);
    check_sums(pipeline, &w, 9);
    assert_int_equal(plant_ledger(pipeline, "events", "judged"), w.events);
    pipeline_stop(pipeline, 10 * NS_PER_S);
    lines_free(&got);
    plant_remove(data);
    world_free(&w);
    ruleset_unref(set);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_clean_stop_leaves_nothing_to_observe_again),
        cmocka_unit_test(nothing_acknowledged_is_lost),
    };
    loop_init();
    log_level_set(LOG_ERROR);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
