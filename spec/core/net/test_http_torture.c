/* What others expect of an HTTP server: the llhttp cases through the strict reader, the Http11Probe cases
 * against a live server. Where we are stricter, or differ, a table says so and why; a row that no case needs
 * fails the test. */
#include <zlib.h>

#include "base/json.h"
#include "net/http_guard.h"
#include "trial.h"

#define DATA LUNETTE_SOURCE_DIR "/../shared/data/torture/"

/* Calls `each` for every line; skips the test where the data is not here. */
static size_t for_each_line(const char *path, void (*each)(const struct json *line, void *arg), void *arg)
{
    gzFile file = gzopen(path, "rb");
    if (!file) {
        print_message("SKIPPED: no shared data\n");
        skip();
    }
    size_t count = 0, size = 1 << 20;
    char *line = malloc(size);
    while (gzgets(file, line, (int)size)) {
        struct err err = {0};
        struct json *json = json_parse(str_from(line), NULL, &err);
        if (!json)
            fail_msg("%s", err_text(&err));
        each(json, arg);
        json_free(json);
        count++;
    }
    free(line);
    gzclose(file);
    return count;
}

static const char *text_of(const struct json *line, const char *key)
{
    struct str text;
    return json_get_str(line, key, &text) ? text.ptr : "";
}

static struct buf raw_of(const struct json *line)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    struct buf raw = BUF_EMPTY;
    unsigned bits = 0, count = 0;
    for (const char *at = text_of(line, "raw_b64"); *at && *at != '='; at++) {
        bits = bits << 6 | (unsigned)(strchr(digits, *at) - digits);
        count += 6;
        if (count >= 8) {
            count -= 8;
            buf_putc(&raw, (char)(bits >> count));
        }
    }
    return raw;
}

struct exception {
    const char *start; /* of the request, or the id */
    int status;        /* what we say instead */
    const char *why;
    bool needed;
};

static bool excepted(struct exception *table, size_t count, const char *key, int status)
{
    for (size_t i = 0; i < count; i++)
        if (strncmp(key, table[i].start, strlen(table[i].start)) == 0 && table[i].status == status)
            return table[i].needed = true;
    return false;
}

static void assert_all_needed(const struct exception *table, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (!table[i].needed)
            fail_msg("no case needs the exception \"%s\" (%s)", table[i].start, table[i].why);
}

/* ---- llhttp ---- */

static struct exception llhttp_exceptions[] = {
    {"PUT /url HTTP/1.1\r\nContent-Length: 003", 400, "leading zeros: read as octal by some", false},
    {"SOURCE /music/sweet/music ICE", 400, "not HTTP", false},
    {"OPTIONS /music/sweet/music RTSP", 400, "not HTTP", false},
    {"ANNOUNCE /music/sweet/music RTSP", 400, "not HTTP", false},
    {"GET /\r\n", 400, "HTTP/0.9", false},
    {"GET /favicon.ico HTTP/1.1\r\nHost: 0.0.0.0=", 400, "`=` in Host: legal in a name, never in a real one",
     false},
    {"GET /test HTTP/1.1\r\nUser-Agent: curl/7.18.0", 400, "`=` in Host, again", false},
    {"POST /chunked_w_trailing_headers", 400, "Content-Type after the body (RFC 9110, 6.5.1)", false},
    {"POST /post_identity_body_world?q=search#hey", 400, "a fragment is not part of a request", false},
    {"GET /forums/1/topics/2375?page=1#posts", 400, "a fragment is not part of a request", false},
    {"GET /with_\"lovely\"_quotes", 400, "quotes in the path: not in RFC 3986", false},
    {"GET http://a%12:b!&*$@hypnotoad", 400, "a user in the URL: no longer allowed (RFC 9110, 4.2.4)", false},
};
enum { LLHTTP_EXCEPTIONS = sizeof llhttp_exceptions / sizeof *llhttp_exceptions };

/* The cases leave out what ends the head, and Host, without which we would refuse them all for that alone. */
static struct buf completed(struct buf raw)
{
    struct buf out = BUF_EMPTY;
    const char *end = memmem(raw.ptr, raw.len, "\r\n", 2);
    bool host = memmem(raw.ptr, raw.len, "Host:", 5) || memmem(raw.ptr, raw.len, "HOST:", 5);
    size_t first = end && !host ? (size_t)(end - raw.ptr) + 2 : 0;
    if (first == 2) /* an empty line in front */
        first += (size_t)((char *)memmem(raw.ptr + 2, raw.len - 2, "\r\n", 2) - raw.ptr);
    buf_add(&out, raw.ptr, first);
    const char *authority = strstr(raw.ptr, "http://");
    if (first && authority)
        buf_printf(&out, "Host: %.*s\r\n", (int)strcspn(authority + 7, "/? "), authority + 7);
    else if (first)
        buf_puts(&out, "Host: a\r\n");
    buf_add(&out, raw.ptr + first, raw.len - first);
    buf_puts(&out, "\r\n\r\n");
    return out;
}

/* 0: accepted, -1: more must come, else refused. */
static int guard_says(struct str bytes)
{
    struct http_head head = {0};
    struct http_body body = {0};
    int status = -1;
    enum http_step step = http_head_feed(&head, bytes, &http_limits_default);
    if (step == HTTP_STEP_REFUSED)
        status = head.refusal.status;
    if (step == HTTP_STEP_DONE) {
        struct str rest = {bytes.ptr + head.length, bytes.len - head.length};
        step = http_body_start(&body, &head, &http_limits_default);
        if (step == HTTP_STEP_MORE)
            step = http_body_feed(&body, &rest, NULL);
        status = step == HTTP_STEP_DONE ? 0 : step == HTTP_STEP_REFUSED ? body.refusal.status : -1;
    }
    http_head_free(&head);
    return status;
}

static void check_llhttp(const struct json *line, void *arg)
{
    size_t *checked = arg;
    const char *type = text_of(json_get(line, "meta"), "type"), *error = text_of(line, "error");
    if (strcmp(text_of(line, "kind"), "http") != 0 ||
        (strcmp(type, "request") && strcmp(type, "request-finish")))
        return; /* responses, URLs alone, and what llhttp accepts only when told to be lenient */
    bool whole = false;
    json_get_bool(line, "complete", &whole);
    struct buf raw = raw_of(line), bytes = completed(raw);
    if (!whole && !*error)
        bytes.len -= 4; /* a request that is meant to break off */
    int status = guard_says(buf_str(&bytes));
    bool must_refuse = !whole && *error;
    if (must_refuse && status <= 0)
        fail_msg("%s: must be refused: %s\n%s", text_of(line, "name"), error, bytes.ptr);
    if (!must_refuse && status > 0 && status != 501 &&
        !excepted(llhttp_exceptions, LLHTTP_EXCEPTIONS, raw.ptr, status))
        fail_msg("%s: must not be refused with %d\n%s", text_of(line, "name"), status, bytes.ptr);
    buf_free(&bytes);
    buf_free(&raw);
    ++*checked;
}

static void llhttp_cases(void **state)
{
    (void)state;
    size_t checked = 0;
    for_each_line(DATA "http-llhttp.ndjson.gz", check_llhttp, &checked);
    assert_true(checked >= 130);
    assert_all_needed(llhttp_exceptions, LLHTTP_EXCEPTIONS);
}

/* ---- Http11Probe ---- */

static struct exception probe_exceptions[] = {
    {"MAL-POST-CL-HUGE-NO-BODY", 413, "larger than the limit: said at once", false},
    {"COMP-TRACE-WITH-BODY", 501, "TRACE is not known here, with or without a body", false},
};
enum { PROBE_EXCEPTIONS = sizeof probe_exceptions / sizeof *probe_exceptions };

static void echo(struct http_request *request, void *context)
{
    (void)context;
    struct buf body = BUF_EMPTY;
    struct str sent = http_body(request), cookie = http_header(request, "cookie");
    buf_add(&body, sent.ptr, sent.len);
    buf_add(&body, cookie.ptr, cookie.len);
    http_respond(request, 200, "text/plain", buf_str(&body));
    buf_free(&body);
}

static const struct http_route probe_routes[] = {
    {.method = HTTP_GET, .pattern = "/", .handle = echo},
    {.method = HTTP_POST, .pattern = "/", .handle = echo},
    {.method = HTTP_GET, .pattern = "/{rest*}", .handle = echo},
    {.method = HTTP_POST, .pattern = "/{rest*}", .handle = echo},
};

/* Does "400/405/501 or close", "2xx + close", "not 414", "!101" allow this answer? */
static bool description_allows(const char *text, const struct trial_answer *answer)
{
    int status = answer->status;
    if (strncmp(text, "!", 1) == 0 || strncmp(text, "non-", 4) == 0 || strncmp(text, "not ", 4) == 0) {
        int forbidden = atoi(text + strcspn(text, "0123456789"));
        return status && status != forbidden && !(strstr(text, "1xx") && status < 200);
    }
    if (strstr(text, "Reject/drop") && status == 400)
        return true;
    if ((strstr(text, "2xx") || strstr(text, "IMF-fixdate")) && status / 100 == 2)
        return true;
    if ((strstr(text, "close") || strstr(text, "drop")) && status == 0 && answer->closed)
        return true;
    if (strstr(text, "timeout") && status == 408)
        return true;
    for (const char *at = text; *at; at++)
        if (strtol(at, NULL, 10) == status && status)
            return true;
    return false;
}

static bool allows(const struct json *line, const struct trial_answer *answer)
{
    const struct json *expected = json_get(line, "expected");
    const char *status = text_of(expected, "status");
    bool may_close = false;
    json_get_bool(expected, "allow_close", &may_close);
    if (strncmp(status, "Exact(", 6) == 0)
        return answer->status == atoi(status + 6) || (may_close && !answer->status && answer->closed);
    if (strcmp(status, "Range2xx") == 0)
        return answer->status / 100 == 2;
    return description_allows(text_of(expected, "description"), answer);
}

/* What must hold beyond the status, by id. */
static bool more_holds(const char *id, const struct trial_answer *answer)
{
    if (strcmp(id, "COMP-405-ALLOW") == 0 || strcmp(id, "COMP-OPTIONS-ALLOW") == 0)
        return *answer_field(answer, "Allow");
    if (strcmp(id, "COMP-DATE-HEADER") == 0 || strcmp(id, "COMP-DATE-FORMAT") == 0)
        return strlen(answer_field(answer, "Date")) == strlen("Sun, 06 Nov 1994 08:49:37 GMT");
    if (strcmp(id, "COMP-NO-CL-IN-204") == 0)
        return answer->status == 204 && !*answer_field(answer, "Content-Length");
    if (strcmp(id, "COMP-HEAD-NO-BODY") == 0)
        return answer->body.len == 0 && answer->bytes.len == answer->head.len + 2;
    if (strcmp(id, "COMP-POST-CL-BODY") == 0 || strcmp(id, "COMP-CHUNKED-BODY") == 0)
        return str_is(answer->body, "hello");
    if (strcmp(id, "COMP-CHUNKED-MULTI") == 0)
        return str_is(answer->body, "hello world");
    if (strcmp(id, "COMP-CONNECTION-CLOSE") == 0 || strcmp(id, "COMP-HTTP10-DEFAULT-CLOSE") == 0)
        return strcmp(answer_field(answer, "Connection"), "close") == 0;
    return true;
}

struct probe {
    struct trial trial;
    size_t asked;
};

static void ask_probe(const struct json *line, void *arg)
{
    struct probe *probe = arg;
    const char *id = text_of(line, "id");
    struct buf raw = raw_of(line);
    if (raw.len) {
        int fd = client_connect(probe->trial.port);
        client_send(fd, raw.ptr, raw.len);
        struct trial_answer answer = client_answer(fd, strncmp(raw.ptr, "HEAD", 4) == 0, 10000);
        bool differs = !allows(line, &answer) &&
                       !excepted(probe_exceptions, PROBE_EXCEPTIONS, id, answer.status);
        if (differs || !more_holds(id, &answer))
            fail_msg("%s: got %d%s; expected %s\n%.*s", id, answer.status, answer.closed ? " and close" : "",
                     text_of(line, "expected_text"), 200, raw.ptr);
        if (answer.status >= 400 && answer.status != 404 && answer.status != 405 && answer.status != 501 &&
            !client_sees_close(fd, 10000))
            fail_msg("%s: not closed", id);
        answer_free(&answer);
        close(fd);
        probe->asked++;
    }
    buf_free(&raw);
}

static void probe_cases(void **state)
{
    (void)state;
    struct probe probe = {.trial = {.limits = http_limits_default,
                                    .routes = probe_routes,
                                    .route_count = sizeof probe_routes / sizeof *probe_routes}};
    probe.trial.limits.header_ns = probe.trial.limits.body_ns = 100 * NS_PER_MS;
    trial_start(&probe.trial);
    for_each_line(DATA "http-http11probe.ndjson.gz", ask_probe, &probe);
    trial_stop(&probe.trial);
    assert_true(probe.asked >= 140);
    assert_all_needed(probe_exceptions, PROBE_EXCEPTIONS);
}

int main(void)
{
    loop_init();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(llhttp_cases),
        cmocka_unit_test(probe_cases),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
