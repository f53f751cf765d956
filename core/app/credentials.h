/* What the token file and the secret file say, read and checked: immutable, so whoever guards the pointer may
 * share it between threads. Below auth.c, which swaps them when the files change. */
#ifndef LUNETTE_APP_CREDENTIALS_H
#define LUNETTE_APP_CREDENTIALS_H

#include "app/auth.h"
#include "base/buf.h"
#include "base/clock.h"

#define TOKEN_FILE_MAX  (1u << 20)
#define TOKENS_MAX      10000
#define TOKEN_MAX       512 /* bytes of a token */
#define SECRET_FILE_MAX (64u << 10)
#define SECRETS_MAX     16
#define SECRET_MIN      16 /* bytes of a secret */

/* A whole file; ERR_LIMIT beyond `max`, ERR_IO where it cannot be read. */
int credentials_read(const char *path, size_t max, struct buf *out, struct err *err);

struct token {
    char name[65]; /* letters, digits, . _ @ - */
    enum role role;
    char customer[129]; /* "": any */
    uint8_t hash[32];   /* SHA-256 of the token */
};

struct token_set;
/* Lines `name role customer|* sha256:HEX`, comments after #. Names and hashes occur once. The error names
 * path and line, and never holds a word of the line: it may be a token. */
struct token_set *token_set_parse(struct str text, const char *path, struct err *err);
void token_set_free(struct token_set *set); /* NULL is fine */
size_t token_set_count(const struct token_set *set);
/* The line of this token, NULL when there is none. How long it takes tells nothing about the hashes of the
 * file. */
const struct token *token_set_find(const struct token_set *set, struct str token);
const struct token *token_set_named(const struct token_set *set, struct str name);

/* What a signature is for: each use has a key of its own, so that one never passes for the other. */
enum secret_use { SECRET_SESSION, SECRET_NOTE, SECRET_USES };

struct secret_set;
/* One secret a line, empty lines aside: the first signs, all verify. */
struct secret_set *secret_set_parse(struct str text, const char *path, struct err *err);
struct secret_set *secret_set_random(void);
void secret_set_free(struct secret_set *set); /* NULL is fine */
void secret_set_sign(const struct secret_set *set, enum secret_use use, struct str text, uint8_t mac[32]);
bool secret_set_verify(const struct secret_set *set, enum secret_use use, struct str text,
                       const uint8_t mac[32]);

/* The session cookie's value: name:expiry:mac, over the name, the expiry (Unix seconds) and the token's hash.
 */
#define SESSION_NS (12 * 3600 * NS_PER_S)
void session_print(const struct secret_set *secrets, const struct token *token, int64_t now_ns,
                   struct buf *out);
/* Whose session it is; NULL when it is over, forged, or its token is not in the file any more. */
const struct token *session_token(const struct token_set *tokens, const struct secret_set *secrets,
                                  struct str value, int64_t now_ns);

#endif
