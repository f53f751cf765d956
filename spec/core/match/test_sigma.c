/* Vectors that other Sigma engines publish, where they need no modifier that is not built yet. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <unistd.h>

#include "world.h"

#define DATA LUNETTE_SOURCE_DIR "/../shared/data/sigma/"

static struct json *read_json(const char *path)
{
    struct buf text = BUF_EMPTY;
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    for (size_t n = 1; n > 0; buf_grew(&text, n)) {
        char *room = buf_reserve(&text, 65536);
        n = fread(room, 1, 65536, file);
    }
    fclose(file);
    /* UTF-16 vectors, not run here, hold NUL, which the tree refuses. */
    for (char *at = text.ptr; (at = strstr(at, "\\u0000")) != NULL;)
        at[5] = '1';
    const struct json_limits limits = {64 << 20, 32, true};
    struct err err;
    struct json *json = json_parse(buf_str(&text), &limits, &err);
    if (!json)
        fail_msg("%s: %s", path, err_text(&err));
    buf_free(&text);
    return json;
}

/* ---- whole rules ---- */

static bool named(struct str name, struct str pattern)
{
    bool open = pattern.len && pattern.ptr[pattern.len - 1] == '*';
    pattern.len -= open;
    return open ? str_starts(name, pattern) : str_equal(name, pattern);
}

/* "selection", "selection_*": the objects of those names. False: one of them is no table of fields. */
static bool put_selections(struct buf *out, const struct json *detection, struct str pattern)
{
    struct str name;
    const struct json *selection;
    bool tables = true;
    for (void *at = NULL; json_next(detection, &at, &name, &selection);) {
        if (!named(name, pattern))
            continue;
        tables = tables && json_kind(selection) == JSON_KIND_OBJECT;
        buf_puts(out, out->ptr[out->len - 1] == '[' ? "" : ",");
        json_print(selection, out);
    }
    return tables;
}

static bool take_word(struct str *rest, const char *word)
{
    struct str wanted = str_from(word);
    if (!str_starts(*rest, wanted))
        return false;
    rest->ptr += wanted.len;
    rest->len -= wanted.len;
    return true;
}

/* The conditions of these vectors: [not] [1 of|all of] name, joined by "and". */
static bool put_condition(struct buf *out, const struct json *detection, struct str condition)
{
    bool tables = true;
    buf_puts(out, "{\"all\":[");
    while (condition.len) {
        bool inverse = take_word(&condition, "not ");
        bool each = take_word(&condition, "all of ");
        take_word(&condition, "1 of ");
        const char *space = memchr(condition.ptr, ' ', condition.len);
        struct str name = {condition.ptr, space ? (size_t)(space - condition.ptr) : condition.len};
        condition = (struct str){name.ptr + name.len, condition.len - name.len};
        buf_printf(out, "%s{\"%s\":[", out->ptr[out->len - 1] == '[' ? "" : ",",
                   inverse ? "none"
                   : each  ? "all"
                           : "any");
        tables = put_selections(out, detection, name) && tables;
        buf_puts(out, "]}");
        assert_true(condition.len == 0 || take_word(&condition, " and "));
    }
    buf_puts(out, "]}");
    return tables;
}

/* False: the rule needs what is not built yet. */
static bool load_rule(struct world *w, const struct json *rule)
{
    struct buf text = BUF_EMPTY;
    struct str condition;
    const struct json *detection = json_get(rule, "detection");
    assert_true(json_get_str(detection, "condition", &condition));
    bool loaded = put_condition(&text, detection, condition) && world_rule(w, text.ptr);
    if (!loaded && w->err.code && !strstr(w->err.message, "not built yet"))
        fail_msg("%s: %s", text.ptr, w->err.message);
    buf_free(&text);
    return loaded;
}

static bool run_vector(const struct json *rules, const struct json *vector)
{
    struct world *w = world_new();
    struct str file;
    bool want;
    assert_true(json_get_str(vector, "rule_file", &file) && json_get_bool(vector, "want", &want));
    char name[256];
    snprintf(name, sizeof(name), "%.*s", STR_ARG(file));
    bool loaded = load_rule(w, json_get(rules, name));
    if (loaded) {
        struct buf event = BUF_EMPTY;
        json_print(json_get(vector, "fields"), &event);
        world_compile(w, NULL, 0);
        if ((world_match(w, world_event(w, buf_str(&event))).count == 1) != want)
            fail_msg("%s on %s", name, event.ptr);
        buf_free(&event);
    }
    world_free(w);
    return loaded;
}

static void published_rules_match_as_published(void **state)
{
    (void)state;
    if (access(DATA "sigmalite-match-tests.json", R_OK)) {
        print_message("SKIPPED: no shared data\n");
        skip();
    }
    struct json *all = read_json(DATA "sigmalite-match-tests.json");
    const struct json *vectors = json_get(all, "tests");
    size_t run = 0;
    for (size_t i = 0; i < json_count(vectors); i++)
        run += run_vector(json_get(all, "rules"), json_item(vectors, i));
    assert_int_equal(json_count(vectors), 28);
    assert_int_equal(run, 19); /* without keywords, windash, expand */
    json_free(all);
}

/* ---- single modifiers ---- */

static const char *const samples[] = {"foobar",       "xfoobar", "foobarx",    "xfoobarx", "FOOBAR",
                                      "foo",          "fo?bar",  "foo\\\\bar", "fobar!",   "192.168.1.77",
                                      "192.168.2.77", "",        "*foobar*"};

static void same_answers(const char *key, const char *plain_key, struct str input, struct str output)
{
    struct world *w = world_new();
    struct literal in = {.type = LITERAL_STRING, .text = input},
                   out = {.type = LITERAL_STRING, .text = output};
    struct match_rule rules[2] = {
        {.root = match_field(w->arena, w->fields, str_from(key), &in, 1, &w->err)},
        {.root = match_field(w->arena, w->fields, str_from(plain_key), &out, 1, &w->err)},
    };
    assert_true(rules[0].root && rules[1].root);
    vec_push(&w->rules, rules[0]);
    vec_push(&w->rules, rules[1]);
    world_compile(w, NULL, 0);
    size_t both = 0;
    for (size_t i = 0; i < sizeof(samples) / sizeof(samples[0]); i++) {
        struct buf event = BUF_EMPTY;
        buf_printf(&event, "{\"a\":\"%s\"}", samples[i]);
        size_t count = world_match(w, world_event(w, buf_str(&event))).count;
        if (count == 1)
            fail_msg("%s %.*s on %s", key, STR_ARG(input), samples[i]);
        both += count == 2;
        buf_free(&event);
    }
    assert_true(both > 0);
    world_free(w);
}

static bool run_modifier(const struct json *vector)
{
    static const struct {
        const char *modifier, *key, *plain_key, *kind;
    } known[] = {{"Contains", "a|contains", "a", "str"},
                 {"Startswith", "a|startswith", "a", "str"},
                 {"Endswith", "a|endswith", "a", "str"},
                 {"RegularExpression", "a|re", "a|re", "re"},
                 {"CIDR", "a|cidr", "a|cidr", "cidr"}};
    struct str modifier, input, output;
    assert_true(json_get_str(vector, "modifier", &modifier));
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        if (!str_is(modifier, known[i].modifier) || !json_get_str(json_get(vector, "input"), "str", &input))
            continue;
        assert_true(json_get_str(json_item(json_get(vector, "output"), 0), known[i].kind, &output));
        same_answers(known[i].key, known[i].plain_key, input, output);
        return true;
    }
    return false;
}

static void modifiers_mean_what_pysigma_says(void **state)
{
    (void)state;
    if (access(DATA "pysigma-modifier-vectors.json", R_OK)) {
        print_message("SKIPPED: no shared data\n");
        skip();
    }
    struct json *all = read_json(DATA "pysigma-modifier-vectors.json");
    const struct json *vectors = json_get(all, "vectors");
    size_t run = 0;
    for (size_t i = 0; i < json_count(vectors); i++)
        run += run_modifier(json_item(vectors, i));
    assert_int_equal(run, 11);
    json_free(all);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(published_rules_match_as_published),
        cmocka_unit_test(modifiers_mean_what_pysigma_says),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
