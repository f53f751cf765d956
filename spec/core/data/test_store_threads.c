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
            threat_free(threat);
        }
        if (commit % 10 == 9) {
            store_rollback(store); /* nobody may ever see these */
            must(job, store_begin(store, &err) == 0);
        }
        must(job, store_commit(store, &err) == 0);
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
