#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/sockios.h>

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/http.h>

#include "base/clock.h"
#include "base/log.h"
#include "net/http_internal.h"

enum {
    READ_HEAD = 4096,
    READ_BODY = 256 * 1024,
    READ_REST = 64 * 1024,
    READ_AHEAD = 64 * 1024, /* while a handler has the request: more is left in the kernel */
    LINGER_BYTES = 16 * 1024 * 1024,
    DISCARD_BYTES = 1024 * 1024, /* a larger body is not worth reading to save the connection */
    PIECES = 16,
};
#define LINGER_NS (2 * NS_PER_S)

/* ---- events ---- */

static bool wants_read(const struct http_connection *c)
{
    if (c->eof)
        return false;
    switch (c->state) {
    case HTTP_STATE_ANSWER:
        return !c->paused && evbuffer_get_length(c->in) < READ_AHEAD;
    case HTTP_STATE_WRITE:
    case HTTP_STATE_DEAD:
        return false;
    default:
        return true;
    }
}

static void rearm(struct http_connection *c)
{
    bool wanted = wants_read(c);
    if (c->reading == wanted)
        return;
    c->reading = wanted;
    if (wanted)
        event_add(c->readable, NULL);
    else
        event_del(c->readable);
}

/* ---- the end ---- */

/* What is left may still be in use further up the stack, and goes at the end of the turn. */
static void bury(struct http_connection *c)
{
    c->state = HTTP_STATE_DEAD;
    if (c->readable) {
        event_free(c->readable);
        event_free(c->writable);
    }
    http_server_removed(c->server, c);
}

void http_connection_close(struct http_connection *c)
{
    if (c->state == HTTP_STATE_DEAD)
        return;
    bury(c);
    struct http_request *request = c->request;
    c->request = NULL;
    if (request && request->kept && request->gone)
        request->gone(request, request->gone_arg);
    if (request)
        http_request_free(request);
}

/* evhttp shuts down and closes the number it was given: another file lies under it by then. */
int http_connection_release(struct http_connection *c, struct buf *rest)
{
    size_t len = evbuffer_get_length(c->in);
    evbuffer_remove(c->in, buf_reserve(rest, len), len);
    buf_grew(rest, len);
    http_request_free(c->request);
    c->request = NULL;
    bury(c);
    int fd = fcntl(c->fd, F_DUPFD_CLOEXEC, 3);
    if (fd >= 0 && dup3(c->server->spare, c->fd, O_CLOEXEC) < 0) {
        close(fd);
        fd = -1;
    }
    return fd;
}

/* Before its first request evhttp shows nobody the connection: it is told that the client left. */
void http_connection_free(struct http_connection *c)
{
    if (c->evhttp)
        evhttp_connection_free(c->evhttp);
    else
        bufferevent_trigger_event(c->filter, BEV_EVENT_READING | BEV_EVENT_EOF, 0);
}

static void on_free(void *arg)
{
    struct http_connection *c = arg;
    INVARIANT(c->state == HTTP_STATE_DEAD);
    http_head_free(&c->head);
    evbuffer_free(c->in);
    bufferevent_free(c->socket);
    free(c);
}

/* ---- to evhttp and out ---- */

static void enter(struct http_connection *c, enum http_state state)
{
    int64_t now = clock_monotonic();
    const struct http_limits *limits = &c->server->limits;
    c->state = state;
    switch (state) {
    case HTTP_STATE_HEAD:
        c->deadline = now + limits->idle_ns;
        c->head_started = false;
        http_head_reset(&c->head);
        break;
    case HTTP_STATE_BODY:
    case HTTP_STATE_DISCARD:
    case HTTP_STATE_WRITE:
        c->deadline = now + limits->body_ns;
        break;
    case HTTP_STATE_LINGER:
        c->deadline = now + LINGER_NS;
        break;
    default:
        c->deadline = INT64_MAX;
    }
}

static int waiting_in_kernel(const struct http_connection *c)
{
    int bytes = 0;
    return ioctl(c->fd, SIOCOUTQ, &bytes) == 0 ? bytes : 0;
}

static void note_progress(struct http_connection *c)
{
    c->waiting = waiting_in_kernel(c);
    c->deadline = clock_monotonic() + c->server->limits.body_ns;
}

static ssize_t send_some(int fd, struct evbuffer *out)
{
    struct evbuffer_iovec pieces[PIECES];
    int count = evbuffer_peek(out, -1, NULL, pieces, PIECES);
    struct msghdr message = {.msg_iov = pieces, .msg_iovlen = (size_t)(count < PIECES ? count : PIECES)};
    ssize_t sent = sendmsg(fd, &message, MSG_NOSIGNAL);
    if (sent > 0)
        evbuffer_drain(out, (size_t)sent);
    return sent;
}

/* evhttp takes what has left its buffer for sent, and goes on: so nothing leaves it but into the kernel. */
static void send_out(struct http_connection *c)
{
    struct evbuffer *out = bufferevent_get_output(c->filter);
    while (evbuffer_get_length(out)) {
        if (send_some(c->fd, out) >= 0 || errno == EINTR)
            continue;
        if (errno != EAGAIN && errno != EWOULDBLOCK) {
            http_connection_close(c);
            return;
        }
        event_add(c->writable, NULL);
        note_progress(c);
        return;
    }
    bufferevent_trigger(c->filter, EV_WRITE, 0);
}

static void on_writable(evutil_socket_t fd, short what, void *arg)
{
    (void)fd, (void)what;
    send_out(arg);
    http_connection_run(arg);
}

static void start_linger(struct http_connection *c)
{
    shutdown(c->fd, SHUT_WR);
    evbuffer_drain(c->in, evbuffer_get_length(c->in));
    if (c->eof)
        http_connection_close(c);
    else
        enter(c, HTTP_STATE_LINGER);
}

/* evhttp would close at once where the answer says so, and what the client still sends would cost it the
 * answer: closing is up to us. */
static void on_sent(struct evhttp_request *answered, void *arg)
{
    struct http_connection *c = arg;
    evhttp_remove_header(evhttp_request_get_output_headers(answered), "Connection");
    if (c->state != HTTP_STATE_WRITE)
        return;
    if (c->close_after)
        start_linger(c);
    else
        enter(c, c->discard_after ? HTTP_STATE_DISCARD : HTTP_STATE_HEAD);
    c->discard_after = false;
}

bool http_connection_pass(struct http_connection *c)
{
    c->server->passing = c->request;
    http_request_render(c->request, bufferevent_get_input(c->filter));
    bufferevent_trigger(c->filter, EV_READ, 0);
    c->server->passing = NULL;
    struct evhttp_request *evhttp = c->request->evhttp;
    if (!evhttp) {
        LOG(LOG_ERROR, "http.not_understood", log_text("id", c->request->id));
        http_connection_close(c);
        return false;
    }
    struct evbuffer *body = evhttp_request_get_input_buffer(evhttp);
    evbuffer_drain(body, evbuffer_get_length(body)); /* it is the request's own memory */
    evhttp_request_set_on_complete_cb(evhttp, on_sent, c);
    c->evhttp = evhttp_request_get_connection(evhttp);
    return true;
}

/* ---- steps: each returns true where the next may be taken at once ---- */

static void refuse(struct http_connection *c, struct http_refusal refusal)
{
    http_serve_refusal(c, refusal.status, refusal.detail);
}

static bool step_head(struct http_connection *c)
{
    size_t len = evbuffer_get_length(c->in);
    if (len > 0 && !c->head_started) {
        c->head_started = true;
        c->deadline = clock_monotonic() + c->server->limits.header_ns;
    }
    struct str bytes = {(const char *)evbuffer_pullup(c->in, -1), len};
    switch (http_head_feed(&c->head, bytes, &c->server->limits)) {
    case HTTP_STEP_MORE:
        if (c->eof)
            http_connection_close(c);
        return false;
    case HTTP_STEP_REFUSED:
        refuse(c, c->head.refusal);
        return true;
    default:
        c->close_after = !c->head.keep_alive;
        c->request = http_request_new(c, (struct str){bytes.ptr, c->head.length});
        evbuffer_drain(c->in, c->head.length);
        enter(c, HTTP_STATE_BODY);
        http_body_start(&c->body, &c->head, &c->server->limits);
        c->continue_owed = c->head.expect_continue;
        http_serve_head(c);
        return true;
    }
}

/* A client that waits for leave gets it only now that the head was accepted, and not where the body is here
 * already. The few bytes find room: nothing else was sent since the last response was taken by the kernel. */
static void give_leave(struct http_connection *c)
{
    static const char leave[] = "HTTP/1.1 100 Continue\r\n\r\n";
    c->continue_owed = false;
    ssize_t sent = send(c->fd, leave, sizeof leave - 1, MSG_NOSIGNAL);
    if (sent != (ssize_t)sizeof leave - 1)
        http_connection_close(c);
}

static enum http_step feed_body(struct http_connection *c, struct buf *out)
{
    for (;;) {
        size_t len = evbuffer_get_contiguous_space(c->in);
        struct str bytes = {(const char *)evbuffer_pullup(c->in, (ev_ssize_t)len), len};
        enum http_step step = http_body_feed(&c->body, &bytes, out);
        evbuffer_drain(c->in, len - bytes.len);
        if (step != HTTP_STEP_MORE || len == 0)
            return step;
    }
}

static bool step_body(struct http_connection *c)
{
    enum http_step step = feed_body(c, &c->request->body);
    if (step == HTTP_STEP_DONE) {
        if (!http_connection_pass(c))
            return false;
        enter(c, HTTP_STATE_ANSWER);
        http_serve_body(c);
        return true;
    }
    if (step == HTTP_STEP_REFUSED) {
        http_request_free(c->request);
        c->request = NULL;
        refuse(c, c->body.refusal);
        return true;
    }
    if (c->eof) {
        http_connection_close(c);
        return false;
    }
    if (c->continue_owed && c->body.total == 0)
        give_leave(c);
    return false;
}

static bool step_discard(struct http_connection *c)
{
    enum http_step step = feed_body(c, NULL);
    if (step == HTTP_STEP_DONE) {
        enter(c, HTTP_STATE_HEAD);
        return true;
    }
    if (step == HTTP_STEP_REFUSED || c->eof)
        http_connection_close(c);
    return false;
}

static bool step(struct http_connection *c)
{
    switch (c->state) {
    case HTTP_STATE_HEAD:
        return step_head(c);
    case HTTP_STATE_BODY:
        return step_body(c);
    case HTTP_STATE_DISCARD:
        return step_discard(c);
    default:
        return false;
    }
}

/* A handler that answers at once comes back here from inside a step: the loop that is running goes on with
 * it, so a thousand pipelined requests need no more stack than one. */
void http_connection_run(struct http_connection *c)
{
    if (c->processing)
        return;
    c->processing = true;
    while (step(c))
        ;
    c->processing = false;
    if (c->state != HTTP_STATE_DEAD)
        rearm(c);
}

/* ---- the answer ---- */

void http_connection_answering(struct http_connection *c)
{
    bool early = c->state == HTTP_STATE_BODY && (c->head.chunked || c->head.content_length > 0);
    if (early && (c->continue_owed || c->head.chunked || c->head.content_length > DISCARD_BYTES))
        c->close_after = true;
    if (c->server->draining)
        c->close_after = true;
    c->discard_after = early && !c->close_after;
}

void http_connection_answer(struct http_connection *c, int status, const char *reason,
                            const struct str parts[2])
{
    struct evhttp_request *evhttp = c->request->evhttp;
    for (size_t i = 0; i < 2; i++)
        evbuffer_add(c->server->scratch, parts[i].ptr, parts[i].len); /* may be the request's */
    http_request_free(c->request);
    c->request = NULL;
    c->continue_owed = false;
    c->paused = false;
    enter(c, HTTP_STATE_WRITE);
    evhttp_send_reply(evhttp, status, reason, c->server->scratch);
    send_out(c);
    http_connection_run(c);
}

void http_connection_expire(struct http_connection *c, int64_t now)
{
    if (now < c->deadline)
        return;
    if (c->state == HTTP_STATE_HEAD && c->head_started) {
        refuse(c, (struct http_refusal){408, "the head of the request did not come in time"});
    } else if (c->state == HTTP_STATE_BODY) {
        http_request_free(c->request);
        c->request = NULL;
        refuse(c, (struct http_refusal){408, "the body of the request did not come in time"});
    } else if (c->state == HTTP_STATE_WRITE && waiting_in_kernel(c) < c->waiting) {
        /* a slow client: the kernel asks for more only once a good part of its buffer is free */
        note_progress(c);
    } else {
        http_connection_close(c);
    }
}

/* ---- bytes ---- */

static void throw_away(struct http_connection *c)
{
    size_t len = evbuffer_get_length(c->in);
    evbuffer_drain(c->in, len);
    c->lingered += len;
    if (c->lingered > LINGER_BYTES)
        http_connection_close(c);
}

/* Data of a body goes straight to where it belongs. */
static ssize_t receive_body(struct http_connection *c, size_t plain)
{
    struct buf *body = &c->request->body;
    size_t grown = body->len > READ_BODY ? body->len : READ_BODY;
    size_t room = plain < grown ? plain : grown;
    ssize_t got = recv(c->fd, buf_reserve(body, room + HTTP_PADDING), room, 0);
    if (got > 0) {
        buf_grew(body, (size_t)got);
        http_body_took(&c->body, (uint64_t)got);
    }
    return got;
}

static ssize_t receive(struct http_connection *c)
{
    struct evbuffer_iovec room;
    uint64_t plain = http_body_plain(&c->body);
    if (c->state == HTTP_STATE_BODY && evbuffer_get_length(c->in) == 0 && plain > 0)
        return receive_body(c, (size_t)plain);
    evbuffer_reserve_space(c->in, c->state == HTTP_STATE_HEAD ? READ_HEAD : READ_REST, &room, 1);
    ssize_t got = recv(c->fd, room.iov_base, room.iov_len, 0);
    room.iov_len = got > 0 ? (size_t)got : 0;
    evbuffer_commit_space(c->in, &room, 1);
    return got;
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
    (void)fd, (void)what;
    struct http_connection *c = arg;
    owner_check(&c->server->owner, "an HTTP connection");
    bool lingers = c->state == HTTP_STATE_LINGER;
    ssize_t got = receive(c);
    if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR))
        return;
    c->eof = got <= 0;
    if (got < 0 || (c->eof && (lingers || c->state == HTTP_STATE_ANSWER)))
        http_connection_close(c);
    else if (lingers)
        throw_away(c);
    else
        http_connection_run(c);
}

/* ---- the beginning ---- */

static void take_peer(struct http_connection *c)
{
    struct sockaddr_storage address = {0};
    socklen_t len = sizeof address;
    getpeername(c->fd, (struct sockaddr *)&address, &len);
    const struct sockaddr *peer = (const void *)&address;
    const struct sockaddr_in *v4 = (const void *)peer;
    const struct sockaddr_in6 *v6 = (const void *)peer;
    struct in_addr mapped;
    if (peer->sa_family == AF_INET6 && !IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr)) {
        inet_ntop(AF_INET6, &v6->sin6_addr, c->peer, sizeof c->peer);
        c->peer_is_loopback = IN6_IS_ADDR_LOOPBACK(&v6->sin6_addr);
        return;
    }
    if (peer->sa_family == AF_INET6)
        memcpy(&mapped, &v6->sin6_addr.s6_addr[12], sizeof mapped);
    else if (peer->sa_family == AF_INET)
        mapped = v4->sin_addr;
    else
        return;
    inet_ntop(AF_INET, &mapped, c->peer, sizeof c->peer);
    c->peer_is_loopback = ntohl(mapped.s_addr) >> 24 == 127;
}

/* Between the socket and evhttp nothing flows by itself. */
static enum bufferevent_filter_result hold(struct evbuffer *from, struct evbuffer *to, ev_ssize_t limit,
                                           enum bufferevent_flush_mode mode, void *arg)
{
    (void)from, (void)to, (void)limit, (void)mode, (void)arg;
    return BEV_NEED_MORE;
}

struct http_connection *http_connection_new(struct http_server *server, bool surplus)
{
    struct http_connection *c = mem_zalloc(1, sizeof *c);
    c->server = server;
    c->surplus = surplus;
    c->socket = bufferevent_socket_new(loop_base(server->loop), -1, 0);
    c->filter = bufferevent_filter_new(c->socket, hold, hold, 0, on_free, c);
    bufferevent_disable(c->socket, EV_READ | EV_WRITE);
    c->in = evbuffer_new();
    enter(c, HTTP_STATE_HEAD);
    return c;
}

void http_connection_begin(struct http_connection *c)
{
    struct event_base *base = loop_base(c->server->loop);
    c->fd = bufferevent_getfd(c->socket);
    c->readable = event_new(base, c->fd, EV_READ | EV_PERSIST, on_readable, c);
    c->writable = event_new(base, c->fd, EV_WRITE, on_writable, c);
    take_peer(c);
    if (c->surplus)
        refuse(c, (struct http_refusal){503, "this server has as many connections as it accepts"});
    http_connection_run(c);
}
