/* PATCH /api/threats/{id} and notes: what people say of a threat, by the writer. */
#include <stdio.h>

#include "app/threat_change.h"
#include "pipeline/followup.h"

#define NOTE_MAX     8192
#define REASON_MAX   2048
#define ASSIGNEE_MAX 128

/* ---- PATCH ---- */

static int check_transition(struct threat_change *change, const struct threat *threat, struct err *err)
{
    change->base.field = "status";
    if (!change->has_status || change->status == threat->status)
        return 0;
    if (threat->status == STATUS_RESOLVED && !change->reopen)
        return err_set(err, ERR_INVALID, "the threat is resolved; reopen it with \"reopen\": true");
    if (change->status == STATUS_NEW)
        return err_set(err, ERR_INVALID, "a threat does not become new again; use in_progress");
    return 0;
}

static void apply(const struct threat_change *change, struct threat *threat)
{
    if (change->has_status)
        threat->status = change->status;
    if (change->has_assignee)
        threat->assignee = threat_keep(threat, change->assignee);
    if (change->has_verdict) {
        threat->verdict = change->verdict;
        threat->verdict_reason = threat_keep(threat, change->reason);
    }
}

static int audit_body(const struct threat_change *change, struct writer *writer, struct err *err)
{
    struct buf detail = BUF_EMPTY;
    json_print(change->body, &detail);
    int rc = threat_change_audit(change, writer, "threat.patch", buf_str(&detail), err);
    buf_free(&detail);
    return rc;
}

static int count_verdict(const struct threat_change *change, struct writer *writer,
                         const struct threat *threat, enum threat_verdict was, struct err *err)
{
    struct followup *followup = writer_followup(writer);
    return change->has_verdict && followup ? followup_verdict(followup, threat, was, err) : 0;
}

/* A timer that came while the threat was resolved is gone. */
static int time_again(struct writer *writer, const struct threat *threat, enum threat_status was,
                      struct err *err)
{
    struct followup *followup = writer_followup(writer);
    bool waits = threat->verdict == VERDICT_NONE &&
                 (threat->status == STATUS_NEW || threat->status == STATUS_IN_PROGRESS);
    return was == STATUS_RESOLVED && waits && followup ? followup_set_timer(followup, threat, err) : 0;
}

static int patch_run(struct api_task *base, struct writer *writer, struct err *err)
{
    struct threat_change *change = (struct threat_change *)base;
    struct threat *threat = threat_change_find(change, writer, err);
    if (threat == NULL || check_transition(change, threat, err) != 0 || audit_body(change, writer, err) != 0)
        return -1;
    const struct threat before = *threat;
    apply(change, threat);
    if (count_verdict(change, writer, threat, before.verdict, err) != 0 ||
        time_again(writer, threat, before.status, err) != 0) {
        *threat = before; /* what is stored and what is remembered are never two things */
        return -1;
    }
    if (threat->status == STATUS_RESOLVED)
        writer_void_hints(writer); /* the next firing is a new threat, and its reply waits for it */
    threat_change_made(change, writer, threat);
    return 0;
}

static void patch_render(struct api_task *base, struct writer *writer, struct buf *out)
{
    struct threat_change *change = (struct threat_change *)base;
    struct err err = {0};
    struct threat *threat = book_find(writer_book(writer), str_from(change->id), &err);
    if (threat)
        threat_json(threat, false, out);
}

static void patch_answer(struct api_task *base, struct http_request *request)
{
    api_set_etag(request, ((struct threat_change *)base)->version);
    http_respond_json(request, 200, buf_str(&base->out));
}

static bool take_status(struct threat_change *change, const struct json *value)
{
    struct str text;
    change->has_status = true;
    return json_as_str(value, &text) && threat_status_named(text, &change->status);
}

static bool take_verdict(struct threat_change *change, const struct json *value)
{
    struct str text;
    change->has_verdict = true;
    return json_as_str(value, &text) && threat_verdict_named(text, &change->verdict);
}

/* null is nobody. */
static bool take_assignee(struct threat_change *change, const struct json *value)
{
    change->has_assignee = true;
    return json_kind(value) == JSON_KIND_NULL ||
           (json_as_str(value, &change->assignee) && change->assignee.len <= ASSIGNEE_MAX);
}

static bool take_reason(struct threat_change *change, const struct json *value)
{
    return json_as_str(value, &change->reason) && change->reason.len <= REASON_MAX;
}

static bool take_reopen(struct threat_change *change, const struct json *value)
{
    return json_as_bool(value, &change->reopen);
}

static const struct {
    const char *name;
    bool (*take)(struct threat_change *change, const struct json *value);
    const char *expected;
} patchable[] = {
    {"status", take_status, "expected new, in_progress, escalated or resolved"},
    {"verdict", take_verdict, "expected true_positive, benign_true_positive, false_positive or inconclusive"},
    {"assignee", take_assignee, "expected a text of at most 128 bytes, or null"},
    {"reason", take_reason, "expected a text of at most 2048 bytes"},
    {"reopen", take_reopen, "expected true or false"},
};
#define PATCHABLE (sizeof(patchable) / sizeof(patchable[0]))

static bool bad_change(struct http_request *request, const char *field, const char *reason)
{
    http_problem_field(request, 422, "the change is not right", field, reason);
    return false;
}

static bool patch_field(struct http_request *request, struct threat_change *change, struct str key,
                        const struct json *value)
{
    char name[65];
    for (size_t i = 0; i < PATCHABLE; i++)
        if (str_is(key, patchable[i].name))
            return patchable[i].take(change, value) ||
                   bad_change(request, patchable[i].name, patchable[i].expected);
    snprintf(name, sizeof(name), "%.*s", STR_ARG(key));
    return bad_change(request, name, "only status, assignee, verdict, reason and reopen can be changed");
}

/* False after answering 422. */
static bool patch_fields(struct http_request *request, struct threat_change *change)
{
    void *at = NULL;
    struct str key;
    const struct json *value;
    while (json_next(change->body, &at, &key, &value))
        if (!patch_field(request, change, key, value))
            return false;
    if (change->has_verdict && change->reason.len == 0)
        return bad_change(request, "reason", "a verdict needs one");
    if (change->has_status || change->has_verdict || change->has_assignee)
        return true;
    http_problem(request, 422, "nothing to change");
    return false;
}

void route_threat_patch(struct http_request *request, void *context)
{
    struct threat_change *change = threat_change_new(request, false);
    if (change == NULL)
        return;
    if (!patch_fields(request, change) || !api_if_match(request, true, &change->match)) {
        threat_change_drop(&change->base);
        return;
    }
    change->base.run = patch_run;
    change->base.render = patch_render;
    change->base.answer = patch_answer;
    api_change(context, request, &change->base);
}

/* ---- notes ---- */

/* The record names the note, so that a note without one can be told from it. */
static int audit_note(const struct threat_change *change, struct writer *writer, struct err *err)
{
    struct buf detail = BUF_EMPTY;
    buf_putc(&detail, '{');
    buf_json_kint(&detail, "note_id", change->note_id);
    buf_json_kstr(&detail, "text", change->note);
    buf_putc(&detail, '}');
    int rc = threat_change_audit(change, writer, "threat.note", buf_str(&detail), err);
    buf_free(&detail);
    return rc;
}

static int note_run(struct api_task *base, struct writer *writer, struct err *err)
{
    struct threat_change *change = (struct threat_change *)base;
    struct threat *threat = threat_change_find(change, writer, err);
    if (threat == NULL || store_add_note(writer_store(writer), change->id, clock_now(writer_clock(writer)),
                                         str_from(change->who), change->note, str_from(change->signature),
                                         &change->note_id, err) != 0)
        return -1;
    if (audit_note(change, writer, err) != 0)
        return -1;
    threat_change_made(change, writer, threat);
    return 0;
}

static void note_answer(struct api_task *base, struct http_request *request)
{
    struct threat_change *change = (struct threat_change *)base;
    struct buf out = BUF_EMPTY;
    buf_putc(&out, '{');
    buf_json_kint(&out, "id", change->note_id);
    buf_json_kstr(&out, "threat_id", str_from(change->id));
    buf_json_kstr(&out, "author", str_from(change->who));
    buf_json_kstr(&out, "text", change->note);
    buf_json_kstr(&out, "signature", str_from(change->signature));
    buf_putc(&out, '}');
    http_respond_json(request, 201, buf_str(&out));
    buf_free(&out);
}

void route_threat_note(struct http_request *request, void *context)
{
    struct api *api = context;
    struct threat_change *change = threat_change_new(request, false);
    struct buf signed_text = BUF_EMPTY;
    if (change == NULL)
        return;
    if (!json_get_str(change->body, "text", &change->note) || change->note.len == 0 ||
        change->note.len > NOTE_MAX || json_count(change->body) != 1) {
        http_problem_field(request, 422, "a note has one field, text", "text", "expected 1 to 8192 bytes");
        threat_change_drop(&change->base);
        return;
    }
    buf_put_lstr(&signed_text, str_from(change->id));
    buf_put_lstr(&signed_text, str_from(change->who));
    buf_put_lstr(&signed_text, change->note);
    auth_sign(api->app->auth, buf_str(&signed_text), change->signature);
    buf_free(&signed_text);
    change->base.run = note_run;
    change->base.answer = note_answer;
    api_change(api, request, &change->base);
}
