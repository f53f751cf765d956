/* Time. All times are int64_t nanoseconds since 1970-01-01T00:00:00Z unless a name says otherwise; durations
 * too. A clock is a struct of callbacks, so that tests and replay run on virtual time. Any thread. */
#ifndef LUNETTE_BASE_CLOCK_H
#define LUNETTE_BASE_CLOCK_H

#include <stdint.h>

#include "base/err.h"
#include "base/str.h"

#define NS_PER_MS INT64_C(1000000)
#define NS_PER_S  INT64_C(1000000000)

struct clock {
    int64_t (*now)(const struct clock *clock); /* wall time, ns */
};

extern const struct clock clock_real;

struct clock_virtual {
    struct clock clock; /* first: cast-free use as &v.clock */
    int64_t now_ns;
};
void clock_virtual_init(struct clock_virtual *v, int64_t now_ns);

static inline int64_t clock_now(const struct clock *clock)
{
    return clock->now(clock);
}
int64_t clock_monotonic(void);  /* ns, never goes back */
int64_t clock_thread_cpu(void); /* ns of CPU this thread has used */

/* "10m", "1h", "30s", "500ms", "7d", "1h30m": ns. Empty, negative or over 10 years is ERR_INVALID. */
int duration_parse(struct str text, int64_t *ns, struct err *err);

enum time_format {
    TIME_RFC3339, /* 2026-01-02T03:04:05(.fraction)(Z|±hh:mm); a space for T, and a missing zone (UTC), are
                     accepted */
    TIME_UNIX_S,  /* number or text, fractions allowed */
    TIME_UNIX_MS,
    TIME_UNIX_US,
    TIME_UNIX_NS,
    TIME_ANY, /* RFC 3339, else unix by magnitude */
};
/* False for an unknown name: "rfc3339", "unix", "unix_ms", "unix_us", "unix_ns", "any". */
bool time_format_named(struct str name, enum time_format *format);
/* Years 1678 to 2262. False when the text is not a time. */
bool time_parse(struct str text, enum time_format format, int64_t *ns);
/* RFC 3339 UTC with milliseconds and Z; `out` holds at least 32 bytes. Returns the length (24). */
size_t time_print(int64_t ns, char *out);

#endif
