/* POST /api/threats/trigger and /api/demo/reset, over a live server with the shipped rules. */
#include "app/api.h"
#include "app/demo.h"
#include "base/json.h"
#include "base/log.h"
#include "core/net/trial.h"
#include "rules/loader.h"

#define JSON   "Content-Type: application/json\r\n"
#define LISTEN "127.0.0.1:0"

static struct app app;
static struct loop *control; /* never runs: the demo sends nothing by itself */
static struct ruleset *set;

static void worker_ready(struct worker *worker, void *context)
{
    struct err err = {0};
    (void)context;
    app.apis[worker_index(worker)] = api_new(&app, worker, &err);
    if (app.apis[worker_index(worker)] == NULL)
        die("%s", err_text(&err));
}

static void worker_ending(struct worker *worker, void *context)
{
    (void)context;
    api_free(app.apis[worker_index(worker)]);
}

static int open_app(void **state)
{
    struct err err = {0};
    struct report report = {0};
    (void)state;
    struct tree *tree = tree_read(LUNETTE_SOURCE_DIR "/rules", LUNETTE_SOURCE_DIR "/plugins", &err);
    set = tree ? ruleset_load(tree, NULL, 0, &report) : NULL;
    tree_free(tree);
    report_free(&report);
    app = (struct app){.settings = {.workers = 2, .web = (char *)"/nowhere", .demo = true}, .metrics_fd = -1};
    app.auth = auth_new("", "", "", &err);
    if (set == NULL || http_listen(LISTEN, &app.listen_fd, &app.port, &err) != 0)
        return -1;
    struct pipeline_options options = {.workers = 2,
                                       .state_max = 64u << 20,
                                       .pending_max = 64u << 20,
                                       .clock = &clock_real,
                                       .set = set,
                                       .worker_ready = worker_ready,
                                       .worker_ending = worker_ending};
    struct pipeline *pipeline = pipeline_start(&options, &err);
    if (pipeline == NULL)
        return -1;
    atomic_store(&app.pipeline, pipeline);
    control = loop_new();
    app.demo = demo_start(pipeline, control);
    while (!pipeline_recovered(pipeline))
        usleep(1000);
    return 0;
}

static int close_app(void **state)
{
    (void)state;
    demo_stop(app.demo);
    pipeline_stop(atomic_load(&app.pipeline), 10 * NS_PER_S);
    loop_free(control);
    auth_free(app.auth);
    close(app.listen_fd);
    ruleset_unref(set);
    return 0;
}

/* ---- asking ---- */

static struct trial_answer ask(const char *method, const char *path, const char *fields, const char *body)
{
    struct buf request = BUF_EMPTY;
    buf_printf(&request, "%s %s HTTP/1.1\r\nHost: localhost\r\n%s", method, path, fields);
    if (body)
        buf_printf(&request, "Content-Length: %zu\r\n", strlen(body));
    buf_printf(&request, "\r\n%s", body ? body : "");
    struct trial_answer answer = client_ask(app.port, request.ptr);
    buf_free(&request);
    return answer;
}

/* The answer's object; `status` is what it must have. */
static struct json *object_of(struct trial_answer answer, int status)
{
    struct err err = {0};
    if (answer.status != status)
        fail_msg("%d, not %d: %.*s", answer.status, status, STR_ARG(answer.body));
    struct json *json = json_parse(answer.body, NULL, &err);
    assert_non_null(json);
    answer_free(&answer);
    return json;
}

/* By chance somebody is hit who was hit before, and the threat there grows (202): then somebody else is. */
static struct json *trigger(const char *body)
{
    struct trial_answer answer = {0};
    for (int tries = 0; answer.status != 200 && tries < 5; tries++) {
        answer_free(&answer);
        answer = ask("POST", "/api/threats/trigger", JSON, body);
    }
    return object_of(answer, 200);
}

static int64_t reset(void)
{
    int64_t forgotten = -1;
    struct json *json = object_of(ask("POST", "/api/demo/reset", "", NULL), 200);
    assert_true(json_get_int(json, "forgotten", &forgotten));
    json_free(json);
    return forgotten;
}

static int64_t listed(void)
{
    struct trial_answer answer = ask("GET", "/api/threats?limit=1", "", NULL);
    assert_int_equal(answer.status, 200);
    int64_t total = strtoll(answer_field(&answer, "X-Total-Count"), NULL, 10);
    answer_free(&answer);
    return total;
}

/* ---- stories ---- */

static void a_trigger_answers_with_its_threats_and_events(void **state)
{
    (void)state;
    static const char *const bodies[] = {
        "{\"threat_type\":\"bot_traffic\"}",       "{\"threat_type\":\"proxy_network\"}",
        "{\"threat_type\":\"device_compromise\"}", "{\"threat_type\":\"anomaly_detection\"}",
        "{\"threat_type\":\"rate_limit_breach\"}", "{\"threat_type\":\"geo_anomaly\"}",
        "{\"scenario\":\"crypto_surge\"}",         "{\"scenario\":\"bot_attack\"}",
        "{\"scenario\":\"geo_impossible\"}",       "{\"scenario\":\"critical_threat\"}",
    };
    for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
        struct json *json = trigger(bodies[i]);
        assert_true(json_count(json_get(json, "threats")) > 0);
        assert_true(json_count(json_get(json, "events")) > 0);
        json_free(json);
    }
}

/* The first evidence of the threat is one of the events. */
static void the_ids_are_those_of_the_evidence(void **state)
{
    (void)state;
    char path[80];
    struct str id, event, own;
    struct json *json = trigger("{\"threat_type\":\"geo_anomaly\"}");
    assert_true(json_as_str(json_item(json_get(json, "threats"), 0), &id));
    snprintf(path, sizeof(path), "/api/threats/%.*s", STR_ARG(id));
    struct json *threat = object_of(ask("GET", path, "", NULL), 200);
    assert_true(json_get_str(json_item(json_get(threat, "evidence"), 0), "event_id", &event));
    assert_int_equal(json_count(json_get(json, "events")), 2);
    assert_true(json_as_str(json_item(json_get(json, "events"), 1), &own));
    assert_true(str_equal(event, own));
    json_free(threat);
    json_free(json);
}

static void what_cannot_be_triggered_is_answered_with_the_choices(void **state)
{
    (void)state;
    static const struct {
        const char *fields, *body;
        int status;
        const char *detail;
    } cases[] = {
        {JSON, "{\"threat_type\":\"bots\"}", 400, "rate_limit_breach"},
        {JSON, "{\"scenario\":\"bot_traffic\"}", 400, "crypto_surge, bot_attack"},
        {JSON, "{\"threat_type\":\"\"}", 400, "bot_traffic"},
        {JSON, "{\"threat_type\":7}", 400, "threat_type"},
        {JSON, "{}", 400, "scenario"},
        {JSON, "{\"type\":\"bot_traffic\"}", 400, "threat_type"},
        {JSON, "{\"threat_type\":\"bot_traffic\",\"scenario\":\"bot_attack\"}", 400, "expected one of"},
        {JSON, "{\"adversarial_scenario\":\"note_poisoning\"}", 400,
         "note_poisoning_baseline, note_poisoning_catch, note_poisoning_bypass"},
        {JSON, "{\"adversarial_scenario\":\"bot_attack\"}", 400, "note_poisoning_catch"},
        {JSON, "{\"adversarial_scenario\":\"note_poisoning_catch\",\"seed\":-1}", 400, "from 0 on"},
        {JSON, "{\"adversarial_scenario\":\"note_poisoning_catch\",\"seed\":\"1\"}", 400, "seed"},
        {JSON, "{\"seed\":1}", 400, "expected one of"},
        {JSON, "{\"scenario\":\"bot_attack\",\"seed\":1,\"adversarial_scenario\":\"note_poisoning_catch\"}",
         400, "expected one of"},
        {JSON, "[]", 400, "object"},
        {JSON, "{", 400, ""},
        {"Content-Type: application/x-ndjson\r\n", "{\"threat_type\":\"bot_traffic\"}", 415,
         "application/json"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct trial_answer answer = ask("POST", "/api/threats/trigger", cases[i].fields, cases[i].body);
        const char *detail = cases[i].detail;
        if (answer.status != cases[i].status ||
            (detail[0] && memmem(answer.body.ptr, answer.body.len, detail, strlen(detail)) == NULL))
            fail_msg("case %zu: %d %.*s", i, answer.status, STR_ARG(answer.body));
        answer_free(&answer);
    }
}

static void nothing(struct worker *worker, void *arg)
{
    (void)worker, (void)arg;
}

/* `demo` is fixed while a process runs: the workers are brought to a stop around the change. */
static void set_demo(bool demo)
{
    struct pipeline *pipeline = atomic_load(&app.pipeline);
    for (unsigned i = 0; i < pipeline_workers(pipeline); i++)
        pipeline_on_worker(pipeline, i, nothing, NULL);
    app.settings.demo = demo;
    for (unsigned i = 0; i < pipeline_workers(pipeline); i++)
        pipeline_on_worker(pipeline, i, nothing, NULL);
}

static void outside_demo_mode_both_are_forbidden(void **state)
{
    (void)state;
    set_demo(false);
    struct trial_answer answer = ask("POST", "/api/threats/trigger", JSON,
                                     "{\"threat_type\":\"bot_traffic\"}");
    assert_int_equal(answer.status, 403);
    answer_free(&answer);
    answer = ask("POST", "/api/demo/reset", "", NULL);
    assert_int_equal(answer.status, 403);
    answer_free(&answer);
    set_demo(true);
}

static void a_reset_forgets_demo_threats_and_nothing_else(void **state)
{
    (void)state;
    reset();
    struct trial_answer answer = ask(
        "POST", "/api/events", JSON,
        "{\"event.category\":\"malware\",\"event.action\":\"detected\",\"event.outcome\":\"failure\","
        "\"host.name\":\"real\",\"file.hash.sha256\":\"00\"}");
    assert_int_equal(answer.status, 202);
    answer_free(&answer);
    int64_t real = listed();
    assert_true(real > 0);
    json_free(trigger("{\"threat_type\":\"rate_limit_breach\"}"));
    json_free(trigger("{\"scenario\":\"critical_threat\"}"));
    int64_t both = listed();
    assert_true(both >= real + 2);
    assert_int_equal(reset(), both - real);
    assert_int_equal(listed(), real);
    assert_int_equal(reset(), 0);

    struct json *audit = object_of(ask("GET", "/api/audit", "", NULL), 200);
    struct str action = STR("");
    assert_true(json_get_str(json_item(audit, 0), "action", &action));
    assert_true(str_is(action, "demo.reset"));
    json_free(audit);
}

/* Real threats that change without end: the reset waits for a moment when they are stored. */
static void a_reset_finds_its_moment_among_real_changes(void **state)
{
    (void)state;
    json_free(trigger("{\"threat_type\":\"device_compromise\"}"));
    int fd = client_connect(app.port);
    static const char reset_request[] = "POST /api/demo/reset HTTP/1.1\r\nHost: localhost\r\n\r\n";
    for (int i = 0; i < 20; i++) {
        char body[256];
        snprintf(body, sizeof(body),
                 "{\"event.id\":\"real-%d\",\"event.category\":\"malware\",\"event.action\":\"detected\","
                 "\"event.outcome\":\"failure\",\"host.name\":\"busy\",\"file.hash.sha256\":\"01\"}",
                 i);
        struct trial_answer answer = ask("POST", "/api/events", JSON, body);
        assert_int_equal(answer.status, 202);
        answer_free(&answer);
        if (i == 10)
            client_puts(fd, reset_request);
    }
    struct trial_answer answer = client_answer(fd, false, 20000);
    assert_int_equal(answer.status, 200);
    answer_free(&answer);
    close(fd);
    assert_int_equal(reset(), 0);
}

static int64_t count_of(const struct json *object, const char *key)
{
    return (int64_t)json_count(json_get(object, key));
}

/* 202 where the machine was too slow: what it says so far holds as well. */
static struct json *drill(const char *name, int seed)
{
    char body[96];
    snprintf(body, sizeof(body), "{\"adversarial_scenario\":\"%s\",\"seed\":%d}", name, seed);
    struct trial_answer answer = ask("POST", "/api/threats/trigger", JSON, body);
    return object_of(answer, answer.status == 202 ? 202 : 200);
}

/* Of each note: signed and audited as through the API, or neither. */
static size_t notes_past_api(const struct json *report)
{
    size_t past = 0;
    for (size_t i = 0; i < json_count(json_get(report, "notes")); i++) {
        bool is_signed = false, audited = false;
        assert_true(json_get_bool(json_item(json_get(report, "notes"), i), "signed", &is_signed));
        assert_true(json_get_bool(json_item(json_get(report, "notes"), i), "audited", &audited));
        assert_int_equal(is_signed, audited);
        past += !audited;
    }
    return past;
}

static void a_drill_stores_its_notes_as_the_api_does_or_past_it(void **state)
{
    static const struct {
        const char *name;
        int seed;
        size_t least;
        bool past_api;
    } cases[] = {{"note_poisoning_baseline", 4, 6, false},
                 {"note_poisoning_catch", 4, 10, false},
                 {"note_poisoning_bypass", 4, 8, true},
                 {"note_poisoning_bypass", 5, 8, false}};
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct json *report = drill(cases[i].name, cases[i].seed);
        assert_in_range(count_of(report, "notes"), cases[i].least, 200);
        assert_int_equal(notes_past_api(report) > 0, cases[i].past_api);
        assert_true(count_of(report, "threats") > 0 && count_of(report, "history") >= 4);
        assert_int_equal(count_of(report, "outcomes"),
                         count_of(report, "threats") + count_of(report, "history"));
        assert_true(count_of(report, "events") >= count_of(report, "outcomes"));
        json_free(report);
    }
}

static void a_drill_leaves_nothing_behind_a_reset(void **state)
{
    struct buf text = BUF_EMPTY;
    (void)state;
    reset();
    int64_t before = listed();
    struct json *report = drill("note_poisoning_bypass", 8);
    int64_t made = count_of(report, "outcomes");
    json_free(report);
    assert_int_equal(listed(), before + made);
    assert_int_equal(reset(), made);
    assert_int_equal(listed(), before);
    struct json *audit = object_of(ask("GET", "/api/audit", "", NULL), 200);
    json_print(audit, &text);
    assert_null(strstr(text.ptr, "\"demo\":true"));
    json_free(audit);
    buf_free(&text);
    assert_int_equal(reset(), 0);
}

/* A client that leaves at once: nothing of it stays behind (the address sanitizer looks). */
static void clients_may_leave(void **state)
{
    (void)state;
    static const char *const requests[] = {
        "POST /api/threats/trigger HTTP/1.1\r\nHost: localhost\r\n" JSON "Content-Length: 29\r\n\r\n"
        "{\"threat_type\":\"geo_anomaly\"}",
        "POST /api/demo/reset HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "POST /api/threats/trigger HTTP/1.1\r\nHost: localhost\r\n" JSON "Content-Length: 47\r\n\r\n"
        "{\"adversarial_scenario\":\"note_poisoning_catch\"}",
    };
    for (int i = 0; i < 30; i++) {
        int fd = client_connect(app.port);
        client_puts(fd, requests[i % 3]);
        if (i % 2)
            listed(); /* it leaves a little later */
        close(fd);
    }
    reset();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_trigger_answers_with_its_threats_and_events),
        cmocka_unit_test(the_ids_are_those_of_the_evidence),
        cmocka_unit_test(what_cannot_be_triggered_is_answered_with_the_choices),
        cmocka_unit_test(outside_demo_mode_both_are_forbidden),
        cmocka_unit_test(a_reset_forgets_demo_threats_and_nothing_else),
        cmocka_unit_test(a_reset_finds_its_moment_among_real_changes),
        cmocka_unit_test(a_drill_stores_its_notes_as_the_api_does_or_past_it),
        cmocka_unit_test(a_drill_leaves_nothing_behind_a_reset),
        cmocka_unit_test(clients_may_leave),
    };
    loop_init();
    log_level_set(LOG_ERROR);
    return cmocka_run_group_tests(tests, open_app, close_app);
}
