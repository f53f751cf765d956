/* Routing, requests and responses of a live server. */
#include <zlib.h>

#include "trial.h"

/* ---- handlers ---- */

static void tell_route(struct http_request *request, void *context)
{
    (void)context;
    struct buf body = BUF_EMPTY;
    struct str id = http_param(request, "id"), rest = http_param(request, "path");
    buf_printf(&body, "%s|%.*s|%.*s|%.*s", http_method_name(http_method(request)),
               STR_ARG(http_path(request)), STR_ARG(id), STR_ARG(rest));
    http_respond(request, 200, "text/plain", buf_str(&body));
    buf_free(&body);
}

static void tell_literal(struct http_request *request, void *context)
{
    (void)context;
    http_respond(request, 200, "text/plain", STR("literal"));
}

static void tell_query(struct http_request *request, void *context)
{
    (void)context;
    struct buf body = BUF_EMPTY;
    struct str name, value, first = http_query(request, "a");
    buf_printf(&body, "a=%.*s%s", STR_ARG(first), first.ptr ? "" : "(absent)");
    for (size_t at = 0; http_query_next(request, &at, &name, &value);)
        buf_printf(&body, "|%.*s=%.*s", STR_ARG(name), STR_ARG(value));
    http_respond(request, 200, "text/plain", buf_str(&body));
    buf_free(&body);
}

static bool padded(struct str body)
{
    for (size_t i = 0; i < 64; i++)
        if (body.ptr[body.len + i] != 0)
            return false;
    return true;
}

static void echo_body(struct http_request *request, void *context)
{
    (void)context;
    struct str body = http_body(request);
    http_set_header(request, "X-Length", body.len > 1000 ? "long" : "short");
    if (!padded(body))
        http_problem(request, 500, "the body is not padded");
    else
        http_respond(request, 200, "application/octet-stream", body);
}

static void take_body(struct http_request *request, void *context)
{
    (void)context;
    struct buf body = http_take_body(request);
    assert_int_equal(http_body(request).len, 0);
    http_respond(request, 200, "text/plain", buf_str(&body));
    buf_free(&body);
}

static void tell_client(struct http_request *request, void *context)
{
    (void)context;
    struct buf body = BUF_EMPTY;
    struct str agent = http_header(request, "User-AGENT"), none = http_header(request, "x-none");
    buf_printf(&body, "%s %d %s %.*s %s", http_peer(request), http_peer_is_loopback(request),
               http_request_id(request), STR_ARG(agent), none.ptr ? "?" : "-");
    http_respond(request, 200, "text/plain", buf_str(&body));
    buf_free(&body);
}

static void fail_with(struct http_request *request, void *context)
{
    (void)context;
    struct err err = {0};
    struct str id = http_param(request, "id");
    if (str_is(id, "rate")) {
        http_set_header(request, "Retry-After", "7");
        http_problem(request, 429, "too fast");
        return;
    }
    if (str_is(id, "busy"))
        err_set(&err, ERR_BUSY, "no room");
    else if (str_is(id, "inside"))
        err_set(&err, ERR_IO, "secret disk");
    else
        err_set(&err, ERR_INVALID, "not a number");
    err_at(&err, "limit");
    http_problem_err(request, &err);
}

static void name_field(struct http_request *request, void *context)
{
    (void)context;
    http_problem_field(request, 422, "a \"value\" is wrong", "severity", "no such severity");
}

static void forget_to_answer(struct http_request *request, void *context)
{
    (void)request, (void)context;
}

static void split_response(struct http_request *request, void *context)
{
    (void)context;
    http_set_header(request, "X-Good", "yes");
    http_set_header(request, "X-Evil", "a\r\nSet-Cookie: b");
    http_respond_json(request, 201, STR("{}"));
}

static atomic_int users;

static void drop_user(void *user)
{
    assert_string_equal(user, "alice");
    atomic_fetch_sub(&users, 1);
}

static void tell_user(struct http_request *request, void *context)
{
    (void)context;
    http_respond(request, 200, "text/plain", str_from(http_user(request)));
}

enum { ACCESS_OPEN, ACCESS_USER };

static bool guard(struct http_request *request, const struct http_route *route, void *context)
{
    (void)context;
    if (route->access == ACCESS_OPEN)
        return true;
    if (!http_header(request, "authorization").ptr) {
        http_set_header(request, "WWW-Authenticate", "Bearer");
        http_problem(request, 401, "who are you?");
        return false;
    }
    atomic_fetch_add(&users, 1);
    http_set_user(request, "alice", drop_user);
    return true;
}

static struct {
    atomic_int count, last_status;
    _Atomic(const char *) last_pattern;
} observed;

static void observe(const struct http_request *request, const struct http_route *route, int status,
                    int64_t ns, void *context)
{
    (void)request;
    assert_ptr_equal(context, &observed);
    assert_true(ns >= 0);
    atomic_store(&observed.last_status, status);
    atomic_store(&observed.last_pattern, route ? route->pattern : NULL);
    atomic_fetch_add(&observed.count, 1);
}

static const struct http_route routes[] = {
    {.method = HTTP_GET, .pattern = "/things/{id}", .handle = tell_route},
    {.method = HTTP_PATCH, .pattern = "/things/{id}", .handle = tell_route},
    {.method = HTTP_GET, .pattern = "/things/special", .handle = tell_literal},
    {.method = HTTP_POST, .pattern = "/things/bulk", .handle = tell_literal},
    {.method = HTTP_GET, .pattern = "/things/{id}/parts", .handle = tell_route},
    {.method = HTTP_GET, .pattern = "/files/{path*}", .handle = tell_route},
    {.method = HTTP_GET, .pattern = "/", .handle = tell_route},
    {.method = HTTP_GET, .pattern = "/query", .handle = tell_query},
    {.method = HTTP_POST, .pattern = "/echo", .handle = echo_body},
    {.method = HTTP_POST, .pattern = "/take", .handle = take_body},
    {.method = HTTP_POST, .pattern = "/private", .handle = tell_user, .access = ACCESS_USER},
    {.method = HTTP_GET, .pattern = "/client", .handle = tell_client},
    {.method = HTTP_GET, .pattern = "/fail/{id}", .handle = fail_with},
    {.method = HTTP_GET, .pattern = "/field", .handle = name_field},
    {.method = HTTP_GET, .pattern = "/forget", .handle = forget_to_answer},
    {.method = HTTP_GET, .pattern = "/split", .handle = split_response},
};

static struct trial trial = {.routes = routes,
                             .route_count = sizeof routes / sizeof *routes,
                             .hooks = {.context = &observed, .guard = guard, .observe = observe}};

static int start(void **state)
{
    (void)state;
    trial.limits = http_limits_default;
    trial_start(&trial);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    trial_stop(&trial);
    return 0;
}

static struct trial_answer ask(const char *method, const char *target)
{
    char request[512];
    snprintf(request, sizeof request, "%s %s HTTP/1.1\r\nHost: a\r\n\r\n", method, target);
    return client_ask(trial.port, request);
}

static void assert_answer(const char *method, const char *target, int status, const char *body)
{
    struct trial_answer answer = ask(method, target);
    if (answer.status != status || (body && !str_is(answer.body, body)))
        fail_msg("%s %s: %d \"%.*s\"", method, target, answer.status, STR_ARG(answer.body));
    answer_free(&answer);
}

/* ---- stories ---- */

static void most_literal_route_wins(void **state)
{
    (void)state;
    assert_answer("GET", "/things/7", 200, "GET|/things/7|7|");
    assert_answer("GET", "/things/special", 200, "literal");
    assert_answer("POST", "/things/bulk", 200, "literal");
    assert_answer("GET", "/things/bulk", 200, "GET|/things/bulk|bulk|");
    assert_answer("GET", "/things/7/parts", 200, "GET|/things/7/parts|7|");
    assert_answer("GET", "/files/a/b.c", 200, "GET|/files/a/b.c||a/b.c");
    assert_answer("GET", "/files/", 200, "GET|/files/||");
    assert_answer("GET", "/", 200, "GET|/||");
    assert_answer("GET", "http://a", 200, "GET|/||");
    assert_answer("GET", "http://a?x=1", 200, "GET|/||");
    assert_answer("GET", "/things", 404, NULL);
    assert_answer("GET", "/things/", 404, NULL);
    assert_answer("GET", "//things/7", 404, NULL);
    assert_answer("GET", "/things/7/", 404, NULL);
}

/* evhttp behind the reader has its own ideas about these: of a body behind such a method, and of "//". */
static void what_evhttp_reads_differently_is_one_request_too(void **state)
{
    (void)state;
    static const char inner[] = "GET /things/smuggled HTTP/1.1\r\nHost: a\r\n\r\n";
    static const char *const methods[] = {"GET", "PATCH", "DELETE", "OPTIONS"};
    for (size_t i = 0; i < sizeof methods / sizeof *methods; i++) {
        char request[512];
        snprintf(request, sizeof request,
                 "%s /things/7 HTTP/1.1\r\nHost: a\r\nContent-Length: %zu\r\n\r\n%s"
                 "GET /things/next HTTP/1.1\r\nHost: a\r\n\r\n",
                 methods[i], sizeof inner - 1, inner);
        int fd = client_connect(trial.port);
        client_puts(fd, request);
        struct trial_answer answer = client_answer(fd, false, 10000);
        assert_int_equal(answer.status, i < 2 ? 200 : i == 2 ? 405 : 204);
        answer_next(&answer, fd);
        assert_body(answer, "GET|/things/next|next|");
        answer_free(&answer);
        close(fd);
    }
    static const char *const targets[] = {"//@:x/", "//:99999999/x", "//[x/y", "/a:b//c", "http://a//@:x/"};
    for (size_t i = 0; i < sizeof targets / sizeof *targets; i++) {
        struct trial_answer answer = ask("GET", targets[i]);
        if (answer.status != 404 && answer.status != 400)
            fail_msg("%s: %d", targets[i], answer.status);
        assert_string_equal(answer_field(&answer, "Content-Type"), "application/problem+json");
        answer_free(&answer);
    }
}

static void escapes_are_decoded_after_routing(void **state)
{
    (void)state;
    assert_answer("GET", "/things/a%2Fb%20%C3%A9", 200, "GET|/things/a/b \xc3\xa9|a/b \xc3\xa9|");
    assert_answer("GET", "/%74hings/7", 404, NULL);
}

static void paths_that_climb_or_hide_something_are_refused(void **state)
{
    (void)state;
    static const char *const targets[] = {
        "/files/../x",   "/files/%2e%2e/x",   "/files/..",       "/./x",
        "/files/%2e",    "/files/a%2f..%2fb", "/files/a%00.x",   "/files/a%0d%0a",
        "/files/%c0%af", "/files/%ff",        "/query?a=%c0%af", "/query?a=%00",
    };
    for (size_t i = 0; i < sizeof targets / sizeof *targets; i++)
        assert_answer("GET", targets[i], 400, NULL);
    assert_answer("GET", "/files/a..b/.../c", 200, NULL);
}

static void query_is_decoded_in_order(void **state)
{
    (void)state;
    assert_answer("GET", "/query", 200, "a=(absent)");
    assert_answer("GET", "/query?", 200, "a=(absent)");
    assert_answer("GET", "/query?a=1&b=%26%3D&&a=2+3&c&=d&e=f=g?", 200, "a=1|a=1|b=&=|a=2 3|c=|=d|e=f=g?");
}

static void unknown_methods_of_a_path_are_told_the_known_ones(void **state)
{
    (void)state;
    struct trial_answer answer = ask("DELETE", "/things/bulk");
    assert_int_equal(answer.status, 405);
    assert_string_equal(answer_field(&answer, "Allow"), "GET, POST, PATCH, HEAD, OPTIONS");
    assert_string_equal(answer_field(&answer, "Content-Type"), "application/problem+json");
    answer_free(&answer);
    answer = ask("OPTIONS", "/echo");
    assert_int_equal(answer.status, 204);
    assert_string_equal(answer_field(&answer, "Allow"), "POST, OPTIONS");
    assert_string_equal(answer_field(&answer, "Content-Length"), "");
    answer_free(&answer);
    assert_answer("OPTIONS", "*", 204, NULL);
    assert_answer("OPTIONS", "/nothing", 404, NULL);
    assert_answer("HEAD", "/echo", 405, NULL);
}

static void head_is_get_without_the_body(void **state)
{
    (void)state;
    int fd = client_connect(trial.port);
    client_puts(fd,
                "HEAD /things/special HTTP/1.1\r\nHost: a\r\n\r\nGET /things/special HTTP/1.1\r\nHost: a\r\n"
                "Connection: close\r\n\r\n");
    struct trial_answer answer = client_answer(fd, true, 10000);
    assert_int_equal(answer.status, 200);
    assert_string_equal(answer_field(&answer, "Content-Length"), "7");
    answer_next(&answer, fd);
    assert_body(answer, "literal");
    assert_string_equal(answer_field(&answer, "Connection"), "close");
    assert_true(client_sees_close(fd, 10000));
    answer_free(&answer);
    close(fd);
}

static void every_answer_has_its_standard_fields(void **state)
{
    (void)state;
    struct trial_answer answer = client_ask(
        trial.port, "GET /client HTTP/1.1\r\nHost: a\r\nuser-agent: me\r\n"
                    "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\n\r\n");
    assert_body(answer, "127.0.0.1 1 0af7651916cd43dd8448eb211c80319c me -");
    assert_string_equal(answer_field(&answer, "X-Request-Id"), "0af7651916cd43dd8448eb211c80319c");
    assert_string_equal(answer_field(&answer, "X-Content-Type-Options"), "nosniff");
    assert_string_equal(answer_field(&answer, "Content-Type"), "text/plain");
    assert_int_equal(strlen(answer_field(&answer, "Date")), 29);
    answer_free(&answer);
    static const char *const bad[] = {"00-00000000000000000000000000000000-b7ad6b7169203331-01",
                                      "00-0AF7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "x"};
    for (size_t i = 0; i < 3; i++) {
        char request[256];
        snprintf(request, sizeof request, "GET /client HTTP/1.1\r\nHost: a\r\ntraceparent: %s\r\n\r\n",
                 bad[i]);
        answer = client_ask(trial.port, request);
        assert_int_equal(strlen(answer_field(&answer, "X-Request-Id")), 32);
        assert_null(strstr(bad[i], answer_field(&answer, "X-Request-Id")));
        answer_free(&answer);
    }
}

static void problems_are_rfc_9457(void **state)
{
    (void)state;
    struct trial_answer answer = ask("GET", "/field");
    assert_int_equal(answer.status, 422);
    assert_string_equal(answer_field(&answer, "Content-Type"), "application/problem+json");
    char expected[512];
    snprintf(expected, sizeof expected,
             "{\"title\":\"Unprocessable Content\",\"status\":422,\"detail\":\"a \\\"value\\\" is "
             "wrong\",\"errors\":[{"
             "\"field\":\"severity\",\"reason\":\"no such severity\"}],\"trace_id\":\"%s\"}\n",
             answer_field(&answer, "X-Request-Id"));
    assert_body(answer, expected);
    answer_free(&answer);
    answer = ask("GET", "/fail/x");
    assert_int_equal(answer.status, 400);
    assert_non_null(memmem(answer.body.ptr, answer.body.len, "\"field\":\"limit\"", 15));
    answer_free(&answer);
    answer = ask("GET", "/fail/busy");
    assert_int_equal(answer.status, 503);
    assert_string_equal(answer_field(&answer, "Retry-After"), "1");
    answer_free(&answer);
    answer = ask("GET", "/fail/rate");
    assert_int_equal(answer.status, 429);
    assert_string_equal(answer_field(&answer, "Retry-After"), "7");
    answer_free(&answer);
    answer = ask("GET", "/fail/inside");
    assert_int_equal(answer.status, 500);
    assert_null(memmem(answer.body.ptr, answer.body.len, "secret", 6));
    answer_free(&answer);
    assert_answer("GET", "/forget", 500, NULL);
}

static void response_fields_cannot_be_split(void **state)
{
    (void)state;
    struct trial_answer answer = ask("GET", "/split");
    assert_int_equal(answer.status, 201);
    assert_true(str_is(answer.body, "{}\n"));
    assert_string_equal(answer_field(&answer, "Content-Length"), "3");
    assert_string_equal(answer_field(&answer, "X-Good"), "yes");
    assert_string_equal(answer_field(&answer, "X-Evil"), "");
    assert_string_equal(answer_field(&answer, "Set-Cookie"), "");
    answer_free(&answer);
}

static struct buf gzipped(const struct buf *plain)
{
    struct buf out = BUF_EMPTY;
    z_stream z = {.next_in = (Bytef *)plain->ptr, .avail_in = (uInt)plain->len};
    assert_int_equal(deflateInit2(&z, 9, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
    size_t room = plain->len + 1000;
    z.next_out = (Bytef *)buf_reserve(&out, room);
    z.avail_out = (uInt)room;
    assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
    buf_grew(&out, z.total_out);
    deflateEnd(&z);
    return out;
}

static struct trial_answer post(const char *path, const char *fields, struct str body)
{
    struct buf request = BUF_EMPTY;
    buf_printf(&request, "POST %s HTTP/1.1\r\nHost: a\r\n%sContent-Length: %zu\r\n\r\n", path, fields,
               body.len);
    buf_add(&request, body.ptr, body.len);
    int fd = client_connect(trial.port);
    client_send(fd, request.ptr, request.len);
    struct trial_answer answer = client_answer(fd, false, 10000);
    close(fd);
    buf_free(&request);
    return answer;
}

static struct buf random_text(size_t len)
{
    struct buf text = BUF_EMPTY;
    for (uint32_t i = 0, x = 1; i < len; i++, x = x * 1103515245 + 12345)
        buf_putc(&text, (char)('a' + (x >> 16) % 26));
    return text;
}

static void bodies_arrive_whole_whatever_their_size(void **state)
{
    (void)state;
    static const size_t sizes[] = {0, 1, 63, 4096, 65536, 300000, 8 << 20};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        struct buf body = random_text(sizes[i]);
        struct trial_answer answer = post("/echo", "", buf_str(&body));
        assert_int_equal(answer.status, 200);
        assert_true(str_equal(answer.body, buf_str(&body)));
        answer_free(&answer);
        answer = post("/take", "", buf_str(&body));
        assert_true(str_equal(answer.body, buf_str(&body)));
        answer_free(&answer);
        buf_free(&body);
    }
}

static void chunked_bodies_arrive_whole(void **state)
{
    (void)state;
    struct buf body = random_text(200000), request = BUF_EMPTY;
    buf_puts(&request, "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
    for (size_t at = 0, len = 1; at < body.len; at += len, len = len * 3 % 7001) {
        len = len < body.len - at ? len : body.len - at;
        buf_printf(&request, "%zx\r\n%.*s\r\n", len, (int)len, body.ptr + at);
    }
    buf_puts(&request, "0\r\n\r\n");
    int fd = client_connect(trial.port);
    client_send(fd, request.ptr, request.len);
    struct trial_answer answer = client_answer(fd, false, 10000);
    assert_true(str_equal(answer.body, buf_str(&body)));
    answer_free(&answer);
    close(fd);
    buf_free(&request);
    buf_free(&body);
}

static void gzip_is_inflated_within_limits(void **state)
{
    (void)state;
    struct buf text = random_text(100000), zip = gzipped(&text), bomb_text = BUF_EMPTY;
    struct trial_answer answer = post("/echo", "Content-Encoding: gzip\r\n", buf_str(&zip));
    assert_int_equal(answer.status, 200);
    assert_true(str_equal(answer.body, buf_str(&text)));
    answer_free(&answer);
    answer = post("/echo", "Content-Encoding: GZIP\r\n", (struct str){zip.ptr, zip.len - 3});
    assert_int_equal(answer.status, 400);
    answer_free(&answer);
    memset(buf_reserve(&bomb_text, 8 << 20), 'a', 8 << 20);
    buf_grew(&bomb_text, 8 << 20);
    struct buf bomb = gzipped(&bomb_text);
    answer = post("/echo", "Content-Encoding: gzip\r\n", buf_str(&bomb));
    assert_int_equal(answer.status, 413);
    answer_free(&answer);
    answer = post("/echo", "Content-Encoding: br\r\n", buf_str(&zip));
    assert_int_equal(answer.status, 415);
    assert_string_equal(answer_field(&answer, "Accept-Encoding"), "gzip");
    answer_free(&answer);
    buf_free(&text);
    buf_free(&zip);
    buf_free(&bomb_text);
    buf_free(&bomb);
}

static void guard_speaks_before_the_body_is_read(void **state)
{
    (void)state;
    int fd = client_connect(trial.port);
    client_puts(fd, "POST /private HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n");
    struct trial_answer answer = client_answer(fd, false, 10000);
    assert_int_equal(answer.status, 401);
    assert_string_equal(answer_field(&answer, "WWW-Authenticate"), "Bearer");
    client_puts(fd,
                "helloPOST /private HTTP/1.1\r\nHost: a\r\nAuthorization: b\r\nContent-Length: 2\r\n\r\nhi");
    answer_next(&answer, fd);
    assert_int_equal(answer.status, 200);
    assert_body(answer, "alice");
    answer_free(&answer);
    close(fd);
    answer = client_ask(trial.port, "POST /private HTTP/1.1\r\nHost: a\r\nContent-Length: 8000000\r\n\r\n");
    assert_int_equal(answer.status, 401);
    assert_string_equal(answer_field(&answer, "Connection"), "close");
    answer_free(&answer);
    assert_int_equal(atomic_load(&users), 0);
}

static void client_gets_leave_to_send_its_body_once_it_is_wanted(void **state)
{
    (void)state;
    static const char head[] = "Host: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n";
    int fd = client_connect(trial.port);
    client_puts(fd, "POST /echo HTTP/1.1\r\n");
    client_puts(fd, head);
    struct trial_answer leave = client_answer(fd, true, 10000);
    assert_int_equal(leave.status, 100);
    client_puts(fd, "hello");
    answer_next(&leave, fd);
    assert_int_equal(leave.status, 200);
    assert_body(leave, "hello");
    answer_free(&leave);
    client_puts(fd, "POST /private HTTP/1.1\r\n");
    client_puts(fd, head);
    struct trial_answer refusal = client_answer(fd, false, 10000);
    assert_int_equal(refusal.status, 401);
    assert_true(client_sees_close(fd, 10000));
    answer_free(&refusal);
    close(fd);
}

static void each_answer_is_observed(void **state)
{
    (void)state;
    static const struct {
        const char *target, *pattern;
        int status;
    } cases[] = {
        {"/things/1", "/things/{id}", 200}, {"/nowhere", NULL, 404}, {"/..", NULL, 400}, {"x", NULL, 400}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int before = atomic_load(&observed.count);
        assert_answer("GET", cases[i].target, cases[i].status, NULL);
        assert_int_equal(atomic_load(&observed.count), before + 1);
        assert_int_equal(atomic_load(&observed.last_status), cases[i].status);
        const char *pattern = atomic_load(&observed.last_pattern);
        if (cases[i].pattern)
            assert_string_equal(pattern, cases[i].pattern);
        else
            assert_null(pattern);
    }
}

int main(void)
{
    loop_init();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(most_literal_route_wins),
        cmocka_unit_test(what_evhttp_reads_differently_is_one_request_too),
        cmocka_unit_test(escapes_are_decoded_after_routing),
        cmocka_unit_test(paths_that_climb_or_hide_something_are_refused),
        cmocka_unit_test(query_is_decoded_in_order),
        cmocka_unit_test(unknown_methods_of_a_path_are_told_the_known_ones),
        cmocka_unit_test(head_is_get_without_the_body),
        cmocka_unit_test(every_answer_has_its_standard_fields),
        cmocka_unit_test(problems_are_rfc_9457),
        cmocka_unit_test(response_fields_cannot_be_split),
        cmocka_unit_test(bodies_arrive_whole_whatever_their_size),
        cmocka_unit_test(chunked_bodies_arrive_whole),
        cmocka_unit_test(gzip_is_inflated_within_limits),
        cmocka_unit_test(guard_speaks_before_the_body_is_read),
        cmocka_unit_test(client_gets_leave_to_send_its_body_once_it_is_wanted),
        cmocka_unit_test(each_answer_is_observed),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
