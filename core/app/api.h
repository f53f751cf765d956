/* The HTTP API's glue: what the process is made of, what a worker's handlers share, and helpers to answer
 * later. Handlers live in routes_*.c and run on workers. */
#ifndef LUNETTE_APP_API_H
#define LUNETTE_APP_API_H

#include "app/auth.h"
#include "app/hub.h"
#include "app/settings.h"
#include "net/rate_limit.h"
#include "pipeline/analyse.h"
#include "pipeline/reload.h"

struct demo;

/* The process. Made by serve.c; everything but the atomics is fixed before the first request. */
struct app {
    struct settings settings;
    struct ai_settings ai; /* of the settings */
    struct auth *auth;
    struct hub *hub;
    struct reload *reload;
    struct pipeline *_Atomic pipeline; /* NULL until its workers run */
    struct mailbox *control;           /* of the control thread */
    struct demo *demo;                 /* NULL: not in demo mode */
    int listen_fd, metrics_fd;         /* -1: none */
    int port, metrics_port;
    int64_t started_ns;
    struct api *apis[GROUP_SHARDS]; /* by worker; each is made and freed on its worker */
    atomic_bool draining;
};

/* One worker's side; the context of its handlers. */
struct api {
    struct app *app;
    struct worker *worker;
    struct http_server *server, *metrics_server;
    struct rate_limit *rate;
    struct metric_series *(*counters)[8]; /* per route and where there is none per method; see api.c */
    int (*statuses)[8];
    struct metric_series *seconds;
};

extern const struct http_route api_routes[];
extern const size_t api_route_count;
extern const struct http_route api_metrics_routes[];
extern const size_t api_metrics_route_count;

struct api *api_new(struct app *app, struct worker *worker, struct err *err);
void api_free(struct api *api);

/* Who asks; set by the guard for every route that is not open. */
const struct principal *api_principal(const struct http_request *request);

/* ---- answers that come later ---- */

/* A request that waits for another thread. `request` becomes NULL when the client left. */
struct api_wait {
    struct http_request *request;
    struct api *api;
};
void api_wait_begin(struct api_wait *wait, struct api *api, struct http_request *request);

/* A question to the store: embed, set `run`, `answer` and `drop`, then api_ask. On the reader thread `run`
 * fills `out` or `err`; then `answer` runs on the worker (not when the client left); then `drop`. Answers 503
 * itself when busy. */
struct api_query {
    struct query query;
    struct api_wait wait;
    int (*run)(struct api_query *query, struct store_reader *reader, struct buf *out, struct err *err);
    void (*answer)(struct api_query *query, struct http_request *request); /* NULL: 200 with `out` */
    void (*drop)(struct api_query *query);                                 /* NULL: free(query) */
    struct buf out;
    struct err err;
    bool failed;
};
void api_ask(struct api *api, struct http_request *request, struct api_query *query);

/* A change by the writer: as above, over struct writer_task. `render` (may be NULL) fills `out` after the
 * commit. */
struct api_task {
    struct writer_task task;
    struct mail back;
    struct api_wait wait;
    int (*run)(struct api_task *task, struct writer *writer, struct err *err);
    void (*render)(struct api_task *task, struct writer *writer, struct buf *out);
    void (*answer)(struct api_task *task, struct http_request *request);
    void (*drop)(struct api_task *task);
    struct writer *writer;
    int conflict;      /* status for ERR_CONFLICT; 0: 409 */
    const char *field; /* what ERR_INVALID is about; NULL: the whole */
    struct buf out;
};
void api_change(struct api *api, struct http_request *request, struct api_task *task);

/* One line in the audit, for changes that are not in a commit of their own. Lost when the writer is busy. */
void api_audit(struct api *api, const struct http_request *request, const char *action, struct str target);

/* ---- parameters ---- */

bool api_number(struct str text, uint64_t max, uint64_t *out); /* digits alone, at most max */
/* ?limit=: 1 to `max`, else `fallback`; false after answering 422. */
bool api_limit(struct http_request *request, size_t max, size_t fallback, size_t *limit);
/* ?NAME= as an RFC 3339 time; untouched where it is absent; false after answering 422. */
bool api_time(struct http_request *request, const char *name, int64_t *at_ns);
/* {id} of the path; false after answering 404. */
bool api_threat_id(struct http_request *request, char id[UUID_TEXT]);

/* Versions as ETags: "3". */
struct api_match {
    bool any; /* *, or none was needed */
    uint32_t version;
};
void api_set_etag(struct http_request *request, uint32_t version);
/* If-Match: "3", W/"3" or *; false after answering 428 (it is needed, and absent) or 412 (it is none). */
bool api_if_match(struct http_request *request, bool needed, struct api_match *match);

/* ---- bodies ---- */

struct json;
struct json_limits;
/* The body as a JSON object; NULL after answering 400, 413 or 415. */
struct json *api_body_object(struct http_request *request);
struct json *api_body_object_within(struct http_request *request, const struct json_limits *limits);

/* Handlers, by file. */
void route_events(struct http_request *request, void *context);
void route_events_source(struct http_request *request, void *context);
void route_ingest_wazuh(struct http_request *request, void *context);
void route_threats(struct http_request *request, void *context);
void route_threat(struct http_request *request, void *context);
void route_threat_patch(struct http_request *request, void *context);
void route_threat_note(struct http_request *request, void *context);
void route_trigger(struct http_request *request, void *context);
void route_threat_evidence(struct http_request *request, void *context);
void route_threat_timeline(struct http_request *request, void *context);
void route_threat_similar(struct http_request *request, void *context);
void route_threat_notes(struct http_request *request, void *context);
void route_threat_analyze(struct http_request *request, void *context);
void route_action_approve(struct http_request *request, void *context);
void route_action_reject(struct http_request *request, void *context);
void route_ai_usage(struct http_request *request, void *context);
void route_lists(struct http_request *request, void *context);
void route_list(struct http_request *request, void *context);
void route_list_put(struct http_request *request, void *context);
void route_list_delete(struct http_request *request, void *context);
void route_egress(struct http_request *request, void *context);
void route_egress_list(struct http_request *request, void *context);
void route_demo_reset(struct http_request *request, void *context);
void route_root(struct http_request *request, void *context);
void route_static(struct http_request *request, void *context);
void route_health(struct http_request *request, void *context);
void route_ready(struct http_request *request, void *context);
void route_metrics(struct http_request *request, void *context);
void route_openapi(struct http_request *request, void *context);
void route_docs(struct http_request *request, void *context);
void route_ledger(struct http_request *request, void *context);
void route_analytics(struct http_request *request, void *context);
void route_audit(struct http_request *request, void *context);
void route_rules(struct http_request *request, void *context);
void route_rule(struct http_request *request, void *context);
void route_rules_status(struct http_request *request, void *context);
void route_rules_reload(struct http_request *request, void *context);
void route_login(struct http_request *request, void *context);
void route_logout(struct http_request *request, void *context);
void route_ws(struct http_request *request, void *context);

#endif
