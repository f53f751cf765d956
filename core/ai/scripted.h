/* A provider for tests: a callback answers each prompt, after a delay on the loop. On the loop's thread. */
#ifndef LUNETTE_AI_SCRIPTED_H
#define LUNETTE_AI_SCRIPTED_H

#include "ai/provider.h"
#include "loop/loop.h"

struct scripted_options {
    /* Fills *reply (zeroed; status ANSWERED, model set); `content` and `error` must live until the next call,
     * or be constants. Called when the answer is due. */
    void (*answer)(const struct ai_prompt *prompt, struct ai_reply *reply, void *arg);
    void *arg;
    int64_t delay_ns;
};
struct provider *scripted_new(struct loop *loop, const struct scripted_options *options);

#endif
