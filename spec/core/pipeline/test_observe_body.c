/* Observations: what is kept of one change, of news, of an egress violation, and what is cut. */
#include "base/json_tape.h"
#include "base/text.h"
#include "core/pipeline/observe_world.h"
#include "pipeline/engine.h"

#define NOON INT64_C(1767355200) /* 2026-01-02T12:00:00Z, seconds */

/* ---- what is kept of one event ---- */

struct stage {
    struct ruleset *set;
    struct engine *engine;
    struct store *store;
};

static void stage_open(struct stage *stage)
{
    struct err err = {0};
    stage->set = shipped_rules();
    struct engine_options options = {.set = stage->set, .clock = &clock_real, .state_max = 1 << 20};
    stage->engine = engine_new(&options, &err);
    stage->store = store_open(NULL, &err);
    assert_non_null(stage->engine);
    assert_non_null(stage->store);
}

static void stage_close(struct stage *stage)
{
    engine_free(stage->engine);
    store_close(stage->store);
    ruleset_unref(stage->set);
}

static struct observed *observe(struct stage *stage, const char *source, const char *lines)
{
    struct detector *detector = engine_detector(stage->engine);
    struct batch *batch = batch_new(stage->set);
    struct err err = {0};
    batch->source_name = str_from(source);
    batch->format = JOURNAL_NDJSON;
    batch->accepted_ns = NOON * NS_PER_S;
    id_random(batch->id_base.bytes, sizeof(batch->id_base.bytes));
    buf_puts(&batch->body, lines);
    memset(buf_reserve(&batch->body, JSON_TAPE_PADDING), 0, JSON_TAPE_PADDING);
    assert_int_equal(ingest_parse(detector, batch, &err), 0);
    ingest_map(detector, batch);
    struct observed *observed = observe_batch(detector, batch);
    batch_unref(batch);
    return observed;
}

/* The newest of the kind: {kind, customer_name, entity, time, event_id, body}. */
static struct json *kept(struct stage *stage, const char *kind, const char *line)
{
    struct err err = {0};
    struct observed *observed = observe(stage, kind, line);
    assert_non_null(observed);
    assert_int_equal(observed_count(observed), 1);
    assert_int_equal(store_begin(stage->store, &err), 0);
    assert_int_equal(observed_store(observed, stage->store, &err), 0);
    assert_int_equal(store_commit(stage->store, &err), 0);
    observed_free(observed);
    struct observation_query query = {.kind = str_from(kind), .limit = 100};
    struct json *list = observations(stage->store, &query);
    assert_int_equal(json_count(list), 1);
    assert_int_equal(store_begin(stage->store, &err), 0); /* the next one finds an empty store */
    size_t deleted;
    assert_int_equal(store_retain_observations(stage->store, INT64_MAX, 100, &deleted, &err), 0);
    assert_int_equal(store_commit(stage->store, &err), 0);
    assert_int_equal(deleted, 1);
    return list;
}

static void assert_text(const struct json *object, const char *name, const char *expected)
{
    struct str text = {0};
    assert_true(json_get_str(object, name, &text));
    if (!str_is(text, expected))
        fail_msg("%s: expected %s, got %.*s", name, expected, STR_ARG(text));
}

static void what_is_kept_of_an_event(void **state)
{
    (void)state;
    static const struct {
        const char *kind, *line, *entity, *body;
    } cases[] = {
        {"change",
         "{\"kind\":\"deploy\",\"service\":\"api\",\"host\":\"web-1\",\"user\":\"ana\",\"status\":\"OK\","
         "\"version\":2.5,\"tags\":[\"a\",null,\"b\"],\"other\":\"not kept\"}",
         "host.name:web-1",
         "{\"change.kind\":\"deployment\",\"change.status\":\"ok\",\"service.name\":\"api\",\"service."
         "version\":"
         "\"2.5\",\"host.name\":\"web-1\",\"user.name\":\"ana\",\"tags\":[\"a\",\"b\"]}"},
        {"change", "{\"change\":{\"kind\":\"config\"},\"service\":{\"name\":\"api\"},\"user\":\"ana\"}",
         "service.name:api", "{\"change.kind\":\"config\",\"service.name\":\"api\",\"user.name\":\"ana\"}"},
        {"change", "{\"nothing\":\"known\"}", "", "{}"},
        {"news",
         "{\"title\":\"T\",\"cves\":[\"CVE-1\",\"CVE-2\"],\"severity\":\"HIGH\",\"text\":\"line\\n2\"}", "",
         "{\"news.title\":\"T\",\"news.severity\":\"high\",\"vulnerability.id\":[\"CVE-1\",\"CVE-2\"],"
         "\"message\":\"line\\n2\"}"},
        {"egress", "{\"src_ip\":\"10.0.0.5\",\"user\":\"ana\",\"domain\":\"x.example\",\"bytes\":\"77\"}",
         "user.name:ana",
         "{\"source.ip\":\"10.0.0.5\",\"user.name\":\"ana\",\"destination.domain\":\"x.example\","
         "\"network.bytes\":77}"},
        {"egress", "{\"src_ip\":\"10.0.0.5\",\"domain\":\"x.example\"}", "source.ip:10.0.0.5",
         "{\"source.ip\":\"10.0.0.5\",\"destination.domain\":\"x.example\"}"},
        {"egress", "{\"domain\":\"x.example\",\"dst_ip\":\"192.0.2.1\"}", "destination.domain:x.example",
         "{\"destination.domain\":\"x.example\",\"destination.ip\":\"192.0.2.1\"}"},
        {"egress", "{\"dst_ip\":\"192.0.2.1\"}", "destination.ip:192.0.2.1",
         "{\"destination.ip\":\"192.0.2.1\"}"},
        {"egress", "{\"bytes\":18446744073709551615,\"port\":-9223372036854775808}", "",
         "{\"destination.port\":-9223372036854775808,\"network.bytes\":\"18446744073709551615\"}"},
    };
    struct stage stage;
    stage_open(&stage);
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct json *list = kept(&stage, cases[i].kind, cases[i].line);
        struct buf body = BUF_EMPTY;
        assert_text(json_item(list, 0), "entity", cases[i].entity);
        assert_text(json_item(list, 0), "kind", cases[i].kind);
        assert_text(json_item(list, 0), "customer_name", "default");
        json_print(json_get(json_item(list, 0), "body"), &body);
        buf_putc(&body, '\0');
        assert_string_equal(body.ptr, cases[i].body);
        buf_free(&body);
        json_free(list);
    }
    stage_close(&stage);
}

static void time_and_customer_are_the_events_own(void **state)
{
    (void)state;
    struct stage stage;
    stage_open(&stage);
    struct json *list = kept(&stage, "change",
                             "{\"kind\":\"outage\",\"time\":\"2026-01-02T03:04:05Z\","
                             "\"organization\":{\"name\":\"acme\"}}");
    assert_text(json_item(list, 0), "customer_name", "acme");
    assert_text(json_item(list, 0), "time", "2026-01-02T03:04:05.000Z");
    json_free(list);
    stage_close(&stage);
}

/* ---- what is cut ---- */

static bool names(const struct json *list, const char *name)
{
    for (size_t i = 0; i < json_count(list); i++) {
        struct str text;
        if (json_as_str(json_item(list, i), &text) && str_is(text, name))
            return true;
    }
    return false;
}

static void a_long_text_is_cut_at_a_character_and_named(void **state)
{
    (void)state;
    struct stage stage;
    struct buf line = BUF_EMPTY;
    stage_open(&stage);
    buf_puts(&line, "{\"kind\":\"deploy\",\"service\":\"api\",\"host\":\"a\\u0000b\",\"message\":\"x");
    for (unsigned i = 0; i < 3000; i++)
        buf_puts(&line, "\xc3\xbc");
    buf_puts(&line, "\"}");
    struct json *list = kept(&stage, "change", line.ptr);
    const struct json *body = json_get(json_item(list, 0), "body");
    const struct json *cut = json_get(body, "observation.truncated");
    struct str message = {0};
    assert_true(json_get_str(body, "message", &message));
    assert_true(message.len > OBSERVE_FIELD_MAX - 8 && message.len <= OBSERVE_FIELD_MAX);
    assert_int_equal(message.len % 2, 1);
    assert_true(text_is_utf8(message));
    assert_text(body, "host.name", "a");
    assert_text(json_item(list, 0), "entity", "service.name:api"); /* a name that was cut is no name */
    assert_int_equal(json_count(cut), 2);
    assert_true(names(cut, "message") && names(cut, "host.name"));
    json_free(list);
    buf_free(&line);
    stage_close(&stage);
}

/* Every field of the kind, each far too long, of characters that take most room. */
static void put_huge(struct buf *line, const char *const *fields, const char *character)
{
    buf_clear(line);
    buf_putc(line, '{');
    for (size_t i = 0; fields[i]; i++) {
        buf_printf(line, "%s\"%s\":[", i ? "," : "", fields[i]);
        for (unsigned k = 0; k < 20; k++) {
            buf_printf(line, "%s\"", k ? "," : "");
            for (unsigned n = 0; n < 10 + 12 * k; n++)
                buf_puts(line, character);
            buf_putc(line, '"');
        }
        buf_putc(line, ']');
    }
    buf_putc(line, '}');
}

/* What is kept, the shipped source has a plain name for. */
static void assert_mapped(const char *source, const char *const *fields)
{
    for (size_t i = 0; fields[i]; i++) {
        char path[64];
        snprintf(path, sizeof(path), "[\"%s\"]", fields[i]);
        if (strstr(source, path) == NULL)
            fail_msg("%s is not mapped", path);
    }
}

static void no_body_is_larger_than_the_store_takes(void **state)
{
    (void)state;
    static const char *const fields[][20] = {
        {"change.kind", "change.status", "change.id", "service.name", "service.version",
         "service.environment", "host.name", "user.name", "event.start", "event.end", "url.full", "tags",
         "message"},
        {"news.title", "news.severity", "vulnerability.id", "event.provider", "service.name", "host.name",
         "url.full", "tags", "message"},
        {"source.ip", "host.name", "user.name", "service.name", "process.executable", "destination.domain",
         "destination.ip", "destination.port", "network.transport", "network.bytes", "event.action",
         "rule.name", "url.full", "tags", "message"}};
    static const char *const characters[] = {"a",      "\\u0001", "\\\"", "\xe2\x82\xac", "\xf0\x9f\x8c\x99",
                                             "\\ud800"};
    struct stage stage;
    struct buf line = BUF_EMPTY;
    stage_open(&stage);
    for (unsigned k = 0; k < 3; k++) {
        assert_mapped(shipped[k], fields[k]);
        for (size_t c = 0; c < sizeof(characters) / sizeof(*characters); c++) {
            put_huge(&line, fields[k], characters[c]);
            struct json *list = kept(&stage, observed_kinds[k], line.ptr);
            const struct json *body = json_get(json_item(list, 0), "body");
            assert_true(json_count(json_get(body, "observation.truncated")) > 0);
            assert_true(names(json_get(body, "observation.truncated"), "message"));
            assert_non_null(json_get(body, fields[k][0])); /* what matters most is there */
            json_free(list);
        }
    }
    buf_free(&line);
    stage_close(&stage);
}

static void other_events_are_not_observed(void **state)
{
    (void)state;
    struct stage stage;
    stage_open(&stage);
    assert_null(
        observe(&stage, "", "{\"kind\":\"deploy\",\"service\":\"api\"}\n{\"change\":{\"kind\":\"config\"}}"));
    stage_close(&stage);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_kept_of_an_event),
        cmocka_unit_test(time_and_customer_are_the_events_own),
        cmocka_unit_test(a_long_text_is_cut_at_a_character_and_named),
        cmocka_unit_test(no_body_is_larger_than_the_store_takes),
        cmocka_unit_test(other_events_are_not_observed),
    };
    loop_init();
    log_level_set(LOG_ERROR);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
