#include <stdio.h>
#include <string.h>
#include <time.h>

#include <event2/http.h>

#include "base/clock.h"
#include "base/log.h"
#include "net/http_chars.h"
#include "net/http_internal.h"

static const char *reason_of(int status)
{
    static const struct {
        int status;
        const char *reason;
    } reasons[] = {
        {200, "OK"},
        {201, "Created"},
        {202, "Accepted"},
        {204, "No Content"},
        {304, "Not Modified"},
        {400, "Bad Request"},
        {401, "Unauthorized"},
        {403, "Forbidden"},
        {404, "Not Found"},
        {405, "Method Not Allowed"},
        {408, "Request Timeout"},
        {409, "Conflict"},
        {411, "Length Required"},
        {412, "Precondition Failed"},
        {413, "Content Too Large"},
        {414, "URI Too Long"},
        {415, "Unsupported Media Type"},
        {417, "Expectation Failed"},
        {422, "Unprocessable Content"},
        {426, "Upgrade Required"},
        {428, "Precondition Required"},
        {429, "Too Many Requests"},
        {431, "Request Header Fields Too Large"},
        {500, "Internal Server Error"},
        {501, "Not Implemented"},
        {503, "Service Unavailable"},
        {504, "Gateway Timeout"},
        {505, "HTTP Version Not Supported"},
    };
    for (size_t i = 0; i < sizeof reasons / sizeof *reasons; i++)
        if (reasons[i].status == status)
            return reasons[i].reason;
    return "Status";
}

/* IMF-fixdate. The process never leaves the C locale. */
void http_format_date(time_t time, char out[32])
{
    struct tm tm;
    gmtime_r(&time, &tm);
    strftime(out, 32, "%a, %d %b %Y %H:%M:%S GMT", &tm);
}

void http_set_header(struct http_request *request, const char *name, const char *value)
{
    for (const char *at = value; *at; at++)
        if (http_is_control(*at) && *at != '\t') {
            LOG(LOG_ERROR, "http.header_dropped", log_text("name", name), log_text("id", request->id));
            return;
        }
    evhttp_add_header(&request->response_fields, name, value);
}

/* evhttp adds Date and the Content-Length of what it sends. */
static void put_fields(struct http_request *request, const char *content_type, size_t length)
{
    const struct http_connection *connection = request->connection;
    struct evkeyvalq *out = evhttp_request_get_output_headers(request->evhttp);
    evhttp_add_header(out, "X-Request-Id", request->id);
    evhttp_add_header(out, "X-Content-Type-Options", "nosniff");
    TAILQ_CONCAT(out, &request->response_fields, next);
    if (content_type)
        evhttp_add_header(out, "Content-Type", content_type);
    if (request->method == HTTP_HEAD) {
        char text[24];
        snprintf(text, sizeof text, "%zu", length);
        evhttp_add_header(out, "Content-Length", text);
    }
    if (connection->close_after)
        evhttp_add_header(out, "Connection", "close");
    else if (connection->head.minor == 0)
        evhttp_add_header(out, "Connection", "keep-alive");
}

static void observe(struct http_request *request, int status)
{
    const struct http_hooks *hooks = &request->connection->server->hooks;
    if (hooks->observe)
        hooks->observe(request, request->route, status, clock_monotonic() - request->started, hooks->context);
}

/* `end` comes behind the body: what is asked for at a terminal ends with a line. */
static void respond(struct http_request *request, int status, const char *content_type, struct str body,
                    struct str end)
{
    struct http_connection *connection = request->connection;
    owner_check(&connection->server->owner, "an HTTP request");
    INVARIANT(connection->request == request);
    http_connection_answering(connection);
    if (!request->evhttp && !http_connection_pass(connection))
        return;
    bool bare = status == 204 || status == 304;
    put_fields(request, bare ? NULL : content_type, body.len + end.len);
    observe(request, status);
    if (bare || request->method == HTTP_HEAD)
        body.len = end.len = 0;
    http_connection_answer(connection, status, reason_of(status), (struct str[]){body, end});
}

void http_respond(struct http_request *request, int status, const char *content_type, struct str body)
{
    respond(request, status, content_type, body, STR(""));
}

void http_respond_json(struct http_request *request, int status, struct str body)
{
    respond(request, status, "application/json", body, STR("\n"));
}

void http_problem_field(struct http_request *request, int status, const char *detail, const char *field,
                        const char *reason)
{
    struct buf body = BUF_EMPTY;
    buf_putc(&body, '{');
    buf_json_kstr(&body, "title", str_from(reason_of(status)));
    buf_json_kint(&body, "status", status);
    buf_json_kstr(&body, "detail", str_from(detail));
    if (field) {
        buf_json_key(&body, "errors");
        buf_puts(&body, "[{");
        buf_json_kstr(&body, "field", str_from(field));
        buf_json_kstr(&body, "reason", str_from(reason ? reason : detail));
        buf_puts(&body, "}]");
    }
    buf_json_kstr(&body, "trace_id", str_from(request->id));
    buf_putc(&body, '}');
    if ((status == 429 || status == 503) && !evhttp_find_header(&request->response_fields, "Retry-After"))
        http_set_header(request, "Retry-After", "1");
    respond(request, status, "application/problem+json", buf_str(&body), STR("\n"));
    buf_free(&body);
}

void http_problem(struct http_request *request, int status, const char *detail)
{
    http_problem_field(request, status, detail, NULL, NULL);
}

static int status_of(enum err_code code)
{
    switch (code) {
    case ERR_INVALID:
        return 400;
    case ERR_LIMIT:
        return 413;
    case ERR_NOT_FOUND:
        return 404;
    case ERR_CONFLICT:
        return 409;
    case ERR_DENIED:
        return 403;
    case ERR_BUSY:
        return 503;
    case ERR_TIMEOUT:
        return 504;
    default:
        return 500;
    }
}

/* What broke inside is for the log, under the id that the client is told. */
void http_problem_err(struct http_request *request, const struct err *err)
{
    int status = status_of(err->code);
    if (status == 500)
        LOG(LOG_ERROR, "http.failed", log_text("id", request->id), log_text("error", err_text(err)));
    bool place = status != 500 && err->where[0];
    http_problem_field(request, status, status == 500 ? "the server failed; its log says why" : err->message,
                       place ? err->where : NULL, place ? err->message : NULL);
}

void http_take_connection(struct http_request *request, void (*taken)(int fd, struct buf *extra, void *arg),
                          void *arg)
{
    struct http_connection *connection = request->connection;
    struct buf extra = BUF_EMPTY;
    observe(request, 101);
    int fd = http_connection_release(connection, &extra);
    taken(fd, &extra, arg);
    buf_free(&extra);
}
