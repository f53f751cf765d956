#include "match/regex_atoms.h"

#include <stdint.h>

#define DEPTH_MAX 16
#define RUN_MAX   256

/* Literals, one of which must occur; count 0: nothing known. */
struct atoms {
    struct str items[REGEX_ATOMS_MAX];
    size_t count;
};

struct reader {
    struct arena *arena;
    struct str pattern;
    size_t at;
    bool lost; /* met something unknown: give up */
};

/* One branch while it is read. */
struct branch {
    char run[RUN_MAX]; /* literal characters since the last thing that is none */
    size_t len;
    struct atoms best;
};

static size_t shortest(const struct atoms *atoms)
{
    size_t least = SIZE_MAX;
    for (size_t i = 0; i < atoms->count; i++)
        least = atoms->items[i].len < least ? atoms->items[i].len : least;
    return atoms->count ? least : 0;
}

/* Long ones are rare; few are cheap. */
static size_t worth(const struct atoms *atoms)
{
    size_t least = shortest(atoms);
    return least < 2 ? 0 : (least < 12 ? least : 12) * 8 - atoms->count / 2;
}

static void offer(struct branch *branch, const struct atoms *atoms)
{
    if (worth(atoms) > worth(&branch->best))
        branch->best = *atoms;
}

static void flush(struct reader *r, struct branch *branch)
{
    if (branch->len >= 2) {
        struct atoms one = {.count = 1};
        one.items[0] = arena_dup(r->arena, (struct str){branch->run, branch->len});
        offer(branch, &one);
    }
    branch->len = 0;
}

static char peek(const struct reader *r)
{
    return r->at < r->pattern.len ? r->pattern.ptr[r->at] : 0;
}

static char fold(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
}

static bool is_alnum(char c)
{
    return (c >= '0' && c <= '9') || (fold(c) >= 'a' && fold(c) <= 'z');
}

/* A quantifier, if one stands here: *least gets how often at least. */
static bool take_quantifier(struct reader *r, unsigned *least)
{
    size_t start = r->at;
    char c = peek(r);
    *least = c == '+';
    if (c == '*' || c == '+' || c == '?') {
        r->at++;
    } else if (c == '{') {
        unsigned number = 0;
        size_t at = r->at + 1;
        for (; at < r->pattern.len && r->pattern.ptr[at] >= '0' && r->pattern.ptr[at] <= '9'; at++)
            number = 1;
        /* {0,n} has a number too: take it as "perhaps not at all" unless it begins with another digit. */
        *least = number && r->pattern.ptr[r->at + 1] != '0';
        const char *end = memchr(r->pattern.ptr + r->at, '}', r->pattern.len - r->at);
        if (!number || !end)
            return false; /* a literal brace */
        r->at = (size_t)(end - r->pattern.ptr) + 1;
    }
    if (r->at == start)
        return false;
    if (peek(r) == '?' || peek(r) == '+')
        r->at++;
    return true;
}

static void add_literal(struct reader *r, struct branch *branch, char c)
{
    unsigned least;
    bool repeated = take_quantifier(r, &least);
    if (repeated && least == 0) {
        flush(r, branch);
        return;
    }
    if (branch->len == RUN_MAX)
        flush(r, branch);
    branch->run[branch->len++] = fold(c);
    if (repeated)
        flush(r, branch);
}

/* Something that is one or more characters, which ones is not known. */
static void add_unknown(struct reader *r, struct branch *branch)
{
    unsigned least;
    take_quantifier(r, &least);
    flush(r, branch);
}

static void read_escape(struct reader *r, struct branch *branch)
{
    r->at++;
    char c = peek(r);
    r->at++;
    if ((unsigned char)c < 0x80 && c > ' ' && !is_alnum(c))
        add_literal(r, branch, c);
    else if (c && strchr("dDwWsShHvVR", c))
        add_unknown(r, branch);
    else if (c && strchr("bBAzZG", c))
        flush(r, branch);
    else if (c == 't' || c == 'n' || c == 'r' || c == 'f' || c == 'e' || c == 'a')
        add_unknown(r, branch);
    else
        r->lost = true;
}

/* [xX] is one letter; any other class is unknown. */
static void read_class(struct reader *r, struct branch *branch)
{
    size_t members = 0;
    r->at++;
    char only = 0;
    bool one = peek(r) != '^';
    if (!one)
        r->at++;
    for (bool first = true; r->at < r->pattern.len && (first || peek(r) != ']'); first = false) {
        char c = peek(r);
        if (c == '[' && r->at + 1 < r->pattern.len && strchr(":.=", r->pattern.ptr[r->at + 1])) {
            const char *end = memchr(r->pattern.ptr + r->at + 1, ']', r->pattern.len - r->at - 1);
            r->at = end ? (size_t)(end - r->pattern.ptr) + 1 : r->pattern.len;
            one = false;
            continue;
        }
        if (c == '\\') {
            c = r->at + 1 < r->pattern.len ? r->pattern.ptr[++r->at] : 0;
            one = one && c > ' ' && !is_alnum(c);
            r->lost = r->lost || c == 'Q' || c == 'E';
        }
        one = one && (unsigned char)c < 0x80 && (members == 0 || fold(c) == only);
        only = fold(c);
        members++;
        r->at++;
    }
    r->at++;
    if (one && members)
        add_literal(r, branch, only);
    else
        add_unknown(r, branch);
}

static struct atoms read_branches(struct reader *r, unsigned depth);

enum group { GROUP_PLAIN, GROUP_ASIDE /* consumes nothing that must be there */, GROUP_FLAGS };

/* Behind "(?": what kind of group, the reader standing on its first item. */
static enum group read_group_kind(struct reader *r)
{
    char c = peek(r);
    r->at++;
    if (c == ':' || c == '>' || c == '|')
        return GROUP_PLAIN;
    if (c == '=' || c == '!')
        return GROUP_ASIDE;
    if (c == 'P')
        c = peek(r), r->at++;
    if (c == '<' && (peek(r) == '=' || peek(r) == '!')) {
        r->at++;
        return GROUP_ASIDE;
    }
    if (c == '<' || c == '\'') {
        const char *end = memchr(r->pattern.ptr + r->at, c == '<' ? '>' : '\'', r->pattern.len - r->at);
        r->lost = r->lost || !end;
        r->at = end ? (size_t)(end - r->pattern.ptr) + 1 : r->pattern.len;
        return GROUP_PLAIN;
    }
    for (r->at--; peek(r) && strchr("ims-", peek(r)); r->at++)
        ;
    char end = peek(r);
    r->lost = r->lost || (end != ')' && end != ':'); /* flag x, recursion, conditions, comments */
    r->at++;
    return end == ')' ? GROUP_FLAGS : GROUP_PLAIN;
}

static void read_group(struct reader *r, struct branch *branch, unsigned depth)
{
    r->at++;
    enum group kind = GROUP_PLAIN;
    if (peek(r) == '*') {
        r->lost = true;
        return;
    }
    if (peek(r) == '?') {
        r->at++;
        kind = read_group_kind(r);
    }
    flush(r, branch);
    if (kind == GROUP_FLAGS || r->lost)
        return;
    struct atoms inner = read_branches(r, depth + 1);
    unsigned least;
    r->at++; /* the closing parenthesis */
    bool repeated = take_quantifier(r, &least);
    if (kind == GROUP_PLAIN && (!repeated || least > 0))
        offer(branch, &inner);
}

static void read_item(struct reader *r, struct branch *branch, unsigned depth)
{
    char c = peek(r);
    if (c == '\\') {
        read_escape(r, branch);
    } else if (c == '[') {
        read_class(r, branch);
    } else if (c == '(') {
        read_group(r, branch, depth);
    } else if (c == '.') {
        r->at++;
        add_unknown(r, branch);
    } else if (c == '^' || c == '$') {
        r->at++;
        unsigned least;
        take_quantifier(r, &least);
        flush(r, branch);
    } else if ((unsigned char)c >= 0x80) {
        for (r->at++; ((unsigned char)peek(r) & 0xc0) == 0x80; r->at++)
            ;
        add_unknown(r, branch);
    } else {
        r->at++;
        add_literal(r, branch, c);
    }
}

static struct atoms read_branch(struct reader *r, unsigned depth)
{
    struct branch branch = {.len = 0};
    while (!r->lost && r->at < r->pattern.len && peek(r) != '|' && peek(r) != ')')
        read_item(r, &branch, depth);
    flush(r, &branch);
    return branch.best;
}

/* Of a|b|c each branch must have something; together they are the set. */
static struct atoms read_branches(struct reader *r, unsigned depth)
{
    struct atoms all = {.count = 0};
    bool known = depth <= DEPTH_MAX;
    r->lost = r->lost || !known;
    for (;;) {
        struct atoms one = read_branch(r, depth);
        known = known && one.count > 0 && all.count + one.count <= REGEX_ATOMS_MAX;
        for (size_t i = 0; known && i < one.count; i++)
            all.items[all.count++] = one.items[i];
        if (r->lost || peek(r) != '|')
            break;
        r->at++;
    }
    if (!known)
        all.count = 0;
    return all;
}

size_t regex_atoms(struct arena *arena, struct str pattern, struct str atoms[REGEX_ATOMS_MAX])
{
    struct reader r = {.arena = arena, .pattern = pattern};
    struct atoms found = read_branches(&r, 0);
    if (r.lost || r.at < pattern.len)
        return 0;
    memcpy(atoms, found.items, found.count * sizeof(found.items[0]));
    return found.count;
}
