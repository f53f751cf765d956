/* A pipeline for tests: rules from texts, batches submitted from the test's thread, replies waited for by
 * condition, and the threats of the store as lines that can be compared. */
#ifndef LUNETTE_SPEC_PLANT_H
#define LUNETTE_SPEC_PLANT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <ftw.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/json.h"
#include "base/log.h"
#include "core/rules/ruleset.h"
#include "pipeline/followup.h"
#include "pipeline/pipeline.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#else
#define SANITIZED 0
#endif

/* ---- rules ---- */

static inline struct ruleset *plant_rules(const struct text_file *files, size_t count)
{
    struct report report = {0};
    char text[8192];
    struct ruleset *set = load_texts(files, count, &report);
    report_text(&report, text, sizeof(text));
    report_free(&report);
    if (set == NULL)
        fail_msg("%s", text);
    return set;
}

#define PLANT_RULE(id, body)                                                                                 \
    "return rule { id = \"" id "\", title = \"" id "\", severity = \"low\", match = { [\"event.action\"] = " \
    "\"" id "\" },\n" body "\n"
#define PLANT_FIRES(id, times)                                                                               \
    "tests = { { \"fires\", events = at({ " times " }, sample { [\"event.action\"] = \"" id                  \
    "\", [\"user.name\"] = \"ana\" }), expect = { threats = 1 } }, { \"quiet\", events = at({ 0 }, sample "  \
    "{ [\"event.action\"] = \"x\" }), expect = { threats = 0 } } } }"
/* Fires for each event of action "one", into one threat an hour and user; and for the third "three" of a
 * user. */
#define PLANT_ONE                                                                                            \
    {                                                                                                        \
        "rules/one.lua", PLANT_RULE("one", "dedup = { by = { \"user.name\" }, window = \"1h\" },")           \
                             PLANT_FIRES("one", "0")                                                         \
    }
#define PLANT_THREE                                                                                          \
    {                                                                                                        \
        "rules/three.lua",                                                                                   \
            PLANT_RULE("three", "group = { by = { \"user.name\" }, window = \"10m\", count = 3 },")          \
                PLANT_FIRES("three", "0, 1, 2")                                                              \
    }

static inline void plant_put_event(struct buf *out, const char *action, const char *user)
{
    buf_printf(out, "{\"event.action\":\"%s\",\"user.name\":\"%s\"}\n", action, user);
}

/* ---- folders ---- */

static inline int plant_remove_one(const char *path, const struct stat *status, int kind, struct FTW *walk)
{
    (void)status;
    (void)kind;
    (void)walk;
    return remove(path);
}

static inline void plant_remove(const char *path)
{
    nftw(path, plant_remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* In memory where there is such a place: a killed process loses nothing there either. */
static inline void plant_folder(char path[64])
{
    snprintf(path, 64, "/dev/shm/lunette-test-XXXXXX");
    if (mkdtemp(path))
        return;
    snprintf(path, 64, "/tmp/lunette-test-XXXXXX");
    assert_non_null(mkdtemp(path));
}

/* ---- the pipeline ---- */

static pthread_mutex_t plant_lock = PTHREAD_MUTEX_INITIALIZER; /* of all replies */
static pthread_cond_t plant_changed = PTHREAD_COND_INITIALIZER;

struct plant {
    struct pipeline *pipeline;
    struct pipeline_options options;
};

static inline struct pipeline_options plant_options(struct ruleset *set, unsigned workers, const char *data)
{
    return (struct pipeline_options){.data = data,
                                     .workers = workers,
                                     .state_max = (size_t)256 << 20,
                                     .pending_max = (size_t)256 << 20,
                                     .journal_bytes = UINT64_C(1) << 30,
                                     .journal_ns = 7 * 86400 * NS_PER_S,
                                     .retain_threats_ns = 90 * 86400 * NS_PER_S,
                                     .clock = &clock_real,
                                     .set = set};
}

static inline void plant_wait_recovered(struct pipeline *pipeline)
{
    while (!pipeline_recovered(pipeline))
        usleep(200);
}

static inline struct pipeline *plant_start(const struct pipeline_options *options)
{
    struct err err = {0};
    struct pipeline *pipeline = pipeline_start(options, &err);
    if (pipeline == NULL)
        fail_msg("%s", err_text(&err));
    plant_wait_recovered(pipeline);
    return pipeline;
}

/* ---- batches ---- */

struct reply {
    bool done;
    enum err_code code; /* of a submission refused after acceptance */
    char message[128];
    uint32_t accepted, rejected;
    size_t raised;
    char first[UUID_TEXT]; /* of the raised ones */
    uint64_t number;
    void (*told)(struct reply *reply); /* on the worker, before `done` is set; NULL */
    void *told_arg;
};

static inline void plant_done(const struct submission_result *result, void *arg)
{
    struct reply *reply = arg;
    pthread_mutex_lock(&plant_lock);
    reply->code = result->err ? result->err->code : ERR_NONE;
    snprintf(reply->message, sizeof(reply->message), "%.127s", result->err ? result->err->message : "");
    reply->accepted = result->batch->event_count;
    reply->rejected = (uint32_t)result->batch->rejects.count;
    reply->raised = result->raised_count;
    reply->number = result->batch->number;
    if (result->raised_count)
        memcpy(reply->first, result->raised[0].threat_id, UUID_TEXT);
    if (reply->told)
        reply->told(reply);
    reply->done = true;
    pthread_cond_broadcast(&plant_changed);
    pthread_mutex_unlock(&plant_lock);
}

struct plant_call {
    const char *body, *source, *customer;
    enum journal_format format;
    struct id128 id_base;
    struct reply *reply;
    struct err err;
    int rc;
};

static inline void plant_submit(struct worker *worker, void *arg)
{
    struct plant_call *call = arg;
    struct submission s = {.source = str_from(call->source),
                           .customer = str_from(call->customer),
                           .format = call->format,
                           .id_base = call->id_base,
                           .done = plant_done,
                           .arg = call->reply};
    buf_puts(&s.body, call->body);
    call->rc = worker_submit(worker, &s, &call->err);
    buf_free(&s.body);
}

/* NDJSON to that worker; ERR_NONE, or why it was refused at once. */
static inline enum err_code plant_send(struct pipeline *pipeline, unsigned worker, const char *lines,
                                       struct reply *reply)
{
    struct plant_call call = {
        .body = lines, .source = "", .customer = "", .format = JOURNAL_NDJSON, .reply = reply};
    id_random(call.id_base.bytes, sizeof(call.id_base.bytes));
    *reply = (struct reply){.told = reply->told, .told_arg = reply->told_arg};
    pipeline_on_worker(pipeline, worker % pipeline_workers(pipeline), plant_submit, &call);
    return call.rc == 0 ? ERR_NONE : call.err.code;
}

static inline void plant_await(struct reply *reply)
{
    pthread_mutex_lock(&plant_lock);
    while (!reply->done)
        pthread_cond_wait(&plant_changed, &plant_lock);
    pthread_mutex_unlock(&plant_lock);
}

static inline struct reply plant_ask(struct pipeline *pipeline, unsigned worker, const char *lines)
{
    struct reply reply = {0};
    assert_int_equal(plant_send(pipeline, worker, lines, &reply), ERR_NONE);
    plant_await(&reply);
    return reply;
}

static inline int plant_run_nothing(struct writer_task *task, struct writer *writer, struct err *err)
{
    (void)task;
    (void)writer;
    (void)err;
    return 0;
}

static inline void plant_free_task(struct writer_task *task)
{
    free(task);
}

/* Folds and ledger are committed now, not at the next full second. */
static inline void plant_flush(struct pipeline *pipeline)
{
    struct writer_task *task = mem_zalloc(1, sizeof(*task));
    *task = (struct writer_task){.run = plant_run_nothing, .done = plant_free_task, .clean_book = true};
    assert_true(writer_ask(pipeline_writer(pipeline), task));
}

/* Everything that was accepted is judged and stored, folds too. */
static inline bool plant_follows_up(struct pipeline *pipeline)
{
    struct followup_state state;
    followup_state(writer_followup(pipeline_writer(pipeline)), &state);
    return state.queued_findings + state.in_work + state.queued_model + state.in_work_model + state.looks > 0;
}

static inline void plant_settle(struct pipeline *pipeline)
{
    struct pipeline_health health;
    bool flushed = false;
    do {
        usleep(500);
        pipeline_health(pipeline, &health);
        if (health.judged == health.journal_last && !flushed) {
            plant_flush(pipeline);
            flushed = true;
        }
    } while (health.judged != health.journal_last ||
             writer_durable(pipeline_writer(pipeline)) < health.judged || plant_follows_up(pipeline));
}

/* ---- the ledger ---- */

static inline int64_t plant_number(const struct json *object, const char *name)
{
    int64_t number = INT64_MIN;
    json_get_int(object, name, &number);
    return number;
}

static inline const struct json *plant_ledger_part(const struct json *ledger, const char *part)
{
    const struct json *rules = json_get(ledger, "rules");
    struct str id;
    for (size_t i = 0; i < json_count(rules); i++)
        if (json_get_str(json_item(rules, i), "id", &id) && str_is(id, part))
            return json_item(rules, i);
    return json_get(ledger, part);
}

/* `part`: "events", "pairs", "shadow", or a rule's id. */
static inline int64_t plant_ledger(struct pipeline *pipeline, const char *part, const char *name)
{
    struct buf text = BUF_EMPTY;
    struct err err = {0};
    tally_json(writer_tally(pipeline_writer(pipeline)), &text);
    struct json *ledger = json_parse(buf_str(&text), NULL, &err);
    assert_non_null(ledger);
    int64_t number = plant_number(plant_ledger_part(ledger, part), name);
    json_free(ledger);
    buf_free(&text);
    return number;
}

/* ---- what came of it ---- */

struct lines {
    VEC(char *) items;
};

static inline void lines_add(struct lines *lines, const struct buf *line)
{
    vec_push(&lines->items, mem_dup(line->ptr, line->len));
}

static inline void lines_free(struct lines *lines)
{
    for (size_t i = 0; i < lines->items.count; i++)
        free(lines->items.items[i]);
    vec_free(&lines->items);
}

static inline int line_compare(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static inline void lines_sort(struct lines *lines)
{
    if (lines->items.count)
        qsort(lines->items.items, lines->items.count, sizeof(char *), line_compare);
}

static inline int id_compare(const void *a, const void *b)
{
    return id128_compare(a, b);
}

/* (rule, customer, dedup key, anchor, members, count): two runs are the same when these are. */
static inline void put_threat_line(struct buf *line, const char *rule, const char *customer, const char *key,
                                   struct id128 anchor, struct id128 *members, size_t count, uint64_t events)
{
    char hex[33];
    id_hex(anchor.bytes, 16, hex);
    buf_clear(line);
    buf_printf(line, "%s %s %s anchor %s count %llu members", rule, customer, key, hex,
               (unsigned long long)events);
    if (count)
        qsort(members, count, sizeof(*members), id_compare);
    for (size_t i = 0; i < count; i++) {
        id_hex(members[i].bytes, 4, hex);
        buf_printf(line, " %s", hex);
    }
}

struct plant_look {
    struct writer_task task;
    struct lines *ids, *lines;
    bool done;
};

static inline int plant_look_run(struct writer_task *task, struct writer *writer, struct err *err)
{
    struct plant_look *look = (struct plant_look *)task;
    struct store *store = writer_store(writer);
    struct id128 *members = mem_alloc(THREAT_MEMBERS_MAX * sizeof(*members));
    struct buf line = BUF_EMPTY;
    for (size_t i = 0; i < look->ids->items.count; i++) {
        size_t count = 0;
        struct threat *t = store_load_threat(store, str_from(look->ids->items.items[i]), err);
        assert_non_null(t);
        assert_int_equal(store_load_members(store, t->id, members, THREAT_MEMBERS_MAX, &count, err), 0);
        char rule[129], customer[129], key[1100];
        snprintf(rule, sizeof(rule), "%.*s", STR_ARG(t->rule_id));
        snprintf(customer, sizeof(customer), "%.*s", STR_ARG(t->customer));
        snprintf(key, sizeof(key), "%.*s", STR_ARG(t->dedup_key));
        put_threat_line(&line, rule, customer, key, t->anchor_id, members, count, t->event_count);
        lines_add(look->lines, &line);
        threat_free(t);
    }
    buf_free(&line);
    free(members);
    return 0;
}

static inline void plant_look_done(struct writer_task *task)
{
    pthread_mutex_lock(&plant_lock);
    ((struct plant_look *)task)->done = true;
    pthread_cond_broadcast(&plant_changed);
    pthread_mutex_unlock(&plant_lock);
}

static inline void plant_ids(struct store *store, struct lines *ids)
{
    struct err err = {0};
    struct store_reader *reader = store_reader_open(store, &err);
    struct threat_query query = {
        .review = -1, .with_shadow = true, .with_suppressed = true, .limit = 1000, .row = true};
    struct threat_page page;
    do {
        struct buf out = BUF_EMPTY, id = BUF_EMPTY;
        page = (struct threat_page){0};
        assert_int_equal(store_query(reader, &query, &page, &out, &err), 0);
        struct json_limits limits = {64 << 20, 32, false};
        struct json *rows = json_parse(buf_str(&out), &limits, &err);
        assert_non_null(rows);
        for (size_t i = 0; i < json_count(rows); i++) {
            struct str text = {0};
            assert_true(json_get_str(json_item(rows, i), "id", &text));
            buf_clear(&id);
            buf_put(&id, text);
            lines_add(ids, &id);
        }
        json_free(rows);
        buf_free(&id);
        buf_free(&out);
        query.before_seq = page.next_before;
    } while (page.next_before);
    store_reader_close(reader);
}

/* All threats, sorted. */
static inline void plant_threats(struct pipeline *pipeline, struct lines *lines)
{
    struct lines ids = {0};
    struct writer *writer = pipeline_writer(pipeline);
    plant_settle(pipeline);
    plant_ids(writer_store(writer), &ids);
    struct plant_look look = {
        .task = {.run = plant_look_run, .done = plant_look_done}, .ids = &ids, .lines = lines};
    assert_true(writer_ask(writer, &look.task));
    pthread_mutex_lock(&plant_lock);
    while (!look.done)
        pthread_cond_wait(&plant_changed, &plant_lock);
    pthread_mutex_unlock(&plant_lock);
    lines_free(&ids);
    lines_sort(lines);
}

/* Threats in the store now. */
static inline size_t plant_count(struct pipeline *pipeline)
{
    struct lines ids = {0};
    plant_ids(writer_store(pipeline_writer(pipeline)), &ids);
    size_t count = ids.items.count;
    lines_free(&ids);
    return count;
}

/* How many lines only one side has; the first few are printed. */
static inline size_t lines_differ(const struct lines *expected, const struct lines *got)
{
    size_t i = 0, k = 0, different = 0;
    while (i < expected->items.count || k < got->items.count) {
        int order = i == expected->items.count ? 1
                    : k == got->items.count    ? -1
                                               : strcmp(expected->items.items[i], got->items.items[k]);
        if (order && different++ < 4)
            printf("%s %.300s\n", order < 0 ? "missing:" : "not due:",
                   order < 0 ? expected->items.items[i] : got->items.items[k]);
        i += order <= 0;
        k += order >= 0;
    }
    return different;
}

#endif
