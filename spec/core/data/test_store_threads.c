/* One writer and two readers, each in its thread: every answer is one moment of the store. */
#include "core/data/store_fixture.h"

#include <pthread.h>
#include <stdatomic.h>

#include "base/log.h"

enum { COMMITS = 150, BATCH = 20 };

struct job {
    struct shop *shop;
    atomic_bool done;
    atomic_int failures;
    atomic_long answers;
};

/* Nothing of cmocka in a thread of its own: a failure is counted and told at the end. */
#define must(job, condition)                                                                                 \
    ((condition) ? 0 : (fprintf(stderr, "line %d: %s\n", __LINE__, #condition), (job)->failures++))

/* What triage and analysis keep of a threat, in the transaction of the threat. */
static void write_kept(struct job *job, const struct threat *threat)
{
    struct store *store = job->shop->store;
    struct err err = {0};
    struct store_job todo = {.stage = JOB_FINDINGS};
    struct store_observation seen = {.kind = STR("news"), .time_ns = threat->created_ns, .body = STR("{}")};
    const struct verdict_key key = {STR("c"), STR("r"), STR("")};
    memcpy(todo.threat_id, threat->id, sizeof todo.threat_id);
    memcpy(seen.event.bytes, &threat->seq, sizeof threat->seq);
    must(job, store_add_note(store, threat->id, threat->created_ns, STR("bo"), STR("x"), STR(""), NULL,
                             &err) == 0);
    must(job, store_put_job(store, &todo, &err) == 0);
    must(job, store_add_observation(store, &seen, &err) == 0);
    must(job, store_add_verdict(store, &key, VERDICT_TRUE_POSITIVE, 1, &err) == 0);
    must(job, store_add_scorecard(store, &key, VERDICT_TRUE_POSITIVE, 1, 5, &err) == 0);
}

static int count_job(const struct store_job *todo, void *arg)
{
    (void)todo;
    ++*(size_t *)arg;
    return 0;
}

static void *write_all(void *arg)
{
    struct job *job = arg;
    struct store *store = job->shop->store;
    struct err err = {0};
    for (uint64_t commit = 0; commit < COMMITS; commit++) {
        must(job, store_begin(store, &err) == 0);
        for (uint64_t i = 0; i < BATCH; i++) {
            struct threat *threat = threat_number(commit * BATCH + i);
            threat->seq = threat->last_seq = store_next_seq(store);
            threat_add_entity(threat, "user.name:ana");
            must(job, store_put_threat(store, threat, true, &err) == 0);
            write_kept(job, threat);
            threat_free(threat);
        }
        if (commit % 10 == 9) {
            store_rollback(store); /* nobody may ever see these */
            must(job, store_begin(store, &err) == 0);
        }
        must(job, store_commit(store, &err) == 0);
        size_t jobs = 0; /* the writer reads between its transactions, too */
        must(job, store_load_jobs(store, count_job, &jobs, &err) == 0 && jobs && jobs % BATCH == 0);
    }
    job->done = true;
    return NULL;
}

static int see(uint64_t seq, bool is_new, struct str customer, struct str json, void *arg)
{
    (void)customer;
    uint64_t *expected = arg;
    return seq != ++*expected || !is_new || json.len < 2;
}

static size_t count_of(struct job *job, struct buf *out)
{
    struct json *json = json_parse(buf_str(out), NULL, NULL);
    size_t count = json_count(json);
    must(job, json != NULL);
    json_free(json);
    buf_clear(out);
    return count;
}

static void read_kept(struct job *job, struct store_reader *reader)
{
    struct err err = {0};
    struct buf out = BUF_EMPTY;
    const struct observation_query query = {.kind = STR("news"), .limit = 100};
    must(job, store_notes_recent(reader, &(struct note_query){.limit = 200}, &out, &err) == 0);
    must(job, count_of(job, &out) % BATCH == 0);
    must(job, store_observations(reader, &query, &out, &err) == 0);
    must(job, count_of(job, &out) % BATCH == 0);
    must(job, store_scorecard(reader, STR("c"), &out, &err) == 0);
    must(job, count_of(job, &out) <= 1);
    int found = store_similar(reader, STR("01900000-0000-7000-8000-000000000000"), STR(""), 20, &out, &err);
    must(job, found == 0 ? count_of(job, &out) >= BATCH / 2 - 1 : err.code == ERR_NOT_FOUND);
    buf_free(&out);
}

/* Batches are committed whole, so whatever is read is a multiple of them, and never less than before. */
static void read_once(struct job *job, struct store_reader *reader, uint64_t *last)
{
    struct err err = {0};
    struct buf out = BUF_EMPTY;
    struct threat_query query = {.review = -1, .limit = 50, .row = true};
    struct threat_page page;
    uint64_t seq = store_last_seq(reader);
    must(job, seq % BATCH == 0 && seq >= *last);
    must(job, store_query(reader, &query, &page, &out, &err) == 0);
    must(job, page.total % BATCH == 0 && page.total >= seq);
    must(job, page.count == (page.total < 50 ? page.total : 50));
    buf_clear(&out);
    must(job, store_analytics(reader, STR(""), 0, 0, &out, &err) == 0);
    bool trimmed = true;
    uint64_t expected = *last;
    must(job, store_changes(reader, *last, BATCH, false, see, &expected, &trimmed, &err) == 0 && !trimmed);
    must(job, expected == *last || expected == *last + BATCH);
    *last = expected;
    buf_free(&out);
    if (job->answers % 8 == 0)
        read_kept(job, reader);
    job->answers++;
}

static void *read_all_the_time(void *arg)
{
    struct job *job = arg;
    struct err err = {0};
    struct store_reader *reader = store_reader_open(job->shop->store, &err);
    uint64_t last = 0;
    must(job, reader != NULL);
    while (reader && !job->done)
        read_once(job, reader, &last);
    for (uint64_t end = reader ? store_last_seq(reader) : 0; last < end && !job->failures;)
        read_once(job, reader, &last);
    store_reader_close(reader);
    return NULL;
}

static void readers_see_whole_commits_while_the_writer_goes_on(void **state)
{
    struct shop shop = shop_new(state);
    struct job job = {.shop = &shop};
    pthread_t writer, readers[2];
    for (size_t i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&readers[i], NULL, read_all_the_time, &job), 0);
    assert_int_equal(pthread_create(&writer, NULL, write_all, &job), 0);
    pthread_join(writer, NULL);
    for (size_t i = 0; i < 2; i++)
        pthread_join(readers[i], NULL);
    assert_int_equal(job.failures, 0);
    assert_true(job.answers > 0);
    struct threat_query query = {.review = -1, .limit = 1, .row = true};
    struct threat_page page;
    json_free(shop_query(&shop, &query, &page));
    assert_int_equal(page.total, (COMMITS - COMMITS / 10) * BATCH);
    shop_free(&shop);
}

static void *back_up(void *arg)
{
    struct job *job = arg;
    struct err err = {0};
    struct buf path = BUF_EMPTY;
    folder_file(&job->shop->folder, "copy.db", &path);
    for (int i = 0; i < 5; i++)
        must(job, store_backup(job->shop->store, path.ptr, &err) == 0);
    struct store *copy = store_open(path.ptr, &err);
    struct store_reader *reader = copy ? store_reader_open(copy, &err) : NULL;
    must(job, reader && store_last_seq(reader) % BATCH == 0);
    store_reader_close(reader);
    store_close(copy);
    buf_free(&path);
    return NULL;
}

static void a_backup_is_of_one_moment_while_the_writer_goes_on(void **state)
{
    struct shop shop = shop_new(state);
    struct job job = {.shop = &shop};
    pthread_t writer, keeper;
    assert_int_equal(pthread_create(&writer, NULL, write_all, &job), 0);
    assert_int_equal(pthread_create(&keeper, NULL, back_up, &job), 0);
    pthread_join(writer, NULL);
    pthread_join(keeper, NULL);
    assert_int_equal(job.failures, 0);
    shop_free(&shop);
}

int main(void)
{
    log_level_set(LOG_OFF);
    const struct CMUnitTest tests[] = {
        on_both(readers_see_whole_commits_while_the_writer_goes_on),
        on_both(a_backup_is_of_one_moment_while_the_writer_goes_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
