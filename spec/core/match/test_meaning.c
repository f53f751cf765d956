/* What a match means: one rule, one event, does it hold? Each case is judged by the index and by the slow
 * evaluator. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "world.h"

struct story {
    const char *title, *match, *event;
    bool holds;
};

static bool judged(const struct story *story)
{
    struct world *w = world_new();
    if (!world_rule(w, story->match))
        fail_msg("%s: not accepted: %s", story->title, err_text(&w->err));
    world_compile(w, NULL, 0);
    struct match_result result = world_match(w, world_event(w, str_from(story->event)));
    assert_false(result.cut_off);
    bool holds = result.count == 1;
    world_free(w);
    return holds;
}

static void tell(const struct story *stories, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (judged(&stories[i]) != stories[i].holds)
            fail_msg("%s: %s on %s should %shold", stories[i].title, stories[i].match, stories[i].event,
                     stories[i].holds ? "" : "not ");
}
#define TELL(stories) tell(stories, sizeof(stories) / sizeof((stories)[0]))

static void texts_compare_under_case_folding(void **state)
{
    (void)state;
    static const struct story stories[] = {
        {"equal", "{\"a\": \"cmd.exe\"}", "{\"a\": \"cmd.exe\"}", true},
        {"case", "{\"a\": \"CMD.exe\"}", "{\"a\": \"cmd.EXE\"}", true},
        {"longer", "{\"a\": \"cmd.exe\"}", "{\"a\": \"cmd.exe \"}", false},
        {"cased differs", "{\"a|cased\": \"CMD\"}", "{\"a\": \"cmd\"}", false},
        {"cased same", "{\"a|cased\": \"CMD\"}", "{\"a\": \"CMD\"}", true},
        {"greek", "{\"a\": \"ΟΔΟΣ\"}", "{\"a\": \"οδος\"}", true},
        {"kelvin sign", "{\"a|contains\": \"kelvin\"}", "{\"a\": \"x \\u212Aelvin\"}", true},
        {"folding that grows", "{\"a|endswith\": \"\\u023A\"}", "{\"a\": \"abc\\u2C65\"}", true},
        {"sharp s is not ss", "{\"a\": \"strasse\"}", "{\"a\": \"straße\"}", false},
        {"empty", "{\"a\": \"\"}", "{\"a\": \"\"}", true},
        {"empty is not absent", "{\"a\": \"\"}", "{\"b\": \"\"}", false},
        {"empty is not null", "{\"a\": \"\"}", "{\"a\": null}", false},
        {"inside", "{\"a|contains\": \"mimi\"}", "{\"a\": \"run MIMIkatz\"}", true},
        {"inside, two bytes", "{\"a|contains\": \"-e\"}", "{\"a\": \"sh -E x\"}", true},
        {"inside, one byte", "{\"a|contains\": \"%\"}", "{\"a\": \"100%\"}", true},
        {"inside, all of it", "{\"a|contains\": \"abcd\"}", "{\"a\": \"abcd\"}", true},
        {"inside, too short", "{\"a|contains\": \"abcd\"}", "{\"a\": \"abc\"}", false},
        {"begins", "{\"a|startswith\": \"C:\\\\Win\"}", "{\"a\": \"c:\\\\windows\"}", true},
        {"begins elsewhere", "{\"a|startswith\": \"win\"}", "{\"a\": \"c:\\\\windows\"}", false},
        {"ends", "{\"a|endswith\": \"\\\\cmd.exe\"}", "{\"a\": \"c:\\\\CMD.EXE\"}", true},
        {"ends, one byte", "{\"a|endswith\": \"$\"}", "{\"a\": \"HOST1$\"}", true},
        {"ends, not there", "{\"a|endswith\": \"$\"}", "{\"a\": \"HOST1$x\"}", false},
        {"inside nothing", "{\"a|contains\": \"\"}", "{\"a\": \"\"}", true},
        {"cased inside", "{\"a|contains|cased\": \"AbC\"}", "{\"a\": \"xabcx\"}", false},
        {"cased inside, same", "{\"a|contains|cased\": \"AbC\"}", "{\"a\": \"xabcAbC\"}", true},
    };
    TELL(stories);
}

static void stars_and_question_marks_follow_sigma(void **state)
{
    (void)state;
    static const struct story stories[] = {
        {"star", "{\"a\": \"c:\\\\\\\\*\\\\\\\\cmd.exe\"}", "{\"a\": \"C:\\\\x\\\\y\\\\cmd.exe\"}", true},
        {"star takes none", "{\"a\": \"ab*cd\"}", "{\"a\": \"abcd\"}", true},
        {"pieces in order", "{\"a\": \"*one*two*\"}", "{\"a\": \"two one\"}", false},
        {"pieces do not overlap", "{\"a\": \"aba*ba\"}", "{\"a\": \"aba\"}", false},
        {"the end is the last", "{\"a\": \"*ab\"}", "{\"a\": \"abxab\"}", true},
        {"the end, in the middle", "{\"a\": \"x*a?c\"}", "{\"a\": \"xabcaxc\"}", true},
        {"question mark", "{\"a\": \"a?c\"}", "{\"a\": \"abc\"}", true},
        {"question mark takes one", "{\"a\": \"a?c\"}", "{\"a\": \"ac\"}", false},
        {"question mark is a character", "{\"a\": \"a?c\"}", "{\"a\": \"a\\u20acc\"}", true},
        {"question mark behind a star", "{\"a\": \"*b?d*\"}", "{\"a\": \"abbcd\"}", true},
        {"lone star", "{\"a\": \"*\"}", "{\"a\": \"\"}", true},
        {"lone star and null", "{\"a\": \"*\"}", "{\"a\": null}", false},
        {"escaped star", "{\"a\": \"a\\\\*c\"}", "{\"a\": \"a*c\"}", true},
        {"escaped star is no star", "{\"a\": \"a\\\\*c\"}", "{\"a\": \"abc\"}", false},
        {"escaped question mark", "{\"a\": \"a\\\\?\"}", "{\"a\": \"a?\"}", true},
        {"escaped backslash", "{\"a\": \"a\\\\\\\\b\"}", "{\"a\": \"a\\\\b\"}", true},
        {"escaped backslash, then a star", "{\"a\": \"a\\\\\\\\*\"}", "{\"a\": \"a\\\\bc\"}", true},
        {"backslash alone", "{\"a\": \"a\\\\b\"}", "{\"a\": \"a\\\\b\"}", true},
        {"backslash at the end", "{\"a|endswith\": \"b\\\\\"}", "{\"a\": \"ab\\\\\"}", true},
        {"literal", "{\"a|literal\": \"a*\"}", "{\"a\": \"ab\"}", false},
        {"literal, the star itself", "{\"a|literal\": \"a*\\\\?\"}", "{\"a\": \"a*\\\\?\"}", true},
        {"list entries are literal", "{\"a\": {\"list\": [\"a*\"]}}", "{\"a\": \"ab\"}", false},
        {"list entries", "{\"a\": {\"list\": [\"x\", \"a*\"]}}", "{\"a\": \"A*\"}", true},
        {"star inside contains", "{\"a|contains\": \"b*d\"}", "{\"a\": \"abcde\"}", true},
        {"star inside startswith", "{\"a|startswith\": \"a*c\"}", "{\"a\": \"abcd\"}", true},
        {"star inside endswith", "{\"a|endswith\": \"b*d\"}", "{\"a\": \"abcd\"}", true},
        {"star inside endswith, not at the end", "{\"a|endswith\": \"b*d\"}", "{\"a\": \"abcde\"}", false},
        {"star at the side of contains", "{\"a|contains\": \"*bc\"}", "{\"a\": \"abcd\"}", true},
        {"cased wildcard", "{\"a|cased\": \"A*C\"}", "{\"a\": \"abc\"}", false},
    };
    TELL(stories);
}

static void numbers_equal_their_text(void **state)
{
    (void)state;
    static const struct story stories[] = {
        {"number", "{\"a\": 4688}", "{\"a\": 4688}", true},
        {"number and text", "{\"a\": 4688}", "{\"a\": \"4688\"}", true},
        {"text and number", "{\"a\": \"4688\"}", "{\"a\": 4688}", true},
        {"other text", "{\"a\": 4688}", "{\"a\": \"04688\"}", false},
        {"whole double", "{\"a\": 1000}", "{\"a\": 1e3}", true},
        {"text and whole double", "{\"a\": \"1000\"}", "{\"a\": 1000.0}", true},
        {"rule's whole double", "{\"a\": 1000.0}", "{\"a\": 1000}", true},
        {"fraction", "{\"a\": 1.5}", "{\"a\": 1.50}", true},
        {"fraction and text", "{\"a\": 1.5}", "{\"a\": \"1.5\"}", true},
        {"exact to 64 bits", "{\"a\": 9007199254740993}", "{\"a\": 9007199254740992}", false},
        {"exact to 64 bits, same", "{\"a\": 9223372036854775807}", "{\"a\": 9223372036854775807}", true},
        {"unsigned", "{\"a\": \"18446744073709551615\"}", "{\"a\": 18446744073709551615}", true},
        {"text of a number begins", "{\"a|startswith\": \"46\"}", "{\"a\": 4688}", true},
        {"wildcard and number", "{\"a\": \"46*8\"}", "{\"a\": 4688}", true},
        {"boolean", "{\"a\": true}", "{\"a\": true}", true},
        {"boolean and text", "{\"a\": true}", "{\"a\": \"True\"}", true},
        {"boolean is no number", "{\"a\": 1}", "{\"a\": true}", false},
        {"less", "{\"a|lt\": 10}", "{\"a\": 9}", true},
        {"not less", "{\"a|lt\": 10}", "{\"a\": 10}", false},
        {"less or equal", "{\"a|lte\": 10}", "{\"a\": 10.0}", true},
        {"greater, text", "{\"a|gt\": 10}", "{\"a\": \"10.5\"}", true},
        {"greater, rule's text", "{\"a|gt\": \"9.5\"}", "{\"a\": 10}", true},
        {"greater or equal", "{\"a|gte\": 10}", "{\"a\": 10}", true},
        {"no number", "{\"a|gt\": 1}", "{\"a\": \"ten\"}", false},
        {"true is no number", "{\"a|gte\": 0}", "{\"a\": true}", false},
        {"exact order", "{\"a|gt\": 9007199254740992}", "{\"a\": 9007199254740993}", true},
        {"exact order with a double", "{\"a|lt\": 9007199254740992.0}", "{\"a\": 9007199254740991}", true},
        {"unsigned order", "{\"a|gt\": 9223372036854775807}", "{\"a\": 9223372036854775808}", true},
        {"negative fraction", "{\"a|lt\": -1}", "{\"a\": -1.5}", true},
    };
    TELL(stories);
}

static void lists_match_by_any_element(void **state)
{
    (void)state;
    static const struct story stories[] = {
        {"any value of the rule", "{\"a\": [\"x\", \"y\"]}", "{\"a\": \"y\"}", true},
        {"any element of the event", "{\"a\": \"y\"}", "{\"a\": [\"x\", \"y\"]}", true},
        {"nested lists", "{\"a.b\": \"2\"}", "{\"a\": [{\"b\": \"1\"}, {\"b\": \"2\"}]}", true},
        {"dotted and nested", "{\"a.b\": \"2\"}", "{\"a.b\": \"1\", \"a\": {\"b\": \"2\"}}", true},
        {"none is not one", "{\"none\": [{\"a\": \"x\"}]}", "{\"a\": [\"y\", \"x\"]}", false},
        {"none holds", "{\"none\": [{\"a\": \"x\"}]}", "{\"a\": [\"y\", \"z\"]}", true},
        {"none of an absent field", "{\"none\": [{\"a\": \"x\"}]}", "{}", true},
        {"none of an AND", "{\"none\": [{\"a\": \"x\", \"b\": \"y\"}]}", "{\"a\": \"x\"}", true},
        {"every", "{\"a|every|contains\": \"x\"}", "{\"a\": [\"ax\", \"xb\"]}", true},
        {"not every", "{\"a|every|contains\": \"x\"}", "{\"a\": [\"ax\", \"b\"]}", false},
        {"every of a list of values", "{\"a|every\": [\"x\", \"y*\"]}", "{\"a\": [\"x\", \"yes\"]}", true},
        {"every of nothing", "{\"a|every\": \"x\"}", "{\"b\": 1}", false},
        {"every, one null", "{\"a|every\": \"x\"}", "{\"a\": [\"x\", null]}", false},
        {"all", "{\"a|contains|all\": [\"one\", \"two\"]}", "{\"a\": \"two, one\"}", true},
        {"all, one missing", "{\"a|contains|all\": [\"one\", \"two\"]}", "{\"a\": \"two\"}", false},
        {"all, of different elements", "{\"a|contains|all\": [\"one\", \"two\"]}",
         "{\"a\": [\"one\", \"two\"]}", true},
        {"any", "{\"any\": [{\"a\": \"x\"}, {\"b\": \"y\"}]}", "{\"b\": \"y\"}", true},
        {"any, none of them", "{\"any\": [{\"a\": \"x\"}, {\"b\": \"y\"}]}", "{\"b\": \"x\"}", false},
        {"none inside any", "{\"any\": [{\"a\": \"x\"}, {\"none\": [{\"b\": \"y\"}]}]}", "{\"c\": 1}", true},
        {"none inside none", "{\"none\": [{\"none\": [{\"b\": \"y\"}]}]}", "{\"b\": \"y\"}", true},
        {"everything", "\"everything\"", "{}", true},
    };
    TELL(stories);
}

static void null_and_exists(void **state)
{
    (void)state;
    static const struct story stories[] = {
        {"null, absent", "{\"a\": null}", "{\"b\": 1}", true},
        {"null, null", "{\"a\": null}", "{\"a\": null}", true},
        {"null, there", "{\"a\": null}", "{\"a\": \"\"}", false},
        {"null among others", "{\"a\": null}", "{\"a\": [\"x\", null]}", true},
        {"not null", "{\"none\": [{\"a\": null}]}", "{\"a\": \"x\"}", true},
        {"exists", "{\"a|exists\": true}", "{\"a\": \"\"}", true},
        {"exists, null", "{\"a|exists\": true}", "{\"a\": null}", true},
        {"does not", "{\"a|exists\": true}", "{\"b\": 1}", false},
        {"exists not", "{\"a|exists\": false}", "{\"b\": 1}", true},
        {"exists not, there", "{\"a|exists\": false}", "{\"a\": 1}", false},
    };
    TELL(stories);
}

static void networks(void **state)
{
    (void)state;
    static const struct story stories[] = {
        {"inside", "{\"a|cidr\": \"10.0.0.0/8\"}", "{\"a\": \"10.255.0.1\"}", true},
        {"outside", "{\"a|cidr\": \"10.0.0.0/8\"}", "{\"a\": \"11.0.0.1\"}", false},
        {"no address", "{\"a|cidr\": \"10.0.0.0/8\"}", "{\"a\": \"10.0.0\"}", false},
        {"leading zero", "{\"a|cidr\": \"10.0.0.0/8\"}", "{\"a\": \"010.0.0.1\"}", false},
        {"one of many", "{\"a|cidr\": [\"10.0.0.0/8\", \"192.168.0.0/16\"]}", "{\"a\": \"192.168.3.4\"}",
         true},
        {"address alone", "{\"a|cidr\": \"10.1.2.3\"}", "{\"a\": \"10.1.2.3\"}", true},
        {"all of IPv4", "{\"a|cidr\": \"0.0.0.0/0\"}", "{\"a\": \"255.255.255.255\"}", true},
        {"IPv6", "{\"a|cidr\": \"2001:db8::/32\"}", "{\"a\": \"2001:DB8:ffff::1\"}", true},
        {"IPv6 outside", "{\"a|cidr\": \"2001:db8::/32\"}", "{\"a\": \"2001:db9::1\"}", false},
        {"IPv6 zone", "{\"a|cidr\": \"fe80::/10\"}", "{\"a\": \"fe80::1%eth0\"}", true},
        {"mapped", "{\"a|cidr\": \"10.0.0.0/8\"}", "{\"a\": \"::ffff:10.1.2.3\"}", true},
        {"all of IPv6 is not IPv4", "{\"a|cidr\": \"::/0\"}", "{\"a\": \"10.1.2.3\"}", false},
        {"in a list", "{\"a|cidr\": \"10.0.0.0/8\"}", "{\"a\": [\"1.1.1.1\", \"10.0.0.9\"]}", true},
        {"none", "{\"none\": [{\"a|cidr\": \"10.0.0.0/8\"}]}", "{\"a\": \"8.8.8.8\"}", true},
    };
    TELL(stories);
}

static void regular_expressions(void **state)
{
    (void)state;
    static const struct story stories[] = {
        {"found", "{\"a|re\": \"po[wv]er.hell\"}", "{\"a\": \"x powerShell power.hell\"}", true},
        {"case counts", "{\"a|re\": \"POWER\"}", "{\"a\": \"power\"}", false},
        {"unless i", "{\"a|re|i\": \"POWER\"}", "{\"a\": \"power\"}", true},
        {"inline i", "{\"a|re\": \"(?i)POWER\"}", "{\"a\": \"power\"}", true},
        {"i beyond ASCII", "{\"a|re|i\": \"ΣΟΦΟΣ\"}", "{\"a\": \"σοφος\"}", true},
        {"i and the Kelvin sign", "{\"a|re|i\": \"kilo\"}", "{\"a\": \"\\u212Ailo\"}", true},
        {"one of some", "{\"a|re\": [\"xyz+\", \"ab+c\"]}", "{\"a\": \"zabbbc\"}", true},
        {"alternatives", "{\"a|re\": \"(foo|bar)baz\"}", "{\"a\": \"barbaz\"}", true},
        {"optional", "{\"a|re\": \"colou?r\"}", "{\"a\": \"color\"}", true},
        {"counted", "{\"a|re\": \"ab{0,2}cd\"}", "{\"a\": \"xacdx\"}", true},
        {"anchors", "{\"a|re\": \"^abc$\"}", "{\"a\": \"xabc\"}", false},
        {"letter class", "{\"a|re\": \"[eE]nc[oO]\"}", "{\"a\": \"-ENCO EncO\"}", true},
        {"look ahead", "{\"a|re\": \"foo(?!bar)\"}", "{\"a\": \"foobaz\"}", true},
        {"no literal", "{\"a|re\": \"[0-9]{3}\"}", "{\"a\": \"ab123\"}", true},
        {"of a number", "{\"a|re\": \"^46\\\\d8$\"}", "{\"a\": 4688}", true},
        {"all", "{\"a|re|all\": [\"ab\", \"cd\"]}", "{\"a\": \"cdab\"}", true},
        {"multi-line", "{\"a|re|m\": \"^b$\"}", "{\"a\": \"a\\nb\"}", true},
        {"dot and lines", "{\"a|re\": \"a.b\"}", "{\"a\": \"a\\nb\"}", false},
        {"dot and lines with s", "{\"a|re|s\": \"a.b\"}", "{\"a\": \"a\\nb\"}", true},
        {"length", "{\"a|re\": \".{5,}\"}", "{\"a\": \"abcde\"}", true},
        {"length, short", "{\"a|re\": \".{5,}\"}", "{\"a\": \"abcd\"}", false},
        {"length, in one line", "{\"a|re\": \".{5,}\"}", "{\"a\": \"abc\\nabcd\"}", false},
        {"length in characters", "{\"a|re\": \".{5,}\"}", "{\"a\": \"\\u20ac\\u20ac\\u20ac\\u20ac\"}", false},
        {"length of the first line", "{\"a|re\": \"^.{3,}\"}", "{\"a\": \"ab\\nabcd\"}", false},
        {"length of the last line", "{\"a|re\": \".{3,}$\"}", "{\"a\": \"ab\\nabcd\\n\"}", true},
        {"length of all", "{\"a|re\": \"^.{3,}$\"}", "{\"a\": \"abcd\\n\"}", true},
        {"length with lines", "{\"a|re|s\": \".{5,}\"}", "{\"a\": \"ab\\ncd\"}", true},
    };
    TELL(stories);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts_compare_under_case_folding),
        cmocka_unit_test(stars_and_question_marks_follow_sigma),
        cmocka_unit_test(numbers_equal_their_text),
        cmocka_unit_test(lists_match_by_any_element),
        cmocka_unit_test(null_and_exists),
        cmocka_unit_test(networks),
        cmocka_unit_test(regular_expressions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
