/* Records of a real company under attack: each is taken in, and the flat event holds what a slow walk over
 * the text finds. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "base/compress.h"
#include "core/event/record.h"

static const char *const paths[] = {
    "host",
    "channel",
    "Event.System.EventID",
    "Event.System.Provider.#attributes.Name",
    "Event.System.Execution.#attributes.ProcessID",
    "Event.System.Correlation",
    "Event.EventData.CommandLine",
    "Event.EventData.Image",
    "Event.EventData.TargetUserName",
    "record.ts",
    "record.id.orig_h",
    "record.id.resp_p",
    "record.answers",
    "record.local_orig",
};
#define PATHS (sizeof(paths) / sizeof(paths[0]))

static bool read_records(const char *name, struct buf *out)
{
    char path[512];
    struct buf packed = BUF_EMPTY;
    snprintf(path, sizeof(path), LUNETTE_SOURCE_DIR "/../shared/data/hospital/%s.ndjson.gz", name);
    FILE *file = fopen(path, "rb");
    if (!file)
        return false;
    for (size_t n = 1; n;) {
        n = fread(buf_reserve(&packed, 65536), 1, 65536, file);
        buf_grew(&packed, n);
    }
    fclose(file);
    assert_int_equal(decompress_gzip(buf_str(&packed), 1 << 28, 1000, out, NULL), 0);
    memset(buf_reserve(out, JSON_TAPE_PADDING), 0, JSON_TAPE_PADDING);
    buf_free(&packed);
    return true;
}

/* Returns how many values the path has; fails where the two ways differ. */
static size_t compare(struct record *r, const struct fields *nothing, const char *path)
{
    struct value found[16];
    struct event unaware = *r->event; /* it interned nothing, so that it must look in the text */
    unaware.fields = nothing;
    size_t count = event_lookup(&unaware, r->parser, str_from(path), r->arena, found, 16), at = 0;
    const struct event_value *value = event_first(r->event, fields_find(r->fields, str_from(path)));
    for (; value; value = event_next(r->event, value), at++) {
        assert_true(at < count);
        assert_int_equal(value->value.type, found[at].type);
        assert_true(str_equal(value->value.text, found[at].text));
    }
    assert_int_equal(at, count);
    return count;
}

static void check_file(const char *name, size_t records)
{
    struct buf text = BUF_EMPTY;
    if (!read_records(name, &text)) {
        print_message("SKIPPED: no shared data\n");
        skip();
    }
    struct record *r = record_new(NULL);
    struct fields *nothing = fields_new();
    size_t at = 0, seen = 0, values = 0;
    for (size_t i = 0; i < PATHS; i++)
        fields_intern(r->fields, str_from(paths[i]), NULL);
    for (struct str line; json_lines_next(buf_str(&text), &at, &line); seen++) {
        if (event_parse(r->parser, r->fields, line, r->arena, &r->event, &r->err) != 0)
            fail_msg("%.80s: %s", line.ptr, r->err.message);
        assert_int_equal(r->event->quality, 0);
        for (size_t i = 0; i < PATHS && seen % 16 == 0; i++)
            values += compare(r, nothing, paths[i]);
        arena_reset(r->arena);
    }
    assert_int_equal(seen, records);
    assert_true(values > records / 16);
    fields_free(nothing);
    record_free(r);
    buf_free(&text);
}

static void test_nested_windows_records_are_flattened(void **state)
{
    (void)state;
    check_file("windows", 10797);
}

static void test_flat_network_records_are_flattened(void **state)
{
    (void)state;
    check_file("zeek", 25683);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nested_windows_records_are_flattened),
        cmocka_unit_test(test_flat_network_records_are_flattened),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
