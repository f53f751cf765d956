#include "pipeline/view.h"

#include <pthread.h>

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

/* ---- reading back ---- */

static pthread_key_t reader_key; /* of the thread */

static void end_reader(void *reader)
{
    json_reader_free(reader);
}

static void make_key(void)
{
    INVARIANT(pthread_key_create(&reader_key, end_reader) == 0);
}

struct json *view_parse(struct str text)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, make_key);
    struct json_reader *reader = pthread_getspecific(reader_key);
    if (reader == NULL) {
        reader = json_reader_new((size_t)64 << 20, 64);
        pthread_setspecific(reader_key, reader);
    }
    return json_read(reader, text);
}
