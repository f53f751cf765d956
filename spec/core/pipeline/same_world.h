/* What the property tests of the pipeline feed and what must come of it: seeded cases of the reference model
 * (core/data/group_cases.h), each for a customer of its own, as JSON events in batches by arrival, with the
 * threats that the definition says. */
#ifndef LUNETTE_SPEC_SAME_WORLD_H
#define LUNETTE_SPEC_SAME_WORLD_H

#include "core/data/group_cases.h"
#include "core/pipeline/plant.h"

#define WORLD_EPOCH    (INT64_C(1704164645) * NS_PER_S) /* 2024-01-02T03:04:05Z */
#define WORLD_DISORDER (CASE_LATE / 3) /* within a case; the rest is the batches' in flight */
#define BATCH_SPREAD   (2 * NS_PER_S)

struct happening {
    int64_t time_ns, arrives_ns;
    char json[320];
};

struct sending {
    struct buf text;
    int64_t oldest_ns, newest_ns;
    uint32_t events;
    bool answered;
    struct reply reply;
};

struct world {
    VEC(struct happening) happenings;
    VEC(struct sending) batches;
    struct lines expected;
    int64_t fired, singles; /* members of all threats, and of those of the rule without a group */
    int64_t events;
};

/* LUNETTE_SEED=n runs other cases than everyday ones. */
static inline uint64_t world_seed(uint64_t seed)
{
    const char *other = getenv("LUNETTE_SEED");
    return seed + (other ? strtoull(other, NULL, 10) * 1000 : 0);
}

/* ---- rules ---- */

#define WORLD_FILES 13

/* `edition`: another title, severity and context, the same windows. */
static inline struct ruleset *world_rules(unsigned edition)
{
    static const char *const functions[] = {"count = %u", "distinct = \"process.name\", count = %u"};
    struct text_file files[WORLD_FILES];
    struct buf texts[WORLD_FILES], paths[WORLD_FILES];
    memset(texts, 0, sizeof(texts));
    memset(paths, 0, sizeof(paths));
    for (unsigned i = 0; i < WORLD_FILES; i++) {
        struct buf *out = &texts[i];
        bool grouped = i < 12, distinct = i % 2;
        unsigned count = i / 2 + 1;
        buf_printf(&paths[i], "rules/same/r%u.lua", i);
        buf_printf(out, "local s = sample { [\"event.kind\"] = \"case\", [\"user.name\"] = \"ana\",\n");
        buf_printf(out, "  [\"event.category\"] = \"also\", [\"event.action\"] = \"%s%u\" }\n",
                   distinct ? "distinct" : "count", count);
        buf_printf(out, "return rule { id = \"same.%s%u\", title = \"Edition %u\", severity = \"%s\",\n",
                   !grouped   ? "single"
                   : distinct ? "distinct"
                              : "count",
                   count, edition, edition % 2 ? "high" : "low");
        if (grouped) {
            buf_printf(out, "  match = { [\"event.action\"] = \"%s%u\" },\n", distinct ? "distinct" : "count",
                       count);
            buf_puts(out, "  group = { by = { \"user.name\" }, window = \"10m\", late = \"30s\", ");
            buf_printf(out, functions[distinct], count);
            buf_puts(out, " },\n");
        } else {
            buf_puts(out, "  match = { [\"event.category\"] = \"also\" },\n");
        }
        if (grouped && !distinct && count == 3)
            buf_puts(out, "  detect = function(event) return event[\"event.code\"] ~= \"skip\" end,\n");
        if (edition % 2)
            buf_puts(out, "  title_of = function(event) return \"of \" .. event[\"event.kind\"] end,\n");
        buf_puts(out, "  dedup = { by = { \"event.kind\" }, window = \"1h\" },\n  tests = {\n");
        buf_puts(out, "    { \"fires\", events = { ");
        for (unsigned k = 0; k < count; k++)
            buf_printf(out, "at({ %u }, s:with { [\"process.name\"] = \"p%u\" }), ", k, k);
        buf_puts(out, "}, expect = { threats = 1 } },\n    { \"does not\", events = at({ 0 }, "
                      "s:with { [\"event.action\"] = \"x\", [\"event.category\"] = \"x\" }), "
                      "expect = { threats = 0 } } } }\n");
        files[i] = (struct text_file){paths[i].ptr, texts[i].ptr};
    }
    struct ruleset *set = plant_rules(files, WORLD_FILES);
    for (unsigned i = 0; i < WORLD_FILES; i++) {
        buf_free(&texts[i]);
        buf_free(&paths[i]);
    }
    return set;
}

/* ---- cases ---- */

struct world_case {
    struct group_case c;
    char customer[48], rule[32];
    bool refuses, single;
};

static inline void case_name(struct world_case *wc, uint64_t seed, unsigned n)
{
    struct group_case *c = &wc->c;
    snprintf(wc->customer, sizeof(wc->customer), "c%llu-%u", (unsigned long long)seed, n);
    snprintf(wc->rule, sizeof(wc->rule), "%s%u", c->distinct ? "distinct" : "count", c->threshold);
    wc->refuses = !c->distinct && c->threshold == 3;
    wc->single = n % 3 == 0;
}

/* Identities are the pipeline's, so the order among equal times is, too. An event without a value is unkeyed
 * there; here each has one. */
static inline void case_adapt(struct world_case *wc, unsigned *own, uint64_t *state)
{
    struct group_case *c = &wc->c;
    for (unsigned i = 0; i < c->count; i++) {
        struct case_event *e = &c->events[i];
        char text[64];
        snprintf(text, sizeof(text), "%u", own[i]);
        e->id = hash_id((struct str[]){str_from(wc->customer), STR(""), str_from(text)}, 3);
        e->value = e->value ? e->value : 8;
        e->excepted = case_below(state, 4) == 0;
        e->arrives_ns = own[i]; /* kept over the sort */
    }
    qsort(c->events, c->count, sizeof(c->events[0]), case_compare);
    for (unsigned i = 0; i < c->count; i++) {
        own[i] = (unsigned)c->events[i].arrives_ns;
        c->events[i].arrives_ns = c->events[i].time_ns + (int64_t)case_below(state, WORLD_DISORDER);
    }
    for (unsigned i = 0; i < c->count; i++) {
        case_judge(c, i);
        if (wc->refuses && c->events[i].excepted)
            c->events[i].fires = false;
    }
}

static inline void expect_threats(struct world *w, struct world_case *wc, const char *rule, uint64_t base)
{
    struct case_threat threats[CASE_EVENTS];
    struct buf line = BUF_EMPTY;
    size_t count = case_threats(&wc->c, threats);
    for (size_t i = 0; i < count; i++) {
        struct id128 members[CASE_EVENTS];
        char id[64];
        for (size_t k = 0; k < threats[i].count; k++)
            members[k] = wc->c.events[threats[i].members[k]].id;
        snprintf(id, sizeof(id), "same.%s", rule);
        put_threat_line(&line, id, wc->customer, "case", wc->c.events[threats[i].anchor].id, members,
                        threats[i].count, base - 1 + threats[i].count);
        lines_add(&w->expected, &line);
        w->fired += (int64_t)threats[i].count;
    }
    buf_free(&line);
}

static inline void case_happens(struct world *w, const struct world_case *wc, const unsigned *own)
{
    for (unsigned i = 0; i < wc->c.count; i++) {
        const struct case_event *e = &wc->c.events[i];
        struct happening h = {.time_ns = e->time_ns, .arrives_ns = e->arrives_ns};
        snprintf(h.json, sizeof(h.json),
                 "{\"@timestamp\":%lld,\"event\":{\"id\":\"%u\",\"kind\":\"case\",\"action\":\"%s\","
                 "\"category\":\"%s\",\"code\":\"%s\"},\"organization.id\":\"%s\",\"user.name\":\"k%u\","
                 "\"process.name\":\"v%u\"}\n",
                 (long long)(WORLD_EPOCH + e->time_ns), own[i], wc->rule, wc->single ? "also" : "not",
                 e->excepted ? "skip" : "go", wc->customer, e->key, e->value);
        vec_push(&w->happenings, h);
    }
}

static inline void world_case(struct world *w, uint64_t seed, unsigned n, uint64_t *state)
{
    struct world_case wc;
    unsigned own[CASE_EVENTS];
    case_make(&wc.c, state);
    case_name(&wc, seed, n);
    case_shuffle(state, own, (unsigned)wc.c.count);
    case_adapt(&wc, own, state);
    case_happens(w, &wc, own);
    expect_threats(w, &wc, wc.rule, wc.c.threshold);
    for (unsigned i = 0; i < wc.c.count; i++)
        wc.c.events[i].fires = true;
    int64_t grouped = w->fired;
    if (wc.single)
        expect_threats(w, &wc, "single7", 1);
    w->singles += w->fired - grouped;
}

/* ---- batches ---- */

static inline int arrival_order(const void *a, const void *b)
{
    const struct happening *x = a, *y = b;
    if (x->arrives_ns != y->arrives_ns)
        return x->arrives_ns < y->arrives_ns ? -1 : 1;
    return strcmp(x->json, y->json);
}

static inline void world_batches(struct world *w, uint64_t *state)
{
    size_t i = 0;
    while (i < w->happenings.count) {
        const struct happening *first = &w->happenings.items[i];
        struct sending batch = {.oldest_ns = INT64_MAX, .newest_ns = INT64_MIN};
        uint32_t size = 1 + (uint32_t)case_below(state, 12);
        for (; i < w->happenings.count && batch.events < size; i++) {
            const struct happening *h = &w->happenings.items[i];
            if (h->arrives_ns > first->arrives_ns + BATCH_SPREAD)
                break;
            buf_puts(&batch.text, h->json);
            batch.events++;
            if (h->time_ns < batch.oldest_ns)
                batch.oldest_ns = h->time_ns;
            if (h->time_ns > batch.newest_ns)
                batch.newest_ns = h->time_ns;
        }
        w->events += batch.events;
        vec_push(&w->batches, batch);
    }
}

static inline void world_make(struct world *w, uint64_t seed, unsigned cases)
{
    uint64_t state = seed * 7919 + 1;
    *w = (struct world){0};
    for (unsigned n = 0; n < cases; n++)
        world_case(w, seed, n, &state);
    qsort(w->happenings.items, w->happenings.count, sizeof(struct happening), arrival_order);
    world_batches(w, &state);
    lines_sort(&w->expected);
}

static inline void world_free(struct world *w)
{
    for (size_t i = 0; i < w->batches.count; i++)
        buf_free(&w->batches.items[i].text);
    vec_free(&w->batches);
    vec_free(&w->happenings);
    lines_free(&w->expected);
}

/* ---- the driver ---- */

/* A batch is held back until every batch that is older by more than `late` is answered. Call locked. */
static inline bool must_wait(const struct world *w, size_t first, size_t at)
{
    for (size_t i = first; i < at; i++) {
        const struct sending *older = &w->batches.items[i];
        if (!older->answered && !older->reply.done &&
            w->batches.items[at].newest_ns - older->oldest_ns > CASE_LATE)
            return true;
    }
    return false;
}

/* Marks what is answered; refusals after acceptance stay unanswered. Returns the first that is not. */
static inline size_t note_answers(struct world *w, size_t first, size_t at)
{
    pthread_mutex_lock(&plant_lock);
    while (must_wait(w, first, at))
        pthread_cond_wait(&plant_changed, &plant_lock);
    for (size_t i = first; i < at; i++)
        w->batches.items[i].answered |= w->batches.items[i].reply.done;
    pthread_mutex_unlock(&plant_lock);
    while (first < at && w->batches.items[first].answered)
        first++;
    return first;
}

static inline void drive_all_answers(struct world *w)
{
    for (size_t i = 0; i < w->batches.count; i++) {
        if (w->batches.items[i].answered)
            continue;
        plant_await(&w->batches.items[i].reply);
        assert_int_equal(w->batches.items[i].reply.code, ERR_NONE);
        w->batches.items[i].answered = true;
    }
}

/* Sends every batch that is not answered yet, to workers by chance; `between` (may be NULL) is called before
 * each. */
static inline void drive(struct world *w, struct pipeline *pipeline, uint64_t *state,
                         void (*between)(struct pipeline *pipeline, size_t batch, void *arg), void *arg)
{
    size_t first = 0;
    for (size_t i = 0; i < w->batches.count; i++) {
        struct sending *batch = &w->batches.items[i];
        if (batch->answered)
            continue;
        first = note_answers(w, first, i);
        if (between)
            between(pipeline, i, arg);
        enum err_code code = plant_send(pipeline, (unsigned)case_below(state, 64), batch->text.ptr,
                                        &batch->reply);
        assert_int_equal(code, ERR_NONE);
    }
    drive_all_answers(w);
}

#endif
