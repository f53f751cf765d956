/* A path that `check` and `test` are given: which roots are read for it, and what is of it. */
#ifndef LUNETTE_APP_CLI_PATH_H
#define LUNETTE_APP_CLI_PATH_H

#include "app/cli.h"
#include "base/arena.h"
#include "lua/runtime.h"

struct cli_path {
    struct buf roots; /* of rules, separated by colons */
    bool plugin;      /* it stands in a root of --plugins, which is read anyway */
    struct arena *arena;
    VEC(struct lua_source) modules; /* that a single file requires; in the arena */
};
/* NULL: the roots of --rules. A single file has the lists of those roots, of folders called lists above it
 * and of those beside it, and the modules it requires, below those roots or below a folder above it. */
void cli_path_open(struct cli_path *in, const struct cli *cli, const char *path);
void cli_path_close(struct cli_path *in);
/* Whether a file as messages call it ("rules/detections/x.lua") is the path, or below it. */
bool cli_path_has(const struct cli *cli, const char *path, struct str shown);

#endif
