/* What of a policy's answer is taken, and what is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>

#include "core/rules/ruleset.h"
#include "pipeline/triage_check.h"

struct outcome {
    int rc;
    struct buf out;
    struct err err;
};

static struct json *json_of(const char *text)
{
    struct err err = {0};
    const struct json_limits limits = {16 << 20, 64, true};
    struct json *json = json_parse(str_from(text), &limits, &err);
    if (json == NULL)
        fail_msg("%s: %s", text, err_text(&err));
    return json;
}

/* A check that refuses leaves what stood there before. */
static void put_mark(struct buf *out)
{
    buf_puts(out, "before");
}

static void check_outcome(struct outcome *o, const char *expected, const char *why)
{
    if (why) {
        assert_int_equal(o->rc, -1);
        assert_true(str_is(buf_str(&o->out), "before"));
        if (!strstr(o->err.message, why))
            fail_msg("\"%s\" does not say \"%s\"", o->err.message, why);
    } else {
        assert_int_equal(o->rc, 0);
        assert_string_equal(o->out.ptr + strlen("before"), expected);
    }
    buf_free(&o->out);
}

struct shape {
    const char *answer, *expected, *why; /* why: it is refused */
};

/* ---- severity ---- */

static void severity_parts_add_up_or_are_refused(void **state)
{
    static const struct shape shapes[] = {
        {"{\"severity\":\"HIGH\",\"parts\":[{\"name\":\"a\",\"value\":75,\"reason\":\"r\"},"
         "{\"name\":\"b\",\"value\":-5.5,\"reason\":\"s\"}]}",
         "{\"parts\":[{\"name\":\"a\",\"value\":75,\"reason\":\"r\"},{\"name\":\"b\",\"value\":-5.5,"
         "\"reason\":\"s\"}],\"value\":69.5}",
         NULL},
        {"{\"severity\":\"low\",\"parts\":{}}", "{\"parts\":[],\"value\":0}", NULL},
        {"{\"severity\":\"low\"}", "{\"parts\":[],\"value\":0}", NULL},
        {"{\"severity\":\"HIGH\",\"parts\":[{\"name\":\"a\",\"value\":60,\"reason\":\"r\"},"
         "{\"name\":\"b\",\"value\":41,\"reason\":\"s\"}]}",
         NULL, "add up to 101"},
        {"{\"severity\":\"HIGH\",\"parts\":[{\"name\":\"a\",\"value\":-1,\"reason\":\"r\"}]}", NULL,
         "add up to -1"},
        {"{\"severity\":\"HIGH\",\"parts\":[{\"name\":\"a\",\"value\":1000,\"reason\":\"r\"}]}", NULL,
         "\"value\""},
        {"{\"severity\":\"HIGH\",\"parts\":[{\"name\":\"a\",\"value\":\"75\",\"reason\":\"r\"}]}", NULL,
         "\"value\""},
        {"{\"severity\":\"HIGH\",\"parts\":[{\"name\":\"a\",\"value\":null,\"reason\":\"r\"}]}", NULL,
         "\"value\""},
        {"{\"severity\":\"HIGH\",\"parts\":[{\"name\":\"\",\"value\":1,\"reason\":\"r\"}]}", NULL,
         "\"name\""},
        {"{\"severity\":\"HIGH\",\"parts\":[{\"name\":\"a\",\"value\":1}]}", NULL, "\"reason\""},
        {"{\"severity\":\"HIGH\",\"parts\":[1,2]}", NULL, "\"name\""},
        {"{\"severity\":\"HIGH\",\"parts\":\"none\"}", NULL, "\"parts\" must be a list"},
        {"{\"severity\":\"HIGH\",\"parts\":7}", NULL, "\"parts\" must be a list"},
        {"{\"severity\":\"HIGH\",\"parts\":{\"a\":1}}", NULL, "\"parts\" must be a list"},
        {"{\"severity\":\"dreadful\"}", NULL, "\"severity\" is none"},
        {"{\"severity\":4}", NULL, "\"severity\" must be"},
        {"{}", NULL, "\"severity\" must be"},
        {"[]", NULL, "\"severity\" must be"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++) {
        struct json *json = json_of(shapes[i].answer);
        struct outcome o = {0};
        enum severity severity;
        put_mark(&o.out);
        o.rc = check_severity(json, &severity, &o.out, &o.err);
        check_outcome(&o, shapes[i].expected, shapes[i].why);
        json_free(json);
    }
}

static struct json *many(const char *before, const char *item, size_t count, const char *after)
{
    struct buf text = BUF_EMPTY;
    buf_puts(&text, before);
    for (size_t i = 0; i < count; i++) {
        buf_puts(&text, i ? "," : "");
        buf_puts(&text, item);
    }
    buf_puts(&text, after);
    struct json *json = json_of(text.ptr);
    buf_free(&text);
    return json;
}

static void lists_have_a_most(void **state)
{
    static const char part[] = "{\"name\":\"a\",\"value\":0,\"reason\":\"r\"}";
    static const size_t counts[] = {32, 33, 1000};
    (void)state;
    for (size_t i = 0; i < 3; i++) {
        struct json *json = many("{\"severity\":\"low\",\"parts\":[", part, counts[i], "]}");
        struct buf out = BUF_EMPTY;
        struct err err = {0};
        enum severity severity;
        assert_int_equal(check_severity(json, &severity, &out, &err), counts[i] <= 32 ? 0 : -1);
        assert_int_equal(err.code, counts[i] <= 32 ? ERR_NONE : ERR_LIMIT);
        json_free(json);
        buf_free(&out);
    }
}

/* A stranger chooses values that policies quote: none is long enough to have the answer refused. */
static void long_reasons_are_cut_at_a_character(void **state)
{
    struct buf text = BUF_EMPTY, out = BUF_EMPTY;
    struct err err = {0};
    enum severity severity;
    struct str reason;
    (void)state;
    buf_puts(&text, "{\"severity\":\"low\",\"parts\":[{\"name\":\"a\",\"value\":1,\"reason\":\"x");
    for (int i = 0; i < 2000; i++)
        buf_puts(&text, "\xc3\xa4");
    buf_puts(&text, "\"}]}");
    struct json *json = json_of(text.ptr);
    assert_int_equal(check_severity(json, &severity, &out, &err), 0);
    struct json *score = json_of(out.ptr);
    assert_true(json_get_str(json_item(json_get(score, "parts"), 0), "reason", &reason));
    assert_int_equal(reason.len, 511);
    assert_memory_equal(reason.ptr + 509, "\xc3\xa4", 2);
    json_free(score);
    json_free(json);
    buf_free(&text);
    buf_free(&out);
}

/* ---- false positive ---- */

#define FP(score, base, indicators)                                                                          \
    "{\"score\":" score ",\"confidence\":0.5,\"base\":" base                                                 \
    ",\"recommendation\":\"needs_review\",\"explanation\":\"e\",\"indicators\":" indicators "}"

static void false_positive_weights_add_up_or_are_refused(void **state)
{
    static const struct shape shapes[] = {
        {FP("0.3", "0.5", "[{\"name\":\"n\",\"weight\":-0.2,\"reason\":\"r\"}]"),
         "{\"score\":0.3,\"confidence\":0.5,\"base\":0.5,\"recommendation\":\"needs_review\","
         "\"explanation\":\"e\",\"indicators\":[{\"name\":\"n\",\"weight\":-0.2,\"reason\":\"r\"}]}",
         NULL},
        {FP("1", "0.9",
            "[{\"name\":\"n\",\"weight\":0.4,\"reason\":\"r\"},{\"name\":\"limit\",\"weight\":"
            "-0.3,\"reason\":\"r\"}]"),
         "{\"score\":1,\"confidence\":0.5,\"base\":0.9,\"recommendation\":\"needs_review\",\"explanation\":"
         "\"e\",\"indicators\":[{\"name\":\"n\",\"weight\":0.4,\"reason\":\"r\"},{\"name\":\"limit\","
         "\"weight\":-0.3,\"reason\":\"r\"}]}",
         NULL},
        {FP("0.5", "0.5", "{}"),
         "{\"score\":0.5,\"confidence\":0.5,\"base\":0.5,\"recommendation\":\"needs_review\","
         "\"explanation\":\"e\",\"indicators\":[]}",
         NULL},
        {FP("0.4", "0.5", "{}"), NULL, "add up to 0.5"},
        {FP("1.2", "0.5", "{}"), NULL, "\"score\""},
        {FP("-0.1", "0.5", "{}"), NULL, "\"score\""},
        {FP("\"0.5\"", "0.5", "{}"), NULL, "\"score\""},
        {FP("0.5", "null", "{}"), NULL, "\"base\""},
        {FP("0.5", "0.5", "\"\""), NULL, "\"indicators\" must be a list"},
        {FP("0.5", "0.5", "[{\"name\":\"n\",\"weight\":3,\"reason\":\"r\"}]"), NULL, "\"weight\""},
        {"{\"score\":0.5,\"confidence\":2,\"base\":0.5}", NULL, "\"confidence\""},
        {"{\"score\":0.5,\"confidence\":0,\"base\":0.5,\"recommendation\":\"ignore_it\",\"explanation\":"
         "\"e\"}",
         NULL, "\"recommendation\" is none"},
        {"{\"score\":0.5,\"confidence\":0,\"base\":0.5,\"recommendation\":\"needs_review\"}", NULL,
         "\"explanation\""},
        {"[]", NULL, "\"score\""},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++) {
        struct json *json = json_of(shapes[i].answer);
        struct outcome o = {0};
        put_mark(&o.out);
        o.rc = check_false_positive(json, &o.out, &o.err);
        check_outcome(&o, shapes[i].expected, shapes[i].why);
        json_free(json);
    }
}

/* ---- techniques ---- */

static struct ruleset *with_attack(void)
{
    struct buf csv = BUF_EMPTY;
    struct report report = {0};
    buf_puts(&csv, "value,name,tactics\nT1110,Brute Force,credential-access\n");
    for (int i = 0; i < 20; i++)
        buf_printf(&csv, "T90%02d,Technique %d,execution\n", i, i);
    const struct text_file file = {"rules/lists/attack.csv", csv.ptr};
    struct ruleset *set = load_texts(&file, 1, &report);
    assert_non_null(set);
    report_free(&report);
    buf_free(&csv);
    return set;
}

static void unknown_techniques_go_and_the_rest_comes_once(void **state)
{
    static const struct {
        struct shape shape;
        unsigned dropped;
    } cases[] = {
        {{"[{\"id\":\"T1110\",\"source\":\"rule\",\"confidence\":1},{\"id\":\"T0000\",\"source\":\"rule\","
          "\"confidence\":1},{\"id\":\"T1110\",\"source\":\"event\",\"confidence\":0.2},{\"name\":\"no id\"},"
          "7]",
          "[{\"id\":\"T1110\",\"name\":\"Brute Force\",\"tactics\":[\"credential-access\"],\"source\":"
          "\"rule\",\"confidence\":1}]",
          NULL},
         1},
        {{"{}", "[]", NULL}, 0},
        {{"[]", "[]", NULL}, 0},
        {{"{\"id\":\"T1110\"}", NULL, "must be a list"}, 0},
        {{"[{\"id\":\"T1110\",\"source\":\"rule\",\"confidence\":\"high\"}]", NULL, "\"confidence\""}, 0},
        {{"[{\"id\":\"T1110\",\"confidence\":1}]", NULL, "\"source\""}, 0},
    };
    struct ruleset *set = with_attack();
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct json *json = json_of(cases[i].shape.answer);
        struct outcome o = {0};
        unsigned dropped = 0;
        put_mark(&o.out);
        o.rc = check_mitre(json, set, &dropped, &o.out, &o.err);
        check_outcome(&o, cases[i].shape.expected, cases[i].shape.why);
        assert_int_equal(dropped, cases[i].dropped);
        json_free(json);
    }
    ruleset_unref(set);
}

static void techniques_have_a_most(void **state)
{
    struct ruleset *set = with_attack();
    struct buf text = BUF_EMPTY, out = BUF_EMPTY;
    struct err err = {0};
    unsigned dropped = 0;
    (void)state;
    buf_putc(&text, '[');
    for (int i = 0; i < 20; i++)
        buf_printf(&text, "%s{\"id\":\"T90%02d\",\"source\":\"event\",\"confidence\":0.5}", i ? "," : "", i);
    buf_putc(&text, ']');
    struct json *json = json_of(text.ptr);
    assert_int_equal(check_mitre(json, set, &dropped, &out, &err), 0);
    struct json *kept = json_of(out.ptr);
    assert_int_equal(json_count(kept), 10);
    assert_int_equal(dropped, 0);
    json_free(kept);
    json_free(json);
    buf_free(&text);
    buf_free(&out);
    ruleset_unref(set);
}

/* ---- manipulation, titles ---- */

static void findings_name_what_they_found(void **state)
{
    static const struct {
        struct shape shape;
        size_t findings;
    } cases[] = {
        {{"{\"findings\":[{\"name\":\"n\",\"reason\":\"r\",\"evidence\":[\"E1\",7]},{\"name\":\"m\","
          "\"reason\":\"s\"}]}",
          "{\"findings\":[{\"name\":\"n\",\"reason\":\"r\",\"evidence\":[\"E1\"]},{\"name\":\"m\","
          "\"reason\":\"s\",\"evidence\":[]}],\"suspected\":true}",
          NULL},
         2},
        {{"{\"findings\":{}}", "{\"findings\":[],\"suspected\":false}", NULL}, 0},
        {{"{}", "{\"findings\":[],\"suspected\":false}", NULL}, 0},
        {{"{\"findings\":[{\"name\":\"n\",\"reason\":\"r\"},{\"name\":\"m\"}]}", NULL, "\"reason\""}, 0},
        {{"{\"findings\":\"none\"}", NULL, "\"findings\" must be a list"}, 0},
        {{"{\"findings\":true}", NULL, "\"findings\" must be a list"}, 0},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct json *json = json_of(cases[i].shape.answer);
        struct outcome o = {0};
        size_t findings;
        put_mark(&o.out);
        o.rc = check_manipulation(json, &findings, &o.out, &o.err);
        check_outcome(&o, cases[i].shape.expected, cases[i].shape.why);
        assert_int_equal(findings, cases[i].findings);
        json_free(json);
    }
    struct json *json = many("{\"findings\":[", "{\"name\":\"n\",\"reason\":\"r\"}", 21, "]}");
    struct outcome o = {0};
    size_t findings;
    put_mark(&o.out);
    o.rc = check_manipulation(json, &findings, &o.out, &o.err);
    check_outcome(&o, NULL, "more than 20");
    json_free(json);
}

static void titles_are_texts(void **state)
{
    static const struct shape shapes[] = {
        {"{\"titles\":{\"created\":\"Raised\",\"E1\":\"First \\\"sight\\\"\"}}",
         "{\"created\":\"Raised\",\"E1\":\"First \\\"sight\\\"\"}", NULL},
        {"{\"titles\":{}}", "{}", NULL},
        {"{}", "{}", NULL},
        {"{\"titles\":[\"a\"]}", NULL, "table of names"},
        {"{\"titles\":\"a\"}", NULL, "table of names"},
        {"{\"titles\":{\"E1\":7}}", NULL, "must be a text"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++) {
        struct json *json = json_of(shapes[i].answer);
        struct outcome o = {0};
        put_mark(&o.out);
        o.rc = check_titles(json, &o.out, &o.err);
        check_outcome(&o, shapes[i].expected, shapes[i].why);
        json_free(json);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(severity_parts_add_up_or_are_refused),
        cmocka_unit_test(lists_have_a_most),
        cmocka_unit_test(long_reasons_are_cut_at_a_character),
        cmocka_unit_test(false_positive_weights_add_up_or_are_refused),
        cmocka_unit_test(unknown_techniques_go_and_the_rest_comes_once),
        cmocka_unit_test(techniques_have_a_most),
        cmocka_unit_test(findings_name_what_they_found),
        cmocka_unit_test(titles_are_texts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
