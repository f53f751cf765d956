#include "app/cli_explain.h"

#include <stdio.h>

static const char *holds_of(const struct json *node)
{
    bool holds;
    if (!json_get_bool(node, "holds", &holds))
        return "? ";
    return holds ? "+ " : "- ";
}

static void put_values(struct buf *out, const struct json *values, int64_t count)
{
    for (size_t i = 0; i < json_count(values); i++) {
        buf_puts(out, i ? ", " : "");
        json_print(json_item(values, i), out);
    }
    if ((size_t)count > json_count(values))
        buf_printf(out, " and %lld more", (long long)count - (long long)json_count(values));
    if (count == 0)
        buf_puts(out, "nothing");
}

static void put_field(struct buf *out, const struct json *node)
{
    struct str key = STR("");
    int64_t wanted = 0, saw = 0;
    json_get_str(node, "key", &key);
    json_get_int(node, "wanted_count", &wanted);
    json_get_int(node, "saw_count", &saw);
    buf_printf(out, "%.*s  wanted ", STR_ARG(key));
    put_values(out, json_get(node, "wanted"), wanted);
    buf_puts(out, ", saw ");
    put_values(out, json_get(node, "saw"), saw);
}

static void put_node(struct buf *out, const struct json *node, unsigned depth)
{
    static const char *const kinds[][2] = {
        {"all", "all of"}, {"any", "any of"}, {"none", "none of"}, {"everything", "every event"}};
    const struct json *children = json_get(node, "children");
    struct str kind = STR("");
    json_get_str(node, "kind", &kind);
    buf_printf(out, "%*s%s", (int)depth * 2, "", holds_of(node));
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
        if (str_is(kind, kinds[i][0]))
            kind = str_from(kinds[i][1]);
    if (str_is(kind, "field"))
        put_field(out, node);
    else
        buf_put(out, kind);
    buf_putc(out, '\n');
    for (size_t i = 0; i < json_count(children); i++)
        put_node(out, json_item(children, i), depth + 1);
}

static const char *answer_text(const struct json *answer, const struct json *match)
{
    bool holds = false, routed = true, filter = true;
    json_get_bool(match, "routed", &routed);
    json_get_bool(answer, "filter", &filter);
    if (!json_get_bool(match, "holds", &holds))
        return "may match: a condition was not decided";
    if (!holds)
        return "does not match";
    if (!routed)
        return "holds, but is not asked: the event is none of its category or source";
    return filter ? "matches" : "matches, but its filter says no";
}

static void put_rest(struct buf *out, const struct json *answer)
{
    struct str why;
    const struct json *unkeyed = json_get(answer, "unkeyed");
    if (json_get_str(answer, "filter_failed", &why))
        buf_printf(out, "filter failed: %.*s\n", STR_ARG(why));
    if (json_count(unkeyed)) {
        buf_puts(out, "in no group, as these fields are missing: ");
        put_values(out, unkeyed, (int64_t)json_count(unkeyed));
        buf_putc(out, '\n');
    }
}

void explain_print(const struct json *answer)
{
    const struct json *match = json_get(answer, "match");
    struct buf out = BUF_EMPTY;
    struct str rule = STR("");
    json_get_str(match, "rule", &rule);
    buf_printf(&out, "%.*s %s\n", STR_ARG(rule), answer_text(answer, match));
    put_node(&out, json_get(match, "tree"), 1);
    put_rest(&out, answer);
    fwrite(out.ptr, 1, out.len, stdout);
    buf_free(&out);
}
