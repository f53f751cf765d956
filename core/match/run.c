#include "match/scratch.h"

static size_t code_next(const uint32_t *code, size_t at)
{
    return code_kind(code[at]) == CODE_PREDICATE ? at + 1 : at + (code[at] >> 2);
}

/* Three values, so that a budget that ran out inside `none` does not read as "the filter holds". A child that
 * decides ends the loop: NO in ALL, YES in ANY and NONE. */
static enum verdict run_code(struct match_scratch *s, const uint32_t *code, size_t at)
{
    enum code_kind kind = code_kind(code[at]);
    if (kind == CODE_PREDICATE)
        return scratch_judge(s, code[at] >> 2);
    enum verdict deciding = kind == CODE_ALL ? VERDICT_NO : VERDICT_YES;
    enum verdict all = kind == CODE_ALL ? VERDICT_YES : VERDICT_NO;
    for (size_t i = at + 1, end = at + (code[at] >> 2); i < end; i = code_next(code, i)) {
        enum verdict one = run_code(s, code, i);
        if (one == deciding || one == VERDICT_UNKNOWN)
            all = one;
        if (one == deciding)
            break;
    }
    if (kind != CODE_NONE || all == VERDICT_UNKNOWN)
        return all;
    return all == VERDICT_YES ? VERDICT_NO : VERDICT_YES;
}

static void mark(struct match_scratch *s, uint32_t rule)
{
    s->matched[rule / 64] |= UINT64_C(1) << (rule % 64);
}

/* The matched rules in ascending order; clears the marks. */
static struct match_result collect(struct match_scratch *s, size_t marked, bool cut_off)
{
    size_t count = 0;
    for (size_t word = 0; marked && word < s->matcher->rule_words; word++) {
        for (uint64_t bits = s->matched[word]; bits; bits &= bits - 1)
            s->result[count++] = (uint32_t)(word * 64 + (size_t)__builtin_ctzll(bits));
        s->matched[word] = 0;
    }
    return (struct match_result){s->result, count, cut_off};
}

struct match_result match_run(const struct matcher *matcher, struct match_scratch *s,
                              const struct event *event)
{
    scratch_begin(s, event);
    index_probe(matcher, s);
    s->events++;
    s->candidates_seen += s->candidate_count;
    size_t marked = 0;
    bool cut_off = false;
    for (size_t i = 0; i < s->candidate_count; i++) {
        uint32_t rule = s->candidates[i];
        enum verdict verdict = VERDICT_UNKNOWN;
        if (s->judge.budget)
            verdict = run_code(s, matcher->code, matcher->code_start[rule]);
        cut_off = cut_off || verdict == VERDICT_UNKNOWN;
        if (verdict == VERDICT_NO)
            continue;
        mark(s, rule);
        marked++;
    }
    return collect(s, marked, cut_off);
}

void match_stats(const struct matcher *matcher, const struct match_scratch *scratch,
                 struct match_stats *stats)
{
    *stats = (struct match_stats){.rules = matcher->rule_count,
                                  .predicates = matcher->predicate_count,
                                  .index_bytes = matcher->index.bytes};
    for (size_t i = 0; i < matcher->slot_count; i++)
        stats->fields += matcher->index.used[i / 64] >> i % 64 & 1;
    for (size_t i = 0; i < matcher->rule_count; i++)
        stats->always += matcher->always[i];
    if (!scratch)
        return;
    stats->events = scratch->events;
    stats->candidates = scratch->candidates_seen;
    stats->evaluations = scratch->judge.evaluations;
    stats->regexes = scratch->judge.regexes;
}
