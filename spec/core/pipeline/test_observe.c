/* Observations: what is kept of changes, news and egress violations, and that each accepted one is kept once:
 * with any number of workers, sent again, across a store that fails and across kill -9. */
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "base/json_tape.h"
#include "base/text.h"
#include "core/pipeline/plant.h"
#include "pipeline/engine.h"

#define NOON INT64_C(1767355200) /* 2026-01-02T12:00:00Z, seconds */

/* ---- rules: the shipped sources, and a rule that changes fire ---- */

static char shipped[3][8192];
static const char *const kinds[] = {"change", "news", "egress"};

static void read_shipped(unsigned i)
{
    char path[64];
    snprintf(path, sizeof(path), "plugins/sources/%s.lua", kinds[i]);
    FILE *file = fopen(path, "r");
    if (file == NULL)
        fail_msg("%s is not there", path);
    shipped[i][fread(shipped[i], 1, sizeof(shipped[i]) - 1, file)] = '\0';
    assert_true(feof(file));
    fclose(file);
}

static struct ruleset *rules_with(struct text_file change)
{
    read_shipped(1);
    read_shipped(2);
    struct text_file files[] = {PLANT_ONE, change, {"news.lua", shipped[1]}, {"egress.lua", shipped[2]}};
    return plant_rules(files, 4);
}

static struct ruleset *shipped_rules(void)
{
    read_shipped(0);
    return rules_with((struct text_file){"change.lua", shipped[0]});
}

/* ---- what is in the store ---- */

static struct json *observations(struct store *store, const struct observation_query *query)
{
    struct err err = {0};
    struct buf text = BUF_EMPTY;
    struct json_limits limits = {8 << 20, 32, false};
    struct store_reader *reader = store_reader_open(store, &err);
    assert_non_null(reader);
    assert_int_equal(store_observations(reader, query, &text, &err), 0);
    store_reader_close(reader);
    struct json *list = json_parse(buf_str(&text), &limits, &err);
    if (list == NULL)
        fail_msg("%s", err_text(&err));
    buf_free(&text);
    return list;
}

static struct json *observed_of(struct pipeline *pipeline, const char *kind)
{
    struct observation_query query = {.kind = str_from(kind), .limit = 100};
    return observations(writer_store(pipeline_writer(pipeline)), &query);
}

static size_t count_of(struct pipeline *pipeline, const char *kind)
{
    struct json *list = observed_of(pipeline, kind);
    size_t count = json_count(list);
    json_free(list);
    return count;
}

/* Exactly the changes with the ids 0, 1, … count - 1, each once. */
static void assert_ids(struct pipeline *pipeline, unsigned count)
{
    struct json *list = observed_of(pipeline, "change");
    bool seen[128] = {false};
    assert_int_equal(json_count(list), count);
    for (size_t i = 0; i < json_count(list); i++) {
        struct str id = {0};
        assert_true(json_get_str(json_get(json_item(list, i), "body"), "change.id", &id));
        unsigned n = (unsigned)strtoul(id.ptr, NULL, 10);
        assert_true(n < count);
        assert_false(seen[n]);
        seen[n] = true;
    }
    json_free(list);
}

static void assert_ledger(struct pipeline *pipeline, int64_t events)
{
    plant_settle(pipeline);
    assert_true(tally_balanced(writer_tally(pipeline_writer(pipeline))));
    assert_int_equal(plant_ledger(pipeline, "events", "received"), events);
    assert_int_equal(plant_ledger(pipeline, "events", "accepted"), events);
    assert_int_equal(plant_ledger(pipeline, "events", "judged"), events);
}

/* ---- sending ---- */

static enum err_code post(struct pipeline *pipeline, unsigned worker, struct plant_call call)
{
    call.customer = call.customer ? call.customer : "";
    call.format = JOURNAL_NDJSON;
    if (id_compare(&call.id_base, &(struct id128){0}) == 0)
        id_random(call.id_base.bytes, sizeof(call.id_base.bytes));
    pipeline_on_worker(pipeline, worker % pipeline_workers(pipeline), plant_submit, &call);
    return call.rc == 0 ? ERR_NONE : call.err.code;
}

static void post_and_wait(struct pipeline *pipeline, unsigned worker, const char *source, const char *lines)
{
    struct reply reply = {0};
    struct plant_call call = {.source = source, .body = lines, .reply = &reply};
    assert_int_equal(post(pipeline, worker, call), ERR_NONE);
    plant_await(&reply);
    assert_int_equal(reply.code, ERR_NONE);
    assert_int_equal(reply.rejected, 0);
}

static void put_change(struct buf *out, unsigned id)
{
    buf_clear(out);
    buf_printf(out, "{\"kind\":\"deploy\",\"id\":%u,\"service\":\"api\",\"host\":\"web-%u\"}\n", id, id % 7);
}

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
            struct json *list = kept(&stage, kinds[k], line.ptr);
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

/* ---- in the pipeline ---- */

static void whoever_is_answered_finds_it(void **state)
{
    (void)state;
    static const unsigned workers[] = {1, 2, 8};
    struct ruleset *set = shipped_rules();
    struct buf line = BUF_EMPTY;
    for (unsigned i = 0; i < 3; i++) {
        struct pipeline_options options = plant_options(set, workers[i], NULL);
        struct pipeline *pipeline = plant_start(&options);
        for (unsigned n = 0; n < 16; n++) {
            put_change(&line, n);
            post_and_wait(pipeline, n, "change", line.ptr);
            assert_int_equal(count_of(pipeline, "change"), n + 1);
        }
        post_and_wait(pipeline, 1, "news", "{\"title\":\"a\"}\n{\"title\":\"b\"}\n");
        post_and_wait(pipeline, 2, "egress", "{\"src_ip\":\"10.0.0.1\"}\n");
        assert_ids(pipeline, 16);
        assert_int_equal(count_of(pipeline, "news"), 2);
        assert_int_equal(count_of(pipeline, "egress"), 1);
        assert_ledger(pipeline, 19);
        pipeline_stop(pipeline, 5 * NS_PER_S);
    }
    buf_free(&line);
    ruleset_unref(set);
}

static void it_goes_through_the_rules_as_well(void **state)
{
    (void)state;
    struct ruleset *set = shipped_rules();
    struct pipeline_options options = plant_options(set, 2, NULL);
    struct pipeline *pipeline = plant_start(&options);
    struct reply reply = {0};
    struct plant_call call = {.source = "egress",
                              .body = "{\"action\":\"ONE\",\"user\":\"ana\",\"policy\":\"p\"}",
                              .reply = &reply};
    assert_int_equal(post(pipeline, 1, call), ERR_NONE);
    plant_await(&reply);
    assert_int_equal(reply.raised, 1);
    assert_int_equal(count_of(pipeline, "egress"), 1);
    assert_ledger(pipeline, 1);
    assert_int_equal(plant_ledger(pipeline, "one", "raised"), 1);
    pipeline_stop(pipeline, 5 * NS_PER_S);
    ruleset_unref(set);
}

static void sent_again_is_kept_once(void **state)
{
    (void)state;
    struct ruleset *set = shipped_rules();
    struct pipeline_options options = plant_options(set, 2, NULL);
    struct pipeline *pipeline = plant_start(&options);
    struct reply reply;
    struct plant_call call = {.source = "change",
                              .body = "{\"kind\":\"deploy\"}\n{\"kind\":\"config\"}\n",
                              .id_base = {{1, 2, 3}},
                              .reply = &reply};
    for (unsigned i = 0; i < 4; i++) {
        reply = (struct reply){0};
        assert_int_equal(post(pipeline, i, call), ERR_NONE);
        plant_await(&reply);
    }
    post_and_wait(pipeline, 0, "change", "{\"kind\":\"deploy\",\"event\":{\"id\":\"d-1\"}}");
    post_and_wait(pipeline, 1, "change", "{\"kind\":\"deploy\",\"event\":{\"id\":\"d-1\"}}");
    assert_int_equal(count_of(pipeline, "change"), 3);
    assert_ledger(pipeline, 10);
    pipeline_stop(pipeline, 5 * NS_PER_S);
    ruleset_unref(set);
}

/* A root of one's own may give the source conditions: then it recognises its records among others. */
static void a_source_that_is_recognised_counts_as_well(void **state)
{
    (void)state;
    struct ruleset *set = rules_with((struct text_file){
        "change.lua", "return source { id = \"change\", accepts = { [\"ci.job|exists\"] = true },\n"
                      "  fields = { [\"change.id\"] = \"ci.job\" }, tests = { { \"a job\",\n"
                      "  raw = { ci = { job = \"7\" } }, expect = { [\"change.id\"] = \"7\" } } } }"});
    struct pipeline_options options = plant_options(set, 2, NULL);
    struct pipeline *pipeline = plant_start(&options);
    post_and_wait(pipeline, 0, "",
                  "{\"ci\":{\"job\":\"0\"}}\n{\"user\":{\"name\":\"ana\"}}\n{\"ci\":{\"job\":\"1\"}}\n");
    assert_ids(pipeline, 2);
    assert_ledger(pipeline, 3);
    pipeline_stop(pipeline, 5 * NS_PER_S);
    ruleset_unref(set);
}

/* ---- a store that fails ---- */

#define STORE_STOPS (64 << 10) /* its log has grown past this, the journal has not */
#define BEFORE      40

static void limit_files(rlim_t bytes)
{
    struct rlimit limit;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = bytes ? bytes : limit.rlim_max;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static struct pipeline *start_with_changes(const struct pipeline_options *options)
{
    struct pipeline *pipeline = plant_start(options);
    struct buf line = BUF_EMPTY;
    for (unsigned n = 0; n < BEFORE; n++) {
        put_change(&line, n);
        post_and_wait(pipeline, n, "change", line.ptr);
    }
    plant_settle(pipeline);
    buf_free(&line);
    return pipeline;
}

/* Returns how many were taken before the store was seen to fail; their replies are open. */
static unsigned send_until_it_fails(struct pipeline *pipeline, struct reply *replies, unsigned most)
{
    struct pipeline_health health = {0};
    struct buf line = BUF_EMPTY;
    unsigned taken = 0;
    for (unsigned n = 0; n < most; n++) {
        struct plant_call call = {.source = "change", .reply = &replies[taken]};
        put_change(&line, BEFORE + taken);
        call.body = line.ptr;
        taken += post(pipeline, n, call) == ERR_NONE;
    }
    while (!health.store_failing) {
        usleep(1000);
        pipeline_health(pipeline, &health);
    }
    buf_free(&line);
    assert_true(taken > 0);
    return taken;
}

static void what_a_failed_commit_left_is_kept_by_the_next(void **state)
{
    (void)state;
    char data[64];
    struct reply replies[6] = {{0}};
    struct ruleset *set = shipped_rules();
    plant_folder(data);
    struct pipeline_options options = plant_options(set, 2, data);
    struct pipeline *pipeline = start_with_changes(&options);
    limit_files(STORE_STOPS);
    unsigned taken = send_until_it_fails(pipeline, replies, 6);
    assert_int_equal(count_of(pipeline, "change"), BEFORE);
    assert_false(replies[0].done);
    limit_files(0);
    for (unsigned i = 0; i < taken; i++) {
        plant_await(&replies[i]);
        assert_int_equal(replies[i].code, ERR_NONE);
    }
    assert_ids(pipeline, BEFORE + taken);
    assert_ledger(pipeline, BEFORE + taken);
    pipeline_stop(pipeline, 5 * NS_PER_S);
    pipeline = plant_start(&options);
    assert_int_equal(pipeline_replayed(pipeline), 0);
    assert_ids(pipeline, BEFORE + taken);
    pipeline_stop(pipeline, 5 * NS_PER_S);
    plant_remove(data);
    ruleset_unref(set);
}

/* ---- kill -9 ---- */

static pid_t in_a_child(void (*live)(const char *data, int out), const char *data, int *from)
{
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    fflush(stdout);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        close(ends[0]);
        live(data, ends[1]);
        for (;;)
            pause();
    }
    close(ends[1]);
    *from = ends[0];
    return child;
}

static void kill_child(pid_t child, int from)
{
    int status;
    assert_int_equal(kill(child, SIGKILL), 0);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    close(from);
}

/* The journal has them, the store could not take them: nobody was answered. */
static void live_with_a_failing_store(const char *data, int out)
{
    struct reply replies[6] = {{0}};
    struct pipeline_options options = plant_options(shipped_rules(), 2, data);
    struct pipeline *pipeline = start_with_changes(&options);
    struct pipeline_health health = {0};
    limit_files(STORE_STOPS);
    unsigned taken = send_until_it_fails(pipeline, replies, 6);
    while (health.journal_last < BEFORE + taken) {
        usleep(1000);
        pipeline_health(pipeline, &health);
    }
    assert_int_equal(write(out, &taken, sizeof(taken)), sizeof(taken));
    for (;;)
        pause();
}

static void what_only_the_journal_has_is_kept_after_a_kill(void **state)
{
    (void)state;
    char data[64];
    unsigned taken = 0;
    int from;
    plant_folder(data);
    pid_t child = in_a_child(live_with_a_failing_store, data, &from);
    assert_int_equal(read(from, &taken, sizeof(taken)), sizeof(taken));
    kill_child(child, from);
    struct ruleset *set = shipped_rules();
    for (unsigned workers = 1; workers <= 8; workers *= 8) { /* the second start finds nothing left to do */
        struct pipeline_options options = plant_options(set, workers, data);
        struct pipeline *pipeline = plant_start(&options);
        assert_true(pipeline_replayed(pipeline) >= (workers == 1 ? taken : 0));
        assert_ids(pipeline, BEFORE + taken);
        assert_ledger(pipeline, BEFORE + taken);
        pipeline_stop(pipeline, 5 * NS_PER_S);
    }
    ruleset_unref(set);
    plant_remove(data);
}

/* Sends one after another, several under way; tells of each that was answered. */
#define SENT 96

static void tell(struct reply *reply)
{
    const int *out = reply->told_arg;
    uint8_t one = 1;
    if (reply->code == ERR_NONE)
        assert_int_equal(write(*out, &one, 1), 1);
}

static void live_sending(const char *data, int out)
{
    static struct reply replies[SENT];
    static int told;
    struct pipeline_options options = plant_options(shipped_rules(), 3, data);
    struct pipeline *pipeline = plant_start(&options);
    struct buf line = BUF_EMPTY;
    told = out;
    for (unsigned n = 0; n < SENT; n++) {
        replies[n] = (struct reply){.told = tell, .told_arg = &told};
        struct plant_call call = {.source = "change", .reply = &replies[n]};
        put_change(&line, n);
        call.body = line.ptr;
        assert_int_equal(post(pipeline, n, call), ERR_NONE);
        if (n >= 5)
            plant_await(&replies[n - 5]);
    }
    for (;;)
        pause();
}

/* None twice, and at least those that were answered. */
static size_t assert_each_once(struct pipeline *pipeline, size_t answered)
{
    struct json *list = observed_of(pipeline, "change");
    bool seen[SENT] = {false};
    size_t count = json_count(list);
    for (size_t i = 0; i < count; i++) {
        struct str id = {0};
        assert_true(json_get_str(json_get(json_item(list, i), "body"), "change.id", &id));
        unsigned n = (unsigned)strtoul(id.ptr, NULL, 10);
        assert_true(n < SENT && !seen[n]);
        seen[n] = true;
    }
    assert_true(count >= answered);
    json_free(list);
    return count;
}

static void what_was_answered_is_there_after_a_kill_at_any_moment(void **state)
{
    (void)state;
    struct ruleset *set = shipped_rules();
    for (unsigned after = 1; after < SENT; after += SANITIZED ? 31 : 13) {
        char data[64];
        uint8_t one;
        size_t answered = 0;
        int from;
        plant_folder(data);
        pid_t child = in_a_child(live_sending, data, &from);
        for (; answered < after; answered++)
            assert_int_equal(read(from, &one, 1), 1);
        kill(child, SIGKILL);
        while (read(from, &one, 1) == 1)
            answered++;
        kill_child(child, from);
        struct pipeline_options options = plant_options(set, 2, data);
        struct pipeline *pipeline = plant_start(&options);
        plant_settle(pipeline);
        size_t kept_now = assert_each_once(pipeline, answered);
        /* what the journal has is in the ledger, and it is in the store */
        assert_int_equal(plant_ledger(pipeline, "events", "accepted"), kept_now);
        assert_ledger(pipeline, (int64_t)kept_now);
        pipeline_stop(pipeline, 5 * NS_PER_S);
        plant_remove(data);
    }
    ruleset_unref(set);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_only_the_journal_has_is_kept_after_a_kill),
        cmocka_unit_test(what_was_answered_is_there_after_a_kill_at_any_moment),
        cmocka_unit_test(what_is_kept_of_an_event),
        cmocka_unit_test(time_and_customer_are_the_events_own),
        cmocka_unit_test(a_long_text_is_cut_at_a_character_and_named),
        cmocka_unit_test(no_body_is_larger_than_the_store_takes),
        cmocka_unit_test(other_events_are_not_observed),
        cmocka_unit_test(whoever_is_answered_finds_it),
        cmocka_unit_test(it_goes_through_the_rules_as_well),
        cmocka_unit_test(sent_again_is_kept_once),
        cmocka_unit_test(a_source_that_is_recognised_counts_as_well),
        cmocka_unit_test(what_a_failed_commit_left_is_kept_by_the_next),
    };
    loop_init();
    log_level_set(LOG_ERROR);
    signal(SIGXFSZ, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
