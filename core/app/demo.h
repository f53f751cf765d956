/* Demo data: events of the six threat types and of named scenarios, made up here and sent through the
 * pipeline like any others. Nothing is faked behind the ingest: what is not caught by a rule is not a threat.
 */
#ifndef LUNETTE_APP_DEMO_H
#define LUNETTE_APP_DEMO_H

#include "pipeline/pipeline.h"

/* NDJSON of ECS events for a threat type (bot_traffic proxy_network device_compromise anomaly_detection
 * rate_limit_breach geo_anomaly) or a scenario (crypto_surge bot_attack geo_impossible critical_threat), each
 * with an own event.id, times around now_ns. ERR_NOT_FOUND names the choices. `seed` varies the people and
 * addresses. */
int demo_events(struct str name, bool is_scenario, uint64_t seed, int64_t now_ns, struct buf *ndjson,
                struct err *err);

struct demo;
/* Begins to send ordinary traffic and now and then something bad: a timer of the control thread, through
 * worker 0. */
struct demo *demo_start(struct pipeline *pipeline, struct loop *loop);
void demo_stop(struct demo *demo); /* NULL is fine */

#endif
