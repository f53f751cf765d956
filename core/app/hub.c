#include "app/hub.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

#include "app/hub_client.h"
#include "base/json.h"
#include "base/log.h"
#include "base/metrics.h"

#define SNAPSHOT      20  /* threats of an initial_batch */
#define CATCH_UP      500 /* changes of one question to the store */
#define PING_NS       (30 * NS_PER_S)
#define GAP_BY_SERVER "the server could not keep what was missed; load the list again"

struct hub {
    struct hub_options options;
    struct ws_server *server;
    struct hub_client *clients; /* hub thread */
    bool quiet;                 /* hub thread: no more questions */
    struct metric_series *connected;
};

/* Loading: the client waits for its snapshot or for what it missed. What the ring brings meanwhile is not
 * sent; its number is remembered, and the store is asked again until it has given that much. */
struct hub_client {
    struct hub *hub;
    struct ws_client *ws; /* NULL: gone, a question still holds this */
    struct hub_client *next, **link;
    char customer[129];
    bool row, loading;
    struct hub_filter filter;
    uint64_t told;    /* every change up to this one was sent or filtered */
    uint64_t skipped; /* newest change that came while loading */
    int64_t said_ns;  /* when something was last sent */
    unsigned holders; /* the connection, and a question under way */
};

/* What a request for /ws brings along. */
struct visit {
    char customer[129];
    bool row, resumes;
    uint64_t resume;
    bool epoch_differs;
};

static void put_cursor(struct hub *hub, uint64_t seq, struct buf *out)
{
    buf_json_key(out, "cursor");
    buf_printf(out, "\"%s.%llu\"", hub->options.epoch(hub->options.context), (unsigned long long)seq);
}

static void say(struct hub_client *c, const char *type, const char *detail)
{
    struct buf out = BUF_EMPTY;
    buf_putc(&out, '{');
    buf_json_kstr(&out, "type", str_from(type));
    if (detail)
        buf_json_kstr(&out, "detail", str_from(detail));
    put_cursor(c->hub, c->told, &out);
    buf_putc(&out, '}');
    c->said_ns = clock_monotonic();
    ws_client_send(c->ws, buf_str(&out));
    buf_free(&out);
}

static void client_release(struct hub_client *c)
{
    if (--c->holders == 0)
        free(c);
}

/* ---- questions to the store ---- */

struct load {
    struct query query;
    struct hub_client *client;
    struct hub *hub;
    struct threat_query filter;
    char customer[129];
    bool snapshot, row, failed, trimmed;
    uint64_t since, until; /* until: what the answer reaches */
    size_t count;
    struct buf out; /* of a snapshot the array; else messages, comma between */
};

/* As of now the threat is kept apart: the stream does not tell of it. */
static bool is_kept_apart(struct str text)
{
    struct json_limits limits = {.size = 4u << 20, .depth = 64};
    struct err err = {0};
    struct json *json = json_parse(text, &limits, &err);
    bool shadow = false, suppressed = false;
    json_get_bool(json, "shadow", &shadow);
    json_get_bool(json, "suppressed", &suppressed);
    json_free(json);
    return shadow || suppressed;
}

static int visit_change(uint64_t seq, bool is_new, struct str customer, struct str json, void *arg)
{
    struct load *load = arg;
    load->until = seq;
    load->count++;
    if ((load->customer[0] && !str_is(customer, load->customer)) || is_kept_apart(json))
        return 0;
    buf_puts(&load->out, load->out.len ? "," : "");
    buf_printf(&load->out, "{\"type\":\"%s\",\"data\":", is_new ? "new_threat" : "threat_updated");
    buf_put(&load->out, json);
    put_cursor(load->hub, seq, &load->out);
    buf_putc(&load->out, '}');
    return 0;
}

static void load_run(struct query *query, struct store_reader *reader)
{
    struct load *load = (struct load *)query; /* query is its first member */
    struct err err = {0};
    struct threat_page page;
    int rc;
    if (load->snapshot) {
        load->until = store_last_seq(
            reader); /* before the query: what comes between is sent twice, never lost */
        rc = store_query(reader, &load->filter, &page, &load->out, &err);
    } else {
        load->until = load->since;
        rc = store_changes(reader, load->since, CATCH_UP, load->row, visit_change, load, &load->trimmed,
                           &err);
    }
    load->failed = rc != 0;
    if (rc != 0)
        LOG_ERR(LOG_ERROR, "hub.load", &err);
}

static void load_done_on_hub(void *arg);

static void load_done(struct query *query)
{
    struct load *load = (struct load *)query;
    /* One for each client at most; and the readers end before the hub does. */
    INVARIANT(ws_server_call_always(load->hub->server, load_done_on_hub, load));
}

static void ask(struct hub_client *c, bool snapshot)
{
    struct hub *hub = c->hub;
    struct readers *readers = hub->quiet ? NULL : hub->options.readers(hub->options.context);
    struct load *load = mem_zalloc(1, sizeof(*load));
    load->query.run = load_run;
    load->query.done = load_done;
    load->client = c;
    load->hub = hub;
    load->snapshot = snapshot;
    load->row = c->row;
    load->since = c->told;
    memcpy(load->customer, c->customer, sizeof(load->customer));
    load->filter = (struct threat_query){.severities = c->filter.severities,
                                         .statuses = c->filter.statuses,
                                         .review = c->filter.review,
                                         .limit = SNAPSHOT,
                                         .row = c->row};
    load->filter.customer = str_from(c->customer[0] ? load->customer : c->filter.customer);
    load->filter.type = str_from(c->filter.type);
    load->filter.rule = str_from(c->filter.rule);
    load->filter.assignee = str_from(c->filter.assignee);
    c->loading = true;
    c->holders++;
    if (readers && readers_ask(readers, &load->query))
        return;
    c->holders--;
    free(load);
    say(c, "error", "the server is busy; connect again");
    ws_client_close(c->ws, 1013, "busy");
}

static void send_loaded(struct hub_client *c, const struct load *load)
{
    struct buf out = BUF_EMPTY;
    if (load->snapshot) {
        buf_puts(&out, "{\"type\":\"initial_batch\",\"data\":");
        buf_put(&out, buf_str(&load->out));
        put_cursor(c->hub, c->told, &out);
        buf_putc(&out, '}');
    } else if (load->out.len) {
        buf_putc(&out, '[');
        buf_put(&out, buf_str(&load->out));
        buf_putc(&out, ']');
    }
    if (out.len)
        ws_client_send(c->ws, buf_str(&out));
    c->said_ns = clock_monotonic();
    buf_free(&out);
}

static void loaded(struct hub_client *c, const struct load *load)
{
    if (load->failed) {
        say(c, "error", "the threats cannot be read now; connect again");
        ws_client_close(c->ws, 1011, "store");
        return;
    }
    if (load->trimmed) {
        c->told = 0;
        say(c, "gap", GAP_BY_SERVER);
        ask(c, true);
        return;
    }
    if (load->until > c->told)
        c->told = load->until;
    send_loaded(c, load);
    if (c->skipped > c->told || (!load->snapshot && load->count == CATCH_UP))
        ask(c, false);
    else
        c->loading = false;
}

static void load_done_on_hub(void *arg)
{
    struct load *load = arg;
    struct hub_client *c = load->client;
    if (c->ws)
        loaded(c, load);
    client_release(c);
    buf_free(&load->out);
    free(load);
}

/* ---- the server's hooks, on the hub thread ---- */

static void *opened(struct ws_client *ws, void *user, void *context)
{
    struct hub *hub = context;
    struct visit *visit = user;
    struct hub_client *c = mem_zalloc(1, sizeof(*c));
    c->hub = hub;
    c->ws = ws;
    c->holders = 1;
    c->row = visit->row;
    c->filter.review = -1;
    memcpy(c->customer, visit->customer, sizeof(c->customer));
    c->next = hub->clients;
    c->link = &hub->clients;
    if (c->next)
        c->next->link = &c->next;
    hub->clients = c;
    if (visit->resumes && visit->epoch_differs)
        say(c, "gap", "this cursor is of another store; load the list again");
    c->told = visit->resumes && !visit->epoch_differs ? visit->resume : 0;
    ask(c, !visit->resumes || visit->epoch_differs);
    free(visit);
    return c;
}

static void closed(struct ws_client *ws, void *state, void *context)
{
    struct hub_client *c = state;
    (void)ws;
    (void)context;
    *c->link = c->next;
    if (c->next)
        c->next->link = c->link;
    c->ws = NULL;
    client_release(c);
}

static void subscribe(struct hub_client *c, const struct json *json)
{
    struct hub_filter filter = {.review = -1};
    const struct json *wanted = json_get(json, "filter");
    struct str field, view;
    if (wanted && !hub_filter_parse(wanted, &filter, &field)) {
        char detail[200];
        snprintf(detail, sizeof(detail), "filter: %.*s is unknown or not right",
                 (int)(field.len > 64 ? 64 : field.len), field.ptr);
        say(c, "error", detail);
        return;
    }
    if (c->customer[0] && filter.customer[0] && strcmp(filter.customer, c->customer) != 0) {
        say(c, "error", "filter: customer is another one than the token's");
        return;
    }
    if (json_get_str(json, "view", &view)) {
        if (!str_is(view, "row") && !str_is(view, "full")) {
            say(c, "error", "view: expected row or full");
            return;
        }
        c->row = str_is(view, "row");
    }
    c->filter = filter;
    if (!c->loading)
        ask(c, true);
}

static void message(struct ws_client *ws, void *state, struct str text, void *context)
{
    struct hub_client *c = state;
    struct err err = {0};
    struct json *json = json_parse(text, NULL, &err);
    struct str type;
    (void)ws;
    (void)context;
    if (json == NULL || !json_get_str(json, "type", &type))
        say(c, "error", "expected a JSON object with a type: ping or subscribe");
    else if (str_is(type, "ping"))
        say(c, "pong", NULL);
    else if (str_is(type, "subscribe"))
        subscribe(c, json);
    else if (!str_is(type, "pong"))
        say(c, "error", "unknown type; expected ping or subscribe");
    json_free(json);
}

static void put_message(struct hub_client *c, const struct hub_message *m, struct buf *out)
{
    buf_puts(out, out->len ? "," : "");
    if (m->seq == 0) {
        buf_put(out, m->row);
        return;
    }
    buf_printf(out, "{\"type\":\"%s\",\"data\":", m->is_new ? "new_threat" : "threat_updated");
    buf_put(out, c->row ? m->row : m->full);
    put_cursor(c->hub, m->seq, out);
    buf_putc(out, '}');
}

/* long: a hook of ws_server.h */
static bool frame(struct ws_client *ws, void *state, void *const *messages, size_t count, struct buf *out,
                  void *context)
{
    struct hub_client *c = state;
    struct buf body = BUF_EMPTY;
    size_t put = 0;
    (void)ws;
    (void)context;
    for (size_t i = 0; i < count; i++) {
        const struct hub_message *m = messages[i];
        if (m->seq > c->skipped)
            c->skipped = m->seq;
        if (c->loading || (m->seq && m->seq <= c->told))
            continue;
        if (m->seq)
            c->told = m->seq;
        if (!hub_filter_message(&c->filter, c->customer, m))
            continue;
        put_message(c, m, &body);
        put++;
    }
    buf_puts(out, put > 1 ? "[" : "");
    buf_put(out, buf_str(&body));
    buf_puts(out, put > 1 ? "]" : "");
    buf_free(&body);
    if (put)
        c->said_ns = clock_monotonic();
    return put > 0;
}

static bool lagged(struct ws_client *ws, void *state, uint64_t lost, struct buf *out, void *context)
{
    struct hub_client *c = state;
    (void)ws;
    (void)context;
    buf_puts(out, "{\"type\":\"gap\",");
    buf_json_kuint(out, "lost", lost);
    buf_json_kstr(out, "detail", STR("this connection was too slow; load the list again"));
    put_cursor(c->hub, c->told, out);
    buf_putc(out, '}');
    return true;
}

static void drop(void *item, void *context)
{
    (void)context;
    hub_message_free(item);
}

/* ---- from outside ---- */

struct hub *hub_start(const struct hub_options *options, struct err *err)
{
    struct hub *hub = mem_zalloc(1, sizeof(*hub));
    struct ws_options ws = ws_options_default;
    struct ws_hooks hooks = {.context = hub,
                             .opened = opened,
                             .message = message,
                             .closed = closed,
                             .frame = frame,
                             .lagged = lagged,
                             .drop = drop};
    hub->options = *options;
    ws.clients = options->clients;
    hub->connected = metric_with(
        metric_new(METRIC_GAUGE, "lunette_websocket_clients", "", "open WebSocket connections"), NULL);
    hub->server = ws_server_start(&ws, &hooks, err);
    if (hub->server)
        return hub;
    free(hub);
    return NULL;
}

void hub_stop(struct hub *hub, int64_t limit_ns)
{
    ws_server_stop(hub->server, limit_ns);
    free(hub);
}

static void publish(struct hub *hub, struct hub_message *m)
{
    if (!ws_server_publish(hub->server, m, sizeof(*m) + m->row.len + m->full.len)) {
        LOG(LOG_WARN, "hub.full", log_int("seq", m->seq)); /* clients find it by their next cursor */
        hub_message_free(m);
    }
}

void hub_publish(struct hub *hub, const struct change *change)
{
    if (change->threat->shadow || change->threat->suppressed)
        return;
    publish(hub, hub_message_new(change));
}

void hub_rules_reloaded(struct hub *hub, uint64_t generation, const char *hash)
{
    struct buf out = BUF_EMPTY;
    buf_puts(&out, "{\"type\":\"rules_reloaded\",\"data\":{");
    buf_json_kuint(&out, "generation", generation);
    buf_json_kstr(&out, "hash", str_from(hash));
    buf_puts(&out, "}}");
    publish(hub, hub_message_raw(buf_str(&out), false));
    buf_free(&out);
}

/* Runs a call on the hub thread and waits for it. */
struct wait {
    struct hub *hub;
    pthread_mutex_t lock;
    pthread_cond_t done;
    bool is_done;
};

static void become_quiet(void *arg)
{
    struct wait *wait = arg;
    wait->hub->quiet = true;
    pthread_mutex_lock(&wait->lock);
    wait->is_done = true;
    pthread_cond_signal(&wait->done);
    pthread_mutex_unlock(&wait->lock);
}

void hub_quiet(struct hub *hub)
{
    struct wait wait = {.hub = hub, .lock = PTHREAD_MUTEX_INITIALIZER, .done = PTHREAD_COND_INITIALIZER};
    INVARIANT(ws_server_call_always(hub->server, become_quiet, &wait));
    pthread_mutex_lock(&wait.lock);
    while (!wait.is_done)
        pthread_cond_wait(&wait.done, &wait.lock);
    pthread_mutex_unlock(&wait.lock);
}

static void ping_idle(void *arg)
{
    struct hub *hub = arg;
    int64_t now = clock_monotonic();
    for (struct hub_client *c = hub->clients, *next; c; c = next) {
        next = c->next; /* a send may end the client */
        if (!c->loading && now - c->said_ns >= PING_NS)
            say(c, "ping", NULL);
    }
}

void hub_tick(struct hub *hub, const struct pipeline_health *health)
{
    struct buf out = BUF_EMPTY;
    metric_set(hub->connected, (double)ws_server_clients(hub->server));
    ws_server_call(hub->server, ping_idle, hub);
    if (ws_server_clients(hub->server) == 0)
        return;
    buf_puts(&out, "{\"type\":\"stats\",\"data\":{");
    buf_json_kuint(&out, "clients", ws_server_clients(hub->server));
    buf_json_kint(&out, "pending_events", health->pending_events);
    buf_json_kuint(&out, "judged_batch", health->judged);
    buf_json_kbool(&out, "ledger_balanced", health->balanced);
    buf_puts(&out, "}}");
    publish(hub, hub_message_raw(buf_str(&out), true));
    buf_free(&out);
}

/* "epoch.seq" */
static bool parse_cursor(struct str text, const char *epoch, struct visit *visit)
{
    const char *dot = text.len ? memrchr(text.ptr, '.', text.len) : NULL;
    if (dot == NULL || dot + 1 == text.ptr + text.len || text.ptr + text.len - dot > 20)
        return false;
    for (const char *p = dot + 1; p < text.ptr + text.len; p++) {
        if (*p < '0' || *p > '9')
            return false;
        visit->resume = visit->resume * 10 + (uint64_t)(*p - '0');
    }
    visit->resumes = true;
    visit->epoch_differs = !str_is((struct str){text.ptr, (size_t)(dot - text.ptr)}, epoch);
    return true;
}

void hub_upgrade(struct hub *hub, struct http_request *request, const char *customer)
{
    struct str view = http_query(request, "view"), resume = http_query(request, "resume");
    struct visit *visit = mem_zalloc(1, sizeof(*visit));
    snprintf(visit->customer, sizeof(visit->customer), "%s", customer);
    visit->row = str_is(view, "row");
    if (view.ptr && !visit->row && !str_is(view, "full")) {
        http_problem_field(request, 422, "a query parameter is not right", "view", "expected row or full");
    } else if (resume.ptr && !parse_cursor(resume, hub->options.epoch(hub->options.context), visit)) {
        http_problem_field(request, 422, "a query parameter is not right", "resume", "not a cursor");
    } else {
        ws_server_upgrade(hub->server, request, visit, free);
        return;
    }
    free(visit);
}

size_t hub_clients(const struct hub *hub)
{
    return ws_server_clients(hub->server);
}
