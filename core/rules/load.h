/* What the parts of the loader share; private to core/rules. One load makes one ruleset; everything it makes
 * lives in the ruleset's arena. Loader thread only. */
#ifndef LUNETTE_RULES_LOAD_H
#define LUNETTE_RULES_LOAD_H

#include "lua/scan.h"
#include "rules/known_fields.h"
#include "rules/lists.h"
#include "rules/loader.h"
#include "rules/tree.h"

/* What a callback reads of `group`. */
struct load_reads {
    const struct lua_scan_read *items;
    size_t count;
};

/* A Lua file that was run. */
struct load_file {
    const struct tree_file *from;
    struct lval *value; /* what it returned; in the load's scratch */
    /* Literal paths that its functions read, all and without those of `filter`. */
    const struct str *paths, *paths_after_filter;
    size_t path_count, path_after_filter_count;
    struct load_reads detect_reads, dedup_reads;
};

/* The files of one kind: what is left after replacing. */
struct load_shelf {
    struct load_file *items; /* with room for all files, so they stay where they are */
    size_t count;
    struct map *by_id; /* struct load_file * of these */
};

struct load {
    const struct tree *tree;
    struct report *report;
    struct ruleset *set;
    struct arena *arena;   /* the set's: what is kept */
    struct arena *scratch; /* of this load */
    struct arena *once;    /* of one file's run */
    struct str *texts;     /* by the tree's files: the kept copies of the Lua ones */
    struct known_fields *known;
    struct load_shelf rules, sources, policies, agents, actions;
    bool noted_attack; /* that there is no list "attack" */
};

/* One file being compiled: where its problems go. */
struct unit {
    struct load *load;
    const struct load_file *file;
    size_t errors;
};
/* `line` 0: the whole file. */
void unit_error(struct unit *unit, unsigned line, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void unit_warn(struct unit *unit, unsigned line, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* ---- keys of a table ---- */

struct keys {
    const char *what; /* "rule", "group": for messages */
    const char *const *names;
    size_t count;
    const char *const *later; /* keys of the language that are not built yet; NULL-terminated, or NULL */
};
/* Reports every key that is none of these, with the nearest, and everything positional. */
void check_keys(struct unit *unit, const struct lval *table, const struct keys *keys);
unsigned key_line(const struct lval *table, const char *key); /* the table's own when it has no such key */
/* The value if it has the type; NULL when absent or (reported) of another. */
const struct lval *key_of_type(struct unit *unit, const struct lval *table, const char *key,
                               enum lval_type type);
/* A non-empty string, copied into the set; false when absent or (reported) something else. */
bool key_string(struct unit *unit, const struct lval *table, const char *key, struct str *out);
/* An integer in [least, most]. */
bool key_integer(struct unit *unit, const struct lval *table, const char *key, const int64_t range[2],
                 int64_t *out);
bool key_duration(struct unit *unit, const struct lval *table, const char *key, int64_t *out);
/* A list of strings, or one string; copied into the set. */
bool key_strings(struct unit *unit, const struct lval *table, const char *key, const struct str **items,
                 size_t *count);
/* Lower-case letters, digits and _ . - ; begins with a letter; up to 128 bytes. Reports. */
bool check_id(struct unit *unit, unsigned line, const char *what, struct str id);
/* "; did you mean "x"?" or "": for the end of a message. Valid until the next call. */
const char *did_you_mean(struct arena *arena, struct str name, const char *const *names, size_t count);

/* ---- values ---- */

/* A string, number, boolean or null; false for anything else. Text is borrowed. */
bool literal_of(const struct lval *value, struct literal *out);
/* A deep copy. */
struct lval *lval_copy(struct arena *arena, const struct lval *value);
/* "a string", "a sample", "null": for messages. */
const char *value_name(const struct lval *value);
/* What stands in a string with control characters as Lua escapes: for "write [[C:\temp]]". */
const char *spelled(struct arena *arena, struct str s);
bool has_control(struct str s);
/* JSON text with JSON_TAPE_PADDING bytes behind it, in the arena. False and *why for a value that JSON has
 * not. */
bool json_of(struct arena *arena, const struct lval *value, struct str *out, const char **why);

/* ---- fields ---- */

/* Interns a path; reports one that is malformed, warns of one that nobody names. */
uint32_t intern_field(struct unit *unit, unsigned line, const char *what, struct str path);
void warn_unknown_field(struct unit *unit, unsigned line, const char *what, struct str path);

/* ---- parts ---- */

/* Builds a match tree: at load (`unit`), or again with the lists of a test (`test`, errors go to `err`). */
struct match_build {
    struct unit *unit;            /* NULL: no reporting */
    const struct ruleset *set;    /* its lists and fields */
    const struct rule_test *test; /* NULL: the files' lists */
    struct arena *arena;
    struct err *err;
    bool uses_lists, failed; /* results */
};
const struct match_node *build_match(struct match_build *build, const struct lval *value);

bool load_route(struct unit *unit, const struct lval *table, const char *key, struct match_route *out);
void load_group(struct unit *unit, const struct lval *table, struct rule *rule);
void load_tests(struct unit *unit, const struct lval *table, struct rule *rule);
/* Compiles one file; false when it has errors. */
bool load_rule(struct unit *unit, struct rule *rule);
bool load_source(struct unit *unit, struct source *source);
bool load_action(struct unit *unit, struct action *action);
/* Compile one file and enter it into the set where it has no errors. */
void load_policy(struct unit *unit);
void load_agent(struct unit *unit);
/* Keeps path and text for the threads that run them; the index into the set's files. */
uint32_t load_keep_file(struct load *load, const struct load_file *file);
/* Reads the list "attack" into the set; after the lists are finished. */
void load_techniques(struct load *load);
/* Reports the ids of `mitre` that are none. */
void check_techniques(struct unit *unit, unsigned line, const struct str *ids, size_t count);
/* Fields that the literal paths of callbacks read; the group's are `stored`. */
void load_callback_fields(struct unit *unit, struct rule *rule);

/* The attributes of a keyed entry, as a JSON object ("" for an empty table); reports what is none. */
bool load_attributes(struct unit *unit, const struct lval_field *entry, struct str *out);
/* The `lists` of a test's table; returns how many. */
size_t load_test_lists(struct unit *unit, struct str test, const struct lval *table,
                       const struct test_list **out);
/* Makes the list of a .lua, .txt or .csv file and enters it into the set. */
void load_list_value(struct load *load, const struct load_file *file);
void load_list_text(struct load *load, const struct tree_file *file);
/* Applies the overlays; then the lists are ready to be asked, and stand by name. */
void load_finish_lists(struct load *load, const struct list_overlay *overlays, size_t overlay_count);
/* Runs all Lua files, sorts out what each is, lets later roots replace earlier ones. */
void load_files(struct load *load);

#endif
