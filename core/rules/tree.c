#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/hash.h"
#include "rules/tree.h"

#define READ_ATTEMPTS 10

struct tree *tree_new(void)
{
    struct tree *tree = mem_zalloc(1, sizeof(*tree));
    tree->arena = arena_new(64 << 10);
    return tree;
}

void tree_free(struct tree *tree)
{
    if (tree == NULL)
        return;
    vec_free(&tree->files);
    report_free(&tree->notes);
    arena_free(tree->arena);
    free(tree);
}

const char *tree_hash(const struct tree *tree)
{
    return tree->hash;
}

static bool is_archive(struct str name)
{
    return str_ends(name, STR(".tar.gz")) || str_ends(name, STR(".tgz"));
}

bool tree_wants(struct str name)
{
    if (name.len == 0 || name.ptr[0] == '.')
        return false;
    return str_ends(name, STR(".lua")) || str_ends(name, STR(".txt")) || str_ends(name, STR(".csv")) ||
           is_archive(name);
}

size_t tree_limit(struct str name)
{
    return str_ends(name, STR(".lua")) ? TREE_RULE_MAX : TREE_LIST_MAX;
}

static struct str shown_path(const struct tree_place *place, struct str name)
{
    char *path = place->shown.len
                     ? arena_printf(place->tree->arena, "%.*s/%.*s", STR_ARG(place->shown), STR_ARG(name))
                     : arena_printf(place->tree->arena, "%.*s", STR_ARG(name));
    return str_from(path);
}

void tree_refuse(const struct tree_place *place, struct str name, const char *format, ...)
{
    char message[512];
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof(message), format, args);
    va_end(args);
    report_add(&place->tree->notes, PROBLEM_ERROR, shown_path(place, name).ptr, "%s", message);
}

int tree_add(const struct tree_place *place, struct str name, struct str text, struct err *err)
{
    struct tree *tree = place->tree;
    if (is_archive(name))
        return tree_add_archive(place, name, text, err);
    if (text.len > tree_limit(name)) {
        tree_refuse(place, name, "the file has more than %zu KiB, the most a %s file may have",
                    tree_limit(name) >> 10, str_ends(name, STR(".lua")) ? "rule" : "list");
        return 0;
    }
    if (tree->files.count >= TREE_FILES_MAX)
        return err_set(err, ERR_LIMIT, "the roots hold more than %d files", TREE_FILES_MAX);
    tree->bytes += text.len;
    if (tree->bytes > TREE_BYTES_MAX)
        return err_set(err, ERR_LIMIT, "the roots hold more than %zu MiB", TREE_BYTES_MAX >> 20);
    struct tree_file file = {
        .kind = place->kind,
        .root = place->root,
        .path = shown_path(place, name),
        .name = arena_dup(tree->arena, name),
        .text = arena_dup(tree->arena, text),
    };
    vec_push(&tree->files, file);
    return 0;
}

static int file_order(const void *a, const void *b)
{
    const struct tree_file *x = a, *y = b;
    if (x->kind != y->kind)
        return x->kind < y->kind ? -1 : 1;
    if (x->root != y->root)
        return x->root < y->root ? -1 : 1;
    int order = str_compare(x->name, y->name);
    return order ? order : str_compare(x->path, y->path);
}

void tree_finish(struct tree *tree)
{
    if (tree->files.count)
        qsort(tree->files.items, tree->files.count, sizeof(struct tree_file), file_order);
    struct buf all = BUF_EMPTY;
    for (size_t i = 0; i < tree->files.count; i++) {
        const struct tree_file *file = &tree->files.items[i];
        buf_put_u8(&all, (uint8_t)file->kind);
        buf_put_u32(&all, file->root);
        buf_put_lstr(&all, file->name);
        char digest[65];
        hash_sha256_hex(file->text, digest);
        buf_put_lstr(&all, str_from(digest));
    }
    /* A file that was refused is no part of `files`, but a tree with it is another tree. */
    for (size_t i = 0; i < tree->notes.problems.count; i++) {
        buf_put_lstr(&all, str_from(tree->notes.problems.items[i].where));
        buf_put_lstr(&all, str_from(tree->notes.problems.items[i].message));
    }
    hash_sha256_hex(buf_str(&all), tree->hash);
    buf_free(&all);
}

/* The last part of a path without its slashes: how a root is called in messages. */
static struct str base_name(struct str path)
{
    while (path.len > 1 && path.ptr[path.len - 1] == '/')
        path.len--;
    size_t at = path.len;
    while (at > 0 && path.ptr[at - 1] != '/')
        at--;
    struct str base = {path.ptr + at, path.len - at};
    return str_is(base, ".") || str_is(base, "..") ? STR("") : base;
}

/* Two roots of one name are told apart by their whole paths. */
static struct str shown_root(struct str root, const struct str *earlier, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (str_equal(base_name(root), base_name(earlier[i])))
            return root;
    return base_name(root);
}

#define ROOTS_MAX 32

static int read_roots(struct tree *tree, enum tree_kind kind, const char *roots, struct err *err)
{
    struct str seen[ROOTS_MAX];
    size_t count = 0;
    struct str rest = str_from(roots);
    while (rest.len) {
        const char *colon = memchr(rest.ptr, ':', rest.len);
        struct str root = {rest.ptr, colon ? (size_t)(colon - rest.ptr) : rest.len};
        rest.ptr += root.len + (colon != NULL);
        rest.len -= root.len + (colon != NULL);
        if (root.len == 0)
            continue;
        if (count == ROOTS_MAX)
            return err_set(err, ERR_LIMIT, "more than %d roots", ROOTS_MAX);
        struct tree_place place = {tree, kind, (unsigned)count, shown_root(root, seen, count)};
        seen[count++] = root;
        if (tree_walk(&place, arena_dup(tree->arena, root).ptr, err) != 0)
            return -1;
    }
    return 0;
}

static int add_modules(struct tree *tree, const struct lua_source *modules, size_t count, struct err *err)
{
    struct tree_place place = {tree, TREE_RULES, ROOTS_MAX, STR("")};
    for (size_t i = 0; i < count; i++)
        if (tree_add(&place, modules[i].path, modules[i].text, err) != 0)
            return -1;
    return 0;
}

struct tree *tree_read_with(const char *rules_roots, const char *plugins_roots,
                            const struct lua_source *modules, size_t count, struct err *err)
{
    struct err local = {0};
    for (int attempt = 0; attempt < READ_ATTEMPTS; attempt++) {
        struct tree *tree = tree_new();
        local = (struct err){0};
        if (read_roots(tree, TREE_RULES, rules_roots, &local) == 0 &&
            read_roots(tree, TREE_PLUGINS, plugins_roots, &local) == 0 &&
            add_modules(tree, modules, count, &local) == 0) {
            tree_finish(tree);
            return tree;
        }
        tree_free(tree);
        if (local.code != ERR_BUSY)
            break;
    }
    if (err)
        *err = local;
    return NULL;
}

struct tree *tree_read(const char *rules_roots, const char *plugins_roots, struct err *err)
{
    return tree_read_with(rules_roots, plugins_roots, NULL, 0, err);
}

struct tree *tree_of(const struct lua_source *files, size_t count)
{
    struct tree *tree = tree_new();
    struct tree_place rules = {tree, TREE_RULES, 0, STR("rules")};
    struct tree_place plugins = {tree, TREE_PLUGINS, 0, STR("plugins")};
    struct tree_place bare = {tree, TREE_RULES, 0, STR("")};
    for (size_t i = 0; i < count; i++) {
        struct str path = files[i].path;
        struct tree_place *place = str_starts(path, STR("rules/"))     ? &rules
                                   : str_starts(path, STR("plugins/")) ? &plugins
                                                                       : &bare;
        size_t skip = place->shown.len ? place->shown.len + 1 : 0;
        struct err err = {0};
        if (tree_add(place, (struct str){path.ptr + skip, path.len - skip}, files[i].text, &err) != 0)
            report_add(&tree->notes, PROBLEM_ERROR, "", "%s", err.message);
    }
    tree_finish(tree);
    return tree;
}
