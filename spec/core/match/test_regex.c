/* The regex wrapper: what it finds, and that no pattern on no text takes longer than its steps. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/err.h"
#include "match/regex.h"
#include "match/regex_atoms.h"

#define STEPS 100000

static enum regex_outcome search(const char *pattern, struct str subject, unsigned steps, size_t (*spans)[2],
                                 size_t *count)
{
    struct err err;
    struct regex *regex = regex_new(str_from(pattern), 0, &err);
    if (!regex)
        fail_msg("%s: %s", pattern, err.message);
    struct regex_scratch *scratch = regex_scratch_new();
    enum regex_outcome outcome = regex_search(regex, scratch, subject, 0, steps, spans, 8, count);
    assert_true(outcome != REGEX_LIMIT || regex_steps(scratch) > 0);
    regex_scratch_free(scratch);
    regex_free(regex);
    return outcome;
}

static void groups_are_given_as_spans(void **state)
{
    (void)state;
    size_t spans[8][2], count;
    assert_int_equal(search("(a+)(x)?(b)", STR("zzaab"), STEPS, spans, &count), REGEX_YES);
    assert_int_equal(count, 4);
    assert_true(spans[0][0] == 2 && spans[0][1] == 5);
    assert_true(spans[1][0] == 2 && spans[1][1] == 4);
    assert_true(spans[2][0] == SIZE_MAX && spans[2][1] == SIZE_MAX);
    assert_true(spans[3][0] == 4 && spans[3][1] == 5);
    assert_int_equal(search("(x)(y)?(z)?", STR("x"), STEPS, spans, &count), REGEX_YES);
    assert_true(count == 4 && spans[3][0] == SIZE_MAX);
    assert_int_equal(search("q", STR("x"), STEPS, spans, &count), REGEX_NO);
    assert_int_equal(search("q", STR("\xff\xfeq"), STEPS, spans, &count), REGEX_YES);
}

static void a_search_can_start_later(void **state)
{
    (void)state;
    struct regex *regex = regex_new(STR("^a|b"), REGEX_CASELESS, NULL);
    struct regex_scratch *scratch = regex_scratch_new();
    size_t span[1][2], count;
    assert_int_equal(regex_search(regex, scratch, STR("axaB"), 1, STEPS, span, 1, &count), REGEX_YES);
    assert_int_equal(span[0][0], 3);
    assert_int_equal(regex_search(regex, scratch, STR("ab"), 2, STEPS, NULL, 0, NULL), REGEX_NO);
    assert_int_equal(regex_search(regex, scratch, STR("ab"), 3, STEPS, NULL, 0, NULL), REGEX_NO);
    regex_scratch_free(scratch);
    regex_free(regex);
}

/* Texts of 64 KiB made to be slow for the pattern beside them. */
static void no_pattern_outruns_its_steps(void **state)
{
    (void)state;
    static const struct {
        const char *pattern, *repeat;
    } cases[] = {
        {"(a+)+$", "a"},
        {"(a|aa)+[cd]", "a"},
        {"x.*y.*[zw]", "xy"},
        {"(.*)\\1[bc]", "a"},
        {"(?:.{1000,}){3}[zw]", "a"},
        {"x[^y]*+[zw]", "x"},
        {"(x+x+)+[yz]", "x"},
        {"^(([a-z])+.)+[A-Z]([a-z])+$", "a"},
        {"(?:a?){50}a{50}[bc]", "a"},
        {".*a.*b.*c.*d.*[ef]", "abcd"},
        {"(\\w+\\s*)+[:;]", "ab "},
        {"(?<=a)b(.*)+[cd]", "ab"},
        {"((?:a|b|ab)+)+$x", "ab"},
        {"(a(?1)?b)+[cd]", "aab"},
    };
    enum { SIZE = 65536 };
    char *text = mem_alloc(SIZE);
    size_t limited = 0;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        size_t n = strlen(cases[i].repeat);
        for (size_t at = 0; at < SIZE; at++)
            text[at] = cases[i].repeat[at % n];
        text[SIZE - 1] = '!';
        int64_t start = clock_thread_cpu();
        limited += search(cases[i].pattern, (struct str){text, SIZE}, STEPS, NULL, NULL) == REGEX_LIMIT;
        int64_t ms = (clock_thread_cpu() - start) / NS_PER_MS;
        if (ms > 2000) /* 2 ms without a sanitizer, where it ran for hours without steps */
            fail_msg("%s took %lld ms", cases[i].pattern, (long long)ms);
    }
    assert_true(limited >= 8);
    free(text);
}

static void steps_are_a_limit_on_both_sides(void **state)
{
    (void)state;
    struct str text = STR("aaaaaaaaaaaaaaaaaaaab");
    assert_int_equal(search("a+[cd]", text, 5, NULL, NULL), REGEX_LIMIT);
    assert_int_equal(search("a+[cd]", text, 5000, NULL, NULL), REGEX_NO);
    assert_int_equal(search("(a+)+[cd]", text, 5000, NULL, NULL), REGEX_LIMIT);
}

static bool accepted(const char *pattern, enum err_code code)
{
    struct err err = {0};
    struct regex *regex = regex_new(str_from(pattern), 0, &err);
    bool ok = regex != NULL;
    assert_int_equal(regex_check(str_from(pattern), 0, NULL) == 0, ok);
    assert_true(ok || err.code == code);
    regex_free(regex);
    return ok;
}

static void patterns_have_limits(void **state)
{
    (void)state;
    assert_true(accepted("a{1000}", ERR_INVALID));
    assert_false(accepted("a{1001}", ERR_INVALID));
    assert_false(accepted("a{2,1001}", ERR_INVALID));
    assert_true(accepted("[{1001}]\\{1001}\\Q{1001}\\E{1,x1001}", ERR_INVALID));
    assert_false(accepted("(((a{1000}){1000}){1000})", ERR_LIMIT));
    assert_false(accepted("(?C9)a", ERR_INVALID));
    assert_false(accepted("\\Ca", ERR_INVALID));
    assert_false(accepted("a)", ERR_INVALID));
    char *pattern = mem_zalloc(1, 8194);
    memset(pattern, 'a', 4096);
    assert_true(accepted(pattern, ERR_LIMIT));
    memset(pattern, 'a', 8192); /* the callouts that count steps make it eight times as large */
    assert_false(accepted(pattern, ERR_LIMIT));
    free(pattern);
    struct arena *arena = arena_new(0);
    struct str groups = {"", 0};
    for (int i = 0; i < 256; i++)
        groups = str_from(arena_printf(arena, "%.*s()", STR_ARG(groups)));
    assert_true(accepted(groups.ptr + 2, ERR_LIMIT));
    assert_false(accepted(groups.ptr, ERR_LIMIT));
    arena_free(arena);
}

static void atoms_are_what_a_match_cannot_be_without(void **state)
{
    (void)state;
    static const struct {
        const char *pattern, *atoms;
    } cases[] = {
        {"powershell", "powershell "},
        {"ab|cd", "ab cd "},
        {"Foo(bar|baz)?qux!", "qux! "},
        {"(fooo|baar)baz", "fooo baar "},
        {"abc?def", "def "},
        {"abc+def", "abc "},
        {"a.b", ""},
        {"ab|", ""},
        {"[eE][nN]c\\.exe", "enc.exe "},
        {"[ab]longer\\dxyz", "longer "},
        {"(?i)ABC", "abc "},
        {"(?x)a b c d", ""},
        {"(?!not)yes", "yes "},
        {"(?:abcd){0,3}ef", "ef "},
        {"(?:abcd){2,3}ef", "abcd "},
        {"\\Qa.b\\E", ""},
        {"(?#comment)abc", ""},
        {"abc(?=def)", "abc "},
        {"^abc$", "abc "},
        {"(?<name>abcd)e", "abcd "},
        {"\\x41BCD", ""},
        {"\\tabcd\\b", "abcd "},
        {"x{2}yz", "yz "},
        {"[[:alpha:]]+word", "word "},
        {"straße-weg", "e-weg "},
    };
    struct arena *arena = arena_new(0);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct str atoms[REGEX_ATOMS_MAX];
        char got[256] = "";
        size_t at = 0, count = regex_atoms(arena, str_from(cases[i].pattern), atoms);
        for (size_t k = 0; k < count; k++)
            at += (size_t)snprintf(got + at, sizeof(got) - at, "%.*s ", STR_ARG(atoms[k]));
        bool one_of = strstr(cases[i].atoms, got) != NULL && (got[0] || !cases[i].atoms[0]);
        if (!one_of)
            fail_msg("%s: \"%s\", not \"%s\"", cases[i].pattern, got, cases[i].atoms);
    }
    arena_free(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(groups_are_given_as_spans),
        cmocka_unit_test(a_search_can_start_later),
        cmocka_unit_test(no_pattern_outruns_its_steps),
        cmocka_unit_test(steps_are_a_limit_on_both_sides),
        cmocka_unit_test(patterns_have_limits),
        cmocka_unit_test(atoms_are_what_a_match_cannot_be_without),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
