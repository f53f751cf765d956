/* A record's text straight to values, for event_parse.c alone: what nobody reads is checked and passed over,
 * the rest is taken as it stands in the text. */
#ifndef LUNETTE_EVENT_EVENT_SCAN_H
#define LUNETTE_EVENT_EVENT_SCAN_H

#include "base/json_scan.h"
#include "event/event.h"
#include "event/fields_trie.h"

struct event_scan {
    struct json_scan json; /* begun */
    const struct fields *fields;
    const struct fields_view *view;
    struct arena *arena;        /* for the text of fractions */
    struct event_value *values; /* room for half as many as there are marks */
    struct event_value *next;   /* behind the last one taken */
};

/* False where the scan says no; what it has taken by then is worth nothing. */
bool event_scan(struct event_scan *scan);

#endif
