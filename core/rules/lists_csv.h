/* The lines of a list's file; private to core/rules. */
#ifndef LUNETTE_RULES_LISTS_CSV_H
#define LUNETTE_RULES_LISTS_CSV_H

#include "rules/lists.h"

struct list_csv;
/* Of one file; what is kept goes into `arena`, which outlives it. */
struct list_csv *list_csv_new(struct arena *arena);
void list_csv_free(struct list_csv *csv);
/* One line, trimmed, not empty and no comment. *value empty: the line is a header, or has no value.
 * *attributes: a JSON object, or "". -1: more cells than columns, or a header that names too much. */
int list_csv_line(struct list_csv *csv, struct str line, struct str *value, struct str *attributes,
                  struct err *err);
/* Without blanks and line ends. */
struct str list_trim(struct str s);

#endif
