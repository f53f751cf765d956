/* A pack: the rules' Lua callbacks in one worker's detection state, for one ruleset. Calls them with their
 * budgets and applies the policy of docs/rules.md: a callback that fails loses nothing, gives its default,
 * asks for review; three failures of one callback in a minute suspend it on all workers for ten minutes or
 * until the next reload. */
#ifndef LUNETTE_RULES_PACK_H
#define LUNETTE_RULES_PACK_H

#include "rules/ruleset.h"

/* Shared by all packs of one ruleset: failures and suspensions (atomics inside). One `rule_degraded` per
 * rule. */
struct pack_health;
struct pack_health *pack_health_new(size_t rules);
void pack_health_free(struct pack_health *health);
bool pack_suspended(const struct pack_health *health, uint32_t rule, enum callback callback, int64_t now_ns);
/* True once per rule and generation after it was first suspended: raise the rule_degraded threat. */
bool pack_take_degraded(struct pack_health *health, uint32_t rule);

struct pack;
struct pack_options {
    struct ruleset *set;            /* referenced */
    struct pack_health *health;     /* shared; borrowed */
    struct watchdog_slot *watchdog; /* NULL: instruction budgets (tests) */
    const struct clock *clock;
    const struct rule_test *test; /* not NULL: lists are those of the test */
    /* What rules print (log.info, print); NULL: dropped, as it may hold values of events. */
    void (*log)(void *context, const char *level, struct str message);
    void *log_context;
};
struct pack *pack_new(const struct pack_options *options, struct err *err);
void pack_free(struct pack *pack);
/* For the test runner: another test's lists. */
void pack_set_test(struct pack *pack, const struct rule_test *test);
struct lua_runtime *pack_runtime(struct pack *pack);

/* One event's calls: the budget of 20 ms is shared by all callbacks between begin and the next begin. */
void pack_begin(struct pack *pack, struct event_parser *parser, struct arena *arena);

struct pack_note { /* why review is needed; "" when nothing failed */
    char reason[320];
};
bool pack_filter(struct pack *pack, uint32_t rule, struct event *event, struct pack_note *note);
bool pack_detect(struct pack *pack, uint32_t rule, struct event *event, const struct lua_group *group,
                 struct pack_note *note);
enum severity pack_severity(struct pack *pack, uint32_t rule, struct event *event,
                            const struct lua_group *group, struct pack_note *note);
struct str pack_title(struct pack *pack, uint32_t rule, struct event *event, const struct lua_group *group,
                      struct pack_note *note);
/* Default: values of dedup_by, else the group's key, else values of group_by; joined by ", " (a "," or "\"
 * inside one of several values is escaped); else the title (without title_of). At most 1 KiB: longer ones end
 * in a hash. */
struct str pack_dedup(struct pack *pack, uint32_t rule, struct event *event, const struct lua_group *group,
                      struct pack_note *note);
/* JSON object. Default: the fields in `context`. */
struct str pack_context(struct pack *pack, uint32_t rule, struct event *event, const struct lua_group *group,
                        struct pack_note *note);
/* A source's fix(event); a failure marks QUALITY_FIX_FAILED. */
void pack_fix(struct pack *pack, uint32_t source, struct event *event);

#endif
