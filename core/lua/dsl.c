/* The words of a rule file: rule, sample, all, … Each marks a table by its metatable, or is a small userdata
 * (everything, null, list "name"). They exist while a file loads; only `list` also at run time. */
#include "lua/state.h"
#include "lua/value.h"

static const char words_key;  /* registry: name -> value */
static const char kinds_key;  /* registry: kind -> metatable of tables */
static const char kind_key;   /* metatable field: the kind */
static const char marker_key; /* registry: metatable of markers */
static const char null_tag;   /* json.null is a light userdata of its address */

struct marker {
    int kind;
    size_t len;
    char name[];
};

static const struct {
    const char *name;
    enum lval_kind kind;
} constructors[] = {
    {"rule", LVAL_RULE},     {"source", LVAL_SOURCE},       {"policy", LVAL_POLICY}, {"agent", LVAL_AGENT},
    {"action", LVAL_ACTION}, {"exception", LVAL_EXCEPTION}, {"all", LVAL_ALL},       {"any", LVAL_ANY},
    {"none", LVAL_NONE},     {"keywords", LVAL_KEYWORDS},   {"sample", LVAL_SAMPLE},
};
#define CONSTRUCTORS (sizeof constructors / sizeof constructors[0])

const char *const lua_dsl_names[] = {"rule",   "policy",   "agent",      "action", "exception",
                                     "source", "sample",   "at",         "all",    "any",
                                     "none",   "keywords", "everything", "null",   NULL};

/* ---- markers and kinds ---- */

LUA_RAISES static void push_marker(lua_State *L, enum lval_kind kind, struct str name)
{
    struct marker *marker = lua_newuserdatauv(L, sizeof *marker + name.len + 1, 0);

    marker->kind = kind;
    marker->len = name.len;
    memcpy(marker->name, name.ptr, name.len);
    marker->name[name.len] = '\0';
    lua_rawgetp(L, LUA_REGISTRYINDEX, &marker_key);
    lua_setmetatable(L, -2);
}

static const struct marker *to_marker(lua_State *L, int idx)
{
    bool ours;

    if (lua_type(L, idx) != LUA_TUSERDATA || !lua_getmetatable(L, idx))
        return NULL;
    lua_rawgetp(L, LUA_REGISTRYINDEX, &marker_key);
    ours = lua_rawequal(L, -1, -2);
    lua_pop(L, 2);
    return ours ? lua_touserdata(L, idx) : NULL;
}

int lua_dsl_kind(lua_State *L, int idx)
{
    const struct marker *marker = to_marker(L, idx);
    int kind = LVAL_PLAIN;

    if (marker)
        return marker->kind;
    if (lua_type(L, idx) == LUA_TTABLE && lua_getmetatable(L, idx)) {
        if (lua_rawgetp(L, -1, &kind_key) == LUA_TNUMBER)
            kind = (int)lua_tointeger(L, -1);
        lua_pop(L, 2);
    }
    return kind;
}

struct str lua_dsl_list_name(lua_State *L, int idx)
{
    const struct marker *marker = to_marker(L, idx);

    if (!marker || marker->kind != LVAL_LIST_NAME)
        return (struct str){0};
    return (struct str){marker->name, marker->len};
}

bool lua_is_null(lua_State *L, int idx)
{
    if (lua_type(L, idx) == LUA_TLIGHTUSERDATA)
        return lua_touserdata(L, idx) == (void *)&null_tag;
    return lua_type(L, idx) == LUA_TUSERDATA && lua_dsl_kind(L, idx) == LVAL_NULL;
}

void lua_push_null(lua_State *L)
{
    lua_pushlightuserdata(L, (void *)&null_tag);
}

/* Makes the table on top one of that kind. */
LUA_RAISES static void mark(lua_State *L, enum lval_kind kind)
{
    lua_rawgetp(L, LUA_REGISTRYINDEX, &kinds_key);
    lua_rawgeti(L, -1, kind);
    lua_remove(L, -2);
    lua_setmetatable(L, -2);
}

/* A table that nothing has marked yet, and which has no metatable. */
LUA_RAISES static void check_plain(lua_State *L, int arg, const char *word)
{
    if (lua_type(L, arg) != LUA_TTABLE)
        luaL_error(L, "%s expects a table: %s { … }; this is a %s", word, word, luaL_typename(L, arg));
    if (lua_getmetatable(L, arg))
        luaL_error(L, "%s expects a plain table of its own", word);
}

LUA_RAISES static void check_loading(lua_State *L, const char *word)
{
    if (lua_runtime_of(L)->phase != LUA_PHASE_LOAD)
        luaL_error(L, "%s exists only while the file loads, not in its functions", word);
}

/* ---- the words ---- */

static int construct(lua_State *L)
{
    const char *word = lua_tostring(L, lua_upvalueindex(1));

    check_loading(L, word);
    check_plain(L, 1, word);
    lua_settop(L, 1);
    mark(L, (enum lval_kind)lua_tointeger(L, lua_upvalueindex(2)));
    return 1;
}

/* Copies the entries of the table at `from` into the table on top. */
LUA_RAISES static void copy_entries(lua_State *L, int from)
{
    for (lua_pushnil(L); lua_next(L, from);) {
        lua_budget_charge(L, 5);
        lua_pushvalue(L, -2);
        lua_insert(L, -2);
        lua_rawset(L, -4);
    }
}

/* sample:with { … } */
static int sample_with(lua_State *L)
{
    if (lua_dsl_kind(L, 1) != LVAL_SAMPLE)
        return luaL_error(L, "with belongs to a sample: s:with { … } (with a colon)");
    check_plain(L, 2, "with");
    lua_settop(L, 2);
    lua_newtable(L);
    copy_entries(L, 1);
    copy_entries(L, 2);
    mark(L, LVAL_SAMPLE);
    return 1;
}

LUA_RAISES static size_t check_numbers(lua_State *L, int idx, const char *what)
{
    size_t count;

    if (lua_type(L, idx) != LUA_TTABLE)
        luaL_error(L, "at: %s must be a list of seconds, as in at({ 0, 60 }, s)", what);
    count = lua_rawlen(L, idx);
    for (size_t i = 1; i <= count; i++) {
        lua_budget_charge(L, 2);
        if (lua_rawgeti(L, idx, (lua_Integer)i) != LUA_TNUMBER)
            luaL_error(L, "at: %s must be a list of seconds; its entry %d is a %s", what, (int)i,
                       luaL_typename(L, -1));
        lua_pop(L, 1);
    }
    if (count == 0)
        luaL_error(L, "at: %s is empty", what);
    return count;
}

/* at(times, sample, { arrive = times }) */
static int at_times(lua_State *L)
{
    size_t count;

    check_loading(L, "at");
    lua_settop(L, 3);
    count = check_numbers(L, 1, "the first argument");
    if (lua_dsl_kind(L, 2) != LVAL_SAMPLE)
        return luaL_error(L, "at: the second argument must be a sample { … }, not a %s", luaL_typename(L, 2));
    lua_createtable(L, 0, 3);
    lua_pushvalue(L, 1);
    lua_setfield(L, -2, "times");
    lua_pushvalue(L, 2);
    lua_setfield(L, -2, "sample");
    if (!lua_isnil(L, 3)) {
        check_plain(L, 3, "at");
        lua_pushliteral(L, "arrive");
        if (lua_rawget(L, 3) == LUA_TNIL)
            return luaL_error(L, "at: the third argument is { arrive = { … } }");
        if (check_numbers(L, lua_gettop(L), "arrive") != count)
            return luaL_error(L, "at: arrive needs as many entries as there are times");
        lua_setfield(L, -2, "arrive");
    }
    mark(L, LVAL_AT);
    return 1;
}

int lua_dsl_list(lua_State *L)
{
    if (lua_type(L, 1) == LUA_TSTRING) {
        push_marker(L, LVAL_LIST_NAME, lua_arg_str(L, 1));
        return 1;
    }
    check_loading(L, "list { … }");
    check_plain(L, 1, "list");
    lua_settop(L, 1);
    mark(L, LVAL_LIST);
    return 1;
}

/* ---- list "name":has(value) ---- */

bool lua_list_has(lua_State *L, struct str name, struct str value)
{
    const struct lua_host *host = lua_runtime_of(L)->options.host;
    bool known = false, has = false;

    lua_budget_charge(L, 20 + value.len / 16);
    if (host && host->list_has)
        has = host->list_has(host->context, name, value, &known);
    if (!known)
        luaL_error(L, "list \"%s\": there is no such list", name.ptr);
    return has;
}

static int list_has(lua_State *L)
{
    struct str name = lua_dsl_list_name(L, 1);
    bool has = false;

    if (!name.ptr)
        return luaL_error(L, "has belongs to a list: list \"name\":has(value) (with a colon)");
    lua_settop(L, 2);
    if (lua_type(L, 2) == LUA_TTABLE) { /* a field that is a list: any of its values */
        lua_frozen_target(L, 2);
        for (lua_Integer i = 1; !has && lua_rawgeti(L, 2, i) != LUA_TNIL; i++) {
            has = lua_list_has(L, name, lua_sandbox_text(L, -1));
            lua_settop(L, 2);
        }
    } else if (!lua_isnil(L, 2) && !lua_is_null(L, 2)) {
        has = lua_list_has(L, name, lua_sandbox_text(L, 2));
    }
    lua_pushboolean(L, has);
    return 1;
}

/* ---- list "name":get(value) ---- */

/* Pushes what the list says of the value and returns true; false, and nothing pushed, when it does not hold
 * it. */
LUA_RAISES static bool push_entry(lua_State *L, struct str name, struct str value)
{
    const struct lua_host *host = lua_runtime_of(L)->options.host;
    struct str json = {0};
    bool known = false, has = false;

    lua_budget_charge(L, 20 + value.len / 16);
    if (host && host->list_get)
        has = host->list_get(host->context, name, value, &json, &known);
    if (!known)
        luaL_error(L, "list \"%s\": there is no such list", name.ptr);
    if (!has)
        return false;
    lua_push_json(L, json.len > 0 ? json : STR("{}"));
    return true;
}

static int list_get(lua_State *L)
{
    struct str name = lua_dsl_list_name(L, 1);

    if (!name.ptr)
        return luaL_error(L, "get belongs to a list: list \"name\":get(value) (with a colon)");
    lua_settop(L, 2);
    if (lua_type(L, 2) == LUA_TTABLE) { /* a field that is a list: the first of its values that is there */
        lua_frozen_target(L, 2);
        for (lua_Integer i = 1; lua_rawgeti(L, 2, i) != LUA_TNIL; i++) {
            if (push_entry(L, name, lua_sandbox_text(L, -1)))
                return 1;
            lua_settop(L, 2);
        }
    } else if (!lua_isnil(L, 2) && !lua_is_null(L, 2) && push_entry(L, name, lua_sandbox_text(L, 2))) {
        return 1;
    }
    lua_pushnil(L);
    return 1;
}

/* ---- set-up ---- */

bool lua_dsl_get(lua_State *L, const char *name)
{
    lua_rawgetp(L, LUA_REGISTRYINDEX, &words_key);
    lua_pushstring(L, name);
    if (lua_rawget(L, -2) == LUA_TNIL) {
        lua_pop(L, 2);
        return false;
    }
    lua_remove(L, -2);
    check_loading(L, name);
    return true;
}

LUA_RAISES static void open_kinds(lua_State *L)
{
    lua_newtable(L);
    for (int kind = LVAL_RULE; kind <= LVAL_AT; kind++) {
        lua_createtable(L, 0, 3);
        lua_pushinteger(L, kind);
        lua_rawsetp(L, -2, &kind_key);
        lua_pushboolean(L, 0);
        lua_setfield(L, -2, "__metatable");
        if (kind == LVAL_SAMPLE) {
            lua_createtable(L, 0, 1);
            lua_pushcfunction(L, sample_with);
            lua_setfield(L, -2, "with");
            lua_setfield(L, -2, "__index");
        }
        lua_rawseti(L, -2, kind);
    }
    lua_rawsetp(L, LUA_REGISTRYINDEX, &kinds_key);
}

LUA_RAISES static void open_markers(lua_State *L)
{
    lua_createtable(L, 0, 3);
    lua_createtable(L, 0, 2);
    lua_pushcfunction(L, list_has);
    lua_setfield(L, -2, "has");
    lua_pushcfunction(L, list_get);
    lua_setfield(L, -2, "get");
    lua_setfield(L, -2, "__index");
    lua_pushboolean(L, 0);
    lua_setfield(L, -2, "__metatable");
    lua_pushliteral(L, "list");
    lua_setfield(L, -2, "__name");
    lua_rawsetp(L, LUA_REGISTRYINDEX, &marker_key);
}

void lua_dsl_open(lua_State *L)
{
    open_kinds(L);
    open_markers(L);
    lua_newtable(L);
    for (size_t i = 0; i < CONSTRUCTORS; i++) {
        lua_pushstring(L, constructors[i].name);
        lua_pushinteger(L, constructors[i].kind);
        lua_pushcclosure(L, construct, 2);
        lua_setfield(L, -2, constructors[i].name);
    }
    lua_pushcfunction(L, at_times);
    lua_setfield(L, -2, "at");
    push_marker(L, LVAL_EVERYTHING, STR("everything"));
    lua_setfield(L, -2, "everything");
    push_marker(L, LVAL_NULL, STR("null"));
    lua_setfield(L, -2, "null");
    lua_rawsetp(L, LUA_REGISTRYINDEX, &words_key);
}
