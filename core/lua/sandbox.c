/* The names that rules have, by allow-list. One environment for all chunks of a state: an empty table that
 * cannot be written, whose __index is the table of allowed names; what that lacks raises, with the reason. */
#include <lualib.h>

#include "base/text.h"
#include "lua/state.h"

static const char environment_key; /* registry: the environment */

static const char *const kept[] = {"assert", "error",  "ipairs",   "pcall",    "select", "tonumber",
                                   "type",   "rawlen", "rawequal", "_VERSION", NULL};

/* Why a standard name is not there, and what there is instead. */
static const char *const absent[][2] = {
    {"io", "rules read and write no files"},
    {"debug", "it would open every other rule"},
    {"coroutine", "the host schedules rules itself"},
    {"load", "code is what stands in files; put it into a module and require it"},
    {"loadstring", "code is what stands in files; put it into a module and require it"},
    {"loadfile", "use require with the name of a module below the rule roots"},
    {"dofile", "use require with the name of a module below the rule roots"},
    {"package", "use require with the name of a module below the rule roots"},
    {"collectgarbage", "the host collects"},
    {"next", "its order is random; use pairs, which is sorted"},
    {"rawget", "shared tables are read-only views"},
    {"rawset", "shared tables are read-only views"},
    {"getmetatable", "metatables are private"},
    {"_G", "there is no table of globals; use locals"},
    {"warn", "use log.warn"},
    {"unpack", "use table.unpack"},
    {"threats", "only agents can ask for threats and wait for the answer"},
    {"observations", "only agents can ask for observations and wait for the answer"},
};

/* Not the stock xpcall: its handler runs with hooks off when it handles the hook's own error, and could loop
 * for ever. Here it runs after unwinding. */
static const char xpcall_source[] = "local pcall, pack, unpack = ...\n"
                                    "return function(f, handler, ...)\n"
                                    "  local r = pack(pcall(f, ...))\n"
                                    "  if r[1] then return unpack(r, 1, r.n) end\n"
                                    "  return false, handler(r[2])\n"
                                    "end\n";

LUA_RAISES static int unknown_text(lua_State *L, struct str name)
{
    const char *names[128], *nearest;
    size_t count = 0;

    for (lua_pushnil(L); count < 100 && lua_next(L, 1); lua_pop(L, 1))
        if (lua_type(L, -2) == LUA_TSTRING)
            names[count++] = lua_tostring(L, -2);
    for (const char *const *dsl = lua_dsl_names; *dsl && count < 128; dsl++)
        names[count++] = *dsl;
    nearest = text_nearest(name, names, count);
    if (nearest)
        return luaL_error(L, "no such name: %s; did you mean %s, or the text \"%s\"?", name.ptr, nearest,
                          name.ptr);
    return luaL_error(L, "no such name: %s; write \"%s\" for the text, or `local %s` before its use",
                      name.ptr, name.ptr, name.ptr);
}

/* __index of the allowed names: (table, name). */
static int unknown_name(lua_State *L)
{
    struct str name;

    if (lua_type(L, 2) != LUA_TSTRING)
        return luaL_error(L, "no such name");
    name = lua_arg_str(L, 2);
    if (lua_dsl_get(L, name.ptr))
        return 1;
    for (size_t i = 0; i < sizeof absent / sizeof absent[0]; i++)
        if (str_is(name, absent[i][0]))
            return luaL_error(L, "%s is not available to rules: %s", absent[i][0], absent[i][1]);
    return unknown_text(L, name);
}

static int global_write(lua_State *L)
{
    struct str name = lua_sandbox_text(L, 2);

    return luaL_error(L, "rules have no globals: write `local %s`", name.ptr);
}

/* ---- tostring ---- */

static bool own_text(lua_State *L, int idx)
{
    if (luaL_getmetafield(L, idx, "__tostring") != LUA_TNIL) {
        lua_pushvalue(L, idx);
        lua_call(L, 1, 1);
        if (lua_type(L, -1) != LUA_TSTRING)
            luaL_error(L, "'__tostring' must return a string");
        return true;
    }
    return luaL_getmetafield(L, idx, "__name") == LUA_TSTRING;
}

struct str lua_sandbox_text(lua_State *L, int idx)
{
    struct str text;
    int top = lua_gettop(L);

    idx = lua_absindex(L, idx);
    if (!own_text(L, idx)) {
        lua_settop(L, top);
        switch (lua_type(L, idx)) {
        case LUA_TNUMBER:
        case LUA_TSTRING:
            lua_pushvalue(L, idx);
            break;
        case LUA_TBOOLEAN:
            lua_pushstring(L, lua_toboolean(L, idx) ? "true" : "false");
            break;
        default:
            lua_pushstring(L, lua_is_null(L, idx) ? "null" : luaL_typename(L, idx));
        }
    }
    text.ptr = lua_tolstring(L, -1, &text.len);
    return text;
}

static int sandbox_tostring(lua_State *L)
{
    luaL_checkany(L, 1);
    lua_sandbox_text(L, 1);
    return 1;
}

/* ---- helpers for all modules ---- */

struct str lua_arg_str(lua_State *L, int arg)
{
    struct str s;

    s.ptr = luaL_checklstring(L, arg, &s.len);
    return s;
}

int lua_fail(lua_State *L, const char *message)
{
    lua_pushnil(L);
    lua_pushstring(L, message);
    return 2;
}

static int free_scratch(lua_State *L)
{
    buf_free(lua_touserdata(L, 1));
    return 0;
}

struct buf *lua_scratch(lua_State *L)
{
    struct buf *buf = lua_newuserdatauv(L, sizeof *buf, 0);

    *buf = BUF_EMPTY;
    if (luaL_newmetatable(L, "lunette.buf")) {
        lua_pushcfunction(L, free_scratch);
        lua_setfield(L, -2, "__gc");
    }
    lua_setmetatable(L, -2);
    return buf;
}

/* ---- putting it together ---- */

/* Lua looks here for the name of a function that it complains about. */
LUA_RAISES static void name_for_messages(lua_State *L, const char *name)
{
    luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
    lua_pushvalue(L, -2);
    lua_setfield(L, -2, name);
    lua_pop(L, 1);
}

/* Adds the view of the library on top to the names below it. */
LUA_RAISES static void add_library(lua_State *L, const char *name)
{
    name_for_messages(L, name);
    lua_freeze(L, name, true);
    lua_setfield(L, -2, name);
}

LUA_RAISES static void add_module(lua_State *L, const struct lua_module *module)
{
    lua_newtable(L);
    luaL_setfuncs(L, module->functions, 0);
    if (module->extra)
        module->extra(L);
    add_library(L, module->name);
}

/* Copies a standard library, but for some names, into a new table on top. */
LUA_RAISES static void copy_library(lua_State *L, const char *name, lua_CFunction open,
                                    const char *const *without)
{
    luaL_requiref(L, name, open, 0);
    lua_newtable(L);
    for (lua_pushnil(L); lua_next(L, -3);) {
        lua_pushvalue(L, -2);
        lua_insert(L, -2);
        lua_rawset(L, -4);
    }
    for (; *without; without++) {
        lua_pushnil(L);
        lua_setfield(L, -2, *without);
    }
    lua_remove(L, -2);
}

LUA_RAISES static void add_libraries(lua_State *L)
{
    static const struct lua_module *const modules[] = {&lua_module_ip,     &lua_module_re,   &lua_module_json,
                                                       &lua_module_base64, &lua_module_hash, &lua_module_url,
                                                       &lua_module_time,   &lua_module_log};
    static const char *const no_math[] = {"random", "randomseed", NULL};
    static const char *const none[] = {NULL};

    lua_open_table(L);
    add_library(L, "table");
    lua_open_string(L);
    add_library(L, "string");
    lua_open_os(L);
    add_library(L, "os");
    copy_library(L, LUA_MATHLIBNAME, luaopen_math, no_math);
    add_library(L, "math");
    copy_library(L, LUA_UTF8LIBNAME, luaopen_utf8, none);
    add_library(L, "utf8");
    for (size_t i = 0; i < sizeof modules / sizeof modules[0]; i++)
        add_module(L, modules[i]);
    if (lua_runtime_of(L)->options.role != LUA_AGENTS)
        return;
    add_module(L, &lua_module_threats);
    add_module(L, &lua_module_observations);
}

LUA_RAISES static void add_base(lua_State *L)
{
    static const luaL_Reg own[] = {{"tostring", sandbox_tostring}, {"print", lua_print},
                                   {"require", lua_require},       {"list", lua_dsl_list},
                                   {"sleep", lua_sleep},           {NULL, NULL}};

    luaL_requiref(L, LUA_GNAME, luaopen_base, 0);
    for (const char *const *name = kept; *name; name++) {
        lua_getfield(L, -1, *name);
        lua_setfield(L, -3, *name);
    }
    lua_pop(L, 1);
    luaL_setfuncs(L, own, 0);
    lua_open_pairs(L);
    lua_setfield(L, -2, "pairs");
    lua_open_setmetatable(L);
    lua_setfield(L, -2, "setmetatable");
}

LUA_RAISES static void add_xpcall(lua_State *L)
{
    if (luaL_loadbufferx(L, xpcall_source, sizeof xpcall_source - 1, "=xpcall", "t") != LUA_OK)
        lua_error(L);
    lua_getfield(L, -2, "pcall");
    luaopen_table(L);
    lua_getfield(L, -1, "pack");
    lua_getfield(L, -2, "unpack");
    lua_remove(L, -3);
    lua_call(L, 3, 1);
    lua_setfield(L, -2, "xpcall");
}

/* All text reaches the functions of `string` by one shared metatable, which nobody can see. */
LUA_RAISES static void protect_strings(lua_State *L)
{
    lua_pushliteral(L, "");
    lua_getmetatable(L, -1);
    lua_getfield(L, -3, "string");
    lua_frozen_target(L, -1);
    lua_setfield(L, -2, "__index");
    lua_pushboolean(L, 0);
    lua_setfield(L, -2, "__metatable");
    lua_pop(L, 2);
}

void lua_sandbox_open(lua_State *L)
{
    lua_newtable(L);
    add_base(L);
    add_libraries(L);
    add_xpcall(L);
    protect_strings(L);
    name_for_messages(L, LUA_GNAME);
    lua_dsl_open(L);
    lua_proxy_open(L);
    lua_createtable(L, 0, 1);
    lua_pushcfunction(L, unknown_name);
    lua_setfield(L, -2, "__index");
    lua_setmetatable(L, -2); /* of the names */

    lua_newtable(L);
    lua_createtable(L, 0, 3);
    lua_pushvalue(L, -3);
    lua_setfield(L, -2, "__index");
    lua_pushcfunction(L, global_write);
    lua_setfield(L, -2, "__newindex");
    lua_pushboolean(L, 0);
    lua_setfield(L, -2, "__metatable");
    lua_setmetatable(L, -2);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &environment_key);
    lua_pop(L, 1);
}

void lua_sandbox_environment(lua_State *L)
{
    lua_rawgetp(L, LUA_REGISTRYINDEX, &environment_key);
}
