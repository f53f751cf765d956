/* Values of Lua as JSON text, for the host. Raw: a hostile table must not run anything more. What has no
 * place in JSON is named by where it stands: claims[2].evidence. */
#include <math.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/buf.h"
#include "lua/state.h"

#define DEPTH_MAX 16
#define NAMES_MAX 10000 /* of one table; what lua_sorted_keys takes */
#define FEW       24
#define ITEMS_MAX (LUA_JSON_MAX / 2)

struct step {
    const char *name; /* NULL: a position. Borrowed: the sorted keys on the stack hold it */
    lua_Integer at;
};

struct writer {
    lua_State *L;
    struct buf *out;
    struct err *err;
    struct step steps[DEPTH_MAX];
    unsigned depth;
};

static bool fail(struct writer *w, const char *format, ...) __attribute__((format(printf, 2, 3)));
static bool fail(struct writer *w, const char *format, ...)
{
    struct buf text = BUF_EMPTY;
    char what[128];
    va_list args;

    va_start(args, format);
    vsnprintf(what, sizeof what, format, args);
    va_end(args);
    for (unsigned i = 0; i < w->depth && text.len < 100; i++) {
        if (w->steps[i].name)
            buf_printf(&text, "%s%.40s", i > 0 ? "." : "", w->steps[i].name);
        else
            buf_printf(&text, "[%lld]", (long long)w->steps[i].at);
    }
    if (text.len >= 100)
        buf_puts(&text, "…");
    for (size_t i = 0; i < text.len; i++)
        if ((unsigned char)text.ptr[i] < 0x20)
            text.ptr[i] = ' ';
    if (text.len > 0)
        err_set(w->err, ERR_INVALID, "%.*s: %s", STR_ARG(buf_str(&text)), what);
    else
        err_set(w->err, ERR_INVALID, "%s", what);
    buf_free(&text);
    return false;
}

LUA_RAISES static bool put_value(struct writer *w, int idx);

/* One member or item; the value is on top and is popped, but for an error. */
LUA_RAISES static bool put_inside(struct writer *w, struct step step)
{
    w->steps[w->depth++] = step;
    if (!put_value(w, lua_gettop(w->L)))
        return false;
    w->depth--;
    lua_pop(w->L, 1);
    return true;
}

LUA_RAISES static bool put_list(struct writer *w, int idx, size_t count)
{
    buf_putc(w->out, '[');
    for (size_t i = 1; i <= count; i++) {
        if (i > 1)
            buf_putc(w->out, ',');
        lua_rawgeti(w->L, idx, (lua_Integer)i);
        if (!put_inside(w, (struct step){NULL, (lua_Integer)i}))
            return false;
    }
    buf_putc(w->out, ']');
    return true;
}

/* One member; its name is on top and is popped, but for an error. */
LUA_RAISES static bool put_member(struct writer *w, int idx, struct str name)
{
    if (w->out->ptr[w->out->len - 1] != '{')
        buf_putc(w->out, ',');
    buf_json_string(w->out, name);
    buf_putc(w->out, ':');
    lua_rawget(w->L, idx);
    return put_inside(w, (struct step){name.ptr, 0});
}

LUA_RAISES static bool put_many(struct writer *w, int idx)
{
    size_t count = lua_sorted_keys(w->L, idx);
    int keys = lua_gettop(w->L);

    for (size_t i = 1; i <= count; i++) {
        struct str name;

        lua_rawgeti(w->L, keys, (lua_Integer)i);
        name.ptr = lua_tolstring(w->L, -1, &name.len);
        if (!put_member(w, idx, name))
            return false;
    }
    lua_pop(w->L, 1);
    return true;
}

struct few {
    struct str name;
    int at; /* of the name on the stack */
};

/* Most tables: sorted where they are, without a table for their keys. */
LUA_RAISES static bool put_few(struct writer *w, int idx)
{
    lua_State *L = w->L;
    struct few few[FEW];
    size_t count = 0;
    int top = lua_gettop(L);

    luaL_checkstack(L, FEW + 4, "JSON");
    for (lua_pushnil(L); lua_next(L, idx); count++) {
        struct few next = {.at = lua_gettop(L) - 1};
        size_t at = count;

        lua_pop(L, 1);
        next.name.ptr = lua_tolstring(L, -1, &next.name.len);
        for (; at > 0 && str_compare(next.name, few[at - 1].name) < 0; at--)
            few[at] = few[at - 1];
        few[at] = next;
        lua_pushvalue(L, -1); /* the name stays, its copy goes on */
    }
    for (size_t i = 0; i < count; i++) {
        lua_pushvalue(L, few[i].at);
        if (!put_member(w, idx, few[i].name))
            return false;
    }
    lua_settop(L, top);
    return true;
}

LUA_RAISES static bool put_object(struct writer *w, int idx, size_t names)
{
    buf_putc(w->out, '{');
    if (!(names <= FEW ? put_few(w, idx) : put_many(w, idx)))
        return false;
    buf_putc(w->out, '}');
    return true;
}

/* Counts the names and the positions 1 to n of the table; false for any other key, and for too many. */
LUA_RAISES static bool read_keys(struct writer *w, int idx, size_t *names, size_t *positions)
{
    lua_State *L = w->L;
    size_t length = lua_rawlen(L, idx);

    *names = *positions = 0;
    for (lua_pushnil(L); lua_next(L, idx); lua_pop(L, 1)) {
        bool position = lua_isinteger(L, -2) && lua_tointeger(L, -2) >= 1 &&
                        (lua_Unsigned)lua_tointeger(L, -2) <= length;

        if (lua_type(L, -2) == LUA_TSTRING)
            ++*names;
        else if (position)
            ++*positions;
        else if (lua_type(L, -2) == LUA_TNUMBER)
            return fail(w, "a list with holes, or numbered from something else than 1");
        else
            return fail(w, "a key that is a %s; keys are names or positions", luaL_typename(L, -2));
        if (*names > NAMES_MAX || *positions > ITEMS_MAX)
            return fail(w, "a table with too many entries");
    }
    lua_budget_charge(L, 10 + *names + *positions);
    if (*names > 0 && *positions > 0)
        return fail(w, "a table with both names and positions");
    if (*positions != length && *names == 0)
        return fail(w, "a list with holes: a nil before its end");
    return true;
}

LUA_RAISES static bool put_table(struct writer *w, int idx)
{
    size_t names, positions;

    if (w->depth >= DEPTH_MAX)
        return fail(w, "tables nested deeper than %d, or one inside itself", DEPTH_MAX);
    luaL_checkstack(w->L, 12, "JSON");
    lua_frozen_target(w->L, idx);
    if (!read_keys(w, idx, &names, &positions))
        return false;
    return positions > 0 ? put_list(w, idx, positions) : put_object(w, idx, names);
}

LUA_RAISES static bool put_string(struct writer *w, int idx)
{
    struct str text;

    text.ptr = lua_tolstring(w->L, idx, &text.len);
    if (text.len > LUA_JSON_MAX)
        return fail(w, "a text of %zu bytes; at most %zu in all", text.len, LUA_JSON_MAX);
    lua_budget_charge(w->L, text.len / 4);
    buf_json_string(w->out, text);
    return true;
}

static bool put_number(struct writer *w, int idx)
{
    if (lua_isinteger(w->L, idx))
        buf_json_int(w->out, lua_tointeger(w->L, idx));
    else if (isfinite(lua_tonumber(w->L, idx)))
        buf_json_double(w->out, lua_tonumber(w->L, idx));
    else
        return fail(w, "JSON has no infinity and no NaN");
    return true;
}

static bool put_value(struct writer *w, int idx)
{
    bool good = true;

    lua_budget_charge(w->L, 5);
    switch (lua_type(w->L, idx)) {
    case LUA_TBOOLEAN:
        buf_puts(w->out, lua_toboolean(w->L, idx) ? "true" : "false");
        break;
    case LUA_TNUMBER:
        good = put_number(w, idx);
        break;
    case LUA_TSTRING:
        good = put_string(w, idx);
        break;
    case LUA_TTABLE:
        good = put_table(w, idx);
        break;
    default:
        if (!lua_isnil(w->L, idx) && !lua_is_null(w->L, idx))
            return fail(w, "a %s has no JSON form", luaL_typename(w->L, idx));
        buf_puts(w->out, "null");
    }
    if (good && w->out->len > LUA_JSON_MAX)
        return fail(w, "more than %zu bytes of JSON", LUA_JSON_MAX);
    return good;
}

bool lua_put_json(lua_State *L, int idx, struct buf *out, struct err *err)
{
    struct writer w = {.L = L, .out = out, .err = err};
    int top = lua_gettop(L);
    bool good;

    luaL_checkstack(L, 4, "JSON");
    lua_pushvalue(L, idx); /* a view is replaced by what it shows */
    good = put_value(&w, top + 1);
    lua_settop(L, top);
    return good;
}
