/* The JSON of the event path, held against vectors that others wrote. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/text.h"
#include "core/base/torture.h"

static int parse(struct json_tape *tape, struct str text, unsigned *repairs, struct err *err)
{
    struct buf padded = BUF_EMPTY;
    buf_put(&padded, text);
    memset(buf_reserve(&padded, JSON_TAPE_PADDING), ' ', JSON_TAPE_PADDING);
    int result = json_tape_parse(tape, buf_str(&padded), repairs, err);
    buf_free(&padded);
    return result;
}

static int parse_text(struct json_tape *tape, const char *text, unsigned *repairs, struct err *err)
{
    return parse(tape, str_from(text), repairs, err);
}

static void print_tape(struct json_cursor c, size_t at, struct buf *out);

static void print_children(struct json_cursor c, size_t at, struct buf *out)
{
    bool object = json_at(c, at) == JSON_OBJECT;
    buf_putc(out, object ? '{' : '[');
    for (size_t i = json_enter(c, at); i < json_end(c, at); i = json_skip(c, i)) {
        if (i != json_enter(c, at))
            buf_putc(out, ',');
        if (object) {
            buf_json_string(out, json_string(c, i));
            buf_putc(out, ':');
            i = json_skip(c, i);
        }
        print_tape(c, i, out);
    }
    buf_putc(out, object ? '}' : ']');
}

static void print_tape(struct json_cursor c, size_t at, struct buf *out)
{
    switch (json_at(c, at)) {
    case JSON_NULL:
        buf_puts(out, "null");
        break;
    case JSON_TRUE:
        buf_puts(out, "true");
        break;
    case JSON_FALSE:
        buf_puts(out, "false");
        break;
    case JSON_INT:
        buf_printf(out, "%lld", (long long)json_int(c, at));
        break;
    case JSON_UINT:
        buf_printf(out, "%llu", (unsigned long long)json_uint(c, at));
        break;
    case JSON_DOUBLE:
        buf_json_double(out, json_double(c, at));
        break;
    case JSON_STRING:
        buf_json_string(out, json_string(c, at));
        break;
    case JSON_ARRAY:
    case JSON_OBJECT:
        print_children(c, at, out);
        break;
    }
}

/* What the odd texts become; everything else must parse to itself. */
static const struct {
    const char *text, *becomes;
    unsigned repairs;
} repaired[] = {
    {"[1e400]", "[\"1e400\"]", JSON_REPAIR_NUMBER},
    {"[-1e+9999]", "[\"-1e+9999\"]", JSON_REPAIR_NUMBER},
    {"[18446744073709551616]", "[\"18446744073709551616\"]", JSON_REPAIR_NUMBER},
    {"[-9223372036854775809]", "[\"-9223372036854775809\"]", JSON_REPAIR_NUMBER},
    {"[18446744073709551615,-9223372036854775808]", "[18446744073709551615,-9223372036854775808]", 0},
    {"{\"a\":1e400,\"b\":[2,1e400]}", "{\"a\":\"1e400\",\"b\":[2,\"1e400\"]}", JSON_REPAIR_NUMBER},
    {"[\"\\ud800\"]", "[\"\xef\xbf\xbd\"]", JSON_REPAIR_SURROGATE},
    {"[\"\\uDC00x\"]", "[\"\xef\xbf\xbdx\"]", JSON_REPAIR_SURROGATE},
    {"[\"\\ud800\\ud83d\\ude00\"]", "[\"\xef\xbf\xbd\xf0\x9f\x98\x80\"]", JSON_REPAIR_SURROGATE},
    {"{\"\\ud800\":1}", "{\"\xef\xbf\xbd\":1}", JSON_REPAIR_SURROGATE},
    {"[\"\\\\ud800\"]", "[\"\\\\ud800\"]", 0},
    {"[\"a\xff"
     "b\"]",
     "[\"a\xef\xbf\xbd"
     "b\"]",
     JSON_REPAIR_UTF8},
    {"[\"\xed\xa0\x80\"]", "[\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"]", JSON_REPAIR_UTF8},
    {"[\"\xff\",\"\\ud800\",1e400,\"1e400\"]", "[\"\xef\xbf\xbd\",\"\xef\xbf\xbd\",\"1e400\",\"1e400\"]",
     JSON_REPAIR_UTF8 | JSON_REPAIR_SURROGATE | JSON_REPAIR_NUMBER},
    {"\xef\xbb\xbf{}", "{}", 0},
    {"[1E-999]", "[0]", 0},
};

static void test_odd_values_are_repaired_and_said_so(void **state)
{
    (void)state;
    struct json_tape *tape = json_tape_new(4096, 32);
    for (size_t i = 0; i < sizeof(repaired) / sizeof(repaired[0]); i++) {
        struct err err = {0};
        struct buf out = BUF_EMPTY;
        unsigned repairs = 77;
        int result = parse_text(tape, repaired[i].text, &repairs, &err);
        if (result != 0)
            fail_msg("%s: %s", repaired[i].text, err.message);
        print_tape(json_tape_cursor(tape), json_tape_root(), &out);
        assert_string_equal(out.ptr, repaired[i].becomes);
        assert_int_equal(repairs, repaired[i].repairs);
        buf_free(&out);
    }
    json_tape_free(tape);
}

static void test_an_odd_value_excuses_nothing_else(void **state)
{
    static const char *const texts[] = {"[1e400",          "[1e400,]",     "{1e400:1}", "[\"\\ud800\",]",
                                        "[\xff]",          "[1e]",         "[-]",       "[1e400]x",
                                        "[\"\\u12\xff\"]", "[\"\\\xff\"]", "[01]",      "[\"\x01\", 1e400]",
                                        "[1e400 1e400]",   "\xef\xbb\xbf", "1e400 1"};
    (void)state;
    struct json_tape *tape = json_tape_new(4096, 32);
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct err err = {0};
        if (parse_text(tape, texts[i], NULL, &err) == 0)
            fail_msg("accepted: %s", texts[i]);
        assert_int_equal(err.code, ERR_INVALID);
    }
    json_tape_free(tape);
}

static void test_an_error_names_the_offset(void **state)
{
    static const struct {
        const char *text, *message;
    } cases[] = {
        {"{\"a\":1,}", "not JSON: expected a key in quotes at offset 7, got '}'"},
        {"{\"a\" 1}", "not JSON: expected ':' at offset 5, got '1'"},
        {"[1,2", "not JSON: expected ',' or ']' at offset 4, but the text ends"},
        {"[tru]", "not JSON: expected a value at offset 1, got 't'"},
        {"[\"\\x\"]", "not JSON: expected an escape at offset 3, got 'x'"},
        {"{} {}", "not JSON: expected nothing more at offset 3, got '{'"},
        {"[\"a\nb\"]", "not JSON: expected no bare control character at offset 3, got byte 0x0a"},
        {"", "not JSON: expected a value at offset 0, but the text ends"},
        {"[1.]", "not JSON: expected a digit at offset 3, got ']'"},
    };
    (void)state;
    struct json_tape *tape = json_tape_new(4096, 32);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct err err = {0};
        assert_int_equal(parse_text(tape, cases[i].text, NULL, &err), -1);
        assert_string_equal(err.message, cases[i].message);
    }
    json_tape_free(tape);
}

static int parse_nested(struct json_tape *tape, unsigned depth, const char *inside, struct err *err)
{
    struct buf text = BUF_EMPTY;
    for (unsigned i = 0; i < depth; i++)
        buf_puts(&text, i % 2 ? "{\"a\":" : "[");
    buf_puts(&text, inside);
    for (unsigned i = depth; i > 0; i--)
        buf_putc(&text, (i - 1) % 2 ? '}' : ']');
    int result = parse(tape, buf_str(&text), NULL, err);
    buf_free(&text);
    return result;
}

static void test_nesting_has_a_limit(void **state)
{
    (void)state;
    struct err err = {0};
    struct json_tape *tape = json_tape_new(1 << 20, 32);
    assert_int_equal(parse_nested(tape, 32, "1", &err), 0);
    assert_int_equal(parse_nested(tape, 32, "1e400", &err), 0);
    assert_int_equal(parse_nested(tape, 32, "[]", &err), 0);
    assert_int_equal(parse_nested(tape, 33, "1", &err), -1);
    assert_int_equal(err.code, ERR_LIMIT);
    assert_int_equal(parse_nested(tape, 33, "\"\xff\"", &err), -1);
    assert_int_equal(err.code, ERR_LIMIT);
    assert_int_equal(parse_nested(tape, 100000, "1", &err), -1);
    assert_int_equal(err.code, ERR_LIMIT);
    json_tape_free(tape);
}

static int parse_of_size(struct json_tape *tape, size_t size, struct err *err)
{
    struct buf text = BUF_EMPTY;
    buf_putc(&text, '"');
    memset(buf_reserve(&text, size - 2), 'x', size - 2);
    buf_grew(&text, size - 2);
    buf_putc(&text, '"');
    int result = parse(tape, buf_str(&text), NULL, err);
    if (result == 0)
        assert_int_equal(json_string(json_tape_cursor(tape), json_tape_root()).len, size - 2);
    buf_free(&text);
    return result;
}

static void test_the_text_has_a_limit(void **state)
{
    (void)state;
    struct err err = {0};
    struct json_tape *tape = json_tape_new(100000, 32);
    for (size_t size = 10; size < 100000; size *= 3)
        assert_int_equal(parse_of_size(tape, size, &err), 0);
    assert_int_equal(parse_of_size(tape, 100000, &err), 0);
    assert_int_equal(parse_of_size(tape, 100001, &err), -1);
    assert_int_equal(err.code, ERR_LIMIT);
    json_tape_free(tape);
}

static void test_a_text_that_grows_by_repair_still_fits(void **state)
{
    (void)state;
    struct buf text = BUF_EMPTY;
    buf_putc(&text, '"');
    memset(buf_reserve(&text, 99998), 0xff, 99998);
    buf_grew(&text, 99998);
    buf_putc(&text, '"');
    struct json_tape *tape = json_tape_new(100000, 32);
    unsigned repairs;
    assert_int_equal(parse(tape, buf_str(&text), &repairs, NULL), 0);
    assert_int_equal(json_string(json_tape_cursor(tape), json_tape_root()).len, 3 * 99998);
    json_tape_free(tape);
    buf_free(&text);
}

/* JSONTestSuite lets a parser choose; these are our choices, by the repairs made, or -1 for refused. */
static const struct {
    const char *name;
    int repairs;
} either[] = {
    {"i_number_double_huge_neg_exp.json", 0},
    {"i_number_huge_exp.json", JSON_REPAIR_NUMBER},
    {"i_number_neg_int_huge_exp.json", JSON_REPAIR_NUMBER},
    {"i_number_pos_double_huge_exp.json", JSON_REPAIR_NUMBER},
    {"i_number_real_neg_overflow.json", JSON_REPAIR_NUMBER},
    {"i_number_real_pos_overflow.json", JSON_REPAIR_NUMBER},
    {"i_number_real_underflow.json", 0},
    {"i_number_too_big_neg_int.json", JSON_REPAIR_NUMBER},
    {"i_number_too_big_pos_int.json", JSON_REPAIR_NUMBER},
    {"i_number_very_big_negative_int.json", JSON_REPAIR_NUMBER},
    {"i_object_key_lone_2nd_surrogate.json", JSON_REPAIR_SURROGATE},
    {"i_string_1st_surrogate_but_2nd_missing.json", JSON_REPAIR_SURROGATE},
    {"i_string_1st_valid_surrogate_2nd_invalid.json", JSON_REPAIR_SURROGATE},
    {"i_string_UTF-16LE_with_BOM.json", -1},
    {"i_string_UTF-8_invalid_sequence.json", JSON_REPAIR_UTF8},
    {"i_string_UTF8_surrogate_U+D800.json", JSON_REPAIR_UTF8},
    {"i_string_incomplete_surrogate_and_escape_valid.json", JSON_REPAIR_SURROGATE},
    {"i_string_incomplete_surrogate_pair.json", JSON_REPAIR_SURROGATE},
    {"i_string_incomplete_surrogates_escape_valid.json", JSON_REPAIR_SURROGATE},
    {"i_string_invalid_lonely_surrogate.json", JSON_REPAIR_SURROGATE},
    {"i_string_invalid_surrogate.json", JSON_REPAIR_SURROGATE},
    {"i_string_invalid_utf-8.json", JSON_REPAIR_UTF8},
    {"i_string_inverted_surrogates_U+1D11E.json", JSON_REPAIR_SURROGATE},
    {"i_string_iso_latin_1.json", JSON_REPAIR_UTF8},
    {"i_string_lone_second_surrogate.json", JSON_REPAIR_SURROGATE},
    {"i_string_lone_utf8_continuation_byte.json", JSON_REPAIR_UTF8},
    {"i_string_not_in_unicode_range.json", JSON_REPAIR_UTF8},
    {"i_string_overlong_sequence_2_bytes.json", JSON_REPAIR_UTF8},
    {"i_string_overlong_sequence_6_bytes.json", JSON_REPAIR_UTF8},
    {"i_string_overlong_sequence_6_bytes_null.json", JSON_REPAIR_UTF8},
    {"i_string_truncated-utf-8.json", JSON_REPAIR_UTF8},
    {"i_string_utf16BE_no_BOM.json", -1},
    {"i_string_utf16LE_no_BOM.json", -1},
    {"i_structure_500_nested_arrays.json", -1},
    {"i_structure_UTF-8_BOM_empty_object.json", 0},
};

static void check_either(struct str name, int result, unsigned repairs)
{
    for (size_t i = 0; i < sizeof(either) / sizeof(either[0]); i++) {
        if (!str_is(name, either[i].name))
            continue;
        int came = result == 0 ? (int)repairs : -1;
        if (came != either[i].repairs)
            fail_msg("%s: expected %d, came %d", either[i].name, either[i].repairs, came);
        return;
    }
    fail_msg("%.*s: not in the table", STR_ARG(name));
}

static void test_the_json_test_suite_is_held(void **state)
{
    (void)state;
    struct buf file = BUF_EMPTY, text = BUF_EMPTY;
    if (!torture_read("json-parsing.ndjson", &file)) {
        print_message("SKIPPED: no shared data\n");
        skip();
    }
    struct json_tape *tape = json_tape_new(1 << 18, 32);
    unsigned accepted = 0, rejected = 0, documented = 0;
    size_t at = 0;
    for (struct str line; json_lines_next(buf_str(&file), &at, &line);) {
        struct json_limits limits = {1 << 20, 8, false};
        struct json *vector = json_parse(line, &limits, NULL);
        assert_non_null(vector);
        struct str name, expect, base64;
        assert_true(json_get_str(vector, "name", &name) && json_get_str(vector, "expect", &expect) &&
                    json_get_str(vector, "b64", &base64));
        buf_clear(&text);
        torture_base64(base64, &text);
        unsigned repairs = 0;
        int result = json_tape_parse(tape, buf_str(&text), &repairs, NULL);
        if (str_is(expect, "either")) {
            check_either(name, result, repairs);
            documented++;
        } else if ((result == 0) != str_is(expect, "accept") || (result == 0 && repairs)) {
            fail_msg("%.*s: %s", STR_ARG(name), result == 0 ? "accepted" : "refused");
        } else {
            (*(result == 0 ? &accepted : &rejected))++;
        }
        json_free(vector);
    }
    assert_int_equal(rejected, 188);
    assert_int_equal(accepted, 95);
    assert_int_equal(documented, 35);
    json_tape_free(tape);
    buf_free(&file);
    buf_free(&text);
}

static const struct {
    const char *name, *becomes;
} transforms[] = {
    {"number_-9223372036854775808.json", "[-9223372036854775808]"},
    {"number_-9223372036854775809.json", "[\"-9223372036854775809\"]"},
    {"number_1.0.json", "[1]"},
    {"number_1.000000000000000005.json", "[1]"},
    {"number_1000000000000000.json", "[1000000000000000]"},
    {"number_10000000000000000999.json", "[10000000000000000999]"},
    {"number_1e-999.json", "[0]"},
    {"number_1e6.json", "[1000000]"},
    {"number_9223372036854775807.json", "[9223372036854775807]"},
    {"number_9223372036854775808.json", "[9223372036854775808]"},
    {"object_key_nfc_nfd.json", "{\"\xc3\xa9\":\"NFC\",\"e\xcc\x81\":\"NFD\"}"},
    {"object_key_nfd_nfc.json", "{\"e\xcc\x81\":\"NFD\",\"\xc3\xa9\":\"NFC\"}"},
    {"object_same_key_different_values.json", "{\"a\":1,\"a\":2}"},
    {"object_same_key_same_value.json", "{\"a\":1,\"a\":1}"},
    {"object_same_key_unclear_values.json", "{\"a\":0,\"a\":0}"},
    {"string_1_escaped_invalid_codepoint.json", "[\"\xef\xbf\xbd\"]"},
    {"string_1_invalid_codepoint.json", "[\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"]"},
    {"string_2_escaped_invalid_codepoints.json", "[\"\xef\xbf\xbd\xef\xbf\xbd\"]"},
    {"string_3_escaped_invalid_codepoints.json", "[\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"]"},
    {"string_with_escaped_NULL.json", "[\"A\\u0000B\"]"},
};

static unsigned check_transform(struct json_tape *tape, struct str name)
{
    for (size_t i = 0; i < sizeof(transforms) / sizeof(transforms[0]); i++) {
        if (!str_is(name, transforms[i].name))
            continue;
        struct buf out = BUF_EMPTY;
        print_tape(json_tape_cursor(tape), json_tape_root(), &out);
        assert_string_equal(out.ptr, transforms[i].becomes);
        buf_free(&out);
        return 1;
    }
    return 0;
}

static void test_values_that_parsers_disagree_on_keep_their_meaning(void **state)
{
    (void)state;
    struct buf file = BUF_EMPTY, text = BUF_EMPTY;
    if (!torture_read("json-transform.ndjson", &file)) {
        print_message("SKIPPED: no shared data\n");
        skip();
    }
    struct json_tape *tape = json_tape_new(1 << 18, 32);
    unsigned checked = 0;
    size_t at = 0;
    for (struct str line; json_lines_next(buf_str(&file), &at, &line);) {
        struct json *vector = json_parse(line, NULL, NULL);
        struct str name, base64;
        assert_true(json_get_str(vector, "name", &name) && json_get_str(vector, "b64", &base64));
        buf_clear(&text);
        torture_base64(base64, &text);
        if (json_tape_parse(tape, buf_str(&text), NULL, NULL) != 0)
            fail_msg("%.*s: refused", STR_ARG(name));
        checked += check_transform(tape, name);
        json_free(vector);
    }
    assert_int_equal(checked, sizeof(transforms) / sizeof(transforms[0]));
    json_tape_free(tape);
    buf_free(&file);
    buf_free(&text);
}

static void test_naughty_strings_come_through_unchanged(void **state)
{
    (void)state;
    struct buf file = BUF_EMPTY;
    if (!torture_read("blns.ndjson", &file)) {
        print_message("SKIPPED: no shared data\n");
        skip();
    }
    struct json_tape *tape = json_tape_new(1 << 18, 32);
    unsigned checked = 0;
    size_t at = 0;
    for (struct str line; json_lines_next(buf_str(&file), &at, &line); checked++) {
        struct json *vector = json_parse(line, NULL, NULL);
        struct str expected;
        unsigned repairs;
        assert_true(json_get_str(vector, "s", &expected));
        assert_int_equal(parse(tape, line, &repairs, NULL), 0);
        assert_int_equal(repairs, 0);
        struct json_cursor c = json_tape_cursor(tape);
        size_t value = json_skip(c, json_enter(c, json_tape_root()));
        assert_true(str_equal(json_string(c, value), expected));
        json_free(vector);
    }
    assert_int_equal(checked, 515);
    json_tape_free(tape);
    buf_free(&file);
}

static void test_an_array_is_split_into_the_texts_of_its_items(void **state)
{
    static const struct {
        const char *text, *items; /* joined by '|'; NULL: broken */
    } cases[] = {
        {"[]", ""},
        {" [ ] ", ""},
        {"[1]", "1"},
        {"[ 1 , {\"a\":[1,2]} ,\"x\"]\n", "1|{\"a\":[1,2]}|\"x\""},
        {"[\"],[\",\"\\\"]\",\"\\\\\"]", "\"],[\"|\"\\\"]\"|\"\\\\\""},
        {"[{\"a\":\"0123456789abcdef0123456789abcdef\\\"]\"},2]",
         "{\"a\":\"0123456789abcdef0123456789abcdef\\\"]\"}|2"},
        {"[1,]", NULL},
        {"[,1]", NULL},
        {"[1", NULL},
        {"[1}", NULL},
        {"[\"a", NULL},
        {"[\"a\\", NULL},
        {"[1] x", NULL},
        {"{}", NULL},
        {"", NULL},
        {"[", NULL},
        {"[1,", NULL},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        /* At its exact size on the heap, so that reading beyond the end is seen. */
        size_t len = strlen(cases[i].text), at = 0;
        char *exact = malloc(len ? len : 1);
        memcpy(exact, cases[i].text, len);
        struct buf items = BUF_EMPTY;
        buf_puts(&items, "");
        struct str item;
        struct err err = {0};
        int more;
        while ((more = json_array_next((struct str){exact, len}, &at, &item, &err)) == 1) {
            buf_puts(&items, items.len ? "|" : "");
            buf_put(&items, item);
        }
        if ((more == 0) != (cases[i].items != NULL))
            fail_msg("%s: %s", cases[i].text, more == 0 ? "accepted" : err.message);
        if (more == 0) {
            assert_string_equal(items.ptr, cases[i].items);
            assert_int_equal(json_array_next((struct str){exact, len}, &at, &item, &err), 0);
        }
        buf_free(&items);
        free(exact);
    }
}

static void test_lines_are_split_and_blank_ones_passed_over(void **state)
{
    (void)state;
    struct str text = STR("{\"a\":1}\r\n\n  \t\n {\"b\":2} \n\n3"), item;
    size_t at = 0;
    assert_int_equal(json_lines_next(text, &at, &item), 1);
    assert_true(str_is(item, "{\"a\":1}"));
    assert_int_equal(json_lines_next(text, &at, &item), 1);
    assert_true(str_is(item, "{\"b\":2}"));
    assert_int_equal(json_lines_next(text, &at, &item), 1);
    assert_true(str_is(item, "3"));
    assert_int_equal(json_lines_next(text, &at, &item), 0);
    assert_int_equal(json_lines_next(STR(""), &(size_t){0}, &item), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_odd_values_are_repaired_and_said_so),
        cmocka_unit_test(test_an_odd_value_excuses_nothing_else),
        cmocka_unit_test(test_an_error_names_the_offset),
        cmocka_unit_test(test_nesting_has_a_limit),
        cmocka_unit_test(test_the_text_has_a_limit),
        cmocka_unit_test(test_a_text_that_grows_by_repair_still_fits),
        cmocka_unit_test(test_the_json_test_suite_is_held),
        cmocka_unit_test(test_values_that_parsers_disagree_on_keep_their_meaning),
        cmocka_unit_test(test_naughty_strings_come_through_unchanged),
        cmocka_unit_test(test_an_array_is_split_into_the_texts_of_its_items),
        cmocka_unit_test(test_lines_are_split_and_blank_ones_passed_over),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
