/* Verdict counters by (customer, rule, entity), and the scorecard of rules. */
#include "core/data/store_fixture.h"

#include "base/log.h"
#include "data/store_sqlite.h"

/* long: a key and what is added to it */
static void add(struct shop *shop, const char *customer, const char *rule, const char *entity,
                enum threat_verdict verdict, int delta)
{
    const struct verdict_key key = {str_from(customer), str_from(rule), str_from(entity)};
    ok(store_add_verdict(shop->store, &key, verdict, delta, &shop->err), &shop->err);
}

static int write_key(const struct verdict_key *key, const uint32_t counts[VERDICT_COUNT], void *arg)
{
    buf_printf(arg, "%.*s/%.*s/%.*s:%u%u%u%u%u ", STR_ARG(key->customer), STR_ARG(key->rule),
               STR_ARG(key->entity), counts[0], counts[1], counts[2], counts[3], counts[4]);
    return 0;
}

static void verdicts_are(struct shop *shop, const char *expected)
{
    struct buf seen = BUF_EMPTY;
    buf_puts(&seen, "");
    ok(store_load_verdicts(shop->store, write_key, &seen, &shop->err), &shop->err);
    assert_string_equal(seen.ptr ? seen.ptr : "", expected);
    buf_free(&seen);
}

/* ---- counters ---- */

static void verdicts_are_counted_for_the_rule_and_for_each_entity(void **state)
{
    struct shop shop = shop_new(state);
    shop_begin(&shop);
    add(&shop, "acme", "r1", "", VERDICT_FALSE_POSITIVE, 2);
    add(&shop, "acme", "r1", "user.name:ana", VERDICT_FALSE_POSITIVE, 1);
    add(&shop, "acme", "r1", "user.name:ana", VERDICT_TRUE_POSITIVE, 3);
    add(&shop, "b", "r1", "user.name:ana", VERDICT_INCONCLUSIVE, 1);
    add(&shop, "b", "r1", "user.name:ana", VERDICT_BENIGN_TRUE_POSITIVE, 4);
    add(&shop, "b", "r1", "user.name:ana", VERDICT_NONE, 5);
    shop_commit(&shop);
    if (shop.disk) {
        shop_close(&shop);
        shop_open(&shop);
    }
    verdicts_are(&shop, "acme/r1/:00020 acme/r1/user.name:ana:03010 b/r1/user.name:ana:00401 ");
    shop_free(&shop);
}

static void a_count_never_falls_below_zero_and_what_is_all_zero_is_gone(void **state)
{
    struct shop shop = shop_new(state);
    shop_begin(&shop);
    add(&shop, "a", "r", "x", VERDICT_TRUE_POSITIVE, -1);
    add(&shop, "a", "r", "y", VERDICT_TRUE_POSITIVE, 1);
    add(&shop, "a", "r", "y", VERDICT_FALSE_POSITIVE, 1);
    add(&shop, "a", "r", "y", VERDICT_TRUE_POSITIVE, -3);
    add(&shop, "a", "r", "z", VERDICT_TRUE_POSITIVE, 1);
    add(&shop, "a", "r", "z", VERDICT_TRUE_POSITIVE, -1);
    shop_commit(&shop);
    verdicts_are(&shop, "a/r/y:00010 ");
    assert_int_equal(shop.store->verdicts.count, 1);
    shop_free(&shop);
}

static void the_key_that_was_changed_longest_ago_makes_room(void **state)
{
    struct shop shop = shop_new(state);
    assert_int_equal(shop.store->verdicts.max, 100000);
    shop.store->verdicts.max = 3;
    shop_begin(&shop);
    add(&shop, "a", "r", "1", VERDICT_TRUE_POSITIVE, 1);
    add(&shop, "a", "r", "2", VERDICT_TRUE_POSITIVE, 1);
    add(&shop, "a", "r", "3", VERDICT_TRUE_POSITIVE, 1);
    add(&shop, "a", "r", "1", VERDICT_FALSE_POSITIVE, 1); /* 2 is the oldest now */
    shop_commit(&shop);
    verdicts_are(&shop, "a/r/2:01000 a/r/3:01000 a/r/1:01010 ");
    shop_begin(&shop);
    add(&shop, "a", "r", "4", VERDICT_TRUE_POSITIVE, 1);
    shop_commit(&shop);
    verdicts_are(&shop, "a/r/3:01000 a/r/1:01010 a/r/4:01000 ");
    shop_begin(&shop);
    add(&shop, "a", "r", "5", VERDICT_TRUE_POSITIVE, 1);
    add(&shop, "a", "r", "6", VERDICT_TRUE_POSITIVE, 1);
    store_rollback(shop.store);
    assert_int_equal(shop.store->verdicts.count, 3);
    verdicts_are(&shop, "a/r/3:01000 a/r/1:01010 a/r/4:01000 ");
    shop_free(&shop);
}

static void the_bound_holds_after_a_restart(void **state)
{
    struct shop shop = shop_new(state);
    shop_begin(&shop);
    for (int i = 0; i < 5; i++) {
        char entity[2] = {(char)('1' + i), 0};
        add(&shop, "a", "r", entity, VERDICT_TRUE_POSITIVE, 1);
    }
    shop_commit(&shop);
    shop_close(&shop);
    shop_open(&shop);
    shop.store->verdicts.max = 2; /* a smaller bound is kept from then on */
    shop_begin(&shop);
    add(&shop, "a", "r", "6", VERDICT_TRUE_POSITIVE, 1);
    shop_commit(&shop);
    verdicts_are(&shop, "a/r/5:01000 a/r/6:01000 ");
    shop_free(&shop);
}

static void a_name_of_512_bytes_is_counted_and_a_longer_one_left_out(void **state)
{
    struct shop shop = shop_new(state);
    char name[514];
    memset(name, 'n', sizeof name);
    name[513] = '\0';
    shop_begin(&shop);
    add(&shop, "a", "r", name, VERDICT_TRUE_POSITIVE, 1);
    add(&shop, "a", name, "", VERDICT_TRUE_POSITIVE, 1);
    add(&shop, name, "r", "", VERDICT_TRUE_POSITIVE, 1);
    assert_int_equal(shop.store->verdicts.count, 0);
    name[512] = '\0';
    add(&shop, "a", "r", name, VERDICT_TRUE_POSITIVE, 1);
    assert_int_equal(shop.store->verdicts.count, 1);
    shop_commit(&shop);
    const struct verdict_key key = {STR("a"), STR("r"), STR("")};
    assert_int_equal(store_add_verdict(shop.store, &key, VERDICT_TRUE_POSITIVE, 1, &shop.err), -1);
    assert_int_equal(shop.err.code, ERR_INTERNAL);
    assert_int_equal(store_add_scorecard(shop.store, &key, VERDICT_TRUE_POSITIVE, 1, 1, &shop.err), -1);
    shop_free(&shop);
}

/* ---- scorecard ---- */

/* long: a key and what is added to it */
static void score(struct shop *shop, const char *customer, const char *rule, enum threat_verdict verdict,
                  int delta, double minutes)
{
    const struct verdict_key key = {str_from(customer), str_from(rule), STR("ignored")};
    ok(store_add_scorecard(shop->store, &key, verdict, delta, minutes, &shop->err), &shop->err);
}

static struct json *scorecard(struct shop *shop, const char *customer)
{
    struct buf out = BUF_EMPTY;
    ok(store_scorecard(shop->reader, str_from(customer), &out, &shop->err), &shop->err);
    struct json *json = json_of(&out);
    buf_free(&out);
    return json;
}

static void member_is_near(const struct json *object, const char *key, double expected, double tolerance)
{
    double value = -1;
    assert_true(json_get_double(object, key, &value));
    if (value < expected - tolerance || value > expected + tolerance)
        fail_msg("%s: expected about %g, found %g", key, expected, value);
}

static void a_rule_without_verdicts_has_a_volume_and_no_precision(void **state)
{
    struct shop shop = shop_new(state);
    shop_begin(&shop);
    for (uint64_t n = 1; n <= 12; n++) {
        struct threat *threat = threat_number(n); /* rule n % 5, customer n % 2 */
        threat->shadow = n == 5;
        threat->suppressed = n == 10;
        shop_put(&shop, threat);
        threat_free(threat);
    }
    shop_commit(&shop);
    struct json *json = scorecard(&shop, "");
    assert_int_equal(json_count(json), 4); /* r0 fired for the shadow and the suppressed one only */
    member_is(json_item(json, 0), "rule_id", "r1");
    member_is_int(json_item(json, 0), "threats", 3);
    assert_int_equal(json_kind(json_get(json_item(json, 0), "precision")), JSON_KIND_NULL);
    assert_int_equal(json_kind(json_get(json_item(json, 0), "median_minutes_to_verdict")), JSON_KIND_NULL);
    member_is_int(json_get(json_item(json, 0), "verdicts"), "false_positive", 0);
    json_free(json);
    json = scorecard(&shop, "c0");
    member_is(json_item(json, 0), "rule_id", "r1");
    member_is_int(json_item(json, 0), "threats", 1); /* 6, of 1, 6 and 11 */
    json_free(json);
    shop_free(&shop);
}

static void precision_is_the_share_of_the_decided_that_were_right(void **state)
{
    struct shop shop = shop_new(state);
    shop_begin(&shop);
    score(&shop, "a", "r2", VERDICT_TRUE_POSITIVE, 2, -1);
    score(&shop, "a", "r2", VERDICT_BENIGN_TRUE_POSITIVE, 1, -1);
    score(&shop, "a", "r2", VERDICT_FALSE_POSITIVE, 1, -1);
    score(&shop, "a", "r2", VERDICT_INCONCLUSIVE, 9, -1);
    score(&shop, "a", "r2", VERDICT_NONE, 9, 1);
    score(&shop, "b", "r2", VERDICT_FALSE_POSITIVE, 4, -1);
    score(&shop, "b", "r1", VERDICT_INCONCLUSIVE, 1, -1);
    score(&shop, "b", "r0", VERDICT_INCONCLUSIVE, 1, -1);
    score(&shop, "b", "r0", VERDICT_INCONCLUSIVE, -2, -1);
    shop_commit(&shop);
    struct json *json = scorecard(&shop, "a");
    assert_int_equal(json_count(json), 1);
    const struct json *card = json_item(json, 0), *verdicts = json_get(card, "verdicts");
    member_is_near(card, "precision", 0.75, 1e-9);
    member_is_int(verdicts, "true_positive", 2);
    member_is_int(verdicts, "benign_true_positive", 1);
    member_is_int(verdicts, "false_positive", 1);
    member_is_int(verdicts, "inconclusive", 9);
    assert_int_equal(json_kind(json_get(card, "median_minutes_to_verdict")), JSON_KIND_NULL);
    json_free(json);
    json = scorecard(&shop, "");
    assert_int_equal(json_count(json), 2); /* r0 was taken back */
    member_is(json_item(json, 0), "rule_id", "r1");
    assert_int_equal(json_kind(json_get(json_item(json, 0), "precision")), JSON_KIND_NULL);
    member_is_near(json_item(json, 1), "precision", 3.0 / 8, 1e-9);
    json_free(json);
    shop_free(&shop);
}

static void the_median_is_right_within_a_tenth(void **state)
{
    struct shop shop = shop_new(state);
    static const double cases[] = {0, 0.5, 1, 3, 14, 15, 60, 61, 480, 1441, 99999, 5e8};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char rule[8];
        snprintf(rule, sizeof rule, "m%02zu", i);
        shop_begin(&shop);
        score(&shop, "a", rule, VERDICT_TRUE_POSITIVE, 1, cases[i] / 7);
        score(&shop, "a", rule, VERDICT_TRUE_POSITIVE, 1, cases[i]);
        score(&shop, "a", rule, VERDICT_FALSE_POSITIVE, 1, cases[i] * 9 + 1);
        score(&shop, "a", rule, VERDICT_FALSE_POSITIVE, 5, 1e6);
        score(&shop, "a", rule, VERDICT_FALSE_POSITIVE, -5, 1e6);
        shop_commit(&shop);
    }
    struct json *json = scorecard(&shop, "a");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        member_is_near(json_item(json, i), "median_minutes_to_verdict", cases[i], 0.15 + cases[i] * 0.1);
    json_free(json);
    shop_free(&shop);
}

int main(void)
{
    log_level_set(LOG_OFF);
    const struct CMUnitTest tests[] = {
        on_both(verdicts_are_counted_for_the_rule_and_for_each_entity),
        on_both(a_count_never_falls_below_zero_and_what_is_all_zero_is_gone),
        on_both(the_key_that_was_changed_longest_ago_makes_room),
        {"on disk: the_bound_holds_after_a_restart", the_bound_holds_after_a_restart, NULL, NULL, &on_disk},
        on_both(a_name_of_512_bytes_is_counted_and_a_longer_one_left_out),
        on_both(a_rule_without_verdicts_has_a_volume_and_no_precision),
        on_both(precision_is_the_share_of_the_decided_that_were_right),
        on_both(the_median_is_right_within_a_tenth),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
