#include "app/demo_run.h"

#include <stdio.h>
#include <stdlib.h>

#include "app/demo_report.h"
#include "base/log.h"

#define WAIT_NS     (5 * NS_PER_S)
#define LOOK_NS     (50 * NS_PER_MS) /* between two looks at whether all is settled */
#define THREATS_MAX 64

struct drill_run {
    struct query query;      /* first */
    struct writer_task task; /* second leg */
    struct mail back;
    struct http_request *request; /* NULL: the client left */
    struct api *api;
    struct timer *timer;
    int64_t deadline; /* clock_monotonic() */
    struct drill *drill;
    char ids[THREATS_MAX][UUID_TEXT];
    unsigned places[THREATS_MAX];
    size_t threats;
    bool is_away; /* another thread has it */
    struct buf events, before, after, notes;
    struct err err;
};

static void run_free(struct drill_run *run)
{
    timer_free(run->timer);
    drill_free(run->drill);
    buf_free(&run->events);
    buf_free(&run->before);
    buf_free(&run->after);
    buf_free(&run->notes);
    free(run);
}

static void client_left(struct http_request *request, void *arg)
{
    struct drill_run *run = arg;
    (void)request;
    run->request = NULL;
    if (!run->is_away)
        run_free(run);
}

static void fail(struct drill_run *run, const struct err *err)
{
    http_problem_err(run->request, err);
    run_free(run);
}

static void answer(struct drill_run *run, bool settled)
{
    struct buf out = BUF_EMPTY;
    struct drill_facts facts = {.drill = run->drill,
                                .events = buf_str(&run->events),
                                .before = run->before.len ? buf_str(&run->before) : STR("[]"),
                                .after = run->after.len ? buf_str(&run->after) : STR("[]"),
                                .notes = run->notes.len ? buf_str(&run->notes) : STR("[]")};
    drill_report(&facts, settled, &out);
    http_respond_json(run->request, settled ? 200 : 202, buf_str(&out));
    buf_free(&out);
    run_free(run);
}

/* ---- third leg: has it been looked at? ---- */

static void append(struct buf *array, struct buf *items)
{
    buf_puts(array, array->len ? "," : "");
    buf_put(array, buf_str(items));
    buf_clear(items);
}

/* Threats that a reset took meanwhile are left out. */
static int read_threat(struct drill_run *run, struct store_reader *reader, size_t i, struct err *err)
{
    struct buf item = BUF_EMPTY;
    struct str id = str_from(run->ids[i]);
    struct err missing = {0};
    uint32_t version;
    int result = store_get_threat(reader, id, STR(""), &version, &item, &missing);
    if (result == 0) {
        append(&run->after, &item);
        result = store_notes(reader, id, STR(""), 200, &item, &missing);
    }
    if (result == 0 && item.len > 2) { /* without its brackets */
        struct buf bare = BUF_EMPTY;
        buf_put(&bare, (struct str){item.ptr + 1, item.len - 2});
        append(&run->notes, &bare);
        buf_free(&bare);
    }
    buf_free(&item);
    if (result == 0 || missing.code == ERR_NOT_FOUND)
        return 0;
    *err = missing;
    return -1;
}

static void bracket(struct buf *items)
{
    struct buf array = BUF_EMPTY;
    buf_printf(&array, "[%.*s]", STR_ARG(buf_str(items)));
    buf_free(items);
    *items = array;
}

static void look_run(struct query *query, struct store_reader *reader)
{
    struct drill_run *run = (struct drill_run *)query; /* query is its first member */
    buf_clear(&run->after);
    buf_clear(&run->notes);
    for (size_t i = 0; i < run->threats && run->err.code == ERR_NONE; i++)
        read_threat(run, reader, i, &run->err);
    bracket(&run->after);
    bracket(&run->notes);
}

static void look_done(struct query *query)
{
    struct drill_run *run = (struct drill_run *)query;
    run->is_away = false;
    if (run->request == NULL)
        run_free(run);
    else if (run->err.code != ERR_NONE)
        fail(run, &run->err);
    else if (drill_settled(buf_str(&run->after)))
        answer(run, true);
    else if (clock_monotonic() >= run->deadline || atomic_load(&run->api->app->draining))
        answer(run, false);
    else
        timer_start(run->timer, LOOK_NS, false);
}

static void look(void *arg)
{
    struct drill_run *run = arg;
    run->query.run = look_run;
    run->query.done = look_done;
    run->query.reply_to = worker_mailbox(run->api->worker);
    run->is_away = true;
    if (readers_ask(pipeline_readers(worker_pipeline(run->api->worker)), &run->query))
        return;
    run->is_away = false;
    if (clock_monotonic() < run->deadline)
        timer_start(run->timer, LOOK_NS, false);
    else
        fail(run, &(struct err){.code = ERR_BUSY, .message = "too many queries wait already"});
}

/* ---- second leg: notes, on the writer ---- */

/* As the notes' route does. */
static void sign_note(struct drill_run *run, const char *id, const struct drill_note *note, char out[65])
{
    struct buf text = BUF_EMPTY;
    buf_put_lstr(&text, str_from(id));
    buf_put_lstr(&text, str_from(note->author.chars));
    buf_put_lstr(&text, str_from(note->text));
    auth_sign(run->api->app->auth, buf_str(&text), out);
    buf_free(&text);
}

static int audit_note(struct store *store, const char *id, const struct drill_note *note, int64_t note_id,
                      struct err *err)
{
    struct buf detail = BUF_EMPTY;
    buf_putc(&detail, '{');
    buf_json_kint(&detail, "note_id", note_id);
    buf_json_kstr(&detail, "text", str_from(note->text));
    buf_json_kbool(&detail, "demo", true);
    buf_putc(&detail, '}');
    int rc = store_audit(store, note->time_ns, str_from(note->author.chars), STR("threat.note"), str_from(id),
                         buf_str(&detail), err);
    buf_free(&detail);
    return rc;
}

/* Who wrote past the API has no key to sign with and leaves no record. */
static int store_note(struct drill_run *run, struct writer *writer, const char *id,
                      const struct drill_note *planned, struct err *err)
{
    struct err missing = {0};
    struct drill_note note = *planned;
    char signature[65] = "";
    int64_t note_id;
    struct threat *threat = book_find(writer_book(writer), str_from(id), &missing);
    if (threat == NULL && missing.code == ERR_NOT_FOUND) /* a reset was faster */
        return 0;
    if (threat == NULL) {
        *err = missing;
        return -1;
    }
    if (note.time_ns == 0)
        note.time_ns = clock_now(writer_clock(writer));
    if (!note.past_api)
        sign_note(run, id, &note, signature);
    if (store_add_note(writer_store(writer), id, note.time_ns, str_from(note.author.chars),
                       str_from(note.text), str_from(signature), &note_id, err) != 0 ||
        (!note.past_api && audit_note(writer_store(writer), id, &note, note_id, err) != 0))
        return -1;
    threat->version++;
    book_touch(writer_book(writer), threat);
    return 0;
}

/* How the threats stand, and which attack each comes from. */
static int look_before(struct drill_run *run, struct writer *writer, struct err *err)
{
    struct buf item = BUF_EMPTY;
    size_t kept = 0;
    buf_clear(&run->before);
    for (size_t i = 0; i < run->threats; i++) {
        struct err missing = {0};
        struct threat *threat = book_find(writer_book(writer), str_from(run->ids[i]), &missing);
        if (threat == NULL && missing.code != ERR_NOT_FOUND) {
            *err = missing;
            buf_free(&item);
            return -1;
        }
        if (threat == NULL)
            continue;
        threat_json(threat, false, &item);
        append(&run->before, &item);
        run->places[kept] = drill_place(run->drill, threat->last_seen_ns);
        memmove(run->ids[kept++], run->ids[i], UUID_TEXT);
    }
    run->threats = kept;
    bracket(&run->before);
    buf_free(&item);
    return 0;
}

/* A threat of this attack, in turns where there are several; NULL: there is none. */
static const char *threat_of(const struct drill_run *run, unsigned place, size_t turn)
{
    const char *found[THREATS_MAX];
    size_t count = 0;
    for (size_t i = 0; i < run->threats; i++)
        if (run->places[i] == place)
            found[count++] = run->ids[i];
    return count ? found[turn % count] : NULL;
}

static int notes_run(struct writer_task *task, struct writer *writer, struct err *err)
{
    struct drill_run *run = (struct drill_run *)((char *)task - offsetof(struct drill_run, task));
    if (look_before(run, writer, err) != 0)
        return -1;
    for (size_t i = 0; i < run->drill->notes.count; i++) {
        const struct drill_note *note = &run->drill->notes.items[i];
        const char *id = threat_of(run, note->place, i);
        if (id && store_note(run, writer, id, note, err) != 0)
            return -1;
    }
    return 0;
}

static void notes_stored(struct mail *mail, void *receiver)
{
    struct drill_run *run = (struct drill_run *)((char *)mail - offsetof(struct drill_run, back));
    (void)receiver;
    run->is_away = false;
    if (run->request == NULL)
        run_free(run);
    else if (run->task.err.code != ERR_NONE)
        fail(run, &run->task.err);
    else
        look(run);
}

static void notes_done(struct writer_task *task)
{
    struct drill_run *run = (struct drill_run *)((char *)task - offsetof(struct drill_run, task));
    run->back.deliver = notes_stored;
    mailbox_post_reserved(worker_mailbox(run->api->worker), &run->back);
}

static void write_notes(struct drill_run *run)
{
    struct mailbox *box = worker_mailbox(run->api->worker);
    run->task.run = notes_run;
    run->task.done = notes_done;
    run->is_away = true;
    if (mailbox_reserve(box, 1)) {
        if (writer_ask(pipeline_writer(worker_pipeline(run->api->worker)), &run->task))
            return;
        mailbox_unreserve(box, 1);
    }
    run->is_away = false;
    fail(run, &(struct err){.code = ERR_BUSY, .message = "the store cannot take more now"});
}

/* ---- first leg: events ---- */

static void judged(const struct submission_result *result, void *arg)
{
    struct drill_run *run = arg;
    run->is_away = false;
    if (run->request == NULL) {
        run_free(run);
        return;
    }
    if (result->err) {
        fail(run, result->err);
        return;
    }
    for (size_t i = 0; i < result->raised_count && run->threats < THREATS_MAX; i++)
        memcpy(run->ids[run->threats++], result->raised[i].threat_id, UUID_TEXT);
    write_notes(run);
}

void drill_run(struct http_request *request, struct api *api, struct drill *drill, struct buf *events)
{
    struct drill_run *run = mem_zalloc(1, sizeof(*run));
    struct err err = {0};
    *run = (struct drill_run){.request = request,
                              .api = api,
                              .drill = drill,
                              .events = *events,
                              .deadline = clock_monotonic() + WAIT_NS,
                              .is_away = true};
    struct submission s = {.source = STR("demo"),
                           .customer = str_from(api_principal(request)->customer),
                           .format = JOURNAL_NDJSON,
                           .trace_id = http_request_id(request),
                           .body = drill->events,
                           .done = judged,
                           .arg = run};
    *events = drill->events = BUF_EMPTY;
    id_random(s.id_base.bytes, sizeof(s.id_base.bytes));
    run->timer = timer_new(worker_loop(api->worker), look, run);
    http_keep(request, client_left, run);
    if (worker_submit(api->worker, &s, &err) == 0)
        return;
    buf_free(&s.body);
    fail(run, &err);
}
