#include "pipeline/triage_check.h"

#include <math.h>

#define NAME_MAX_BYTES   64
#define REASON_MAX_BYTES 512
#define PARTS_MAX        32
#define TECHNIQUES_MAX   10
#define FINDINGS_MAX     20
#define TITLES_MAX       64

bool check_is_list(const struct json *value)
{
    bool empty = json_kind(value) == JSON_KIND_OBJECT && json_count(value) == 0;
    return value == NULL || empty || json_kind(value) == JSON_KIND_ARRAY;
}

/* A string member of 1 to `max` bytes. */
static int need_text(const struct json *object, const char *key, size_t max, struct str *out, struct err *err)
{
    if (!json_get_str(object, key, out) || out->len == 0 || out->len > max)
        return err_set(err, ERR_INVALID, "\"%s\" must be a text of 1 to %zu bytes", key, max);
    return 0;
}

/* One for a person: what is too long is cut, as it may quote what a stranger chose. */
static int need_reason(const struct json *object, const char *key, struct str *out, struct err *err)
{
    if (!json_get_str(object, key, out) || out->len == 0)
        return err_set(err, ERR_INVALID, "\"%s\" must be a text", key);
    if (out->len > REASON_MAX_BYTES)
        out->len = REASON_MAX_BYTES;
    while (out->len && (out->ptr[out->len] & 0xc0) == 0x80)
        out->len--;
    return 0;
}

/* A list; nil and an empty table count as one without items. */
static int need_list(const struct json *object, const char *key, size_t max, const struct json **out,
                     struct err *err)
{
    *out = json_get(object, key);
    if (!check_is_list(*out))
        return err_set(err, ERR_INVALID, "\"%s\" must be a list", key);
    if (json_count(*out) > max)
        return err_set(err, ERR_LIMIT, "\"%s\" has more than %zu entries", key, max);
    return 0;
}

static size_t list_count(const struct json *list)
{
    return json_kind(list) == JSON_KIND_ARRAY ? json_count(list) : 0;
}

static int need_number(const struct json *object, const char *key, double least, double most, double *out,
                       struct err *err)
{
    if (!json_get_double(object, key, out) || !(*out >= least && *out <= most))
        return err_set(err, ERR_INVALID, "\"%s\" must be a number from %g to %g", key, least, most);
    return 0;
}

/* ---- contributions: what adds up to a score ---- */

struct sum {
    const char *amount; /* "value" or "weight" */
    double limit;       /* of one, either way */
    double total;
};

static int put_parts(const struct json *parts, struct sum *sum, struct buf *out, struct err *err)
{
    for (size_t i = 0; i < list_count(parts); i++) {
        const struct json *part = json_item(parts, i);
        struct str name, reason;
        double amount;
        if (need_text(part, "name", NAME_MAX_BYTES, &name, err) != 0 ||
            need_reason(part, "reason", &reason, err) != 0 ||
            need_number(part, sum->amount, -sum->limit, sum->limit, &amount, err) != 0)
            return -1;
        sum->total += amount;
        buf_puts(out, i ? ",{" : "{");
        buf_json_kstr(out, "name", name);
        buf_json_kdouble(out, sum->amount, amount);
        buf_json_kstr(out, "reason", reason);
        buf_putc(out, '}');
    }
    return 0;
}

/* Takes back what a check that failed had written. */
static int undo(struct buf *out, size_t len)
{
    out->len = len;
    return -1;
}

/* ---- severity ---- */

static const double severity_scores[SEVERITY_COUNT] = {10, 30, 50, 75, 95};

int check_severity(const struct json *answer, enum severity *severity, struct buf *out, struct err *err)
{
    struct sum sum = {.amount = "value", .limit = 100};
    const struct json *parts;
    struct str name;
    size_t start = out->len;
    if (need_text(answer, "severity", NAME_MAX_BYTES, &name, err) != 0)
        return -1;
    if (!severity_named(name, severity))
        return err_set(err, ERR_INVALID,
                       "\"severity\" is none of informational, low, medium, high, critical");
    if (need_list(answer, "parts", PARTS_MAX, &parts, err) != 0)
        return -1;
    buf_puts(out, "{\"parts\":[");
    if (put_parts(parts, &sum, out, err) != 0)
        return undo(out, start);
    if (!(sum.total >= -1e-6 && sum.total <= 100 + 1e-6)) {
        err_set(err, ERR_INVALID, "the parts add up to %g, which is not from 0 to 100", sum.total);
        return undo(out, start);
    }
    buf_puts(out, "]");
    buf_json_kdouble(out, "value", fmax(round(sum.total * 100) / 100, 0));
    buf_putc(out, '}');
    return 0;
}

void default_severity(enum severity severity, struct buf *out)
{
    buf_printf(out, "{\"parts\":[{\"name\":\"rule_severity\",\"value\":%g,", severity_scores[severity]);
    buf_printf(out, "\"reason\":\"The rule says %s\"}],\"value\":%g}", severity_label(severity),
               severity_scores[severity]);
}

/* ---- false positive ---- */

static bool is_recommendation(struct str s)
{
    return str_is(s, "likely_real_threat") || str_is(s, "needs_review") || str_is(s, "likely_false_positive");
}

int check_false_positive(const struct json *answer, struct buf *out, struct err *err)
{
    struct sum sum = {.amount = "weight", .limit = 2};
    const struct json *indicators;
    struct str recommendation, explanation;
    double score, confidence, base;
    size_t start = out->len;
    if (need_number(answer, "score", 0, 1, &score, err) != 0 ||
        need_number(answer, "confidence", 0, 1, &confidence, err) != 0 ||
        need_number(answer, "base", 0, 1, &base, err) != 0 ||
        need_text(answer, "recommendation", NAME_MAX_BYTES, &recommendation, err) != 0 ||
        need_reason(answer, "explanation", &explanation, err) != 0 ||
        need_list(answer, "indicators", PARTS_MAX, &indicators, err) != 0)
        return -1;
    if (!is_recommendation(recommendation))
        return err_set(err, ERR_INVALID,
                       "\"recommendation\" is none of likely_real_threat, needs_review, "
                       "likely_false_positive");
    buf_putc(out, '{');
    buf_json_kdouble(out, "score", score);
    buf_json_kdouble(out, "confidence", confidence);
    buf_json_kdouble(out, "base", base);
    buf_json_kstr(out, "recommendation", recommendation);
    buf_json_kstr(out, "explanation", explanation);
    buf_json_key(out, "indicators");
    buf_putc(out, '[');
    if (put_parts(indicators, &sum, out, err) != 0)
        return undo(out, start);
    if (fabs(base + sum.total - score) > 0.0005) {
        err_set(err, ERR_INVALID, "base and weights add up to %g, but the score is %g", base + sum.total,
                score);
        return undo(out, start);
    }
    buf_puts(out, "]}");
    return 0;
}

void default_false_positive(struct buf *out)
{
    buf_puts(out, "{\"score\":0.5,\"confidence\":0,\"base\":0.5,\"recommendation\":\"needs_review\","
                  "\"explanation\":\"No policy could say how likely a false alarm is\",\"indicators\":[]}");
}

/* ---- ATT&CK ---- */

static bool was_listed(const struct json *list, size_t until, struct str id)
{
    struct str other;
    for (size_t i = 0; i < until; i++)
        if (json_get_str(json_item(list, i), "id", &other) && str_equal(other, id))
            return true;
    return false;
}

static int put_technique(const struct json *item, const struct ruleset *set, struct buf *out, struct err *err)
{
    struct str id, source, name, tactics;
    double confidence;
    if (need_text(item, "id", NAME_MAX_BYTES, &id, err) != 0 ||
        need_text(item, "source", NAME_MAX_BYTES, &source, err) != 0 ||
        need_number(item, "confidence", 0, 1, &confidence, err) != 0)
        return -1;
    ruleset_technique(set, id, &name, &tactics);
    buf_json_kstr(out, "id", id);
    buf_json_kstr(out, "name", name);
    buf_json_key(out, "tactics");
    buf_put(out, tactics);
    buf_json_kstr(out, "source", source);
    buf_json_kdouble(out, "confidence", confidence);
    return 0;
}

int check_mitre(const struct json *answer, const struct ruleset *set, unsigned *dropped, struct buf *out,
                struct err *err)
{
    size_t start = out->len, kept = 0;
    struct str id, name, tactics;
    if (!check_is_list(answer))
        return err_set(err, ERR_INVALID, "the answer must be a list");
    buf_putc(out, '[');
    for (size_t i = 0; i < list_count(answer) && kept < TECHNIQUES_MAX; i++) {
        const struct json *item = json_item(answer, i);
        if (!json_get_str(item, "id", &id) || was_listed(answer, i, id))
            continue;
        if (!ruleset_technique(set, id, &name, &tactics)) {
            ++*dropped;
            continue;
        }
        buf_puts(out, kept++ ? ",{" : "{");
        if (put_technique(item, set, out, err) != 0)
            return undo(out, start);
        buf_putc(out, '}');
    }
    buf_putc(out, ']');
    return 0;
}

/* ---- manipulation ---- */

static void put_strings(const struct json *list, size_t max, struct buf *out)
{
    struct str text;
    size_t kept = 0;
    buf_putc(out, '[');
    for (size_t i = 0; i < list_count(list) && kept < max; i++) {
        if (!json_as_str(json_item(list, i), &text) || text.len > REASON_MAX_BYTES)
            continue;
        if (kept++)
            buf_putc(out, ',');
        buf_json_string(out, text);
    }
    buf_putc(out, ']');
}

int check_manipulation(const struct json *answer, size_t *findings, struct buf *out, struct err *err)
{
    const struct json *list;
    size_t start = out->len;
    *findings = 0;
    if (need_list(answer, "findings", FINDINGS_MAX, &list, err) != 0)
        return -1;
    buf_puts(out, "{\"findings\":[");
    for (size_t i = 0; i < list_count(list); i++) {
        const struct json *finding = json_item(list, i);
        struct str name, reason;
        if (need_text(finding, "name", NAME_MAX_BYTES, &name, err) != 0 ||
            need_reason(finding, "reason", &reason, err) != 0) {
            *findings = 0;
            return undo(out, start);
        }
        buf_puts(out, i ? ",{" : "{");
        buf_json_kstr(out, "name", name);
        buf_json_kstr(out, "reason", reason);
        buf_json_key(out, "evidence");
        put_strings(json_get(finding, "evidence"), FINDINGS_MAX, out);
        buf_putc(out, '}');
        ++*findings;
    }
    buf_puts(out, "]");
    buf_json_kbool(out, "suspected", *findings > 0);
    buf_putc(out, '}');
    return 0;
}

/* ---- timeline ---- */

int check_titles(const struct json *answer, struct buf *out, struct err *err)
{
    const struct json *titles = json_get(answer, "titles"), *value;
    struct str key, text;
    void *at = NULL;
    size_t start = out->len, count = 0;
    if (titles && json_kind(titles) != JSON_KIND_OBJECT)
        return err_set(err, ERR_INVALID, "\"titles\" must be a table of names");
    buf_putc(out, '{');
    while (count < TITLES_MAX && json_next(titles, &at, &key, &value)) {
        if (!json_as_str(value, &text) || text.len > REASON_MAX_BYTES) {
            err_set(err, ERR_INVALID, "titles: \"%.*s\" must be a text", STR_ARG(key));
            return undo(out, start);
        }
        if (count++)
            buf_putc(out, ',');
        buf_json_string(out, key);
        buf_putc(out, ':');
        buf_json_string(out, text);
    }
    buf_putc(out, '}');
    return 0;
}
