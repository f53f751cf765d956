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

/* ---- plans ---- */

static struct threat *a_threat(void)
{
    struct threat *threat = threat_new();
    struct evidence evidence = {.number = 1};
    threat->created_ns = INT64_C(1700000000) * NS_PER_S;
    vec_push(&threat->entities, threat_keep(threat, STR("user.name:ana")));
    evidence.context = threat_keep(
        threat, STR("{\"source.ip\":\"198.51.100.7\",\"host.ip\":[\"10.0.0.1\",\"10.0.0.2\"],\"url.full\":"
                    "\"http://x.test:8080/a:b\",\"odd\":\"a\\u0000b\"}"));
    vec_push(&threat->evidence, evidence);
    return threat;
}

#define PLAN(actions) "{\"urgency\":\"soon\",\"sla_minutes\":30,\"actions\":" actions "}"
#define ACTION(type, target)                                                                                 \
    "{\"type\":\"" type "\",\"target\":\"" target "\",\"reason\":\"r\",\"parameters\":{\"minutes\":60}}"

static struct json *plan_of(struct threat *threat, const char *answer, const char *before, unsigned *dropped)
{
    struct plan_subject subject = {.threat = threat, .before = str_from(before)};
    struct json *json = json_of(answer);
    struct buf out = BUF_EMPTY;
    struct err err = {0};
    if (check_plan(json, &subject, &out, &err) != 0)
        fail_msg("%s", err_text(&err));
    if (dropped)
        *dropped = subject.dropped;
    struct json *plan = json_of(out.ptr);
    json_free(json);
    buf_free(&out);
    return plan;
}

static void check_member(const struct json *object, const char *key, const char *expected)
{
    struct str text = STR("(none)");
    json_get_str(object, key, &text);
    if (!str_is(text, expected))
        fail_msg("%s is %.*s, not %s", key, STR_ARG(text), expected);
}

static void only_what_was_seen_is_acted_on(void **state)
{
    struct threat *threat = a_threat();
    unsigned dropped;
    (void)state;
    struct json *plan = plan_of(
        threat,
        PLAN("[" ACTION("block_ip", "source.ip:198.51.100.8") "," ACTION("disable_user", "user.name:ana") "," ACTION(
            "block_ip",
            "host.ip:10.0.0.2") "," ACTION("block_url",
                                           "url.full:http://x.test:8080/a:b") "," ACTION("block_ip",
                                                                                         "10.0.0.2") "," ACTION("disable_user",
                                                                                                                "user.name:bo") ","
                                                                                                                                "{"
                                                                                                                                "\"type\":\"notify\"}"
                                                                                                                                "]"),
        "", &dropped);
    assert_int_equal(dropped, 3);
    check_member(json_get(plan, "primary_action"), "target", "user.name:ana");
    const struct json *rest = json_get(plan, "secondary_actions");
    assert_int_equal(json_count(rest), 3);
    check_member(json_item(rest, 0), "target", "host.ip:10.0.0.2");
    check_member(json_item(rest, 1), "target", "url.full:http://x.test:8080/a:b");
    check_member(json_item(rest, 2), "type", "notify");
    check_member(json_item(rest, 2), "target", "");
    json_free(plan);
    threat_free(threat);
}

static void plan_shapes(void **state)
{
    static const struct shape refused[] = {
        {"{\"sla_minutes\":30,\"actions\":{}}", NULL, "\"urgency\""},
        {"{\"urgency\":7,\"sla_minutes\":30,\"actions\":{}}", NULL, "\"urgency\""},
        {"{\"urgency\":\"u\",\"actions\":{}}", NULL, "\"sla_minutes\""},
        {"{\"urgency\":\"u\",\"sla_minutes\":0,\"actions\":{}}", NULL, "\"sla_minutes\""},
        {"{\"urgency\":\"u\",\"sla_minutes\":30.5,\"actions\":{}}", NULL, "\"sla_minutes\""},
        {"{\"urgency\":\"u\",\"sla_minutes\":1e300,\"actions\":{}}", NULL, "\"sla_minutes\""},
        {"{\"urgency\":\"u\",\"sla_minutes\":\"30\",\"actions\":{}}", NULL, "\"sla_minutes\""},
        {"{\"urgency\":\"u\",\"sla_minutes\":10081,\"actions\":{}}", NULL, "\"sla_minutes\""},
        {PLAN("\"block\""), NULL, "\"actions\" must be a list"},
        {PLAN("{\"type\":\"block_ip\"}"), NULL, "\"actions\" must be a list"},
        {PLAN("[{}]"), NULL, "\"type\""},
        {PLAN("[\"block_ip\"]"), NULL, "\"type\""},
    };
    struct threat *threat = a_threat();
    (void)state;
    for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
        struct plan_subject subject = {.threat = threat, .before = STR("")};
        struct json *json = json_of(refused[i].answer);
        struct outcome o = {0};
        put_mark(&o.out);
        o.rc = check_plan(json, &subject, &o.out, &o.err);
        check_outcome(&o, NULL, refused[i].why);
        json_free(json);
    }
    struct json *json = many("{\"urgency\":\"u\",\"sla_minutes\":1,\"actions\":[", "{\"type\":\"a\"}", 11,
                             "]}");
    struct plan_subject subject = {.threat = threat, .before = STR("")};
    struct outcome o = {0};
    put_mark(&o.out);
    o.rc = check_plan(json, &subject, &o.out, &o.err);
    check_outcome(&o, NULL, "at most 10");
    json_free(json);
    threat_free(threat);
}

static void a_plan_says_when_it_is_due(void **state)
{
    struct threat *threat = a_threat();
    int64_t number = 0;
    (void)state;
    struct json *plan = plan_of(threat, "{\"urgency\":\"u\",\"sla_minutes\":15.0,\"actions\":{}}", "", NULL);
    check_member(plan, "due_at", "2023-11-14T22:28:20.000Z");
    assert_true(json_get_int(plan, "auto_escalate_after_minutes", &number));
    assert_int_equal(number, 7);
    assert_int_equal(json_kind(json_get(plan, "primary_action")), JSON_KIND_NULL);
    assert_int_equal(json_kind(json_get(plan, "secondary_actions")), JSON_KIND_ARRAY);
    json_free(plan);
    plan = plan_of(threat, "{\"urgency\":\"u\",\"sla_minutes\":1,\"actions\":{}}", "", NULL);
    assert_true(json_get_int(plan, "auto_escalate_after_minutes", &number));
    assert_int_equal(number, 1);
    json_free(plan);
    threat_free(threat);
}

/* What is large is not kept: the plan goes with the threat to everybody. */
static void parameters_are_plain_and_small(void **state)
{
    struct threat *threat = a_threat();
    struct buf text = BUF_EMPTY;
    (void)state;
    buf_puts(&text, "{\"urgency\":\"u\",\"sla_minutes\":5,\"actions\":[{\"type\":\"a\",\"parameters\":{"
                    "\"ok\":1,\"deep\":{\"x\":1},\"list\":[1],\"long\":\"");
    for (int i = 0; i < 600; i++)
        buf_putc(&text, 'x');
    buf_puts(&text, "\"");
    for (int i = 0; i < 20; i++)
        buf_printf(&text, ",\"p%02d\":%d", i, i);
    buf_puts(&text, "}}]}");
    struct json *plan = plan_of(threat, text.ptr, "", NULL);
    const struct json *parameters = json_get(json_get(plan, "primary_action"), "parameters");
    assert_int_equal(json_count(parameters), 8);
    assert_non_null(json_get(parameters, "ok"));
    assert_null(json_get(parameters, "deep"));
    assert_null(json_get(parameters, "list"));
    assert_null(json_get(parameters, "long"));
    json_free(plan);
    buf_free(&text);
    threat_free(threat);
}

static char *text_of(const struct json *value)
{
    struct buf out = BUF_EMPTY;
    json_print(value, &out);
    return out.ptr;
}

static void what_was_decided_stays(void **state)
{
    struct threat *threat = a_threat();
    (void)state;
    struct json *first = plan_of(threat, PLAN("[" ACTION("disable_user", "user.name:ana") "]"), "", NULL);
    struct str id;
    assert_true(json_get_str(json_get(first, "primary_action"), "id", &id));
    struct buf before = BUF_EMPTY, decided = BUF_EMPTY;
    buf_puts(&decided, "{");
    buf_json_kstr(&decided, "id", id);
    buf_puts(&decided, ",\"type\":\"disable_user\",\"target\":\"user.name:ana\",\"parameters\":{\"minutes\":"
                       "60},\"status\":\"approved\",\"decided_by\":\"bo\"}");
    buf_printf(&before, "{\"primary_action\":%s,\"secondary_actions\":[]}", decided.ptr);

    /* The same action with other parameters: what was approved is what stays. */
    struct json *again = plan_of(
        threat,
        PLAN("[{\"type\":\"notify\"},{\"type\":\"disable_user\",\"target\":\"user.name:ana\",\"parameters\":"
             "{\"minutes\":999}}]"),
        before.ptr, NULL);
    char *kept = text_of(json_item(json_get(again, "secondary_actions"), 0));
    assert_string_equal(kept, decided.ptr);
    assert_int_equal(json_count(json_get(again, "secondary_actions")), 1);
    free(kept);
    json_free(again);

    /* The plan moved on: it is on record all the same; the default keeps it, too. */
    again = plan_of(threat, PLAN("[{\"type\":\"notify\"}]"), before.ptr, NULL);
    kept = text_of(json_item(json_get(again, "secondary_actions"), 0));
    assert_string_equal(kept, decided.ptr);
    free(kept);
    json_free(again);
    struct plan_subject subject = {.threat = threat, .before = buf_str(&before)};
    struct buf out = BUF_EMPTY;
    default_plan(&subject, &out);
    assert_non_null(strstr(out.ptr, decided.ptr));
    assert_non_null(strstr(out.ptr, "\"type\":\"monitor\""));
    assert_int_equal(subject.sla_minutes, 240);

    /* A planned one that the policy no longer names goes. */
    char *planned = text_of(first);
    again = plan_of(threat, PLAN("{}"), planned, NULL);
    assert_int_equal(json_kind(json_get(again, "primary_action")), JSON_KIND_NULL);
    free(planned);
    json_free(again);
    json_free(first);
    buf_free(&before);
    buf_free(&decided);
    buf_free(&out);
    threat_free(threat);
}

static void an_action_stands_once_with_the_same_id_in_every_run(void **state)
{
    struct threat *threat = a_threat();
    struct str one, two;
    (void)state;
    struct json *a = plan_of(
        threat, PLAN("[" ACTION("a", "user.name:ana") "," ACTION("a", "user.name:ana") "]"), "", NULL);
    struct json *b = plan_of(threat, PLAN("[{\"type\":\"b\"}," ACTION("a", "user.name:ana") "]"), "", NULL);
    assert_int_equal(json_count(json_get(a, "secondary_actions")), 0);
    assert_true(json_get_str(json_get(a, "primary_action"), "id", &one));
    assert_true(json_get_str(json_item(json_get(b, "secondary_actions"), 0), "id", &two));
    assert_true(str_equal(one, two));
    json_free(a);
    json_free(b);
    threat_free(threat);
}

static void the_escalation_path_is_texts(void **state)
{
    struct threat *threat = a_threat();
    (void)state;
    struct json *plan = plan_of(threat,
                                "{\"urgency\":\"u\",\"sla_minutes\":5,\"actions\":{},\"escalation_path\":"
                                "[\"a\",1,\"b\",\"c\",\"d\",\"e\",\"f\",\"g\",\"h\",\"i\",\"j\",\"k\"]}",
                                "", NULL);
    assert_int_equal(json_count(json_get(plan, "escalation_path")), 10);
    json_free(plan);
    plan = plan_of(threat, "{\"urgency\":\"u\",\"sla_minutes\":5,\"actions\":{},\"escalation_path\":\"x\"}",
                   "", NULL);
    assert_int_equal(json_count(json_get(plan, "escalation_path")), 0);
    json_free(plan);
    threat_free(threat);
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
        cmocka_unit_test(only_what_was_seen_is_acted_on),
        cmocka_unit_test(plan_shapes),
        cmocka_unit_test(a_plan_says_when_it_is_due),
        cmocka_unit_test(parameters_are_plain_and_small),
        cmocka_unit_test(what_was_decided_stays),
        cmocka_unit_test(an_action_stands_once_with_the_same_id_in_every_run),
        cmocka_unit_test(the_escalation_path_is_texts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
