#include "data/sql.h"

#include <stdarg.h>
#include <stdlib.h>

static enum err_code code_of(int sqlite_code)
{
    switch (sqlite_code & 0xff) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return ERR_BUSY;
    case SQLITE_CONSTRAINT:
        return ERR_CONFLICT;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return ERR_CORRUPT;
    case SQLITE_MISUSE:
    case SQLITE_RANGE:
        return ERR_INTERNAL;
    default:
        return ERR_IO;
    }
}

/* SQLite's message names tables and columns, never values. */
static int fail(struct sql *sql, const char *what, struct err *err)
{
    int code = sqlite3_extended_errcode(sql->db);
    return err_set(err, code_of(code), "the store cannot %s: %s (SQLite %d)", what, sqlite3_errmsg(sql->db),
                   code);
}

int sql_open(struct sql *sql, const char *name, const char *const *texts, size_t count, struct err *err)
{
    const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_URI | SQLITE_OPEN_NOMUTEX |
                      SQLITE_OPEN_PRIVATECACHE;
    *sql = (struct sql){.texts = texts, .count = count};
    if (sqlite3_open_v2(name, &sql->db, flags, NULL) != SQLITE_OK) {
        fail(sql, "be opened", err);
        err_at(err, "%s", name);
        sqlite3_close(sql->db);
        *sql = (struct sql){0};
        return -1;
    }
    sqlite3_busy_timeout(sql->db, 10000);
    sql->statements = mem_zalloc(count ? count : 1, sizeof *sql->statements);
    return 0;
}

void sql_close(struct sql *sql)
{
    for (size_t i = 0; i < sql->count; i++)
        sqlite3_finalize(sql->statements[i]);
    free(sql->statements);
    if (sql->db)
        INVARIANT(sqlite3_close(sql->db) == SQLITE_OK);
    *sql = (struct sql){0};
}

int sql_exec(struct sql *sql, const char *text, struct err *err)
{
    return sqlite3_exec(sql->db, text, NULL, NULL, NULL) == SQLITE_OK ? 0 : fail(sql, "be set up", err);
}

int sql_number(struct sql *sql, const char *text, int64_t *number, struct err *err)
{
    sqlite3_stmt *statement = NULL;
    if (sqlite3_prepare_v2(sql->db, text, -1, &statement, NULL) != SQLITE_OK)
        return fail(sql, "be read", err);
    int code = sqlite3_step(statement);
    if (code == SQLITE_ROW)
        *number = sqlite3_column_int64(statement, 0);
    else if (code != SQLITE_DONE)
        fail(sql, "be read", err);
    else
        err_set(err, ERR_NOT_FOUND, "expected a row of: %s", text);
    sqlite3_finalize(statement);
    return code == SQLITE_ROW ? 0 : -1;
}

static sqlite3_stmt *prepared(struct sql *sql, unsigned index, struct err *err)
{
    INVARIANT(index < sql->count);
    sqlite3_stmt **statement = &sql->statements[index];
    if (!*statement && sqlite3_prepare_v3(sql->db, sql->texts[index], -1, SQLITE_PREPARE_PERSISTENT,
                                          statement, NULL) != SQLITE_OK) {
        fail(sql, "prepare a statement", err);
        return NULL;
    }
    return *statement;
}

/* A NULL pointer would bind NULL, which is no empty string. */
static const char *bytes_of(struct str s)
{
    return s.ptr ? s.ptr : "";
}

static int bind_all(sqlite3_stmt *statement, const char *types, va_list args)
{
    int code = SQLITE_OK;
    for (int i = 1; *types && code == SQLITE_OK; types++, i++) {
        if (*types == 'i') {
            code = sqlite3_bind_int64(statement, i, va_arg(args, int64_t));
            continue;
        }
        struct str s = va_arg(args, struct str);
        if (*types == 't')
            code = sqlite3_bind_text64(statement, i, bytes_of(s), s.len, SQLITE_STATIC, SQLITE_UTF8);
        else
            code = sqlite3_bind_blob64(statement, i, bytes_of(s), s.len, SQLITE_STATIC);
    }
    return code;
}

static sqlite3_stmt *query(struct sql *sql, unsigned index, struct err *err, const char *types, va_list args)
{
    sqlite3_stmt *statement = prepared(sql, index, err);
    if (statement && bind_all(statement, types, args) != SQLITE_OK) {
        fail(sql, "bind a parameter", err);
        return NULL;
    }
    return statement;
}

sqlite3_stmt *sql_query(struct sql *sql, unsigned index, struct err *err, const char *types, ...)
{
    va_list args;
    va_start(args, types);
    sqlite3_stmt *statement = query(sql, index, err, types, args);
    va_end(args);
    return statement;
}

int sql_step(struct sql *sql, sqlite3_stmt *statement, struct err *err)
{
    int code = sqlite3_step(statement);
    if (code == SQLITE_ROW)
        return 1;
    if (code != SQLITE_DONE)
        fail(sql, "run a statement", err);
    sqlite3_reset(statement);
    return code == SQLITE_DONE ? 0 : -1;
}

void sql_end(sqlite3_stmt *statement)
{
    sqlite3_reset(statement);
}

int sql_run(struct sql *sql, unsigned index, struct err *err, const char *types, ...)
{
    va_list args;
    va_start(args, types);
    sqlite3_stmt *statement = query(sql, index, err, types, args);
    va_end(args);
    if (!statement)
        return -1;
    int more;
    while ((more = sql_step(sql, statement, err)) == 1)
        ;
    return more;
}

struct str sql_text(sqlite3_stmt *statement, int column)
{
    const char *text = (const char *)sqlite3_column_text(statement, column);
    return (struct str){text, (size_t)sqlite3_column_bytes(statement, column)};
}

struct str sql_blob(sqlite3_stmt *statement, int column)
{
    const char *bytes = sqlite3_column_blob(statement, column);
    return (struct str){bytes, (size_t)sqlite3_column_bytes(statement, column)};
}

int64_t sql_int(sqlite3_stmt *statement, int column)
{
    return sqlite3_column_int64(statement, column);
}
