/* Triage in tests: policies as texts, a threat, and what one look made of it. */
#ifndef LUNETTE_SPEC_TRIAGE_BENCH_H
#define LUNETTE_SPEC_TRIAGE_BENCH_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>

#include "base/json.h"
#include "core/rules/ruleset.h"
#include "pipeline/triage.h"
#include "pipeline/view.h"

#define FILES_MAX 24
#define HOUR      (3600 * NS_PER_S)
#define NOW       (INT64_C(1700000000) * NS_PER_S)

struct bench {
    struct ruleset *set;
    struct triage *triage;
    struct policy_health *health;
    struct verdicts *verdicts;
    struct clock_virtual clock;
    struct arena *arena;
};

#define T "tests = { { 't', threat = {}, expect = {} } }"
#define POLICY(name, body)                                                                                   \
    {                                                                                                        \
        "rules/triage/" name ".lua",                                                                         \
            "return policy { name = '" name "', " T ", decide = function(threat, context)\n" body "\nend }"  \
    }
#define PLAN_OF(sla)                                                                                         \
    POLICY("response", "return { urgency = 'soon', sla_minutes = " sla ", escalation_path = { 'soc' },\n"    \
                       "actions = { { type = 'notify', reason = 'r' } } }")

static inline void open_bench(struct bench *b, const struct text_file *files, size_t count)
{
    struct report report = {0};
    struct err err = {0};
    char text[4096];
    b->set = load_texts(files, count, &report);
    report_text(&report, text, sizeof(text));
    report_free(&report);
    if (b->set == NULL)
        fail_msg("%s", text);
    b->health = policy_health_new();
    b->verdicts = verdicts_new(100);
    clock_virtual_init(&b->clock, NOW);
    b->arena = arena_new(0);
    struct triage_options options = {
        .set = b->set, .health = b->health, .clock = &b->clock.clock, .verdicts = b->verdicts};
    b->triage = triage_new(&options, &err);
    if (b->triage == NULL)
        fail_msg("%s", err_text(&err));
}

static inline void close_bench(struct bench *b)
{
    triage_free(b->triage);
    verdicts_free(b->verdicts);
    policy_health_free(b->health);
    ruleset_unref(b->set);
    arena_free(b->arena);
}

#define OPEN(b, ...)                                                                                         \
    struct bench b;                                                                                          \
    do {                                                                                                     \
        const struct text_file files_[] = {__VA_ARGS__};                                                     \
        open_bench(&b, files_, sizeof(files_) / sizeof(files_[0]));                                          \
    } while (0)

static inline struct threat *a_threat(const char *context)
{
    struct threat *threat = threat_new();
    threat->version = 1;
    threat->created_ns = NOW;
    threat->event_count = 1;
    threat->severity = threat->floor = SEVERITY_MEDIUM;
    threat->rule_id = threat_keep(threat, STR("r1"));
    threat->customer = threat_keep(threat, STR("acme"));
    threat->type = threat_keep(threat, STR("test"));
    threat->title = threat_keep(threat, STR("A title"));
    vec_push(&threat->entities, threat_keep(threat, STR("user.name:ana")));
    vec_push(&threat->entities, threat_keep(threat, STR("host.name:DC01")));
    struct evidence evidence = {
        .number = 1, .time_ns = NOW, .context = threat_keep(threat, str_from(context))};
    vec_push(&threat->evidence, evidence);
    threat->evidence_next = 2;
    return threat;
}

/* The extra of one run. */
static inline struct json *run_with(struct bench *b, const struct threat *threat, const char *background,
                                    struct triage_result *result)
{
    triage_run(b->triage, threat, str_from(background), b->arena, result);
    struct json *extra = view_parse(result->extra);
    assert_non_null(extra);
    return extra;
}

static inline struct json *run(struct bench *b, const struct threat *threat, struct triage_result *result)
{
    return run_with(b, threat, "", result);
}

/* A path of member names and positions: "score.parts.0.name". */
static inline const struct json *at(const struct json *json, const char *path)
{
    while (path && *path && json) {
        char name[64];
        size_t len = strcspn(path, ".");
        assert_true(len < sizeof(name));
        memcpy(name, path, len);
        name[len] = '\0';
        json = json_kind(json) == JSON_KIND_ARRAY ? json_item(json, strtoul(name, NULL, 10))
                                                  : json_get(json, name);
        path += len + (path[len] == '.');
    }
    return json;
}

static inline void expect(const struct json *json, const char *path, const char *text)
{
    struct buf out = BUF_EMPTY;
    const struct json *value = at(json, path);
    if (value)
        json_print(value, &out);
    if (strcmp(value ? out.ptr : "(none)", text) != 0)
        fail_msg("%s is %s, not %s", path, value ? out.ptr : "(none)", text);
    buf_free(&out);
}

static inline void expect_review(const struct triage_result *result, const char *part)
{
    if (part == NULL
            ? result->review.len > 0
            : !memmem(result->review.ptr ? result->review.ptr : "", result->review.len, part, strlen(part)))
        fail_msg("review is \"%.*s\", not %s", STR_ARG(result->review), part ? part : "empty");
}

#define SEVERITY(level)                                                                                      \
    POLICY("severity",                                                                                       \
           "return { severity = '" level "', parts = { { name = 'a', value = 40, reason = 'r' } "            \
           "} }")

#define SHOW(what)                                                                                           \
    POLICY("timeline",                                                                                       \
           "local function show(v) if type(v) ~= 'table' then return tostring(v) end\n"                      \
           "local keys = {} for k in pairs(v) do keys[#keys + 1] = tostring(k) end\n"                        \
           "table.sort(keys) local out = {}\n"                                                               \
           "for _, k in ipairs(keys) do local x = v[k] if x == nil then x = v[tonumber(k)] end\n"            \
           "out[#out + 1] = k .. '=' .. show(x) end return '{' .. table.concat(out, ',') .. "                \
           "'}' end\n"                                                                                       \
           "return { titles = { created = show(" what ") } }")

static inline void see(const struct json *extra, const char *text)
{
    struct str seen = STR("(none)");
    json_as_str(at(extra, "timeline_titles.created"), &seen);
    if (!str_is(seen, text))
        fail_msg("seen: %.*s, not %s", STR_ARG(seen), text);
}

#endif
