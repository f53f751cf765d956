#include "ai/answer.h"

#include "ai/schema.h"
#include "base/text.h"

#define CITATIONS_MAX 10
#define MEMBERS_MAX   40
#define DEPTH_MAX     4
#define EXAMINED_MAX  200  /* elements of a list; what is beyond was not written to be read */
#define CLAIM_MAX     4096 /* bytes of a claim whose quotes are looked up */

struct checking {
    const struct answer_options *options;
    struct answer *answer;
    struct buf *out;
    size_t claims_left, other_left; /* bytes */
    size_t *left;                   /* the one of the two that is drawn on */
};

const char *answer_verdict_name(enum answer_verdict verdict)
{
    static const char *const names[] = {
        "", "malicious", "suspicious", "benign_expected", "false_positive", "not_evaluable"};
    return names[verdict];
}

static bool verdict_named(struct str name, enum answer_verdict *verdict)
{
    for (int i = ANSWER_MALICIOUS; i <= ANSWER_NOT_EVALUABLE; i++)
        if (str_is(name, answer_verdict_name(i))) {
            *verdict = i;
            return true;
        }
    return false;
}

/* ---- texts ---- */

/* What a model wrote is shown to people: no control character, nothing that turns the reading direction. */
static bool is_unwanted(uint32_t point)
{
    return (point < 0x20 && point != '\n' && point != '\t') || (point >= 0x7f && point <= 0x9f) ||
           point == 0x61c || (point >= 0x200b && point <= 0x200f) || (point >= 0x2028 && point <= 0x202e) ||
           (point >= 0x2060 && point <= 0x206f) || point == 0xfeff || (point >= 0xe0000 && point <= 0xe0fff);
}

static void put_text(struct checking *checking, struct str text)
{
    struct buf clean = BUF_EMPTY;
    for (size_t at = 0; at < text.len;) {
        uint32_t point;
        int len = text_utf8_decode((struct str){text.ptr + at, text.len - at}, &point);
        size_t bytes = (size_t)(len < 0 ? -len : len);
        if (clean.len + bytes > ANSWER_TEXT_MAX) {
            checking->answer->dropped.texts_cut++;
            break;
        }
        if (len > 0 && !is_unwanted(point))
            buf_add(&clean, text.ptr + at, bytes);
        at += bytes;
    }
    buf_json_string(checking->out, buf_str(&clean));
    buf_free(&clean);
}

/* What a value takes without what is in it: as printed, with a comma and a bracket or quotes. */
static size_t cost_of_text(struct str text)
{
    size_t cost = 3;
    for (size_t i = 0; i < text.len && i < ANSWER_TEXT_MAX; i++)
        cost += text.ptr[i] == '"' || text.ptr[i] == '\\' || (unsigned char)text.ptr[i] < 0x20 ? 2 : 1;
    return cost;
}

static size_t cost_of(const struct json *value)
{
    struct str text;
    return json_as_str(value, &text) ? cost_of_text(text) : 32;
}

/* Whether there is still room for it. */
static bool draw(struct checking *checking, size_t cost)
{
    bool fits = cost <= *checking->left;
    if (fits)
        *checking->left -= cost;
    else
        checking->answer->dropped.other++;
    return fits;
}

static void put_comma(struct buf *out)
{
    char last = out->len ? out->ptr[out->len - 1] : '{';
    if (last != '{' && last != '[' && last != ':' && last != ',')
        buf_putc(out, ',');
}

static void put_clean(struct checking *checking, const struct json *value, size_t most, unsigned depth);

static void put_clean_list(struct checking *checking, const struct json *list, size_t most, unsigned depth)
{
    size_t count = json_count(list);
    buf_putc(checking->out, '[');
    for (size_t i = 0; i < count && i < most; i++) {
        if (!draw(checking, cost_of(json_item(list, i))))
            continue;
        put_comma(checking->out);
        put_clean(checking, json_item(list, i), ANSWER_LIST_MAX, depth + 1);
    }
    buf_putc(checking->out, ']');
    if (count > most)
        checking->answer->dropped.other += (unsigned)(count - most);
}

static void put_clean_object(struct checking *checking, const struct json *object, unsigned depth)
{
    struct str key;
    const struct json *value;
    size_t count = 0;
    buf_putc(checking->out, '{');
    for (void *at = NULL; json_next(object, &at, &key, &value);) {
        if (++count > MEMBERS_MAX || key.len > 64) {
            checking->answer->dropped.other++;
            continue;
        }
        if (!draw(checking, cost_of_text(key) + cost_of(value)))
            continue;
        put_comma(checking->out);
        put_text(checking, key);
        buf_putc(checking->out, ':');
        put_clean(checking, value, ANSWER_LIST_MAX, depth + 1);
    }
    buf_putc(checking->out, '}');
}

static void put_clean(struct checking *checking, const struct json *value, size_t most, unsigned depth)
{
    struct str text;
    if (json_as_str(value, &text))
        put_text(checking, text);
    else if (depth >= DEPTH_MAX && json_count(value)) {
        buf_puts(checking->out, "null");
        checking->answer->dropped.other++;
    } else if (json_kind(value) == JSON_KIND_ARRAY)
        put_clean_list(checking, value, most, depth);
    else if (json_kind(value) == JSON_KIND_OBJECT)
        put_clean_object(checking, value, depth);
    else
        json_print(value, checking->out);
}

/* ---- claims ---- */

/* The next quoted run of `text` from *at: "…", `…` or “…”; false at the end. */
static bool next_quote(struct str text, size_t *at, struct str *quote)
{
    for (size_t i = *at; i < text.len; i++) {
        struct str rest = {text.ptr + i, text.len - i}, close = STR("\"");
        size_t open = 1;
        if (str_starts(rest, STR("“")))
            close = STR("”"), open = sizeof "“" - 1;
        else if (text.ptr[i] == '`')
            close = STR("`");
        else if (text.ptr[i] != '"')
            continue;
        for (size_t end = i + open; end < text.len; end++) {
            if (text.ptr[end] == '\\' && close.len == 1 && end + 1 < text.len) {
                end++; /* a quote inside, as it was sent */
                continue;
            }
            if (!str_starts((struct str){text.ptr + end, text.len - end}, close))
                continue;
            *quote = (struct str){text.ptr + i + open, end - i - open};
            *at = end + close.len;
            return true;
        }
    }
    return false;
}

struct citations {
    struct str ids[CITATIONS_MAX];
    size_t count;
};

static bool is_quoted(const struct evidence_block *evidence, const struct citations *citations,
                      struct str quote)
{
    for (size_t i = 0; i < citations->count; i++)
        if (evidence_block_quotes(evidence, citations->ids[i], quote))
            return true;
    return false;
}

static bool quotes_stand(const struct evidence_block *evidence, const struct citations *citations,
                         struct str text)
{
    struct str quote;
    for (size_t at = 0; next_quote(text, &at, &quote);)
        if (quote.len >= ANSWER_QUOTE_MIN && !is_quoted(evidence, citations, quote))
            return false;
    return true;
}

static bool is_cited(const struct citations *citations, struct str id)
{
    for (size_t i = 0; i < citations->count; i++)
        if (str_equal(citations->ids[i], id))
            return true;
    return false;
}

static void take_citations(struct checking *checking, const struct json *list, struct citations *citations)
{
    citations->count = 0;
    for (size_t i = 0; i < json_count(list) && i < EXAMINED_MAX; i++) {
        struct str id;
        if (!json_as_str(json_item(list, i), &id) || !evidence_block_has(checking->options->evidence, id))
            checking->answer->dropped.citations++;
        else if (citations->count < CITATIONS_MAX && !is_cited(citations, id))
            citations->ids[citations->count++] = id;
    }
}

static void put_claim(struct checking *checking, struct str text, const struct citations *citations,
                      const struct json *claim)
{
    struct str key;
    const struct json *value;
    struct buf *out = checking->out;
    put_comma(out);
    buf_puts(out, "{\"text\":");
    put_text(checking, text);
    buf_puts(out, ",\"evidence\":[");
    for (size_t i = 0; i < citations->count; i++) {
        put_comma(out);
        buf_json_string(out, citations->ids[i]);
    }
    buf_putc(out, ']');
    for (void *at = NULL; json_next(claim, &at, &key, &value);) {
        if (str_is(key, "text") || str_is(key, "evidence") || key.len > 64 ||
            !draw(checking, cost_of_text(key) + cost_of(value)))
            continue;
        put_comma(out);
        put_text(checking, key);
        buf_putc(out, ':');
        put_clean(checking, value, ANSWER_LIST_MAX, 2);
    }
    buf_putc(out, '}');
}

static bool draw_claim(struct checking *checking, struct str text, const struct citations *citations)
{
    size_t cost = cost_of_text(text) + sizeof "{\"text\":,\"evidence\":[]}";
    for (size_t i = 0; i < citations->count; i++)
        cost += cost_of_text(citations->ids[i]);
    if (cost > checking->claims_left)
        return false;
    checking->claims_left -= cost;
    return true;
}

static void check_claim(struct checking *checking, const struct json *claim)
{
    struct answer *answer = checking->answer;
    const struct json *evidence = json_get(claim, "evidence");
    struct citations citations;
    struct str text;
    if (answer->claims >= ANSWER_CLAIMS_MAX) {
        answer->dropped.claims_excess++;
        return;
    }
    unsigned dropped = answer->dropped.citations;
    take_citations(checking, evidence, &citations);
    if (!json_get_str(claim, "text", &text) || !text.len || json_count(evidence) == 0) {
        answer->dropped.claims_uncited++;
    } else if (citations.count == 0) {
        answer->dropped.claims_unknown++;
        answer->dropped.citations = dropped; /* counted once, as the claim */
    } else if (text.len > CLAIM_MAX || !quotes_stand(checking->options->evidence, &citations, text)) {
        answer->dropped.claims_quote++;
    } else if (!draw_claim(checking, text, &citations)) {
        answer->dropped.claims_excess++;
    } else {
        put_claim(checking, text, &citations, claim);
        answer->claims++;
    }
}

static void put_claims(struct checking *checking, const struct json *claims)
{
    checking->left = &checking->claims_left;
    buf_putc(checking->out, '[');
    size_t count = json_count(claims);
    for (size_t i = 0; i < count && i < EXAMINED_MAX; i++)
        check_claim(checking, json_item(claims, i));
    if (count > EXAMINED_MAX)
        checking->answer->dropped.claims_excess += (unsigned)(count - EXAMINED_MAX);
    buf_putc(checking->out, ']');
    checking->left = &checking->other_left;
}

/* ---- techniques, recommendations ---- */

static bool technique_of(const struct json *item, struct str *id)
{
    return json_as_str(item, id) || json_get_str(item, "id", id);
}

static bool came_before(const struct json *list, size_t index, struct str id)
{
    struct str other;
    for (size_t i = 0; i < index; i++)
        if (technique_of(json_item(list, i), &other) && str_equal(other, id))
            return true;
    return false;
}

static void put_techniques(struct checking *checking, const struct json *list)
{
    const struct answer_options *options = checking->options;
    size_t kept = 0, count = json_count(list);
    buf_putc(checking->out, '[');
    if (count > EXAMINED_MAX) {
        checking->answer->dropped.mitre += (unsigned)(count - EXAMINED_MAX);
        count = EXAMINED_MAX;
    }
    for (size_t i = 0; i < count; i++) {
        const struct json *item = json_item(list, i);
        struct str id;
        bool is_known = kept < ANSWER_MITRE_MAX && technique_of(item, &id) && options->known_technique &&
                        options->known_technique(id, options->arg);
        if (!is_known) {
            checking->answer->dropped.mitre++;
            continue;
        }
        if (came_before(list, i, id) || !draw(checking, cost_of(item)))
            continue;
        put_comma(checking->out);
        put_clean(checking, item, ANSWER_LIST_MAX, 2);
        kept++;
    }
    buf_putc(checking->out, ']');
}

static void put_recommendations(struct checking *checking, const struct json *list)
{
    unsigned other = checking->answer->dropped.other;
    size_t count = json_count(list);
    put_clean(checking, list, ANSWER_RECOMMENDATIONS_MAX, 1);
    if (json_kind(list) != JSON_KIND_ARRAY || count <= ANSWER_RECOMMENDATIONS_MAX)
        return;
    unsigned excess = (unsigned)(count - ANSWER_RECOMMENDATIONS_MAX);
    checking->answer->dropped.recommendations += excess;
    checking->answer->dropped.other -= checking->answer->dropped.other - other < excess ? 0 : excess;
}

/* ---- the whole ---- */

static int severity_named(struct str name)
{
    static const char *const names[] = {"info", "low", "medium", "high", "critical"};
    for (int i = 0; i < 5; i++)
        if (text_equal_fold(name, str_from(names[i])))
            return i;
    return text_equal_fold(name, STR("informational")) ? 0 : -1;
}

static bool is_suspected(const struct json *value)
{
    bool suspected = false;
    if (json_as_bool(value, &suspected))
        return suspected;
    json_get_bool(value, "suspected", &suspected);
    return suspected || json_count(json_get(value, "evidence")) > 0;
}

static int check_heads(const struct json *root, const struct answer_options *options, struct answer *answer,
                       struct err *err)
{
    const struct json *verdict = json_get(root, "verdict"), *confidence = json_get(root, "confidence");
    struct str name;
    if (verdict || options->verdict_required) {
        if (!json_as_str(verdict, &name) || !verdict_named(name, &answer->verdict))
            return err_set(err, ERR_INVALID, "the answer's verdict is none of the five");
    }
    if (confidence && (!json_as_double(confidence, &answer->confidence) || !(answer->confidence >= 0) ||
                       answer->confidence > 1)) {
        answer->confidence = 0;
        return err_set(err, ERR_INVALID, "the answer's confidence is no number from 0 to 1");
    }
    if (!confidence && options->verdict_required)
        return err_set(err, ERR_INVALID, "the answer has no confidence");
    if (json_get_str(root, "severity_suggestion", &name)) {
        answer->severity_suggestion = severity_named(name);
        answer->dropped.other += answer->severity_suggestion < 0;
    }
    answer->injection_suspected = is_suspected(json_get(root, "injection_suspected"));
    return 0;
}

/* What the threat is decided by, always short. */
static bool is_head(struct str key, const struct json *value)
{
    return json_count(value) == 0 &&
           (str_is(key, "verdict") || str_is(key, "confidence") || str_is(key, "severity_suggestion") ||
            str_is(key, "injection_suspected")) &&
           cost_of(value) <= 64;
}

static void put_member(struct checking *checking, struct str key, const struct json *value)
{
    struct buf *out = checking->out;
    struct str name;
    if (str_is(key, "severity_suggestion") && json_as_str(value, &name) && severity_named(name) < 0)
        return;
    if (key.len > 64) {
        checking->answer->dropped.other++;
        return;
    }
    if (!is_head(key, value) && !str_is(key, "claims") && !draw(checking, cost_of_text(key) + cost_of(value)))
        return;
    put_comma(out);
    put_text(checking, key);
    buf_putc(out, ':');
    if (str_is(key, "claims"))
        put_claims(checking, value);
    else if (str_is(key, "mitre"))
        put_techniques(checking, value);
    else if (str_is(key, "recommendations"))
        put_recommendations(checking, value);
    else
        put_clean(checking, value, ANSWER_LIST_MAX, 1);
}

static void put_answer(struct checking *checking, const struct json *root)
{
    struct str key;
    const struct json *value;
    size_t count = 0;
    buf_putc(checking->out, '{');
    for (void *at = NULL; json_next(root, &at, &key, &value);) {
        if (++count > MEMBERS_MAX)
            checking->answer->dropped.other++;
        else
            put_member(checking, key, value);
    }
    buf_putc(checking->out, '}');
}

static int check_parsed(const struct json *root, const struct answer_options *options, struct answer *answer,
                        struct err *err)
{
    struct checking checking = {.options = options,
                                .answer = answer,
                                .out = &answer->json,
                                .claims_left = ANSWER_CLAIMS_BYTES,
                                .other_left = ANSWER_OTHER_BYTES};
    checking.left = &checking.other_left;
    struct err inner = {0};
    if (json_kind(root) != JSON_KIND_OBJECT)
        return err_set(err, ERR_INVALID, "the answer is no JSON object");
    if (options->schema && schema_validate(options->schema, root, &inner) != 0) {
        err_set(err, ERR_INVALID, "the answer breaks its schema: %s", inner.message);
        return inner.where[0] ? err_at(err, "%s", inner.where) : -1;
    }
    if (check_heads(root, options, answer, err) != 0)
        return -1;
    put_answer(&checking, root);
    if (!options->offline && answer->claims == 0 && json_count(json_get(root, "claims")) > 0)
        return err_set(err, ERR_CONFLICT, "none of the answer's claims stands on the evidence");
    return 0;
}

int answer_check(struct str content, const struct answer_options *options, struct answer *answer,
                 struct err *err)
{
    struct err ignored;
    *answer = (struct answer){.severity_suggestion = -1};
    struct json *root = json_parse(content, NULL, &ignored);
    int result = check_parsed(root, options, answer, err);
    json_free(root);
    if (result != 0)
        answer_release(answer);
    return result;
}

void answer_release(struct answer *answer)
{
    buf_free(&answer->json);
}

/* ---- counters ---- */

struct counter {
    const char *name;
    unsigned value;
};

#define COUNTERS 9

static void counters_of(const struct answer_dropped *dropped, struct counter out[COUNTERS])
{
    const struct counter all[COUNTERS] = {{"claims_uncited", dropped->claims_uncited},
                                          {"claims_unknown", dropped->claims_unknown},
                                          {"claims_quote", dropped->claims_quote},
                                          {"claims_excess", dropped->claims_excess},
                                          {"citations", dropped->citations},
                                          {"mitre", dropped->mitre},
                                          {"recommendations", dropped->recommendations},
                                          {"other", dropped->other},
                                          {"texts_cut", dropped->texts_cut}};
    memcpy(out, all, sizeof all);
}

unsigned answer_dropped_total(const struct answer_dropped *dropped)
{
    struct counter all[COUNTERS];
    unsigned total = 0;
    counters_of(dropped, all);
    for (size_t i = 0; i < COUNTERS; i++)
        total += all[i].value;
    return total;
}

void answer_dropped_print(const struct answer_dropped *dropped, struct buf *out)
{
    struct counter all[COUNTERS];
    counters_of(dropped, all);
    buf_putc(out, '{');
    for (size_t i = 0; i < COUNTERS; i++)
        if (all[i].value)
            buf_json_kuint(out, all[i].name, all[i].value);
    buf_putc(out, '}');
}
