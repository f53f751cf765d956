/* What the commands have in common: the rules they read, and how problems are told. */
#include <stdio.h>

#include "app/cli.h"
#include "app/cli_path.h"
#include "rules/loader.h"

const char *cli_plural(size_t n)
{
    return n == 1 ? "" : "s";
}

static bool is_content(const struct ruleset *set)
{
    bool some = set->rule_count > 0;
    for (unsigned i = 0; i < POLICY_COUNT; i++)
        some |= set->policies[i].present;
    for (unsigned i = 0; i < AGENT_COUNT; i++)
        some |= set->agents[i].present;
    return some;
}

struct ruleset *cli_load_rules(const struct cli *cli, const char *path, struct report *report, int *code)
{
    struct err err = {0};
    struct cli_path in = {0};
    cli_path_open(&in, cli, path);
    struct tree *tree = tree_read_with(in.roots.ptr, cli->plugins, in.modules.items, in.modules.count, &err);
    bool plugin = in.plugin;
    cli_path_close(&in);
    *code = EXIT_BROKEN_RULES;
    if (tree == NULL) {
        report_add(report, PROBLEM_ERROR, err.where, "%s", err.message);
        *code = err.code == ERR_LIMIT ? EXIT_BROKEN_RULES : EXIT_USAGE;
        return NULL;
    }
    struct ruleset *set = ruleset_load(tree, NULL, 0, report);
    tree_free(tree);
    if (set && set->rule_count == 0 && !plugin && (path == NULL || !is_content(set)))
        report_add(report, PROBLEM_WARNING, "", "there is no rule: nothing would ever be raised");
    return set;
}

void cli_print_report(const struct report *report)
{
    for (size_t i = 0; i < report->problems.count; i++) {
        const struct problem *p = &report->problems.items[i];
        fprintf(stderr, "%s%s%s: %s\n", p->where, p->where[0] ? ": " : "", problem_level_name(p->level),
                p->message);
    }
}
