/* A blocking HTTP client for the command line, over libcurl. One thread; keeps its connection between
 * requests. The client of models and webhooks will be another, on the worker's loop. */
#ifndef LUNETTE_NET_HTTP_CLIENT_H
#define LUNETTE_NET_HTTP_CLIENT_H

#include "base/buf.h"
#include "base/err.h"

struct http_client;
struct http_client *http_client_new(int64_t timeout_ns);
void http_client_free(struct http_client *client);

struct http_post {
    const char *url, *content_type;
    const char *token; /* "" none; else Authorization: Bearer */
    struct str body;
};
/* 0 with *status and the body in `out` for any answer; -1 where none came (ERR_IO, ERR_TIMEOUT). At most 8
 * MiB of answer. */
int http_client_post(struct http_client *client, const struct http_post *post, int *status, struct buf *out,
                     struct err *err);

#endif
