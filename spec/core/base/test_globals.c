/* The two globals: log and metrics. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/log.h"
#include "base/metrics.h"

/* What `write` puts on stderr, which is a file meanwhile. */
static void captured(void (*write_lines)(void), struct buf *out)
{
    FILE *file = tmpfile();
    int saved = dup(STDERR_FILENO);
    assert_true(file && saved >= 0 && dup2(fileno(file), STDERR_FILENO) >= 0);
    write_lines();
    assert_true(dup2(saved, STDERR_FILENO) >= 0);
    close(saved);
    rewind(file);
    for (size_t n = 1; n;) {
        n = fread(buf_reserve(out, 4096), 1, 4096, file);
        buf_grew(out, n);
    }
    fclose(file);
}

static unsigned count_of(const struct buf *text, const char *part)
{
    unsigned count = 0;
    for (const char *at = text->ptr; at && (at = strstr(at, part)); at++)
        count++;
    return count;
}

static void write_one(void)
{
    struct err err = {.message = "it broke", .where = "a.lua:1"};
    LOG(LOG_INFO, "test.one", log_text("s", "a\"\n"), log_int("i", -5), log_double("d", 0.5),
        log_bool("b", true), log_str("t", STR("x")));
    LOG(LOG_WARN, "test.bare");
    LOG_ERR(LOG_ERROR, "test.failed", &err);
}

static void test_a_line_is_one_json_object(void **state)
{
    (void)state;
    struct buf out = BUF_EMPTY;
    captured(write_one, &out);
    char *end = strchr(out.ptr, '\n');
    struct json *line = json_parse((struct str){out.ptr, (size_t)(end - out.ptr)}, NULL, NULL);
    struct str s;
    int64_t i;
    double d;
    bool b;
    assert_non_null(line);
    assert_true(json_get_str(line, "time", &s) && s.len == 24);
    assert_true(json_get_str(line, "level", &s) && str_is(s, "info"));
    assert_true(json_get_str(line, "event", &s) && str_is(s, "test.one"));
    assert_true(json_get_str(line, "s", &s) && str_is(s, "a\"\n"));
    assert_true(json_get_str(line, "t", &s) && str_is(s, "x"));
    assert_true(json_get_int(line, "i", &i) && i == -5);
    assert_true(json_get_double(line, "d", &d) && d == 0.5);
    assert_true(json_get_bool(line, "b", &b) && b);
    assert_int_equal(count_of(&out, "\n"), 3);
    assert_non_null(strstr(out.ptr, "\"level\":\"warn\",\"event\":\"test.bare\"}\n"));
    assert_non_null(strstr(out.ptr, "\"error\":\"a.lua:1: it broke\"}\n"));
    json_free(line);
    buf_free(&out);
}

static void write_levels(void)
{
    LOG(LOG_DEBUG, "test.level");
    log_level_set(LOG_ERROR);
    LOG(LOG_WARN, "test.level");
    LOG(LOG_ERROR, "test.level");
    log_level_set(LOG_OFF);
    LOG(LOG_ERROR, "test.level");
    log_level_set(LOG_DEBUG);
    LOG(LOG_DEBUG, "test.level");
    log_level_set(LOG_INFO);
}

static void test_lines_below_the_level_are_not_written(void **state)
{
    (void)state;
    enum log_level level;
    struct buf out = BUF_EMPTY;
    captured(write_levels, &out);
    assert_int_equal(count_of(&out, "\n"), 2);
    assert_int_equal(count_of(&out, "\"error\""), 1);
    assert_int_equal(count_of(&out, "\"debug\""), 1);
    assert_true(log_level_named(STR("warn"), &level) && level == LOG_WARN);
    assert_true(log_level_named(STR("off"), &level) && level == LOG_OFF);
    assert_false(log_level_named(STR("loud"), &level));
    buf_free(&out);
}

#define FLOOD 5000

/* A second after the flood, so that the next line may be written and tells what was left out. */
static void write_flood(void)
{
    for (int i = 0; i < FLOOD; i++)
        LOG(LOG_INFO, "test.flood");
    LOG(LOG_INFO, "test.quiet");
    int64_t second = clock_monotonic() / NS_PER_S;
    while (clock_monotonic() / NS_PER_S == second)
        sched_yield();
    LOG(LOG_INFO, "test.flood");
}

/* What all lines of the flood together say they left out. */
static int64_t suppressed_of(const struct buf *text)
{
    int64_t sum = 0;
    for (const char *at = text->ptr; (at = strstr(at, "\"suppressed\":")); at++)
        sum += strtoll(at + strlen("\"suppressed\":"), NULL, 10);
    return sum;
}

static void test_a_flood_is_cut_counted_and_leaves_others_alone(void **state)
{
    (void)state;
    struct buf out = BUF_EMPTY;
    int64_t begin = clock_monotonic();
    captured(write_flood, &out);
    int64_t seconds = (clock_monotonic() - begin) / NS_PER_S + 2;
    unsigned lines = count_of(&out, "test.flood");
    assert_in_range(lines, 21, 20 * seconds);
    assert_int_equal(lines + suppressed_of(&out), FLOOD + 1);
    assert_int_equal(count_of(&out, "test.quiet"), 1);
    buf_free(&out);
}

static bool is_line(const struct buf *text, const char *line)
{
    const char *at = strstr(text->ptr, line);
    return at && (at == text->ptr || at[-1] == '\n') && at[strlen(line)] == '\n';
}

static void test_metrics_are_rendered_for_prometheus(void **state)
{
    (void)state;
    struct metric *requests = metric_new(METRIC_COUNTER, "t_requests_total", "route,status",
                                         "Requests by route and status.");
    struct metric *queue = metric_new(METRIC_GAUGE, "t_queue", "", "Waiting.");
    metric_add(metric_with(requests, (const char *[]){"/a", "200"}), 2);
    metric_add(metric_with(requests, (const char *[]){"/a", "200"}), 1);
    metric_add(metric_with(requests, (const char *[]){"\"\\\n", "500"}), 0.5);
    metric_set(metric_with(queue, NULL), 7);
    metric_add(metric_with(queue, NULL), -2);
    struct buf out = BUF_EMPTY;
    metrics_render(&out);
    assert_true(is_line(&out, "# HELP t_requests_total Requests by route and status."));
    assert_true(is_line(&out, "# TYPE t_requests_total counter"));
    assert_true(is_line(&out, "t_requests_total{route=\"/a\",status=\"200\"} 3"));
    assert_true(is_line(&out, "t_requests_total{route=\"\\\"\\\\\\n\",status=\"500\"} 0.5"));
    assert_true(is_line(&out, "# TYPE t_queue gauge"));
    assert_true(is_line(&out, "t_queue 5"));
    assert_true(strstr(out.ptr, "# HELP t_queue") < strstr(out.ptr, "# HELP t_requests"));
    assert_ptr_equal(metric_new(METRIC_GAUGE, "t_queue", "", "Waiting."), queue);
    buf_free(&out);
}

static void test_a_histogram_counts_into_buckets(void **state)
{
    (void)state;
    struct metric_series *plain = metric_with(metric_new(METRIC_HISTOGRAM, "t_time_seconds", "", "Time."),
                                              NULL);
    struct metric_series *labelled = metric_with(
        metric_new(METRIC_HISTOGRAM, "t_by_seconds", "route", "Time."), (const char *[]){"/a"});
    metric_observe(plain, 0.0001);
    metric_observe(plain, 0.0002);
    metric_observe(plain, 11);
    metric_observe(labelled, 10);
    struct buf out = BUF_EMPTY;
    metrics_render(&out);
    assert_true(is_line(&out, "t_time_seconds_bucket{le=\"0.0001\"} 1"));
    assert_true(is_line(&out, "t_time_seconds_bucket{le=\"0.00025\"} 2"));
    assert_true(is_line(&out, "t_time_seconds_bucket{le=\"10\"} 2"));
    assert_true(is_line(&out, "t_time_seconds_bucket{le=\"+Inf\"} 3"));
    assert_true(is_line(&out, "t_time_seconds_count 3"));
    assert_non_null(strstr(out.ptr, "t_time_seconds_sum 11.000"));
    assert_true(is_line(&out, "t_by_seconds_bucket{route=\"/a\",le=\"5\"} 0"));
    assert_true(is_line(&out, "t_by_seconds_bucket{route=\"/a\",le=\"10\"} 1"));
    assert_true(is_line(&out, "t_by_seconds_sum{route=\"/a\"} 10"));
    buf_free(&out);
}

static double read_number(void *arg)
{
    return *(double *)arg;
}

static void test_a_gauge_can_be_read_when_it_is_asked_for(void **state)
{
    (void)state;
    double number = 41;
    struct metric *gauge = metric_new(METRIC_GAUGE, "t_read", "of", "Read at scrape time.");
    metric_callback(gauge, (const char *[]){"x"}, read_number, &number);
    number = 42;
    struct buf out = BUF_EMPTY;
    metrics_render(&out);
    assert_true(is_line(&out, "t_read{of=\"x\"} 42"));
    metric_forget(&number);
    buf_clear(&out);
    metrics_render(&out);
    assert_null(strstr(out.ptr, "t_read{"));
    buf_free(&out);
}

static void *add_many(void *arg)
{
    struct metric_series **series = arg;
    for (int i = 0; i < 20000; i++) {
        metric_add(series[0], 1);
        metric_observe(series[1], 0.001);
    }
    return NULL;
}

static void test_no_addition_is_lost_between_threads(void **state)
{
    (void)state;
    pthread_t threads[12]; /* more than there are shards */
    struct metric_series *series[2] = {
        metric_with(metric_new(METRIC_COUNTER, "t_threads_total", "", "Added by many."), NULL),
        metric_with(metric_new(METRIC_HISTOGRAM, "t_threads_seconds", "", "Observed by many."), NULL)};
    for (int i = 0; i < 12; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, add_many, series), 0);
    for (int i = 0; i < 12; i++)
        pthread_join(threads[i], NULL);
    assert_true(metric_value(series[0]) == 240000);
    struct buf out = BUF_EMPTY;
    metrics_render(&out);
    assert_true(is_line(&out, "t_threads_seconds_count 240000"));
    buf_free(&out);
}

static void test_a_family_has_at_most_20000_series(void **state)
{
    (void)state;
    char name[16];
    struct metric *family = metric_new(METRIC_COUNTER, "t_many_total", "id", "Too many.");
    struct metric_series *last = NULL;
    for (int i = 0; i < 19999; i++) {
        snprintf(name, sizeof(name), "id%d", i);
        struct metric_series *series = metric_with(family, (const char *[]){name});
        assert_ptr_not_equal(series, last);
        last = series;
    }
    struct metric_series *other = metric_with(family, (const char *[]){"one more"});
    assert_ptr_equal(metric_with(family, (const char *[]){"and another"}), other);
    assert_ptr_equal(metric_with(family, (const char *[]){"id19998"}), last);
    metric_add(other, 3);
    struct buf out = BUF_EMPTY;
    metrics_render(&out);
    assert_true(is_line(&out, "t_many_total{id=\"other\"} 3"));
    buf_free(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_line_is_one_json_object),
        cmocka_unit_test(test_lines_below_the_level_are_not_written),
        cmocka_unit_test(test_a_flood_is_cut_counted_and_leaves_others_alone),
        cmocka_unit_test(test_metrics_are_rendered_for_prometheus),
        cmocka_unit_test(test_a_histogram_counts_into_buckets),
        cmocka_unit_test(test_a_gauge_can_be_read_when_it_is_asked_for),
        cmocka_unit_test(test_no_addition_is_lost_between_threads),
        cmocka_unit_test(test_a_family_has_at_most_20000_series),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
