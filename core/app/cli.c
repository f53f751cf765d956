#include "app/cli.h"

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
     .help = "The data folder.",
     .offset = AT(data)},
    {.name = "only",
     .type = CONFIG_STRING,
     .fallback = "",
     .group = "Options",
     .help = "Only the rule or source with this id.",
     .offset = AT(only)},
    {.name = "source",
     .type = CONFIG_STRING,
     .fallback = "",
     .group = "Options",
     .help = "The source that the records come from; else it is recognised.",
     .offset = AT(source)},
    {.name = "url",
     .type = CONFIG_STRING,
     .fallback = "http://127.0.0.1:8080",
     .group = "Options",
     .help = "The server to send to.",
     .offset = AT(url)},
    {.name = "client-token-file",
     .type = CONFIG_STRING,
     .fallback = "",
     .group = "Options",
     .help = "A file whose first line is the token.",
     .offset = AT(token_file)},
    {.name = "batch",
     .type = CONFIG_INT,
     .fallback = "100",
     .min = 1,
     .max = 10000,
     .group = "Options",
     .help = "Events in one request.",
     .offset = AT(batch)},
    {.name = "events",
     .type = CONFIG_INT,
     .fallback = "200000",
     .min = 1,
     .max = 100000000,
     .group = "Options",
     .help = "Events to judge.",
     .offset = AT(events)},
    {.name = "strict",
     .type = CONFIG_BOOL,
     .fallback = "false",
     .group = "Options",
     .help = "Warnings are errors.",
     .offset = AT(strict)},
    {.name = "force",
     .type = CONFIG_BOOL,
     .fallback = "false",
     .group = "Options",
     .help = "Replace the file where it is there already.",
     .offset = AT(force)},
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
     .help = "Output for machines: JUnit XML.",
     .offset = AT(junit)},
};
const size_t cli_option_count = sizeof(cli_options) / sizeof(cli_options[0]);

/* ---- check ---- */

/* --strict: a warning counts as an error, and is called one. */
static void take_warnings_for_errors(struct report *report)
{
    for (size_t i = 0; i < report->problems.count; i++)
        if (report->problems.items[i].level == PROBLEM_WARNING)
            report->problems.items[i].level = PROBLEM_ERROR;
    report->errors += report->warnings;
    report->warnings = 0;
}

static void check_json(const struct report *report, const struct ruleset *set)
{
    struct buf out = BUF_EMPTY;
    buf_putc(&out, '{');
    buf_json_kbool(&out, "ok", report->errors == 0);
    buf_json_kuint(&out, "rules", set ? set->rule_count : 0);
    buf_json_kuint(&out, "sources", set ? set->source_count : 0);
    buf_json_key(&out, "problems");
    report_json(report, &out);
    buf_puts(&out, "}\n");
    fwrite(out.ptr, 1, out.len, stdout);
    buf_free(&out);
}

static void check_people(const struct cli *cli, const struct report *report, const struct ruleset *set)
{
    cli_print_report(report);
    if (report->errors)
        printf("broken: %zu error%s%s\n", report->errors, cli_plural(report->errors),
               cli->strict ? " (--strict: a warning is an error)" : "");
    else
        printf("ok: %zu rule%s, %zu source%s, %zu warning%s\n", set->rule_count, cli_plural(set->rule_count),
               set->source_count, cli_plural(set->source_count), report->warnings,
               cli_plural(report->warnings));
}

int cli_check(struct cli *cli)
{
    struct report report = {0};
    int code;
    struct ruleset *set = cli_load_rules(cli, cli->arg_count ? cli->args[0] : NULL, &report, &code);
    if (cli->strict)
        take_warnings_for_errors(&report);
    if (cli->json)
        check_json(&report, set);
    else
        check_people(cli, &report, set);
    if (set)
        code = report.errors ? EXIT_BROKEN_RULES : EXIT_OK;
    ruleset_unref(set);
    report_free(&report);
    return code;
}
