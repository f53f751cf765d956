#include <stdlib.h>

#include "base/text.h"
#include "match/predicate.h"

#define LOOKUP_MAX 64 /* values of a path that is not interned */

/* One predicate without a matcher: |all makes several, which must all hold. */
struct match_predicate {
    struct arena *arena;
    struct str path;
    uint32_t slot; /* FIELD_NONE: found in the text of the event */
    struct predicate *predicates;
    size_t count;
};

struct match_predicate *match_predicate_new(const struct fields *fields, struct str key,
                                            const struct literal *values, size_t count, struct err *err)
{
    struct arena *arena = arena_new(0);
    size_t specs = 0;
    struct spec *spec = spec_parse(arena, key, values, count, &specs, err);
    if (!spec) {
        arena_free(arena);
        return NULL;
    }
    struct match_predicate *p = mem_alloc(sizeof(*p));
    *p = (struct match_predicate){.arena = arena, .path = spec->path, .count = specs};
    p->slot = fields ? fields_find(fields, spec->path) : FIELD_NONE;
    p->predicates = arena_alloc(arena, specs * sizeof(*p->predicates));
    for (size_t i = 0; i < specs; i++) {
        spec[i].slot = p->slot;
        predicate_compile(&p->predicates[i], &spec[i], arena);
    }
    return p;
}

void match_predicate_free(struct match_predicate *predicate)
{
    if (!predicate)
        return;
    for (size_t i = 0; i < predicate->count; i++)
        predicate_release(&predicate->predicates[i]);
    arena_free(predicate->arena);
    free(predicate);
}

static bool reads_folded(const struct predicate *p)
{
    bool texts = p->exact || p->heads || p->tails || p->contain_count || p->wild_count;
    return (texts && !p->cased) || p->regex_count;
}

/* A budget that ran out counts as matching, as everywhere. */
static bool all_hold(const struct match_predicate *predicate, struct subject *subjects, size_t count)
{
    char few[1024]; /* most values are short: no allocation then */
    struct judge judge = {
        .fold = few, .fold_cap = sizeof(few), .budget = JUDGE_BUDGET, .regex_budget = JUDGE_REGEX_BUDGET};
    size_t bytes = 0;
    bool holds = true;
    for (size_t i = 0; i < count; i++) {
        /* NOLINTNEXTLINE(clang-analyzer-core.CallAndMessage): the caller filled `count` of them */
        bytes += reads_folded(&predicate->predicates[0]) ? text_fold_max(subjects[i].text.len) : 0;
        subjects[i].next = i + 1 < count ? &subjects[i + 1] : NULL;
    }
    if (bytes > sizeof(few)) {
        judge.fold = mem_alloc(bytes);
        judge.fold_cap = bytes;
    }
    for (size_t i = 0; i < predicate->count && holds; i++)
        holds = predicate_judge(&predicate->predicates[i], count ? subjects : NULL, &judge) != VERDICT_NO;
    if (judge.fold == few)
        judge.fold = NULL;
    judge_release(&judge);
    return holds;
}

static bool interned_holds(const struct match_predicate *predicate, const struct event *event)
{
    const struct predicate *first = &predicate->predicates[0];
    if (predicate->count == 1 && (first->present || first->absent))
        return (event_first(event, predicate->slot) != NULL) == first->present;
    struct subject few[8], *subjects = few;
    size_t count = 0, at = 0;
    for (const struct event_value *v = event_first(event, predicate->slot); v; v = event_next(event, v))
        count++;
    if (count > sizeof(few) / sizeof(few[0]))
        subjects = mem_alloc(count * sizeof(*subjects));
    for (const struct event_value *v = event_first(event, predicate->slot); v; v = event_next(event, v))
        subject_init(&subjects[at++], &v->value);
    bool holds = all_hold(predicate, subjects, count);
    if (subjects != few)
        free(subjects);
    return holds;
}

static bool text_holds(const struct match_predicate *predicate, const struct event *event,
                       struct event_parser *parser)
{
    struct arena *arena = arena_new(0);
    struct value values[LOOKUP_MAX];
    struct subject subjects[LOOKUP_MAX];
    size_t count = event_lookup(event, parser, predicate->path, arena, values, LOOKUP_MAX);
    if (count > LOOKUP_MAX)
        count = LOOKUP_MAX;
    for (size_t i = 0; i < count; i++)
        subject_init(&subjects[i], &values[i]);
    bool holds = all_hold(predicate, subjects, count);
    arena_free(arena);
    return holds;
}

bool match_predicate_holds(const struct match_predicate *predicate, const struct event *event,
                           struct event_parser *parser)
{
    if (predicate->slot != FIELD_NONE)
        return interned_holds(predicate, event);
    return parser ? text_holds(predicate, event, parser) : all_hold(predicate, NULL, 0);
}
