/* Demo data: events of the six threat types and of named scenarios, made up here and sent through the
 * pipeline like any others. Nothing is faked behind the ingest: what is not caught by a rule is not a threat.
 */
#ifndef LUNETTE_APP_DEMO_H
#define LUNETTE_APP_DEMO_H

#include "pipeline/pipeline.h"

/* NDJSON of ECS events for a threat type (bot_traffic proxy_network device_compromise anomaly_detection
 * rate_limit_breach geo_anomaly) or a scenario (crypto_surge bot_attack geo_impossible critical_threat), each
 * with an own event.id, the last of them at now_ns. ERR_NOT_FOUND names the choices. `seed` varies people,
 * hosts, addresses and what happens; the same seed at the same time gives the same events. Any thread. */
int demo_events(struct str name, bool is_scenario, uint64_t seed, int64_t now_ns, struct buf *ndjson,
                struct err *err);
/* The i-th name of a threat type or scenario; NULL at the end. */
const char *demo_name(bool is_scenario, size_t i);
/* One compromise of a device, the last event of it at time_ns; appended. `kind` stands for what happens. */
struct demo_compromise {
    const char *customer;
    unsigned kind;
    uint64_t seed; /* of host, user and the rest */
    int64_t time_ns;
};
void demo_compromise(const struct demo_compromise *compromise, struct buf *ndjson);
/* NDJSON of `count` events of an ordinary day, in the second before now_ns: nothing that a rule should find.
 */
void demo_ordinary(uint64_t seed, int64_t now_ns, unsigned count, struct buf *ndjson);

struct demo;
/* Begins to send ordinary traffic each second and now and then something bad: a timer of the control thread,
 * through worker 0, as source "demo". What the pipeline has no room for is left out. */
struct demo *demo_start(struct pipeline *pipeline, struct loop *loop);
void demo_stop(struct demo *demo); /* NULL is fine; before the pipeline stops */

#endif
