#include "rules/lists.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/json.h"
#include "base/text.h"
#include "rules/lists_csv.h"
#include "rules/lists_network.h"

struct list *list_new(struct str name, struct str path)
{
    struct list *list = mem_zalloc(1, sizeof(*list));
    list->name = name;
    list->path = path;
    list->overlay_from = SIZE_MAX;
    return list;
}

static void unfinish(struct list *list)
{
    map_free(list->folded, NULL);
    list_networks_free(list->networks);
    list->folded = NULL;
    list->networks = NULL;
}

void list_free(struct list *list)
{
    if (list == NULL)
        return;
    vec_free(&list->entries);
    vec_free(&list->attributes);
    unfinish(list);
    free(list);
}

/* Of the last entry. Most lists have no attributes at all, and pay nothing for them. */
static void set_attributes(struct list *list, struct str attributes)
{
    struct str none = STR("");
    if (attributes.len == 0)
        return;
    while (list->attributes.count + 1 < list->entries.count)
        vec_push(&list->attributes, none);
    vec_push(&list->attributes, attributes);
}

int list_add_with(struct list *list, const struct literal *entry, struct str attributes, struct err *err)
{
    if (list->entries.count >= LIST_ENTRIES_MAX)
        return err_set(err, ERR_LIMIT, "the list has more than %d entries", LIST_ENTRIES_MAX);
    if (entry->text.len > LIST_ENTRY_MAX)
        return err_set(err, ERR_LIMIT, "an entry has more than %d bytes", LIST_ENTRY_MAX);
    if (attributes.len > LIST_ATTRIBUTES_MAX)
        return err_set(err, ERR_LIMIT, "the attributes of an entry have more than %d bytes",
                       LIST_ATTRIBUTES_MAX);
    vec_push(&list->entries, *entry);
    list->entries.items[list->entries.count - 1].from_list = true;
    set_attributes(list, attributes);
    return 0;
}

int list_add(struct list *list, const struct literal *entry, struct err *err)
{
    return list_add_with(list, entry, STR(""), err);
}

static int add_line(struct list *list, struct list_csv *csv, struct str line, struct err *err)
{
    struct literal literal = {.type = LITERAL_STRING, .text = line};
    struct str attributes = STR("");
    if (csv && list_csv_line(csv, line, &literal.text, &attributes, err) != 0)
        return -1;
    return literal.text.len ? list_add_with(list, &literal, attributes, err) : 0;
}

int list_parse(struct list *list, struct arena *arena, struct str text, bool csv, unsigned *line,
               struct err *err)
{
    struct list_csv *cells = csv ? list_csv_new(arena) : NULL;
    struct str rest = arena_dup(arena, text);
    int rc = 0;
    if (str_starts(rest, STR("\xEF\xBB\xBF")))
        rest = (struct str){rest.ptr + 3, rest.len - 3};
    for (*line = 1; rest.len; ++*line) {
        const char *end = memchr(rest.ptr, '\n', rest.len);
        size_t len = end ? (size_t)(end - rest.ptr) + 1 : rest.len;
        struct str entry = list_trim((struct str){rest.ptr, len});
        rest = (struct str){rest.ptr + len, rest.len - len};
        if (entry.len == 0 || entry.ptr[0] == '#')
            continue;
        rc = add_line(list, cells, entry, err);
        if (rc != 0)
            break;
    }
    if (cells)
        list_csv_free(cells);
    return rc;
}

/* The text that match compares with; in `scratch` where it is made here. */
static struct str literal_text(const struct literal *entry, struct buf *scratch)
{
    buf_clear(scratch);
    switch (entry->type) {
    case LITERAL_STRING:
        return entry->text;
    case LITERAL_NUMBER:
        if (entry->is_integer)
            buf_printf(scratch, "%" PRId64, entry->i);
        else
            buf_json_double(scratch, entry->d);
        break;
    case LITERAL_BOOL:
        buf_puts(scratch, entry->b ? "true" : "false");
        break;
    case LITERAL_NULL:
        break;
    }
    return scratch->ptr ? buf_str(scratch) : STR("");
}

static struct str fold_into(struct str s, struct buf *out)
{
    buf_clear(out);
    buf_grew(out, text_fold(s, buf_reserve(out, text_fold_max(s.len))));
    return buf_str(out);
}

/* ---- overlays ---- */

int list_entry_check(const struct overlay_entry *entry, struct err *err)
{
    struct str value = entry->value;
    if (value.len == 0 || value.len > LIST_ENTRY_MAX || !text_is_utf8(value))
        return err_set(err, value.len > LIST_ENTRY_MAX ? ERR_LIMIT : ERR_INVALID,
                       "an entry is a text of 1 to %d bytes of UTF-8", LIST_ENTRY_MAX);
    for (size_t i = 0; i < value.len; i++)
        if ((unsigned char)value.ptr[i] < 0x20 || value.ptr[i] == 0x7f)
            return err_set(err, ERR_INVALID, "an entry has no control characters");
    if (entry->attributes.len == 0)
        return 0;
    if (entry->attributes.len > LIST_ATTRIBUTES_MAX)
        return err_set(err, ERR_LIMIT, "the attributes of an entry have more than %d bytes",
                       LIST_ATTRIBUTES_MAX);
    struct json *json = json_parse(entry->attributes, NULL, err);
    bool object = json_kind(json) == JSON_KIND_OBJECT;
    if (json && !object)
        err_set(err, ERR_INVALID, "the attributes of an entry are a JSON object, got %s",
                json_kind_name(json_kind(json)));
    json_free(json);
    return object ? 0 : -1;
}

static struct str attributes_of(const struct list *list, size_t entry)
{
    return entry < list->attributes.count ? list->attributes.items[entry] : STR("");
}

/* Every text that an overlay speaks of: what was there goes. */
static struct map *spoken_of(const struct list_overlay *overlay, struct buf *folded)
{
    struct map *map = map_new();
    for (size_t i = 0; i < overlay->removed_count; i++)
        map_put(map, fold_into(overlay->removed[i], folded), (void *)overlay);
    for (size_t i = 0; i < overlay->added_count; i++)
        map_put(map, fold_into(overlay->added[i].value, folded), (void *)&overlay->added[i]);
    return map;
}

static void take_out(struct list *list, const struct map *gone, struct buf *folded)
{
    struct buf scratch = BUF_EMPTY;
    size_t kept = 0, of_file = 0, before = list->entries.count;
    for (size_t i = 0; i < before; i++) {
        struct str text = literal_text(&list->entries.items[i], &scratch);
        if (map_get(gone, fold_into(text, folded)))
            continue;
        struct str attributes = attributes_of(list, i);
        if (kept < list->attributes.count)
            list->attributes.items[kept] = attributes;
        list->entries.items[kept++] = list->entries.items[i];
        of_file += i < list->overlay_from;
    }
    list->entries.count = kept;
    if (list->attributes.count > kept)
        list->attributes.count = kept;
    list->overlay_from = of_file;
    buf_free(&scratch);
}

int list_apply(struct list *list, struct arena *arena, const struct list_overlay *overlay, struct err *err)
{
    struct buf folded = BUF_EMPTY;
    struct map *spoken = spoken_of(overlay, &folded);
    int rc = 0;
    take_out(list, spoken, &folded);
    for (size_t i = 0; rc == 0 && i < overlay->added_count; i++) {
        const struct overlay_entry *added = &overlay->added[i];
        struct literal entry = {.type = LITERAL_STRING};
        /* Written twice: the last counts. */
        if (map_get(spoken, fold_into(added->value, &folded)) != added)
            continue;
        rc = list_entry_check(added, err);
        entry.text = arena_dup(arena, added->value);
        if (rc == 0)
            rc = list_add_with(list, &entry, arena_dup(arena, added->attributes), err);
    }
    map_free(spoken, NULL);
    buf_free(&folded);
    return rc;
}

/* ---- looking up ---- */

/* An address alone needs no set: it is held as a text. */
static bool is_network(struct str text, struct network *network)
{
    return text.len && memchr(text.ptr, '/', text.len) && network_parse(text, network, NULL) == 0;
}

struct networks {
    VEC(struct list_network) all;
};

void list_finish(struct list *list)
{
    struct buf scratch = BUF_EMPTY, folded = BUF_EMPTY;
    struct networks networks = {0};
    struct list_network network;
    unfinish(list);
    list->folded = map_new();
    for (size_t i = 0; i < list->entries.count; i++) {
        struct str text = literal_text(&list->entries.items[i], &scratch);
        map_put(list->folded, fold_into(text, &folded), (void *)(uintptr_t)(i + 1));
        network.entry = (uint32_t)i;
        if (is_network(text, &network.network))
            vec_push(&networks.all, network);
    }
    if (networks.all.count) {
        list->networks = list_networks_new(networks.all.items, networks.all.count);
    }
    vec_free(&networks.all);
    buf_free(&scratch);
    buf_free(&folded);
}

static bool find(const struct list *list, struct str value, size_t *entry)
{
    /* Values come from events: most are short, and a long one is in no list. */
    if (value.len > LIST_ENTRY_MAX)
        return false;
    char stack[512];
    char *room = text_fold_max(value.len) <= sizeof(stack) ? stack : mem_alloc(text_fold_max(value.len));
    struct str folded = {room, text_fold(value, room)};
    uintptr_t position = (uintptr_t)map_get(list->folded, folded);
    struct ip ip;
    uint32_t network;
    if (room != stack)
        free(room);
    if (position == 0 && list->networks && ip_parse(value, &ip) &&
        list_networks_find(list->networks, &ip, &network))
        position = (uintptr_t)network + 1;
    *entry = position - 1;
    return position != 0;
}

bool list_has(const struct list *list, struct str value)
{
    size_t entry;
    return find(list, value, &entry);
}

bool list_get(const struct list *list, struct str value, struct str *attributes)
{
    size_t entry;
    if (!find(list, value, &entry))
        return false;
    *attributes = attributes_of(list, entry);
    if (attributes->len == 0)
        *attributes = STR("{}");
    return true;
}

void list_json(const struct list *list, size_t offset, size_t limit, struct buf *out)
{
    struct buf scratch = BUF_EMPTY;
    size_t count = list->entries.count;
    buf_putc(out, '[');
    for (size_t i = offset; i < count && i - offset < limit; i++) {
        struct str attributes = attributes_of(list, i);
        buf_puts(out, i > offset ? ",{" : "{");
        buf_json_kstr(out, "value", literal_text(&list->entries.items[i], &scratch));
        if (attributes.len) {
            buf_json_key(out, "attributes");
            buf_put(out, attributes);
        }
        if (i >= list->overlay_from)
            buf_json_kbool(out, "overlay", true);
        buf_putc(out, '}');
    }
    buf_putc(out, ']');
    buf_free(&scratch);
}
