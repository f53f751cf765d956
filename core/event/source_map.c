#include "event/source_map.h"

#include <stdlib.h>

#include "event/source_program.h"

bool source_as_named(struct str name, enum source_as *as)
{
    static const char *const names[] = {[AS_IP] = "ip",
                                        [AS_INTEGER] = "integer",
                                        [AS_NUMBER] = "number",
                                        [AS_BOOLEAN] = "boolean",
                                        [AS_STRING] = "string",
                                        [AS_LOWER] = "lower",
                                        [AS_TIMESTAMP] = "timestamp"};
    for (int i = AS_IP; i <= AS_TIMESTAMP; i++) {
        if (!str_is(name, names[i]))
            continue;
        *as = (enum source_as)i;
        return true;
    }
    return false;
}

static void index_free(struct source_index *index)
{
    free(index->set_of);
    free(index->sets);
    *index = (struct source_index){0};
}

struct source_map *source_map_new(struct fields *fields)
{
    struct source_map *map = mem_zalloc(1, sizeof(*map));
    map->fields = fields;
    map->arena = arena_new(0);
    return map;
}

void source_map_free(struct source_map *map)
{
    if (!map)
        return;
    for (size_t i = 0; i < map->steps.count; i++)
        map_free(map->steps.items[i].table, NULL);
    vec_free(&map->steps);
    vec_free(&map->mapped);
    index_free(&map->index);
    arena_free(map->arena);
    free(map);
}

/* The slot of a path that this map gives a value; each only once. */
static uint32_t intern_target(struct source_map *map, struct str path, struct err *err)
{
    uint32_t slot = fields_name(map->fields, path, err);
    for (size_t i = 0; slot != FIELD_NONE && i < map->mapped.count; i++) {
        if (map->mapped.items[i] != slot)
            continue;
        err_set(err, ERR_CONFLICT, "\"%.*s\" is mapped twice", STR_ARG(path));
        return FIELD_NONE;
    }
    if (slot != FIELD_NONE)
        vec_push(&map->mapped, slot);
    return slot;
}

static uint32_t *intern_from(struct source_map *map, const struct str *from, size_t count, struct err *err)
{
    if (count < 1 || count > SOURCE_FROM_MOST) {
        err_set(err, ERR_INVALID, "expected 1 to %d paths to read from, not %zu", SOURCE_FROM_MOST, count);
        return NULL;
    }
    uint32_t *slots = arena_alloc(map->arena, count * sizeof(*slots));
    for (size_t i = 0; i < count; i++) {
        slots[i] = fields_name(map->fields, from[i], err);
        if (slots[i] == FIELD_NONE)
            return NULL;
    }
    return slots;
}

static int add_step(struct source_map *map, struct source_step step)
{
    index_free(&map->index);
    for (size_t i = 0; i < step.from_count; i++)
        step.itself = step.itself || step.from[i] == step.slot;
    vec_push(&map->steps, step);
    return 0;
}

int source_map_field(struct source_map *map, const struct source_field *field, struct err *err)
{
    uint32_t *from = intern_from(map, field->from, field->from_count, err);
    if (!from)
        return -1;
    uint32_t slot = intern_target(map, field->path, err);
    if (slot == FIELD_NONE)
        return -1;
    if (!field->join && field->as == AS_RAW && field->from_count == 1 && from[0] == slot)
        return 0;
    return add_step(map, (struct source_step){.kind = field->join ? STEP_JOIN : STEP_FIRST,
                                              .as = (uint8_t)field->as,
                                              .from_count = (uint8_t)field->from_count,
                                              .slot = slot,
                                              .from = from});
}

/* long: a list counts as two */
int source_map_values(struct source_map *map, struct str path, struct str from, const struct str (*pairs)[2],
                      size_t count, struct err *err)
{
    uint32_t *from_slot = intern_from(map, &from, 1, err);
    if (!from_slot)
        return -1;
    uint32_t slot = intern_target(map, path, err);
    if (slot == FIELD_NONE)
        return -1;
    struct map *table = map_new();
    for (size_t i = 0; i < count; i++) {
        struct str *to = arena_alloc(map->arena, sizeof(*to));
        *to = arena_dup(map->arena, pairs[i][1]);
        if (!map_put(table, pairs[i][0], to))
            continue;
        map_free(table, NULL);
        return err_set(err, ERR_CONFLICT, "the value \"%.*s\" is mapped twice", STR_ARG(pairs[i][0]));
    }
    return add_step(
        map, (struct source_step){
                 .kind = STEP_VALUES, .from_count = 1, .slot = slot, .from = from_slot, .table = table});
}

int source_map_const(struct source_map *map, struct str path, const struct value *value, struct err *err)
{
    uint32_t slot = intern_target(map, path, err);
    if (slot == FIELD_NONE)
        return -1;
    struct value kept = *value;
    kept.text = arena_dup(map->arena, value->text);
    return add_step(map, (struct source_step){.kind = STEP_CONST, .slot = slot, .value = kept});
}

/* One "literal%{name}" of the pattern at *at; *more is false at the end, where only the tail is left. */
static int dissect_part(struct source_map *map, struct str pattern, size_t *at, struct source_step *step,
                        struct err *err)
{
    const char *begin = pattern.ptr + *at;
    size_t left = pattern.len - *at;
    const char *open = memmem(begin, left, "%{", 2);
    if (!open) {
        step->tail = arena_dup(map->arena, (struct str){begin, left});
        *at = pattern.len;
        return 0;
    }
    const char *close = memchr(open, '}', left - (size_t)(open - begin));
    if (!close)
        return err_set(err, ERR_INVALID, "expected '}' after \"%%{\" at offset %zu of the pattern",
                       (size_t)(open - pattern.ptr));
    if (step->part_count == SOURCE_DISSECT_MOST)
        return err_set(err, ERR_LIMIT, "a pattern has at most %d fields", SOURCE_DISSECT_MOST);
    if (step->part_count && open == begin)
        return err_set(err, ERR_INVALID, "expected text between two fields, at offset %zu of the pattern",
                       *at);
    struct source_dissect_part *part = &step->parts[step->part_count++];
    struct str name = {open + 2, (size_t)(close - open) - 2};
    part->before = arena_dup(map->arena, (struct str){begin, (size_t)(open - begin)});
    part->slot = FIELD_NONE;
    *at = (size_t)(close - pattern.ptr) + 1;
    if (name.len == 0 || name.ptr[0] == '?')
        return 0;
    part->slot = intern_target(map, name, err);
    return part->slot == FIELD_NONE ? -1 : 0;
}

int source_map_dissect(struct source_map *map, struct str from, struct str pattern, struct err *err)
{
    struct source_step step = {.kind = STEP_DISSECT, .from_count = 1, .slot = FIELD_NONE, .tail = STR("")};
    step.from = intern_from(map, &from, 1, err);
    if (!step.from)
        return -1;
    step.parts = arena_zalloc(map->arena, SOURCE_DISSECT_MOST * sizeof(*step.parts));
    for (size_t at = 0; at < pattern.len;)
        if (dissect_part(map, pattern, &at, &step, err) != 0)
            return -1;
    if (step.part_count == 0)
        return err_set(err, ERR_INVALID, "expected a pattern with at least one %%{field}");
    return add_step(map, step);
}

/* long: a list counts as two */
int source_map_time(struct source_map *map, const struct str *from, size_t count, enum time_format format,
                    bool accept, struct err *err)
{
    if (map->time_set)
        return err_set(err, ERR_CONFLICT, "the time is mapped twice");
    if (!accept) {
        map->time_from = intern_from(map, from, count, err);
        if (!map->time_from)
            return -1;
        map->time_from_count = count;
    }
    map->time_format = format;
    map->time_accept = accept;
    map->time_set = true;
    return 0;
}

static bool want(struct fields *fields, uint32_t slot)
{
    if (fields_wanted(fields, slot))
        return false;
    fields_intern(fields, fields_path(fields, slot), NULL);
    return true;
}

static bool step_is_read(const struct source_map *map, const struct source_step *step)
{
    if (step->kind != STEP_DISSECT)
        return fields_wanted(map->fields, step->slot);
    for (uint32_t i = 0; i < step->part_count; i++)
        if (step->parts[i].slot != FIELD_NONE && fields_wanted(map->fields, step->parts[i].slot))
            return true;
    return false;
}

static void index_step(struct source_index *index, const struct source_step *step, size_t number,
                       uint32_t *set_count)
{
    const uint64_t bit = UINT64_C(1) << number % 64;
    if (step->unread)
        return;
    if (step->from_count == 0)
        index->sets[number / 64] |= bit;
    for (uint32_t i = 0; i < step->from_count; i++) {
        uint16_t *set = &index->set_of[step->from[i]];
        if (*set == 0)
            *set = (uint16_t)(*set_count)++;
        index->sets[*set * (size_t)index->words + number / 64] |= bit;
    }
}

static void index_make(struct source_map *map)
{
    struct source_index *index = &map->index;
    uint32_t set_count = 1;
    size_t most = 1, words = (map->steps.count + 63) / 64;
    index_free(index);
    for (size_t i = 0; i < map->steps.count; i++)
        most += map->steps.items[i].from_count;
    if (words == 0 || words > SOURCE_INDEX_WORDS)
        return;
    index->words = (uint32_t)words;
    index->slot_count = (uint32_t)fields_count(map->fields);
    index->set_of = mem_zalloc(index->slot_count, sizeof(*index->set_of));
    index->sets = mem_zalloc(most * words, sizeof(*index->sets));
    for (size_t i = 0; i < map->steps.count; i++)
        index_step(index, &map->steps.items[i], i, &set_count);
}

bool source_map_settle(struct source_map *map)
{
    bool any = false;
    for (size_t i = 0; i < map->time_from_count; i++)
        any |= want(map->fields, map->time_from[i]);
    for (size_t i = 0; i < map->steps.count; i++) {
        struct source_step *step = &map->steps.items[i];
        step->unread = !step_is_read(map, step);
        for (uint32_t k = 0; !step->unread && k < step->from_count; k++)
            any |= want(map->fields, step->from[k]);
    }
    index_make(map);
    return any;
}
