/* The `tests` of a rule: samples become JSON records on a virtual clock. */
#include "rules/load.h"

#define EVENTS_MAX 10000
#define TESTS_MAX  1000

struct events {
    VEC(struct test_event) all;
};

struct test_unit {
    struct unit *unit;
    const struct rule_test *test;
    unsigned line;
};

static void sample_error(const struct test_unit *at, const char *what)
{
    unit_error(at->unit, at->line, "test \"%.*s\": %s", STR_ARG(at->test->name), what);
}

static void no_such_source(const struct test_unit *at, struct str id)
{
    struct load *load = at->unit->load;
    const char **names = arena_alloc(load->arena, (load->sources.count + 1) * sizeof(*names));
    size_t count = 0;
    for (size_t i = 0; i < load->sources.count; i++) {
        const struct lval *other = lval_get(load->sources.items[i].value, "id");
        if (other && other->type == LVAL_STRING)
            names[count++] = arena_dup(load->arena, other->s).ptr;
    }
    unit_error(at->unit, at->line, "test \"%.*s\": no such source \"%.*s\"%s", STR_ARG(at->test->name),
               STR_ARG(id), did_you_mean(load->arena, id, names, count));
}

/* sample { source = "okta", raw = { … } }: the record as the vendor sends it. */
static bool raw_sample(const struct test_unit *at, const struct lval *sample, struct test_event *event)
{
    static const char *const names[] = {"source", "raw"};
    const char *why = NULL;
    const struct lval *raw = lval_get(sample, "raw"), *source = lval_get(sample, "source");
    check_keys(at->unit, sample, &(struct keys){"sample", names, 2, NULL});
    if (raw->type != LVAL_TABLE || !json_of(at->unit->load->arena, raw, &event->json, &why)) {
        sample_error(at, why ? why : "raw: expected a table");
        return false;
    }
    if (source == NULL)
        return true;
    if (source->type != LVAL_STRING) {
        sample_error(at, "source: expected the id of a source");
        return false;
    }
    event->source = arena_dup(at->unit->load->arena, source->s);
    if (map_get(at->unit->load->sources.by_id, source->s) == NULL)
        no_such_source(at, source->s);
    return true;
}

static bool add_sample(const struct test_unit *at, const struct lval *sample, struct test_event *event)
{
    const char *why;
    event->source = STR("");
    if (sample == NULL || sample->type != LVAL_TABLE || sample->kind != LVAL_SAMPLE) {
        sample_error(at, "expected a sample; write events = at({ 0, 60 }, sample { … })");
        return false;
    }
    if (lval_get(sample, "raw"))
        return raw_sample(at, sample, event);
    if (json_of(at->unit->load->arena, sample, &event->json, &why))
        return true;
    sample_error(at, why);
    return false;
}

static bool seconds_of(const struct lval *times, size_t index, double *out)
{
    if (times == NULL || times->type != LVAL_TABLE || index >= times->item_count)
        return false;
    const struct lval *value = &times->items[index];
    if (value->type != LVAL_INT && value->type != LVAL_NUMBER)
        return false;
    *out = value->type == LVAL_INT ? (double)value->i : value->d;
    return *out >= 0 && *out <= 366.0 * 86400;
}

static void add_at(const struct test_unit *at, const struct lval *value, struct events *events)
{
    const struct lval *times = lval_get(value, "times"), *arrive = lval_get(value, "arrive");
    struct test_event event = {0};
    size_t count = times && times->type == LVAL_TABLE ? times->item_count : 0;
    if (arrive && arrive->type == LVAL_NIL)
        arrive = NULL;
    if (!add_sample(at, lval_get(value, "sample"), &event))
        return;
    if (arrive && (arrive->type != LVAL_TABLE || arrive->item_count != count)) {
        sample_error(at, "at: arrive needs one time for each event");
        return;
    }
    for (size_t i = 0; i < count; i++) {
        bool good = seconds_of(times, i, &event.at);
        event.arrive = event.at;
        if (!good || (arrive && !seconds_of(arrive, i, &event.arrive))) {
            sample_error(at, "at: times are seconds from 0 to a year");
            return;
        }
        vec_push(&events->all, event);
    }
}

/* Samples in a list follow one another by a second; at(…) brings its own times. */
static void add_events(const struct test_unit *at, const struct lval *value, size_t position,
                       struct events *events)
{
    if (value->type == LVAL_TABLE && value->kind == LVAL_AT) {
        add_at(at, value, events);
        return;
    }
    struct test_event event = {.at = (double)position, .arrive = (double)position};
    if (add_sample(at, value, &event))
        vec_push(&events->all, event);
}

static void load_events(const struct test_unit *at, const struct lval *table, struct rule_test *test)
{
    struct events events = {0};
    const struct lval *value = lval_get(table, "events");
    if (value == NULL) {
        sample_error(at, "\"events\" is missing; write events = at({ 0, 60 }, sample { … })");
        return;
    }
    if (value->type == LVAL_TABLE && value->kind == LVAL_PLAIN && value->field_count == 0)
        for (size_t i = 0; i < value->item_count; i++)
            add_events(at, &value->items[i], i, &events);
    else
        add_events(at, value, 0, &events);
    if (events.all.count > EVENTS_MAX)
        sample_error(at, "more than 10,000 events");
    struct test_event *copy = arena_alloc(at->unit->load->arena, (events.all.count + 1) * sizeof(*copy));
    if (events.all.count)
        memcpy(copy, events.all.items, events.all.count * sizeof(*copy));
    test->events = copy;
    test->event_count = events.all.count;
    vec_free(&events.all);
}

/* The entries of one list of a test, as load_list.c reads those of a file. */
struct test_entries {
    struct unit *unit;
    struct literal *entries;
    struct str *attributes;
    size_t count;
};

static bool add_test_items(struct test_entries *to, const struct lval *list)
{
    for (size_t i = 0; i < list->item_count; i++) {
        struct literal *entry = &to->entries[to->count];
        if (!literal_of(&list->items[i], entry) || entry->type == LITERAL_NULL)
            return false;
        entry->text = arena_dup(to->unit->load->arena, entry->text);
        entry->from_list = true;
        to->attributes[to->count++] = STR("");
    }
    return true;
}

static bool add_test_keys(struct test_entries *to, const struct lval *list)
{
    for (size_t i = 0; i < list->field_count; i++) {
        if (!load_attributes(to->unit, &list->fields[i], &to->attributes[to->count]))
            return false;
        to->entries[to->count++] = (struct literal){
            .type = LITERAL_STRING,
            .text = arena_dup(to->unit->load->arena, list->fields[i].key),
            .from_list = true};
    }
    return true;
}

static void load_test_list(struct unit *unit, struct str test, const struct lval_field *field,
                           struct test_list *out)
{
    const struct lval *value = &field->value;
    struct arena *arena = unit->load->arena;
    size_t most = value->item_count + value->field_count;
    struct test_entries to = {unit, arena_alloc(arena, (most + 1) * sizeof(*to.entries)),
                              arena_alloc(arena, (most + 1) * sizeof(*to.attributes)), 0};
    size_t errors = unit->errors;
    bool good = value->type == LVAL_TABLE && (value->kind == LVAL_PLAIN || value->kind == LVAL_LIST) &&
                add_test_items(&to, value) && add_test_keys(&to, value);
    if (!good && unit->errors == errors)
        unit_error(unit, field->line,
                   "test \"%.*s\": lists.%.*s: expected { \"…\" }, or { [\"…\"] = { name = value } }",
                   STR_ARG(test), STR_ARG(field->key));
    *out = (struct test_list){arena_dup(arena, field->key), to.entries, to.count, to.attributes};
}

size_t load_test_lists(struct unit *unit, struct str test, const struct lval *table,
                       const struct test_list **out)
{
    const struct lval *lists = key_of_type(unit, table, "lists", LVAL_TABLE);
    *out = NULL;
    if (lists == NULL)
        return 0;
    struct test_list *all = arena_alloc(unit->load->arena, (lists->field_count + 1) * sizeof(*all));
    for (size_t i = 0; i < lists->field_count; i++)
        load_test_list(unit, test, &lists->fields[i], &all[i]);
    *out = all;
    return lists->field_count;
}

static bool expect_count(struct unit *unit, const struct lval *expect, const char *key, uint64_t *out)
{
    int64_t value;
    if (!key_integer(unit, expect, key, (const int64_t[2]){0, 1000000000}, &value))
        return false;
    *out = (uint64_t)value;
    return true;
}

static void load_expect(const struct test_unit *at, const struct lval *table, struct rule_test *test)
{
    static const char *const names[] = {"threats", "severity", "title",      "dedup",
                                        "type",    "count",    "suppressed", "context"};
    static const char *const later[] = {"plan", "verdict", NULL};
    struct unit *unit = at->unit;
    const struct lval *expect = key_of_type(unit, table, "expect", LVAL_TABLE);
    if (expect == NULL || expect->field_count == 0) {
        sample_error(at, "\"expect\" is missing; write expect = { threats = 1 }");
        return;
    }
    check_keys(unit, expect, &(struct keys){"expect", names, 8, later});
    test->has_threats = expect_count(unit, expect, "threats", &test->threats);
    test->has_count = expect_count(unit, expect, "count", &test->count);
    test->has_suppressed = expect_count(unit, expect, "suppressed", &test->suppressed);
    struct str severity;
    if (key_string(unit, expect, "severity", &severity)) {
        test->has_severity = severity_named(severity, &test->severity);
        if (!test->has_severity)
            unit_error(unit, key_line(expect, "severity"),
                       "expect.severity: \"%.*s\" is none of informational, low, medium, high, critical",
                       STR_ARG(severity));
    }
    key_string(unit, expect, "title", &test->title);
    key_string(unit, expect, "dedup", &test->dedup);
    key_string(unit, expect, "type", &test->type);
    const struct lval *context = key_of_type(unit, expect, "context", LVAL_TABLE);
    test->context = context ? lval_copy(unit->load->arena, context) : NULL;
}

static void load_test(struct unit *unit, const struct lval *table, struct rule_test *test)
{
    static const char *const names[] = {"events", "expect", "lists"};
    static const char *const later[] = {"profile", "intel", "exceptions", NULL};
    *test = (struct rule_test){.name = STR("?"), .line = table->line};
    if (table->type != LVAL_TABLE || table->item_count != 1 || table->items[0].type != LVAL_STRING) {
        unit_error(unit, table->line,
                   "test: expected { \"what it shows\", events = …, expect = { threats = 1 } }");
        return;
    }
    struct lval keyed = *table;
    keyed.item_count = 0;
    test->name = arena_dup(unit->load->arena, table->items[0].s);
    struct test_unit at = {unit, test, table->line};
    check_keys(unit, &keyed, &(struct keys){"test", names, 3, later});
    load_events(&at, table, test);
    test->list_count = load_test_lists(unit, test->name, table, &test->lists);
    load_expect(&at, table, test);
}

static bool expects_threat(const struct rule_test *test)
{
    if (test->has_threats || test->has_suppressed)
        return test->threats + test->suppressed > 0;
    return test->has_severity || test->has_count || test->title.ptr || test->dedup.ptr || test->type.ptr ||
           test->context;
}

void load_tests(struct unit *unit, const struct lval *table, struct rule *rule)
{
    const struct lval *tests = key_of_type(unit, table, "tests", LVAL_TABLE);
    size_t errors = unit->errors;
    if (tests && (tests->field_count || tests->item_count > TESTS_MAX)) {
        unit_error(unit, key_line(table, "tests"), "tests: expected a list of at most %d tests", TESTS_MAX);
        return;
    }
    size_t count = tests ? tests->item_count : 0, fire = 0, quiet = 0;
    struct rule_test *out = arena_alloc(unit->load->arena, (count + 1) * sizeof(*out));
    for (size_t i = 0; i < count; i++) {
        load_test(unit, &tests->items[i], &out[i]);
        fire += expects_threat(&out[i]);
        quiet += out[i].has_threats && out[i].threats == 0 && !out[i].suppressed;
    }
    rule->tests = out;
    rule->test_count = count;
    if (unit->errors != errors)
        return;
    if (fire == 0)
        unit_error(unit, key_line(table, "tests"),
                   "tests: a rule needs at least one test that fires, expect = { threats = 1 }");
    if (quiet == 0)
        unit_error(unit, key_line(table, "tests"),
                   "tests: a rule needs at least one test that does not fire, expect = { threats = 0 }");
}
