/* What the writer stores: threats with their columns, members, notes, audit. */
#include "data/store_entities.h"

#include "base/json.h"
#include "base/text.h"

/* Text that `q` looks into, folded: title, summary, rule, entities, a line each. */
static void search_text(const struct threat *threat, struct buf *out)
{
    struct buf plain = BUF_EMPTY;
    buf_put(&plain, threat->title);
    buf_putc(&plain, '\n');
    buf_put(&plain, threat->rule_id);
    buf_putc(&plain, '\n');
    buf_put(&plain, threat->rule_title);
    for (size_t i = 0; i < threat->entities.count && plain.len < STORE_SEARCH_MAX; i++) {
        buf_putc(&plain, '\n');
        buf_put(&plain, threat->entities.items[i]);
    }
    buf_putc(&plain, '\n');
    buf_put(&plain, threat->summary);
    struct str text = {plain.ptr, plain.len < STORE_SEARCH_MAX ? plain.len : STORE_SEARCH_MAX};
    buf_clear(out);
    buf_grew(out, text_fold(text, buf_reserve(out, text_fold_max(text.len))));
    buf_free(&plain);
}

/* ---- threats ---- */

static int put_row(struct store *store, const struct threat *threat, int64_t cell, bool is_new,
                   struct err *err)
{
    int64_t seq = (int64_t)threat->seq;
    int64_t family = store_family(threat->rule_id, threat->customer, threat->dedup_key);
    if (sql_run(&store->sql, is_new ? SQL_THREAT_INSERT : SQL_THREAT_UPDATE, err, "iiiiiiiitt", seq, cell,
                threat->created_ns, threat->updated_ns, threat->anchor_ns, family, (int64_t)threat->demo,
                (int64_t)(threat->status == STATUS_RESOLVED), str_from(threat->id), threat->assignee))
        return -1;
    buf_clear(&store->packed);
    threat_pack(threat, &store->packed);
    search_text(threat, &store->text);
    return sql_run(&store->sql, is_new ? SQL_BODY_INSERT : SQL_BODY_UPDATE, err, "itb", seq,
                   buf_str(&store->text), buf_str(&store->packed));
}

static int put_new(struct store *store, const struct threat *threat, struct err *err)
{
    int64_t cell;
    if (counters_cell(store->counters, &store->sql, threat, &cell, err) ||
        put_row(store, threat, cell, true, err) || entities_add(store, threat, err))
        return -1;
    counters_add(store->counters, threat, cell, 1);
    return 0;
}

static int put_again(struct store *store, const struct threat *threat, struct err *err)
{
    int64_t old_cell, cell;
    int result = -1;
    struct threat *old = store_load_threat(store, str_from(threat->id), err);
    if (!old)
        return -1;
    if (old->seq != threat->seq) {
        err_set(err, ERR_INTERNAL, "threat %s was stored with seq %llu and comes with %llu", threat->id,
                (unsigned long long)old->seq, (unsigned long long)threat->seq);
        goto out;
    }
    if (counters_cell(store->counters, &store->sql, old, &old_cell, err) ||
        counters_cell(store->counters, &store->sql, threat, &cell, err) ||
        put_row(store, threat, cell, false, err) || entities_change(store, old, threat, err))
        goto out;
    counters_add(store->counters, old, old_cell, -1);
    counters_add(store->counters, threat, cell, 1);
    result = 0;
out:
    threat_free(old);
    return result;
}

int store_put_threat(struct store *store, const struct threat *threat, bool is_new, struct err *err)
{
    if (store_must_write(store, err))
        return -1;
    if (threat->seq == 0 || threat->last_seq < threat->seq || threat->last_seq > store->seq)
        return err_set(err, ERR_INTERNAL, "threat %s has seq %llu, last_seq %llu; the store stands at %llu",
                       threat->id, (unsigned long long)threat->seq, (unsigned long long)threat->last_seq,
                       (unsigned long long)store->seq);
    if (is_new ? put_new(store, threat, err) : put_again(store, threat, err))
        return -1;
    memcpy(store->put_id, threat->id, sizeof store->put_id);
    store->put_seq = (int64_t)threat->seq;
    return sql_run(&store->sql, SQL_CHANGE_PUT, err, "iii", (int64_t)threat->last_seq, (int64_t)threat->seq,
                   (int64_t)is_new);
}

/* ---- what hangs on a threat ---- */

int store_add_members(struct store *store, const char *threat_id, const struct id128 *ids, size_t count,
                      struct err *err)
{
    int64_t seq;
    if (store_must_write(store, err) || store_threat_seq(store, threat_id, &seq, err))
        return -1;
    for (size_t i = 0; i < count; i++) {
        struct str id = {(const char *)ids[i].bytes, sizeof ids[i].bytes};
        if (sql_run(&store->sql, SQL_MEMBER_PUT, err, "ib", seq, id))
            return -1;
    }
    return 0;
}

/* long: the columns of a note */
int store_add_note(struct store *store, const char *threat_id, int64_t now_ns, struct str author,
                   struct str text, struct str signature, int64_t *note_id, struct err *err)
{
    int64_t seq;
    if (text.len > STORE_NOTE_MAX)
        return err_set(err, ERR_LIMIT, "expected a note of at most %d bytes, got %zu", STORE_NOTE_MAX,
                       text.len);
    if (store_must_write(store, err) || store_threat_seq(store, threat_id, &seq, err) ||
        sql_run(&store->sql, SQL_NOTE_PUT, err, "iittt", seq, now_ns, author, text, signature))
        return -1;
    if (note_id)
        *note_id = sqlite3_last_insert_rowid(store->sql.db);
    return 0;
}

/* The detail is copied into answers as it is, so it must not break them. */
static int check_object(struct str text, struct err *err)
{
    struct json *json = json_parse(text, NULL, err);
    bool object = json && json_kind(json) == JSON_KIND_OBJECT;
    json_free(json);
    return object ? 0 : err_set(err, ERR_INVALID, "expected a JSON object as the detail of an audit record");
}

/* long: the columns of an audit record */
int store_audit(struct store *store, int64_t now_ns, struct str who, struct str action, struct str target,
                struct str detail_json, struct err *err)
{
    if (store_must_write(store, err) || (detail_json.len && check_object(detail_json, err)))
        return -1;
    return sql_run(&store->sql, SQL_AUDIT_PUT, err, "itttt", now_ns, who, action, target, detail_json);
}
