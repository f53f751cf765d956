/* What analysts' verdicts leave behind: counters by (customer, rule, entity), which triage keeps in memory,
 * and the scorecard of each rule. */
#include "data/store_sqlite.h"

#include <math.h>
#include <stdlib.h>

#define STEPS_PER_DOUBLING 4
#define STEP_MAX           127 /* 2^32 minutes */

static const char *const verdict_fields[VERDICT_COUNT] = {NULL, "true_positive", "benign_true_positive",
                                                          "false_positive", "inconclusive"};

static bool is_counted(const struct verdict_key *key, enum threat_verdict verdict)
{
    return verdict > VERDICT_NONE && verdict < VERDICT_COUNT && key->customer.len <= STORE_VERDICT_NAME &&
           key->rule.len <= STORE_VERDICT_NAME && key->entity.len <= STORE_VERDICT_NAME;
}

/* ---- counters ---- */

/* 1 and the row's id and counts, 0 where there is none, -1. */
static int find_counts(struct store *store, const struct verdict_key *key, int64_t *id,
                       int64_t counts[VERDICT_COUNT], struct err *err)
{
    sqlite3_stmt *get = sql_query(&store->sql, SQL_VERDICT_GET, err, "ttt", key->customer, key->rule,
                                  key->entity);
    int found = get ? sql_step(&store->sql, get, err) : -1;
    if (found != 1)
        return found;
    *id = sql_int(get, 0);
    for (int i = VERDICT_TRUE_POSITIVE; i < VERDICT_COUNT; i++)
        counts[i] = sql_int(get, i);
    sql_end(get);
    return 1;
}

static bool all_zero(const int64_t counts[VERDICT_COUNT])
{
    for (int i = VERDICT_TRUE_POSITIVE; i < VERDICT_COUNT; i++)
        if (counts[i])
            return false;
    return true;
}

static int put_counts(struct store *store, const struct verdict_key *key, const int64_t counts[VERDICT_COUNT],
                      struct err *err)
{
    if (sql_run(&store->sql, SQL_VERDICT_PUT, err, "tttiiii", key->customer, key->rule, key->entity,
                counts[VERDICT_TRUE_POSITIVE], counts[VERDICT_BENIGN_TRUE_POSITIVE],
                counts[VERDICT_FALSE_POSITIVE], counts[VERDICT_INCONCLUSIVE]))
        return -1;
    return store_keep(store, &store->verdicts, SQL_VERDICT_EVICT, err);
}

/* The row is made anew, so that its id says when it was changed last. */
int store_add_verdict(struct store *store, const struct verdict_key *key, enum threat_verdict verdict,
                      int delta, struct err *err)
{
    int64_t id = 0, counts[VERDICT_COUNT] = {0};
    if (store_must_write(store, err))
        return -1;
    if (!is_counted(key, verdict) || delta == 0)
        return 0;
    int found = find_counts(store, key, &id, counts, err);
    if (found < 0)
        return -1;
    int64_t count = counts[verdict] + delta;
    counts[verdict] = count < 0 ? 0 : count < UINT32_MAX ? count : UINT32_MAX;
    if (found) {
        if (sql_run(&store->sql, SQL_VERDICT_DELETE, err, "i", id))
            return -1;
        store->verdicts.count--;
    }
    return all_zero(counts) ? 0 : put_counts(store, key, counts, err);
}

int store_load_verdicts(struct store *store,
                        int (*visit)(const struct verdict_key *key, const uint32_t counts[VERDICT_COUNT],
                                     void *arg),
                        void *arg, struct err *err)
{
    store_read_enter(store);
    sqlite3_stmt *rows = sql_query(&store->sql, SQL_VERDICTS, err, "");
    int more = rows ? 1 : -1;
    while (more == 1 && (more = sql_step(&store->sql, rows, err)) == 1) {
        struct verdict_key key = {sql_text(rows, 0), sql_text(rows, 1), sql_text(rows, 2)};
        uint32_t counts[VERDICT_COUNT] = {0};
        for (int i = VERDICT_TRUE_POSITIVE; i < VERDICT_COUNT; i++)
            counts[i] = (uint32_t)sql_int(rows, 2 + i);
        more = visit(&key, counts, arg) == 0;
    }
    if (rows)
        sql_end(rows);
    store_read_leave(store);
    return more;
}

/* ---- scorecard: writing ---- */

static int64_t step_of(double minutes)
{
    double step = floor(STEPS_PER_DOUBLING * log2(1 + minutes));
    return step < STEP_MAX ? (int64_t)step : STEP_MAX;
}

static double minutes_of(int64_t step)
{
    return exp2(((double)step + 0.5) / STEPS_PER_DOUBLING) - 1;
}

int store_add_scorecard(struct store *store, const struct verdict_key *key, enum threat_verdict verdict,
                        int delta, double minutes, struct err *err)
{
    int64_t deltas[VERDICT_COUNT] = {0};
    const struct verdict_key rule = {key->customer, key->rule, STR("")};
    if (store_must_write(store, err))
        return -1;
    if (!is_counted(&rule, verdict) || delta == 0)
        return 0;
    deltas[verdict] = delta;
    if (sql_run(&store->sql, SQL_SCORECARD_ADD, err, "ttiiii", key->customer, key->rule,
                deltas[VERDICT_TRUE_POSITIVE], deltas[VERDICT_BENIGN_TRUE_POSITIVE],
                deltas[VERDICT_FALSE_POSITIVE], deltas[VERDICT_INCONCLUSIVE]))
        return -1;
    if (!(minutes >= 0)) /* nor what is no number */
        return 0;
    return sql_run(&store->sql, SQL_MINUTES_ADD, err, "ttii", key->customer, key->rule, step_of(minutes),
                   (int64_t)delta);
}

/* ---- scorecard: reading ---- */

struct card {
    struct str rule;
    int64_t threats, counts[VERDICT_COUNT];
    int64_t steps[STEP_MAX + 1];
};

struct cards {
    struct arena *arena;
    struct map *by_rule;
    VEC(struct card *) list;
};

static struct card *card_of(struct cards *cards, struct str rule)
{
    struct card *card = map_get(cards->by_rule, rule);
    if (card)
        return card;
    card = arena_alloc(cards->arena, sizeof *card);
    *card = (struct card){.rule = arena_dup(cards->arena, rule)};
    map_put(cards->by_rule, rule, card);
    vec_push(&cards->list, card);
    return card;
}

static int count_threats(struct store_reader *reader, struct str customer, struct cards *cards,
                         struct err *err)
{
    if (reader_cells(reader, err))
        return -1;
    for (size_t i = 0; i < reader->cells.count; i++) {
        const struct cell *cell = &reader->cells.items[i];
        if (cell->known && cell->count && !cell->hidden &&
            (customer.len == 0 || str_equal(customer, cell->customer)))
            card_of(cards, cell->rule)->threats += cell->count;
    }
    return 0;
}

static int count_verdicts(struct store_reader *reader, struct str customer, struct cards *cards,
                          struct err *err)
{
    sqlite3_stmt *rows = sql_query(&reader->sql, SQL_SCORECARDS, err, "t", customer);
    int more = -1;
    while (rows && (more = sql_step(&reader->sql, rows, err)) == 1) {
        struct card *card = card_of(cards, sql_text(rows, 0));
        for (int i = VERDICT_TRUE_POSITIVE; i < VERDICT_COUNT; i++)
            card->counts[i] = sql_int(rows, i);
    }
    return more;
}

static int count_minutes(struct store_reader *reader, struct str customer, struct cards *cards,
                         struct err *err)
{
    sqlite3_stmt *rows = sql_query(&reader->sql, SQL_MINUTES, err, "t", customer);
    int more = -1;
    while (rows && (more = sql_step(&reader->sql, rows, err)) == 1) {
        int64_t step = sql_int(rows, 1);
        if (step >= 0 && step <= STEP_MAX)
            card_of(cards, sql_text(rows, 0))->steps[step] = sql_int(rows, 2);
    }
    return more;
}

static double precision(const struct card *card)
{
    int64_t right = card->counts[VERDICT_TRUE_POSITIVE] + card->counts[VERDICT_BENIGN_TRUE_POSITIVE];
    int64_t decided = right + card->counts[VERDICT_FALSE_POSITIVE];
    return decided ? (double)right / (double)decided : NAN;
}

static double median(const struct card *card)
{
    int64_t all = 0, seen = 0;
    for (int64_t step = 0; step <= STEP_MAX; step++)
        all += card->steps[step];
    for (int64_t step = 0; all && step <= STEP_MAX; step++) {
        seen += card->steps[step];
        if (seen * 2 >= all)
            return round(minutes_of(step) * 10) / 10;
    }
    return NAN;
}

static bool is_blank(const struct card *card)
{
    return card->threats == 0 && all_zero(card->counts);
}

/* Doubles that are no numbers are written as null. */
static void put_card(const struct card *card, struct buf *out)
{
    buf_putc(out, '{');
    buf_json_kstr(out, "rule_id", card->rule);
    buf_json_kint(out, "threats", card->threats);
    buf_json_key(out, "verdicts");
    buf_putc(out, '{');
    for (int i = VERDICT_TRUE_POSITIVE; i < VERDICT_COUNT; i++)
        buf_json_kint(out, verdict_fields[i], card->counts[i]);
    buf_putc(out, '}');
    buf_json_kdouble(out, "precision", precision(card));
    buf_json_kdouble(out, "median_minutes_to_verdict", median(card));
    buf_putc(out, '}');
}

static int by_rule(const void *a, const void *b)
{
    const struct card *x = *(struct card *const *)a, *y = *(struct card *const *)b;
    return str_compare(x->rule, y->rule);
}

static void put_cards(struct cards *cards, struct buf *out)
{
    bool first = true;
    if (cards->list.count)
        qsort(cards->list.items, cards->list.count, sizeof *cards->list.items, by_rule);
    buf_putc(out, '[');
    for (size_t i = 0; i < cards->list.count; i++) {
        if (is_blank(cards->list.items[i]))
            continue;
        if (!first)
            buf_putc(out, ',');
        first = false;
        put_card(cards->list.items[i], out);
    }
    buf_putc(out, ']');
}

int store_scorecard(struct store_reader *reader, struct str customer, struct buf *out, struct err *err)
{
    if (reader_begin(reader, err))
        return -1;
    struct cards cards = {.arena = arena_new(0), .by_rule = map_new()};
    int result = count_threats(reader, customer, &cards, err) ||
                         count_verdicts(reader, customer, &cards, err) ||
                         count_minutes(reader, customer, &cards, err)
                     ? -1
                     : 0;
    reader_end(reader);
    if (result == 0)
        put_cards(&cards, out);
    vec_free(&cards.list);
    map_free(cards.by_rule, NULL);
    arena_free(cards.arena);
    return result;
}
