#include <math.h>
#include <stdio.h>

#include "base/json.h"
#include "pipeline/testrun_policy.h"

#define NEAR       1e-9
#define SHOWN      120 /* bytes of a value in a message */
#define PATH_BYTES 256

/* Where the comparison stands: "parts[2].value". */
struct place {
    char path[PATH_BYTES];
    struct err *err;
};

static const struct json_limits limits = {.size = 1 << 20, .depth = 64, .duplicates = true};

static void show(const struct json *value, char out[SHOWN + 4])
{
    struct buf text = BUF_EMPTY;
    double real;
    if (json_kind(value) == JSON_KIND_DOUBLE && json_as_double(value, &real))
        buf_json_double(&text, real); /* 0.3, not 0.29999999999999999 */
    else if (value)
        json_print(value, &text);
    else
        buf_puts(&text, "nothing");
    snprintf(out, SHOWN + 4, "%.*s%s", SHOWN, text.ptr, text.len > SHOWN ? "…" : "");
    buf_free(&text);
}

static int differ(const struct place *at, const struct json *expected, const struct json *got)
{
    char wanted[SHOWN + 4], came[SHOWN + 4];
    show(expected, wanted);
    show(got, came);
    return err_set(at->err, ERR_INVALID, "%s%sexpected %s, got %s", at->path, at->path[0] ? ": " : "", wanted,
                   came);
}

static bool scalar_equal(const struct json *expected, const struct json *got)
{
    struct str text, other;
    int64_t integer, other_integer;
    double real, other_real;
    bool truth, other_truth;
    if (json_as_int(expected, &integer) && json_as_int(got, &other_integer))
        return integer == other_integer;
    if (json_as_double(expected, &real))
        return json_as_double(got, &other_real) && fabs(real - other_real) <= NEAR;
    if (json_as_str(expected, &text))
        return json_as_str(got, &other) && str_equal(text, other);
    if (json_as_bool(expected, &truth))
        return json_as_bool(got, &other_truth) && truth == other_truth;
    return json_kind(got) == JSON_KIND_NULL;
}

static int compare(struct place *at, const struct json *expected, const struct json *got);

static int compare_member(struct place *at, struct str key, const struct json *expected,
                          const struct json *got)
{
    size_t len = strlen(at->path);
    char name[PATH_BYTES];
    snprintf(name, sizeof(name), "%.*s", STR_ARG(key));
    snprintf(at->path + len, sizeof(at->path) - len, "%s%s", len ? "." : "", name);
    int rc = compare(at, expected, json_get(got, name));
    at->path[len] = '\0';
    return rc;
}

static int compare_item(struct place *at, size_t index, const struct json *expected, const struct json *got)
{
    size_t len = strlen(at->path);
    snprintf(at->path + len, sizeof(at->path) - len, "[%zu]", index + 1);
    int rc = compare(at, expected, got);
    at->path[len] = '\0';
    return rc;
}

static int compare_lists(struct place *at, const struct json *expected, const struct json *got)
{
    size_t count = json_count(expected);
    if (json_kind(got) != JSON_KIND_ARRAY)
        return differ(at, expected, got);
    for (size_t i = 0; i < count && i < json_count(got); i++)
        if (compare_item(at, i, json_item(expected, i), json_item(got, i)) != 0)
            return -1;
    if (json_count(got) == count)
        return 0;
    return err_set(at->err, ERR_INVALID, "%s%sexpected a list of %zu, got one of %zu", at->path,
                   at->path[0] ? ": " : "", count, json_count(got));
}

static int compare_tables(struct place *at, const struct json *expected, const struct json *got)
{
    bool list = json_kind(got) == JSON_KIND_ARRAY, empty = json_count(expected) == 0;
    const struct json *value;
    struct str key;
    void *member = NULL;
    /* Lua has one empty table for both. */
    if ((json_kind(got) != JSON_KIND_OBJECT && !(list && empty)) || (empty && json_count(got)))
        return differ(at, expected, got);
    while (json_next(expected, &member, &key, &value))
        if (compare_member(at, key, value, got) != 0)
            return -1;
    return 0;
}

static int compare(struct place *at, const struct json *expected, const struct json *got)
{
    if (json_kind(expected) == JSON_KIND_ARRAY)
        return compare_lists(at, expected, got);
    if (json_kind(expected) == JSON_KIND_OBJECT)
        return compare_tables(at, expected, got);
    return scalar_equal(expected, got) ? 0 : differ(at, expected, got);
}

int testrun_compare(struct str expected, struct str got, struct err *err)
{
    struct place at = {.err = err};
    struct json *wanted = json_parse(expected, &limits, err);
    struct json *came = wanted ? json_parse(got, &limits, err) : NULL;
    int rc = wanted && came ? compare(&at, wanted, came) : -1;
    json_free(wanted);
    json_free(came);
    return rc;
}
