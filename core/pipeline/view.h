/* A threat as the callbacks of policies, actions and agents get it, and JSON of our own read back. Any
 * thread. */
#ifndef LUNETTE_PIPELINE_VIEW_H
#define LUNETTE_PIPELINE_VIEW_H

#include "base/json.h"
#include "data/threat.h"

#define VIEW_MAX (240 << 10) /* bytes: less than a callback takes */

/* The threat's full JSON. Where it is larger than a callback takes, its later evidence is left out, then what
 * analyses found: whoever sends long values must not be able to keep policies from being asked. */
struct str view_print(const struct threat *threat, struct arena *arena);

/* Any JSON that we wrote: of any size, and with NUL characters, which become U+FFFD. NULL: it is none. */
struct json *view_parse(struct str json);

#endif
