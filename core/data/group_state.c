#include <stdlib.h>

#include "base/id.h"
#include "data/group_shard.h"

/* A save is a run of records; a byte names the kind. */
enum record {
    RECORD_RESET = 1,  /* everything before is void */
    RECORD_RULE = 2,   /* the spec and the newest event: before the first group of the rule in a save */
    RECORD_GROUP = 3,  /* the entries that changed, or all */
    RECORD_DROP = 4,   /* the group is gone */
    RECORD_FORGET = 5, /* the rule is gone */
};

#define SAVED_FLAGS (WINDOW_EXCEPTED | WINDOW_ACCEPTED | WINDOW_OFFERED)

/* ---- saving ---- */

void group_entomb(struct group_shard *shard, const struct group *group)
{
    if (!group->saved)
        return;
    buf_put_u8(&shard->tombstones, RECORD_DROP);
    buf_put_u64(&shard->tombstones, group->rule->spec.state);
    buf_put_lstr(&shard->tombstones, group_key(group));
}

void group_entomb_rule(struct group_shard *shard, const struct group_rule *rule)
{
    if (!rule->saved)
        return;
    buf_put_u8(&shard->tombstones, RECORD_FORGET);
    buf_put_u64(&shard->tombstones, rule->spec.state);
}

static void put_rule(struct buf *out, const struct group_rule *rule)
{
    const struct group_spec *spec = &rule->spec;
    buf_put_u8(out, RECORD_RULE);
    buf_put_u64(out, spec->state);
    buf_put_u64(out, (uint64_t)spec->window_ns);
    buf_put_u64(out, (uint64_t)spec->late_ns);
    buf_put_u32(out, spec->count);
    buf_put_u8(out, spec->distinct);
    buf_put_u32(out, spec->groups);
    buf_put_u32(out, spec->times);
    buf_put_u64(out, (uint64_t)rule->newest_ns);
}

static void put_place(struct buf *out, const struct window_slot *slot)
{
    buf_put_u64(out, (uint64_t)slot->time_ns);
    buf_add(out, slot->body->id.bytes, sizeof(slot->body->id.bytes));
}

static void put_entry(struct buf *out, const struct window_slot *slot)
{
    struct group_entry entry;
    window_entry(slot, &entry);
    put_place(out, slot);
    buf_put_u8(out, (uint8_t)(slot->flags & SAVED_FLAGS));
    buf_put_lstr(out, entry.distinct);
    buf_put_lstr(out, entry.fields);
}

/* Entries leave a group from the oldest on, so that the oldest that is left says which have gone. */
static void put_group(struct buf *out, struct group *group, bool whole)
{
    struct window *w = &group->window;
    uint32_t n = 0;
    for (uint32_t i = 0; i < w->count; i++)
        n += whole || window_at(w, i)->flags & WINDOW_UNSAVED;
    buf_put_u8(out, RECORD_GROUP);
    buf_put_u64(out, group->rule->spec.state);
    buf_put_lstr(out, group_key(group));
    buf_put_u8(out, whole);
    buf_put_u64(out, (uint64_t)group->seen_ns);
    put_place(out, window_at(w, 0));
    buf_put_u32(out, n);
    for (uint32_t i = 0; i < w->count; i++) {
        struct window_slot *slot = window_at(w, i);
        if (whole || slot->flags & WINDOW_UNSAVED)
            put_entry(out, slot);
        slot->flags &= ~(uint32_t)WINDOW_UNSAVED;
    }
}

static void save_group(struct group_shard *shard, struct group *group, bool all, struct buf *out)
{
    if (group->rule->named != shard->saves)
        put_rule(out, group->rule);
    group->rule->named = shard->saves;
    group->rule->saved = true;
    put_group(out, group, all || !group->saved);
    group->saved = true;
}

static void save_all(struct group_shard *shard, struct buf *out)
{
    buf_put_u8(out, RECORD_RESET);
    size_t at = 0;
    for (struct group_rule *rule; (rule = group_table_next(&shard->rules, &at));) {
        for (struct group *group = rule->oldest; group; group = group->newer)
            save_group(shard, group, true, out);
    }
}

void group_save(struct group_shard *shard, bool all, struct buf *out)
{
    shard->saves++;
    if (all)
        save_all(shard, out);
    else if (shard->tombstones.len)
        buf_put(out, buf_str(&shard->tombstones));
    buf_free(&shard->tombstones);
    for (struct group *group = shard->dirty_first, *next; group; group = next) {
        next = group->dirty_next;
        if (!all)
            save_group(shard, group, false, out);
        group->dirty = false;
    }
    shard->dirty_first = shard->dirty_last = NULL;
}

/* ---- loading ---- */

struct loader {
    struct group_shard *shard;
    struct str at;
};

static bool get_i64(struct str *at, int64_t *v)
{
    uint64_t u;
    if (!str_get_u64(at, &u))
        return false;
    *v = (int64_t)u;
    return true;
}

static bool get_bool(struct str *at, bool *v)
{
    uint8_t u;
    if (!str_get_u8(at, &u) || u > 1)
        return false;
    *v = u;
    return true;
}

static bool get_id(struct str *at, struct id128 *id)
{
    if (at->len < sizeof(id->bytes))
        return false;
    memcpy(id->bytes, at->ptr, sizeof(id->bytes));
    *at = (struct str){at->ptr + sizeof(id->bytes), at->len - sizeof(id->bytes)};
    return true;
}

static bool load_rule(struct loader *l)
{
    struct group_spec spec;
    int64_t newest;
    if (!str_get_u64(&l->at, &spec.state) || !get_i64(&l->at, &spec.window_ns) ||
        !get_i64(&l->at, &spec.late_ns) || !str_get_u32(&l->at, &spec.count) ||
        !get_bool(&l->at, &spec.distinct) || !str_get_u32(&l->at, &spec.groups) ||
        !str_get_u32(&l->at, &spec.times) || !get_i64(&l->at, &newest))
        return false;
    if (spec.window_ns <= 0 || spec.late_ns < 0 || !spec.groups || !spec.count || spec.count > spec.times ||
        spec.times > GROUP_TIMES_MAX)
        return false;
    struct group_rule *rule = group_rule_get(l->shard, &spec);
    rule->saved = true;
    if (newest > rule->newest_ns)
        rule->newest_ns = newest;
    return true;
}

static bool load_entry(struct loader *l, struct group *group)
{
    struct group_entry entry = {0};
    uint8_t flags;
    if (!get_i64(&l->at, &entry.time_ns) || !get_id(&l->at, &entry.id) || !str_get_u8(&l->at, &flags) ||
        !str_get_lstr(&l->at, &entry.distinct) || !str_get_lstr(&l->at, &entry.fields))
        return false;
    if (flags & ~SAVED_FLAGS || entry.fields.len > GROUP_FIELDS_MAX || entry.distinct.len > GROUP_FIELDS_MAX)
        return false;
    struct window *w = &group->window;
    struct window_shape shape = group_shape(l->shard, group->rule);
    uint32_t position = window_position(w, entry.time_ns, &entry.id);
    if (window_holds(w, window_tag(&shape, &entry.id), &entry.id)) {
        if (position == w->count || id128_compare(&window_at(w, position)->body->id, &entry.id) != 0)
            return false;
        struct window_slot *slot = window_at(w, position);
        bool same = !((slot->flags ^ flags) & WINDOW_EXCEPTED);
        slot->flags = (slot->flags & WINDOW_EXCEPTED) | (flags & ~(uint32_t)WINDOW_EXCEPTED);
        return same;
    }
    if (w->count >= GROUP_TIMES_MAX)
        return false;
    window_insert(w, &shape, position, &entry, flags);
    return true;
}

/* The head of a group's record; drops what had gone from the group when it was saved. */
static struct group *load_group_head(struct loader *l, uint32_t *entries)
{
    uint64_t state;
    struct str key;
    bool whole;
    int64_t seen_ns, oldest_ns;
    struct id128 oldest;
    if (!str_get_u64(&l->at, &state) || !str_get_lstr(&l->at, &key) || !get_bool(&l->at, &whole) ||
        !get_i64(&l->at, &seen_ns) || !get_i64(&l->at, &oldest_ns) || !get_id(&l->at, &oldest) ||
        !str_get_u32(&l->at, entries))
        return NULL;
    struct group_rule *rule = group_rule_find(l->shard, state);
    if (!rule)
        return NULL;
    struct group *group = group_find(l->shard, rule, key);
    if (!group)
        group = group_add(l->shard, rule, key);
    else if (whole)
        window_free(&group->window);
    group->seen_ns = seen_ns;
    window_drop(&group->window, window_position(&group->window, oldest_ns, &oldest));
    return group;
}

static bool load_group(struct loader *l)
{
    uint32_t entries = 0;
    struct group *group = load_group_head(l, &entries);
    if (!group)
        return false;
    bool ok = true;
    while (ok && entries--)
        ok = load_entry(l, group);
    struct window *w = &group->window;
    if (!w->count) {
        group_drop(l->shard, group, false);
        return false;
    }
    struct window_shape shape = group_shape(l->shard, group->rule);
    window_seek(w, &shape, w->count - 1);
    group_touched(l->shard, group, 0);
    return ok;
}

static bool load_drop(struct loader *l)
{
    uint64_t state;
    struct str key;
    if (!str_get_u64(&l->at, &state) || !str_get_lstr(&l->at, &key))
        return false;
    struct group_rule *rule = group_rule_find(l->shard, state);
    struct group *group = rule ? group_find(l->shard, rule, key) : NULL;
    if (group)
        group_drop(l->shard, group, false);
    return true;
}

static bool load_forget(struct loader *l)
{
    uint64_t state;
    if (!str_get_u64(&l->at, &state))
        return false;
    struct group_rule *rule = group_rule_find(l->shard, state);
    if (rule)
        group_rule_drop(l->shard, rule);
    return true;
}

static void load_reset(struct loader *l)
{
    for (size_t at = 0; l->shard->rules.count; at = 0)
        group_rule_drop(l->shard, group_table_next(&l->shard->rules, &at));
}

static bool load_record(struct loader *l)
{
    uint8_t kind;
    if (!str_get_u8(&l->at, &kind))
        return false;
    switch (kind) {
    case RECORD_RESET:
        load_reset(l);
        return true;
    case RECORD_RULE:
        return load_rule(l);
    case RECORD_GROUP:
        return load_group(l);
    case RECORD_DROP:
        return load_drop(l);
    case RECORD_FORGET:
        return load_forget(l);
    default:
        return false;
    }
}

/* What was loaded is on disk: only later changes are to be saved. */
static void mark_saved(struct group_shard *shard)
{
    for (struct group *group = shard->dirty_first, *next; group; group = next) {
        next = group->dirty_next;
        group->dirty = false;
        group->saved = true;
    }
    shard->dirty_first = shard->dirty_last = NULL;
}

int group_load(struct group_shard *shard, struct str records, struct err *err)
{
    group_forget_answer(shard);
    struct loader l = {shard, records};
    bool ok = true;
    while (ok && l.at.len)
        ok = load_record(&l);
    mark_saved(shard);
    if (!ok)
        return err_set(err, ERR_CORRUPT, "group state: no valid record near byte %zu of %zu",
                       records.len - l.at.len, records.len);
    return 0;
}

/* ---- dumping ---- */

static int by_state(const void *a, const void *b)
{
    const struct group_rule *left = *(void *const *)a, *right = *(void *const *)b;
    return (left->spec.state > right->spec.state) - (left->spec.state < right->spec.state);
}

static int by_key(const void *a, const void *b)
{
    return str_compare(group_key(*(void *const *)a), group_key(*(void *const *)b));
}

/* All items of a table in the order of `compare`; the caller frees. */
static void **sorted(const struct group_table *table, int (*compare)(const void *, const void *))
{
    void **items = mem_alloc(table->count * sizeof(*items));
    size_t at = 0, n = 0;
    for (void *item; (item = group_table_next(table, &at));)
        items[n++] = item;
    if (n)
        qsort(items, n, sizeof(*items), compare);
    return items;
}

static void dump_group(const struct group *group, struct buf *out)
{
    buf_puts(out, " group ");
    buf_json_string(out, group_key(group));
    buf_putc(out, '\n');
    for (uint32_t i = 0; i < group->window.count; i++) {
        const struct window_slot *slot = window_at(&group->window, i);
        struct group_entry entry;
        window_entry(slot, &entry);
        char id[2 * sizeof(entry.id.bytes) + 1];
        id_hex(entry.id.bytes, sizeof(entry.id.bytes), id);
        buf_printf(out, "  %lld %s%s%s ", (long long)entry.time_ns, id, entry.excepted ? " excepted" : "",
                   slot->flags & WINDOW_ACCEPTED ? " fired" : "");
        buf_json_string(out, entry.distinct);
        buf_putc(out, ' ');
        buf_json_string(out, entry.fields);
        buf_putc(out, '\n');
    }
}

static void dump_rule(const struct group_rule *rule, struct buf *out)
{
    buf_printf(out, "rule %016llx\n", (unsigned long long)rule->spec.state);
    void **groups = sorted(&rule->groups, by_key);
    for (size_t i = 0; i < rule->groups.count; i++)
        dump_group(groups[i], out);
    free(groups);
}

void group_dump(const struct group_shard *shard, struct buf *out)
{
    void **rules = sorted(&shard->rules, by_state);
    for (size_t i = 0; i < shard->rules.count; i++) {
        const struct group_rule *rule = rules[i];
        if (rule->groups.count)
            dump_rule(rule, out);
    }
    free(rules);
}
