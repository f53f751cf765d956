/* Counters of analytics: what a transaction changes is summed up here and written with its commit, so that a
 * thousand threats of one rule cost one update. Used by the writer only. */
#ifndef LUNETTE_DATA_STORE_COUNTERS_H
#define LUNETTE_DATA_STORE_COUNTERS_H

#include "data/store_sql.h"
#include "data/threat.h"

enum { CELL_SHADOW = 1, CELL_SUPPRESSED = 2 }; /* bits of cells.hidden */

struct counters;

struct counters *counters_new(void);
void counters_free(struct counters *counters);
/* Drops what was not flushed: the transaction is gone. */
void counters_forget(struct counters *counters);
/* The cell of the threat, made where it is new. */
int counters_cell(struct counters *counters, struct sql *sql, const struct threat *threat, int64_t *cell,
                  struct err *err);
/* Adds (sign 1) or takes away (-1) the threat as it is. */
void counters_add(struct counters *counters, const struct threat *threat, int64_t cell, int sign);
int counters_flush(struct counters *counters, struct sql *sql, struct err *err);

#endif
