#include "match/spec.h"

#include <math.h>
#include <stdio.h>

#include "base/text.h"
#include "match/cidr.h"
#include "match/line_length.h"
#include "match/regex.h"

#define ALL_MAX 1024

enum modifier {
    MODIFIER_OP,
    MODIFIER_ALL,
    MODIFIER_EVERY,
    MODIFIER_CASED,
    MODIFIER_LITERAL,
    MODIFIER_REGEX_FLAG,
    MODIFIER_LATER, /* Sigma has it; the engine not yet */
};

static const struct modifier_name {
    const char *name;
    enum modifier modifier;
    unsigned detail; /* the operator or the regex flag */
} modifier_names[] = {
    {"contains", MODIFIER_OP, SPEC_CONTAINS},
    {"startswith", MODIFIER_OP, SPEC_STARTSWITH},
    {"endswith", MODIFIER_OP, SPEC_ENDSWITH},
    {"re", MODIFIER_OP, SPEC_REGEX},
    {"cidr", MODIFIER_OP, SPEC_CIDR},
    {"lt", MODIFIER_OP, SPEC_LT},
    {"lte", MODIFIER_OP, SPEC_LTE},
    {"gt", MODIFIER_OP, SPEC_GT},
    {"gte", MODIFIER_OP, SPEC_GTE},
    {"exists", MODIFIER_OP, SPEC_EXISTS},
    {"all", MODIFIER_ALL, 0},
    {"every", MODIFIER_EVERY, 0},
    {"cased", MODIFIER_CASED, 0},
    {"literal", MODIFIER_LITERAL, 0},
    {"i", MODIFIER_REGEX_FLAG, REGEX_CASELESS},
    {"m", MODIFIER_REGEX_FLAG, REGEX_MULTILINE},
    {"s", MODIFIER_REGEX_FLAG, REGEX_DOTALL},
    {"windash", MODIFIER_LATER, 0},
    {"base64", MODIFIER_LATER, 0},
    {"base64offset", MODIFIER_LATER, 0},
    {"utf16le", MODIFIER_LATER, 0},
    {"utf16be", MODIFIER_LATER, 0},
    {"utf16", MODIFIER_LATER, 0},
    {"wide", MODIFIER_LATER, 0},
    {"neq", MODIFIER_LATER, 0},
    {"fieldref", MODIFIER_LATER, 0},
    {"expand", MODIFIER_LATER, 0},
};
#define MODIFIER_COUNT (sizeof(modifier_names) / sizeof(modifier_names[0]))

struct parse {
    struct arena *arena;
    struct spec spec;
    struct str op_name; /* "" : equality */
    bool all, plain;
    struct err *err;
};

static const struct modifier_name *find_modifier(struct str name)
{
    for (size_t i = 0; i < MODIFIER_COUNT; i++)
        if (str_is(name, modifier_names[i].name))
            return &modifier_names[i];
    return NULL;
}

static int unknown_modifier(const struct parse *p, struct str name)
{
    const char *names[MODIFIER_COUNT];
    for (size_t i = 0; i < MODIFIER_COUNT; i++)
        names[i] = modifier_names[i].name;
    const char *nearest = text_nearest(name, names, MODIFIER_COUNT);
    if (nearest)
        return err_set(p->err, ERR_INVALID, "unknown modifier \"%.*s\"; did you mean \"%s\"?", STR_ARG(name),
                       nearest);
    return err_set(p->err, ERR_INVALID, "unknown modifier \"%.*s\"", STR_ARG(name));
}

static int take_op(struct parse *p, const struct modifier_name *m)
{
    if (p->op_name.len)
        return err_set(p->err, ERR_INVALID, "both \"%.*s\" and \"%s\"; one of them is allowed",
                       STR_ARG(p->op_name), m->name);
    p->op_name = str_from(m->name);
    p->spec.op = m->detail;
    return 0;
}

static int take_modifier(struct parse *p, struct str name)
{
    const struct modifier_name *m = find_modifier(name);
    if (!m)
        return unknown_modifier(p, name);
    switch (m->modifier) {
    case MODIFIER_OP:
        return take_op(p, m);
    case MODIFIER_ALL:
        p->all = true;
        return 0;
    case MODIFIER_EVERY:
        p->spec.every = true;
        return 0;
    case MODIFIER_CASED:
        p->spec.cased = true;
        return 0;
    case MODIFIER_LITERAL:
        p->plain = true;
        return 0;
    case MODIFIER_REGEX_FLAG:
        if (p->spec.op != SPEC_REGEX)
            return err_set(p->err, ERR_INVALID, "\"%s\" belongs behind \"re\"", m->name);
        p->spec.regex_flags |= m->detail;
        return 0;
    case MODIFIER_LATER:
        break;
    }
    return err_set(p->err, ERR_INVALID, "the modifier \"%s\" is not built yet", m->name);
}

static int parse_key(struct parse *p)
{
    struct str rest = p->spec.key;
    bool path = true;
    while (path || rest.len) {
        const char *bar = rest.len ? memchr(rest.ptr, '|', rest.len) : NULL;
        struct str part = {rest.ptr, bar ? (size_t)(bar - rest.ptr) : rest.len};
        rest = (struct str){rest.ptr + part.len + (bar != NULL), rest.len - part.len - (bar != NULL)};
        if (path)
            p->spec.path = part;
        else if (take_modifier(p, part))
            return -1;
        if (bar && rest.len == 0)
            return unknown_modifier(p, STR(""));
        path = false;
    }
    if (p->spec.path.len == 0)
        return err_set(p->err, ERR_INVALID, "there is no field name");
    return 0;
}

static bool is_text_op(enum spec_op op)
{
    return op == SPEC_EQUALS || op == SPEC_CONTAINS || op == SPEC_STARTSWITH || op == SPEC_ENDSWITH;
}

static bool is_order_op(enum spec_op op)
{
    return op == SPEC_LT || op == SPEC_LTE || op == SPEC_GT || op == SPEC_GTE;
}

static int cannot(const struct parse *p, const char *modifier)
{
    return err_set(p->err, ERR_INVALID, "\"%s\" means nothing with \"%.*s\"", modifier, STR_ARG(p->op_name));
}

static int check_modifiers(const struct parse *p)
{
    if (p->spec.cased && !is_text_op(p->spec.op))
        return cannot(p, "cased");
    if (p->plain && !is_text_op(p->spec.op))
        return cannot(p, "literal");
    if (p->spec.op == SPEC_EXISTS && (p->all || p->spec.every))
        return cannot(p, p->all ? "all" : "every");
    return 0;
}

static const char *type_name(const struct literal *literal)
{
    static const char *const names[] = {"a string", "a number", "a boolean", "null"};
    return names[literal->type];
}

static int wrong_type(const struct parse *p, const struct literal *literal, const char *wanted)
{
    return err_set(p->err, ERR_INVALID, "expected %s, got %s", wanted, type_name(literal));
}

static int check_string(const struct parse *p, const struct literal *literal)
{
    if (literal->text.len > SPEC_TEXT_MAX)
        return err_set(p->err, ERR_LIMIT, "a string of %zu bytes; at most %d are allowed", literal->text.len,
                       SPEC_TEXT_MAX);
    if (!text_is_utf8(literal->text))
        return err_set(p->err, ERR_INVALID, "a string that is not UTF-8");
    for (size_t i = 0; i < literal->text.len && !literal->from_list; i++) {
        unsigned char c = (unsigned char)literal->text.ptr[i];
        if (c < 0x20 || c == 0x7f)
            return err_set(p->err, ERR_INVALID,
                           "control character \"%.*s\" in a string; for a backslash write it in [[…]]",
                           STR_ARG(text_printable(p->arena, literal->text, 80)));
    }
    return 0;
}

/* "^?.{N,}$?" is a test of a length, however large N: see predicate.c. */
static int check_regex(const struct parse *p, struct str pattern)
{
    if (line_length_parse(pattern, p->spec.regex_flags, &(struct line_length){0}))
        return 0;
    struct err why;
    if (regex_check(pattern, p->spec.regex_flags, &why) == 0)
        return 0;
    return err_set(p->err, why.code, "%s", why.message);
}

static int check_number(const struct parse *p, const struct literal *literal)
{
    if (literal->type == LITERAL_NUMBER)
        return 0;
    struct value value = value_string(literal->text);
    double d;
    int64_t i;
    bool exact;
    if (literal->type == LITERAL_STRING && value_number(&value, &d, &i, &exact))
        return 0;
    return wrong_type(p, literal, "a number");
}

static int check_network(const struct parse *p, struct str text)
{
    struct network network;
    struct err why;
    if (network_parse(text, &network, &why) == 0)
        return 0;
    return err_set(p->err, why.code, "%s", why.message);
}

static int check_literal(const struct parse *p, const struct literal *literal)
{
    enum spec_op op = p->spec.op;
    if (literal->type == LITERAL_STRING && check_string(p, literal))
        return -1;
    if (literal->type == LITERAL_NUMBER && !literal->is_integer && !isfinite(literal->d))
        return err_set(p->err, ERR_INVALID, "a number that is not finite");
    if (op == SPEC_EXISTS)
        return literal->type == LITERAL_BOOL ? 0 : wrong_type(p, literal, "true or false");
    if (literal->type == LITERAL_NULL && op != SPEC_EQUALS)
        return wrong_type(p, literal, "a value");
    if (is_order_op(op))
        return check_number(p, literal);
    if (op != SPEC_EQUALS && literal->type == LITERAL_BOOL)
        return wrong_type(p, literal, "a string");
    if ((op == SPEC_REGEX || op == SPEC_CIDR) && literal->type != LITERAL_STRING)
        return wrong_type(p, literal, "a string");
    if (op == SPEC_REGEX)
        return check_regex(p, literal->text);
    return op == SPEC_CIDR ? check_network(p, literal->text) : 0;
}

static int check_literals(const struct parse *p, const struct literal *values, size_t count)
{
    if (count == 0)
        return err_set(p->err, ERR_INVALID, "an empty list matches nothing");
    if (count > 1 && p->spec.op == SPEC_EXISTS)
        return err_set(p->err, ERR_INVALID, "expected true or false, got a list");
    if (p->all && count > ALL_MAX)
        return err_set(p->err, ERR_LIMIT, "\"all\" of %zu values; at most %d are allowed", count, ALL_MAX);
    for (size_t i = 0; i < count; i++) {
        if (values[i].type == LITERAL_NULL && count > 1)
            return err_set(p->err, ERR_INVALID, "null inside a list; write any { … } with null alone");
        if (check_literal(p, &values[i]))
            return -1;
    }
    return 0;
}

struct str number_text(struct arena *arena, bool is_integer, int64_t i, double d)
{
    if (is_integer || (d >= -9223372036854775808.0 && d < 9223372036854775808.0 && d == floor(d))) {
        const char *text = arena_printf(arena, "%lld", (long long)(is_integer ? i : (int64_t)d));
        return str_from(text);
    }
    if (d >= 9223372036854775808.0 && d < 18446744073709551616.0)
        return str_from(arena_printf(arena, "%llu", (unsigned long long)d));
    return value_double(arena, d).text;
}

static struct spec_value copy_literal(const struct parse *p, const struct literal *literal)
{
    struct str text = STR("");
    if (literal->type == LITERAL_STRING)
        text = arena_dup(p->arena, literal->text);
    else if (literal->type == LITERAL_NUMBER)
        text = number_text(p->arena, literal->is_integer, literal->i, literal->d);
    else if (literal->type == LITERAL_BOOL)
        text = literal->b ? STR("true") : STR("false");
    bool plain = p->plain || literal->from_list || literal->type != LITERAL_STRING;
    return (struct spec_value){text.ptr, (uint32_t)text.len, (uint8_t)literal->type, plain};
}

struct spec *spec_parse(struct arena *arena, struct str key, const struct literal *values, size_t count,
                        size_t *specs, struct err *err)
{
    struct parse p = {.arena = arena, .op_name = STR(""), .err = err};
    p.spec = (struct spec){.key = arena_dup(arena, key), .slot = FIELD_NONE, .op = SPEC_EQUALS};
    if (parse_key(&p) || check_modifiers(&p) || check_literals(&p, values, count))
        return NULL;
    struct spec_value *copies = arena_alloc(arena, count * sizeof(*copies));
    for (size_t i = 0; i < count; i++)
        copies[i] = copy_literal(&p, &values[i]);
    *specs = p.all ? count : 1;
    struct spec *out = arena_alloc(arena, *specs * sizeof(*out));
    for (size_t i = 0; i < *specs; i++) {
        out[i] = p.spec;
        out[i].values = copies + i;
        out[i].count = p.all ? 1 : count;
    }
    return out;
}
