#include "ai/evidence.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/id.h"
#include "base/text.h"
#include "base/vec.h"

#define VALUE_DEFAULT 512
#define TOTAL_DEFAULT (24u << 10)
#define LIST_MAX      20
#define PATH_MAX_LEN  128
#define FENCE_LEAST   256 /* bytes of the block that are not for members */

struct line {
    uint32_t number;
    char *path;      /* as printed */
    size_t from, to; /* in the block's text */
    char *values;    /* before escaping, a NUL behind each */
    size_t values_len;
};

struct evidence_block {
    struct buf text;
    VEC(struct line) lines;
    size_t left_out;
    uint32_t last;
};

/* ---- what a stranger can write ---- */

/* A name, or all below where it ends in a dot. What a machine of ours, a protocol with fixed values or an
 * address family decides; a hash; a number. */
static const char *const own[] = {"@timestamp",
                                  "agent.id",
                                  "agent.type",
                                  "cloud.account.id",
                                  "cloud.availability_zone",
                                  "cloud.provider",
                                  "cloud.region",
                                  "client.as.number",
                                  "client.bytes",
                                  "client.geo.",
                                  "client.ip",
                                  "client.packets",
                                  "client.port",
                                  "destination.as.number",
                                  "destination.bytes",
                                  "destination.geo.",
                                  "destination.ip",
                                  "destination.packets",
                                  "destination.port",
                                  "dns.response_code",
                                  "dns.question.type",
                                  "ecs.version",
                                  "event.action",
                                  "event.category",
                                  "event.code",
                                  "event.created",
                                  "event.dataset",
                                  "event.duration",
                                  "event.end",
                                  "event.ingested",
                                  "event.kind",
                                  "event.module",
                                  "event.outcome",
                                  "event.provider",
                                  "event.severity",
                                  "event.start",
                                  "event.timezone",
                                  "event.type",
                                  "file.hash.",
                                  "file.size",
                                  "host.id",
                                  "host.ip",
                                  "host.mac",
                                  "host.os.family",
                                  "host.os.type",
                                  "http.request.bytes",
                                  "http.response.bytes",
                                  "http.response.status_code",
                                  "http.version",
                                  "network.bytes",
                                  "network.community_id",
                                  "network.direction",
                                  "network.iana_number",
                                  "network.packets",
                                  "network.transport",
                                  "network.type",
                                  "observer.ip",
                                  "observer.product",
                                  "observer.type",
                                  "observer.vendor",
                                  "organization.id",
                                  "process.exit_code",
                                  "process.hash.",
                                  "process.parent.hash.",
                                  "process.parent.pid",
                                  "process.pid",
                                  "rule.id",
                                  "server.bytes",
                                  "server.ip",
                                  "server.packets",
                                  "server.port",
                                  "service.type",
                                  "source.as.number",
                                  "source.bytes",
                                  "source.geo.",
                                  "source.ip",
                                  "source.packets",
                                  "source.port",
                                  "tls.version",
                                  "user.id"};

bool evidence_is_tainted(struct str path)
{
    for (size_t i = 0; i < sizeof own / sizeof own[0]; i++) {
        struct str name = str_from(own[i]);
        if (str_equal(path, name) || (str_ends(name, STR(".")) && str_starts(path, name)))
            return false;
    }
    return true;
}

/* ---- values ---- */

/* Characters that are not seen, that change how others are shown, or that end a line. */
static bool is_invisible(uint32_t point)
{
    static const struct {
        uint32_t first, last;
    } ranges[] = {{0x7f, 0x9f},       {0xad, 0xad},     {0x34f, 0x34f},     {0x61c, 0x61c},
                  {0x115f, 0x1160},   {0x17b4, 0x17b5}, {0x180b, 0x180f},   {0x200b, 0x200f},
                  {0x2028, 0x202e},   {0x2060, 0x206f}, {0x3164, 0x3164},   {0xfe00, 0xfe0f},
                  {0xfeff, 0xfeff},   {0xffa0, 0xffa0}, {0xfff0, 0xfffb},   {0x1d173, 0x1d17a},
                  {0xe0000, 0xe0fff}, {0xe000, 0xf8ff}, {0xf0000, 0x10ffff}};
    if (point < 0x20)
        return true;
    for (size_t i = 0; i < sizeof ranges / sizeof ranges[0]; i++)
        if (point >= ranges[i].first && point <= ranges[i].last)
            return true;
    return false;
}

static void put_escape(struct buf *out, uint32_t point)
{
    if (point == '\n')
        buf_puts(out, "\\n");
    else if (point == '\r')
        buf_puts(out, "\\r");
    else if (point == '\t')
        buf_puts(out, "\\t");
    else if (point < 0x10000)
        buf_printf(out, "\\u%04X", (unsigned)point);
    else
        buf_printf(out, "\\u%04X\\u%04X", (unsigned)(0xd800 + ((point - 0x10000) >> 10)),
                   (unsigned)(0xdc00 + ((point - 0x10000) & 0x3ff)));
}

/* Appends the escaped text, without quotes; returns how many bytes of it found room. */
static size_t put_escaped(struct buf *out, struct str value, size_t max)
{
    size_t at = 0;
    while (at < value.len) {
        uint32_t point;
        int len = text_utf8_decode((struct str){value.ptr + at, value.len - at}, &point);
        size_t bytes = (size_t)(len < 0 ? -len : len);
        if (at + bytes > max)
            break;
        if (len < 0)
            buf_puts(out, "\xef\xbf\xbd");
        else if (point == '"' || point == '\\')
            buf_printf(out, "\\%c", (char)point);
        else if (is_invisible(point))
            put_escape(out, point);
        else
            buf_add(out, value.ptr + at, bytes);
        at += bytes;
    }
    return at;
}

/* Returns how many bytes of the value were printed. */
static size_t put_value(struct buf *out, struct str value, size_t max)
{
    buf_putc(out, '"');
    size_t sent = put_escaped(out, value, max);
    buf_putc(out, '"');
    if (sent < value.len)
        buf_printf(out, "…(+%zu bytes)", value.len - sent);
    return sent;
}

void evidence_print_value(struct buf *out, struct str value, size_t max)
{
    put_value(out, value, max);
}

void evidence_nonce(char out[EVIDENCE_NONCE_HEX + 1])
{
    unsigned char bytes[EVIDENCE_NONCE_HEX / 2];
    id_random(bytes, sizeof bytes);
    id_hex(bytes, sizeof bytes, out);
}

/* ---- lines ---- */

struct printer {
    const struct evidence_options *options;
    size_t value_max;
    struct buf line, values;
};

static void print_text(struct printer *printer, struct str path, struct str value)
{
    struct buf clean = BUF_EMPTY;
    if (printer->options->redact)
        redact_value(printer->options->redact, path, value, &clean);
    else
        buf_put(&clean, value);
    size_t sent = put_value(&printer->line, buf_str(&clean), printer->value_max);
    buf_add(&printer->values, clean.ptr, sent);
    buf_putc(&printer->values, '\0');
    buf_free(&clean);
}

static void print_scalar(struct printer *printer, struct str path, const struct json *value)
{
    struct buf text = BUF_EMPTY;
    struct str string;
    if (json_as_str(value, &string)) {
        print_text(printer, path, string);
        return;
    }
    json_print(value, &text);
    if (json_kind(value) == JSON_KIND_ARRAY || json_kind(value) == JSON_KIND_OBJECT)
        print_text(printer, path, buf_str(&text)); /* no flat value: shown as the text it is */
    else
        buf_put(&printer->line, buf_str(&text));
    buf_free(&text);
}

static void print_list(struct printer *printer, struct str path, const struct json *list)
{
    size_t count = json_count(list);
    bool is_secret = false;
    buf_putc(&printer->line, '[');
    for (size_t i = 0; i < count && i < LIST_MAX; i++) {
        const struct json *item = json_item(list, i);
        struct str text;
        if (i)
            buf_puts(&printer->line, ", ");
        print_scalar(printer, is_secret ? STR("password") : path, item);
        is_secret = json_as_str(item, &text) && redact_is_secret_option(text);
    }
    if (count > LIST_MAX)
        buf_printf(&printer->line, ", …(+%zu more)", count - LIST_MAX);
    buf_putc(&printer->line, ']');
}

static void print_path(struct buf *out, struct str path)
{
    size_t len = path.len < PATH_MAX_LEN ? path.len : PATH_MAX_LEN;
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)path.ptr[i];
        if (c > ' ' && c < 0x7f && !strchr("\"\\=[]<>`", c))
            buf_putc(out, (char)c);
        else
            buf_printf(out, "\\x%02X", c); /* a name that is none: shown, and no line of its own */
    }
}

/* The nonce stands in the fence alone: where a value holds it, a dot goes behind its first byte. An escape
 * would not do: \u0030 ends in the 0 that it stands for. */
static void break_nonce(struct buf *line, struct str nonce)
{
    struct buf fresh = BUF_EMPTY;
    const char *at = line->ptr, *end = line->ptr + line->len, *found;
    while ((found = memmem(at, (size_t)(end - at), nonce.ptr, nonce.len))) {
        buf_add(&fresh, at, (size_t)(found + 1 - at));
        buf_puts(&fresh, "·");
        at = found + 1;
    }
    if (fresh.len) {
        buf_add(&fresh, at, (size_t)(end - at));
        buf_free(line);
        *line = fresh;
    }
}

static void print_line(struct printer *printer, uint32_t number, struct str path, const struct json *value)
{
    struct buf *line = &printer->line;
    bool is_text = json_kind(value) == JSON_KIND_STRING || json_kind(value) == JSON_KIND_ARRAY ||
                   json_kind(value) == JSON_KIND_OBJECT;
    buf_clear(line);
    buf_clear(&printer->values);
    buf_printf(line, "E%u ", number);
    print_path(line, path);
    buf_puts(line, is_text && evidence_is_tainted(path) ? " [untrusted] = " : " = ");
    if (json_kind(value) == JSON_KIND_ARRAY)
        print_list(printer, path, value);
    else
        print_scalar(printer, path, value);
    break_nonce(line, printer->options->nonce);
    buf_putc(line, '\n');
}

/* False where it found no room. */
static bool keep_line(struct evidence_block *block, struct printer *printer, uint32_t number, struct str path,
                      size_t *room)
{
    struct buf printed_path = BUF_EMPTY;
    if (printer->line.len > *room) {
        block->left_out++;
        return false;
    }
    *room -= printer->line.len;
    print_path(&printed_path, path);
    struct line line = {.number = number,
                        .path = mem_dup(printed_path.ptr, printed_path.len),
                        .from = block->text.len,
                        .to = block->text.len + printer->line.len - 1,
                        .values = mem_dup(printer->values.ptr, printer->values.len),
                        .values_len = printer->values.len};
    buf_put(&block->text, buf_str(&printer->line));
    vec_push(&block->lines, line);
    buf_free(&printed_path);
    return true;
}

/* ---- members ---- */

static bool number_of(const struct json *member, uint32_t *number)
{
    struct str id;
    uint64_t value = 0;
    if (!json_get_str(member, "id", &id) || id.len < 2 || id.len > 10 || id.ptr[0] != 'E')
        return false;
    for (size_t i = 1; i < id.len; i++) {
        if (id.ptr[i] < '0' || id.ptr[i] > '9')
            return false;
        value = value * 10 + (uint64_t)(id.ptr[i] - '0');
    }
    *number = (uint32_t)value;
    return value > 0 && value <= UINT32_MAX;
}

static bool is_wanted(const struct json *member, uint32_t since, uint32_t *number)
{
    return number_of(member, number) && *number > since;
}

static void print_time(struct evidence_block *block, struct printer *printer, uint32_t number,
                       const struct json *member, size_t *room)
{
    struct str text;
    int64_t ns;
    char time[32];
    if (!json_get_str(member, "time", &text) || !time_parse(text, TIME_RFC3339, &ns))
        return;
    time_print(ns, time);
    buf_clear(&printer->line);
    buf_clear(&printer->values);
    buf_printf(&printer->line, "E%u time = %s\n", number, time);
    keep_line(block, printer, number, STR("time"), room);
}

static void print_member(struct evidence_block *block, struct printer *printer, const struct json *member,
                         size_t room)
{
    uint32_t number;
    struct str path;
    const struct json *value;
    if (!number_of(member, &number))
        return;
    print_time(block, printer, number, member, &room);
    for (void *at = NULL; json_next(json_get(member, "context"), &at, &path, &value);) {
        print_line(printer, number, path, value);
        keep_line(block, printer, number, path, &room);
    }
    if (number > block->last)
        block->last = number;
}

static void learn_value(struct redact *redact, struct str path, const struct json *value)
{
    struct str text;
    if (json_as_str(value, &text))
        redact_learn(redact, path, text);
    for (size_t i = 0; i < json_count(value) && i < LIST_MAX; i++)
        if (json_as_str(json_item(value, i), &text))
            redact_learn(redact, path, text);
}

static void learn_all(struct redact *redact, const struct json *members)
{
    struct str path;
    const struct json *value;
    for (size_t i = 0; redact && i < json_count(members); i++)
        for (void *at = NULL; json_next(json_get(json_item(members, i), "context"), &at, &path, &value);)
            learn_value(redact, path, value);
}

/* ---- the block ---- */

static bool is_nonce(struct str nonce)
{
    for (size_t i = 0; i < nonce.len; i++) {
        char c = nonce.ptr[i];
        if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')))
            return false;
    }
    return nonce.len >= 8 && nonce.len <= 64;
}

/* Each member gets an equal part of what is left, so that one with long values does not hide the others. */
static void print_members(struct evidence_block *block, const struct json *members,
                          const struct evidence_options *options)
{
    struct printer printer = {.options = options,
                              .value_max = options->value_max ? options->value_max : VALUE_DEFAULT};
    size_t total = options->total_max ? options->total_max : TOTAL_DEFAULT, left = 0;
    uint32_t number;
    for (size_t i = 0; i < json_count(members); i++)
        left += is_wanted(json_item(members, i), options->since, &number);
    for (size_t i = 0; i < json_count(members); i++) {
        if (!is_wanted(json_item(members, i), options->since, &number))
            continue;
        size_t used = block->text.len + FENCE_LEAST;
        print_member(block, &printer, json_item(members, i), used < total ? (total - used) / left : 0);
        left--;
    }
    buf_free(&printer.line);
    buf_free(&printer.values);
}

struct evidence_block *evidence_block_new(const struct json *threat, const struct evidence_options *options,
                                          struct err *err)
{
    const struct json *members = json_get(threat, "evidence");
    if (!is_nonce(options->nonce)) {
        err_set(err, ERR_INVALID, "the nonce of an evidence block is 8 to 64 letters and digits");
        return NULL;
    }
    if (json_kind(threat) != JSON_KIND_OBJECT || (members && json_kind(members) != JSON_KIND_ARRAY)) {
        err_set(err, ERR_INVALID, "expected a threat with a list of evidence");
        return NULL;
    }
    struct evidence_block *block = mem_zalloc(1, sizeof *block);
    block->last = options->since;
    learn_all(options->redact, members);
    buf_printf(&block->text, "<<<EVIDENCE %.*s>>>\n", STR_ARG(options->nonce));
    print_members(block, members, options);
    if (block->left_out)
        buf_printf(&block->text, "(%zu more fields found no room)\n", block->left_out);
    buf_printf(&block->text, "<<<END %.*s>>>\n", STR_ARG(options->nonce));
    return block;
}

void evidence_block_free(struct evidence_block *block)
{
    if (!block)
        return;
    for (size_t i = 0; i < block->lines.count; i++) {
        free(block->lines.items[i].path);
        free(block->lines.items[i].values);
    }
    vec_free(&block->lines);
    buf_free(&block->text);
    free(block);
}

struct str evidence_block_text(const struct evidence_block *block)
{
    return buf_str(&block->text);
}

size_t evidence_block_fields(const struct evidence_block *block)
{
    return block->lines.count;
}

size_t evidence_block_left_out(const struct evidence_block *block)
{
    return block->left_out;
}

uint32_t evidence_block_last(const struct evidence_block *block)
{
    return block->last;
}

/* ---- quotes ---- */

/* Whether `id` ("E1", "E1.user.name") names the line. */
static bool names_line(struct str id, const struct line *line)
{
    char number[16];
    int len = snprintf(number, sizeof number, "E%u", line->number);
    struct str head = {number, (size_t)len};
    if (!str_starts(id, head))
        return false;
    if (id.len == head.len)
        return true;
    return id.ptr[head.len] == '.' &&
           str_is((struct str){id.ptr + head.len + 1, id.len - head.len - 1}, line->path);
}

bool evidence_block_has(const struct evidence_block *block, struct str id)
{
    for (size_t i = 0; i < block->lines.count; i++)
        if (names_line(id, &block->lines.items[i]))
            return true;
    return false;
}

bool evidence_block_quotes(const struct evidence_block *block, struct str id, struct str quote)
{
    if (quote.len == 0 || memchr(quote.ptr, '\0', quote.len))
        return false;
    for (size_t i = 0; i < block->lines.count; i++) {
        const struct line *line = &block->lines.items[i];
        if (names_line(id, line) &&
            (memmem(block->text.ptr + line->from, line->to - line->from, quote.ptr, quote.len) ||
             memmem(line->values, line->values_len, quote.ptr, quote.len)))
            return true;
    }
    return false;
}
