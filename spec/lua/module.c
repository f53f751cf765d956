/* require "lunette" for busted: the real core as a Lua module, so that specs run what the server runs. Built
 * by spec/CMakeLists.txt as lunette.so.
 *
 *   lunette.check(rules, plugins)        -> { ok, rules, sources, problems = { { level, where, message } … }
 * } lunette.test(rules, plugins, only)   -> { passed, failed, tests = { { rule, test, passed, message, line }
 * … } } lunette.engine(rules, plugins)       -> engine, or nil and what is wrong engine:feed(ndjson [,
 * source])       -> { accepted, rejected, errors = { … } }, or nil and what is wrong engine:threats() ->
 * threats by anchor, each as GET /api/threats/{id} gives it engine:ledger()                      -> as GET
 * /api/ledger lunette.version                      -> "0.1.0"
 *
 * One thread; an engine is closed with its garbage or by engine:close(). */
#include <lauxlib.h>
#include <lua.h>

#include "base/json.h"
#include "base/json_tape.h"
#include "pipeline/engine.h"
#include "pipeline/testrun.h"
#include "rules/loader.h"

#define ENGINE "lunette.engine"

int luaopen_lunette(lua_State *L);

/* ---- JSON to Lua ---- */

static void push_json(lua_State *L, const struct json *json)
{
    struct str text, key;
    int64_t integer;
    double real;
    bool truth;
    void *at = NULL;
    const struct json *value;
    luaL_checkstack(L, 3, "too deep");
    if (json_as_str(json, &text)) {
        lua_pushlstring(L, text.ptr, text.len);
    } else if (json_as_int(json, &integer)) {
        lua_pushinteger(L, integer);
    } else if (json_as_double(json, &real)) {
        lua_pushnumber(L, real);
    } else if (json_as_bool(json, &truth)) {
        lua_pushboolean(L, truth);
    } else if (json_kind(json) == JSON_KIND_ARRAY) {
        lua_createtable(L, (int)json_count(json), 0);
        for (size_t i = 0; i < json_count(json); i++) {
            push_json(L, json_item(json, i));
            lua_rawseti(L, -2, (lua_Integer)i + 1);
        }
    } else if (json_kind(json) == JSON_KIND_OBJECT) {
        lua_newtable(L);
        while (json_next(json, &at, &key, &value)) {
            lua_pushlstring(L, key.ptr, key.len);
            push_json(L, value);
            lua_rawset(L, -3);
        }
    } else {
        lua_pushnil(L);
    }
}

static int push_text(lua_State *L, struct str text)
{
    struct json_limits limits = {.size = 64u << 20, .depth = 64};
    struct err err = {0};
    struct json *json = json_parse(text, &limits, &err);
    if (json == NULL)
        return luaL_error(L, "the core wrote what is not JSON: %s", err_text(&err));
    push_json(L, json);
    json_free(json);
    return 1;
}

/* ---- rules ---- */

static struct ruleset *load(lua_State *L, struct report *report)
{
    const char *rules = luaL_checkstring(L, 1), *plugins = luaL_optstring(L, 2, "plugins");
    struct err err = {0};
    struct tree *tree = tree_read(rules, plugins, &err);
    if (tree == NULL) {
        report_add(report, PROBLEM_ERROR, err.where, "%s", err.message);
        return NULL;
    }
    struct ruleset *set = ruleset_load(tree, NULL, 0, report);
    tree_free(tree);
    return set;
}

static int check(lua_State *L)
{
    struct report report = {0};
    struct buf out = BUF_EMPTY;
    struct ruleset *set = load(L, &report);
    buf_putc(&out, '{');
    buf_json_kbool(&out, "ok", set != NULL);
    buf_json_kuint(&out, "rules", set ? set->rule_count : 0);
    buf_json_kuint(&out, "sources", set ? set->source_count : 0);
    buf_json_key(&out, "problems");
    report_json(&report, &out);
    buf_putc(&out, '}');
    ruleset_unref(set);
    report_free(&report);
    push_text(L, buf_str(&out));
    buf_free(&out);
    return 1;
}

static int refuse(lua_State *L, struct report *report)
{
    lua_pushnil(L);
    lua_pushfstring(L, "%s: %s", report->problems.items[0].where, report->problems.items[0].message);
    report_free(report);
    return 2;
}

static int test(lua_State *L)
{
    struct report report = {0};
    struct test_results results = {0};
    struct ruleset *set = load(L, &report);
    if (set == NULL)
        return refuse(L, &report);
    report_free(&report);
    testrun(set, str_from(luaL_optstring(L, 3, "")), 0, &results);
    lua_newtable(L);
    lua_pushinteger(L, (lua_Integer)results.passed);
    lua_setfield(L, -2, "passed");
    lua_pushinteger(L, (lua_Integer)results.failed);
    lua_setfield(L, -2, "failed");
    lua_newtable(L);
    for (size_t i = 0; i < results.results.count; i++) {
        const struct test_result *r = &results.results.items[i];
        lua_newtable(L);
        lua_pushlstring(L, r->rule.ptr, r->rule.len);
        lua_setfield(L, -2, "rule");
        lua_pushlstring(L, r->test.ptr, r->test.len);
        lua_setfield(L, -2, "test");
        lua_pushboolean(L, r->outcome == TEST_PASSED);
        lua_setfield(L, -2, "passed");
        lua_pushstring(L, r->message);
        lua_setfield(L, -2, "message");
        lua_pushinteger(L, r->line);
        lua_setfield(L, -2, "line");
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
    lua_setfield(L, -2, "tests");
    test_results_free(&results);
    ruleset_unref(set);
    return 1;
}

/* ---- engine ---- */

struct handle {
    struct ruleset *set;
    struct engine *engine;
    uint64_t batches;
};

static struct handle *handle_at(lua_State *L)
{
    struct handle *handle = luaL_checkudata(L, 1, ENGINE);
    if (handle->engine == NULL)
        luaL_error(L, "the engine is closed");
    return handle;
}

static int engine_open(lua_State *L)
{
    struct report report = {0};
    struct err err = {0};
    struct ruleset *set = load(L, &report);
    if (set == NULL)
        return refuse(L, &report);
    report_free(&report);
    struct engine_options options = {.set = set, .clock = &clock_real, .state_max = 256u << 20};
    struct engine *engine = engine_new(&options, &err);
    if (engine == NULL) {
        ruleset_unref(set);
        lua_pushnil(L);
        lua_pushstring(L, err_text(&err));
        return 2;
    }
    struct handle *handle = lua_newuserdatauv(L, sizeof(*handle), 0);
    *handle = (struct handle){set, engine, 0};
    luaL_setmetatable(L, ENGINE);
    return 1;
}

static int engine_close(lua_State *L)
{
    struct handle *handle = luaL_checkudata(L, 1, ENGINE);
    engine_free(handle->engine);
    ruleset_unref(handle->set);
    *handle = (struct handle){0};
    return 0;
}

static void push_receipt(lua_State *L, const struct batch *batch)
{
    lua_newtable(L);
    lua_pushinteger(L, batch->event_count);
    lua_setfield(L, -2, "accepted");
    lua_pushinteger(L, (lua_Integer)batch->rejects.count);
    lua_setfield(L, -2, "rejected");
    lua_newtable(L);
    for (size_t i = 0; i < batch->rejects.count; i++) {
        lua_pushlstring(L, batch->rejects.items[i].error.ptr, batch->rejects.items[i].error.len);
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
    lua_setfield(L, -2, "errors");
}

static int feed(lua_State *L)
{
    struct handle *handle = handle_at(L);
    struct err err = {0};
    struct str text;
    text.ptr = luaL_checklstring(L, 2, &text.len);
    struct batch *batch = batch_new(handle->set);
    buf_put(&batch->body, text);
    memset(buf_reserve(&batch->body, JSON_TAPE_PADDING), 0, JSON_TAPE_PADDING);
    batch->format = JOURNAL_NDJSON;
    batch->source_name = str_from(luaL_optstring(L, 3, ""));
    batch->accepted_ns = clock_now(&clock_real);
    handle->batches++;
    memcpy(batch->id_base.bytes, &handle->batches, sizeof(handle->batches));
    int rc = engine_feed(handle->engine, batch, &err);
    if (rc == 0) {
        push_receipt(L, batch);
    } else {
        lua_pushnil(L);
        lua_pushstring(L, err_text(&err));
    }
    batch_unref(batch);
    return rc == 0 ? 1 : 2;
}

static int threats(lua_State *L)
{
    struct handle *handle = handle_at(L);
    VEC(struct threat *) all = {0};
    struct buf out = BUF_EMPTY;
    struct book_change change;
    size_t at = 0;
    while (book_next_change(engine_book(handle->engine), &at, false, &change))
        vec_push(&all, change.threat);
    if (all.count)
        qsort(all.items, all.count, sizeof(*all.items), threat_by_anchor);
    buf_putc(&out, '[');
    for (size_t i = 0; i < all.count; i++) {
        buf_puts(&out, i ? "," : "");
        threat_json(all.items[i], false, &out);
    }
    buf_putc(&out, ']');
    vec_free(&all);
    push_text(L, buf_str(&out));
    buf_free(&out);
    return 1;
}

static int ledger(lua_State *L)
{
    struct buf out = BUF_EMPTY;
    ledger_json(engine_ledger(handle_at(L)->engine), 0, &out);
    push_text(L, buf_str(&out));
    buf_free(&out);
    return 1;
}

int luaopen_lunette(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"check", check}, {"test", test}, {"engine", engine_open}, {NULL, NULL}};
    static const luaL_Reg methods[] = {
        {"feed", feed}, {"threats", threats}, {"ledger", ledger}, {"close", engine_close}, {NULL, NULL}};
    luaL_newmetatable(L, ENGINE);
    luaL_newlib(L, methods);
    lua_setfield(L, -2, "__index");
    lua_pushcfunction(L, engine_close);
    lua_setfield(L, -2, "__gc");
    lua_pop(L, 1);
    luaL_newlib(L, functions);
    lua_pushstring(L, LUNETTE_VERSION);
    lua_setfield(L, -2, "version");
    return 1;
}
