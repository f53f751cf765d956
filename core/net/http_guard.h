/* The strict reader of HTTP/1.1 requests (RFC 9112): the only code that gives the bytes of a connection a
 * meaning; evhttp behind it reads what was written anew from the result. What two readers could understand
 * differently is refused, with a status and a sentence, and the connection must then be closed. Pure: no
 * sockets, no clock; the fuzzer feeds it. Private to net/. */
#ifndef LUNETTE_NET_HTTP_GUARD_H
#define LUNETTE_NET_HTTP_GUARD_H

#include "base/buf.h"
#include "base/vec.h"
#include "net/http_server.h"

enum http_step {
    HTTP_STEP_MORE, /* all bytes were looked at, more must come */
    HTTP_STEP_DONE,
    HTTP_STEP_REFUSED,
};

struct http_refusal {
    int status; /* 0: none */
    const char *detail;
};

/* Bytes of the head, by offset: the buffer may move while the head grows. */
struct http_span {
    uint32_t at, len;
};

struct http_field {
    struct http_span name, value; /* value without the blanks around it */
};

struct http_head {
    /* results, once DONE */
    size_t length; /* bytes of the head, a leading empty line and the closing one included */
    struct http_span method_text, target;
    enum http_method method;
    int minor; /* HTTP/1.minor */
    bool keep_alive, chunked, expect_continue;
    uint64_t content_length;
    VEC(struct http_field) fields;
    struct http_refusal refusal; /* where REFUSED */
    /* progress */
    size_t scanned, line, fields_start;
    bool skipped_empty, in_fields;
};

/* Makes the head ready for the next request; what it allocated is kept until http_head_free. */
void http_head_reset(struct http_head *head);
void http_head_free(struct http_head *head);
/* `bytes`: everything of this request that has come so far, always from its first byte; each byte is looked
 * at once. */
enum http_step http_head_feed(struct http_head *head, struct str bytes, const struct http_limits *limits);
static inline struct str http_span_str(const char *bytes, struct http_span span)
{
    return (struct str){bytes + span.at, span.len};
}
/* The first field of that name (any case); ptr NULL when absent. */
struct str http_head_find(const struct http_head *head, const char *bytes, const char *name);
/* True where the comma-separated list of tokens holds `token` (any case). */
bool http_list_has(struct str list, const char *token);
bool http_name_equal(struct str a, const char *b); /* ASCII, any case */

/* The framing of a body: by length, or chunked. */
struct http_body {
    struct http_refusal refusal;
    int state; /* private */
    bool chunked;
    uint64_t left;         /* data bytes of the body, or of this chunk */
    uint64_t total, limit; /* data bytes so far, at most */
    uint64_t overhead;     /* bytes of a chunked body that are not data */
    size_t line;           /* length of the size line or trailer field under way */
    size_t trailer_bytes, trailer_count;
    size_t trailer_bytes_max, trailer_count_max;
    char name[32]; /* of a trailer field */
};

/* DONE where there is no body. */
enum http_step http_body_start(struct http_body *body, const struct http_head *head,
                               const struct http_limits *limits);
/* Takes bytes off the front of *in, and appends the data to `out` (NULL: throws it away). Never takes a byte
 * behind the end of the body. */
enum http_step http_body_feed(struct http_body *body, struct str *in, struct buf *out);
/* How many bytes that come next are plain data, so that they can be read straight to where they belong. */
uint64_t http_body_plain(const struct http_body *body);
/* That many of them were read. */
enum http_step http_body_took(struct http_body *body, uint64_t count);

#endif
