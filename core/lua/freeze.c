/* Read-only views: an empty table whose metatable reads through to the real one. Nothing a rule has can write
 * past it: there is no rawset, and the functions of `table` refuse it. */
#include "lua/state.h"
#include "base/text.h"

static const char frozen_key; /* its address: metatable field that holds the table behind a view */

#define DEPTH_MAX 32

static int frozen_write(lua_State *L)
{
    struct str key = lua_sandbox_text(L, 2);

    return luaL_error(L, "%s.%s is read-only", lua_tostring(L, lua_upvalueindex(1)), key.ptr);
}

static int frozen_len(lua_State *L)
{
    if (lua_frozen_target(L, 1))
        lua_pushinteger(L, (lua_Integer)lua_rawlen(L, 1));
    else
        lua_pushinteger(L, 0);
    return 1;
}

/* __index behind the table of a library: reached only by names that it lacks. */
static int missing_member(lua_State *L)
{
    const char *names[96], *library = lua_tostring(L, lua_upvalueindex(1)), *nearest;
    size_t count = 0;
    struct str key = lua_sandbox_text(L, 2);

    if (strcmp(library, "string") == 0 && str_is(key, "dump"))
        return luaL_error(L, "string.dump is not available to rules: code is text only");
    if (strcmp(library, "math") == 0 && str_starts(key, STR("random")))
        return luaL_error(L, "math.%s is not available to rules: a rule gives the same answer each time",
                          key.ptr);
    for (lua_pushnil(L); count < 96 && lua_next(L, 1); lua_pop(L, 1))
        if (lua_type(L, -2) == LUA_TSTRING)
            names[count++] = lua_tostring(L, -2);
    nearest = text_nearest(key, names, count);
    if (nearest)
        return luaL_error(L, "%s has no \"%s\"; did you mean %s.%s?", library, key.ptr, library, nearest);
    return luaL_error(L, "%s has no \"%s\"", library, key.ptr);
}

/* The table on top reports names that it lacks. */
LUA_RAISES static void make_strict(lua_State *L, const char *name)
{
    lua_createtable(L, 0, 1);
    lua_pushstring(L, name);
    lua_pushcclosure(L, missing_member, 1);
    lua_setfield(L, -2, "__index");
    lua_setmetatable(L, -2);
}

void lua_freeze(lua_State *L, const char *name, bool strict)
{
    if (strict)
        make_strict(L, name);
    lua_newtable(L);
    lua_createtable(L, 0, 5);
    lua_pushvalue(L, -3);
    lua_setfield(L, -2, "__index");
    lua_pushstring(L, name);
    lua_pushcclosure(L, frozen_write, 1);
    lua_setfield(L, -2, "__newindex");
    lua_pushboolean(L, 0);
    lua_setfield(L, -2, "__metatable");
    lua_pushcfunction(L, frozen_len);
    lua_setfield(L, -2, "__len");
    lua_pushvalue(L, -3);
    lua_rawsetp(L, -2, &frozen_key);
    lua_setmetatable(L, -2);
    lua_remove(L, -2);
}

bool lua_frozen_target(lua_State *L, int idx)
{
    bool frozen = false;

    idx = lua_absindex(L, idx);
    if (lua_type(L, idx) != LUA_TTABLE || !lua_getmetatable(L, idx))
        return false;
    if (lua_rawgetp(L, -1, &frozen_key) == LUA_TTABLE) {
        lua_pushvalue(L, -1);
        lua_replace(L, idx);
        frozen = true;
    }
    lua_pop(L, 2);
    return frozen;
}

static bool is_plain(lua_State *L, int idx)
{
    if (lua_type(L, idx) != LUA_TTABLE)
        return false;
    if (!lua_getmetatable(L, idx))
        return true;
    lua_pop(L, 1);
    return false;
}

/* Replaces the plain table on top by its view, subtables first. `seen` (a stack index) maps tables to views,
 * so that a table that occurs twice, or holds itself, has one view. */
LUA_RAISES static void freeze_tree(lua_State *L, const char *name, int seen, int depth)
{
    int table = lua_gettop(L);

    luaL_checkstack(L, 8, "module");
    if (depth > DEPTH_MAX)
        luaL_error(L, "module %s: tables nested deeper than %d", name, DEPTH_MAX);
    lua_pushvalue(L, table);
    lua_freeze(L, name, false);
    lua_pushvalue(L, table);
    lua_pushvalue(L, -2);
    lua_rawset(L, seen);
    for (lua_pushnil(L); lua_next(L, table); lua_pop(L, 1)) {
        if (!is_plain(L, -1))
            continue;
        lua_budget_charge(L, 20);
        lua_pushvalue(L, -1);
        if (lua_rawget(L, seen) == LUA_TNIL) {
            lua_pop(L, 1);
            lua_pushvalue(L, -1);
            freeze_tree(L, name, seen, depth + 1);
        }
        lua_pushvalue(L, -3);
        lua_insert(L, -2);
        lua_rawset(L, table); /* an existing key: lua_next may go on */
    }
    lua_replace(L, table);
}

void lua_freeze_deep(lua_State *L, const char *name)
{
    int value = lua_gettop(L);

    if (!is_plain(L, value))
        return;
    lua_newtable(L);
    lua_pushvalue(L, value);
    freeze_tree(L, name, value + 1, 1);
    lua_replace(L, value);
    lua_settop(L, value);
}
