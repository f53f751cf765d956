/* An errand: work on one threat that the writer has a worker do, and the message that carries it both ways.
 * The writer makes it with a copy of the threat and reserves the slot of its way back; the worker owns it
 * until errand_return. A worker that ends gives it up with errand_drop. */
#ifndef LUNETTE_PIPELINE_ERRAND_H
#define LUNETTE_PIPELINE_ERRAND_H

#include "ai/monotonic.h"
#include "pipeline/triage.h"
#include "pipeline/writer.h"

enum errand_kind { ERRAND_TRIAGE, ERRAND_ANALYSIS, ERRAND_DRY_RUN };

/* What one agent's questions to a model cost. */
struct errand_usage {
    enum agent_kind agent;
    uint64_t calls, failures, prompt_tokens, completion_tokens;
};

struct errand {
    struct mail mail;        /* to the worker */
    struct writer_task task; /* and back */
    enum errand_kind kind;
    struct writer *writer;
    struct threat *threat; /* a copy of its own, as it stood */
    struct arena *arena;   /* of all results */
    int64_t began_ns;      /* clock_monotonic() */

    struct triage_result triage; /* ERRAND_TRIAGE */

    /* ERRAND_ANALYSIS */
    enum job_stage stage;
    uint32_t claim, attempts, since_evidence;
    unsigned agents_without_model; /* bit set of 1 << agent_kind: over their budget */
    struct str agent_analyses;     /* JSON object, by agent */
    struct str analysis;           /* JSON object */
    enum ai_status model_status;   /* how asking the model ended: the worst of the agents' */
    const char *model_error;       /* why, where it did not answer: a constant sentence; or NULL */
    const char *failure;           /* why there is no analysis at all: a constant sentence; or NULL */
    bool asked_model, asked_coordinator;
    bool answered;          /* `answer` is the coordinator's, checked */
    bool cached, injection; /* injection: any agent suspects it */
    struct answer answer;   /* its json is empty here */
    struct errand_usage usage[AGENT_COUNT];
    char model[129];
    struct answer_key cache_key;         /* of the threat's customer */
    struct str keep;                     /* JSON to be kept for identical evidence; "" for nothing */
    int64_t retry_after_ns, tokens_held; /* tokens_held: of the budgets, for each agent */

    /* ERRAND_DRY_RUN */
    struct str action_id, action_type;
    struct str action;  /* JSON as it was approved */
    struct str outcome; /* what the dry run says, JSON; "" when it failed */
    char reason[POLICY_REASON];
};

/* Writer thread. Copies the threat. NULL: the writer's own box has no room for the way back. */
struct errand *errand_new(struct writer *writer, enum errand_kind kind, const struct threat *threat);
/* Worker: sends it back; always finds room. */
void errand_return(struct errand *errand);
/* Worker or writer: gives it up; nothing comes back. */
void errand_drop(struct errand *errand);
void errand_free(struct errand *errand); /* after its task was done */

#endif
