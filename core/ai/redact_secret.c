#include "ai/redact_scan.h"

#define TAIL_MAX 512 /* no token by shape is longer, but for JWTs */
#define JWT_MAX  8192
#define PEM_MAX  16384

static bool is_base64url(char c)
{
    return scan_is_alnum(c) || c == '_' || c == '-';
}

static bool set_hit(struct hit *hit, size_t from, size_t to, enum redact_kind kind, const char *label)
{
    *hit = (struct hit){.from = from, .to = to, .kind = kind, .label = label};
    return true;
}

/* ---- private keys ---- */

static bool begins(const struct scan *scan, size_t at, const char *text)
{
    size_t len = strlen(text);
    return at <= scan->text.len && len <= scan->text.len - at && memcmp(scan->text.ptr + at, text, len) == 0;
}

/* Past "-----BEGIN … PRIVATE KEY…-----", or 0. */
static size_t after_pem_begin(const struct scan *scan, size_t at)
{
    if (!begins(scan, at, "-----BEGIN "))
        return 0;
    size_t end = at + 11, limit = end + 48;
    while (end < limit && (scan_is_upper(scan_at(scan, end)) || scan_is_digit(scan_at(scan, end)) ||
                           scan_at(scan, end) == ' '))
        end++;
    struct str title = scan_slice(scan, at + 11, end);
    if (!begins(scan, end, "-----"))
        return 0;
    return str_ends(title, STR("PRIVATE KEY")) || str_ends(title, STR("PRIVATE KEY BLOCK")) ? end + 5 : 0;
}

static bool is_pem_byte(char c)
{
    return scan_is_alnum(c) || scan_is_space(c) || (c && strchr("+/=\\:,-.", c));
}

bool scan_private_key(const struct scan *scan, size_t at, struct hit *hit)
{
    size_t body = after_pem_begin(scan, at);
    if (!body)
        return false;
    size_t end = body, limit = body + PEM_MAX;
    while (end < limit && is_pem_byte(scan_at(scan, end)) && !begins(scan, end, "-----END "))
        end++;
    if (begins(scan, end, "-----END ")) { /* else it is cut off: what looks like its body goes */
        end += 9;
        while (end < scan->text.len && scan_at(scan, end) != '-' && scan_at(scan, end) != '\n')
            end++;
        while (scan_at(scan, end) == '-')
            end++;
    }
    return set_hit(hit, at, end, REDACT_SECRET_PRIVATE_KEY, "private_key");
}

/* ---- tokens that their makers gave a shape ---- */

enum tail { ALNUM, UPPER, HEX, BASE64URL, DOTTED };

struct shape {
    const char *prefix;
    enum tail tail;
    unsigned short least, most; /* of the tail */
    const char *label;
};

static const struct shape shapes[] = {
    {"AKIA", UPPER, 16, 16, "aws_key"},
    {"ASIA", UPPER, 16, 16, "aws_key"},
    {"ABIA", UPPER, 16, 16, "aws_key"},
    {"ACCA", UPPER, 16, 16, "aws_key"},
    {"AIza", BASE64URL, 35, 35, "google_key"},
    {"AGE-SECRET-KEY-1", UPPER, 40, 64, "age_key"},
    {"ATATT3", BASE64URL, 60, 512, "api_token"},
    {"EAACEdEose0cBA", ALNUM, 10, 512, "api_token"},
    {"GOCSPX-", BASE64URL, 20, 40, "google_key"},
    {"NRAK-", UPPER, 27, 27, "api_key"},
    {"PMAK-", BASE64URL, 40, 80, "api_key"},
    {"SG.", DOTTED, 60, 80, "api_key"},
    {"SK", HEX, 32, 32, "api_key"},
    {"dapi", HEX, 32, 34, "api_token"},
    {"dckr_pat_", BASE64URL, 20, 64, "api_token"},
    {"dop_v1_", HEX, 64, 64, "api_token"},
    {"figd_", BASE64URL, 20, 80, "api_token"},
    {"ghp_", ALNUM, 30, 255, "github_token"},
    {"gho_", ALNUM, 30, 255, "github_token"},
    {"ghu_", ALNUM, 30, 255, "github_token"},
    {"ghs_", ALNUM, 30, 255, "github_token"},
    {"ghr_", ALNUM, 30, 255, "github_token"},
    {"github_pat_", BASE64URL, 22, 255, "github_token"},
    {"glpat-", BASE64URL, 20, 255, "gitlab_token"},
    {"gldt-", BASE64URL, 20, 64, "gitlab_token"},
    {"glrt-", BASE64URL, 20, 64, "gitlab_token"},
    {"glsa_", BASE64URL, 32, 64, "api_token"},
    {"gsk_", ALNUM, 20, 128, "api_key"},
    {"hf_", ALNUM, 30, 64, "api_token"},
    {"hvb.", BASE64URL, 24, 255, "vault_token"},
    {"hvs.", BASE64URL, 24, 255, "vault_token"},
    {"key-", HEX, 32, 32, "api_key"},
    {"lin_api_", ALNUM, 32, 64, "api_key"},
    {"nfp_", ALNUM, 36, 64, "api_token"},
    {"npm_", ALNUM, 36, 36, "npm_token"},
    {"pplx-", ALNUM, 40, 64, "api_key"},
    {"pypi-", BASE64URL, 50, 255, "pypi_token"},
    {"r8_", ALNUM, 37, 40, "api_token"},
    {"rk_live_", ALNUM, 16, 255, "stripe_key"},
    {"rk_test_", ALNUM, 16, 255, "stripe_key"},
    {"rubygems_", HEX, 48, 48, "api_key"},
    {"shpat_", HEX, 32, 32, "api_token"},
    {"shpss_", HEX, 32, 32, "api_token"},
    {"sk-", BASE64URL, 20, 255, "api_key"},
    {"sk_live_", ALNUM, 16, 255, "stripe_key"},
    {"sk_test_", ALNUM, 16, 255, "stripe_key"},
    {"sntrys_", BASE64URL, 30, 255, "api_token"},
    {"sq0atp-", BASE64URL, 22, 22, "api_token"},
    {"sq0csp-", BASE64URL, 43, 43, "api_token"},
    {"whsec_", ALNUM, 20, 64, "stripe_key"},
    {"xapp-", BASE64URL, 20, 255, "slack_token"},
    {"xkeysib-", BASE64URL, 64, 96, "api_key"},
    {"xoxa-", BASE64URL, 10, 255, "slack_token"},
    {"xoxb-", BASE64URL, 10, 255, "slack_token"},
    {"xoxe-", BASE64URL, 10, 255, "slack_token"},
    {"xoxp-", BASE64URL, 10, 255, "slack_token"},
    {"xoxr-", BASE64URL, 10, 255, "slack_token"},
    {"xoxs-", BASE64URL, 10, 255, "slack_token"},
    {"ya29.", BASE64URL, 20, 512, "google_token"},
};

static bool tail_takes(enum tail tail, char c)
{
    switch (tail) {
    case ALNUM:
        return scan_is_alnum(c);
    case UPPER:
        return scan_is_upper(c) || scan_is_digit(c);
    case HEX:
        return scan_is_hex(c);
    case BASE64URL:
        return is_base64url(c);
    case DOTTED:
        return is_base64url(c) || c == '.';
    }
    return false;
}

/* A word with dashes is no token: "sk-learn-contrib-imbalanced". */
static bool has_digit(struct str s)
{
    for (size_t i = 0; i < s.len; i++)
        if (scan_is_digit(s.ptr[i]))
            return true;
    return false;
}

static bool shape_fits(const struct scan *scan, size_t at, const struct shape *shape, struct hit *hit)
{
    if (!begins(scan, at, shape->prefix))
        return false;
    size_t from = at + strlen(shape->prefix), end = from;
    while (end - from <= shape->most && tail_takes(shape->tail, scan_at(scan, end)))
        end++;
    if (end - from < shape->least || end - from > shape->most || scan_is_alnum(scan_at(scan, end)))
        return false;
    if (shape->tail != UPPER && !has_digit(scan_slice(scan, from, end)))
        return false;
    return set_hit(hit, at, end, REDACT_SECRET_KEY, shape->label);
}

/* "123456789:AA…": a Telegram bot's token. */
static bool scan_bot_token(const struct scan *scan, size_t at, struct hit *hit)
{
    size_t end = at;
    while (end - at < 11 && scan_is_digit(scan_at(scan, end)))
        end++;
    if (end - at < 8 || end - at > 10 || !begins(scan, end, ":AA"))
        return false;
    size_t from = end + 1;
    for (end = from; end - from < 36 && is_base64url(scan_at(scan, end));)
        end++;
    return end - from == 35 && set_hit(hit, at, end, REDACT_SECRET_TOKEN, "bot_token");
}

bool scan_token(const struct scan *scan, size_t at, struct hit *hit)
{
    char first = scan_at(scan, at), before = scan_before(scan, at);
    if (scan_is_alnum(before) || before == '_')
        return false;
    if (scan_is_digit(first))
        return scan_bot_token(scan, at, hit);
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++)
        if (shapes[i].prefix[0] == first && shape_fits(scan, at, &shapes[i], hit))
            return true;
    return false;
}

static size_t base64url_end(const struct scan *scan, size_t at, size_t limit)
{
    while (at < limit && is_base64url(scan_at(scan, at)))
        at++;
    return at;
}

bool scan_jwt(const struct scan *scan, size_t at, struct hit *hit)
{
    if (!begins(scan, at, "eyJ") || is_base64url(scan_before(scan, at)))
        return false;
    size_t limit = at + JWT_MAX, end = base64url_end(scan, at, limit), parts = 1;
    if (end - at < 10)
        return false;
    while (parts < 5 && scan_at(scan, end) == '.') {
        end = base64url_end(scan, end + 1, limit);
        parts++;
    }
    /* One part alone is any JSON in base64: evidence. */
    return parts >= 2 && end - at >= 24 && set_hit(hit, at, end, REDACT_SECRET_JWT, "jwt");
}

/* ---- URLs ---- */

static bool ends_authority(char c)
{
    return c == '\0' || c == '/' || c == '?' || c == '#' || c == '"' || c == '\'' || c == '<' || c == '>' ||
           c == '\\' || scan_is_space(c);
}

bool scan_url_password(const struct scan *scan, size_t at, struct hit *hit)
{
    if (!begins(scan, at, "://") || !scan_is_alnum(scan_before(scan, at)))
        return false;
    size_t from = at + 3, colon = 0, sign = 0;
    for (size_t end = from; end < from + TAIL_MAX && !ends_authority(scan_at(scan, end)); end++) {
        if (scan_at(scan, end) == ':' && !colon && !sign)
            colon = end;
        if (scan_at(scan, end) == '@')
            sign = end;
    }
    if (!sign)
        return false;
    if (colon && colon < sign)
        return colon + 1 < sign && set_hit(hit, colon + 1, sign, REDACT_SECRET_PASSWORD, "password");
    /* A user alone is a token where it is long. */
    return sign - from >= 20 && set_hit(hit, from, sign, REDACT_SECRET_TOKEN, "token");
}

bool scan_webhook(const struct scan *scan, size_t at, struct hit *hit)
{
    static const char *const hosts[] = {"hooks.slack.com/services/", "discord.com/api/webhooks/",
                                        "discordapp.com/api/webhooks/", "webhook.office.com/webhookb2/"};
    for (size_t i = 0; i < sizeof hosts / sizeof hosts[0]; i++) {
        if (!begins(scan, at, hosts[i]))
            continue;
        size_t from = at + strlen(hosts[i]), end = from;
        while (end - from < TAIL_MAX && (is_base64url(scan_at(scan, end)) ||
                                         (scan_at(scan, end) && strchr("/@.", scan_at(scan, end)))))
            end++;
        return end - from >= 16 && set_hit(hit, from, end, REDACT_SECRET_TOKEN, "webhook");
    }
    return false;
}
