/* The WebSocket server: handshakes, order, filters, slow clients and the end, against a client that is
 * written here. */
#include "trial.h"

#include "net/ws_server.h"

/* ---- the application behind it: messages are texts, a frame is an array of them ---- */

static struct {
    struct ws_server *server;
    atomic_int messages, users, opened, closed, lagged;
    char greeting[64]; /* sent to each client as it opens */
    bool mute_odd;     /* clients that filter get only even numbers */
} app;

static void *on_opened(struct ws_client *client, void *user, void *context)
{
    assert_ptr_equal(context, &app);
    if (app.greeting[0])
        ws_client_send(client, str_from(app.greeting));
    atomic_fetch_add(&app.opened, 1);
    return user;
}

static void on_message(struct ws_client *client, void *state, struct str text, void *context)
{
    (void)state, (void)context;
    if (str_is(text, "close me"))
        ws_client_close(client, 4001, "as you wish");
    else
        ws_client_send(client, text);
}

static void on_closed(struct ws_client *client, void *state, void *context)
{
    (void)client, (void)context;
    if (state)
        atomic_fetch_sub(&app.users, 1);
    atomic_fetch_add(&app.closed, 1);
}

static bool make_frame(struct ws_client *client, void *state, void *const *messages, size_t count,
                       struct buf *out, void *context)
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

static bool make_gap(struct ws_client *client, void *state, uint64_t lost, struct buf *out, void *context)
{
    (void)client, (void)state, (void)context;
    atomic_fetch_add(&app.lagged, 1);
    buf_printf(out, "gap %llu", (unsigned long long)lost);
    return true;
}

static void drop_message(void *message, void *context)
{
    (void)context;
    free(message);
    atomic_fetch_sub(&app.messages, 1);
}

static void drop_user(void *user)
{
    assert_non_null(user);
    atomic_fetch_sub(&app.users, 1);
}

static void upgrade(struct http_request *request, void *context)
{
    (void)context;
    atomic_fetch_add(&app.users, 1);
    ws_server_upgrade(app.server, request, &app, drop_user);
}

static void answer_now(struct http_request *request, void *context)
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

static void start_with(const struct ws_options *options)
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

static int start(void **state)
{
    (void)state;
    start_with(&ws_options_default);
    return 0;
}

/* Whatever happened: every user, message and connection is given back. */
static int stop(void **state)
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

static bool publish(const char *text)
{
    char *message = mem_dup(text, strlen(text));
    atomic_fetch_add(&app.messages, 1);
    if (ws_server_publish(app.server, message, strlen(text)))
        return true;
    drop_message(message, NULL);
    return false;
}

static void wait_for(atomic_int *value, int wanted)
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

static void socket_send_masked(int fd, int first, const char *text, size_t len)
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

static void socket_send(struct socket *socket, const char *text)
{
    socket_send_masked(socket->fd, 0x81, text, strlen(text));
}

/* Takes over what came behind the 101. */
static struct socket socket_from(int fd)
{
    struct answer answer = client_answer(fd, true, 10000);
    assert_int_equal(answer.status, 101);
    assert_string_equal(answer_field(&answer, "Sec-WebSocket-Accept"), ACCEPT);
    struct socket socket = {.fd = fd};
    buf_add(&socket.in, answer.bytes.ptr + answer.length, answer.bytes.len - answer.length);
    answer_free(&answer);
    return socket;
}

static struct socket socket_open(void)
{
    int fd = client_connect(trial.port);
    client_puts(fd, HELLO);
    return socket_from(fd);
}

static void socket_close(struct socket *socket)
{
    close(socket->fd);
    buf_free(&socket->in);
}

static bool socket_has(struct socket *socket, size_t count)
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

static size_t socket_number(struct socket *socket, size_t bytes)
{
    size_t number = 0;
    assert_true(socket_has(socket, bytes));
    while (bytes--)
        number = number << 8 | (unsigned char)socket->in.ptr[socket->at++];
    return number;
}

static void socket_read(struct socket *socket, struct frame *frame)
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

static void assert_text(struct socket *socket, const char *text)
{
    static struct frame frame;
    socket_read(socket, &frame);
    assert_int_equal(frame.opcode, 1);
    assert_string_equal(frame.text, text);
}

static void assert_closed(struct socket *socket, int code, const char *reason)
{
    static struct frame frame;
    do
        socket_read(socket, &frame);
    while (frame.opcode == 1);
    assert_int_equal(frame.opcode, 8);
    assert_int_equal(frame.code, code);
    assert_string_equal(frame.text, reason);
}

/* ---- stories ---- */

static void client_talks_and_is_answered(void **state)
{
    (void)state;
    struct socket socket = socket_open();
    socket_send(&socket, "hello");
    assert_text(&socket, "hello");
    socket_send_masked(socket.fd, 0x01, "in ", 3); /* three fragments, a ping between */
    socket_send_masked(socket.fd, 0x00, "three ", 6);
    socket_send_masked(socket.fd, 0x89, "ping", 4);
    socket_send_masked(socket.fd, 0x80, "pieces", 6);
    static struct frame frame;
    bool pong = false, text = false;
    while (!pong || !text) {
        socket_read(&socket, &frame);
        pong |= frame.opcode == 10 && strcmp(frame.text, "ping") == 0;
        text |= frame.opcode == 1 && strcmp(frame.text, "in three pieces") == 0;
        assert_true(frame.opcode == 10 || frame.opcode == 1);
    }
    socket_send_masked(socket.fd, 0x88, "\x03\xe8", 2);
    assert_closed(&socket, 1000, "");
    wait_for(&app.closed, 1);
    socket_close(&socket);
}

static void messages_of_all_sizes_come_back(void **state)
{
    (void)state;
    static const size_t sizes[] = {0, 1, 125, 126, 127, 4096, 65535, 65536};
    static struct frame frame;
    static char text[65537];
    struct socket socket = socket_open();
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        memset(text, 'a' + (int)i, sizes[i]);
        socket_send_masked(socket.fd, 0x81, text, sizes[i]);
        socket_read(&socket, &frame);
        assert_int_equal(frame.opcode, 1);
        assert_int_equal(frame.len, sizes[i]);
        assert_memory_equal(frame.text, text, sizes[i]);
    }
    socket_close(&socket);
}

/* A client may send before it has seen the 101, behind requests that came before, in any pieces. */
static void frame_glued_behind_the_upgrade_is_kept(void **state)
{
    (void)state;
    int fd = client_connect(trial.port);
    struct buf out = BUF_EMPTY;
    buf_puts(&out, "GET /now HTTP/1.1\r\nHost: a\r\n\r\n" HELLO "\x81\x83\1\2\3\4`bc\x81\x83\1\2\3\4");
    client_send(fd, out.ptr, out.len);
    struct answer answer = client_answer(fd, false, 10000);
    assert_body(answer, "now");
    answer_next(&answer, fd);
    assert_int_equal(answer.status, 101);
    struct socket socket = {.fd = fd};
    buf_add(&socket.in, answer.bytes.ptr + answer.length, answer.bytes.len - answer.length);
    answer_free(&answer);
    assert_text(&socket, "a``");
    client_puts(fd, "`bc");
    assert_text(&socket, "a``");
    socket_close(&socket);
    fd = client_connect(trial.port);
    for (const char *at = HELLO "\x81\x83\1\2\3\4`bc"; *at; at++)
        client_send(fd, at, 1);
    socket = socket_from(fd);
    assert_text(&socket, "a``");
    socket_close(&socket);
    buf_free(&out);
}

static void wrong_upgrades_are_refused_and_closed(void **state)
{
    (void)state;
#define WS "GET /ws HTTP/1.1\r\nHost: a\r\n"
#define UP "Upgrade: websocket\r\nConnection: Upgrade\r\n"
#define V  "Sec-WebSocket-Version: 13\r\n"
#define K  "Sec-WebSocket-Key: " KEY "\r\n"
    static const struct {
        int status;
        const char *request;
    } cases[] = {
        {426, WS "\r\n"},
        {426, WS UP K "\r\n"},
        {426, WS UP K "Sec-WebSocket-Version: 8\r\n\r\n"},
        {426, WS "Upgrade: websocket\r\n" V K "\r\n"},
        {426, WS "Connection: Upgrade\r\n" V K "\r\n"},
        {426, WS "Upgrade: websockets\r\nConnection: Upgrade\r\n" V K "\r\n"},
        {400, WS UP V "\r\n"},
        {400, WS UP V "Sec-WebSocket-Key: short\r\n\r\n"},
        {400, WS UP V "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZ!==\r\n\r\n"},
        {400, WS UP V K K "\r\n"},
        {400, WS UP V K "Sec-WebSocket-Protocol: chat\r\n\r\n"},
        {400, WS UP V K "Content-Length: 2\r\n\r\nhi"},
        {400, "POST /ws HTTP/1.1\r\nHost: a\r\n" UP V K "\r\n"},
        {400, "GET /ws HTTP/1.0\r\nHost: a\r\n" UP V K "\r\n"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int fd = client_connect(trial.port);
        client_puts(fd, cases[i].request);
        struct answer answer = client_answer(fd, false, 10000);
        if (answer.status != cases[i].status)
            fail_msg("%s: %d", cases[i].request, answer.status);
        assert_true(client_sees_close(fd, 10000));
        answer_free(&answer);
        close(fd);
    }
    assert_int_equal(ws_server_clients(app.server), 0);
}

static void greeting_comes_before_what_is_published_later(void **state)
{
    (void)state;
    publish("\"before\"");
    snprintf(app.greeting, sizeof app.greeting, "welcome");
    struct socket socket = socket_open();
    wait_for(&app.opened, 1);
    publish("\"after\"");
    assert_text(&socket, "welcome");
    assert_text(&socket, "[\"after\"]");
    socket_close(&socket);
}

/* ---- many clients, many senders ---- */

enum { READERS = 24, SENDERS = 3, MESSAGES = 4000 };

struct reader {
    struct socket socket;
    struct thread *thread;
    int next[SENDERS];
    bool complete;
};

/* Messages are [sender, number]: checks that each sender's come in order, none missing. */
static void take_array(struct reader *reader, const char *text)
{
    for (const char *at = text; (at = strchr(at, '{'));) {
        char *end;
        long sender = strtol(at + 1, &end, 10), number = strtol(end + 1, &end, 10);
        assert_in_range(sender, 0, SENDERS - 1);
        assert_int_equal(number, reader->next[sender]++);
        at = end;
    }
}

static void read_all(void *arg)
{
    struct reader *reader = arg;
    struct frame *frame = malloc(sizeof *frame);
    int total = 0;
    while (total < SENDERS * MESSAGES) {
        socket_read(&reader->socket, frame);
        if (frame->opcode != 1)
            break;
        frame->text[frame->len] = '\0';
        take_array(reader, frame->text);
        total = 0;
        for (int i = 0; i < SENDERS; i++)
            total += reader->next[i];
    }
    reader->complete = total == SENDERS * MESSAGES;
    free(frame);
}

static void send_all(void *arg)
{
    int sender = *(int *)arg;
    for (int i = 0; i < MESSAGES; i++) {
        char text[64];
        snprintf(text, sizeof text, "{%d.%d}", sender, i);
        while (!publish(text))
            usleep(1000);
        if (i % 200 == 0)
            usleep(1000);
    }
}

static void everyone_gets_everything_in_order(void **state)
{
    (void)state;
    struct ws_options options = ws_options_default;
    options.ring = 64 << 20; /* nobody falls out */
    start_with(&options);
    static struct reader readers[READERS];
    struct thread *senders[SENDERS];
    int numbers[SENDERS];
    memset(readers, 0, sizeof readers);
    for (int i = 0; i < READERS; i++) {
        readers[i].socket = socket_open();
        readers[i].thread = thread_start("reader", read_all, &readers[i], NULL);
    }
    wait_for(&app.opened, READERS);
    assert_int_equal(ws_server_clients(app.server), READERS);
    for (int i = 0; i < SENDERS; i++) {
        numbers[i] = i;
        senders[i] = thread_start("sender", send_all, &numbers[i], NULL);
    }
    for (int i = 0; i < SENDERS; i++)
        thread_join(senders[i]);
    for (int i = 0; i < READERS; i++) {
        thread_join(readers[i].thread);
        assert_true(readers[i].complete);
        socket_close(&readers[i].socket);
    }
    assert_int_equal(atomic_load(&app.lagged), 0);
    stop(NULL);
}

static void filtered_messages_make_no_frames(void **state)
{
    (void)state;
    app.mute_odd = true;
    struct socket socket = socket_open();
    wait_for(&app.opened, 1);
    publish("1");
    publish("3");
    usleep(20000);
    publish("4");
    publish("5");
    assert_text(&socket, "[4]");
    socket_close(&socket);
}

static void bad_frames_close_with_their_code(void **state)
{
    (void)state;
    static char large[70000];
    memset(large, 'a', sizeof large);
    struct socket binary = socket_open(), big = socket_open(), pieces = socket_open(), latin = socket_open();
    socket_send_masked(binary.fd, 0x82, "abc", 3);
    assert_closed(&binary, 1003, "text only");
    socket_send_masked(big.fd, 0x81, large, 65537);
    assert_closed(&big, 1009, "too large");
    socket_send_masked(pieces.fd, 0x01, large, 40000);
    socket_send_masked(pieces.fd, 0x80, large, 40000);
    assert_closed(&pieces, 1009, "too large");
    socket_send_masked(latin.fd, 0x81, "caf\xe9", 4);
    assert_closed(&latin, 1007, "not UTF-8");
    socket_close(&binary);
    socket_close(&big);
    socket_close(&pieces);
    socket_close(&latin);
    wait_for(&app.closed, 4);
    assert_int_equal(ws_server_clients(app.server), 0);
}

static void application_can_close_a_client(void **state)
{
    (void)state;
    struct socket socket = socket_open();
    socket_send(&socket, "first this");
    socket_send(&socket, "close me");
    socket_send(&socket, "not this");
    assert_text(&socket, "first this");
    assert_closed(&socket, 4001, "as you wish");
    socket_close(&socket);
    wait_for(&app.closed, 1);
}

static void clients_are_limited(void **state)
{
    (void)state;
    struct ws_options options = ws_options_default;
    options.clients = 2;
    start_with(&options);
    struct socket a = socket_open(), b = socket_open();
    struct answer answer = client_ask(trial.port, HELLO);
    assert_int_equal(answer.status, 503);
    answer_free(&answer);
    socket_close(&a);
    wait_for(&app.closed, 1);
    struct socket c = socket_open();
    socket_send(&c, "in");
    assert_text(&c, "in");
    socket_close(&b);
    socket_close(&c);
    stop(NULL);
}

static void set_small_window(int fd)
{
    int small = 4096;
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
}

static void flood_until(atomic_int *value, int wanted)
{
    static char text[4000];
    memset(text, 'x', sizeof text - 1);
    int64_t end = clock_monotonic() + 60 * NS_PER_S;
    while (atomic_load(value) < wanted && clock_monotonic() < end) {
        publish(text);
        usleep(500);
    }
    assert_true(atomic_load(value) >= wanted);
}

static void stalled_client_is_given_up_and_the_others_go_on(void **state)
{
    (void)state;
    struct ws_options options = ws_options_default;
    options.ring = 256 * 1024;
    start_with(&options);
    struct socket stalled = socket_open(), lively = socket_open();
    set_small_window(stalled.fd);
    wait_for(&app.opened, 2);
    struct reader reader = {.socket = lively};
    reader.thread = thread_start("reader", read_all, &reader, NULL);
    flood_until(&app.closed, 1);
    char first;
    while (recv(stalled.fd, &first, 1, 0) == 1)
        ; /* what had arrived, then a reset */
    assert_int_equal(ws_server_clients(app.server), 1);
    publish("\"still here\"");
    shutdown(lively.fd, SHUT_RDWR);
    thread_join(reader.thread);
    close(stalled.fd);
    buf_free(&stalled.in);
    socket_close(&reader.socket);
    stop(NULL);
}

static atomic_int called;

static void count_call(void *arg)
{
    assert_ptr_equal(arg, &called);
    atomic_fetch_add(&called, 1);
}

/* More than the ring and the kernel hold; returns when the hub has taken it all. */
static void flood_once(void)
{
    static char text[4000];
    memset(text, 'y', sizeof text - 1);
    for (int i = 0; i < 400; i++)
        publish(text);
    int before = atomic_load(&called);
    assert_true(ws_server_call(app.server, count_call, &called));
    wait_for(&called, before + 1);
}

/* A client that reads now and then is skipped forward and told so; the fourth time within a minute it is
 * closed. */
static void lagging_client_is_told_of_the_gap_then_closed(void **state)
{
    (void)state;
    struct ws_options options = ws_options_default;
    options.ring = 64 * 1024;
    start_with(&options);
    struct socket socket = socket_open();
    int window = 65536;
    setsockopt(socket.fd, SOL_SOCKET, SO_RCVBUF, &window, sizeof window);
    wait_for(&app.opened, 1);
    static struct frame frame;
    for (int gaps = 0; gaps < 3; gaps++) {
        flood_once();
        do {
            socket_read(&socket, &frame);
            assert_int_equal(frame.opcode, 1);
        } while (strncmp(frame.text, "gap ", 4) != 0);
    }
    flood_once();
    assert_closed(&socket, 1013, "too slow");
    assert_int_equal(atomic_load(&app.lagged), 3);
    socket_close(&socket);
    stop(NULL);
}

static void reset_clients_leave_nothing_behind(void **state)
{
    (void)state;
    for (int i = 0; i < 60; i++) {
        int fd = client_connect(trial.port);
        client_puts(fd, HELLO);
        publish("\"x\"");
        if (i % 3)
            usleep(300);
        if (i % 2)
            setsockopt(fd, SOL_SOCKET, SO_LINGER, &(struct linger){1, 0}, sizeof(struct linger));
        close(fd);
    }
    for (int i = 0; i < 20000 && ws_server_clients(app.server) > 0; i++)
        usleep(500);
    assert_int_equal(ws_server_clients(app.server), 0);
}

static void end_is_told_to_everyone(void **state)
{
    (void)state;
    start_with(&ws_options_default);
    struct socket sockets[5];
    for (int i = 0; i < 5; i++)
        sockets[i] = socket_open();
    wait_for(&app.opened, 5);
    atomic_store(&called, 0);
    assert_true(ws_server_call(app.server, count_call, &called));
    publish("\"last\"");
    trial_stop(&trial);
    struct ws_server *server = app.server;
    ws_server_stop(server, 300 * NS_PER_MS); /* these clients do not answer the close frame */
    for (int i = 0; i < 5; i++) {
        assert_closed(&sockets[i], 1001, "going away");
        socket_close(&sockets[i]);
    }
    assert_int_equal(atomic_load(&called), 1);
    assert_int_equal(atomic_load(&app.closed), 5);
    assert_int_equal(atomic_load(&app.messages), 0);
    assert_int_equal(atomic_load(&app.users), 0);
}

#define story(name) cmocka_unit_test_setup_teardown(name, start, stop)

int main(void)
{
    loop_init();
    const struct CMUnitTest tests[] = {
        story(client_talks_and_is_answered),
        story(messages_of_all_sizes_come_back),
        story(frame_glued_behind_the_upgrade_is_kept),
        story(wrong_upgrades_are_refused_and_closed),
        story(greeting_comes_before_what_is_published_later),
        cmocka_unit_test(everyone_gets_everything_in_order),
        story(filtered_messages_make_no_frames),
        story(bad_frames_close_with_their_code),
        story(application_can_close_a_client),
        cmocka_unit_test(clients_are_limited),
        cmocka_unit_test(stalled_client_is_given_up_and_the_others_go_on),
        cmocka_unit_test(lagging_client_is_told_of_the_gap_then_closed),
        story(reset_clients_leave_nothing_behind),
        cmocka_unit_test(end_is_told_to_everyone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
