/* Runs every Lua file, sorts out what each one is, and lets later roots replace earlier ones. */
#include <stdio.h>

#include "rules/load.h"

static bool is_editor_file(struct str text)
{
    return str_starts(text, STR("---@meta"));
}

/* "detections/identity/helpers.lua" is the module "detections.identity.helpers". */
static struct str module_name(struct arena *arena, struct str name)
{
    char *out = (char *)arena_dup(arena, (struct str){name.ptr, name.len - 4}).ptr;
    for (char *at = out; *at; at++)
        if (*at == '/')
            *at = '.';
    return str_from(out);
}

static void load_modules(struct load *load)
{
    struct ruleset *set = load->set;
    struct map *seen = map_new();
    load->texts = arena_zalloc(load->scratch, (load->tree->files.count + 1) * sizeof(*load->texts));
    set->modules = arena_alloc(load->arena, (load->tree->files.count + 1) * sizeof(*set->modules));
    for (size_t i = 0; i < load->tree->files.count; i++) {
        const struct tree_file *file = &load->tree->files.items[i];
        if (!str_ends(file->name, STR(".lua")) || is_editor_file(file->text))
            continue;
        struct str name = module_name(load->arena, file->name);
        struct lua_source *earlier = map_get(seen, name);
        struct lua_source *module = earlier ? earlier : &set->modules[set->module_count++];
        /* Rule roots come first, and what a rule can require must not depend on the plugins. */
        load->texts[i] = arena_dup(load->arena, file->text);
        if (earlier == NULL || file->kind == TREE_RULES)
            *module = (struct lua_source){name, load->texts[i]};
        map_put(seen, name, module);
    }
    map_free(seen, NULL);
}

static bool find_module(void *context, struct str name, struct str *path, struct str *text)
{
    const struct ruleset *set = ((struct load *)context)->set;
    for (size_t i = 0; i < set->module_count; i++) {
        if (!str_equal(set->modules[i].path, name))
            continue;
        *path = set->modules[i].path;
        *text = set->modules[i].text;
        return true;
    }
    return false;
}

/* While files are run no list is filled yet: `list "x":has()` at load is the file's mistake, and says so. */
static bool no_lists(void *context, struct str name, struct str value, bool *known)
{
    (void)context;
    (void)name;
    (void)value;
    *known = false;
    return false;
}

static void no_log(void *context, const char *level, struct str message)
{
    (void)context;
    (void)level;
    (void)message;
}

static bool run_file(struct load *load, struct load_file *file)
{
    struct lua_host host = {
        .context = load, .clock = &clock_real, .list_has = no_lists, .module = find_module, .log = no_log};
    struct lua_options options = {.role = LUA_DETECTION, .host = &host};
    struct lua_source source = {file->from->path, file->from->text};
    struct err err = {0};
    struct unit unit = {.load = load, .file = file};
    struct lua_runtime *runtime = lua_runtime_new(&options, &err);
    int handle = runtime ? lua_load_file(runtime, &source, load->once, &file->value, &err) : -1;
    lua_runtime_free(runtime);
    if (handle >= 0) {
        file->value = lval_copy(load->scratch, file->value);
        return true;
    }
    if (err.where[0])
        report_add(load->report, PROBLEM_ERROR, err.where, "%s", err.message);
    else
        unit_error(&unit, 0, "%s", err.message);
    return false;
}

#define PATHS_MAX     256
#define READS_MAX     16
#define REQUIRES_MAX  64
#define REQUIRES_DEEP 64

struct found {
    struct load *load;
    struct map *modules; /* that were looked into */
    struct str paths[PATHS_MAX];
    size_t count;
    unsigned depth;
};

static void find_paths(struct found *found, const struct lua_scan *scan, const char *except)
{
    struct str names[REQUIRES_MAX], path, text;
    found->count += lua_scan_paths(scan, except, found->paths + found->count, PATHS_MAX - found->count);
    size_t count = lua_scan_requires(scan, names, REQUIRES_MAX);
    for (size_t i = 0; i < count; i++) {
        if (!find_module(found->load, names[i], &path, &text) || map_put(found->modules, path, found))
            continue;
        struct lua_scan *module = lua_scan_new(found->load->once, text, NULL);
        if (module && found->depth < REQUIRES_DEEP) {
            found->depth++;
            find_paths(found, module, NULL);
            found->depth--;
        }
    }
}

/* What a file's functions call in its modules reads as well, so the modules' paths are the file's. */
static const struct str *scan_paths(struct load *load, const struct lua_scan *scan, const char *except,
                                    size_t *count)
{
    struct found found = {.load = load, .modules = map_new()};
    find_paths(&found, scan, except);
    map_free(found.modules, NULL);
    struct str *paths = arena_alloc(load->scratch, (found.count + 1) * sizeof(*paths));
    for (size_t i = 0; i < found.count; i++)
        paths[i] = arena_dup(load->scratch, found.paths[i]);
    *count = found.count;
    return paths;
}

static struct load_reads scan_reads(struct load *load, const struct lua_scan *scan, const char *callback)
{
    struct lua_scan_read found[READS_MAX];
    size_t count = lua_scan_reads(scan, callback, found, READS_MAX);
    struct lua_scan_read *reads = arena_alloc(load->scratch, (count + 1) * sizeof(*reads));
    for (size_t i = 0; i < count; i++)
        reads[i] = (struct lua_scan_read){arena_dup(load->scratch, found[i].name), found[i].line};
    return (struct load_reads){reads, count};
}

/* What the text says and the values do not: keys written twice, what functions read. */
static void scan_file(struct load *load, struct load_file *file)
{
    struct unit unit = {.load = load, .file = file};
    struct lua_scan *scan = lua_scan_new(load->once, file->from->text, NULL);
    struct str key;
    unsigned first, second;
    if (scan == NULL)
        return;
    file->paths = scan_paths(load, scan, NULL, &file->path_count);
    file->paths_after_filter = scan_paths(load, scan, "filter", &file->path_after_filter_count);
    file->detect_reads = scan_reads(load, scan, "detect");
    file->dedup_reads = scan_reads(load, scan, "dedup_of");
    if (lua_scan_duplicate(scan, &key, &first, &second))
        unit_error(&unit, second, "the key \"%.*s\" is written twice in one table, first in line %u",
                   STR_ARG(key), first);
}

/* Where files of one kind are entered. */
struct place {
    const char *what, *key; /* key: that tells them apart */
    struct load_shelf *shelf;
};

static struct str id_of(const struct place *place, const struct load_file *file)
{
    const struct lval *id = lval_get(file->value, place->key);
    return id && id->type == LVAL_STRING ? id->s : STR("");
}

/* Enters a file; one of the same id from an earlier root is replaced. */
static void enter(struct load *load, const struct place *place, const struct load_file *file)
{
    struct unit unit = {.load = load, .file = file};
    struct load_shelf *shelf = place->shelf;
    struct str id = id_of(place, file);
    struct load_file *earlier = id.len ? map_get(shelf->by_id, id) : NULL;
    if (earlier == NULL) {
        struct load_file *entered = &shelf->items[shelf->count++];
        *entered = *file;
        map_put(shelf->by_id, id, entered);
        return;
    }
    const struct tree_file *other = earlier->from;
    if (other->root == file->from->root && other->kind == file->from->kind) {
        unit_error(&unit, key_line(file->value, place->key),
                   "the %s \"%.*s\" is also in %.*s; %ss must differ", place->what, STR_ARG(id),
                   STR_ARG(other->path), place->key);
        return;
    }
    report_add(load->report, PROBLEM_NOTE, file->from->path.ptr, "replaces the %s \"%.*s\" of %.*s",
               place->what, STR_ARG(id), STR_ARG(other->path));
    *earlier = *file;
}

/* A table without rule{} around it is a module, unless it looks like what somebody forgot to wrap. */
static const char *looks_like(const struct lval *value)
{
    static const char *const signs[][2] = {{"match", "rule"},    {"fields", "source"}, {"accepts", "source"},
                                           {"decide", "policy"}, {"offline", "agent"}, {"dry_run", "action"}};
    if (lval_get(value, "id") == NULL && lval_get(value, "name") == NULL)
        return NULL;
    for (size_t i = 0; i < sizeof(signs) / sizeof(signs[0]); i++)
        if (lval_get(value, signs[i][0]))
            return signs[i][1];
    return NULL;
}

static void sort_file(struct load *load, const struct load_file *file)
{
    struct unit unit = {.load = load, .file = file};
    const struct lval *value = file->value;
    const char *like;
    switch (value->kind) {
    case LVAL_PLAIN:
        like = looks_like(value);
        if (like)
            unit_error(&unit, value->line, "the file returns a bare table; write return %s { … }", like);
        break;
    case LVAL_RULE:
        enter(load, &(struct place){"rule", "id", &load->rules}, file);
        break;
    case LVAL_SOURCE:
        enter(load, &(struct place){"source", "id", &load->sources}, file);
        break;
    case LVAL_POLICY:
        enter(load, &(struct place){"policy", "name", &load->policies}, file);
        break;
    case LVAL_AGENT:
        enter(load, &(struct place){"agent", "name", &load->agents}, file);
        break;
    case LVAL_ACTION:
        enter(load, &(struct place){"action", "id", &load->actions}, file);
        break;
    case LVAL_LIST:
        load_list_value(load, file);
        break;
    case LVAL_EXCEPTION:
        unit_error(&unit, value->line, "%s { … } is not built yet", lval_name(value));
        break;
    default:
        unit_error(
            &unit, value->line,
            "the file returns %s; expected rule { … }, source { … }, list { … }, policy { … }, agent { … "
            "} or action { … }",
            value_name(value));
    }
}

void load_files(struct load *load)
{
    size_t most = load->tree->files.count;
    struct load_shelf *shelves[] = {&load->rules, &load->sources, &load->policies, &load->agents,
                                    &load->actions};
    for (size_t i = 0; i < sizeof(shelves) / sizeof(shelves[0]); i++) {
        shelves[i]->items = arena_alloc(load->scratch, (most + 1) * sizeof(struct load_file));
        shelves[i]->by_id = map_new();
    }
    load_modules(load);
    for (size_t i = 0; i < most; i++) {
        const struct tree_file *from = &load->tree->files.items[i];
        if (!str_ends(from->name, STR(".lua"))) {
            load_list_text(load, from);
            continue;
        }
        struct load_file file = {.from = from};
        arena_reset(load->once);
        if (is_editor_file(from->text) || !run_file(load, &file))
            continue;
        scan_file(load, &file);
        sort_file(load, &file);
    }
}
