#include "pipeline/detect.h"

#include <stdio.h>

#define REVIEW_CUT_OFF "the event was built to match everything: verification was cut off"

void detect_match(struct detector *detector, struct batch *batch)
{
    for (uint32_t i = 0; i < batch->event_count; i++) {
        struct match_result hits = match_run(detector->set->matcher, detector->scratch, batch->events[i]);
        if (hits.cut_off)
            batch->events[i]->quality |= QUALITY_MATCH_LIMIT;
        for (size_t k = 0; k < hits.count; k++) {
            struct observation pair = {.event = i, .rule = hits.rules[k], .shard = SHARD_NONE};
            if (hits.cut_off)
                pair.review = STR(REVIEW_CUT_OFF);
            vec_push(&batch->observations, pair);
            ledger_count(&batch->delta, hits.rules[k], LEDGER_MATCHED, 1);
        }
    }
}

/* ---- keys ---- */

static size_t list_length(const struct event *event, uint32_t slot)
{
    size_t n = 0;
    for (const struct event_value *v = event_first(event, slot); v; v = event_next(event, v))
        n += v->value.type != VALUE_NULL;
    return n;
}

static struct str nth_value(const struct event *event, uint32_t slot, size_t n)
{
    for (const struct event_value *v = event_first(event, slot); v; v = event_next(event, v))
        if (v->value.type != VALUE_NULL && n-- == 0)
            return v->value.text;
    return (struct str){0};
}

/* How many groups the event belongs to: the product of its lists, capped; 0 when a field is missing. */
static size_t group_fan(const struct rule *rule, const struct event *event)
{
    size_t fan = 1;
    for (size_t i = 0; i < rule->group_by.count; i++) {
        fan *= list_length(event, rule->group_by.items[i]);
        if (fan > GROUPS_PER_PAIR_MAX)
            fan = GROUPS_PER_PAIR_MAX;
    }
    return fan;
}

static struct str group_key(struct arena *arena, const struct rule *rule, const struct event *event,
                            size_t nth)
{
    struct buf key = BUF_EMPTY;
    buf_put_lstr(&key, event->customer);
    for (size_t i = 0; i < rule->group_by.count; i++) {
        size_t length = list_length(event, rule->group_by.items[i]);
        buf_put_lstr(&key, nth_value(event, rule->group_by.items[i], nth % length));
        nth /= length;
    }
    struct str kept = arena_dup(arena, buf_str(&key));
    buf_free(&key);
    return kept;
}

struct str detect_key_text(struct arena *arena, struct str key)
{
    struct buf text = BUF_EMPTY;
    struct str part;
    str_get_lstr(&key, &part); /* the customer */
    for (bool first = true; str_get_lstr(&key, &part); first = false) {
        buf_puts(&text, first ? "" : ", ");
        buf_put(&text, part);
    }
    struct str kept = arena_dup(arena, buf_str(&text));
    buf_free(&text);
    return kept;
}

/* ---- route ---- */

static uint32_t shard_of(const struct detector *detector, const struct rule *rule, struct str key)
{
    uint8_t secret[16];
    memcpy(secret, detector->shard_key, sizeof(secret));
    for (unsigned i = 0; i < 8; i++)
        secret[i] ^= (uint8_t)(rule->group.state >> (8 * i));
    return (uint32_t)(hash_keyed(key, secret) % GROUP_SHARDS);
}

struct routing {
    struct detector *detector;
    struct batch *batch;
    VEC(struct observation) routed;
};

static void route_grouped(struct routing *r, struct observation pair)
{
    struct batch *batch = r->batch;
    const struct rule *rule = &batch->set->rules[pair.rule];
    const struct event *event = batch->events[pair.event];
    size_t fan = group_fan(rule, event);
    if (rule->group.distinct && event_text(event, rule->distinct).len == 0)
        fan = 0; /* nothing to count: as a missing `by` field */
    if (fan == 0) {
        ledger_count(&batch->delta, pair.rule, LEDGER_UNKEYED, 1);
        return;
    }
    ledger_count(&batch->delta, pair.rule, LEDGER_MATCHED, (int64_t)fan - 1);
    for (size_t i = 0; i < fan; i++) {
        pair.key = group_key(batch->arena, rule, event, i);
        pair.shard = shard_of(r->detector, rule, pair.key);
        vec_push(&r->routed, pair);
    }
}

static void route_pair(struct routing *r, struct observation pair)
{
    struct batch *batch = r->batch;
    const struct rule *rule = &batch->set->rules[pair.rule];
    struct pack_note note = {""};
    if (rule->callbacks & (1u << CALLBACK_FILTER)) {
        pack_begin(r->detector->pack, r->detector->parser, batch->arena);
        if (!pack_filter(r->detector->pack, pair.rule, batch->events[pair.event], &note)) {
            ledger_count(&batch->delta, pair.rule, LEDGER_FILTERED, 1);
            return;
        }
        if (note.reason[0])
            pair.review = arena_dup(batch->arena, str_from(note.reason));
    }
    if (rule->grouped)
        route_grouped(r, pair);
    else
        vec_push(&r->routed, pair);
}

void detect_route(struct detector *detector, struct batch *batch)
{
    struct routing r = {detector, batch, {0}};
    for (size_t i = 0; i < batch->observations.count; i++)
        route_pair(&r, batch->observations.items[i]);
    vec_free(&batch->observations);
    batch->observations.items = r.routed.items;
    batch->observations.count = r.routed.count;
    batch->observations.cap = r.routed.cap;
}
