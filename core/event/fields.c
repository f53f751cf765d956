#include "event/fields_trie.h"

#include <stdlib.h>

#include "base/hash.h"

#define SLOTS_MOST 65535

static const char *const base_paths[FIELD_BASE_COUNT] = {
    [FIELD_EVENT_ID] = "event.id",
    [FIELD_TIMESTAMP] = "@timestamp",
    [FIELD_ORGANIZATION_ID] = "organization.id",
    [FIELD_ORGANIZATION_NAME] = "organization.name",
    [FIELD_EVENT_QUALITY] = "event.quality",
    [FIELD_MESSAGE] = "message",
};

static struct fields_ends ends_of(struct str key)
{
    struct fields_ends ends = {0, 0};
    size_t few = key.len < 8 ? key.len : 8;
    if (key.len) {
        memcpy(&ends.first, key.ptr, few);
        memcpy(&ends.last, key.ptr + key.len - few, few);
    }
    return ends;
}

/* The node behind one segment, or FIELD_NONE. */
static uint32_t step(const struct fields *fields, const struct fields_view *view, uint32_t node,
                     struct str key)
{
    struct fields_ends ends = ends_of(key);
    uint64_t hash = fields_hash(node, key.len, ends), place;
    for (uint32_t i = (uint32_t)hash & view->mask; (place = view->places[i]); i = (i + 1) & view->mask) {
        const struct fields_edge *edge = &fields->edges.items[(uint32_t)place];
        if (place >> 32 == (hash >> 32 | 1) && fields_edge_is(edge, node, key.len, ends) &&
            str_equal(edge->key, key))
            return edge->child;
    }
    return FIELD_NONE;
}

static void view_put(const struct fields *fields, struct fields_view *view, uint32_t index)
{
    const struct fields_edge *edge = &fields->edges.items[index];
    uint64_t hash = fields_hash(edge->parent, edge->key.len, edge->ends);
    uint32_t i = (uint32_t)hash & view->mask;
    while (view->places[i])
        i = (i + 1) & view->mask;
    view->places[i] = (hash >> 32 | 1) << 32 | index;
}

static void view_room(struct fields_view *view, uint32_t size)
{
    free(view->places);
    view->places = mem_zalloc(size, sizeof(*view->places));
    view->mask = size - 1;
}

static void view_free(struct fields_view *view)
{
    vec_free(&view->nodes);
    free(view->places);
}

struct fields *fields_new(void)
{
    struct fields *fields = mem_zalloc(1, sizeof(*fields));
    fields->arena = arena_new(0);
    vec_push(&fields->all.nodes, ((struct fields_node){FIELD_NONE, true}));
    view_room(&fields->all, 64);
    for (uint32_t i = 0; i < FIELD_BASE_COUNT; i++)
        INVARIANT(fields_intern(fields, str_from(base_paths[i]), NULL) == i);
    return fields;
}

void fields_free(struct fields *fields)
{
    if (!fields)
        return;
    vec_free(&fields->paths);
    vec_free(&fields->wanted);
    vec_free(&fields->edges);
    view_free(&fields->all);
    view_free(&fields->read);
    free(fields->by_path);
    arena_free(fields->arena);
    free(fields);
}

static uint32_t step_or_make(struct fields *fields, uint32_t node, struct str key)
{
    struct fields_view *all = &fields->all;
    uint32_t child = step(fields, all, node, key);
    if (child != FIELD_NONE)
        return child;
    child = (uint32_t)all->nodes.count;
    vec_push(&all->nodes, ((struct fields_node){FIELD_NONE, false}));
    vec_push(&fields->edges,
             ((struct fields_edge){arena_dup(fields->arena, key), ends_of(key), node, child}));
    all->nodes.items[node].inner = true;
    if (fields->edges.count * 4 <= all->mask + 1) {
        view_put(fields, all, (uint32_t)fields->edges.count - 1);
        return child;
    }
    view_room(all, (all->mask + 1) * 2);
    for (uint32_t i = 0; i < fields->edges.count; i++)
        view_put(fields, all, i);
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

uint32_t fields_name(struct fields *fields, struct str path, struct err *err)
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
    vec_push(&fields->wanted, false);
    fields->all.nodes.items[node].slot = slot;
    return slot;
}

uint32_t fields_intern(struct fields *fields, struct str path, struct err *err)
{
    uint32_t slot = fields_name(fields, path, err);
    if (slot != FIELD_NONE)
        fields->wanted.items[slot] = true;
    return slot;
}

bool fields_wanted(const struct fields *fields, uint32_t slot)
{
    return fields->wanted.items[slot];
}

static bool leads_on(const struct fields_node *node)
{
    return node->slot != FIELD_NONE || node->inner;
}

static void list_paths(struct fields *fields)
{
    uint32_t size = 16;
    while (size < fields->paths.count * 2)
        size *= 2;
    fields->by_path = mem_zalloc(size, sizeof(*fields->by_path));
    fields->by_path_mask = size - 1;
    for (uint32_t slot = 0; slot < fields->paths.count; slot++) {
        uint32_t i = (uint32_t)hash_fast(fields->paths.items[slot], 0) & fields->by_path_mask;
        while (fields->by_path[i])
            i = (i + 1) & fields->by_path_mask;
        fields->by_path[i] = slot + 1;
    }
}

/* Children are made after their parents, so backwards each edge meets a child that is decided. */
void fields_freeze(struct fields *fields)
{
    struct fields_view *read = &fields->read;
    uint32_t size = 64, kept = 0;
    for (size_t i = 0; i < fields->all.nodes.count; i++) {
        uint32_t slot = fields->all.nodes.items[i].slot;
        bool wanted = slot != FIELD_NONE && fields->wanted.items[slot];
        vec_push(&read->nodes, ((struct fields_node){wanted ? slot : FIELD_NONE, i == FIELDS_ROOT}));
    }
    for (size_t i = fields->edges.count; i-- > 0;) {
        const struct fields_edge *edge = &fields->edges.items[i];
        if (!leads_on(&read->nodes.items[edge->child]))
            continue;
        read->nodes.items[edge->parent].inner = true;
        kept++;
    }
    while (size < kept * 4)
        size *= 2;
    view_room(read, size);
    for (uint32_t i = 0; i < fields->edges.count; i++)
        if (leads_on(&read->nodes.items[fields->edges.items[i].child]))
            view_put(fields, read, i);
    list_paths(fields);
    fields->frozen = true;
}

uint32_t fields_descend(const struct fields *fields, const struct fields_view *view, uint32_t node,
                        struct str key)
{
    for (const char *dot; key.len;) {
        uint32_t child = step(fields, view, node, key);
        if (child != FIELD_NONE)
            return child;
        dot = memchr(key.ptr, '.', key.len);
        if (!dot)
            break;
        size_t len = (size_t)(dot - key.ptr);
        node = step(fields, view, node, (struct str){key.ptr, len});
        if (node == FIELD_NONE)
            break;
        key = (struct str){dot + 1, key.len - len - 1};
    }
    return FIELD_NONE;
}

static uint32_t find_listed(const struct fields *fields, struct str path)
{
    uint32_t i = (uint32_t)hash_fast(path, 0) & fields->by_path_mask;
    for (; fields->by_path[i]; i = (i + 1) & fields->by_path_mask)
        if (str_equal(fields->paths.items[fields->by_path[i] - 1], path))
            return fields->by_path[i] - 1;
    return FIELD_NONE;
}

uint32_t fields_find_named(const struct fields *fields, struct str path)
{
    if (fields->frozen)
        return find_listed(fields, path);
    uint32_t node = fields_descend(fields, &fields->all, FIELDS_ROOT, path);
    return node == FIELD_NONE ? FIELD_NONE : fields->all.nodes.items[node].slot;
}

uint32_t fields_find(const struct fields *fields, struct str path)
{
    uint32_t slot = fields_find_named(fields, path);
    return slot == FIELD_NONE || !fields->frozen || fields->wanted.items[slot] ? slot : FIELD_NONE;
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
