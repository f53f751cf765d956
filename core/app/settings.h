/* All settings of the process: one table drives flags, LUNETTE_* variables, --help and docs/configuration.md.
 */
#ifndef LUNETTE_APP_SETTINGS_H
#define LUNETTE_APP_SETTINGS_H

#include "base/config.h"

struct settings {
    char *listen, *metrics_listen;
    char *data, *rules, *plugins, *web;
    char *token_file, *secret_file, *origins;
    int64_t workers;
    int64_t state_max, pending_max, journal_max;
    int64_t retain_events, retain_threats;
    int64_t stop_limit, test_limit, reload_quiet;
    int64_t rate, rate_burst;
    int64_t log_level;
    char *ai_url, *ai_model, *ai_key_file, *ai_ca_file, *ai_personal_fields;
    char *ai_money_day, *ai_prompt_price, *ai_completion_price; /* decimal numbers: ai_options.h */
    int64_t ai_concurrency, ai_tokens_day, ai_rule_tokens_day, ai_agent_tokens_day;
    int64_t actions; /* enum actions_mode */
    bool demo;
};

enum actions_mode { ACTIONS_DRY_RUN, ACTIONS_LIVE };

extern const struct config_option settings_table[];
extern const size_t settings_count;

#endif
