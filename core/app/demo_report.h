/* What a drill (demo_drill.h) came to: the threats before its notes and after, side by side. Any thread. */
#ifndef LUNETTE_APP_DEMO_REPORT_H
#define LUNETTE_APP_DEMO_REPORT_H

#include "app/demo_drill.h"

struct drill_facts {
    const struct drill *drill;
    struct str events;        /* JSON array of ids */
    struct str before, after; /* JSON arrays of threats as the API shows them, in any order */
    struct str notes;         /* JSON array as store_notes writes it */
};
/* Each threat was looked at again since its last change, together with all notes, and its analysis stands. */
bool drill_settled(struct str after);
/* Writes the answer of POST /api/threats/trigger (docs/http-api.md). */
void drill_report(const struct drill_facts *facts, bool settled, struct buf *out);

#endif
