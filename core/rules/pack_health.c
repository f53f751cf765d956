/* Failures and suspensions, shared by the packs of all workers. */
#include <stdlib.h>

#include "rules/health.h"
#include "rules/pack_health.h"

enum { HEALTHY, DEGRADED, REPORTED };

struct pack_health {
    size_t rules;
    struct health (*callbacks)[CALLBACK_COUNT];
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
    return health && rule < health->rules && health_suspended(&health->callbacks[rule][callback], now_ns);
}

bool pack_health_failed(struct pack_health *health, uint32_t rule, enum callback callback, int64_t now_ns)
{
    if (health == NULL || rule >= health->rules || !health_failed(&health->callbacks[rule][callback], now_ns))
        return false;
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
