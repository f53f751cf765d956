/* The API's description against the routes that are served, both ways. */
#include <stdio.h>

#include "app/api.h"
#include "app/openapi.h"
#include "base/json.h"
#include "core/net/trial.h"

static bool is_served(const struct api_operation *operation)
{
    for (size_t i = 0; i < api_route_count; i++)
        if (api_operation_of(&api_routes[i]) == operation)
            return true;
    return false;
}

static void every_route_is_described(void **state)
{
    (void)state;
    for (size_t i = 0; i < api_route_count; i++)
        if (api_operation_of(&api_routes[i]) == NULL)
            fail_msg("%s %s: openapi_table.c does not describe it", http_method_name(api_routes[i].method),
                     api_routes[i].pattern);
}

static void nothing_is_described_that_is_not_served(void **state)
{
    (void)state;
    for (size_t i = 0; i < api_operation_count; i++)
        if (!is_served(&api_operations[i]))
            fail_msg("%s %s: described and not served", http_method_name(api_operations[i].method),
                     api_operations[i].pattern);
}

static struct json *description(struct buf *text)
{
    struct json_limits limits = {.size = 1u << 20, .depth = 32};
    struct err err = {0};
    openapi_json(text);
    struct json *json = json_parse(buf_str(text), &limits, &err);
    if (json == NULL)
        fail_msg("/openapi.json is not JSON: %s", err_text(&err));
    return json;
}

static void it_is_json_with_a_path_for_every_pattern(void **state)
{
    struct buf text = BUF_EMPTY;
    struct json *json = description(&text);
    struct str version;
    (void)state;
    assert_true(json_get_str(json, "openapi", &version) && str_is(version, "3.1.0"));
    const struct json *paths = json_get(json, "paths");
    assert_non_null(json_get(json_get(paths, "/api/threats/{id}"), "patch"));
    assert_non_null(json_get(json_get(paths, "/api/threats/{id}"), "get"));
    assert_non_null(json_get(json_get(paths, "/assets/{path}"), "get"));
    json_free(json);
    buf_free(&text);
}

static bool is_schema(struct str name)
{
    for (size_t i = 0; i < api_schema_count; i++)
        if (str_is(name, api_schemas[i].name))
            return true;
    return false;
}

/* Both ways: what is referred to is there, and what is there is referred to. */
static void schemas_and_references_agree(void **state)
{
    static const char prefix[] = "#/components/schemas/";
    struct buf text = BUF_EMPTY;
    (void)state;
    openapi_json(&text);
    for (const char *at = text.ptr; (at = strstr(at, prefix)) != NULL;) {
        at += sizeof(prefix) - 1;
        struct str name = {at, strcspn(at, "\"")};
        if (!is_schema(name))
            fail_msg("no schema is called %.*s", STR_ARG(name));
    }
    for (size_t i = 0; i < api_schema_count; i++) {
        char reference[128];
        snprintf(reference, sizeof(reference), "%s%s\"", prefix, api_schemas[i].name);
        if (strstr(text.ptr, reference) == NULL)
            fail_msg("nothing refers to the schema %s", api_schemas[i].name);
    }
    buf_free(&text);
}

static void the_page_names_every_route_and_loads_nothing(void **state)
{
    struct buf page = BUF_EMPTY;
    (void)state;
    openapi_html(&page);
    for (size_t i = 0; i < api_operation_count; i++)
        if (strchr(api_operations[i].pattern, '*') == NULL &&
            strstr(page.ptr, api_operations[i].pattern) == NULL)
            fail_msg("/docs does not name %s", api_operations[i].pattern);
    assert_null(strstr(page.ptr, "://"));
    assert_null(strstr(page.ptr, "<script"));
    buf_free(&page);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_route_is_described),
        cmocka_unit_test(nothing_is_described_that_is_not_served),
        cmocka_unit_test(it_is_json_with_a_path_for_every_pattern),
        cmocka_unit_test(schemas_and_references_agree),
        cmocka_unit_test(the_page_names_every_route_and_loads_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
