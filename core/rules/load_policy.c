/* The files of triage and analysis: policies, agents, actions, and their tests. */
#include <stdio.h>

#include "rules/load.h"

#define TESTS_MAX   1000
#define TARGETS_MAX 32
#define SCHEMA_MAX  ((size_t)64 << 10)
#define TEST_MAX    ((size_t)256 << 10) /* bytes of one table of a test as JSON: what a call takes */
#define TIMEOUT     (20 * NS_PER_S)
#define TIMEOUT_MIN (1 * NS_PER_S)
#define TIMEOUT_MAX (120 * NS_PER_S)
#define TOKENS      800
#define TOKENS_MAX  32000
#define NAMES_BYTES 128

/* What one kind of file is: for its messages and its tests. */
struct form {
    const char *what;  /* "policy" */
    struct keys keys;  /* of the file */
    struct keys tests; /* of a test */
    const char *input; /* the key of a test that must be there */
    const char *write; /* how that is written */
};

static const char *const policy_keys[] = {"name", "decide", "tests"};
static const char *const policy_test_keys[] = {"threat", "context", "lists", "expect"};
static const char *const agent_keys[] = {"name",    "when",    "gather",     "prompt", "schema",
                                         "offline", "timeout", "max_tokens", "tests"};
static const char *const agent_test_keys[] = {"threat", "gathered", "lists", "expect"};
static const char *const action_keys[] = {"id", "title", "target", "dry_run", "tests"};
static const char *const action_test_keys[] = {"action", "threat", "lists", "expect"};

static const struct form policy_form = {.what = "policy",
                                        .keys = {"policy", policy_keys, 3, NULL},
                                        .tests = {"test", policy_test_keys, 4, NULL},
                                        .input = "threat",
                                        .write = "threat = { severity = \"HIGH\" }"};
static const struct form agent_form = {.what = "agent",
                                       .keys = {"agent", agent_keys, 9, NULL},
                                       .tests = {"test", agent_test_keys, 4, NULL},
                                       .input = "threat",
                                       .write = "threat = { severity = \"HIGH\" }"};
static const struct form action_form = {.what = "action",
                                        .keys = {"action", action_keys, 5, NULL},
                                        .tests = {"test", action_test_keys, 4, NULL},
                                        .input = "action",
                                        .write = "action = { target = \"203.0.113.9\" }"};

static bool require(struct unit *unit, const char *what, const char *key, const char *write)
{
    if (lval_get(unit->file->value, key))
        return true;
    unit_error(unit, unit->file->value->line, "%s: \"%s\" is missing; write %s", what, key, write);
    return false;
}

static bool load_function(struct unit *unit, const char *what, const char *key, const char *write)
{
    if (write && !require(unit, what, key, write))
        return false;
    return key_of_type(unit, unit->file->value, key, LVAL_FUNCTION) != NULL;
}

/* ---- tests ---- */

struct test_unit {
    struct unit *unit;
    struct policy_test *test;
    const struct lval *table;
};

static void test_error(const struct test_unit *at, const char *key, const char *what)
{
    unit_error(at->unit, key ? key_line(at->table, key) : at->table->line, "test \"%.*s\": %s%s%s",
               STR_ARG(at->test->name), key ? key : "", key ? ": " : "", what);
}

/* A table of names, as JSON; "{}" where the test has none. */
static void load_input(const struct test_unit *at, const char *key, struct str *out)
{
    const struct lval *value = lval_get(at->table, key);
    const char *why = NULL;
    *out = STR("{}");
    if (value == NULL)
        return;
    if (value->type != LVAL_TABLE || value->kind != LVAL_PLAIN || value->item_count)
        test_error(at, key, "expected a table of names, { name = value }");
    else if (!json_of(at->unit->load->arena, value, out, &why))
        test_error(at, key, why);
    else if (out->len > TEST_MAX)
        test_error(at, key, "more than 256 KiB as JSON");
}

static bool expects_failure(const struct lval *expect)
{
    const struct lval *error = lval_get(expect, "error");
    return error && error->type == LVAL_BOOL && error->b;
}

static void load_expect(const struct test_unit *at)
{
    const struct lval *expect = lval_get(at->table, "expect");
    struct policy_test *test = at->test;
    const char *why = NULL;
    struct str json;
    if (expect == NULL || expect->type != LVAL_TABLE || expect->kind != LVAL_PLAIN) {
        test_error(at, NULL,
                   "\"expect\" is missing; write expect = { … } with a part of the answer, or expect = { "
                   "error = true }");
        return;
    }
    test->fails = expects_failure(expect);
    if (test->fails && expect->field_count + expect->item_count > 1)
        test_error(at, "expect", "where error = true is expected there is no answer to compare");
    else if (!json_of(at->unit->load->arena, expect, &json, &why))
        test_error(at, "expect", why);
    else if (!test->fails)
        test->expect = json;
}

static void load_test(struct unit *unit, const struct form *form, const struct lval *table,
                      struct policy_test *test)
{
    *test = (struct policy_test){.name = STR("?"), .line = table->line, .expect = STR("")};
    if (table->type != LVAL_TABLE || table->item_count != 1 || table->items[0].type != LVAL_STRING) {
        unit_error(unit, table->line ? table->line : unit->file->value->line,
                   "test: expected { \"what it shows\", %s, expect = { … } }", form->write);
        return;
    }
    struct lval keyed = *table;
    keyed.item_count = 0;
    test->name = arena_dup(unit->load->arena, table->items[0].s);
    struct test_unit at = {unit, test, table};
    check_keys(unit, &keyed, &form->tests);
    if (lval_get(table, form->input) == NULL)
        unit_error(unit, table->line, "test \"%.*s\": \"%s\" is missing; write %s", STR_ARG(test->name),
                   form->input, form->write);
    load_input(&at, "threat", &test->threat);
    load_input(&at, "context", &test->context);
    load_input(&at, "gathered", &test->gathered);
    load_input(&at, "action", &test->action);
    test->list_count = load_test_lists(unit, test->name, table, &test->lists);
    load_expect(&at);
}

static size_t load_policy_tests(struct unit *unit, const struct form *form, const struct policy_test **out)
{
    const struct lval *tests = key_of_type(unit, unit->file->value, "tests", LVAL_TABLE);
    *out = NULL;
    if (tests == NULL || tests->item_count == 0 || tests->field_count || tests->item_count > TESTS_MAX) {
        unit_error(unit, key_line(unit->file->value, "tests"),
                   "%s: \"tests\" needs 1 to %d, { \"what it shows\", %s, expect = { … } }", form->what,
                   TESTS_MAX, form->write);
        return 0;
    }
    struct policy_test *all = arena_alloc(unit->load->arena, tests->item_count * sizeof(*all));
    for (size_t i = 0; i < tests->item_count; i++)
        load_test(unit, form, &tests->items[i], &all[i]);
    *out = all;
    return tests->item_count;
}

/* ---- names that are given ---- */

static const char *all_of(struct arena *arena, const char *const *names, size_t count)
{
    struct buf all = BUF_EMPTY;
    for (size_t i = 0; i < count; i++)
        buf_printf(&all, "%s%s", i ? ", " : "", names[i]);
    const char *text = arena_dup(arena, buf_str(&all)).ptr;
    buf_free(&all);
    return text;
}

/* Which of the names the file has; -1 and reported: none. */
static int load_name(struct unit *unit, const struct form *form, const char *const *names, size_t count)
{
    struct arena *arena = unit->load->arena;
    struct str name;
    char write[NAMES_BYTES];
    snprintf(write, sizeof(write), "name = \"%s\"", names[0]);
    if (!require(unit, form->what, "name", write) || !key_string(unit, unit->file->value, "name", &name))
        return -1;
    for (size_t i = 0; i < count; i++)
        if (str_is(name, names[i]))
            return (int)i;
    unit_error(unit, key_line(unit->file->value, "name"), "%s: name \"%.*s\" is none of %s%s", form->what,
               STR_ARG(name), all_of(arena, names, count), did_you_mean(arena, name, names, count));
    return -1;
}

void load_policy(struct unit *unit)
{
    struct policy policy = {.present = true};
    check_keys(unit, unit->file->value, &policy_form.keys);
    int kind = load_name(unit, &policy_form, policy_names, POLICY_COUNT);
    load_function(unit, "policy", "decide", "decide = function(threat, context) return { … } end");
    policy.test_count = load_policy_tests(unit, &policy_form, &policy.tests);
    if (kind < 0 || unit->errors)
        return;
    policy.name = str_from(policy_names[kind]);
    policy.file = load_keep_file(unit->load, unit->file);
    policy.path = unit->load->set->files[policy.file].path;
    unit->load->set->policies[kind] = policy;
}

/* ---- agents ---- */

static void load_schema(struct unit *unit, struct agent *agent)
{
    const struct lval *schema = key_of_type(unit, unit->file->value, "schema", LVAL_TABLE);
    unsigned line = key_line(unit->file->value, "schema");
    const char *why = NULL;
    agent->schema = STR("");
    if (schema == NULL) {
        if (agent->has_prompt && lval_get(unit->file->value, "schema") == NULL)
            unit_error(
                unit, key_line(unit->file->value, "prompt"),
                "agent: prompt: \"schema\" is missing, which the model's answer must meet; write schema = "
                "{ type = \"object\", … }");
        return;
    }
    if (schema->kind != LVAL_PLAIN || schema->field_count == 0)
        unit_error(unit, line, "schema: expected a JSON Schema as a table, { type = \"object\", … }");
    else if (!json_of(unit->load->arena, schema, &agent->schema, &why))
        unit_error(unit, line, "schema: %s", why);
    else if (agent->schema.len > SCHEMA_MAX)
        unit_error(unit, line, "schema: more than 64 KiB as JSON");
}

static void load_limits(struct unit *unit, struct agent *agent)
{
    int64_t tokens = TOKENS;
    agent->timeout_ns = TIMEOUT;
    key_duration(unit, unit->file->value, "timeout", &agent->timeout_ns);
    if (agent->timeout_ns < TIMEOUT_MIN || agent->timeout_ns > TIMEOUT_MAX)
        unit_error(unit, key_line(unit->file->value, "timeout"),
                   "timeout: expected 1s to 120s; write timeout = \"20s\"");
    key_integer(unit, unit->file->value, "max_tokens", (const int64_t[2]){1, TOKENS_MAX}, &tokens);
    agent->max_tokens = (unsigned)tokens;
}

void load_agent(struct unit *unit)
{
    struct agent agent = {.present = true};
    check_keys(unit, unit->file->value, &agent_form.keys);
    int kind = load_name(unit, &agent_form, agent_names, AGENT_COUNT);
    agent.has_when = load_function(unit, "agent", "when", NULL);
    agent.has_gather = load_function(unit, "agent", "gather", NULL);
    agent.has_prompt = load_function(unit, "agent", "prompt", NULL);
    load_function(unit, "agent", "offline", "offline = function(threat, gathered) return { … } end");
    load_schema(unit, &agent);
    load_limits(unit, &agent);
    agent.test_count = load_policy_tests(unit, &agent_form, &agent.tests);
    if (kind < 0 || unit->errors)
        return;
    agent.name = str_from(agent_names[kind]);
    agent.file = load_keep_file(unit->load, unit->file);
    agent.path = unit->load->set->files[agent.file].path;
    unit->load->set->agents[kind] = agent;
}

/* ---- actions ---- */

static void load_target(struct unit *unit, struct action *action)
{
    const struct lval *table = unit->file->value;
    unsigned line = key_line(table, "target");
    if (!require(unit, "action", "target", "target = { \"source.ip\" }, the fields it can be about") ||
        !key_strings(unit, table, "target", &action->target, &action->target_count))
        return;
    if (action->target_count > TARGETS_MAX)
        unit_error(unit, line, "target: more than %d fields", TARGETS_MAX);
    for (size_t i = 0; i < action->target_count; i++) {
        struct str field = action->target[i];
        if (memchr(field.ptr, '|', field.len) || has_control(field))
            unit_error(unit, line, "target: \"%s\" is no field; write it like \"source.ip\"",
                       spelled(unit->load->arena, field));
        else
            warn_unknown_field(unit, line, "target", field);
    }
}

bool load_action(struct unit *unit, struct action *action)
{
    const struct lval *table = unit->file->value;
    *action = (struct action){.path = unit->file->from->path};
    check_keys(unit, table, &action_form.keys);
    if (require(unit, "action", "id", "id = \"block_ip\"") && key_string(unit, table, "id", &action->id))
        check_id(unit, key_line(table, "id"), "id", action->id);
    if (require(unit, "action", "title", "title = \"what the analyst reads\""))
        key_string(unit, table, "title", &action->title);
    load_target(unit, action);
    load_function(unit, "action", "dry_run",
                  "dry_run = function(action, threat) return { summary = \"…\" } end");
    action->test_count = load_policy_tests(unit, &action_form, &action->tests);
    if (unit->errors)
        return false;
    action->file = load_keep_file(unit->load, unit->file);
    action->path = unit->load->set->files[action->file].path;
    return true;
}
