#include "lua/scan.h"

#include <stdlib.h>

#include "base/hash.h"
#include "base/map.h"
#include "lua/scan_pass.h"

struct lua_scan {
    struct scan_table *tables;
    size_t table_count;
    struct scan_entry *keyed, *items, *source; /* source: the keyed ones in the order of the text */
    size_t keyed_count, item_count;
    struct scan_path *paths;
    size_t path_count;
    struct str *requires;
    size_t require_count;
    struct scan_function *functions;
    size_t function_count;
    struct scan_read *reads;
    size_t read_count;
    uint32_t returned;
    const struct scan_entry *duplicate[2];
};

/* ---- what the pass found, sorted for questions ---- */

static int by_key(const void *left, const void *right)
{
    const struct scan_entry *a = left, *b = right;

    if (a->table != b->table)
        return a->table < b->table ? -1 : 1;
    int order = str_compare(a->key, b->key);
    return order ? order : (a->order > b->order) - (a->order < b->order);
}

static int by_position(const void *left, const void *right)
{
    const struct scan_entry *a = left, *b = right;

    if (a->table != b->table)
        return a->table < b->table ? -1 : 1;
    return (a->order > b->order) - (a->order < b->order);
}

static void split_entries(struct lua_scan *scan, struct arena *arena, const struct scan_facts *facts)
{
    size_t count = facts->entries.count;

    scan->keyed = arena_zalloc(arena, count * sizeof(struct scan_entry) + 1);
    scan->items = arena_zalloc(arena, count * sizeof(struct scan_entry) + 1);
    scan->source = arena_zalloc(arena, count * sizeof(struct scan_entry) + 1);
    for (size_t i = 0; i < count; i++) {
        const struct scan_entry *entry = &facts->entries.items[i];
        if (entry->key.ptr)
            scan->source[scan->keyed_count] = scan->keyed[scan->keyed_count] = *entry, scan->keyed_count++;
        else
            scan->items[scan->item_count++] = *entry;
    }
    qsort(scan->keyed, scan->keyed_count, sizeof(struct scan_entry), by_key);
    qsort(scan->items, scan->item_count, sizeof(struct scan_entry), by_position);
}

/* An order-free sum, so that keys need no sorting to be looked up. */
static uint64_t shape_of(struct str key)
{
    return hash_fast(key, 1) | 1;
}

static void index_entries(struct lua_scan *scan)
{
    for (size_t i = scan->keyed_count; i-- > 0;) {
        struct scan_table *table = &scan->tables[scan->keyed[i].table];
        table->keys = (uint32_t)i;
        table->key_count++;
        table->shape += shape_of(scan->keyed[i].key);
    }
    for (size_t i = scan->item_count; i-- > 0;) {
        struct scan_table *table = &scan->tables[scan->items[i].table];
        table->items = (uint32_t)i;
        table->item_count++;
    }
}

static void find_duplicate(struct lua_scan *scan)
{
    for (size_t i = 1; i < scan->keyed_count; i++) {
        const struct scan_entry *a = &scan->keyed[i - 1], *b = &scan->keyed[i];
        if (a->table != b->table || !str_equal(a->key, b->key))
            continue;
        if (!scan->duplicate[0] || b->line < scan->duplicate[1]->line) {
            scan->duplicate[0] = a;
            scan->duplicate[1] = b;
        }
    }
}

static void *keep(struct arena *arena, const void *items, size_t bytes)
{
    void *copy = arena_alloc(arena, bytes + 1);

    if (bytes > 0)
        memcpy(copy, items, bytes);
    return copy;
}

static struct lua_scan *build(struct arena *arena, const struct scan_facts *facts)
{
    struct lua_scan *scan = arena_zalloc(arena, sizeof *scan);

    scan->table_count = facts->tables.count;
    scan->tables = keep(arena, facts->tables.items, facts->tables.count * sizeof(struct scan_table));
    scan->path_count = facts->paths.count;
    scan->paths = keep(arena, facts->paths.items, facts->paths.count * sizeof(struct scan_path));
    scan->require_count = facts->requires.count;
    scan->requires = keep(arena, facts->requires.items, facts->requires.count * sizeof(struct str));
    scan->function_count = facts->functions.count;
    scan->functions = keep(arena, facts->functions.items,
                           facts->functions.count * sizeof(struct scan_function));
    scan->read_count = facts->reads.count;
    scan->reads = keep(arena, facts->reads.items, facts->reads.count * sizeof(struct scan_read));
    scan->returned = facts->returned;
    split_entries(scan, arena, facts);
    index_entries(scan);
    find_duplicate(scan);
    return scan;
}

struct lua_scan *lua_scan_new(struct arena *arena, struct str text, struct err *err)
{
    struct lua_tokens tokens = {0};
    struct lua_scan *scan = NULL;

    if (lua_tokenize(arena, text, &tokens, err) == 0) {
        struct scan_facts facts = {0};
        scan_pass(arena, &tokens, &facts);
        scan = build(arena, &facts);
        scan_facts_free(&facts);
    }
    vec_free(&tokens.list);
    return scan;
}

/* ---- questions ---- */

bool lua_scan_duplicate(const struct lua_scan *scan, struct str *key, unsigned *first_line,
                        unsigned *second_line)
{
    if (!scan->duplicate[0])
        return false;
    *key = scan->duplicate[0]->key;
    *first_line = scan->duplicate[0]->line;
    *second_line = scan->duplicate[1]->line;
    return true;
}

unsigned lua_scan_key_line(const struct lua_scan *scan, struct str key, unsigned n)
{
    for (size_t i = 0; i < scan->keyed_count; i++)
        if (str_equal(scan->source[i].key, key) && n-- == 0)
            return scan->source[i].line;
    return 0;
}

size_t lua_scan_paths(const struct lua_scan *scan, const char *except, struct str *paths, size_t max)
{
    struct map *seen = map_new();
    size_t count = 0;

    for (size_t i = 0; i < scan->path_count && count < max; i++) {
        const struct scan_path *path = &scan->paths[i];
        if (except && str_is(path->field, except))
            continue;
        if (!map_put(seen, path->path, seen))
            paths[count++] = path->path;
    }
    map_free(seen, NULL);
    return count;
}

size_t lua_scan_requires(const struct lua_scan *scan, struct str *names, size_t max)
{
    size_t count = scan->require_count < max ? scan->require_count : max;

    for (size_t i = 0; i < count; i++)
    names[i] = scan->requires[i];
    return count;
}

static const struct scan_entry *find_key(const struct lua_scan *scan, uint32_t table, struct str key)
{
    const struct scan_table *t;
    size_t low, high;

    if (table >= scan->table_count)
        return NULL;
    t = &scan->tables[table];
    for (low = t->keys, high = low + t->key_count; low < high;) {
        size_t middle = low + (high - low) / 2;
        int order = str_compare(scan->keyed[middle].key, key);
        if (order == 0)
            return &scan->keyed[middle];
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

/* The function behind a key of the returned table, or behind the local name that stands there; when there are
 * two of that name, nobody knows. SIZE_MAX: not found. */
static size_t find_function(const struct lua_scan *scan, const struct scan_entry *entry)
{
    size_t found = SIZE_MAX;

    for (size_t i = 0; i < scan->function_count; i++) {
        const struct scan_function *function = &scan->functions[i];
        bool named = entry->refers.len > 0 && str_equal(function->local, entry->refers);
        if (!named && (function->table != entry->table || !str_equal(function->key, entry->key)))
            continue;
        if (found != SIZE_MAX)
            return SIZE_MAX;
        found = i;
    }
    return found;
}

static bool among_reads(const struct lua_scan_read *reads, size_t count, struct str name)
{
    for (size_t i = 0; i < count; i++)
        if (str_equal(reads[i].name, name))
            return true;
    return false;
}

size_t lua_scan_reads(const struct lua_scan *scan, const char *field, struct lua_scan_read *reads, size_t max)
{
    const struct scan_entry *entry = find_key(scan, scan->returned, str_from(field));
    size_t function = entry ? find_function(scan, entry) : SIZE_MAX, count = 0;

    for (size_t i = 0; i < scan->read_count && count < max; i++) {
        const struct scan_read *read = &scan->reads[i];
        if (read->function == function && !among_reads(reads, count, read->name))
            reads[count++] = (struct lua_scan_read){read->name, read->line};
    }
    return count;
}

uint32_t lua_scan_returned(const struct lua_scan *scan)
{
    return scan->returned;
}

uint32_t lua_scan_child(const struct lua_scan *scan, uint32_t table, struct str key)
{
    const struct scan_entry *entry = find_key(scan, table, key);

    return entry ? entry->child : LUA_SCAN_NONE;
}

uint32_t lua_scan_item(const struct lua_scan *scan, uint32_t table, size_t index)
{
    if (table >= scan->table_count || index >= scan->tables[table].item_count)
        return LUA_SCAN_NONE;
    return scan->items[scan->tables[table].items + index].child;
}

uint32_t lua_scan_like(const struct lua_scan *scan, const struct str *keys, size_t count)
{
    uint64_t shape = 0;

    if (count == 0)
        return LUA_SCAN_NONE;
    for (size_t i = 0; i < count; i++)
        shape += shape_of(keys[i]);
    for (size_t i = 0; i < scan->table_count; i++) {
        bool same = scan->tables[i].key_count == count && scan->tables[i].shape == shape;
        for (size_t k = 0; same && k < count; k++)
            same = find_key(scan, (uint32_t)i, keys[k]) != NULL;
        if (same)
            return (uint32_t)i;
    }
    return LUA_SCAN_NONE;
}

unsigned lua_scan_line(const struct lua_scan *scan, uint32_t table)
{
    return table < scan->table_count ? scan->tables[table].line : 0;
}

bool lua_scan_key(const struct lua_scan *scan, uint32_t table, struct str key, unsigned *line,
                  unsigned *order)
{
    const struct scan_entry *entry = find_key(scan, table, key);

    if (!entry)
        return false;
    *line = entry->line;
    *order = entry->order;
    return true;
}
