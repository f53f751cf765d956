/* The files of some roots as they were read; private to core/rules. A tree owns all its texts. Built by one
 * thread, then immutable. What was wrong with single files is kept as notes, so that loading can report it
 * together with everything else. */
#ifndef LUNETTE_RULES_TREE_H
#define LUNETTE_RULES_TREE_H

#include "base/arena.h"
#include "rules/loader.h"

#define TREE_RULE_MAX  ((size_t)256 << 10) /* bytes of one .lua file */
#define TREE_LIST_MAX  ((size_t)64 << 20)  /* bytes of one .txt or .csv file, and of one .tar.gz inflated */
#define TREE_BYTES_MAX ((size_t)256 << 20) /* bytes of all files */
#define TREE_FILES_MAX 20000
#define TREE_DEPTH_MAX 16
/* What folders hold in all, also what is no file of rules: reading ends soon where a root is something else.
 */
#define TREE_ENTRIES_MAX 50000

enum tree_kind { TREE_RULES, TREE_PLUGINS };

struct tree_file {
    enum tree_kind kind;
    unsigned root;   /* position in its ':'-list; a later one replaces */
    struct str path; /* as shown in messages: "rules/detections/identity/mfa.lua" */
    struct str name; /* below the root: "detections/identity/mfa.lua" */
    struct str text;
};

struct tree {
    struct arena *arena;
    VEC(struct tree_file) files; /* by (kind, root, name) once finished */
    struct report notes;
    size_t bytes, entries;
    char hash[65];
};

/* Where files are added: one root and how it is shown. */
struct tree_place {
    struct tree *tree;
    enum tree_kind kind;
    unsigned root;
    struct str shown; /* "rules", or "" */
};

struct tree *tree_new(void);
/* Whether a file of this name is of interest: .lua .txt .csv .tar.gz and no leading dot. */
bool tree_wants(struct str name);
/* Most bytes a file of this name may have. */
size_t tree_limit(struct str name);
/* Notes an error about one file; it is reported when the tree is loaded. */
void tree_refuse(const struct tree_place *place, struct str name, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Adds a file by its name below the root; texts are copied. A .tar.gz is unpacked in its place. -1: a limit
 * of the whole tree is reached, or the archive is broken. */
int tree_add(const struct tree_place *place, struct str name, struct str text, struct err *err);
/* Adds the members of a .tar.gz, as if they had been unpacked beside it. */
int tree_add_archive(const struct tree_place *place, struct str name, struct str gz, struct err *err);
/* Reads a folder or a single file into the place. ERR_BUSY: it changed meanwhile, read again. */
int tree_walk(const struct tree_place *place, const char *path, struct err *err);
/* Sorts and hashes; nothing may be added afterwards. */
void tree_finish(struct tree *tree);

#endif
