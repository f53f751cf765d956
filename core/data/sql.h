/* A thin layer over SQLite for the store: one connection, its prepared statements kept for its lifetime, and
 * errors in the house's form. A connection belongs to one thread at a time. Only data/ includes this. */
#ifndef LUNETTE_DATA_SQL_H
#define LUNETTE_DATA_SQL_H

#include <sqlite3.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"

struct sql {
    sqlite3 *db;
    sqlite3_stmt **statements; /* by index into texts; NULL until first used */
    const char *const *texts;
    size_t count;
};

/* Opens (creates) the database; `texts` are the statements, by index. On failure nothing is left open. */
int sql_open(struct sql *sql, const char *name, const char *const *texts, size_t count, struct err *err);
void sql_close(struct sql *sql); /* fine on a zeroed struct */

/* Runs a text of any number of statements; rows are ignored. */
int sql_exec(struct sql *sql, const char *text, struct err *err);
/* First column of the first row of a one-off statement; ERR_NOT_FOUND without a row. */
int sql_number(struct sql *sql, const char *text, int64_t *number, struct err *err);

/* A statement ready to step, parameters bound from the left by `types`: i int64_t, t struct str as text, b
 * struct str as blob. The bytes must live until it has run or ended. NULL on failure. */
sqlite3_stmt *sql_query(struct sql *sql, unsigned index, struct err *err, const char *types, ...);
/* 1 a row, 0 the end, -1 failure; after the last two the statement is reset. */
int sql_step(struct sql *sql, sqlite3_stmt *statement, struct err *err);
/* Ends a statement before its last row. */
void sql_end(sqlite3_stmt *statement);
/* sql_query, then steps to the end. */
int sql_run(struct sql *sql, unsigned index, struct err *err, const char *types, ...);

/* Columns of the current row; text and blob are borrowed until the next step. */
struct str sql_text(sqlite3_stmt *statement, int column);
struct str sql_blob(sqlite3_stmt *statement, int column);
int64_t sql_int(sqlite3_stmt *statement, int column);

#endif
