#include "net/ws_server.h"

#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "net/http_internal.h"
#include "net/ws_internal.h"

enum {
    INPUTS_MAX = 65536,
    KEY_LEN = 24,
    SEND_BUFFER = 65536, /* what a slow client may hold in the kernel; without it, megabytes */
};

const struct ws_options ws_options_default = {
    .clients = 4096,
    .frame_in = 65536,
    .ring = 4 << 20,
    .frames = 1 << 20,
    .ping_ns = 30 * NS_PER_S,
};

/* ---- the queue to the hub ---- */

/* False when full, or when the server stops. */
static bool push(struct ws_server *server, struct ws_input input, size_t max)
{
    pthread_mutex_lock(&server->lock);
    bool room = server->inputs.list.count < max && !server->stopping;
    bool wake = room && !server->signalled;
    if (room)
        vec_push(&server->inputs.list, input);
    if (wake)
        server->signalled = true;
    pthread_mutex_unlock(&server->lock);
    if (wake)
        ws_hub_wake(server);
    return room;
}

bool ws_server_publish(struct ws_server *server, void *message, size_t size)
{
    return push(server, (struct ws_input){.kind = WS_INPUT_MESSAGE, .message = message, .size = size},
                INPUTS_MAX);
}

bool ws_server_call(struct ws_server *server, void (*call)(void *arg), void *arg)
{
    return push(server, (struct ws_input){.kind = WS_INPUT_CALL, .call = call, .arg = arg}, INPUTS_MAX);
}

bool ws_server_call_always(struct ws_server *server, void (*call)(void *arg), void *arg)
{
    return push(server, (struct ws_input){.kind = WS_INPUT_CALL, .call = call, .arg = arg}, SIZE_MAX);
}

size_t ws_server_clients(const struct ws_server *server)
{
    return atomic_load_explicit(&server->count, memory_order_relaxed);
}

/* ---- the upgrade ---- */

static bool key_valid(struct str key)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    if (key.len != KEY_LEN || memcmp(key.ptr + KEY_LEN - 2, "==", 2) != 0)
        return false;
    for (size_t i = 0; i < KEY_LEN - 2; i++)
        if (!memchr(digits, key.ptr[i], sizeof digits - 1))
            return false;
    return true;
}

/* A list may be spread over several fields of the name. */
static bool header_has(const struct http_request *request, const char *name, const char *token)
{
    const struct http_head *head = &request->connection->head;
    for (size_t i = 0; i < head->fields.count; i++)
        if (http_name_equal(http_span_str(request->raw, head->fields.items[i].name), name) &&
            http_list_has(http_span_str(request->raw, head->fields.items[i].value), token))
            return true;
    return false;
}

/* RFC 6455, 4.2.1. NULL where all is right. */
static const char *upgrade_problem(const struct http_request *request, int *status)
{
    const struct http_head *head = &request->connection->head;
    *status = 400;
    if (http_method(request) != HTTP_GET || head->minor < 1 || head->chunked || head->content_length)
        return "a WebSocket starts with a GET of HTTP/1.1 without a body";
    if (!header_has(request, "sec-websocket-version", "13")) {
        *status = 426;
        return "this WebSocket speaks version 13";
    }
    if (!header_has(request, "upgrade", "websocket") || !header_has(request, "connection", "upgrade")) {
        *status = 426;
        return "a WebSocket starts with Connection: Upgrade and Upgrade: websocket";
    }
    if (!key_valid(http_header(request, "sec-websocket-key")))
        return "Sec-WebSocket-Key must be 16 bytes in base64";
    if (http_header(request, "sec-websocket-protocol").ptr)
        return "this WebSocket has no subprotocols";
    return NULL;
}

static void refuse(struct http_request *request, int status, const char *detail)
{
    request->connection->close_after =
        true; /* a client that speaks frames already must not be read as HTTP */
    if (status == 426) {
        http_set_header(request, "Upgrade", "websocket");
        http_set_header(request, "Sec-WebSocket-Version", "13");
    }
    http_problem(request, status, detail);
}

struct handover {
    struct ws_server *server;
    struct ws_adoption *adoption;
};

static void on_taken(int fd, struct buf *extra, void *arg)
{
    struct handover *handover = arg;
    struct ws_adoption *adoption = handover->adoption;
    int on = 1, buffer = SEND_BUFFER;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &buffer, sizeof buffer);
    adoption->fd = fd;
    buf_add(&adoption->bytes, extra->ptr, extra->len);
    struct ws_input input = {.kind = WS_INPUT_ADOPT, .adoption = adoption};
    if (fd >= 0 && push(handover->server, input, SIZE_MAX)) /* bounded by the number of clients */
        return;
    if (fd >= 0)
        close(fd);
    atomic_fetch_sub(&handover->server->count, 1);
    ws_adoption_free(adoption);
}

void ws_server_upgrade(struct ws_server *server, struct http_request *request, void *user,
                       void (*drop_user)(void *))
{
    int status;
    const char *problem = upgrade_problem(request, &status);
    if (!problem && atomic_fetch_add(&server->count, 1) >= server->options.clients) {
        atomic_fetch_sub(&server->count, 1);
        status = 503;
        problem = "this server has as many WebSocket clients as it accepts";
    }
    if (problem) {
        if (drop_user)
            drop_user(user);
        refuse(request, status, problem);
        return;
    }
    struct ws_adoption *adoption = mem_zalloc(1, sizeof *adoption);
    adoption->user = user;
    adoption->drop_user = drop_user;
    /* Made anew from what was checked: what the client's own text may hold beyond that, the library never
     * sees. */
    buf_printf(&adoption->bytes,
               "GET /ws HTTP/1.1\r\nHost: lunette\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
               "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: %.*s\r\n\r\n",
               STR_ARG(http_header(request, "sec-websocket-key")));
    http_take_connection(request, on_taken, &(struct handover){server, adoption});
}

/* ---- start and stop ---- */

static void server_free(struct ws_server *server)
{
    ws_ring_free(&server->ring, &server->hooks);
    vec_free(&server->inputs.list);
    vec_free(&server->taken.list);
    buf_free(&server->out);
    pthread_mutex_destroy(&server->lock);
    free(server);
}

struct ws_server *ws_server_start(const struct ws_options *options, const struct ws_hooks *hooks,
                                  struct err *err)
{
    struct ws_server *server = mem_zalloc(1, sizeof *server);
    server->options = options ? *options : ws_options_default;
    server->hooks = *hooks;
    pthread_mutex_init(&server->lock, NULL);
    ws_ring_init(&server->ring, server->options.ring);
    if (ws_hub_create(server, err)) {
        server_free(server);
        return NULL;
    }
    server->thread = thread_start("hub", ws_hub_main, server, err);
    if (!server->thread) {
        ws_hub_destroy(server);
        server_free(server);
        return NULL;
    }
    return server;
}

void ws_server_stop(struct ws_server *server, int64_t limit_ns)
{
    if (!server)
        return;
    pthread_mutex_lock(&server->lock);
    server->stopping = true;
    server->stop_limit = limit_ns;
    pthread_mutex_unlock(&server->lock);
    ws_hub_wake(server);
    thread_join(server->thread);
    owner_bind(&server->owner); /* the hooks of clients that are still open are called here */
    INVARIANT(server->inputs.list.count ==
              0); /* nothing was taken in once it stopped, and it took all before */
    ws_hub_destroy(server);
    server_free(server);
}
