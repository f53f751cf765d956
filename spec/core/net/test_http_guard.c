/* The strict reader: what is accepted, what is refused and with which status, and that it does not matter in
 * which pieces the bytes come. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "net/http_guard.h"

#define GET     "GET / HTTP/1.1\r\n"
#define POST    "POST / HTTP/1.1\r\nHost: a\r\n"
#define CHUNKED POST "Transfer-Encoding: chunked\r\n\r\n"

struct reading {
    int status; /* 0: a whole request; -1: more must come; else refused with it */
    struct buf body;
    size_t used;
};

/* Reads one request out of `bytes`, which come in pieces: the first of `first` bytes, the others of `others`.
 */
static struct reading read_request(struct str bytes, size_t first, size_t others,
                                   const struct http_limits *limits)
{
    struct http_head head = {0};
    struct http_body body = {0};
    struct reading reading = {.status = -1};
    enum http_step step = HTTP_STEP_MORE;
    size_t known = first;
    for (; step == HTTP_STEP_MORE && known <= bytes.len; known += others) {
        step = http_head_feed(&head, (struct str){bytes.ptr, known}, limits);
        if (known == bytes.len)
            break;
        if (known + others > bytes.len)
            others = bytes.len - known;
    }
    if (step == HTTP_STEP_REFUSED)
        reading.status = head.refusal.status;
    if (step == HTTP_STEP_DONE) {
        struct str rest = {bytes.ptr + head.length, bytes.len - head.length};
        step = http_body_start(&body, &head, limits);
        while (step == HTTP_STEP_MORE && rest.len) {
            struct str piece = {rest.ptr, rest.len < others ? rest.len : others};
            size_t before = piece.len;
            step = http_body_feed(&body, &piece, &reading.body);
            rest.ptr += before - piece.len;
            rest.len -= before - piece.len;
        }
        reading.used = bytes.len - rest.len;
        reading.status = step == HTTP_STEP_DONE ? 0 : step == HTTP_STEP_REFUSED ? body.refusal.status : -1;
    }
    http_head_free(&head);
    return reading;
}

static struct reading read_whole(struct str bytes)
{
    return read_request(bytes, bytes.len, bytes.len ? bytes.len : 1, &http_limits_default);
}

struct refused {
    int status;
    const char *what;
    struct str bytes;
};

#define CASE(status, what, bytes)                                                                            \
    {                                                                                                        \
        status, what,                                                                                        \
        {                                                                                                    \
            bytes, sizeof(bytes) - 1                                                                         \
        }                                                                                                    \
    }

static const struct refused refused[] = {
    CASE(400, "bare LF after the request line", "GET / HTTP/1.1\nHost: a\r\n\r\n"),
    CASE(400, "bare LF after a field", GET "Host: a\n\r\n"),
    CASE(400, "bare LF as the last line", GET "Host: a\r\n\n"),
    CASE(400, "bare CR in a value", GET "Host: a\r\nX: a\rb\r\n\r\n"),
    CASE(400, "bare CR instead of the end", GET "Host: a\r\n\rX"),
    CASE(400, "two empty lines in front", "\r\n\r\n" GET "Host: a\r\n\r\n"),
    CASE(400, "a folded value", GET "Host: a\r\nX: a\r\n b\r\n\r\n"),
    CASE(400, "a folded first line", GET " Host: a\r\n\r\n"),
    CASE(400, "a blank before the colon", GET "Host : a\r\n\r\n"),
    CASE(400, "an empty name", GET "Host: a\r\n: b\r\n\r\n"),
    CASE(400, "no colon", GET "Host: a\r\nX\r\n\r\n"),
    CASE(400, "NUL in a value", GET "Host: a\r\nX: a\0b\r\n\r\n"),
    CASE(400, "NUL in a name", GET "Host: a\r\nX\0: b\r\n\r\n"),
    CASE(400, "DEL in a value", GET "Host: a\r\nX: \x7f\r\n\r\n"),
    CASE(400, "a byte above ASCII in a name", GET "Host: a\r\nX\xc3\xa9: b\r\n\r\n"),
    CASE(400, "no Host", GET "\r\n"),
    CASE(400, "two Hosts, the same", GET "Host: a\r\nHost: a\r\n\r\n"),
    CASE(400, "an empty Host", GET "Host: \r\n\r\n"),
    CASE(400, "a Host with a user", GET "Host: u@a\r\n\r\n"),
    CASE(400, "a Host with a path", GET "Host: a/b\r\n\r\n"),
    CASE(400, "a list of Hosts", GET "Host: a, b\r\n\r\n"),
    CASE(400, "a Host with a bad port", GET "Host: a:8x\r\n\r\n"),
    CASE(400, "a Host with an open bracket", GET "Host: [::1\r\n\r\n"),
    CASE(400, "a bad Host in HTTP/1.0", "GET / HTTP/1.0\r\nHost: a b\r\n\r\n"),
    CASE(400, "a tab in the request line", "GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n"),
    CASE(400, "two blanks in the request line", "GET  / HTTP/1.1\r\nHost: a\r\n\r\n"),
    CASE(400, "a blank in the target", "GET /a b HTTP/1.1\r\nHost: a\r\n\r\n"),
    CASE(400, "a blank behind the version", "GET / HTTP/1.1 \r\nHost: a\r\n\r\n"),
    CASE(400, "no target", "GET HTTP/1.1\r\nHost: a\r\n\r\n"),
    CASE(400, "HTTP/0.9", "GET /\r\n\r\n"),
    CASE(400, "a version in lower case", "GET / http/1.1\r\nHost: a\r\n\r\n"),
    CASE(400, "a version of three digits", "GET / HTTP/1.10\r\nHost: a\r\n\r\n"),
    CASE(505, "HTTP/1.2", "GET / HTTP/1.2\r\nHost: a\r\n\r\n"),
    CASE(505, "HTTP/2.0", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    CASE(400, "a TLS greeting", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"),
    CASE(400, "a method without an end", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"),
    CASE(501, "an unknown method", "BREW / HTTP/1.1\r\nHost: a\r\n\r\n"),
    CASE(501, "a method in lower case", "get / HTTP/1.1\r\nHost: a\r\n\r\n"),
    CASE(501, "CONNECT", "CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n"),
    CASE(400, "a target that is no path", "GET a HTTP/1.1\r\nHost: a\r\n\r\n"),
    CASE(400, "* with GET", "GET * HTTP/1.1\r\nHost: a\r\n\r\n"),
    CASE(400, "a fragment", "GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n"),
    CASE(400, "UTF-8 bytes in the path", "GET /\xc3\xa9 HTTP/1.1\r\nHost: a\r\n\r\n"),
    CASE(400, "a quote in the path", "GET /\" HTTP/1.1\r\nHost: a\r\n\r\n"),
    CASE(400, "half an escape", "GET /%4 HTTP/1.1\r\nHost: a\r\n\r\n"),
    CASE(400, "an escape that is none", "GET /%zz HTTP/1.1\r\nHost: a\r\n\r\n"),
    CASE(400, "a URL of another host", "GET http://b/ HTTP/1.1\r\nHost: a\r\n\r\n"),
    CASE(400, "a URL of another scheme", "GET ftp://a/ HTTP/1.1\r\nHost: a\r\n\r\n"),
    CASE(400, "a URL without a host", "GET http:/// HTTP/1.0\r\n\r\n"),
    CASE(400, "length with a sign", POST "Content-Length: +5\r\n\r\nhello"),
    CASE(400, "negative length", POST "Content-Length: -1\r\n\r\n"),
    CASE(400, "hexadecimal length", POST "Content-Length: 0x5\r\n\r\nhello"),
    CASE(400, "length with leading zeros", POST "Content-Length: 05\r\n\r\nhello"),
    CASE(400, "empty length", POST "Content-Length:\r\n\r\n"),
    CASE(400, "length with a blank inside", POST "Content-Length: 1 0\r\n\r\nhellohello"),
    CASE(400, "two lengths", POST "Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello"),
    CASE(400, "two lengths, the same", POST "Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello"),
    CASE(400, "a list of lengths", POST "Content-Length: 5, 5\r\n\r\nhello"),
    CASE(400, "a length beyond 64 bits", POST "Content-Length: 99999999999999999999\r\n\r\n"),
    CASE(400, "length in disguise", POST "Content-Length: 5\r\nContent_Length: 6\r\n\r\nhello"),
    CASE(400, "chunked and length", POST "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    CASE(400, "chunked in HTTP/1.0", "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    CASE(501, "xchunked", POST "Transfer-Encoding: xchunked\r\n\r\n"),
    CASE(501, "gzip, chunked", POST "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"),
    CASE(400, "chunked, gzip", POST "Transfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n"),
    CASE(400, "chunked twice", POST "Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n"),
    CASE(400, "chunked in two fields",
         POST "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n"),
    CASE(400, "empty coding", POST "Transfer-Encoding:\r\n\r\n"),
    CASE(400, "comma before chunked", POST "Transfer-Encoding: , chunked\r\n\r\n"),
    CASE(400, "comma behind chunked", POST "Transfer-Encoding: chunked,\r\n\r\n"),
    CASE(400, "a vertical tab before chunked", POST "Transfer-Encoding: \vchunked\r\n\r\n"),
    CASE(400, "chunked with a parameter", POST "Transfer-Encoding: chunked;a=b\r\n\r\n"),
    CASE(400, "coding in disguise", POST "Transfer_Encoding: chunked\r\n\r\n"),
    CASE(417, "an unknown expectation", GET "Host: a\r\nExpect: tea\r\n\r\n"),
    CASE(400, "two content types", POST "Content-Type: a/b\r\nContent-Type: c/d\r\n\r\n"),
    CASE(400, "two authorizations", GET "Host: a\r\nAuthorization: b\r\nauthorization: c\r\n\r\n"),
    CASE(400, "chunk size with a prefix", CHUNKED "0x5\r\nhello\r\n0\r\n\r\n"),
    CASE(400, "chunk size with a sign", CHUNKED "+5\r\nhello\r\n0\r\n\r\n"),
    CASE(400, "chunk size with a blank behind", CHUNKED "5 \r\nhello\r\n0\r\n\r\n"),
    CASE(400, "chunk size with a blank before", CHUNKED " 5\r\nhello\r\n0\r\n\r\n"),
    CASE(400, "empty chunk size", CHUNKED "\r\nhello\r\n0\r\n\r\n"),
    CASE(400, "chunk size of 17 digits", CHUNKED "00000000000000005\r\nhello\r\n0\r\n\r\n"),
    CASE(413, "chunk size of 64 bits", CHUNKED "ffffffffffffffff\r\nhello"),
    CASE(400, "bare LF behind the chunk size", CHUNKED "5\nhello\r\n0\r\n\r\n"),
    CASE(400, "bare CR behind the chunk size", CHUNKED "5\rhello\r\n0\r\n\r\n"),
    CASE(400, "an extension without a name", CHUNKED "5;\r\nhello\r\n0\r\n\r\n"),
    CASE(400, "an extension without a value", CHUNKED "5;a=\r\nhello\r\n0\r\n\r\n"),
    CASE(400, "a bad extension name", CHUNKED "5;a[=b\r\nhello\r\n0\r\n\r\n"),
    CASE(400, "NUL in an extension", CHUNKED "5;a=\"\0\"\r\nhello\r\n0\r\n\r\n"),
    CASE(400, "an extension with a quote left open", CHUNKED "5;a=\"b\r\nhello\r\n0\r\n\r\n"),
    CASE(400, "text behind a quoted extension", CHUNKED "5;a=\"b\"c\r\nhello\r\n0\r\n\r\n"),
    CASE(400, "more data than the chunk's size", CHUNKED "5\r\nhello!\r\n0\r\n\r\n"),
    CASE(400, "bare LF behind the data", CHUNKED "5\r\nhello\n0\r\n\r\n"),
    CASE(400, "bare LF at the end", CHUNKED "0\r\n\n"),
    CASE(400, "length in the trailer", CHUNKED "0\r\nContent-Length: 5\r\n\r\n"),
    CASE(400, "Host in the trailer", CHUNKED "0\r\nHost: b\r\n\r\n"),
    CASE(400, "a trailer without a colon", CHUNKED "0\r\nX\r\n\r\n"),
    CASE(400, "a folded trailer", CHUNKED "0\r\nX: a\r\n b\r\n\r\n"),
    CASE(400, "NUL in the trailer", CHUNKED "0\r\nX: \0\r\n\r\n"),
};

static void wrong_requests_are_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        struct reading reading = read_whole(refused[i].bytes);
        if (reading.status != refused[i].status)
            fail_msg("%s: expected %d, got %d", refused[i].what, refused[i].status, reading.status);
        buf_free(&reading.body);
    }
}

struct accepted {
    const char *bytes, *body;
};

static const struct accepted accepted[] = {
    {GET "Host: a\r\n\r\n", ""},
    {"\r\n" GET "Host: a\r\n\r\n", ""},
    {GET "Host: a:8080\r\n\r\n", ""},
    {GET "Host: [::1]:8080\r\n\r\n", ""},
    {GET "host:\t a_b.c \t\r\n\r\n", ""},
    {"GET / HTTP/1.0\r\n\r\n", ""},
    {"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", ""},
    {"GET http://A:1/b?c HTTP/1.1\r\nHost: a:1\r\n\r\n", ""},
    {"GET http://a/ HTTP/1.0\r\n\r\n", ""},
    {"GET /a%2Fb/(c);d=e,f:@!$&'*+~._-?g=h|{}[]\"<>^`\\/? HTTP/1.1\r\nHost: a\r\n\r\n", ""},
    {GET "Host: a\r\nX:\r\nY: \xff\xfe\t\"b\r\n\r\n", ""},
    {GET "Host: a\r\nConnection: a\r\nConnection: b\r\nX_Y: c\r\n\r\n", ""},
    {POST "Content-Length: 5\r\n\r\nhello", "hello"},
    {POST "Content-Length: 0\r\n\r\n", ""},
    {POST "content-length: \t5\t \r\n\r\nhello", "hello"},
    {POST "\r\n", ""},
    {"POST / HTTP/1.0\r\nContent-Length: 2\r\n\r\nhi", "hi"},
    {CHUNKED "5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n", "hello world"},
    {CHUNKED "00a\r\n0123456789\r\n000\r\n\r\n", "0123456789"},
    {CHUNKED "A;b;c=d;e=\"f\\\"; g\"\r\n0123456789\r\n0;x\r\n\r\n", "0123456789"},
    {CHUNKED "0\r\nX-Sum: abc\r\nY:\r\n\r\n", ""},
    {POST "transfer-encoding: CHUNKED \r\n\r\n1\r\na\r\n0\r\n\r\n", "a"},
    {POST "Expect: 100-Continue\r\nContent-Length: 1\r\n\r\nx", "x"},
};

static void right_requests_are_read_to_their_exact_end(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof accepted / sizeof *accepted; i++) {
        char bytes[512];
        size_t len = (size_t)snprintf(bytes, sizeof bytes, "%sNEXT", accepted[i].bytes);
        struct reading reading = read_whole((struct str){bytes, len});
        if (reading.status != 0)
            fail_msg("%s: refused with %d", accepted[i].bytes, reading.status);
        assert_true(str_is(buf_str(&reading.body), accepted[i].body));
        assert_int_equal(reading.used, len - 4);
        buf_free(&reading.body);
    }
}

static void assert_same_in_pieces(struct str bytes)
{
    struct reading whole = read_whole(bytes);
    for (size_t first = 0; first <= bytes.len; first++) {
        for (size_t others = 1; others <= bytes.len; others = others < 3 ? others + 1 : others * 5) {
            struct reading pieces = read_request(bytes, first, others, &http_limits_default);
            if (pieces.status != whole.status || !str_equal(buf_str(&pieces.body), buf_str(&whole.body)))
                fail_msg("%s: %d in one piece, %d in pieces of %zu, %zu", bytes.ptr, whole.status,
                         pieces.status, first, others);
            buf_free(&pieces.body);
        }
    }
    buf_free(&whole.body);
}

static void pieces_make_no_difference(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++)
        assert_same_in_pieces(refused[i].bytes);
    for (size_t i = 0; i < sizeof accepted / sizeof *accepted; i++)
        assert_same_in_pieces(str_from(accepted[i].bytes));
}

/* Every prefix of a right request waits for more: nothing is decided too early. */
static void half_a_request_is_neither_accepted_nor_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof accepted / sizeof *accepted; i++)
        for (size_t len = 0; len < strlen(accepted[i].bytes); len++) {
            struct reading reading = read_whole((struct str){accepted[i].bytes, len});
            if (reading.status != -1)
                fail_msg("%.*s: %d", (int)len, accepted[i].bytes, reading.status);
            buf_free(&reading.body);
        }
}

static void status_is(int status, const struct buf *bytes, const struct http_limits *limits)
{
    struct reading reading = read_request(buf_str(bytes), bytes->len, 1000, limits);
    assert_int_equal(reading.status, status);
    buf_free(&reading.body);
}

static void repeat(struct buf *out, const char *text, size_t count)
{
    while (count--)
        buf_puts(out, text);
}

/* Each limit: the last that fits, and the first that does not. */
static void request_line_is_limited(void **state)
{
    (void)state;
    for (int over = 0; over <= 1; over++) {
        struct buf bytes = BUF_EMPTY;
        buf_puts(&bytes, "GET /");
        repeat(&bytes, "a", 8192 - strlen("GET / HTTP/1.1\r\n") + (size_t)over);
        buf_puts(&bytes, " HTTP/1.1\r\nHost: a\r\n\r\n");
        status_is(over ? 414 : 0, &bytes, &http_limits_default);
        buf_free(&bytes);
    }
}

static void fields_are_limited_in_number_and_size(void **state)
{
    (void)state;
    for (size_t over = 0; over <= 1; over++) {
        struct buf many = BUF_EMPTY, large = BUF_EMPTY;
        buf_puts(&many, GET "Host: a\r\n");
        repeat(&many, "X: y\r\n", 99 + over);
        buf_puts(&many, "\r\n");
        status_is(over ? 431 : 0, &many, &http_limits_default);
        buf_puts(&large, GET "Host: a\r\nX: ");
        repeat(&large, "b", 32768 - strlen("Host: a\r\nX: \r\n\r\n") + over);
        buf_puts(&large, "\r\n\r\n");
        status_is(over ? 431 : 0, &large, &http_limits_default);
        buf_free(&many);
        buf_free(&large);
    }
}

static void body_is_limited(void **state)
{
    (void)state;
    struct http_limits limits = http_limits_default;
    limits.body = 10;
    static const struct {
        int status;
        const char *bytes;
    } cases[] = {
        {0, POST "Content-Length: 10\r\n\r\n0123456789"},
        {413, POST "Content-Length: 11\r\n\r\n"},
        {0, CHUNKED "5\r\n01234\r\n5\r\n01234\r\n0\r\n\r\n"},
        {413, CHUNKED "5\r\n01234\r\n6\r\n"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct buf bytes = BUF_EMPTY;
        buf_puts(&bytes, cases[i].bytes);
        status_is(cases[i].status, &bytes, &limits);
        buf_free(&bytes);
    }
}

static void chunks_may_not_be_mostly_framing(void **state)
{
    (void)state;
    struct buf small = BUF_EMPTY, padded = BUF_EMPTY, trailer = BUF_EMPTY;
    buf_puts(&small, CHUNKED);
    repeat(&small, "1\r\na\r\n", 100000);
    buf_puts(&small, "0\r\n\r\n");
    status_is(0, &small, &http_limits_default);
    buf_puts(&padded, CHUNKED);
    repeat(&padded, "1;abcdefghijklmnopqrstuvwxyz0123456789\r\na\r\n", 2000);
    status_is(400, &padded, &http_limits_default);
    buf_puts(&trailer, CHUNKED "0\r\n");
    repeat(&trailer, "X: y\r\n", 101);
    status_is(431, &trailer, &http_limits_default);
    buf_clear(&trailer);
    buf_puts(&trailer, CHUNKED "1;");
    repeat(&trailer, "a", 300);
    status_is(400, &trailer, &http_limits_default);
    buf_free(&small);
    buf_free(&padded);
    buf_free(&trailer);
}

static void meaning_of_the_head_is_told(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        bool keep_alive, chunked, expects;
    } cases[] = {
        {GET "Host: a\r\n\r\n", true, false, false},
        {GET "Host: a\r\nConnection: x, Close\r\n\r\n", false, false, false},
        {GET "Host: a\r\nConnection: keep-alive\r\nConnection: close\r\n\r\n", false, false, false},
        {"GET / HTTP/1.0\r\n\r\n", false, false, false},
        {"GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", true, false, false},
        {"POST / HTTP/1.0\r\nExpect: 100-continue\r\n\r\n", false, false, false},
        {POST "Transfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n", true, true, true},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct http_head head = {0};
        assert_int_equal(http_head_feed(&head, str_from(cases[i].bytes), &http_limits_default),
                         HTTP_STEP_DONE);
        assert_int_equal(head.keep_alive, cases[i].keep_alive);
        assert_int_equal(head.chunked, cases[i].chunked);
        assert_int_equal(head.expect_continue, cases[i].expects);
        http_head_free(&head);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wrong_requests_are_refused),
        cmocka_unit_test(right_requests_are_read_to_their_exact_end),
        cmocka_unit_test(pieces_make_no_difference),
        cmocka_unit_test(half_a_request_is_neither_accepted_nor_refused),
        cmocka_unit_test(request_line_is_limited),
        cmocka_unit_test(fields_are_limited_in_number_and_size),
        cmocka_unit_test(body_is_limited),
        cmocka_unit_test(chunks_may_not_be_mostly_framing),
        cmocka_unit_test(meaning_of_the_head_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
