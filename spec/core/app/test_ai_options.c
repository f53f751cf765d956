/* What the settings say of models. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "app/ai_options.h"

#define MAX_ARGS 9

/* As `serve` would be started with these arguments. */
static int options_of(char **args, struct settings *settings, struct ai_settings *ai, struct err *err)
{
    char *none[] = {NULL}, *rest[MAX_ARGS + 1];
    int count = 0, rest_count = 0;
    while (args[count])
        count++;
    *err = (struct err){0};
    if (config_load(settings_table, settings_count, settings, count, args, none, rest, &rest_count, err) != 0)
        return -1;
    return ai_options_read(settings, ai, err);
}

static void without_a_word_there_is_no_model_and_no_limit(void **state)
{
    struct settings settings = {0};
    struct ai_settings ai;
    struct err err;
    (void)state;
    assert_int_equal(options_of((char *[]){NULL}, &settings, &ai, &err), 0);
    assert_string_equal(ai.url, "");
    assert_int_equal(ai.concurrency, 16);
    assert_int_equal(ai.tokens_day, 0);
    assert_int_equal(ai.micros_day, 0);
    config_release(settings_table, settings_count, &settings);
}

static void money_is_counted_in_millionths(void **state)
{
    static const struct {
        const char *text;
        int64_t micros;
    } cases[] = {{"0", 0},
                 {"12", 12000000},
                 {"12.5", 12500000},
                 {"0.000001", 1},
                 {"0.150000", 150000},
                 {"007.10", 7100000},
                 {"1000000000", INT64_C(1000000000000000)}};
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct settings settings = {0};
        struct ai_settings ai;
        struct err err;
        char *args[] = {(char *)"--ai-money-day", (char *)cases[i].text, (char *)"--ai-prompt-price",
                        (char *)cases[i].text, NULL};
        if (options_of(args, &settings, &ai, &err) != 0 || ai.micros_day != cases[i].micros ||
            ai.prompt_price != cases[i].micros)
            fail_msg("%s: %lld, %s", cases[i].text, (long long)ai.micros_day, err_text(&err));
        config_release(settings_table, settings_count, &settings);
    }
}

static void what_is_not_right_is_named(void **state)
{
    static const struct {
        const char *name, *value, *message;
    } cases[] = {
        {"--ai-url", "http://127.0.0.1:1/v1", "needs --ai-model"},
        {"--ai-concurrency", "0", "ai-concurrency"},
        {"--ai-concurrency", "1001", "ai-concurrency"},
        {"--ai-tokens-day", "-1", "ai-tokens-day"},
        {"--ai-tokens-day", "many", "ai-tokens-day"},
        {"--ai-money-day", "", "--ai-money-day"},
        {"--ai-money-day", "-1", "--ai-money-day"},
        {"--ai-money-day", "1,5", "--ai-money-day"},
        {"--ai-money-day", "1e3", "--ai-money-day"},
        {"--ai-money-day", "5 EUR", "--ai-money-day"},
        {"--ai-prompt-price", "1.", "--ai-prompt-price"},
        {"--ai-prompt-price", ".5", "--ai-prompt-price"},
        {"--ai-completion-price", "0.0000001", "--ai-completion-price"},
        {"--ai-completion-price", "99999999999999999999999", "--ai-completion-price"},
        {"--ai-completion-price", "1000000001", "--ai-completion-price"},
        {"--ai-personal-fields", "user.email,,user.name", "--ai-personal-fields"},
        {"--ai-personal-fields", "user..email", "--ai-personal-fields"},
        {"--ai-personal-fields", ".email", "--ai-personal-fields"},
        {"--ai-personal-fields", "user email", "--ai-personal-fields"},
        {"--ai-personal-fields", "user.email;", "--ai-personal-fields"},
        {"--actions", "live", "not built yet"},
        {"--actions", "maybe", "actions"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct settings settings = {0};
        struct ai_settings ai;
        struct err err;
        char *args[] = {(char *)cases[i].name, (char *)cases[i].value, NULL};
        if (options_of(args, &settings, &ai, &err) == 0 || err.code != ERR_INVALID ||
            strstr(err_text(&err), cases[i].message) == NULL)
            fail_msg("%s %s: %s", cases[i].name, cases[i].value, err_text(&err));
        config_release(settings_table, settings_count, &settings);
    }
}

static void all_of_it_reaches_the_pipeline(void **state)
{
    struct settings settings = {0};
    struct ai_settings ai;
    struct err err;
    char *args[] = {(char *)"--ai-url=https://127.0.0.1:1/v1",
                    (char *)"--ai-model=small",
                    (char *)"--ai-key-file=/k",
                    (char *)"--ai-ca-file=/ca.pem",
                    (char *)"--ai-concurrency=3",
                    (char *)"--ai-rule-tokens-day=70",
                    (char *)"--ai-agent-tokens-day=80",
                    (char *)"--ai-personal-fields=user.email, user.full_name",
                    NULL};
    (void)state;
    assert_int_equal(options_of(args, &settings, &ai, &err), 0);
    assert_string_equal(ai.url, "https://127.0.0.1:1/v1");
    assert_string_equal(ai.model, "small");
    assert_string_equal(ai.key_file, "/k");
    assert_string_equal(ai.ca_file, "/ca.pem");
    assert_int_equal(ai.concurrency, 3);
    assert_int_equal(ai.rule_tokens_day, 70);
    assert_int_equal(ai.agent_tokens_day, 80);
    assert_string_equal(ai.personal_fields, "user.email, user.full_name");
    config_release(settings_table, settings_count, &settings);
}

static void a_ca_file_is_of_no_use_over_http(void **state)
{
    struct settings settings = {0};
    struct ai_settings ai;
    struct err err;
    char *args[] = {(char *)"--ai-url=HTTP://127.0.0.1:1/v1", (char *)"--ai-model=small",
                    (char *)"--ai-ca-file=/ca.pem", NULL};
    (void)state;
    assert_int_equal(options_of(args, &settings, &ai, &err), -1);
    assert_int_equal(err.code, ERR_INVALID);
    assert_non_null(strstr(err_text(&err), "https://"));
    config_release(settings_table, settings_count, &settings);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_a_word_there_is_no_model_and_no_limit),
        cmocka_unit_test(money_is_counted_in_millionths),
        cmocka_unit_test(what_is_not_right_is_named),
        cmocka_unit_test(all_of_it_reaches_the_pipeline),
        cmocka_unit_test(a_ca_file_is_of_no_use_over_http),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
