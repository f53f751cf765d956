/* Thousands of seeded rules and events: the index must say what the slow evaluator says. world_match
 * compares. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "chance.h"
#include "world.h"

#define RULES  60
#define EVENTS 20

struct tally {
    size_t rules, events, matches, cut;
};

/* What JSON takes but the loader does not (null in a list, "all" of an exists …) is skipped. */
static void add_rules(struct world *w, struct chance *c, size_t count, const char *product)
{
    struct buf text = BUF_EMPTY;
    for (size_t i = 0; i < count; i++) {
        buf_clear(&text);
        chance_rule(c, &text, 0);
        world_routed(w, buf_str(&text), i % 3 ? product : "", "");
    }
    buf_free(&text);
}

static void play(uint64_t seed, struct tally *tally)
{
    struct chance c = {seed * UINT64_C(0x9e3779b97f4a7c15) | 1};
    struct world *w = world_new();
    const struct match_route routes[] = {{STR(""), STR("one"), STR("")}, {STR(""), STR("two"), STR("")}};
    add_rules(w, &c, RULES / 2, "one");
    add_rules(w, &c, RULES / 2, "two");
    fields_freeze(w->fields);
    world_compile(w, routes, 2);
    struct buf text = BUF_EMPTY;
    for (size_t i = 0; i < EVENTS; i++) {
        buf_clear(&text);
        chance_event(&c, &text);
        struct event *event = world_event(w, buf_str(&text));
        event->source = i % 3 == 2 ? UINT32_MAX : (uint32_t)(i % 3);
        struct match_result result = world_match(w, event);
        tally->matches += result.count;
        tally->cut += result.cut_off;
    }
    tally->events += EVENTS;
    tally->rules += w->rules.count;
    buf_free(&text);
    world_free(w);
}

static void the_index_says_what_the_slow_evaluator_says(void **state)
{
    (void)state;
    struct tally tally = {0};
    for (uint64_t seed = 1; seed <= 400; seed++)
        play(seed, &tally);
    print_message("%zu rules, %zu events, %zu matches\n", tally.rules, tally.events, tally.matches);
    assert_int_equal(tally.cut, 0);
    assert_true(tally.rules > 15000 && tally.matches > 10000); /* else the chances are badly chosen */
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(the_index_says_what_the_slow_evaluator_says)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
