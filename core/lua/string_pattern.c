/* find, match, gmatch and gsub over our own matcher (pattern.h), with the results of the stock ones. */
#include "lua/pattern.h"
#include "lua/state.h"

#define STEPS 4096 /* between two looks at the budget */

static unsigned more_steps(void *context)
{
    return lua_budget_spend(context, STEPS) ? STEPS : 0;
}

/* A match struct for text and pattern; charges what the last one did not use up to the caller's next charge.
 */
static struct lua_pattern start(lua_State *L, struct str text, struct str pattern)
{
    return (struct lua_pattern){
        .text = text, .pattern = pattern, .steps = STEPS, .more = more_steps, .context = lua_runtime_of(L)};
}

/* After a search: pays for the steps, and raises what stopped it. */
LUA_RAISES static void settle(lua_State *L, struct lua_pattern *m)
{
    if (m->stopped && m->error[0])
        luaL_error(L, "%s", m->error);
    if (m->stopped)
        lua_budget_die(L);
    lua_budget_charge(L, STEPS - m->steps);
    m->steps = STEPS;
}

LUA_RAISES static void push_capture(lua_State *L, struct lua_pattern *m, unsigned index, const char *from,
                                    const char *to)
{
    struct lua_capture capture;

    if (!lua_pattern_capture(m, index, from, to, &capture))
        luaL_error(L, "%s", m->error);
    if (capture.len == LUA_PATTERN_POSITION)
        lua_pushinteger(L, capture.at - m->text.ptr + 1);
    else
        lua_pushlstring(L, capture.at, (size_t)capture.len);
}

/* All captures; with `whole`, the whole match where there are none. Returns how many. */
LUA_RAISES static int push_captures(lua_State *L, struct lua_pattern *m, const char *from, const char *to,
                                    bool whole)
{
    unsigned count = m->level == 0 && whole ? 1 : m->level;

    luaL_checkstack(L, (int)count, "too many captures");
    for (unsigned i = 0; i < count; i++)
        push_capture(L, m, i, from, to);
    return (int)count;
}

/* The 0-based start that the optional argument names; may be beyond the end. */
LUA_RAISES static size_t start_argument(lua_State *L, int arg, size_t len)
{
    lua_Integer at = luaL_optinteger(L, arg, 1);

    if (at > 0)
        return (size_t)at - 1;
    if (at == 0 || at < -(lua_Integer)len)
        return 0;
    return len - (size_t)-at;
}

LUA_RAISES static int plain_find(lua_State *L, struct str text, struct str pattern, size_t from)
{
    const char *found;

    lua_budget_charge(L, 2 + (text.len - from + pattern.len) / 64);
    found = memmem(text.ptr + from, text.len - from, pattern.ptr, pattern.len);
    if (!found) {
        lua_pushnil(L);
        return 1;
    }
    lua_pushinteger(L, found - text.ptr + 1);
    lua_pushinteger(L, found - text.ptr + (lua_Integer)pattern.len);
    return 2;
}

/* The first match at or after `from`: its start and *end; NULL: none. */
LUA_RAISES static const char *search(lua_State *L, struct lua_pattern *m, size_t from, const char **end)
{
    bool anchored = m->pattern.len > 0 && m->pattern.ptr[0] == '^';

    for (size_t at = from; at <= m->text.len; at++) {
        *end = lua_pattern_at(m, at, anchored);
        if (*end || m->stopped || anchored) {
            settle(L, m);
            return *end ? m->text.ptr + at : NULL;
        }
    }
    settle(L, m);
    return NULL;
}

LUA_RAISES static int find_or_match(lua_State *L, bool find)
{
    struct str text = lua_arg_str(L, 1), pattern = lua_arg_str(L, 2);
    size_t from = start_argument(L, 3, text.len);
    struct lua_pattern m = start(L, text, pattern);
    const char *begin = NULL, *end;

    if (from <= text.len) {
        if (find && (lua_toboolean(L, 4) || lua_pattern_is_plain(pattern)))
            return plain_find(L, text, pattern, from);
        begin = search(L, &m, from, &end);
    }
    if (!begin) {
        lua_pushnil(L);
        return 1;
    }
    if (!find)
        return push_captures(L, &m, begin, end, true);
    lua_pushinteger(L, begin - text.ptr + 1);
    lua_pushinteger(L, end - text.ptr);
    return 2 + push_captures(L, &m, begin, end, false);
}

static int string_find(lua_State *L)
{
    return find_or_match(L, true);
}

static int string_match(lua_State *L)
{
    return find_or_match(L, false);
}

/* ---- gmatch: upvalues are text, pattern, next start, end of the last match + 1 (0: none) ---- */

static int next_match(lua_State *L)
{
    struct lua_pattern m;
    struct str text, pattern;
    size_t from = (size_t)lua_tointeger(L, lua_upvalueindex(3));
    lua_Integer last = lua_tointeger(L, lua_upvalueindex(4));

    text.ptr = lua_tolstring(L, lua_upvalueindex(1), &text.len);
    pattern.ptr = lua_tolstring(L, lua_upvalueindex(2), &pattern.len);
    m = start(L, text, pattern);
    for (size_t at = from; at <= text.len; at++) {
        const char *end = lua_pattern_at(&m, at, 0); /* here '^' is a character like any other */
        if (m.stopped)
            break;
        if (!end || end - text.ptr + 1 == last)
            continue;
        settle(L, &m);
        lua_pushinteger(L, end - text.ptr);
        lua_replace(L, lua_upvalueindex(3));
        lua_pushinteger(L, end - text.ptr + 1);
        lua_replace(L, lua_upvalueindex(4));
        return push_captures(L, &m, text.ptr + at, end, true);
    }
    settle(L, &m);
    return 0;
}

static int string_gmatch(lua_State *L)
{
    struct str text = lua_arg_str(L, 1);
    size_t from;

    lua_arg_str(L, 2);
    from = start_argument(L, 3, text.len);
    lua_settop(L, 2);
    lua_pushinteger(L, (lua_Integer)(from > text.len ? text.len + 1 : from));
    lua_pushinteger(L, 0);
    lua_pushcclosure(L, next_match, 4);
    return 1;
}

/* ---- gsub ---- */

/* The replacement text, with its %0 to %9. */
LUA_RAISES static void add_replacement(lua_State *L, luaL_Buffer *out, struct lua_pattern *m,
                                       const char *from, const char *to)
{
    struct str text;

    text.ptr = lua_tolstring(L, 3, &text.len);
    lua_budget_charge(L, text.len / 16);
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];

        if (c != '%') {
            luaL_addchar(out, c);
            continue;
        }
        c = text.ptr[++i]; /* the NUL behind the end is no digit */
        if (c == '%') {
            luaL_addchar(out, c);
        } else if (c == '0') {
            luaL_addlstring(out, from, (size_t)(to - from));
        } else if (c >= '1' && c <= '9') {
            push_capture(L, m, (unsigned)(c - '1'), from, to);
            luaL_addvalue(out);
        } else {
            luaL_error(L, "invalid use of '%%' in replacement string");
        }
    }
}

/* What a function or table gives for the match is on top: adds it, or the match itself for nil and false. */
LUA_RAISES static bool add_value(lua_State *L, luaL_Buffer *out, const char *from, const char *to)
{
    if (!lua_toboolean(L, -1)) {
        lua_pop(L, 1);
        luaL_addlstring(out, from, (size_t)(to - from));
        return false;
    }
    if (!lua_isstring(L, -1))
        luaL_error(L, "invalid replacement value (a %s)", luaL_typename(L, -1));
    luaL_addvalue(out);
    return true;
}

LUA_RAISES static bool add_match(lua_State *L, luaL_Buffer *out, struct lua_pattern *m, const char *from,
                                 const char *to)
{
    switch (lua_type(L, 3)) {
    case LUA_TFUNCTION:
        lua_pushvalue(L, 3);
        lua_call(L, push_captures(L, m, from, to, true), 1);
        return add_value(L, out, from, to);
    case LUA_TTABLE:
        push_capture(L, m, 0, from, to);
        lua_gettable(L, 3);
        return add_value(L, out, from, to);
    default:
        add_replacement(L, out, m, from, to);
        return true;
    }
}

LUA_RAISES static void check_gsub(lua_State *L)
{
    int kind = lua_type(L, 3);

    lua_arg_str(L, 1);
    lua_arg_str(L, 2);
    luaL_argexpected(
        L, kind == LUA_TNUMBER || kind == LUA_TSTRING || kind == LUA_TTABLE || kind == LUA_TFUNCTION, 3,
        "string/function/table");
}

/* Replaces up to `max` matches; returns how many. *changed: the text is not the same any more. */
LUA_RAISES static lua_Integer replace_all(lua_State *L, luaL_Buffer *out, struct lua_pattern *m,
                                          lua_Integer max, bool *changed)
{
    bool anchored = m->pattern.len > 0 && m->pattern.ptr[0] == '^';
    const char *at = m->text.ptr, *last = NULL, *end = m->text.ptr + m->text.len;
    lua_Integer count = 0;

    while (count < max) {
        const char *found = lua_pattern_at(m, (size_t)(at - m->text.ptr), anchored);

        settle(L, m);
        if (found && found != last) {
            count++;
            *changed |= add_match(L, out, m, at, found);
            at = last = found;
        } else if (at < end) {
            luaL_addchar(out, *at++);
        } else {
            break;
        }
        if (luaL_bufflen(out) > LUA_STRING_MAX)
            luaL_error(L, "string.gsub: the text grows beyond 1 MiB");
        if (anchored)
            break;
    }
    luaL_addlstring(out, at, (size_t)(end - at));
    return count;
}

static int string_gsub(lua_State *L)
{
    struct str text = lua_arg_str(L, 1), pattern = lua_arg_str(L, 2);
    lua_Integer max = luaL_optinteger(L, 4, (lua_Integer)text.len + 1), count;
    struct lua_pattern m = start(L, text, pattern);
    bool changed = false;
    luaL_Buffer out;

    check_gsub(L);
    lua_settop(L, 3);
    luaL_buffinit(L, &out);
    count = replace_all(L, &out, &m, max, &changed);
    if (changed)
        luaL_pushresult(&out);
    else
        lua_pushvalue(L, 1);
    lua_pushinteger(L, count);
    return 2;
}

const luaL_Reg lua_pattern_functions[] = {{"find", string_find},
                                          {"match", string_match},
                                          {"gmatch", string_gmatch},
                                          {"gsub", string_gsub},
                                          {NULL, NULL}};
