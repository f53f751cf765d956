/* Sets of IP networks, for lists. Built once, then immutable; any thread. */
#ifndef LUNETTE_RULES_NETWORKS_H
#define LUNETTE_RULES_NETWORKS_H

#include <stdint.h>

#include "base/str.h"

struct network {
    uint8_t family; /* 4 or 6 */
    uint8_t prefix; /* bits */
    uint8_t bytes[16];
};

/* "10.0.0.0/8", "2001:db8::/32"; bits behind the prefix are cleared. False for anything else, also for an
 * address without a prefix. */
bool network_parse(struct str text, struct network *network);

struct networks;
struct networks *networks_new(void);
void networks_free(struct networks *networks); /* NULL is fine */
void networks_add(struct networks *networks, const struct network *network);
void networks_finish(struct networks *networks);
/* Is the text an address inside one of them? An IPv4-mapped IPv6 address counts as IPv4. */
bool networks_hold(const struct networks *networks, struct str address);

#endif
