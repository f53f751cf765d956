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

/* The members of an object, into the table on top. */
LUA_RAISES static void put_members(lua_State *L, struct json_cursor c, size_t at)
{
    size_t end = json_end(c, at), value;

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

LUA_RAISES static void push_object(lua_State *L, struct json_cursor c, size_t at)
{
    size_t end = json_end(c, at);
    int count = 0;

    for (size_t key = json_enter(c, at); key < end; key = json_skip(c, key + 1))
        count++;
    lua_createtable(L, 0, count);
    put_members(L, c, at);
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

/* Parses what is in runtime->json_text, of which the parser reads more than there is. */
LUA_RAISES static struct json_cursor parse(lua_State *L)
{
    static const char padding[JSON_TAPE_PADDING] = {0};
    struct lua_runtime *runtime = lua_runtime_of(L);
    struct str text = buf_str(&runtime->json_text);
    struct err err = {0};
    unsigned repairs;

    luaL_checkstack(L, 4, "JSON");
    lua_budget_charge(L, 10 + text.len / 16);
    if (!runtime->json)
        runtime->json = json_tape_new(LUA_JSON_MAX, DEPTH_MAX);
    buf_add(&runtime->json_text, padding, sizeof padding);
    text.ptr = runtime->json_text.ptr;
    if (json_tape_parse(runtime->json, text, &repairs, &err) != 0)
        luaL_error(L, "%s", err.message);
    return json_tape_cursor(runtime->json);
}

/* The size is held before the text is copied. */
LUA_RAISES static struct buf *clear_text(lua_State *L, struct str text)
{
    struct buf *copy = &lua_runtime_of(L)->json_text;

    if (text.len > LUA_JSON_MAX)
        luaL_error(L, "%I bytes of JSON; at most %d", (LUAI_UACINT)text.len, (int)LUA_JSON_MAX);
    buf_clear(copy);
    buf_reserve(copy, text.len + 1 + JSON_TAPE_PADDING);
    return copy;
}

void lua_push_json(lua_State *L, struct str text)
{
    if (text.len == 0) {
        lua_pushnil(L);
        return;
    }
    buf_put(clear_text(L, text), text);
    if (!push_value(L, parse(L), json_tape_root()))
        lua_pushnil(L);
}

void lua_add_json(lua_State *L, struct str text, size_t from)
{
    struct buf *copy = clear_text(L, text);

    if (text.len <= from + 1)
        return;
    from += text.ptr[from] == ',';
    buf_putc(copy, '{');
    buf_add(copy, text.ptr + from, text.len - from);
    put_members(L, parse(L), json_tape_root());
}
