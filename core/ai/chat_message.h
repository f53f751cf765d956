/* The two messages of a chat completion: what is asked, and what came back. Pure; any thread. For chat.c. */
#ifndef LUNETTE_AI_CHAT_MESSAGE_H
#define LUNETTE_AI_CHAT_MESSAGE_H

#include "ai/provider.h"
#include "base/buf.h"

/* Appends the request's body. */
void chat_request_print(struct buf *out, const char *model, const struct ai_prompt *prompt);

#define CHAT_MODEL_MAX 128

struct chat_answer {
    enum ai_status status;                    /* ANSWERED, REFUSED, TRUNCATED or MALFORMED */
    const char *error;                        /* a constant; "" when ANSWERED */
    struct buf content;                       /* JSON text when ANSWERED */
    char model[CHAT_MODEL_MAX + 1];           /* "" when not named */
    int64_t prompt_tokens, completion_tokens; /* -1: not counted */
};
/* Reads the body of a 200. Any bytes are fine. */
void chat_answer_parse(struct str body, struct chat_answer *answer);
void chat_answer_release(struct chat_answer *answer);

#endif
