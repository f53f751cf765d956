#include "base/id.h"

#include <errno.h>
#include <sys/random.h>

#include "base/clock.h"
#include "base/err.h"

void id_random(void *out, size_t len)
{
    char *at = out;
    while (len) {
        ssize_t n = getrandom(at, len, 0);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            die("the kernel gives no random bytes");
        at += n;
        len -= (size_t)n;
    }
}

void id_hex(const void *bytes, size_t len, char *out)
{
    static const char digits[] = "0123456789abcdef";
    const unsigned char *at = bytes;
    for (size_t i = 0; i < len; i++) {
        out[2 * i] = digits[at[i] >> 4];
        out[2 * i + 1] = digits[at[i] & 15];
    }
    out[2 * len] = 0;
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

bool id_unhex(struct str hex, void *out, size_t len)
{
    if (hex.len != 2 * len)
        return false;
    unsigned char *at = out;
    for (size_t i = 0; i < len; i++) {
        int high = hex_value(hex.ptr[2 * i]), low = hex_value(hex.ptr[2 * i + 1]);
        if (high < 0 || low < 0)
            return false;
        at[i] = (unsigned char)(high << 4 | low);
    }
    return true;
}

static bool is_dash_position(size_t i)
{
    return i == 8 || i == 13 || i == 18 || i == 23;
}

bool id_is_uuid(struct str text)
{
    if (text.len != UUID_TEXT - 1)
        return false;
    for (size_t i = 0; i < text.len; i++)
        if (is_dash_position(i) ? text.ptr[i] != '-' : hex_value(text.ptr[i]) < 0)
            return false;
    return true;
}

void id_uuid7(int64_t now_ns, char out[UUID_TEXT])
{
    unsigned char bytes[16];
    id_random(bytes, sizeof(bytes));
    uint64_t ms = (uint64_t)(now_ns / NS_PER_MS);
    for (int i = 0; i < 6; i++)
        bytes[i] = (unsigned char)(ms >> (40 - 8 * i));
    /* RFC 9562, method 3: the 12 bits behind the milliseconds carry their fraction, so that two ids of one
     * millisecond still sort by time. */
    unsigned fraction = (unsigned)((uint64_t)(now_ns % NS_PER_MS) * 4096 / (uint64_t)NS_PER_MS);
    bytes[6] = (unsigned char)(0x70 | fraction >> 8);
    bytes[7] = (unsigned char)fraction;
    bytes[8] = (unsigned char)((bytes[8] & 0x3f) | 0x80);
    char hex[33];
    id_hex(bytes, 16, hex);
    for (size_t i = 0, from = 0; i < UUID_TEXT - 1; i++)
        out[i] = is_dash_position(i) ? '-' : hex[from++];
    out[UUID_TEXT - 1] = 0;
}
