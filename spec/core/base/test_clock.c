/* Time and identifiers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/clock.h"
#include "base/id.h"

static const struct {
    const char *text;
    int64_t ns; /* -1: refused */
} durations[] = {
    {"10m", 600 * NS_PER_S},
    {"1h", 3600 * NS_PER_S},
    {"30s", 30 * NS_PER_S},
    {"500ms", 500 * NS_PER_MS},
    {"7d", 7 * 86400 * NS_PER_S},
    {"2w", 14 * 86400 * NS_PER_S},
    {"1h30m", 5400 * NS_PER_S},
    {"0s", 0},
    {"3650d", 3650 * 86400 * NS_PER_S},
    {"3653d", 3653 * 86400 * NS_PER_S},
    {"3653d1ms", -1},
    {"4000d", -1},
    {"", -1},
    {"10", -1},
    {"-5m", -1},
    {"m", -1},
    {"1.5h", -1},
    {"10 m", -1},
    {"10M", -1},
    {"1h30", -1},
    {"99999999999999999999s", -1},
};

static void test_durations_are_read(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(durations) / sizeof(durations[0]); i++) {
        struct err err = {0};
        int64_t ns = -1;
        int result = duration_parse(str_from(durations[i].text), &ns, &err);
        if (ns != durations[i].ns || (result == 0) != (ns >= 0))
            fail_msg("\"%s\": %lld", durations[i].text, (long long)ns);
        assert_int_equal(err.code, result == 0 ? ERR_NONE : ERR_INVALID);
    }
}

#define REFUSED INT64_MIN

static const struct {
    enum time_format format;
    const char *text;
    int64_t ns;
} times[] = {
    {TIME_RFC3339, "1970-01-01T00:00:00Z", 0},
    {TIME_RFC3339, "2026-01-02T03:04:05Z", INT64_C(1767323045000000000)},
    {TIME_RFC3339, "2026-01-02t03:04:05z", INT64_C(1767323045000000000)},
    {TIME_RFC3339, "2026-01-02 03:04:05", INT64_C(1767323045000000000)},
    {TIME_RFC3339, "2026-01-02T03:04:05.123456789Z", INT64_C(1767323045123456789)},
    {TIME_RFC3339, "2026-01-02T03:04:05.1234567899Z", INT64_C(1767323045123456789)},
    {TIME_RFC3339, "2026-01-02T03:04:05,5Z", INT64_C(1767323045500000000)},
    {TIME_RFC3339, "2026-01-02T03:04:05+01:30", INT64_C(1767317645000000000)},
    {TIME_RFC3339, "2026-01-02T03:04:05-0130", INT64_C(1767328445000000000)},
    {TIME_RFC3339, "2024-02-29T00:00:00Z", INT64_C(1709164800000000000)},
    {TIME_RFC3339, "2000-02-29T00:00:00Z", INT64_C(951782400000000000)},
    {TIME_RFC3339, "1969-12-31T23:59:59.999999999Z", -1},
    {TIME_RFC3339, "1678-01-01T00:00:00Z", INT64_C(-9214560000000000000)},
    {TIME_RFC3339, "2261-12-31T23:59:59Z", INT64_C(9214646399000000000)},
    {TIME_RFC3339, "2016-12-31T23:59:60Z", INT64_C(1483228800000000000)},
    {TIME_RFC3339, "2023-02-29T00:00:00Z", REFUSED},
    {TIME_RFC3339, "1900-02-29T00:00:00Z", REFUSED},
    {TIME_RFC3339, "2026-13-01T00:00:00Z", REFUSED},
    {TIME_RFC3339, "2026-00-01T00:00:00Z", REFUSED},
    {TIME_RFC3339, "2026-01-00T00:00:00Z", REFUSED},
    {TIME_RFC3339, "2026-01-01T24:00:00Z", REFUSED},
    {TIME_RFC3339, "2026-01-01T00:60:00Z", REFUSED},
    {TIME_RFC3339, "1600-01-01T00:00:00Z", REFUSED},
    {TIME_RFC3339, "2300-01-01T00:00:00Z", REFUSED},
    {TIME_RFC3339, "2026-01-01", REFUSED},
    {TIME_RFC3339, "2026-01-01T00:00:00.Z", REFUSED},
    {TIME_RFC3339, "2026-01-01T00:00:00Zx", REFUSED},
    {TIME_RFC3339, "2026-01-01T00:00:00+1", REFUSED},
    {TIME_RFC3339, "", REFUSED},
    {TIME_UNIX_S, "1767323045", INT64_C(1767323045000000000)},
    {TIME_UNIX_S, "1767323045.25", INT64_C(1767323045250000000)},
    {TIME_UNIX_S, "1767323045.123456789123", INT64_C(1767323045123456789)},
    {TIME_UNIX_S, "-1.5", -1500000000},
    {TIME_UNIX_S, "1.5e9", INT64_C(1500000000000000000)},
    {TIME_UNIX_MS, "1767323045250", INT64_C(1767323045250000000)},
    {TIME_UNIX_MS, "0.5", 500000},
    {TIME_UNIX_US, "1767323045250000", INT64_C(1767323045250000000)},
    {TIME_UNIX_NS, "1767323045250000001", INT64_C(1767323045250000001)},
    {TIME_UNIX_S, "99999999999", REFUSED},
    {TIME_UNIX_NS, "99999999999999999999", REFUSED},
    {TIME_UNIX_S, "1e300", REFUSED},
    {TIME_UNIX_S, "nan", REFUSED},
    {TIME_UNIX_S, "0x10", REFUSED},
    {TIME_UNIX_S, "", REFUSED},
    {TIME_UNIX_S, "-", REFUSED},
    {TIME_UNIX_S, "5 ", REFUSED},
    {TIME_ANY, "1767323045", INT64_C(1767323045000000000)},
    {TIME_ANY, "1767323045250", INT64_C(1767323045250000000)},
    {TIME_ANY, "1767323045250000", INT64_C(1767323045250000000)},
    {TIME_ANY, "1767323045250000001", INT64_C(1767323045250000001)},
    {TIME_ANY, "2026-01-02T03:04:05Z", INT64_C(1767323045000000000)},
    {TIME_ANY, "yesterday", REFUSED},
};

static void test_times_are_read(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++) {
        int64_t ns = REFUSED;
        bool good = time_parse(str_from(times[i].text), times[i].format, &ns);
        if (good != (times[i].ns != REFUSED) || (good && ns != times[i].ns))
            fail_msg("\"%s\": %lld", times[i].text, good ? (long long)ns : -1LL);
    }
}

static void test_times_are_printed_as_they_are_read(void **state)
{
    (void)state;
    char text[32];
    for (int64_t ns = INT64_C(-9214560000000000000); ns < INT64_C(9200000000000000000);
         ns += INT64_C(12345678901000000)) {
        int64_t ms = ns - (ns % NS_PER_MS + NS_PER_MS) % NS_PER_MS, again;
        assert_int_equal(time_print(ns, text), 24);
        assert_int_equal(strlen(text), 24);
        assert_true(time_parse(str_from(text), TIME_RFC3339, &again));
        assert_true(again == ms);
    }
    time_print(-1, text);
    assert_string_equal(text, "1969-12-31T23:59:59.999Z");
}

static void test_time_formats_have_names(void **state)
{
    (void)state;
    enum time_format format;
    assert_true(time_format_named(STR("rfc3339"), &format) && format == TIME_RFC3339);
    assert_true(time_format_named(STR("unix"), &format) && format == TIME_UNIX_S);
    assert_true(time_format_named(STR("unix_ms"), &format) && format == TIME_UNIX_MS);
    assert_true(time_format_named(STR("unix_us"), &format) && format == TIME_UNIX_US);
    assert_true(time_format_named(STR("unix_ns"), &format) && format == TIME_UNIX_NS);
    assert_true(time_format_named(STR("any"), &format) && format == TIME_ANY);
    assert_false(time_format_named(STR("iso"), &format));
}

static void test_a_virtual_clock_stands_still(void **state)
{
    (void)state;
    struct clock_virtual v;
    clock_virtual_init(&v, 5);
    assert_int_equal(clock_now(&v.clock), 5);
    v.now_ns = 9;
    assert_int_equal(clock_now(&v.clock), 9);
    assert_true(clock_now(&clock_real) > INT64_C(1600000000000000000));
    int64_t before = clock_monotonic();
    assert_true(clock_monotonic() >= before);
    assert_true(clock_thread_cpu() >= 0);
}

static void test_ids_of_threats_sort_by_time(void **state)
{
    (void)state;
    char last[UUID_TEXT] = "", id[UUID_TEXT];
    for (int64_t i = 0; i < 1000; i++) {
        id_uuid7(INT64_C(1767322800000000000) + i * 1000, id);
        assert_true(id_is_uuid(str_from(id)));
        assert_int_equal(id[14], '7');
        assert_non_null(strchr("89ab", id[19]));
        assert_true(strcmp(last, id) < 0);
        memcpy(last, id, sizeof(last));
    }
    id_uuid7(INT64_C(1767322800000000000), id);
    assert_memory_equal(id, "019b7ca5-cf80-7000-", 19);
}

static void test_what_looks_like_an_id(void **state)
{
    (void)state;
    assert_true(id_is_uuid(STR("019b7cc1-d980-7000-8000-0123456789aB")));
    assert_false(id_is_uuid(STR("019b7cc1-d980-7000-8000-0123456789a")));
    assert_false(id_is_uuid(STR("019b7cc1-d980-7000-8000-0123456789abc")));
    assert_false(id_is_uuid(STR("019b7cc1d-980-7000-8000-0123456789ab")));
    assert_false(id_is_uuid(STR("g19b7cc1-d980-7000-8000-0123456789ab")));
    assert_false(id_is_uuid(STR("")));
}

static void test_hexadecimal_goes_both_ways(void **state)
{
    (void)state;
    unsigned char bytes[16], again[16];
    char hex[33];
    id_random(bytes, sizeof(bytes));
    id_hex(bytes, sizeof(bytes), hex);
    assert_true(id_unhex(str_from(hex), again, sizeof(again)));
    assert_memory_equal(bytes, again, sizeof(bytes));
    assert_true(id_unhex(STR("aBcD"), again, 2) && again[0] == 0xab && again[1] == 0xcd);
    assert_false(id_unhex(STR("aBc"), again, 2));
    assert_false(id_unhex(STR("aBcDe0"), again, 2));
    assert_false(id_unhex(STR("aBcx"), again, 2));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_durations_are_read),
        cmocka_unit_test(test_times_are_read),
        cmocka_unit_test(test_times_are_printed_as_they_are_read),
        cmocka_unit_test(test_time_formats_have_names),
        cmocka_unit_test(test_a_virtual_clock_stands_still),
        cmocka_unit_test(test_ids_of_threats_sort_by_time),
        cmocka_unit_test(test_what_looks_like_an_id),
        cmocka_unit_test(test_hexadecimal_goes_both_ways),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
