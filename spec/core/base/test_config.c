/* Configuration from one table. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>

#include "base/clock.h"
#include "base/config.h"

struct settings {
    char *listen, *key;
    int64_t workers, size, retain, actions;
    bool demo;
};

static const struct config_option table[] = {
    {"listen", CONFIG_STRING, "127.0.0.1:8080", 0, 0, NULL, false, false, "Network", "Where to listen.",
     offsetof(struct settings, listen)},
    {"ai-key", CONFIG_STRING, "", 0, 0, NULL, true, false, "Network", "A secret.",
     offsetof(struct settings, key)},
    {"workers", CONFIG_INT, "2", 1, 64, NULL, false, false, "Process", "How many.",
     offsetof(struct settings, workers)},
    {"state-max", CONFIG_SIZE, "1GiB", 1 << 20, INT64_C(1) << 40, NULL, false, true, "Process", "How much.",
     offsetof(struct settings, size)},
    {"retain-events", CONFIG_DURATION, "7d", 3600 * NS_PER_S, 365 * 86400 * NS_PER_S, NULL, false, true,
     "Process", "How long.", offsetof(struct settings, retain)},
    {"actions", CONFIG_ENUM, "dry-run", 0, 0, "dry-run|live", false, false, "Process", "How seriously.",
     offsetof(struct settings, actions)},
    {"demo", CONFIG_BOOL, "false", 0, 0, NULL, false, false, "Process", "For show.",
     offsetof(struct settings, demo)},
};
#define COUNT (sizeof(table) / sizeof(table[0]))

struct loaded {
    struct settings settings;
    struct err err;
    char *rest[16];
    int rest_count, result;
};

/* Words separated by spaces, as arguments and as environment. */
static struct loaded load(const char *arguments, const char *variables)
{
    static char text[2][256];
    static char *words[2][17];
    const char *from[2] = {arguments, variables};
    int count[2] = {0};
    for (int i = 0; i < 2; i++) {
        snprintf(text[i], sizeof(text[i]), "%s", from[i]);
        for (char *next = NULL, *word = strtok_r(text[i], " ", &next); word;
             word = strtok_r(NULL, " ", &next))
            words[i][count[i]++] = word;
        words[i][count[i]] = NULL;
    }
    struct loaded l = {0};
    l.result = config_load(table, COUNT, &l.settings, count[0], words[0], words[1], l.rest, &l.rest_count,
                           &l.err);
    return l;
}

static void release(struct loaded *l)
{
    config_release(table, COUNT, &l->settings);
    assert_null(l->settings.listen);
}

static void test_defaults_hold_where_nothing_is_said(void **state)
{
    (void)state;
    struct loaded l = load("", "");
    assert_int_equal(l.result, 0);
    assert_string_equal(l.settings.listen, "127.0.0.1:8080");
    assert_string_equal(l.settings.key, "");
    assert_int_equal(l.settings.workers, 2);
    assert_int_equal(l.settings.size, 1 << 30);
    assert_true(l.settings.retain == 7 * 86400 * NS_PER_S);
    assert_int_equal(l.settings.actions, 0);
    assert_false(l.settings.demo);
    release(&l);
}

static void test_a_flag_wins_over_its_variable_and_that_over_the_default(void **state)
{
    (void)state;
    struct loaded l = load(
        "serve --workers 8 --demo --state-max=64MiB - -- --x",
        "PATH=/bin LUNETTE_WORKERS=4 LUNETTE_RETAIN_EVENTS=36h LUNETTE_ACTIONS=live LUNETTE_OTHER=1");
    assert_int_equal(l.result, 0);
    assert_int_equal(l.settings.workers, 8);
    assert_int_equal(l.settings.size, 64 << 20);
    assert_true(l.settings.retain == 36 * 3600 * NS_PER_S);
    assert_int_equal(l.settings.actions, 1);
    assert_true(l.settings.demo);
    assert_int_equal(l.rest_count, 3);
    assert_string_equal(l.rest[0], "serve");
    assert_string_equal(l.rest[1], "-");
    assert_string_equal(l.rest[2], "--x");
    release(&l);
}

static void test_a_flag_of_yes_or_no_leaves_the_next_word_alone(void **state)
{
    (void)state;
    struct loaded l = load("--demo serve", "");
    assert_true(l.result == 0 && l.settings.demo && l.rest_count == 1);
    release(&l);
    l = load("--demo=false", "LUNETTE_DEMO=1");
    assert_true(l.result == 0 && !l.settings.demo);
    release(&l);
}

static const struct {
    const char *arguments, *variables, *error;
} wrong[] = {
    {"--worker 3", "", "no such flag: --worker; did you mean --workers?"},
    {"--zzzzzzzzz", "", "no such flag: --zzzzzzzzz"},
    {"--workers", "", "--workers: expected a value after it"},
    {"--workers x", "", "--workers: expected an integer, not \"x\""},
    {"--workers 0", "", "--workers: expected 1 to 64, not 0"},
    {"--workers 65", "", "--workers: expected 1 to 64, not 65"},
    {"--workers 99999999999999999999", "", "--workers: expected 1 to 64, not 9223372036854775807"},
    {"", "LUNETTE_WORKERS=many", "LUNETTE_WORKERS: expected an integer, not \"many\""},
    {"--state-max 5MB", "", "--state-max: expected a size such as \"64KiB\" or \"1GiB\", not \"5MB\""},
    {"--state-max 1KiB", "", "--state-max: expected 1MiB to 1TiB, not 1KiB"},
    {"--retain-events 30m", "", "--retain-events: expected 1h to 365d, not 30m"},
    {"--actions dry", "", "--actions: expected one of dry-run|live, not \"dry\""},
    {"--demo=maybe", "", "--demo: expected true or false, not \"maybe\""},
};

static void test_wrong_values_say_where_they_came_from(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        struct loaded l = load(wrong[i].arguments, wrong[i].variables);
        assert_int_equal(l.result, -1);
        assert_int_equal(l.err.code, ERR_INVALID);
        assert_string_equal(err_text(&l.err), wrong[i].error);
        release(&l);
    }
}

static void test_range_ends_are_inside(void **state)
{
    (void)state;
    struct loaded l = load("--workers 64 --state-max 1TiB --retain-events 1h", "");
    assert_int_equal(l.result, 0);
    release(&l);
    l = load("--workers 1 --state-max 1048576 --retain-events 365d", "");
    assert_int_equal(l.result, 0);
    release(&l);
}

static void test_the_effective_values_hide_secrets(void **state)
{
    (void)state;
    struct loaded l = load("--ai-key hush --workers 3 --actions live", "");
    struct buf out = BUF_EMPTY;
    config_json(table, COUNT, &l.settings, &out);
    assert_string_equal(
        out.ptr, "{\"listen\":\"127.0.0.1:8080\",\"ai-key\":\"***\",\"workers\":3,\"state-max\":\"1GiB\","
                 "\"retain-events\":\"7d\",\"actions\":\"live\",\"demo\":false}");
    buf_free(&out);
    release(&l);
}

static void test_help_and_the_reference_page_come_from_the_table(void **state)
{
    (void)state;
    struct buf out = BUF_EMPTY;
    config_help(table, COUNT, &out);
    assert_non_null(strstr(out.ptr, "Network\n  --listen <text>"));
    assert_non_null(strstr(out.ptr, "\nProcess\n  --workers <number>"));
    assert_non_null(strstr(out.ptr, "How long. (default 7d)\n"));
    assert_non_null(strstr(out.ptr, "--actions <dry-run|live>"));
    buf_clear(&out);
    config_markdown(table, COUNT, &out);
    assert_non_null(strstr(out.ptr, "## Process\n"));
    assert_non_null(strstr(
        out.ptr, "| `--retain-events` | `LUNETTE_RETAIN_EVENTS` | `7d` | 1h to 365d | yes | How long. |\n"));
    assert_non_null(strstr(out.ptr, "| dry-run, live | no |"));
    buf_free(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults_hold_where_nothing_is_said),
        cmocka_unit_test(test_a_flag_wins_over_its_variable_and_that_over_the_default),
        cmocka_unit_test(test_a_flag_of_yes_or_no_leaves_the_next_word_alone),
        cmocka_unit_test(test_wrong_values_say_where_they_came_from),
        cmocka_unit_test(test_range_ends_are_inside),
        cmocka_unit_test(test_the_effective_values_hide_secrets),
        cmocka_unit_test(test_help_and_the_reference_page_come_from_the_table),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
