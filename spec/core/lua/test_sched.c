/* Tasks that wait: generation-checked handles, undo, budgets; on a virtual clock, then on a loop. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/vec.h"
#include "loop/loop.h"
#include "lua/runtime.h"

#include <lua5.4/lua.h>
#include <lua5.4/lauxlib.h>

#include "lua/sched.h" /* this floor's own */

/* ---- timers on a virtual clock ---- */

struct virtual_timer {
    int64_t at;
    void (*fire)(void *arg);
    void *arg;
};
struct virtual_timers {
    int64_t now;
    VEC(struct virtual_timer *) waiting;
    unsigned started, cancelled;
};

static void *virtual_start(void *context, int64_t delay_ns, void (*fire)(void *arg), void *arg)
{
    struct virtual_timers *timers = context;
    struct virtual_timer *timer = mem_alloc(sizeof *timer);

    *timer = (struct virtual_timer){timers->now + delay_ns, fire, arg};
    vec_push(&timers->waiting, timer);
    timers->started++;
    return timer;
}

static void take(struct virtual_timers *timers, const struct virtual_timer *timer)
{
    for (size_t i = 0; i < timers->waiting.count; i++)
        if (timers->waiting.items[i] == timer)
            timers->waiting.items[i] = timers->waiting.items[--timers->waiting.count];
}

static void virtual_cancel(void *context, void *timer)
{
    struct virtual_timers *timers = context;

    take(timers, timer);
    free(timer);
    timers->cancelled++;
}

/* Fires what is due, in order of time. */
static void advance(struct virtual_timers *timers, int64_t to)
{
    for (;;) {
        struct virtual_timer *next = NULL, fired;

        for (size_t i = 0; i < timers->waiting.count; i++)
            if (timers->waiting.items[i]->at <= to && (!next || timers->waiting.items[i]->at < next->at))
                next = timers->waiting.items[i];
        if (!next)
            break;
        take(timers, next);
        fired = *next;
        free(next);
        timers->now = fired.at;
        fired.fire(fired.arg);
    }
    timers->now = to;
}

/* ---- fixture ---- */

struct fixture {
    struct virtual_timers virtual;
    struct lua_timers timers;
    struct lua_runtime *runtime;
    struct arena *arena;
    struct fields *fields;
    struct event *event;
    struct lua_task_options task;
    struct lua_task handle;
    unsigned done;
    struct lua_result result; /* of the last that ended */
    struct loop *loop;
    struct buf log;
};

static void done(void *context, const struct lua_result *result)
{
    struct fixture *f = context;

    f->done++;
    f->result = *result;
    if (f->loop)
        loop_stop(f->loop);
}

static void log_line(void *context, const char *level, struct str message)
{
    struct fixture *f = context;

    (void)level;
    buf_printf(&f->log, "%.*s;", STR_ARG(message));
}

static struct lua_host host = {.log = log_line};

static void open_runtime(struct fixture *f)
{
    struct lua_options options = {.role = LUA_AGENTS, .host = &host, .timers = &f->timers};
    struct value name = value_string(STR("ana"));

    host.context = f;
    f->runtime = lua_runtime_new(&options, NULL);
    f->arena = arena_new(0);
    f->fields = fields_new();
    fields_freeze(f->fields);
    f->event = event_make(f->arena, f->fields, 4);
    event_put(f->event, f->arena, FIELD_MESSAGE, &name);
    f->task.call = (struct lua_call){
        .returns = LUA_RETURNS_STRING, .arena = f->arena, .event = f->event, .budget_ns = 20 * NS_PER_MS};
    f->task.total_ns = NS_PER_S;
    f->task.done = done;
    f->task.context = f;
}

static int start(void **state)
{
    struct fixture *f = mem_zalloc(1, sizeof *f);

    f->timers = (struct lua_timers){&f->virtual, virtual_start, virtual_cancel};
    open_runtime(f);
    *state = f;
    return f->runtime ? 0 : -1;
}

static int stop(void **state)
{
    struct fixture *f = *state;

    lua_runtime_free(f->runtime);
    assert_int_equal(f->virtual.waiting.count, 0);
    fields_free(f->fields);
    arena_free(f->arena);
    vec_free(&f->virtual.waiting);
    buf_free(&f->log);
    free(f);
    return 0;
}

static int load(struct fixture *f, const char *body)
{
    struct buf text = BUF_EMPTY;
    struct lua_source source = {STR("rules/agents/x.lua"), {0}};
    struct err err = {0};
    int file;

    buf_printf(&text, "return { run = function(event) %s\nend }", body);
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

/* ---- stories ---- */

static void a_task_sleeps_and_goes_on_where_it_was(void **state)
{
    struct fixture *f = *state;

    begin(f, "local name = event.message\nsleep(1.5)\nlocal again = event.message\nsleep(2)\nreturn name .. "
             "again");
    assert_int_equal(f->done, 0);
    assert_int_equal(stats(f).waiting, 1);
    advance(&f->virtual, 1499 * NS_PER_MS);
    assert_int_equal(f->virtual.started, 1);
    advance(&f->virtual, 1500 * NS_PER_MS);
    assert_int_equal(f->virtual.started, 2);
    assert_int_equal(f->done, 0);
    advance(&f->virtual, 3500 * NS_PER_MS);
    assert_int_equal(f->done, 1);
    assert_int_equal(f->result.status, LUA_DONE);
    assert_true(str_is(f->result.text, "anaana"));
    assert_int_equal(stats(f).waiting, 0);
    assert_int_equal(stats(f).pooled, 1);
}

static void many_tasks_wait_at_once(void **state)
{
    struct fixture *f = *state;

    f->task.call.function = load(f, "for i = 1, 5 do sleep(i) end return 'x'");
    for (int i = 0; i < 200; i++)
        assert_int_equal(lua_task_start(f->runtime, &f->task, &f->handle, NULL), 0);
    assert_int_equal(stats(f).waiting, 200);
    advance(&f->virtual, 14 * NS_PER_S);
    assert_int_equal(f->done, 0);
    advance(&f->virtual, 15 * NS_PER_S);
    assert_int_equal(f->done, 200);
    for (int i = 0; i < 50; i++)
        lua_task_start(f->runtime, &f->task, &f->handle, NULL);
    assert_in_range(stats(f).reused, 50, 250);
    /* The fixture frees the state while 50 wait: each is undone. */
}

static void a_task_that_does_not_wait_is_done_at_once(void **state)
{
    struct fixture *f = *state;

    begin(f, "return 'now'");
    assert_int_equal(f->done, 1);
    assert_true(str_is(f->result.text, "now"));
    assert_false(lua_task_cancel(f->runtime, f->handle));
}

static void a_cancelled_task_undoes_its_wait_and_is_not_done(void **state)
{
    struct fixture *f = *state;

    begin(f, "local x <close> = setmetatable({}, { __close = function() while true do end end })\n"
             "sleep(10)\nlog.info('never')\nreturn 'x'");
    assert_true(lua_task_cancel(f->runtime, f->handle));
    assert_int_equal(f->virtual.cancelled, 1);
    assert_false(lua_task_cancel(f->runtime, f->handle));
    advance(&f->virtual, 20 * NS_PER_S);
    assert_int_equal(f->done, 0);
    assert_int_equal(f->log.len, 0);
    assert_int_equal(stats(f).dropped, 1);
}

static void a_task_that_fails_after_its_wait_says_why(void **state)
{
    struct fixture *f = *state;

    begin(f, "sleep(1) error('late')");
    advance(&f->virtual, NS_PER_S);
    assert_int_equal(f->result.status, LUA_FAILED);
    assert_non_null(strstr(f->result.error, "late"));
    assert_int_equal(stats(f).dropped, 1);
    begin(f, "sleep(1) return 5");
    advance(&f->virtual, 2 * NS_PER_S);
    assert_int_equal(f->result.status, LUA_WRONG_TYPE);
}

static void waiting_works_inside_of_protected_calls_and_loops_of_lua(void **state)
{
    struct fixture *f = *state;

    begin(f, "local ok, why = pcall(function() sleep(1) error('inside', 0) end)\n"
             "for _, n in ipairs { 1, 2 } do sleep(n) end\n"
             "local done = xpcall(sleep, print, 1)\n"
             "local t = setmetatable({}, { __index = function() sleep(1) return 'meta' end })\n"
             "return tostring(ok) .. why .. tostring(done) .. t.x");
    advance(&f->virtual, 6 * NS_PER_S);
    assert_int_equal(f->done, 1);
    assert_true(str_is(f->result.text, "falseinsidetruemeta"));
}

static void waiting_where_it_is_not_possible_raises(void **state)
{
    struct fixture *f = *state;
    struct lua_result result;

    begin(f, "table.sort({ 2, 1 }, function() sleep(1) end)");
    assert_non_null(strstr(f->result.error, "inside of sort"));
    begin(f, "sleep(-1)");
    assert_non_null(strstr(f->result.error, "0 to 3600"));
    begin(f, "sleep('x')");
    assert_non_null(strstr(f->result.error, "number expected"));
    f->task.call.function = load(f, "sleep(1)");
    lua_run(f->runtime, &f->task.call, &result); /* a plain callback, in whichever state */
    assert_int_equal(result.status, LUA_FAILED);
    assert_non_null(strstr(result.error, "a callback cannot"));
    assert_int_equal(f->virtual.started, 0);
}

static void each_resume_and_the_whole_have_a_budget(void **state)
{
    struct fixture *f = *state;

    begin(f, "sleep(1) while true do end");
    advance(&f->virtual, NS_PER_S);
    assert_int_equal(f->result.status, LUA_OVERRAN);

    /* 10 ms each, 50 ms together: the sixth is one too many. */
    f->task.total_ns = 50 * NS_PER_MS;
    begin(f, "for i = 1, 100 do for k = 1, 400000 do end log.info('round') sleep(1) end return 'x'");
    buf_clear(&f->log);
    advance(&f->virtual, 200 * NS_PER_S);
    assert_int_equal(f->done, 2);
    assert_int_equal(f->result.status, LUA_OVERRAN);
    assert_in_range(f->log.len, 3 * strlen("round;"), 12 * strlen("round;"));
}

/* ---- operations and handles by themselves ---- */

struct probe {
    struct lua_operation operation;
    struct lua_handle handle;
    unsigned cancelled;
};
static struct probe probe;

static void probe_cancel(struct lua_operation *operation)
{
    struct probe *p = (struct probe *)operation;

    p->cancelled++;
    lua_sched_drop(p->handle);
}

static int probe_wait(lua_State *L)
{
    lua_sched_may_wait(L, "probe");
    probe.operation.cancel = probe_cancel;
    probe.handle = lua_sched_hold(lua_sched_current(L));
    return lua_sched_wait(L, &probe.operation);
}

static int add_probe(lua_State *L)
{
    lua_sandbox_environment(L);
    lua_getmetatable(L, -1);
    lua_getfield(L, -1, "__index");
    lua_pushcfunction(L, probe_wait);
    lua_setfield(L, -2, "probe");
    return 0;
}

static int push_answer(lua_State *L, void *arg)
{
    lua_pushstring(L, arg);
    return 1;
}

static void a_completion_that_is_late_or_double_is_a_counted_no_op(void **state)
{
    struct fixture *f = *state;
    struct lua_handle first;
    char one[] = "one", two[] = "two";

    probe = (struct probe){0};
    lua_protected(f->runtime, add_probe, NULL, NULL);
    begin(f, "local a = probe() local b = probe() return a .. b");
    first = probe.handle;
    first.task->refs++; /* a second holder of the same wait */
    assert_true(lua_sched_resume_checked(first, push_answer, one));
    assert_int_equal(f->done, 0);
    assert_false(
        lua_sched_resume_checked(first, push_answer, two)); /* double: the task waits for something else */
    assert_int_equal(stats(f).stale, 1);
    probe.handle.task->refs++;
    first = probe.handle;
    assert_true(lua_sched_resume_checked(probe.handle, push_answer, two));
    assert_int_equal(f->done, 1);
    assert_true(str_is(f->result.text, "onetwo"));
    assert_false(lua_sched_resume_checked(first, push_answer, two)); /* late: the task has ended */
    assert_int_equal(stats(f).stale, 2);
}

static void a_handle_outlives_task_and_state(void **state)
{
    struct fixture *f = *state;
    struct lua_handle late, later;

    probe = (struct probe){0};
    lua_protected(f->runtime, add_probe, NULL, NULL);
    begin(f, "probe() return 'x'");
    late = probe.handle;
    late.task->refs++;
    assert_true(lua_task_cancel(f->runtime, f->handle));
    assert_int_equal(probe.cancelled, 1);
    assert_int_equal(stats(f).lingering, 1);
    assert_false(lua_sched_resume_checked(late, NULL, NULL));
    assert_int_equal(stats(f).lingering, 0);

    begin(f, "probe() return 'x'");
    later = probe.handle;
    later.task->refs++;
    lua_runtime_free(f->runtime);
    assert_int_equal(probe.cancelled, 2);
    assert_false(lua_sched_resume_checked(later, NULL, NULL));
    f->runtime = NULL;
}

static void sleep_works_on_the_timers_of_a_loop(void **state)
{
    struct fixture *f = mem_zalloc(1, sizeof *f);
    struct loop *loop;

    loop_init();
    loop = f->loop = loop_new();
    f->timers = lua_timers_loop(loop);
    open_runtime(f);
    begin(f, "sleep(0.01) sleep(0) return 'woken'");
    assert_int_equal(f->done, 0);
    loop_run(loop);
    assert_int_equal(f->done, 1);
    assert_true(str_is(f->result.text, "woken"));
    begin(f, "sleep(3600) return 'x'");
    *state = f;
    stop(state); /* undoes the last one */
    loop_free(loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_task_sleeps_and_goes_on_where_it_was, start, stop),
        cmocka_unit_test_setup_teardown(many_tasks_wait_at_once, start, stop),
        cmocka_unit_test_setup_teardown(a_task_that_does_not_wait_is_done_at_once, start, stop),
        cmocka_unit_test_setup_teardown(a_cancelled_task_undoes_its_wait_and_is_not_done, start, stop),
        cmocka_unit_test_setup_teardown(a_task_that_fails_after_its_wait_says_why, start, stop),
        cmocka_unit_test_setup_teardown(waiting_works_inside_of_protected_calls_and_loops_of_lua, start,
                                        stop),
        cmocka_unit_test_setup_teardown(waiting_where_it_is_not_possible_raises, start, stop),
        cmocka_unit_test_setup_teardown(each_resume_and_the_whole_have_a_budget, start, stop),
        cmocka_unit_test_setup_teardown(a_completion_that_is_late_or_double_is_a_counted_no_op, start, stop),
        cmocka_unit_test_setup_teardown(a_handle_outlives_task_and_state, start, stop),
        cmocka_unit_test(sleep_works_on_the_timers_of_a_loop),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
