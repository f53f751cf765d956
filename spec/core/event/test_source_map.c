/* Source maps: vendor records become ECS. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "core/event/record.h"

#define ACCEPTED (INT64_C(1767322800) * NS_PER_S) /* 2026-01-02T03:00:00Z */

static int map_field(struct record *r, const char *path, const char *from, enum source_as as)
{
    struct str paths[1] = {str_from(from)};
    struct source_field field = {.path = str_from(path), .from = paths, .from_count = 1, .as = as};
    return source_map_field(r->map, &field, &r->err);
}

static int map_fields(struct record *r, const char *path, const struct str *from, size_t count, bool join)
{
    struct source_field field = {.path = str_from(path), .from = from, .from_count = count, .join = join};
    return source_map_field(r->map, &field, &r->err);
}

static void apply(struct record *r, const char *json)
{
    if (record_parse(r, json) != 0)
        fail_msg("%s: %s", json, r->err.message);
    r->event->accepted_ns = ACCEPTED;
    source_map_apply(r->map, r->event, r->arena);
}

/* Without the mark that most records of these tests would have. */
static const char *marks(struct record *r)
{
    r->event->quality &= ~(uint32_t)QUALITY_TIME_MISSING;
    return record_marks(r);
}

static void test_a_mapped_field_is_an_alias_that_copies_nothing(void **state)
{
    (void)state;
    struct record *r = record_new(NULL);
    assert_int_equal(map_field(r, "user.name", "actor.alternateId", AS_RAW), 0);
    apply(r, "{\"actor\":{\"alternateId\":\"ana\"}}");
    assert_string_equal(record_get(r, "user.name"), "sana");
    assert_string_equal(record_get(r, "actor.alternateId"), "sana");
    assert_ptr_equal(event_text(r->event, fields_find(r->fields, STR("user.name"))).ptr,
                     event_text(r->event, fields_find(r->fields, STR("actor.alternateId"))).ptr);
    assert_string_equal(marks(r), "");
    apply(r, "{\"actor\":[{\"alternateId\":\"ana\"},{\"alternateId\":7}]}");
    assert_string_equal(record_get(r, "user.name"), "sana|i7");
    apply(r, "{\"actor\":{\"alternateId\":null}}");
    assert_string_equal(record_get(r, "user.name"), "-");
    apply(r, "{}");
    assert_string_equal(record_get(r, "user.name"), "-");
    record_free(r);
}

static void test_the_first_path_present_is_taken(void **state)
{
    (void)state;
    const struct str from[] = {STR("a"), STR("b.c"), STR("d")};
    struct record *r = record_new(NULL);
    assert_int_equal(map_fields(r, "user.name", from, 3, false), 0);
    apply(r, "{\"d\":\"d\",\"b\":{\"c\":\"c\"}}");
    assert_string_equal(record_get(r, "user.name"), "sc");
    apply(r, "{\"d\":\"d\",\"b\":{\"c\":null}}");
    assert_string_equal(record_get(r, "user.name"), "sd");
    apply(r, "{\"d\":\"d\",\"a\":\"\"}");
    assert_string_equal(record_get(r, "user.name"), "s");
    record_free(r);
}

static void test_several_paths_are_joined_when_all_are_there(void **state)
{
    (void)state;
    const struct str from[] = {STR("host"), STR("record"), STR("n")};
    struct record *r = record_new(NULL);
    assert_int_equal(map_fields(r, "event.id", from, 3, true), 0);
    apply(r, "{\"record\":17,\"host\":\"web-1\",\"n\":true}");
    assert_string_equal(record_get(r, "event.id"), "sweb-1:17:true");
    apply(r, "{\"record\":17,\"host\":\"web-1\"}");
    assert_string_equal(record_get(r, "event.id"), "-");
    apply(r, "{\"record\":17,\"host\":null,\"n\":1}");
    assert_string_equal(record_get(r, "event.id"), "-");
    record_free(r);
}

static const struct {
    enum source_as as;
    const char *json, *value;
    bool converts;
} conversions[] = {
    {AS_IP, "\"203.0.113.9\"", "s203.0.113.9", true},
    {AS_IP, "\"255.255.255.255\"", "s255.255.255.255", true},
    {AS_IP, "\"2001:DB8:0:0::1\"", "s2001:db8::1", true},
    {AS_IP, "\"::ffff:10.1.1.1\"", "s10.1.1.1", true},
    {AS_IP, "\"::1\"", "s::1", true},
    {AS_IP, "\"256.1.1.1\"", "s256.1.1.1", false},
    {AS_IP, "\"1.2.3\"", "s1.2.3", false},
    {AS_IP, "\"1.2.3.4.5\"", "s1.2.3.4.5", false},
    {AS_IP, "\"1.2.3.04\"", "s1.2.3.04", false},
    {AS_IP, "\"1.2.3.4 \"", "s1.2.3.4 ", false},
    {AS_IP, "\"1.2.3.\"", "s1.2.3.", false},
    {AS_IP, "\"-\"", "s-", false},
    {AS_IP, "\"\"", "s", false},
    {AS_IP, "\"::1\\u0000\"", "s::1", false},
    {AS_IP, "16909060", "i16909060", false},
    {AS_IP, "null", "-", true},
    {AS_INTEGER, "\"42\"", "i42", true},
    {AS_INTEGER, "\"-042\"", "i-42", true},
    {AS_INTEGER, "42", "i42", true},
    {AS_INTEGER, "42.0", "i42", true},
    {AS_INTEGER, "18446744073709551615", "u18446744073709551615", true},
    {AS_INTEGER, "42.5", "d42.5", false},
    {AS_INTEGER, "\"0x2a\"", "s0x2a", false},
    {AS_INTEGER, "\"99999999999999999999\"", "s99999999999999999999", false},
    {AS_INTEGER, "true", "btrue", false},
    {AS_NUMBER, "\"42\"", "i42", true},
    {AS_NUMBER, "\"2.5\"", "d2.5", true},
    {AS_NUMBER, "2.5", "d2.5", true},
    {AS_NUMBER, "\"1e999\"", "s1e999", false},
    {AS_NUMBER, "\"abc\"", "sabc", false},
    {AS_BOOLEAN, "\"True\"", "btrue", true},
    {AS_BOOLEAN, "\"no\"", "bfalse", true},
    {AS_BOOLEAN, "1", "btrue", true},
    {AS_BOOLEAN, "0", "bfalse", true},
    {AS_BOOLEAN, "false", "bfalse", true},
    {AS_BOOLEAN, "2", "i2", false},
    {AS_BOOLEAN, "\"\"", "s", false},
    {AS_STRING, "42", "s42", true},
    {AS_STRING, "true", "strue", true},
    {AS_STRING, "2.50", "s2.5", true},
    {AS_LOWER, "\"WEB-1.Example\"", "sweb-1.example", true},
    {AS_LOWER, "\"\xc3\x89t\xc3\xa9\"", "s\xc3\xa9t\xc3\xa9", true},
    {AS_LOWER, "5", "s5", true},
    {AS_TIMESTAMP, "\"2026-01-02T03:04:05+01:00\"", "s2026-01-02T02:04:05.000Z", true},
    {AS_TIMESTAMP, "1767322800", "s2026-01-02T03:00:00.000Z", true},
    {AS_TIMESTAMP, "1767322800123", "s2026-01-02T03:00:00.123Z", true},
    {AS_TIMESTAMP, "\"yesterday\"", "syesterday", false},
    {AS_TIMESTAMP, "true", "btrue", false},
};

static void test_values_are_converted_or_kept_raw_and_marked(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(conversions) / sizeof(conversions[0]); i++) {
        struct record *r = record_new(NULL);
        char json[128];
        snprintf(json, sizeof(json), "{\"raw\":%s}", conversions[i].json);
        assert_int_equal(map_field(r, "mapped", "raw", conversions[i].as), 0);
        apply(r, json);
        const char *marked = marks(r);
        bool converted = marked[0] == 0;
        if (converted != conversions[i].converts)
            fail_msg("as %d, %s: marked \"%s\"", conversions[i].as, json, marked);
        if (strcmp(record_get(r, "mapped"), conversions[i].value) != 0)
            fail_msg("as %d, %s: expected %s, got %s", conversions[i].as, json, conversions[i].value,
                     r->printed.ptr);
        record_free(r);
    }
}

static void test_every_conversion_has_a_name(void **state)
{
    static const char *const names[] = {"ip", "integer", "number", "boolean", "string", "lower", "timestamp"};
    (void)state;
    enum source_as as;
    for (int i = 0; i < 7; i++) {
        assert_true(source_as_named(str_from(names[i]), &as));
        assert_int_equal(as, AS_IP + i);
    }
    assert_false(source_as_named(STR("upper"), &as));
    assert_false(source_as_named(STR(""), &as));
}

static void test_texts_go_through_a_table(void **state)
{
    (void)state;
    const struct str pairs[][2] = {
        {STR("SUCCESS"), STR("success")}, {STR("DENY"), STR("failure")}, {STR("7"), STR("seven")}};
    struct record *r = record_new(NULL);
    assert_int_equal(source_map_values(r->map, STR("event.outcome"), STR("result"), pairs, 3, &r->err), 0);
    apply(r, "{\"result\":\"DENY\"}");
    assert_string_equal(record_get(r, "event.outcome"), "sfailure");
    assert_string_equal(marks(r), "");
    apply(r, "{\"result\":[\"SUCCESS\",7]}");
    assert_string_equal(record_get(r, "event.outcome"), "ssuccess|sseven");
    apply(r, "{\"result\":\"deny\"}");
    assert_string_equal(record_get(r, "event.outcome"), "sdeny");
    assert_string_equal(marks(r), "value_unmapped");
    record_free(r);
}

static void test_a_mapped_path_wins_over_the_records_own(void **state)
{
    (void)state;
    struct record *r = record_new(NULL);
    struct value category = value_string(STR("authentication"));
    assert_int_equal(map_field(r, "user.name", "actor", AS_RAW), 0);
    assert_int_equal(source_map_const(r->map, STR("event.category"), &category, &r->err), 0);
    apply(r, "{\"actor\":\"ana\",\"user\":{\"name\":\"root\"},\"user.name\":\"root2\"}");
    assert_string_equal(record_get(r, "user.name"), "sana");
    assert_string_equal(record_get(r, "event.category"), "sauthentication");
    assert_string_equal(marks(r), "field_shadowed");
    apply(r, "{\"user\":{\"name\":\"root\"}}");
    assert_string_equal(record_get(r, "user.name"), "sroot");
    assert_string_equal(marks(r), "");
    apply(r, "{\"event\":{\"category\":\"mine\"}}");
    assert_string_equal(record_get(r, "event.category"), "sauthentication");
    assert_string_equal(marks(r), "field_shadowed");
    record_free(r);
}

static void test_a_path_can_be_converted_in_place(void **state)
{
    (void)state;
    struct record *r = record_new(NULL);
    assert_int_equal(map_field(r, "source.ip", "source.ip", AS_IP), 0);
    assert_int_equal(map_field(r, "user.name", "user.name", AS_RAW), 0);
    apply(r, "{\"source\":{\"ip\":[\"::FFFF:1.2.3.4\",\"::A\"]},\"user.name\":\"ana\"}");
    assert_string_equal(record_get(r, "source.ip"), "s1.2.3.4|s::a");
    assert_string_equal(record_get(r, "user.name"), "sana");
    assert_string_equal(marks(r), "");
    record_free(r);
}

static void test_maps_read_the_record_as_it_came_whatever_their_order(void **state)
{
    (void)state;
    for (int order = 0; order < 2; order++) {
        struct record *r = record_new(NULL);
        if (order == 0)
            assert_int_equal(map_field(r, "a", "b", AS_RAW), 0);
        assert_int_equal(map_field(r, "b", "a", AS_RAW), 0);
        if (order == 1)
            assert_int_equal(map_field(r, "a", "b", AS_RAW), 0);
        apply(r, "{\"a\":1,\"b\":2}");
        assert_string_equal(record_get(r, "a"), "i2");
        assert_string_equal(record_get(r, "b"), "i1");
        record_free(r);
    }
}

static const struct {
    const char *pattern, *text, *one, *two; /* one NULL: does not fit */
} dissections[] = {
    {"%{one} by %{two}", "denied by ana", "sdenied", "sana"},
    {"%{one} by %{two}", "denied by ana by bob", "sdenied", "sana by bob"},
    {"%{one} by %{two}", "denied", NULL, NULL},
    {"[%{one}] %{two}.", "[a b] c.", "sa b", "sc"},
    {"[%{one}] %{two}.", "[a b] c", NULL, NULL},
    {"[%{one}] %{two}.", "x[a] c.", NULL, NULL},
    {"%{one}:%{}:%{two}", "a:b:c", "sa", "sc"},
    {"%{one}:%{?skipped}:%{two}", "a:b:c", "sa", "sc"},
    {"%{one}:%{two}", ":", "s", "s"},
    {"%{one}%%%{two}", "50%%x", "s50", "sx"},
    {"a%{one}a", "a", NULL, NULL},
    {"a%{one}a", "aa", "s", "-"},
    {"%{one}", "", "s", "-"},
};

static void test_a_text_is_cut_by_a_pattern(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(dissections) / sizeof(dissections[0]); i++) {
        struct record *r = record_new(NULL);
        char json[128];
        snprintf(json, sizeof(json), "{\"text\":\"%s\"}", dissections[i].text);
        if (source_map_dissect(r->map, STR("text"), str_from(dissections[i].pattern), &r->err) != 0)
            fail_msg("%s: %s", dissections[i].pattern, r->err.message);
        apply(r, json);
        assert_string_equal(marks(r), dissections[i].one ? "" : "not_dissected");
        assert_string_equal(record_get(r, "one"), dissections[i].one ? dissections[i].one : "-");
        assert_string_equal(record_get(r, "two"), dissections[i].two ? dissections[i].two : "-");
        record_free(r);
    }
}

static void test_patterns_that_say_nothing_are_refused(void **state)
{
    static const char *const patterns[] = {"",          "no field", "%{a}%{b}", "%{a",
                                           "%{a} %{a}", "%{a..b}",  "%{x.}"};
    (void)state;
    for (size_t i = 0; i < sizeof(patterns) / sizeof(patterns[0]); i++) {
        struct record *r = record_new(NULL);
        if (source_map_dissect(r->map, STR("text"), str_from(patterns[i]), &r->err) == 0)
            fail_msg("accepted: %s", patterns[i]);
        record_free(r);
    }
}

static void test_a_pattern_has_at_most_32_fields(void **state)
{
    (void)state;
    struct buf pattern = BUF_EMPTY;
    struct record *r = record_new(NULL);
    for (int i = 0; i < 32; i++)
        buf_printf(&pattern, "%%{f%d} ", i);
    assert_int_equal(source_map_dissect(r->map, STR("text"), buf_str(&pattern), &r->err), 0);
    buf_puts(&pattern, "%{}");
    assert_int_equal(source_map_dissect(r->map, STR("other"), buf_str(&pattern), &r->err), -1);
    buf_free(&pattern);
    record_free(r);
}

static void test_a_path_is_mapped_once(void **state)
{
    (void)state;
    struct record *r = record_new(NULL);
    struct value one = value_string(STR("1"));
    const struct str pair[][2] = {{STR("k"), STR("1")}, {STR("k"), STR("2")}};
    assert_int_equal(map_field(r, "a", "b", AS_RAW), 0);
    assert_int_equal(map_field(r, "a", "c", AS_RAW), -1);
    assert_int_equal(r->err.code, ERR_CONFLICT);
    assert_int_equal(source_map_const(r->map, STR("a"), &one, &r->err), -1);
    assert_int_equal(source_map_values(r->map, STR("a"), STR("d"), pair, 1, &r->err), -1);
    assert_int_equal(source_map_dissect(r->map, STR("e"), STR("%{a}"), &r->err), -1);
    assert_int_equal(source_map_values(r->map, STR("f"), STR("d"), pair, 2, &r->err), -1);
    assert_int_equal(r->err.code, ERR_CONFLICT);
    record_free(r);
}

static void test_a_field_reads_1_to_16_paths(void **state)
{
    (void)state;
    struct str from[17];
    char names[17][8];
    struct record *r = record_new(NULL);
    for (int i = 0; i < 17; i++)
        from[i] = (struct str){names[i], (size_t)snprintf(names[i], sizeof(names[i]), "f%d", i)};
    assert_int_equal(map_fields(r, "a", from, 0, false), -1);
    assert_int_equal(map_fields(r, "a", from, 17, false), -1);
    assert_int_equal(map_fields(r, "a", from, 16, true), 0);
    apply(r, "{\"f0\":0,\"f1\":1,\"f2\":2,\"f3\":3,\"f4\":4,\"f5\":5,\"f6\":6,\"f7\":7,\"f8\":8,\"f9\":9,"
             "\"f10\":10,\"f11\":11,\"f12\":12,\"f13\":13,\"f14\":14,\"f15\":15}");
    assert_string_equal(record_get(r, "a"), "s0:1:2:3:4:5:6:7:8:9:10:11:12:13:14:15");
    record_free(r);
}

/* `time_ns` as seconds behind acceptance, and the mark. */
static void check_time(struct record *r, const char *json, int64_t seconds, const char *mark)
{
    apply(r, json);
    if (r->event->time_ns - ACCEPTED != seconds * NS_PER_S || strcmp(record_marks(r), mark) != 0)
        fail_msg("%s: %lld s after acceptance, marked \"%s\"", json,
                 (long long)((r->event->time_ns - ACCEPTED) / NS_PER_S), record_marks(r));
}

static void test_the_default_time_is_the_timestamp(void **state)
{
    (void)state;
    struct record *r = record_new(NULL);
    check_time(r, "{\"@timestamp\":\"2026-01-02T02:59:00Z\"}", -60, "");
    check_time(r, "{\"@timestamp\":1767322740}", -60, "");
    check_time(r, "{\"@timestamp\":1767322740000}", -60, "");
    check_time(r, "{\"@timestamp\":[null,\"2026-01-02T02:59:00Z\"]}", -60, "");
    check_time(r, "{\"@timestamp\":\"1900-01-01T00:00:00Z\"}", -3976311600, "");
    check_time(r, "{}", 0, "time_missing");
    check_time(r, "{\"@timestamp\":null}", 0, "time_missing");
    check_time(r, "{\"@timestamp\":\"soon\"}", 0, "time_invalid");
    check_time(r, "{\"@timestamp\":true}", 0, "time_invalid");
    record_parse(r, "{\"@timestamp\":\"2026-01-02T02:59:00Z\"}");
    r->event->accepted_ns = ACCEPTED;
    source_map_apply(NULL, r->event, r->arena);
    assert_int_equal(r->event->time_ns, ACCEPTED - 60 * NS_PER_S);
    record_free(r);
}

static void test_the_default_time_is_read_after_mapping(void **state)
{
    (void)state;
    struct record *r = record_new(NULL);
    assert_int_equal(map_field(r, "@timestamp", "published", AS_RAW), 0);
    check_time(r, "{\"published\":\"2026-01-02T02:59:00Z\",\"@timestamp\":1}", -60, "field_shadowed");
    record_free(r);
}

static void test_a_time_in_the_future_is_the_accept_time(void **state)
{
    (void)state;
    struct record *r = record_new(NULL);
    check_time(r, "{\"@timestamp\":\"2026-01-02T03:02:00Z\"}", 120, "");
    check_time(r, "{\"@timestamp\":\"2026-01-02T03:02:00.000000001Z\"}", 0, "time_in_future");
    check_time(r, "{\"@timestamp\":\"2200-01-01T00:00:00Z\"}", 0, "time_in_future");
    record_free(r);
}

static void test_a_source_names_its_time(void **state)
{
    (void)state;
    const struct str from[] = {STR("published"), STR("eventTime")};
    struct record *r = record_new(NULL);
    assert_int_equal(source_map_time(r->map, from, 2, TIME_UNIX_MS, false, &r->err), 0);
    assert_int_equal(source_map_time(r->map, from, 2, TIME_UNIX_MS, false, &r->err), -1);
    check_time(r, "{\"published\":1767322740000}", -60, "");
    check_time(r, "{\"eventTime\":\"1767322740000\"}", -60, "");
    check_time(r, "{\"eventTime\":\"2026-01-02T02:59:00Z\"}", 0, "time_invalid");
    check_time(r, "{\"@timestamp\":\"2026-01-02T02:59:00Z\"}", 0, "time_missing");
    record_free(r);
}

static void test_a_source_may_say_the_accept_time(void **state)
{
    (void)state;
    struct record *r = record_new(NULL);
    assert_int_equal(source_map_time(r->map, NULL, 0, TIME_ANY, true, &r->err), 0);
    check_time(r, "{\"@timestamp\":\"2026-01-02T02:59:00Z\"}", 0, "");
    check_time(r, "{}", 0, "");
    record_free(r);
}

/* Only what is wanted is applied; the rest is found when somebody asks. */
static void settle(struct record *r, const char *wanted)
{
    assert_int_not_equal(fields_intern(r->fields, str_from(wanted), &r->err), FIELD_NONE);
    while (source_map_settle(r->map))
        continue;
    fields_freeze(r->fields);
}

static void test_a_settled_map_takes_the_same_steps_as_one_that_tries_them_all(void **state)
{
    (void)state;
    char path[16], from[16], json[64];
    struct record *r = record_new(NULL);
    struct value one = value_string(STR("one"));
    for (unsigned i = 0; i < 150; i++) { /* more steps than one word of bits has */
        snprintf(path, sizeof(path), "to.f%u", i);
        snprintf(from, sizeof(from), "from.f%u", i);
        assert_int_equal(map_field(r, path, from, AS_RAW), 0);
        if (i % 2)
            fields_intern(r->fields, str_from(path), NULL);
    }
    assert_int_equal(source_map_const(r->map, STR("module"), &one, &r->err), 0);
    settle(r, "module");
    for (unsigned i = 0; i < 150; i++) {
        snprintf(json, sizeof(json), "{\"from\":{\"f%u\":[null,%u]},\"to\":{\"f3\":9}}", i, i);
        snprintf(path, sizeof(path), "to.f%u", i);
        snprintf(from, sizeof(from), "n|i%u", i);
        apply(r, json);
        assert_string_equal(record_get(r, path), i % 2 ? from : "-");
        assert_string_equal(record_get(r, "module"), "sone");
        assert_string_equal(marks(r), i == 3 ? "field_shadowed" : "");
    }
    record_free(r);
}

static const char *look(struct record *r, const char *path)
{
    struct value out[1];
    return event_lookup(r->event, r->parser, str_from(path), r->arena, out, 1) ? out[0].text.ptr : "-";
}

static void test_a_held_event_is_read_once_and_never_mistaken_for_another(void **state)
{
    (void)state;
    struct record *r = record_new(NULL);
    assert_int_equal(map_field(r, "user.name", "actor.id", AS_RAW), 0);
    settle(r, "wanted");
    apply(r, "{\"actor\":{\"id\":\"ana\"},\"other\":\"x\",\"wanted\":1}");
    for (int held = 0; held < 2; held++) {
        event_parser_hold(r->parser, held ? r->event : NULL);
        assert_string_equal(look(r, "other"), "x");
        assert_string_equal(look(r, "user.name"), "ana");
        assert_string_equal(look(r, "other"), "x");
        assert_string_equal(look(r, "user.name"), "ana");
    }
    apply(r, "{\"actor\":{\"id\":\"bob\"},\"other\":\"y\",\"wanted\":1}"); /* in the same bytes */
    assert_string_equal(look(r, "other"), "y");
    assert_string_equal(look(r, "user.name"), "bob");
    record_free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_mapped_field_is_an_alias_that_copies_nothing),
        cmocka_unit_test(test_the_first_path_present_is_taken),
        cmocka_unit_test(test_several_paths_are_joined_when_all_are_there),
        cmocka_unit_test(test_values_are_converted_or_kept_raw_and_marked),
        cmocka_unit_test(test_every_conversion_has_a_name),
        cmocka_unit_test(test_texts_go_through_a_table),
        cmocka_unit_test(test_a_mapped_path_wins_over_the_records_own),
        cmocka_unit_test(test_a_path_can_be_converted_in_place),
        cmocka_unit_test(test_maps_read_the_record_as_it_came_whatever_their_order),
        cmocka_unit_test(test_a_text_is_cut_by_a_pattern),
        cmocka_unit_test(test_patterns_that_say_nothing_are_refused),
        cmocka_unit_test(test_a_pattern_has_at_most_32_fields),
        cmocka_unit_test(test_a_path_is_mapped_once),
        cmocka_unit_test(test_a_field_reads_1_to_16_paths),
        cmocka_unit_test(test_the_default_time_is_the_timestamp),
        cmocka_unit_test(test_the_default_time_is_read_after_mapping),
        cmocka_unit_test(test_a_time_in_the_future_is_the_accept_time),
        cmocka_unit_test(test_a_source_names_its_time),
        cmocka_unit_test(test_a_source_may_say_the_accept_time),
        cmocka_unit_test(test_a_settled_map_takes_the_same_steps_as_one_that_tries_them_all),
        cmocka_unit_test(test_a_held_event_is_read_once_and_never_mistaken_for_another),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
