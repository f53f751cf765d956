#include "pipeline/view.h"

static bool fits(const struct threat *seen, struct buf *out)
{
    buf_clear(out);
    threat_json(seen, false, out);
    return out->len <= VIEW_MAX;
}

static struct str without(struct str extra, const char *member, struct arena *arena)
{
    struct buf next = BUF_EMPTY;
    threat_extra_set(&next, extra, str_from(member), STR(""));
    struct str kept = arena_dup(arena, buf_str(&next));
    buf_free(&next);
    return kept;
}

struct str view_print(const struct threat *threat, struct arena *arena)
{
    static const char *const members[] = {"agent_analyses", "analysis", "response_plan", "intel_matches"};
    struct threat seen = *threat; /* a borrowed copy: only what it says of itself differs */
    struct buf out = BUF_EMPTY;
    bool good = fits(&seen, &out);
    while (!good && seen.evidence.count) {
        seen.evidence.count /= 2;
        good = fits(&seen, &out);
    }
    for (size_t i = 0; !good && i < sizeof(members) / sizeof(members[0]); i++) {
        seen.extra = without(seen.extra, members[i], arena);
        good = fits(&seen, &out);
    }
    struct str view = arena_dup(arena, buf_str(&out));
    buf_free(&out);
    return view;
}

static bool is_escaped_nul(struct str text, size_t at)
{
    return text.len - at >= 6 && memcmp(text.ptr + at, "\\u0000", 6) == 0;
}

/* The parser takes no NUL characters; values of events may hold them. */
static void replace_nuls(struct str text, struct buf *out)
{
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] != '\\') {
            buf_putc(out, text.ptr[i]);
        } else if (is_escaped_nul(text, i)) {
            buf_puts(out, "\\ufffd");
            i += 5;
        } else {
            buf_putc(out, text.ptr[i]);
            if (++i < text.len)
                buf_putc(out, text.ptr[i]);
        }
    }
}

struct json *view_parse(struct str text)
{
    const struct json_limits limits = {.size = (size_t)64 << 20, .depth = 64, .duplicates = true};
    struct json *json = json_parse(text, &limits, NULL);
    struct buf clean = BUF_EMPTY;
    if (json || text.len < 6 || !memmem(text.ptr, text.len, "\\u0000", 6))
        return json;
    replace_nuls(text, &clean);
    json = json_parse(buf_str(&clean), &limits, NULL);
    buf_free(&clean);
    return json;
}
