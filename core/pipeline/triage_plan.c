/* The response plan: what it may name, and what was decided about it before. */
#include "pipeline/triage_check.h"
#include "pipeline/view.h"

#define ACTIONS_MAX      10
#define DECIDED_MAX      50 /* of earlier plans that are kept */
#define PATH_MAX_ENTRIES 10
#define PARAMETERS_MAX   8
#define TEXT_MAX         512
#define DEFAULT_SLA      240                /* minutes */
#define EXACT_MAX        9007199254740992.0 /* the whole numbers that a double tells apart */

/* ---- targets ---- */

static bool value_holds(const struct json *value, struct str wanted)
{
    struct str text;
    if (json_as_str(value, &text))
        return str_equal(text, wanted);
    for (size_t i = 0; json_kind(value) == JSON_KIND_ARRAY && i < json_count(value); i++)
        if (value_holds(json_item(value, i), wanted))
            return true;
    return false;
}

static bool evidence_holds(const struct evidence *evidence, struct str field, struct str wanted)
{
    struct json *context = view_parse(evidence->context);
    const struct json *value;
    struct str key;
    void *at = NULL;
    bool found = false;
    while (!found && json_next(context, &at, &key, &value))
        found = str_equal(key, field) && value_holds(value, wanted);
    json_free(context);
    return found;
}

/* Only what was seen can be acted on. */
static bool was_seen(const struct threat *threat, struct str target)
{
    for (size_t i = 0; i < threat->entities.count; i++)
        if (str_equal(threat->entities.items[i], target))
            return true;
    const char *colon = memchr(target.ptr, ':', target.len);
    if (colon == NULL)
        return false;
    struct str field = {target.ptr, (size_t)(colon - target.ptr)};
    struct str value = {colon + 1, target.len - field.len - 1};
    for (size_t i = 0; i < threat->evidence.count; i++)
        if (evidence_holds(&threat->evidence.items[i], field, value))
            return true;
    return false;
}

/* ---- actions ---- */

struct plan_draft {
    struct plan_subject *subject;
    struct json *before;
    VEC(struct str) actions, ids; /* JSON objects and their ids, in `texts` */
    struct arena *texts;
};

/* The same for the same action in every run, so that a decision finds it again; another where a parameter is
 * another, so that nobody decides about values that they have not read. */
static struct str action_id(struct plan_draft *draft, struct str type, struct str target,
                            struct str parameters)
{
    struct id128 hash = hash_id((struct str[]){type, target, parameters}, str_is(parameters, "{}") ? 2 : 3);
    char id[13];
    id_hex(hash.bytes, 6, id);
    return arena_dup(draft->texts, str_from(id));
}

static bool has_id(const struct plan_draft *draft, struct str id)
{
    for (size_t i = 0; i < draft->ids.count; i++)
        if (str_equal(draft->ids.items[i], id))
            return true;
    return false;
}

/* The primary action is the first. NULL at the end. */
static const struct json *before_at(const struct plan_draft *draft, size_t i)
{
    return i ? json_item(json_get(draft->before, "secondary_actions"), i - 1)
             : json_get(draft->before, "primary_action");
}

static bool is_decided(const struct json *action)
{
    struct str status;
    return json_get_str(action, "status", &status) && !str_is(status, "planned");
}

static const struct json *decided(const struct plan_draft *draft, struct str id)
{
    struct str other;
    const struct json *action;
    for (size_t i = 0; (action = before_at(draft, i)); i++)
        if (json_get_str(action, "id", &other) && str_equal(other, id) && is_decided(action))
            return action;
    return NULL;
}

static void keep_action(struct plan_draft *draft, struct str id, const struct buf *json)
{
    vec_push(&draft->ids, id);
    vec_push(&draft->actions, arena_dup(draft->texts, buf_str(json)));
}

struct parameter {
    struct str name;
    const struct json *value;
};

static int by_name(const void *left, const void *right)
{
    struct str a = ((const struct parameter *)left)->name, b = ((const struct parameter *)right)->name;
    int order = memcmp(a.ptr, b.ptr, a.len < b.len ? a.len : b.len);
    return order ? order : (a.len > b.len) - (a.len < b.len);
}

static bool is_plain(struct str name, const struct json *value)
{
    struct str text;
    return json_kind(value) != JSON_KIND_ARRAY && json_kind(value) != JSON_KIND_OBJECT &&
           name.len <= TEXT_MAX && (!json_as_str(value, &text) || text.len <= TEXT_MAX);
}

/* A whole number is the same however it was reckoned: 30.0 is 30. */
static void put_value(const struct json *value, struct buf *out)
{
    double number;
    bool whole = json_kind(value) == JSON_KIND_DOUBLE && json_as_double(value, &number) &&
                 number >= -EXACT_MAX && number <= EXACT_MAX && (double)(int64_t)number == number;
    if (whole)
        buf_printf(out, "%lld", (long long)number);
    else
        json_print(value, out);
}

/* By name, so that the same parameters are the same text: the id is made of it. */
static void put_parameters(const struct json *action, struct buf *out)
{
    VEC(struct parameter) plain = {0};
    struct parameter one;
    void *at = NULL;
    while (json_next(json_get(action, "parameters"), &at, &one.name, &one.value))
        if (is_plain(one.name, one.value))
            vec_push(&plain, one);
    if (plain.count)
        qsort(plain.items, plain.count, sizeof(*plain.items), by_name);
    buf_putc(out, '{');
    for (size_t i = 0; i < plain.count && i < PARAMETERS_MAX; i++) {
        if (i)
            buf_putc(out, ',');
        buf_json_string(out, plain.items[i].name);
        buf_putc(out, ':');
        put_value(plain.items[i].value, out);
    }
    buf_putc(out, '}');
    vec_free(&plain);
}

static void put_planned(const struct json *action, struct str id, struct str parameters, struct buf *out)
{
    struct str type = STR(""), target = STR(""), reason = STR("");
    bool approval = true;
    json_get_str(action, "type", &type);
    json_get_str(action, "target", &target);
    json_get_str(action, "reason", &reason);
    json_get_bool(action, "requires_approval", &approval);
    buf_putc(out, '{');
    buf_json_kstr(out, "id", id);
    buf_json_kstr(out, "type", type);
    buf_json_kstr(out, "target", target);
    buf_json_key(out, "parameters");
    buf_put(out, parameters);
    buf_json_kstr(out, "reason", (struct str){reason.ptr, reason.len > TEXT_MAX ? 0 : reason.len});
    buf_json_kbool(out, "requires_approval", approval);
    buf_json_kstr(out, "status", STR("planned"));
    buf_putc(out, '}');
}

static int add_action(struct plan_draft *draft, const struct json *action, struct err *err)
{
    struct str type, target = STR("");
    if (!json_get_str(action, "type", &type) || type.len == 0 || type.len > 64)
        return err_set(err, ERR_INVALID, "an action needs a \"type\" of 1 to 64 bytes");
    json_get_str(action, "target", &target);
    if (target.len && !was_seen(draft->subject->threat, target)) {
        draft->subject->dropped++;
        return 0;
    }
    struct buf parameters = BUF_EMPTY, out = BUF_EMPTY;
    put_parameters(action, &parameters);
    struct str id = action_id(draft, type, target, buf_str(&parameters));
    const struct json *before = decided(draft, id);
    if (before)
        json_print(before, &out);
    else
        put_planned(action, id, buf_str(&parameters), &out);
    if (!has_id(draft, id))
        keep_action(draft, id, &out);
    buf_free(&parameters);
    buf_free(&out);
    return 0;
}

/* What a person decided stays on record, also where the plan has moved on. */
static void keep_decided(struct plan_draft *draft)
{
    struct str id;
    const struct json *action;
    for (size_t i = 0; (action = before_at(draft, i)) && draft->actions.count < DECIDED_MAX; i++) {
        struct buf out = BUF_EMPTY;
        if (!is_decided(action) || !json_get_str(action, "id", &id) || has_id(draft, id))
            continue;
        json_print(action, &out);
        keep_action(draft, arena_dup(draft->texts, id), &out);
        buf_free(&out);
    }
}

/* ---- the plan ---- */

static void put_times(struct plan_draft *draft, struct buf *out)
{
    int64_t minutes = draft->subject->sla_minutes;
    buf_json_kint(out, "sla_minutes", minutes);
    buf_json_kint(out, "auto_escalate_after_minutes", minutes > 1 ? minutes / 2 : 1);
    buf_json_ktime(out, "due_at", draft->subject->threat->created_ns + minutes * 60 * NS_PER_S);
}

static void put_actions(struct plan_draft *draft, struct buf *out)
{
    buf_json_key(out, "primary_action");
    buf_put(out, draft->actions.count ? draft->actions.items[0] : STR("null"));
    buf_json_key(out, "secondary_actions");
    buf_putc(out, '[');
    for (size_t i = 1; i < draft->actions.count; i++) {
        if (i > 1)
            buf_putc(out, ',');
        buf_put(out, draft->actions.items[i]);
    }
    buf_putc(out, ']');
}

static void put_path(const struct json *path, struct buf *out)
{
    struct str text;
    size_t count = 0;
    buf_json_key(out, "escalation_path");
    buf_putc(out, '[');
    for (size_t i = 0; json_kind(path) == JSON_KIND_ARRAY && i < json_count(path) && count < PATH_MAX_ENTRIES;
         i++) {
        if (!json_as_str(json_item(path, i), &text) || text.len > TEXT_MAX)
            continue;
        if (count++)
            buf_putc(out, ',');
        buf_json_string(out, text);
    }
    buf_putc(out, ']');
}

static void put_plan(struct plan_draft *draft, struct str urgency, const struct json *path, struct buf *out)
{
    keep_decided(draft);
    buf_putc(out, '{');
    put_actions(draft, out);
    buf_json_kstr(out, "urgency", urgency);
    put_path(path, out);
    put_times(draft, out);
    buf_putc(out, '}');
}

static void draft_begin(struct plan_draft *draft, struct plan_subject *subject)
{
    *draft = (struct plan_draft){.subject = subject, .texts = arena_new(0)};
    draft->before = subject->before.len ? view_parse(subject->before) : NULL;
    subject->dropped = 0;
}

static void draft_end(struct plan_draft *draft)
{
    json_free(draft->before);
    vec_free(&draft->actions);
    vec_free(&draft->ids);
    arena_free(draft->texts);
}

/* Lua divides into fractions: 30.0 is 30. */
static bool get_minutes(const struct json *answer, int64_t *minutes)
{
    double number;
    if (!json_get_double(answer, "sla_minutes", &number) || !(number >= 1 && number <= SLA_MINUTES_MAX))
        return false;
    *minutes = (int64_t)number;
    return (double)*minutes == number;
}

int check_plan(const struct json *answer, struct plan_subject *subject, struct buf *out, struct err *err)
{
    const struct json *actions = json_get(answer, "actions");
    struct plan_draft draft;
    struct str urgency;
    if (!json_get_str(answer, "urgency", &urgency) || urgency.len == 0 || urgency.len > 64)
        return err_set(err, ERR_INVALID, "\"urgency\" must be a text of 1 to 64 bytes");
    if (!get_minutes(answer, &subject->sla_minutes))
        return err_set(err, ERR_INVALID, "\"sla_minutes\" must be an integer from 1 to %d", SLA_MINUTES_MAX);
    if (!check_is_list(actions) || json_count(actions) > ACTIONS_MAX)
        return err_set(err, ERR_INVALID, "\"actions\" must be a list of at most %d actions", ACTIONS_MAX);
    draft_begin(&draft, subject);
    int rc = 0;
    for (size_t i = 0; i < json_count(actions) && rc == 0; i++)
        rc = add_action(&draft, json_item(actions, i), err);
    if (rc == 0)
        put_plan(&draft, urgency, json_get(answer, "escalation_path"), out);
    draft_end(&draft);
    return rc;
}

void default_plan(struct plan_subject *subject, struct buf *out)
{
    struct json *monitor = json_parse(
        STR("{\"type\":\"monitor\",\"reason\":\"No response policy could be asked\"}"), NULL, NULL);
    struct plan_draft draft;
    draft_begin(&draft, subject);
    subject->sla_minutes = DEFAULT_SLA;
    add_action(&draft, monitor, NULL);
    put_plan(&draft, STR("review"), NULL, out);
    draft_end(&draft);
    json_free(monitor);
}
