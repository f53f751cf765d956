#include <math.h>

#include "match/predicate.h"

bool number_of(const struct value *value, struct number *number)
{
    if (value->type == VALUE_UINT) {
        *number = (struct number){.integer = true, .i = value->as.u, .d = (double)value->as.u};
        return true;
    }
    int64_t i = 0;
    double d = 0;
    bool exact = false;
    if (!value_number(value, &d, &i, &exact))
        return false;
    *number = (struct number){.integer = exact, .i = i, .d = d};
    return !isnan(d);
}

/* An integer against a double, with nothing lost: first by the double's floor, then by what is behind it. */
static int compare_mixed(__int128_t i, double d)
{
    if (d >= 0x1p100)
        return -1;
    if (d < -0x1p100)
        return 1;
    double below = floor(d);
    __int128_t whole = (__int128_t)below;
    if (i != whole)
        return i < whole ? -1 : 1;
    return d > below ? -1 : 0;
}

int number_compare(const struct number *a, const struct number *b)
{
    if (a->integer && b->integer)
        return (a->i > b->i) - (a->i < b->i);
    if (a->integer)
        return compare_mixed(a->i, b->d);
    if (b->integer)
        return -compare_mixed(b->i, a->d);
    return (a->d > b->d) - (a->d < b->d);
}
