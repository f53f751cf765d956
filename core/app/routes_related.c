/* What belongs to one threat: its evidence, its timeline, others like it, its notes. */
#include <stdio.h>

#include "app/api.h"

#define SIMILAR_DEFAULT 5
#define SIMILAR_MAX     20
#define NOTES_DEFAULT   50
#define NOTES_MAX       200

struct related_query {
    struct api_query base;
    char id[UUID_TEXT], customer[129];
    const char *member; /* of the threat's full view */
    uint32_t version;   /* 0: the answer has none */
    size_t limit;
};

static void related_answer(struct api_query *base, struct http_request *request)
{
    struct related_query *q = (struct related_query *)base; /* base is its first member */
    if (q->version)
        api_set_etag(request, q->version);
    http_respond_json(request, 200, buf_str(&base->out));
}

static int member_run(struct api_query *base, struct store_reader *reader, struct buf *out, struct err *err)
{
    struct related_query *q = (struct related_query *)base;
    struct buf full = BUF_EMPTY;
    struct str value;
    int rc = store_get_threat(reader, str_from(q->id), str_from(q->customer), &q->version, &full, err);
    if (rc == 0 && threat_extra_get(buf_str(&full), str_from(q->member), &value))
        buf_put(out, value);
    else if (rc == 0)
        rc = err_set(err, ERR_INTERNAL, "the threat has no %s", q->member);
    buf_free(&full);
    return rc;
}

static int similar_run(struct api_query *base, struct store_reader *reader, struct buf *out, struct err *err)
{
    struct related_query *q = (struct related_query *)base;
    return store_similar(reader, str_from(q->id), str_from(q->customer), q->limit, out, err);
}

static int notes_run(struct api_query *base, struct store_reader *reader, struct buf *out, struct err *err)
{
    struct related_query *q = (struct related_query *)base;
    return store_notes(reader, str_from(q->id), str_from(q->customer), q->limit, out, err);
}

static void ask(struct http_request *request, struct api *api, const struct related_query *wanted)
{
    struct related_query *q = mem_zalloc(1, sizeof(*q));
    *q = *wanted;
    q->base.answer = related_answer;
    snprintf(q->customer, sizeof(q->customer), "%s", api_principal(request)->customer);
    if (api_threat_id(request, q->id))
        api_ask(api, request, &q->base);
    else
        free(q);
}

void route_threat_evidence(struct http_request *request, void *context)
{
    ask(request, context, &(struct related_query){.base.run = member_run, .member = "evidence"});
}

void route_threat_timeline(struct http_request *request, void *context)
{
    ask(request, context,
        &(struct related_query){.base.run = member_run, .member = "investigation_timeline"});
}

void route_threat_similar(struct http_request *request, void *context)
{
    struct related_query q = {.base.run = similar_run};
    if (api_limit(request, SIMILAR_MAX, SIMILAR_DEFAULT, &q.limit))
        ask(request, context, &q);
}

void route_threat_notes(struct http_request *request, void *context)
{
    struct related_query q = {.base.run = notes_run};
    if (api_limit(request, NOTES_MAX, NOTES_DEFAULT, &q.limit))
        ask(request, context, &q);
}
