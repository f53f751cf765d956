#include "net/http_router.h"

#include <stdlib.h>
#include <string.h>

#include "base/err.h"

enum { PARTS_MAX = 16 };

/* Sorted in this order where two patterns agree so far. */
enum part_kind { PART_LITERAL, PART_PARAM, PART_REST };

struct part {
    enum part_kind kind;
    struct str text; /* the literal, or the name */
};

struct compiled {
    struct http_route route;
    size_t count;
    struct part parts[PARTS_MAX];
};

struct http_router {
    size_t count;
    struct compiled routes[];
};

static struct part part_of(const char *pattern, struct str text)
{
    if (text.len == 0 || *text.ptr != '{')
        return (struct part){PART_LITERAL, text};
    if (text.len < 3 || text.ptr[text.len - 1] != '}')
        die("route %s: a parameter must be {name}", pattern);
    struct str name = {text.ptr + 1, text.len - 2};
    if (name.ptr[name.len - 1] != '*')
        return (struct part){PART_PARAM, name};
    name.len--;
    if (text.ptr[text.len] != '\0')
        die("route %s: {%.*s*} must be the last part", pattern, STR_ARG(name));
    return (struct part){PART_REST, name};
}

/* "/a/b" has two parts, "/" one that is empty. */
static bool next_part(struct str *path, struct str *part)
{
    if (path->len == 0 || *path->ptr != '/')
        return false;
    const char *end = path->len > 1 ? memchr(path->ptr + 1, '/', path->len - 1) : NULL;
    size_t len = end ? (size_t)(end - path->ptr) : path->len;
    *part = (struct str){path->ptr + 1, len - 1};
    *path = (struct str){path->ptr + len, path->len - len};
    return true;
}

static void compile(struct compiled *compiled, const struct http_route *route)
{
    struct str rest = str_from(route->pattern), text;
    size_t params = 0;
    compiled->route = *route;
    while (next_part(&rest, &text)) {
        if (compiled->count == PARTS_MAX)
            die("route %s: too many parts", route->pattern);
        struct part part = part_of(route->pattern, text);
        params += part.kind != PART_LITERAL;
        compiled->parts[compiled->count++] = part;
    }
    if (rest.len || !compiled->count || params > HTTP_PARAMS_MAX)
        die("route %s: a pattern must start with / and have at most %d parameters", route->pattern,
            HTTP_PARAMS_MAX);
}

static int compare(const void *left, const void *right)
{
    const struct compiled *a = left, *b = right;
    for (size_t i = 0; i < a->count && i < b->count; i++) {
        if (a->parts[i].kind != b->parts[i].kind)
            return (int)a->parts[i].kind - (int)b->parts[i].kind;
        int order = a->parts[i].kind == PART_LITERAL ? str_compare(a->parts[i].text, b->parts[i].text) : 0;
        if (order)
            return order;
    }
    return (a->count > b->count) - (a->count < b->count);
}

struct http_router *http_router_new(const struct http_route *routes, size_t count)
{
    struct http_router *router = mem_zalloc(1, sizeof *router + count * sizeof *router->routes);
    router->count = count;
    for (size_t i = 0; i < count; i++)
        compile(&router->routes[i], &routes[i]);
    if (count)
        qsort(router->routes, count, sizeof *router->routes, compare);
    return router;
}

void http_router_free(struct http_router *router)
{
    free(router);
}

static bool match(const struct compiled *compiled, struct str path, struct http_params *params)
{
    params->count = 0;
    for (size_t i = 0; i < compiled->count; i++) {
        const struct part *part = &compiled->parts[i];
        struct str rest = path, text;
        if (!next_part(&path, &text))
            return false;
        if (part->kind == PART_LITERAL) {
            if (!str_equal(text, part->text))
                return false;
            continue;
        }
        if (part->kind == PART_REST)
            text = (struct str){rest.ptr + 1, rest.len - 1};
        else if (text.len == 0)
            return false;
        params->names[params->count] = part->text;
        params->values[params->count++] = text;
        if (part->kind == PART_REST)
            return true;
    }
    return path.len == 0;
}

const struct http_route *http_router_find(const struct http_router *router, enum http_method method,
                                          struct str path, struct http_params *params, unsigned *allowed)
{
    enum http_method wanted = method == HTTP_HEAD ? HTTP_GET : method;
    *allowed = 0;
    for (size_t i = 0; i < router->count; i++) {
        if (!match(&router->routes[i], path, params))
            continue;
        if (router->routes[i].route.method == wanted)
            return &router->routes[i].route;
        *allowed |= router->routes[i].route.method;
    }
    params->count = 0;
    return NULL;
}

unsigned http_router_methods(const struct http_router *router)
{
    unsigned methods = 0;
    for (size_t i = 0; i < router->count; i++)
        methods |= router->routes[i].route.method;
    return methods;
}
