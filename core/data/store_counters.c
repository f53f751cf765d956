#include "data/store_counters.h"

#include <math.h>
#include <stdlib.h>

#include "base/map.h"
#include "data/store_sqlite.h"

#define CELLS_CACHED 100000

enum delta_kind { DELTA_CELL, DELTA_HOUR, DELTA_SPAN, DELTA_TECHNIQUE };

struct delta {
    enum delta_kind kind;
    int64_t hour, cell;
    int64_t count, us;
    uint64_t first, last;
    struct str customer, name;
};

struct counters {
    struct map *cells;  /* key of a cell -> its id, in `ids` */
    struct arena *ids;  /* lives as long as `cells` */
    struct map *deltas; /* of this transaction */
    struct arena *arena;
    struct buf key;
};

struct counters *counters_new(void)
{
    struct counters *counters = mem_zalloc(1, sizeof *counters);
    counters->cells = map_new();
    counters->ids = arena_new(0);
    counters->deltas = map_new();
    counters->arena = arena_new(0);
    return counters;
}

void counters_free(struct counters *counters)
{
    if (!counters)
        return;
    map_free(counters->cells, NULL);
    map_free(counters->deltas, NULL);
    arena_free(counters->ids);
    arena_free(counters->arena);
    buf_free(&counters->key);
    free(counters);
}

static void forget_deltas(struct counters *counters)
{
    map_free(counters->deltas, NULL);
    counters->deltas = map_new();
    arena_reset(counters->arena);
}

static void forget_cells(struct counters *counters)
{
    map_free(counters->cells, NULL);
    counters->cells = map_new();
    arena_reset(counters->ids);
}

void counters_forget(struct counters *counters)
{
    forget_deltas(counters);
    forget_cells(counters);
}

/* ---- cells ---- */

static int hidden_of(const struct threat *threat)
{
    return (threat->shadow ? CELL_SHADOW : 0) | (threat->suppressed ? CELL_SUPPRESSED : 0);
}

static struct str cell_key(struct counters *counters, const struct threat *threat)
{
    buf_clear(&counters->key);
    buf_put_u8(&counters->key, (uint8_t)threat->severity);
    buf_put_u8(&counters->key, (uint8_t)threat->status);
    buf_put_u8(&counters->key, (uint8_t)threat->verdict);
    buf_put_u8(&counters->key, threat->review);
    buf_put_u8(&counters->key, (uint8_t)hidden_of(threat));
    buf_put_lstr(&counters->key, threat->customer);
    buf_put_lstr(&counters->key, threat->rule_id);
    buf_put_lstr(&counters->key, threat->type);
    return buf_str(&counters->key);
}

/* 1 and *cell, 0 where the store has none, -1. */
static int cell_find(struct sql *sql, const struct threat *threat, int64_t *cell, struct err *err)
{
    sqlite3_stmt *find = sql_query(sql, SQL_CELL_FIND, err, "iiiiittt", (int64_t)threat->severity,
                                   (int64_t)threat->status, (int64_t)threat->verdict, (int64_t)threat->review,
                                   (int64_t)hidden_of(threat), threat->customer, threat->rule_id,
                                   threat->type);
    if (!find)
        return -1;
    int found = sql_step(sql, find, err);
    if (found == 1) {
        *cell = sql_int(find, 0);
        sql_end(find);
    }
    return found;
}

static int cell_make(struct sql *sql, const struct threat *threat, int64_t *cell, struct err *err)
{
    if (sql_run(sql, SQL_CELL_PUT, err, "iiiiittt", (int64_t)threat->severity, (int64_t)threat->status,
                (int64_t)threat->verdict, (int64_t)threat->review, (int64_t)hidden_of(threat),
                threat->customer, threat->rule_id, threat->type))
        return -1;
    *cell = sqlite3_last_insert_rowid(sql->db);
    return 0;
}

int counters_cell(struct counters *counters, struct sql *sql, const struct threat *threat, int64_t *cell,
                  struct err *err)
{
    struct str key = cell_key(counters, threat);
    const int64_t *cached = map_get(counters->cells, key);
    if (cached) {
        *cell = *cached;
        return 0;
    }
    int found = cell_find(sql, threat, cell, err);
    if (found < 0 || (found == 0 && cell_make(sql, threat, cell, err)))
        return -1;
    int64_t *id = arena_alloc(counters->ids, sizeof *id);
    *id = *cell;
    map_put(counters->cells, key, id);
    return 0;
}

/* ---- deltas ---- */

static struct delta *delta_of(struct counters *counters, const struct delta *wanted)
{
    buf_clear(&counters->key);
    buf_put_u8(&counters->key, (uint8_t)wanted->kind);
    buf_put_u64(&counters->key, (uint64_t)wanted->hour);
    buf_put_u64(&counters->key, (uint64_t)wanted->cell);
    buf_put_lstr(&counters->key, wanted->customer);
    buf_put_lstr(&counters->key, wanted->name);
    struct delta *delta = map_get(counters->deltas, buf_str(&counters->key));
    if (delta)
        return delta;
    delta = arena_alloc(counters->arena, sizeof *delta);
    *delta = *wanted;
    delta->customer = arena_dup(counters->arena, wanted->customer);
    delta->name = arena_dup(counters->arena, wanted->name);
    map_put(counters->deltas, buf_str(&counters->key), delta);
    return delta;
}

static void add_count(struct counters *counters, const struct delta *wanted, int64_t count, int64_t us)
{
    struct delta *delta = delta_of(counters, wanted);
    delta->count += count;
    delta->us += us;
}

static bool listed_before(const struct str *items, size_t at)
{
    for (size_t i = 0; i < at; i++)
        if (str_equal(items[i], items[at]))
            return true;
    return false;
}

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

static void add_techniques(struct counters *counters, const struct threat *threat, int sign)
{
    struct delta technique = {
        .kind = DELTA_TECHNIQUE, .hour = hour_of(threat->created_ns), .customer = threat->customer};
    for (size_t i = 0; i < least(threat->mitre.count, STORE_ENTITIES_MAX); i++) {
        technique.name = threat->mitre.items[i];
        if (!listed_before(threat->mitre.items, i))
            add_count(counters, &technique, sign, 0);
    }
}

void counters_add(struct counters *counters, const struct threat *threat, int64_t cell, int sign)
{
    int64_t hour = hour_of(threat->created_ns);
    int64_t us = isfinite(threat->processing_ms) && fabs(threat->processing_ms) < 1e12
                     ? (int64_t)llround(threat->processing_ms * 1000) * sign
                     : 0;
    add_count(counters, &(struct delta){.kind = DELTA_CELL, .cell = cell}, sign, us);
    add_count(counters, &(struct delta){.kind = DELTA_HOUR, .hour = hour, .cell = cell}, sign, us);
    if (sign > 0) {
        struct delta *span = delta_of(
            counters, &(struct delta){.kind = DELTA_SPAN, .hour = hour, .first = threat->seq});
        span->count = 1;
        span->first = threat->seq < span->first ? threat->seq : span->first;
        span->last = threat->seq > span->last ? threat->seq : span->last;
    }
    if (!hidden_of(threat))
        add_techniques(counters, threat, sign);
}

/* ---- flush ---- */

static int flush_hour(struct sql *sql, const struct delta *delta, struct err *err)
{
    if (sql_run(sql, SQL_HOUR_ADD, err, "iiii", delta->hour, delta->cell, delta->count, delta->us))
        return -1;
    return delta->count < 0 ? sql_run(sql, SQL_HOUR_PRUNE, err, "ii", delta->hour, delta->cell) : 0;
}

static int flush_technique(struct sql *sql, const struct delta *delta, struct err *err)
{
    if (sql_run(sql, SQL_TECHNIQUE_ADD, err, "itti", delta->hour, delta->customer, delta->name, delta->count))
        return -1;
    return delta->count < 0
               ? sql_run(sql, SQL_TECHNIQUE_PRUNE, err, "itt", delta->hour, delta->customer, delta->name)
               : 0;
}

static int flush_one(struct sql *sql, const struct delta *delta, struct err *err)
{
    switch (delta->kind) {
    case DELTA_CELL:
        return sql_run(sql, SQL_CELL_ADD, err, "iii", delta->cell, delta->count, delta->us);
    case DELTA_HOUR:
        return flush_hour(sql, delta, err);
    case DELTA_SPAN:
        return sql_run(sql, SQL_SPAN_PUT, err, "iii", delta->hour, (int64_t)delta->first,
                       (int64_t)delta->last);
    case DELTA_TECHNIQUE:
        return flush_technique(sql, delta, err);
    }
    return 0;
}

int counters_flush(struct counters *counters, struct sql *sql, struct err *err)
{
    size_t at = 0;
    struct str key;
    void *value;
    while (map_next(counters->deltas, &at, &key, &value)) {
        const struct delta *delta = value;
        if ((delta->count || delta->us) && flush_one(sql, delta, err))
            return -1;
    }
    forget_deltas(counters);
    if (map_count(counters->cells) > CELLS_CACHED)
        forget_cells(counters);
    return 0;
}
