/* A circuit breaker: stops asking a model that does not answer. Pure: the caller passes the time (any clock
 * that does not go back). One owner. Closed until `threshold` outages in a row; then open for `open_ns`, when
 * nothing is admitted; then half-open, when exactly one probe is: its success closes, its failure opens for
 * twice as long, up to `open_max_ns`. */
#ifndef LUNETTE_AI_BREAKER_H
#define LUNETTE_AI_BREAKER_H

#include <stdbool.h>
#include <stdint.h>

enum breaker_state { BREAKER_CLOSED, BREAKER_OPEN, BREAKER_HALF_OPEN };
const char *breaker_state_name(enum breaker_state state); /* "closed", "open", "half_open" */

struct breaker {
    unsigned threshold;           /* 5 */
    int64_t open_ns, open_max_ns; /* 30 s, 5 min */
    unsigned failures;            /* in a row */
    int64_t wait_ns;              /* how long it opens next */
    int64_t until_ns;             /* open until then */
    bool is_open, probing;
    uint64_t opened; /* times, for metrics */
};

void breaker_init(struct breaker *breaker, unsigned threshold, int64_t open_ns,
                  int64_t open_max_ns); /* 0: default */
enum breaker_state breaker_state(const struct breaker *breaker, int64_t now_ns);
/* Whether a request may go now; true in half-open takes the probe, so each true must be followed by exactly
 * one breaker_success, breaker_failure or breaker_abandoned. */
bool breaker_admits(struct breaker *breaker, int64_t now_ns);
void breaker_success(struct breaker *breaker);
/* A failure of a request that began before it opened changes nothing while it is open. */
void breaker_failure(struct breaker *breaker, int64_t now_ns);
void breaker_abandoned(struct breaker *breaker); /* cancelled, says nothing: the probe is free again */
/* When it is worth asking again: now_ns where it admits, else the end of the wait; while a probe is out, one
 * second on. */
int64_t breaker_retry_at(const struct breaker *breaker, int64_t now_ns);

#endif
