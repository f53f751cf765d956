#include "base/clock.h"

#include <time.h>

static int64_t read_clock(clockid_t id)
{
    struct timespec t;
    clock_gettime(id, &t);
    return (int64_t)t.tv_sec * NS_PER_S + t.tv_nsec;
}

static int64_t real_now(const struct clock *clock)
{
    (void)clock;
    return read_clock(CLOCK_REALTIME);
}

const struct clock clock_real = {real_now};

static int64_t virtual_now(const struct clock *clock)
{
    return ((const struct clock_virtual *)clock)->now_ns;
}

void clock_virtual_init(struct clock_virtual *v, int64_t now_ns)
{
    v->clock.now = virtual_now;
    v->now_ns = now_ns;
}

int64_t clock_monotonic(void)
{
    return read_clock(CLOCK_MONOTONIC);
}

int64_t clock_thread_cpu(void)
{
    return read_clock(CLOCK_THREAD_CPUTIME_ID);
}

static int64_t unit_ns(struct str unit)
{
    static const struct {
        const char *name;
        int64_t ns;
    } units[] = {{"ms", NS_PER_MS},        {"s", NS_PER_S},
                 {"m", 60 * NS_PER_S},     {"h", 3600 * NS_PER_S},
                 {"d", 86400 * NS_PER_S},  {"w", 7 * 86400 * NS_PER_S},
                 {"us", NS_PER_MS / 1000}, {"ns", 1}};
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++)
        if (str_is(unit, units[i].name))
            return units[i].ns;
    return 0;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* One "10m" at *at: its length in ns, or -1. */
static int64_t duration_part(struct str text, size_t *at, int64_t most)
{
    size_t begin = *at;
    int64_t number = 0;
    for (; *at < text.len && is_digit(text.ptr[*at]) && number <= most; ++*at)
        number = number * 10 + (text.ptr[*at] - '0');
    if (*at == begin)
        return -1;
    size_t unit = *at;
    while (*at < text.len && !is_digit(text.ptr[*at]))
        ++*at;
    int64_t scale = unit_ns((struct str){text.ptr + unit, *at - unit});
    return scale && number <= most / scale ? number * scale : -1;
}

int duration_parse(struct str text, int64_t *ns, struct err *err)
{
    const int64_t most = 3653 * 86400 * NS_PER_S;
    int64_t sum = 0;
    size_t at = 0;
    do {
        int64_t part = duration_part(text, &at, most);
        if (part < 0 || part > most - sum)
            return err_set(err, ERR_INVALID,
                           "expected a duration such as \"30s\", \"10m\" or \"1h30m\" of at most ten years, "
                           "not \"%.*s\"",
                           (int)(text.len < 40 ? text.len : 40), text.ptr ? text.ptr : "");
        sum += part;
    } while (at < text.len);
    *ns = sum;
    return 0;
}
