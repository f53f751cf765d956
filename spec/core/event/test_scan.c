/* Records are read in one pass where they are plain, and from the tape otherwise: nobody may see which it
 * was. Here each record is spoilt a thousand times, and what event_parse says of it is held against the tape.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "core/event/record.h"

#define SPOILT 4000

static const char *const records[] = {
    "{\"a\":{\"b\":[1,-2,3.5,\"x\",null,true],\"c.d\":\"C:\\\\Windows\\\\a.exe\"},\"e\":\"\\u00e9\\n\"}",
    "{ \"a\" : { \"b\" : 18446744073709551615 , \"c\" : [ { \"d\" : false } ] } , \"e\" : "
    "-9223372036854775808 }",
    "{\"e\":1e3,\"a\":{\"b\":-0,\"c\":{\"d\":[]}},\"x\":{\"y\":[[\"\\\"\"],{}],\"z\":0.1E-2},\"long.enough."
    "to.go\":12}",
    "{\"a.b\":\"\",\"a\":{\"c\":{\"d\":12345678901234567890,\"unknown key of some "
    "length\":\"\\\\\"},\"b\":\"\\t\"}}",
    "{\"e\":{},\"a\":[{\"b\":9223372036854775807},{\"b\":9223372036854775808}],\"a.c.d\":"
    "\"\xc3\xa9\\ud83d\\ude00\"}",
};
static const char *const paths[] = {"a", "a.b", "a.c.d", "e", "long.enough.to.go"};
#define RECORDS (sizeof(records) / sizeof(records[0]))
#define PATHS   (sizeof(paths) / sizeof(paths[0]))

struct pair {
    struct record *named, *nameless; /* in the second, lookups read the tape */
    struct json_tape *tape;
    unsigned taken, odd, refused;
};

static uint32_t chance(uint32_t *state)
{
    *state = *state * 1664525 + 1013904223;
    return *state >> 8;
}

static void compare(struct pair *p, const char *path)
{
    struct value found[64];
    size_t count = event_lookup(p->nameless->event, p->nameless->parser, str_from(path), p->nameless->arena,
                                found, 64);
    size_t at = 0;
    const struct event *event = p->named->event;
    for (const struct event_value *v = event_first(event, fields_find(event->fields, str_from(path))); v;
         v = event_next(event, v), at++) {
        assert_true(at < count);
        assert_int_equal(v->value.type, found[at].type);
        assert_true(str_equal(v->value.text, found[at].text));
        if (v->value.type == VALUE_INT || v->value.type == VALUE_UINT)
            assert_int_equal(v->value.as.u, found[at].as.u);
    }
    assert_int_equal(at, count);
}

static void check(struct pair *p, struct str text)
{
    unsigned repairs = 0;
    struct err err = {0};
    struct buf padded = BUF_EMPTY;
    buf_put(&padded, text);
    memset(buf_reserve(&padded, JSON_TAPE_PADDING), '1', JSON_TAPE_PADDING); /* no digit of a number */
    bool good = json_tape_parse(p->tape, buf_str(&padded), &repairs, &err) == 0;
    good = good && json_at(json_tape_cursor(p->tape), json_tape_root()) == JSON_OBJECT;
    struct record *r = p->named;
    bool named = event_parse(r->parser, r->fields, buf_str(&padded), r->arena, &r->event, &r->err) == 0;
    bool nameless = record_parse_str(p->nameless, text) == 0;
    if (named != good || nameless != good)
        fail_msg("taken: %d, by the tape: %d: %.*s", named, good, STR_ARG(text));
    p->refused += !good;
    if (good) {
        uint32_t marks = (repairs & JSON_REPAIR_NUMBER ? QUALITY_NUMBER : 0u) |
                         (repairs & JSON_REPAIR_SURROGATE ? QUALITY_SURROGATE : 0u) |
                         (repairs & JSON_REPAIR_UTF8 ? QUALITY_UTF8 : 0u);
        assert_int_equal(p->named->event->quality, marks);
        p->taken += !marks;
        p->odd += marks != 0;
        for (size_t i = 0; i < PATHS; i++)
            compare(p, paths[i]);
    }
    buf_free(&padded);
    arena_reset(p->named->arena);
    arena_reset(p->nameless->arena);
}

/* Some bytes replaced, left out, doubled, or the end cut off. */
static size_t spoil(char *text, size_t len, uint32_t *state)
{
    static const char bytes[] = "{}[]:,\"\\ \t\n\r0019.-+eEtfnua\x01\x0c\x1a\x80\xc3\xff";
    for (uint32_t times = 1 + chance(state) % 3; times && len > 1; times--) {
        size_t at = chance(state) % len;
        switch (chance(state) % 8) {
        case 0:
            memmove(text + at, text + at + 1, --len - at);
            break;
        case 1:
            memmove(text + at + 1, text + at, len++ - at);
            break;
        case 2:
            len = chance(state) % 8 ? len : at + 1;
            break;
        default:
            text[at] = bytes[chance(state) % (sizeof(bytes) - 1)];
        }
    }
    return len;
}

static void test_spoilt_records_are_read_as_the_tape_reads_them(void **unused)
{
    (void)unused;
    struct pair p = {.named = record_new(NULL),
                     .nameless = record_new(NULL),
                     .tape = json_tape_new(event_limits_default.size, event_limits_default.depth)};
    uint32_t state = 1;
    for (size_t i = 0; i < PATHS; i++)
        fields_intern(p.named->fields, str_from(paths[i]), NULL);
    for (size_t i = 0; i < RECORDS; i++) {
        size_t len = strlen(records[i]);
        char text[512];
        check(&p, str_from(records[i]));
        for (int n = 0; n < SPOILT; n++) {
            memcpy(text, records[i], len);
            check(&p, (struct str){text, spoil(text, len, &state)});
        }
    }
    assert_true(p.taken > SPOILT / 2 && p.refused > SPOILT && p.odd > SPOILT / 100);
    json_tape_free(p.tape);
    record_free(p.named);
    record_free(p.nameless);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_spoilt_records_are_read_as_the_tape_reads_them)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
