/* Second looks: what a threat is judged with once a person or an analysis has changed it. */
#include "core/pipeline/desk.h"

#define MINUTE (60 * NS_PER_S)
#define FILES(...)                                                                                           \
    (const struct text_file[]){__VA_ARGS__},                                                                 \
        sizeof((const struct text_file[]){__VA_ARGS__}) / sizeof(struct text_file)

static int take_up(struct writer *writer, void *arg, struct err *err)
{
    struct threat *threat = book_find(writer_book(writer), str_from(arg), err);
    threat->status = STATUS_IN_PROGRESS;
    threat->assignee = threat_keep(threat, STR("cleo"));
    threat->version++;
    book_touch(writer_book(writer), threat);
    return 0;
}

static int note_it(struct writer *writer, void *arg, struct err *err)
{
    int64_t now = clock_now(writer_clock(writer));
    struct threat *threat = book_find(writer_book(writer), str_from(arg), err);
    threat->version++;
    book_touch(writer_book(writer), threat);
    return store_add_note(writer_store(writer), arg, now, STR("bo"), STR("nothing to see"), STR(""), NULL,
                          err);
}

/* What a person changed is looked at with the customer's notes, and only with that customer's. */
static void a_change_is_looked_at_with_its_background(void **state)
{
    char id[UUID_TEXT], other[UUID_TEXT];
    struct desk d;
    (void)state;
    desk_open(
        &d,
        FILES(DESK_RULE,
              {"rules/triage/manipulation.lua",
               "return policy { name = 'manipulation', tests = { { 't', threat = {}, expect = {} } },\n"
               "decide = function(threat, context) local found = {}\n"
               "for i, note in ipairs(context.notes or {}) do found[i] = { name = note.author, reason = "
               "note.text } end return { findings = found } end }"}),
        false);
    desk_start(&d);
    desk_send(&d, "ana", "acme", id);
    desk_send(&d, "ana", "umbrella", other);
    desk_settle(&d);
    desk_expect(&d, id, "requires_human_review", "false");
    assert_int_equal(desk_on_writer(&d, note_it, id), ERR_NONE);
    desk_settle(&d);
    desk_expect(&d, id, "manipulation.findings.0.reason", "\"nothing to see\"");
    desk_expect(&d, id, "requires_human_review", "true");
    assert_int_equal(desk_on_writer(&d, take_up, other), ERR_NONE);
    desk_settle(&d);
    desk_expect(&d, other, "manipulation.suspected", "false");
    desk_close(&d);
}

/* ---- what a second look sees, whatever else there is ---- */

#define LOOKER(seen)                                                                                         \
    {                                                                                                        \
        "rules/triage/manipulation.lua",                                                                     \
            "return policy { name = 'manipulation', tests = { { 't', threat = {}, expect = {} } },\n"        \
            "decide = function(threat, context) if not context.notes then return {} end\n"                   \
            "local found = {} local function add(name, reason) found[#found + 1] = { name = name, reason = " \
            "reason } end\n" seen " return { findings = found } end }"                                       \
    }

/* A word, then pages and pages, half of them of characters that JSON spells out. */
static int note_much(struct writer *writer, void *arg, struct err *err)
{
    int64_t now = clock_now(writer_clock(writer));
    static char pages[8192];
    int rc = note_it(writer, arg, err);
    for (int i = 1; i < 200 && rc == 0; i++) {
        memset(pages, i % 2 ? 'x' : '\1', sizeof(pages));
        memcpy(pages, "the begin ", 10);
        rc = store_add_note(writer_store(writer), arg, now + i,
                            STR("a name of sixty-four bytes, which is as long as one may ever be."),
                            (struct str){pages, sizeof(pages)}, STR(""), NULL, err);
    }
    return rc;
}

static void long_notes_leave_room_for_all(void **state)
{
    char id[UUID_TEXT];
    struct desk d;
    (void)state;
    desk_open(
        &d,
        FILES(DESK_RULE, LOOKER("local notes = context.notes\n"
                                "add('first', notes[1].text:sub(1, 10)) add('last', notes[#notes].text)\n"
                                "add('count', #notes .. '')")),
        false);
    desk_start(&d);
    desk_send(&d, "ana", "acme", id);
    desk_settle(&d);
    assert_int_equal(desk_on_writer(&d, note_much, id), ERR_NONE);
    desk_settle(&d);
    desk_expect(&d, id, "manipulation.findings.0.reason", "\"the begin \"");
    desk_expect(&d, id, "manipulation.findings.1.reason", "\"nothing to see\"");
    desk_expect(&d, id, "manipulation.findings.2.reason", "\"200\"");
    desk_close(&d);
}

struct leak {
    const char *id;
    int count;  /* of other entities */
    bool large; /* with bodies as large as one may be, also of its own */
};

static int add_leak(struct writer *writer, struct str entity, int64_t at_ns, size_t size, struct err *err)
{
    struct store_observation leak = {
        .kind = STR("egress"), .customer = STR("acme"), .entity = entity, .time_ns = at_ns};
    struct buf body = BUF_EMPTY;
    buf_puts(&body, "{\"message\":\"");
    while (body.len + 2 < size)
        buf_putc(&body, 'x');
    buf_puts(&body, "\"}");
    leak.body = buf_str(&body);
    id_random(leak.event.bytes, sizeof(leak.event.bytes));
    int rc = store_add_observation(writer_store(writer), &leak, err);
    buf_free(&body);
    return rc;
}

/* One of the asset's own, then those of others; large ones of its own between them. */
static int leak_much(struct writer *writer, void *arg, struct err *err)
{
    const struct leak *leak = arg;
    int64_t now = clock_now(writer_clock(writer));
    size_t size = leak->large ? 4096 : 64;
    char name[32];
    int rc = add_leak(writer, STR("user.name:ANA"), now - 60 * MINUTE, 64, err);
    for (int i = 0; i < leak->count && rc == 0; i++) {
        snprintf(name, sizeof(name), "host.name:other-%d", i);
        rc = add_leak(writer, str_from(name), now - i * NS_PER_S, size, err);
    }
    for (int i = 0; leak->large && i < 40 && rc == 0; i++)
        rc = add_leak(writer, STR("user.name:ana"), now - 30 * MINUTE - i, size, err);
    return rc || take_up(writer, (void *)(uintptr_t)leak->id, err) ? -1 : 0;
}

static void others_egress_does_not_hide_ones_own(void **state)
{
    static const int counts[] = {0, 60, 60};
    (void)state;
    for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
        char id[UUID_TEXT];
        struct desk d;
        struct leak leak = {id, counts[i], i == 2};
        desk_open(&d,
                  FILES(DESK_RULE,
                        LOOKER("local all = {}\n"
                               "for _, one in ipairs(context.egress) do all[one.entity:lower()] = true end\n"
                               "for name in pairs(all) do add(name, name) end")),
                  false);
        desk_start(&d);
        desk_send(&d, "ana", "acme", id);
        desk_settle(&d);
        assert_int_equal(desk_on_writer(&d, leak_much, &leak), ERR_NONE);
        desk_settle(&d);
        desk_expect(&d, id, "manipulation.findings.0.reason", "\"user.name:ana\"");
        desk_expect(&d, id, "manipulation.findings.1", "(none)");
        desk_close(&d);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_change_is_looked_at_with_its_background),
        cmocka_unit_test(long_notes_leave_room_for_all),
        cmocka_unit_test(others_egress_does_not_hide_ones_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
