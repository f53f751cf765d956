/* Checkpoints of group state on disk: <dir>/state-<n>.log, records (shard, batch, payload, CRC-32C), appended
 * and synced by one thread. A shard's record says: this payload stands at that batch; everything of later
 * batches is observed again after a crash. Compacted (a new file with full dumps, then rename) when the log
 * is larger than twice the state. */
#ifndef LUNETTE_DATA_STATE_LOG_H
#define LUNETTE_DATA_STATE_LOG_H

#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

struct state_log;
/* Opens (creates) the folder and finds the newest whole log. A torn tail is cut and said (log line). */
struct state_log *state_log_open(const char *dir, struct err *err);
void state_log_close(struct state_log *log);

/* Reads all records back in order. `record` returns 0 or stops with -1. */
int state_log_replay(struct state_log *log,
                     int (*record)(unsigned shard, uint64_t batch, struct str payload, void *arg), void *arg,
                     struct err *err);
/* Appends one record; durable after state_log_sync. */
int state_log_append(struct state_log *log, unsigned shard, uint64_t batch, struct str payload,
                     struct err *err);
int state_log_sync(struct state_log *log, struct err *err);
uint64_t state_log_bytes(const struct state_log *log);
/* Begins a new file; what is appended from here goes there. state_log_commit makes it the log (sync, rename,
 * sync folder, old one removed); until then a crash finds the old one. */
int state_log_rewrite(struct state_log *log, struct err *err);
int state_log_commit(struct state_log *log, struct err *err);

#endif
