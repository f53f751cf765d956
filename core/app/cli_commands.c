/* The table of commands, and how one is called. */
#include <stdio.h>

#include "app/cli.h"
#include "base/vec.h"

const struct cli_command cli_commands[] = {
    {"check", "[PATH]", "read the rules and say what is wrong with them", "rules plugins strict json",
     cli_check, 0, 1},
    {"test", "[PATH]", "run the tests that rules and sources carry", "rules plugins only json junit",
     cli_test, 0, 1},
    {"replay", "EVENTS.ndjson[.gz]|-", "recorded events through the rules, without a server",
     "rules plugins source json", cli_replay, 1, 1},
    {"explain", "RULE EVENT.json|-", "why a rule matches an event, or not", "rules plugins source json",
     cli_explain, 2, 2},
    {"send", "EVENTS.ndjson[.gz]|-", "send events to a running server", "url source client-token-file batch",
     cli_send, 1, 1},
    {"bench", "EVENTS.ndjson[.gz]|-", "how fast the engine judges events here",
     "rules plugins source events json", cli_bench, 1, 1},
    {"backup", "FILE", "copy the threats of a data folder", "data force", cli_backup, 1, 1},
};
const size_t cli_command_count = sizeof(cli_commands) / sizeof(cli_commands[0]);

/* ---- a command's own options ---- */

struct options {
    VEC(struct config_option) items;
};

static bool is_among(const char *name, const char *names)
{
    size_t len = strlen(name);
    for (const char *at = names; *at; at += strcspn(at, " "), at += *at == ' ')
        if (strncmp(at, name, len) == 0 && (at[len] == ' ' || at[len] == '\0'))
            return true;
    return false;
}

static struct options options_of(const struct cli_command *command)
{
    struct options options = {0};
    for (size_t i = 0; i < cli_option_count; i++)
        if (is_among(cli_options[i].name, command->options))
            vec_push(&options.items, cli_options[i]);
    return options;
}

static void put_usage(const struct cli_command *command, FILE *to)
{
    fprintf(to, "usage: lunette %s [OPTIONS] %s\n", command->name, command->arguments);
}

static bool wants_help(int argc, char **argv)
{
    for (int i = 0; i < argc && strcmp(argv[i], "--") != 0; i++)
        if (strcmp(argv[i], "--help") == 0)
            return true;
    return false;
}

static int help(const struct cli_command *command, const struct options *options)
{
    struct buf out = BUF_EMPTY;
    config_help(options->items.items, options->items.count, &out);
    put_usage(command, stdout);
    printf("\nlunette %s: %s.\n\n%s", command->name, command->help, out.ptr);
    buf_free(&out);
    return EXIT_OK;
}

/* ---- calling ---- */

static int check_arguments(const struct cli_command *command, const struct cli *cli, struct err *err)
{
    if (cli->arg_count < command->args_min)
        return err_set(err, ERR_INVALID, "expected %s", command->arguments);
    if (cli->arg_count > command->args_max)
        return err_set(err, ERR_INVALID, "one argument too many: \"%s\"", cli->args[command->args_max]);
    return 0;
}

int cli_run(const struct cli_command *command, int argc, char **argv, char **env)
{
    struct options options = options_of(command);
    struct cli cli = {0};
    struct err err = {0};
    int rc = EXIT_OK;
    cli.args = mem_zalloc((size_t)argc + 1, sizeof(*cli.args));
    if (wants_help(argc, argv)) {
        rc = help(command, &options);
    } else if (config_load(options.items.items, options.items.count, &cli, argc, argv, env, cli.args,
                           &cli.arg_count, &err) == 0 &&
               check_arguments(command, &cli, &err) == 0) {
        rc = command->run(&cli);
    } else {
        fprintf(stderr, "lunette %s: %s\n", command->name, err_text(&err));
        put_usage(command, stderr);
        rc = EXIT_USAGE;
    }
    config_release(options.items.items, options.items.count, &cli);
    vec_free(&options.items);
    free(cli.args);
    return rc;
}
