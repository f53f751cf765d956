/* base64, hash and url: text to text. */
#include <stdio.h>

#include "base/hash.h"
#include "base/id.h"
#include "lua/state.h"

/* ---- base64 ---- */

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static int base64_encode(lua_State *L)
{
    struct str text = lua_arg_str(L, 1);
    luaL_Buffer out;

    lua_budget_charge(L, text.len / 2);
    luaL_buffinit(L, &out);
    for (size_t i = 0; i < text.len; i += 3) {
        size_t left = text.len - i;
        uint32_t bits = (uint32_t)(uint8_t)text.ptr[i] << 16;
        char four[4];

        bits |= left > 1 ? (uint32_t)(uint8_t)text.ptr[i + 1] << 8 : 0;
        bits |= left > 2 ? (uint8_t)text.ptr[i + 2] : 0;
        four[0] = alphabet[bits >> 18];
        four[1] = alphabet[bits >> 12 & 63];
        four[2] = left > 1 ? alphabet[bits >> 6 & 63] : '=';
        four[3] = left > 2 ? alphabet[bits & 63] : '=';
        luaL_addlstring(&out, four, 4);
    }
    luaL_pushresult(&out);
    return 1;
}

/* Both alphabets: the one for URLs has - and _. */
static int sextet(char c)
{
    const char *found;

    if (c == '-' || c == '_')
        return c == '-' ? 62 : 63;
    found = c ? strchr(alphabet, c) : NULL;
    return found ? (int)(found - alphabet) : -1;
}

static int base64_decode(lua_State *L)
{
    struct str text = lua_arg_str(L, 1);
    uint32_t bits = 0;
    unsigned held = 0;
    size_t digits = 0;
    luaL_Buffer out;

    lua_budget_charge(L, text.len / 2);
    while (text.len > 0 && text.ptr[text.len - 1] == '=')
        text.len--;
    luaL_buffinit(L, &out);
    for (size_t i = 0; i < text.len; i++) {
        int value = sextet(text.ptr[i]);

        if (strchr(" \t\r\n", text.ptr[i]) && text.ptr[i])
            continue;
        if (value < 0)
            return lua_fail(L, "not base64");
        bits = bits << 6 | (uint32_t)value;
        held += 6;
        digits++;
        if (held >= 8) {
            held -= 8;
            luaL_addchar(&out, (char)(bits >> held & 0xff));
        }
    }
    if (digits % 4 == 1)
        return lua_fail(L, "not base64: a character is missing");
    luaL_pushresult(&out);
    return 1;
}

static const luaL_Reg base64_functions[] = {
    {"encode", base64_encode}, {"decode", base64_decode}, {NULL, NULL}};
const struct lua_module lua_module_base64 = {"base64", base64_functions, NULL};

/* ---- hash ---- */

static int hash_sha256_of(lua_State *L)
{
    struct str text = lua_arg_str(L, 1);
    char hex[65];

    lua_budget_charge(L, 50 + text.len / 2);
    hash_sha256_hex(text, hex);
    lua_pushlstring(L, hex, 64);
    return 1;
}

static int hash_hmac_sha256_of(lua_State *L)
{
    struct str key = lua_arg_str(L, 1), text = lua_arg_str(L, 2);
    uint8_t bytes[32];
    char hex[65];

    lua_budget_charge(L, 100 + (key.len + text.len) / 2);
    hash_hmac_sha256(key, text, bytes);
    id_hex(bytes, sizeof bytes, hex);
    lua_pushlstring(L, hex, 64);
    return 1;
}

static const luaL_Reg hash_functions[] = {
    {"sha256", hash_sha256_of}, {"hmac_sha256", hash_hmac_sha256_of}, {NULL, NULL}};
const struct lua_module lua_module_hash = {"hash", hash_functions, NULL};

/* ---- url ---- */

static bool is_unreserved(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c && strchr("-._~", c));
}

static int url_escape(lua_State *L)
{
    struct str text = lua_arg_str(L, 1);
    luaL_Buffer out;

    lua_budget_charge(L, text.len / 2);
    luaL_buffinit(L, &out);
    for (size_t i = 0; i < text.len; i++) {
        char hex[4];
        if (is_unreserved(text.ptr[i]))
            luaL_addchar(&out, text.ptr[i]);
        else
            luaL_addlstring(&out, hex, (size_t)snprintf(hex, sizeof hex, "%%%02X", (uint8_t)text.ptr[i]));
    }
    luaL_pushresult(&out);
    return 1;
}

static int url_unescape(lua_State *L)
{
    struct str text = lua_arg_str(L, 1);
    luaL_Buffer out;

    lua_budget_charge(L, text.len / 2);
    luaL_buffinit(L, &out);
    for (size_t i = 0; i < text.len; i++) {
        uint8_t byte;
        if (text.ptr[i] == '%' && i + 2 < text.len && id_unhex((struct str){text.ptr + i + 1, 2}, &byte, 1)) {
            luaL_addchar(&out, (char)byte);
            i += 2;
        } else {
            luaL_addchar(&out, text.ptr[i]);
        }
    }
    luaL_pushresult(&out);
    return 1;
}

/* Cuts what stands behind the first `mark` off *rest and sets it as a field of the table on top. */
LUA_RAISES static void cut_after(lua_State *L, struct str *rest, char mark, const char *field)
{
    const char *at = rest->len > 0 ? memchr(rest->ptr, mark, rest->len) : NULL;
    size_t before;

    if (!at)
        return;
    before = (size_t)(at - rest->ptr);
    lua_pushlstring(L, at + 1, rest->len - before - 1);
    lua_setfield(L, -2, field);
    rest->len = before;
}

/* host, user and port of the part between // and the path. False: the port is none. */
LUA_RAISES static bool set_authority(lua_State *L, struct str authority)
{
    const char *at = memrchr(authority.ptr, '@', authority.len), *colon;
    struct str host = authority;

    if (at) {
        lua_pushlstring(L, authority.ptr, (size_t)(at - authority.ptr));
        lua_setfield(L, -2, "user");
        host = (struct str){at + 1, authority.len - (size_t)(at - authority.ptr) - 1};
    }
    colon = memrchr(host.ptr, ':', host.len);
    if (colon && !memchr(colon, ']', host.len - (size_t)(colon - host.ptr))) {
        lua_Integer port = 0;
        const char *digit = colon + 1, *end = host.ptr + host.len;
        if (end - digit < 1 || end - digit > 5)
            return false;
        for (; digit < end; digit++) {
            if (*digit < '0' || *digit > '9')
                return false;
            port = port * 10 + *digit - '0';
        }
        lua_pushinteger(L, port);
        lua_setfield(L, -2, "port");
        host.len = (size_t)(colon - host.ptr);
    }
    if (host.len >= 2 && host.ptr[0] == '[' && host.ptr[host.len - 1] == ']')
        host = (struct str){host.ptr + 1, host.len - 2};
    lua_pushlstring(L, host.ptr, host.len);
    lua_setfield(L, -2, "host");
    return true;
}

static size_t scheme_length(struct str text)
{
    size_t len = strspn(text.ptr, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+-.");

    return len > 0 && len + 2 < text.len && memcmp(text.ptr + len, "://", 3) == 0 ? len : 0;
}

static int url_parse(lua_State *L)
{
    struct str text = lua_arg_str(L, 1), rest = text;
    size_t scheme = scheme_length(text);
    const char *slash;

    lua_budget_charge(L, 20 + text.len / 8);
    if (scheme == 0)
        return lua_fail(L, "not a URL: no scheme://");
    lua_createtable(L, 0, 7);
    lua_pushlstring(L, text.ptr, scheme);
    lua_setfield(L, -2, "scheme");
    rest = (struct str){text.ptr + scheme + 3, text.len - scheme - 3};
    cut_after(L, &rest, '#', "fragment");
    cut_after(L, &rest, '?', "query");
    slash = memchr(rest.ptr, '/', rest.len);
    if (slash) {
        lua_pushlstring(L, slash, rest.len - (size_t)(slash - rest.ptr));
        rest.len = (size_t)(slash - rest.ptr);
    } else {
        lua_pushliteral(L, "");
    }
    lua_setfield(L, -2, "path");
    if (!set_authority(L, rest))
        return lua_fail(L, "not a URL: the port is no number");
    return 1;
}

static const luaL_Reg url_functions[] = {
    {"escape", url_escape}, {"unescape", url_unescape}, {"parse", url_parse}, {NULL, NULL}};
const struct lua_module lua_module_url = {"url", url_functions, NULL};
