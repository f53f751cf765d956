/* /api/lists: the lists of the rules as they are in service, and what the API changes in them. */
#include <stdio.h>

#include "app/api.h"
#include "app/serve.h"
#include "base/json.h"
#include "pipeline/overlays.h"

#define NAME_MAX_BYTES 128
#define LIMIT_DEFAULT  100
#define LIMIT_MAX      1000
#define OFFSET_MAX     LIST_ENTRIES_MAX

/* ---- reading: the overlays from the store, the entries from the rules ---- */

struct list_query {
    struct api_query base;
    struct overlays *overlays;  /* GET /api/lists */
    struct arena *arena;        /* of the overlay's texts */
    struct store_overlay found; /* GET /api/lists/{name}; version 0: there is none */
    char name[NAME_MAX_BYTES + 1];
    size_t limit, offset;
};

static void list_drop(struct api_query *base)
{
    struct list_query *q = (struct list_query *)base; /* base is its first member */
    overlays_free(q->overlays);
    if (q->arena)
        arena_free(q->arena);
    free(q);
}

static int lists_run(struct api_query *base, struct store_reader *reader, struct buf *out, struct err *err)
{
    struct list_query *q = (struct list_query *)base;
    (void)out;
    q->overlays = overlays_new();
    return overlays_read(q->overlays, reader, err);
}

static void file_json(const struct list *list, struct buf *out)
{
    buf_json_key(out, "file");
    if (list == NULL || str_is(list->path, "overlay"))
        buf_puts(out, "null");
    else
        buf_json_string(out, list->path);
}

static void info_json(const struct overlay_info *info, struct buf *out)
{
    buf_json_key(out, "overlay");
    if (info == NULL) {
        buf_puts(out, "null");
        return;
    }
    buf_putc(out, '{');
    buf_json_kuint(out, "version", info->version);
    buf_json_kstr(out, "author", info->author);
    buf_json_ktime(out, "updated_at", info->updated_ns);
    buf_json_kuint(out, "added", info->added);
    buf_json_kuint(out, "removed", info->removed);
    buf_putc(out, '}');
}

static const struct overlay_info *info_of(const struct overlays *overlays, struct str name)
{
    for (size_t i = 0; i < overlays->infos.count; i++)
        if (str_equal(overlays->infos.items[i].name, name))
            return &overlays->infos.items[i];
    return NULL;
}

static void lists_answer(struct api_query *base, struct http_request *request)
{
    struct list_query *q = (struct list_query *)base;
    const struct ruleset *set = worker_ruleset(base->wait.api->worker);
    struct buf *out = &base->out;
    buf_putc(out, '[');
    for (size_t i = 0; i < set->list_count; i++) {
        const struct list *list = set->lists[i];
        buf_puts(out, i ? ",{" : "{");
        buf_json_kstr(out, "name", list->name);
        file_json(list, out);
        buf_json_kuint(out, "entries", list->entries.count);
        info_json(info_of(q->overlays, list->name), out);
        buf_putc(out, '}');
    }
    buf_putc(out, ']');
    http_respond_json(request, 200, buf_str(out));
}

void route_lists(struct http_request *request, void *context)
{
    struct list_query *q = mem_zalloc(1, sizeof(*q));
    q->base.run = lists_run;
    q->base.answer = lists_answer;
    q->base.drop = list_drop;
    api_ask(context, request, &q->base);
}

static int list_run(struct api_query *base, struct store_reader *reader, struct buf *out, struct err *err)
{
    struct list_query *q = (struct list_query *)base;
    struct err missing = {0};
    (void)out;
    q->arena = arena_new(0);
    if (store_read_overlay(reader, str_from(q->name), q->arena, &q->found, &missing) == 0)
        return 0;
    q->found = (struct store_overlay){0};
    if (missing.code == ERR_NOT_FOUND)
        return 0;
    *err = missing;
    return -1;
}

static void overlay_json(const struct store_overlay *overlay, struct buf *out)
{
    buf_json_key(out, "overlay");
    if (overlay->version == 0) {
        buf_puts(out, "null");
        return;
    }
    buf_putc(out, '{');
    buf_json_kuint(out, "version", overlay->version);
    buf_json_kstr(out, "author", overlay->author);
    buf_json_ktime(out, "updated_at", overlay->updated_ns);
    buf_json_key(out, "added");
    buf_put(out, overlay->added);
    buf_json_key(out, "removed");
    buf_put(out, overlay->removed);
    buf_putc(out, '}');
}

static void list_answer(struct api_query *base, struct http_request *request)
{
    struct list_query *q = (struct list_query *)base;
    const struct list *list = ruleset_list(worker_ruleset(base->wait.api->worker), str_from(q->name));
    struct buf *out = &base->out;
    if (list == NULL && q->found.version == 0) {
        http_problem(request, 404, "no such list");
        return;
    }
    buf_putc(out, '{');
    buf_json_kstr(out, "name", str_from(q->name));
    file_json(list, out);
    buf_json_kuint(out, "total", list ? list->entries.count : 0);
    buf_json_key(out, "entries");
    if (list)
        list_json(list, q->offset, q->limit, out);
    else
        buf_puts(out, "[]");
    overlay_json(&q->found, out);
    buf_putc(out, '}');
    api_set_etag(request, q->found.version);
    http_respond_json(request, 200, buf_str(out));
}

/* False after answering 404. */
static bool list_name(struct http_request *request, char name[NAME_MAX_BYTES + 1])
{
    struct str param = http_param(request, "name");
    if (param.len == 0 || param.len > NAME_MAX_BYTES || memchr(param.ptr, '\0', param.len)) {
        http_problem(request, 404, "no such list");
        return false;
    }
    snprintf(name, NAME_MAX_BYTES + 1, "%.*s", STR_ARG(param));
    return true;
}

static bool offset_param(struct http_request *request, size_t *offset)
{
    struct str text = http_query(request, "offset");
    uint64_t n = 0;
    if (text.ptr && !api_number(text, OFFSET_MAX, &n)) {
        http_problem_field(request, 422, "a query parameter is not right", "offset", "expected 0 to 1000000");
        return false;
    }
    *offset = (size_t)n;
    return true;
}

void route_list(struct http_request *request, void *context)
{
    struct list_query *q = mem_zalloc(1, sizeof(*q));
    q->base.run = list_run;
    q->base.answer = list_answer;
    q->base.drop = list_drop;
    if (list_name(request, q->name) && offset_param(request, &q->offset) &&
        api_limit(request, LIMIT_MAX, LIMIT_DEFAULT, &q->limit))
        api_ask(context, request, &q->base);
    else
        list_drop(&q->base);
}

/* ---- PUT and DELETE: on the control thread ---- */

struct list_put {
    struct mail mail; /* there and back */
    struct api_wait wait;
    struct overlay_change change;
    char name[NAME_MAX_BYTES + 1], who[65];
    struct buf added, removed, detail, answer;
    int rc;
    struct err err;
    uint64_t generation;
};

static void put_free(struct list_put *put)
{
    buf_free(&put->added);
    buf_free(&put->removed);
    buf_free(&put->detail);
    buf_free(&put->answer);
    free(put);
}

static void refuse(struct http_request *request, const struct list_put *put)
{
    if (put->err.code == ERR_CONFLICT)
        http_problem(request, 412, put->err.message);
    else if (put->err.code == ERR_LIMIT)
        http_problem(request, 413, put->err.message);
    else if (put->err.code == ERR_INVALID && put->answer.len)
        http_respond(request, 422, "application/problem+json", buf_str(&put->answer));
    else if (put->err.code == ERR_INVALID)
        http_problem(request, 422, err_text(&put->err));
    else
        http_problem_err(request, &put->err);
}

static void put_back(struct mail *mail, void *receiver)
{
    struct list_put *put = (struct list_put *)mail; /* mail is its first member */
    struct http_request *request = put->wait.request;
    (void)receiver;
    if (request && put->rc == 0) {
        api_set_etag(request, put->change.version);
        http_respond_json(request, 200, buf_str(&put->answer));
    } else if (request) {
        refuse(request, put);
    }
    put_free(put);
}

static void problems_json(const struct report *report, struct buf *out)
{
    buf_json_key(out, "problems");
    report_json(report, out);
    buf_putc(out, '}');
}

static void changed_json(struct list_put *put, const struct ruleset *set, const struct report *report)
{
    buf_putc(&put->answer, '{');
    buf_json_kstr(&put->answer, "name", str_from(put->name));
    buf_json_kuint(&put->answer, "version", put->change.version);
    buf_json_kuint(&put->answer, "generation", set->generation);
    buf_json_kstr(&put->answer, "hash", str_from(set->hash));
    problems_json(report, &put->answer);
}

static void refused_json(struct list_put *put, const struct report *report)
{
    buf_putc(&put->answer, '{');
    buf_json_kstr(&put->answer, "title", STR("Unprocessable Content"));
    buf_json_kuint(&put->answer, "status", 422);
    buf_json_kstr(&put->answer, "detail", str_from(put->err.message));
    problems_json(report, &put->answer);
}

static void put_deliver(struct mail *mail, void *receiver)
{
    struct list_put *put = (struct list_put *)mail;
    struct app *app = put->wait.api->app;
    struct report report = {0};
    (void)receiver;
    put->change.overlay.updated_ns = clock_now(&clock_real);
    put->rc = serve_overlay(app, &put->change, &report, &put->err);
    struct ruleset *set = pipeline_ruleset(atomic_load(&app->pipeline));
    if (put->rc == 0)
        changed_json(put, set, &report);
    else if (report.problems.count)
        refused_json(put, &report);
    ruleset_unref(set);
    report_free(&report);
    mail->deliver = put_back;
    mailbox_post_reserved(worker_mailbox(put->wait.api->worker), mail);
}

/* What the file system calls a list a rule can name: a name that no list has yet must be like that. */
static bool is_list_name(const char *name)
{
    size_t len = strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_.-");
    return name[len] == '\0' && name[0] >= 'a' && name[0] <= 'z';
}

static bool bad_body(struct http_request *request, const struct err *err)
{
    if (err->code == ERR_LIMIT && err->where[0] == '\0')
        http_problem(request, 413, err->message);
    else
        http_problem_field(request, 422, "the overlay is not right", err->where, err->message);
    return false;
}

/* Adds and removes; false after answering 422. */
static bool read_overlay(struct http_request *request, struct list_put *put, const struct json *body)
{
    const struct json *added = json_get(body, "added"), *removed = json_get(body, "removed");
    struct err err = {0};
    if (json_count(body) != (size_t)(added != NULL) + (removed != NULL)) {
        http_problem_field(request, 422, "the overlay is not right", "", "only added and removed are known");
        return false;
    }
    if (overlays_write_added(added, &put->added, &err) != 0 ||
        overlays_write_removed(removed, &put->removed, &err) != 0)
        return bad_body(request, &err);
    buf_putc(&put->detail, '{');
    buf_json_kuint(&put->detail, "added", json_count(added));
    buf_json_kuint(&put->detail, "removed", json_count(removed));
    buf_putc(&put->detail, '}');
    return true;
}

static const struct json_limits overlay_limits = {8 << 20, 32, false};

/* What PUT and DELETE say alike; false after answering. */
static bool change_read(struct http_request *request, struct list_put *put)
{
    struct api_match match;
    const struct principal *who = api_principal(request); /* goes with the request, once that is answered */
    snprintf(put->who, sizeof(put->who), "%s", who->name[0] ? who->name : "local");
    if (!list_name(request, put->name) || !api_if_match(request, true, &match))
        return false;
    put->change = (struct overlay_change){.overlay = {.name = str_from(put->name),
                                                      .version = match.version,
                                                      .author = str_from(put->who),
                                                      .added = STR("[]"),
                                                      .removed = STR("[]")},
                                          .any_version = match.any,
                                          .detail = STR("{}")};
    return true;
}

/* False after answering. */
static bool put_read(struct http_request *request, struct api *api, struct list_put *put)
{
    if (!change_read(request, put))
        return false;
    if (ruleset_list(worker_ruleset(api->worker), str_from(put->name)) == NULL && !is_list_name(put->name)) {
        http_problem_field(request, 422, "a new list cannot have this name", "name",
                           "expected small letters, digits and _ . -, beginning with a letter");
        return false;
    }
    struct json *body = api_body_object_within(request, &overlay_limits);
    bool good = body && read_overlay(request, put, body);
    json_free(body);
    put->change.overlay.added = buf_str(&put->added);
    put->change.overlay.removed = buf_str(&put->removed);
    put->change.detail = buf_str(&put->detail);
    return good;
}

/* Takes it over: to the control thread, or 503. */
static void put_send(struct http_request *request, struct api *api, struct list_put *put)
{
    struct mailbox *box = worker_mailbox(api->worker);
    put->mail.deliver = put_deliver;
    bool reserved = mailbox_reserve(box, 1);
    api_wait_begin(&put->wait, api, request); /* before the post: the control thread reads it */
    if (reserved && mailbox_post(api->app->control, &put->mail))
        return;
    if (reserved)
        mailbox_unreserve(box, 1);
    http_problem(request, 503, "too many changes wait already");
    put_free(put);
}

void route_list_put(struct http_request *request, void *context)
{
    struct list_put *put = mem_zalloc(1, sizeof(*put));
    if (put_read(request, context, put))
        put_send(request, context, put);
    else
        put_free(put);
}

void route_list_delete(struct http_request *request, void *context)
{
    struct list_put *put = mem_zalloc(1, sizeof(*put));
    if (change_read(request, put)) {
        put->change.takes_back = true;
        put_send(request, context, put);
    } else {
        put_free(put);
    }
}
