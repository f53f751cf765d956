/* What operators and probes ask: root, health, ready, metrics, ledger, analytics, audit, sessions, files. */
#include <stdio.h>

#include "app/api.h"
#include "app/openapi.h"
#include "base/metrics.h"
#include "pipeline/followup.h"

void route_root(struct http_request *request, void *context)
{
    struct api *api = context;
    struct str accept = http_header(request, "Accept");
    bool html = accept.len && memmem(accept.ptr, accept.len, "text/html", 9);
    struct buf out = BUF_EMPTY;
    if (html && http_respond_file(request, api->app->settings.web, STR("/")))
        return;
    buf_putc(&out, '{');
    buf_json_kstr(&out, "service", STR("lunette"));
    buf_json_kstr(&out, "version", STR(LUNETTE_VERSION));
    buf_json_kstr(&out, "status", atomic_load(&api->app->draining) ? STR("draining") : STR("ready"));
    buf_json_ktime(&out, "time", clock_now(&clock_real));
    buf_puts(&out,
             ",\"links\":{\"threats\":\"/api/threats\",\"events\":\"/api/events\",\"rules\":\"/api/rules\","
             "\"analytics\":\"/api/analytics\",\"ledger\":\"/api/ledger\",\"websocket\":\"/ws\","
             "\"health\":\"/health\",\"ready\":\"/ready\",\"metrics\":\"/metrics\","
             "\"openapi\":\"/openapi.json\",\"docs\":\"/docs\"}}");
    http_respond_json(request, 200, buf_str(&out));
    buf_free(&out);
}

void route_static(struct http_request *request, void *context)
{
    struct api *api = context;
    if (!http_respond_file(request, api->app->settings.web, http_path(request)))
        http_problem(request, 404, "nothing is here");
}

void route_health(struct http_request *request, void *context)
{
    (void)context;
    http_respond_json(request, 200, STR("{\"status\":\"ok\",\"version\":\"" LUNETTE_VERSION "\"}"));
}

struct condition {
    const char *component, *problem; /* problem NULL: it works */
    bool fine;                       /* not a problem, but worth a word */
};

/* Everyone may ask, so it holds no counts. */
static void ready_json(const char *status, const struct pipeline_health *health,
                       const struct condition *conditions, size_t count, struct buf *out)
{
    buf_putc(out, '{');
    buf_json_kstr(out, "status", str_from(status));
    buf_json_kbool(out, "durable", health->durable);
    buf_json_key(out, "components");
    buf_putc(out, '{');
    for (size_t i = 0; i < count; i++)
        buf_json_kstr(out, conditions[i].component,
                      str_from(conditions[i].problem ? conditions[i].problem : "ok"));
    buf_putc(out, '}');
    buf_putc(out, '}');
}

/* From what the writer last saw: the model itself is not asked. */
static const char *ai_problem(const struct followup_state *ai)
{
    if (!ai->has_model)
        return "off";
    return strcmp(ai->breaker, "closed") != 0 || ai->over_budget ? "degraded" : NULL;
}

void route_ready(struct http_request *request, void *context)
{
    struct api *api = context;
    struct app *app = api->app;
    struct pipeline_health health;
    struct followup_state ai;
    struct buf out = BUF_EMPTY;
    pipeline_health(worker_pipeline(api->worker), &health);
    followup_state(writer_followup(pipeline_writer(worker_pipeline(api->worker))), &ai);
    const char *journal = health.journal_full    ? "journal_full"
                          : health.journal_short ? "journal_short"
                                                 : NULL;
    const struct condition conditions[] = {
        {.component = "journal", .problem = journal},
        {.component = "store", .problem = health.store_failing ? "commit_failed" : NULL},
        {.component = "rules", .problem = reload_degraded(app->reload) ? "last_good" : NULL},
        {.component = "ledger", .problem = health.balanced ? NULL : "unbalanced"},
        {.component = "recovery", .problem = health.recovered ? NULL : "under_way"},
        {"ai", ai_problem(&ai), !ai.has_model},
    };
    const size_t count = sizeof(conditions) / sizeof(conditions[0]);
    const char *status = "ready";
    for (size_t i = 0; i < count; i++)
        status = conditions[i].problem && !conditions[i].fine ? "degraded" : status;
    int code = 200;
    if (!health.recovered || atomic_load(&app->draining) || health.journal_full) {
        status = atomic_load(&app->draining) ? "draining" : health.journal_full ? "full" : "starting";
        code = 503;
    }
    ready_json(status, &health, conditions, count, &out);
    http_respond_json(request, code, buf_str(&out));
    buf_free(&out);
}

void route_metrics(struct http_request *request, void *context)
{
    struct buf out = BUF_EMPTY;
    (void)context;
    metrics_render(&out);
    http_respond(request, 200, "text/plain; version=0.0.4; charset=utf-8", buf_str(&out));
    buf_free(&out);
}

void route_openapi(struct http_request *request, void *context)
{
    struct buf out = BUF_EMPTY;
    (void)context;
    openapi_json(&out);
    http_respond_json(request, 200, buf_str(&out));
    buf_free(&out);
}

void route_docs(struct http_request *request, void *context)
{
    struct buf out = BUF_EMPTY;
    (void)context;
    openapi_html(&out);
    http_set_header(request, "Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'");
    http_respond(request, 200, "text/html; charset=utf-8", buf_str(&out));
    buf_free(&out);
}

void route_ledger(struct http_request *request, void *context)
{
    struct api *api = context;
    struct buf out = BUF_EMPTY;
    tally_json(writer_tally(pipeline_writer(worker_pipeline(api->worker))), &out);
    http_respond_json(request, 200, buf_str(&out));
    buf_free(&out);
}

/* ---- analytics and audit: by a reader ---- */

struct ops_query {
    struct api_query base;
    char customer[129];
    int64_t since_ns, bucket_ns;
    size_t limit;
    uint64_t before;
};

static int analytics_run(struct api_query *base, struct store_reader *reader, struct buf *out,
                         struct err *err)
{
    struct ops_query *q = (struct ops_query *)base;
    return store_analytics(reader, str_from(q->customer), q->since_ns, q->bucket_ns, out, err);
}

void route_analytics(struct http_request *request, void *context)
{
    struct ops_query *q = mem_zalloc(1, sizeof(*q));
    struct str since = http_query(request, "since"), bucket = http_query(request, "bucket");
    struct err err = {0};
    q->base.run = analytics_run;
    q->bucket_ns = 3600 * NS_PER_S;
    snprintf(q->customer, sizeof(q->customer), "%s", api_principal(request)->customer);
    if (since.ptr && !time_parse(since, TIME_RFC3339, &q->since_ns)) {
        http_problem_field(request, 422, "a query parameter is not right", "since",
                           "expected an RFC 3339 time");
        free(q);
        return;
    }
    if (bucket.ptr && (duration_parse(bucket, &q->bucket_ns, &err) != 0 || q->bucket_ns < 3600 * NS_PER_S)) {
        http_problem_field(request, 422, "a query parameter is not right", "bucket",
                           "expected a duration of at least 1h");
        free(q);
        return;
    }
    api_ask(context, request, &q->base);
}

static int audit_run(struct api_query *base, struct store_reader *reader, struct buf *out, struct err *err)
{
    struct ops_query *q = (struct ops_query *)base;
    return store_audit_list(reader, q->limit, q->before, out, err);
}

void route_audit(struct http_request *request, void *context)
{
    struct ops_query *q = mem_zalloc(1, sizeof(*q));
    q->base.run = audit_run;
    q->limit = 100;
    api_ask(context, request, &q->base);
}

/* ---- sessions and the WebSocket ---- */

void route_login(struct http_request *request, void *context)
{
    auth_login(((struct api *)context)->app->auth, request);
}

void route_logout(struct http_request *request, void *context)
{
    auth_logout(((struct api *)context)->app->auth, request);
}

void route_ws(struct http_request *request, void *context)
{
    struct api *api = context;
    if (!auth_origin(api->app->auth, request)) {
        http_problem(request, 403, "this origin may not connect");
        return;
    }
    hub_upgrade(api->app->hub, request, api_principal(request)->customer);
}
