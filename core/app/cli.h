/* The commands besides serve. Each gets its own options and arguments, writes to standard output what was
 * asked for and to standard error what went wrong, and returns the exit code. */
#ifndef LUNETTE_APP_CLI_H
#define LUNETTE_APP_CLI_H

#include "base/config.h"

#define EXIT_OK           0
#define EXIT_EXPECTATION  1 /* a test or comparison failed */
#define EXIT_BROKEN_RULES 2
#define EXIT_USAGE        3 /* bad input or usage */

struct cli {
    char *rules, *plugins, *data;
    char *only, *source, *url, *token_file;
    int64_t batch, events;
    bool json, junit, strict;
    char **args; /* what is not an option */
    int arg_count;
};

extern const struct config_option cli_options[];
extern const size_t cli_option_count;

struct report;
struct ruleset;
/* The rules of the first argument (a file or folder), else of --rules and --plugins. NULL: EXIT_BROKEN_RULES;
 * the report says why. */
struct ruleset *cli_load_rules(const struct cli *cli, struct report *report);
/* Errors and warnings for people on standard error. */
void cli_print_report(const struct report *report);
/* A whole file, or standard input for "-", at most max bytes. -1 and err. */
struct buf;
int cli_read(const char *path, size_t max, struct buf *out, struct err *err);

int cli_check(struct cli *cli);
int cli_test(struct cli *cli);
int cli_replay(struct cli *cli);
int cli_explain(struct cli *cli);
int cli_send(struct cli *cli);
int cli_bench(struct cli *cli);
int cli_backup(struct cli *cli);

#endif
