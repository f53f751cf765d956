#include <string.h>

#include "base/compress.h"
#include "base/log.h"
#include "net/http_internal.h"

static void put_methods(char *text, size_t size, unsigned methods)
{
    struct buf list = BUF_EMPTY;
    if (methods & HTTP_GET)
        methods |= HTTP_HEAD;
    methods |= HTTP_OPTIONS;
    for (unsigned method = 1; method <= HTTP_OPTIONS; method <<= 1)
        if (methods & method)
            buf_printf(&list, "%s%s", list.len ? ", " : "", http_method_name((enum http_method)method));
    size_t len = list.len < size ? list.len : size - 1;
    memcpy(text, list.ptr, len);
    text[len] = '\0';
    buf_free(&list);
}

static void answer_methods(struct http_request *request, unsigned methods)
{
    char list[80];
    put_methods(list, sizeof list, methods);
    http_set_header(request, "Allow", list);
    if (request->method == HTTP_OPTIONS)
        http_respond(request, 204, NULL, (struct str){0});
    else
        http_problem(request, 405, "the path does not know this method");
}

static bool body_is_gzip(const struct http_request *request)
{
    struct str coding = http_header(request, "content-encoding");
    return http_name_equal(coding, "gzip") || http_name_equal(coding, "x-gzip");
}

static bool coding_known(const struct http_request *request)
{
    struct str coding = http_header(request, "content-encoding");
    return coding.len == 0 || http_name_equal(coding, "identity") || body_is_gzip(request);
}

static void route_request(struct http_connection *connection, struct http_request *request)
{
    struct http_server *server = connection->server;
    unsigned allowed;
    request->route = http_router_find(server->router, request->method, request->encoded_path,
                                      &request->params, &allowed);
    if (!request->route && allowed) {
        answer_methods(request, allowed);
    } else if (!request->route) {
        http_problem(request, 404, "there is nothing at this path");
    } else if (!http_params_decode(request)) {
        http_problem(request, 400, "the path is not UTF-8");
    } else if (!coding_known(request)) {
        http_set_header(request, "Accept-Encoding", "gzip");
        http_problem(request, 415, "a body must be plain or gzip");
    } else if (server->hooks.guard) {
        server->hooks.guard(request, request->route, server->hooks.context);
    }
}

void http_serve_head(struct http_connection *connection)
{
    struct http_request *request = connection->request;
    struct str target = http_span_str(request->raw, connection->head.target);
    if (str_is(target, "*")) {
        answer_methods(request, http_router_methods(connection->server->router));
    } else if (http_target_decode(request, target)) {
        connection->close_after = true;
        http_problem(request, 400,
                     "the path or the query may not be decoded: dot segments, control characters or "
                     "text that is not UTF-8");
    } else {
        route_request(connection, request);
    }
}

static int inflate_body(struct http_request *request, const struct http_limits *limits, struct err *err)
{
    struct buf plain = BUF_EMPTY;
    int failed = decompress_gzip(buf_str(&request->body), limits->inflated, limits->inflate_ratio, &plain,
                                 err);
    buf_free(&request->body);
    request->body = plain;
    return failed;
}

void http_serve_body(struct http_connection *connection)
{
    struct http_request *request = connection->request;
    struct err err = {0};
    if (request->body.len && body_is_gzip(request) &&
        inflate_body(request, &connection->server->limits, &err)) {
        http_problem(request, err.code == ERR_LIMIT ? 413 : 400, err.message);
        return;
    }
    memset(buf_reserve(&request->body, HTTP_PADDING), 0, HTTP_PADDING);
    request->route->handle(request, connection->server->hooks.context);
    if (connection->request && !connection->request->kept) {
        LOG(LOG_ERROR, "http.unanswered", log_text("route", connection->request->route->pattern));
        http_problem(connection->request, 500, "the server did not answer");
    }
}

void http_serve_refusal(struct http_connection *connection, int status, const char *detail)
{
    http_head_reset(&connection->head);
    connection->close_after = true;
    connection->request = http_request_new(connection, (struct str){0});
    connection->state = HTTP_STATE_ANSWER;
    http_problem(connection->request, status, detail);
}
