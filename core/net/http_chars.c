#include "net/http_chars.h"

#define T HTTP_CLASS_TOKEN
#define P HTTP_CLASS_PATH
#define Q HTTP_CLASS_BARE_QUERY
#define H HTTP_CLASS_HOST
#define D HTTP_CLASS_DIGIT

#define CONTROL HTTP_CLASS_CONTROL
#define LETTER  (T | P | H)

/* GNU ranges: the table says what it means. */
const uint8_t http_classes[256] = {
    [0x00 ... 0x1f] = CONTROL,
    [0x7f] = CONTROL,
    ['0' ... '9'] = LETTER | D,
    ['a' ... 'z'] = LETTER,
    ['A' ... 'Z'] = LETTER,
    ['-'] = LETTER,
    ['.'] = LETTER,
    ['_'] = LETTER,
    ['~'] = T | P,
    ['!'] = T | P,
    ['$'] = T | P,
    ['&'] = T | P,
    ['\''] = T | P,
    ['*'] = T | P,
    ['+'] = T | P,
    ['#'] = T,
    ['%'] = T,
    ['^'] = T | Q,
    ['`'] = T | Q,
    ['|'] = T | Q,
    ['('] = P,
    [')'] = P,
    [','] = P,
    [';'] = P,
    ['='] = P,
    [':'] = P,
    ['@'] = P,
    ['/'] = P,
    ['?'] = P,
    ['['] = Q,
    [']'] = Q,
    ['{'] = Q,
    ['}'] = Q,
    ['"'] = Q,
    ['<'] = Q,
    ['>'] = Q,
    ['\\'] = Q,
};
