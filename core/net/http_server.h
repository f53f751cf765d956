/* HTTP/1.1 server on evhttp: one per worker, on its loop, all accepting from one listening socket. In front
 * of evhttp stands a strict reader (http_guard.h): what could smuggle or stall is refused and the connection
 * closed before evhttp sees a byte of it (RFC 9112). What is accepted evhttp gets one request at a time, in a
 * form written anew, so that it cannot be understood in two ways. Handlers run on the worker; they answer at
 * once, or keep the request and answer later on the same thread. Requests of one connection are answered one
 * after the other, pipelined ones too. Everything is called on the loop's thread unless said otherwise.
 */
#ifndef LUNETTE_NET_HTTP_SERVER_H
#define LUNETTE_NET_HTTP_SERVER_H

#include "base/buf.h"
#include "base/err.h"
#include "loop/loop.h"

struct http_server;
struct http_request;

struct http_limits {
    size_t request_line, header_bytes, header_count, body, inflated; /* 8 KiB, 32 KiB, 100, 8 MiB, 64 MiB */
    unsigned inflate_ratio;                                          /* 50 */
    int64_t header_ns, body_ns, idle_ns;                             /* 10 s, 30 s, 60 s */
    size_t connections; /* 4,096 in the process; beyond: 503, closed */
};
extern const struct http_limits http_limits_default;

enum http_method {
    HTTP_GET = 1,
    HTTP_POST = 2,
    HTTP_PUT = 4,
    HTTP_PATCH = 8,
    HTTP_DELETE = 16,
    HTTP_HEAD = 32,
    HTTP_OPTIONS = 64
};

struct http_route {
    enum http_method method;
    const char *pattern; /* "/api/threats/{id}"; a last "{path*}" takes the rest */
    void (*handle)(struct http_request *request, void *context);
    unsigned access; /* the application's; given to the guard */
    bool streams;    /* unused yet: 0 */
};

struct http_hooks {
    void *context; /* passed to guard, observe and every handler */
    /* After routing, as soon as the head is whole and before any of the body is read: true to go on; false
     * when it has answered itself. May be NULL. */
    bool (*guard)(struct http_request *request, const struct http_route *route, void *context);
    /* After each response. route is NULL where none matched; method is 0 and the path empty where the head
     * was refused. May be NULL. */
    void (*observe)(const struct http_request *request, const struct http_route *route, int status,
                    int64_t ns, void *context);
};

/* Binds and listens ("127.0.0.1:8080", "[::1]:0"); the fd is shared by all workers, closed by the caller.
 * *port gets the port chosen. */
int http_listen(const char *address, int *fd, int *port, struct err *err);

struct http_server *http_server_new(struct loop *loop, const struct http_limits *limits,
                                    const struct http_route *routes, size_t route_count,
                                    const struct http_hooks *hooks);
/* Accepts on a dup of fd. May be called for several listeners. */
int http_server_accept(struct http_server *server, int fd, struct err *err);
/* Stops accepting, answers what is under way and what still comes on open connections with `Connection:
 * close`, closes connections that stay idle for a second, calls done once none is left; what is left after
 * limit_ns is closed. */
void http_server_drain(struct http_server *server, int64_t limit_ns, void (*done)(void *arg), void *arg);
void http_server_free(struct http_server *server); /* open connections are closed */
size_t http_server_connections(void);              /* open in the process; any thread */

/* The request; borrowed strings live until it is answered. */
enum http_method http_method(const struct http_request *request);
const char *http_method_name(enum http_method method);
struct str http_path(const struct http_request *request);                     /* decoded, no query */
struct str http_header(const struct http_request *request, const char *name); /* ptr NULL when absent */
struct str http_param(const struct http_request *request, const char *name);  /* of the pattern, decoded */
/* Query parameter, decoded; ptr NULL when absent; the first where it is given twice. */
struct str http_query(const struct http_request *request, const char *name);
/* Visits the query's names in order; false at the end: to refuse unknown ones. */
bool http_query_next(const struct http_request *request, size_t *at, struct str *name, struct str *value);
/* The body, gzip already inflated; followed by 64 readable zero bytes. `http_take_body` gives the buffer
 * away. */
struct str http_body(const struct http_request *request);
struct buf http_take_body(struct http_request *request);
const char *http_peer(const struct http_request *request); /* address without port */
bool http_peer_is_loopback(const struct http_request *request);
const char *
http_request_id(const struct http_request *request); /* 32 hex: trace id (W3C traceparent honoured) */
/* The application's own pointer, for guard -> handler (who is it). */
void http_set_user(struct http_request *request, void *user, void (*drop)(void *user));
void *http_user(const struct http_request *request);

/* Answering, once. The body is copied or taken; the request is gone afterwards. */
/* Of the response. A value with a control character is left out and logged. */
void http_set_header(struct http_request *request, const char *name, const char *value);
void http_respond(struct http_request *request, int status, const char *content_type, struct str body);
void http_respond_json(struct http_request *request, int status, struct str body);
/* application/problem+json (RFC 9457); `field` and `reason` (may be NULL) make errors[]. 429 and 503 get
 * Retry-After: 1 where http_set_header has not set another. */
void http_problem(struct http_request *request, int status, const char *detail);
void http_problem_field(struct http_request *request, int status, const char *detail, const char *field,
                        const char *reason);
void http_problem_err(struct http_request *request, const struct err *err); /* status from the code */
/* Keep for a later answer: `gone` tells that the client left (the request must then not be answered; it may
 * still be read during that call, and is freed after it). A client that closes its sending side has left. */
void http_keep(struct http_request *request, void (*gone)(struct http_request *request, void *arg),
               void *arg);
/* Back-pressure: stop and go on reading from this request's connection. Ends with the answer. */
void http_pause(struct http_request *request, bool pause);

/* A folder of static files: content type by ending, ETag, Last-Modified, no dot files, no links, nothing
 * outside `root`, nothing above 64 MiB. index.html for "/" and for paths without a dot (single-page
 * application). False: nothing found and nothing sent. */
bool http_respond_file(struct http_request *request, const char *root, struct str path);

/* Hands the connection over to a WebSocket server, within the call or while the request is kept: `taken` gets
 * the descriptor (it owns it; -1: the process has none left, the client is cut off) and what the client
 * already sent behind the request. The request is gone. */
void http_take_connection(struct http_request *request, void (*taken)(int fd, struct buf *extra, void *arg),
                          void *arg);

#endif
