/* Failures and suspensions, shared by the packs of all workers. */
#include <stdlib.h>

#include "rules/pack_health.h"

#define FAILURES_MAX 3
#define FAILURES_NS  (60 * NS_PER_S)
#define SUSPENDED_NS (600 * NS_PER_S)

enum { HEALTHY, DEGRADED, REPORTED };

struct callback_health {
    atomic_uint failures;               /* in all */
    _Atomic int64_t last[FAILURES_MAX]; /* when, as a ring; 0: never */
    _Atomic int64_t suspended_until;
};

struct pack_health {
    size_t rules;
    struct callback_health (*callbacks)[CALLBACK_COUNT];
    atomic_int *degraded;
};

struct pack_health *pack_health_new(size_t rules)
{
    struct pack_health *health = mem_zalloc(1, sizeof(*health));
    health->rules = rules;
    health->callbacks = mem_zalloc(rules + 1, sizeof(*health->callbacks));
    health->degraded = mem_zalloc(rules + 1, sizeof(*health->degraded));
    return health;
}

void pack_health_free(struct pack_health *health)
{
    if (health == NULL)
        return;
    free(health->callbacks);
    free(health->degraded);
    free(health);
}

bool pack_suspended(const struct pack_health *health, uint32_t rule, enum callback callback, int64_t now_ns)
{
    if (health == NULL || rule >= health->rules)
        return false;
    return atomic_load_explicit(&health->callbacks[rule][callback].suspended_until, memory_order_relaxed) >
           now_ns;
}

bool pack_health_failed(struct pack_health *health, uint32_t rule, enum callback callback, int64_t now_ns)
{
    if (health == NULL || rule >= health->rules)
        return false;
    struct callback_health *at = &health->callbacks[rule][callback];
    unsigned n = atomic_fetch_add_explicit(&at->failures, 1, memory_order_relaxed);
    atomic_store_explicit(&at->last[n % FAILURES_MAX], now_ns, memory_order_relaxed);
    int64_t oldest = atomic_load_explicit(&at->last[(n + 1) % FAILURES_MAX], memory_order_relaxed);
    if (oldest == 0 || now_ns - oldest > FAILURES_NS)
        return false;
    /* Three more are needed after the suspension. */
    for (unsigned i = 0; i < FAILURES_MAX; i++)
        atomic_store_explicit(&at->last[i], 0, memory_order_relaxed);
    atomic_store_explicit(&at->suspended_until, now_ns + SUSPENDED_NS, memory_order_relaxed);
    int healthy = HEALTHY;
    atomic_compare_exchange_strong(&health->degraded[rule], &healthy, DEGRADED);
    return true;
}

bool pack_take_degraded(struct pack_health *health, uint32_t rule)
{
    int degraded = DEGRADED;
    return health && rule < health->rules &&
           atomic_compare_exchange_strong(&health->degraded[rule], &degraded, REPORTED);
}
