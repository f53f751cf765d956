#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <libwebsockets.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"
#include "net/ws_internal.h"

enum {
    WRITES_AT_ONCE = 16,
    FRAME_MESSAGES = 256,
    PIECE = 65536,
    CLOSE_SECONDS = 3, /* for the close handshake of one client */
};
#define STALL_NS      (3 * NS_PER_S) /* out of the ring and taking nothing: given up */
#define SWEEP_US      (LWS_US_PER_SEC / 2)
#define LAG_WINDOW_NS (60 * NS_PER_S)

/* What the library keeps pointers to. */
struct ws_library {
    lws_sorted_usec_list_t sweep, stop;
    lws_retry_bo_t idle;
    struct ws_server *server;
};

void ws_adoption_free(struct ws_adoption *adoption)
{
    if (!adoption->opened && adoption->drop_user)
        adoption->drop_user(adoption->user);
    buf_free(&adoption->bytes);
    free(adoption);
}

void ws_hub_wake(struct ws_server *server)
{
    lws_cancel_service(server->context);
}

/* ---- clients ---- */

static struct ws_client *client_new(struct ws_server *server, struct lws *wsi)
{
    struct ws_client *client = mem_zalloc(1, sizeof *client);
    client->server = server;
    client->wsi = wsi;
    client->cursor = server->ring.head;
    client->frames_end = &client->frames;
    client->written_at = clock_monotonic();
    client->next = server->clients;
    client->link = &server->clients;
    if (client->next)
        client->next->link = &client->next;
    server->clients = client;
    return client;
}

static void drop_frame(struct ws_client *client)
{
    struct ws_frame *frame = client->frames;
    client->frames = frame->next;
    if (!client->frames)
        client->frames_end = &client->frames;
    client->frames_bytes -= frame->len;
    free(frame);
}

static void client_free(struct ws_client *client)
{
    *client->link = client->next;
    if (client->next)
        client->next->link = client->link;
    while (client->frames)
        drop_frame(client);
    buf_free(&client->in);
    free(client);
}

/* A client that takes nothing never becomes writable, so it cannot be closed in the orderly way. Without the
 * linger option its socket would stay behind in the kernel with all that was not taken. */
static void kill_client(struct ws_client *client)
{
    setsockopt(lws_get_socket_fd(client->wsi), SOL_SOCKET, SO_LINGER, &(struct linger){1, 0},
               sizeof(struct linger));
    lws_set_timeout(client->wsi, PENDING_TIMEOUT_USER_REASON_BASE, LWS_TO_KILL_ASYNC);
}

void ws_client_close(struct ws_client *client, int code, const char *reason)
{
    owner_check(&client->server->owner, "a WebSocket client");
    if (client->closing)
        return;
    client->closing = true;
    client->close_code = code;
    snprintf(client->close_reason, sizeof client->close_reason, "%s", reason ? reason : "");
    lws_set_timeout(client->wsi, PENDING_TIMEOUT_USER_REASON_BASE, CLOSE_SECONDS);
    lws_callback_on_writable(client->wsi);
}

void ws_client_send(struct ws_client *client, struct str text)
{
    struct ws_server *server = client->server;
    owner_check(&server->owner, "a WebSocket client");
    if (client->closing)
        return;
    if (client->frames && client->frames_bytes + text.len > server->options.frames) {
        ws_client_close(client, 1013, "too slow");
        return;
    }
    struct ws_frame *frame = mem_alloc(sizeof *frame + LWS_PRE + text.len);
    *frame = (struct ws_frame){.at = server->ring.head, .len = text.len};
    if (text.len)
        memcpy(frame->bytes + LWS_PRE, text.ptr, text.len);
    *client->frames_end = frame;
    client->frames_end = &frame->next;
    client->frames_bytes += text.len;
    lws_callback_on_writable(client->wsi);
}

/* ---- writing ---- */

enum written { WROTE, NOTHING, FAILED };

static enum written write_bytes(struct ws_client *client, unsigned char *bytes, size_t len)
{
    if (lws_write(client->wsi, bytes, len, LWS_WRITE_TEXT) < (int)len)
        return FAILED;
    client->written_at = clock_monotonic();
    return WROTE;
}

static enum written write_frame(struct ws_client *client)
{
    struct ws_frame *frame = client->frames;
    enum written result = write_bytes(client, frame->bytes + LWS_PRE, frame->len);
    drop_frame(client);
    return result;
}

/* What a hook made: moved behind the room that the library wants in front. */
static enum written write_made(struct ws_client *client, struct buf *made)
{
    struct buf *out = &client->server->out;
    buf_clear(out);
    memset(buf_reserve(out, LWS_PRE), 0, LWS_PRE);
    buf_grew(out, LWS_PRE);
    buf_add(out, made->ptr, made->len);
    size_t len = made->len;
    buf_free(made);
    return write_bytes(client, (unsigned char *)out->ptr + LWS_PRE, len);
}

/* True where it fell out a fourth time within a minute. */
static bool lags_too_often(struct ws_client *client)
{
    int64_t now = clock_monotonic();
    int64_t *oldest = &client->lagged_at[client->lags++ % 3];
    bool often = client->lags > 3 && now - *oldest < LAG_WINDOW_NS;
    *oldest = now;
    return often;
}

static enum written skip_forward(struct ws_client *client)
{
    struct ws_server *server = client->server;
    uint64_t lost = server->ring.tail - client->cursor;
    client->cursor = server->ring.tail;
    if (lags_too_often(client)) {
        ws_client_close(client, 1013, "too slow");
        return NOTHING;
    }
    struct buf made = BUF_EMPTY;
    if (server->hooks.lagged &&
        server->hooks.lagged(client, client->state, lost, &made, server->hooks.context))
        return write_made(client, &made);
    buf_free(&made);
    return NOTHING;
}

static enum written write_messages(struct ws_client *client, uint64_t end)
{
    struct ws_server *server = client->server;
    void *messages[FRAME_MESSAGES];
    struct buf made = BUF_EMPTY;
    while (client->cursor < end && !client->closing) {
        size_t count = ws_ring_copy(&server->ring, client->cursor, end, messages, FRAME_MESSAGES);
        client->cursor += count;
        if (server->hooks.frame(client, client->state, messages, count, &made, server->hooks.context))
            return write_made(client, &made);
        buf_clear(&made);
    }
    buf_free(&made);
    return NOTHING;
}

static enum written write_next(struct ws_client *client)
{
    const struct ws_ring *ring = &client->server->ring;
    if (client->frames && (client->closing || client->frames->at <= client->cursor))
        return write_frame(client);
    if (client->closing)
        return NOTHING;
    enum written skipped = client->cursor < ring->tail ? skip_forward(client) : NOTHING;
    if (skipped != NOTHING)
        return skipped;
    uint64_t end = client->frames && client->frames->at < ring->head ? client->frames->at : ring->head;
    enum written result = write_messages(client, end);
    return result == NOTHING && client->frames ? write_frame(client) : result;
}

static bool has_more(const struct ws_client *client)
{
    return client->frames || (!client->closing && client->cursor < client->server->ring.head);
}

/* -1 lets the library close the connection. */
static int on_writable(struct ws_client *client)
{
    for (int i = 0; i < WRITES_AT_ONCE && has_more(client); i++) {
        if (i > 0 && lws_send_pipe_choked(client->wsi))
            break;
        if (write_next(client) == FAILED)
            return -1;
    }
    if (has_more(client)) {
        lws_callback_on_writable(client->wsi);
        return 0;
    }
    if (!client->closing)
        return 0;
    lws_close_reason(client->wsi, (enum lws_close_status)client->close_code,
                     (unsigned char *)client->close_reason, strlen(client->close_reason));
    return -1;
}

/* ---- reading ---- */

static int refuse_message(struct ws_client *client, enum lws_close_status code, const char *reason)
{
    unsigned char text[120];
    int len = snprintf((char *)text, sizeof text, "%s", reason);
    lws_close_reason(client->wsi, code, text, (size_t)len);
    return -1;
}

static int on_received(struct ws_client *client, const char *bytes, size_t len)
{
    struct ws_server *server = client->server;
    if (client->closing)
        return 0;
    if (lws_frame_is_binary(client->wsi))
        return refuse_message(client, LWS_CLOSE_STATUS_UNACCEPTABLE_OPCODE, "text only");
    if (client->in.len + len > server->options.frame_in)
        return refuse_message(client, LWS_CLOSE_STATUS_MESSAGE_TOO_LARGE, "too large");
    buf_add(&client->in, bytes, len);
    if (!lws_is_final_fragment(client->wsi) || lws_remaining_packet_payload(client->wsi))
        return 0;
    struct buf message = client->in;
    client->in = BUF_EMPTY;
    bool valid = text_is_utf8(buf_str(&message));
    if (valid && server->hooks.message)
        server->hooks.message(client, client->state, buf_str(&message), server->hooks.context);
    buf_free(&message);
    return valid ? 0 : refuse_message(client, LWS_CLOSE_STATUS_INVALID_PAYLOAD, "not UTF-8");
}

/* ---- sweeping: clients that never become writable ---- */

static void on_sweep(lws_sorted_usec_list_t *sul)
{
    struct ws_library *library = lws_container_of(sul, struct ws_library, sweep);
    struct ws_server *server = library->server;
    int64_t now = clock_monotonic();
    for (struct ws_client *client = server->clients; client; client = client->next)
        if (client->cursor < server->ring.tail && now - client->written_at > STALL_NS)
            kill_client(client);
    server->sweeping = server->clients != NULL;
    if (server->sweeping)
        lws_sul_schedule(server->context, 0, sul, on_sweep, SWEEP_US);
}

static void start_sweeping(struct ws_server *server)
{
    if (server->sweeping)
        return;
    server->sweeping = true;
    lws_sul_schedule(server->context, 0, &server->library->sweep, on_sweep, SWEEP_US);
}

/* ---- what comes from other threads ---- */

static void adopt(struct ws_server *server, struct ws_adoption *adoption)
{
    server->adopting = adoption; /* ESTABLISHED comes within the call */
    struct lws *wsi = lws_adopt_socket_vhost_readbuf(server->vhost, adoption->fd, adoption->bytes.ptr,
                                                     adoption->bytes.len);
    server->adopting = NULL;
    if (!adoption->opened) /* refused: the library has closed the descriptor, or is about to */
        atomic_fetch_sub(&server->count, 1);
    if (!wsi)
        LOG(LOG_DEBUG, "ws.refused");
    ws_adoption_free(adoption);
}

static void close_all(struct ws_server *server)
{
    for (struct ws_client *client = server->clients; client; client = client->next)
        ws_client_close(client, 1001, "going away");
}

static void on_stop_limit(lws_sorted_usec_list_t *sul)
{
    struct ws_library *library = lws_container_of(sul, struct ws_library, stop);
    library->server->done = true;
}

static void start_closing(struct ws_server *server, int64_t limit_ns)
{
    server->closing = true;
    server->done = !server->clients || limit_ns <= 0;
    if (!server->done)
        lws_sul_schedule(server->context, 0, &server->library->stop, on_stop_limit, limit_ns / 1000);
    close_all(server);
}

static void take_input(struct ws_server *server, struct ws_input *input)
{
    switch (input->kind) {
    case WS_INPUT_MESSAGE:
        ws_ring_push(&server->ring, input->message, input->size, &server->hooks);
        break;
    case WS_INPUT_ADOPT:
        adopt(server, input->adoption);
        break;
    case WS_INPUT_CALL:
        input->call(input->arg);
        break;
    }
}

static void on_woken(struct ws_server *server)
{
    pthread_mutex_lock(&server->lock);
    struct ws_inputs taken = server->inputs;
    server->inputs = server->taken;
    server->signalled = false;
    bool stopping = server->stopping;
    pthread_mutex_unlock(&server->lock);
    uint64_t head = server->ring.head;
    for (size_t i = 0; i < taken.list.count; i++)
        take_input(server, &taken.list.items[i]);
    taken.list.count = 0;
    server->taken = taken;
    if (stopping && !server->closing)
        start_closing(server, server->stop_limit);
    for (struct ws_client *client = server->clients; client && server->ring.head != head;
         client = client->next)
        lws_callback_on_writable(client->wsi);
}

/* ---- the library's callback ---- */

struct session {
    struct ws_client *client;
};

static int on_established(struct ws_server *server, struct lws *wsi, struct session *session)
{
    struct ws_adoption *adoption = server->adopting;
    if (!adoption || adoption->opened)
        return -1; /* not within the handover: nobody knows whose it is */
    session->client = client_new(server, wsi);
    adoption->opened = true;
    session->client->state = server->hooks.opened ? server->hooks.opened(session->client, adoption->user,
                                                                         server->hooks.context)
                                                  : NULL;
    start_sweeping(server);
    if (server->closing)
        ws_client_close(session->client, 1001, "going away");
    return 0;
}

static void on_closed(struct ws_server *server, struct session *session)
{
    struct ws_client *client = session->client;
    session->client = NULL;
    if (!client)
        return;
    if (server->hooks.closed)
        server->hooks.closed(client, client->state, server->hooks.context);
    client_free(client);
    atomic_fetch_sub(&server->count, 1);
    if (server->closing && !server->clients)
        server->done = true;
}

static int on_event(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in, size_t len)
{
    struct ws_server *server = lws_context_user(lws_get_context(wsi));
    struct session *session = user;
    switch (reason) {
    case LWS_CALLBACK_EVENT_WAIT_CANCELLED:
        on_woken(server);
        return 0; /* anything else crashes the library */
    case LWS_CALLBACK_ESTABLISHED:
        return on_established(server, wsi, session);
    case LWS_CALLBACK_RECEIVE:
        return session->client ? on_received(session->client, in, len) : -1;
    case LWS_CALLBACK_SERVER_WRITEABLE:
        return session->client ? on_writable(session->client) : -1;
    case LWS_CALLBACK_CLOSED:
        on_closed(server, session);
        return 0;
    default:
        return 0;
    }
}

/* ---- the thread ---- */

static const struct lws_protocols protocols[] = {
    {.name = "lunette",
     .callback = on_event,
     .per_session_data_size = sizeof(struct session),
     .rx_buffer_size = PIECE,
     .tx_packet_size = PIECE},
    {0},
};

/* Each handover makes it talk at its error level. */
static void emit(int level, const char *line)
{
    (void)level;
    LOG(LOG_DEBUG, "ws.library", log_str("line", ((struct str){line, strcspn(line, "\n")})));
}

int ws_hub_create(struct ws_server *server, struct err *err)
{
    uint16_t ping = (uint16_t)((server->options.ping_ns + NS_PER_S - 1) / NS_PER_S);
    struct ws_library *library = mem_zalloc(1, sizeof *library);
    library->server = server;
    library->idle = (lws_retry_bo_t){.secs_since_valid_ping = ping,
                                     .secs_since_valid_hangup = (uint16_t)(2 * ping)};
    struct lws_context_creation_info info = {
        .port = CONTEXT_PORT_NO_LISTEN_SERVER,
        .options = LWS_SERVER_OPTION_EXPLICIT_VHOSTS,
        .protocols = protocols,
        .user = server,
        .gid = (gid_t)-1,
        .uid = (uid_t)-1,
        .max_http_header_pool = 64,
        .retry_and_idle_policy = &library->idle,
    };
    lws_set_log_level(LLL_ERR | LLL_WARN, emit);
    server->library = library;
    server->context = lws_create_context(&info);
    server->vhost = server->context ? lws_create_vhost(server->context, &info) : NULL;
    if (server->vhost)
        return 0;
    ws_hub_destroy(server);
    return err_set(err, ERR_IO, "cannot start the WebSocket library: out of file descriptors or memory?");
}

void ws_hub_destroy(struct ws_server *server)
{
    if (server->context)
        lws_context_destroy(server->context);
    free(server->library);
}

void ws_hub_main(void *arg)
{
    struct ws_server *server = arg;
    owner_bind(&server->owner);
    while (!server->done && lws_service(server->context, 0) >= 0)
        ;
    if (!server->done)
        die("the WebSocket hub cannot wait for its sockets");
}
