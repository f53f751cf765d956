#include "app/threat_change.h"

#include <stdio.h>

void threat_change_drop(struct api_task *base)
{
    struct threat_change *change = (struct threat_change *)base; /* base is its first member */
    json_free(change->body);
    free(change);
}

struct threat_change *threat_change_new(struct http_request *request, bool optional_body)
{
    struct threat_change *change = mem_zalloc(1, sizeof(*change));
    const struct principal *who = api_principal(request);
    change->base.drop = threat_change_drop;
    change->match.any = true;
    snprintf(change->who, sizeof(change->who), "%s", who->name[0] ? who->name : "local");
    snprintf(change->customer, sizeof(change->customer), "%s", who->customer);
    bool has_none = optional_body && http_body(request).len == 0;
    if (api_threat_id(request, change->id) && (has_none || (change->body = api_body_object(request)) != NULL))
        return change;
    threat_change_drop(&change->base);
    return NULL;
}

struct threat *threat_change_find(struct threat_change *change, struct writer *writer, struct err *err)
{
    struct threat *threat = book_find(writer_book(writer), str_from(change->id), err);
    if (threat == NULL)
        return NULL;
    if (change->customer[0] && !str_is(threat->customer, change->customer)) {
        err_set(err, ERR_NOT_FOUND, "no such threat");
        return NULL;
    }
    change->base.conflict = 412;
    if (!change->match.any && threat->version != change->match.version) {
        err_set(err, ERR_CONFLICT, "the threat is at version %u, not %u", threat->version,
                change->match.version);
        return NULL;
    }
    change->base.conflict = 0;
    return threat;
}

int threat_change_audit(const struct threat_change *change, struct writer *writer, const char *action,
                        struct str detail, struct err *err)
{
    return store_audit(writer_store(writer), clock_now(writer_clock(writer)), str_from(change->who),
                       str_from(action), str_from(change->id), detail, err);
}

void threat_change_made(struct threat_change *change, struct writer *writer, struct threat *threat)
{
    change->version = ++threat->version;
    book_touch(writer_book(writer), threat);
}
