/* The analysts' desk in tests: agents as texts, a model that answers as the test says and when it says, and
 * what became of a threat. */
#ifndef LUNETTE_SPEC_DESK_H
#define LUNETTE_SPEC_DESK_H

#include <stdatomic.h>

#include "ai/provider.h"
#include "core/pipeline/plant.h"
#include "loop/loop.h"
#include "pipeline/book.h"
#include "pipeline/view.h"

/* ---- a clock that the test moves ---- */

struct desk_clock {
    struct clock clock;
    _Atomic int64_t now_ns;
};

static inline int64_t desk_clock_now(const struct clock *clock)
{
    return atomic_load(&((struct desk_clock *)(uintptr_t)clock)->now_ns);
}

static inline void desk_clock_init(struct desk_clock *clock)
{
    clock->clock.now = desk_clock_now;
    atomic_store(&clock->now_ns, clock_now(&clock_real));
}

/* ---- rules and agents ---- */

/* Fires for each event of action "one", into one threat an hour and user. */
#define DESK_RULE                                                                                            \
    {                                                                                                        \
        "rules/one.lua",                                                                                     \
            PLANT_RULE("one", "context = { \"user.name\", \"message\" }, dedup = { by = { \"user.name\" }, " \
                              "window = \"1h\" },") PLANT_FIRES("one", "0")                                  \
    }
#define DESK_AGENT(name, more)                                                                               \
    {                                                                                                        \
        "rules/agents/" name ".lua",                                                                         \
            "return agent { name = '" name "', schema = { type = 'object' },\n"                              \
            "tests = { { 't', threat = {}, expect = {} } },\n"                                               \
            "prompt = function(threat) return { system = 'You judge.', user = '" name "' } end,\n"           \
            "offline = function(threat, gathered) return { claims = {}, confidence = 0.1, verdict = "        \
            "'not_evaluable', summary = gathered.text } end,\n" more "}"                                     \
    }
#define DESK_AGENTS(more)                                                                                    \
    DESK_AGENT("historical", more), DESK_AGENT("config", ""), DESK_AGENT("devops", ""),                      \
        DESK_AGENT("context", ""), DESK_AGENT("priority", ""), DESK_AGENT("coordinator", "")
#define DESK_PLAN                                                                                            \
    {                                                                                                        \
        "rules/triage/response.lua",                                                                         \
            "return policy { name = 'response', tests = { { 't', threat = {}, expect = {} } },\n"            \
            "decide = function(threat) return { urgency = 'soon', sla_minutes = 30, actions = { { type = "   \
            "'notify' } } } end }"                                                                           \
    }

/* ---- a model ---- */

struct desk_model {
    /* Fills the reply for this agent; `turn` counts its questions from 1. With the lock held. */
    void (*answer)(struct desk_model *model, const char *agent, unsigned turn, struct ai_reply *reply);
    const char *coordinator; /* for desk_answer */
    pthread_mutex_t lock;
    bool held; /* nothing is answered while it is */
    unsigned spread_ms, asked, in_flight, most_in_flight, turns[AGENT_COUNT];
    unsigned seed;
    struct buf prompts; /* all of them, user texts */
    bool keep_prompts;
};

struct desk_provider {
    struct provider provider; /* first */
    struct desk_model *model;
    struct loop *loop;
    struct ai_call *calls;
};

struct ai_call {
    struct desk_provider *owner;
    struct ai_call *next, **at;
    struct timer *due;
    char agent[65];
    void (*done)(const struct ai_reply *reply, void *arg);
    void *arg;
};

static inline void desk_call_free(struct ai_call *call)
{
    struct desk_model *model = call->owner->model;
    pthread_mutex_lock(&model->lock);
    model->in_flight--;
    pthread_mutex_unlock(&model->lock);
    *call->at = call->next;
    if (call->next)
        call->next->at = call->at;
    timer_free(call->due);
    free(call);
}

static inline void desk_due(void *arg)
{
    struct ai_call *call = arg;
    struct desk_model *model = call->owner->model;
    struct ai_reply reply = {.model = STR("desk"), .attempts = 1, .error = ""};
    reply.prompt_tokens = 100;
    reply.completion_tokens = 10;
    pthread_mutex_lock(&model->lock);
    bool held = model->held;
    for (unsigned i = 0; !held && i < AGENT_COUNT; i++)
        if (strcmp(agent_names[i], call->agent) == 0)
            model->answer(model, call->agent, ++model->turns[i], &reply);
    pthread_mutex_unlock(&model->lock);
    if (held) {
        timer_start(call->due, NS_PER_MS, false);
        return;
    }
    call->done(&reply, call->arg);
    desk_call_free(call);
}

static inline struct ai_call *desk_ask(struct provider *provider, const struct ai_prompt *prompt,
                                       void (*done)(const struct ai_reply *reply, void *arg), void *arg)
{
    struct desk_provider *desk = (struct desk_provider *)provider;
    struct desk_model *model = desk->model;
    struct ai_call *call = mem_zalloc(1, sizeof(*call));
    *call = (struct ai_call){
        .owner = desk, .next = desk->calls, .at = &desk->calls, .done = done, .arg = arg};
    if (call->next)
        call->next->at = &call->next;
    desk->calls = call;
    snprintf(call->agent, sizeof(call->agent), "%.*s", STR_ARG(prompt->schema_name));
    call->due = timer_new(desk->loop, desk_due, call);
    pthread_mutex_lock(&model->lock);
    model->asked++;
    if (++model->in_flight > model->most_in_flight)
        model->most_in_flight = model->in_flight;
    int64_t delay = model->spread_ms ? (int64_t)((unsigned)rand_r(&model->seed) % model->spread_ms) : 0;
    if (model->keep_prompts)
        buf_put(&model->prompts, prompt->user);
    pthread_mutex_unlock(&model->lock);
    timer_start(call->due, delay * NS_PER_MS, false);
    return call;
}

static inline void desk_cancel(struct provider *provider, struct ai_call *call)
{
    (void)provider;
    desk_call_free(call);
}

static inline void desk_free(struct provider *provider)
{
    struct desk_provider *desk = (struct desk_provider *)provider;
    while (desk->calls)
        desk_call_free(desk->calls);
    free(desk);
}

static inline const char *desk_name(const struct provider *provider)
{
    (void)provider;
    return "desk";
}

static inline struct provider *desk_make(struct loop *loop, void *context)
{
    struct desk_provider *desk = mem_zalloc(1, sizeof(*desk));
    desk->provider = (struct provider){desk_name, desk_name, desk_ask, desk_cancel, desk_free};
    desk->model = context;
    desk->loop = loop;
    return &desk->provider;
}

#define DESK_GOOD                                                                                            \
    "{\"claims\":[{\"text\":\"t\",\"evidence\":[\"E1\"],\"kind\":\"fact\"}],\"confidence\":0.9,\"verdict\":" \
    "\"malicious\",\"severity_suggestion\":\"critical\"}"

/* Each agent the same, the coordinator what the test says. */
static inline void desk_answer(struct desk_model *model, const char *agent, unsigned turn,
                               struct ai_reply *reply)
{
    (void)turn;
    bool coordinator = strcmp(agent, "coordinator") == 0;
    reply->content = str_from(coordinator && model->coordinator ? model->coordinator : DESK_GOOD);
}

static inline void desk_model_init(struct desk_model *model)
{
    *model = (struct desk_model){.answer = desk_answer, .seed = 7};
    pthread_mutex_init(&model->lock, NULL);
}

static inline void desk_hold(struct desk_model *model, bool held)
{
    pthread_mutex_lock(&model->lock);
    model->held = held;
    pthread_mutex_unlock(&model->lock);
}

static inline unsigned desk_asked(struct desk_model *model)
{
    pthread_mutex_lock(&model->lock);
    unsigned asked = model->asked;
    pthread_mutex_unlock(&model->lock);
    return asked;
}

/* ---- a pipeline with all of that ---- */

struct desk {
    struct desk_clock clock;
    struct desk_model model;
    struct ai_settings settings;
    struct ruleset *set;
    char data[64];
    struct pipeline_options options;
    struct pipeline *pipeline;
};

static inline void desk_open(struct desk *desk, const struct text_file *files, size_t count, bool model)
{
    memset(desk, 0, sizeof(*desk));
    desk_clock_init(&desk->clock);
    desk_model_init(&desk->model);
    desk->set = plant_rules(files, count);
    plant_folder(desk->data);
    desk->settings = (struct ai_settings){.model = "desk", .concurrency = 4, .every_ns = NS_PER_MS};
    if (model) {
        desk->settings.make = desk_make;
        desk->settings.make_context = &desk->model;
    }
    desk->options = plant_options(desk->set, 2, desk->data);
    desk->options.clock = &desk->clock.clock;
    desk->options.ai = &desk->settings;
}

static inline void desk_start(struct desk *desk)
{
    desk->pipeline = plant_start(&desk->options);
}

static inline void desk_stop(struct desk *desk)
{
    pipeline_stop(desk->pipeline, 5 * NS_PER_S);
    desk->pipeline = NULL;
}

static inline void desk_close(struct desk *desk)
{
    if (desk->pipeline)
        desk_stop(desk);
    plant_remove(desk->data);
    ruleset_unref(desk->set);
    buf_free(&desk->model.prompts);
    pthread_mutex_destroy(&desk->model.lock);
}

/* One event; the id of its threat where it raised one. */
static inline void desk_send(struct desk *desk, const char *user, const char *customer, char id[UUID_TEXT])
{
    struct buf line = BUF_EMPTY;
    struct reply reply = {0};
    buf_printf(&line, "{\"event.action\":\"one\",\"user.name\":\"%s\",\"message\":\"hello\"}\n", user);
    struct plant_call call = {
        .body = line.ptr, .source = "", .customer = customer, .format = JOURNAL_NDJSON, .reply = &reply};
    id_random(call.id_base.bytes, sizeof(call.id_base.bytes));
    pipeline_on_worker(desk->pipeline, 0, plant_submit, &call);
    assert_int_equal(call.rc, 0);
    plant_await(&reply);
    assert_int_equal(reply.code, ERR_NONE);
    if (id)
        memcpy(id, reply.first, UUID_TEXT);
    buf_free(&line);
}

static inline struct followup_state desk_state(struct desk *desk)
{
    struct followup_state state;
    followup_state(writer_followup(pipeline_writer(desk->pipeline)), &state);
    return state;
}

/* ---- on the writer's thread ---- */

struct desk_task {
    struct writer_task task;
    int (*run)(struct writer *writer, void *arg, struct err *err);
    void *arg;
    bool done;
};

static inline int desk_task_run(struct writer_task *task, struct writer *writer, struct err *err)
{
    struct desk_task *own = (struct desk_task *)task;
    return own->run(writer, own->arg, err);
}

static inline void desk_task_done(struct writer_task *task)
{
    pthread_mutex_lock(&plant_lock);
    ((struct desk_task *)task)->done = true;
    pthread_cond_broadcast(&plant_changed);
    pthread_mutex_unlock(&plant_lock);
}

static inline enum err_code
desk_on_writer(struct desk *desk, int (*run)(struct writer *writer, void *arg, struct err *err), void *arg)
{
    struct desk_task task = {
        .task = {.run = desk_task_run, .done = desk_task_done, .clean_book = true}, .run = run, .arg = arg};
    assert_true(writer_ask(pipeline_writer(desk->pipeline), &task.task));
    pthread_mutex_lock(&plant_lock);
    while (!task.done)
        pthread_cond_wait(&plant_changed, &plant_lock);
    pthread_mutex_unlock(&plant_lock);
    return task.task.err.code;
}

struct desk_jobs {
    size_t count, by_stage[2], claimed;
    struct store_job last;
};

static inline int desk_job(const struct store_job *job, void *arg)
{
    struct desk_jobs *jobs = arg;
    jobs->count++;
    jobs->by_stage[job->stage]++;
    jobs->claimed += job->claim != 0;
    jobs->last = *job;
    return 0;
}

static inline int desk_load_jobs(struct writer *writer, void *arg, struct err *err)
{
    return store_load_jobs(writer_store(writer), desk_job, arg, err);
}

static inline struct desk_jobs desk_jobs(struct desk *desk)
{
    struct desk_jobs jobs = {0};
    assert_int_equal(desk_on_writer(desk, desk_load_jobs, &jobs), ERR_NONE);
    return jobs;
}

/* ---- what became of it ---- */

static inline struct json *desk_threat(struct desk *desk, const char *id)
{
    struct err err = {0};
    struct buf out = BUF_EMPTY;
    uint32_t version;
    struct store_reader *reader = store_reader_open(writer_store(pipeline_writer(desk->pipeline)), &err);
    if (store_get_threat(reader, str_from(id), STR(""), &version, &out, &err) != 0)
        fail_msg("%s", err_text(&err));
    struct json *json = view_parse(buf_str(&out));
    assert_non_null(json);
    store_reader_close(reader);
    buf_free(&out);
    return json;
}

/* A path of member names and positions. NULL where there is nothing. */
static inline const struct json *desk_at(const struct json *json, const char *path)
{
    while (*path && json) {
        char name[64];
        size_t len = strcspn(path, ".");
        assert_true(len < sizeof(name));
        memcpy(name, path, len);
        name[len] = '\0';
        json = json_kind(json) == JSON_KIND_ARRAY ? json_item(json, strtoul(name, NULL, 10))
                                                  : json_get(json, name);
        path += len + (path[len] == '.');
    }
    return json;
}

/* "(none)" where there is nothing; the caller frees. */
static inline char *desk_text(struct desk *desk, const char *id, const char *path)
{
    struct json *threat = desk_threat(desk, id);
    const struct json *value = desk_at(threat, path);
    struct buf out = BUF_EMPTY;
    if (value)
        json_print(value, &out);
    else
        buf_puts(&out, "(none)");
    json_free(threat);
    return out.ptr;
}

static inline bool desk_says(struct desk *desk, const char *id, const char *path, const char *expected)
{
    char *text = desk_text(desk, id, path);
    bool same = strcmp(text, expected) == 0;
    free(text);
    return same;
}

#define desk_expect(desk, id, path, expected)                                                                \
    do {                                                                                                     \
        char *text_ = desk_text(desk, id, path);                                                             \
        if (strcmp(text_, expected) != 0)                                                                    \
            fail_msg("%s is %s, not %s", path, text_, expected);                                             \
        free(text_);                                                                                         \
    } while (0)

static inline void desk_wait_says(struct desk *desk, const char *id, const char *path, const char *expected)
{
    while (!desk_says(desk, id, path, expected))
        usleep(2000);
}

static inline int desk_nothing(struct writer *writer, void *arg, struct err *err)
{
    (void)writer;
    (void)arg;
    (void)err;
    return 0;
}

/* A commit more, so that what follows from the last one is known. */
static inline void desk_settle(struct desk *desk)
{
    plant_settle(desk->pipeline);
    do {
        desk_on_writer(desk, desk_nothing, NULL);
        usleep(500);
    } while (plant_follows_up(desk->pipeline));
}

/* How often the audit has this action about this threat. */
static inline size_t desk_audited(struct desk *desk, const char *id, const char *action, const char *who)
{
    struct err err = {0};
    struct buf out = BUF_EMPTY;
    struct store_reader *reader = store_reader_open(writer_store(pipeline_writer(desk->pipeline)), &err);
    assert_int_equal(store_audit_list(reader, 1000, 0, &out, &err), 0);
    struct json *list = view_parse(buf_str(&out));
    size_t found = 0;
    for (size_t i = 0; i < json_count(list); i++) {
        struct str target = STR(""), act = STR(""), by = STR("");
        json_get_str(json_item(list, i), "target", &target);
        json_get_str(json_item(list, i), "action", &act);
        json_get_str(json_item(list, i), "who", &by);
        found += str_is(target, id) && str_is(act, action) && (who[0] == '\0' || str_is(by, who));
    }
    json_free(list);
    buf_free(&out);
    store_reader_close(reader);
    return found;
}

#endif
