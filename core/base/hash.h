/* Hashes and checksums. Any thread. */
#ifndef LUNETTE_BASE_HASH_H
#define LUNETTE_BASE_HASH_H

#include <stdint.h>

#include "base/str.h"

/* Fast, not against an adversary: tables built from our own rules. */
uint64_t hash_fast(struct str s, uint64_t seed);
/* SipHash-2-4: where an attacker chooses the input (group keys, shards, event maps). */
uint64_t hash_keyed(struct str s, const uint8_t key[16]);
/* 128 bits of SHA-256, over the parts with their lengths, so that ("a","bc") and ("ab","c") differ: event
 * identity. */
struct id128 {
    uint8_t bytes[16];
};
struct id128 hash_id(const struct str *parts, size_t count);
static inline int id128_compare(const struct id128 *a, const struct id128 *b)
{
    return memcmp(a->bytes, b->bytes, 16);
}
/* CRC-32C (Castagnoli), by the processor's instruction where it has one. `seed`: 0, or the result so far. */
uint32_t hash_crc32c(struct str s, uint32_t seed);
/* The same by table: what processors without the instruction get. */
uint32_t hash_crc32c_portable(struct str s, uint32_t seed);
void hash_sha256(struct str s, uint8_t out[32]);
void hash_sha256_hex(struct str s, char out[65]);
void hash_hmac_sha256(struct str key, struct str s, uint8_t out[32]);
/* Constant time. */
bool hash_equal(const void *a, const void *b, size_t len);

#endif
