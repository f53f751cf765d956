/* What an answer of a model may do to a threat: this function, not the prompt, decides. It can add findings,
 * ask for a person's review, and raise the severity by one step, once in a threat's life. There is no field
 * in the result by which it could lower, hide, close, suppress or run anything. Pure; any thread. */
#ifndef LUNETTE_AI_MONOTONIC_H
#define LUNETTE_AI_MONOTONIC_H

#include <stdbool.h>

#include "ai/answer.h"
#include "ai/provider.h"

struct ai_standing {      /* of the threat, now */
    unsigned severity;    /* 0 info … 4 critical, as triage (or an earlier raise) set it */
    unsigned floor;       /* the rule's */
    bool raised_by_model; /* a model raised it before */
};

struct ai_effect {
    unsigned severity;  /* >= standing.severity and >= standing.floor */
    bool raised;        /* by this answer: mark `raised_by: model` */
    bool add_findings;  /* the cleaned answer may be stored */
    bool review;        /* a person must look; never taken back by an answer */
    bool injection;     /* set the flag: `analysis.injection_suspected` */
    const char *reason; /* of the review; "" none. A constant. */
};

/* `status` is how asking ended; `answer` the checked answer, NULL when there is none or it failed its checks
 * (both give triage's result and review). Only `malicious` and `suspicious` raise, and not when injection is
 * suspected. */
struct ai_effect ai_monotonic(const struct ai_standing *standing, enum ai_status status,
                              const struct answer *answer);

#endif
