#include <string.h>
#include <strings.h>

#include "net/http_chars.h"
#include "net/http_guard.h"

enum {
    SIZE_LINE_MAX = 256,  /* with its extensions */
    SIZE_DIGITS_MAX = 16, /* leading zeros included */
    OVERHEAD_FREE = 16384,
    OVERHEAD_RATIO = 16,
};

enum state {
    LENGTH, /* the whole body is one run of data */
    SIZE_START,
    SIZE,
    EXTENSION_START,
    EXTENSION_NAME,
    EXTENSION_VALUE_START,
    EXTENSION_VALUE,
    EXTENSION_QUOTED,
    EXTENSION_ESCAPED,
    EXTENSION_QUOTED_END,
    SIZE_LF,
    DATA,
    DATA_CR,
    DATA_LF,
    TRAILER_START,
    TRAILER_NAME,
    TRAILER_VALUE,
    TRAILER_LF,
    END_LF,
    END,
};

static enum http_step refuse(struct http_body *body, int status, const char *detail)
{
    body->refusal = (struct http_refusal){status, detail};
    return HTTP_STEP_REFUSED;
}

static enum http_step go(struct http_body *body, enum state state)
{
    body->state = state;
    return state == END ? HTTP_STEP_DONE : HTTP_STEP_MORE;
}

enum http_step http_body_start(struct http_body *body, const struct http_head *head,
                               const struct http_limits *limits)
{
    *body = (struct http_body){.limit = limits->body,
                               .chunked = head->chunked,
                               .left = head->content_length,
                               .trailer_bytes_max = limits->header_bytes,
                               .trailer_count_max = limits->header_count};
    if (head->chunked)
        return go(body, SIZE_START);
    return go(body, head->content_length ? LENGTH : END);
}

uint64_t http_body_plain(const struct http_body *body)
{
    return body->state == LENGTH || body->state == DATA ? body->left : 0;
}

enum http_step http_body_took(struct http_body *body, uint64_t count)
{
    body->left -= count;
    body->total += count;
    if (body->left)
        return HTTP_STEP_MORE;
    return go(body, body->state == LENGTH ? END : DATA_CR);
}

static enum http_step bad_size(struct http_body *body)
{
    return refuse(body, 400, "a chunk must start with its size in hexadecimal digits");
}

static enum http_step bad_extension(struct http_body *body)
{
    return refuse(body, 400, "a chunk extension must be a name, or a name and a value");
}

static enum http_step size_digit(struct http_body *body, char c)
{
    if (body->line > SIZE_DIGITS_MAX)
        return bad_size(body);
    body->left = body->left << 4 | (uint64_t)http_hex(c);
    return go(body, SIZE);
}

static enum http_step size_end(struct http_body *body)
{
    body->line = 0;
    if (body->left == 0)
        return go(body, TRAILER_START);
    if (body->left > body->limit - body->total)
        return refuse(body, 413, "the body is larger than this server accepts");
    return go(body, DATA);
}

static bool is_quoted_text(char c)
{
    return c == '\t' || !http_is_control(c);
}

static enum http_step extension_byte(struct http_body *body, char c)
{
    switch ((enum state)body->state) {
    case EXTENSION_START:
        return http_is_token(c) ? go(body, EXTENSION_NAME) : bad_extension(body);
    case EXTENSION_NAME:
        if (c == '=')
            return go(body, EXTENSION_VALUE_START);
        break;
    case EXTENSION_VALUE_START:
        if (c == '"')
            return go(body, EXTENSION_QUOTED);
        return http_is_token(c) ? go(body, EXTENSION_VALUE) : bad_extension(body);
    case EXTENSION_QUOTED:
        if (c == '"' || c == '\\')
            return go(body, c == '"' ? EXTENSION_QUOTED_END : EXTENSION_ESCAPED);
        return is_quoted_text(c) ? HTTP_STEP_MORE : bad_extension(body);
    case EXTENSION_ESCAPED:
        return is_quoted_text(c) ? go(body, EXTENSION_QUOTED) : bad_extension(body);
    default:
        break;
    }
    if (c == ';')
        return go(body, EXTENSION_START);
    if (c == '\r')
        return go(body, SIZE_LF);
    return body->state != EXTENSION_QUOTED_END && http_is_token(c) ? HTTP_STEP_MORE : bad_extension(body);
}

static enum http_step size_byte(struct http_body *body, char c)
{
    if (++body->line > SIZE_LINE_MAX)
        return refuse(body, 400, "the size line of a chunk is too long");
    if (body->state == SIZE_LF)
        return c == '\n' ? size_end(body) : bad_size(body);
    if (body->state != SIZE_START && body->state != SIZE)
        return extension_byte(body, c);
    if (http_hex(c) >= 0)
        return size_digit(body, c);
    if (body->state == SIZE && c == ';')
        return go(body, EXTENSION_START);
    return body->state == SIZE && c == '\r' ? go(body, SIZE_LF) : bad_size(body);
}

/* Fields that decide about the request and were decided on already: they may not come after the body. */
static bool forbidden_trailer(const char *name)
{
    static const char *const names[] = {"content-length",  "transfer-encoding", "host",
                                        "authorization",   "content-type",      "content-encoding",
                                        "content-range",   "connection",        "cookie",
                                        "expect",          "upgrade",           "origin",
                                        "idempotency-key", "trailer",           "te",
                                        "content_length",  "transfer_encoding"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcasecmp(name, names[i]) == 0)
            return true;
    return false;
}

static enum http_step trailer_name_byte(struct http_body *body, char c)
{
    if (c == ':' && body->line > 0) {
        if (body->line < sizeof body->name && forbidden_trailer(body->name))
            return refuse(body, 400, "a field that may not come after the body came after it");
        return go(body, TRAILER_VALUE);
    }
    if (!http_is_token(c))
        return refuse(body, 400, "a trailer field must be a name, a colon and a value");
    if (body->line + 1 < sizeof body->name)
        body->name[body->line] = c;
    body->line++;
    return go(body, TRAILER_NAME);
}

static enum http_step trailer_byte(struct http_body *body, char c)
{
    if (++body->trailer_bytes > body->trailer_bytes_max)
        return refuse(body, 431, "the trailer fields are larger than this server accepts");
    switch ((enum state)body->state) {
    case TRAILER_START:
        if (c == '\r')
            return go(body, END_LF);
        if (++body->trailer_count > body->trailer_count_max)
            return refuse(body, 431, "too many trailer fields");
        memset(body->name, 0, sizeof body->name);
        body->line = 0;
        return trailer_name_byte(body, c);
    case TRAILER_NAME:
        return trailer_name_byte(body, c);
    case TRAILER_VALUE:
        if (c == '\r')
            return go(body, TRAILER_LF);
        return is_quoted_text(c) ? HTTP_STEP_MORE
                                 : refuse(body, 400, "a control character in a trailer field");
    default: /* TRAILER_LF, END_LF */
        if (c != '\n')
            return refuse(body, 400, "a carriage return stands alone in the trailer");
        return go(body, body->state == TRAILER_LF ? TRAILER_START : END);
    }
}

static enum http_step framing_byte(struct http_body *body, char c)
{
    if (++body->overhead > OVERHEAD_FREE + body->total * OVERHEAD_RATIO + body->trailer_bytes)
        return refuse(body, 400, "the chunks are mostly not data");
    if (body->state >= TRAILER_START)
        return trailer_byte(body, c);
    if (body->state == DATA_CR || body->state == DATA_LF) {
        if (c != (body->state == DATA_CR ? '\r' : '\n'))
            return refuse(body, 400, "the data of a chunk must end in CR LF");
        return go(body, body->state == DATA_CR ? DATA_LF : SIZE_START);
    }
    return size_byte(body, c);
}

enum http_step http_body_feed(struct http_body *body, struct str *in, struct buf *out)
{
    enum http_step step = body->state == END ? HTTP_STEP_DONE : HTTP_STEP_MORE;
    while (step == HTTP_STEP_MORE && in->len) {
        uint64_t plain = http_body_plain(body);
        size_t used = plain < in->len ? (size_t)plain : in->len;
        if (used) {
            if (out)
                buf_add(out, in->ptr, used);
            step = http_body_took(body, used);
        } else {
            used = 1;
            step = framing_byte(body, *in->ptr);
        }
        in->ptr += used;
        in->len -= used;
    }
    return step;
}
