/* The slow way through a JSON text that the fast parser refused: says where it is wrong, or writes a copy
 * that the parser takes. For json_tape.c alone. Any thread. */
#ifndef LUNETTE_BASE_JSON_REPAIR_H
#define LUNETTE_BASE_JSON_REPAIR_H

#include "base/buf.h"
#include "base/json_tape.h"

/* Is `text` JSON, apart from what can be repaired? ERR_INVALID with the offset, ERR_LIMIT when too deep (at
 * most 1,024). */
int json_check(struct str text, unsigned depth, struct err *err);
/* Appends a copy of `text`, which json_check accepted, with everything odd replaced; *repairs says what that
 * was. */
void json_repair(struct str text, struct buf *out, unsigned *repairs);

#endif
