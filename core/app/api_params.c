/* What several routes read of a request in the same way. */
#include <stdio.h>

#include "app/api.h"

static bool bad_query(struct http_request *request, const char *field, const char *reason)
{
    http_problem_field(request, 422, "a query parameter is not right", field, reason);
    return false;
}

bool api_number(struct str text, uint64_t max, uint64_t *out)
{
    uint64_t n = 0;
    if (text.len == 0 || text.len > 19)
        return false;
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] < '0' || text.ptr[i] > '9')
            return false;
        n = n * 10 + (uint64_t)(text.ptr[i] - '0');
    }
    *out = n;
    return n <= max;
}

bool api_limit(struct http_request *request, size_t max, size_t fallback, size_t *limit)
{
    struct str text = http_query(request, "limit");
    uint64_t n = fallback;
    char expected[48];
    if (text.ptr && (!api_number(text, max, &n) || n == 0)) {
        snprintf(expected, sizeof(expected), "expected 1 to %zu", max);
        return bad_query(request, "limit", expected);
    }
    *limit = (size_t)n;
    return true;
}

bool api_time(struct http_request *request, const char *name, int64_t *at_ns)
{
    struct str text = http_query(request, name);
    return text.ptr == NULL || time_parse(text, TIME_RFC3339, at_ns) ||
           bad_query(request, name, "expected an RFC 3339 time");
}

bool api_threat_id(struct http_request *request, char id[UUID_TEXT])
{
    struct str param = http_param(request, "id");
    if (!id_is_uuid(param)) {
        http_problem(request, 404, "no such threat");
        return false;
    }
    snprintf(id, UUID_TEXT, "%.*s", STR_ARG(param));
    return true;
}

void api_set_etag(struct http_request *request, uint32_t version)
{
    char etag[24];
    snprintf(etag, sizeof(etag), "\"%u\"", version);
    http_set_header(request, "ETag", etag);
}

bool api_if_match(struct http_request *request, bool needed, struct api_match *match)
{
    struct str tag = http_header(request, "If-Match");
    uint64_t version = 0;
    *match = (struct api_match){.any = str_is(tag, "*") || (tag.ptr == NULL && !needed)};
    if (match->any)
        return true;
    if (tag.ptr == NULL) {
        http_problem(request, 428, "If-Match is needed: the ETag that you read");
        return false;
    }
    if (str_starts(tag, STR("W/")))
        tag = (struct str){tag.ptr + 2, tag.len - 2};
    if (tag.len < 3 || tag.ptr[0] != '"' || tag.ptr[tag.len - 1] != '"' ||
        !api_number((struct str){tag.ptr + 1, tag.len - 2}, UINT32_MAX, &version)) {
        http_problem(request, 412, "If-Match is not an ETag of this server");
        return false;
    }
    match->version = (uint32_t)version;
    return true;
}
