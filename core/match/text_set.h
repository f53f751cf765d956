/* A set of strings that answers "is it in?", "does it begin with one?", "does it end with one?" in time that
 * does not follow its size. Immutable; lives in the arena; borrows the strings. */
#ifndef LUNETTE_MATCH_TEXT_SET_H
#define LUNETTE_MATCH_TEXT_SET_H

#include <stdint.h>

#include "base/arena.h"

enum text_side { TEXT_WHOLE, TEXT_HEAD, TEXT_TAIL }; /* what of the text must be an item */

struct text_set;
struct text_set *text_set_new(struct arena *arena, enum text_side side, const struct str *items,
                              size_t count);
bool text_set_holds(const struct text_set *set, struct str text);
size_t text_set_count(const struct text_set *set);
struct str text_set_item(const struct text_set *set, size_t index);

#endif
