/* What the commands have in common: the rules they read, and how problems are told. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "app/cli.h"
#include "rules/loader.h"

#define BESIDE_MAX 8 /* list files beside a single file; a tree has a limit of roots */
#define ABOVE_MAX  6 /* folders above it in which lists/ is looked for */

const char *cli_plural(size_t n)
{
    return n == 1 ? "" : "s";
}

/* ---- the lists that a single file may name ---- */

static bool is_kind(const char *path, mode_t kind)
{
    struct stat st;
    return stat(path, &st) == 0 && (st.st_mode & S_IFMT) == kind;
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
    if (is_kind(path.ptr, S_IFDIR))
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

/* The lists of the usual roots, those in lists/ above the file, those beside it; then the file. */
static void roots_of_file(const struct cli *cli, const char *file, struct buf *roots)
{
    char *whole = realpath(file, NULL);
    struct str folder = str_from(whole ? whole : ""), rest = str_from(cli->rules);
    while (rest.len) {
        const char *colon = memchr(rest.ptr, ':', rest.len);
        size_t len = colon ? (size_t)(colon - rest.ptr) : rest.len;
        add_lists_below(roots, (struct str){rest.ptr, len});
        rest = (struct str){rest.ptr + len + (colon != NULL), rest.len - len - (colon != NULL)};
    }
    struct str beside = folder;
    for (unsigned i = 0; i < ABOVE_MAX && parent(&folder); i++) {
        add_lists_below(roots, folder);
        beside = i == 0 ? folder : beside;
    }
    add_lists_in(roots, beside);
    buf_printf(roots, "%s%s", roots->len ? ":" : "", file);
    free(whole);
}

/* ---- loading ---- */

static bool is_single_file(const char *path)
{
    return str_ends(str_from(path), STR(".lua")) && is_kind(path, S_IFREG);
}

struct ruleset *cli_load_rules(const struct cli *cli, const char *path, struct report *report, int *code)
{
    struct err err = {0};
    struct buf roots = BUF_EMPTY;
    if (path && is_single_file(path))
        roots_of_file(cli, path, &roots);
    else
        buf_puts(&roots, path ? path : cli->rules);
    struct tree *tree = tree_read(roots.ptr, cli->plugins, &err);
    buf_free(&roots);
    *code = EXIT_BROKEN_RULES;
    if (tree == NULL) {
        report_add(report, PROBLEM_ERROR, err.where, "%s", err.message);
        *code = err.code == ERR_LIMIT ? EXIT_BROKEN_RULES : EXIT_USAGE;
        return NULL;
    }
    struct ruleset *set = ruleset_load(tree, NULL, 0, report);
    tree_free(tree);
    if (set && set->rule_count == 0)
        report_add(report, PROBLEM_WARNING, "", "there is no rule: nothing would ever be raised");
    return set;
}

void cli_print_report(const struct report *report)
{
    for (size_t i = 0; i < report->problems.count; i++) {
        const struct problem *p = &report->problems.items[i];
        fprintf(stderr, "%s%s%s: %s\n", p->where, p->where[0] ? ": " : "", problem_level_name(p->level),
                p->message);
    }
}
