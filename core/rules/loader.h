/* From folders to a ruleset: read the tree, run each file in a throw-away state, check, compile. The result
 * depends on the tree alone. Control thread (or the CLI's). */
#ifndef LUNETTE_RULES_LOADER_H
#define LUNETTE_RULES_LOADER_H

#include "base/buf.h"
#include "base/vec.h"
#include "rules/lists.h"
#include "rules/ruleset.h"

/* A note is no problem: it says what a reader would want to know ("replaces …"). */
enum problem_level { PROBLEM_ERROR, PROBLEM_WARNING, PROBLEM_NOTE };
const char *problem_level_name(enum problem_level level); /* "error" "warning" "note" */
struct problem {
    enum problem_level level;
    char where[256];   /* rules/detections/x.lua:14 */
    char message[512]; /* what, and what to write instead */
};
struct report {
    VEC(struct problem) problems;
    size_t errors, warnings;
};
void report_add(struct report *report, enum problem_level level, const char *where, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
void report_free(struct report *report);
void report_json(const struct report *report, struct buf *out); /* an array */

/* All files of some roots, read: names, texts, hash. Flat roots (a ConfigMap) and deep ones; names beginning
 * with a dot are skipped (so "..data" is), links followed once, a .tar.gz is unpacked in its place; a later
 * root replaces by id and says so. A root may be a single file. NULL and err: a root that cannot be read, or
 * that kept changing while it was read, or is beyond the limits of the whole tree; what is wrong with one
 * file is reported by ruleset_load. */
struct tree;
struct tree *tree_read(const char *rules_roots, const char *plugins_roots, struct err *err); /* ':'-lists */
/* The same with modules of a root of its own, for files that are read without the roots they stand in: paths
 * below that root ("agents/facts.lua") and texts. */
struct tree *tree_read_with(const char *rules_roots, const char *plugins_roots,
                            const struct lua_source *modules, size_t count, struct err *err);
/* A tree from memory, for tests and `check -`: path/text pairs. */
struct tree *tree_of(const struct lua_source *files, size_t count);
void tree_free(struct tree *tree);
const char *tree_hash(const struct tree *tree); /* 64 hex */
/* Saves the tree below `dir` as the last good one (atomically), and reads it back with the same hash.
 * Restoring: ERR_NOT_FOUND when none was saved, ERR_CORRUPT when it is damaged. */
int tree_save(const struct tree *tree, const char *dir, struct err *err);
struct tree *tree_restore(const char *dir, struct err *err);

/* Compiles, with the lists of the files as the overlays change them: removed first, then added; an overlay of
 * a list that no file makes is a list of its own. Of two overlays of one name the later comes second. NULL
 * when there is any error; the report has all of them, not just the first. Does not run the tests. */
struct ruleset *ruleset_load(const struct tree *tree, const struct list_overlay *overlays,
                             size_t overlay_count, struct report *report);
/* The hash of the ruleset that these make, 64 hex; without overlays it is the tree's. */
void ruleset_hash(const struct tree *tree, const struct list_overlay *overlays, size_t overlay_count,
                  char out[65]);
/* The matcher of one rule alone, as index 0, with the lists of the test in place of the files' (NULL: the
 * files'). The caller frees it; `arena` lives as long. */
struct matcher *ruleset_test_matcher(const struct ruleset *set, const struct rule *rule,
                                     const struct rule_test *test, struct arena *arena, struct err *err);

#endif
