#include "base/json_repair.h"

#define DEPTH_MOST 1024

struct check {
    struct str text;
    size_t at;
    unsigned depth, depth_most;
    uint8_t objects[DEPTH_MOST / 8]; /* a bit a level: object or array */
    const char *expected;            /* set by the first failure */
};

static int peek(const struct check *c)
{
    return c->at < c->text.len ? (unsigned char)c->text.ptr[c->at] : -1;
}

static bool fail(struct check *c, const char *expected)
{
    c->expected = expected;
    return false;
}

static void skip_space(struct check *c)
{
    for (int b = peek(c); b == ' ' || b == '\t' || b == '\n' || b == '\r'; b = peek(c))
        c->at++;
}

static bool is_digit(int b)
{
    return b >= '0' && b <= '9';
}

static bool is_hex(int b)
{
    return is_digit(b) || (b >= 'a' && b <= 'f') || (b >= 'A' && b <= 'F');
}

static bool check_escape(struct check *c)
{
    c->at++;
    int b = peek(c);
    if (b == 'u') {
        for (int i = 0; i < 4; i++) {
            c->at++;
            if (!is_hex(peek(c)))
                return fail(c, "four hexadecimal digits");
        }
    } else if (b <= 0 || !strchr("\"\\/bfnrt", b)) {
        return fail(c, "an escape");
    }
    c->at++;
    return true;
}

static bool check_string(struct check *c)
{
    c->at++;
    for (;;) {
        int b = peek(c);
        if (b < 0)
            return fail(c, "the end of the string");
        if (b < 0x20)
            return fail(c, "no bare control character");
        if (b == '\\') {
            if (!check_escape(c))
                return false;
            continue;
        }
        c->at++;
        if (b == '"')
            return true;
    }
}

static bool check_digits(struct check *c)
{
    if (!is_digit(peek(c)))
        return fail(c, "a digit");
    while (is_digit(peek(c)))
        c->at++;
    return true;
}

static bool check_number(struct check *c)
{
    if (peek(c) == '-')
        c->at++;
    if (peek(c) == '0')
        c->at++;
    else if (!check_digits(c))
        return false;
    if (peek(c) == '.') {
        c->at++;
        if (!check_digits(c))
            return false;
    }
    if (peek(c) == 'e' || peek(c) == 'E') {
        c->at++;
        if (peek(c) == '+' || peek(c) == '-')
            c->at++;
        if (!check_digits(c))
            return false;
    }
    return true;
}

static bool check_word(struct check *c, struct str word)
{
    if (!str_starts((struct str){c->text.ptr + c->at, c->text.len - c->at}, word))
        return fail(c, "a value");
    c->at += word.len;
    return true;
}

static bool check_scalar(struct check *c)
{
    switch (peek(c)) {
    case '"':
        return check_string(c);
    case 't':
        return check_word(c, STR("true"));
    case 'f':
        return check_word(c, STR("false"));
    case 'n':
        return check_word(c, STR("null"));
    default:
        if (peek(c) != '-' && !is_digit(peek(c)))
            return fail(c, "a value");
        return check_number(c);
    }
}

static bool check_key(struct check *c)
{
    skip_space(c);
    if (peek(c) != '"')
        return fail(c, "a key in quotes");
    if (!check_string(c))
        return false;
    skip_space(c);
    if (peek(c) != ':')
        return fail(c, "':'");
    c->at++;
    return true;
}

/* Goes into an array or object that is not empty, as far as its first value. */
static bool check_enter(struct check *c, bool object)
{
    if (c->depth == c->depth_most) {
        c->expected = NULL;
        return false;
    }
    uint8_t bit = (uint8_t)(1 << c->depth % 8);
    uint8_t *level = &c->objects[c->depth / 8];
    *level = (uint8_t)(object ? *level | bit : *level & ~bit);
    c->depth++;
    return !object || check_key(c);
}

/* A value, but of an array or object that is not empty only the way in: *entered. */
static bool check_value(struct check *c, bool *entered)
{
    skip_space(c);
    int open = peek(c);
    *entered = false;
    if (open != '{' && open != '[')
        return check_scalar(c);
    c->at++;
    skip_space(c);
    if (peek(c) == (open == '{' ? '}' : ']')) {
        c->at++;
        return true;
    }
    *entered = true;
    return check_enter(c, open == '{');
}

/* Behind a value: closes what ends here; *more when a comma asks for another value. */
static bool check_behind(struct check *c, bool *more)
{
    *more = false;
    while (c->depth) {
        bool object = c->objects[(c->depth - 1) / 8] >> (c->depth - 1) % 8 & 1;
        skip_space(c);
        if (peek(c) == ',') {
            c->at++;
            *more = true;
            return !object || check_key(c);
        }
        if (peek(c) != (object ? '}' : ']'))
            return fail(c, object ? "',' or '}'" : "',' or ']'");
        c->at++;
        c->depth--;
    }
    skip_space(c);
    return peek(c) < 0 || fail(c, "nothing more");
}

static bool check_all(struct check *c)
{
    bool more = true;
    while (more) {
        bool entered;
        if (!check_value(c, &entered))
            return false;
        if (!entered && !check_behind(c, &more))
            return false;
    }
    return true;
}

int json_check(struct str text, unsigned depth, struct err *err)
{
    struct check c = {.text = text, .depth_most = depth < DEPTH_MOST ? depth : DEPTH_MOST};
    if (check_all(&c))
        return 0;
    if (!c.expected)
        return err_set(err, ERR_LIMIT, "not taken: JSON nested deeper than %u", c.depth_most);
    int b = peek(&c);
    if (b < 0)
        return err_set(err, ERR_INVALID, "not JSON: expected %s at offset %zu, but the text ends", c.expected,
                       c.at);
    if (b > 0x20 && b < 0x7f)
        return err_set(err, ERR_INVALID, "not JSON: expected %s at offset %zu, got '%c'", c.expected, c.at,
                       b);
    return err_set(err, ERR_INVALID, "not JSON: expected %s at offset %zu, got byte 0x%02x", c.expected, c.at,
                   (unsigned)b);
}
