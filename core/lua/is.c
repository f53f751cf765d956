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

/* What is asked for. */
struct comparison {
    struct str path; /* with its modifiers */
    const struct literal *literals;
    size_t count;
};

/* The literals: in *one for a single value, else in an array that this pushes. Their strings stay alive in
 * the value at 3. */
LUA_RAISES static const struct literal *read_literals(lua_State *L, struct literal *one, size_t *count)
{
    struct literal *literals;

    *count = 1;
    if (!lua_istable(L, 3)) {
        if (lua_isnil(L, 3)) /* for |exists */
            *one = (struct literal){.type = LITERAL_BOOL, .b = true};
        else
            *one = read_literal(L, 3);
        return one;
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

/* Bytes on the C stack first, then in a userdata, so that nothing leaks where something raises. */
struct key {
    char *bytes;
    size_t len, cap;
};

LUA_RAISES static void key_add(lua_State *L, struct key *key, const void *bytes, size_t len)
{
    if (key->len + len > key->cap) {
        char *larger;
        if (key->len + len > KEY_MAX)
            luaL_error(L, "event:is: more than 16 KiB to compare with; use a list file");
        key->cap = 2 * (key->len + len);
        larger = lua_newuserdatauv(L, key->cap, 0);
        memcpy(larger, key->bytes, key->len);
        key->bytes = larger;
        luaL_checkstack(L, 8, "event:is");
    }
    memcpy(key->bytes + key->len, bytes, len);
    key->len += len;
}

LUA_RAISES static void key_add_text(lua_State *L, struct key *key, struct str text)
{
    key_add(L, key, &text.len, sizeof text.len);
    key_add(L, key, text.ptr, text.len);
}

/* Distinct for distinct predicates: every part with its kind and length. */
LUA_RAISES static void write_key(lua_State *L, struct key *key, const struct comparison *asked)
{
    key_add_text(L, key, asked->path);
    for (size_t i = 0; i < asked->count; i++) {
        const struct literal *literal = &asked->literals[i];
        uint8_t kind[2] = {(uint8_t)literal->type,
                           literal->type == LITERAL_NUMBER ? literal->is_integer : literal->b};

        key_add(L, key, kind, 2);
        if (literal->type == LITERAL_STRING)
            key_add_text(L, key, literal->text);
        else if (literal->type == LITERAL_NUMBER)
            key_add(L, key, literal->is_integer ? (const void *)&literal->i : (const void *)&literal->d, 8);
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

/* The predicate of that key: kept, or compiled now. */
LUA_RAISES static struct match_predicate *
predicate_of(lua_State *L, struct str key, const struct fields *fields, const struct comparison *asked)
{
    struct lua_predicates *cache = cache_for(lua_runtime_of(L), fields);
    struct match_predicate *predicate = map_get(cache->map, key);
    struct err err;

    if (predicate)
        return predicate;
    lua_budget_charge(L, 500);
    predicate = match_predicate_new(fields, asked->path, asked->literals, asked->count, &err);
    if (!predicate)
        luaL_error(L, "event:is: %s", err.message);
    map_put(cache->map, key, predicate);
    return predicate;
}

int lua_proxy_is(lua_State *L)
{
    const struct lua_call *call = lua_proxy_call(L, 1);
    struct comparison asked = {.path = lua_arg_str(L, 2)};
    struct match_predicate *predicate;
    struct literal one;
    char small[256];
    struct key key = {small, 0, sizeof small};

    lua_settop(L, 3);
    if (lua_dsl_list_name(L, 3).ptr)
        return in_list(L, asked.path, lua_dsl_list_name(L, 3));
    asked.literals = read_literals(L, &one, &asked.count);
    write_key(L, &key, &asked);
    lua_budget_charge(L, 20 + key.len / 16);
    predicate = predicate_of(L, (struct str){key.bytes, key.len}, call->event->fields, &asked);
    lua_pushboolean(L, match_predicate_holds(predicate, call->event, call->parser));
    return 1;
}
