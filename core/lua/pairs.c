/* Walking tables in an order that depends on nothing but their keys. */
#include <stdlib.h>

#include "lua/state.h"

#define KEYS_MAX 10000

struct key {
    enum { KEY_NUMBER, KEY_STRING, KEY_FALSE, KEY_TRUE } rank;
    bool is_integer;
    lua_Integer integer;
    lua_Number number;
    struct str text; /* borrowed: the table holds it */
    int at;          /* in the unsorted list, 1-based */
};

static int compare_numbers(const struct key *a, const struct key *b)
{
    /* An integer and a float that is none never lie closer than a double can tell. */
    if (a->is_integer && b->is_integer)
        return (a->integer > b->integer) - (a->integer < b->integer);
    return (a->number > b->number) - (a->number < b->number);
}

static int compare(const void *left, const void *right)
{
    const struct key *a = left, *b = right;

    if (a->rank != b->rank)
        return a->rank < b->rank ? -1 : 1;
    if (a->rank == KEY_NUMBER)
        return compare_numbers(a, b);
    return a->rank == KEY_STRING ? str_compare(a->text, b->text) : 0;
}

/* Reads the key at -2. */
LUA_RAISES static void read_key(lua_State *L, struct key *key, int at)
{
    key->at = at;
    switch (lua_type(L, -2)) {
    case LUA_TNUMBER:
        key->rank = KEY_NUMBER;
        key->is_integer = lua_isinteger(L, -2);
        key->integer = lua_tointeger(L, -2);
        key->number = lua_tonumber(L, -2);
        return;
    case LUA_TSTRING:
        key->rank = KEY_STRING;
        key->text.ptr = lua_tolstring(L, -2, &key->text.len);
        return;
    case LUA_TBOOLEAN:
        key->rank = lua_toboolean(L, -2) ? KEY_TRUE : KEY_FALSE;
        return;
    default:
        luaL_error(
            L, "pairs: a key that is a %s has no place in a sorted order; use numbers, strings or booleans",
            luaL_typename(L, -2));
    }
}

LUA_RAISES static size_t count_keys(lua_State *L, int table)
{
    size_t count = 0;

    for (lua_pushnil(L); lua_next(L, table); lua_pop(L, 1))
        if (++count > KEYS_MAX)
            luaL_error(L, "pairs: more than %d keys", KEYS_MAX);
    lua_budget_charge(L, 10 + 12 * count);
    return count;
}

size_t lua_sorted_keys(lua_State *L, int idx)
{
    int table = lua_absindex(L, idx), sorted, unsorted, at = 0;
    size_t count;
    struct key *keys;

    luaL_checkstack(L, 8, "pairs");
    count = count_keys(L, table);
    lua_createtable(L, (int)count, 0);
    sorted = lua_gettop(L);
    lua_createtable(L, (int)count, 0);
    unsorted = lua_gettop(L);
    keys = lua_newuserdatauv(L, count * sizeof *keys + 1, 0);
    for (lua_pushnil(L); lua_next(L, table); lua_pop(L, 1)) {
        read_key(L, &keys[at], at + 1);
        lua_pushvalue(L, -2);
        lua_rawseti(L, unsorted, ++at);
    }
    qsort(keys, count, sizeof *keys, compare);
    for (size_t i = 0; i < count; i++) {
        lua_rawgeti(L, unsorted, keys[i].at);
        lua_rawseti(L, sorted, (lua_Integer)i + 1);
    }
    lua_settop(L, sorted);
    return count;
}

/* Upvalues: the table, its sorted keys, the position. A key whose value went away meanwhile is passed over.
 */
static int next_pair(lua_State *L)
{
    lua_Integer at = lua_tointeger(L, lua_upvalueindex(3));

    lua_settop(L, 0);
    for (;;) {
        lua_settop(L, 0);
        if (lua_rawgeti(L, lua_upvalueindex(2), ++at) == LUA_TNIL)
            return 1;
        lua_pushvalue(L, 1);
        if (lua_rawget(L, lua_upvalueindex(1)) != LUA_TNIL)
            break;
    }
    lua_pushinteger(L, at);
    lua_replace(L, lua_upvalueindex(3));
    return 2;
}

static int pairs_done(lua_State *L, int status, lua_KContext context)
{
    (void)L;
    (void)status;
    (void)context;
    return 3;
}

static int sorted_pairs(lua_State *L)
{
    luaL_checkany(L, 1);
    lua_settop(L, 1);
    if (!lua_frozen_target(L, 1) && luaL_getmetafield(L, 1, "__pairs") != LUA_TNIL) {
        lua_insert(L, 1);
        lua_callk(L, 1, 3, 0, pairs_done);
        return 3;
    }
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_sorted_keys(L, 1);
    lua_pushinteger(L, 0);
    lua_pushcclosure(L, next_pair, 3);
    return 1;
}

void lua_open_pairs(lua_State *L)
{
    lua_pushcfunction(L, sorted_pairs);
}
