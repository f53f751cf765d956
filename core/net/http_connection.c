#include <arpa/inet.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/sockios.h>

#include <event2/event.h>

#include "base/clock.h"
#include "net/http_internal.h"

enum {
    READ_HEAD = 4096,
    READ_BODY = 256 * 1024,
    READ_AHEAD = 64 * 1024, /* while a handler has the request: more is left in the kernel */
    KEEP_BUFFER = 64 * 1024,
    LINGER_BYTES = 16 * 1024 * 1024,
    DISCARD_BYTES = 1024 * 1024, /* a larger body is not worth reading to save the connection */
};
#define LINGER_NS (2 * NS_PER_S)

static struct str unread(const struct http_connection *c)
{
    return (struct str){c->in.ptr + c->in_at, c->in.len - c->in_at};
}

static void used(struct http_connection *c, size_t count)
{
    c->in_at += count;
    if (c->in_at < c->in.len)
        return;
    c->in_at = 0;
    buf_clear(&c->in);
    if (c->in.cap > KEEP_BUFFER)
        buf_free(&c->in);
}

/* ---- events ---- */

static bool wants_read(const struct http_connection *c)
{
    if (c->eof)
        return false;
    switch (c->state) {
    case HTTP_STATE_ANSWER:
        return !c->paused && c->in.len - c->in_at < READ_AHEAD;
    case HTTP_STATE_WRITE:
    case HTTP_STATE_DEAD:
        return false;
    default:
        return true;
    }
}

static void set_event(struct event *event, bool *added, bool wanted)
{
    if (*added == wanted)
        return;
    *added = wanted;
    if (wanted)
        event_add(event, NULL);
    else
        event_del(event);
}

static void rearm(struct http_connection *c)
{
    set_event(c->readable, &c->reading, wants_read(c));
    set_event(c->writable, &c->writing, c->state == HTTP_STATE_WRITE);
}

/* ---- the end ---- */

/* Everything but the memory: that may still be in use further up the stack, and goes at the end of the turn.
 */
static int detach(struct http_connection *c)
{
    int fd = c->fd;
    c->fd = -1;
    event_free(c->readable);
    event_free(c->writable);
    c->state = HTTP_STATE_DEAD;
    http_server_removed(c->server, c);
    return fd;
}

void http_connection_close(struct http_connection *c)
{
    if (c->state == HTTP_STATE_DEAD)
        return;
    close(detach(c));
    struct http_request *request = c->request;
    c->request = NULL;
    if (request && request->kept && request->gone)
        request->gone(request, request->gone_arg);
    if (request)
        http_request_free(request);
}

int http_connection_release(struct http_connection *c, struct buf *rest)
{
    struct str bytes = unread(c);
    buf_add(rest, bytes.ptr, bytes.len);
    http_request_free(c->request);
    c->request = NULL;
    return detach(c);
}

void http_connection_free(struct http_connection *c)
{
    http_head_free(&c->head);
    buf_free(&c->in);
    buf_free(&c->out);
    free(c);
}

/* ---- steps: each returns true where the next may be taken at once ---- */

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

static void refuse(struct http_connection *c, struct http_refusal refusal)
{
    http_serve_refusal(c, refusal.status, refusal.detail);
}

static bool step_head(struct http_connection *c)
{
    struct str bytes = unread(c);
    if (bytes.len == 0) {
        if (c->eof)
            http_connection_close(c);
        return false;
    }
    if (!c->head_started) {
        c->head_started = true;
        c->deadline = clock_monotonic() + c->server->limits.header_ns;
    }
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
        used(c, c->head.length);
        enter(c, HTTP_STATE_BODY);
        http_body_start(&c->body, &c->head, &c->server->limits);
        c->continue_owed = c->head.expect_continue;
        http_serve_head(c);
        return true;
    }
}

/* A client that waits for leave gets it only now that the head was accepted, and not where the body is here
 * already. The few bytes find room: nothing else was sent since the last response was taken by the kernel. */
static bool give_leave(struct http_connection *c)
{
    static const char leave[] = "HTTP/1.1 100 Continue\r\n\r\n";
    c->continue_owed = false;
    ssize_t sent = send(c->fd, leave, sizeof leave - 1, MSG_NOSIGNAL);
    if (sent == (ssize_t)sizeof leave - 1)
        return true;
    http_connection_close(c);
    return false;
}

static enum http_step feed_body(struct http_connection *c, struct buf *out)
{
    struct str bytes = unread(c);
    size_t before = bytes.len;
    enum http_step step = http_body_feed(&c->body, &bytes, out);
    used(c, before - bytes.len);
    return step;
}

static bool step_body(struct http_connection *c)
{
    enum http_step step = feed_body(c, &c->request->body);
    if (step == HTTP_STEP_DONE) {
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

static void start_linger(struct http_connection *c)
{
    shutdown(c->fd, SHUT_WR);
    used(c, c->in.len - c->in_at);
    if (c->eof)
        http_connection_close(c);
    else
        enter(c, HTTP_STATE_LINGER);
}

static bool written(struct http_connection *c)
{
    c->out_at = 0;
    buf_clear(&c->out);
    if (c->out.cap > KEEP_BUFFER)
        buf_free(&c->out);
    if (c->close_after) {
        start_linger(c);
        return false;
    }
    enter(c, c->discard_after ? HTTP_STATE_DISCARD : HTTP_STATE_HEAD);
    c->discard_after = false;
    return true;
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

static bool step_write(struct http_connection *c)
{
    while (c->out_at < c->out.len) {
        ssize_t sent = send(c->fd, c->out.ptr + c->out_at, c->out.len - c->out_at, MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR)
            continue;
        if (sent < 0) {
            if (errno != EAGAIN && errno != EWOULDBLOCK)
                http_connection_close(c);
            else
                note_progress(c);
            return false;
        }
        c->out_at += (size_t)sent;
    }
    return written(c);
}

static bool step(struct http_connection *c)
{
    switch (c->state) {
    case HTTP_STATE_HEAD:
        return step_head(c);
    case HTTP_STATE_BODY:
        return step_body(c);
    case HTTP_STATE_WRITE:
        return step_write(c);
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

void http_connection_answering(struct http_connection *c)
{
    bool early = c->state == HTTP_STATE_BODY && (c->head.chunked || c->head.content_length > 0);
    if (early && (c->continue_owed || c->head.chunked || c->head.content_length > DISCARD_BYTES))
        c->close_after = true;
    if (c->server->draining)
        c->close_after = true;
    c->discard_after = early && !c->close_after;
}

void http_connection_answered(struct http_connection *c)
{
    c->request = NULL;
    c->continue_owed = false;
    c->paused = false;
    enter(c, HTTP_STATE_WRITE);
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
        note_progress(
            c); /* a slow client: the kernel asks for more only once a good part of its buffer is free */
    } else {
        http_connection_close(c);
    }
}

/* ---- bytes ---- */

/* Where the next bytes go, and how many fit. */
static struct buf *read_target(struct http_connection *c, size_t *room)
{
    uint64_t plain = http_body_plain(&c->body);
    if (c->state == HTTP_STATE_BODY && c->in.len == c->in_at && plain > 0) {
        size_t grown = c->request->body.len > READ_BODY ? c->request->body.len : READ_BODY;
        *room = plain < grown ? (size_t)plain : grown;
        return &c->request->body;
    }
    *room = c->state == HTTP_STATE_BODY || c->state == HTTP_STATE_DISCARD ? READ_BODY / 4 : READ_HEAD;
    return &c->in;
}

static void make_room(struct http_connection *c)
{
    if (c->in_at == 0)
        return;
    memmove(c->in.ptr, c->in.ptr + c->in_at, c->in.len - c->in_at);
    c->in.len -= c->in_at;
    c->in_at = 0;
}

static ssize_t receive(struct http_connection *c)
{
    size_t room;
    struct buf *target = read_target(c, &room);
    if (target == &c->in)
        make_room(c);
    ssize_t got = recv(c->fd, buf_reserve(target, room + HTTP_PADDING), room, 0);
    if (got <= 0)
        return got;
    buf_grew(target, (size_t)got);
    if (target != &c->in)
        http_body_took(&c->body, (uint64_t)got);
    return got;
}

static ssize_t throw_away(struct http_connection *c)
{
    char bytes[16384];
    ssize_t got = recv(c->fd, bytes, sizeof bytes, 0);
    if (got > 0)
        c->lingered += (size_t)got;
    return c->lingered > LINGER_BYTES ? 0 : got;
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
    (void)fd, (void)what;
    struct http_connection *c = arg;
    owner_check(&c->server->owner, "an HTTP connection");
    bool lingers = c->state == HTTP_STATE_LINGER;
    ssize_t got = lingers ? throw_away(c) : receive(c);
    if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR))
        return;
    if (got < 0 || (got == 0 && (lingers || c->state == HTTP_STATE_ANSWER))) {
        http_connection_close(c);
        return;
    }
    c->eof = got == 0;
    http_connection_run(c);
}

static void on_writable(evutil_socket_t fd, short what, void *arg)
{
    (void)fd, (void)what;
    http_connection_run(arg);
}

/* ---- the beginning ---- */

static void take_peer(struct http_connection *c, const struct sockaddr *peer)
{
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

void http_connection_new(struct http_server *server, int fd, const struct sockaddr *peer, bool surplus)
{
    struct http_connection *c = mem_zalloc(1, sizeof *c);
    c->server = server;
    c->fd = fd;
    take_peer(c, peer);
    struct event_base *base = loop_base(server->loop);
    c->readable = event_new(base, fd, EV_READ | EV_PERSIST, on_readable, c);
    c->writable = event_new(base, fd, EV_WRITE | EV_PERSIST, on_writable, c);
    http_server_added(server, c);
    enter(c, HTTP_STATE_HEAD);
    if (surplus)
        refuse(c, (struct http_refusal){503, "this server has as many connections as it accepts"});
    else
        rearm(c);
}
