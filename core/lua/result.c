/* What a callback returned, read raw: a hostile table must not run anything more. */
#include <math.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/arena.h"
#include "base/buf.h"
#include "lua/state.h"

#define TEXT_MAX ((size_t)64 << 10)

static void wrong(struct lua_result *result, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void wrong(struct lua_result *result, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(result->error, sizeof result->error, format, args);
    va_end(args);
    result->status = LUA_WRONG_TYPE;
}

static void read_text(lua_State *L, const struct lua_call *call, struct lua_result *result,
                      const char *expected)
{
    struct str text;

    if (lua_type(L, -1) != LUA_TSTRING) {
        wrong(result, "returned a %s instead of %s", luaL_typename(L, -1), expected);
        return;
    }
    text.ptr = lua_tolstring(L, -1, &text.len);
    if (text.len > TEXT_MAX) {
        wrong(result, "returned a text of %zu bytes; at most %zu", text.len, TEXT_MAX);
        return;
    }
    result->is_nil = false;
    result->text = arena_dup(call->arena, text);
}

/* ---- flat tables as JSON ---- */

/* The scalar at idx; false: it is none. */
static bool put_scalar(lua_State *L, int idx, struct buf *out)
{
    struct str text;

    switch (lua_type(L, idx)) {
    case LUA_TSTRING:
        text.ptr = lua_tolstring(L, idx, &text.len);
        buf_json_string(out, text);
        return true;
    case LUA_TBOOLEAN:
        buf_puts(out, lua_toboolean(L, idx) ? "true" : "false");
        return true;
    case LUA_TNUMBER:
        if (lua_isinteger(L, idx))
            buf_printf(out, "%lld", (long long)lua_tointeger(L, idx));
        else if (isfinite(lua_tonumber(L, idx)))
            buf_json_double(out, lua_tonumber(L, idx));
        else
            return false;
        return true;
    default:
        return false;
    }
}

/* A list of scalars at idx; a view of a module's table counts as the table. */
static bool put_list(lua_State *L, int idx, struct buf *out)
{
    size_t count;

    lua_frozen_target(L, idx);
    count = lua_rawlen(L, idx);
    buf_putc(out, '[');
    for (size_t i = 1; i <= count && out->len <= TEXT_MAX; i++) {
        bool scalar;

        if (i > 1)
            buf_putc(out, ',');
        lua_rawgeti(L, idx, (lua_Integer)i);
        scalar = put_scalar(L, -1, out);
        lua_pop(L, 1);
        if (!scalar)
            return false;
    }
    buf_putc(out, ']');
    /* Names beside the positions would be lost. */
    lua_pushnil(L);
    while (lua_next(L, idx)) {
        bool position = lua_isinteger(L, -2) && lua_tointeger(L, -2) >= 1 &&
                        lua_tointeger(L, -2) <= (lua_Integer)count;
        lua_pop(L, 1);
        if (!position) {
            lua_pop(L, 1);
            return false;
        }
    }
    return true;
}

/* One name and value; the value is on top. */
static bool put_member(lua_State *L, struct str key, struct buf *out, struct lua_result *result)
{
    bool fits;

    if (out->len > 1)
        buf_putc(out, ',');
    buf_json_string(out, key);
    buf_putc(out, ':');
    fits = lua_type(L, -1) == LUA_TTABLE ? put_list(L, lua_gettop(L), out) : put_scalar(L, -1, out);
    if (!fits)
        wrong(result, "%.100s: a context holds strings, numbers, booleans and lists of them", key.ptr);
    else if (out->len > TEXT_MAX)
        wrong(result, "returned a table of more than %zu bytes", TEXT_MAX);
    return result->status == LUA_DONE;
}

LUA_RAISES static void read_flat(lua_State *L, const struct lua_call *call, struct lua_result *result)
{
    int table = lua_gettop(L);
    struct buf *out;
    size_t count;

    if (!lua_istable(L, table)) {
        wrong(result, "returned a %s instead of a table", luaL_typename(L, table));
        return;
    }
    lua_frozen_target(L, table);
    count = lua_sorted_keys(L, table);
    out = lua_scratch(L);
    buf_putc(out, '{');
    for (size_t i = 1; i <= count; i++) {
        struct str key;

        lua_rawgeti(L, table + 1, (lua_Integer)i);
        if (lua_type(L, -1) != LUA_TSTRING) {
            wrong(result, "returned a table with a key that is a %s; keys are field names",
                  luaL_typename(L, -1));
            return;
        }
        key.ptr = lua_tolstring(L, -1, &key.len);
        lua_pushvalue(L, -1);
        lua_rawget(L, table);
        if (!put_member(L, key, out, result))
            return;
        lua_pop(L, 2);
    }
    buf_putc(out, '}');
    result->is_nil = false;
    result->text = arena_dup(call->arena, buf_str(out));
}

LUA_RAISES static void read_json(lua_State *L, const struct lua_call *call, struct lua_result *result)
{
    int value = lua_gettop(L);
    struct buf *out;
    struct err err = {0};

    result->is_nil |= lua_is_null(L, value);
    if (result->is_nil)
        return;
    out = lua_scratch(L);
    if (lua_put_json(L, value, out, &err))
        result->text = arena_dup(call->arena, buf_str(out));
    else
        wrong(result, "returned %s", err.message);
}

void lua_read_result(lua_State *L, const struct lua_call *call, struct lua_result *result)
{
    result->is_nil = lua_isnil(L, -1);
    switch (call->returns) {
    case LUA_RETURNS_BOOL:
        result->truth = lua_toboolean(L, -1);
        if (!lua_isboolean(L, -1))
            wrong(result, "returned a %s instead of true or false", luaL_typename(L, -1));
        return;
    case LUA_RETURNS_STRING:
        read_text(L, call, result, "a string");
        return;
    case LUA_RETURNS_OPTIONAL_STRING:
        if (!result->is_nil)
            read_text(L, call, result, "a string or nil");
        return;
    case LUA_RETURNS_FLAT:
        read_flat(L, call, result);
        return;
    case LUA_RETURNS_NOTHING:
        return;
    case LUA_RETURNS_JSON:
        read_json(L, call, result);
        return;
    }
}
