#include "app/credentials.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/id.h"
#include "base/map.h"
#include "base/text.h"
#include "base/vec.h"

#define NAME_MAX_BYTES     64
#define CUSTOMER_MAX_BYTES 128
#define LINE_HELP          "expected: name role customer|* sha256:HEX"

/* ---- files ---- */

int credentials_read(const char *path, size_t max, struct buf *out, struct err *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = -1;
    if (fd < 0)
        return err_errno(err, ERR_IO, errno, "%s cannot be opened", path);
    while (out->len <= max && (n = read(fd, buf_reserve(out, 65536), 65536)) > 0)
        buf_grew(out, (size_t)n);
    int failure = errno;
    close(fd);
    if (out->len > max)
        return err_set(err, ERR_LIMIT, "%s is larger than %zu bytes", path, max);
    return n == 0 ? 0 : err_errno(err, ERR_IO, failure, "%s cannot be read", path);
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

static struct str trim(struct str s)
{
    while (s.len && is_space(s.ptr[0]))
        s = (struct str){s.ptr + 1, s.len - 1};
    while (s.len && is_space(s.ptr[s.len - 1]))
        s.len--;
    return s;
}

static bool next_line(struct str *rest, struct str *line)
{
    if (rest->len == 0)
        return false;
    const char *end = memchr(rest->ptr, '\n', rest->len);
    size_t len = end ? (size_t)(end - rest->ptr) : rest->len, taken = end ? len + 1 : len;
    *line = (struct str){rest->ptr, len};
    *rest = (struct str){rest->ptr + taken, rest->len - taken};
    return true;
}

/* ---- tokens ---- */

struct token_set {
    VEC(struct token) tokens;
    VEC(unsigned) lines;
    struct map *by_name,
        *by_hash; /* line of the file's token + 1; by_hash is keyed by the hash under `blind` */
    uint8_t blind[32];
};

/* At most max + 1 are told apart. */
static size_t split_words(struct str line, struct str *words, size_t max)
{
    size_t count = 0;
    for (line = trim(line); line.len; line = trim(line)) {
        size_t len = 0;
        while (len < line.len && !is_space(line.ptr[len]))
            len++;
        if (count == max)
            return max + 1;
        words[count++] = (struct str){line.ptr, len};
        line = (struct str){line.ptr + len, line.len - len};
    }
    return count;
}

static bool is_name(struct str s)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._@-";
    for (size_t i = 0; i < s.len; i++)
        if (s.ptr[i] == '\0' || strchr(allowed, s.ptr[i]) == NULL)
            return false;
    return s.len > 0 && s.len <= NAME_MAX_BYTES;
}

static bool is_customer(struct str s)
{
    for (size_t i = 0; i < s.len; i++)
        if ((unsigned char)s.ptr[i] < 0x20 || s.ptr[i] == 0x7f)
            return false;
    return s.len > 0 && s.len <= CUSTOMER_MAX_BYTES && text_is_utf8(s);
}

static bool role_named(struct str name, enum role *role)
{
    static const char *const names[] = {[ROLE_READER] = "reader",
                                        [ROLE_SENDER] = "sender",
                                        [ROLE_ANALYST] = "analyst",
                                        [ROLE_ADMIN] = "admin"};
    for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (str_is(name, names[i])) {
            *role = (enum role)i;
            return true;
        }
    return false;
}

static int parse_token(const struct str words[4], struct token *token, struct err *err)
{
    struct str hash = words[3];
    if (!is_name(words[0]))
        return err_set(err, ERR_INVALID, "the name must be 1 to %d letters, digits or . _ @ -",
                       NAME_MAX_BYTES);
    if (!role_named(words[1], &token->role))
        return err_set(err, ERR_INVALID, "the second word must be reader, sender, analyst or admin");
    if (!is_customer(words[2]))
        return err_set(err, ERR_INVALID, "the customer must be * or 1 to %d bytes of UTF-8",
                       CUSTOMER_MAX_BYTES);
    if (!str_starts(hash, STR("sha256:")) ||
        !id_unhex((struct str){hash.ptr + 7, hash.len - 7}, token->hash, sizeof(token->hash)))
        return err_set(err, ERR_INVALID,
                       "the last word must be sha256: and the 64 hex digits of the token's SHA-256");
    memcpy(token->name, words[0].ptr, words[0].len);
    if (!str_is(words[2], "*"))
        memcpy(token->customer, words[2].ptr, words[2].len);
    return 0;
}

/* Tokens are looked up under a key that nobody knows, so that the time of a look-up says nothing about the
 * file. */
static void blinded(const struct token_set *set, const uint8_t hash[32], uint8_t key[32])
{
    hash_hmac_sha256((struct str){(const char *)set->blind, sizeof(set->blind)},
                     (struct str){(const char *)hash, 32}, key);
}

static int add_token(struct token_set *set, const struct token *token, unsigned line, struct err *err)
{
    uint8_t key[32];
    struct str hash = {(const char *)key, sizeof(key)};
    blinded(set, token->hash, key);
    if (set->tokens.count == TOKENS_MAX)
        return err_set(err, ERR_LIMIT, "a token file holds at most %d tokens", TOKENS_MAX);
    uintptr_t twin = (uintptr_t)map_get(set->by_name, str_from(token->name));
    if (twin)
        return err_set(err, ERR_INVALID, "line %u has this name already", set->lines.items[twin - 1]);
    twin = (uintptr_t)map_get(set->by_hash, hash);
    if (twin)
        return err_set(err, ERR_INVALID, "line %u has this token already", set->lines.items[twin - 1]);
    vec_push(&set->tokens, *token);
    vec_push(&set->lines, line);
    uintptr_t place = set->tokens.count;
    map_put(set->by_name, str_from(token->name), (void *)place);
    map_put(set->by_hash, hash, (void *)place);
    return 0;
}

static int parse_line(struct token_set *set, struct str line, unsigned number, struct err *err)
{
    struct str words[4];
    struct token token = {0};
    const char *comment = memchr(line.ptr, '#', line.len);
    if (comment)
        line.len = (size_t)(comment - line.ptr);
    size_t count = split_words(line, words, 4);
    if (count == 0)
        return 0;
    if (count != 4)
        return err_set(err, ERR_INVALID, LINE_HELP ", got %s4 words",
                       count > 4 ? "more than " : "fewer than ");
    if (parse_token(words, &token, err) != 0)
        return -1;
    return add_token(set, &token, number, err);
}

struct token_set *token_set_parse(struct str text, const char *path, struct err *err)
{
    struct token_set *set = mem_zalloc(1, sizeof(*set));
    struct str line;
    set->by_name = map_new();
    set->by_hash = map_new();
    id_random(set->blind, sizeof(set->blind));
    for (unsigned number = 1; next_line(&text, &line); number++) {
        if (parse_line(set, line, number, err) == 0)
            continue;
        err_at(err, "%s:%u", path, number);
        token_set_free(set);
        return NULL;
    }
    return set;
}

void token_set_free(struct token_set *set)
{
    if (set == NULL)
        return;
    map_free(set->by_name, NULL);
    map_free(set->by_hash, NULL);
    vec_free(&set->tokens);
    vec_free(&set->lines);
    free(set);
}

size_t token_set_count(const struct token_set *set)
{
    return set->tokens.count;
}

static const struct token *token_at(const struct token_set *set, const void *place)
{
    return place ? &set->tokens.items[(uintptr_t)place - 1] : NULL;
}

const struct token *token_set_find(const struct token_set *set, struct str text)
{
    uint8_t hash[32], key[32];
    if (text.len == 0 || text.len > TOKEN_MAX)
        return NULL;
    hash_sha256(text, hash);
    blinded(set, hash, key);
    const struct token *token = token_at(set, map_get(set->by_hash, (struct str){(const char *)key, 32}));
    return token && hash_equal(token->hash, hash, sizeof(hash)) ? token : NULL;
}

const struct token *token_set_named(const struct token_set *set, struct str name)
{
    return token_at(set, map_get(set->by_name, name));
}

/* ---- secrets ---- */

struct secret {
    uint8_t keys[SECRET_USES][32];
};

struct secret_set {
    VEC(struct secret) secrets;
};

static void add_secret(struct secret_set *set, struct str text)
{
    static const char *const uses[SECRET_USES] = {
        [SECRET_SESSION] = "lunette session", [SECRET_NOTE] = "lunette note"};
    struct secret secret = {0};
    for (unsigned i = 0; i < SECRET_USES; i++)
        hash_hmac_sha256(text, str_from(uses[i]), secret.keys[i]);
    vec_push(&set->secrets, secret);
    explicit_bzero(&secret, sizeof(secret));
}

static int take_secret(struct secret_set *set, struct str line, struct err *err)
{
    line = trim(line);
    if (line.len == 0)
        return 0;
    if (line.len < SECRET_MIN)
        return err_set(err, ERR_INVALID, "a secret must be at least %d bytes long", SECRET_MIN);
    if (set->secrets.count == SECRETS_MAX)
        return err_set(err, ERR_LIMIT, "a secret file holds at most %d secrets", SECRETS_MAX);
    add_secret(set, line);
    return 0;
}

struct secret_set *secret_set_parse(struct str text, const char *path, struct err *err)
{
    struct secret_set *set = mem_zalloc(1, sizeof(*set));
    struct str line;
    unsigned number = 1;
    for (; next_line(&text, &line); number++)
        if (take_secret(set, line, err) != 0)
            goto out;
    if (set->secrets.count)
        return set;
    err_set(err, ERR_INVALID, "the secret file is empty");
    number = 1;
out:
    err_at(err, "%s:%u", path, number);
    secret_set_free(set);
    return NULL;
}

struct secret_set *secret_set_random(void)
{
    struct secret_set *set = mem_zalloc(1, sizeof(*set));
    char bytes[32];
    id_random(bytes, sizeof(bytes));
    add_secret(set, (struct str){bytes, sizeof(bytes)});
    explicit_bzero(bytes, sizeof(bytes));
    return set;
}

void secret_set_free(struct secret_set *set)
{
    if (set == NULL)
        return;
    if (set->secrets.count)
        explicit_bzero(set->secrets.items, set->secrets.count * sizeof(*set->secrets.items));
    vec_free(&set->secrets);
    free(set);
}

static void sign_with(const struct secret *secret, enum secret_use use, struct str text, uint8_t mac[32])
{
    hash_hmac_sha256((struct str){(const char *)secret->keys[use], 32}, text, mac);
}

void secret_set_sign(const struct secret_set *set, enum secret_use use, struct str text, uint8_t mac[32])
{
    sign_with(&set->secrets.items[0], use, text, mac);
}

bool secret_set_verify(const struct secret_set *set, enum secret_use use, struct str text,
                       const uint8_t mac[32])
{
    bool right = false;
    for (size_t i = 0; i < set->secrets.count; i++) {
        uint8_t own[32];
        sign_with(&set->secrets.items[i], use, text, own);
        right |= hash_equal(own, mac, sizeof(own));
    }
    return right;
}

/* ---- sessions ---- */

/* The token's hash is in it: a session of a token that was replaced under the same name is over. */
static void session_text(const struct token *token, uint64_t expiry, struct buf *out)
{
    buf_put_lstr(out, str_from(token->name));
    buf_put_u64(out, expiry);
    buf_add(out, token->hash, sizeof(token->hash));
}

void session_print(const struct secret_set *secrets, const struct token *token, int64_t now_ns,
                   struct buf *out)
{
    uint64_t expiry = (uint64_t)((now_ns + SESSION_NS) / NS_PER_S);
    struct buf text = BUF_EMPTY;
    uint8_t mac[32];
    char hex[65];
    session_text(token, expiry, &text);
    secret_set_sign(secrets, SECRET_SESSION, buf_str(&text), mac);
    id_hex(mac, sizeof(mac), hex);
    buf_printf(out, "%s:%llu:%s", token->name, (unsigned long long)expiry, hex);
    buf_free(&text);
}

static bool parse_expiry(struct str digits, uint64_t *expiry)
{
    *expiry = 0;
    for (size_t i = 0; i < digits.len; i++) {
        if (digits.ptr[i] < '0' || digits.ptr[i] > '9')
            return false;
        *expiry = *expiry * 10 + (uint64_t)(digits.ptr[i] - '0');
    }
    return digits.len > 0 && digits.len <= 11;
}

static bool split_session(struct str value, struct str *name, uint64_t *expiry, uint8_t mac[32])
{
    const char *first = value.len ? memchr(value.ptr, ':', value.len) : NULL;
    size_t rest = first ? value.len - (size_t)(first + 1 - value.ptr) : 0;
    const char *second = rest ? memchr(first + 1, ':', rest) : NULL;
    if (second == NULL)
        return false;
    *name = (struct str){value.ptr, (size_t)(first - value.ptr)};
    struct str digits = {first + 1, (size_t)(second - first - 1)};
    struct str hex = {second + 1, value.len - (size_t)(second + 1 - value.ptr)};
    return parse_expiry(digits, expiry) && id_unhex(hex, mac, 32);
}

const struct token *session_token(const struct token_set *tokens, const struct secret_set *secrets,
                                  struct str value, int64_t now_ns)
{
    struct str name;
    uint64_t expiry;
    uint8_t mac[32];
    if (!split_session(value, &name, &expiry, mac) || expiry <= (uint64_t)(now_ns / NS_PER_S))
        return NULL;
    const struct token *token = token_set_named(tokens, name);
    if (token == NULL)
        return NULL;
    struct buf text = BUF_EMPTY;
    session_text(token, expiry, &text);
    bool right = secret_set_verify(secrets, SECRET_SESSION, buf_str(&text), mac);
    buf_free(&text);
    return right ? token : NULL;
}
