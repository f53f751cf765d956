/* Indicators in a threat's evidence, however they are written. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "core/rules/ruleset.h"
#include "pipeline/intel.h"
#include "pipeline/view.h"

static struct ruleset *loaded(const struct text_file *files, size_t count)
{
    struct report report = {0};
    char text[2048];
    struct ruleset *set = load_texts(files, count, &report);
    report_text(&report, text, sizeof(text));
    report_free(&report);
    if (set == NULL)
        fail_msg("%s", text);
    return set;
}

static struct threat *a_threat(const char *context)
{
    struct threat *threat = threat_new();
    struct evidence evidence = {.number = 1, .context = threat_keep(threat, str_from(context))};
    vec_push(&threat->evidence, evidence);
    return threat;
}

static struct json *matches_of(const struct ruleset *set, const struct threat *threat)
{
    struct buf out = BUF_EMPTY;
    size_t found = intel_find(set, threat, &out);
    struct json *matches = view_parse(buf_str(&out));
    assert_int_equal(json_count(matches), found);
    buf_free(&out);
    return matches;
}

static void expect_match(const struct json *matches, const char *list, const char *indicator,
                         const char *field)
{

    for (size_t i = 0; i < json_count(matches); i++) {
        struct str l, v, f;
        const struct json *match = json_item(matches, i);
        assert_true(json_get_str(match, "list", &l) && json_get_str(match, "indicator", &v) &&
                    json_get_str(match, "field", &f));
        if (str_is(l, list) && str_is(v, indicator) && str_is(f, field))
            return;
    }
    struct buf out = BUF_EMPTY;
    json_print(matches, &out);
    fail_msg("no match of %s in %s by %s in %s", indicator, list, field, out.ptr);
}

static void indicators_are_found_however_they_are_written(void **state)
{
    struct str text;
    (void)state;
    struct text_file files[] = {
        {"rules/lists/intel_domains.csv", "value,feed\nbad.test,x\nworse.test,y\n"},
        {"rules/lists/intel_ips.csv", "value,feed\n198.51.100.0/24,x\n203.0.113.9,y\n"},
        {"rules/lists/intel_hashes.csv", "value,feed\nd41d8cd98f00b204e9800998ecf8427e,x\n"},
        {"rules/lists/other.csv", "value,feed\nbad.test,x\n"}};
    struct ruleset *set = loaded(files, sizeof(files) / sizeof(files[0]));
    struct threat *threat = a_threat(
        "{\"dns.question.name\":\"A.B.C.D.E.F.G.H.I.J.K.L.bad.test\",\"url.full\":\"https://user:p@worse.test"
        ":8443/x?y=z\",\"source.ip\":\"198.51.100.77\",\"destination.ip\":[\"10.0.0.1\",\"203.0.113.9\"],"
        "\"hashes\":\"SHA1=AA,MD5=D41D8CD98F00B204E9800998ECF8427E,IMPHASH=00\",\"nul\":\"a\\u0000b\","
        "\"root\":"
        "\"bad.test.\",\"plain\":\"notbad.test\",\"tld\":\"test\",\"number\":7,\"v6\":\"http://[::1]/\"}");
    struct json *matches = matches_of(set, threat);
    expect_match(matches, "intel_domains", "bad.test", "dns.question.name");
    expect_match(matches, "intel_domains", "worse.test", "url.full");
    expect_match(matches, "intel_domains", "bad.test", "root");
    expect_match(matches, "intel_ips", "198.51.100.77", "source.ip");
    expect_match(matches, "intel_ips", "203.0.113.9", "destination.ip");
    expect_match(matches, "intel_hashes", "D41D8CD98F00B204E9800998ECF8427E", "hashes");
    assert_int_equal(json_count(matches), 6);
    assert_true(json_get_str(json_item(matches, 0), "evidence", &text) && str_is(text, "E1"));
    json_free(matches);
    threat_free(threat);
    ruleset_unref(set);
}

/* Neither a long URL nor many values hide one, and one value is told once. */
static void indicators_have_a_most(void **state)
{
    struct buf context = BUF_EMPTY, list = BUF_EMPTY;
    struct str text;
    (void)state;
    buf_puts(&list, "value,feed\nbad.test,x\n");
    buf_puts(&context, "{\"url.full\":\"http://bad.test/");
    for (int i = 0; i < 4000; i++)
        buf_putc(&context, 'a');
    buf_puts(&context, "\"");
    for (int i = 0; i < 40; i++) {
        buf_printf(&list, "10.0.0.%d,x\n", i);
        buf_printf(&context, ",\"f%d.ip\":\"10.0.0.%d\"", i, i);
    }
    buf_puts(&context, "}");
    struct text_file files[] = {{"rules/lists/intel_all.csv", list.ptr}};
    struct ruleset *set = loaded(files, sizeof(files) / sizeof(files[0]));
    struct threat *threat = a_threat(context.ptr);
    struct json *matches = matches_of(set, threat);
    assert_true(json_get_str(json_item(matches, 0), "indicator", &text) && str_is(text, "bad.test"));
    assert_int_equal(json_count(matches), 20);
    json_free(matches);
    struct evidence again = threat->evidence.items[0];
    again.number = 2;
    again.context = STR("{\"f0.ip\":\"10.0.0.0\",\"url.full\":\"http://bad.test/2\"}");
    threat->evidence.items[0].context = again.context;
    vec_push(&threat->evidence, again);
    matches = matches_of(set, threat);
    assert_int_equal(json_count(matches), 2);
    json_free(matches);
    threat_free(threat);
    buf_free(&context);
    buf_free(&list);
    ruleset_unref(set);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(indicators_are_found_however_they_are_written),
        cmocka_unit_test(indicators_have_a_most),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
