/* JSON documents as trees. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>

#include "base/json.h"

static void test_a_document_is_read_by_kind(void **state)
{
    (void)state;
    struct json *root = json_parse(STR("{\"s\":\"text\",\"i\":-5,\"d\":2.5,\"t\":true,\"f\":false,\"n\":null,"
                                       "\"a\":[1,\"x\"],\"o\":{\"k\":1}}"),
                                   NULL, NULL);
    struct str s = STR("untouched");
    int64_t i = 77;
    double d = 77;
    bool b = false;
    assert_non_null(root);
    assert_true(json_get_str(root, "s", &s) && str_is(s, "text"));
    assert_true(json_get_int(root, "i", &i) && i == -5);
    assert_true(json_get_double(root, "d", &d) && d == 2.5);
    assert_true(json_get_double(root, "i", &d) && d == -5);
    assert_true(json_get_bool(root, "t", &b) && b);
    assert_true(json_get_bool(root, "f", &b) && !b);
    assert_int_equal(json_kind(json_get(root, "n")), JSON_KIND_NULL);
    assert_int_equal(json_kind(json_get(root, "absent")), JSON_KIND_NULL);
    assert_null(json_get(root, "absent"));
    assert_int_equal(json_count(root), 8);
    assert_int_equal(json_count(json_get(root, "a")), 2);
    assert_int_equal(json_count(json_get(root, "s")), 0);
    assert_int_equal(json_kind(json_item(json_get(root, "a"), 1)), JSON_KIND_STRING);
    assert_null(json_item(json_get(root, "a"), 2));
    assert_null(json_item(root, 0));
    assert_null(json_get(json_get(root, "a"), "k"));
    i = 77;
    assert_false(json_get_int(root, "d", &i) || json_get_int(root, "s", &i) ||
                 json_get_int(root, "absent", &i));
    assert_false(json_get_str(root, "i", &s) || json_get_bool(root, "n", &b) ||
                 json_get_double(root, "t", &d));
    assert_int_equal(i, 77);
    json_free(root);
    json_free(NULL);
}

static void test_members_are_visited_and_printed_in_document_order(void **state)
{
    (void)state;
    const char *text = "{\"z\":1,\"a\":[true,null,2.5],\"m\":{\"\":\"\\u0001\xc3\xa9\"}}";
    struct json *root = json_parse(str_from(text), NULL, NULL);
    struct buf keys = BUF_EMPTY, out = BUF_EMPTY;
    struct str key;
    const struct json *value;
    for (void *at = NULL; json_next(root, &at, &key, &value);) {
        buf_put(&keys, key);
        assert_non_null(value);
    }
    assert_string_equal(keys.ptr, "zam");
    json_print(root, &out);
    assert_string_equal(out.ptr, text);
    void *at = NULL;
    assert_false(json_next(json_get(root, "z"), &at, &key, &value));
    buf_free(&keys);
    buf_free(&out);
    json_free(root);
}

static void test_what_is_not_strict_json_is_refused_with_its_place(void **state)
{
    static const char *const texts[] = {
        "",    "{",          "{\"a\":1,}",        "{\"a\":1}x", "[1,]",          "{'a':1}",
        "nul", "[\"\xff\"]", "{\"a\":1,\"a\":2}", "[1e999]",    "[\"\\u0000\"]", "[01]"};
    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct err err = {0};
        if (json_parse(str_from(texts[i]), NULL, &err))
            fail_msg("accepted: %s", texts[i]);
        assert_int_equal(err.code, ERR_INVALID);
        assert_non_null(strstr(err.message, "line "));
    }
}

static void test_duplicate_keys_are_accepted_on_demand(void **state)
{
    (void)state;
    struct json_limits limits = json_limits_api;
    limits.duplicates = true;
    struct json *root = json_parse(STR("{\"a\":1,\"a\":2}"), &limits, NULL);
    int64_t i;
    assert_true(json_get_int(root, "a", &i) && i == 2);
    json_free(root);
}

static void test_a_document_has_limits(void **state)
{
    (void)state;
    struct err err = {0};
    struct json_limits limits = {10, 3, false};
    struct json *root = json_parse(STR("[[[1,2]]] "), &limits, &err);
    assert_non_null(root);
    json_free(root);
    assert_null(json_parse(STR("[[[1,2]]]  "), &limits, &err));
    assert_int_equal(err.code, ERR_LIMIT);
    assert_null(json_parse(STR("[[[[1]]]]"), &limits, &err));
    assert_int_equal(err.code, ERR_LIMIT);
    root = json_parse(STR("[\"[[[\\\"[\"]"), &limits, &err); /* brackets inside a string */
    assert_non_null(root);
    json_free(root);
}

static void test_our_own_texts_are_read_as_by_the_other_parser(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "{\"b\":[1,-2.5,true,false,null,{}],\"a\":\"caf\\u00e9 \\\"x\\\"\\n\",\"\":[]}",
        "7",
        "[9223372036854775807,-9223372036854775808,1e300]",
        " [[[\"deep\"]]] ",
    };
    struct json_reader *reader = json_reader_new(1 << 10, 4);
    struct buf mine = BUF_EMPTY, other = BUF_EMPTY;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct json *read = json_read(reader, str_from(texts[i]));
        struct json *parsed = json_parse(str_from(texts[i]), NULL, NULL);
        buf_clear(&mine), buf_clear(&other);
        json_print(read, &mine), json_print(parsed, &other);
        assert_string_equal(mine.ptr, other.ptr);
        json_free(read), json_free(parsed);
    }
    struct json *odd = json_read(
        reader, STR("{\"a\":1,\"a\":2,\"n\\u0000\":\"x\\u0000y\",\"big\":18446744073709551615}"));
    buf_clear(&mine);
    json_print(odd, &mine);
    assert_string_equal(mine.ptr,
                        "{\"a\":2,\"n\xef\xbf\xbd\":\"x\xef\xbf\xbdy\",\"big\":1.8446744073709552e19}");
    json_free(odd);
    json_reader_free(reader);
    json_reader_free(NULL);
    buf_free(&mine), buf_free(&other);
}

static void test_a_reader_has_limits(void **state)
{
    (void)state;
    struct json_reader *reader = json_reader_new(10, 3);
    struct json *root = json_read(reader, STR("[[[1,2]]] "));
    assert_non_null(root);
    json_free(root);
    assert_null(json_read(reader, STR("[[[1,2]]]  ")));
    assert_null(json_read(reader, STR("[[[[1]]]]")));
    assert_null(json_read(reader, STR("{\"a\":}")));
    assert_null(json_read(reader, STR("")));
    json_reader_free(reader);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_document_is_read_by_kind),
        cmocka_unit_test(test_members_are_visited_and_printed_in_document_order),
        cmocka_unit_test(test_what_is_not_strict_json_is_refused_with_its_place),
        cmocka_unit_test(test_duplicate_keys_are_accepted_on_demand),
        cmocka_unit_test(test_a_document_has_limits),
        cmocka_unit_test(test_our_own_texts_are_read_as_by_the_other_parser),
        cmocka_unit_test(test_a_reader_has_limits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
