/* A person's change of a threat: what PATCH, notes, analyze, approve and reject share. Made on the worker
 * that has the request, run by the writer. The functions with a writer are for the task's run. */
#ifndef LUNETTE_APP_THREAT_CHANGE_H
#define LUNETTE_APP_THREAT_CHANGE_H

#include "app/api.h"
#include "base/json.h"

struct threat_change {
    struct api_task base;
    struct json *body; /* NULL: the request had none */
    char id[UUID_TEXT], who[65], customer[129];
    struct api_match match;
    uint32_t version; /* of the threat after the change */

    /* PATCH */
    bool has_status, has_verdict, has_assignee, reopen;
    enum threat_status status;
    enum threat_verdict verdict;
    struct str assignee, reason; /* borrowed from body; reason: of an approval or rejection, too */

    /* notes */
    struct str note; /* borrowed from body */
    char signature[65];
    int64_t note_id;

    /* actions */
    char action_id[65];
    bool approve;
};

/* Of the threat that the path names, by who asks. NULL after answering 404, or what is wrong with the body. A
 * body that is optional may be missing. */
struct threat_change *threat_change_new(struct http_request *request, bool optional_body);
void threat_change_drop(struct api_task *base);

/* The threat, where this token may see it and it is at the version that was read; NULL and err. */
struct threat *threat_change_find(struct threat_change *change, struct writer *writer, struct err *err);
int threat_change_audit(const struct threat_change *change, struct writer *writer, const char *action,
                        struct str detail, struct err *err);
/* It did change: a new version is stored, and triage looks again. */
void threat_change_made(struct threat_change *change, struct writer *writer, struct threat *threat);

#endif
