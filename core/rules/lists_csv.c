#include "rules/lists_csv.h"

#include <stdlib.h>

#include "base/hash.h"
#include "base/text.h"

#define COLUMN_MAX 128  /* bytes of a column's name */
#define KEPT       4096 /* texts of attributes remembered, so that equal ones are kept once */

struct list_csv {
    struct arena *arena;
    bool began;
    struct str columns[LIST_COLUMNS_MAX];
    size_t count; /* 0: no header, only the first cell counts */
    struct buf cell, attributes;
    struct str kept[KEPT];
};

struct list_csv *list_csv_new(struct arena *arena)
{
    struct list_csv *csv = mem_zalloc(1, sizeof(*csv));
    csv->arena = arena;
    return csv;
}

void list_csv_free(struct list_csv *csv)
{
    buf_free(&csv->cell);
    buf_free(&csv->attributes);
    free(csv);
}

struct str list_trim(struct str s)
{
    while (s.len && memchr(" \t\r\n", s.ptr[0], 4))
        s = (struct str){s.ptr + 1, s.len - 1};
    while (s.len && memchr(" \t\r\n", s.ptr[s.len - 1], 4))
        s.len--;
    return s;
}

/* After the quoted cell's closing quote. */
static size_t unquote(struct str line, struct buf *out)
{
    size_t i = 1;
    for (; i < line.len; i++) {
        if (line.ptr[i] == '"' && (i + 1 == line.len || line.ptr[i + 1] != '"'))
            return i + 1;
        i += line.ptr[i] == '"';
        buf_putc(out, line.ptr[i]);
    }
    return i;
}

/* Takes the first cell off the line; false when there is none left. *cell is borrowed until the next. */
static bool next_cell(struct list_csv *csv, struct str *line, struct str *cell)
{
    size_t quoted = 0;
    if (line->ptr == NULL)
        return false;
    struct str rest = list_trim(*line);
    if (rest.len && rest.ptr[0] == '"') {
        buf_clear(&csv->cell);
        buf_puts(&csv->cell, "");
        quoted = unquote(rest, &csv->cell);
    }
    const char *comma = memchr(rest.ptr + quoted, ',', rest.len - quoted);
    *cell = list_trim(quoted ? buf_str(&csv->cell)
                             : (struct str){rest.ptr, comma ? (size_t)(comma - rest.ptr) : rest.len});
    *line = comma ? (struct str){comma + 1, (size_t)(rest.ptr + rest.len - comma - 1)}
                  : (struct str){NULL, 0};
    return true;
}

static bool is_column(struct str name)
{
    for (size_t i = 0; i < name.len; i++)
        if ((unsigned char)name.ptr[i] < 0x20 || name.ptr[i] == 0x7f)
            return false;
    return name.len > 0 && name.len <= COLUMN_MAX && text_is_utf8(name);
}

static int read_header(struct list_csv *csv, struct str line, struct err *err)
{
    struct str cell;
    while (next_cell(csv, &line, &cell)) {
        if (csv->count == LIST_COLUMNS_MAX)
            return err_set(err, ERR_LIMIT, "the header names more than %d columns", LIST_COLUMNS_MAX);
        if (!is_column(cell))
            return err_set(err, ERR_INVALID, "column %zu has no name of 1 to %d printable bytes",
                           csv->count + 1, COLUMN_MAX);
        for (size_t i = 0; i < csv->count; i++)
            if (str_equal(csv->columns[i], cell))
                return err_set(err, ERR_INVALID, "the column \"%.*s\" is named twice", STR_ARG(cell));
        csv->columns[csv->count++] = arena_dup(csv->arena, cell);
    }
    return 0;
}

static struct str kept(struct list_csv *csv, struct str text)
{
    struct str *slot = &csv->kept[hash_fast(text, 0) % KEPT];
    if (!str_equal(*slot, text))
        *slot = arena_dup(csv->arena, text);
    return *slot;
}

static int read_attributes(struct list_csv *csv, struct str line, struct str *attributes, struct err *err)
{
    struct buf *out = &csv->attributes;
    struct str cell;
    size_t column = 1;
    buf_clear(out);
    buf_putc(out, '{');
    for (; next_cell(csv, &line, &cell); column++) {
        if (column >= csv->count)
            return err_set(err, ERR_INVALID,
                           "more cells than the %zu columns of the header; write \"…\" around a cell that "
                           "holds a comma",
                           csv->count);
        if (cell.len == 0)
            continue;
        buf_puts(out, out->len > 1 ? "," : "");
        buf_json_string(out, csv->columns[column]);
        buf_putc(out, ':');
        buf_json_string(out, cell);
    }
    buf_putc(out, '}');
    if (out->len > LIST_ATTRIBUTES_MAX)
        return err_set(err, ERR_LIMIT, "the attributes have more than %d bytes", LIST_ATTRIBUTES_MAX);
    *attributes = out->len > 2 ? kept(csv, buf_str(out)) : STR("");
    return 0;
}

int list_csv_line(struct list_csv *csv, struct str line, struct str *value, struct str *attributes,
                  struct err *err)
{
    struct str rest = line, cell = STR("");
    bool first = !csv->began;
    csv->began = true;
    *value = *attributes = STR("");
    next_cell(csv, &rest, &cell);
    if (first && text_equal_fold(cell, STR("value")))
        return read_header(csv, line, err);
    bool own = cell.ptr >= line.ptr && cell.ptr < line.ptr + line.len;
    *value = own ? cell : arena_dup(csv->arena, cell);
    return csv->count ? read_attributes(csv, rest, attributes, err) : 0;
}
