/* Stories of the subset of JSON Schema: what a schema may say, and how each of its words is broken. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "ai/schema.h"
#include "base/buf.h"

/* JSON written with ' for ". */
static struct json *parsed(const char *text)
{
    struct err err = {0};
    struct buf buf = BUF_EMPTY;
    buf_puts(&buf, text);
    for (size_t i = 0; i < buf.len; i++)
        if (buf.ptr[i] == '\'')
            buf.ptr[i] = '"';
    struct json *json = json_parse(buf_str(&buf), NULL, &err);
    if (!json)
        fail_msg("%s: %s", text, err_text(&err));
    buf_free(&buf);
    return json;
}

static int check(const char *text, struct err *err)
{
    struct json *schema = parsed(text);
    *err = (struct err){0};
    int result = schema_check(schema, err);
    json_free(schema);
    return result;
}

static int validate(const char *schema_text, const char *text, struct err *err)
{
    struct json *schema = parsed(schema_text), *value = parsed(text);
    *err = (struct err){0};
    assert_int_equal(schema_check(schema, err), 0);
    int result = schema_validate(schema, value, err);
    json_free(schema);
    json_free(value);
    return result;
}

/* ---- the schema itself ---- */

static void all_of_the_subset_is_accepted(void **state)
{
    (void)state;
    static const char *const schemas[] = {
        "{}",
        "{'type':'object','title':'t','description':'d','required':['a'],'additionalProperties':false,"
        "'properties':{'a':{'type':['string','null'],'minLength':0,'maxLength':9,'enum':['x',null]},"
        "'b':{'type':'array','items':{'type':'integer','minimum':-1.5,'maximum':2},'minItems':0,'maxItems':3}"
        ","
        "'c':{'type':'number'},'d':{'type':'boolean'}}}",
        "{'properties':{'$ref':{},'pattern':{}},'required':[]}", /* names of members, no keywords */
    };
    struct err err;
    for (size_t i = 0; i < sizeof schemas / sizeof schemas[0]; i++)
        if (check(schemas[i], &err) != 0)
            fail_msg("%s: %s", schemas[i], err_text(&err));
}

static void anything_else_is_refused_with_its_path(void **state)
{
    (void)state;
    static const struct {
        const char *schema, *where, *says;
    } cases[] = {
        {"{'pattern':'a'}", "", "unknown keyword \"pattern\""},
        {"{'$ref':'#/x'}", "", "unknown keyword \"$ref\""},
        {"{'items':{'properties':{'a':{'oneOf':[]}}}}", "items.properties.a", "unknown keyword \"oneOf\""},
        {"{'properties':{'claims':{'items':{'format':'date'}}}}", "properties.claims.items",
         "unknown keyword \"format\""},
        {"{'Type':'object'}", "", "unknown keyword"},
        {"[]", "", "expected a schema"},
        {"{'items':true}", "items", "expected a schema"},
        {"{'items':[{}]}", "items", "expected a schema"},
        {"{'properties':{'a':7}}", "properties.a", "expected a schema"},
        {"{'properties':[]}", "", "\"properties\""},
        {"{'type':'text'}", "", "\"type\""},
        {"{'type':[]}", "", "\"type\""},
        {"{'type':['string',1]}", "", "\"type\""},
        {"{'type':{}}", "", "\"type\""},
        {"{'required':'a'}", "", "\"required\""},
        {"{'required':[1]}", "", "\"required\""},
        {"{'additionalProperties':{}}", "", "\"additionalProperties\""},
        {"{'enum':[]}", "", "\"enum\""},
        {"{'enum':'a'}", "", "\"enum\""},
        {"{'minimum':'1'}", "", "\"minimum\""},
        {"{'maximum':null}", "", "\"maximum\""},
        {"{'items':{'minLength':-1}}", "items", "\"minLength\""},
        {"{'maxLength':1.5}", "", "\"maxLength\""},
        {"{'minItems':-1}", "", "\"minItems\""},
        {"{'maxItems':[]}", "", "\"maxItems\""},
        {"{'title':1}", "", "\"title\""},
        {"{'description':[]}", "", "\"description\""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct err err;
        if (check(cases[i].schema, &err) == 0)
            fail_msg("%s is accepted", cases[i].schema);
        assert_int_equal(err.code, ERR_INVALID);
        assert_string_equal(err.where, cases[i].where);
        if (!strstr(err.message, cases[i].says))
            fail_msg("%s: %s", cases[i].schema, err.message);
    }
}

static int check_nested(unsigned depth)
{
    struct buf text = BUF_EMPTY;
    struct err err;
    for (unsigned i = 0; i < depth; i++)
        buf_puts(&text, i ? "{'items':" : "{'properties':{'a':");
    buf_puts(&text, "{}");
    for (unsigned i = 0; i < depth; i++)
        buf_puts(&text, i + 1 < depth ? "}" : "}}");
    int result = check(text.ptr, &err);
    if (result != 0)
        assert_non_null(strstr(err.message, "deep"));
    buf_free(&text);
    return result;
}

static void the_depth_has_a_limit(void **state)
{
    (void)state;
    assert_int_equal(check_nested(SCHEMA_DEPTH_MAX), 0);
    assert_int_equal(check_nested(SCHEMA_DEPTH_MAX + 1), -1);
}

/* ---- values ---- */

#define LIST(inner) "{'properties':{'claims':{'items':{'properties':{'x':{" inner "}}}}}}"
#define IN(value)   "{'claims':[{'x':" value "}]}"

static const struct {
    const char *schema, *stands, *breaks, *where;
} keywords[] = {
    {"{'type':'object'}", "{}", "[]", ""},
    {LIST("'type':'string'"), IN("''"), IN("1"), "claims[0].x"},
    {LIST("'type':'null'"), IN("null"), IN("false"), "claims[0].x"},
    {LIST("'type':'boolean'"), IN("false"), IN("0"), "claims[0].x"},
    {LIST("'type':'integer'"), IN("2.0"), IN("2.5"), "claims[0].x"},
    {LIST("'type':'number'"), IN("2.5"), IN("'2.5'"), "claims[0].x"},
    {LIST("'type':'array'"), IN("[]"), IN("{}"), "claims[0].x"},
    {LIST("'type':['string','null']"), IN("null"), IN("true"), "claims[0].x"},
    {LIST("'enum':['a',1,null,[1]]"), IN("1.0"), IN("2"), "claims[0].x"},
    {LIST("'enum':['a',1,null,[1]]"), IN("[1]"), IN("'1'"), "claims[0].x"},
    {LIST("'minimum':0"), IN("0"), IN("-0.001"), "claims[0].x"},
    {LIST("'maximum':1"), IN("1"), IN("1.001"), "claims[0].x"},
    {LIST("'minLength':2"), IN("'ab'"), IN("'é'"), "claims[0].x"}, /* characters, not bytes */
    {LIST("'maxLength':2"), IN("'éé'"), IN("'abc'"), "claims[0].x"},
    {LIST("'minItems':1"), IN("[0]"), IN("[]"), "claims[0].x"},
    {LIST("'maxItems':1"), IN("[0]"), IN("[0,0]"), "claims[0].x"},
    {LIST("'items':{'type':'string'}"), IN("['a','b']"), IN("['a',1]"), "claims[0].x[1]"},
    {LIST("'required':['y']"), IN("{'y':null}"), IN("{'z':1}"), "claims[0].x"},
    {LIST("'required':['y']"), IN("'no object'"), IN("{}"), "claims[0].x"},
    {LIST("'properties':{'y':{}},'additionalProperties':false"), IN("{'y':1}"), IN("{'z':1}"), "claims[0].x"},
    {LIST("'properties':{'y':{'type':'string'}}"), IN("{'z':1}"), IN("{'y':1}"), "claims[0].x.y"},
};

static void each_keyword_holds_and_names_the_path_of_what_breaks_it(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof keywords / sizeof keywords[0]; i++) {
        struct err err;
        if (validate(keywords[i].schema, keywords[i].stands, &err) != 0)
            fail_msg("%s refuses %s: %s", keywords[i].schema, keywords[i].stands, err_text(&err));
        if (validate(keywords[i].schema, keywords[i].breaks, &err) == 0)
            fail_msg("%s takes %s", keywords[i].schema, keywords[i].breaks);
        assert_int_equal(err.code, ERR_INVALID);
        assert_string_equal(err.where, keywords[i].where);
    }
}

static void a_keyword_of_another_kind_says_nothing(void **state)
{
    (void)state;
    struct err err;
    assert_int_equal(validate("{'minLength':5,'minItems':5,'required':['a']}", "1", &err), 0);
    assert_int_equal(validate("{'minimum':5,'items':{'type':'null'}}", "'a'", &err), 0);
}

static void the_path_names_the_element(void **state)
{
    (void)state;
    struct err err;
    assert_int_equal(validate("{'items':{'items':{'type':'string'}}}", "[['a'],['b','c',7]]", &err), -1);
    assert_string_equal(err.where, "[1][2]");
}

static void texts_of_the_value_are_not_told(void **state)
{
    (void)state;
    static const char *const schemas[] = {"{'type':'object'}", "{'enum':['a']}", "{'maxLength':3}",
                                          "{'minLength':99}"};
    struct err err;
    for (size_t i = 0; i < sizeof schemas / sizeof schemas[0]; i++) {
        assert_int_equal(validate(schemas[i], "'hunter2'", &err), -1);
        assert_null(strstr(err.message, "hunter2"));
    }
    assert_int_equal(validate("{'additionalProperties':false}", "{'hunter2':1}", &err), -1);
    assert_null(strstr(err.message, "hunter2"));
    assert_null(strstr(err.where, "hunter2"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_of_the_subset_is_accepted),
        cmocka_unit_test(anything_else_is_refused_with_its_path),
        cmocka_unit_test(the_depth_has_a_limit),
        cmocka_unit_test(each_keyword_holds_and_names_the_path_of_what_breaks_it),
        cmocka_unit_test(a_keyword_of_another_kind_says_nothing),
        cmocka_unit_test(the_path_names_the_element),
        cmocka_unit_test(texts_of_the_value_are_not_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
