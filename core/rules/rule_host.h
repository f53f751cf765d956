/* What every Lua state of the rules may ask: lists (of the files, or of a test), modules, the log. Private to
 * core/rules. */
#ifndef LUNETTE_RULES_RULE_HOST_H
#define LUNETTE_RULES_RULE_HOST_H

#include "rules/ruleset.h"

struct rule_host {
    const struct ruleset *set;
    bool testing; /* lists are those below; one that the test does not name is empty */
    const struct test_list *lists;
    size_t list_count;
    void (*log)(void *context, const char *level, struct str message); /* NULL: only that it printed */
    void *log_context;
    void *owner; /* what the state belongs to */
};
/* `host` is the context of what is asked, and must live as long as the state. */
struct lua_host rule_host_lua(struct rule_host *host, const struct clock *clock);

#endif
