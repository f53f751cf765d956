#include "match/cidr.h"

#include <arpa/inet.h>
#include <stdlib.h>

#define ADDRESS_MAX 64

static bool parse_v4(struct str text, uint32_t *address)
{
    uint32_t value = 0;
    size_t at = 0;
    for (int part = 0; part < 4; part++) {
        if (part && (at >= text.len || text.ptr[at++] != '.'))
            return false;
        size_t start = at;
        unsigned number = 0;
        while (at < text.len && text.ptr[at] >= '0' && text.ptr[at] <= '9' && at - start < 3)
            number = number * 10 + (unsigned)(text.ptr[at++] - '0');
        if (at == start || number > 255 || (at - start > 1 && text.ptr[start] == '0'))
            return false;
        value = value << 8 | number;
    }
    *address = value;
    return at == text.len;
}

static bool parse_v6(struct str text, __uint128_t *address)
{
    char copy[ADDRESS_MAX];
    if (text.len >= sizeof(copy) || !memchr(text.ptr, ':', text.len))
        return false;
    memcpy(copy, text.ptr, text.len);
    copy[text.len] = 0;
    unsigned char bytes[16];
    if (inet_pton(AF_INET6, copy, bytes) != 1)
        return false;
    __uint128_t value = 0;
    for (int i = 0; i < 16; i++)
        value = value << 8 | bytes[i];
    *address = value;
    return true;
}

bool ip_parse(struct str text, struct ip *ip)
{
    *ip = (struct ip){0};
    if (text.len < 2 || text.len >= ADDRESS_MAX)
        return false;
    ip->v4 = parse_v4(text, &ip->four);
    if (ip->v4)
        return true;
    const char *zone = memchr(text.ptr, '%', text.len);
    if (zone)
        text.len = (size_t)(zone - text.ptr);
    ip->v6 = parse_v6(text, &ip->sixteen);
    if (ip->v6 && ip->sixteen >> 32 == 0xffff) {
        ip->v4 = true;
        ip->four = (uint32_t)ip->sixteen;
    }
    return ip->v6;
}

static bool parse_bits(struct str text, unsigned most, unsigned *bits)
{
    if (text.len == 0 || text.len > 3)
        return false;
    *bits = 0;
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] < '0' || text.ptr[i] > '9')
            return false;
        *bits = *bits * 10 + (unsigned)(text.ptr[i] - '0');
    }
    return *bits <= most;
}

static __uint128_t low_bits_16(unsigned bits)
{
    return bits >= 128 ? 0 : ~(__uint128_t)0 >> bits;
}

static uint32_t low_bits_4(unsigned bits)
{
    return bits >= 32 ? 0 : UINT32_MAX >> bits;
}

int network_parse(struct str text, struct network *network, struct err *err)
{
    const char *slash = text.len ? memchr(text.ptr, '/', text.len) : NULL;
    struct str address = {text.ptr, slash ? (size_t)(slash - text.ptr) : text.len};
    *network = (struct network){0};
    struct ip ip;
    if (!ip_parse(address, &ip))
        return err_set(err, ERR_INVALID, "\"%.*s\" is no network: expected an address or address/bits",
                       STR_ARG(text));
    network->v4 = !ip.v6;
    network->bits = network->v4 ? 32 : 128;
    if (slash &&
        !parse_bits((struct str){slash + 1, text.len - address.len - 1}, network->bits, &network->bits))
        return err_set(err, ERR_INVALID, "\"%.*s\" is no network: expected 0 to %u bits behind the slash",
                       STR_ARG(text), network->v4 ? 32 : 128);
    network->four = ip.four & ~low_bits_4(network->bits);
    network->sixteen = ip.sixteen & ~low_bits_16(network->bits);
    return 0;
}

/* Ranges, sorted and merged, so that one bisection answers. */
struct range_4 {
    uint32_t low, high;
};
struct range_16 {
    __uint128_t low, high;
};
struct cidr_set {
    struct range_4 *fours;
    struct range_16 *sixteens;
    size_t four_count, sixteen_count;
};

static int compare_4(const void *a, const void *b)
{
    uint32_t x = ((const struct range_4 *)a)->low, y = ((const struct range_4 *)b)->low;
    return (x > y) - (x < y);
}

static int compare_16(const void *a, const void *b)
{
    __uint128_t x = ((const struct range_16 *)a)->low, y = ((const struct range_16 *)b)->low;
    return (x > y) - (x < y);
}

static size_t merge_4(struct range_4 *ranges, size_t count)
{
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        if (kept && ranges[i].low <= ranges[kept - 1].high) {
            if (ranges[i].high > ranges[kept - 1].high)
                ranges[kept - 1].high = ranges[i].high;
        } else {
            ranges[kept++] = ranges[i];
        }
    }
    return kept;
}

static size_t merge_16(struct range_16 *ranges, size_t count)
{
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        if (kept && ranges[i].low <= ranges[kept - 1].high) {
            if (ranges[i].high > ranges[kept - 1].high)
                ranges[kept - 1].high = ranges[i].high;
        } else {
            ranges[kept++] = ranges[i];
        }
    }
    return kept;
}

struct cidr_set *cidr_set_new(struct arena *arena, const struct network *networks, size_t count)
{
    struct cidr_set *set = arena_zalloc(arena, sizeof(*set));
    for (size_t i = 0; i < count; i++)
        *(networks[i].v4 ? &set->four_count : &set->sixteen_count) += 1;
    /* The arena aligns to 8; a 128-bit integer wants 16. */
    char *room = arena_alloc(arena, set->sixteen_count * sizeof(struct range_16) + 8);
    set->sixteens = (struct range_16 *)(void *)(room + ((uintptr_t)room & 8));
    set->fours = arena_alloc(arena, set->four_count * sizeof(struct range_4));
    size_t fours = 0, sixteens = 0;
    for (size_t i = 0; i < count; i++) {
        const struct network *n = &networks[i];
        if (n->v4)
            set->fours[fours++] = (struct range_4){n->four, n->four | low_bits_4(n->bits)};
        else
            set->sixteens[sixteens++] = (struct range_16){n->sixteen, n->sixteen | low_bits_16(n->bits)};
    }
    qsort(set->fours, fours, sizeof(*set->fours), compare_4);
    qsort(set->sixteens, sixteens, sizeof(*set->sixteens), compare_16);
    set->four_count = merge_4(set->fours, fours);
    set->sixteen_count = merge_16(set->sixteens, sixteens);
    return set;
}

static bool has_4(const struct cidr_set *set, uint32_t address)
{
    size_t low = 0, high = set->four_count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (address > set->fours[middle].high)
            low = middle + 1;
        else
            high = middle;
    }
    return low < set->four_count && address >= set->fours[low].low;
}

static bool has_16(const struct cidr_set *set, __uint128_t address)
{
    size_t low = 0, high = set->sixteen_count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (address > set->sixteens[middle].high)
            low = middle + 1;
        else
            high = middle;
    }
    return low < set->sixteen_count && address >= set->sixteens[low].low;
}

bool cidr_set_has(const struct cidr_set *set, const struct ip *ip)
{
    return (ip->v4 && has_4(set, ip->four)) || (ip->v6 && has_16(set, ip->sixteen));
}
