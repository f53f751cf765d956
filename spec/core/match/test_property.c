/* Thousands of seeded rules and events: the index must say what the slow evaluator says. world_match
 * compares. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/text.h"
#include "chance.h"
#include "match/regex.h"
#include "match/regex_atoms.h"
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

/* ---- regular expressions: what the atoms promise ---- */

static void random_regex(struct chance *c, struct buf *out, unsigned depth)
{
    static const char *const items[] = {"a",   "b",   "B",   "ab",     "abc",   "[aA]",       "[bc]", "[^a]",
                                        ".",   "\\.", "\\w", "k",      "\\b",   "^",          "$",    "é",
                                        "aba", "[.]", "\\d", "(?=ab)", "(?!c)", "[[:alpha:]]"};
    static const char *const repeats[] = {"",      "",    "",     "",   "?",  "*",    "+",
                                          "{0,2}", "{2}", "{1,}", "+?", "*+", "{,2}", "{x"};
    static const char *const groups[] = {"(", "(?:", "(?i)(", "(?i:", "(?<n>", "(?>"};
    for (unsigned n = 1 + chance_of(c, 4), i = 0; i < n; i++) {
        if (depth < 3 && chance_is(c, 20)) {
            buf_puts(out, depth ? groups[chance_of(c, 2)] : PICK(c, groups));
            random_regex(c, out, depth + 1);
            buf_putc(out, ')');
        } else {
            buf_puts(out, PICK(c, items));
        }
        buf_puts(out, PICK(c, repeats));
    }
    if (chance_is(c, 25)) {
        buf_putc(out, '|');
        random_regex(c, out, depth + 1);
    }
}

static bool one_is_in(const struct str *atoms, size_t count, struct str text)
{
    for (size_t i = 0; i < count; i++)
        if (memmem(text.ptr, text.len, atoms[i].ptr, atoms[i].len))
            return true;
    return false;
}

static void a_text_that_matches_holds_an_atom(void **state)
{
    (void)state;
    struct chance c = {20260101};
    struct regex_scratch *scratch = regex_scratch_new();
    struct arena *arena = arena_new(0);
    struct buf pattern = BUF_EMPTY, text = BUF_EMPTY;
    size_t with_atoms = 0, matched = 0;
    for (int turn = 0; turn < 20000; turn++) {
        struct str atoms[REGEX_ATOMS_MAX];
        buf_clear(&pattern);
        random_regex(&c, &pattern, 0);
        struct regex *regex = regex_new(buf_str(&pattern), turn % 2 ? REGEX_CASELESS : 0, NULL);
        size_t count = regex ? regex_atoms(arena, buf_str(&pattern), atoms) : 0;
        with_atoms += count > 0;
        for (int i = 0; count && i < 40; i++) {
            buf_clear(&text);
            for (unsigned n = chance_of(&c, 14); n > 0; n--)
                buf_puts(&text, PICK(&c, ((const char *const[]){"a", "b", "c", "A", "B", "ab", "k",
                                                                "\xe2\x84\xaa", "."})));
            struct str subject = text.len ? buf_str(&text) : STR("");
            if (regex_search(regex, scratch, subject, 0, 100000, NULL, 0, NULL) != REGEX_YES)
                continue;
            matched++;
            if (!one_is_in(atoms, count, text_fold_dup(arena, subject)))
                fail_msg("/%s/ matches \"%.*s\", which holds none of its atoms", pattern.ptr,
                         STR_ARG(subject));
        }
        regex_free(regex);
        arena_reset(arena);
    }
    print_message("%zu patterns with atoms, %zu matches\n", with_atoms, matched);
    assert_true(with_atoms > 5000 && matched > 10000);
    buf_free(&pattern);
    buf_free(&text);
    arena_free(arena);
    regex_scratch_free(scratch);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_index_says_what_the_slow_evaluator_says),
        cmocka_unit_test(a_text_that_matches_holds_an_atom),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
