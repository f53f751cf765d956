#include "pipeline/worker_errand.h"

#include <stdlib.h>

#include "base/log.h"
#include "pipeline/analyse.h"
#include "pipeline/view.h"
#include "pipeline/worker_impl.h"

bool worker_post(struct worker *w, struct mail *mail)
{
    return mailbox_post(w->box, mail);
}

#define NOTES_MOST      200
#define NOTES_SINCE_NS  (30 * INT64_C(86400) * NS_PER_S)
#define NOTES_BYTES     (96 << 10) /* with the rest it must fit into a call */
#define NOTE_TEXT_LEAST 8
#define EGRESS_EACH     4 /* of one entity, the newest */
#define EGRESS_SINCE_NS (INT64_C(86400) * NS_PER_S)
#define EGRESS_BYTES    (32 << 10)
#define ENTITY_MAX      1024 /* bytes: none of a longer name is kept */

/* ---- a second look ---- */

struct look {
    struct query query;
    struct worker *worker;
    struct errand *errand;
    struct buf background;
};

/* What is written of each gives way before their number: pages of text do not push a burst of notes out. Of 8
 * bytes each, every one spelled out, and with the longest of names, all 200 are 55,000. */
static int read_notes(struct look *look, struct store_reader *reader, struct err *err)
{
    struct note_query query = {.customer = look->errand->threat->customer,
                               .since_ns = clock_now(look->worker->clock) - NOTES_SINCE_NS,
                               .limit = NOTES_MOST,
                               .text_max = STORE_NOTE_MAX};
    size_t len = look->background.len;
    while (store_notes_recent(reader, &query, &look->background, err) == 0) {
        if (look->background.len - len <= NOTES_BYTES)
            return 0;
        look->background.len = len;
        if (query.text_max > NOTE_TEXT_LEAST)
            query.text_max /= 2;
        else
            query.limit /= 2; /* names that no API gives */
        if (query.limit == 0)
            return err_set(err, ERR_LIMIT, "one note is larger than %d bytes", NOTES_BYTES);
    }
    return -1;
}

/* As many of the newest as fit: one tells as much as all, so large ones hide only their like. */
static int read_egress_of(struct store_reader *reader, struct observation_query *query, struct buf *out,
                          struct err *err)
{
    struct buf list = BUF_EMPTY;
    bool fits;
    int rc;
    query->limit = EGRESS_EACH;
    do {
        buf_clear(&list);
        rc = store_observations(reader, query, &list, err);
        fits = out->len + list.len <= EGRESS_BYTES;
        query->limit /= 2;
    } while (rc == 0 && !fits && query->limit);
    if (rc == 0 && fits && list.len > 2) {
        if (out->len)
            buf_putc(out, ',');
        buf_put(out, (struct str){list.ptr + 1, list.len - 2}); /* without its brackets */
    }
    buf_free(&list);
    return rc;
}

/* Of the threat's own entities: however much others send, it takes nobody's room. */
static int read_egress(struct look *look, struct store_reader *reader, struct err *err)
{
    const struct threat *threat = look->errand->threat;
    struct observation_query query = {.kind = STR("egress"),
                                      .customer = threat->customer,
                                      .since_ns = clock_now(look->worker->clock) - EGRESS_SINCE_NS};
    struct buf list = BUF_EMPTY;
    int rc = 0;
    for (size_t i = 0; i < threat->entities.count && rc == 0; i++) {
        query.entity = threat->entities.items[i];
        if (query.entity.len && query.entity.len <= ENTITY_MAX)
            rc = read_egress_of(reader, &query, &list, err);
    }
    buf_putc(&look->background, '[');
    buf_put(&look->background, buf_str(&list));
    buf_putc(&look->background, ']');
    buf_free(&list);
    return rc;
}

static int read_background(struct look *look, struct store_reader *reader, struct err *err)
{
    buf_puts(&look->background, "\"notes\":");
    if (read_notes(look, reader, err) != 0)
        return -1;
    buf_puts(&look->background, ",\"egress\":");
    return read_egress(look, reader, err);
}

static void look_run(struct query *query, struct store_reader *reader)
{
    struct look *look = (struct look *)query; /* query is its first member */
    struct err err = {0};
    if (read_background(look, reader, &err) == 0)
        return;
    LOG_ERR(LOG_WARN, "triage.background", &err);
    buf_clear(&look->background);
}

static void look_done(struct query *query)
{
    struct look *look = (struct look *)query;
    struct errand *errand = look->errand;
    struct worker *w = look->worker;
    if (w->ending) {
        errand_drop(errand);
    } else {
        triage_run(w->current->triage, errand->threat, buf_str(&look->background), errand->arena,
                   &errand->triage);
        errand_return(errand);
    }
    buf_free(&look->background);
    free(look);
}

/* Growth alone is looked at at once; what a person or an analysis changed, with the background. */
static void look_again(struct worker *w, struct errand *errand)
{
    struct look *look = mem_zalloc(1, sizeof(*look));
    *look = (struct look){
        .query = {.run = look_run, .done = look_done, .reply_to = w->box}, .worker = w, .errand = errand};
    if (errand->threat->version == 1 || !readers_ask(w->readers, &look->query))
        look_done(&look->query);
}

/* ---- errands ---- */

static void dry_run(struct worker *w, struct errand *errand)
{
    struct action_call call = {.id = errand->action_type,
                               .action = errand->action,
                               .threat = view_print(errand->threat, errand->arena),
                               .arena = errand->arena};
    if (actions_dry_run(triage_policies(w->current->triage), &call, &errand->outcome, errand->reason) != 0)
        errand->outcome = STR("");
    errand_return(errand);
}

void worker_deliver_errand(struct mail *mail, void *receiver)
{
    struct errand *errand = (struct errand *)mail; /* mail is its first member */
    struct worker *w = receiver;
    owner_check(&w->owner, "worker");
    if (w->ending) {
        errand_drop(errand);
        return;
    }
    switch (errand->kind) {
    case ERRAND_TRIAGE:
        look_again(w, errand);
        break;
    case ERRAND_ANALYSIS:
        analyst_take(w->analyst, w->current->set, errand);
        break;
    case ERRAND_DRY_RUN:
        dry_run(w, errand);
    }
}

/* ---- news ---- */

struct verdict_news {
    struct mail mail;
    struct arena *arena;
    VEC(struct verdict_step) steps;
};

struct verdict_news *verdict_news_new(void)
{
    struct verdict_news *news = mem_zalloc(1, sizeof(*news));
    news->arena = arena_new(0);
    return news;
}

void verdict_news_free(struct verdict_news *news)
{
    if (news == NULL)
        return;
    vec_free(&news->steps);
    arena_free(news->arena);
    free(news);
}

void verdict_news_add(struct verdict_news *news, const struct verdict_step *steps, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct verdict_step step = steps[i];
        step.customer = arena_dup(news->arena, step.customer);
        step.rule_id = arena_dup(news->arena, step.rule_id);
        step.entity = arena_dup(news->arena, step.entity);
        vec_push(&news->steps, step);
    }
}

static void deliver_news(struct mail *mail, void *receiver)
{
    struct verdict_news *news = (struct verdict_news *)mail;
    struct worker *w = receiver;
    owner_check(&w->owner, "worker");
    for (size_t i = 0; i < news->steps.count; i++)
        verdicts_add(w->verdicts, &news->steps.items[i]);
    verdict_news_free(news);
}

struct mail *verdict_news_mail(const struct verdict_news *news)
{
    struct verdict_news *copy = verdict_news_new();
    verdict_news_add(copy, news->steps.items, news->steps.count);
    copy->mail.deliver = deliver_news;
    return &copy->mail;
}

void worker_drop_news(struct mail *mail)
{
    if (mail->deliver == deliver_news)
        verdict_news_free((struct verdict_news *)mail);
    else
        errand_drop((struct errand *)mail);
}
