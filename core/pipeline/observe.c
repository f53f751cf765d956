#include "pipeline/observe.h"

#include "base/log.h"
#include "base/text.h"

#define KIND_FIELDS    24
#define VALUES_MAX     16  /* of one field */
#define ENTITY_VALUE   256 /* bytes; as of a threat's entities */
#define TRUNCATED_ROOM 640 /* the names of all fields of a kind fit */
#define FIELD_LEAST    48  /* a field that finds less room is left out */
#define TRUNCATED_NAME "observation.truncated"

struct observed {
    struct arena *arena;
    VEC(struct store_observation) items;
};

/* What is worth keeping of a kind, what matters most first. */
struct kind {
    const char *id; /* of the source */
    const char *fields[KIND_FIELDS];
};
static const struct kind kinds[] = {
    {"change",
     {"change.kind", "change.status", "change.id", "service.name", "service.version", "service.environment",
      "host.name", "user.name", "event.start", "event.end", "url.full", "tags", "message"}},
    {"news",
     {"news.title", "news.severity", "vulnerability.id", "event.provider", "service.name", "host.name",
      "url.full", "tags", "message"}},
    {"egress",
     {"source.ip", "host.name", "user.name", "service.name", "process.executable", "destination.domain",
      "destination.ip", "destination.port", "network.transport", "network.bytes", "event.action", "rule.name",
      "url.full", "tags", "message"}},
};
static const char *const entity_order[] = {"host.name", "service.name",       "user.name",
                                           "source.ip", "destination.domain", "destination.ip"};

static const struct kind *kind_of(struct str source)
{
    for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++)
        if (str_is(source, kinds[i].id))
            return &kinds[i];
    return NULL;
}

/* A source that nobody names is chosen by its `accepts`. */
static bool may_observe(const struct detector *detector, const struct batch *batch)
{
    if (kind_of(batch->source_name))
        return true;
    for (uint32_t i = 0; i < detector->order_count; i++)
        if (kind_of(detector->set->sources[detector->order[i]].id))
            return true;
    return false;
}

/* By what the sender named first: an accepted event stays what it was although its source left the rules. */
static const struct kind *event_kind(const struct batch *batch, const struct event *event)
{
    const struct kind *named = kind_of(batch->source_name);
    if (named || event->source == UINT32_MAX)
        return named;
    return kind_of(batch->set->sources[event->source].id);
}

/* ---- a body ---- */

struct body {
    struct buf json;
    const struct event *event;
    struct event_parser *parser;
    struct arena *scratch;
    const char *truncated[KIND_FIELDS];
    size_t truncated_count;
};

/* The longest beginning of the text that takes at most `room` bytes as a JSON string. */
static struct str fitting(struct str text, size_t room)
{
    size_t used = 2, n = 0;
    for (; n < text.len && text.ptr[n]; n++) {
        unsigned char c = (unsigned char)text.ptr[n];
        used += c < 0x20 || c == 0x7f ? 6 : c == '"' || c == '\\' ? 2 : 1;
        if (used > room)
            break;
    }
    while (n < text.len && n && ((unsigned char)text.ptr[n] & 0xc0) == 0x80)
        n--;
    return (struct str){text.ptr, n};
}

/* False when something was cut. */
static bool put_string(struct body *body, struct str text, size_t room)
{
    bool repaired;
    struct str whole = text_repair_utf8(body->scratch, text, &repaired), part = fitting(whole, room);
    buf_json_string(&body->json, part);
    return part.len == whole.len;
}

static bool put_value(struct body *body, const struct value *value, size_t room)
{
    /* A number beyond 64 bits with a sign would not be read back: its text says it exactly. */
    if (value->type == VALUE_STRING || value->type == VALUE_UINT)
        return put_string(body, value->text, room);
    if (value->type == VALUE_DOUBLE)
        buf_json_double(&body->json, value->as.d);
    else
        buf_put(&body->json, value->text);
    return true;
}

static size_t without_nulls(struct value *values, size_t count)
{
    size_t kept = 0;
    for (size_t i = 0; i < count; i++)
        if (values[i].type != VALUE_NULL)
            values[kept++] = values[i];
    return kept;
}

/* False when values were cut or left out. */
static bool put_values(struct body *body, const struct value *values, size_t count, size_t room)
{
    size_t end = body->json.len + room;
    bool whole = true;
    if (count == 1)
        return put_value(body, values, room);
    buf_putc(&body->json, '[');
    for (size_t i = 0; i < count && whole; i++) {
        if (i && body->json.len + FIELD_LEAST > end) {
            whole = false;
            break;
        }
        if (i)
            buf_putc(&body->json, ',');
        whole = put_value(body, &values[i], end - body->json.len - 1);
    }
    buf_putc(&body->json, ']');
    return whole;
}

static void put_field(struct body *body, const char *path)
{
    struct value values[VALUES_MAX];
    size_t found = event_lookup(body->event, body->parser, str_from(path), body->scratch, values, VALUES_MAX);
    size_t count = without_nulls(values, found < VALUES_MAX ? found : VALUES_MAX);
    size_t used = body->json.len + strlen(path) + 4, most = OBSERVE_BODY_MAX - TRUNCATED_ROOM;
    bool whole = found <= VALUES_MAX;
    if (count == 0)
        return;
    size_t room = used < most ? most - used : 0;
    if (room >= FIELD_LEAST) {
        buf_json_key(&body->json, path);
        whole &= put_values(body, values, count, room < OBSERVE_FIELD_MAX ? room : OBSERVE_FIELD_MAX);
    } else {
        whole = false;
    }
    if (!whole)
        body->truncated[body->truncated_count++] = path;
}

static void put_truncated(struct body *body)
{
    if (body->truncated_count == 0)
        return;
    buf_json_key(&body->json, TRUNCATED_NAME);
    for (size_t i = 0; i < body->truncated_count; i++)
        buf_printf(&body->json, "%s\"%s\"", i ? "," : "[", body->truncated[i]);
    buf_putc(&body->json, ']');
}

static void put_body(struct body *body, const struct kind *kind)
{
    buf_clear(&body->json);
    body->truncated_count = 0;
    buf_putc(&body->json, '{');
    for (size_t i = 0; i < KIND_FIELDS && kind->fields[i]; i++)
        put_field(body, kind->fields[i]);
    put_truncated(body);
    buf_putc(&body->json, '}');
}

/* ---- a batch ---- */

static struct str find_entity(struct body *body, struct arena *arena)
{
    for (size_t i = 0; i < sizeof(entity_order) / sizeof(*entity_order); i++) {
        struct value value;
        struct str path = str_from(entity_order[i]);
        if (event_lookup(body->event, body->parser, path, body->scratch, &value, 1) == 0)
            continue;
        if (value.text.len && value.text.len <= ENTITY_VALUE && !memchr(value.text.ptr, 0, value.text.len))
            return str_from(arena_printf(arena, "%s:%.*s", entity_order[i], STR_ARG(value.text)));
    }
    return STR("");
}

static void observe_event(struct observed *observed, struct body *body, const struct kind *kind)
{
    const struct event *event = body->event;
    struct store_observation item = {
        .kind = str_from(kind->id), .time_ns = event->time_ns, .event = event->id};
    event_parser_hold(body->parser, event);
    put_body(body, kind);
    item.entity = find_entity(body, observed->arena);
    event_parser_hold(body->parser, NULL);
    item.customer = arena_dup(observed->arena, event->customer);
    item.body = arena_dup(observed->arena, buf_str(&body->json));
    vec_push(&observed->items, item);
    arena_reset(body->scratch);
}

struct observed *observe_batch(struct detector *detector, const struct batch *batch)
{
    if (!may_observe(detector, batch))
        return NULL;
    struct observed *observed = mem_zalloc(1, sizeof(*observed));
    struct body body = {.parser = detector->parser, .scratch = arena_new(0)};
    observed->arena = arena_new(0);
    for (uint32_t i = 0; i < batch->event_count; i++) {
        const struct kind *kind = event_kind(batch, batch->events[i]);
        body.event = batch->events[i];
        if (kind)
            observe_event(observed, &body, kind);
    }
    arena_free(body.scratch);
    buf_free(&body.json);
    if (observed->items.count)
        return observed;
    observed_free(observed);
    return NULL;
}

void observed_free(struct observed *observed)
{
    if (observed == NULL)
        return;
    vec_free(&observed->items);
    arena_free(observed->arena);
    free(observed);
}

size_t observed_count(const struct observed *observed)
{
    return observed->items.count;
}

int observed_store(const struct observed *observed, struct store *store, struct err *err)
{
    for (size_t i = 0; i < observed->items.count; i++) {
        if (store_add_observation(store, &observed->items.items[i], err) == 0)
            continue;
        if (err->code != ERR_INVALID && err->code != ERR_LIMIT)
            return -1;
        LOG_ERR(LOG_ERROR, "observe.refused", err);
        *err = (struct err){0};
    }
    return 0;
}
