#include "ai/redact_scan.h"

#define NAME_MAX_BYTES 64
#define QUOTED_MAX     8192
#define PLAIN_MAX      8192

enum name_class {
    NAME_NONE,
    NAME_PASSWORD, /* any value */
    NAME_KEY,      /* at least 8 bytes */
    NAME_HEADER,   /* to the end of the line: Authorization */
    NAME_COOKIE,
};

struct secret_name {
    const char *tail; /* lower case, without _ - . */
    bool whole;       /* the whole name, or what follows a _ - . */
    enum name_class class;
    const char *label;
};

static const struct secret_name names[] = {
    {"password", false, NAME_PASSWORD, "password"},
    {"passwd", false, NAME_PASSWORD, "password"},
    {"passphrase", false, NAME_PASSWORD, "password"},
    {"passwort", false, NAME_PASSWORD, "password"},
    {"userpass", false, NAME_PASSWORD, "password"},
    {"rootpass", false, NAME_PASSWORD, "password"},
    {"adminpass", false, NAME_PASSWORD, "password"},
    {"securestring", false, NAME_PASSWORD, "password"},
    {"pass", true, NAME_PASSWORD, "password"},
    {"pwd", true, NAME_PASSWORD, "password"},
    {"pw", true, NAME_PASSWORD, "password"},
    {"sshpass", true, NAME_PASSWORD, "password"},
    {"pgpassword", true, NAME_PASSWORD, "password"},
    {"secret", true, NAME_PASSWORD, "secret"},
    {"clientsecret", false, NAME_PASSWORD, "secret"},
    {"sharedsecret", false, NAME_PASSWORD, "secret"},
    {"appsecret", false, NAME_PASSWORD, "secret"},
    {"apisecret", false, NAME_PASSWORD, "secret"},
    {"secretaccesskey", false, NAME_KEY, "aws_secret"},
    {"secretkey", false, NAME_KEY, "secret_key"},
    {"privatekey", false, NAME_KEY, "private_key"},
    {"apikey", false, NAME_KEY, "api_key"},
    {"accesskey", false, NAME_KEY, "access_key"},
    {"accountkey", false, NAME_KEY, "account_key"},
    {"encryptionkey", false, NAME_KEY, "key"},
    {"signingkey", false, NAME_KEY, "key"},
    {"masterkey", false, NAME_KEY, "key"},
    {"storagekey", false, NAME_KEY, "key"},
    {"token", true, NAME_KEY, "token"},
    {"accesstoken", false, NAME_KEY, "token"},
    {"authtoken", false, NAME_KEY, "token"},
    {"apitoken", false, NAME_KEY, "token"},
    {"refreshtoken", false, NAME_KEY, "token"},
    {"sessiontoken", false, NAME_KEY, "token"},
    {"securitytoken", false, NAME_KEY, "token"},
    {"idtoken", false, NAME_KEY, "token"},
    {"bearertoken", false, NAME_KEY, "token"},
    {"csrftoken", false, NAME_KEY, "token"},
    {"sessionid", true, NAME_KEY, "session"},
    {"phpsessid", true, NAME_KEY, "session"},
    {"jsessionid", true, NAME_KEY, "session"},
    {"connectsid", true, NAME_KEY, "session"},
    {"xamzsignature", true, NAME_KEY, "signature"},
    {"authorization", true, NAME_HEADER, "authorization"},
    {"cookie", true, NAME_COOKIE, "cookie"},
};

/* Names that end like a secret's and are none. */
static const char *const harmless[] = {"publickeytoken",    "nexttoken",          "pagetoken",
                                       "continuationtoken", "clientrequesttoken", "clienttoken"};

struct plain_name {
    char text[NAME_MAX_BYTES + 1]; /* lower case, without _ - . */
    size_t len;
};

static bool plain_name(struct str name, struct plain_name *plain)
{
    plain->len = 0;
    if (name.len > NAME_MAX_BYTES)
        return false;
    for (size_t i = 0; i < name.len; i++) {
        char c = name.ptr[i];
        if (scan_is_alnum(c))
            plain->text[plain->len++] = scan_lower(c);
    }
    plain->text[plain->len] = '\0';
    return plain->len > 0;
}

/* Whether the last `letters` letters of a name begin a component of it. */
static bool begins_component(struct str name, size_t letters)
{
    size_t at = name.len;
    while (at && letters)
        letters -= scan_is_alnum(name.ptr[--at]);
    return letters == 0 && (at == 0 || !scan_is_alnum(name.ptr[at - 1]) ||
                            (scan_is_lower(name.ptr[at - 1]) && scan_is_upper(name.ptr[at])));
}

static const struct secret_name *name_find(struct str name)
{
    struct plain_name plain;
    if (!plain_name(name, &plain))
        return NULL;
    struct str text = {plain.text, plain.len};
    for (size_t i = 0; i < sizeof harmless / sizeof harmless[0]; i++)
        if (str_ends(text, str_from(harmless[i])))
            return NULL;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (str_ends(text, str_from(names[i].tail)) &&
            (!names[i].whole || begins_component(name, strlen(names[i].tail))))
            return &names[i];
    return NULL;
}

bool redact_name_is_secret(struct str name, const char **label)
{
    const struct secret_name *found = name_find(name);
    if (found)
        *label = found->label;
    return found != NULL && found->class != NAME_COOKIE;
}

bool redact_is_secret_option(struct str text)
{
    const struct secret_name *found = text.len && text.ptr[0] == '-' ? name_find(text) : NULL;
    return found && (found->class == NAME_PASSWORD || found->class == NAME_KEY);
}

/* ---- between name and value ---- */

static size_t skip_blanks(const struct scan *scan, size_t at, unsigned most)
{
    while (most-- && (scan_at(scan, at) == ' ' || scan_at(scan, at) == '\t'))
        at++;
    return at;
}

/* Past a quote, which may be escaped; *quote and *escaped say which. */
static size_t skip_quote(const struct scan *scan, size_t at, char *quote, bool *escaped)
{
    size_t after = at + (scan_at(scan, at) == '\\');
    char c = scan_at(scan, after);
    if (c != '"' && c != '\'' && c != '`')
        return at;
    *quote = c;
    *escaped = after > at;
    return after + 1;
}

enum separator {
    SEPARATOR_NONE,
    SEPARATOR_EQUALS,
    SEPARATOR_COLON,
    SEPARATOR_BLANK,
    SEPARATOR_TAG,
    SEPARATOR_IS
};

/* What stands between a name that ends at *at and its value; moves *at to the value. */
static enum separator separator_at(const struct scan *scan, size_t *at)
{
    char quote = '\0';
    bool escaped;
    size_t after = skip_quote(scan, *at, &quote, &escaped);
    if (scan_at(scan, after) == ']')
        after++;
    size_t next = skip_blanks(scan, after, 8);
    struct str rest = scan_slice(scan, next, scan->text.len);
    if (str_starts(rest, STR("=>")) || str_starts(rest, STR(":=")) || str_starts(rest, STR("==")))
        *at = skip_blanks(scan, next + 2, 8);
    else if (str_starts(rest, STR("=")))
        *at = skip_blanks(scan, next + 1, 2);
    else if (str_starts(rest, STR("%3D")) || str_starts(rest, STR("%3d")))
        *at = next + 3;
    else if (str_starts(rest, STR(":"))) {
        *at = skip_blanks(scan, next + 1, 8);
        return SEPARATOR_COLON;
    } else if (str_starts(rest, STR(">")) && next == after) {
        *at = next + 1;
        return SEPARATOR_TAG;
    } else if (str_starts(rest, STR("is ")) && next > after) {
        *at = skip_blanks(scan, next + 3, 2);
        return SEPARATOR_IS;
    } else if (next > after && !quote) {
        *at = next;
        return SEPARATOR_BLANK;
    } else
        return SEPARATOR_NONE;
    return SEPARATOR_EQUALS;
}

/* ---- values ---- */

static bool ends_plain(const struct scan *scan, size_t at)
{
    char c = scan_at(scan, at), next = scan_at(scan, at + 1);
    if (c == '\0' || scan_is_space(c) || strchr("&;\"'`<>|)}]", c))
        return true;
    if (c == '\\' && (next == '"' || next == '\'' || next == 'n' || next == 'r'))
        return true;
    if (c == '%' && next == '2' && scan_at(scan, at + 2) == '6')
        return true;
    if (c != ',')
        return false;
    /* A comma ends it where another name or nothing follows. */
    size_t name = skip_blanks(scan, at + 1, 1), end = name;
    while (end - name < NAME_MAX_BYTES && scan_is_name(scan_at(scan, end)))
        end++;
    return name > at + 1 || end == name || scan_at(scan, end) == '=' || scan_at(scan, end) == ':';
}

static size_t plain_end(const struct scan *scan, size_t from)
{
    size_t end = from;
    while (end - from < PLAIN_MAX && !ends_plain(scan, end))
        end++;
    return end;
}

/* The closing quote, or 0 when it is too far away. */
static size_t quoted_end(const struct scan *scan, size_t from, char quote, bool escaped)
{
    for (size_t at = from; at < scan->text.len && at - from <= QUOTED_MAX; at++) {
        char c = scan_at(scan, at);
        if (escaped && c == '\\' && scan_at(scan, at + 1) == quote)
            return at;
        if (!escaped && c == '\\')
            at++;
        else if (!escaped && c == quote)
            return at;
    }
    return 0;
}

/* What follows "password:" in a sentence and is no password. */
static bool is_prose(struct str value)
{
    static const char *const words[] = {"must",    "is",        "was",      "not",        "incorrect",
                                        "invalid", "failed",    "expired",  "required",   "changed",
                                        "reset",   "for",       "the",      "a",          "an",
                                        "has",     "have",      "your",     "no",         "none",
                                        "true",    "false",     "null",     "yes",        "authentication",
                                        "unknown", "nil",       "missing",  "wrong",      "and",
                                        "or",      "undefined", "success",  "successful", "empty",
                                        "denied",  "mismatch",  "accepted", "changes",    "policy",
                                        "to",      "from",      "in",       "of",         "string"};
    if (value.len && strchr(".,:!?", value.ptr[value.len - 1]))
        value.len--;
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        if (scan_equal_lower(value, words[i]))
            return true;
    return false;
}

static bool is_placeholder(struct str value)
{
    size_t stars = 0;
    for (size_t i = 0; i < value.len; i++)
        stars += value.ptr[i] == '*' || value.ptr[i] == 'x' || value.ptr[i] == 'X' || value.ptr[i] == '.';
    if (stars == value.len)
        return true;
    return value.ptr[0] == '$' || value.ptr[0] == '{' || value.ptr[0] == '[' || value.ptr[0] == '(' ||
           (value.ptr[0] == '%' && value.len > 2 && value.ptr[value.len - 1] == '%') ||
           str_starts(value, STR("//"));
}

static bool is_path(struct str value)
{
    return value.ptr[0] == '/' || value.ptr[0] == '~' ||
           (value.len > 2 && scan_is_alnum(value.ptr[0]) && value.ptr[1] == ':' && value.ptr[2] == '\\');
}

static bool has_symbol(struct str value)
{
    if (value.len && strchr(".,!?", value.ptr[value.len - 1]))
        value.len--;
    for (size_t i = 0; i < value.len; i++)
        if (!scan_is_lower(value.ptr[i]) && !scan_is_upper(value.ptr[i]))
            return true;
    return false;
}

static bool is_plausible(const struct secret_name *name, struct str raw_name, struct str value,
                         enum separator by)
{
    if (!value.len || is_placeholder(value) || (name->class == NAME_KEY && value.len < 8))
        return false;
    if (scan_equal_lower(raw_name, "pwd") && is_path(value))
        return false; /* the working directory of sudo and of shells */
    if (by == SEPARATOR_IS)
        return has_symbol(value);
    if (scan_equal_lower(value, "true") || scan_equal_lower(value, "false") ||
        scan_equal_lower(value, "null"))
        return false;
    return (by != SEPARATOR_COLON && by != SEPARATOR_BLANK) || !is_prose(value);
}

/* ---- headers ---- */

static size_t line_end(const struct scan *scan, size_t at, char quote)
{
    size_t from = at;
    while (at < scan->text.len && at - from < PLAIN_MAX && scan_at(scan, at) != '\n' &&
           scan_at(scan, at) != '\r' && scan_at(scan, at) != '"' && scan_at(scan, at) != '\'' &&
           !(quote && scan_at(scan, at) == quote))
        at += 1;
    if (at > from && at < scan->text.len && scan_at(scan, at - 1) == '\\')
        at--; /* the quote is escaped */
    return at;
}

/* Authorization: the scheme stays, what follows goes. */
static bool header_value(const struct scan *scan, size_t from, char quote, struct hit *hit)
{
    size_t end = line_end(scan, from, quote), word = from;
    while (word < end && scan_is_alnum(scan_at(scan, word)))
        word++;
    if (word < end && word > from && scan_at(scan, word) == ' ' && word - from <= 16)
        from = word + 1;
    if (end <= from)
        return false;
    *hit = (struct hit){.from = from, .to = end, .kind = REDACT_SECRET_PASSWORD, .label = "authorization"};
    return true;
}

static bool is_cookie_byte(char c)
{
    return scan_is_alnum(c) || (c && strchr("%._~+/=-:", c));
}

/* The first value that looks like a session's; attacks in cookies stay. The rest of the line comes again, as
 * names of their own. */
static bool cookie_value(const struct scan *scan, size_t from, struct hit *hit)
{
    size_t limit = from + PLAIN_MAX;
    while (from < limit && from < scan->text.len && scan_at(scan, from) != '\n') {
        size_t equals = from;
        while (equals < limit && scan_is_name(scan_at(scan, equals)))
            equals++;
        if (scan_at(scan, equals) != '=')
            return false;
        size_t end = equals + 1;
        while (end < limit && is_cookie_byte(scan_at(scan, end)))
            end++;
        char after = scan_at(scan, end);
        if (end - equals > 8 && (after == ';' || after == '\0' || after == '"' || after == '\'' ||
                                 after == '\n' || after == '\r' || after == '\\')) {
            *hit = (struct hit){
                .from = equals + 1, .to = end, .kind = REDACT_SECRET_TOKEN, .label = "cookie"};
            return true;
        }
        while (end < limit && end < scan->text.len && scan_at(scan, end) != ';' && scan_at(scan, end) != '\n')
            end++;
        from = skip_blanks(scan, end + 1, 2);
    }
    return false;
}

/* ---- a name and its value ---- */

/* What stands behind the separator: where the value begins, and in which quotes. */
struct value {
    enum separator by;
    size_t from; /* its quote, or itself */
    size_t start, end;
    char quote;
    bool escaped;
};

/* "Failed password for root", "Authorization Policy Change": a blank parts a value from an option only, or
 * from a quoted value. */
static bool separates(const struct scan *scan, const struct secret_name *name, struct str raw,
                      const struct value *value)
{
    char first = scan_at(scan, value->start);
    if (value->by != SEPARATOR_BLANK && value->by != SEPARATOR_IS)
        return strcmp(name->label, "session") != 0 ||
               (value->by == SEPARATOR_EQUALS && !value->quote); /* else an id of an audit log */
    if (name->class == NAME_HEADER || name->class == NAME_COOKIE)
        return false;
    if (value->by == SEPARATOR_IS || value->quote)
        return true;
    return raw.ptr[0] == '-' && first != '-';
}

/* "$hToken = OpenProcessToken -Handle $h": code. */
static bool is_code(const struct scan *scan, const struct secret_name *name, const struct value *value)
{
    if (name->class != NAME_KEY || value->by != SEPARATOR_EQUALS || value->quote ||
        scan_before(scan, value->from) != ' ')
        return false;
    for (size_t i = value->start; i < value->end; i++)
        if (scan_is_digit(scan_at(scan, i)))
            return false;
    return true;
}

static bool take_value(const struct scan *scan, const struct secret_name *name, struct str raw,
                       struct value *value, struct hit *hit)
{
    value->start = skip_quote(scan, value->from, &value->quote, &value->escaped);
    char first = scan_at(scan, value->start);
    if (!separates(scan, name, raw, value) || (first && strchr("${[(\\", first)))
        return false;
    if (name->class == NAME_HEADER)
        return header_value(scan, value->start, value->quote, hit);
    if (name->class == NAME_COOKIE)
        return cookie_value(scan, value->start, hit);
    value->end = value->quote ? quoted_end(scan, value->start, value->quote, value->escaped) : 0;
    if (!value->end)
        value->end = plain_end(scan, value->start);
    if (value->by == SEPARATOR_IS && value->end > value->start &&
        strchr(".,!?", scan_at(scan, value->end - 1)))
        value->end--;
    if (is_code(scan, name, value) || !is_plausible(name, raw, scan_slice(scan, value->start, value->end),
                                                    value->quote ? SEPARATOR_EQUALS : value->by))
        return false;
    *hit = (struct hit){.from = value->start,
                        .to = value->end,
                        .kind = name->class == NAME_KEY ? REDACT_SECRET_TOKEN : REDACT_SECRET_PASSWORD,
                        .label = name->label};
    return true;
}

bool scan_named(const struct scan *scan, size_t at, struct hit *hit)
{
    size_t end = at;
    if (scan->cookie && scan->cookie == at)
        return cookie_value(scan, at, hit);
    if (scan_is_name(scan_before(scan, at)))
        return false;
    while (end - at <= NAME_MAX_BYTES && scan_is_name(scan_at(scan, end)))
        end++;
    if (end - at > NAME_MAX_BYTES)
        return false;
    struct str raw = scan_slice(scan, at, end);
    const struct secret_name *name = name_find(raw);
    if (!name)
        return false;
    struct value value = {.from = end};
    value.by = separator_at(scan, &value.from);
    if (value.by == SEPARATOR_NONE || (value.by == SEPARATOR_TAG && scan_before(scan, at) != '<'))
        return false;
    if (value.by == SEPARATOR_COLON && scan_before(scan, at) == ':')
        return false; /* arn:aws:…:secret:name */
    return take_value(scan, name, raw, &value, hit);
}

/* ---- Bearer and Basic on their own ---- */

static int base64_value(char c)
{
    if (scan_is_upper(c))
        return c - 'A';
    if (scan_is_lower(c))
        return c - 'a' + 26;
    if (scan_is_digit(c))
        return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

/* user:password in base64: it decodes to printable text with a colon. */
static bool is_basic(struct str text)
{
    uint32_t bits = 0;
    unsigned count = 0;
    bool colon = false;
    for (size_t i = 0; i < text.len && text.ptr[i] != '='; i++) {
        bits = bits << 6 | (uint32_t)base64_value(text.ptr[i]);
        count += 6;
        if (count < 8)
            continue;
        count -= 8;
        unsigned char byte = (unsigned char)(bits >> count);
        if (byte < 0x20 || byte == 0x7f)
            return false;
        colon |= byte == ':';
    }
    return colon;
}

bool scan_scheme(const struct scan *scan, size_t at, struct hit *hit)
{
    if (scan_is_alnum(scan_before(scan, at)) || at + 7 > scan->text.len)
        return false;
    bool bearer = scan_equal_lower(scan_slice(scan, at, at + 6), "bearer");
    if (!bearer && !scan_equal_lower(scan_slice(scan, at, at + 5), "basic"))
        return false;
    size_t name_end = at + (bearer ? 6 : 5), from = skip_blanks(scan, name_end, 4), end = from;
    while (end - from < PLAIN_MAX && (base64_value(scan_at(scan, end)) >= 0 || scan_at(scan, end) == '=' ||
                                      (bearer && scan_at(scan, end) && strchr("._~-", scan_at(scan, end)))))
        end++;
    struct str text = scan_slice(scan, from, end);
    if (from == name_end || (bearer ? text.len < 16 || !has_symbol(text) : text.len < 6 || !is_basic(text)))
        return false;
    *hit = (struct hit){
        .from = from, .to = end, .kind = REDACT_SECRET_TOKEN, .label = bearer ? "token" : "authorization"};
    return true;
}
