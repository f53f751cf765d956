/* From bytes to threats on one thread: what is taken in, what a pair becomes, who an event is. The ledger
 * adds up after every batch. */
#include "base/json_tape.h"
#include "base/text.h"
#include "core/pipeline/plant.h"
#include "pipeline/engine.h"

#define NOON INT64_C(1767355200) /* 2026-01-02T12:00:00Z, seconds */

struct stage {
    struct ruleset *set;
    struct clock_virtual clock;
    struct engine *engine;
    const char *source, *customer;
    struct id128 base; /* another for every batch, unless `repeat` */
    bool repeat;
};

/* ---- rules ---- */

#define TESTS_OF(fires, quiet)                                                                               \
    "tests = { { \"fires\", events = " fires ", expect = { threats = 1 } },\n"                               \
    "  { \"does not\", events = at({ 0 }, sample { [\"event.action\"] = \"" quiet "\" }), expect = { "       \
    "threats = 0 } } }\n"
#define S1(action)                                                                                           \
    "sample { [\"event.action\"] = \"" action                                                                \
    "\", [\"user.name\"] = \"ana\", [\"source.ip\"] = \"192.0.2.1\" }"

static const struct text_file rules[] = {
    {"rules/single.lua", "return rule { id = \"t.single\", title = \"Single\", severity = \"low\",\n"
                         "  match = { [\"event.action\"] = \"single\" },\n"
                         "  dedup = { by = { \"user.name\" }, window = \"1h\" },\n"
                         "  context = { \"user.name\", \"source.ip\" },\n" //
     TESTS_OF("at({ 0 }, " S1("single") ")", "x") "}"},
    {"rules/pair.lua",
     "return rule { id = \"t.pair\", title = \"Pair\", severity = \"medium\",\n"
     "  match = { [\"event.action\"] = \"pair\" },\n"
     "  group = { by = { \"user.name\", \"source.ip\" }, window = \"10m\", count = 2 },\n" //
     TESTS_OF("at({ 0, 1 }, " S1("pair") ")", "x") "}"},
    {"rules/filtered.lua", "return rule { id = \"t.filtered\", title = \"Filtered\", severity = \"low\",\n"
                           "  match = { [\"event.action\"] = \"filtered\" },\n"
                           "  filter = function(event) return event[\"user.name\"] ~= \"bo\" end,\n" //
     TESTS_OF("at({ 0 }, " S1("filtered") ")", "x") "}"},
    {"rules/refused.lua",
     "return rule { id = \"t.refused\", title = \"Refused\", severity = \"low\",\n"
     "  match = { [\"event.action\"] = \"refused\" },\n"
     "  group = { by = { \"user.name\" }, window = \"10m\", count = 2 },\n"
     "  detect = function(event, group) return group.count >= 3 end,\n" //
     TESTS_OF("at({ 0, 1, 2 }, " S1("refused") ")", "x") "}"},
    {"rules/broken.lua",
     "return rule { id = \"t.broken\", title = \"Broken\", severity = \"low\",\n"
     "  match = { [\"event.action\"] = \"broken\" },\n"
     "  dedup = { by = { \"user.name\" }, window = \"1s\" },\n"
     "  severity_of = function(event)\n"
     "    if event[\"user.name\"] == \"root\" then error(\"no such user\") end\n"
     "    return \"critical\"\n  end,\n"
     "  title_of = function(event)\n"
     "    if event[\"user.name\"] == \"loop\" then while true do end end\n"
     "    return \"of \" .. event[\"user.name\"]\n  end,\n" //
     TESTS_OF("at({ 0 }, " S1("broken") ")", "x") "}"},
    {"plugins/sources/door.lua",
     "return source { id = \"door\", accepts = { [\"door.id|exists\"] = true },\n"
     "  time = { \"door.at\", format = \"unix\" },\n"
     "  fields = { [\"user.name\"] = \"door.who\", [\"event.action\"] = \"door.what\", [\"event.id\"] = "
     "\"door.id\" },\n"
     "  tests = { { \"x\", raw = { door = { id = \"1\", who = \"ana\" } }, expect = { [\"user.name\"] = "
     "\"ana\" } } } }"},
};

static struct stage open_stage(void)
{
    struct stage s = {.source = "", .customer = ""};
    s.set = plant_rules(rules, sizeof(rules) / sizeof(rules[0]));
    clock_virtual_init(&s.clock, NOON * NS_PER_S);
    return s;
}

/* Apart from open_stage, because the engine keeps the clock's address. */
static void start(struct stage *s)
{
    struct err err = {0};
    struct engine_options options = {.set = s->set, .clock = &s->clock.clock, .state_max = 64 << 20};
    s->engine = engine_new(&options, &err);
    assert_non_null(s->engine);
}

static void close_stage(struct stage *s)
{
    engine_free(s->engine);
    ruleset_unref(s->set);
}

static struct batch *make_batch(struct stage *s, enum journal_format format, struct str body)
{
    struct batch *batch = batch_new(s->set);
    if (!s->repeat)
        id_random(s->base.bytes, sizeof(s->base.bytes));
    buf_put(&batch->body, body);
    memset(buf_reserve(&batch->body, JSON_TAPE_PADDING), 0, JSON_TAPE_PADDING);
    batch->format = format;
    batch->source_name = str_from(s->source);
    batch->customer = str_from(s->customer);
    batch->accepted_ns = s->clock.now_ns;
    batch->id_base = s->base;
    return batch;
}

static struct batch *feed_str(struct stage *s, enum journal_format format, struct str body)
{
    struct err err = {0};
    struct batch *batch = make_batch(s, format, body);
    if (engine_feed(s->engine, batch, &err) != 0)
        fail_msg("%s", err_text(&err));
    assert_true(ledger_balanced(engine_ledger(s->engine)));
    return batch;
}

static void feed(struct stage *s, const char *lines)
{
    batch_unref(feed_str(s, JOURNAL_NDJSON, str_from(lines)));
}

static int64_t term(const struct stage *s, const char *rule, enum ledger_term which)
{
    const struct ledger_line *line = map_get(engine_ledger(s->engine)->lines, str_from(rule));
    return line ? line->counts.terms[which] : 0;
}

static const struct threat *nth_threat(const struct stage *s, size_t n)
{
    struct book_change change;
    for (size_t at = 0; book_next_change(engine_book(s->engine), &at, false, &change);)
        if (n-- == 0)
            return change.threat;
    return NULL;
}

static size_t threats(const struct stage *s)
{
    return book_changes(engine_book(s->engine), false);
}

/* ---- what is taken in ---- */

#define SINGLE "{\"event.action\":\"single\",\"user.name\":\"ana\"}"

static void an_object_an_array_and_lines_are_batches(void **state)
{
    (void)state;
    static const struct {
        enum journal_format format;
        const char *body;
        uint32_t items, events;
    } cases[] = {
        {JOURNAL_OBJECT, SINGLE, 1, 1},
        {JOURNAL_OBJECT, "{\"event\":{\"action\":\"single\"}}", 1, 1},
        {JOURNAL_ARRAY, "[" SINGLE "," SINGLE "]", 2, 2},
        {JOURNAL_ARRAY, " [ ] ", 0, 0},
        {JOURNAL_NDJSON, SINGLE "\n\n" SINGLE "\r\n" SINGLE, 3, 3},
        {JOURNAL_NDJSON, "\n \n", 0, 0},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct stage s = open_stage();
        start(&s);
        struct batch *batch = feed_str(&s, cases[i].format, str_from(cases[i].body));
        assert_int_equal(batch->item_count, cases[i].items);
        assert_int_equal(batch->event_count, cases[i].events);
        assert_int_equal(term(&s, "t.single", LEDGER_RAISED) + term(&s, "t.single", LEDGER_FOLDED),
                         cases[i].events);
        batch_unref(batch);
        close_stage(&s);
    }
}

static void a_bad_item_costs_nothing_but_itself(void **state)
{
    (void)state;
    struct stage s = open_stage();
    struct buf body = BUF_EMPTY;
    start(&s);
    buf_puts(&body, "[" SINGLE ",7,{\"a\":");
    for (int i = 0; i < 40; i++)
        buf_puts(&body, "{\"a\":");
    buf_puts(&body, "1");
    for (int i = 0; i < 40; i++)
        buf_puts(&body, "}");
    buf_puts(&body, "},\"text\"," SINGLE "]");
    struct batch *batch = feed_str(&s, JOURNAL_ARRAY, buf_str(&body));
    assert_int_equal(batch->item_count, 5);
    assert_int_equal(batch->event_count, 2);
    assert_int_equal(batch->indexes[1], 4);
    assert_int_equal(batch->rejects.count, 3);
    static const enum ledger_reject reasons[] = {REJECT_JSON, REJECT_TOO_LARGE, REJECT_JSON};
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(batch->rejects.items[i].index, i + 1);
        assert_int_equal(batch->rejects.items[i].reason, reasons[i]);
        assert_true(batch->rejects.items[i].error.len > 0);
    }
    const struct ledger *ledger = engine_ledger(s.engine);
    assert_int_equal(ledger->received, 5);
    assert_int_equal(ledger->accepted, 2);
    assert_int_equal(ledger->judged, 2);
    assert_int_equal(ledger->rejected[REJECT_TOO_LARGE], 1);
    batch_unref(batch);
    buf_free(&body);
    close_stage(&s);
}

static void refuse(struct stage *s, enum journal_format format, struct str body, enum err_code code)
{
    struct err err = {0};
    struct batch *batch = make_batch(s, format, body);
    assert_int_equal(engine_feed(s->engine, batch, &err), -1);
    assert_int_equal(err.code, code);
    assert_int_equal(engine_ledger(s->engine)->received, 0);
    batch_unref(batch);
}

static void what_is_no_batch_is_refused_as_a_whole(void **state)
{
    (void)state;
    struct stage s = open_stage();
    struct buf body = BUF_EMPTY;
    start(&s);
    refuse(&s, JOURNAL_ARRAY, STR("[" SINGLE ","), ERR_INVALID);
    for (int i = 0; i <= BATCH_EVENTS_MAX; i++)
        buf_puts(&body, "{}\n");
    refuse(&s, JOURNAL_NDJSON, buf_str(&body), ERR_LIMIT);
    s.source = "window";
    refuse(&s, JOURNAL_NDJSON, STR(SINGLE), ERR_NOT_FOUND);
    s.source = "";
    body.len -= 3;
    struct batch *batch = feed_str(&s, JOURNAL_NDJSON, buf_str(&body));
    assert_int_equal(batch->event_count, BATCH_EVENTS_MAX);
    batch_unref(batch);
    buf_free(&body);
    close_stage(&s);
}

static void a_source_maps_what_it_accepts_or_what_names_it(void **state)
{
    (void)state;
    static const char *const records[] = {
        "{\"door\":{\"id\":\"d1\",\"who\":\"ana\",\"what\":\"single\",\"at\":1767355100}}",
        "{\"door\":{\"who\":\"ana\",\"what\":\"single\",\"at\":1767355100}}",
    };
    static const char *const names[] = {"", "door"};
    for (int i = 0; i < 2; i++) {
        struct stage s = open_stage();
        start(&s);
        s.source = names[i];
        struct batch *batch = feed_str(&s, JOURNAL_OBJECT, str_from(records[i]));
        assert_int_equal(batch->events[0]->source, ruleset_source(s.set, STR("door")));
        assert_int_equal(batch->events[0]->time_ns, INT64_C(1767355100) * NS_PER_S);
        assert_int_equal(term(&s, "t.single", LEDGER_RAISED), 1);
        batch_unref(batch);
        close_stage(&s);
    }
}

/* ---- what a pair becomes ---- */

#define PAIR(extra) "{\"event.action\":\"pair\"" extra "}\n"

static void a_missing_group_field_keeps_the_event_out(void **state)
{
    (void)state;
    struct stage s = open_stage();
    start(&s);
    feed(&s, PAIR(",\"user.name\":\"ana\"") PAIR(",\"user.name\":null,\"source.ip\":\"192.0.2.1\"")
                 PAIR(",\"user.name\":[],\"source.ip\":\"192.0.2.1\""));
    assert_int_equal(term(&s, "t.pair", LEDGER_MATCHED), 3);
    assert_int_equal(term(&s, "t.pair", LEDGER_UNKEYED), 3);
    feed(&s, PAIR(",\"user.name\":\"ana\",\"source.ip\":\"192.0.2.1\""));
    assert_int_equal(term(&s, "t.pair", LEDGER_WAITING), 1);
    feed(&s, PAIR(",\"user.name\":\"ana\",\"source.ip\":\"192.0.2.2\""));
    assert_int_equal(term(&s, "t.pair", LEDGER_WAITING), 2);
    feed(&s, PAIR(",\"user.name\":\"ana\",\"source.ip\":\"192.0.2.1\""));
    assert_int_equal(term(&s, "t.pair", LEDGER_RAISED), 1);
    assert_int_equal(term(&s, "t.pair", LEDGER_WAITING), 2);
    assert_true(str_is(nth_threat(&s, 0)->dedup_key, "ana, 192.0.2.1"));
    assert_int_equal(nth_threat(&s, 0)->event_count, 2);
    close_stage(&s);
}

static void a_list_gives_a_group_for_each_element_at_most_sixteen(void **state)
{
    (void)state;
    struct stage s = open_stage();
    struct buf line = BUF_EMPTY;
    start(&s);
    feed(&s, PAIR(",\"user.name\":[\"ana\",\"bo\"],\"source.ip\":[\"192.0.2.1\",\"192.0.2.2\",null]"));
    assert_int_equal(term(&s, "t.pair", LEDGER_MATCHED), 4);
    assert_int_equal(term(&s, "t.pair", LEDGER_WAITING), 4);
    feed(&s, PAIR(",\"user.name\":\"bo\",\"source.ip\":\"192.0.2.2\""));
    assert_int_equal(term(&s, "t.pair", LEDGER_RAISED), 1);
    assert_true(str_is(nth_threat(&s, 0)->dedup_key, "bo, 192.0.2.2"));
    feed(&s, PAIR(",\"user.name\":[\"cy\",\"cy\"],\"source.ip\":\"192.0.2.1\""));
    assert_int_equal(term(&s, "t.pair", LEDGER_REPEATED), 1);

    int64_t matched = term(&s, "t.pair", LEDGER_MATCHED);
    buf_puts(&line, "{\"event.action\":\"pair\",\"source.ip\":[\"192.0.2.1\",\"192.0.2.2\"],\"user.name\":[");
    for (int i = 0; i < 100; i++)
        buf_printf(&line, "%s\"u%d\"", i ? "," : "", i);
    buf_puts(&line, "]}");
    feed(&s, line.ptr);
    assert_int_equal(term(&s, "t.pair", LEDGER_MATCHED), matched + GROUPS_PER_PAIR_MAX);
    buf_free(&line);
    close_stage(&s);
}

static void filter_leaves_out_before_anything_else(void **state)
{
    (void)state;
    struct stage s = open_stage();
    start(&s);
    feed(&s, "{\"event.action\":\"filtered\",\"user.name\":\"bo\"}\n"
             "{\"event.action\":\"filtered\",\"user.name\":\"ana\"}\n{\"event.action\":\"filtered\"}");
    assert_int_equal(term(&s, "t.filtered", LEDGER_FILTERED), 1);
    assert_int_equal(term(&s, "t.filtered", LEDGER_RAISED) + term(&s, "t.filtered", LEDGER_FOLDED), 2);
    close_stage(&s);
}

/* `t` seconds after noon; `id` its own. */
static void refused_event(struct stage *s, int t, const char *id)
{
    struct buf line = BUF_EMPTY;
    buf_printf(&line,
               "{\"@timestamp\":%lld,\"event.id\":\"%s\",\"event.action\":\"refused\",\"user.name\":\"ana\"}",
               (long long)(NOON - 1000 + t), id);
    feed(s, line.ptr);
    buf_free(&line);
}

static void detect_is_asked_again_when_its_window_grew(void **state)
{
    (void)state;
    struct stage s = open_stage();
    start(&s);
    refused_event(&s, 100, "a");
    refused_event(&s, 120, "b");
    assert_int_equal(term(&s, "t.refused", LEDGER_WAITING), 1);
    assert_int_equal(term(&s, "t.refused", LEDGER_REFUSED), 1);
    refused_event(&s, 110, "c"); /* c has two behind it; b has three now */
    assert_int_equal(term(&s, "t.refused", LEDGER_RAISED), 1);
    assert_int_equal(term(&s, "t.refused", LEDGER_REFUSED), 1);
    assert_int_equal(nth_threat(&s, 0)->anchor_ns, (NOON - 880) * NS_PER_S);
    refused_event(&s, 105, "d"); /* and so has c: it is the anchor now */
    assert_int_equal(term(&s, "t.refused", LEDGER_WAITING), 1);
    assert_int_equal(term(&s, "t.refused", LEDGER_REFUSED), 1);
    assert_int_equal(term(&s, "t.refused", LEDGER_FOLDED), 1);
    assert_int_equal(nth_threat(&s, 0)->anchor_ns, (NOON - 890) * NS_PER_S);
    assert_int_equal(threats(&s), 1);
    close_stage(&s);
}

/* ---- callbacks that fail ---- */

static void broken_event(struct stage *s, const char *user, int seconds)
{
    struct buf line = BUF_EMPTY;
    buf_printf(&line, "{\"event.action\":\"broken\",\"user.name\":\"%s\"}", user);
    s->clock.now_ns += seconds * NS_PER_S;
    feed(s, line.ptr);
    buf_free(&line);
}

static void a_callback_that_fails_loses_nothing_and_asks_for_review(void **state)
{
    (void)state;
    struct stage s = open_stage();
    start(&s);
    broken_event(&s, "ana", 0);
    assert_int_equal(nth_threat(&s, 0)->severity, SEVERITY_CRITICAL);
    assert_false(nth_threat(&s, 0)->review);
    broken_event(&s, "root", 0);
    const struct threat *t = nth_threat(&s, 1);
    assert_int_equal(t->severity, SEVERITY_LOW);
    assert_true(t->review && strstr(t->review_reason.ptr, "severity_of") &&
                strstr(t->review_reason.ptr, "no such user"));
    assert_true(str_is(t->title, "of root"));
    broken_event(&s, "loop", 0);
    t = nth_threat(&s, 2);
    assert_true(t->review && str_is(t->title, "Broken") && strstr(t->review_reason.ptr, "title_of"));
    assert_int_equal(t->severity, SEVERITY_CRITICAL);
    assert_int_equal(term(&s, "t.broken", LEDGER_RAISED), 3);
    close_stage(&s);
}

static void three_failures_in_a_minute_suspend_the_callback(void **state)
{
    (void)state;
    struct stage s = open_stage();
    start(&s);
    for (int i = 0; i < 3; i++)
        broken_event(&s, "root", 10);
    broken_event(&s, "ana", 10); /* would be critical */
    assert_int_equal(nth_threat(&s, 3)->severity, SEVERITY_LOW);
    assert_true(nth_threat(&s, 3)->review);
    assert_true(str_is(nth_threat(&s, 3)->title, "of ana")); /* only that callback */
    broken_event(&s, "ana", 11 * 60);
    assert_int_equal(nth_threat(&s, 4)->severity, SEVERITY_CRITICAL);
    assert_int_equal(term(&s, "t.broken", LEDGER_RAISED), 5);
    close_stage(&s);
}

/* ---- who an event is ---- */

static void an_event_with_an_id_of_its_own_counts_once(void **state)
{
    (void)state;
    struct stage s = open_stage();
    start(&s);
    const char *single = "{\"event.id\":\"e1\",\"event.action\":\"single\",\"user.name\":\"ana\"}";
    const char *pair = PAIR(",\"event.id\":\"e1\",\"user.name\":\"ana\",\"source.ip\":\"192.0.2.1\"");
    for (int i = 0; i < 3; i++) {
        feed(&s, single);
        feed(&s, pair);
    }
    assert_int_equal(term(&s, "t.single", LEDGER_RAISED), 1);
    assert_int_equal(term(&s, "t.single", LEDGER_REPEATED), 2);
    assert_int_equal(term(&s, "t.pair", LEDGER_WAITING), 1);
    assert_int_equal(term(&s, "t.pair", LEDGER_REPEATED), 2);
    s.customer = "acme"; /* the same id of another customer is another event */
    feed(&s, single);
    assert_int_equal(term(&s, "t.single", LEDGER_RAISED), 2);
    close_stage(&s);
}

static void a_repeated_request_counts_once(void **state)
{
    (void)state;
    struct stage s = open_stage();
    start(&s);
    s.repeat = true;
    for (int i = 0; i < 3; i++)
        feed(&s, SINGLE "\n" SINGLE);
    assert_int_equal(nth_threat(&s, 0)->event_count, 2); /* equal content, other places: two events */
    assert_int_equal(term(&s, "t.single", LEDGER_REPEATED), 4);
    s.repeat = false;
    feed(&s, SINGLE);
    assert_int_equal(nth_threat(&s, 0)->event_count, 3);
    close_stage(&s);
}

static void the_customer_is_the_tokens_then_the_events_then_default(void **state)
{
    (void)state;
    static const struct {
        const char *token, *event, *customer;
    } cases[] = {
        {"", SINGLE, "default"},
        {"", "{\"event.action\":\"single\",\"organization\":{\"name\":\"Acme\",\"id\":\"a1\"}}", "a1"},
        {"", "{\"event.action\":\"single\",\"organization.name\":\"Acme\"}", "Acme"},
        {"bound", "{\"event.action\":\"single\",\"organization.id\":\"a1\"}", "bound"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct stage s = open_stage();
        start(&s);
        s.customer = cases[i].token;
        feed(&s, cases[i].event);
        assert_true(str_is(nth_threat(&s, 0)->customer, cases[i].customer));
        close_stage(&s);
    }
}

#define X31  "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
#define X127 X31 "y" X31 "y" X31 "y" X31

/* What a NUL, a control character or a cut would make another customer's name is a customer of its own. */
static void no_odd_name_is_another_customers(void **state)
{
    (void)state;
    static const struct {
        const char *name, *begin;
        size_t len; /* 0: the name stays */
    } cases[] = {
        {"acme", "acme", 0},
        {"acme\\u0000", "acme_~", 38},
        {"acme\\u0000x", "acme_x~", 39},
        {"acme\\u0001x", "acme_x~", 39},
        {"acme\\nx", "acme_x~", 39},
        {"\\u0000", "_~", 34},
        {"acme_x", "acme_x", 0},
        {X127 "y", X127 "y", 0},
        {X127 "yz", X31 "y" X31 "y" X31 "~", 128},
        {X127 "\u00e9", X31 "y" X31 "y" X31 "~", 128}, /* a cut would end within a character */
    };
    struct buf seen[sizeof(cases) / sizeof(cases[0])] = {0};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct stage s = open_stage();
        struct buf line = BUF_EMPTY;
        start(&s);
        buf_printf(&line, "{\"event.action\":\"single\",\"organization.id\":\"%s\"}", cases[i].name);
        struct batch *batch = feed_str(&s, JOURNAL_NDJSON, buf_str(&line));
        struct str customer = nth_threat(&s, 0)->customer;
        assert_int_equal(customer.len, cases[i].len ? cases[i].len : strlen(cases[i].name));
        assert_true(str_starts(customer, str_from(cases[i].begin)) && text_is_utf8(customer));
        assert_int_equal(batch->events[0]->quality & QUALITY_CUSTOMER, cases[i].len ? QUALITY_CUSTOMER : 0);
        buf_put(&seen[i], customer);
        for (size_t k = 0; k < i; k++)
            assert_false(str_equal(buf_str(&seen[k]), customer));
        batch_unref(batch);
        buf_free(&line);
        close_stage(&s);
    }
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        buf_free(&seen[i]);
}

static void customers_share_neither_windows_nor_threats(void **state)
{
    (void)state;
    struct stage s = open_stage();
    start(&s);
    for (int i = 0; i < 2; i++) {
        feed(&s, PAIR(",\"user.name\":\"ana\",\"source.ip\":\"192.0.2.1\",\"organization.id\":\"a\""));
        assert_int_equal(threats(&s), i ? 1 : 0);
        feed(&s, PAIR(",\"user.name\":\"ana\",\"source.ip\":\"192.0.2.1\",\"organization.id\":\"b\""));
        assert_int_equal(threats(&s), i ? 2 : 0);
    }
    assert_false(str_equal(nth_threat(&s, 0)->customer, nth_threat(&s, 1)->customer));
    close_stage(&s);
}

static void time_from_the_future_is_the_time_of_acceptance(void **state)
{
    (void)state;
    static const struct {
        int ahead;
        bool kept;
    } cases[] = {{-86400, true}, {119, true}, {120, true}, {121, false}, {86400, false}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct stage s = open_stage();
        struct buf line = BUF_EMPTY;
        start(&s);
        buf_printf(&line, "{\"@timestamp\":%lld}", (long long)(NOON + cases[i].ahead));
        struct batch *batch = feed_str(&s, JOURNAL_NDJSON, buf_str(&line));
        assert_int_equal(batch->events[0]->time_ns, (NOON + (cases[i].kept ? cases[i].ahead : 0)) * NS_PER_S);
        assert_int_equal(batch->events[0]->quality & QUALITY_TIME_FUTURE,
                         cases[i].kept ? 0 : QUALITY_TIME_FUTURE);
        batch_unref(batch);
        buf_free(&line);
        close_stage(&s);
    }
}

static void a_reset_forgets_threats_windows_and_ledger(void **state)
{
    (void)state;
    struct stage s = open_stage();
    start(&s);
    feed(&s, SINGLE "\n" PAIR(",\"user.name\":\"ana\",\"source.ip\":\"192.0.2.1\""));
    engine_reset(s.engine);
    assert_int_equal(threats(&s), 0);
    feed(&s, PAIR(",\"user.name\":\"ana\",\"source.ip\":\"192.0.2.1\""));
    assert_int_equal(threats(&s), 0);
    assert_int_equal(engine_ledger(s.engine)->judged, 1);
    close_stage(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_object_an_array_and_lines_are_batches),
        cmocka_unit_test(a_bad_item_costs_nothing_but_itself),
        cmocka_unit_test(what_is_no_batch_is_refused_as_a_whole),
        cmocka_unit_test(a_source_maps_what_it_accepts_or_what_names_it),
        cmocka_unit_test(a_missing_group_field_keeps_the_event_out),
        cmocka_unit_test(a_list_gives_a_group_for_each_element_at_most_sixteen),
        cmocka_unit_test(filter_leaves_out_before_anything_else),
        cmocka_unit_test(detect_is_asked_again_when_its_window_grew),
        cmocka_unit_test(a_callback_that_fails_loses_nothing_and_asks_for_review),
        cmocka_unit_test(three_failures_in_a_minute_suspend_the_callback),
        cmocka_unit_test(an_event_with_an_id_of_its_own_counts_once),
        cmocka_unit_test(a_repeated_request_counts_once),
        cmocka_unit_test(the_customer_is_the_tokens_then_the_events_then_default),
        cmocka_unit_test(no_odd_name_is_another_customers),
        cmocka_unit_test(customers_share_neither_windows_nor_threats),
        cmocka_unit_test(time_from_the_future_is_the_time_of_acceptance),
        cmocka_unit_test(a_reset_forgets_threats_windows_and_ledger),
    };
    log_level_set(LOG_OFF);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
