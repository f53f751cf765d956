/* Token buckets per key (client or token), bounded in number: the least recently used goes first. One a
 * worker; a process-wide rate is divided by the number of workers. */
#ifndef LUNETTE_NET_RATE_LIMIT_H
#define LUNETTE_NET_RATE_LIMIT_H

#include <stdint.h>

#include "base/str.h"

struct rate_limit;
struct rate_limit *rate_limit_new(double per_second, double burst, size_t keys);
void rate_limit_free(struct rate_limit *limit);
/* Takes `cost` tokens at time now_ns. Returns 0, or the ns until it would succeed. */
int64_t rate_limit_take(struct rate_limit *limit, struct str key, double cost, int64_t now_ns);

#endif
