/* A rule file's value as plain data. What is wrong with it is found here once, with its line. */
#include <stdlib.h>

#include "base/vec.h"
#include "lua/scan.h"
#include "lua/state.h"
#include "lua/value.h"

#define DEPTH_MAX 32
#define NODES_MAX 100000

struct conversion {
    lua_State *L;
    struct arena *arena;
    const struct lua_scan *scan;
    struct str path; /* of the file */
    struct err *err;
    size_t nodes;
    unsigned depth;
    const void *open[DEPTH_MAX]; /* the tables around this one: a table inside itself is a cycle */
};

/* Where a value stands: what its line and its constructor are found by. */
struct place {
    uint32_t table; /* its own constructor, where the source shows it */
    unsigned line;
};

static int fail(struct conversion *c, unsigned line, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
static int fail(struct conversion *c, unsigned line, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    err_vset(c->err, ERR_INVALID, format, args);
    va_end(args);
    return line ? err_at(c->err, "%.*s:%u", STR_ARG(c->path), line)
                : err_at(c->err, "%.*s", STR_ARG(c->path));
}

static struct str copy_string(struct conversion *c, int idx)
{
    struct str s;

    s.ptr = lua_tolstring(c->L, idx, &s.len);
    return arena_dup(c->arena, s);
}

static int convert_table(struct conversion *c, struct place place, struct lval *out);

static int convert_value(struct conversion *c, struct place place, struct lval *out)
{
    lua_State *L = c->L;

    *out = (struct lval){.line = place.line};
    if (++c->nodes > NODES_MAX)
        return fail(c, place.line, "more than %d values in one file", NODES_MAX);
    switch (lua_type(L, -1)) {
    case LUA_TNIL:
        return 0;
    case LUA_TBOOLEAN:
        out->type = LVAL_BOOL;
        out->b = lua_toboolean(L, -1);
        return 0;
    case LUA_TNUMBER:
        out->type = lua_isinteger(L, -1) ? LVAL_INT : LVAL_NUMBER;
        out->i = lua_tointeger(L, -1);
        out->d = lua_tonumber(L, -1);
        return 0;
    case LUA_TSTRING:
        out->type = LVAL_STRING;
        out->s = copy_string(c, -1);
        return 0;
    case LUA_TFUNCTION: {
        lua_Debug ar;
        lua_pushvalue(L, -1);
        lua_getinfo(L, ">S", &ar);
        out->type = LVAL_FUNCTION;
        if (ar.linedefined > 0)
            out->line = (unsigned)ar.linedefined;
        return 0;
    }
    case LUA_TTABLE:
        return convert_table(c, place, out);
    default:
        break;
    }
    if (lua_is_null(L, -1)) {
        out->kind = LVAL_NULL;
        return 0;
    }
    out->kind = (enum lval_kind)lua_dsl_kind(L, -1);
    if (out->kind == LVAL_PLAIN)
        return fail(c, place.line, "a %s has no place in a rule", luaL_typename(L, -1));
    out->type = LVAL_TABLE;
    if (out->kind == LVAL_LIST_NAME) {
        out->fields = arena_zalloc(c->arena, sizeof *out->fields);
        out->field_count = 1;
        out->fields[0] = (struct lval_field){
            STR("name"), place.line, {.type = LVAL_STRING, .line = place.line}};
        out->fields[0].value.s = arena_dup(c->arena, lua_dsl_list_name(L, -1));
    }
    return 0;
}

/* ---- tables ---- */

struct field {
    struct str key;
    unsigned line, order;
};

static int by_order(const void *left, const void *right)
{
    const struct field *a = left, *b = right;

    if (a->order != b->order)
        return a->order < b->order ? -1 : 1;
    return str_compare(a->key, b->key);
}

/* Reads the keys of the table on top: counts its positions, collects its names. */
static int read_keys(struct conversion *c, unsigned line, size_t *items, struct field **fields,
                     size_t *field_count)
{
    lua_State *L = c->L;
    size_t count = 0, positions = 0, length = lua_rawlen(L, -1);
    int table = lua_gettop(L);

    for (lua_pushnil(L); lua_next(L, table); lua_pop(L, 1))
        count++;
    if (count > NODES_MAX)
        return fail(c, line, "more than %d values in one file", NODES_MAX);
    *fields = arena_alloc(c->arena, count * sizeof **fields + 1);
    *field_count = 0;
    for (lua_pushnil(L); lua_next(L, table); lua_pop(L, 1)) {
        bool numbered = lua_isinteger(L, -2);
        lua_Integer at = numbered ? lua_tointeger(L, -2) : 0;
        if (lua_type(L, -2) == LUA_TSTRING) {
            (*fields)[(*field_count)++] = (struct field){copy_string(c, -2), 0, UINT32_MAX};
        } else if (at >= 1 && (size_t)at <= length) {
            positions++;
        } else {
            lua_settop(L, table);
            return fail(c, line,
                        numbered ? "a list with holes, or numbered from something else than 1"
                                 : "a key that is neither a name nor a position");
        }
    }
    if (positions != length)
        return fail(c, line, "a list with holes: a nil before its end, perhaps an undefined value");
    *items = positions;
    return 0;
}

/* Which constructor made the table, where nothing around it tells: one with the same keys. */
static uint32_t constructor_like(struct conversion *c, const struct field *fields, size_t count)
{
    struct str *keys = arena_alloc(c->arena, count * sizeof *keys + 1);

    for (size_t i = 0; i < count; i++)
        keys[i] = fields[i].key;
    return lua_scan_like(c->scan, keys, count);
}

static void order_fields(struct conversion *c, struct place *place, struct field *fields, size_t count)
{
    if (!c->scan)
        return;
    if (place->table == LUA_SCAN_NONE)
        place->table = constructor_like(c, fields, count);
    if (lua_scan_line(c->scan, place->table))
        place->line = lua_scan_line(c->scan, place->table);
    for (size_t i = 0; i < count; i++)
        lua_scan_key(c->scan, place->table, fields[i].key, &fields[i].line, &fields[i].order);
}

static int convert_items(struct conversion *c, struct place place, size_t count, struct lval *out)
{
    out->item_count = count;
    out->items = arena_zalloc(c->arena, count * sizeof *out->items + 1);
    for (size_t i = 0; i < count; i++) {
        struct place inner = {LUA_SCAN_NONE, place.line};
        int result;

        if (c->scan)
            inner.table = lua_scan_item(c->scan, place.table, i);
        lua_rawgeti(c->L, -1, (lua_Integer)i + 1);
        result = convert_value(c, inner, &out->items[i]);
        lua_pop(c->L, 1);
        if (result != 0)
            return -1;
    }
    return 0;
}

static int convert_fields(struct conversion *c, struct place place, const struct field *fields, size_t count,
                          struct lval *out)
{
    out->field_count = count;
    out->fields = arena_zalloc(c->arena, count * sizeof *out->fields + 1);
    for (size_t i = 0; i < count; i++) {
        struct place inner = {LUA_SCAN_NONE, fields[i].line ? fields[i].line : place.line};
        int result;

        if (c->scan)
            inner.table = lua_scan_child(c->scan, place.table, fields[i].key);
        out->fields[i].key = fields[i].key;
        out->fields[i].line = fields[i].line;
        lua_pushlstring(c->L, fields[i].key.ptr, fields[i].key.len);
        lua_rawget(c->L, -2);
        result = convert_value(c, inner, &out->fields[i].value);
        lua_pop(c->L, 1);
        if (result != 0)
            return -1;
    }
    return 0;
}

/* The table on top, already open. */
static int convert_content(struct conversion *c, struct place place, struct lval *out)
{
    struct field *fields = NULL;
    size_t items = 0, count = 0;

    if (read_keys(c, place.line, &items, &fields, &count) != 0)
        return -1;
    order_fields(c, &place, fields, count);
    qsort(fields, count, sizeof *fields, by_order);
    out->line = place.line;
    if (convert_items(c, place, items, out) != 0)
        return -1;
    return convert_fields(c, place, fields, count, out);
}

static int convert_table(struct conversion *c, struct place place, struct lval *out)
{
    lua_State *L = c->L;
    int result;

    luaL_checkstack(L, 8, "rule");
    out->type = LVAL_TABLE;
    out->kind = (enum lval_kind)lua_dsl_kind(L, -1);
    lua_frozen_target(L, -1);
    if (out->kind == LVAL_PLAIN && lua_getmetatable(L, -1))
        return fail(c, place.line, "a table with a metatable has no place in a rule");
    if (c->depth >= DEPTH_MAX)
        return fail(c, place.line, "tables nested deeper than %d", DEPTH_MAX);
    for (unsigned i = 0; i < c->depth; i++)
        if (c->open[i] == lua_topointer(L, -1))
            return fail(c, place.line, "a table that contains itself");
    c->open[c->depth++] = lua_topointer(L, -1);
    result = convert_content(c, place, out);
    c->depth--;
    return result;
}

struct lval *lua_convert(lua_State *L, struct arena *arena, const struct lua_scan *scan, struct str path,
                         struct err *err)
{
    struct conversion c = {.L = L, .arena = arena, .scan = scan, .path = path, .err = err};
    struct lval *out = arena_zalloc(arena, sizeof *out);
    struct place root = {scan ? lua_scan_returned(scan) : LUA_SCAN_NONE, 0};
    int top = lua_gettop(L), result = convert_value(&c, root, out);

    lua_settop(L, top);
    return result == 0 ? out : NULL;
}
