/* IP networks: parsing, and sets of them that answer "is this address in one?" by bisection. Immutable once
 * made. An IPv4-mapped IPv6 address counts as both. */
#ifndef LUNETTE_MATCH_CIDR_H
#define LUNETTE_MATCH_CIDR_H

#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"

struct ip {
    bool v4, v6;   /* which of the two below are set; both for ::ffff:1.2.3.4 */
    uint32_t four; /* host order */
    __uint128_t sixteen;
};

/* "10.1.2.3", "2001:db8::1", "fe80::1%eth0" (the zone is dropped). */
bool ip_parse(struct str text, struct ip *ip);

struct network {
    bool v4;
    unsigned bits;
    uint32_t four; /* masked */
    __uint128_t sixteen;
};
/* "10.0.0.0/8", "2001:db8::/32", or an address alone. Bits behind the prefix are dropped. */
int network_parse(struct str text, struct network *network, struct err *err);

struct cidr_set;
/* Lives in the arena. */
struct cidr_set *cidr_set_new(struct arena *arena, const struct network *networks, size_t count);
bool cidr_set_has(const struct cidr_set *set, const struct ip *ip);

#endif
