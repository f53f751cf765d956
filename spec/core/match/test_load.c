/* What the loader hears of a match that cannot be compiled. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "world.h"

static void each_mistake_is_named(void **state)
{
    (void)state;
    static const struct {
        const char *match, *says;
    } cases[] = {
        {"{\"a|contians\": \"x\"}", "unknown modifier \"contians\"; did you mean \"contains\"?"},
        {"{\"a|zzzzzzzz\": \"x\"}", "unknown modifier \"zzzzzzzz\""},
        {"{\"a|\": \"x\"}", "unknown modifier \"\""},
        {"{\"|contains\": \"x\"}", "there is no field name"},
        {"{\"a|contains|startswith\": \"x\"}", "both \"contains\" and \"startswith\""},
        {"{\"a|i\": \"x\"}", "\"i\" belongs behind \"re\""},
        {"{\"a|re|cased\": \"x\"}", "\"cased\" means nothing with \"re\""},
        {"{\"a|cidr|literal\": \"10.0.0.0/8\"}", "\"literal\" means nothing with \"cidr\""},
        {"{\"a|exists|every\": true}", "\"every\" means nothing with \"exists\""},
        {"{\"a|exists\": \"yes\"}", "expected true or false, got a string"},
        {"{\"a|exists\": [true, false]}", "expected true or false, got a list"},
        {"{\"a\": []}", "an empty list matches nothing"},
        {"{\"a\": [\"x\", null]}", "null inside a list"},
        {"{\"a|contains\": null}", "expected a value, got null"},
        {"{\"a|contains\": true}", "expected a string, got a boolean"},
        {"{\"a\": \"C:\\temp\"}", "control character \"C:\\temp\""},
        {"{\"a|re\": \"a(b\"}", "offset 3: missing closing parenthesis"},
        {"{\"a|re\": \"a{2000}\"}", "repeats up to 2000 times; at most 1000 are allowed"},
        {"{\"a|re\": \"a(?C1)\"}", "callouts"},
        {"{\"a|re\": 5}", "expected a string, got a number"},
        {"{\"a|cidr\": \"10.0.0.0/33\"}", "\"10.0.0.0/33\" is no network: expected 0 to 32 bits"},
        {"{\"a|cidr\": \"host\"}", "\"host\" is no network: expected an address or address/bits"},
        {"{\"a|cidr\": \"2001:db8::/129\"}", "expected 0 to 128 bits"},
        {"{\"a|gt\": \"ten\"}", "expected a number, got a string"},
        {"{\"a|lt\": true}", "expected a number, got a boolean"},
        {"{\"a|windash\": \"-x\"}", "the modifier \"windash\" is not built yet"},
        {"{\"a|fieldref\": \"b\"}", "the modifier \"fieldref\" is not built yet"},
        {"{\"keywords\": [\"x\"]}", "not built yet"},
        {"{\"a..b\": \"x\"}", "a..b"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct world *w = world_new();
        if (world_rule(w, cases[i].match))
            fail_msg("%s is accepted", cases[i].match);
        if (!strstr(w->err.message, cases[i].says))
            fail_msg("%s: \"%s\" does not say \"%s\"", cases[i].match, w->err.message, cases[i].says);
        assert_true(w->err.code == ERR_INVALID || w->err.code == ERR_LIMIT);
        world_free(w);
    }
}

static struct match_node *nested(struct arena *arena, int depth)
{
    struct match_node *root = match_node_new(arena, MATCH_ALL), *at = root;
    for (int i = 0; i < depth; i++) {
        struct match_node *inner = match_node_new(arena, MATCH_ALL);
        match_node_add(at, inner);
        at = inner;
    }
    return root;
}

static bool compiles(struct world *w, const struct match_rule *rules, size_t count)
{
    struct matcher *matcher = matcher_new(rules, count, NULL, 0, w->fields, &w->err);
    matcher_free(matcher);
    return matcher != NULL;
}

static void limits_hold_on_both_sides(void **state)
{
    (void)state;
    struct world *w = world_new();
    struct match_rule deep = {.id = STR("deep"), .root = nested(w->arena, 64)};
    assert_true(compiles(w, &deep, 1));
    deep.root = nested(w->arena, 65);
    assert_false(compiles(w, &deep, 1));
    assert_int_equal(w->err.code, ERR_LIMIT);
    assert_string_equal(w->err.where, "rule deep");

    struct match_rule *many = mem_zalloc(10001, sizeof(*many));
    for (size_t i = 0; i < 10001; i++)
        many[i].root = nested(w->arena, 0);
    assert_true(compiles(w, many, 10000));
    assert_false(compiles(w, many, 10001));
    assert_int_equal(w->err.code, ERR_LIMIT);
    free(many);

    struct str text = {mem_zalloc(65537, 1), 65536};
    memset((char *)text.ptr, 'x', 65537);
    struct literal literal = {.type = LITERAL_STRING, .text = text};
    assert_non_null(match_field(w->arena, w->fields, STR("a"), &literal, 1, &w->err));
    literal.text.len++;
    assert_null(match_field(w->arena, w->fields, STR("a"), &literal, 1, &w->err));
    assert_int_equal(w->err.code, ERR_LIMIT);
    free((char *)text.ptr);
    world_free(w);
}

static void equal_conditions_are_shared(void **state)
{
    (void)state;
    struct world *w = world_new();
    world_rule(w, "{\"a|endswith\": \"cmd.exe\", \"b\": 1}");
    world_rule(w, "{\"a|endswith\": \"cmd.exe\", \"b\": 2}");
    world_rule(w, "{\"a|endswith|cased\": \"cmd.exe\"}");
    world_compile(w, NULL, 0);
    struct match_stats stats;
    match_stats(w->matcher, NULL, &stats);
    assert_int_equal(stats.rules, 3);
    assert_int_equal(stats.predicates, 4);
    assert_int_equal(stats.fields, 2);
    assert_true(stats.index_bytes > 0);
    world_free(w);
}

static void rules_without_a_witness_are_counted(void **state)
{
    (void)state;
    static const struct {
        const char *match;
        bool always;
    } cases[] = {
        {"{\"a\": \"x\"}", false},
        {"{\"a\": null}", true},
        {"{\"none\": [{\"a\": \"x\"}]}", true},
        {"{\"a\": \"x\", \"none\": [{\"b\": \"x\"}]}", false},
        {"{\"any\": [{\"a\": \"x\"}, {\"b\": null}]}", true},
        {"{\"any\": [{\"a\": \"x\"}, {\"b\": \"y\"}]}", false},
        {"{\"a|re\": \"[0-9]{3}\"}", true},
        {"{\"a|re\": \"foo[0-9]{3}\"}", false},
        {"{\"a|cidr\": \"10.0.0.0/8\"}", false},
        {"{\"a|exists\": false}", true},
        {"{\"a|every\": \"x\"}", false},
        {"\"everything\"", true},
    };
    struct world *w = world_new();
    size_t always = 0, count = sizeof(cases) / sizeof(cases[0]);
    for (size_t i = 0; i < count; i++, always += cases[i - 1].always)
        assert_true(world_rule(w, cases[i].match));
    world_compile(w, NULL, 0);
    for (uint32_t i = 0; i < count; i++)
        if (match_is_always(w->matcher, i) != cases[i].always)
            fail_msg("%s", cases[i].match);
    struct match_stats stats;
    match_stats(w->matcher, NULL, &stats);
    assert_int_equal(stats.always, always);
    world_free(w);
}

static void an_event_runs_the_rules_of_its_source(void **state)
{
    (void)state;
    struct world *w = world_new();
    world_routed(w, STR("{\"a\": \"x\"}"), "windows", "process");
    world_routed(w, STR("{\"a\": \"x\"}"), "windows", "");
    world_routed(w, STR("{\"a\": \"x\"}"), "linux", "");
    world_routed(w, STR("{\"b\": null}"), "", "process");
    world_routed(w, STR("{\"a\": \"x\"}"), "", "");
    const struct match_route routes[] = {{STR("process"), STR("windows"), STR("")},
                                         {STR("network"), STR("windows"), STR("sysmon")},
                                         {STR(""), STR("linux"), STR("")}};
    world_compile(w, routes, 3);
    static const struct {
        uint32_t source;
        const char *rules;
    } cases[] = {{0, "0 1 3 4 "}, {1, "1 4 "}, {2, "2 3 4 "}, {UINT32_MAX, "0 1 2 3 4 "}};
    for (size_t i = 0; i < 4; i++) {
        struct event *event = world_event(w, STR("{\"a\": \"x\"}"));
        event->source = cases[i].source;
        struct match_result result = world_match(w, event);
        char rules[64] = "";
        for (size_t k = 0, at = 0; k < result.count; k++)
            at += (size_t)snprintf(rules + at, sizeof(rules) - at, "%u ", result.rules[k]);
        assert_string_equal(rules, cases[i].rules);
    }
    world_free(w);
}

static void an_explanation_names_what_it_saw(void **state)
{
    (void)state;
    struct world *w = world_new();
    world_rule(w, "{\"a|contains\": [\"x\", \"y\"], \"none\": [{\"b\": 5}]}");
    world_compile(w, NULL, 0);
    struct buf out = BUF_EMPTY;
    match_explain(w->matcher, w->scratch, 0, world_event(w, STR("{\"a\": [\"ay\", null], \"b\": 6}")), &out);
    assert_string_equal(out.ptr,
                        "{\"rule\":\"rule0\",\"routed\":true,\"tree\":{\"kind\":\"all\",\"children\":["
                        "{\"kind\":\"field\",\"key\":\"a|contains\",\"holds\":true,\"wanted\":[\"x\",\"y\"],"
                        "\"wanted_count\":2,\"saw\":[\"ay\",null],\"saw_count\":2},"
                        "{\"kind\":\"none\",\"children\":[{\"kind\":\"all\",\"children\":["
                        "{\"kind\":\"field\",\"key\":\"b\",\"holds\":false,\"wanted\":[5],\"wanted_count\":1,"
                        "\"saw\":[6],\"saw_count\":1}],\"holds\":false}],\"holds\":true}],\"holds\":true},"
                        "\"holds\":true}");
    buf_free(&out);
    world_free(w);
}

static bool alone(struct world *w, const char *key, const struct literal *literal, const char *json)
{
    struct match_predicate *predicate = match_predicate_new(w->fields, str_from(key), literal, 1, &w->err);
    assert_non_null(predicate);
    bool holds = match_predicate_holds(predicate, world_event(w, str_from(json)), w->parser);
    match_predicate_free(predicate);
    return holds;
}

static void a_predicate_stands_alone(void **state)
{
    (void)state;
    struct world *w = world_new();
    fields_intern(w->fields, STR("known"), NULL);
    fields_freeze(w->fields);
    struct literal x = {.type = LITERAL_STRING, .text = STR("x.*z")};
    struct literal yes = {.type = LITERAL_BOOL, .b = true};
    assert_true(alone(w, "known|re", &x, "{\"known\": [\"a\", \"xyz\"]}"));
    assert_false(alone(w, "known|re", &x, "{\"known\": \"zyx\"}"));
    assert_true(alone(w, "other.path|re", &x, "{\"other\": {\"path\": \"xyz\"}}"));
    assert_false(alone(w, "other.path|re", &x, "{\"other\": {\"path\": \"ab\"}}"));
    assert_true(alone(w, "other|exists", &yes, "{\"other\": 1}"));
    assert_false(alone(w, "other|exists", &yes, "{\"known\": 1}"));
    assert_null(match_predicate_new(w->fields, STR("a|nope"), &x, 1, &w->err));
    world_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_mistake_is_named),
        cmocka_unit_test(limits_hold_on_both_sides),
        cmocka_unit_test(equal_conditions_are_shared),
        cmocka_unit_test(rules_without_a_witness_are_counted),
        cmocka_unit_test(an_event_runs_the_rules_of_its_source),
        cmocka_unit_test(an_explanation_names_what_it_saw),
        cmocka_unit_test(a_predicate_stands_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
