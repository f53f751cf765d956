/* Analytics from the counters kept at commit. Hidden threats (shadow, suppressed) have a number of their own
 * and are in no other. */

#include <stdlib.h>

#include "base/text.h"
#include "data/store_entities.h"

#define TOP_MAX    10
#define TAIL_READ  200  /* names of the tail that are looked up */
#define TOP_READ   2000 /* rows looked at for the list of entities */
#define SERIES_MAX 1000
#define NAMES_MAX  200  /* names in an object of counts */
#define SAMPLE_MAX 5000 /* newest threats whose entities are counted where `since` is given */
#define HOUR_NS    (3600 * NS_PER_S)
#define VERDICTS   (VERDICT_INCONCLUSIVE + 1)
#define STATUSES   (STATUS_RESOLVED + 1)

struct named {
    struct str key;  /* of a cell, or in the arena */
    struct str name; /* what is shown */
    int64_t count;
};

/* Counts by name, in the order of their first sight until sorted. */
struct names {
    struct map *index; /* name -> position + 1 */
    VEC(struct named) items;
};

struct bucket {
    int64_t start_ns;
    int64_t count, severities[SEVERITY_COUNT];
};

struct analytics {
    struct store_reader *reader;
    struct str customer;
    int64_t since_hour; /* INT64_MIN: all */
    int64_t bucket_ns;
    int64_t total, us, review, shadow, suppressed;
    int64_t severities[SEVERITY_COUNT], statuses[STATUSES], verdicts[VERDICTS];
    struct names types, rules, customers, entities;
    struct arena *arena;
    VEC(struct bucket) series;
};

/* ---- counts by name ---- */

/* `label` is what is shown for the key; the first one stays. */
static void names_count(struct names *names, struct str key, struct str label, int64_t count)
{
    if (!names->index)
        names->index = map_new();
    uintptr_t at = (uintptr_t)map_get(names->index, key);
    if (!at) {
        vec_push(&names->items, ((struct named){.key = key, .name = label}));
        at = names->items.count;
        map_put(names->index, key, (void *)at);
    }
    names->items.items[at - 1].count += count;
}

static void names_add(struct names *names, struct str name, int64_t count)
{
    names_count(names, name, name, count);
}

static bool names_has(const struct names *names, struct str key)
{
    return names->index && map_get(names->index, key);
}

static void names_release(struct names *names)
{
    map_free(names->index, NULL);
    vec_free(&names->items);
}

static int named_compare(const void *a, const void *b)
{
    const struct named *x = a, *y = b;
    if (x->count != y->count)
        return x->count < y->count ? 1 : -1;
    return str_compare(x->name, y->name);
}

static void names_sort(struct names *names, size_t keep)
{
    if (names->items.count)
        qsort(names->items.items, names->items.count, sizeof *names->items.items, named_compare);
    if (names->items.count > keep)
        names->items.count = keep;
}

static void put_counts(struct buf *out, const char *key, const struct names *names)
{
    buf_json_key(out, key);
    buf_putc(out, '{');
    for (size_t i = 0; i < names->items.count; i++) {
        if (i)
            buf_putc(out, ',');
        buf_json_string(out, names->items.items[i].name);
        buf_printf(out, ":%lld", (long long)names->items.items[i].count);
    }
    buf_putc(out, '}');
}

static void put_top_item(struct buf *out, const char *label, struct str name, int64_t count)
{
    if (out->ptr[out->len - 1] != '[')
        buf_putc(out, ',');
    buf_putc(out, '{');
    buf_json_kstr(out, label, name);
    buf_json_kint(out, "count", count);
    buf_putc(out, '}');
}

static void put_top(struct buf *out, const char *key, const char *label, const struct names *names)
{
    buf_json_key(out, key);
    buf_putc(out, '[');
    for (size_t i = 0; i < names->items.count; i++)
        put_top_item(out, label, names->items.items[i].name, names->items.items[i].count);
    buf_putc(out, ']');
}

/* ---- sums ---- */

static void add_cell(struct analytics *sums, const struct cell *cell, int64_t count, int64_t us)
{
    if (!cell->known || count == 0 || (sums->customer.len && !str_equal(cell->customer, sums->customer)))
        return;
    sums->shadow += cell->hidden & CELL_SHADOW ? count : 0;
    sums->suppressed += cell->hidden & CELL_SUPPRESSED ? count : 0;
    if (cell->hidden)
        return;
    sums->total += count;
    sums->us += us;
    sums->review += cell->review ? count : 0;
    sums->severities[cell->severity] += count;
    sums->statuses[cell->status] += count;
    sums->verdicts[cell->verdict] += count;
    names_add(&sums->types, cell->type, count);
    names_add(&sums->rules, cell->rule, count);
    names_add(&sums->customers, cell->customer, count);
}

static void add_bucket(struct analytics *sums, const struct cell *cell, int64_t hour, int64_t count)
{
    if (!cell->known || cell->hidden || (sums->customer.len && !str_equal(cell->customer, sums->customer)))
        return;
    int64_t start = hour * HOUR_NS;
    int64_t rest = start % sums->bucket_ns;
    start -= rest < 0 ? rest + sums->bucket_ns : rest;
    size_t last = sums->series.count;
    if (last == 0 || sums->series.items[last - 1].start_ns != start)
        vec_push(&sums->series, ((struct bucket){.start_ns = start}));
    struct bucket *bucket = &sums->series.items[sums->series.count - 1];
    bucket->count += count;
    bucket->severities[cell->severity] += count;
}

static int sum_hours(struct analytics *sums, struct err *err)
{
    struct store_reader *reader = sums->reader;
    bool all = sums->since_hour == INT64_MIN;
    sqlite3_stmt *rows = sql_query(&reader->sql, SQL_HOURS, err, "i", sums->since_hour);
    int more = -1;
    while (rows && (more = sql_step(&reader->sql, rows, err)) == 1) {
        size_t id = (size_t)sql_int(rows, 1);
        if (id >= reader->cells.count)
            continue;
        add_bucket(sums, &reader->cells.items[id], sql_int(rows, 0), sql_int(rows, 2));
        if (!all)
            add_cell(sums, &reader->cells.items[id], sql_int(rows, 2), sql_int(rows, 3));
    }
    for (size_t i = 0; all && i < reader->cells.count; i++)
        add_cell(sums, &reader->cells.items[i], reader->cells.items[i].count, reader->cells.items[i].us);
    return more;
}

/* ---- entities ---- */

/* The entities of the tail, counted; sums->entities gets those of the index with what the tail adds. */
static int count_tail(struct analytics *sums, struct names *tail, struct err *err)
{
    sqlite3_stmt *rows = sql_query(&sums->reader->sql, SQL_TAIL_ALL, err, "");
    int more = -1;
    while (rows && (more = sql_step(&sums->reader->sql, rows, err)) == 1) {
        struct str names = sql_blob(rows, 3), name;
        if (sql_int(rows, 2) == 0 || (sums->customer.len && !str_equal(sums->customer, sql_text(rows, 1))))
            continue;
        while (str_get_lstr(&names, &name))
            names_count(tail, text_fold_dup(sums->arena, name), arena_dup(sums->arena, name), 1);
    }
    return more;
}

/* Takes rows until the list is full and the level changes: what follows was seen less often than all of it.
 */
static int take_top(struct analytics *sums, sqlite3_stmt *rows, struct err *err)
{
    int64_t level = INT64_MAX;
    int more = -1;
    for (size_t read = 0; rows && (more = sql_step(&sums->reader->sql, rows, err)) == 1; read++) {
        bool full = sums->entities.items.count >= TOP_MAX;
        if (read >= TOP_READ || (full && sql_int(rows, 3) < level))
            break;
        level = sql_int(rows, 3);
        struct str key = arena_dup(sums->arena, sql_text(rows, 0));
        names_count(&sums->entities, key, arena_dup(sums->arena, sql_text(rows, 1)), sql_int(rows, 2));
    }
    if (rows)
        sql_end(rows);
    return more < 0 ? -1 : 0;
}

static int indexed_count(struct analytics *sums, struct str key, int64_t *count, struct err *err)
{
    struct sql *sql = &sums->reader->sql;
    sqlite3_stmt *get = sums->customer.len
                            ? sql_query(sql, SQL_TOP_ENTITY_GET, err, "tt", key, sums->customer)
                            : sql_query(sql, SQL_TOP_ENTITY_SUM, err, "t", key);
    int found = get ? sql_step(sql, get, err) : -1;
    *count = found == 1 ? sql_int(get, 0) : 0;
    if (found == 1)
        sql_end(get);
    return found < 0 ? -1 : 0;
}

/* What the tail names most is looked up in the index; what the index names most gets what the tail adds. */
static int add_tail(struct analytics *sums, struct names *tail, struct err *err)
{
    names_sort(tail, SIZE_MAX);
    for (size_t i = 0; i < tail->items.count; i++) {
        const struct named *item = &tail->items.items[i];
        int64_t count = 0;
        bool listed = names_has(&sums->entities, item->key);
        if (!listed && i >= TAIL_READ)
            continue;
        if (!listed && indexed_count(sums, item->key, &count, err))
            return -1;
        names_count(&sums->entities, item->key, item->name, count + item->count);
    }
    return 0;
}

static int top_of_index(struct analytics *sums, struct err *err)
{
    struct sql *sql = &sums->reader->sql;
    sqlite3_stmt *rows = sums->customer.len ? sql_query(sql, SQL_TOP_ENTITIES_OF, err, "t", sums->customer)
                                            : sql_query(sql, SQL_TOP_ENTITIES, err, "");
    if (take_top(sums, rows, err))
        return -1;
    if (sums->entities.items.count >= TOP_MAX)
        return 0;
    return take_top(sums, sql_query(sql, SQL_FEW_ENTITIES, err, "t", sums->customer), err);
}

static int top_of_all(struct analytics *sums, struct err *err)
{
    struct names tail = {0};
    int result = top_of_index(sums, err) || count_tail(sums, &tail, err) || add_tail(sums, &tail, err) ? -1
                                                                                                       : 0;
    names_release(&tail);
    return result;
}

static int count_entities(struct analytics *sums, sqlite3_stmt *row, struct err *err)
{
    size_t id = (size_t)sql_int(row, 0);
    const struct cell *cell = id < sums->reader->cells.count ? &sums->reader->cells.items[id] : NULL;
    if (!cell || cell->hidden || hour_of(sql_int(row, 1)) < sums->since_hour ||
        (sums->customer.len && !str_equal(cell->customer, sums->customer)))
        return 0;
    struct threat *threat = threat_unpack(sql_blob(row, 2), err);
    if (!threat)
        return -1;
    struct entity_name names[STORE_ENTITIES_MAX];
    size_t count = entities_fold(threat, sums->arena, names);
    for (size_t i = 0; i < count; i++)
        names_count(&sums->entities, names[i].folded, arena_dup(sums->arena, names[i].name), 1);
    threat_free(threat);
    return 0;
}

/* There is no counter for an entity and an hour: most entities are seen once. The newest threats stand for
 * the time asked about. */
static int top_since(struct analytics *sums, struct err *err)
{
    struct store_reader *reader = sums->reader;
    sqlite3_stmt *from = sql_query(&reader->sql, SQL_SPAN_FROM, err, "i", sums->since_hour);
    if (!from || sql_step(&reader->sql, from, err) != 1)
        return -1;
    int64_t low = sql_int(from, 0);
    sql_end(from);
    if (low == 0)
        return 0;
    sqlite3_stmt *rows = sql_query(&reader->sql, SQL_BODY_SINCE, err, "ii", low, (int64_t)SAMPLE_MAX);
    int more = rows ? 1 : -1;
    while (more == 1 && (more = sql_step(&reader->sql, rows, err)) == 1)
        more = count_entities(sums, rows, err) ? -1 : 1;
    if (rows)
        sql_end(rows);
    return more;
}

/* ---- the object ---- */

static void put_by_severity(struct buf *out, const int64_t *severities)
{
    for (int i = SEVERITY_COUNT - 1; i >= 0; i--)
        buf_json_kint(out, severity_label((enum severity)i), severities[i]);
}

static void put_enums(const struct analytics *sums, struct buf *out)
{
    buf_json_key(out, "threats_by_severity");
    buf_putc(out, '{');
    put_by_severity(out, sums->severities);
    buf_putc(out, '}');
    buf_json_key(out, "threats_by_status");
    buf_putc(out, '{');
    for (int i = 0; i < STATUSES; i++)
        buf_json_kint(out, threat_status_label((enum threat_status)i), sums->statuses[i]);
    buf_putc(out, '}');
    buf_json_key(out, "threats_by_verdict");
    buf_putc(out, '{');
    for (int i = 1; i < VERDICTS; i++)
        buf_json_kint(out, threat_verdict_label((enum threat_verdict)i), sums->verdicts[i]);
    buf_putc(out, '}');
}

static void put_series(const struct analytics *sums, struct buf *out)
{
    size_t count = sums->series.count;
    buf_json_kint(out, "bucket_seconds", sums->bucket_ns / NS_PER_S);
    buf_json_key(out, "series");
    buf_putc(out, '[');
    for (size_t i = count > SERIES_MAX ? count - SERIES_MAX : 0; i < count; i++) {
        const struct bucket *bucket = &sums->series.items[i];
        if (out->ptr[out->len - 1] != '[')
            buf_putc(out, ',');
        buf_putc(out, '{');
        buf_json_ktime(out, "time", bucket->start_ns);
        buf_json_kint(out, "count", bucket->count);
        put_by_severity(out, bucket->severities);
        buf_putc(out, '}');
    }
    buf_putc(out, ']');
}

static int put_techniques(const struct analytics *sums, struct buf *out, struct err *err)
{
    struct store_reader *reader = sums->reader;
    sqlite3_stmt *rows = sums->customer.len ? sql_query(&reader->sql, SQL_TECHNIQUES_OF, err, "iit",
                                                        sums->since_hour, (int64_t)NAMES_MAX, sums->customer)
                                            : sql_query(&reader->sql, SQL_TECHNIQUES, err, "ii",
                                                        sums->since_hour, (int64_t)NAMES_MAX);
    int more = -1;
    buf_json_key(out, "attack_matrix");
    buf_putc(out, '[');
    while (rows && (more = sql_step(&reader->sql, rows, err)) == 1)
        put_top_item(out, "technique", sql_text(rows, 0), sql_int(rows, 1));
    buf_putc(out, ']');
    return more;
}

static int put_analytics(struct analytics *sums, struct buf *out, struct err *err)
{
    names_sort(&sums->types, NAMES_MAX);
    size_t customers = sums->customers.items.count;
    names_sort(&sums->customers, TOP_MAX);
    names_sort(&sums->rules, TOP_MAX);
    names_sort(&sums->entities, TOP_MAX);
    buf_putc(out, '{');
    buf_json_kint(out, "total_threats", sums->total);
    buf_json_kuint(out, "customers_affected", customers);
    buf_json_kdouble(out, "average_processing_time_ms",
                     sums->total ? (double)sums->us / 1000 / (double)sums->total : 0);
    buf_json_kint(out, "threats_requiring_review", sums->review);
    buf_json_kint(out, "shadow_threats", sums->shadow);
    buf_json_kint(out, "suppressed_threats", sums->suppressed);
    put_counts(out, "threats_by_type", &sums->types);
    put_enums(sums, out);
    if (sums->since_hour != INT64_MIN)
        buf_json_ktime(out, "since", sums->since_hour * HOUR_NS);
    put_series(sums, out);
    put_top(out, "top_rules", "rule", &sums->rules);
    put_top(out, "top_customers", "customer_name", &sums->customers);
    put_top(out, "top_entities", "entity", &sums->entities);
    int result = put_techniques(sums, out, err);
    buf_putc(out, '}');
    return result;
}

/* Buckets are whole hours: that is what the counters know. */
static int64_t bucket_of(int64_t asked)
{
    int64_t hours = asked > 0 ? (asked - 1) / HOUR_NS + 1 : 1;
    return hours * HOUR_NS;
}

int store_analytics(struct store_reader *reader, struct str customer, int64_t since_ns, int64_t bucket_ns,
                    struct buf *out, struct err *err)
{
    struct analytics sums = {.reader = reader,
                             .customer = customer,
                             .since_hour = since_ns ? hour_of(since_ns) : INT64_MIN,
                             .bucket_ns = bucket_of(bucket_ns)};
    if (reader_begin(reader, err))
        return -1;
    sums.arena = arena_new(0);
    int result = reader_cells(reader, err) || sum_hours(&sums, err) ||
                         (since_ns ? top_since(&sums, err) : top_of_all(&sums, err)) ||
                         put_analytics(&sums, out, err)
                     ? -1
                     : 0;
    reader_end(reader);
    names_release(&sums.types);
    names_release(&sums.rules);
    names_release(&sums.customers);
    names_release(&sums.entities);
    arena_free(sums.arena);
    vec_free(&sums.series);
    return result;
}
