#include "ai/redact_scan.h"

#define DIGITS_MAX  19
#define LOCAL_MAX   64
#define DOMAIN_MAX  253
#define LOOK_BEHIND 24

static bool set_hit(struct hit *hit, size_t from, size_t to, enum redact_kind kind, const char *label)
{
    *hit = (struct hit){.from = from, .to = to, .kind = kind, .label = label};
    return true;
}

/* A number stands on its own there: not in an id, an address, a version, a hash. */
static bool begins_number(const struct scan *scan, size_t at)
{
    char c = scan_before(scan, at);
    return !scan_is_alnum(c) && c != '.' && c != '-' && c != '_' && c != '+';
}

static bool ends_number(const struct scan *scan, size_t at)
{
    char c = scan_at(scan, at), next = scan_at(scan, at + 1);
    if (scan_is_alnum(c) || c == '_')
        return false;
    return !((c == '.' || c == '-') && scan_is_alnum(next));
}

/* ---- numbers in groups ---- */

struct number {
    char digits[DIGITS_MAX + 1];
    size_t count;
    unsigned groups[8], group_count;
    char separator; /* between all groups; NUL: none */
    size_t end;
};

/* Digits in groups with one separator, ' ' '-' or '.'. */
static bool number_at(const struct scan *scan, size_t at, struct number *number)
{
    *number = (struct number){.end = at};
    for (size_t i = at;;) {
        if (number->group_count == sizeof number->groups / sizeof number->groups[0])
            return false;
        unsigned *group = &number->groups[number->group_count++];
        for (*group = 0; scan_is_digit(scan_at(scan, i)); i++, (*group)++) {
            if (number->count == DIGITS_MAX)
                return false;
            number->digits[number->count++] = scan_at(scan, i);
        }
        number->end = i;
        char c = scan_at(scan, i);
        if ((c != ' ' && c != '-' && c != '.') || !scan_is_digit(scan_at(scan, i + 1)) ||
            (number->separator && c != number->separator))
            break;
        number->separator = c;
        i++;
    }
    return number->count > 0;
}

static bool grouped_as(const struct number *number, const unsigned *groups, unsigned count)
{
    return number->group_count == count && memcmp(number->groups, groups, count * sizeof *groups) == 0;
}

/* ---- cards ---- */

static bool luhn(const struct number *number)
{
    unsigned sum = 0;
    for (size_t i = 0; i < number->count; i++) {
        unsigned digit = (unsigned)(number->digits[number->count - 1 - i] - '0');
        if (i % 2)
            digit = digit > 4 ? 2 * digit - 9 : 2 * digit;
        sum += digit;
    }
    return sum % 10 == 0;
}

static unsigned leading(const struct number *number, size_t digits)
{
    unsigned value = 0;
    for (size_t i = 0; i < digits && i < number->count; i++)
        value = value * 10 + (unsigned)(number->digits[i] - '0');
    return value;
}

static bool within(unsigned value, unsigned least, unsigned most)
{
    return value >= least && value <= most;
}

static bool has_issuer(const struct number *number)
{
    unsigned two = leading(number, 2), three = leading(number, 3), four = leading(number, 4);
    switch (number->count) {
    case 14:
        return within(three, 300, 305) || two == 36 || two == 38;
    case 15:
        return two == 34 || two == 37;
    case 16:
        return two / 10 == 4 || within(two, 51, 55) || within(four, 2221, 2720) || four == 6011 ||
               two == 65 || within(three, 644, 649) || within(four, 3528, 3589) || two == 62;
    case 17:
    case 18:
        return two == 62;
    case 19:
        return two == 62 || two / 10 == 4;
    default:
        return false;
    }
}

bool scan_card(const struct scan *scan, size_t at, struct hit *hit)
{
    static const unsigned fours[] = {4, 4, 4, 4}, amex[] = {4, 6, 5}, diners[] = {4, 6, 4};
    struct number number;
    if (!scan_is_digit(scan_at(scan, at)) || !begins_number(scan, at) || !number_at(scan, at, &number) ||
        !ends_number(scan, number.end) || !has_issuer(&number) || number.separator == '.')
        return false;
    bool is_fours = grouped_as(&number, fours, 4);
    if (number.separator && !is_fours && !grouped_as(&number, amex, 3) && !grouped_as(&number, diners, 3))
        return false;
    /* Four times four digits is how cards are written, and nothing else: a mistyped one is somebody's, too.
     */
    return (is_fours || luhn(&number)) && set_hit(hit, at, number.end, REDACT_CARD, "card");
}

/* ---- IBAN ---- */

static unsigned iban_length(char a, char b)
{
    static const struct {
        char country[3];
        unsigned char length;
    } lengths[] = {{"AD", 24}, {"AE", 23}, {"AL", 28}, {"AT", 20}, {"AZ", 28}, {"BA", 20}, {"BE", 16},
                   {"BG", 22}, {"BH", 22}, {"BR", 29}, {"CH", 21}, {"CR", 22}, {"CY", 28}, {"CZ", 24},
                   {"DE", 22}, {"DK", 18}, {"DO", 28}, {"EE", 20}, {"ES", 24}, {"FI", 18}, {"FR", 27},
                   {"GB", 22}, {"GE", 22}, {"GI", 23}, {"GR", 27}, {"HR", 21}, {"HU", 28}, {"IE", 22},
                   {"IL", 23}, {"IS", 26}, {"IT", 27}, {"JO", 30}, {"KW", 30}, {"KZ", 20}, {"LB", 28},
                   {"LI", 21}, {"LT", 20}, {"LU", 20}, {"LV", 21}, {"MC", 27}, {"MD", 24}, {"ME", 22},
                   {"MK", 19}, {"MT", 31}, {"NL", 18}, {"NO", 15}, {"PK", 24}, {"PL", 28}, {"PT", 25},
                   {"QA", 29}, {"RO", 24}, {"RS", 22}, {"SA", 24}, {"SE", 24}, {"SI", 19}, {"SK", 24},
                   {"SM", 27}, {"TN", 24}, {"TR", 26}, {"UA", 29}};
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++)
        if (lengths[i].country[0] == a && lengths[i].country[1] == b)
            return lengths[i].length;
    return 0;
}

static bool iban_checks(const char *text, unsigned len)
{
    unsigned rest = 0;
    for (unsigned i = 0; i < len; i++) {
        char c = text[(i + 4) % len];
        if (scan_is_digit(c))
            rest = (rest * 10 + (unsigned)(c - '0')) % 97;
        else if (scan_is_upper(c))
            rest = (rest * 100 + (unsigned)(c - 'A') + 10) % 97;
        else
            return false;
    }
    return rest == 1;
}

bool scan_iban(const struct scan *scan, size_t at, struct hit *hit)
{
    unsigned length = iban_length(scan_at(scan, at), scan_at(scan, at + 1)), count = 0;
    char text[34], before = scan_before(scan, at);
    size_t end = at;
    if (!length || scan_is_alnum(before) || before == '_' || before == '-')
        return false;
    while (count < length) {
        char c = scan_at(scan, end);
        if (scan_is_alnum(c))
            text[count++] = c;
        else if (c != ' ' || count == 0 || count % 4)
            return false;
        end++;
    }
    return !scan_is_alnum(scan_at(scan, end)) && iban_checks(text, length) &&
           set_hit(hit, at, end, REDACT_IBAN, "iban");
}

/* ---- e-mail ---- */

static bool is_local(char c)
{
    return scan_is_alnum(c) || (c && strchr("._%+-'", c)) || (unsigned char)c >= 0x80;
}

static bool is_domain(char c)
{
    return scan_is_alnum(c) || c == '-';
}

/* How many bytes a dot takes, in disguise too: "[.]", "(dot)"; 0: none. */
static size_t dot_at(const struct scan *scan, size_t at)
{
    static const char *const disguises[] = {"[.]", "(.)", "[dot]", "(dot)", "{dot}"};
    if (scan_at(scan, at) == '.')
        return 1;
    for (size_t i = 0; i < sizeof disguises / sizeof disguises[0]; i++) {
        size_t len = strlen(disguises[i]);
        if (at + len <= scan->text.len && scan_equal_lower(scan_slice(scan, at, at + len), disguises[i]))
            return len;
    }
    return 0;
}

/* The end of a domain whose last label has letters only, or 0. */
static size_t domain_end(const struct scan *scan, size_t from)
{
    size_t at = from, end = 0;
    bool letters_before = false;
    for (unsigned labels = 0; at - from < DOMAIN_MAX; labels++) {
        size_t label = at, letters = 0;
        while (is_domain(scan_at(scan, at)) && at - label < 64)
            letters += !scan_is_digit(scan_at(scan, at)) && scan_at(scan, at) != '-', at++;
        if (at == label)
            break;
        if (labels && letters == at - label && letters >= 2 && letters_before)
            end = at;
        else if (labels)
            end = 0; /* "4.17.21" */
        letters_before |= letters > 0;
        size_t dot = dot_at(scan, at);
        if (!dot || !is_domain(scan_at(scan, at + dot)))
            break;
        at += dot;
    }
    return end;
}

static size_t local_begin(const struct scan *scan, size_t at)
{
    size_t begin = at;
    while (begin > scan->begin && at - begin < LOCAL_MAX && is_local(scan->text.ptr[begin - 1]))
        begin--;
    /* A text in another script runs into the address without a blank: the ASCII end is the address. */
    size_t ascii = at;
    while (ascii > begin && (unsigned char)scan->text.ptr[ascii - 1] < 0x80)
        ascii--;
    if (ascii > begin && ascii < at)
        begin = ascii;
    while (begin < at && strchr(".'-%+", scan->text.ptr[begin]))
        begin++;
    return begin;
}

static bool has_lower(struct str s)
{
    for (size_t i = 0; i < s.len; i++)
        if (scan_is_lower(s.ptr[i]))
            return true;
    return false;
}

bool scan_email(const struct scan *scan, size_t at, struct hit *hit)
{
    if (scan_at(scan, at) != '@')
        return false;
    size_t end = domain_end(scan, at + 1), begin = local_begin(scan, at);
    if (!end || begin == at)
        return false;
    char before = scan_before(scan, begin);
    struct str local = scan_slice(scan, begin, at);
    if (str_is(local, "git"))
        return false; /* git@host:path names a host */
    if (before == '/' && scan_before(scan, begin - 1) == '/')
        return false; /* scheme://user@host */
    if (before == '/' && !has_lower(scan_slice(scan, at + 1, end)))
        return false; /* a Kerberos service: HTTP/host@REALM */
    return set_hit(hit, begin, end, REDACT_EMAIL, NULL);
}

/* ---- words before a number ---- */

static bool named_before(const struct scan *scan, size_t at, const char *const *names, size_t count)
{
    size_t from = at > scan->begin + LOOK_BEHIND ? at - LOOK_BEHIND : scan->begin;
    for (size_t i = from; i < at; i++)
        for (size_t n = 0; n < count; n++) {
            size_t len = strlen(names[n]);
            bool is_word = (unsigned char)names[n][0] >= 0x80 || i == 0 ||
                           !scan_is_alnum(scan->text.ptr[i - 1]);
            if (is_word && len <= at - i && scan_equal_lower(scan_slice(scan, i, i + len), names[n]))
                return true;
        }
    return false;
}

/* ---- phone numbers ---- */

static bool is_phone_separator(char c)
{
    return c == ' ' || c == '-' || c == '.' || c == '(' || c == ')' || c == '/';
}

/* Digits with single separators (") " counts as one): how many, and where they end. */
static size_t phone_digits(const struct scan *scan, size_t at, size_t *end, bool *separated)
{
    size_t count = 0, between = 0;
    *end = at;
    for (; between < 3 && count < 16; at++) {
        char c = scan_at(scan, at);
        if (scan_is_digit(c)) {
            *separated |= between > 0 && count > 0;
            count++, between = 0;
            *end = at + 1;
        } else if (is_phone_separator(c))
            between++;
        else
            break;
    }
    return count;
}

static bool is_national(const struct scan *scan, size_t at, size_t *end)
{
    static const unsigned groups[] = {3, 3, 4};
    struct number number;
    if (scan_at(scan, at) == '(') {
        size_t rest = at + 5 + (scan_at(scan, at + 5) == ' ');
        for (size_t i = at + 1; i < at + 4; i++)
            if (!scan_is_digit(scan_at(scan, i)))
                return false;
        if (scan_at(scan, at + 4) != ')' || !scan_is_digit(scan_at(scan, rest)) ||
            !number_at(scan, rest, &number))
            return false;
        *end = number.end;
        return number.group_count == 2 && number.groups[0] == 3 && number.groups[1] == 4;
    }
    if (!number_at(scan, at, &number) || !grouped_as(&number, groups, 3) || number.separator == ' ')
        return false;
    *end = number.end;
    return number.digits[0] > '1' && number.digits[3] > '0';
}

bool scan_phone(const struct scan *scan, size_t at, struct hit *hit)
{
    static const char *const names[] = {"phone",   "telephone", "tel",  "mobile", "fax",
                                        "telefon", "msisdn",    "电话", "手机"};
    char c = scan_at(scan, at);
    bool separated = false;
    size_t end;
    if ((c != '+' && c != '(' && !scan_is_digit(c)) || !begins_number(scan, at))
        return false;
    if (c == '+') {
        size_t digits = phone_digits(scan, at + 1, &end, &separated);
        return scan_at(scan, at + 1) > '0' && digits >= 8 && digits <= 15 && ends_number(scan, end) &&
               set_hit(hit, at, end, REDACT_PHONE, NULL);
    }
    if (is_national(scan, at, &end) && ends_number(scan, end))
        return set_hit(hit, at, end, REDACT_PHONE, NULL);
    if (!named_before(scan, at, names, sizeof names / sizeof names[0]))
        return false;
    size_t digits = phone_digits(scan, at, &end, &separated);
    return digits >= 7 && digits <= 15 && (ends_number(scan, end)) &&
           set_hit(hit, at, end, REDACT_PHONE, NULL);
}

/* ---- social security numbers ---- */

bool scan_ssn(const struct scan *scan, size_t at, struct hit *hit)
{
    static const unsigned groups[] = {3, 2, 4};
    static const char *const names[] = {"ssn", "social security"};
    struct number number;
    if (!scan_is_digit(scan_at(scan, at)) || !begins_number(scan, at) || !number_at(scan, at, &number) ||
        !ends_number(scan, number.end) || number.count != 9)
        return false;
    unsigned area = leading(&number, 3);
    bool is_possible = area > 0 && area != 666 && area < 900 && memcmp(number.digits + 3, "00", 2) != 0 &&
                       memcmp(number.digits + 5, "0000", 4) != 0;
    if (!is_possible)
        return false;
    bool dashed = number.separator == '-' && grouped_as(&number, groups, 3);
    return (dashed || named_before(scan, at, names, 2)) && set_hit(hit, at, number.end, REDACT_SSN, NULL);
}

/* ---- names that say that they are names ---- */

static size_t capital_word(const struct scan *scan, size_t at)
{
    size_t end = at;
    if (!scan_is_upper(scan_at(scan, at)))
        return at;
    while (end - at < 32 && (scan_is_upper(scan_at(scan, end)) || scan_is_lower(scan_at(scan, end)) ||
                             (unsigned char)scan_at(scan, end) >= 0x80 ||
                             (scan_at(scan, end) == '-' && scan_is_upper(scan_at(scan, end + 1)))))
        end++;
    return end;
}

bool scan_full_name(const struct scan *scan, size_t at, struct hit *hit)
{
    static const char *const names[] = {"full name:", "name is"};
    static const size_t lengths[] = {10, 7};
    for (size_t n = 0; n < 2; n++) {
        if (at < scan->begin + lengths[n] + 1 || scan_before(scan, at) != ' ' ||
            !scan_equal_lower(scan_slice(scan, at - 1 - lengths[n], at - 1), names[n]))
            continue;
        size_t end = at, words = 0, next = at;
        while (words < 4 && capital_word(scan, next) > next + 1) {
            end = capital_word(scan, next);
            next = end + (scan_at(scan, end) == ' ');
            words++;
            if (next == end)
                break;
        }
        return words >= 2 && set_hit(hit, at, end, REDACT_PERSON, NULL);
    }
    return false;
}
