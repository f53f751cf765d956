/* Regular expressions with bounded time for any pattern and subject: PCRE2 with match, depth and heap limits.
 * The only wrapper of the regex engine; also behind the rules' `re` module. Compiled expressions are
 * immutable, any thread. */
#ifndef LUNETTE_MATCH_REGEX_H
#define LUNETTE_MATCH_REGEX_H

#include "base/err.h"
#include <stddef.h>

#include "base/str.h"

struct regex;
struct regex_scratch; /* one a thread */

enum regex_flags { REGEX_CASELESS = 1, REGEX_MULTILINE = 2, REGEX_DOTALL = 4 };
/* Patterns up to 8 KiB, 64 KiB once compiled, and 255 groups (ERR_LIMIT); ERR_INVALID with the offset;
 * counted repetitions above 1,000 and callouts are refused. UTF-8; in a subject, bytes that are not UTF-8
 * match nothing. */
struct regex *regex_new(struct str pattern, unsigned flags, struct err *err);
/* Would regex_new take it? 0 or -1; cheaper. */
int regex_check(struct str pattern, unsigned flags, struct err *err);
void regex_free(struct regex *regex);
struct regex_scratch *regex_scratch_new(void);
void regex_scratch_free(struct regex_scratch *scratch);

enum regex_outcome { REGEX_NO, REGEX_YES, REGEX_LIMIT /* steps used up: unknown */ };
/* Searches subject from `start`. `steps`: the work allowed: one for each item of the pattern that is tried
 * and for each byte that it moves on, so that the time is bounded for any pattern and subject. `spans` gets
 * up to max (begin, end) pairs, group 0 first; unset groups are SIZE_MAX; *count how many groups there are.
 * spans may be NULL. */
enum regex_outcome regex_search(const struct regex *regex, struct regex_scratch *scratch, struct str subject,
                                size_t start, unsigned steps, size_t (*spans)[2], size_t max, size_t *count);
/* Steps that the last search used. */
unsigned regex_steps(const struct regex_scratch *scratch);

#endif
