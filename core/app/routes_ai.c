/* GET /api/ai/usage: what models cost, and how the queue of analyses stands. */
#include <stdio.h>

#include "app/api.h"
#include "pipeline/followup.h"

#define DAY_TEXT 10 /* "2026-11-23" */

struct usage_query {
    struct api_query base;
    char customer[129], since[DAY_TEXT + 1], until[DAY_TEXT + 1];
};

static void stage_json(const char *name, uint64_t queued, uint64_t in_work, struct buf *out)
{
    buf_json_key(out, name);
    buf_putc(out, '{');
    buf_json_kuint(out, "queued", queued);
    buf_json_kuint(out, "in_work", in_work);
    buf_putc(out, '}');
}

static void queue_json(const struct followup_state *state, struct buf *out)
{
    buf_json_key(out, "queue");
    buf_putc(out, '{');
    stage_json("findings", state->queued_findings, state->in_work, out);
    stage_json("model", state->queued_model, state->in_work_model, out);
    buf_json_key(out, "eta_seconds");
    if (state->eta_ns < 0)
        buf_puts(out, "null");
    else
        buf_printf(out, "%.3f", (double)state->eta_ns / 1e9);
    buf_json_kbool(out, "model_configured", state->has_model);
    buf_json_kstr(out, "breaker", str_from(state->breaker));
    buf_json_key(out, "last_error");
    if (state->last_error)
        buf_json_string(out, str_from(state->last_error));
    else
        buf_puts(out, "null");
    buf_json_kbool(out, "over_budget", state->over_budget);
    buf_json_kuint(out, "done", state->done);
    buf_json_kuint(out, "failed", state->failed);
    buf_json_kuint(out, "cached", state->cached);
    buf_json_kuint(out, "retried", state->retried);
    buf_putc(out, '}');
}

static int usage_run(struct api_query *base, struct store_reader *reader, struct buf *out, struct err *err)
{
    struct usage_query *q = (struct usage_query *)base; /* base is its first member */
    return store_usage(reader, str_from(q->customer), str_from(q->since), str_from(q->until), out, err);
}

/* The queue is everybody's: who sees one customer alone does not see it. */
static void usage_answer(struct api_query *base, struct http_request *request)
{
    struct usage_query *q = (struct usage_query *)base;
    struct followup_state state;
    if (q->customer[0] == '\0') {
        followup_state(writer_followup(pipeline_writer(worker_pipeline(base->wait.api->worker))), &state);
        base->out.len--; /* the closing brace */
        queue_json(&state, &base->out);
        buf_putc(&base->out, '}');
    }
    http_respond_json(request, 200, buf_str(&base->out));
}

/* A day, or a time of it; false after answering 422. */
static bool day_param(struct http_request *request, const char *name, char day[DAY_TEXT + 1])
{
    struct str text = http_query(request, name);
    char whole[32];
    int64_t at;
    if (text.ptr == NULL)
        return true;
    if (text.len == DAY_TEXT) {
        snprintf(whole, sizeof(whole), "%.*sT00:00:00Z", STR_ARG(text));
        text = str_from(whole);
    }
    if (!time_parse(text, TIME_RFC3339, &at)) {
        http_problem_field(request, 422, "a query parameter is not right", name,
                           "expected a day, as in 2026-11-23, or an RFC 3339 time");
        return false;
    }
    time_print(at, whole);
    snprintf(day, DAY_TEXT + 1, "%.*s", DAY_TEXT, whole);
    return true;
}

void route_ai_usage(struct http_request *request, void *context)
{
    struct usage_query *q = mem_zalloc(1, sizeof(*q));
    q->base.run = usage_run;
    q->base.answer = usage_answer;
    snprintf(q->customer, sizeof(q->customer), "%s", api_principal(request)->customer);
    if (day_param(request, "since", q->since) && day_param(request, "until", q->until))
        api_ask(context, request, &q->base);
    else
        free(q);
}
