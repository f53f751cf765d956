/* SHA-256 through OpenSSL's plain functions: the generic interface costs more than hashing an event id. */
#define OPENSSL_SUPPRESS_DEPRECATED

#include "base/hash.h"

#include <openssl/crypto.h>
#include <openssl/hmac.h>
#include <openssl/sha.h>

#include "base/err.h"
#include "base/id.h"

static uint64_t load64(const unsigned char *at)
{
    uint64_t v;
    memcpy(&v, at, 8);
    return v;
}

static uint64_t load32(const unsigned char *at)
{
    uint32_t v;
    memcpy(&v, at, 4);
    return v;
}

/* Both halves of a 128-bit product, folded: one multiplication mixes 16 bytes. */
static uint64_t mix(uint64_t a, uint64_t b)
{
    __uint128_t product = (__uint128_t)a * b;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

#define K0 UINT64_C(0x9e3779b97f4a7c15)
#define K1 UINT64_C(0xc2b2ae3d27d4eb4f)
#define K2 UINT64_C(0x165667b19e3779f9)

uint64_t hash_fast(struct str s, uint64_t seed)
{
    const unsigned char *at = (const unsigned char *)s.ptr;
    size_t left = s.len;
    uint64_t h = mix(seed ^ K0, (uint64_t)s.len ^ K1);
    for (; left > 16; at += 16, left -= 16)
        h = mix(load64(at) ^ h, load64(at + 8) ^ K2);
    uint64_t a = 0, b = 0;
    if (left >= 8) {
        a = load64(at);
        b = load64(at + left - 8);
    } else if (left >= 4) {
        a = load32(at);
        b = load32(at + left - 4);
    } else if (left) {
        a = (uint64_t)at[0] << 16 | (uint64_t)at[left / 2] << 8 | at[left - 1];
    }
    return mix(mix(a ^ h, b ^ K2), h ^ K0);
}

static uint64_t rotate(uint64_t v, int bits)
{
    return v << bits | v >> (64 - bits);
}

static void sip_round(uint64_t v[4])
{
    v[0] += v[1];
    v[1] = rotate(v[1], 13) ^ v[0];
    v[0] = rotate(v[0], 32);
    v[2] += v[3];
    v[3] = rotate(v[3], 16) ^ v[2];
    v[0] += v[3];
    v[3] = rotate(v[3], 21) ^ v[0];
    v[2] += v[1];
    v[1] = rotate(v[1], 17) ^ v[2];
    v[2] = rotate(v[2], 32);
}

uint64_t hash_keyed(struct str s, const uint8_t key[16])
{
    uint64_t k0 = load64(key), k1 = load64(key + 8);
    uint64_t v[4] = {k0 ^ UINT64_C(0x736f6d6570736575), k1 ^ UINT64_C(0x646f72616e646f6d),
                     k0 ^ UINT64_C(0x6c7967656e657261), k1 ^ UINT64_C(0x7465646279746573)};
    const unsigned char *at = (const unsigned char *)s.ptr;
    size_t left = s.len;
    for (; left >= 8; at += 8, left -= 8) {
        uint64_t word = load64(at);
        v[3] ^= word;
        sip_round(v);
        sip_round(v);
        v[0] ^= word;
    }
    uint64_t last = (uint64_t)s.len << 56;
    for (size_t i = 0; i < left; i++)
        last |= (uint64_t)at[i] << (8 * i);
    v[3] ^= last;
    sip_round(v);
    sip_round(v);
    v[0] ^= last;
    v[2] ^= 0xff;
    for (int i = 0; i < 4; i++)
        sip_round(v);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

static void put_length(unsigned char prefix[8], uint64_t len)
{
    for (int b = 0; b < 8; b++)
        prefix[b] = (unsigned char)(len >> (8 * b));
}

/* Parts are gathered: a call of the library costs more than copying an event id. */
struct id128 hash_id(const struct str *parts, size_t count)
{
    unsigned char gathered[512], digest[32];
    size_t used = 0;
    SHA256_CTX context;
    SHA256_Init(&context);
    for (size_t i = 0; i < count; i++) {
        if (sizeof(gathered) - used < 8 + parts[i].len) {
            SHA256_Update(&context, gathered, used);
            used = 0;
        }
        put_length(gathered + used, parts[i].len);
        used += 8;
        if (parts[i].len > sizeof(gathered) - 8) {
            SHA256_Update(&context, gathered, used);
            SHA256_Update(&context, parts[i].ptr, parts[i].len);
            used = 0;
        } else if (parts[i].len) {
            memcpy(gathered + used, parts[i].ptr, parts[i].len);
            used += parts[i].len;
        }
    }
    SHA256_Update(&context, gathered, used);
    SHA256_Final(digest, &context);
    struct id128 id;
    memcpy(id.bytes, digest, sizeof(id.bytes));
    return id;
}

void hash_sha256(struct str s, uint8_t out[32])
{
    SHA256_CTX context;
    SHA256_Init(&context);
    if (s.len)
        SHA256_Update(&context, s.ptr, s.len);
    SHA256_Final(out, &context);
}

void hash_sha256_hex(struct str s, char out[65])
{
    uint8_t digest[32];
    hash_sha256(s, digest);
    id_hex(digest, sizeof(digest), out);
}

void hash_hmac_sha256(struct str key, struct str s, uint8_t out[32])
{
    if (key.len > INT32_MAX)
        die("an HMAC key of %zu bytes", key.len);
    unsigned len = 32;
    const void *key_bytes = key.len ? key.ptr : "";
    const unsigned char *bytes = (const unsigned char *)(s.len ? s.ptr : "");
    if (!HMAC(EVP_sha256(), key_bytes, (int)key.len, bytes, s.len, out, &len))
        die("HMAC-SHA256 fails");
}

bool hash_equal(const void *a, const void *b, size_t len)
{
    return CRYPTO_memcmp(a, b, len) == 0;
}
