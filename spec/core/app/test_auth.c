/* Who may do what, told over a live server. */
#include "core/app/auth_world.h"

/* ---- with tokens ---- */

static void each_role_may_do_its_own(void **state)
{
    (void)state;
    static const struct {
        const char *token;
        int metrics, read, send, analyse, admin;
    } cases[] = {
        {READER, 200, 200, 403, 403, 403},
        {SENDER, 403, 403, 200, 403, 403},
        {ANALYST, 200, 200, 403, 200, 403},
        {ADMIN, 200, 200, 200, 200, 200},
    };
    open_world(token_path, "", "");
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char fields[96];
        snprintf(fields, sizeof(fields), "authorization: bEaReR  %s\r\n", cases[i].token);
        assert_int_equal(status_of("GET", "/open", fields, NULL), 200);
        assert_int_equal(status_of("GET", "/metrics", fields, NULL), cases[i].metrics);
        assert_int_equal(status_of("GET", "/read", fields, NULL), cases[i].read);
        assert_int_equal(status_of("POST", "/send", fields, "{}"), cases[i].send);
        assert_int_equal(status_of("PATCH", "/analyse", fields, "{}"), cases[i].analyse);
        assert_int_equal(status_of("POST", "/admin", fields, "{}"), cases[i].admin);
    }
    struct trial_answer answer = ask("POST", "/send", "Authorization: Bearer " SENDER "\r\n", "{}");
    assert_body(answer, "sam|sender|acme");
    answer_free(&answer);
    close_world();
}

static void strangers_are_told_how_to_come_in(void **state)
{
    (void)state;
    static const struct {
        const char *fields, *challenge;
    } cases[] = {
        {"", "Bearer realm=\"lunette\""},
        {"Authorization: Basic YTpi\r\n", "Bearer realm=\"lunette\""},
        {"Cookie: lunette_session=x\r\n", "Bearer realm=\"lunette\""},
        {"Authorization: Bearer\r\n", "Bearer realm=\"lunette\""},
        {"Authorization: Bearer wrong\r\n", "Bearer realm=\"lunette\", error=\"invalid_token\""},
    };
    open_world(token_path, "", "");
    assert_true(auth_has_tokens(auth));
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct trial_answer answer = ask("GET", "/read", cases[i].fields, NULL);
        assert_int_equal(answer.status, 401);
        assert_string_equal(answer_field(&answer, "WWW-Authenticate"), cases[i].challenge);
        assert_string_equal(answer_field(&answer, "Content-Type"), "application/problem+json");
        answer_free(&answer);
    }
    close_world();
}

static void the_file_is_read_again(void **state)
{
    (void)state;
    struct buf file = BUF_EMPTY;
    open_world(token_path, "", "");
    assert_int_equal(read_with(READER), 200);
    add_token(&file, "new", "reader", "*", "new-token");
    write_file(token_path, file.ptr);
    assert_int_equal(read_with("new-token"), 401);
    auth_refresh(auth);
    assert_int_equal(read_with("new-token"), 200);
    assert_int_equal(read_with(READER), 401);

    write_file(token_path, "not a token file\n");
    auth_refresh(auth);
    assert_int_equal(read_with("new-token"), 200);
    assert_int_equal(unlink(token_path), 0);
    auth_refresh(auth);
    auth_refresh(auth);
    assert_int_equal(read_with("new-token"), 200);

    write_file(token_path, "# nobody\n");
    auth_refresh(auth);
    assert_int_equal(read_with("new-token"), 401);
    write_file(token_path, file.ptr);
    auth_refresh(auth);
    assert_int_equal(read_with("new-token"), 200);
    buf_free(&file);
    close_world();
}

/* A thread sanitizer looks at this one. */
static void requests_and_refreshes_do_not_disturb_each_other(void **state)
{
    (void)state;
    struct buf one = BUF_EMPTY, two = BUF_EMPTY;
    add_token(&one, "ana", "reader", "*", READER);
    add_token(&two, "bo", "admin", "*", "other");
    add_token(&two, "ana", "analyst", "*", READER);
    open_world(token_path, "", "");
    int fd = client_connect(trial.port);
    for (int i = 0; i < 200; i++) {
        client_puts(fd, "GET /read HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer " READER "\r\n\r\n");
        write_file(token_path, i % 2 ? one.ptr : two.ptr);
        auth_refresh(auth);
        struct trial_answer answer = client_answer(fd, false, 10000);
        assert_int_equal(answer.status, 200);
        answer_free(&answer);
    }
    close(fd);
    buf_free(&one);
    buf_free(&two);
    close_world();
}

/* ---- without tokens ---- */

static void without_tokens_this_machine_is_admin_and_no_page_speaks_for_it(void **state)
{
    (void)state;
    open_world("", "", "http://board.example");
    assert_false(auth_has_tokens(auth));
    char own[64], host[128];
    snprintf(own, sizeof(own), "Origin: http://localhost:%d\r\n", trial.port);
    snprintf(host, sizeof(host), "Host: 127.0.0.1:%d\r\n%s", trial.port, own);
    const struct {
        const char *method, *path, *fields, *body;
        int status;
    } cases[] = {
        {"GET", "/read", "", NULL, 200},
        {"GET", "/read", "Host: LOCALHOST\r\n", NULL, 200},
        {"GET", "/read", "Host: 127.8.9.1:80\r\n", NULL, 200},
        {"GET", "/read", "Host: [::1]:8080\r\n", NULL, 200},
        {"GET", "/read", "Host: [::1]\r\n", NULL, 200},
        {"GET", "/read", "Host: evil.example\r\n", NULL, 403},
        {"GET", "/read", "Host: localhost.evil.example\r\n", NULL, 403},
        {"GET", "/read", "Host: 127.0.0.1.evil.example\r\n", NULL, 403},
        {"GET", "/read", "Host: 128.0.0.1\r\n", NULL, 403},
        {"GET", "/read", "Host: [::2]\r\n", NULL, 403},
        {"GET", "/read", own, NULL, 200},
        {"GET", "/read", host, NULL, 403},
        {"GET", "/read", "Host: localhost\r\nOrigin: http://localhost:80\r\n", NULL, 200},
        {"GET", "/read", "Host: localhost\r\nOrigin: https://localhost\r\n", NULL, 403},
        {"GET", "/read", "Host: localhost\r\nX-Forwarded-Proto: https\r\nOrigin: https://localhost\r\n", NULL,
         200},
        {"GET", "/read", "Origin: http://evil.example\r\n", NULL, 403},
        {"GET", "/read", "Origin: null\r\n", NULL, 403},
        {"GET", "/ws", "Origin: http://board.example\r\n", NULL, 200},
        {"POST", "/admin", "Origin: http://board.example\r\n", NULL, 403},
        {"POST", "/admin", "", NULL, 200},
        {"POST", "/admin", "Content-Type: application/json\r\n", "{}", 200},
        {"POST", "/admin", "Content-Type: Application/JSON;charset=utf-8\r\n", "{}", 200},
        {"POST", "/send", "Content-Type: application/x-ndjson\r\n", "{}", 200},
        {"POST", "/send", "Content-Type: text/plain\r\n", "{}", 415},
        {"POST", "/send", "Content-Type: application/json-seq\r\n", "{}", 415},
        {"POST", "/send", "", "{}", 415},
        {"POST", "/send", "", "", 200},
        {"GET", "/open", "Host: evil.example\r\n", NULL, 200},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        int status = status_of(cases[i].method, cases[i].path, cases[i].fields, cases[i].body);
        if (status != cases[i].status)
            fail_msg("case %zu (%s): %d, not %d", i, cases[i].fields, status, cases[i].status);
    }
    struct trial_answer answer = ask("POST", "/admin", "", NULL);
    assert_body(answer, "|admin|");
    answer_free(&answer);
    close_world();
}

static void chunked_bodies_are_bodies(void **state)
{
    (void)state;
    open_world("", "", "");
    struct trial_answer answer = client_ask(trial.port,
                                            "POST /send HTTP/1.1\r\nHost: localhost\r\nContent-Type: "
                                            "text/plain\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n");
    assert_int_equal(answer.status, 415);
    answer_free(&answer);
    close_world();
}

/* ---- the WebSocket ---- */

static void a_websocket_opens_from_our_own_pages_and_listed_ones(void **state)
{
    (void)state;
    static const struct {
        const char *fields;
        int status;
    } cases[] = {
        {"Host: soc.example\r\n", 200},
        {"Host: soc.example\r\nOrigin: http://soc.example\r\n", 200},
        {"Host: soc.example\r\nOrigin: HTTP://SOC.example\r\n", 200},
        {"Host: soc.example\r\nOrigin: https://soc.example\r\n", 403},
        {"Host: soc.example\r\nX-Forwarded-Proto: https\r\nOrigin: https://soc.example:443\r\n", 200},
        {"Host: soc.example\r\nX-Forwarded-Proto: https\r\nOrigin: http://soc.example\r\n", 403},
        {"Host: soc.example\r\nOrigin: http://soc.example:81\r\n", 403},
        {"Host: soc.example\r\nOrigin: http://soc.example.evil.example\r\n", 403},
        {"Host: soc.example\r\nOrigin: https://board.example\r\n", 200},
        {"Host: soc.example\r\nOrigin: https://wall.example:8443\r\n", 200},
        {"Host: soc.example\r\nOrigin: https://wall.example\r\n", 403},
        {"Host: soc.example\r\nOrigin: null\r\n", 403},
        {"Host: soc.example\r\nOrigin: \r\n", 403},
    };
    open_world(token_path, "", "https://board.example,https://wall.example:8443");
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char fields[256];
        snprintf(fields, sizeof(fields), "%sAuthorization: Bearer " READER "\r\n", cases[i].fields);
        int status = status_of("GET", "/ws", fields, NULL);
        if (status != cases[i].status)
            fail_msg("case %zu (%s): %d, not %d", i, cases[i].fields, status, cases[i].status);
    }
    close_world();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORY(each_role_may_do_its_own),
        STORY(strangers_are_told_how_to_come_in),
        STORY(the_file_is_read_again),
        STORY(requests_and_refreshes_do_not_disturb_each_other),
        STORY(without_tokens_this_machine_is_admin_and_no_page_speaks_for_it),
        STORY(chunked_bodies_are_bodies),
        STORY(a_websocket_opens_from_our_own_pages_and_listed_ones),
    };
    return run_stories(tests);
}
