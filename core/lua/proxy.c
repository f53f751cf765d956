/* The event as a rule sees it: a userdata that names the task of its call. It holds no pointer to the event,
 * so an event that a rule kept after its call is recognised by the task's generation. */
#include "base/arena.h"
#include "lua/sched.h"

#define STRING_MAX ((size_t)64 << 10) /* written by fix */
#define VALUES_MAX 2048               /* of one event, after writing */
#define LOOKUP_MAX 1024

static const char proxy_key; /* registry: metatable */

struct proxy {
    struct lua_sched_task *task;
    uint32_t generation;
};

void lua_proxy_push(lua_State *L, struct lua_sched_task *task)
{
    struct proxy *proxy = lua_newuserdatauv(L, sizeof *proxy, 0);

    *proxy = (struct proxy){task, task->generation};
    lua_rawgetp(L, LUA_REGISTRYINDEX, &proxy_key);
    lua_setmetatable(L, -2);
}

static const struct proxy *to_proxy(lua_State *L, int idx)
{
    bool ours;

    if (lua_type(L, idx) != LUA_TUSERDATA || !lua_getmetatable(L, idx))
        return NULL;
    lua_rawgetp(L, LUA_REGISTRYINDEX, &proxy_key);
    ours = lua_rawequal(L, -1, -2);
    lua_pop(L, 2);
    return ours ? lua_touserdata(L, idx) : NULL;
}

const struct lua_call *lua_proxy_call(lua_State *L, int idx)
{
    const struct proxy *proxy = to_proxy(L, idx);
    const struct lua_sched_task *task = lua_sched_current(L);

    if (!proxy) {
        luaL_error(L, "an event is expected here, not a %s (a colon for event:is?)", luaL_typename(L, idx));
        return NULL;
    }
    /* A rule only ever holds events of its own state; of those only the running task's is alive. The pointer
     * is compared, never followed. */
    if (!task || proxy->task != task || proxy->generation != task->generation) {
        luaL_error(L, "this event belongs to a call that has ended; copy what you need from it");
        return NULL;
    }
    return task->call;
}

/* ---- reading ---- */

LUA_RAISES static void push_value(lua_State *L, const struct value *value)
{
    switch ((enum value_type)value->type) {
    case VALUE_NULL:
        lua_pushnil(L);
        return;
    case VALUE_BOOL:
        lua_pushboolean(L, value->as.b);
        return;
    case VALUE_INT:
        lua_pushinteger(L, value->as.i);
        return;
    case VALUE_UINT:
        lua_pushnumber(L, (lua_Number)value->as.u);
        return;
    case VALUE_DOUBLE:
        lua_pushnumber(L, value->as.d);
        return;
    case VALUE_STRING:
        lua_pushlstring(L, value->text.ptr, value->text.len);
        return;
    }
}

/* Several values are a list; nulls are left out of it. */
LUA_RAISES static void add_to_list(lua_State *L, const struct value *value, lua_Integer *count)
{
    if (value->type == VALUE_NULL)
        return;
    lua_budget_charge(L, 5);
    push_value(L, value);
    lua_rawseti(L, -2, ++*count);
}

LUA_RAISES static int push_slot(lua_State *L, const struct event *event, uint32_t slot)
{
    const struct event_value *value = event_first(event, slot);
    lua_Integer count = 0;

    if (!value) {
        lua_pushnil(L);
    } else if (!event_next(event, value)) {
        push_value(L, &value->value);
    } else {
        lua_newtable(L);
        for (; value; value = event_next(event, value))
            add_to_list(L, &value->value, &count);
    }
    return 1;
}

/* A path that no rule was known to read: found again in the event's text. */
LUA_RAISES static int push_lookup(lua_State *L, const struct lua_call *call, struct str path)
{
    struct value few[8], *values = few;
    size_t count;
    lua_Integer at = 0;

    if (!call->parser) {
        lua_pushnil(L);
        return 1;
    }
    lua_budget_charge(L, 100 + call->event->json.len / 8);
    count = event_lookup(call->event, call->parser, path, call->arena, few, 8);
    if (count > 8) {
        if (count > LOOKUP_MAX)
            count = LOOKUP_MAX;
        values = arena_alloc(call->arena, count * sizeof *values);
        event_lookup(call->event, call->parser, path, call->arena, values, count);
    }
    if (count == 0) {
        lua_pushnil(L);
        return 1;
    }
    if (count == 1) {
        push_value(L, values);
        return 1;
    }
    lua_newtable(L);
    for (size_t i = 0; i < count; i++)
        add_to_list(L, &values[i], &at);
    return 1;
}

static int read_field(lua_State *L)
{
    const struct lua_call *call = lua_proxy_call(L, 1);
    struct str path;
    uint32_t slot;

    if (lua_type(L, 2) != LUA_TSTRING)
        return luaL_error(L, "event[…]: a field name is expected, not a %s", luaL_typename(L, 2));
    path = lua_arg_str(L, 2);
    if (str_is(path, "is")) {
        lua_pushcfunction(L, lua_proxy_is);
        return 1;
    }
    slot = fields_find(call->event->fields, path);
    return slot == FIELD_NONE ? push_lookup(L, call, path) : push_slot(L, call->event, slot);
}

/* ---- writing, for a source's fix ---- */

LUA_RAISES static struct value read_value(lua_State *L, int idx, struct arena *arena)
{
    struct str text;

    switch (lua_type(L, idx)) {
    case LUA_TBOOLEAN:
        return value_bool(lua_toboolean(L, idx));
    case LUA_TNUMBER:
        return lua_isinteger(L, idx) ? value_int(arena, lua_tointeger(L, idx))
                                     : value_double(arena, lua_tonumber(L, idx));
    case LUA_TSTRING:
        text.ptr = lua_tolstring(L, idx, &text.len);
        if (text.len > STRING_MAX)
            luaL_error(L, "a field holds at most 64 KiB");
        return value_string(arena_dup(arena, text));
    default:
        luaL_error(L, "a field holds a string, a number, a boolean or a list of them, not a %s",
                   luaL_typename(L, idx));
    }
    return value_null();
}

LUA_RAISES static void write_value(lua_State *L, const struct lua_call *call, uint32_t slot, int idx)
{
    struct value value = read_value(L, idx, call->arena);

    if (call->event->count >= VALUES_MAX)
        luaL_error(L, "an event holds at most %d values", VALUES_MAX);
    event_put(call->event, call->arena, slot, &value);
}

static int write_field(lua_State *L)
{
    const struct lua_call *call = lua_proxy_call(L, 1);
    struct str path = lua_arg_str(L, 2);
    uint32_t slot;
    size_t count;

    if (!call->writable)
        return luaL_error(L, "event[\"%s\"]: events are read-only; only a source's fix writes", path.ptr);
    lua_budget_charge(L, 20);
    slot = fields_find(call->event->fields, path);
    if (slot == FIELD_NONE)
        return 0; /* no rule reads it */
    event_clear(call->event, slot);
    if (lua_isnil(L, 3))
        return 0;
    if (!lua_istable(L, 3)) {
        write_value(L, call, slot, 3);
        return 0;
    }
    lua_frozen_target(L, 3);
    count = lua_rawlen(L, 3);
    for (size_t i = 1; i <= count; i++) {
        lua_rawgeti(L, 3, (lua_Integer)i);
        write_value(L, call, slot, -1);
        lua_pop(L, 1);
    }
    return 0;
}

void lua_proxy_open(lua_State *L)
{
    static const luaL_Reg meta[] = {{"__index", read_field}, {"__newindex", write_field}, {NULL, NULL}};

    lua_newtable(L);
    luaL_setfuncs(L, meta, 0);
    lua_pushboolean(L, 0);
    lua_setfield(L, -2, "__metatable");
    lua_pushliteral(L, "event");
    lua_setfield(L, -2, "__name");
    lua_rawsetp(L, LUA_REGISTRYINDEX, &proxy_key);
}
