#include "base/log.h"

#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/hash.h"

#define LOG_LINES_PER_SECOND 20
#define LOG_NAMES            512 /* distinct event names that are limited each on its own */

static atomic_int level_now = LOG_INFO;

/* What one event name has written in the current second. Names that do not fit share the slot they hash to.
 */
static struct {
    uint64_t name;
    int64_t second;
    unsigned lines;
    uint64_t suppressed;
} names[LOG_NAMES];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static const char *const level_names[] = {"debug", "info", "warn", "error", "off"};

void log_level_set(enum log_level level)
{
    atomic_store_explicit(&level_now, (int)level, memory_order_relaxed);
}

bool log_level_named(struct str name, enum log_level *level)
{
    for (int i = LOG_DEBUG; i <= LOG_OFF; i++) {
        if (!str_is(name, level_names[i]))
            continue;
        *level = (enum log_level)i;
        return true;
    }
    return false;
}

static size_t slot_of(uint64_t name)
{
    for (size_t i = 0; i < 16; i++) {
        size_t slot = (name + i) % LOG_NAMES;
        if (names[slot].name == name || names[slot].name == 0)
            return slot;
    }
    return name % LOG_NAMES;
}

/* False when the second is full; else *suppressed is what was left out before. */
static bool may_write(const char *event, uint64_t *suppressed)
{
    uint64_t name = hash_fast(str_from(event), 0) | 1;
    int64_t second = clock_monotonic() / NS_PER_S;
    pthread_mutex_lock(&lock);
    size_t slot = slot_of(name);
    names[slot].name = name;
    if (names[slot].second != second) {
        names[slot].second = second;
        names[slot].lines = 0;
    }
    bool allowed = names[slot].lines < LOG_LINES_PER_SECOND;
    if (allowed) {
        names[slot].lines++;
        *suppressed = names[slot].suppressed;
        names[slot].suppressed = 0;
    } else {
        names[slot].suppressed++;
    }
    pthread_mutex_unlock(&lock);
    return allowed;
}

static void put_field(struct buf *line, const struct log_field *field)
{
    switch (field->type) {
    case LOG_FIELD_STR:
        buf_json_kstr(line, field->name, field->text);
        break;
    case LOG_FIELD_INT:
        buf_json_kint(line, field->name, field->number);
        break;
    case LOG_FIELD_DOUBLE:
        buf_json_kdouble(line, field->name, field->real);
        break;
    case LOG_FIELD_BOOL:
        buf_json_kbool(line, field->name, field->number != 0);
        break;
    }
}

void log_write(enum log_level level, const char *event, const struct log_field *fields, size_t count)
{
    uint64_t suppressed = 0;
    if ((int)level < atomic_load_explicit(&level_now, memory_order_relaxed) || level >= LOG_OFF ||
        !may_write(event, &suppressed))
        return;
    struct buf line = BUF_EMPTY;
    buf_putc(&line, '{');
    buf_json_ktime(&line, "time", clock_now(&clock_real));
    buf_json_kstr(&line, "level", str_from(level_names[level]));
    buf_json_kstr(&line, "event", str_from(event));
    for (size_t i = 0; i < count; i++)
        put_field(&line, &fields[i]);
    if (suppressed)
        buf_json_kuint(&line, "suppressed", suppressed);
    buf_puts(&line, "}\n");
    ssize_t written = write(STDERR_FILENO, line.ptr, line.len);
    (void)written; /* where the log cannot be written there is nobody to tell */
    buf_free(&line);
}
