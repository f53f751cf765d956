#include "app/name_sets.h"

#include "data/threat.h"

static bool set_of(struct str names, bool (*named)(struct str name, unsigned *one), unsigned *set)
{
    struct str name;
    unsigned one;
    while (str_next(&names, ',', &name)) {
        if (!named(name, &one))
            return false;
        *set |= 1u << one;
    }
    return *set != 0;
}

static bool severity_one(struct str name, unsigned *one)
{
    enum severity severity;
    bool ok = severity_named(name, &severity);
    *one = ok ? (unsigned)severity : 0;
    return ok;
}

static bool status_one(struct str name, unsigned *one)
{
    enum threat_status status;
    bool ok = threat_status_named(name, &status);
    *one = ok ? (unsigned)status : 0;
    return ok;
}

static bool verdict_one(struct str name, unsigned *one)
{
    enum threat_verdict verdict = VERDICT_NONE;
    bool ok = str_is(name, "none") || threat_verdict_named(name, &verdict);
    *one = ok ? (unsigned)verdict : 0;
    return ok;
}

bool severity_set(struct str names, unsigned *set)
{
    return set_of(names, severity_one, set);
}

bool status_set(struct str names, unsigned *set)
{
    return set_of(names, status_one, set);
}

bool verdict_set(struct str names, unsigned *set)
{
    return set_of(names, verdict_one, set);
}
