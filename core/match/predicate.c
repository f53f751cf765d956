#include "match/predicate.h"

#include <stdlib.h>

#include "base/text.h"
#include "base/vec.h"
#include "match/pattern.h"
#include "match/regex_atoms.h"

#define GRAMS_FROM 4 /* that many literals are found faster together */

struct texts {
    VEC(struct str) list;
};

/* What the literals of one spec fall into. */
struct parts {
    struct texts exact, heads, tails, contains, wild;
};

static void free_parts(struct parts *parts)
{
    vec_free(&parts->exact.list);
    vec_free(&parts->heads.list);
    vec_free(&parts->tails.list);
    vec_free(&parts->contains.list);
    vec_free(&parts->wild.list);
}

static struct str folded(struct arena *arena, struct str text)
{
    size_t len = text_fold_max(text.len);
    char *out = mem_alloc(len);
    len = text_fold(text, out);
    struct str same = text; /* most literals are folded as they are: one copy is enough */
    if (len != text.len || memcmp(out, text.ptr, len) != 0)
        same = arena_dup(arena, (struct str){out, len});
    free(out);
    return same;
}

/* A star before, behind, as the operator says. */
static struct str with_stars(struct arena *arena, struct str pattern, enum spec_op op)
{
    bool before = (op == SPEC_CONTAINS || op == SPEC_ENDSWITH) &&
                  !(pattern.len && pattern.ptr[0] == PATTERN_STAR);
    bool behind = (op == SPEC_CONTAINS || op == SPEC_STARTSWITH) &&
                  !(pattern.len && pattern.ptr[pattern.len - 1] == PATTERN_STAR);
    if (before && behind && pattern.len == 0)
        behind = false;
    if (!before && !behind)
        return pattern;
    char *out = arena_alloc(arena, pattern.len + 2);
    size_t at = 0;
    if (before)
        out[at++] = PATTERN_STAR;
    memcpy(out + at, pattern.ptr, pattern.len);
    at += pattern.len;
    if (behind)
        out[at++] = PATTERN_STAR;
    return (struct str){out, at};
}

static void sort_plain(struct predicate *p, struct parts *parts, struct str text)
{
    struct texts *into = NULL;
    switch (p->spec->op) {
    case SPEC_EQUALS:
        into = &parts->exact;
        break;
    case SPEC_STARTSWITH:
        into = &parts->heads;
        break;
    case SPEC_ENDSWITH:
        into = &parts->tails;
        break;
    default:
        into = &parts->contains;
        break;
    }
    if (text.len == 0 && into != &parts->exact)
        p->anything = true;
    else
        vec_push(&into->list, text);
}

static void sort_pattern(struct predicate *p, struct parts *parts, struct str pattern)
{
    struct str literal;
    switch (pattern_shape(pattern, &literal)) {
    case PATTERN_ANY:
        p->anything = true;
        break;
    case PATTERN_EXACT:
        vec_push(&parts->exact.list, literal);
        break;
    case PATTERN_PREFIX:
        vec_push(&parts->heads.list, literal);
        break;
    case PATTERN_SUFFIX:
        vec_push(&parts->tails.list, literal);
        break;
    case PATTERN_CONTAINS:
        vec_push(&parts->contains.list, literal);
        break;
    case PATTERN_WILD:
        vec_push(&parts->wild.list, literal);
        break;
    }
}

static void sort_text(struct predicate *p, struct parts *parts, const struct spec_value *value,
                      struct arena *arena)
{
    struct str text = p->cased ? spec_text(value) : folded(arena, spec_text(value));
    if (value->type == LITERAL_NULL)
        p->null = true;
    else if (value->plain)
        sort_plain(p, parts, text);
    else
        sort_pattern(p, parts, with_stars(arena, pattern_parse(arena, text, false), p->spec->op));
}

static struct str *keep(struct arena *arena, const struct texts *texts)
{
    if (texts->list.count == 0)
        return NULL;
    struct str *kept = arena_alloc(arena, texts->list.count * sizeof(*kept));
    memcpy(kept, texts->list.items, texts->list.count * sizeof(*kept));
    return kept;
}

static struct text_set *set_of(struct arena *arena, enum text_side side, const struct texts *texts)
{
    return texts->list.count ? text_set_new(arena, side, texts->list.items, texts->list.count) : NULL;
}

static void compile_contains(struct predicate *p, const struct texts *texts, struct arena *arena)
{
    VEC(struct gram_literal) grams = {0};
    VEC(struct str) single = {0};
    for (size_t i = 0; i < texts->list.count; i++) {
        struct str text = texts->list.items[i];
        if (text.len >= GRAM_LITERAL_MIN && texts->list.count >= GRAMS_FROM)
            vec_push(&grams, ((struct gram_literal){.text = text}));
        else
            vec_push(&single, text);
    }
    if (grams.count)
        p->grams = grams_new(arena, NULL, grams.items, grams.count);
    p->contains = keep(arena, texts);
    p->contain_count = texts->list.count;
    if (single.count) {
        p->singles = arena_alloc(arena, single.count * sizeof(struct str));
        memcpy(p->singles, single.items, single.count * sizeof(struct str));
        p->single_count = single.count;
    }
    vec_free(&grams);
    vec_free(&single);
}

static void compile_texts(struct predicate *p, struct arena *arena)
{
    struct parts parts = {0};
    for (size_t i = 0; i < p->spec->count; i++)
        sort_text(p, &parts, &p->spec->values[i], arena);
    p->exact = set_of(arena, TEXT_WHOLE, &parts.exact);
    p->heads = set_of(arena, TEXT_HEAD, &parts.heads);
    p->tails = set_of(arena, TEXT_TAIL, &parts.tails);
    compile_contains(p, &parts.contains, arena);
    p->wild = keep(arena, &parts.wild);
    p->wild_count = parts.wild.list.count;
    p->cost = 4 + (parts.heads.list.count + parts.tails.list.count > 0) * 8 + 64 * (p->contain_count > 0) +
              100 * (unsigned)p->single_count + 200 * (unsigned)p->wild_count;
    free_parts(&parts);
}

static void compile_regexes(struct predicate *p, struct arena *arena)
{
    const struct spec *spec = p->spec;
    p->lines = arena_alloc(arena, spec->count * sizeof(*p->lines));
    p->regexes = arena_zalloc(arena, spec->count * sizeof(*p->regexes));
    for (size_t i = 0; i < spec->count; i++) {
        struct str pattern = spec_text(&spec->values[i]);
        if (line_length_parse(pattern, spec->regex_flags, &p->lines[p->line_count])) {
            p->line_count++;
            continue;
        }
        struct regex_test *test = &p->regexes[p->regex_count++];
        struct err err;
        test->regex = regex_new(pattern, spec->regex_flags, &err);
        if (!test->regex)
            die("a checked regular expression does not compile: %s", err.message);
        struct str atoms[REGEX_ATOMS_MAX];
        test->atom_count = regex_atoms(arena, pattern, atoms);
        test->atoms = arena_alloc(arena, test->atom_count * sizeof(*atoms));
        memcpy(test->atoms, atoms, test->atom_count * sizeof(*atoms));
    }
    p->cost = 50 * (unsigned)p->line_count + 2000 * (unsigned)p->regex_count;
}

static void compile_cidr(struct predicate *p, struct arena *arena)
{
    p->networks = mem_alloc(p->spec->count * sizeof(*p->networks));
    p->network_count = p->spec->count;
    for (size_t i = 0; i < p->network_count; i++)
        if (network_parse(spec_text(&p->spec->values[i]), &p->networks[i], NULL))
            die("a checked network does not parse");
    p->cidr = cidr_set_new(arena, p->networks, p->network_count);
    p->cost = 20;
}

static void compile_orders(struct predicate *p, struct arena *arena)
{
    p->orders = arena_alloc(arena, p->spec->count * sizeof(*p->orders) + 8);
    p->orders = (struct order_test *)(void *)((char *)p->orders + ((uintptr_t)p->orders & 8));
    p->order_count = p->spec->count;
    for (size_t i = 0; i < p->order_count; i++) {
        struct value value = value_string(spec_text(&p->spec->values[i]));
        p->orders[i].op = p->spec->op;
        if (!number_of(&value, &p->orders[i].number))
            die("a checked number does not parse");
    }
    p->cost = 4 + (unsigned)p->order_count;
}

void predicate_compile(struct predicate *predicate, const struct spec *spec, struct arena *arena)
{
    *predicate = (struct predicate){
        .spec = spec, .slot = spec->slot, .cased = spec->cased, .every = spec->every, .cost = 1};
    switch (spec->op) {
    case SPEC_EQUALS:
    case SPEC_CONTAINS:
    case SPEC_STARTSWITH:
    case SPEC_ENDSWITH:
        compile_texts(predicate, arena);
        break;
    case SPEC_REGEX:
        compile_regexes(predicate, arena);
        break;
    case SPEC_CIDR:
        compile_cidr(predicate, arena);
        break;
    case SPEC_LT:
    case SPEC_LTE:
    case SPEC_GT:
    case SPEC_GTE:
        compile_orders(predicate, arena);
        break;
    case SPEC_EXISTS:
        predicate->present = str_is(spec_text(&spec->values[0]), "true");
        predicate->absent = !predicate->present;
        break;
    }
}

void predicate_release(struct predicate *predicate)
{
    for (size_t i = 0; i < predicate->regex_count; i++)
        regex_free(predicate->regexes[i].regex);
    free(predicate->networks);
}
