#include "data/group_window.h"

#include <stdlib.h>

#include "base/err.h"
#include "base/id.h"

#define SLOTS_FIRST 2
#define IDS_FROM    16 /* entries from which a table of ids is kept; below, tags are compared */
#define HEAP_COST   16 /* what the allocator adds to a block, roughly */

int64_t window_before(int64_t time_ns, int64_t duration_ns)
{
    int64_t result;
    return __builtin_sub_overflow(time_ns, duration_ns, &result) ? INT64_MIN : result;
}

int64_t window_after(int64_t time_ns, int64_t duration_ns)
{
    int64_t result;
    return __builtin_add_overflow(time_ns, duration_ns, &result) ? INT64_MAX : result;
}

/* ---- values ---- */

/* A longer value is represented by its beginning and a digest, so that neither memory nor the number of
 * different values is the sender's to choose. */
static struct str bounded_value(struct str value, char room[GROUP_FIELDS_MAX])
{
    if (value.len <= GROUP_FIELDS_MAX)
        return value;
    struct id128 digest = hash_id(&value, 1);
    char hex[2 * sizeof(digest.bytes) + 1];
    id_hex(digest.bytes, sizeof(digest.bytes), hex);
    size_t kept = GROUP_FIELDS_MAX - (sizeof(hex) - 1);
    memcpy(room, value.ptr, kept);
    memcpy(room + kept, hex, sizeof(hex) - 1);
    return (struct str){room, GROUP_FIELDS_MAX};
}

static bool same_value(const void *item, const void *key)
{
    const struct window_value *value = item;
    return str_equal((struct str){value->bytes, value->len}, *(const struct str *)key);
}

static size_t value_bytes(const struct window_value *value)
{
    return sizeof(*value) + value->len + HEAP_COST;
}

static struct window_value *hold_value(struct window *w, const struct window_shape *shape, struct str text)
{
    if (!shape->distinct || !text.len)
        return NULL;
    char room[GROUP_FIELDS_MAX];
    text = bounded_value(text, room);
    uint64_t hash = hash_keyed(text, shape->secret);
    struct window_value *value = group_table_find(&w->values, hash, same_value, &text);
    if (!value) {
        value = mem_alloc(sizeof(*value) + text.len);
        *value = (struct window_value){.hash = hash, .len = text.len};
        memcpy(value->bytes, text.ptr, text.len);
        group_table_add(&w->values, hash, value);
        w->body_bytes += value_bytes(value);
    }
    value->held++;
    return value;
}

static void release_value(struct window *w, struct window_value *value)
{
    if (!value || --value->held)
        return;
    w->body_bytes -= value_bytes(value);
    group_table_remove(&w->values, value->hash, value);
    free(value);
}

/* ---- ids ---- */

uint32_t window_tag(const struct window_shape *shape, const struct id128 *id)
{
    return (uint32_t)hash_keyed((struct str){(const char *)id->bytes, sizeof(id->bytes)}, shape->secret);
}

static bool same_id(const void *item, const void *key)
{
    const struct window_body *body = item;
    return id128_compare(&body->id, key) == 0;
}

bool window_holds(const struct window *w, uint32_t tag, const struct id128 *id)
{
    if (w->ids.count)
        return group_table_find(&w->ids, tag, same_id, id);
    for (uint32_t i = 0; i < w->count; i++) {
        const struct window_slot *slot = window_at(w, i);
        if (slot->tag == tag && same_id(slot->body, id))
            return true;
    }
    return false;
}

static void remember_id(struct window *w, const struct window_slot *slot)
{
    if (w->ids.count) {
        group_table_add(&w->ids, slot->tag, slot->body);
    } else if (w->count > IDS_FROM) {
        for (uint32_t i = 0; i < w->count; i++)
            group_table_add(&w->ids, window_at(w, i)->tag, window_at(w, i)->body);
    }
}

/* ---- the cursor ---- */

static void count_in(struct window *w, const struct window_slot *slot)
{
    if (slot->value && slot->value->inside++ == 0)
        w->distinct++;
    w->excepted += slot->flags & WINDOW_EXCEPTED;
}

static void count_out(struct window *w, const struct window_slot *slot)
{
    if (slot->value && --slot->value->inside == 0)
        w->distinct--;
    w->excepted -= slot->flags & WINDOW_EXCEPTED;
}

void window_seek(struct window *w, const struct window_shape *shape, uint32_t index)
{
    int64_t after = window_before(window_at(w, index)->time_ns, shape->window_ns);
    /* It grows before it shrinks, so that lo never passes end. */
    while (w->lo > 0 && window_at(w, w->lo - 1)->time_ns > after)
        count_in(w, window_at(w, --w->lo));
    while (w->end <= index)
        count_in(w, window_at(w, w->end++));
    while (w->end > index + 1)
        count_out(w, window_at(w, --w->end));
    while (w->lo < index && window_at(w, w->lo)->time_ns <= after)
        count_out(w, window_at(w, w->lo++));
}

/* ---- entries ---- */

static int compare_entry(const struct window_slot *slot, int64_t time_ns, const struct id128 *id)
{
    if (slot->time_ns != time_ns)
        return slot->time_ns < time_ns ? -1 : 1;
    return id128_compare(&slot->body->id, id);
}

uint32_t window_position(const struct window *w, int64_t time_ns, const struct id128 *id)
{
    uint32_t low = 0, high = w->count;
    if (high && compare_entry(window_at(w, high - 1), time_ns, id) < 0)
        return high;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (compare_entry(window_at(w, middle), time_ns, id) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static void set_cap(struct window *w, uint32_t cap)
{
    struct window_slot *slots = mem_alloc(cap * sizeof(*slots));
    if (w->count)
        memcpy(slots, window_at(w, 0), w->count * sizeof(*slots));
    free(w->slots);
    w->slots = slots;
    w->head = 0;
    w->cap = cap;
}

/* Room for one more behind the last: the dead space in front is taken back once it is a quarter, which keeps
 * appending amortised O(1). */
static void make_room(struct window *w)
{
    if (w->head + w->count < w->cap)
        return;
    if (w->head && w->head >= w->cap / 4) {
        memmove(w->slots, window_at(w, 0), w->count * sizeof(*w->slots));
        w->head = 0;
    } else {
        set_cap(w, w->cap ? w->cap * 2 : SLOTS_FIRST);
    }
}

/* Opens a gap at `position` by moving the shorter side. */
static struct window_slot *open_gap(struct window *w, uint32_t position)
{
    if (w->head && position < w->count / 2) {
        w->head--;
        memmove(window_at(w, 0), window_at(w, 1), position * sizeof(*w->slots));
    } else {
        make_room(w);
        memmove(window_at(w, position + 1), window_at(w, position),
                (w->count - position) * sizeof(*w->slots));
    }
    w->count++;
    return window_at(w, position);
}

static size_t body_bytes(size_t fields_len)
{
    return sizeof(struct window_body) + fields_len + HEAP_COST;
}

static struct window_body *body_new(const struct group_entry *entry)
{
    struct window_body *body = mem_alloc(sizeof(*body) + entry->fields.len);
    body->id = entry->id;
    body->fields_len = (uint32_t)entry->fields.len;
    if (entry->fields.len)
        memcpy(body->fields, entry->fields.ptr, entry->fields.len);
    return body;
}

void window_insert(struct window *w, const struct window_shape *shape, uint32_t position,
                   const struct group_entry *entry, uint32_t flags)
{
    INVARIANT(entry->fields.len <= GROUP_FIELDS_MAX);
    struct window_slot *slot = open_gap(w, position);
    *slot = (struct window_slot){
        .time_ns = entry->time_ns,
        .body = body_new(entry),
        .value = hold_value(w, shape, entry->distinct),
        .flags = flags | (entry->excepted ? WINDOW_EXCEPTED : 0),
        .tag = window_tag(shape, &entry->id),
    };
    w->body_bytes += body_bytes(entry->fields.len);
    remember_id(w, slot);
    if (position > w->end)
        return;
    w->end++;
    if (position >= w->lo)
        count_in(w, slot);
    else
        w->lo++;
}

size_t window_need(const struct group_entry *entry)
{
    return sizeof(struct window_slot) + body_bytes(entry->fields.len) + sizeof(struct window_value) +
           entry->distinct.len;
}

static void drop_oldest(struct window *w)
{
    struct window_slot *slot = window_at(w, 0);
    if (w->lo > 0) {
        w->lo--;
        w->end--;
    } else if (w->end > 0) {
        count_out(w, slot);
        w->end--;
    }
    if (w->ids.count)
        group_table_remove(&w->ids, slot->tag, slot->body);
    release_value(w, slot->value);
    w->body_bytes -= body_bytes(slot->body->fields_len);
    free(slot->body);
    w->head++;
    w->count--;
}

void window_drop(struct window *w, uint32_t n)
{
    while (n--)
        drop_oldest(w);
    if (!w->count)
        w->head = 0;
    if (w->cap > 8 * SLOTS_FIRST && w->count < w->cap / 8)
        set_cap(w, w->cap / 4);
}

void window_free(struct window *w)
{
    for (uint32_t i = 0; i < w->count; i++)
        free(window_at(w, i)->body);
    size_t at = 0;
    for (void *value; (value = group_table_next(&w->values, &at));)
        free(value);
    group_table_free(&w->ids);
    group_table_free(&w->values);
    free(w->slots);
    *w = (struct window){0};
}

size_t window_bytes(const struct window *w)
{
    return w->cap * sizeof(*w->slots) + w->body_bytes + group_table_bytes(&w->ids) +
           group_table_bytes(&w->values);
}

/* long: the run of entries, and where the values go */
size_t window_values(struct window *w, uint32_t from, uint32_t to, uint64_t mark, struct str *values,
                     size_t max)
{
    size_t n = 0;
    for (uint32_t i = from; i <= to && n < max; i++) {
        struct window_value *value = window_at(w, i)->value;
        if (!value || value->mark == mark)
            continue;
        value->mark = mark;
        values[n++] = (struct str){value->bytes, value->len};
    }
    return n;
}

void window_entry(const struct window_slot *slot, struct group_entry *entry)
{
    *entry = (struct group_entry){
        .time_ns = slot->time_ns,
        .id = slot->body->id,
        .excepted = slot->flags & WINDOW_EXCEPTED,
        .fields = {slot->body->fields, slot->body->fields_len},
    };
    if (slot->value)
        entry->distinct = (struct str){slot->value->bytes, slot->value->len};
}
