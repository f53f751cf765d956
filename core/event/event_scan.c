#include "event/event_scan.h"

/* Under the node FIELD_NONE nobody reads anything. */
static uint32_t slot_of(const struct event_scan *s, uint32_t node)
{
    return node == FIELD_NONE ? FIELD_NONE : s->view->nodes.items[node].slot;
}

static struct value *take(struct event_scan *s, uint32_t slot)
{
    struct event_value *taken = s->next++;
    taken->slot = slot;
    return &taken->value;
}

static struct value value_of(const struct event_scan *s, const struct json_scalar *scalar)
{
    switch (scalar->type) {
    case JSON_INT:
        return (struct value){.type = VALUE_INT, .text = scalar->text, .as.i = (int64_t)scalar->u};
    case JSON_UINT:
        return (struct value){.type = VALUE_UINT, .text = scalar->text, .as.u = scalar->u};
    case JSON_DOUBLE:
        return value_double(s->arena, scalar->d);
    case JSON_TRUE:
    case JSON_FALSE:
        return value_bool(scalar->type == JSON_TRUE);
    default:
        return value_null();
    }
}

/* These return the mark behind what they read; NULL: no. */

static const uint32_t *scan_scalar(struct event_scan *s, const uint32_t *at, uint32_t node)
{
    struct json_scalar scalar;
    uint32_t slot = slot_of(s, node);
    if (!json_scan_scalar(&s->json, at, &scalar))
        return NULL;
    if (slot != FIELD_NONE)
        *take(s, slot) = value_of(s, &scalar);
    return at + 1;
}

static inline const uint32_t *scan_string(struct event_scan *s, const uint32_t *at, uint32_t node)
{
    uint32_t slot = slot_of(s, node);
    struct str text = json_scan_string(&s->json, at);
    if (!text.ptr)
        return NULL;
    if (slot == FIELD_NONE)
        return at + 1;
    struct value *value = take(s, slot);
    value->type = VALUE_STRING;
    value->text = text;
    if (text.ptr == s->json.room)
        s->json.room += text.len;
    return at + 1;
}

/* Not inlined: the loop over an object's members keeps its own in registers. */
static __attribute__((noinline)) uint32_t descend(const struct event_scan *s, uint32_t node, struct str key)
{
    return fields_descend_padded(s->fields, s->view, node, key);
}

/* Called back by scan_value; the scan's depth bounds the recursion. */
static const uint32_t *scan_object(struct event_scan *s, const uint32_t *at, uint32_t node);
static const uint32_t *scan_array(struct event_scan *s, const uint32_t *at, uint32_t node);

static inline const uint32_t *scan_value(struct event_scan *s, const uint32_t *at, uint32_t node)
{
    switch (json_scan_byte(&s->json, at)) {
    case '"':
        return scan_string(s, at, node);
    case '{':
        return scan_object(s, at + 1, node);
    case '[':
        return scan_array(s, at + 1, node);
    default:
        return scan_scalar(s, at, node);
    }
}

static const uint32_t *scan_array(struct event_scan *s, const uint32_t *at, uint32_t node)
{
    if (json_scan_byte(&s->json, at) == ']')
        return at + 1;
    if (s->json.depth-- == 0)
        return NULL;
    for (;; at++) {
        at = scan_value(s, at, node);
        if (!at)
            return NULL;
        if (json_scan_byte(&s->json, at) != ',')
            break;
    }
    s->json.depth++;
    return json_scan_byte(&s->json, at) == ']' ? at + 1 : NULL;
}

static const uint32_t *scan_object(struct event_scan *s, const uint32_t *at, uint32_t node)
{
    if (json_scan_byte(&s->json, at) == '}')
        return at + 1;
    if (s->json.depth-- == 0)
        return NULL;
    if (node != FIELD_NONE && !s->view->nodes.items[node].inner)
        node = FIELD_NONE;
    for (;; at++) {
        if (json_scan_byte(&s->json, at) != '"' || json_scan_byte(&s->json, at + 1) != ':')
            return NULL;
        struct str key = json_scan_string(&s->json, at);
        if (!key.ptr)
            return NULL;
        at = scan_value(s, at + 2, node == FIELD_NONE ? FIELD_NONE : descend(s, node, key));
        if (!at)
            return NULL;
        if (json_scan_byte(&s->json, at) != ',')
            break;
    }
    s->json.depth++;
    return json_scan_byte(&s->json, at) == '}' ? at + 1 : NULL;
}

bool event_scan(struct event_scan *scan)
{
    scan->next = scan->values;
    return scan_object(scan, scan->json.first + 1, FIELDS_ROOT) == scan->json.last;
}
