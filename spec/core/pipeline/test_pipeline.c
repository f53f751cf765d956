/* The whole pipeline, threads and all: starting, stopping, replies, what is told, what a start finds. */
#include <fcntl.h>

#include "core/pipeline/plant.h"
#include "data/journal_scan.h"

static struct ruleset *rules(void)
{
    static const struct text_file files[] = {
        PLANT_ONE,
        PLANT_THREE,
        {"rules/bad.lua",
         PLANT_RULE("bad",
                    "dedup = { by = { \"user.name\" }, window = \"1h\" },\nseverity_of = function(event) if "
                    "event[\"user.name\"] ~= \"ana\" then error(\"oh\") end end,") PLANT_FIRES("bad", "0")},
    };
    return plant_rules(files, 3);
}

static struct reply ask(struct pipeline *pipeline, unsigned worker, const char *action, const char *user)
{
    struct buf line = BUF_EMPTY;
    plant_put_event(&line, action, user);
    struct reply reply = plant_ask(pipeline, worker, line.ptr);
    buf_free(&line);
    return reply;
}

/* Waits for the clocks of the process. */
static void until_threats(struct pipeline *pipeline, size_t count)
{
    while (plant_count(pipeline) < count)
        usleep(10000);
    assert_int_equal(plant_count(pipeline), count);
}

/* ---- start and stop ---- */

struct lives {
    atomic_uint ready, ending, on_other_thread;
    atomic_ulong threads[8];
};

static void worker_ready(struct worker *worker, void *context)
{
    struct lives *lives = context;
    lives->threads[worker_index(worker)] = (unsigned long)pthread_self();
    atomic_fetch_add(&lives->ready, 1);
}

static void worker_ending(struct worker *worker, void *context)
{
    struct lives *lives = context;
    if (lives->threads[worker_index(worker)] != (unsigned long)pthread_self())
        atomic_fetch_add(&lives->on_other_thread, 1);
    atomic_fetch_add(&lives->ending, 1);
}

static void each_worker_is_told_of_its_beginning_and_its_end(void **state)
{
    (void)state;
    static const unsigned counts[] = {1, 2, 8};
    struct ruleset *set = rules();
    for (size_t i = 0; i < 3; i++) {
        struct lives lives = {0};
        struct pipeline_options options = plant_options(set, counts[i], NULL);
        options.worker_ready = worker_ready;
        options.worker_ending = worker_ending;
        options.context = &lives;
        struct pipeline *pipeline = plant_start(&options);
        assert_int_equal(pipeline_workers(pipeline), counts[i]);
        assert_int_equal(lives.ready, counts[i]);
        pipeline_stop(pipeline, NS_PER_S);
        assert_int_equal(lives.ending, counts[i]);
        assert_int_equal(lives.on_other_thread, 0);
    }
    ruleset_unref(set);
}

static void without_a_data_folder_nothing_survives_and_it_says_so(void **state)
{
    (void)state;
    struct ruleset *set = rules();
    struct pipeline_options options = plant_options(set, 2, NULL);
    struct pipeline_health health;
    for (int i = 0; i < 2; i++) {
        struct pipeline *pipeline = plant_start(&options);
        pipeline_health(pipeline, &health);
        assert_false(health.durable);
        assert_int_equal(ask(pipeline, 0, "one", "ana").raised, 1);
        pipeline_stop(pipeline, NS_PER_S);
    }
    ruleset_unref(set);
}

static void a_second_start_goes_on_where_the_first_stopped(void **state)
{
    (void)state;
    struct ruleset *set = rules();
    char data[64], epoch[17];
    struct pipeline_health health;
    plant_folder(data);
    struct pipeline_options options = plant_options(set, 2, data);
    struct pipeline *pipeline = plant_start(&options);
    snprintf(epoch, sizeof(epoch), "%s", pipeline_epoch(pipeline));
    assert_int_equal(ask(pipeline, 0, "one", "ana").raised, 1);
    ask(pipeline, 1, "three", "ana");
    struct reply last = ask(pipeline, 0, "three", "ana");
    pipeline_stop(pipeline, 5 * NS_PER_S);

    options.workers = 3;
    pipeline = plant_start(&options);
    pipeline_health(pipeline, &health);
    assert_true(health.durable && health.recovered && health.balanced);
    assert_string_equal(pipeline_epoch(pipeline), epoch);
    assert_int_equal(pipeline_replayed(pipeline), 0);
    assert_int_equal(ask(pipeline, 2, "one", "ana").raised, 0); /* it folds */
    struct reply reply = ask(pipeline, 1, "three", "ana");      /* the third */
    assert_int_equal(reply.raised, 1);
    assert_int_equal(reply.number, last.number + 2);
    assert_int_equal(plant_count(pipeline), 2);
    pipeline_stop(pipeline, 5 * NS_PER_S);
    plant_remove(data);
    ruleset_unref(set);
}

static void a_start_that_cannot_be_says_why(void **state)
{
    (void)state;
    struct ruleset *set = rules();
    struct err err = {0};
    char data[64], path[80];
    plant_folder(data);
    snprintf(path, sizeof(path), "%s/file", data);
    close(open(path, O_CREAT | O_WRONLY, 0600));
    struct pipeline_options options = plant_options(set, 2, path);
    assert_null(pipeline_start(&options, &err));
    assert_int_equal(err.code, ERR_IO);
    snprintf(path, sizeof(path), "%s/none/below", data);
    assert_null(pipeline_start(&options, &err));

    options.data = data;
    struct pipeline *pipeline = plant_start(&options);
    err = (struct err){0};
    assert_null(pipeline_start(&options, &err)); /* another has the folder */
    assert_true(err.code != ERR_NONE && err.message[0]);
    assert_int_equal(ask(pipeline, 0, "one", "ana").raised, 1);
    pipeline_stop(pipeline, NS_PER_S);
    plant_remove(data);
    ruleset_unref(set);
}

/* ---- replies ---- */

struct seen {
    struct pipeline *pipeline;
    bool stored;
    size_t published;
};

static void look_in_store(struct reply *reply)
{
    struct seen *seen = reply->told_arg;
    struct err err = {0};
    struct buf out = BUF_EMPTY;
    uint32_t version;
    struct store_reader *reader = store_reader_open(writer_store(pipeline_writer(seen->pipeline)), &err);
    seen->stored = store_get_threat(reader, str_from(reply->first), STR(""), &version, &out, &err) == 0;
    store_reader_close(reader);
    buf_free(&out);
}

static void the_reply_comes_after_the_commit_and_names_what_is_new(void **state)
{
    (void)state;
    struct ruleset *set = rules();
    char data[64];
    plant_folder(data);
    struct pipeline_options options = plant_options(set, 3, data);
    struct seen seen = {.pipeline = plant_start(&options)};
    for (unsigned i = 0; i < 20; i++) {
        struct reply reply = {.told = look_in_store, .told_arg = &seen};
        struct buf lines = BUF_EMPTY;
        char user[16];
        snprintf(user, sizeof(user), "u%u", i);
        plant_put_event(&lines, "one", user);
        for (int k = 0; k < 3; k++)
            plant_put_event(&lines, "three", user);
        seen.stored = false;
        assert_int_equal(plant_send(seen.pipeline, i, lines.ptr, &reply), ERR_NONE);
        plant_await(&reply);
        assert_int_equal(reply.raised, 2);
        assert_true(id_is_uuid(str_from(reply.first)));
        assert_true(seen.stored);
        buf_free(&lines);
    }
    assert_int_equal(plant_count(seen.pipeline), 40);
    pipeline_stop(seen.pipeline, NS_PER_S);
    plant_remove(data);
    ruleset_unref(set);
}

struct told {
    VEC(struct told_change {
        uint64_t seq;
        bool is_new;
        char id[UUID_TEXT];
    })
    changes;
};

static void published(const struct change *change, void *context)
{
    struct told *told = context;
    struct told_change c = {.seq = change->seq, .is_new = change->is_new};
    memcpy(c.id, change->threat->id, UUID_TEXT);
    pthread_mutex_lock(&plant_lock);
    vec_push(&told->changes, c);
    pthread_mutex_unlock(&plant_lock);
}

static void changes_are_told_in_order_and_before_the_reply(void **state)
{
    (void)state;
    struct ruleset *set = rules();
    struct told told = {0};
    struct pipeline_options options = plant_options(set, 2, NULL);
    options.published = published;
    options.context = &told;
    struct pipeline *pipeline = plant_start(&options);
    for (unsigned i = 0; i < 200; i++) {
        char user[16];
        snprintf(user, sizeof(user), "u%u", i % 50);
        struct reply reply = ask(pipeline, i, "one", user);
        assert_int_equal(reply.raised, i < 50);
        if (i >= 50)
            continue;
        pthread_mutex_lock(&plant_lock);
        const struct told_change *last = &told.changes.items[told.changes.count - 1];
        while (!last->is_new) /* what follows up on earlier ones comes between */
            last--;
        assert_string_equal(last->id, reply.first);
        pthread_mutex_unlock(&plant_lock);
    }
    plant_settle(pipeline);
    pipeline_stop(pipeline, NS_PER_S);
    size_t news = 0;
    for (size_t i = 0; i < told.changes.count; i++) {
        assert_int_equal(told.changes.items[i].seq, i + 1);
        news += told.changes.items[i].is_new;
    }
    assert_int_equal(news, 50);
    assert_true(told.changes.count > 50); /* and folds */
    vec_free(&told.changes);
    ruleset_unref(set);
}

static void what_is_refused_at_once_leaves_no_trace(void **state)
{
    (void)state;
    struct ruleset *set = rules();
    struct pipeline_options options = plant_options(set, 1, NULL);
    struct pipeline *pipeline = plant_start(&options);
    struct reply reply = {0};
    struct plant_call call = {
        .body = "[{}", .source = "", .customer = "", .format = JOURNAL_ARRAY, .reply = &reply};
    pipeline_on_worker(pipeline, 0, plant_submit, &call);
    assert_int_equal(call.rc, -1);
    assert_int_equal(call.err.code, ERR_INVALID);
    call.source = "nobody";
    call.body = "[{}]";
    pipeline_on_worker(pipeline, 0, plant_submit, &call);
    assert_int_equal(call.err.code, ERR_NOT_FOUND);
    struct pipeline_health health;
    pipeline_health(pipeline, &health);
    assert_int_equal(health.pending_bytes, 0);
    assert_int_equal(health.journal_last, 0);
    assert_false(reply.done);
    pipeline_stop(pipeline, NS_PER_S);
    ruleset_unref(set);
}

static void what_holds_no_event_is_answered_and_counted(void **state)
{
    (void)state;
    struct ruleset *set = rules();
    char data[64];
    plant_folder(data);
    struct pipeline_options options = plant_options(set, 2, data);
    struct pipeline *pipeline = plant_start(&options);
    struct reply reply = plant_ask(pipeline, 1, "7\n{broken\n");
    assert_true(reply.accepted == 0 && reply.rejected == 2 && reply.number == 0 && reply.code == ERR_NONE);
    reply = plant_ask(pipeline, 1, "{}\n{broken\n");
    assert_true(reply.accepted == 1 && reply.rejected == 1 && reply.number == 1);
    pipeline_stop(pipeline, 5 * NS_PER_S); /* also what no batch carries is saved */
    pipeline = plant_start(&options);
    assert_int_equal(plant_ledger(pipeline, "events", "received"), 4);
    assert_int_equal(plant_ledger(pipeline, "events", "judged"), 1);
    assert_true(tally_balanced(writer_tally(pipeline_writer(pipeline))));
    pipeline_stop(pipeline, 5 * NS_PER_S);
    plant_remove(data);
    ruleset_unref(set);
}

/* ---- what a start finds in the journal ---- */

/* Batches that were journaled, each in a segment of its own, and never judged. */
static void append_batches(const char *data, unsigned count)
{
    struct journal_options options = {
        .segment_bytes = 1, .retain_bytes = UINT64_C(1) << 30, .retain_ns = 86400 * NS_PER_S};
    struct err err = {0};
    char dir[80];
    snprintf(dir, sizeof(dir), "%s/journal", data);
    struct journal *journal = journal_open(dir, &options, 1, &err);
    assert_non_null(journal);
    for (unsigned i = 0; i < count; i++) {
        struct journal_frame frame = {.accepted_ns = clock_now(&clock_real),
                                      .format = JOURNAL_NDJSON,
                                      .bytes = STR("{\"event.action\":\"three\",\"user.name\":\"ana\"}")};
        struct journal_frame *const frames[] = {&frame};
        id_random(frame.id_base.bytes, sizeof(frame.id_base.bytes));
        assert_int_equal(journal_append(journal, frames, 1, &err), 0);
        assert_int_equal(frame.batch, 2 + i);
    }
    journal_close(journal);
}

/* Spoils the end of the segment that begins with this batch. */
static void damage_segment(const char *data, uint64_t batch)
{
    struct buf path = BUF_EMPTY;
    char dir[80];
    snprintf(dir, sizeof(dir), "%s/journal", data);
    int fd = open(journal_segment_path(dir, batch, &path), O_WRONLY);
    off_t size = lseek(fd, 0, SEEK_END);
    assert_true(fd >= 0 && size > 8);
    assert_int_equal(pwrite(fd, "spoiled!", 8, size - 8), 8);
    close(fd);
    buf_free(&path);
}

static void what_was_journaled_and_never_judged_is_judged_at_the_next_start(void **state)
{
    (void)state;
    struct ruleset *set = rules();
    char data[64];
    plant_folder(data);
    struct pipeline_options options = plant_options(set, 2, data);
    struct pipeline *pipeline = plant_start(&options);
    ask(pipeline, 0, "one", "ana");
    pipeline_stop(pipeline, 5 * NS_PER_S);
    append_batches(data, 300);
    pipeline = plant_start(&options);
    assert_int_equal(pipeline_replayed(pipeline), 300);
    plant_settle(pipeline);
    assert_int_equal(plant_count(pipeline), 2);
    assert_int_equal(plant_ledger(pipeline, "events", "judged"), 301);
    assert_int_equal(plant_ledger(pipeline, "three", "waiting"), 2);
    assert_int_equal(plant_ledger(pipeline, "three", "raised"), 1);
    assert_int_equal(plant_ledger(pipeline, "three", "folded"), 297);
    pipeline_stop(pipeline, 5 * NS_PER_S);
    plant_remove(data);
    ruleset_unref(set);
}

static void a_batch_that_the_disk_lost_stops_nothing_behind_it(void **state)
{
    (void)state;
    struct ruleset *set = rules();
    char data[64];
    plant_folder(data);
    struct pipeline_options options = plant_options(set, 2, data);
    struct pipeline *pipeline = plant_start(&options);
    ask(pipeline, 0, "one", "ana");
    pipeline_stop(pipeline, 5 * NS_PER_S);
    append_batches(data, 9);
    damage_segment(data, 4);
    damage_segment(data, 5);
    damage_segment(data, 10); /* the last one */
    pipeline = plant_start(&options);
    struct reply reply = ask(pipeline, 1, "one", "bo");
    assert_true(reply.number >= 10);
    plant_settle(pipeline);
    assert_int_equal(plant_ledger(pipeline, "events", "judged"), 1 + 6 + 1);
    assert_int_equal(plant_ledger(pipeline, "three", "matched"), 6);
    assert_true(tally_balanced(writer_tally(pipeline_writer(pipeline))));
    pipeline_stop(pipeline, 5 * NS_PER_S);
    plant_remove(data);
    ruleset_unref(set);
}

/* ---- the platform's own threats ---- */

static void a_suspended_callback_raises_one_threat_of_the_platform(void **state)
{
    (void)state;
    struct ruleset *set = rules();
    struct pipeline_options options = plant_options(set, 2, NULL);
    struct pipeline *pipeline = plant_start(&options);
    for (unsigned i = 0; i < 8; i++) {
        char user[16];
        snprintf(user, sizeof(user), "u%u", i);
        assert_int_equal(ask(pipeline, i, "bad", user).raised, 1);
    }
    until_threats(pipeline, 9);
    ask(pipeline, 0, "one", "ana");
    plant_settle(pipeline);
    assert_true(tally_balanced(writer_tally(pipeline_writer(pipeline))));
    assert_int_equal(plant_ledger(pipeline, "pairs", "raised"), 9); /* it is no pair */
    assert_int_equal(plant_count(pipeline), 10);
    pipeline_stop(pipeline, NS_PER_S);
    ruleset_unref(set);
}

static void windows_that_do_not_fit_raise_one_threat_of_the_platform(void **state)
{
    (void)state;
    struct ruleset *set = rules();
    struct pipeline_options options = plant_options(set, 2, NULL);
    struct buf lines = BUF_EMPTY;
    options.state_max = GROUP_SHARDS * 4096;
    struct pipeline *pipeline = plant_start(&options);
    for (unsigned i = 0; i < 4000; i++) {
        char user[16];
        snprintf(user, sizeof(user), "u%u", i);
        plant_put_event(&lines, "three", user);
    }
    assert_int_equal(plant_ask(pipeline, 0, lines.ptr).raised, 0);
    until_threats(pipeline, 1);
    plant_settle(pipeline);
    assert_true(tally_balanced(writer_tally(pipeline_writer(pipeline))));
    assert_int_equal(plant_ledger(pipeline, "three", "waiting"), 4000);
    buf_free(&lines);
    pipeline_stop(pipeline, NS_PER_S);
    ruleset_unref(set);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_worker_is_told_of_its_beginning_and_its_end),
        cmocka_unit_test(without_a_data_folder_nothing_survives_and_it_says_so),
        cmocka_unit_test(a_second_start_goes_on_where_the_first_stopped),
        cmocka_unit_test(a_start_that_cannot_be_says_why),
        cmocka_unit_test(the_reply_comes_after_the_commit_and_names_what_is_new),
        cmocka_unit_test(changes_are_told_in_order_and_before_the_reply),
        cmocka_unit_test(what_is_refused_at_once_leaves_no_trace),
        cmocka_unit_test(what_holds_no_event_is_answered_and_counted),
        cmocka_unit_test(what_was_journaled_and_never_judged_is_judged_at_the_next_start),
        cmocka_unit_test(a_batch_that_the_disk_lost_stops_nothing_behind_it),
        cmocka_unit_test(a_suspended_callback_raises_one_threat_of_the_platform),
        cmocka_unit_test(windows_that_do_not_fit_raise_one_threat_of_the_platform),
    };
    loop_init();
    log_level_set(LOG_OFF);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
