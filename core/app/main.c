/* lunette: one binary, a few commands. */
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/cli.h"
#include "app/serve.h"
#include "app/settings.h"

#define SERVE_USAGE "usage: lunette serve [OPTIONS]\n"
#define SERVE_HELP  "take events in, judge them, serve API and WebSocket"

extern char **environ;

static int usage(FILE *to, int code)
{
    fprintf(to, "lunette %s\n\nusage: lunette COMMAND [OPTIONS]\n\n", LUNETTE_VERSION);
    fprintf(to, "  %-28s %s\n", "serve", SERVE_HELP);
    for (size_t i = 0; i < cli_command_count; i++) {
        const struct cli_command *command = &cli_commands[i];
        int width = fprintf(to, "  %s %s", command->name, command->arguments);
        fprintf(to, "%*s%s\n", width < 31 ? 31 - width : 1, "", command->help);
    }
    fprintf(
        to,
        "\nlunette COMMAND --help lists the options.\n"
        "Exit codes: 0 ok, 1 an expectation failed or some records were rejected, 2 the rules are broken,\n"
        "3 bad input or usage.\n");
    return code;
}

/* --help and --help-markdown, before options are read. */
static bool wants_help(int argc, char **argv)
{
    for (int i = 0; i < argc; i++) {
        struct buf out = BUF_EMPTY;
        if (strcmp(argv[i], "--help") == 0) {
            buf_puts(&out, SERVE_USAGE "\nlunette serve: " SERVE_HELP ".\n\n");
            config_help(settings_table, settings_count, &out);
        } else if (strcmp(argv[i], "--help-markdown") == 0)
            config_markdown(settings_table, settings_count, &out);
        else
            continue;
        fwrite(out.ptr, 1, out.len, stdout);
        buf_free(&out);
        return true;
    }
    return false;
}

static int run_serve(int argc, char **argv)
{
    struct settings settings = {0};
    struct err err = {0};
    int rest_count = 0;
    if (wants_help(argc, argv))
        return EXIT_OK;
    char **rest = mem_zalloc((size_t)argc + 1, sizeof(*rest));
    int rc = config_load(settings_table, settings_count, &settings, argc, argv, environ, rest, &rest_count,
                         &err);
    if (rc == 0 && rest_count)
        rc = err_set(&err, ERR_INVALID, "serve takes no arguments; got \"%s\"", rest[0]);
    if (rc == 0) {
        rc = serve(&settings);
    } else {
        fprintf(stderr, "lunette serve: %s\n" SERVE_USAGE "lunette serve --help lists the options.\n",
                err_text(&err));
        rc = EXIT_USAGE;
    }
    config_release(settings_table, settings_count, &settings);
    free(rest);
    return rc;
}

static bool is_word(const char *text)
{
    return strcmp(text, "--version") == 0 || strcmp(text, "--help") == 0 || strcmp(text, "help") == 0;
}

/* A batch's memory comes and goes thousands of times a second: giving it back to the kernel each time costs a
 * tenth of all time. Keeping all of it is no better: each worker has a heap of its own, of 64 MiB at most,
 * and only this threshold gives back its free end (malloc_trim leaves it): each would hold for ever what its
 * largest burst needed. */
#define TRIM_ABOVE (16 << 20)
#define MAP_ABOVE  (32 << 20) /* the most that the allocator accepts: no batch is mapped by itself */

int main(int argc, char **argv)
{
    mallopt(M_TRIM_THRESHOLD, TRIM_ABOVE);
    mallopt(M_MMAP_THRESHOLD, MAP_ABOVE);
    if (argc < 2)
        return usage(stderr, EXIT_USAGE);
    if (strcmp(argv[1], "serve") == 0)
        return run_serve(argc - 2, argv + 2);
    for (size_t i = 0; i < cli_command_count; i++)
        if (strcmp(argv[1], cli_commands[i].name) == 0)
            return cli_run(&cli_commands[i], argc - 2, argv + 2, environ);
    if (argc > 2 && is_word(argv[1])) {
        fprintf(stderr, "lunette %s takes no arguments; got \"%s\"\n\n", argv[1], argv[2]);
        return usage(stderr, EXIT_USAGE);
    }
    if (strcmp(argv[1], "--version") == 0) {
        printf("lunette %s\n", LUNETTE_VERSION);
        return EXIT_OK;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "help") == 0)
        return usage(stdout, EXIT_OK);
    fprintf(stderr, "lunette: no command is called \"%s\"\n\n", argv[1]);
    return usage(stderr, EXIT_USAGE);
}
