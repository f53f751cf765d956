/* Lists: each filter, the cursor and the totals, held against a slow and obvious evaluator over the same
 * threats. */
#include "core/data/store_fixture.h"

#include "base/log.h"
#include "base/text.h"
#include "data/store_sqlite.h"

static uint64_t random_next(uint64_t *seed)
{
    *seed = *seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return *seed >> 33;
}

/* ---- the obvious evaluator ---- */

struct world {
    VEC(struct threat *) threats; /* by seq, ascending; NULL where deleted */
};

static bool holds_text(struct str text, struct str q)
{
    char folded[512];
    assert_true(text_fold_max(text.len) < sizeof folded);
    size_t len = text_fold(text, folded);
    return q.len == 0 || memmem(folded, len, q.ptr, q.len);
}

static bool has_entity(const struct threat *threat, struct str entity)
{
    for (size_t i = 0; i < threat->entities.count; i++)
        if (text_equal_fold(threat->entities.items[i], entity))
            return true;
    return false;
}

static bool q_found(const struct threat *threat, struct str q)
{
    bool found = holds_text(threat->title, q) || holds_text(threat->summary, q) ||
                 holds_text(threat->rule_id, q) || holds_text(threat->rule_title, q);
    for (size_t i = 0; i < threat->entities.count; i++)
        found = found || holds_text(threat->entities.items[i], q);
    return found;
}

static bool matches(const struct threat *threat, const struct threat_query *query)
{
    return (!query->severities || query->severities >> threat->severity & 1) &&
           (!query->statuses || query->statuses >> threat->status & 1) &&
           (!query->verdicts || query->verdicts >> threat->verdict & 1) &&
           (query->review < 0 || threat->review == (query->review == 1)) &&
           (!threat->shadow || query->with_shadow) && (!threat->suppressed || query->with_suppressed) &&
           (!query->customer.len || str_equal(threat->customer, query->customer)) &&
           (!query->type.len || str_equal(threat->type, query->type)) &&
           (!query->rule.len || str_equal(threat->rule_id, query->rule)) &&
           (!query->assignee.len || str_equal(threat->assignee, query->assignee)) &&
           (!query->entity.len || has_entity(threat, query->entity)) &&
           (!query->q.len || q_found(threat, query->q)) &&
           (!query->since_ns || threat->created_ns >= query->since_ns) &&
           (!query->until_ns || threat->created_ns < query->until_ns) &&
           (!query->as_of || threat->seq <= query->as_of);
}

/* The page of seqs, and the total. */
static size_t expect_page(const struct world *world, const struct threat_query *query, uint64_t *seqs,
                          uint64_t *total)
{
    size_t count = 0, passed = 0, n = world->threats.count;
    *total = 0;
    for (size_t i = 0; i < n; i++) {
        const struct threat *threat = world->threats.items[query->oldest_first ? i : n - 1 - i];
        if (!threat || !matches(threat, query))
            continue;
        ++*total;
        bool behind = !query->before_seq || (query->oldest_first ? threat->seq > query->before_seq
                                                                 : threat->seq < query->before_seq);
        if (behind && passed++ >= query->offset && count < query->limit)
            seqs[count++] = threat->seq;
    }
    return count;
}

static void page_is_as_expected(struct shop *shop, const struct world *world,
                                const struct threat_query *query)
{
    uint64_t seqs[1000], total;
    struct threat_page page;
    size_t count = expect_page(world, query, seqs, &total);
    struct json *json = shop_query(shop, query, &page);
    assert_int_equal(page.count, count);
    assert_int_equal(page.total, total);
    assert_false(page.total_is_bound);
    for (size_t i = 0; i < count; i++)
        member_is_int(json_item(json, i), "seq", (int64_t)seqs[i]);
    json_free(json);
}

/* ---- a world that changes ---- */

static const char *const entities[] = {"user.name:ana", "user.name:bo", "host.name:WEB-1",
                                       "source.ip:203.0.113.9", "user.name:Größe"};
static const char *const people[] = {"", "", "", "ana", "bo"};

static void dress(struct threat *threat, uint64_t *seed)
{
    threat->severity = (enum severity)(random_next(seed) % SEVERITY_COUNT);
    threat->status = (enum threat_status)(random_next(seed) % 4);
    threat->verdict = (enum threat_verdict)(random_next(seed) % 5);
    threat->review = random_next(seed) % 4 == 0;
    threat->shadow = random_next(seed) % 12 == 0;
    threat->suppressed = random_next(seed) % 9 == 0;
    threat->assignee = str_from(people[random_next(seed) % 5]);
    threat->summary = random_next(seed) % 3 ? STR("") : STR("Impossible TRAVEL of a user");
    threat->processing_ms = (double)(random_next(seed) % 1000) / 8;
    threat->entities.count = threat->mitre.count = 0;
    for (uint64_t i = random_next(seed) % 4; i > 0; i--)
        threat_add_entity(threat, entities[random_next(seed) % 5]);
    if (random_next(seed) % 2)
        threat_add_technique(threat, random_next(seed) % 2 ? "T1621" : "T1110");
}

static void world_add(struct shop *shop, struct world *world, uint64_t *seed)
{
    struct threat *threat = threat_number(world->threats.count + 1);
    /* Mostly forward, about ten minutes a threat; at times the clock was set back or is far ahead. */
    threat->created_ns = T0 + (int64_t)world->threats.count * 600 * NS_PER_S;
    if (random_next(seed) % 20 == 0)
        threat->created_ns -= 5 * HOUR;
    if (random_next(seed) % 50 == 0)
        threat->created_ns += 9 * HOUR;
    dress(threat, seed);
    shop_put(shop, threat);
    vec_push(&world->threats, threat);
}

static void world_change(struct shop *shop, struct world *world, uint64_t *seed)
{
    if (world->threats.count == 0)
        return;
    struct threat *threat = world->threats.items[random_next(seed) % world->threats.count];
    if (!threat)
        return;
    dress(threat, seed);
    shop_put(shop, threat);
}

static void world_retain(struct shop *shop, struct world *world, uint64_t *seed)
{
    size_t deleted, gone = 0;
    int64_t before = T0 + (int64_t)(random_next(seed) % (world->threats.count + 1)) * NS_PER_S / 4;
    ok(store_retain(shop->store, before, 0, SIZE_MAX >> 1, &deleted, &shop->err), &shop->err);
    for (size_t i = 0; i < world->threats.count; i++) {
        struct threat *threat = world->threats.items[i];
        if (!threat || threat->status != STATUS_RESOLVED || threat->updated_ns >= before)
            continue;
        threat_free(threat);
        world->threats.items[i] = NULL;
        gone++;
    }
    assert_int_equal(gone, deleted);
}

/* seq of a threat is not its place in the world: changes take numbers too. */
static uint64_t some_seq(const struct world *world, uint64_t *seed)
{
    uint64_t last = 1;
    for (size_t i = 0; i < world->threats.count; i++)
        if (world->threats.items[i])
            last = world->threats.items[i]->seq;
    return random_next(seed) % (last + 2);
}

static struct threat_query some_query(const struct world *world, uint64_t *seed)
{
    static const char *const words[] = {"travel", "number 1", "ana", "größe", "r3", "a rule", "nothing"};
    struct threat_query query = {.review = -1, .row = true, .limit = 1 + random_next(seed) % 30};
    if (random_next(seed) % 3 == 0)
        query.severities = (unsigned)(random_next(seed) % 32);
    if (random_next(seed) % 3 == 0)
        query.statuses = (unsigned)(random_next(seed) % 16);
    if (random_next(seed) % 5 == 0)
        query.verdicts = (unsigned)(random_next(seed) % 32);
    if (random_next(seed) % 4 == 0)
        query.review = (int)(random_next(seed) % 2);
    if (random_next(seed) % 4 == 0)
        query.customer = random_next(seed) % 2 ? STR("c0") : STR("c1");
    if (random_next(seed) % 5 == 0)
        query.type = STR("t1");
    if (random_next(seed) % 5 == 0)
        query.rule = random_next(seed) % 8 ? STR("r3") : STR("none");
    if (random_next(seed) % 6 == 0)
        query.assignee = STR("ana");
    if (random_next(seed) % 6 == 0)
        query.entity = random_next(seed) % 2 ? STR("user.name:ANA") : STR("user.name:grÖSSe");
    if (random_next(seed) % 6 == 0)
        query.q = str_from(words[random_next(seed) % 7]);
    if (random_next(seed) % 4 == 0)
        query.since_ns = T0 + (int64_t)(random_next(seed) % (world->threats.count * 600 + 1)) * NS_PER_S;
    if (random_next(seed) % 4 == 0)
        query.until_ns = T0 + (int64_t)(random_next(seed) % (world->threats.count * 600 + 1)) * NS_PER_S;
    if (random_next(seed) % 5 == 0)
        query.as_of = some_seq(world, seed);
    if (random_next(seed) % 4 == 0)
        query.before_seq = some_seq(world, seed);
    if (random_next(seed) % 4 == 0)
        query.offset = random_next(seed) % 40;
    query.with_shadow = random_next(seed) % 4 == 0;
    query.with_suppressed = random_next(seed) % 3 == 0;
    query.oldest_first = random_next(seed) % 4 == 0;
    return query;
}

/* ---- counters ---- */

static int64_t analytics_of(const struct world *world, const char *customer, int64_t since, int severity,
                            int64_t *review)
{
    int64_t total = 0;
    *review = 0;
    for (size_t i = 0; i < world->threats.count; i++) {
        const struct threat *threat = world->threats.items[i];
        if (!threat || threat->shadow || threat->suppressed ||
            (*customer && !str_is(threat->customer, customer)) || threat->created_ns < since ||
            (severity >= 0 && (int)threat->severity != severity))
            continue;
        total++;
        *review += threat->review;
    }
    return total;
}

static int64_t entity_count(const struct world *world, const char *customer, int64_t since, struct str entity)
{
    int64_t total = 0;
    for (size_t i = 0; i < world->threats.count; i++) {
        const struct threat *threat = world->threats.items[i];
        if (threat && !threat->shadow && !threat->suppressed && has_entity(threat, entity) &&
            (!*customer || str_is(threat->customer, customer)) && threat->created_ns >= since)
            total++;
    }
    return total;
}

static void counters_are_as_expected(struct shop *shop, const struct world *world, const char *customer,
                                     int64_t since)
{
    int64_t review, ignored, series = 0;
    struct json *json = shop_analytics(shop, customer, since);
    int64_t total = analytics_of(world, customer, since, -1, &review);
    member_is_int(json, "total_threats", total);
    member_is_int(json, "threats_requiring_review", review);
    for (int i = 0; i < SEVERITY_COUNT; i++)
        member_is_int(json_get(json, "threats_by_severity"), severity_label((enum severity)i),
                      analytics_of(world, customer, since, i, &ignored));
    const struct json *buckets = json_get(json, "series");
    for (size_t i = 0; i < json_count(buckets); i++) {
        int64_t count = 0;
        assert_true(json_get_int(json_item(buckets, i), "count", &count));
        series += count;
    }
    assert_int_equal(series, total);
    const struct json *top = json_get(json, "top_entities");
    for (size_t i = 0; i < json_count(top); i++) {
        struct str entity;
        assert_true(json_get_str(json_item(top, i), "entity", &entity));
        member_is_int(json_item(top, i), "count", entity_count(world, customer, since, entity));
    }
    json_free(json);
}

static void whatever_happens_lists_and_counters_say_what_is_there(void **state)
{
    for (uint64_t round = 1; round <= 6; round++) {
        struct shop shop = shop_new(state);
        struct world world = {0};
        uint64_t seed = round * 104729;
        static const size_t tails[] = {STORE_TAIL_MAX, 1, 7, 40};
        shop.store->tail_max = tails[round % 4]; /* entities are found in the tail, the index, or both */
        for (int step = 0; step < 25; step++) {
            shop_begin(&shop);
            for (uint64_t i = random_next(&seed) % 20; i > 0; i--) {
                uint64_t what = random_next(&seed) % 10;
                if (what < 7)
                    world_add(&shop, &world, &seed);
                else
                    world_change(&shop, &world, &seed);
            }
            if (random_next(&seed) % 8 == 0)
                world_retain(&shop, &world, &seed);
            shop_commit(&shop);
            for (int i = 0; i < 12; i++) {
                struct threat_query query = some_query(&world, &seed);
                page_is_as_expected(&shop, &world, &query);
            }
            counters_are_as_expected(&shop, &world, "", 0);
            counters_are_as_expected(&shop, &world, "c1", 0);
            counters_are_as_expected(&shop, &world, "", T0 + (int64_t)(random_next(&seed) % 20) * HOUR);
        }
        for (size_t i = 0; i < world.threats.count; i++)
            threat_free(world.threats.items[i]);
        vec_free(&world.threats);
        shop_free(&shop);
    }
}

/* ---- cursors and totals ---- */

static void put_many(struct shop *shop, uint64_t from, uint64_t to)
{
    shop_begin(shop);
    for (uint64_t n = from; n <= to; n++) {
        struct threat *threat = threat_number(n);
        shop_put(shop, threat);
        threat_free(threat);
    }
    shop_commit(shop);
}

static void a_cursor_walks_all_pages_once_while_new_threats_come(void **state)
{
    struct shop shop = shop_new(state);
    put_many(&shop, 1, 95);
    for (int oldest = 0; oldest < 2; oldest++) {
        struct threat_query query = {.review = -1, .limit = 10, .row = true, .as_of = 95};
        query.oldest_first = oldest;
        size_t seen = 0, pages = 0;
        int64_t previous = oldest ? 0 : INT64_MAX;
        do {
            struct threat_page page;
            struct json *json = shop_query(&shop, &query, &page);
            assert_int_equal(page.total, 95);
            for (size_t i = 0; i < page.count; i++) {
                int64_t seq = 0;
                assert_true(json_get_int(json_item(json, i), "seq", &seq));
                assert_true(oldest ? seq > previous : seq < previous);
                previous = seq;
            }
            seen += page.count;
            pages++;
            query.before_seq = page.next_before;
            json_free(json);
            put_many(&shop, 1000 + pages * 2 + (uint64_t)oldest * 100,
                     1001 + pages * 2 + (uint64_t)oldest * 100);
        } while (query.before_seq);
        assert_int_equal(seen, 95);
        assert_int_equal(pages, 10);
    }
    shop_free(&shop);
}

static void a_total_is_exact_to_10000_and_then_a_bound(void **state)
{
    struct shop shop = shop_new(state);
    struct threat_page page;
    struct threat_query query = query_all();
    query.limit = 1;
    struct threat_query by_time = query;
    by_time.since_ns = T0;
    put_many(&shop, 1, 10000);
    for (int i = 0; i < 2; i++) {
        json_free(shop_query(&shop, i ? &by_time : &query, &page));
        assert_int_equal(page.total, 10000);
        assert_false(page.total_is_bound);
    }
    put_many(&shop, 10001, 10001);
    for (int i = 0; i < 2; i++) {
        json_free(shop_query(&shop, i ? &by_time : &query, &page));
        assert_int_equal(page.total, 10000);
        assert_true(page.total_is_bound);
    }
    query.as_of = 10000;
    json_free(shop_query(&shop, &query, &page));
    assert_int_equal(page.total, 10000);
    assert_false(page.total_is_bound);
    shop_free(&shop);
}

/* A search that finds little gives up after its budget, says so, and can be gone on with. */
static void a_search_that_finds_nothing_ends_and_says_that_it_is_not_complete(void **state)
{
    struct shop shop = shop_new(state);
    struct threat *needle = threat_number(1);
    needle->title = STR("The Needle");
    shop_put_now(&shop, needle);
    put_many(&shop, 2, 60000);
    struct threat_query query = {.review = -1, .limit = 5, .row = true, .q = STR("needle")};
    struct threat_page page;
    size_t found = 0, pages = 0;
    do {
        struct json *json = shop_query(&shop, &query, &page);
        found += page.count;
        if (found == 0)
            assert_true(page.total_is_bound && page.next_before > 0);
        query.before_seq = page.next_before;
        json_free(json);
        assert_true(++pages < 10);
    } while (query.before_seq);
    assert_int_equal(found, 1);
    assert_true(pages > 1);
    threat_free(needle);
    shop_free(&shop);
}

static void the_most_seen_entities_are_named_whether_they_are_indexed_or_not(void **state)
{
    struct shop shop = shop_new(state);
    shop.store->tail_max = 500;
    for (uint64_t commit = 0; commit < 14; commit++) { /* ten into the index, four stay in the tail */
        shop_begin(&shop);
        for (uint64_t n = 1; n <= 50; n++) {
            struct threat *threat = threat_number(commit * 50 + n);
            char name[32];
            snprintf(name, sizeof name, "host.name:h%d", (int)(n % 25)); /* 28 each */
            threat_add_entity(threat, name);
            if (n % 5 == 0)
                threat_add_entity(threat, "user.name:Often"); /* 140 */
            if (commit >= 10 && n % 2)
                threat_add_entity(threat, "user.name:late"); /* 100, all in the tail */
            if (commit < 10 && n % 10 == 0)
                threat_add_entity(threat, "user.name:early"); /* 50, all in the index */
            shop_put(&shop, threat);
            threat_free(threat);
        }
        shop_commit(&shop);
    }
    static const struct {
        const char *entity;
        int64_t count;
    } top[] = {{"user.name:Often", 140}, {"user.name:late", 100}, {"user.name:early", 50}};
    struct json *json = shop_analytics(&shop, "", 0);
    const struct json *list = json_get(json, "top_entities");
    assert_int_equal(json_count(list), 10);
    for (size_t i = 0; i < 3; i++) {
        member_is(json_item(list, i), "entity", top[i].entity);
        member_is_int(json_item(list, i), "count", top[i].count);
    }
    for (size_t i = 3; i < 10; i++)
        member_is_int(json_item(list, i), "count", 28);
    json_free(json);
    struct threat_query query = query_all();
    query.entity = STR("USER.NAME:often");
    assert_int_equal(shop_count(&shop, &query), 140);
    shop_free(&shop);
}

static void what_is_searched_for_has_a_limit(void **state)
{
    struct shop shop = shop_new(state);
    char text[1025];
    memset(text, 'x', sizeof text);
    struct threat_query query = query_all();
    struct threat_page page;
    struct buf out = BUF_EMPTY;
    query.q = (struct str){text, 1024};
    ok(store_query(shop.reader, &query, &page, &out, &shop.err), &shop.err);
    query.q.len++;
    assert_int_equal(store_query(shop.reader, &query, &page, &out, &shop.err), -1);
    assert_int_equal(shop.err.code, ERR_LIMIT);
    query.q.len = 0;
    query.entity = (struct str){text, 1025};
    assert_int_equal(store_query(shop.reader, &query, &page, &out, &shop.err), -1);
    assert_int_equal(shop.err.code, ERR_LIMIT);
    buf_free(&out);
    shop_free(&shop);
}

static void a_page_is_at_most_1000_and_may_be_none(void **state)
{
    struct shop shop = shop_new(state);
    struct threat_query query = query_all();
    struct threat_page page;
    put_many(&shop, 1, 1001);
    query.limit = 5000;
    json_free(shop_query(&shop, &query, &page));
    assert_int_equal(page.count, 1000);
    assert_int_equal(page.next_before, 2);
    query.limit = 0;
    json_free(shop_query(&shop, &query, &page));
    assert_int_equal(page.count, 0);
    assert_int_equal(page.total, 1001);
    query.limit = 1000;
    query.customer = STR("nobody");
    json_free(shop_query(&shop, &query, &page));
    assert_int_equal(page.count, 0);
    assert_int_equal(page.total, 0);
    assert_int_equal(page.next_before, 0);
    shop_free(&shop);
}

static void a_full_page_has_full_threats(void **state)
{
    struct shop shop = shop_new(state);
    struct threat *threat = threat_complete();
    threat->seq = 0;
    threat->shadow = threat->suppressed = false;
    shop_put_now(&shop, threat);
    struct threat_query query = {.review = -1, .limit = 20};
    struct threat_page page;
    struct json *json = shop_query(&shop, &query, &page);
    assert_int_equal(json_count(json_get(json_item(json, 0), "evidence")), 2);
    assert_non_null(json_get(json_item(json, 0), "investigation_timeline"));
    json_free(json);
    threat_free(threat);
    shop_free(&shop);
}

/* ---- analytics in particular ---- */

static void analytics_name_types_rules_techniques_and_hours(void **state)
{
    struct shop shop = shop_new(state);
    shop_begin(&shop);
    for (uint64_t n = 0; n < 30; n++) {
        struct threat *threat = threat_number(n + 1);
        threat->created_ns = T0 + (int64_t)(n / 10) * 2 * HOUR;
        threat->type = n % 3 ? STR("geo_anomaly") : STR("bot_traffic");
        threat->suppressed = n == 29;
        threat->shadow = n == 28;
        threat_add_technique(threat, n % 2 ? "T1078" : "T1110");
        threat_add_entity(threat, "user.name:ana");
        threat_add_entity(threat, "user.name:ana"); /* named twice, counted once */
        shop_put(&shop, threat);
        threat_free(threat);
    }
    shop_commit(&shop);
    struct json *json = shop_analytics(&shop, "", 0);
    member_is_int(json, "total_threats", 28);
    member_is_int(json, "customers_affected", 2);
    member_is_int(json, "shadow_threats", 1);
    member_is_int(json, "suppressed_threats", 1);
    double average = 0;
    assert_true(json_get_double(json, "average_processing_time_ms", &average));
    assert_true(average > 1.99 && average < 2.01);
    member_is_int(json_get(json, "threats_by_type"), "bot_traffic", 10);
    member_is_int(json_get(json, "threats_by_type"), "geo_anomaly", 18);
    member_is_int(json_get(json, "threats_by_status"), "new", 28);
    member_is_int(json_item(json_get(json, "top_entities"), 0), "count", 28);
    member_is_int(json_item(json_get(json, "attack_matrix"), 0), "count", 14);
    assert_int_equal(json_count(json_get(json, "top_rules")), 5);
    const struct json *series = json_get(json, "series");
    assert_int_equal(json_count(series), 3);
    member_is(json_item(series, 1), "time", "2026-01-02T05:00:00.000Z");
    member_is_int(json_item(series, 1), "count", 10);
    json_free(json);

    struct buf out = BUF_EMPTY;
    ok(store_analytics(shop.reader, STR(""), T0 + 2 * HOUR, 24 * HOUR, &out, &shop.err), &shop.err);
    json = json_of(&out);
    member_is_int(json, "total_threats", 18);
    member_is_int(json, "bucket_seconds", 86400);
    assert_int_equal(json_count(json_get(json, "series")), 1);
    member_is(json_item(json_get(json, "series"), 0), "time", "2026-01-02T00:00:00.000Z");
    json_free(json);
    buf_free(&out);
    shop_free(&shop);
}

static void an_empty_store_has_an_answer_too(void **state)
{
    struct shop shop = shop_new(state);
    struct json *json = shop_analytics(&shop, "", 0);
    member_is_int(json, "total_threats", 0);
    json_free(json);
    json = shop_analytics(&shop, "nobody", T0);
    member_is_int(json, "total_threats", 0);
    json_free(json);
    struct threat_query query = query_all();
    query.since_ns = T0;
    assert_int_equal(shop_count(&shop, &query), 0);
    shop_free(&shop);
}

int main(void)
{
    log_level_set(LOG_OFF);
    const struct CMUnitTest tests[] = {
        on_both(whatever_happens_lists_and_counters_say_what_is_there),
        on_both(a_cursor_walks_all_pages_once_while_new_threats_come),
        on_both(a_total_is_exact_to_10000_and_then_a_bound),
        {"on disk: a_search_that_finds_nothing_ends_and_says_that_it_is_not_complete",
         a_search_that_finds_nothing_ends_and_says_that_it_is_not_complete, NULL, NULL, &on_disk},
        on_both(the_most_seen_entities_are_named_whether_they_are_indexed_or_not),
        on_both(what_is_searched_for_has_a_limit),
        on_both(a_page_is_at_most_1000_and_may_be_none),
        on_both(a_full_page_has_full_threats),
        on_both(analytics_name_types_rules_techniques_and_hours),
        on_both(an_empty_store_has_an_answer_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
