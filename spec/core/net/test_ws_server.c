/* The WebSocket server and one client: handshakes, frames, closing. */
#include "ws_trial.h"

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
    struct trial_answer answer = client_answer(fd, false, 10000);
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
        struct trial_answer answer = client_answer(fd, false, 10000);
        if (answer.status != cases[i].status)
            fail_msg("%s: %d", cases[i].request, answer.status);
        assert_true(client_sees_close(fd, 10000));
        answer_free(&answer);
        close(fd);
    }
    assert_int_equal(ws_server_clients(app.server), 0);
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
    struct trial_answer answer = client_ask(trial.port, HELLO);
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

int main(void)
{
    loop_init();
    const struct CMUnitTest tests[] = {
        story(client_talks_and_is_answered),           story(messages_of_all_sizes_come_back),
        story(frame_glued_behind_the_upgrade_is_kept), story(wrong_upgrades_are_refused_and_closed),
        story(bad_frames_close_with_their_code),       story(application_can_close_a_client),
        cmocka_unit_test(clients_are_limited),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
