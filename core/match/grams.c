#include "match/grams.h"

#include <stdlib.h>

#include "base/err.h"
#include "match/prior.h"

#define VISITS     32 /* looks at one bucket in one event; must fit 6 bits */
#define WORDS_MIN  64
#define COUNTS_MAX (UINT32_C(1) << 20)
#define MULTIPLIER UINT64_C(0x9e3779b97f4a7c15)

struct bucket {
    uint32_t gram, first, count;
};

/* One size of gram. */
struct gram_table {
    struct bucket *buckets;
    unsigned shift; /* of the 64-bit hash, to a bucket */
    uint32_t size;
};

struct grams {
    uint64_t *filter; /* of four-byte grams: two bits in one word */
    unsigned filter_shift;
    struct gram_table fours, pairs;
    uint64_t *pair_map; /* 64 Ki bits; NULL: no short literals */
    struct gram_literal *literals;
    size_t bytes;
};

static uint64_t hash_gram(uint32_t gram)
{
    return gram * MULTIPLIER;
}

static uint64_t filter_bits(uint64_t hash)
{
    return UINT64_C(1) << (hash >> 32 & 63) | UINT64_C(1) << (hash >> 38 & 63);
}

static uint32_t load_four(const char *at)
{
    uint32_t gram;
    memcpy(&gram, at, sizeof(gram));
    return gram;
}

static uint32_t load_pair(const char *at)
{
    uint16_t gram;
    memcpy(&gram, at, sizeof(gram));
    return gram;
}

static uint32_t load_gram(const char *at, size_t width)
{
    return width == 4 ? load_four(at) : load_pair(at);
}

static size_t width_of(struct str text)
{
    return text.len >= 4 ? 4 : 2;
}

/* ---- building ---- */

/* How many literals share a gram, about: colliding grams are counted together, which costs speed, not
 * answers. */
struct counts {
    uint32_t *counts;
    uint32_t mask;
};

static uint32_t *count_of(const struct counts *c, uint32_t gram)
{
    return &c->counts[hash_gram(gram) >> 40 & c->mask];
}

static void count_grams(struct counts *c, const struct gram_literal *literals, size_t count)
{
    size_t total = 0;
    for (size_t i = 0; i < count; i++)
        total += literals[i].text.len;
    uint32_t size = 256;
    while (size < total * 2 && size < COUNTS_MAX)
        size *= 2;
    c->mask = size - 1;
    c->counts = mem_zalloc(size, sizeof(uint32_t));
    for (size_t i = 0; i < count; i++) {
        struct str text = literals[i].text;
        size_t width = width_of(text);
        for (size_t at = 0; at + width <= text.len; at++)
            ++*count_of(c, load_gram(text.ptr + at, width));
    }
}

static uint32_t choose_offset(const struct counts *c, const struct prior *prior, struct str text)
{
    size_t width = width_of(text), best = 0;
    uint64_t least = UINT64_MAX;
    for (size_t at = 0; at + width <= text.len; at++) {
        uint64_t shared = *count_of(c, load_gram(text.ptr + at, width));
        uint64_t cost = shared * (1 + (prior ? prior_gram(prior, text.ptr + at, width) : 0));
        if (cost < least) {
            least = cost;
            best = at;
        }
    }
    return (uint32_t)best;
}

static uint32_t gram_of(const struct gram_literal *literal)
{
    return load_gram(literal->text.ptr + literal->offset, width_of(literal->text));
}

/* By width, then gram, then text: equal grams lie together and the order depends on the literals alone. */
static int compare_literals(const void *a, const void *b)
{
    const struct gram_literal *x = a, *y = b;
    size_t wide_x = width_of(x->text), wide_y = width_of(y->text);
    if (wide_x != wide_y)
        return wide_x > wide_y ? -1 : 1;
    uint32_t gram_x = gram_of(x), gram_y = gram_of(y);
    if (gram_x != gram_y)
        return gram_x < gram_y ? -1 : 1;
    int order = str_compare(x->text, y->text);
    return order ? order : (x->target > y->target) - (x->target < y->target);
}

static void insert_bucket(struct gram_table *table, struct bucket bucket)
{
    uint32_t at = (uint32_t)(hash_gram(bucket.gram) >> table->shift);
    while (table->buckets[at].count)
        at = (at + 1) & (table->size - 1);
    table->buckets[at] = bucket;
}

static void fill_table(struct arena *arena, struct gram_table *table, const struct gram_literal *literals,
                       uint32_t first, uint32_t end)
{
    unsigned bits = 4;
    while ((UINT32_C(1) << bits) < (end - first) * 2)
        bits++;
    table->size = UINT32_C(1) << bits;
    table->shift = 64 - bits;
    table->buckets = arena_zalloc(arena, table->size * sizeof(struct bucket));
    for (uint32_t i = first; i < end;) {
        struct bucket bucket = {.gram = gram_of(&literals[i]), .first = i};
        while (i < end && gram_of(&literals[i]) == bucket.gram)
            i++;
        bucket.count = i - bucket.first;
        insert_bucket(table, bucket);
    }
}

static void fill_filter(struct grams *grams, struct arena *arena, uint32_t fours)
{
    unsigned bits = 6;
    while ((UINT32_C(1) << bits) < fours / 2)
        bits++;
    grams->filter_shift = 64 - bits;
    size_t bytes = sizeof(uint64_t) << bits;
    grams->filter = arena_zalloc(arena, bytes);
    grams->bytes += bytes;
    for (uint32_t i = 0; i < fours; i++) {
        uint64_t hash = hash_gram(gram_of(&grams->literals[i]));
        grams->filter[hash >> grams->filter_shift] |= filter_bits(hash);
    }
}

static void fill_pair_map(struct grams *grams, struct arena *arena, uint32_t first, uint32_t end)
{
    if (first == end)
        return;
    grams->pair_map = arena_zalloc(arena, 65536 / 8);
    grams->bytes += 65536 / 8;
    for (uint32_t i = first; i < end; i++) {
        uint32_t pair = gram_of(&grams->literals[i]);
        grams->pair_map[pair >> 6] |= UINT64_C(1) << (pair & 63);
    }
}

struct grams *grams_new(struct arena *arena, const struct prior *prior, const struct gram_literal *literals,
                        size_t count)
{
    struct grams *grams = arena_zalloc(arena, sizeof(*grams));
    grams->literals = arena_alloc(arena, count * sizeof(*literals));
    memcpy(grams->literals, literals, count * sizeof(*literals));
    struct counts counts;
    count_grams(&counts, literals, count);
    uint32_t fours = 0;
    for (size_t i = 0; i < count; i++) {
        grams->literals[i].offset = choose_offset(&counts, prior, literals[i].text);
        fours += width_of(literals[i].text) == 4;
    }
    free(counts.counts);
    qsort(grams->literals, count, sizeof(*literals), compare_literals);
    fill_filter(grams, arena, fours);
    fill_table(arena, &grams->fours, grams->literals, 0, fours);
    fill_table(arena, &grams->pairs, grams->literals, fours, (uint32_t)count);
    fill_pair_map(grams, arena, fours, (uint32_t)count);
    grams->bytes += (grams->fours.size + grams->pairs.size) * sizeof(struct bucket) +
                    count * sizeof(*literals);
    return grams;
}

size_t grams_buckets(const struct grams *grams)
{
    return grams->fours.size + grams->pairs.size;
}

size_t grams_bytes(const struct grams *grams)
{
    return grams->bytes;
}

/* ---- scanning ---- */

static bool literal_at(const struct gram_literal *literal, struct str text, size_t at)
{
    if (at < literal->offset || literal->text.len > text.len - (at - literal->offset))
        return false;
    return memcmp(text.ptr + at - literal->offset, literal->text.ptr, literal->text.len) == 0;
}

enum visit { VISIT_LOOK, VISIT_WAKE, VISIT_DONE };

static enum visit count_visit(struct gram_scan *scan, uint32_t index)
{
    if (!scan->visits)
        return VISIT_LOOK;
    uint32_t *seen = &scan->visits[index];
    if (*seen >> 6 != scan->epoch)
        *seen = scan->epoch << 6;
    uint32_t times = *seen & 63;
    if (times > VISITS)
        return VISIT_DONE;
    ++*seen;
    return times == VISITS ? VISIT_WAKE : VISIT_LOOK;
}

static void never_again(struct gram_scan *scan, uint32_t index)
{
    if (scan->visits)
        scan->visits[index] = scan->epoch << 6 | 63;
}

/* The text with a known gram at `at`. */
struct place {
    struct str text;
    size_t at;
    uint32_t gram;
};

static bool visit_bucket(const struct grams *grams, struct gram_scan *scan, const struct bucket *bucket,
                         uint32_t index, const struct place *place)
{
    enum visit visit = count_visit(scan, index);
    if (visit == VISIT_DONE)
        return false;
    uint32_t hits = 0;
    scan->looks += bucket->count;
    for (uint32_t i = bucket->first; i < bucket->first + bucket->count; i++) {
        const struct gram_literal *literal = &grams->literals[i];
        bool there = literal_at(literal, place->text, place->at);
        hits += there;
        if ((there || visit == VISIT_WAKE) && scan->hit(scan->context, literal->target, there))
            return true;
    }
    if (hits == bucket->count)
        never_again(scan, index);
    return false;
}

static bool visit_gram(const struct grams *grams, struct gram_scan *scan, const struct gram_table *table,
                       struct place place)
{
    uint32_t index = (uint32_t)(hash_gram(place.gram) >> table->shift);
    for (; table->buckets[index].count; index = (index + 1) & (table->size - 1)) {
        const struct bucket *bucket = &table->buckets[index];
        if (bucket->gram != place.gram)
            continue;
        uint32_t base = table == &grams->fours ? 0 : grams->fours.size;
        return visit_bucket(grams, scan, bucket, base + index, &place);
    }
    return false;
}

static bool scan_pairs(const struct grams *grams, struct gram_scan *scan, struct str text)
{
    for (size_t at = 0; at + 2 <= text.len; at++) {
        uint32_t pair = load_pair(text.ptr + at);
        if ((grams->pair_map[pair >> 6] >> (pair & 63) & 1) &&
            visit_gram(grams, scan, &grams->pairs, (struct place){text, at, pair}))
            return true;
    }
    return false;
}

bool grams_scan(const struct grams *grams, struct gram_scan *scan, struct str text)
{
    const uint64_t *filter = grams->filter;
    unsigned shift = grams->filter_shift;
    for (size_t at = 0; at + 4 <= text.len; at++) {
        uint32_t gram = load_four(text.ptr + at);
        uint64_t hash = hash_gram(gram), word = filter[hash >> shift];
        /* Bit by bit: most end at the first. */
        if (__builtin_expect(!(word >> (hash >> 32 & 63) & 1), 1))
            continue;
        if (!(word >> (hash >> 38 & 63) & 1))
            continue;
        if (visit_gram(grams, scan, &grams->fours, (struct place){text, at, gram}))
            return true;
    }
    return grams->pair_map && scan_pairs(grams, scan, text);
}
