/* One pass over the tokens of a file: what scan.c answers questions from. Private to scan*.c. */
#ifndef LUNETTE_LUA_SCAN_PASS_H
#define LUNETTE_LUA_SCAN_PASS_H

#include "lua/scan.h"
#include "lua/scan_lex.h"

struct scan_entry {
    struct str key; /* ptr NULL: positional */
    unsigned line, order;
    uint32_t table, child;
    struct str refers; /* the value is this name and nothing more; or empty */
};
struct scan_table {
    unsigned line;
    uint32_t keys, key_count;   /* in `keyed`, sorted by key */
    uint32_t items, item_count; /* in `items`, in order */
    uint64_t shape;             /* of its set of keys */
};
struct scan_path {
    struct str path, field; /* field: the function field it stands in, or empty */
};
struct scan_function {
    uint32_t table; /* it is the value of a key of this constructor, or LUA_SCAN_NONE */
    struct str key;
    struct str local;          /* local function NAME, local NAME = function, outside of all else; or empty */
    size_t params, params_end; /* tokens */
    struct str second;         /* its second parameter, or empty */
};
struct scan_read { /* of a function's second parameter */
    size_t function;
    struct str name;
    unsigned line;
};

struct scan_facts {
    VEC(struct scan_table) tables;
    VEC(struct scan_entry) entries; /* in the order of the text */
    VEC(struct scan_path) paths;
    VEC(struct str) requires;
    VEC(struct scan_function) functions;
    VEC(struct scan_read) reads; /* in the order of the text */
    uint32_t returned;           /* the constructor behind the file's `return`, or LUA_SCAN_NONE */
};

/* Fills an empty *facts; texts borrow from the tokens. Free with scan_facts_free. */
void scan_pass(struct arena *arena, const struct lua_tokens *tokens, struct scan_facts *facts);
void scan_facts_free(struct scan_facts *facts);

#endif
