/* A blocking HTTP client for the command line, over libcurl. One thread; keeps its connection between
 * requests. The client of models and webhooks will be another, on the worker's loop. */
#ifndef LUNETTE_NET_HTTP_CLIENT_H
#define LUNETTE_NET_HTTP_CLIENT_H

#include "base/buf.h"
#include "base/err.h"

struct http_client;
struct http_client *http_client_new(int64_t timeout_ns);
void http_client_free(struct http_client *client);

/* POST; `token` ("" none) goes into Authorization: Bearer. 0 with *status and the body in `out` for any
 * answer; -1 where none came (ERR_IO, ERR_TIMEOUT). At most 8 MiB of answer. */
int http_client_post(struct http_client *client, const char *url, const char *content_type, const char *token,
                     struct str body, int *status, struct buf *out, struct err *err);

#endif
