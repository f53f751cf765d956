/* The commands besides serve. Each gets its own options and arguments, writes to standard output what was
 * asked for and to standard error what went wrong, and returns the exit code. */
#ifndef LUNETTE_APP_CLI_H
#define LUNETTE_APP_CLI_H

#include <stdio.h>

#include "base/config.h"
#include "base/vec.h"

#define EXIT_OK           0
#define EXIT_EXPECTATION  1 /* a test or comparison failed; some of the records were rejected */
#define EXIT_BROKEN_RULES 2
#define EXIT_USAGE        3 /* bad input or usage */

struct cli {
    char *rules, *plugins, *data;
    char *only, *source, *url, *token_file;
    int64_t batch, events;
    bool json, junit, strict, force;
    char **args; /* what is not an option: as many as the command takes */
    int arg_count;
};

/* Of all commands; each knows those that its line names. What a command does not know stays zero. */
extern const struct config_option cli_options[];
extern const size_t cli_option_count;

/* One command: its name, how it is called, what it does, its options (names separated by spaces) and how many
 * arguments it takes. */
struct cli_command {
    const char *name, *arguments, *help, *options;
    int (*run)(struct cli *cli);
    int args_min, args_max;
};
extern const struct cli_command cli_commands[];
extern const size_t cli_command_count;
/* Reads the arguments behind the command's name, answers --help, and runs it. The exit code. */
int cli_run(const struct cli_command *command, int argc, char **argv, char **env);

const char *cli_plural(size_t n); /* "s", or "" for one */

struct report;
struct ruleset;
/* The rules of `path` (a file, with the lists of the usual roots and of those beside it; or a folder); NULL:
 * of --rules. With --plugins. NULL: the report says why, *code is the exit code: EXIT_USAGE where there is
 * nothing to read. */
struct ruleset *cli_load_rules(const struct cli *cli, const char *path, struct report *report, int *code);
/* Errors and warnings for people on standard error. */
void cli_print_report(const struct report *report);

/* A whole file, or standard input for "-", at most max bytes; of a .gz what is in it. -1 and err. */
struct buf;
int cli_read(const char *path, size_t max, struct buf *out, struct err *err);
/* The same line by line; what is in a .gz is held in memory. Close it after a failure too. */
struct cli_input {
    FILE *file;
    struct buf text;
};
int cli_input_open(struct cli_input *input, const char *path, struct err *err);
void cli_input_close(struct cli_input *input);

/* A batch of lines: those that hold something, and where in the input each of them stands (from 1). Starts
 * zeroed; the text may be taken out of it. */
struct cli_lines {
    struct buf text;
    VEC(uint64_t) numbers;
    uint64_t read; /* lines of the input so far */
};
/* Replaces what it holds by the next lines, at most `count` and about `size` bytes. False: there is none. */
bool cli_lines_next(struct cli_lines *lines, FILE *file, size_t count, size_t size);
void cli_lines_free(struct cli_lines *lines);
/* The exit code of what took records in: EXIT_EXPECTATION where some of them were rejected, EXIT_USAGE where
 * all were. */
int cli_records_code(uint64_t accepted, uint64_t rejected);

#define CLI_REASONS_MAX 10 /* rejected records that are told one by one */

int cli_check(struct cli *cli);
int cli_test(struct cli *cli);
int cli_replay(struct cli *cli);
int cli_explain(struct cli *cli);
int cli_send(struct cli *cli);
int cli_bench(struct cli *cli);
int cli_backup(struct cli *cli);

#endif
