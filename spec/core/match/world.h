/* Rules and events as JSON, for the tests of core/match. A rule is an object: fields with a value or a list
 * are an AND; the keys "all", "any" and "none" hold arrays of such objects; "keywords" an array; "everything"
 * stands for itself. {"list": [...]} as a value are entries of a list file. */
#ifndef LUNETTE_SPEC_MATCH_WORLD_H
#define LUNETTE_SPEC_MATCH_WORLD_H

#include <stdio.h>
#include <stdlib.h>

#include "base/json.h"
#include "base/json_tape.h"
#include "base/vec.h"
#include "match/match.h"

struct world {
    struct arena *arena; /* nodes */
    struct arena *events;
    struct fields *fields;
    struct event_parser *parser;
    VEC(struct match_rule) rules;
    struct matcher *matcher;
    struct match_scratch *scratch;
    struct buf text;
    struct err err;
};

static inline struct world *world_new(void)
{
    struct world *w = mem_zalloc(1, sizeof(*w));
    w->arena = arena_new(0);
    w->events = arena_new(0);
    w->fields = fields_new();
    w->parser = event_parser_new(&event_limits_default);
    return w;
}

static inline void world_free(struct world *w)
{
    match_scratch_free(w->scratch);
    matcher_free(w->matcher);
    event_parser_free(w->parser);
    fields_free(w->fields);
    arena_free(w->arena);
    arena_free(w->events);
    vec_free(&w->rules);
    buf_free(&w->text);
    free(w);
}

static inline struct literal world_literal(const struct json *value)
{
    struct literal literal = {.type = LITERAL_NULL};
    switch (json_kind(value)) {
    case JSON_KIND_BOOL:
        literal.type = LITERAL_BOOL;
        json_as_bool(value, &literal.b);
        break;
    case JSON_KIND_INT:
        literal.type = LITERAL_NUMBER;
        literal.is_integer = true;
        json_as_int(value, &literal.i);
        break;
    case JSON_KIND_DOUBLE:
        literal.type = LITERAL_NUMBER;
        json_as_double(value, &literal.d);
        break;
    case JSON_KIND_STRING:
        literal.type = LITERAL_STRING;
        json_as_str(value, &literal.text);
        break;
    default:
        break;
    }
    return literal;
}

static inline struct match_node *world_field(struct world *w, struct str key, const struct json *value)
{
    VEC(struct literal) literals = {0};
    const struct json *list = json_get(value, "list");
    const struct json *array = list ? list : json_kind(value) == JSON_KIND_ARRAY ? value : NULL;
    if (!array)
        vec_push(&literals, world_literal(value));
    for (size_t i = 0; array && i < json_count(array); i++) {
        struct literal literal = world_literal(json_item(array, i));
        literal.from_list = list != NULL;
        vec_push(&literals, literal);
    }
    struct match_node *node = str_is(key, "keywords")
                                  ? match_keywords(w->arena, literals.items, literals.count, &w->err)
                                  : match_field(w->arena, w->fields, key, literals.items, literals.count,
                                                &w->err);
    vec_free(&literals);
    return node;
}

static inline struct match_node *world_node(struct world *w, enum match_kind kind, const struct json *value)
{
    struct match_node *node = match_node_new(w->arena, kind);
    struct str key;
    const struct json *member;
    for (size_t i = 0; i < json_count(value) && json_kind(value) == JSON_KIND_ARRAY; i++) {
        struct match_node *child = world_node(w, MATCH_ALL, json_item(value, i));
        if (!child)
            return NULL;
        match_node_add(node, child);
    }
    for (void *at = NULL; json_next(value, &at, &key, &member);) {
        struct match_node *child;
        if (str_is(key, "all") || str_is(key, "any") || str_is(key, "none"))
            child = world_node(w,
                               key.ptr[1] == 'l'   ? MATCH_ALL
                               : key.ptr[1] == 'n' ? MATCH_ANY
                                                   : MATCH_NONE,
                               member);
        else
            child = world_field(w, key, member);
        if (!child)
            return NULL;
        match_node_add(node, child);
    }
    return node;
}

/* A rule for one route. False, w->err is set: it is not accepted. */
static inline bool world_routed(struct world *w, struct str match, const char *product, const char *category)
{
    const struct json_limits limits = {64 << 20, 32, true};
    struct json *json = json_parse(match, &limits, &w->err);
    if (!json)
        return false;
    struct str text;
    struct match_node *root = json_as_str(json, &text) ? match_node_new(w->arena, MATCH_EVERYTHING)
                                                       : world_node(w, MATCH_ALL, json);
    json_free(json);
    if (!root)
        return false;
    struct match_rule rule = {.root = root,
                              .route = {str_from(category), str_from(product), STR("")},
                              .id = str_from(arena_printf(w->arena, "rule%zu", w->rules.count))};
    vec_push(&w->rules, rule);
    return true;
}

static inline bool world_rule(struct world *w, const char *match)
{
    return world_routed(w, str_from(match), "", "");
}

static inline void world_compile(struct world *w, const struct match_route *routes, size_t count)
{
    w->matcher = matcher_new(w->rules.items, w->rules.count, routes, count, w->fields, &w->err);
    if (!w->matcher)
        die("rules do not compile: %s", err_text(&w->err));
    w->scratch = match_scratch_new(w->matcher);
}

/* An event from its JSON; lives until world_forget. */
static inline struct event *world_event(struct world *w, struct str json)
{
    struct event *event = NULL;
    buf_clear(&w->text);
    buf_put(&w->text, json);
    memset(buf_reserve(&w->text, JSON_TAPE_PADDING), 0, JSON_TAPE_PADDING);
    struct str text = {arena_alloc(w->events, json.len + JSON_TAPE_PADDING), json.len};
    memcpy((char *)text.ptr, w->text.ptr, json.len + JSON_TAPE_PADDING);
    if (event_parse(w->parser, w->fields, text, w->events, &event, &w->err))
        die("an event does not parse: %s: %.*s", err_text(&w->err), STR_ARG(json));
    event->source = UINT32_MAX;
    event_freeze(event, w->events);
    return event;
}

static inline void world_forget(struct world *w)
{
    arena_reset(w->events);
}

static inline bool world_has(const uint32_t *rules, size_t count, uint32_t rule)
{
    for (size_t i = 0; i < count; i++)
        if (rules[i] == rule)
            return true;
    return false;
}

/* Prints the first rule on which they differ. */
static inline void world_explain_difference(struct world *w, const struct event *event,
                                            const struct match_result *fast, const uint32_t *slow,
                                            size_t count)
{
    uint32_t all[2048];
    size_t fast_count = fast->count < 1024 ? fast->count : 1024;
    memcpy(all, fast->rules, fast_count * sizeof(*all));
    for (uint32_t rule = 0; rule < w->rules.count; rule++) {
        if (world_has(all, fast_count, rule) == world_has(slow, count, rule))
            continue;
        struct buf text = BUF_EMPTY;
        match_explain(w->matcher, w->scratch, rule, event, &text);
        fprintf(stderr, "%.*s\n", STR_ARG(buf_str(&text)));
        buf_free(&text);
        return;
    }
}

/* Index and slow evaluator must say the same; then that. */
static inline struct match_result world_match(struct world *w, const struct event *event)
{
    uint32_t expected[1024];
    struct match_result slow = match_run_brute(w->matcher, w->scratch, event);
    size_t count = slow.count < 1024 ? slow.count : 1024;
    memcpy(expected, slow.rules, count * sizeof(*expected));
    struct match_result fast = match_run(w->matcher, w->scratch, event);
    if (fast.count != slow.count || memcmp(fast.rules, expected, count * sizeof(*expected)) != 0) {
        fprintf(stderr, "event %.*s\nindex:", STR_ARG(event->json));
        for (size_t i = 0; i < fast.count; i++)
            fprintf(stderr, " %u", fast.rules[i]);
        fprintf(stderr, "\nslow: ");
        for (size_t i = 0; i < count; i++)
            fprintf(stderr, " %u", expected[i]);
        fprintf(stderr, "\n");
        world_explain_difference(w, event, &fast, expected, count);
        die("index and slow evaluator differ");
    }
    return fast;
}

#endif
