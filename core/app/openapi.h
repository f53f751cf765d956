/* The API described: OpenAPI 3.1 at /openapi.json, a page at /docs. One table says of each route of api.c
 * what it is for, what it takes and what it answers; spec/core/app/test_openapi.c holds it against the
 * routes, both ways. All constant; any thread. */
#ifndef LUNETTE_APP_OPENAPI_H
#define LUNETTE_APP_OPENAPI_H

#include "base/buf.h"
#include "net/http_server.h"

/* A type is one word: string integer number boolean object any time, "a|b" for one of these texts, the name
 * of a schema; with [] a list of it; with ? at the end it may be null. */

/* In the query; with a capital letter in front: a header. */
struct api_param {
    const char *name, *type, *help;
    bool required;
};

struct api_operation {
    enum http_method method;
    const char *pattern; /* as in api_routes */
    const char *summary;
    const struct api_param *params; /* ends with a NULL name; NULL: none */
    const char *body;               /* media:type, several separated by spaces; NULL: none */
    const char *answers;            /* "200:Threat 404": status and what comes; without a type a problem */
};
extern const struct api_operation api_operations[];
extern const size_t api_operation_count;
const struct api_operation *api_operation_of(const struct http_route *route); /* NULL: not described */

/* `fields`: name:type words; name?:type where it may be absent. Or a JSON schema as it is. */
struct api_schema {
    const char *name, *fields;
};
extern const struct api_schema api_schemas[];
extern const size_t api_schema_count;

void openapi_json(struct buf *out);
void openapi_html(struct buf *out);

#endif
