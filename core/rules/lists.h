/* Lists: named sets of values that rules use in `match` and in callbacks. Built by the loader, then
 * immutable; any thread reads while it holds the ruleset. Entries live in the arena they were made in. */
#ifndef LUNETTE_RULES_LISTS_H
#define LUNETTE_RULES_LISTS_H

#include "base/arena.h"
#include "base/err.h"
#include "base/map.h"
#include "base/vec.h"
#include "match/match.h"

#define LIST_ENTRIES_MAX 1000000
#define LIST_ENTRY_MAX   4096 /* bytes */

struct cidr_set;

struct list {
    struct str name, path;       /* path: of its file, for messages */
    VEC(struct literal) entries; /* from_list is set */
    struct map *folded;          /* texts as match compares them */
    struct cidr_set *networks;   /* entries that are networks ("10.0.0.0/8"), in `arena`; NULL: none */
    struct arena *arena;         /* NULL: no networks */
};

struct list *list_new(struct str name, struct str path);
void list_free(struct list *list); /* NULL is fine */
/* One entry; its text is borrowed. ERR_LIMIT beyond LIST_ENTRIES_MAX. */
int list_add(struct list *list, const struct literal *entry, struct err *err);
/* The lines of a .txt file, or (csv) the first column of each: trimmed, empty ones and those that begin with
 * # left out; a quoted CSV cell is unquoted. *line is where it stopped. Texts are copied into `arena`. */
int list_parse(struct list *list, struct arena *arena, struct str text, bool csv, unsigned *line,
               struct err *err);
/* Makes the list ready for list_has. */
void list_finish(struct list *list);
/* Does it hold the value? Texts compare case-folded, numbers by their decimal text; an address is also held
 * by a network of the list. */
bool list_has(const struct list *list, struct str value);

#endif
