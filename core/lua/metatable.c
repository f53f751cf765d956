/* setmetatable for rules. The object gets a checked copy of the metatable, kept per metatable, because what
 * is checked must stay so: a finalizer runs where no hook reaches, weak tables make results depend on the
 * collector (and its cost quadratic), and a chain of __call tables is walked inside the VM, quadratically. */
#include "lua/state.h"

static const char copies_key; /* registry: metatable -> copy, weak keys */

/* Names that must be functions, and those that may also be something else. */
static const char *const functions[] = {"__call",   "__tostring", "__len",  "__eq",    "__lt",    "__le",
                                        "__concat", "__unm",      "__add",  "__sub",   "__mul",   "__div",
                                        "__mod",    "__pow",      "__idiv", "__band",  "__bor",   "__bxor",
                                        "__shl",    "__shr",      "__bnot", "__close", "__pairs", NULL};
static const char *const values[] = {"__index", "__newindex", "__name", "__metatable", NULL};
static const char *const refused[][2] = {
    {"__gc", "__gc is not available to rules: nothing may run when memory is freed"},
    {"__mode", "weak tables are not available to rules: results must not depend on when memory is freed"},
};

LUA_RAISES static void refuse_names(lua_State *L)
{
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
        lua_pushstring(L, refused[i][0]);
        if (lua_rawget(L, 2) != LUA_TNIL)
            luaL_error(L, "%s", refused[i][1]);
        lua_pop(L, 1);
    }
}

/* Copies names from the metatable at 2 to the copy on top. */
LUA_RAISES static void copy_names(lua_State *L, const char *const *names, bool only_functions)
{
    for (; *names; names++) {
        lua_pushstring(L, *names);
        lua_pushvalue(L, -1);
        if (lua_rawget(L, 2) != LUA_TNIL && only_functions && !lua_isfunction(L, -1))
            luaL_error(L, "%s must be a function", *names);
        lua_rawset(L, -3);
    }
}

/* Pushes the copy that belongs to the metatable at 2. */
LUA_RAISES static void push_copy(lua_State *L)
{
    lua_rawgetp(L, LUA_REGISTRYINDEX, &copies_key);
    lua_pushvalue(L, 2);
    if (lua_rawget(L, -2) == LUA_TNIL) {
        lua_pop(L, 1);
        lua_newtable(L);
        lua_pushvalue(L, 2);
        lua_pushvalue(L, -2);
        lua_rawset(L, -4);
    }
    lua_remove(L, -2);
    copy_names(L, functions, true);
    copy_names(L, values, false);
}

static int set_metatable(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    luaL_argexpected(L, lua_isnil(L, 2) || lua_istable(L, 2), 2, "nil or table");
    if (luaL_getmetafield(L, 1, "__metatable") != LUA_TNIL)
        return luaL_error(L, "cannot change a protected metatable");
    lua_settop(L, 2);
    if (lua_istable(L, 2)) {
        refuse_names(L);
        push_copy(L);
    } else {
        lua_pushnil(L);
    }
    lua_setmetatable(L, 1);
    lua_settop(L, 1);
    return 1;
}

void lua_open_setmetatable(lua_State *L)
{
    lua_newtable(L);
    lua_createtable(L, 0, 1);
    lua_pushliteral(L, "k");
    lua_setfield(L, -2, "__mode");
    lua_setmetatable(L, -2);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &copies_key);
    lua_pushcfunction(L, set_metatable);
}
