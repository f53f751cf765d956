/* Finds the route of a path. A literal part of a pattern wins over a parameter, a parameter over the rest;
 * the order of the table does not matter. Immutable. Private to net/. */
#ifndef LUNETTE_NET_HTTP_ROUTER_H
#define LUNETTE_NET_HTTP_ROUTER_H

#include "net/http_server.h"

enum { HTTP_PARAMS_MAX = 8 };

struct http_params {
    size_t count;
    struct str names[HTTP_PARAMS_MAX];  /* of the pattern */
    struct str values[HTTP_PARAMS_MAX]; /* of the path, still encoded */
};

struct http_router;

/* Copies the table, not the patterns. Aborts on a pattern that is not one: it is a constant of the program.
 */
struct http_router *http_router_new(const struct http_route *routes, size_t count);
void http_router_free(struct http_router *router);
/* `path` still encoded, so that "%2F" does not divide. HEAD finds GET. NULL: *allowed has the methods that
 * the path knows (0: there is no such path). */
const struct http_route *http_router_find(const struct http_router *router, enum http_method method,
                                          struct str path, struct http_params *params, unsigned *allowed);
/* All methods of all routes. */
unsigned http_router_methods(const struct http_router *router);

#endif
