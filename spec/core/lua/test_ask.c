/* What agents ask the host for: threats.similar, threats.notes, observations.list. The host here answers when
 * the test says so. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/vec.h"
#include "lua/runtime.h"

#include <lua5.4/lua.h>
#include <lua5.4/lauxlib.h>

#include "lua/sched.h" /* this floor's own */

struct question {
    const char *what;
    struct buf args;
    void (*answer)(void *arg, struct str json, const struct err *err);
    void *arg;
};

struct fixture {
    VEC(struct question *) open;
    unsigned asked, cancelled;
    bool refuses;
    struct lua_runtime *runtime;
    struct arena *arena;
    struct lua_task_options task;
    struct lua_task handle;
    struct str args[1];
    unsigned done;
    struct lua_result result; /* of the last that ended */
};

/* ---- the host ---- */

static void *ask(void *context, const char *what, struct str args,
                 void (*answer)(void *arg, struct str json, const struct err *err), void *arg)
{
    struct fixture *f = context;
    struct question *question;

    f->asked++;
    if (f->refuses)
        return NULL;
    question = mem_zalloc(1, sizeof *question);
    question->what = what;
    question->answer = answer;
    question->arg = arg;
    buf_put(&question->args, args);
    vec_push(&f->open, question);
    return question;
}

static void forget(struct fixture *f, struct question *question)
{
    size_t kept = 0;

    for (size_t i = 0; i < f->open.count; i++)
        if (f->open.items[i] != question)
            f->open.items[kept++] = f->open.items[i];
    f->open.count = kept;
    buf_free(&question->args);
    free(question);
}

static void ask_cancel(void *context, void *asked)
{
    struct fixture *f = context;

    f->cancelled++;
    forget(f, asked);
}

/* Answers the oldest question. */
static void answer(struct fixture *f, const char *json, const char *error)
{
    struct question *question = f->open.items[0], copy = *question;
    char *text = mem_dup(json, strlen(json)); /* borrowed during the call only */
    struct err err = {0};

    if (error)
        err_set(&err, ERR_TIMEOUT, "%s", error);
    forget(f, question);
    copy.answer(copy.arg, (struct str){text, strlen(json)}, error ? &err : NULL);
    free(text);
}

/* ---- fixture ---- */

static void done(void *context, const struct lua_result *result)
{
    struct fixture *f = context;

    f->done++;
    f->result = *result;
}

static struct lua_host host = {.clock = &clock_real, .ask = ask, .ask_cancel = ask_cancel};

static void open_runtime(struct fixture *f, unsigned gc_stress)
{
    struct lua_options options = {.role = LUA_AGENTS, .host = &host, .gc_stress = gc_stress};

    host.context = f;
    f->runtime = lua_runtime_new(&options, NULL);
    assert_non_null(f->runtime);
}

static int start(void **state)
{
    struct fixture *f = mem_zalloc(1, sizeof *f);

    open_runtime(f, 0);
    f->arena = arena_new(0);
    f->args[0] = STR("{\"id\":\"T1\",\"rule\":{\"id\":\"r\"},\"entities\":[\"user.name:ana\"]}");
    f->task = (struct lua_task_options){.total_ns = NS_PER_S, .done = done, .context = f};
    f->task.call = (struct lua_call){.returns = LUA_RETURNS_JSON,
                                     .arena = f->arena,
                                     .json = f->args,
                                     .json_count = 1,
                                     .budget_ns = 20 * NS_PER_MS};
    *state = f;
    return 0;
}

static int stop(void **state)
{
    struct fixture *f = *state;

    lua_runtime_free(f->runtime);
    assert_int_equal(f->open.count, 0);
    vec_free(&f->open);
    arena_free(f->arena);
    free(f);
    return 0;
}

static int load(struct fixture *f, const char *body)
{
    struct buf text = BUF_EMPTY;
    struct lua_source source = {STR("rules/agents/x.lua"), {0}};
    struct err err = {0};
    int file;

    buf_printf(&text, "return { run = function(threat) %s\nend }", body);
    source.text = buf_str(&text);
    file = lua_load_file(f->runtime, &source, NULL, NULL, &err);
    if (file < 0)
        fail_msg("%s", err_text(&err));
    buf_free(&text);
    return lua_find(f->runtime, file, "run");
}

static void begin(struct fixture *f, const char *body)
{
    f->task.call.function = load(f, body);
    assert_int_equal(lua_task_start(f->runtime, &f->task, &f->handle, NULL), 0);
}

static struct lua_sched_stats stats(const struct fixture *f)
{
    return lua_sched_stats(f->runtime->scheduler);
}

static void returned(const struct fixture *f, const char *json)
{
    if (f->done == 0 || f->result.status != LUA_DONE || !str_is(f->result.text, json))
        fail_msg("%u %s %s %.*s", f->done, lua_status_name(f->result.status), f->result.error,
                 STR_ARG(f->result.text));
}

static void failed(const struct fixture *f, const char *message)
{
    if (f->done == 0 || f->result.status != LUA_FAILED || !strstr(f->result.error, message))
        fail_msg("%u %s <%s> instead of <%s>", f->done, lua_status_name(f->result.status), f->result.error,
                 message);
}

/* ---- stories ---- */

static void an_agent_asks_waits_and_gets_a_table(void **state)
{
    struct fixture *f = *state;

    begin(f, "local similar = threats.similar(threat, { limit = 5 })\n"
             "similar.more = true\n"
             "return { similar = similar }");
    assert_int_equal(f->done, 0);
    assert_int_equal(f->open.count, 1);
    assert_string_equal(f->open.items[0]->what, "threats.similar");
    assert_string_equal(f->open.items[0]->args.ptr,
                        "[{\"entities\":[\"user.name:ana\"],\"id\":\"T1\",\"rule\":{\"id\":\"r\"}},"
                        "{\"limit\":5}]");
    answer(f, "{\"total\":1,\"threats\":[{\"id\":\"T0\"}]}", NULL);
    returned(f, "{\"similar\":{\"more\":true,\"threats\":[{\"id\":\"T0\"}],\"total\":1}}");
    assert_int_equal(stats(f).pooled, 1);
}

static void each_question_has_its_name_and_arguments(void **state)
{
    static const struct {
        const char *body, *what, *args;
    } cases[] = {
        {"return threats.similar({})", "threats.similar", "[{}]"},
        {"return threats.similar({}, nil, 7)", "threats.similar", "[{}]"},
        {"return threats.notes({ id = 'x' }, { limit = 1 })", "threats.notes",
         "[{\"id\":\"x\"},{\"limit\":1}]"},
        {"return observations.list { kind = 'change', since = 3600 }", "observations.list",
         "[{\"kind\":\"change\",\"since\":3600}]"},
        {"return observations.list()", "observations.list", "[]"},
    };
    struct fixture *f = *state;

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        begin(f, cases[i].body);
        assert_int_equal(f->open.count, 1);
        assert_string_equal(f->open.items[0]->what, cases[i].what);
        assert_string_equal(f->open.items[0]->args.ptr, cases[i].args);
        answer(f, "[]", NULL);
        returned(f, "{}");
    }
}

static void an_error_is_raised_where_the_agent_waits(void **state)
{
    struct fixture *f = *state;

    begin(f, "local ok, why = pcall(threats.notes, threat) return { ok, why }");
    answer(f, "", "the store is busy");
    returned(f, "[false,\"threats.notes: the store is busy\"]");
    begin(f, "return threats.notes(threat)");
    answer(f, "", "the store is busy");
    failed(f, "rules/agents/x.lua:1: threats.notes: the store is busy");
    begin(f, "return threats.notes(threat)");
    answer(f, "{ not json", NULL);
    assert_int_equal(f->result.status, LUA_FAILED);
}

static void an_answer_may_be_nothing(void **state)
{
    struct fixture *f = *state;

    begin(f, "return { threats.similar(threat) == nil }");
    answer(f, "", NULL);
    returned(f, "[true]");
    begin(f, "return { threats.similar(threat) == nil }");
    answer(f, "null", NULL);
    returned(f, "[true]");
}

static void one_question_after_the_other(void **state)
{
    struct fixture *f = *state;

    begin(f, "local all = {}\n"
             "for i = 1, 3 do all[i] = threats.similar({ n = i }).n end\n"
             "all[4] = observations.list({ kind = 'news' }).n\n"
             "return all");
    for (int i = 1; i <= 4; i++) {
        char json[32];

        assert_int_equal(f->done, 0);
        snprintf(json, sizeof json, "{\"n\":%d}", i * 10);
        answer(f, json, NULL);
    }
    returned(f, "[10,20,30,40]");
}

static void many_agents_wait_at_once(void **state)
{
    struct fixture *f = *state;

    f->task.call.function = load(f, "threats.similar(threat) threats.notes(threat) return 1");
    for (int i = 0; i < 100; i++)
        assert_int_equal(lua_task_start(f->runtime, &f->task, &f->handle, NULL), 0);
    assert_int_equal(f->open.count, 100);
    for (int i = 0; i < 150; i++)
        answer(f, "{}", NULL);
    assert_int_equal(f->asked, 200);
    assert_int_equal(f->done, 50);
    assert_int_equal(stats(f).waiting, 50);
    /* The fixture frees the state while the rest waits: each question is cancelled. */
}

static void wrong_arguments_raise_before_anything_is_asked(void **state)
{
    static const struct {
        const char *body, *message;
    } cases[] = {
        {"threats.similar()", "table expected"},
        {"threats.similar('T1')", "table expected"},
        {"threats.similar({}, 5)", "table expected"},
        {"threats.notes(json.null)", "table expected"},
        {"observations.list('change')", "table expected"},
        {"threats.similar({}, { f = print })", "threats.similar: argument 2: f: a function has no JSON form"},
        {"local t = {} t.t = t threats.similar(t)", "threats.similar: argument 1: t.t.t"},
        {"threats.notes({ ('x'):rep(300000) })", "threats.notes: argument 1: [1]: a text of 300000 bytes"},
        {"threats.simlar({})", "threats has no \"simlar\"; did you mean threats.similar?"},
        {"threats.similar = nil", "read-only"},
        {"table.sort({ 2, 1 }, function() threats.similar({}) end)", "inside of sort"},
    };
    struct fixture *f = *state;

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        begin(f, cases[i].body);
        failed(f, cases[i].message);
    }
    assert_int_equal(f->asked, 0);
}

static void a_question_that_is_refused_raises(void **state)
{
    struct fixture *f = *state;

    f->refuses = true;
    begin(f, "return { pcall(threats.similar, threat) }");
    returned(f, "[false,\"threats.similar: cannot be asked now\"]");
    f->refuses = false;
    host.ask = NULL;
    begin(f, "return threats.similar(threat)");
    host.ask = ask;
    failed(f, "nobody answers here");
    assert_int_equal(stats(f).lingering, 0);
}

static void a_cancelled_agent_cancels_its_question(void **state)
{
    struct fixture *f = *state;

    begin(f, "pcall(threats.similar, threat) return 1");
    assert_true(lua_task_cancel(f->runtime, f->handle));
    assert_int_equal(f->cancelled, 1);
    assert_int_equal(f->open.count, 0);
    assert_int_equal(f->done, 0);
    assert_false(lua_task_cancel(f->runtime, f->handle));
    assert_int_equal(stats(f).waiting + stats(f).lingering, 0);
}

/* The first agent's coroutine serves the second; the first handle must not reach it. */
static void a_stale_handle_does_not_end_the_next_agent(void **state)
{
    struct fixture *f = *state;
    struct lua_task first;

    begin(f, "threats.similar(threat) return 'one'");
    first = f->handle;
    answer(f, "{}", NULL);
    returned(f, "\"one\"");
    begin(f, "threats.similar(threat) return 'two'");
    assert_ptr_equal(first.task, f->handle.task);
    assert_false(lua_task_cancel(f->runtime, first));
    answer(f, "{}", NULL);
    returned(f, "\"two\"");
    assert_int_equal(f->done, 2);
}

static void an_agent_that_overruns_after_its_answer_is_ended(void **state)
{
    struct fixture *f = *state;

    begin(f, "threats.similar(threat) while true do end");
    answer(f, "{}", NULL);
    assert_int_equal(f->result.status, LUA_OVERRAN);
    assert_int_equal(f->cancelled, 0);
}

/* The budget of the resume ends within the conversion of the answer. */
static void an_answer_may_be_too_much_for_the_budget(void **state)
{
    struct fixture *f = *state;
    struct buf text = BUF_EMPTY;

    buf_puts(&text, "[0");
    for (int i = 0; i < 20000; i++)
        buf_puts(&text, ",[{}]");
    buf_puts(&text, "]");
    f->task.call.budget_ns = 200000;
    begin(f, "pcall(threats.similar, threat) return 1");
    answer(f, text.ptr, NULL);
    assert_int_equal(f->result.status, LUA_OVERRAN);
    f->task.call.budget_ns = 20 * NS_PER_MS;
    begin(f, "return #threats.similar(threat)");
    answer(f, text.ptr, NULL);
    returned(f, "20001");
    buf_free(&text);
}

static void asking_survives_a_collection_at_each_allocation(void **state)
{
    struct fixture *f = *state;

    lua_runtime_free(f->runtime);
    open_runtime(f, 1);
    begin(f, "local a = threats.similar(threat, { limit = 2 })\n"
             "local ok, why = pcall(threats.notes, threat)\n"
             "return { a, why, threat.id }");
    answer(f, "[{\"id\":\"T0\",\"notes\":[\"x\",\"y\"]}]", NULL);
    answer(f, "", "gone");
    returned(f, "[[{\"id\":\"T0\",\"notes\":[\"x\",\"y\"]}],\"threats.notes: gone\",\"T1\"]");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)
    const struct CMUnitTest tests[] = {
        TEST(an_agent_asks_waits_and_gets_a_table),
        TEST(each_question_has_its_name_and_arguments),
        TEST(an_error_is_raised_where_the_agent_waits),
        TEST(an_answer_may_be_nothing),
        TEST(one_question_after_the_other),
        TEST(many_agents_wait_at_once),
        TEST(wrong_arguments_raise_before_anything_is_asked),
        TEST(a_question_that_is_refused_raises),
        TEST(a_cancelled_agent_cancels_its_question),
        TEST(a_stale_handle_does_not_end_the_next_agent),
        TEST(an_agent_that_overruns_after_its_answer_is_ended),
        TEST(an_answer_may_be_too_much_for_the_budget),
        TEST(asking_survives_a_collection_at_each_allocation),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
