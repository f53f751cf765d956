/* json: documents of moderate size, both ways. */
#include <math.h>

#include "base/json.h"
#include "lua/state.h"

#define TEXT_MAX  ((size_t)256 << 10)
#define DEPTH_MAX 32

/* ---- decode ---- */

static int free_document(lua_State *L)
{
    struct json **document = lua_touserdata(L, 1);

    json_free(*document);
    *document = NULL;
    return 0;
}

/* Pushes the userdata that frees the document, whatever happens. */
LUA_RAISES static struct json **push_holder(lua_State *L)
{
    struct json **document = lua_newuserdatauv(L, sizeof *document, 0);

    *document = NULL;
    if (luaL_newmetatable(L, "lunette.json")) {
        lua_pushcfunction(L, free_document);
        lua_setfield(L, -2, "__gc");
    }
    lua_setmetatable(L, -2);
    return document;
}

LUA_RAISES static void push_json(lua_State *L, const struct json *value);

LUA_RAISES static void push_array(lua_State *L, const struct json *value)
{
    size_t count = json_count(value);

    lua_createtable(L, (int)count, 0);
    for (size_t i = 0; i < count; i++) {
        push_json(L, json_item(value, i));
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
}

LUA_RAISES static void push_object(lua_State *L, const struct json *value)
{
    const struct json *member;
    struct str key;

    lua_createtable(L, 0, (int)json_count(value));
    for (void *at = NULL; json_next(value, &at, &key, &member);) {
        lua_pushlstring(L, key.ptr, key.len);
        push_json(L, member);
        lua_rawset(L, -3);
    }
}

LUA_RAISES static void push_json(lua_State *L, const struct json *value)
{
    struct str text = {"", 0};
    int64_t integer = 0;
    double number = 0;
    bool truth = false;

    luaL_checkstack(L, 8, "json");
    lua_budget_charge(L, 10);
    switch (json_kind(value)) {
    case JSON_KIND_NULL:
        lua_push_null(L);
        return;
    case JSON_KIND_BOOL:
        json_as_bool(value, &truth);
        lua_pushboolean(L, truth);
        return;
    case JSON_KIND_INT:
        json_as_int(value, &integer);
        lua_pushinteger(L, integer);
        return;
    case JSON_KIND_DOUBLE:
        json_as_double(value, &number);
        lua_pushnumber(L, number);
        return;
    case JSON_KIND_STRING:
        json_as_str(value, &text);
        lua_pushlstring(L, text.ptr, text.len);
        return;
    case JSON_KIND_ARRAY:
        push_array(L, value);
        return;
    case JSON_KIND_OBJECT:
        push_object(L, value);
        return;
    }
}

static int json_decode(lua_State *L)
{
    static const struct json_limits limits = {TEXT_MAX, DEPTH_MAX, true};
    struct str text = lua_arg_str(L, 1);
    struct json **document;
    struct err err = {0};

    lua_budget_charge(L, 10 + text.len / 2);
    document = push_holder(L);
    *document = json_parse(text, &limits, &err);
    if (!*document)
        return lua_fail(L, err.message);
    push_json(L, *document);
    json_free(*document);
    *document = NULL;
    return 1;
}

/* ---- encode: raw, into a buf that the stack anchors ---- */

LUA_RAISES static void put_json(lua_State *L, int idx, struct buf *out, int depth);

LUA_RAISES static void put_list(lua_State *L, int idx, size_t count, struct buf *out, int depth)
{
    buf_putc(out, '[');
    for (size_t i = 1; i <= count; i++) {
        if (i > 1)
            buf_putc(out, ',');
        lua_rawgeti(L, idx, (lua_Integer)i);
        put_json(L, lua_gettop(L), out, depth + 1);
        lua_pop(L, 1);
    }
    buf_putc(out, ']');
}

LUA_RAISES static void put_object(lua_State *L, int idx, struct buf *out, int depth)
{
    size_t count = lua_sorted_keys(L, idx);
    int keys = lua_gettop(L);

    buf_putc(out, '{');
    for (size_t i = 1; i <= count; i++) {
        if (i > 1)
            buf_putc(out, ',');
        if (lua_rawgeti(L, keys, (lua_Integer)i) != LUA_TSTRING)
            luaL_error(L, "json.encode: a table has names or positions 1 to n, not both and nothing else");
        buf_json_string(out, lua_arg_str(L, -1));
        buf_putc(out, ':');
        lua_rawget(L, idx);
        put_json(L, lua_gettop(L), out, depth + 1);
        lua_pop(L, 1);
    }
    buf_putc(out, '}');
    lua_pop(L, 1);
}

static bool is_list(lua_State *L, int idx, size_t count)
{
    size_t keys = 0;

    if (count == 0)
        return false;
    for (lua_pushnil(L); lua_next(L, idx); lua_pop(L, 1))
        keys++;
    return keys == count;
}

LUA_RAISES static void put_table(lua_State *L, int idx, struct buf *out, int depth)
{
    size_t count;

    if (depth >= DEPTH_MAX)
        luaL_error(L, "json.encode: tables nested deeper than %d, or one inside itself", DEPTH_MAX);
    lua_frozen_target(L, idx);
    count = lua_rawlen(L, idx);
    lua_budget_charge(L, 10 + 10 * count);
    if (is_list(L, idx, count))
        put_list(L, idx, count, out, depth);
    else
        put_object(L, idx, out, depth);
}

LUA_RAISES static void put_number(lua_State *L, int idx, struct buf *out)
{
    if (lua_isinteger(L, idx))
        buf_printf(out, "%lld", (long long)lua_tointeger(L, idx));
    else if (isfinite(lua_tonumber(L, idx)))
        buf_json_double(out, lua_tonumber(L, idx));
    else
        luaL_error(L, "json.encode: JSON has no infinity and no NaN");
}

LUA_RAISES static void put_json(lua_State *L, int idx, struct buf *out, int depth)
{
    struct str text;

    luaL_checkstack(L, 8, "json");
    switch (lua_type(L, idx)) {
    case LUA_TNIL:
        buf_puts(out, "null");
        break;
    case LUA_TBOOLEAN:
        buf_puts(out, lua_toboolean(L, idx) ? "true" : "false");
        break;
    case LUA_TNUMBER:
        put_number(L, idx, out);
        break;
    case LUA_TSTRING:
        text.ptr = lua_tolstring(L, idx, &text.len);
        lua_budget_charge(L, 5 + text.len / 4);
        buf_json_string(out, text);
        break;
    case LUA_TTABLE:
        put_table(L, idx, out, depth);
        break;
    default:
        if (!lua_is_null(L, idx))
            luaL_error(L, "json.encode: a %s has no JSON form", luaL_typename(L, idx));
        buf_puts(out, "null");
    }
    if (out->len > TEXT_MAX)
        luaL_error(L, "json.encode: the text grows beyond 256 KiB");
}

static int json_encode(lua_State *L)
{
    struct buf *out;

    luaL_checkany(L, 1);
    lua_settop(L, 1);
    out = lua_scratch(L);
    put_json(L, 1, out, 0);
    lua_pushlstring(L, out->ptr, out->len);
    return 1;
}

static void add_null(lua_State *L)
{
    lua_push_null(L);
    lua_setfield(L, -2, "null");
}

static const luaL_Reg functions[] = {{"decode", json_decode}, {"encode", json_encode}, {NULL, NULL}};
const struct lua_module lua_module_json = {"json", functions, add_null};
