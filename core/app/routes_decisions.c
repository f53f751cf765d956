/* What people decide of a threat's analysis and plan: analyze again, approve or reject an action. */
#include <stdio.h>

#include "app/threat_change.h"
#include "pipeline/followup.h"

#define REASON_MAX 2048

/* ---- analyze ---- */

static int analyze_run(struct api_task *base, struct writer *writer, struct err *err)
{
    struct threat_change *change = (struct threat_change *)base;
    struct threat *threat = threat_change_find(change, writer, err);
    if (threat == NULL || followup_analyse(writer_followup(writer), threat, err) != 0)
        return -1;
    return threat_change_audit(change, writer, "threat.analyze", STR("{}"), err);
}

static void analyze_answer(struct api_task *base, struct http_request *request)
{
    struct threat_change *change = (struct threat_change *)base;
    struct followup_state state;
    struct buf out = BUF_EMPTY;
    followup_state(writer_followup(pipeline_writer(worker_pipeline(base->wait.api->worker))), &state);
    buf_putc(&out, '{');
    buf_json_kstr(&out, "threat_id", str_from(change->id));
    buf_json_kstr(&out, "status", STR("queued"));
    buf_json_kbool(&out, "model", state.has_model);
    buf_putc(&out, '}');
    http_respond_json(request, 202, buf_str(&out));
    buf_free(&out);
}

void route_threat_analyze(struct http_request *request, void *context)
{
    struct threat_change *change = threat_change_new(request, true);
    if (change == NULL)
        return;
    if (json_count(change->body) != 0) {
        http_problem(request, 422, "an analysis takes no fields");
        threat_change_drop(&change->base);
        return;
    }
    change->base.run = analyze_run;
    change->base.answer = analyze_answer;
    api_change(context, request, &change->base);
}

/* ---- approve and reject ---- */

static int audit_decision(const struct threat_change *change, struct writer *writer,
                          const struct plan_action *action, struct err *err)
{
    struct buf detail = BUF_EMPTY;
    buf_putc(&detail, '{');
    buf_json_kstr(&detail, "action_id", action->id);
    buf_json_kstr(&detail, "type", action->type);
    buf_json_kstr(&detail, "target", action->target);
    if (change->reason.len)
        buf_json_kstr(&detail, "reason", change->reason);
    buf_putc(&detail, '}');
    int rc = threat_change_audit(change, writer, change->approve ? "action.approve" : "action.reject",
                                 buf_str(&detail), err);
    buf_free(&detail);
    return rc;
}

static int decide_run(struct api_task *base, struct writer *writer, struct err *err)
{
    struct threat_change *change = (struct threat_change *)base;
    struct threat *threat = threat_change_find(change, writer, err);
    struct plan_decision decision = {.approve = change->approve,
                                     .by = str_from(change->who),
                                     .reason = change->reason,
                                     .at_ns = clock_now(writer_clock(writer))};
    struct plan_action action;
    if (threat == NULL)
        return -1;
    struct str before = threat->extra;
    if (plan_decide(threat, str_from(change->action_id), &decision, &action, err) != 0)
        return -1;
    if (audit_decision(change, writer, &action, err) != 0) {
        threat->extra = before; /* no decision without its record */
        return -1;
    }
    buf_put(&base->out, action.json);
    threat_change_made(change, writer, threat);
    if (change->approve)
        followup_dry_run(writer_followup(writer), threat);
    return 0;
}

static void decide_answer(struct api_task *base, struct http_request *request)
{
    api_set_etag(request, ((struct threat_change *)base)->version);
    http_respond_json(request, 200, buf_str(&base->out));
}

/* False after answering 422. */
static bool take_reason(struct http_request *request, struct threat_change *change)
{
    bool has = json_get_str(change->body, "reason", &change->reason);
    if (json_count(change->body) == (has ? 1u : 0u) && change->reason.len <= REASON_MAX)
        return true;
    http_problem_field(request, 422, "the decision is not right", "reason",
                       "the only field: a text of at most 2048 bytes");
    return false;
}

/* False after answering 404: what no action can be called is none. */
static bool take_action_id(struct http_request *request, struct threat_change *change)
{
    struct str id = http_param(request, "action_id");
    if (id.len == 0 || id.len >= sizeof(change->action_id)) {
        http_problem(request, 404, "no such action");
        return false;
    }
    snprintf(change->action_id, sizeof(change->action_id), "%.*s", STR_ARG(id));
    return true;
}

static void decide(struct http_request *request, struct api *api, bool approve)
{
    struct threat_change *change = threat_change_new(request, true);
    if (change == NULL)
        return;
    change->approve = approve;
    if (!take_action_id(request, change) || !take_reason(request, change) ||
        !api_if_match(request, approve, &change->match)) {
        threat_change_drop(&change->base);
        return;
    }
    change->base.run = decide_run;
    change->base.answer = decide_answer;
    api_change(api, request, &change->base);
}

void route_action_approve(struct http_request *request, void *context)
{
    decide(request, context, true);
}

void route_action_reject(struct http_request *request, void *context)
{
    decide(request, context, false);
}
