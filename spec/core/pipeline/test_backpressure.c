/* What happens when there is no room: full boxes park batches, a full process refuses, a disk that takes
 * nothing leaves no trace, a store that fails is tried again. */
#include <signal.h>
#include <sys/resource.h>

#include "core/pipeline/plant.h"
#include "pipeline/worker_impl.h"

#define TEST_OF(times)                                                                                       \
    "tests = { { \"fires\", events = at({ " times " }, sample { [\"event.action\"] = \"go\", "               \
    "[\"user.name\"] = \"ana\" }), expect = { threats = 1 } }, { \"quiet\", events = at({ 0 }, sample { "    \
    "[\"event.action\"] = \"x\" }), expect = { threats = 0 } } } }"

static const struct text_file single = {
    "rules/single.lua", "return rule { id = \"t.single\", title = \"T\", severity = \"low\",\n"
                        "  match = { [\"event.action\"] = \"go\" },\n"
                        "  dedup = { by = { \"user.name\" }, window = \"1h\" },\n" TEST_OF("0")};
static const struct text_file grouped = {
    "rules/grouped.lua", "return rule { id = \"t.grouped\", title = \"T\", severity = \"low\",\n"
                         "  match = { [\"event.action\"] = \"go\" },\n"
                         "  group = { by = { \"user.name\" }, window = \"10m\", count = 2 },\n"
                         "  dedup = { by = { \"user.name\" }, window = \"1h\" },\n" TEST_OF("0, 1")};

static void put_event(struct buf *out, const char *user, unsigned number)
{
    buf_printf(out, "{\"event.action\":\"go\",\"user.name\":\"%s%u\"}\n", user, number);
}

/* ---- a worker that stands still ---- */

struct barrier {
    struct mail mail; /* first: cast back from it */
    bool reached, open;
};

static void stand_still(struct mail *mail, void *receiver)
{
    struct barrier *barrier = (struct barrier *)mail;
    (void)receiver;
    pthread_mutex_lock(&plant_lock);
    barrier->reached = true;
    pthread_cond_broadcast(&plant_changed);
    while (!barrier->open)
        pthread_cond_wait(&plant_changed, &plant_lock);
    pthread_mutex_unlock(&plant_lock);
}

static void stop_worker(struct pipeline *pipeline, unsigned worker, struct barrier *barrier)
{
    *barrier = (struct barrier){.mail = {.deliver = stand_still}};
    assert_true(mailbox_post(worker_mailbox(pipeline_worker(pipeline, worker)), &barrier->mail));
    pthread_mutex_lock(&plant_lock);
    while (!barrier->reached)
        pthread_cond_wait(&plant_changed, &plant_lock);
    pthread_mutex_unlock(&plant_lock);
}

static void open_barrier(struct barrier *barrier)
{
    pthread_mutex_lock(&plant_lock);
    barrier->open = true;
    pthread_cond_broadcast(&plant_changed);
    pthread_mutex_unlock(&plant_lock);
}

#define MOST 20000

static void knows_of(struct worker *worker, void *arg)
{
    *(uint64_t *)arg = worker->knows_of;
}

/* An event whose window worker 1 owns. Found by trying: *tries users have sent one event each, this one last.
 */
static void find_event(struct pipeline *pipeline, struct buf *line, unsigned *tries)
{
    uint64_t known = 0;
    struct reply reply;
    for (*tries = 0, reply.number = 1; known != reply.number; ++*tries) {
        buf_clear(line);
        put_event(line, "u", *tries);
        reply = plant_ask(pipeline, 0, line->ptr);
        pipeline_on_worker(pipeline, 1, knows_of, &known);
    }
}

/* Sends until the process has no room; all that was taken is in `replies`. */
static size_t fill(struct pipeline *pipeline, const char *lines, struct reply *replies)
{
    size_t taken = 0, refused = 0;
    while (taken < MOST && refused < 100) {
        if (plant_send(pipeline, 0, lines, &replies[taken]) == ERR_NONE) {
            taken++;
            refused = 0;
        } else {
            refused++; /* the journal may be on its way to make room */
            usleep(100);
        }
    }
    return taken;
}

/* The first event of the one user waits, as those of the others do; all later ones fire. */
static void check_events(struct pipeline *pipeline, size_t count, unsigned tries)
{
    assert_int_equal(plant_ledger(pipeline, "events", "judged"), count + tries);
    assert_int_equal(plant_ledger(pipeline, "t.grouped", "matched"), count + tries);
    assert_int_equal(plant_ledger(pipeline, "t.grouped", "waiting"), tries);
    assert_int_equal(plant_count(pipeline), 1);
}

static void all_are_answered(struct pipeline *pipeline, struct reply *replies, size_t count, unsigned tries)
{
    for (size_t i = 0; i < count; i++) {
        plant_await(&replies[i]);
        assert_int_equal(replies[i].code, ERR_NONE);
    }
    plant_settle(pipeline);
    struct pipeline_health health;
    pipeline_health(pipeline, &health);
    assert_true(health.balanced);
    assert_int_equal(health.pending_bytes, 0);
    assert_int_equal(health.pending_events, 0);
    check_events(pipeline, count, tries);
}

static void a_full_box_parks_batches_and_then_refuses(void **state)
{
    (void)state;
    struct ruleset *set = plant_rules(&grouped, 1);
    struct pipeline_options options = plant_options(set, 2, NULL);
    struct pipeline *pipeline = plant_start(&options);
    struct reply *replies = mem_zalloc(MOST, sizeof(*replies));
    struct buf lines = BUF_EMPTY;
    struct barrier barrier;
    unsigned tries;
    find_event(pipeline, &lines, &tries);
    stop_worker(pipeline, 1, &barrier);
    size_t taken = fill(pipeline, lines.ptr, replies);
    assert_true(taken > 1000 && taken < MOST);
    for (size_t i = 0; i < taken; i++) { /* each waits for the worker that stands still */
        pthread_mutex_lock(&plant_lock);
        assert_false(replies[i].done);
        pthread_mutex_unlock(&plant_lock);
    }
    open_barrier(&barrier);
    all_are_answered(pipeline, replies, taken, tries);
    pipeline_stop(pipeline, 5 * NS_PER_S);
    buf_free(&lines);
    free(replies);
    ruleset_unref(set);
}

static void more_bytes_than_allowed_are_refused_until_some_are_answered(void **state)
{
    (void)state;
    struct ruleset *set = plant_rules(&grouped, 1);
    struct pipeline_options options = plant_options(set, 2, NULL);
    struct buf lines = BUF_EMPTY;
    struct barrier barrier;
    struct reply *replies = mem_zalloc(MOST, sizeof(*replies));
    unsigned tries;
    options.pending_max = 500;
    struct pipeline *pipeline = plant_start(&options);
    find_event(pipeline, &lines, &tries);
    stop_worker(pipeline, 1, &barrier);
    size_t most = options.pending_max / lines.len;
    assert_int_equal(fill(pipeline, lines.ptr, replies), most);
    struct pipeline_health health;
    pipeline_health(pipeline, &health);
    assert_int_equal(health.pending_bytes, most * lines.len);
    open_barrier(&barrier);
    all_are_answered(pipeline, replies, most, tries);
    assert_int_equal(plant_ask(pipeline, 0, lines.ptr).accepted, 1);
    pipeline_stop(pipeline, 5 * NS_PER_S);
    buf_free(&lines);
    free(replies);
    ruleset_unref(set);
}

static void a_parked_batch_is_answered_when_the_process_stops(void **state)
{
    (void)state;
    struct ruleset *set = plant_rules(&grouped, 1);
    char data[64];
    plant_folder(data);
    struct pipeline_options options = plant_options(set, 2, data);
    struct pipeline *pipeline = plant_start(&options);
    struct reply *replies = mem_zalloc(MOST, sizeof(*replies));
    struct buf lines = BUF_EMPTY;
    struct barrier barrier;
    unsigned tries;
    find_event(pipeline, &lines, &tries);
    stop_worker(pipeline, 1, &barrier);
    size_t taken = fill(pipeline, lines.ptr, replies);
    open_barrier(&barrier);
    pipeline_stop(pipeline, 0);
    for (size_t i = 0; i < taken; i++) {
        assert_true(replies[i].done && (replies[i].code == ERR_NONE || replies[i].code == ERR_BUSY));
    }
    pipeline = plant_start(&options);
    plant_settle(pipeline);
    check_events(pipeline, taken, tries);
    pipeline_stop(pipeline, 5 * NS_PER_S);
    plant_remove(data);
    buf_free(&lines);
    free(replies);
    ruleset_unref(set);
}

/* ---- a disk that takes nothing ---- */

/* No file of this process may grow beyond so many bytes; 0: any. */
static void limit_files(rlim_t bytes)
{
    struct rlimit limit;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = bytes ? bytes : limit.rlim_max;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

/* Bytes that no compression makes fewer. */
static void put_noise(struct buf *out, size_t bytes)
{
    uint8_t noise[512];
    char hex[2 * sizeof(noise) + 1];
    for (size_t n = 0; n < bytes; n += sizeof(noise)) {
        id_random(noise, sizeof(noise));
        id_hex(noise, sizeof(noise), hex);
        buf_printf(out, "{\"event.action\":\"noise\",\"n\":\"%s\"}\n", hex);
    }
}

static struct reply ask_user(struct pipeline *pipeline, const char *user, unsigned number)
{
    struct buf line = BUF_EMPTY;
    put_event(&line, user, number);
    struct reply reply = plant_ask(pipeline, 0, line.ptr);
    buf_free(&line);
    return reply;
}

static void a_journal_that_cannot_be_written_leaves_no_trace(void **state)
{
    (void)state;
    struct ruleset *set = plant_rules(&single, 1);
    char data[64];
    struct buf noise = BUF_EMPTY;
    struct pipeline_health health;
    plant_folder(data);
    struct pipeline_options options = plant_options(set, 2, data);
    struct pipeline *pipeline = plant_start(&options);
    put_noise(&noise, 4 << 20); /* makes the journal's file the largest by far */
    uint32_t quiet = plant_ask(pipeline, 0, noise.ptr).accepted;
    assert_int_equal(ask_user(pipeline, "before", 0).raised, 1);
    plant_settle(pipeline);

    limit_files(2 << 20);
    for (unsigned i = 0; i < 10; i++) {
        struct reply reply = ask_user(pipeline, "lost", i);
        assert_int_equal(reply.code, ERR_BUSY);
        assert_non_null(strstr(reply.message, "journal"));
        assert_int_equal(reply.raised, 0);
        assert_int_equal(reply.number, 0);
    }
    pipeline_health(pipeline, &health);
    assert_true(health.journal_full);
    assert_int_equal(health.pending_events, 0);
    limit_files(0);

    assert_int_equal(ask_user(pipeline, "after", 0).raised, 1);
    pipeline_health(pipeline, &health);
    assert_false(health.journal_full);
    pipeline_stop(pipeline, 5 * NS_PER_S);
    pipeline = plant_start(&options);
    assert_int_equal(plant_count(pipeline), 2);
    assert_int_equal(plant_ledger(pipeline, "events", "received"), quiet + 12);
    assert_int_equal(plant_ledger(pipeline, "events", "accepted"), quiet + 2);
    assert_int_equal(plant_ledger(pipeline, "t.single", "matched"), 2);
    assert_true(tally_balanced(writer_tally(pipeline_writer(pipeline))));
    pipeline_stop(pipeline, 5 * NS_PER_S);
    plant_remove(data);
    buf_free(&noise);
    ruleset_unref(set);
}

/* ---- a store that fails ---- */

/* The store's log has grown past `limit_files(STORE_STOPS)`, the journal has not. */
#define STORE_STOPS (64 << 10)

static struct pipeline *start_with_threats(const struct pipeline_options *options, unsigned *threats)
{
    struct pipeline *pipeline = plant_start(options);
    for (*threats = 0; *threats < 30; ++*threats)
        assert_int_equal(ask_user(pipeline, "before", *threats).raised, 1);
    plant_settle(pipeline);
    return pipeline;
}

static void until_store_fails(struct pipeline *pipeline)
{
    struct pipeline_health health;
    do {
        usleep(1000);
        pipeline_health(pipeline, &health);
    } while (!health.store_failing);
}

static void a_commit_that_fails_is_tried_again(void **state)
{
    (void)state;
    struct ruleset *set = plant_rules(&single, 1);
    char data[64];
    unsigned before;
    plant_folder(data);
    struct pipeline_options options = plant_options(set, 2, data);
    struct pipeline *pipeline = start_with_threats(&options, &before);
    struct reply waiting[5], refused = {0};
    memset(waiting, 0, sizeof(waiting));

    limit_files(STORE_STOPS);
    for (unsigned i = 0; i < 5; i++) {
        struct buf line = BUF_EMPTY;
        put_event(&line, "waiting", i);
        if (plant_send(pipeline, i, line.ptr, &waiting[i]) != ERR_NONE)
            waiting[i].done = true; /* the store fails already: nothing is taken any more */
        buf_free(&line);
    }
    until_store_fails(pipeline);
    assert_int_equal(plant_send(pipeline, 0, "{}", &refused), ERR_BUSY);
    assert_false(waiting[0].done);
    limit_files(0);

    unsigned raised = 0;
    for (unsigned i = 0; i < 5; i++) {
        plant_await(&waiting[i]);
        raised += waiting[i].raised;
        assert_int_equal(waiting[i].code, ERR_NONE);
    }
    assert_true(raised > 0);
    assert_int_equal(ask_user(pipeline, "after", 0).raised, 1);
    pipeline_stop(pipeline, 5 * NS_PER_S);
    pipeline = plant_start(&options);
    assert_int_equal(plant_count(pipeline), before + raised + 1);
    assert_int_equal(plant_ledger(pipeline, "t.single", "raised"), before + raised + 1);
    pipeline_stop(pipeline, 5 * NS_PER_S);
    plant_remove(data);
    ruleset_unref(set);
}

static void a_stop_while_the_store_fails_leaves_it_to_the_next_start(void **state)
{
    (void)state;
    struct ruleset *set = plant_rules(&single, 1);
    char data[64];
    unsigned before;
    plant_folder(data);
    struct pipeline_options options = plant_options(set, 3, data);
    struct pipeline *pipeline = start_with_threats(&options, &before);
    struct reply reply = {0};
    struct buf line = BUF_EMPTY;
    put_event(&line, "kept", 0);
    limit_files(STORE_STOPS);
    assert_int_equal(plant_send(pipeline, 1, line.ptr, &reply), ERR_NONE);
    until_store_fails(pipeline);
    pipeline_stop(pipeline, 100 * NS_PER_MS);
    assert_true(reply.done);
    assert_int_equal(reply.code, ERR_BUSY);
    assert_int_equal(reply.raised, 0);
    limit_files(0);
    pipeline = plant_start(&options);
    plant_settle(pipeline);
    assert_int_equal(plant_count(pipeline), before + 1);
    assert_int_equal(plant_ledger(pipeline, "t.single", "raised"), before + 1);
    pipeline_stop(pipeline, 5 * NS_PER_S);
    plant_remove(data);
    buf_free(&line);
    ruleset_unref(set);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_full_box_parks_batches_and_then_refuses),
        cmocka_unit_test(more_bytes_than_allowed_are_refused_until_some_are_answered),
        cmocka_unit_test(a_parked_batch_is_answered_when_the_process_stops),
        cmocka_unit_test(a_journal_that_cannot_be_written_leaves_no_trace),
        cmocka_unit_test(a_commit_that_fails_is_tried_again),
        cmocka_unit_test(a_stop_while_the_store_fails_leaves_it_to_the_next_start),
    };
    signal(SIGXFSZ, SIG_IGN);
    loop_init();
    log_level_set(LOG_OFF);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
