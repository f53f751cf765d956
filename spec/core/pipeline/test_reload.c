/* Reload as a transaction: what is good is published, what is not changes nothing, and no event is lost or
 * judged twice meanwhile. */
#include <sys/stat.h>

#include "core/pipeline/plant.h"
#include "pipeline/reload.h"

#define RULE_OF(title, body)                                                                                 \
    "return rule { id = \"t.rule\", title = \"" title "\", severity = \"low\",\n"                            \
    "  match = { [\"event.action\"] = \"go\" },\n  dedup = { by = { \"user.name\" }, window = \"1h\" },\n"   \
    "" body "  tests = {\n"                                                                                  \
    "    { \"fires\", events = at({ 0 }, sample { [\"event.action\"] = \"go\", [\"user.name\"] = \"ana\" "   \
    "}), "                                                                                                   \
    "expect = { threats = 1 } },\n"                                                                          \
    "    { \"quiet\", events = at({ 0 }, sample { [\"event.action\"] = \"no\" }), expect = { threats = 0 } " \
    "} } }"
#define GOOD         RULE_OF("One", "")
#define BETTER       RULE_OF("Two", "")
#define SYNTAX       "return rule { id = "
#define FAILING_TEST RULE_OF("One", "filter = function(event) return false end,\n")
#define LOOP_LOADING "while true do end\n" GOOD
#define LOOP_CALLING RULE_OF("One", "filter = function(event) while true do end end,\n")

/* A folder with roots, a place for the last good tree, and what reloads them. */
struct site {
    char folder[64], rules[80], plugins[80], kept[80];
    struct reload *reload;
    struct ruleset *first;
    struct pipeline *pipeline;
};

static void put_file(const char *folder, const char *name, const char *text)
{
    char path[160], beside[176];
    snprintf(path, sizeof(path), "%s/%s", folder, name);
    snprintf(beside, sizeof(beside), "%s.new", path);
    FILE *file = fopen(beside, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
    assert_int_equal(rename(beside, path), 0);
}

static void make_site(struct site *site, const char *rule)
{
    *site = (struct site){0};
    plant_folder(site->folder);
    snprintf(site->rules, sizeof(site->rules), "%s/rules", site->folder);
    snprintf(site->plugins, sizeof(site->plugins), "%s/plugins", site->folder);
    snprintf(site->kept, sizeof(site->kept), "%s/kept", site->folder);
    assert_int_equal(mkdir(site->rules, 0700) | mkdir(site->plugins, 0700) | mkdir(site->kept, 0700), 0);
    put_file(site->rules, "rule.lua", rule);
}

static void load_site(struct site *site, int64_t test_limit_ns)
{
    struct report report = {0};
    struct reload_options options = {site->rules, site->plugins, site->kept, test_limit_ns};
    site->reload = reload_new(&options);
    site->first = reload_first(site->reload, &report);
    assert_true(site->first || report.errors);
    report_free(&report);
}

static void open_site(struct site *site, unsigned workers)
{
    make_site(site, GOOD);
    load_site(site, 10 * NS_PER_S);
    assert_non_null(site->first);
    struct pipeline_options options = plant_options(site->first, workers, NULL);
    site->pipeline = plant_start(&options);
}

static void unload_site(struct site *site)
{
    reload_free(site->reload);
    ruleset_unref(site->first);
    site->reload = NULL;
    site->first = NULL;
}

static void close_site(struct site *site)
{
    if (site->pipeline)
        pipeline_stop(site->pipeline, NS_PER_S);
    unload_site(site);
    plant_remove(site->folder);
}

static uint64_t generation(const struct site *site)
{
    struct ruleset *set = pipeline_ruleset(site->pipeline);
    uint64_t number = set->generation;
    ruleset_unref(set);
    return number;
}

static bool status_holds(const struct site *site, const char *what)
{
    struct buf text = BUF_EMPTY;
    struct err err = {0};
    reload_status_json(site->reload, &text);
    struct json *json = json_parse(buf_str(&text), NULL, &err);
    bool holds = json && strstr(text.ptr, what);
    json_free(json);
    buf_free(&text);
    return holds;
}

/* The title of the threat that a new user's event raises says which rules run. */
static bool title_is(struct site *site, const char *title)
{
    static unsigned users;
    struct err err = {0};
    struct buf line = BUF_EMPTY, out = BUF_EMPTY;
    uint32_t version;
    buf_printf(&line, "{\"event.action\":\"go\",\"user.name\":\"user-%u\"}", users++);
    struct reply reply = plant_ask(site->pipeline, users, line.ptr);
    assert_int_equal(reply.raised, 1);
    struct store_reader *reader = store_reader_open(writer_store(pipeline_writer(site->pipeline)), &err);
    assert_int_equal(store_get_threat(reader, str_from(reply.first), STR(""), &version, &out, &err), 0);
    struct json *json = json_parse(buf_str(&out), NULL, &err);
    struct str got = {0};
    json_get_str(json, "title", &got);
    bool is = str_is(got, title);
    json_free(json);
    store_reader_close(reader);
    buf_free(&out);
    buf_free(&line);
    return is;
}

/* ---- good and broken trees ---- */

static void a_good_tree_is_published_on_every_worker(void **state)
{
    (void)state;
    struct err err = {0};
    struct site site;
    open_site(&site, 3);
    assert_true(status_holds(&site, "\"state\":\"ok\"") && title_is(&site, "One"));
    put_file(site.rules, "rule.lua", BETTER);
    assert_int_equal(reload_now(site.reload, site.pipeline, &err), 0);
    assert_int_equal(generation(&site), 2);
    for (unsigned i = 0; i < 6; i++)
        assert_true(title_is(&site, "Two"));
    assert_true(status_holds(&site, "\"generation\":2"));
    close_site(&site);
}

static void the_same_tree_is_not_published_again(void **state)
{
    (void)state;
    struct err err = {0};
    struct site site;
    open_site(&site, 1);
    assert_int_equal(reload_now(site.reload, site.pipeline, &err), 0);
    put_file(site.rules, "rule.lua", GOOD);
    assert_int_equal(reload_now(site.reload, site.pipeline, &err), 0);
    assert_int_equal(generation(&site), 1);
    close_site(&site);
}

static void a_broken_tree_changes_nothing_and_says_why(void **state)
{
    (void)state;
    static const struct {
        const char *text, *said;
    } cases[] = {
        {SYNTAX, "rules/rule.lua:1"},
        {FAILING_TEST, "expected 1 threat, got 0"},
        {LOOP_LOADING, "rules/rule.lua"},
        {LOOP_CALLING, "filter took too long"},
        {RULE_OF("One", "match = { [\"user.name\"] = unknown },\n"), "unknown"},
    };
    struct site site;
    open_site(&site, 2);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct err err = {0};
        put_file(site.rules, "rule.lua", cases[i].text);
        assert_int_equal(reload_now(site.reload, site.pipeline, &err), -1);
        assert_int_equal(err.code, ERR_INVALID);
        assert_true(reload_degraded(site.reload));
        assert_int_equal(generation(&site), 1);
        if (!status_holds(&site, cases[i].said) || !status_holds(&site, "\"state\":\"failed\"")) {
            struct buf text = BUF_EMPTY;
            reload_status_json(site.reload, &text);
            fail_msg("case %zu: %s is not in %s", i, cases[i].said, text.ptr);
        }
        assert_true(title_is(&site, "One"));
        put_file(site.rules, "rule.lua", GOOD);
        assert_int_equal(reload_now(site.reload, site.pipeline, &err), 0);
        assert_false(reload_degraded(site.reload));
        assert_true(status_holds(&site, "\"problems\":[]"));
    }
    close_site(&site);
}

static void tests_beyond_their_time_are_a_failure(void **state)
{
    (void)state;
    struct err err = {0};
    struct site site;
    make_site(&site, GOOD);
    load_site(&site, 10 * NS_PER_S);
    struct reload_options options = {site.rules, site.plugins, site.kept, 1};
    struct reload *hurried = reload_new(&options);
    struct pipeline_options pipeline = plant_options(site.first, 1, NULL);
    site.pipeline = plant_start(&pipeline);
    put_file(site.rules, "rule.lua", BETTER);
    assert_int_equal(reload_now(hurried, site.pipeline, &err), -1);
    assert_int_equal(generation(&site), 1);
    reload_free(hurried);
    close_site(&site);
}

static void a_root_that_is_gone_is_a_failure(void **state)
{
    (void)state;
    struct err err = {0};
    struct site site;
    open_site(&site, 1);
    plant_remove(site.rules);
    assert_int_equal(reload_now(site.reload, site.pipeline, &err), -1);
    assert_int_equal(generation(&site), 1);
    assert_true(reload_degraded(site.reload));
    close_site(&site);
}

/* ---- the last good tree ---- */

static void a_start_on_a_broken_tree_runs_the_last_good_one(void **state)
{
    (void)state;
    struct err err = {0};
    struct site site;
    make_site(&site, BETTER);
    load_site(&site, 10 * NS_PER_S);
    assert_non_null(site.first);
    assert_false(reload_degraded(site.reload));
    char hash[65];
    memcpy(hash, site.first->hash, sizeof(hash));
    unload_site(&site);

    put_file(site.rules, "rule.lua", SYNTAX);
    load_site(&site, 10 * NS_PER_S);
    assert_non_null(site.first);
    assert_true(reload_degraded(site.reload));
    assert_string_equal(site.first->hash, hash);
    assert_true(status_holds(&site, "\"state\":\"degraded\"") && status_holds(&site, "rules/rule.lua:1"));
    struct pipeline_options options = plant_options(site.first, 2, NULL);
    site.pipeline = plant_start(&options);
    assert_true(title_is(&site, "Two"));
    put_file(site.rules, "rule.lua", BETTER); /* repaired: it runs already */
    assert_int_equal(reload_now(site.reload, site.pipeline, &err), 0);
    assert_false(reload_degraded(site.reload));
    assert_int_equal(generation(&site), 1);
    close_site(&site);
}

static void a_published_tree_is_the_last_good_one(void **state)
{
    (void)state;
    struct err err = {0};
    struct site site;
    open_site(&site, 1);
    put_file(site.rules, "rule.lua", BETTER);
    assert_int_equal(reload_now(site.reload, site.pipeline, &err), 0);
    put_file(site.rules, "rule.lua", FAILING_TEST);
    assert_int_equal(reload_now(site.reload, site.pipeline, &err), -1);
    pipeline_stop(site.pipeline, NS_PER_S);
    unload_site(&site);
    load_site(&site, 10 * NS_PER_S);
    struct pipeline_options options = plant_options(site.first, 1, NULL);
    site.pipeline = plant_start(&options);
    assert_true(title_is(&site, "Two"));
    close_site(&site);
}

static void without_a_last_good_tree_a_broken_one_cannot_start(void **state)
{
    (void)state;
    struct site site;
    make_site(&site, SYNTAX);
    load_site(&site, 10 * NS_PER_S);
    assert_null(site.first);
    assert_true(status_holds(&site, "\"state\":\"failed\""));
    close_site(&site);
}

/* ---- windows across generations ---- */

#define WINDOWED(title, window)                                                                              \
    "return rule { id = \"t.window\", title = \"" title "\", severity = \"low\",\n"                          \
    "  match = { [\"event.action\"] = \"go\" },\n"                                                           \
    "  group = { by = { \"user.name\" }, window = \"" window "\", count = 3 },\n  tests = {\n"               \
    "    { \"fires\", events = at({ 0, 1, 2 }, sample { [\"event.action\"] = \"go\", [\"user.name\"] = "     \
    "\"ana\" }), expect = { threats = 1 } },\n"                                                              \
    "    { \"quiet\", events = at({ 0 }, sample { [\"event.action\"] = \"no\" }), expect = { threats = 0 } " \
    "} } }"

static size_t go(struct pipeline *pipeline, unsigned worker)
{
    return plant_ask(pipeline, worker, "{\"event.action\":\"go\",\"user.name\":\"ana\"}").raised;
}

static void publish_text(struct pipeline *pipeline, const char *path, const char *text)
{
    const struct text_file file = {path, text};
    struct err err = {0};
    struct ruleset *set = plant_rules(&file, 1);
    if (pipeline_publish(pipeline, set, &err) != 0)
        fail_msg("%s", err_text(&err));
    ruleset_unref(set);
}

static void a_window_outlives_what_does_not_change_it(void **state)
{
    (void)state;
    const struct text_file file = {"rules/a.lua", WINDOWED("One", "10m")};
    struct ruleset *set = plant_rules(&file, 1);
    struct pipeline_options options = plant_options(set, 3, NULL);
    struct pipeline *pipeline = plant_start(&options);
    go(pipeline, 0);
    go(pipeline, 1);
    publish_text(pipeline, "rules/b.lua", WINDOWED("Two", "10m"));
    assert_int_equal(go(pipeline, 2), 1);
    publish_text(pipeline, "rules/b.lua", WINDOWED("Two", "20m")); /* another window: empty */
    plant_settle(pipeline);
    int64_t waiting = plant_ledger(pipeline, "t.window", "waiting");
    go(pipeline, 0);
    go(pipeline, 1);
    plant_settle(pipeline);
    assert_int_equal(plant_ledger(pipeline, "t.window", "waiting"), waiting + 2);
    pipeline_stop(pipeline, NS_PER_S);
    ruleset_unref(set);
}

/* ---- generations that retire ---- */

static void retired_generations_are_freed(void **state)
{
    (void)state;
    struct ruleset *sets[6];
    struct err err = {0};
    const struct text_file file = {"rules/a.lua", GOOD};
    for (size_t i = 0; i < 6; i++)
        sets[i] = plant_rules(&file, 1);
    struct pipeline_options options = plant_options(sets[0], 3, NULL);
    struct pipeline *pipeline = plant_start(&options);
    for (size_t i = 1; i < 6; i++) {
        go(pipeline, (unsigned)i);
        assert_int_equal(pipeline_publish(pipeline, sets[i], &err), 0);
    }
    /* The pipeline's table and this test hold them; no worker has states for them any more. */
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(atomic_load(&sets[i]->refs), 2);
    pipeline_stop(pipeline, NS_PER_S);
    for (size_t i = 0; i < 6; i++) {
        assert_int_equal(atomic_load(&sets[i]->refs), 1);
        assert_int_equal(atomic_load(&sets[i]->batches), 0);
        ruleset_unref(sets[i]);
    }
}

static void a_generation_at_work_is_not_taken_away(void **state)
{
    (void)state;
    struct ruleset *sets[6];
    struct err err = {0};
    const struct text_file file = {"rules/a.lua", GOOD};
    for (size_t i = 0; i < 6; i++)
        sets[i] = plant_rules(&file, 1);
    struct pipeline_options options = plant_options(sets[0], 2, NULL);
    struct pipeline *pipeline = plant_start(&options);
    for (size_t i = 0; i < 3; i++) { /* as a batch that is being judged on it would */
        atomic_fetch_add(&sets[i]->batches, 1);
        assert_int_equal(pipeline_publish(pipeline, sets[i + 1], &err), 0);
    }
    assert_int_equal(pipeline_publish(pipeline, sets[4], &err), -1);
    assert_int_equal(err.code, ERR_BUSY);
    assert_int_equal(atomic_load(&sets[4]->refs), 1); /* nothing of it stays */
    struct ruleset *running = pipeline_ruleset(pipeline);
    assert_ptr_equal(running, sets[3]);
    ruleset_unref(running);
    assert_int_equal(go(pipeline, 0), 1);
    for (size_t i = 0; i < 3; i++)
        atomic_fetch_sub(&sets[i]->batches, 1);
    assert_int_equal(pipeline_publish(pipeline, sets[5], &err), 0);
    pipeline_stop(pipeline, NS_PER_S);
    for (size_t i = 0; i < 6; i++)
        ruleset_unref(sets[i]);
}

/* ---- under load ---- */

#define LOAD_BATCHES (SANITIZED ? 600 : 4000)
#define LOAD_EVENTS  5

/* As the kubelet does: the files are links through ..data, which is swapped in one rename. */
static void swap_tree(struct site *site, unsigned n, const char *text)
{
    char folder[128], target[32], link[128], data[128];
    snprintf(target, sizeof(target), "..tree-%u", n);
    snprintf(folder, sizeof(folder), "%s/%s", site->rules, target);
    snprintf(link, sizeof(link), "%s/..next", site->rules);
    snprintf(data, sizeof(data), "%s/..data", site->rules);
    assert_int_equal(mkdir(folder, 0700), 0);
    put_file(folder, "rule.lua", text);
    assert_int_equal(symlink(target, link), 0);
    assert_int_equal(rename(link, data), 0);
    if (n)
        return;
    snprintf(link, sizeof(link), "%s/rule.lua", site->rules);
    unlink(link);
    assert_int_equal(symlink("..data/rule.lua", link), 0);
}

static void send_load(struct site *site, unsigned n, struct reply *reply)
{
    struct buf lines = BUF_EMPTY;
    for (unsigned i = 0; i < LOAD_EVENTS; i++)
        buf_printf(&lines, "{\"event.action\":\"go\",\"event.id\":\"%u-%u\",\"user.name\":\"u%u\"}\n", n, i,
                   n % 50);
    *reply = (struct reply){0};
    while (plant_send(site->pipeline, n, lines.ptr, reply) == ERR_BUSY)
        usleep(1000);
    buf_free(&lines);
}

static void reloads_under_load_count_every_event_once(void **state)
{
    (void)state;
    static const char *const texts[] = {BETTER, SYNTAX, GOOD, FAILING_TEST};
    struct site site;
    open_site(&site, 3);
    struct reply *replies = mem_zalloc(LOAD_BATCHES, sizeof(*replies));
    uint64_t published = 0;
    unsigned swaps = 0;
    for (unsigned i = 0; i < LOAD_BATCHES; i++) {
        send_load(&site, i, &replies[i]);
        if (i % (LOAD_BATCHES / 40) != 7)
            continue;
        struct err err = {0};
        bool good = swaps % 2 == 0;
        swap_tree(&site, swaps, texts[swaps % 4]);
        int rc = reload_now(site.reload, site.pipeline, &err);
        assert_true(good || rc == -1);
        assert_true(rc == 0 || !good || err.code == ERR_BUSY);
        published += rc == 0;
        swaps++;
    }
    for (unsigned i = 0; i < LOAD_BATCHES; i++) {
        plant_await(&replies[i]);
        assert_int_equal(replies[i].code, ERR_NONE);
    }
    plant_settle(site.pipeline);
    assert_true(published > 5);
    int64_t events = LOAD_BATCHES * LOAD_EVENTS;
    assert_int_equal(plant_ledger(site.pipeline, "events", "judged"), events);
    assert_int_equal(plant_ledger(site.pipeline, "t.rule", "matched"), events);
    assert_int_equal(plant_ledger(site.pipeline, "t.rule", "raised"), 50);
    assert_int_equal(plant_ledger(site.pipeline, "t.rule", "folded"), events - 50);
    free(replies);
    close_site(&site);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_good_tree_is_published_on_every_worker),
        cmocka_unit_test(the_same_tree_is_not_published_again),
        cmocka_unit_test(a_broken_tree_changes_nothing_and_says_why),
        cmocka_unit_test(tests_beyond_their_time_are_a_failure),
        cmocka_unit_test(a_root_that_is_gone_is_a_failure),
        cmocka_unit_test(a_start_on_a_broken_tree_runs_the_last_good_one),
        cmocka_unit_test(a_published_tree_is_the_last_good_one),
        cmocka_unit_test(without_a_last_good_tree_a_broken_one_cannot_start),
        cmocka_unit_test(a_window_outlives_what_does_not_change_it),
        cmocka_unit_test(retired_generations_are_freed),
        cmocka_unit_test(a_generation_at_work_is_not_taken_away),
        cmocka_unit_test(reloads_under_load_count_every_event_once),
    };
    loop_init();
    log_level_set(LOG_OFF);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
