/* Text: UTF-8, Unicode simple case folding, nearest names. Any thread. */
#ifndef LUNETTE_BASE_TEXT_H
#define LUNETTE_BASE_TEXT_H

#include <stdint.h>

#include "base/arena.h"

bool text_is_utf8(struct str s);
/* The first character of `s` (not empty): its length and *point; or minus the length of the bad sequence that
 * stands there (the longest that begins like a character, at least 1). */
int text_utf8_decode(struct str s, uint32_t *point);
/* Returns the length, 1 to 4. `point` is not a surrogate and at most U+10FFFF. */
size_t text_utf8_encode(uint32_t point, char out[4]);
/* How many bytes at the start are ASCII. */
size_t text_ascii_prefix(struct str s);
/* Replaces each bad byte sequence by U+FFFD; returns s itself where nothing was bad. */
struct str text_repair_utf8(struct arena *arena, struct str s, bool *repaired);
/* Unicode simple case folding (CaseFolding.txt, C and S). Writes at most text_fold_max(len) bytes; returns
 * the length. */
size_t text_fold_max(size_t len);
size_t text_fold(struct str s, char *out);
struct str text_fold_dup(struct arena *arena, struct str s);
bool text_equal_fold(struct str a, struct str b);
/* Damerau-Levenshtein, at most `limit` + 1. */
unsigned text_distance(struct str a, struct str b, unsigned limit);
/* The nearest of `names` within a third of the length, or NULL: for "did you mean". */
const char *text_nearest(struct str name, const char *const *names, size_t count);
/* Escapes control characters as \n, \t, \u00XX for logs and messages, cut at `max` bytes with an ellipsis. */
struct str text_printable(struct arena *arena, struct str s, size_t max);

#endif
