/* re: regular expressions with a step budget (match/regex.h). Compiled ones are kept per state, by their
 * text. */
#include <stdlib.h>

#include "base/map.h"
#include "lua/state.h"
#include "match/regex.h"

#define CACHE_MAX   256
#define SUBJECT_MAX ((size_t)256 << 10)
#define STEPS       200000 /* of one search */
#define GROUPS      32

struct lua_regexes {
    struct map *map;
    struct regex_scratch *scratch;
};

static void drop(void *regex)
{
    regex_free(regex);
}

void lua_regexes_free(struct lua_regexes *regexes)
{
    if (!regexes)
        return;
    map_free(regexes->map, drop);
    regex_scratch_free(regexes->scratch);
    free(regexes);
}

static struct lua_regexes *cache_of(struct lua_runtime *runtime)
{
    struct lua_regexes *cache = runtime->regexes;

    if (cache && map_count(cache->map) < CACHE_MAX)
        return cache;
    lua_regexes_free(cache);
    cache = mem_zalloc(1, sizeof *cache);
    cache->map = map_new();
    cache->scratch = regex_scratch_new();
    runtime->regexes = cache;
    return cache;
}

LUA_RAISES static unsigned read_flags(lua_State *L, int arg)
{
    const char *text = luaL_optstring(L, arg, "");
    unsigned flags = 0;

    for (; *text; text++) {
        switch (*text) {
        case 'i':
            flags |= REGEX_CASELESS;
            break;
        case 'm':
            flags |= REGEX_MULTILINE;
            break;
        case 's':
            flags |= REGEX_DOTALL;
            break;
        default:
            luaL_error(L, "re: unknown flag '%c'; there are i, m and s", *text);
        }
    }
    return flags;
}

/* The key stands at the top of the stack: flags and pattern. */
LUA_RAISES static struct regex *compiled(lua_State *L, struct lua_regexes *cache, struct str pattern,
                                         unsigned flags)
{
    struct str key;
    struct regex *regex;
    struct err err;

    lua_pushfstring(L, "%d/", (int)flags);
    lua_pushlstring(L, pattern.ptr, pattern.len);
    lua_concat(L, 2);
    key.ptr = lua_tolstring(L, -1, &key.len);
    regex = map_get(cache->map, key);
    if (!regex) {
        lua_budget_charge(L, 1000);
        regex = regex_new(pattern, flags, &err);
        if (!regex)
            luaL_error(L, "re: %s", err.message);
        map_put(cache->map, key, regex);
    }
    lua_pop(L, 1);
    return regex;
}

struct found {
    struct str subject;
    size_t spans[GROUPS][2];
    size_t count;
};

/* (subject, pattern, flags): searches. False: no match. */
LUA_RAISES static bool search(lua_State *L, struct found *found)
{
    struct lua_regexes *cache = cache_of(lua_runtime_of(L));
    struct str pattern = lua_arg_str(L, 2);
    struct regex *regex = compiled(L, cache, pattern, read_flags(L, 3));
    enum regex_outcome outcome;

    found->subject = lua_arg_str(L, 1);
    if (found->subject.len > SUBJECT_MAX)
        luaL_error(L, "re: texts of more than 256 KiB are not searched");
    outcome = regex_search(regex, cache->scratch, found->subject, 0, STEPS, found->spans, GROUPS,
                           &found->count);
    lua_budget_charge(L, 10 + regex_steps(cache->scratch));
    if (outcome == REGEX_LIMIT)
        luaL_error(L, "re: the pattern takes too many steps on this text");
    return outcome == REGEX_YES;
}

LUA_RAISES static int push_groups(lua_State *L, const struct found *found, size_t from)
{
    size_t count = found->count < GROUPS ? found->count : GROUPS;

    luaL_checkstack(L, GROUPS, "re");
    for (size_t i = from; i < count; i++) {
        const size_t *span = found->spans[i];
        if (span[0] == SIZE_MAX)
            lua_pushnil(L);
        else
            lua_pushlstring(L, found->subject.ptr + span[0], span[1] - span[0]);
    }
    return (int)(count - from);
}

static int re_test(lua_State *L)
{
    struct found found;

    lua_pushboolean(L, search(L, &found));
    return 1;
}

static int re_match(lua_State *L)
{
    struct found found;

    if (!search(L, &found)) {
        lua_pushnil(L);
        return 1;
    }
    return push_groups(L, &found, found.count > 1 ? 1 : 0);
}

static int re_find(lua_State *L)
{
    struct found found;

    if (!search(L, &found)) {
        lua_pushnil(L);
        return 1;
    }
    lua_pushinteger(L, (lua_Integer)found.spans[0][0] + 1);
    lua_pushinteger(L, (lua_Integer)found.spans[0][1]);
    return 2 + push_groups(L, &found, 1);
}

static const luaL_Reg functions[] = {{"test", re_test}, {"match", re_match}, {"find", re_find}, {NULL, NULL}};
const struct lua_module lua_module_re = {"re", functions, NULL};
