/* What is bounded, and what is seen of it: hostile events, large lists, long texts, memory, threads. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>

#include "base/clock.h"
#include "chance.h"
#include "world.h"

/* ---- allocations, counted where no sanitizer has taken malloc ---- */

static __thread size_t allocations;

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define COUNTS_ALLOCATIONS 0
#else
#define COUNTS_ALLOCATIONS 1
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *ptr, size_t size);
void *malloc(size_t size);
void *malloc(size_t size)
{
    allocations++;
    return __libc_malloc(size);
}
void *calloc(size_t count, size_t size);
void *calloc(size_t count, size_t size)
{
    allocations++;
    return __libc_calloc(count, size);
}
void *realloc(void *ptr, size_t size);
void *realloc(void *ptr, size_t size)
{
    allocations++;
    return __libc_realloc(ptr, size);
}
#endif

/* ---- rules that one text can wake all ---- */

#define SWARM 2000

static void word(struct chance *c, struct buf *out)
{
    for (unsigned n = 5 + chance_of(c, 8), i = 0; i < n; i++)
        buf_putc(out, (char)('a' + chance_of(c, 26)));
}

/* Each rule: a literal, a filter, and a regex that has to run. `all` gets the literals, one text of `size`
 * bytes. */
static void swarm(struct world *w, struct buf *all, size_t size)
{
    struct chance c = {4711};
    struct buf rule = BUF_EMPTY, literal = BUF_EMPTY;
    for (size_t i = 0; i < SWARM; i++) {
        buf_clear(&literal);
        buf_clear(&rule);
        word(&c, &literal);
        buf_printf(&rule, "{\"cmd|contains\":\"%.*s\",", STR_ARG(buf_str(&literal)));
        buf_printf(&rule, "\"none\":[{\"cmd|re\":\"(%.*s|[0-9])+[a-z ]*(x+x+)+[!?]\"}]}",
                   STR_ARG(buf_str(&literal)));
        assert_true(world_rule(w, rule.ptr));
        if (all->len < size)
            buf_printf(all, "%.*s ", STR_ARG(buf_str(&literal)));
    }
    buf_free(&rule);
    buf_free(&literal);
    world_compile(w, NULL, 0);
}

static struct event *command_event(struct world *w, struct str text)
{
    struct buf json = BUF_EMPTY;
    buf_puts(&json, "{\"cmd\":");
    buf_json_string(&json, text);
    buf_putc(&json, '}');
    struct event *event = world_event(w, buf_str(&json));
    buf_free(&json);
    return event;
}

static void an_event_that_hits_everything_is_cut_off_with_a_mark(void **state)
{
    (void)state;
    struct world *w = world_new();
    struct buf text = BUF_EMPTY;
    swarm(w, &text, 8192);
    struct event *event = command_event(w, buf_str(&text));
    int64_t start = clock_thread_cpu();
    struct match_result result = match_run(w->matcher, w->scratch, event);
    int64_t ms = (clock_thread_cpu() - start) / NS_PER_MS;
    print_message("%zu rules, cut off %d, %lld ms\n", result.count, result.cut_off, (long long)ms);
    assert_true(ms < 500); /* about 4 without a sanitizer; with no budget it would be seconds */
    assert_true(result.cut_off);
    assert_true(result.count > 500); /* what could not be verified is reported */

    struct event *calm = command_event(w, STR("nothing of the kind"));
    result = match_run(w->matcher, w->scratch, calm);
    assert_int_equal(result.count, 0);
    assert_false(result.cut_off);
    buf_free(&text);
    world_free(w);
}

static void a_spent_budget_hides_no_rule(void **state)
{
    (void)state;
    struct world *w = world_new();
    struct buf text = BUF_EMPTY;
    swarm(w, &text, 512);
    struct event *event = command_event(w, buf_str(&text));
    match_scratch_limit(w->scratch, UINT64_MAX, UINT64_MAX);
    struct match_result full = match_run(w->matcher, w->scratch, event);
    bool *holds = mem_zalloc(SWARM, sizeof(bool));
    for (size_t i = 0; i < full.count; i++)
        holds[full.rules[i]] = true;
    size_t cut = 0, whole = 0, expected = full.count;
    assert_true(expected > 20);
    for (uint64_t budget = 1; budget < 1000000; budget += budget / 4 + 1) {
        match_scratch_limit(w->scratch, budget, budget);
        struct match_result result = match_run(w->matcher, w->scratch, event);
        size_t found = 0;
        for (size_t i = 0; i < result.count; i++)
            found += holds[result.rules[i]];
        assert_int_equal(found, expected); /* at most more, never fewer */
        assert_true(result.cut_off || result.count == expected);
        *(result.cut_off ? &cut : &whole) += 1;
    }
    assert_true(cut > 5 && whole > 5); /* both sides of the limit were seen */
    free(holds);
    buf_free(&text);
    world_free(w);
}

static void a_filter_cut_off_does_not_hide_the_rule(void **state)
{
    (void)state;
    struct world *w = world_new();
    world_rule(w, "{\"cmd|contains\": \"evil\", \"none\": [{\"cmd|re\": \"(x+x+)+[yz]\"}]}");
    world_compile(w, NULL, 0);
    struct event *event = command_event(
        w, STR("evil xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"));
    struct match_result result = match_run(w->matcher, w->scratch, event);
    assert_int_equal(result.count, 1);
    assert_true(result.cut_off);
    result = match_run_brute(w->matcher, w->scratch, event);
    assert_int_equal(result.count, 1);
    assert_true(result.cut_off);
    world_free(w);
}

static void a_gram_repeated_is_looked_at_a_few_times(void **state)
{
    (void)state;
    struct world *w = world_new();
    struct buf rule = BUF_EMPTY, text = BUF_EMPTY;
    for (unsigned i = 0; i < 400; i++) { /* all share their only gram that no text repeats */
        buf_clear(&rule);
        buf_printf(&rule, "{\"cmd|contains\":\"abcd%c%c\"}", 'e' + i / 20, 'e' + i % 20);
        world_rule(w, rule.ptr);
    }
    world_compile(w, NULL, 0);
    while (text.len < 60000)
        buf_puts(&text, "abcdabcdefgh");
    struct event *event = command_event(w, buf_str(&text));
    assert_int_equal(world_match(w, event).count, 1);
    buf_free(&rule);
    buf_free(&text);
    world_free(w);
}

static void a_literal_behind_many_of_its_grams_is_found(void **state)
{
    (void)state;
    struct world *w = world_new();
    struct buf text = BUF_EMPTY;
    world_rule(w, "{\"cmd|contains\": \"abcde\"}");
    world_rule(w, "{\"cmd|contains\": \"xy\"}");
    world_rule(w, "{\"cmd|contains\": \"pqr\"}");
    world_compile(w, NULL, 0);
    while (text.len < 5000)
        buf_puts(&text, "abcd bcde pq qr ");
    assert_int_equal(world_match(w, command_event(w, buf_str(&text))).count, 0);
    buf_puts(&text, "abcdexypqr");
    assert_int_equal(world_match(w, command_event(w, buf_str(&text))).count, 3);
    buf_free(&text);
    world_free(w);
}

/* ---- large lists ---- */

static struct match_node *list_node(struct world *w, const char *key, size_t count, const char *format)
{
    struct literal *literals = mem_zalloc(count, sizeof(*literals));
    struct arena *arena = arena_new(1 << 20);
    for (size_t i = 0; i < count; i++)
        literals[i] = (struct literal){.type = LITERAL_STRING,
                                       .from_list = true,
                                       .text = str_from(arena_printf(arena, format, (unsigned)i))};
    struct match_node *node = match_field(w->arena, w->fields, str_from(key), literals, count, &w->err);
    free(literals);
    arena_free(arena);
    return node;
}

static void a_million_entries_are_one_look(void **state)
{
    (void)state;
    static const struct {
        const char *key, *format, *event;
        bool holds;
        size_t count; /* 0: a million */
    } cases[] = {
        {"a", "Host-%u.example", "{\"a\": \"host-999999.EXAMPLE\"}", true, 0},
        {"a", "host-%u.example", "{\"a\": \"host-100000.example\"}", false, 100000},
        {"a|endswith", ".h%u.example", "{\"a\": \"www.H777777.example\"}", true, 0},
        {"a|endswith", ".h%u.example", "{\"a\": \"wwwh77777.example\"}", false, 100000},
        {"a|startswith", "10%u/", "{\"a\": \"1054321/x\"}", true, 100000},
        {"a|contains", "<%u>", "{\"a\": \"x <50000> y\"}", true, 100000},
        {"a|contains", "<%u>", "{\"a\": \"x <500000> y\"}", false, 100000},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct world *w = world_new();
        size_t count = cases[i].count ? cases[i].count : 1000000;
        struct match_rule rule = {.root = list_node(w, cases[i].key, count, cases[i].format)};
        assert_non_null(rule.root);
        vec_push(&w->rules, rule);
        world_compile(w, NULL, 0);
        assert_false(match_is_always(w->matcher, 0));
        struct event *event = world_event(w, str_from(cases[i].event));
        int64_t start = clock_thread_cpu();
        for (int turn = 0; turn < 1000; turn++)
            assert_int_equal(match_run(w->matcher, w->scratch, event).count, cases[i].holds);
        assert_true(clock_thread_cpu() - start <
                    1000 * NS_PER_MS); /* 1 ms each; comparing a million takes more */
        world_free(w);
    }
}

static void many_networks_are_bisected(void **state)
{
    (void)state;
    struct world *w = world_new();
    struct literal *literals = mem_zalloc(50000, sizeof(*literals));
    for (size_t i = 0; i < 50000; i++) {
        const char *text = i % 2 ? arena_printf(w->arena, "%zu.%zu.%zu.0/24", 11 + i / 10000, i / 100 % 100,
                                                i % 100)
                                 : arena_printf(w->arena, "2001:db8:%zx::/48", i);
        literals[i] = (struct literal){.type = LITERAL_STRING, .text = str_from(text)};
    }
    struct match_rule rule = {
        .root = match_field(w->arena, w->fields, STR("ip|cidr"), literals, 50000, &w->err)};
    assert_non_null(rule.root);
    vec_push(&w->rules, rule);
    world_compile(w, NULL, 0);
    assert_int_equal(world_match(w, world_event(w, STR("{\"ip\": \"13.99.99.200\"}"))).count, 1);
    assert_int_equal(world_match(w, world_event(w, STR("{\"ip\": \"13.99.98.200\"}"))).count, 0);
    assert_int_equal(world_match(w, world_event(w, STR("{\"ip\": \"2001:db8:c34e:1::1\"}"))).count, 1);
    assert_int_equal(world_match(w, world_event(w, STR("{\"ip\": \"2001:db8:c34f:1::1\"}"))).count, 0);
    free(literals);
    world_free(w);
}

/* ---- long texts ---- */

static size_t matched_in(struct world *w, size_t before, const char *word)
{
    struct buf text = BUF_EMPTY;
    while (text.len < before)
        buf_putc(&text, '.');
    buf_puts(&text, word);
    size_t count = world_match(w, command_event(w, buf_str(&text))).count;
    buf_free(&text);
    return count;
}

static void texts_are_compared_up_to_64_KiB(void **state)
{
    (void)state;
    struct world *w = world_new();
    world_rule(w, "{\"cmd|contains\": \"needle\"}");
    world_rule(w, "{\"cmd|re\": \"needl[e]\"}");
    world_rule(w, "{\"cmd\": \"*nee?le*\"}");
    world_compile(w, NULL, 0);
    assert_int_equal(matched_in(w, 65536 - 6, "needle"), 3);
    assert_int_equal(matched_in(w, 65536 - 5, "needle"), 0);
    assert_int_equal(matched_in(w, 65536 - 6, "needle and more"), 3);
    assert_int_equal(matched_in(w, 65536 - 1, "\xe2\x82\xac"), 0); /* a character torn by the cut */
    world_free(w);
}

static void a_cut_text_equals_nothing_and_ends_nowhere(void **state)
{
    (void)state;
    struct world *w = world_new();
    world_rule(w, "{\"cmd|endswith\": \"tail\"}");
    world_rule(w, "{\"cmd|startswith\": \"....\"}");
    world_compile(w, NULL, 0);
    assert_int_equal(matched_in(w, 65536 - 4, "tail"), 2);
    assert_int_equal(matched_in(w, 65536 - 4, "tail and more than that tail"), 1);
    world_free(w);
}

/* ---- memory and threads ---- */

static struct event **chance_events(struct world *w, struct chance *c, size_t count)
{
    struct buf text = BUF_EMPTY;
    struct event **events = mem_zalloc(count, sizeof(*events));
    for (size_t i = 0; i < count; i++) {
        buf_clear(&text);
        chance_event(c, &text);
        events[i] = world_event(w, buf_str(&text));
    }
    buf_free(&text);
    return events;
}

static void chance_rules(struct world *w, struct chance *c, size_t count)
{
    struct buf text = BUF_EMPTY;
    for (size_t i = 0; i < count; i++) {
        buf_clear(&text);
        chance_rule(c, &text, 0);
        world_rule(w, text.ptr);
    }
    buf_free(&text);
}

static void an_event_costs_no_allocation(void **state)
{
    (void)state;
    if (!COUNTS_ALLOCATIONS) {
        print_message("SKIPPED: the sanitizer has the allocator\n");
        skip();
    }
    struct chance c = {99};
    struct world *w = world_new();
    chance_rules(w, &c, 200);
    struct event **events = chance_events(w, &c, 300);
    world_compile(w, NULL, 0);
    for (size_t i = 0; i < 300; i++)
        match_run(w->matcher, w->scratch, events[i]);
    size_t before = allocations, matches = 0;
    for (size_t i = 0; i < 300; i++)
        matches += match_run(w->matcher, w->scratch, events[i]).count;
    assert_int_equal(allocations - before, 0);
    assert_true(matches > 100);
    struct match_stats stats;
    match_stats(w->matcher, w->scratch, &stats);
    assert_int_equal(stats.events, 600);
    assert_true(stats.candidates > 0 && stats.evaluations > 0 && stats.regexes > 0);
    free(events);
    world_free(w);
}

struct reader {
    const struct world *world;
    struct event **events;
    size_t count;
    uint64_t sum;
};

static void *read_along(void *context)
{
    struct reader *r = context;
    struct match_scratch *scratch = match_scratch_new(r->world->matcher);
    for (size_t i = 0; i < r->count; i++) {
        struct match_result result = match_run(r->world->matcher, scratch, r->events[i]);
        for (size_t k = 0; k < result.count; k++)
            r->sum = r->sum * 31 + i * 1000 + result.rules[k];
    }
    match_scratch_free(scratch);
    return NULL;
}

static void threads_read_one_matcher(void **state)
{
    (void)state;
    struct chance c = {7};
    struct world *w = world_new();
    chance_rules(w, &c, 200);
    struct event **events = chance_events(w, &c, 500);
    world_compile(w, NULL, 0);
    struct reader readers[4];
    pthread_t threads[4];
    for (int i = 0; i < 4; i++) {
        readers[i] = (struct reader){w, events, 500, 0};
        assert_int_equal(pthread_create(&threads[i], NULL, read_along, &readers[i]), 0);
    }
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    for (int i = 1; i < 4; i++)
        assert_true(readers[i].sum == readers[0].sum && readers[i].sum != 0);
    free(events);
    world_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_event_that_hits_everything_is_cut_off_with_a_mark),
        cmocka_unit_test(a_spent_budget_hides_no_rule),
        cmocka_unit_test(a_filter_cut_off_does_not_hide_the_rule),
        cmocka_unit_test(a_gram_repeated_is_looked_at_a_few_times),
        cmocka_unit_test(a_literal_behind_many_of_its_grams_is_found),
        cmocka_unit_test(a_million_entries_are_one_look),
        cmocka_unit_test(many_networks_are_bisected),
        cmocka_unit_test(texts_are_compared_up_to_64_KiB),
        cmocka_unit_test(a_cut_text_equals_nothing_and_ends_nowhere),
        cmocka_unit_test(an_event_costs_no_allocation),
        cmocka_unit_test(threads_read_one_matcher),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
