/* Overlays of lists, what models cost, their answers, and observations. */
#include "core/data/store_fixture.h"

#include "base/log.h"
#include "data/store_sqlite.h"

/* ---- overlays ---- */

static int put_overlay(struct shop *shop, const char *name, uint32_t version, struct str added,
                       struct str removed)
{
    const struct store_overlay overlay = {.name = str_from(name),
                                          .version = version,
                                          .author = STR("bo"),
                                          .updated_ns = T0,
                                          .added = added,
                                          .removed = removed};
    uint32_t next = 0;
    if (store_put_overlay(shop->store, &overlay, &next, &shop->err))
        return -(int)shop->err.code;
    return (int)next;
}

static int write_overlay(const struct store_overlay *overlay, void *arg)
{
    buf_printf(arg, "%.*s@%u%.*s-%.*s ", STR_ARG(overlay->name), overlay->version, STR_ARG(overlay->added),
               STR_ARG(overlay->removed));
    return 0;
}

static void an_overlay_is_changed_from_its_current_version_only(void **state)
{
    struct shop shop = shop_new(state);
    struct arena *arena = arena_new(0);
    struct store_overlay overlay;
    shop_begin(&shop);
    assert_int_equal(put_overlay(&shop, "vip", 1, STR("[]"), STR("[]")), -ERR_CONFLICT);
    assert_int_equal(put_overlay(&shop, "vip", 0, STR("[\"ana\"]"), STR("")), 1);
    assert_int_equal(put_overlay(&shop, "vip", 0, STR("[]"), STR("[]")), -ERR_CONFLICT);
    assert_int_equal(put_overlay(&shop, "vip", 1, STR("{\"ana\":{\"owner\":\"it\"}}"), STR("[\"bo\"]")), 2);
    assert_int_equal(put_overlay(&shop, "assets", 0, STR(""), STR("")), 1);
    shop_commit(&shop);
    shop_begin(&shop);
    assert_int_equal(put_overlay(&shop, "vip", 2, STR(""), STR("")), 3);
    store_rollback(shop.store);
    if (shop.disk) {
        shop_close(&shop);
        shop_open(&shop);
    }
    ok(store_get_overlay(shop.store, STR("vip"), arena, &overlay, &shop.err), &shop.err);
    assert_int_equal(overlay.version, 2);
    assert_true(str_is(overlay.author, "bo"));
    assert_int_equal(overlay.updated_ns, T0);
    ok(store_read_overlay(shop.reader, STR("vip"), arena, &overlay, &shop.err), &shop.err);
    assert_true(str_is(overlay.added, "{\"ana\":{\"owner\":\"it\"}}"));
    assert_true(str_is(overlay.removed, "[\"bo\"]"));
    assert_int_equal(store_read_overlay(shop.reader, STR("x"), arena, &overlay, &shop.err), -1);
    assert_int_equal(shop.err.code, ERR_NOT_FOUND);
    assert_int_equal(store_get_overlay(shop.store, STR("x"), arena, &overlay, &shop.err), -1);
    assert_int_equal(shop.err.code, ERR_NOT_FOUND);
    struct buf one = BUF_EMPTY, two = BUF_EMPTY;
    ok(store_load_overlays(shop.store, write_overlay, &one, &shop.err), &shop.err);
    ok(store_read_overlays(shop.reader, write_overlay, &two, &shop.err), &shop.err);
    assert_string_equal(one.ptr, "assets@1[]-[] vip@2{\"ana\":{\"owner\":\"it\"}}-[\"bo\"] ");
    assert_string_equal(one.ptr, two.ptr);
    buf_free(&one);
    buf_free(&two);
    arena_free(arena);
    shop_free(&shop);
}

static void an_overlay_is_lists_and_nothing_else(void **state)
{
    struct shop shop = shop_new(state);
    char name[130];
    memset(name, 'n', sizeof name);
    name[129] = '\0';
    assert_int_equal(put_overlay(&shop, "x", 0, STR(""), STR("")), -ERR_INTERNAL);
    shop_begin(&shop);
    assert_int_equal(put_overlay(&shop, "x", 0, STR("1"), STR("")), -ERR_INVALID);
    assert_int_equal(put_overlay(&shop, "x", 0, STR("[1"), STR("")), -ERR_INVALID);
    assert_int_equal(put_overlay(&shop, "x", 0, STR("{\"a\":1,\"a\":2}"), STR("")), -ERR_INVALID);
    assert_int_equal(put_overlay(&shop, "x", 0, STR(""), STR("{}")), -ERR_INVALID);
    assert_int_equal(put_overlay(&shop, "", 0, STR(""), STR("")), -ERR_LIMIT);
    assert_int_equal(put_overlay(&shop, name, 0, STR(""), STR("")), -ERR_LIMIT);
    name[128] = '\0';
    assert_int_equal(put_overlay(&shop, name, 0, STR(""), STR("")), 1);
    shop_commit(&shop);
    shop_free(&shop);
}

static void put_numbers(struct buf *out, size_t count)
{
    buf_putc(out, '[');
    for (size_t i = 0; i < count; i++)
        buf_puts(out, i ? ",1" : "1");
    buf_putc(out, ']');
}

static void an_overlay_has_100000_entries_in_8_mib_and_no_more(void **state)
{
    struct shop shop = shop_new(state);
    struct buf many = BUF_EMPTY, large = BUF_EMPTY;
    put_numbers(&many, 60000);
    shop_begin(&shop);
    assert_int_equal(put_overlay(&shop, "n", 0, buf_str(&many), buf_str(&many)), -ERR_LIMIT);
    buf_clear(&many);
    put_numbers(&many, 50000);
    assert_int_equal(put_overlay(&shop, "n", 0, buf_str(&many), buf_str(&many)), 1);
    buf_puts(&large, "[\"");
    memset(buf_reserve(&large, 8 << 20), 'x', 8 << 20);
    buf_grew(&large, (8 << 20) - 4 - strlen("[]"));
    buf_puts(&large, "\"]");
    assert_int_equal(large.len, (8 << 20) - strlen("[]"));
    assert_int_equal(put_overlay(&shop, "l", 0, buf_str(&large), STR("[]")), 1);
    assert_int_equal(put_overlay(&shop, "l", 1, buf_str(&large), STR("[ ]")), -ERR_LIMIT);
    shop_commit(&shop);
    buf_free(&many);
    buf_free(&large);
    shop_free(&shop);
}

static void there_are_1000_overlays_and_they_can_still_be_changed(void **state)
{
    struct shop shop = shop_new(state);
    char name[16];
    shop_begin(&shop);
    for (int i = 0; i < 1000; i++) {
        snprintf(name, sizeof name, "list-%d", i);
        assert_int_equal(put_overlay(&shop, name, 0, STR(""), STR("")), 1);
    }
    assert_int_equal(put_overlay(&shop, "one more", 0, STR(""), STR("")), -ERR_LIMIT);
    assert_int_equal(put_overlay(&shop, name, 1, STR("[1]"), STR("")), 2);
    shop_commit(&shop);
    shop_free(&shop);
}

/* ---- usage ---- */

static void use(struct shop *shop, const char *day, const char *customer, const char *agent, uint64_t n)
{
    const struct ai_usage usage = {.day = str_from(day),
                                   .customer = str_from(customer),
                                   .rule = STR("r1"),
                                   .agent = str_from(agent),
                                   .model = STR("m"),
                                   .calls = n,
                                   .failures = n + 1,
                                   .prompt_tokens = n + 2,
                                   .completion_tokens = n + 3,
                                   .cost_micros = n + 4,
                                   .cached = n + 5};
    ok(store_add_usage(shop->store, &usage, &shop->err), &shop->err);
}

static struct json *usage_of(struct shop *shop, const char *customer, const char *since, const char *until)
{
    struct buf out = BUF_EMPTY;
    ok(store_usage(shop->reader, str_from(customer), str_from(since), str_from(until), &out, &shop->err),
       &shop->err);
    struct json *json = json_of(&out);
    buf_free(&out);
    return json;
}

static void usage_adds_up_by_day_agent_model_and_rule(void **state)
{
    struct shop shop = shop_new(state);
    shop_begin(&shop);
    use(&shop, "2026-01-01", "a", "config", 10);
    use(&shop, "2026-01-01", "a", "config", 20);
    use(&shop, "2026-01-02", "a", "devops", 30);
    use(&shop, "2026-01-03", "b", "config", 40);
    shop_commit(&shop);
    shop_begin(&shop);
    use(&shop, "2026-01-03", "b", "config", 40);
    store_rollback(shop.store);
    struct json *json = usage_of(&shop, "", "", "");
    const struct json *totals = json_get(json, "totals");
    member_is_int(totals, "calls", 100);
    member_is_int(totals, "failures", 104);
    member_is_int(totals, "prompt_tokens", 108);
    member_is_int(totals, "completion_tokens", 112);
    member_is_int(totals, "cost_micros", 116);
    member_is_int(totals, "cached", 120);
    assert_int_equal(json_count(json_get(json, "rows")), 3);
    const struct json *row = json_item(json_get(json, "rows"), 2); /* newest day first */
    member_is(row, "day", "2026-01-01");
    member_is(row, "customer_name", "a");
    member_is(row, "rule_id", "r1");
    member_is(row, "agent", "config");
    member_is(row, "model", "m");
    member_is_int(row, "calls", 30);
    assert_int_equal(json_count(json_get(json, "by_day")), 3);
    member_is(json_item(json_get(json, "by_agent"), 0), "agent", "config");
    member_is_int(json_item(json_get(json, "by_agent"), 0), "calls", 70);
    member_is_int(json_item(json_get(json, "by_model"), 0), "calls", 100);
    member_is(json_item(json_get(json, "by_rule"), 0), "rule_id", "r1");
    json_free(json);
    json = usage_of(&shop, "a", "2026-01-02", "2026-01-03");
    member_is_int(json_get(json, "totals"), "calls", 30);
    json_free(json);
    json = usage_of(&shop, "", "2026-01-01", "2026-01-02");
    member_is_int(json_get(json, "totals"), "calls", 60);
    json_free(json);
    json = usage_of(&shop, "nobody", "", "");
    member_is_int(json_get(json, "totals"), "calls", 0);
    assert_int_equal(json_count(json_get(json, "rows")), 0);
    json_free(json);
    shop_free(&shop);
}

static int sum_calls(const struct ai_usage *usage, void *arg)
{
    assert_true(str_is(usage->day, "2026-01-02"));
    *(uint64_t *)arg += usage->calls + usage->cost_micros;
    return 0;
}

static void budgets_start_with_what_the_day_has_used(void **state)
{
    struct shop shop = shop_new(state);
    uint64_t sum = 0;
    shop_begin(&shop);
    use(&shop, "2026-01-01", "a", "config", 10);
    use(&shop, "2026-01-02", "a", "config", 20);
    use(&shop, "2026-01-02", "b", "config", 30);
    shop_commit(&shop);
    ok(store_usage_today(shop.store, STR("2026-01-02"), sum_calls, &sum, &shop.err), &shop.err);
    assert_int_equal(sum, 20 + 24 + 30 + 34);
    shop_free(&shop);
}

static void a_day_is_written_as_one(void **state)
{
    struct shop shop = shop_new(state);
    static const char *const days[] = {"", "2026-1-01", "2026-01-011", "2026/01/01", "20260101xx", "today"};
    shop_begin(&shop);
    for (size_t i = 0; i < sizeof days / sizeof *days; i++) {
        const struct ai_usage usage = {.day = str_from(days[i])};
        assert_int_equal(store_add_usage(shop.store, &usage, &shop.err), -1);
        assert_int_equal(shop.err.code, ERR_INVALID);
    }
    shop_commit(&shop);
    shop_free(&shop);
}

static void huge_numbers_do_not_wrap_and_rows_are_1000(void **state)
{
    struct shop shop = shop_new(state);
    char agent[16];
    shop_begin(&shop);
    for (int i = 0; i < 1001; i++) {
        snprintf(agent, sizeof agent, "a%04d", i);
        use(&shop, "2026-01-01", "a", agent, i < 2 ? UINT64_MAX - 9 : 1);
    }
    shop_commit(&shop);
    struct json *json = usage_of(&shop, "", "", "");
    bool truncated = false;
    int64_t calls = 0;
    assert_int_equal(json_count(json_get(json, "rows")), 1000);
    assert_true(json_get_bool(json, "rows_truncated", &truncated) && truncated);
    assert_true(json_get_int(json_get(json, "totals"), "calls", &calls));
    assert_int_equal(calls, 2 * (INT64_C(1) << 50) + 999);
    json_free(json);
    shop_free(&shop);
}

static void usage_goes_with_the_audit_of_its_time(void **state)
{
    struct shop shop = shop_new(state);
    size_t deleted;
    shop_begin(&shop);
    use(&shop, "2026-01-01", "a", "x", 1);
    use(&shop, "2026-01-02", "a", "x", 1);
    ok(store_retain(shop.store, 0, T0, 10, &deleted, &shop.err), &shop.err); /* T0: 2026-01-02T03 */
    shop_commit(&shop);
    assert_int_equal(deleted, 1);
    struct json *json = usage_of(&shop, "", "", "");
    member_is_int(json_get(json, "totals"), "calls", 1);
    json_free(json);
    shop_free(&shop);
}

/* ---- answers ---- */

static struct answer_key answer_key(const char *customer, uint8_t n)
{
    struct answer_key key = {.customer = str_from(customer)};
    memset(key.hash, n, sizeof key.hash);
    return key;
}

static void put_answer(struct shop *shop, const char *customer, uint8_t n, const char *json)
{
    const struct answer_key key = answer_key(customer, n);
    ok(store_put_answer(shop->store, &key, str_from(json), T0 + n, &shop->err), &shop->err);
}

/* "" expected: none. On the writer's connection and a reader's. */
static void answer_is(struct shop *shop, const char *customer, uint8_t n, const char *expected)
{
    const struct answer_key key = answer_key(customer, n);
    for (int side = 0; side < 2; side++) {
        struct buf out = BUF_EMPTY;
        int64_t at = 0;
        int result = side ? store_get_answer(shop->store, &key, &out, &at, &shop->err)
                          : store_read_answer(shop->reader, &key, &out, &at, &shop->err);
        assert_int_equal(result, *expected ? 0 : -1);
        assert_true(str_is(buf_str(&out), expected));
        if (*expected)
            assert_int_equal(at, T0 + n);
        else
            assert_int_equal(shop->err.code, ERR_NOT_FOUND);
        buf_free(&out);
    }
}

static void an_answer_is_its_customers_own(void **state)
{
    struct shop shop = shop_new(state);
    shop_begin(&shop);
    put_answer(&shop, "a", 1, "{\"x\":1}");
    put_answer(&shop, "b", 1, "{\"x\":2}");
    put_answer(&shop, "a", 1, "{\"x\":3}");
    shop_commit(&shop);
    assert_int_equal(shop.store->answers.count, 2);
    answer_is(&shop, "a", 1, "{\"x\":3}");
    answer_is(&shop, "b", 1, "{\"x\":2}");
    answer_is(&shop, "c", 1, "");
    answer_is(&shop, "", 1, "");
    answer_is(&shop, "a", 2, "");
    if (shop.disk) {
        shop_close(&shop);
        shop_open(&shop);
        answer_is(&shop, "a", 1, "{\"x\":3}");
        assert_int_equal(shop.store->answers.count, 2);
    }
    shop_free(&shop);
}

static void the_oldest_answer_makes_room(void **state)
{
    struct shop shop = shop_new(state);
    assert_int_equal(shop.store->answers.max, 10000);
    shop.store->answers.max = 2;
    shop_begin(&shop);
    put_answer(&shop, "a", 1, "1");
    put_answer(&shop, "a", 2, "2");
    put_answer(&shop, "a", 1, "3"); /* 2 is the oldest now */
    put_answer(&shop, "a", 4, "4");
    shop_commit(&shop);
    answer_is(&shop, "a", 1, "3");
    answer_is(&shop, "a", 2, "");
    answer_is(&shop, "a", 4, "4");
    shop_free(&shop);
}

static void an_answer_has_64_kib_and_not_a_byte_more(void **state)
{
    struct shop shop = shop_new(state);
    const struct answer_key key = answer_key("a", 1);
    char *text = mem_alloc(65537);
    memset(text, 'x', 65537);
    shop_begin(&shop);
    assert_int_equal(store_put_answer(shop.store, &key, (struct str){text, 65537}, T0, &shop.err), -1);
    assert_int_equal(shop.err.code, ERR_LIMIT);
    ok(store_put_answer(shop.store, &key, (struct str){text, 65536}, T0, &shop.err), &shop.err);
    store_rollback(shop.store);
    assert_int_equal(shop.store->answers.count, 0);
    assert_int_equal(store_put_answer(shop.store, &key, STR("1"), T0, &shop.err), -1);
    assert_int_equal(shop.err.code, ERR_INTERNAL);
    free(text);
    shop_free(&shop);
}

/* ---- observations ---- */

static int observe(struct shop *shop, const char *kind, const char *customer, const char *entity, uint8_t n)
{
    struct store_observation observation = {.kind = str_from(kind),
                                            .customer = str_from(customer),
                                            .entity = str_from(entity),
                                            .time_ns = T0 + n * NS_PER_S,
                                            .event = {{n}},
                                            .body = STR("{\"n\": 1}")};
    return store_add_observation(shop->store, &observation, &shop->err) ? -(int)shop->err.code : 0;
}

/* The seconds of what is found, newest first: "3 1 ". */
static void found_are(struct shop *shop, const struct observation_query *query, const char *expected)
{
    struct buf out = BUF_EMPTY, seen = BUF_EMPTY;
    ok(store_observations(shop->reader, query, &out, &shop->err), &shop->err);
    struct json *json = json_of(&out);
    for (size_t i = 0; i < json_count(json); i++) {
        struct str event;
        assert_true(json_get_str(json_item(json, i), "event_id", &event));
        buf_printf(&seen, "%.2s ", event.ptr);
    }
    assert_string_equal(seen.ptr ? seen.ptr : "", expected);
    json_free(json);
    buf_free(&out);
    buf_free(&seen);
}

static void observations_are_found_by_kind_customer_entity_and_time(void **state)
{
    struct shop shop = shop_new(state);
    shop_begin(&shop);
    assert_int_equal(observe(&shop, "change", "a", "host.name:DC01", 1), 0);
    assert_int_equal(observe(&shop, "change", "b", "host.name:dc01", 2), 0);
    assert_int_equal(observe(&shop, "news", "a", "host.name:dc01", 3), 0);
    assert_int_equal(observe(&shop, "change", "a", "", 4), 0);
    assert_int_equal(observe(&shop, "change", "a", "host.name:dc02", 5), 0);
    assert_int_equal(observe(&shop, "egress", "a", "host.name:dc02", 5), 0); /* the event is there already */
    shop_commit(&shop);
    assert_int_equal(shop.store->observations.count, 5);
    struct observation_query query = {.kind = STR("change"), .limit = 100};
    found_are(&shop, &query, "05 04 02 01 ");
    query.customer = STR("a");
    found_are(&shop, &query, "05 04 01 ");
    query.limit = 2;
    found_are(&shop, &query, "05 04 ");
    query.limit = 100;
    query.since_ns = T0 + NS_PER_S;
    query.until_ns = T0 + 4 * NS_PER_S;
    found_are(&shop, &query, "01 ");
    query.since_ns = query.until_ns = 0;
    query.entity = STR("HOST.name:dc01");
    found_are(&shop, &query, "01 ");
    query.customer = STR("");
    found_are(&shop, &query, "02 01 ");
    query.kind = STR("egress");
    found_are(&shop, &query, "");
    shop_free(&shop);
}

static void an_observation_says_what_was_seen(void **state)
{
    struct shop shop = shop_new(state);
    struct buf out = BUF_EMPTY;
    shop_begin(&shop);
    assert_int_equal(observe(&shop, "change", "a", "host.name:DC01", 1), 0);
    shop_commit(&shop);
    if (shop.disk) {
        shop_close(&shop);
        shop_open(&shop);
    }
    const struct observation_query query = {.kind = STR("change"), .customer = STR("a"), .limit = 1};
    ok(store_observations(shop.reader, &query, &out, &shop.err), &shop.err);
    struct json *json = json_of(&out);
    const struct json *one = json_item(json, 0);
    member_is(one, "kind", "change");
    member_is(one, "customer_name", "a");
    member_is(one, "entity", "host.name:DC01");
    member_is(one, "time", "2026-01-02T03:00:01.000Z");
    member_is(one, "event_id", "01000000000000000000000000000000");
    member_is_int(json_get(one, "body"), "n", 1);
    json_free(json);
    buf_free(&out);
    shop_free(&shop);
}

static void the_observation_added_first_makes_room_and_old_ones_go(void **state)
{
    struct shop shop = shop_new(state);
    size_t deleted;
    const struct observation_query query = {.kind = STR("news"), .limit = 100};
    assert_int_equal(shop.store->observations.max, 100000);
    shop.store->observations.max = 3;
    shop_begin(&shop);
    static const uint8_t order[] = {9, 1, 2, 3}; /* 9 claims the latest time, and goes all the same */
    for (size_t i = 0; i < sizeof order; i++)
        assert_int_equal(observe(&shop, "news", "a", "", order[i]), 0);
    shop_commit(&shop);
    found_are(&shop, &query, "03 02 01 ");
    shop_begin(&shop);
    ok(store_retain_observations(shop.store, T0 + 3 * NS_PER_S, 1, &deleted, &shop.err), &shop.err);
    assert_int_equal(deleted, 1);
    ok(store_retain_observations(shop.store, T0 + 3 * NS_PER_S, 9, &deleted, &shop.err), &shop.err);
    assert_int_equal(deleted, 1);
    shop_commit(&shop);
    found_are(&shop, &query, "03 ");
    assert_int_equal(shop.store->observations.count, 1);
    shop_free(&shop);
}

static void what_is_no_observation_is_refused(void **state)
{
    struct shop shop = shop_new(state);
    char text[4098] = "{\"x\":\"", name[1025];
    memset(text + 6, 'x', 4090);
    memcpy(text + 4095, "\"}", 3);
    memset(name, 'e', sizeof name);
    struct store_observation observation = {.kind = STR("news"), .customer = STR("a"), .body = STR("[]")};
    assert_int_equal(store_add_observation(shop.store, &observation, &shop.err), -1);
    assert_int_equal(shop.err.code, ERR_INTERNAL);
    shop_begin(&shop);
    assert_int_equal(store_add_observation(shop.store, &observation, &shop.err), -1);
    assert_int_equal(shop.err.code, ERR_INVALID);
    observation.body = str_from(text);
    assert_int_equal(observation.body.len, 4097);
    assert_int_equal(store_add_observation(shop.store, &observation, &shop.err), -1);
    assert_int_equal(shop.err.code, ERR_LIMIT);
    memcpy(text + 4094, "\"}", 3);
    observation.body = str_from(text);
    observation.entity = (struct str){name, 1025};
    assert_int_equal(store_add_observation(shop.store, &observation, &shop.err), -1);
    assert_int_equal(shop.err.code, ERR_LIMIT);
    observation.entity.len = 1024;
    ok(store_add_observation(shop.store, &observation, &shop.err), &shop.err);
    assert_int_equal(observe(&shop, "", "a", "", 7), -ERR_LIMIT);
    shop_commit(&shop);
    shop_free(&shop);
}

int main(void)
{
    log_level_set(LOG_OFF);
    const struct CMUnitTest tests[] = {
        on_both(an_overlay_is_changed_from_its_current_version_only),
        on_both(an_overlay_is_lists_and_nothing_else),
        on_both(an_overlay_has_100000_entries_in_8_mib_and_no_more),
        on_both(there_are_1000_overlays_and_they_can_still_be_changed),
        on_both(usage_adds_up_by_day_agent_model_and_rule),
        on_both(budgets_start_with_what_the_day_has_used),
        on_both(a_day_is_written_as_one),
        on_both(huge_numbers_do_not_wrap_and_rows_are_1000),
        on_both(usage_goes_with_the_audit_of_its_time),
        on_both(an_answer_is_its_customers_own),
        on_both(the_oldest_answer_makes_room),
        on_both(an_answer_has_64_kib_and_not_a_byte_more),
        on_both(observations_are_found_by_kind_customer_entity_and_time),
        on_both(an_observation_says_what_was_seen),
        on_both(the_observation_added_first_makes_room_and_old_ones_go),
        on_both(what_is_no_observation_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
