/* Text: UTF-8, case folding, nearest names. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/text.h"
#include "core/base/torture.h"

static void test_a_list_is_cut_into_its_items(void **state)
{
    (void)state;
    static const struct {
        const char *list, *items;
    } lists[] = {{"", ""}, {"a", "a|"}, {"a,bc", "a|bc|"}, {",a,,b,", "|a||b|"}, {"a,", "a|"}};
    for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
        struct str list = str_from(lists[i].list), item;
        char got[32] = "";
        while (str_next(&list, ',', &item))
            snprintf(got + strlen(got), sizeof(got) - strlen(got), "%.*s|", STR_ARG(item));
        assert_string_equal(got, lists[i].items);
    }
}

static const struct {
    const char *text, *repaired;
} broken[] = {
    {"plain", "plain"},
    {"\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80", "\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80"},
    {"a\xff"
     "b",
     "a\xef\xbf\xbd"
     "b"},
    {"a\x80\x80"
     "b",
     "a\xef\xbf\xbd\xef\xbf\xbd"
     "b"},
    {"\xe2\x82", "\xef\xbf\xbd"},
    {"\xe2\x82x", "\xef\xbf\xbdx"},
    {"\xf0\x9f\x98", "\xef\xbf\xbd"},
    {"\xc0\xaf", "\xef\xbf\xbd\xef\xbf\xbd"},
    {"\xed\xa0\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},
    {"\xf4\x90\x80\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},
    {"\xe0\x80\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},
    {"123456789012345\xff", "123456789012345\xef\xbf\xbd"},
};

static void test_bad_sequences_become_one_replacement_each(void **state)
{
    (void)state;
    struct arena *arena = arena_new(0);
    for (size_t i = 0; i < sizeof(broken) / sizeof(broken[0]); i++) {
        struct str text = str_from(broken[i].text);
        bool repaired;
        struct str result = text_repair_utf8(arena, text, &repaired);
        assert_true(str_is(result, broken[i].repaired));
        assert_int_equal(repaired, strcmp(broken[i].text, broken[i].repaired) != 0);
        assert_int_equal(text_is_utf8(text), !repaired);
        assert_true(repaired || result.ptr == text.ptr);
        assert_true(text_is_utf8(result));
    }
    arena_free(arena);
}

static void test_the_published_utf_8_vectors_are_held(void **state)
{
    (void)state;
    struct buf file = BUF_EMPTY;
    if (!torture_read("utf8-vectors.ndjson", &file)) {
        print_message("SKIPPED: no shared data\n");
        skip();
    }
    unsigned checked = 0;
    size_t at = 0;
    for (struct str line; json_lines_next(buf_str(&file), &at, &line); checked++) {
        struct json *vector = json_parse(line, NULL, NULL);
        struct str hex;
        bool valid;
        assert_true(json_get_str(vector, "hex", &hex) && json_get_bool(vector, "valid", &valid));
        char *bytes = malloc(hex.len / 2 + 1);
        for (size_t i = 0; i < hex.len / 2; i++)
            bytes[i] = (char)strtol((char[]){hex.ptr[2 * i], hex.ptr[2 * i + 1], 0}, NULL, 16);
        if (text_is_utf8((struct str){bytes, hex.len / 2}) != valid)
            fail_msg("%.*s: should be %s", STR_ARG(hex), valid ? "valid" : "invalid");
        free(bytes);
        json_free(vector);
    }
    assert_int_equal(checked, 132);
    buf_free(&file);
}

static void test_every_character_encodes_and_decodes(void **state)
{
    (void)state;
    for (uint32_t point = 0; point <= 0x10ffff; point++) {
        char bytes[4];
        uint32_t again;
        if (point >= 0xd800 && point <= 0xdfff)
            continue;
        size_t len = text_utf8_encode(point, bytes);
        assert_int_equal(text_utf8_decode((struct str){bytes, len}, &again), len);
        assert_int_equal(again, point);
    }
}

/* Facts of Unicode's CaseFolding.txt, status C and S, and some characters that have none. */
static const uint32_t folds[][2] = {
    {'A', 'a'},         {'Z', 'z'},         {'[', '['},         {'@', '@'},         {0xb5, 0x3bc},
    {0xc0, 0xe0},       {0xd7, 0xd7},       {0xdf, 0xdf},       {0x130, 0x130},     {0x149, 0x149},
    {0x178, 0xff},      {0x17f, 's'},       {0x1c4, 0x1c6},     {0x1c5, 0x1c6},     {0x1f0, 0x1f0},
    {0x23a, 0x2c65},    {0x345, 0x3b9},     {0x390, 0x390},     {0x391, 0x3b1},     {0x3c2, 0x3c3},
    {0x3f4, 0x3b8},     {0x410, 0x430},     {0x10a0, 0x2d00},   {0x13a0, 0x13a0},   {0x13f8, 0x13f0},
    {0x1c80, 0x432},    {0x1e9b, 0x1e61},   {0x1e9e, 0xdf},     {0x1f88, 0x1f80},   {0x1fbc, 0x1fb3},
    {0x1fd3, 0x1fd3},   {0x2126, 0x3c9},    {0x212a, 'k'},      {0x212b, 0xe5},     {0x2160, 0x2170},
    {0x24b6, 0x24d0},   {0xa64a, 0xa64b},   {0xab70, 0x13a0},   {0xabbf, 0x13ef},   {0xfb00, 0xfb00},
    {0xff21, 0xff41},   {0x10400, 0x10428}, {0x118a0, 0x118c0}, {0x16e40, 0x16e60}, {0x1e900, 0x1e922},
    {0x1e921, 0x1e943}, {0x1f600, 0x1f600},
};

static void test_folding_follows_unicode(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(folds) / sizeof(folds[0]); i++) {
        char in[4], out[8];
        uint32_t point;
        size_t len = text_fold((struct str){in, text_utf8_encode(folds[i][0], in)}, out);
        assert_int_equal(text_utf8_decode((struct str){out, len}, &point), len);
        assert_int_equal(point, folds[i][1]);
    }
}

static void test_folding_twice_is_folding_once_and_fits(void **state)
{
    (void)state;
    for (uint32_t point = 0; point <= 0x10ffff; point++) {
        char in[4], once[8], twice[8];
        if (point >= 0xd800 && point <= 0xdfff)
            continue;
        size_t len = text_utf8_encode(point, in);
        size_t first = text_fold((struct str){in, len}, once);
        size_t second = text_fold((struct str){once, first}, twice);
        assert_true(first <= text_fold_max(len));
        assert_int_equal(first, second);
        assert_memory_equal(once, twice, first);
    }
}

static void test_folding_leaves_no_byte_out_at_any_offset(void **state)
{
    (void)state;
    struct arena *arena = arena_new(0);
    for (size_t pad = 0; pad < 40; pad++) {
        struct buf in = BUF_EMPTY, expected = BUF_EMPTY;
        for (size_t i = 0; i < pad; i++) {
            buf_putc(&in, (char)('A' + i % 26));
            buf_putc(&expected, (char)('a' + i % 26));
        }
        buf_puts(&in, "\xc3\x89\xff"
                      "XYZ@[`{\xe2\x84\xaa\xc8\xba\xc8\xba");
        buf_puts(&expected, "\xc3\xa9\xff"
                            "xyz@[`{k\xe2\xb1\xa5\xe2\xb1\xa5");
        struct str folded = text_fold_dup(arena, buf_str(&in));
        assert_true(str_equal(folded, buf_str(&expected)));
        assert_true(text_equal_fold(buf_str(&in), buf_str(&expected)));
        assert_false(text_equal_fold(buf_str(&in), (struct str){expected.ptr, expected.len - 1}));
        buf_free(&in);
        buf_free(&expected);
    }
    assert_true(text_equal_fold(STR(""), STR("")));
    assert_false(text_equal_fold(STR("a"), STR("b")));
    assert_true(text_equal_fold(STR("STRA\xe1\xba\x9e"
                                    "E"),
                                STR("stra\xc3\x9f"
                                    "e")));
    arena_free(arena);
}

static void test_distance_counts_edits_and_swaps(void **state)
{
    static const struct {
        const char *a, *b;
        unsigned distance;
    } cases[] = {
        {"", "", 0},       {"abc", "abc", 0},          {"abc", "abd", 1},        {"abc", "acb", 1},
        {"abc", "ab", 1},  {"abc", "xabc", 1},         {"kitten", "sitting", 3}, {"actoin", "action", 1},
        {"abcdef", "", 5}, {"abcdefgh", "hgfedcba", 5}};
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_int_equal(text_distance(str_from(cases[i].a), str_from(cases[i].b), 4), cases[i].distance);
        assert_int_equal(text_distance(str_from(cases[i].b), str_from(cases[i].a), 4), cases[i].distance);
    }
}

static void test_the_nearest_name_is_offered_when_it_is_near(void **state)
{
    static const char *const names[] = {"event.action", "event.outcome", "user.name"};
    (void)state;
    assert_string_equal(text_nearest(STR("event.actoin"), names, 3), "event.action");
    assert_string_equal(text_nearest(STR("usr.nam"), names, 3), "user.name");
    assert_null(text_nearest(STR("destination.port"), names, 3));
    assert_null(text_nearest(STR(""), names, 3));
    assert_null(text_nearest(STR("x"), names, 0));
}

static void test_text_for_people_has_no_control_characters(void **state)
{
    (void)state;
    struct arena *arena = arena_new(0);
    assert_true(str_is(text_printable(arena, STR("a\n\t\r\x01\x7f\xc2\x9b\xff\xc3\xa9"), 100),
                       "a\\n\\t\\r\\u0001\\u007f\\u009b\xef\xbf\xbd\xc3\xa9"));
    assert_true(str_is(text_printable(arena, STR("12345"), 5), "12345"));
    assert_true(str_is(text_printable(arena, STR("123456"), 5), "12345\xe2\x80\xa6"));
    assert_true(str_is(text_printable(arena, STR("1234\xc3\xa9"), 5), "1234\xe2\x80\xa6"));
    assert_int_equal(text_printable(arena, STR(""), 5).len, 0);
    arena_free(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_list_is_cut_into_its_items),
        cmocka_unit_test(test_bad_sequences_become_one_replacement_each),
        cmocka_unit_test(test_the_published_utf_8_vectors_are_held),
        cmocka_unit_test(test_every_character_encodes_and_decodes),
        cmocka_unit_test(test_folding_follows_unicode),
        cmocka_unit_test(test_folding_twice_is_folding_once_and_fits),
        cmocka_unit_test(test_folding_leaves_no_byte_out_at_any_offset),
        cmocka_unit_test(test_distance_counts_edits_and_swaps),
        cmocka_unit_test(test_the_nearest_name_is_offered_when_it_is_near),
        cmocka_unit_test(test_text_for_people_has_no_control_characters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
