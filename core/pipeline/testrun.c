#include "pipeline/testrun.h"

#include <math.h>
#include <stdio.h>

#include "base/json.h"
#include "base/json_tape.h"
#include "pipeline/engine.h"
#include "pipeline/testrun_policy.h"

#define TEST_EPOCH   (INT64_C(1767323045) * NS_PER_S) /* 2026-01-02T03:04:05Z */
#define TEST_STATE   (64 << 20)
#define OUTCOME_TEXT 1024

/* What a test gave: as text, so that two runs can be compared, and the first threat for the expectations. */
struct seen {
    uint64_t threats, suppressed;
    char text[OUTCOME_TEXT];
};

struct run {
    struct ruleset *set;
    uint32_t rule;
    struct engine *engine;
    struct clock_virtual *clock;
};

/* ---- feeding ---- */

static struct batch *test_batch(struct run *run, const struct test_event *event)
{
    struct batch *batch = batch_new(run->set);
    buf_put(&batch->body, event->json);
    memset(buf_reserve(&batch->body, JSON_TAPE_PADDING), 0, JSON_TAPE_PADDING);
    batch->source_name = event->source;
    batch->accepted_ns = TEST_EPOCH + (int64_t)llround(event->arrive * 1e9);
    return batch;
}

static int feed(struct run *run, const struct matcher *matcher, struct match_scratch *scratch, uint32_t index,
                struct err *err)
{
    const struct rule *rule = &run->set->rules[run->rule];
    const struct test_event *input = &rule->tests[index >> 16].events[index & 0xffff];
    struct detector *detector = engine_detector(run->engine);
    struct batch *batch = test_batch(run, input);
    run->clock->now_ns = batch->accepted_ns;
    int rc = ingest_parse(detector, batch, err);
    if (rc == 0 && batch->rejects.count)
        rc = err_set(err, ERR_INVALID, "event %u is not accepted: %.*s", (index & 0xffff) + 1,
                     STR_ARG(batch->rejects.items[0].error));
    if (rc == 0) {
        ingest_map(detector, batch);
        struct event *event = batch->events[0];
        event->time_ns = TEST_EPOCH + (int64_t)llround(input->at * 1e9);
        event->id = hash_id((struct str[]){STR("test"), {(const char *)&index, sizeof(index)}}, 2);
        if (match_run(matcher, scratch, event).count) {
            struct observation pair = {.event = 0, .rule = run->rule, .shard = SHARD_NONE};
            vec_push(&batch->observations, pair);
            ledger_count(&batch->delta, run->rule, LEDGER_MATCHED, 1);
        }
        detect_route(detector, batch);
        engine_judge(run->engine, batch);
    }
    batch_unref(batch);
    return rc;
}

static int arrival_order(const void *a, const void *b, void *arg)
{
    const struct test_event *events = arg;
    uint32_t x = *(const uint32_t *)a & 0xffff, y = *(const uint32_t *)b & 0xffff;
    if (events[x].arrive != events[y].arrive)
        return events[x].arrive < events[y].arrive ? -1 : 1;
    return x < y ? -1 : x > y;
}

static int feed_all(struct run *run, const struct matcher *matcher, uint32_t test, struct err *err)
{
    const struct rule_test *t = &run->set->rules[run->rule].tests[test];
    struct match_scratch *scratch = match_scratch_new(matcher);
    uint32_t *order = mem_zalloc(t->event_count + 1, sizeof(*order));
    int rc = 0;
    for (uint32_t i = 0; i < t->event_count; i++)
        order[i] = test << 16 | i;
    qsort_r(order, t->event_count, sizeof(*order), arrival_order, (void *)t->events);
    for (size_t i = 0; i < t->event_count && rc == 0; i++)
        rc = feed(run, matcher, scratch, order[i], err);
    free(order);
    match_scratch_free(scratch);
    return rc;
}

/* ---- expectations ---- */

static int differs(struct err *err, const char *what, struct str expected, struct str got)
{
    return err_set(err, ERR_INVALID, "expected %s \"%.*s\", got \"%.*s\"", what, STR_ARG(expected),
                   STR_ARG(got));
}

static int check_text(const char *what, struct str expected, struct str got, struct err *err)
{
    return expected.ptr == NULL || str_equal(expected, got) ? 0 : differs(err, what, expected, got);
}

static bool context_equal(const struct lval *expected, const struct json *got)
{
    struct str text;
    int64_t integer;
    double real;
    bool truth;
    switch (expected->type) {
    case LVAL_STRING:
        return json_as_str(got, &text) && str_equal(expected->s, text);
    case LVAL_INT:
        return json_as_int(got, &integer) && integer == expected->i;
    case LVAL_NUMBER:
        return json_as_double(got, &real) && real == expected->d;
    case LVAL_BOOL:
        return json_as_bool(got, &truth) && truth == expected->b;
    default:
        return got == NULL || json_kind(got) == JSON_KIND_NULL;
    }
}

static int check_context(const struct lval *expected, const struct threat *threat, struct err *err)
{
    struct str context = threat->evidence.count ? threat->evidence.items[0].context : STR("{}");
    struct json *json = json_parse(context, NULL, err);
    int rc = 0;
    for (size_t i = 0; json && i < expected->field_count && rc == 0; i++) {
        const struct lval_field *field = &expected->fields[i];
        char key[FIELD_PATH_MAX + 1];
        snprintf(key, sizeof(key), "%.*s", STR_ARG(field->key));
        if (!context_equal(&field->value, json_get(json, key)))
            rc = err_set(err, ERR_INVALID, "context[\"%s\"] is not what was expected; the context is %.*s",
                         key, STR_ARG(context));
    }
    json_free(json);
    return rc;
}

static int check_threat(const struct rule_test *test, const struct threat *threat, struct err *err)
{
    if (test->has_severity && threat->severity != test->severity)
        return differs(err, "severity", str_from(severity_label(test->severity)),
                       str_from(severity_label(threat->severity)));
    if (test->has_count && threat->event_count != test->count)
        return err_set(err, ERR_INVALID, "expected count %llu, got %llu", (unsigned long long)test->count,
                       (unsigned long long)threat->event_count);
    if (check_text("title", test->title, threat->title, err) ||
        check_text("dedup", test->dedup, threat->dedup_key, err) ||
        check_text("type", test->type, threat->type, err))
        return -1;
    return test->context ? check_context(test->context, threat, err) : 0;
}

static void describe(struct seen *seen, const struct threat *threat)
{
    size_t at = strlen(seen->text);
    snprintf(seen->text + at, sizeof(seen->text) - at, "[%s %llu \"%.*s\" %.*s%s%.*s]",
             severity_label(threat->severity), (unsigned long long)threat->event_count,
             STR_ARG(threat->title), STR_ARG(threat->dedup_key), threat->review ? " review: " : "",
             STR_ARG(threat->review_reason));
}

static int check_book(struct run *run, const struct rule_test *test, struct seen *seen, struct err *err)
{
    VEC(struct threat *) threats = {0};
    struct book_change change;
    size_t at = 0;
    int rc = 0;
    while (book_next_change(engine_book(run->engine), &at, false, &change))
        vec_push(&threats, change.threat);
    if (threats.count)
        qsort(threats.items, threats.count, sizeof(*threats.items), threat_by_anchor);
    for (size_t i = 0; i < threats.count; i++) {
        seen->threats += !threats.items[i]->suppressed;
        seen->suppressed += threats.items[i]->suppressed;
        describe(seen, threats.items[i]);
    }
    if (test->has_threats && seen->threats != test->threats)
        rc = err_set(err, ERR_INVALID, "expected %llu threat%s, got %llu %s",
                     (unsigned long long)test->threats, test->threats == 1 ? "" : "s",
                     (unsigned long long)seen->threats, seen->text);
    else if (test->has_suppressed && seen->suppressed != test->suppressed)
        rc = err_set(err, ERR_INVALID, "expected %llu suppressed, got %llu",
                     (unsigned long long)test->suppressed, (unsigned long long)seen->suppressed);
    for (size_t i = 0; i < threats.count && rc == 0; i++) {
        rc = check_threat(test, threats.items[i], err);
        if (rc == 0 && threats.items[i]->review)
            rc = err_set(err, ERR_INVALID, "a callback failed: %.*s",
                         STR_ARG(threats.items[i]->review_reason));
    }
    vec_free(&threats);
    return rc;
}

static int run_test(struct run *run, uint32_t test, struct seen *seen, struct err *err)
{
    const struct rule *rule = &run->set->rules[run->rule];
    struct arena *arena = arena_new(0);
    *seen = (struct seen){0};
    engine_reset(run->engine);
    pack_set_test(engine_detector(run->engine)->pack, &rule->tests[test]);
    struct matcher *matcher = ruleset_test_matcher(run->set, rule, &rule->tests[test], arena, err);
    int rc = matcher ? feed_all(run, matcher, test, err) : -1;
    if (rc == 0)
        rc = check_book(run, &rule->tests[test], seen, err);
    if (matcher)
        matcher_free(matcher);
    arena_free(arena);
    return rc;
}

/* ---- one rule ---- */

/* Backwards, then forwards again, in the state that the first pass left behind. */
static bool same_again(struct run *run, uint32_t test, const struct seen *first, struct err *err)
{
    struct seen seen;
    run_test(run, test, &seen, err);
    if (strcmp(seen.text, first->text) == 0)
        return true;
    err_set(err, ERR_INVALID, "keeps state between events: first %.200s, then %.200s", first->text,
            seen.text);
    return false;
}

static void run_rule(struct run *run, struct test_results *results)
{
    const struct rule *rule = &run->set->rules[run->rule];
    struct seen *first = mem_zalloc(rule->test_count + 1, sizeof(*first));
    size_t base = results->results.count;
    for (uint32_t i = 0; i < rule->test_count; i++) {
        struct err err = {0};
        int64_t began = clock_thread_cpu();
        int rc = run_test(run, i, &first[i], &err);
        struct test_result result = {rule->id,
                                     rule->tests[i].name,
                                     rule->path,
                                     rule->tests[i].line,
                                     rc ? TEST_FAILED : TEST_PASSED,
                                     "",
                                     clock_thread_cpu() - began};
        snprintf(result.message, sizeof(result.message), "%s", rc ? err.message : "");
        test_results_add(results, &result);
    }
    for (size_t pass = 0; pass < 2 * rule->test_count; pass++) {
        size_t i = pass < rule->test_count ? rule->test_count - 1 - pass : pass - rule->test_count;
        struct test_result *result = &results->results.items[base + i];
        struct err err = {0};
        if (result->outcome == TEST_FAILED || same_again(run, (uint32_t)i, &first[i], &err))
            continue;
        result->outcome = TEST_FAILED;
        snprintf(result->message, sizeof(result->message), "%s", err.message);
        results->passed--;
        results->failed++;
    }
    free(first);
}

/* ---- one source ---- */

static bool value_is(const struct lval *expected, const struct value *got)
{
    switch (expected->type) {
    case LVAL_STRING:
        return got->type == VALUE_STRING && str_equal(expected->s, got->text);
    case LVAL_INT:
        return got->type == VALUE_INT && got->as.i == expected->i;
    case LVAL_NUMBER:
        return got->type == VALUE_DOUBLE && got->as.d == expected->d;
    case LVAL_BOOL:
        return got->type == VALUE_BOOL && got->as.b == expected->b;
    default:
        return expected->kind == LVAL_NULL && got->type == VALUE_NULL;
    }
}

static bool values_are(const struct lval *expected, const struct value *got, size_t count)
{
    if (expected->type != LVAL_TABLE || expected->kind != LVAL_PLAIN)
        return count ? value_is(expected, got) : expected->kind == LVAL_NULL;
    for (size_t i = 0; i < expected->item_count && i < count; i++)
        if (!value_is(&expected->items[i], &got[i]))
            return false;
    return expected->item_count == count;
}

#define EXPECTED_MOST 64 /* values of one field that a test can name */

/* Looked up as callbacks do it: also what no rule reads. */
static int check_source(struct engine *engine, const struct source_test *test, const struct batch *batch,
                        struct err *err)
{
    for (size_t i = 0; test->expect && i < test->expect->field_count; i++) {
        const struct lval_field *field = &test->expect->fields[i];
        struct value got[EXPECTED_MOST];
        size_t count = event_lookup(batch->events[0], engine_detector(engine)->parser, field->key,
                                    batch->arena, got, EXPECTED_MOST);
        if (!values_are(&field->value, got, count < EXPECTED_MOST ? count : EXPECTED_MOST))
            return err_set(err, ERR_INVALID, "%.*s is not what was expected; it is \"%.*s\"",
                           STR_ARG(field->key), STR_ARG(count ? got[0].text : STR("nothing")));
    }
    return 0;
}

static int run_source_test(struct engine *engine, struct ruleset *set, const struct source *source,
                           const struct source_test *test, struct err *err)
{
    struct batch *batch = batch_new(set);
    buf_put(&batch->body, test->raw);
    memset(buf_reserve(&batch->body, JSON_TAPE_PADDING), 0, JSON_TAPE_PADDING);
    batch->accepted_ns = TEST_EPOCH;
    batch->source_name = source->id;
    int rc = ingest_parse(engine_detector(engine), batch, err);
    if (rc == 0 && batch->rejects.count)
        rc = err_set(err, ERR_INVALID, "the record is not accepted: %.*s",
                     STR_ARG(batch->rejects.items[0].error));
    if (rc == 0) {
        ingest_map(engine_detector(engine), batch);
        rc = check_source(engine, test, batch, err);
    }
    batch_unref(batch);
    return rc;
}

static void run_source(struct engine *engine, struct ruleset *set, const struct source *source,
                       struct test_results *results)
{
    for (size_t i = 0; i < source->test_count; i++) {
        struct err err = {0};
        int rc = run_source_test(engine, set, source, &source->tests[i], &err);
        struct test_result result = {source->id,
                                     source->tests[i].name,
                                     source->path,
                                     source->tests[i].line,
                                     rc ? TEST_FAILED : TEST_PASSED,
                                     "",
                                     0};
        snprintf(result.message, sizeof(result.message), "%s", rc ? err.message : "");
        test_results_add(results, &result);
    }
}

/* ---- all ---- */

static void run_all(struct engine *engine, struct clock_virtual *clock, struct str only, int64_t deadline,
                    struct test_results *results)
{
    struct ruleset *set = engine_detector(engine)->set;
    for (uint32_t i = 0; i < set->rule_count; i++) {
        if (only.len && !str_equal(only, set->rules[i].id))
            continue;
        if (deadline && clock_monotonic() > deadline) {
            results->out_of_time = true;
            return;
        }
        struct run run = {set, i, engine, clock};
        run_rule(&run, results);
    }
    for (uint32_t i = 0; i < set->source_count; i++)
        if (only.len == 0 || str_equal(only, set->sources[i].id))
            run_source(engine, set, &set->sources[i], results);
    struct testrun_scope scope = {set, only, deadline, &clock->clock};
    clock->now_ns = TEST_EPOCH;
    testrun_policies(&scope, results);
}

void testrun(struct ruleset *set, struct str only, int64_t limit_ns, struct test_results *results)
{
    static const struct rule_test no_lists;
    struct clock_virtual clock;
    struct err err = {0};
    clock_virtual_init(&clock, TEST_EPOCH);
    struct engine_options options = {
        .set = set, .clock = &clock.clock, .test = &no_lists, .state_max = TEST_STATE};
    struct engine *engine = engine_new(&options, &err);
    if (engine == NULL) {
        struct test_result result = {
            STR("rules"), STR("the Lua state loads"), STR(""), 0, TEST_FAILED, "", 0};
        snprintf(result.message, sizeof(result.message), "%.500s", err_text(&err));
        test_results_add(results, &result);
        return;
    }
    run_all(engine, &clock, only, limit_ns ? clock_monotonic() + limit_ns : 0, results);
    engine_free(engine);
}

void testrun_report(const struct test_results *results, struct report *report)
{
    for (size_t i = 0; i < results->results.count; i++) {
        const struct test_result *r = &results->results.items[i];
        char where[256];
        if (r->outcome == TEST_PASSED)
            continue;
        snprintf(where, sizeof(where), "%.*s:%u", STR_ARG(r->path), r->line);
        report_add(report, PROBLEM_ERROR, where, "test \"%.*s\" of %.*s: %s", STR_ARG(r->test),
                   STR_ARG(r->rule), r->message);
    }
    if (results->out_of_time)
        report_add(report, PROBLEM_ERROR, "", "the tests of the rules took longer than their time limit");
}

void test_results_add(struct test_results *results, const struct test_result *result)
{
    vec_push(&results->results, *result);
    if (result->outcome == TEST_PASSED)
        results->passed++;
    else
        results->failed++;
}

void test_results_free(struct test_results *results)
{
    vec_free(&results->results);
}
