/* What a regular expression cannot match without: literals, of which every matching text holds at least one.
 * They let the index find rules by `re`, and spare most runs of the regex engine. */
#ifndef LUNETTE_MATCH_REGEX_ATOMS_H
#define LUNETTE_MATCH_REGEX_ATOMS_H

#include "base/arena.h"

#define REGEX_ATOMS_MAX 16

/* Folded ASCII, each at least two bytes, in the arena; returns how many. 0: nothing is known, or the pattern
 * uses something that this reader does not follow. The pattern must be valid. */
size_t regex_atoms(struct arena *arena, struct str pattern, struct str atoms[REGEX_ATOMS_MAX]);

#endif
