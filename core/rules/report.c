#include <stdarg.h>
#include <stdio.h>

#include "base/buf.h"
#include "rules/loader.h"

void report_add(struct report *report, enum problem_level level, const char *where, const char *format, ...)
{
    vec_reserve(&report->problems, 1);
    struct problem *problem = &report->problems.items[report->problems.count++];
    problem->level = level;
    snprintf(problem->where, sizeof(problem->where), "%s", where ? where : "");
    va_list args;
    va_start(args, format);
    vsnprintf(problem->message, sizeof(problem->message), format, args);
    va_end(args);
    report->errors += level == PROBLEM_ERROR;
    report->warnings += level == PROBLEM_WARNING;
}

void report_free(struct report *report)
{
    vec_free(&report->problems);
    report->errors = report->warnings = 0;
}

const char *problem_level_name(enum problem_level level)
{
    static const char *const names[] = {"error", "warning", "note"};
    return names[level];
}

void report_json(const struct report *report, struct buf *out)
{
    buf_putc(out, '[');
    for (size_t i = 0; i < report->problems.count; i++) {
        const struct problem *problem = &report->problems.items[i];
        buf_puts(out, i ? ",{" : "{");
        buf_json_kstr(out, "level", str_from(problem_level_name(problem->level)));
        buf_json_kstr(out, "where", str_from(problem->where));
        buf_json_kstr(out, "message", str_from(problem->message));
        buf_putc(out, '}');
    }
    buf_putc(out, ']');
}
