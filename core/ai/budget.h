/* What models may cost: tokens and money counted per UTC day, in all and per rule, agent and model, with
 * limits that hold back (the caller queues), never drop. Money is in millionths of the currency's unit. Pure:
 * the caller passes the wall time. One owner; holds at most 10,000 names a kind and day, what is beyond is
 * counted as "(other)". */
#ifndef LUNETTE_AI_BUDGET_H
#define LUNETTE_AI_BUDGET_H

#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"

enum budget_kind { BUDGET_ALL, BUDGET_RULE, BUDGET_AGENT, BUDGET_MODEL, BUDGET_KINDS };
const char *budget_kind_name(enum budget_kind kind); /* "all", "rule", "agent", "model" */

struct budget_limit { /* a day; 0: none */
    int64_t tokens, micros;
};
struct budget_key {
    struct str rule, agent, model;
};
struct budget_use {
    int64_t requests, prompt_tokens, completion_tokens, micros;
};

struct budget;
struct budget *budget_new(void);
void budget_free(struct budget *budget);

/* Settings stay over the days. `name` empty: each of that kind that has no limit of its own (BUDGET_ALL has
 * no names). A limit of a name of {0,0} lifts the general one for it. */
void budget_set_limit(struct budget *budget, enum budget_kind kind, struct str name,
                      struct budget_limit limit);
/* Micros for 1,000 tokens. `model` empty: models that have no price of their own. */
void budget_set_price(struct budget *budget, struct str model, int64_t prompt_micros,
                      int64_t completion_micros);
int64_t budget_price(const struct budget *budget, struct str model, int64_t prompt_tokens,
                     int64_t completion_tokens); /* rounded up; saturates */

/* Whether today's use and reservations leave room: used + reserved + expected <= limit, for tokens and for
 * the money they cost (as completion tokens), of all four. A request that alone is above a limit is admitted
 * when nothing was used yet, or it would wait for ever. False: *which (may be NULL) is the first kind in the
 * way. */
bool budget_admits(struct budget *budget, int64_t now_ns, const struct budget_key *key,
                   int64_t expected_tokens, enum budget_kind *which);
/* Holds `tokens` until released, so that requests that run at once count before they end. */
void budget_reserve(struct budget *budget, int64_t now_ns, const struct budget_key *key, int64_t tokens);
void budget_release(struct budget *budget, int64_t now_ns, const struct budget_key *key, int64_t tokens);
/* Counts one request; returns its price in micros. Negative counts are 0. */
int64_t budget_add(struct budget *budget, int64_t now_ns, const struct budget_key *key, int64_t prompt_tokens,
                   int64_t completion_tokens);
/* The next midnight UTC, when the day's use starts at 0. */
int64_t budget_next_reset(int64_t now_ns);

/* Today's use. */
struct budget_use budget_used(struct budget *budget, int64_t now_ns, enum budget_kind kind, struct str name);
/* Visits all of one kind with their names ("" for BUDGET_ALL) in no order: start with *at = 0; false at the
 * end. */
bool budget_next(struct budget *budget, enum budget_kind kind, size_t *at, struct str *name,
                 struct budget_use *use);
struct budget_row { /* what a store keeps of one name and day */
    int64_t day_ns; /* any time of that day */
    enum budget_kind kind;
    struct str name;
    struct budget_use use;
};
/* Puts back what was stored, on top of what is counted; rows of another day than today change nothing. */
void budget_restore(struct budget *budget, int64_t now_ns, const struct budget_row *row);

#endif
