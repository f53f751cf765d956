/* The analysts' desk of one worker: runs the five agents and the coordinator over a threat, with a model
 * where the errand says so, else by their own rules. All analyses of a worker run at once as coroutines on
 * its loop; everything here is called on its thread. */
#ifndef LUNETTE_PIPELINE_ANALYSE_H
#define LUNETTE_PIPELINE_ANALYSE_H

#include "ai/chat.h"
#include "pipeline/errand.h"
#include "pipeline/readers.h"
#include "rules/agents.h"

/* How models are asked; strings are borrowed for the life of the process. */
struct ai_settings {
    const char *url, *model, *key_file;                    /* url NULL or "": there is no model */
    const char *ca_file;                                   /* PEM; NULL or "": the system's CAs */
    unsigned concurrency;                                  /* analyses by a model at once, over all workers */
    int64_t tokens_day, rule_tokens_day, agent_tokens_day; /* budgets of a UTC day; 0: none */
    int64_t micros_day;                                    /* money, in millionths */
    int64_t prompt_price, completion_price;                /* micros for 1,000 tokens */
    const char *personal_fields;                           /* ECS paths, comma between; or NULL */
    /* For tests; NULL and 0: url, and the defaults. A worker's model, made on its thread. */
    struct provider *(*make)(struct loop *loop, void *context);
    void *make_context;
    size_t queue_capacity;   /* jobs in memory, each stage */
    int64_t breaker_open_ns; /* its first wait */
    int64_t gather_limit_ns; /* as in the analyst's options */
    int64_t every_ns;        /* looks and timers: no more often */
};
/* Whether analyses by a model are wanted at all. `settings` may be NULL. */
bool ai_has_model(const struct ai_settings *settings);

struct analyst;
struct analyst_options {
    const struct ai_settings *settings; /* NULL: no model */
    struct provider *provider;          /* tests: instead of the settings' model; taken */
    struct loop *loop;
    struct mailbox *box; /* of this thread, for the readers' answers */
    struct readers *readers;
    struct watchdog_slot *watchdog;
    const struct clock *clock;
    int64_t gather_limit_ns; /* wall time of all gathering of one analysis (0: 10 s); then it does without */
};
/* NULL and err: the model's settings cannot be used. */
struct analyst *analyst_new(const struct analyst_options *options, struct err *err);
void analyst_free(struct analyst *analyst); /* NULL is fine; after analyst_stop */
/* Begins an analysis by the agents of this set; errand_return follows when it is done. */
void analyst_take(struct analyst *analyst, struct ruleset *set, struct errand *errand);
/* Drops what is in work: the jobs are durable. Readers' answers that still come find nobody. */
void analyst_stop(struct analyst *analyst);
/* The workers went on to this set: agents of another go with their last analysis. */
void analyst_retire(struct analyst *analyst, const struct ruleset *current);
size_t analyst_in_work(const struct analyst *analyst);

#endif
