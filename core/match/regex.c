#define PCRE2_CODE_UNIT_WIDTH 8
#include "match/regex.h"

#include <pcre2.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define PATTERN_MAX 8192
#define REPEAT_MAX  1000
#define GROUPS_MAX  255
#define TOO_LARGE   120  /* PCRE2's number for: more than 64 KiB once compiled */
#define HEAP_KIB    4096 /* of the interpreter, where there is no JIT */
#define STACK_START 32768
#define STACK_MAX   (1024 * 1024)

/* PCRE2's own match limit starts again at every start position, in the interpreter and in JIT code alike, and
 * counts no bytes: n positions of a 64 KiB text times the limit is no bound. So every pattern is compiled
 * with automatic callouts, which JIT code honours, and the callout counts: items tried plus bytes moved on.
 */
struct regex {
    pcre2_code *code;
    bool back_references; /* compare many bytes in one step */
};

struct meter {
    size_t last;
    unsigned used, limit;
};

struct regex_scratch {
    pcre2_match_data *data;
    pcre2_match_context *context;
    pcre2_jit_stack *stack; /* made when the 32 KiB of the machine stack were not enough */
    struct meter meter;
};

static int count_step(pcre2_callout_block *block, void *context)
{
    struct meter *meter = context;
    size_t at = block->current_position;
    size_t moved = at > meter->last ? at - meter->last : 0;
    meter->last = at;
    meter->used += 1 + (unsigned)moved;
    return meter->used > meter->limit ? PCRE2_ERROR_CALLOUT : 0;
}

/* "{n", "{n,", "{n,m" at `at`: the largest number in it, 0 when this is no repetition. */
static unsigned repetition(struct str pattern, size_t at)
{
    unsigned largest = 0, number = 0;
    for (at++; at < pattern.len; at++) {
        char c = pattern.ptr[at];
        if (c >= '0' && c <= '9')
            number = number < 100000 ? number * 10 + (unsigned)(c - '0') : number;
        else if (c != ',' && c != '}')
            return 0;
        largest = number > largest ? number : largest;
        if (c == '}')
            return largest;
        if (c == ',')
            number = 0;
    }
    return 0;
}

/* Index behind an escape at `at`; \Q…\E is one. */
static size_t skip_escape(struct str pattern, size_t at)
{
    if (at + 1 >= pattern.len || pattern.ptr[at + 1] != 'Q')
        return at + 2;
    for (at += 2; at + 1 < pattern.len; at++)
        if (pattern.ptr[at] == '\\' && pattern.ptr[at + 1] == 'E')
            return at + 2;
    return pattern.len;
}

/* Index behind a character class that opens at `at`. */
static size_t skip_class(struct str pattern, size_t at)
{
    at++;
    if (at < pattern.len && pattern.ptr[at] == '^')
        at++;
    if (at < pattern.len && pattern.ptr[at] == ']')
        at++;
    while (at < pattern.len && pattern.ptr[at] != ']')
        at = pattern.ptr[at] == '\\' ? skip_escape(pattern, at) : at + 1;
    return at + 1;
}

static int check_repetitions(struct str pattern, struct err *err)
{
    for (size_t at = 0; at < pattern.len;) {
        char c = pattern.ptr[at];
        if (c == '\\') {
            at = skip_escape(pattern, at);
        } else if (c == '[') {
            at = skip_class(pattern, at);
        } else {
            unsigned times = c == '{' ? repetition(pattern, at) : 0;
            if (times > REPEAT_MAX)
                return err_set(
                    err, ERR_INVALID,
                    "regular expression, offset %zu: repeats up to %u times; at most %d are allowed", at,
                    times, REPEAT_MAX);
            at++;
        }
    }
    return 0;
}

static int refuse_callout(pcre2_callout_enumerate_block *block, void *context)
{
    (void)context;
    return block->callout_number != 255 || block->callout_string != NULL;
}

static uint32_t options_of(unsigned flags)
{
    uint32_t options = PCRE2_UTF | PCRE2_MATCH_INVALID_UTF | PCRE2_NEVER_BACKSLASH_C | PCRE2_AUTO_CALLOUT;
    if (flags & REGEX_CASELESS)
        options |= PCRE2_CASELESS;
    if (flags & REGEX_MULTILINE)
        options |= PCRE2_MULTILINE;
    if (flags & REGEX_DOTALL)
        options |= PCRE2_DOTALL;
    return options;
}

static pcre2_code *compile(struct str pattern, unsigned flags, struct err *err)
{
    int error;
    PCRE2_SIZE offset;
    const char *text = pattern.len ? pattern.ptr : "";
    pcre2_code *code = pcre2_compile((PCRE2_SPTR)text, pattern.len, options_of(flags), &error, &offset, NULL);
    if (code)
        return code;
    PCRE2_UCHAR message[160];
    if (pcre2_get_error_message(error, message, sizeof(message)) < 0)
        message[0] = 0;
    err_set(err, error == TOO_LARGE ? ERR_LIMIT : ERR_INVALID, "regular expression, offset %zu: %s",
            (size_t)offset, (const char *)message);
    return NULL;
}

static int check_compiled(const pcre2_code *code, struct err *err)
{
    uint32_t groups = 0;
    pcre2_pattern_info(code, PCRE2_INFO_CAPTURECOUNT, &groups);
    if (groups > GROUPS_MAX)
        return err_set(err, ERR_LIMIT, "regular expression: %u groups; at most %d are allowed", groups,
                       GROUPS_MAX);
    if (pcre2_callout_enumerate(code, refuse_callout, NULL))
        return err_set(err, ERR_INVALID, "regular expression: callouts, (?C…), are not allowed");
    return 0;
}

static pcre2_code *compile_checked(struct str pattern, unsigned flags, struct err *err)
{
    if (pattern.len > PATTERN_MAX) {
        err_set(err, ERR_LIMIT, "regular expression of %zu bytes; at most %d are allowed", pattern.len,
                PATTERN_MAX);
        return NULL;
    }
    if (check_repetitions(pattern, err))
        return NULL;
    pcre2_code *code = compile(pattern, flags, err);
    if (code && check_compiled(code, err)) {
        pcre2_code_free(code);
        return NULL;
    }
    return code;
}

struct regex *regex_new(struct str pattern, unsigned flags, struct err *err)
{
    pcre2_code *code = compile_checked(pattern, flags, err);
    if (!code)
        return NULL;
    uint32_t references = 0;
    pcre2_pattern_info(code, PCRE2_INFO_BACKREFMAX, &references);
    pcre2_jit_compile(code, PCRE2_JIT_COMPLETE); /* without JIT the interpreter gives the same answers */
    struct regex *regex = mem_alloc(sizeof(*regex));
    *regex = (struct regex){.code = code, .back_references = references > 0};
    return regex;
}

int regex_check(struct str pattern, unsigned flags, struct err *err)
{
    pcre2_code *code = compile_checked(pattern, flags, err);
    if (!code)
        return -1;
    pcre2_code_free(code);
    return 0;
}

void regex_free(struct regex *regex)
{
    if (!regex)
        return;
    pcre2_code_free(regex->code);
    free(regex);
}

struct regex_scratch *regex_scratch_new(void)
{
    struct regex_scratch *scratch = mem_zalloc(1, sizeof(*scratch));
    scratch->data = pcre2_match_data_create(GROUPS_MAX + 1, NULL);
    scratch->context = pcre2_match_context_create(NULL);
    if (!scratch->data || !scratch->context)
        die("out of memory");
    pcre2_set_callout(scratch->context, count_step, &scratch->meter);
    pcre2_set_heap_limit(scratch->context, HEAP_KIB);
    return scratch;
}

void regex_scratch_free(struct regex_scratch *scratch)
{
    if (!scratch)
        return;
    pcre2_jit_stack_free(scratch->stack);
    pcre2_match_context_free(scratch->context);
    pcre2_match_data_free(scratch->data);
    free(scratch);
}

static int search(const struct regex *regex, struct regex_scratch *scratch, struct str subject, size_t start)
{
    const char *text = subject.len ? subject.ptr : "";
    scratch->meter.last = start;
    return pcre2_match(regex->code, (PCRE2_SPTR)text, subject.len, start, 0, scratch->data, scratch->context);
}

static bool give_stack(struct regex_scratch *scratch)
{
    if (scratch->stack)
        return false;
    scratch->stack = pcre2_jit_stack_create(STACK_START, STACK_MAX, NULL);
    if (!scratch->stack)
        return false;
    pcre2_jit_stack_assign(scratch->context, NULL, scratch->stack);
    return true;
}

static size_t copy_spans(const struct regex_scratch *scratch, const struct regex *regex, size_t (*spans)[2],
                         size_t max)
{
    uint32_t groups = 0;
    pcre2_pattern_info(regex->code, PCRE2_INFO_CAPTURECOUNT, &groups);
    const PCRE2_SIZE *ovector = pcre2_get_ovector_pointer(scratch->data);
    for (size_t i = 0; spans && i <= groups && i < max; i++) {
        bool set = ovector[2 * i] != PCRE2_UNSET;
        spans[i][0] = set ? ovector[2 * i] : SIZE_MAX;
        spans[i][1] = set ? ovector[2 * i + 1] : SIZE_MAX;
    }
    return groups + 1;
}

/* long: one call of a regex engine: what, where, how much, and what it found. */
enum regex_outcome regex_search(const struct regex *regex, struct regex_scratch *scratch, struct str subject,
                                size_t start, unsigned steps, size_t (*spans)[2], size_t max, size_t *count)
{
    struct meter *meter = &scratch->meter;
    meter->used = 0;
    meter->limit = regex->back_references ? (unsigned)(steps / (1 + subject.len / 1024)) : steps;
    if (count)
        *count = 0;
    if (start > subject.len)
        return REGEX_NO;
    pcre2_set_match_limit(scratch->context, steps);
    pcre2_set_depth_limit(scratch->context, steps);
    int rc = search(regex, scratch, subject, start);
    if (rc == PCRE2_ERROR_JIT_STACKLIMIT && give_stack(scratch))
        rc = search(regex, scratch, subject, start);
    if (rc == PCRE2_ERROR_NOMATCH)
        return REGEX_NO;
    if (rc < 0)
        return REGEX_LIMIT;
    size_t groups = copy_spans(scratch, regex, spans, max);
    if (count)
        *count = groups;
    return REGEX_YES;
}

unsigned regex_steps(const struct regex_scratch *scratch)
{
    return scratch->meter.used;
}
