/* One function's failures: three within a minute suspend it for ten minutes. Private to core/rules. Any
 * thread; all zero is a healthy one. */
#ifndef LUNETTE_RULES_HEALTH_H
#define LUNETTE_RULES_HEALTH_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define HEALTH_FAILURES 3

struct health {
    atomic_uint failures;                  /* in all */
    _Atomic int64_t last[HEALTH_FAILURES]; /* when, as a ring; 0: never */
    _Atomic int64_t suspended_until;
};
/* Counts a failure; true when it was the one that suspends. */
bool health_failed(struct health *health, int64_t now_ns);
bool health_suspended(const struct health *health, int64_t now_ns);

#endif
