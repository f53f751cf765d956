#include "rules/lists.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/buf.h"
#include "base/text.h"
#include "match/cidr.h"

struct list *list_new(struct str name, struct str path)
{
    struct list *list = mem_zalloc(1, sizeof(*list));
    list->name = name;
    list->path = path;
    return list;
}

void list_free(struct list *list)
{
    if (list == NULL)
        return;
    vec_free(&list->entries);
    map_free(list->folded, NULL);
    arena_free(list->arena);
    free(list);
}

int list_add(struct list *list, const struct literal *entry, struct err *err)
{
    if (list->entries.count >= LIST_ENTRIES_MAX)
        return err_set(err, ERR_LIMIT, "the list has more than %d entries", LIST_ENTRIES_MAX);
    if (entry->text.len > LIST_ENTRY_MAX)
        return err_set(err, ERR_LIMIT, "an entry has more than %d bytes", LIST_ENTRY_MAX);
    vec_push(&list->entries, *entry);
    list->entries.items[list->entries.count - 1].from_list = true;
    return 0;
}

static struct str trim(struct str s)
{
    while (s.len && strchr(" \t\r\n", s.ptr[0]))
        s = (struct str){s.ptr + 1, s.len - 1};
    while (s.len && strchr(" \t\r\n", s.ptr[s.len - 1]))
        s.len--;
    return s;
}

static struct str unquoted(struct arena *arena, struct str line)
{
    char *out = arena_alloc(arena, line.len);
    size_t len = 0;
    for (size_t i = 1; i < line.len; i++) {
        if (line.ptr[i] == '"' && (i + 1 == line.len || line.ptr[i + 1] != '"'))
            break;
        i += line.ptr[i] == '"';
        out[len++] = line.ptr[i];
    }
    return (struct str){out, len};
}

static struct str first_cell(struct arena *arena, struct str line)
{
    if (line.ptr[0] == '"')
        return trim(unquoted(arena, line));
    const char *comma = memchr(line.ptr, ',', line.len);
    return trim((struct str){line.ptr, comma ? (size_t)(comma - line.ptr) : line.len});
}

int list_parse(struct list *list, struct arena *arena, struct str text, bool csv, unsigned *line,
               struct err *err)
{
    struct str rest = arena_dup(arena, text);
    if (str_starts(rest, STR("\xEF\xBB\xBF")))
        rest = (struct str){rest.ptr + 3, rest.len - 3};
    for (*line = 1; rest.len; ++*line) {
        const char *end = memchr(rest.ptr, '\n', rest.len);
        size_t len = end ? (size_t)(end - rest.ptr) + 1 : rest.len;
        struct str entry = trim((struct str){rest.ptr, len});
        rest = (struct str){rest.ptr + len, rest.len - len};
        if (entry.len == 0 || entry.ptr[0] == '#')
            continue;
        struct literal literal = {.type = LITERAL_STRING, .text = csv ? first_cell(arena, entry) : entry};
        if (literal.text.len && list_add(list, &literal, err) != 0)
            return -1;
    }
    return 0;
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

/* An address alone needs no set: it is held as a text. */
static bool is_network(struct str text, struct network *network)
{
    return text.len && memchr(text.ptr, '/', text.len) && network_parse(text, network, NULL) == 0;
}

struct networks {
    VEC(struct network) all;
};

void list_finish(struct list *list)
{
    struct buf scratch = BUF_EMPTY, folded = BUF_EMPTY;
    struct networks networks = {0};
    struct network network;
    list->folded = map_new();
    for (size_t i = 0; i < list->entries.count; i++) {
        struct str text = literal_text(&list->entries.items[i], &scratch);
        map_put(list->folded, fold_into(text, &folded), list);
        if (is_network(text, &network))
            vec_push(&networks.all, network);
    }
    if (networks.all.count) {
        list->arena = arena_new(0);
        list->networks = cidr_set_new(list->arena, networks.all.items, networks.all.count);
    }
    vec_free(&networks.all);
    buf_free(&scratch);
    buf_free(&folded);
}

bool list_has(const struct list *list, struct str value)
{
    /* Values come from events: most are short, and a long one is in no list. */
    if (value.len > LIST_ENTRY_MAX)
        return false;
    char stack[512];
    char *room = text_fold_max(value.len) <= sizeof(stack) ? stack : mem_alloc(text_fold_max(value.len));
    struct str folded = {room, text_fold(value, room)};
    struct ip ip;
    bool has = map_get(list->folded, folded) != NULL ||
               (list->networks && ip_parse(value, &ip) && cidr_set_has(list->networks, &ip));
    if (room != stack)
        free(room);
    return has;
}
