/* The character classes of RFC 9110, 9112 and 3986. Private to net/. */
#ifndef LUNETTE_NET_HTTP_CHARS_H
#define LUNETTE_NET_HTTP_CHARS_H

#include <stdbool.h>
#include <stdint.h>

enum http_class {
    HTTP_CLASS_TOKEN = 1,
    HTTP_CLASS_PATH = 2,       /* of a target: pchar, "/", "?" (without "%") */
    HTTP_CLASS_BARE_QUERY = 4, /* not allowed in a query, but browsers send it */
    HTTP_CLASS_HOST = 8,       /* of a name or an IPv4 address; "_" is common though not legal */
    HTTP_CLASS_CONTROL = 16,
    HTTP_CLASS_DIGIT = 32,
};

extern const uint8_t http_classes[256];

#define HTTP_CLASS_TEST(name, class)                                                                         \
    static inline bool name(char c)                                                                          \
    {                                                                                                        \
        return http_classes[(uint8_t)c] & (class);                                                           \
    }
HTTP_CLASS_TEST(http_is_token, HTTP_CLASS_TOKEN)
HTTP_CLASS_TEST(http_is_path, HTTP_CLASS_PATH)
HTTP_CLASS_TEST(http_is_bare_query, HTTP_CLASS_BARE_QUERY)
HTTP_CLASS_TEST(http_is_host, HTTP_CLASS_HOST)
HTTP_CLASS_TEST(http_is_control, HTTP_CLASS_CONTROL)
HTTP_CLASS_TEST(http_is_digit, HTTP_CLASS_DIGIT)

/* 0 to 15, or -1. */
static inline int http_hex(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

#endif
