/* Who answers a prompt: a struct of callbacks, with chat completions (chat.h) and a scripted one for tests
 * (scripted.h) behind it. A provider belongs to one thread, the one its loop runs on. Retries, timeouts and
 * the key are the provider's business; breaker, budget and queue are the caller's. No text here ever holds
 * the key; error texts hold neither prompt nor answer. */
#ifndef LUNETTE_AI_PROVIDER_H
#define LUNETTE_AI_PROVIDER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"

enum ai_status {
    AI_ANSWERED,  /* `content` is what the model wrote, complete; it is JSON, not checked beyond that */
    AI_REFUSED,   /* the model declined, or its filter stopped it */
    AI_TRUNCATED, /* max_tokens came first */
    AI_MALFORMED, /* the server answered something that is no chat completion, or content that is no JSON */
    AI_RATE_LIMITED, /* 429 to the end of the attempts; retry_after_ns may say when */
    AI_FAILED,       /* not reached, 4xx, 5xx to the end of the attempts, no key */
    AI_TIMED_OUT,    /* the prompt's timeout passed */
    AI_STATUS_COUNT
};
const char *ai_status_name(enum ai_status status); /* "answered", "refused", … */
/* Whether it counts against the breaker: rate_limited, failed, timed_out. */
bool ai_status_is_outage(enum ai_status status);

struct ai_prompt { /* borrowed during `ask` only */
    struct str system, user;
    struct str schema_name; /* [A-Za-z0-9_-]{1,64} */
    struct str schema;      /* JSON Schema as JSON text; empty: any JSON object */
    int64_t max_tokens;     /* of the answer; > 0 */
    int64_t timeout_ns;     /* over all attempts and pauses; > 0 */
};

struct ai_reply { /* borrowed: valid only inside `done` */
    enum ai_status status;
    struct str content;        /* ANSWERED: JSON text; else empty */
    struct str model;          /* as the server names it; else as configured */
    int64_t prompt_tokens;     /* as the server counted, over all attempts; where it did not: estimated as */
    int64_t completion_tokens; /* a quarter of the bytes, and `estimated` is set */
    bool estimated;
    unsigned attempts;      /* requests sent */
    int http_status;        /* of the last answer, 0 without one */
    int64_t retry_after_ns; /* what the last answer asked for, capped; 0 nothing */
    int64_t took_ns;
    const char *error; /* a constant sentence for a person, for the life of the process; "" when ANSWERED */
};

struct ai_call; /* a question on its way; gone once `done` was called, or it was cancelled */

struct provider {
    const char *(*name)(const struct provider *provider);  /* "chat", "scripted" */
    const char *(*model)(const struct provider *provider); /* configured model */
    /* Never fails at once: `done` is called exactly once, on a later turn of the loop. */
    struct ai_call *(*ask)(struct provider *provider, const struct ai_prompt *prompt,
                           void (*done)(const struct ai_reply *reply, void *arg), void *arg);
    void (*cancel)(struct provider *provider, struct ai_call *call); /* `done` will not be called */
    void (*free)(struct provider *provider);                         /* cancels all; not from inside `done` */
};

static inline struct ai_call *provider_ask(struct provider *provider, const struct ai_prompt *prompt,
                                           void (*done)(const struct ai_reply *reply, void *arg), void *arg)
{
    return provider->ask(provider, prompt, done, arg);
}
static inline void provider_cancel(struct provider *provider, struct ai_call *call)
{
    provider->cancel(provider, call);
}
static inline void provider_free(struct provider *provider)
{
    if (provider)
        provider->free(provider);
}

#endif
