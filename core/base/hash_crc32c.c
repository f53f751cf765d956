#include <pthread.h>

#include "base/hash.h"

#define CRC32C_REFLECTED UINT32_C(0x82f63b78)

static uint32_t tables[8][256]; /* tables[n][b]: what byte b does n bytes further on */
static uint32_t (*crc_of)(const unsigned char *at, size_t len, uint32_t crc);
static pthread_once_t once = PTHREAD_ONCE_INIT;

static uint32_t crc_by_table(const unsigned char *at, size_t len, uint32_t crc)
{
    for (; len >= 8; at += 8, len -= 8) {
        crc ^= (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
        crc = tables[7][crc & 0xff] ^ tables[6][crc >> 8 & 0xff] ^ tables[5][crc >> 16 & 0xff] ^
              tables[4][crc >> 24] ^ tables[3][at[4]] ^ tables[2][at[5]] ^ tables[1][at[6]] ^
              tables[0][at[7]];
    }
    for (; len; at++, len--)
        crc = crc >> 8 ^ tables[0][(crc ^ *at) & 0xff];
    return crc;
}

#ifdef __x86_64__
__attribute__((target("sse4.2"))) static uint32_t crc_by_instruction(const unsigned char *at, size_t len,
                                                                     uint32_t crc)
{
    uint64_t wide = crc;
    for (; len >= 8; at += 8, len -= 8) {
        uint64_t word;
        memcpy(&word, at, 8);
        wide = __builtin_ia32_crc32di(wide, word);
    }
    crc = (uint32_t)wide;
    for (; len; at++, len--)
        crc = __builtin_ia32_crc32qi(crc, *at);
    return crc;
}
#endif

static void setup(void)
{
    for (uint32_t b = 0; b < 256; b++) {
        uint32_t crc = b;
        for (int bit = 0; bit < 8; bit++)
            crc = crc & 1 ? crc >> 1 ^ CRC32C_REFLECTED : crc >> 1;
        tables[0][b] = crc;
    }
    for (int n = 1; n < 8; n++)
        for (int b = 0; b < 256; b++)
            tables[n][b] = tables[n - 1][b] >> 8 ^ tables[0][tables[n - 1][b] & 0xff];
    crc_of = crc_by_table;
#ifdef __x86_64__
    if (__builtin_cpu_supports("sse4.2"))
        crc_of = crc_by_instruction;
#endif
}

uint32_t hash_crc32c(struct str s, uint32_t seed)
{
    pthread_once(&once, setup);
    return ~crc_of((const unsigned char *)s.ptr, s.len, ~seed);
}

uint32_t hash_crc32c_portable(struct str s, uint32_t seed)
{
    pthread_once(&once, setup);
    return ~crc_by_table((const unsigned char *)s.ptr, s.len, ~seed);
}
