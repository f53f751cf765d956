#include "core/data/store_fixture.h"

#include "base/log.h"

/* ---- transactions and facts ---- */

static void what_is_committed_is_seen_and_what_is_rolled_back_never_was(void **state)
{
    struct shop shop = shop_new(state);
    struct buf value = BUF_EMPTY;
    struct threat *kept = threat_number(1), *gone = threat_number(2);
    shop_begin(&shop);
    shop_put(&shop, kept);
    ok(store_put(shop.store, "epoch", STR("a\0b"), &shop.err), &shop.err);
    shop_commit(&shop);
    shop_begin(&shop);
    shop_put(&shop, gone);
    assert_int_equal(gone->seq, 2);
    ok(store_put(shop.store, "epoch", STR("other"), &shop.err), &shop.err);
    store_rollback(shop.store);
    ok(store_get(shop.store, "epoch", &value, &shop.err), &shop.err);
    assert_true(str_equal(buf_str(&value), STR("a\0b")));
    assert_int_equal(store_last_seq(shop.reader), 1);
    struct threat_query query = query_all();
    assert_int_equal(shop_count(&shop, &query), 1);
    gone->seq = 0;
    shop_put_now(&shop, gone); /* the number was rolled back with it: no hole */
    assert_int_equal(gone->seq, 2);
    assert_int_equal(store_last_seq(shop.reader), 2);
    buf_free(&value);
    threat_free(kept);
    threat_free(gone);
    shop_free(&shop);
}

static void facts_have_names_of_1_to_128_bytes(void **state)
{
    struct shop shop = shop_new(state);
    struct buf value = BUF_EMPTY;
    char name[130];
    memset(name, 'n', sizeof name);
    name[128] = '\0';
    shop_begin(&shop);
    ok(store_put(shop.store, name, STR("x"), &shop.err), &shop.err);
    ok(store_put(shop.store, "empty", STR(""), &shop.err), &shop.err);
    name[128] = 'n';
    name[129] = '\0';
    assert_int_equal(store_put(shop.store, name, STR("x"), &shop.err), -1);
    assert_int_equal(shop.err.code, ERR_LIMIT);
    assert_int_equal(store_put(shop.store, "", STR("x"), &shop.err), -1);
    shop_commit(&shop);
    ok(store_get(shop.store, "empty", &value, &shop.err), &shop.err);
    assert_int_equal(value.len, 0);
    assert_int_equal(store_get(shop.store, "absent", &value, &shop.err), -1);
    assert_int_equal(shop.err.code, ERR_NOT_FOUND);
    buf_free(&value);
    shop_free(&shop);
}

static void outside_a_transaction_nothing_is_written(void **state)
{
    struct shop shop = shop_new(state);
    struct threat *threat = threat_number(1);
    struct id128 id = {{1}};
    threat->seq = threat->last_seq = 1;
    int64_t note;
    size_t count;
    const int results[] = {
        store_put(shop.store, "a", STR("b"), &shop.err),
        store_put_threat(shop.store, threat, true, &shop.err),
        store_add_members(shop.store, threat->id, &id, 1, &shop.err),
        store_add_note(shop.store, threat->id, T0, STR("a"), STR("b"), STR(""), &note, &shop.err),
        store_audit(shop.store, T0, STR("a"), STR("b"), STR("c"), STR(""), &shop.err),
        store_retain(shop.store, T0, T0, 10, &count, &shop.err),
        store_forget_demo(shop.store, &count, &shop.err),
        store_commit(shop.store, &shop.err),
    };
    for (size_t i = 0; i < sizeof results / sizeof *results; i++)
        assert_int_equal(results[i], -1);
    assert_int_equal(shop.err.code, ERR_INTERNAL);
    shop_begin(&shop);
    assert_int_equal(store_begin(shop.store, &shop.err), -1);
    store_rollback(shop.store);
    store_rollback(shop.store);
    threat_free(threat);
    shop_free(&shop);
}

static void what_was_on_disk_is_there_when_it_is_opened_again(void **state)
{
    struct shop shop = shop_new(state);
    struct buf value = BUF_EMPTY;
    struct threat *threat = threat_complete();
    threat->seq = 0;
    shop_begin(&shop);
    shop_put(&shop, threat);
    ok(store_put(shop.store, "epoch", STR("7"), &shop.err), &shop.err);
    shop_commit(&shop);
    shop_close(&shop);
    shop_open(&shop);
    assert_int_equal(store_last_seq(shop.reader), 1);
    ok(store_get(shop.store, "epoch", &value, &shop.err), &shop.err);
    struct json *json = shop_get(&shop, threat->id);
    member_is(json, "title", "MFA fatigue: ana");
    shop_begin(&shop);
    assert_int_equal(store_next_seq(shop.store), 2);
    store_rollback(shop.store);
    json_free(json);
    buf_free(&value);
    threat_free(threat);
    shop_free(&shop);
}

static void two_stores_in_memory_are_strangers(void **state)
{
    struct shop one = shop_new(state), two = shop_new(state);
    struct threat *threat = threat_number(1);
    shop_put_now(&one, threat);
    assert_int_equal(store_last_seq(one.reader), 1);
    assert_int_equal(store_last_seq(two.reader), 0);
    threat_free(threat);
    shop_free(&one);
    shop_free(&two);
}

/* ---- threats ---- */

static void a_threat_is_new_once_and_changed_only_when_it_is_there(void **state)
{
    struct shop shop = shop_new(state);
    struct threat *threat = threat_number(1);
    shop_put_now(&shop, threat);
    shop_begin(&shop);
    threat->last_seq = store_next_seq(shop.store);
    threat->seq = threat->last_seq;
    assert_int_equal(store_put_threat(shop.store, threat, true, &shop.err), -1);
    assert_int_equal(shop.err.code, ERR_CONFLICT);
    store_rollback(shop.store);

    struct threat *stranger = threat_number(2);
    shop_begin(&shop);
    stranger->seq = stranger->last_seq = store_next_seq(shop.store);
    assert_int_equal(store_put_threat(shop.store, stranger, false, &shop.err), -1);
    assert_int_equal(shop.err.code, ERR_NOT_FOUND);
    store_rollback(shop.store);
    struct threat_query query = query_all();
    assert_int_equal(shop_count(&shop, &query), 1);
    threat_free(threat);
    threat_free(stranger);
    shop_free(&shop);
}

static void a_number_the_store_did_not_give_is_refused(void **state)
{
    struct shop shop = shop_new(state);
    struct threat *threat = threat_number(1);
    shop_begin(&shop);
    threat->seq = threat->last_seq = 0;
    assert_int_equal(store_put_threat(shop.store, threat, true, &shop.err), -1);
    threat->seq = threat->last_seq = 9;
    assert_int_equal(store_put_threat(shop.store, threat, true, &shop.err), -1);
    assert_int_equal(shop.err.code, ERR_INTERNAL);
    store_rollback(shop.store);
    threat_free(threat);
    shop_free(&shop);
}

static void a_customer_cannot_read_the_threat_of_another(void **state)
{
    struct shop shop = shop_new(state);
    struct threat *threat = threat_number(1);
    struct buf out = BUF_EMPTY;
    uint32_t version = 0;
    threat->version = 5;
    shop_put_now(&shop, threat);
    ok(store_get_threat(shop.reader, str_from(threat->id), STR("c1"), &version, &out, &shop.err), &shop.err);
    assert_int_equal(version, 5);
    buf_clear(&out);
    assert_int_equal(
        store_get_threat(shop.reader, str_from(threat->id), STR("c0"), &version, &out, &shop.err), -1);
    assert_int_equal(shop.err.code, ERR_NOT_FOUND);
    assert_int_equal(out.len, 0);
    assert_int_equal(store_get_threat(shop.reader, STR("nobody"), STR(""), &version, &out, &shop.err), -1);
    assert_int_equal(shop.err.code, ERR_NOT_FOUND);
    buf_free(&out);
    threat_free(threat);
    shop_free(&shop);
}

static void notes_and_audited_changes_stand_in_the_threat(void **state)
{
    struct shop shop = shop_new(state);
    struct threat *threat = threat_number(1);
    int64_t first = 0, second = 0;
    shop_begin(&shop);
    shop_put(&shop, threat);
    ok(store_add_note(shop.store, threat->id, T0 + HOUR, STR("bo"), STR("one"), STR("s1"), &first, &shop.err),
       &shop.err);
    ok(store_add_note(shop.store, threat->id, T0 + 3 * HOUR, STR("cy"), STR("two"), STR(""), &second,
                      &shop.err),
       &shop.err);
    ok(store_audit(shop.store, T0 + 2 * HOUR, STR("bo"), STR("threat.patch"), str_from(threat->id),
                   STR("{\"status\":[\"new\",\"resolved\"]}"), &shop.err),
       &shop.err);
    assert_int_equal(
        store_add_note(shop.store, "nobody", T0, STR("bo"), STR("x"), STR(""), &first, &shop.err), -1);
    assert_int_equal(shop.err.code, ERR_NOT_FOUND);
    shop_commit(&shop);
    assert_true(second > 1);
    struct json *json = shop_get(&shop, threat->id);
    const struct json *notes = json_get(json, "notes");
    assert_int_equal(json_count(notes), 2);
    member_is(json_item(notes, 0), "text", "one");
    member_is(json_item(notes, 1), "text", "two");
    const struct json *events = json_get(json_get(json, "investigation_timeline"), "events");
    assert_int_equal(json_count(events), 5);
    member_is(json_item(events, 3), "text", "threat.patch");
    member_is(json_item(events, 4), "by", "cy");
    json_free(json);
    threat_free(threat);
    shop_free(&shop);
}

static void a_note_holds_8_kib_and_not_a_byte_more(void **state)
{
    struct shop shop = shop_new(state);
    struct threat *threat = threat_number(1);
    char *text = mem_alloc(8193);
    memset(text, 'x', 8193);
    int64_t id;
    shop_begin(&shop);
    shop_put(&shop, threat);
    ok(store_add_note(shop.store, threat->id, T0, STR("bo"), (struct str){text, 8192}, STR(""), &id,
                      &shop.err),
       &shop.err);
    assert_int_equal(store_add_note(shop.store, threat->id, T0, STR("bo"), (struct str){text, 8193}, STR(""),
                                    &id, &shop.err),
                     -1);
    assert_int_equal(shop.err.code, ERR_LIMIT);
    shop_commit(&shop);
    free(text);
    threat_free(threat);
    shop_free(&shop);
}

static void members_are_a_set(void **state)
{
    struct shop shop = shop_new(state);
    struct threat *threat = threat_number(1), *other = threat_number(2);
    struct id128 ids[3] = {{{1}}, {{2}}, {{3}}}, back[8];
    size_t count;
    shop_begin(&shop);
    shop_put(&shop, threat);
    shop_put(&shop, other);
    ok(store_add_members(shop.store, threat->id, ids, 2, &shop.err), &shop.err);
    ok(store_add_members(shop.store, threat->id, ids, 3, &shop.err), &shop.err);
    ok(store_add_members(shop.store, other->id, ids, 1, &shop.err), &shop.err);
    shop_commit(&shop);
    ok(store_load_members(shop.store, threat->id, back, 8, &count, &shop.err), &shop.err);
    assert_int_equal(count, 3);
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(id128_compare(&back[i], &ids[i]), 0);
    ok(store_load_members(shop.store, threat->id, back, 2, &count, &shop.err), &shop.err);
    assert_int_equal(count, 2);
    assert_int_equal(store_load_members(shop.store, "nobody", back, 8, &count, &shop.err), -1);
    assert_int_equal(shop.err.code, ERR_NOT_FOUND);
    threat_free(threat);
    threat_free(other);
    shop_free(&shop);
}

static void a_family_is_rule_customer_and_key_newest_anchor_first(void **state)
{
    struct shop shop = shop_new(state);
    struct threat *found[64];
    size_t count;
    shop_begin(&shop);
    for (uint64_t n = 1; n <= 80; n++) {
        struct threat *threat = threat_number(n);
        threat->rule_id = STR("r");
        threat->customer = STR("c");
        threat->dedup_key = STR("k");
        threat->anchor_ns = T0 + (int64_t)(n * 37 % 80);
        shop_put(&shop, threat);
        threat_free(threat);
    }
    static const char *const strangers[][3] = {
        {"r2", "c", "k"}, {"r", "c2", "k"}, {"r", "c", "k2"}, {"rc", "", "k"}};
    for (uint64_t n = 0; n < 4; n++) {
        struct threat *threat = threat_number(100 + n);
        threat->rule_id = str_from(strangers[n][0]);
        threat->customer = str_from(strangers[n][1]);
        threat->dedup_key = str_from(strangers[n][2]);
        shop_put(&shop, threat);
        threat_free(threat);
    }
    shop_commit(&shop);
    ok(store_load_family(shop.store, STR("r"), STR("c"), STR("k"), found, 64, &count, &shop.err), &shop.err);
    assert_int_equal(count, 64);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(found[i]->anchor_ns, T0 + 79 - (int64_t)i);
        threat_free(found[i]);
    }
    ok(store_load_family(shop.store, STR("r2"), STR("c"), STR("k"), found, 64, &count, &shop.err), &shop.err);
    assert_int_equal(count, 1);
    threat_free(found[0]);
    ok(store_load_family(shop.store, STR("r"), STR("c"), STR(""), found, 64, &count, &shop.err), &shop.err);
    assert_int_equal(count, 0);
    shop_free(&shop);
}

static void the_writer_reads_back_what_it_stored_also_before_the_commit(void **state)
{
    struct shop shop = shop_new(state);
    struct threat *threat = threat_complete();
    threat->seq = 0;
    shop_begin(&shop);
    shop_put(&shop, threat);
    struct threat *back = store_load_threat(shop.store, str_from(threat->id), &shop.err);
    assert_non_null(back);
    assert_true(str_equal(back->title, threat->title));
    assert_null(store_load_threat(shop.store, STR("nobody"), &shop.err));
    assert_int_equal(shop.err.code, ERR_NOT_FOUND);
    shop_commit(&shop);
    threat_free(back);
    threat_free(threat);
    shop_free(&shop);
}

/* ---- the log of changes ---- */

struct seen {
    uint64_t seqs[64];
    bool is_new[64];
    size_t count, stop_at;
};

static int see(uint64_t seq, bool is_new, struct str customer, struct str json, void *arg)
{
    struct seen *seen = arg;
    assert_true(customer.len > 0);
    assert_true(json.len > 2 && json.ptr[0] == '{');
    seen->seqs[seen->count] = seq;
    seen->is_new[seen->count++] = is_new;
    return seen->count == seen->stop_at;
}

static void changes_are_visited_in_order_with_the_threat_of_now(void **state)
{
    struct shop shop = shop_new(state);
    struct threat *threats[3];
    for (uint64_t i = 0; i < 3; i++) {
        threats[i] = threat_number(i + 1);
        shop_put_now(&shop, threats[i]);
    }
    threats[0]->event_count = 9;
    shop_put_now(&shop, threats[0]);
    bool trimmed = true;
    struct seen seen = {0};
    ok(store_changes(shop.reader, 0, 64, true, see, &seen, &trimmed, &shop.err), &shop.err);
    assert_false(trimmed);
    assert_int_equal(seen.count, 4);
    for (uint64_t i = 0; i < 4; i++) {
        assert_int_equal(seen.seqs[i], i + 1);
        assert_int_equal(seen.is_new[i], i < 3);
    }
    seen = (struct seen){0};
    ok(store_changes(shop.reader, 2, 64, false, see, &seen, &trimmed, &shop.err), &shop.err);
    assert_int_equal(seen.count, 2);
    seen = (struct seen){0};
    ok(store_changes(shop.reader, 0, 2, false, see, &seen, &trimmed, &shop.err), &shop.err);
    assert_int_equal(seen.count, 2);
    seen = (struct seen){.stop_at = 3};
    ok(store_changes(shop.reader, 0, 64, true, see, &seen, &trimmed, &shop.err), &shop.err);
    assert_int_equal(seen.count, 3);
    seen = (struct seen){0};
    ok(store_changes(shop.reader, 4, 64, true, see, &seen, &trimmed, &shop.err), &shop.err);
    assert_false(trimmed);
    assert_int_equal(seen.count, 0);
    ok(store_changes(shop.reader, 5, 64, true, see, &seen, &trimmed, &shop.err), &shop.err);
    assert_true(trimmed); /* a number from another history */
    for (size_t i = 0; i < 3; i++)
        threat_free(threats[i]);
    shop_free(&shop);
}

static int count_only(uint64_t seq, bool is_new, struct str customer, struct str json, void *arg)
{
    (void)seq;
    (void)is_new;
    (void)customer;
    (void)json;
    ++*(size_t *)arg;
    return 0;
}

static void the_log_keeps_the_newest_10000_changes(void **state)
{
    struct shop shop = shop_new(state);
    struct threat *threat = threat_number(1);
    bool trimmed;
    size_t count = 0;
    for (int commits = 0; commits < 101; commits++) {
        shop_begin(&shop);
        for (int i = 0; i < 100; i++)
            shop_put(&shop, threat);
        shop_commit(&shop);
    }
    ok(store_changes(shop.reader, 100, SIZE_MAX >> 1, true, count_only, &count, &trimmed, &shop.err),
       &shop.err);
    assert_false(trimmed);
    assert_int_equal(count, 10000);
    ok(store_changes(shop.reader, 99, 10, true, count_only, &count, &trimmed, &shop.err), &shop.err);
    assert_true(trimmed);
    assert_int_equal(count, 10000);
    threat_free(threat);
    shop_free(&shop);
}

/* ---- audit ---- */

static void the_audit_is_listed_newest_first_page_by_page(void **state)
{
    struct shop shop = shop_new(state);
    struct buf out = BUF_EMPTY;
    shop_begin(&shop);
    for (int i = 1; i <= 5; i++)
        ok(store_audit(shop.store, T0 + i * NS_PER_S, STR("ana"), STR("rules.reload"), STR("rules"),
                       i == 3 ? STR("{\"generation\":3}") : STR(""), &shop.err),
           &shop.err);
    shop_commit(&shop);
    ok(store_audit_list(shop.reader, 3, 0, &out, &shop.err), &shop.err);
    struct json *json = json_of(&out);
    assert_int_equal(json_count(json), 3);
    member_is_int(json_item(json, 0), "id", 5);
    member_is(json_item(json, 0), "time", "2026-01-02T03:00:05.000Z");
    member_is_int(json_get(json_item(json, 2), "detail"), "generation", 3);
    json_free(json);
    buf_clear(&out);
    ok(store_audit_list(shop.reader, 3, 3, &out, &shop.err), &shop.err);
    json = json_of(&out);
    assert_int_equal(json_count(json), 2);
    member_is_int(json_item(json, 0), "id", 2);
    json_free(json);
    buf_free(&out);
    shop_free(&shop);
}

static void a_detail_that_is_no_object_is_refused(void **state)
{
    struct shop shop = shop_new(state);
    static const char *const details[] = {"[]", "{", "x", "{\"a\":1}}", "1", "{\"a\":tru}"};
    shop_begin(&shop);
    for (size_t i = 0; i < sizeof details / sizeof *details; i++) {
        assert_int_equal(
            store_audit(shop.store, T0, STR("a"), STR("b"), STR("c"), str_from(details[i]), &shop.err), -1);
        assert_int_equal(shop.err.code, ERR_INVALID);
    }
    store_rollback(shop.store);
    shop_free(&shop);
}

int main(void)
{
    log_level_set(LOG_OFF);
    const struct CMUnitTest tests[] = {
        on_both(what_is_committed_is_seen_and_what_is_rolled_back_never_was),
        on_both(facts_have_names_of_1_to_128_bytes),
        on_both(outside_a_transaction_nothing_is_written),
        {"on disk: what_was_on_disk_is_there_when_it_is_opened_again",
         what_was_on_disk_is_there_when_it_is_opened_again, NULL, NULL, &on_disk},
        {"in memory: two_stores_in_memory_are_strangers", two_stores_in_memory_are_strangers, NULL, NULL,
         &in_memory},
        on_both(a_threat_is_new_once_and_changed_only_when_it_is_there),
        on_both(a_number_the_store_did_not_give_is_refused),
        on_both(a_customer_cannot_read_the_threat_of_another),
        on_both(notes_and_audited_changes_stand_in_the_threat),
        on_both(a_note_holds_8_kib_and_not_a_byte_more),
        on_both(members_are_a_set),
        on_both(a_family_is_rule_customer_and_key_newest_anchor_first),
        on_both(the_writer_reads_back_what_it_stored_also_before_the_commit),
        on_both(changes_are_visited_in_order_with_the_threat_of_now),
        on_both(the_log_keeps_the_newest_10000_changes),
        on_both(the_audit_is_listed_newest_first_page_by_page),
        on_both(a_detail_that_is_no_object_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
