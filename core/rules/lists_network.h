/* The networks of a list: which of them is the smallest that holds an address. Private to core/rules.
 * Immutable once made. An IPv4-mapped IPv6 address counts as both. */
#ifndef LUNETTE_RULES_LISTS_NETWORK_H
#define LUNETTE_RULES_LISTS_NETWORK_H

#include "match/cidr.h"

struct list_network {
    struct network network;
    uint32_t entry; /* position in the list */
};
/* Sorts `all`. Of equal networks the one with the highest entry counts. */
struct list_networks *list_networks_new(struct list_network *all, size_t count);
void list_networks_free(struct list_networks *networks); /* NULL is fine */
bool list_networks_find(const struct list_networks *networks, const struct ip *ip, uint32_t *entry);

#endif
