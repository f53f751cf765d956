#include "pipeline/intel.h"

#include "pipeline/view.h"
#include "rules/lists.h"

#define INDICATOR_MAX  2048 /* bytes of a value that is looked up */
#define DOMAIN_PARENTS 8    /* of a name, from the two last labels on */

struct search {
    const struct ruleset *set;
    struct buf *out;
    size_t found;
    struct str field;
    uint32_t evidence;
};

static bool is_found(const struct search *search, const struct list *list, struct str value)
{
    struct buf head = BUF_EMPTY;
    buf_puts(&head, "{\"list\":");
    buf_json_string(&head, list->name);
    buf_json_kstr(&head, "indicator", value);
    buf_json_kstr(&head, "field", search->field);
    bool found = search->out->len && memmem(search->out->ptr, search->out->len, head.ptr, head.len);
    buf_free(&head);
    return found;
}

static void add(struct search *search, const struct list *list, struct str value, struct str attributes)
{
    struct buf *out = search->out;
    if (search->found >= INTEL_MATCHES_MAX || is_found(search, list, value))
        return;
    buf_puts(out, search->found++ ? ",{\"list\":" : "{\"list\":");
    buf_json_string(out, list->name);
    buf_json_kstr(out, "indicator", value);
    buf_json_kstr(out, "field", search->field);
    buf_json_key(out, "evidence");
    buf_printf(out, "\"E%u\"", search->evidence);
    buf_json_key(out, "attributes");
    buf_put(out, attributes);
    buf_putc(out, '}');
}

static void look_up(struct search *search, struct str value)
{
    struct str attributes;
    if (value.len == 0 || value.len > INDICATOR_MAX)
        return;
    for (size_t i = 0; i < search->set->intel_count; i++)
        if (list_get(search->set->intel[i], value, &attributes))
            add(search, search->set->intel[i], value, attributes);
}

static bool is_name(struct str value)
{
    bool dot = false, letter = false;
    for (size_t i = 0; i < value.len; i++) {
        char c = value.ptr[i];
        dot |= c == '.';
        letter |= (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        if (strchr("/\\ :@=?", c))
            return false;
    }
    return dot && letter && value.len <= 253;
}

static struct str after(struct str value, size_t at)
{
    return (struct str){value.ptr + at, value.len - at};
}

/* From the right, so that many labels in front hide nothing. A top-level domain alone is nobody's indicator.
 */
static void look_up_parents(struct search *search, struct str name)
{
    const char *dot = memrchr(name.ptr, '.', name.len);
    for (int i = 0; dot && i < DOMAIN_PARENTS; i++) {
        dot = memrchr(name.ptr, '.', (size_t)(dot - name.ptr));
        if (dot)
            look_up(search, after(name, (size_t)(dot - name.ptr) + 1));
    }
}

static struct str until_any(struct str s, const char *ends)
{
    for (size_t i = 0; i < s.len; i++)
        if (strchr(ends, s.ptr[i]))
            return (struct str){s.ptr, i};
    return s;
}

/* The host of scheme://user@host:port/path; "" where there is none. */
static struct str url_host(struct str url)
{
    const char *scheme = memmem(url.ptr, url.len, "://", 3);
    if (scheme == NULL)
        return STR("");
    struct str host = until_any(after(url, (size_t)(scheme - url.ptr) + 3), "/?#");
    const char *user = host.len ? memrchr(host.ptr, '@', host.len) : NULL;
    if (user)
        host = after(host, (size_t)(user - host.ptr) + 1);
    bool v6 = host.len && host.ptr[0] == '[';
    return until_any(v6 ? after(host, 1) : host, v6 ? "]" : ":");
}

static void look_up_name(struct search *search, struct str name)
{
    look_up(search, name);
    if (!is_name(name))
        return;
    if (name.ptr[name.len - 1] == '.') { /* of the root, written out */
        name.len--;
        look_up(search, name);
    }
    look_up_parents(search, name);
}

/* "SHA1=AB…,MD5=CD…": each right side. */
static void look_up_hashes(struct search *search, struct str text)
{
    while (text.len) {
        const char *comma = memchr(text.ptr, ',', text.len);
        struct str one = {text.ptr, comma ? (size_t)(comma - text.ptr) : text.len};
        const char *equals = memchr(one.ptr, '=', one.len);
        if (equals)
            look_up(search, after(one, (size_t)(equals - one.ptr) + 1));
        text = comma ? after(text, one.len + 1) : STR("");
    }
}

static void look_up_value(struct search *search, struct str value)
{
    struct str host;
    if (value.len == 0)
        return;
    look_up_name(search, value);
    host = url_host(value);
    if (host.len)
        look_up_name(search, host);
    else if (memchr(value.ptr, '=', value.len))
        look_up_hashes(search, value);
}

static void search_value(struct search *search, const struct json *value)
{
    struct str text;
    if (json_as_str(value, &text))
        look_up_value(search, text);
    for (size_t i = 0; i < json_count(value) && json_kind(value) == JSON_KIND_ARRAY; i++)
        if (json_as_str(json_item(value, i), &text))
            look_up_value(search, text);
}

static void search_evidence(struct search *search, const struct evidence *evidence)
{
    struct json *context = view_parse(evidence->context);
    const struct json *value;
    void *at = NULL;
    search->evidence = evidence->number;
    while (json_next(context, &at, &search->field, &value))
        search_value(search, value);
    json_free(context);
}

size_t intel_find(const struct ruleset *set, const struct threat *threat, struct buf *out)
{
    struct buf found = BUF_EMPTY;
    struct search search = {.set = set, .out = &found};
    buf_puts(&found, "[");
    for (size_t i = 0; set->intel_count && i < threat->evidence.count; i++)
        search_evidence(&search, &threat->evidence.items[i]);
    buf_puts(&found, "]");
    buf_put(out, buf_str(&found));
    buf_free(&found);
    return search.found;
}
