/* Who may do what: tokens from a file, stateless sessions, and the loopback rules of a process without
 * tokens. Read by all workers; the file is read again when it changes (auth_refresh, control thread).
 * docs/http-api.md, "Who may". */
#ifndef LUNETTE_APP_AUTH_H
#define LUNETTE_APP_AUTH_H

#include "base/err.h"
#include "base/str.h"
#include "net/http_server.h"

enum role { ROLE_READER, ROLE_SENDER, ROLE_ANALYST, ROLE_ADMIN };

/* What a route asks for. */
enum access {
    ACCESS_OPEN,      /* anyone */
    ACCESS_READ,      /* reader, analyst, admin */
    ACCESS_READ_ALL,  /* as read, but no token that is bound to a customer: it counts all of them together */
    ACCESS_SEND,      /* sender, admin; analysts do not send */
    ACCESS_ANALYSE,   /* analyst, admin */
    ACCESS_ADMIN,     /* admin */
    ACCESS_ADMIN_ALL, /* admin, not bound to a customer */
};

struct principal {
    char name[65];
    enum role role;
    char customer[129]; /* "" : any */
};

struct auth;
/* `token_file`, `secret_file`, `origins` as in settings ("" none). ERR_INVALID and ERR_LIMIT name the file
 * and line, ERR_IO the file. Without a secret file sessions end with the process. */
struct auth *auth_new(const char *token_file, const char *secret_file, const char *origins, struct err *err);
void auth_free(struct auth *auth);
bool auth_has_tokens(const struct auth *auth); /* false: loopback only */
/* Reads the files again and takes over what changed in them. A bad or missing file leaves the old in force
 * and is logged, once per change. A file that is read and holds no token lets nobody in. */
void auth_refresh(struct auth *auth);

/* Worker thread: true and *who, or false after answering 401 or 403. Checks Authorization: Bearer, the
 * session cookie (and Origin with it), or, without tokens, that peer and Host are loopback, Origin is absent
 * or the same, and a body is JSON or NDJSON. */
bool auth_check(struct auth *auth, struct http_request *request, enum access access, struct principal *who);
/* May this Origin (of a WebSocket) connect? Absent: yes. */
bool auth_origin(struct auth *auth, struct http_request *request);

/* POST and DELETE /api/session: answers the request. */
void auth_login(struct auth *auth, struct http_request *request);
void auth_logout(struct auth *auth, struct http_request *request);
/* HMAC-SHA-256 of a note, 64 hex; the key is HMAC-SHA-256 of "lunette note" by the first secret. */
void auth_sign(struct auth *auth, struct str text, char out[65]);

#endif
