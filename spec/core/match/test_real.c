/* Real events: the counts are pinned, so that a mistake that index and slow evaluator share shows too. The
 * rules are windows_rules.ndjson, in the field names of flat Windows events. The counts came out the same of
 * an evaluator written apart in another language, over its own flattening. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dirent.h>
#include <unistd.h>
#include <zlib.h>

#include "world.h"

#define DATA LUNETTE_SOURCE_DIR "/../shared/data/"

struct count {
    size_t events, matched, pairs, cut, candidates, always;
    uint64_t sum; /* over (event, rule): the same pairs, not only as many */
};

/* Nested EVTX has the same names below Event.System and Event.EventData. */
static void put_key(struct buf *out, const char *key, size_t len, bool nested)
{
    static const char *const system[] = {"EventID", "Channel", "Keywords", "Task", "Opcode"};
    bool in_system = false;
    size_t path = strcspn(key, "|\"");
    for (size_t i = 0; i < sizeof(system) / sizeof(system[0]); i++)
        in_system = in_system || (strlen(system[i]) == path && memcmp(key, system[i], path) == 0);
    if (nested && key[0] >= 'A' && key[0] <= 'Z')
        buf_puts(out, in_system ? "Event.System." : "Event.EventData.");
    buf_add(out, key, len);
}

static void put_rule(struct buf *out, const struct json *value, bool nested);

static void put_member(struct buf *out, struct str key, const struct json *value, bool nested)
{
    buf_puts(out, out->ptr && out->ptr[out->len - 1] == '{' ? "\"" : ",\"");
    put_key(out, key.ptr, key.len, nested);
    buf_puts(out, "\":");
    if (!str_is(key, "any") && !str_is(key, "all") && !str_is(key, "none")) {
        json_print(value, out);
        return;
    }
    buf_putc(out, '[');
    for (size_t i = 0; i < json_count(value); i++) {
        buf_puts(out, i ? "," : "");
        put_rule(out, json_item(value, i), nested);
    }
    buf_putc(out, ']');
}

static void put_rule(struct buf *out, const struct json *value, bool nested)
{
    struct str key;
    const struct json *member;
    buf_putc(out, '{');
    for (void *at = NULL; json_next(value, &at, &key, &member);)
        put_member(out, key, member, nested);
    buf_putc(out, '}');
}

static void load_rules(struct world *w, bool nested)
{
    static char line[1 << 16];
    struct buf rule = BUF_EMPTY;
    FILE *file = fopen(LUNETTE_SOURCE_DIR "/spec/core/match/windows_rules.ndjson", "r");
    assert_non_null(file);
    while (fgets(line, sizeof(line), file)) {
        struct json *json = json_parse(str_from(line), NULL, &w->err);
        assert_non_null(json);
        buf_clear(&rule);
        put_rule(&rule, json, nested);
        json_free(json);
        if (!world_rule(w, rule.ptr))
            fail_msg("%s: %s", rule.ptr, err_text(&w->err));
    }
    fclose(file);
    buf_free(&rule);
    fields_freeze(w->fields);
    world_compile(w, NULL, 0);
}

/* The slow evaluator looks at one event in `stride`. */
static void judge_line(struct world *w, struct str line, size_t stride, struct count *count)
{
    struct event *event = world_event(w, line);
    struct match_result result = count->events % stride ? match_run(w->matcher, w->scratch, event)
                                                        : world_match(w, event);
    count->events++;
    count->matched += result.count > 0;
    count->pairs += result.count;
    count->cut += result.cut_off;
    for (size_t i = 0; i < result.count; i++)
        count->sum += (count->events * 1000 + result.rules[i]) % 1000003;
    world_forget(w);
}

static void judge_file(struct world *w, const char *path, size_t stride, struct count *count)
{
    static char line[1 << 19];
    gzFile file = gzopen(path, "rb");
    assert_non_null(file);
    while (gzgets(file, line, sizeof(line)))
        if (line[0] == '{')
            judge_line(w, (struct str){line, strcspn(line, "\r\n")}, stride, count);
    gzclose(file);
}

static void judge_folder(struct world *w, const char *folder, size_t stride, struct count *count)
{
    struct dirent **names;
    int found = scandir(folder, &names, NULL, alphasort);
    for (int i = 0; i < found; i++) {
        struct buf path = BUF_EMPTY;
        buf_printf(&path, "%s%s", folder, names[i]->d_name);
        if (strstr(names[i]->d_name, ".ndjson.gz"))
            judge_file(w, path.ptr, stride, count);
        buf_free(&path);
        free(names[i]);
    }
    free(names);
}

static void finish(struct world *w, struct count *count)
{
    struct match_stats stats;
    match_stats(w->matcher, w->scratch, &stats);
    count->candidates = stats.candidates;
    count->always = stats.always;
    print_message(
        "%zu rules (%zu always), %zu predicates, %zu KiB: %zu events, %zu matched, %zu pairs, sum %llu, "
        "%.2f candidates, %.2f evaluations, %.3f regexes\n",
        stats.rules, stats.always, stats.predicates, stats.index_bytes / 1024, count->events, count->matched,
        count->pairs, (unsigned long long)count->sum, (double)stats.candidates / (double)stats.events,
        (double)stats.evaluations / (double)stats.events, (double)stats.regexes / (double)stats.events);
    world_free(w);
}

static void flat_windows_events(void **state)
{
    (void)state;
    if (access(DATA "otrf", R_OK)) {
        print_message("SKIPPED: no shared data\n");
        skip();
    }
    struct world *w = world_new();
    struct count count = {0};
    load_rules(w, false);
    judge_folder(w, DATA "otrf/", 23, &count);
    finish(w, &count);
    assert_int_equal(count.events, 40137);
    assert_int_equal(count.cut, 0);
    assert_int_equal(count.matched, 15246);
    assert_int_equal(count.pairs, 29422);
    assert_true(count.sum == 14375713452);
}

static void nested_windows_events(void **state)
{
    (void)state;
    if (access(DATA "hospital/windows.ndjson.gz", R_OK)) {
        print_message("SKIPPED: no shared data\n");
        skip();
    }
    struct world *w = world_new();
    struct count count = {0};
    load_rules(w, true);
    judge_file(w, DATA "hospital/windows.ndjson.gz", 11, &count);
    finish(w, &count);
    assert_int_equal(count.events, 10797);
    assert_int_equal(count.cut, 0);
    assert_int_equal(count.matched, 7934);
    assert_int_equal(count.pairs, 14560);
    assert_true(count.sum == 7136163165);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(flat_windows_events),
        cmocka_unit_test(nested_windows_events),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
