#include "rules/health.h"

#include "base/clock.h"

#define FAILURES_NS  (60 * NS_PER_S)
#define SUSPENDED_NS (600 * NS_PER_S)

bool health_suspended(const struct health *health, int64_t now_ns)
{
    return atomic_load_explicit(&health->suspended_until, memory_order_relaxed) > now_ns;
}

bool health_failed(struct health *health, int64_t now_ns)
{
    unsigned n = atomic_fetch_add_explicit(&health->failures, 1, memory_order_relaxed);
    atomic_store_explicit(&health->last[n % HEALTH_FAILURES], now_ns, memory_order_relaxed);
    int64_t oldest = atomic_load_explicit(&health->last[(n + 1) % HEALTH_FAILURES], memory_order_relaxed);
    if (oldest == 0 || now_ns - oldest > FAILURES_NS)
        return false;
    /* Three more are needed after the suspension. */
    for (unsigned i = 0; i < HEALTH_FAILURES; i++)
        atomic_store_explicit(&health->last[i], 0, memory_order_relaxed);
    atomic_store_explicit(&health->suspended_until, now_ns + SUSPENDED_NS, memory_order_relaxed);
    return true;
}
