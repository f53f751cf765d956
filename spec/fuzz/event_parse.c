/* Any bytes as a record: parsed, mapped, frozen, packed and unpacked without a fault, and every value is
 * where its chain says. */
#include <stdlib.h>

#include "base/json_tape.h"
#include "base/text.h"
#include "event/source_map.h"

static const char *const known[] = {"a", "a.b", "a.b.c", "user.name", "source.ip", "n", "t", "message"};
#define KNOWN (sizeof(known) / sizeof(known[0]))

static struct fields *fields;
static struct source_map *map;
static struct event_parser *parser;
static struct arena *arena;
static uint32_t slots[KNOWN];

static void add_field(const char *path, const char *from, enum source_as as)
{
    struct str name = str_from(from);
    struct source_field field = {.path = str_from(path), .from = &name, .from_count = 1, .as = as};
    INVARIANT(source_map_field(map, &field, NULL) == 0);
}

static void setup(void)
{
    fields = fields_new();
    map = source_map_new(fields);
    parser = event_parser_new(NULL);
    arena = arena_new(0);
    add_field("source.ip", "a.ip", AS_IP);
    add_field("n", "a", AS_NUMBER);
    add_field("t", "a.b", AS_TIMESTAMP);
    add_field("user.name", "a.b.c", AS_LOWER);
    INVARIANT(source_map_dissect(map, STR("message"), STR("%{d.one} by %{d.two}!"), NULL) == 0);
    for (size_t i = 0; i < KNOWN; i++)
        slots[i] = fields_intern(fields, str_from(known[i]), NULL);
    fields_freeze(fields);
}

static void check(const struct event *event)
{
    uint32_t seen = 0;
    for (uint32_t slot = 0; slot < fields_count(fields); slot++) {
        for (const struct event_value *v = event_first(event, slot); v; v = event_next(event, v), seen++) {
            INVARIANT(v->slot == slot && v->value.type <= VALUE_STRING);
            INVARIANT(text_is_utf8(v->value.text));
        }
    }
    INVARIANT(seen == event->count);
}

static void repack(const struct event *event)
{
    struct buf packed = BUF_EMPTY, first = BUF_EMPTY, second = BUF_EMPTY;
    struct err err;
    event_pack(event, slots, KNOWN, 1 << 20, &packed);
    struct event *again = event_unpack(buf_str(&packed), fields, slots, KNOWN, arena, &err);
    INVARIANT(again);
    event_json(event, slots, KNOWN, &first);
    event_json(again, slots, KNOWN, &second);
    INVARIANT(str_equal(buf_str(&first), buf_str(&second)));
    buf_free(&packed);
    buf_free(&first);
    buf_free(&second);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!fields)
        setup();
    char *text = mem_zalloc(1, size + JSON_TAPE_PADDING);
    if (size)
        memcpy(text, data, size);
    struct event *event;
    struct err err = {0};
    struct value found[4];
    if (event_parse(parser, fields, (struct str){text, size}, arena, &event, &err) == 0) {
        event->accepted_ns = INT64_C(1767322800) * NS_PER_S;
        source_map_apply(map, event, arena);
        event_freeze(event, arena);
        check(event);
        repack(event);
        event_lookup(event, parser, STR("x.y"), arena, found, 4);
    } else {
        INVARIANT(err.code != ERR_NONE && err.message[0]);
    }
    arena_reset(arena);
    free(text);
    /* The same bytes as what a window kept. */
    event_unpack((struct str){(const char *)data, size}, fields, slots, KNOWN, arena, &err);
    arena_reset(arena);
    return 0;
}
