#include "base/config_values.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/err.h"

static bool is_group_start(const struct config_option *table, size_t i)
{
    return i == 0 || strcmp(table[i].group, table[i - 1].group) != 0;
}

static const char *type_word(const struct config_option *option)
{
    switch (option->type) {
    case CONFIG_STRING:
        return "text";
    case CONFIG_INT:
        return "number";
    case CONFIG_BOOL:
        return "true|false";
    case CONFIG_SIZE:
        return "size";
    case CONFIG_DURATION:
        return "duration";
    case CONFIG_ENUM:
        return option->choices;
    }
    return "";
}

void config_help(const struct config_option *table, size_t count, struct buf *out)
{
    for (size_t i = 0; i < count; i++) {
        const struct config_option *option = &table[i];
        if (is_group_start(table, i))
            buf_printf(out, "%s%s\n", i ? "\n" : "", option->group);
        char flag[96];
        snprintf(flag, sizeof(flag), "--%s <%s>", option->name, type_word(option));
        buf_printf(out, "  %-36s %s", flag, option->help);
        if (option->fallback[0])
            buf_printf(out, " (default %s)", option->fallback);
        buf_putc(out, '\n');
    }
}

static void put_range(const struct config_option *option, struct buf *out)
{
    if (option->type != CONFIG_INT && option->type != CONFIG_SIZE && option->type != CONFIG_DURATION) {
        for (const char *c = type_word(option); *c; c++)
            buf_puts(out, *c == '|' ? ", " : (char[]){*c, 0});
        return;
    }
    config_number_put(option, option->min, out);
    buf_puts(out, " to ");
    config_number_put(option, option->max, out);
}

void config_markdown(const struct config_option *table, size_t count, struct buf *out)
{
    for (size_t i = 0; i < count; i++) {
        const struct config_option *option = &table[i];
        if (is_group_start(table, i))
            buf_printf(out,
                       "%s## %s\n\n| flag | variable | default | values | reloadable | meaning |\n"
                       "|---|---|---|---|---|---|\n",
                       i ? "\n" : "", option->group);
        char variable[CONFIG_VARIABLE_MAX];
        config_variable(option, variable);
        buf_printf(out, "| `--%s` | `%s` | ", option->name, variable);
        if (option->fallback[0])
            buf_printf(out, "`%s`", option->fallback);
        buf_puts(out, " | ");
        put_range(option, out);
        buf_printf(out, " | %s | %s |\n", option->reloadable ? "yes" : "no", option->help);
    }
}

static void put_json_value(const struct config_option *option, const void *config, struct buf *out)
{
    struct buf text = BUF_EMPTY;
    config_value_put(option, config, &text);
    buf_json_key(out, option->name);
    if (option->type == CONFIG_INT || option->type == CONFIG_BOOL)
        buf_put(out, buf_str(&text));
    else if (option->secret && text.len)
        buf_json_string(out, STR("***"));
    else
        buf_json_string(out, buf_str(&text));
    buf_free(&text);
}

void config_json(const struct config_option *table, size_t count, const void *config, struct buf *out)
{
    buf_putc(out, '{');
    for (size_t i = 0; i < count; i++)
        put_json_value(&table[i], config, out);
    buf_putc(out, '}');
}
