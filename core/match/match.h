/* Match: the declarative part of rules as a native program. The loader builds one tree of nodes per rule; the
 * compiler interns and shares equal predicates, gives each rule its witnesses, and makes one immutable
 * matcher per generation that all threads read. An event wakes only rules whose witness it holds. Meaning:
 * docs/rules.md, "match". */
#ifndef LUNETTE_MATCH_MATCH_H
#define LUNETTE_MATCH_MATCH_H

#include "event/event.h"

/* ---- building (loader thread) ---- */

enum match_kind { MATCH_ALL, MATCH_ANY, MATCH_NONE, MATCH_FIELD, MATCH_KEYWORDS, MATCH_EVERYTHING };

enum literal_type { LITERAL_STRING, LITERAL_NUMBER, LITERAL_BOOL, LITERAL_NULL };
struct literal {
    enum literal_type type;
    struct str text; /* STRING */
    bool is_integer; /* NUMBER: i, else d */
    int64_t i;
    double d;
    bool b;
    bool from_list; /* an entry of a list file: taken literally, no wildcards */
};

struct match_node; /* lives in the arena it was made in */
/* An inner node: ALL, ANY, NONE or EVERYTHING (no children). */
struct match_node *match_node_new(struct arena *arena, enum match_kind kind);
void match_node_add(struct match_node *parent, struct match_node *child);
/* "path|modifier|…" with its literals (OR of them, AND with |all). Interns the path. NULL and err (with the
 * nearest modifier) for an unknown or impossible combination, a bad regex, cidr or number, a control
 * character in a string, null inside a list, an empty list. The message does not repeat the key. */
struct match_node *match_field(struct arena *arena, struct fields *fields, struct str key,
                               const struct literal *values, size_t count, struct err *err);
/* keywords { … }: any string of the event (later issue: ERR_INVALID "not built yet" is allowed). */
struct match_node *match_keywords(struct arena *arena, const struct literal *values, size_t count,
                                  struct err *err);

/* Where a rule may apply: each of the three is "" (anywhere) or must be equal to the source's, where that
 * names one. */
struct match_route {
    struct str category, product, service;
};
struct match_rule {
    struct str id;
    const struct match_node *root;
    struct match_route route;
};

struct matcher;
/* Compiles. Rule order gives the rule's index. `routes`: one per source; an event is matched as of its source
 * index (UINT32_MAX: rules of any route). Copies what it needs into the matcher. ERR_LIMIT beyond 10,000
 * rules. */
struct matcher *matcher_new(const struct match_rule *rules, size_t count, const struct match_route *routes,
                            size_t route_count, const struct fields *fields, struct err *err);
void matcher_free(struct matcher *matcher);

/* ---- running (any thread, one scratch each) ---- */

struct match_scratch;
struct match_scratch *match_scratch_new(const struct matcher *matcher);
void match_scratch_free(struct match_scratch *scratch);
/* What one event may cost: bytes and items looked at while rules are verified (4 million, about 2 ms), and
 * steps of regular expressions (400,000, about 3 ms). For tests; the defaults are fixed, so that every
 * process judges alike.
 */
void match_scratch_limit(struct match_scratch *scratch, uint64_t units, uint64_t regex_steps);

struct match_result {
    const uint32_t *rules; /* ascending indexes; borrowed from the scratch until its next run */
    size_t count;
    bool cut_off; /* the event's verification budget ran out: rules not verified are reported as *matching* */
};
/* Which rules hold for the event. No allocation in steady state. The regex budget is per evaluation (steps)
 * and per event; a regex cut off counts as matching, and cut_off is set, so that a crafted event can hide
 * nothing. */
struct match_result match_run(const struct matcher *matcher, struct match_scratch *scratch,
                              const struct event *event);
/* The slow and obvious answer: every routed rule's tree, no index, no shared predicates; for tests. */
struct match_result match_run_brute(const struct matcher *matcher, struct match_scratch *scratch,
                                    const struct event *event);
/* JSON: the rule's tree, each node with "holds", each predicate with the value it saw. */
void match_explain(const struct matcher *matcher, struct match_scratch *scratch, uint32_t rule,
                   const struct event *event, struct buf *out);

/* Facts for `check` and tests: rules that have no witness (woken by every event of their route), sizes. */
struct match_stats {
    size_t rules, predicates, fields, index_bytes;
    size_t always; /* rules without a witness, or with none but a field that must be there */
    uint64_t events, candidates, evaluations, regexes; /* of this scratch; 0 when scratch is NULL */
};
void match_stats(const struct matcher *matcher, const struct match_scratch *scratch,
                 struct match_stats *stats);
bool match_is_always(const struct matcher *matcher, uint32_t rule);

/* ---- one predicate alone: event:is("path|modifier", value), source `accepts` and `when` ---- */

struct match_predicate;
/* As match_field; the path need not be interned: it is looked up in `fields`, else in the text of the event.
 */
struct match_predicate *match_predicate_new(const struct fields *fields, struct str key,
                                            const struct literal *values, size_t count, struct err *err);
void match_predicate_free(struct match_predicate *predicate);
/* `parser` is for paths that are not interned; NULL: those are absent. */
bool match_predicate_holds(const struct match_predicate *predicate, const struct event *event,
                           struct event_parser *parser);

#endif
