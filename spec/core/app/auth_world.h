/* Tests of who may do what: files of tokens and secrets in a folder of their own, and a live server whose
 * handlers tell who asked. Header only; each test program uses a part of it. */
#ifndef LUNETTE_SPEC_AUTH_WORLD_H
#define LUNETTE_SPEC_AUTH_WORLD_H

#include "app/credentials.h"
#include "base/hash.h"
#include "base/id.h"
#include "base/log.h"
#include "core/net/trial.h"

#define READER  "reader-token"
#define SENDER  "sender-token"
#define ANALYST "analyst-token"
#define ADMIN   "admin-token"
#define SECRET  "a secret of some length"
#define OTHER   "another secret, older"

/* ---- the world: files, an auth, a server whose handlers tell who asked ---- */

static char folder[64], token_path[96], secret_path[96];
static struct auth *auth; /* of the server */

TRIAL_UNUSED static void write_file(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, strlen(text), file), strlen(text));
    assert_int_equal(fclose(file), 0);
}

TRIAL_UNUSED static void add_token(struct buf *file, const char *name, const char *role, const char *customer,
                                   const char *token)
{
    char hex[65];
    hash_sha256_hex(str_from(token), hex);
    buf_printf(file, "%s %s %s sha256:%s\n", name, role, customer, hex);
}

TRIAL_UNUSED static void write_tokens(void)
{
    struct buf file = BUF_EMPTY;
    buf_puts(&file, "# who may do what\n\n");
    add_token(&file, "rita", "reader", "*", READER);
    add_token(&file, "sam", "sender", "acme", SENDER);
    add_token(&file, "ana", "analyst", "*", ANALYST);
    add_token(&file, "root", "admin", "*", ADMIN);
    write_file(token_path, file.ptr);
    buf_free(&file);
}

TRIAL_UNUSED static void tell(struct http_request *request, void *context)
{
    static const char *const roles[] = {"reader", "sender", "analyst", "admin"};
    const struct principal *who = http_user(request);
    struct buf body = BUF_EMPTY;
    (void)context;
    buf_printf(&body, "%s|%s|%s", who->name, roles[who->role], who->customer);
    http_respond(request, 200, "text/plain", buf_str(&body));
    buf_free(&body);
}

TRIAL_UNUSED static void tell_origin(struct http_request *request, void *context)
{
    (void)context;
    http_respond(request, auth_origin(auth, request) ? 200 : 403, "text/plain", STR("ws"));
}

TRIAL_UNUSED static void login(struct http_request *request, void *context)
{
    (void)context;
    auth_login(auth, request);
}

TRIAL_UNUSED static void logout(struct http_request *request, void *context)
{
    (void)context;
    auth_logout(auth, request);
}

TRIAL_UNUSED static bool guard(struct http_request *request, const struct http_route *route, void *context)
{
    struct principal *who = mem_alloc(sizeof(*who));
    (void)context;
    if (auth_check(auth, request, (enum access)route->access, who)) {
        http_set_user(request, who, free);
        return true;
    }
    free(who);
    return false;
}

static const struct http_route routes[] = {
    {HTTP_GET, "/open", tell, ACCESS_OPEN, false},
    {HTTP_GET, "/metrics", tell, ACCESS_READ_ALL, false},
    {HTTP_GET, "/read", tell, ACCESS_READ, false},
    {HTTP_POST, "/send", tell, ACCESS_SEND, false},
    {HTTP_PATCH, "/analyse", tell, ACCESS_ANALYSE, false},
    {HTTP_POST, "/admin", tell, ACCESS_ADMIN, false},
    {HTTP_GET, "/ws", tell_origin, ACCESS_READ, false},
    {HTTP_POST, "/api/session", login, ACCESS_OPEN, false},
    {HTTP_DELETE, "/api/session", logout, ACCESS_OPEN, false},
};

static struct trial trial;

/* Starts the server on these files; "" none. */
TRIAL_UNUSED static void open_world(const char *tokens, const char *secrets, const char *origins)
{
    struct err err = {0};
    auth = auth_new(tokens, secrets, origins, &err);
    if (auth == NULL)
        fail_msg("%s", err_text(&err));
    trial = (struct trial){.limits = http_limits_default,
                           .routes = routes,
                           .route_count = sizeof(routes) / sizeof(routes[0]),
                           .hooks = {.guard = guard}};
    trial_start(&trial);
}

TRIAL_UNUSED static void close_world(void)
{
    trial_stop(&trial);
    auth_free(auth);
}

/* `fields`: whole lines with \r\n. */
TRIAL_UNUSED static struct trial_answer ask(const char *method, const char *path, const char *fields,
                                            const char *body)
{
    struct buf request = BUF_EMPTY;
    buf_printf(&request, "%s %s HTTP/1.1\r\n%s", method, path, fields);
    if (strstr(fields, "Host:") == NULL)
        buf_printf(&request, "Host: localhost:%d\r\n", trial.port);
    if (body)
        buf_printf(&request, "Content-Length: %zu\r\n", strlen(body));
    buf_printf(&request, "\r\n%s", body ? body : "");
    struct trial_answer answer = client_ask(trial.port, request.ptr);
    buf_free(&request);
    return answer;
}

TRIAL_UNUSED static int status_of(const char *method, const char *path, const char *fields, const char *body)
{
    struct trial_answer answer = ask(method, path, fields, body);
    answer_free(&answer);
    return answer.status;
}

TRIAL_UNUSED static int read_with(const char *token)
{
    struct buf fields = BUF_EMPTY;
    buf_printf(&fields, "Authorization: Bearer %s\r\n", token);
    int status = status_of("GET", "/read", fields.ptr, NULL);
    buf_free(&fields);
    return status;
}

static int before_each(void **state)
{
    (void)state;
    write_tokens();
    return 0;
}

#define STORY(name) cmocka_unit_test_setup(name, before_each)

/* Runs the stories in a folder of their own. */
#define run_stories(tests) (world_begin() ? world_end(cmocka_run_group_tests(tests, NULL, NULL)) : 1)

static bool world_begin(void)
{
    loop_init();
    log_level_set(LOG_OFF);
    snprintf(folder, sizeof(folder), "/tmp/lunette_auth.XXXXXX");
    if (mkdtemp(folder) == NULL)
        return false;
    snprintf(token_path, sizeof(token_path), "%s/tokens", folder);
    snprintf(secret_path, sizeof(secret_path), "%s/secrets", folder);
    return true;
}

static int world_end(int failed)
{
    unlink(token_path);
    unlink(secret_path);
    rmdir(folder);
    return failed;
}

#endif
