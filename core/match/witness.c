#include "match/index.h"
#include "match/pattern.h"
#include "match/prior.h"

#define LISTED_MAX                                                                                           \
    1024 /* more literals than that stay in the predicate's own set, which is asked as a whole */

static size_t literal_count(const struct predicate *p)
{
    return (p->exact ? text_set_count(p->exact) : 0) + (p->heads ? text_set_count(p->heads) : 0) +
           (p->tails ? text_set_count(p->tails) : 0) + p->contain_count + p->wild_count;
}

static bool all_findable(const struct predicate *p)
{
    for (size_t i = 0; i < p->contain_count; i++)
        if (p->contains[i].len < GRAM_LITERAL_MIN)
            return false;
    for (size_t i = 0; i < p->wild_count; i++)
        if (pattern_longest_piece(p->wild[i]).len < GRAM_LITERAL_MIN)
            return false;
    return true;
}

static bool all_have_atoms(const struct predicate *p)
{
    for (size_t i = 0; i < p->regex_count; i++)
        if (p->regexes[i].atom_count == 0)
            return false;
    return p->line_count == 0;
}

enum wake predicate_wake(const struct predicate *p)
{
    if (p->null || p->absent)
        return WAKE_NEVER;
    if (p->present || p->anything || p->order_count)
        return WAKE_DIRECT;
    if (p->regex_count && !all_have_atoms(p))
        return WAKE_PRESENT;
    if (p->line_count)
        return WAKE_DIRECT;
    if (p->network_count > LISTED_MAX || literal_count(p) > LISTED_MAX || !all_findable(p))
        return WAKE_DIRECT;
    return WAKE_LITERALS;
}

static double set_share(const struct prior *prior, const struct text_set *set, enum prior_shape shape)
{
    double share = 0;
    for (size_t i = 0; set && i < text_set_count(set) && share < 1; i++)
        share += prior_share(prior, shape, text_set_item(set, i));
    return share;
}

static double literal_share(const struct prior *prior, const struct predicate *p)
{
    double share = set_share(prior, p->exact, PRIOR_EXACT) + set_share(prior, p->heads, PRIOR_HEAD) +
                   set_share(prior, p->tails, PRIOR_TAIL) + 0.05 * (double)p->network_count;
    for (size_t i = 0; i < p->contain_count && share < 1; i++)
        share += prior_share(prior, PRIOR_CONTAINS, p->contains[i]);
    for (size_t i = 0; i < p->wild_count && share < 1; i++)
        share += prior_share(prior, PRIOR_CONTAINS, pattern_longest_piece(p->wild[i]));
    for (size_t i = 0; i < p->regex_count; i++)
        for (size_t k = 0; k < p->regexes[i].atom_count && share < 1; k++)
            share += 1.5 * prior_share(prior, PRIOR_CONTAINS, p->regexes[i].atoms[k]);
    return share < 1 ? share : 1;
}

double predicate_share(const struct prior *prior, const struct predicate *p)
{
    switch (predicate_wake(p)) {
    case WAKE_NEVER:
        break;
    case WAKE_LITERALS:
        return literal_share(prior, p);
    case WAKE_DIRECT:
        return p->present || p->anything ? 5 : 2;
    case WAKE_PRESENT:
        return 10;
    }
    return 1e9;
}
