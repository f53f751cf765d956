/* A record on its way to an event, as the tests of core/event see it: text in, "path=value" lines out. */
#ifndef LUNETTE_SPEC_EVENT_RECORD_H
#define LUNETTE_SPEC_EVENT_RECORD_H

#include <stdlib.h>

#include "base/json_tape.h"
#include "event/event.h"
#include "event/source_map.h"

struct record {
    struct fields *fields;
    struct source_map *map;
    struct event_parser *parser;
    struct arena *arena;
    struct event *event;
    struct err err;
    struct buf text;
    struct buf printed;
};

static inline struct record *record_new(const struct event_limits *limits)
{
    struct record *r = mem_zalloc(1, sizeof(*r));
    r->fields = fields_new();
    r->map = source_map_new(r->fields);
    r->parser = event_parser_new(limits);
    r->arena = arena_new(0);
    return r;
}

static inline void record_free(struct record *r)
{
    source_map_free(r->map);
    fields_free(r->fields);
    event_parser_free(r->parser);
    arena_free(r->arena);
    buf_free(&r->text);
    buf_free(&r->printed);
    free(r);
}

/* The event borrows from a copy of the text in the arena, as it does from its batch; r->text is for tests
 * that parse by themselves. */
static inline int record_parse_str(struct record *r, struct str json)
{
    buf_clear(&r->text);
    buf_put(&r->text, json);
    memset(buf_reserve(&r->text, JSON_TAPE_PADDING), 0, JSON_TAPE_PADDING);
    struct str kept = {arena_zalloc(r->arena, json.len + JSON_TAPE_PADDING), json.len};
    memcpy((char *)kept.ptr, r->text.ptr, json.len);
    return event_parse(r->parser, r->fields, kept, r->arena, &r->event, &r->err);
}

static inline int record_parse(struct record *r, const char *json)
{
    return record_parse_str(r, str_from(json));
}

/* All values of the path, joined by '|': strings as they are, null as NULL, with a letter for the type before
 * each: s i u d b n. "-" when there is none. */
static inline const char *record_get(struct record *r, const char *path)
{
    uint32_t slot = fields_find(r->fields, str_from(path));
    const struct event_value *value = slot == FIELD_NONE ? NULL : event_first(r->event, slot);
    buf_clear(&r->printed);
    buf_puts(&r->printed, value ? "" : "-");
    for (const struct event_value *at = value; at; at = event_next(r->event, at)) {
        buf_puts(&r->printed, at == value ? "" : "|");
        buf_putc(&r->printed, "nbiuds"[at->value.type]);
        buf_put(&r->printed, at->value.text);
    }
    return r->printed.ptr;
}

/* The quality marks as they stand, joined by ' '. */
static inline const char *record_marks(struct record *r)
{
    buf_clear(&r->printed);
    buf_puts(&r->printed, "");
    for (unsigned bit = 0; bit < QUALITY_COUNT; bit++) {
        if (!(r->event->quality >> bit & 1))
            continue;
        buf_puts(&r->printed, r->printed.len ? " " : "");
        buf_puts(&r->printed, event_quality_name(bit));
    }
    return r->printed.ptr;
}

#endif
