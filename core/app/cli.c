#include "app/cli.h"

#include <errno.h>
#include <stdio.h>

#include "rules/loader.h"

#define AT(field) offsetof(struct cli, field)

const struct config_option cli_options[] = {
    {.name = "rules",
     .type = CONFIG_STRING,
     .fallback = "rules",
     .group = "Options",
     .help = "Folders of rules, separated by colons.",
     .offset = AT(rules)},
    {.name = "plugins",
     .type = CONFIG_STRING,
     .fallback = "plugins",
     .group = "Options",
     .help = "Folders of sources and other plugins, separated by colons.",
     .offset = AT(plugins)},
    {.name = "data",
     .type = CONFIG_STRING,
     .fallback = "data",
     .group = "Options",
     .help = "The data folder (backup).",
     .offset = AT(data)},
    {.name = "only",
     .type = CONFIG_STRING,
     .fallback = "",
     .group = "Options",
     .help = "Only the rule or source with this id (test).",
     .offset = AT(only)},
    {.name = "source",
     .type = CONFIG_STRING,
     .fallback = "",
     .group = "Options",
     .help = "The source that the records come from (replay, explain, send); else it is recognised.",
     .offset = AT(source)},
    {.name = "url",
     .type = CONFIG_STRING,
     .fallback = "http://127.0.0.1:8080",
     .group = "Options",
     .help = "The server to send to (send).",
     .offset = AT(url)},
    {.name = "client-token-file",
     .type = CONFIG_STRING,
     .fallback = "",
     .group = "Options",
     .help = "A file whose first line is the token (send).",
     .offset = AT(token_file)},
    {.name = "batch",
     .type = CONFIG_INT,
     .fallback = "100",
     .min = 1,
     .max = 10000,
     .group = "Options",
     .help = "Events in one request (send).",
     .offset = AT(batch)},
    {.name = "events",
     .type = CONFIG_INT,
     .fallback = "200000",
     .min = 1,
     .max = 100000000,
     .group = "Options",
     .help = "Events to judge (bench).",
     .offset = AT(events)},
    {.name = "strict",
     .type = CONFIG_BOOL,
     .fallback = "false",
     .group = "Options",
     .help = "Warnings are errors (check).",
     .offset = AT(strict)},
    {.name = "json",
     .type = CONFIG_BOOL,
     .fallback = "false",
     .group = "Options",
     .help = "Output for machines: JSON.",
     .offset = AT(json)},
    {.name = "junit",
     .type = CONFIG_BOOL,
     .fallback = "false",
     .group = "Options",
     .help = "Output for machines: JUnit XML (test).",
     .offset = AT(junit)},
};
const size_t cli_option_count = sizeof(cli_options) / sizeof(cli_options[0]);

struct ruleset *cli_load_rules(const struct cli *cli, struct report *report)
{
    struct err err = {0};
    const char *rules = cli->arg_count ? cli->args[0] : cli->rules;
    struct tree *tree = tree_read(rules, cli->plugins, &err);
    if (tree == NULL) {
        report_add(report, PROBLEM_ERROR, err.where, "%s", err.message);
        return NULL;
    }
    struct ruleset *set = ruleset_load(tree, NULL, 0, report);
    tree_free(tree);
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

int cli_read(const char *path, size_t max, struct buf *out, struct err *err)
{
    FILE *file = strcmp(path, "-") == 0 ? stdin : fopen(path, "rb");
    int rc = 0;
    if (file == NULL)
        return err_errno(err, ERR_IO, errno, "%s cannot be read", path);
    for (size_t n = 1; n && rc == 0;) {
        n = fread(buf_reserve(out, 65536), 1, 65536, file);
        buf_grew(out, n);
        if (out->len > max)
            rc = err_set(err, ERR_LIMIT, "%s is larger than %zu bytes", path, max);
    }
    if (rc == 0 && ferror(file))
        rc = err_errno(err, ERR_IO, errno, "%s cannot be read", path);
    if (file != stdin)
        fclose(file);
    return rc;
}

int cli_check(struct cli *cli)
{
    struct report report = {0};
    struct ruleset *set = cli_load_rules(cli, &report);
    bool bad = set == NULL || (cli->strict && report.warnings);
    if (cli->json) {
        struct buf out = BUF_EMPTY;
        buf_putc(&out, '{');
        buf_json_kbool(&out, "ok", !bad);
        buf_json_kuint(&out, "rules", set ? set->rule_count : 0);
        buf_json_kuint(&out, "sources", set ? set->source_count : 0);
        buf_json_key(&out, "problems");
        report_json(&report, &out);
        buf_puts(&out, "}\n");
        fwrite(out.ptr, 1, out.len, stdout);
        buf_free(&out);
    } else {
        cli_print_report(&report);
        if (set)
            printf("%zu rules, %zu sources: %zu error%s, %zu warning%s\n", set->rule_count, set->source_count,
                   report.errors, report.errors == 1 ? "" : "s", report.warnings,
                   report.warnings == 1 ? "" : "s");
        else
            printf("broken: %zu error%s\n", report.errors, report.errors == 1 ? "" : "s");
        for (size_t i = 0; set && i < set->rule_count; i++)
            if (set->rules[i].mode != RULE_OFF && match_is_always(set->matcher, (uint32_t)i))
                printf("note: %.*s has nothing rare to look for; every event of its source is evaluated\n",
                       STR_ARG(set->rules[i].id));
    }
    ruleset_unref(set);
    report_free(&report);
    return bad ? EXIT_BROKEN_RULES : EXIT_OK;
}
