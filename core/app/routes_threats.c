/* /api/threats: lists, one, changes and notes. */
#include <stdio.h>

#include "app/api.h"
#include "app/name_sets.h"
#include "base/json.h"

#define LIMIT_DEFAULT 20
#define LIMIT_FULL    100
#define LIMIT_ROWS    1000
#define Q_MAX         256
#define NOTE_MAX      8192
#define REASON_MAX    2048
#define ASSIGNEE_MAX  128

/* ---- the list's query ---- */

static bool bad(struct http_request *request, const char *field, const char *reason)
{
    http_problem_field(request, 422, "a query parameter is not right", field, reason);
    return false;
}

static bool number_param(struct str text, uint64_t max, uint64_t *out)
{
    uint64_t n = 0;
    if (text.len == 0 || text.len > 19)
        return false;
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] < '0' || text.ptr[i] > '9')
            return false;
        n = n * 10 + (uint64_t)(text.ptr[i] - '0');
    }
    *out = n;
    return n <= max;
}

static bool bool_param(struct str text, bool *out)
{
    *out = str_is(text, "true") || str_is(text, "1");
    return *out || str_is(text, "false") || str_is(text, "0");
}

static bool text_filter(struct http_request *request, const char *name, struct str value,
                        struct threat_query *q)
{
    struct {
        const char *name;
        struct str *field;
        size_t max;
    } filters[] = {{"type", &q->type, 128},         {"customer", &q->customer, 128}, {"rule", &q->rule, 128},
                   {"assignee", &q->assignee, 128}, {"entity", &q->entity, 512},     {"q", &q->q, Q_MAX}};
    for (size_t i = 0; i < sizeof(filters) / sizeof(filters[0]); i++)
        if (strcmp(name, filters[i].name) == 0) {
            *filters[i].field = value;
            return value.len <= filters[i].max ? true : bad(request, name, "too long");
        }
    return bad(request, name, "no such parameter");
}

static bool set_filter(struct http_request *request, const char *name, struct str value,
                       struct threat_query *q)
{
    bool truth;
    if (strcmp(name, "severity") == 0)
        return severity_set(value, &q->severities) ||
               bad(request, name, "expected critical, high, medium, low or info, separated by commas");
    if (strcmp(name, "status") == 0)
        return status_set(value, &q->statuses) ||
               bad(request, name, "expected new, in_progress, escalated or resolved, separated by commas");
    if (strcmp(name, "verdict") == 0)
        return verdict_set(value, &q->verdicts) ||
               bad(request, name,
                   "expected true_positive, benign_true_positive, false_positive, inconclusive or none");
    if (strcmp(name, "review") == 0) {
        if (!bool_param(value, &truth))
            return bad(request, name, "expected true or false");
        q->review = truth;
        return true;
    }
    if (strcmp(name, "shadow") == 0)
        return bool_param(value, &q->with_shadow) || bad(request, name, "expected true or false");
    if (strcmp(name, "suppressed") == 0)
        return bool_param(value, &q->with_suppressed) || bad(request, name, "expected true or false");
    return text_filter(request, name, value, q);
}

static bool page_filter(struct http_request *request, const char *name, struct str value,
                        struct threat_query *q, uint64_t *limit)
{
    uint64_t n;
    if (strcmp(name, "limit") == 0)
        return (number_param(value, LIMIT_ROWS, limit) && *limit) ||
               bad(request, name, "expected 1 to 100, or 1 to 1000 with view=row");
    if (strcmp(name, "offset") == 0) {
        if (!number_param(value, 10000, &n))
            return bad(request, name, "expected 0 to 10000; use the cursor of the Link header to go further");
        q->offset = (size_t)n;
        return true;
    }
    if (strcmp(name, "cursor") == 0)
        return number_param(value, INT64_MAX, &q->before_seq) ||
               bad(request, name, "not a cursor of this list");
    if (strcmp(name, "as_of") == 0)
        return number_param(value, INT64_MAX, &q->as_of) || bad(request, name, "expected a seq");
    if (strcmp(name, "view") == 0) {
        q->row = str_is(value, "row");
        return q->row || str_is(value, "full") || bad(request, name, "expected row or full");
    }
    if (strcmp(name, "sort") == 0) {
        q->oldest_first = str_is(value, "oldest");
        return q->oldest_first || str_is(value, "newest") || bad(request, name, "expected newest or oldest");
    }
    if (strcmp(name, "since") == 0)
        return time_parse(value, TIME_RFC3339, &q->since_ns) ||
               bad(request, name, "expected an RFC 3339 time");
    if (strcmp(name, "until") == 0)
        return time_parse(value, TIME_RFC3339, &q->until_ns) ||
               bad(request, name, "expected an RFC 3339 time");
    return set_filter(request, name, value, q);
}

static bool parse_list(struct http_request *request, struct threat_query *q)
{
    uint64_t limit = LIMIT_DEFAULT;
    size_t at = 0;
    struct str name, value;
    q->review = -1;
    while (http_query_next(request, &at, &name, &value)) {
        char key[32];
        snprintf(key, sizeof(key), "%.*s", STR_ARG(name));
        if (!page_filter(request, key, value, q, &limit))
            return false;
    }
    if (!q->row && limit > LIMIT_FULL)
        return bad(request, "limit", "expected 1 to 100; 1 to 1000 only with view=row");
    q->limit = (size_t)limit;
    return true;
}

/* ---- GET /api/threats ---- */

struct list_query {
    struct api_query base;
    struct arena *arena;
    struct threat_query q;
    struct threat_page page;
    char customer[129];
};

static int list_run(struct api_query *base, struct store_reader *reader, struct buf *out, struct err *err)
{
    struct list_query *list = (struct list_query *)base;
    return store_query(reader, &list->q, &list->page, out, err);
}

/* RFC 3986: what need not be escaped. */
static bool is_unreserved(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c != '\0' && strchr("-._~", c));
}

/* The same query with another cursor. */
static void link_header(struct list_query *list, struct http_request *request)
{
    struct buf link = BUF_EMPTY;
    size_t at = 0;
    struct str name, value;
    buf_puts(&link, "</api/threats?");
    while (http_query_next(request, &at, &name, &value)) {
        if (str_is(name, "cursor") || str_is(name, "offset"))
            continue;
        buf_printf(&link, "%.*s=", STR_ARG(name));
        for (size_t i = 0; i < value.len; i++)
            buf_printf(&link, is_unreserved(value.ptr[i]) ? "%c" : "%%%02X", (unsigned char)value.ptr[i]);
        buf_putc(&link, '&');
    }
    buf_printf(&link, "cursor=%llu>; rel=\"next\"", (unsigned long long)list->page.next_before);
    http_set_header(request, "Link", link.ptr);
    buf_free(&link);
}

static void list_answer(struct api_query *base, struct http_request *request)
{
    struct list_query *list = (struct list_query *)base;
    char total[24];
    snprintf(total, sizeof(total), "%llu", (unsigned long long)list->page.total);
    http_set_header(request, "X-Total-Count", total);
    if (list->page.total_is_bound)
        http_set_header(request, "X-Total-Count-Relation", "gte");
    if (list->page.next_before)
        link_header(list, request);
    http_respond_json(request, 200, buf_str(&base->out));
}

static void list_drop(struct api_query *base)
{
    struct list_query *list = (struct list_query *)base;
    arena_free(list->arena);
    free(list);
}

/* A token that is bound to a customer can name no other. */
static bool own_customer(struct http_request *request, struct str wanted)
{
    const char *bound = api_principal(request)->customer;
    if (bound[0] == '\0' || wanted.ptr == NULL || str_is(wanted, bound))
        return true;
    http_problem_field(request, 403, "a query parameter is not allowed", "customer",
                       "the token is bound to another one");
    return false;
}

void route_threats(struct http_request *request, void *context)
{
    struct list_query *list = mem_zalloc(1, sizeof(*list));
    const struct principal *who = api_principal(request);
    list->base.run = list_run;
    list->base.answer = list_answer;
    list->base.drop = list_drop;
    list->arena = arena_new(0);
    if (!parse_list(request, &list->q) || !own_customer(request, list->q.customer)) {
        list_drop(&list->base);
        return;
    }
    /* The request may go while a reader works, so the query owns its texts. */
    struct str *texts[] = {&list->q.type,     &list->q.customer, &list->q.rule,
                           &list->q.assignee, &list->q.entity,   &list->q.q};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        *texts[i] = arena_dup(list->arena, *texts[i]);
    if (who->customer[0])
        list->q.customer = arena_dup(list->arena, str_from(who->customer));
    api_ask(context, request, &list->base);
}

/* ---- GET /api/threats/{id} ---- */

struct one_query {
    struct api_query base;
    char id[UUID_TEXT], customer[129];
    uint32_t version;
};

static int one_run(struct api_query *base, struct store_reader *reader, struct buf *out, struct err *err)
{
    struct one_query *one = (struct one_query *)base;
    return store_get_threat(reader, str_from(one->id), str_from(one->customer), &one->version, out, err);
}

static void set_etag(struct http_request *request, uint32_t version)
{
    char etag[24];
    snprintf(etag, sizeof(etag), "\"%u\"", version);
    http_set_header(request, "ETag", etag);
}

static void one_answer(struct api_query *base, struct http_request *request)
{
    set_etag(request, ((struct one_query *)base)->version);
    http_respond_json(request, 200, buf_str(&base->out));
}

/* False after answering 404. */
static bool threat_id(struct http_request *request, char id[UUID_TEXT])
{
    struct str param = http_param(request, "id");
    if (!id_is_uuid(param)) {
        http_problem(request, 404, "no such threat");
        return false;
    }
    snprintf(id, UUID_TEXT, "%.*s", STR_ARG(param));
    return true;
}

void route_threat(struct http_request *request, void *context)
{
    struct one_query *one = mem_zalloc(1, sizeof(*one));
    if (!threat_id(request, one->id)) {
        free(one);
        return;
    }
    one->base.run = one_run;
    one->base.answer = one_answer;
    snprintf(one->customer, sizeof(one->customer), "%s", api_principal(request)->customer);
    api_ask(context, request, &one->base);
}

/* ---- PATCH and notes: by the writer ---- */

struct change_task {
    struct api_task base;
    struct json *body;
    char id[UUID_TEXT], who[65], customer[129], signature[65];
    bool any_version, has_status, has_verdict, has_assignee, reopen;
    uint32_t if_match, version;
    enum threat_status status;
    enum threat_verdict verdict;
    struct str assignee, reason, note; /* borrowed from body */
    int64_t note_id;
};

static void change_drop(struct api_task *base)
{
    struct change_task *change = (struct change_task *)base;
    json_free(change->body);
    free(change);
}

/* A threat of the customers this token may see. */
static struct threat *visible_threat(struct change_task *change, struct writer *writer, struct err *err)
{
    struct threat *threat = book_find(writer_book(writer), str_from(change->id), err);
    if (threat && change->customer[0] && !str_is(threat->customer, change->customer)) {
        err_set(err, ERR_NOT_FOUND, "no such threat");
        return NULL;
    }
    return threat;
}

static int check_transition(struct change_task *change, const struct threat *threat, struct err *err)
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

static int audit_change(const struct change_task *change, struct writer *writer, const char *action,
                        struct err *err)
{
    struct buf detail = BUF_EMPTY;
    json_print(change->body, &detail);
    int rc = store_audit(writer_store(writer), clock_now(writer_clock(writer)), str_from(change->who),
                         str_from(action), str_from(change->id), buf_str(&detail), err);
    buf_free(&detail);
    return rc;
}

static int patch_run(struct api_task *base, struct writer *writer, struct err *err)
{
    struct change_task *change = (struct change_task *)base;
    struct threat *threat = visible_threat(change, writer, err);
    if (threat == NULL)
        return -1;
    if (!change->any_version && threat->version != change->if_match)
        return err_set(err, ERR_CONFLICT, "the threat is at version %u, not %u", threat->version,
                       change->if_match);
    if (check_transition(change, threat, err) != 0 || audit_change(change, writer, "threat.patch", err) != 0)
        return -1;
    if (change->has_status)
        threat->status = change->status;
    if (threat->status == STATUS_RESOLVED)
        writer_void_hints(writer); /* the next firing is a new threat, and its reply waits for it */
    if (change->has_assignee)
        threat->assignee = threat_keep(threat, change->assignee);
    if (change->has_verdict) {
        threat->verdict = change->verdict;
        threat->verdict_reason = threat_keep(threat, change->reason);
    }
    change->version = ++threat->version;
    book_touch(writer_book(writer), threat);
    return 0;
}

static void patch_render(struct api_task *base, struct writer *writer, struct buf *out)
{
    struct change_task *change = (struct change_task *)base;
    struct err err = {0};
    struct threat *threat = book_find(writer_book(writer), str_from(change->id), &err);
    if (threat)
        threat_json(threat, false, out);
}

static void patch_answer(struct api_task *base, struct http_request *request)
{
    set_etag(request, ((struct change_task *)base)->version);
    http_respond_json(request, 200, buf_str(&base->out));
}

static bool take_status(struct change_task *change, const struct json *value)
{
    struct str text;
    change->has_status = true;
    return json_as_str(value, &text) && threat_status_named(text, &change->status);
}

static bool take_verdict(struct change_task *change, const struct json *value)
{
    struct str text;
    change->has_verdict = true;
    return json_as_str(value, &text) && threat_verdict_named(text, &change->verdict);
}

/* null is nobody. */
static bool take_assignee(struct change_task *change, const struct json *value)
{
    change->has_assignee = true;
    return json_kind(value) == JSON_KIND_NULL ||
           (json_as_str(value, &change->assignee) && change->assignee.len <= ASSIGNEE_MAX);
}

static bool take_reason(struct change_task *change, const struct json *value)
{
    return json_as_str(value, &change->reason) && change->reason.len <= REASON_MAX;
}

static bool take_reopen(struct change_task *change, const struct json *value)
{
    return json_as_bool(value, &change->reopen);
}

static const struct {
    const char *name;
    bool (*take)(struct change_task *change, const struct json *value);
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

static bool patch_field(struct http_request *request, struct change_task *change, struct str key,
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
static bool patch_fields(struct http_request *request, struct change_task *change)
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

/* If-Match: "3", W/"3" or *; false after answering 428 or 412. */
static bool if_match(struct http_request *request, struct change_task *change)
{
    struct str tag = http_header(request, "If-Match");
    uint64_t version;
    if (tag.ptr == NULL) {
        http_problem(request, 428, "If-Match is needed: the ETag that you read");
        return false;
    }
    change->any_version = str_is(tag, "*");
    if (change->any_version)
        return true;
    if (str_starts(tag, STR("W/")))
        tag = (struct str){tag.ptr + 2, tag.len - 2};
    if (tag.len < 3 || tag.ptr[0] != '"' ||
        !number_param((struct str){tag.ptr + 1, tag.len - 2}, UINT32_MAX, &version)) {
        http_problem(request, 412, "If-Match is not an ETag of a threat");
        return false;
    }
    change->if_match = (uint32_t)version;
    return true;
}

static struct change_task *change_new(struct http_request *request)
{
    struct change_task *change = mem_zalloc(1, sizeof(*change));
    const struct principal *who = api_principal(request);
    change->base.drop = change_drop;
    snprintf(change->who, sizeof(change->who), "%s", who->name[0] ? who->name : "local");
    snprintf(change->customer, sizeof(change->customer), "%s", who->customer);
    if (threat_id(request, change->id) && (change->body = api_body_object(request)) != NULL)
        return change;
    change_drop(&change->base);
    return NULL;
}

void route_threat_patch(struct http_request *request, void *context)
{
    struct change_task *change = change_new(request);
    if (change == NULL)
        return;
    if (!patch_fields(request, change) || !if_match(request, change)) {
        change_drop(&change->base);
        return;
    }
    change->base.run = patch_run;
    change->base.conflict = 412;
    change->base.render = patch_render;
    change->base.answer = patch_answer;
    api_change(context, request, &change->base);
}

static int note_run(struct api_task *base, struct writer *writer, struct err *err)
{
    struct change_task *change = (struct change_task *)base;
    struct threat *threat = visible_threat(change, writer, err);
    if (threat == NULL || store_add_note(writer_store(writer), change->id, clock_now(writer_clock(writer)),
                                         str_from(change->who), change->note, str_from(change->signature),
                                         &change->note_id, err) != 0)
        return -1;
    if (audit_change(change, writer, "threat.note", err) != 0)
        return -1;
    threat->version++;
    book_touch(writer_book(writer), threat);
    return 0;
}

static void note_answer(struct api_task *base, struct http_request *request)
{
    struct change_task *change = (struct change_task *)base;
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
    struct change_task *change = change_new(request);
    struct buf signed_text = BUF_EMPTY;
    if (change == NULL)
        return;
    if (!json_get_str(change->body, "text", &change->note) || change->note.len == 0 ||
        change->note.len > NOTE_MAX || json_count(change->body) != 1) {
        http_problem_field(request, 422, "a note has one field, text", "text", "expected 1 to 8192 bytes");
        change_drop(&change->base);
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
