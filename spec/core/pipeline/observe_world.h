/* For the tests of observations: the shipped sources as rules, and a look into the store. */
#ifndef LUNETTE_SPEC_OBSERVE_WORLD_H
#define LUNETTE_SPEC_OBSERVE_WORLD_H

#include "core/pipeline/plant.h"

/* ---- rules: the shipped sources, and a rule that changes fire ---- */

static char shipped[3][8192];
static const char *const observed_kinds[] = {"change", "news", "egress"};

static inline void read_shipped(unsigned i)
{
    char path[64];
    snprintf(path, sizeof(path), "plugins/sources/%s.lua", observed_kinds[i]);
    FILE *file = fopen(path, "r");
    if (file == NULL)
        fail_msg("%s is not there", path);
    shipped[i][fread(shipped[i], 1, sizeof(shipped[i]) - 1, file)] = '\0';
    assert_true(feof(file));
    fclose(file);
}

static inline struct ruleset *rules_with(struct text_file change)
{
    read_shipped(1);
    read_shipped(2);
    struct text_file files[] = {PLANT_ONE, change, {"news.lua", shipped[1]}, {"egress.lua", shipped[2]}};
    return plant_rules(files, 4);
}

static inline struct ruleset *shipped_rules(void)
{
    read_shipped(0);
    return rules_with((struct text_file){"change.lua", shipped[0]});
}

/* ---- what is in the store ---- */

static inline struct json *observations(struct store *store, const struct observation_query *query)
{
    struct err err = {0};
    struct buf text = BUF_EMPTY;
    struct json_limits limits = {8 << 20, 32, false};
    struct store_reader *reader = store_reader_open(store, &err);
    assert_non_null(reader);
    assert_int_equal(store_observations(reader, query, &text, &err), 0);
    store_reader_close(reader);
    struct json *list = json_parse(buf_str(&text), &limits, &err);
    if (list == NULL)
        fail_msg("%s", err_text(&err));
    buf_free(&text);
    return list;
}

#endif
