/* lunette: one binary, a few commands. */
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/cli.h"
#include "app/serve.h"
#include "app/settings.h"

extern char **environ;

static const struct {
    const char *name;
    int (*run)(struct cli *cli);
    const char *help;
} commands[] = {
    {"check", cli_check, "check [PATH]              read the rules and say what is wrong with them"},
    {"test", cli_test, "test [PATH] [--only ID]   run the tests that rules and sources carry"},
    {"replay", cli_replay, "replay EVENTS.ndjson      recorded events through the rules, without a server"},
    {"explain", cli_explain, "explain RULE EVENT.json   why a rule matches an event, or not"},
    {"send", cli_send, "send EVENTS.ndjson        send events to a running server"},
    {"bench", cli_bench, "bench EVENTS.ndjson       how fast the engine judges events here"},
    {"backup", cli_backup, "backup FILE               copy the threats of a data folder"},
};
#define COMMANDS (sizeof(commands) / sizeof(commands[0]))

static int usage(FILE *to, int code)
{
    fprintf(to, "lunette %s\n\nusage: lunette COMMAND [OPTIONS]\n\n", LUNETTE_VERSION);
    fprintf(to, "  serve                     take events in, judge them, serve API and WebSocket\n");
    for (size_t i = 0; i < COMMANDS; i++)
        fprintf(to, "  %s\n", commands[i].help);
    fprintf(to, "\nlunette COMMAND --help lists the options.\n"
                "Exit codes: 0 ok, 1 an expectation failed, 2 the rules are broken, 3 bad input or usage.\n");
    return code;
}

/* --help and --help-markdown, before options are read. */
static int wants_help(int argc, char **argv, const struct config_option *table, size_t count)
{
    for (int i = 0; i < argc; i++) {
        struct buf out = BUF_EMPTY;
        if (strcmp(argv[i], "--help") == 0)
            config_help(table, count, &out);
        else if (strcmp(argv[i], "--help-markdown") == 0)
            config_markdown(table, count, &out);
        else
            continue;
        fwrite(out.ptr, 1, out.len, stdout);
        buf_free(&out);
        return 1;
    }
    return 0;
}

static int bad_usage(const char *command, const struct err *err)
{
    fprintf(stderr, "lunette %s: %s\n", command, err_text(err));
    return EXIT_USAGE;
}

static int run_serve(int argc, char **argv)
{
    struct settings settings = {0};
    struct err err = {0};
    int rest_count = 0;
    if (wants_help(argc, argv, settings_table, settings_count))
        return EXIT_OK;
    char **rest = mem_zalloc((size_t)argc + 1, sizeof(*rest));
    int rc = config_load(settings_table, settings_count, &settings, argc, argv, environ, rest, &rest_count,
                         &err);
    if (rc == 0 && rest_count)
        rc = err_set(&err, ERR_INVALID, "serve takes no arguments; got \"%s\"", rest[0]);
    rc = rc == 0 ? serve(&settings) : bad_usage("serve", &err);
    config_release(settings_table, settings_count, &settings);
    free(rest);
    return rc;
}

static int run_command(size_t which, int argc, char **argv)
{
    struct cli cli = {0};
    struct err err = {0};
    int rest_count = 0;
    if (wants_help(argc, argv, cli_options, cli_option_count))
        return EXIT_OK;
    char **rest = mem_zalloc((size_t)argc + 1, sizeof(*rest));
    int rc = config_load(cli_options, cli_option_count, &cli, argc, argv, environ, rest, &rest_count, &err);
    cli.args = rest;
    cli.arg_count = rest_count;
    rc = rc == 0 ? commands[which].run(&cli) : bad_usage(commands[which].name, &err);
    config_release(cli_options, cli_option_count, &cli);
    free(rest);
    return rc;
}

/* A batch's memory comes and goes thousands of times a second: giving it back to the kernel each time costs a
 * tenth of all time. */
#define TRIM_ABOVE (64 << 20)

int main(int argc, char **argv)
{
    mallopt(M_TRIM_THRESHOLD, TRIM_ABOVE);
    mallopt(M_MMAP_THRESHOLD, TRIM_ABOVE / 2);
    if (argc < 2)
        return usage(stderr, EXIT_USAGE);
    if (strcmp(argv[1], "serve") == 0)
        return run_serve(argc - 2, argv + 2);
    for (size_t i = 0; i < COMMANDS; i++)
        if (strcmp(argv[1], commands[i].name) == 0)
            return run_command(i, argc - 2, argv + 2);
    if (strcmp(argv[1], "--version") == 0) {
        printf("lunette %s\n", LUNETTE_VERSION);
        return EXIT_OK;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "help") == 0)
        return usage(stdout, EXIT_OK);
    fprintf(stderr, "lunette: no command is called \"%s\"\n\n", argv[1]);
    return usage(stderr, EXIT_USAGE);
}
