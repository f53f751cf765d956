#include "base/config_values.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdlib.h>

#include "base/clock.h"

static int parse_int(struct str text, int64_t *value)
{
    char copy[24], *end;
    if (text.len == 0 || text.len >= sizeof(copy))
        return -1;
    memcpy(copy, text.ptr, text.len);
    copy[text.len] = 0;
    if (!isdigit((unsigned char)copy[0]) && copy[0] != '-')
        return -1;
    *value = strtoll(copy, &end, 10);
    return *end ? -1 : 0;
}

int config_size_parse(struct str text, int64_t *bytes, struct err *err)
{
    static const struct {
        const char *name;
        int64_t scale;
    } units[] = {{"KiB", INT64_C(1) << 10},
                 {"MiB", INT64_C(1) << 20},
                 {"GiB", INT64_C(1) << 30},
                 {"TiB", INT64_C(1) << 40},
                 {"B", 1}};
    struct str digits = text;
    int64_t scale = 1, number;
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        if (!str_ends(text, str_from(units[i].name)))
            continue;
        digits.len -= strlen(units[i].name);
        scale = units[i].scale;
        break;
    }
    if (parse_int(digits, &number) != 0 || number < 0 || number > INT64_MAX / scale)
        return err_set(err, ERR_INVALID, "expected a size such as \"64KiB\" or \"1GiB\", not \"%.*s\"",
                       STR_ARG(text));
    *bytes = number * scale;
    return 0;
}

/* The index of the choice, or -1. */
static int64_t choice_index(const char *choices, struct str text)
{
    for (int64_t index = 0;; index++) {
        size_t len = strcspn(choices, "|");
        if (str_equal(text, (struct str){choices, len}))
            return index;
        if (!choices[len])
            return -1;
        choices += len + 1;
    }
}

static struct str choice_at(const char *choices, int64_t index)
{
    for (;; index--) {
        size_t len = strcspn(choices, "|");
        if (index <= 0 || !choices[len])
            return (struct str){choices, len};
        choices += len + 1;
    }
}

static int parse_number(const struct config_option *option, struct str text, int64_t *value, struct err *err)
{
    switch (option->type) {
    case CONFIG_SIZE:
        return config_size_parse(text, value, err);
    case CONFIG_DURATION:
        return duration_parse(text, value, err);
    case CONFIG_ENUM:
        *value = choice_index(option->choices, text);
        if (*value < 0)
            return err_set(err, ERR_INVALID, "expected one of %s, not \"%.*s\"", option->choices,
                           STR_ARG(text));
        return 0;
    default:
        if (parse_int(text, value) != 0)
            return err_set(err, ERR_INVALID, "expected an integer, not \"%.*s\"", STR_ARG(text));
        return 0;
    }
}

void config_number_put(const struct config_option *option, int64_t value, struct buf *out)
{
    static const struct {
        const char *name;
        int64_t scale;
    } durations[] = {{"d", 86400 * NS_PER_S}, {"h", 3600 * NS_PER_S}, {"m", 60 * NS_PER_S},
                     {"s", NS_PER_S},         {"ms", NS_PER_MS},      {"ns", 1}},
      sizes[] = {{"TiB", INT64_C(1) << 40},
                 {"GiB", INT64_C(1) << 30},
                 {"MiB", INT64_C(1) << 20},
                 {"KiB", INT64_C(1) << 10},
                 {"B", 1}};
    if (option->type == CONFIG_ENUM) {
        buf_put(out, choice_at(option->choices, value));
        return;
    }
    for (size_t i = 0; option->type == CONFIG_DURATION && i < sizeof(durations) / sizeof(durations[0]); i++) {
        if (value % durations[i].scale || (value == 0 && durations[i].scale != NS_PER_S))
            continue;
        buf_printf(out, "%" PRId64 "%s", value / durations[i].scale, durations[i].name);
        return;
    }
    for (size_t i = 0; option->type == CONFIG_SIZE && i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        if (value % sizes[i].scale || (value == 0 && sizes[i].scale != 1))
            continue;
        buf_printf(out, "%" PRId64 "%s", value / sizes[i].scale, sizes[i].name);
        return;
    }
    buf_printf(out, "%" PRId64, value);
}

static int check_range(const struct config_option *option, int64_t value, struct err *err)
{
    if (option->type == CONFIG_ENUM || (value >= option->min && value <= option->max))
        return 0;
    struct buf text = BUF_EMPTY;
    config_number_put(option, option->min, &text);
    buf_puts(&text, " to ");
    config_number_put(option, option->max, &text);
    buf_puts(&text, ", not ");
    config_number_put(option, value, &text);
    err_set(err, ERR_INVALID, "expected %s", text.ptr);
    buf_free(&text);
    return -1;
}

static int parse_bool(struct str text, bool *value, struct err *err)
{
    static const char *const words[] = {"false", "true", "0", "1", "no", "yes", "off", "on"};
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (!str_is(text, words[i]))
            continue;
        *value = i % 2;
        return 0;
    }
    return err_set(err, ERR_INVALID, "expected true or false, not \"%.*s\"", STR_ARG(text));
}

int config_value_set(const struct config_option *option, void *config, struct str text, struct err *err)
{
    char *place = (char *)config + option->offset;
    if (option->type == CONFIG_STRING) {
        free(*(char **)(void *)place);
        *(char **)(void *)place = mem_dup(text.ptr, text.len);
        return 0;
    }
    if (option->type == CONFIG_BOOL)
        return parse_bool(text, (bool *)(void *)place, err);
    int64_t value = 0;
    if (parse_number(option, text, &value, err) != 0 || check_range(option, value, err) != 0)
        return -1;
    *(int64_t *)(void *)place = value;
    return 0;
}

void config_value_put(const struct config_option *option, const void *config, struct buf *out)
{
    const char *place = (const char *)config + option->offset;
    if (option->type == CONFIG_STRING) {
        const char *text = *(char *const *)(const void *)place;
        buf_puts(out, text ? text : "");
    } else if (option->type == CONFIG_BOOL) {
        buf_puts(out, *(const bool *)(const void *)place ? "true" : "false");
    } else {
        config_number_put(option, *(const int64_t *)(const void *)place, out);
    }
}
