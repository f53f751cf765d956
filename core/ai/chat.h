/* Chat completions: the provider for any endpoint that speaks OpenAI's protocol. One request an attempt, with
 * temperature 0, max_tokens and `response_format: json_schema` (strict). 429, 408, 5xx, refused and broken
 * connections are tried again, with jitter and at least as late as Retry-After says (seconds or HTTP date,
 * capped), as long as the prompt's timeout has room; a 4xx, a certificate that is not accepted, a refusal, a
 * cut or a malformed answer is not. What ends as an outage is logged with its reason ("ai.failed").
 *
 * The key comes from a file that is read for each request, so that a changed one counts at once: trimmed, one
 * line of printable ASCII, at most 4 KiB, in a regular file that others cannot read and that group and others
 * cannot write. The key goes into the Authorization header of the request and nowhere else: no getter, no
 * log, no error, no trace; it is not kept between requests and our copies of it are wiped. On the loop's
 * thread. */
#ifndef LUNETTE_AI_CHAT_H
#define LUNETTE_AI_CHAT_H

#include "ai/provider.h"
#include "base/clock.h"
#include "loop/loop.h"
#include "net/http_fetch.h"

struct chat_options { /* strings are copied; 0 and NULL: the default */
    const char
        *url; /* "http://host:1234/v1" or the full ".../chat/completions"; no user, no query, no fragment */
    const char *model;
    const char *key_file;       /* NULL or "": no Authorization header */
    int64_t attempt_timeout_ns; /* one attempt may take; the next is then tried (what is left of the whole) */
    unsigned max_attempts;      /* 3 */
    int64_t backoff_ns;         /* before the second attempt, doubling, each times 0.5 … 1.5 (500 ms) */
    int64_t backoff_max_ns;     /* 10 s */
    int64_t retry_after_max_ns; /* a longer Retry-After counts as this (60 s) */
    size_t max_response;        /* 1 MiB */
    const struct clock *clock;  /* for HTTP dates (clock_real) */
};

/* The fetch and the loop must outlive it. NULL and *err: no model, a URL that is none, a key file that cannot
 * be used (ERR_INVALID, ERR_DENIED, ERR_IO; the message names the file, never what is in it). */
struct provider *chat_new(struct http_fetch *fetch, struct loop *loop, const struct chat_options *options,
                          struct err *err);

/* Retry-After as seconds or as an HTTP date (IMF-fixdate): ns from `now_ns`, not negative; -1 when it is
 * neither. */
int64_t chat_retry_after(struct str value, int64_t now_ns);

#endif
