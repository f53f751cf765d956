/* A store with one reader, on disk or in memory, as the test's state says. */
#ifndef LUNETTE_SPEC_STORE_FIXTURE_H
#define LUNETTE_SPEC_STORE_FIXTURE_H

#include "core/data/journal_fixture.h"
#include "core/data/threat_fixture.h"
#include "data/store.h"

__attribute__((unused)) static int on_disk = 1, in_memory = 0; /* what `state` of a test points to */

struct shop {
    struct folder folder;
    struct buf path;
    bool disk;
    struct store *store;
    struct store_reader *reader;
    struct err err;
};

static inline void shop_open(struct shop *shop)
{
    shop->store = store_open(shop->disk ? shop->path.ptr : NULL, &shop->err);
    if (!shop->store)
        fail_msg("%s", err_text(&shop->err));
    shop->reader = store_reader_open(shop->store, &shop->err);
    if (!shop->reader)
        fail_msg("%s", err_text(&shop->err));
}

static inline void shop_close(struct shop *shop)
{
    store_reader_close(shop->reader);
    store_close(shop->store);
    shop->reader = NULL;
    shop->store = NULL;
}

static inline struct shop shop_new(void **state)
{
    struct shop shop = {.disk = *(int *)*state != 0};
    shop.folder = folder_make_fast();
    folder_file(&shop.folder, "store.db", &shop.path);
    shop_open(&shop);
    return shop;
}

static inline void shop_free(struct shop *shop)
{
    shop_close(shop);
    folder_remove(&shop->folder);
    buf_free(&shop->path);
}

/* Fails the test with the error's text. */
#define ok(call, err)                                                                                        \
    do {                                                                                                     \
        if ((call) != 0)                                                                                     \
            fail_msg("%s: %s", #call, err_text(err));                                                        \
    } while (0)

static inline void shop_begin(struct shop *shop)
{
    ok(store_begin(shop->store, &shop->err), &shop->err);
}

static inline void shop_commit(struct shop *shop)
{
    ok(store_commit(shop->store, &shop->err), &shop->err);
}

/* Stores the threat as new (seq 0) or as changed. Inside a transaction. */
static inline void shop_put(struct shop *shop, struct threat *threat)
{
    bool is_new = threat->seq == 0;
    threat->last_seq = store_next_seq(shop->store);
    threat->seq = is_new ? threat->last_seq : threat->seq;
    ok(store_put_threat(shop->store, threat, is_new, &shop->err), &shop->err);
}

static inline void shop_put_now(struct shop *shop, struct threat *threat)
{
    shop_begin(shop);
    shop_put(shop, threat);
    shop_commit(shop);
}

static inline struct json *shop_get(struct shop *shop, const char *id)
{
    struct buf out = BUF_EMPTY;
    uint32_t version;
    ok(store_get_threat(shop->reader, str_from(id), STR(""), &version, &out, &shop->err), &shop->err);
    struct json *json = json_of(&out);
    member_is_int(json, "version", version);
    buf_free(&out);
    return json;
}

static inline struct threat_query query_all(void)
{
    return (struct threat_query){.review = -1, .limit = 1000, .row = true};
}

static inline struct json *shop_query(struct shop *shop, const struct threat_query *query,
                                      struct threat_page *page)
{
    struct buf out = BUF_EMPTY;
    ok(store_query(shop->reader, query, page, &out, &shop->err), &shop->err);
    struct json *json = json_of(&out);
    assert_int_equal(json_count(json), page->count);
    buf_free(&out);
    return json;
}

static inline size_t shop_count(struct shop *shop, const struct threat_query *query)
{
    struct threat_page page;
    json_free(shop_query(shop, query, &page));
    assert_int_equal(page.total, page.count);
    assert_false(page.total_is_bound);
    return page.count;
}

static inline struct json *shop_analytics(struct shop *shop, const char *customer, int64_t since_ns)
{
    struct buf out = BUF_EMPTY;
    ok(store_analytics(shop->reader, str_from(customer), since_ns, 0, &out, &shop->err), &shop->err);
    struct json *json = json_of(&out);
    buf_free(&out);
    return json;
}

#define on_both(test)                                                                                        \
    {"on disk: " #test, test, NULL, NULL, &on_disk},                                                         \
    {                                                                                                        \
        "in memory: " #test, test, NULL, NULL, &in_memory                                                    \
    }

#endif
