/* Checkpoints of group state on disk: <dir>/state-<n>.log, records (shard, batch, payload, CRC-32C), appended
 * and synced by one thread. A shard's record says: this payload stands at that batch; everything of later
 * batches is observed again after a crash. Compacted (a new file with full dumps, then rename) when the log
 * is larger than twice the state. A new file is <dir>/state-<n>.tmp until it is the log; a log whose first
 * bytes are not ours is put aside as *.bad. Bytes on disk: 16 of file header, 24 per record, payloads. */
#ifndef LUNETTE_DATA_STATE_LOG_H
#define LUNETTE_DATA_STATE_LOG_H

#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

#define STATE_SHARDS_MAX  65536
#define STATE_PAYLOAD_MAX (1 << 30) /* bytes */

struct state_log;
/* Opens (creates) the folder and finds the newest whole log. From the first record that is not whole on, the
 * log is cut, and that is said (log line): what it held stands in the journal. */
struct state_log *state_log_open(const char *dir, struct err *err);
void state_log_close(struct state_log *log);

/* Reads all records of the log back in order, not those of a rewrite under way. `record` returns 0 or stops
 * with -1 (it fills the err it shares with the caller). */
int state_log_replay(struct state_log *log,
                     int (*record)(unsigned shard, uint64_t batch, struct str payload, void *arg), void *arg,
                     struct err *err);
/* Appends one record (the payload may be empty); durable after state_log_sync. On failure (disk full) nothing
 * of it stays and later appends may succeed. */
int state_log_append(struct state_log *log, unsigned shard, uint64_t batch, struct str payload,
                     struct err *err);
/* After a failed sync nobody knows what is on disk: everything fails until a rewrite is committed. */
int state_log_sync(struct state_log *log, struct err *err);
/* Of the file that is appended to. */
uint64_t state_log_bytes(const struct state_log *log);
/* Begins a new file; what is appended from here goes there. state_log_commit makes it the log (sync, rename,
 * sync folder, old one removed); until then a crash finds the old one. A rewrite under way is given up by
 * another one, and by a commit that fails: appends go to the old log again, which lacks what was appended
 * meanwhile, so that only a whole dump of every shard may follow. */
int state_log_rewrite(struct state_log *log, struct err *err);
int state_log_commit(struct state_log *log, struct err *err);

#endif
