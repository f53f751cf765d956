/* /api/rules: what is in service, and reload on demand. */
#include <stdio.h>

#include "app/api.h"
#include "app/serve.h"

static const char *const mode_names[] = {[RULE_ON] = "on", [RULE_SHADOW] = "shadow", [RULE_OFF] = "off"};

static void strings_json(struct buf *out, const char *key, const struct str *items, size_t count)
{
    buf_json_key(out, key);
    buf_putc(out, '[');
    for (size_t i = 0; i < count; i++) {
        buf_puts(out, i ? "," : "");
        buf_json_string(out, items[i]);
    }
    buf_putc(out, ']');
}

static void slots_json(struct buf *out, const struct ruleset *set, const char *key, const struct slots *slots)
{
    buf_json_key(out, key);
    buf_putc(out, '[');
    for (size_t i = 0; i < slots->count; i++) {
        buf_puts(out, i ? "," : "");
        buf_json_string(out, fields_path(set->fields, slots->items[i]));
    }
    buf_putc(out, ']');
}

static void group_json(struct buf *out, const struct ruleset *set, const struct rule *rule)
{
    buf_json_key(out, "group");
    if (!rule->grouped) {
        buf_puts(out, "null");
        return;
    }
    buf_putc(out, '{');
    slots_json(out, set, "by", &rule->group_by);
    buf_json_kdouble(out, "window_seconds", (double)rule->group.window_ns / 1e9);
    buf_json_kdouble(out, "late_seconds", (double)rule->group.late_ns / 1e9);
    buf_json_kuint(out, "count", rule->group.count);
    if (rule->group.distinct)
        buf_json_kstr(out, "distinct", fields_path(set->fields, rule->distinct));
    buf_putc(out, '}');
}

/* The counts are of all customers together. */
static void statistics_json(struct buf *out, struct api *api, const struct rule *rule)
{
    struct ledger_counts counts = tally_rule(writer_tally(pipeline_writer(worker_pipeline(api->worker))),
                                             rule);
    buf_json_key(out, "statistics");
    buf_putc(out, '{');
    ledger_counts_json(&counts, out);
    buf_putc(out, '}');
}

/* Who asks for it, and how much of it. */
struct rule_view {
    struct api *api;
    bool whole, counted;
};

static struct rule_view rule_view(struct api *api, const struct http_request *request, bool whole)
{
    return (struct rule_view){api, whole, api_principal(request)->customer[0] == '\0'};
}

static void rule_json(struct rule_view view, const struct rule *rule, struct buf *out)
{
    struct api *api = view.api;
    const struct ruleset *set = worker_ruleset(api->worker);
    uint32_t index = (uint32_t)(rule - set->rules);
    buf_putc(out, '{');
    buf_json_kstr(out, "id", rule->id);
    buf_json_kstr(out, "title", rule->title);
    buf_json_kuint(out, "version", rule->version);
    buf_json_kstr(out, "severity", str_from(severity_label(rule->severity)));
    buf_json_kstr(out, "type", rule->type);
    buf_json_kstr(out, "mode", str_from(mode_names[rule->mode]));
    buf_json_kstr(out, "file", rule->path);
    strings_json(out, "mitre", rule->mitre, rule->mitre_count);
    group_json(out, set, rule);
    buf_json_kdouble(out, "dedup_seconds", (double)rule->dedup_window_ns / 1e9);
    if (view.counted)
        statistics_json(out, api, rule);
    buf_json_kbool(out, "always_evaluated", rule->mode != RULE_OFF && match_is_always(set->matcher, index));
    buf_json_kuint(out, "tests", rule->test_count);
    if (view.whole) {
        strings_json(out, "false_positives", rule->false_positives, rule->false_positive_count);
        buf_json_kstr(out, "runbook", rule->runbook);
        buf_json_kstr(out, "source", rule->text);
    }
    buf_putc(out, '}');
}

void route_rules(struct http_request *request, void *context)
{
    struct api *api = context;
    const struct ruleset *set = worker_ruleset(api->worker);
    struct buf out = BUF_EMPTY;
    buf_putc(&out, '[');
    for (size_t i = 0; i < set->rule_count; i++) {
        buf_puts(&out, i ? "," : "");
        rule_json(rule_view(api, request, false), &set->rules[i], &out);
    }
    buf_putc(&out, ']');
    http_respond_json(request, 200, buf_str(&out));
    buf_free(&out);
}

void route_rule(struct http_request *request, void *context)
{
    struct api *api = context;
    const struct ruleset *set = worker_ruleset(api->worker);
    const struct rule *rule = ruleset_find(set, http_param(request, "id"));
    struct buf out = BUF_EMPTY;
    if (rule == NULL) {
        http_problem(request, 404, "no such rule");
        return;
    }
    rule_json(rule_view(api, request, true), rule, &out);
    http_respond_json(request, 200, buf_str(&out));
    buf_free(&out);
}

/* Which generation each worker gives its new batches. */
static void workers_json(struct pipeline *pipeline, struct buf *out)
{
    buf_json_key(out, "workers");
    buf_putc(out, '[');
    for (unsigned i = 0; i < pipeline_workers(pipeline); i++) {
        buf_puts(out, i ? ",{" : "{");
        buf_json_kuint(out, "worker", i);
        buf_json_kuint(out, "generation", worker_generation(pipeline_worker(pipeline, i)));
        buf_putc(out, '}');
    }
    buf_putc(out, ']');
}

void route_rules_status(struct http_request *request, void *context)
{
    struct api *api = context;
    struct buf out = BUF_EMPTY;
    reload_status_json(api->app->reload, &out);
    out.len--; /* the closing brace */
    workers_json(worker_pipeline(api->worker), &out);
    buf_putc(&out, '}');
    http_respond_json(request, 200, buf_str(&out));
    buf_free(&out);
}

/* ---- reload: on the control thread ---- */

struct reload_request {
    struct mail mail; /* there and back */
    struct api_wait wait;
    int rc;
    struct err err;
    struct buf status;
};

static void reload_back(struct mail *mail, void *receiver)
{
    struct reload_request *reload = (struct reload_request *)mail; /* mail is its first member */
    struct http_request *request = reload->wait.request;
    (void)receiver;
    if (request && reload->rc == 0)
        http_respond_json(request, 200, buf_str(&reload->status));
    else if (request)
        http_respond(request, reload->err.code == ERR_BUSY ? 503 : 422, "application/json",
                     buf_str(&reload->status));
    buf_free(&reload->status);
    free(reload);
}

static void reload_deliver(struct mail *mail, void *receiver)
{
    struct reload_request *reload = (struct reload_request *)mail;
    struct app *app = reload->wait.api->app;
    (void)receiver;
    reload->rc = serve_reload(app, &reload->err);
    reload_status_json(app->reload, &reload->status);
    mail->deliver = reload_back;
    mailbox_post_reserved(worker_mailbox(reload->wait.api->worker), mail);
}

void route_rules_reload(struct http_request *request, void *context)
{
    struct api *api = context;
    struct reload_request *reload = mem_zalloc(1, sizeof(*reload));
    struct mailbox *box = worker_mailbox(api->worker);
    reload->mail.deliver = reload_deliver;
    bool reserved = mailbox_reserve(box, 1);
    api_audit(api, request, "rules.reload", STR(""));
    api_wait_begin(&reload->wait, api, request); /* before the post: the control thread reads it */
    if (reserved && mailbox_post(api->app->control, &reload->mail))
        return;
    if (reserved)
        mailbox_unreserve(box, 1);
    http_problem(request, 503, "too many reloads wait already");
    free(reload);
}
