#include "match/spec.h"

struct match_node *match_node_new(struct arena *arena, enum match_kind kind)
{
    struct match_node *node = arena_zalloc(arena, sizeof(*node));
    node->kind = kind;
    return node;
}

void match_node_add(struct match_node *parent, struct match_node *child)
{
    if (parent->last)
        parent->last->next = child;
    else
        parent->first = child;
    parent->last = child;
}

static struct match_node *field_node(struct arena *arena, const struct spec *spec)
{
    struct match_node *node = match_node_new(arena, MATCH_FIELD);
    node->spec = spec;
    return node;
}

struct match_node *match_field(struct arena *arena, struct fields *fields, struct str key,
                               const struct literal *values, size_t count, struct err *err)
{
    size_t specs = 0;
    struct spec *spec = spec_parse(arena, key, values, count, &specs, err);
    if (!spec)
        return NULL;
    uint32_t slot = fields_intern(fields, spec->path, err);
    if (slot == FIELD_NONE)
        return NULL;
    for (size_t i = 0; i < specs; i++)
        spec[i].slot = slot;
    if (specs == 1)
        return field_node(arena, spec);
    struct match_node *all = match_node_new(arena, MATCH_ALL);
    for (size_t i = 0; i < specs; i++)
        match_node_add(all, field_node(arena, &spec[i]));
    return all;
}

struct match_node *match_keywords(struct arena *arena, const struct literal *values, size_t count,
                                  struct err *err)
{
    (void)arena;
    (void)values;
    (void)count;
    err_set(err, ERR_INVALID, "keywords { … } is not built yet");
    return NULL;
}
