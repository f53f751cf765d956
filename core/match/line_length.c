#include "match/line_length.h"

#include "match/regex.h"

static bool take(struct str *s, char c)
{
    if (s->len == 0 || s->ptr[0] != c)
        return false;
    s->ptr++;
    s->len--;
    return true;
}

static bool take_number(struct str *s, uint64_t *number)
{
    size_t digits = 0;
    for (*number = 0; s->len && s->ptr[0] >= '0' && s->ptr[0] <= '9' && digits < 10; digits++) {
        *number = *number * 10 + (uint64_t)(s->ptr[0] - '0');
        s->ptr++;
        s->len--;
    }
    return digits > 0;
}

bool line_length_parse(struct str pattern, unsigned flags, struct line_length *test)
{
    struct str s = pattern;
    uint64_t most = 0;
    *test = (struct line_length){.any_character = flags & REGEX_DOTALL};
    test->first = take(&s, '^');
    if (!take(&s, '.') || !take(&s, '{') || !take_number(&s, &test->least) || test->least == 0)
        return false;
    bool open = take(&s, ',');
    bool bounded = !open || take_number(&s, &most);
    if (!take(&s, '}') || (open && bounded && most < test->least))
        return false;
    test->last = take(&s, '$');
    if (s.len || (bounded && (test->first || test->last)))
        return false;
    if (flags & REGEX_MULTILINE)
        test->first = test->last = false; /* then the anchors fit every line */
    return true;
}

static uint64_t count_characters(const char *ptr, size_t len)
{
    uint64_t count = 0;
    for (size_t i = 0; i < len; i++)
        count += ((unsigned char)ptr[i] & 0xc0) != 0x80;
    return count;
}

/* `$` also fits before a line break that ends the text. */
static struct str without_last_break(struct str text)
{
    if (text.len && text.ptr[text.len - 1] == '\n')
        text.len--;
    return text;
}

bool line_length_holds(const struct line_length *test, struct str text)
{
    if (test->any_character)
        return text.len >= test->least && count_characters(text.ptr, text.len) >= test->least;
    if (test->last)
        text = without_last_break(text);
    bool first = true;
    while (text.len) {
        const char *end = memchr(text.ptr, '\n', text.len);
        size_t len = end ? (size_t)(end - text.ptr) : text.len;
        bool counts = (first || !test->first) && (!end || !test->last);
        if (counts && len >= test->least && count_characters(text.ptr, len) >= test->least)
            return true;
        if (!end || test->first)
            return false;
        text = (struct str){end + 1, text.len - len - 1};
        first = false;
    }
    return false;
}
