#include "base/config_values.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/text.h"
#include "base/vec.h"

struct loader {
    const struct config_option *table;
    size_t count;
    void *config;
    struct err *err;
};

void config_variable(const struct config_option *option, char out[CONFIG_VARIABLE_MAX])
{
    size_t at = (size_t)snprintf(out, CONFIG_VARIABLE_MAX, "LUNETTE_");
    for (const char *c = option->name; *c && at < CONFIG_VARIABLE_MAX - 1; c++)
        out[at++] = *c == '-' ? '_' : (char)toupper((unsigned char)*c);
    out[at] = 0;
}

static const char *environment(char **env, const char *name)
{
    size_t len = strlen(name);
    for (; env && *env; env++)
        if (strncmp(*env, name, len) == 0 && (*env)[len] == '=')
            return *env + len + 1;
    return NULL;
}

static int load_defaults(const struct loader *loader, char **env)
{
    for (size_t i = 0; i < loader->count; i++) {
        const struct config_option *option = &loader->table[i];
        struct err wrong;
        if (config_value_set(option, loader->config, str_from(option->fallback), &wrong) != 0)
            die("the default of --%s: %s", option->name, wrong.message);
        char name[CONFIG_VARIABLE_MAX];
        config_variable(option, name);
        const char *value = environment(env, name);
        if (value && config_value_set(option, loader->config, str_from(value), loader->err) != 0)
            return err_at(loader->err, "%s", name);
    }
    return 0;
}

static const struct config_option *find_option(const struct loader *loader, struct str name)
{
    for (size_t i = 0; i < loader->count; i++)
        if (str_is(name, loader->table[i].name))
            return &loader->table[i];
    return NULL;
}

static int unknown_flag(const struct loader *loader, struct str name)
{
    VEC(const char *) names = {0};
    for (size_t i = 0; i < loader->count; i++)
        vec_push(&names, loader->table[i].name);
    const char *nearest = text_nearest(name, names.items, names.count);
    vec_free(&names);
    if (nearest)
        return err_set(loader->err, ERR_INVALID, "no such flag: --%.*s; did you mean --%s?", STR_ARG(name),
                       nearest);
    return err_set(loader->err, ERR_INVALID, "no such flag: --%.*s", STR_ARG(name));
}

/* The value of a flag: behind '=', or the next argument, which *at then passes over. A boolean takes one only
 * with '=', so that `--demo serve` keeps its subcommand. */
static const char *flag_value(const struct config_option *option, const char *equals, int argc, char **argv,
                              int *at)
{
    if (*equals == '=')
        return equals + 1;
    if (option->type == CONFIG_BOOL)
        return "true";
    return *at + 1 < argc ? argv[++*at] : NULL;
}

static int load_flag(const struct loader *loader, int argc, char **argv, int *at)
{
    const char *flag = argv[*at] + 2;
    struct str name = {flag, strcspn(flag, "=")};
    const struct config_option *option = find_option(loader, name);
    if (!option)
        return unknown_flag(loader, name);
    const char *value = flag_value(option, flag + name.len, argc, argv, at);
    if (!value)
        err_set(loader->err, ERR_INVALID, "expected a value after it");
    else if (config_value_set(option, loader->config, str_from(value), loader->err) == 0)
        return 0;
    return err_at(loader->err, "--%s", option->name);
}

/* long: the one call that brings table, target, arguments and environment together */
int config_load(const struct config_option *table, size_t count, void *config, int argc, char **argv,
                char **env, char **rest, int *rest_count, struct err *err)
{
    struct loader loader = {table, count, config, err};
    bool flags = true;
    *rest_count = 0;
    if (load_defaults(&loader, env) != 0)
        return -1;
    for (int i = 0; i < argc; i++) {
        if (flags && strcmp(argv[i], "--") == 0)
            flags = false;
        else if (!flags || strncmp(argv[i], "--", 2) != 0)
            rest[(*rest_count)++] = argv[i];
        else if (load_flag(&loader, argc, argv, &i) != 0)
            return -1;
    }
    return 0;
}

void config_release(const struct config_option *table, size_t count, void *config)
{
    for (size_t i = 0; i < count; i++) {
        if (table[i].type != CONFIG_STRING)
            continue;
        char **place = (char **)(void *)((char *)config + table[i].offset);
        free(*place);
        *place = NULL;
    }
}
