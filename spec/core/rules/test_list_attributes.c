/* What lists say of their entries: attributes from Lua, CSV and overlays, and which entry of an address. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>

#include "core/rules/ruleset.h"
#include "rules/lists.h"

static struct list *parse_csv(struct arena *arena, struct str text, unsigned *line, struct err *err)
{
    struct list *list = list_new(STR("test"), STR("lists/test.csv"));
    if (list_parse(list, arena, text, true, line, err) == 0) {
        list_finish(list);
        return list;
    }
    list_free(list);
    return NULL;
}

static struct list *parse(struct arena *arena, const char *text)
{
    struct err err = {0};
    unsigned line;
    struct list *list = parse_csv(arena, str_from(text), &line, &err);
    if (list == NULL)
        fail_msg("%s", err_text(&err));
    return list;
}

static void assert_get(const struct list *list, const char *value, const char *expected)
{
    struct str json = STR("nothing");
    list_get(list, str_from(value), &json);
    if (!str_is(json, expected))
        fail_msg("%s: expected %s, got %.*s", value, expected, STR_ARG(json));
}

static void the_header_of_a_csv_names_the_attributes(void **state)
{
    (void)state;
    struct arena *arena = arena_new(0);
    struct list *list = parse(arena,
                              "# who\n\n Value , tier,\"the, owner\"\nacme,gold,\"Ana \"\"A\"\"\"\nplain\n"
                              "half,,bo\n,x,y\n\"quoted, cell\",1,\n");
    assert_int_equal(list->entries.count, 4);
    assert_get(list, "ACME", "{\"tier\":\"gold\",\"the, owner\":\"Ana \\\"A\\\"\"}");
    assert_get(list, "plain", "{}");
    assert_get(list, "half", "{\"the, owner\":\"bo\"}");
    assert_get(list, "quoted, cell", "{\"tier\":\"1\"}");
    assert_get(list, "value", "nothing");
    assert_false(list_has(list, STR("tier")));
    list_free(list);
    arena_free(arena);
}

static void without_a_header_there_are_no_attributes(void **state)
{
    (void)state;
    struct arena *arena = arena_new(0);
    struct list *list = parse(arena, "acme,gold\nvalue,tier\n");
    assert_get(list, "acme", "{}");
    assert_get(list, "value", "{}");
    assert_int_equal(list->attributes.count, 0);
    list_free(list);
    arena_free(arena);
}

static void put_columns(struct buf *out, const char *first, size_t columns)
{
    buf_puts(out, first);
    for (size_t i = 1; i < columns; i++)
        buf_printf(out, ",c%zu", i);
    buf_putc(out, '\n');
}

/* One line below a header of two columns, with an attribute of `bytes`. */
static void put_long(struct buf *out, size_t bytes)
{
    buf_puts(out, "value,a\nx,");
    for (size_t i = 0; i < bytes; i++)
        buf_putc(out, 'a');
    buf_putc(out, '\n');
}

static void the_limits_of_a_csv_are_kept(void **state)
{
    (void)state;
    static const struct {
        size_t columns, bytes;
        const char *text, *message;
        unsigned line;
    } cases[] = {
        {32, 0, NULL, NULL, 0},
        {33, 0, NULL, "the header names more than 32 columns", 1},
        {0, LIST_ATTRIBUTES_MAX - 8, NULL, NULL, 0},
        {0, LIST_ATTRIBUTES_MAX - 7, NULL, "the attributes have more than 4096 bytes", 2},
        {0, 0, "value,,b\n", "column 2 has no name of 1 to 128 printable bytes", 1},
        {0, 0, "#\nvalue,a,a\n", "the column \"a\" is named twice", 2},
        {0, 0, "value,a\nx,1\ny,1,2\n",
         "more cells than the 2 columns of the header; write \"…\" around a cell that holds a comma", 3},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct arena *arena = arena_new(0);
        struct buf text = BUF_EMPTY;
        struct err err = {0};
        unsigned line = 0;
        if (cases[i].text)
            buf_puts(&text, cases[i].text);
        else if (cases[i].columns)
            put_columns(&text, "value", cases[i].columns);
        else
            put_long(&text, cases[i].bytes);
        struct list *list = parse_csv(arena, buf_str(&text), &line, &err);
        assert_string_equal(list ? "" : err.message, cases[i].message ? cases[i].message : "");
        assert_true(cases[i].line == 0 || cases[i].line == line);
        list_free(list);
        buf_free(&text);
        arena_free(arena);
    }
}

static void the_smallest_network_that_holds_an_address_counts(void **state)
{
    (void)state;
    struct arena *arena = arena_new(0);
    struct list *list = parse(
        arena, "value,n\n0.0.0.0/0,all\n10.0.0.0/8,wide\n10.1.0.0/16,narrow\n10.1.2.3,one\n"
               "10.1.0.0/16,again\n2001:db8::/32,six\n::/0,every\n::ffff:10.1.9.0/120,mapped\n");
    assert_get(list, "10.1.2.3", "{\"n\":\"one\"}");
    assert_get(list, "10.1.2.4", "{\"n\":\"again\"}");
    assert_get(list, "10.2.0.1", "{\"n\":\"wide\"}");
    assert_get(list, "11.0.0.1", "{\"n\":\"all\"}");
    assert_get(list, "2001:db8::5", "{\"n\":\"six\"}");
    assert_get(list, "2001:db9::5", "{\"n\":\"every\"}");
    assert_get(list, "::ffff:10.1.9.1", "{\"n\":\"mapped\"}");
    assert_get(list, "::ffff:10.2.0.1", "{\"n\":\"wide\"}");
    assert_get(list, "10.0.0.0/8", "{\"n\":\"wide\"}");
    list_free(list);
    arena_free(arena);
}

static void assert_json(const struct list *list, size_t offset, size_t limit, const char *expected)
{
    struct buf out = BUF_EMPTY;
    list_json(list, offset, limit, &out);
    assert_string_equal(out.ptr, expected);
    buf_free(&out);
}

static void an_overlay_removes_and_adds(void **state)
{
    (void)state;
    struct arena *arena = arena_new(0);
    struct err err = {0};
    struct list *list = list_new(STR("test"), STR("x"));
    struct literal entries[] = {{.type = LITERAL_STRING, .text = STR("keyed")},
                                {.type = LITERAL_STRING, .text = STR("Plain")},
                                {.type = LITERAL_NUMBER, .is_integer = true, .i = 443},
                                {.type = LITERAL_STRING, .text = STR("last")}};
    assert_int_equal(list_add_with(list, &entries[0], STR("{\"a\":1}"), &err), 0);
    for (size_t i = 1; i < 4; i++)
        assert_int_equal(list_add(list, &entries[i], &err), 0);
    const struct overlay_entry added[] = {
        {STR("new"), STR("")}, {STR("LAST"), STR("{\"b\":2}")}, {STR("New"), STR("{\"c\":3}")}};
    const struct str removed[] = {STR("KEYED"), STR("443"), STR("absent")};
    struct list_overlay overlay = {STR("test"), added, 3, removed, 3};
    assert_int_equal(list_apply(list, arena, &overlay, &err), 0);
    list_finish(list);
    assert_json(list, 0, 10,
                "[{\"value\":\"Plain\"},{\"value\":\"LAST\",\"attributes\":{\"b\":2},\"overlay\":true},"
                "{\"value\":\"New\",\"attributes\":{\"c\":3},\"overlay\":true}]");
    assert_json(list, 1, 1, "[{\"value\":\"LAST\",\"attributes\":{\"b\":2},\"overlay\":true}]");
    assert_json(list, 3, 1, "[]");
    assert_json(list, SIZE_MAX, SIZE_MAX, "[]");
    assert_get(list, "plain", "{}");
    assert_get(list, "keyed", "nothing");
    assert_get(list, "443", "nothing");
    assert_get(list, "last", "{\"b\":2}");
    struct list_overlay again = {STR("test"), NULL, 0, (const struct str[]){STR("plain")}, 1};
    assert_int_equal(list_apply(list, arena, &again, &err), 0);
    list_finish(list);
    assert_json(list, 0, 1, "[{\"value\":\"LAST\",\"attributes\":{\"b\":2},\"overlay\":true}]");
    list_free(list);
    arena_free(arena);
}

static void what_an_overlay_may_not_add_is_said(void **state)
{
    (void)state;
    static char long_value[LIST_ENTRY_MAX + 1], long_attributes[LIST_ATTRIBUTES_MAX + 1];
    memset(long_value, 'a', sizeof(long_value));
    memset(long_attributes, ' ', sizeof(long_attributes));
    memcpy(long_attributes, "{}", 2);
    const struct {
        struct overlay_entry entry;
        enum err_code code;
    } cases[] = {
        {{STR("a"), STR("")}, ERR_NONE},
        {{{long_value, LIST_ENTRY_MAX}, STR("{}")}, ERR_NONE},
        {{STR("a"), {long_attributes, LIST_ATTRIBUTES_MAX}}, ERR_NONE},
        {{STR(""), STR("")}, ERR_INVALID},
        {{STR("a\n"), STR("")}, ERR_INVALID},
        {{STR("\xff"), STR("")}, ERR_INVALID},
        {{{long_value, LIST_ENTRY_MAX + 1}, STR("")}, ERR_LIMIT},
        {{STR("a"), {long_attributes, LIST_ATTRIBUTES_MAX + 1}}, ERR_LIMIT},
        {{STR("a"), STR("[]")}, ERR_INVALID},
        {{STR("a"), STR("{")}, ERR_INVALID},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct err err = {0};
        int rc = list_entry_check(&cases[i].entry, &err);
        assert_int_equal(rc, cases[i].code == ERR_NONE ? 0 : -1);
        assert_int_equal(err.code, cases[i].code);
    }
}

/* ---- in a ruleset ---- */

static struct ruleset *load_with(const struct text_file *files, size_t count,
                                 const struct list_overlay *overlays, size_t overlay_count,
                                 char report_out[2048])
{
    struct lua_source sources[8];
    struct report report = {0};
    for (size_t i = 0; i < count; i++)
        sources[i] = (struct lua_source){str_from(files[i].path), str_from(files[i].text)};
    struct tree *tree = tree_of(sources, count);
    struct ruleset *set = ruleset_load(tree, overlays, overlay_count, &report);
    char hash[65];
    ruleset_hash(tree, overlays, overlay_count, hash);
    if (set)
        assert_string_equal(set->hash, hash);
    if (overlay_count == 0)
        assert_string_equal(hash, tree_hash(tree));
    tree_free(tree);
    report_text(&report, report_out, 2048);
    report_free(&report);
    return set;
}

#define KEYED "return list { 'plain', 443, ['acme'] = { tier = 'gold', hours = { 8, 18 } }, ['bare'] = {} }"

static void a_keyed_list_of_lua_has_attributes_of_any_kind(void **state)
{
    (void)state;
    static const struct text_file files[] = {{"rules/lists/customers.lua", KEYED}};
    char report[2048];
    struct ruleset *set = load_with(files, 1, NULL, 0, report);
    assert_string_equal(report, "");
    struct str json;
    bool known;
    assert_true(ruleset_list_get(set, STR("customers"), STR("Acme"), &json, &known) && known);
    assert_true(str_is(json, "{\"tier\":\"gold\",\"hours\":[8,18]}"));
    assert_true(ruleset_list_get(set, STR("customers"), STR("443"), &json, &known));
    assert_true(str_is(json, "{}"));
    assert_true(ruleset_list_has(set, STR("customers"), STR("bare"), &known));
    assert_false(ruleset_list_get(set, STR("customers"), STR("no"), &json, &known));
    assert_true(known);
    assert_false(ruleset_list_get(set, STR("custom"), STR("acme"), &json, &known) || known);
    ruleset_unref(set);
}

static void attributes_that_are_too_long_are_refused(void **state)
{
    (void)state;
    char text[LIST_ATTRIBUTES_MAX + 200], report[2048];
    for (int more = 0; more < 2; more++) {
        int room = LIST_ATTRIBUTES_MAX - 8 + more;
        snprintf(text, sizeof(text), "return list {\n['a'] = { a = '%0*d' } }", room, 0);
        struct ruleset *set = load_with(&(struct text_file){"rules/lists/l.lua", text}, 1, NULL, 0, report);
        assert_string_equal(
            report,
            more ? "error rules/lists/l.lua:2: list: [\"a\"]: the attributes have more than 4096 bytes as "
                   "JSON\n"
                 : "");
        ruleset_unref(set);
    }
}

static void overlays_change_the_lists_of_the_files(void **state)
{
    (void)state;
    static const struct text_file files[] = {{"rules/lists/customers.lua", KEYED},
                                             {"rules/lists/intel_b.txt", "a.example\n"},
                                             {"rules/lists/intelligence.txt", "x\n"}};
    const struct overlay_entry added[] = {{STR("zoe"), STR("{\"tier\":\"tin\"}")}};
    const struct str removed[] = {STR("acme")};
    struct list_overlay overlays[] = {{STR("customers"), added, 1, removed, 1},
                                      {STR("intel_a"), added, 1, NULL, 0}};
    char report[2048], first[65];
    struct ruleset *set = load_with(files, 3, overlays, 2, report);
    assert_string_equal(report, "");
    struct str json;
    assert_false(ruleset_list_has(set, STR("customers"), STR("acme"), NULL));
    assert_true(ruleset_list_get(set, STR("customers"), STR("zoe"), &json, NULL));
    assert_true(str_is(json, "{\"tier\":\"tin\"}"));
    assert_true(ruleset_list_has(set, STR("intel_a"), STR("zoe"), NULL));
    assert_true(str_is(ruleset_list(set, STR("intel_a"))->path, "overlay"));
    assert_int_equal(set->intel_count, 2);
    assert_true(str_is(set->intel[0]->name, "intel_a") && str_is(set->intel[1]->name, "intel_b"));
    memcpy(first, set->hash, sizeof(first));
    ruleset_unref(set);
    overlays[0].removed_count = 0;
    set = load_with(files, 3, overlays, 2, report);
    assert_string_not_equal(set->hash, first);
    ruleset_unref(set);
}

static void an_overlay_that_cannot_be_is_an_error(void **state)
{
    (void)state;
    static const struct text_file files[] = {{"rules/lists/customers.lua", KEYED}};
    const struct overlay_entry bad[] = {{STR("zoe"), STR("[]")}};
    struct list_overlay overlays[] = {{STR("customers"), bad, 1, NULL, 0},
                                      {STR("No Name"), NULL, 0, NULL, 0}};
    char report[2048];
    assert_null(load_with(files, 1, overlays, 2, report));
    assert_string_equal(
        report,
        "error overlay: the list \"customers\": the attributes of an entry are a JSON object, got an array\n"
        "error overlay: the list's name \"No Name\": write lower-case letters, digits and _ . - , beginning "
        "with a letter, like \"identity.mfa_fatigue\"\n");
}

/* ---- ATT&CK ---- */

#define RULE(mitre)                                                                                          \
    "return rule { id = 'a', title = 'A', severity = 'low', match = { ['user.name'] = 'a' }, mitre = "       \
    "{ " mitre                                                                                               \
    " },\n tests = { { 'y', events = sample { ['user.name'] = 'a' }, expect = { threats = 1 } },\n"          \
    " { 'n', events = sample { ['user.name'] = 'b' }, expect = { threats = 0 } } } }"

static void techniques_are_those_of_the_list_attack(void **state)
{
    (void)state;
    static const struct text_file files[] = {{"rules/lists/attack.lua",
                                              "return list { 'T1110', ['T1621'] = { name = 'MFA \"Request\" "
                                              "Generation', tactics = { 'TA0006' } },\n"
                                              "['T1110.001'] = { name = 'Guessing', tactics = 'TA0006; "
                                              "TA0001' }, ['TA0006'] = { name = 'Creds' } }"},
                                             {"rules/a.lua", RULE("'T1621', 'TA0006', 'T1110.001'")}};
    char report[2048];
    struct str name, tactics;
    struct ruleset *set = load_with(files, 2, NULL, 0, report);
    assert_string_equal(report, "");
    assert_true(ruleset_technique(set, STR("T1621"), &name, &tactics));
    assert_true(str_is(name, "MFA \"Request\" Generation") && str_is(tactics, "[\"TA0006\"]"));
    assert_true(ruleset_technique(set, STR("T1110.001"), &name, &tactics));
    assert_true(str_is(tactics, "[\"TA0006\",\"TA0001\"]"));
    assert_true(ruleset_technique(set, STR("T1110"), &name, &tactics));
    assert_true(str_is(name, "") && str_is(tactics, "[]"));
    assert_false(ruleset_technique(set, STR("T1111"), &name, &tactics));
    ruleset_unref(set);
}

static void a_technique_that_is_not_in_the_list_is_an_error(void **state)
{
    (void)state;
    static const struct text_file files[] = {
        {"rules/lists/attack.csv",
         "value,name\nT1110,Brute Force\nT1110.001,Guessing\nT1621,MFA\nT1611,Escape\n"
         "TA0006,Creds\n"},
        {"rules/a.lua", RULE("'T1612', 'T1110.002', 'TA9999'")}};
    char report[2048];
    assert_null(load_with(files, 2, NULL, 0, report));
    assert_string_equal(report, "error rules/a.lua:1: mitre: \"T1612\" is not in the list \"attack\"; did "
                                "you mean \"T1611\", \"T1621\", "
                                "\"T1110\"?\n"
                                "error rules/a.lua:1: mitre: \"T1110.002\" is not in the list \"attack\"; "
                                "did you mean \"T1110.001\"?\n"
                                "error rules/a.lua:1: mitre: \"TA9999\" is not in the list \"attack\"\n");
    struct ruleset *set = load_with(files + 1, 1, NULL, 0, report);
    assert_string_equal(report,
                        "note rules/a.lua: there is no list \"attack\", so of ATT&CK ids only the form "
                        "was checked\n");
    struct str name, tactics;
    assert_false(ruleset_technique(set, STR("T1612"), &name, &tactics));
    ruleset_unref(set);
}

/* ---- size ---- */

/* A feed of a million indicators with two columns that repeat: what an entry costs beside its text. */
static void a_million_entries_with_attributes_are_cheap(void **state)
{
    (void)state;
    struct arena *arena = arena_new(0);
    struct buf text = BUF_EMPTY;
    struct err err = {0};
    unsigned line;
    buf_puts(&text, "value,kind,source\n");
    for (unsigned i = 0; i < LIST_ENTRIES_MAX; i++)
        buf_printf(&text, "bad-%07u.example,c2,feed-%u\n", i, i % 50);
    size_t before = arena_size(arena);
    struct list *list = parse_csv(arena, buf_str(&text), &line, &err);
    assert_non_null(list);
    assert_int_equal(list->entries.count, LIST_ENTRIES_MAX);
    /* The arena has the text once, and each of the fifty attributes once. */
    assert_true(arena_size(arena) - before < text.len + (size_t)text.len / 2 + (1u << 20));
    assert_get(list, "BAD-0999999.example", "{\"kind\":\"c2\",\"source\":\"feed-49\"}");
    list_free(list);
    buf_puts(&text, "one-more,c2,x\n");
    assert_null(parse_csv(arena, buf_str(&text), &line, &err));
    assert_int_equal(err.code, ERR_LIMIT);
    assert_int_equal(line, LIST_ENTRIES_MAX + 2);
    buf_free(&text);
    arena_free(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_header_of_a_csv_names_the_attributes),
        cmocka_unit_test(without_a_header_there_are_no_attributes),
        cmocka_unit_test(the_limits_of_a_csv_are_kept),
        cmocka_unit_test(the_smallest_network_that_holds_an_address_counts),
        cmocka_unit_test(an_overlay_removes_and_adds),
        cmocka_unit_test(what_an_overlay_may_not_add_is_said),
        cmocka_unit_test(a_keyed_list_of_lua_has_attributes_of_any_kind),
        cmocka_unit_test(attributes_that_are_too_long_are_refused),
        cmocka_unit_test(overlays_change_the_lists_of_the_files),
        cmocka_unit_test(an_overlay_that_cannot_be_is_an_error),
        cmocka_unit_test(techniques_are_those_of_the_list_attack),
        cmocka_unit_test(a_technique_that_is_not_in_the_list_is_an_error),
        cmocka_unit_test(a_million_entries_with_attributes_are_cheap),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
