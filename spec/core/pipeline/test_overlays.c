/* Lists changed through the API: tried, stored and published, or nothing of it. */
#include <sys/stat.h>

#include "core/pipeline/plant.h"
#include "pipeline/overlays.h"
#include "pipeline/reload.h"

#define LISTED                                                                                               \
    "return rule { id = \"t.listed\", title = \"Listed\", severity = \"low\",\n"                             \
    "  match = { [\"event.action\"] = \"go\", [\"user.name\"] = list \"watched\" },\n"                       \
    "  dedup = { by = { \"user.name\" }, window = \"1h\" },\n"                                               \
    "  tests = {\n"                                                                                          \
    "    { \"a watched one\", lists = { watched = { \"ana\" } }, events = at({ 0 }, sample { "               \
    "[\"event.action\"] = \"go\", [\"user.name\"] = \"ana\" }), expect = { threats = 1 } },\n"               \
    "    { \"another\", lists = { watched = { \"ana\" } }, events = at({ 0 }, sample { [\"event.action\"] "  \
    "= \"go\", [\"user.name\"] = \"bob\" }), expect = { threats = 0 } } } }"

struct site {
    char folder[64], rules[80], plugins[80], data[80];
    struct reload *reload;
    struct ruleset *first;
    struct pipeline *pipeline;
};

static void put_file(const char *folder, const char *name, const char *text)
{
    char path[160];
    snprintf(path, sizeof(path), "%s/%s", folder, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static void open_site(struct site *site)
{
    struct report report = {0};
    struct reload_options options = {site->rules, site->plugins, site->data, 10 * NS_PER_S};
    site->reload = reload_new(&options);
    site->first = reload_first(site->reload, &report);
    assert_non_null(site->first);
    report_free(&report);
    struct pipeline_options pipeline = plant_options(site->first, 2, site->data);
    site->pipeline = plant_start(&pipeline);
}

static void make_site(struct site *site)
{
    *site = (struct site){0};
    plant_folder(site->folder);
    snprintf(site->rules, sizeof(site->rules), "%s/rules", site->folder);
    snprintf(site->plugins, sizeof(site->plugins), "%s/plugins", site->folder);
    snprintf(site->data, sizeof(site->data), "%s/data", site->folder);
    assert_int_equal(mkdir(site->rules, 0700) | mkdir(site->plugins, 0700) | mkdir(site->data, 0700), 0);
    put_file(site->rules, "listed.lua", LISTED);
    put_file(site->rules, "watched.txt", "cai\n");
    open_site(site);
}

static void close_site(struct site *site)
{
    pipeline_stop(site->pipeline, NS_PER_S);
    reload_free(site->reload);
    ruleset_unref(site->first);
}

static void end_site(struct site *site)
{
    close_site(site);
    plant_remove(site->folder);
}

static bool raises(struct site *site, const char *user)
{
    static unsigned asked;
    struct buf line = BUF_EMPTY;
    buf_printf(&line, "{\"event.action\":\"go\",\"user.name\":\"%s\",\"process.pid\":%u}", user, ++asked);
    struct reply reply = plant_ask(site->pipeline, asked, line.ptr);
    buf_free(&line);
    return reply.raised > 0;
}

static int change(struct site *site, uint32_t version, const char *added, struct err *err)
{
    struct report report = {0};
    struct overlay_change change = {.overlay = {.name = STR("watched"),
                                                .version = version,
                                                .author = STR("ann"),
                                                .updated_ns = clock_now(&clock_real),
                                                .added = str_from(added),
                                                .removed = STR("[]")},
                                    .detail = STR("{}")};
    *err = (struct err){0};
    int rc = reload_overlay(site->reload, site->pipeline, &change, &report, err);
    report_free(&report);
    return rc;
}

static uint32_t stored_version(struct site *site, char added[128])
{
    struct err err = {0};
    struct store_reader *reader = store_reader_open(writer_store(pipeline_writer(site->pipeline)), &err);
    struct arena *arena = arena_new(0);
    struct store_overlay overlay = {0};
    store_read_overlay(reader, STR("watched"), arena, &overlay, &err);
    snprintf(added, 128, "%.*s", STR_ARG(overlay.added));
    arena_free(arena);
    store_reader_close(reader);
    return overlay.version;
}

static void what_is_put_is_in_service_and_survives(void **state)
{
    (void)state;
    struct site site;
    struct err err;
    make_site(&site);
    assert_false(raises(&site, "ana"));
    assert_int_equal(change(&site, 0, "[\"ana\"]", &err), 0);
    assert_true(raises(&site, "ana"));
    assert_int_equal(reload_now(site.reload, site.pipeline, &err), 0);
    struct ruleset *set = pipeline_ruleset(site.pipeline);
    assert_int_equal(set->generation, 2); /* nothing new: nothing published */
    ruleset_unref(set);
    close_site(&site);
    open_site(&site);
    assert_true(raises(&site, "ANA"));
    assert_false(raises(&site, "bob"));
    end_site(&site);
}

static void what_cannot_be_published_does_not_stay(void **state)
{
    (void)state;
    struct site site;
    struct err err;
    struct ruleset *held[16];
    char added[128], text[64];
    size_t count = 0;
    make_site(&site);
    /* Generations that somebody still holds fill all places. */
    do {
        held[count++] = pipeline_ruleset(site.pipeline);
        snprintf(text, sizeof(text), "[\"user%zu\"]", count);
    } while (count < 16 && change(&site, (uint32_t)count - 1, text, &err) == 0);
    assert_int_equal(err.code, ERR_BUSY);
    assert_true(count > 1 && count < 16);
    /* It was stored as version `count`, and taken back by the next. */
    assert_int_equal(stored_version(&site, added), count + 1);
    snprintf(text, sizeof(text), "[\"user%zu\"]", count - 1);
    assert_string_equal(added, text);
    for (size_t i = 0; i < count; i++)
        ruleset_unref(held[i]);
    snprintf(text, sizeof(text), "user%zu", count);
    assert_false(raises(&site, text));
    end_site(&site);
}

static void a_version_that_nobody_read_is_a_conflict(void **state)
{
    (void)state;
    struct site site;
    struct err err;
    char added[128];
    make_site(&site);
    assert_int_equal(change(&site, 7, "[\"ana\"]", &err), -1);
    assert_int_equal(err.code, ERR_CONFLICT);
    assert_int_equal(stored_version(&site, added), 0);
    end_site(&site);
}

static void what_the_rules_do_not_load_with_is_not_stored(void **state)
{
    (void)state;
    struct site site;
    struct err err;
    char added[128];
    make_site(&site);
    put_file(site.rules, "listed.lua", "return rule {");
    assert_int_equal(change(&site, 0, "[\"ana\"]", &err), -1);
    assert_int_equal(err.code, ERR_INVALID);
    assert_int_equal(stored_version(&site, added), 0);
    assert_true(raises(&site, "cai")); /* the running rules stay */
    end_site(&site);
}

static void entries_are_checked_and_named(void **state)
{
    static const struct {
        const char *added, *where;
    } cases[] = {
        {"{}", "added"},
        {"[\"a\",7]", "added[1]"},
        {"[\"\"]", "added[0]"},
        {"[{\"value\":\"a\",\"attributes\":[]}]", "added[0]"},
        {"[[\"a\"]]", "added[0]"},
        {"[\"a\",{\"value\":\"a\",\"x\":1}]", "added[1]"},
        {"[\"a\\u0001\"]", "added[0]"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct err err = {0};
        struct buf out = BUF_EMPTY;
        struct json *json = json_parse(str_from(cases[i].added), NULL, &err);
        assert_non_null(json);
        if (overlays_write_added(json, &out, &err) == 0 || strcmp(err.where, cases[i].where) != 0)
            fail_msg("%s: %s", cases[i].added, err_text(&err));
        json_free(json);
        buf_free(&out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_put_is_in_service_and_survives),
        cmocka_unit_test(what_cannot_be_published_does_not_stay),
        cmocka_unit_test(a_version_that_nobody_read_is_a_conflict),
        cmocka_unit_test(what_the_rules_do_not_load_with_is_not_stored),
        cmocka_unit_test(entries_are_checked_and_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
