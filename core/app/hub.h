/* The hub: threats over WebSocket. Turns committed changes into messages of the shared ring, gives a new
 * client its snapshot or what it missed, and filters and shapes per client; no hole between snapshot and
 * stream. The messages are those of docs/http-api.md, "WebSocket". */
#ifndef LUNETTE_APP_HUB_H
#define LUNETTE_APP_HUB_H

#include "net/ws_server.h"
#include "pipeline/pipeline.h"

struct hub;
struct hub_options {
    size_t clients;
    struct readers *(*readers)(void *context); /* for snapshots; NULL while starting */
    const char *(*epoch)(void *context);
    void *context;
};
struct hub *hub_start(const struct hub_options *options, struct err *err);
/* From its return on the hub asks the store nothing more: before the readers end. Control thread. */
void hub_quiet(struct hub *hub);
void hub_stop(struct hub *hub, int64_t limit_ns); /* close frames, then the thread ends */
/* Each few seconds, control thread: pings idle clients with their cursor, and tells everyone the stats. */
void hub_tick(struct hub *hub, const struct pipeline_health *health);

/* Writer thread, in seq order: a committed change. Copies what it needs. */
void hub_publish(struct hub *hub, const struct change *change);
/* Any thread: {"type":"rules_reloaded",…} to everyone. */
void hub_rules_reloaded(struct hub *hub, uint64_t generation, const char *hash);
/* Worker thread: GET /ws. `customer`: "" or the only one the client may see. Answers or takes over the
 * request. */
void hub_upgrade(struct hub *hub, struct http_request *request, const char *customer);
size_t hub_clients(const struct hub *hub);

#endif
