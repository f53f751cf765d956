/* Observations: each accepted one is kept once, with any number of workers, sent again, across a store that
 * fails and across kill -9. */
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "core/pipeline/observe_world.h"

/* ---- what is in the store ---- */

static struct json *observed_of(struct pipeline *pipeline, const char *kind)
{
    struct observation_query query = {.kind = str_from(kind), .limit = 100};
    return observations(writer_store(pipeline_writer(pipeline)), &query);
}

static size_t count_of(struct pipeline *pipeline, const char *kind)
{
    struct json *list = observed_of(pipeline, kind);
    size_t count = json_count(list);
    json_free(list);
    return count;
}

/* Exactly the changes with the ids 0, 1, … count - 1, each once. */
static void assert_ids(struct pipeline *pipeline, unsigned count)
{
    struct json *list = observed_of(pipeline, "change");
    bool seen[128] = {false};
    assert_int_equal(json_count(list), count);
    for (size_t i = 0; i < json_count(list); i++) {
        struct str id = {0};
        assert_true(json_get_str(json_get(json_item(list, i), "body"), "change.id", &id));
        unsigned n = (unsigned)strtoul(id.ptr, NULL, 10);
        assert_true(n < count);
        assert_false(seen[n]);
        seen[n] = true;
    }
    json_free(list);
}

static void assert_ledger(struct pipeline *pipeline, int64_t events)
{
    plant_settle(pipeline);
    assert_true(tally_balanced(writer_tally(pipeline_writer(pipeline))));
    assert_int_equal(plant_ledger(pipeline, "events", "received"), events);
    assert_int_equal(plant_ledger(pipeline, "events", "accepted"), events);
    assert_int_equal(plant_ledger(pipeline, "events", "judged"), events);
}

/* ---- sending ---- */

static enum err_code post(struct pipeline *pipeline, unsigned worker, struct plant_call call)
{
    call.customer = call.customer ? call.customer : "";
    call.format = JOURNAL_NDJSON;
    if (id_compare(&call.id_base, &(struct id128){0}) == 0)
        id_random(call.id_base.bytes, sizeof(call.id_base.bytes));
    pipeline_on_worker(pipeline, worker % pipeline_workers(pipeline), plant_submit, &call);
    return call.rc == 0 ? ERR_NONE : call.err.code;
}

static void post_and_wait(struct pipeline *pipeline, unsigned worker, const char *source, const char *lines)
{
    struct reply reply = {0};
    struct plant_call call = {.source = source, .body = lines, .reply = &reply};
    assert_int_equal(post(pipeline, worker, call), ERR_NONE);
    plant_await(&reply);
    assert_int_equal(reply.code, ERR_NONE);
    assert_int_equal(reply.rejected, 0);
}

static void put_change(struct buf *out, unsigned id)
{
    buf_clear(out);
    buf_printf(out, "{\"kind\":\"deploy\",\"id\":%u,\"service\":\"api\",\"host\":\"web-%u\"}\n", id, id % 7);
}

/* ---- in the pipeline ---- */

static void whoever_is_answered_finds_it(void **state)
{
    (void)state;
    static const unsigned workers[] = {1, 2, 8};
    struct ruleset *set = shipped_rules();
    struct buf line = BUF_EMPTY;
    for (unsigned i = 0; i < 3; i++) {
        struct pipeline_options options = plant_options(set, workers[i], NULL);
        struct pipeline *pipeline = plant_start(&options);
        for (unsigned n = 0; n < 16; n++) {
            put_change(&line, n);
            post_and_wait(pipeline, n, "change", line.ptr);
            assert_int_equal(count_of(pipeline, "change"), n + 1);
        }
        post_and_wait(pipeline, 1, "news", "{\"title\":\"a\"}\n{\"title\":\"b\"}\n");
        post_and_wait(pipeline, 2, "egress", "{\"src_ip\":\"10.0.0.1\"}\n");
        assert_ids(pipeline, 16);
        assert_int_equal(count_of(pipeline, "news"), 2);
        assert_int_equal(count_of(pipeline, "egress"), 1);
        assert_ledger(pipeline, 19);
        pipeline_stop(pipeline, 5 * NS_PER_S);
    }
    buf_free(&line);
    ruleset_unref(set);
}

static void it_goes_through_the_rules_as_well(void **state)
{
    (void)state;
    struct ruleset *set = shipped_rules();
    struct pipeline_options options = plant_options(set, 2, NULL);
    struct pipeline *pipeline = plant_start(&options);
    struct reply reply = {0};
    struct plant_call call = {.source = "egress",
                              .body = "{\"action\":\"ONE\",\"user\":\"ana\",\"policy\":\"p\"}",
                              .reply = &reply};
    assert_int_equal(post(pipeline, 1, call), ERR_NONE);
    plant_await(&reply);
    assert_int_equal(reply.raised, 1);
    assert_int_equal(count_of(pipeline, "egress"), 1);
    assert_ledger(pipeline, 1);
    assert_int_equal(plant_ledger(pipeline, "one", "raised"), 1);
    pipeline_stop(pipeline, 5 * NS_PER_S);
    ruleset_unref(set);
}

static void sent_again_is_kept_once(void **state)
{
    (void)state;
    struct ruleset *set = shipped_rules();
    struct pipeline_options options = plant_options(set, 2, NULL);
    struct pipeline *pipeline = plant_start(&options);
    struct reply reply;
    struct plant_call call = {.source = "change",
                              .body = "{\"kind\":\"deploy\"}\n{\"kind\":\"config\"}\n",
                              .id_base = {{1, 2, 3}},
                              .reply = &reply};
    for (unsigned i = 0; i < 4; i++) {
        reply = (struct reply){0};
        assert_int_equal(post(pipeline, i, call), ERR_NONE);
        plant_await(&reply);
    }
    post_and_wait(pipeline, 0, "change", "{\"kind\":\"deploy\",\"event\":{\"id\":\"d-1\"}}");
    post_and_wait(pipeline, 1, "change", "{\"kind\":\"deploy\",\"event\":{\"id\":\"d-1\"}}");
    assert_int_equal(count_of(pipeline, "change"), 3);
    assert_ledger(pipeline, 10);
    pipeline_stop(pipeline, 5 * NS_PER_S);
    ruleset_unref(set);
}

/* A root of one's own may give the source conditions: then it recognises its records among others. */
static void a_source_that_is_recognised_counts_as_well(void **state)
{
    (void)state;
    struct ruleset *set = rules_with((struct text_file){
        "change.lua", "return source { id = \"change\", accepts = { [\"ci.job|exists\"] = true },\n"
                      "  fields = { [\"change.id\"] = \"ci.job\" }, tests = { { \"a job\",\n"
                      "  raw = { ci = { job = \"7\" } }, expect = { [\"change.id\"] = \"7\" } } } }"});
    struct pipeline_options options = plant_options(set, 2, NULL);
    struct pipeline *pipeline = plant_start(&options);
    post_and_wait(pipeline, 0, "",
                  "{\"ci\":{\"job\":\"0\"}}\n{\"user\":{\"name\":\"ana\"}}\n{\"ci\":{\"job\":\"1\"}}\n");
    assert_ids(pipeline, 2);
    assert_ledger(pipeline, 3);
    pipeline_stop(pipeline, 5 * NS_PER_S);
    ruleset_unref(set);
}

/* ---- a store that fails ---- */

#define STORE_STOPS (64 << 10) /* its log has grown past this, the journal has not */
#define BEFORE      40

static void limit_files(rlim_t bytes)
{
    struct rlimit limit;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = bytes ? bytes : limit.rlim_max;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static struct pipeline *start_with_changes(const struct pipeline_options *options)
{
    struct pipeline *pipeline = plant_start(options);
    struct buf line = BUF_EMPTY;
    for (unsigned n = 0; n < BEFORE; n++) {
        put_change(&line, n);
        post_and_wait(pipeline, n, "change", line.ptr);
    }
    plant_settle(pipeline);
    buf_free(&line);
    return pipeline;
}

/* Returns how many were taken before the store was seen to fail; their replies are open. */
static unsigned send_until_it_fails(struct pipeline *pipeline, struct reply *replies, unsigned most)
{
    struct pipeline_health health = {0};
    struct buf line = BUF_EMPTY;
    unsigned taken = 0;
    for (unsigned n = 0; n < most; n++) {
        struct plant_call call = {.source = "change", .reply = &replies[taken]};
        put_change(&line, BEFORE + taken);
        call.body = line.ptr;
        taken += post(pipeline, n, call) == ERR_NONE;
    }
    while (!health.store_failing) {
        usleep(1000);
        pipeline_health(pipeline, &health);
    }
    buf_free(&line);
    assert_true(taken > 0);
    return taken;
}

static void what_a_failed_commit_left_is_kept_by_the_next(void **state)
{
    (void)state;
    char data[64];
    struct reply replies[6] = {{0}};
    struct ruleset *set = shipped_rules();
    plant_folder(data);
    struct pipeline_options options = plant_options(set, 2, data);
    struct pipeline *pipeline = start_with_changes(&options);
    limit_files(STORE_STOPS);
    unsigned taken = send_until_it_fails(pipeline, replies, 6);
    assert_int_equal(count_of(pipeline, "change"), BEFORE);
    assert_false(replies[0].done);
    limit_files(0);
    for (unsigned i = 0; i < taken; i++) {
        plant_await(&replies[i]);
        assert_int_equal(replies[i].code, ERR_NONE);
    }
    assert_ids(pipeline, BEFORE + taken);
    assert_ledger(pipeline, BEFORE + taken);
    pipeline_stop(pipeline, 5 * NS_PER_S);
    pipeline = plant_start(&options);
    assert_int_equal(pipeline_replayed(pipeline), 0);
    assert_ids(pipeline, BEFORE + taken);
    pipeline_stop(pipeline, 5 * NS_PER_S);
    plant_remove(data);
    ruleset_unref(set);
}

/* ---- kill -9 ---- */

static pid_t in_a_child(void (*live)(const char *data, int out), const char *data, int *from)
{
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    fflush(stdout);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        close(ends[0]);
        live(data, ends[1]);
        for (;;)
            pause();
    }
    close(ends[1]);
    *from = ends[0];
    return child;
}

static void kill_child(pid_t child, int from)
{
    int status;
    assert_int_equal(kill(child, SIGKILL), 0);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    close(from);
}

/* The journal has them, the store could not take them: nobody was answered. */
static void live_with_a_failing_store(const char *data, int out)
{
    struct reply replies[6] = {{0}};
    struct pipeline_options options = plant_options(shipped_rules(), 2, data);
    struct pipeline *pipeline = start_with_changes(&options);
    struct pipeline_health health = {0};
    limit_files(STORE_STOPS);
    unsigned taken = send_until_it_fails(pipeline, replies, 6);
    while (health.journal_last < BEFORE + taken) {
        usleep(1000);
        pipeline_health(pipeline, &health);
    }
    assert_int_equal(write(out, &taken, sizeof(taken)), sizeof(taken));
    for (;;)
        pause();
}

static void what_only_the_journal_has_is_kept_after_a_kill(void **state)
{
    (void)state;
    char data[64];
    unsigned taken = 0;
    int from;
    plant_folder(data);
    pid_t child = in_a_child(live_with_a_failing_store, data, &from);
    assert_int_equal(read(from, &taken, sizeof(taken)), sizeof(taken));
    kill_child(child, from);
    struct ruleset *set = shipped_rules();
    for (unsigned workers = 1; workers <= 8; workers *= 8) { /* the second start finds nothing left to do */
        struct pipeline_options options = plant_options(set, workers, data);
        struct pipeline *pipeline = plant_start(&options);
        assert_true(pipeline_replayed(pipeline) >= (workers == 1 ? taken : 0));
        assert_ids(pipeline, BEFORE + taken);
        assert_ledger(pipeline, BEFORE + taken);
        pipeline_stop(pipeline, 5 * NS_PER_S);
    }
    ruleset_unref(set);
    plant_remove(data);
}

/* Sends one after another, several under way; tells of each that was answered. */
#define SENT 96

static void tell(struct reply *reply)
{
    const int *out = reply->told_arg;
    uint8_t one = 1;
    if (reply->code == ERR_NONE)
        assert_int_equal(write(*out, &one, 1), 1);
}

static void live_sending(const char *data, int out)
{
    static struct reply replies[SENT];
    static int told;
    struct pipeline_options options = plant_options(shipped_rules(), 3, data);
    struct pipeline *pipeline = plant_start(&options);
    struct buf line = BUF_EMPTY;
    told = out;
    for (unsigned n = 0; n < SENT; n++) {
        replies[n] = (struct reply){.told = tell, .told_arg = &told};
        struct plant_call call = {.source = "change", .reply = &replies[n]};
        put_change(&line, n);
        call.body = line.ptr;
        assert_int_equal(post(pipeline, n, call), ERR_NONE);
        if (n >= 5)
            plant_await(&replies[n - 5]);
    }
    for (;;)
        pause();
}

/* None twice, and at least those that were answered. */
static size_t assert_each_once(struct pipeline *pipeline, size_t answered)
{
    struct json *list = observed_of(pipeline, "change");
    bool seen[SENT] = {false};
    size_t count = json_count(list);
    for (size_t i = 0; i < count; i++) {
        struct str id = {0};
        assert_true(json_get_str(json_get(json_item(list, i), "body"), "change.id", &id));
        unsigned n = (unsigned)strtoul(id.ptr, NULL, 10);
        assert_true(n < SENT && !seen[n]);
        seen[n] = true;
    }
    assert_true(count >= answered);
    json_free(list);
    return count;
}

static void what_was_answered_is_there_after_a_kill_at_any_moment(void **state)
{
    (void)state;
    struct ruleset *set = shipped_rules();
    for (unsigned after = 1; after < SENT; after += SANITIZED ? 31 : 13) {
        char data[64];
        uint8_t one;
        size_t answered = 0;
        int from;
        plant_folder(data);
        pid_t child = in_a_child(live_sending, data, &from);
        for (; answered < after; answered++)
            assert_int_equal(read(from, &one, 1), 1);
        kill(child, SIGKILL);
        while (read(from, &one, 1) == 1)
            answered++;
        kill_child(child, from);
        struct pipeline_options options = plant_options(set, 2, data);
        struct pipeline *pipeline = plant_start(&options);
        plant_settle(pipeline);
        size_t kept_now = assert_each_once(pipeline, answered);
        /* what the journal has is in the ledger, and it is in the store */
        assert_int_equal(plant_ledger(pipeline, "events", "accepted"), kept_now);
        assert_ledger(pipeline, (int64_t)kept_now);
        pipeline_stop(pipeline, 5 * NS_PER_S);
        plant_remove(data);
    }
    ruleset_unref(set);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_only_the_journal_has_is_kept_after_a_kill),
        cmocka_unit_test(what_was_answered_is_there_after_a_kill_at_any_moment),
        cmocka_unit_test(whoever_is_answered_finds_it),
        cmocka_unit_test(it_goes_through_the_rules_as_well),
        cmocka_unit_test(sent_again_is_kept_once),
        cmocka_unit_test(a_source_that_is_recognised_counts_as_well),
        cmocka_unit_test(what_a_failed_commit_left_is_kept_by_the_next),
    };
    loop_init();
    log_level_set(LOG_ERROR);
    signal(SIGXFSZ, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
