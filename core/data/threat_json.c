#include "data/threat_view.h"

#include <stdio.h>
#include <stdlib.h>

#define ROW_MAX 1024

/* What triage and analysis add; until they did, this is what a reader may say without inventing a result. */
static const struct later_field {
    const char *name, *fallback;
} later_fields[] = {
    {"intel_matches", "[]"},   {"false_positive_score", "null"},
    {"response_plan", "null"}, {"agent_analyses", "{}"},
    {"analysis", "null"},      {"manipulation", "null"},
    {"mitre", "[]"},
};
#define LATER_COUNT (sizeof later_fields / sizeof *later_fields)

/* What `extra` may not speak of, or not here: these are the threat's own. Sorted by use, not by name: the
 * list is short.
 */
static const char *const own_fields[] = {"id",
                                         "seq",
                                         "last_seq",
                                         "created_at",
                                         "updated_at",
                                         "version",
                                         "rule",
                                         "threat_type",
                                         "customer_name",
                                         "severity",
                                         "severity_floor",
                                         "score",
                                         "status",
                                         "verdict",
                                         "verdict_reason",
                                         "assignee",
                                         "title",
                                         "summary",
                                         "runbook",
                                         "dedup_key",
                                         "entities",
                                         "event_count",
                                         "members_truncated",
                                         "first_seen",
                                         "last_seen",
                                         "evidence",
                                         "mitre_tags",
                                         "investigation_timeline",
                                         "notes",
                                         "requires_human_review",
                                         "review_reason",
                                         "total_processing_time_ms",
                                         "continues",
                                         "merged_into",
                                         "trace_id",
                                         "shadow",
                                         "suppressed",
                                         "demo",
                                         "timeline_titles"};

static void put_raw(struct buf *out, const char *key, struct str json)
{
    buf_json_key(out, key);
    buf_put(out, json);
}

/* "" is null: these fields are absent rather than empty. */
static void put_optional(struct buf *out, const char *key, struct str text)
{
    if (text.len)
        buf_json_kstr(out, key, text);
    else
        put_raw(out, key, STR("null"));
}

static void put_separator(struct buf *out, bool first)
{
    if (!first)
        buf_putc(out, ',');
}

/* ---- what comes from `extra` ---- */

static bool is_known(struct str key)
{
    for (size_t i = 0; i < LATER_COUNT; i++)
        if (str_is(key, later_fields[i].name))
            return true;
    for (size_t i = 0; i < sizeof own_fields / sizeof *own_fields; i++)
        if (str_is(key, own_fields[i]))
            return true;
    return false;
}

static void put_score(const struct threat *threat, struct str extra, struct buf *out)
{
    static const int values[SEVERITY_COUNT] = {10, 30, 50, 75, 95};
    struct str value;
    if (threat_extra_get(extra, STR("score"), &value)) {
        put_raw(out, "score", value);
        return;
    }
    buf_json_key(out, "score");
    buf_printf(out, "{\"value\":%d,\"parts\":[]}", values[threat->severity]);
}

static void put_later(struct str extra, struct buf *out)
{
    struct str key, value;
    for (size_t i = 0; i < LATER_COUNT; i++) {
        bool found = threat_extra_get(extra, str_from(later_fields[i].name), &value);
        put_raw(out, later_fields[i].name, found ? value : str_from(later_fields[i].fallback));
    }
    while (threat_extra_next(&extra, &key, &value) == 1) {
        if (is_known(key))
            continue;
        buf_puts(out, ",\"");
        buf_put(out, key);
        buf_puts(out, "\":");
        buf_put(out, value);
    }
}

/* ---- lists ---- */

static void put_strings(struct buf *out, const char *key, const struct str *items, size_t count)
{
    buf_json_key(out, key);
    buf_putc(out, '[');
    for (size_t i = 0; i < count; i++) {
        put_separator(out, i == 0);
        buf_json_string(out, items[i]);
    }
    buf_putc(out, ']');
}

static void put_evidence(const struct threat *threat, struct buf *out)
{
    buf_json_key(out, "evidence");
    buf_putc(out, '[');
    for (size_t i = 0; i < threat->evidence.count; i++) {
        const struct evidence *evidence = &threat->evidence.items[i];
        char event[2 * sizeof evidence->event.bytes + 1];
        id_hex(evidence->event.bytes, sizeof evidence->event.bytes, event);
        put_separator(out, i == 0);
        buf_printf(out, "{\"id\":\"E%u\"", evidence->number);
        buf_json_ktime(out, "time", evidence->time_ns);
        buf_json_kstr(out, "event_id", str_from(event));
        put_raw(out, "context", evidence->context.len ? evidence->context : STR("{}"));
        buf_putc(out, '}');
    }
    buf_putc(out, ']');
}

/* ---- timeline ---- */

struct moment {
    int64_t at_ns;
    size_t order; /* keeps entries of one instant as they were recorded */
    const char *kind;
    uint32_t evidence; /* its number; 0: the moment is of no evidence */
    struct str by, text, detail;
};

static int moment_compare(const void *a, const void *b)
{
    const struct moment *x = a, *y = b;
    if (x->at_ns != y->at_ns)
        return x->at_ns < y->at_ns ? -1 : 1;
    return (x->order > y->order) - (x->order < y->order);
}

/* A title that is no string would not be one in the view. */
static void put_title(struct str titles, struct str name, struct buf *out)
{
    struct str title;
    if (threat_extra_get(titles, name, &title) && *title.ptr == '"')
        put_raw(out, "title", title);
}

static void put_moment(const struct moment *moment, struct str titles, struct buf *out)
{
    char evidence[16];
    snprintf(evidence, sizeof evidence, "E%u", moment->evidence);
    buf_putc(out, '{');
    buf_json_ktime(out, "time", moment->at_ns);
    buf_json_kstr(out, "kind", str_from(moment->kind));
    if (moment->evidence)
        buf_json_kstr(out, "id", str_from(evidence));
    put_title(titles, str_from(moment->evidence ? evidence : moment->kind), out);
    if (moment->by.len)
        buf_json_kstr(out, "by", moment->by);
    if (moment->text.len)
        buf_json_kstr(out, "text", moment->text);
    if (moment->detail.len)
        put_raw(out, "detail", moment->detail);
    buf_putc(out, '}');
}

struct moments {
    VEC(struct moment) items;
};

static void add_moment(struct moments *moments, struct moment moment)
{
    moment.order = moments->items.count;
    vec_push(&moments->items, moment);
}

static void add_own_moments(struct moments *moments, const struct threat *threat)
{
    add_moment(moments, (struct moment){.at_ns = threat->first_seen_ns, .kind = "first_seen"});
    for (size_t i = 0; i < threat->evidence.count; i++)
        add_moment(moments, (struct moment){.at_ns = threat->evidence.items[i].time_ns,
                                            .kind = "event",
                                            .evidence = threat->evidence.items[i].number});
    add_moment(moments, (struct moment){.at_ns = threat->created_ns,
                                        .kind = "created",
                                        .by = STR("rule"),
                                        .text = threat->rule_id});
    if (threat->last_seen_ns != threat->first_seen_ns)
        add_moment(moments, (struct moment){.at_ns = threat->last_seen_ns, .kind = "last_seen"});
}

static void add_records(struct moments *moments, const struct threat_records *records)
{
    for (size_t i = 0; i < records->notes.count; i++) {
        const struct threat_note *note = &records->notes.items[i];
        add_moment(
            moments,
            (struct moment){.at_ns = note->at_ns, .kind = "note", .by = note->author, .text = note->text});
    }
    for (size_t i = 0; i < records->changes.count; i++) {
        const struct threat_change *change = &records->changes.items[i];
        add_moment(moments, (struct moment){.at_ns = change->at_ns,
                                            .kind = "change",
                                            .by = change->who,
                                            .text = change->action,
                                            .detail = change->detail});
    }
}

static void put_timeline(const struct threat *threat, const struct threat_records *records, struct str extra,
                         struct buf *out)
{
    struct moments moments = {0};
    struct str titles = STR("{}");
    threat_extra_get(extra, STR("timeline_titles"), &titles);
    add_own_moments(&moments, threat);
    if (records)
        add_records(&moments, records);
    qsort(moments.items.items, moments.items.count, sizeof *moments.items.items, moment_compare);
    buf_json_key(out, "investigation_timeline");
    buf_puts(out, "{\"events\":[");
    for (size_t i = 0; i < moments.items.count; i++) {
        put_separator(out, i == 0);
        put_moment(&moments.items.items[i], titles, out);
    }
    buf_puts(out, "]}");
    vec_free(&moments.items);
}

static void put_notes(const struct threat_records *records, struct buf *out)
{
    buf_json_key(out, "notes");
    buf_putc(out, '[');
    for (size_t i = 0; i < records->notes.count; i++) {
        const struct threat_note *note = &records->notes.items[i];
        put_separator(out, i == 0);
        buf_putc(out, '{');
        buf_json_kint(out, "id", note->id);
        buf_json_ktime(out, "time", note->at_ns);
        buf_json_kstr(out, "author", note->author);
        buf_json_kstr(out, "text", note->text);
        put_optional(out, "signature", note->signature);
        buf_putc(out, '}');
    }
    buf_putc(out, ']');
}

/* ---- the two views ---- */

static void put_identity(const struct threat *threat, struct buf *out)
{
    buf_json_kstr(out, "id", str_from(threat->id));
    buf_json_kuint(out, "seq", threat->seq);
    buf_json_kuint(out, "last_seq", threat->last_seq);
    buf_json_ktime(out, "created_at", threat->created_ns);
    buf_json_ktime(out, "updated_at", threat->updated_ns);
    buf_json_kuint(out, "version", threat->version);
}

static void put_judgement(const struct threat *threat, struct str extra, struct buf *out)
{
    const char *verdict = threat_verdict_label(threat->verdict);
    buf_json_kstr(out, "severity", str_from(severity_label(threat->severity)));
    buf_json_kstr(out, "severity_floor", str_from(severity_label(threat->floor)));
    put_score(threat, extra, out);
    buf_json_kstr(out, "status", str_from(threat_status_label(threat->status)));
    put_optional(out, "verdict", str_from(verdict));
    put_optional(out, "verdict_reason", threat->verdict_reason);
    put_optional(out, "assignee", threat->assignee);
    buf_json_kstr(out, "title", threat->title);
    buf_json_kstr(out, "summary", threat->summary);
    put_optional(out, "runbook", threat->runbook);
}

static void put_rule(const struct threat *threat, struct buf *out)
{
    buf_json_key(out, "rule");
    buf_putc(out, '{');
    buf_json_kstr(out, "id", threat->rule_id);
    buf_json_kuint(out, "version", threat->rule_version);
    buf_json_kstr(out, "title", threat->rule_title);
    buf_putc(out, '}');
    buf_json_kstr(out, "threat_type", threat->type);
    buf_json_kstr(out, "customer_name", threat->customer);
}

static void put_events(const struct threat *threat, struct buf *out)
{
    buf_json_kstr(out, "dedup_key", threat->dedup_key);
    put_strings(out, "entities", threat->entities.items, threat->entities.count);
    buf_json_kuint(out, "event_count", threat->event_count);
    buf_json_kbool(out, "members_truncated", threat->members_truncated);
    buf_json_ktime(out, "first_seen", threat->first_seen_ns);
    buf_json_ktime(out, "last_seen", threat->last_seen_ns);
    put_evidence(threat, out);
    put_strings(out, "mitre_tags", threat->mitre.items, threat->mitre.count);
}

static void put_outcome(const struct threat *threat, struct buf *out)
{
    buf_json_kbool(out, "requires_human_review", threat->review);
    put_optional(out, "review_reason", threat->review_reason);
    buf_json_kdouble(out, "total_processing_time_ms", threat->processing_ms);
    put_optional(out, "continues", str_from(threat->continues));
    put_optional(out, "merged_into", str_from(threat->merged_into));
    put_optional(out, "trace_id", str_from(threat->trace_id));
    buf_json_kbool(out, "shadow", threat->shadow);
    buf_json_kbool(out, "suppressed", threat->suppressed);
    buf_json_kbool(out, "demo", threat->demo);
}

void threat_view_full(const struct threat *threat, const struct threat_records *records, struct buf *out)
{
    struct str extra = threat_extra_is_object(threat->extra) ? threat->extra : STR("{}");
    buf_putc(out, '{');
    put_identity(threat, out);
    put_rule(threat, out);
    put_judgement(threat, extra, out);
    put_events(threat, out);
    put_timeline(threat, records, extra, out);
    if (records)
        put_notes(records, out);
    put_outcome(threat, out);
    put_later(extra, out);
    buf_putc(out, '}');
}

/* The first `len` bytes, less what remains of a character. len < whole.len. */
static struct str cut_at(struct str whole, size_t len)
{
    while (len && ((unsigned char)whole.ptr[len] & 0xc0) == 0x80)
        len--;
    return (struct str){whole.ptr, len};
}

/* Writes the string in at most `max` bytes of JSON, quotes included, cut at a character with an ellipsis. */
static void put_cut(struct buf *out, const char *key, struct str text, size_t max)
{
    buf_json_key(out, key);
    size_t start = out->len;
    struct str whole = text;
    if (text.len > max)
        text = cut_at(whole, max);
    for (;;) {
        buf_json_string(out, text);
        bool cut = text.len < whole.len;
        if (out->len - start + (cut ? strlen("…") : 0) <= max) {
            if (!cut)
                return;
            out->len--; /* the ellipsis goes inside the quotes */
            buf_puts(out, "…\"");
            return;
        }
        size_t excess = (out->len - start + strlen("…") - max) / 6 + 1; /* an escape is at most six bytes */
        text = cut_at(whole, excess < text.len ? text.len - excess : 0);
        out->len = start;
    }
}

void threat_view_row(const struct threat *threat, struct buf *out)
{
    size_t start = out->len;
    buf_putc(out, '{');
    put_identity(threat, out);
    put_cut(out, "rule_id", threat->rule_id, 100);
    put_cut(out, "threat_type", threat->type, 50);
    put_cut(out, "customer_name", threat->customer, 100);
    buf_json_kstr(out, "severity", str_from(severity_label(threat->severity)));
    buf_json_kstr(out, "status", str_from(threat_status_label(threat->status)));
    put_optional(out, "verdict", str_from(threat_verdict_label(threat->verdict)));
    if (threat->assignee.len)
        put_cut(out, "assignee", threat->assignee, 50);
    else
        put_optional(out, "assignee", threat->assignee);
    buf_json_kuint(out, "event_count", threat->event_count);
    buf_json_ktime(out, "first_seen", threat->first_seen_ns);
    buf_json_ktime(out, "last_seen", threat->last_seen_ns);
    buf_json_kbool(out, "requires_human_review", threat->review);
    buf_json_kbool(out, "shadow", threat->shadow);
    buf_json_kbool(out, "suppressed", threat->suppressed);
    buf_json_kbool(out, "demo", threat->demo);
    size_t used = out->len - start + strlen(",\"title\":") + 1;
    put_cut(out, "title", threat->title, ROW_MAX - used);
    buf_putc(out, '}');
}

void threat_json(const struct threat *threat, bool row, struct buf *out)
{
    if (row)
        threat_view_row(threat, out);
    else
        threat_view_full(threat, NULL, out);
}
