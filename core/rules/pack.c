#include "rules/pack.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/text.h"
#include "rules/pack_health.h"
#include "rules/rule_host.h"

#define CALLBACK_NS (5 * NS_PER_MS)
#define EVENT_NS    (20 * NS_PER_MS)
#define DEDUP_MAX   1024 /* bytes of a dedup key; longer ones end in a hash */
#define TITLE_MAX   300
#define NO_CALLBACK (-1)

struct pack {
    struct pack_options options;
    struct ruleset *set;
    struct rule_host host;
    struct lua_host lua_host;
    struct lua_runtime *runtime;
    int (*functions)[CALLBACK_COUNT]; /* per rule; NO_CALLBACK */
    int *fixes;                       /* per source */
    struct event_parser *parser;      /* of pack_begin */
    struct arena *arena;
    int64_t used_ns; /* CPU time of this event's callbacks so far */
};

/* ---- life ---- */

static int load_rule(struct pack *pack, uint32_t index, struct arena *arena, struct err *err)
{
    const struct rule *rule = &pack->set->rules[index];
    for (unsigned i = 0; i < CALLBACK_COUNT; i++)
        pack->functions[index][i] = NO_CALLBACK;
    /* Most rules are data only: what never calls Lua needs no memory in it. */
    if (rule->callbacks == 0 || rule->mode == RULE_OFF)
        return 0;
    int file = lua_load_file(pack->runtime, &pack->set->files[rule->file], arena, NULL, err);
    if (file < 0)
        return -1;
    for (unsigned i = 0; i < CALLBACK_COUNT; i++)
        if (rule->callbacks & (1u << i))
            pack->functions[index][i] = lua_find(pack->runtime, file, callback_names[i]);
    lua_forget_file(pack->runtime, file);
    return 0;
}

static int load_fix(struct pack *pack, uint32_t index, struct arena *arena, struct err *err)
{
    const struct source *source = &pack->set->sources[index];
    pack->fixes[index] = NO_CALLBACK;
    if (!source->has_fix)
        return 0;
    int file = lua_load_file(pack->runtime, &pack->set->files[source->file], arena, NULL, err);
    if (file < 0)
        return -1;
    pack->fixes[index] = lua_find(pack->runtime, file, "fix");
    lua_forget_file(pack->runtime, file);
    return 0;
}

static int load_all(struct pack *pack, struct err *err)
{
    struct arena *arena = arena_new(0);
    int result = 0;
    for (uint32_t i = 0; result == 0 && i < pack->set->rule_count; i++)
        result = load_rule(pack, i, arena, err);
    for (uint32_t i = 0; result == 0 && i < pack->set->source_count; i++)
        result = load_fix(pack, i, arena, err);
    arena_free(arena);
    return result;
}

void pack_set_test(struct pack *pack, const struct rule_test *test)
{
    pack->host.testing = test != NULL;
    pack->host.lists = test ? test->lists : NULL;
    pack->host.list_count = test ? test->list_count : 0;
}

struct pack *pack_new(const struct pack_options *options, struct err *err)
{
    struct pack *pack = mem_zalloc(1, sizeof(*pack));
    pack->options = *options;
    pack->set = ruleset_ref(options->set);
    pack->functions = mem_zalloc(pack->set->rule_count + 1, sizeof(*pack->functions));
    pack->fixes = mem_zalloc(pack->set->source_count + 1, sizeof(*pack->fixes));
    pack->host = (struct rule_host){
        .set = pack->set, .log = options->log, .log_context = options->log_context};
    pack->lua_host = rule_host_lua(&pack->host, options->clock);
    pack_set_test(pack, options->test);
    struct lua_options lua = {.role = LUA_DETECTION, .host = &pack->lua_host, .watchdog = options->watchdog};
    pack->runtime = lua_runtime_new(&lua, err);
    if (pack->runtime && load_all(pack, err) == 0)
        return pack;
    pack_free(pack);
    return NULL;
}

void pack_free(struct pack *pack)
{
    if (pack == NULL)
        return;
    lua_runtime_free(pack->runtime);
    free(pack->functions);
    free(pack->fixes);
    ruleset_unref(pack->set);
    free(pack);
}

struct lua_runtime *pack_runtime(struct pack *pack)
{
    return pack->runtime;
}

void pack_begin(struct pack *pack, struct event_parser *parser, struct arena *arena)
{
    pack->parser = parser;
    pack->arena = arena;
    pack->used_ns = 0;
}

/* ---- one call ---- */

struct ask {
    struct pack *pack;
    uint32_t rule;
    enum callback callback;
    struct event *event;
    const struct lua_group *group;
    struct pack_note *note;
};

/* The first reason is the one that is kept: later ones often follow from it. */
static void note_reason(const struct ask *ask, const char *what, const char *detail)
{
    if (ask->note && ask->note->reason[0] == '\0')
        snprintf(ask->note->reason, sizeof(ask->note->reason), "%s %s%s%.200s", callback_names[ask->callback],
                 what, detail[0] ? ": " : "", detail);
}

static void failed(const struct ask *ask, enum lua_status status, const char *detail)
{
    struct pack *pack = ask->pack;
    note_reason(ask, status == LUA_OVERRAN ? "took too long" : "failed", detail);
    if (pack_health_failed(pack->options.health, ask->rule, ask->callback, clock_now(pack->options.clock)))
        LOG(LOG_WARN, "rule.callback_suspended", log_str("rule", pack->set->rules[ask->rule].id),
            log_text("callback", callback_names[ask->callback]), log_text("status", lua_status_name(status)));
}

/* True: result is good. False: use the default; why is noted where there was a callback. */
static bool call(const struct ask *ask, enum lua_returns returns, struct lua_result *result)
{
    struct pack *pack = ask->pack;
    int function = pack->functions[ask->rule][ask->callback];
    if (function == NO_CALLBACK)
        return false;
    if (pack_suspended(pack->options.health, ask->rule, ask->callback, clock_now(pack->options.clock))) {
        note_reason(ask, "is suspended after repeated failures", "");
        return false;
    }
    int64_t left = EVENT_NS - pack->used_ns;
    if (left <= 0) {
        /* Not this callback's fault, so it does not count towards its suspension. */
        note_reason(ask, "was not called", "the callbacks of this event used up their 20 ms");
        return false;
    }
    struct lua_call call = {.function = function,
                            .returns = returns,
                            .event = ask->event,
                            .arena = pack->arena,
                            .parser = pack->parser,
                            .group = ask->group,
                            .budget_ns = left < CALLBACK_NS ? left : CALLBACK_NS};
    lua_run(pack->runtime, &call, result);
    pack->used_ns += result->cpu_ns;
    if (result->status == LUA_DONE)
        return true;
    failed(ask, result->status, result->error);
    return false;
}

bool pack_filter(struct pack *pack, uint32_t rule, struct event *event, struct pack_note *note)
{
    struct ask ask = {pack, rule, CALLBACK_FILTER, event, NULL, note};
    struct lua_result result = {0};
    return !call(&ask, LUA_RETURNS_BOOL, &result) || result.truth;
}

bool pack_detect(struct pack *pack, uint32_t rule, struct event *event, const struct lua_group *group,
                 struct pack_note *note)
{
    struct ask ask = {pack, rule, CALLBACK_DETECT, event, group, note};
    struct lua_result result = {0};
    return !call(&ask, LUA_RETURNS_BOOL, &result) || result.truth;
}

enum severity pack_severity(struct pack *pack, uint32_t rule, struct event *event,
                            const struct lua_group *group, struct pack_note *note)
{
    struct ask ask = {pack, rule, CALLBACK_SEVERITY, event, group, note};
    struct lua_result result = {0};
    enum severity severity = pack->set->rules[rule].severity, answer;
    if (!call(&ask, LUA_RETURNS_OPTIONAL_STRING, &result) || result.is_nil)
        return severity;
    if (severity_named(result.text, &answer))
        return answer;
    failed(&ask, LUA_WRONG_TYPE, "the answer is none of informational, low, medium, high, critical");
    return severity;
}

/* At most `max` bytes, not cutting a character in two. */
static struct str cut(struct str s, size_t max)
{
    if (s.len <= max)
        return s;
    while (max > 0 && ((unsigned char)s.ptr[max] & 0xC0) == 0x80)
        max--;
    return (struct str){s.ptr, max};
}

struct str pack_title(struct pack *pack, uint32_t rule, struct event *event, const struct lua_group *group,
                      struct pack_note *note)
{
    struct ask ask = {pack, rule, CALLBACK_TITLE, event, group, note};
    struct lua_result result = {0};
    bool good = call(&ask, LUA_RETURNS_STRING, &result) && result.text.len;
    return cut(good ? result.text : pack->set->rules[rule].title, TITLE_MAX);
}

/* Of several values, one that holds a separator must not look like two. */
static void put_part(struct buf *out, struct str value, bool escape)
{
    for (size_t i = 0; i < value.len; i++) {
        if (escape && (value.ptr[i] == ',' || value.ptr[i] == '\\'))
            buf_putc(out, '\\');
        buf_putc(out, value.ptr[i]);
    }
}

static void join_values(const struct event *event, const struct slots *slots, struct buf *out)
{
    for (size_t i = 0; i < slots->count; i++) {
        buf_puts(out, i ? ", " : "");
        put_part(out, event_text(event, slots->items[i]), slots->count > 1);
    }
}

static struct str bounded_key(struct arena *arena, struct str key)
{
    if (key.len <= DEDUP_MAX)
        return key;
    char hex[65];
    hash_sha256_hex(key, hex);
    return str_from(arena_printf(arena, "%.*s#%s", STR_ARG(cut(key, DEDUP_MAX - 65)), hex));
}

static struct str default_dedup(struct pack *pack, const struct rule *rule, const struct event *event,
                                const struct lua_group *group)
{
    if (rule->dedup_by.count == 0 && rule->grouped && group)
        return group->key;
    const struct slots *slots = rule->dedup_by.count ? &rule->dedup_by : &rule->group_by;
    if (slots->count == 0)
        return rule->title;
    struct buf key = BUF_EMPTY;
    join_values(event, slots, &key);
    struct str out = arena_dup(pack->arena, key.ptr ? buf_str(&key) : STR(""));
    buf_free(&key);
    return out;
}

struct str pack_dedup(struct pack *pack, uint32_t rule, struct event *event, const struct lua_group *group,
                      struct pack_note *note)
{
    struct ask ask = {pack, rule, CALLBACK_DEDUP, event, group, note};
    struct lua_result result = {0};
    struct str key = call(&ask, LUA_RETURNS_STRING, &result)
                         ? result.text
                         : default_dedup(pack, &pack->set->rules[rule], event, group);
    return bounded_key(pack->arena, key);
}

struct str pack_context(struct pack *pack, uint32_t rule, struct event *event, const struct lua_group *group,
                        struct pack_note *note)
{
    struct ask ask = {pack, rule, CALLBACK_CONTEXT, event, group, note};
    struct lua_result result = {0};
    if (call(&ask, LUA_RETURNS_FLAT, &result))
        return result.text;
    const struct slots *slots = &pack->set->rules[rule].context;
    struct buf json = BUF_EMPTY;
    event_json(event, slots->items, slots->count, &json);
    struct str out = arena_dup(pack->arena, buf_str(&json));
    buf_free(&json);
    return out;
}

void pack_fix(struct pack *pack, uint32_t source, struct event *event)
{
    if (pack->fixes[source] == NO_CALLBACK)
        return;
    struct lua_call call = {.function = pack->fixes[source],
                            .returns = LUA_RETURNS_NOTHING,
                            .event = event,
                            .arena = pack->arena,
                            .parser = pack->parser,
                            .writable = true,
                            .budget_ns = CALLBACK_NS};
    struct lua_result result = {0};
    lua_run(pack->runtime, &call, &result);
    if (result.status != LUA_DONE)
        event->quality |= QUALITY_FIX_FAILED;
}
