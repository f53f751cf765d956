#include "app/serve.h"

#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "app/ai_options.h"
#include "app/api.h"
#include "app/demo.h"
#include "app/gauges.h"
#include "base/log.h"
#include "base/metrics.h"
#include "loop/watch.h"

#define REFRESH_NS       (2 * NS_PER_S)
#define CONTROL_CAPACITY 256
#define HUB_CLIENTS      4096
#define HUB_STOP_NS      (3 * NS_PER_S)
#define STRANGERS_LISTEN "a token file is needed to listen on %s: without one only loopback is allowed"

/* The control thread's own things. */
struct control {
    struct app *app;
    struct loop *loop;
    struct watch_tree *watch;
    struct timer *refresh;
    struct signal_watch *signals[3];
    unsigned draining; /* servers that still drain */
    uint64_t judged;   /* at the last tick */
    bool trimmed;
};

static void tell_clients(struct app *app, struct pipeline *pipeline)
{
    struct ruleset *set = pipeline_ruleset(pipeline);
    hub_rules_reloaded(app->hub, set->generation, set->hash);
    ruleset_unref(set);
}

int serve_reload(struct app *app, struct err *err)
{
    struct pipeline *pipeline = atomic_load(&app->pipeline);
    int rc = reload_now(app->reload, pipeline, err);
    tell_clients(app, pipeline);
    return rc;
}

int serve_overlay(struct app *app, struct overlay_change *change, struct report *report, struct err *err)
{
    struct pipeline *pipeline = atomic_load(&app->pipeline);
    if (reload_overlay(app->reload, pipeline, change, report, err) != 0)
        return -1;
    tell_clients(app, pipeline);
    return 0;
}

/* ---- the pipeline's callbacks ---- */

static void worker_ready(struct worker *worker, void *context)
{
    struct app *app = context;
    struct err err = {0};
    struct api *api = api_new(app, worker, &err);
    if (api == NULL)
        die("worker %u cannot accept: %s", worker_index(worker), err_text(&err));
    app->apis[worker_index(worker)] = api;
}

static void worker_ending(struct worker *worker, void *context)
{
    struct app *app = context;
    api_free(app->apis[worker_index(worker)]);
    app->apis[worker_index(worker)] = NULL;
}

static void published(const struct change *change, void *context)
{
    struct app *app = context;
    hub_publish(app->hub, change);
}

static struct readers *hub_readers(void *context)
{
    struct app *app = context;
    struct pipeline *pipeline = atomic_load(&app->pipeline);
    return pipeline ? pipeline_readers(pipeline) : NULL;
}

static const char *hub_epoch(void *context)
{
    struct app *app = context;
    struct pipeline *pipeline = atomic_load(&app->pipeline);
    return pipeline ? pipeline_epoch(pipeline) : "";
}

/* ---- start ---- */

static const char *or_null(const char *text)
{
    return text && text[0] ? text : NULL;
}

static bool is_loopback(const char *address)
{
    return strncmp(address, "127.", 4) == 0 || strncmp(address, "[::1]", 5) == 0 ||
           strncmp(address, "localhost:", 10) == 0;
}

static void raise_fd_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return;
    limit.rlim_cur = limit.rlim_max < 65536 ? limit.rlim_max : 65536;
    setrlimit(RLIMIT_NOFILE, &limit);
}

static int open_sockets(struct app *app, struct err *err)
{
    const struct settings *s = &app->settings;
    app->listen_fd = app->metrics_fd = -1;
    if (!auth_has_tokens(app->auth) && !is_loopback(s->listen))
        return err_set(err, ERR_DENIED, STRANGERS_LISTEN, s->listen);
    if (http_listen(s->listen, &app->listen_fd, &app->port, err) != 0)
        return -1;
    return s->metrics_listen[0] ? http_listen(s->metrics_listen, &app->metrics_fd, &app->metrics_port, err)
                                : 0;
}

static int start_pipeline(struct app *app, struct ruleset *set, struct err *err)
{
    const struct settings *s = &app->settings;
    struct pipeline_options options = {.data = or_null(s->data),
                                       .workers = (unsigned)s->workers,
                                       .state_max = (size_t)s->state_max,
                                       .pending_max = (size_t)s->pending_max,
                                       .journal_bytes = (uint64_t)s->journal_max,
                                       .journal_ns = s->retain_events,
                                       .retain_threats_ns = s->retain_threats,
                                       .clock = &clock_real,
                                       .set = set,
                                       .ai = &app->ai,
                                       .context = app,
                                       .worker_ready = worker_ready,
                                       .worker_ending = worker_ending,
                                       .published = published};
    struct pipeline *pipeline = pipeline_start(&options, err);
    atomic_store(&app->pipeline, pipeline);
    if (pipeline == NULL)
        return -1;
    gauges_start(pipeline);
    return 0;
}

/* 0, or the exit code. */
static int start_app(struct app *app, struct err *err)
{
    struct settings *s = &app->settings;
    struct hub_options hub = {
        .clients = HUB_CLIENTS, .readers = hub_readers, .epoch = hub_epoch, .context = app};
    struct report report = {0};
    if (ai_options_read(s, &app->ai, err) != 0)
        return 3;
    app->auth = auth_new(s->token_file, s->secret_file, s->origins, err);
    if (app->auth == NULL || open_sockets(app, err) != 0 || pipeline_data_folder(or_null(s->data), err) != 0)
        return 3;
    struct reload_options reload = {s->rules, s->plugins, or_null(s->data), s->test_limit};
    app->reload = reload_new(&reload);
    struct ruleset *set = reload_first(app->reload, &report);
    report_free(&report);
    if (set == NULL) {
        err_set(err, ERR_INVALID, "no rules can run; `lunette check` says why in full");
        return 2;
    }
    app->hub = hub_start(&hub, err);
    int rc = app->hub && start_pipeline(app, set, err) == 0 ? 0 : 3;
    ruleset_unref(set);
    return rc;
}

/* ---- stop ---- */

static void drained_later(struct mail *mail, void *receiver)
{
    struct control *c = receiver;
    free(mail);
    if (--c->draining == 0)
        loop_stop(c->loop);
}

/* On a worker: one of its servers is idle. */
static void server_drained(void *arg)
{
    struct app *app = arg;
    struct mail *mail = mem_zalloc(1, sizeof(*mail));
    mail->deliver = drained_later;
    if (!mailbox_post(app->control, mail))
        die("the control thread's box is full");
}

static void drain_worker(struct worker *worker, void *arg)
{
    struct app *app = arg;
    struct api *api = app->apis[worker_index(worker)];
    http_server_drain(api->server, app->settings.stop_limit, server_drained, app);
}

static void stop_signal(int signum, void *arg)
{
    struct control *c = arg;
    struct app *app = c->app;
    if (atomic_exchange(&app->draining, true)) {
        LOG(LOG_WARN, "stop.now", log_int("signal", signum));
        loop_stop(c->loop);
        return;
    }
    LOG(LOG_INFO, "stop.draining", log_int("signal", signum));
    struct pipeline *pipeline = atomic_load(&app->pipeline);
    c->draining = pipeline_workers(pipeline);
    for (unsigned i = 0; i < pipeline_workers(pipeline); i++)
        pipeline_on_worker(pipeline, i, drain_worker, app);
}

static void stop_app(struct app *app)
{
    struct pipeline *pipeline = atomic_load(&app->pipeline);
    demo_stop(app->demo);
    if (app->hub)
        hub_quiet(app->hub);
    if (pipeline) {
        gauges_stop(pipeline);
        pipeline_stop(pipeline, app->settings.stop_limit);
    }
    if (app->hub)
        hub_stop(app->hub, HUB_STOP_NS);
    reload_free(app->reload);
    auth_free(app->auth);
    if (app->listen_fd >= 0)
        close(app->listen_fd);
    if (app->metrics_fd >= 0)
        close(app->metrics_fd);
}

/* ---- control ---- */

static void reload_logged(struct control *c)
{
    struct err err = {0};
    if (!atomic_load(&c->app->draining) && serve_reload(c->app, &err) != 0)
        LOG_ERR(LOG_ERROR, "rules.reload", &err);
}

static void roots_changed(void *arg)
{
    reload_logged(arg);
}

static void hangup(int signum, void *arg)
{
    struct control *c = arg;
    (void)signum;
    auth_refresh(c->app->auth);
    reload_logged(c);
}

static void refresh(void *arg)
{
    struct control *c = arg;
    struct pipeline_health health;
    auth_refresh(c->app->auth);
    pipeline_health(atomic_load(&c->app->pipeline), &health);
    hub_tick(c->app->hub, &health);
    if (health.pending_events == 0 && health.judged == c->judged && !c->trimmed)
        malloc_trim(0); /* idle: what a burst needed goes back */
    c->trimmed = health.judged == c->judged;
    c->judged = health.judged;
}

/* The roots of "a:b"; splits the text in place. */
static size_t split_roots(char *text, const char **roots, size_t max)
{
    size_t count = 0;
    char *rest = NULL;
    for (char *root = strtok_r(text, ":", &rest); root && count < max; root = strtok_r(NULL, ":", &rest))
        roots[count++] = root;
    return count;
}

static struct watch_tree *watch_roots(struct control *c, struct err *err)
{
    const struct settings *s = &c->app->settings;
    const char *roots[64];
    char *text = NULL;
    if (asprintf(&text, "%s:%s", s->rules, s->plugins) < 0)
        die("out of memory");
    size_t count = split_roots(text, roots, 64);
    struct watch_tree *watch = watch_tree_new(c->loop, roots, count, s->reload_quiet, roots_changed, c, err);
    free(text);
    return watch;
}

static int start_control(struct control *c, struct err *err)
{
    struct app *app = c->app;
    c->watch = watch_roots(c, err);
    if (c->watch == NULL)
        return -1;
    mailbox_attach(app->control, c->loop);
    c->refresh = timer_new(c->loop, refresh, c);
    timer_start(c->refresh, REFRESH_NS, true);
    c->signals[0] = loop_on_signal(c->loop, SIGTERM, stop_signal, c);
    c->signals[1] = loop_on_signal(c->loop, SIGINT, stop_signal, c);
    c->signals[2] = loop_on_signal(c->loop, SIGHUP, hangup, c);
    return 0;
}

static void stop_control(struct control *c)
{
    for (unsigned i = 0; i < 3; i++)
        if (c->signals[i])
            signal_watch_free(c->signals[i]);
    timer_free(c->refresh);
    if (c->watch)
        watch_tree_free(c->watch);
    mailbox_detach(c->app->control);
}

static void say_ready(struct app *app)
{
    struct ruleset *set = pipeline_ruleset(atomic_load(&app->pipeline));
    LOG(LOG_INFO, "serve.listening", log_int("port", app->port), log_int("metrics_port", app->metrics_port),
        log_int("rules", set->rule_count), log_int("sources", set->source_count),
        log_int("milliseconds", (clock_monotonic() - app->started_ns) / NS_PER_MS));
    ruleset_unref(set);
    /* The one line on standard output: for people, and for scripts that asked for port 0. */
    printf("Lunette %s listens on http://%.*s:%d\n", LUNETTE_VERSION,
           (int)(strrchr(app->settings.listen, ':') - app->settings.listen), app->settings.listen, app->port);
    fflush(stdout);
}

int serve(struct settings *settings)
{
    struct app app = {
        .settings = *settings, .started_ns = clock_monotonic(), .listen_fd = -1, .metrics_fd = -1};
    struct control control = {.app = &app};
    struct err err = {0};
    raise_fd_limit();
    signal(SIGPIPE, SIG_IGN);
    log_level_set((enum log_level)settings->log_level);
    loop_init();
    control.loop = loop_new();
    app.control = mailbox_new(CONTROL_CAPACITY, &control);
    int rc = start_app(&app, &err);
    if (rc == 0 && start_control(&control, &err) != 0)
        rc = 3;
    if (rc == 0 && settings->demo)
        app.demo = demo_start(atomic_load(&app.pipeline), control.loop);
    if (rc == 0) {
        say_ready(&app);
        loop_run(control.loop);
        LOG(LOG_INFO, "stop.stopping");
    } else {
        fprintf(stderr, "lunette: %s\n", err_text(&err));
    }
    stop_control(&control);
    while (mailbox_receive(app.control, CONTROL_CAPACITY, 0))
        ;
    stop_app(&app);
    mailbox_free(app.control);
    loop_free(control.loop);
    return rc;
}
