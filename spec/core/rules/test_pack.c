/* Callbacks that work, fail, loop and lie: what a threat gets then, and when a callback is suspended. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <stdlib.h>

#include "base/json_tape.h"
#include "core/rules/ruleset.h"
#include "rules/pack_health.h"

#define TESTS                                                                                                \
    "tests = { { 'y', events = sample { a = 1 }, expect = { threats = 1 } },\n"                              \
    "          { 'n', events = sample { a = 1 }, expect = { threats = 0 } } }\n"
#define RULE(id, body)                                                                                       \
    "return rule { id = '" id                                                                                \
    "', title = 'Title', severity = 'medium', match = { ['event.action'] = 'x' },\n" body "\n" TESTS "}"

static const struct text_file files[] = {
    {"rules/good.lua",
     RULE("a.good",
          "filter = function(e) return e['user.name'] ~= 'nobody' end,\n"
          "detect = function(e, g) return g == nil or g.count > 2 end,\n"
          "title_of = function(e, g) return 'Hello ' .. e['user.name'] end,\n"
          "severity_of = function(e) if list 'admins':has(e['user.name']) then return 'high' end end,\n"
          "dedup_of = function(e) return e['user.name']:upper() end,\n"
          "context_of = function(e) return { ['user.name'] = e['user.name'], n = 1 } end,")},
    {"rules/plain.lua",
     RULE("b.plain", "group = { by = { 'user.name', 'source.ip' }, window = '1m', count = 2 },\n"
                     "context = { 'user.name', 'source.ip', 'tags' },")},
    {"rules/dedup.lua", RULE("c.dedup", "dedup = { by = { 'user.name', 'source.ip' } },")},
    {"rules/bad.lua", RULE("d.bad", "filter = function(e) return e.no.such end,\n"
                                    "detect = function(e) return 1 end,\n"
                                    "title_of = function(e) return nil end,\n"
                                    "severity_of = function(e) return 'worst' end,\n"
                                    "dedup_of = function(e) return {} end,\n"
                                    "context_of = function(e) return 'x' end,")},
    {"rules/loop.lua", RULE("e.loop", "filter = function() while true do end end,\n"
                                      "detect = function() while true do end end,\n"
                                      "title_of = function() while true do end end,\n"
                                      "severity_of = function() while true do end end,\n"
                                      "dedup_of = function() while true do end end,\n"
                                      "context_of = function() while true do end end,")},
    {"rules/memory.lua",
     RULE("f.memory", "detect = function() local t = {} for i = 1, 1e9 do t[i] = {} end end,")},
    {"rules/helper.lua", "return { worst = function() return 'critical' end }"},
    {"rules/module.lua",
     RULE("g.module", "severity_of = function() local h = require 'helper' return h.worst() end,")},
    {"rules/lists/admins.txt", "root\n"},
    {"plugins/fix.lua",
     "return source { id = 'fixed', when = { a = 1 }, fix = function(e) if e['user.name'] then "
     "e['user.name'] = 'fixed' else error 'none' end end,\n"
     "tests = { { 'x', raw = { a = 1 }, expect = { a = 1 } } } }"},
};

struct bench {
    struct ruleset *set;
    struct pack *pack;
    struct pack_health *health;
    struct clock_virtual clock;
    struct event_parser *parser;
    struct arena *arena;
    struct event *event;
    struct pack_note note;
};

static void load_event(struct bench *b, const char *json)
{
    size_t len = strlen(json);
    char *text = arena_zalloc(b->arena, len + JSON_TAPE_PADDING);
    memcpy(text, json, len);
    struct err err = {0};
    assert_int_equal(
        event_parse(b->parser, b->set->fields, (struct str){text, len}, b->arena, &b->event, &err), 0);
    event_freeze(b->event, b->arena);
    pack_begin(b->pack, b->parser, b->arena);
}

static int setup(void **state)
{
    struct bench *b = calloc(1, sizeof(*b));
    struct report report = {0};
    struct err err = {0};
    b->set = load_texts(files, sizeof(files) / sizeof(files[0]), &report);
    char text[4096];
    report_text(&report, text, sizeof(text));
    assert_string_equal(text, "");
    report_free(&report);
    b->health = pack_health_new(b->set->rule_count);
    clock_virtual_init(&b->clock, 1000 * NS_PER_S);
    struct pack_options options = {.set = b->set, .health = b->health, .clock = &b->clock.clock};
    b->pack = pack_new(&options, &err);
    if (b->pack == NULL)
        fail_msg("%s", err_text(&err));
    b->parser = event_parser_new(&event_limits_default);
    b->arena = arena_new(0);
    load_event(b, "{\"user.name\":\"ana\",\"source.ip\":\"10.0.0.1\",\"a\":1}");
    *state = b;
    return 0;
}

static int teardown(void **state)
{
    struct bench *b = *state;
    pack_free(b->pack);
    pack_health_free(b->health);
    event_parser_free(b->parser);
    arena_free(b->arena);
    ruleset_unref(b->set);
    free(b);
    return 0;
}

static uint32_t rule_index(const struct bench *b, const char *id)
{
    const struct rule *rule = ruleset_find(b->set, str_from(id));
    assert_non_null(rule);
    return (uint32_t)(rule - b->set->rules);
}

static void assert_str(struct str got, const char *expected)
{
    if (!str_is(got, expected))
        fail_msg("expected \"%s\", got \"%.*s\"", expected, STR_ARG(got));
}

static void callbacks_give_what_they_return(void **state)
{
    struct bench *b = *state;
    uint32_t rule = rule_index(b, "a.good");
    struct lua_group few = {.count = 2}, many = {.count = 3};
    assert_true(pack_filter(b->pack, rule, b->event, &b->note));
    assert_true(pack_detect(b->pack, rule, b->event, NULL, &b->note));
    assert_false(pack_detect(b->pack, rule, b->event, &few, &b->note));
    assert_true(pack_detect(b->pack, rule, b->event, &many, &b->note));
    assert_str(pack_title(b->pack, rule, b->event, NULL, &b->note), "Hello ana");
    assert_str(pack_dedup(b->pack, rule, b->event, NULL, &b->note), "ANA");
    assert_str(pack_context(b->pack, rule, b->event, NULL, &b->note), "{\"n\":1,\"user.name\":\"ana\"}");
    assert_int_equal(pack_severity(b->pack, rule, b->event, NULL, &b->note), SEVERITY_MEDIUM);
    load_event(b, "{\"user.name\":\"root\"}");
    assert_int_equal(pack_severity(b->pack, rule, b->event, NULL, &b->note), SEVERITY_HIGH);
    load_event(b, "{\"user.name\":\"nobody\"}");
    assert_false(pack_filter(b->pack, rule, b->event, &b->note));
    assert_string_equal(b->note.reason, "");
}

static void a_rule_without_callbacks_gets_the_defaults(void **state)
{
    struct bench *b = *state;
    uint32_t plain = rule_index(b, "b.plain"), dedup = rule_index(b, "c.dedup");
    struct lua_group group = {.key = STR("ana, 10.0.0.1"), .count = 2};
    assert_true(pack_filter(b->pack, plain, b->event, &b->note));
    assert_true(pack_detect(b->pack, plain, b->event, &group, &b->note));
    assert_str(pack_title(b->pack, plain, b->event, &group, &b->note), "Title");
    assert_int_equal(pack_severity(b->pack, plain, b->event, &group, &b->note), SEVERITY_MEDIUM);
    assert_str(pack_dedup(b->pack, plain, b->event, &group, &b->note), "ana, 10.0.0.1");
    assert_str(pack_context(b->pack, plain, b->event, &group, &b->note),
               "{\"user.name\":\"ana\",\"source.ip\":\"10.0.0.1\"}");
    assert_str(pack_dedup(b->pack, dedup, b->event, NULL, &b->note), "ana, 10.0.0.1");
    assert_str(pack_dedup(b->pack, rule_index(b, "f.memory"), b->event, NULL, &b->note), "Title");
    assert_string_equal(b->note.reason, "");
}

static void two_values_cannot_be_made_to_look_like_two_others(void **state)
{
    struct bench *b = *state;
    uint32_t rule = rule_index(b, "c.dedup");
    load_event(b, "{\"user.name\":\"a, b\",\"source.ip\":\"c\"}");
    assert_str(pack_dedup(b->pack, rule, b->event, NULL, &b->note), "a\\, b, c");
    load_event(b, "{\"user.name\":\"a\",\"source.ip\":\"b, c\"}");
    assert_str(pack_dedup(b->pack, rule, b->event, NULL, &b->note), "a, b\\, c");
}

static void a_long_key_keeps_its_identity(void **state)
{
    struct bench *b = *state;
    char json[4096], name[3001];
    memset(name, 'n', sizeof(name) - 1);
    name[sizeof(name) - 1] = '\0';
    snprintf(json, sizeof(json), "{\"user.name\":\"%s\",\"source.ip\":\"1\"}", name);
    load_event(b, json);
    struct str one = pack_dedup(b->pack, rule_index(b, "c.dedup"), b->event, NULL, &b->note);
    assert_int_equal(one.len, 1024);
    snprintf(json, sizeof(json), "{\"user.name\":\"%s\",\"source.ip\":\"2\"}", name);
    load_event(b, json);
    struct str two = pack_dedup(b->pack, rule_index(b, "c.dedup"), b->event, NULL, &b->note);
    assert_int_equal(two.len, 1024);
    assert_false(str_equal(one, two));
}

/* What each callback of a rule does when it goes wrong: the default, and a word of why. */
static void assert_defaults(struct bench *b, const char *id, const char *const reasons[CALLBACK_COUNT])
{
    uint32_t rule = rule_index(b, id);
    struct pack_note notes[CALLBACK_COUNT] = {0};
    load_event(b, "{\"user.name\":\"ana\"}");
    assert_true(pack_filter(b->pack, rule, b->event, &notes[CALLBACK_FILTER]));
    pack_begin(b->pack, b->parser, b->arena);
    assert_true(pack_detect(b->pack, rule, b->event, NULL, &notes[CALLBACK_DETECT]));
    pack_begin(b->pack, b->parser, b->arena);
    assert_str(pack_title(b->pack, rule, b->event, NULL, &notes[CALLBACK_TITLE]), "Title");
    pack_begin(b->pack, b->parser, b->arena);
    assert_int_equal(pack_severity(b->pack, rule, b->event, NULL, &notes[CALLBACK_SEVERITY]),
                     SEVERITY_MEDIUM);
    pack_begin(b->pack, b->parser, b->arena);
    assert_str(pack_dedup(b->pack, rule, b->event, NULL, &notes[CALLBACK_DEDUP]), "Title");
    pack_begin(b->pack, b->parser, b->arena);
    assert_str(pack_context(b->pack, rule, b->event, NULL, &notes[CALLBACK_CONTEXT]), "{}");
    for (unsigned i = 0; i < CALLBACK_COUNT; i++)
        if (strstr(notes[i].reason, reasons[i]) == NULL || reasons[i][0] == '\0')
            fail_msg("%s: expected \"%s\" in \"%s\"", callback_names[i], reasons[i], notes[i].reason);
}

static void what_fails_loses_nothing(void **state)
{
    static const char *const reasons[CALLBACK_COUNT] = {
        "filter failed: rules/bad.lua:2:",
        "detect failed:",
        "title_of failed:",
        "severity_of failed: the answer is none of informational, low, medium, high, critical",
        "dedup_of failed:",
        "context_of failed:"};
    assert_defaults(*state, "d.bad", reasons);
}

static void what_loops_is_stopped(void **state)
{
    static const char *const reasons[CALLBACK_COUNT] = {"filter took too long",   "detect took too long",
                                                        "title_of took too long", "severity_of took too long",
                                                        "dedup_of took too long", "context_of took too long"};
    assert_defaults(*state, "e.loop", reasons);
}

static void what_takes_all_memory_is_stopped(void **state)
{
    struct bench *b = *state;
    assert_true(pack_detect(b->pack, rule_index(b, "f.memory"), b->event, NULL, &b->note));
    assert_string_not_equal(b->note.reason, "");
    struct pack_note note = {""};
    assert_str(pack_title(b->pack, rule_index(b, "a.good"), b->event, NULL, &note), "Hello ana");
    assert_string_equal(note.reason, "");
}

static void the_first_reason_is_kept(void **state)
{
    struct bench *b = *state;
    uint32_t rule = rule_index(b, "d.bad");
    pack_title(b->pack, rule, b->event, NULL, &b->note);
    pack_dedup(b->pack, rule, b->event, NULL, &b->note);
    assert_non_null(strstr(b->note.reason, "title_of"));
    assert_null(strstr(b->note.reason, "dedup_of"));
}

static void a_callback_may_require_a_module(void **state)
{
    struct bench *b = *state;
    assert_int_equal(pack_severity(b->pack, rule_index(b, "g.module"), b->event, NULL, &b->note),
                     SEVERITY_CRITICAL);
    assert_string_equal(b->note.reason, "");
}

static void fail_once(struct bench *b, const char *id)
{
    struct pack_note note = {""};
    pack_begin(b->pack, b->parser, b->arena);
    pack_title(b->pack, rule_index(b, id), b->event, NULL, &note);
}

static void three_failures_in_a_minute_suspend_for_ten(void **state)
{
    struct bench *b = *state;
    uint32_t rule = rule_index(b, "d.bad");
    for (int i = 0; i < 3; i++) {
        assert_false(pack_suspended(b->health, rule, CALLBACK_TITLE, b->clock.now_ns));
        fail_once(b, "d.bad");
        b->clock.now_ns += 20 * NS_PER_S;
    }
    assert_true(pack_suspended(b->health, rule, CALLBACK_TITLE, b->clock.now_ns));
    assert_false(pack_suspended(b->health, rule, CALLBACK_DEDUP, b->clock.now_ns));
    struct pack_note note = {""};
    assert_str(pack_title(b->pack, rule, b->event, NULL, &note), "Title");
    assert_string_equal(note.reason, "title_of is suspended after repeated failures");
    b->clock.now_ns += 600 * NS_PER_S;
    assert_false(pack_suspended(b->health, rule, CALLBACK_TITLE, b->clock.now_ns));
    fail_once(b, "d.bad");
    fail_once(b, "d.bad");
    assert_false(pack_suspended(b->health, rule, CALLBACK_TITLE, b->clock.now_ns));
    fail_once(b, "d.bad");
    assert_true(pack_suspended(b->health, rule, CALLBACK_TITLE, b->clock.now_ns));
}

static void three_failures_in_more_than_a_minute_do_not(void **state)
{
    struct bench *b = *state;
    uint32_t rule = rule_index(b, "d.bad");
    for (int i = 0; i < 6; i++) {
        fail_once(b, "d.bad");
        b->clock.now_ns += 31 * NS_PER_S;
    }
    assert_false(pack_suspended(b->health, rule, CALLBACK_TITLE, b->clock.now_ns));
    assert_false(pack_take_degraded(b->health, rule));
}

static void a_degraded_rule_is_told_once(void **state)
{
    struct bench *b = *state;
    uint32_t rule = rule_index(b, "d.bad");
    assert_false(pack_take_degraded(b->health, rule));
    for (int i = 0; i < 3; i++)
        fail_once(b, "d.bad");
    assert_true(pack_take_degraded(b->health, rule));
    assert_false(pack_take_degraded(b->health, rule));
    b->clock.now_ns += 700 * NS_PER_S;
    for (int i = 0; i < 3; i++)
        fail_once(b, "d.bad");
    assert_true(pack_suspended(b->health, rule, CALLBACK_TITLE, b->clock.now_ns));
    assert_false(pack_take_degraded(b->health, rule));
}

static void a_suspension_holds_on_all_workers(void **state)
{
    struct bench *b = *state;
    struct err err = {0};
    struct pack_options options = {.set = b->set, .health = b->health, .clock = &b->clock.clock};
    struct pack *other = pack_new(&options, &err);
    assert_non_null(other);
    for (int i = 0; i < 3; i++)
        fail_once(b, "d.bad");
    struct pack_note note = {""};
    pack_begin(other, b->parser, b->arena);
    pack_title(other, rule_index(b, "d.bad"), b->event, NULL, &note);
    assert_non_null(strstr(note.reason, "suspended"));
    pack_free(other);
}

static void *hammer(void *arg)
{
    for (int i = 0; i < 10000; i++) {
        pack_health_failed(arg, 0, CALLBACK_DETECT, 1 + i);
        pack_suspended(arg, 0, CALLBACK_DETECT, i);
    }
    return (void *)(uintptr_t)pack_take_degraded(arg, 0);
}

static void of_many_workers_one_tells(void **state)
{
    (void)state;
    struct pack_health *health = pack_health_new(1);
    pthread_t threads[4];
    uintptr_t told = 0;
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, hammer, health), 0);
    for (int i = 0; i < 4; i++) {
        void *one;
        pthread_join(threads[i], &one);
        told += (uintptr_t)one;
    }
    assert_int_equal(told, 1);
    pack_health_free(health);
}

static void a_test_sees_only_its_own_lists(void **state)
{
    struct bench *b = *state;
    uint32_t rule = rule_index(b, "a.good");
    struct literal ana = {.type = LITERAL_STRING, .text = STR("ANA"), .from_list = true};
    struct test_list list = {STR("admins"), &ana, 1, NULL};
    struct rule_test with = {.lists = &list, .list_count = 1}, without = {0};
    pack_set_test(b->pack, &with);
    assert_int_equal(pack_severity(b->pack, rule, b->event, NULL, &b->note), SEVERITY_HIGH);
    load_event(b, "{\"user.name\":\"root\"}");
    assert_int_equal(pack_severity(b->pack, rule, b->event, NULL, &b->note), SEVERITY_MEDIUM);
    pack_set_test(b->pack, &without);
    assert_int_equal(pack_severity(b->pack, rule, b->event, NULL, &b->note), SEVERITY_MEDIUM);
    assert_string_equal(b->note.reason, "");
    pack_set_test(b->pack, NULL);
    assert_int_equal(pack_severity(b->pack, rule, b->event, NULL, &b->note), SEVERITY_HIGH);
}

static void fix_writes_the_event_or_marks_it(void **state)
{
    struct bench *b = *state;
    const char *record = "{\"user.name\":\"ana\"}";
    uint32_t source = ruleset_source(b->set, STR("fixed")),
             user = fields_find(b->set->fields, STR("user.name"));
    char *text = arena_zalloc(b->arena, 256);
    struct err err = {0};
    memcpy(text, record, strlen(record));
    event_parse(b->parser, b->set->fields, str_from(text), b->arena, &b->event, &err);
    pack_fix(b->pack, source, b->event);
    assert_str(event_text(b->event, user), "fixed");
    assert_int_equal(b->event->quality, 0);
    struct event *empty = event_make(b->arena, b->set->fields, 4);
    pack_fix(b->pack, source, empty);
    assert_int_equal(empty->quality, QUALITY_FIX_FAILED);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(callbacks_give_what_they_return),
        TEST(a_rule_without_callbacks_gets_the_defaults),
        TEST(two_values_cannot_be_made_to_look_like_two_others),
        TEST(a_long_key_keeps_its_identity),
        TEST(what_fails_loses_nothing),
        TEST(what_loops_is_stopped),
        TEST(what_takes_all_memory_is_stopped),
        TEST(the_first_reason_is_kept),
        TEST(a_callback_may_require_a_module),
        TEST(three_failures_in_a_minute_suspend_for_ten),
        TEST(three_failures_in_more_than_a_minute_do_not),
        TEST(a_degraded_rule_is_told_once),
        TEST(a_suspension_holds_on_all_workers),
        cmocka_unit_test(of_many_workers_one_tells),
        TEST(a_test_sees_only_its_own_lists),
        TEST(fix_writes_the_event_or_marks_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
