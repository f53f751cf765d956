#include "data/threat.h"

#include <stdlib.h>

#include "base/text.h"

static const char *const severity_labels[SEVERITY_COUNT] = {"INFO", "LOW", "MEDIUM", "HIGH", "CRITICAL"};
static const char *const status_labels[] = {"new", "in_progress", "escalated", "resolved"};
static const char *const verdict_labels[] = {NULL, "true_positive", "benign_true_positive", "false_positive",
                                             "inconclusive"};

#define COUNT(array) (sizeof(array) / sizeof *(array))

/* Index of the label that equals the name in any case, or -1. */
static int label_find(const char *const *labels, size_t count, struct str name)
{
    for (size_t i = 0; i < count; i++)
        if (labels[i] && text_equal_fold(str_from(labels[i]), name))
            return (int)i;
    return -1;
}

bool severity_named(struct str name, enum severity *severity)
{
    int found = text_equal_fold(name, STR("informational"))
                    ? SEVERITY_INFO
                    : label_find(severity_labels, SEVERITY_COUNT, name);
    if (found >= 0)
        *severity = (enum severity)found;
    return found >= 0;
}

const char *severity_label(enum severity severity)
{
    INVARIANT((unsigned)severity < SEVERITY_COUNT);
    return severity_labels[severity];
}

bool threat_status_named(struct str name, enum threat_status *status)
{
    int found = label_find(status_labels, COUNT(status_labels), name);
    if (found >= 0)
        *status = (enum threat_status)found;
    return found >= 0;
}

const char *threat_status_label(enum threat_status status)
{
    INVARIANT((unsigned)status < COUNT(status_labels));
    return status_labels[status];
}

bool threat_verdict_named(struct str name, enum threat_verdict *verdict)
{
    int found = label_find(verdict_labels, COUNT(verdict_labels), name);
    if (found >= 0)
        *verdict = (enum threat_verdict)found;
    return found >= 0;
}

const char *threat_verdict_label(enum threat_verdict verdict)
{
    INVARIANT((unsigned)verdict < COUNT(verdict_labels));
    return verdict_labels[verdict];
}

struct threat *threat_new(void)
{
    struct threat *threat = mem_zalloc(1, sizeof *threat);
    threat->arena = arena_new(0);
    threat->version = 1;
    threat->evidence_next = 1;
    return threat;
}

void threat_free(struct threat *threat)
{
    if (!threat)
        return;
    vec_free(&threat->mitre);
    vec_free(&threat->evidence);
    vec_free(&threat->entities);
    arena_free(threat->arena);
    free(threat);
}

struct str threat_keep(struct threat *threat, struct str s)
{
    return arena_dup(threat->arena, s);
}

int threat_by_anchor(const void *a, const void *b)
{
    const struct threat *x = *(struct threat *const *)a, *y = *(struct threat *const *)b;
    if (x->anchor_ns != y->anchor_ns)
        return x->anchor_ns < y->anchor_ns ? -1 : 1;
    return id128_compare(&x->anchor_id, &y->anchor_id);
}
