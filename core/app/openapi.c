#include "app/openapi.h"

#include <ctype.h>
#include <stdio.h>

#include "app/api.h"

/* ---- words ---- */

/* The next word of a text, words being separated by one of `between`. */
static bool next_word(struct str *rest, const char *between, struct str *word)
{
    while (rest->len && strchr(between, rest->ptr[0]))
        *rest = (struct str){rest->ptr + 1, rest->len - 1};
    *word = (struct str){rest->ptr, 0};
    while (word->len < rest->len && !strchr(between, rest->ptr[word->len]))
        word->len++;
    *rest = (struct str){rest->ptr + word->len, rest->len - word->len};
    return word->len > 0;
}

/* "name:type" into its halves; type is empty where there is no colon. */
static void halves(struct str word, struct str *name, struct str *type)
{
    const char *colon = memchr(word.ptr, ':', word.len);
    size_t len = colon ? (size_t)(colon - word.ptr) : word.len;
    *name = (struct str){word.ptr, len};
    *type = colon ? (struct str){colon + 1, word.len - len - 1} : STR("");
}

static bool drop_end(struct str *text, struct str end)
{
    if (!str_ends(*text, end))
        return false;
    text->len -= end.len;
    return true;
}

/* A comma, unless something was just opened. */
static void separate(struct buf *out)
{
    if (out->len && !strchr("[{", out->ptr[out->len - 1]))
        buf_putc(out, ',');
}

/* ---- types ---- */

static void put_choice(struct buf *out, struct str choices, bool null)
{
    struct str choice;
    buf_puts(out, "{\"enum\":[");
    while (next_word(&choices, "|", &choice)) {
        separate(out);
        buf_json_string(out, choice);
    }
    buf_puts(out, null ? ",null]}" : "]}");
}

static void put_plain(struct buf *out, const char *type, const char *rest, bool null)
{
    buf_printf(out, null ? "{\"type\":[\"%s\",\"null\"]%s}" : "{\"type\":\"%s\"%s}", type, rest);
}

static bool is_basic(struct str type)
{
    static const char *const names[] = {"string", "integer", "number", "boolean", "object"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (str_is(type, names[i]))
            return true;
    return false;
}

static void put_one(struct buf *out, struct str type, bool null)
{
    char name[64];
    snprintf(name, sizeof(name), "%.*s", STR_ARG(type));
    if (str_is(type, "any"))
        buf_puts(out, "{}");
    else if (str_is(type, "time"))
        put_plain(out, "string", ",\"format\":\"date-time\"", null);
    else if (is_basic(type))
        put_plain(out, name, "", null);
    else if (!isupper((unsigned char)name[0]) || memchr(type.ptr, '|', type.len))
        put_choice(out, type, null);
    else
        buf_printf(out,
                   null ? "{\"anyOf\":[{\"$ref\":\"#/components/schemas/%s\"},{\"type\":\"null\"}]}"
                        : "{\"$ref\":\"#/components/schemas/%s\"}",
                   name);
}

static void put_type(struct buf *out, struct str type)
{
    bool null = drop_end(&type, STR("?"));
    bool list = drop_end(&type, STR("[]"));
    buf_puts(out, list ? "{\"type\":\"array\",\"items\":" : "");
    put_one(out, type, null && !list);
    buf_puts(out, list ? "}" : "");
}

static void put_names(struct buf *out, struct str fields)
{
    struct str word, name, type;
    buf_json_key(out, "required");
    buf_putc(out, '[');
    while (next_word(&fields, " ", &word)) {
        halves(word, &name, &type);
        if (str_ends(name, STR("?")))
            continue;
        separate(out);
        buf_json_string(out, name);
    }
    buf_putc(out, ']');
}

static void put_schema(struct buf *out, const struct api_schema *schema)
{
    struct str rest = str_from(schema->fields), word, name, type;
    separate(out);
    buf_json_string(out, str_from(schema->name));
    buf_putc(out, ':');
    if (rest.ptr[0] == '{') {
        buf_put(out, rest);
        return;
    }
    buf_puts(out, "{\"type\":\"object\",\"properties\":{");
    while (next_word(&rest, " ", &word)) {
        halves(word, &name, &type);
        drop_end(&name, STR("?"));
        separate(out);
        buf_json_string(out, name);
        buf_putc(out, ':');
        put_type(out, type);
    }
    buf_putc(out, '}');
    put_names(out, str_from(schema->fields));
    buf_putc(out, '}');
}

/* ---- operations ---- */

static const char *who_may(unsigned access)
{
    static const char *const words[] = {
        [ACCESS_OPEN] = "everyone",
        [ACCESS_READ] = "reader, analyst, admin",
        [ACCESS_READ_ALL] = "reader, analyst, admin; no token that is bound to a customer",
        [ACCESS_SEND] = "sender, admin",
        [ACCESS_ANALYSE] = "analyst, admin",
        [ACCESS_ADMIN] = "admin",
        [ACCESS_ADMIN_ALL] = "admin; no token that is bound to a customer",
    };
    return words[access];
}

/* "{path*}" of the router is "{path}" here. */
static void put_path(struct buf *out, const char *pattern)
{
    for (const char *p = pattern; *p; p++)
        if (*p != '*')
            buf_putc(out, *p);
}

static void put_param(struct buf *out, const char *in, struct str name, bool required, struct str type)
{
    separate(out);
    buf_putc(out, '{');
    buf_json_kstr(out, "name", name);
    buf_json_kstr(out, "in", str_from(in));
    buf_json_kbool(out, "required", required);
    buf_json_key(out, "schema");
    put_type(out, type);
}

static void put_path_params(struct buf *out, const char *pattern)
{
    for (const char *open = strchr(pattern, '{'); open; open = strchr(open + 1, '{')) {
        put_param(out, "path", (struct str){open + 1, strcspn(open + 1, "*}")}, true, STR("string"));
        buf_putc(out, '}');
    }
}

static const char *place_of(const struct api_param *param)
{
    return isupper((unsigned char)param->name[0]) ? "header" : "query";
}

static void put_params(struct buf *out, const struct api_operation *operation)
{
    buf_json_key(out, "parameters");
    buf_putc(out, '[');
    put_path_params(out, operation->pattern);
    for (const struct api_param *p = operation->params; p && p->name; p++) {
        put_param(out, place_of(p), str_from(p->name), p->required, str_from(p->type));
        buf_json_kstr(out, "description", str_from(p->help));
        buf_putc(out, '}');
    }
    buf_putc(out, ']');
}

static void put_content(struct buf *out, struct str media, struct str type)
{
    separate(out);
    buf_json_string(out, media);
    buf_puts(out, ":{\"schema\":");
    put_type(out, type);
    buf_putc(out, '}');
}

static void put_body(struct buf *out, const char *body)
{
    struct str rest = str_from(body), word, media, type;
    buf_json_key(out, "requestBody");
    buf_puts(out, "{\"required\":true,\"content\":{");
    while (next_word(&rest, " ", &word)) {
        halves(word, &media, &type);
        put_content(out, media, type);
    }
    buf_puts(out, "}}");
}

static void put_answer(struct buf *out, struct str status, struct str type)
{
    bool problem = type.len == 0 && !str_is(status, "101");
    separate(out);
    buf_json_string(out, status);
    buf_puts(out, ":{");
    buf_json_kstr(out, "description", problem ? STR("a problem") : STR("as asked"));
    if (problem || type.len) {
        buf_puts(out, ",\"content\":{");
        if (memchr(type.ptr, '/', type.len))
            put_content(out, type, STR("string"));
        else
            put_content(out, problem ? STR("application/problem+json") : STR("application/json"),
                        problem ? STR("Problem") : type);
        buf_putc(out, '}');
    }
    buf_putc(out, '}');
}

static void put_answers(struct buf *out, const char *answers)
{
    struct str rest = str_from(answers), word, status, type;
    buf_json_key(out, "responses");
    buf_putc(out, '{');
    while (next_word(&rest, " ", &word)) {
        halves(word, &status, &type);
        put_answer(out, status, type);
    }
    put_answer(out, STR("default"), STR(""));
    buf_putc(out, '}');
}

static void put_method(struct buf *out, enum http_method method)
{
    for (const char *p = http_method_name(method); *p; p++)
        buf_putc(out, (char)tolower((unsigned char)*p));
}

static void put_operation(struct buf *out, const struct http_route *route,
                          const struct api_operation *operation)
{
    separate(out);
    buf_putc(out, '"');
    put_method(out, route->method);
    buf_puts(out, "\":{");
    buf_json_kstr(out, "summary", str_from(operation->summary));
    buf_json_key(out, "description");
    buf_printf(out, "\"Who may: %s.\"", who_may(route->access));
    put_params(out, operation);
    if (operation->body)
        put_body(out, operation->body);
    put_answers(out, operation->answers);
    if (route->access == ACCESS_OPEN)
        buf_puts(out, ",\"security\":[]");
    buf_putc(out, '}');
}

static bool is_first_of_its_path(size_t index)
{
    for (size_t i = 0; i < index; i++)
        if (strcmp(api_routes[i].pattern, api_routes[index].pattern) == 0)
            return false;
    return true;
}

static void put_paths(struct buf *out)
{
    for (size_t i = 0; i < api_route_count; i++) {
        if (!is_first_of_its_path(i))
            continue;
        separate(out);
        buf_putc(out, '"');
        put_path(out, api_routes[i].pattern);
        buf_puts(out, "\":{");
        for (size_t j = i; j < api_route_count; j++) {
            const struct api_operation *operation = api_operation_of(&api_routes[j]);
            if (operation && strcmp(api_routes[j].pattern, api_routes[i].pattern) == 0)
                put_operation(out, &api_routes[j], operation);
        }
        buf_putc(out, '}');
    }
}

void openapi_json(struct buf *out)
{
    buf_puts(out, "{\"openapi\":\"3.1.0\",\"info\":{\"title\":\"Lunette\",\"version\":\"" LUNETTE_VERSION
                  "\",\"description\":\"Security events in, threats out. Any request may also be answered "
                  "with 401, 403, 404, 405, 408, 411, 413, 414, 415, 429, 431, 500 or 503, each a "
                  "problem.\"},\"servers\":[{\"url\":\"/\"}],\"security\":[{\"token\":[]},{\"session\":[]}],"
                  "\"paths\":{");
    put_paths(out);
    buf_puts(out,
             "},\"components\":{\"securitySchemes\":{\"token\":{\"type\":\"http\",\"scheme\":\"bearer\"},"
             "\"session\":{\"type\":\"apiKey\",\"in\":\"cookie\",\"name\":\"lunette_session\"}},"
             "\"schemas\":{");
    for (size_t i = 0; i < api_schema_count; i++)
        put_schema(out, &api_schemas[i]);
    buf_puts(out, "}}}");
}

/* ---- the page ---- */

static void put_escaped(struct buf *out, const char *text)
{
    for (; *text; text++)
        if (*text == '<')
            buf_puts(out, "&lt;");
        else if (*text == '&')
            buf_puts(out, "&amp;");
        else
            buf_putc(out, *text);
}

static void put_cells(struct buf *out, const char *name, const char *type, const char *help)
{
    buf_puts(out, "<tr><td><code>");
    put_escaped(out, name);
    buf_puts(out, "</code><td>");
    put_escaped(out, type);
    buf_puts(out, "<td>");
    put_escaped(out, help);
}

static void put_section(struct buf *out, const struct http_route *route,
                        const struct api_operation *operation)
{
    buf_printf(out, "<h2>%s ", http_method_name(route->method));
    put_path(out, route->pattern);
    buf_puts(out, "</h2><p>");
    put_escaped(out, operation->summary);
    buf_printf(out, "<p>Who may: %s.<table>", who_may(route->access));
    for (const struct api_param *p = operation->params; p && p->name; p++)
        put_cells(out, p->name, p->type, p->help);
    if (operation->body)
        put_cells(out, "body", operation->body, "");
    put_cells(out, "answers", operation->answers, "");
    buf_puts(out, "</table>\n");
}

void openapi_html(struct buf *out)
{
    buf_puts(out,
             "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Lunette " LUNETTE_VERSION
             ": HTTP API</title><style>body{font:15px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem "
             "auto;padding:0 1rem}h2{font:600 1rem ui-monospace,monospace;margin:2rem 0 0}p{margin:.3rem 0}"
             "td{vertical-align:top;padding:.1rem 1rem .1rem 0}</style><h1>Lunette " LUNETTE_VERSION
             ": HTTP API</h1><p>The same for machines, with every schema: "
             "<a href=\"/openapi.json\">/openapi.json</a>.\n");
    for (size_t i = 0; i < api_route_count; i++) {
        const struct api_operation *operation = api_operation_of(&api_routes[i]);
        if (operation)
            put_section(out, &api_routes[i], operation);
    }
    buf_puts(out, "<h1>What goes over the wire</h1><table>");
    for (size_t i = 0; i < api_schema_count; i++)
        put_cells(out, api_schemas[i].name, api_schemas[i].fields, "");
    buf_puts(out, "</table></html>\n");
}
