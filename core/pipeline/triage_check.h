/* What a policy answered, checked and written the way the API shows it. Each check appends a JSON value to
 * `out` and returns 0; or returns -1 with what is wrong, `out` untouched, and the caller uses its default. */
#ifndef LUNETTE_PIPELINE_TRIAGE_CHECK_H
#define LUNETTE_PIPELINE_TRIAGE_CHECK_H

#include "base/json.h"
#include "rules/ruleset.h"

#define SLA_MINUTES_MAX 10080 /* a week */

/* Whether it is a list, or nothing, or the empty table that Lua gives for an empty list. */
bool check_is_list(const struct json *value);

/* {severity, parts[{name, value, reason}]} -> score{value, parts}; the parts add up, 0 to 100. */
int check_severity(const struct json *answer, enum severity *severity, struct buf *out, struct err *err);
void default_severity(enum severity severity, struct buf *out);

/* {score, confidence, base, indicators[{name, weight, reason}], recommendation, explanation}: base and
 * weights add up to the score. */
int check_false_positive(const struct json *answer, struct buf *out, struct err *err);
void default_false_positive(struct buf *out);

/* What a plan is about, and what was decided about it before. */
struct plan_subject {
    const struct threat *threat;
    struct str before;   /* the response_plan so far, or "" */
    unsigned dropped;    /* result: actions whose target is not in the evidence */
    int64_t sla_minutes; /* result */
};
/* {urgency, escalation_path[], sla_minutes, actions[{type, target, parameters, reason, requires_approval}]}
 * -> response_plan. The first action is the primary one. A target is "field:value" of the evidence or an
 * entity; an action without one has none. Actions that were decided stay as they are. */
int check_plan(const struct json *answer, struct plan_subject *subject, struct buf *out, struct err *err);
void default_plan(struct plan_subject *subject, struct buf *out);

/* [{id, source, confidence}] -> [{id, name, tactics, source, confidence}], each once, at most 10. *dropped:
 * ids that the ATT&CK table has not. */
int check_mitre(const struct json *answer, const struct ruleset *set, unsigned *dropped, struct buf *out,
                struct err *err);

/* {findings[{name, reason, evidence[]}]}. *findings: how many. */
int check_manipulation(const struct json *answer, size_t *findings, struct buf *out, struct err *err);

/* {titles{record: text}}: names of records, nothing else. */
int check_titles(const struct json *answer, struct buf *out, struct err *err);

#endif
