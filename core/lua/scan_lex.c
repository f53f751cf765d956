#include "lua/scan_lex.h"

#include <ctype.h>

#include "base/buf.h"
#include "base/text.h"

struct lexer {
    struct arena *arena;
    struct str text;
    size_t at;
    unsigned line;
    struct err *err;
};

static int peek(const struct lexer *lexer, size_t ahead)
{
    return lexer->at + ahead < lexer->text.len ? (unsigned char)lexer->text.ptr[lexer->at + ahead] : -1;
}

static int fail(struct lexer *lexer, unsigned line, const char *message)
{
    err_set(lexer->err, ERR_INVALID, "%s", message);
    return err_at(lexer->err, "line %u", line);
}

static struct str slice(const struct lexer *lexer, size_t from)
{
    return (struct str){lexer->text.ptr + from, lexer->at - from};
}

/* ---- long brackets: [[ … ]], [==[ … ]==] ---- */

/* How many '=' the long bracket has that opens here; -1: none does. */
static int long_level(const struct lexer *lexer)
{
    int level = 0;

    if (peek(lexer, 0) != '[')
        return -1;
    while (peek(lexer, 1 + (size_t)level) == '=')
        level++;
    return peek(lexer, 1 + (size_t)level) == '[' ? level : -1;
}

static bool closes_here(const struct lexer *lexer, int level)
{
    if (peek(lexer, 0) != ']' || peek(lexer, (size_t)level + 1) != ']')
        return false;
    for (int i = 0; i < level; i++)
        if (peek(lexer, 1 + (size_t)i) != '=')
            return false;
    return true;
}

/* The content, with line ends as Lua reads them: the first is left out, each is one \n. */
static struct str long_content(struct lexer *lexer, struct str raw)
{
    size_t i = 0, len = 0;
    char *out;

    if (!memchr(raw.ptr, '\r', raw.len)) {
        if (raw.len > 0 && raw.ptr[0] == '\n')
            return (struct str){raw.ptr + 1, raw.len - 1};
        return raw;
    }
    out = arena_alloc(lexer->arena, raw.len + 1);
    for (; i < raw.len; i++) {
        char c = raw.ptr[i];
        if (c == '\r' || c == '\n') {
            if (i + 1 < raw.len && (raw.ptr[i + 1] == '\r' || raw.ptr[i + 1] == '\n') && raw.ptr[i + 1] != c)
                i++;
            if (len == 0 && i < 2)
                continue;
            c = '\n';
        }
        out[len++] = c;
    }
    return (struct str){out, len};
}

static int read_long(struct lexer *lexer, int level, struct str *content)
{
    unsigned line = lexer->line;
    size_t from;

    lexer->at += (size_t)level + 2;
    from = lexer->at;
    for (; lexer->at < lexer->text.len; lexer->at++) {
        if (closes_here(lexer, level)) {
            *content = long_content(lexer, slice(lexer, from));
            lexer->at += (size_t)level + 2;
            return 0;
        }
        if (peek(lexer, 0) == '\n')
            lexer->line++;
    }
    return fail(lexer, line, "a long string or comment that does not end");
}

/* ---- quoted strings ---- */

static int read_hex(struct lexer *lexer, struct buf *out)
{
    int high = peek(lexer, 1), low = peek(lexer, 2);
    char digits[3] = {(char)high, (char)low, 0};

    if (!isxdigit(high) || !isxdigit(low))
        return fail(lexer, lexer->line, "hexadecimal digit expected after \\x");
    buf_putc(out, (char)strtoul(digits, NULL, 16));
    lexer->at += 3;
    return 0;
}

static int read_unicode(struct lexer *lexer, struct buf *out)
{
    uint64_t point = 0;
    size_t i = 2;
    char text[8];

    if (peek(lexer, 1) != '{')
        return fail(lexer, lexer->line, "'{' expected after \\u");
    for (; isxdigit(peek(lexer, i)) && point < 0x80000000; i++) {
        int c = tolower(peek(lexer, i));
        point = point * 16 + (uint64_t)(isdigit(c) ? c - '0' : c - 'a' + 10);
    }
    if (i == 2 || peek(lexer, i) != '}')
        return fail(lexer, lexer->line, "hexadecimal digits and '}' expected after \\u{");
    /* Beyond Unicode, Lua has its own longer form; no field name needs it. */
    if (point > 0x10ffff || (point >= 0xd800 && point < 0xe000))
        point = 0xfffd;
    buf_add(out, text, text_utf8_encode((uint32_t)point, text));
    lexer->at += i + 1;
    return 0;
}

static int read_decimal(struct lexer *lexer, struct buf *out)
{
    int value = 0;

    for (int i = 0; i < 3 && isdigit(peek(lexer, 0)); i++, lexer->at++)
        value = value * 10 + peek(lexer, 0) - '0';
    if (value > 255)
        return fail(lexer, lexer->line, "decimal escape too large");
    buf_putc(out, (char)value);
    return 0;
}

static void skip_space(struct lexer *lexer)
{
    for (; isspace(peek(lexer, 0)); lexer->at++)
        lexer->line += peek(lexer, 0) == '\n';
}

/* Behind the backslash. */
static int read_escape(struct lexer *lexer, struct buf *out)
{
    static const char letters[] = "abfnrtv\\\"'", values[] = "\a\b\f\n\r\t\v\\\"'";
    int c = peek(lexer, 0);
    const char *letter = c > 0 ? strchr(letters, c) : NULL;

    if (letter) {
        buf_putc(out, values[letter - letters]);
        lexer->at++;
        return 0;
    }
    switch (c) {
    case 'x':
        return read_hex(lexer, out);
    case 'u':
        return read_unicode(lexer, out);
    case 'z':
        lexer->at++;
        skip_space(lexer);
        return 0;
    case '\r':
    case '\n':
        buf_putc(out, '\n');
        lexer->at += (peek(lexer, 1) == '\r' || peek(lexer, 1) == '\n') && peek(lexer, 1) != c ? 2 : 1;
        lexer->line++;
        return 0;
    default:
        return isdigit(c) ? read_decimal(lexer, out) : fail(lexer, lexer->line, "invalid escape sequence");
    }
}

static int read_quoted(struct lexer *lexer, struct str *content)
{
    int quote = peek(lexer, 0);
    unsigned line = lexer->line;
    struct buf out = BUF_EMPTY;
    int result = 0;

    lexer->at++;
    while (result == 0 && peek(lexer, 0) != quote) {
        int c = peek(lexer, 0);
        if (c < 0 || c == '\n' || c == '\r') {
            result = fail(lexer, line, "a string that does not end");
        } else if (c == '\\') {
            lexer->at++;
            result = read_escape(lexer, &out);
        } else {
            buf_putc(&out, (char)c);
            lexer->at++;
        }
    }
    lexer->at++;
    if (result == 0)
        *content = arena_dup(lexer->arena, buf_str(&out));
    buf_free(&out);
    return result;
}

/* ---- the rest ---- */

static int skip_comment(struct lexer *lexer)
{
    int level;
    struct str unused;

    lexer->at += 2;
    level = long_level(lexer);
    if (level >= 0)
        return read_long(lexer, level, &unused);
    while (peek(lexer, 0) >= 0 && peek(lexer, 0) != '\n')
        lexer->at++;
    return 0;
}

static void skip_number(struct lexer *lexer)
{
    bool hex = peek(lexer, 0) == '0' && (peek(lexer, 1) | 0x20) == 'x';

    while (isalnum(peek(lexer, 0)) || peek(lexer, 0) == '.') {
        int c = peek(lexer, 0) | 0x20;
        lexer->at++;
        if (c == (hex ? 'p' : 'e') && (peek(lexer, 0) == '+' || peek(lexer, 0) == '-'))
            lexer->at++;
    }
}

static void skip_symbol(struct lexer *lexer)
{
    static const char *const long_ones[] = {"...", "..", "==", "~=", "<=", ">=", "//", "::", "<<", ">>"};

    for (size_t i = 0; i < sizeof long_ones / sizeof long_ones[0]; i++) {
        struct str rest = {lexer->text.ptr + lexer->at, lexer->text.len - lexer->at};
        if (str_starts(rest, str_from(long_ones[i]))) {
            lexer->at += strlen(long_ones[i]);
            return;
        }
    }
    lexer->at++;
}

/* Reads the token that begins here. */
static int read_token(struct lexer *lexer, struct lua_token *token)
{
    size_t from = lexer->at;
    int c = peek(lexer, 0), level = long_level(lexer);

    token->line = lexer->line;
    token->type = LUA_TOKEN_STRING;
    if (c == '"' || c == '\'')
        return read_quoted(lexer, &token->text);
    if (level >= 0)
        return read_long(lexer, level, &token->text);
    if (isalpha(c) || c == '_') {
        token->type = LUA_TOKEN_NAME;
        while (isalnum(peek(lexer, 0)) || peek(lexer, 0) == '_')
            lexer->at++;
    } else if (isdigit(c) || (c == '.' && isdigit(peek(lexer, 1)))) {
        token->type = LUA_TOKEN_NUMBER;
        skip_number(lexer);
    } else {
        token->type = LUA_TOKEN_SYMBOL;
        if (!ispunct(c))
            return fail(lexer, lexer->line, "a character that has no place in Lua outside of strings");
        skip_symbol(lexer);
    }
    token->text = slice(lexer, from);
    return 0;
}

int lua_tokenize(struct arena *arena, struct str text, struct lua_tokens *tokens, struct err *err)
{
    struct lexer lexer = {arena, text, 0, 1, err};
    struct lua_token token;

    if (peek(&lexer, 0) == '#') /* as the first line of a script may */
        while (peek(&lexer, 0) >= 0 && peek(&lexer, 0) != '\n')
            lexer.at++;
    for (skip_space(&lexer); peek(&lexer, 0) >= 0; skip_space(&lexer)) {
        if (peek(&lexer, 0) == '-' && peek(&lexer, 1) == '-') {
            if (skip_comment(&lexer) != 0)
                return -1;
            continue;
        }
        if (read_token(&lexer, &token) != 0)
            return -1;
        vec_push(&tokens->list, token);
    }
    return 0;
}
