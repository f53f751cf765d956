/* The life of connections: deadlines, order, answers that come later, clients that leave, limits, draining.
 */
#include "kept_trial.h"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/resource.h>

/* ---- handlers ---- */

static void keep_and_pause(struct http_request *request, void *context)
{
    http_pause(request, true);
    keep(request, context);
}

static void answer_much(struct http_request *request, void *context)
{
    (void)context;
    size_t len = 16 << 20;
    char *bytes = malloc(len);
    for (size_t i = 0; i < len; i++)
        bytes[i] = (char)(i * 31 >> 8);
    http_respond(request, 200, "application/octet-stream", (struct str){bytes, len});
    free(bytes);
}

static void count_body(struct http_request *request, void *context)
{
    (void)context;
    char length[32];
    snprintf(length, sizeof length, "%zu", http_body(request).len);
    http_respond(request, 200, "text/plain", str_from(length));
}

static void on_taken(int fd, struct buf *extra, void *arg)
{
    (void)arg;
    struct buf out = BUF_EMPTY;
    buf_printf(&out, "HTTP/1.1 101 Taken\r\n\r\n%.*s", (int)extra->len, extra->ptr ? extra->ptr : "");
    client_send(fd, out.ptr, out.len);
    buf_free(&out);
    close(fd);
}

static void give_away(struct http_request *request, void *context)
{
    (void)context;
    http_take_connection(request, on_taken, NULL);
}

static const struct http_route routes[] = {
    {.method = HTTP_GET, .pattern = "/later", .handle = keep},
    {.method = HTTP_POST, .pattern = "/later", .handle = keep},
    {.method = HTTP_POST, .pattern = "/later/paused", .handle = keep_and_pause},
    {.method = HTTP_GET, .pattern = "/now", .handle = answer_now},
    {.method = HTTP_GET, .pattern = "/much", .handle = answer_much},
    {.method = HTTP_POST, .pattern = "/count", .handle = count_body},
    {.method = HTTP_GET, .pattern = "/take", .handle = give_away},
};

static struct trial trial = {.routes = routes, .route_count = sizeof routes / sizeof *routes};

static void start_with(const struct http_limits *limits)
{
    memset(&later, 0, sizeof later);
    trial.limits = *limits;
    trial_start(&trial);
}

static int start(void **state)
{
    (void)state;
    start_with(&http_limits_default);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    trial_stop(&trial);
    assert_int_equal(http_server_connections(), 0);
    return 0;
}

static void go_on_reading(void *arg)
{
    (void)arg;
    http_pause(later.kept[0], false);
}

/* ---- stories ---- */

static void pipelined_requests_are_answered_in_order(void **state)
{
    (void)state;
    enum { COUNT = 3000 };
    struct buf requests = BUF_EMPTY;
    for (int i = 0; i < COUNT; i++)
        buf_printf(&requests, "%sGET /now?n=%d HTTP/1.1\r\nHost: a\r\n\r\n", i % 7 ? "" : "\r\n", i);
    int fd = client_connect(trial.port);
    client_send(fd, requests.ptr, requests.len);
    struct trial_answer answer = client_answer(fd, false, 10000);
    for (int i = 0; i < COUNT; i++) {
        char number[16];
        snprintf(number, sizeof number, "%d", i);
        assert_body(answer, number);
        if (i + 1 < COUNT)
            answer_next(&answer, fd);
    }
    answer_free(&answer);
    buf_free(&requests);
    close(fd);
}

static void later_answer_keeps_its_place(void **state)
{
    (void)state;
    int fd = client_connect(trial.port);
    client_puts(fd, "GET /later?n=1 HTTP/1.1\r\nHost: a\r\n\r\nGET /now?n=2 HTTP/1.1\r\nHost: a\r\n\r\n");
    wait_for(&later.arrived, 1);
    struct buf nothing = BUF_EMPTY;
    assert_int_equal(client_read(fd, &nothing, 50), -1);
    trial_on_server(&trial, answer_kept, NULL);
    struct trial_answer answer = client_answer(fd, false, 10000);
    assert_body(answer, "1");
    answer_next(&answer, fd);
    assert_body(answer, "2");
    assert_int_equal(atomic_load(&later.gone), 0);
    answer_free(&answer);
    buf_free(&nothing);
    close(fd);
}

static void owner_of_a_kept_request_is_told_when_the_client_leaves(void **state)
{
    (void)state;
    int polite = client_connect(trial.port), rude = client_connect(trial.port),
        stays = client_connect(trial.port);
    client_puts(polite, "GET /later?n=1 HTTP/1.1\r\nHost: a\r\n\r\n");
    client_puts(rude, "POST /later?n=2 HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi");
    client_puts(stays, "GET /later?n=3 HTTP/1.1\r\nHost: a\r\n\r\n");
    wait_for(&later.arrived, 3);
    close(polite);
    setsockopt(rude, SOL_SOCKET, SO_LINGER, &(struct linger){1, 0}, sizeof(struct linger));
    close(rude);
    wait_for(&later.gone, 2);
    trial_on_server(&trial, answer_kept, NULL);
    struct trial_answer answer = client_answer(stays, false, 10000);
    assert_body(answer, "3");
    answer_free(&answer);
    close(stays);
}

static void kept_requests_are_given_up_with_the_server(void **state)
{
    (void)state;
    start_with(&http_limits_default);
    int fd = client_connect(trial.port);
    client_puts(fd, "GET /later HTTP/1.1\r\nHost: a\r\n\r\n");
    wait_for(&later.arrived, 1);
    trial_stop(&trial);
    assert_int_equal(atomic_load(&later.gone), 1);
    assert_int_equal(http_server_connections(), 0);
    close(fd);
}

static int unsent(int fd)
{
    int bytes = 0;
    ioctl(fd, TIOCOUTQ, &bytes);
    return bytes;
}

/* A paused connection is left to the kernel's buffers: the client's own fill up. */
static void paused_connection_is_not_read(void **state)
{
    (void)state;
    int fd = client_connect(trial.port), small = 8192;
    setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &small, sizeof small);
    client_puts(fd, "POST /later/paused?n=1 HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n");
    wait_for(&later.arrived, 1);
    static char bytes[65536];
    int64_t end = clock_monotonic() + 20 * NS_PER_S;
    int waiting = 0;
    while (waiting == 0 || unsent(fd) < waiting) {
        ssize_t sent = send(fd, bytes, sizeof bytes, MSG_DONTWAIT | MSG_NOSIGNAL);
        waiting = sent < 0 ? unsent(fd) : 0;
        assert_true(clock_monotonic() < end);
        if (sent < 0) {
            usleep(20000); /* nothing may move meanwhile */
            if (unsent(fd) == waiting && waiting > 0)
                break;
            waiting = 0;
        }
    }
    trial_on_server(&trial, go_on_reading, NULL);
    end = clock_monotonic() + 20 * NS_PER_S;
    while (unsent(fd) == waiting && clock_monotonic() < end)
        usleep(1000);
    assert_true(unsent(fd) < waiting);
    trial_on_server(&trial, answer_kept, NULL);
    close(fd);
}

static void slow_reader_gets_everything(void **state)
{
    (void)state;
    int fd = client_connect(trial.port), small = 65536;
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
    client_puts(fd, "GET /much HTTP/1.1\r\nHost: a\r\n\r\nGET /now?n=7 HTTP/1.1\r\nHost: a\r\n\r\n");
    usleep(20000);
    struct trial_answer answer = client_answer(fd, false, 10000);
    assert_int_equal(answer.body.len, 16 << 20);
    for (size_t i = 0; i < answer.body.len; i += 997)
        assert_int_equal(answer.body.ptr[i], (char)(i * 31 >> 8));
    answer_next(&answer, fd);
    assert_body(answer, "7");
    answer_free(&answer);
    close(fd);
}

static void http_1_0_closes_unless_asked_not_to(void **state)
{
    (void)state;
    int fd = client_connect(trial.port);
    client_puts(fd, "GET /now?n=1 HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    struct trial_answer answer = client_answer(fd, false, 10000);
    assert_string_equal(answer_field(&answer, "Connection"), "keep-alive");
    client_puts(fd, "GET /now?n=2 HTTP/1.0\r\n\r\n");
    answer_next(&answer, fd);
    assert_body(answer, "2");
    assert_string_equal(answer_field(&answer, "Connection"), "close");
    assert_true(client_sees_close(fd, 10000));
    answer_free(&answer);
    close(fd);
}

/* Half-closing clients (a pipe into nc) are answered where the answer is there at once. */
static void client_may_close_its_side_after_asking(void **state)
{
    (void)state;
    int fd = client_connect(trial.port);
    client_puts(fd,
                "GET /now?n=1 HTTP/1.1\r\nHost: a\r\n\r\nGET /now?n=2 HTTP/1.1\r\nHost: a\r\n\r\nGET /no");
    shutdown(fd, SHUT_WR);
    struct trial_answer answer = client_answer(fd, false, 10000);
    assert_body(answer, "1");
    answer_next(&answer, fd);
    assert_body(answer, "2");
    assert_true(client_sees_close(fd, 10000));
    answer_free(&answer);
    close(fd);
}

static void connection_can_be_given_away_with_what_came_behind(void **state)
{
    (void)state;
    int fd = client_connect(trial.port);
    client_puts(fd, "GET /now?n=1 HTTP/1.1\r\nHost: a\r\n\r\nGET /take HTTP/1.1\r\nHost: a\r\n\r\nextra");
    struct trial_answer answer = client_answer(fd, false, 10000);
    assert_body(answer, "1");
    answer_next(&answer, fd);
    assert_int_equal(answer.status, 101);
    while (client_read(fd, &answer.bytes, 10000) > 0)
        ;
    assert_true(str_ends(buf_str(&answer.bytes), STR("\r\n\r\nextra")));
    wait_for_connections(0);
    answer_free(&answer);
    close(fd);
}

/* The client is still sending when the refusal comes: it must be able to read it all the same. */
static void refused_client_can_read_why(void **state)
{
    (void)state;
    struct buf large = BUF_EMPTY;
    buf_puts(&large, "POST /count HTTP/1.1\r\nHost: a\r\nContent-Length: 12000000\r\n\r\n");
    memset(buf_reserve(&large, 12000000), 'x', 12000000);
    buf_grew(&large, 12000000);
    int fd = client_connect(trial.port);
    client_send(fd, large.ptr, large.len);
    struct trial_answer answer = client_answer(fd, false, 10000);
    assert_int_equal(answer.status, 413);
    assert_string_equal(answer_field(&answer, "Connection"), "close");
    answer_free(&answer);
    buf_free(&large);
    close(fd);
}

static void nothing_is_read_behind_a_refused_request(void **state)
{
    (void)state;
    struct trial_answer answer = client_ask(
        trial.port, "POST /count HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n"
                    "Content-Length: 5\r\n\r\n0\r\n\r\nGET /later HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_int_equal(answer.status, 400);
    assert_int_equal(answer.length, answer.bytes.len);
    assert_int_equal(atomic_load(&later.arrived), 0);
    answer_free(&answer);
}

static struct http_limits short_limits(void)
{
    struct http_limits limits = http_limits_default;
    limits.header_ns = 150 * NS_PER_MS;
    limits.body_ns = 150 * NS_PER_MS;
    limits.idle_ns = 400 * NS_PER_MS;
    return limits;
}

/* Sends `text` byte by byte, 10 ms apart, until the server speaks. */
static struct trial_answer drip(int fd, const char *text)
{
    struct pollfd ready = {.fd = fd, .events = POLLIN};
    for (const char *at = text; *at && poll(&ready, 1, 10) == 0; at++)
        client_send(fd, at, 1);
    return client_answer(fd, false, 10000);
}

static void slow_requests_run_into_their_deadline(void **state)
{
    (void)state;
    struct http_limits limits = short_limits();
    start_with(&limits);
    static const char *const heads[] = {
        "GET /now HTTP/1.1\r\nHost: a\r\nX: "
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
        "POST /count HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n",
        "POST /count HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel",
    };
    for (size_t i = 0; i < 3; i++) {
        int fd = client_connect(trial.port);
        if (i > 0)
            client_puts(fd, heads[i]);
        struct trial_answer answer = drip(
            fd, i == 0 ? heads[0] : "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx");
        assert_int_equal(answer.status, i == 2 ? 400 : 408);
        assert_true(client_sees_close(fd, 10000));
        answer_free(&answer);
        close(fd);
    }
    trial_stop(&trial);
}

static void idle_connection_is_closed_without_a_word(void **state)
{
    (void)state;
    struct http_limits limits = short_limits();
    start_with(&limits);
    int fresh = client_connect(trial.port), used = client_connect(trial.port);
    client_puts(used, "GET /now?n=1 HTTP/1.1\r\nHost: a\r\n\r\n");
    struct trial_answer answer = client_answer(used, false, 10000);
    assert_body(answer, "1");
    assert_true(client_sees_close(fresh, 10000));
    assert_true(client_sees_close(used, 10000));
    answer_free(&answer);
    close(fresh);
    close(used);
    trial_stop(&trial);
}

static void a_client_that_does_not_read_is_given_up(void **state)
{
    (void)state;
    struct http_limits limits = short_limits();
    start_with(&limits);
    int fd = client_connect(trial.port);
    client_puts(fd, "GET /much HTTP/1.1\r\nHost: a\r\n\r\n");
    wait_for_connections(1);
    wait_for_connections(0);
    close(fd);
    trial_stop(&trial);
}

static void time_in_a_handler_is_not_the_clients(void **state)
{
    (void)state;
    struct http_limits limits = short_limits();
    start_with(&limits);
    int fd = client_connect(trial.port);
    client_puts(fd, "GET /later?n=1 HTTP/1.1\r\nHost: a\r\n\r\n");
    wait_for(&later.arrived, 1);
    usleep(700000); /* longer than any of the limits */
    trial_on_server(&trial, answer_kept, NULL);
    struct trial_answer answer = client_answer(fd, false, 10000);
    assert_body(answer, "1");
    answer_free(&answer);
    close(fd);
    trial_stop(&trial);
}

static void too_many_connections_are_told_so(void **state)
{
    (void)state;
    struct http_limits limits = http_limits_default;
    limits.connections = 3;
    start_with(&limits);
    int fds[3];
    for (int i = 0; i < 3; i++) {
        fds[i] = client_connect(trial.port);
        client_puts(fds[i], "GET /now?n=1 HTTP/1.1\r\nHost: a\r\n\r\n");
        struct trial_answer answer = client_answer(fds[i], false, 10000);
        assert_int_equal(answer.status, 200);
        answer_free(&answer);
    }
    int fd = client_connect(trial.port);
    struct trial_answer answer = client_answer(fd, false, 10000);
    assert_int_equal(answer.status, 503);
    assert_string_equal(answer_field(&answer, "Retry-After"), "1");
    assert_true(client_sees_close(fd, 10000));
    answer_free(&answer);
    close(fd);
    close(fds[0]);
    wait_for_connections(2);
    answer = client_ask(trial.port, "GET /now?n=2 HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_body(answer, "2");
    answer_free(&answer);
    close(fds[1]);
    close(fds[2]);
    trial_stop(&trial);
}

static void accepts_again_once_there_are_descriptors(void **state)
{
    (void)state;
    struct trial_answer answer = client_ask(trial.port, "GET /now?n=0 HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_body(answer, "0"); /* it has started */
    answer_free(&answer);
    wait_for_connections(0);
    struct rlimit before, few;
    int waiting = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), taken[256], count = 0;
    getrlimit(RLIMIT_NOFILE, &before);
    few = (struct rlimit){.rlim_cur = 200, .rlim_max = before.rlim_max};
    setrlimit(RLIMIT_NOFILE, &few);
    while (count < 256 && (taken[count] = fcntl(waiting, F_DUPFD_CLOEXEC, 3)) >= 0)
        count++;
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)trial.port),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    assert_int_equal(connect(waiting, (struct sockaddr *)&address, sizeof address), 0);
    client_puts(waiting, "GET /now?n=1 HTTP/1.1\r\nHost: a\r\n\r\n");
    struct buf nothing = BUF_EMPTY;
    assert_int_equal(client_read(waiting, &nothing, 250), -1);
    while (count > 0)
        close(taken[--count]);
    answer = client_answer(waiting, false, 10000);
    assert_body(answer, "1");
    setrlimit(RLIMIT_NOFILE, &before);
    answer_free(&answer);
    buf_free(&nothing);
    close(waiting);
}

#define story(name) cmocka_unit_test_setup_teardown(name, start, stop)

int main(void)
{
    loop_init();
    const struct CMUnitTest tests[] = {
        story(pipelined_requests_are_answered_in_order),
        story(later_answer_keeps_its_place),
        story(owner_of_a_kept_request_is_told_when_the_client_leaves),
        cmocka_unit_test(kept_requests_are_given_up_with_the_server),
        story(paused_connection_is_not_read),
        story(slow_reader_gets_everything),
        story(http_1_0_closes_unless_asked_not_to),
        story(client_may_close_its_side_after_asking),
        story(connection_can_be_given_away_with_what_came_behind),
        story(refused_client_can_read_why),
        story(nothing_is_read_behind_a_refused_request),
        cmocka_unit_test(slow_requests_run_into_their_deadline),
        cmocka_unit_test(idle_connection_is_closed_without_a_word),
        cmocka_unit_test(a_client_that_does_not_read_is_given_up),
        cmocka_unit_test(time_in_a_handler_is_not_the_clients),
        cmocka_unit_test(too_many_connections_are_told_so),
        story(accepts_again_once_there_are_descriptors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
