/* Takes secrets and personal data out of text before it leaves the process. Secrets become `[SECRET:kind]`
 * and are forgotten. Personal data becomes a pseudonym, `[EMAIL_1]`, the same for the same value within one
 * request, so that a model can still see that two events name one person. Evidence stays evidence: hashes,
 * addresses of hosts, paths, domains, UUIDs and numbers are left as they are. Hand-written scanners, each
 * byte looked at a bounded number of times: linear in the text. One `struct redact` per request, one thread.
 */
#ifndef LUNETTE_AI_REDACT_H
#define LUNETTE_AI_REDACT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"

enum redact_kind {
    REDACT_SECRET_KEY, /* provider keys by their shape: AWS, GitHub, Slack, Google, Stripe, OpenAI, … */
    REDACT_SECRET_JWT,
    REDACT_SECRET_PRIVATE_KEY,
    REDACT_SECRET_PASSWORD, /* by its name: password=, "pwd":, -p, /p:, user:pass@, Authorization: */
    REDACT_SECRET_TOKEN,
    REDACT_CARD,
    REDACT_IBAN,
    REDACT_EMAIL,
    REDACT_PHONE,
    REDACT_SSN,
    REDACT_PERSON, /* a configured field */
    REDACT_KINDS
};
const char *redact_kind_name(enum redact_kind kind); /* for counters: "secret_key", "email", … */

struct redact_options {
    /* ECS paths whose values are personal ("user.full_name"); a trailing ".*" takes all below. */
    const char *const *personal_fields;
    size_t personal_count;
    bool keep_personal; /* e-mail, phone, SSN found in text stay; configured fields and secrets never do */
};

struct redact;
struct redact *redact_new(const struct redact_options *options); /* NULL: no configured fields; copied */
void redact_free(struct redact *redact);

/* Makes a configured field's value known before anything is printed, so that it is also replaced where it
 * stands as a whole word in other values (at least 4 bytes long). No effect for other paths. */
void redact_learn(struct redact *redact, struct str path, struct str value);
/* Appends `value` without what must not leave. `path`: the field it stands in, or empty. */
void redact_value(struct redact *redact, struct str path, struct str value, struct buf *out);
void redact_text(struct redact *redact, struct str text, struct buf *out); /* redact_value without a path */
/* Whether `text` alone is an option whose value comes next ("--password", "-pw"): for argument lists, whose
 * next element is then to be given with the path "password". */
bool redact_is_secret_option(struct str text);
/* Appends `text` with the pseudonyms of this request put back: for what a model wrote, before a person reads
 * it. Secrets stay out. */
void redact_restore(const struct redact *redact, struct str text, struct buf *out);

/* How many of a kind were replaced so far. */
uint64_t redact_count(const struct redact *redact, enum redact_kind kind);

#endif
