/* Static files: types, conditions, and that nothing outside the folder comes out. */
#include <ftw.h>
#include <sys/stat.h>
#include <time.h>

#include "trial.h"

static char home[64], root[80];

static void serve(struct http_request *request, void *context)
{
    (void)context;
    if (!http_respond_file(request, root, http_param(request, "path")))
        http_problem(request, 404, "no such file");
}

/* What a handler may pass that is no route's parameter. */
static void serve_as_asked(struct http_request *request, void *context)
{
    (void)context;
    if (!http_respond_file(request, root, http_query(request, "p")))
        http_problem(request, 404, "no such file");
}

static const struct http_route routes[] = {
    {.method = HTTP_GET, .pattern = "/{path*}", .handle = serve},
    {.method = HTTP_GET, .pattern = "/ask", .handle = serve_as_asked},
};

static struct trial trial = {.routes = routes, .route_count = 2};

static void put(const char *name, const char *text)
{
    char path[160];
    snprintf(path, sizeof path, "%s/%s", home, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static void make(const char *name)
{
    char path[160];
    snprintf(path, sizeof path, "%s/%s", home, name);
    assert_int_equal(mkdir(path, 0700), 0);
}

static void link_to(const char *target, const char *name)
{
    char path[160];
    snprintf(path, sizeof path, "%s/%s", home, name);
    assert_int_equal(symlink(target, path), 0);
}

static int start(void **state)
{
    (void)state;
    snprintf(home, sizeof home, "/tmp/lunette-files-XXXXXX");
    assert_non_null(mkdtemp(home));
    snprintf(root, sizeof root, "%s/web", home);
    put("secret.txt", "secret");
    make("web");
    make("web/assets");
    make("web/deep");
    make("web/.git");
    put("web/index.html", "<p>home</p>");
    put("web/assets/app-1a2b.js", "let a;");
    put("web/assets/style.css", "p{}");
    put("web/deep/logo.svg", "<svg/>");
    put("web/deep/data.bin", "");
    put("web/.env", "secret");
    put("web/.git/config", "secret");
    link_to("../secret.txt", "web/link.txt");
    link_to("..", "web/up");
    trial.limits = http_limits_default;
    trial_start(&trial);
    return 0;
}

static int drop(const char *path, const struct stat *st, int kind, struct FTW *where)
{
    (void)st, (void)kind, (void)where;
    return remove(path);
}

static int stop(void **state)
{
    (void)state;
    trial_stop(&trial);
    nftw(home, drop, 16, FTW_DEPTH | FTW_PHYS);
    return 0;
}

static struct trial_answer get(const char *target, const char *fields)
{
    char request[1024];
    snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: a\r\n%s\r\n", target, fields);
    return client_ask(trial.port, request);
}

static void files_come_with_their_type(void **state)
{
    (void)state;
    static const struct {
        const char *target, *type, *body, *caching;
    } cases[] = {
        {"/", "text/html; charset=utf-8", "<p>home</p>", "no-cache"},
        {"/index.html", "text/html; charset=utf-8", "<p>home</p>", "no-cache"},
        {"/threats/123", "text/html; charset=utf-8", "<p>home</p>", "no-cache"},
        {"/deep", "text/html; charset=utf-8", "<p>home</p>", "no-cache"},
        {"/assets/app-1a2b.js", "text/javascript; charset=utf-8", "let a;",
         "public, max-age=31536000, immutable"},
        {"/assets/style.css", "text/css; charset=utf-8", "p{}", "public, max-age=31536000, immutable"},
        {"/deep/logo.svg", "image/svg+xml", "<svg/>", "no-cache"},
        {"/deep/data.bin", "application/octet-stream", "", "no-cache"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct trial_answer answer = get(cases[i].target, "");
        assert_int_equal(answer.status, 200);
        assert_string_equal(answer_field(&answer, "Content-Type"), cases[i].type);
        assert_string_equal(answer_field(&answer, "Cache-Control"), cases[i].caching);
        assert_body(answer, cases[i].body);
        answer_free(&answer);
    }
}

static void nothing_else_comes_out(void **state)
{
    (void)state;
    static const char *const targets[] = {
        "/nothing.txt",
        "/.env",
        "/.git/config",
        "/link.txt",
        "/up/secret.txt",
        "/assets/",
        "/assets//style.css",
        "/index.html/x.js",
        "/ask?p=../secret.txt",
        "/ask?p=/etc/hosts.allow",
        "/ask?p=deep/../../secret.txt",
        "/ask?p=./index.html",
        "/ask?p=..%2fsecret.txt",
    };
    for (size_t i = 0; i < sizeof targets / sizeof *targets; i++) {
        struct trial_answer answer = get(targets[i], "");
        if (answer.status != 404 && !str_is(answer.body, "<p>home</p>"))
            fail_msg("%s: %d %.*s", targets[i], answer.status, STR_ARG(answer.body));
        assert_null(memmem(answer.bytes.ptr, answer.bytes.len, "secret", 6));
        answer_free(&answer);
    }
    struct trial_answer dotted = get("/%2e%2e/secret.txt", "");
    assert_int_equal(dotted.status, 400);
    answer_free(&dotted);
}

static void known_files_are_not_sent_again(void **state)
{
    (void)state;
    struct trial_answer first = get("/deep/logo.svg", "");
    char tag[64], modified[64];
    snprintf(tag, sizeof tag, "%s", answer_field(&first, "ETag"));
    snprintf(modified, sizeof modified, "%s", answer_field(&first, "Last-Modified"));
    assert_true(tag[0] == '"' && strlen(modified) == 29);
    answer_free(&first);
    const struct {
        const char *name, *before, *value, *behind;
        int status;
    } cases[] = {
        {"If-None-Match", "", tag, "", 304},
        {"If-None-Match", "W/", tag, "", 304},
        {"If-None-Match", "\"x\", ", tag, " , \"y\"", 304},
        {"If-None-Match", "", "*", "", 304},
        {"If-None-Match", "", "\"x\"", "", 200},
        {"If-None-Match", "", "unquoted", "", 200},
        {"If-Modified-Since", "", modified, "", 304},
        {"If-Modified-Since", "", "Sun, 06 Nov 1994 08:49:37 GMT", "", 200},
        {"If-Modified-Since", "", "Fri, 06 Nov 2099 08:49:37 GMT", "", 200},
        {"If-Modified-Since", "", "yesterday", "", 200},
        {"If-None-Match: \"x\"\r\nIf-Modified-Since", "", modified, "", 200},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char fields[256];
        snprintf(fields, sizeof fields, "%s: %s%s%s\r\n", cases[i].name, cases[i].before, cases[i].value,
                 cases[i].behind);
        struct trial_answer answer = get("/deep/logo.svg", fields);
        if (answer.status != cases[i].status)
            fail_msg("%s: %d", fields, answer.status);
        assert_string_equal(answer_field(&answer, "ETag"), tag);
        assert_int_equal(answer.bytes.len, answer.length);
        answer_free(&answer);
    }
}

static void changed_file_has_another_tag(void **state)
{
    (void)state;
    char before[64];
    put("web/deep/page.txt", "a");
    struct trial_answer answer = get("/deep/page.txt", "");
    snprintf(before, sizeof before, "%s", answer_field(&answer, "ETag"));
    answer_free(&answer);
    usleep(20000); /* the file system's clock ticks */
    put("web/deep/page.txt", "b");
    answer = get("/deep/page.txt", "");
    assert_body(answer, "b");
    assert_string_not_equal(answer_field(&answer, "ETag"), before);
    answer_free(&answer);
}

int main(void)
{
    loop_init();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(files_come_with_their_type),
        cmocka_unit_test(nothing_else_comes_out),
        cmocka_unit_test(known_files_are_not_sent_again),
        cmocka_unit_test(changed_file_has_another_tag),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
