#include <stdlib.h>

#include "base/hash.h"
#include "match/compile.h"

/* ---- the tree, with shared predicates ---- */

static void digest_spec(const struct spec *spec, struct buf *buf, uint8_t digest[32])
{
    buf_clear(buf);
    buf_put_u32(buf, spec->slot);
    buf_put_u32(buf, spec->op);
    buf_put_u32(buf, (uint32_t)spec->cased << 1 | spec->every);
    buf_put_u32(buf, spec->regex_flags);
    for (size_t i = 0; i < spec->count; i++) {
        buf_put_u8(buf, (uint8_t)(spec->values[i].type << 1 | spec->values[i].plain));
        buf_put_lstr(buf, spec_text(&spec->values[i]));
    }
    hash_sha256(buf_str(buf), digest);
}

static struct spec *copy_spec(struct arena *arena, const struct spec *spec)
{
    struct spec *copy = arena_alloc(arena, sizeof(*copy));
    *copy = *spec;
    copy->key = arena_dup(arena, spec->key);
    copy->path = arena_dup(arena, spec->path);
    size_t bytes = 0;
    for (size_t i = 0; i < spec->count; i++)
        bytes += spec->values[i].len;
    char *text = arena_alloc(arena, bytes);
    struct spec_value *values = arena_alloc(arena, spec->count * sizeof(*values));
    for (size_t i = 0; i < spec->count; i++) {
        values[i] = spec->values[i];
        values[i].ptr = text;
        memcpy(text, spec->values[i].ptr, spec->values[i].len);
        text += spec->values[i].len;
    }
    copy->values = values;
    return copy;
}

static uint32_t intern(struct compiler *c, const struct spec *spec)
{
    uint8_t digest[32];
    digest_spec(spec, &c->digest, digest);
    struct str key = {(const char *)digest, sizeof(digest)};
    uintptr_t known = (uintptr_t)map_get(c->known, key);
    if (known)
        return (uint32_t)known - 1;
    struct predicate predicate;
    predicate_compile(&predicate, copy_spec(c->matcher->arena, spec), c->matcher->arena);
    vec_push(&c->predicates, predicate);
    map_put(c->known, key, (void *)(uintptr_t)c->predicates.count);
    return (uint32_t)c->predicates.count - 1;
}

struct tree *compile_tree(struct compiler *c, const struct match_node *node, unsigned depth)
{
    if (depth > MATCH_DEPTH_MAX) {
        err_set(c->err, ERR_LIMIT, "match is nested deeper than %d", MATCH_DEPTH_MAX);
        return NULL;
    }
    struct tree *tree = arena_zalloc(c->matcher->arena, sizeof(*tree));
    tree->kind = node->kind;
    if (node->kind == MATCH_FIELD)
        tree->predicate = intern(c, node->spec);
    struct tree **into = &tree->first;
    for (const struct match_node *child = node->first; child; child = child->next) {
        *into = compile_tree(c, child, depth + 1);
        if (!*into)
            return NULL;
        into = &(*into)->next;
    }
    return tree;
}

/* ---- the program ---- */

static uint64_t tree_cost(const struct compiler *c, const struct tree *tree)
{
    if (tree->kind == MATCH_FIELD)
        return 1 + c->predicates.items[tree->predicate].cost;
    uint64_t cost = 1;
    for (const struct tree *child = tree->first; child; child = child->next)
        cost += tree_cost(c, child);
    return cost;
}

struct costed {
    const struct tree *tree;
    uint64_t cost;
    size_t position;
};

static int compare_costed(const void *a, const void *b)
{
    const struct costed *x = a, *y = b;
    if (x->cost != y->cost)
        return x->cost < y->cost ? -1 : 1;
    return (x->position > y->position) - (x->position < y->position);
}

static enum code_kind kind_of(const struct tree *tree)
{
    return tree->kind == MATCH_ANY ? CODE_ANY : tree->kind == MATCH_NONE ? CODE_NONE : CODE_ALL;
}

void compile_program(struct compiler *c, const struct tree *tree)
{
    if (tree->kind == MATCH_FIELD) {
        vec_push(&c->code, tree->predicate << 2 | CODE_PREDICATE);
        return;
    }
    VEC(struct costed) children = {0};
    for (const struct tree *child = tree->first; child; child = child->next) {
        struct costed one = {child, tree_cost(c, child), children.count};
        vec_push(&children, one);
    }
    if (children.count)
        qsort(children.items, children.count, sizeof(*children.items), compare_costed);
    size_t start = c->code.count;
    vec_push(&c->code, 0);
    for (size_t i = 0; i < children.count; i++)
        compile_program(c, children.items[i].tree);
    c->code.items[start] = (uint32_t)(c->code.count - start) << 2 | kind_of(tree);
    vec_free(&children);
}

/* ---- the witness ---- */

struct choice {
    double share; /* of events that wake the rule; above 1e6: no witness */
    VEC(uint32_t) predicates;
};
#define NO_WITNESS 1e6

/* What many rules ask for is what events usually hold: a path of the system, a program that everybody abuses.
 */
static double predicate_cost(const struct compiler *c, uint32_t predicate)
{
    return predicate_share(c->prior, &c->predicates.items[predicate]) * (1 + 0.2 * (c->uses[predicate] - 1));
}

static struct choice choose(const struct compiler *c, const struct tree *tree);

static struct choice choose_best(const struct compiler *c, const struct tree *tree)
{
    struct choice best = {.share = 2 * NO_WITNESS};
    for (const struct tree *child = tree->first; child; child = child->next) {
        struct choice one = choose(c, child);
        struct choice worse = one;
        if (one.share < best.share) {
            worse = best;
            best = one;
        }
        vec_free(&worse.predicates);
    }
    return best;
}

static struct choice choose_each(const struct compiler *c, const struct tree *tree)
{
    struct choice all = {.share = 0};
    for (const struct tree *child = tree->first; child; child = child->next) {
        struct choice one = choose(c, child);
        all.share += one.share;
        for (size_t i = 0; i < one.predicates.count; i++)
            vec_push(&all.predicates, one.predicates.items[i]);
        vec_free(&one.predicates);
    }
    return all;
}

static bool always_true(const struct tree *tree)
{
    return tree->kind == MATCH_EVERYTHING ||
           ((tree->kind == MATCH_ALL || tree->kind == MATCH_NONE) && !tree->first);
}

/* What the loader makes of an empty list: none { everything }. */
static bool never_true(const struct tree *tree)
{
    if (tree->kind == MATCH_ANY)
        return !tree->first;
    for (const struct tree *child = tree->first; tree->kind == MATCH_NONE && child; child = child->next)
        if (always_true(child))
            return true;
    return false;
}

static struct choice choose(const struct compiler *c, const struct tree *tree)
{
    if (never_true(tree))
        return (struct choice){.share = 0};
    if (tree->kind == MATCH_ALL)
        return choose_best(c, tree);
    if (tree->kind == MATCH_ANY)
        return choose_each(c, tree);
    struct choice one = {.share = 2 * NO_WITNESS};
    if (tree->kind == MATCH_FIELD) {
        one.share = predicate_cost(c, tree->predicate);
        vec_push(&one.predicates, tree->predicate);
    }
    return one;
}

static void add_rule(struct witness_list *list, uint32_t rule)
{
    if (list->count && list->rules[list->count - 1] == rule)
        return;
    if (list->count == list->cap)
        list->rules = vec_grow(list->rules, &list->cap, list->count + 1, sizeof(*list->rules));
    list->rules[list->count++] = rule;
}

bool compile_witness(struct compiler *c, const struct tree *tree, uint32_t rule, bool *weak)
{
    struct choice choice = choose(c, tree);
    bool found = choice.share < NO_WITNESS;
    *weak = false;
    for (size_t i = 0; found && i < choice.predicates.count; i++) {
        uint32_t predicate = choice.predicates.items[i];
        add_rule(&c->witnesses[predicate], rule);
        *weak = *weak || predicate_wake(&c->predicates.items[predicate]) == WAKE_PRESENT;
    }
    vec_free(&choice.predicates);
    return found;
}
