/* Stories of the check of a model's answer: what stands, what is dropped and counted, what fails; and of
 * schemas. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "ai/answer.h"
#include "ai/schema.h"
#include "base/clock.h"

static struct json *parsed(const char *text)
{
    struct err err = {0};
    struct json *json = json_parse(str_from(text), NULL, &err);
    if (!json)
        fail_msg("%s: %s", text, err_text(&err));
    return json;
}

/* ---- schemas ---- */

static void keywords_that_are_not_ours_are_refused_with_their_place(void **state)
{
    (void)state;
    static const struct {
        const char *schema, *where;
    } cases[] = {
        {"{\"$ref\":\"#/x\"}", ""},
        {"{\"properties\":{\"a\":{\"pattern\":\"x\"}}}", "properties.a"},
        {"{\"items\":{\"anyOf\":[]}}", "items"},
        {"{\"properties\":{\"a\":{\"items\":{\"type\":\"strng\"}}}}", "properties.a.items"},
        {"{\"type\":[]}", ""},
        {"{\"type\":7}", ""},
        {"{\"required\":\"a\"}", ""},
        {"{\"required\":[1]}", ""},
        {"{\"properties\":[]}", ""},
        {"{\"items\":[{}]}", "items"},
        {"{\"enum\":[]}", ""},
        {"{\"additionalProperties\":{}}", ""},
        {"{\"maxLength\":-1}", ""},
        {"{\"minItems\":1.5}", ""},
        {"{\"minimum\":\"1\"}", ""},
        {"{\"title\":1}", ""},
        {"[]", ""},
        {"true", ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct json *schema = parsed(cases[i].schema);
        struct err err = {0};
        if (schema_check(schema, &err) != -1)
            fail_msg("%s is taken", cases[i].schema);
        assert_int_equal(err.code, ERR_INVALID);
        assert_string_equal(err.where, cases[i].where);
        json_free(schema);
    }
    struct buf deep = BUF_EMPTY;
    for (int i = 0; i <= SCHEMA_DEPTH_MAX; i++)
        buf_puts(&deep, "{\"items\":");
    buf_puts(&deep, "{}");
    for (int i = 0; i <= SCHEMA_DEPTH_MAX; i++)
        buf_putc(&deep, '}');
    struct json *schema = parsed(deep.ptr);
    assert_int_equal(schema_check(schema, NULL), -1);
    assert_int_equal(schema_check(json_get(schema, "items"), NULL), 0);
    json_free(schema);
    buf_free(&deep);
}

struct validity {
    const char *schema, *value;
    bool valid;
    const char *where;
};

static const struct validity validities[] = {
    {"{}", "null", true, ""},
    {"{\"type\":\"string\"}", "\"a\"", true, ""},
    {"{\"type\":\"string\"}", "1", false, ""},
    {"{\"type\":[\"string\",\"null\"]}", "null", true, ""},
    {"{\"type\":[\"string\",\"null\"]}", "false", false, ""},
    {"{\"type\":\"integer\"}", "1.0", true, ""},
    {"{\"type\":\"integer\"}", "1.5", false, ""},
    {"{\"type\":\"number\"}", "1", true, ""},
    {"{\"type\":\"boolean\"}", "\"true\"", false, ""},
    {"{\"enum\":[\"a\",1,null]}", "1.0", true, ""},
    {"{\"enum\":[\"a\",1,null]}", "\"1\"", false, ""},
    {"{\"enum\":[\"a\",1,null]}", "null", true, ""},
    {"{\"minimum\":0,\"maximum\":1}", "0", true, ""},
    {"{\"minimum\":0,\"maximum\":1}", "1", true, ""},
    {"{\"minimum\":0,\"maximum\":1}", "-0.001", false, ""},
    {"{\"minimum\":0,\"maximum\":1}", "1.001", false, ""},
    {"{\"minimum\":0,\"maximum\":1}", "\"7\"", true, ""},
    {"{\"minLength\":2,\"maxLength\":3}", "\"a\"", false, ""},
    {"{\"minLength\":2,\"maxLength\":3}", "\"\\u00e9\\u00e9\\u00e9\"", true, ""},
    {"{\"minLength\":2,\"maxLength\":3}", "\"abcd\"", false, ""},
    {"{\"minItems\":1,\"maxItems\":2}", "[]", false, ""},
    {"{\"minItems\":1,\"maxItems\":2}", "[1,2]", true, ""},
    {"{\"minItems\":1,\"maxItems\":2}", "[1,2,3]", false, ""},
    {"{\"items\":{\"type\":\"integer\"}}", "[1,2,\"x\"]", false, "[2]"},
    {"{\"required\":[\"a\"]}", "{\"b\":1}", false, ""},
    {"{\"required\":[\"a\"]}", "{\"a\":null}", true, ""},
    {"{\"properties\":{\"a\":{\"type\":\"string\"}}}", "{\"a\":1}", false, "a"},
    {"{\"properties\":{\"a\":{}},\"additionalProperties\":false}", "{\"a\":1}", true, ""},
    {"{\"properties\":{\"a\":{}},\"additionalProperties\":false}", "{\"a\":1,\"b\":2}", false, ""},
    {"{\"properties\":{\"a\":{\"items\":{\"properties\":{\"t\":{\"type\":\"string\"}}}}}}",
     "{\"a\":[{},{\"t\":1}]}", false, "a[1].t"},
};

static void values_are_held_against_each_keyword(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof validities / sizeof validities[0]; i++) {
        const struct validity *one = &validities[i];
        struct json *schema = parsed(one->schema), *value = parsed(one->value);
        struct err err = {0};
        assert_int_equal(schema_check(schema, &err), 0);
        if ((schema_validate(schema, value, &err) == 0) != one->valid)
            fail_msg("%s with %s", one->schema, one->value);
        assert_string_equal(err.where, one->where);
        json_free(schema);
        json_free(value);
    }
}

/* ---- answers ---- */

struct world {
    struct evidence_block *evidence;
};

static bool known(struct str id, void *arg)
{
    (void)arg;
    return str_is(id, "T1110") || str_is(id, "T1078.004");
}

static int check(struct world *world, const char *content, struct answer *answer, struct err *err)
{
    struct answer_options options = {
        .evidence = world->evidence, .verdict_required = true, .known_technique = known};
    return answer_check(str_from(content), &options, answer, err);
}

#define HEAD "\"verdict\":\"suspicious\",\"confidence\":0.5"

static void a_good_answer_stands_as_it_is(void **state)
{
    static const char good[] =
        "{\"verdict\":\"malicious\",\"confidence\":1,\"severity_suggestion\":\"High\",\"claims\":[{\"text\":"
        "\"The user "
        "\\\"mallory\\\" ran `cmd.exe`.\",\"evidence\":[\"E1\",\"E2.process.name\"],\"kind\":\"fact\"}],"
        "\"missing_evidence\":[\"the proxy's "
        "log\"],\"mitre\":[\"T1110\",{\"id\":\"T1078.004\",\"reason\":\"x\"}],"
        "\"recommendations\":[\"look\"],\"injection_suspected\":{\"suspected\":false,\"evidence\":[]},"
        "\"summary\":\"s\"}";
    struct answer answer;
    struct err err = {0};
    if (check(*state, good, &answer, &err) != 0)
        fail_msg("%s", err_text(&err));
    assert_string_equal(answer.json.ptr, good);
    assert_int_equal(answer.verdict, ANSWER_MALICIOUS);
    assert_true(answer.confidence == 1);
    assert_int_equal(answer.severity_suggestion, 3);
    assert_false(answer.injection_suspected);
    assert_int_equal(answer.claims, 1);
    assert_int_equal(answer_dropped_total(&answer.dropped), 0);
    answer_release(&answer);
}

static void what_is_no_answer_fails(void **state)
{
    static const struct {
        const char *content;
        enum err_code code;
    } cases[] = {
        {"", ERR_INVALID},
        {"[]", ERR_INVALID},
        {"{", ERR_INVALID},
        {"{\"confidence\":1}", ERR_INVALID},
        {"{\"verdict\":\"evil\",\"confidence\":1}", ERR_INVALID},
        {"{\"verdict\":\"Malicious\",\"confidence\":1}", ERR_INVALID},
        {"{\"verdict\":null,\"confidence\":1}", ERR_INVALID},
        {"{\"verdict\":\"\",\"confidence\":1}", ERR_INVALID},
        {"{\"verdict\":\"malicious\"}", ERR_INVALID},
        {"{\"verdict\":\"malicious\",\"confidence\":1.01}", ERR_INVALID},
        {"{\"verdict\":\"malicious\",\"confidence\":-0.01}", ERR_INVALID},
        {"{\"verdict\":\"malicious\",\"confidence\":\"1\"}", ERR_INVALID},
        {"{" HEAD ",\"claims\":[{\"text\":\"x\",\"evidence\":[\"E9\"]}]}", ERR_CONFLICT},
        {"{" HEAD ",\"claims\":{\"a\":1}}", ERR_CONFLICT},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct answer answer;
        struct err err = {0};
        if (check(*state, cases[i].content, &answer, &err) != -1)
            fail_msg("%s is taken", cases[i].content);
        assert_int_equal(err.code, cases[i].code);
        assert_null(answer.json.ptr);
    }
}

static void the_schema_comes_first_and_its_message_tells_nothing_of_the_answer(void **state)
{
    struct world *world = *state;
    struct json *schema = parsed(
        "{\"type\":\"object\",\"properties\":{\"verdict\":{\"type\":\"string\"},\"confidence\":{}},"
        "\"additionalProperties\":false}");
    struct answer_options options = {.evidence = world->evidence, .schema = schema};
    struct answer answer;
    struct err err = {0};
    assert_int_equal(answer_check(STR("{" HEAD ",\"SECRETNAME\":\"SECRETVALUE\"}"), &options, &answer, &err),
                     -1);
    assert_null(strstr(err_text(&err), "SECRET"));
    assert_int_equal(answer_check(STR("{\"verdict\":12345}"), &options, &answer, &err), -1);
    assert_null(strstr(err_text(&err), "12345"));
    assert_int_equal(answer_check(STR("{}"), &options, &answer, &err), 0);
    assert_int_equal(answer.verdict, ANSWER_NO_VERDICT);
    assert_int_equal(answer.severity_suggestion, -1);
    answer_release(&answer);
    json_free(schema);
}

/* One claim beside one that stands, and where it is counted. */
static void claims_that_do_not_stand_are_dropped_and_counted(void **state)
{
    static const struct {
        const char *claim;
        struct answer_dropped dropped;
    } cases[] = {
        {"{\"text\":\"x\"}", {.claims_uncited = 1}},
        {"{\"text\":\"x\",\"evidence\":[]}", {.claims_uncited = 1}},
        {"{\"text\":\"\",\"evidence\":[\"E1\"]}", {.claims_uncited = 1}},
        {"{\"text\":7,\"evidence\":[\"E1\"]}", {.claims_uncited = 1}},
        {"\"E1\"", {.claims_uncited = 1}},
        {"{\"text\":\"x\",\"evidence\":\"E1\"}", {.claims_uncited = 1}},
        {"{\"text\":\"x\",\"evidence\":[\"E9\",\"e1\",\"E1.nothing\"]}", {.claims_unknown = 1}},
        {"{\"text\":\"x\",\"evidence\":[1]}", {.claims_unknown = 1}},
        {"{\"text\":\"x\",\"evidence\":[\"E9\",\"E1\"]}", {.citations = 1}},
        {"{\"text\":\"it was \\\"nobody at all\\\"\",\"evidence\":[\"E1\"]}", {.claims_quote = 1}},
        {"{\"text\":\"it was `nobody`\",\"evidence\":[\"E1\"]}", {.claims_quote = 1}},
        {"{\"text\":\"it was \xe2\x80\x9cnobody\xe2\x80\x9d\",\"evidence\":[\"E1\"]}", {.claims_quote = 1}},
        {"{\"text\":\"it was \\\"Mallory\\\"\",\"evidence\":[\"E1\"]}", {.claims_quote = 1}},
        {"{\"text\":\"it was \\\"mallory\\\"\",\"evidence\":[\"E2\"]}", {.claims_quote = 1}}, /* E1 has it */
        {"{\"text\":\"\\\"mallory\\\" and \\\"nobody\\\"\",\"evidence\":[\"E1\"]}", {.claims_quote = 1}},
        {"{\"text\":\"it was \\\"mallory\\\" or \\\"abc\\\"\",\"evidence\":[\"E1\"]}",
         {0}},                                                            /* short: a word */
        {"{\"text\":\"it was \\\"mallory\",\"evidence\":[\"E1\"]}", {0}}, /* no quote */
        {"{\"text\":\"`user.name = \\\"mallory\\\"`\",\"evidence\":[\"E1\"]}", {.claims_quote = 1}},
        {"{\"text\":\"`user.name [untrusted] = \\\"mallory\\\"`\",\"evidence\":[\"E1\"]}",
         {0}}, /* the line */
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct buf content = BUF_EMPTY;
        struct answer answer;
        struct err err = {0};
        buf_printf(&content, "{" HEAD ",\"claims\":[%s,{\"text\":\"fine\",\"evidence\":[\"E2\"]}]}",
                   cases[i].claim);
        assert_int_equal(check(*state, content.ptr, &answer, &err), 0);
        if (memcmp(&answer.dropped, &cases[i].dropped, sizeof answer.dropped) != 0) {
            struct buf counts = BUF_EMPTY;
            answer_dropped_print(&answer.dropped, &counts);
            fail_msg("%s: %s", cases[i].claim, counts.ptr);
        }
        unsigned gone = cases[i].dropped.claims_uncited + cases[i].dropped.claims_unknown +
                        cases[i].dropped.claims_quote;
        assert_int_equal(answer.claims, 2 - gone);
        assert_null(strstr(answer.json.ptr, "E9"));
        answer_release(&answer);
        buf_free(&content);
    }
}

static void unknown_techniques_and_repeated_ones_go(void **state)
{
    struct answer answer;
    assert_int_equal(check(*state,
                           "{" HEAD
                           ",\"mitre\":[\"T9999\",\"T1110\",\"T1110\",{\"id\":\"T0\"},7,{\"id\":\"T1110\"}]}",
                           &answer, NULL),
                     0);
    assert_non_null(strstr(answer.json.ptr, "\"mitre\":[\"T1110\"]"));
    assert_int_equal(answer.dropped.mitre, 3);
    answer_release(&answer);
    struct world *world = *state;
    struct answer_options options = {.evidence = world->evidence}; /* no table */
    assert_int_equal(answer_check(STR("{\"mitre\":[\"T1110\"]}"), &options, &answer, NULL), 0);
    assert_string_equal(answer.json.ptr, "{\"mitre\":[]}");
    answer_release(&answer);
}

static void caps_hold_on_both_sides(void **state)
{
    for (unsigned more = 0; more < 2; more++) {
        struct buf content = BUF_EMPTY;
        struct answer answer;
        buf_puts(&content, "{" HEAD ",\"claims\":[");
        for (unsigned i = 0; i < ANSWER_CLAIMS_MAX + more; i++)
            buf_printf(&content, "%s{\"text\":\"c%u\",\"evidence\":[\"E1\"]}", i ? "," : "", i);
        buf_puts(&content, "],\"recommendations\":[");
        for (unsigned i = 0; i < ANSWER_RECOMMENDATIONS_MAX + more; i++)
            buf_printf(&content, "%s\"r%u\"", i ? "," : "", i);
        buf_puts(&content, "],\"missing_evidence\":[");
        for (unsigned i = 0; i < ANSWER_LIST_MAX + more; i++)
            buf_printf(&content, "%s\"m%u\"", i ? "," : "", i);
        buf_printf(&content, "],\"summary\":\"%0*d\"}", (int)(ANSWER_TEXT_MAX + more), 0);
        assert_int_equal(check(*state, content.ptr, &answer, NULL), 0);
        assert_int_equal(answer.claims, ANSWER_CLAIMS_MAX);
        assert_int_equal(answer.dropped.claims_excess, more);
        assert_int_equal(answer.dropped.recommendations, more);
        assert_int_equal(answer.dropped.other, more);
        assert_int_equal(answer.dropped.texts_cut, more);
        struct json *json = parsed(answer.json.ptr);
        struct str summary;
        assert_true(json_get_str(json, "summary", &summary) && summary.len == ANSWER_TEXT_MAX);
        assert_int_equal(json_count(json_get(json, "claims")), ANSWER_CLAIMS_MAX);
        assert_int_equal(json_count(json_get(json, "recommendations")), ANSWER_RECOMMENDATIONS_MAX);
        json_free(json);
        answer_release(&answer);
        buf_free(&content);
    }
}

static void put_contradictions(struct buf *content, int count, int size)
{
    buf_puts(content, ",\"contradictions\":[");
    for (int i = 0; i < count; i++) {
        buf_printf(content, "%s{\"between\":[", i ? "," : "");
        for (int k = 0; k < count; k++)
            buf_printf(content, "%s\"%0*d\"", k ? "," : "", size, k);
        buf_puts(content, "]}");
    }
    buf_putc(content, ']');
}

static void put_claims(struct buf *content, int count, int size)
{
    buf_puts(content, ",\"claims\":[");
    for (int i = 0; i < count; i++)
        buf_printf(content, "%s{\"text\":\"%0*d\",\"evidence\":[\"E1\"],\"kind\":\"fact\"}", i ? "," : "",
                   size, i);
    buf_putc(content, ']');
}

/* However much a model writes: what it judged stands, the claims stand, the rest is cut to what has room. */
static void a_long_answer_is_cut_and_a_usual_one_is_not(void **state)
{
    static const struct {
        int contradictions, size, claims, claim_size;
        bool cut;
    } cases[] = {
        {20, 1024, 20, 1024, true},
        {20, 1, 20, 1024, false},
        {3, 1024, 20, 500, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct buf content = BUF_EMPTY;
        struct answer answer;
        struct str text;
        buf_putc(&content, '{');
        put_contradictions(&content, cases[i].contradictions, cases[i].size);
        put_claims(&content, cases[i].claims, cases[i].claim_size);
        buf_puts(&content, "," HEAD ",\"severity_suggestion\":\"high\",\"mitre\":[\"T1110\"]}");
        content.ptr[1] = ' '; /* the first comma */
        assert_int_equal(check(*state, content.ptr, &answer, NULL), 0);
        assert_true(answer.json.len <= ANSWER_JSON_MAX);
        assert_int_equal(answer.claims, cases[i].claims);
        assert_int_equal(answer_dropped_total(&answer.dropped) > 0, cases[i].cut);
        struct json *json = parsed(answer.json.ptr);
        assert_true(json_get_str(json, "verdict", &text) && str_is(text, "suspicious"));
        assert_true(json_get_str(json, "severity_suggestion", &text) && str_is(text, "high"));
        assert_int_equal(json_count(json_get(json, "claims")), cases[i].claims);
        json_free(json);
        answer_release(&answer);
        buf_free(&content);
    }
}

static void suspected_injection_is_a_boolean_or_an_object(void **state)
{
    static const struct {
        const char *value;
        bool suspected;
    } cases[] = {{"true", true},
                 {"false", false},
                 {"null", false},
                 {"{}", false},
                 {"{\"suspected\":true}", true},
                 {"{\"suspected\":false}", false},
                 {"{\"evidence\":[\"E1\"]}", true},
                 {"{\"suspected\":false,\"evidence\":[\"E1\"]}", true},
                 {"{\"evidence\":[]}", false},
                 {"\"yes\"", false}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct buf content = BUF_EMPTY;
        struct answer answer;
        buf_printf(&content, "{" HEAD ",\"injection_suspected\":%s}", cases[i].value);
        assert_int_equal(check(*state, content.ptr, &answer, NULL), 0);
        assert_int_equal(answer.injection_suspected, cases[i].suspected);
        answer_release(&answer);
        buf_free(&content);
    }
}

static void texts_lose_what_is_not_seen_and_deep_things_end(void **state)
{
    struct answer answer;
    assert_int_equal(
        check(*state,
              "{" HEAD
              ",\"severity_suggestion\":\"apocalyptic\",\"summary\":\"a\\u001b[0m\\u202eb\\n\\u200b\","
              "\"x\":[[[[[1]]]]]}",
              &answer, NULL),
        0);
    assert_non_null(strstr(answer.json.ptr, "\"summary\":\"a[0mb\\n\""));
    assert_non_null(strstr(answer.json.ptr, "\"x\":[[[null]]]"));
    assert_null(strstr(answer.json.ptr, "apocalyptic"));
    assert_int_equal(answer.severity_suggestion, -1);
    assert_int_equal(answer.dropped.other, 2);
    answer_release(&answer);
}

static void offline_answers_need_no_claim(void **state)
{
    struct world *world = *state;
    struct answer_options options = {.evidence = world->evidence, .offline = true};
    struct answer answer;
    assert_int_equal(
        answer_check(STR("{\"claims\":[{\"text\":\"x\"}],\"confidence\":0.2}"), &options, &answer, NULL), 0);
    assert_int_equal(answer.claims, 0);
    assert_int_equal(answer.dropped.claims_uncited, 1);
    answer_release(&answer);
}

static void hostile_answers_cost_little(void **state)
{
    static const char *const pieces[] = {
        "{\"text\":\"\\\"mallory\\\"\",\"evidence\":[\"E1\"]}", "{}", "[[[]]]",
        "{\"text\":\"x\",\"evidence\":[\"E1\",\"E9\",\"E9\",\"E9\"]}", "\"T1110\""};
    static const char *const members[] = {"claims", "mitre", "recommendations", "other"};
    for (size_t m = 0; m < sizeof members / sizeof members[0]; m++)
        for (size_t p = 0; p < sizeof pieces / sizeof pieces[0]; p++) {
            struct buf content = BUF_EMPTY;
            struct answer answer;
            buf_printf(&content, "{" HEAD ",\"%s\":[", members[m]);
            while (content.len < 900000)
                buf_printf(&content, "%s,", pieces[p]);
            buf_puts(&content, "1]}");
            int64_t before = clock_thread_cpu();
            check(*state, content.ptr, &answer, NULL);
            assert_true(clock_thread_cpu() - before < 20 * NS_PER_S); /* not quadratic */
            assert_true(answer.json.len < 100000);
            answer_release(&answer);
            buf_free(&content);
        }
}

static int setup(void **state)
{
    static struct world world;
    struct json *threat = parsed("{\"evidence\":[{\"id\":\"E1\",\"context\":{\"user.name\":\"mallory\"}},"
                                 "{\"id\":\"E2\",\"context\":{\"process.name\":\"cmd.exe\"}}]}");
    world.evidence = evidence_block_new(threat, &(struct evidence_options){.nonce = STR("0123456789")}, NULL);
    json_free(threat);
    *state = &world;
    return world.evidence ? 0 : -1;
}

static int teardown(void **state)
{
    evidence_block_free(((struct world *)*state)->evidence);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keywords_that_are_not_ours_are_refused_with_their_place),
        cmocka_unit_test(values_are_held_against_each_keyword),
        cmocka_unit_test(a_good_answer_stands_as_it_is),
        cmocka_unit_test(what_is_no_answer_fails),
        cmocka_unit_test(the_schema_comes_first_and_its_message_tells_nothing_of_the_answer),
        cmocka_unit_test(claims_that_do_not_stand_are_dropped_and_counted),
        cmocka_unit_test(unknown_techniques_and_repeated_ones_go),
        cmocka_unit_test(caps_hold_on_both_sides),
        cmocka_unit_test(a_long_answer_is_cut_and_a_usual_one_is_not),
        cmocka_unit_test(suspected_injection_is_a_boolean_or_an_object),
        cmocka_unit_test(texts_lose_what_is_not_seen_and_deep_things_end),
        cmocka_unit_test(offline_answers_need_no_claim),
        cmocka_unit_test(hostile_answers_cost_little),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
