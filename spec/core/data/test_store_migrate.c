/* A file that an earlier version wrote: all that it held is there, and the new tables work. */
#include "core/data/store_fixture.h"

#include <sqlite3.h>

#include "base/log.h"

/* The tables of version 1. Whatever else there is, a later version made. */
static const char tables_1[] = "'meta', 'facts', 'threats', 'bodies', 'entities', 'tail', 'members', 'notes',"
                               " 'audit', 'changes', 'cells', 'hours', 'spans', 'techniques'";

static void run_sql(sqlite3 *db, const char *text)
{
    char *message = NULL;
    if (sqlite3_exec(db, text, NULL, NULL, &message) != SQLITE_OK)
        fail_msg("%s: %s", text, message);
}

static int drop_one(void *arg, int columns, char **values, char **names)
{
    (void)columns;
    (void)names;
    buf_printf(arg, "DROP TABLE %s;", values[0]);
    return 0;
}

/* Takes from the file what version 1 did not have. */
static void make_version_1(struct shop *shop)
{
    sqlite3 *db;
    struct buf find = BUF_EMPTY, drop = BUF_EMPTY;
    assert_int_equal(sqlite3_open(shop->path.ptr, &db), SQLITE_OK);
    buf_printf(&find,
               "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%%' AND"
               " name NOT IN (%s)",
               tables_1);
    assert_int_equal(sqlite3_exec(db, find.ptr, drop_one, &drop, NULL), SQLITE_OK);
    assert_true(drop.len > 0);
    run_sql(db, drop.ptr);
    run_sql(db, "DROP INDEX note_at; DROP INDEX note_customer; ALTER TABLE notes DROP COLUMN customer; ALTER "
                "TABLE meta DROP COLUMN audit_from; PRAGMA user_version = 1;");
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
    buf_free(&find);
    buf_free(&drop);
}

static void fill_version_1(struct shop *shop, struct threat *threat)
{
    shop_begin(shop);
    shop_put(shop, threat);
    ok(store_put(shop->store, "epoch", STR("7"), &shop->err), &shop->err);
    ok(store_add_note(shop->store, threat->id, T0, STR("bo"), STR("old"), STR(""), NULL, &shop->err),
       &shop->err);
    ok(store_audit(shop->store, T0 + HOUR, STR("bo"), STR("threat.patch"), str_from(threat->id), STR("{}"),
                   &shop->err),
       &shop->err);
    shop_commit(shop);
}

static void a_store_of_version_1_is_brought_up_with_all_it_holds(void **state)
{
    struct shop shop = shop_new(state);
    struct threat *threat = threat_complete();
    struct buf out = BUF_EMPTY;
    threat->seq = 0;
    fill_version_1(&shop, threat);
    shop_close(&shop);
    make_version_1(&shop);
    shop_open(&shop);
    struct json *json = shop_get(&shop, threat->id);
    member_is(json, "title", "MFA fatigue: ana");
    json_free(json);
    ok(store_get(shop.store, "epoch", &out, &shop.err), &shop.err);
    assert_true(str_is(buf_str(&out), "7"));
    buf_clear(&out);
    ok(store_notes(shop.reader, str_from(threat->id), STR(""), 9, &out, &shop.err), &shop.err);
    json = json_of(&out);
    assert_int_equal(json_count(json), 1);
    /* From before the audit that is left: it may have been trimmed. */
    assert_int_equal(json_kind(json_get(json_item(json, 0), "audited")), JSON_KIND_NULL);
    json_free(json);
    const struct note_query theirs = {threat->customer, 0, 9, 0}, others = {STR("nobody"), 0, 9, 0};
    buf_clear(&out);
    ok(store_notes_recent(shop.reader, &theirs, &out, &shop.err), &shop.err);
    json = json_of(&out);
    assert_int_equal(json_count(json), 1);
    member_is(json_item(json, 0), "text", "old");
    json_free(json);
    buf_clear(&out);
    ok(store_notes_recent(shop.reader, &others, &out, &shop.err), &shop.err);
    assert_true(str_is(buf_str(&out), "[]"));
    buf_free(&out);
    threat_free(threat);
    shop_free(&shop);
}

static void what_is_new_works_in_a_store_that_was_brought_up(void **state)
{
    struct shop shop = shop_new(state);
    struct threat *threat = threat_number(1);
    struct store_job job = {.stage = JOB_MODEL};
    uint32_t claim;
    fill_version_1(&shop, threat);
    shop_close(&shop);
    make_version_1(&shop);
    shop_open(&shop);
    memcpy(job.threat_id, threat->id, sizeof job.threat_id);
    const struct verdict_key key = {STR("a"), STR("r"), STR("")};
    shop_begin(&shop);
    ok(store_put_job(shop.store, &job, &shop.err), &shop.err);
    ok(store_claim_job(shop.store, threat->id, JOB_MODEL, &claim, &shop.err), &shop.err);
    ok(store_add_verdict(shop.store, &key, VERDICT_TRUE_POSITIVE, 1, &shop.err), &shop.err);
    ok(store_set_timer(shop.store, threat->id, T0, &shop.err), &shop.err);
    shop_commit(&shop);
    shop_close(&shop);
    shop_open(&shop); /* and is not brought up once more */
    shop_begin(&shop);
    ok(store_finish_job(shop.store, threat->id, JOB_MODEL, claim, &shop.err), &shop.err);
    shop_commit(&shop);
    threat_free(threat);
    shop_free(&shop);
}

int main(void)
{
    log_level_set(LOG_OFF);
    const struct CMUnitTest tests[] = {
        {"a_store_of_version_1_is_brought_up_with_all_it_holds",
         a_store_of_version_1_is_brought_up_with_all_it_holds, NULL, NULL, &on_disk},
        {"what_is_new_works_in_a_store_that_was_brought_up", what_is_new_works_in_a_store_that_was_brought_up,
         NULL, NULL, &on_disk},
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
