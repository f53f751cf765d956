#include "data/store_sqlite.h"

#include <stdlib.h>

static const char reader_pragmas[] = "PRAGMA query_only = ON; PRAGMA temp_store = MEMORY;"
                                     "PRAGMA cache_size = -8192;";

struct store_reader *store_reader_open(struct store *store, struct err *err)
{
    struct store_reader *reader = mem_zalloc(1, sizeof *reader);
    reader->store = store;
    reader->arena = arena_new(0);
    if (sql_open(&reader->sql, store->name, store_sql_texts, SQL_COUNT, err) ||
        sql_exec(&reader->sql, reader_pragmas, err)) {
        store_reader_close(reader);
        return NULL;
    }
    return reader;
}

void store_reader_close(struct store_reader *reader)
{
    if (!reader)
        return;
    sql_close(&reader->sql);
    arena_free(reader->arena);
    vec_free(&reader->cells);
    buf_free(&reader->folded);
    buf_free(&reader->search);
    free(reader);
}

int reader_begin(struct store_reader *reader, struct err *err)
{
    if (reader->store->memory)
        pthread_rwlock_rdlock(&reader->store->lock);
    if (sql_run(&reader->sql, SQL_BEGIN_READ, err, "") == 0)
        return 0;
    if (reader->store->memory)
        pthread_rwlock_unlock(&reader->store->lock);
    return -1;
}

void reader_end(struct store_reader *reader)
{
    if (sql_run(&reader->sql, SQL_COMMIT, NULL, ""))
        sql_run(&reader->sql, SQL_ROLLBACK, NULL, "");
    if (reader->store->memory)
        pthread_rwlock_unlock(&reader->store->lock);
}

/* ---- cells ---- */

static struct cell *cell_at(struct store_reader *reader, int64_t id)
{
    while (reader->cells.count <= (size_t)id)
        vec_push(&reader->cells, (struct cell){0});
    return &reader->cells.items[id];
}

static int load_new_cells(struct store_reader *reader, struct err *err)
{
    sqlite3_stmt *rows = sql_query(&reader->sql, SQL_CELLS_NEW, err, "i", reader->cells_known);
    int more = -1;
    while (rows && (more = sql_step(&reader->sql, rows, err)) == 1) {
        struct cell *cell = cell_at(reader, sql_int(rows, 0));
        *cell = (struct cell){.known = true,
                              .severity = (uint8_t)sql_int(rows, 1),
                              .status = (uint8_t)sql_int(rows, 2),
                              .verdict = (uint8_t)sql_int(rows, 3),
                              .review = (uint8_t)sql_int(rows, 4),
                              .hidden = (uint8_t)sql_int(rows, 5),
                              .customer = arena_dup(reader->arena, sql_text(rows, 6)),
                              .rule = arena_dup(reader->arena, sql_text(rows, 7)),
                              .type = arena_dup(reader->arena, sql_text(rows, 8))};
        if (sql_int(rows, 0) > reader->cells_known)
            reader->cells_known = sql_int(rows, 0);
    }
    return more;
}

int reader_cells(struct store_reader *reader, struct err *err)
{
    if (load_new_cells(reader, err))
        return -1;
    for (size_t i = 0; i < reader->cells.count; i++)
        reader->cells.items[i].count = reader->cells.items[i].us = 0;
    sqlite3_stmt *rows = sql_query(&reader->sql, SQL_CELLS_COUNT, err, "");
    int more = -1;
    while (rows && (more = sql_step(&reader->sql, rows, err)) == 1) {
        struct cell *cell = cell_at(reader, sql_int(rows, 0));
        cell->count = sql_int(rows, 1);
        cell->us = sql_int(rows, 2);
    }
    return more;
}

/* ---- one threat ---- */

static int load_notes(struct store_reader *reader, struct threat *threat, struct threat_records *records,
                      struct err *err)
{
    sqlite3_stmt *rows = sql_query(&reader->sql, SQL_NOTES, err, "ii", (int64_t)threat->seq,
                                   (int64_t)STORE_RECORDS_MAX);
    int more = -1;
    while (rows && (more = sql_step(&reader->sql, rows, err)) == 1)
        vec_push(&records->notes,
                 ((struct threat_note){.id = sql_int(rows, 0),
                                       .at_ns = sql_int(rows, 1),
                                       .author = threat_keep(threat, sql_text(rows, 2)),
                                       .text = threat_keep(threat, sql_text(rows, 3)),
                                       .signature = threat_keep(threat, sql_text(rows, 4))}));
    for (size_t i = 0, j = records->notes.count; i + 1 < j;
         i++, j--) { /* read newest first, shown oldest first */
        struct threat_note note = records->notes.items[i];
        records->notes.items[i] = records->notes.items[j - 1];
        records->notes.items[j - 1] = note;
    }
    return more;
}

static int load_changes(struct store_reader *reader, struct threat *threat, struct threat_records *records,
                        struct err *err)
{
    sqlite3_stmt *rows = sql_query(&reader->sql, SQL_AUDIT_TARGET, err, "ti", str_from(threat->id),
                                   (int64_t)STORE_RECORDS_MAX);
    int more = -1;
    while (rows && (more = sql_step(&reader->sql, rows, err)) == 1)
        vec_push(&records->changes,
                 ((struct threat_change){.at_ns = sql_int(rows, 0),
                                         .who = threat_keep(threat, sql_text(rows, 1)),
                                         .action = threat_keep(threat, sql_text(rows, 2)),
                                         .detail = threat_keep(threat, sql_text(rows, 3))}));
    return more;
}

int reader_put_threat(struct store_reader *reader, struct threat *threat, bool row, struct buf *out,
                      struct err *err)
{
    if (row) {
        threat_view_row(threat, out);
        return 0;
    }
    struct threat_records records = {0};
    int result = load_notes(reader, threat, &records, err) || load_changes(reader, threat, &records, err) ? -1
                                                                                                          : 0;
    if (result == 0)
        threat_view_full(threat, &records, out);
    vec_free(&records.notes);
    vec_free(&records.changes);
    return result;
}

struct threat *reader_load_threat(struct store_reader *reader, struct str id, struct str customer,
                                  struct err *err)
{
    sqlite3_stmt *row = sql_query(&reader->sql, SQL_THREAT_OLD, err, "t", id);
    int found = row ? sql_step(&reader->sql, row, err) : -1;
    if (found < 0)
        return NULL;
    struct threat *threat = NULL;
    if (found) {
        threat = threat_unpack(sql_blob(row, 0), err);
        sql_end(row);
        if (!threat)
            return NULL;
    }
    if (threat && (customer.len == 0 || str_equal(threat->customer, customer)))
        return threat;
    err_set(err, ERR_NOT_FOUND, "the store holds no such threat");
    threat_free(threat);
    return NULL;
}

int store_get_threat(struct store_reader *reader, struct str id, struct str customer, uint32_t *version,
                     struct buf *out, struct err *err)
{
    if (reader_begin(reader, err))
        return -1;
    struct threat *threat = reader_load_threat(reader, id, customer, err);
    int result = threat ? reader_put_threat(reader, threat, false, out, err) : -1;
    if (result == 0 && version)
        *version = threat->version;
    reader_end(reader);
    threat_free(threat);
    return result;
}
