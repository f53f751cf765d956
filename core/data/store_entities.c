/* The index of entities: which threats name one, and how many do. An index of random keys costs a page for
 * each row that is put in alone, so new threats go to the tail first, a table in their own order, and from
 * there into the index many at a time, sorted. meta.indexed says how far the index reaches; readers look at
 * both. */
#include "data/store_entities.h"

#include <stdlib.h>

#include "base/text.h"

static size_t listed(const struct threat *threat)
{
    return threat->entities.count < STORE_ENTITIES_MAX ? threat->entities.count : STORE_ENTITIES_MAX;
}

static bool among(const struct str *items, size_t count, struct str item)
{
    for (size_t i = 0; i < count; i++)
        if (str_equal(items[i], item))
            return true;
    return false;
}

size_t entities_fold(const struct threat *threat, struct arena *arena, struct entity_name *names)
{
    struct str seen[STORE_ENTITIES_MAX];
    size_t count = 0;
    for (size_t i = 0; i < listed(threat); i++) {
        struct str folded = text_fold_dup(arena, threat->entities.items[i]);
        if (among(seen, count, folded))
            continue;
        seen[count] = folded;
        names[count++] = (struct entity_name){folded, threat->entities.items[i]};
    }
    return count;
}

static bool is_visible(const struct threat *threat)
{
    return !threat->shadow && !threat->suppressed;
}

/* ---- the index ---- */

/* Four steps to each doubling; 0 for what was seen once. Grows with the count, so that the highest levels
 * hold the highest counts, and moves seldom, so that the lists by level cost little. */
static int64_t level_of(int64_t count)
{
    if (count < 2)
        return 0;
    int bits = 63 - __builtin_clzll((unsigned long long)count);
    return bits * 4 + (bits >= 2 ? count >> (bits - 2) & 3 : (count << (2 - bits)) & 3);
}

/* Read, then write: SQLite's RETURNING builds a table for each row. */
static int count_entity(struct sql *sql, const struct entity_name *entity, struct str customer, int64_t delta,
                        struct err *err)
{
    sqlite3_stmt *get = sql_query(sql, SQL_TOP_ENTITY_GET, err, "tt", entity->folded, customer);
    int found = get ? sql_step(sql, get, err) : -1;
    if (found < 0)
        return -1;
    int64_t old = found ? sql_int(get, 0) : 0, count = old + delta;
    if (found)
        sql_end(get);
    if (count <= 0)
        return sql_run(sql, SQL_TOP_ENTITY_PRUNE, err, "tt", entity->folded, customer);
    if (!found)
        return sql_run(sql, SQL_TOP_ENTITY_ADD, err, "ttiit", entity->folded, customer, count,
                       level_of(count), entity->name);
    if (level_of(count) == level_of(old))
        return sql_run(sql, SQL_TOP_ENTITY_COUNT, err, "itt", count, entity->folded, customer);
    return sql_run(sql, SQL_TOP_ENTITY_LEVEL, err, "iitt", count, level_of(count), entity->folded, customer);
}

/* Puts a threat into the index (sign 1) or takes it out (-1). */
static int index_threat(struct store *store, const struct threat *threat, int sign, struct err *err)
{
    struct entity_name names[STORE_ENTITIES_MAX];
    struct arena *arena = arena_new(0);
    size_t count = entities_fold(threat, arena, names);
    int result = 0;
    for (size_t i = 0; result == 0 && i < count; i++) {
        result = sql_run(&store->sql, sign > 0 ? SQL_ENTITY_PUT : SQL_ENTITY_DELETE, err, "ti",
                         names[i].folded, (int64_t)threat->seq);
        if (result == 0 && is_visible(threat))
            result = count_entity(&store->sql, &names[i], threat->customer, sign, err);
    }
    arena_free(arena);
    return result;
}

/* ---- the tail ---- */

static int tail_put(struct store *store, const struct threat *threat, struct err *err)
{
    struct entity_name names[STORE_ENTITIES_MAX];
    struct arena *arena = arena_new(0);
    size_t count = entities_fold(threat, arena, names);
    buf_clear(&store->text);
    for (size_t i = 0; i < count; i++)
        buf_put_lstr(&store->text, names[i].name);
    arena_free(arena);
    return sql_run(&store->sql, SQL_TAIL_PUT, err, "itib", (int64_t)threat->seq, threat->customer,
                   (int64_t)is_visible(threat), buf_str(&store->text));
}

static bool in_tail(const struct store *store, const struct threat *threat)
{
    return threat->seq > store->indexed;
}

int entities_add(struct store *store, const struct threat *threat, struct err *err)
{
    if (!in_tail(store, threat))
        return index_threat(store, threat, 1, err);
    store->tail++;
    return tail_put(store, threat, err);
}

int entities_forget(struct store *store, const struct threat *threat, struct err *err)
{
    return in_tail(store, threat) ? sql_run(&store->sql, SQL_TAIL_DELETE, err, "i", (int64_t)threat->seq)
                                  : index_threat(store, threat, -1, err);
}

static bool same_entities(const struct threat *a, const struct threat *b)
{
    bool same = listed(a) == listed(b) && is_visible(a) == is_visible(b) &&
                str_equal(a->customer, b->customer);
    for (size_t i = 0; same && i < listed(a); i++)
        same = str_equal(a->entities.items[i], b->entities.items[i]);
    return same;
}

int entities_change(struct store *store, const struct threat *old, const struct threat *threat,
                    struct err *err)
{
    if (same_entities(old, threat))
        return 0;
    if (in_tail(store, threat))
        return tail_put(store, threat, err);
    return index_threat(store, old, -1, err) || index_threat(store, threat, 1, err) ? -1 : 0;
}

/* ---- from the tail into the index ---- */

struct posting {
    struct entity_name entity;
    struct str customer;
    int64_t seq;
    bool visible;
};

struct postings {
    VEC(struct posting) items;
    struct arena *arena;
};

static int load_tail(struct store *store, struct postings *postings, struct err *err)
{
    sqlite3_stmt *rows = sql_query(&store->sql, SQL_TAIL_ALL, err, "");
    int more = rows ? 0 : -1;
    while (rows && (more = sql_step(&store->sql, rows, err)) == 1) {
        struct str names = arena_dup(postings->arena, sql_blob(rows, 3)), name;
        struct str customer = arena_dup(postings->arena, sql_text(rows, 1));
        while (str_get_lstr(&names, &name))
            vec_push(&postings->items,
                     ((struct posting){.entity = {text_fold_dup(postings->arena, name), name},
                                       .customer = customer,
                                       .seq = sql_int(rows, 0),
                                       .visible = sql_int(rows, 2) != 0}));
    }
    return more;
}

static int by_key(const void *a, const void *b)
{
    const struct posting *x = a, *y = b;
    int order = str_compare(x->entity.folded, y->entity.folded);
    order = order ? order : str_compare(x->customer, y->customer);
    return order ? order : (x->seq > y->seq) - (x->seq < y->seq);
}

static bool same_counter(const struct posting *a, const struct posting *b)
{
    return str_equal(a->entity.folded, b->entity.folded) && str_equal(a->customer, b->customer);
}

static int put_postings(struct store *store, const struct postings *postings, struct err *err)
{
    int64_t visible = 0;
    for (size_t i = 0; i < postings->items.count; i++) {
        const struct posting *posting = &postings->items.items[i];
        if (sql_run(&store->sql, SQL_ENTITY_PUT, err, "ti", posting->entity.folded, posting->seq))
            return -1;
        visible += posting->visible;
        if (i + 1 < postings->items.count && same_counter(posting, posting + 1))
            continue;
        if (visible && count_entity(&store->sql, &posting->entity, posting->customer, visible, err))
            return -1;
        visible = 0;
    }
    return 0;
}

int entities_flush(struct store *store, struct err *err)
{
    if (store->tail < store->tail_max)
        return 0;
    struct postings postings = {.arena = arena_new(1 << 16)};
    int result = load_tail(store, &postings, err);
    if (postings.items.count)
        qsort(postings.items.items, postings.items.count, sizeof *postings.items.items, by_key);
    if (result == 0)
        result = put_postings(store, &postings, err) || sql_run(&store->sql, SQL_TAIL_CLEAR, err, "") ||
                         sql_run(&store->sql, SQL_INDEXED_PUT, err, "i", (int64_t)store->seq)
                     ? -1
                     : 0;
    if (result == 0) {
        store->tail = 0;
        store->indexed = store->seq;
    }
    vec_free(&postings.items);
    arena_free(postings.arena);
    return result;
}
