/* Errors, arenas, buffers, growing arrays and maps. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/map.h"
#include "base/vec.h"

static void test_an_error_reads_as_where_and_what(void **state)
{
    (void)state;
    struct err err = {0};
    assert_int_equal(err_set(&err, ERR_INVALID, "expected %d, got %d", 1, 2), -1);
    assert_string_equal(err_text(&err), "expected 1, got 2");
    assert_int_equal(err_at(&err, "rules/a.lua:%d", 14), -1);
    err_at(&err, "a less exact place");
    assert_string_equal(err_text(&err), "rules/a.lua:14: expected 1, got 2");
    assert_int_equal(err.code, ERR_INVALID);
    err_set(&err, ERR_IO, "again: %s", err.message);
    assert_string_equal(err_text(&err), "again: expected 1, got 2");
    assert_int_equal(err_errno(&err, ERR_IO, ENOENT, "open %s", "x"), -1);
    assert_string_equal(err_text(&err), "open x: No such file or directory");
    assert_int_equal(err_set(NULL, ERR_IO, "nobody asks"), -1);
    assert_int_equal(err_at(NULL, "nowhere"), -1);
}

static void test_a_long_message_is_cut(void **state)
{
    (void)state;
    struct err err = {0};
    err_set(&err, ERR_INVALID, "%0*d", 5000, 1);
    assert_int_equal(strlen(err.message), sizeof(err.message) - 1);
}

static void test_an_arena_gives_aligned_memory_that_does_not_overlap(void **state)
{
    (void)state;
    struct arena *arena = arena_new(64);
    unsigned char *pieces[500];
    for (size_t i = 0; i < 500; i++) {
        pieces[i] = arena_alloc(arena, i);
        assert_int_equal((uintptr_t)pieces[i] % 8, 0);
        memset(pieces[i], (int)(i & 0xff), i);
    }
    for (size_t i = 0; i < 500; i++)
        for (size_t b = 0; b < i; b++)
            assert_int_equal(pieces[i][b], i & 0xff);
    assert_string_equal(arena_dup(arena, STR("text")).ptr, "text");
    assert_string_equal(arena_printf(arena, "%s-%d", "x", 5), "x-5");
    unsigned char *zeros = arena_zalloc(arena, 100);
    for (size_t i = 0; i < 100; i++)
        assert_int_equal(zeros[i], 0);
    arena_free(arena);
    arena_free(NULL);
}

static void test_a_reset_arena_keeps_its_largest_chunk_and_stops_growing(void **state)
{
    (void)state;
    struct arena *arena = arena_new(0);
    size_t size = 0;
    for (int round = 0; round < 20; round++) {
        for (int i = 0; i < 100; i++)
            memset(arena_alloc(arena, 1000), round, 1000);
        arena_reset(arena);
        if (round == 10)
            size = arena_size(arena);
    }
    assert_int_equal(arena_size(arena), size);
    assert_true(size < 1000000);
    arena_free(arena);
}

static void test_a_buffer_grows_and_stays_terminated(void **state)
{
    (void)state;
    struct buf buf = BUF_EMPTY;
    for (int i = 0; i < 1000; i++) {
        buf_putc(&buf, 'x');
        buf_printf(&buf, "%d,", i);
        assert_int_equal(buf.ptr[buf.len], 0);
    }
    assert_int_equal(strlen(buf.ptr), buf.len);
    buf_clear(&buf);
    assert_int_equal(buf.len, 0);
    buf_put(&buf, STR("a"));
    buf_add(&buf, NULL, 0);
    buf_puts(&buf, "bc");
    memcpy(buf_reserve(&buf, 100), "def", 3);
    buf_grew(&buf, 3);
    assert_string_equal(buf.ptr, "abcdef");
    buf_free(&buf);
    assert_null(buf.ptr);
    buf_puts(&buf, "again");
    buf_free(&buf);
}

static void test_json_output_is_escaped_and_separated(void **state)
{
    (void)state;
    struct buf buf = BUF_EMPTY;
    buf_putc(&buf, '{');
    buf_json_kstr(&buf, "s", STR("a\"\\\n\t\r\b\f\x01\x7f\xc3\xa9\xff\xe2\x82"));
    buf_json_kint(&buf, "i", INT64_MIN);
    buf_json_kuint(&buf, "u", UINT64_MAX);
    buf_json_kdouble(&buf, "d", 0.1);
    buf_json_kdouble(&buf, "e", 1.0 / 3);
    buf_json_kdouble(&buf, "n", __builtin_nan(""));
    buf_json_kbool(&buf, "b", true);
    buf_json_ktime(&buf, "t", INT64_C(1767322800123456789));
    buf_json_key(&buf, "o");
    buf_puts(&buf, "{");
    buf_json_kbool(&buf, "x", false);
    buf_puts(&buf, "}}");
    assert_string_equal(buf.ptr,
                        "{\"s\":\"a\\\"\\\\\\n\\t\\r\\b\\f\\u0001\x7f\xc3\xa9\xef\xbf\xbd\xef\xbf\xbd\","
                        "\"i\":-9223372036854775808,\"u\":18446744073709551615,\"d\":0.1,"
                        "\"e\":0.3333333333333333,\"n\":null,\"b\":true,\"t\":\"2026-01-02T03:00:00.123Z\","
                        "\"o\":{\"x\":false}}");
    buf_free(&buf);
}

static void test_numbers_are_short_and_exact(void **state)
{
    (void)state;
    static const struct {
        double value;
        const char *text;
    } cases[] = {
        {0, "0"},
        {-0.0, "-0"},
        {75, "75"},
        {-20, "-20"},
        {0.35, "0.35"},
        {-0.05, "-0.05"},
        {0.0001, "0.0001"},
        {0.00001, "1e-05"},
        {12.3456, "12.3456"},
        {12.34567, "12.34567"},
        {999999.5, "999999.5"},
        {1000000, "1000000"},
        {1e15, "1e+15"},
        {0.1 + 0.2, "0.30000000000000004"},
        {1e300, "1e+300"},
        {1e-300, "1e-300"},
    };
    struct buf buf = BUF_EMPTY;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        buf_clear(&buf);
        buf_json_double(&buf, cases[i].value);
        assert_string_equal(buf.ptr, cases[i].text);
    }
    for (int i = -20000; i <= 20000; i++) { /* as the slow way prints them */
        char text[40];
        snprintf(text, sizeof(text), "%.15g", i / 10000.0);
        buf_clear(&buf);
        buf_json_double(&buf, i / 10000.0);
        assert_string_equal(buf.ptr, text);
    }
    buf_free(&buf);
}

static void test_binary_records_read_back_and_stop_at_missing_bytes(void **state)
{
    (void)state;
    struct buf buf = BUF_EMPTY;
    buf_put_u8(&buf, 200);
    buf_put_u32(&buf, 0xdeadbeef);
    buf_put_u64(&buf, UINT64_C(0x0123456789abcdef));
    buf_put_lstr(&buf, STR("text"));
    buf_put_lstr(&buf, STR(""));
    assert_int_equal((unsigned char)buf.ptr[1], 0xef);
    struct str at = buf_str(&buf), text;
    uint8_t small;
    uint32_t medium;
    uint64_t large;
    assert_true(str_get_u8(&at, &small) && small == 200);
    assert_true(str_get_u32(&at, &medium) && medium == 0xdeadbeef);
    assert_true(str_get_u64(&at, &large) && large == UINT64_C(0x0123456789abcdef));
    struct str cut = {at.ptr, 7};
    assert_false(str_get_lstr(&cut, &text));
    assert_int_equal(cut.len, 7);
    assert_true(str_get_lstr(&at, &text) && str_is(text, "text"));
    assert_true(str_get_lstr(&at, &text) && text.len == 0);
    assert_false(str_get_u8(&at, &small));
    assert_false(str_get_u32(&at, &medium));
    assert_false(str_get_u64(&at, &large));
    buf_free(&buf);
}

static void test_an_array_grows_by_pushing(void **state)
{
    (void)state;
    VEC(int) numbers = {0};
    for (int i = 0; i < 10000; i++)
        vec_push(&numbers, i);
    assert_int_equal(numbers.count, 10000);
    for (int i = 0; i < 10000; i++)
        assert_int_equal(numbers.items[i], i);
    vec_free(&numbers);
    assert_null(numbers.items);
}

static struct str numbered(char out[16], int i)
{
    return (struct str){out, (size_t)snprintf(out, 16, "key%d", i)};
}

static void test_a_map_finds_what_was_put_and_forgets_what_was_taken(void **state)
{
    (void)state;
    static int values[3000];
    char name[16];
    struct map *map = map_new();
    assert_null(map_get(map, STR("")));
    for (int i = 0; i < 3000; i++) {
        values[i] = i;
        assert_null(map_put(map, numbered(name, i), &values[i]));
    }
    for (int i = 0; i < 3000; i += 3)
        assert_ptr_equal(map_take(map, numbered(name, i)), &values[i]);
    assert_int_equal(map_count(map), 2000);
    for (int i = 0; i < 3000; i++)
        assert_ptr_equal(map_get(map, numbered(name, i)), i % 3 ? &values[i] : NULL);
    assert_null(map_take(map, STR("key0")));
    assert_ptr_equal(map_put(map, STR("key1"), &values[7]), &values[1]);
    assert_ptr_equal(map_get(map, STR("key1")), &values[7]);
    map_free(map, NULL);
}

static void test_a_map_visits_each_entry_once(void **state)
{
    (void)state;
    char name[16], seen[100] = {0};
    struct map *map = map_new();
    for (int i = 0; i < 100; i++)
        map_put(map, numbered(name, i), mem_dup(&seen, 1));
    map_put(map, STR("a\0b"), mem_dup("", 0));
    size_t at = 0, count = 0;
    struct str key;
    void *value;
    while (map_next(map, &at, &key, &value)) {
        assert_non_null(value);
        if (key.len > 3)
            seen[atoi(key.ptr + 3)]++;
        count++;
    }
    assert_int_equal(count, 101);
    for (int i = 0; i < 100; i++)
        assert_int_equal(seen[i], 1);
    assert_null(map_get(map, STR("a\0c")));
    assert_non_null(map_get(map, STR("a\0b")));
    map_free(map, free);
    map_free(NULL, free);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_an_error_reads_as_where_and_what),
        cmocka_unit_test(test_a_long_message_is_cut),
        cmocka_unit_test(test_an_arena_gives_aligned_memory_that_does_not_overlap),
        cmocka_unit_test(test_a_reset_arena_keeps_its_largest_chunk_and_stops_growing),
        cmocka_unit_test(test_a_buffer_grows_and_stays_terminated),
        cmocka_unit_test(test_json_output_is_escaped_and_separated),
        cmocka_unit_test(test_numbers_are_short_and_exact),
        cmocka_unit_test(test_binary_records_read_back_and_stop_at_missing_bytes),
        cmocka_unit_test(test_an_array_grows_by_pushing),
        cmocka_unit_test(test_a_map_finds_what_was_put_and_forgets_what_was_taken),
        cmocka_unit_test(test_a_map_visits_each_entry_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
