#include "lua/scan.h"

#include <stdlib.h>

#include "base/hash.h"
#include "base/map.h"
#include "lua/scan_lex.h"

struct entry {
    struct str key; /* ptr NULL: positional */
    unsigned line, order;
    uint32_t table, child;
};
struct table {
    unsigned line;
    uint32_t keys, key_count;   /* in `keyed`, sorted by key */
    uint32_t items, item_count; /* in `items`, in order */
    uint64_t shape;             /* of its set of keys */
};
struct path {
    struct str path, field; /* field: the function field it stands in, or empty */
};

struct lua_scan {
    struct table *tables;
    size_t table_count;
    struct entry *keyed, *items, *source; /* source: the keyed ones in the order of the text */
    size_t keyed_count, item_count;
    struct path *paths;
    size_t path_count;
    uint32_t returned;
    const struct entry *duplicate[2];
};

/* ---- one pass over the tokens ---- */

enum frame_type { FRAME_TABLE, FRAME_PAREN, FRAME_BRACKET, FRAME_BLOCK };
#define ENTRY_NONE   SIZE_MAX
#define ENTRY_RETURN (SIZE_MAX - 1) /* the value of the file's `return` */

struct frame {
    enum frame_type type;
    bool is_function;
    bool entry_starts; /* of a table */
    uint32_t table;
    unsigned order;
    size_t entry;     /* of a table: the one that it may be the value of */
    bool in_paren;    /* … as name({ … }) */
    struct str field; /* of a function: the key it is the value of */
};

struct pass {
    struct arena *arena;
    const struct lua_token *tokens;
    size_t count, at;
    VEC(struct frame) frames;
    VEC(struct table) tables;
    VEC(struct entry) entries;
    VEC(struct path) paths;
    struct map *seen_paths;
    uint32_t returned;
    size_t child_at, child_entry; /* the '{' that may be the value of that entry */
    bool child_in_paren;
    size_t function_at; /* the `function` that is the value of a key: */
    struct str function_field;
    unsigned functions; /* open around here */
};

static const struct lua_token *token_at(const struct pass *pass, size_t at)
{
    static const struct lua_token none = {LUA_TOKEN_SYMBOL, 0, {"", 0}};

    return at < pass->count ? &pass->tokens[at] : &none;
}

static bool is_symbol(const struct lua_token *token, const char *symbol)
{
    return token->type == LUA_TOKEN_SYMBOL && str_is(token->text, symbol);
}

static bool is_name(const struct lua_token *token, const char *name)
{
    return token->type == LUA_TOKEN_NAME && str_is(token->text, name);
}

static struct frame *top(struct pass *pass)
{
    return pass->frames.count > 0 ? &pass->frames.items[pass->frames.count - 1] : NULL;
}

/* The value that begins at `at` belongs to the entry: where is its constructor, if it is one? */
static void expect_child(struct pass *pass, size_t at, size_t entry)
{
    bool in_paren = false;

    if (token_at(pass, at)->type == LUA_TOKEN_NAME) {
        at++;
        in_paren = is_symbol(token_at(pass, at), "(");
        at += in_paren;
    }
    if (!is_symbol(token_at(pass, at), "{"))
        return;
    pass->child_in_paren = in_paren;
    pass->child_at = at;
    pass->child_entry = entry;
}

static void add_entry(struct pass *pass, struct frame *frame, struct str key, unsigned line)
{
    vec_push(&pass->entries, ((struct entry){key, line, frame->order++, frame->table, LUA_SCAN_NONE}));
}

/* name = …, ["name"] = …, or a positional value. Moves to the value. */
static void begin_entry(struct pass *pass, struct frame *frame)
{
    const struct lua_token *first = token_at(pass, pass->at), *second = token_at(pass, pass->at + 1);
    bool bracketed = is_symbol(first, "[") && second->type == LUA_TOKEN_STRING &&
                     is_symbol(token_at(pass, pass->at + 2), "]") &&
                     is_symbol(token_at(pass, pass->at + 3), "=");

    frame->entry_starts = false;
    if (is_symbol(first, "}"))
        return;
    if (bracketed || (first->type == LUA_TOKEN_NAME && is_symbol(second, "="))) {
        add_entry(pass, frame, bracketed ? second->text : first->text, first->line);
        pass->at += bracketed ? 4 : 2;
        if (is_name(token_at(pass, pass->at), "function")) {
            pass->function_at = pass->at;
            pass->function_field = pass->entries.items[pass->entries.count - 1].key;
        }
    } else if (is_symbol(first, "[")) {
        return; /* a computed key: nothing is known of it */
    } else {
        add_entry(pass, frame, (struct str){0}, first->line);
    }
    expect_child(pass, pass->at, pass->entries.count - 1);
}

static void open_table(struct pass *pass)
{
    uint32_t table = (uint32_t)pass->tables.count;
    bool expected = pass->child_at == pass->at;

    vec_push(&pass->tables, (struct table){.line = token_at(pass, pass->at)->line});
    vec_push(&pass->frames, ((struct frame){.type = FRAME_TABLE,
                                            .entry_starts = true,
                                            .table = table,
                                            .entry = expected ? pass->child_entry : ENTRY_NONE,
                                            .in_paren = expected && pass->child_in_paren}));
}

/* At the '}': the constructor is the value only when nothing more is done to it, as in s { … }:with { … }. */
static void close_table(struct pass *pass)
{
    const struct frame *frame = top(pass);
    size_t after = pass->at + 1;
    bool more = false;

    if (!frame || frame->type != FRAME_TABLE || frame->entry == ENTRY_NONE)
        return;
    if (frame->in_paren && !is_symbol(token_at(pass, after++), ")"))
        return;
    for (const char *const *chain = (const char *const[]){":", ".", "[", "(", "{", "..", NULL}; *chain;
         chain++)
        more |= is_symbol(token_at(pass, after), *chain);
    if (more)
        return;
    if (frame->entry == ENTRY_RETURN)
        pass->returned = frame->table;
    else
        pass->entries.items[frame->entry].child = frame->table;
}

static void open_block(struct pass *pass, bool is_function)
{
    struct frame frame = {.type = FRAME_BLOCK, .is_function = is_function};

    if (is_function && pass->function_at == pass->at)
        frame.field = pass->function_field;
    pass->functions += is_function;
    vec_push(&pass->frames, frame);
}

/* Text that the parser refuses may close what was never opened: then nothing happens. */
static void close_frame(struct pass *pass, enum frame_type type)
{
    struct frame *frame = top(pass);

    if (!frame || frame->type != type)
        return;
    pass->functions -= frame->is_function;
    pass->frames.count--;
}

static struct str enclosing_field(const struct pass *pass)
{
    for (size_t i = 0; i < pass->frames.count; i++)
        if (pass->frames.items[i].field.len > 0)
            return pass->frames.items[i].field;
    return (struct str){"", 0};
}

static void add_path(struct pass *pass, struct str text)
{
    const char *bar = text.len > 0 ? memchr(text.ptr, '|', text.len) : NULL;
    struct str field = enclosing_field(pass), key;

    if (bar)
        text.len = (size_t)(bar - text.ptr);
    if (text.len == 0 || pass->functions == 0)
        return;
    key = str_from(arena_printf(pass->arena, "%.*s|%.*s", STR_ARG(field), STR_ARG(text)));
    if (map_put(pass->seen_paths, key, pass))
        return;
    vec_push(&pass->paths, ((struct path){text, field}));
}

/* x["path"]: the bracket follows a value. */
static void bracket_path(struct pass *pass)
{
    const struct lua_token *before = pass->at > 0 ? token_at(pass, pass->at - 1) : token_at(pass, SIZE_MAX);
    const struct lua_token *inside = token_at(pass, pass->at + 1);

    if (before->type == LUA_TOKEN_NAME || is_symbol(before, ")") || is_symbol(before, "]"))
        if (inside->type == LUA_TOKEN_STRING && is_symbol(token_at(pass, pass->at + 2), "]"))
            add_path(pass, inside->text);
}

/* x:is("path|mod") and x:is "path". */
static void method_path(struct pass *pass)
{
    size_t at = pass->at + 2;

    if (!is_name(token_at(pass, pass->at + 1), "is"))
        return;
    if (is_symbol(token_at(pass, at), "("))
        at++;
    if (token_at(pass, at)->type == LUA_TOKEN_STRING)
        add_path(pass, token_at(pass, at)->text);
}

static void name_token(struct pass *pass, const struct lua_token *token)
{
    if (str_is(token->text, "function")) {
        open_block(pass, true);
    } else if (str_is(token->text, "if") || str_is(token->text, "do") || str_is(token->text, "repeat")) {
        open_block(pass, false);
    } else if (str_is(token->text, "end") || str_is(token->text, "until")) {
        close_frame(pass, FRAME_BLOCK);
    } else if (str_is(token->text, "return") && pass->functions == 0) {
        expect_child(pass, pass->at + 1, ENTRY_RETURN);
    } else if (str_is(token->text, "event") && is_symbol(token_at(pass, pass->at + 1), ".") &&
               token_at(pass, pass->at + 2)->type == LUA_TOKEN_NAME) {
        add_path(pass, token_at(pass, pass->at + 2)->text);
    }
}

static void symbol_token(struct pass *pass, const struct lua_token *token)
{
    struct frame *frame = top(pass);

    if (token->text.len != 1)
        return;
    switch (token->text.ptr[0]) {
    case '{':
        open_table(pass);
        break;
    case '(':
        vec_push(&pass->frames, ((struct frame){.type = FRAME_PAREN}));
        break;
    case '[':
        bracket_path(pass);
        vec_push(&pass->frames, ((struct frame){.type = FRAME_BRACKET}));
        break;
    case '}':
        close_table(pass);
        close_frame(pass, FRAME_TABLE);
        break;
    case ')':
        close_frame(pass, FRAME_PAREN);
        break;
    case ']':
        close_frame(pass, FRAME_BRACKET);
        break;
    case ',':
    case ';':
        if (frame && frame->type == FRAME_TABLE)
            frame->entry_starts = true;
        break;
    case ':':
        method_path(pass);
        break;
    }
}

static void walk(struct pass *pass)
{
    for (pass->at = 0; pass->at < pass->count; pass->at++) {
        struct frame *frame = top(pass);
        const struct lua_token *token;

        if (frame && frame->type == FRAME_TABLE && frame->entry_starts)
            begin_entry(pass, frame);
        token = token_at(pass, pass->at);
        if (token->type == LUA_TOKEN_NAME)
            name_token(pass, token);
        else if (token->type == LUA_TOKEN_SYMBOL)
            symbol_token(pass, token);
    }
}

/* ---- from the pass to what is asked later ---- */

static int by_key(const void *left, const void *right)
{
    const struct entry *a = left, *b = right;

    if (a->table != b->table)
        return a->table < b->table ? -1 : 1;
    int order = str_compare(a->key, b->key);
    return order ? order : (a->order > b->order) - (a->order < b->order);
}

static int by_position(const void *left, const void *right)
{
    const struct entry *a = left, *b = right;

    if (a->table != b->table)
        return a->table < b->table ? -1 : 1;
    return (a->order > b->order) - (a->order < b->order);
}

static void split_entries(struct lua_scan *scan, const struct pass *pass)
{
    size_t count = pass->entries.count;

    scan->keyed = arena_zalloc(pass->arena, count * sizeof(struct entry) + 1);
    scan->items = arena_zalloc(pass->arena, count * sizeof(struct entry) + 1);
    scan->source = arena_zalloc(pass->arena, count * sizeof(struct entry) + 1);
    for (size_t i = 0; i < count; i++) {
        const struct entry *entry = &pass->entries.items[i];
        if (entry->key.ptr)
            scan->source[scan->keyed_count] = scan->keyed[scan->keyed_count] = *entry, scan->keyed_count++;
        else
            scan->items[scan->item_count++] = *entry;
    }
    qsort(scan->keyed, scan->keyed_count, sizeof(struct entry), by_key);
    qsort(scan->items, scan->item_count, sizeof(struct entry), by_position);
}

/* An order-free sum, so that keys need no sorting to be looked up. */
static uint64_t shape_of(struct str key)
{
    return hash_fast(key, 1) | 1;
}

static void index_entries(struct lua_scan *scan)
{
    for (size_t i = scan->keyed_count; i-- > 0;) {
        struct table *table = &scan->tables[scan->keyed[i].table];
        table->keys = (uint32_t)i;
        table->key_count++;
        table->shape += shape_of(scan->keyed[i].key);
    }
    for (size_t i = scan->item_count; i-- > 0;) {
        struct table *table = &scan->tables[scan->items[i].table];
        table->items = (uint32_t)i;
        table->item_count++;
    }
}

static void find_duplicate(struct lua_scan *scan)
{
    for (size_t i = 1; i < scan->keyed_count; i++) {
        const struct entry *a = &scan->keyed[i - 1], *b = &scan->keyed[i];
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

static struct lua_scan *build(struct pass *pass)
{
    struct lua_scan *scan = arena_zalloc(pass->arena, sizeof *scan);

    scan->table_count = pass->tables.count;
    scan->tables = keep(pass->arena, pass->tables.items, pass->tables.count * sizeof(struct table));
    scan->path_count = pass->paths.count;
    scan->paths = keep(pass->arena, pass->paths.items, pass->paths.count * sizeof(struct path));
    scan->returned = pass->returned;
    split_entries(scan, pass);
    index_entries(scan);
    find_duplicate(scan);
    return scan;
}

struct lua_scan *lua_scan_new(struct arena *arena, struct str text, struct err *err)
{
    struct lua_tokens tokens = {0};
    struct lua_scan *scan = NULL;

    if (lua_tokenize(arena, text, &tokens, err) == 0) {
        struct pass pass = {.arena = arena,
                            .tokens = tokens.list.items,
                            .count = tokens.list.count,
                            .returned = LUA_SCAN_NONE,
                            .child_at = SIZE_MAX,
                            .function_at = SIZE_MAX,
                            .seen_paths = map_new()};
        walk(&pass);
        scan = build(&pass);
        map_free(pass.seen_paths, NULL);
        vec_free(&pass.frames);
        vec_free(&pass.tables);
        vec_free(&pass.entries);
        vec_free(&pass.paths);
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
        const struct path *path = &scan->paths[i];
        if (except && str_is(path->field, except))
            continue;
        if (!map_put(seen, path->path, seen))
            paths[count++] = path->path;
    }
    map_free(seen, NULL);
    return count;
}

static const struct entry *find_key(const struct lua_scan *scan, uint32_t table, struct str key)
{
    const struct table *t;
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

uint32_t lua_scan_returned(const struct lua_scan *scan)
{
    return scan->returned;
}

uint32_t lua_scan_child(const struct lua_scan *scan, uint32_t table, struct str key)
{
    const struct entry *entry = find_key(scan, table, key);

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
    const struct entry *entry = find_key(scan, table, key);

    if (!entry)
        return false;
    *line = entry->line;
    *order = entry->order;
    return true;
}
