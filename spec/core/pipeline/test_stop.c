/* Stopping: everybody is answered, nothing accepted is lost, and no thread is asked that has ended. */
#include "core/pipeline/plant.h"
#include "data/journal.h"

static struct ruleset *rules(void)
{
    static const struct text_file files[] = {PLANT_ONE, PLANT_THREE};
    return plant_rules(files, 2);
}

/* ---- a stop that cannot wait ---- */

#define HURRIED 400

static void a_stop_without_patience_answers_everybody_and_loses_nothing(void **state)
{
    (void)state;
    struct ruleset *set = rules();
    char data[64];
    plant_folder(data);
    struct pipeline_options options = plant_options(set, 3, data);
    static struct reply replies[HURRIED];
    size_t raised = 0, refused = 0;
    for (int round = 0; round < 3; round++) {
        struct pipeline *pipeline = plant_start(&options);
        for (unsigned i = 0; i < HURRIED; i++) {
            struct buf lines = BUF_EMPTY;
            char user[32];
            snprintf(user, sizeof(user), "u%d-%u", round, i);
            plant_put_event(&lines, "one", user);
            for (int k = 0; k < 3; k++)
                plant_put_event(&lines, "three", user);
            replies[i] = (struct reply){0};
            assert_int_equal(plant_send(pipeline, i, lines.ptr, &replies[i]), ERR_NONE);
            buf_free(&lines);
        }
        pipeline_stop(pipeline, 0);
        for (unsigned i = 0; i < HURRIED; i++) {
            assert_true(replies[i].done);
            assert_true(replies[i].code == ERR_NONE || replies[i].code == ERR_BUSY);
            raised += replies[i].raised;
            refused += replies[i].code == ERR_BUSY;
        }
    }
    struct pipeline *pipeline = plant_start(&options);
    plant_settle(pipeline);
    assert_int_equal(plant_count(pipeline), 3 * HURRIED * 2);
    assert_true(raised + 2 * refused >= 3 * HURRIED * 2);
    assert_int_equal(plant_ledger(pipeline, "events", "judged"), 3 * HURRIED * 4);
    assert_true(tally_balanced(writer_tally(pipeline_writer(pipeline))));
    pipeline_stop(pipeline, 5 * NS_PER_S);
    plant_remove(data);
    ruleset_unref(set);
}

/* ---- a stop while the journal is observed again ---- */

#define KEPT 3000

/* Batches that were journaled and never judged: every user has three events. */
static void append_batches(const char *data)
{
    struct journal_options options = {
        .segment_bytes = 1 << 20, .retain_bytes = UINT64_C(1) << 30, .retain_ns = 86400 * NS_PER_S};
    struct err err = {0};
    char dir[80];
    snprintf(dir, sizeof(dir), "%s/journal", data);
    struct journal *journal = journal_open(dir, &options, 1, &err);
    assert_non_null(journal);
    for (unsigned i = 0; i < KEPT; i++) {
        struct buf line = BUF_EMPTY;
        char user[16];
        snprintf(user, sizeof(user), "u%u", i % (KEPT / 3));
        plant_put_event(&line, "three", user);
        struct journal_frame frame = {
            .accepted_ns = clock_now(&clock_real), .format = JOURNAL_NDJSON, .bytes = buf_str(&line)};
        struct journal_frame *const frames[] = {&frame};
        id_random(frame.id_base.bytes, sizeof(frame.id_base.bytes));
        assert_int_equal(journal_append(journal, frames, 1, &err), 0);
        buf_free(&line);
    }
    journal_close(journal);
}

static void a_stop_in_the_middle_of_recovery_leaves_the_rest_to_the_next_start(void **state)
{
    (void)state;
    struct ruleset *set = rules();
    struct err err = {0};
    char data[64];
    plant_folder(data);
    struct pipeline_options options = plant_options(set, 3, data);
    pipeline_stop(plant_start(&options), NS_PER_S);
    append_batches(data);
    for (int i = 0; i < 4; i++) {
        struct pipeline *pipeline = pipeline_start(&options, &err);
        assert_non_null(pipeline);
        while (i && pipeline_replayed(pipeline) < (unsigned)i * 100)
            usleep(100);
        pipeline_stop(pipeline, i % 2 ? NS_PER_S : 0);
    }
    struct pipeline *pipeline = plant_start(&options);
    plant_settle(pipeline);
    assert_int_equal(plant_ledger(pipeline, "events", "judged"), KEPT);
    assert_int_equal(plant_ledger(pipeline, "three", "raised"), KEPT / 3);
    assert_int_equal(plant_ledger(pipeline, "three", "waiting"), KEPT - KEPT / 3);
    assert_int_equal(plant_count(pipeline), KEPT / 3);
    pipeline_stop(pipeline, 5 * NS_PER_S);
    plant_remove(data);
    ruleset_unref(set);
}

/* ---- who asks to the last ---- */

struct asking {
    struct query query; /* first: cast back from it */
    atomic_bool *ended;
    atomic_uint *answered;
};

static void answer_after_the_servers(struct query *query, struct store_reader *reader)
{
    struct asking *asking = (struct asking *)query;
    assert_true(store_last_seq(reader) == 0);
    while (!atomic_load(asking->ended))
        usleep(100);
}

static void count_answer(struct query *query)
{
    struct asking *asking = (struct asking *)query;
    atomic_fetch_add(asking->answered, 1);
    free(asking);
}

static void servers_end(struct worker *worker, void *context)
{
    (void)worker;
    atomic_store((atomic_bool *)context, true);
}

static void a_query_under_way_is_answered_before_its_worker_ends(void **state)
{
    (void)state;
    struct ruleset *set = rules();
    atomic_bool ended = false;
    atomic_uint answered = 0;
    struct pipeline_options options = plant_options(set, 2, NULL);
    options.worker_ending = servers_end;
    options.context = &ended;
    struct pipeline *pipeline = plant_start(&options);
    for (unsigned i = 0; i < 20; i++) {
        struct asking *asking = mem_zalloc(1, sizeof(*asking));
        asking->query.run = answer_after_the_servers;
        asking->query.done = count_answer;
        asking->query.reply_to = worker_mailbox(pipeline_worker(pipeline, i % 2));
        asking->ended = &ended;
        asking->answered = &answered;
        assert_true(readers_ask(pipeline_readers(pipeline), &asking->query));
    }
    pipeline_stop(pipeline, 0);
    assert_int_equal(answered, 20);
    ruleset_unref(set);
}

static void nothing_is_taken_in_once_the_servers_end(struct worker *worker, void *context)
{
    struct reply reply = {0};
    struct plant_call call = {
        .body = "{}", .source = "", .customer = "", .format = JOURNAL_NDJSON, .reply = &reply};
    struct writer_task *task = mem_zalloc(1, sizeof(*task));
    *task = (struct writer_task){.run = plant_run_nothing, .done = plant_free_task};
    plant_submit(worker, &call);
    bool asked = writer_ask(pipeline_writer(worker_pipeline(worker)), task);
    if (call.rc == -1 && call.err.code == ERR_BUSY && !asked)
        atomic_fetch_add((atomic_uint *)context, 1);
    if (!asked)
        free(task);
}

static void a_pipeline_that_ends_takes_nothing_in(void **state)
{
    (void)state;
    struct ruleset *set = rules();
    atomic_uint refused = 0;
    struct pipeline_options options = plant_options(set, 3, NULL);
    options.worker_ending = nothing_is_taken_in_once_the_servers_end;
    options.context = &refused;
    pipeline_stop(plant_start(&options), NS_PER_S);
    assert_int_equal(refused, 3);
    ruleset_unref(set);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_stop_without_patience_answers_everybody_and_loses_nothing),
        cmocka_unit_test(a_stop_in_the_middle_of_recovery_leaves_the_rest_to_the_next_start),
        cmocka_unit_test(a_query_under_way_is_answered_before_its_worker_ends),
        cmocka_unit_test(a_pipeline_that_ends_takes_nothing_in),
    };
    loop_init();
    log_level_set(LOG_OFF);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
