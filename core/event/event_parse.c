#include <stdlib.h>

#include "base/json_tape.h"
#include "event/event_chain.h"
#include "event/event_scan.h"
#include "event/source_map.h"

#define ROOM_FOR_MAP   16  /* values that a source map usually adds */
#define STRINGS_SPARSE 512 /* bytes copied besides what is taken over, for one copy instead of many */

struct event_parser {
    struct event_limits limits;
    struct json_tape *tape;
    struct event_value *scratch; /* `limits.fields` values */
    struct buf room;             /* for strings without their escapes */
    const struct event *held;    /* what lookups are expected for, or NULL */
    struct event *whole;         /* `held`, parsed and mapped in whole; NULL: not yet */
    bool tape_is_held;           /* the tape is that of held->json */
};

struct event_parser *event_parser_new(const struct event_limits *limits)
{
    struct event_parser *parser = mem_zalloc(1, sizeof(*parser));
    parser->limits = limits ? *limits : event_limits_default;
    parser->tape = json_tape_new(parser->limits.size, parser->limits.depth);
    parser->scratch = mem_alloc(parser->limits.fields * sizeof(*parser->scratch));
    return parser;
}

void event_parser_free(struct event_parser *parser)
{
    if (!parser)
        return;
    json_tape_free(parser->tape);
    buf_free(&parser->room);
    free(parser->scratch);
    free(parser);
}

void event_parser_hold(struct event_parser *parser, const struct event *event)
{
    parser->held = event;
    parser->whole = NULL;
    parser->tape_is_held = false;
}

struct walk {
    struct json_cursor c;
    const struct fields *fields;
    const struct fields_view *view; /* what is taken over: what is read, or everything that has a name */
    struct arena *arena;
    struct event_value *values;
    uint32_t count;
    size_t string_bytes; /* of the strings taken over; in the tape they stand in order: */
    const char *strings_begin, *strings_end;
    unsigned leaves_left;
    bool counting; /* the record is so long that it may hold too many leaves */
    bool full;
};

/* A string still lies in the tape, which the next record overwrites. */
static struct value read_scalar(const struct walk *w, size_t at)
{
    switch (json_at(w->c, at)) {
    case JSON_STRING:
        return value_string(json_string(w->c, at));
    case JSON_INT:
        return value_int(w->arena, json_int(w->c, at));
    case JSON_UINT:
        return value_uint(w->arena, json_uint(w->c, at));
    case JSON_DOUBLE:
        return value_double(w->arena, json_double(w->c, at));
    case JSON_TRUE:
    case JSON_FALSE:
        return value_bool(json_at(w->c, at) == JSON_TRUE);
    default:
        return value_null();
    }
}

/* False when this leaf is one too many. */
static bool count_leaf(struct walk *w)
{
    if (!w->counting)
        return true;
    if (w->leaves_left == 0) {
        w->full = true;
        return false;
    }
    w->leaves_left--;
    return true;
}

/* Counts the leaves of a value that nobody asked for: whether a record is too long must not depend on what
 * the rules name. */
static void count_leaves(struct walk *w, size_t at)
{
    enum json_type type = json_at(w->c, at);
    if (type != JSON_OBJECT && type != JSON_ARRAY) {
        count_leaf(w);
        return;
    }
    size_t end = json_end(w->c, at);
    for (size_t i = json_enter(w->c, at); i < end && !w->full; i = json_skip(w->c, i)) {
        i += type == JSON_OBJECT;
        count_leaves(w, i);
    }
}

static void take_leaf(struct walk *w, size_t at, uint32_t slot)
{
    if (!count_leaf(w) || slot == FIELD_NONE)
        return;
    struct event_value *value = &w->values[w->count++];
    value->slot = slot;
    value->value = read_scalar(w, at);
    if (value->value.type == VALUE_STRING) {
        struct str text = value->value.text;
        w->string_bytes += text.len;
        w->strings_begin = w->strings_begin ? w->strings_begin : text.ptr;
        w->strings_end = text.ptr + text.len;
    }
}

/* Called back by walk_value; the tape's depth bounds the recursion. */
static void walk_object(struct walk *w, size_t at, uint32_t node);

static void walk_value(struct walk *w, size_t at, uint32_t node)
{
    const struct fields_node *here = &w->view->nodes.items[node];
    switch (json_at(w->c, at)) {
    case JSON_OBJECT:
        if (here->inner)
            walk_object(w, at, node);
        else if (w->counting)
            count_leaves(w, at);
        break;
    case JSON_ARRAY: {
        size_t end = json_end(w->c, at);
        for (size_t i = json_enter(w->c, at); i < end && !w->full; i = json_skip(w->c, i))
            walk_value(w, i, node);
        break;
    }
    default:
        take_leaf(w, at, here->slot);
    }
}

static void walk_object(struct walk *w, size_t at, uint32_t node)
{
    size_t end = json_end(w->c, at);
    for (size_t i = json_enter(w->c, at); i < end && !w->full; i = json_skip(w->c, i)) {
        struct str key = json_string(w->c, i);
        uint32_t child = fields_descend(w->fields, w->view, node, key);
        i++;
        if (child != FIELD_NONE)
            walk_value(w, i, child);
        else if (w->counting)
            count_leaves(w, i);
    }
}

static uint32_t quality_of_repairs(unsigned repairs)
{
    return (repairs & JSON_REPAIR_NUMBER ? QUALITY_NUMBER : 0u) |
           (repairs & JSON_REPAIR_SURROGATE ? QUALITY_SURROGATE : 0u) |
           (repairs & JSON_REPAIR_UTF8 ? QUALITY_UTF8 : 0u);
}

/* One copy of the stretch of the tape that holds them all; where most of it would be other strings, one copy
 * each. */
static void keep_strings(const struct walk *w)
{
    size_t span = (size_t)(w->strings_end - w->strings_begin);
    bool together = span <= STRINGS_SPARSE + 4 * w->string_bytes;
    char *kept = arena_alloc(w->arena, together ? span : w->string_bytes);
    if (together && span)
        memcpy(kept, w->strings_begin, span);
    for (uint32_t i = 0; i < w->count; i++) {
        struct value *value = &w->values[i].value;
        if (value->type != VALUE_STRING)
            continue;
        if (together) {
            value->text.ptr = kept + (value->text.ptr - w->strings_begin);
            continue;
        }
        memcpy(kept, value->text.ptr, value->text.len);
        value->text.ptr = kept;
        kept += value->text.len;
    }
}

static struct event *event_of_walk(const struct walk *w)
{
    struct event *event = event_chain_new(w->arena, w->fields, w->count + ROOM_FOR_MAP);
    if (w->strings_begin)
        keep_strings(w);
    memcpy(event->values, w->values, w->count * sizeof(*event->values));
    event->count = w->count;
    for (uint32_t i = 0; i < w->count; i++)
        event_chain_link(event, w->arena, i);
    return event;
}

struct source_text {
    const struct fields *fields;
    const struct fields_view *view;
    struct str json;
};

static int parse_view(struct event_parser *parser, const struct source_text *text, struct arena *arena,
                      struct event **event, struct err *err)
{
    unsigned repairs;
    if (json_tape_parse(parser->tape, text->json, &repairs, err) != 0)
        return -1;
    struct json_cursor c = json_tape_cursor(parser->tape);
    size_t root = json_tape_root();
    if (json_at(c, root) != JSON_OBJECT)
        return err_set(err, ERR_INVALID, "expected a JSON object");
    struct walk w = {.c = c,
                     .fields = text->fields,
                     .view = text->view,
                     .arena = arena,
                     .values = parser->scratch,
                     .leaves_left = parser->limits.fields,
                     .counting = json_end(c, root) > parser->limits.fields};
    walk_object(&w, root, FIELDS_ROOT);
    *event = event_of_walk(&w);
    (*event)->json = text->json;
    (*event)->quality = quality_of_repairs(repairs) | (w.full ? QUALITY_TRUNCATED : 0u);
    return 0;
}

/* What has no escapes stays in the record's text; the rest is kept in one piece. */
static struct event *event_of_scan(const struct event_scan *scan, const char *room)
{
    uint32_t count = (uint32_t)(scan->next - scan->values);
    struct event *event = event_chain_new(scan->arena, scan->fields, count + ROOM_FOR_MAP);
    size_t used = (size_t)(scan->json.room - room);
    char *kept = used ? arena_alloc(scan->arena, used) : NULL;
    if (used)
        memcpy(kept, room, used);
    event->count = count;
    for (uint32_t i = 0; i < count; i++) {
        event->values[i] = scan->values[i];
        struct value *value = &event->values[i].value;
        uintptr_t offset = (uintptr_t)value->text.ptr - (uintptr_t)room;
        if (offset < used)
            value->text.ptr = kept + offset;
        event_chain_link(event, scan->arena, i);
    }
    return event;
}

/* Plain records, which is nearly all. NULL: the tape is needed. */
static struct event *scan_view(struct event_parser *parser, const struct source_text *text,
                               struct arena *arena)
{
    struct event_scan scan = {
        .fields = text->fields, .view = text->view, .arena = arena, .values = parser->scratch};
    if (text->json.len > parser->limits.size)
        return NULL;
    char *room = buf_reserve(&parser->room, text->json.len + JSON_TAPE_PADDING);
    if (!json_scan_begin(&scan.json, parser->tape, text->json, room) ||
        (size_t)(scan.json.last - scan.json.first) / 2 > parser->limits.fields || !event_scan(&scan))
        return NULL;
    struct event *event = event_of_scan(&scan, room);
    event->json = text->json;
    return event;
}

/* long: the hot call; a struct of arguments would be filled for each event */
int event_parse(struct event_parser *parser, const struct fields *fields, struct str json,
                struct arena *arena, struct event **event, struct err *err)
{
    struct source_text text = {fields, fields_seen(fields), json};
    event_parser_hold(parser, NULL);
    *event = scan_view(parser, &text, arena);
    return *event ? 0 : parse_view(parser, &text, arena, event, err);
}

struct lookup {
    struct walk walk; /* to read scalars with */
    struct value *out;
    size_t max, found;
};

/* `path` is what remains of it, empty at a value that it names in full. */
static void look_in(struct lookup *l, size_t at, struct str path);

static void look_in_object(struct lookup *l, size_t at, struct str path)
{
    struct json_cursor c = l->walk.c;
    for (size_t i = json_enter(c, at); i < json_end(c, at); i = json_skip(c, i)) {
        struct str key = json_string(c, i);
        i++;
        if (!str_starts(path, key))
            continue;
        struct str rest = {path.ptr + key.len, path.len - key.len};
        if (rest.len == 0)
            look_in(l, i, rest);
        else if (rest.ptr[0] == '.' && rest.len > 1)
            look_in(l, i, (struct str){rest.ptr + 1, rest.len - 1});
    }
}

static void look_in(struct lookup *l, size_t at, struct str path)
{
    struct json_cursor c = l->walk.c;
    switch (json_at(c, at)) {
    case JSON_OBJECT:
        if (path.len)
            look_in_object(l, at, path);
        break;
    case JSON_ARRAY:
        for (size_t i = json_enter(c, at); i < json_end(c, at); i = json_skip(c, i))
            look_in(l, i, path);
        break;
    default:
        if (path.len)
            break;
        if (l->found < l->max) {
            l->out[l->found] = read_scalar(&l->walk, at);
            l->out[l->found].text = arena_dup(l->walk.arena, l->out[l->found].text);
        }
        l->found++;
    }
}

static size_t lookup_slot(const struct event *event, uint32_t slot, struct arena *arena, struct value *out,
                          size_t max)
{
    size_t found = 0;
    for (const struct event_value *value = event_first(event, slot); value;
         value = event_next(event, value)) {
        if (found < max) {
            out[found] = value->value;
            out[found].text = arena_dup(arena, value->value.text);
        }
        found++;
    }
    return found;
}

/* The event with everything that its source maps, wanted or not; NULL when the text cannot be read. */
static const struct event *read_whole(const struct event *event, struct event_parser *parser,
                                      struct arena *arena)
{
    struct source_text text = {event->fields, &event->fields->all, event->json};
    struct event *whole;
    bool held = parser->held == event;
    if (held && parser->whole)
        return parser->whole;
    parser->tape_is_held = false;
    if (parse_view(parser, &text, arena, &whole, NULL) != 0)
        return NULL;
    whole->accepted_ns = event->accepted_ns;
    source_map_apply_whole(event->map, whole, arena);
    if (held) {
        parser->whole = whole;
        parser->tape_is_held = true;
    }
    return whole;
}

static bool read_tape(const struct event *event, struct event_parser *parser)
{
    bool held = parser->held == event;
    if (held && parser->tape_is_held)
        return true;
    parser->tape_is_held = false;
    if (json_tape_parse(parser->tape, event->json, NULL, NULL) != 0)
        return false;
    parser->tape_is_held = held;
    return true;
}

/* long: a result list besides what it takes to read the text again */
size_t event_lookup(const struct event *event, struct event_parser *parser, struct str path,
                    struct arena *arena, struct value *out, size_t max)
{
    uint32_t slot = fields_find(event->fields, path), named;
    if (slot != FIELD_NONE)
        return lookup_slot(event, slot, arena, out, max);
    if (event->json.len == 0 || path.len == 0)
        return 0;
    named = event->map ? fields_find_named(event->fields, path) : FIELD_NONE;
    if (named != FIELD_NONE) {
        const struct event *whole = read_whole(event, parser, arena);
        return whole ? lookup_slot(whole, named, arena, out, max) : 0;
    }
    if (!read_tape(event, parser))
        return 0;
    struct lookup l = {.walk = {.c = json_tape_cursor(parser->tape), .arena = arena}, .out = out, .max = max};
    look_in(&l, json_tape_root(), path);
    return l.found;
}
