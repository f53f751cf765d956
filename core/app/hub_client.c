#include "app/hub_client.h"

#include <stdio.h>

#include "app/name_sets.h"
#include "base/json.h"

static bool keep_text(struct str text, char *out, size_t size)
{
    if (text.len >= size)
        return false;
    memcpy(out, text.ptr, text.len);
    out[text.len] = '\0';
    return true;
}

static bool parse_one(struct hub_filter *f, struct str key, const struct json *value)
{
    struct str text;
    bool truth;
    if (str_is(key, "review") && json_as_bool(value, &truth)) {
        f->review = truth;
        return true;
    }
    if (!json_as_str(value, &text))
        return false;
    if (str_is(key, "severity"))
        return severity_set(text, &f->severities);
    if (str_is(key, "status"))
        return status_set(text, &f->statuses);
    if (str_is(key, "customer"))
        return keep_text(text, f->customer, sizeof(f->customer));
    if (str_is(key, "type"))
        return keep_text(text, f->type, sizeof(f->type));
    if (str_is(key, "rule"))
        return keep_text(text, f->rule, sizeof(f->rule));
    return str_is(key, "assignee") && keep_text(text, f->assignee, sizeof(f->assignee));
}

bool hub_filter_parse(const struct json *json, struct hub_filter *filter, struct str *field)
{
    void *at = NULL;
    const struct json *value;
    *filter = (struct hub_filter){.review = -1};
    while (json_next(json, &at, field, &value))
        if (!parse_one(filter, *field, value))
            return false;
    return true;
}

static bool text_passes(const char *wanted, struct str got)
{
    return wanted[0] == '\0' || str_is(got, wanted);
}

bool hub_filter_message(const struct hub_filter *f, const char *customer, const struct hub_message *m)
{
    if (m->seq == 0)
        return !m->counts_all || customer[0] == '\0';
    return (f->severities == 0 || f->severities >> m->severity & 1) &&
           (f->statuses == 0 || f->statuses >> m->status & 1) &&
           (f->review < 0 || f->review == (int)m->review) && text_passes(customer, m->customer) &&
           text_passes(f->customer, m->customer) && text_passes(f->type, m->type) &&
           text_passes(f->rule, m->rule) && text_passes(f->assignee, m->assignee);
}

static struct str render(const struct threat *threat, bool row, struct arena *arena)
{
    struct buf out = BUF_EMPTY;
    threat_json(threat, row, &out);
    struct str kept = arena_dup(arena, buf_str(&out));
    buf_free(&out);
    return kept;
}

struct hub_message *hub_message_new(const struct change *change)
{
    const struct threat *threat = change->threat;
    struct arena *arena = arena_new(4096);
    struct hub_message *m = arena_zalloc(arena, sizeof(*m));
    *m = (struct hub_message){.seq = change->seq,
                              .is_new = change->is_new,
                              .review = threat->review,
                              .severity = threat->severity,
                              .status = threat->status,
                              .customer = arena_dup(arena, threat->customer),
                              .type = arena_dup(arena, threat->type),
                              .rule = arena_dup(arena, threat->rule_id),
                              .assignee = arena_dup(arena, threat->assignee),
                              .row = render(threat, true, arena),
                              .full = render(threat, false, arena),
                              .arena = arena};
    return m;
}

struct hub_message *hub_message_raw(struct str json, bool counts_all)
{
    struct arena *arena = arena_new(512);
    struct hub_message *m = arena_zalloc(arena, sizeof(*m));
    m->arena = arena;
    m->row = arena_dup(arena, json);
    m->counts_all = counts_all;
    return m;
}

void hub_message_free(struct hub_message *message)
{
    arena_free(message->arena);
}
