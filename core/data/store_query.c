/* Lists of threats. A query is resolved to the set of cells that it asks for; the total of a set is a sum of
 * counters. The page comes from the cheapest of: a scan of the narrow rows in order, which fills up fast
 * where much matches; the index ranges of the cells, where little does; the index of an assignee or an
 * entity. All work is bounded: a page that ran out of its budget gives the cursor to go on from. */
#include "data/store_sqlite.h"

#include <stdlib.h>

#include "base/text.h"

#define PAGE_MAX     1000
#define CELLS_MERGED 512
#define COST_TEXT    4
#define COST_SEEK    12 /* of opening an index range, in rows scanned */
#define COST_INDEXED 2  /* of a row found through an index */

struct seqs {
    VEC(uint64_t) items;
};

struct plan {
    const struct threat_query *query;
    bool *wanted;       /* by cell id */
    size_t cells_cap;   /* length of `wanted` */
    VEC(int64_t) cells; /* wanted ones that count something */
    uint64_t matched;   /* threats in them */
    uint64_t all;       /* threats in all cells */
    uint64_t low, high; /* seqs that can match, whatever the cursor */
    int64_t since, until;
    struct str q, entity; /* folded */
    bool exact;           /* the cells say it all: no other condition but as_of */
};

/* ---- plan ---- */

static bool in_set(unsigned set, unsigned bit)
{
    return set == 0 || (set >> bit & 1);
}

static bool text_wanted(struct str wanted, struct str value)
{
    return wanted.len == 0 || str_equal(wanted, value);
}

static bool cell_wanted(const struct cell *cell, const struct threat_query *query)
{
    return cell->known && in_set(query->severities, cell->severity) &&
           in_set(query->statuses, cell->status) && in_set(query->verdicts, cell->verdict) &&
           (query->review < 0 || query->review == cell->review) &&
           (query->with_shadow || !(cell->hidden & CELL_SHADOW)) &&
           (query->with_suppressed || !(cell->hidden & CELL_SUPPRESSED)) &&
           text_wanted(query->customer, cell->customer) && text_wanted(query->type, cell->type) &&
           text_wanted(query->rule, cell->rule);
}

static void plan_cells(struct store_reader *reader, struct plan *plan)
{
    plan->cells_cap = reader->cells.count;
    plan->wanted = mem_zalloc(plan->cells_cap + 1, sizeof *plan->wanted);
    for (size_t i = 0; i < reader->cells.count; i++) {
        const struct cell *cell = &reader->cells.items[i];
        plan->all += (uint64_t)cell->count;
        plan->wanted[i] = cell_wanted(cell, plan->query);
        if (plan->wanted[i] && cell->count) {
            plan->matched += (uint64_t)cell->count;
            vec_push(&plan->cells, (int64_t)i);
        }
    }
}

/* The seqs of the hours that can hold a time: a superset, whatever the clock did meanwhile. */
static int hour_bound(struct store_reader *reader, unsigned index, int64_t ns, uint64_t *bound,
                      struct err *err)
{
    sqlite3_stmt *get = sql_query(&reader->sql, index, err, "i", hour_of(ns));
    if (!get || sql_step(&reader->sql, get, err) != 1)
        return -1;
    *bound = (uint64_t)sql_int(get, 0); /* no such hour: 0 */
    sql_end(get);
    return 0;
}

static int plan_range(struct store_reader *reader, struct plan *plan, struct err *err)
{
    const struct threat_query *query = plan->query;
    uint64_t from = 1, to = INT64_MAX;
    if (query->since_ns && hour_bound(reader, SQL_SPAN_FROM, query->since_ns, &from, err))
        return -1;
    if (query->until_ns && hour_bound(reader, SQL_SPAN_TO, query->until_ns, &to, err))
        return -1;
    plan->low = from ? from : INT64_MAX;
    plan->high = query->as_of && query->as_of < to ? query->as_of : to;
    plan->since = query->since_ns ? query->since_ns : INT64_MIN;
    plan->until = query->until_ns ? query->until_ns : INT64_MAX;
    return 0;
}

static struct str fold_into(struct buf *out, struct str text)
{
    size_t start = out->len;
    buf_grew(out, text_fold(text, buf_reserve(out, text_fold_max(text.len))));
    return (struct str){out->ptr + start, out->len - start};
}

static int plan_make(struct store_reader *reader, const struct threat_query *query, struct plan *plan,
                     struct err *err)
{
    if (query->q.len > STORE_QUERY_MAX || query->entity.len > STORE_QUERY_MAX)
        return err_set(err, ERR_LIMIT, "expected at most %d bytes to search for, got %zu", STORE_QUERY_MAX,
                       query->q.len > query->entity.len ? query->q.len : query->entity.len);
    plan->query = query;
    buf_clear(&reader->folded);
    buf_reserve(&reader->folded, text_fold_max(query->q.len) + text_fold_max(query->entity.len));
    plan->q = fold_into(&reader->folded, query->q);
    plan->entity = fold_into(&reader->folded, query->entity);
    plan->exact = !query->since_ns && !query->until_ns && !query->q.len && !query->entity.len &&
                  !query->assignee.len;
    if (reader_cells(reader, err))
        return -1;
    plan_cells(reader, plan);
    return plan_range(reader, plan, err);
}

static void plan_release(struct plan *plan)
{
    free(plan->wanted);
    vec_free(&plan->cells);
}

/* ---- scan: rows in order, each held against the plan ---- */

struct scan {
    const struct plan *plan;
    uint64_t low, high;
    bool oldest_first;
    size_t skip, want;  /* hits passed over, hits taken */
    struct seqs *taken; /* NULL: only count */
    uint64_t hits;
    int64_t budget;
    uint64_t last; /* examined */
};

static sqlite3_stmt *scan_rows(struct store_reader *reader, const struct scan *scan, bool tail,
                               struct err *err)
{
    const struct plan *plan = scan->plan;
    unsigned oldest = scan->oldest_first;
    int64_t low = (int64_t)scan->low, high = (int64_t)scan->high;
    if (tail)
        return sql_query(&reader->sql, SQL_SCAN_TAIL + oldest, err, "ii", low, high);
    if (plan->entity.len)
        return sql_query(&reader->sql, SQL_SCAN_ENTITY + oldest, err, "iit", low, high, plan->entity);
    if (plan->query->assignee.len)
        return sql_query(&reader->sql, SQL_SCAN_ASSIGNEE + oldest, err, "iit", low, high,
                         plan->query->assignee);
    return sql_query(&reader->sql, SQL_SCAN + oldest, err, "ii", low, high);
}

/* A row of the tail brings its list of entities. */
static bool tail_names(sqlite3_stmt *row, struct str entity)
{
    struct str names = sql_blob(row, 4), name;
    while (str_get_lstr(&names, &name))
        if (text_equal_fold(name, entity))
            return true;
    return false;
}

static bool row_wanted(const struct plan *plan, sqlite3_stmt *row)
{
    int64_t cell = sql_int(row, 1), created = sql_int(row, 2);
    return cell >= 0 && (size_t)cell < plan->cells_cap && plan->wanted[cell] && created >= plan->since &&
           created < plan->until && text_wanted(plan->query->assignee, sql_text(row, 3));
}

/* 1 where the threat's text holds q, 0 where not, -1. */
static int text_found(struct store_reader *reader, struct str q, int64_t seq, struct err *err)
{
    sqlite3_stmt *get = sql_query(&reader->sql, SQL_BODY_SEARCH, err, "i", seq);
    int found = get ? sql_step(&reader->sql, get, err) : -1;
    if (found != 1)
        return found;
    struct str text = sql_text(get, 0);
    found = text.len >= q.len && memmem(text.ptr, text.len, q.ptr, q.len);
    sql_end(get);
    return found;
}

static bool scan_full(const struct scan *scan)
{
    return scan->hits >= scan->skip + scan->want;
}

static int scan_row(struct store_reader *reader, struct scan *scan, sqlite3_stmt *row, struct err *err)
{
    scan->last = (uint64_t)sql_int(row, 0);
    scan->budget--;
    if (!row_wanted(scan->plan, row))
        return 0;
    if (scan->plan->q.len) {
        scan->budget -= COST_TEXT;
        int found = text_found(reader, scan->plan->q, (int64_t)scan->last, err);
        if (found != 1)
            return found;
    }
    if (scan->hits++ >= scan->skip && scan->taken)
        vec_push(&scan->taken->items, scan->last);
    return 0;
}

/* 1 when the rows ended, 0 when it has what it wants or the budget is spent, -1. */
static int scan_part(struct store_reader *reader, struct scan *scan, bool tail, struct err *err)
{
    sqlite3_stmt *rows = scan_rows(reader, scan, tail, err);
    int more = rows ? 1 : -1;
    bool stopped = false;
    while (more == 1 && !(stopped = scan->budget <= 0 || scan_full(scan)) &&
           (more = sql_step(&reader->sql, rows, err)) == 1) {
        if (tail && !tail_names(rows, scan->plan->entity))
            scan->budget--;
        else
            more = scan_row(reader, scan, rows, err) ? -1 : 1;
    }
    if (rows)
        sql_end(rows);
    return more < 0 ? -1 : !stopped;
}

/* Runs until it has what it wants, the rows end or the budget is spent (scan->budget <= 0). Of an entity's
 * threats the newest are in the tail, the others in the index. */
static int scan_run(struct store_reader *reader, struct scan *scan, struct err *err)
{
    if (scan->low > scan->high || scan_full(scan))
        return 0;
    bool two = scan->plan->entity.len > 0;
    int ended = scan_part(reader, scan, two && !scan->oldest_first, err);
    if (two && ended == 1)
        ended = scan_part(reader, scan, scan->oldest_first, err);
    if (ended == 1) /* what is left of the budget is of no interest */
        scan->budget = 1;
    return ended < 0 ? -1 : 0;
}

/* ---- merge: the index ranges of the cells ---- */

static int newest_first(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x < y) - (x > y);
}

static int oldest_first(const void *a, const void *b)
{
    return newest_first(b, a);
}

static int merge_run(struct store_reader *reader, struct scan *scan, struct err *err)
{
    const struct plan *plan = scan->plan;
    struct seqs *taken = scan->taken;
    int more = 0;
    for (size_t i = 0; more == 0 && i < plan->cells.count; i++) {
        sqlite3_stmt *rows = sql_query(&reader->sql, SQL_SCAN_CELL + (unsigned)scan->oldest_first, err,
                                       "iiiiii", (int64_t)scan->low, (int64_t)scan->high,
                                       plan->cells.items[i], plan->since, plan->until,
                                       (int64_t)(scan->skip + scan->want));
        more = rows ? 1 : -1;
        while (more == 1 && (more = sql_step(&reader->sql, rows, err)) == 1)
            vec_push(&taken->items, (uint64_t)sql_int(rows, 0));
    }
    if (more)
        return -1;
    if (taken->items.count)
        qsort(taken->items.items, taken->items.count, sizeof(uint64_t),
              scan->oldest_first ? oldest_first : newest_first);
    scan->hits = taken->items.count;
    size_t skip = scan->skip < taken->items.count ? scan->skip : taken->items.count;
    size_t keep = taken->items.count - skip < scan->want ? taken->items.count - skip : scan->want;
    if (keep)
        memmove(taken->items.items, taken->items.items + skip, keep * sizeof(uint64_t));
    taken->items.count = keep;
    return 0;
}

static int merge_count(struct store_reader *reader, const struct plan *plan, uint64_t *count, struct err *err)
{
    *count = 0;
    for (size_t i = 0; i < plan->cells.count && *count <= STORE_LOG_MAX; i++) {
        sqlite3_stmt *rows = sql_query(&reader->sql, SQL_COUNT_CELL, err, "iiiiii", (int64_t)plan->low,
                                       (int64_t)plan->high, plan->cells.items[i], plan->since, plan->until,
                                       (int64_t)STORE_LOG_MAX + 1);
        if (!rows || sql_step(&reader->sql, rows, err) != 1)
            return -1;
        *count += (uint64_t)sql_int(rows, 0);
        sql_end(rows);
    }
    return 0;
}

/* Whether reading the cells' ranges for `want` hits costs less than passing rows by until so many matched. */
static bool merge_is_cheaper(const struct plan *plan, uint64_t low, uint64_t high, uint64_t want)
{
    if (plan->q.len || plan->entity.len || plan->query->assignee.len || plan->cells.count > CELLS_MERGED)
        return false;
    uint64_t range = high >= low ? high - low + 1 : 0;
    if (range > plan->all)
        range = plan->all;
    double scan = (double)want * (double)plan->all / (double)(plan->matched ? plan->matched : 1);
    if (scan > (double)range)
        scan = (double)range;
    double found = (double)plan->cells.count * (double)want;
    if (found > (double)plan->matched)
        found = (double)plan->matched;
    return (double)plan->cells.count * COST_SEEK + found * COST_INDEXED < scan;
}

/* ---- page and total ---- */

static void page_range(const struct plan *plan, struct scan *scan)
{
    scan->low = plan->low;
    scan->high = plan->high;
    uint64_t cursor = plan->query->before_seq;
    if (cursor && plan->query->oldest_first)
        scan->low = cursor >= scan->low ? cursor + 1 : scan->low;
    else if (cursor)
        scan->high = cursor - 1 < scan->high ? cursor - 1 : scan->high;
}

/* One more than asked for tells whether there is a next page. */
static int find_page(struct store_reader *reader, const struct plan *plan, struct seqs *found,
                     struct threat_page *page, struct err *err)
{
    size_t limit = plan->query->limit < PAGE_MAX ? plan->query->limit : PAGE_MAX;
    struct scan scan = {.plan = plan,
                        .oldest_first = plan->query->oldest_first,
                        .skip = plan->query->offset,
                        .want = limit + 1,
                        .taken = found,
                        .budget = STORE_SCAN_MAX};
    if (limit == 0 || plan->matched == 0)
        return 0;
    page_range(plan, &scan);
    if (scan.low > scan.high)
        return 0;
    bool merge = scan.skip <= STORE_LOG_MAX &&
                 merge_is_cheaper(plan, scan.low, scan.high, scan.skip + scan.want);
    if (merge ? merge_run(reader, &scan, err) : scan_run(reader, &scan, err))
        return -1;
    if (found->items.count > limit) {
        found->items.count = limit;
        page->next_before = found->items.items[limit - 1];
    } else if (scan.budget <= 0) {
        page->next_before = scan.last;
    }
    return 0;
}

static int count_by_scan(struct store_reader *reader, const struct plan *plan, uint64_t *count, bool *cut,
                         struct err *err)
{
    struct scan scan = {.plan = plan,
                        .low = plan->low,
                        .high = plan->high,
                        .want = STORE_LOG_MAX + 1,
                        .budget = STORE_SCAN_MAX};
    if (scan_run(reader, &scan, err))
        return -1;
    *count = scan.hits;
    *cut = scan.budget <= 0;
    return 0;
}

/* as_of hides what came since; that is little, and the rest is known. False: too much to look at. */
static int count_above(struct store_reader *reader, const struct plan *plan, uint64_t *count, bool *cut,
                       struct err *err)
{
    struct scan scan = {.plan = plan,
                        .low = plan->query->as_of + 1,
                        .high = INT64_MAX,
                        .want = SIZE_MAX,
                        .budget = STORE_LOG_MAX};
    if (scan_run(reader, &scan, err))
        return -1;
    *count = plan->matched - scan.hits;
    *cut = scan.budget <= 0;
    return 0;
}

static int find_total(struct store_reader *reader, const struct plan *plan, struct threat_page *page,
                      struct err *err)
{
    uint64_t count = plan->matched;
    bool cut = false, sum = plan->exact;
    if (plan->matched == 0)
        return 0;
    if (sum && plan->query->as_of && plan->query->as_of < INT64_MAX) {
        if (count_above(reader, plan, &count, &cut, err))
            return -1;
        sum = !cut;
    }
    if (!sum) {
        cut = false;
        bool merge = merge_is_cheaper(plan, plan->low, plan->high, STORE_LOG_MAX + 1);
        if (merge ? merge_count(reader, plan, &count, err) : count_by_scan(reader, plan, &count, &cut, err))
            return -1;
    }
    page->total_is_bound = cut || count > STORE_LOG_MAX;
    page->total = count > STORE_LOG_MAX ? STORE_LOG_MAX : count;
    return 0;
}

static int put_page(struct store_reader *reader, const struct seqs *found, bool row, struct buf *out,
                    struct err *err)
{
    buf_putc(out, '[');
    for (size_t i = 0; i < found->items.count; i++) {
        sqlite3_stmt *get = sql_query(&reader->sql, SQL_BODY_PACKED, err, "i",
                                      (int64_t)found->items.items[i]);
        int more = get ? sql_step(&reader->sql, get, err) : -1;
        if (more != 1)
            return more < 0 ? -1 : err_set(err, ERR_CORRUPT, "a threat has no body");
        struct threat *threat = threat_unpack(sql_blob(get, 0), err);
        sql_end(get);
        if (!threat)
            return -1;
        if (i)
            buf_putc(out, ',');
        int result = reader_put_threat(reader, threat, row, out, err);
        threat_free(threat);
        if (result)
            return -1;
    }
    buf_putc(out, ']');
    return 0;
}

int store_query(struct store_reader *reader, const struct threat_query *query, struct threat_page *page,
                struct buf *out, struct err *err)
{
    struct plan plan = {0};
    struct seqs found = {0};
    *page = (struct threat_page){0};
    if (reader_begin(reader, err))
        return -1;
    int result = plan_make(reader, query, &plan, err) || find_page(reader, &plan, &found, page, err) ||
                         find_total(reader, &plan, page, err) ||
                         put_page(reader, &found, query->row, out, err)
                     ? -1
                     : 0;
    page->count = found.items.count;
    reader_end(reader);
    plan_release(&plan);
    vec_free(&found.items);
    return result;
}
