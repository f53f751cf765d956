#include "app/demo_report.h"

#include "base/json.h"
#include "data/threat.h"

static const struct json_limits limits = {.size = 16u << 20, .depth = 32, .duplicates = true};

/* ---- settled ---- */

static bool is_settled(const struct json *threat)
{
    int64_t version = 0, seen = -1, events = 0, seen_events = -1;
    bool with_notes = false;
    json_get_bool(json_get(threat, "manipulation"), "with_background", &with_notes);
    json_get_int(threat, "version", &version);
    json_get_int(threat, "event_count", &events);
    json_get_int(json_get(threat, "triaged"), "version", &seen);
    json_get_int(json_get(threat, "triaged"), "event_count", &seen_events);
    return with_notes && version == seen && events == seen_events &&
           json_kind(json_get(threat, "analysis")) == JSON_KIND_OBJECT;
}

bool drill_settled(struct str after)
{
    struct json *threats = json_parse(after, &limits, NULL);
    size_t count = json_count(threats), settled = 0;
    for (size_t i = 0; i < count; i++)
        settled += is_settled(json_item(threats, i));
    json_free(threats);
    return count && settled == count;
}

/* ---- reading threats ---- */

static struct str text_of(const struct json *object, const char *key)
{
    struct str text = STR("");
    json_get_str(object, key, &text);
    return text;
}

static const struct json *same_threat(const struct json *threats, const struct json *as)
{
    for (size_t i = 0; i < json_count(threats); i++)
        if (str_equal(text_of(json_item(threats, i), "id"), text_of(as, "id")))
            return json_item(threats, i);
    return NULL;
}

static bool is_attack(const struct drill *drill, const struct json *threat)
{
    int64_t last_seen = 0;
    return time_parse(text_of(threat, "last_seen"), TIME_RFC3339, &last_seen) &&
           drill_place(drill, last_seen) == drill->places - 1;
}

static int severity_of(const struct json *threat)
{
    enum severity severity = SEVERITY_INFO;
    severity_named(text_of(threat, "severity"), &severity);
    return (int)severity;
}

static int64_t minutes_of(const struct json *threat)
{
    int64_t minutes = INT64_MAX;
    json_get_int(json_get(threat, "response_plan"), "sla_minutes", &minutes);
    return minutes;
}

static struct str advice_of(const struct json *threat)
{
    return text_of(json_get(threat, "false_positive_score"), "recommendation");
}

static bool needs_review(const struct json *threat)
{
    bool review = false;
    json_get_bool(threat, "requires_human_review", &review);
    return review;
}

/* The i-th action of the plan, the primary one first; NULL at the end. */
static const struct json *action_at(const struct json *threat, size_t i)
{
    const struct json *plan = json_get(threat, "response_plan");
    return i == 0 ? json_get(plan, "primary_action") : json_item(json_get(plan, "secondary_actions"), i - 1);
}

static bool has_action(const struct json *threat, const struct json *action)
{
    for (size_t i = 0; action_at(threat, i); i++)
        if (str_equal(text_of(action_at(threat, i), "type"), text_of(action, "type")) &&
            str_equal(text_of(action_at(threat, i), "target"), text_of(action, "target")))
            return true;
    return false;
}

static bool lost_an_action(const struct json *before, const struct json *after)
{
    for (size_t i = 0; action_at(before, i); i++)
        if (!has_action(after, action_at(before, i)))
            return true;
    return false;
}

/* ---- writing ---- */

struct report {
    const struct drill_facts *facts;
    struct json *before, *after;
    struct buf *out;
    bool milder, found, found_in_history;
};

static void separate(struct buf *out, bool first)
{
    if (!first)
        buf_putc(out, ',');
}

static void put_actions(struct buf *out, const char *key, const struct json *threat)
{
    buf_json_key(out, key);
    buf_putc(out, '[');
    for (size_t i = 0; action_at(threat, i); i++) {
        separate(out, i == 0);
        buf_json_string(out, text_of(action_at(threat, i), "type"));
    }
    buf_putc(out, ']');
}

/* How the threat stands, as one side of a comparison. */
static void put_standing(struct buf *out, const char *key, const struct json *threat)
{
    buf_json_key(out, key);
    buf_putc(out, '{');
    buf_json_kstr(out, "severity", text_of(threat, "severity"));
    if (minutes_of(threat) != INT64_MAX)
        buf_json_kint(out, "sla_minutes", minutes_of(threat));
    put_actions(out, "actions", threat);
    buf_json_kbool(out, "requires_human_review", needs_review(threat));
    buf_json_kstr(out, "recommendation", advice_of(threat));
    buf_putc(out, '}');
}

/* What became milder, by name. */
static size_t put_milder(struct buf *out, const struct json *before, const struct json *after)
{
    const struct {
        const char *name;
        bool is_milder;
    } signs[] = {{"severity", severity_of(after) < severity_of(before)},
                 {"sla_minutes", minutes_of(after) > minutes_of(before)},
                 {"actions", lost_an_action(before, after)},
                 {"requires_human_review", needs_review(before) && !needs_review(after)},
                 {"recommendation", str_is(advice_of(after), "likely_false_positive") &&
                                        !str_is(advice_of(before), "likely_false_positive")}};
    size_t count = 0;
    buf_json_key(out, "milder");
    buf_putc(out, '[');
    for (size_t i = 0; i < COUNT(signs); i++) {
        if (!signs[i].is_milder)
            continue;
        separate(out, count++ == 0);
        buf_json_string(out, str_from(signs[i].name));
    }
    buf_putc(out, ']');
    return count;
}

static void put_outcome(struct report *report, const struct json *after)
{
    struct buf *out = report->out;
    const struct json *before = same_threat(report->before, after);
    const struct json *findings = json_get(json_get(after, "manipulation"), "findings");
    bool attack = is_attack(report->facts->drill, after);
    buf_putc(out, '{');
    buf_json_kstr(out, "threat_id", text_of(after, "id"));
    buf_json_kstr(out, "title", text_of(after, "title"));
    buf_json_kbool(out, "history", !attack);
    put_standing(out, "before", before);
    put_standing(out, "after", after);
    buf_json_kstr(out, "review_reason", text_of(after, "review_reason"));
    buf_json_key(out, "findings");
    if (findings)
        json_print(findings, out);
    else
        buf_puts(out, "[]");
    report->milder |= put_milder(out, before, after) > 0;
    buf_putc(out, '}');
    if (json_count(findings))
        *(attack ? &report->found : &report->found_in_history) = true;
}

static void put_ids(struct report *report, const char *key, bool attack)
{
    size_t count = 0;
    buf_json_key(report->out, key);
    buf_putc(report->out, '[');
    for (size_t i = 0; i < json_count(report->after); i++) {
        const struct json *threat = json_item(report->after, i);
        if (is_attack(report->facts->drill, threat) != attack)
            continue;
        separate(report->out, count++ == 0);
        buf_json_string(report->out, text_of(threat, "id"));
    }
    buf_putc(report->out, ']');
}

void drill_report(const struct drill_facts *facts, bool settled, struct buf *out)
{
    const struct drill *drill = facts->drill;
    struct report report = {.facts = facts,
                            .before = json_parse(facts->before, &limits, NULL),
                            .after = json_parse(facts->after, &limits, NULL),
                            .out = out};
    buf_putc(out, '{');
    buf_json_kstr(out, "adversarial_scenario", str_from(drill_names[drill->kind]));
    buf_json_kuint(out, "seed", drill->seed);
    buf_json_kstr(out, "customer_name", str_from(drill->customer));
    put_ids(&report, "threats", true);
    put_ids(&report, "history", false);
    buf_printf(out, ",\"events\":%.*s,\"notes\":%.*s,\"outcomes\":[", STR_ARG(facts->events),
               STR_ARG(facts->notes));
    for (size_t i = 0; i < json_count(report.after); i++) {
        separate(out, i == 0);
        put_outcome(&report, json_item(report.after, i));
    }
    buf_putc(out, ']');
    buf_json_kstr(out, "expected", str_from(drill->expected));
    buf_json_kbool(out, "settled", settled);
    buf_json_kbool(out, "found", report.found);
    buf_json_kbool(out, "found_in_history", report.found_in_history);
    buf_json_kbool(out, "milder", report.milder);
    buf_putc(out, '}');
    json_free(report.before);
    json_free(report.after);
}
