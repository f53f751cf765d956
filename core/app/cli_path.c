#include "app/cli_path.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "lua/scan.h"

#define BESIDE_MAX   8 /* list files beside a single file; a tree has a limit of roots */
#define ABOVE_MAX    6 /* folders above it in which lists/ and modules are looked for */
#define MODULES_MAX  64
#define MODULE_BYTES ((size_t)256 << 10)

/* ---- lists ---- */

static bool is_kind(const char *path, mode_t kind)
{
    struct stat st;
    return stat(path, &st) == 0 && (st.st_mode & S_IFMT) == kind;
}

/* Takes the first root off a ':'-list. */
static struct str next_root(struct str *rest)
{
    const char *colon = memchr(rest->ptr, ':', rest->len);
    struct str root = {rest->ptr, colon ? (size_t)(colon - rest->ptr) : rest->len};
    rest->ptr += root.len + (colon != NULL);
    rest->len -= root.len + (colon != NULL);
    return root;
}

/* Each root once, whatever it is called. */
static void add_root(struct buf *roots, const char *path)
{
    char *whole = realpath(path, NULL);
    size_t len = whole ? strlen(whole) : 0;
    const char *at = roots->len ? roots->ptr : "";
    bool there = false;
    for (; whole && *at && !there; at += strcspn(at, ":") + (at[strcspn(at, ":")] == ':'))
        there = strncmp(at, whole, len) == 0 && (at[len] == ':' || at[len] == '\0');
    if (whole && !there)
        buf_printf(roots, "%s%s", roots->len ? ":" : "", whole);
    free(whole);
}

static void add_lists_below(struct buf *roots, struct str folder)
{
    struct buf path = BUF_EMPTY;
    buf_printf(&path, "%.*s/lists", STR_ARG(folder));
    if (folder.len && is_kind(path.ptr, S_IFDIR))
        add_root(roots, path.ptr);
    buf_free(&path);
}

static bool is_list_file(const char *name)
{
    struct str text = str_from(name);
    return name[0] != '.' && (str_ends(text, STR(".txt")) || str_ends(text, STR(".csv")));
}

static void add_lists_in(struct buf *roots, struct str folder)
{
    struct buf path = BUF_EMPTY;
    buf_put(&path, folder);
    DIR *dir = opendir(path.ptr);
    unsigned count = 0;
    for (const struct dirent *entry; dir && count < BESIDE_MAX && (entry = readdir(dir)) != NULL;) {
        if (!is_list_file(entry->d_name))
            continue;
        buf_clear(&path);
        buf_printf(&path, "%.*s/%s", STR_ARG(folder), entry->d_name);
        add_root(roots, path.ptr);
        count++;
    }
    if (dir)
        closedir(dir);
    buf_free(&path);
}

static bool parent(struct str *folder)
{
    const char *slash = folder->len ? memrchr(folder->ptr, '/', folder->len) : NULL;
    if (slash)
        folder->len = (size_t)(slash - folder->ptr);
    return slash != NULL && folder->len;
}

static void add_lists_of_roots(struct buf *roots, struct str rest)
{
    while (rest.len)
        add_lists_below(roots, next_root(&rest));
}

/* The lists of the usual roots, those in lists/ above the file, those beside it; then the file. */
static void roots_of_file(const struct cli *cli, const char *file, struct buf *roots)
{
    char *whole = realpath(file, NULL);
    struct str folder = str_from(whole ? whole : "");
    add_lists_of_roots(roots, str_from(cli->rules));
    struct str beside = folder;
    for (unsigned i = 0; i < ABOVE_MAX && parent(&folder); i++) {
        add_lists_below(roots, folder);
        beside = i == 0 ? folder : beside;
    }
    add_lists_in(roots, beside);
    buf_printf(roots, "%s%s", roots->len ? ":" : "", file);
    free(whole);
}

/* ---- modules ---- */

struct search {
    struct cli_path *in;
    struct str rules; /* the roots of --rules */
    struct str file;
};

static bool read_module(struct search *s, struct str folder, struct str name)
{
    struct buf path = BUF_EMPTY, text = BUF_EMPTY;
    struct err err = {0};
    buf_printf(&path, "%.*s/%.*s", STR_ARG(folder), STR_ARG(name));
    bool found = is_kind(path.ptr, S_IFREG) && cli_read(path.ptr, MODULE_BYTES, &text, &err) == 0;
    if (found) {
        struct lua_source module = {arena_dup(s->in->arena, name),
                                    arena_dup(s->in->arena, text.ptr ? buf_str(&text) : STR(""))};
        vec_push(&s->in->modules, module);
    }
    buf_free(&path);
    buf_free(&text);
    return found;
}

static bool find_in_roots(struct search *s, struct str name)
{
    struct str rest = s->rules, folder = s->file;
    while (rest.len)
        if (read_module(s, next_root(&rest), name))
            return true;
    for (unsigned i = 0; i < ABOVE_MAX && parent(&folder); i++)
        if (read_module(s, folder, name))
            return true;
    return false;
}

static bool is_found(const struct search *s, struct str name)
{
    for (size_t i = 0; i < s->in->modules.count; i++)
        if (str_equal(s->in->modules.items[i].path, name))
            return true;
    return false;
}

/* "agents.facts" is agents/facts.lua, in a flat folder agents.facts.lua. */
static void find_module(struct search *s, struct str module)
{
    struct str flat = str_from(arena_printf(s->in->arena, "%.*s.lua", STR_ARG(module)));
    char *deep = arena_printf(s->in->arena, "%.*s.lua", STR_ARG(module));
    for (size_t i = 0; i < module.len; i++)
        if (deep[i] == '.')
            deep[i] = '/';
    if (!is_found(s, str_from(deep)) && !is_found(s, flat) && !find_in_roots(s, str_from(deep)))
        find_in_roots(s, flat);
}

static void find_required(struct search *s, struct str text)
{
    struct str names[MODULES_MAX];
    struct lua_scan *scan = lua_scan_new(s->in->arena, text, NULL);
    size_t count = scan ? lua_scan_requires(scan, names, MODULES_MAX) : 0;
    for (size_t i = 0; i < count && s->in->modules.count < MODULES_MAX; i++)
        find_module(s, names[i]);
}

/* What cannot be read here is told when the tree is read. */
static void modules_of_file(struct cli_path *in, const struct cli *cli, const char *file)
{
    char *whole = realpath(file, NULL);
    struct search s = {in, str_from(cli->rules), str_from(whole ? whole : "")};
    struct buf text = BUF_EMPTY;
    struct err err = {0};
    if (whole && cli_read(file, MODULE_BYTES, &text, &err) == 0 && text.len)
        find_required(&s, arena_dup(in->arena, buf_str(&text)));
    for (size_t i = 0; i < in->modules.count; i++) /* grows meanwhile: modules require modules */
        find_required(&s, in->modules.items[i].text);
    buf_free(&text);
    free(whole);
}

/* ---- the path ---- */

/* Where the path stands below a root; NULL: elsewhere. */
static const char *below(const char *whole, struct str root)
{
    char name[4096];
    snprintf(name, sizeof(name), "%.*s", STR_ARG(root));
    char *folder = realpath(name, NULL);
    size_t len = folder ? strlen(folder) : 0;
    bool is = folder && strncmp(whole, folder, len) == 0 && (whole[len] == '/' || whole[len] == '\0');
    free(folder);
    return is ? whole + len : NULL;
}

static bool is_plugin(const struct cli *cli, const char *path)
{
    struct str rest = str_from(cli->plugins);
    char *whole = realpath(path, NULL);
    bool is = false;
    while (whole && !is && rest.len)
        is = below(whole, next_root(&rest)) != NULL;
    free(whole);
    return is;
}

static bool is_single_file(const char *path)
{
    return str_ends(str_from(path), STR(".lua")) && is_kind(path, S_IFREG);
}

void cli_path_open(struct cli_path *in, const struct cli *cli, const char *path)
{
    *in = (struct cli_path){.arena = arena_new(0), .plugin = path && is_plugin(cli, path)};
    if (in->plugin)
        add_lists_of_roots(&in->roots, str_from(cli->rules));
    else if (path && is_single_file(path))
        roots_of_file(cli, path, &in->roots);
    else
        buf_puts(&in->roots, path ? path : cli->rules);
    if (path && is_single_file(path))
        modules_of_file(in, cli, path);
    buf_puts(&in->roots, "");
}

void cli_path_close(struct cli_path *in)
{
    buf_free(&in->roots);
    vec_free(&in->modules);
    arena_free(in->arena);
}

static struct str base_of(struct str path)
{
    while (path.len > 1 && path.ptr[path.len - 1] == '/')
        path.len--;
    const char *slash = memrchr(path.ptr, '/', path.len);
    size_t skip = slash ? (size_t)(slash - path.ptr) + 1 : 0;
    struct str base = {path.ptr + skip, path.len - skip};
    return str_is(base, ".") || str_is(base, "..") ? STR("") : base;
}

/* A root is called by its last part, or by all of it where an earlier one has the same; "." is not called at
 * all, so that everything may be of it. */
static bool is_at(struct str shown, struct str root, const char *rest)
{
    struct str names[] = {base_of(root), root};
    for (size_t i = 0; i < 2; i++) {
        struct buf wanted = BUF_EMPTY;
        buf_printf(&wanted, "%.*s%s", STR_ARG(names[i]), names[i].len || !rest[0] ? rest : rest + 1);
        bool is = wanted.len == 0 || (str_starts(shown, buf_str(&wanted)) &&
                                      (shown.len == wanted.len || shown.ptr[wanted.len] == '/'));
        buf_free(&wanted);
        if (is)
            return true;
    }
    return false;
}

bool cli_path_has(const struct cli *cli, const char *path, struct str shown)
{
    struct str rest = str_from(cli->plugins);
    char *whole = realpath(path, NULL);
    bool has = false;
    if (!is_plugin(cli, path))
        has = is_at(shown, str_from(path), "");
    else
        while (whole && !has && rest.len) {
            struct str root = next_root(&rest);
            const char *at = below(whole, root);
            has = at && is_at(shown, root, at);
        }
    free(whole);
    return has;
}
