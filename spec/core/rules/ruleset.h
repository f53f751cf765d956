/* Helpers of the tests of rules: a ruleset from texts. */
#ifndef LUNETTE_SPEC_RULESET_H
#define LUNETTE_SPEC_RULESET_H

#include <stdio.h>
#include <string.h>

#include "rules/loader.h"
#include "rules/ruleset.h"

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

/* A file and all that is said of it. */
struct load_case {
    const char *name, *text, *report; /* of rules/x.lua; "" in report: loads without a word */
};

/* With these files beside it. Prints where it differs. */
static inline bool load_case_holds(const struct load_case *c, const struct text_file *beside, size_t count)
{
    char text[8192];
    struct report report = {0};
    struct text_file files[8] = {{"rules/x.lua", c->text}};
    if (count)
        memcpy(files + 1, beside, count * sizeof(*beside));
    struct ruleset *set = load_texts(files, count + 1, &report);
    report_text(&report, text, sizeof(text));
    bool same = strcmp(text, c->report) == 0 && (set == NULL) == (report.errors > 0);
    if (!same)
        printf("%s:\n--- expected\n%s--- got\n%s", c->name, c->report, text);
    ruleset_unref(set);
    report_free(&report);
    return same;
}

#endif
