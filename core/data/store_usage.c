/* What models cost, by day, customer, rule, agent and model. */
#include "data/store_sqlite.h"

#define ROWS_MAX   1000
#define NUMBER_MAX (UINT64_C(1) << 50) /* so that no sum leaves 64 bits */

static const char *const number_fields[] = {"calls",       "failures", "prompt_tokens", "completion_tokens",
                                            "cost_micros", "cached"};
#define NUMBERS (sizeof number_fields / sizeof *number_fields)

/* ---- writing ---- */

static bool is_day(struct str day)
{
    static const char form[] = "dddd-dd-dd";
    if (day.len != sizeof form - 1)
        return false;
    for (size_t i = 0; i < day.len; i++)
        if (form[i] == 'd' ? day.ptr[i] < '0' || day.ptr[i] > '9' : day.ptr[i] != form[i])
            return false;
    return true;
}

static int64_t number(uint64_t value)
{
    return (int64_t)(value < NUMBER_MAX ? value : NUMBER_MAX);
}

int store_add_usage(struct store *store, const struct ai_usage *usage, struct err *err)
{
    if (store_must_write(store, err))
        return -1;
    if (!is_day(usage->day))
        return err_set(err, ERR_INVALID, "expected the day of a usage as YYYY-MM-DD");
    return sql_run(&store->sql, SQL_USAGE_ADD, err, "tttttiiiiii", usage->day, usage->customer, usage->rule,
                   usage->agent, usage->model, number(usage->calls), number(usage->failures),
                   number(usage->prompt_tokens), number(usage->completion_tokens), number(usage->cost_micros),
                   number(usage->cached));
}

static struct ai_usage usage_of(sqlite3_stmt *row)
{
    return (struct ai_usage){.day = sql_text(row, 0),
                             .customer = sql_text(row, 1),
                             .rule = sql_text(row, 2),
                             .agent = sql_text(row, 3),
                             .model = sql_text(row, 4),
                             .calls = (uint64_t)sql_int(row, 5),
                             .failures = (uint64_t)sql_int(row, 6),
                             .prompt_tokens = (uint64_t)sql_int(row, 7),
                             .completion_tokens = (uint64_t)sql_int(row, 8),
                             .cost_micros = (uint64_t)sql_int(row, 9),
                             .cached = (uint64_t)sql_int(row, 10)};
}

int store_usage_today(struct store *store, struct str day,
                      int (*visit)(const struct ai_usage *usage, void *arg), void *arg, struct err *err)
{
    store_read_enter(store);
    sqlite3_stmt *rows = sql_query(&store->sql, SQL_USAGE_DAY, err, "t", day);
    int more = rows ? 1 : -1;
    while (more == 1 && (more = sql_step(&store->sql, rows, err)) == 1) {
        struct ai_usage usage = usage_of(rows);
        more = visit(&usage, arg) == 0;
    }
    if (rows)
        sql_end(rows);
    store_read_leave(store);
    return more;
}

/* ---- reading ---- */

struct span {
    struct str customer, since, until;
};

static void put_numbers(sqlite3_stmt *row, int column, struct buf *out)
{
    for (size_t i = 0; i < NUMBERS; i++)
        buf_json_kint(out, number_fields[i], sql_int(row, column + (int)i));
}

/* The sums of all: one row, of NULLs where there is nothing, which read as 0. */
static int put_totals(struct store_reader *reader, const struct span *span, struct buf *out, struct err *err)
{
    sqlite3_stmt *row = sql_query(&reader->sql, SQL_USAGE_TOTAL, err, "ttt", span->customer, span->since,
                                  span->until);
    if (!row || sql_step(&reader->sql, row, err) != 1)
        return -1;
    buf_json_key(out, "totals");
    buf_putc(out, '{');
    put_numbers(row, 1, out);
    buf_putc(out, '}');
    sql_end(row);
    return 0;
}

static int put_sums(struct store_reader *reader, const struct span *span, unsigned index, const char *name,
                    struct buf *out, struct err *err)
{
    sqlite3_stmt *rows = sql_query(&reader->sql, index, err, "ttt", span->customer, span->since, span->until);
    int more = -1;
    bool first = true;
    buf_putc(out, '[');
    while (rows && (more = sql_step(&reader->sql, rows, err)) == 1) {
        if (!first)
            buf_putc(out, ',');
        first = false;
        buf_putc(out, '{');
        buf_json_kstr(out, name, sql_text(rows, 0));
        put_numbers(rows, 1, out);
        buf_putc(out, '}');
    }
    buf_putc(out, ']');
    return more;
}

static int put_all_sums(struct store_reader *reader, const struct span *span, struct buf *out,
                        struct err *err)
{
    static const struct {
        unsigned index;
        const char *key, *name;
    } sums[] = {{SQL_USAGE_BY_DAY, "by_day", "day"},
                {SQL_USAGE_BY_AGENT, "by_agent", "agent"},
                {SQL_USAGE_BY_MODEL, "by_model", "model"},
                {SQL_USAGE_BY_RULE, "by_rule", "rule_id"}};
    for (size_t i = 0; i < sizeof sums / sizeof *sums; i++) {
        buf_json_key(out, sums[i].key);
        if (put_sums(reader, span, sums[i].index, sums[i].name, out, err))
            return -1;
    }
    return 0;
}

static void put_row(sqlite3_stmt *row, struct buf *out)
{
    static const char *const names[] = {"day", "customer_name", "rule_id", "agent", "model"};
    buf_putc(out, '{');
    for (int i = 0; i < 5; i++)
        buf_json_kstr(out, names[i], sql_text(row, i));
    put_numbers(row, 5, out);
    buf_putc(out, '}');
}

static int put_rows(struct store_reader *reader, const struct span *span, struct buf *out, struct err *err)
{
    sqlite3_stmt *rows = sql_query(&reader->sql, SQL_USAGE_ROWS, err, "ttti", span->customer, span->since,
                                   span->until, (int64_t)ROWS_MAX + 1);
    int more = -1, count = 0;
    buf_json_key(out, "rows");
    buf_putc(out, '[');
    while (rows && (more = sql_step(&reader->sql, rows, err)) == 1) {
        if (count++ == ROWS_MAX)
            break;
        if (count > 1)
            buf_putc(out, ',');
        put_row(rows, out);
    }
    if (more == 1)
        sql_end(rows);
    buf_putc(out, ']');
    buf_json_kbool(out, "rows_truncated", count > ROWS_MAX);
    return more < 0 ? -1 : 0;
}

int store_usage(struct store_reader *reader, struct str customer, struct str since_day, struct str until_day,
                struct buf *out, struct err *err)
{
    const struct span span = {customer, since_day, until_day};
    if (reader_begin(reader, err))
        return -1;
    buf_putc(out, '{');
    int result = put_totals(reader, &span, out, err) || put_all_sums(reader, &span, out, err) ||
                         put_rows(reader, &span, out, err)
                     ? -1
                     : 0;
    buf_putc(out, '}');
    reader_end(reader);
    return result;
}
