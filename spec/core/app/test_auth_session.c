/* Sessions: a cookie that stands for a token. */
#include "core/app/auth_world.h"

/* The cookie of a sign-in as a request's line, "" where there was none. */
static const char *sign_in(const char *token)
{
    static char line[400];
    char body[128];
    snprintf(body, sizeof(body), "{\"token\":\"%s\"}", token);
    struct trial_answer answer = ask("POST", "/api/session", "Content-Type: application/json\r\n", body);
    const char *cookie = answer_field(&answer, "Set-Cookie");
    snprintf(line, sizeof(line), "Cookie: theme=dark; %.*s\r\n", (int)strcspn(cookie, ";"), cookie);
    if (cookie[0] == '\0')
        line[0] = '\0';
    answer_free(&answer);
    return line;
}

static void a_session_stands_for_its_token(void **state)
{
    (void)state;
    open_world(token_path, "", "");
    struct trial_answer answer = ask("POST", "/api/session",
                                     "Content-Type: application/json; charset=utf-8\r\n",
                                     "{\"token\":\"" ANALYST "\"}");
    assert_int_equal(answer.status, 200);
    const char *cookie = answer_field(&answer, "Set-Cookie");
    assert_non_null(strstr(cookie, "; Path=/; Max-Age=43200; HttpOnly; SameSite=Strict"));
    assert_null(strstr(cookie, "Secure"));
    assert_string_equal(answer_field(&answer, "Cache-Control"), "no-store");
    assert_non_null(memmem(answer.body.ptr, answer.body.len, "\"name\":\"ana\",\"role\":\"analyst\"", 29));
    answer_free(&answer);

    answer = ask("GET", "/read", sign_in(ANALYST), NULL);
    assert_body(answer, "ana|analyst|");
    answer_free(&answer);
    assert_int_equal(status_of("POST", "/admin", sign_in(ANALYST), "{}"), 403);
    assert_string_equal(sign_in("wrong"), "");
    close_world();
}

static void a_session_is_secure_where_the_client_speaks_tls(void **state)
{
    (void)state;
    open_world(token_path, "", "");
    struct trial_answer answer = ask("POST", "/api/session",
                                     "Content-Type: application/json\r\nX-Forwarded-Proto: https\r\n",
                                     "{\"token\":\"" READER "\"}");
    assert_non_null(strstr(answer_field(&answer, "Set-Cookie"), "; Secure"));
    answer_free(&answer);
    close_world();
}

static void signing_out_takes_the_cookie_away(void **state)
{
    (void)state;
    open_world(token_path, "", "");
    struct trial_answer answer = ask("DELETE", "/api/session", "", NULL);
    assert_int_equal(answer.status, 200);
    assert_non_null(strstr(answer_field(&answer, "Set-Cookie"), "lunette_session=; Path=/; Max-Age=0;"));
    answer_free(&answer);
    close_world();
}

static void a_sign_in_is_json_with_a_token_from_our_own_page(void **state)
{
    (void)state;
    static const struct {
        const char *fields, *body;
        int status;
    } cases[] = {
        {"Content-Type: text/plain\r\n", "{\"token\":\"" READER "\"}", 415},
        {"", "{\"token\":\"" READER "\"}", 415},
        {"Content-Type: application/json\r\n", "{", 400},
        {"Content-Type: application/json\r\n", "{\"token\":7}", 400},
        {"Content-Type: application/json\r\n", "{\"token\":\"" READER "\",\"more\":1}", 400},
        {"Content-Type: application/json\r\n", "{\"token\":\"wrong\"}", 401},
        {"Content-Type: application/json\r\nOrigin: http://evil.example\r\n", "{\"token\":\"" READER "\"}",
         403},
    };
    open_world(token_path, "", "");
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        assert_int_equal(status_of("POST", "/api/session", cases[i].fields, cases[i].body), cases[i].status);
    assert_int_equal(status_of("DELETE", "/api/session", "Origin: http://evil.example\r\n", NULL), 403);
    close_world();
    open_world("", "", "");
    assert_int_equal(
        status_of("POST", "/api/session", "Content-Type: application/json\r\n", "{\"token\":\"" READER "\"}"),
        400);
    close_world();
}

static void with_a_cookie_changes_come_from_our_own_pages(void **state)
{
    (void)state;
    open_world(token_path, "", "https://board.example");
    char own[64];
    snprintf(own, sizeof(own), "Origin: http://localhost:%d\r\n", trial.port);
    const struct {
        const char *method, *path, *origin;
        int status;
    } cases[] = {
        {"POST", "/admin", "", 200},
        {"POST", "/admin", own, 200},
        {"POST", "/admin", "Origin: http://evil.example\r\n", 403},
        {"POST", "/admin", "Origin: null\r\n", 403},
        {"POST", "/admin", "Origin: https://board.example\r\n", 403},
        {"PATCH", "/analyse", "Origin: http://evil.example\r\n", 403},
        {"GET", "/read", "Origin: http://evil.example\r\n", 200},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char fields[600];
        snprintf(fields, sizeof(fields), "%s%s", sign_in(ADMIN), cases[i].origin);
        assert_int_equal(status_of(cases[i].method, cases[i].path, fields, NULL), cases[i].status);
    }
    /* A token is not sent by a page that does not know it. */
    assert_int_equal(status_of("POST", "/admin",
                               "Authorization: Bearer " ADMIN "\r\nOrigin: http://evil.example\r\n", "{}"),
                     200);
    close_world();
}

static void cookie_line(const char *value, char line[400])
{
    snprintf(line, 400, "Cookie: lunette_session=%s\r\n", value);
}

static void a_session_cannot_be_forged_or_outlived(void **state)
{
    (void)state;
    char line[400];
    struct buf value = BUF_EMPTY, text = BUF_EMPTY;
    struct err err = {0};
    int64_t now = clock_now(&clock_real);
    write_file(secret_path, SECRET "\n");
    open_world(token_path, secret_path, "");
    assert_int_equal(credentials_read(token_path, TOKEN_FILE_MAX, &text, &err), 0);
    struct token_set *tokens = token_set_parse(buf_str(&text), "tokens", &err);
    struct secret_set *secrets = secret_set_parse(STR(SECRET), "secrets", &err);
    struct secret_set *others = secret_set_random();
    const struct token *rita = token_set_named(tokens, STR("rita"));

    session_print(secrets, rita, now, &value);
    cookie_line(value.ptr, line);
    assert_int_equal(status_of("GET", "/read", line, NULL), 200);
    size_t last = value.len - 1;
    value.ptr[last] = value.ptr[last] == '0' ? '1' : '0';
    cookie_line(value.ptr, line);
    assert_int_equal(status_of("GET", "/read", line, NULL), 401);

    buf_clear(&value);
    session_print(secrets, rita, now, &value);
    memcpy(value.ptr, "root", 4); /* another name under the same signature */
    cookie_line(value.ptr, line);
    assert_int_equal(status_of("GET", "/read", line, NULL), 401);

    buf_clear(&value);
    session_print(secrets, rita, now - SESSION_NS + 60 * NS_PER_S, &value);
    cookie_line(value.ptr, line);
    assert_int_equal(status_of("GET", "/read", line, NULL), 200);
    value.ptr[5]++; /* a later end under the same signature */
    cookie_line(value.ptr, line);
    assert_int_equal(status_of("GET", "/read", line, NULL), 401);

    buf_clear(&value);
    session_print(secrets, rita, now - SESSION_NS - 2 * NS_PER_S, &value);
    cookie_line(value.ptr, line);
    assert_int_equal(status_of("GET", "/read", line, NULL), 401);

    buf_clear(&value);
    session_print(others, rita, now, &value);
    cookie_line(value.ptr, line);
    assert_int_equal(status_of("GET", "/read", line, NULL), 401);

    static const char *const broken[] = {
        "", ":", "::", "rita", "rita:1", "rita::", "rita:99999999999:00", ":1:2:3"};
    for (size_t i = 0; i < sizeof(broken) / sizeof(broken[0]); i++) {
        cookie_line(broken[i], line);
        assert_int_equal(status_of("GET", "/read", line, NULL), 401);
    }
    token_set_free(tokens);
    secret_set_free(secrets);
    secret_set_free(others);
    buf_free(&value);
    buf_free(&text);
    close_world();
}

static void a_session_ends_when_its_token_leaves_the_file(void **state)
{
    (void)state;
    struct buf file = BUF_EMPTY;
    char line[400];
    open_world(token_path, "", "");
    snprintf(line, sizeof(line), "%s", sign_in(READER));
    assert_int_equal(status_of("GET", "/read", line, NULL), 200);
    add_token(&file, "rita", "sender", "*", READER);
    write_file(token_path, file.ptr);
    auth_refresh(auth);
    assert_int_equal(status_of("GET", "/read", line, NULL),
                     403); /* the role is the file's, not the cookie's */
    buf_clear(&file);
    add_token(&file, "rita", "reader", "*", "replaced");
    write_file(token_path, file.ptr);
    auth_refresh(auth);
    assert_int_equal(status_of("GET", "/read", line, NULL), 401);
    buf_free(&file);
    close_world();
}

static void sessions_outlive_a_process_and_a_change_of_secret(void **state)
{
    (void)state;
    char line[400];
    write_file(secret_path, OTHER "\n");
    open_world(token_path, secret_path, "");
    snprintf(line, sizeof(line), "%s", sign_in(READER));
    close_world();
    open_world(token_path, secret_path, "");
    assert_int_equal(status_of("GET", "/read", line, NULL), 200);
    write_file(secret_path, SECRET "\n" OTHER "\n");
    auth_refresh(auth);
    assert_int_equal(status_of("GET", "/read", line, NULL), 200);
    assert_int_equal(status_of("GET", "/read", sign_in(READER), NULL), 200);
    write_file(secret_path, SECRET "\n");
    auth_refresh(auth);
    assert_int_equal(status_of("GET", "/read", line, NULL), 401);
    assert_int_equal(status_of("GET", "/read", sign_in(READER), NULL), 200);
    close_world();
    open_world(token_path, "", ""); /* a secret of its own, at random */
    assert_int_equal(status_of("GET", "/read", sign_in(READER), NULL), 200);
    close_world();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORY(a_session_stands_for_its_token),
        STORY(a_session_is_secure_where_the_client_speaks_tls),
        STORY(signing_out_takes_the_cookie_away),
        STORY(a_sign_in_is_json_with_a_token_from_our_own_page),
        STORY(with_a_cookie_changes_come_from_our_own_pages),
        STORY(a_session_cannot_be_forged_or_outlived),
        STORY(a_session_ends_when_its_token_leaves_the_file),
        STORY(sessions_outlive_a_process_and_a_change_of_secret),
    };
    return run_stories(tests);
}
