#include "app/auth.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <stdio.h>

#include "app/credentials.h"
#include "base/hash.h"
#include "base/id.h"
#include "base/json.h"
#include "base/log.h"
#include "base/text.h"
#include "base/vec.h"

#define COOKIE_NAME "lunette_session"
#define ORIGINS_MAX 64

/* A file that is read again: what was in it at the last look, good or bad. */
struct watched {
    const char *path; /* "": none */
    uint8_t digest[32];
    enum { NEVER_READ, READ, UNREADABLE } state;
};

struct auth {
    struct watched token_file, secret_file;
    VEC(char *) origins;
    pthread_mutex_t lock; /* guards the two pointers; what they point at never changes */
    struct token_set *tokens;
    struct secret_set *secrets;
};

/* ---- the files ---- */

/* 1: `text` is new; 0: nothing to do, as it is the same as last time, or still cannot be read; -1: it cannot
 * be read. */
static int look(struct watched *file, size_t max, struct buf *text, struct err *err)
{
    uint8_t digest[32];
    if (credentials_read(file->path, max, text, err) != 0) {
        bool told = file->state == UNREADABLE;
        file->state = UNREADABLE;
        return told ? 0 : -1;
    }
    hash_sha256(buf_str(text), digest);
    if (file->state == READ && memcmp(digest, file->digest, sizeof(digest)) == 0)
        return 0;
    memcpy(file->digest, digest, sizeof(digest));
    file->state = READ;
    return 1;
}

static void forget_text(struct buf *text)
{
    if (text->len)
        explicit_bzero(text->ptr, text->len);
    buf_free(text);
}

static int load_tokens(struct auth *auth, struct err *err)
{
    struct buf text = BUF_EMPTY;
    int found = look(&auth->token_file, TOKEN_FILE_MAX, &text, err);
    struct token_set *fresh = found == 1 ? token_set_parse(buf_str(&text), auth->token_file.path, err) : NULL;
    forget_text(&text);
    if (fresh == NULL)
        return found == 0 ? 0 : -1;
    pthread_mutex_lock(&auth->lock);
    struct token_set *old = auth->tokens;
    auth->tokens = fresh;
    pthread_mutex_unlock(&auth->lock);
    token_set_free(old);
    LOG(token_set_count(fresh) ? LOG_INFO : LOG_WARN, "auth.tokens",
        log_int("tokens", token_set_count(fresh)));
    return 0;
}

static int load_secrets(struct auth *auth, struct err *err)
{
    struct buf text = BUF_EMPTY;
    int found = look(&auth->secret_file, SECRET_FILE_MAX, &text, err);
    struct secret_set *fresh = found == 1 ? secret_set_parse(buf_str(&text), auth->secret_file.path, err)
                                          : NULL;
    forget_text(&text);
    if (fresh == NULL)
        return found == 0 ? 0 : -1;
    pthread_mutex_lock(&auth->lock);
    struct secret_set *old = auth->secrets;
    auth->secrets = fresh;
    pthread_mutex_unlock(&auth->lock);
    secret_set_free(old);
    return 0;
}

static void refresh(struct auth *auth, const struct watched *file,
                    int (*load)(struct auth *auth, struct err *err))
{
    struct err err = {0};
    if (file->path[0] && load(auth, &err) != 0)
        LOG_ERR(LOG_ERROR, "auth.file", &err);
}

void auth_refresh(struct auth *auth)
{
    refresh(auth, &auth->token_file, load_tokens);
    refresh(auth, &auth->secret_file, load_secrets);
}

/* ---- making ---- */

static bool is_origin(struct str s)
{
    size_t scheme = str_starts(s, STR("https://")) ? 8 : str_starts(s, STR("http://")) ? 7 : 0;
    return scheme && s.len > scheme && memchr(s.ptr + scheme, '/', s.len - scheme) == NULL;
}

static int add_origins(struct auth *auth, const char *list, struct err *err)
{
    while (*list) {
        list += strspn(list, " ,");
        size_t len = strcspn(list, " ,");
        struct str origin = {list, len};
        if (len == 0)
            break;
        if (!is_origin(origin))
            return err_set(err, ERR_INVALID,
                           "origins: expected https://host[:port] without a path, got \"%.*s\"",
                           STR_ARG(origin));
        if (auth->origins.count == ORIGINS_MAX)
            return err_set(err, ERR_LIMIT, "origins: at most %d", ORIGINS_MAX);
        vec_push(&auth->origins, mem_dup(list, len));
        list += len;
    }
    return 0;
}

struct auth *auth_new(const char *token_file, const char *secret_file, const char *origins, struct err *err)
{
    struct auth *auth = mem_zalloc(1, sizeof(*auth));
    pthread_mutex_init(&auth->lock, NULL);
    auth->token_file.path = mem_dup(token_file, strlen(token_file));
    auth->secret_file.path = mem_dup(secret_file, strlen(secret_file));
    if (secret_file[0] == '\0')
        auth->secrets = secret_set_random();
    if (add_origins(auth, origins, err) == 0 && (token_file[0] == '\0' || load_tokens(auth, err) == 0) &&
        (secret_file[0] == '\0' || load_secrets(auth, err) == 0))
        return auth;
    auth_free(auth);
    return NULL;
}

void auth_free(struct auth *auth)
{
    if (auth == NULL)
        return;
    for (size_t i = 0; i < auth->origins.count; i++)
        free(auth->origins.items[i]);
    vec_free(&auth->origins);
    token_set_free(auth->tokens);
    secret_set_free(auth->secrets);
    free((char *)auth->token_file.path);
    free((char *)auth->secret_file.path);
    pthread_mutex_destroy(&auth->lock);
    free(auth);
}

bool auth_has_tokens(const struct auth *auth)
{
    return auth->token_file.path[0] != '\0';
}

/* ---- refusals ---- */

__attribute__((format(printf, 3, 4))) static bool refuse(struct http_request *request, int status,
                                                         const char *format, ...)
{
    struct err err = {0};
    va_list args;
    va_start(args, format);
    err_vset(&err, ERR_DENIED, format, args);
    va_end(args);
    http_problem(request, status, err.message);
    return false;
}

static bool refuse_stranger(struct http_request *request, bool had_token, const char *detail)
{
    http_set_header(request, "WWW-Authenticate",
                    had_token ? "Bearer realm=\"lunette\", error=\"invalid_token\""
                              : "Bearer realm=\"lunette\"");
    return refuse(request, 401, "%s", detail);
}

/* For messages: what a client sent is shown, but not all of it. */
static struct str shown(struct str s)
{
    return (struct str){s.ptr, s.len < 100 ? s.len : 100};
}

/* ---- where a request comes from ---- */

static bool is_https(struct http_request *request)
{
    return text_equal_fold(http_header(request, "X-Forwarded-Proto"), STR("https"));
}

/* Without the port that goes without saying. */
static struct str plain_host(struct str host, bool https)
{
    struct str port = https ? STR(":443") : STR(":80");
    if (str_ends(host, port))
        host.len -= port.len;
    return host;
}

/* Equal to the address under which the client asked: scheme, host and port. */
static bool is_own_origin(struct http_request *request, struct str origin)
{
    bool https = is_https(request);
    struct str scheme = https ? STR("https://") : STR("http://"), host = http_header(request, "Host");
    if (host.len == 0 || origin.len <= scheme.len ||
        !text_equal_fold((struct str){origin.ptr, scheme.len}, scheme))
        return false;
    struct str rest = {origin.ptr + scheme.len, origin.len - scheme.len};
    return text_equal_fold(plain_host(rest, https), plain_host(host, https));
}

static bool is_listed_origin(const struct auth *auth, struct str origin)
{
    for (size_t i = 0; i < auth->origins.count; i++)
        if (text_equal_fold(origin, str_from(auth->origins.items[i])))
            return true;
    return false;
}

bool auth_origin(struct auth *auth, struct http_request *request)
{
    struct str origin = http_header(request, "Origin");
    return origin.ptr == NULL || is_own_origin(request, origin) || is_listed_origin(auth, origin);
}

static bool is_safe(struct http_request *request)
{
    return http_method(request) & (HTTP_GET | HTTP_HEAD | HTTP_OPTIONS);
}

static bool refuse_origin(struct http_request *request, struct str origin)
{
    return refuse(request, 403,
                  "Origin \"%.*s\" is not this server's own; a proxy in front must pass Host and "
                  "X-Forwarded-Proto on",
                  STR_ARG(shown(origin)));
}

static bool own_page(struct http_request *request)
{
    struct str origin = http_header(request, "Origin");
    return origin.ptr == NULL || is_own_origin(request, origin) || refuse_origin(request, origin);
}

/* ---- without tokens: this machine only ---- */

static bool is_loopback_name(struct str host)
{
    char text[64];
    struct in_addr address;
    const char *colon = host.len ? memchr(host.ptr, ':', host.len) : NULL;
    if (str_starts(host, STR("[::1]")))
        return host.len == 5 || host.ptr[5] == ':';
    if (colon)
        host.len = (size_t)(colon - host.ptr);
    if (text_equal_fold(host, STR("localhost")))
        return true;
    if (host.len >= sizeof(text))
        return false;
    snprintf(text, sizeof(text), "%.*s", STR_ARG(host));
    return inet_pton(AF_INET, text, &address) == 1 && (ntohl(address.s_addr) >> 24) == 127;
}

static bool has_body(struct http_request *request)
{
    struct str length = http_header(request, "Content-Length");
    return http_header(request, "Transfer-Encoding").ptr || (length.ptr && !str_is(length, "0"));
}

static bool media_type_is(struct http_request *request, struct str wanted)
{
    struct str type = http_header(request, "Content-Type");
    size_t len = 0;
    while (len < type.len && type.ptr[len] != ';' && type.ptr[len] != ' ' && type.ptr[len] != '\t')
        len++;
    return text_equal_fold((struct str){type.ptr, len}, wanted);
}

/* A page of another site can make a browser on this machine send requests here, by another name for this
 * address too; it cannot forge Host and Origin, nor send JSON without being asked first. */
static bool is_local(struct auth *auth, struct http_request *request)
{
    struct str host = http_header(request, "Host"), origin = http_header(request, "Origin");
    if (!http_peer_is_loopback(request))
        return refuse(request, 403, "without a token file only this machine may ask");
    if (!is_loopback_name(host))
        return refuse(request, 403,
                      "without a token file Host must be localhost, 127.0.0.1 or [::1], not \"%.*s\"",
                      STR_ARG(shown(host)));
    if (origin.ptr && !is_own_origin(request, origin) &&
        !(is_safe(request) && is_listed_origin(auth, origin)))
        return refuse_origin(request, origin);
    if (has_body(request) && !media_type_is(request, STR("application/json")) &&
        !media_type_is(request, STR("application/x-ndjson")))
        return refuse(request, 415, "send application/json or application/x-ndjson");
    return true;
}

/* ---- with tokens ---- */

static void become(struct principal *who, const struct token *token)
{
    memcpy(who->name, token->name, sizeof(who->name));
    memcpy(who->customer, token->customer, sizeof(who->customer));
    who->role = token->role;
}

/* The token of an Authorization header; false where there is none of ours. */
static bool bearer(struct http_request *request, struct str *token)
{
    struct str value = http_header(request, "Authorization");
    if (value.len < 7 || !text_equal_fold((struct str){value.ptr, 7}, STR("bearer ")))
        return false;
    size_t at = 7;
    while (at < value.len && value.ptr[at] == ' ')
        at++;
    *token = (struct str){value.ptr + at, value.len - at};
    return true;
}

/* Cookies of our name, one after the other: a neighbour's page may have set another one before ours. */
static bool next_cookie(struct str *rest, struct str *value)
{
    static const struct str name = {COOKIE_NAME "=", sizeof(COOKIE_NAME)};
    while (rest->len) {
        const char *end = memchr(rest->ptr, ';', rest->len);
        struct str pair = {rest->ptr, end ? (size_t)(end - rest->ptr) : rest->len};
        size_t taken = end ? pair.len + 1 : pair.len;
        *rest = (struct str){rest->ptr + taken, rest->len - taken};
        while (pair.len && (pair.ptr[0] == ' ' || pair.ptr[0] == '\t'))
            pair = (struct str){pair.ptr + 1, pair.len - 1};
        if (str_starts(pair, name)) {
            *value = (struct str){pair.ptr + name.len, pair.len - name.len};
            return true;
        }
    }
    return false;
}

static bool by_token(struct auth *auth, struct str text, struct principal *who)
{
    pthread_mutex_lock(&auth->lock);
    const struct token *token = token_set_find(auth->tokens, text);
    if (token)
        become(who, token);
    pthread_mutex_unlock(&auth->lock);
    return token != NULL;
}

static bool by_cookie(struct auth *auth, struct http_request *request, bool *had_cookie,
                      struct principal *who)
{
    struct str rest = http_header(request, "Cookie"), value;
    const struct token *token = NULL;
    while (token == NULL && next_cookie(&rest, &value)) {
        *had_cookie = true;
        pthread_mutex_lock(&auth->lock);
        token = session_token(auth->tokens, auth->secrets, value, clock_now(&clock_real));
        if (token)
            become(who, token);
        pthread_mutex_unlock(&auth->lock);
    }
    return token != NULL;
}

static bool identify(struct auth *auth, struct http_request *request, struct principal *who)
{
    struct str token;
    bool had_cookie = false;
    if (bearer(request, &token))
        return by_token(auth, token, who) || refuse_stranger(request, true, "this token is not known here");
    if (by_cookie(auth, request, &had_cookie, who))
        return is_safe(request) || own_page(request);
    return refuse_stranger(request, false,
                           had_cookie ? "the session is over; sign in again"
                                      : "a token is needed: Authorization: Bearer TOKEN, or a session");
}

static bool role_may(enum role role, enum access access)
{
    static const unsigned allowed[] = {
        [ACCESS_OPEN] = ~0u,
        [ACCESS_READ] = 1u << ROLE_READER | 1u << ROLE_ANALYST | 1u << ROLE_ADMIN,
        [ACCESS_READ_ALL] = 1u << ROLE_READER | 1u << ROLE_ANALYST | 1u << ROLE_ADMIN,
        [ACCESS_SEND] = 1u << ROLE_SENDER | 1u << ROLE_ADMIN,
        [ACCESS_ANALYSE] = 1u << ROLE_ANALYST | 1u << ROLE_ADMIN,
        [ACCESS_ADMIN] = 1u << ROLE_ADMIN,
        [ACCESS_ADMIN_ALL] = 1u << ROLE_ADMIN,
    };
    return allowed[access] & 1u << role;
}

static const char *role_name(enum role role)
{
    static const char *const names[] = {[ROLE_READER] = "reader",
                                        [ROLE_SENDER] = "sender",
                                        [ROLE_ANALYST] = "analyst",
                                        [ROLE_ADMIN] = "admin"};
    return names[role];
}

static bool is_of_all_customers(enum access access)
{
    return access == ACCESS_READ_ALL || access == ACCESS_ADMIN_ALL;
}

bool auth_check(struct auth *auth, struct http_request *request, enum access access, struct principal *who)
{
    *who = (struct principal){.role = access == ACCESS_OPEN ? ROLE_READER : ROLE_ADMIN};
    if (access == ACCESS_OPEN)
        return true;
    if (!auth_has_tokens(auth))
        return is_local(auth, request);
    if (!identify(auth, request, who))
        return false;
    if (!role_may(who->role, access))
        return refuse(request, 403, "the role of this token, %s, does not allow this", role_name(who->role));
    return !who->customer[0] || !is_of_all_customers(access) ||
           refuse(request, 403, "this counts all customers together, and the token is bound to one of them");
}

/* ---- sessions ---- */

static void set_cookie(struct http_request *request, struct str value, int64_t age_s)
{
    struct buf cookie = BUF_EMPTY;
    buf_printf(&cookie, COOKIE_NAME "=%.*s; Path=/; Max-Age=%lld; HttpOnly; SameSite=Strict%s",
               STR_ARG(value), (long long)age_s, is_https(request) ? "; Secure" : "");
    http_set_header(request, "Set-Cookie", cookie.ptr);
    http_set_header(request, "Cache-Control", "no-store");
    buf_free(&cookie);
}

static void answer_login(struct http_request *request, const struct principal *who, int64_t expires_ns)
{
    struct buf out = BUF_EMPTY;
    buf_putc(&out, '{');
    buf_json_kstr(&out, "name", str_from(who->name));
    buf_json_kstr(&out, "role", str_from(role_name(who->role)));
    buf_json_kstr(&out, "customer", str_from(who->customer[0] ? who->customer : "*"));
    buf_json_ktime(&out, "expires_at", expires_ns);
    buf_putc(&out, '}');
    http_respond_json(request, 200, buf_str(&out));
    buf_free(&out);
}

static void login(struct auth *auth, struct http_request *request, struct str text)
{
    struct principal who;
    struct buf value = BUF_EMPTY;
    int64_t now = clock_now(&clock_real);
    pthread_mutex_lock(&auth->lock);
    const struct token *token = token_set_find(auth->tokens, text);
    if (token) {
        become(&who, token);
        session_print(auth->secrets, token, now, &value);
    }
    pthread_mutex_unlock(&auth->lock);
    if (token) {
        set_cookie(request, buf_str(&value), SESSION_NS / NS_PER_S);
        answer_login(request, &who, (now + SESSION_NS) / NS_PER_S * NS_PER_S);
    } else {
        refuse_stranger(request, true, "this token is not known here");
    }
    buf_free(&value);
}

void auth_login(struct auth *auth, struct http_request *request)
{
    static const struct json_limits limits = {.size = 4096, .depth = 2};
    struct err err = {0};
    struct str token;
    if (!auth_has_tokens(auth)) {
        refuse(request, 400, "this process has no token file; nobody needs to sign in");
        return;
    }
    if (!own_page(request))
        return;
    if (!media_type_is(request, STR("application/json"))) {
        refuse(request, 415, "send application/json");
        return;
    }
    struct json *body = json_parse(http_body(request), &limits, &err);
    if (body == NULL)
        http_problem_err(request, &err);
    else if (json_count(body) != 1 || !json_get_str(body, "token", &token))
        http_problem_field(request, 400, "expected {\"token\": …}", "token", "expected a text");
    else
        login(auth, request, token);
    json_free(body);
}

void auth_logout(struct auth *auth, struct http_request *request)
{
    (void)auth;
    if (!own_page(request))
        return;
    set_cookie(request, STR(""), 0);
    http_respond_json(request, 200, STR("{}"));
}

void auth_sign(struct auth *auth, struct str text, char out[65])
{
    uint8_t mac[32];
    pthread_mutex_lock(&auth->lock);
    secret_set_sign(auth->secrets, SECRET_NOTE, text, mac);
    pthread_mutex_unlock(&auth->lock);
    id_hex(mac, sizeof(mac), out);
}
