/* The WebSocket server and many clients: order, filters, slow clients, the end. */
#include "ws_trial.h"

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

int main(void)
{
    loop_init();
    const struct CMUnitTest tests[] = {
        story(greeting_comes_before_what_is_published_later),
        cmocka_unit_test(everyone_gets_everything_in_order),
        story(filtered_messages_make_no_frames),
        cmocka_unit_test(stalled_client_is_given_up_and_the_others_go_on),
        cmocka_unit_test(lagging_client_is_told_of_the_gap_then_closed),
        story(reset_clients_leave_nothing_behind),
        cmocka_unit_test(end_is_told_to_everyone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
