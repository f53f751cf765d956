/* Runs the tests that rules, sources, policies, agents and actions carry, on a virtual clock, against an
 * empty store: forwards, backwards and twice in one Lua state, so that what keeps state between events is
 * found out. Control thread or CLI. */
#ifndef LUNETTE_PIPELINE_TESTRUN_H
#define LUNETTE_PIPELINE_TESTRUN_H

#include "rules/loader.h"

enum test_outcome { TEST_PASSED, TEST_FAILED };
struct test_result {
    struct str rule, test, path; /* of the ruleset; rule: the id or name of what the test is of */
    unsigned line;
    enum test_outcome outcome;
    char message[512]; /* what was expected and what came; "" when passed */
    int64_t cpu_ns;
};
struct test_results {
    VEC(struct test_result) results;
    size_t passed, failed;
    bool out_of_time; /* the limit ended the run: a failure of the whole */
};
void test_results_add(struct test_results *results, const struct test_result *result);
void test_results_free(struct test_results *results);

/* `limit_ns`: wall time for all tests together (0: none). Only what has `only` as its id or name, where that
 * is set. */
void testrun(struct ruleset *set, struct str only, int64_t limit_ns, struct test_results *results);
/* Failures as problems of the report. */
void testrun_report(const struct test_results *results, struct report *report);

#endif
