/* What agents ask of the store: always for the threat that they work on, whatever they name. */
#include <stdio.h>
#include <stdlib.h>

#include "pipeline/analyse_impl.h"

struct store_ask {
    struct query query;
    struct analysis *analysis; /* NULL: nobody waits any more */
    struct store_ask *next;
    void (*answer)(void *arg, struct str json, const struct err *err);
    void *arg;
    void (*found)(struct analysis *analysis, struct str json);
    int (*read)(struct store_ask *ask, struct store_reader *reader, struct err *err);
    char threat_id[UUID_TEXT], kind[65], entity[257];
    struct buf customer; /* as the threat says it, whatever bytes it has */
    int64_t since_ns;
    size_t limit;
    struct answer_key key; /* its customer is the ask's */
    struct buf out;
    struct err err;
    bool failed;
};

/* ---- the questions ---- */

static int read_similar(struct store_ask *ask, struct store_reader *reader, struct err *err)
{
    return store_similar(reader, str_from(ask->threat_id), buf_str(&ask->customer), ask->limit, &ask->out,
                         err);
}

static int read_notes(struct store_ask *ask, struct store_reader *reader, struct err *err)
{
    return store_notes(reader, str_from(ask->threat_id), buf_str(&ask->customer), ask->limit, &ask->out, err);
}

static int read_observations(struct store_ask *ask, struct store_reader *reader, struct err *err)
{
    struct observation_query query = {.kind = str_from(ask->kind),
                                      .customer = buf_str(&ask->customer),
                                      .entity = str_from(ask->entity),
                                      .since_ns = ask->since_ns,
                                      .limit = ask->limit};
    return store_observations(reader, &query, &ask->out, err);
}

static int read_answer(struct store_ask *ask, struct store_reader *reader, struct err *err)
{
    return store_read_answer(reader, &ask->key, &ask->out, NULL, err);
}

static const struct question {
    const char *name;
    int (*read)(struct store_ask *ask, struct store_reader *reader, struct err *err);
    unsigned options_at; /* which argument holds the options */
    size_t limit, most;
} questions[] = {{"threats.similar", read_similar, 1, 5, 20},
                 {"threats.notes", read_notes, 1, 20, 200},
                 {"observations.list", read_observations, 0, 20, 100}};

/* ---- the way there and back ---- */

static void ask_run(struct query *query, struct store_reader *reader)
{
    struct store_ask *ask = (struct store_ask *)query; /* query is its first member */
    ask->failed = ask->read(ask, reader, &ask->err) != 0;
}

static void unlink_ask(struct store_ask *ask)
{
    struct store_ask **at = &ask->analysis->asks;
    while (*at != ask)
        at = &(*at)->next;
    *at = ask->next;
}

static void ask_free(struct store_ask *ask)
{
    buf_free(&ask->customer);
    buf_free(&ask->out);
    free(ask);
}

static void ask_done(struct query *query)
{
    struct store_ask *ask = (struct store_ask *)query;
    struct analysis *analysis = ask->analysis;
    if (analysis) {
        struct analyst *analyst = analysis->analyst;
        unlink_ask(ask);
        analyst->running = analysis;
        if (ask->found)
            ask->found(analysis, ask->failed ? STR("") : buf_str(&ask->out));
        else
            ask->answer(ask->arg, buf_str(&ask->out), ask->failed ? &ask->err : NULL);
        analyst->running = NULL;
    }
    ask_free(ask);
}

static struct store_ask *ask_new(struct analysis *analysis)
{
    const struct threat *threat = analysis->errand->threat;
    struct store_ask *ask = mem_zalloc(1, sizeof(*ask));
    ask->analysis = analysis;
    ask->query.run = ask_run;
    ask->query.done = ask_done;
    ask->query.reply_to = analysis->analyst->options.box;
    memcpy(ask->threat_id, threat->id, sizeof(ask->threat_id));
    buf_put(&ask->customer, threat->customer);
    return ask;
}

static bool send_ask(struct store_ask *ask)
{
    struct analysis *analysis = ask->analysis;
    ask->next = analysis->asks;
    analysis->asks = ask;
    if (analysis->analyst->options.readers && readers_ask(analysis->analyst->options.readers, &ask->query))
        return true;
    unlink_ask(ask);
    ask_free(ask);
    return false;
}

static void copy_text(const struct json *options, const char *key, char *out, size_t size)
{
    struct str text;
    if (json_get_str(options, key, &text))
        snprintf(out, size, "%.*s", STR_ARG(text));
}

static void take_options(struct store_ask *ask, const struct question *question, const struct json *options)
{
    int64_t limit;
    double since;
    ask->limit = question->limit;
    if (json_get_int(options, "limit", &limit) && limit > 0)
        ask->limit = limit < (int64_t)question->most ? (size_t)limit : question->most;
    if (json_get_double(options, "since", &since) && since > 0 && since < 1e9)
        ask->since_ns = clock_now(ask->analysis->analyst->options.clock) - (int64_t)(since * 1e9);
    copy_text(options, "kind", ask->kind, sizeof(ask->kind));
    copy_text(options, "entity", ask->entity, sizeof(ask->entity));
}

void *analyst_asks(void *host, const char *what, struct str args_json,
                   void (*answer)(void *arg, struct str json, const struct err *err), void *arg)
{
    const struct json_limits limits = {.size = 512 << 10, .depth = 64, .duplicates = true};
    struct analyst *analyst = host;
    const struct question *question = NULL;
    for (size_t i = 0; i < sizeof(questions) / sizeof(questions[0]); i++)
        if (strcmp(questions[i].name, what) == 0)
            question = &questions[i];
    if (question == NULL || analyst->running == NULL)
        return NULL;
    struct store_ask *ask = ask_new(analyst->running);
    struct json *args = json_parse(args_json, &limits, NULL);
    take_options(ask, question, json_item(args, question->options_at));
    json_free(args);
    ask->read = question->read;
    ask->answer = answer;
    ask->arg = arg;
    return send_ask(ask) ? ask : NULL;
}

void analyst_ask_cancel(void *host, void *asked)
{
    struct store_ask *ask = asked;
    (void)host;
    unlink_ask(ask);
    ask->analysis = NULL; /* freed when the reader gives it back */
}

bool analysis_look_up(struct analysis *analysis, void (*found)(struct analysis *analysis, struct str json))
{
    struct store_ask *ask = ask_new(analysis);
    ask->read = read_answer;
    ask->found = found;
    ask->key = analysis->errand->cache_key;
    ask->key.customer = buf_str(&ask->customer);
    return send_ask(ask);
}

void analysis_forget_asks(struct analysis *analysis)
{
    while (analysis->asks) {
        struct store_ask *ask = analysis->asks;
        analysis->asks = ask->next;
        ask->analysis = NULL;
    }
}

/* ---- timers ---- */

struct owned_timer {
    struct analyst *analyst;
    struct analysis *analysis;
    void (*fire)(void *arg);
    void *arg, *timer;
};

static void owned_fired(void *arg)
{
    struct owned_timer owned = *(struct owned_timer *)arg;
    free(arg);
    owned.analyst->running = owned.analysis;
    owned.fire(owned.arg);
    owned.analyst->running = NULL;
}

static void *owned_start(void *context, int64_t delay_ns, void (*fire)(void *arg), void *arg)
{
    struct analyst *analyst = context;
    struct owned_timer *owned = mem_alloc(sizeof(*owned));
    *owned = (struct owned_timer){analyst, analyst->running, fire, arg, NULL};
    owned->timer = analyst->loop_timers.start(analyst->loop_timers.context, delay_ns, owned_fired, owned);
    return owned;
}

static void owned_cancel(void *context, void *timer)
{
    struct analyst *analyst = context;
    struct owned_timer *owned = timer;
    analyst->loop_timers.cancel(analyst->loop_timers.context, owned->timer);
    free(owned);
}

struct lua_timers analyst_timers(struct analyst *analyst)
{
    return (struct lua_timers){analyst, owned_start, owned_cancel};
}
