/* The full view of a threat together with what the store keeps beside it: notes and audited changes. Used by
 * the store's readers only; everyone else takes threat_json. */
#ifndef LUNETTE_DATA_THREAT_VIEW_H
#define LUNETTE_DATA_THREAT_VIEW_H

#include "data/threat.h"

struct threat_note {
    int64_t id, at_ns;
    struct str author, text, signature;
};

struct threat_change {
    int64_t at_ns;
    struct str who, action;
    struct str detail; /* JSON object, or "" */
};

struct threat_records {
    VEC(struct threat_note) notes;
    VEC(struct threat_change) changes;
};

/* As threat_json(full), with `notes` and with notes and changes in the timeline. The strings are borrowed for
 * the call. NULL: without records, and without the field `notes`. */
void threat_view_full(const struct threat *threat, const struct threat_records *records, struct buf *out);
void threat_view_row(const struct threat *threat, struct buf *out);

/* Walks the members of a JSON object without parsing its values: moves *at behind the member and gives the
 * key (without quotes, escapes as they are) and the text of the value. Start with *at = the object's text.
 * 1, 0 at the closing brace, -1 where this is no object. */
int threat_extra_next(struct str *at, struct str *key, struct str *value);
bool threat_extra_is_object(struct str extra);

#endif
