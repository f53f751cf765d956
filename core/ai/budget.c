#include "ai/budget.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/map.h"

#define NAMES_MAX  10000
#define OTHER      STR("(other)")
#define NS_PER_DAY (24 * 3600 * NS_PER_S)

struct account {
    struct budget_use use;
    int64_t reserved; /* tokens */
};

struct price {
    int64_t prompt, completion; /* micros for 1,000 tokens */
};

struct budget {
    int64_t day; /* since 1970; -1: none yet */
    struct map *accounts[BUDGET_KINDS];
    struct map *limits[BUDGET_KINDS]; /* by name */
    struct budget_limit general[BUDGET_KINDS];
    struct map *prices;
    struct price general_price;
};

const char *budget_kind_name(enum budget_kind kind)
{
    static const char *const names[BUDGET_KINDS] = {"all", "rule", "agent", "model"};
    return names[kind];
}

struct budget *budget_new(void)
{
    struct budget *budget = mem_zalloc(1, sizeof *budget);
    budget->day = -1;
    budget->prices = map_new();
    for (int kind = 0; kind < BUDGET_KINDS; kind++) {
        budget->accounts[kind] = map_new();
        budget->limits[kind] = map_new();
    }
    return budget;
}

void budget_free(struct budget *budget)
{
    if (!budget)
        return;
    map_free(budget->prices, free);
    for (int kind = 0; kind < BUDGET_KINDS; kind++) {
        map_free(budget->accounts[kind], free);
        map_free(budget->limits[kind], free);
    }
    free(budget);
}

void budget_set_limit(struct budget *budget, enum budget_kind kind, struct str name,
                      struct budget_limit limit)
{
    if (kind == BUDGET_ALL || !name.len) {
        budget->general[kind] = limit;
        return;
    }
    struct budget_limit *copy = mem_alloc(sizeof *copy);
    *copy = limit;
    free(map_put(budget->limits[kind], name, copy));
}

/* ---- prices ---- */

void budget_set_price(struct budget *budget, struct str model, int64_t prompt_micros,
                      int64_t completion_micros)
{
    struct price price = {prompt_micros > 0 ? prompt_micros : 0,
                          completion_micros > 0 ? completion_micros : 0};
    if (!model.len) {
        budget->general_price = price;
        return;
    }
    struct price *copy = mem_alloc(sizeof *copy);
    *copy = price;
    free(map_put(budget->prices, model, copy));
}

static int64_t add_saturating(int64_t a, int64_t b)
{
    int64_t sum;
    return __builtin_add_overflow(a, b, &sum) ? INT64_MAX : sum;
}

static int64_t cost(int64_t tokens, int64_t micros)
{
    int64_t product;
    if (tokens <= 0)
        return 0;
    return __builtin_mul_overflow(tokens, micros, &product) ? INT64_MAX : product;
}

int64_t budget_price(const struct budget *budget, struct str model, int64_t prompt_tokens,
                     int64_t completion_tokens)
{
    const struct price *price = map_get(budget->prices, model);
    if (!price)
        price = &budget->general_price;
    int64_t thousandths = add_saturating(cost(prompt_tokens, price->prompt),
                                         cost(completion_tokens, price->completion));
    return thousandths / 1000 + (thousandths % 1000 != 0);
}

/* ---- a day ---- */

static int64_t day_of(int64_t now_ns)
{
    return now_ns / NS_PER_DAY - (now_ns % NS_PER_DAY < 0);
}

int64_t budget_next_reset(int64_t now_ns)
{
    return (day_of(now_ns) + 1) * NS_PER_DAY;
}

/* Yesterday's reservations are of requests still running: they are kept, what was used is not. */
static void begin_day(struct budget *budget, int64_t now_ns)
{
    int64_t day = day_of(now_ns);
    if (day <= budget->day)
        return; /* a clock set back does not give the day anew */
    budget->day = day;
    for (int kind = 0; kind < BUDGET_KINDS; kind++) {
        struct map *old = budget->accounts[kind], *fresh = map_new();
        struct str name;
        void *value;
        for (size_t at = 0; map_next(old, &at, &name, &value);) {
            struct account *account = value;
            if (account->reserved > 0) {
                struct account *kept = mem_zalloc(1, sizeof *kept);
                kept->reserved = account->reserved;
                map_put(fresh, name, kept);
            }
        }
        map_free(old, free);
        budget->accounts[kind] = fresh;
    }
}

static struct account *account_peek(const struct budget *budget, enum budget_kind kind, struct str name)
{
    struct account *account = map_get(budget->accounts[kind], name);
    if (!account && map_count(budget->accounts[kind]) >= NAMES_MAX)
        account = map_get(budget->accounts[kind], OTHER);
    return account;
}

static struct account *account_of(struct budget *budget, enum budget_kind kind, struct str name)
{
    struct account *account = account_peek(budget, kind, name);
    if (account)
        return account;
    account = mem_zalloc(1, sizeof *account);
    map_put(budget->accounts[kind], map_count(budget->accounts[kind]) >= NAMES_MAX ? OTHER : name, account);
    return account;
}

static struct str name_of(const struct budget_key *key, int kind)
{
    switch (kind) {
    case BUDGET_RULE:
        return key->rule;
    case BUDGET_AGENT:
        return key->agent;
    case BUDGET_MODEL:
        return key->model;
    default:
        return STR("");
    }
}

/* ---- limits ---- */

static bool fits(int64_t limit, int64_t used, int64_t expected)
{
    return limit <= 0 || add_saturating(used, expected) <= limit || (used == 0 && expected > limit);
}

static bool kind_admits(struct budget *budget, enum budget_kind kind, const struct budget_key *key,
                        int64_t expected)
{
    static const struct account empty;
    struct str name = name_of(key, kind);
    const struct budget_limit *limit = kind == BUDGET_ALL ? NULL : map_get(budget->limits[kind], name);
    const struct account *account = account_peek(budget, kind, name);
    if (!limit)
        limit = &budget->general[kind];
    if (!account)
        account = &empty;
    int64_t tokens = add_saturating(
        add_saturating(account->use.prompt_tokens, account->use.completion_tokens), account->reserved);
    int64_t micros = add_saturating(account->use.micros,
                                    budget_price(budget, key->model, 0, account->reserved));
    return fits(limit->tokens, tokens, expected) &&
           fits(limit->micros, micros, budget_price(budget, key->model, 0, expected));
}

bool budget_admits(struct budget *budget, int64_t now_ns, const struct budget_key *key,
                   int64_t expected_tokens, enum budget_kind *which)
{
    begin_day(budget, now_ns);
    for (int kind = 0; kind < BUDGET_KINDS; kind++) {
        if (kind_admits(budget, kind, key, expected_tokens > 0 ? expected_tokens : 0))
            continue;
        if (which)
            *which = kind;
        return false;
    }
    return true;
}

void budget_reserve(struct budget *budget, int64_t now_ns, const struct budget_key *key, int64_t tokens)
{
    begin_day(budget, now_ns);
    for (int kind = 0; tokens > 0 && kind < BUDGET_KINDS; kind++) {
        struct account *account = account_of(budget, kind, name_of(key, kind));
        account->reserved = add_saturating(account->reserved, tokens);
    }
}

void budget_release(struct budget *budget, int64_t now_ns, const struct budget_key *key, int64_t tokens)
{
    begin_day(budget, now_ns);
    for (int kind = 0; tokens > 0 && kind < BUDGET_KINDS; kind++) {
        struct account *account = account_of(budget, kind, name_of(key, kind));
        account->reserved = account->reserved > tokens ? account->reserved - tokens : 0;
    }
}

static void use_add(struct budget_use *use, const struct budget_use *more)
{
    use->requests = add_saturating(use->requests, more->requests);
    use->prompt_tokens = add_saturating(use->prompt_tokens, more->prompt_tokens);
    use->completion_tokens = add_saturating(use->completion_tokens, more->completion_tokens);
    use->micros = add_saturating(use->micros, more->micros);
}

int64_t budget_add(struct budget *budget, int64_t now_ns, const struct budget_key *key, int64_t prompt_tokens,
                   int64_t completion_tokens)
{
    struct budget_use more = {.requests = 1,
                              .prompt_tokens = prompt_tokens > 0 ? prompt_tokens : 0,
                              .completion_tokens = completion_tokens > 0 ? completion_tokens : 0};
    more.micros = budget_price(budget, key->model, more.prompt_tokens, more.completion_tokens);
    begin_day(budget, now_ns);
    for (int kind = 0; kind < BUDGET_KINDS; kind++)
        use_add(&account_of(budget, kind, name_of(key, kind))->use, &more);
    return more.micros;
}

struct budget_use budget_used(struct budget *budget, int64_t now_ns, enum budget_kind kind, struct str name)
{
    begin_day(budget, now_ns);
    const struct account *account = map_get(budget->accounts[kind], kind == BUDGET_ALL ? STR("") : name);
    return account ? account->use : (struct budget_use){0};
}

bool budget_next(struct budget *budget, enum budget_kind kind, size_t *at, struct str *name,
                 struct budget_use *use)
{
    void *value;
    if (!map_next(budget->accounts[kind], at, name, &value))
        return false;
    *use = ((struct account *)value)->use;
    return true;
}

void budget_restore(struct budget *budget, int64_t now_ns, const struct budget_row *row)
{
    begin_day(budget, now_ns);
    if (day_of(row->day_ns) == budget->day)
        use_add(&account_of(budget, row->kind, row->kind == BUDGET_ALL ? STR("") : row->name)->use,
                &row->use);
}
