#include "core/data/threat_fixture.h"

#include "base/text.h"
#include "data/threat_view.h"

/* ---- names ---- */

static void severities_are_read_in_any_case_and_by_both_names_of_the_lowest(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        enum severity severity;
    } cases[] = {{"critical", SEVERITY_CRITICAL}, {"HIGH", SEVERITY_HIGH}, {"Medium", SEVERITY_MEDIUM},
                 {"low", SEVERITY_LOW},           {"info", SEVERITY_INFO}, {"Informational", SEVERITY_INFO}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        enum severity severity = SEVERITY_COUNT;
        assert_true(severity_named(str_from(cases[i].name), &severity));
        assert_int_equal(severity, cases[i].severity);
    }
    for (int i = 0; i < SEVERITY_COUNT; i++) {
        enum severity back = SEVERITY_COUNT;
        assert_true(severity_named(str_from(severity_label((enum severity)i)), &back));
        assert_int_equal(back, i);
    }
}

static void unknown_names_are_refused_and_change_nothing(void **state)
{
    (void)state;
    static const char *const names[] = {"", "hig", "highh", " high", "resolved ", "none", "nul"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        enum severity severity = SEVERITY_LOW;
        enum threat_status status = STATUS_ESCALATED;
        enum threat_verdict verdict = VERDICT_INCONCLUSIVE;
        assert_false(severity_named(str_from(names[i]), &severity));
        assert_false(threat_status_named(str_from(names[i]), &status));
        assert_false(threat_verdict_named(str_from(names[i]), &verdict));
        assert_int_equal(severity, SEVERITY_LOW);
        assert_int_equal(status, STATUS_ESCALATED);
        assert_int_equal(verdict, VERDICT_INCONCLUSIVE);
    }
}

static void statuses_and_verdicts_are_read_as_they_are_written(void **state)
{
    (void)state;
    for (int i = STATUS_NEW; i <= STATUS_RESOLVED; i++) {
        enum threat_status back = STATUS_NEW;
        assert_true(threat_status_named(str_from(threat_status_label((enum threat_status)i)), &back));
        assert_int_equal(back, i);
    }
    assert_null(threat_verdict_label(VERDICT_NONE));
    for (int i = VERDICT_TRUE_POSITIVE; i <= VERDICT_INCONCLUSIVE; i++) {
        enum threat_verdict back = VERDICT_NONE;
        assert_true(threat_verdict_named(str_from(threat_verdict_label((enum threat_verdict)i)), &back));
        assert_int_equal(back, i);
    }
}

/* ---- the stored form ---- */

static void what_is_packed_comes_back_in_every_field(void **state)
{
    (void)state;
    struct err err = {0};
    struct buf packed = BUF_EMPTY, again = BUF_EMPTY, before = BUF_EMPTY, after = BUF_EMPTY;
    struct threat *threat = threat_complete();
    threat->extra = STR("{\"manipulation\":{\"suspected\":true}}");
    threat_pack(threat, &packed);
    struct threat *back = threat_unpack(buf_str(&packed), &err);
    assert_non_null(back);
    threat_pack(back, &again);
    assert_true(str_equal(buf_str(&packed), buf_str(&again)));
    threat_json(threat, false, &before);
    threat_json(back, false, &after);
    assert_true(str_equal(buf_str(&before), buf_str(&after)));
    assert_int_equal(back->anchor_ns, threat->anchor_ns);
    assert_memory_equal(back->anchor_id.bytes, threat->anchor_id.bytes, 16);
    assert_int_equal(back->evidence_next, 3);
    assert_true(back->members_truncated);
    buf_free(&packed);
    buf_free(&again);
    buf_free(&before);
    buf_free(&after);
    threat_free(threat);
    threat_free(back);
}

static void a_new_threat_packs_too(void **state)
{
    (void)state;
    struct err err = {0};
    struct buf packed = BUF_EMPTY;
    struct threat *threat = threat_new();
    assert_int_equal(threat->version, 1);
    threat_pack(threat, &packed);
    struct threat *back = threat_unpack(buf_str(&packed), &err);
    assert_non_null(back);
    assert_int_equal(back->version, 1);
    assert_int_equal(back->entities.count, 0);
    buf_free(&packed);
    threat_free(threat);
    threat_free(back);
    threat_free(NULL);
}

static void torn_or_lengthened_bytes_are_corrupt(void **state)
{
    (void)state;
    struct buf packed = BUF_EMPTY;
    struct threat *threat = threat_complete();
    threat_pack(threat, &packed);
    for (size_t len = 0; len < packed.len; len++) {
        struct err err = {0};
        char *copy = mem_dup(packed.ptr, len); /* so that ASan sees a read beyond */
        assert_null(threat_unpack((struct str){copy, len}, &err));
        assert_int_equal(err.code, ERR_CORRUPT);
        free(copy);
    }
    struct err err = {0};
    buf_putc(&packed, 0);
    assert_null(threat_unpack(buf_str(&packed), &err));
    assert_int_equal(err.code, ERR_CORRUPT);
    buf_free(&packed);
    threat_free(threat);
}

static void a_changed_byte_gives_a_threat_or_an_error_and_nothing_worse(void **state)
{
    (void)state;
    struct buf packed = BUF_EMPTY, json = BUF_EMPTY;
    struct threat *threat = threat_complete();
    threat_pack(threat, &packed);
    for (size_t at = 0; at < packed.len; at++)
        for (int bit = 0; bit < 8; bit++) {
            struct err err = {0};
            packed.ptr[at] ^= (char)(1 << bit);
            struct threat *back = threat_unpack(buf_str(&packed), &err);
            assert_true(back || err.code == ERR_CORRUPT);
            buf_clear(&json);
            if (back)
                threat_json(back, false, &json);
            threat_free(back);
            packed.ptr[at] ^= (char)(1 << bit);
        }
    buf_free(&packed);
    buf_free(&json);
    threat_free(threat);
}

/* ---- the full view ---- */

static void the_full_view_has_every_field_of_the_contract(void **state)
{
    (void)state;
    static const char *const fields[] = {"id",
                                         "seq",
                                         "last_seq",
                                         "created_at",
                                         "updated_at",
                                         "version",
                                         "rule",
                                         "threat_type",
                                         "customer_name",
                                         "severity",
                                         "score",
                                         "status",
                                         "verdict",
                                         "assignee",
                                         "title",
                                         "summary",
                                         "entities",
                                         "event_count",
                                         "first_seen",
                                         "last_seen",
                                         "evidence",
                                         "mitre_tags",
                                         "intel_matches",
                                         "false_positive_score",
                                         "response_plan",
                                         "agent_analyses",
                                         "analysis",
                                         "manipulation",
                                         "investigation_timeline",
                                         "requires_human_review",
                                         "review_reason",
                                         "total_processing_time_ms",
                                         "continues",
                                         "merged_into",
                                         "trace_id"};
    struct threat *threats[] = {threat_complete(), threat_number(2)};
    for (size_t t = 0; t < 2; t++) {
        struct buf out = BUF_EMPTY;
        threat_json(threats[t], false, &out);
        struct json *json = json_of(&out);
        for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
            if (!json_get(json, fields[i]))
                fail_msg("the full view has no %s", fields[i]);
        json_free(json);
        buf_free(&out);
        threat_free(threats[t]);
    }
}

static void the_full_view_says_what_the_threat_holds(void **state)
{
    (void)state;
    struct buf out = BUF_EMPTY;
    struct threat *threat = threat_complete();
    threat_json(threat, false, &out);
    struct json *json = json_of(&out);
    member_is(json, "id", threat->id);
    member_is(json, "created_at", "2026-01-02T03:00:01.000Z");
    member_is(json, "customer_name", "Größe & Söhne \"GmbH\"");
    member_is(json, "severity", "HIGH");
    member_is(json, "status", "escalated");
    member_is(json, "verdict", "true_positive");
    member_is(json, "summary", "Five prompts\nin five minutes");
    member_is(json, "continues", threat->continues);
    member_is_int(json, "version", 3);
    member_is_int(json, "event_count", 12345);
    const struct json *rule = json_get(json, "rule");
    member_is(rule, "id", "identity.mfa_fatigue");
    member_is_int(rule, "version", 4);
    const struct json *evidence = json_get(json, "evidence");
    assert_int_equal(json_count(evidence), 2);
    member_is(json_item(evidence, 0), "id", "E1");
    member_is(json_item(evidence, 0), "event_id", "01010101010101010101010101010101");
    member_is(json_get(json_item(evidence, 0), "context"), "user.name", "ana");
    assert_int_equal(json_count(json_get(json, "entities")), 2);
    assert_int_equal(json_count(json_get(json, "mitre_tags")), 2);
    json_free(json);
    buf_free(&out);
    threat_free(threat);
}

static void before_triage_no_result_is_invented(void **state)
{
    (void)state;
    static const char *const absent[] = {
        "verdict",       "assignee",  "false_positive_score", "response_plan", "analysis", "manipulation",
        "review_reason", "continues", "merged_into",          "trace_id"};
    struct buf out = BUF_EMPTY;
    struct threat *threat = threat_number(4); /* critical */
    threat_json(threat, false, &out);
    struct json *json = json_of(&out);
    for (size_t i = 0; i < sizeof absent / sizeof *absent; i++)
        if (json_kind(json_get(json, absent[i])) != JSON_KIND_NULL)
            fail_msg("%s is not null", absent[i]);
    assert_int_equal(json_kind(json_get(json, "agent_analyses")), JSON_KIND_OBJECT);
    assert_int_equal(json_count(json_get(json, "agent_analyses")), 0);
    assert_int_equal(json_count(json_get(json, "intel_matches")), 0);
    assert_int_equal(json_count(json_get(json_get(json, "score"), "parts")), 0);
    member_is_int(json_get(json, "score"), "value", 95);
    json_free(json);
    buf_free(&out);
    threat_free(threat);
}

static void later_stages_fill_their_fields_and_may_add_but_not_overwrite(void **state)
{
    (void)state;
    struct buf out = BUF_EMPTY;
    struct threat *threat = threat_number(1);
    threat->extra = STR(
        " { \"score\" : {\"value\":71,\"parts\":[{\"name\":\"asset\",\"value\":21}]},"
        "\"analysis\":{\"status\":\"done\",\"note\":\"a \\\"}\\\" in text\"} , \"severity\":\"CRITICAL\","
        "\"id\":\"x\",\"priority\":[1,{\"a\":[2]}], \"n\":-1.5e3,\"yes\":true} ");
    threat_json(threat, false, &out);
    struct json *json = json_of(&out); /* refuses a key that occurs twice */
    member_is_int(json_get(json, "score"), "value", 71);
    member_is(json_get(json, "analysis"), "status", "done");
    member_is(json, "severity", "LOW");
    member_is(json, "id", threat->id);
    assert_int_equal(json_count(json_get(json, "priority")), 2);
    bool yes = false;
    assert_true(json_get_bool(json, "yes", &yes) && yes);
    assert_int_equal(json_kind(json_get(json, "response_plan")), JSON_KIND_NULL);
    json_free(json);
    buf_free(&out);
    threat_free(threat);
}

static void what_is_no_object_adds_nothing(void **state)
{
    (void)state;
    static const char *const extras[] = {"{",         "[1]",         "{\"a\"",  "{\"a\":",    "{\"a\":1",
                                         "{\"a\":[1", "{\"a\":\"x}", "{a:1}",   "{\"a\":1,}", "{,}",
                                         "text",      "{\"a\" 1}",   "{\"a\":}"};
    struct buf plain = BUF_EMPTY, out = BUF_EMPTY;
    struct threat *threat = threat_number(1);
    threat_json(threat, false, &plain);
    for (size_t i = 0; i < sizeof extras / sizeof *extras; i++) {
        threat->extra = str_from(extras[i]);
        buf_clear(&out);
        threat_json(threat, false, &out);
        if (!str_equal(buf_str(&plain), buf_str(&out)))
            fail_msg("%s was taken in", extras[i]);
    }
    buf_free(&plain);
    buf_free(&out);
    threat_free(threat);
}

static void the_timeline_is_real_records_in_their_order(void **state)
{
    (void)state;
    static const char *const kinds[] = {"first_seen", "event",     "event",  "created",
                                        "note",       "last_seen", "change", "note"};
    struct buf out = BUF_EMPTY;
    struct threat *threat = threat_complete();
    struct threat_records records = {0};
    vec_push(&records.notes,
             ((struct threat_note){1, T0 + 30 * NS_PER_S, STR("bo"), STR("looking"), STR("")}));
    vec_push(&records.notes,
             ((struct threat_note){2, T0 + 120 * NS_PER_S, STR("cy"), STR("done"), STR("5ig")}));
    vec_push(&records.changes, ((struct threat_change){T0 + 90 * NS_PER_S, STR("bo"), STR("threat.patch"),
                                                       STR("{\"status\":\"escalated\"}")}));
    threat_view_full(threat, &records, &out);
    struct json *json = json_of(&out);
    const struct json *events = json_get(json_get(json, "investigation_timeline"), "events");
    assert_int_equal(json_count(events), 8);
    for (size_t i = 0; i < 8; i++)
        member_is(json_item(events, i), "kind", kinds[i]);
    member_is(json_item(events, 0), "time", "2026-01-02T02:55:00.000Z");
    member_is(json_item(events, 1), "id", "E1");
    member_is(json_item(events, 2), "id", "E2");
    member_is(json_item(events, 2), "time", "2026-01-02T03:00:00.000Z");
    member_is(json_item(events, 4), "by", "bo");
    member_is(json_get(json_item(events, 6), "detail"), "status", "escalated");
    for (size_t i = 0; i < 8; i++)
        assert_null(json_get(json_item(events, i), "title"));
    const struct json *notes = json_get(json, "notes");
    assert_int_equal(json_count(notes), 2);
    member_is(json_item(notes, 1), "signature", "5ig");
    assert_int_equal(json_kind(json_get(json_item(notes, 0), "signature")), JSON_KIND_NULL);
    json_free(json);
    buf_free(&out);
    vec_free(&records.notes);
    vec_free(&records.changes);
    threat_free(threat);
}

static void timeline_titles_name_moments_and_are_not_shown_themselves(void **state)
{
    (void)state;
    struct buf out = BUF_EMPTY;
    struct threat *threat = threat_complete();
    threat->extra = STR("{\"timeline_titles\":{\"created\":\"Raised \\\"x\\\"\",\"E2\":\"Fifth prompt\","
                        "\"E9\":\"no such\",\"last_seen\":7},\"mitre\":[{\"id\":\"T1\"}]}");
    threat_json(threat, false, &out);
    struct json *json = json_of(&out);
    assert_null(json_get(json, "timeline_titles"));
    assert_int_equal(json_count(json_get(json, "mitre")), 1);
    const struct json *events = json_get(json_get(json, "investigation_timeline"), "events");
    assert_int_equal(json_count(events), 5);
    assert_null(json_get(json_item(events, 1), "title")); /* E1 */
    member_is(json_item(events, 2), "title", "Fifth prompt");
    member_is(json_item(events, 3), "title", "Raised \"x\"");
    member_is(json_item(events, 4), "kind", "last_seen");
    assert_null(json_get(json_item(events, 4), "title")); /* no string */
    json_free(json);
    buf_clear(&out);
    threat->extra = STR("{\"timeline_titles\":[1]}");
    threat_json(threat, false, &out);
    json = json_of(&out);
    assert_int_equal(json_kind(json_get(json, "mitre")), JSON_KIND_ARRAY);
    assert_int_equal(json_count(json_get(json, "mitre")), 0);
    json_free(json);
    buf_free(&out);
    threat_free(threat);
}

static void a_member_of_extra_is_set_replaced_and_taken_away(void **state)
{
    (void)state;
    static const struct {
        const char *extra, *key, *value, *expected;
    } cases[] = {
        {"", "a", "1", "{\"a\":1}"},
        {"{}", "a", "{\"x\":[]}", "{\"a\":{\"x\":[]}}"},
        {"nonsense", "a", "1", "{\"a\":1}"},
        {"{\"b\":2}", "a", "1", "{\"b\":2,\"a\":1}"},
        {" { \"a\" : 1 , \"b\" : \"}\" } ", "a", "3", "{\"a\":3,\"b\":\"}\"}"},
        {"{\"a\":1,\"b\":2}", "b", "null", "{\"a\":1,\"b\":null}"},
        {"{\"a\":1,\"b\":2}", "a", "", "{\"b\":2}"},
        {"{\"a\":1}", "a", "", "{}"},
        {"{\"a\":1}", "b", "", "{\"a\":1}"},
        {"{\"a\":1,\"b\":2,\"a\":3}", "a", "4", "{\"a\":4,\"b\":2}"},
        {"{\"a\":1,\"b\":2,\"a\":3}", "a", "", "{\"b\":2}"},
        {"", "a", "", "{}"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct buf out = BUF_EMPTY;
        buf_puts(&out, "before ");
        threat_extra_set(&out, str_from(cases[i].extra), str_from(cases[i].key), str_from(cases[i].value));
        assert_memory_equal(out.ptr, "before ", 7);
        assert_string_equal(out.ptr + 7, cases[i].expected);
        struct str value = STR("untouched"), object = {out.ptr + 7, out.len - 7};
        bool found = threat_extra_get(object, str_from(cases[i].key), &value);
        assert_int_equal(found, *cases[i].value != '\0');
        assert_true(str_is(value, found ? cases[i].value : "untouched"));
        buf_free(&out);
    }
}

/* ---- the row ---- */

static void fill(struct threat *threat, struct str *field, const char *unit, size_t times)
{
    struct buf text = BUF_EMPTY;
    for (size_t i = 0; i < times; i++)
        buf_puts(&text, unit);
    *field = threat_keep(threat, buf_str(&text));
    buf_free(&text);
}

static void a_row_is_never_above_one_kilobyte(void **state)
{
    (void)state;
    static const char *const units[] = {"a", "\"", "\\", "\x01", "ä", "€", "😀", "\xff", "\xe2\x82", "a\x1f€"};
    for (size_t i = 0; i < sizeof units / sizeof *units; i++)
        for (size_t times = 1; times < 3000; times += 1 + times / 7) {
            struct buf out = BUF_EMPTY;
            struct threat *threat = threat_complete();
            threat->seq = threat->last_seq = threat->event_count = INT64_MAX;
            threat->version = UINT32_MAX;
            threat->severity = SEVERITY_CRITICAL;
            threat->status = STATUS_IN_PROGRESS;
            threat->verdict = VERDICT_BENIGN_TRUE_POSITIVE;
            fill(threat, &threat->title, units[i], times);
            fill(threat, &threat->customer, units[i], times);
            fill(threat, &threat->rule_id, units[i], times);
            fill(threat, &threat->type, units[i], times);
            fill(threat, &threat->assignee, units[i], times);
            threat_json(threat, true, &out);
            if (out.len > 1024)
                fail_msg("a row of %zu bytes from %zu times unit %zu", out.len, times, i);
            struct json *json = json_of(&out);
            struct str title;
            assert_true(json_get_str(json, "title", &title));
            assert_true(text_is_utf8(title));
            assert_true(title.len > 0);
            json_free(json);
            buf_free(&out);
            threat_free(threat);
        }
}

static void a_row_holds_what_a_list_shows(void **state)
{
    (void)state;
    struct buf out = BUF_EMPTY;
    struct threat *threat = threat_complete();
    threat_json(threat, true, &out);
    struct json *json = json_of(&out);
    member_is(json, "id", threat->id);
    member_is(json, "title", "MFA fatigue: ana");
    member_is(json, "severity", "HIGH");
    member_is(json, "status", "escalated");
    member_is(json, "threat_type", "anomaly_detection");
    member_is(json, "customer_name", "Größe & Söhne \"GmbH\"");
    member_is(json, "assignee", "bo");
    member_is_int(json, "event_count", 12345);
    member_is(json, "last_seen", "2026-01-02T03:01:00.000Z");
    bool shadow = false;
    assert_true(json_get_bool(json, "shadow", &shadow) && shadow);
    json_free(json);
    buf_free(&out);
    threat_free(threat);
}

static void what_fits_is_not_cut_and_what_does_not_ends_in_an_ellipsis(void **state)
{
    (void)state;
    struct threat *threat = threat_number(1);
    for (size_t len = 1; len < 60; len++) {
        struct buf out = BUF_EMPTY;
        struct str assignee;
        fill(threat, &threat->assignee, "x", len);
        threat_json(threat, true, &out);
        struct json *json = json_of(&out);
        assert_true(json_get_str(json, "assignee", &assignee));
        if (len <= 48) /* 50 with its quotes */
            assert_true(str_equal(assignee, threat->assignee));
        else
            assert_true(assignee.len == 48 && str_ends(assignee, STR("x…")));
        json_free(json);
        buf_free(&out);
    }
    threat_free(threat);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(severities_are_read_in_any_case_and_by_both_names_of_the_lowest),
        cmocka_unit_test(unknown_names_are_refused_and_change_nothing),
        cmocka_unit_test(statuses_and_verdicts_are_read_as_they_are_written),
        cmocka_unit_test(what_is_packed_comes_back_in_every_field),
        cmocka_unit_test(a_new_threat_packs_too),
        cmocka_unit_test(torn_or_lengthened_bytes_are_corrupt),
        cmocka_unit_test(a_changed_byte_gives_a_threat_or_an_error_and_nothing_worse),
        cmocka_unit_test(the_full_view_has_every_field_of_the_contract),
        cmocka_unit_test(the_full_view_says_what_the_threat_holds),
        cmocka_unit_test(before_triage_no_result_is_invented),
        cmocka_unit_test(later_stages_fill_their_fields_and_may_add_but_not_overwrite),
        cmocka_unit_test(what_is_no_object_adds_nothing),
        cmocka_unit_test(the_timeline_is_real_records_in_their_order),
        cmocka_unit_test(timeline_titles_name_moments_and_are_not_shown_themselves),
        cmocka_unit_test(a_member_of_extra_is_set_replaced_and_taken_away),
        cmocka_unit_test(a_row_is_never_above_one_kilobyte),
        cmocka_unit_test(a_row_holds_what_a_list_shows),
        cmocka_unit_test(what_fits_is_not_cut_and_what_does_not_ends_in_an_ellipsis),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
