/* What a rule file says, as plain data: the tree that a file returned, copied out of Lua into an arena, so
 * that the loader above never sees a lua_State. Tables keep their string keys in source order, with lines;
 * keys that code added, and those of tables that cannot be found in the source, follow in byte order with
 * line 0. */
#ifndef LUNETTE_LUA_VALUE_H
#define LUNETTE_LUA_VALUE_H

#include <stdint.h>

#include "base/arena.h"

enum lval_type { LVAL_NIL, LVAL_BOOL, LVAL_INT, LVAL_NUMBER, LVAL_STRING, LVAL_FUNCTION, LVAL_TABLE };

/* Which constructor of the rule language made a table; LVAL_PLAIN: a bare { … }. */
enum lval_kind {
    LVAL_PLAIN,
    LVAL_RULE,
    LVAL_SOURCE,
    LVAL_POLICY,
    LVAL_AGENT,
    LVAL_ACTION,
    LVAL_EXCEPTION,
    LVAL_LIST, /* what a file returns */
    LVAL_ALL,
    LVAL_ANY,
    LVAL_NONE,
    LVAL_KEYWORDS,
    LVAL_EVERYTHING, /* its type is LVAL_TABLE, empty */
    LVAL_NULL,       /* null, and json.null; its type is LVAL_NIL */
    LVAL_LIST_NAME,  /* list "name": fields[0] is name */
    LVAL_SAMPLE,     /* sample { … }, s:with { … } already merged */
    LVAL_AT,         /* at({0, 60}, s, { arrive = {…} }): a table with fields "times", "sample", "arrive" */
};

struct lval {
    enum lval_type type;
    enum lval_kind kind;
    unsigned line; /* of the file; 0 unknown */
    bool b;
    int64_t i;
    double d;           /* LVAL_NUMBER (a float) */
    struct str s;       /* LVAL_STRING: any bytes */
    struct lval *items; /* positional part, 1..n without holes */
    size_t item_count;
    struct lval_field *fields; /* string keys in source order */
    size_t field_count;
};

struct lval_field {
    struct str key;
    unsigned line; /* of the key; 0 unknown */
    struct lval value;
};

/* The field's value or NULL. */
const struct lval *lval_get(const struct lval *table, const char *key);
/* "string", "number", "table", …, or the constructor's name ("sample", "list") for messages. */
const char *lval_name(const struct lval *value);

#endif
