#include "pipeline/verdicts.h"

#include <stdlib.h>

#include "base/map.h"

struct verdicts {
    struct map *counts; /* id of (customer, rule, entity) -> struct verdict_counts */
    size_t limit;
};

struct verdicts *verdicts_new(size_t limit)
{
    struct verdicts *verdicts = mem_zalloc(1, sizeof(*verdicts));
    verdicts->counts = map_new();
    verdicts->limit = limit;
    return verdicts;
}

void verdicts_free(struct verdicts *verdicts)
{
    if (verdicts == NULL)
        return;
    map_free(verdicts->counts, free);
    free(verdicts);
}

struct verdicts *verdicts_copy(const struct verdicts *verdicts)
{
    struct verdicts *copy = verdicts_new(verdicts->limit);
    struct str key;
    void *value;
    size_t at = 0;
    while (map_next(verdicts->counts, &at, &key, &value))
        map_put(copy->counts, key, mem_dup(value, sizeof(struct verdict_counts)));
    return copy;
}

static struct id128 key_of(struct str customer, struct str rule_id, struct str entity)
{
    return hash_id((struct str[]){customer, rule_id, entity}, 3);
}

static struct str key_text(const struct id128 *key)
{
    return (struct str){(const char *)key->bytes, sizeof(key->bytes)};
}

void verdicts_add(struct verdicts *verdicts, const struct verdict_step *step)
{
    struct id128 key = key_of(step->customer, step->rule_id, step->entity);
    struct verdict_counts *counts = map_get(verdicts->counts, key_text(&key));
    if (counts == NULL) {
        if (step->delta <= 0 || map_count(verdicts->counts) >= verdicts->limit)
            return;
        counts = mem_zalloc(1, sizeof(*counts));
        map_put(verdicts->counts, key_text(&key), counts);
    }
    int64_t sum = (int64_t)counts->of[step->verdict] + step->delta;
    counts->of[step->verdict] = sum < 0 ? 0 : sum > UINT32_MAX ? UINT32_MAX : (uint32_t)sum;
}

struct verdict_counts verdicts_of(const struct verdicts *verdicts, struct str customer, struct str rule_id,
                                  struct str entity)
{
    struct id128 key = key_of(customer, rule_id, entity);
    const struct verdict_counts *counts = verdicts ? map_get(verdicts->counts, key_text(&key)) : NULL;
    return counts ? *counts : (struct verdict_counts){0};
}

static size_t steps_for(const struct threat *threat, enum threat_verdict verdict, int delta,
                        struct verdict_step *steps)
{
    size_t count = 0;
    if (verdict == VERDICT_NONE)
        return 0;
    steps[count++] = (struct verdict_step){threat->customer, threat->rule_id, STR(""), verdict, delta};
    for (size_t i = 0; i < threat->entities.count && i < VERDICT_ENTITIES_MAX; i++)
        steps[count++] = (struct verdict_step){threat->customer, threat->rule_id, threat->entities.items[i],
                                               verdict, delta};
    return count;
}

size_t verdict_steps(const struct threat *threat, enum threat_verdict was, enum threat_verdict is,
                     struct verdict_step steps[VERDICT_STEPS_MAX])
{
    if (was == is)
        return 0;
    size_t count = steps_for(threat, was, -1, steps);
    return count + steps_for(threat, is, 1, steps + count);
}
