/* Agents in a state: when, gather with its waiting, prompt and offline. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>

#include "core/rules/ruleset.h"
#include "rules/agents.h"

#define T        "tests = { { 't', threat = {}, expect = {} } },\n"
#define AGENT(n) "return agent { name = '" n "', schema = { type = 'object' }, " T
#define OFFLINE  "offline = function(threat, gathered) return { threat = threat.id, got = gathered.x } end,\n"

static const struct text_file files[] = {
    {"rules/historical.lua", AGENT("historical") OFFLINE
     "when = function(threat) return threat.id ~= 'no' end,\n"
     "gather = function(threat) return { similar = threats.similar(threat, { limit "
     "= 5 }) } end,\n"
     "prompt = function(threat, gathered) return { system = 'You judge.', user = "
     "threat.id .. gathered.x } end }"},
    {"rules/config.lua", AGENT("config") OFFLINE "}"},
    {"rules/devops.lua",
     AGENT("devops") "offline = function() return { 1, 2 } end, when = function() return 'yes' end,\n"
                     "gather = function(threat) return threat.answer end,\n"
                     "prompt = function(threat) return { system = 'x', user = threat.user } end }"},
    {"rules/context.lua", AGENT("context") OFFLINE "gather = function() error('no news') end }"},
};

struct bench {
    struct ruleset *set;
    struct agents *agents;
    struct arena *arena;
    char reason[POLICY_REASON];
    /* what was asked, and what waits */
    char asked[256];
    void (*answer)(void *arg, struct str json, const struct err *err);
    void *arg;
    int cancelled;
    /* what came */
    int done;
    char json[256], failure[POLICY_REASON];
};

static void *on_ask(void *host, const char *what, struct str args_json,
                    void (*answer)(void *arg, struct str json, const struct err *err), void *arg)
{
    struct bench *b = host;
    snprintf(b->asked, sizeof(b->asked), "%s %.*s", what, STR_ARG(args_json));
    b->answer = answer;
    b->arg = arg;
    return b;
}

static void on_cancel(void *host, void *asked)
{
    struct bench *b = host;
    assert_ptr_equal(asked, b);
    b->cancelled++;
    b->answer = NULL;
}

static void on_done(void *context, struct str json, const char *reason)
{
    struct bench *b = context;
    b->done++;
    snprintf(b->json, sizeof(b->json), "%.*s", STR_ARG(json));
    snprintf(b->failure, sizeof(b->failure), "%s", reason ? reason : "");
}

static int setup(void **state)
{
    struct bench *b = calloc(1, sizeof(*b));
    struct report report = {0};
    struct err err = {0};
    char text[2048];
    b->set = load_texts(files, sizeof(files) / sizeof(files[0]), &report);
    report_text(&report, text, sizeof(text));
    assert_string_equal(text, "");
    report_free(&report);
    b->arena = arena_new(0);
    struct agents_options options = {
        .set = b->set, .clock = &clock_real, .host = b, .ask = on_ask, .ask_cancel = on_cancel};
    b->agents = agents_new(&options, &err);
    if (b->agents == NULL)
        fail_msg("%s", err_text(&err));
    *state = b;
    return 0;
}

static int teardown(void **state)
{
    struct bench *b = *state;
    agents_free(b->agents);
    ruleset_unref(b->set);
    arena_free(b->arena);
    free(b);
    return 0;
}

static struct agent_call call_of(struct bench *b, enum agent_kind kind, const char *threat)
{
    return (struct agent_call){kind, str_from(threat), STR("{\"x\":\"seen\"}"), b->arena};
}

static struct lua_task start(struct bench *b, enum agent_kind kind, const char *threat)
{
    struct agent_gather gather = {kind, str_from(threat), b->arena, on_done, b};
    struct lua_task task;
    struct err err = {0};
    assert_int_equal(agents_gather_start(b->agents, &gather, &task, &err), 0);
    return task;
}

static void an_agent_says_when_it_is_wanted(void **state)
{
    struct bench *b = *state;
    bool wanted = false;
    struct agent_call call = call_of(b, AGENT_HISTORICAL, "{\"id\":\"no\"}");
    assert_int_equal(agents_when(b->agents, &call, &wanted, b->reason), 0);
    assert_false(wanted);
    call = call_of(b, AGENT_HISTORICAL, "{\"id\":\"7\"}");
    assert_true(agents_when(b->agents, &call, &wanted, b->reason) == 0 && wanted);
    call = call_of(b, AGENT_CONFIG, "{}");
    wanted = false;
    assert_true(agents_when(b->agents, &call, &wanted, b->reason) == 0 && wanted);
    call = call_of(b, AGENT_DEVOPS, "{}");
    assert_int_equal(agents_when(b->agents, &call, &wanted, b->reason), -1);
    assert_non_null(strstr(b->reason, "when failed: "));
    call = call_of(b, AGENT_PRIORITY, "{}");
    assert_int_equal(agents_when(b->agents, &call, &wanted, b->reason), -1);
    assert_string_equal(b->reason, "there is no such agent");
}

static void what_is_gathered_may_take_its_time(void **state)
{
    struct bench *b = *state;
    struct lua_task task = start(b, AGENT_HISTORICAL, "{\"id\":\"7\"}");
    assert_string_equal(b->asked, "threats.similar [{\"id\":\"7\"},{\"limit\":5}]");
    assert_int_equal(b->done, 0);
    b->answer(b->arg, STR("[{\"id\":\"6\"}]"), NULL);
    assert_int_equal(b->done, 1);
    assert_string_equal(b->json, "{\"similar\":[{\"id\":\"6\"}]}");
    assert_string_equal(b->failure, "");
    assert_false(agents_gather_cancel(b->agents, task));
    agents_idle(b->agents);
}

static void a_question_that_fails_fails_the_gathering(void **state)
{
    struct bench *b = *state;
    struct err err = {0};
    err_set(&err, ERR_BUSY, "the store is busy");
    start(b, AGENT_HISTORICAL, "{}");
    b->answer(b->arg, STR(""), &err);
    assert_int_equal(b->done, 1);
    assert_string_equal(b->json, "{}");
    assert_non_null(strstr(b->failure, "the store is busy"));
}

static void a_gathering_is_cancelled(void **state)
{
    struct bench *b = *state;
    struct lua_task task = start(b, AGENT_HISTORICAL, "{}");
    assert_true(agents_gather_cancel(b->agents, task));
    assert_int_equal(b->cancelled, 1);
    assert_false(agents_gather_cancel(b->agents, task));
    start(b, AGENT_HISTORICAL, "{}");
    agents_free(b->agents);
    b->agents = NULL;
    assert_int_equal(b->cancelled, 2);
    assert_int_equal(b->done, 0);
}

static void what_needs_no_waiting_is_done_at_once(void **state)
{
    struct bench *b = *state;
    static const struct {
        enum agent_kind kind;
        const char *threat, *json, *failure;
    } cases[] = {
        {AGENT_CONFIG, "{}", "{}", ""},
        {AGENT_DEVOPS, "{}", "{}", ""},
        {AGENT_DEVOPS, "{\"answer\":{\"a\":1}}", "{\"a\":1}", ""},
        {AGENT_DEVOPS, "{\"answer\":[1]}", "{}", "gather gave a list instead of a table of names"},
        {AGENT_DEVOPS, "{\"answer\":\"x\"}", "{}", "gather gave \"x\" instead of a table"},
        {AGENT_CONTEXT, "{}", "{}", "no news"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct lua_task task = start(b, cases[i].kind, cases[i].threat);
        assert_int_equal(b->done, i + 1);
        assert_string_equal(b->json, cases[i].json);
        assert_non_null(strstr(b->failure, cases[i].failure));
        assert_false(agents_gather_cancel(b->agents, task));
    }
    struct agent_gather absent = {AGENT_PRIORITY, STR("{}"), b->arena, on_done, b};
    struct lua_task task;
    assert_int_equal(agents_gather_start(b->agents, &absent, &task, NULL), -1);
}

static void a_prompt_is_two_texts(void **state)
{
    struct bench *b = *state;
    struct str json;
    struct agent_call call = call_of(b, AGENT_HISTORICAL, "{\"id\":\"7\"}");
    assert_int_equal(agents_prompt(b->agents, &call, &json, b->reason), 0);
    assert_true(str_is(json, "{\"system\":\"You judge.\",\"user\":\"7seen\"}"));
    static const char *const bad[] = {"{}", "{\"user\":\"\"}", "{\"user\":1}"};
    for (size_t i = 0; i < 3; i++) {
        call = call_of(b, AGENT_DEVOPS, bad[i]);
        assert_int_equal(agents_prompt(b->agents, &call, &json, b->reason), -1);
        assert_non_null(strstr(b->reason, "two texts"));
    }
    call = call_of(b, AGENT_CONFIG, "{}");
    assert_int_equal(agents_prompt(b->agents, &call, &json, b->reason), -1);
    assert_string_equal(b->reason, "the agent has no prompt");
}

static void an_offline_finding_is_an_object(void **state)
{
    struct bench *b = *state;
    struct str json;
    struct agent_call call = call_of(b, AGENT_CONFIG, "{\"id\":\"7\"}");
    assert_int_equal(agents_offline(b->agents, &call, &json, b->reason), 0);
    assert_true(str_is(json, "{\"got\":\"seen\",\"threat\":\"7\"}"));
    call = call_of(b, AGENT_DEVOPS, "{}");
    assert_int_equal(agents_offline(b->agents, &call, &json, b->reason), -1);
    assert_string_equal(b->reason, "offline gave a list instead of a table of names");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(an_agent_says_when_it_is_wanted),           TEST(what_is_gathered_may_take_its_time),
        TEST(a_question_that_fails_fails_the_gathering), TEST(a_gathering_is_cancelled),
        TEST(what_needs_no_waiting_is_done_at_once),     TEST(a_prompt_is_two_texts),
        TEST(an_offline_finding_is_an_object),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
