/* A WebSocket server with a small application behind it, on a live HTTP server, and a client that frames by
 * hand. Header only. */
#ifndef LUNETTE_SPEC_NET_WS_TRIAL_H
#define LUNETTE_SPEC_NET_WS_TRIAL_H

#include "trial.h"

#include "net/ws_server.h"

/* ---- the application behind it: messages are texts, a frame is an array of them ---- */

static struct {
    struct ws_server *server;
    atomic_int messages, users, opened, closed, lagged;
    char greeting[64]; /* sent to each client as it opens */
    bool mute_odd;     /* clients that filter get only even numbers */
} app;

TRIAL_UNUSED static void *on_opened(struct ws_client *client, void *user, void *context)
{
    assert_ptr_equal(context, &app);
    if (app.greeting[0])
        ws_client_send(client, str_from(app.greeting));
    atomic_fetch_add(&app.opened, 1);
    return user;
}

TRIAL_UNUSED static void on_message(struct ws_client *client, void *state, struct str text, void *context)
{
    (void)state, (void)context;
    if (str_is(text, "close me"))
        ws_client_close(client, 4001, "as you wish");
    else
        ws_client_send(client, text);
}

TRIAL_UNUSED static void on_closed(struct ws_client *client, void *state, void *context)
{
    (void)client, (void)context;
    if (state)
        atomic_fetch_sub(&app.users, 1);
    atomic_fetch_add(&app.closed, 1);
}

/* long: the hook's signature */
TRIAL_UNUSED static bool make_frame(struct ws_client *client, void *state, void *const *messages,
                                    size_t count, struct buf *out, void *context)
{
    (void)client, (void)state, (void)context;
    buf_putc(out, '[');
    for (size_t i = 0; i < count; i++) {
        const char *text = messages[i];
        if (app.mute_odd && (text[strcspn(text, " ") - 1] - '0') % 2)
            continue;
        buf_printf(out, "%s%s", out->len > 1 ? "," : "", text);
    }
    buf_putc(out, ']');
    return out->len > 2;
}

TRIAL_UNUSED static bool make_gap(struct ws_client *client, void *state, uint64_t lost, struct buf *out,
                                  void *context)
{
    (void)client, (void)state, (void)context;
    atomic_fetch_add(&app.lagged, 1);
    buf_printf(out, "gap %llu", (unsigned long long)lost);
    return true;
}

TRIAL_UNUSED static void drop_message(void *message, void *context)
{
    (void)context;
    free(message);
    atomic_fetch_sub(&app.messages, 1);
}

TRIAL_UNUSED static void drop_user(void *user)
{
    assert_non_null(user);
    atomic_fetch_sub(&app.users, 1);
}

TRIAL_UNUSED static void upgrade(struct http_request *request, void *context)
{
    (void)context;
    atomic_fetch_add(&app.users, 1);
    ws_server_upgrade(app.server, request, &app, drop_user);
}

TRIAL_UNUSED static void answer_now(struct http_request *request, void *context)
{
    (void)context;
    http_respond(request, 200, "text/plain", STR("now"));
}

static const struct http_route routes[] = {
    {.method = HTTP_GET, .pattern = "/ws", .handle = upgrade},
    {.method = HTTP_POST, .pattern = "/ws", .handle = upgrade},
    {.method = HTTP_GET, .pattern = "/now", .handle = answer_now},
};

static struct trial trial = {.routes = routes, .route_count = sizeof routes / sizeof *routes};

TRIAL_UNUSED static void start_with(const struct ws_options *options)
{
    static const struct ws_hooks hooks = {.context = &app,
                                          .opened = on_opened,
                                          .message = on_message,
                                          .closed = on_closed,
                                          .frame = make_frame,
                                          .lagged = make_gap,
                                          .drop = drop_message};
    memset(&app, 0, sizeof app);
    struct err err = {0};
    app.server = ws_server_start(options, &hooks, &err);
    if (!app.server)
        fail_msg("%s", err_text(&err));
    trial.limits = http_limits_default;
    trial_start(&trial);
}

TRIAL_UNUSED static int start(void **state)
{
    (void)state;
    start_with(&ws_options_default);
    return 0;
}

/* Whatever happened: every user, message and connection is given back. */
TRIAL_UNUSED static int stop(void **state)
{
    (void)state;
    trial_stop(&trial);
    ws_server_stop(app.server, 5 * NS_PER_S);
    assert_int_equal(atomic_load(&app.messages), 0);
    assert_int_equal(atomic_load(&app.users), 0);
    assert_int_equal(atomic_load(&app.opened), atomic_load(&app.closed));
    assert_int_equal(http_server_connections(), 0);
    return 0;
}

TRIAL_UNUSED static bool publish(const char *text)
{
    char *message = mem_dup(text, strlen(text));
    atomic_fetch_add(&app.messages, 1);
    if (ws_server_publish(app.server, message, strlen(text)))
        return true;
    drop_message(message, NULL);
    return false;
}

TRIAL_UNUSED static void wait_for(atomic_int *value, int wanted)
{
    for (int i = 0; i < 40000 && atomic_load(value) < wanted; i++)
        usleep(500);
    assert_true(atomic_load(value) >= wanted);
}

/* ---- the client ---- */

#define KEY    "dGhlIHNhbXBsZSBub25jZQ=="
#define ACCEPT "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
#define HELLO                                                                                                \
    "GET /ws?x=1 HTTP/1.1\r\nHost: a\r\nCookie: c=d\r\nUpgrade: h2c, WebSocket\r\nConnection: "              \
    "keep-alive\r\n"                                                                                         \
    "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " KEY "\r\n\r\n"

struct socket {
    int fd;
    struct buf in;
    size_t at;
};

struct frame {
    int opcode; /* -1: the connection ended */
    int code;   /* of a close frame */
    char text[70000];
    size_t len;
};

TRIAL_UNUSED static void socket_send_masked(int fd, int first, const char *text, size_t len)
{
    static const unsigned char mask[4] = {1, 2, 3, 4};
    struct buf out = BUF_EMPTY;
    buf_putc(&out, (char)first);
    if (len < 126) {
        buf_putc(&out, (char)(0x80 | len));
    } else if (len < 65536) {
        buf_putc(&out, (char)(0x80 | 126));
        buf_putc(&out, (char)(len >> 8));
        buf_putc(&out, (char)len);
    } else {
        buf_putc(&out, (char)(0x80 | 127));
        for (int shift = 56; shift >= 0; shift -= 8)
            buf_putc(&out, (char)((uint64_t)len >> shift));
    }
    buf_add(&out, mask, 4);
    for (size_t i = 0; i < len; i++)
        buf_putc(&out, (char)(text[i] ^ mask[i % 4]));
    client_send(fd, out.ptr, out.len);
    buf_free(&out);
}

TRIAL_UNUSED static void socket_send(struct socket *socket, const char *text)
{
    socket_send_masked(socket->fd, 0x81, text, strlen(text));
}

/* Takes over what came behind the 101. */
TRIAL_UNUSED static struct socket socket_from(int fd)
{
    struct trial_answer answer = client_answer(fd, true, 10000);
    assert_int_equal(answer.status, 101);
    assert_string_equal(answer_field(&answer, "Sec-WebSocket-Accept"), ACCEPT);
    struct socket socket = {.fd = fd};
    buf_add(&socket.in, answer.bytes.ptr + answer.length, answer.bytes.len - answer.length);
    answer_free(&answer);
    return socket;
}

TRIAL_UNUSED static struct socket socket_open(void)
{
    int fd = client_connect(trial.port);
    client_puts(fd, HELLO);
    return socket_from(fd);
}

TRIAL_UNUSED static void socket_close(struct socket *socket)
{
    close(socket->fd);
    buf_free(&socket->in);
}

TRIAL_UNUSED static bool socket_has(struct socket *socket, size_t count)
{
    while (socket->in.len - socket->at < count) {
        if (socket->at > 1 << 20) {
            memmove(socket->in.ptr, socket->in.ptr + socket->at, socket->in.len - socket->at);
            socket->in.len -= socket->at;
            socket->at = 0;
        }
        if (client_read(socket->fd, &socket->in, 20000) <= 0)
            return false;
    }
    return true;
}

TRIAL_UNUSED static size_t socket_number(struct socket *socket, size_t bytes)
{
    size_t number = 0;
    assert_true(socket_has(socket, bytes));
    while (bytes--)
        number = number << 8 | (unsigned char)socket->in.ptr[socket->at++];
    return number;
}

TRIAL_UNUSED static void socket_read(struct socket *socket, struct frame *frame)
{
    *frame = (struct frame){.opcode = -1};
    if (!socket_has(socket, 2))
        return;
    size_t first = socket_number(socket, 1), len = socket_number(socket, 1);
    assert_int_equal(first & 0xf0, 0x80); /* whole, no extension bits; the length's mask bit is not set */
    if (len >= 126)
        len = socket_number(socket, len == 126 ? 2 : 8);
    frame->opcode = (int)(first & 15);
    assert_true(len < sizeof frame->text && socket_has(socket, len));
    if (frame->opcode == 8 && len >= 2) {
        frame->code = (int)socket_number(socket, 2);
        len -= 2;
    }
    memcpy(frame->text, socket->in.ptr + socket->at, len);
    frame->len = len;
    socket->at += len;
}

TRIAL_UNUSED static void assert_text(struct socket *socket, const char *text)
{
    static struct frame frame;
    socket_read(socket, &frame);
    assert_int_equal(frame.opcode, 1);
    assert_string_equal(frame.text, text);
}

TRIAL_UNUSED static void assert_closed(struct socket *socket, int code, const char *reason)
{
    static struct frame frame;
    do
        socket_read(socket, &frame);
    while (frame.opcode == 1);
    assert_int_equal(frame.opcode, 8);
    assert_int_equal(frame.code, code);
    assert_string_equal(frame.text, reason);
}

#define story(name) cmocka_unit_test_setup_teardown(name, start, stop)

#endif
