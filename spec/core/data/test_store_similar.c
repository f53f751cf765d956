/* What an analyst of history asks: threats like this one, and notes with what the audit knows of them. */
#include "core/data/store_fixture.h"

#include "base/log.h"
#include "data/store_sqlite.h"

/* ---- similar threats ---- */

/* Rule, type and customer are those named; entities are separated by blanks. */
static struct threat *threat_like(uint64_t n, const char *customer, const char *rule, const char *type,
                                  const char *entities)
{
    struct threat *threat = threat_number(n);
    threat->customer = threat_keep(threat, str_from(customer));
    threat->rule_id = threat_keep(threat, str_from(rule));
    threat->type = threat_keep(threat, str_from(type));
    while (*entities) {
        size_t len = strcspn(entities, " ");
        vec_push(&threat->entities, threat_keep(threat, (struct str){entities, len}));
        entities += len + strspn(entities + len, " ");
    }
    return threat;
}

/* long: what two threats can have in common */
static void put_like(struct shop *shop, uint64_t n, const char *customer, const char *rule, const char *type,
                     const char *entities)
{
    struct threat *threat = threat_like(n, customer, rule, type, entities);
    shop_put(shop, threat);
    threat_free(threat);
}

static const char *id_of(uint64_t n)
{
    static char id[UUID_TEXT];
    snprintf(id, sizeof id, "01900000-0000-7000-8000-%012llx", (unsigned long long)n);
    return id;
}

static struct json *similar(struct shop *shop, uint64_t n, size_t limit)
{
    struct buf out = BUF_EMPTY;
    ok(store_similar(shop->reader, str_from(id_of(n)), STR(""), limit, &out, &shop->err), &shop->err);
    struct json *json = json_of(&out);
    buf_free(&out);
    return json;
}

/* "3:0.75 2:0.5 " */
static void similar_are(struct shop *shop, uint64_t n, size_t limit, const char *expected)
{
    struct buf seen = BUF_EMPTY;
    struct json *json = similar(shop, n, limit);
    for (size_t i = 0; i < json_count(json); i++) {
        struct str id;
        double value = -1;
        assert_true(json_get_str(json_item(json, i), "id", &id));
        assert_true(json_get_double(json_item(json, i), "similarity", &value));
        buf_printf(&seen, "%llx:%g ", strtoull(id.ptr + 24, NULL, 16), value);
    }
    assert_string_equal(seen.ptr ? seen.ptr : "", expected);
    buf_free(&seen);
    json_free(json);
}

static const struct like {
    const char *customer, *rule, *type, *entities;
} likes[] = {
    {"a", "r1", "t1", "user.name:ana host.name:x source.ip:1.2.3.4"}, /* 1 */
    {"a", "r1", "t1", "USER.name:ana host.name:X source.ip:1.2.3.4"}, /* all the same */
    {"a", "r2", "t1", "user.name:ana user.name:bo"},                  /* one of four */
    {"a", "r1", "t2", "user.name:cy"},                                /* the rule only */
    {"b", "r1", "t1", "user.name:ana host.name:x source.ip:1.2.3.4"}, /* another's */
    {"a", "r3", "t3", "user.name:di"},                                /* nothing in common */
    {"a", "r3", "t1", ""},                                            /* no more than the type */
    {"a", "r1", "t1", ""},                                            /* rule and type */
};

static void threats_are_alike_by_rule_type_and_entities(void **state)
{
    static const size_t tails[] = {1000, 1, 5}; /* found in the tail, the index, or both */
    for (size_t round = 0; round < 3; round++) {
        struct shop shop = shop_new(state);
        shop.store->tail_max = tails[round];
        for (size_t i = 0; i < sizeof likes / sizeof *likes; i++) {
            shop_begin(&shop);
            put_like(&shop, i + 1, likes[i].customer, likes[i].rule, likes[i].type, likes[i].entities);
            shop_commit(&shop);
        }
        similar_are(&shop, 1, 20, "2:1 8:0.5 4:0.4 3:0.225 ");
        similar_are(&shop, 1, 2, "2:1 8:0.5 ");
        similar_are(&shop, 1, 0, "");
        similar_are(&shop, 5, 20, "");
        similar_are(&shop, 8, 20, "2:0.5 1:0.5 4:0.4 ");
        shop_free(&shop);
    }
}

static void a_similar_threat_says_how_it_ended(void **state)
{
    struct shop shop = shop_new(state);
    struct threat *old = threat_like(2, "a", "r1", "t1", "user.name:Ana host.name:x");
    char text[600];
    memset(text, 'x', sizeof text);
    memcpy(text + 511, "ä", 2);
    old->status = STATUS_RESOLVED;
    old->verdict = VERDICT_FALSE_POSITIVE;
    old->verdict_reason = STR("a test");
    shop_begin(&shop);
    put_like(&shop, 1, "a", "r1", "t1", "user.name:ana");
    shop_put(&shop, old);
    static const char *const notes[] = {"one", "two", "three"};
    for (size_t i = 0; i < 3; i++)
        ok(store_add_note(shop.store, old->id, T0 + (int64_t)i, STR("bo"), str_from(notes[i]), STR(""), NULL,
                          &shop.err),
           &shop.err);
    ok(store_add_note(shop.store, old->id, T0 + 9, STR("cy"), (struct str){text, sizeof text}, STR(""), NULL,
                      &shop.err),
       &shop.err);
    shop_commit(&shop);
    struct json *json = similar(&shop, 1, 5);
    const struct json *one = json_item(json, 0), *seen = json_get(one, "notes");
    assert_int_equal(json_count(json), 1);
    member_is(one, "title", "Threat number 2");
    member_is(one, "rule_id", "r1");
    member_is(one, "threat_type", "t1");
    member_is(one, "severity", "MEDIUM");
    member_is(one, "status", "resolved");
    member_is(one, "verdict", "false_positive");
    member_is(one, "verdict_reason", "a test");
    member_is(one, "created_at", "2026-01-02T03:00:02.000Z");
    struct str shared, cut;
    assert_int_equal(json_count(json_get(one, "shared_entities")), 1);
    assert_true(json_as_str(json_item(json_get(one, "shared_entities"), 0), &shared));
    assert_true(str_is(shared, "user.name:Ana"));
    assert_int_equal(json_count(seen), 3);
    assert_true(json_get_str(json_item(seen, 0), "text", &cut));
    assert_int_equal(cut.len, 511); /* not in the middle of a character */
    member_is(json_item(seen, 0), "author", "cy");
    member_is(json_item(seen, 1), "text", "three");
    member_is(json_item(seen, 2), "text", "two");
    json_free(json);
    json = similar(&shop, 2, 5);
    assert_int_equal(json_kind(json_get(json_item(json, 0), "verdict")), JSON_KIND_NULL);
    json_free(json);
    threat_free(old);
    shop_free(&shop);
}

static void shadow_suppressed_and_foreign_threats_are_no_history(void **state)
{
    struct shop shop = shop_new(state);
    struct buf out = BUF_EMPTY;
    static const size_t tails[] = {1000, 1};
    for (size_t round = 0; round < 2; round++) {
        shop.store->tail_max = tails[round];
        struct threat *shadow = threat_like(2 + 10 * round, "a", "r1", "t1", "user.name:ana");
        struct threat *suppressed = threat_like(3 + 10 * round, "a", "r1", "t1", "user.name:ana");
        shadow->shadow = suppressed->suppressed = true;
        shop_begin(&shop);
        if (round == 0)
            put_like(&shop, 1, "a", "r1", "t1", "user.name:ana");
        shop_put(&shop, shadow);
        shop_put(&shop, suppressed);
        shop_commit(&shop);
        similar_are(&shop, 1, 20, "");
        threat_free(shadow);
        threat_free(suppressed);
    }
    assert_int_equal(store_similar(shop.reader, str_from(id_of(1)), STR("b"), 5, &out, &shop.err), -1);
    assert_int_equal(shop.err.code, ERR_NOT_FOUND);
    assert_int_equal(store_similar(shop.reader, STR("nobody"), STR(""), 5, &out, &shop.err), -1);
    assert_int_equal(shop.err.code, ERR_NOT_FOUND);
    ok(store_similar(shop.reader, str_from(id_of(1)), STR("a"), 5, &out, &shop.err), &shop.err);
    assert_true(str_is(buf_str(&out), "[]"));
    buf_free(&out);
    shop_free(&shop);
}

/* An entity that everything names must not hide the threat that shares all of them. */
static void among_thousands_the_most_alike_are_found(void **state)
{
    struct shop shop = shop_new(state);
    shop_begin(&shop);
    put_like(&shop, 1, "a", "r1", "t1", "user.name:ana host.name:x");
    put_like(&shop, 2, "a", "r2", "t2", "user.name:ana host.name:x");
    for (uint64_t n = 3; n < 3000; n++)
        put_like(&shop, n, n % 2 ? "a" : "b", "r3", "t3", "user.name:ana");
    shop_commit(&shop);
    struct json *json = similar(&shop, 1, 99);
    assert_int_equal(json_count(json), 20);
    member_is(json_item(json, 0), "id", id_of(2));
    json_free(json);
    shop_free(&shop);
}

/* ---- notes ---- */

static void add_note(struct shop *shop, uint64_t n, int64_t at_ns, const char *author, const char *text)
{
    ok(store_add_note(shop->store, id_of(n), at_ns, str_from(author), str_from(text),
                      *author == 'b' ? STR("signature") : STR(""), NULL, &shop->err),
       &shop->err);
}

static void audit(struct shop *shop, uint64_t n, int64_t at_ns, const char *author, const char *detail)
{
    ok(store_audit(shop->store, at_ns, str_from(author), STR("threat.note"), str_from(id_of(n)),
                   str_from(detail), &shop->err),
       &shop->err);
}

static struct json *recent(struct shop *shop, const char *customer, int64_t since_ns, size_t limit)
{
    struct buf out = BUF_EMPTY;
    const struct note_query query = {str_from(customer), since_ns, limit, 0};
    ok(store_notes_recent(shop->reader, &query, &out, &shop->err), &shop->err);
    struct json *json = json_of(&out);
    buf_free(&out);
    return json;
}

static void notes_are_listed_newest_first_of_one_customer(void **state)
{
    struct shop shop = shop_new(state);
    shop_begin(&shop);
    put_like(&shop, 1, "a", "r1", "t1", "");
    put_like(&shop, 2, "b", "r1", "t1", "");
    put_like(&shop, 3, "a", "r1", "t1", "");
    add_note(&shop, 1, T0 + 1, "bo", "first");
    add_note(&shop, 2, T0 + 2, "bo", "foreign");
    add_note(&shop, 3, T0 + 4, "cy", "last");
    add_note(&shop, 1, T0 + 3, "cy", "third");
    shop_commit(&shop);
    struct json *json = recent(&shop, "a", T0 + 1, 200);
    bool is_signed = true;
    assert_int_equal(json_count(json), 3);
    member_is(json_item(json, 0), "text", "last");
    member_is(json_item(json, 0), "threat_id", id_of(3));
    member_is(json_item(json, 1), "text", "third");
    member_is(json_item(json, 1), "author", "cy");
    assert_true(json_get_bool(json_item(json, 1), "signed", &is_signed) && !is_signed);
    assert_true(json_get_bool(json_item(json, 2), "signed", &is_signed) && is_signed);
    member_is(json_item(json, 2), "time", "2026-01-02T03:00:00.000Z");
    member_is_int(json_item(json, 2), "id", 1);
    json_free(json);
    json = recent(&shop, "a", T0 + 2, 200);
    assert_int_equal(json_count(json), 2);
    json_free(json);
    json = recent(&shop, "", 0, 2);
    assert_int_equal(json_count(json), 2);
    json_free(json);
    json = recent(&shop, "c", 0, 200);
    assert_int_equal(json_count(json), 0);
    json_free(json);
    shop_free(&shop);
}

static void other_customers_notes_take_no_room(void **state)
{
    struct shop shop = shop_new(state);
    shop_begin(&shop);
    put_like(&shop, 1, "a", "r1", "t1", "");
    put_like(&shop, 2, "b", "r1", "t1", "");
    add_note(&shop, 1, T0, "bo", "own");
    for (int i = 0; i < 20001; i++)
        add_note(&shop, 2, T0 + 1 + i, "bo", "foreign");
    shop_commit(&shop);
    struct json *json = recent(&shop, "a", 0, 200);
    assert_int_equal(json_count(json), 1);
    member_is(json_item(json, 0), "text", "own");
    json_free(json);
    shop_free(&shop);
}

static void long_texts_are_cut_where_that_is_asked(void **state)
{
    struct shop shop = shop_new(state);
    struct note_query query = {STR("a"), 0, 200, 3};
    struct buf out = BUF_EMPTY;
    shop_begin(&shop);
    put_like(&shop, 1, "a", "r1", "t1", "");
    add_note(&shop, 1, T0, "bo", "abcd");
    add_note(&shop, 1, T0 + 1, "bo", "ab\u00e4");
    add_note(&shop, 1, T0 + 2, "bo", "abc");
    shop_commit(&shop);
    ok(store_notes_recent(shop.reader, &query, &out, &shop.err), &shop.err);
    struct json *json = json_of(&out);
    member_is(json_item(json, 0), "text", "abc");
    member_is(json_item(json, 1), "text", "ab");
    member_is(json_item(json, 2), "text", "abc");
    json_free(json);
    buf_free(&out);
    json = recent(&shop, "a", 0, 1);
    assert_int_equal(json_count(json), 1);
    json_free(json);
    json = recent(&shop, "a", T0, 200);
    member_is(json_item(json, 2), "text", "abcd");
    json_free(json);
    shop_free(&shop);
}

static void at_most_200_notes_are_given(void **state)
{
    struct shop shop = shop_new(state);
    struct buf out = BUF_EMPTY;
    shop_begin(&shop);
    put_like(&shop, 1, "a", "r1", "t1", "");
    for (int i = 0; i < 201; i++)
        add_note(&shop, 1, T0 + i, "bo", "x");
    shop_commit(&shop);
    struct json *json = recent(&shop, "a", 0, 1000);
    assert_int_equal(json_count(json), 200);
    json_free(json);
    ok(store_notes(shop.reader, str_from(id_of(1)), STR("a"), 1000, &out, &shop.err), &shop.err);
    json = json_of(&out);
    assert_int_equal(json_count(json), 200);
    member_is_int(json_item(json, 0), "id", 201);
    json_free(json);
    buf_clear(&out);
    assert_int_equal(store_notes(shop.reader, str_from(id_of(1)), STR("b"), 9, &out, &shop.err), -1);
    assert_int_equal(shop.err.code, ERR_NOT_FOUND);
    assert_int_equal(store_notes(shop.reader, STR("nobody"), STR(""), 9, &out, &shop.err), -1);
    assert_int_equal(shop.err.code, ERR_NOT_FOUND);
    buf_free(&out);
    shop_free(&shop);
}

/* 't', 'f', 'n' for each note, in the order they were written. */
static void audited_are(struct shop *shop, const char *expected)
{
    struct buf out = BUF_EMPTY;
    char seen[32] = "";
    ok(store_notes(shop->reader, str_from(id_of(1)), STR(""), 31, &out, &shop->err), &shop->err);
    struct json *json = json_of(&out);
    size_t count = json_count(json);
    for (size_t i = 0; i < count; i++) {
        bool audited;
        const struct json *note = json_item(json, count - 1 - i);
        seen[i] = json_get_bool(note, "audited", &audited) ? audited ? 't' : 'f' : 'n';
    }
    assert_string_equal(seen, expected);
    json_free(json);
    buf_free(&out);
}

static void a_note_is_audited_where_a_record_speaks_of_it(void **state)
{
    struct shop shop = shop_new(state);
    static const struct {
        const char *why, *author, *detail;
        uint64_t threat;
        int64_t after_ns;
        char audited;
    } cases[] = {
        {"as the API does it", "bo", "{\"text\":\"note 0\"}", 1, 5, 't'},
        {"another text", "bo", "{\"text\":\"note\"}", 1, 5, 'f'},
        {"another author", "cy", "{\"text\":\"note 2\"}", 1, 5, 'f'},
        {"another threat", "bo", "{\"text\":\"note 3\"}", 2, 5, 'f'},
        {"an hour later", "bo", "{\"text\":\"note 4\"}", 1, HOUR, 'f'},
        {"by its id", "bo", "{\"note_id\":6}", 1, -5, 't'},
        {"by another id", "bo", "{\"note_id\":6,\"text\":\"note 6\"}", 1, 5, 'f'},
        {"no detail", "bo", "", 1, 5, 'f'},
    };
    const size_t count = sizeof cases / sizeof *cases;
    char expected[32] = "";
    shop_begin(&shop);
    put_like(&shop, 1, "a", "r1", "t1", "");
    put_like(&shop, 2, "a", "r1", "t1", "");
    for (size_t i = 0; i < count; i++) {
        char text[16];
        int64_t at = T0 + (int64_t)i * 24 * HOUR;
        snprintf(text, sizeof text, "note %zu", i);
        add_note(&shop, 1, at, "bo", text);
        audit(&shop, cases[i].threat, at + cases[i].after_ns, cases[i].author, cases[i].detail);
        expected[i] = cases[i].audited;
    }
    ok(store_audit(shop.store, T0 + 24 * HOUR, STR("bo"), STR("threat.patch"), str_from(id_of(1)),
                   STR("{\"text\":\"note 1\"}"), &shop.err),
       &shop.err);
    shop_commit(&shop);
    audited_are(&shop, expected);
    shop_free(&shop);
}

static void of_notes_older_than_the_audit_nothing_is_said(void **state)
{
    struct shop shop = shop_new(state);
    size_t deleted;
    shop_begin(&shop);
    put_like(&shop, 1, "a", "r1", "t1", "");
    add_note(&shop, 1, T0, "bo", "old");
    audit(&shop, 1, T0, "bo", "{\"text\":\"old\"}");
    add_note(&shop, 1, T0 + HOUR, "bo", "new");
    ok(store_retain(shop.store, 0, T0, 9, &deleted, &shop.err), &shop.err); /* nothing goes */
    shop_commit(&shop);
    audited_are(&shop, "tf");
    shop_begin(&shop);
    ok(store_retain(shop.store, 0, T0 + 1, 9, &deleted, &shop.err), &shop.err);
    assert_int_equal(deleted, 1);
    shop_commit(&shop);
    audited_are(&shop, "nf");
    shop_free(&shop);
}

int main(void)
{
    log_level_set(LOG_OFF);
    const struct CMUnitTest tests[] = {
        on_both(threats_are_alike_by_rule_type_and_entities),
        on_both(a_similar_threat_says_how_it_ended),
        on_both(shadow_suppressed_and_foreign_threats_are_no_history),
        on_both(among_thousands_the_most_alike_are_found),
        on_both(notes_are_listed_newest_first_of_one_customer),
        on_both(other_customers_notes_take_no_room),
        on_both(long_texts_are_cut_where_that_is_asked),
        on_both(at_most_200_notes_are_given),
        on_both(a_note_is_audited_where_a_record_speaks_of_it),
        on_both(of_notes_older_than_the_audit_nothing_is_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
