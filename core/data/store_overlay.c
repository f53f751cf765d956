/* Overlays of lists: what people added to and took from the lists that ship as files. */
#include "data/store_sqlite.h"

#include "base/json.h"

#define ENTRIES_MAX  100000
#define BYTES_MAX    (8 << 20)
#define OVERLAYS_MAX 1000

/* ---- what may be stored ---- */

/* Adds the number of entries; "" has none. */
static int count_entries(struct str text, bool object_too, size_t *entries, struct err *err)
{
    static const struct json_limits limits = {BYTES_MAX, 16, false};
    if (text.len == 0)
        return 0;
    struct json *json = json_parse(text, &limits, err);
    if (!json)
        return -1;
    enum json_kind kind = json_kind(json);
    *entries += json_count(json);
    json_free(json);
    if (kind == JSON_KIND_ARRAY || (object_too && kind == JSON_KIND_OBJECT))
        return 0;
    return err_set(err, ERR_INVALID, "expected an array%s, got %s", object_too ? " or an object" : "",
                   json_kind_name(kind));
}

static int check_overlay(const struct store_overlay *overlay, struct err *err)
{
    size_t entries = 0;
    if (overlay->name.len == 0 || overlay->name.len > STORE_FACT_NAME)
        return err_set(err, ERR_LIMIT, "expected an overlay's name of 1 to %d bytes, got %zu",
                       STORE_FACT_NAME, overlay->name.len);
    if (overlay->added.len > BYTES_MAX || overlay->removed.len > BYTES_MAX - overlay->added.len)
        return err_set(err, ERR_LIMIT, "expected an overlay of at most 8 MiB");
    if (count_entries(overlay->added, true, &entries, err))
        return err_at(err, "added");
    if (count_entries(overlay->removed, false, &entries, err))
        return err_at(err, "removed");
    if (entries > ENTRIES_MAX)
        return err_set(err, ERR_LIMIT, "expected an overlay of at most %d entries, got %zu", ENTRIES_MAX,
                       entries);
    return 0;
}

/* ---- writing ---- */

/* The first column of the first row; 0 where there is none. */
static int read_number(struct store *store, sqlite3_stmt *row, int64_t *number, struct err *err)
{
    int found = row ? sql_step(&store->sql, row, err) : -1;
    *number = found == 1 ? sql_int(row, 0) : 0;
    if (found == 1)
        sql_end(row);
    return found < 0 ? -1 : 0;
}

static int check_version(struct store *store, const struct store_overlay *overlay, struct err *err)
{
    int64_t stored, count;
    if (read_number(store, sql_query(&store->sql, SQL_OVERLAY_VERSION, err, "t", overlay->name), &stored,
                    err))
        return -1;
    if (stored != overlay->version)
        return err_set(err, ERR_CONFLICT, "the overlay is at version %lld, not %u", (long long)stored,
                       overlay->version);
    if (stored)
        return 0;
    if (read_number(store, sql_query(&store->sql, SQL_OVERLAY_COUNT, err, ""), &count, err))
        return -1;
    return count < OVERLAYS_MAX
               ? 0
               : err_set(err, ERR_LIMIT, "expected at most %d overlays of lists", OVERLAYS_MAX);
}

int store_put_overlay(struct store *store, const struct store_overlay *overlay, uint32_t *version,
                      struct err *err)
{
    const struct str none = STR("[]");
    if (store_must_write(store, err) || check_overlay(overlay, err) || check_version(store, overlay, err) ||
        sql_run(&store->sql, SQL_OVERLAY_PUT, err, "tititt", overlay->name, (int64_t)overlay->version + 1,
                overlay->author, overlay->updated_ns, overlay->added.len ? overlay->added : none,
                overlay->removed.len ? overlay->removed : none))
        return -1;
    if (version)
        *version = overlay->version + 1;
    return 0;
}

/* ---- reading, on the writer's connection or a reader's ---- */

static struct store_overlay overlay_of(sqlite3_stmt *row)
{
    return (struct store_overlay){.name = sql_text(row, 0),
                                  .version = (uint32_t)sql_int(row, 1),
                                  .author = sql_text(row, 2),
                                  .updated_ns = sql_int(row, 3),
                                  .added = sql_text(row, 4),
                                  .removed = sql_text(row, 5)};
}

static int get_overlay(struct sql *sql, struct str name, struct arena *arena, struct store_overlay *overlay,
                       struct err *err)
{
    sqlite3_stmt *row = sql_query(sql, SQL_OVERLAY_GET, err, "t", name);
    int found = row ? sql_step(sql, row, err) : -1;
    if (found == 0)
        return err_set(err, ERR_NOT_FOUND, "the store holds no such overlay");
    if (found < 0)
        return -1;
    *overlay = overlay_of(row);
    overlay->name = arena_dup(arena, overlay->name);
    overlay->author = arena_dup(arena, overlay->author);
    overlay->added = arena_dup(arena, overlay->added);
    overlay->removed = arena_dup(arena, overlay->removed);
    sql_end(row);
    return 0;
}

static int visit_overlays(struct sql *sql, int (*visit)(const struct store_overlay *overlay, void *arg),
                          void *arg, struct err *err)
{
    sqlite3_stmt *rows = sql_query(sql, SQL_OVERLAYS, err, "");
    int more = rows ? 1 : -1;
    while (more == 1 && (more = sql_step(sql, rows, err)) == 1) {
        struct store_overlay overlay = overlay_of(rows);
        more = visit(&overlay, arg) == 0;
    }
    if (rows)
        sql_end(rows);
    return more;
}

int store_get_overlay(struct store *store, struct str name, struct arena *arena,
                      struct store_overlay *overlay, struct err *err)
{
    store_read_enter(store);
    int result = get_overlay(&store->sql, name, arena, overlay, err);
    store_read_leave(store);
    return result;
}

int store_load_overlays(struct store *store, int (*visit)(const struct store_overlay *overlay, void *arg),
                        void *arg, struct err *err)
{
    store_read_enter(store);
    int result = visit_overlays(&store->sql, visit, arg, err);
    store_read_leave(store);
    return result;
}

int store_read_overlay(struct store_reader *reader, struct str name, struct arena *arena,
                       struct store_overlay *overlay, struct err *err)
{
    if (reader_begin(reader, err))
        return -1;
    int result = get_overlay(&reader->sql, name, arena, overlay, err);
    reader_end(reader);
    return result;
}

int store_read_overlays(struct store_reader *reader,
                        int (*visit)(const struct store_overlay *overlay, void *arg), void *arg,
                        struct err *err)
{
    if (reader_begin(reader, err))
        return -1;
    int result = visit_overlays(&reader->sql, visit, arg, err);
    reader_end(reader);
    return result;
}
