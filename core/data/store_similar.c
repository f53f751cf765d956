/* Threats like a given one, of the same customer. Candidates come from the index of entities, its tail and
 * the cells of the rule; only they are unpacked and compared. Work is bounded at each step, because an entity
 * or a rule may have any number of threats. */
#include "data/store_entities.h"

#include <math.h>
#include <stdlib.h>

#include "base/text.h"

#define LIMIT_MAX      20
#define ENTITIES_LOOK  32  /* of the threat, whose threats are candidates */
#define ENTITY_ROWS    400 /* rows of one entity, of all customers */
#define CELLS_LOOK     128
#define CELL_ROWS      64
#define COMPARED_MAX   512
#define NOTES_SHOWN    3
#define NOTE_SHOWN_MAX 512 /* bytes */

#define WEIGHT_RULE     0.4
#define WEIGHT_TYPE     0.1
#define WEIGHT_ENTITIES 0.5

struct candidate {
    int64_t seq;
    int hits; /* entities in common, as far as seen */
    double similarity;
};

struct search {
    struct store_reader *reader;
    const struct threat *threat;
    struct arena *arena;
    struct map *own;   /* folded entities of the threat */
    struct map *known; /* seq -> its place in `candidates`, plus one */
    VEC(struct candidate) candidates;
    struct str look[ENTITIES_LOOK];
    size_t looks, entities;
};

static void search_start(struct search *search, struct store_reader *reader, const struct threat *threat)
{
    struct entity_name names[STORE_ENTITIES_MAX];
    *search = (struct search){
        .reader = reader, .threat = threat, .arena = arena_new(0), .own = map_new(), .known = map_new()};
    search->entities = entities_fold(threat, search->arena, names);
    for (size_t i = 0; i < search->entities; i++)
        map_put(search->own, names[i].folded, search);
    search->looks = search->entities < ENTITIES_LOOK ? search->entities : ENTITIES_LOOK;
    for (size_t i = 0; i < search->looks; i++)
        search->look[i] = names[i].folded;
}

static void search_end(struct search *search)
{
    vec_free(&search->candidates);
    map_free(search->own, NULL);
    map_free(search->known, NULL);
    arena_free(search->arena);
}

/* ---- candidates ---- */

static void add_candidate(struct search *search, int64_t seq, int hits)
{
    if (seq == (int64_t)search->threat->seq)
        return;
    struct str key = {(const char *)&seq, sizeof seq};
    size_t place = (size_t)(uintptr_t)map_get(search->known, key);
    if (place == 0) {
        vec_push(&search->candidates, ((struct candidate){.seq = seq}));
        place = search->candidates.count;
        map_put(search->known, key, (void *)(uintptr_t)place);
    }
    search->candidates.items[place - 1].hits += hits;
}

static bool is_comparable(const struct search *search, const struct cell *cell)
{
    return cell->known && !cell->hidden && str_equal(cell->customer, search->threat->customer);
}

static int find_by_entity(struct search *search, struct str entity, struct err *err)
{
    struct store_reader *reader = search->reader;
    sqlite3_stmt *rows = sql_query(&reader->sql, SQL_SIMILAR_ENTITY, err, "ti", entity, (int64_t)ENTITY_ROWS);
    int more = -1;
    while (rows && (more = sql_step(&reader->sql, rows, err)) == 1) {
        size_t cell = (size_t)sql_int(rows, 1);
        if (cell < reader->cells.count && is_comparable(search, &reader->cells.items[cell]))
            add_candidate(search, sql_int(rows, 0), 1);
    }
    return more;
}

static int hits_of(const struct search *search, struct str names, struct buf *scratch)
{
    struct str name;
    int hits = 0;
    for (int i = 0; i < ENTITIES_LOOK && str_get_lstr(&names, &name); i++) {
        buf_clear(scratch);
        buf_grew(scratch, text_fold(name, buf_reserve(scratch, text_fold_max(name.len))));
        hits += map_get(search->own, buf_str(scratch)) != NULL;
    }
    return hits;
}

static int find_in_tail(struct search *search, struct err *err)
{
    struct store_reader *reader = search->reader;
    struct buf scratch = BUF_EMPTY;
    sqlite3_stmt *rows = sql_query(&reader->sql, SQL_TAIL_ALL, err, "");
    int more = -1;
    while (rows && (more = sql_step(&reader->sql, rows, err)) == 1) {
        if (!sql_int(rows, 2) || !str_equal(sql_text(rows, 1), search->threat->customer))
            continue;
        int hits = hits_of(search, sql_blob(rows, 3), &scratch);
        if (hits)
            add_candidate(search, sql_int(rows, 0), hits);
    }
    buf_free(&scratch);
    return more;
}

static int find_in_cell(struct search *search, int64_t cell, struct err *err)
{
    sqlite3_stmt *rows = sql_query(&search->reader->sql, SQL_SCAN_CELL, err, "iiiiii", INT64_C(1), INT64_MAX,
                                   cell, INT64_MIN, INT64_MAX, (int64_t)CELL_ROWS);
    int more = -1;
    while (rows && (more = sql_step(&search->reader->sql, rows, err)) == 1)
        add_candidate(search, sql_int(rows, 0), 0);
    return more;
}

static int find_by_rule(struct search *search, struct err *err)
{
    const struct store_reader *reader = search->reader;
    int cells = 0;
    for (size_t i = 0; i < reader->cells.count && cells < CELLS_LOOK; i++) {
        const struct cell *cell = &reader->cells.items[i];
        if (!cell->count || !is_comparable(search, cell) || !str_equal(cell->rule, search->threat->rule_id))
            continue;
        cells++;
        if (find_in_cell(search, (int64_t)i, err))
            return -1;
    }
    return 0;
}

static int find_candidates(struct search *search, struct err *err)
{
    if (reader_cells(search->reader, err))
        return -1;
    for (size_t i = 0; i < search->looks; i++)
        if (find_by_entity(search, search->look[i], err))
            return -1;
    if (search->entities && find_in_tail(search, err))
        return -1;
    return find_by_rule(search, err);
}

static int by_hits(const void *a, const void *b)
{
    const struct candidate *x = a, *y = b;
    if (x->hits != y->hits)
        return x->hits > y->hits ? -1 : 1;
    return (x->seq < y->seq) - (x->seq > y->seq);
}

static int by_similarity(const void *a, const void *b)
{
    const struct candidate *x = a, *y = b;
    if (x->similarity > y->similarity || x->similarity < y->similarity)
        return x->similarity > y->similarity ? -1 : 1;
    return (x->seq < y->seq) - (x->seq > y->seq);
}

/* ---- comparison ---- */

static struct threat *load_body(struct store_reader *reader, int64_t seq, struct err *err)
{
    sqlite3_stmt *body = sql_query(&reader->sql, SQL_BODY_PACKED, err, "i", seq);
    int found = body ? sql_step(&reader->sql, body, err) : -1;
    if (found == 0)
        err_set(err, ERR_CORRUPT, "threat %lld has no body", (long long)seq);
    if (found != 1)
        return NULL;
    struct threat *threat = threat_unpack(sql_blob(body, 0), err);
    sql_end(body);
    return threat;
}

/* The entities of `other` that the threat has too; *count all that it has. */
static size_t shared_names(const struct search *search, const struct threat *other, struct str *shared,
                           size_t *count)
{
    struct entity_name names[STORE_ENTITIES_MAX];
    size_t found = 0;
    *count = entities_fold(other, other->arena, names);
    for (size_t i = 0; i < *count; i++)
        if (map_get(search->own, names[i].folded))
            shared[found++] = names[i].name;
    return found;
}

static double similarity(const struct search *search, const struct threat *other)
{
    struct str shared[STORE_ENTITIES_MAX];
    size_t count;
    size_t both = shared_names(search, other, shared, &count), all = search->entities + count - both;
    double sum = all ? WEIGHT_ENTITIES * (double)both / (double)all : 0;
    sum += str_equal(search->threat->rule_id, other->rule_id) ? WEIGHT_RULE : 0;
    sum += str_equal(search->threat->type, other->type) ? WEIGHT_TYPE : 0;
    return round(sum * 1000) / 1000;
}

static int compare_all(struct search *search, struct err *err)
{
    if (search->candidates.count == 0)
        return 0;
    qsort(search->candidates.items, search->candidates.count, sizeof *search->candidates.items, by_hits);
    if (search->candidates.count > COMPARED_MAX)
        search->candidates.count = COMPARED_MAX;
    for (size_t i = 0; i < search->candidates.count; i++) {
        struct threat *other = load_body(search->reader, search->candidates.items[i].seq, err);
        if (!other)
            return -1;
        search->candidates.items[i].similarity = similarity(search, other);
        threat_free(other);
    }
    qsort(search->candidates.items, search->candidates.count, sizeof *search->candidates.items,
          by_similarity);
    return 0;
}

/* ---- the answer ---- */

static int put_notes(struct store_reader *reader, int64_t seq, struct buf *out, struct err *err)
{
    sqlite3_stmt *rows = sql_query(&reader->sql, SQL_NOTES, err, "ii", seq, (int64_t)NOTES_SHOWN);
    int more = -1;
    bool first = true;
    buf_json_key(out, "notes");
    buf_putc(out, '[');
    while (rows && (more = sql_step(&reader->sql, rows, err)) == 1) {
        buf_puts(out, first ? "{" : ",{");
        first = false;
        buf_json_kstr(out, "author", sql_text(rows, 2));
        buf_json_ktime(out, "time", sql_int(rows, 1));
        buf_json_kstr(out, "text", store_cut(sql_text(rows, 3), NOTE_SHOWN_MAX));
        buf_putc(out, '}');
    }
    buf_putc(out, ']');
    return more;
}

static void put_verdict(const struct threat *other, struct buf *out)
{
    const char *verdict = threat_verdict_label(other->verdict);
    buf_json_key(out, "verdict");
    if (verdict)
        buf_json_string(out, str_from(verdict));
    else
        buf_puts(out, "null");
    buf_json_kstr(out, "verdict_reason", other->verdict_reason);
}

static void put_shared(const struct search *search, const struct threat *other, struct buf *out)
{
    struct str shared[STORE_ENTITIES_MAX];
    size_t count, found = shared_names(search, other, shared, &count);
    buf_json_key(out, "shared_entities");
    buf_putc(out, '[');
    for (size_t i = 0; i < found; i++) {
        if (i)
            buf_putc(out, ',');
        buf_json_string(out, shared[i]);
    }
    buf_putc(out, ']');
}

static int put_one(const struct search *search, const struct candidate *candidate, struct buf *out,
                   struct err *err)
{
    struct threat *other = load_body(search->reader, candidate->seq, err);
    if (!other)
        return -1;
    buf_putc(out, '{');
    buf_json_kstr(out, "id", str_from(other->id));
    buf_json_kstr(out, "title", other->title);
    buf_json_kstr(out, "rule_id", other->rule_id);
    buf_json_kstr(out, "threat_type", other->type);
    buf_json_kstr(out, "severity", str_from(severity_label(other->severity)));
    buf_json_kstr(out, "status", str_from(threat_status_label(other->status)));
    put_verdict(other, out);
    buf_json_ktime(out, "created_at", other->created_ns);
    buf_json_kdouble(out, "similarity", candidate->similarity);
    put_shared(search, other, out);
    int result = put_notes(search->reader, candidate->seq, out, err);
    buf_putc(out, '}');
    threat_free(other);
    return result;
}

static int put_best(const struct search *search, size_t limit, struct buf *out, struct err *err)
{
    limit = limit < LIMIT_MAX ? limit : LIMIT_MAX;
    buf_putc(out, '[');
    for (size_t i = 0; i < search->candidates.count && i < limit; i++) {
        if (i)
            buf_putc(out, ',');
        if (put_one(search, &search->candidates.items[i], out, err))
            return -1;
    }
    buf_putc(out, ']');
    return 0;
}

int store_similar(struct store_reader *reader, struct str threat_id, struct str customer, size_t limit,
                  struct buf *out, struct err *err)
{
    struct search search;
    int result = -1;
    if (reader_begin(reader, err))
        return -1;
    struct threat *threat = reader_load_threat(reader, threat_id, customer, err);
    if (threat) {
        search_start(&search, reader, threat);
        result = find_candidates(&search, err) || compare_all(&search, err) ||
                         put_best(&search, limit, out, err)
                     ? -1
                     : 0;
        search_end(&search);
    }
    reader_end(reader);
    threat_free(threat);
    return result;
}
