/* JSON text as plain values of Lua: what policies and agents get. One parser a state; what it holds is the
 * runtime's, so that an error or a kill anywhere below leaves nothing behind. */
#include "base/json_tape.h"
#include "lua/state.h"

#define DEPTH_MAX 32

LUA_RAISES static bool push_value(lua_State *L, struct json_cursor c, size_t at);

/* Nulls are left out: a table cannot hold nil. */
LUA_RAISES static void push_array(lua_State *L, struct json_cursor c, size_t at)
{
    size_t end = json_end(c, at);
    lua_Integer place = 0;
    int count = 0;

    for (size_t item = json_enter(c, at); item < end; item = json_skip(c, item))
        count++;
    lua_createtable(L, count, 0);
    for (size_t item = json_enter(c, at); item < end; item = json_skip(c, item))
        if (push_value(L, c, item))
            lua_rawseti(L, -2, ++place);
}

LUA_RAISES static void push_object(lua_State *L, struct json_cursor c, size_t at)
{
    size_t end = json_end(c, at), value;
    int count = 0;

    for (size_t key = json_enter(c, at); key < end; key = json_skip(c, key + 1))
        count++;
    lua_createtable(L, 0, count);
    for (size_t key = json_enter(c, at); key < end; key = json_skip(c, value)) {
        struct str name = json_string(c, key);

        value = key + 1;
        if (json_at(c, value) == JSON_NULL)
            continue;
        lua_pushlstring(L, name.ptr, name.len);
        push_value(L, c, value);
        lua_rawset(L, -3);
    }
}

/* False, and nothing pushed, for null. */
static bool push_value(lua_State *L, struct json_cursor c, size_t at)
{
    enum json_type type = json_at(c, at);
    struct str text;

    lua_budget_charge(L, 4);
    switch (type) {
    case JSON_NULL:
        return false;
    case JSON_TRUE:
    case JSON_FALSE:
        lua_pushboolean(L, type == JSON_TRUE);
        return true;
    case JSON_INT:
        lua_pushinteger(L, json_int(c, at));
        return true;
    case JSON_UINT:
        lua_pushnumber(L, (lua_Number)json_uint(c, at));
        return true;
    case JSON_DOUBLE:
        lua_pushnumber(L, json_double(c, at));
        return true;
    case JSON_STRING:
        text = json_string(c, at);
        lua_pushlstring(L, text.ptr, text.len);
        return true;
    case JSON_ARRAY:
    case JSON_OBJECT:
        luaL_checkstack(L, 4, "JSON");
        (type == JSON_ARRAY ? push_array : push_object)(L, c, at);
        return true;
    }
    return false;
}

/* The parser reads beyond the end, where a caller's text has nothing: hence the copy. */
static int parse(struct lua_runtime *runtime, struct str text, struct err *err)
{
    static const char padding[JSON_TAPE_PADDING] = {0};
    struct str copy;
    unsigned repairs;

    if (text.len > LUA_JSON_MAX)
        return err_set(err, ERR_LIMIT, "%zu bytes of JSON; at most %zu", text.len, LUA_JSON_MAX);
    if (!runtime->json)
        runtime->json = json_tape_new(LUA_JSON_MAX, DEPTH_MAX);
    buf_clear(&runtime->json_text);
    buf_reserve(&runtime->json_text, text.len + sizeof padding);
    buf_put(&runtime->json_text, text);
    buf_add(&runtime->json_text, padding, sizeof padding);
    copy = (struct str){runtime->json_text.ptr, text.len};
    return json_tape_parse(runtime->json, copy, &repairs, err);
}

void lua_push_json(lua_State *L, struct str text)
{
    struct lua_runtime *runtime = lua_runtime_of(L);
    struct err err = {0};

    luaL_checkstack(L, 4, "JSON");
    lua_budget_charge(L, 10 + text.len / 16);
    if (text.len == 0) {
        lua_pushnil(L);
        return;
    }
    if (parse(runtime, text, &err) != 0)
        luaL_error(L, "%s", err.message);
    if (!push_value(L, json_tape_cursor(runtime->json), json_tape_root()))
        lua_pushnil(L);
}
