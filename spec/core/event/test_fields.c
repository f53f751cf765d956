/* Interned field names. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "event/fields.h"

static void test_the_base_fields_are_there_from_the_start(void **state)
{
    (void)state;
    struct fields *fields = fields_new();
    assert_int_equal(fields_count(fields), FIELD_BASE_COUNT);
    assert_int_equal(fields_find(fields, STR("event.id")), FIELD_EVENT_ID);
    assert_int_equal(fields_find(fields, STR("@timestamp")), FIELD_TIMESTAMP);
    assert_int_equal(fields_find(fields, STR("organization.id")), FIELD_ORGANIZATION_ID);
    assert_int_equal(fields_find(fields, STR("organization.name")), FIELD_ORGANIZATION_NAME);
    assert_int_equal(fields_find(fields, STR("event.quality")), FIELD_EVENT_QUALITY);
    assert_int_equal(fields_find(fields, STR("message")), FIELD_MESSAGE);
    fields_free(fields);
}

static void test_a_path_has_one_slot(void **state)
{
    (void)state;
    struct fields *fields = fields_new();
    uint32_t slot = fields_intern(fields, STR("source.geo.country_iso_code"), NULL);
    assert_int_equal(slot, FIELD_BASE_COUNT);
    assert_int_equal(fields_intern(fields, STR("source.geo.country_iso_code"), NULL), slot);
    assert_int_equal(fields_find(fields, STR("source.geo.country_iso_code")), slot);
    assert_true(str_is(fields_path(fields, slot), "source.geo.country_iso_code"));
    assert_int_equal(fields_find(fields, STR("source.geo")), FIELD_NONE);
    assert_int_equal(fields_find(fields, STR("source.geo.country_iso_cod")), FIELD_NONE);
    assert_int_equal(fields_find(fields, STR("source.geo.country_iso_code.x")), FIELD_NONE);
    assert_int_equal(fields_find(fields, STR("")), FIELD_NONE);
    fields_free(fields);
}

static void test_a_path_may_be_the_beginning_of_another(void **state)
{
    (void)state;
    struct fields *fields = fields_new();
    uint32_t inner = fields_intern(fields, STR("a.b"), NULL), outer = fields_intern(fields, STR("a"), NULL);
    assert_int_not_equal(inner, outer);
    assert_int_equal(fields_find(fields, STR("a")), outer);
    assert_int_equal(fields_find(fields, STR("a.b")), inner);
    fields_free(fields);
}

static void test_malformed_paths_are_refused(void **state)
{
    static const char *const paths[] = {"", ".", "a.", ".a", "a..b", "..."};
    (void)state;
    struct fields *fields = fields_new();
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        struct err err = {0};
        assert_int_equal(fields_intern(fields, str_from(paths[i]), &err), FIELD_NONE);
        assert_int_equal(err.code, ERR_INVALID);
    }
    assert_int_equal(fields_count(fields), FIELD_BASE_COUNT);
    fields_free(fields);
}

static void test_a_path_has_at_most_256_bytes(void **state)
{
    (void)state;
    struct err err = {0};
    struct fields *fields = fields_new();
    char path[257];
    memset(path, 'x', sizeof(path));
    assert_int_not_equal(fields_intern(fields, (struct str){path, 256}, &err), FIELD_NONE);
    assert_int_equal(fields_intern(fields, (struct str){path, 257}, &err), FIELD_NONE);
    assert_int_equal(err.code, ERR_LIMIT);
    fields_free(fields);
}

static void test_there_are_at_most_65535_fields_and_all_are_found(void **state)
{
    (void)state;
    struct err err = {0};
    struct fields *fields = fields_new();
    char path[32];
    for (uint32_t i = FIELD_BASE_COUNT; i < 65535; i++) {
        snprintf(path, sizeof(path), "group%u.field%u", i % 97, i);
        assert_int_equal(fields_intern(fields, str_from(path), NULL), i);
    }
    assert_int_equal(fields_intern(fields, STR("one.more"), &err), FIELD_NONE);
    assert_int_equal(err.code, ERR_LIMIT);
    fields_freeze(fields);
    for (uint32_t i = FIELD_BASE_COUNT; i < 65535; i++) {
        snprintf(path, sizeof(path), "group%u.field%u", i % 97, i);
        assert_int_equal(fields_find(fields, str_from(path)), i);
    }
    fields_free(fields);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_base_fields_are_there_from_the_start),
        cmocka_unit_test(test_a_path_has_one_slot),
        cmocka_unit_test(test_a_path_may_be_the_beginning_of_another),
        cmocka_unit_test(test_malformed_paths_are_refused),
        cmocka_unit_test(test_a_path_has_at_most_256_bytes),
        cmocka_unit_test(test_there_are_at_most_65535_fields_and_all_are_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
