/* Lists: named sets of values that rules use in `match` and in callbacks; an entry may carry attributes, a
 * JSON object. Built by the loader, then immutable; any thread reads while it holds the ruleset. Entries and
 * attributes live in the arena they were made in. */
#ifndef LUNETTE_RULES_LISTS_H
#define LUNETTE_RULES_LISTS_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/map.h"
#include "base/vec.h"
#include "match/match.h"

#define LIST_ENTRIES_MAX    1000000
#define LIST_ENTRY_MAX      4096 /* bytes */
#define LIST_ATTRIBUTES_MAX 4096 /* bytes of an entry's attributes as JSON */
#define LIST_COLUMNS_MAX    32   /* of a .csv file with a header, the value among them */
#define LIST_INTEL_PREFIX   "intel_"

struct list_networks; /* lists_network.h */

struct list {
    struct str name, path;          /* path: of its file, for messages; "overlay" where there is no file */
    VEC(struct literal) entries;    /* from_list is set */
    VEC(struct str) attributes;     /* by entry, "" for none; may be shorter: the rest has none */
    size_t overlay_from;            /* entries from here on are an overlay's; SIZE_MAX: none is */
    struct map *folded;             /* texts as match compares them -> position + 1 */
    struct list_networks *networks; /* entries that are networks ("10.0.0.0/8"); NULL: none */
};

/* What the API adds to the lists of the files and takes from them; borrowed while a ruleset is loaded. */
struct overlay_entry {
    struct str value, attributes; /* attributes: a JSON object, or "" */
};
struct list_overlay {
    struct str name;
    const struct overlay_entry *added;
    size_t added_count;
    const struct str *removed; /* compared as list_has does; a network only by its own text */
    size_t removed_count;
};
/* Whether an overlay may add this: a text of 1 to LIST_ENTRY_MAX bytes of UTF-8 without control characters,
 * and "" or a JSON object of at most LIST_ATTRIBUTES_MAX bytes. -1 and err (ERR_INVALID, ERR_LIMIT)
 * otherwise. */
int list_entry_check(const struct overlay_entry *entry, struct err *err);

struct list *list_new(struct str name, struct str path);
void list_free(struct list *list); /* NULL is fine */
/* One entry; its text is borrowed. ERR_LIMIT beyond LIST_ENTRIES_MAX. */
int list_add(struct list *list, const struct literal *entry, struct err *err);
/* The same with attributes (a JSON object, or ""; borrowed). ERR_LIMIT beyond LIST_ATTRIBUTES_MAX. */
int list_add_with(struct list *list, const struct literal *entry, struct str attributes, struct err *err);
/* The lines of a .txt file, or (csv) the first column of each: trimmed, empty ones and those that begin with
 * # left out; a quoted CSV cell is unquoted. Where the first cell of the first line of a CSV is `value`, that
 * line names the columns, and the other cells of each line become attributes, as texts; empty ones are left
 * out. *line is where it stopped. Texts are copied into `arena`. */
int list_parse(struct list *list, struct arena *arena, struct str text, bool csv, unsigned *line,
               struct err *err);
/* Removes, then adds (an entry that is there already is replaced). Texts are copied into `arena`. Before
 * list_finish. */
int list_apply(struct list *list, struct arena *arena, const struct list_overlay *overlay, struct err *err);
/* Makes the list ready for list_has; again after entries were added. Of equal entries the last counts. */
void list_finish(struct list *list);
/* Does it hold the value? Texts compare case-folded, numbers by their decimal text; an address is also held
 * by a network of the list. */
bool list_has(const struct list *list, struct str value);
/* The same, and what the list says of it: *attributes is a JSON object of the list's, "{}" where the entry
 * has none. The entry that is equal comes first, then for an address the smallest network that holds it. */
bool list_get(const struct list *list, struct str value, struct str *attributes);
/* Appends a JSON array of at most `limit` entries from `offset` on, in the order of the file, then of the
 * overlay: {"value":"acme","attributes":{…},"overlay":true}; the last two only where there is something to
 * say. */
void list_json(const struct list *list, size_t offset, size_t limit, struct buf *out);

#endif
