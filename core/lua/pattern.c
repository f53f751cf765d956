#include "lua/pattern.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>

#define ESCAPE '%'
#define OPEN   (-1) /* length of a capture whose end is not reached yet */

static const char *try_at(struct lua_pattern *m, const char *s, const char *p);

/* ---- ends of all kinds ---- */

static const char *stop(struct lua_pattern *m, const char *format, ...) __attribute__((format(printf, 2, 3)));
static const char *stop(struct lua_pattern *m, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(m->error, sizeof m->error, format, args);
    va_end(args);
    m->stopped = true;
    return NULL;
}

static bool spend(struct lua_pattern *m, size_t steps)
{
    if (m->steps > steps) {
        m->steps -= (unsigned)steps;
        return true;
    }
    m->steps = m->more(m->context);
    if (m->steps > 0)
        return true;
    m->error[0] = '\0';
    m->stopped = true;
    return false;
}

static const char *text_end(const struct lua_pattern *m)
{
    return m->text.ptr + m->text.len;
}

static const char *pattern_end(const struct lua_pattern *m)
{
    return m->pattern.ptr + m->pattern.len;
}

/* ---- one character against one item ---- */

static bool in_class(int c, int class)
{
    bool holds;

    switch (tolower(class)) {
    case 'a':
        holds = isalpha(c);
        break;
    case 'c':
        holds = iscntrl(c);
        break;
    case 'd':
        holds = isdigit(c);
        break;
    case 'g':
        holds = isgraph(c);
        break;
    case 'l':
        holds = islower(c);
        break;
    case 'p':
        holds = ispunct(c);
        break;
    case 's':
        holds = isspace(c);
        break;
    case 'u':
        holds = isupper(c);
        break;
    case 'w':
        holds = isalnum(c);
        break;
    case 'x':
        holds = isxdigit(c);
        break;
    case 'z': /* not in the manual any more, but still there */
        holds = c == 0;
        break;
    default:
        return class == c;
    }
    return isupper(class) ? !holds : holds;
}

/* `set` is at the '[', `close` at its ']'. */
static bool in_set(int c, const char *set, const char *close)
{
    bool found = true;
    const char *p = set + 1;

    if (*p == '^') {
        found = false;
        p++;
    }
    for (; p < close; p++) {
        if (*p == ESCAPE) {
            p++;
            if (in_class(c, (unsigned char)*p))
                return found;
        } else if (p[1] == '-' && p + 2 < close) {
            if ((unsigned char)p[0] <= c && c <= (unsigned char)p[2])
                return found;
            p += 2;
        } else if ((unsigned char)*p == c) {
            return found;
        }
    }
    return !found;
}

/* Where the ']' of the set at p is searched: a ']' that comes first is a member, an escaped one too. */
static const char *set_end(struct lua_pattern *m, const char *p)
{
    const char *end = pattern_end(m);

    p++;
    if (p < end && *p == '^')
        p++;
    for (bool first = true; first || *p != ']'; first = false) {
        if (p >= end)
            return stop(m, "malformed pattern (missing ']')");
        if (*p++ == ESCAPE && p < end)
            p++;
    }
    return p + 1;
}

/* Behind the single item (character, escape, set) at p; NULL when it is malformed. */
static const char *item_end(struct lua_pattern *m, const char *p)
{
    if (*p == '[')
        return set_end(m, p);
    if (*p != ESCAPE)
        return p + 1;
    if (p + 1 >= pattern_end(m))
        return stop(m, "malformed pattern (ends with '%%')");
    return p + 2;
}

static bool item_holds(const struct lua_pattern *m, const char *s, const char *p, const char *end)
{
    int c;

    if (s >= text_end(m))
        return false;
    c = (unsigned char)*s;
    switch (*p) {
    case '.':
        return true;
    case ESCAPE:
        return in_class(c, (unsigned char)p[1]);
    case '[':
        return in_set(c, p, end - 1);
    default:
        return (unsigned char)*p == c;
    }
}

/* ---- repetitions ---- */

/* Sets are long: what testing one character against the item costs. */
static size_t item_cost(const char *p, const char *end)
{
    return 1 + (size_t)(end - p) / 8;
}

static const char *longest_first(struct lua_pattern *m, const char *s, const char *p, const char *end)
{
    size_t cost = item_cost(p, end), count = 0;

    while (item_holds(m, s + count, p, end)) {
        if (!spend(m, cost))
            return NULL;
        count++;
    }
    for (;; count--) {
        const char *found = try_at(m, s + count, end + 1);
        if (found || m->stopped || count == 0)
            return found;
    }
}

static const char *shortest_first(struct lua_pattern *m, const char *s, const char *p, const char *end)
{
    size_t cost = item_cost(p, end);

    for (;; s++) {
        const char *found = try_at(m, s, end + 1);
        if (found || m->stopped)
            return found;
        if (!spend(m, cost) || !item_holds(m, s, p, end))
            return NULL;
    }
}

/* ---- the special items; each returns where the text goes on ---- */

static const char *balanced(struct lua_pattern *m, const char *s, const char *p)
{
    unsigned depth = 1;

    if (pattern_end(m) - p < 2)
        return stop(m, "malformed pattern (missing arguments to '%%b')");
    if (*s != p[0])
        return NULL;
    while (++s < text_end(m)) {
        if (!spend(m, 1))
            return NULL;
        if (*s == p[1]) {
            if (--depth == 0)
                return s + 1;
        } else if (*s == p[0]) {
            depth++;
        }
    }
    return NULL;
}

static bool frontier(struct lua_pattern *m, const char *s, const char *set, const char *end)
{
    int before = s == m->text.ptr ? 0 : (unsigned char)s[-1];
    int after = s == text_end(m) ? 0 : (unsigned char)*s;

    return !in_set(before, set, end - 1) && in_set(after, set, end - 1);
}

static const char *same_again(struct lua_pattern *m, const char *s, int digit)
{
    int index = digit - '1';
    const struct lua_capture *capture;

    if (index < 0 || (unsigned)index >= m->level || m->capture[index].len == OPEN)
        return stop(m, "invalid capture index %%%d", index + 1);
    capture = &m->capture[index];
    if (capture->len < 0 || text_end(m) - s < capture->len)
        return NULL;
    if (!spend(m, 1 + (size_t)capture->len / 32) || memcmp(capture->at, s, (size_t)capture->len) != 0)
        return NULL;
    return s + capture->len;
}

static const char *open_capture(struct lua_pattern *m, const char *s, const char *p)
{
    bool position = p + 1 < pattern_end(m) && p[1] == ')';
    const char *found;

    if (m->level >= LUA_PATTERN_CAPTURES)
        return stop(m, "too many captures");
    m->capture[m->level++] = (struct lua_capture){s, position ? LUA_PATTERN_POSITION : OPEN};
    found = try_at(m, s, p + (position ? 2 : 1));
    if (!found)
        m->level--;
    return found;
}

static const char *close_capture(struct lua_pattern *m, const char *s, const char *p)
{
    unsigned index = m->level;
    const char *found;

    while (index > 0 && m->capture[index - 1].len != OPEN)
        index--;
    if (index == 0)
        return stop(m, "invalid pattern capture");
    m->capture[index - 1].len = s - m->capture[index - 1].at;
    found = try_at(m, s, p + 1);
    if (!found)
        m->capture[index - 1].len = OPEN;
    return found;
}

/* ---- the pattern, item by item ---- */

enum step { STEP_ON, STEP_END };

/* A single item with its repetition. STEP_ON: go on at *s, *p; STEP_END: *s is the answer. */
static enum step plain_item(struct lua_pattern *m, const char **s, const char **p)
{
    const char *end = item_end(m, *p);
    const char *found;
    bool holds;
    char repeat;

    if (!end) {
        *s = NULL;
        return STEP_END;
    }
    repeat = end < pattern_end(m) ? *end : '\0';
    holds = item_holds(m, *s, *p, end);
    if (repeat == '*' || repeat == '-') {
        if (!holds) { /* nothing to repeat: go on here, without another level */
            *p = end + 1;
            return STEP_ON;
        }
        *s = repeat == '*' ? longest_first(m, *s, *p, end) : shortest_first(m, *s, *p, end);
        return STEP_END;
    }
    if (repeat == '?') {
        found = holds ? try_at(m, *s + 1, end + 1) : NULL;
        *p = end + 1;
        if (!found && !m->stopped)
            return STEP_ON;
        *s = found;
        return STEP_END;
    }
    if (!holds || repeat == '+') {
        *s = holds ? longest_first(m, *s + 1, *p, end) : NULL;
        return STEP_END;
    }
    ++*s;
    *p = end;
    return STEP_ON;
}

/* %b, %f, %1; others are plain items. */
static enum step escaped_item(struct lua_pattern *m, const char **s, const char **p)
{
    int kind = (unsigned char)(*p)[1];
    const char *end;

    if (kind == 'b') {
        *s = balanced(m, *s, *p + 2);
        *p += 4;
    } else if (kind == 'f') {
        *p += 2;
        if (*p >= pattern_end(m) || **p != '[') {
            *s = stop(m, "missing '[' after '%%f' in pattern");
            return STEP_END;
        }
        end = item_end(m, *p);
        *s = end && frontier(m, *s, *p, end) ? *s : NULL;
        *p = end;
    } else if (isdigit(kind)) {
        *s = same_again(m, *s, kind);
        *p += 2;
    } else {
        return plain_item(m, s, p);
    }
    return *s ? STEP_ON : STEP_END;
}

static enum step any_item(struct lua_pattern *m, const char **s, const char **p)
{
    switch (**p) {
    case '(':
        *s = open_capture(m, *s, *p);
        return STEP_END;
    case ')':
        *s = close_capture(m, *s, *p);
        return STEP_END;
    case '$':
        if (*p + 1 != pattern_end(m))
            return plain_item(m, s, p);
        *s = *s == text_end(m) ? *s : NULL;
        return STEP_END;
    case ESCAPE:
        return escaped_item(m, s, p);
    default:
        return plain_item(m, s, p);
    }
}

static const char *try_at(struct lua_pattern *m, const char *s, const char *p)
{
    if (m->depth >= LUA_PATTERN_DEPTH)
        return stop(m, "pattern too complex");
    m->depth++;
    while (p < pattern_end(m)) {
        if (!spend(m, 1)) {
            s = NULL;
            break;
        }
        if (any_item(m, &s, &p) == STEP_END)
            break;
    }
    m->depth--;
    return s;
}

const char *lua_pattern_at(struct lua_pattern *match, size_t at, size_t from)
{
    match->level = 0;
    match->depth = 0;
    match->stopped = false;
    return try_at(match, match->text.ptr + at, match->pattern.ptr + from);
}

bool lua_pattern_capture(struct lua_pattern *match, unsigned index, const char *start, const char *end,
                         struct lua_capture *out)
{
    if (index >= match->level) {
        if (index > 0) {
            stop(match, "invalid capture index %%%u", index + 1);
            return false;
        }
        *out = (struct lua_capture){start, end - start};
        return true;
    }
    *out = match->capture[index];
    if (out->len != OPEN)
        return true;
    stop(match, "unfinished capture");
    return false;
}

bool lua_pattern_is_plain(struct str pattern)
{
    for (size_t i = 0; i < pattern.len; i++)
        if (memchr("^$*+?.([%-", pattern.ptr[i], 10))
            return false;
    return true;
}
