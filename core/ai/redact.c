#include "ai/redact.h"

#include <stdlib.h>

#include "ai/redact_scan.h"
#include "base/map.h"
#include "base/text.h"
#include "base/vec.h"

#define LEARNED_MAX       128
#define LEARNED_LEAST     4
#define LEARNED_MOST      256
#define PSEUDONYM_LONGEST 48

struct pseudonym {
    char *name;  /* "EMAIL_1" */
    char *value; /* as it was first seen */
    size_t value_len;
};

struct learned {
    char *folded;
    size_t len;
    struct pseudonym *pseudonym;
};

struct redact {
    char **fields; /* ".*" cut off where `below` */
    bool *below;
    size_t field_count;
    bool keep_personal;
    struct map *by_value; /* "EMAIL:folded value" -> pseudonym */
    struct map *by_name;  /* owns nothing */
    unsigned next[REDACT_KINDS + 2];
    VEC(struct learned) learned;
    uint64_t counts[REDACT_KINDS];
};

const char *redact_kind_name(enum redact_kind kind)
{
    static const char *const names[REDACT_KINDS] = {"secret_key",
                                                    "secret_jwt",
                                                    "secret_private_key",
                                                    "secret_password",
                                                    "secret_token",
                                                    "card",
                                                    "iban",
                                                    "email",
                                                    "phone",
                                                    "ssn",
                                                    "person"};
    return names[kind];
}

uint64_t redact_count(const struct redact *redact, enum redact_kind kind)
{
    return redact->counts[kind];
}

struct redact *redact_new(const struct redact_options *options)
{
    static const struct redact_options none;
    if (!options)
        options = &none;
    struct redact *redact = mem_zalloc(1, sizeof *redact);
    redact->by_value = map_new();
    redact->by_name = map_new();
    redact->keep_personal = options->keep_personal;
    redact->field_count = options->personal_count;
    redact->fields = mem_zalloc(options->personal_count + 1, sizeof *redact->fields);
    redact->below = mem_zalloc(options->personal_count + 1, sizeof *redact->below);
    for (size_t i = 0; i < options->personal_count; i++) {
        struct str field = str_from(options->personal_fields[i]);
        redact->below[i] = str_ends(field, STR(".*"));
        redact->fields[i] = mem_dup(field.ptr, field.len - (redact->below[i] ? 2 : 0));
    }
    return redact;
}

static void pseudonym_free(void *arg)
{
    struct pseudonym *pseudonym = arg;
    free(pseudonym->name);
    free(pseudonym->value);
    free(pseudonym);
}

void redact_free(struct redact *redact)
{
    if (!redact)
        return;
    for (size_t i = 0; i < redact->field_count; i++)
        free(redact->fields[i]);
    for (size_t i = 0; i < redact->learned.count; i++)
        free(redact->learned.items[i].folded);
    vec_free(&redact->learned);
    free(redact->fields);
    free(redact->below);
    map_free(redact->by_name, NULL);
    map_free(redact->by_value, pseudonym_free);
    free(redact);
}

/* ---- pseudonyms ---- */

/* Bytes, ASCII folded: names of accounts and addresses mean the same in any case. */
static void put_folded(struct buf *out, struct str value)
{
    char *to = buf_reserve(out, value.len);
    for (size_t i = 0; i < value.len; i++)
        to[i] = scan_lower(value.ptr[i]);
    buf_grew(out, value.len);
}

enum { SORT_USER = REDACT_KINDS, SORT_HOST };

static const char *sort_name(unsigned sort)
{
    switch (sort) {
    case REDACT_EMAIL:
        return "EMAIL";
    case REDACT_PHONE:
        return "PHONE";
    case REDACT_SSN:
        return "SSN";
    case SORT_USER:
        return "USER";
    case SORT_HOST:
        return "HOST";
    default:
        return "PERSON";
    }
}

static struct pseudonym *pseudonym_of(struct redact *redact, unsigned sort, struct str value)
{
    struct buf key = BUF_EMPTY, name = BUF_EMPTY;
    buf_printf(&key, "%s:", sort_name(sort));
    put_folded(&key, value);
    struct pseudonym *pseudonym = map_get(redact->by_value, buf_str(&key));
    if (!pseudonym) {
        buf_printf(&name, "%s_%u", sort_name(sort), ++redact->next[sort]);
        pseudonym = mem_alloc(sizeof *pseudonym);
        *pseudonym = (struct pseudonym){mem_dup(name.ptr, name.len), mem_dup(value.ptr, value.len),
                                        value.len};
        map_put(redact->by_value, buf_str(&key), pseudonym);
        map_put(redact->by_name, buf_str(&name), pseudonym);
    }
    buf_free(&key);
    buf_free(&name);
    return pseudonym;
}

static void put_pseudonym(struct buf *out, const struct pseudonym *pseudonym)
{
    buf_printf(out, "[%s]", pseudonym->name);
}

/* ---- configured fields ---- */

static bool is_personal_field(const struct redact *redact, struct str path)
{
    for (size_t i = 0; i < redact->field_count; i++) {
        struct str field = str_from(redact->fields[i]);
        if (str_equal(field, path))
            return true;
        if (redact->below[i] && str_starts(path, field) && path.len > field.len && path.ptr[field.len] == '.')
            return true;
    }
    return false;
}

/* Accounts that are nobody: what they did is evidence about the machine. */
static bool is_nobody(struct str value)
{
    static const char *const names[] = {"root",
                                        "admin",
                                        "administrator",
                                        "system",
                                        "nobody",
                                        "guest",
                                        "daemon",
                                        "www-data",
                                        "postgres",
                                        "mysql",
                                        "service",
                                        "default",
                                        "unknown",
                                        "none",
                                        "-",
                                        "nt authority\\system",
                                        "local service",
                                        "network service",
                                        "anonymous",
                                        "anonymous logon"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (scan_equal_lower(value, names[i]))
            return true;
    return value.len == 0;
}

static bool path_has(struct str path, const char *part)
{
    return memmem(path.ptr, path.len, part, strlen(part)) != NULL;
}

static unsigned sort_of_path(struct str path)
{
    if (path_has(path, "email"))
        return REDACT_EMAIL;
    if (path_has(path, "full_name"))
        return REDACT_PERSON;
    if (path_has(path, "user"))
        return SORT_USER;
    return path_has(path, "host") ? SORT_HOST : REDACT_PERSON;
}

static void learn(struct redact *redact, struct str value, struct pseudonym *pseudonym)
{
    struct buf folded = BUF_EMPTY;
    if (value.len < LEARNED_LEAST || value.len > LEARNED_MOST || redact->learned.count >= LEARNED_MAX ||
        is_nobody(value))
        return;
    put_folded(&folded, value);
    for (size_t i = 0; i < redact->learned.count; i++)
        if (str_equal(buf_str(&folded),
                      (struct str){redact->learned.items[i].folded, redact->learned.items[i].len})) {
            buf_free(&folded);
            return;
        }
    struct learned item = {folded.ptr, folded.len, pseudonym};
    vec_push(&redact->learned, item);
}

void redact_learn(struct redact *redact, struct str path, struct str value)
{
    if (!is_personal_field(redact, path) || is_nobody(value))
        return;
    struct pseudonym *pseudonym = pseudonym_of(redact, sort_of_path(path), value);
    learn(redact, value, pseudonym);
    /* DOMAIN\name, name@domain: the name alone is the same person. */
    const char *slash = memchr(value.ptr, '\\', value.len), *sign = memchr(value.ptr, '@', value.len);
    if (slash)
        learn(redact, (struct str){slash + 1, value.len - (size_t)(slash + 1 - value.ptr)}, pseudonym);
    else if (sign)
        learn(redact, (struct str){value.ptr, (size_t)(sign - value.ptr)}, pseudonym);
}

static bool is_word_byte(char c)
{
    return scan_is_alnum(c) || (unsigned char)c >= 0x80;
}

static bool equal_folded(const char *text, const char *folded, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (scan_lower(text[i]) != folded[i])
            return false;
    return true;
}

/* The longest learned value that stands there as a whole word. */
static const struct learned *learned_at(const struct redact *redact, const struct scan *scan, size_t at)
{
    const struct learned *best = NULL;
    if (is_word_byte(scan_before(scan, at)))
        return NULL;
    for (size_t i = 0; i < redact->learned.count; i++) {
        const struct learned *item = &redact->learned.items[i];
        if (item->len <= scan->text.len - at && !is_word_byte(scan_at(scan, at + item->len)) &&
            (!best || item->len > best->len) && equal_folded(scan->text.ptr + at, item->folded, item->len))
            best = item;
    }
    return best;
}

/* ---- text ---- */

static bool secret_at(struct scan *scan, size_t at, struct hit *hit)
{
    return scan_token(scan, at, hit) || scan_jwt(scan, at, hit) || scan_webhook(scan, at, hit) ||
           scan_scheme(scan, at, hit) || scan_named(scan, at, hit);
}

static bool number_hit(const struct redact *redact, const struct scan *scan, size_t at, struct hit *hit)
{
    if (scan_card(scan, at, hit))
        return true;
    return !redact->keep_personal && (scan_ssn(scan, at, hit) || scan_phone(scan, at, hit));
}

static bool hit_at(const struct redact *redact, struct scan *scan, size_t at, struct hit *hit)
{
    char c = scan_at(scan, at);
    if (c == ':' && scan_url_password(scan, at, hit))
        return true;
    if (c == '@')
        return !redact->keep_personal && scan_email(scan, at, hit);
    if (c == '-' && scan_private_key(scan, at, hit))
        return true;
    if (scan_is_name(c) && !scan_is_alnum(scan_before(scan, at)) && secret_at(scan, at, hit))
        return true;
    if (scan_command(scan, at, hit))
        return true;
    if ((scan_is_digit(c) || c == '+' || c == '(') && number_hit(redact, scan, at, hit))
        return true;
    return scan_is_upper(c) &&
           (scan_iban(scan, at, hit) || (!redact->keep_personal && scan_full_name(scan, at, hit)));
}

/* What is no hit: only what the configured fields taught goes. */
static void put_rest(struct redact *redact, const struct scan *scan, size_t end, struct buf *out)
{
    size_t sent = scan->begin;
    for (size_t at = scan->begin; redact->learned.count && at < end;) {
        const struct learned *learned = learned_at(redact, scan, at);
        if (!learned || at + learned->len > end) {
            at++;
            continue;
        }
        buf_add(out, scan->text.ptr + sent, at - sent);
        put_pseudonym(out, learned->pseudonym);
        redact->counts[REDACT_PERSON]++;
        sent = at += learned->len;
    }
    buf_add(out, scan->text.ptr + sent, end - sent);
}

static void put_hit(struct redact *redact, const struct scan *scan, const struct hit *hit, struct buf *out)
{
    redact->counts[hit->kind]++;
    if (hit->label) {
        buf_printf(out, "[SECRET:%s]", hit->label);
        return;
    }
    const struct learned *learned = learned_at(redact, scan, hit->from);
    put_pseudonym(out, learned && learned->len == hit->to - hit->from
                           ? learned->pseudonym
                           : pseudonym_of(redact, hit->kind, scan_slice(scan, hit->from, hit->to)));
}

static size_t after_cookie(const struct scan *scan, const struct hit *hit)
{
    size_t at = hit->to;
    if (!hit->label || strcmp(hit->label, "cookie") != 0 || scan_at(scan, at) != ';')
        return 0;
    for (at++; scan_at(scan, at) == ' ';)
        at++;
    return at;
}

void redact_text(struct redact *redact, struct str text, struct buf *out)
{
    struct scan scan = {.text = text};
    struct hit hit;
    for (size_t at = 0; at < text.len;) {
        if (!hit_at(redact, &scan, at, &hit)) {
            at++;
            continue;
        }
        put_rest(redact, &scan, hit.from, out);
        put_hit(redact, &scan, &hit, out);
        scan.cookie = after_cookie(&scan, &hit);
        scan.begin = at = hit.to;
    }
    put_rest(redact, &scan, text.len, out);
}

void redact_value(struct redact *redact, struct str path, struct str value, struct buf *out)
{
    const char *label;
    if (value.len && is_personal_field(redact, path) && !is_nobody(value)) {
        redact->counts[REDACT_PERSON]++;
        put_pseudonym(out, pseudonym_of(redact, sort_of_path(path), value));
    } else if (value.len && path.len && redact_name_is_secret(path, &label)) {
        redact->counts[REDACT_SECRET_PASSWORD]++;
        buf_printf(out, "[SECRET:%s]", label);
    } else
        redact_text(redact, value, out);
}

void redact_restore(const struct redact *redact, struct str text, struct buf *out)
{
    size_t sent = 0;
    for (size_t at = 0; at < text.len; at++) {
        if (text.ptr[at] != '[')
            continue;
        size_t end = at + 1;
        while (end < text.len && end - at < PSEUDONYM_LONGEST &&
               (scan_is_upper(text.ptr[end]) || scan_is_digit(text.ptr[end]) || text.ptr[end] == '_'))
            end++;
        if (end == text.len || text.ptr[end] != ']')
            continue;
        const struct pseudonym *pseudonym = map_get(redact->by_name,
                                                    (struct str){text.ptr + at + 1, end - at - 1});
        if (!pseudonym)
            continue;
        buf_add(out, text.ptr + sent, at - sent);
        buf_add(out, pseudonym->value, pseudonym->value_len);
        sent = end + 1;
        at = end;
    }
    buf_add(out, text.ptr + sent, text.len - sent);
}
