/* Demo events against the shipped rules: what is made must be found, and the ordinary must not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "app/demo.h"
#include "base/json.h"
#include "base/json_tape.h"
#include "base/log.h"
#include "pipeline/engine.h"
#include "rules/loader.h"

#define SEEDS 40
#define NOON  (INT64_C(1767355200) * NS_PER_S) /* 2026-01-02T12:00:00Z */

static const struct {
    const char *name;
    bool is_scenario;
    const char *type; /* of a threat that must come of it */
    enum severity severity;
} choices[] = {
    {"bot_traffic", false, "bot_traffic", SEVERITY_MEDIUM},
    {"proxy_network", false, "proxy_network", SEVERITY_MEDIUM},
    {"device_compromise", false, "device_compromise", SEVERITY_MEDIUM},
    {"anomaly_detection", false, "anomaly_detection", SEVERITY_MEDIUM},
    {"rate_limit_breach", false, "rate_limit_breach", SEVERITY_LOW},
    {"geo_anomaly", false, "geo_anomaly", SEVERITY_HIGH},
    {"crypto_surge", true, "anomaly_detection", SEVERITY_HIGH},
    {"bot_attack", true, "bot_traffic", SEVERITY_HIGH},
    {"geo_impossible", true, "geo_anomaly", SEVERITY_HIGH},
    {"critical_threat", true, "device_compromise", SEVERITY_CRITICAL},
};
#define CHOICES (sizeof(choices) / sizeof(choices[0]))

static struct ruleset *set; /* the repository's rules */
static struct engine *engine;
static struct clock_virtual now;

static int load_rules(void **state)
{
    struct err err = {0};
    struct report report = {0};
    (void)state;
    struct tree *tree = tree_read(LUNETTE_SOURCE_DIR "/rules", LUNETTE_SOURCE_DIR "/plugins", &err);
    set = tree ? ruleset_load(tree, NULL, 0, &report) : NULL;
    for (size_t i = 0; i < report.problems.count; i++)
        if (report.problems.items[i].level == PROBLEM_ERROR)
            print_error("%s: %s\n", report.problems.items[i].where, report.problems.items[i].message);
    tree_free(tree);
    report_free(&report);
    if (set == NULL)
        return -1;
    clock_virtual_init(&now, NOON);
    struct engine_options options = {.set = set, .clock = &now.clock, .state_max = 64u << 20};
    engine = engine_new(&options, &err);
    return engine ? 0 : -1;
}

static int drop_rules(void **state)
{
    (void)state;
    engine_free(engine);
    ruleset_unref(set);
    return 0;
}

/* Sends the events as the demo does; takes them. The batch, for a look at its events. */
static struct batch *feed(struct buf *events)
{
    struct err err = {0};
    struct batch *batch = batch_new(set);
    batch->body = *events;
    *events = BUF_EMPTY;
    memset(buf_reserve(&batch->body, JSON_TAPE_PADDING), 0, JSON_TAPE_PADDING);
    batch->format = JOURNAL_NDJSON;
    batch->accepted_ns = now.now_ns;
    batch->source_name = STR("demo");
    if (engine_feed(engine, batch, &err) != 0)
        fail_msg("%s", err_text(&err));
    assert_int_equal(batch->rejects.count, 0);
    return batch;
}

static struct buf make(const char *name, bool is_scenario, uint64_t seed)
{
    struct err err = {0};
    struct buf events = BUF_EMPTY;
    if (demo_events(str_from(name), is_scenario, seed, now.now_ns, &events, &err) != 0)
        fail_msg("%s: %s", name, err_text(&err));
    return events;
}

/* A threat of this type and at least this severity; all of them must be marked. */
static bool has_threat(const char *type, enum severity severity)
{
    struct book_change change;
    size_t at = 0;
    bool found = false;
    while (book_next_change(engine_book(engine), &at, false, &change)) {
        assert_true(change.threat->demo);
        assert_false(change.threat->review);
        found |= str_is(change.threat->type, type) && change.threat->severity >= severity;
    }
    return found;
}

static void each_type_and_scenario_is_found_by_the_shipped_rules(void **state)
{
    (void)state;
    for (size_t i = 0; i < CHOICES; i++)
        for (uint64_t seed = 0; seed < SEEDS; seed++) {
            struct buf events = make(choices[i].name, choices[i].is_scenario, seed * 7919);
            engine_reset(engine);
            batch_unref(feed(&events));
            if (!has_threat(choices[i].type, choices[i].severity))
                fail_msg("%s, seed %llu: no such threat", choices[i].name, (unsigned long long)seed);
            assert_true(ledger_balanced(engine_ledger(engine)));
        }
}

static void many_at_once_are_as_many_threats(void **state)
{
    (void)state;
    engine_reset(engine);
    for (size_t i = 0; i < CHOICES; i++) {
        struct buf events = make(choices[i].name, choices[i].is_scenario, 4711 + i);
        batch_unref(feed(&events));
        now.now_ns += 20 * NS_PER_S;
    }
    assert_true(book_changes(engine_book(engine), false) >= CHOICES);
}

static void an_ordinary_day_raises_nothing(void **state)
{
    (void)state;
    engine_reset(engine);
    for (uint64_t second = 0; second < 3600; second++) {
        struct buf events = BUF_EMPTY;
        demo_ordinary(second, now.now_ns, 6, &events);
        struct batch *batch = feed(&events);
        assert_int_equal(batch->event_count, 6);
        batch_unref(batch);
        now.now_ns += NS_PER_S;
    }
    struct book_change change;
    size_t at = 0;
    while (book_next_change(engine_book(engine), &at, false, &change))
        fail_msg("%.*s: %.*s", STR_ARG(change.threat->rule_id), STR_ARG(change.threat->title));
    assert_true(ledger_balanced(engine_ledger(engine)));
}

static void travellers_are_told_by_their_coordinates(void **state)
{
    (void)state;
    struct book_change change;
    struct buf events = make("geo_anomaly", false, 3);
    size_t at = 0;
    assert_null(strstr(events.ptr, "speed"));
    engine_reset(engine);
    batch_unref(feed(&events));
    assert_true(book_next_change(engine_book(engine), &at, false, &change));
    struct str context = change.threat->evidence.items[0].context;
    struct json *json = json_parse(context, NULL, NULL);
    double speed = 0;
    assert_true(json_get_double(json, "lunette.geo.speed_kmh", &speed));
    assert_true(speed > 2500 && speed < 12500);
    json_free(json);
}

/* ---- what an event is ---- */

static bool is_documentation_address(struct str ip)
{
    return str_starts(ip, STR("192.0.2.")) || str_starts(ip, STR("198.51.100.")) ||
           str_starts(ip, STR("203.0.113."));
}

/* Adds the ids of the events to `seen`; each is new, well-formed, near to now, of one customer. */
static void check_events(struct str ndjson, struct map *seen)
{
    size_t at = 0;
    struct str line, id, time, customer = STR(""), first = STR(""), ip;
    struct err err = {0};
    while (json_lines_next(ndjson, &at, &line) == 1) {
        int64_t ns = 0;
        struct json *json = json_parse(line, NULL, &err);
        if (json == NULL)
            fail_msg("%s", err_text(&err));
        assert_true(json_get_str(json, "event.id", &id));
        assert_null(map_put(seen, id, seen));
        assert_true(json_get_str(json, "@timestamp", &time) && time_parse(time, TIME_RFC3339, &ns));
        assert_true(ns <= now.now_ns && ns > now.now_ns - 24 * 3600 * NS_PER_S);
        assert_true(json_get_str(json, "organization.name", &customer));
        assert_true(!json_get_str(json, "source.ip", &ip) || is_documentation_address(ip));
        if (first.len == 0)
            first = (struct str){strndup(customer.ptr, customer.len), customer.len};
        assert_true(str_equal(first, customer));
        json_free(json);
    }
    assert_true(first.len > 0);
    free((char *)first.ptr);
}

static void no_two_events_share_an_id_or_leave_the_documentation_addresses(void **state)
{
    (void)state;
    struct map *seen = map_new();
    for (size_t i = 0; i < CHOICES; i++)
        for (uint64_t seed = 0; seed < SEEDS; seed++) {
            struct buf events = make(choices[i].name, choices[i].is_scenario, seed);
            check_events(buf_str(&events), seen);
            buf_free(&events);
        }
    now.now_ns += NS_PER_S;
    struct buf later = make("bot_traffic", false, 0);
    check_events(buf_str(&later), seen);
    buf_free(&later);
    map_free(seen, NULL);
}

static void a_seed_says_it_all_and_seeds_differ(void **state)
{
    (void)state;
    struct buf one = make("proxy_network", false, 1), same = make("proxy_network", false, 1);
    struct buf other = make("proxy_network", false, 2);
    assert_string_equal(one.ptr, same.ptr);
    const char *mine = strstr(one.ptr, "\"user.name\""), *theirs = strstr(other.ptr, "\"user.name\"");
    assert_true(strncmp(mine, theirs, 24) != 0);
    buf_free(&one);
    buf_free(&same);
    buf_free(&other);
}

static void an_unknown_name_is_answered_with_the_choices(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        bool is_scenario;
        const char *choice;
    } cases[] = {
        {"bot_attack", false, "rate_limit_breach"},
        {"bot_traffic", true, "critical_threat"},
        {"", false, "geo_anomaly"},
        {"Bot_traffic", false, "bot_traffic"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct err err = {0};
        struct buf events = BUF_EMPTY;
        assert_int_equal(demo_events(str_from(cases[i].name), cases[i].is_scenario, 1, NOON, &events, &err),
                         -1);
        assert_int_equal(err.code, ERR_NOT_FOUND);
        assert_non_null(strstr(err.message, cases[i].choice));
        assert_int_equal(events.len, 0);
    }
}

/* ---- the timer ---- */

static struct {
    struct loop *loop;
    atomic_int demo, others;
} published;

static void count_threat(const struct change *change, void *context)
{
    (void)context;
    atomic_fetch_add(change->threat->demo ? &published.demo : &published.others, 1);
    loop_stop(published.loop);
}

static void give_up(void *arg)
{
    loop_stop(arg);
}

static void a_demo_goes_on_by_itself_and_stops(void **state)
{
    (void)state;
    struct err err = {0};
    struct pipeline_options options = {.workers = 1,
                                       .state_max = 64u << 20,
                                       .pending_max = 64u << 20,
                                       .clock = &clock_real,
                                       .set = set,
                                       .published = count_threat};
    published.loop = loop_new();
    struct pipeline *pipeline = pipeline_start(&options, &err);
    if (pipeline == NULL)
        fail_msg("%s", err_text(&err));
    struct timer *limit = timer_new(published.loop, give_up, published.loop);
    timer_start(limit, 60 * NS_PER_S, false);
    struct demo *demo = demo_start(pipeline, published.loop);
    loop_run(published.loop);
    demo_stop(demo);
    demo_stop(NULL);
    pipeline_stop(pipeline, 10 * NS_PER_S);
    assert_true(atomic_load(&published.demo) > 0);
    assert_int_equal(atomic_load(&published.others), 0);
    timer_free(limit);
    loop_free(published.loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_type_and_scenario_is_found_by_the_shipped_rules),
        cmocka_unit_test(many_at_once_are_as_many_threats),
        cmocka_unit_test(an_ordinary_day_raises_nothing),
        cmocka_unit_test(travellers_are_told_by_their_coordinates),
        cmocka_unit_test(no_two_events_share_an_id_or_leave_the_documentation_addresses),
        cmocka_unit_test(a_seed_says_it_all_and_seeds_differ),
        cmocka_unit_test(an_unknown_name_is_answered_with_the_choices),
        cmocka_unit_test(a_demo_goes_on_by_itself_and_stops),
    };
    loop_init();
    log_level_set(LOG_ERROR);
    return cmocka_run_group_tests(tests, load_rules, drop_rules);
}
