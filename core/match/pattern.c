#include "match/pattern.h"

#include <stdint.h>

static bool escapes(struct str text, size_t at)
{
    if (text.ptr[at] != '\\' || at + 1 >= text.len)
        return false;
    char next = text.ptr[at + 1];
    return next == '*' || next == '?' || next == '\\';
}

static size_t parse_wild(struct str text, char *out)
{
    size_t made = 0;
    for (size_t at = 0; at < text.len; at++) {
        char c = text.ptr[at];
        if (escapes(text, at)) {
            out[made++] = text.ptr[++at];
        } else if (c == '*') {
            if (made == 0 || out[made - 1] != PATTERN_STAR)
                out[made++] = PATTERN_STAR;
        } else {
            out[made++] = c == '?' ? PATTERN_ONE : c;
        }
    }
    return made;
}

struct str pattern_parse(struct arena *arena, struct str text, bool plain)
{
    if (plain)
        return arena_dup(arena, text);
    char *out = arena_alloc(arena, text.len + 1);
    size_t made = parse_wild(text, out);
    out[made] = 0;
    return (struct str){out, made};
}

static bool is_special(char c)
{
    return c == PATTERN_STAR || c == PATTERN_ONE;
}

static bool has_special(struct str s)
{
    for (size_t i = 0; i < s.len; i++)
        if (is_special(s.ptr[i]))
            return true;
    return false;
}

enum pattern_shape pattern_shape(struct str pattern, struct str *literal)
{
    bool open = pattern.len > 0 && pattern.ptr[0] == PATTERN_STAR;
    bool end = pattern.len > 0 && pattern.ptr[pattern.len - 1] == PATTERN_STAR;
    *literal = pattern;
    if (pattern.len == 1 && open)
        return PATTERN_ANY;
    struct str inner = {pattern.ptr + open, pattern.len - open - end};
    if (has_special(inner))
        return PATTERN_WILD;
    *literal = inner;
    if (open)
        return end ? PATTERN_CONTAINS : PATTERN_SUFFIX;
    return end ? PATTERN_PREFIX : PATTERN_EXACT;
}

struct str pattern_longest_piece(struct str pattern)
{
    struct str best = {pattern.ptr, 0};
    for (size_t at = 0; at < pattern.len;) {
        size_t end = at;
        while (end < pattern.len && !is_special(pattern.ptr[end]))
            end++;
        if (end - at > best.len)
            best = (struct str){pattern.ptr + at, end - at};
        at = end + 1;
    }
    return best;
}

static size_t character_length(struct str text, size_t at)
{
    size_t n = 1;
    while (at + n < text.len && ((unsigned char)text.ptr[at + n] & 0xc0) == 0x80)
        n++;
    return n;
}

/* Does the star-free piece match at `at`? *end gets where it ends. */
static bool piece_at(struct str piece, struct str text, size_t at, size_t *end)
{
    for (size_t i = 0; i < piece.len; i++) {
        if (at >= text.len)
            return false;
        if (piece.ptr[i] == PATTERN_ONE) {
            at += character_length(text, at);
        } else if (piece.ptr[i] != text.ptr[at++]) {
            return false;
        }
    }
    *end = at;
    return true;
}

/* First place at or behind `from` where the piece matches; SIZE_MAX: none. */
static size_t find_piece(struct str piece, struct str text, size_t from, size_t *end)
{
    if (!has_special(piece)) {
        if (from > text.len)
            return SIZE_MAX;
        const char *at = memmem(text.ptr + from, text.len - from, piece.ptr, piece.len);
        if (!at)
            return SIZE_MAX;
        *end = (size_t)(at - text.ptr) + piece.len;
        return (size_t)(at - text.ptr);
    }
    for (size_t at = from; at < text.len; at += character_length(text, at))
        if (piece_at(piece, text, at, end))
            return at;
    return SIZE_MAX;
}

/* The last piece is anchored at the end: `?` are whole characters, so walk back over as many as it has. */
static bool tail_matches(struct str piece, struct str text, size_t from)
{
    size_t at = text.len, end;
    for (size_t i = 0; i < piece.len; i++) {
        if (at <= from)
            return false;
        at--;
        while (piece.ptr[piece.len - 1 - i] == PATTERN_ONE && at > from &&
               ((unsigned char)text.ptr[at] & 0xc0) == 0x80)
            at--;
    }
    return piece_at(piece, text, at, &end) && end == text.len;
}

static struct str next_piece(struct str pattern, size_t *at, bool *last)
{
    size_t start = *at;
    while (*at < pattern.len && pattern.ptr[*at] != PATTERN_STAR)
        ++*at;
    *last = *at == pattern.len;
    return (struct str){pattern.ptr + start, (*at)++ - start};
}

bool pattern_matches(struct str pattern, struct str text)
{
    size_t at = 0, done = 0;
    bool last;
    struct str piece = next_piece(pattern, &at, &last);
    if (!piece_at(piece, text, 0, &done))
        return false;
    if (last)
        return done == text.len;
    for (piece = next_piece(pattern, &at, &last); !last; piece = next_piece(pattern, &at, &last))
        if (find_piece(piece, text, done, &done) == SIZE_MAX)
            return false;
    return tail_matches(piece, text, done);
}
