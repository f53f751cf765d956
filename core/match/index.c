#include "match/index.h"

#include <stdlib.h>

#include "base/hash.h"
#include "base/text.h"
#include "base/vec.h"
#include "match/matcher.h"
#include "match/pattern.h"

const uint16_t index_widths[INDEX_WIDTHS] = {1, 2, 3, 4, 8, 16, 32, 64, 128, 256};

/* One literal on its way into the key table. */
struct entry {
    uint64_t hash;
    struct key_literal literal;
};

struct slot_literal {
    uint32_t slot;
    struct gram_literal literal;
};

struct slot_number {
    uint32_t slot, number;
};

struct builder {
    struct matcher *matcher;
    struct index *index;
    const struct prior *prior;
    VEC(struct entry) entries;
    VEC(struct slot_literal) contains;
    VEC(struct slot_number) direct, present, prefixes;
    VEC(uint32_t) lists;
};

static unsigned width_for(size_t len)
{
    unsigned width = 0;
    while (width + 1 < INDEX_WIDTHS && index_widths[width + 1] <= len)
        width++;
    return width;
}

static void add_key(struct builder *b, uint64_t hash, struct str text, uint32_t target)
{
    struct key_literal literal = {text.ptr, (uint32_t)text.len, target};
    vec_push(&b->entries, ((struct entry){hash, literal}));
}

static struct str fold_literal(struct arena *arena, const struct predicate *p, struct str text)
{
    return p->cased ? text_fold_dup(arena, text) : text;
}

static void add_exact(struct builder *b, uint32_t slot, struct str text, uint32_t target)
{
    struct slot_index *at = &b->index->slots[slot];
    if (text.len + 1 > at->exact_max)
        at->exact_max = (uint32_t)text.len + 1;
    add_key(b, hash_fast(text, key_seed(KEY_EXACT, slot, 0)), text, target);
}

static void add_head(struct builder *b, uint32_t slot, struct str text, uint32_t target)
{
    unsigned width = width_for(text.len);
    b->index->slots[slot].heads |= (uint16_t)(1u << width);
    struct str key = {text.ptr, index_widths[width]};
    add_key(b, hash_fast(key, key_seed(KEY_HEAD, slot, width)), text, target);
}

static void add_tail(struct builder *b, uint32_t slot, struct str text, uint32_t target)
{
    unsigned width = width_for(text.len);
    b->index->slots[slot].tails |= (uint16_t)(1u << width);
    struct str key = {text.ptr + text.len - index_widths[width], index_widths[width]};
    add_key(b, hash_fast(key, key_seed(KEY_TAIL, slot, width)), text, target);
}

static void add_contains(struct builder *b, uint32_t slot, struct str text, uint32_t target)
{
    struct gram_literal literal = {.text = text, .target = target};
    vec_push(&b->contains, ((struct slot_literal){slot, literal}));
}

static void add_sets(struct builder *b, const struct predicate *p, uint32_t target)
{
    struct arena *arena = b->matcher->arena;
    for (size_t i = 0; p->exact && i < text_set_count(p->exact); i++)
        add_exact(b, p->slot, fold_literal(arena, p, text_set_item(p->exact, i)), target);
    for (size_t i = 0; p->heads && i < text_set_count(p->heads); i++)
        add_head(b, p->slot, fold_literal(arena, p, text_set_item(p->heads, i)), target);
    for (size_t i = 0; p->tails && i < text_set_count(p->tails); i++)
        add_tail(b, p->slot, fold_literal(arena, p, text_set_item(p->tails, i)), target);
}

static void add_insides(struct builder *b, const struct predicate *p, uint32_t target)
{
    struct arena *arena = b->matcher->arena;
    for (size_t i = 0; i < p->contain_count; i++)
        add_contains(b, p->slot, fold_literal(arena, p, p->contains[i]), target);
    uint32_t unproven = target & ~1u;
    for (size_t i = 0; i < p->wild_count; i++) {
        struct str piece = fold_literal(arena, p, pattern_longest_piece(p->wild[i]));
        add_contains(b, p->slot, piece, unproven);
    }
    for (size_t i = 0; i < p->regex_count; i++)
        for (size_t k = 0; k < p->regexes[i].atom_count; k++)
            add_contains(b, p->slot, p->regexes[i].atoms[k], unproven);
}

static void add_networks(struct builder *b, const struct predicate *p, uint32_t target)
{
    for (size_t i = 0; i < p->network_count; i++) {
        const struct network *n = &p->networks[i];
        struct str bytes = n->v4 ? (struct str){(const char *)&n->four, sizeof(n->four)}
                                 : (struct str){(const char *)&n->sixteen, sizeof(n->sixteen)};
        unsigned detail = n->bits + (n->v4 ? 256 : 0);
        add_key(b, hash_fast(bytes, key_seed(KEY_NETWORK, p->slot, detail)), bytes, target);
        vec_push(&b->prefixes, ((struct slot_number){p->slot, detail}));
    }
}

static void add_predicate(struct builder *b, uint32_t index)
{
    const struct predicate *p = &b->matcher->predicates[index];
    /* Folded text proves nothing about case, and one value nothing about every value. */
    uint32_t target = index << 1 | (!p->cased && !p->every);
    switch (predicate_wake(p)) {
    case WAKE_NEVER:
        break;
    case WAKE_LITERALS:
        add_sets(b, p, target);
        add_insides(b, p, target);
        add_networks(b, p, target);
        break;
    case WAKE_DIRECT:
        vec_push(&b->direct, ((struct slot_number){p->slot, index}));
        break;
    case WAKE_PRESENT:
        vec_push(&b->present, ((struct slot_number){p->slot, index}));
        break;
    }
}

/* ---- from lists to tables ---- */

static int compare_entries(const void *a, const void *b)
{
    const struct entry *x = a, *y = b;
    if (x->hash != y->hash)
        return x->hash < y->hash ? -1 : 1;
    return (x->literal.target > y->literal.target) - (x->literal.target < y->literal.target);
}

static void size_keys(struct builder *b, uint32_t *size)
{
    unsigned bits = 4;
    while ((UINT64_C(1) << bits) < b->entries.count * 2)
        bits++;
    *size = UINT32_C(1) << bits;
    b->index->key_mask = *size - 1;
    b->index->key_shift = 64 - bits;
    unsigned words = 11; /* 16 KiB */
    while ((UINT64_C(1) << words) * 64 < b->entries.count * 12 && words < 15)
        words++;
    b->index->bloom_shift = 64 - words;
    b->index->bloom = arena_zalloc(b->matcher->arena, sizeof(uint64_t) << words);
    b->index->keys = arena_zalloc(b->matcher->arena, *size * sizeof(struct key_bucket));
    b->index->literals = arena_alloc(b->matcher->arena, b->entries.count * sizeof(struct key_literal));
    b->index->bytes += (sizeof(uint64_t) << words) + *size * sizeof(struct key_bucket) +
                       b->entries.count * sizeof(struct key_literal);
}

static void insert_key(struct index *index, struct key_bucket bucket)
{
    uint32_t at = (uint32_t)(bucket.hash >> index->key_shift);
    while (index->keys[at].count)
        at = (at + 1) & index->key_mask;
    index->keys[at] = bucket;
    index->bloom[bucket.hash >> index->bloom_shift] |= bloom_bits(bucket.hash);
}

static void build_keys(struct builder *b)
{
    uint32_t size;
    if (b->entries.count)
        qsort(b->entries.items, b->entries.count, sizeof(struct entry), compare_entries);
    size_keys(b, &size);
    for (size_t i = 0; i < b->entries.count;) {
        struct key_bucket bucket = {.hash = b->entries.items[i].hash, .first = (uint32_t)i};
        for (; i < b->entries.count && b->entries.items[i].hash == bucket.hash; i++)
            b->index->literals[i] = b->entries.items[i].literal;
        bucket.count = (uint32_t)i - bucket.first;
        insert_key(b->index, bucket);
    }
}

static int compare_slot_literals(const void *a, const void *b)
{
    const struct slot_literal *x = a, *y = b;
    return (x->slot > y->slot) - (x->slot < y->slot);
}

static void build_grams(struct builder *b)
{
    struct slot_literal *items = b->contains.items;
    size_t count = b->contains.count;
    if (count)
        qsort(items, count, sizeof(*items), compare_slot_literals);
    struct gram_literal *run = mem_alloc(count * sizeof(*run));
    for (size_t i = 0; i < count;) {
        size_t n = 0;
        uint32_t slot = items[i].slot;
        for (; i < count && items[i].slot == slot; i++)
            run[n++] = items[i].literal;
        struct slot_index *at = &b->index->slots[slot];
        at->grams = grams_new(b->matcher->arena, b->prior, run, n);
        at->visits = (uint32_t)b->index->visit_count;
        b->index->visit_count += grams_buckets(at->grams);
        b->index->bytes += grams_bytes(at->grams);
    }
    free(run);
}

static int compare_slot_numbers(const void *a, const void *b)
{
    const struct slot_number *x = a, *y = b;
    if (x->slot != y->slot)
        return x->slot < y->slot ? -1 : 1;
    return (x->number > y->number) - (x->number < y->number);
}

enum list_kind { LIST_DIRECT, LIST_PRESENT, LIST_PREFIXES };

/* Sorts, drops repeats, and writes where each slot's numbers stand. */
static void build_list(struct builder *b, enum list_kind kind, struct slot_number *items, size_t count)
{
    if (count)
        qsort(items, count, sizeof(*items), compare_slot_numbers);
    for (size_t i = 0; i < count; i++) {
        if (i && compare_slot_numbers(&items[i], &items[i - 1]) == 0)
            continue;
        struct slot_index *slot = &b->index->slots[items[i].slot];
        uint32_t *first = kind == LIST_DIRECT    ? &slot->direct
                          : kind == LIST_PRESENT ? &slot->present
                                                 : &slot->prefixes;
        uint32_t *length = kind == LIST_DIRECT    ? &slot->direct_count
                           : kind == LIST_PRESENT ? &slot->present_count
                                                  : &slot->prefix_count;
        if ((*length)++ == 0)
            *first = (uint32_t)b->lists.count;
        vec_push(&b->lists, items[i].number);
    }
}

static void build_lists(struct builder *b)
{
    build_list(b, LIST_DIRECT, b->direct.items, b->direct.count);
    build_list(b, LIST_PRESENT, b->present.items, b->present.count);
    build_list(b, LIST_PREFIXES, b->prefixes.items, b->prefixes.count);
    b->index->lists = arena_alloc(b->matcher->arena, b->lists.count * sizeof(uint32_t));
    if (b->lists.count)
        memcpy(b->index->lists, b->lists.items, b->lists.count * sizeof(uint32_t));
}

static void build_postings(struct builder *b, const struct witness_list *witnesses)
{
    struct matcher *m = b->matcher;
    size_t total = 0;
    for (size_t i = 0; i < m->predicate_count; i++)
        total += witnesses[i].count;
    b->index->posting_start = arena_alloc(m->arena, (m->predicate_count + 1) * sizeof(uint32_t));
    b->index->postings = arena_alloc(m->arena, total * sizeof(uint32_t));
    uint32_t at = 0;
    for (size_t i = 0; i < m->predicate_count; i++) {
        b->index->posting_start[i] = at;
        for (size_t k = 0; k < witnesses[i].count; k++)
            b->index->postings[at++] = witnesses[i].rules[k];
    }
    b->index->posting_start[m->predicate_count] = at;
    b->index->bytes += (m->predicate_count + 1 + total) * sizeof(uint32_t);
}

static uint64_t classes_of(const struct matcher *m, const struct witness_list *witness)
{
    uint64_t classes = 0;
    for (size_t class = 0; class < m->class_count; class ++)
        for (size_t k = 0; k < witness->count; k++)
            if (matcher_routes(m, class, witness->rules[k])) {
                classes |= class_bit(class);
                break;
            }
    return classes;
}

void index_build(struct matcher *matcher, const struct prior *prior, const struct witness_list *witnesses)
{
    struct builder b = {.matcher = matcher, .index = &matcher->index, .prior = prior};
    matcher->index.slots = arena_zalloc(matcher->arena, matcher->slot_count * sizeof(struct slot_index));
    matcher->index.used = arena_zalloc(matcher->arena, (matcher->slot_count + 63) / 64 * sizeof(uint64_t));
    matcher->index.bytes = matcher->slot_count * sizeof(struct slot_index);
    for (size_t i = 0; i < matcher->predicate_count; i++) {
        uint32_t number = matcher->predicates[i].slot;
        struct slot_index *slot = &matcher->index.slots[number];
        matcher->index.used[number / 64] |= UINT64_C(1) << number % 64;
        if (witnesses[i].count == 0)
            continue;
        slot->classes |= classes_of(matcher, &witnesses[i]);
        add_predicate(&b, (uint32_t)i);
    }
    build_keys(&b);
    build_grams(&b);
    build_lists(&b);
    build_postings(&b, witnesses);
    vec_free(&b.entries);
    vec_free(&b.contains);
    vec_free(&b.direct);
    vec_free(&b.present);
    vec_free(&b.prefixes);
    vec_free(&b.lists);
}
