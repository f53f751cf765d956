/* Stories of what stands between the queue and a model: breaker, budget, queue, and the monotonic rule. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "ai/breaker.h"
#include "ai/budget.h"
#include "ai/monotonic.h"
#include <time.h>

#include "ai/queue.h"
#include "base/clock.h"

#define S NS_PER_S

/* ---- breaker ---- */

static void outages(struct breaker *breaker, int64_t now_ns, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        breaker_failure(breaker, now_ns);
}

static void breaker_opens_after_the_threshold_in_a_row(void **state)
{
    (void)state;
    struct breaker breaker;
    breaker_init(&breaker, 3, 0, 0);
    outages(&breaker, 0, 2);
    assert_true(breaker_admits(&breaker, 0));
    breaker_success(&breaker);
    outages(&breaker, 0, 2);
    assert_int_equal(breaker_state(&breaker, 0), BREAKER_CLOSED);
    outages(&breaker, 0, 1);
    assert_int_equal(breaker_state(&breaker, 0), BREAKER_OPEN);
    assert_false(breaker_admits(&breaker, 30 * S - 1));
    assert_int_equal(breaker_retry_at(&breaker, 0), 30 * S);
    assert_int_equal(breaker.opened, 1);
}

static void half_open_admits_one_probe(void **state)
{
    (void)state;
    struct breaker breaker;
    breaker_init(&breaker, 1, 0, 0);
    breaker_failure(&breaker, 0);
    assert_int_equal(breaker_state(&breaker, 30 * S), BREAKER_HALF_OPEN);
    assert_true(breaker_admits(&breaker, 30 * S));
    assert_false(breaker_admits(&breaker, 30 * S));
    assert_int_equal(breaker_retry_at(&breaker, 30 * S), 31 * S);
    breaker_abandoned(&breaker);
    assert_int_equal(breaker_retry_at(&breaker, 30 * S), 30 * S);
    assert_true(breaker_admits(&breaker, 30 * S));
    breaker_success(&breaker);
    assert_int_equal(breaker_state(&breaker, 30 * S), BREAKER_CLOSED);
}

static void the_wait_doubles_to_five_minutes_and_starts_over(void **state)
{
    (void)state;
    static const int64_t waits[] = {30, 60, 120, 240, 300, 300};
    struct breaker breaker;
    int64_t now_ns = 0;
    breaker_init(&breaker, 1, 0, 0);
    for (size_t i = 0; i < sizeof waits / sizeof waits[0]; i++) {
        if (i)
            assert_true(breaker_admits(&breaker, now_ns));
        breaker_failure(&breaker, now_ns);
        assert_int_equal(breaker_retry_at(&breaker, now_ns) - now_ns, waits[i] * S);
        now_ns = breaker_retry_at(&breaker, now_ns);
    }
    assert_true(breaker_admits(&breaker, now_ns));
    breaker_success(&breaker);
    breaker_failure(&breaker, now_ns);
    assert_int_equal(breaker_retry_at(&breaker, now_ns) - now_ns, 30 * S);
}

static void failures_of_before_it_opened_change_nothing(void **state)
{
    (void)state;
    struct breaker breaker;
    breaker_init(&breaker, 1, 0, 0);
    breaker_failure(&breaker, 0);
    outages(&breaker, 10 * S, 5);
    assert_int_equal(breaker_retry_at(&breaker, 10 * S), 30 * S);
    outages(&breaker, 31 * S, 5); /* half-open, but no probe is out */
    assert_true(breaker_admits(&breaker, 31 * S));
    assert_int_equal(breaker.opened, 1);
}

/* ---- budget ---- */

#define DAY (24 * 3600 * S)

static const struct budget_key key = {{"mfa", 3}, {"historical", 10}, {"m1", 2}};

static void prices_are_rounded_up_and_by_model(void **state)
{
    (void)state;
    struct budget *budget = budget_new();
    budget_set_price(budget, STR(""), 10, 20);
    budget_set_price(budget, STR("m1"), 1000, 3000);
    assert_int_equal(budget_price(budget, STR("other"), 1, 0), 1); /* 10 / 1000, rounded up */
    assert_int_equal(budget_price(budget, STR("other"), 1000, 1000), 30);
    assert_int_equal(budget_price(budget, STR("m1"), 500, 100), 800);
    assert_int_equal(budget_price(budget, STR("m1"), -5, -5), 0);
    assert_int_equal(budget_price(budget, STR("m1"), INT64_MAX, 0), INT64_MAX / 1000 + 1);
    budget_free(budget);
}

static void each_kind_of_limit_holds_back_on_both_its_sides(void **state)
{
    (void)state;
    static const struct str names[BUDGET_KINDS] = {{"", 0}, {"mfa", 3}, {"historical", 10}, {"m1", 2}};
    for (int kind = 0; kind < BUDGET_KINDS; kind++)
        for (int named = 0; named < 2; named++) {
            struct budget *budget = budget_new();
            enum budget_kind which = BUDGET_KINDS;
            budget_set_limit(budget, kind, named ? names[kind] : STR(""),
                             (struct budget_limit){.tokens = 1000});
            budget_add(budget, 0, &key, 500, 100);
            assert_true(budget_admits(budget, 0, &key, 400, &which));
            assert_false(budget_admits(budget, 0, &key, 401, &which));
            assert_int_equal(which, kind);
            budget_free(budget);
        }
}

static void money_is_limited_too(void **state)
{
    (void)state;
    struct budget *budget = budget_new();
    budget_set_price(budget, STR(""), 1000, 1000); /* a micro a token */
    budget_set_limit(budget, BUDGET_ALL, STR(""), (struct budget_limit){.micros = 100});
    assert_int_equal(budget_add(budget, 0, &key, 60, 0), 60);
    assert_true(budget_admits(budget, 0, &key, 40, NULL));
    assert_false(budget_admits(budget, 0, &key, 41, NULL));
    budget_free(budget);
}

static void a_name_of_its_own_is_not_held_by_the_general_limit(void **state)
{
    (void)state;
    struct budget *budget = budget_new();
    budget_set_limit(budget, BUDGET_RULE, STR(""), (struct budget_limit){.tokens = 10});
    budget_set_limit(budget, BUDGET_RULE, STR("mfa"), (struct budget_limit){0});
    budget_add(budget, 0, &key, 1000, 0);
    assert_true(budget_admits(budget, 0, &key, 1000, NULL));
    struct budget_key other = key;
    other.rule = STR("dns");
    budget_add(budget, 0, &other, 5, 0);
    assert_false(budget_admits(budget, 0, &other, 6, NULL));
    budget_free(budget);
}

static void reservations_count_until_they_are_released(void **state)
{
    (void)state;
    struct budget *budget = budget_new();
    budget_set_limit(budget, BUDGET_ALL, STR(""), (struct budget_limit){.tokens = 1000});
    budget_reserve(budget, 0, &key, 900);
    assert_false(budget_admits(budget, 0, &key, 101, NULL));
    budget_release(budget, 0, &key, 900);
    budget_release(budget, 0, &key, 900); /* more than was held: nothing below 0 */
    assert_true(budget_admits(budget, 0, &key, 1000, NULL));
    budget_free(budget);
}

static void what_is_above_the_limit_alone_goes_first_or_never(void **state)
{
    (void)state;
    struct budget *budget = budget_new();
    budget_set_limit(budget, BUDGET_ALL, STR(""), (struct budget_limit){.tokens = 100});
    assert_true(budget_admits(budget, 0, &key, 5000, NULL));
    budget_add(budget, 0, &key, 1, 0);
    assert_false(budget_admits(budget, 0, &key, 5000, NULL));
    budget_free(budget);
}

static void the_day_starts_at_midnight_utc(void **state)
{
    (void)state;
    struct budget *budget = budget_new();
    int64_t evening = 100 * DAY - 1;
    budget_set_limit(budget, BUDGET_ALL, STR(""), (struct budget_limit){.tokens = 10});
    budget_add(budget, evening, &key, 10, 0);
    budget_reserve(budget, evening, &key, 4);
    assert_int_equal(budget_next_reset(evening), 100 * DAY);
    assert_int_equal(budget_next_reset(100 * DAY), 101 * DAY);
    assert_false(budget_admits(budget, evening, &key, 1, NULL));
    assert_true(budget_admits(budget, 100 * DAY, &key, 6, NULL)); /* what still runs is held */
    assert_false(budget_admits(budget, 100 * DAY, &key, 7, NULL));
    assert_int_equal(budget_used(budget, 100 * DAY, BUDGET_ALL, STR("")).requests, 0);
    budget_add(budget, 100 * DAY, &key, 9, 0);
    assert_false(budget_admits(budget, evening, &key, 6, NULL)); /* a clock set back gives nothing */
    budget_free(budget);
}

static void use_is_told_by_name_and_comes_back_from_a_store(void **state)
{
    (void)state;
    struct budget *budget = budget_new();
    struct budget_row row = {.day_ns = 5, .kind = BUDGET_AGENT, .name = STR("config"), .use = {3, 30, 3, 7}};
    struct budget_use use;
    struct str name;
    size_t at = 0, seen = 0;
    budget_add(budget, 10, &key, 7, 2);
    budget_restore(budget, 10, &row);
    row.day_ns = -5; /* yesterday */
    budget_restore(budget, 10, &row);
    use = budget_used(budget, 10, BUDGET_AGENT, STR("config"));
    assert_int_equal(use.requests, 3);
    assert_int_equal(use.micros, 7);
    use = budget_used(budget, 10, BUDGET_MODEL, STR("m1"));
    assert_int_equal(use.prompt_tokens, 7);
    assert_int_equal(use.completion_tokens, 2);
    while (budget_next(budget, BUDGET_AGENT, &at, &name, &use))
        seen++;
    assert_int_equal(seen, 2);
    budget_free(budget);
}

static void names_beyond_ten_thousand_are_counted_together(void **state)
{
    (void)state;
    struct budget *budget = budget_new();
    for (int i = 0; i < 10010; i++) {
        char rule[16];
        int len = snprintf(rule, sizeof rule, "r%d", i);
        budget_add(budget, 0, &(struct budget_key){{rule, (size_t)len}, STR("a"), STR("m")}, 1, 0);
    }
    assert_int_equal(budget_used(budget, 0, BUDGET_RULE, STR("(other)")).requests, 10);
    assert_int_equal(budget_used(budget, 0, BUDGET_ALL, STR("")).requests, 10010);
    budget_free(budget);
}

/* ---- queue ---- */

static enum queue_push push(struct ai_queue *queue, const char *id, unsigned severity, int64_t queued_ns,
                            struct queue_job *displaced)
{
    struct queue_job job = {
        .id = str_from(id), .severity = severity, .queued_ns = queued_ns, .data = (void *)id};
    return ai_queue_push(queue, &job, displaced);
}

static void takes(struct ai_queue *queue, int64_t now_ns, const char *id)
{
    struct queue_job job;
    assert_true(ai_queue_take(queue, now_ns, &job));
    assert_string_equal(job.data, id);
    assert_true(str_is(job.id, id));
}

static void most_severe_first_then_oldest(void **state)
{
    (void)state;
    struct ai_queue *queue = ai_queue_new(0);
    push(queue, "low", 1, 1, NULL);
    push(queue, "young", 3, 9, NULL);
    push(queue, "old", 3, 2, NULL);
    push(queue, "same", 3, 9, NULL);
    push(queue, "worst", 77, 50, NULL);
    assert_int_equal(push(queue, "old", 0, 0, NULL), QUEUE_DUPLICATE);
    assert_int_equal(ai_queue_depth(queue), 5);
    assert_int_equal(ai_queue_depth_of(queue, 3), 3);
    assert_int_equal(ai_queue_depth_of(queue, 4), 1);
    assert_int_equal(ai_queue_depth_of(queue, 5), 0);
    assert_int_equal(ai_queue_position(queue, STR("worst")), 0);
    assert_int_equal(ai_queue_position(queue, STR("same")), 3);
    assert_true(ai_queue_position(queue, STR("none")) == SIZE_MAX);
    takes(queue, 0, "worst");
    takes(queue, 0, "old");
    takes(queue, 0, "young");
    takes(queue, 0, "same");
    takes(queue, 0, "low");
    struct queue_job job;
    assert_false(ai_queue_take(queue, 0, &job));
    ai_queue_free(queue, NULL);
}

static void a_full_queue_gives_back_the_least_severe_newest(void **state)
{
    (void)state;
    struct ai_queue *queue = ai_queue_new(3);
    struct queue_job gone;
    assert_int_equal(push(queue, "a", 2, 1, &gone), QUEUE_ADDED);
    assert_int_equal(push(queue, "b", 2, 2, &gone), QUEUE_ADDED);
    assert_int_equal(push(queue, "c", 3, 3, &gone), QUEUE_ADDED);
    assert_int_equal(push(queue, "d", 3, 4, &gone), QUEUE_DISPLACED);
    assert_string_equal(gone.data, "b");
    assert_int_equal(push(queue, "e", 1, 0, &gone), QUEUE_REFUSED); /* older, but less severe */
    assert_string_equal(gone.data, "e");
    assert_int_equal(push(queue, "f", 2, 0, &gone), QUEUE_DISPLACED); /* as severe, and older */
    assert_string_equal(gone.data, "a");
    assert_false(ai_queue_has(queue, STR("a")));
    assert_int_equal(ai_queue_depth(queue), 3);
    ai_queue_free(queue, NULL);
}

static void a_job_is_not_taken_before_its_time(void **state)
{
    (void)state;
    struct ai_queue *queue = ai_queue_new(0);
    struct queue_job later = {.id = STR("later"), .severity = 4, .not_before_ns = 10, .data = "later"};
    assert_int_equal(ai_queue_next_at(queue, 3), INT64_MAX);
    ai_queue_push(queue, &later, NULL);
    assert_int_equal(ai_queue_next_at(queue, 3), 10);
    push(queue, "now", 0, 0, NULL);
    assert_int_equal(ai_queue_next_at(queue, 3), 3);
    takes(queue, 9, "now");
    assert_false(ai_queue_take(queue, 9, &later));
    takes(queue, 10, "later");
    ai_queue_free(queue, NULL);
}

/* Ten thousand that wait for tomorrow are not walked past by each that asks today: a hundred times longer
 * than it takes would still pass, and a thousand million steps would not. */
static void what_is_held_costs_nobody_anything(void **state)
{
    (void)state;
    struct ai_queue *queue = ai_queue_new(0);
    struct queue_job job;
    char id[16];
    for (int i = 0; i < AI_QUEUE_CAPACITY - 1; i++) {
        snprintf(id, sizeof id, "held%d", i);
        job = (struct queue_job){.id = str_from(id), .severity = 4, .not_before_ns = 100 + i % 3};
        assert_int_equal(ai_queue_push(queue, &job, NULL), QUEUE_ADDED);
    }
    clock_t began = clock();
    for (int i = 0; i < 1000000; i++) {
        if (ai_queue_next_at(queue, 5) != 100 || ai_queue_take(queue, 5, &job))
            fail();
        if (i % 10)
            continue;
        push(queue, "ready", 1, i, NULL);
        takes(queue, 5, "ready");
    }
    assert_true((double)(clock() - began) / CLOCKS_PER_SEC < 8);
    for (int i = 0; i < AI_QUEUE_CAPACITY / 3; i++)
        assert_true(ai_queue_take(queue, 100, &job));
    assert_int_equal(ai_queue_next_at(queue, 100), 101);
    assert_false(ai_queue_take(queue, 100, &job));
    ai_queue_free(queue, NULL);
}

/* Held or not: the order is that of severity and age, and so is who leaves. */
static void what_was_held_stands_where_it_belongs(void **state)
{
    (void)state;
    struct ai_queue *queue = ai_queue_new(4);
    struct queue_job held = {
        .id = STR("held"), .severity = 2, .queued_ns = 5, .not_before_ns = 9, .data = "held"};
    struct queue_job young = held, gone;
    young.id = STR("young");
    young.queued_ns = 8;
    young.data = "young";
    ai_queue_push(queue, &young, NULL);
    ai_queue_push(queue, &held, NULL);
    push(queue, "old", 2, 1, NULL);
    push(queue, "late", 2, 6, NULL);
    assert_int_equal(ai_queue_depth_of(queue, 2), 4);
    assert_int_equal(ai_queue_position(queue, STR("held")), 1);
    assert_int_equal(push(queue, "other", 2, 2, &gone), QUEUE_DISPLACED);
    assert_string_equal(gone.data, "young");
    assert_true(ai_queue_reprioritize(queue, STR("held"), 3));
    assert_int_equal(ai_queue_position(queue, STR("held")), 0);
    takes(queue, 8, "old");
    takes(queue, 9, "held");
    assert_int_equal(ai_queue_next_at(queue, 10), 10);
    takes(queue, 10, "other");
    takes(queue, 10, "late");
    assert_int_equal(ai_queue_next_at(queue, 10), INT64_MAX);
    ai_queue_free(queue, NULL);
}

static void jobs_are_removed_and_moved_by_id(void **state)
{
    (void)state;
    struct ai_queue *queue = ai_queue_new(0);
    struct queue_job job;
    push(queue, "a", 1, 1, NULL);
    push(queue, "b", 1, 1, NULL);
    push(queue, "c", 1, 1, NULL);
    assert_true(ai_queue_reprioritize(queue, STR("c"), 4));
    assert_true(ai_queue_remove(queue, STR("a"), &job));
    assert_string_equal(job.data, "a");
    assert_false(ai_queue_remove(queue, STR("a"), NULL));
    assert_false(ai_queue_reprioritize(queue, STR("a"), 2));
    takes(queue, 0, "c");
    takes(queue, 0, "b");
    ai_queue_free(queue, NULL);
}

static void the_eta_follows_the_mean_and_the_concurrency(void **state)
{
    (void)state;
    struct ai_queue *queue = ai_queue_new(0);
    assert_int_equal(ai_queue_eta(queue, 0, 4), 0);
    assert_int_equal(ai_queue_eta(queue, 5, 4), -1);
    ai_queue_took(queue, 8 * S);
    assert_int_equal(ai_queue_eta(queue, 4, 4), 8 * S);
    assert_int_equal(ai_queue_eta(queue, 5, 4), 16 * S);
    ai_queue_took(queue, 16 * S);
    assert_int_equal(ai_queue_eta(queue, 1, 0), 9 * S);
    ai_queue_free(queue, NULL);
}

/* Against a plain list that is searched from end to end. */
static void ten_thousand_jobs_keep_the_order_of_a_plain_list(void **state)
{
    (void)state;
    enum { JOBS = 2000, STEPS = 30000 };
    static struct queue_job model[JOBS];
    static char ids[JOBS][8];
    static bool held[JOBS];
    struct ai_queue *queue = ai_queue_new(0);
    unsigned chance = 7;
    for (int step = 0; step < STEPS; step++) {
        chance = chance * 1103515245u + 12345u;
        unsigned i = chance / 65536 % JOBS;
        if (!held[i]) {
            snprintf(ids[i], sizeof ids[i], "%u", i);
            model[i] = (struct queue_job){
                .id = str_from(ids[i]), .severity = chance / 7 % 5, .queued_ns = step};
            assert_int_equal(ai_queue_push(queue, &model[i], NULL), QUEUE_ADDED);
            held[i] = true;
            continue;
        }
        struct queue_job job;
        int best = -1;
        for (int j = 0; j < JOBS; j++)
            if (held[j] &&
                (best < 0 || model[j].severity > model[best].severity ||
                 (model[j].severity == model[best].severity && model[j].queued_ns < model[best].queued_ns)))
                best = j;
        assert_true(ai_queue_take(queue, 0, &job));
        assert_int_equal(job.queued_ns, model[best].queued_ns);
        held[best] = false;
    }
    ai_queue_free(queue, NULL);
}

/* ---- the monotonic rule: every standing, every end, every answer ---- */

static void check_effect(const struct ai_standing *standing, enum ai_status status,
                         const struct answer *answer)
{
    struct ai_effect effect = ai_monotonic(standing, status, answer);
    unsigned base = standing->severity > standing->floor ? standing->severity : standing->floor;
    bool good = status == AI_ANSWERED && answer;
    bool may = good && !standing->raised_by_model && !answer->injection_suspected && answer->claims &&
               (answer->verdict == ANSWER_MALICIOUS || answer->verdict == ANSWER_SUSPICIOUS) &&
               answer->severity_suggestion > (int)base && base < 4;
    assert_int_equal(effect.raised, may);
    assert_int_equal(effect.severity, base + may);
    assert_true(effect.severity >= standing->floor && effect.severity >= standing->severity &&
                effect.severity <= 4);
    assert_int_equal(effect.add_findings, good);
    assert_int_equal(effect.injection, good && answer->injection_suspected);
    if (!good || answer->injection_suspected || answer->verdict == ANSWER_NOT_EVALUABLE)
        assert_true(effect.review);
    assert_int_equal(effect.review, effect.reason[0] != '\0');
}

static void no_answer_makes_anything_milder(void **state)
{
    (void)state;
    unsigned cases = 0;
    for (unsigned bits = 0; bits < 5 * 5 * 2; bits++) {
        struct ai_standing standing = {bits % 5, bits / 5 % 5, bits / 25};
        for (int status = 0; status < AI_STATUS_COUNT; status++) {
            check_effect(&standing, status, NULL);
            for (int verdict = ANSWER_NO_VERDICT; verdict <= ANSWER_NOT_EVALUABLE; verdict++)
                for (int suggestion = -1; suggestion <= 4; suggestion++)
                    for (int flags = 0; flags < 8; flags++) {
                        struct answer answer = {.verdict = verdict,
                                                .confidence = flags & 4 ? 1.0 : 0.0,
                                                .severity_suggestion = suggestion,
                                                .injection_suspected = flags & 1,
                                                .claims = flags & 2 ? 3 : 0};
                        check_effect(&standing, status, &answer);
                        cases++;
                    }
        }
    }
    assert_int_equal(cases, 50 * AI_STATUS_COUNT * 6 * 6 * 8);
}

static void a_second_raise_is_refused(void **state)
{
    (void)state;
    struct ai_standing standing = {.severity = 1, .floor = 1};
    struct answer answer = {.verdict = ANSWER_MALICIOUS, .severity_suggestion = 4, .claims = 1};
    struct ai_effect effect = ai_monotonic(&standing, AI_ANSWERED, &answer);
    assert_int_equal(effect.severity, 2);
    standing = (struct ai_standing){effect.severity, 1, effect.raised};
    effect = ai_monotonic(&standing, AI_ANSWERED, &answer);
    assert_int_equal(effect.severity, 2);
    assert_false(effect.raised);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(breaker_opens_after_the_threshold_in_a_row),
        cmocka_unit_test(half_open_admits_one_probe),
        cmocka_unit_test(the_wait_doubles_to_five_minutes_and_starts_over),
        cmocka_unit_test(failures_of_before_it_opened_change_nothing),
        cmocka_unit_test(prices_are_rounded_up_and_by_model),
        cmocka_unit_test(each_kind_of_limit_holds_back_on_both_its_sides),
        cmocka_unit_test(money_is_limited_too),
        cmocka_unit_test(a_name_of_its_own_is_not_held_by_the_general_limit),
        cmocka_unit_test(reservations_count_until_they_are_released),
        cmocka_unit_test(what_is_above_the_limit_alone_goes_first_or_never),
        cmocka_unit_test(the_day_starts_at_midnight_utc),
        cmocka_unit_test(use_is_told_by_name_and_comes_back_from_a_store),
        cmocka_unit_test(names_beyond_ten_thousand_are_counted_together),
        cmocka_unit_test(most_severe_first_then_oldest),
        cmocka_unit_test(a_full_queue_gives_back_the_least_severe_newest),
        cmocka_unit_test(a_job_is_not_taken_before_its_time),
        cmocka_unit_test(what_is_held_costs_nobody_anything),
        cmocka_unit_test(what_was_held_stands_where_it_belongs),
        cmocka_unit_test(jobs_are_removed_and_moved_by_id),
        cmocka_unit_test(the_eta_follows_the_mean_and_the_concurrency),
        cmocka_unit_test(ten_thousand_jobs_keep_the_order_of_a_plain_list),
        cmocka_unit_test(no_answer_makes_anything_milder),
        cmocka_unit_test(a_second_raise_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
