#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/text.h"
#include "match/pattern.h"
#include "match/predicate.h"

#define TWO_63 9223372036854775808.0

/* ---- a value ---- */

/* At a character's first byte, so that no character is torn. */
static size_t cut_length(struct str text)
{
    size_t len = SPEC_TEXT_MAX;
    while (len && ((unsigned char)text.ptr[len] & 0xc0) == 0x80)
        len--;
    return len;
}

void subject_init(struct subject *subject, const struct value *value)
{
    subject->value = value;
    subject->next = NULL;
    subject->text = value->text;
    subject->folded = (struct str){NULL, 0};
    subject->cut = value->text.len > SPEC_TEXT_MAX;
    if (subject->cut)
        subject->text.len = cut_length(value->text);
    subject->number = (struct str){NULL, 0};
    subject->number_made = value->type != VALUE_DOUBLE;
}

struct str subject_number(struct subject *subject)
{
    double d = subject->value->as.d;
    if (!subject->number_made) {
        subject->number_made = true;
        int len = 0;
        if (d >= -TWO_63 && d < TWO_63 && d == floor(d))
            len = snprintf(subject->digits, sizeof(subject->digits), "%lld", (long long)d);
        else if (d >= TWO_63 && d < 2 * TWO_63 && d == floor(d))
            len = snprintf(subject->digits, sizeof(subject->digits), "%llu", (unsigned long long)d);
        if (len)
            subject->number = (struct str){subject->digits, (size_t)len};
    }
    return subject->number;
}

void judge_release(struct judge *judge)
{
    free(judge->fold);
    regex_scratch_free(judge->regex);
    *judge = (struct judge){0};
}

void judge_reserve(struct judge *judge, size_t bytes)
{
    judge->fold_used = 0;
    if (bytes <= judge->fold_cap)
        return;
    judge->fold = mem_realloc(judge->fold, bytes * 2);
    judge->fold_cap = bytes * 2;
}

struct str subject_folded(struct subject *subject, struct judge *judge)
{
    if (subject->folded.ptr)
        return subject->folded;
    INVARIANT(judge->fold_used + text_fold_max(subject->text.len) <= judge->fold_cap);
    char *out = judge->fold + judge->fold_used;
    size_t len = text_fold(subject->text, out);
    judge->fold_used += len;
    subject->folded = (struct str){out, len};
    return subject->folded;
}

/* ---- the tests ---- */

static bool spend(struct judge *judge, uint64_t units)
{
    if (judge->budget <= units) {
        judge->budget = 0;
        return false;
    }
    judge->budget -= units;
    return true;
}

static struct str text_for(const struct predicate *p, struct subject *subject, struct judge *judge)
{
    return p->cased ? subject->text : subject_folded(subject, judge);
}

static bool stop_at_proof(void *context, uint32_t target, bool proven)
{
    (void)context;
    (void)target;
    return proven;
}

static bool test_anchored(const struct predicate *p, struct subject *subject, struct str text)
{
    if (p->exact && !subject->cut) {
        if (text_set_holds(p->exact, text))
            return true;
        struct str number = subject_number(subject);
        if (number.ptr && text_set_holds(p->exact, number))
            return true;
    }
    return (p->heads && text_set_holds(p->heads, text)) ||
           (p->tails && !subject->cut && text_set_holds(p->tails, text));
}

/* Scans of the whole text; what they cost is paid first. */
static enum verdict test_inside(const struct predicate *p, struct judge *judge, struct str text)
{
    if (p->grams) {
        struct gram_scan scan = {.hit = stop_at_proof};
        if (!spend(judge, text.len))
            return VERDICT_UNKNOWN;
        if (grams_scan(p->grams, &scan, text))
            return VERDICT_YES;
        if (!spend(judge, scan.looks * 2))
            return VERDICT_UNKNOWN;
    }
    for (size_t i = 0; i < p->single_count; i++) {
        if (!spend(judge, text.len / 4))
            return VERDICT_UNKNOWN;
        if (memmem(text.ptr, text.len, p->singles[i].ptr, p->singles[i].len))
            return VERDICT_YES;
    }
    for (size_t i = 0; i < p->wild_count; i++) {
        if (!spend(judge, text.len + p->wild[i].len))
            return VERDICT_UNKNOWN;
        if (pattern_matches(p->wild[i], text))
            return VERDICT_YES;
    }
    return VERDICT_NO;
}

static bool has_exact_or_anchor(const struct predicate *p)
{
    return p->exact || p->heads || p->tails;
}

static enum verdict test_text(const struct predicate *p, struct subject *subject, struct judge *judge)
{
    if (p->anything)
        return VERDICT_YES;
    bool inside = p->grams || p->single_count || p->wild_count;
    if (!inside && !has_exact_or_anchor(p))
        return VERDICT_NO;
    struct str text = text_for(p, subject, judge);
    if (has_exact_or_anchor(p) && test_anchored(p, subject, text))
        return VERDICT_YES;
    return inside ? test_inside(p, judge, text) : VERDICT_NO;
}

static bool atoms_missing(const struct regex_test *test, struct str text)
{
    for (size_t i = 0; i < test->atom_count; i++)
        if (memmem(text.ptr, text.len, test->atoms[i].ptr, test->atoms[i].len))
            return false;
    return test->atom_count > 0;
}

static enum verdict run_regex(const struct regex_test *test, struct subject *subject, struct judge *judge)
{
    if (judge->regex_budget == 0)
        return VERDICT_UNKNOWN;
    if (!judge->regex)
        judge->regex = regex_scratch_new();
    unsigned steps = judge->regex_budget < JUDGE_REGEX_STEPS ? (unsigned)judge->regex_budget
                                                             : JUDGE_REGEX_STEPS;
    judge->regexes++;
    enum regex_outcome outcome = regex_search(test->regex, judge->regex, subject->text, 0, steps, NULL, 0,
                                              NULL);
    uint64_t used = regex_steps(judge->regex) + 16;
    judge->regex_budget -= used < judge->regex_budget ? used : judge->regex_budget;
    if (outcome == REGEX_LIMIT)
        return VERDICT_UNKNOWN;
    return outcome == REGEX_YES ? VERDICT_YES : VERDICT_NO;
}

static enum verdict test_regexes(const struct predicate *p, struct subject *subject, struct judge *judge)
{
    enum verdict all = VERDICT_NO;
    for (size_t i = 0; i < p->line_count; i++) {
        if (!spend(judge, subject->text.len / 8))
            return VERDICT_UNKNOWN;
        if (line_length_holds(&p->lines[i], subject->text))
            return VERDICT_YES;
    }
    for (size_t i = 0; i < p->regex_count; i++) {
        const struct regex_test *test = &p->regexes[i];
        if (!spend(judge, subject->text.len * (test->atom_count + 1) / 4 + 16))
            return VERDICT_UNKNOWN;
        if (test->atom_count && atoms_missing(test, subject_folded(subject, judge)))
            continue;
        enum verdict one = run_regex(test, subject, judge);
        if (one == VERDICT_YES)
            return one;
        all = one == VERDICT_UNKNOWN ? one : all;
    }
    return all;
}

static bool test_orders(const struct predicate *p, const struct subject *subject)
{
    struct number number;
    if (p->order_count == 0 || subject->cut || !number_of(subject->value, &number))
        return false;
    for (size_t i = 0; i < p->order_count; i++) {
        int order = number_compare(&number, &p->orders[i].number);
        /* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): order_count of them */
        enum spec_op op = p->orders[i].op;
        if ((op == SPEC_LT && order < 0) || (op == SPEC_LTE && order <= 0) || (op == SPEC_GT && order > 0) ||
            (op == SPEC_GTE && order >= 0))
            return true;
    }
    return false;
}

static bool test_cidr(const struct predicate *p, const struct subject *subject)
{
    struct ip ip;
    return p->cidr && subject->value->type == VALUE_STRING && ip_parse(subject->text, &ip) &&
           cidr_set_has(p->cidr, &ip);
}

enum verdict predicate_test(const struct predicate *p, struct subject *subject, struct judge *judge)
{
    if (subject->value->type == VALUE_NULL)
        return p->null ? VERDICT_YES : VERDICT_NO;
    if (p->orders || p->cidr)
        return test_orders(p, subject) || test_cidr(p, subject) ? VERDICT_YES : VERDICT_NO;
    if (p->regex_count || p->line_count)
        return test_regexes(p, subject, judge);
    return test_text(p, subject, judge);
}

static enum verdict any_value(const struct predicate *p, struct subject *first, struct judge *judge)
{
    enum verdict all = VERDICT_NO;
    for (struct subject *subject = first; subject; subject = subject->next) {
        enum verdict one = predicate_test(p, subject, judge);
        if (one == VERDICT_YES)
            return one;
        all = one == VERDICT_UNKNOWN ? one : all;
    }
    return all;
}

static enum verdict every_value(const struct predicate *p, struct subject *first, struct judge *judge)
{
    enum verdict all = VERDICT_YES;
    for (struct subject *subject = first; subject; subject = subject->next) {
        enum verdict one = predicate_test(p, subject, judge);
        if (one == VERDICT_NO)
            return one;
        all = one == VERDICT_UNKNOWN ? one : all;
    }
    return all;
}

enum verdict predicate_judge(const struct predicate *p, struct subject *first, struct judge *judge)
{
    judge->evaluations++;
    if (p->present || p->absent)
        return (first != NULL) == p->present ? VERDICT_YES : VERDICT_NO;
    if (!first)
        return p->null ? VERDICT_YES : VERDICT_NO;
    if (!spend(judge, 16))
        return VERDICT_UNKNOWN;
    return p->every ? every_value(p, first, judge) : any_value(p, first, judge);
}
