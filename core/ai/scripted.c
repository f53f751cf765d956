#include "ai/scripted.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/err.h"

struct scripted {
    struct provider provider; /* first */
    struct loop *loop;
    struct scripted_options options;
    struct ai_call *calls;
};

struct ai_call {
    struct scripted *scripted;
    struct ai_call *next, *prev;
    struct timer *due;
    char *system, *user, *schema_name, *schema;
    struct ai_prompt prompt; /* over those */
    int64_t started_ns;
    void (*done)(const struct ai_reply *reply, void *arg);
    void *arg;
};

static void call_free(struct ai_call *call)
{
    if (call->prev)
        call->prev->next = call->next;
    else
        call->scripted->calls = call->next;
    if (call->next)
        call->next->prev = call->prev;
    timer_free(call->due);
    free(call->system);
    free(call->user);
    free(call->schema_name);
    free(call->schema);
    free(call);
}

static void on_due(void *arg)
{
    struct ai_call *call = arg;
    struct scripted *scripted = call->scripted;
    struct ai_reply reply = {.model = STR("scripted"), .attempts = 1, .error = ""};
    scripted->options.answer(&call->prompt, &reply, scripted->options.arg);
    reply.took_ns = clock_monotonic() - call->started_ns;
    call->done(&reply, call->arg);
    call_free(call);
}

static struct str copied(char **copy, struct str text)
{
    *copy = mem_dup(text.ptr ? text.ptr : "", text.len);
    return (struct str){*copy, text.len};
}

static struct scripted *scripted_of(const struct provider *provider)
{
    return (struct scripted *)provider; /* its first member */
}

static struct ai_call *scripted_ask(struct provider *provider, const struct ai_prompt *prompt,
                                    void (*done)(const struct ai_reply *reply, void *arg), void *arg)
{
    struct scripted *scripted = scripted_of(provider);
    struct ai_call *call = mem_zalloc(1, sizeof *call);
    *call = (struct ai_call){.scripted = scripted,
                             .next = scripted->calls,
                             .prompt = *prompt,
                             .started_ns = clock_monotonic(),
                             .done = done,
                             .arg = arg};
    if (call->next)
        call->next->prev = call;
    scripted->calls = call;
    call->prompt.system = copied(&call->system, prompt->system);
    call->prompt.user = copied(&call->user, prompt->user);
    call->prompt.schema_name = copied(&call->schema_name, prompt->schema_name);
    call->prompt.schema = copied(&call->schema, prompt->schema);
    call->due = timer_new(scripted->loop, on_due, call);
    timer_start(call->due, scripted->options.delay_ns, false);
    return call;
}

static void scripted_cancel(struct provider *provider, struct ai_call *call)
{
    INVARIANT(call->scripted == scripted_of(provider));
    call_free(call);
}

static void scripted_free(struct provider *provider)
{
    struct scripted *scripted = scripted_of(provider);
    while (scripted->calls)
        call_free(scripted->calls);
    free(scripted);
}

static const char *scripted_name(const struct provider *provider)
{
    (void)provider;
    return "scripted";
}

struct provider *scripted_new(struct loop *loop, const struct scripted_options *options)
{
    struct scripted *scripted = mem_zalloc(1, sizeof *scripted);
    scripted->provider = (struct provider){.name = scripted_name,
                                           .model = scripted_name,
                                           .ask = scripted_ask,
                                           .cancel = scripted_cancel,
                                           .free = scripted_free};
    scripted->loop = loop;
    scripted->options = *options;
    return &scripted->provider;
}
