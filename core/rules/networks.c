#include "rules/networks.h"

#include <arpa/inet.h>
#include <stdlib.h>

#include "base/vec.h"

struct networks {
    VEC(struct network) all; /* sorted once finished */
    bool has_prefix[2][129]; /* family 4, 6: the lengths that occur */
};

static bool address_parse(struct str text, struct network *out)
{
    char copy[INET6_ADDRSTRLEN + 1];
    if (text.len == 0 || text.len >= sizeof(copy))
        return false;
    memcpy(copy, text.ptr, text.len);
    copy[text.len] = '\0';
    memset(out, 0, sizeof(*out));
    if (inet_pton(AF_INET, copy, out->bytes) == 1) {
        out->family = 4;
        out->prefix = 32;
        return true;
    }
    if (inet_pton(AF_INET6, copy, out->bytes) != 1)
        return false;
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
    out->family = 6;
    out->prefix = 128;
    if (memcmp(out->bytes, mapped, sizeof(mapped)) == 0) {
        memmove(out->bytes, out->bytes + 12, 4);
        memset(out->bytes + 4, 0, 12);
        out->family = 4;
        out->prefix = 32;
    }
    return true;
}

static void cut(struct network *network, unsigned prefix)
{
    network->prefix = (uint8_t)prefix;
    for (unsigned i = 0; i < 16; i++) {
        unsigned bits = prefix > i * 8 ? prefix - i * 8 : 0;
        if (bits < 8)
            network->bytes[i] &= (uint8_t)(0xff00 >> bits);
    }
}

bool network_parse(struct str text, struct network *network)
{
    const char *slash = text.len ? memchr(text.ptr, '/', text.len) : NULL;
    if (slash == NULL || !address_parse((struct str){text.ptr, (size_t)(slash - text.ptr)}, network))
        return false;
    struct str bits = {slash + 1, text.len - (size_t)(slash - text.ptr) - 1};
    if (bits.len == 0 || bits.len > 3)
        return false;
    unsigned prefix = 0;
    for (size_t i = 0; i < bits.len; i++) {
        if (bits.ptr[i] < '0' || bits.ptr[i] > '9')
            return false;
        prefix = prefix * 10 + (unsigned)(bits.ptr[i] - '0');
    }
    if (prefix > network->prefix)
        return false;
    cut(network, prefix);
    return true;
}

struct networks *networks_new(void)
{
    return mem_zalloc(1, sizeof(struct networks));
}

void networks_free(struct networks *networks)
{
    if (networks == NULL)
        return;
    vec_free(&networks->all);
    free(networks);
}

void networks_add(struct networks *networks, const struct network *network)
{
    vec_push(&networks->all, *network);
    networks->has_prefix[network->family == 6][network->prefix] = true;
}

static int order(const void *a, const void *b)
{
    return memcmp(a, b, sizeof(struct network));
}

void networks_finish(struct networks *networks)
{
    if (networks->all.count)
        qsort(networks->all.items, networks->all.count, sizeof(struct network), order);
}

bool networks_hold(const struct networks *networks, struct str address)
{
    struct network ip;
    if (!address_parse(address, &ip))
        return false;
    for (unsigned prefix = ip.prefix + 1; prefix-- > 0;) {
        if (!networks->has_prefix[ip.family == 6][prefix])
            continue;
        cut(&ip, prefix);
        if (bsearch(&ip, networks->all.items, networks->all.count, sizeof(ip), order))
            return true;
    }
    return false;
}
