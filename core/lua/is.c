/* event:is("path|modifier", value): a predicate of match, compiled once per state and kept by its text. */
#include <stdlib.h>

#include "base/map.h"
#include "lua/state.h"
#include "match/match.h"

#define CACHE_MAX   1024 /* predicates; beyond, all are forgotten */
#define LITERAL_MAX 1000 /* values of one */
#define KEY_MAX     ((size_t)16 << 10)

struct lua_predicates {
    struct map *map;
    const struct fields *fields; /* what they were compiled against */
};

static void drop(void *predicate)
{
    match_predicate_free(predicate);
}

void lua_predicates_free(struct lua_predicates *predicates)
{
    if (!predicates)
        return;
    map_free(predicates->map, drop);
    free(predicates);
}

/* An empty cache for these fields, or the one there is. */
static struct lua_predicates *cache_for(struct lua_runtime *runtime, const struct fields *fields)
{
    struct lua_predicates *cache = runtime->predicates;

    if (cache && cache->fields == fields && map_count(cache->map) < CACHE_MAX)
        return cache;
    lua_predicates_free(cache);
    cache = mem_zalloc(1, sizeof *cache);
    cache->map = map_new();
    cache->fields = fields;
    runtime->predicates = cache;
    return cache;
}

/* The value at idx as a literal; text is borrowed from the Lua string. */
LUA_RAISES static struct literal read_literal(lua_State *L, int idx)
{
    struct literal literal = {0};

    switch (lua_type(L, idx)) {
    case LUA_TSTRING:
        literal.type = LITERAL_STRING;
        literal.text.ptr = lua_tolstring(L, idx, &literal.text.len);
        return literal;
    case LUA_TNUMBER:
        literal.type = LITERAL_NUMBER;
        literal.is_integer = lua_isinteger(L, idx);
        literal.i = lua_tointeger(L, idx);
        literal.d = lua_tonumber(L, idx);
        return literal;
    case LUA_TBOOLEAN:
        literal.type = LITERAL_BOOL;
        literal.b = lua_toboolean(L, idx);
        return literal;
    default:
        if (!lua_is_null(L, idx))
            luaL_error(
                L, "event:is compares with strings, numbers, booleans, json.null or a list of them, not a %s",
                luaL_typename(L, idx));
        literal.type = LITERAL_NULL;
        return literal;
    }
}

/* Pushes the array that holds the literals, and returns it. The strings stay alive in the value at 3. */
LUA_RAISES static struct literal *read_literals(lua_State *L, size_t *count)
{
    struct literal *literals;

    if (!lua_istable(L, 3)) {
        *count = 1;
        literals = lua_newuserdatauv(L, sizeof *literals, 0);
        if (lua_isnil(L, 3)) /* for |exists */
            *literals = (struct literal){.type = LITERAL_BOOL, .b = true};
        else
            *literals = read_literal(L, 3);
        return literals;
    }
    lua_frozen_target(L, 3);
    *count = lua_rawlen(L, 3);
    if (*count == 0 || *count > LITERAL_MAX)
        luaL_error(L, "event:is: a list of 1 to %d values is expected", LITERAL_MAX);
    literals = lua_newuserdatauv(L, *count * sizeof *literals, 0);
    for (size_t i = 0; i < *count; i++) {
        lua_rawgeti(L, 3, (lua_Integer)i + 1);
        literals[i] = read_literal(L, -1);
        lua_pop(L, 1);
    }
    return literals;
}

/* Distinct for distinct predicates: every part with its kind and length. */
LUA_RAISES static void write_key(lua_State *L, struct buf *key, struct str path,
                                 const struct literal *literals, size_t count)
{
    buf_put_lstr(key, path);
    for (size_t i = 0; i < count; i++) {
        const struct literal *literal = &literals[i];
        buf_put_u8(key, (uint8_t)literal->type);
        if (literal->type == LITERAL_STRING)
            buf_put_lstr(key, literal->text);
        else if (literal->type == LITERAL_NUMBER)
            buf_add(key, literal->is_integer ? (const void *)&literal->i : (const void *)&literal->d, 8);
        buf_put_u8(key, literal->type == LITERAL_NUMBER ? literal->is_integer : literal->b);
        if (key->len > KEY_MAX)
            luaL_error(L, "event:is: more than 16 KiB to compare with; use a list file");
    }
}

/* list "name" as the value: any value of the field. */
LUA_RAISES static int in_list(lua_State *L, struct str path, struct str list)
{
    bool has = false;

    if (memchr(path.ptr, '|', path.len))
        return luaL_error(L, "event:is: a list takes no modifiers here; write list \"%s\":has(…)", list.ptr);
    lua_pushvalue(L, 2);
    lua_gettable(L, 1);
    if (lua_istable(L, -1)) {
        for (lua_Integer i = 1; !has && lua_rawgeti(L, -1, i) != LUA_TNIL; i++) {
            has = lua_list_has(L, list, lua_sandbox_text(L, -1));
            lua_pop(L, 2);
        }
    } else if (!lua_isnil(L, -1)) {
        has = lua_list_has(L, list, lua_sandbox_text(L, -1));
    }
    lua_pushboolean(L, has);
    return 1;
}

int lua_proxy_is(lua_State *L)
{
    struct lua_runtime *runtime = lua_runtime_of(L);
    const struct lua_call *call = lua_proxy_call(L, 1);
    struct str path = lua_arg_str(L, 2);
    struct match_predicate *predicate;
    struct lua_predicates *cache;
    struct literal *literals;
    struct buf *key;
    struct err err;
    size_t count;

    lua_settop(L, 3);
    if (lua_dsl_list_name(L, 3).ptr)
        return in_list(L, path, lua_dsl_list_name(L, 3));
    literals = read_literals(L, &count);
    key = lua_scratch(L);
    write_key(L, key, path, literals, count);
    lua_budget_charge(L, 20 + key->len / 16);
    cache = cache_for(runtime, call->event->fields);
    predicate = map_get(cache->map, buf_str(key));
    if (!predicate) {
        lua_budget_charge(L, 500);
        predicate = match_predicate_new(cache->fields, path, literals, count, &err);
        if (!predicate)
            return luaL_error(L, "event:is: %s", err.message);
        map_put(cache->map, buf_str(key), predicate);
    }
    lua_pushboolean(L, match_predicate_holds(predicate, call->event, call->parser));
    return 1;
}
