#include "ai/monotonic.h"

#define SEVERITY_MOST 4

static const char *reason_of(enum ai_status status, const struct answer *answer)
{
    if (status == AI_REFUSED)
        return "the model refused to answer";
    if (status != AI_ANSWERED)
        return "no answer of the model";
    if (!answer)
        return "the model's answer failed its checks";
    if (answer->injection_suspected)
        return "the model suspects that the evidence tries to steer it";
    if (answer->verdict == ANSWER_NOT_EVALUABLE)
        return "the model could not evaluate the evidence";
    return "";
}

static bool may_raise(const struct ai_standing *standing, unsigned severity, const struct answer *answer)
{
    if (standing->raised_by_model || answer->injection_suspected || severity >= SEVERITY_MOST)
        return false;
    if (answer->verdict != ANSWER_MALICIOUS && answer->verdict != ANSWER_SUSPICIOUS)
        return false;
    return answer->claims > 0 && answer->severity_suggestion > (int)severity;
}

struct ai_effect ai_monotonic(const struct ai_standing *standing, enum ai_status status,
                              const struct answer *answer)
{
    struct ai_effect effect = {.severity = standing->severity};
    if (effect.severity < standing->floor)
        effect.severity = standing->floor;
    effect.reason = reason_of(status, answer);
    effect.review = effect.reason[0] != '\0';
    if (status != AI_ANSWERED || !answer)
        return effect;
    effect.add_findings = true;
    effect.injection = answer->injection_suspected;
    effect.raised = may_raise(standing, effect.severity, answer);
    effect.severity += effect.raised;
    return effect;
}
