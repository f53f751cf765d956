#include "net/http_guard.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "net/http_chars.h"

enum { METHOD_MAX = 24 }; /* longer ones are refused at once: random bytes, other protocols */

static enum http_step refuse(struct http_head *head, int status, const char *detail)
{
    head->refusal = (struct http_refusal){status, detail};
    return HTTP_STEP_REFUSED;
}

bool http_name_equal(struct str a, const char *b)
{
    return a.len == strlen(b) && strncasecmp(a.ptr, b, a.len) == 0;
}

static struct str trimmed(struct str s)
{
    while (s.len && (*s.ptr == ' ' || *s.ptr == '\t'))
        s.ptr++, s.len--;
    while (s.len && (s.ptr[s.len - 1] == ' ' || s.ptr[s.len - 1] == '\t'))
        s.len--;
    return s;
}

static struct str list_next(struct str *list)
{
    struct str item = {0};
    str_next(list, ',', &item);
    return trimmed(item);
}

bool http_list_has(struct str list, const char *token)
{
    while (list.len)
        if (http_name_equal(list_next(&list), token))
            return true;
    return false;
}

struct str http_head_find(const struct http_head *head, const char *bytes, const char *name)
{
    for (size_t i = 0; i < head->fields.count; i++) {
        const struct http_field *field = &head->fields.items[i];
        if (http_name_equal(http_span_str(bytes, field->name), name))
            return http_span_str(bytes, field->value);
    }
    return (struct str){0};
}

void http_head_reset(struct http_head *head)
{
    struct http_field *items = head->fields.items;
    size_t cap = head->fields.cap;
    *head = (struct http_head){0};
    head->fields.items = items;
    head->fields.cap = cap;
}

void http_head_free(struct http_head *head)
{
    vec_free(&head->fields);
}

/* ---- the request line ---- */

static enum http_step take_version(struct http_head *head, struct str version)
{
    if (version.len != 8 || memcmp(version.ptr, "HTTP/", 5) != 0 || !http_is_digit(version.ptr[5]) ||
        version.ptr[6] != '.' || !http_is_digit(version.ptr[7]))
        return refuse(head, 400, "the request line must end in HTTP/1.1 or HTTP/1.0");
    if (version.ptr[5] != '1' || version.ptr[7] > '1')
        return refuse(head, 505, "this server speaks HTTP/1.1");
    head->minor = version.ptr[7] - '0';
    return HTTP_STEP_MORE;
}

/* Path: RFC 3986 to the letter. Query: also what browsers leave bare in it. */
static bool target_chars_valid(struct str target)
{
    bool query = false;
    for (size_t i = 0; i < target.len; i++) {
        char c = target.ptr[i];
        if (c == '?')
            query = true;
        else if (c == '%' && !(i + 2 < target.len && http_hex(target.ptr[i + 1]) >= 0 &&
                               http_hex(target.ptr[i + 2]) >= 0))
            return false;
        else if (c != '%' && !http_is_path(c) && !(query && http_is_bare_query(c)))
            return false;
    }
    return true;
}

static enum http_method method_named(struct str name)
{
    static const enum http_method all[] = {HTTP_GET,    HTTP_POST, HTTP_PUT,    HTTP_PATCH,
                                           HTTP_DELETE, HTTP_HEAD, HTTP_OPTIONS};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (str_is(name, http_method_name(all[i])))
            return all[i];
    return 0;
}

static enum http_step take_request_line(struct http_head *head, const char *bytes, size_t end)
{
    struct str line = {bytes + head->line, end - head->line};
    const char *space = memchr(line.ptr, ' ', line.len);
    if (!space)
        return refuse(head, 400, "the request line must be a method, a target and a version");
    struct str method = {line.ptr, (size_t)(space - line.ptr)};
    struct str rest = {space + 1, line.len - method.len - 1};
    const char *second = memchr(rest.ptr, ' ', rest.len);
    if (!method.len || !second || second == rest.ptr)
        return refuse(head, 400,
                      "the request line must be a method, a target and a version, one space apart");
    struct str target = {rest.ptr, (size_t)(second - rest.ptr)};
    head->method_text = (struct http_span){(uint32_t)head->line, (uint32_t)method.len};
    head->method = method_named(method);
    head->target = (struct http_span){(uint32_t)(target.ptr - bytes), (uint32_t)target.len};
    if (!target_chars_valid(target))
        return refuse(head, 400, "the request target holds a character or an escape that it may not");
    return take_version(head, (struct str){second + 1, rest.len - target.len - 1});
}

/* ---- fields ---- */

static enum http_step take_field(struct http_head *head, const char *bytes, size_t end,
                                 const struct http_limits *limits)
{
    struct str line = {bytes + head->line, end - head->line};
    if (*line.ptr == ' ' || *line.ptr == '\t')
        return refuse(head, 400, "a header field may not be folded over several lines");
    size_t name = 0;
    while (name < line.len && http_is_token(line.ptr[name]))
        name++;
    if (name == 0 || name == line.len || line.ptr[name] != ':')
        return refuse(head, 400, "a header field must be a name, a colon and a value");
    if (head->fields.count >= limits->header_count)
        return refuse(head, 431, "too many header fields");
    struct str value = trimmed((struct str){line.ptr + name + 1, line.len - name - 1});
    struct http_field field = {.name = {(uint32_t)head->line, (uint32_t)name},
                               .value = {(uint32_t)(value.ptr - bytes), (uint32_t)value.len}};
    vec_push(&head->fields, field);
    return HTTP_STEP_MORE;
}

/* ---- what the fields mean together ---- */

/* Fields that may come once: the framing ones, and those by which a request is judged, so that no proxy in
 * front can have judged it by another of the same name. */
enum single { HOST, CONTENT_LENGTH, TRANSFER_ENCODING, EXPECT, SINGLES };
#define NAME(text)                                                                                           \
    {                                                                                                        \
        text, sizeof(text) - 1                                                                               \
    }
static const struct str single_names[] = {
    [HOST] = NAME("host"),
    [CONTENT_LENGTH] = NAME("content-length"),
    [TRANSFER_ENCODING] = NAME("transfer-encoding"),
    [EXPECT] = NAME("expect"),
    NAME("content-type"),
    NAME("content-encoding"),
    NAME("authorization"),
    NAME("origin"),
    NAME("idempotency-key"),
    NAME("upgrade"),
    NAME("sec-websocket-key"),
    NAME("sec-websocket-version"),
};

/* Some gateways turn `_` into `-`: then this name would have framed the body. */
static bool framing_in_disguise(struct str name)
{
    if (!memchr(name.ptr, '_', name.len) || name.len > 32)
        return false;
    char plain[33] = {0};
    for (size_t i = 0; i < name.len; i++)
        plain[i] = name.ptr[i] == '_' ? '-' : name.ptr[i];
    return strcasecmp(plain, "content-length") == 0 || strcasecmp(plain, "transfer-encoding") == 0;
}

struct singles {
    struct str value[SINGLES];
    bool close, keep_alive;
};

static enum http_step sort_field(struct http_head *head, struct singles *singles, unsigned *seen,
                                 struct str name, struct str value)
{
    if (framing_in_disguise(name))
        return refuse(head, 400, "a header field looks like Content-Length or Transfer-Encoding but is not");
    if (http_name_equal(name, "connection")) {
        singles->close |= http_list_has(value, "close");
        singles->keep_alive |= http_list_has(value, "keep-alive");
        return HTTP_STEP_MORE;
    }
    for (size_t i = 0; i < sizeof single_names / sizeof *single_names; i++) {
        if (name.len != single_names[i].len || strncasecmp(name.ptr, single_names[i].ptr, name.len) != 0)
            continue;
        if (*seen & 1U << i)
            return refuse(head, 400, "a header field that may come once came twice");
        *seen |= 1U << i;
        if (i < SINGLES)
            singles->value[i] = value;
        break;
    }
    return HTTP_STEP_MORE;
}

static bool port_valid(struct str port)
{
    for (size_t i = 0; i < port.len; i++)
        if (!http_is_digit(port.ptr[i]))
            return false;
    return port.len <= 5;
}

/* uri-host [ ":" port ], no user, no list, not empty. */
static bool host_valid(struct str host)
{
    if (host.len && *host.ptr == '[') {
        const char *end = memchr(host.ptr, ']', host.len);
        size_t len = end ? (size_t)(end - host.ptr) + 1 : 0;
        if (len < 4 || strspn(host.ptr + 1, "0123456789abcdefABCDEF:.") != len - 2)
            return false;
        struct str port = {host.ptr + len, host.len - len};
        return port.len == 0 || (*port.ptr == ':' && port_valid((struct str){port.ptr + 1, port.len - 1}));
    }
    const char *colon = host.len ? memchr(host.ptr, ':', host.len) : NULL;
    size_t len = colon ? (size_t)(colon - host.ptr) : host.len;
    for (size_t i = 0; i < len; i++)
        if (!http_is_host(host.ptr[i]))
            return false;
    return len > 0 && (!colon || port_valid((struct str){colon + 1, host.len - len - 1}));
}

/* The authority of "http://host/path"; ptr NULL for another form. */
static struct str target_authority(struct str target)
{
    size_t scheme = 0;
    if (target.len > 7 && strncasecmp(target.ptr, "http://", 7) == 0)
        scheme = 7;
    else if (target.len > 8 && strncasecmp(target.ptr, "https://", 8) == 0)
        scheme = 8;
    if (!scheme)
        return (struct str){0};
    struct str rest = {target.ptr + scheme, target.len - scheme};
    size_t len = 0;
    while (len < rest.len && rest.ptr[len] != '/' && rest.ptr[len] != '?')
        len++;
    return (struct str){rest.ptr, len};
}

static enum http_step check_target(struct http_head *head, struct str target, struct str host)
{
    if (*target.ptr == '/')
        return HTTP_STEP_MORE;
    if (target.len == 1 && *target.ptr == '*' && head->method == HTTP_OPTIONS)
        return HTTP_STEP_MORE;
    struct str authority = target_authority(target);
    if (!authority.ptr)
        return refuse(head, 400, "the request target must be a path");
    bool same = host.ptr ? authority.len == host.len && strncasecmp(authority.ptr, host.ptr, host.len) == 0
                         : host_valid(authority); /* HTTP/1.0 */
    if (!same)
        return refuse(head, 400, "the request target names another host than the Host field");
    return HTTP_STEP_MORE;
}

static enum http_step take_length(struct http_head *head, struct str text, const struct http_limits *limits)
{
    if (text.len == 0 || (text.len > 1 && *text.ptr == '0'))
        return refuse(head, 400, "Content-Length must be a decimal number without leading zeros");
    for (size_t i = 0; i < text.len; i++) {
        if (!http_is_digit(text.ptr[i]) || i >= 18)
            return refuse(head, 400, "Content-Length must be a decimal number");
        head->content_length = head->content_length * 10 + (uint64_t)(text.ptr[i] - '0');
    }
    if (head->content_length > limits->body)
        return refuse(head, 413, "the body is larger than this server accepts");
    return HTTP_STEP_MORE;
}

static enum http_step take_coding(struct http_head *head, struct str list)
{
    if (http_name_equal(list, "chunked")) {
        head->chunked = true;
        return HTTP_STEP_MORE;
    }
    for (size_t i = 0; i < list.len; i++)
        if (!http_is_token(list.ptr[i]) && !strchr(", \t", list.ptr[i]))
            return refuse(head, 400, "Transfer-Encoding must be chunked");
    if (list.len == 0 || http_list_has(list, "") || list.ptr[list.len - 1] == ',' ||
        http_name_equal(list_next(&list), "chunked"))
        return refuse(head, 400, "Transfer-Encoding must be chunked");
    return refuse(head, 501, "no transfer coding but chunked is known here");
}

static enum http_step take_framing(struct http_head *head, const struct singles *singles,
                                   const struct http_limits *limits)
{
    struct str length = singles->value[CONTENT_LENGTH], coding = singles->value[TRANSFER_ENCODING];
    if (coding.ptr && length.ptr)
        return refuse(head, 400, "a request may not have both Content-Length and Transfer-Encoding");
    if (coding.ptr && head->minor == 0)
        return refuse(head, 400, "HTTP/1.0 has no Transfer-Encoding");
    if (coding.ptr)
        return take_coding(head, coding);
    return length.ptr ? take_length(head, length, limits) : HTTP_STEP_MORE;
}

static enum http_step take_meaning(struct http_head *head, const char *bytes,
                                   const struct http_limits *limits)
{
    struct singles singles = {0};
    unsigned seen = 0;
    for (size_t i = 0; i < head->fields.count; i++) {
        const struct http_field *field = &head->fields.items[i];
        if (sort_field(head, &singles, &seen, http_span_str(bytes, field->name),
                       http_span_str(bytes, field->value)))
            return HTTP_STEP_REFUSED;
    }
    struct str host = singles.value[HOST];
    if ((!host.ptr && head->minor > 0) || (host.ptr && !host_valid(host)))
        return refuse(head, 400, "a request must have one Host field with a host and maybe a port");
    if (take_framing(head, &singles, limits))
        return HTTP_STEP_REFUSED;
    if (!head->method)
        return refuse(head, 501, "this method is not known here");
    if (check_target(head, http_span_str(bytes, head->target), host))
        return HTTP_STEP_REFUSED;
    if (singles.value[EXPECT].ptr && head->minor > 0) {
        if (!http_name_equal(singles.value[EXPECT], "100-continue"))
            return refuse(head, 417, "only 100-continue can be expected");
        head->expect_continue = true;
    }
    head->keep_alive = !singles.close && (head->minor > 0 || singles.keep_alive);
    return HTTP_STEP_DONE;
}

/* ---- bytes ---- */

/* `end`: where the CR of this line is. */
static enum http_step take_line(struct http_head *head, const char *bytes, size_t end,
                                const struct http_limits *limits)
{
    if (!head->in_fields && end == head->line) {
        if (head->skipped_empty)
            return refuse(head, 400, "empty lines in front of the request line");
        head->skipped_empty = true;
        return HTTP_STEP_MORE;
    }
    if (!head->in_fields) {
        head->in_fields = true;
        head->fields_start = end + 2;
        return take_request_line(head, bytes, end);
    }
    if (end == head->line) {
        head->length = end + 2;
        return take_meaning(head, bytes, limits);
    }
    return take_field(head, bytes, end, limits);
}

static enum http_step check_size(struct http_head *head, size_t at, const struct http_limits *limits)
{
    if (!head->in_fields && at - head->line >= limits->request_line)
        return refuse(head, 414, "the request line is longer than this server accepts");
    if (head->in_fields && at - head->fields_start >= limits->header_bytes)
        return refuse(head, 431, "the header fields are larger than this server accepts");
    return HTTP_STEP_MORE;
}

/* Looks at a byte inside a line, before the line is whole: so that nothing wrong has to be waited out. */
static enum http_step check_byte(struct http_head *head, const char *bytes, size_t at)
{
    char c = bytes[at];
    if (at > head->line && bytes[at - 1] == '\r')
        return refuse(head, 400, "a carriage return stands alone");
    if (http_is_control(c) && c != '\r' && !(c == '\t' && head->in_fields))
        return refuse(head, 400, "a control character in the head of the request");
    if (head->in_fields || head->method_text.len || c == '\r')
        return HTTP_STEP_MORE;
    if (c == ' ' && at > head->line)
        head->method_text.len = (uint32_t)(at - head->line); /* for now: the method is over */
    else if (!http_is_token(c) || at - head->line >= METHOD_MAX)
        return refuse(head, 400, "the request does not start with a method");
    return HTTP_STEP_MORE;
}

enum http_step http_head_feed(struct http_head *head, struct str bytes, const struct http_limits *limits)
{
    for (; head->scanned < bytes.len; head->scanned++) {
        size_t at = head->scanned;
        if (check_size(head, at, limits))
            return HTTP_STEP_REFUSED;
        if (bytes.ptr[at] != '\n') {
            if (check_byte(head, bytes.ptr, at))
                return HTTP_STEP_REFUSED;
            continue;
        }
        if (at == head->line || bytes.ptr[at - 1] != '\r')
            return refuse(head, 400, "a line must end in CR LF");
        enum http_step step = take_line(head, bytes.ptr, at - 1, limits);
        if (step != HTTP_STEP_MORE)
            return step;
        head->line = at + 1;
    }
    return HTTP_STEP_MORE;
}
