#include <stdlib.h>
#include <string.h>

#include <event2/buffer.h>
#include <event2/http.h>

#include "base/clock.h"
#include "base/id.h"
#include "net/http_internal.h"

/* "00-<32 hex: trace>-<16 hex: span>-<2 hex>", lower case, not zero (W3C Trace Context). */
static bool take_trace_id(struct str parent, char id[33])
{
    static const char zeros[] = "00000000000000000000000000000000";
    if (parent.len != 55 || memcmp(parent.ptr, "00-", 3) != 0 || parent.ptr[35] != '-')
        return false;
    memcpy(id, parent.ptr + 3, 32);
    id[32] = '\0';
    return strspn(id, "0123456789abcdef") == 32 && strcmp(id, zeros) != 0;
}

static void choose_id(struct http_request *request)
{
    unsigned char random[16];
    if (take_trace_id(http_header(request, "traceparent"), request->id))
        return;
    id_random(random, sizeof random);
    id_hex(random, sizeof random, request->id);
}

struct http_request *http_request_new(struct http_connection *connection, struct str head)
{
    struct http_request *request = mem_zalloc(1, sizeof *request);
    request->connection = connection;
    request->arena = arena_new(1024);
    request->raw = arena_dup(request->arena, head).ptr;
    request->method = connection->head.method;
    request->started = clock_monotonic();
    TAILQ_INIT(&request->response_fields);
    choose_id(request);
    return request;
}

void http_request_free(struct http_request *request)
{
    if (request->drop_user)
        request->drop_user(request->user);
    vec_free(&request->query);
    buf_free(&request->body);
    evhttp_clear_headers(&request->response_fields);
    arena_free(request->arena);
    free(request);
}

const char *http_method_name(enum http_method method)
{
    switch (method) {
    case HTTP_GET:
        return "GET";
    case HTTP_POST:
        return "POST";
    case HTTP_PUT:
        return "PUT";
    case HTTP_PATCH:
        return "PATCH";
    case HTTP_DELETE:
        return "DELETE";
    case HTTP_HEAD:
        return "HEAD";
    case HTTP_OPTIONS:
        return "OPTIONS";
    }
    return "";
}

/* ---- for evhttp ---- */

/* Of the connection and the framing, not of the request; evhttp would act on some of them. */
static bool of_connection(struct str name)
{
    static const char *const names[] = {"connection", "content-length",    "expect",
                                        "keep-alive", "proxy-connection",  "te",
                                        "trailer",    "transfer-encoding", "upgrade"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (http_name_equal(name, names[i]))
            return true;
    return false;
}

/* "//x" would be a host to evhttp; "/.//x" is the same path (RFC 3986, 3.3 and 5.2.4). */
static void render_target(struct buf *out, struct str target)
{
    target = http_target_local(target);
    if (target.len == 0 || *target.ptr == '?')
        buf_putc(out, '/');
    else if (target.len > 1 && target.ptr[0] == '/' && target.ptr[1] == '/')
        buf_puts(out, "/.");
    buf_put(out, target);
}

/* evhttp reads no body behind other methods, and would take it for the next request. */
static struct str evhttp_body(const struct http_request *request)
{
    bool wanted = request->method & (HTTP_POST | HTTP_PUT | HTTP_PATCH);
    return wanted ? buf_str(&request->body) : (struct str){0};
}

void http_request_render(const struct http_request *request, struct evbuffer *out)
{
    const struct http_head *head = &request->connection->head;
    struct str body = evhttp_body(request);
    struct buf text = BUF_EMPTY;
    buf_puts(&text, request->method ? http_method_name(request->method) : "GET");
    buf_putc(&text, ' ');
    render_target(&text, http_span_str(request->raw, head->target));
    buf_puts(&text, " HTTP/1.1\r\n");
    for (size_t i = 0; i < head->fields.count; i++) {
        struct str name = http_span_str(request->raw, head->fields.items[i].name);
        if (of_connection(name))
            continue;
        buf_put(&text, name);
        buf_puts(&text, ": ");
        buf_put(&text, http_span_str(request->raw, head->fields.items[i].value));
        buf_puts(&text, "\r\n");
    }
    buf_printf(&text, "Content-Length: %zu\r\n\r\n", body.len);
    evbuffer_add(out, text.ptr, text.len);
    if (body.len)
        evbuffer_add_reference(out, body.ptr, body.len, NULL, NULL);
    buf_free(&text);
}

/* ---- for the handlers ---- */

enum http_method http_method(const struct http_request *request)
{
    return request->method;
}

struct str http_path(const struct http_request *request)
{
    return request->path;
}

struct str http_header(const struct http_request *request, const char *name)
{
    return http_head_find(&request->connection->head, request->raw, name);
}

struct str http_param(const struct http_request *request, const char *name)
{
    for (size_t i = 0; i < request->params.count; i++)
        if (str_is(request->params.names[i], name))
            return request->params.values[i];
    return (struct str){0};
}

struct str http_query(const struct http_request *request, const char *name)
{
    for (size_t i = 0; i < request->query.count; i++)
        if (str_is(request->query.items[i].name, name))
            return request->query.items[i].value;
    return (struct str){0};
}

bool http_query_next(const struct http_request *request, size_t *at, struct str *name, struct str *value)
{
    if (*at >= request->query.count)
        return false;
    *name = request->query.items[*at].name;
    *value = request->query.items[*at].value;
    ++*at;
    return true;
}

struct str http_body(const struct http_request *request)
{
    return buf_str(&request->body);
}

struct buf http_take_body(struct http_request *request)
{
    struct buf body = request->body;
    request->body = BUF_EMPTY;
    return body;
}

const char *http_peer(const struct http_request *request)
{
    return request->connection->peer;
}

bool http_peer_is_loopback(const struct http_request *request)
{
    return request->connection->peer_is_loopback;
}

const char *http_request_id(const struct http_request *request)
{
    return request->id;
}

void http_set_user(struct http_request *request, void *user, void (*drop)(void *user))
{
    if (request->drop_user)
        request->drop_user(request->user);
    request->user = user;
    request->drop_user = drop;
}

void *http_user(const struct http_request *request)
{
    return request->user;
}

void http_keep(struct http_request *request, void (*gone)(struct http_request *request, void *arg), void *arg)
{
    request->kept = true;
    request->gone = gone;
    request->gone_arg = arg;
}

void http_pause(struct http_request *request, bool pause)
{
    request->connection->paused = pause;
    http_connection_run(request->connection);
}
