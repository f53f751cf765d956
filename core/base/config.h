/* Configuration: one declarative table drives --flags, LUNETTE_* variables, --help and the reference page. A
 * flag wins over its variable, that over the default. Read once by the control thread; then immutable. */
#ifndef LUNETTE_BASE_CONFIG_H
#define LUNETTE_BASE_CONFIG_H

#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

enum config_type {
    CONFIG_STRING,
    CONFIG_INT,
    CONFIG_BOOL,
    CONFIG_SIZE /* 1KiB 64MiB 1GiB */,
    CONFIG_DURATION,
    CONFIG_ENUM
};

struct config_option {
    const char *name; /* "retain-events": flag --retain-events, variable LUNETTE_RETAIN_EVENTS */
    enum config_type type;
    const char *fallback; /* the default, as text; never NULL */
    int64_t min, max;     /* INT, SIZE (bytes), DURATION (ns) */
    const char *choices;  /* ENUM: "dry-run|live" */
    bool secret;          /* never shown */
    bool reloadable;
    const char *group; /* heading in --help and in the page */
    const char *help;  /* one sentence */
    size_t offset;     /* into the struct: char*, int64_t or bool; ENUM is int64_t, the index of the choice */
};

/* "64KiB", "8MiB", "1GiB", "2TiB", "512B" or plain bytes. ERR_INVALID for anything else. */
int config_size_parse(struct str text, int64_t *bytes, struct err *err);

/* Fills *config, which is zeroed before, from defaults, environment (`environ` style) and arguments (without
 * the program's name): --name value, --name=value, for booleans --name or --name=false. Arguments that are
 * not options, and all behind "--", are kept in order in `rest` (*rest_count, at most argc). Unknown flags
 * (ERR_INVALID) name the nearest; bad values (ERR_INVALID) say where they came from. What is in *config is
 * freed by config_release, after a failure too. */
int config_load(const struct config_option *table, size_t count, void *config, int argc, char **argv,
                char **env, char **rest, int *rest_count, struct err *err);
void config_release(const struct config_option *table, size_t count, void *config);
void config_help(const struct config_option *table, size_t count, struct buf *out); /* for --help */
void config_markdown(const struct config_option *table, size_t count,
                     struct buf *out); /* for docs/configuration.md */
/* The effective values, one JSON object, secrets as "***". */
void config_json(const struct config_option *table, size_t count, const void *config, struct buf *out);

#endif
