/* The patterns of Lua 5.4 with a step counter: same meaning as the stock matcher, but the caller decides how
 * long one match may go on, because the stock one cannot be interrupted. Plain C: knows no lua_State,
 * allocates nothing. One struct per search, on the caller's stack. */
#ifndef LUNETTE_LUA_PATTERN_H
#define LUNETTE_LUA_PATTERN_H

#include <stdint.h>

#include "base/str.h"

#define LUA_PATTERN_CAPTURES 32
#define LUA_PATTERN_DEPTH    200  /* nested parts of one match, as in the stock matcher */
#define LUA_PATTERN_POSITION (-2) /* struct lua_capture.len of "()": a position, not text */

struct lua_capture {
    const char *at;
    ptrdiff_t len;
};

struct lua_pattern {
    struct str text, pattern; /* of the search; both are followed by a readable NUL, as all Lua strings are */
    unsigned level;           /* captures so far */
    struct lua_capture capture[LUA_PATTERN_CAPTURES];
    unsigned depth;
    unsigned steps; /* left before `more` is asked */
    /* Called when the steps are used up: how many more there are; 0 ends the match. */
    unsigned (*more)(void *context);
    void *context;
    /* Why a match ended that neither failed nor succeeded. error: of the pattern, "" when the steps ran out.
     */
    bool stopped;
    char error[80];
};

/* Tries the pattern, from its byte `from` on, at exactly text.ptr + at. Returns the end of the match, or
 * NULL; then see `stopped`. Captures are those of this try. */
const char *lua_pattern_at(struct lua_pattern *match, size_t at, size_t from);
/* A capture (0-based) of a match that began at `start` and ended at `end`: a pattern without captures has
 * one, the whole. False: match->error says why. */
bool lua_pattern_capture(struct lua_pattern *match, unsigned index, const char *start, const char *end,
                         struct lua_capture *out);
/* Holds the pattern no special character? Then it can be searched as plain text. */
bool lua_pattern_is_plain(struct str pattern);

#endif
