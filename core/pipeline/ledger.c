#include "pipeline/ledger.h"

#include <stdio.h>

#define LEDGER_FORMAT 1

const char *const ledger_term_names[LEDGER_TERMS] = {
    "matched", "filtered", "unkeyed", "late",   "repeated",
    "waiting", "refused",  "raised",  "folded", "suppressed",
};
const char *const ledger_reject_names[REJECT_REASONS] = {"invalid", "too_large", "journal"};

static struct ledger_counts *delta_rule(struct ledger_delta *delta, uint32_t rule)
{
    for (size_t i = delta->rules.count; i-- > 0;)
        if (delta->rules.items[i].rule == rule)
            return &delta->rules.items[i].counts;
    struct ledger_delta_rule fresh = {.rule = rule};
    vec_push(&delta->rules, fresh);
    return &delta->rules.items[delta->rules.count - 1].counts;
}

void ledger_count(struct ledger_delta *delta, uint32_t rule, enum ledger_term term, int64_t n)
{
    delta_rule(delta, rule)->terms[term] += n;
}

void ledger_delta_merge(struct ledger_delta *into, const struct ledger_delta *from)
{
    into->received += from->received;
    into->accepted += from->accepted;
    for (unsigned i = 0; i < REJECT_REASONS; i++)
        into->rejected[i] += from->rejected[i];
    for (size_t i = 0; i < from->rules.count; i++) {
        struct ledger_counts *counts = delta_rule(into, from->rules.items[i].rule);
        for (unsigned t = 0; t < LEDGER_TERMS; t++)
            counts->terms[t] += from->rules.items[i].counts.terms[t];
    }
}

void ledger_delta_free(struct ledger_delta *delta)
{
    vec_free(&delta->rules);
}

void ledger_init(struct ledger *ledger)
{
    *ledger = (struct ledger){.lines = map_new()};
}

void ledger_free(struct ledger *ledger)
{
    map_free(ledger->lines, free);
    ledger->lines = NULL;
}

static struct ledger_line *ledger_line(struct ledger *ledger, struct str id, bool shadow)
{
    char key[160];
    int n = snprintf(key, sizeof(key), "%s%.*s", shadow ? "shadow:" : "", STR_ARG(id));
    struct str name = {key, n < (int)sizeof(key) ? (size_t)n : sizeof(key) - 1};
    struct ledger_line *line = map_get(ledger->lines, name);
    if (line == NULL) {
        line = mem_zalloc(1, sizeof(*line));
        snprintf(line->id, sizeof(line->id), "%.*s", STR_ARG(id));
        line->shadow = shadow;
        map_put(ledger->lines, name, line);
    }
    return line;
}

void ledger_add(struct ledger *ledger, const struct ledger_delta *delta, const struct ruleset *set,
                bool judged)
{
    ledger->received += delta->received;
    ledger->accepted += delta->accepted;
    ledger->judged += judged ? delta->accepted : 0;
    for (unsigned i = 0; i < REJECT_REASONS; i++)
        ledger->rejected[i] += delta->rejected[i];
    for (size_t i = 0; i < delta->rules.count; i++) {
        const struct rule *rule = &set->rules[delta->rules.items[i].rule];
        struct ledger_line *line = ledger_line(ledger, rule->id, rule->mode == RULE_SHADOW);
        for (unsigned t = 0; t < LEDGER_TERMS; t++)
            line->counts.terms[t] += delta->rules.items[i].counts.terms[t];
    }
}

void ledger_copy(struct ledger *into, const struct ledger *from)
{
    struct map *lines = into->lines;
    *into = *from;
    into->lines = lines;
    size_t at = 0;
    struct str key;
    void *value;
    while (map_next(from->lines, &at, &key, &value)) {
        const struct ledger_line *line = value;
        *ledger_line(into, str_from(line->id), line->shadow) = *line;
    }
}

struct ledger_counts ledger_rule(struct ledger *ledger, const struct rule *rule)
{
    return ledger_line(ledger, rule->id, rule->mode == RULE_SHADOW)->counts;
}

static bool counts_balanced(const struct ledger_counts *counts)
{
    int64_t sum = 0;
    for (unsigned t = LEDGER_FILTERED; t < LEDGER_TERMS; t++)
        sum += counts->terms[t];
    return counts->terms[LEDGER_MATCHED] == sum;
}

bool ledger_balanced(const struct ledger *ledger)
{
    int64_t rejected = 0;
    for (unsigned i = 0; i < REJECT_REASONS; i++)
        rejected += ledger->rejected[i];
    if (ledger->received != ledger->accepted + rejected)
        return false;
    size_t at = 0;
    struct str key;
    void *value;
    while (map_next(ledger->lines, &at, &key, &value))
        if (!counts_balanced(&((struct ledger_line *)value)->counts))
            return false;
    return true;
}

void ledger_counts_json(const struct ledger_counts *counts, struct buf *out)
{
    for (unsigned t = 0; t < LEDGER_TERMS; t++)
        buf_json_kint(out, ledger_term_names[t], counts->terms[t]);
}

static int line_order(const void *a, const void *b)
{
    const struct ledger_line *x = *(const struct ledger_line *const *)a,
                             *y = *(const struct ledger_line *const *)b;
    int order = strcmp(x->id, y->id);
    return order ? order : (int)x->shadow - (int)y->shadow;
}

/* The lines by id; *count of them; the caller frees the array. */
static const struct ledger_line **ledger_sorted(const struct ledger *ledger, size_t *count)
{
    const struct ledger_line **lines = mem_zalloc(map_count(ledger->lines) + 1, sizeof(*lines));
    size_t at = 0;
    struct str key;
    void *value;
    *count = 0;
    while (map_next(ledger->lines, &at, &key, &value))
        lines[(*count)++] = value;
    qsort(lines, *count, sizeof(*lines), line_order);
    return lines;
}

static void events_json(const struct ledger *ledger, int64_t pending, struct buf *out)
{
    buf_json_key(out, "events");
    buf_putc(out, '{');
    buf_json_kint(out, "received", ledger->received + pending);
    buf_json_kint(out, "accepted", ledger->accepted + pending);
    buf_json_kint(out, "judged", ledger->judged);
    buf_json_kint(out, "pending", pending);
    buf_json_key(out, "rejected");
    buf_putc(out, '{');
    for (unsigned i = 0; i < REJECT_REASONS; i++)
        buf_json_kint(out, ledger_reject_names[i], ledger->rejected[i]);
    buf_puts(out, "}}");
}

static void sums_json(const struct ledger_line **lines, size_t count, bool shadow, struct buf *out)
{
    struct ledger_counts sums = {0};
    for (size_t i = 0; i < count; i++)
        for (unsigned t = 0; t < LEDGER_TERMS && lines[i]->shadow == shadow; t++)
            sums.terms[t] += lines[i]->counts.terms[t];
    buf_json_key(out, shadow ? "shadow" : "pairs");
    buf_putc(out, '{');
    ledger_counts_json(&sums, out);
    buf_putc(out, '}');
}

void ledger_json(const struct ledger *ledger, int64_t pending, struct buf *out)
{
    size_t count;
    const struct ledger_line **lines = ledger_sorted(ledger, &count);
    buf_putc(out, '{');
    events_json(ledger, pending, out);
    sums_json(lines, count, false, out);
    sums_json(lines, count, true, out);
    buf_json_key(out, "rules");
    buf_putc(out, '[');
    for (size_t i = 0; i < count; i++) {
        buf_puts(out, i ? ",{" : "{");
        buf_json_kstr(out, "id", str_from(lines[i]->id));
        buf_json_kbool(out, "shadow", lines[i]->shadow);
        ledger_counts_json(&lines[i]->counts, out);
        buf_putc(out, '}');
    }
    buf_putc(out, ']');
    buf_json_kbool(out, "balanced", ledger_balanced(ledger));
    buf_putc(out, '}');
    free(lines);
}

void ledger_pack(const struct ledger *ledger, struct buf *out)
{
    size_t count;
    const struct ledger_line **lines = ledger_sorted(ledger, &count);
    buf_put_u32(out, LEDGER_FORMAT);
    buf_put_u32(out, LEDGER_TERMS);
    buf_put_u64(out, (uint64_t)ledger->received);
    buf_put_u64(out, (uint64_t)ledger->accepted);
    buf_put_u64(out, (uint64_t)ledger->judged);
    for (unsigned i = 0; i < REJECT_REASONS; i++)
        buf_put_u64(out, (uint64_t)ledger->rejected[i]);
    buf_put_u32(out, (uint32_t)count);
    for (size_t i = 0; i < count; i++) {
        buf_put_lstr(out, str_from(lines[i]->id));
        buf_put_u8(out, lines[i]->shadow);
        for (unsigned t = 0; t < LEDGER_TERMS; t++)
            buf_put_u64(out, (uint64_t)lines[i]->counts.terms[t]);
    }
    free(lines);
}

static bool get_i64(struct str *at, int64_t *v)
{
    uint64_t raw;
    if (!str_get_u64(at, &raw))
        return false;
    *v = (int64_t)raw;
    return true;
}

static bool unpack_line(struct ledger *ledger, struct str *at)
{
    struct str id;
    uint8_t shadow;
    if (!str_get_lstr(at, &id) || !str_get_u8(at, &shadow))
        return false;
    struct ledger_line *line = ledger_line(ledger, id, shadow);
    for (unsigned t = 0; t < LEDGER_TERMS; t++)
        if (!get_i64(at, &line->counts.terms[t]))
            return false;
    return true;
}

int ledger_unpack(struct ledger *ledger, struct str at, struct err *err)
{
    uint32_t format, terms, count = 0;
    bool ok = str_get_u32(&at, &format) && format == LEDGER_FORMAT && str_get_u32(&at, &terms) &&
              terms == LEDGER_TERMS && get_i64(&at, &ledger->received) && get_i64(&at, &ledger->accepted) &&
              get_i64(&at, &ledger->judged);
    for (unsigned i = 0; ok && i < REJECT_REASONS; i++)
        ok = get_i64(&at, &ledger->rejected[i]);
    ok = ok && str_get_u32(&at, &count);
    for (uint32_t i = 0; ok && i < count; i++)
        ok = unpack_line(ledger, &at);
    return ok ? 0 : err_set(err, ERR_CORRUPT, "the stored ledger cannot be read");
}
