/* What the files of the HTTP server share: a server has connections, a connection has at most one request at
 * a time. Everything lives on the loop's thread. Private to net/. */
#ifndef LUNETTE_NET_HTTP_INTERNAL_H
#define LUNETTE_NET_HTTP_INTERNAL_H

#include <netinet/in.h>
#include <sys/queue.h>
#include <time.h>

#include <event2/keyvalq_struct.h>

#include "base/arena.h"
#include "base/vec.h"
#include "loop/loop.h"
#include "loop/thread.h"
#include "net/http_guard.h"
#include "net/http_router.h"
#include "net/http_server.h"

struct bufferevent;
struct event;
struct evbuffer;
struct evhttp;
struct evhttp_bound_socket;
struct evhttp_connection;
struct evhttp_request;

enum { HTTP_PADDING = 64 }; /* zero bytes behind a body, so that a parser may read past its end */

struct http_pair {
    struct str name, value;
};

struct http_request {
    struct http_connection *connection;
    struct arena *arena; /* everything decoded, and the fields of the response */
    const char *raw;     /* the head, as it came */
    enum http_method method;
    struct str path, encoded_path;
    VEC(struct http_pair) query;
    const struct http_route *route;
    struct http_params params;
    struct buf body;
    char id[33];
    int64_t started;
    struct evhttp_request *evhttp; /* once evhttp has it */
    struct evkeyvalq response_fields;
    void *user;
    void (*drop_user)(void *user);
    bool kept;
    void (*gone)(struct http_request *request, void *arg);
    void *gone_arg;
};

enum http_state {
    HTTP_STATE_HEAD,    /* reading a head, or idle */
    HTTP_STATE_BODY,    /* reading a body for the request */
    HTTP_STATE_ANSWER,  /* the handler has the request */
    HTTP_STATE_WRITE,   /* the response goes out */
    HTTP_STATE_DISCARD, /* answered early: the body is read and thrown away */
    HTTP_STATE_LINGER, /* nothing more to say: waits for the client to close, so that it reads the response */
    HTTP_STATE_DEAD,   /* closed; freed at the end of the turn */
};

struct http_connection {
    struct http_connection *next, **link; /* in server->connections */
    struct http_connection *later;        /* in server->later */
    bool is_later;
    struct http_server *server;
    struct bufferevent *socket;       /* carries the descriptor; the reading and writing is ours */
    struct bufferevent *filter;       /* evhttp's: given whole requests, emptied into the socket */
    struct evhttp_connection *evhttp; /* NULL before the first request */
    int fd;
    struct event *readable, *writable; /* NULL before the beginning */
    struct evbuffer *in;               /* what was not looked at yet */
    bool surplus, reading;
    enum http_state state;
    bool processing; /* http_connection_run is on the stack */
    bool paused, eof, close_after, discard_after, head_started, continue_owed;
    int64_t deadline;
    int waiting; /* bytes in the kernel that the client had not taken when we last looked */
    size_t lingered;
    struct http_head head;
    struct http_body body;
    struct http_request *request;
    char peer[INET6_ADDRSTRLEN];
    bool peer_is_loopback;
};

struct http_listener {
    struct http_listener *next;
    struct evhttp_bound_socket *bound;
};

struct http_server {
    struct loop *loop;
    struct owner owner;
    struct http_limits limits;
    struct http_hooks hooks;
    struct http_router *router;
    struct http_listener *listeners;
    struct http_server *next_accepting; /* on this thread */
    bool accepting, out_of_descriptors;
    struct timer *accept_again; /* where the process ran out of descriptors */
    struct evhttp *evhttp;
    struct http_request *passing; /* evhttp is being given this one */
    struct evbuffer *scratch;
    struct http_connection *connections;
    struct http_connection *later; /* for the end of the turn: new ones, and those to be freed */
    int spare;                     /* a descriptor of nothing */
    size_t count;
    struct timer *sweep; /* deadlines */
    bool sweeping;
    int64_t sweep_ns;
    struct event *turn_end;
    bool draining;
    int64_t drain_limit, idle_until;
    void (*drained)(void *arg);
    void *drained_arg;
};

/* http_connection.c */
/* surplus: it is one too many, and will be told so. */
struct http_connection *http_connection_new(struct http_server *server, bool surplus);
/* Once it has its descriptor. */
void http_connection_begin(struct http_connection *connection);
/* Takes the steps that are possible now. */
void http_connection_run(struct http_connection *connection);
void http_connection_close(struct http_connection *connection);
void http_connection_free(struct http_connection *connection); /* once closed */
void http_connection_expire(struct http_connection *connection, int64_t now);
/* Gives its request to evhttp. False where evhttp did not take it: the connection is closed then. */
bool http_connection_pass(struct http_connection *connection);
/* Decides whether the connection can go on after the response. */
void http_connection_answering(struct http_connection *connection);
/* Frees the request and sends the body, which is in two parts. */
void http_connection_answer(struct http_connection *connection, int status, const char *reason,
                            const struct str parts[2]);
/* Gives the descriptor (-1: the process has none left) and the unread bytes away; the connection is dead. */
int http_connection_release(struct http_connection *connection, struct buf *unread);

/* http_serve.c */
/* The head is whole: routes, asks the guard, maybe answers at once. */
void http_serve_head(struct http_connection *connection);
/* The body is whole: calls the handler. */
void http_serve_body(struct http_connection *connection);
/* There is no request to answer: the head was refused, or the server is full. */
void http_serve_refusal(struct http_connection *connection, int status, const char *detail);

/* http_request.c */
struct http_request *http_request_new(struct http_connection *connection, struct str head);
void http_request_free(struct http_request *request);
/* What evhttp gets to read: the request in one form of our own making, so that the two of us cannot
 * understand it differently. The body is lent, not copied. */
void http_request_render(const struct http_request *request, struct evbuffer *out);

/* http_target.c: fills path and query; -1 where they may not be served (400). */
int http_target_decode(struct http_request *request, struct str target);
bool http_params_decode(struct http_request *request);
/* The part of a target that is a path and a query; empty where an absolute one has none. */
struct str http_target_local(struct str target);

/* http_response.c */
void http_format_date(time_t time, char out[32]);

/* http_server.c */
void http_server_removed(struct http_server *server, struct http_connection *connection);

#endif
