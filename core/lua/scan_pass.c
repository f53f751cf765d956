#include "lua/scan_pass.h"

#include "base/map.h"

#define PARAM_TOKENS_MAX 400 /* Lua allows 200 parameters */

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
    size_t function;  /* of a function: which */
};

struct pass {
    struct arena *arena;
    const struct lua_token *tokens;
    size_t count, at;
    VEC(struct frame) frames;
    struct scan_facts *facts;
    struct map *seen_paths;
    size_t child_at, child_entry; /* the '{' that may be the value of that entry */
    bool child_in_paren;
    size_t function_at;                      /* the `function` that is the value of a key: */
    const struct scan_entry *function_entry; /* valid until the next entry */
    unsigned functions;                      /* open around here */
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
    vec_push(&pass->facts->entries, ((struct scan_entry){.key = key,
                                                         .line = line,
                                                         .order = frame->order++,
                                                         .table = frame->table,
                                                         .child = LUA_SCAN_NONE}));
}

/* The value of a key begins here: a function, or the name of one? */
static void expect_function(struct pass *pass)
{
    struct scan_entry *entry = &pass->facts->entries.items[pass->facts->entries.count - 1];
    const struct lua_token *value = token_at(pass, pass->at), *after = token_at(pass, pass->at + 1);

    if (is_name(value, "function")) {
        pass->function_at = pass->at;
        pass->function_entry = entry;
    } else if (value->type == LUA_TOKEN_NAME &&
               (is_symbol(after, ",") || is_symbol(after, ";") || is_symbol(after, "}"))) {
        entry->refers = value->text;
    }
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
        expect_function(pass);
    } else if (is_symbol(first, "[")) {
        return; /* a computed key: nothing is known of it */
    } else {
        add_entry(pass, frame, (struct str){0}, first->line);
    }
    expect_child(pass, pass->at, pass->facts->entries.count - 1);
}

static void open_table(struct pass *pass)
{
    uint32_t table = (uint32_t)pass->facts->tables.count;
    bool expected = pass->child_at == pass->at;

    vec_push(&pass->facts->tables, (struct scan_table){.line = token_at(pass, pass->at)->line});
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
        pass->facts->returned = frame->table;
    else
        pass->facts->entries.items[frame->entry].child = frame->table;
}

static void open_block(struct pass *pass)
{
    vec_push(&pass->frames, (struct frame){.type = FRAME_BLOCK});
}

static struct str local_name(const struct pass *pass)
{
    size_t at = pass->at;

    if (pass->frames.count > 0)
        return (struct str){"", 0};
    if (at >= 1 && is_name(token_at(pass, at - 1), "local"))
        return token_at(pass, at + 1)->text;
    if (at >= 3 && is_symbol(token_at(pass, at - 1), "=") && is_name(token_at(pass, at - 3), "local"))
        return token_at(pass, at - 2)->text;
    return (struct str){"", 0};
}

/* function (…) and function NAME(…); what has more of a name is no value of a key. */
static void find_parameters(const struct pass *pass, struct scan_function *function)
{
    size_t at = pass->at + 1;

    at += token_at(pass, at)->type == LUA_TOKEN_NAME;
    if (!is_symbol(token_at(pass, at++), "("))
        return;
    function->params = function->params_end = at;
    while (function->params_end - at < PARAM_TOKENS_MAX &&
           (token_at(pass, function->params_end)->type == LUA_TOKEN_NAME ||
            is_symbol(token_at(pass, function->params_end), ",")))
        function->params_end++;
    if (at + 2 < function->params_end && token_at(pass, at + 2)->type == LUA_TOKEN_NAME)
        function->second = token_at(pass, at + 2)->text;
}

static void open_function(struct pass *pass)
{
    struct frame frame = {.type = FRAME_BLOCK, .is_function = true, .function = pass->facts->functions.count};
    struct scan_function function = {.table = LUA_SCAN_NONE, .local = local_name(pass)};

    find_parameters(pass, &function);
    if (pass->function_at == pass->at) {
        function.table = pass->function_entry->table;
        function.key = frame.field = pass->function_entry->key;
    }
    pass->functions++;
    vec_push(&pass->facts->functions, function);
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
    vec_push(&pass->facts->paths, ((struct scan_path){text, field}));
}

static bool has_parameter(const struct pass *pass, const struct scan_function *function, struct str name)
{
    for (size_t at = function->params; at < function->params_end; at++)
        if (str_equal(token_at(pass, at)->text, name))
            return true;
    return false;
}

/* p.name and p["name"], where p is the second parameter of the function that the name p belongs to. */
static void add_read(struct pass *pass, const struct lua_token *token)
{
    const struct lua_token *before = pass->at > 0 ? token_at(pass, pass->at - 1) : token_at(pass, SIZE_MAX);
    const struct lua_token *name = token_at(pass, pass->at + 2);
    bool dotted = is_symbol(token_at(pass, pass->at + 1), ".") && name->type == LUA_TOKEN_NAME;
    bool bracketed = is_symbol(token_at(pass, pass->at + 1), "[") && name->type == LUA_TOKEN_STRING &&
                     is_symbol(token_at(pass, pass->at + 3), "]");

    if ((!dotted && !bracketed) || is_symbol(before, ".") || is_symbol(before, ":"))
        return;
    for (size_t i = pass->frames.count; i-- > 0;) {
        size_t index = pass->frames.items[i].function;
        if (!pass->frames.items[i].is_function ||
            !has_parameter(pass, &pass->facts->functions.items[index], token->text))
            continue;
        if (str_equal(pass->facts->functions.items[index].second, token->text))
            vec_push(&pass->facts->reads, ((struct scan_read){index, name->text, token->line}));
        return;
    }
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

/* require "name" and require("name"). */
static void add_require(struct pass *pass)
{
    size_t at = pass->at + 1;

    if (is_symbol(token_at(pass, at), "("))
        at++;
    if (token_at(pass, at)->type == LUA_TOKEN_STRING)
        vec_push(&pass->facts->requires, token_at(pass, at)->text);
}

static void name_token(struct pass *pass, const struct lua_token *token)
{
    if (str_is(token->text, "function")) {
        open_function(pass);
    } else if (str_is(token->text, "if") || str_is(token->text, "do") || str_is(token->text, "repeat")) {
        open_block(pass);
    } else if (str_is(token->text, "end") || str_is(token->text, "until")) {
        close_frame(pass, FRAME_BLOCK);
    } else if (str_is(token->text, "return") && pass->functions == 0) {
        expect_child(pass, pass->at + 1, ENTRY_RETURN);
    } else if (str_is(token->text, "event") && is_symbol(token_at(pass, pass->at + 1), ".") &&
               token_at(pass, pass->at + 2)->type == LUA_TOKEN_NAME) {
        add_path(pass, token_at(pass, pass->at + 2)->text);
    } else if (str_is(token->text, "require")) {
        add_require(pass);
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
        if (token->type == LUA_TOKEN_NAME) {
            add_read(pass, token);
            name_token(pass, token);
        } else if (token->type == LUA_TOKEN_SYMBOL) {
            symbol_token(pass, token);
        }
    }
}

void scan_pass(struct arena *arena, const struct lua_tokens *tokens, struct scan_facts *facts)
{
    struct pass pass = {.arena = arena,
                        .tokens = tokens->list.items,
                        .count = tokens->list.count,
                        .facts = facts,
                        .child_at = SIZE_MAX,
                        .function_at = SIZE_MAX,
                        .seen_paths = map_new()};

    facts->returned = LUA_SCAN_NONE;
    walk(&pass);
    map_free(pass.seen_paths, NULL);
    vec_free(&pass.frames);
}

void scan_facts_free(struct scan_facts *facts)
{
    vec_free(&facts->tables);
    vec_free(&facts->entries);
    vec_free(&facts->paths);
    vec_free(&facts->requires);
    vec_free(&facts->functions);
    vec_free(&facts->reads);
}
