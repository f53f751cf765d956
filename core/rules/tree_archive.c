/* A reader of POSIX ustar archives with the two widespread extensions for long names (pax "path", GNU 'L').
 * Links and devices are left out with a warning: a rule is a plain file. */
#include "base/compress.h"
#include "rules/tree.h"

#define BLOCK 512
/* Padding compresses to almost nothing, so a small archive has an honest ratio of hundreds; the size is what
 * bounds the work. */
#define RATIO_MAX 5000

struct archive {
    const struct tree_place *place;
    struct str name;      /* of the archive, below the root */
    struct str rest;      /* unread bytes */
    struct str folder;    /* of the archive: members stand beside it */
    struct str next_name; /* from a pax or GNU record, for the following member; ptr NULL: none */
};

struct member {
    char type;
    struct str name, data;
};

static int broken(const struct archive *archive, const char *what, struct err *err)
{
    return err_set(err, ERR_INVALID, "%.*s/%.*s: not a tar archive: %s", STR_ARG(archive->place->shown),
                   STR_ARG(archive->name), what);
}

static struct str text_field(const char *field, size_t size)
{
    return (struct str){field, strnlen(field, size)};
}

/* Octal digits, padded by spaces or NUL on either side. */
static bool octal_field(const char *field, size_t size, uint64_t *value)
{
    size_t at = 0;
    while (at < size && field[at] == ' ')
        at++;
    size_t digits = 0;
    for (*value = 0; at < size && field[at] >= '0' && field[at] <= '7'; at++, digits++)
        *value = *value * 8 + (uint64_t)(field[at] - '0');
    return digits > 0 && (at == size || field[at] == ' ' || field[at] == '\0');
}

static bool checksum_holds(const char *block)
{
    uint64_t want, sum = 0;
    if (!octal_field(block + 148, 8, &want))
        return false;
    for (size_t i = 0; i < BLOCK; i++)
        sum += i >= 148 && i < 156 ? ' ' : (unsigned char)block[i];
    return sum == want;
}

static bool is_zero(const char *block)
{
    for (size_t i = 0; i < BLOCK; i++)
        if (block[i] != 0)
            return false;
    return true;
}

static struct str header_name(const struct archive *archive, const char *block)
{
    struct str name = text_field(block, 100);
    struct str prefix = memcmp(block + 257, "ustar\0", 6) == 0 ? text_field(block + 345, 155) : STR("");
    if (prefix.len == 0)
        return name;
    return str_from(arena_printf(archive->place->tree->arena, "%.*s/%.*s", STR_ARG(prefix), STR_ARG(name)));
}

/* 1 and a member, 0 at the end, -1 when torn. */
static int next_member(struct archive *archive, struct member *member, struct err *err)
{
    if (archive->rest.len == 0 || (archive->rest.len >= BLOCK && is_zero(archive->rest.ptr)))
        return 0;
    if (archive->rest.len < BLOCK)
        return broken(archive, "it ends inside a header", err);
    const char *block = archive->rest.ptr;
    uint64_t size;
    if (!checksum_holds(block) || !octal_field(block + 124, 12, &size))
        return broken(archive, "a header is damaged", err);
    struct str after = {block + BLOCK, archive->rest.len - BLOCK};
    if (size > after.len)
        return broken(archive, "it ends inside a file", err);
    *member = (struct member){block[156], header_name(archive, block), {after.ptr, (size_t)size}};
    size_t padded = ((size_t)size + BLOCK - 1) / BLOCK * BLOCK;
    if (padded > after.len)
        padded = after.len;
    archive->rest = (struct str){after.ptr + padded, after.len - padded};
    return 1;
}

/* The "path" of a pax record list ("27 path=some/name\n"...); ptr NULL when there is none. */
static struct str pax_path(struct str data)
{
    while (data.len) {
        size_t at = 0, len = 0;
        while (at < data.len && at < 8 && data.ptr[at] >= '0' && data.ptr[at] <= '9')
            len = len * 10 + (size_t)(data.ptr[at++] - '0');
        if (at == 0 || at >= data.len || data.ptr[at] != ' ' || len <= at + 1 || len > data.len)
            return (struct str){0};
        struct str record = {data.ptr + at + 1, len - at - 2};
        if (str_starts(record, STR("path=")))
            return (struct str){record.ptr + 5, record.len - 5};
        data = (struct str){data.ptr + len, data.len - len};
    }
    return (struct str){0};
}

enum verdict { SKIP, TAKE, REFUSE };

/* What a member's name says: each part of the path is checked, so that nothing reaches above the archive's
 * folder. */
static enum verdict judge_name(struct str name)
{
    if (name.len == 0 || name.ptr[0] == '/')
        return REFUSE;
    for (size_t start = 0; start < name.len;) {
        const char *slash = memchr(name.ptr + start, '/', name.len - start);
        size_t end = slash ? (size_t)(slash - name.ptr) : name.len;
        struct str part = {name.ptr + start, end - start};
        if (str_is(part, ".."))
            return REFUSE;
        if (part.len && part.ptr[0] == '.')
            return SKIP;
        start = end + 1;
    }
    return TAKE;
}

static int take_member(const struct archive *archive, struct str name, struct str data, struct err *err)
{
    while (str_starts(name, STR("./")))
        name = (struct str){name.ptr + 2, name.len - 2};
    enum verdict verdict = judge_name(name);
    if (verdict == REFUSE)
        return broken(archive, "a name is absolute, empty or leads upwards", err);
    if (verdict == SKIP || !tree_wants(name))
        return 0;
    if (str_ends(name, STR("gz"))) {
        tree_refuse(archive->place, name, "an archive inside an archive is not read");
        return 0;
    }
    struct arena *arena = archive->place->tree->arena;
    if (archive->folder.len)
        name = str_from(arena_printf(arena, "%.*s/%.*s", STR_ARG(archive->folder), STR_ARG(name)));
    return tree_add(archive->place, name, data, err);
}

static int handle(struct archive *archive, const struct member *member, struct err *err)
{
    struct str name = archive->next_name.ptr ? archive->next_name : member->name;
    switch (member->type) {
    case 'L':
        archive->next_name = text_field(member->data.ptr, member->data.len);
        return 0;
    case 'x':
        archive->next_name = pax_path(member->data);
        return 0;
    case 'g':
        return 0;
    case '0':
    case '\0':
        archive->next_name = (struct str){0};
        return take_member(archive, name, member->data, err);
    case '5':
        archive->next_name = (struct str){0};
        return 0;
    default:
        archive->next_name = (struct str){0};
        report_add(&archive->place->tree->notes, PROBLEM_WARNING, "",
                   "%.*s: the member %.*s is no plain file and is left out", STR_ARG(archive->name),
                   STR_ARG(name));
        return 0;
    }
}

static struct str folder_of(struct str name)
{
    size_t at = name.len;
    while (at > 0 && name.ptr[at - 1] != '/')
        at--;
    return (struct str){name.ptr, at ? at - 1 : 0};
}

int tree_add_archive(const struct tree_place *place, struct str name, struct str gz, struct err *err)
{
    struct buf text = BUF_EMPTY;
    struct archive archive = {.place = place, .name = name, .folder = folder_of(name)};
    struct tree_place inside = *place;
    inside.shown = place->shown.len ? str_from(arena_printf(place->tree->arena, "%.*s/%.*s!",
                                                            STR_ARG(place->shown), STR_ARG(name)))
                                    : str_from(arena_printf(place->tree->arena, "%.*s!", STR_ARG(name)));
    archive.place = &inside;
    int result = decompress_gzip(gz, TREE_LIST_MAX, RATIO_MAX, &text, err);
    if (result != 0)
        err_at(err, "%.*s", STR_ARG(name));
    archive.rest = text.ptr ? buf_str(&text) : STR("");
    struct member member = {0};
    int more = result;
    while (result == 0 && (more = next_member(&archive, &member, err)) > 0)
        result = handle(&archive, &member, err);
    buf_free(&text);
    return result != 0 || more < 0 ? -1 : 0;
}
