#include "pipeline/plan.h"

#include "pipeline/view.h"

/* Copies an action with members added behind its own; a member of the same name is replaced. */
struct change {
    struct str id;
    void (*add)(struct buf *action, const void *arg);
    const void *arg;
    bool found;
};

static void put_action(const struct json *action, struct change *change, struct buf *out)
{
    struct buf object = BUF_EMPTY;
    struct str id;
    json_print(action, &object);
    if (json_get_str(action, "id", &id) && str_equal(id, change->id)) {
        change->found = true;
        change->add(&object, change->arg);
    }
    buf_put(out, buf_str(&object));
    buf_free(&object);
}

static void put_plan(const struct json *plan, struct change *change, struct buf *out)
{
    const struct json *value;
    struct str key;
    void *at = NULL;
    buf_putc(out, '{');
    while (json_next(plan, &at, &key, &value)) {
        if (out->ptr[out->len - 1] != '{')
            buf_putc(out, ',');
        buf_json_string(out, key);
        buf_putc(out, ':');
        if (str_is(key, "primary_action") && json_kind(value) == JSON_KIND_OBJECT) {
            put_action(value, change, out);
        } else if (str_is(key, "secondary_actions")) {
            buf_putc(out, '[');
            for (size_t i = 0; i < json_count(value); i++) {
                if (i)
                    buf_putc(out, ',');
                put_action(json_item(value, i), change, out);
            }
            buf_putc(out, ']');
        } else {
            json_print(value, out);
        }
    }
    buf_putc(out, '}');
}

static bool change_plan(struct threat *threat, struct change *change)
{
    struct buf plan = BUF_EMPTY;
    struct str text;
    struct json *json = threat_extra_get(threat->extra, STR("response_plan"), &text) ? view_parse(text)
                                                                                     : NULL;
    if (json_kind(json) == JSON_KIND_OBJECT)
        put_plan(json, change, &plan);
    if (change->found) {
        threat_put_extra(threat, "response_plan", buf_str(&plan));
    }
    json_free(json);
    buf_free(&plan);
    return change->found;
}

/* ---- looking ---- */

static const struct json *action_at(const struct json *plan, size_t i)
{
    return i ? json_item(json_get(plan, "secondary_actions"), i - 1) : json_get(plan, "primary_action");
}

static void keep_text(struct threat *threat, const struct json *object, const char *key, struct str *out)
{
    struct str text = STR("");
    json_get_str(object, key, &text);
    *out = threat_keep(threat, text);
}

static void take(struct threat *threat, const struct json *item, struct plan_action *action)
{
    struct buf json = BUF_EMPTY;
    json_print(item, &json);
    keep_text(threat, item, "id", &action->id);
    keep_text(threat, item, "type", &action->type);
    keep_text(threat, item, "target", &action->target);
    keep_text(threat, item, "status", &action->status);
    action->json = threat_keep(threat, buf_str(&json));
    buf_free(&json);
}

static struct json *plan_of(const struct threat *threat)
{
    struct str text;
    return threat_extra_get(threat->extra, STR("response_plan"), &text) ? view_parse(text) : NULL;
}

static bool find(struct threat *threat, struct str id, struct plan_action *action)
{
    struct json *plan = plan_of(threat);
    const struct json *item = action_at(plan, 0);
    struct str other;
    bool found = false;
    for (size_t i = 0; item && !found; item = found ? item : action_at(plan, ++i)) {
        found = json_get_str(item, "id", &other) && str_equal(other, id);
        if (found)
            take(threat, item, action);
    }
    json_free(plan);
    return found;
}

void plan_each_untried(struct threat *threat, void (*visit)(const struct plan_action *action, void *arg),
                       void *arg)
{
    static const char approved[] = "\"status\":\"approved\"";
    if (!memmem(threat->extra.ptr, threat->extra.len, approved, sizeof(approved) - 1))
        return; /* nearly all */
    struct json *plan = plan_of(threat);
    const struct json *item = action_at(plan, 0);
    struct str status;
    for (size_t i = 0; item; item = action_at(plan, ++i)) {
        struct plan_action action;
        if (!json_get_str(item, "status", &status) || !str_is(status, "approved") ||
            json_get(item, "dry_run"))
            continue;
        take(threat, item, &action);
        visit(&action, arg);
    }
    json_free(plan);
}

/* ---- deciding ---- */

static void add_decision(struct buf *action, const void *arg)
{
    const struct plan_decision *decision = arg;
    char stamp[32];
    threat_extra_put_text(action, "status", str_from(decision->approve ? "approved" : "rejected"));
    threat_extra_put_text(action, "decided_by", decision->by);
    threat_extra_put_text(action, "decided_at", (struct str){stamp, time_print(decision->at_ns, stamp)});
    if (decision->reason.len)
        threat_extra_put_text(action, "decision_reason", decision->reason);
}

int plan_decide(struct threat *threat, struct str action_id, const struct plan_decision *decision,
                struct plan_action *action, struct err *err)
{
    struct change change = {.id = action_id, .add = add_decision, .arg = decision};
    if (!find(threat, action_id, action))
        return err_set(err, ERR_NOT_FOUND, "the plan has no action %.*s", STR_ARG(action_id));
    if (!str_is(action->status, "planned"))
        return err_set(err, ERR_CONFLICT, "the action is %.*s already", STR_ARG(action->status));
    if (!change_plan(threat, &change) || !find(threat, action_id, action))
        return err_set(err, ERR_INTERNAL, "the plan lost its action %.*s", STR_ARG(action_id));
    return 0;
}

struct outcome {
    struct str json;
    const char *reason;
};

static void add_outcome(struct buf *action, const void *arg)
{
    const struct outcome *outcome = arg;
    struct buf value = BUF_EMPTY;
    if (outcome->json.len) {
        buf_put(&value, outcome->json);
    } else {
        buf_puts(&value, "{\"error\":");
        buf_json_string(&value, str_from(outcome->reason));
        buf_putc(&value, '}');
    }
    threat_extra_put(action, "dry_run", buf_str(&value));
    buf_free(&value);
}

int plan_note_outcome(struct threat *threat, struct str action_id, struct str outcome, const char *reason)
{
    struct outcome noted = {outcome, reason};
    struct change change = {.id = action_id, .add = add_outcome, .arg = &noted};
    return change_plan(threat, &change) ? 0 : -1;
}
