/* Any text and any pattern: the matcher must stay inside both and within its steps, and where it comes to an
 * end it must agree with the stock one. Input: pattern, a NUL, text. */
#include <stdlib.h>

#include <lua5.4/lua.h>
#include <lua5.4/lauxlib.h>
#include <lua5.4/lualib.h>

#include "base/err.h"
#include "lua/pattern.h"

#define STEPS 20000

static unsigned no_more(void *context)
{
    (void)context;
    return 0;
}

static void check_captures(struct lua_pattern *match, const char *begin, const char *end)
{
    for (unsigned i = 0; i < match->level; i++) {
        struct lua_capture capture;
        if (!lua_pattern_capture(match, i, begin, end, &capture))
            continue;
        INVARIANT(capture.at >= match->text.ptr && capture.at <= match->text.ptr + match->text.len);
        INVARIANT(capture.len == LUA_PATTERN_POSITION ||
                  (capture.len >= 0 && capture.at + capture.len <= match->text.ptr + match->text.len));
    }
}

/* The first match as string.find gives it: begin and end, 1-based; 0: none; -1: an error; -2: out of steps.
 */
static long find(struct lua_pattern *match, long *end)
{
    bool anchored = match->pattern.len > 0 && match->pattern.ptr[0] == '^';

    for (size_t at = 0; at <= match->text.len; at++) {
        const char *found = lua_pattern_at(match, at, anchored);
        if (match->stopped)
            return match->error[0] ? -1 : -2;
        if (found) {
            INVARIANT(found >= match->text.ptr + at && found <= match->text.ptr + match->text.len);
            check_captures(match, match->text.ptr + at, found);
            *end = found - match->text.ptr;
            return (long)at + 1;
        }
        if (anchored)
            break;
    }
    return 0;
}

static void compare_with_stock(struct str text, struct str pattern, long begin, long end, bool captures)
{
    static lua_State *L;

    if (!L) {
        L = luaL_newstate();
        luaL_requiref(L, LUA_STRLIBNAME, luaopen_string, 1);
    }
    lua_settop(L, 0);
    lua_getglobal(L, "string");
    lua_getfield(L, 1, "find");
    lua_pushlstring(L, text.ptr, text.len);
    lua_pushlstring(L, pattern.ptr, pattern.len);
    if (lua_pcall(L, 2, 2, 0) != LUA_OK)
        INVARIANT(begin == -1 || captures); /* an unfinished capture shows only when it is read */
    else if (begin <= 0)
        INVARIANT(begin == 0 && lua_isnil(L, -2));
    else
        INVARIANT(lua_tointeger(L, -2) == begin && lua_tointeger(L, -1) == end);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *split = size > 0 ? memchr(data, 0, size) : NULL;
    size_t pattern_len = split ? (size_t)(split - data) : size;
    struct str pattern = {mem_dup(data, pattern_len), pattern_len}, text = {mem_dup("", 0), 0};
    struct lua_pattern match = {.pattern = pattern, .steps = STEPS, .more = no_more};
    long begin, end = 0;

    if (split) {
        free((void *)text.ptr);
        text = (struct str){mem_dup(split + 1, size - pattern_len - 1), size - pattern_len - 1};
    }
    match.text = text;
    begin = find(&match, &end);
    if (begin != -2 && !lua_pattern_is_plain(pattern)) /* those, find searches as text */
        compare_with_stock(text, pattern, begin, end, match.level > 0);
    INVARIANT(match.steps <= STEPS);
    free((void *)text.ptr);
    free((void *)pattern.ptr);
    return 0;
}
