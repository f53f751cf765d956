/* Lists: what a file gives, and what counts as held. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "rules/lists.h"

static struct list *parse(struct arena *arena, const char *text, bool csv)
{
    struct list *list = list_new(STR("test"), STR("lists/test.txt"));
    struct err err = {0};
    unsigned line;
    assert_int_equal(list_parse(list, arena, str_from(text), csv, &line, &err), 0);
    list_finish(list);
    return list;
}

static bool has(const struct list *list, const char *value)
{
    return list_has(list, str_from(value));
}

static void lines_are_trimmed_and_comments_left_out(void **state)
{
    (void)state;
    struct arena *arena = arena_new(0);
    struct list *list = parse(arena, "\xEF\xBB\xBF# who\n\n  ana \r\nbo#1\n\t# no\ncy", false);
    assert_int_equal(list->entries.count, 3);
    assert_true(has(list, "ana"));
    assert_true(has(list, "bo#1"));
    assert_true(has(list, "cy"));
    assert_false(has(list, "# no"));
    assert_false(has(list, ""));
    list_free(list);
    arena_free(arena);
}

static void of_csv_the_first_column_counts(void **state)
{
    (void)state;
    struct arena *arena = arena_new(0);
    struct list *list = parse(arena, "# agent,who\ncurl/,\"the, tool\"\n\"a, \"\"b\"\"\",x\nplain\n,empty\n",
                              true);
    assert_int_equal(list->entries.count, 3);
    assert_true(has(list, "CURL/"));
    assert_true(has(list, "a, \"b\""));
    assert_true(has(list, "plain"));
    assert_false(has(list, "the"));
    list_free(list);
    arena_free(arena);
}

static void texts_are_held_as_match_compares_them(void **state)
{
    (void)state;
    struct arena *arena = arena_new(0);
    struct list *list = parse(arena, "Ana\nSTRASSE\nC:\\Temp\\*\n", false);
    struct literal number = {.type = LITERAL_NUMBER, .is_integer = true, .i = 443};
    assert_int_equal(list_add(list, &number, NULL), 0);
    list_finish(list);
    assert_true(has(list, "aNA"));
    assert_true(has(list, "443"));
    assert_true(has(list, "c:\\temp\\*"));
    assert_false(has(list, "C:\\Temp\\x"));
    assert_false(has(list, "an"));
    list_free(list);
    arena_free(arena);
}

static void an_address_is_held_by_a_network_of_the_list(void **state)
{
    (void)state;
    struct arena *arena = arena_new(0);
    struct list *list = parse(arena, "10.0.0.0/8\n203.0.113.7/32\n192.168.1.77/24\n2001:db8::/33\n::1\n",
                              false);
    assert_true(has(list, "10.255.0.1"));
    assert_false(has(list, "11.0.0.1"));
    assert_true(has(list, "203.0.113.7"));
    assert_false(has(list, "203.0.113.8"));
    assert_true(has(list, "192.168.1.1"));
    assert_true(has(list, "::ffff:10.1.2.3"));
    assert_true(has(list, "2001:db8:7fff::1"));
    assert_false(has(list, "2001:db8:8000::1"));
    assert_true(has(list, "::1"));
    assert_true(has(list, "10.0.0.0/8"));
    assert_false(has(list, "10.0.0"));
    assert_false(has(list, "a10.0.0.1"));
    list_free(list);
    arena_free(arena);
}

static void the_network_of_everything_holds_everything(void **state)
{
    (void)state;
    struct arena *arena = arena_new(0);
    struct list *list = parse(arena, "0.0.0.0/0", false);
    assert_true(has(list, "255.255.255.255"));
    assert_false(has(list, "::2"));
    list_free(list);
    arena_free(arena);
}

static void what_looks_like_a_network_and_is_none_is_a_text(void **state)
{
    (void)state;
    struct arena *arena = arena_new(0);
    struct list *list = parse(arena, "10.0.0.0/33\n10.0.0.0/\n10.0.0.0/8x\n/8\n1.2.3/8\n", false);
    assert_null(list->networks);
    assert_true(has(list, "10.0.0.0/33"));
    assert_false(has(list, "10.0.0.0"));
    list_free(list);
    arena_free(arena);
}

static void a_list_has_at_most_a_million_entries(void **state)
{
    (void)state;
    struct arena *arena = arena_new(0);
    struct buf text = BUF_EMPTY;
    for (int i = 0; i < LIST_ENTRIES_MAX; i++)
        buf_printf(&text, "%d\n", i);
    struct list *list = list_new(STR("test"), STR("x"));
    struct err err = {0};
    unsigned line;
    assert_int_equal(list_parse(list, arena, buf_str(&text), false, &line, &err), 0);
    assert_int_equal(list->entries.count, LIST_ENTRIES_MAX);
    list_free(list);
    buf_puts(&text, "one more\n");
    list = list_new(STR("test"), STR("x"));
    assert_int_equal(list_parse(list, arena, buf_str(&text), false, &line, &err), -1);
    assert_int_equal(err.code, ERR_LIMIT);
    assert_int_equal(line, LIST_ENTRIES_MAX + 1);
    assert_string_equal(err.message, "the list has more than 1000000 entries");
    list_free(list);
    buf_free(&text);
    arena_free(arena);
}

static void an_entry_has_at_most_4096_bytes(void **state)
{
    (void)state;
    char text[LIST_ENTRY_MAX + 1];
    memset(text, 'a', sizeof(text));
    struct list *list = list_new(STR("test"), STR("x"));
    struct literal literal = {.type = LITERAL_STRING, .text = {text, LIST_ENTRY_MAX}};
    struct err err = {0};
    assert_int_equal(list_add(list, &literal, &err), 0);
    list_finish(list);
    assert_true(list_has(list, (struct str){text, LIST_ENTRY_MAX}));
    assert_false(list_has(list, (struct str){text, LIST_ENTRY_MAX + 1}));
    literal.text.len++;
    assert_int_equal(list_add(list, &literal, &err), -1);
    assert_int_equal(err.code, ERR_LIMIT);
    list_free(list);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_are_trimmed_and_comments_left_out),
        cmocka_unit_test(of_csv_the_first_column_counts),
        cmocka_unit_test(texts_are_held_as_match_compares_them),
        cmocka_unit_test(an_address_is_held_by_a_network_of_the_list),
        cmocka_unit_test(the_network_of_everything_holds_everything),
        cmocka_unit_test(what_looks_like_a_network_and_is_none_is_a_text),
        cmocka_unit_test(a_list_has_at_most_a_million_entries),
        cmocka_unit_test(an_entry_has_at_most_4096_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
