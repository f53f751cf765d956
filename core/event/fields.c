#include "event/fields_trie.h"

#include <stdlib.h>

#define SLOTS_MOST 65535

static const char *const base_paths[FIELD_BASE_COUNT] = {
    [FIELD_EVENT_ID] = "event.id",
    [FIELD_TIMESTAMP] = "@timestamp",
    [FIELD_ORGANIZATION_ID] = "organization.id",
    [FIELD_ORGANIZATION_NAME] = "organization.name",
    [FIELD_EVENT_QUALITY] = "event.quality",
    [FIELD_MESSAGE] = "message",
};

static void table_put(struct fields *fields, uint32_t index)
{
    const struct fields_edge *edge = &fields->edges.items[index];
    uint64_t hash = fields_hash(edge->parent, edge->key);
    uint32_t i = (uint32_t)hash & fields->mask;
    while (fields->tags[i])
        i = (i + 1) & fields->mask;
    fields->tags[i] = (uint32_t)(hash >> 32) | 1;
    fields->edge_of[i] = index;
}

static void table_make(struct fields *fields, uint32_t size)
{
    free(fields->tags);
    free(fields->edge_of);
    fields->tags = mem_zalloc(size, sizeof(*fields->tags));
    fields->edge_of = mem_zalloc(size, sizeof(*fields->edge_of));
    fields->mask = size - 1;
    for (uint32_t i = 0; i < fields->edges.count; i++)
        table_put(fields, i);
}

struct fields *fields_new(void)
{
    struct fields *fields = mem_zalloc(1, sizeof(*fields));
    fields->arena = arena_new(0);
    vec_push(&fields->nodes, ((struct fields_node){FIELD_NONE, true}));
    table_make(fields, 64);
    for (uint32_t i = 0; i < FIELD_BASE_COUNT; i++)
        INVARIANT(fields_intern(fields, str_from(base_paths[i]), NULL) == i);
    return fields;
}

void fields_free(struct fields *fields)
{
    if (!fields)
        return;
    vec_free(&fields->paths);
    vec_free(&fields->nodes);
    vec_free(&fields->edges);
    free(fields->tags);
    free(fields->edge_of);
    arena_free(fields->arena);
    free(fields);
}

static uint32_t step_or_make(struct fields *fields, uint32_t node, struct str key)
{
    uint32_t child = fields_step(fields, node, key);
    if (child != FIELD_NONE)
        return child;
    child = (uint32_t)fields->nodes.count;
    vec_push(&fields->nodes, ((struct fields_node){FIELD_NONE, false}));
    vec_push(&fields->edges, ((struct fields_edge){arena_dup(fields->arena, key), node, child}));
    fields->nodes.items[node].inner = true;
    if (fields->edges.count * 4 > fields->mask + 1)
        table_make(fields, (fields->mask + 1) * 2);
    else
        table_put(fields, (uint32_t)fields->edges.count - 1);
    return child;
}

static bool is_path(struct str path)
{
    if (path.len == 0 || path.ptr[0] == '.' || path.ptr[path.len - 1] == '.')
        return false;
    for (size_t i = 1; i < path.len; i++)
        if (path.ptr[i] == '.' && path.ptr[i - 1] == '.')
            return false;
    return true;
}

static uint32_t refuse(struct err *err, enum err_code code, const char *expected, struct str path)
{
    int shown = path.len < 80 ? (int)path.len : 80;
    err_set(err, code, "expected %s, not \"%.*s\"", expected, shown, path.ptr ? path.ptr : "");
    return FIELD_NONE;
}

uint32_t fields_intern(struct fields *fields, struct str path, struct err *err)
{
    INVARIANT(!fields->frozen);
    if (path.len > FIELD_PATH_MAX)
        return refuse(err, ERR_LIMIT, "a path of at most 256 bytes", path);
    if (!is_path(path))
        return refuse(err, ERR_INVALID, "a path such as \"source.ip\"", path);
    uint32_t there = fields_find(fields, path);
    if (there != FIELD_NONE)
        return there;
    if (fields->paths.count >= SLOTS_MOST)
        return refuse(err, ERR_LIMIT, "at most 65,535 different fields", path);
    uint32_t node = FIELDS_ROOT;
    for (size_t at = 0; at <= path.len;) {
        const char *dot = memchr(path.ptr + at, '.', path.len - at);
        size_t end = dot ? (size_t)(dot - path.ptr) : path.len;
        node = step_or_make(fields, node, (struct str){path.ptr + at, end - at});
        at = end + 1;
    }
    uint32_t slot = (uint32_t)fields->paths.count;
    vec_push(&fields->paths, arena_dup(fields->arena, path));
    fields->nodes.items[node].slot = slot;
    return slot;
}

void fields_freeze(struct fields *fields)
{
    fields->frozen = true;
}

uint32_t fields_find(const struct fields *fields, struct str path)
{
    uint32_t node = fields_descend(fields, FIELDS_ROOT, path);
    return node == FIELD_NONE ? FIELD_NONE : fields->nodes.items[node].slot;
}

size_t fields_count(const struct fields *fields)
{
    return fields->paths.count;
}

struct str fields_path(const struct fields *fields, uint32_t slot)
{
    INVARIANT(slot < fields->paths.count);
    return fields->paths.items[slot];
}
