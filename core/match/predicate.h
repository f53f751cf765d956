/* One condition on one field, compiled: "any value (or every value) of the slot passes any of these tests".
 * Immutable once made; lives in the arena, but for its regular expressions, which predicate_release gives
 * back. A judge is the working memory of one thread: folded text, regex scratch, and what is left of the
 * budgets. */
#ifndef LUNETTE_MATCH_PREDICATE_H
#define LUNETTE_MATCH_PREDICATE_H

#include "match/cidr.h"
#include "match/grams.h"
#include "match/line_length.h"
#include "match/regex.h"
#include "match/spec.h"
#include "match/text_set.h"

enum verdict { VERDICT_NO, VERDICT_YES, VERDICT_UNKNOWN /* a budget ran out */ };

/* A number, exact where it is an integer of 64 bits. */
struct number {
    bool integer;
    __int128_t i;
    double d;
};
bool number_of(const struct value *value, struct number *number);
int number_compare(const struct number *a, const struct number *b);

struct order_test {
    enum spec_op op;
    struct number number;
};

struct regex_test {
    struct regex *regex;
    struct str *atoms; /* folded; a match holds at least one of them. None: nothing is known */
    size_t atom_count;
};

struct predicate {
    const struct spec *spec;
    uint32_t slot;
    bool cased, every;
    bool null;                              /* holds when absent or null */
    bool present;                           /* |exists: true */
    bool absent;                            /* |exists: false */
    bool anything;                          /* a lone `*`: any value but null */
    struct text_set *exact, *heads, *tails; /* NULL: none of that kind */
    struct str
        *contains; /* all literals to be contained: `grams` finds most of them, `singles` are the rest */
    size_t contain_count;
    struct grams *grams;
    struct str *singles;
    size_t single_count;
    struct str *wild;
    size_t wild_count;
    struct cidr_set *cidr;
    struct network *networks; /* malloc; what the set was made of */
    size_t network_count;
    struct order_test *orders;
    size_t order_count;
    struct line_length *lines;
    size_t line_count;
    struct regex_test *regexes;
    size_t regex_count;
    unsigned cost; /* of one evaluation, about, in bytes looked at */
};

/* `spec` must outlive it; it was checked by spec_parse. */
void predicate_compile(struct predicate *predicate, const struct spec *spec, struct arena *arena);
void predicate_release(struct predicate *predicate);

/* A value as the tests see it. */
struct subject {
    const struct value *value;
    struct subject *next; /* of the same field, in document order; NULL: last */
    struct str text;      /* at most SPEC_TEXT_MAX bytes */
    struct str folded;    /* ptr NULL: not yet */
    bool cut;             /* there was more: then it equals nothing and ends with nothing */
    bool number_made;
    struct str number; /* canonical text of a number, where it differs from `text`; else ptr NULL */
    char digits[24];
};
void subject_init(struct subject *subject, const struct value *value);

struct judge {
    char *fold; /* room for folded text */
    size_t fold_used, fold_cap;
    struct regex_scratch *regex;   /* made when first needed */
    uint64_t budget;               /* bytes and items that may still be looked at; 0: spent */
    uint64_t regex_budget;         /* steps */
    uint64_t evaluations, regexes; /* counted */
};
/* About 2 ms and 3 ms of work. */
#define JUDGE_BUDGET       UINT64_C(4000000)
#define JUDGE_REGEX_BUDGET UINT64_C(400000)
#define JUDGE_REGEX_STEPS  100000 /* one evaluation */

void judge_release(struct judge *judge);
/* Room for folding subjects of these texts' sizes in all; forgets what was folded before. */
void judge_reserve(struct judge *judge, size_t bytes);
struct str subject_folded(struct subject *subject, struct judge *judge);
/* The text of the subject under which numbers are equal; ptr NULL: none but its text. */
struct str subject_number(struct subject *subject);

/* One value. */
enum verdict predicate_test(const struct predicate *predicate, struct subject *subject, struct judge *judge);
/* All values of the slot; `first` is NULL where it has none. */
enum verdict predicate_judge(const struct predicate *predicate, struct subject *first, struct judge *judge);

#endif
