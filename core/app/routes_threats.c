/* /api/threats: lists, and one. */
#include <stdio.h>

#include "app/api.h"
#include "app/name_sets.h"
#include "base/json.h"

#define LIMIT_DEFAULT 20
#define LIMIT_FULL    100
#define LIMIT_ROWS    1000
#define Q_MAX         256

/* ---- the list's query ---- */

static bool bad(struct http_request *request, const char *field, const char *reason)
{
    http_problem_field(request, 422, "a query parameter is not right", field, reason);
    return false;
}

static bool bool_param(struct str text, bool *out)
{
    *out = str_is(text, "true") || str_is(text, "1");
    return *out || str_is(text, "false") || str_is(text, "0");
}

static bool text_filter(struct http_request *request, const char *name, struct str value,
                        struct threat_query *q)
{
    struct {
        const char *name;
        struct str *field;
        size_t max;
    } filters[] = {{"type", &q->type, 128},         {"customer", &q->customer, 128}, {"rule", &q->rule, 128},
                   {"assignee", &q->assignee, 128}, {"entity", &q->entity, 512},     {"q", &q->q, Q_MAX}};
    for (size_t i = 0; i < sizeof(filters) / sizeof(filters[0]); i++)
        if (strcmp(name, filters[i].name) == 0) {
            *filters[i].field = value;
            return value.len <= filters[i].max ? true : bad(request, name, "too long");
        }
    return bad(request, name, "no such parameter");
}

static bool set_filter(struct http_request *request, const char *name, struct str value,
                       struct threat_query *q)
{
    bool truth;
    if (strcmp(name, "severity") == 0)
        return severity_set(value, &q->severities) ||
               bad(request, name,
                   "expected critical, high, medium, low or informational, separated by commas");
    if (strcmp(name, "status") == 0)
        return status_set(value, &q->statuses) ||
               bad(request, name, "expected new, in_progress, escalated or resolved, separated by commas");
    if (strcmp(name, "verdict") == 0)
        return verdict_set(value, &q->verdicts) ||
               bad(request, name,
                   "expected true_positive, benign_true_positive, false_positive, inconclusive or none");
    if (strcmp(name, "review") == 0) {
        if (!bool_param(value, &truth))
            return bad(request, name, "expected true or false");
        q->review = truth;
        return true;
    }
    if (strcmp(name, "shadow") == 0)
        return bool_param(value, &q->with_shadow) || bad(request, name, "expected true or false");
    if (strcmp(name, "suppressed") == 0)
        return bool_param(value, &q->with_suppressed) || bad(request, name, "expected true or false");
    return text_filter(request, name, value, q);
}

static bool page_filter(struct http_request *request, const char *name, struct str value,
                        struct threat_query *q, uint64_t *limit)
{
    uint64_t n;
    if (strcmp(name, "limit") == 0)
        return (api_number(value, LIMIT_ROWS, limit) && *limit) ||
               bad(request, name, "expected 1 to 100, or 1 to 1000 with view=row");
    if (strcmp(name, "offset") == 0) {
        if (!api_number(value, 10000, &n))
            return bad(request, name, "expected 0 to 10000; use the cursor of the Link header to go further");
        q->offset = (size_t)n;
        return true;
    }
    if (strcmp(name, "cursor") == 0)
        return api_number(value, INT64_MAX, &q->before_seq) ||
               bad(request, name, "not a cursor of this list");
    if (strcmp(name, "as_of") == 0)
        return api_number(value, INT64_MAX, &q->as_of) || bad(request, name, "expected a seq");
    if (strcmp(name, "view") == 0) {
        q->row = str_is(value, "row");
        return q->row || str_is(value, "full") || bad(request, name, "expected row or full");
    }
    if (strcmp(name, "sort") == 0) {
        q->oldest_first = str_is(value, "oldest");
        return q->oldest_first || str_is(value, "newest") || bad(request, name, "expected newest or oldest");
    }
    if (strcmp(name, "since") == 0)
        return time_parse(value, TIME_RFC3339, &q->since_ns) ||
               bad(request, name, "expected an RFC 3339 time");
    if (strcmp(name, "until") == 0)
        return time_parse(value, TIME_RFC3339, &q->until_ns) ||
               bad(request, name, "expected an RFC 3339 time");
    return set_filter(request, name, value, q);
}

static bool parse_list(struct http_request *request, struct threat_query *q)
{
    uint64_t limit = LIMIT_DEFAULT;
    size_t at = 0;
    struct str name, value;
    q->review = -1;
    while (http_query_next(request, &at, &name, &value)) {
        char key[32];
        snprintf(key, sizeof(key), "%.*s", STR_ARG(name));
        if (!page_filter(request, key, value, q, &limit))
            return false;
    }
    if (!q->row && limit > LIMIT_FULL)
        return bad(request, "limit", "expected 1 to 100; 1 to 1000 only with view=row");
    q->limit = (size_t)limit;
    return true;
}

/* ---- GET /api/threats ---- */

struct list_query {
    struct api_query base;
    struct arena *arena;
    struct threat_query q;
    struct threat_page page;
    char customer[129];
};

static int list_run(struct api_query *base, struct store_reader *reader, struct buf *out, struct err *err)
{
    struct list_query *list = (struct list_query *)base;
    return store_query(reader, &list->q, &list->page, out, err);
}

/* RFC 3986: what need not be escaped. */
static bool is_unreserved(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c != '\0' && strchr("-._~", c));
}

/* The same query with another cursor. */
static void link_header(struct list_query *list, struct http_request *request)
{
    struct buf link = BUF_EMPTY;
    size_t at = 0;
    struct str name, value;
    buf_puts(&link, "</api/threats?");
    while (http_query_next(request, &at, &name, &value)) {
        if (str_is(name, "cursor") || str_is(name, "offset"))
            continue;
        buf_printf(&link, "%.*s=", STR_ARG(name));
        for (size_t i = 0; i < value.len; i++)
            buf_printf(&link, is_unreserved(value.ptr[i]) ? "%c" : "%%%02X", (unsigned char)value.ptr[i]);
        buf_putc(&link, '&');
    }
    buf_printf(&link, "cursor=%llu>; rel=\"next\"", (unsigned long long)list->page.next_before);
    http_set_header(request, "Link", link.ptr);
    buf_free(&link);
}

static void list_answer(struct api_query *base, struct http_request *request)
{
    struct list_query *list = (struct list_query *)base;
    char total[24];
    snprintf(total, sizeof(total), "%llu", (unsigned long long)list->page.total);
    http_set_header(request, "X-Total-Count", total);
    if (list->page.total_is_bound)
        http_set_header(request, "X-Total-Count-Relation", "gte");
    if (list->page.next_before)
        link_header(list, request);
    http_respond_json(request, 200, buf_str(&base->out));
}

static void list_drop(struct api_query *base)
{
    struct list_query *list = (struct list_query *)base;
    arena_free(list->arena);
    free(list);
}

/* A token that is bound to a customer can name no other. */
static bool own_customer(struct http_request *request, struct str wanted)
{
    const char *bound = api_principal(request)->customer;
    if (bound[0] == '\0' || wanted.ptr == NULL || str_is(wanted, bound))
        return true;
    http_problem_field(request, 403, "a query parameter is not allowed", "customer",
                       "the token is bound to another one");
    return false;
}

void route_threats(struct http_request *request, void *context)
{
    struct list_query *list = mem_zalloc(1, sizeof(*list));
    const struct principal *who = api_principal(request);
    list->base.run = list_run;
    list->base.answer = list_answer;
    list->base.drop = list_drop;
    list->arena = arena_new(0);
    if (!parse_list(request, &list->q) || !own_customer(request, list->q.customer)) {
        list_drop(&list->base);
        return;
    }
    /* The request may go while a reader works, so the query owns its texts. */
    struct str *texts[] = {&list->q.type,     &list->q.customer, &list->q.rule,
                           &list->q.assignee, &list->q.entity,   &list->q.q};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        *texts[i] = arena_dup(list->arena, *texts[i]);
    if (who->customer[0])
        list->q.customer = arena_dup(list->arena, str_from(who->customer));
    api_ask(context, request, &list->base);
}

/* ---- GET /api/threats/{id} ---- */

struct one_query {
    struct api_query base;
    char id[UUID_TEXT], customer[129];
    uint32_t version;
};

static int one_run(struct api_query *base, struct store_reader *reader, struct buf *out, struct err *err)
{
    struct one_query *one = (struct one_query *)base;
    return store_get_threat(reader, str_from(one->id), str_from(one->customer), &one->version, out, err);
}

static void one_answer(struct api_query *base, struct http_request *request)
{
    api_set_etag(request, ((struct one_query *)base)->version);
    http_respond_json(request, 200, buf_str(&base->out));
}

void route_threat(struct http_request *request, void *context)
{
    struct one_query *one = mem_zalloc(1, sizeof(*one));
    if (!api_threat_id(request, one->id)) {
        free(one);
        return;
    }
    one->base.run = one_run;
    one->base.answer = one_answer;
    snprintf(one->customer, sizeof(one->customer), "%s", api_principal(request)->customer);
    api_ask(context, request, &one->base);
}
