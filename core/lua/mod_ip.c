/* ip: addresses and networks, IPv4 and IPv6. An IPv4 address written as ::ffff:a.b.c.d is the IPv4 address.
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>

#include "lua/state.h"

struct address {
    int version; /* 4 or 6 */
    uint8_t bytes[16];
};

static bool parse_address(struct str text, struct address *address)
{
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
    char copy[INET6_ADDRSTRLEN + 1];

    if (text.len == 0 || text.len >= sizeof copy || memchr(text.ptr, '\0', text.len))
        return false;
    memcpy(copy, text.ptr, text.len);
    copy[text.len] = '\0';
    address->version = 4;
    if (inet_pton(AF_INET, copy, address->bytes) == 1)
        return true;
    address->version = 6;
    if (inet_pton(AF_INET6, copy, address->bytes) != 1)
        return false;
    if (memcmp(address->bytes, mapped, sizeof mapped) == 0) {
        memmove(address->bytes, address->bytes + 12, 4);
        address->version = 4;
    }
    return true;
}

static bool same_bits(const uint8_t *a, const uint8_t *b, unsigned bits)
{
    unsigned whole = bits / 8, rest = bits % 8;

    if (memcmp(a, b, whole) != 0)
        return false;
    return rest == 0 || ((a[whole] ^ b[whole]) >> (8 - rest)) == 0;
}

struct network {
    struct address address;
    unsigned bits;
};

static bool parse_network(struct str text, struct network *network)
{
    const char *slash = memchr(text.ptr, '/', text.len);
    struct str address = {text.ptr, slash ? (size_t)(slash - text.ptr) : text.len};
    size_t digits = slash ? text.len - address.len - 1 : 0;
    unsigned max;
    bool mapped = memchr(address.ptr, ':', address.len) != NULL;

    if (!parse_address(address, &network->address))
        return false;
    mapped = mapped && network->address.version == 4;
    max = network->address.version == 4 && !mapped ? 32 : 128;
    network->bits = max;
    if (slash) {
        if (digits == 0 || digits > 3 || strspn(slash + 1, "0123456789") < digits)
            return false;
        network->bits = (unsigned)strtoul(slash + 1, NULL, 10);
    }
    if (network->bits > max || (mapped && network->bits < 96))
        return false;
    if (mapped)
        network->bits -= 96;
    return true;
}

static bool network_has(const struct network *network, const struct address *address)
{
    return network->address.version == address->version &&
           same_bits(network->address.bytes, address->bytes, network->bits);
}

static int ip_version(lua_State *L)
{
    struct address address;

    if (lua_type(L, 1) == LUA_TSTRING && parse_address(lua_arg_str(L, 1), &address))
        lua_pushinteger(L, address.version);
    else
        lua_pushnil(L);
    return 1;
}

static int ip_parse(lua_State *L)
{
    struct address address;
    char text[INET6_ADDRSTRLEN];

    if (!parse_address(lua_arg_str(L, 1), &address))
        return lua_fail(L, "not an IP address");
    inet_ntop(address.version == 4 ? AF_INET : AF_INET6, address.bytes, text, sizeof text);
    lua_pushstring(L, text);
    return 1;
}

/* A network that is none is a mistake of the rule; an address that is none comes from the event. */
LUA_RAISES static bool in_network(lua_State *L, const struct address *address, int idx)
{
    struct network network;
    struct str text;

    lua_budget_charge(L, 10);
    if (lua_type(L, idx) != LUA_TSTRING)
        luaL_error(L, "ip.in_cidr: a network is text such as \"10.0.0.0/8\", not a %s",
                   luaL_typename(L, idx));
    text.ptr = lua_tolstring(L, idx, &text.len);
    if (!parse_network(text, &network))
        luaL_error(L, "ip.in_cidr: \"%s\" is no network", text.ptr);
    return network_has(&network, address);
}

static int ip_in_cidr(lua_State *L)
{
    struct address address = {0};
    bool valid = lua_type(L, 1) == LUA_TSTRING && parse_address(lua_arg_str(L, 1), &address), has = false;

    luaL_checkany(L, 2);
    if (lua_istable(L, 2)) {
        lua_frozen_target(L, 2);
        for (lua_Integer i = 1; lua_rawgeti(L, 2, i) != LUA_TNIL; i++) {
            has |= in_network(L, &address, lua_gettop(L)) && valid;
            lua_pop(L, 1);
        }
    } else {
        has = in_network(L, &address, 2) && valid;
    }
    lua_pushboolean(L, has);
    return 1;
}

/* Addresses that no network of the Internet routes: private, loopback, link-local, shared (RFC 6598), unique
 * local, unspecified. */
static int ip_is_private(lua_State *L)
{
    static const char *const ranges[] = {"10.0.0.0/8",
                                         "172.16.0.0/12",
                                         "192.168.0.0/16",
                                         "127.0.0.0/8",
                                         "169.254.0.0/16",
                                         "100.64.0.0/10",
                                         "0.0.0.0/8",
                                         "::1",
                                         "::",
                                         "fe80::/10",
                                         "fc00::/7"};
    struct address address;
    struct network network;
    bool found = false;

    if (lua_type(L, 1) == LUA_TSTRING && parse_address(lua_arg_str(L, 1), &address))
        for (size_t i = 0; !found && i < sizeof ranges / sizeof ranges[0]; i++)
            found = parse_network(str_from(ranges[i]), &network) && network_has(&network, &address);
    lua_pushboolean(L, found);
    return 1;
}

static const luaL_Reg functions[] = {{"version", ip_version},
                                     {"parse", ip_parse},
                                     {"in_cidr", ip_in_cidr},
                                     {"is_private", ip_is_private},
                                     {NULL, NULL}};
const struct lua_module lua_module_ip = {"ip", functions, NULL};
