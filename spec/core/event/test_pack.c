/* Events as window entries keep them, and as JSON; the numbers that values hold. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "core/event/record.h"

#define SLOTS 5

static const char every_type[] = "{\"a\":[1,-5,9223372036854775808,2.5,true,false,null,\"x\\u0000y\",\"\"],"
                                 "\"b\":\"two\",\"c\":7,\"e\":\"e\"}";

static struct record *record_of(const char *json, uint32_t slots[SLOTS])
{
    static const char *const paths[SLOTS] = {"a", "b", "c", "d", "e"};
    struct record *r = record_new(NULL);
    for (size_t i = 0; i < SLOTS; i++)
        slots[i] = fields_intern(r->fields, str_from(paths[i]), NULL);
    assert_int_equal(record_parse(r, json), 0);
    return r;
}

static void test_a_packed_event_unpacks_to_the_same_values(void **state)
{
    (void)state;
    uint32_t slots[SLOTS];
    struct buf packed = BUF_EMPTY, before = BUF_EMPTY, after = BUF_EMPTY;
    struct record *r = record_of(every_type, slots);
    event_json(r->event, slots, SLOTS, &before);
    assert_string_equal(
        before.ptr, "{\"a\":[1,-5,9223372036854775808,2.5,true,false,null,\"x\\u0000y\",\"\"],\"b\":\"two\","
                    "\"c\":7,\"e\":\"e\"}");
    event_pack(r->event, slots, SLOTS, 1024, &packed);
    struct event *again = event_unpack(buf_str(&packed), r->fields, slots, SLOTS, r->arena, &r->err);
    assert_non_null(again);
    event_json(again, slots, SLOTS, &after);
    assert_string_equal(after.ptr, before.ptr);
    assert_true(str_is(event_text(again, slots[2]), "7"));
    buf_free(&packed);
    buf_free(&before);
    buf_free(&after);
    record_free(r);
}

static void test_a_field_that_does_not_fit_is_left_out_whole(void **state)
{
    (void)state;
    uint32_t slots[SLOTS];
    struct record *r = record_of(every_type, slots);
    struct buf whole = BUF_EMPTY;
    event_pack(r->event, slots, SLOTS, 1024, &whole);
    for (size_t max = 0; max <= whole.len; max++) {
        struct buf packed = BUF_EMPTY;
        buf_puts(&packed, "before");
        event_pack(r->event, slots, SLOTS, max, &packed);
        assert_true(packed.len - 6 <= max);
        struct event *again = event_unpack((struct str){packed.ptr + 6, packed.len - 6}, r->fields, slots,
                                           SLOTS, r->arena, &r->err);
        assert_non_null(again);
        bool has_list = event_first(again, slots[0]) != NULL;
        assert_true(!has_list || again->count >= 9);
        if (max == whole.len)
            assert_int_equal(again->count, 12);
        if (max + 1 == whole.len)
            assert_int_equal(again->count, 11);
        buf_free(&packed);
    }
    buf_free(&whole);
    record_free(r);
}

/* Its neighbours are kept whole, and it ends at a character. */
static void test_a_text_that_does_not_fit_is_cut(void **state)
{
    (void)state;
    static const struct {
        size_t max, kept;
    } cases[] = {{1024, 1024 - 9 - 12}, {61, 61 - 9 - 12}, {52, 0}};
    struct buf json = BUF_EMPTY;
    uint32_t slots[SLOTS];
    buf_puts(&json, "{\"a\":\"");
    for (unsigned i = 0; i < 2000; i++)
        buf_puts(&json, "x");
    buf_puts(&json, "\",\"b\":\"abc\"}");
    struct record *r = record_of(json.ptr, slots);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct buf packed = BUF_EMPTY;
        event_pack(r->event, slots, SLOTS, cases[i].max, &packed);
        struct event *again = event_unpack(buf_str(&packed), r->fields, slots, SLOTS, r->arena, &r->err);
        assert_true(str_is(event_text(again, slots[1]), "abc"));
        assert_int_equal(event_text(again, slots[0]).len, cases[i].kept);
        buf_free(&packed);
    }
    buf_free(&json);
    record_free(r);
}

static void test_broken_packs_are_refused(void **state)
{
    (void)state;
    uint32_t slots[SLOTS];
    struct record *r = record_of(every_type, slots);
    struct buf packed = BUF_EMPTY;
    event_pack(r->event, slots, SLOTS, 1024, &packed);
    unsigned refused = 0;
    for (size_t len = 1; len < packed.len; len++) {
        /* At its exact size, so that reading beyond the end is seen. */
        char *exact = mem_alloc(len);
        memcpy(exact, packed.ptr, len);
        refused += event_unpack((struct str){exact, len}, r->fields, slots, SLOTS, r->arena, &r->err) == NULL;
        free(exact);
    }
    assert_int_equal(refused, packed.len - 1 - 3); /* it may end behind each of the first three fields */
    packed.ptr[0] = 99;                            /* no such slot */
    assert_null(event_unpack(buf_str(&packed), r->fields, slots, SLOTS, r->arena, &r->err));
    assert_int_equal(r->err.code, ERR_CORRUPT);
    buf_free(&packed);
    record_free(r);
}

static void test_what_counts_as_a_number(void **state)
{
    static const struct {
        const char *text;
        bool number, exact;
        double d;
        int64_t i;
    } cases[] = {
        {"0", true, true, 0, 0},
        {"-7", true, true, -7, -7},
        {"+7", true, true, 7, 7},
        {"007", true, true, 7, 7},
        {"9223372036854775807", true, true, 0x1p63, INT64_MAX},
        {"-9223372036854775808", true, true, -0x1p63, INT64_MIN},
        {"9223372036854775808", true, false, 0x1p63, 0},
        {"18446744073709551616", true, false, 0x1p64, 0},
        {"1.0", true, true, 1, 1},
        {"1.", true, true, 1, 1},
        {".5", true, false, 0.5, 0},
        {"2.5e1", true, true, 25, 25},
        {"1e3", true, true, 1000, 1000},
        {"1E+400", true, false, __builtin_inf(), 0},
        {"", false, false, 0, 0},
        {"-", false, false, 0, 0},
        {".", false, false, 0, 0},
        {"e5", false, false, 0, 0},
        {"1e", false, false, 0, 0},
        {"0x10", false, false, 0, 0},
        {"inf", false, false, 0, 0},
        {"nan", false, false, 0, 0},
        {" 1", false, false, 0, 0},
        {"1 ", false, false, 0, 0},
        {"1,5", false, false, 0, 0},
        {"1.2.3", false, false, 0, 0},
        {"--1", false, false, 0, 0},
    };
    (void)state;
    for (size_t c = 0; c < sizeof(cases) / sizeof(cases[0]); c++) {
        struct value value = value_string(str_from(cases[c].text));
        double d = 0;
        int64_t i = 0;
        bool exact = false;
        if (value_number(&value, &d, &i, &exact) != cases[c].number || exact != cases[c].exact)
            fail_msg("\"%s\": number or not, exact or not", cases[c].text);
        assert_true(d == cases[c].d);
        assert_true(i == cases[c].i);
    }
    struct value yes = value_bool(true), none = value_null();
    double d;
    int64_t i;
    bool exact;
    assert_false(value_number(&yes, &d, &i, &exact));
    assert_false(value_number(&none, &d, &i, &exact));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_packed_event_unpacks_to_the_same_values),
        cmocka_unit_test(test_a_field_that_does_not_fit_is_left_out_whole),
        cmocka_unit_test(test_a_text_that_does_not_fit_is_cut),
        cmocka_unit_test(test_broken_packs_are_refused),
        cmocka_unit_test(test_what_counts_as_a_number),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
