#include "app/api.h"

#include <stdio.h>

#include "base/json.h"
#include "base/metrics.h"

#define ROUTE(verb, path, who, handler)                                                                      \
    {                                                                                                        \
        .method = (verb), .pattern = (path), .handle = (handler), .access = (who)                            \
    }

const struct http_route api_routes[] = {
    ROUTE(HTTP_GET, "/", ACCESS_OPEN, route_root),
    ROUTE(HTTP_GET, "/health", ACCESS_OPEN, route_health),
    ROUTE(HTTP_GET, "/ready", ACCESS_OPEN, route_ready),
    ROUTE(HTTP_GET, "/metrics", ACCESS_READ_ALL, route_metrics),
    ROUTE(HTTP_GET, "/openapi.json", ACCESS_READ, route_openapi),
    ROUTE(HTTP_GET, "/docs", ACCESS_READ, route_docs),
    ROUTE(HTTP_GET, "/ws", ACCESS_READ, route_ws),
    ROUTE(HTTP_POST, "/api/events", ACCESS_SEND, route_events),
    ROUTE(HTTP_POST, "/api/events/{source}", ACCESS_SEND, route_events_source),
    ROUTE(HTTP_POST, "/api/threats/ingest/wazuh", ACCESS_SEND, route_ingest_wazuh),
    ROUTE(HTTP_GET, "/api/threats", ACCESS_READ, route_threats),
    ROUTE(HTTP_POST, "/api/threats/trigger", ACCESS_ADMIN, route_trigger),
    ROUTE(HTTP_GET, "/api/threats/{id}", ACCESS_READ, route_threat),
    ROUTE(HTTP_PATCH, "/api/threats/{id}", ACCESS_ANALYSE, route_threat_patch),
    ROUTE(HTTP_GET, "/api/threats/{id}/evidence", ACCESS_READ, route_threat_evidence),
    ROUTE(HTTP_GET, "/api/threats/{id}/timeline", ACCESS_READ, route_threat_timeline),
    ROUTE(HTTP_GET, "/api/threats/{id}/similar", ACCESS_READ, route_threat_similar),
    ROUTE(HTTP_GET, "/api/threats/{id}/notes", ACCESS_READ, route_threat_notes),
    ROUTE(HTTP_POST, "/api/threats/{id}/notes", ACCESS_ANALYSE, route_threat_note),
    ROUTE(HTTP_POST, "/api/threats/{id}/analyze", ACCESS_ANALYSE, route_threat_analyze),
    ROUTE(HTTP_POST, "/api/threats/{id}/actions/{action_id}/approve", ACCESS_ANALYSE, route_action_approve),
    ROUTE(HTTP_POST, "/api/threats/{id}/actions/{action_id}/reject", ACCESS_ANALYSE, route_action_reject),
    ROUTE(HTTP_POST, "/api/demo/reset", ACCESS_ADMIN_ALL, route_demo_reset),
    ROUTE(HTTP_GET, "/api/analytics", ACCESS_READ, route_analytics),
    ROUTE(HTTP_GET, "/api/ai/usage", ACCESS_READ, route_ai_usage),
    ROUTE(HTTP_GET, "/api/ledger", ACCESS_READ_ALL, route_ledger),
    ROUTE(HTTP_GET, "/api/audit", ACCESS_ADMIN_ALL, route_audit),
    ROUTE(HTTP_GET, "/api/rules", ACCESS_READ, route_rules),
    ROUTE(HTTP_GET, "/api/rules/status", ACCESS_READ, route_rules_status),
    ROUTE(HTTP_POST, "/api/rules/reload", ACCESS_ADMIN_ALL, route_rules_reload),
    ROUTE(HTTP_GET, "/api/rules/{id}", ACCESS_READ, route_rule),
    ROUTE(HTTP_GET, "/api/lists", ACCESS_READ_ALL, route_lists),
    ROUTE(HTTP_GET, "/api/lists/{name}", ACCESS_READ_ALL, route_list),
    ROUTE(HTTP_PUT, "/api/lists/{name}", ACCESS_ADMIN_ALL, route_list_put),
    ROUTE(HTTP_DELETE, "/api/lists/{name}", ACCESS_ADMIN_ALL, route_list_delete),
    ROUTE(HTTP_POST, "/api/egress-violations", ACCESS_SEND, route_egress),
    ROUTE(HTTP_GET, "/api/egress-violations", ACCESS_READ, route_egress_list),
    ROUTE(HTTP_POST, "/api/session", ACCESS_OPEN, route_login),
    ROUTE(HTTP_DELETE, "/api/session", ACCESS_OPEN, route_logout),
    ROUTE(HTTP_GET, "/assets/{path*}", ACCESS_OPEN, route_static),
    ROUTE(HTTP_GET, "/favicon.ico", ACCESS_OPEN, route_static),
};
const size_t api_route_count = sizeof(api_routes) / sizeof(api_routes[0]);

const struct http_route api_metrics_routes[] = {
    ROUTE(HTTP_GET, "/health", ACCESS_OPEN, route_health),
    ROUTE(HTTP_GET, "/ready", ACCESS_OPEN, route_ready),
    ROUTE(HTTP_GET, "/metrics", ACCESS_OPEN, route_metrics),
};
const size_t api_metrics_route_count = sizeof(api_metrics_routes) / sizeof(api_metrics_routes[0]);

/* ---- guard and metrics ---- */

const struct principal *api_principal(const struct http_request *request)
{
    return http_user(request);
}

/* Probes are never refused: who throttles them has the process restarted. */
static bool is_probe(const struct http_route *route)
{
    return route->handle == route_health || route->handle == route_ready;
}

static bool within_rate(struct api *api, struct http_request *request, const struct principal *who)
{
    if (api->rate == NULL)
        return true;
    const char *key = who->name[0] ? who->name : http_peer(request);
    if (rate_limit_take(api->rate, str_from(key), 1, clock_monotonic()) == 0)
        return true;
    http_problem(request, 429, "this client is over its rate");
    return false;
}

static bool guard(struct http_request *request, const struct http_route *route, void *context)
{
    struct api *api = context;
    struct principal who = {.role = ROLE_ADMIN};
    if (route->access != ACCESS_OPEN) {
        if (!auth_check(api->app->auth, request, (enum access)route->access, &who))
            return false;
        struct principal *kept = mem_alloc(sizeof(*kept));
        *kept = who;
        http_set_user(request, kept, free);
    }
    return is_probe(route) || within_rate(api, request, &who);
}

/* Labels are closed sets: what was asked for is none, so a request without a route has one of two words. The
 * method is told where it could be read. */
static const char *route_word(const struct http_request *request, const struct http_route *route)
{
    return route ? route->pattern : http_method(request) ? "unmatched" : "refused";
}

static const char *method_word(const struct http_request *request, const struct http_route *route)
{
    enum http_method method = route ? route->method : http_method(request);
    return method ? http_method_name(method) : "none";
}

static struct metric_series *counter_of(const struct http_request *request, const struct http_route *route,
                                        int status)
{
    char text[16];
    snprintf(text, sizeof(text), "%d", status);
    struct metric *metric = metric_new(METRIC_COUNTER, "lunette_http_requests_total", "method,route,status",
                                       "requests answered");
    return metric_with(metric,
                       (const char *const[]){method_word(request, route), route_word(request, route), text});
}

#define METHOD_ROWS 8 /* no method, GET … OPTIONS */

/* The router has copies of the routes, of their patterns it has not. */
static size_t index_of(const struct http_route *routes, size_t count, const struct http_route *route)
{
    size_t i = 0;
    while (i < count && (routes[i].pattern != route->pattern || routes[i].method != route->method))
        i++;
    return i;
}

/* Each row stands for one pair of labels: the routes of both servers, then requests without one by method. */
static size_t row_of(const struct http_request *request, const struct http_route *route)
{
    size_t unmatched = api_route_count + api_metrics_route_count;
    if (route == NULL)
        return unmatched + (http_method(request) ? 1 + (size_t)__builtin_ctz(http_method(request)) : 0);
    size_t at = index_of(api_routes, api_route_count, route);
    return at < api_route_count
               ? at
               : api_route_count + index_of(api_metrics_routes, api_metrics_route_count, route);
}

/* Finding a series takes a lock, so each worker remembers those it has used. */
static void observe(const struct http_request *request, const struct http_route *route, int status,
                    int64_t ns, void *context)
{
    struct api *api = context;
    size_t row = row_of(request, route);
    metric_observe(api->seconds, (double)ns / 1e9);
    for (unsigned i = 0; i < 8; i++) {
        if (api->statuses[row][i] == 0) {
            api->statuses[row][i] = status;
            api->counters[row][i] = counter_of(request, route, status);
        }
        if (api->statuses[row][i] == status) {
            metric_add(api->counters[row][i], 1);
            return;
        }
    }
    metric_add(counter_of(request, route, status), 1);
}

struct api *api_new(struct app *app, struct worker *worker, struct err *err)
{
    struct api *api = mem_zalloc(1, sizeof(*api));
    struct http_hooks hooks = {.context = api, .guard = guard, .observe = observe};
    api->app = app;
    api->worker = worker;
    size_t rows = api_route_count + api_metrics_route_count + METHOD_ROWS;
    api->counters = mem_zalloc(rows, sizeof(*api->counters));
    api->statuses = mem_zalloc(rows, sizeof(*api->statuses));
    api->seconds = metric_with(
        metric_new(METRIC_HISTOGRAM, "lunette_http_request_seconds", "", "time from request to response"),
        NULL);
    if (app->settings.rate) {
        double share = (double)app->settings.rate / (double)app->settings.workers;
        api->rate = rate_limit_new(share, (double)app->settings.rate_burst, 10000);
    }
    api->server = http_server_new(worker_loop(worker), &http_limits_default, api_routes, api_route_count,
                                  &hooks);
    int rc = http_server_accept(api->server, app->listen_fd, err);
    if (rc == 0 && app->metrics_fd >= 0) {
        api->metrics_server = http_server_new(worker_loop(worker), &http_limits_default, api_metrics_routes,
                                              api_metrics_route_count, &hooks);
        rc = http_server_accept(api->metrics_server, app->metrics_fd, err);
    }
    if (rc == 0)
        return api;
    api_free(api);
    return NULL;
}

void api_free(struct api *api)
{
    if (api == NULL)
        return;
    if (api->server)
        http_server_free(api->server);
    if (api->metrics_server)
        http_server_free(api->metrics_server);
    if (api->rate)
        rate_limit_free(api->rate);
    free(api->counters);
    free(api->statuses);
    free(api);
}

/* ---- answers that come later ---- */

static void client_left(struct http_request *request, void *arg)
{
    struct api_wait *wait = arg;
    (void)request;
    wait->request = NULL;
}

void api_wait_begin(struct api_wait *wait, struct api *api, struct http_request *request)
{
    wait->api = api;
    wait->request = request;
    http_keep(request, client_left, wait);
}

static void query_run(struct query *inner, struct store_reader *reader)
{
    struct api_query *query = (struct api_query *)inner; /* query is its first member */
    query->failed = query->run(query, reader, &query->out, &query->err) != 0;
}

static void query_done(struct query *inner)
{
    struct api_query *query = (struct api_query *)inner;
    struct http_request *request = query->wait.request;
    if (request && query->failed)
        http_problem_err(request, &query->err);
    else if (request && query->answer)
        query->answer(query, request);
    else if (request)
        http_respond_json(request, 200, buf_str(&query->out));
    buf_free(&query->out);
    if (query->drop)
        query->drop(query);
    else
        free(query);
}

void api_ask(struct api *api, struct http_request *request, struct api_query *query)
{
    struct pipeline *pipeline = worker_pipeline(api->worker);
    query->query.run = query_run;
    query->query.done = query_done;
    query->query.reply_to = worker_mailbox(api->worker);
    api_wait_begin(&query->wait, api, request);
    if (readers_ask(pipeline_readers(pipeline), &query->query))
        return;
    err_set(&query->err, ERR_BUSY, "too many queries wait already");
    query->failed = true;
    query_done(&query->query);
}

/* ---- changes ---- */

static int task_run(struct writer_task *inner, struct writer *writer, struct err *err)
{
    struct api_task *task = (struct api_task *)inner; /* task is its first member */
    task->writer = writer;
    return task->run(task, writer, err);
}

static void task_deliver(struct mail *mail, void *receiver)
{
    struct api_task *task = (struct api_task *)((char *)mail - offsetof(struct api_task, back));
    struct http_request *request = task->wait.request;
    (void)receiver;
    if (request && task->task.err.code == ERR_CONFLICT && task->conflict)
        http_problem(request, task->conflict, task->task.err.message);
    else if (request && task->task.err.code == ERR_INVALID)
        http_problem_field(request, 422, task->task.err.message, task->field, NULL);
    else if (request && task->task.err.code != ERR_NONE)
        http_problem_err(request, &task->task.err);
    else if (request)
        task->answer(task, request);
    buf_free(&task->out);
    if (task->drop)
        task->drop(task);
    else
        free(task);
}

static void task_done(struct writer_task *inner)
{
    struct api_task *task = (struct api_task *)inner;
    if (task->task.err.code == ERR_NONE && task->render)
        task->render(task, task->writer, &task->out);
    task->back.deliver = task_deliver;
    mailbox_post_reserved(worker_mailbox(task->wait.api->worker), &task->back);
}

void api_change(struct api *api, struct http_request *request, struct api_task *task)
{
    struct mailbox *box = worker_mailbox(api->worker);
    task->task.run = task_run;
    task->task.done = task_done;
    api_wait_begin(&task->wait, api, request);
    bool reserved = mailbox_reserve(box, 1);
    if (reserved && writer_ask(pipeline_writer(worker_pipeline(api->worker)), &task->task))
        return;
    if (reserved)
        mailbox_unreserve(box, 1);
    err_set(&task->task.err, ERR_BUSY, "the store cannot take more now");
    task_deliver(&task->back, api->worker);
}

struct audit_line {
    struct writer_task task;
    const char *action;
    char who[65], target[129];
};

static int audit_run(struct writer_task *task, struct writer *writer, struct err *err)
{
    struct audit_line *line = (struct audit_line *)task; /* task is its first member */
    return store_audit(writer_store(writer), clock_now(writer_clock(writer)), str_from(line->who),
                       str_from(line->action), str_from(line->target), STR("{}"), err);
}

static void audit_done(struct writer_task *task)
{
    free(task);
}

void api_audit(struct api *api, const struct http_request *request, const char *action, struct str target)
{
    const struct principal *who = api_principal(request);
    struct audit_line *line = mem_zalloc(1, sizeof(*line));
    line->task.run = audit_run;
    line->task.done = audit_done;
    line->action = action;
    snprintf(line->who, sizeof(line->who), "%s", who && who->name[0] ? who->name : "local");
    snprintf(line->target, sizeof(line->target), "%.*s", STR_ARG(target));
    if (!writer_ask(pipeline_writer(worker_pipeline(api->worker)), &line->task))
        free(line);
}

/* ---- bodies ---- */

struct json *api_body_object_within(struct http_request *request, const struct json_limits *limits)
{
    struct str type = http_header(request, "Content-Type");
    struct err err = {0};
    if (!str_starts(type, STR("application/json"))) {
        http_problem(request, 415, "the body must be application/json");
        return NULL;
    }
    struct json *json = json_parse(http_body(request), limits, &err);
    if (json && json_kind(json) != JSON_KIND_OBJECT) {
        err_set(&err, ERR_INVALID, "the body must be a JSON object");
        json_free(json);
        json = NULL;
    }
    if (json == NULL)
        http_problem(request, err.code == ERR_LIMIT ? 413 : 400, err_text(&err));
    return json;
}

struct json *api_body_object(struct http_request *request)
{
    return api_body_object_within(request, NULL);
}
