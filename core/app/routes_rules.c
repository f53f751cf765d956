/* /api/rules: what is in service, and reload on demand. */
#include <stdio.h>

#include "app/api.h"
#include "app/serve.h"
#include "base/json.h"
#include "base/map.h"

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
    const struct map *cards; /* by rule id, struct json * */
};

/* How the rule's threats were judged: of all customers, or of the one that the token sees. */
static void scorecard_json(const struct rule_view *view, const struct rule *rule, struct buf *out)
{
    const struct json *card = map_get(view->cards, rule->id);
    const struct json *value;
    struct str key;
    void *at = NULL;
    bool first = true;
    buf_json_key(out, "scorecard");
    if (card == NULL) {
        buf_puts(out, "null");
        return;
    }
    buf_putc(out, '{');
    while (json_next(card, &at, &key, &value)) {
        if (str_is(key, "rule_id"))
            continue;
        buf_puts(out, first ? "" : ",");
        first = false;
        buf_json_string(out, key);
        buf_putc(out, ':');
        json_print(value, out);
    }
    buf_putc(out, '}');
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
    scorecard_json(&view, rule, out);
    buf_json_kbool(out, "always_evaluated", rule->mode != RULE_OFF && match_is_always(set->matcher, index));
    buf_json_kuint(out, "tests", rule->test_count);
    if (view.whole) {
        strings_json(out, "false_positives", rule->false_positives, rule->false_positive_count);
        buf_json_kstr(out, "runbook", rule->runbook);
        buf_json_kstr(out, "source", rule->text);
    }
    buf_putc(out, '}');
}

/* ---- the scorecard is the store's, so a reader is asked first ---- */

#define RULE_ID_MAX 128

struct rules_query {
    struct api_query base;
    char customer[129], id[RULE_ID_MAX + 1];
    bool one;
};

static int cards_run(struct api_query *base, struct store_reader *reader, struct buf *out, struct err *err)
{
    struct rules_query *q = (struct rules_query *)base; /* base is its first member */
    return store_scorecard(reader, str_from(q->customer), out, err);
}

static const struct json_limits own_text = {SIZE_MAX, 32, false};

static struct map *map_cards(const struct json *cards)
{
    struct map *map = map_new();
    for (size_t i = 0; i < json_count(cards); i++) {
        struct str id;
        const struct json *card = json_item(cards, i);
        if (json_get_str(card, "rule_id", &id))
            map_put(map, id, (void *)card);
    }
    return map;
}

static void all_json(struct rule_view view, struct buf *out)
{
    const struct ruleset *set = worker_ruleset(view.api->worker);
    buf_putc(out, '[');
    for (size_t i = 0; i < set->rule_count; i++) {
        buf_puts(out, i ? "," : "");
        rule_json(view, &set->rules[i], out);
    }
    buf_putc(out, ']');
}

static void rules_answer(struct api_query *base, struct http_request *request)
{
    struct rules_query *q = (struct rules_query *)base;
    struct api *api = base->wait.api;
    struct json *cards = json_parse(buf_str(&base->out), &own_text, NULL);
    struct map *map = map_cards(cards);
    struct rule_view view = {api, q->one, q->customer[0] == '\0', map};
    const struct rule *rule = q->one ? ruleset_find(worker_ruleset(api->worker), str_from(q->id)) : NULL;
    struct buf out = BUF_EMPTY;
    if (!q->one)
        all_json(view, &out);
    else if (rule)
        rule_json(view, rule, &out);
    if (out.len)
        http_respond_json(request, 200, buf_str(&out));
    else
        http_problem(request, 404, "no such rule");
    buf_free(&out);
    map_free(map, NULL);
    json_free(cards);
}

static void ask_rules(struct http_request *request, struct api *api, struct str id)
{
    struct rules_query *q = mem_zalloc(1, sizeof(*q));
    q->base.run = cards_run;
    q->base.answer = rules_answer;
    q->one = id.ptr != NULL;
    snprintf(q->customer, sizeof(q->customer), "%s", api_principal(request)->customer);
    snprintf(q->id, sizeof(q->id), "%.*s", STR_ARG(id));
    api_ask(api, request, &q->base);
}

void route_rules(struct http_request *request, void *context)
{
    ask_rules(request, context, (struct str){0});
}

void route_rule(struct http_request *request, void *context)
{
    struct api *api = context;
    struct str id = http_param(request, "id");
    if (id.len > RULE_ID_MAX || ruleset_find(worker_ruleset(api->worker), id) == NULL)
        http_problem(request, 404, "no such rule");
    else
        ask_rules(request, api, id);
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
