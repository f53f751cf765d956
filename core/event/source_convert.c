#include <arpa/inet.h>
#include <math.h>

#include "base/text.h"
#include "event/source_program.h"

/* Dotted decimal without leading zeros, already canonical. */
static bool is_ipv4(struct str text)
{
    unsigned parts = 0, value = 0, digits = 0;
    for (size_t i = 0; i <= text.len; i++) {
        if (i < text.len && text.ptr[i] >= '0' && text.ptr[i] <= '9') {
            if (digits == 3 || (digits && value == 0))
                return false;
            value = value * 10 + (unsigned)(text.ptr[i] - '0');
            digits++;
            continue;
        }
        if (!digits || value > 255 || ++parts > 4 || (i < text.len && text.ptr[i] != '.'))
            return false;
        value = digits = 0;
    }
    return parts == 4;
}

static bool convert_ip(struct arena *arena, struct value *value)
{
    char text[INET6_ADDRSTRLEN];
    struct in6_addr address;
    if (value->type != VALUE_STRING)
        return false;
    if (is_ipv4(value->text))
        return true;
    if (value->text.len >= sizeof(text) || value->text.len < 2)
        return false;
    memcpy(text, value->text.ptr, value->text.len);
    text[value->text.len] = 0;
    if (strlen(text) != value->text.len || inet_pton(AF_INET6, text, &address) != 1)
        return false;
    if (IN6_IS_ADDR_V4MAPPED(&address))
        inet_ntop(AF_INET, &address.s6_addr[12], text, sizeof(text));
    else
        inet_ntop(AF_INET6, &address, text, sizeof(text));
    value->text = arena_dup(arena, str_from(text));
    return true;
}

static bool convert_number(struct arena *arena, struct value *value, bool integer)
{
    double d;
    int64_t i;
    bool exact;
    if (value->type == VALUE_INT || value->type == VALUE_UINT || (value->type == VALUE_DOUBLE && !integer))
        return true;
    if (value->type == VALUE_BOOL || !value_number(value, &d, &i, &exact) || (integer && !exact) ||
        !isfinite(d))
        return false;
    *value = exact ? value_int(arena, i) : value_double(arena, d);
    return true;
}

static bool convert_boolean(struct value *value)
{
    static const char *const words[] = {"false", "true", "no", "yes", "0", "1"};
    if (value->type == VALUE_BOOL)
        return true;
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (!text_equal_fold(value->text, str_from(words[i])))
            continue;
        *value = value_bool(i % 2);
        return true;
    }
    return false;
}

static bool convert_timestamp(struct arena *arena, struct value *value)
{
    int64_t ns;
    char text[32];
    if (value->type == VALUE_BOOL || !time_parse(value->text, TIME_ANY, &ns))
        return false;
    size_t len = time_print(ns, text);
    *value = value_string(arena_dup(arena, (struct str){text, len}));
    return true;
}

static bool needs_folding(struct str text)
{
    for (size_t i = 0; i < text.len; i++)
        if ((text.ptr[i] >= 'A' && text.ptr[i] <= 'Z') || (text.ptr[i] & 0x80))
            return true;
    return false;
}

bool source_convert(enum source_as as, struct arena *arena, struct value *value)
{
    if (value->type == VALUE_NULL)
        return true;
    switch (as) {
    case AS_RAW:
        return true;
    case AS_IP:
        return convert_ip(arena, value);
    case AS_INTEGER:
        return convert_number(arena, value, true);
    case AS_NUMBER:
        return convert_number(arena, value, false);
    case AS_BOOLEAN:
        return convert_boolean(value);
    case AS_STRING:
        value->type = VALUE_STRING;
        return true;
    case AS_LOWER:
        value->type = VALUE_STRING;
        if (needs_folding(value->text))
            value->text = text_fold_dup(arena, value->text);
        return true;
    case AS_TIMESTAMP:
        return convert_timestamp(arena, value);
    }
    return false;
}
