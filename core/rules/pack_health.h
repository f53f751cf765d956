/* What packs tell the health that they share; private to core/rules. Any thread. */
#ifndef LUNETTE_RULES_PACK_HEALTH_H
#define LUNETTE_RULES_PACK_HEALTH_H

#include "rules/pack.h"

/* Counts a failure; true when it was the one that suspends the callback. `health` may be NULL: false. */
bool pack_health_failed(struct pack_health *health, uint32_t rule, enum callback callback, int64_t now_ns);

#endif
