#include "pipeline/testrun_policy.h"

#include <stdio.h>

#include "rules/agents.h"

#define ANSWER_SHOWN 160 /* bytes of an answer in a message */

enum subject { OF_POLICY, OF_AGENT, OF_ACTION };

/* What a test is of, and where its functions are. */
struct unit {
    enum subject subject;
    unsigned kind; /* enum policy_kind or enum agent_kind */
    struct str name, path;
    const struct policy_test *tests;
    size_t count;
};

struct bench {
    const struct testrun_scope *scope;
    struct policies *policies;
    struct agents *agents;
    struct arena *arena; /* answers of one unit's tests */
};

struct answer {
    bool failed;
    struct str json;
    char reason[POLICY_REASON];
};

static struct answer ask(const struct bench *bench, const struct unit *unit, const struct policy_test *test)
{
    struct answer answer = {.json = STR("")};
    struct arena *arena = bench->arena;
    int rc;
    policies_set_test(bench->policies, test);
    agents_set_test(bench->agents, test);
    if (unit->subject == OF_POLICY) {
        struct policy_call call = {.kind = (enum policy_kind)unit->kind,
                                   .threat = test->threat,
                                   .context = test->context,
                                   .arena = arena};
        rc = policies_decide(bench->policies, &call, &answer.json, answer.reason);
    } else if (unit->subject == OF_AGENT) {
        struct agent_call call = {(enum agent_kind)unit->kind, test->threat, test->gathered, arena};
        rc = agents_offline(bench->agents, &call, &answer.json, answer.reason);
    } else {
        struct action_call call = {unit->name, test->action, test->threat, arena};
        rc = actions_dry_run(bench->policies, &call, &answer.json, answer.reason);
    }
    answer.failed = rc != 0;
    return answer;
}

static int check(const struct policy_test *test, const struct answer *answer, struct err *err)
{
    if (test->fails)
        return answer->failed
                   ? 0
                   : err_set(err, ERR_INVALID, "expected a failure, got %.*s",
                             answer->json.len < ANSWER_SHOWN ? (int)answer->json.len : ANSWER_SHOWN,
                             answer->json.ptr);
    if (answer->failed)
        return err_set(err, ERR_INVALID, "%s", answer->reason);
    return testrun_compare(test->expect, answer->json, err);
}

static const char *shown(const struct answer *answer)
{
    return answer->failed ? answer->reason : answer->json.ptr;
}

static void run_first(const struct bench *bench, const struct unit *unit, struct answer *answers,
                      struct test_results *results)
{
    for (size_t i = 0; i < unit->count; i++) {
        const struct policy_test *test = &unit->tests[i];
        struct err err = {0};
        int64_t began = clock_thread_cpu();
        answers[i] = ask(bench, unit, test);
        struct test_result result = {
            unit->name, test->name, unit->path, test->line, TEST_PASSED, "", clock_thread_cpu() - began};
        if (check(test, &answers[i], &err) != 0) {
            result.outcome = TEST_FAILED;
            snprintf(result.message, sizeof(result.message), "%s", err.message);
        }
        test_results_add(results, &result);
    }
}

/* Once more in the state that the first pass left behind. */
static void run_again(const struct bench *bench, const struct unit *unit, const struct answer *first,
                      size_t index, struct test_results *results)
{
    struct test_result *result = &results->results.items[results->results.count - unit->count + index];
    if (result->outcome == TEST_FAILED)
        return;
    struct answer answer = ask(bench, unit, &unit->tests[index]);
    if (answer.failed == first[index].failed && strcmp(shown(&answer), shown(&first[index])) == 0)
        return;
    result->outcome = TEST_FAILED;
    snprintf(result->message, sizeof(result->message), "keeps state between calls: first %.*s, then %.*s",
             ANSWER_SHOWN, shown(&first[index]), ANSWER_SHOWN, shown(&answer));
    results->passed--;
    results->failed++;
}

static void run_unit(const struct bench *bench, const struct unit *unit, struct test_results *results)
{
    const struct testrun_scope *scope = bench->scope;
    if (scope->only.len && !str_equal(scope->only, unit->name))
        return;
    if (results->out_of_time || (scope->deadline && clock_monotonic() > scope->deadline)) {
        results->out_of_time = true;
        return;
    }
    arena_reset(bench->arena);
    struct answer *first = mem_zalloc(unit->count + 1, sizeof(*first));
    run_first(bench, unit, first, results);
    for (size_t i = unit->count; i > 0; i--)
        run_again(bench, unit, first, i - 1, results);
    for (size_t i = 0; i < unit->count; i++)
        run_again(bench, unit, first, i, results);
    free(first);
}

static void run_units(const struct bench *bench, struct test_results *results)
{
    const struct ruleset *set = bench->scope->set;
    for (unsigned i = 0; i < POLICY_COUNT; i++) {
        const struct policy *p = &set->policies[i];
        struct unit unit = {OF_POLICY, i, p->name, p->path, p->tests, p->test_count};
        if (p->present)
            run_unit(bench, &unit, results);
    }
    for (unsigned i = 0; i < AGENT_COUNT; i++) {
        const struct agent *a = &set->agents[i];
        struct unit unit = {OF_AGENT, i, a->name, a->path, a->tests, a->test_count};
        if (a->present)
            run_unit(bench, &unit, results);
    }
    for (size_t i = 0; i < set->action_count; i++) {
        const struct action *a = &set->actions[i];
        struct unit unit = {OF_ACTION, 0, a->id, a->path, a->tests, a->test_count};
        run_unit(bench, &unit, results);
    }
}

void testrun_policies(const struct testrun_scope *scope, struct test_results *results)
{
    static const struct policy_test no_lists;
    struct err err = {0};
    struct policies_options policies = {.set = scope->set, .clock = scope->clock, .test = &no_lists};
    struct agents_options agents = {.set = scope->set, .clock = scope->clock, .test = &no_lists};
    struct bench bench = {.scope = scope, .arena = arena_new(0)};
    bench.policies = policies_new(&policies, &err);
    bench.agents = bench.policies ? agents_new(&agents, &err) : NULL;
    if (bench.agents) {
        run_units(&bench, results);
    } else {
        struct test_result result = {
            STR("policies"), STR("the Lua state loads"), STR(""), 0, TEST_FAILED, "", 0};
        snprintf(result.message, sizeof(result.message), "%.500s", err_text(&err));
        test_results_add(results, &result);
    }
    agents_free(bench.agents);
    policies_free(bench.policies);
    arena_free(bench.arena);
}
