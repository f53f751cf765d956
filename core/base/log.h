/* JSON log lines on stderr: {"time","level","event",...fields}. One of the two globals. A line holds ids and
 * numbers, never an event's values or a customer's name. Any thread; a line is one write. Per `event` name at
 * most 20 lines a second; what was left out is counted on the next line as "suppressed". */
#ifndef LUNETTE_BASE_LOG_H
#define LUNETTE_BASE_LOG_H

#include <stdint.h>

#include "base/err.h"
#include "base/str.h"

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR, LOG_OFF };

struct log_field {
    const char *name;
    enum { LOG_FIELD_STR, LOG_FIELD_INT, LOG_FIELD_DOUBLE, LOG_FIELD_BOOL } type;
    struct str text;
    int64_t number;
    double real;
};

#define log_str(n, v)    ((struct log_field){.name = (n), .type = LOG_FIELD_STR, .text = (v)})
#define log_text(n, v)   ((struct log_field){.name = (n), .type = LOG_FIELD_STR, .text = str_from(v)})
#define log_int(n, v)    ((struct log_field){.name = (n), .type = LOG_FIELD_INT, .number = (int64_t)(v)})
#define log_double(n, v) ((struct log_field){.name = (n), .type = LOG_FIELD_DOUBLE, .real = (v)})
#define log_bool(n, v)   ((struct log_field){.name = (n), .type = LOG_FIELD_BOOL, .number = (v)})

void log_level_set(enum log_level level);
bool log_level_named(struct str name, enum log_level *level); /* debug info warn error off */
void log_write(enum log_level level, const char *event, const struct log_field *fields, size_t count);
/* LOG(LOG_INFO, "reload.done", log_int("rules", n), log_text("hash", h)); `event` is dotted, lower case,
 * constant. */
#define LOG(level, event, ...)                                                                               \
    log_write(level, event, (struct log_field[]){{0}, ##__VA_ARGS__} + 1,                                    \
              sizeof((struct log_field[]){{0}, ##__VA_ARGS__}) / sizeof(struct log_field) - 1)
#define LOG_ERR(level, event, e) LOG(level, event, log_text("error", err_text(e)))

#endif
