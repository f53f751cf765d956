/* Demo mode: POST /api/threats/trigger makes events and waits for what the rules say, POST /api/demo/reset
 * forgets what came of it. */
#include <stdio.h>

#include "app/api.h"
#include "app/demo.h"
#include "app/demo_run.h"
#include "base/json.h"
#include "base/json_tape.h"
#include "pipeline/followup.h"

#define WAIT_NS (2 * NS_PER_S)
#define CHOICES "expected one of {\"threat_type\": …}, {\"scenario\": …}, {\"adversarial_scenario\": …}"

/* False after answering. */
static bool may_demo(struct http_request *request, const struct api *api)
{
    if (!api->app->settings.demo) {
        http_problem(request, 403, "this process is not in demo mode (--demo, LUNETTE_DEMO)");
        return false;
    }
    if (atomic_load(&api->app->draining) || !pipeline_recovered(worker_pipeline(api->worker))) {
        http_problem(request, 503, "the process is starting or stopping");
        return false;
    }
    return true;
}

/* ---- POST /api/threats/trigger ---- */

struct trigger {
    struct api_wait wait;
    struct timer *timer;
    struct buf events; /* a JSON array of their ids */
};

static void trigger_free(struct trigger *trigger)
{
    timer_free(trigger->timer);
    buf_free(&trigger->events);
    free(trigger);
}

static void add_id(struct buf *array, const char *id)
{
    buf_puts(array, array->len == 1 ? "" : ",");
    buf_json_string(array, str_from(id));
}

/* The ids that ingest gives: (customer, source, event.id); no source claims these events. */
static void event_ids(struct str ndjson, struct str bound, struct buf *array)
{
    size_t at = 0;
    struct str line;
    buf_putc(array, '[');
    while (json_lines_next(ndjson, &at, &line) == 1) {
        struct str customer = bound, own = STR("");
        char hex[33];
        struct json *event = json_parse(line, NULL, NULL);
        if (bound.len == 0)
            json_get_str(event, "organization.name", &customer);
        json_get_str(event, "event.id", &own);
        struct id128 id = hash_id((struct str[]){customer, STR(""), own}, 3);
        id_hex(id.bytes, sizeof(id.bytes), hex);
        add_id(array, hex);
        json_free(event);
    }
    buf_putc(array, ']');
}

static void answer_trigger(struct trigger *trigger, int status, const struct submission_result *result)
{
    struct buf out = BUF_EMPTY, threats = BUF_EMPTY;
    struct http_request *request = trigger->wait.request;
    buf_putc(&threats, '[');
    for (size_t i = 0; result && i < result->raised_count; i++)
        add_id(&threats, result->raised[i].threat_id);
    buf_putc(&threats, ']');
    buf_printf(&out, "{\"threats\":%s,\"events\":%s}", threats.ptr, trigger->events.ptr);
    trigger->wait.request = NULL;
    http_respond_json(request, status, buf_str(&out));
    buf_free(&threats);
    buf_free(&out);
}

static void waited_enough(void *arg)
{
    struct trigger *trigger = arg;
    if (trigger->wait.request)
        answer_trigger(trigger, 202, NULL);
}

static void trigger_judged(const struct submission_result *result, void *arg)
{
    struct trigger *trigger = arg;
    if (trigger->wait.request && result->err)
        http_problem_err(trigger->wait.request, result->err);
    else if (trigger->wait.request)
        answer_trigger(trigger, result->raised_count ? 200 : 202, result);
    trigger_free(trigger);
}

static void send_trigger(struct http_request *request, struct api *api, struct buf *events)
{
    const struct principal *who = api_principal(request);
    struct trigger *trigger = mem_zalloc(1, sizeof(*trigger));
    struct submission s = {.source = STR("demo"),
                           .customer = str_from(who->customer),
                           .format = JOURNAL_NDJSON,
                           .trace_id = http_request_id(request),
                           .body = *events,
                           .done = trigger_judged,
                           .arg = trigger};
    struct err err = {0};
    id_random(s.id_base.bytes, sizeof(s.id_base.bytes));
    event_ids(buf_str(events), s.customer, &trigger->events);
    trigger->timer = timer_new(worker_loop(api->worker), waited_enough, trigger);
    timer_start(trigger->timer, WAIT_NS, false);
    api_wait_begin(&trigger->wait, api, request);
    if (worker_submit(api->worker, &s, &err) == 0)
        return;
    buf_free(&s.body);
    http_problem_err(request, &err);
    trigger_free(trigger);
}

/* What the body asks for. */
struct order {
    const char *field; /* which of the fields names it */
    struct str name;   /* borrowed from the body */
    uint64_t seed;
};

/* False after answering 400. */
static bool take_order(struct http_request *request, const struct json *body, struct order *order)
{
    static const char *const fields[] = {"threat_type", "scenario", "adversarial_scenario"};
    int64_t seed = 0;
    bool has_seed = json_get_int(body, "seed", &seed);
    if (json_get(body, "seed") && (!has_seed || seed < 0)) {
        http_problem_field(request, 400, "the body is not right", "seed", "expected a number from 0 on");
        return false;
    }
    id_random(&order->seed, sizeof(order->seed));
    order->seed = has_seed ? (uint64_t)seed : order->seed >> 1;
    for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
        if (json_get_str(body, fields[i], &order->name))
            order->field = fields[i];
    if (order->field && json_count(body) == 1 + (size_t)has_seed)
        return true;
    http_problem(request, 400, CHOICES);
    return false;
}

static void no_such(struct http_request *request, const struct order *order, const struct err *err)
{
    http_problem_field(request, 400, "there is nothing of this name to trigger", order->field, err->message);
}

static void start_drill(struct http_request *request, struct api *api, const struct order *order)
{
    enum drill_kind kind;
    struct err err = {0};
    struct buf ids = BUF_EMPTY;
    struct str customer = str_from(api_principal(request)->customer);
    if (drill_named(order->name, &kind, &err) != 0) {
        no_such(request, order, &err);
        return;
    }
    struct drill *drill = drill_new(kind, order->seed, clock_now(&clock_real), customer);
    event_ids(buf_str(&drill->events), customer, &ids);
    api_audit(api, request, "demo.trigger", STR(""));
    drill_run(request, api, drill, &ids);
}

static void start_trigger(struct http_request *request, struct api *api, const struct order *order)
{
    struct err err = {0};
    struct buf events = BUF_EMPTY;
    bool is_scenario = strcmp(order->field, "scenario") == 0;
    if (demo_events(order->name, is_scenario, order->seed, clock_now(&clock_real), &events, &err) != 0) {
        no_such(request, order, &err);
        return;
    }
    api_audit(api, request, "demo.trigger", STR(""));
    send_trigger(request, api, &events);
}

void route_trigger(struct http_request *request, void *context)
{
    struct api *api = context;
    struct order order = {0};
    if (!may_demo(request, api))
        return;
    struct json *body = api_body_object(request);
    if (body && take_order(request, body, &order))
        (strcmp(order.field, "adversarial_scenario") == 0 ? start_drill : start_trigger)(request, api,
                                                                                         &order);
    json_free(body);
}

/* ---- POST /api/demo/reset ---- */

struct reset {
    struct api_task base;
    size_t forgotten;
    char who[65];
};

/* Threats that somebody judged, copied: their verdicts are taken back before they go. */
struct judged_threats {
    VEC(struct threat *) threats;
};

static int keep_judged(const struct threat *threat, void *arg)
{
    struct judged_threats *judged = arg;
    struct buf packed = BUF_EMPTY;
    if (threat->verdict == VERDICT_NONE)
        return 0;
    threat_pack(threat, &packed);
    struct threat *copy = threat_unpack(buf_str(&packed), NULL);
    if (copy)
        vec_push(&judged->threats, copy);
    buf_free(&packed);
    return copy ? 0 : -1;
}

/* What triage counts of this customer, rule and entity is as if they had never been judged. */
static int take_back_verdicts(struct writer *writer, struct err *err)
{
    struct judged_threats judged = {0};
    int rc = store_load_demo(writer_store(writer), keep_judged, &judged, err);
    for (size_t i = 0; i < judged.threats.count; i++) {
        struct threat *threat = judged.threats.items[i];
        enum threat_verdict was = threat->verdict;
        threat->verdict = VERDICT_NONE;
        if (rc == 0)
            rc = followup_verdict(writer_followup(writer), threat, was, err);
        threat_free(threat);
    }
    vec_free(&judged.threats);
    return rc;
}

static int reset_run(struct api_task *base, struct writer *writer, struct err *err)
{
    struct reset *reset = (struct reset *)base;
    char detail[48];
    if (book_changes(writer_book(writer), false))
        return err_set(err, ERR_BUSY, "the store cannot be written now; try again");
    if ((writer_followup(writer) && take_back_verdicts(writer, err) != 0) ||
        store_forget_demo(writer_store(writer), &reset->forgotten, err) != 0)
        return -1;
    snprintf(detail, sizeof(detail), "{\"forgotten\":%zu}", reset->forgotten);
    if (store_audit(writer_store(writer), clock_now(writer_clock(writer)), str_from(reset->who),
                    STR("demo.reset"), STR(""), str_from(detail), err) != 0)
        return -1;
    writer_forget(writer);
    return 0;
}

static void reset_answer(struct api_task *base, struct http_request *request)
{
    char out[48];
    snprintf(out, sizeof(out), "{\"forgotten\":%zu}", ((struct reset *)base)->forgotten);
    http_respond_json(request, 200, str_from(out));
}

void route_demo_reset(struct http_request *request, void *context)
{
    struct api *api = context;
    if (!may_demo(request, api))
        return;
    struct reset *reset = mem_zalloc(1, sizeof(*reset));
    const char *name = api_principal(request)->name;
    reset->base.run = reset_run;
    reset->base.answer = reset_answer;
    reset->base.task.clean_book = true;
    snprintf(reset->who, sizeof(reset->who), "%s", name[0] ? name : "local");
    api_change(api, request, &reset->base);
}
