#include <stdlib.h>

#include "data/group_shard.h"

#define FAR_ONE 20 /* bits of a whole distance: finer than 1 / GROUP_TIMES_MAX */
#define STEPS   64 /* most that one call forgets: an event's cost stays bounded when a limit was lowered */

/* ---- who goes first ---- */

static struct group_rank rank_of(const struct group_shard *shard, const struct group *group)
{
    struct window_shape shape = group_shape(shard, group->rule);
    uint64_t count = group->rule->spec.count, number = window_number(&group->window, &shape);
    /* A share of the way, so that groups of different rules can be compared. */
    uint64_t far = number >= count ? 0 : ((count - number) << FAR_ONE) / count;
    return (struct group_rank){far, group->touch};
}

static void rank_rule(struct group_shard *shard, struct group_rule *rule)
{
    const struct group_heap_item *top = group_heap_top(&rule->heap);
    if (!top) {
        if (rule->ranked)
            group_heap_remove(&shard->heap, rule->place);
        rule->ranked = false;
    } else if (rule->ranked) {
        group_heap_move(&shard->heap, rule->place, top->rank);
    } else {
        group_heap_add(&shard->heap, top->rank, rule, &rule->place);
        rule->ranked = true;
    }
}

void group_rank(struct group_shard *shard, struct group *group)
{
    struct group_rank rank = rank_of(shard, group);
    struct group_heap *heap = &group->rule->heap;
    if (group->ranked)
        group_heap_move(heap, group->place, rank);
    else
        group_heap_add(heap, rank, group, &group->place);
    group->ranked = true;
    rank_rule(shard, group->rule);
}

static void unrank(struct group_shard *shard, struct group *group)
{
    if (!group->ranked)
        return;
    group_heap_remove(&group->rule->heap, group->place);
    group->ranked = false;
    rank_rule(shard, group->rule);
}

/* ---- forgetting ---- */

static void free_group(struct group_shard *shard, struct group *group)
{
    shard->bytes -= group->charged;
    shard->groups--;
    window_free(&group->window);
    free(group);
}

void group_drop(struct group_shard *shard, struct group *group, bool entombed)
{
    struct group_rule *rule = group->rule;
    if (entombed)
        group_entomb(shard, group);
    unrank(shard, group);
    group_unlink(shard, group);
    group_table_remove(&rule->groups, group->hash, group);
    free_group(shard, group);
}

void group_rule_drop(struct group_shard *shard, struct group_rule *rule)
{
    while (rule->oldest)
        group_drop(shard, rule->oldest, false); /* NOLINT(clang-analyzer-unix.Malloc): it is unlinked */
    group_table_remove(&shard->rules, rule->spec.state, rule);
    group_table_free(&rule->groups);
    group_heap_free(&rule->heap);
    shard->bytes -= sizeof(*rule);
    free(rule);
}

void group_retain(struct group_shard *shard, const uint64_t *states, size_t count)
{
    group_forget_answer(shard);
    VEC(struct group_rule *) gone = {0};
    size_t at = 0;
    for (struct group_rule *rule; (rule = group_table_next(&shard->rules, &at));) {
        size_t low = 0, high = count;
        while (low < high) {
            size_t middle = low + (high - low) / 2;
            if (states[middle] < rule->spec.state)
                low = middle + 1;
            else
                high = middle;
        }
        if (low == count || states[low] != rule->spec.state)
            vec_push(&gone, rule);
    }
    for (size_t i = 0; i < gone.count; i++) {
        group_entomb_rule(shard, gone.items[i]);
        group_rule_drop(shard, gone.items[i]);
    }
    vec_free(&gone);
}

static bool is_expired(const struct group *group)
{
    const struct group_spec *spec = &group->rule->spec;
    int64_t end = window_after(window_after(group->seen_ns, spec->window_ns), spec->late_ns);
    return window_after(end, GROUP_FUTURE_NS) < group->rule->newest_ns;
}

/* The oldest touched is the first to expire: what comes behind the first that has not need not be looked at.
 */
static size_t sweep_rule(struct group_shard *shard, struct group_rule *rule, const struct group *spared,
                         size_t max)
{
    size_t dropped = 0;
    /* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): what is dropped is unlinked */
    while (dropped < max && rule->oldest && rule->oldest != spared && is_expired(rule->oldest)) {
        group_drop(shard, rule->oldest, true);
        dropped++;
    }
    return dropped;
}

static size_t sweep(struct group_shard *shard, const struct group *spared, size_t max)
{
    size_t dropped = 0;
    for (size_t looked = 0, rules = shard->rules.count; looked < max && rules; rules--) {
        struct group_rule *rule = group_table_next(&shard->rules, &shard->swept);
        if (!rule) {
            shard->swept = 0;
            rule = group_table_next(&shard->rules, &shard->swept);
        }
        size_t n = sweep_rule(shard, rule, spared, max - looked);
        dropped += n;
        looked += n + 1;
    }
    return dropped;
}

size_t group_sweep(struct group_shard *shard, size_t max)
{
    group_forget_answer(shard);
    return sweep(shard, NULL, max);
}

void group_make_place(struct group_shard *shard, struct group_rule *rule, struct group_result *result)
{
    uint32_t limit = rule->spec.groups;
    if (rule->groups.count < limit)
        return;
    sweep_rule(shard, rule, NULL, STEPS);
    for (int step = 0; step < STEPS && rule->groups.count >= limit; step++) {
        /* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): what is dropped is off the heap */
        group_drop(shard, group_heap_top(&rule->heap)->node, true);
        result->evicted_groups++;
    }
}

static bool is_full(const struct group_shard *shard, size_t need)
{
    return shard->bytes + need > shard->budget;
}

void group_make_room(struct group_shard *shard, struct group *spared, size_t need,
                     struct group_result *result)
{
    if (!is_full(shard, need))
        return;
    sweep(shard, spared, STEPS);
    unrank(shard, spared);
    for (int step = 0; step < STEPS && is_full(shard, need) && shard->heap.items.count; step++) {
        struct group_rule *rule = group_heap_top(&shard->heap)->node;
        group_drop(shard, group_heap_top(&rule->heap)->node, true);
        result->evicted_groups++;
    }
    for (int step = 0; step < STEPS && is_full(shard, need) && spared->window.count; step++) {
        window_drop(&spared->window, 1);
        group_charge(shard, spared);
        result->evicted_times++;
    }
}
