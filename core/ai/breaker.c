#include "ai/breaker.h"

#include "base/clock.h"

#define PROBE_LOOK_NS NS_PER_S /* how soon to ask again while a probe is out */

const char *breaker_state_name(enum breaker_state state)
{
    static const char *const names[] = {"closed", "open", "half_open"};
    return names[state];
}

void breaker_init(struct breaker *breaker, unsigned threshold, int64_t open_ns, int64_t open_max_ns)
{
    *breaker = (struct breaker){.threshold = threshold ? threshold : 5,
                                .open_ns = open_ns > 0 ? open_ns : 30 * NS_PER_S,
                                .open_max_ns = open_max_ns > 0 ? open_max_ns : 300 * NS_PER_S};
    if (breaker->open_max_ns < breaker->open_ns)
        breaker->open_max_ns = breaker->open_ns;
    breaker->wait_ns = breaker->open_ns;
}

enum breaker_state breaker_state(const struct breaker *breaker, int64_t now_ns)
{
    if (!breaker->is_open)
        return BREAKER_CLOSED;
    return now_ns < breaker->until_ns ? BREAKER_OPEN : BREAKER_HALF_OPEN;
}

bool breaker_admits(struct breaker *breaker, int64_t now_ns)
{
    enum breaker_state state = breaker_state(breaker, now_ns);
    if (state != BREAKER_HALF_OPEN)
        return state == BREAKER_CLOSED;
    if (breaker->probing)
        return false;
    breaker->probing = true;
    return true;
}

void breaker_success(struct breaker *breaker)
{
    breaker->is_open = breaker->probing = false;
    breaker->failures = 0;
    breaker->wait_ns = breaker->open_ns;
}

static void open_it(struct breaker *breaker, int64_t now_ns)
{
    breaker->is_open = true;
    breaker->probing = false;
    breaker->until_ns = now_ns + breaker->wait_ns;
    breaker->opened++;
    breaker->wait_ns = breaker->wait_ns > breaker->open_max_ns / 2 ? breaker->open_max_ns
                                                                   : breaker->wait_ns * 2;
}

void breaker_failure(struct breaker *breaker, int64_t now_ns)
{
    switch (breaker_state(breaker, now_ns)) {
    case BREAKER_OPEN:
        return;
    case BREAKER_HALF_OPEN:
        if (breaker->probing) /* else a late one, of before it opened */
            open_it(breaker, now_ns);
        return;
    case BREAKER_CLOSED:
        if (++breaker->failures >= breaker->threshold)
            open_it(breaker, now_ns);
        return;
    }
}

void breaker_abandoned(struct breaker *breaker)
{
    breaker->probing = false;
}

int64_t breaker_retry_at(const struct breaker *breaker, int64_t now_ns)
{
    switch (breaker_state(breaker, now_ns)) {
    case BREAKER_OPEN:
        return breaker->until_ns;
    case BREAKER_HALF_OPEN:
        return breaker->probing ? now_ns + PROBE_LOOK_NS : now_ns;
    default:
        return now_ns;
    }
}
