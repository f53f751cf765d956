/* Runs a drill (demo_drill.h) for a request: events through the pipeline, notes through the writer, then
 * waits until the threats were looked at again, and answers. On the worker that has the request. */
#ifndef LUNETTE_APP_DEMO_RUN_H
#define LUNETTE_APP_DEMO_RUN_H

#include "app/api.h"
#include "app/demo_drill.h"

/* Takes the drill and `events`, a JSON array of the ids of its events. Answers 200; 202 where not all was
 * looked at again within a few seconds, with what there is; 503 where there is no room. */
void drill_run(struct http_request *request, struct api *api, struct drill *drill, struct buf *events);

#endif
