#include "event/source_map.h"
#include "event/source_program.h"

/* All steps read the record as it came. What they make is appended to the event's values but linked into no
 * chain; until it is, `next` holds the number of its step. */

struct apply {
    struct event *event;
    struct arena *arena;
    const struct source_step *step;
    uint32_t number; /* of the step */
};

static void give(struct apply *a, uint32_t slot, const struct value *value)
{
    struct event_value *made = event_chain_append(a->event, a->arena);
    if (!made)
        return;
    made->slot = slot;
    made->next = a->number;
    made->value = *value;
}

/* Another value of the event, under the step's path and `as`. */
static void give_copy(struct apply *a, uint32_t from)
{
    struct event_value *made = event_chain_append(a->event, a->arena);
    if (!made)
        return;
    made->slot = a->step->slot;
    made->next = a->number;
    made->value = a->event->values[from - 1].value;
    if (a->step->as != AS_RAW && !source_convert(a->step->as, a->arena, &made->value))
        a->event->quality |= QUALITY_CONVERT;
}

/* Index + 1 of the first value from `at` on that is not null, or 0. Indexes, because values move as they
 * grow.
 */
static uint32_t present_from(const struct event *event, uint32_t at)
{
    while (at && event->values[at - 1].value.type == VALUE_NULL)
        at = event->values[at - 1].next;
    return at;
}

static uint32_t first_present(const struct event *event, uint32_t slot)
{
    return present_from(event, event_chain_first(event, slot));
}

static void apply_first(struct apply *a)
{
    for (uint32_t i = 0; i < a->step->from_count; i++) {
        uint32_t at = event_chain_first(a->event, a->step->from[i]);
        if (!present_from(a->event, at))
            continue;
        for (; at; at = a->event->values[at - 1].next)
            give_copy(a, at);
        return;
    }
}

static void apply_join(struct apply *a)
{
    const struct source_step *step = a->step;
    struct str parts[SOURCE_FROM_MOST];
    size_t len = step->from_count - 1u;
    for (uint32_t i = 0; i < step->from_count; i++) {
        uint32_t at = first_present(a->event, step->from[i]);
        if (!at)
            return;
        parts[i] = a->event->values[at - 1].value.text;
        len += parts[i].len;
    }
    char *text = arena_alloc(a->arena, len), *end = text;
    for (uint32_t i = 0; i < step->from_count; i++) {
        if (i)
            *end++ = ':';
        memcpy(end, parts[i].ptr, parts[i].len);
        end += parts[i].len;
    }
    struct value joined = value_string((struct str){text, len});
    if (step->as != AS_RAW && !source_convert(step->as, a->arena, &joined))
        a->event->quality |= QUALITY_CONVERT;
    give(a, step->slot, &joined);
}

static void apply_values(struct apply *a)
{
    for (uint32_t at = event_chain_first(a->event, a->step->from[0]); at;
         at = a->event->values[at - 1].next) {
        struct value value = a->event->values[at - 1].value;
        const struct str *to = value.type == VALUE_NULL ? NULL : map_get(a->step->table, value.text);
        if (to)
            value = value_string(*to);
        else if (value.type != VALUE_NULL)
            a->event->quality |= QUALITY_VALUES;
        give(a, a->step->slot, &value);
    }
}

/* Cuts `text` into one piece a field. False when the pattern does not fit all of it. */
static bool cut(const struct source_step *step, struct str text, struct str *pieces)
{
    struct str rest = text;
    if (!str_starts(rest, step->parts[0].before) || !str_ends(rest, step->tail))
        return false;
    rest.ptr += step->parts[0].before.len;
    rest.len -= step->parts[0].before.len;
    for (uint32_t i = 0; i + 1 < step->part_count; i++) {
        struct str literal = step->parts[i + 1].before;
        const char *end = memmem(rest.ptr, rest.len, literal.ptr, literal.len);
        if (!end)
            return false;
        pieces[i] = (struct str){rest.ptr, (size_t)(end - rest.ptr)};
        rest.len -= pieces[i].len + literal.len;
        rest.ptr = end + literal.len;
    }
    if (rest.len < step->tail.len)
        return false;
    pieces[step->part_count - 1] = (struct str){rest.ptr, rest.len - step->tail.len};
    return true;
}

static void apply_dissect(struct apply *a)
{
    uint32_t at = first_present(a->event, a->step->from[0]);
    if (!at)
        return;
    struct str pieces[SOURCE_DISSECT_MOST];
    if (!cut(a->step, a->event->values[at - 1].value.text, pieces)) {
        a->event->quality |= QUALITY_DISSECT;
        return;
    }
    for (uint32_t i = 0; i < a->step->part_count; i++) {
        if (a->step->parts[i].slot == FIELD_NONE)
            continue;
        struct value value = value_string(pieces[i]);
        give(a, a->step->parts[i].slot, &value);
    }
}

static void apply_step(struct apply *a)
{
    switch ((enum source_step_kind)a->step->kind) {
    case STEP_FIRST:
        apply_first(a);
        break;
    case STEP_JOIN:
        apply_join(a);
        break;
    case STEP_VALUES:
        apply_values(a);
        break;
    case STEP_CONST:
        give(a, a->step->slot, &a->step->value);
        break;
    case STEP_DISSECT:
        apply_dissect(a);
        break;
    }
}

static void apply_number(struct apply *a, const struct source_map *map, uint32_t number)
{
    a->number = number;
    a->step = &map->steps.items[number];
    apply_step(a);
}

/* Set 0 is in *todo from the start, so that slots which no step reads need no question. */
static void collect_steps(const struct source_index *index, const struct event *event, uint64_t *todo)
{
    for (uint32_t i = 0; i < event->count; i++) {
        uint32_t slot = event->values[i].slot;
        uint32_t set = slot < index->slot_count ? index->set_of[slot] : 0;
        const uint64_t *steps = &index->sets[set * (size_t)index->words];
        for (uint32_t w = 0; w < index->words; w++)
            todo[w] |= steps[w];
    }
}

/* Every step, unless the index knows which ones have something to read. */
static void apply_steps(const struct source_map *map, struct apply *a, bool whole)
{
    const struct source_index *index = &map->index;
    uint64_t todo[SOURCE_INDEX_WORDS];
    if (whole || index->words == 0) {
        for (uint32_t i = 0; i < map->steps.count; i++)
            if (whole || !map->steps.items[i].unread)
                apply_number(a, map, i);
        return;
    }
    memcpy(todo, index->sets, index->words * sizeof(*todo));
    collect_steps(index, a->event, todo);
    for (uint32_t w = 0; w < index->words; w++)
        for (; todo[w]; todo[w] &= todo[w] - 1)
            apply_number(a, map, w * 64 + (uint32_t)__builtin_ctzll(todo[w]));
}

/* A mapped path wins over what the record brought under its name. */
static void link_made(const struct source_map *map, struct event *event, struct arena *arena, uint32_t begin)
{
    for (uint32_t i = begin; i < event->count; i++) {
        const struct source_step *step = &map->steps.items[event->values[i].next];
        uint32_t there = event_chain_first(event, event->values[i].slot);
        if (there && there <= begin) {
            event_clear(event, event->values[i].slot);
            bool itself = step->itself ||
                          (step->kind == STEP_DISSECT && step->from[0] == event->values[i].slot);
            event->quality |= itself ? 0u : QUALITY_SHADOWED;
        }
        event_chain_link(event, arena, i);
    }
}

/* What could be taken from the record, or QUALITY_TIME_MISSING or _INVALID. */
static unsigned read_time(const struct event *event, const uint32_t *from, size_t count,
                          enum time_format format, int64_t *ns)
{
    for (size_t i = 0; i < count; i++) {
        uint32_t at = first_present(event, from[i]);
        if (!at)
            continue;
        const struct value *value = &event->values[at - 1].value;
        bool good = value->type != VALUE_BOOL && time_parse(value->text, format, ns);
        return good ? 0 : QUALITY_TIME_INVALID;
    }
    return QUALITY_TIME_MISSING;
}

static void set_time(struct event *event, unsigned mark, int64_t ns)
{
    if (!mark && ns > event->accepted_ns + event_limits_default.future_ns)
        mark = QUALITY_TIME_FUTURE;
    event->time_ns = mark ? event->accepted_ns : ns;
    event->quality |= mark;
}

static void apply_map(const struct source_map *map, struct event *event, struct arena *arena, bool whole)
{
    static const uint32_t timestamp = FIELD_TIMESTAMP;
    bool own_time = map && map->time_set;
    int64_t ns = event->accepted_ns;
    unsigned mark = 0;
    event->map = map;
    if (own_time && !map->time_accept)
        mark = read_time(event, map->time_from, map->time_from_count, map->time_format, &ns);
    uint32_t begin = event->count;
    if (map) {
        struct apply a = {.event = event, .arena = arena};
        apply_steps(map, &a, whole);
        link_made(map, event, arena, begin);
    }
    if (!own_time)
        mark = read_time(event, &timestamp, 1, TIME_ANY, &ns);
    set_time(event, mark, ns);
}

void source_map_apply(const struct source_map *map, struct event *event, struct arena *arena)
{
    apply_map(map, event, arena, false);
}

void source_map_apply_whole(const struct source_map *map, struct event *event, struct arena *arena)
{
    apply_map(map, event, arena, true);
}
