#include "rules/lists_network.h"

#include <stdlib.h>

#define LENGTHS  (33 + 129)
#define V4_IN_V6 96 /* bits that an IPv4 network has less than its IPv4-mapped form */

/* All networks of one family and length, by address. */
struct length {
    bool v4;
    unsigned bits;
    size_t from, count;
};

struct list_networks {
    struct list_network *all;
    struct length lengths[LENGTHS]; /* the longest first */
    size_t count;
};

static unsigned width(const struct network *network)
{
    return network->v4 ? network->bits + V4_IN_V6 : network->bits;
}

static int by_address(const struct network *a, const struct network *b)
{
    if (a->v4)
        return (a->four > b->four) - (a->four < b->four);
    return (a->sixteen > b->sixteen) - (a->sixteen < b->sixteen);
}

static int by_length(const void *a, const void *b)
{
    const struct list_network *x = a, *y = b;
    if (width(&x->network) != width(&y->network))
        return width(&x->network) > width(&y->network) ? -1 : 1;
    if (x->network.v4 != y->network.v4)
        return x->network.v4 ? -1 : 1;
    int order = by_address(&x->network, &y->network);
    return order ? order : (x->entry < y->entry) - (x->entry > y->entry);
}

static bool is_new(const struct list_networks *networks, size_t kept, const struct network *network)
{
    if (kept == 0)
        return true;
    const struct network *last = &networks->all[kept - 1].network;
    return last->v4 != network->v4 || last->bits != network->bits || by_address(last, network) != 0;
}

static void add(struct list_networks *networks, size_t at)
{
    const struct network *network = &networks->all[at].network;
    struct length *last = networks->count ? &networks->lengths[networks->count - 1] : NULL;
    if (last == NULL || last->v4 != network->v4 || last->bits != network->bits)
        networks->lengths[networks->count++] = (struct length){network->v4, network->bits, at, 1};
    else
        last->count++;
}

struct list_networks *list_networks_new(struct list_network *all, size_t count)
{
    struct list_networks *networks = mem_zalloc(1, sizeof(*networks));
    size_t kept = 0;
    qsort(all, count, sizeof(*all), by_length);
    networks->all = mem_zalloc(count + 1, sizeof(*all));
    for (size_t i = 0; i < count; i++) {
        if (!is_new(networks, kept, &all[i].network))
            continue;
        networks->all[kept] = all[i];
        add(networks, kept++);
    }
    return networks;
}

void list_networks_free(struct list_networks *networks)
{
    if (networks == NULL)
        return;
    free(networks->all);
    free(networks);
}

static int find_address(const void *key, const void *item)
{
    return by_address(key, &((const struct list_network *)item)->network);
}

static struct network masked(const struct ip *ip, const struct length *length)
{
    struct network network = {.v4 = length->v4, .bits = length->bits};
    if (length->bits == 0)
        return network;
    if (length->v4)
        network.four = ip->four & ~(uint32_t)0 << (32 - length->bits);
    else
        network.sixteen = ip->sixteen & ~(__uint128_t)0 << (128 - length->bits);
    return network;
}

bool list_networks_find(const struct list_networks *networks, const struct ip *ip, uint32_t *entry)
{
    for (size_t i = 0; i < networks->count; i++) {
        const struct length *length = &networks->lengths[i];
        if (!(length->v4 ? ip->v4 : ip->v6))
            continue;
        struct network key = masked(ip, length);
        const struct list_network *found = bsearch(&key, networks->all + length->from, length->count,
                                                   sizeof(*found), find_address);
        if (found) {
            *entry = found->entry;
            return true;
        }
    }
    return false;
}
