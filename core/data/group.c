#include "data/group.h"

#include <stdlib.h>

#include "base/id.h"
#include "data/group_shard.h"

#define GROUP_COST 96 /* heap item, table slot and allocator beside the struct itself, roughly */

struct group_shard *group_shard_new(size_t budget)
{
    struct group_shard *shard = mem_zalloc(1, sizeof(*shard));
    shard->budget = budget;
    id_random(shard->secret, sizeof(shard->secret));
    return shard;
}

void group_shard_free(struct group_shard *shard)
{
    if (!shard)
        return;
    for (size_t at = 0; shard->rules.count; at = 0)
        group_rule_drop(shard, group_table_next(&shard->rules, &at));
    group_heap_free(&shard->heap);
    buf_free(&shard->tombstones);
    vec_free(&shard->candidates);
    vec_free(&shard->positions);
    free(shard);
}

size_t group_bytes(const struct group_shard *shard)
{
    return shard->bytes;
}

size_t group_count(const struct group_shard *shard)
{
    return shard->groups;
}

/* ---- rules and groups ---- */

static bool same_rule(const void *item, const void *key)
{
    const struct group_rule *rule = item;
    return rule->spec.state == *(const uint64_t *)key;
}

struct group_rule *group_rule_find(const struct group_shard *shard, uint64_t state)
{
    return group_table_find(&shard->rules, state, same_rule, &state);
}

struct group_rule *group_rule_get(struct group_shard *shard, const struct group_spec *spec)
{
    struct group_rule *rule = group_rule_find(shard, spec->state);
    if (!rule) {
        rule = mem_zalloc(1, sizeof(*rule));
        rule->newest_ns = INT64_MIN;
        rule->spec.state = spec->state;
        group_table_add(&shard->rules, spec->state, rule);
        shard->bytes += sizeof(*rule);
    }
    rule->spec = *spec;
    return rule;
}

static bool same_group(const void *item, const void *key)
{
    return str_equal(group_key(item), *(const struct str *)key);
}

struct group *group_find(const struct group_shard *shard, const struct group_rule *rule, struct str key)
{
    return group_table_find(&rule->groups, hash_keyed(key, shard->secret), same_group, &key);
}

static void link_newest(struct group *group)
{
    struct group_rule *rule = group->rule;
    group->older = rule->newest;
    group->newer = NULL;
    *(rule->newest ? &rule->newest->newer : &rule->oldest) = group;
    rule->newest = group;
}

static void unlink_touched(struct group *group)
{
    struct group_rule *rule = group->rule;
    *(group->older ? &group->older->newer : &rule->oldest) = group->newer;
    *(group->newer ? &group->newer->older : &rule->newest) = group->older;
}

struct group *group_add(struct group_shard *shard, struct group_rule *rule, struct str key)
{
    struct group *group = mem_zalloc(1, sizeof(*group) + key.len);
    group->rule = rule;
    group->hash = hash_keyed(key, shard->secret);
    group->key_len = (uint32_t)key.len;
    if (key.len)
        memcpy(group->key, key.ptr, key.len);
    group_table_add(&rule->groups, group->hash, group);
    link_newest(group);
    shard->groups++;
    group_charge(shard, group);
    return group;
}

void group_charge(struct group_shard *shard, struct group *group)
{
    size_t bytes = sizeof(*group) + group->key_len + GROUP_COST + window_bytes(&group->window);
    shard->bytes += bytes - group->charged;
    group->charged = bytes;
}

static void link_dirty(struct group_shard *shard, struct group *group)
{
    group->dirty = true;
    group->dirty_before = shard->dirty_last;
    group->dirty_next = NULL;
    *(shard->dirty_last ? &shard->dirty_last->dirty_next : &shard->dirty_first) = group;
    shard->dirty_last = group;
}

static void unlink_dirty(struct group_shard *shard, struct group *group)
{
    *(group->dirty_before ? &group->dirty_before->dirty_next : &shard->dirty_first) = group->dirty_next;
    *(group->dirty_next ? &group->dirty_next->dirty_before : &shard->dirty_last) = group->dirty_before;
    group->dirty = false;
}

void group_unlink(struct group_shard *shard, struct group *group)
{
    unlink_touched(group);
    if (group->dirty)
        unlink_dirty(shard, group);
}

void group_touched(struct group_shard *shard, struct group *group, uint64_t touch)
{
    /* Strictly rising, whatever clock the caller has: "least recently touched" never has ties. */
    shard->touch = group->touch = touch > shard->touch ? touch : shard->touch + 1;
    group_unlink(shard, group);
    link_newest(group);
    link_dirty(shard, group);
    group_rank(shard, group);
    group_charge(shard, group);
}

/* ---- one event ---- */

void group_forget_answer(struct group_shard *shard)
{
    shard->answered = NULL;
    shard->candidates.count = shard->positions.count = 0;
}

struct arrival {
    struct group_shard *shard;
    struct group_rule *rule;
    struct group *group;
    const struct group_entry *entry;
    struct window_shape shape;
    struct group_result result;
};

/* What does not change the group: an id it holds, or a time it has left behind. */
static bool is_refused(struct arrival *a)
{
    struct window *w = &a->group->window;
    const struct group_spec *spec = &a->rule->spec;
    if (!w->count)
        return false;
    if (window_holds(w, window_tag(&a->shape, &a->entry->id), &a->entry->id)) {
        a->result.outcome = GROUP_REPEATED;
        return true;
    }
    int64_t horizon = window_before(window_before(window_at(w, w->count - 1)->time_ns, spec->window_ns),
                                    spec->late_ns);
    if (a->entry->time_ns <= horizon) {
        a->result.outcome = GROUP_LATE;
        return true;
    }
    /* Oldest times go first, and the oldest is the one that arrives. */
    if (w->count >= spec->times && window_position(w, a->entry->time_ns, &a->entry->id) == 0) {
        a->result.outcome = GROUP_LATE;
        a->result.evicted_times = 1;
        return true;
    }
    return false;
}

/* Drops what no later arrival can complete any more, then what is over the limit. */
static void trim(struct arrival *a)
{
    struct window *w = &a->group->window;
    const struct group_spec *spec = &a->rule->spec;
    if (!w->count)
        return;
    int64_t newest = window_at(w, w->count - 1)->time_ns;
    if (a->entry->time_ns > newest)
        newest = a->entry->time_ns;
    int64_t horizon = window_before(window_before(newest, spec->window_ns), spec->late_ns);
    uint32_t drop = 0;
    while (drop < w->count && window_at(w, drop)->time_ns <= horizon)
        drop++;
    window_drop(w, drop);
    if (w->count >= spec->times) {
        uint32_t over = w->count - spec->times + 1;
        window_drop(w, over);
        a->result.evicted_times += over;
    }
}

static void offer(struct arrival *a, uint32_t position, bool arrived)
{
    struct group_shard *shard = a->shard;
    struct window *w = &a->group->window;
    struct window_slot *slot = window_at(w, position);
    struct group_candidate candidate = {
        .count = window_number(w, &a->shape),
        .first_ns = window_at(w, w->lo)->time_ns,
        .last_ns = slot->time_ns,
        .all_excepted = w->excepted == w->end - w->lo,
        .arrived = arrived,
        .seen = slot->flags & WINDOW_OFFERED,
        .index = (uint32_t)shard->candidates.count,
    };
    window_entry(slot, &candidate.entry);
    slot->flags |= WINDOW_OFFERED | WINDOW_UNSAVED;
    vec_push(&shard->candidates, candidate);
    vec_push(&shard->positions, position);
    if (arrived)
        a->result.outcome = GROUP_FIRED;
}

/* The new entry lies in the windows of itself and of those less than a window behind it: only these can have
 * become complete. */
static void examine(struct arrival *a, uint32_t position)
{
    struct window *w = &a->group->window;
    const struct group_spec *spec = &a->rule->spec;
    int64_t end = window_after(a->entry->time_ns, spec->window_ns);
    uint32_t k = position > spec->count - 1 ? position : spec->count - 1;
    for (; k < w->count && window_at(w, k)->time_ns < end; k++) {
        struct window_slot *slot = window_at(w, k);
        if (slot->flags & WINDOW_ACCEPTED)
            continue;
        if (window_at(w, k + 1 - spec->count)->time_ns <= window_before(slot->time_ns, spec->window_ns))
            continue;
        window_seek(w, &a->shape, k);
        if (window_number(w, &a->shape) >= spec->count)
            offer(a, k, k == position);
    }
    window_seek(w, &a->shape, w->count - 1);
}

static void take_in(struct arrival *a)
{
    struct window *w = &a->group->window;
    struct group_rule *rule = a->rule;
    trim(a);
    uint32_t position = window_position(w, a->entry->time_ns, &a->entry->id);
    window_insert(w, &a->shape, position, a->entry, WINDOW_UNSAVED);
    examine(a, position);
    if (a->entry->time_ns > rule->newest_ns)
        rule->newest_ns = a->entry->time_ns;
    a->group->seen_ns = rule->newest_ns;
}

struct group_result group_observe(struct group_shard *shard, const struct group_spec *spec, struct str key,
                                  const struct group_entry *entry, int64_t now_ns)
{
    INVARIANT(spec->window_ns > 0 && spec->late_ns >= 0 && spec->groups && spec->count &&
              spec->count <= spec->times && spec->times <= GROUP_TIMES_MAX);
    group_forget_answer(shard);
    struct group_rule *rule = group_rule_get(shard, spec);
    struct arrival a = {shard, rule, group_find(shard, rule, key), entry, group_shape(shard, rule), {0}};
    if (a.group && is_refused(&a))
        return a.result;
    if (!a.group) {
        group_make_place(shard, rule, &a.result);
        a.group = group_add(shard, rule, key);
    }
    group_make_room(shard, a.group, window_need(entry), &a.result);
    take_in(&a);
    group_touched(shard, a.group, now_ns > 0 ? (uint64_t)now_ns : 0);
    shard->answered = a.group;
    a.result.candidates = shard->candidates.items;
    a.result.count = shard->candidates.count;
    return a.result;
}

static struct window_slot *candidate_slot(struct group_shard *shard, uint32_t index)
{
    INVARIANT(shard->answered && index < shard->positions.count);
    return window_at(&shard->answered->window, shard->positions.items[index]);
}

void group_accept(struct group_shard *shard, uint32_t candidate_index)
{
    candidate_slot(shard, candidate_index)->flags |= WINDOW_ACCEPTED | WINDOW_UNSAVED;
}

size_t group_values(struct group_shard *shard, uint32_t candidate_index, struct str *values, size_t max)
{
    int64_t time_ns = candidate_slot(shard, candidate_index)->time_ns;
    struct group *group = shard->answered;
    struct window *w = &group->window;
    uint32_t to = shard->positions.items[candidate_index], from = to;
    int64_t after = window_before(time_ns, group->rule->spec.window_ns);
    while (from > 0 && window_at(w, from - 1)->time_ns > after)
        from--;
    return window_values(w, from, to, ++shard->mark, values, max);
}
