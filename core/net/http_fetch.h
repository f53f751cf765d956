/* An asynchronous HTTP client over libcurl, for models, intelligence feeds and webhooks: one per worker, on
 * that worker's loop, and everything here is called on its thread. HTTP/2 where https offers it, else
 * HTTP/1.1 with connections kept for reuse; http and https only, certificates verified, no redirects, no
 * cookies, no proxy unless one is named, no decompression. Nothing of a request or an answer is ever logged,
 * and error texts hold no header, no body and of the URL at most the host. */
#ifndef LUNETTE_NET_HTTP_FETCH_H
#define LUNETTE_NET_HTTP_FETCH_H

#include <stdint.h>

#include "base/err.h"
#include "base/str.h"
#include "loop/loop.h"

struct http_fetch;
struct http_fetch_call; /* a request in flight; gone once `done` was called, or it was cancelled */

struct http_fetch_options {     /* 0 and NULL: the default */
    size_t max_connections;     /* open at once; requests beyond wait, on their own time (256) */
    size_t max_calls;           /* in flight at once; beyond, http_fetch_start says ERR_BUSY (1024) */
    int64_t connect_timeout_ns; /* name, TCP and TLS (10 s) */
    const char *proxy;          /* URL (none: the environment is not read) */
    const char *ca_file;        /* PEM bundle, instead of the system's; read for each new connection */
};

struct http_fetch_header {
    const char *name, *value;
};

struct http_fetch_request { /* all is copied */
    const char *method;     /* "GET", "POST", … */
    const char *url;        /* http:// or https://, no user or password in it */
    const struct http_fetch_header *headers;
    size_t header_count;
    struct str body;
    int64_t timeout_ns;  /* over all, waiting for a connection included; must be > 0 */
    size_t max_response; /* bytes of body (0: 1 MiB); above: HTTP_FETCH_TOO_LARGE */
};

enum http_fetch_outcome {
    HTTP_FETCH_ANSWERED,    /* whatever the status */
    HTTP_FETCH_UNREACHABLE, /* no connection: name, refusal, TLS; nothing was sent */
    HTTP_FETCH_UNTRUSTED,   /* the certificate is not accepted, or ca_file is none; nothing was sent */
    HTTP_FETCH_TIMED_OUT,
    HTTP_FETCH_TOO_LARGE, /* body above max_response, or headers above 64 KiB */
    HTTP_FETCH_BROKEN,    /* the connection ended in the middle, or what came is no HTTP */
};

/* Borrowed: valid only inside `done`. */
struct http_fetch_answer {
    enum http_fetch_outcome outcome;
    int status; /* 0 unless ANSWERED */
    struct str body;
    struct str headers; /* raw lines; see http_fetch_header */
    int version;        /* 1 or 2, 0 unless ANSWERED */
    int64_t took_ns;
    const char *error; /* "" when ANSWERED; else a constant sentence */
};

struct http_fetch *http_fetch_new(struct loop *loop, const struct http_fetch_options *options);
/* Cancels what is in flight: no `done` is called. Not from inside `done`. NULL is fine. */
void http_fetch_free(struct http_fetch *fetch);

/* Whether a URL is one that http_fetch_start takes; ERR_INVALID, the text does not repeat it. */
int http_fetch_check_url(const char *url, struct err *err);

/* Begins a request. `done` is called exactly once, on a later turn of the loop, never from inside this
 * function; it may start and cancel requests. NULL and *err when it cannot begin: ERR_INVALID (URL, method, a
 * header with a line break), ERR_BUSY. */
struct http_fetch_call *http_fetch_start(struct http_fetch *fetch, const struct http_fetch_request *request,
                                         void (*done)(const struct http_fetch_answer *answer, void *arg),
                                         void *arg, struct err *err);
/* `done` will not be called. Only for a call whose `done` was not called yet; not inside its own. */
void http_fetch_cancel(struct http_fetch *fetch, struct http_fetch_call *call);
size_t http_fetch_in_flight(const struct http_fetch *fetch);

/* The value of the first header of that name (any case), trimmed; false when there is none. */
bool http_fetch_header(const struct http_fetch_answer *answer, const char *name, struct str *value);

#endif
