/* Helpers of the tests of rules: a ruleset from texts. */
#ifndef LUNETTE_SPEC_RULESET_H
#define LUNETTE_SPEC_RULESET_H

#include <stdio.h>
#include <string.h>

#include "rules/loader.h"

struct text_file {
    const char *path, *text;
};

static inline struct ruleset *load_texts(const struct text_file *files, size_t count, struct report *report)
{
    struct lua_source sources[32];
    for (size_t i = 0; i < count; i++)
        sources[i] = (struct lua_source){str_from(files[i].path), str_from(files[i].text)};
    struct tree *tree = tree_of(sources, count);
    struct ruleset *set = ruleset_load(tree, NULL, 0, report);
    tree_free(tree);
    return set;
}

/* "error rules/x.lua:3: message" lines, for comparing all of them at once. */
static inline void report_text(const struct report *report, char *out, size_t size)
{
    size_t at = 0;
    out[0] = '\0';
    for (size_t i = 0; i < report->problems.count && at < size; i++) {
        const struct problem *p = &report->problems.items[i];
        at += (size_t)snprintf(out + at, size - at, "%s %s: %s\n", problem_level_name(p->level), p->where,
                               p->message);
    }
}

#endif
