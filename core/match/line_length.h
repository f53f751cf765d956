/* "A line of at least N characters", which rules write as the regular expression `.{N,}`: told apart by the
 * loader and answered by counting, where a regex engine would try every start. */
#ifndef LUNETTE_MATCH_LINE_LENGTH_H
#define LUNETTE_MATCH_LINE_LENGTH_H

#include <stdint.h>

#include "base/str.h"

struct line_length {
    uint64_t least;     /* characters */
    bool first, last;   /* only the first, only the last line may do (anchors); both: one line only */
    bool any_character; /* with the flag s a line break counts too */
};

/* True when the pattern is one of `.{N}`, `.{N,}`, `.{N,M}` (no anchors), `^.{N,}`, `.{N,}$`, `^.{N,}$`, N >
 * 0. `flags`: enum regex_flags. */
bool line_length_parse(struct str pattern, unsigned flags, struct line_length *test);
bool line_length_holds(const struct line_length *test, struct str text);

#endif
