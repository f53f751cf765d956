#include "lua/value.h"

const struct lval *lval_get(const struct lval *table, const char *key)
{
    if (!table)
        return NULL;
    for (size_t i = 0; i < table->field_count; i++)
        if (str_is(table->fields[i].key, key))
            return &table->fields[i].value;
    return NULL;
}

const char *lval_name(const struct lval *value)
{
    static const char *const types[] = {"nil", "boolean", "integer", "number", "string", "function", "table"};
    static const char *const kinds[] = {"table",      "rule", "source", "policy", "agent", "action",
                                        "exception",  "list", "all",    "any",    "none",  "keywords",
                                        "everything", "null", "list",   "sample", "at"};

    if (!value)
        return "nil";
    return value->kind == LVAL_PLAIN ? types[value->type] : kinds[value->kind];
}
