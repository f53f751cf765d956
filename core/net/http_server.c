#include "net/http_server.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <event2/buffer.h>
#include <event2/event.h>
#include <event2/http.h>
#include <event2/listener.h>

#include "base/clock.h"
#include "base/log.h"
#include "net/http_internal.h"

enum {
    SURPLUS_MAX = 64, /* connections beyond the limit that are told so; more are just closed */
    BACKLOG = 4096,
};
#define ACCEPT_PAUSE_NS (100 * NS_PER_MS)
#define DRAIN_IDLE_NS   (1 * NS_PER_S)

const struct http_limits http_limits_default = {
    .request_line = 8192,
    .header_bytes = 32768,
    .header_count = 100,
    .body = 8 << 20,
    .inflated = 64 << 20,
    .inflate_ratio = 50,
    .header_ns = 10 * NS_PER_S,
    .body_ns = 30 * NS_PER_S,
    .idle_ns = 60 * NS_PER_S,
    .connections = 4096,
};

static _Atomic size_t open_connections; /* of the process: the limit is on its descriptors */

size_t http_server_connections(void)
{
    return atomic_load_explicit(&open_connections, memory_order_relaxed);
}

/* ---- listening ---- */

/* "host:port", "[v6]:port", ":port". */
static int split_address(const char *address, char host[256], const char **port, struct err *err)
{
    const char *colon = strrchr(address, ':');
    size_t len = colon ? (size_t)(colon - address) : 0;
    const char *start = address;
    if (len >= 2 && address[0] == '[' && address[len - 1] == ']')
        start++, len -= 2;
    else if (memchr(address, ':', len))
        colon = NULL;
    if (!colon || len >= 256 || !colon[1])
        return err_set(err, ERR_INVALID, "expected host:port or [address]:port, got \"%s\"", address);
    char *end;
    unsigned long number = strtoul(colon + 1, &end, 10);
    if (*end || number > 65535)
        return err_set(err, ERR_INVALID, "expected a port up to 65535, got \"%s\"", colon + 1);
    memcpy(host, start, len);
    host[len] = '\0';
    *port = colon + 1;
    return 0;
}

static int bind_and_listen(const struct addrinfo *info, const char *address, int *out, struct err *err)
{
    int on = 1;
    int fd = socket(info->ai_family, info->ai_socktype | SOCK_CLOEXEC | SOCK_NONBLOCK, info->ai_protocol);
    if (fd < 0)
        return err_errno(err, ERR_IO, errno, "cannot make a socket for %s", address);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on); /* what is accepted inherits it */
    if (bind(fd, info->ai_addr, info->ai_addrlen) || listen(fd, BACKLOG)) {
        err_errno(err, ERR_IO, errno, "cannot listen on %s", address);
        close(fd);
        return -1;
    }
    *out = fd;
    return 0;
}

static int bound_port(int fd)
{
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } bound;
    socklen_t len = sizeof bound;
    memset(&bound, 0, sizeof bound);
    getsockname(fd, &bound.any, &len);
    return ntohs(bound.any.sa_family == AF_INET6 ? bound.v6.sin6_port : bound.v4.sin_port);
}

int http_listen(const char *address, int *fd, int *port, struct err *err)
{
    char host[256] = "";
    const char *service = NULL;
    if (split_address(address, host, &service, err))
        return -1;
    struct addrinfo hints = {.ai_flags = AI_PASSIVE | AI_NUMERICSERV, .ai_socktype = SOCK_STREAM},
                    *info = NULL;
    int failed = getaddrinfo(host[0] ? host : NULL, service, &hints, &info);
    if (failed)
        return err_set(err, ERR_INVALID, "cannot listen on %s: %s", address, gai_strerror(failed));
    int result = bind_and_listen(info, address, fd, err);
    freeaddrinfo(info);
    if (result == 0 && port)
        *port = bound_port(*fd);
    return result;
}

/* ---- the end of a turn ---- */

static void put_off(struct http_server *server, struct http_connection *connection)
{
    if (!connection->is_later) {
        connection->is_later = true;
        connection->later = server->later;
        server->later = connection;
    }
    event_active(server->turn_end, EV_TIMEOUT, 0);
}

static void finish_turn(struct http_server *server)
{
    while (server->later) {
        struct http_connection *connection = server->later;
        server->later = connection->later;
        connection->is_later = false;
        if (connection->state == HTTP_STATE_DEAD)
            http_connection_free(connection);
        else
            http_connection_begin(connection);
    }
}

/* ---- accepting ---- */

static void accept_more(struct http_server *server, bool more)
{
    for (struct http_listener *listener = server->listeners; listener; listener = listener->next) {
        struct evconnlistener *accepts = evhttp_bound_socket_get_listener(listener->bound);
        if (more)
            evconnlistener_enable(accepts);
        else
            evconnlistener_disable(accepts);
    }
    server->accepting = more;
}

static void on_turn_end(evutil_socket_t fd, short what, void *arg)
{
    (void)fd, (void)what;
    struct http_server *server = arg;
    finish_turn(server);
    if (!server->accepting && !server->out_of_descriptors)
        accept_more(server, true);
}

/* evhttp keeps the argument of its listeners for itself: whose this one is has to be looked up. */
static _Thread_local struct http_server *accepting_here;

static void on_accept_failed(struct evconnlistener *listener, void *evhttp)
{
    (void)listener;
    LOG(LOG_ERROR, "http.accept_failed", log_text("reason", strerror(errno)));
    for (struct http_server *server = accepting_here; server; server = server->next_accepting) {
        if (server->evhttp != evhttp)
            continue;
        server->out_of_descriptors = true;
        accept_more(server, false);
        timer_start(server->accept_again, ACCEPT_PAUSE_NS, false);
    }
}

static void on_accept_again(void *arg)
{
    struct http_server *server = arg;
    server->out_of_descriptors = false;
    accept_more(server, true);
}

int http_server_accept(struct http_server *server, int fd, struct err *err)
{
    int own = fcntl(fd, F_DUPFD_CLOEXEC, 3);
    if (own < 0)
        return err_errno(err, ERR_IO, errno, "cannot share the listening socket");
    if (!server->listeners) {
        server->next_accepting = accepting_here;
        accepting_here = server;
    }
    struct http_listener *listener = mem_zalloc(1, sizeof *listener);
    listener->next = server->listeners;
    listener->bound = evhttp_accept_socket_with_handle(server->evhttp, own);
    evconnlistener_set_error_cb(evhttp_bound_socket_get_listener(listener->bound), on_accept_failed);
    server->listeners = listener;
    return 0;
}

static void stop_accepting(struct http_server *server)
{
    struct http_server **at = &accepting_here;
    while (*at && *at != server)
        at = &(*at)->next_accepting;
    if (*at)
        *at = server->next_accepting;
    while (server->listeners) {
        struct http_listener *listener = server->listeners;
        server->listeners = listener->next;
        evhttp_del_accept_socket(server->evhttp, listener->bound);
        free(listener);
    }
    timer_stop(server->accept_again);
}

/* ---- connections ---- */

/* Deadlines are held to a fraction of themselves, so that a request costs no timer. */
static int64_t sweep_interval(const struct http_limits *limits)
{
    int64_t least = limits->header_ns;
    least = limits->body_ns < least ? limits->body_ns : least;
    least = limits->idle_ns < least ? limits->idle_ns : least;
    least /= 8;
    least = least > 250 * NS_PER_MS ? 250 * NS_PER_MS : least;
    return least < 5 * NS_PER_MS ? 5 * NS_PER_MS : least;
}

static void start_sweeping(struct http_server *server)
{
    if (server->sweeping)
        return;
    server->sweeping = true;
    timer_start(server->sweep, server->sweep_ns, true);
}

static void add(struct http_server *server, struct http_connection *connection)
{
    connection->next = server->connections;
    connection->link = &server->connections;
    if (connection->next)
        connection->next->link = &connection->next;
    server->connections = connection;
    server->count++;
    start_sweeping(server);
}

void http_server_removed(struct http_server *server, struct http_connection *connection)
{
    *connection->link = connection->next;
    if (connection->next)
        connection->next->link = connection->link;
    server->count--;
    atomic_fetch_sub(&open_connections, 1);
    put_off(server, connection);
}

/* evhttp has accepted a connection and asks for its bufferevent; the descriptor comes right after. One a
 * turn: a worker that took all that wait would keep them from the others for as long as they live. */
static struct bufferevent *on_accepted(struct event_base *base, void *arg)
{
    (void)base;
    struct http_server *server = arg;
    size_t open = atomic_fetch_add(&open_connections, 1);
    struct http_connection *connection = http_connection_new(server, open >= server->limits.connections);
    add(server, connection);
    if (open >= server->limits.connections + SURPLUS_MAX)
        http_connection_close(connection);
    put_off(server, connection);
    accept_more(server, false);
    return connection->filter;
}

static void on_request(struct evhttp_request *evhttp, void *arg)
{
    struct http_server *server = arg;
    INVARIANT(server->passing && !server->passing->evhttp);
    server->passing->evhttp = evhttp;
}

/* ---- draining ---- */

static bool is_idle(const struct http_connection *connection)
{
    return connection->state == HTTP_STATE_HEAD && !connection->head_started;
}

/* A client may be about to send on an idle connection: it has a second in which it is still answered. */
static void sweep_draining(struct http_server *server, int64_t now)
{
    struct http_connection *next;
    for (struct http_connection *c = server->connections; c && now >= server->idle_until; c = next) {
        next = c->next;
        if (is_idle(c) || now >= server->drain_limit)
            http_connection_close(c);
    }
    if (now >= server->drain_limit)
        stop_accepting(server);
    if (server->count > 0 || !server->drained)
        return;
    stop_accepting(server);
    void (*drained)(void *arg) = server->drained;
    server->drained = NULL;
    timer_stop(server->sweep);
    drained(server->drained_arg); /* may free the server */
}

static void on_sweep(void *arg)
{
    struct http_server *server = arg;
    int64_t now = clock_monotonic();
    struct http_connection *next;
    for (struct http_connection *c = server->connections; c; c = next) {
        next = c->next;
        http_connection_expire(c, now);
    }
    if (server->draining) {
        sweep_draining(server, now);
    } else if (!server->connections) {
        server->sweeping = false;
        timer_stop(server->sweep);
    }
}

void http_server_drain(struct http_server *server, int64_t limit_ns, void (*done)(void *arg), void *arg)
{
    int64_t now = clock_monotonic(), idle = limit_ns / 4;
    server->draining = true;
    server->drain_limit = now + limit_ns;
    server->idle_until = now + (idle < DRAIN_IDLE_NS ? idle : DRAIN_IDLE_NS);
    server->drained = done;
    server->drained_arg = arg;
    server->sweeping = true;
    timer_start(server->sweep, 5 * NS_PER_MS, true);
}

/* ---- the server ---- */

struct http_server *http_server_new(struct loop *loop, const struct http_limits *limits,
                                    const struct http_route *routes, size_t route_count,
                                    const struct http_hooks *hooks)
{
    struct http_server *server = mem_zalloc(1, sizeof *server);
    server->loop = loop;
    server->limits = limits ? *limits : http_limits_default;
    if (hooks)
        server->hooks = *hooks;
    server->router = http_router_new(routes, route_count);
    server->accept_again = timer_new(loop, on_accept_again, server);
    server->sweep = timer_new(loop, on_sweep, server);
    server->sweep_ns = sweep_interval(&server->limits);
    server->turn_end = event_new(loop_base(loop), -1, 0, on_turn_end, server);
    server->spare = eventfd(0, EFD_CLOEXEC);
    server->scratch = evbuffer_new();
    server->evhttp = evhttp_new(loop_base(loop));
    evhttp_set_bevcb(server->evhttp, on_accepted, server);
    evhttp_set_gencb(server->evhttp, on_request, server);
    evhttp_set_default_content_type(server->evhttp, NULL);
    evhttp_set_allowed_methods(server->evhttp, EVHTTP_REQ_GET | EVHTTP_REQ_POST | EVHTTP_REQ_PUT |
                                                   EVHTTP_REQ_PATCH | EVHTTP_REQ_DELETE | EVHTTP_REQ_HEAD |
                                                   EVHTTP_REQ_OPTIONS);
    return server;
}

void http_server_free(struct http_server *server)
{
    if (!server)
        return;
    stop_accepting(server);
    while (server->connections)
        http_connection_close(server->connections);
    finish_turn(server);
    evhttp_free(server->evhttp);
    evbuffer_free(server->scratch);
    if (server->spare >= 0)
        close(server->spare);
    timer_free(server->accept_again);
    timer_free(server->sweep);
    event_free(server->turn_end);
    http_router_free(server->router);
    free(server);
}
