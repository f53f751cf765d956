/* `table` for rules. The stock functions loop in C over whatever length a script claims and call its
 * metamethods while at it; these work raw on plain tables, and pay for each element. */
#include <lualib.h>

#include "lua/state.h"

#define UNPACK_MAX 10000
#define RANGE_MAX  1000000

/* The table at arg 1, raw. `write`: a view cannot be changed. */
LUA_RAISES static lua_Integer plain_table(lua_State *L, const char *what, bool write)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    if (!write && lua_frozen_target(L, 1))
        return (lua_Integer)lua_rawlen(L, 1);
    if (lua_getmetatable(L, 1)) {
        static const char *const refused[] = {"__len", "__index", "__newindex"};
        for (int i = 0; i < 3; i++) {
            lua_pushstring(L, refused[i]);
            if (lua_rawget(L, -2) != LUA_TNIL)
                luaL_error(L, "table.%s takes plain tables; this one has %s", what, refused[i]);
            lua_pop(L, 1);
        }
        lua_pop(L, 1);
    }
    return (lua_Integer)lua_rawlen(L, 1);
}

/* t[to] = t[from] */
static void move_one(lua_State *L, lua_Integer from, lua_Integer to)
{
    lua_budget_charge(L, 3);
    lua_rawgeti(L, 1, from);
    lua_rawseti(L, 1, to);
}

static int table_insert(lua_State *L)
{
    lua_Integer end = plain_table(L, "insert", true) + 1, at = end;

    lua_budget_charge(L, 1);
    switch (lua_gettop(L)) {
    case 2:
        break;
    case 3:
        at = luaL_checkinteger(L, 2);
        luaL_argcheck(L, at >= 1 && at <= end, 2, "position out of bounds");
        for (lua_Integer i = end; i > at; i--)
            move_one(L, i - 1, i);
        break;
    default:
        return luaL_error(L, "wrong number of arguments to 'insert'");
    }
    lua_rawseti(L, 1, at);
    return 0;
}

static int table_remove(lua_State *L)
{
    lua_Integer size = plain_table(L, "remove", true);
    lua_Integer at = luaL_optinteger(L, 2, size);

    if (at != size)
        luaL_argcheck(L, (lua_Unsigned)at - 1u <= (lua_Unsigned)size, 2, "position out of bounds");
    lua_rawgeti(L, 1, at);
    for (; at < size; at++)
        move_one(L, at + 1, at);
    lua_pushnil(L);
    lua_rawseti(L, 1, at);
    return 1;
}

LUA_RAISES static lua_Integer checked_range(lua_State *L, const char *what, lua_Integer from, lua_Integer to,
                                            lua_Integer max)
{
    if (from > to)
        return 0;
    if ((lua_Unsigned)to - (lua_Unsigned)from >= (lua_Unsigned)max)
        luaL_error(L, "table.%s: more than %I elements", what, (LUAI_UACINT)max);
    return to - from + 1;
}

static int table_concat(lua_State *L)
{
    lua_Integer size = plain_table(L, "concat", false);
    size_t separator_len;
    const char *separator = luaL_optlstring(L, 2, "", &separator_len);
    lua_Integer from = luaL_optinteger(L, 3, 1), to = luaL_optinteger(L, 4, size);
    lua_Integer count = checked_range(L, "concat", from, to, RANGE_MAX);
    luaL_Buffer out;

    lua_settop(L, 2);
    luaL_buffinit(L, &out);
    for (lua_Integer i = 0; i < count; i++) {
        lua_budget_charge(L, 3);
        if (i > 0)
            luaL_addlstring(&out, separator, separator_len);
        lua_rawgeti(L, 1, from + i);
        if (!lua_isstring(L, -1))
            return luaL_error(L, "invalid value (%s) at index %I in table for 'concat'", luaL_typename(L, -1),
                              (LUAI_UACINT)(from + i));
        luaL_addvalue(&out);
        if (luaL_bufflen(&out) > LUA_STRING_MAX)
            return luaL_error(L, "table.concat: the text grows beyond 1 MiB");
    }
    luaL_pushresult(&out);
    return 1;
}

static int table_unpack(lua_State *L)
{
    lua_Integer size = plain_table(L, "unpack", false);
    lua_Integer from = luaL_optinteger(L, 2, 1), to = luaL_optinteger(L, 3, size);
    lua_Integer count = checked_range(L, "unpack", from, to, UNPACK_MAX);

    lua_budget_charge(L, (size_t)count);
    luaL_checkstack(L, (int)count, "table.unpack");
    for (lua_Integer i = 0; i < count; i++)
        lua_rawgeti(L, 1, from + i);
    return (int)count;
}

/* Like the stock one: a1[f..e] to t, t+1, … of a1 or of the table at 5. */
static int table_move(lua_State *L)
{
    lua_Integer from = luaL_checkinteger(L, 2), end = luaL_checkinteger(L, 3), to = luaL_checkinteger(L, 4);
    lua_Integer count = checked_range(L, "move", from, end, RANGE_MAX);
    int target = lua_isnoneornil(L, 5) ? 1 : 5;
    bool backwards;

    if (target == 5) { /* both are checked as argument 1 */
        lua_pushvalue(L, 1);
        lua_pushvalue(L, 5);
        lua_replace(L, 1);
        plain_table(L, "move", true);
        lua_replace(L, 1);
    }
    plain_table(L, "move", target == 1);
    luaL_argcheck(L, count == 0 || to <= LUA_MAXINTEGER - count + 1, 4, "destination wrap around");
    backwards = target == 1 && to > from && to <= end;
    for (lua_Integer i = 0; i < count; i++) {
        lua_Integer offset = backwards ? count - 1 - i : i;
        lua_budget_charge(L, 3);
        lua_rawgeti(L, 1, from + offset);
        lua_rawseti(L, target, to + offset);
    }
    lua_pushvalue(L, target);
    return 1;
}

/* ---- sort: a heap sort, so that no comparator, however odd, can make it run longer than n log n ---- */

/* Is the value at `a` before the one at `b` (stack indexes)? */
LUA_RAISES static bool before(lua_State *L, int a, int b)
{
    bool result;

    lua_budget_charge(L, 5);
    if (lua_isnil(L, 2)) {
        if (lua_type(L, a) == LUA_TSTRING && lua_type(L, b) == LUA_TSTRING)
            lua_budget_charge(L, lua_rawlen(L, a) / 16);
        return lua_compare(L, a, b, LUA_OPLT);
    }
    lua_pushvalue(L, 2);
    lua_pushvalue(L, a);
    lua_pushvalue(L, b);
    lua_call(L, 2, 1);
    result = lua_toboolean(L, -1);
    lua_pop(L, 1);
    return result;
}

/* Lets the value at 3 sink from `hole` in the heap of 1..size. */
LUA_RAISES static void sink(lua_State *L, lua_Integer hole, lua_Integer size)
{
    for (;;) {
        lua_Integer child = 2 * hole;

        lua_settop(L, 3);
        if (child > size)
            break;
        lua_rawgeti(L, 1, child);
        if (child < size) {
            lua_rawgeti(L, 1, child + 1);
            if (before(L, 4, 5)) {
                lua_replace(L, 4);
                child++;
            }
        }
        lua_settop(L, 4);
        if (!before(L, 3, 4))
            break;
        lua_rawseti(L, 1, hole);
        hole = child;
    }
    lua_settop(L, 3);
    lua_rawseti(L, 1, hole);
}

static int table_sort(lua_State *L)
{
    lua_Integer size = plain_table(L, "sort", true);

    if (!lua_isnoneornil(L, 2))
        luaL_checktype(L, 2, LUA_TFUNCTION);
    lua_settop(L, 2);
    for (lua_Integer i = size / 2; i >= 1; i--) {
        lua_rawgeti(L, 1, i);
        sink(L, i, size);
    }
    for (lua_Integer last = size; last > 1; last--) {
        lua_rawgeti(L, 1, last);
        lua_rawgeti(L, 1, 1);
        lua_rawseti(L, 1, last);
        sink(L, 1, last - 1);
    }
    return 0;
}

void lua_open_table(lua_State *L)
{
    static const luaL_Reg own[] = {{"insert", table_insert},
                                   {"remove", table_remove},
                                   {"concat", table_concat},
                                   {"unpack", table_unpack},
                                   {"move", table_move},
                                   {"sort", table_sort},
                                   {NULL, NULL}};

    lua_newtable(L);
    luaL_setfuncs(L, own, 0);
    luaL_requiref(L, LUA_TABLIBNAME, luaopen_table, 0);
    lua_getfield(L, -1, "pack");
    lua_setfield(L, -3, "pack");
    lua_pop(L, 1);
}
