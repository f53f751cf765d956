/* Sigma's string patterns: `*` is any run of characters, `?` one character; a backslash before `*`, `?` or
 * another backslash takes that one literally, before anything else it is a backslash. Parsed once by the
 * loader, then immutable; bytes live in the arena given. */
#ifndef LUNETTE_MATCH_PATTERN_H
#define LUNETTE_MATCH_PATTERN_H

#include "base/arena.h"

/* Neither byte occurs in UTF-8. */
#define PATTERN_STAR '\xfe'
#define PATTERN_ONE  '\xff'

/* The literal bytes of `text`, wildcards as the two bytes above (runs of stars as one). `plain`: no wildcards
 * and no escapes. */
struct str pattern_parse(struct arena *arena, struct str text, bool plain);

enum pattern_shape {
    PATTERN_ANY,      /* one star: every string */
    PATTERN_EXACT,    /* no wildcard */
    PATTERN_PREFIX,   /* literal star */
    PATTERN_SUFFIX,   /* star literal */
    PATTERN_CONTAINS, /* star literal star */
    PATTERN_WILD,     /* anything else */
};
/* What kind it is; *literal gets its text without the stars outside (WILD: the whole pattern). */
enum pattern_shape pattern_shape(struct str pattern, struct str *literal);
/* The longest run of bytes that every text it matches contains; may be empty. */
struct str pattern_longest_piece(struct str pattern);
/* Linear in the text but for `?` behind a star. */
bool pattern_matches(struct str pattern, struct str text);

#endif
