/* What the tests of the book stand on: a store in memory with its commits, and firings. */
#ifndef LUNETTE_SPEC_BOOK_SHELF_H
#define LUNETTE_SPEC_BOOK_SHELF_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#include "pipeline/book.h"

#define HOUR (3600 * NS_PER_S)

/* ---- a store in memory ---- */

struct row {
    char id[UUID_TEXT];
    struct buf packed;
    VEC(struct id128) members;
};

struct shelf {
    VEC(struct row) rows;
    size_t family_reads;
    bool broken;
    struct book *book;
};

static struct clock_virtual now = {.now_ns = 0};

static struct row *row_of(struct shelf *shelf, struct str id)
{
    for (size_t i = 0; i < shelf->rows.count; i++) {
        if (str_equal(str_from(shelf->rows.items[i].id), id))
            return &shelf->rows.items[i];
    }
    return NULL;
}

static struct threat *take_out(const struct row *row)
{
    struct err err = {0};
    struct threat *threat = threat_unpack(buf_str(&row->packed), &err);
    if (!threat)
        fail_msg("%s", err_text(&err));
    return threat;
}

static int newest_first(const void *a, const void *b)
{
    const struct threat *left = *(struct threat *const *)a, *right = *(struct threat *const *)b;
    return (left->anchor_ns < right->anchor_ns) - (left->anchor_ns > right->anchor_ns);
}

static int load_family(void *context, struct str rule_id, struct str customer, struct str dedup_key,
                       struct threat **threats, size_t max, size_t *count, struct err *err)
{
    struct shelf *shelf = context;
    VEC(struct threat *) found = {0};
    if (shelf->broken)
        return err_set(err, ERR_IO, "the shelf is broken");
    shelf->family_reads++;
    for (size_t i = 0; i < shelf->rows.count; i++) {
        struct threat *t = take_out(&shelf->rows.items[i]);
        if (str_equal(t->rule_id, rule_id) && str_equal(t->customer, customer) &&
            str_equal(t->dedup_key, dedup_key))
            vec_push(&found, t);
        else
            threat_free(t);
    }
    if (found.count)
        qsort(found.items, found.count, sizeof(*found.items), newest_first);
    *count = 0;
    for (size_t i = 0; i < found.count; i++) {
        if (*count < max)
            threats[(*count)++] = found.items[i];
        else
            threat_free(found.items[i]);
    }
    vec_free(&found);
    return 0;
}

static int load_members(void *context, const char *threat_id, struct id128 *ids, size_t max, size_t *count,
                        struct err *err)
{
    struct shelf *shelf = context;
    struct row *row = row_of(shelf, str_from(threat_id));
    if (shelf->broken || !row)
        return err_set(err, ERR_IO, "the shelf is broken");
    *count = row->members.count < max ? row->members.count : max;
    memcpy(ids, row->members.items, *count * sizeof(*ids));
    return 0;
}

static struct threat *load_threat(void *context, struct str id, struct err *err)
{
    struct row *row = row_of(context, id);
    if (!row)
        err_set(err, ERR_NOT_FOUND, "no threat %.*s", STR_ARG(id));
    return row ? take_out(row) : NULL;
}

static void open_book(struct shelf *shelf, size_t families)
{
    struct book_source source = {shelf, load_family, load_members, load_threat};
    book_free(shelf->book);
    shelf->book = book_new(&source, families, &now.clock);
}

static void put_row(struct shelf *shelf, const struct book_change *change)
{
    struct row *row = row_of(shelf, str_from(change->threat->id));
    assert_int_equal(row == NULL, change->is_new);
    if (!row) {
        struct row added = {0};
        memcpy(added.id, change->threat->id, sizeof(added.id));
        vec_push(&shelf->rows, added);
        row = &shelf->rows.items[shelf->rows.count - 1];
    }
    buf_clear(&row->packed);
    threat_pack(change->threat, &row->packed);
    for (size_t i = 0; i < change->member_count; i++)
        vec_push(&row->members, change->members[i]);
}

/* What the writer does: stores all changes, then cleans them. Returns how many there were. */
static size_t commit(struct shelf *shelf, bool urgent_only)
{
    VEC(struct threat *) stored = {0};
    struct book_change change;
    size_t at = 0, n;
    while (book_next_change(shelf->book, &at, urgent_only, &change)) {
        put_row(shelf, &change);
        vec_push(&stored, change.threat);
    }
    assert_int_equal(stored.count, book_changes(shelf->book, urgent_only));
    for (size_t i = 0; i < stored.count; i++)
        book_clean(shelf->book, stored.items[i]);
    n = stored.count;
    vec_free(&stored);
    assert_int_equal(book_changes(shelf->book, urgent_only), 0);
    return n;
}

static void close_shelf(struct shelf *shelf)
{
    book_free(shelf->book);
    for (size_t i = 0; i < shelf->rows.count; i++) {
        buf_free(&shelf->rows.items[i].packed);
        vec_free(&shelf->rows.items[i].members);
    }
    vec_free(&shelf->rows);
}

static struct shelf new_shelf(void)
{
    struct shelf shelf = {0};
    clock_virtual_init(&now, 1000 * HOUR);
    return shelf;
}

/* ---- firings ---- */

static struct firing make_firing(int64_t seconds, uint32_t id)
{
    static char context[64];
    snprintf(context, sizeof(context), "{\"n\":%u}", id);
    struct firing firing = {
        .rule_id = STR("identity.mfa_fatigue"),
        .rule_title = STR("Repeated prompts"),
        .type = STR("anomaly_detection"),
        .runbook = STR("Call the user."),
        .customer = STR("acme"),
        .dedup_key = STR("ana"),
        .title = STR("MFA fatigue: ana"),
        .rule_version = 3,
        .dedup_window_ns = HOUR,
        .time_ns = seconds * NS_PER_S,
        .accepted_ns = now.now_ns,
        .base_count = 1,
        .severity = SEVERITY_MEDIUM,
        .context = str_from(context),
    };
    for (int i = 0; i < 4; i++)
        firing.event.bytes[i] = (uint8_t)(id >> (24 - 8 * i));
    return firing;
}

static struct raise_result raise_it(struct shelf *shelf, const struct firing *firing)
{
    struct raise_result result;
    struct err err = {0};
    if (book_raise(shelf->book, firing, &result, &err) != 0)
        fail_msg("%s", err_text(&err));
    return result;
}

__attribute__((unused)) static struct raise_result raise_at(struct shelf *shelf, int64_t seconds, uint32_t id)
{
    struct firing firing = make_firing(seconds, id);
    return raise_it(shelf, &firing);
}

#endif
