#include "data/threat_view.h"

static struct str skip_space(struct str at)
{
    while (at.len && (*at.ptr == ' ' || *at.ptr == '\t' || *at.ptr == '\n' || *at.ptr == '\r'))
        at = (struct str){at.ptr + 1, at.len - 1};
    return at;
}

/* Length of the string that begins with a quote, quotes included; 0 where it does not end. */
static size_t string_length(struct str at)
{
    for (size_t i = 1; i < at.len; i++) {
        if (at.ptr[i] == '\\')
            i++;
        else if (at.ptr[i] == '"')
            return i + 1;
    }
    return 0;
}

/* Length of an array or object; 0 where it does not end. */
static size_t nested_length(struct str at)
{
    size_t depth = 0;
    for (size_t i = 0; i < at.len; i++) {
        char c = at.ptr[i];
        if (c == '"') {
            size_t len = string_length((struct str){at.ptr + i, at.len - i});
            if (len == 0)
                return 0;
            i += len - 1;
        } else if (c == '{' || c == '[') {
            depth++;
        } else if ((c == '}' || c == ']') && --depth == 0) {
            return i + 1;
        }
    }
    return 0;
}

static size_t value_length(struct str at)
{
    if (at.len == 0)
        return 0;
    if (*at.ptr == '"')
        return string_length(at);
    if (*at.ptr == '{' || *at.ptr == '[')
        return nested_length(at);
    size_t len = 0;
    while (len < at.len && !memchr(",]} \t\r\n", at.ptr[len], 7))
        len++;
    return len;
}

/* Takes `len` bytes and the white space behind them. */
static struct str take(struct str *at, size_t len)
{
    struct str taken = {at->ptr, len};
    *at = skip_space((struct str){at->ptr + len, at->len - len});
    return taken;
}

int threat_extra_next(struct str *at, struct str *key, struct str *value)
{
    *at = skip_space(*at);
    if (at->len == 0 || (*at->ptr != '{' && *at->ptr != ',' && *at->ptr != '}'))
        return -1;
    bool first = *at->ptr == '{';
    if (*at->ptr == '}')
        return 0;
    take(at, 1);
    if (first && at->len && *at->ptr == '}')
        return 0;
    if (at->len == 0 || *at->ptr != '"')
        return -1;
    size_t len = string_length(*at);
    if (len == 0)
        return -1;
    struct str quoted = take(at, len);
    *key = (struct str){quoted.ptr + 1, quoted.len - 2};
    if (at->len == 0 || *at->ptr != ':')
        return -1;
    take(at, 1);
    len = value_length(*at);
    if (len == 0)
        return -1;
    *value = take(at, len);
    return 1;
}

bool threat_extra_get(struct str extra, struct str key, struct str *value)
{
    struct str name, found;
    while (threat_extra_next(&extra, &name, &found) == 1) {
        if (str_equal(name, key)) {
            *value = found;
            return true;
        }
    }
    return false;
}

bool threat_extra_is_object(struct str extra)
{
    struct str key, value;
    int more;
    while ((more = threat_extra_next(&extra, &key, &value)) == 1)
        ;
    return more == 0;
}

static void put_member(struct buf *out, struct str key, struct str value)
{
    buf_puts(out, out->ptr[out->len - 1] == '{' ? "\"" : ",\"");
    buf_put(out, key);
    buf_puts(out, "\":");
    buf_put(out, value);
}

void threat_extra_set(struct buf *out, struct str extra, struct str key, struct str value_json)
{
    struct str name, value;
    bool done = value_json.len == 0;
    buf_putc(out, '{');
    for (struct str at = threat_extra_is_object(extra) ? extra : STR("{}");
         threat_extra_next(&at, &name, &value) == 1;) {
        if (!str_equal(name, key))
            put_member(out, name, value);
        else if (!done)
            put_member(out, key, value_json);
        done = done || str_equal(name, key);
    }
    if (!done)
        put_member(out, key, value_json);
    buf_putc(out, '}');
}

void threat_extra_put(struct buf *object, const char *key, struct str value_json)
{
    struct buf next = BUF_EMPTY;
    threat_extra_set(&next, buf_str(object), str_from(key), value_json);
    buf_free(object);
    *object = next;
}

void threat_extra_put_text(struct buf *object, const char *key, struct str text)
{
    struct buf value = BUF_EMPTY;
    buf_json_string(&value, text);
    threat_extra_put(object, key, buf_str(&value));
    buf_free(&value);
}

void threat_put_extra(struct threat *threat, const char *key, struct str value_json)
{
    struct buf next = BUF_EMPTY;
    threat_extra_set(&next, threat->extra, str_from(key), value_json);
    threat->extra = threat_keep(threat, buf_str(&next));
    buf_free(&next);
}
