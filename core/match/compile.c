#include "match/compile.h"

#include <stdlib.h>

/* ---- routes ---- */

static bool same_route(const struct match_route *a, const struct match_route *b)
{
    return str_equal(a->category, b->category) && str_equal(a->product, b->product) &&
           str_equal(a->service, b->service);
}

static bool part_allows(struct str rule, struct str source)
{
    return rule.len == 0 || source.len == 0 || str_equal(rule, source);
}

static bool route_allows(const struct match_route *rule, const struct match_route *source)
{
    return part_allows(rule->category, source->category) && part_allows(rule->product, source->product) &&
           part_allows(rule->service, source->service);
}

static void fill_class(struct matcher *m, size_t class, const struct match_rule *rules,
                       const struct match_route *route)
{
    for (size_t i = 0; i < m->rule_count; i++)
        if (!route || route_allows(&rules[i].route, route))
            m->class_rules[class * m->rule_words + i / 64] |= UINT64_C(1) << (i % 64);
}

static void compile_routes(struct matcher *m, const struct match_rule *rules,
                           const struct match_route *routes, size_t count)
{
    size_t *example = mem_alloc((count + 1) * sizeof(*example)); /* per class: a source of it */
    m->source_count = count;
    m->source_class = arena_alloc(m->arena, count * sizeof(uint32_t));
    for (size_t i = 0; i < count; i++) {
        size_t class = 0;
        while (class < m->class_count && !same_route(&routes[example[class]], &routes[i]))
            class ++;
        if (class == m->class_count)
            example[m->class_count++] = i;
        m->source_class[i] = (uint32_t) class;
    }
    m->rule_words = (m->rule_count + 63) / 64;
    m->class_rules = arena_zalloc(m->arena, (m->class_count + 1) * m->rule_words * sizeof(uint64_t));
    for (size_t class = 0; class < m->class_count; class ++)
        fill_class(m, class, rules, &routes[example[class]]);
    fill_class(m, m->class_count++, rules, NULL);
    free(example);
}

static void list_always(struct matcher *m, const bool *woken)
{
    m->class_always = arena_zalloc(m->arena, m->class_count * sizeof(uint32_t *));
    m->class_always_count = arena_zalloc(m->arena, m->class_count * sizeof(uint32_t));
    for (size_t class = 0; class < m->class_count; class ++) {
        uint32_t *list = arena_alloc(m->arena, m->rule_count * sizeof(uint32_t));
        uint32_t count = 0;
        for (uint32_t i = 0; i < m->rule_count; i++)
            if (!woken[i] && matcher_routes(m, class, i))
                list[count++] = i;
        m->class_always[class] = list;
        m->class_always_count[class] = count;
    }
}

/* ---- rules ---- */

static int compile_trees(struct compiler *c, const struct match_rule *rules)
{
    struct matcher *m = c->matcher;
    for (size_t i = 0; i < m->rule_count; i++) {
        m->ids[i] = arena_dup(m->arena, rules[i].id);
        m->trees[i] = compile_tree(c, rules[i].root, 0);
        if (!m->trees[i])
            return err_at(c->err, "rule %.*s", STR_ARG(rules[i].id));
    }
    return 0;
}

static void count_uses(struct compiler *c, const struct tree *tree, uint32_t rule)
{
    if (tree->kind == MATCH_FIELD && c->used_by[tree->predicate] != rule + 1) {
        c->used_by[tree->predicate] = rule + 1;
        c->uses[tree->predicate]++;
    }
    for (const struct tree *child = tree->first; child; child = child->next)
        count_uses(c, child, rule);
}

static void compile_witnesses(struct compiler *c)
{
    struct matcher *m = c->matcher;
    bool *woken = mem_zalloc(m->rule_count + 1, sizeof(*woken));
    c->uses = mem_zalloc(c->predicates.count + 1, sizeof(*c->uses));
    c->used_by = mem_zalloc(c->predicates.count + 1, sizeof(*c->used_by));
    c->witnesses = mem_zalloc(c->predicates.count + 1, sizeof(*c->witnesses));
    for (uint32_t i = 0; i < m->rule_count; i++)
        count_uses(c, m->trees[i], i);
    for (uint32_t i = 0; i < m->rule_count; i++) {
        bool weak;
        woken[i] = compile_witness(c, m->trees[i], i, &weak);
        m->always[i] = !woken[i] || weak;
    }
    list_always(m, woken);
    free(woken);
}

static void compile_code(struct compiler *c)
{
    struct matcher *m = c->matcher;
    for (size_t i = 0; i < m->rule_count; i++) {
        m->code_start[i] = (uint32_t)c->code.count;
        compile_program(c, m->trees[i]);
    }
    m->code = arena_alloc(m->arena, c->code.count * sizeof(uint32_t));
    if (c->code.count)
        memcpy(m->code, c->code.items, c->code.count * sizeof(uint32_t));
}

static void keep_predicates(struct compiler *c)
{
    struct matcher *m = c->matcher;
    m->predicate_count = c->predicates.count;
    m->predicates = arena_alloc(m->arena, m->predicate_count * sizeof(*m->predicates));
    if (m->predicate_count)
        memcpy(m->predicates, c->predicates.items, m->predicate_count * sizeof(*m->predicates));
}

static void free_compiler(struct compiler *c)
{
    for (size_t i = 0; c->witnesses && i < c->predicates.count; i++)
        free(c->witnesses[i].rules);
    free(c->witnesses);
    free(c->uses);
    free(c->used_by);
    prior_free(c->prior);
    map_free(c->known, NULL);
    buf_free(&c->digest);
    vec_free(&c->predicates);
    vec_free(&c->code);
}

static struct matcher *new_matcher(const struct fields *fields, size_t count)
{
    struct matcher *m = mem_zalloc(1, sizeof(*m));
    m->arena = arena_new(64 << 10);
    m->fields = fields;
    m->slot_count = fields_count(fields);
    m->rule_count = count;
    m->ids = arena_alloc(m->arena, count * sizeof(*m->ids));
    m->trees = arena_zalloc(m->arena, count * sizeof(*m->trees));
    m->code_start = arena_alloc(m->arena, count * sizeof(*m->code_start));
    m->always = arena_zalloc(m->arena, count * sizeof(*m->always));
    return m;
}

struct matcher *matcher_new(const struct match_rule *rules, size_t count, const struct match_route *routes,
                            size_t route_count, const struct fields *fields, struct err *err)
{
    if (count > MATCH_RULES_MAX) {
        err_set(err, ERR_LIMIT, "%zu rules; at most %d are allowed", count, MATCH_RULES_MAX);
        return NULL;
    }
    struct matcher *m = new_matcher(fields, count);
    struct compiler c = {.matcher = m, .prior = prior_new(), .known = map_new(), .err = err};
    int failed = compile_trees(&c, rules);
    keep_predicates(&c); /* before a failure is seen: matcher_free releases them */
    if (!failed) {
        compile_routes(m, rules, routes, route_count);
        compile_witnesses(&c);
        compile_code(&c);
        index_build(m, c.prior, c.witnesses);
    }
    free_compiler(&c);
    if (!failed)
        return m;
    matcher_free(m);
    return NULL;
}

void matcher_free(struct matcher *matcher)
{
    if (!matcher)
        return;
    for (size_t i = 0; i < matcher->predicate_count; i++)
        predicate_release(&matcher->predicates[i]);
    arena_free(matcher->arena);
    free(matcher);
}

bool match_is_always(const struct matcher *matcher, uint32_t rule)
{
    return matcher->always[rule];
}
