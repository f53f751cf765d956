/* time and log. Times are seconds since 1970 as numbers with a fraction, always UTC. */
#include "base/clock.h"
#include "lua/state.h"

#define MESSAGE_MAX 1024

LUA_RAISES static void push_seconds(lua_State *L, int64_t ns)
{
    int64_t whole = ns / NS_PER_S, rest = ns % NS_PER_S;

    lua_pushnumber(L, (lua_Number)whole + (lua_Number)rest / NS_PER_S);
}

static int time_now(lua_State *L)
{
    push_seconds(L, lua_host_now(lua_runtime_of(L)));
    return 1;
}

static int time_parse_text(lua_State *L)
{
    struct str text = lua_arg_str(L, 1), name = {"any", 3};
    enum time_format format;
    int64_t ns;

    if (!lua_isnoneornil(L, 2))
        name = lua_arg_str(L, 2);
    if (!time_format_named(name, &format))
        return luaL_error(
            L, "time.parse: no format \"%s\"; there are rfc3339, unix, unix_ms, unix_us, unix_ns, any",
            name.ptr);
    if (!time_parse(text, format, &ns))
        return lua_fail(L, "not a time");
    push_seconds(L, ns);
    return 1;
}

static int time_format_seconds(lua_State *L)
{
    lua_Number seconds = luaL_checknumber(L, 1);
    char text[32];

    luaL_argcheck(L, seconds > -9.2e9 && seconds < 9.2e9, 1,
                  "a time between the years 1678 and 2262 is expected");
    lua_pushlstring(L, text, time_print((int64_t)(seconds * 1e6 + (seconds < 0 ? -0.5 : 0.5)) * 1000, text));
    return 1;
}

static int time_duration(lua_State *L)
{
    struct err err = {0};
    int64_t ns;

    if (duration_parse(lua_arg_str(L, 1), &ns, &err) != 0)
        return lua_fail(L, err.message);
    push_seconds(L, ns);
    return 1;
}

static const luaL_Reg time_functions[] = {{"now", time_now},
                                          {"parse", time_parse_text},
                                          {"format", time_format_seconds},
                                          {"duration", time_duration},
                                          {NULL, NULL}};
const struct lua_module lua_module_time = {"time", time_functions, NULL};

/* ---- log ---- */

/* Writes the string on top. */
static void write_line(lua_State *L, const char *level)
{
    struct str message;

    message.ptr = lua_tolstring(L, -1, &message.len);
    if (message.len > MESSAGE_MAX)
        message.len = MESSAGE_MAX;
    lua_budget_charge(L, 50);
    lua_host_log(lua_runtime_of(L), level, message);
}

LUA_RAISES static int log_at(lua_State *L, const char *level)
{
    luaL_checkany(L, 1);
    lua_sandbox_text(L, 1);
    write_line(L, level);
    return 0;
}

static int log_debug(lua_State *L)
{
    return log_at(L, "debug");
}

static int log_info(lua_State *L)
{
    return log_at(L, "info");
}

static int log_warn(lua_State *L)
{
    return log_at(L, "warn");
}

static int log_error(lua_State *L)
{
    return log_at(L, "error");
}

/* print(…): its arguments with tabs between, as log.info. */
int lua_print(lua_State *L)
{
    int count = lua_gettop(L);

    lua_pushliteral(L, "");
    for (int i = 1; i <= count && lua_rawlen(L, -1) < MESSAGE_MAX; i++) {
        if (i > 1)
            lua_pushliteral(L, "\t");
        lua_sandbox_text(L, i);
        lua_concat(L, i > 1 ? 3 : 2);
    }
    write_line(L, "info");
    return 0;
}

static const luaL_Reg log_functions[] = {
    {"debug", log_debug}, {"info", log_info}, {"warn", log_warn}, {"error", log_error}, {NULL, NULL}};
const struct lua_module lua_module_log = {"log", log_functions, NULL};
