/* Observations: events of the sources "change", "news" and "egress" are kept in the store, besides going
 * through the rules, for agents and analysts to look back at. The origin makes them when it dispatches a
 * batch; they travel with its own part, are stored in the commit that the part's answer waits for, and are
 * idempotent by event id, so that a batch observed again after a crash adds nothing. A batch without such
 * events costs a comparison of its source's name. */
#ifndef LUNETTE_PIPELINE_OBSERVE_H
#define LUNETTE_PIPELINE_OBSERVE_H

#include "data/store.h"
#include "pipeline/ingest.h"

#define OBSERVE_BODY_MAX  4096 /* bytes of a body, as the store takes it */
#define OBSERVE_FIELD_MAX 1024 /* of one field's values in it */

/* What one batch has to keep. Made by the origin, then the writer's. */
struct observed;

/* Of the batch's events from a source with a reserved id; NULL where there are none. The kind is the source's
 * id. The entity is "field:value" of the first of host.name, service.name, user.name, source.ip,
 * destination.domain, destination.ip that the event has with 1 to 256 bytes, else "". The body is a flat
 * object of the kind's fields (observe.c lists them, what matters most first), a list where there are
 * several values. A field gets at most OBSERVE_FIELD_MAX bytes of JSON: a text is cut there (and at a NUL), a
 * list loses its last values; once OBSERVE_BODY_MAX is used up the fields that follow are left out.
 * "observation.truncated" names the fields that lost something. Detector and batch: the origin's, mapped. */
struct observed *observe_batch(struct detector *detector, const struct batch *batch);
void observed_free(struct observed *observed); /* NULL is fine */
size_t observed_count(const struct observed *observed);
/* Within a transaction. -1: the store failed. One that the store finds wrong is left out and logged, because
 * it would be wrong at the next try as well. */
int observed_store(const struct observed *observed, struct store *store, struct err *err);

#endif
