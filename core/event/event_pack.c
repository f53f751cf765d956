#include "event/event.h"

/* A packed event is a run of fields: index in the list of slots, number of values, the values. A value is its
 * type and what it takes to build it again. */

static void pack_u16(struct buf *out, uint32_t v)
{
    buf_put_u8(out, (uint8_t)v);
    buf_put_u8(out, (uint8_t)(v >> 8));
}

static bool unpack_u16(struct str *at, uint32_t *v)
{
    uint8_t low, high;
    if (!str_get_u8(at, &low) || !str_get_u8(at, &high))
        return false;
    *v = low | (uint32_t)high << 8;
    return true;
}

static void pack_value(const struct value *value, struct buf *out)
{
    uint64_t bits = value->as.u;
    buf_put_u8(out, value->type);
    switch (value->type) {
    case VALUE_BOOL:
        buf_put_u8(out, value->as.b);
        break;
    case VALUE_INT:
    case VALUE_UINT:
    case VALUE_DOUBLE:
        buf_put_u64(out, bits);
        break;
    case VALUE_STRING:
        buf_put_lstr(out, value->text);
        break;
    default:
        break;
    }
}

static void pack_field(const struct event *event, uint32_t slot, uint32_t index, struct buf *out)
{
    size_t count_at = out->len + 2;
    uint32_t count = 0;
    pack_u16(out, index);
    pack_u16(out, 0);
    for (const struct event_value *value = event_first(event, slot); value && count < UINT16_MAX;
         value = event_next(event, value), count++)
        pack_value(&value->value, out);
    out->ptr[count_at] = (char)count;
    out->ptr[count_at + 1] = (char)(count >> 8);
}

#define CUT_LEAST 32 /* less of a text says nothing */

/* As much of a single text as there is room for, ended at a character; nothing where that is too little. */
static void pack_cut(const struct event *event, uint32_t slot, uint32_t index, size_t room, struct buf *out)
{
    const struct event_value *only = event_first(event, slot);
    const size_t frame = 2 + 2 + 1 + 4; /* index, count, type, length */
    if (only->value.type != VALUE_STRING || event_next(event, only) || room < frame + CUT_LEAST)
        return;
    struct str text = only->value.text;
    if (text.len > room - frame)
        text.len = room - frame;
    while (text.len && text.len < only->value.text.len && ((unsigned char)text.ptr[text.len] & 0xc0) == 0x80)
        text.len--;
    pack_u16(out, index);
    pack_u16(out, 1);
    buf_put_u8(out, VALUE_STRING);
    buf_put_lstr(out, text);
}

#define CUT_MOST 16 /* fields of one event that are cut */

/* Texts that are too long come last: they get what the others leave. */
void event_pack(const struct event *event, const uint32_t *slots, size_t count, size_t max, struct buf *out)
{
    size_t begin = out->len, left_out = 0;
    uint32_t too_long[CUT_MOST];
    INVARIANT(count <= UINT16_MAX);
    for (size_t i = 0; i < count; i++) {
        if (!event_first(event, slots[i]))
            continue;
        size_t before = out->len;
        pack_field(event, slots[i], (uint32_t)i, out);
        if (out->len - begin <= max)
            continue;
        out->len = before;
        out->ptr[before] = 0;
        if (left_out < CUT_MOST)
            too_long[left_out++] = (uint32_t)i;
    }
    for (size_t i = 0; i < left_out; i++)
        pack_cut(event, slots[too_long[i]], too_long[i], max - (out->len - begin), out);
}

static bool unpack_value(struct str *at, struct arena *arena, struct value *value)
{
    uint8_t type, b;
    uint64_t bits;
    struct str text;
    if (!str_get_u8(at, &type))
        return false;
    switch (type) {
    case VALUE_NULL:
        *value = value_null();
        return true;
    case VALUE_BOOL:
        if (!str_get_u8(at, &b) || b > 1)
            return false;
        *value = value_bool(b);
        return true;
    case VALUE_STRING:
        if (!str_get_lstr(at, &text))
            return false;
        *value = value_string(text);
        return true;
    case VALUE_INT:
    case VALUE_UINT:
    case VALUE_DOUBLE:
        if (!str_get_u64(at, &bits))
            return false;
        if (type == VALUE_DOUBLE) {
            double d;
            memcpy(&d, &bits, sizeof(d));
            *value = value_double(arena, d);
        } else {
            *value = type == VALUE_INT ? value_int(arena, (int64_t)bits) : value_uint(arena, bits);
        }
        return true;
    default:
        return false;
    }
}

/* long: a packed event names neither its fields nor its slots */
struct event *event_unpack(struct str packed, const struct fields *fields, const uint32_t *slots,
                           size_t count, struct arena *arena, struct err *err)
{
    struct event *event = event_make(arena, fields, (uint32_t)(count < 64 ? count : 64));
    while (packed.len) {
        uint32_t index, values;
        bool whole = unpack_u16(&packed, &index) && unpack_u16(&packed, &values) && index < count;
        for (uint32_t i = 0; whole && i < values; i++) {
            struct value value;
            whole = unpack_value(&packed, arena, &value);
            if (whole)
                event_put(event, arena, slots[index], &value);
        }
        if (!whole) {
            err_set(err, ERR_CORRUPT, "a packed event is broken %zu bytes before its end", packed.len);
            return NULL;
        }
    }
    return event;
}

static void put_value(const struct value *value, struct buf *out)
{
    switch (value->type) {
    case VALUE_NULL:
        buf_puts(out, "null");
        break;
    case VALUE_STRING:
        buf_json_string(out, value->text);
        break;
    case VALUE_DOUBLE:
        buf_json_double(out, value->as.d);
        break;
    default:
        buf_put(out, value->text);
        break;
    }
}

static void put_list(const struct event *event, const struct event_value *value, struct buf *out)
{
    bool list = value->next != 0;
    if (list)
        buf_putc(out, '[');
    for (const struct event_value *at = value; at; at = event_next(event, at)) {
        if (at != value)
            buf_putc(out, ',');
        put_value(&at->value, out);
    }
    if (list)
        buf_putc(out, ']');
}

void event_json(const struct event *event, const uint32_t *slots, size_t count, struct buf *out)
{
    bool first = true;
    buf_putc(out, '{');
    for (size_t i = 0; i < count; i++) {
        const struct event_value *value = event_first(event, slots[i]);
        if (!value)
            continue;
        if (!first)
            buf_putc(out, ',');
        first = false;
        buf_json_string(out, fields_path(event->fields, slots[i]));
        buf_putc(out, ':');
        put_list(event, value, out);
    }
    buf_putc(out, '}');
}
