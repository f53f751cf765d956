/* The table behind text_fold (text.h alone uses it). The folded form of a code point up to text_fold_last is
 * the point plus text_fold_page[text_fold_index[point / 64]][point % 64]; above, points fold to themselves.
 * Constant. */
#ifndef LUNETTE_BASE_TEXT_FOLD_TABLE_H
#define LUNETTE_BASE_TEXT_FOLD_TABLE_H

#include <stdint.h>

extern const uint32_t text_fold_last;
extern const uint8_t text_fold_index[];
extern const int32_t text_fold_page[][64];

#endif
