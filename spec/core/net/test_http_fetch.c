/* Stories of the asynchronous HTTP client: against a peer that answers well, badly, slowly and not at all. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/clock.h"
#include "net/http_fetch.h"
#include "raw_peer.h"

#define MANY 200

struct got {
    unsigned calls;
    enum http_fetch_outcome outcome;
    int status, version;
    char body[256], error[128], header[64];
    size_t body_len;
};

struct world {
    struct peer peer;
    struct loop *loop;
    struct http_fetch *fetch;
    unsigned wanted, done;
    struct got last;
    /* for the peer */
    atomic_uint arrived;
    unsigned gather; /* answer only when so many have arrived */
    pthread_mutex_t mutex;
    pthread_cond_t all_here;
    char heads[4096];
};

static bool answer(const struct peer_request *request, void *arg)
{
    struct world *world = arg;
    struct str target = {
        request->head.ptr,
        (size_t)((char *)memchr(request->head.ptr, '\r', request->head.len) - request->head.ptr)};
    pthread_mutex_lock(&world->mutex);
    snprintf(world->heads, sizeof world->heads, "%.*s", STR_ARG(request->head));
    pthread_mutex_unlock(&world->mutex);
    if (memmem(target.ptr, target.len, "/gather", 7)) {
        pthread_mutex_lock(&world->mutex);
        if (atomic_fetch_add(&world->arrived, 1) + 1 >= world->gather)
            pthread_cond_broadcast(&world->all_here);
        while (atomic_load(&world->arrived) < world->gather)
            pthread_cond_wait(&world->all_here, &world->mutex);
        pthread_mutex_unlock(&world->mutex);
    }
    if (memmem(target.ptr, target.len, "/echo", 5))
        peer_reply(request->fd, "200 OK", "X-Answer:  yes \r\nx-answer: no\r\n", request->body);
    else if (memmem(target.ptr, target.len, "/redirect", 9))
        peer_reply(request->fd, "302 Found", "Location: /echo\r\nSet-Cookie: a=b\r\n", STR(""));
    else if (memmem(target.ptr, target.len, "/large", 6))
        peer_reply(request->fd, "200 OK", "", STR("0123456789"));
    else if (memmem(target.ptr, target.len, "/headers", 8)) {
        struct buf headers = BUF_EMPTY;
        for (int i = 0; i < 5000; i++)
            buf_printf(&headers, "X-%d: aaaaaaaaaaaaaaaa\r\n", i);
        peer_reply(request->fd, "200 OK", headers.ptr, STR(""));
        buf_free(&headers);
    } else if (memmem(target.ptr, target.len, "/cut", 4)) {
        peer_send(request->fd, STR("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf"));
        return false;
    } else if (memmem(target.ptr, target.len, "/garbage", 8)) {
        peer_send(request->fd, STR("\x01\x02 no HTTP\r\n\r\n"));
        return false;
    } else if (memmem(target.ptr, target.len, "/never", 6)) {
        return true;
    } else
        peer_reply(request->fd, "200 OK", "", STR("ok"));
    return true;
}

static void done(const struct http_fetch_answer *got, void *arg)
{
    struct world *world = arg;
    struct got *last = &world->last;
    struct str header = {0};
    last->calls++;
    last->outcome = got->outcome;
    last->status = got->status;
    last->version = got->version;
    last->body_len = got->body.len;
    snprintf(last->body, sizeof last->body, "%.*s", STR_ARG(got->body));
    snprintf(last->error, sizeof last->error, "%s", got->error);
    http_fetch_header(got, "x-answer", &header);
    snprintf(last->header, sizeof last->header, "%.*s", STR_ARG(header));
    if (++world->done == world->wanted)
        loop_stop(world->loop);
}

static void give_up(void *arg)
{
    (void)arg;
    fail_msg("not all answers came");
}

/* A new loop for each run: loop_stop is for good. */
static void begin(struct world *world, const struct http_fetch_options *options)
{
    world->loop = loop_new();
    world->fetch = http_fetch_new(world->loop, options);
    world->done = 0;
    world->wanted = 1;
    world->last = (struct got){0};
}

static void run(struct world *world)
{
    struct timer *patience = timer_new(world->loop, give_up, NULL);
    timer_start(patience, 60 * NS_PER_S, false);
    loop_run(world->loop);
    timer_free(patience);
}

static void end(struct world *world)
{
    http_fetch_free(world->fetch);
    loop_free(world->loop);
}

static struct http_fetch_call *start(struct world *world, struct http_fetch_request request, const char *path)
{
    char url[128];
    struct err err = {0};
    snprintf(url, sizeof url, "http://127.0.0.1:%d%s", world->peer.port, path);
    request.url = url;
    request.method = request.method ? request.method : "GET";
    request.timeout_ns = request.timeout_ns ? request.timeout_ns : 30 * NS_PER_S;
    struct http_fetch_call *call = http_fetch_start(world->fetch, &request, done, world, &err);
    if (!call)
        fail_msg("%s", err_text(&err));
    return call;
}

static const struct got *one(struct world *world, struct http_fetch_request request, const char *path)
{
    begin(world, NULL);
    start(world, request, path);
    assert_int_equal(world->last.calls, 0); /* never from inside start */
    run(world);
    assert_int_equal(http_fetch_in_flight(world->fetch), 0);
    end(world);
    assert_int_equal(world->last.calls, 1);
    return &world->last;
}

static void a_body_goes_and_comes_back(void **state)
{
    static const struct http_fetch_header headers[] = {{"Content-Type", "application/json"}, {"X-Empty", ""}};
    struct world *world = *state;
    const struct got *got = one(
        world,
        (struct http_fetch_request){
            .method = "POST", .body = STR("{\"a\":1}"), .headers = headers, .header_count = 2},
        "/echo?x=1");
    assert_int_equal(got->outcome, HTTP_FETCH_ANSWERED);
    assert_int_equal(got->status, 200);
    assert_int_equal(got->version, 1);
    assert_string_equal(got->body, "{\"a\":1}");
    assert_string_equal(got->header, "yes"); /* the first, trimmed */
    assert_string_equal(got->error, "");
    assert_non_null(strstr(world->heads, "POST /echo?x=1 HTTP/1.1\r\n"));
    assert_non_null(strstr(world->heads, "X-Empty:\r\n"));
    assert_null(strstr(world->heads, "Expect:"));
}

static void a_redirect_is_an_answer_and_no_cookie_is_kept(void **state)
{
    struct world *world = *state;
    begin(world, NULL);
    start(world, (struct http_fetch_request){0}, "/redirect");
    run(world);
    assert_int_equal(world->last.status, 302);
    end(world);
    one(world, (struct http_fetch_request){0}, "/echo");
    assert_null(strcasestr(world->heads, "cookie"));
}

static void the_limit_of_a_body_holds_on_both_sides(void **state)
{
    struct world *world = *state;
    assert_int_equal(one(world, (struct http_fetch_request){.max_response = 10}, "/large")->body_len, 10);
    assert_int_equal(one(world, (struct http_fetch_request){.max_response = 9}, "/large")->outcome,
                     HTTP_FETCH_TOO_LARGE);
    assert_int_equal(one(world, (struct http_fetch_request){0}, "/headers")->outcome, HTTP_FETCH_TOO_LARGE);
}

static void an_answer_that_breaks_off_is_none(void **state)
{
    assert_int_equal(one(*state, (struct http_fetch_request){0}, "/cut")->outcome, HTTP_FETCH_BROKEN);
    assert_int_equal(one(*state, (struct http_fetch_request){0}, "/garbage")->outcome, HTTP_FETCH_BROKEN);
}

static void silence_ends_in_time(void **state)
{
    const struct got *got = one(*state, (struct http_fetch_request){.timeout_ns = 100 * NS_PER_MS}, "/never");
    assert_int_equal(got->outcome, HTTP_FETCH_TIMED_OUT);
    assert_int_equal(got->status, 0);
}

static void nobody_listening_is_unreachable(void **state)
{
    struct world *world = *state;
    int port = world->peer.port, fd = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof address;
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0); /* bound, not listening */
    getsockname(fd, (struct sockaddr *)&address, &len);
    world->peer.port = ntohs(address.sin_port);
    assert_int_equal(one(world, (struct http_fetch_request){0}, "/")->outcome, HTTP_FETCH_UNREACHABLE);
    world->peer.port = port;
    close(fd);
}

static void requests_that_cannot_be_sent_are_refused_at_once(void **state)
{
    static const struct {
        const char *method, *url, *name, *value;
        int64_t timeout_ns;
    } cases[] = {
        {"GET", "file:///etc/passwd", "A", "b", 1},
        {"GET", "ftp://127.0.0.1/", "A", "b", 1},
        {"GET", "http://ana:pw@127.0.0.1/", "A", "b", 1},
        {"GET", "", "A", "b", 1},
        {"GET", "http://", "A", "b", 1},
        {"GE T", "http://127.0.0.1/", "A", "b", 1},
        {"", "http://127.0.0.1/", "A", "b", 1},
        {"GET", "http://127.0.0.1/", "A", "b\r\nC: d", 1},
        {"GET", "http://127.0.0.1/", "A:", "b", 1},
        {"GET", "http://127.0.0.1/", "", "b", 1},
        {"GET", "http://127.0.0.1/", "A", "b", 0},
    };
    struct world *world = *state;
    begin(world, NULL);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct http_fetch_header header = {cases[i].name, cases[i].value};
        struct http_fetch_request request = {.method = cases[i].method,
                                             .url = cases[i].url,
                                             .headers = &header,
                                             .header_count = 1,
                                             .timeout_ns = cases[i].timeout_ns};
        struct err err = {0};
        assert_null(http_fetch_start(world->fetch, &request, done, world, &err));
        assert_int_equal(err.code, ERR_INVALID);
        assert_null(strstr(err.message, "pw"));
    }
    end(world);
}

static void two_hundred_are_in_flight_at_once(void **state)
{
    struct world *world = *state;
    begin(world, NULL);
    world->wanted = world->gather = MANY;
    atomic_store(&world->arrived, 0);
    for (int i = 0; i < MANY; i++)
        start(world, (struct http_fetch_request){0}, "/gather"); /* none is answered before all are there */
    run(world);
    end(world);
    assert_int_equal(world->last.calls, MANY);
    assert_int_equal(world->last.outcome, HTTP_FETCH_ANSWERED);
}

static void beyond_the_connections_requests_wait_and_beyond_the_calls_they_are_refused(void **state)
{
    struct world *world = *state;
    struct err err = {0};
    unsigned before = atomic_load(&world->peer.connections);
    begin(world, &(struct http_fetch_options){.max_connections = 2, .max_calls = 50});
    world->wanted = 50;
    for (int i = 0; i < 50; i++)
        start(world, (struct http_fetch_request){0}, "/");
    struct http_fetch_request request = {.method = "GET", .url = "http://127.0.0.1/", .timeout_ns = 1};
    assert_null(http_fetch_start(world->fetch, &request, done, world, &err));
    assert_int_equal(err.code, ERR_BUSY);
    run(world);
    end(world);
    assert_int_equal(world->last.calls, 50);
    assert_true(atomic_load(&world->peer.connections) - before <= 2);
}

static void waiting_for_a_connection_counts_as_time(void **state)
{
    struct world *world = *state;
    begin(world, &(struct http_fetch_options){.max_connections = 1});
    struct http_fetch_call *first = start(world, (struct http_fetch_request){0}, "/never");
    start(world, (struct http_fetch_request){.timeout_ns = 50 * NS_PER_MS}, "/");
    run(world);
    assert_int_equal(world->last.outcome, HTTP_FETCH_TIMED_OUT);
    http_fetch_cancel(world->fetch, first);
    end(world);
    assert_int_equal(world->last.calls, 1);
}

static void what_is_cancelled_never_answers(void **state)
{
    struct world *world = *state;
    begin(world, NULL);
    struct http_fetch_call *calls[10];
    for (int i = 0; i < 10; i++)
        calls[i] = start(world, (struct http_fetch_request){0}, i == 9 ? "/" : "/never");
    for (int i = 0; i < 5; i++)
        http_fetch_cancel(world->fetch, calls[i]);
    run(world);
    assert_int_equal(http_fetch_in_flight(world->fetch), 4);
    end(world); /* cancels the rest */
    assert_int_equal(world->last.calls, 1);
}

struct chain {
    struct world *world;
    struct http_fetch_call *victim;
    unsigned left;
};

static void go_on(const struct http_fetch_answer *got, void *arg)
{
    struct chain *chain = arg;
    assert_int_equal(got->outcome, HTTP_FETCH_ANSWERED);
    if (chain->victim)
        http_fetch_cancel(chain->world->fetch, chain->victim);
    chain->victim = NULL;
    if (chain->left-- == 0) {
        loop_stop(chain->world->loop);
        return;
    }
    char url[64];
    snprintf(url, sizeof url, "http://127.0.0.1:%d/", chain->world->peer.port);
    struct http_fetch_request request = {.method = "GET", .url = url, .timeout_ns = 30 * NS_PER_S};
    assert_non_null(http_fetch_start(chain->world->fetch, &request, go_on, chain, NULL));
}

static void an_answer_may_start_and_cancel_others_and_connections_are_kept(void **state)
{
    struct world *world = *state;
    begin(world, NULL);
    unsigned before = atomic_load(&world->peer.connections);
    struct chain chain = {
        .world = world, .victim = start(world, (struct http_fetch_request){0}, "/never"), .left = 20};
    char url[64];
    snprintf(url, sizeof url, "http://127.0.0.1:%d/", world->peer.port);
    struct http_fetch_request request = {.method = "GET", .url = url, .timeout_ns = 30 * NS_PER_S};
    assert_non_null(http_fetch_start(world->fetch, &request, go_on, &chain, NULL));
    run(world);
    end(world);
    assert_int_equal(world->last.calls, 0);
    assert_true(atomic_load(&world->peer.connections) - before <= 3);
}

static int setup(void **state)
{
    static struct world world;
    world.peer.answer = answer;
    world.peer.arg = &world;
    pthread_mutex_init(&world.mutex, NULL);
    pthread_cond_init(&world.all_here, NULL);
    peer_start(&world.peer);
    *state = &world;
    return 0;
}

static int teardown(void **state)
{
    struct world *world = *state;
    peer_stop(&world->peer);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_body_goes_and_comes_back),
        cmocka_unit_test(a_redirect_is_an_answer_and_no_cookie_is_kept),
        cmocka_unit_test(the_limit_of_a_body_holds_on_both_sides),
        cmocka_unit_test(an_answer_that_breaks_off_is_none),
        cmocka_unit_test(silence_ends_in_time),
        cmocka_unit_test(nobody_listening_is_unreachable),
        cmocka_unit_test(requests_that_cannot_be_sent_are_refused_at_once),
        cmocka_unit_test(two_hundred_are_in_flight_at_once),
        cmocka_unit_test(beyond_the_connections_requests_wait_and_beyond_the_calls_they_are_refused),
        cmocka_unit_test(waiting_for_a_connection_counts_as_time),
        cmocka_unit_test(what_is_cancelled_never_answers),
        cmocka_unit_test(an_answer_may_start_and_cancel_others_and_connections_are_kept),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
