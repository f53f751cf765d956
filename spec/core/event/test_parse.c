/* From a record's JSON to a flat event. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "core/event/record.h"

static void intern(struct record *r, const char *paths)
{
    while (*paths) {
        size_t len = strcspn(paths, " ");
        assert_int_not_equal(fields_intern(r->fields, (struct str){paths, len}, NULL), FIELD_NONE);
        paths += len + (paths[len] == ' ');
    }
}

/* One record, the paths it is asked for, and the values that must come. */
static const struct {
    const char *json, *path, *values;
} shapes[] = {
    {"{\"a\":{\"b\":{\"c\":1}}}", "a.b.c", "i1"},
    {"{\"a.b.c\":1}", "a.b.c", "i1"},
    {"{\"a.b\":{\"c\":1}}", "a.b.c", "i1"},
    {"{\"a\":{\"b.c\":1}}", "a.b.c", "i1"},
    {"{\"a.b.c\":1,\"a\":{\"b\":{\"c\":2},\"b.c\":3}}", "a.b.c", "i1|i2|i3"},
    {"{\"a\":1,\"a\":2}", "a", "i1|i2"},
    {"{\"a\":{\"b\":1},\"a\":{\"b\":2}}", "a.b", "i1|i2"},
    {"{\"a\":[1,\"x\",null,true,2.5]}", "a", "i1|sx|n|btrue|d2.5"},
    {"{\"a\":[{\"b\":1},{\"c\":9},{\"b\":2}]}", "a.b", "i1|i2"},
    {"{\"a\":[[1,[2]],[{\"b\":5}],3]}", "a", "i1|i2|i3"},
    {"{\"a\":[[1,[2]],[{\"b\":5}],3]}", "a.b", "i5"},
    {"{\"a\":[{\"b\":[1,2]},{\"b\":3}]}", "a.b", "i1|i2|i3"},
    {"{\"a\":{}}", "a", "-"},
    {"{\"a\":[]}", "a", "-"},
    {"{\"a\":{\"b\":1}}", "a", "-"},
    {"{\"a\":1}", "a.b", "-"},
    {"{\"a\":null}", "a", "n"},
    {"{\"a\":\"\"}", "a", "s"},
    {"{\"\":1,\"a..b\":1,\".a\":1,\"a.\":1}", "a", "-"},
    {"{\"a\":false}", "a", "bfalse"},
    {"{\"a\":-9223372036854775808}", "a", "i-9223372036854775808"},
    {"{\"a\":9223372036854775807}", "a", "i9223372036854775807"},
    {"{\"a\":9223372036854775808}", "a", "u9223372036854775808"},
    {"{\"a\":18446744073709551615}", "a", "u18446744073709551615"},
    {"{\"a\":18446744073709551616}", "a", "s18446744073709551616"},
    {"{\"a\":1e400}", "a", "s1e400"},
    {"{\"a\":[1.0,-0.0,0.1,-1.5,1e21,1e-7,123456.789,0.30000000000000004,1e15]}", "a",
     "d1|d0|d0.1|d-1.5|d1e+21|d1e-07|d123456.789|d0.30000000000000004|d1000000000000000"},
    {"{\"a\":\"\\u00e9\\n\\\"\"}", "a", "s\xc3\xa9\n\""},
    {"{\"\\u0061\":1}", "a", "i1"},
};

static void test_nested_and_dotted_are_one_path_and_repeats_are_lists(void **state)
{
    (void)state;
    struct record *r = record_new(NULL);
    intern(r, "a a.b a.b.c");
    for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++) {
        if (record_parse(r, shapes[i].json) != 0)
            fail_msg("%s: %s", shapes[i].json, r->err.message);
        if (strcmp(record_get(r, shapes[i].path), shapes[i].values) != 0)
            fail_msg("%s: expected %s, got %s", shapes[i].json, shapes[i].values, r->printed.ptr);
    }
    record_free(r);
}

static void test_only_interned_fields_are_taken_over(void **state)
{
    (void)state;
    struct record *r = record_new(NULL);
    intern(r, "user.name");
    assert_int_equal(record_parse(r, "{\"user\":{\"id\":1,\"name\":\"ana\"},\"host\":{\"name\":\"h\"}}"), 0);
    assert_int_equal(r->event->count, 1);
    assert_string_equal(record_get(r, "user.name"), "sana");
    assert_int_equal(r->event->source, UINT32_MAX);
    assert_true(str_equal(r->event->json, buf_str(&r->text)));
    record_free(r);
}

static void test_a_new_record_leaves_the_last_event_as_it_was(void **state)
{
    (void)state;
    struct record *r = record_new(NULL);
    intern(r, "a");
    assert_int_equal(record_parse(r, "{\"a\":\"first\"}"), 0);
    struct event *first = r->event;
    assert_int_equal(record_parse(r, "{\"a\":\"other\"}"), 0);
    assert_true(str_is(event_text(first, fields_find(r->fields, STR("a"))), "first"));
    record_free(r);
}

static void test_what_is_no_object_is_refused(void **state)
{
    static const char *const texts[] = {"[]", "1", "\"x\"", "null", "", "{", "{\"a\":}", "{} {}"};
    (void)state;
    struct record *r = record_new(NULL);
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        assert_int_equal(record_parse(r, texts[i]), -1);
        assert_int_equal(r->err.code, ERR_INVALID);
    }
    record_free(r);
}

static void test_odd_bytes_are_marked(void **state)
{
    static const struct {
        const char *json, *marks;
    } cases[] = {
        {"{\"a\":1}", ""},
        {"{\"a\":1e999}", "number_out_of_range"},
        {"{\"a\":\"\\udc00\"}", "lone_surrogate"},
        {"{\"a\":\"\xff\"}", "invalid_utf8"},
        {"{\"z\":\"\xff\",\"y\":1e999,\"x\":\"\\ud800\"}", "number_out_of_range lone_surrogate invalid_utf8"},
    };
    (void)state;
    struct record *r = record_new(NULL);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_int_equal(record_parse(r, cases[i].json), 0);
        assert_string_equal(record_marks(r), cases[i].marks);
    }
    record_free(r);
}

/* {"x":{...{"a":1}...}}, `depth` objects in all. */
static int parse_deep(struct record *r, unsigned depth)
{
    struct buf text = BUF_EMPTY;
    for (unsigned i = 1; i < depth; i++)
        buf_puts(&text, "{\"x\":");
    buf_puts(&text, "{\"a\":1}");
    for (unsigned i = 1; i < depth; i++)
        buf_putc(&text, '}');
    int result = record_parse_str(r, buf_str(&text));
    buf_free(&text);
    return result;
}

static void test_a_record_is_at_most_32_deep(void **state)
{
    (void)state;
    struct record *r = record_new(NULL);
    assert_int_equal(parse_deep(r, 32), 0);
    assert_int_equal(parse_deep(r, 33), -1);
    assert_int_equal(r->err.code, ERR_LIMIT);
    record_free(r);
}

static int parse_long(struct record *r, size_t size)
{
    struct buf text = BUF_EMPTY;
    buf_puts(&text, "{\"a\":\"");
    memset(buf_reserve(&text, size), 'x', size);
    buf_grew(&text, size - strlen("{\"a\":\"\"}"));
    buf_puts(&text, "\"}");
    int result = record_parse_str(r, buf_str(&text));
    buf_free(&text);
    return result;
}

static void test_a_record_has_at_most_256_kib(void **state)
{
    (void)state;
    struct record *r = record_new(NULL);
    intern(r, "a");
    assert_int_equal(parse_long(r, 256 << 10), 0);
    assert_int_equal(strlen(record_get(r, "a")), 1 + (256 << 10) - 8);
    assert_int_equal(parse_long(r, (256 << 10) + 1), -1);
    assert_int_equal(r->err.code, ERR_LIMIT);
    record_free(r);
}

/* `leaves` values of one kind, then {"last":1}. */
static void parse_wide(struct record *r, unsigned leaves, const char *format)
{
    struct buf text = BUF_EMPTY;
    buf_putc(&text, '{');
    for (unsigned i = 0; i < leaves; i++) {
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
        buf_printf(&text, format, i);
#pragma GCC diagnostic pop
        buf_putc(&text, ',');
    }
    buf_puts(&text, "\"last\":1}");
    assert_int_equal(record_parse_str(r, buf_str(&text)), 0);
    buf_free(&text);
}

static void test_values_beyond_1024_are_left_out_and_marked(void **state)
{
    static const char *const shapes_of_leaves[] = {"\"known\":%u", "\"unknown%u\":1",
                                                   "\"unknown\":{\"in\":%u}", "\"unknown\":[[],%u]",
                                                   "\"known\":{\"in\":%u}"};
    (void)state;
    struct record *r = record_new(NULL);
    intern(r, "known last");
    for (size_t i = 0; i < sizeof(shapes_of_leaves) / sizeof(shapes_of_leaves[0]); i++) {
        parse_wide(r, 1023, shapes_of_leaves[i]);
        assert_string_equal(record_get(r, "last"), "i1");
        assert_string_equal(record_marks(r), "");
        parse_wide(r, 1024, shapes_of_leaves[i]);
        assert_string_equal(record_get(r, "last"), "-");
        assert_string_equal(record_marks(r), "fields_truncated");
    }
    record_free(r);
}

static void test_lists_of_every_length_keep_their_order(void **state)
{
    (void)state;
    struct record *r = record_new(NULL);
    intern(r, "known last");
    parse_wide(r, 1000, "\"known\":%u");
    const struct event_value *value = event_first(r->event, fields_find(r->fields, STR("known")));
    for (int64_t i = 0; i < 1000; i++, value = event_next(r->event, value))
        assert_true(value && value->value.as.i == i);
    assert_null(value);
    record_free(r);
}

static size_t lookup(struct record *r, const char *path, struct value *out, size_t max)
{
    return event_lookup(r->event, r->parser, str_from(path), r->arena, out, max);
}

static void test_any_path_can_be_looked_up_in_the_text(void **state)
{
    (void)state;
    struct value out[2];
    struct record *r = record_new(NULL);
    intern(r, "user.name");
    assert_int_equal(
        record_parse(r, "{\"user\":{\"name\":\"ana\",\"id\":7},\"user.id\":8,\"l\":[{\"k.m\":1},{\"k\":"
                        "{\"m\":2}},{\"k\":{\"m\":3}}],\"o\":{}}"),
        0);
    assert_int_equal(lookup(r, "user.name", out, 2), 1);
    assert_true(str_is(out[0].text, "ana"));
    assert_int_equal(lookup(r, "user.id", out, 2), 2);
    assert_int_equal(out[0].as.i, 7);
    assert_int_equal(out[1].as.i, 8);
    assert_int_equal(lookup(r, "l.k.m", out, 2), 3);
    assert_int_equal(out[1].as.i, 2);
    assert_int_equal(lookup(r, "l.k", out, 2), 0);
    assert_int_equal(lookup(r, "o", out, 2), 0);
    assert_int_equal(lookup(r, "user", out, 2), 0);
    assert_int_equal(lookup(r, "user.", out, 2), 0);
    assert_int_equal(lookup(r, "", out, 2), 0);
    record_free(r);
}

static void test_texts_are_kept_whole_however_far_apart_they_stand(void **state)
{
    (void)state;
    char json[9000];
    for (int gap = 0; gap <= 8000; gap += 2000) {
        struct record *r = record_new(NULL);
        intern(r, "first last none");
        snprintf(json, sizeof(json),
                 "{\"first\":\"\\u00e9a\",\"long\":\"%0*d\",\"none\":\"\",\"last\":[\"b\",\"c\"]}", gap, 0);
        assert_int_equal(record_parse(r, json), 0);
        struct event *kept = r->event;
        assert_int_equal(record_parse(r, "{\"first\":\"overwrites the tape\"}"), 0);
        r->event = kept;
        assert_string_equal(record_get(r, "first"), "s\xc3\xa9"
                                                    "a");
        assert_string_equal(record_get(r, "none"), "s");
        assert_string_equal(record_get(r, "last"), "sb|sc");
        record_free(r);
    }
}

static void test_a_slot_can_be_cleared_and_filled_again(void **state)
{
    (void)state;
    struct record *r = record_new(NULL);
    struct event *event = event_make(r->arena, r->fields, 0);
    char path[16];
    for (uint32_t i = 0; i < 300; i++) {
        snprintf(path, sizeof(path), "f%u", i);
        uint32_t slot = fields_intern(r->fields, str_from(path), NULL);
        struct value value = value_int(r->arena, i);
        event_put(event, r->arena, slot, &value);
        event_put(event, r->arena, slot, &value);
    }
    for (uint32_t i = 0; i < 300; i += 3)
        event_clear(event, FIELD_BASE_COUNT + i);
    event_clear(event, FIELD_MESSAGE);
    event_freeze(event, r->arena);
    assert_int_equal(event->count, 400);
    for (uint32_t i = 0; i < 300; i++) {
        const struct event_value *value = event_first(event, FIELD_BASE_COUNT + i);
        assert_true((value == NULL) == (i % 3 == 0));
        if (!value)
            continue;
        assert_int_equal(value->value.as.i, i);
        value = event_next(event, value);
        assert_int_equal(value->value.as.i, i);
        assert_null(event_next(event, value));
    }
    for (uint32_t i = 0; i < event->count; i++)
        assert_int_not_equal(event->values[i].slot, FIELD_NONE);
    record_free(r);
}

static void test_freezing_writes_the_marks_and_only_ours(void **state)
{
    (void)state;
    struct record *r = record_new(NULL);
    assert_int_equal(record_parse(r, "{\"event\":{\"quality\":\"perfect\"},\"z\":\"\xff\"}"), 0);
    r->event->quality |= QUALITY_TIME_MISSING;
    event_freeze(r->event, r->arena);
    assert_string_equal(record_get(r, "event.quality"), "sinvalid_utf8|stime_missing");
    r->event->quality |= QUALITY_MATCH_LIMIT;
    event_freeze(r->event, r->arena);
    assert_string_equal(record_get(r, "event.quality"), "sinvalid_utf8|stime_missing|smatch_limit");
    record_free(r);
}

static void test_every_mark_has_a_name(void **state)
{
    (void)state;
    for (unsigned bit = 0; bit < QUALITY_COUNT; bit++)
        assert_non_null(event_quality_name(bit));
    assert_null(event_quality_name(QUALITY_COUNT));
    assert_string_equal(event_quality_name(12), "not_dissected");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nested_and_dotted_are_one_path_and_repeats_are_lists),
        cmocka_unit_test(test_only_interned_fields_are_taken_over),
        cmocka_unit_test(test_a_new_record_leaves_the_last_event_as_it_was),
        cmocka_unit_test(test_what_is_no_object_is_refused),
        cmocka_unit_test(test_odd_bytes_are_marked),
        cmocka_unit_test(test_a_record_is_at_most_32_deep),
        cmocka_unit_test(test_a_record_has_at_most_256_kib),
        cmocka_unit_test(test_values_beyond_1024_are_left_out_and_marked),
        cmocka_unit_test(test_lists_of_every_length_keep_their_order),
        cmocka_unit_test(test_any_path_can_be_looked_up_in_the_text),
        cmocka_unit_test(test_texts_are_kept_whole_however_far_apart_they_stand),
        cmocka_unit_test(test_a_slot_can_be_cleared_and_filled_again),
        cmocka_unit_test(test_freezing_writes_the_marks_and_only_ours),
        cmocka_unit_test(test_every_mark_has_a_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
