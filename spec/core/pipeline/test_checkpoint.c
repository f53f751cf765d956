/* What the checkpoint thread writes and when it stands: a new file is the log only with every worker's whole
 * state in it, and what is lost is made good by whole states. */
#include <signal.h>
#include <sys/resource.h>

#include "core/pipeline/plant.h"
#include "pipeline/checkpoint.h"

#define WORKERS 3

static const struct group_spec spec = {.state = 7,
                                       .window_ns = 600 * NS_PER_S,
                                       .late_ns = 30 * NS_PER_S,
                                       .count = 3,
                                       .groups = 1000,
                                       .times = 1000};

struct desk {
    char folder[64];
    struct store *store;
    struct writer *writer;
    struct state_log *log;
    struct checkpoint *checkpoint;
    struct group_shard *shards[GROUP_SHARDS];
    unsigned events;
};

static void open_desk(struct desk *desk)
{
    static const uint64_t nothing[GROUP_SHARDS];
    struct err err = {0};
    *desk = (struct desk){0};
    plant_folder(desk->folder);
    desk->store = store_open(NULL, &err);
    struct writer_options options = {.store = desk->store, .clock = &clock_real};
    desk->writer = writer_new(&options, &err); /* never started: nothing is durable but batch 0 */
    desk->log = state_log_open(desk->folder, &err);
    desk->checkpoint = checkpoint_start(desk->log, desk->writer, WORKERS, nothing, &err);
    assert_non_null(desk->checkpoint);
    for (unsigned i = 0; i < GROUP_SHARDS; i++)
        desk->shards[i] = group_shard_new(1 << 20);
}

/* What lies on the disk now, as a crash would leave it. */
static void stop_checkpoint(struct desk *desk)
{
    checkpoint_stop(desk->checkpoint);
    state_log_close(desk->log);
    desk->checkpoint = NULL;
    desk->log = NULL;
}

static void close_desk(struct desk *desk)
{
    if (desk->checkpoint)
        stop_checkpoint(desk);
    for (unsigned i = 0; i < GROUP_SHARDS; i++)
        group_shard_free(desk->shards[i]);
    writer_free(desk->writer);
    store_close(desk->store);
    plant_remove(desk->folder);
}

static void observe(struct desk *desk, unsigned shard)
{
    struct group_entry entry = {.time_ns = (1000 + desk->events) * NS_PER_S};
    memcpy(entry.id.bytes, &desk->events, sizeof(desk->events));
    desk->events++;
    group_observe(desk->shards[shard], &spec, STR("ana"), &entry, desk->events);
}

static void save_at(struct desk *desk, unsigned worker, uint64_t stands_at, bool all, uint64_t knows_of)
{
    struct saved_state *saved = mem_zalloc(1, sizeof(*saved));
    saved->worker = worker;
    saved->stands_at = stands_at;
    saved->knows_of = knows_of;
    saved->all = all;
    for (unsigned i = worker; i < GROUP_SHARDS; i += WORKERS) {
        buf_reserve(&saved->shards[i], 1);
        group_save(desk->shards[i], all, &saved->shards[i]);
        saved->bytes += group_bytes(desk->shards[i]);
    }
    checkpoint_take(desk->checkpoint, saved);
}

static void save(struct desk *desk, unsigned worker, uint64_t stands_at, bool all)
{
    save_at(desk, worker, stands_at, all, 0);
}

static void until_needs_from(struct desk *desk, uint64_t batch)
{
    while (checkpoint_needs_from(desk->checkpoint) != batch)
        usleep(200);
}

struct found {
    struct group_shard *shards[GROUP_SHARDS];
    uint64_t stands_at[GROUP_SHARDS];
    size_t records;
};

static int find_record(unsigned shard, uint64_t batch, struct str payload, void *arg)
{
    struct found *found = arg;
    struct err err = {0};
    if (group_load(found->shards[shard], payload, &err) != 0)
        fail_msg("%s", err_text(&err));
    found->stands_at[shard] = batch;
    found->records++;
    return 0;
}

/* The log on the disk gives each shard's state, standing at its worker's batch; `at` NULL: it holds nothing.
 */
static void check_log(struct desk *desk, const uint64_t *at)
{
    struct found found = {0};
    struct err err = {0};
    struct state_log *log = state_log_open(desk->folder, &err);
    for (unsigned i = 0; i < GROUP_SHARDS; i++)
        found.shards[i] = group_shard_new(1 << 20);
    assert_int_equal(state_log_replay(log, find_record, &found, &err), 0);
    for (unsigned i = 0; i < GROUP_SHARDS; i++) {
        struct buf kept = BUF_EMPTY, had = BUF_EMPTY;
        group_dump(found.shards[i], &kept);
        group_dump(desk->shards[i], &had);
        if (at) {
            assert_int_equal(found.stands_at[i], at[i % WORKERS]);
            assert_true(str_equal(buf_str(&kept), buf_str(&had)));
        }
        buf_free(&kept);
        buf_free(&had);
        group_shard_free(found.shards[i]);
    }
    assert_true(at || found.records == 0);
    state_log_close(log);
}

static void observe_all(struct desk *desk)
{
    for (unsigned i = 0; i < GROUP_SHARDS; i++)
        observe(desk, i);
}

static void a_new_file_stands_when_all_workers_are_in_it(void **state)
{
    (void)state;
    struct desk desk;
    open_desk(&desk);
    observe_all(&desk);
    for (unsigned w = 0; w < WORKERS; w++) {
        assert_true(checkpoint_wants_all(desk.checkpoint, w));
        assert_int_equal(checkpoint_needs_from(desk.checkpoint), 1);
        save(&desk, w, 10 + w, true);
        assert_false(checkpoint_wants_all(desk.checkpoint, w));
    }
    until_needs_from(&desk, 11);
    stop_checkpoint(&desk);
    check_log(&desk, (const uint64_t[]){10, 11, 12});
    close_desk(&desk);
}

static void one_workers_state_twice_is_not_anothers(void **state)
{
    (void)state;
    struct desk desk;
    open_desk(&desk);
    observe_all(&desk);
    save(&desk, 0, 10, true);
    save(&desk, 1, 10, true);
    save(&desk, 0, 20, true);
    save(&desk, 1, 20, true);
    stop_checkpoint(&desk); /* has written all that was taken */
    check_log(&desk, NULL);
    close_desk(&desk);
}

static void differences_follow_the_whole(void **state)
{
    (void)state;
    struct desk desk;
    open_desk(&desk);
    observe_all(&desk);
    save(&desk, 0, 10, true);
    observe_all(&desk);
    save(&desk, 0, 15, false);
    save(&desk, 1, 16, true);
    save(&desk, 2, 17, true);
    observe_all(&desk);
    for (unsigned w = 0; w < WORKERS; w++)
        save(&desk, w, 30 + w, false);
    until_needs_from(&desk, 31);
    stop_checkpoint(&desk);
    check_log(&desk, (const uint64_t[]){30, 31, 32});
    close_desk(&desk);
}

static void what_the_store_does_not_know_yet_waits(void **state)
{
    (void)state;
    struct desk desk;
    open_desk(&desk);
    observe_all(&desk);
    for (unsigned w = 0; w < WORKERS; w++)
        save_at(&desk, w, 10, true, w == 1); /* worker 1's holds something of batch 1 */
    stop_checkpoint(&desk);
    check_log(&desk, NULL);
    close_desk(&desk);
}

static void limit_files(rlim_t bytes)
{
    struct rlimit limit;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = bytes ? bytes : limit.rlim_max;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static void until_wanted(struct desk *desk, unsigned worker)
{
    while (!checkpoint_wants_all(desk->checkpoint, worker))
        usleep(200);
}

static void a_write_that_fails_is_made_good_by_whole_states(void **state)
{
    (void)state;
    struct desk desk;
    open_desk(&desk);
    observe_all(&desk);
    for (unsigned w = 0; w < WORKERS; w++)
        save(&desk, w, 10, true);
    until_needs_from(&desk, 11);

    limit_files(64);
    observe_all(&desk);
    save(&desk, 1, 20, false);
    until_wanted(&desk, 0);
    limit_files(0);
    for (unsigned w = 0; w < WORKERS; w++)
        assert_true(checkpoint_wants_all(desk.checkpoint, w));
    observe_all(&desk);
    save(&desk, 0, 25, false); /* was under way: it differs from what the log lacks */
    save(&desk, 1, 30, true);
    save(&desk, 2, 30, true);
    observe(&desk, 1);
    save(&desk, 1, 31, false);
    assert_int_equal(checkpoint_needs_from(desk.checkpoint), 11);
    save(&desk, 0, 30, true);
    until_needs_from(&desk, 31);
    stop_checkpoint(&desk);
    check_log(&desk, (const uint64_t[]){30, 31, 30});
    close_desk(&desk);
}

static void a_crash_in_the_middle_of_a_new_file_finds_the_old_one(void **state)
{
    (void)state;
    struct desk desk;
    open_desk(&desk);
    observe_all(&desk);
    for (unsigned w = 0; w < WORKERS; w++)
        save(&desk, w, 10, true);
    until_needs_from(&desk, 11);
    struct buf had = BUF_EMPTY, kept = BUF_EMPTY;
    group_dump(desk.shards[0], &had);

    limit_files(64);
    save(&desk, 2, 20, false);
    until_wanted(&desk, 0);
    limit_files(0);
    observe_all(&desk);
    save(&desk, 0, 30, true); /* the beginning of a new file; the others never come */
    stop_checkpoint(&desk);
    struct found found = {0};
    struct err err = {0};
    struct state_log *log = state_log_open(desk.folder, &err);
    for (unsigned i = 0; i < GROUP_SHARDS; i++)
        found.shards[i] = group_shard_new(1 << 20);
    assert_int_equal(state_log_replay(log, find_record, &found, &err), 0);
    assert_int_equal(found.stands_at[0], 10);
    group_dump(found.shards[0], &kept);
    assert_true(str_equal(buf_str(&kept), buf_str(&had)));
    for (unsigned i = 0; i < GROUP_SHARDS; i++)
        group_shard_free(found.shards[i]);
    state_log_close(log);
    buf_free(&kept);
    buf_free(&had);
    close_desk(&desk);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_new_file_stands_when_all_workers_are_in_it),
        cmocka_unit_test(one_workers_state_twice_is_not_anothers),
        cmocka_unit_test(differences_follow_the_whole),
        cmocka_unit_test(what_the_store_does_not_know_yet_waits),
        cmocka_unit_test(a_write_that_fails_is_made_good_by_whole_states),
        cmocka_unit_test(a_crash_in_the_middle_of_a_new_file_finds_the_old_one),
    };
    signal(SIGXFSZ, SIG_IGN);
    log_level_set(LOG_OFF);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
