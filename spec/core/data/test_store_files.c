/* What leaves the store, and what lies around it: retention, backup, files that are no store. */
#include "core/data/store_fixture.h"

#include <signal.h>
#include <sqlite3.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "base/log.h"

static int count_only(uint64_t seq, bool is_new, struct str customer, struct str json, void *arg)
{
    (void)seq;
    (void)is_new;
    (void)customer;
    (void)json;
    ++*(size_t *)arg;
    return 0;
}

/* ---- what leaves ---- */

static void put_resolved(struct shop *shop, uint64_t n, int64_t updated_ns, enum threat_status status)
{
    struct threat *threat = threat_number(n);
    struct id128 id = {{(uint8_t)n}};
    threat->status = status;
    threat->updated_ns = updated_ns;
    threat_add_entity(threat, "user.name:ana");
    threat_add_technique(threat, "T1621");
    shop_put(shop, threat);
    ok(store_add_members(shop->store, threat->id, &id, 1, &shop->err), &shop->err);
    ok(store_add_note(shop->store, threat->id, T0, STR("a"), STR("b"), STR(""), NULL, &shop->err),
       &shop->err);
    threat_free(threat);
}

static void resolved_threats_go_when_they_are_old_and_open_ones_never(void **state)
{
    struct shop shop = shop_new(state);
    size_t deleted;
    shop_begin(&shop);
    put_resolved(&shop, 1, T0, STATUS_RESOLVED);
    put_resolved(&shop, 2, T0 + 1, STATUS_RESOLVED);
    put_resolved(&shop, 3, T0 - 5, STATUS_NEW);
    put_resolved(&shop, 4, T0 - 5, STATUS_ESCALATED);
    ok(store_audit(shop.store, T0, STR("a"), STR("b"), STR("c"), STR(""), &shop.err), &shop.err);
    ok(store_audit(shop.store, T0 + 1, STR("a"), STR("b"), STR("c"), STR(""), &shop.err), &shop.err);
    ok(store_retain(shop.store, T0 + 1, T0 + 1, 100, &deleted, &shop.err), &shop.err);
    shop_commit(&shop);
    assert_int_equal(deleted, 2);
    struct threat_query query = query_all();
    assert_int_equal(shop_count(&shop, &query), 3);
    query.entity = STR("user.name:ana");
    assert_int_equal(shop_count(&shop, &query), 3);
    struct json *json = shop_analytics(&shop, "", 0);
    member_is_int(json, "total_threats", 3);
    member_is_int(json_item(json_get(json, "top_entities"), 0), "count", 3);
    member_is_int(json_item(json_get(json, "attack_matrix"), 0), "count", 3);
    json_free(json);
    struct buf out = BUF_EMPTY;
    ok(store_audit_list(shop.reader, 10, 0, &out, &shop.err), &shop.err);
    json = json_of(&out);
    assert_int_equal(json_count(json), 1);
    json_free(json);
    buf_free(&out);
    bool trimmed;
    size_t count = 0;
    ok(store_changes(shop.reader, 0, 10, true, count_only, &count, &trimmed, &shop.err), &shop.err);
    assert_int_equal(count, 3); /* what is gone is not in the stream */
    shop_free(&shop);
}

static void retention_goes_in_slices(void **state)
{
    struct shop shop = shop_new(state);
    size_t deleted;
    shop_begin(&shop);
    for (uint64_t n = 1; n <= 25; n++)
        put_resolved(&shop, n, T0, STATUS_RESOLVED);
    shop_commit(&shop);
    static const size_t slices[] = {10, 10, 5, 0};
    for (size_t i = 0; i < 4; i++) {
        shop_begin(&shop);
        ok(store_retain(shop.store, T0 + 1, 0, 10, &deleted, &shop.err), &shop.err);
        shop_commit(&shop);
        assert_int_equal(deleted, slices[i]);
    }
    struct json *json = shop_analytics(&shop, "", 0);
    member_is_int(json, "total_threats", 0);
    assert_int_equal(json_count(json_get(json, "series")), 0);
    assert_int_equal(json_count(json_get(json, "top_entities")), 0);
    assert_int_equal(json_count(json_get(json, "attack_matrix")), 0);
    json_free(json);
    shop_begin(&shop); /* cells were pruned: they are made anew */
    put_resolved(&shop, 26, T0, STATUS_RESOLVED);
    shop_commit(&shop);
    struct threat_query query = query_all();
    assert_int_equal(shop_count(&shop, &query), 1);
    shop_free(&shop);
}

static void demo_threats_are_forgotten_and_no_others(void **state)
{
    struct shop shop = shop_new(state);
    size_t count;
    shop_begin(&shop);
    for (uint64_t n = 1; n <= 9; n++) {
        struct threat *threat = threat_number(n);
        threat->demo = n % 3 == 0;
        shop_put(&shop, threat);
        threat_free(threat);
    }
    shop_commit(&shop);
    shop_begin(&shop);
    ok(store_forget_demo(shop.store, &count, &shop.err), &shop.err);
    shop_commit(&shop);
    assert_int_equal(count, 3);
    struct threat_query query = query_all();
    assert_int_equal(shop_count(&shop, &query), 6);
    shop_begin(&shop);
    ok(store_forget_demo(shop.store, &count, &shop.err), &shop.err);
    shop_commit(&shop);
    assert_int_equal(count, 0);
    shop_free(&shop);
}

static int note_demo(const struct threat *threat, void *arg)
{
    buf_printf(arg, "%llu%s", (unsigned long long)threat->seq, threat->demo ? " " : "!");
    return 0;
}

/* What was made up goes with the threat it was made up for; what people did stays recorded. */
static void made_up_audit_records_go_with_their_threat(void **state)
{
    static const struct {
        uint64_t threat;
        const char *detail;
    } records[] = {{3, "{\"text\":\"a\",\"demo\":true}"},
                   {3, "{\"text\":\"\\\"demo\\\":true\"}"},
                   {3, ""},
                   {1, "{\"demo\":true}"}};
    struct shop shop = shop_new(state);
    struct buf seen = BUF_EMPTY;
    size_t count;
    shop_begin(&shop);
    for (uint64_t n = 1; n <= 6; n++) {
        struct threat *threat = threat_number(n);
        threat->demo = n % 3 == 0;
        shop_put(&shop, threat);
        for (size_t i = 0; i < sizeof records / sizeof *records; i++)
            if (records[i].threat == n)
                ok(store_audit(shop.store, T0, STR("ana"), STR("threat.note"), str_from(threat->id),
                               str_from(records[i].detail), &shop.err),
                   &shop.err);
        threat_free(threat);
    }
    shop_commit(&shop);
    shop_begin(&shop);
    ok(store_load_demo(shop.store, note_demo, &seen, &shop.err), &shop.err);
    assert_string_equal(seen.ptr, "3 6 ");
    ok(store_forget_demo(shop.store, &count, &shop.err), &shop.err);
    shop_commit(&shop);
    buf_clear(&seen);
    ok(store_audit_list(shop.reader, 100, 0, &seen, &shop.err), &shop.err);
    struct json *audit = json_parse(buf_str(&seen), NULL, NULL);
    assert_int_equal(json_count(audit), 3);
    json_free(audit);
    buf_free(&seen);
    shop_free(&shop);
}

/* ---- files ---- */

static void a_backup_is_a_store_of_its_own(void **state)
{
    struct shop shop = shop_new(state);
    struct buf path = BUF_EMPTY;
    shop_begin(&shop);
    put_resolved(&shop, 1, T0, STATUS_NEW);
    shop_commit(&shop);
    folder_file(&shop.folder, "backup.db", &path);
    for (int i = 0; i < 2; i++) /* the second replaces the first */
        ok(store_backup(shop.store, path.ptr, &shop.err), &shop.err);
    shop_begin(&shop);
    put_resolved(&shop, 2, T0, STATUS_NEW);
    shop_commit(&shop);
    struct store *copy = store_open(path.ptr, &shop.err);
    assert_non_null(copy);
    struct store_reader *reader = store_reader_open(copy, &shop.err);
    assert_int_equal(store_last_seq(reader), 1);
    store_reader_close(reader);
    store_close(copy);
    assert_int_equal(folder_count(&shop.folder, ".partial"), 0);
    assert_int_equal(store_backup(shop.store, "/proc/no/backup", &shop.err), -1);
    if (shop.disk) {
        assert_int_equal(store_backup(shop.store, shop.path.ptr, &shop.err), -1);
        assert_int_equal(shop.err.code, ERR_INVALID);
    }
    buf_free(&path);
    shop_free(&shop);
}

static void what_is_no_store_of_ours_is_not_touched(void **state)
{
    struct shop shop = shop_new(state);
    struct buf path = BUF_EMPTY, back = BUF_EMPTY;
    struct err err = {0};
    sqlite3 *db;
    folder_file(&shop.folder, "text.db", &path);
    char text[4096];
    memset(text, 'x', sizeof text);
    file_write(path.ptr, (struct str){text, sizeof text});
    assert_null(store_open(path.ptr, &err));
    assert_int_equal(err.code, ERR_CORRUPT);
    file_read(path.ptr, &back);
    assert_memory_equal(back.ptr, text, sizeof text);

    folder_file(&shop.folder, "other.db", &path);
    assert_int_equal(sqlite3_open(path.ptr, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "CREATE TABLE t(x); PRAGMA user_version = 1", NULL, NULL, NULL),
                     SQLITE_OK);
    sqlite3_close(db);
    assert_null(store_open(path.ptr, &err));
    assert_int_equal(err.code, ERR_INVALID);

    folder_file(&shop.folder, "newer.db", &path);
    struct store *store = store_open(path.ptr, &err);
    assert_non_null(store);
    store_close(store);
    assert_int_equal(sqlite3_open(path.ptr, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "PRAGMA user_version = 1000", NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
    assert_null(store_open(path.ptr, &err));
    assert_int_equal(err.code, ERR_INVALID);
    assert_null(store_open("/proc/no/store.db", &err));
    buf_free(&path);
    buf_free(&back);
    shop_free(&shop);
}

/* ---- crashes and full disks ---- */

/* Commits batches until it is killed, and says after each how far the store is. */
static void commit_for_ever(const char *path, int out)
{
    struct err err = {0};
    struct store *store = store_open(path, &err);
    for (uint64_t n = 0; store; n++) {
        struct threat *threat = threat_number(getpid() * UINT64_C(100000) + n);
        threat_add_entity(threat, "user.name:ana");
        if (store_begin(store, &err))
            break;
        threat->seq = threat->last_seq = store_next_seq(store);
        uint64_t seq = threat->seq;
        bool stored = store_put_threat(store, threat, true, &err) == 0 &&
                      store_put(store, "position", (struct str){(const char *)&seq, sizeof seq}, &err) == 0 &&
                      store_commit(store, &err) == 0;
        threat_free(threat);
        if (!stored || write(out, &seq, sizeof seq) != sizeof seq)
            break;
    }
    _exit(1);
}

/* Lets a child commit `commits` times, kills it, and returns the last number it acknowledged. */
static uint64_t kill_after(const char *path, int commits)
{
    int ends[2];
    uint64_t seq = 0, last = 0;
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        close(ends[0]);
        commit_for_ever(path, ends[1]);
    }
    close(ends[1]);
    for (int i = 0; i < commits && read(ends[0], &seq, sizeof seq) == sizeof seq; i++)
        last = seq;
    kill(child, SIGKILL);
    assert_int_equal(waitpid(child, NULL, 0), child);
    while (read(ends[0], &seq, sizeof seq) == sizeof seq)
        last = seq; /* said before it died */
    close(ends[0]);
    assert_true(last > 0);
    return last;
}

static void what_was_acknowledged_outlives_a_kill_and_counters_fit(void **state)
{
    struct shop shop = shop_new(state);
    shop_close(&shop);
    for (int life = 1; life <= 12; life++) {
        struct buf value = BUF_EMPTY;
        uint64_t acknowledged = kill_after(shop.path.ptr, life * 7), position;
        shop_open(&shop);
        uint64_t last = store_last_seq(shop.reader);
        assert_true(last >= acknowledged);
        ok(store_get(shop.store, "position", &value, &shop.err), &shop.err);
        memcpy(&position, value.ptr, sizeof position);
        assert_int_equal(position, last);
        struct json *json = shop_analytics(&shop, "", 0);
        member_is_int(json, "total_threats", (int64_t)last);
        member_is_int(json_item(json_get(json, "top_entities"), 0), "count", (int64_t)last);
        json_free(json);
        buf_free(&value);
        shop_close(&shop);
    }
    shop_open(&shop);
    shop_free(&shop);
}

static void on_a_full_disk_a_commit_fails_and_leaves_nothing(void **state)
{
    struct shop shop = shop_new(state);
    struct rlimit before, limit;
    struct threat_query query = query_all();
    void (*handler)(int) = signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    size_t stored = 0;
    uint64_t n = 1;
    for (rlim_t size = 300000; size < 420000; size += 9001) {
        bool failed = false;
        limit = (struct rlimit){size, before.rlim_max};
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
        for (int i = 0; i < 200 && !failed; i++, n++) {
            struct threat *threat = threat_number(n);
            assert_int_equal(store_begin(shop.store, &shop.err), 0);
            threat->seq = threat->last_seq = store_next_seq(shop.store);
            failed = store_put_threat(shop.store, threat, true, &shop.err) ||
                     store_commit(shop.store, &shop.err);
            if (failed)
                store_rollback(shop.store);
            stored += !failed;
            threat_free(threat);
        }
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
        if (failed)
            assert_int_equal(shop.err.code, ERR_IO);
        assert_int_equal(shop_count(&shop, &query), stored);
        assert_int_equal(store_last_seq(shop.reader), stored);
    }
    assert_true(stored > 0 && stored < n - 1); /* some were taken and some were not */
    shop_close(&shop);
    shop_open(&shop);
    assert_int_equal(shop_count(&shop, &query), stored);
    signal(SIGXFSZ, handler);
    shop_free(&shop);
}

int main(void)
{
    log_level_set(LOG_OFF);
    const struct CMUnitTest tests[] = {
        on_both(resolved_threats_go_when_they_are_old_and_open_ones_never),
        on_both(retention_goes_in_slices),
        on_both(demo_threats_are_forgotten_and_no_others),
        on_both(made_up_audit_records_go_with_their_threat),
        on_both(a_backup_is_a_store_of_its_own),
        on_both(what_is_no_store_of_ours_is_not_touched),
        {"on disk: what_was_acknowledged_outlives_a_kill_and_counters_fit",
         what_was_acknowledged_outlives_a_kill_and_counters_fit, NULL, NULL, &on_disk},
        {"on disk: on_a_full_disk_a_commit_fails_and_leaves_nothing",
         on_a_full_disk_a_commit_fails_and_leaves_nothing, NULL, NULL, &on_disk},
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
