/* POST /api/events: in come batches, out go receipts. */
#include <stdio.h>

#include "app/api.h"

#define RESULTS_ALL 100 /* up to so many items each has a result; beyond, only the bad ones */

struct receipt {
    struct api_wait wait;
    bool idempotent;
    bool unprocessable; /* nothing acceptable is 422 here, not 400 */
};

static void hex_id(const struct id128 *id, char out[33])
{
    id_hex(id->bytes, sizeof(id->bytes), out);
}

/* A record that no source accepts is judged as it came, which helps only where its fields are ECS already. */
static uint32_t unrecognised(const struct batch *batch)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < batch->event_count; i++)
        count += batch->events[i]->source == UINT32_MAX;
    return count;
}

static void put_source(const struct batch *batch, const struct event *event, struct buf *out)
{
    buf_json_key(out, "source");
    if (event->source == UINT32_MAX)
        buf_puts(out, "null");
    else
        buf_json_string(out, batch->set->sources[event->source].id);
}

static void accepted_item(const struct batch *batch, uint32_t i, bool idempotent, struct buf *out)
{
    const struct event *event = batch->events[i];
    char id[33];
    hex_id(&event->id, id);
    buf_puts(out, out->ptr[out->len - 1] == '[' ? "{" : ",{");
    buf_json_kuint(out, "index", batch->indexes[i]);
    buf_json_kstr(out, "id", str_from(id));
    put_source(batch, event, out);
    buf_json_kbool(out, "idempotent", idempotent || event_text(event, FIELD_EVENT_ID).len > 0);
    buf_json_kuint(out, "status", 202);
    buf_putc(out, '}');
}

static void rejected_item(const struct batch_reject *reject, struct buf *out)
{
    buf_puts(out, out->ptr[out->len - 1] == '[' ? "{" : ",{");
    buf_json_kuint(out, "index", reject->index);
    buf_json_kuint(out, "status", reject->reason == REJECT_TOO_LARGE ? 413 : 400);
    buf_json_kstr(out, "error", reject->error);
    buf_putc(out, '}');
}

/* Accepted and rejected items by their place in the request. */
static void write_results(const struct batch *batch, bool idempotent, struct buf *out)
{
    bool all = batch->item_count <= RESULTS_ALL;
    uint32_t next = 0;
    buf_json_key(out, "results");
    buf_putc(out, '[');
    for (size_t r = 0; r <= batch->rejects.count; r++) {
        uint32_t until = r < batch->rejects.count ? batch->rejects.items[r].index : UINT32_MAX;
        for (; all && next < batch->event_count && batch->indexes[next] < until; next++)
            accepted_item(batch, next, idempotent, out);
        if (r < batch->rejects.count)
            rejected_item(&batch->rejects.items[r], out);
    }
    buf_putc(out, ']');
}

static void write_receipt(const struct submission_result *result, bool idempotent, struct buf *out)
{
    buf_putc(out, '{');
    buf_json_kuint(out, "accepted", result->batch->event_count);
    buf_json_kuint(out, "rejected", result->batch->rejects.count);
    buf_json_kuint(out, "unrecognised", unrecognised(result->batch));
    buf_json_kbool(out, "idempotent", idempotent);
    write_results(result->batch, idempotent, out);
    buf_json_key(out, "threats");
    buf_putc(out, '[');
    for (size_t i = 0; i < result->raised_count; i++) {
        buf_puts(out, i ? "," : "");
        buf_json_string(out, str_from(result->raised[i].threat_id));
    }
    buf_puts(out, "]}");
}

static void nothing_acceptable(struct http_request *request, const struct submission_result *result,
                               int status)
{
    const struct batch *batch = result->batch;
    if (batch->rejects.count == 0) {
        http_problem(request, status, "the batch holds no event");
        return;
    }
    const struct batch_reject *first = &batch->rejects.items[0];
    struct err err = {0};
    err_set(&err, ERR_INVALID, "item %u: %.*s", first->index, STR_ARG(first->error));
    http_problem_field(request, first->reason == REJECT_TOO_LARGE ? 413 : status,
                       "no event could be accepted", "events", err.message);
}

static void judged(const struct submission_result *result, void *arg)
{
    struct receipt *receipt = arg;
    struct http_request *request = receipt->wait.request;
    if (request && result->err) {
        http_problem_err(request, result->err);
    } else if (request && result->batch->event_count == 0) {
        nothing_acceptable(request, result, receipt->unprocessable ? 422 : 400);
    } else if (request) {
        struct buf out = BUF_EMPTY;
        write_receipt(result, receipt->idempotent, &out);
        http_respond_json(request, 202, buf_str(&out));
        buf_free(&out);
    }
    free(receipt);
}

/* False after answering: neither JSON nor NDJSON, or nothing at all. */
static bool body_format(struct http_request *request, enum journal_format *format)
{
    struct str type = http_header(request, "Content-Type"), body = http_body(request);
    size_t at = 0;
    while (at < body.len && strchr(" \t\r\n", body.ptr[at]))
        at++;
    if (at == body.len) {
        http_problem(request, 400, "the body is empty; send an event, an array of events, or NDJSON");
        return false;
    }
    if (str_starts(type, STR("application/x-ndjson")) || str_starts(type, STR("application/jsonl"))) {
        *format = JOURNAL_NDJSON;
        return true;
    }
    if (str_starts(type, STR("application/json"))) {
        *format = body.ptr[at] == '[' ? JOURNAL_ARRAY : JOURNAL_OBJECT;
        return true;
    }
    http_problem(request, 415, "send application/json or application/x-ndjson");
    return false;
}

/* The base of ids for events that have none: the same for a request that is repeated with its key. */
static bool id_base(struct http_request *request, const struct principal *who, struct id128 *base)
{
    struct str key = http_header(request, "Idempotency-Key");
    if (key.len == 0) {
        id_random(base->bytes, sizeof(base->bytes));
        return false;
    }
    *base = hash_id((struct str[]){str_from(who->customer), str_from(who->name), http_path(request), key}, 4);
    return true;
}

static void ingest(struct http_request *request, struct api *api, struct str source, bool unprocessable)
{
    const struct principal *who = api_principal(request);
    struct err err = {0};
    struct submission s = {
        .source = source, .customer = str_from(who->customer), .trace_id = http_request_id(request)};
    if (http_header(request, "Idempotency-Key").len > 256) {
        http_problem(request, 400, "Idempotency-Key: at most 256 bytes");
        return;
    }
    if (!pipeline_recovered(worker_pipeline(api->worker))) {
        http_problem(request, 503, "the process is starting");
        return;
    }
    if (!body_format(request, &s.format))
        return;
    struct receipt *receipt = mem_zalloc(1, sizeof(*receipt));
    receipt->idempotent = id_base(request, who, &s.id_base);
    receipt->unprocessable = unprocessable;
    s.body = http_take_body(request);
    s.done = judged;
    s.arg = receipt;
    api_wait_begin(&receipt->wait, api, request);
    if (worker_submit(api->worker, &s, &err) == 0)
        return;
    buf_free(&s.body);
    if (unprocessable && err.code == ERR_INVALID)
        http_problem(request, 422, err.message);
    else if (err.code == ERR_INVALID)
        http_problem(request, 400, err.message);
    else
        http_problem_err(request, &err);
    free(receipt);
}

void route_events(struct http_request *request, void *context)
{
    ingest(request, context, STR(""), false);
}

void route_events_source(struct http_request *request, void *context)
{
    struct str source = http_param(request, "source");
    /* What is the demo's is forgotten with it: only the demo itself says so. */
    if (str_is(source, "demo"))
        http_problem(request, 404, "no source is called \"demo\"");
    else
        ingest(request, context, source, false);
}

void route_ingest_wazuh(struct http_request *request, void *context)
{
    ingest(request, context, STR("wazuh"), true);
}

/* ---- egress violations: events of a source of their own, and what is remembered of them ---- */

#define EGRESS_MAX 100

void route_egress(struct http_request *request, void *context)
{
    ingest(request, context, STR("egress"), false);
}

struct egress_query {
    struct api_query base;
    char customer[129];
    int64_t since_ns;
    size_t limit;
};

static int egress_run(struct api_query *base, struct store_reader *reader, struct buf *out, struct err *err)
{
    struct egress_query *q = (struct egress_query *)base; /* base is its first member */
    const struct observation_query query = {
        .kind = STR("egress"), .customer = str_from(q->customer), .since_ns = q->since_ns, .limit = q->limit};
    return store_observations(reader, &query, out, err);
}

void route_egress_list(struct http_request *request, void *context)
{
    struct egress_query *q = mem_zalloc(1, sizeof(*q));
    q->base.run = egress_run;
    snprintf(q->customer, sizeof(q->customer), "%s", api_principal(request)->customer);
    if (api_time(request, "since", &q->since_ns) && api_limit(request, EGRESS_MAX, EGRESS_MAX, &q->limit))
        api_ask(context, request, &q->base);
    else
        free(q);
}
