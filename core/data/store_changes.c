/* The log of changes behind /ws?resume=, and the audit list. */
#include "data/store_sqlite.h"

static int last_seq(struct store_reader *reader, uint64_t *seq, struct err *err)
{
    sqlite3_stmt *get = sql_query(&reader->sql, SQL_SEQ_GET, err, "");
    if (!get || sql_step(&reader->sql, get, err) != 1)
        return -1;
    *seq = (uint64_t)sql_int(get, 0);
    sql_end(get);
    return 0;
}

uint64_t store_last_seq(struct store_reader *reader)
{
    uint64_t seq = 0;
    if (reader_begin(reader, NULL))
        return 0;
    last_seq(reader, &seq, NULL);
    reader_end(reader);
    return seq;
}

/* A `seq` that the store never gave out belongs to another history: as good as trimmed. */
static int is_trimmed(struct store_reader *reader, uint64_t seq, bool *trimmed, struct err *err)
{
    uint64_t last;
    if (last_seq(reader, &last, err))
        return -1;
    sqlite3_stmt *get = sql_query(&reader->sql, SQL_CHANGE_FIRST, err, "");
    if (!get || sql_step(&reader->sql, get, err) != 1)
        return -1;
    uint64_t first = (uint64_t)sql_int(get, 0);
    sql_end(get);
    if (first == 0)
        first = last + 1;
    *trimmed = seq > last || seq + 1 < first;
    return 0;
}

struct change_visit {
    int (*visit)(uint64_t seq, bool is_new, struct str customer, struct str json, void *arg);
    void *arg;
    bool row;
};

/* 0 to go on, 1 when the visitor has enough, -1. */
static int visit_change(struct store_reader *reader, sqlite3_stmt *row, const struct change_visit *visit,
                        struct buf *json, struct err *err)
{
    struct threat *threat = threat_unpack(sql_blob(row, 2), err);
    if (!threat)
        return -1;
    buf_clear(json);
    int result = reader_put_threat(reader, threat, visit->row, json, err);
    if (result == 0 && visit->visit((uint64_t)sql_int(row, 0), sql_int(row, 1) != 0, threat->customer,
                                    buf_str(json), visit->arg))
        result = 1;
    threat_free(threat);
    return result;
}

/* long: where to begin, how much and in which view are three plain values, and a visitor is two */
int store_changes(struct store_reader *reader, uint64_t seq, size_t max, bool row,
                  int (*visit)(uint64_t seq, bool is_new, struct str customer, struct str json, void *arg),
                  void *arg, bool *trimmed, struct err *err)
{
    const struct change_visit how = {visit, arg, row};
    struct buf json = BUF_EMPTY;
    if (reader_begin(reader, err))
        return -1;
    int result = is_trimmed(reader, seq, trimmed, err);
    if (result == 0 && !*trimmed) {
        sqlite3_stmt *rows = sql_query(&reader->sql, SQL_CHANGES, err, "ii", (int64_t)seq, (int64_t)max);
        result = rows ? 1 : -1;
        while (result == 1 && (result = sql_step(&reader->sql, rows, err)) == 1) {
            int seen = visit_change(reader, rows, &how, &json, err);
            result = seen == 0 ? 1 : seen < 0 ? -1 : 0;
        }
        if (rows)
            sql_end(rows);
    }
    reader_end(reader);
    buf_free(&json);
    return result;
}

static void put_audit(sqlite3_stmt *row, struct buf *out)
{
    struct str detail = sql_text(row, 5);
    buf_putc(out, '{');
    buf_json_kint(out, "id", sql_int(row, 0));
    buf_json_ktime(out, "time", sql_int(row, 1));
    buf_json_kstr(out, "who", sql_text(row, 2));
    buf_json_kstr(out, "action", sql_text(row, 3));
    buf_json_kstr(out, "target", sql_text(row, 4));
    buf_json_key(out, "detail");
    buf_put(out, detail.len ? detail : STR("{}"));
    buf_putc(out, '}');
}

int store_audit_list(struct store_reader *reader, size_t limit, uint64_t before, struct buf *out,
                     struct err *err)
{
    if (reader_begin(reader, err))
        return -1;
    int64_t below = before && before < INT64_MAX ? (int64_t)before : INT64_MAX;
    sqlite3_stmt *rows = sql_query(&reader->sql, SQL_AUDIT_LIST, err, "ii", below, (int64_t)limit);
    int more = -1;
    buf_putc(out, '[');
    bool first = true;
    while (rows && (more = sql_step(&reader->sql, rows, err)) == 1) {
        if (!first)
            buf_putc(out, ',');
        first = false;
        put_audit(rows, out);
    }
    buf_putc(out, ']');
    reader_end(reader);
    return more;
}
