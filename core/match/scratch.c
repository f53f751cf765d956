#include "match/scratch.h"

#include <stdlib.h>

#include "base/text.h"

struct match_scratch *match_scratch_new(const struct matcher *matcher)
{
    struct match_scratch *s = mem_zalloc(1, sizeof(*s));
    s->matcher = matcher;
    s->slots = mem_zalloc(matcher->slot_count, sizeof(*s->slots));
    s->touched = mem_zalloc(matcher->slot_count, sizeof(*s->touched));
    s->memo = mem_zalloc(matcher->predicate_count, sizeof(*s->memo));
    s->woken = mem_zalloc(matcher->predicate_count, sizeof(*s->woken));
    s->visits = mem_zalloc(matcher->index.visit_count, sizeof(*s->visits));
    s->rule_epoch = mem_zalloc(matcher->rule_count, sizeof(*s->rule_epoch));
    s->candidates = mem_zalloc(matcher->rule_count, sizeof(*s->candidates));
    s->matched = mem_zalloc(matcher->rule_words, sizeof(*s->matched));
    s->result = mem_zalloc(matcher->rule_count, sizeof(*s->result));
    match_scratch_limit(s, JUDGE_BUDGET, JUDGE_REGEX_BUDGET);
    return s;
}

void match_scratch_free(struct match_scratch *s)
{
    if (!s)
        return;
    judge_release(&s->judge);
    free(s->subjects);
    free(s->slots);
    free(s->touched);
    free(s->memo);
    free(s->woken);
    free(s->visits);
    free(s->rule_epoch);
    free(s->candidates);
    free(s->matched);
    free(s->result);
    free(s);
}

void match_scratch_limit(struct match_scratch *scratch, uint64_t units, uint64_t regex_steps)
{
    scratch->budget = units;
    scratch->regex_budget = regex_steps;
}

/* Stamps hold 26 bits of epoch: after 67 million events they are cleared once. */
static void next_epoch(struct match_scratch *s)
{
    if (++s->epoch < GRAM_EPOCH_MAX)
        return;
    const struct matcher *m = s->matcher;
    memset(s->slots, 0, m->slot_count * sizeof(*s->slots));
    memset(s->memo, 0, m->predicate_count * sizeof(*s->memo));
    memset(s->woken, 0, m->predicate_count * sizeof(*s->woken));
    memset(s->visits, 0, m->index.visit_count * sizeof(*s->visits));
    memset(s->rule_epoch, 0, m->rule_count * sizeof(*s->rule_epoch));
    s->epoch = 1;
}

static void add_subject(struct match_scratch *s, uint32_t slot, struct subject *subject)
{
    struct slot_state *state = &s->slots[slot];
    if (state->epoch == s->epoch) {
        state->last->next = subject;
    } else {
        state->epoch = s->epoch;
        state->first = subject;
        s->touched[s->touched_count++] = slot;
    }
    state->last = subject;
}

static void grow_subjects(struct match_scratch *s, size_t count)
{
    if (count <= s->subject_cap)
        return;
    free(s->subjects);
    s->subject_cap = count * 2;
    s->subjects = mem_alloc(s->subject_cap * sizeof(*s->subjects));
}

void scratch_begin(struct match_scratch *s, const struct event *event)
{
    next_epoch(s);
    s->class = matcher_class(s->matcher, event->source);
    s->touched_count = s->candidate_count = 0;
    s->judge.budget = s->budget;
    s->judge.regex_budget = s->regex_budget;
    grow_subjects(s, event->count);
    size_t used = 0, bytes = 0, slot_count = s->matcher->slot_count;
    const uint64_t *slots_used = s->matcher->index.used;
    for (uint32_t i = 0; i < event->count; i++) {
        const struct event_value *value = &event->values[i];
        if (value->slot >= slot_count || !(slots_used[value->slot / 64] >> value->slot % 64 & 1))
            continue;
        struct subject *subject = &s->subjects[used++];
        subject_init(subject, &value->value);
        bytes += text_fold_max(subject->text.len);
        add_subject(s, value->slot, subject);
    }
    judge_reserve(&s->judge, bytes);
}

enum verdict scratch_judge(struct match_scratch *s, uint32_t predicate)
{
    uint32_t memo = s->memo[predicate];
    if (memo >> 2 == s->epoch)
        return (enum verdict)(memo & 3);
    const struct predicate *p = &s->matcher->predicates[predicate];
    enum verdict verdict = predicate_judge(p, scratch_first(s, p->slot), &s->judge);
    s->memo[predicate] = s->epoch << 2 | verdict;
    return verdict;
}

void scratch_wake(struct match_scratch *s, uint32_t rule)
{
    if (s->rule_epoch[rule] == s->epoch || !matcher_routes(s->matcher, s->class, rule))
        return;
    s->rule_epoch[rule] = s->epoch;
    s->candidates[s->candidate_count++] = rule;
}
