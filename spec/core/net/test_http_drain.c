/* Draining a server, and several workers on one listening socket. */
#include "kept_trial.h"

static const struct http_route routes[] = {
    {.method = HTTP_GET, .pattern = "/later", .handle = keep},
    {.method = HTTP_GET, .pattern = "/now", .handle = answer_now},
};

static struct trial trial = {.routes = routes, .route_count = sizeof routes / sizeof *routes};

static void start_with(const struct http_limits *limits)
{
    memset(&later, 0, sizeof later);
    trial.limits = *limits;
    trial_start(&trial);
}

/* ---- stories ---- */

static atomic_int drained;

static void on_drained(void *arg)
{
    (void)arg;
    atomic_fetch_add(&drained, 1);
}

static void drain(void *arg)
{
    atomic_store(&drained, 0);
    http_server_drain(trial.server, *(int64_t *)arg, on_drained, NULL);
}

static void draining_server_answers_what_is_under_way(void **state)
{
    (void)state;
    int64_t limit = 20 * NS_PER_S;
    start_with(&http_limits_default);
    int kept = client_connect(trial.port), idle = client_connect(trial.port),
        asks = client_connect(trial.port);
    client_puts(kept, "GET /later?n=1 HTTP/1.1\r\nHost: a\r\n\r\n");
    wait_for(&later.arrived, 1);
    wait_for_connections(3);
    trial_on_server(&trial, drain, &limit);
    client_puts(asks, "GET /now?n=2 HTTP/1.1\r\nHost: a\r\n\r\n");
    struct trial_answer answer = client_answer(asks, false, 10000);
    assert_body(answer, "2");
    assert_string_equal(answer_field(&answer, "Connection"), "close");
    answer_free(&answer);
    close(asks);
    assert_true(client_sees_close(idle, 10000));
    assert_int_equal(atomic_load(&drained), 0);
    trial_on_server(&trial, answer_kept, NULL);
    answer = client_answer(kept, false, 10000);
    assert_body(answer, "1");
    assert_true(client_sees_close(kept, 10000));
    close(kept);
    wait_for(&drained, 1);
    answer_free(&answer);
    close(idle);
    trial_stop(&trial);
    assert_int_equal(atomic_load(&drained), 1);
}

static void draining_ends_at_its_limit(void **state)
{
    (void)state;
    int64_t limit = 100 * NS_PER_MS;
    start_with(&http_limits_default);
    int fd = client_connect(trial.port);
    client_puts(fd, "GET /later?n=1 HTTP/1.1\r\nHost: a\r\n\r\n");
    wait_for(&later.arrived, 1);
    trial_on_server(&trial, drain, &limit);
    wait_for(&drained, 1);
    assert_int_equal(atomic_load(&later.gone), 1);
    assert_true(client_sees_close(fd, 10000));
    close(fd);
    trial_stop(&trial);
}

static void workers_share_one_listening_socket(void **state)
{
    (void)state;
    enum { WORKERS = 3, CLIENTS = 60 };
    struct trial workers[WORKERS];
    start_with(&http_limits_default);
    for (int i = 0; i < WORKERS; i++) {
        workers[i] = (struct trial){.limits = http_limits_default,
                                    .routes = routes,
                                    .route_count = sizeof routes / sizeof *routes,
                                    .listening = trial.listening};
        workers[i].loop = loop_new();
        workers[i].box = mailbox_new(4, &workers[i]);
        workers[i].thread = thread_start("http", trial_main, &workers[i], NULL);
    }
    for (int i = 0; i < CLIENTS; i++) {
        struct trial_answer answer = client_ask(trial.port, "GET /now?n=1 HTTP/1.1\r\nHost: a\r\n\r\n");
        assert_body(answer, "1");
        answer_free(&answer);
    }
    for (int i = 0; i < WORKERS; i++) {
        loop_stop(workers[i].loop);
        thread_join(workers[i].thread);
        mailbox_free(workers[i].box);
        loop_free(workers[i].loop);
        struct trial_answer answer = client_ask(trial.port, "GET /now?n=2 HTTP/1.1\r\nHost: a\r\n\r\n");
        assert_body(answer, "2"); /* the others still accept */
        answer_free(&answer);
    }
    trial_stop(&trial);
    assert_int_equal(http_server_connections(), 0);
}

static void addresses_that_are_none_are_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "127.0.0.1", "", ":", "::1:80", "127.0.0.1:x", "127.0.0.1:", "256.0.0.1.1:80", "127.0.0.1:65536"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        int fd = -1, port;
        struct err err = {0};
        assert_int_equal(http_listen(bad[i], &fd, &port, &err), -1);
        assert_true(err.code != ERR_NONE);
    }
    char taken[64];
    int fd = -1, other, port;
    struct err err = {0};
    assert_int_equal(http_listen("127.0.0.1:0", &fd, &port, &err), 0);
    snprintf(taken, sizeof taken, "127.0.0.1:%d", port);
    assert_int_equal(http_listen(taken, &other, &port, &err), -1);
    assert_int_equal(err.code, ERR_IO);
    close(fd);
}

int main(void)
{
    loop_init();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(draining_server_answers_what_is_under_way),
        cmocka_unit_test(draining_ends_at_its_limit),
        cmocka_unit_test(workers_share_one_listening_socket),
        cmocka_unit_test(addresses_that_are_none_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
