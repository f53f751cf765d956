/* Seeded random rules and events as JSON. A small alphabet, so that things meet. */
#ifndef LUNETTE_SPEC_MATCH_CHANCE_H
#define LUNETTE_SPEC_MATCH_CHANCE_H

#include "base/buf.h"

struct chance {
    uint64_t state;
};

static inline uint64_t chance_next(struct chance *c)
{
    c->state ^= c->state << 13;
    c->state ^= c->state >> 7;
    c->state ^= c->state << 17;
    return c->state * UINT64_C(0x2545f4914f6cdd1d) >> 16;
}

static inline unsigned chance_of(struct chance *c, unsigned n)
{
    return (unsigned)(chance_next(c) % n);
}

static inline bool chance_is(struct chance *c, unsigned percent)
{
    return chance_of(c, 100) < percent;
}

static inline const char *chance_pick(struct chance *c, const char *const *items, size_t count)
{
    return items[chance_of(c, (unsigned)count)];
}
#define PICK(c, items) chance_pick(c, items, sizeof(items) / sizeof((items)[0]))

static inline void chance_text(struct chance *c, struct buf *out, bool wild)
{
    static const char *const letters[] = {"a", "b", "A", "B", "c", "1", "0", ".", "é", "É", "\xe2\x84\xaa",
                                          "k", "K"};
    static const char *const specials[] = {"*", "?", "\\\\", "\\\\*", "\\\\?"};
    static const char *const words[] = {"abab",  "powershell", "PowerShell.EXE", "straße", "ΣΟΦΟΣ",
                                        "σοφος", "aaaaaaaaaa", "10.1.2.3",       "-enc",   "cmd",
                                        "100",   "true"};
    unsigned parts = chance_of(c, 5);
    for (unsigned i = 0; i < parts; i++) {
        if (wild && chance_is(c, 20))
            buf_puts(out, PICK(c, specials));
        else if (chance_is(c, 20))
            buf_puts(out, PICK(c, words));
        else
            buf_puts(out, PICK(c, letters));
    }
}

static inline void chance_string(struct chance *c, struct buf *out, bool wild)
{
    buf_putc(out, '"');
    chance_text(c, out, wild);
    buf_putc(out, '"');
}

static inline void chance_number(struct chance *c, struct buf *out)
{
    static const char *const numbers[] = {"0",
                                          "1",
                                          "-1",
                                          "100",
                                          "100.0",
                                          "1e2",
                                          "1.5",
                                          "-0.0",
                                          "1000000",
                                          "10",
                                          "101",
                                          "0.1",
                                          "1e-9",
                                          "1e19",
                                          "9223372036854775807",
                                          "9223372036854775808",
                                          "9007199254740993",
                                          "9007199254740992.0"};
    buf_puts(out, PICK(c, numbers));
}

static inline const char *chance_field(struct chance *c)
{
    static const char *const fields[] = {"f0", "f1", "f2", "f3.x", "f3.y", "ip"};
    return PICK(c, fields);
}

static inline const char *chance_network(struct chance *c)
{
    static const char *const networks[] = {"10.0.0.0/8",     "10.1.0.0/16", "10.1.2.3",      "0.0.0.0/0",
                                           "192.168.1.0/25", "::/0",        "2001:db8::/32", "2001:db8::1",
                                           "fe80::/10",      "128.0.0.0/1", "8000::/1",      "10.1.2.2/31",
                                           "2001:db8::/127"};
    return PICK(c, networks);
}

static inline const char *chance_address(struct chance *c)
{
    static const char *const addresses[] = {"10.1.2.3",    "10.200.0.1",  "192.168.1.7",     "192.168.1.200",
                                            "2001:db8::1", "2001:DB8::2", "::ffff:10.1.2.3", "fe80::1%eth0",
                                            "1.2.3",       "8.8.8.8",     "255.255.255.255", "9000::"};
    return PICK(c, addresses);
}

static inline const char *chance_regex(struct chance *c)
{
    static const char *const regexes[] = {"a+b",
                                          "(ab|ba)c?",
                                          "^a.*b$",
                                          "[0-9]{2,}",
                                          "power(shell)?\\\\.exe",
                                          ".{6,}",
                                          "[aA][bB]a",
                                          "k",
                                          "(abab|cmd)+",
                                          "\\\\bab",
                                          "^.{3,}$",
                                          "a(?=b)",
                                          "(?i)AB.b",
                                          "straße",
                                          "x*",
                                          "(a|b){3}",
                                          "(foo|bar)?abab",
                                          "\\\\Aab\\\\Z",
                                          "10\\\\.1",
                                          "[^a]b"};
    return PICK(c, regexes);
}

enum chance_kind { CHANCE_TEXT, CHANCE_REGEX, CHANCE_NETWORK, CHANCE_ORDER };

static inline enum chance_kind chance_kind_of(const char *op)
{
    if (op[0] == 'r')
        return CHANCE_REGEX;
    if (op[0] == 'l' || op[0] == 'g')
        return CHANCE_ORDER;
    return strcmp(op, "cidr") == 0 ? CHANCE_NETWORK : CHANCE_TEXT;
}

static inline void chance_values(struct chance *c, struct buf *out, const char *op)
{
    enum chance_kind kind = chance_kind_of(op);
    unsigned count = chance_is(c, 60) ? 1 : 1 + chance_of(c, chance_is(c, 10) ? 40 : 6);
    bool list_file = chance_is(c, 10);
    buf_puts(out, list_file ? "{\"list\":[" : "[");
    for (unsigned i = 0; i < count; i++) {
        buf_puts(out, i ? "," : "");
        if (kind == CHANCE_NETWORK)
            buf_printf(out, "\"%s\"", chance_network(c));
        else if (kind == CHANCE_REGEX)
            buf_printf(out, "\"%s\"", chance_regex(c));
        else if (kind == CHANCE_ORDER || (op[0] == 0 && chance_is(c, 20)))
            chance_number(c, out);
        else if (op[0] == 0 && chance_is(c, 5))
            buf_puts(out, "true");
        else
            chance_string(c, out, true);
    }
    buf_puts(out, list_file ? "]}" : "]");
}

/* "field|modifiers": values */
static inline void chance_condition(struct chance *c, struct buf *out)
{
    static const char *const ops[] = {"",     "",     "contains", "contains", "startswith", "endswith", "re",
                                      "re|i", "cidr", "lt",       "lte",      "gt",         "gte"};
    const char *op = PICK(c, ops);
    bool text = chance_kind_of(op) == CHANCE_TEXT;
    const char *field = chance_kind_of(op) == CHANCE_NETWORK ? "ip" : chance_field(c);
    if (chance_is(c, 6)) {
        buf_printf(out, "\"%s|exists\":%s", field, chance_is(c, 50) ? "true" : "false");
        return;
    }
    if (chance_is(c, 6)) {
        buf_printf(out, "\"%s%s\":null", field, chance_is(c, 20) ? "|every" : "");
        return;
    }
    buf_printf(out, "\"%s%s%s%s%s%s%s\":", field, op[0] ? "|" : "", op, chance_is(c, 15) ? "|every" : "",
               text && chance_is(c, 10) ? "|cased" : "", text && chance_is(c, 10) ? "|literal" : "",
               chance_is(c, 10) ? "|all" : "");
    chance_values(c, out, op);
}

static inline void chance_rule(struct chance *c, struct buf *out, unsigned depth)
{
    static const char *const kinds[] = {"all", "any", "none"};
    buf_putc(out, '{');
    unsigned conditions = 1 + chance_of(c, 3),
             inner = depth < 3 && chance_is(c, 50) ? 1 + chance_of(c, 2) : 0;
    for (unsigned i = 0; i < conditions; i++) {
        buf_puts(out, i ? "," : "");
        chance_condition(c, out);
    }
    for (unsigned i = 0; i < inner; i++) {
        buf_printf(out, ",\"%s\":[", PICK(c, kinds));
        for (unsigned n = 1 + chance_of(c, 3), k = 0; k < n; k++) {
            buf_puts(out, k ? "," : "");
            chance_rule(c, out, depth + 1);
        }
        buf_putc(out, ']');
    }
    buf_putc(out, '}');
}

static inline void chance_value(struct chance *c, struct buf *out, const char *field)
{
    unsigned kind = chance_of(c, 100);
    if (field[0] == 'i' && kind < 80)
        buf_printf(out, "\"%s\"", chance_address(c));
    else if (kind < 65)
        chance_string(c, out, false);
    else if (kind < 90)
        chance_number(c, out);
    else
        buf_puts(out, kind < 94 ? "true" : kind < 97 ? "false" : "null");
}

static inline void chance_event(struct chance *c, struct buf *out)
{
    buf_putc(out, '{');
    for (unsigned n = chance_of(c, 8), i = 0; i < n; i++) {
        const char *field = chance_field(c);
        buf_printf(out, "%s\"%s\":", i ? "," : "", field);
        unsigned values = chance_is(c, 75) ? 1 : chance_of(c, 4);
        buf_puts(out, values == 1 ? "" : "[");
        for (unsigned k = 0; k < values; k++) {
            buf_puts(out, k ? "," : "");
            chance_value(c, out, field);
        }
        buf_puts(out, values == 1 ? "" : "]");
    }
    buf_putc(out, '}');
}

#endif
