#include "ai/provider.h"

#include <stddef.h>

const char *ai_status_name(enum ai_status status)
{
    static const char *const names[AI_STATUS_COUNT] = {"answered",     "refused", "truncated", "malformed",
                                                       "rate_limited", "failed",  "timed_out"};
    return (unsigned)status < AI_STATUS_COUNT ? names[status] : "unknown";
}

bool ai_status_is_outage(enum ai_status status)
{
    return status == AI_RATE_LIMITED || status == AI_FAILED || status == AI_TIMED_OUT;
}
