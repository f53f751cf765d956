/* Hashes and compression. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <zlib.h>

#include "base/compress.h"
#include "base/err.h"
#include "base/hash.h"
#include "base/id.h"

static void test_sha_256_and_hmac_give_the_published_values(void **state)
{
    (void)state;
    char hex[65];
    uint8_t mac[32];
    hash_sha256_hex(STR("abc"), hex);
    assert_string_equal(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    hash_sha256_hex(STR(""), hex);
    assert_string_equal(hex, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    hash_hmac_sha256(STR("Jefe"), STR("what do ya want for nothing?"), mac);
    id_hex(mac, 32, hex);
    assert_string_equal(hex, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    hash_hmac_sha256(STR(""), STR(""), mac);
    id_hex(mac, 32, hex);
    assert_string_equal(hex, "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad");
}

static void test_siphash_gives_the_published_values(void **state)
{
    (void)state;
    uint8_t key[16];
    char text[16];
    for (int i = 0; i < 16; i++) {
        key[i] = (uint8_t)i;
        text[i] = (char)i;
    }
    assert_true(hash_keyed((struct str){text, 0}, key) == UINT64_C(0x726fdb47dd0e0e31));
    assert_true(hash_keyed((struct str){text, 8}, key) == UINT64_C(0x93f5f5799a932462));
    assert_true(hash_keyed((struct str){text, 15}, key) == UINT64_C(0xa129ca6149be45e5));
}

static void test_crc_32c_gives_the_published_value_both_ways(void **state)
{
    (void)state;
    char bytes[300];
    assert_int_equal(hash_crc32c(STR("123456789"), 0), 0xe3069283);
    assert_int_equal(hash_crc32c_portable(STR("123456789"), 0), 0xe3069283);
    assert_int_equal(hash_crc32c(STR(""), 0), 0);
    id_random(bytes, sizeof(bytes));
    for (size_t len = 0; len <= sizeof(bytes); len++) {
        struct str whole = {bytes, len}, head = {bytes, len / 3}, tail = {bytes + len / 3, len - len / 3};
        uint32_t crc = hash_crc32c(whole, 0);
        assert_int_equal(hash_crc32c_portable(whole, 0), crc);
        assert_int_equal(hash_crc32c(tail, hash_crc32c(head, 0)), crc);
    }
}

static void test_an_id_depends_on_where_its_parts_end(void **state)
{
    (void)state;
    const struct str first[] = {STR("a"), STR("bc")}, second[] = {STR("ab"), STR("c")},
                     third[] = {STR("abc")}, empty[] = {STR("abc"), STR("")};
    struct id128 ids[] = {hash_id(first, 2), hash_id(second, 2), hash_id(third, 1), hash_id(empty, 2)};
    for (int i = 0; i < 4; i++)
        for (int j = 0; j < 4; j++)
            assert_int_equal(id128_compare(&ids[i], &ids[j]) == 0, i == j);
    struct id128 again = hash_id(first, 2);
    assert_int_equal(id128_compare(&again, &ids[0]), 0);
}

static void test_the_fast_hash_sees_every_byte_and_the_seed(void **state)
{
    (void)state;
    char text[70] = {0};
    for (size_t len = 1; len <= sizeof(text); len++) {
        uint64_t plain = hash_fast((struct str){text, len}, 1);
        assert_true(plain != hash_fast((struct str){text, len}, 2));
        assert_true(plain != hash_fast((struct str){text, len - 1}, 1));
        for (size_t i = 0; i < len; i++) {
            text[i] = 1;
            assert_true(plain != hash_fast((struct str){text, len}, 1));
            text[i] = 0;
        }
    }
}

static void test_the_fast_hash_spreads(void **state)
{
    (void)state;
    enum { KEYS = 1 << 14 };
    static unsigned char taken[KEYS];
    unsigned used = 0;
    for (uint32_t i = 0; i < KEYS; i++) {
        uint64_t h = hash_fast((struct str){(const char *)&i, sizeof(i)}, 0) % KEYS;
        used += !taken[h];
        taken[h] = 1;
    }
    /* A random function fills 1 - 1/e of the places: 63.2 %. */
    assert_in_range(used, KEYS * 60 / 100, KEYS * 66 / 100);
}

static void test_comparison_tells_equal_from_different(void **state)
{
    (void)state;
    assert_true(hash_equal("abc", "abc", 3));
    assert_false(hash_equal("abc", "abd", 3));
    assert_true(hash_equal("a", "b", 0));
}

static void test_lz4_gives_back_what_it_took(void **state)
{
    (void)state;
    for (size_t len = 0; len < 200000; len = len * 3 + 1) {
        struct buf in = BUF_EMPTY, packed = BUF_EMPTY, out = BUF_EMPTY;
        for (size_t i = 0; i < len; i++)
            buf_putc(&in, (char)(i * i >> 7));
        compress_lz4(buf_str(&in), &packed);
        struct err err = {0};
        assert_int_equal(decompress_lz4(buf_str(&packed), len, &out, &err), 0);
        assert_true(str_equal(buf_str(&out), buf_str(&in)));
        assert_int_equal(decompress_lz4(buf_str(&packed), len + 1, &out, &err), -1);
        assert_int_equal(err.code, ERR_CORRUPT);
        assert_int_equal(out.len, len);
        if (len) {
            assert_int_equal(decompress_lz4(buf_str(&packed), len - 1, &out, &err), -1);
            packed.len--;
            assert_int_equal(decompress_lz4(buf_str(&packed), len, &out, &err), -1);
        }
        buf_free(&in);
        buf_free(&packed);
        buf_free(&out);
    }
}

static void add_gzip(struct str text, struct buf *out)
{
    z_stream stream = {0};
    assert_int_equal(deflateInit2(&stream, 6, Z_DEFLATED, 16 + MAX_WBITS, 8, Z_DEFAULT_STRATEGY), Z_OK);
    size_t bound = deflateBound(&stream, text.len) + 32;
    stream.next_out = (Bytef *)buf_reserve(out, bound);
    stream.avail_out = (uInt)bound;
    stream.next_in = (Bytef *)(uintptr_t)text.ptr;
    stream.avail_in = (uInt)text.len;
    assert_int_equal(deflate(&stream, Z_FINISH), Z_STREAM_END);
    buf_grew(out, bound - stream.avail_out);
    deflateEnd(&stream);
}

static void test_gzip_is_inflated_member_by_member(void **state)
{
    (void)state;
    struct buf packed = BUF_EMPTY, out = BUF_EMPTY;
    struct err err = {0};
    add_gzip(STR("{\"a\":1}\n"), &packed);
    add_gzip(STR(""), &packed);
    add_gzip(STR("{\"b\":2}\n"), &packed);
    buf_puts(&out, "before ");
    assert_int_equal(decompress_gzip(buf_str(&packed), 1000, 50, &out, &err), 0);
    assert_string_equal(out.ptr, "before {\"a\":1}\n{\"b\":2}\n");
    buf_free(&packed);
    buf_free(&out);
}

static void test_gzip_stops_at_its_limits(void **state)
{
    (void)state;
    struct buf text = BUF_EMPTY, packed = BUF_EMPTY, out = BUF_EMPTY;
    struct err err = {0};
    memset(buf_reserve(&text, 200000), ' ', 200000);
    buf_grew(&text, 200000);
    add_gzip(buf_str(&text), &packed);
    assert_int_equal(decompress_gzip(buf_str(&packed), 200000, 10000, &out, &err), 0);
    assert_int_equal(out.len, 200000);
    buf_clear(&out);
    assert_int_equal(decompress_gzip(buf_str(&packed), 199999, 10000, &out, &err), -1);
    assert_int_equal(err.code, ERR_LIMIT);
    assert_int_equal(out.len, 0);
    unsigned ratio = (unsigned)(200000 / packed.len);
    assert_int_equal(decompress_gzip(buf_str(&packed), 1 << 20, ratio, &out, &err), -1);
    assert_int_equal(err.code, ERR_LIMIT);
    assert_int_equal(decompress_gzip(buf_str(&packed), 1 << 20, ratio + 1, &out, &err), 0);
    buf_free(&text);
    buf_free(&packed);
    buf_free(&out);
}

static void test_torn_gzip_is_refused(void **state)
{
    (void)state;
    struct buf packed = BUF_EMPTY, out = BUF_EMPTY;
    struct err err = {0};
    add_gzip(STR("some text, some text, some text"), &packed);
    for (size_t len = 0; len < packed.len; len++) {
        char *exact = mem_dup(packed.ptr, len);
        assert_int_equal(decompress_gzip((struct str){exact, len}, 1000, 50, &out, &err), -1);
        assert_int_equal(err.code, ERR_INVALID);
        assert_int_equal(out.len, 0);
        free(exact);
    }
    buf_putc(&packed, 'x');
    assert_int_equal(decompress_gzip(buf_str(&packed), 1000, 50, &out, &err), -1);
    packed.len--;
    packed.ptr[packed.len - 6] ^= 1; /* the checksum */
    assert_int_equal(decompress_gzip(buf_str(&packed), 1000, 50, &out, &err), -1);
    assert_int_equal(decompress_gzip(STR("not gzip at all"), 1000, 50, &out, &err), -1);
    buf_free(&packed);
    buf_free(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sha_256_and_hmac_give_the_published_values),
        cmocka_unit_test(test_siphash_gives_the_published_values),
        cmocka_unit_test(test_crc_32c_gives_the_published_value_both_ways),
        cmocka_unit_test(test_an_id_depends_on_where_its_parts_end),
        cmocka_unit_test(test_the_fast_hash_sees_every_byte_and_the_seed),
        cmocka_unit_test(test_the_fast_hash_spreads),
        cmocka_unit_test(test_comparison_tells_equal_from_different),
        cmocka_unit_test(test_lz4_gives_back_what_it_took),
        cmocka_unit_test(test_gzip_is_inflated_member_by_member),
        cmocka_unit_test(test_gzip_stops_at_its_limits),
        cmocka_unit_test(test_torn_gzip_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
