/* Drills: who writes what and when, and what a report says of an outcome. */
#include <ctype.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "app/demo_report.h"
#include "base/json.h"

#define NOON    (INT64_C(1767355200) * NS_PER_S) /* 2026-01-02T12:00:00Z, a Friday */
#define HOUR_NS (3600 * NS_PER_S)
#define DAY_NS  (24 * HOUR_NS)
#define SEEDS   60

static int64_t hour_of(int64_t time_ns)
{
    return time_ns % DAY_NS / HOUR_NS;
}

static int64_t weekday_of(int64_t time_ns) /* 0: Sunday */
{
    return (time_ns / DAY_NS + 4) % 7;
}

/* Each kind of drill at every hour of ten days. */
static void each_drill(void (*look)(const struct drill *drill, int64_t now_ns))
{
    for (unsigned i = 0; i < 240; i++)
        for (int kind = 0; kind < DRILL_KINDS; kind++) {
            int64_t now = NOON + (int64_t)i * HOUR_NS + 7 * NS_PER_S;
            struct drill *drill = drill_new((enum drill_kind)kind, i * 7919, now, STR(""));
            look(drill, now);
            drill_free(drill);
        }
}

/* ---- times and people ---- */

static void times_can_be(const struct drill *drill, int64_t now_ns)
{
    assert_in_range(drill->places, 5, DRILL_PLACES);
    assert_true(drill->times[drill->places - 1] == now_ns);
    for (unsigned i = 0; i + 1 < drill->places; i++)
        assert_true(drill->times[i] < now_ns - 10 * 60 * NS_PER_S);
    for (size_t i = 0; i < drill->notes.count; i++) {
        const struct drill_note *note = &drill->notes.items[i];
        assert_true(note->place < drill->places);
        assert_true(note->time_ns == 0 ||
                    (note->time_ns > drill->times[note->place] && note->time_ns <= now_ns));
        assert_true(note->time_ns || note->place == drill->places - 1);
        assert_true(note->text[0] && strlen(note->text) < sizeof(note->text) - 1);
    }
}

static void no_note_is_of_the_future_or_older_than_its_attack(void **state)
{
    (void)state;
    each_drill(times_can_be);
}

static unsigned authors_of(const struct drill *drill)
{
    unsigned count = 0;
    for (size_t i = 0; i < drill->notes.count; i++) {
        bool is_new = true;
        for (size_t k = 0; k < i; k++)
            is_new &= strcmp(drill->notes.items[k].author.chars, drill->notes.items[i].author.chars) != 0;
        count += is_new;
    }
    return count;
}

static void honest_at_desks(const struct drill *drill, int64_t now_ns)
{
    (void)now_ns;
    if (drill->kind != DRILL_BASELINE)
        return;
    assert_true(authors_of(drill) >= 4);
    for (size_t i = 0; i < drill->notes.count; i++) {
        const struct drill_note *note = &drill->notes.items[i];
        assert_false(note->past_api);
        if (note->time_ns == 0)
            continue;
        assert_in_range(hour_of(note->time_ns), 9, 18);
        assert_in_range(weekday_of(note->time_ns), 1, 5);
    }
}

static void honest_notes_are_written_by_several_people_at_their_desks(void **state)
{
    (void)state;
    each_drill(honest_at_desks);
}

static void a_burst(const struct drill *drill, int64_t now_ns)
{
    int64_t first = INT64_MAX, last = 0;
    unsigned count = 0, places = 0;
    if (drill->kind != DRILL_CATCH)
        return;
    for (size_t i = 0; i < drill->notes.count; i++) {
        const struct drill_note *note = &drill->notes.items[i];
        if (note->place == drill->places - 1)
            continue;
        count++;
        places |= 1u << note->place;
        assert_string_equal(note->author.chars, drill->notes.items[0].author.chars);
        first = note->time_ns < first ? note->time_ns : first;
        last = note->time_ns > last ? note->time_ns : last;
    }
    assert_in_range(count, 9, 13);
    assert_int_equal(places, (1u << (drill->places - 1)) - 1);
    assert_true(last - first < 10 * 60 * NS_PER_S);
    assert_true(first > now_ns - DAY_NS);
    assert_in_range(hour_of(first), 2, 5); /* the drill may begin at three o'clock sharp */
}

static void the_burst_is_one_account_within_minutes_of_the_last_night(void **state)
{
    (void)state;
    each_drill(a_burst);
}

static void spread_out(const struct drill *drill, int64_t now_ns)
{
    unsigned past = 0;
    (void)now_ns;
    if (drill->kind != DRILL_BYPASS)
        return;
    assert_true(authors_of(drill) >= 2);
    assert_true(drill->times[drill->places - 2] - drill->times[0] > 10 * DAY_NS);
    for (size_t i = 0; i < drill->notes.count; i++)
        past += drill->notes.items[i].past_api;
    assert_int_equal(past > 0, drill->seed % 2 == 0);
    assert_string_equal(drill->expected, past ? "found" : "may_be_missed");
}

static void the_bypass_is_spread_and_its_seed_says_which_way_it_takes(void **state)
{
    (void)state;
    each_drill(spread_out);
}

/* ---- words ---- */

struct words {
    VEC(struct str) words;
    struct buf text;
};

/* Adds the text's words; the text may move, so all are found anew. */
static void split(struct words *w, const char *text)
{
    w->words.count = 0;
    buf_printf(&w->text, "%s next%zu ", text, w->text.len);
    for (size_t i = 0; i < w->text.len; i++) {
        char c = w->text.ptr[i];
        w->text.ptr[i] = (char)(c >= 'A' && c <= 'Z' ? c + 32 : c);
    }
    for (size_t at = 0; at < w->text.len;) {
        size_t end = at;
        while (end < w->text.len && (isalnum((unsigned char)w->text.ptr[end]) || w->text.ptr[end] == '\''))
            end++;
        if (end > at)
            vec_push(&w->words, ((struct str){w->text.ptr + at, end - at}));
        at = end + 1;
    }
}

static void words_free(struct words *w)
{
    vec_free(&w->words);
    buf_free(&w->text);
}

/* The first of three words in a row that both have, or NULL. */
static const struct str *shared_phrase(const struct words *a, const struct words *b)
{
    for (size_t i = 0; i + 3 <= a->words.count; i++)
        for (size_t k = 0; k + 3 <= b->words.count; k++)
            if (str_equal(a->words.items[i], b->words.items[k]) &&
                str_equal(a->words.items[i + 1], b->words.items[k + 1]) &&
                str_equal(a->words.items[i + 2], b->words.items[k + 2]))
                return &a->words.items[i];
    return NULL;
}

/* The notes in the tests of the shipped policy. */
static struct words shipped_samples(void)
{
    struct words samples = {0};
    struct buf file = BUF_EMPTY, texts = BUF_EMPTY;
    char piece[4096];
    size_t got;
    FILE *in = fopen(LUNETTE_SOURCE_DIR "/rules/triage/manipulation.lua", "r");
    assert_non_null(in);
    while ((got = fread(piece, 1, sizeof(piece), in)) > 0)
        buf_put(&file, (struct str){piece, got});
    fclose(in);
    buf_putc(&file, '\0');
    for (const char *at = file.ptr; (at = strstr(at, "text = \"")); at++)
        buf_printf(&texts, "%.*s | ", (int)strcspn(at + 8, "\""), at + 8);
    assert_non_null(strstr(texts.ptr, "nothing to see"));
    split(&samples, texts.ptr);
    buf_free(&file);
    buf_free(&texts);
    return samples;
}

static void not_like(const char *text, const struct words *others)
{
    struct words w = {0};
    split(&w, text);
    const struct str *phrase = shared_phrase(&w, others);
    if (phrase)
        fail_msg("shares \"%.*s %.*s %.*s\": %s", STR_ARG(phrase[0]), STR_ARG(phrase[1]), STR_ARG(phrase[2]),
                 text);
    words_free(&w);
}

static void rewordings_share_no_phrase_with_the_sample_the_burst_or_each_other(void **state)
{
    (void)state;
    struct words samples = shipped_samples();
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        struct drill *bypass = drill_new(DRILL_BYPASS, seed, NOON, STR(""));
        struct drill *burst = drill_new(DRILL_CATCH, seed, NOON, STR(""));
        struct words seen = {0};
        for (size_t i = 0; i < burst->notes.count; i++)
            if (burst->notes.items[i].place < burst->places - 1)
                split(&seen, burst->notes.items[i].text);
        for (size_t i = 0; i < bypass->notes.count; i++) {
            struct words before = {0};
            for (size_t k = 0; k < i; k++)
                split(&before, bypass->notes.items[k].text);
            not_like(bypass->notes.items[i].text, &seen);
            not_like(bypass->notes.items[i].text, &samples);
            not_like(bypass->notes.items[i].text, &before);
            words_free(&before);
        }
        words_free(&seen);
        drill_free(bypass);
        drill_free(burst);
    }
    words_free(&samples);
}

static void texts_and_attacks_differ_by_seed_and_are_the_same_for_one(void **state)
{
    (void)state;
    for (int kind = 0; kind < DRILL_KINDS; kind++) {
        struct drill *one = drill_new((enum drill_kind)kind, 5, NOON, STR(""));
        struct drill *same = drill_new((enum drill_kind)kind, 5, NOON, STR(""));
        struct drill *other = drill_new((enum drill_kind)kind, 6, NOON, STR("globex"));
        assert_true(str_equal(buf_str(&one->events), buf_str(&same->events)));
        assert_int_equal(one->notes.count, same->notes.count);
        for (size_t i = 0; i < one->notes.count; i++)
            assert_string_equal(one->notes.items[i].text, same->notes.items[i].text);
        assert_string_not_equal(one->notes.items[0].text, other->notes.items[0].text);
        assert_string_equal(other->customer, "globex");
        assert_string_equal(one->customer, same->customer);
        drill_free(one);
        drill_free(same);
        drill_free(other);
    }
}

/* The last line: host, user and what happens there; its customer is the drill's own. */
static struct json *last_event(const struct drill *drill)
{
    const char *end = drill->events.ptr + drill->events.len - 1, *start = end;
    while (start > drill->events.ptr && start[-1] != '\n')
        start--;
    struct json *event = json_parse((struct str){start, (size_t)(end - start)}, NULL, NULL);
    assert_non_null(event);
    return event;
}

static void a_seed_makes_the_same_attack_in_each_kind_of_drill(void **state)
{
    static const char *const fields[] = {"@timestamp", "host.name", "user.name", "event.category"};
    (void)state;
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        struct drill *baseline = drill_new(DRILL_BASELINE, seed, NOON, STR(""));
        struct json *wanted = last_event(baseline);
        for (int kind = DRILL_CATCH; kind < DRILL_KINDS; kind++) {
            struct drill *drill = drill_new((enum drill_kind)kind, seed, NOON, STR(""));
            struct json *event = last_event(drill);
            for (size_t i = 0; i < COUNT(fields); i++) {
                struct str a = STR("?"), b = STR("");
                json_get_str(wanted, fields[i], &a);
                json_get_str(event, fields[i], &b);
                assert_true(str_equal(a, b));
            }
            json_free(event);
            drill_free(drill);
        }
        json_free(wanted);
        drill_free(baseline);
    }
}

static void an_unknown_drill_is_answered_with_the_choices(void **state)
{
    enum drill_kind kind;
    struct err err = {0};
    (void)state;
    for (int i = 0; i < DRILL_KINDS; i++) {
        assert_int_equal(drill_named(str_from(drill_names[i]), &kind, &err), 0);
        assert_int_equal(kind, i);
    }
    assert_int_equal(drill_named(STR("note_poisoning"), &kind, &err), -1);
    for (int i = 0; i < DRILL_KINDS; i++)
        assert_non_null(strstr(err.message, drill_names[i]));
}

/* ---- reports ---- */

#define TIMES "\"id\":\"t\",\"last_seen\":\"2026-01-02T12:00:00.000Z\","
#define PLAN(sla, first, more)                                                                               \
    "\"response_plan\":{\"sla_minutes\":" #sla ",\"primary_action\":{\"type\":\"" first                      \
    "\",\"target\":\"h\"},\"secondary_actions\":[" more "]},"
#define ADVICE(word)  "\"false_positive_score\":{\"recommendation\":\"" word "\"},"
#define REVIEW(truth) "\"requires_human_review\":" #truth ","
#define LOOKED(v, w)  "\"manipulation\":{\"findings\":[],\"with_background\":" #w "},\"version\":" #v ","
#define END(v)        "\"event_count\":1,\"triaged\":{\"version\":" #v ",\"event_count\":1},\"analysis\":{}"
#define STANDS                                                                                               \
    TIMES "\"severity\":\"HIGH\"," PLAN(30, "isolate", "") ADVICE("needs_review") REVIEW(true)               \
        LOOKED(3, true) END(3)

static void what_became_milder_is_named(void **state)
{
    static const struct {
        const char *after, *milder; /* the list; "": none */
    } cases[] = {
        {STANDS, ""},
        {TIMES "\"severity\":\"CRITICAL\"," PLAN(15, "page", "{\"type\":\"isolate\",\"target\":\"h\"}")
             ADVICE("likely_real_threat") REVIEW(true) LOOKED(3, true) END(3),
         ""},
        {TIMES "\"severity\":\"MEDIUM\"," PLAN(30, "isolate", "") ADVICE("needs_review") REVIEW(true)
             LOOKED(3, true) END(3),
         "\"severity\""},
        {TIMES "\"severity\":\"HIGH\"," PLAN(60, "monitor", "") ADVICE("likely_false_positive") REVIEW(false)
             LOOKED(3, true) END(3),
         "\"sla_minutes\",\"actions\",\"requires_human_review\",\"recommendation\""},
        {TIMES "\"severity\":\"HIGH\"," ADVICE("needs_review") REVIEW(true) LOOKED(3, true) END(3),
         "\"sla_minutes\",\"actions\""},
    };
    struct drill *drill = drill_new(DRILL_CATCH, 1, NOON, STR(""));
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct buf after = BUF_EMPTY, out = BUF_EMPTY, wanted = BUF_EMPTY;
        bool milder = false;
        buf_printf(&after, "[{%s}]", cases[i].after);
        buf_printf(&wanted, "\"milder\":[%s]", cases[i].milder);
        struct drill_facts facts = {drill, STR("[]"), STR("[{" STANDS "}]"), buf_str(&after), STR("[]")};
        drill_report(&facts, true, &out);
        struct json *report = json_parse(buf_str(&out), NULL, NULL);
        assert_true(json_get_bool(report, "milder", &milder));
        assert_int_equal(milder, cases[i].milder[0] != '\0');
        if (strstr(out.ptr, wanted.ptr) == NULL)
            fail_msg("case %zu: %s", i, out.ptr);
        assert_int_equal(json_count(json_get(report, "threats")), 1);
        json_free(report);
        buf_free(&after);
        buf_free(&out);
        buf_free(&wanted);
    }
    drill_free(drill);
}

static void a_drill_is_settled_once_all_was_looked_at_with_the_notes(void **state)
{
    static const struct {
        const char *after;
        bool settled;
    } cases[] = {
        {"[{" STANDS "}]", true},
        {"[]", false},
        {"", false},
        {"[{" LOOKED(3, false) END(3) "}]", false},
        {"[{" LOOKED(3, true) END(2) "}]", false},
        {"[{" STANDS "},{" LOOKED(4, true) END(3) "}]", false},
        {"[{" LOOKED(3, true) "\"event_count\":2,\"triaged\":{\"version\":3,\"event_count\":1},"
                              "\"analysis\":{}}]",
         false},
        {"[{" LOOKED(3, true) "\"event_count\":1,\"triaged\":{\"version\":3,\"event_count\":1}}]", false},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++)
        assert_int_equal(drill_settled(str_from(cases[i].after)), cases[i].settled);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_note_is_of_the_future_or_older_than_its_attack),
        cmocka_unit_test(honest_notes_are_written_by_several_people_at_their_desks),
        cmocka_unit_test(the_burst_is_one_account_within_minutes_of_the_last_night),
        cmocka_unit_test(the_bypass_is_spread_and_its_seed_says_which_way_it_takes),
        cmocka_unit_test(rewordings_share_no_phrase_with_the_sample_the_burst_or_each_other),
        cmocka_unit_test(texts_and_attacks_differ_by_seed_and_are_the_same_for_one),
        cmocka_unit_test(a_seed_makes_the_same_attack_in_each_kind_of_drill),
        cmocka_unit_test(an_unknown_drill_is_answered_with_the_choices),
        cmocka_unit_test(what_became_milder_is_named),
        cmocka_unit_test(a_drill_is_settled_once_all_was_looked_at_with_the_notes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
