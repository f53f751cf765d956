/* Observations: what happened around the threats, for agents to look back at. */
#include "data/store_sqlite.h"

#include "base/json.h"
#include "base/text.h"

#define KIND_MAX   64
#define ENTITY_MAX 1024
#define LIMIT_MAX  100

static int check_body(struct str body, struct err *err)
{
    if (body.len > STORE_OBSERVATION_BODY)
        return err_set(err, ERR_LIMIT, "expected a body of at most %d bytes, got %zu", STORE_OBSERVATION_BODY,
                       body.len);
    struct json *json = json_parse(body, NULL, err);
    bool object = json && json_kind(json) == JSON_KIND_OBJECT;
    json_free(json);
    return object ? 0 : err_set(err, ERR_INVALID, "expected a JSON object as the body of an observation");
}

static int check_observation(const struct store_observation *observation, struct err *err)
{
    if (observation->kind.len == 0 || observation->kind.len > KIND_MAX)
        return err_set(err, ERR_LIMIT, "expected a kind of 1 to %d bytes, got %zu", KIND_MAX,
                       observation->kind.len);
    if (observation->entity.len > ENTITY_MAX)
        return err_set(err, ERR_LIMIT, "expected an entity of at most %d bytes, got %zu", ENTITY_MAX,
                       observation->entity.len);
    return check_body(observation->body, err);
}

int store_add_observation(struct store *store, const struct store_observation *observation, struct err *err)
{
    if (store_must_write(store, err) || check_observation(observation, err))
        return -1;
    struct str event = {(const char *)observation->event.bytes, sizeof observation->event.bytes};
    struct arena *arena = arena_new(0);
    int result = sql_run(&store->sql, SQL_OBSERVATION_PUT, err, "bttttit", event, observation->kind,
                         observation->customer, observation->entity,
                         text_fold_dup(arena, observation->entity), observation->time_ns, observation->body);
    arena_free(arena);
    if (result || sqlite3_changes(store->sql.db) == 0)
        return result;
    return store_keep(store, &store->observations, SQL_OBSERVATION_EVICT, err);
}

int store_retain_observations(struct store *store, int64_t before_ns, size_t max, size_t *deleted,
                              struct err *err)
{
    *deleted = 0;
    if (store_must_write(store, err) ||
        sql_run(&store->sql, SQL_OBSERVATION_TRIM, err, "ii", before_ns, (int64_t)max))
        return -1;
    *deleted = (size_t)sqlite3_changes(store->sql.db);
    store->observations.count -= *deleted;
    return 0;
}

static sqlite3_stmt *find_observations(struct store_reader *reader, const struct observation_query *query,
                                       struct arena *arena, struct err *err)
{
    int64_t since = query->since_ns ? query->since_ns : INT64_MIN;
    int64_t until = query->until_ns ? query->until_ns : INT64_MAX;
    int64_t limit = (int64_t)(query->limit < LIMIT_MAX ? query->limit : LIMIT_MAX);
    if (query->entity.len)
        return sql_query(&reader->sql, SQL_OBSERVATIONS_ENTITY, err, "tiiitt", query->kind, since, until,
                         limit, query->customer, text_fold_dup(arena, query->entity));
    if (query->customer.len)
        return sql_query(&reader->sql, SQL_OBSERVATIONS_OF, err, "tiiit", query->kind, since, until, limit,
                         query->customer);
    return sql_query(&reader->sql, SQL_OBSERVATIONS, err, "tiii", query->kind, since, until, limit);
}

static void put_observation(sqlite3_stmt *row, struct buf *out)
{
    struct str event = sql_blob(row, 4);
    char hex[2 * sizeof(struct id128) + 1] = "";
    if (event.len == sizeof(struct id128))
        id_hex(event.ptr, event.len, hex);
    buf_putc(out, '{');
    buf_json_kstr(out, "kind", sql_text(row, 0));
    buf_json_kstr(out, "customer_name", sql_text(row, 1));
    buf_json_kstr(out, "entity", sql_text(row, 2));
    buf_json_ktime(out, "time", sql_int(row, 3));
    buf_json_kstr(out, "event_id", str_from(hex));
    buf_json_key(out, "body");
    buf_put(out, sql_text(row, 5));
    buf_putc(out, '}');
}

int store_observations(struct store_reader *reader, const struct observation_query *query, struct buf *out,
                       struct err *err)
{
    if (query->entity.len > ENTITY_MAX)
        return err_set(err, ERR_LIMIT, "expected an entity of at most %d bytes, got %zu", ENTITY_MAX,
                       query->entity.len);
    if (reader_begin(reader, err))
        return -1;
    struct arena *arena = arena_new(0);
    sqlite3_stmt *rows = find_observations(reader, query, arena, err);
    int more = -1;
    bool first = true;
    buf_putc(out, '[');
    while (rows && (more = sql_step(&reader->sql, rows, err)) == 1) {
        if (!first)
            buf_putc(out, ',');
        first = false;
        put_observation(rows, out);
    }
    buf_putc(out, ']');
    reader_end(reader);
    arena_free(arena);
    return more;
}
