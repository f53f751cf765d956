/* The event path takes no memory from the system once it runs. Counts the calls to the allocator, so it needs
 * a build without sanitizers, which bring their own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "core/event/record.h"

static unsigned calls;

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__) && defined(__GLIBC__)
#define COUNTED 1
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *ptr, size_t size);

void *malloc(size_t size)
{
    calls++;
    return __libc_malloc(size);
}

void *calloc(size_t count, size_t size)
{
    calls++;
    return __libc_calloc(count, size);
}

void *realloc(void *ptr, size_t size)
{
    calls++;
    return __libc_realloc(ptr, size);
}
#else
#define COUNTED 0
#endif

static void take_in(struct record *r)
{
    if (event_parse(r->parser, r->fields, buf_str(&r->text), r->arena, &r->event, &r->err) != 0)
        fail_msg("%s", r->err.message);
    r->event->accepted_ns = NS_PER_S;
    source_map_apply(r->map, r->event, r->arena);
    event_freeze(r->event, r->arena);
}

static struct record *mapped_record(void)
{
    struct record *r = record_new(NULL);
    const struct str pairs[][2] = {{STR("DENY"), STR("failure")}};
    const struct str parts[] = {STR("host"), STR("record")};
    struct source_field ip = {.path = STR("source.ip"), .from = &STR("ip"), .from_count = 1, .as = AS_IP};
    struct source_field id = {.path = STR("event.id"), .from = parts, .from_count = 2, .join = true};
    struct value category = value_string(STR("authentication"));
    assert_int_equal(source_map_field(r->map, &ip, NULL), 0);
    assert_int_equal(source_map_field(r->map, &id, NULL), 0);
    assert_int_equal(source_map_values(r->map, STR("event.outcome"), STR("result"), pairs, 1, NULL), 0);
    assert_int_equal(source_map_const(r->map, STR("event.category"), &category, NULL), 0);
    assert_int_equal(source_map_dissect(r->map, STR("text"), STR("%{a} by %{b}"), NULL), 0);
    fields_freeze(r->fields);
    return r;
}

static void test_a_second_round_of_events_allocates_nothing(void **state)
{
    static const char *const records[] = {
        "{\"ip\":\"::FFFF:1.2.3.4\",\"host\":\"h\",\"record\":5,\"result\":\"DENY\",\"text\":\"x by y\","
        "\"@timestamp\":\"2020-01-01T00:00:00Z\",\"n\":[1,2.5,{\"a\":1}]}",
        "{\"ip\":1e999,\"host\":\"\\ud800\",\"record\":\"\xff\",\"event.category\":\"x\",\"text\":\"\"}",
    };
    (void)state;
    if (!COUNTED) {
        print_message("SKIPPED: the sanitizer has the allocator\n");
        skip();
    }
    struct record *r = mapped_record();
    buf_reserve(&r->text, 1024);
    unsigned before = 0;
    for (unsigned round = 0; round < 20; round++) {
        if (round == 3)
            before = calls;
        for (unsigned i = 0; i < 100; i++) {
            buf_clear(&r->text);
            buf_puts(&r->text, records[i % 2]);
            memset(buf_reserve(&r->text, JSON_TAPE_PADDING), 0, JSON_TAPE_PADDING);
            take_in(r);
        }
        arena_reset(r->arena);
    }
    assert_int_not_equal(before, 0);
    assert_int_equal(calls, before);
    record_free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_second_round_of_events_allocates_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
