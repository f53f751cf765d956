/* Notes with their history: whether the audit knows of each. A note that no record backs was put into the
 * store past the API. */
#include "data/store_sqlite.h"

#include "base/json.h"

#define NOTES_MAX  200
#define NEAR_NS    (60 * NS_PER_S)
#define DETAIL_MAX (1 << 20)

struct note {
    struct threat_note note;
    struct str threat_id;
};

/* ---- whether a note is audited ---- */

static bool speaks_of(struct str detail, const struct threat_note *note)
{
    static const struct json_limits limits = {DETAIL_MAX, 16, true};
    struct json *json = json_parse(detail, &limits, NULL);
    int64_t id;
    struct str text;
    bool yes = json_get_int(json, "note_id", &id)
                   ? id == note->id
                   : json_get_str(json, "text", &text) && str_equal(text, note->text);
    json_free(json);
    return yes;
}

static int find_record(struct store_reader *reader, const struct note *note, bool *found, struct err *err)
{
    sqlite3_stmt *rows = sql_query(&reader->sql, SQL_AUDIT_NOTE, err, "ttii", note->threat_id,
                                   note->note.author, note->note.at_ns - NEAR_NS, note->note.at_ns + NEAR_NS);
    int more = rows ? 1 : -1;
    *found = false;
    while (more == 1 && !*found && (more = sql_step(&reader->sql, rows, err)) == 1)
        *found = speaks_of(sql_text(rows, 0), &note->note);
    if (*found)
        sql_end(rows);
    return more < 0 ? -1 : 0;
}

static int read_audit_from(struct store_reader *reader, int64_t *from_ns, struct err *err)
{
    sqlite3_stmt *get = sql_query(&reader->sql, SQL_AUDIT_FROM_GET, err, "");
    if (!get || sql_step(&reader->sql, get, err) != 1)
        return -1;
    *from_ns = sql_int(get, 0);
    sql_end(get);
    return 0;
}

/* ---- lists ---- */

struct str store_cut(struct str text, size_t max)
{
    size_t len = max;
    if (text.len <= len)
        return text;
    while (len && ((unsigned char)text.ptr[len] & 0xc0) == 0x80)
        len--;
    return (struct str){text.ptr, len};
}

struct listing {
    size_t limit, taken, text_max;
    int64_t audit_from;
    struct buf *out;
};

static int put_note(struct store_reader *reader, const struct note *note, struct listing *listing,
                    struct err *err)
{
    struct buf *out = listing->out;
    bool audited;
    if (find_record(reader, note, &audited, err))
        return -1;
    if (listing->taken++)
        buf_putc(out, ',');
    buf_putc(out, '{');
    buf_json_kint(out, "id", note->note.id);
    buf_json_kstr(out, "threat_id", note->threat_id);
    buf_json_kstr(out, "author", note->note.author);
    buf_json_kstr(out, "text", store_cut(note->note.text, listing->text_max));
    buf_json_ktime(out, "time", note->note.at_ns);
    buf_json_kbool(out, "signed", note->note.signature.len > 0);
    if (!audited && note->note.at_ns < listing->audit_from) {
        buf_json_key(out, "audited");
        buf_puts(out, "null");
    } else {
        buf_json_kbool(out, "audited", audited);
    }
    buf_putc(out, '}');
    return 0;
}

static int put_notes(struct store_reader *reader, sqlite3_stmt *rows, struct listing *listing,
                     struct err *err)
{
    int more = rows ? 1 : -1;
    buf_putc(listing->out, '[');
    while (more == 1 && listing->taken < listing->limit) {
        more = sql_step(&reader->sql, rows, err);
        if (more != 1)
            continue;
        const struct note note = {.note = {.id = sql_int(rows, 0),
                                           .at_ns = sql_int(rows, 1),
                                           .author = sql_text(rows, 2),
                                           .text = sql_text(rows, 3),
                                           .signature = sql_text(rows, 4)},
                                  .threat_id = sql_text(rows, 5)};
        if (put_note(reader, &note, listing, err))
            more = -1;
    }
    if (rows)
        sql_end(rows);
    buf_putc(listing->out, ']');
    return more < 0 ? -1 : 0;
}

static size_t bounded(size_t limit)
{
    return limit < NOTES_MAX ? limit : NOTES_MAX;
}

static sqlite3_stmt *find_recent(struct store_reader *reader, const struct note_query *query, struct err *err)
{
    int64_t limit = (int64_t)bounded(query->limit);
    return query->customer.len ? sql_query(&reader->sql, SQL_NOTES_RECENT_OF, err, "iit", query->since_ns,
                                           limit, query->customer)
                               : sql_query(&reader->sql, SQL_NOTES_RECENT, err, "ii", query->since_ns, limit);
}

int store_notes_recent(struct store_reader *reader, const struct note_query *query, struct buf *out,
                       struct err *err)
{
    struct listing listing = {
        .limit = bounded(query->limit), .text_max = query->text_max ? query->text_max : SIZE_MAX, .out = out};
    if (reader_begin(reader, err))
        return -1;
    int result = read_audit_from(reader, &listing.audit_from, err);
    if (result == 0)
        result = put_notes(reader, find_recent(reader, query, err), &listing, err);
    reader_end(reader);
    return result;
}

/* The row of a threat of this customer; ERR_NOT_FOUND. */
static int find_threat(struct store_reader *reader, struct str id, struct str customer, int64_t *seq,
                       struct err *err)
{
    sqlite3_stmt *row = sql_query(&reader->sql, SQL_THREAT_OWNER, err, "t", id);
    int found = row ? sql_step(&reader->sql, row, err) : -1;
    if (found < 0)
        return -1;
    bool theirs = found && (customer.len == 0 || str_equal(customer, sql_text(row, 1)));
    if (theirs)
        *seq = sql_int(row, 0);
    if (found)
        sql_end(row);
    return theirs ? 0 : err_set(err, ERR_NOT_FOUND, "the store holds no such threat");
}

int store_notes(struct store_reader *reader, struct str threat_id, struct str customer, size_t limit,
                struct buf *out, struct err *err)
{
    struct listing listing = {.limit = bounded(limit), .text_max = SIZE_MAX, .out = out};
    int64_t seq = 0;
    if (reader_begin(reader, err))
        return -1;
    int result = find_threat(reader, threat_id, customer, &seq, err) ||
                         read_audit_from(reader, &listing.audit_from, err)
                     ? -1
                     : put_notes(reader, sql_query(&reader->sql, SQL_NOTES_OF, err, "i", seq), &listing, err);
    reader_end(reader);
    return result;
}
