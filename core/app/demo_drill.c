#include "app/demo_drill.h"

#include <stdio.h>
#include <stdlib.h>

#include "app/demo.h"

#define MINUTE_NS (60 * NS_PER_S)
#define HOUR_NS   (60 * MINUTE_NS)
#define DAY_NS    (24 * HOUR_NS)
#define AUTHORS   5

const char *const drill_names[DRILL_KINDS] = {"note_poisoning_baseline", "note_poisoning_catch",
                                              "note_poisoning_bypass"};

int drill_named(struct str name, enum drill_kind *kind, struct err *err)
{
    for (unsigned i = 0; i < DRILL_KINDS; i++)
        if (str_is(name, drill_names[i])) {
            *kind = (enum drill_kind)i;
            return 0;
        }
    return err_set(err, ERR_NOT_FOUND, "expected one of %s, %s, %s", drill_names[0], drill_names[1],
                   drill_names[2]);
}

/* ---- times, UTC ---- */

static int64_t start_of_day(int64_t time_ns)
{
    return time_ns - time_ns % DAY_NS;
}

/* The first day was a Thursday. */
static bool is_weekend(int64_t time_ns)
{
    int64_t weekday = (time_ns / DAY_NS + 4) % 7;
    return weekday == 0 || weekday == 6;
}

/* A moment at a desk, about so many days ago. */
static int64_t at_work(struct maker *m, int64_t now_ns, unsigned days)
{
    int64_t day = start_of_day(now_ns) - days * DAY_NS;
    while (is_weekend(day))
        day -= DAY_NS;
    return day + 9 * HOUR_NS + (int64_t)maker_below(m, 6 * 60) * MINUTE_NS;
}

/* The end of ten minutes of the last night, at most a day ago: now, where it is night. */
static int64_t at_night(struct maker *m, int64_t now_ns)
{
    int64_t day = start_of_day(now_ns), hour = (now_ns - day) / HOUR_NS;
    if (hour >= 3 && hour < 5)
        return now_ns;
    if (hour < 3)
        day -= DAY_NS;
    return day + 3 * HOUR_NS + (30 + (int64_t)maker_below(m, 90)) * MINUTE_NS;
}

/* ---- history ---- */

/* Honest: days apart, the note within the next hours. */
static void days_of_work(struct drill *drill, struct maker *m, int64_t now_ns)
{
    unsigned days = 14;
    while (drill->places < 5) {
        drill->times[drill->places++] = at_work(m, now_ns, days);
        days -= 2 + maker_below(m, 2);
    }
}

static void one_night(struct drill *drill, struct maker *m, int64_t now_ns)
{
    int64_t end = at_night(m, now_ns);
    for (int minutes = 18; minutes > 10; minutes -= 2)
        drill->times[drill->places++] = end - minutes * MINUTE_NS;
}

static void two_weeks(struct drill *drill, struct maker *m, int64_t now_ns)
{
    for (unsigned days = 14; days >= 2; days -= 2)
        drill->times[drill->places++] = now_ns - days * DAY_NS + (int64_t)maker_below(m, 40 * 60) * MINUTE_NS;
}

/* ---- notes ---- */

struct scribe {
    struct drill *drill;
    struct maker *maker;
    struct note_texts texts;
    struct text authors[AUTHORS];
    int64_t now_ns;
};

static struct scribe scribe_of(struct drill *drill, struct maker *m, enum note_style style, int64_t now_ns)
{
    struct scribe s = {
        .drill = drill, .maker = m, .texts = note_texts_of(style, drill->seed), .now_ns = now_ns};
    unsigned first = maker_below(m, FIRST_NAMES), last = maker_below(m, LAST_NAMES);
    for (unsigned i = 0; i < AUTHORS; i++) /* nobody twice */
        snprintf(s.authors[i].chars, sizeof(s.authors[i].chars), "%s.%s",
                 demo_first_names[(first + i) % FIRST_NAMES], demo_last_names[(last + 5 * i) % LAST_NAMES]);
    return s;
}

/* after_ns 0: when it is stored. */
static void write_note(struct scribe *s, unsigned place, unsigned author, int64_t after_ns)
{
    struct drill_note note = {.place = place, .author = s->authors[author]};
    struct buf text = BUF_EMPTY;
    note_text_next(&s->texts, &text);
    snprintf(note.text, sizeof(note.text), "%s", text.ptr);
    buf_free(&text);
    if (after_ns)
        note.time_ns = s->drill->times[place] + after_ns;
    if (note.time_ns > s->now_ns)
        note.time_ns = s->now_ns;
    vec_push(&s->drill->notes, note);
}

static void honest_notes(struct drill *drill, struct maker *m, int64_t now_ns)
{
    struct scribe s = scribe_of(drill, m, NOTES_HONEST, now_ns);
    for (unsigned place = 0; place + 1 < drill->places; place++) {
        write_note(&s, place, place % 4, (20 + (int64_t)maker_below(m, 50)) * MINUTE_NS);
        if (maker_below(m, 2))
            write_note(&s, place, (place + 1) % 4, (90 + (int64_t)maker_below(m, 40)) * MINUTE_NS);
    }
    write_note(&s, drill->places - 1, 4, 0);
}

/* All in the ten minutes before the night's end, by one account; of the attack somebody honest wrote. */
static void repeated_notes(struct drill *drill, struct maker *m, int64_t now_ns)
{
    struct scribe s = scribe_of(drill, m, NOTES_REPEATED, now_ns);
    unsigned count = 9 + maker_below(m, 5), history = drill->places - 1;
    int64_t from = drill->times[history - 1] + 2 * MINUTE_NS, step = 8 * MINUTE_NS / count;
    for (unsigned i = 0; i < count; i++) {
        unsigned place = i * history / count;
        write_note(&s, place, 0, from + i * step - drill->times[place]);
    }
    struct scribe honest = scribe_of(drill, m, NOTES_HONEST, now_ns);
    write_note(&honest, history, 1, 0);
}

static void reworded_notes(struct drill *drill, struct maker *m, int64_t now_ns)
{
    struct scribe s = scribe_of(drill, m, NOTES_REWORDED, now_ns);
    bool is_past_api = drill->seed % 2 == 0;
    for (unsigned place = 0; place + 1 < drill->places; place++)
        write_note(&s, place, maker_below(m, 4), (5 + (int64_t)maker_below(m, 150)) * MINUTE_NS);
    write_note(&s, drill->places - 1, maker_below(m, 4), 0);
    for (size_t i = 0; is_past_api && i < drill->notes.count; i++)
        drill->notes.items[i].past_api = i % 2 || i + 1 == drill->notes.count;
}

/* ---- all of it ---- */

static const struct {
    void (*history)(struct drill *drill, struct maker *m, int64_t now_ns);
    void (*notes)(struct drill *drill, struct maker *m, int64_t now_ns);
} kinds[DRILL_KINDS] = {[DRILL_BASELINE] = {days_of_work, honest_notes},
                        [DRILL_CATCH] = {one_night, repeated_notes},
                        [DRILL_BYPASS] = {two_weeks, reworded_notes}};

static const char *expectation(enum drill_kind kind, uint64_t seed)
{
    if (kind == DRILL_BASELINE)
        return "nothing";
    return kind == DRILL_CATCH || seed % 2 == 0 ? "found" : "may_be_missed";
}

/* The attack is the same in each kind of drill of a seed. */
static void make_events(struct drill *drill)
{
    for (unsigned place = 0; place < drill->places; place++) {
        unsigned ago = drill->places - 1 - place;
        struct demo_compromise attack = {.customer = drill->customer,
                                         .kind = (unsigned)(drill->seed % 1000),
                                         .seed = drill->seed + ago * UINT64_C(0x9e3779b97f4a7c15),
                                         .time_ns = drill->times[place]};
        demo_compromise(&attack, &drill->events);
    }
}

struct drill *drill_new(enum drill_kind kind, uint64_t seed, int64_t now_ns, struct str customer)
{
    struct drill *drill = mem_zalloc(1, sizeof(*drill));
    struct maker m = maker_of(drill_names[kind], seed, now_ns, NULL);
    drill->kind = kind;
    drill->seed = seed;
    drill->expected = expectation(kind, seed);
    if (customer.len)
        snprintf(drill->customer, sizeof(drill->customer), "%.*s", STR_ARG(customer));
    else
        snprintf(drill->customer, sizeof(drill->customer), "%s drill %08x", m.customer,
                 (unsigned)(seed ^ (uint64_t)now_ns / NS_PER_MS));
    kinds[kind].history(drill, &m, now_ns);
    drill->times[drill->places++] = now_ns;
    kinds[kind].notes(drill, &m, now_ns);
    make_events(drill);
    return drill;
}

void drill_free(struct drill *drill)
{
    if (drill == NULL)
        return;
    buf_free(&drill->events);
    vec_free(&drill->notes);
    free(drill);
}

unsigned drill_place(const struct drill *drill, int64_t last_seen_ns)
{
    unsigned nearest = 0;
    for (unsigned i = 1; i < drill->places; i++)
        if (llabs(drill->times[i] - last_seen_ns) < llabs(drill->times[nearest] - last_seen_ns))
            nearest = i;
    return nearest;
}
