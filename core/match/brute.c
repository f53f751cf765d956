/* The slow and obvious evaluator: reads what the rule says (spec.h), literal by literal, value by value. It
 * shares nothing with the compiled predicates but the regex engine, so that a mistake there shows as a
 * difference. */
#include <arpa/inet.h>

#include "base/text.h"
#include "match/pattern.h"
#include "match/scratch.h"

struct brute {
    const struct matcher *matcher;
    const struct event *event;
    struct arena *arena;
    struct regex_scratch *regex;
};

static enum verdict verdict_of(bool holds)
{
    return holds ? VERDICT_YES : VERDICT_NO;
}

static bool is_one(char c)
{
    return c == PATTERN_ONE;
}

/* One row per place in the pattern, one column per place in the text. */
static bool wild_matches(struct arena *arena, struct str pattern, struct str text)
{
    bool *now = arena_zalloc(arena, text.len + 1), *next = arena_zalloc(arena, text.len + 1);
    now[0] = true;
    for (size_t i = 0; i < pattern.len; i++) {
        char c = pattern.ptr[i];
        memset(next, 0, text.len + 1);
        for (size_t at = 0; at <= text.len; at++) {
            if (c == PATTERN_STAR) {
                next[at] = now[at] || (at && next[at - 1]);
                continue;
            }
            if (!now[at] || at == text.len)
                continue;
            size_t step = 1;
            while (is_one(c) && at + step < text.len && ((unsigned char)text.ptr[at + step] & 0xc0) == 0x80)
                step++;
            next[at + step] = is_one(c) || text.ptr[at] == c || next[at + step];
        }
        bool *swap = now;
        now = next;
        next = swap;
    }
    return now[text.len];
}

static bool plain_matches(enum spec_op op, struct str literal, struct str text, bool cut)
{
    switch (op) {
    case SPEC_CONTAINS:
        return memmem(text.ptr, text.len, literal.ptr, literal.len) != NULL || literal.len == 0;
    case SPEC_STARTSWITH:
        return str_starts(text, literal);
    case SPEC_ENDSWITH:
        return literal.len == 0 || (!cut && str_ends(text, literal));
    default:
        return !cut && str_equal(text, literal);
    }
}

static bool has_wildcard(struct str pattern)
{
    for (size_t i = 0; i < pattern.len; i++)
        if (pattern.ptr[i] == PATTERN_STAR || pattern.ptr[i] == PATTERN_ONE)
            return true;
    return false;
}

static struct str around(struct arena *arena, enum spec_op op, struct str pattern)
{
    char *out = arena_alloc(arena, pattern.len + 2);
    size_t at = 0;
    if (op == SPEC_CONTAINS || op == SPEC_ENDSWITH)
        out[at++] = PATTERN_STAR;
    memcpy(out + at, pattern.ptr, pattern.len);
    at += pattern.len;
    if (op == SPEC_CONTAINS || op == SPEC_STARTSWITH)
        out[at++] = PATTERN_STAR;
    return (struct str){out, at};
}

/* A cut text ends nowhere: only what is open at its end, or open again behind some star, can be told. */
static bool text_matches(struct brute *b, const struct spec *spec, const struct spec_value *wanted,
                         struct str text, bool cut)
{
    struct str pattern = pattern_parse(b->arena, spec_text(wanted), wanted->plain);
    if (!spec->cased) {
        pattern = has_wildcard(pattern) ? pattern : text_fold_dup(b->arena, pattern);
        if (has_wildcard(pattern))
            pattern = pattern_parse(b->arena, text_fold_dup(b->arena, spec_text(wanted)), false);
        text = text_fold_dup(b->arena, text);
    }
    if (!has_wildcard(pattern))
        return plain_matches(spec->op, pattern, text, cut);
    pattern = around(b->arena, spec->op, pattern);
    struct str inner;
    if (cut && pattern_shape(pattern, &inner) == PATTERN_SUFFIX)
        return false;
    return wild_matches(b->arena, pattern, text);
}

static bool is_number_type(const struct value *value)
{
    return value->type == VALUE_INT || value->type == VALUE_UINT || value->type == VALUE_DOUBLE;
}

static bool as_number(const struct value *value, long double *number)
{
    double d;
    int64_t i;
    bool exact;
    if (value->type == VALUE_UINT) {
        *number = (long double)value->as.u;
        return true;
    }
    if (!value_number(value, &d, &i, &exact))
        return false;
    *number = exact ? (long double)i : (long double)d;
    return true;
}

static bool equals_number(struct brute *b, const struct spec_value *wanted, const struct value *value)
{
    long double x, y;
    struct value spelled = value_string(spec_text(wanted));
    if (!is_number_type(value) || !as_number(value, &x) || !as_number(&spelled, &y) || x != y)
        return false;
    /* Equal numbers; but a rule's text must be how that number is written. */
    struct str written = value->type == VALUE_DOUBLE ? number_text(b->arena, false, 0, value->as.d)
                                                     : value->text;
    return wanted->type == LITERAL_NUMBER || str_equal(written, spec_text(wanted));
}

static bool in_order(const struct spec *spec, const struct spec_value *wanted, const struct value *value)
{
    long double x, y;
    struct value spelled = value_string(spec_text(wanted));
    if (value->text.len > SPEC_TEXT_MAX || !as_number(value, &x) || !as_number(&spelled, &y))
        return false;
    if (spec->op == SPEC_LT || spec->op == SPEC_LTE)
        return x < y || (spec->op == SPEC_LTE && x == y);
    return x > y || (spec->op == SPEC_GTE && x == y);
}

/* An address as bits; IPv4 as four bytes. */
static int address_bytes(struct str text, unsigned char bytes[16])
{
    char copy[64] = {0};
    if (text.len >= sizeof(copy))
        return 0;
    memcpy(copy, text.ptr, text.len);
    if (inet_pton(AF_INET, copy, bytes) == 1)
        return 4;
    copy[strcspn(copy, "%")] = 0;
    return inet_pton(AF_INET6, copy, bytes) == 1 ? 16 : 0;
}

static bool same_bits(const unsigned char *a, const unsigned char *b, unsigned bits)
{
    for (unsigned i = 0; i < bits; i++)
        if ((a[i / 8] ^ b[i / 8]) >> (7 - i % 8) & 1)
            return false;
    return true;
}

static bool in_network(const struct spec_value *wanted, const struct value *value)
{
    unsigned char network[16], address[16];
    struct str text = spec_text(wanted);
    const char *slash = memchr(text.ptr, '/', text.len);
    int wide = address_bytes((struct str){text.ptr, slash ? (size_t)(slash - text.ptr) : text.len}, network);
    int got = value->type == VALUE_STRING ? address_bytes(value->text, address) : 0;
    unsigned bits = slash ? 0 : (unsigned)wide * 8;
    for (const char *digit = slash; slash && ++digit < text.ptr + text.len;)
        bits = bits * 10 + (unsigned)(*digit - '0');
    static const unsigned char mapped[12] = {[10] = 0xff, [11] = 0xff};
    if (wide == 4 && got == 16 && memcmp(address, mapped, 12) == 0)
        return same_bits(network, address + 12, bits);
    return got && got == wide && same_bits(network, address, bits);
}

static enum verdict regex_verdict(struct brute *b, const struct spec *spec, const struct spec_value *wanted,
                                  struct str text)
{
    struct line_length lines;
    if (line_length_parse(spec_text(wanted), spec->regex_flags, &lines))
        return verdict_of(line_length_holds(&lines, text));
    struct regex *regex = regex_new(spec_text(wanted), spec->regex_flags, NULL);
    enum regex_outcome outcome = regex_search(regex, b->regex, text, 0, JUDGE_REGEX_STEPS, NULL, 0, NULL);
    regex_free(regex);
    return outcome == REGEX_LIMIT ? VERDICT_UNKNOWN : verdict_of(outcome == REGEX_YES);
}

static enum verdict literal_verdict(struct brute *b, const struct spec *spec, const struct spec_value *wanted,
                                    const struct value *value)
{
    if (wanted->type == LITERAL_NULL || value->type == VALUE_NULL)
        return verdict_of(wanted->type == LITERAL_NULL && value->type == VALUE_NULL);
    struct str text = value->text;
    bool cut = text.len > SPEC_TEXT_MAX;
    if (cut)
        for (text.len = SPEC_TEXT_MAX; ((unsigned char)text.ptr[text.len] & 0xc0) == 0x80; text.len--)
            ;
    switch (spec->op) {
    case SPEC_REGEX:
        return regex_verdict(b, spec, wanted, text);
    case SPEC_CIDR:
        return verdict_of(in_network(wanted, value));
    case SPEC_EQUALS:
        return verdict_of(text_matches(b, spec, wanted, text, cut) || equals_number(b, wanted, value));
    case SPEC_CONTAINS:
    case SPEC_STARTSWITH:
    case SPEC_ENDSWITH:
        return verdict_of(text_matches(b, spec, wanted, text, cut));
    default:
        return verdict_of(in_order(spec, wanted, value));
    }
}

static enum verdict value_verdict(struct brute *b, const struct spec *spec, const struct value *value)
{
    enum verdict all = VERDICT_NO;
    for (size_t i = 0; i < spec->count; i++) {
        enum verdict one = literal_verdict(b, spec, &spec->values[i], value);
        if (one == VERDICT_YES)
            return one;
        all = one == VERDICT_UNKNOWN ? one : all;
    }
    return all;
}

static enum verdict spec_verdict(struct brute *b, const struct spec *spec)
{
    size_t values = 0, yes = 0, unknown = 0;
    for (const struct event_value *v = event_first(b->event, spec->slot); v; v = event_next(b->event, v)) {
        enum verdict one = spec->op == SPEC_EXISTS ? VERDICT_YES : value_verdict(b, spec, &v->value);
        values++;
        yes += one == VERDICT_YES;
        unknown += one == VERDICT_UNKNOWN;
    }
    if (spec->op == SPEC_EXISTS)
        return verdict_of((values > 0) == str_is(spec_text(&spec->values[0]), "true"));
    if (values == 0)
        return verdict_of(spec->values[0].type == LITERAL_NULL);
    if (spec->every ? yes + unknown < values : yes > 0)
        return verdict_of(!spec->every);
    return unknown ? VERDICT_UNKNOWN : verdict_of(spec->every);
}

static enum verdict tree_verdict(struct brute *b, const struct tree *tree)
{
    size_t children = 0, yes = 0, unknown = 0;
    if (tree->kind == MATCH_FIELD)
        return spec_verdict(b, b->matcher->predicates[tree->predicate].spec);
    for (const struct tree *child = tree->first; child; child = child->next) {
        enum verdict one = tree_verdict(b, child);
        children++;
        yes += one == VERDICT_YES;
        unknown += one == VERDICT_UNKNOWN;
    }
    if (tree->kind == MATCH_ANY)
        return yes ? VERDICT_YES : unknown ? VERDICT_UNKNOWN : VERDICT_NO;
    if (tree->kind == MATCH_NONE)
        return yes ? VERDICT_NO : unknown ? VERDICT_UNKNOWN : VERDICT_YES;
    return yes + unknown < children ? VERDICT_NO : unknown ? VERDICT_UNKNOWN : VERDICT_YES;
}

struct match_result match_run_brute(const struct matcher *matcher, struct match_scratch *scratch,
                                    const struct event *event)
{
    struct brute b = {matcher, event, arena_new(0), regex_scratch_new()};
    struct match_result result = {scratch->result, 0, false};
    size_t class = matcher_class(matcher, event->source);
    for (uint32_t i = 0; i < matcher->rule_count; i++) {
        if (!matcher_routes(matcher, class, i))
            continue;
        enum verdict verdict = tree_verdict(&b, matcher->trees[i]);
        arena_reset(b.arena);
        if (verdict != VERDICT_NO)
            scratch->result[result.count++] = i;
        result.cut_off = result.cut_off || verdict == VERDICT_UNKNOWN;
    }
    regex_scratch_free(b.regex);
    arena_free(b.arena);
    return result;
}
