/* os.time and os.date on the host's clock, always UTC: the same answer on every machine and in every replay.
 */
#include <limits.h>
#include <stdio.h>
#include <time.h>

#include "lua/state.h"

#define FORMAT_MAX 256

LUA_RAISES static int date_field(lua_State *L, const char *name, int fallback, int offset)
{
    lua_Integer value;
    int is_integer;

    lua_pushstring(L, name);
    if (lua_rawget(L, 1) == LUA_TNIL) {
        lua_pop(L, 1);
        if (fallback < 0)
            return luaL_error(L, "field '%s' missing in date table", name);
        return fallback;
    }
    value = lua_tointegerx(L, -1, &is_integer);
    lua_pop(L, 1);
    if (!is_integer)
        return luaL_error(L, "field '%s' is not an integer", name);
    if (value < -1000000 || value > 1000000)
        return luaL_error(L, "field '%s' is out-of-bound", name);
    return (int)value - offset;
}

static int os_time(lua_State *L)
{
    struct tm tm = {0};

    if (lua_isnoneornil(L, 1)) {
        lua_pushinteger(L, lua_host_now(lua_runtime_of(L)) / NS_PER_S);
        return 1;
    }
    luaL_checktype(L, 1, LUA_TTABLE);
    tm.tm_year = date_field(L, "year", -1, 1900);
    tm.tm_mon = date_field(L, "month", -1, 1);
    tm.tm_mday = date_field(L, "day", -1, 0);
    tm.tm_hour = date_field(L, "hour", 12, 0);
    tm.tm_min = date_field(L, "min", 0, 0);
    tm.tm_sec = date_field(L, "sec", 0, 0);
    lua_pushinteger(L, timegm(&tm));
    return 1;
}

LUA_RAISES static void push_fields(lua_State *L, const struct tm *tm)
{
    const struct {
        const char *name;
        int value;
    } fields[] = {{"year", tm->tm_year + 1900}, {"month", tm->tm_mon + 1}, {"day", tm->tm_mday},
                  {"hour", tm->tm_hour},        {"min", tm->tm_min},       {"sec", tm->tm_sec},
                  {"yday", tm->tm_yday + 1},    {"wday", tm->tm_wday + 1}};

    lua_createtable(L, 0, 9);
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
        lua_pushinteger(L, fields[i].value);
        lua_setfield(L, -2, fields[i].name);
    }
    lua_pushboolean(L, 0);
    lua_setfield(L, -2, "isdst");
}

LUA_RAISES static void push_formatted(lua_State *L, struct str format, const struct tm *tm)
{
    luaL_Buffer out;

    luaL_argcheck(L, format.len <= FORMAT_MAX, 1, "format longer than 256 bytes");
    luaL_buffinit(L, &out);
    for (size_t i = 0; i < format.len; i++) {
        char text[128], spec[3] = {'%', 0, 0};

        if (format.ptr[i] != '%') {
            luaL_addchar(&out, format.ptr[i]);
            continue;
        }
        spec[1] = format.ptr[++i];
        if (spec[1] == '\0' || !strchr("aAbBcCdDeFgGhHIjmMnprRStTuUVwWxXyYzZ%", spec[1]))
            luaL_argerror(L, 1, lua_pushfstring(L, "invalid conversion specifier '%s'", spec));
        luaL_addlstring(&out, text, strftime(text, sizeof text, spec, tm));
    }
    luaL_pushresult(&out);
}

static int os_date(lua_State *L)
{
    struct str format = {"%c", 2};
    time_t when = (time_t)luaL_optinteger(L, 2, lua_host_now(lua_runtime_of(L)) / NS_PER_S);
    struct tm tm;

    if (!lua_isnoneornil(L, 1))
        format = lua_arg_str(L, 1);
    if (str_starts(format, STR("!"))) /* always UTC */
        format = (struct str){format.ptr + 1, format.len - 1};
    if (!gmtime_r(&when, &tm))
        return luaL_error(L, "date result cannot be represented in this installation");
    tm.tm_zone = "UTC";
    if (str_starts(format, STR("*t")))
        push_fields(L, &tm);
    else
        push_formatted(L, format, &tm);
    return 1;
}

void lua_open_os(lua_State *L)
{
    static const luaL_Reg functions[] = {{"time", os_time}, {"date", os_date}, {NULL, NULL}};

    lua_newtable(L);
    luaL_setfuncs(L, functions, 0);
}
