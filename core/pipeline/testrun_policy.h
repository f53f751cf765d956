/* The tests that policies, agents and actions carry: what their functions answer, compared with what the test
 * expects. For testrun.c; its thread. */
#ifndef LUNETTE_PIPELINE_TESTRUN_POLICY_H
#define LUNETTE_PIPELINE_TESTRUN_POLICY_H

#include "pipeline/testrun.h"

struct testrun_scope {
    struct ruleset *set;
    struct str only;           /* a name or id; "": all */
    int64_t deadline;          /* monotonic; 0: none */
    const struct clock *clock; /* stands still */
};
void testrun_policies(const struct testrun_scope *scope, struct test_results *results);

/* Whether `expected` is a part of `got` (both JSON): a table holds at least the names that are expected,
 * lists are equal element by element, numbers within 1e-9, null stands for absent, an empty table for an
 * empty one. -1 and err: where they differ, with both values. */
int testrun_compare(struct str expected, struct str got, struct err *err);

#endif
